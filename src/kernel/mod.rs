//! Quantized weights and rows of numbers in, rows of numbers out. Knows devices and threads; knows no model.
//!
//! [`QLinear`] is the one door to matrix products with quantized weights: for now every path behind it is candle's.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};

mod cuda;

/// A linear layer `y = x Wᵀ + b` whose weights stay quantized.
#[derive(Debug, Clone)]
pub struct QLinear {
    weights: QMatMul,     // (n, k)
    bias: Option<Tensor>, // (n)
    shape: (usize, usize),
}

impl QLinear {
    /// Takes weights of shape (n, k) and, mostly absent, a bias of shape (n).
    pub fn new(weights: QTensor, bias: Option<Tensor>) -> Result<Self> {
        if let Some(bias) = &bias {
            ensure!(
                bias.dims() == [weights.shape().dims2()?.0],
                "a bias of shape {:?} does not fit weights of shape {:?}",
                bias.dims(),
                weights.shape()
            );
        }
        let table = QLinear::table(widen(weights)?)?;
        Ok(QLinear { bias, ..table })
    }

    /// Takes weights of shape (n, k) of which mostly [`QLinear::rows`] will be asked, and keeps them as they are.
    pub fn table(weights: QTensor) -> Result<Self> {
        let shape = weights.shape().dims2()?;
        let weights = QMatMul::from_arc(Arc::new(weights))?;
        Ok(QLinear {
            weights,
            bias: None,
            shape,
        })
    }

    /// Features that go in, k.
    pub fn n_inputs(&self) -> usize {
        self.shape.1
    }

    /// Features that come out, n.
    pub fn n_outputs(&self) -> usize {
        self.shape.0
    }

    /// (.., k) -> (.., n), for a contiguous `x` of two dimensions or more.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.weights.forward(x)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    /// The rows of the weights that `ids` name, dequantized, of shape (ids, k): an embedding lookup that never
    /// holds the whole table in f32.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.shape.0) {
            anyhow::bail!("row {id} was asked of a table of {} rows", self.shape.0);
        }
        let ids = Tensor::new(ids, &Device::Cpu)?;
        Ok(self.weights.embedding(&ids)?)
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

/// What the user asked to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first CUDA device when this build and this machine have one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

/// Opens the device; a CUDA device that this build or this machine lacks is an error that says which of the two.
pub fn device(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(cuda::open(0).unwrap_or(Device::Cpu)),
        DeviceChoice::Cuda(index) => {
            cuda::open(index).with_context(|| format!("failed to open CUDA device {index}"))
        }
    }
}

/// How many threads the products run on, counting the caller's.
pub fn n_threads() -> usize {
    candle_core::utils::get_num_threads()
}

/// Fixes how many threads the products run on. To be called once, at the very start of the program.
///
/// # Errors
/// Both thread pools of candle read the number from the environment when they start, and the environment may only be
/// changed while no second thread can read it: with one running, the call is refused.
pub fn set_threads(n: usize) -> Result<()> {
    ensure!(n > 0, "at least one thread is needed");
    ensure!(
        is_alone(),
        "the number of threads must be set before any thread is started"
    );
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: `is_alone` found no other thread in this process, so none reads the environment meanwhile.
        unsafe { std::env::set_var(name, n.to_string()) };
    }
    Ok(())
}

/// Whether the caller's thread is the only one; where the system does not list threads, the caller is believed.
fn is_alone() -> bool {
    match std::fs::read_dir("/proc/self/task") {
        Ok(threads) => threads.count() == 1,
        Err(_) => true,
    }
}
