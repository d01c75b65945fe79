//! A GGUF file in; its checked header, settings and tensors out. Believes nothing that the file says about itself
//! before it was checked against the file's size; knows no forward pass.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. The header is read by our own parser, since
//! candle's multiplies shapes unchecked and divides by an alignment that may be 0.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use memmap2::Mmap;

use crate::kernel::DeltaShape;

/// Why a file was refused. Each names the file and what in it is wrong.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The header, or a tensor, is not what it should be.
    #[error("`{}` is not a usable GGUF file: {field}: {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The header field, metadata key or tensor.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that was not converted, or by another program.
    #[error("`{}` names its tensors as the publisher does, `{found}`, and not as GGUF files do", path.display())]
    Names {
        /// The file.
        path: PathBuf,
        /// One of them.
        found: String,
    },
    /// A well-formed file of a model that there is no forward pass for.
    #[error(
        "`{}` holds a model of the architecture `{found}`{}; supported are qwen2, qwen3 and qwen35",
        path.display(),
        kind_of(found)
    )]
    Architecture {
        /// The file.
        path: PathBuf,
        /// What `general.architecture` says.
        found: String,
    },
}

/// The model families that there is a forward pass for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Qwen2 and Qwen2.5: biases on the query, key and value projections.
    Qwen2,
    /// Qwen3: norms on each query and key head, no biases.
    Qwen3,
    /// Qwen3.5: as Qwen3, with gates on the attention, and most of the layers Gated DeltaNet.
    Qwen35,
}

impl Family {
    /// What `general.architecture` calls it, before all of its keys too.
    fn of(architecture: &str) -> Option<Family> {
        Some(match architecture {
            "qwen2" => Family::Qwen2,
            "qwen3" => Family::Qwen3,
            "qwen35" => Family::Qwen35,
            _ => return None,
        })
    }
}

/// What people would call an architecture that there is no forward pass for.
fn kind_of(architecture: &str) -> &'static str {
    match architecture {
        "clip" => ", which is the part of a model that sees pictures",
        "mtmd" | "qwen2vl" | "qwen3vl" => ", which sees pictures",
        name if name.contains("moe") => ", a mixture of experts",
        _ => "",
    }
}

/// The checked settings of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which forward pass.
    pub family: Family,
    /// Transformer blocks; those that only guess further tokens (MTP) are left out.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub n_hidden: usize,
    /// Width inside the feed-forward network.
    pub n_feed_forward: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// How many numbers of a head, the first, are turned by its position; even.
    pub n_rotated: usize,
    /// The longest sequence, in tokens, that the model was made for.
    pub n_context: usize,
    /// Tokens in the vocabulary.
    pub n_vocabulary: usize,
    /// Added to the mean square in RMS norms.
    pub rms_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// The layers that have a memory of one size in place of keys and values; none but in Qwen3.5.
    pub recurrent: Option<Recurrent>,
}

/// The Gated DeltaNet layers of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurrent {
    /// What one looks like.
    pub shape: DeltaShape,
    /// Which of the layers are of this kind.
    pub layers: Vec<bool>,
}

impl Config {
    /// Whether this layer is a Gated DeltaNet, and not attention.
    pub fn is_recurrent(&self, layer_idx: usize) -> bool {
        self.recurrent.as_ref().is_some_and(|recurrent| recurrent.layers[layer_idx])
    }

    /// How many layers keep keys and values.
    pub fn n_attention_layers(&self) -> usize {
        (0..self.n_layers).filter(|idx| !self.is_recurrent(*idx)).count()
    }
}

/// An open, checked GGUF file.
pub struct Gguf {
    path: PathBuf,
    file: SharedFile,
    /// The file in memory, once a tensor was asked for there.
    map: Option<Arc<Mmap>>,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
    config: Config,
    /// Raw bytes of the tensor read last; kept so that loading allocates once.
    scratch: Vec<u8>,
}

/// A file with its position, which only one reader may move at a time.
type SharedFile = Arc<Mutex<File>>;

