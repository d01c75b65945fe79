//! `precis render`: the ledger of a folder in, the files of its results out, made again. No model is needed.

use anyhow::Result;

use super::super::Exit;
use super::super::args::{Format, RenderArgs};
use super::super::console::Console;
use super::super::error::CallError;
use super::super::interrupt::Interrupt;
use super::super::render::html::{Entry, page};
use super::super::render::record::Record;
use super::super::render::text::Look;
use super::super::{render, results};
use super::report::rested;
use crate::batch::Folder;
use crate::corpus::reread::Reread;
use crate::corpus::source::LEDGER;

pub(super) fn run(args: RenderArgs, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let name = args.folder.display().to_string();
    if !args.folder.join(LEDGER).is_file() {
        return Err(CallError::NoLedger(name).into());
    }
    // Held against a run that writes there.
    let folder = Folder::open(&args.folder, "")?;
    let mut sources = Reread::new(args.corpus.as_deref());
    let look = Look { color: false, verbose: console.verbose };
    let (mut n_made, mut n_passed_over) = (0, 0);
    for kept in results::read(&args.folder)? {
        if interrupt.is_pressed() {
            return Ok(Exit::Interrupted);
        }
        let record = match kept.record {
            Ok(record) => record,
            Err(why) => {
                n_passed_over += 1;
                console.warn(&format!("passed over {}, which {why}", kept.place));
                continue;
            }
        };
        let Record::Summary(summary) = &record else { continue };
        let named = summary.file.as_deref().and_then(|file| file.rsplit_once('.'));
        // A ledger that somebody wrote by hand may name any place.
        let named = named.filter(|(stem, _)| !stem.contains('/') && !stem.starts_with('.'));
        let format = named.and_then(|(_, extension)| args.format.or(Format::of_extension(extension)));
        let (Some((stem, _)), Some(format)) = (named, format) else {
            n_passed_over += 1;
            console.warn(&format!("passed over {}, which names no file of this folder", kept.place));
            continue;
        };
        let content = match format {
            Format::Html => {
                let articles = rested(&record, &mut sources);
                page(&Vec::from_iter(Entry::new("", &record, articles)), &[])
            }
            format => render::summary(summary, format, look),
        };
        folder.write(&format!("{stem}.{}", format.extension()), &content)?;
        n_made += 1;
    }
    console.note(&format!("{n_made} made again: `{name}`"));
    Ok(if n_passed_over > 0 { Exit::SomeFailed } else { Exit::Done })
}
