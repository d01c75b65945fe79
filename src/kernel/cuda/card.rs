//! Tensors on an NVIDIA card in, what a layer makes of them out, by kernels of our own (`card.cu`) and cuBLAS. Knows no
//! model.
//!
//! All work goes to one stream of the card, so that what is queued later sees what was queued before, and memory that
//! is given back is not used again too early. Nothing waits for the card but [`Card::choose`] and downloads.

use std::ffi::c_void;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use candle_core::cuda_backend::CudaStorageSlice;
use candle_core::cuda_backend::cudarc::cublas::{result::gemm_ex, sys as cublas};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaStream, DevicePtr, LaunchConfig, PushKernelArg, result, sys,
};
use candle_core::{CudaDevice, DType, Device, Storage, Tensor};

use super::super::Memory;
use super::{Choice, Span, Turn};

const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/card.ptx"));
/// Heads that one block of `rotate` takes.
const HEADS: usize = 4;
/// Queries that one block of `attend_many` takes, and that `attend_few` takes at most.
const MANY: usize = 64;
const FEW: usize = 16;

/// A card whose kernels are loaded.
#[derive(Debug)]
pub struct Card {
    device: Device,
    cuda: CudaDevice,
    stream: Arc<CudaStream>,
    name: String,
    index: usize,
    rms_norm: CudaFunction,
    gated: CudaFunction,
    rotate: CudaFunction,
    choose: CudaFunction,
    /// By width of a head: for many queries, and for few.
    attend: Vec<(usize, CudaFunction, CudaFunction)>,
}

/// What the kernels look up in a pass, as addresses on the card.
#[derive(Debug)]
pub struct Pass {
    _words: Tensor,
    position: u64,
    sequence: u64,
    first: u64,
    n_new: u64,
    past: u64,
    capacity: u64,
    item_sequence: u64,
    item_row: u64,
    addresses: u64,
    n_rows: usize,
    n_sequences: usize,
    /// Blocks of many queries; none where all sequences have few.
    n_items: usize,
}

impl Card {
    /// Opens the card of this number.
    ///
    /// # Errors
    /// What the driver says, or that the card is too old for the kernels.
    pub fn open(index: usize) -> Result<Card> {
        let device = Device::new_cuda_with_stream(index)?;
        let cuda = device.as_cuda_device()?.clone();
        let stream = cuda.cuda_stream();
        // SAFETY: nothing but this stream is ever used, so that no event is needed to order what is queued.
        unsafe { cuda.disable_event_tracking() };
        let context = stream.context();
        let (name, (major, minor)) = (context.name()?, context.compute_capability()?);
        ensure!(major >= 8, "{name} has compute capability {major}.{minor}, and 8.0 is needed");
        keep_memory(index)?;
        let function = |name: &str| -> Result<CudaFunction> {
            Ok(cuda.get_or_load_custom_func(name, "precis", PTX)?.into_cuda_function())
        };
        let heads = |head_dim: usize| -> Result<_> {
            let [many, few] = ["many", "few"].map(|size| function(&format!("attend_{size}_{head_dim}")));
            Ok((head_dim, many?, few?))
        };
        Ok(Card {
            name,
            index,
            rms_norm: function("rms_norm")?,
            gated: function("gated")?,
            rotate: function("rotate")?,
            choose: function("choose")?,
            attend: [16, 32, 64, 128].into_iter().map(heads).collect::<Result<_>>()?,
            device,
            cuda,
            stream,
        })
    }

    /// Where its tensors lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number, name and what the driver can do.
    pub fn describe(&self) -> String {
        let mut version = 0;
        // SAFETY: the call writes one number.
        let is_known = unsafe { sys::cuDriverGetVersion(&mut version) }.result().is_ok();
        let driver =
            if is_known { format!("CUDA {}.{}", version / 1000, version % 1000 / 10) } else { "unknown".into() };
        format!("cuda:{}, {}, driver for {driver}", self.index, self.name)
    }

    /// Its memory.
    pub fn memory(&self) -> Result<Memory> {
        let (free, total) = self.stream.context().mem_get_info()?;
        Ok(Memory { total: total as u64, free: free as u64 })
    }

    /// Whether there are kernels for heads of this width that share a key so many times.
    pub fn takes(&self, head_dim: usize, group: usize) -> bool {
        self.attend.iter().any(|(known, ..)| *known == head_dim) && group <= FEW
    }

