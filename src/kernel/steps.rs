//! The steps of a layer in candle's own operations, for any device that candle has: the obvious way, the oracle of the
//! kernels, and the road of devices that have none.

use anyhow::Result;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops;

use super::delta::{DeltaRows, DeltaShape, Gates, UNIT_EPS};

/// See [`Compute::rms_norm`](super::Compute::rms_norm).
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    Ok(ops::rms_norm(x, weight, eps)?)
}

/// See [`Compute::rotate`](super::Compute::rotate).
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (n_turned, n) = (2 * cos.dim(1)?, x.dim(2)?);
    let turned = x.narrow(2, 0, n_turned)?.contiguous()?.unsqueeze(0)?;
    let turned = candle_nn::rotary_emb::rope_thd(&turned, cos, sin)?.squeeze(0)?;
    match n - n_turned {
        0 => Ok(turned),
        n_rest => Ok(Tensor::cat(&[turned, x.narrow(2, n_turned, n_rest)?], 2)?),
    }
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

/// `x * sigmoid(gate)`.
pub(super) fn opened(x: &Tensor, gate: &Tensor) -> Result<Tensor> {
    Ok((x * ops::sigmoid(gate)?)?)
}

/// See [`Compute::gates`](super::Compute::gates).
pub(super) fn gates(x: &Tensor, gates: &Gates) -> Result<Tensor> {
    let n_heads = gates.bias.dims1()?;
    let raw = x.matmul(&gates.weights.t()?)?;
    let beta = ops::sigmoid(&raw.narrow(1, 0, n_heads)?.contiguous()?)?;
    let decay = raw.narrow(1, n_heads, n_heads)?.broadcast_add(&gates.bias)?;
    let softplus = (decay.relu()? + (decay.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    Ok(Tensor::cat(&[beta, softplus.broadcast_mul(&gates.rate)?], 1)?)
}

/// See [`Compute::convolve`](super::Compute::convolve).
pub(super) fn convolve(x: &Tensor, taps: &Tensor) -> Result<Tensor> {
    let n_taps = taps.dim(0)?;
    let n = x.dim(0)? + 1 - n_taps;
    let weighted = |tap: usize| x.narrow(0, tap, n)?.broadcast_mul(&taps.get(tap)?);
    let sum = (1..n_taps).try_fold(weighted(0)?, |sum, tap| sum + weighted(tap)?)?;
    Ok(ops::silu(&sum)?)
}

/// See [`Compute::memory_shape`](super::Compute::memory_shape).
pub(super) fn memory_shape(shape: DeltaShape) -> [usize; 4] {
    [shape.n_heads, 1, shape.head_dim, shape.head_dim]
}

/// See [`Compute::delta`](super::Compute::delta): the recurrence, token by token.
pub(super) fn delta(rows: &DeltaRows<'_>, memory: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
    let DeltaShape { n_key_heads, n_heads, head_dim, .. } = rows.shape;
    let n = rows.mixed.dim(0)?;
    let heads = |first: usize, n_heads: usize| {
        rows.mixed.narrow(1, first * head_dim, n_heads * head_dim)?.contiguous()?.reshape((n, n_heads, head_dim))
    };
    let unit = |x: Tensor, scale: f64| -> Result<Tensor> {
        let length = (x.sqr()?.sum_keepdim(D::Minus1)? + f64::from(UNIT_EPS))?.sqrt()?;
        let shared = vec![(x.broadcast_div(&length)? * scale)?; n_heads / n_key_heads];
        Ok(Tensor::cat(&shared, 1)?.unsqueeze(2)?) // (token, head, 1, key)
    };
    let queries = unit(heads(0, n_key_heads)?, 1.0 / (head_dim as f64).sqrt())?;
    let keys = unit(heads(n_key_heads, n_key_heads)?, 1.0)?;
    let values = heads(2 * n_key_heads, n_heads)?.unsqueeze(2)?; // (token, head, 1, value)
    let gates = rows.gates.reshape((n, 2, n_heads, 1, 1))?;
    let mut memory = memory.squeeze(1)?; // (head, key, value)
    let (mut read, mut memories) = (Vec::with_capacity(n), Vec::new());
    for token in 0..n {
        let (query, key, value, gates) = (queries.get(token)?, keys.get(token)?, values.get(token)?, gates.get(token)?);
        memory = memory.broadcast_mul(&gates.get(1)?.exp()?)?;
        let correction = (value - key.matmul(&memory)?)?.broadcast_mul(&gates.get(0)?)?; // (head, 1, value)
        memory = (memory + key.transpose(1, 2)?.contiguous()?.matmul(&correction)?)?;
        read.push(query.matmul(&memory)?.reshape(n_heads * head_dim)?);
        if rows.each || token + 1 == n {
            memories.push(memory.unsqueeze(1)?);
        }
    }
    Ok((Tensor::stack(&read, 0)?, memories))
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
