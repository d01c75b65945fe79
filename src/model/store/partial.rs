//! A file on its way into the store: bytes in, order kept, digest computed as they pass. Knows no source.
//!
//! Whichever source brings the bytes, they are the same bytes, so the hub can go on where the parts stopped. The final
//! name appears only when size and SHA-256 hold, and after both the file and the rename have reached the disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use super::{Progress, StoreError};
use crate::text::hex;

/// The beginning of a file, on disk, with its digest so far.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    n_bytes: u64,
    size_bytes: u64,
}

impl Partial {
    /// Opens `path`, creating it if need be, and keeps its first `keep` bytes (fewer if it is shorter, none if it is
    /// longer than the `size_bytes` of the whole file, which no honest start of it can be).
    pub(super) fn open(path: &Path, keep: u64, size_bytes: u64, progress: &dyn Progress) -> Result<Partial> {
        let open = || format!("failed to open `{}`", path.display());
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).with_context(open)?;
        let found = file.metadata().with_context(open)?.len();
        let n_bytes = if found > size_bytes { 0 } else { found.min(keep) };
        file.set_len(n_bytes).with_context(open)?;

        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n_read = file.read(&mut buffer).with_context(open)?;
            if n_read == 0 {
                break;
            }
            hasher.update(&buffer[..n_read]);
            stop_if_cancelled(progress)?;
        }
        Ok(Partial { path: path.to_owned(), file, hasher, n_bytes, size_bytes })
    }

    /// Bytes that are there.
    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Bytes still to come.
    pub(super) fn n_missing(&self) -> u64 {
        self.size_bytes - self.n_bytes
    }

    /// Adds `bytes` at the end.
    ///
    /// # Errors
    /// More bytes than the file is to have, in which case none of them can be trusted and all are dropped;
    /// [`StoreError::DiskFull`].
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.n_missing() {
            self.restart()?;
            bail!("more came than the {} bytes expected", self.size_bytes);
        }
        self.file.write_all(bytes).map_err(|e| self.explain(e))?;
        self.hasher.update(bytes);
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Drops what is there and begins anew.
    pub(super) fn restart(&mut self) -> Result<()> {
        let reset = self.file.set_len(0);
        reset
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .with_context(|| format!("failed to empty `{}`", self.path.display()))?;
        self.hasher = Sha256::new();
        self.n_bytes = 0;
        Ok(())
    }

    /// Makes sure that what was appended survives a power cut.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| self.explain(e))
    }

    /// Gives the file its final name, if it is complete and hashes to `sha256`.
    ///
    /// # Errors
    /// [`StoreError::Digest`] when it does not, another error when it is too short; either way it is deleted.
    pub(super) fn settle(self, sha256: &str, target: &Path) -> Result<()> {
        self.sync()?;
        let got = hex(&self.hasher.finalize());
        if self.n_bytes == self.size_bytes && got == sha256 {
            return rename_durably(&self.path, target);
        }
        fs::remove_file(&self.path).with_context(|| format!("failed to delete `{}`", self.path.display()))?;
        if self.n_bytes != self.size_bytes {
            bail!("only {} of {} bytes came", self.n_bytes, self.size_bytes);
        }
        Err(StoreError::Digest { file: target.to_owned(), expected: sha256.to_owned(), got, deleted: true }.into())
    }

    fn explain(&self, error: std::io::Error) -> anyhow::Error {
        let folder = self.path.parent().unwrap_or(&self.path).to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                StoreError::DiskFull { folder, needed_bytes: self.n_missing() }.into()
            }
            _ => anyhow!(error).context(format!("failed to write `{}`", self.path.display())),
        }
    }
}

/// Renames within a file system, and returns when the new name is on the disk.
pub(super) fn rename_durably(from: &Path, to: &Path) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        fs::rename(from, to)?;
        // Windows cannot open a folder, and needs no such thing.
        if cfg!(unix)
            && let Some(folder) = to.parent()
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    attempt().with_context(|| format!("failed to move `{}` into place", to.display()))
}

/// Waits until this process alone holds the lock file at `path`. The lock goes with the process, however it ends.
pub(super) fn lock(path: &Path, progress: &mut dyn Progress) -> Result<File> {
    let locking = || format!("failed to lock `{}`", path.display());
    let file = File::create(path).with_context(locking)?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(locking),
        }
        if !said {
            progress.note("another process is fetching this model; waiting for it");
            said = true;
        }
        stop_if_cancelled(progress)?;
        std::thread::sleep(POLL);
    }
}

/// How often a wait looks whether it was cancelled.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// [`StoreError::Cancelled`] if the user wants to stop.
pub(super) fn stop_if_cancelled(progress: &dyn Progress) -> Result<()> {
    if progress.cancelled() {
        return Err(StoreError::Cancelled.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_failures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.partial");
        let mut partial = Partial::open(&path, 0, 10, &()).unwrap();
        partial.append(b"abc").unwrap();
        let check = |kind: ErrorKind, is_full: bool| {
            let error = partial.explain(kind.into());
            let needed_bytes = match error.downcast_ref() {
                Some(StoreError::DiskFull { needed_bytes, .. }) => Some(*needed_bytes),
                _ => None,
            };
            assert_eq!(needed_bytes, is_full.then_some(7), "{kind}");
        };
        check(ErrorKind::StorageFull, true);
        check(ErrorKind::QuotaExceeded, true);
        check(ErrorKind::PermissionDenied, false);
    }

    #[test]
    fn what_is_kept_counts_towards_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.partial");
        let target = folder.path().join("model");
        let sha256 = hex(&Sha256::digest(b"abcdef"));
        let check = |left: &[u8], keep: u64, n_kept: u64, rest: &[u8]| {
            fs::write(&path, left).unwrap();
            let mut partial = Partial::open(&path, keep, 6, &()).unwrap();
            assert_eq!(partial.n_bytes(), n_kept);
            partial.append(rest).unwrap();
            partial.settle(&sha256, &target).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"abcdef");
        };
        check(b"", u64::MAX, 0, b"abcdef");
        check(b"abcd", u64::MAX, 4, b"ef");
        check(b"abXX", 2, 2, b"cdef");
        check(b"abcdefg", u64::MAX, 0, b"abcdef");
    }
}
