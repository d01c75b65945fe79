//! Quantized weights and rows of numbers in, rows of numbers out. Knows devices and threads; knows no model.
//!
//! [`QLinear`] is the one door to matrix products with quantized weights: for now every path behind it is candle's.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::quantized::{QMatMul, QTensor};
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
        let shape = weights.shape().dims2()?;
        if let Some(bias) = &bias {
            ensure!(
                bias.dims() == [shape.0],
                "a bias of shape {:?} does not fit weights of shape {shape:?}",
                bias.dims()
            );
        }
        let weights = QMatMul::from_arc(Arc::new(weights))?;
        Ok(QLinear {
            weights,
            bias,
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
