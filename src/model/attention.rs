//! The attention of one layer: grouped queries, with biases (Qwen2), with norms on the heads (Qwen3), and with a gate on
//! what comes out (Qwen3.5). Its keys and values go into the cache.

use anyhow::Result;
use candle_core::Tensor;

use super::gguf::{Config, Family};
use super::qwen::{Part, Pass, Weights};
use crate::kernel::QLinear;

pub(super) struct Attention {
    /// The how manieth layer with keys and values it is.
    slot: usize,
    /// Of Qwen3.5 with the gate of each head behind its query.
    query: QLinear,
    key: QLinear,
    value: QLinear,
    /// Norms of each query and each key head, (head_dim) each: all but Qwen2.
    head_norms: Option<(Tensor, Tensor)>,
    output: QLinear,
}

impl Attention {
    pub(super) fn load(weights: &mut Weights<'_>, config: &Config, layer_idx: usize) -> Result<Attention> {
        let Config { n_hidden, n_heads, n_kv_heads, head_dim, .. } = *config;
        let (n_query, n_key) = (n_heads * head_dim, n_kv_heads * head_dim);
        let has_bias = config.family == Family::Qwen2;
        let n_asked = if config.family == Family::Qwen35 { 2 * n_query } else { n_query };
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let head_norms = match config.family {
            Family::Qwen2 => None,
            Family::Qwen3 | Family::Qwen35 => Some((
                weights.vector(&name("attn_q_norm.weight"), head_dim)?,
                weights.vector(&name("attn_k_norm.weight"), head_dim)?,
            )),
        };
        Ok(Attention {
            slot: (0..layer_idx).filter(|idx| !config.is_recurrent(*idx)).count(),
            query: weights.linear(&name("attn_q"), n_asked, n_hidden, has_bias)?,
            key: weights.linear(&name("attn_k"), n_key, n_hidden, has_bias)?,
            value: weights.linear(&name("attn_v"), n_key, n_hidden, has_bias)?,
            head_norms,
            output: weights.linear(&name("attn_output"), n_hidden, n_query, false)?,
        })
    }

    pub(super) fn linears(&self) -> Vec<&QLinear> {
        vec![&self.query, &self.key, &self.value, &self.output]
    }

    /// (tokens, hidden) -> (the last `n_out` tokens of each part, hidden).
    pub(super) fn forward(&self, x: &Tensor, n_out: usize, parts: &mut [Part<'_>], pass: &Pass<'_>) -> Result<Tensor> {
        let Config { n_heads, n_kv_heads, head_dim, rms_eps, .. } = *pass.config;
        let compute = pass.compute;
        let n_new = x.dim(0)?;
        let turned = |x: &Tensor, norm: Option<&Tensor>| -> Result<Tensor> {
            match norm {
                Some(norm) => pass.rotate(&compute.rms_norm(x, norm, rms_eps as f32)?),
                None => pass.rotate(x),
            }
        };
        let (query_norm, key_norm) = self.head_norms.as_ref().map(|(query, key)| (query, key)).unzip();
        let [query, key, value] = QLinear::forward_many([&self.query, &self.key, &self.value], x)?;
        let query = query.reshape((n_new, n_heads, ()))?; // (tokens, head, head_dim, and as much again with a gate)
        let gate = match query.dim(2)? > head_dim {
            true => Some(query.narrow(2, head_dim, head_dim)?.contiguous()?),
            false => None,
        };
        let query = turned(&query.narrow(2, 0, head_dim)?.contiguous()?, query_norm)?; // (tokens, head, head_dim)
        let key = turned(&key.reshape((n_new, n_kv_heads, head_dim))?, key_norm)?; // (tokens, kv_head, head_dim)
        let value = value.reshape((n_new, n_kv_heads, head_dim))?; // (tokens, kv_head, head_dim)
        let mut mixed = Vec::with_capacity(parts.len()); // (n_out, head * head_dim) each
        let mut first = 0;
        for part in parts {
            let n_own = part.ids.len();
            let own = |x: &Tensor| x.narrow(0, first, n_own);
            let (key, value) = (own(&key)?.transpose(0, 1)?, own(&value)?.transpose(0, 1)?);
            let (keys, values) = part.cache.append(self.slot, &key, &value)?;
            let n_out = n_out.min(n_own);
            let last = |x: &Tensor| x.narrow(0, first + n_own - n_out, n_out);
            let own = compute.attend(&last(&query)?, &keys, &values)?;
            mixed.push(match &gate {
                Some(gate) => compute.opened(&own, &last(gate)?.flatten_from(1)?)?,
                None => own,
            });
            first += n_own;
        }
        self.output.forward(&Tensor::cat(&mixed, 0)?)
    }
}
