//! Token ids in, logits out, on an NVIDIA card: the forward pass of `qwen` in nine launches a layer. Knows no text.
//!
//! Weights are spread out as bf16, of which the card multiplies more than it does of anything smaller as soon as some
//! rows come together; only the table of the tokens stays quantized, as single rows are looked up there. The products
//! behind the attention and the feed-forward are added to the residual stream where it lies.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use candle_core::quantized::QTensor;
use candle_core::{DType, Tensor};

use super::gguf::{Config, Family, Gguf};
use super::qwen::{Part, Rope, Weights, check};
use crate::kernel::{Card, Compute, Span, Turn};

/// A model on a card.
pub(super) struct OnCard {
    card: Arc<Card>,
    config: Config,
    embedding: QTensor, // (vocabulary, hidden)
    layers: Vec<Layer>,
    final_norm: Tensor, // (hidden)
    output: Tensor,     // (vocabulary, hidden)
    rope: Rope,
}

/// Matrices are (n, k) of bf16, vectors f32.
struct Layer {
    attention_norm: Tensor, // (hidden)
    heads: Tensor,          // (query, key and value heads * head_dim, hidden)
    bias: Option<Tensor>,   // of `heads`
    /// Norms of each query and each key head, (head_dim) each: Qwen3 alone.
    head_norms: Option<(Tensor, Tensor)>,
    attention_output: Tensor,  // (hidden, query heads * head_dim)
    feed_forward_norm: Tensor, // (hidden)
    gate_and_up: Tensor,       // (2 * feed_forward, hidden)
    down: Tensor,              // (hidden, feed_forward)
}

impl OnCard {
    /// Whether the card has kernels for the model, and memory for its weights and as much again.
    pub(super) fn takes(card: &Card, config: &Config) -> Result<bool> {
        let Config { n_layers, n_hidden, n_feed_forward, n_heads, n_kv_heads, head_dim, n_vocabulary, .. } = *config;
        let of_layer = n_hidden * (2 * (n_heads + n_kv_heads) * head_dim + 3 * n_feed_forward);
        let n_bytes = DType::BF16.size_in_bytes() * (n_layers * of_layer + 2 * n_vocabulary * n_hidden);
        let has_kernels = config.recurrent.is_none()
            && card.takes(head_dim, n_heads / n_kv_heads)
            && n_feed_forward.is_multiple_of(8);
        Ok(has_kernels && 2 * n_bytes as u64 <= card.memory()?.free)
    }

    pub(super) fn load(gguf: &mut Gguf, card: Arc<Card>, max_len: usize) -> Result<OnCard> {
        let config = gguf.config().clone();
        let Config { n_hidden, n_feed_forward, n_vocabulary, head_dim, .. } = config;
        let (n_query, n_key) = (config.n_heads * head_dim, config.n_kv_heads * head_dim);
        let compute = Compute::Card(card.clone());
        let mut weights = Weights { gguf, compute: &compute };
        let layer = |idx: usize| -> Result<Layer> {
            let weights = &mut weights;
            let name = |part: &str| format!("blk.{idx}.{part}");
            let is_qwen3 = config.family == Family::Qwen3;
            let (query, key, value) = (name("attn_q"), name("attn_k"), name("attn_v"));
            Ok(Layer {
                attention_norm: weights.vector(&name("attn_norm.weight"), n_hidden)?,
                heads: weights.spread(&[(&query, n_query), (&key, n_key), (&value, n_key)], n_hidden)?,
                bias: match is_qwen3 {
                    true => None,
                    false => {
                        let heads = [(query, n_query), (key, n_key), (value, n_key)];
                        let biases = heads.iter().map(|(name, n)| weights.vector(&format!("{name}.bias"), *n));
                        Some(Tensor::cat(&biases.collect::<Result<Vec<_>>>()?, 0)?)
                    }
                },
                head_norms: match is_qwen3 {
                    true => Some((
                        weights.vector(&name("attn_q_norm.weight"), head_dim)?,
                        weights.vector(&name("attn_k_norm.weight"), head_dim)?,
                    )),
                    false => None,
                },
                attention_output: weights.spread(&[(&name("attn_output"), n_hidden)], n_query)?,
                feed_forward_norm: weights.vector(&name("ffn_norm.weight"), n_hidden)?,
                gate_and_up: weights
                    .spread(&[(&name("ffn_gate"), n_feed_forward), (&name("ffn_up"), n_feed_forward)], n_hidden)?,
                down: weights.spread(&[(&name("ffn_down"), n_hidden)], n_feed_forward)?,
            })
        };
        let layers = (0..config.n_layers).map(layer).collect::<Result<_>>()?;
        let output = if weights.gguf.has("output.weight") { "output" } else { "token_embd" };
        Ok(OnCard {
            layers,
            embedding: weights.gguf.tensor("token_embd.weight", &[n_vocabulary, n_hidden], card.device())?,
            final_norm: weights.vector("output_norm.weight", n_hidden)?,
            output: weights.spread(&[(output, n_vocabulary)], n_hidden)?,
            rope: Rope::new(&config, max_len, card.device())?,
            config,
            card,
        })
    }

