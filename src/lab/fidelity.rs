//! Weights and a text in, how far quick products carry the model from slow ones out. Prints nothing.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::kernel::{Compute, Isa};
use crate::model::cache::Cache;
use crate::model::gguf::Gguf;
use crate::model::qwen::Qwen;
use crate::model::tokens::Tokens;

/// How the distributions of the next token differ, over all positions of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fidelity {
    /// What was looked at: `avx512`, `avxvnni`, `avx2`, `portable` or `steps`.
    pub found: String,
    /// What it was held against: `floats`, which rounds nothing, or another instruction set, which rounds activations to
    /// the same 8 bits and adds in another order.
    pub oracle: String,
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Divergence of what was found from the oracle, Σ p ln(p / q), in nats, the mean of all positions.
    pub kl_nats: f64,
    /// Share of the positions where both hold the same token for the most probable.
    pub same_argmax: f64,
    /// e to the mean surprise at the token that came, in nats.
    pub perplexity: f64,
    /// The same of the oracle.
    pub oracle_perplexity: f64,
}

/// Positions whose logits are held at a time: 20 MB a model.
const CHUNK: usize = 32;

/// Compares what this process computes with, `active`, with plain floats and with all other
/// instruction sets, over the first `n_tokens` of a text; the plain floats of the 1.5B take 6 GB. For comparison, also
/// candle's own products, which round in another way. `report` hears each result as it is found.
///
/// # Errors
/// When the text is shorter.
pub fn fidelity(
    weights: &Path,
    active: &Compute,
    text: &str,
    n_tokens: usize,
    progress: &mut dyn FnMut(&str),
    report: &mut dyn FnMut(&Fidelity) -> Result<()>,
) -> Result<Vec<Fidelity>> {
    let tokens = Tokens::new(&Gguf::open(weights)?)?;
    let mut ids = tokens.encode(text)?;
    ensure!(
        ids.len() > n_tokens && n_tokens > 0,
        "the text has {} tokens, and more than {n_tokens} are needed",
        ids.len()
    );
    ids.truncate(n_tokens + 1);
    let steps = |floats| Compute::Steps { device: Device::Cpu, floats };
    let mut pairs = vec![(active.clone(), steps(true)), (steps(false), steps(true))];
    // Only portable code takes long, and it comes last.
    let others = Isa::available().into_iter().map(Compute::Kernels);
    pairs.extend(others.map(|other| (active.clone(), other)));
    pairs.retain(|(found, oracle)| found.name() != oracle.name());
    pairs.dedup_by_key(|(found, oracle)| [found.name(), oracle.name()]);
    let compare = |(found, oracle): (Compute, Compute)| {
        progress(&format!("{} against {}", found.name(), oracle.name()));
        let mut found = Reader::open(weights, &found, n_tokens)?;
        let mut oracle = Reader::open(weights, &oracle, n_tokens)?;
        let fidelity = compare(&mut found, &mut oracle, &ids)?;
        report(&fidelity)?;
        Ok(fidelity)
    };
    pairs.into_iter().map(compare).collect()
}

/// A model that is always computed in one way.
struct Reader {
    model: Qwen,
    cache: Cache,
}

impl Reader {
    fn open(weights: &Path, compute: &Compute, max_len: usize) -> Result<Reader> {
        let model = Qwen::load(&mut Gguf::open(weights)?, compute, max_len)?;
        let cache = model.cache();
        Ok(Reader { model, cache })
    }

    /// (ids, vocabulary)
    fn read(&mut self, ids: &[u32]) -> Result<Tensor> {
        let never = AtomicBool::new(false);
        self.model.forward_all(ids, &mut self.cache, &never)
    }
}

fn compare(found: &mut Reader, oracle: &mut Reader, ids: &[u32]) -> Result<Fidelity> {
    let n_tokens = ids.len() - 1;
    let (mut kl_nats, mut n_same) = (0.0, 0);
    let mut surprise = [0.0; 2];
    for first in (0..n_tokens).step_by(CHUNK) {
        let chunk = &ids[first..n_tokens.min(first + CHUNK)];
        let (q, p) = (found.read(chunk)?, oracle.read(chunk)?);
        for (row, next) in ids[first + 1..].iter().take(chunk.len()).enumerate() {
            let q = Prediction::of(&q.get(row)?.to_vec1()?);
            let p = Prediction::of(&p.get(row)?.to_vec1()?);
            kl_nats += p.divergence(&q);
            n_same += usize::from(p.best == q.best);
            surprise[0] -= q.log_probabilities[*next as usize];
            surprise[1] -= p.log_probabilities[*next as usize];
        }
    }
    let [perplexity, oracle_perplexity] = surprise.map(|sum: f64| (sum / n_tokens as f64).exp());
    Ok(Fidelity {
        found: found.model.compute().name(),
        oracle: oracle.model.compute().name(),
        tokens: n_tokens,
        kl_nats: kl_nats / n_tokens as f64,
        same_argmax: n_same as f64 / n_tokens as f64,
        perplexity,
        oracle_perplexity,
    })
}

/// What a model holds for the next token.
struct Prediction {
    log_probabilities: Vec<f64>,
    best: usize,
}

impl Prediction {
    fn of(logits: &[f32]) -> Prediction {
        let largest = |best: usize, id: usize| if logits[id] > logits[best] { id } else { best };
        let best = (0..logits.len()).fold(0, largest);
        let above = |logit: &f32| f64::from(*logit) - f64::from(logits[best]);
        let log_sum = logits.iter().map(|logit| above(logit).exp()).sum::<f64>().ln();
        Prediction { log_probabilities: logits.iter().map(|logit| above(logit) - log_sum).collect(), best }
    }

    /// Σ p ln(p / q)
    fn divergence(&self, other: &Prediction) -> f64 {
        let pairs = self.log_probabilities.iter().zip(&other.log_probabilities);
        pairs.map(|(p, q)| p.exp() * (p - q)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_diverges_from_another_by_what_it_should() {
        let half = Prediction::of(&[2.0, 2.0]);
        let quarter = Prediction::of(&[0.0, 3f32.ln()]);
        assert_eq!((half.best, quarter.best), (0, 1));
        assert_eq!(half.divergence(&half), 0.0);
        let expected = 0.5 * (0.5f64 / 0.25).ln() + 0.5 * (0.5f64 / 0.75).ln();
        assert!((half.divergence(&quarter) - expected).abs() < 1e-7);
    }
}
