//! The file of an encoder in, its sizes, tokenizer and tensors out. Believes nothing of it unchecked; knows no forward
//! pass.
//!
//! The file holds, little-endian: `E5S1`, a version, the sizes, the vocabulary of the tokenizer, how it levels out
//! characters, and a directory of tensors: f32, or Q4_0 blocks as GGML has them, which are multiplied where they lie.
//! What the authors publish, two files and other names, is read by `e5_published`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use memmap2::Mmap;

use super::e5_published::Published;
use super::unigram::Unigram;
use crate::kernel::{Compute, QLinear};

/// An encoder's weights and tokenizer.
pub(super) struct E5 {
    pub(super) sizes: Sizes,
    pub(super) tokens: Unigram,
    tensors: Tensors,
}

enum Tensors {
    /// In a file of our own kind: whether each is quantized, and where it lies.
    Packed(Arc<Mmap>, HashMap<String, (bool, Range<usize>)>),
    Published(Published),
}

/// The vectors of all pieces, (piece, hidden).
pub(super) enum Words {
    /// Blocks.
    Packed(QLinear),
    /// f32, of which only what is asked for is read, with the number of hidden features.
    Floats(Arc<Mmap>, Range<usize>, usize),
}

/// The sizes of an encoder, and what frames a text.
pub(super) struct Sizes {
    pub(super) n_hidden: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    pub(super) n_feed_forward: usize,
    pub(super) n_vocabulary: usize,
    pub(super) n_positions: usize,
    pub(super) n_kinds: usize,
    pub(super) epsilon: f32,
    pub(super) begin: u32,
    pub(super) end: u32,
}

/// Weight and bias, (hidden) each.
pub(super) struct Norm(pub(super) Vec<f32>, pub(super) Vec<f32>);

impl E5 {
    /// What the authors publish: safetensors and tokenizer.json.
    pub(super) fn published(map: Arc<Mmap>, tokenizer: &[u8]) -> Result<E5> {
        let tensors = Published::read(map)?;
        Ok(E5 {
            sizes: tensors.sizes()?,
            tokens: super::e5_published::vocabulary(tokenizer)?,
            tensors: Tensors::Published(tensors),
        })
    }

    /// Reads everything but the weights.
    pub(super) fn read(map: Arc<Mmap>) -> Result<E5> {
        let mut reader = Reader { bytes: &map, at: 0 };
        ensure!(reader.take(4)? == b"E5S1" && reader.u32()? == 1, "it is of another format");
        let mut size = |least: u32| {
            let n = reader.u32()?;
            ensure!((least..1 << 20).contains(&n), "a size is {n}");
            Ok(n as usize)
        };
        let (n_hidden, n_layers, n_heads, n_feed_forward) = (size(32)?, size(1)?, size(1)?, size(32)?);
        let (n_vocabulary, n_positions, n_kinds) = (size(5)?, size(16)?, size(1)?);
        let epsilon = f32::from_bits(reader.u32()?);
        ensure!(reader.u32()? == 32, "its blocks are not Q4_0");
        ensure!(n_hidden.is_multiple_of(n_heads), "{n_heads} heads do not share {n_hidden}");
        let (tokens, [begin, end]) = read_vocabulary(&mut reader, n_vocabulary)?;
        let sizes = Sizes {
            n_hidden,
            n_layers,
            n_heads,
            n_feed_forward,
            n_vocabulary,
            n_positions,
            n_kinds,
            epsilon,
            begin,
            end,
        };
        let directory = read_directory(&mut reader)?;
        Ok(E5 { sizes, tokens, tensors: Tensors::Packed(map, directory) })
    }

    /// The matrix, (n, k), and bias, (n), of a layer.
    pub(super) fn linear(&self, compute: &Compute, name: &str, n: usize, k: usize) -> Result<QLinear> {
        let bias = Tensor::new(self.vector(&format!("{name}.b"), n)?, &Device::Cpu)?;
        let weights = format!("{name}.w");
        let linear = match &self.tensors {
            Tensors::Packed(map, directory) => {
                let bytes = bytes(directory, &weights, true)?;
                QLinear::mapped(compute, map.clone(), bytes, GgmlDType::Q4_0, (n, k), Some(bias))
            }
            Tensors::Published(published) => {
                let floats = Tensor::from_vec(published.numbers(&weights)?, (n, k), &Device::Cpu)?;
                QLinear::new(compute, QTensor::quantize(&floats, GgmlDType::Q8_0)?, Some(bias))
            }
        };
        linear.with_context(|| format!("`{weights}`"))
    }

    /// The vectors of the pieces.
    pub(super) fn words(&self, compute: &Compute) -> Result<Words> {
        let (name, shape) = ("emb.word", (self.sizes.n_vocabulary, self.sizes.n_hidden));
        match &self.tensors {
            Tensors::Packed(map, directory) => {
                let bytes = bytes(directory, name, true)?;
                let blocks = QLinear::mapped(compute, map.clone(), bytes, GgmlDType::Q4_0, shape, None);
                Ok(Words::Packed(blocks.with_context(|| format!("`{name}`"))?))
            }
            Tensors::Published(published) => {
                let (map, bytes) = published.place(name)?;
                Ok(Words::Floats(map, bytes, shape.1))
            }
        }
    }

