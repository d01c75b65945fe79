//! `precis report`: results in, one page of them beside their articles out. No model is needed.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::super::Exit;
use super::super::args::ReportArgs;
use super::super::console::Console;
use super::super::error::{Doubt, explain_doubt};
use super::super::interrupt::Interrupt;
use super::super::render::html::{Entry, Rested, page, rests_on};
use super::super::render::record::Record;
use super::super::results;
use crate::corpus::reread::Reread;

pub(super) fn run(args: ReportArgs, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let files = args.results.iter().map(|path| results::read(path)).collect::<Result<Vec<_>>>()?;
    let mut sources = Reread::new(args.corpus.as_deref());
    let (mut entries, mut failed, mut n_passed_over) = (Vec::new(), Vec::new(), 0);
    for kept in files.into_iter().flatten() {
        if interrupt.is_pressed() {
            return Ok(Exit::Interrupted);
        }
        match kept.record {
            Ok(Record::Error(error)) => failed.push(error),
            Ok(record) => entries.extend(Entry::new(&kept.place, &record, rested(&record, &mut sources))),
            Err(why) => {
                n_passed_over += 1;
                console.warn(&format!("passed over {}, which {why}", kept.place));
            }
        }
    }
    if entries.is_empty() && failed.is_empty() {
        console.error(&explain_doubt(Doubt::NoResults));
        return Ok(Exit::CouldNotRun);
    }
    let page = page(&entries, &failed);
    match &args.output {
        None => console.out(&page)?,
        Some(path) => write(path, &page).with_context(|| format!("failed to write `{}`", path.display()))?,
    }
    Ok(if n_passed_over > 0 { Exit::SomeFailed } else { Exit::Done })
}

/// The articles that a result rests on, as far as they are what they were.
pub(super) fn rested(record: &Record, sources: &mut Reread) -> Vec<Rested> {
    let mut read = |(path, sha256): (String, Option<String>)| {
        let article = match sources.article(&path, sha256.as_deref()) {
            Err(error) => Err(format!("{error:#}")),
            Ok(article) if sha256.is_some_and(|sha256| sha256 != article.sha256) => {
                let version = record.fingerprint().map_or(String::new(), |by| by.version.clone());
                Err(Doubt::Changed { path: path.clone(), version }.to_string())
            }
            Ok(article) => Ok(article),
        };
        (path, article)
    };
    rests_on(record).into_iter().map(&mut read).collect()
}

/// Under its name the page stands whole or not at all.
fn write(path: &Path, page: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Whoever may read other new files may read it.
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    file.write_all(page.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
