//! What the user asked to compute on in, the one value that says how a model is computed out. Chosen once, held by the
//! model: products, norms and attention of one model cannot disagree.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};

use super::cuda::Card;
use super::{DeltaRows, DeltaShape, Gates, Isa, QLinear, attention, delta, encoder, exp, rows, steps};

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

/// What a model is computed with.
#[derive(Debug, Clone)]
pub enum Compute {
    /// Kernels of ours on the CPU; weights in a format without one are multiplied by candle.
    Kernels(Isa),
    /// candle's operations, one by one: the oracle of all kernels, and the road of a device that has none.
    Steps {
        /// Where the tensors lie.
        device: Device,
        /// Whether weights are spread out as f32, so that nothing is rounded; else they stay quantized.
        floats: bool,
    },
    /// Kernels of ours on an NVIDIA card, where weights are spread out as bf16.
    Card(Arc<Card>),
}

/// What the result of a row depends on beside the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Nothing, among few rows as among more than few: each is the same to the bit in any company.
    Exact {
        /// How many rows are few.
        few: usize,
    },
    /// The rows beside it, in its last bits.
    Loose,
}

impl Company {
    /// Of a whole that has parts of both kinds.
    pub fn and(self, other: Company) -> Company {
        match (self, other) {
            (Company::Exact { few: a }, Company::Exact { few: b }) => Company::Exact { few: a.min(b) },
            _ => Company::Loose,
        }
    }
}

/// The variable that says how the CPU computes: the name of an instruction set, or `steps`.
const VARIABLE: &str = "PRECIS_ISA";

impl Default for Compute {
    /// As [`Compute::cpu`]; what is wrong with the environment is for [`Compute::open`] to say.
    fn default() -> Self {
        Compute::cpu().unwrap_or(Compute::Kernels(Isa::Portable))
    }
}

impl Compute {
    /// The best of the CPU, or what `PRECIS_ISA` names.
    ///
    /// # Errors
    /// When it names what there is not, or what this processor lacks.
    pub fn cpu() -> Result<Compute> {
        Compute::named(std::env::var(VARIABLE).ok().as_deref())
    }

    fn named(name: Option<&str>) -> Result<Compute> {
        let available = Isa::available();
        let steps = Compute::Steps { device: Device::Cpu, floats: false };
        match name {
            None => Ok(Compute::Kernels(available[0])),
            Some("steps") => Ok(steps),
            Some(name) => match available.iter().find(|isa| isa.name() == name) {
                Some(isa) => Ok(Compute::Kernels(*isa)),
                None if Isa::NAMES.contains(&name) => {
                    bail!("{VARIABLE} asks for `{name}`, which this processor does not have")
                }
                None => bail!("{VARIABLE} is `{name}`, and not one of {}, steps", Isa::NAMES.join(", ")),
            },
        }
    }

    /// Opens what was asked for; and says why a card was passed over that `Auto` would have liked.
    ///
    /// # Errors
    /// A card that was asked for by number and cannot be used; as for [`Compute::cpu`].
    pub fn open(choice: DeviceChoice) -> Result<(Compute, Option<String>)> {
        match choice {
            DeviceChoice::Cpu => Ok((Compute::cpu()?, None)),
            DeviceChoice::Cuda(index) => {
                let card = Card::open(index).with_context(|| format!("failed to open CUDA device {index}"))?;
                Ok((Compute::Card(Arc::new(card)), None))
            }
            DeviceChoice::Auto => match Card::open(0) {
                Ok(card) => Ok((Compute::Card(Arc::new(card)), None)),
                Err(error) => Ok((Compute::cpu()?, has_card().then(|| format!("{error:#}")))),
            },
        }
    }

    /// What multiplies by kernels of ours: on other processors than x86-64, candle has the better vector code.
    pub(super) fn isa(&self) -> Option<Isa> {
        match self {
            Compute::Kernels(isa) if cfg!(target_arch = "x86_64") => Some(*isa),
            _ => None,
        }
    }

    /// Where the tensors of a model lie.
    pub fn device(&self) -> &Device {
        match self {
            Compute::Kernels(_) => &Device::Cpu,
            Compute::Steps { device, .. } => device,
            Compute::Card(card) => card.device(),
        }
    }

