//! Queries, keys and values in, mixed values out. Knows heads and positions; knows no weights.
//!
//! On the CPU nothing grows with the length of the context but time: the keys are taken a tile at a time, and what
//! was mixed so far is scaled down whenever a larger score turns up (online softmax, <https://arxiv.org/abs/1805.02867>).
//! Queries stand side by side in the lanes of one or two vectors, so that the maximum and the sum of the softmax are
//! taken lane by lane, and neither keys nor values are ever turned around.

use std::mem::MaybeUninit;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use candle_core::{CpuStorage, Device, Storage, Tensor};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::exp::exp;
use super::{Isa, SharedSlice, in_parallel, with_floats};

/// Queries side by side where there are few, as when a token is written: those that share a kv_head.
const FEW_LANES: usize = 16;
/// Queries side by side where there are more: a number of a key that was loaded serves twice as many of them.
const LANES: usize = 32;
/// Keys that are looked at before the next ones.
const TILE_KEYS: usize = 64;
/// Tokens whose queries share the tiles of keys.
const BLOCK_TOKENS: usize = 64;

/// See [`Compute::attend`](super::Compute::attend), which checks the shapes.
pub(super) fn attend(isa: Isa, query: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (n_new, n_heads, head_dim) = query.dims3()?;
    let (n_kv_heads, kv_len, _) = keys.dims3()?;
    with_heads(keys, |keys| {
        with_heads(values, |values| {
            with_floats(query, |query| {
                let problem =
                    Problem { query, keys, values, n_new, n_heads, n_kv_heads, head_dim, kv_len, causal: true };
                Tensor::from_vec(problem.solve(isa), (n_new, n_heads * head_dim), &Device::Cpu)
            })
        })
    })???
    .map_err(Into::into)
}

/// See [`Compute::attend_both_ways`](super::Compute::attend_both_ways), which checks the shapes.
pub(super) fn attend_both_ways(
    isa: Isa,
    query: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    n_heads: usize,
    lengths: &[usize],
) -> Result<Tensor> {
    let (n_tokens, width) = query.dims2()?;
    let head_dim = width / n_heads;
    let mut mixed = Vec::with_capacity(n_tokens * width);
    with_floats(query, |query| {
        with_floats(keys, |keys| {
            with_floats(values, |values| {
                let mut first = 0;
                for &n_text in lengths {
                    let text = first * width..(first + n_text) * width;
                    let heads =
                        |numbers| Heads { numbers: Numbers::F32(numbers), head_stride: head_dim, row_stride: width };
                    let problem = Problem {
                        query: &query[text.clone()],
                        keys: heads(&keys[text.clone()]),
                        values: heads(&values[text]),
                        n_new: n_text,
                        n_heads,
                        n_kv_heads: n_heads,
                        head_dim,
                        kv_len: n_text,
                        causal: false,
                    };
                    mixed.extend(problem.solve(isa));
                    first += n_text;
                }
            })
        })
    })???;
    Ok(Tensor::from_vec(mixed, query.shape(), &Device::Cpu)?)
}

/// Keys or values: rows of head_dim numbers, kv_len of them for each head.
#[derive(Clone, Copy)]
struct Heads<'a> {
    numbers: Numbers<'a>,
    head_stride: usize,
    row_stride: usize,
}

#[derive(Clone, Copy)]
enum Numbers<'a> {
    F16(&'a [f16]),
    F32(&'a [f32]),
}

/// A number for each of some queries. A vector that does not begin at a multiple of its size takes two reads.
#[repr(align(64))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes<const N: usize>(pub(super) [f32; N]);

struct Problem<'a> {
    query: &'a [f32], // (n_new, head, head_dim)
    keys: Heads<'a>,
    values: Heads<'a>,
    n_new: usize,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    kv_len: usize,
    /// Whether a token sees only those before it and itself.
    causal: bool,
}

/// Queries of one kv_head on their way; each array ends with a lane a query.
struct Panel<const N: usize> {
    query: Vec<Lanes<N>>, // (head_dim)
    /// Scores, and then weights, of one tile of keys.
    scores: [Lanes<N>; TILE_KEYS],
    /// Values mixed so far.
    mixed: Vec<Lanes<N>>, // (head_dim)
    softmax: Softmax<N>,
}

