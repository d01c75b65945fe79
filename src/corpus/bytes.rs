//! A file in, its bytes out, hashed on their way. Never waits, and notices when a file changes under it; knows no text.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::source::{Item, Problem, SourceError, kind_if_not_regular};
use crate::text::hex;

/// What the system says about a file without its being read. Equal stamps mean equal bytes, but for a file that was
/// written within the clock's grain of being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// The number of its file system.
    pub(super) device: u64,
    /// Its number there.
    pub(super) inode: u64,
    /// Bytes.
    pub(super) size: u64,
    /// When its content was last changed, in nanoseconds since 1970.
    pub(super) mtime_ns: i64,
    /// When its content or its names were last changed; unlike `mtime_ns`, no program can set it.
    pub(super) ctime_ns: i64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Item {
    /// The item's stamp; `None` for standard input, which has none.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>, SourceError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let metadata = path.metadata().map_err(|error| SourceError::io(&self.shown, error))?;
        Ok(Some(Stamp::of(&metadata)))
    }

    /// The lowercase hex SHA-256 of a file's bytes. Not for standard input, which can be read only once.
    pub fn sha256(&self) -> Result<String, SourceError> {
        let mut bytes = self.open_bytes()?;
        io::copy(&mut bytes, &mut io::sink()).map_err(|error| SourceError::io(&self.shown, error))?;
        if bytes.changed() {
            return Err(SourceError::new(&self.shown, Problem::Changed));
        }
        Ok(bytes.sha256())
    }

    pub(super) fn open_bytes(&self) -> Result<Bytes, SourceError> {
        let Some(path) = &self.path else {
            return Ok(Bytes::of(Box::new(io::stdin()), None));
        };
        let unreadable = |error| SourceError::io(&self.shown, error);
        let regular = |metadata: &Metadata| match kind_if_not_regular(metadata.file_type()) {
            Some(kind) => Err(SourceError::new(&self.shown, Problem::NotAFile(kind))),
            None => Ok(()),
        };
        // Opening alone has effects on a device or a pipe, so ask first; and ask what was opened, since the name
        // may have been given to something else meanwhile.
        regular(&path.metadata().map_err(unreadable)?)?;
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        regular(&metadata)?;
        let twin = file.try_clone().map_err(unreadable)?;
        Ok(Bytes::of(Box::new(file), Some((twin, Stamp::of(&metadata)))))
    }
}

/// A stream that hashes what passes through and, when it is a file, notices that it was changed.
pub(super) struct Bytes {
    inner: Box<dyn Read + Send>,
    hash: Sha256,
    file: Option<(File, Stamp)>,
}

impl Bytes {
    pub(super) fn of(inner: Box<dyn Read + Send>, file: Option<(File, Stamp)>) -> Bytes {
        Bytes { inner, hash: Sha256::new(), file }
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.file.as_ref().map(|(_, stamp)| stamp.size)
    }

    pub(super) fn changed(&self) -> bool {
        let Some((file, before)) = &self.file else {
            return false;
        };
        // The times of a file that somebody else renames or links meanwhile change too, but not its bytes.
        let same = |after: Stamp| after.size == before.size && after.mtime_ns == before.mtime_ns;
        !file.metadata().is_ok_and(|metadata| same(Stamp::of(&metadata)))
    }

    pub(super) fn sha256(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n_read]);
        Ok(n_read)
    }
}