/// The rows of a large table, read from the file one by one as they are asked for.
pub struct Rows {
    path: PathBuf,
    file: SharedFile,
    info: TensorInfo,
}

/// Many strings in two allocations, never more than the bytes that they took in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    ends: Vec<u64>,
}

impl Strings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start as usize..*end as usize])
    }
}

/// A metadata value, as far as anything here asks for it.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Strings),
    Integers(Vec<i32>),
    /// A value of this type code that nothing asks for.
    Skipped,
}

/// Where a tensor lies; checked to be inside the file.
#[derive(Debug, Clone)]
struct TensorInfo {
    dtype: GgmlDType,
    /// Outermost first, as candle has it.
    shape: Vec<usize>,
    start: u64,
    n_bytes: usize,
}

const MAX_METADATA: u64 = 4_096;
const MAX_TENSORS: u64 = 16_384;
const MAX_KEY_BYTES: u64 = 1_024;
const MAX_DIMENSIONS: u32 = 4;
const MAX_ALIGNMENT: u64 = 65_536;
const MAX_LAYERS: u64 = 512;
const MAX_HEADS: u64 = 1_024;
const MAX_HEAD_DIM: u64 = 1_024;
const MAX_TAPS: u64 = 16;
const MAX_WIDTH: u64 = 1 << 18;
const MAX_CONTEXT: u64 = 1 << 20;
const MAX_VOCABULARY: usize = 1 << 20;
/// The arrays that are kept, this one behind any architecture; all others are stepped over.
const RECURRENT_LAYERS: &str = ".attention.recurrent_layers";
const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type";

impl Gguf {
    /// Reads and checks the header; no tensor is read yet.
    ///
    /// # Errors
    /// The first field that is wrong. Memory stays below the file's size on any input, and nothing panics.
    pub fn open(path: &Path) -> Result<Gguf, GgufError> {
        let read_error = |source| GgufError::Read { path: path.into(), source };
        // Asked before opening, since opening a FIFO waits for a writer.
        let about = std::fs::metadata(path).map_err(read_error)?;
        if !about.is_file() {
            return Err(refuse(path, "file", "it is not a regular file"));
        }
        let file = File::open(path).map_err(read_error)?;
        let mut header =
            Header { path, reader: BufReader::with_capacity(1 << 18, &file), position: 0, n_bytes: about.len() };
        let (metadata, tensors) = header.read()?;
        let config = config(path, &metadata, &tensors)?;
        let scratch = Vec::new();
        Ok(Gguf { path: path.into(), file: Arc::new(Mutex::new(file)), map: None, metadata, tensors, config, scratch })
    }

    /// The checked settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the file has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Reads a tensor onto a device, after checking that it has this shape (outermost dimension first).
    pub fn tensor(&mut self, name: &str, shape: &[usize], device: &Device) -> Result<QTensor, GgufError> {
        let info = self.info(name, shape)?.clone();
        let bytes = read_aligned(&self.file, info.start, info.n_bytes, &mut self.scratch)
            .map_err(|source| GgufError::Read { path: self.path.clone(), source })?;
        QStorage::from_data(bytes.into(), device, info.dtype)
            .and_then(|storage| QTensor::new(storage, info.shape.as_slice()))
            .map_err(|err| refuse(&self.path, name, err.to_string()))
    }

    /// Where a tensor of two dimensions lies in the file, for a reader that needs no copy of it.
    pub fn mapped(
        &mut self,
        name: &str,
        shape: &[usize; 2],
    ) -> Result<(Arc<Mmap>, Range<usize>, GgmlDType), GgufError> {
        let info = self.info(name, shape)?.clone();
        let map = match &self.map {
            Some(map) => Arc::clone(map),
            None => {
                let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                // SAFETY: the map is read only, and any bytes are valid weights; what is left is that nobody shortens
                // the file meanwhile, as for every program that maps a file.
                let map = unsafe { Mmap::map(&*file) };
                let map = Arc::new(map.map_err(|source| GgufError::Read { path: self.path.clone(), source })?);
                Arc::clone(self.map.insert(map))
            }
        };
        let end = info.start.saturating_add(info.n_bytes as u64);
        if end > map.len() as u64 {
            return Err(self.refuse(name, "the tensor reaches beyond the end of the file"));
        }
        Ok((map, info.start as usize..end as usize, info.dtype))
    }