/// The softmax of some rows of scores, so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Softmax<const N: usize> {
    /// How many keys, from the first, a query may see.
    n_visible: [u32; N],
    /// The largest score.
    max: [f32; N],
    /// The sum of all `exp(score - max)`.
    sum: [f32; N],
}

impl Problem<'_> {
    /// (n_new, head * head_dim)
    fn solve(&self, isa: Isa) -> Vec<f32> {
        let n_mixed = self.n_new * self.n_heads * self.head_dim;
        let mut mixed = Vec::with_capacity(n_mixed);
        let shared = SharedSlice::new(&mut mixed.spare_capacity_mut()[..n_mixed]);
        let n_blocks = self.n_new.div_ceil(BLOCK_TOKENS);
        in_parallel(n_blocks * self.n_kv_heads, |items| {
            for item in items {
                let (block, kv_head) = (item / self.n_kv_heads, item % self.n_kv_heads);
                // The last tokens see most, and go first so that no thread is left with them at the end.
                let first = (n_blocks - 1 - block) * BLOCK_TOKENS;
                let tokens = first..self.n_new.min(first + BLOCK_TOKENS);
                if tokens.len() * self.n_heads / self.n_kv_heads <= FEW_LANES {
                    self.solve_block::<FEW_LANES>(tokens, kv_head, isa, &shared);
                } else {
                    self.solve_block::<LANES>(tokens, kv_head, isa, &shared);
                }
            }
        });
        // SAFETY: every token's every head is in one block, and each block writes all numbers of its own.
        unsafe { mixed.set_len(n_mixed) };
        mixed
    }

    fn solve_block<const N: usize>(
        &self,
        tokens: Range<usize>,
        kv_head: usize,
        isa: Isa,
        mixed: &SharedSlice<'_, MaybeUninit<f32>>,
    ) {
        let head_dim = self.head_dim;
        let n_visible = self.n_visible(tokens.end - 1);
        let mut panels = self.panels::<N>(tokens, kv_head);
        let mut keys = vec![0.0; TILE_KEYS * head_dim];
        let mut values = vec![0.0; TILE_KEYS * head_dim];
        for first in (0..n_visible).step_by(TILE_KEYS) {
            let n_keys = TILE_KEYS.min(n_visible - first);
            let keys = &mut keys[..n_keys * head_dim];
            let values = &mut values[..n_keys * head_dim];
            self.keys.widen(kv_head, first, head_dim, keys);
            self.values.widen(kv_head, first, head_dim, values);
            for (_, panel) in &mut panels {
                let scores = &mut panel.scores[..n_keys];
                isa.tile(keys, (head_dim, 1), &panel.query, None, scores);
                let shrink = isa.soften(scores, first, &mut panel.softmax);
                isa.tile(values, (1, head_dim), scores, Some(&shrink), &mut panel.mixed);
            }
        }
        for (rows, panel) in panels {
            for (lane, row) in rows.into_iter().enumerate() {
                // SAFETY: no other block has these rows.
                let mixed = unsafe { mixed.range(row..row + head_dim) };
                for (target, lanes) in mixed.iter_mut().zip(&panel.mixed) {
                    target.write(lanes.0[lane] / panel.softmax.sum[lane]);
                }
            }
        }
    }

    /// How many keys, from the first, a new token may see.
    fn n_visible(&self, token: usize) -> usize {
        match self.causal {
            true => self.kv_len - self.n_new + token + 1,
            false => self.kv_len,
        }
    }

    /// The queries that some tokens put to a kv_head, with where each begins.
    fn panels<const N: usize>(&self, tokens: Range<usize>, kv_head: usize) -> Vec<(Vec<usize>, Panel<N>)> {
        let n_group = self.n_heads / self.n_kv_heads;
        let scale = 1.0 / (self.head_dim as f32).sqrt();
        let heads = kv_head * n_group..(kv_head + 1) * n_group;
        let rows: Vec<(usize, usize)> = tokens.flat_map(|token| heads.clone().map(move |head| (token, head))).collect();
        let panel = |rows: &[(usize, usize)]| {
            let starts: Vec<usize> =
                rows.iter().map(|(token, head)| (token * self.n_heads + head) * self.head_dim).collect();
            let mut query = vec![Lanes([0.0; N]); self.head_dim];
            // Lanes that no query is in see one key, so that they come to no division by 0.
            let mut n_visible = [1; N];
            for (lane, (start, (token, _))) in starts.iter().zip(rows).enumerate() {
                n_visible[lane] = self.n_visible(*token) as u32;
                for (lanes, x) in query.iter_mut().zip(&self.query[*start..]) {
                    lanes.0[lane] = x * scale;
                }
            }
            let softmax = Softmax { n_visible, max: [f32::NEG_INFINITY; N], sum: [0.0; N] };
            let mixed = vec![Lanes([0.0; N]); self.head_dim];
            (starts, Panel { query, scores: [Lanes([0.0; N]); TILE_KEYS], mixed, softmax })
        };
        rows.chunks(N).map(panel).collect()
    }
}

