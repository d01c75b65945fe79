//! What layers keep of the tokens read so far: attention its keys and values, a pair of tensors a layer; a Gated DeltaNet
//! its state, of one size for any number of tokens. Knows positions; knows no token and no weights.
//!
//! Keys can be cut off anywhere. A state cannot go back: so the cache keeps those that were asked for ([`Cache::mark`],
//! [`Cache::keep`]) and those of the last pass, and goes back to them. A state is never changed in place, so that to keep
//! one, or to share it with another cache, copies nothing.

use anyhow::{Context, Result, anyhow, ensure};
use candle_core::{DType, Device, Tensor};

use crate::kernel::{DELTA_CHUNK, DeltaState, memory};

/// The cache of one sequence.
///
/// A forward pass calls [`Cache::append`] once a layer and [`Cache::advance`] once at its end, so that a pass which
/// stopped half-way leaves the cache as it was.
pub struct Cache {
    layers: Vec<(Tensor, Tensor)>, // keys and values, each (kv_head, capacity, head_dim) of f16
    shape: CacheShape,
    device: Device,
    len: usize,
    capacity: usize,
    /// The places that it can go back to, the last at `len`; none without recurrent layers.
    stages: Vec<Stage>,
    /// What the layers have come to in a pass that is not at its end.
    pending: Vec<Vec<DeltaState>>,
    /// Places to stop at and keep.
    marks: Vec<usize>,
}

/// What the recurrent layers had come to after `len` tokens.
#[derive(Clone)]
struct Stage {
    len: usize,
    is_kept: bool,
    states: Vec<DeltaState>,
}

/// What the cache of a model looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers with keys and values.
    pub n_layers: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// The most tokens it may come to hold.
    pub max_len: usize,
}

/// There is no memory for a cache of so many tokens; nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache of {n_tokens} tokens takes {needed} more bytes of memory, and {free} are free")]
pub struct NoMemory {
    /// Tokens, those held already included.
    pub n_tokens: usize,
    /// Bytes beyond those that the cache has.
    pub needed: u64,
    /// Bytes that the system has free.
    pub free: u64,
}

impl NoMemory {
    fn check(n_tokens: usize, needed: u64, free: Option<u64>) -> Result<(), NoMemory> {
        match free {
            Some(free) if needed > free => Err(NoMemory { n_tokens, needed, free }),
            _ => Ok(()),
        }
    }
}

/// The cache grows by this many tokens at a time.
const STEP: usize = 128;

