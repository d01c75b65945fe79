//! Choices in, working parts out: the store, the weights, the loaded model, the plan. Each takes its own few settings.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::args::{Common, ModelArgs};
use super::console::Console;
use super::error::{CallError, find};
use super::interrupt::Interrupt;
use super::progress;
use super::render::sanitize;
use crate::kernel::{Compute, DeviceChoice};
use crate::lab::random::Shape;
use crate::model::embed::{ENCODER, Embedder, PUBLISHED_ENCODER};
use crate::model::engine::{Engine, EngineSettings};
use crate::model::kv_store::KvFolder;
use crate::model::store::{self, Entry, Family, Network, Source, Store, StoreError};
use crate::model::{Identity, Sampling};

/// Verified weights, not loaded yet.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    device: DeviceChoice,
    kv_folder: Option<KvFolder>,
}

/// The folder of the models: `PRECIS_MODELS`, or the user's data folder.
pub(crate) fn models_folder() -> Result<PathBuf> {
    match std::env::var_os("PRECIS_MODELS").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => Ok(dirs::data_dir().ok_or(CallError::NoFolder("data"))?.join("precis/models")),
    }
}

/// The folder of what can be made again.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    Ok(dirs::cache_dir().ok_or(CallError::NoFolder("caches"))?.join("precis"))
}

/// The store, which keeps off the network when it has to.
pub(crate) fn store(common: &Common) -> Result<Store> {
    let network = match common.offline {
        Some(true) => Network::Offline,
        _ => Network::Allowed,
    };
    Ok(Store::new(models_folder()?, network))
}

