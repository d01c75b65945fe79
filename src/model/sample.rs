//! Logits in, one token id out; ids in, a loop found or not. Knows no model and no text.

use anyhow::Result;

use super::Sampling;

/// The logits hold something that is not a number: the weights are broken, and no token may be drawn from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model computed a value that is not a number; its weights are broken")]
pub struct NotFinite;

/// Chooses tokens for one completion.
pub struct Sampler {
    sampling: Sampling,
    random: Random,
    /// Divides the logits of tokens that were written already; 1 changes nothing.
    penalty: f32,
}

impl Sampler {
    /// A sampler at its start; `penalty` above 1 makes tokens that were written already less likely.
    pub fn new(sampling: Sampling, penalty: f32) -> Sampler {
        let seed = match sampling {
            Sampling::Greedy => 0,
            Sampling::Seeded { seed, .. } => seed,
        };
        Sampler {
            sampling,
            random: Random(seed),
            penalty,
        }
    }

    /// Chooses among the ids below `n_plain` and the `ends`; all others are never chosen. `written` are the ids of
    /// the completion so far.
    ///
    /// # Errors
    /// [`NotFinite`] when a logit that counts is not a finite number.
    pub fn choose(
        &mut self,
        logits: &[f32],
        n_plain: usize,
        ends: &[u32],
        written: &[u32],
    ) -> Result<u32> {
        let mut candidates: Vec<(u32, f32)> =
            (0u32..).zip(logits.iter().copied()).take(n_plain).collect();
        let ends = ends.iter().filter(|id| **id as usize >= n_plain);
        candidates.extend(ends.filter_map(|id| Some((*id, *logits.get(*id as usize)?))));
        if candidates.is_empty() || candidates.iter().any(|(_, logit)| !logit.is_finite()) {
            return Err(NotFinite.into());
        }
        if self.penalty != 1.0 {
            penalize(&mut candidates, written, n_plain, self.penalty);
        }
        Ok(match self.sampling {
            Sampling::Greedy => most_probable(&candidates),
            Sampling::Seeded {
                temperature, top_p, ..
            } => draw(candidates, temperature, top_p, self.random.next_unit()),
        })
    }
}

/// The repetition penalty of CTRL, <https://arxiv.org/abs/1909.05858>, section 4.1; plain tokens only, so that the
/// end of the turn never gets less likely.
fn penalize(candidates: &mut [(u32, f32)], written: &[u32], n_plain: usize, penalty: f32) {
    let mut seen: Vec<u32> = written
        .iter()
        .copied()
        .filter(|id| (*id as usize) < n_plain)
        .collect();
    seen.sort_unstable();
    seen.dedup();
    for id in seen {
        let logit = &mut candidates[id as usize].1;
        *logit = if *logit > 0.0 {
            *logit / penalty
        } else {
            *logit * penalty
        };
    }
}

/// The first of the largest.
fn most_probable(candidates: &[(u32, f32)]) -> u32 {
    let better = |best: (u32, f32), next: &(u32, f32)| if next.1 > best.1 { *next } else { best };
    candidates.iter().fold((0, f32::NEG_INFINITY), better).0
}

/// Draws from the smallest set of the most probable candidates that holds `top_p` of the probability; `at` is the
/// random number, from 0 to 1.
fn draw(mut candidates: Vec<(u32, f32)>, temperature: f64, top_p: f64, at: f64) -> u32 {
    candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let max = f64::from(candidates[0].1);
    let weight = |logit: f32| ((f64::from(logit) - max) / temperature.max(1e-6)).exp();
    let total: f64 = candidates.iter().map(|(_, logit)| weight(*logit)).sum();
    let mut kept = 0.0;
    let n_kept = candidates
        .iter()
        .position(|(_, logit)| {
            kept += weight(*logit);
            kept >= top_p * total
        })
        .map_or(candidates.len(), |idx| idx + 1);
    let mut left = at * kept;
    for (id, logit) in &candidates[..n_kept] {
        left -= weight(*logit);
        if left < 0.0 {
            return *id;
        }
    }
    candidates[n_kept - 1].0
}

/// SplitMix64, <https://doi.org/10.1145/2714064.2660195>: small, and the same on every machine for ever.
struct Random(u64);

impl Random {
    /// The next number, from 0 up to but without 1.
    fn next_unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The number of ids before the second round of a loop, when `ids` end in one: a run of at most [`LONGEST_ROUND`]
/// ids that stands there at least three times in a row and for at least [`SHORTEST_LOOP`] ids.
pub fn loop_start(ids: &[u32]) -> Option<usize> {
    (1..=LONGEST_ROUND.min(ids.len() / 3)).find_map(|n_round| {
        let n_same = ids
            .iter()
            .rev()
            .zip(ids.iter().rev().skip(n_round))
            .take_while(|(a, b)| a == b)
            .count();
        let n_loop = n_same + n_round;
        (n_same >= 2 * n_round && n_loop >= SHORTEST_LOOP).then(|| ids.len() - n_same)
    })
}

/// The longest run of ids that is recognised when it repeats.
pub const LONGEST_ROUND: usize = 160;
/// Three short tokens in a row are still language (`ha ha ha`, a ruled line); this many ids of it are not.
pub const SHORTEST_LOOP: usize = 24;
