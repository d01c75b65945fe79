//! Work under way in, a bar on a terminal out; elsewhere one line every few seconds, so that a log stays readable.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;
use super::interrupt::Interrupt;
use super::render::sanitize;
use crate::model::{Usage, store};

/// How often a line is written where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A bar or, without a terminal, lines. Silent when the console is.
struct Display {
    console: Console,
    bar: ProgressBar,
    next_line: Instant,
    began: Instant,
}

impl Display {
    fn new(console: Console, total: Option<u64>, template: &str) -> Self {
        let target = match console.quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(total, target);
        bar.set_style(ProgressStyle::with_template(template).expect("the templates are constant"));
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        let now = Instant::now();
        Display { console, bar, next_line: now + LINE_EVERY, began: now }
    }

    /// Writes a line when no bar is drawn and the last one is long enough ago.
    fn line(&mut self, line: impl FnOnce(Duration) -> String) {
        let now = Instant::now();
        if !stderr().is_terminal() && now >= self.next_line {
            self.next_line = now + LINE_EVERY;
            self.console.note(&line(now - self.began));
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Articles done, tokens a second, time left.
pub(crate) struct Articles {
    display: Display,
    n_done: u64,
    n_total: u64,
    tokens: usize,
    model_ms: u64,
}

impl Articles {
    /// Progress over about `n_total` articles: a file may hold many.
    pub(crate) fn new(console: Console, n_total: usize) -> Self {
        let template = "{spinner} {pos}/{len} articles  {msg}  {elapsed}, {eta} left";
        let n_total = n_total as u64;
        Articles { display: Display::new(console, Some(n_total), template), n_done: 0, n_total, tokens: 0, model_ms: 0 }
    }

    /// The model has worked so much for an article that is finished.
    pub(crate) fn spent(&mut self, usage: &Usage) {
        let read = usage.prompt_tokens.saturating_sub(usage.reused_tokens);
        self.tokens += read + usage.completion_tokens;
        self.model_ms += usage.prefill_ms + usage.decode_ms;
    }

    /// One more is finished, skipped or failed.
    pub(crate) fn advance(&mut self) {
        self.n_done += 1;
        self.n_total = self.n_total.max(self.n_done);
        let rate = self.tokens as f64 * 1e3 / self.model_ms.max(1) as f64;
        let (n_done, n_total) = (self.n_done, self.n_total);
        self.display.bar.set_length(n_total);
        self.display.bar.set_position(n_done);
        self.display.bar.set_message(format!("{rate:.0} tokens/s"));
        if n_done == n_total {
            return;
        }
        self.display.line(|elapsed| {
            let left = elapsed.mul_f64((n_total - n_done) as f64 / n_done as f64);
            let left = HumanDuration(left);
            format!("{n_done} of {n_total} articles, {rate:.0} tokens/s, {left} left")
        });
    }

    /// Runs `print` with the bar out of its way.
    pub(crate) fn pause<T>(&self, print: impl FnOnce() -> T) -> T {
        self.display.bar.suspend(print)
    }
}

/// A sign of life while something takes as long as it takes. Ends when it is dropped.
pub(crate) struct Wait {
    display: Display,
}

impl Wait {
    /// `label` says what is going on.
    pub(crate) fn new(console: Console, label: &str) -> Self {
        let template = format!("{{spinner}} {label}  {{elapsed}}");
        Wait { display: Display::new(console, None, &template) }
    }

    /// Runs `print` with the sign out of its way.
    pub(crate) fn pause<T>(&self, print: impl FnOnce() -> T) -> T {
        self.display.bar.suspend(print)
    }
}

/// Counts on their way to a total, each of which shows only when it takes a while.
pub(crate) struct Counts {
    console: Console,
    what: &'static str,
    began: Instant,
    display: Option<Display>,
}

impl Counts {
    /// Nothing is counted yet.
    pub(crate) fn new(console: Console) -> Self {
        Counts { console, what: "", began: Instant::now(), display: None }
    }

    /// `done` of `total` are finished; `what` says of what.
    pub(crate) fn at(&mut self, what: &'static str, done: usize, total: usize) {
        if self.what != what {
            *self = Counts { what, ..Counts::new(self.console) };
        }
        if self.display.is_none() && self.began.elapsed() > Duration::from_millis(500) {
            let template = format!("{{spinner}} {{pos}} of {{len}} {what}, {{eta}} left");
            self.display = Some(Display::new(self.console, Some(total as u64), &template));
        }
        if let Some(display) = &mut self.display {
            display.bar.set_position(done as u64);
            display.line(|_| format!("{done} of {total} {what}"));
        }
    }
}

/// What the store does, in bytes: a fetch, a check, a copy.
pub(crate) struct Bytes {
    console: Console,
    interrupt: Interrupt,
    work: Option<BytesWork>,
}

struct BytesWork {
    display: Display,
    what: String,
    total: Option<u64>,
    /// Where it went on from: earlier bytes are not of this run's making.
    first: Option<u64>,
}

impl Bytes {
    /// Nothing is shown before the store begins something.
    pub(crate) fn new(console: Console, interrupt: Interrupt) -> Self {
        Bytes { console, interrupt, work: None }
    }
}

impl store::Progress for Bytes {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        let template = match total {
            Some(_) => "{msg}  {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta} left",
            None => "{spinner} {msg}  {binary_bytes}  {binary_bytes_per_sec}",
        };
        let display = Display::new(self.console, total, template);
        let what = sanitize::line(what);
        display.bar.set_message(what.clone());
        self.work = Some(BytesWork { display, what, total, first: None });
    }

    fn advance(&mut self, done: u64) {
        let Some(work) = &mut self.work else { return };
        let first = *work.first.get_or_insert_with(|| {
            work.display.bar.set_position(done);
            work.display.bar.reset_eta();
            done
        });
        work.display.bar.set_position(done);
        let (what, total) = (&work.what, work.total);
        work.display.line(|elapsed| {
            let rate = done.saturating_sub(first) as f64 / elapsed.as_secs_f64();
            let so_far = format!("{what}: {}", BinaryBytes(done));
            match total {
                Some(total) if rate > 0.0 => {
                    let left = total.saturating_sub(done) as f64 / rate;
                    let left = HumanDuration(Duration::from_secs_f64(left.min(1e9)));
                    format!("{so_far} of {}, {}/s, {left} left", BinaryBytes(total), BinaryBytes(rate as u64))
                }
                _ => format!("{so_far}, {}/s", BinaryBytes(rate as u64)),
            }
        });
    }

    fn note(&mut self, line: &str) {
        match &self.work {
            Some(work) => work.display.bar.suspend(|| self.console.note(line)),
            None => self.console.note(line),
        }
    }

    fn finish(&mut self) {
        self.work = None;
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_pressed()
    }
}
