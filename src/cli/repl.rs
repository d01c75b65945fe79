//! Questions from a person at a terminal in, answers out, until Ctrl-D. The model stays loaded in between.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use super::Exit;
use super::error::{PipeClosed, explain};
use super::interrupt::Interrupt;
use super::render::text;
use super::run::ask::Session;
use crate::compose::Turn;

/// A follow-up question seldom reaches further back, and old turns take room from the evidence.
const MAX_TURNS: usize = 4;

/// Asks and answers. Ctrl-C cancels an answer, and the prompt stays.
pub(super) fn run(session: &mut Session, interrupt: &Interrupt) -> Result<Exit> {
    interrupt.stay();
    let config = Config::builder().max_history_size(1000)?.history_ignore_space(true).build();
    let mut editor: Editor<(), FileHistory> = Editor::with_config(config).context("failed to open the terminal")?;
    let history = history_file();
    if let Some(history) = &history {
        // There is none before the first time.
        let _ = editor.load_history(history);
    }
    session.console.note("Ask away; up and down recall earlier questions, Ctrl-D leaves.");
    let mut turns: Vec<Turn> = Vec::new();
    loop {
        interrupt.reset();
        let line = match editor.readline("? ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("failed to read from the terminal"),
        };
        let question = line.trim();
        if question.is_empty() {
            continue;
        }
        editor.add_history_entry(question)?;
        if let Some(told) = session.of_collection(question)? {
            session.console.out(&told)?;
            continue;
        }
        let answer = match session.ask(question, &turns) {
            Ok(answer) => answer,
            Err(_) if interrupt.is_pressed() => {
                session.console.note("cancelled");
                continue;
            }
            Err(error) => {
                session.console.error(&explain(&error));
                continue;
            }
        };
        match session.print(question, &answer) {
            Err(error) if error.is::<PipeClosed>() => break,
            printed => printed?,
        }
        if answer.found() {
            turns.push(Turn { question: question.to_owned(), answer: text::answer_body(&answer) });
            turns.drain(..turns.len().saturating_sub(MAX_TURNS));
        }
    }
    if let Some(history) = &history
        && let Err(error) = editor.save_history(history)
    {
        session.console.warn(&format!("failed to keep the history: {error}"));
    }
    Ok(Exit::Done)
}

/// Where earlier questions are kept, once its folder could be made.
fn history_file() -> Option<PathBuf> {
    let folder = dirs::state_dir().or_else(dirs::data_local_dir)?.join("precis");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("questions"))
}
