//! `precis model`: the store's commands in, lists and paths out.

use anyhow::Result;
use indicatif::BinaryBytes;

use super::super::Exit;
use super::super::args::{Common, ModelCommand, SourceChoice};
use super::super::console::Console;
use super::super::error::explain;
use super::super::interrupt::Interrupt;
use super::super::parts;
use super::super::progress;
use super::super::render::sanitize;
use crate::model::store::{Source, Store, StoreError};

pub(super) fn run(command: ModelCommand, common: &Common, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let store = parts::store(common)?;
    let mut progress = progress::Bytes::new(console, interrupt.clone());
    match command {
        ModelCommand::List => console.out(&list(&store))?,
        ModelCommand::Pull { name, source } => {
            let source = match source {
                None => Source::Auto,
                Some(SourceChoice::Hub) => Source::Hub,
                Some(SourceChoice::Parts) => Source::Parts,
            };
            let path = store.pull(&name, source, &mut progress)?;
            console.note(&format!("model `{name}` is here: `{}`", path.display()));
        }
        ModelCommand::Add { file, name } => {
            let name = store.add(&file, name.as_deref())?;
            console.note(&format!("model `{name}` was added"));
        }
        ModelCommand::Verify { name } => {
            let names: Vec<String> = match name {
                Some(name) => vec![name],
                None => store.list().into_iter().filter(|e| e.present).map(|e| e.name).collect(),
            };
            return verify(&store, &names, console, &mut progress, interrupt);
        }
        ModelCommand::Path { name } => {
            let path = store.find(&name)?.ok_or(StoreError::Absent { name })?;
            console.out(&format!("{}\n", path.display()))?;
        }
        ModelCommand::Rm { name } => {
            let freed = BinaryBytes(store.remove(&name)?);
            console.note(&format!("model `{name}` was deleted: {freed} freed"));
        }
    }
    Ok(Exit::Done)
}

fn list(store: &Store) -> String {
    let mut out = String::new();
    for entry in store.list() {
        let here = if entry.present { "here" } else { "-" };
        let size = BinaryBytes(entry.size_bytes).to_string();
        let (licence, note) = match entry.manifest {
            Some(manifest) => (manifest.licence.as_str(), manifest.note.as_str()),
            None => ("", "added by you"),
        };
        let name = sanitize::line(&entry.name);
        out += format!("{name:<32} {here:<5} {size:>11}  {licence:<11} {note}").trim_end();
        out.push('\n');
    }
    out
}

/// Checks every one of them, and fails at the end if one is wrong.
fn verify(
    store: &Store,
    names: &[String],
    console: Console,
    progress: &mut progress::Bytes,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    for name in names {
        match store.verify(name, progress) {
            Ok(_) => console.out(&format!("{}: as it should be\n", sanitize::line(name)))?,
            Err(error) if interrupt.is_pressed() || names.len() == 1 => return Err(error),
            Err(error) => {
                console.error(&explain(&error));
                exit = Exit::SomeFailed;
            }
        }
    }
    if names.is_empty() {
        console.note("no model is here");
        exit = Exit::NothingFound;
    }
    Ok(exit)
}