impl Heads<'_> {
    /// Copies rows of one head, from `first` on.
    fn widen(&self, head: usize, first: usize, head_dim: usize, target: &mut [f32]) {
        let start = head * self.head_stride + first * self.row_stride;
        match self.numbers {
            // The rows of a cache lie behind one another.
            Numbers::F16(numbers) => {
                numbers[start..start + target.len()].convert_to_f32_slice(target);
            }
            Numbers::F32(numbers) => {
                let rows = numbers[start..].chunks(self.row_stride);
                for (target, row) in target.chunks_exact_mut(head_dim).zip(rows) {
                    target.copy_from_slice(&row[..head_dim]);
                }
            }
        }
    }
}

/// Makes scores of keys from `first` on into weights. Returns what the values mixed so far are to be multiplied by, as a
/// larger score may have turned up. Written to become vector code in each instruction set.
#[inline(always)]
pub(super) fn soften<const N: usize, const FMA: bool>(
    scores: &mut [Lanes<N>],
    first: usize,
    softmax: &mut Softmax<N>,
) -> Lanes<N> {
    if softmax.n_visible.iter().any(|n| (*n as usize) < first + scores.len()) {
        for (key, scores) in scores.iter_mut().enumerate() {
            for lane in 0..N {
                if softmax.n_visible[lane] <= (first + key) as u32 {
                    scores.0[lane] = f32::NEG_INFINITY;
                }
            }
        }
    }
    let mut max = softmax.max;
    for scores in scores.iter() {
        for lane in 0..N {
            max[lane] = if scores.0[lane] > max[lane] { scores.0[lane] } else { max[lane] };
        }
    }
    let mut shrink = Lanes([0.0; N]);
    for lane in 0..N {
        shrink.0[lane] = exp::<FMA>(softmax.max[lane] - max[lane]);
    }
    let mut sum = [0.0; N];
    for scores in scores.iter_mut() {
        for lane in 0..N {
            scores.0[lane] = exp::<FMA>(scores.0[lane] - max[lane]);
            sum[lane] += scores.0[lane];
        }
    }
    for lane in 0..N {
        softmax.sum[lane] = softmax.sum[lane] * shrink.0[lane] + sum[lane];
    }
    softmax.max = max;
    shrink
}

