//! Qwen3 and Qwen3.5 against their makers' own code: the logits that `transformers` and llama.cpp compute with the tiny
//! random models of `data/reference`, which `reference/make.py` made.

use std::collections::HashMap;
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

fn folder() -> PathBuf {
    PathBuf::from("tests/data/reference")
}

/// The tensors of a file of expectations.
fn expected() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join("expected.safetensors"), &Device::Cpu).unwrap()
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

fn check(stem: &str, computes: &[Compute], tolerance: f32) {
    let all = expected();
    let ids = all["ids"].to_vec1::<u32>().unwrap();
    let lengths: Vec<usize> = all["lengths"].to_vec1::<u32>().unwrap().iter().map(|n| *n as usize).collect();
    let peers: Vec<&String> = all.keys().filter(|name| name.starts_with(&format!("{stem}/"))).collect();
    assert!(!peers.is_empty(), "nothing is expected of {stem}");
    for compute in computes {
        let model = load(stem, compute);
        for mode in MODES {
            let found = logits(&model, &ids, &lengths, mode);
            assert_eq!(found.len(), lengths.len());
            for peer in &peers {
                let expected = all[*peer].to_vec2::<f32>().unwrap();
                let (max, mean, n_same) = compare(&found, &expected);
                let what = format!("{peer}, {}, {mode:?}: {max:.1e} at most, {mean:.1e} on average", compute.name());
                // For LOG.md: `cargo test --test tests reference -- --nocapture`.
                println!(
                    "| {peer} | {} | {mode:?} | {max:.1e} | {mean:.1e} | {n_same} of {} |",
                    compute.name(),
                    lengths.len()
                );
                assert!(max < tolerance && n_same == lengths.len(), "{what}, {n_same} of {} on top", lengths.len());
            }
        }
    }
}

fn steps(floats: bool) -> Compute {
    Compute::Steps { device: Device::Cpu, floats }
}

fn kernels() -> impl Iterator<Item = Compute> {
    Isa::available().into_iter().map(Compute::Kernels)
}

/// In f32 there are two roundings more than in `transformers`: keys and values are kept in f16, and sums are taken in
/// another order.
const FLOATS: f32 = 2e-2;
/// Kernels round activations to 8 bits.
const QUANTIZED: f32 = 0.5;

#[test]
fn qwen35_in_f32_has_the_logits_of_its_makers() {
    check("qwen35-tiled-f32", &[steps(true)].into_iter().chain(kernels()).collect::<Vec<_>>(), FLOATS);
}

#[test]
fn quantized_qwen35_has_the_logits_of_its_makers() {
    for stem in ["qwen35-tiled-q8_0", "qwen35-equal-mtp-q8_0"] {
        check(stem, &[steps(true)], FLOATS);
        check(stem, &kernels().collect::<Vec<_>>(), QUANTIZED);
    }
}

#[test]
fn qwen3_has_the_logits_of_its_makers() {
    check("qwen3-q8_0", &[steps(true)], FLOATS);
    check("qwen3-q8_0", &kernels().collect::<Vec<_>>(), QUANTIZED);
}
