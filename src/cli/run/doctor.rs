//! `precis doctor`: nothing in, what this machine has and what is missing out.

use std::path::Path;

use anyhow::Result;
use candle_core::quantized::GgmlDType;
use indicatif::BinaryBytes;

use super::super::args::Common;
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::render::sanitize;
use super::super::{Exit, config, parts};
use crate::kernel::{self, Compute, DeviceChoice, Format};
use crate::model::store::{DEFAULTS, Store};

pub(super) fn run(common: &Common, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let store = parts::store(common)?;
    let line = |what: &str, said: &str| console.out(&format!("{what:<8} {}\n", sanitize::line(said)));
    line("precis", concat!(env!("CARGO_PKG_VERSION"), ", commit ", env!("PRECIS_COMMIT")))?;
    line("cpu", &cpu())?;
    line("kernels", &kernels()?)?;
    line("memory", &memory().unwrap_or_else(|| "unknown".into()))?;
    line("device", &device()?)?;
    line("models", &store.root().display().to_string())?;
    let mut missing = true;
    for entry in store.list().into_iter().filter(|entry| entry.present) {
        if interrupt.is_pressed() {
            return Ok(Exit::Interrupted);
        }
        missing &= !DEFAULTS.contains(&entry.name.as_str());
        let state = match store.find(&entry.name) {
            Ok(_) => "verified".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        line("", &format!("{}, {}, {state}", entry.name, BinaryBytes(entry.size_bytes)))?;
    }
    if missing {
        let best = DEFAULTS[0];
        line("", &format!("`{best}`, the default, is not here: `precis model pull {best}` fetches it"))?;
    }
    let index = parts::cache_folder()?.join("index");
    line("index", &folder(&index, "indexes"))?;
    line("kv", &folder(&parts::kv_folder()?, "files"))?;
    line(
        "config",
        &match config::folder().map(|folder| folder.join("config.toml")) {
            Some(path) if path.is_file() => path.display().to_string(),
            Some(path) => format!("{}, absent", path.display()),
            None => "the system has no folder for it".into(),
        },
    )?;
    line(
        "hub",
        &match store.probe_hub() {
            Ok((endpoint, answered_in)) => {
                format!("{endpoint} answers in {} ms", answered_in.as_millis())
            }
            Err(error) => format!("{error:#}"),
        },
    )?;
    line("pip", &pip(&store, common))?;
    Ok(Exit::Done)
}

fn pip(store: &Store, common: &Common) -> String {
    if common.offline == Some(true) {
        return "not asked: offline".into();
    }
    store.probe_pip().unwrap_or_else(|error| format!("{error:#}"))
}

/// Cores, and the instruction sets that matter for products of quantized weights.
fn cpu() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut sets: Vec<&str> = Vec::new();
    macro_rules! detect {
        ($detected:ident: $($set:tt)*) => {
            $(if std::arch::$detected!($set) { sets.push($set); })*
        };
    }
    #[cfg(target_arch = "x86_64")]
    detect!(is_x86_feature_detected: "sse4.2" "avx" "f16c" "fma" "avx2" "avx512f" "avx512bw" "avx512vnni" "avxvnni");
    #[cfg(target_arch = "aarch64")]
    detect!(is_aarch64_feature_detected: "neon" "dotprod" "i8mm" "fp16" "sve");
    let sets = if sets.is_empty() { "none of the vector sets".into() } else { sets.join(" ") };
    format!("{cores} cores, {}: {sets}", std::env::consts::ARCH)
}

/// What `--device auto` takes, and why not a card that is there.
fn device() -> Result<String> {
    let (compute, passed_over) = Compute::open(DeviceChoice::Auto)?;
    Ok(match (&compute, passed_over) {
        (Compute::Card(card), _) => {
            let memory = card.memory()?;
            let [free, total] = [memory.free, memory.total].map(BinaryBytes);
            format!("{}, {total}, {free} of it free", card.describe())
        }
        (_, Some(why)) => format!("cpu, though there is a card: {why}"),
        (_, None) => "cpu".into(),
    })
}

/// What multiplies, and which formats of weights it leaves to candle, more slowly.
fn kernels() -> Result<String> {
    let compute = Compute::cpu()?;
    let name = |dtype: &GgmlDType| format!("{dtype:?}");
    let known = [
        GgmlDType::F32,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];
    let is_ours = |dtype: &GgmlDType| matches!(compute, Compute::Kernels(_)) && Format::of(*dtype).is_some();
    let (ours, theirs): (Vec<_>, Vec<_>) = known.into_iter().partition(is_ours);
    let [ours, theirs] = [ours, theirs].map(|dtypes| dtypes.iter().map(name).collect::<Vec<_>>());
    Ok(match ours.is_empty() {
        true => "none: candle multiplies all formats".into(),
        false => format!("{} for {}; candle multiplies {}", compute.name(), ours.join(" "), theirs.join(" ")),
    })
}

/// Memory in all and what is free for use.
fn memory() -> Option<String> {
    let kernel::Memory { total, free } = kernel::memory()?;
    Some(format!("{}, {} of it free", BinaryBytes(total), BinaryBytes(free)))
}

/// A folder with the number and size of the things in it.
fn folder(path: &Path, things: &str) -> String {
    if !path.is_dir() {
        return format!("{}, empty", path.display());
    }
    let entries = walkdir::WalkDir::new(path).into_iter().flatten();
    let bytes = entries.filter_map(|entry| entry.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum();
    let n_things = std::fs::read_dir(path).map_or(0, |entries| entries.count());
    format!("{}, {n_things} {things}, {}", path.display(), BinaryBytes(bytes))
}
