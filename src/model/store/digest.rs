//! Files in, SHA-256 out, remembered until the file changes. Knows no model and no network.
//!
//! A digest is remembered beside the file's size and modification time, one small JSON file for each path; when either
//! differs, the file is read again. Hashing a gigabyte takes seconds, which nobody would wait for at every start.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::text::hex;

/// The remembered digests.
#[derive(Debug, Clone)]
pub(super) struct Records {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct Record {
    path: PathBuf,
    size_bytes: u64,
    modified_ns: u64,
    sha256: String,
}

impl Records {
    /// Digests remembered in `folder`, which need not exist yet.
    pub(super) fn new(folder: PathBuf) -> Records {
        Records { folder }
    }

    /// The digest of the file at `path`, read again only if the file changed since it was remembered.
    pub(super) fn sha256_of(&self, path: &Path) -> Result<String> {
        let found = canonical(path)?;
        let remembered = self.remembered(&found);
        match remembered {
            Some(record) if record.is_of(&regular_file(&found)?) => Ok(record.sha256),
            _ => self.read_again(path, &mut |_| Ok(())),
        }
    }

    /// The digest of the file at `path`, read now. `each` gets the bytes read so far and may stop the reading.
    pub(super) fn read_again(&self, path: &Path, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<String> {
        let found = canonical(path)?;
        let before = regular_file(&found)?;
        let sha256 = hash_file(&found, each)?;
        let after = regular_file(&found)?;
        if (before.len(), modified_ns(&before)) != (after.len(), modified_ns(&after)) {
            bail!("`{}` changed while it was read", path.display());
        }
        self.remember(&found, &after, &sha256);
        Ok(sha256)
    }

    /// Remembers a digest that was computed while the file was written.
    pub(super) fn note(&self, path: &Path, sha256: &str) -> Result<()> {
        let found = canonical(path)?;
        self.remember(&found, &regular_file(&found)?, sha256);
        Ok(())
    }

    /// Forgets the file at `path`.
    pub(super) fn forget(&self, path: &Path) {
        if let Ok(found) = canonical(path) {
            // Nothing remembered is as good as forgotten.
            let _ = fs::remove_file(self.record_path(&found));
        }
    }

    fn remembered(&self, found: &Path) -> Option<Record> {
        let text = fs::read(self.record_path(found)).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (record.path == found).then_some(record)
    }

    /// A store that cannot be written to is still good for reading: then the digest is computed at every start.
    fn remember(&self, found: &Path, metadata: &Metadata, sha256: &str) {
        let record = Record {
            path: found.to_owned(),
            size_bytes: metadata.len(),
            modified_ns: modified_ns(metadata),
            sha256: sha256.to_owned(),
        };
        let _ = write_json(&self.record_path(found), &record);
    }

    fn record_path(&self, found: &Path) -> PathBuf {
        let key = hex(&Sha256::digest(found.as_os_str().as_encoded_bytes()));
        self.folder.join(format!("{}.json", &key[..24]))
    }
}

impl Record {
    fn is_of(&self, metadata: &Metadata) -> bool {
        self.size_bytes == metadata.len() && self.modified_ns == modified_ns(metadata)
    }
}

/// Writes `value` to `path` by way of a temporary file, so that a reader finds the old or the new one.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let folder = path.parent().context("a record lies in a folder")?;
    let attempt = || -> Result<()> {
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        // A store that several users share is read by all of them; the umask has the last word.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        serde_json::to_writer(&mut file, value)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    attempt().with_context(|| format!("failed to write `{}`", path.display()))
}

/// What `stat` says of a regular file. Anything else is refused before it is opened, as opening a pipe would wait.
pub(super) fn regular_file(path: &Path) -> Result<Metadata> {
    let metadata = fs::metadata(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    if !metadata.is_file() {
        bail!("`{}` is not a file", path.display());
    }
    Ok(metadata)
}

fn hash_file(path: &Path, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<String> {
    let read = || format!("failed to read `{}`", path.display());
    let mut file = File::open(path).with_context(read)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let n_read = file.read(&mut buffer).with_context(read)?;
        if n_read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n_read]);
        done += n_read as u64;
        each(done)?;
    }
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("failed to read `{}`", path.display()))
}

/// Nanoseconds since 1970, or 0 where the file system has no such time.
fn modified_ns(metadata: &Metadata) -> u64 {
    let since = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).ok();
    let modified = metadata.modified().ok().and_then(since);
    modified.map_or(0, |age| age.as_nanos() as u64)
}
