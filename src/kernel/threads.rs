//! Work that falls into parts in, the work done by all threads out. Knows no numbers.

use std::marker::PhantomData;
use std::ops::Range;

use candle_core::utils::barrier_pool;

/// Calls `work` with ranges that together make up `0..n_items`, on all threads of candle's pool, whose threads spin
/// for a moment before they sleep: the products of one token follow one another within microseconds.
pub(super) fn in_parallel(n_items: usize, work: impl Fn(Range<usize>) + Sync) {
    match n_items {
        0 => (),
        1 => work(0..1),
        _ => barrier_pool().execute_chunked(n_items, work),
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
        SharedSlice {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            lifetime: PhantomData,
        }
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