    /// The same as [`Gguf::tensor`] of two dimensions, left in the file.
    pub fn rows(&self, name: &str, shape: &[usize; 2]) -> Result<Rows, GgufError> {
        let info = self.info(name, shape)?.clone();
        Ok(Rows { path: self.path.clone(), file: Arc::clone(&self.file), info })
    }

    fn info(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, GgufError> {
        match self.tensors.get(name) {
            None => Err(self.refuse(name, "the tensor is missing")),
            Some(info) if info.shape != shape => {
                let problem = format!("its shape is {:?}, and not {shape:?}", info.shape);
                Err(self.refuse(name, problem))
            }
            Some(info) => Ok(info),
        }
    }

    /// The vocabulary in the order of the ids; as many as the settings say.
    pub fn tokens(&self) -> Result<&Strings, GgufError> {
        self.strings(TOKENS)
    }

    /// The merges in order of rank, each `left right`.
    pub fn merges(&self) -> Result<&Strings, GgufError> {
        self.strings(MERGES)
    }

    /// The type of each token: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte.
    pub fn token_types(&self) -> Result<&[i32], GgufError> {
        match self.metadata.get(TOKEN_TYPES) {
            Some(Value::Integers(types)) if types.len() == self.config.n_vocabulary => Ok(types),
            Some(Value::Integers(types)) => {
                let problem = format!("{} types for {} tokens", types.len(), self.config.n_vocabulary);
                Err(self.refuse(TOKEN_TYPES, problem))
            }
            Some(_) => Err(self.refuse(TOKEN_TYPES, "it is not an array of 32-bit integers")),
            None => Err(self.refuse(TOKEN_TYPES, "it is missing")),
        }
    }

    /// A metadata text, when there is one under this key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A metadata number that is a token id, when there is one under this key.
    pub fn token_id(&self, key: &str) -> Option<u32> {
        match self.metadata.get(key) {
            Some(Value::Integer(id)) => u32::try_from(*id).ok(),
            _ => None,
        }
    }

    /// An error about this file.
    pub fn refuse(&self, field: &str, problem: impl Into<String>) -> GgufError {
        refuse(&self.path, field, problem)
    }

    fn strings(&self, key: &str) -> Result<&Strings, GgufError> {
        match self.metadata.get(key) {
            Some(Value::Texts(strings)) => Ok(strings),
            Some(_) => Err(self.refuse(key, "it is not an array of texts")),
            None => Err(self.refuse(key, "it is missing")),
        }
    }
}

fn refuse(path: &Path, field: impl Into<String>, problem: impl Into<String>) -> GgufError {
    GgufError::Field { path: path.into(), field: field.into(), problem: problem.into() }
}

impl Rows {
    /// The rows of these ids, dequantized: (ids, n_columns), f32, on the CPU.
    pub fn read(&self, ids: &[u32]) -> anyhow::Result<Tensor> {
        let (n_rows, n_columns) = (self.info.shape[0], self.info.shape[1]);
        let n_row_bytes = self.info.n_bytes / n_rows;
        let mut scratch = vec![0; ids.len() * n_row_bytes + ALIGNMENT];
        let bytes = aligned(&mut scratch, ids.len() * n_row_bytes);
        for (id, row) in ids.iter().zip(bytes.chunks_exact_mut(n_row_bytes)) {
            let idx = *id as usize;
            anyhow::ensure!(idx < n_rows, "row {id} was asked of a table of {n_rows} rows");
            read_at(&self.file, self.info.start + (idx * n_row_bytes) as u64, row)
                .with_context(|| format!("failed to read `{}`", self.path.display()))?;
        }
        let storage = QStorage::from_data((&*bytes).into(), &Device::Cpu, self.info.dtype)?;
        Ok(QTensor::new(storage, (ids.len(), n_columns))?.dequantize(&Device::Cpu)?)
    }
}

/// candle asserts that blocks lie on the boundaries of their type; this is enough for each.
const ALIGNMENT: usize = 16;

/// Reads bytes of the file into `scratch`, aligned.
fn read_aligned<'a>(
    file: &SharedFile,
    start: u64,
    n_bytes: usize,
    scratch: &'a mut Vec<u8>,
) -> std::io::Result<&'a [u8]> {
    if scratch.len() < n_bytes + ALIGNMENT {
        scratch.resize(n_bytes + ALIGNMENT, 0);
    }
    let bytes = aligned(scratch, n_bytes);
    read_at(file, start, bytes)?;
    Ok(bytes)
}

