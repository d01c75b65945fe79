//! A manifest in, its file in the store out: the sources tried in order, under a lock. Knows no protocol.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::partial::{Partial, lock};
use super::parts::{Joined, Workshop};
use super::{Manifest, Network, Progress, Source, Store, StoreError, parts, transfer};

/// See [`Store::pull`].
pub(super) fn pull(store: &Store, name: &str, source: Source, progress: &mut dyn Progress) -> Result<PathBuf> {
    let known = store.known(name)?;
    for needed in known.manifest.iter().flat_map(|manifest| &manifest.needs) {
        pull(store, needed, source, progress)?;
    }
    let name = known.name.clone();
    match store.find_known(&known) {
        Ok(Some(path)) => return Ok(path),
        Err(error) if store.network == Network::Offline || !is_wrong_digest(&error) => {
            return Err(error);
        }
        _ if store.network == Network::Offline => {
            return Err(StoreError::AbsentOffline { name }.into());
        }
        _ => {}
    }
    let Some(manifest) = known.manifest else {
        return Err(StoreError::Absent { name }.into());
    };
    let state = store.state();
    fs::create_dir_all(&state).with_context(|| format!("failed to make the folder `{}`", state.display()))?;
    let _lock = lock(&store.state_file(&name, "lock"), progress)?;
    // Another process may have brought it meanwhile.
    match store.find_known(&known) {
        Ok(Some(path)) => return Ok(path),
        Ok(None) => {}
        Err(error) if is_wrong_digest(&error) => {
            let path = store.root.join(&known.file);
            fs::remove_file(&path).with_context(|| format!("failed to delete `{}`", path.display()))?;
            progress.note(&format!("{error:#}; it was deleted and is fetched again"));
        }
        Err(error) => return Err(error),
    }
    try_sources(store, manifest, source, progress)
}

fn try_sources(store: &Store, manifest: &Manifest, source: Source, progress: &mut dyn Progress) -> Result<PathBuf> {
    let has = |source: &Source| match source {
        Source::Parts => manifest.parts.is_some(),
        Source::Auto | Source::Hub => manifest.hub.is_some(),
    };
    let sources = match source {
        Source::Auto => [Source::Hub, Source::Parts].into_iter().filter(has).collect(),
        forced => vec![forced],
    };
    let mut reasons = Vec::new();
    for (index, &tried) in sources.iter().enumerate() {
        let error = match bring(store, manifest, tried, progress) {
            Ok(path) => return Ok(path),
            Err(error) => error,
        };
        let concerns_all = matches!(error.downcast_ref(), Some(StoreError::Cancelled | StoreError::DiskFull { .. }));
        if concerns_all || sources.len() == 1 && is_wrong_digest(&error) {
            return Err(error);
        }
        let reason = format!("{error:#}");
        if let Some(next) = sources.get(index + 1) {
            progress.note(&format!("{tried}: {reason}; trying {next}"));
        }
        reasons.push((tried, reason));
    }
    let name = manifest.name.clone();
    Err(StoreError::AllSourcesFailed { name, reasons }.into())
}

/// The file under its final name, from one source.
fn bring(store: &Store, manifest: &Manifest, source: Source, progress: &mut dyn Progress) -> Result<PathBuf> {
    let target = store.root.join(&manifest.file);
    loop {
        let Filled { partial, n_resumed } = match source {
            Source::Auto | Source::Hub => fill_from_hub(store, manifest, progress)?,
            Source::Parts => fill_from_parts(store, manifest, progress)?,
        };
        let settled = partial.settle(&manifest.sha256, &target);
        // The partial file is gone either way, and with it what the record of its parts described.
        let _ = fs::remove_file(store.state_file(&manifest.name, "parts.json"));
        match settled {
            Ok(()) => break,
            // The fault may lie in what an earlier run left: once more, from nothing.
            Err(error) if is_wrong_digest(&error) && n_resumed > 0 => {
                progress.note(&format!("{error:#}; fetching all of it again"));
            }
            Err(error) => return Err(error),
        }
    }
    store.records.note(&target, &manifest.sha256)?;
    Ok(target)
}

/// A complete partial file.
struct Filled {
    partial: Partial,
    /// Bytes that an earlier run had left.
    n_resumed: u64,
}

fn fill_from_hub(store: &Store, manifest: &Manifest, progress: &mut dyn Progress) -> Result<Filled> {
    let source = manifest.hub.as_ref().context("it is not on the hub")?;
    let path = store.state_file(&manifest.name, "partial");
    let mut partial = Partial::open(&path, u64::MAX, manifest.size_bytes, progress)?;
    let n_resumed = partial.n_bytes();
    transfer::fetch(&store.hub, source, manifest, &mut partial, progress)?;
    Ok(Filled { partial, n_resumed })
}

fn fill_from_parts(store: &Store, manifest: &Manifest, progress: &mut dyn Progress) -> Result<Filled> {
    let source = manifest.parts.as_ref().context("it is not in packages")?;
    let workshop = Workshop {
        python: &store.python,
        wheels: store.state_file(&manifest.name, "wheels"),
        record: store.state_file(&manifest.name, "parts.json"),
    };
    let path = store.state_file(&manifest.name, "partial");
    let mut joined = Joined::read(&workshop.record);
    let mut partial = Partial::open(&path, joined.n_bytes, manifest.size_bytes, progress)?;
    if partial.n_bytes() != joined.n_bytes {
        partial.restart()?;
        joined = Joined::default();
    }
    let n_resumed = partial.n_bytes();
    parts::fetch(&workshop, source, manifest, joined, &mut partial, progress)?;
    Ok(Filled { partial, n_resumed })
}

fn is_wrong_digest(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Digest { .. }))
}
