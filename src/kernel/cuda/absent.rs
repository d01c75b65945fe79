//! What stands for a card in a build without CUDA: a type that has no values, so that nothing below can be called.

use anyhow::{Result, bail};
use candle_core::{DType, Device, Tensor};

use super::super::Memory;
use super::{Choice, Span, Turn};

/// A card, of which this build has none.
#[derive(Debug)]
pub enum Card {}

/// What the kernels look up in a pass.
#[derive(Debug)]
pub enum Pass {}

#[allow(missing_docs)]
impl Card {
    pub fn open(_index: usize) -> Result<Card> {
        bail!("this build has no CUDA support; it was compiled without the feature `cuda`")
    }

    pub fn device(&self) -> &Device {
        match *self {}
    }

    pub fn describe(&self) -> String {
        match *self {}
    }

    pub fn memory(&self) -> Result<Memory> {
        match *self {}
    }

    pub fn takes(&self, _head_dim: usize, _group: usize) -> bool {
        match *self {}
    }

    pub fn pass(&self, _spans: &[Span<'_>], _group: usize) -> Result<Pass> {
        match *self {}
    }

    pub fn rms_norm(&self, _x: &Tensor, _weight: &Tensor, _eps: f32) -> Result<Tensor> {
        match *self {}
    }

    pub fn multiply(&self, _x: &Tensor, _weights: &Tensor, _dtype: DType) -> Result<Tensor> {
        match *self {}
    }

    pub fn multiply_add(&self, _x: &Tensor, _weights: &Tensor, _sum: &Tensor) -> Result<()> {
        match *self {}
    }

    pub fn rotate(&self, _x: &Tensor, _turn: &Turn<'_>, _pass: &Pass, _layer: usize) -> Result<Tensor> {
        match *self {}
    }

    pub fn attend(&self, _query: &Tensor, _n_kv_heads: usize, _pass: &Pass, _layer: usize) -> Result<Tensor> {
        match *self {}
    }

    pub fn gated(&self, _x: &Tensor) -> Result<Tensor> {
        match *self {}
    }

    pub fn choose(
        &self,
        _logits: &Tensor,
        _choices: &[Choice],
        _n_plain: usize,
        _ends: &[u32],
    ) -> Result<Vec<Option<u32>>> {
        match *self {}
    }
}
