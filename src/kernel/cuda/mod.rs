//! Work for an NVIDIA card in, results on the card out. The only place that asks which features the build has.

use candle_core::Tensor;

#[cfg(feature = "cuda")]
mod card;
#[cfg(not(feature = "cuda"))]
#[path = "absent.rs"]
mod card;

pub use card::{Card, Pass};

/// A sequence of a pass.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// Tokens that its cache holds.
    pub n_past: usize,
    /// Tokens that come to it.
    pub n_new: usize,
    /// Tokens that its cache has room for.
    pub capacity: usize,
    /// Keys and values of each layer, (kv_head, capacity, head_dim) of f16 each.
    pub layers: &'a [(Tensor, Tensor)],
}

/// How a token is chosen by its logits. Bits stand for plain tokens, 32 in a word of u32.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The tokens that may come, if not all.
    pub mask: Option<Tensor>,
    /// Those that were written already, and what makes them less likely, above 1.
    pub seen: Option<(Tensor, f32)>,
}

/// How the heads of a layer are turned.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// How many query heads, and how many key heads.
    pub n_heads: [usize; 2],
    /// Width of a head.
    pub head_dim: usize,
    /// Added to queries, keys and values first; f32.
    pub bias: Option<&'a Tensor>,
    /// Weights of the norms of query heads and of key heads, (head_dim) of f32 each.
    pub norms: Option<(&'a Tensor, &'a Tensor)>,
    /// Of those norms.
    pub eps: f32,
    /// Cosines of the rotary angles, (position, head_dim / 2) of f32.
    pub cos: &'a Tensor,
    /// Sines of the same.
    pub sin: &'a Tensor,
}
