//! Keys and values of the tokens read so far, a pair of tensors a layer. Knows positions; knows no token and no
//! weights.

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};

use crate::kernel::memory;

/// The KV cache of one sequence.
///
/// A forward pass calls [`Cache::append`] once a layer and [`Cache::advance`] once at its end, so that a pass which
/// stopped half-way leaves the cache as it was.
pub struct Cache {
    layers: Vec<(Tensor, Tensor)>, // keys and values, each (kv_head, capacity, head_dim) of f16
    shape: CacheShape,
    device: Device,
    len: usize,
    capacity: usize,
}

/// What the cache of a model looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers.
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
    pub fn new(shape: CacheShape, device: &Device) -> Cache {
        Cache { layers: Vec::new(), shape, device: device.clone(), len: 0, capacity: 0 }
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

    /// Counts `n_new` tokens, appended to every layer, as held.
    pub fn advance(&mut self, n_new: usize) {
        self.len += n_new;
    }

    /// Forgets all tokens behind the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Keys, then values, of the first `len` tokens, layer by layer: (kv_head, len, head_dim) each, little-endian.
    pub fn to_bytes(&self, len: usize) -> impl Iterator<Item = Result<Vec<u8>>> {
        let tensors = self.layers.iter().flat_map(|(keys, values)| [keys, values]);
        tensors.map(move |tensor| {
            let mut bytes = Vec::new();
            tensor.narrow(1, 0, len)?.write_bytes(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Holds `len` tokens in place of what it held; `next` is to fill in their bytes as [`Cache::to_bytes`] gives them.
    pub fn fill(&mut self, len: usize, mut next: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
        self.len = 0;
        self.reserve(len)?;
        let shape = [self.shape.n_kv_heads, len, self.shape.head_dim];
        for tensor in self.layers.iter().flat_map(|(keys, values)| [keys, values]) {
            let dtype = tensor.dtype();
            let mut bytes = vec![0; shape.iter().product::<usize>() * dtype.size_in_bytes()];
            next(&mut bytes)?;
            let part = Tensor::from_raw_buffer(&bytes, dtype, &shape, &self.device)?;
            tensor.slice_set(&part, 1, 0)?;
        }
        self.len = len;
        Ok(())
    }

    /// A cache of its own that holds the first `prefix_len` tokens of this one.
    pub fn fork(&self, prefix_len: usize) -> Result<Cache> {
        ensure!(prefix_len <= self.len, "a fork at {prefix_len} of {} tokens held", self.len);
        let mut fork = Cache::new(self.shape, &self.device);
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
        let error = Cache::new(shape, &Device::Cpu).reserve(1 << 20).unwrap_err();
        assert!(error.is::<NoMemory>(), "{error}");
    }
}