    pub(super) fn card(&self) -> &Card {
        &self.card
    }

    /// Takes the tokens of all parts through all layers: (tokens, hidden).
    pub(super) fn read(&self, parts: &mut [Part<'_>], stop: &AtomicBool) -> Result<Tensor> {
        let (card, config) = (&*self.card, &self.config);
        for part in parts.iter_mut() {
            part.cache.reserve(part.ids.len())?;
        }
        let span = |part: &Part<'_>| (part.cache.len(), part.ids.len(), part.cache.capacity());
        let spans: Vec<Span<'_>> = parts
            .iter()
            .map(|part| {
                let (n_past, n_new, capacity) = span(part);
                Span { n_past, n_new, capacity, layers: part.cache.layers() }
            })
            .collect();
        let pass = card.pass(&spans, config.n_heads / config.n_kv_heads)?;
        let ids: Vec<u32> = parts.iter().flat_map(|part| part.ids).copied().collect();
        let eps = config.rms_eps as f32;
        let x = self.embedding.embedding(&Tensor::new(ids, card.device())?)?; // (tokens, hidden)
        for (idx, layer) in self.layers.iter().enumerate() {
            check(stop)?;
            let turn = Turn {
                n_heads: [config.n_heads, config.n_kv_heads],
                head_dim: config.head_dim,
                bias: layer.bias.as_ref(),
                norms: layer.head_norms.as_ref().map(|(query, key)| (query, key)),
                eps,
                cos: &self.rope.cos,
                sin: &self.rope.sin,
            };
            let normed = card.rms_norm(&x, &layer.attention_norm, eps)?;
            let heads = card.multiply(&normed, &layer.heads, DType::F32)?;
            let query = card.rotate(&heads, &turn, &pass, idx)?; // (tokens, head, head_dim)
            let mixed = card.attend(&query, config.n_kv_heads, &pass, idx)?; // (tokens, head * head_dim)
            card.multiply_add(&mixed, &layer.attention_output, &x)?;
            let normed = card.rms_norm(&x, &layer.feed_forward_norm, eps)?;
            let gated = card.gated(&card.multiply(&normed, &layer.gate_and_up, DType::BF16)?)?;
            card.multiply_add(&gated, &layer.down, &x)?;
        }
        for part in parts {
            part.cache.advance(part.ids.len());
        }
        Ok(x)
    }

    /// (n, hidden) -> (n, vocabulary).
    pub(super) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let normed = self.card.rms_norm(&hidden.contiguous()?, &self.final_norm, self.config.rms_eps as f32)?;
        self.card.multiply(&normed, &self.output, DType::F32)
    }
}

impl Weights<'_> {
    /// Matrices with the same input, `NAME.weight`, (n, k), below one another: (all n, k) of bf16.
    fn spread(&mut self, parts: &[(&str, usize)], k: usize) -> Result<Tensor> {
        let device = self.compute.device();
        let mut spread = Vec::with_capacity(parts.len());
        for (name, n) in parts {
            let blocks = self.gguf.tensor(&format!("{name}.weight"), &[*n, k], device)?;
            spread.push(blocks.dequantize(device)?.to_dtype(DType::BF16)?);
        }
        Ok(if spread.len() == 1 { spread.remove(0) } else { Tensor::cat(&spread, 0)? })
    }
}