    /// The weight and bias of a norm.
    pub(super) fn norm(&self, name: &str, n: usize) -> Result<Norm> {
        let vector = |part| self.vector(&format!("{name}.{part}"), n);
        Ok(Norm(vector("w")?, vector("b")?))
    }

    /// `n` numbers.
    pub(super) fn vector(&self, name: &str, n: usize) -> Result<Vec<f32>> {
        let numbers = match &self.tensors {
            Tensors::Packed(map, directory) => floats(&map[bytes(directory, name, false)?]),
            Tensors::Published(published) => published.numbers(name)?,
        };
        let n_found = numbers.len();
        ensure!(n_found == n, "`{name}` has {n_found} numbers instead of {n}");
        Ok(numbers)
    }
}

impl Words {
    /// The vectors of `ids`, (id, hidden).
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let (map, bytes, n_hidden) = match self {
            Words::Packed(blocks) => return blocks.rows(ids),
            Words::Floats(map, bytes, n_hidden) => (map, bytes, *n_hidden),
        };
        let mut rows = Vec::with_capacity(ids.len() * n_hidden);
        for id in ids {
            let start = bytes.start + *id as usize * n_hidden * 4;
            ensure!(start + n_hidden * 4 <= bytes.end, "there is no piece {id}");
            rows.extend(floats(&map[start..start + n_hidden * 4]));
        }
        Ok(Tensor::from_vec(rows, (ids.len(), n_hidden), &Device::Cpu)?)
    }
}

/// Little-endian numbers.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    let numbers = bytes.as_chunks().0.iter();
    numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn bytes(directory: &HashMap<String, (bool, Range<usize>)>, name: &str, quantized: bool) -> Result<Range<usize>> {
    let found = directory.get(name);
    let (is_quantized, bytes) = found.with_context(|| format!("there is no `{name}`"))?;
    ensure!(*is_quantized == quantized, "`{name}` is of another type");
    Ok(bytes.clone())
}

/// Reads the pieces and what characters become; returns the ids that begin and end a text.
fn read_vocabulary(reader: &mut Reader<'_>, n_vocabulary: usize) -> Result<(Unigram, [u32; 2])> {
    let n_pieces = reader.u32()? as usize;
    let [begin, end, _padding, unknown] = [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
    ensure!(n_pieces <= n_vocabulary, "{n_pieces} pieces have {n_vocabulary} vectors");
    ensure!(begin.max(end) < n_pieces as u32, "no piece begins or ends a text");
    let n_bytes = usize::try_from(reader.u64()?)?;
    let starts = reader.take(4 * (n_pieces + 1))?.as_chunks().0;
    let scores = floats(reader.take(4 * n_pieces)?);
    let pieces = reader.take(n_bytes)?.to_vec();

    let n_normal = reader.u32()?;
    let mut entries = Reader { at: 0, bytes: &[] };
    let n_entry_bytes = reader.u32()? as usize;
    entries.bytes = reader.take(n_entry_bytes)?;
    let mut normal = HashMap::new();
    let to_char = |code| char::from_u32(code).context("what is no character is replaced");
    for _ in 0..n_normal {
        let from = entries.u32()?;
        let n_chars = entries.take(1)?[0];
        let to: String = (0..n_chars).map(|_| to_char(entries.u32()?)).collect::<Result<_>>()?;
        normal.insert(to_char(from)?, to.into());
    }
    let starts = starts.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let unigram = Unigram::new(pieces, starts, scores, unknown, normal)?;
    Ok((unigram, [begin, end]))
}

/// Reads the names of the tensors, whether each is quantized, and its bytes.
fn read_directory(reader: &mut Reader<'_>) -> Result<HashMap<String, (bool, Range<usize>)>> {
    let mut tensors = HashMap::new();
    for _ in 0..reader.u32()? {
        let n_name = u16::from_le_bytes([reader.take(1)?[0], reader.take(1)?[0]]);
        let name = std::str::from_utf8(reader.take(n_name.into())?)?.to_owned();
        let quantized = match reader.take(1)?[0] {
            0 => false,
            1 => true,
            other => bail!("`{name}` is of type {other}"),
        };
        let _n_numbers = reader.u32()?;
        let start = usize::try_from(reader.u64()?)?;
        let end = start.saturating_add(usize::try_from(reader.u64()?)?);
        ensure!(end <= reader.bytes.len(), "`{name}` ends after the file");
        tensors.insert(name, (quantized, start..end));
    }
    Ok(tensors)
}

/// Bytes that are read from front to back.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let taken = self.bytes[self.at..].get(..n).context("the file ends too early")?;
        self.at += n;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into()?))
    }
}
