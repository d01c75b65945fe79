//! Queries, keys and values in, mixed values out. Knows heads and positions; knows no weights.

use anyhow::Result;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Tensor};

/// Causal attention with grouped heads, for the `n_new` last of the tokens that the keys stand for.
///
/// `query` is (kv_head, group * n_new, head_dim), already divided by the square root of head_dim: the queries that
/// share a key head stand below one another, so that keys and values are never copied. `keys` and `values` are
/// (kv_head, kv_len, head_dim), and may be views. Returns (kv_head, group * n_new, head_dim).
pub fn attend(query: &Tensor, keys: &Tensor, values: &Tensor, n_new: usize) -> Result<Tensor> {
    if !query.device().is_cpu() {
        let scores = query.matmul(&keys.t()?.contiguous()?)?; // (kv_head, group * n_new, kv_len)
        let weights = masked_softmax(&scores, n_new)?;
        return Ok(weights.matmul(&values.contiguous()?)?);
    }
    // One key head at a time, in place: the scores are the largest thing in memory beside the weights.
    let mixed = (0..query.dim(0)?).map(|head| {
        let scores = query.get(head)?.matmul(&keys.get(head)?.t()?)?; // (group * n_new, kv_len)
        scores.inplace_op1(&CausalSoftmax { n_new })?;
        scores.matmul(&values.get(head)?)
    });
    Ok(Tensor::stack(
        &mixed.collect::<candle_core::Result<Vec<_>>>()?,
        0,
    )?)
}

/// The obvious way, on any device: what [`CausalSoftmax`] is checked against.
fn masked_softmax(scores: &Tensor, n_new: usize) -> Result<Tensor> {
    let (n_kv_heads, n_rows, kv_len) = scores.dims3()?;
    let n_past = kv_len - n_new;
    let row = |row: usize| {
        (0..kv_len).map(move |col| {
            if col <= n_past + row {
                0.0
            } else {
                f32::NEG_INFINITY
            }
        })
    };
    let mask = Tensor::from_iter((0..n_new).flat_map(row), &Device::Cpu)?;
    let mask = mask.reshape((n_new, kv_len))?.to_device(scores.device())?;
    let masked = scores
        .reshape((n_kv_heads * n_rows / n_new, n_new, kv_len))?
        .broadcast_add(&mask)?;
    Ok(candle_nn::ops::softmax_last_dim(&masked)?.reshape((n_kv_heads, n_rows, kv_len))?)
}

/// Softmax of each row, in place, over what the row's token may see; the rest of the row becomes 0. The rows are the
/// `n_new` last tokens, over and over, once for each head of the group.
struct CausalSoftmax {
    n_new: usize,
}

impl InplaceOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (n_rows, kv_len) = layout.shape().dims2()?;
        let (CpuStorage::F32(scores), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("causal-softmax needs contiguous f32 scores");
        };
        if self.n_new == 0 || self.n_new > kv_len || !n_rows.is_multiple_of(self.n_new) {
            candle_core::bail!(
                "{n_rows} rows of {kv_len} scores do not belong to {} tokens",
                self.n_new
            );
        }
        let n_past = kv_len - self.n_new;
        let rows = Rows {
            scores: scores[start..end].as_mut_ptr(),
            kv_len,
        };
        candle_core::utils::barrier_pool().execute_chunked(n_rows, |range| {
            for row_idx in range {
                // SAFETY: `row_idx` is below `n_rows`, and the pool hands out each index once.
                let row = unsafe { rows.row(row_idx) };
                let (seen, unseen) = row.split_at_mut(n_past + row_idx % self.n_new + 1);
                softmax(seen);
                unseen.fill(0.0);
            }
        });
        Ok(())
    }
}

/// The rows of a matrix, to be shared out among threads.
struct Rows {
    scores: *mut f32,
    kv_len: usize,
}

// SAFETY: the pointer is only used through `row`, whose callers take each row once.
unsafe impl Sync for Rows {}

impl Rows {
    /// # Safety
    /// `row_idx` must be a row of the matrix, which must outlive the result, and no two results may be of one row.
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, row_idx: usize) -> &mut [f32] {
        // SAFETY: the caller's promise.
        unsafe {
            std::slice::from_raw_parts_mut(self.scores.add(row_idx * self.kv_len), self.kv_len)
        }
    }
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in row.iter_mut() {
        *score = (*score - max).exp();
        sum += *score;
    }
    let scale = 1.0 / sum;
    row.iter_mut().for_each(|score| *score *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n_kv_heads: usize, n_group: usize, n_past: usize, n_new: usize) {
        let random = |n_rows: usize| {
            Tensor::randn(0f32, 2f32, (n_kv_heads, n_rows, 8), &Device::Cpu).unwrap()
        };
        let kv_len = n_past + n_new;
        let (query, keys, values) = (random(n_group * n_new), random(kv_len), random(kv_len));
        let scores = query.matmul(&keys.t().unwrap()).unwrap();
        let expected = masked_softmax(&scores, n_new)
            .unwrap()
            .matmul(&values)
            .unwrap();
        let found = attend(&query, &keys, &values, n_new).unwrap();
        let distance = (expected - found)
            .unwrap()
            .abs()
            .unwrap()
            .flatten_all()
            .unwrap();
        let distance = distance.max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(distance < 1e-5, "{distance} for {n_past} + {n_new} tokens");
    }

    #[test]
    fn softmax_in_place_agrees_with_the_masked_one() {
        for (n_past, n_new) in [(0, 1), (0, 7), (5, 1), (5, 3), (300, 130)] {
            check(1, 1, n_past, n_new);
            check(2, 3, n_past, n_new);
        }
    }
}
