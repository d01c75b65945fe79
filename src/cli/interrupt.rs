//! Ctrl-C in, a flag that long work looks at out. The first press asks, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Exit;

/// Results are on disk as soon as they are finished, so nothing is lost by not waiting longer for the one in work.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Whether somebody asked for an end. Clones share the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
    /// Set at a prompt, where Ctrl-C cancels an answer and the program goes on.
    stays: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP. Starts a thread: settle the number of threads before.
    pub(crate) fn install(&self) -> Result<()> {
        let handler = self.clone();
        let nohup = hangup_is_ignored();
        ctrlc::set_handler(move || handler.press()).context("failed to listen for Ctrl-C")?;
        if nohup {
            // SAFETY: ignoring a signal runs no code of ours.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        }
        Ok(())
    }

    /// The flag for the model to look at between tokens.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.pressed)
    }

    /// Whether the work in hand has to end.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// From now on Ctrl-C cancels what is going on and does not end the program.
    pub(crate) fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// Forgets that it was pressed: the next piece of work starts afresh.
    pub(crate) fn reset(&self) {
        self.pressed.store(false, Ordering::Relaxed);
    }

    fn press(&self) {
        if self.pressed.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        if !self.stays.load(Ordering::Relaxed) {
            // A chunk of a long prompt, or a read from a terminal, does not look at the flag in time.
            thread::spawn(|| {
                thread::sleep(PATIENCE);
                std::process::exit(Exit::Interrupted as i32);
            });
        }
    }
}

/// Whether the program was started to outlive its terminal, as `nohup` does.
fn hangup_is_ignored() -> bool {
    // SAFETY: `sigaction` with no new action only writes the old one into `action`, which is zeroed plain data.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
