//! Quantized weights and rows of numbers in, rows of numbers out. Knows devices and threads; knows no model.
//!
//! [`QLinear`] is the one door to matrix products with quantized weights. Behind it are kernels of our own for the
//! formats in [`Format`] on x86-64; every other format, processor and device is candle's.
//!
//! How a product comes about: `activations` turns the rows into bytes, `matmul` divides the work among threads, and
//! the file of the instruction set multiplies blocks as `format` describes them. `reference` is the oracle for all.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{CpuStorage, Device, Module, Storage, Tensor};
use memmap2::Mmap;

use activations::Activations;
pub use compute::{Company, Compute, DeviceChoice, n_threads, set_threads};
pub use cuda::{Card, Choice, Pass, Span, Turn};
pub use delta::{DELTA_CHUNK, DeltaRows, DeltaShape, DeltaState, Gates};
pub use encoder::byte_products;
pub use format::Format;
use format::Matrix;
pub use isa::Isa;
pub use memory::{Memory, keep_memory, memory};
use pack::COLUMNS;
use threads::{SharedSlice, in_parallel};

mod activations;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_dot;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
mod compute;
mod cuda;
mod delta;
mod encoder;
mod exp;
mod format;
mod isa;
mod matmul;
mod memory;
mod pack;
mod portable;
mod reference;
mod rows;
mod steps;
mod threads;
#[cfg(target_arch = "x86_64")]
mod unpack;

/// A linear layer `y = x Wᵀ + b` whose weights stay quantized.
#[derive(Debug, Clone)]
pub struct QLinear {
    weights: Weights, // (n, k)
    shape: (usize, usize),
}

/// Weights with a bias, (n), if there is one.
#[derive(Debug, Clone)]
enum Weights {
    Own { isa: Isa, format: Format, blocks: Blocks, bias: Option<Vec<f32>> },
    Candle { weights: QMatMul, bias: Option<Tensor> },
}

/// Where the blocks of a matrix lie.
#[derive(Debug, Clone)]
enum Blocks {
    Tensor(Arc<QTensor>),
    File(Arc<Mmap>, Range<usize>),
}

impl QLinear {
    /// Takes weights of shape (n, k), which lie where `compute` has them, and, mostly absent, a bias of shape (n).
    pub fn new(compute: &Compute, weights: QTensor, bias: Option<Tensor>) -> Result<Self> {
        let shape = weights.shape().dims2()?;
        if let (Some(isa), Some(format)) = (compute.isa(), Format::of(weights.dtype())) {
            return QLinear::own(isa, format, Blocks::Tensor(Arc::new(weights)), shape, bias);
        }
        check_bias(shape, bias.as_ref())?;
        let weights = match compute {
            Compute::Steps { device, floats: true } => QMatMul::Tensor(weights.dequantize(device)?),
            _ => QMatMul::from_arc(Arc::new(widen(weights)?))?,
        };
        Ok(QLinear { weights: Weights::Candle { weights, bias }, shape })
    }

    /// Takes weights of shape (n, k) from where they lie in a file, without a copy where a kernel can read them there.
    pub fn mapped(
        compute: &Compute,
        file: Arc<Mmap>,
        bytes: Range<usize>,
        dtype: GgmlDType,
        shape: (usize, usize),
        bias: Option<Tensor>,
    ) -> Result<Self> {
        let data = file.get(bytes.clone()).context("the weights are not inside the file")?;
        if let (Some(isa), Some(format)) = (compute.isa(), Format::of(dtype)) {
            return QLinear::own(isa, format, Blocks::File(file, bytes), shape, bias);
        }
        let storage = QStorage::from_data(data.into(), compute.device(), dtype)?;
        QLinear::new(compute, QTensor::new(storage, shape)?, bias)
    }

    fn own(isa: Isa, format: Format, blocks: Blocks, shape: (usize, usize), bias: Option<Tensor>) -> Result<Self> {
        check_bias(shape, bias.as_ref())?;
        Matrix::new(format, shape, blocks.bytes()?)?;
        let bias = bias.map(|bias| bias.to_vec1()).transpose()?;
        Ok(QLinear { weights: Weights::Own { isa, format, blocks, bias }, shape })
    }

    /// Features that go in, k.
    pub fn n_inputs(&self) -> usize {
        self.shape.1
    }