/// Finds the weights that were asked for, and fetches them on first use.
pub(crate) fn weights(args: &ModelArgs, common: &Common, console: Console, interrupt: &Interrupt) -> Result<Weights> {
    let store = store(common)?;
    let device = args.device.unwrap_or_default();
    let own_file = args.model.as_deref().filter(|model| !args.fast && is_path(model));
    if let Some(file) = own_file {
        let path = PathBuf::from(file);
        if !path.is_file() {
            return Err(CallError::NoModelFile(file.to_owned()).into());
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = store.sha256_of(&path)?;
        return Ok(Weights { path, identity: Identity { name, sha256 }, device, kv_folder: None });
    }
    let mut progress = progress::Bytes::new(console, interrupt.clone());
    let mut pull = |name: &str| {
        announce(name, &store, common, console);
        Ok((name.to_owned(), store.pull(name, Source::Auto, &mut progress)?))
    };
    let (name, path) = match &args.model {
        _ if args.fast => pull(store::FAST)?,
        Some(name) => pull(name)?,
        None => {
            let [best, other] = store::DEFAULTS;
            let list = store.list();
            let is_here = |name: &&str| list.iter().any(|entry| entry.present && entry.name == *name);
            let here = store::DEFAULTS.into_iter().find(is_here);
            match pull(here.unwrap_or(best)) {
                Err(error) if is_absent_offline(&error) => best_present(&store, console)?,
                Err(error) if matches!(find(&error), Some(StoreError::AllSourcesFailed { .. })) && here.is_none() => {
                    console.note(&format!("model `{best}` could not be fetched: using `{other}`, of the same size"));
                    pull(other)?
                }
                pulled => pulled?,
            }
        }
    };
    let sha256 = store.sha256_of(&path)?;
    Ok(Weights { path, identity: Identity { name, sha256 }, device, kv_folder: None })
}

/// A model of random weights, made in a folder that is to outlive it.
pub(crate) fn random(shape: &Shape, args: &ModelArgs, folder: &Path) -> Result<Weights> {
    let path = folder.join(format!("{}.gguf", shape.name));
    shape.write(&path, 1)?;
    let identity = Identity { name: format!("random weights, {}", shape.name), sha256: "0".repeat(64) };
    Ok(Weights { path, identity, device: args.device.unwrap_or_default(), kv_folder: None })
}

/// The folder of instructions that were read in.
pub(crate) fn kv_folder() -> Result<PathBuf> {
    Ok(cache_folder()?.join("kv"))
}

/// Says what went wrong with the instructions that are kept on disk.
pub(crate) fn warn_of_kv(engine: &mut Engine, console: Console) {
    if let Some(problem) = engine.take_kv_problem() {
        console.warn(&sanitize::line(&format!("{problem:#}")));
    }
}

impl Weights {
    /// The same, to be loaded so that instructions are kept on disk, in so many MiB.
    pub(crate) fn keeping(mut self, cache_kv: u32) -> Result<Weights> {
        if cache_kv > 0 {
            let path = kv_folder()?;
            let max_bytes = u64::from(cache_kv) << 20;
            self.kv_folder = Some(KvFolder { path, max_bytes });
        }
        Ok(self)
    }

    /// The same, to be computed on the CPU.
    pub(crate) fn on_cpu(&self) -> Weights {
        Weights { device: DeviceChoice::Cpu, ..self.clone() }
    }

    /// What was asked to compute.
    pub(crate) fn compute(&self) -> Result<Compute> {
        Ok(Compute::open(self.device).context(CallError::Device(self.device))?.0)
    }

    /// Loads the weights, and says what will compute. Ctrl-C ends what the engine does.
    pub(crate) fn load(&self, console: Console, interrupt: &Interrupt) -> Result<Engine> {
        self.load_for(None, console, interrupt)
    }

    /// As [`Weights::load`], to write at most so many texts at once.
    pub(crate) fn load_for(&self, group: Option<usize>, console: Console, interrupt: &Interrupt) -> Result<Engine> {
        let (compute, passed_over) = Compute::open(self.device).context(CallError::Device(self.device))?;
        if let Some(why) = passed_over {
            console.warn(&format!("computing on the CPU, though there is a card: {}", sanitize::line(&why)));
        }
        let settings = EngineSettings {
            compute,
            group,
            stop: interrupt.flag(),
            kv_folder: self.kv_folder.clone(),
            ..EngineSettings::default()
        };
        let engine = Engine::open(&self.path, self.identity.clone(), settings)?;
        if console.verbose {
            console.note(&format!("computing with {}", engine.compute().name()));
        }
        Ok(engine)
    }
}

/// The encoder of the search, fetched on first use. Without it a search goes by words alone, and a line says so.
pub(crate) fn encoder(common: &Common, console: Console, interrupt: &Interrupt) -> Result<Option<Embedder>> {
    let store = store(common)?;
    let mut progress = progress::Bytes::new(console, interrupt.clone());
    let mut open = |name: &str| {
        announce(name, &store, common, console);
        let path = store.pull(name, Source::Auto, &mut progress)?;
        let tokenizer = store::manifest(name)?.needs.first();
        let tokenizer = tokenizer.and_then(|name| store.find(name).transpose());
        let name = name.to_owned();
        let sha256 = store.sha256_of(&path)?;
        Embedder::open(&path, tokenizer.transpose()?.as_deref(), Identity { name, sha256 })
    };
    // The one that is here before one that is to be fetched.
    let mut names = [ENCODER, PUBLISHED_ENCODER];
    let is_here = |name| store.list().iter().any(|it| it.name == name && it.present);
    names.sort_by_key(|name| !is_here(*name));
    let found = open(names[0]).or_else(|first| match interrupt.is_pressed() {
        true => Err(first),
        false => open(names[1]).map_err(|_| first),
    });
    match found {
        Ok(encoder) => Ok(Some(encoder)),
        Err(error) if interrupt.is_pressed() => Err(error),
        Err(error) => {
            let why = sanitize::line(&format!("{error:#}"));
            console.warn(&format!("searching by words alone, not by meaning: {why}"));
            Ok(None)
        }
    }
}

/// Says that a model will be fetched, if it will be.
fn announce(name: &str, store: &Store, common: &Common, console: Console) {
    let entry = store.list().into_iter().find(|entry| entry.name == name);
    if let Some(entry) = entry.filter(|entry| !entry.present && common.offline != Some(true)) {
        let size = indicatif::BinaryBytes(entry.size_bytes);
        console.note(&format!("model `{name}` is not on this machine yet: fetching it, {size}, once"));
    }
}

/// Greedy, unless a temperature or anything else about drawing was given.
pub(crate) fn sampling(args: &ModelArgs) -> Sampling {
    let drawn = args.top_p.is_some() || args.seed.is_some();
    match args.temperature {
        Some(0.0) => Sampling::Greedy,
        None if !drawn => Sampling::Greedy,
        temperature => Sampling::Seeded {
            temperature: temperature.unwrap_or(0.7),
            top_p: args.top_p.unwrap_or(0.9),
            seed: args.seed.unwrap_or(0),
        },
    }
}

fn is_path(model: &str) -> bool {
    model.contains(std::path::is_separator) || model.ends_with(".gguf") || Path::new(model).is_file()
}

fn is_absent_offline(error: &anyhow::Error) -> bool {
    matches!(find(error), Some(StoreError::AbsentOffline { .. }))
}

/// The largest model of the store: of those that we know, larger ones invent less.
fn best_present(store: &Store, console: Console) -> Result<(String, PathBuf)> {
    let completes = |entry: &Entry| entry.manifest.is_none_or(|m| m.family != Family::E5);
    let present = store.list().into_iter().filter(|entry| entry.present && completes(entry));
    let best = present.max_by_key(|entry| entry.size_bytes).ok_or(CallError::NoModelOffline)?;
    let path = store.find(&best.name)?.ok_or(CallError::NoModelOffline)?;
    console.note(&format!("model `{}` is not on this machine: using `{}`", store::DEFAULTS[0], best.name));
    Ok((best.name, path))
}
