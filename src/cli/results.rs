//! Files of results and folders of notes in, their records out, each with its place; what is no record is told, and stops
//! nothing.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::render::record::{Record, SummaryRecord};
use crate::batch::ledger;
use crate::corpus::source::LEDGER;

/// A line of results.
pub(crate) struct Kept {
    /// `out.jsonl:3`.
    pub(crate) place: String,
    /// In a folder of notes, the folder.
    pub(crate) folder: Option<PathBuf>,
    /// What it holds, or why that cannot be told.
    pub(crate) record: Result<Record, Unreadable>,
}

/// Why a line is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("is cut off")]
    CutOff,
    #[error("is no result: {0}")]
    NoResult(String),
    #[error("is of another version of precis: `{0}`")]
    OtherVersion(String),
}

/// The records of a file, one line at a time, or of a folder's ledger: there the last one of each article, since what
/// came before it was done anew.
///
/// # Errors
/// When it cannot be opened. A line that cannot be read is an item.
pub(crate) fn read(path: &Path) -> Result<Box<dyn Iterator<Item = Kept>>> {
    let failed = || format!("failed to read results from `{}`", path.display());
    let is_folder = path.metadata().with_context(failed)?.is_dir();
    let file = if is_folder { path.join(LEDGER) } else { path.to_owned() };
    let lines = ledger::lines(BufReader::new(File::open(&file).with_context(failed)?));
    let name = file.display().to_string();
    let kept = lines.enumerate().filter_map(move |(idx, line)| {
        let line = match line {
            Ok(line) if line.trim_ascii().is_empty() => return None,
            line => line.map_err(|error| Unreadable::NoResult(error.to_string())),
        };
        let record = line.and_then(|line| parse(line.trim_ascii()));
        Some(Kept { place: format!("{name}:{}", idx + 1), folder: None, record })
    });
    match is_folder {
        false => Ok(Box::new(kept)),
        true => Ok(Box::new(last_of_each(kept, path).into_iter())),
    }
}

fn parse(line: &[u8]) -> Result<Record, Unreadable> {
    #[derive(Deserialize)]
    struct Line {
        schema: String,
    }
    let no_result = |error: serde_json::Error| match error.is_eof() {
        true => Unreadable::CutOff,
        false => Unreadable::NoResult(error.to_string()),
    };
    let Line { schema } = serde_json::from_slice(line).map_err(no_result)?;
    const KINDS: [&str; 5] = ["summary", "answer", "overview", "error", "skipped"];
    let is_known = KINDS.iter().any(|kind| schema == format!("precis/{kind}/1"));
    match schema.strip_prefix("precis/") {
        Some(_) if is_known => serde_json::from_slice(line).map_err(no_result),
        Some(_) => Err(Unreadable::OtherVersion(schema)),
        None => Err(Unreadable::NoResult(format!("its schema is `{schema}`"))),
    }
}

/// A crash may have torn a line of a ledger; its article was done again, so it is no loss. A failure counts until the
/// article gives a result.
fn last_of_each(kept: impl Iterator<Item = Kept>, folder: &Path) -> Vec<Kept> {
    let mut last: Vec<Option<Kept>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in kept {
        let (name, failure) = match &line.record {
            Ok(Record::Summary(summary)) => (summary.file.clone(), Some(format!("failed: {}", summary.source.path))),
            Ok(Record::Error(error)) => (Some(format!("failed: {}", error.path)), None),
            Err(Unreadable::CutOff) => continue,
            _ => (None, None),
        };
        let earlier = [&name, &failure].map(|name| name.as_ref().and_then(|name| places.remove(name)));
        earlier.into_iter().flatten().for_each(|place| last[place] = None);
        if let Some(name) = name {
            places.insert(name, last.len());
        }
        last.push(Some(Kept { folder: Some(folder.to_owned()), ..line }));
    }
    last.into_iter().flatten().collect()
}

/// Whether the file of a result in a folder of notes is there, in any form, and has what the ledger has, where it is JSON.
pub(crate) fn is_as_kept(folder: &Path, file: &str, kept: &SummaryRecord) -> bool {
    let file = folder.join(file);
    match fs::read(file.with_extension("json")).map(|bytes| parse(&bytes)) {
        Ok(Ok(Record::Summary(own))) => {
            let (key, file) = (kept.key.clone(), kept.file.clone());
            SummaryRecord { key, file, ..own } == *kept
        }
        Ok(_) => false,
        Err(_) => ["txt", "md", "html"].iter().any(|form| file.with_extension(form).is_file()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_result_says_why() {
        let check = |line: &str, expected: &str| {
            let found = parse(line.as_bytes()).map(|_| ()).unwrap_err().to_string();
            assert!(found.contains(expected), "{line}: {found}");
        };
        check(r#"{"schema": "precis/error/1", "path": "a.txt", "err"#, "cut off");
        check(r#"{"schema": "precis/summary/2"}"#, "another version of precis: `precis/summary/2`");
        check(r#"{"schema": "other"}"#, "its schema is `other`");
        check(r#"{"schema": "precis/error/1", "path": 3}"#, "no result");
        check(r#"{"path": "a.txt"}"#, "missing field `schema`");
        check("Dear reader,", "no result");
        assert!(parse(br#"{"schema": "precis/error/1", "path": "a.txt", "error": "empty"}"#).is_ok());
        assert!(parse(br#"{"schema": "precis/skipped/1", "why": "links", "files": 1, "names": []}"#).is_ok());
    }
}
