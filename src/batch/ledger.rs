//! The append-only truth of a run: records in, each on disk before the next begins; what is already done out.
//!
//! A record is one JSON line with a `key` (what was done, and how) and a `file` (where its result is). A line that a
//! crash tore is passed over, and so is one that this version does not know.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::corpus::source::LEDGER;

/// No line of ours is longer; a longer one is not read into memory.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Another run is writing to the same folder.
#[derive(Debug, thiserror::Error)]
#[error("another run is writing to `{}`", folder.display())]
pub struct Busy {
    /// The folder.
    pub folder: PathBuf,
}

/// An open ledger, locked against other runs for as long as it lives.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    kept: Kept,
}

/// Name of a result's file without its extension -> the key under which it was last made, and where its record is.
type Kept = HashMap<String, (String, u64)>;

#[derive(Deserialize)]
struct Record {
    key: String,
    file: String,
}

impl Ledger {
    /// Opens or begins the ledger of `folder`.
    ///
    /// # Errors
    /// [`Busy`] when another run holds it, or whatever the system says.
    pub fn open(folder: &Path) -> Result<Ledger> {
        let path = folder.join(LEDGER);
        let failed = || format!("failed to open the ledger `{}`", path.display());
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.to_owned();
                return Err(Busy { folder }.into());
            }
            Err(TryLockError::Error(e)) => return Err(e).with_context(failed),
        }
        let (kept, torn) = read(&mut file).with_context(failed)?;
        if torn {
            // The torn line stays where it is, as a line of its own that nobody can read.
            file.write_all(b"\n").with_context(failed)?;
        }
        Ok(Ledger { path, file, kept })
    }

    /// The key under which the result in `file` was last made, in whatever form.
    pub fn key_of(&self, file: &str) -> Option<&str> {
        self.kept.get(stem(file)).map(|(key, _)| key.as_str())
    }

    /// The last record of the result in `file`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn record(&self, file: &str) -> Result<String> {
        let failed = || format!("failed to read the ledger `{}`", self.path.display());
        let (_, start) = self.kept.get(stem(file)).with_context(failed)?;
        (&self.file).seek(SeekFrom::Start(*start)).with_context(failed)?;
        let line = lines(BufReader::new(&self.file)).next().with_context(failed)?.with_context(failed)?;
        String::from_utf8(line).with_context(failed)
    }

    /// Writes one record, whole and on disk. `json` is one object without a line break.
    ///
    /// # Errors
    /// When it could not be written; the ledger then is as it was before.
    pub fn append(&mut self, json: &str) -> Result<()> {
        debug_assert!(!json.contains('\n'));
        let failed = || format!("failed to write to the ledger `{}`", self.path.display());
        let length = self.file.metadata().with_context(failed)?.len();
        let line = format!("{json}\n");
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A full disk leaves half a line; the next run would pass over it, but it need not be there.
            let _ = self.file.set_len(length);
            return Err(error).with_context(failed);
        }
        if let Ok(Record { key, file }) = serde_json::from_str(json) {
            self.kept.insert(stem(&file).to_owned(), (key, length));
        }
        Ok(())
    }
}

/// The lines of a ledger or of a file of results, each with its end where it has one: a line that was torn, and a part of
/// one that is longer than any of ours, has none.
pub fn lines(mut reader: impl BufRead) -> impl Iterator<Item = std::io::Result<Vec<u8>>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match std::io::Read::take(&mut reader, MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => None,
            read => Some(read.map(|_| line)),
        }
    })
}

/// The last key of each file with the place of its record, and whether the last line lacks its end.
fn read(file: &mut File) -> std::io::Result<(Kept, bool)> {
    let (mut kept, mut torn, mut start) = (HashMap::new(), false, 0);
    file.seek(SeekFrom::Start(0))?;
    for line in lines(BufReader::new(file)) {
        let line = line?;
        torn = !line.ends_with(b"\n");
        if let (false, Ok(Record { key, file })) = (torn, serde_json::from_slice(&line)) {
            kept.insert(stem(&file).to_owned(), (key, start));
        }
        start += line.len() as u64;
    }
    Ok((kept, torn))
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, file: &str) -> String {
        format!(r#"{{"key":"{key}","file":"{file}","more":[1]}}"#)
    }

    #[test]
    fn what_was_appended_is_known_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        ledger.append(&record("1", "a.txt")).unwrap();
        ledger.append(&record("2", "a.txt")).unwrap();
        ledger.append(r#"{"schema":"precis/error/1"}"#).unwrap();
        assert_eq!(ledger.key_of("a.txt"), Some("2"));
        drop(ledger);
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!((ledger.key_of("a.txt"), ledger.key_of("b.txt")), (Some("2"), None));
    }

    #[test]
    fn a_line_torn_at_any_byte_loses_only_itself() {
        let whole = format!("{}\n{}\n", record("1", "a.txt"), record("2", "b.txt"));
        let first = record("1", "a.txt").len() + 1;
        for cut in first..whole.len() {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(LEDGER), &whole[..cut]).unwrap();
            let mut ledger = Ledger::open(folder.path()).unwrap();
            assert_eq!((ledger.key_of("a.txt"), ledger.key_of("b.txt")), (Some("1"), None));
            ledger.append(&record("3", "c.txt")).unwrap();
            drop(ledger);
            assert_eq!(Ledger::open(folder.path()).unwrap().key_of("c.txt"), Some("3"), "{cut}");
        }
    }

    #[test]
    fn two_runs_on_one_folder_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let first = Ledger::open(folder.path()).unwrap();
        assert!(Ledger::open(folder.path()).unwrap_err().is::<Busy>());
        drop(first);
        assert!(Ledger::open(folder.path()).is_ok());
    }
}
