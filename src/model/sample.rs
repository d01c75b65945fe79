//! Logits in, one token id out; ids in, a loop found or not. Knows no model and no text.

use anyhow::Result;
use candle_core::Tensor;

use super::Sampling;
use super::qwen::NotFinite;

/// The logits after one token, where they were computed.
#[derive(Debug, Clone)]
pub struct Row {
    /// (vocabulary)
    pub logits: Tensor,
    /// The token that its writer wishes for, if it was looked for there already.
    pub best: Option<Result<u32, NotFinite>>,
}

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
        Sampler { sampling, random: Random(seed), penalty }
    }

    /// What the logits of written tokens are divided by before the most probable token is chosen; none, where another
    /// may be.
    pub fn greedy_penalty(&self) -> Option<f32> {
        (self.sampling == Sampling::Greedy).then_some(self.penalty)
    }

    /// Chooses among the ids below `n_plain`, or those of them in `only`, and the `ends`; all others are never chosen.
    /// `written` are the ids of the completion so far.
    ///
    /// # Errors
    /// [`NotFinite`] when a logit that counts is not a finite number.
    pub fn choose(
        &mut self,
        logits: &[f32],
        n_plain: usize,
        only: Option<&[u32]>,
        ends: &[u32],
        written: &[u32],
    ) -> Result<u32> {
        let (plain, others) = logits.split_at(n_plain.min(logits.len()));
        let logit_of = |id: u32| others.get((id as usize).checked_sub(n_plain)?);
        let ends = ends.iter().filter_map(|id| Some((*id, *logit_of(*id)?)));
        let ends: Vec<(u32, f32)> = ends.collect();
        if plain.is_empty() && ends.is_empty() || !is_finite(plain) || ends.iter().any(|(_, logit)| !logit.is_finite())
        {
            return Err(NotFinite.into());
        }
        if self.greedy_penalty() == Some(1.0) && only.is_none() {
            let best = first_largest(plain).into_iter().chain(ends);
            return Ok(most_probable(best));
        }
        let mut candidates: Vec<(u32, f32)> = match only {
            None => (0u32..).zip(plain.iter().copied()).collect(),
            Some(ids) => {
                let logit_of = |id: &u32| Some((*id, *plain.get(*id as usize)?));
                ids.iter().filter_map(logit_of).collect()
            }
        };
        candidates.extend(ends);
        if self.penalty != 1.0 {
            penalize(&mut candidates, written, n_plain, self.penalty);
        }
        Ok(match self.sampling {
            Sampling::Greedy => most_probable(candidates.into_iter()),
            Sampling::Seeded { temperature, top_p, .. } => {
                draw(candidates, temperature, top_p, self.random.next_unit())
            }
        })
    }
}

/// The probability of each of `ids` as the next token, 0 to 1.
///
/// # Errors
/// [`NotFinite`] when a logit is not a finite number.
pub fn shares(logits: &[f32], ids: &[u32]) -> Result<Vec<f64>> {
    if logits.is_empty() || !is_finite(logits) {
        return Err(NotFinite.into());
    }
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - max).exp();
    let total: f64 = logits.iter().copied().map(weight).sum();
    Ok(ids.iter().map(|id| logits.get(*id as usize).copied().map_or(0.0, weight) / total).collect())
}

/// The repetition penalty of CTRL, <https://arxiv.org/abs/1909.05858>, section 4.1; plain tokens only, so that the
/// end of the turn never gets less likely.
fn penalize(candidates: &mut [(u32, f32)], written: &[u32], n_plain: usize, penalty: f32) {
    let mut seen: Vec<u32> = written.iter().copied().filter(|id| (*id as usize) < n_plain).collect();
    seen.sort_unstable();
    seen.dedup();
    for (_, logit) in candidates.iter_mut().filter(|(id, _)| seen.binary_search(id).is_ok()) {
        *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
    }
}

/// The first of the largest.
fn most_probable(candidates: impl Iterator<Item = (u32, f32)>) -> u32 {
    let better = |best: (u32, f32), next: (u32, f32)| if next.1 > best.1 { next } else { best };
    candidates.fold((0, f32::NEG_INFINITY), better).0
}

/// Whether all are; looks at all, as what stops early does not become vector code.
fn is_finite(logits: &[f32]) -> bool {
    logits.iter().fold(true, |all, x| all & x.is_finite())
}