/// Calls `f` with the numbers of (head, row, number) of f16 on the CPU, whose rows lie behind one another.
fn with_heads<T>(heads: &Tensor, f: impl FnOnce(Heads<'_>) -> T) -> Result<T> {
    let (storage, layout) = heads.storage_and_layout();
    let (n_heads, n_rows, n_columns) = heads.dims3()?;
    let &[head_stride, row_stride, stride] = layout.stride() else {
        anyhow::bail!("three dimensions have three strides")
    };
    ensure!(
        (row_stride == n_columns || n_rows == 1) && stride == 1,
        "keys and values of strides {:?} are not rows",
        layout.stride()
    );
    let Storage::Cpu(CpuStorage::F16(numbers)) = &*storage else {
        anyhow::bail!("keys and values are {:?} on {:?}, and not f16 on the CPU", heads.dtype(), heads.device())
    };
    let end = layout.start_offset() + (n_heads - 1) * head_stride + n_rows * n_columns;
    let numbers = numbers.get(layout.start_offset()..end).context("keys and values end before their shape")?;
    Ok(f(Heads { numbers: Numbers::F16(numbers), head_stride, row_stride }))
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::super::{Compute, steps};
    use super::*;

    fn check(n_group: usize, head_dim: usize, n_past: usize, n_new: usize) {
        const N_KV_HEADS: usize = 2;
        let kv_len = n_past + n_new;
        let query = Tensor::randn(0f32, 2f32, (n_new, N_KV_HEADS * n_group, head_dim), &Device::Cpu).unwrap();
        // A cache has room for more than it holds, so that what is given is a view.
        let cache = || {
            Tensor::randn(0f32, 1f32, (N_KV_HEADS, kv_len + 5, head_dim), &Device::Cpu)
                .and_then(|cache| cache.to_dtype(DType::F16)?.narrow(1, 0, kv_len))
                .unwrap()
        };
        let (keys, values) = (cache(), cache());
        let to_vec = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected = to_vec(steps::attend(&query, &keys, &values).unwrap());
        for isa in Isa::available() {
            let found = to_vec(attend(isa, &query, &keys, &values).unwrap());
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                // Scores go to about 100 here, and an exponential turns their rounding into a relative error.
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{isa:?}, {n_group} x {head_dim}, {n_past} + {n_new}, at {i}: {found} for {expected}"
                );
            }
        }
    }

    #[test]
    fn tiles_agree_with_the_obvious_way() {
        for (n_group, head_dim) in [(1, 64), (7, 64), (6, 128), (2, 8), (3, 10), (17, 32)] {
            for (n_past, n_new) in [(0, 1), (0, 7), (5, 1), (63, 1), (64, 1), (5, 3), (300, 130), (0, 65), (127, 17)] {
                check(n_group, head_dim, n_past, n_new);
            }
        }
    }

    #[test]
    fn texts_read_as_a_whole_see_themselves_and_nothing_else() {
        let (n_heads, head_dim) = (3, 8);
        let lengths = [1, 70, 0, 16, 130];
        let shape = (lengths.iter().sum::<usize>(), n_heads * head_dim);
        let random = || Tensor::randn(0f32, 1f32, shape, &Device::Cpu).unwrap();
        let (query, keys, values) = (random(), random(), random());
        let expected = steps::attend_both_ways(&query, &keys, &values, n_heads, &lengths).unwrap();
        for isa in Isa::available() {
            let found = attend_both_ways(isa, &query, &keys, &values, n_heads, &lengths).unwrap();
            let error = (found - &expected).unwrap().abs().unwrap();
            let error = error.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>();
            assert!(error.unwrap() < 1e-5);
        }
        let compute = Compute::default();
        assert!(compute.attend_both_ways(&query, &keys, &values, 5, &lengths).is_err());
        assert!(compute.attend_both_ways(&query, &keys, &values, n_heads, &[7]).is_err());
    }

    #[test]
    fn shapes_that_do_not_belong_together_are_refused() {
        let zeros = |shape: (usize, usize, usize), dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        let query = |n: usize, heads: usize| zeros((n, heads, 8), DType::F32);
        let keys = |n: usize| zeros((2, n, 8), DType::F16);
        let attend = |query: &Tensor, keys: &Tensor, values: &Tensor| {
            Compute::Kernels(Isa::Portable).attend(query, keys, values)
        };
        assert!(attend(&query(1, 4), &keys(3), &keys(3)).is_ok());
        assert!(attend(&query(4, 4), &keys(3), &keys(3)).is_err(), "more queries than keys");
        assert!(attend(&query(1, 3), &keys(3), &keys(3)).is_err(), "heads that cannot share");
        assert!(attend(&query(1, 4), &keys(3), &keys(2)).is_err(), "a value too few");
        assert!(attend(&query(1, 4), &zeros((2, 3, 8), DType::F32), &keys(3)).is_err(), "f32 keys");
    }
}
