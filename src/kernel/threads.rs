//! Work that falls into parts in, the work done by all threads out. Knows no numbers.
//!
//! One pool serves all kernels. The caller works too, and waits only for threads that took a part: a thread that the
//! system did not let run in time is not missed. On a machine with other work to do, waiting for every thread, as
//! candle's pool does, made a token take four times as long.

use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long a thread looks out for the next job before it sleeps: longer than what lies between two products of one
/// token, and too short to be noticed by anyone else.
const PATIENCE: Duration = Duration::from_micros(100);
/// Looks between two looks at the clock.
const LOOKS: usize = 64;
/// Parts for each thread, so that the last to finish is not waited for long.
const PARTS: usize = 8;

/// Calls `work` with ranges that together make up `0..n_items`, on all threads.
pub(super) fn in_parallel(n_items: usize, work: impl Fn(Range<usize>) + Sync) {
    static N_THREADS: OnceLock<usize> = OnceLock::new();
    let n_threads = *N_THREADS.get_or_init(super::n_threads);
    if n_items <= 1 || n_threads <= 1 {
        if n_items > 0 {
            work(0..n_items);
        }
        return;
    }
    let part = n_items.div_ceil(n_threads * PARTS);
    let next = AtomicUsize::new(0);
    pool().run(&|| {
        loop {
            let start = next.fetch_add(part, Ordering::Relaxed);
            if start >= n_items {
                break;
            }
            work(start..n_items.min(start + part));
        }
    });
}

/// What every thread calls once; the calls share the parts among them.
type Job<'a> = dyn Fn() + Sync + 'a;

struct Pool {
    /// Held by whoever runs a job.
    job: Mutex<()>,
    /// How many jobs there were.
    n_jobs: AtomicUsize,
    /// The threads inside the current job, and `OPEN` while more may enter.
    inside: AtomicUsize,
    /// The address of the current job, of type `*const &Job`.
    current: AtomicUsize,
    panicked: AtomicBool,
    n_asleep: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

const OPEN: usize = 1 << (usize::BITS - 1);

fn pool() -> &'static Pool {
    static POOL: OnceLock<&Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let pool: &Pool = Box::leak(Box::new(Pool {
            job: Mutex::new(()),
            n_jobs: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            current: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            n_asleep: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        }));
        for _ in 1..super::n_threads() {
            // Fewer threads than asked for are slower, and no error.
            let _ = std::thread::Builder::new().name("kernel".into()).spawn(|| pool.serve());
        }
        pool
    })
}

impl Pool {
    /// Has `job` called by this thread and by those of the pool that come in time; returns when none is inside.
    fn run(&self, job: &Job<'_>) {
        let _lock = match self.job.try_lock() {
            Ok(lock) => lock,
            Err(TryLockError::Poisoned(lock)) => lock.into_inner(),
            // Another caller has the threads, or this is a call from inside of a job.
            Err(TryLockError::WouldBlock) => return job(),
        };
        let address: *const &Job<'_> = &job;
        self.current.store(address.expose_provenance(), Ordering::Relaxed);
        self.inside.store(OPEN, Ordering::Release);
        self.n_jobs.fetch_add(1, Ordering::SeqCst);
        if self.n_asleep.load(Ordering::SeqCst) > 0 {
            let _sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            self.wake.notify_all();
        }
        let closing = Closing(self);
        job();
        drop(closing);
        if self.panicked.swap(false, Ordering::Relaxed) {
            panic!("a thread of the kernels panicked");
        }
    }

    /// What each thread of the pool does for ever.
    fn serve(&self) {
        let mut n_seen = 0;
        loop {
            n_seen = self.await_job(n_seen);
            let entered = self
                .inside
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |inside| (inside & OPEN != 0).then(|| inside + 1));
            if entered.is_err() {
                continue;
            }
            let address = std::ptr::with_exposed_provenance::<&Job<'_>>(self.current.load(Ordering::Relaxed));
            // SAFETY: `run` stored the address before it opened the job, and its `Closing` keeps the job alive until
            // this thread, which has entered, has left.
            let job = unsafe { *address };
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.inside.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits until there were more than `n_seen` jobs; returns how many.
    fn await_job(&self, n_seen: usize) -> usize {
        let started = Instant::now();
        loop {
            for _ in 0..LOOKS {
                let n_jobs = self.n_jobs.load(Ordering::Acquire);
                if n_jobs != n_seen {
                    return n_jobs;
                }
                std::hint::spin_loop();
            }
            if started.elapsed() > PATIENCE {
                break;
            }
        }
        self.n_asleep.fetch_add(1, Ordering::SeqCst);
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        while self.n_jobs.load(Ordering::SeqCst) == n_seen {
            sleep = self.wake.wait(sleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.n_asleep.fetch_sub(1, Ordering::SeqCst);
        self.n_jobs.load(Ordering::Acquire)
    }
}

/// Lets no more threads into a job, and waits for those inside; also when the caller panics.
struct Closing<'a>(&'a Pool);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_and(!OPEN, Ordering::Relaxed);
        let mut looks = 0;
        while self.0.inside.load(Ordering::Acquire) != 0 {
            looks += 1;
            if looks < 100 * LOOKS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        // The caller's own panic is on its way: the next job is not to hear of those of the others.
        if std::thread::panicking() {
            self.0.panicked.store(false, Ordering::Relaxed);
        }
    }
}

/// A slice of which several threads write separate parts.
pub(super) struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: whoever calls `range` promises that no two threads touch the same items.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}

impl<'a, T> SharedSlice<'a, T> {
    /// Nobody else has the slice while it is shared.
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        SharedSlice { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// While the part is held, no part that overlaps it is.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range was just checked to be inside the slice, and the caller holds no other part of it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        for n_items in [0, 1, 2, 7, 100, 10_001] {
            let counts: Vec<AtomicUsize> = (0..n_items).map(|_| AtomicUsize::new(0)).collect();
            in_parallel(n_items, |range| {
                for item in range {
                    counts[item].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{n_items} items");
        }
    }

    #[test]
    fn work_inside_of_work_is_done() {
        let n_done = AtomicUsize::new(0);
        in_parallel(50, |outer| {
            for _ in outer {
                in_parallel(20, |inner| {
                    n_done.fetch_add(inner.len(), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(n_done.load(Ordering::Relaxed), 1_000);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        for _ in 0..20 {
            let result = catch_unwind(|| in_parallel(100, |range| assert!(!range.contains(&37), "on purpose")));
            assert!(result.is_err());
            let n_done = AtomicUsize::new(0);
            in_parallel(100, |range| {
                n_done.fetch_add(range.len(), Ordering::Relaxed);
            });
            assert_eq!(n_done.load(Ordering::Relaxed), 100);
        }
    }

    #[test]
    fn a_panic_of_all_threads_is_not_told_to_the_next_job() {
        for _ in 0..200 {
            let result = catch_unwind(|| in_parallel(100, |_| panic!("on purpose")));
            assert!(result.is_err());
            in_parallel(100, |_| {});
        }
    }

    #[test]
    fn many_callers_at_once_all_get_their_work_done() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n_items in 1..500 {
                        let sum = AtomicUsize::new(0);
                        in_parallel(n_items, |range| {
                            sum.fetch_add(range.sum(), Ordering::Relaxed);
                        });
                        assert_eq!(sum.load(Ordering::Relaxed), n_items * (n_items - 1) / 2);
                    }
                });
            }
        });
    }
}
