//! Words for people and bytes for pipes in, written to the right stream. Knows colours and quiet; knows no subject.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};

use super::args::{Common, When};
use super::error::{Explained, PipeClosed};
use super::render::sanitize;

/// Where output goes and how it looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    /// Only results and errors.
    pub(crate) quiet: bool,
    /// More than usual.
    pub(crate) verbose: bool,
    /// Colour on standard output.
    pub(crate) color: bool,
    color_err: bool,
}

impl Console {
    /// A console as the user asked for it.
    pub(crate) fn new(common: &Common) -> Self {
        let when = common.color.unwrap_or(When::Auto);
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paints = |terminal: bool| match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !no_color,
        };
        Console {
            quiet: common.quiet,
            verbose: common.verbose,
            color: paints(io::stdout().is_terminal()),
            color_err: paints(io::stderr().is_terminal()),
        }
    }

    /// Writes a result to standard output, at once.
    ///
    /// # Errors
    /// [`PipeClosed`] among them, on which the program ends quietly.
    pub(crate) fn out(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(PipeClosed.into()),
            written => written.context("failed to write to standard output"),
        }
    }

    /// Tells people something that is not a result.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            self.err("", "", message);
        }
    }

    /// Tells people about something that they did not ask for.
    pub(crate) fn warn(&self, message: &str) {
        if !self.quiet {
            self.err("\x1b[33m", "warning: ", message);
        }
    }

    /// Says what went wrong: the cause, then the way out.
    pub(crate) fn error(&self, explained: &Explained) {
        self.err("\x1b[31m", "error: ", &explained.cause);
        if let Some(hint) = &explained.hint {
            self.err("\x1b[36m", "hint: ", hint);
        }
    }

    /// Reports a panic. Its message may hold words of an article.
    pub(crate) fn bug(&self, panic: &str) {
        self.err("\x1b[31m", "bug: ", panic);
    }

    fn err(&self, color: &str, label: &str, message: &str) {
        let message = sanitize::block(message);
        let mut stderr = io::stderr().lock();
        // Nobody is left to be told when standard error is closed, and that must not stop the work.
        let _ = if self.color_err && !label.is_empty() {
            writeln!(stderr, "{color}{label}\x1b[0m{message}")
        } else {
            writeln!(stderr, "{label}{message}")
        };
    }
}
