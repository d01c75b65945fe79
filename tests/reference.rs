//! Qwen3 and Qwen3.5 against their makers' own code: the logits that `transformers` and llama.cpp compute with the tiny
//! random models of `data/reference`, which `reference/make.py` made.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor};
use precis::kernel::{Compute, Isa};
use precis::model::cache::Cache;
use precis::model::gguf::Gguf;
use precis::model::qwen::Qwen;

static GO_ON: AtomicBool = AtomicBool::new(false);

/// How a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// At once.
    Prefill,
    /// In parts of odd lengths.
    OddParts,
    TokenByToken,
    /// The rest of it behind a fork of another sequence, which goes on too.
    AfterFork,
}

const MODES: [Mode; 4] = [Mode::Prefill, Mode::OddParts, Mode::TokenByToken, Mode::AfterFork];

/// `PRECIS_TEST_REFERENCE` names another folder, for models that are too large to be kept.
fn folder() -> PathBuf {
    std::env::var_os("PRECIS_TEST_REFERENCE").map_or_else(|| "tests/data/reference".into(), PathBuf::from)
}

/// The tensors of the files of expectations.
fn expected() -> HashMap<String, Tensor> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.flat_map(|path| candle_core::safetensors::load(path, &Device::Cpu).unwrap()).collect()
}

fn load(stem: &str, compute: &Compute) -> Qwen {
    let mut gguf = Gguf::open(&folder().join(format!("{stem}.gguf"))).unwrap();
    Qwen::load(&mut gguf, compute, 8_192).unwrap()
}

/// The logits behind the first `n` of `ids` for each of `lengths`, read in one of the ways.
fn logits(model: &Qwen, ids: &[u32], lengths: &[usize], mode: Mode) -> Vec<Vec<f32>> {
    let last = |ids: &[u32], cache: &mut Cache| model.forward(ids, cache, &GO_ON).unwrap().to_vec1::<f32>().unwrap();
    match mode {
        Mode::Prefill => lengths.iter().map(|n| last(&ids[..*n], &mut model.cache())).collect(),
        Mode::OddParts | Mode::TokenByToken => {
            let sizes: &[usize] = if mode == Mode::OddParts { &[1, 7, 64, 63, 65, 130, 5] } else { &[1] };
            let (mut cache, mut found) = (model.cache(), Vec::new());
            for size in sizes.iter().cycle() {
                let start = cache.len();
                let end = ids.len().min(start + size);
                let all = model.forward_all(&ids[start..end], &mut cache, &GO_ON).unwrap().to_vec2::<f32>().unwrap();
                found.extend(
                    lengths.iter().filter(|n| (start + 1..=end).contains(*n)).map(|n| all[n - start - 1].clone()),
                );
                if end == ids.len() {
                    break;
                }
            }
            found
        }
        Mode::AfterFork => {
            let behind_fork = |n: usize| {
                let mut origin = model.cache();
                origin.mark(n / 2);
                last(&ids[..n - 1], &mut origin);
                let mut fork = origin.fork(n / 2).unwrap();
                last(&ids[1..ids.len().min(90)], &mut origin); // the other sequence goes on
                last(&ids[fork.len()..n], &mut fork)
            };
            lengths
                .iter()
                .map(|n| if *n < 2 { last(&ids[..*n], &mut model.cache()) } else { behind_fork(*n) })
                .collect()
        }
    }
}

/// The largest difference of two logits, the mean of all, and at how many of the lengths the same token is on top.
fn compare(found: &[Vec<f32>], expected: &[Vec<f32>]) -> (f32, f32, usize) {
    let differences = found.iter().flatten().zip(expected.iter().flatten()).map(|(a, b)| (a - b).abs());
    let max = differences.clone().fold(0.0, f32::max);
    let mean = differences.sum::<f32>() / found.iter().map(Vec::len).sum::<usize>() as f32;
    let top = |row: &Vec<f32>| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
    (max, mean, found.iter().zip(expected).filter(|(a, b)| top(a) == top(b)).count())
}

/// Keys and values are kept in f16, whose steps are 1/2048 of a number, where `transformers` has f32; logits are up to 16
/// in size. All else is the order of sums.
const EXACT: f32 = 1e-2;
/// Kernels of ours and of llama.cpp round what they multiply to bytes, and `transformers` does not, or does it on numbers that
/// no cache in f16 has touched: a number near a half falls on the other side, and so do others behind it. As much lies
/// between llama.cpp and `transformers` (`reference/README.md`). The largest difference, and the mean.
const ROUNDED: [f32; 2] = [1.0, 0.15];

/// Holds every model whose name is of a format against what each peer says of it.
#[allow(clippy::print_stdout)]
fn check(computes: &[Compute], is_format: fn(&str) -> bool) {
    let all = expected();
    let ids = all["ids"].to_vec1::<u32>().unwrap();
    let lengths: Vec<usize> = all["lengths"].to_vec1::<u32>().unwrap().iter().map(|n| *n as usize).collect();
    let stems: BTreeSet<&str> = all.keys().filter_map(|name| Some(name.split_once('/')?.0)).collect();
    let stems: Vec<&str> = stems.into_iter().filter(|stem| is_format(stem)).collect();
    assert!(!stems.is_empty(), "no model to compare");
    for (stem, compute) in stems.iter().flat_map(|stem| computes.iter().map(move |compute| (*stem, compute))) {
        let model = load(stem, compute);
        let is_exact = is_f32(stem) || matches!(compute, Compute::Steps { floats: true, .. });
        // The slow ways are shown to be the same on prompts that are not long.
        let is_fast = compute.name() == Compute::default().name();
        let n_lengths = lengths.iter().filter(|n| is_fast || **n <= 300).count();
        for mode in MODES {
            let found = logits(&model, &ids[..lengths[n_lengths - 1]], &lengths[..n_lengths], mode);
            assert_eq!(found.len(), n_lengths);
            for peer in ["/transformers", "/llama.cpp", " in bytes"] {
                let Some(expected) = all.get(&format!("{stem}{peer}")) else {
                    assert!(is_f32(stem) && peer != "/transformers", "{stem}{peer} is missing");
                    continue;
                };
                let (max, mean, n_same) = compare(&found, &expected.to_vec2::<f32>().unwrap());
                let name = compute.name();
                let row =
                    format!("| {stem}{peer} | {name} | {mode:?} | {max:.1e} | {mean:.1e} | {n_same} of {n_lengths} |");
                // For LOG.md: `cargo test --test tests reference -- --nocapture`.
                println!("{row}");
                match is_exact && peer == "/transformers" {
                    true => assert!(max < EXACT && n_same == n_lengths, "{row}"),
                    false => assert!(max < ROUNDED[0] && mean < ROUNDED[1], "{row}"),
                }
            }
        }
    }
}

fn is_f32(stem: &str) -> bool {
    stem.ends_with("-f32")
}

fn computes() -> Vec<Compute> {
    let kernels = Isa::available().into_iter().map(Compute::Kernels);
    kernels.chain([Compute::Steps { device: Device::Cpu, floats: true }]).collect()
}

#[test]
fn models_in_f32_have_the_logits_of_their_makers() {
    check(&computes(), is_f32);
}

#[test]
fn quantized_models_have_the_logits_of_their_makers() {
    check(&computes(), |stem| !is_f32(stem));
}