    /// A few words for it: an instruction set, `steps`, `floats`, or the card.
    pub fn name(&self) -> String {
        let place = if self.device().is_cuda() { " on cuda" } else { "" };
        match self {
            Compute::Kernels(isa) => isa.name().into(),
            Compute::Steps { floats: false, .. } => format!("steps{place}"),
            Compute::Steps { floats: true, .. } => format!("floats{place}"),
            Compute::Card(card) => card.describe(),
        }
    }

    /// Each row of `x`, (.., n), divided by the root of its mean square, times `weight`, (n)
    /// (<https://arxiv.org/abs/1910.07467>).
    pub fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        match self {
            Compute::Kernels(isa) => rows::rms_norm(*isa, x, weight, eps),
            _ => steps::rms_norm(x, weight, eps),
        }
    }

    /// The sum of two contiguous tensors of one shape.
    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Compute::Kernels(_) => rows::add(a, b),
            _ => Ok((a + b)?),
        }
    }

    /// Turns number i of each head, (n, head, head_dim), together with number i + half, by the angle of its row whose
    /// `cos` and `sin`, (n, half), are given (<https://arxiv.org/abs/2104.09864>). Numbers beyond both halves stay.
    pub fn rotate(&self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
        match self {
            Compute::Kernels(_) => rows::rotate(x, cos, sin),
            _ => steps::rotate(x, cos, sin),
        }
    }

    /// Causal attention with grouped heads, for the last `n_new` of the tokens that the keys stand for.
    ///
    /// `query` is (n_new, head, head_dim). `keys` and `values` are (kv_head, kv_len, head_dim) of f16, and may be views;
    /// neighbouring heads share a kv_head. Returns (n_new, head * head_dim).
    pub fn attend(&self, query: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        let (n_new, n_heads, head_dim) = query.dims3()?;
        let (n_kv_heads, kv_len, _) = keys.dims3()?;
        ensure!(
            keys.dims() == values.dims() && keys.dim(2)? == head_dim && (1..=kv_len).contains(&n_new),
            "queries of {:?}, keys of {:?} and values of {:?} do not belong together",
            query.shape(),
            keys.shape(),
            values.shape()
        );
        ensure!(n_kv_heads > 0 && n_heads.is_multiple_of(n_kv_heads), "{n_heads} heads cannot share {n_kv_heads}");
        match self {
            Compute::Kernels(isa) => attention::attend(*isa, query, keys, values),
            _ => steps::attend(query, keys, values),
        }
    }

    /// Attention of texts that are read as a whole: every token of a text sees all tokens of it, and none of another.
    ///
    /// `query`, `keys` and `values` are (token, head * head_dim) of f32, the texts one behind the other; `lengths` are
    /// their tokens. Returns the same shape.
    pub fn attend_both_ways(
        &self,
        query: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        n_heads: usize,
        lengths: &[usize],
    ) -> Result<Tensor> {
        let (n_tokens, width) = query.dims2()?;
        ensure!(
            keys.dims() == query.dims() && values.dims() == query.dims(),
            "queries of {:?}, keys of {:?} and values of {:?} do not belong together",
            query.shape(),
            keys.shape(),
            values.shape()
        );
        ensure!(
            n_heads > 0 && width.is_multiple_of(n_heads) && lengths.iter().sum::<usize>() == n_tokens,
            "{n_tokens} tokens of {width} are not texts of {lengths:?} with {n_heads} heads"
        );
        match self {
            Compute::Kernels(isa) => attention::attend_both_ways(*isa, query, keys, values, n_heads, lengths),
            _ => steps::attend_both_ways(query, keys, values, n_heads, lengths),
        }
    }

    /// How much of its value each head of a Gated DeltaNet writes, `sigmoid(Wx)`, and the logarithm of how much of its
    /// memory it keeps, `rate * softplus(Wx + bias)`: (n, hidden) -> (n, 2 * head).
    pub fn gates(&self, x: &Tensor, gates: &Gates) -> Result<Tensor> {
        match self {
            Compute::Kernels(isa) => delta::gates(*isa, x, gates),
            _ => steps::gates(x, gates),
        }
    }

    /// A causal convolution of each column by itself, and SiLU: row i of the result comes of rows i to i + n_taps - 1 of
    /// `x`. (n_taps - 1 + n, width) and `taps`, (n_taps, width), -> (n, width).
    pub fn convolve(&self, x: &Tensor, taps: &Tensor) -> Result<Tensor> {
        match self {
            Compute::Kernels(isa) => delta::convolve(*isa, x, taps),
            _ => steps::convolve(x, taps),
        }
    }

    /// The shape of the memory of a Gated DeltaNet layer, as what computes has it; it begins as zeros.
    pub fn memory_shape(&self, shape: DeltaShape) -> [usize; 4] {
        match self {
            Compute::Kernels(_) => delta::memory_shape(shape),
            _ => steps::memory_shape(shape),
        }
    }

    /// What the memory of a Gated DeltaNet layer answers to new tokens, (token, head * head_dim), and what it is after
    /// each of them or after the last, as `rows` asks (<https://arxiv.org/abs/2412.06464>).
    pub fn delta(&self, rows: &DeltaRows<'_>, memory: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let (n, shape) = (rows.mixed.dim(0)?, rows.shape);
        ensure!(
            n > 0
                && shape.n_key_heads > 0
                && shape.n_heads.is_multiple_of(shape.n_key_heads)
                && rows.mixed.dims() == [n, shape.width()]
                && rows.gates.dims() == [n, 2 * shape.n_heads]
                && memory.dims() == self.memory_shape(shape),
            "rows of {:?}, gates of {:?} and a memory of {:?} do not belong together",
            rows.mixed.shape(),
            rows.gates.shape(),
            memory.shape()
        );
        match self {
            Compute::Kernels(isa) => delta::delta(*isa, rows, memory),
            _ => steps::delta(rows, memory),
        }
    }

    /// `silu(gate) * x` of two contiguous tensors of one shape.
    pub fn gated(&self, gate: &Tensor, x: &Tensor) -> Result<Tensor> {
        match self {
            Compute::Kernels(isa) => exp::gated(*isa, gate, x),
            _ => steps::gated(gate, x),
        }
    }

    /// `x * sigmoid(gate)` of two contiguous tensors of one shape.
    pub fn opened(&self, x: &Tensor, gate: &Tensor) -> Result<Tensor> {
        match self {
            Compute::Kernels(isa) => exp::opened(*isa, x, gate),
            _ => steps::opened(x, gate),
        }
    }

    /// `down(silu(gate(x)) * up(x))`, (.., k) -> (.., n), for a contiguous `x` of two dimensions or more. With many rows,
    /// what lies between the products of kernels is never written out as floats.
    pub fn feed_forward(&self, [gate, up, down]: [&QLinear; 3], x: &Tensor) -> Result<Tensor> {
        if let Some(y) = QLinear::feed_forward([gate, up, down], x)? {
            return Ok(y);
        }
        let [gate, up] = QLinear::forward_many([gate, up], x)?;
        down.forward(&self.gated(&gate, &up)?)
    }

    /// As [`Compute::feed_forward`], with one matrix and GELU between: `down(gelu(up(x)))`.
    pub fn feed_forward_gelu(&self, [up, down]: [&QLinear; 2], x: &Tensor) -> Result<Tensor> {
        if let Some(y) = QLinear::feed_forward_gelu([up, down], x)? {
            return Ok(y);
        }
        let up = up.forward(x)?;
        down.forward(&match self {
            Compute::Kernels(isa) => encoder::gelu(*isa, &up)?,
            _ => steps::gelu(&up)?,
        })
    }

    /// Layer normalization of `x + y` (<https://arxiv.org/abs/1607.06450>), each (rows, n); weight and bias are (n).
    pub fn add_norm(&self, x: &Tensor, y: &Tensor, norm: (&[f32], &[f32]), epsilon: f32) -> Result<Tensor> {
        let n = x.dims2()?.1;
        let (n_weights, n_biases) = (norm.0.len(), norm.1.len());
        ensure!(
            y.dims() == x.dims() && n_weights == n && n_biases == n && n > 0,
            "rows of {n} numbers do not fit {:?}, {n_weights} and {n_biases}",
            y.shape()
        );
        match self {
            Compute::Kernels(isa) => encoder::add_norm(*isa, x, y, norm, epsilon),
            _ => steps::add_norm(x, y, norm, epsilon),
        }
    }
}

/// Whether the system has the driver of an NVIDIA card.
fn has_card() -> bool {
    std::path::Path::new("/proc/driver/nvidia/version").exists()
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
    ensure!(is_alone(), "the number of threads must be set before any thread is started");
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