    /// Features that come out, n.
    pub fn n_outputs(&self) -> usize {
        self.shape.0
    }

    /// What a row's product depends on. Products of candle promise nothing.
    pub fn company(&self) -> Company {
        match &self.weights {
            Weights::Own { isa, .. } => Company::Exact { few: isa.few_rows() },
            Weights::Candle { .. } => Company::Loose,
        }
    }

    /// (.., k) -> (.., n), for a contiguous `x` of two dimensions or more.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [y] = QLinear::forward_many([self], x)?;
        Ok(y)
    }

    /// As [`QLinear::forward`] for several layers with the same input, which is made ready once.
    pub fn forward_many<const N: usize>(layers: [&QLinear; N], x: &Tensor) -> Result<[Tensor; N]> {
        let mut quantized: Option<(Isa, Activations)> = None;
        let forward = |layer: &QLinear| match &layer.weights {
            Weights::Candle { weights, bias } => {
                let y = weights.forward(x)?;
                Ok(match bias {
                    Some(bias) => y.broadcast_add(bias)?,
                    None => y,
                })
            }
            Weights::Own { isa, .. } => {
                let x_quantized = match &quantized {
                    Some((of, x)) if of == isa => x,
                    _ => &quantized.insert((*isa, layer.quantize(x, *isa)?)).1,
                };
                layer.multiply(x_quantized, x.dims())
            }
        };
        let outputs: Vec<Tensor> = layers.into_iter().map(forward).collect::<Result<_>>()?;
        Ok(outputs.try_into().expect("one output a layer"))
    }

    /// See [`Compute::feed_forward`]; nothing, where what lies between the products is to be written out.
    fn feed_forward([gate, up, down]: [&QLinear; 3], x: &Tensor) -> Result<Option<Tensor>> {
        QLinear::through([gate, up], down, x, |isa, [gate, up]| isa.gate(gate.as_flattened_mut(), up.as_flattened()))
    }

    /// See [`Compute::feed_forward_gelu`]; nothing, as above.
    fn feed_forward_gelu([up, down]: [&QLinear; 2], x: &Tensor) -> Result<Option<Tensor>> {
        QLinear::through([up], down, x, |isa, [up]| isa.activate(up.as_flattened_mut()))
    }

    /// `down(mix(layers(x)))`, if there are kernels that keep what lies between in the cache.
    fn through<const N: usize>(
        layers: [&QLinear; N],
        down: &QLinear,
        x: &Tensor,
        mix: impl Fn(Isa, &mut [Vec<[f32; COLUMNS]>; N]) + Sync,
    ) -> Result<Option<Tensor>> {
        let first = layers[0];
        let n_rows = x.elem_count() / first.n_inputs().max(1);
        let fits = |layer: &&QLinear| layer.shape == first.shape && layer.isa() == down.isa();
        match down.isa() {
            Some(isa)
                if isa.has_panels()
                    && n_rows > isa.few_rows()
                    && layers.iter().all(fits)
                    && down.n_inputs() == first.n_outputs() =>
            {
                let x_quantized = first.quantize(x, isa)?;
                let parts: Vec<_> = layers.map(QLinear::parts).into_iter().collect::<Result<_>>()?;
                let parts = std::array::from_fn(|i| (&parts[i].0, parts[i].1));
                let hidden = matmul::mixed(parts, &x_quantized, isa, |y| mix(isa, y));
                Ok(Some(down.multiply(&hidden, x.dims())?))
            }
            _ => Ok(None),
        }
    }

    fn isa(&self) -> Option<Isa> {
        match &self.weights {
            Weights::Own { isa, .. } => Some(*isa),
            Weights::Candle { .. } => None,
        }
    }

    fn quantize(&self, x: &Tensor, isa: Isa) -> Result<Activations> {
        let k = self.n_inputs();
        ensure!(x.dims().last() == Some(&k), "an input of shape {:?} for weights of {:?}", x.shape(), self.shape);
        with_floats(x, |x| Activations::quantize(x, k, isa))
    }

    /// What kernels of ours multiply.
    fn parts(&self) -> Result<(Matrix<'_>, Option<&[f32]>, Isa)> {
        match &self.weights {
            Weights::Own { isa, format, blocks, bias } => {
                Ok((Matrix::new(*format, self.shape, blocks.bytes()?)?, bias.as_deref(), *isa))
            }
            Weights::Candle { .. } => anyhow::bail!("candle's weights take no quantized rows"),
        }
    }

    /// Weights of our own times rows that are `dims` but for the last dimension.
    fn multiply(&self, x: &Activations, dims: &[usize]) -> Result<Tensor> {
        let (weights, bias, isa) = self.parts()?;
        let y = matmul::matmul(&weights, bias, x, isa);
        let mut shape = dims.to_vec();
        *shape.last_mut().context("an input has dimensions")? = self.n_outputs();
        Ok(Tensor::from_vec(y, shape, &Device::Cpu)?)
    }

    /// The rows of the weights that `ids` name, dequantized, of shape (ids, k): an embedding lookup that never
    /// holds the whole table in f32.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.shape.0) {
            anyhow::bail!("row {id} was asked of a table of {} rows", self.shape.0);
        }
        match &self.weights {
            Weights::Candle { weights, .. } => Ok(weights.embedding(&Tensor::new(ids, &Device::Cpu)?)?),
            Weights::Own { format, blocks, .. } => {
                let weights = Matrix::new(*format, self.shape, blocks.bytes()?)?;
                let mut values = vec![0.0; ids.len() * self.shape.1];
                for (id, values) in ids.iter().zip(values.chunks_exact_mut(self.shape.1)) {
                    reference::dequantize_row(*format, weights.row(*id as usize), values);
                }
                Ok(Tensor::from_vec(values, (ids.len(), self.shape.1), &Device::Cpu)?)
            }
        }
    }
}