/// The first of the largest with its place, found lane by lane: at 150,000 logits, a tenth of the time of one by one.
fn first_largest(logits: &[f32]) -> Option<(u32, f32)> {
    let (runs, rest) = logits.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for run in runs {
        for (lane, logit) in lanes.iter_mut().zip(run) {
            *lane = if *logit > *lane { *logit } else { *lane };
        }
    }
    let max = lanes.iter().chain(rest).copied().reduce(f32::max)?;
    let at = logits.iter().position(|logit| *logit == max)?;
    Some((at as u32, max))
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
        let n_same = ids.iter().rev().zip(ids.iter().rev().skip(n_round)).take_while(|(a, b)| a == b).count();
        let n_loop = n_same + n_round;
        (n_same >= 2 * n_round && n_loop >= SHORTEST_LOOP).then(|| ids.len() - n_same)
    })
}

/// The longest run of ids that is recognised when it repeats.
pub const LONGEST_ROUND: usize = 160;
/// Three short tokens in a row are still language (`ha ha ha`, a ruled line); this many ids of it are not.
pub const SHORTEST_LOOP: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDED: Sampling = Sampling::Seeded { temperature: 1.0, top_p: 0.9, seed: 5 };

    #[test]
    fn only_plain_tokens_and_ends_are_chosen() {
        // Two plain tokens, a control token with the highest logit, and an end.
        let check = |logits: [f32; 4], expected: u32| {
            for sampling in [Sampling::Greedy, SEEDED] {
                let id = Sampler::new(sampling, 1.0).choose(&logits, 2, None, &[3], &[]).unwrap();
                assert_eq!(id, expected, "{logits:?}");
            }
        };
        check([0.0, 9.0, 99.0, 0.0], 1);
        check([0.0, 0.0, 99.0, 9.0], 3);
    }

    #[test]
    fn the_first_of_the_largest_is_found_at_every_place() {
        for n in [1, 15, 16, 17, 40] {
            for at in 0..n {
                let mut logits = vec![-3.0; n];
                logits[at..].fill(-2.0);
                assert_eq!(first_largest(&logits), Some((at as u32, -2.0)), "{n}");
            }
        }
        assert_eq!(first_largest(&[]), None);
    }

    #[test]
    fn what_is_not_a_number_is_an_error() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let choice = Sampler::new(Sampling::Greedy, 1.0).choose(&[0.0, bad], 2, None, &[], &[]);
            assert!(choice.unwrap_err().is::<NotFinite>());
        }
        assert!(Sampler::new(Sampling::Greedy, 1.0).choose(&[], 2, None, &[1], &[]).is_err());
    }

    #[test]
    fn draws_follow_the_probabilities_within_top_p() {
        // Probabilities of 0.6, 0.3 and 0.1; the last lies beyond 0.85 of the whole.
        let logits = [0.6f32.ln(), 0.1f32.ln(), 0.3f32.ln()];
        let sampling = Sampling::Seeded { temperature: 1.0, top_p: 0.85, seed: 1 };
        let mut sampler = Sampler::new(sampling, 1.0);
        let mut n_chosen = [0; 3];
        for _ in 0..3_000 {
            n_chosen[sampler.choose(&logits, 3, None, &[], &[]).unwrap() as usize] += 1;
        }
        assert_eq!(n_chosen[1], 0);
        assert!((1_900..2_100).contains(&n_chosen[0]), "{n_chosen:?}");
    }

    #[test]
    fn a_penalty_makes_written_tokens_give_way() {
        let choose = |penalty| Sampler::new(Sampling::Greedy, penalty).choose(&[2.0, 1.9], 2, None, &[], &[0]).unwrap();
        assert_eq!((choose(1.0), choose(1.3)), (0, 1));
    }

    #[test]
    fn loops_are_found_where_they_begin() {
        let round: Vec<u32> = (10..20).collect();
        let check = |before: &[u32], round: &[u32], n_rounds: usize, expected: Option<usize>| {
            let ids: Vec<u32> = before.iter().copied().chain(round.repeat(n_rounds)).collect();
            assert_eq!(loop_start(&ids), expected, "{n_rounds} rounds of {round:?}");
        };
        check(&[1, 2, 3], &round, 3, Some(13));
        check(&[1, 2, 3], &round, 2, None);
        check(&[], &[7], SHORTEST_LOOP, Some(1));
        check(&[], &[7], SHORTEST_LOOP - 1, None);
        check(&[], &[7, 8], 12, Some(2));
        check(&(0..90).collect::<Vec<_>>(), &[], 0, None);
    }
}