    /// Uploads what the kernels look up about the sequences of a pass.
    pub fn pass(&self, spans: &[Span<'_>], group: usize) -> Result<Pass> {
        let n_sequences = spans.len();
        let n_rows: usize = spans.iter().map(|span| span.n_new).sum();
        let mut words: Vec<u32> = Vec::new();
        let mut ends = Vec::new();
        let mut put = |words: &mut Vec<u32>, numbers: &mut dyn Iterator<Item = usize>| {
            let start = words.len();
            words.extend(numbers.map(|number| number as u32));
            ends.push(start);
        };
        put(&mut words, &mut spans.iter().flat_map(|span| span.n_past..span.n_past + span.n_new));
        put(&mut words, &mut spans.iter().enumerate().flat_map(|(idx, span)| std::iter::repeat_n(idx, span.n_new)));
        let mut n_before = 0;
        put(
            &mut words,
            &mut spans.iter().map(|span| {
                n_before += span.n_new;
                n_before - span.n_new
            }),
        );
        put(&mut words, &mut spans.iter().map(|span| span.n_new));
        put(&mut words, &mut spans.iter().map(|span| span.n_past));
        put(&mut words, &mut spans.iter().map(|span| span.capacity));
        // The last rows see most, and go first.
        let mut items: Vec<(usize, usize)> = match spans.iter().all(|span| span.n_new * group <= FEW) {
            true => Vec::new(),
            false => {
                let rows = |span: &Span<'_>| (0..span.n_new * group).step_by(MANY);
                spans.iter().enumerate().flat_map(|(idx, span)| rows(span).map(move |row| (idx, row))).collect()
            }
        };
        items.sort_by_key(|(idx, row)| std::cmp::Reverse(spans[*idx].n_past * group + row));
        put(&mut words, &mut items.iter().map(|(idx, _)| *idx));
        put(&mut words, &mut items.iter().map(|(_, row)| *row));
        words.resize(words.len().next_multiple_of(2), 0);
        ends.push(words.len());
        for layer in 0..spans.first().map_or(0, |span| span.layers.len()) {
            for (keys, values) in spans.iter().map(|span| &span.layers[layer]) {
                for address in [self.address(keys)?, self.address(values)?] {
                    words.extend([address as u32, (address >> 32) as u32]);
                }
            }
        }
        let n_words = words.len();
        let words = Tensor::from_vec(words, n_words, &self.device)?;
        let start = self.address(&words)?;
        let at = |idx: usize| start + 4 * ends[idx] as u64;
        Ok(Pass {
            position: at(0),
            sequence: at(1),
            first: at(2),
            n_new: at(3),
            past: at(4),
            capacity: at(5),
            item_sequence: at(6),
            item_row: at(7),
            addresses: at(8),
            n_rows,
            n_sequences,
            n_items: items.len(),
            _words: words,
        })
    }

    /// Each row of `x`, (row, n) of f32, by the root of its mean square, times `weight`: bf16.
    pub fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        let (n_rows, n) = x.dims2()?;
        ensure!(weight.dims() == [n], "a norm of {:?} for rows of {n}", weight.shape());
        let y = self.empty((n_rows, n), DType::BF16)?;
        let args = [self.of(x)?, self.of(weight)?, self.of(&y)?, int(n), Float(eps)];
        self.launch(&self.rms_norm, (n_rows, 1), (256, 1), &args)?;
        Ok(y)
    }

    /// `x Wᵀ` of bf16, (row, k) and (n, k): (row, n) of `dtype`, f32 or bf16.
    pub fn multiply(&self, x: &Tensor, weights: &Tensor, dtype: DType) -> Result<Tensor> {
        let y = self.empty((x.dim(0)?, weights.dim(0)?), dtype)?;
        self.gemm(x, weights, &y, 0.0)?;
        Ok(y)
    }

    /// As [`Card::multiply`], added to `sum`, (row, n) of f32, where it lies.
    pub fn multiply_add(&self, x: &Tensor, weights: &Tensor, sum: &Tensor) -> Result<()> {
        self.gemm(x, weights, sum, 1.0)
    }

    /// Takes rows of (query heads, key heads, value heads), f32, apart: adds the bias, norms and turns the heads, puts keys
    /// and values into the caches of `layer`, and returns the queries, (row, head, head_dim) of f16.
    pub fn rotate(&self, x: &Tensor, turn: &Turn<'_>, pass: &Pass, layer: usize) -> Result<Tensor> {
        let ([n_heads, n_kv_heads], head_dim) = (turn.n_heads, turn.head_dim);
        let n_all = n_heads + 2 * n_kv_heads;
        ensure!(x.dims() == [pass.n_rows, n_all * head_dim], "{:?} are no rows of {n_all} heads", x.shape());
        let query = self.empty((pass.n_rows, n_heads, head_dim), DType::F16)?;
        let optional = |tensor: Option<&Tensor>| tensor.map_or(Ok(Address(0)), |tensor| self.of(tensor));
        let norms = turn.norms.unzip();
        let args = [
            self.of(x)?,
            optional(turn.bias)?,
            optional(norms.0)?,
            optional(norms.1)?,
            self.of(turn.cos)?,
            self.of(turn.sin)?,
            Address(pass.position),
            Address(pass.sequence),
            pass.caches(layer),
            Address(pass.capacity),
            self.of(&query)?,
            int(n_heads),
            int(n_kv_heads),
            Float(turn.eps),
        ];
        self.launch(&self.rotate, (pass.n_rows, n_all.div_ceil(HEADS)), (head_dim / 2, HEADS), &args)?;
        Ok(query)
    }

