//! The steps of a layer in candle's own operations, for any device that candle has: the obvious way, the oracle of the
//! kernels, and the road of devices that have none.

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use candle_nn::ops;

/// See [`Compute::rms_norm`](super::Compute::rms_norm).
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    Ok(ops::rms_norm(x, weight, eps)?)
}

/// See [`Compute::rotate`](super::Compute::rotate).
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    Ok(candle_nn::rotary_emb::rope_thd(&x.unsqueeze(0)?, cos, sin)?.squeeze(0)?)
}

/// See [`Compute::attend`](super::Compute::attend).
pub(super) fn attend(query: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (n_new, n_heads, head_dim) = query.dims3()?;
    let (n_kv_heads, kv_len, _) = keys.dims3()?;
    let n_group = n_heads / n_kv_heads;
    let [keys, values] = [keys, values].map(|x| x.to_dtype(query.dtype())?.contiguous());
    let query = (query * (1.0 / (head_dim as f64).sqrt()))?
        .reshape((n_new, n_kv_heads, n_group, head_dim))?
        .permute((1, 2, 0, 3))?
        .reshape((n_kv_heads, n_group * n_new, head_dim))?;
    let mut scores = query.matmul(&keys?.t()?)?; // (kv_head, group * n_new, kv_len)
    if n_new > 1 {
        let masked = scores.reshape((n_heads, n_new, kv_len))?.broadcast_add(&mask(n_new, kv_len, query.device())?)?;
        scores = masked.reshape((n_kv_heads, n_group * n_new, kv_len))?;
    }
    Ok(ops::softmax_last_dim(&scores)?
        .matmul(&values?)? // (kv_head, group * n_new, head_dim)
        .reshape((n_kv_heads, n_group, n_new, head_dim))?
        .permute((2, 0, 1, 3))?
        .reshape((n_new, n_heads * head_dim))?)
}

/// 0 where one of the last `n_new` tokens may look, minus infinity where not: (n_new, kv_len).
fn mask(n_new: usize, kv_len: usize, device: &Device) -> Result<Tensor> {
    let rows = Tensor::arange((kv_len - n_new) as u32, kv_len as u32, device)?.unsqueeze(1)?;
    let columns = Tensor::arange(0, kv_len as u32, device)?.unsqueeze(0)?;
    let is_later = columns.broadcast_gt(&rows)?;
    let never = Tensor::full(f32::NEG_INFINITY, (n_new, kv_len), device)?;
    Ok(is_later.where_cond(&never, &never.zeros_like()?)?)
}

/// See [`Compute::attend_both_ways`](super::Compute::attend_both_ways).
pub(super) fn attend_both_ways(
    query: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    n_heads: usize,
    lengths: &[usize],
) -> Result<Tensor> {
    let (_, width) = query.dims2()?;
    let head_dim = width / n_heads;
    let mut mixed = Vec::with_capacity(lengths.len());
    let mut first = 0;
    for n_text in lengths.iter().copied().filter(|n| *n > 0) {
        let heads = |x: &Tensor| {
            x.narrow(0, first, n_text)?.reshape((n_text, n_heads, head_dim))?.transpose(0, 1)?.contiguous()
        };
        let scores = (heads(query)? * (1.0 / (head_dim as f64).sqrt()))?.matmul(&heads(keys)?.t()?)?;
        let own = ops::softmax_last_dim(&scores)?.matmul(&heads(values)?)?; // (head, n_text, head_dim)
        mixed.push(own.transpose(0, 1)?.reshape((n_text, width))?);
        first += n_text;
    }
    Ok(Tensor::cat(&mixed, 0)?)
}

/// `silu(gate) * up`.
pub(super) fn gated(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    Ok((ops::silu(gate)? * up)?)
}

/// `x Φ(x)`.
pub(super) fn gelu(x: &Tensor) -> Result<Tensor> {
    Ok(x.gelu_erf()?)
}

/// See [`Compute::add_norm`](super::Compute::add_norm).
pub(super) fn add_norm(x: &Tensor, y: &Tensor, (weight, bias): (&[f32], &[f32]), epsilon: f32) -> Result<Tensor> {
    let vector = |numbers: &[f32]| Tensor::new(numbers, x.device())?.to_dtype(DType::F32);
    Ok(ops::layer_norm(&(x + y)?, &vector(weight)?, &vector(bias)?, epsilon)?)
}