/// The first aligned `n_bytes` of `scratch`, which must be longer by [`ALIGNMENT`].
fn aligned(scratch: &mut [u8], n_bytes: usize) -> &mut [u8] {
    let skipped = scratch.as_ptr().align_offset(ALIGNMENT);
    &mut scratch[skipped..skipped + n_bytes]
}

fn read_at(file: &SharedFile, start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(bytes)
}

/// The header as it is being read.
struct Header<'a> {
    path: &'a Path,
    reader: BufReader<&'a File>,
    position: u64,
    n_bytes: u64,
}

type Metadata = HashMap<String, Value>;
type Tensors = HashMap<String, TensorInfo>;

impl Header<'_> {
    fn read(&mut self) -> Result<(Metadata, Tensors), GgufError> {
        if &self.bytes::<4>("magic")? != b"GGUF" {
            return Err(self.refuse("magic", "the file does not begin with `GGUF`"));
        }
        let version = self.u32("version")?;
        if !(2..=3).contains(&version) {
            return Err(self.refuse("version", format!("{version} is not supported, 2 and 3 are")));
        }
        let n_tensors = self.count("tensor count", MAX_TENSORS)?;
        let n_metadata = self.count("metadata count", MAX_METADATA)?;
        let metadata = self.read_metadata(n_metadata)?;
        let alignment = self.alignment(&metadata)?;
        let tensors = self.read_tensors(n_tensors, alignment)?;
        Ok((metadata, tensors))
    }

    fn read_metadata(&mut self, n_metadata: u64) -> Result<Metadata, GgufError> {
        let mut metadata = HashMap::new();
        for _ in 0..n_metadata {
            let key = self.string("metadata key", MAX_KEY_BYTES)?;
            let value = self.value(&key)?;
            if metadata.contains_key(&key) {
                return Err(self.refuse(&key, "the key stands there twice"));
            }
            metadata.insert(key, value);
        }
        Ok(metadata)
    }

    fn alignment(&self, metadata: &Metadata) -> Result<u64, GgufError> {
        const KEY: &str = "general.alignment";
        let alignment = match metadata.get(KEY) {
            None => return Ok(32),
            Some(Value::Integer(alignment)) => u64::try_from(*alignment).unwrap_or(0),
            Some(_) => 0,
        };
        if !alignment.is_power_of_two() || !(8..=MAX_ALIGNMENT).contains(&alignment) {
            return Err(self.refuse(KEY, format!("it is not a power of two from 8 to {MAX_ALIGNMENT}")));
        }
        Ok(alignment)
    }

    fn read_tensors(&mut self, n_tensors: u64, alignment: u64) -> Result<Tensors, GgufError> {
        let mut tensors: Tensors = HashMap::new();
        for _ in 0..n_tensors {
            let name = self.string("tensor name", MAX_KEY_BYTES)?;
            let info = self.tensor_info(&name, alignment)?;
            if tensors.contains_key(&name) {
                return Err(self.refuse(&name, "two tensors have this name"));
            }
            tensors.insert(name, info);
        }
        // Offsets count from the first aligned byte behind the header, which is known only now.
        let data_start = self.position.next_multiple_of(alignment);
        let mut n_left = self.n_bytes.saturating_sub(data_start);
        for (name, info) in &mut tensors {
            let end = info.start.checked_add(data_start).and_then(|start| {
                info.start = start;
                start.checked_add(info.n_bytes as u64)
            });
            if end.is_none_or(|end| end > self.n_bytes) {
                return Err(self.refuse(name, "the tensor reaches beyond the end of the file"));
            }
            // Without overlaps the sum fits too, and loading takes no more memory than the file has bytes.
            n_left = n_left.checked_sub(info.n_bytes as u64).ok_or_else(|| self.refuse(name, "the tensors overlap"))?;
        }
        Ok(tensors)
    }

    fn tensor_info(&mut self, name: &str, alignment: u64) -> Result<TensorInfo, GgufError> {
        let n_dimensions = self.u32(name)?;
        if !(1..=MAX_DIMENSIONS).contains(&n_dimensions) {
            return Err(self.refuse(name, format!("it has {n_dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..n_dimensions {
            shape.push(usize::try_from(self.u64(name)?).unwrap_or(usize::MAX));
        }
        let n_row = shape[0];
        shape.reverse();
        let type_code = self.u32(name)?;
        let Some(dtype) = ggml_type(type_code) else {
            return Err(self.refuse(name, format!("the tensor type {type_code} is not supported")));
        };
        let n_bytes = shape
            .iter()
            .try_fold(1usize, |product, n| product.checked_mul(*n))
            .filter(|n_elements| *n_elements > 0 && n_row.is_multiple_of(dtype.block_size()))
            .and_then(|n_elements| (n_elements / dtype.block_size()).checked_mul(dtype.type_size()))
            .ok_or_else(|| self.refuse(name, format!("the shape {shape:?} does not fit {dtype:?}")))?;
        let start = self.u64(name)?;
        if !start.is_multiple_of(alignment) {
            return Err(self.refuse(name, format!("its offset is not a multiple of {alignment}")));
        }
        Ok(TensorInfo { dtype, shape, start, n_bytes })
    }

    fn value(&mut self, key: &str) -> Result<Value, GgufError> {
        let type_code = self.u32(key)?;
        Ok(match type_code {
            0 => Value::Integer(self.bytes::<1>(key)?[0].into()),
            1 => Value::Integer(i8::from_le_bytes(self.bytes(key)?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.bytes(key)?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.bytes(key)?).into()),
            4 => Value::Integer(self.u32(key)?.into()),
            5 => Value::Integer(i32::from_le_bytes(self.bytes(key)?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes(key)?).into()),
            7 => match self.bytes::<1>(key)?[0] {
                flag @ (0 | 1) => Value::Bool(flag == 1),
                other => return Err(self.refuse(key, format!("{other} is neither true nor false"))),
            },
            8 => Value::Text(self.string(key, self.n_bytes)?),
            9 => self.array(key)?,
            10 => Value::Integer(self.u64(key)?.into()),
            11 => Value::Integer(i64::from_le_bytes(self.bytes(key)?).into()),
            12 => Value::Float(f64::from_le_bytes(self.bytes(key)?)),
            other => return Err(self.refuse(key, format!("the value type {other} is unknown"))),
        })
    }

    fn array(&mut self, key: &str) -> Result<Value, GgufError> {
        let type_code = self.u32(key)?;
        let n_element_bytes = match type_code {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8, // a text has at least its length
            9 => return Err(self.refuse(key, "arrays of arrays are not supported")),
            other => return Err(self.refuse(key, format!("the array type {other} is unknown"))),
        };
        let n_left = self.n_bytes - self.position;
        let n_elements = self.u64(key)?;
        if n_elements.checked_mul(n_element_bytes).is_none_or(|needed| needed > n_left) {
            return Err(self.refuse(key, format!("an array of {n_elements} reaches beyond the end of the file")));
        }
        match (key, type_code) {
            (TOKENS | MERGES, 8) => {
                let mut strings = Strings::default();
                for _ in 0..n_elements {
                    strings.text.push_str(&self.string(key, self.n_bytes)?);
                    strings.ends.push(strings.text.len() as u64);
                }
                Ok(Value::Texts(strings))
            }
            (TOKEN_TYPES, 4 | 5) => {
                let types = (0..n_elements).map(|_| Ok(i32::from_le_bytes(self.bytes(key)?)));
                Ok(Value::Integers(types.collect::<Result<_, GgufError>>()?))
            }
            (key, 0 | 1 | 7) if key.ends_with(RECURRENT_LAYERS) => {
                let flags = (0..n_elements).map(|_| Ok(self.bytes::<1>(key)?[0].into()));
                Ok(Value::Integers(flags.collect::<Result<_, GgufError>>()?))
            }
            (_, 8) => {
                for _ in 0..n_elements {
                    let n_bytes = self.u64(key)?;
                    self.skip(key, n_bytes)?;
                }
                Ok(Value::Skipped)
            }
            _ => {
                self.skip(key, n_elements * n_element_bytes)?;
                Ok(Value::Skipped)
            }
        }
    }

    fn string(&mut self, field: &str, max_bytes: u64) -> Result<String, GgufError> {
        let n_bytes = self.u64(field)?;
        if n_bytes > max_bytes {
            return Err(self.refuse(field, format!("a text of {n_bytes} bytes is too long")));
        }
        self.check_left(field, n_bytes)?;
        let mut bytes = vec![0; n_bytes as usize];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| self.refuse(field, "the text is not UTF-8"))
    }

    fn count(&mut self, field: &str, max: u64) -> Result<u64, GgufError> {
        let count = self.u64(field)?;
        if count > max {
            return Err(self.refuse(field, format!("{count} is more than {max}")));
        }
        Ok(count)
    }

    fn u32(&mut self, field: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes(field)?))
    }

    fn u64(&mut self, field: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes(field)?))
    }

    fn bytes<const N: usize>(&mut self, field: &str) -> Result<[u8; N], GgufError> {
        self.check_left(field, N as u64)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        self.position += bytes.len() as u64;
        let path = self.path;
        self.reader.read_exact(bytes).map_err(|source| GgufError::Read { path: path.into(), source })
    }

    fn skip(&mut self, field: &str, n_bytes: u64) -> Result<(), GgufError> {
        self.check_left(field, n_bytes)?;
        self.position += n_bytes;
        let path = self.path;
        // No overflow: `check_left` bounds it by the size of a file, which is an i64 itself.
        self.reader.seek_relative(n_bytes as i64).map_err(|source| GgufError::Read { path: path.into(), source })
    }

    fn check_left(&self, field: &str, n_bytes: u64) -> Result<(), GgufError> {
        let n_left = self.n_bytes - self.position;
        if n_bytes > n_left {
            let problem = format!("{n_bytes} bytes are needed at byte {}, and {n_left} are left", self.position);
            return Err(self.refuse(field, problem));
        }
        Ok(())
    }

    fn refuse(&self, field: &str, problem: impl Into<String>) -> GgufError {
        refuse(self.path, field, problem)
    }
}

