//! Models that the user brought: a GGUF file, or any that a manifest describes, in; a name in the store out. Knows no
//! network.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::digest::{regular_file, write_json};
use super::partial::{lock, rename_durably};
use super::{Store, StoreError};

/// What the store remembers of a file that no manifest describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Added {
    pub(super) name: String,
    pub(super) size_bytes: u64,
    pub(super) sha256: String,
}

impl Added {
    /// Where the record of `name` lies in `folder`.
    pub(super) fn path(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.json"))
    }

    /// Every record in `folder`, by name. A record that cannot be read describes nothing.
    pub(super) fn all(folder: &Path) -> Vec<Added> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<Added> = entries
            .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
            .filter(|added: &Added| check_name(&added.name).is_ok())
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The file's name in the store.
    pub(super) fn file(&self) -> String {
        format!("{}.gguf", self.name)
    }
}

/// See [`Store::add`].
pub(super) fn add(store: &Store, file: &Path, name: Option<&str>) -> Result<String> {
    // A file of another format is welcome where it may be one that a manifest describes.
    let n_bytes = regular_file(file)?.len();
    if store.manifests.iter().all(|it| it.size_bytes != n_bytes) {
        check_gguf(file)?;
    }
    let copying = || format!("failed to copy `{}` into the store", file.display());
    fs::create_dir_all(store.added_folder()).with_context(copying)?;
    // No model's name begins with a dot, so these two collide with nothing; a copy that was cut short is overwritten.
    let _lock = lock(&store.state().join(".adding.lock"), &mut ())?;
    let copy = store.state().join(".adding");
    // `fs::copy` lets the file system share the blocks where it can. The digest is of the copy, which is what counts.
    fs::copy(file, &copy).with_context(copying)?;
    File::open(&copy).and_then(|copy| copy.sync_all()).with_context(copying)?;
    let settled = settle(store, &copy, file, name);
    if settled.is_err() {
        // The error at hand says more than one about the copy would.
        let _ = fs::remove_file(&copy);
    }
    settled
}

/// Gives the copy of `file` its name.
fn settle(store: &Store, copy: &Path, file: &Path, name: Option<&str>) -> Result<String> {
    let size_bytes = regular_file(copy)?.len();
    let sha256 = store.records.read_again(copy, &mut |_| Ok(()))?;
    store.records.forget(copy);

    let described = store.manifests.iter().find(|known| known.sha256 == sha256);
    if described.is_none() {
        check_gguf(file)?;
    }
    let name = match (name, described) {
        (None, Some(manifest)) => manifest.name.clone(),
        (Some(name), _) => name.to_owned(),
        (None, None) => stem_of(file),
    };
    check_name(&name)?;
    let added = Added { name, size_bytes, sha256 };
    let target = match store.known(&added.name) {
        Ok(known) if known.sha256 == added.sha256 => store.root.join(&known.file),
        Ok(known) if known.manifest.is_some() => {
            return Err(StoreError::Digest {
                file: file.to_owned(),
                expected: known.sha256,
                got: added.sha256,
                deleted: false,
            }
            .into());
        }
        Ok(known) => bail!("another model is already called `{}`", known.name),
        Err(_) => {
            write_json(&Added::path(&store.added_folder(), &added.name), &added)?;
            store.root.join(added.file())
        }
    };
    rename_durably(copy, &target)?;
    store.records.note(&target, &added.sha256)?;
    Ok(added.name)
}

/// Refuses a file that does not even begin like GGUF. Whether it is a model is for the loader to say.
fn check_gguf(file: &Path) -> Result<()> {
    let mut magic = Vec::new();
    File::open(file)
        .and_then(|file| file.take(4).read_to_end(&mut magic))
        .with_context(|| format!("failed to read `{}`", file.display()))?;
    if magic != b"GGUF" {
        bail!("`{}` is not a GGUF file", file.display());
    }
    Ok(())
}

/// A name is also a file's name: letters, digits, dots, dashes and underscores, beginning with a letter or digit.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins_well || name.len() > 80 || !name.chars().all(is_plain) {
        bail!(
            "`{name}` cannot be a model's name: at most 80 ASCII letters, digits, dots, dashes and underscores, \
             the first a letter or digit"
        );
    }
    Ok(())
}

/// What the file is called, in lowercase, with everything that a name may not have turned into dashes.
fn stem_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| match c {
        'a'..='z' | '0'..='9' | '.' | '-' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '-',
    };
    stem.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_the_folder_is_refused() {
        for name in ["", ".", "..", "../up", "a/b", "a\\b", "-rf", "a\u{1b}[2J", "模型"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "qwen2.5-mine", "Q4_K_M", "7b"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
        assert!(check_name(&"a".repeat(81)).is_err());
    }

    #[test]
    fn a_file_without_a_name_is_called_what_it_is_called() {
        let check = |file: &str, expected: &str| assert_eq!(stem_of(Path::new(file)), expected);
        check("/data/My Model-Q4_K_M.gguf", "my-model-q4_k_m");
        check("qwen3-8b.gguf", "qwen3-8b");
    }
}