    /// Causal attention of the queries, (row, head, head_dim) of f16, over the caches of `layer`: (row, head * head_dim)
    /// of bf16.
    pub fn attend(&self, query: &Tensor, n_kv_heads: usize, pass: &Pass, layer: usize) -> Result<Tensor> {
        let (n_rows, n_heads, head_dim) = query.dims3()?;
        let (_, many, few) = self.attend.iter().find(|(known, ..)| *known == head_dim).context("no such head")?;
        ensure!(n_rows == pass.n_rows && query.dtype() == DType::F16, "queries of another pass");
        let mixed = self.empty((n_rows, n_heads * head_dim), DType::BF16)?;
        let mut args = vec![self.of(query)?, self.of(&mixed)?];
        if pass.n_items > 0 {
            args.extend([Address(pass.item_sequence), Address(pass.item_row)]);
        }
        args.extend([pass.first, pass.n_new, pass.past, pass.capacity].map(Address));
        let scale = std::f32::consts::LOG2_E / (head_dim as f32).sqrt();
        args.extend([pass.caches(layer), int(n_heads), int(n_kv_heads), Float(scale)]);
        match pass.n_items {
            0 => {
                let n_warps = if head_dim > 64 { 4 } else { 8 };
                self.launch(few, (pass.n_sequences, n_kv_heads), (32 * n_warps, 1), &args)?;
            }
            n_items => self.launch(many, (n_items, n_kv_heads), (2 * MANY, 1), &args)?,
        }
        Ok(mixed)
    }

    /// `silu(gate) * up` of rows that are (gate, up), bf16.
    pub fn gated(&self, x: &Tensor) -> Result<Tensor> {
        let (n_rows, n) = x.dims2()?;
        ensure!(n.is_multiple_of(16), "rows of {n} numbers are no two times eight");
        let y = self.empty((n_rows, n / 2), DType::BF16)?;
        let n_blocks = (n / 16).div_ceil(128);
        self.launch(&self.gated, (n_blocks, n_rows), (128, 1), &[self.of(x)?, self.of(&y)?, int(n / 2)])?;
        Ok(y)
    }

    /// For each row of logits, (row, vocabulary) of f32, the first of the largest among those below `n_plain` that its
    /// choice allows, or among the `ends`; `None` where a logit that counts is no finite number.
    pub fn choose(
        &self,
        logits: &Tensor,
        choices: &[Choice],
        n_plain: usize,
        ends: &[u32],
    ) -> Result<Vec<Option<u32>>> {
        let (n_rows, n_vocabulary) = logits.dims2()?;
        let seen = |choice: &Choice| choice.seen.as_ref().map(|(seen, _)| seen.clone());
        let masks: Vec<Option<Tensor>> =
            choices.iter().flat_map(|choice| [choice.mask.clone(), seen(choice)]).collect();
        let fits = |mask: &Tensor| mask.elem_count() >= n_plain.div_ceil(32) && mask.dtype() == DType::U32;
        ensure!(choices.len() == n_rows && masks.iter().flatten().all(fits), "choices that do not fit the logits");
        ensure!(
            n_plain <= n_vocabulary && ends.iter().all(|id| (*id as usize) < n_vocabulary),
            "tokens beyond the vocabulary"
        );
        let mut words = Vec::with_capacity(5 * n_rows + ends.len());
        for mask in &masks {
            let address = mask.as_ref().map_or(Ok(0), |mask| self.address(mask))?;
            words.extend([address as u32, (address >> 32) as u32]);
        }
        words.extend(choices.iter().map(|choice| choice.seen.as_ref().map_or(1.0, |(_, penalty)| *penalty).to_bits()));
        words.extend(ends);
        let n_words = words.len();
        let words = Tensor::from_vec(words, n_words, &self.device)?;
        let best = self.empty(n_rows, DType::U32)?;
        let start = self.address(&words)?;
        let args = [
            self.of(logits)?,
            int(n_vocabulary),
            int(n_plain),
            Address(start),
            Address(start + 16 * n_rows as u64),
            Address(start + 20 * n_rows as u64),
            int(ends.len()),
            self.of(&best)?,
        ];
        self.launch(&self.choose, (n_rows, 1), (1024, 1), &args)?;
        let best: Vec<u32> = best.to_vec1()?;
        Ok(best.into_iter().map(|id| Some(id).filter(|id| *id != u32::MAX)).collect())
    }