impl Blocks {
    fn bytes(&self) -> Result<&[u8]> {
        match self {
            Blocks::Tensor(tensor) => match tensor.data()? {
                Cow::Borrowed(bytes) => Ok(bytes),
                Cow::Owned(_) => anyhow::bail!("the weights are not in the memory of the CPU"),
            },
            Blocks::File(file, bytes) => Ok(&file[bytes.clone()]),
        }
    }
}

fn check_bias((n, k): (usize, usize), bias: Option<&Tensor>) -> Result<()> {
    match bias {
        Some(bias) if bias.dims() != [n] => {
            anyhow::bail!("a bias of shape {:?} does not fit weights of shape {:?}", bias.dims(), (n, k))
        }
        _ => Ok(()),
    }
}

/// Calls `f` with the numbers of a contiguous f32 tensor of the CPU.
fn with_floats<T>(x: &Tensor, f: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = x.storage_and_layout();
    let (start, end) = layout.contiguous_offsets().context("the input is not contiguous")?;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(numbers)) => Ok(f(&numbers[start..end])),
        _ => anyhow::bail!("the input is {:?} on {:?}, and not f32 on the CPU", x.dtype(), x.device()),
    }
}

/// Q5_0 as Q8_0 on the CPU: the same values to the bit, in 1.55 times the memory.
///
/// candle multiplies Q5_0 one number at a time on every CPU, and Qwen2.5-0.5B is mostly Q5_0, since its width is no
/// multiple of the 256 that the K formats need: reading a prompt was 20 times slower.
fn widen(weights: QTensor) -> Result<QTensor> {
    if weights.dtype() != GgmlDType::Q5_0 || !weights.device().is_cpu() {
        return Ok(weights);
    }
    const NARROW: usize = 22; // f16 scale, 32 fifth bits, 32 nibbles
    const WIDE: usize = 34; // f16 scale, 32 bytes
    let narrow = weights.data()?;
    let mut wide = vec![0u8; narrow.len() / NARROW * WIDE];
    for (from, to) in narrow.chunks_exact(NARROW).zip(wide.chunks_exact_mut(WIDE)) {
        to[..2].copy_from_slice(&from[..2]);
        let fifth_bits = u32::from_le_bytes([from[2], from[3], from[4], from[5]]);
        let (low, high) = to[2..].split_at_mut(16);
        for (idx, nibbles) in from[6..].iter().enumerate() {
            let fifth = |bit: usize| (fifth_bits >> bit & 1) as u8;
            low[idx] = (nibbles & 15 | fifth(idx) << 4).wrapping_sub(16);
            high[idx] = (nibbles >> 4 | fifth(idx + 16) << 4).wrapping_sub(16);
        }
    }
    let wide = QStorage::from_data(wide.into(), &Device::Cpu, GgmlDType::Q8_0)?;
    Ok(QTensor::new(wide, weights.shape())?)
}
