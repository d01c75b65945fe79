//! The command line: the only code that prints. Arguments in, results on standard output, all else on standard error,
//! an exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::kernel;
use args::{Args, Command};
use console::Console;
use error::PipeClosed;
use interrupt::Interrupt;
use render::sanitize;

mod args;
mod config;
mod console;
mod error;
mod interrupt;
mod parts;
mod progress;
mod render;
mod repl;
mod results;
mod run;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// All was done.
    Done = 0,
    /// Nothing was found, or the evidence does not hold an answer.
    NothingFound = 1,
    /// It could not run.
    CouldNotRun = 2,
    /// Some articles failed.
    SomeFailed = 3,
    /// Somebody stopped it.
    Interrupted = 130,
}

/// The whole program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            // It repeats the arguments, which may be names of files that somebody else chose.
            let message = sanitize::block(&error.render().to_string());
            let _ = std::io::stderr().write_all(message.as_bytes());
            return ExitCode::from(Exit::CouldNotRun as u8);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::from(Exit::Done as u8);
        }
    };
    ExitCode::from(run(args) as u8)
}

fn run(mut args: Args) -> Exit {
    let configured = config::fill(&mut args);
    let console = Console::new(&args.common);
    std::panic::set_hook(Box::new(move |panic| console.bug(&panic.to_string())));
    let interrupt = Interrupt::default();
    let outcome = configured.and_then(|()| {
        set_threads(&args)?;
        interrupt.install()?;
        run::run(args, console, &interrupt)
    });
    match outcome {
        Ok(exit) => exit,
        Err(error) if error.is::<PipeClosed>() => Exit::Done,
        Err(error) => {
            // An end that somebody asked for is no failure, whatever it looked like from inside.
            if interrupt.is_pressed() {
                console.note("interrupted");
                return Exit::Interrupted;
            }
            console.error(&error::explain(&error));
            Exit::CouldNotRun
        }
    }
}

/// Has to happen while this is the only thread.
fn set_threads(args: &Args) -> Result<()> {
    let model = match &args.command {
        Command::Sum(sum) => &sum.model,
        Command::Ask(ask) => &ask.model,
        Command::Bench(bench) => &bench.model,
        Command::Eval(eval) => &eval.model,
        _ => return Ok(()),
    };
    model.threads.map_or(Ok(()), |n| kernel::set_threads(n.into()))
}