    /// Memory that is not written yet: it is to be written whole before it is read.
    fn empty(&self, shape: impl Into<candle_core::Shape>, dtype: DType) -> Result<Tensor> {
        // SAFETY: any bits are numbers of these types, and each caller has a kernel write all of them.
        Ok(unsafe { Tensor::empty(shape, dtype, &self.device)? })
    }

    fn of(&self, tensor: &Tensor) -> Result<Arg> {
        Ok(Address(self.address(tensor)?))
    }

    /// Where a contiguous tensor begins.
    fn address(&self, tensor: &Tensor) -> Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        let (start, _) = layout.contiguous_offsets().context("a tensor is not contiguous")?;
        let Storage::Cuda(storage) = &*storage else { bail!("a tensor is not on the card") };
        let (address, _guard) = match &storage.slice {
            CudaStorageSlice::F32(slice) => slice.device_ptr(&self.stream),
            CudaStorageSlice::F16(slice) => slice.device_ptr(&self.stream),
            CudaStorageSlice::BF16(slice) => slice.device_ptr(&self.stream),
            CudaStorageSlice::U32(slice) => slice.device_ptr(&self.stream),
            _ => bail!("the kernels take no {:?}", tensor.dtype()),
        };
        Ok(address + (start * tensor.dtype().size_in_bytes()) as u64)
    }

    fn launch(&self, function: &CudaFunction, grid: (usize, usize), block: (usize, usize), args: &[Arg]) -> Result<()> {
        let mut launch = self.stream.launch_builder(function);
        for arg in args {
            match arg {
                Address(address) => launch.arg(address),
                Arg::Int(number) => launch.arg(number),
                Float(number) => launch.arg(number),
            };
        }
        let config = LaunchConfig {
            grid_dim: (grid.0 as u32, grid.1 as u32, 1),
            block_dim: (block.0 as u32, block.1 as u32, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: each caller passes what `card.cu` declares, after checking shapes and types; all tensors live until the
        // call returns, and memory that is given back later is used again only behind this launch on the same stream.
        unsafe { launch.launch(config) }?;
        Ok(())
    }

    fn gemm(&self, x: &Tensor, weights: &Tensor, y: &Tensor, beta: f32) -> Result<()> {
        let ((m, k), (n, k_weights)) = (x.dims2()?, weights.dims2()?);
        ensure!(
            k == k_weights && y.dims() == [m, n],
            "{:?} times {:?} is no {:?}",
            x.shape(),
            weights.shape(),
            y.shape()
        );
        ensure!(x.dtype() == DType::BF16 && weights.dtype() == DType::BF16, "products are of bf16");
        let of = cublas::cudaDataType_t::CUDA_R_16BF;
        let into = match y.dtype() {
            DType::F32 => cublas::cudaDataType_t::CUDA_R_32F,
            DType::BF16 => of,
            other => bail!("products are f32 or bf16, and not {other:?}"),
        };
        let [transposed, plain] = [cublas::cublasOperation_t::CUBLAS_OP_T, cublas::cublasOperation_t::CUBLAS_OP_N];
        let [x, weights, y] = [self.address(x)?, self.address(weights)?, self.address(y)?];
        let (alpha, [m, n, k]) = (1f32, [m as i32, n as i32, k as i32]);
        // SAFETY: the shapes and types were checked; cuBLAS counts by columns, so that it makes yᵀ of W and xᵀ.
        unsafe {
            gemm_ex(
                *self.cuda.cublas_handle().handle(),
                transposed,
                plain,
                n,
                m,
                k,
                (&raw const alpha).cast(),
                weights as *const c_void,
                of,
                k,
                x as *const c_void,
                of,
                k,
                (&raw const beta).cast(),
                y as *mut c_void,
                into,
                n,
                cublas::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
            )?;
        }
        Ok(())
    }
}

/// What a kernel is called with.
#[derive(Debug, Clone, Copy)]
enum Arg {
    Address(u64),
    Int(i32),
    Float(f32),
}
use Arg::{Address, Float};

fn int(number: usize) -> Arg {
    Arg::Int(number as i32)
}

impl Pass {
    /// Where the addresses of the caches of a layer stand.
    fn caches(&self, layer: usize) -> Arg {
        Address(self.addresses + (16 * layer * self.n_sequences) as u64)
    }
}

/// Has the driver keep memory that is given back: left to itself, it hands all of it to the system whenever it waits.
fn keep_memory(index: usize) -> Result<()> {
    let mut most = u64::MAX;
    // SAFETY: the device exists, as a context was made of it, and the attribute is a number of 64 bits.
    unsafe {
        let pool = result::device::get_default_mem_pool(result::device::get(index as i32)?)?;
        let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, threshold, (&raw mut most).cast())?;
    }
    Ok(())
}