impl Cache {
    /// An empty cache; memory is taken when [`Cache::reserve`] asks for it.
    ///
    /// `states` are those of the recurrent layers before the first token, mostly none.
    pub fn new(shape: CacheShape, states: &[DeltaState], device: &Device) -> Cache {
        let stage = (!states.is_empty()).then(|| Stage { len: 0, is_kept: true, states: states.to_vec() });
        let (layers, pending, marks) = Default::default();
        let stages = stage.into_iter().collect();
        Cache { layers, shape, device: device.clone(), len: 0, capacity: 0, stages, pending, marks }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that there is memory for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keys and values of all layers, each (kv_head, capacity, head_dim), for kernels that write there what comes next.
    pub fn layers(&self) -> &[(Tensor, Tensor)] {
        &self.layers
    }

    /// Makes room for `n_more` tokens beyond those held.
    ///
    /// # Errors
    /// When that is more than the cache may come to hold; [`NoMemory`], when it is more than the system has free.
    pub fn reserve(&mut self, n_more: usize) -> Result<()> {
        self.pending.clear(); // of a pass that was interrupted
        let needed = self.len + n_more;
        let CacheShape { n_layers, n_kv_heads, head_dim, max_len } = self.shape;
        ensure!(needed <= max_len, "{needed} tokens do not fit a cache of {max_len}");
        if needed <= self.capacity {
            return Ok(());
        }
        let capacity = needed.next_multiple_of(STEP).min(max_len);
        let dtype = DType::F16;
        if self.device.is_cpu() {
            let numbers = 2 * n_layers * n_kv_heads * head_dim * (capacity - self.capacity);
            let needed = (numbers * dtype.size_in_bytes()) as u64;
            NoMemory::check(capacity, needed, memory().map(|memory| memory.free))?;
        }
        let zeros = || Tensor::zeros((n_kv_heads, capacity, head_dim), dtype, &self.device);
        // One layer after the other, so that the old and the new cache never stand side by side as wholes.
        for layer_idx in 0..n_layers {
            let grown = (zeros()?, zeros()?);
            match self.layers.get_mut(layer_idx) {
                None => self.layers.push(grown),
                Some(layer) => {
                    copy_prefix(layer, &grown, self.len)?;
                    *layer = grown;
                }
            }
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Writes keys and values of new tokens, each (kv_head, n_new, head_dim), behind those held, and returns all
    /// keys and all values of the layer, each (kv_head, len + n_new, head_dim), as views that copy nothing.
    pub fn append(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let n_new = keys.dim(1)?;
        ensure!(self.len + n_new <= self.capacity, "room was not reserved for {n_new} more tokens");
        let (all_keys, all_values) = &self.layers[layer];
        all_keys.slice_set(&keys.to_dtype(all_keys.dtype())?.contiguous()?, 1, self.len)?;
        all_values.slice_set(&values.to_dtype(all_values.dtype())?.contiguous()?, 1, self.len)?;
        let n_all = self.len + n_new;
        Ok((all_keys.narrow(1, 0, n_all)?, all_values.narrow(1, 0, n_all)?))
    }

    /// The state of the how manieth recurrent layer.
    pub fn state(&self, layer: usize) -> Result<&DeltaState> {
        self.stages.last().and_then(|stage| stage.states.get(layer)).context("the cache has no such state")
    }

    /// Takes what the next recurrent layer has come to after each of the last tokens of a pass, of as many as it knows.
    pub fn push_states(&mut self, states: Vec<DeltaState>) {
        self.pending.push(states);
    }

    /// Counts `n_new` tokens, appended to every layer, as held.
    pub fn advance(&mut self, n_new: usize) {
        self.len += n_new;
        let pending = std::mem::take(&mut self.pending);
        let Some(n_states) = pending.first().map(Vec::len) else { return };
        self.stages.retain(|stage| stage.is_kept);
        for idx in 0..n_states {
            let len = self.len + 1 + idx - n_states;
            let states = pending.iter().map(|states| states[idx].clone()).collect();
            self.stages.push(Stage { len, is_kept: self.marks.contains(&len), states });
        }
    }

    /// Asks for the state after `len` tokens, rounded down to where sequences may be shared, to be kept once it is there.
    pub fn mark(&mut self, len: usize) {
        let len = len - len % DELTA_CHUNK;
        if len > self.len && !self.stages.is_empty() {
            self.marks.push(len);
        }
    }

    /// How many of `n_more` tokens may be read before the next mark.
    pub fn n_to_mark(&self, n_more: usize) -> usize {
        let ahead = self.marks.iter().filter(|mark| **mark > self.len).map(|mark| mark - self.len);
        ahead.min().map_or(n_more, |n| n.min(n_more))
    }

    /// Keeps the state that it has now.
    pub fn keep(&mut self) {
        if let Some(stage) = self.stages.last_mut() {
            stage.is_kept = true;
        }
    }

    /// How many of the first `len` tokens another sequence may share: with recurrent layers, those up to the last state
    /// that was kept at the beginning of a chunk, from where on all is computed as if nothing had been there before.
    pub fn reach(&self, len: usize) -> usize {
        let len = len.min(self.len);
        let seams = self.stages.iter().map(|stage| stage.len).filter(|at| *at <= len && at.is_multiple_of(DELTA_CHUNK));
        if self.stages.is_empty() { len } else { seams.max().unwrap_or(0) }
    }

    /// Forgets all tokens behind the first `len`; with recurrent layers, all behind the last state up to there.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.marks.clear();
        self.stages.retain(|stage| stage.len <= len);
        if let Some(stage) = self.stages.last() {
            self.len = stage.len;
        }
    }

    /// Keys, then values, of the first `len` tokens, layer by layer: (kv_head, len, head_dim) each, little-endian. Behind
    /// them the states after these tokens, which must be among those that were kept.
    pub fn to_bytes(&self, len: usize) -> impl Iterator<Item = Result<Vec<u8>>> {
        let bytes = |tensor: &Tensor| -> Result<Vec<u8>> {
            let mut bytes = Vec::new();
            tensor.write_bytes(&mut bytes)?;
            Ok(bytes)
        };
        let tensors = self.layers.iter().flat_map(|(keys, values)| [keys, values]);
        let stage = self.stages.iter().find(|stage| stage.len == len);
        let missing = (stage.is_none() && !self.stages.is_empty()).then(|| Err(anyhow!("no state after {len} tokens")));
        let states = stage.into_iter().flat_map(|stage| &stage.states);
        let states = states.flat_map(|state| [&state.rows, &state.memory]);
        missing.into_iter().chain(tensors.map(move |tensor| bytes(&tensor.narrow(1, 0, len)?))).chain(states.map(bytes))
    }

    /// Holds `len` tokens in place of what it held; `next` is to fill in their bytes as [`Cache::to_bytes`] gives them.
    pub fn fill(&mut self, len: usize, mut next: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
        self.truncate(0);
        self.reserve(len)?;
        let shape = [self.shape.n_kv_heads, len, self.shape.head_dim];
        let mut tensor = |shape: &[usize], dtype: DType| -> Result<Tensor> {
            let mut bytes = vec![0; shape.iter().product::<usize>() * dtype.size_in_bytes()];
            next(&mut bytes)?;
            Ok(Tensor::from_raw_buffer(&bytes, dtype, shape, &self.device)?)
        };
        for part in self.layers.iter().flat_map(|(keys, values)| [keys, values]) {
            part.slice_set(&tensor(&shape, part.dtype())?, 1, 0)?;
        }
        if let Some(beginning) = self.stages.first() {
            let mut like = |other: &Tensor| tensor(other.dims(), other.dtype());
            let states = beginning.states.iter();
            let states = states.map(|state| Ok(DeltaState { rows: like(&state.rows)?, memory: like(&state.memory)? }));
            let states = states.collect::<Result<_>>()?;
            self.stages.push(Stage { len, is_kept: true, states });
        }
        self.len = len;
        Ok(())
    }

    /// A cache of its own that holds the first `prefix_len` tokens of this one; with recurrent layers, those up to the
    /// last state until there.
    pub fn fork(&self, prefix_len: usize) -> Result<Cache> {
        ensure!(prefix_len <= self.len, "a fork at {prefix_len} of {} tokens held", self.len);
        let mut fork = Cache::new(self.shape, &[], &self.device);
        fork.stages = self.stages.iter().filter(|stage| stage.len <= prefix_len).cloned().collect();
        let prefix_len = fork.stages.last().map_or(prefix_len, |stage| stage.len);
        fork.reserve(prefix_len)?;
        for (from, to) in self.layers.iter().zip(&fork.layers) {
            copy_prefix(from, to, prefix_len)?;
        }
        fork.len = prefix_len;
        Ok(fork)
    }
}

/// Copies keys and values of the first `len` tokens.
fn copy_prefix(from: &(Tensor, Tensor), to: &(Tensor, Tensor), len: usize) -> Result<()> {
    if len > 0 {
        to.0.slice_set(&from.0.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
        to.1.slice_set(&from.1.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_memory_does_not_hold_is_refused_with_the_numbers() {
        assert_eq!(NoMemory::check(8192, 1_000, Some(1_000)), Ok(()));
        assert_eq!(NoMemory::check(8192, 1_000, None), Ok(()));
        let refused = NoMemory::check(8192, 1_001, Some(1_000)).unwrap_err();
        assert_eq!(refused.to_string(), "the cache of 8192 tokens takes 1001 more bytes of memory, and 1000 are free");
        let shape = CacheShape { n_layers: 64, n_kv_heads: 64, head_dim: 1 << 20, max_len: 1 << 20 };
        let error = Cache::new(shape, &[], &Device::Cpu).reserve(1 << 20).unwrap_err();
        assert!(error.is::<NoMemory>(), "{error}");
    }
}
