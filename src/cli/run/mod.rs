//! One file a command: arguments in, parts built, the work called for, its result rendered.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::CommandFactory;

use super::Exit;
use super::args::{Args, Command};
use super::console::Console;
use super::error::{CallError, explain, find};
use super::interrupt::Interrupt;
use crate::batch::Job;
use crate::corpus::source::{self, Found, Item, PassedOver, Skipped, SourceError};
use crate::text::{Article, RawArticle};

pub(super) mod ask;
mod bench;
mod doctor;
mod eval;
mod model;
mod render;
mod report;
mod show;
mod sum;
mod verify;

/// Does what the command line says.
pub(super) fn run(args: Args, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let common = args.common;
    match args.command {
        Command::Sum(args) => sum::run(args, &common, console, interrupt),
        Command::Ask(args) => ask::run(args, &common, console, interrupt),
        Command::Show(args) => show::run(args, console, interrupt),
        Command::Render(args) => render::run(args, console, interrupt),
        Command::Report(args) => report::run(args, console, interrupt),
        Command::Verify(args) => verify::run(args, console, interrupt),
        Command::Model(command) => model::run(command, &common, console, interrupt),
        Command::Doctor => doctor::run(&common, console, interrupt),
        Command::Bench(args) => bench::run(args, &common, console, interrupt),
        Command::Eval(args) => eval::run(args, &common, console, interrupt),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "precis", &mut script);
            console.out(&String::from_utf8(script)?)?;
            Ok(Exit::Done)
        }
        Command::Man => {
            let mut command = Args::command();
            command.build(); // names the subcommands in full, and gives them the options of every command
            let mut page = Vec::new();
            clap_mangen::Man::new(command.clone()).render(&mut page)?;
            for command in command.get_subcommands().filter(|c| c.get_name() != "help") {
                clap_mangen::Man::new(command.clone()).render(&mut page)?;
            }
            console.out(&String::from_utf8(page)?)?;
            Ok(Exit::Done)
        }
    }
}

/// Lists the inputs; nothing at all on a terminal is a mistake, in a pipe it is standard input.
fn find_articles(inputs: &[PathBuf]) -> Result<Found> {
    let found = match inputs {
        [] if io::stdin().is_terminal() => return Err(CallError::NoInput.into()),
        [] => source::find(&[Path::new("-")]),
        inputs => source::find(inputs),
    };
    if found.items.is_empty() && found.problems.is_empty() {
        let inputs: Vec<String> = inputs.iter().map(|input| format!("`{}`", input.display())).collect();
        let (others, own) = (found.skipped.other_types.count, found.skipped.outputs.count);
        return Err(CallError::NoArticles { inputs: inputs.join(", "), others, own }.into());
    }
    Ok(found)
}

/// Tells people what was passed over, and why: a file that nobody read must not look like one that was.
fn tell_skipped(skipped: &Skipped, console: Console) {
    const MAX_NAMED: usize = 3;
    for (why, passed) in reasons(skipped) {
        let named: Vec<String> = passed.names.iter().take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
        let more = if passed.count > named.len() { ", …" } else { "" };
        let files = if passed.count == 1 { "file" } else { "files" };
        let line = format!("passed over {} {files} {why}: {}{more}", passed.count, named.join(", "));
        console.note(&super::render::sanitize::line(&line));
    }
}

/// What was passed over as lines of JSON, one a reason.
fn skipped_lines(skipped: &Skipped) -> String {
    reasons(skipped).map(|(why, passed)| super::render::json::skipped(why, passed.count, &passed.names)).collect()
}

fn reasons(skipped: &Skipped) -> impl Iterator<Item = (&'static str, &PassedOver)> {
    let all = [
        ("of other types", &skipped.other_types),
        ("that are links", &skipped.links),
        ("that precis wrote", &skipped.outputs),
    ];
    all.into_iter().filter(|(_, passed)| passed.count > 0)
}

/// What was found, as work: each article is read when its turn comes, and no two at once.
fn jobs(found: Found) -> impl Iterator<Item = Job<'static>> {
    let problems = found.problems.into_iter().map(broken);
    problems.chain(found.items.into_iter().flat_map(|item| -> Box<dyn Iterator<Item = Job<'static>>> {
        match item.open() {
            Ok(articles) => Box::new(articles.map(move |raw| match raw {
                Ok(raw) => job(&item, raw),
                Err(error) => broken(error),
            })),
            Err(error) => Box::new(std::iter::once(broken(error))),
        }
    }))
}

fn job(item: &Item, raw: RawArticle) -> Job<'static> {
    // A record of a file has the file's name with its number behind.
    let record = raw.path.strip_prefix(&item.shown).unwrap_or_default();
    Job {
        path: raw.path.clone(),
        key: format!("{}{record}", item.key()),
        read: Box::new(move || Ok(Article::read(&raw)?)),
    }
}

fn broken(error: SourceError) -> Job<'static> {
    Job { path: error.path.clone(), key: String::new(), read: Box::new(move || Err(error.into())) }
}

/// Tells people which article failed, and why. Returns the cause.
fn report(path: &str, error: &anyhow::Error, console: Console) -> String {
    let mut explained = explain(error);
    let cause = explained.cause.clone();
    // An error of the source begins with the path itself.
    if find::<SourceError>(error).is_none() {
        explained.cause = format!("`{path}`: {cause}");
    }
    // The path is one line, whatever it holds.
    explained.cause = super::render::sanitize::line(&explained.cause);
    console.error(&explained);
    cause
}

/// The exit code of work on many articles.
fn exit_of(tally: crate::batch::Tally, n_items: usize) -> Exit {
    match tally {
        _ if tally.interrupted => Exit::Interrupted,
        _ if n_items == 0 => Exit::CouldNotRun,
        _ if tally.failed > 0 => Exit::SomeFailed,
        _ => Exit::Done,
    }
}
