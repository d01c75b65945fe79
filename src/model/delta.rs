//! The Gated DeltaNet of one layer (<https://arxiv.org/abs/2412.06464>): what a token says goes through a short convolution
//! into a memory of fixed size, and is asked for there. Its state is all that the cache keeps of it.

use anyhow::Result;
use candle_core::{DType, Tensor};

use super::gguf::Config;
use super::qwen::{Part, Pass, Weights};
use crate::kernel::{Compute, DeltaRows, DeltaShape, DeltaState, Gates, QLinear};

pub(super) struct Delta {
    /// The how manieth layer with a state it is.
    slot: usize,
    shape: DeltaShape,
    /// Queries, keys and values of all heads.
    mixed: QLinear,
    /// What opens and closes the way out.
    gate: QLinear,
    /// In f32 whatever the file has: they are small, and what they make adds up over all tokens.
    gates: Gates,
    taps: Tensor, // (n_taps, width), the oldest first
    norm: Tensor, // (head_dim)
    output: QLinear,
}

impl Delta {
    pub(super) fn load(
        weights: &mut Weights<'_>,
        config: &Config,
        shape: DeltaShape,
        layer_idx: usize,
    ) -> Result<Delta> {
        let DeltaShape { n_heads, head_dim, n_taps, .. } = shape;
        let (n_hidden, n_value) = (config.n_hidden, n_heads * head_dim);
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let beta = weights.floats(&name("ssm_beta.weight"), &[n_heads, n_hidden])?;
        let alpha = weights.floats(&name("ssm_alpha.weight"), &[n_heads, n_hidden])?;
        let taps = weights.floats(&name("ssm_conv1d.weight"), &[shape.width(), n_taps])?;
        Ok(Delta {
            slot: (0..layer_idx).filter(|idx| config.is_recurrent(*idx)).count(),
            shape,
            mixed: weights.linear(&name("attn_qkv"), shape.width(), n_hidden, false)?,
            gate: weights.linear(&name("attn_gate"), n_value, n_hidden, false)?,
            gates: Gates {
                weights: Tensor::cat(&[beta, alpha], 0)?,
                bias: weights.vector(&name("ssm_dt.bias"), n_heads)?,
                rate: weights.vector(&name("ssm_a"), n_heads)?,
            },
            taps: taps.t()?.contiguous()?,
            norm: weights.vector(&name("ssm_norm.weight"), head_dim)?,
            output: weights.linear(&name("ssm_out"), n_hidden, n_value, false)?,
        })
    }

    /// The state before the first token.
    pub(super) fn beginning(shape: DeltaShape, compute: &Compute) -> Result<DeltaState> {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, compute.device());
        Ok(DeltaState {
            rows: zeros(&[shape.n_taps - 1, shape.width()])?,
            memory: zeros(&compute.memory_shape(shape))?,
        })
    }

    pub(super) fn linears(&self) -> Vec<&QLinear> {
        vec![&self.mixed, &self.gate, &self.output]
    }

    /// (tokens, hidden) -> (the last `n_out` tokens of each part, hidden).
    pub(super) fn forward(&self, x: &Tensor, n_out: usize, parts: &mut [Part<'_>], pass: &Pass<'_>) -> Result<Tensor> {
        let compute = pass.compute;
        let DeltaShape { n_heads, head_dim, n_taps, .. } = self.shape;
        let [mixed, gate] = QLinear::forward_many([&self.mixed, &self.gate], x)?; // (tokens, width), (tokens, value)
        let gates = compute.gates(x, &self.gates)?; // (tokens, 2 * head)
        let mut read = Vec::with_capacity(parts.len()); // (n_out, head * head_dim) each
        let mut open = Vec::with_capacity(parts.len()); // the same
        let mut first = 0;
        for part in parts {
            let n_own = part.ids.len();
            let own = |x: &Tensor| x.narrow(0, first, n_own);
            let state = part.cache.state(self.slot)?;
            let rows = Tensor::cat(&[&state.rows, &own(&mixed)?], 0)?; // (n_taps - 1 + n_own, width)
            let new = DeltaRows {
                shape: self.shape,
                mixed: &compute.convolve(&rows, &self.taps)?,
                gates: &own(&gates)?,
                n_past: part.cache.len(),
                each: n_own <= pass.few,
            };
            let (answers, memories) = compute.delta(&new, &state.memory)?;
            let first_known = n_own + 1 - memories.len();
            let states = memories.into_iter().enumerate().map(|(idx, memory)| {
                // A copy, as a view would keep all of the rows alive.
                let rows = rows.narrow(0, first_known + idx, n_taps - 1)?.force_contiguous()?;
                Ok(DeltaState { rows, memory })
            });
            part.cache.push_states(states.collect::<Result<_>>()?);
            let n_out = n_out.min(n_own);
            read.push(answers.narrow(0, n_own - n_out, n_out)?);
            open.push(gate.narrow(0, first + n_own - n_out, n_out)?);
            first += n_own;
        }
        let read = Tensor::cat(&read, 0)?.reshape(((), n_heads, head_dim))?;
        let normed = compute.rms_norm(&read, &self.norm, pass.config.rms_eps as f32)?.flatten_from(1)?;
        self.output.forward(&compute.gated(&Tensor::cat(&open, 0)?, &normed)?)
    }
}