/// The tensor types that candle computes with, by ggml's code.
fn ggml_type(code: u32) -> Option<GgmlDType> {
    Some(match code {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

/// Reads the settings out of the metadata and checks each against what a sane model has.
fn config(path: &Path, metadata: &Metadata, tensors: &Tensors) -> Result<Config, GgufError> {
    let (family, prefix) = match metadata.get("general.architecture") {
        Some(Value::Text(name)) => match Family::of(name) {
            Some(family) => (family, name),
            None => return Err(GgufError::Architecture { path: path.into(), found: name.clone() }),
        },
        _ => return Err(refuse(path, "general.architecture", "it is missing")),
    };
    let first = |prefix: &str| tensors.keys().filter(|name| name.starts_with(prefix)).min();
    if let Some(name) = first("model.") {
        return Err(GgufError::Names { path: path.into(), found: name.clone() });
    }
    if let Some(name) = first("v.") {
        return Err(refuse(path, name, "the file has layers that see pictures, and there is no forward pass for them"));
    }
    let value = |name: &str| metadata.get(&format!("{prefix}.{name}"));
    let whole = |name: &str, max: u64| match value(name) {
        Some(Value::Integer(n)) if (1..=i128::from(max)).contains(n) => Ok(*n as usize),
        Some(Value::Integer(n)) => Err(refuse(path, format!("{prefix}.{name}"), format!("{n} is not from 1 to {max}"))),
        _ => Err(refuse(path, format!("{prefix}.{name}"), "a whole number is missing here")),
    };
    let real = |name: &str, min: f64, max: f64| match value(name) {
        Some(Value::Float(x)) if (min..=max).contains(x) => Ok(*x),
        Some(Value::Float(x)) => {
            Err(refuse(path, format!("{prefix}.{name}"), format!("{x} is not from {min} to {max}")))
        }
        _ => Err(refuse(path, format!("{prefix}.{name}"), "a number is missing here")),
    };

    let n_hidden = whole("embedding_length", MAX_WIDTH)?;
    let n_heads = whole("attention.head_count", MAX_HEADS)?;
    let n_kv_heads = whole("attention.head_count_kv", MAX_HEADS)?;
    if !n_heads.is_multiple_of(n_kv_heads) {
        let problem = format!("{n_kv_heads} does not divide the {n_heads} query heads");
        return Err(refuse(path, format!("{prefix}.attention.head_count_kv"), problem));
    }
    let head_dim = match (value("attention.key_length"), family) {
        (None, Family::Qwen2) => n_hidden / n_heads,
        _ => whole("attention.key_length", MAX_HEAD_DIM)?,
    };
    if head_dim < 2 || !head_dim.is_multiple_of(2) || head_dim as u64 > MAX_HEAD_DIM {
        let problem = format!("a head of width {head_dim} cannot be rotated");
        return Err(refuse(path, format!("{prefix}.attention.key_length"), problem));
    }
    if let Some(Value::Text(scaling)) = value("rope.scaling.type")
        && scaling != "none"
    {
        let problem = format!("`{scaling}` is not supported");
        return Err(refuse(path, format!("{prefix}.rope.scaling.type"), problem));
    }
    let n_rotated = match value("rope.dimension_count") {
        Some(_) => whole("rope.dimension_count", head_dim as u64)?,
        None => head_dim,
    };
    if !n_rotated.is_multiple_of(2) || (n_rotated < head_dim && family != Family::Qwen35) {
        let problem = format!("{n_rotated} of the {head_dim} numbers of a head cannot be rotated");
        return Err(refuse(path, format!("{prefix}.rope.dimension_count"), problem));
    }
    let n_blocks = whole("block_count", MAX_LAYERS)?;
    let n_guessing = match value("nextn_predict_layers") {
        None | Some(Value::Integer(0)) => 0,
        Some(_) => whole("nextn_predict_layers", n_blocks as u64 - 1)?,
    };
    let n_layers = n_blocks - n_guessing;
    let recurrent = match family {
        Family::Qwen2 | Family::Qwen3 => None,
        Family::Qwen35 => {
            let layers = match value("attention.recurrent_layers") {
                Some(Value::Integers(flags)) if flags.len() >= n_layers => {
                    flags[..n_layers].iter().map(|flag| *flag != 0).collect()
                }
                Some(_) => {
                    let problem = format!("it is not an array of a flag for each of {n_layers} layers");
                    return Err(refuse(path, format!("{prefix}.attention.recurrent_layers"), problem));
                }
                None => {
                    let interval = whole("full_attention_interval", MAX_LAYERS)?;
                    (0..n_layers).map(|idx| !(idx + 1).is_multiple_of(interval)).collect()
                }
            };
            let shape = DeltaShape {
                n_key_heads: whole("ssm.group_count", MAX_HEADS)?,
                n_heads: whole("ssm.time_step_rank", MAX_HEADS)?,
                head_dim: whole("ssm.state_size", MAX_HEAD_DIM)?,
                n_taps: whole("ssm.conv_kernel", MAX_TAPS)?,
            };
            if shape.n_taps < 2 {
                return Err(refuse(path, format!("{prefix}.ssm.conv_kernel"), "a convolution of one token is none"));
            }
            if !shape.n_heads.is_multiple_of(shape.n_key_heads) {
                let problem = format!("{} does not divide the {} value heads", shape.n_key_heads, shape.n_heads);
                return Err(refuse(path, format!("{prefix}.ssm.group_count"), problem));
            }
            let n_inner = whole("ssm.inner_size", MAX_WIDTH)?;
            if n_inner != shape.n_heads * shape.head_dim {
                let problem = format!("{n_inner} is not {} heads of {}", shape.n_heads, shape.head_dim);
                return Err(refuse(path, format!("{prefix}.ssm.inner_size"), problem));
            }
            Some(Recurrent { shape, layers })
        }
    };
    if let Some(recurrent) = &recurrent {
        check_layers(path, tensors, &recurrent.layers)?;
    }
    Ok(Config {
        family,
        n_layers,
        n_hidden,
        n_feed_forward: whole("feed_forward_length", MAX_WIDTH)?,
        n_heads,
        n_kv_heads,
        head_dim,
        n_rotated,
        n_context: whole("context_length", MAX_CONTEXT)?,
        n_vocabulary: vocabulary(path, metadata, tensors, n_hidden)?,
        rms_eps: real("attention.layer_norm_rms_epsilon", 1e-12, 1e-2)?,
        rope_base: real("rope.freq_base", 1.0, 1e12)?,
        recurrent,
    })
}

/// Refuses a layer of a hybrid model that has a tensor which the forward pass would pass over.
fn check_layers(path: &Path, tensors: &Tensors, is_recurrent: &[bool]) -> Result<(), GgufError> {
    const ANY: [&str; 5] = ["attn_norm", "post_attention_norm", "ffn_gate", "ffn_up", "ffn_down"];
    const ATTENTION: [&str; 6] = ["attn_q", "attn_k", "attn_v", "attn_output", "attn_q_norm", "attn_k_norm"];
    const RECURRENT: [&str; 6] = ["attn_qkv", "attn_gate", "ssm_beta", "ssm_alpha", "ssm_norm", "ssm_out"];
    let is_unknown = |name: &&String| {
        let layer = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        let Some((idx, part)) = layer.and_then(|(idx, part)| Some((idx.parse::<usize>().ok()?, part))) else {
            return false;
        };
        let (own, others): (&[&str], &[&str]) = match is_recurrent.get(idx) {
            None => return false,
            Some(true) => (&RECURRENT, &["ssm_conv1d.weight", "ssm_dt.bias", "ssm_a"]),
            Some(false) => (&ATTENTION, &[]),
        };
        let matrix = part.strip_suffix(".weight").unwrap_or_default();
        !ANY.contains(&matrix) && !own.contains(&matrix) && !others.contains(&part)
    };
    match tensors.keys().filter(is_unknown).min() {
        Some(name) => Err(refuse(path, name, "neither attention nor a Gated DeltaNet has such a tensor in this layer")),
        None => Ok(()),
    }
}

/// The size of the vocabulary, on which the list of tokens and the embedding must agree.
fn vocabulary(path: &Path, metadata: &Metadata, tensors: &Tensors, n_hidden: usize) -> Result<usize, GgufError> {
    const EMBEDDING: &str = "token_embd.weight";
    let Some(Value::Texts(tokens)) = metadata.get(TOKENS) else {
        return Err(refuse(path, TOKENS, "an array of texts is missing here"));
    };
    let n_vocabulary = tokens.len();
    if !(1..=MAX_VOCABULARY).contains(&n_vocabulary) {
        return Err(refuse(path, TOKENS, format!("{n_vocabulary} is not from 1 to {MAX_VOCABULARY}")));
    }
    match tensors.get(EMBEDDING) {
        None => Err(refuse(path, EMBEDDING, "the tensor is missing")),
        Some(info) if info.shape != [n_vocabulary, n_hidden] => {
            let problem = format!("its shape is {:?}, and not {:?}", info.shape, [n_vocabulary, n_hidden]);
            Err(refuse(path, EMBEDDING, problem))
        }
        Some(_) => Ok(n_vocabulary),
    }
}
