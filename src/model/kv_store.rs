//! Instructions that a model has read in, the same for another process out: the keys and values of a prompt's
//! beginning, one file each. Knows token ids, caches and a folder; knows no weights and no text.
//!
//! A file is named by the digest of all that its numbers come from: the weights, the sources that compute, the
//! instruction set, the ids. So it is never out of date, two processes that write the same name write the same bytes,
//! and what nobody asks for any more is removed as the least recently used.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::cache::Cache;
use crate::kernel::Compute;
use crate::text::hex;

/// A folder for this and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvFolder {
    /// It is made when the first file is written.
    pub path: PathBuf,
    /// What all files in it may take together.
    pub max_bytes: u64,
}

/// What one model finds in the folder. None of it is needed: what goes wrong is remembered, and the prompt is read.
pub(super) struct KvStore {
    folder: KvFolder,
    /// Knows all that names a file but the ids.
    origin: Sha256,
    /// After a failure to write, nothing more is written.
    may_write: bool,
    problem: Option<anyhow::Error>,
}

impl KvStore {
    /// For the model whose weights have this digest, as `compute` reads it.
    pub(super) fn new(folder: KvFolder, compute: &Compute, weights_sha256: &str) -> KvStore {
        let origin = [env!("PRECIS_ARITHMETIC"), &compute.name(), weights_sha256].join("\n");
        KvStore { folder, origin: Sha256::new_with_prefix(origin), may_write: true, problem: None }
    }

    /// A cache that holds `ids` and nothing else, made of the `empty` one; `None` where they are not kept. A damaged
    /// file is removed.
    pub(super) fn find(&mut self, ids: &[u32], mut empty: Cache) -> Option<Cache> {
        let path = self.path(ids);
        match read(&path, ids.len(), &mut empty) {
            Ok(true) => Some(empty),
            Ok(false) => None,
            Err(error) => {
                let removed = fs::remove_file(&path);
                self.may_write &= removed.is_ok();
                self.remember(
                    error
                        .context(format!("instructions kept in `{}` are not usable and are read anew", path.display())),
                );
                None
            }
        }
    }

    /// Keeps `ids`, which `cache` begins with.
    pub(super) fn keep(&mut self, ids: &[u32], cache: &Cache) {
        if self.may_write
            && let Err(error) = self.write(ids, cache)
        {
            self.may_write = false;
            self.remember(error.context(format!("failed to keep instructions in `{}`", self.folder.path.display())));
        }
    }

    /// The first thing that went wrong since the last call.
    pub(super) fn take_problem(&mut self) -> Option<anyhow::Error> {
        self.problem.take()
    }

    fn remember(&mut self, problem: anyhow::Error) {
        self.problem.get_or_insert(problem);
    }

    fn path(&self, ids: &[u32]) -> PathBuf {
        let mut name = self.origin.clone();
        ids.iter().for_each(|id| name.update(id.to_le_bytes()));
        self.folder.path.join(hex(&name.finalize()))
    }

    /// Under its name a file is whole or absent. It may still be lost in a power cut, which its digest would show, so
    /// that nobody has to wait for the disk.
    fn write(&self, ids: &[u32], cache: &Cache) -> Result<()> {
        fs::create_dir_all(&self.folder.path)?;
        let mut file = NamedTempFile::new_in(&self.folder.path)?;
        let mut digest = Sha256::new();
        for bytes in cache.to_bytes(ids.len()) {
            let bytes = bytes?;
            digest.update(&bytes);
            file.write_all(&bytes)?;
        }
        file.write_all(&digest.finalize())?;
        self.make_room(&file)?;
        match file.persist(self.path(ids)) {
            // Another process needed the room.
            Err(failed) if failed.error.kind() == ErrorKind::NotFound => Ok(()),
            persisted => persisted.map(drop).map_err(anyhow::Error::from),
        }
    }

    /// Removes the files that were not used for longest, until all of them fit beside the new one.
    fn make_room(&self, new: &NamedTempFile) -> Result<()> {
        let mut n_bytes = new.as_file().metadata()?.len();
        let max_bytes = self.folder.max_bytes;
        ensure!(n_bytes <= max_bytes, "{n_bytes} bytes are more than the {max_bytes} allowed");
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder.path)? {
            let path = entry?.path();
            // What another process has removed meanwhile needs no room.
            if let Ok(metadata) = fs::metadata(&path)
                && metadata.is_file()
                && path != new.path()
            {
                n_bytes += metadata.len();
                files.push((metadata.modified()?, metadata.len(), path));
            }
        }
        files.sort();
        for (_, len, path) in files {
            if n_bytes <= max_bytes {
                break;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => n_bytes -= len,
            }
        }
        Ok(())
    }
}

/// Fills an empty cache from a file with `n_tokens`, and marks the file as used; `false` if there is none.
fn read(path: &Path, n_tokens: usize, empty: &mut Cache) -> Result<bool> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    let mut digest = Sha256::new();
    empty.fill(n_tokens, |bytes| {
        file.read_exact(bytes).context("it is cut short")?;
        digest.update(bytes);
        Ok(())
    })?;
    let mut expected = Vec::new();
    (&file).take(64).read_to_end(&mut expected)?;
    ensure!(expected == digest.finalize().as_slice(), "its digest is another one");
    // Where that is not allowed, a file counts as used when it was written.
    let _ = file.set_modified(SystemTime::now());
    Ok(true)
}
