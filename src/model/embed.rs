//! Texts in, vectors out that lie close together when the texts mean the same, in any language: multilingual-e5-small
//! (<https://arxiv.org/abs/2402.05672>), an encoder of 12 layers. Knows no index.
//!
//! The file holds, little-endian: `E5S1`, a version, the sizes, the vocabulary of the tokenizer, how it levels out
//! characters, and a directory of tensors: f32, or Q4_0 blocks as GGML has them, which are multiplied where they lie.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail, ensure};
use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use memmap2::Mmap;

use super::Identity;
use super::unigram::Unigram;
use crate::kernel::{QLinear, add_norm, attend_both_ways, gelu};
use crate::text::Lang;
use crate::text::lang::detect;

/// The name of the encoder's manifest.
pub const ENCODER: &str = "multilingual-e5-small";

/// What the authors put before a text in training, and so before every text.
const QUESTION: &str = "query: ";
const PASSAGE: &str = "passage: ";

/// How much of what questions have in common is taken off: recall is flat from 0.4 to 0.75, across languages and in one.
const COMMON_SHARE: f32 = 0.5;

/// Questions about anything, whose mean is what questions have in common.
const ENGLISH_QUESTIONS: [&str; 16] = [
    "Who founded the company, and when?",
    "How many people live in the city?",
    "What caused the fire?",
    "When does the museum open?",
    "Where was the treaty signed?",
    "Why did the minister resign?",
    "Which country won the most medals?",
    "How does the new engine work?",
    "What is the name of the river in the valley?",
    "How much did the bridge cost to build?",
    "What did scientists find in the samples?",
    "Who wrote the book about the war?",
    "What percentage of voters supported the law?",
    "In what year did the school move?",
    "What type of cells does the disease attack?",
    "How long will the repairs take?",
];
const CHINESE_QUESTIONS: [&str; 16] = [
    "这家公司是谁在什么时候创立的？",
    "这座城市有多少人口？",
    "火灾是什么引起的？",
    "博物馆几点开门？",
    "条约在哪里签署？",
    "部长为什么辞职？",
    "哪个国家获得的奖牌最多？",
    "新发动机是怎样工作的？",
    "山谷里的那条河叫什么名字？",
    "建这座桥花了多少钱？",
    "科学家在样本中发现了什么？",
    "关于那场战争的书是谁写的？",
    "支持这项法律的选民占百分之几？",
    "学校是哪一年搬走的？",
    "这种疾病侵袭哪一类细胞？",
    "修理需要多长时间？",
];

/// Tokens that go through the layers at once: what bounds the memory of a batch.
const CHUNK: usize = 512;

/// Just below what glibc learns at most.
const ALLOCATOR_LESSON: usize = (32 << 20) - (64 << 10);

/// A loaded encoder.
pub struct Embedder {
    identity: Identity,
    sizes: Sizes,
    tokens: Unigram,
    words: QLinear,
    places: Tensor, // (position, hidden)
    first_norm: Norm,
    layers: Vec<Layer>,
    /// What English and Chinese questions have in common, once one was asked.
    common_parts: [OnceLock<Vec<f32>>; 2],
}

struct Sizes {
    n_hidden: usize,
    n_layers: usize,
    n_heads: usize,
    n_feed_forward: usize,
    n_vocabulary: usize,
    n_positions: usize,
    n_kinds: usize,
    epsilon: f32,
    begin: u32,
    end: u32,
}

struct Layer {
    query: QLinear,
    key: QLinear,
    value: QLinear,
    mixed: QLinear,
    mixed_norm: Norm,
    up: QLinear,
    down: QLinear,
    norm: Norm,
}

/// Weight and bias, (hidden) each.
struct Norm(Vec<f32>, Vec<f32>);

impl Norm {
    fn of_sum(&self, x: &Tensor, y: &Tensor, epsilon: f32) -> Result<Tensor> {
        add_norm(x, y, (&self.0, &self.1), epsilon)
    }
}

impl Embedder {
    /// Opens the file of an encoder; its weights stay there.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open(path: &Path, identity: Identity) -> Result<Embedder> {
        // Each layer's states come and go. An allocator such as glibc's gives memory of this size back to the system
        // at once, and asks for it again, until it has seen a larger piece returned: a sixth of all time.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(
            ALLOCATOR_LESSON,
        )));
        let file =
            File::open(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        // SAFETY: files of a store are replaced, never written to.
        let map = unsafe { Mmap::map(&file) }
            .with_context(|| format!("failed to map `{}`", path.display()))?;
        Embedder::read(Arc::new(map), identity)
            .with_context(|| format!("`{}` is not a usable encoder", path.display()))
    }

    /// Which weights make the vectors.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Numbers in a vector.
    pub fn n_dims(&self) -> usize {
        self.sizes.n_hidden
    }

    /// The vector of a question, less a part of what all questions of its language have in common.
    ///
    /// Some passages are near to any question, the more so in another language, and would push the right ones out:
    /// of English paragraphs, Chinese questions found the right one among five 94 times in 100 instead of 90.
    pub fn question(&self, text: &str) -> Result<Vec<f32>> {
        let is_chinese = detect(text) != Lang::En;
        let common = match self.common_parts[usize::from(is_chinese)].get() {
            Some(common) => common,
            None => {
                let questions = if is_chinese {
                    CHINESE_QUESTIONS
                } else {
                    ENGLISH_QUESTIONS
                };
                let vectors = self.embed(QUESTION, &questions)?;
                let sum = |i: usize| vectors.iter().map(|vector| vector[i]).sum::<f32>();
                let share = COMMON_SHARE / questions.len() as f32;
                let common = (0..self.n_dims()).map(|i| sum(i) * share).collect();
                self.common_parts[usize::from(is_chinese)].get_or_init(|| common)
            }
        };
        let own = self
            .embed(QUESTION, &[text])?
            .pop()
            .context("one vector a text")?;
        Ok(own
            .iter()
            .zip(common)
            .map(|(own, common)| own - common)
            .collect())
    }

    /// The vectors of passages, of length 1 and in order; each is the same alone and in any company.
    pub fn passages(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<f32>>> {
        self.embed(PASSAGE, texts)
    }

    /// A text beyond the limit of the model is cut into windows, whose means are averaged by their tokens: none of it
    /// is dropped, though no window sees another.
    fn embed(&self, prefix: &str, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<f32>>> {
        let mut sums = vec![vec![0.0; self.n_dims()]; texts.len()];
        let mut batch: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut n_tokens = 0;
        for (idx, text) in texts.iter().enumerate() {
            let ids = self.tokens.encode(&format!("{prefix}{}", text.as_ref()));
            for window in ids.chunks(self.sizes.n_positions - 2) {
                if n_tokens + window.len() + 2 > CHUNK {
                    self.add_means(&batch, &mut sums)?;
                    batch.clear();
                    n_tokens = 0;
                }
                let framed = [&[self.sizes.begin], window, &[self.sizes.end]].concat();
                n_tokens += framed.len();
                batch.push((idx, framed));
            }
        }
        self.add_means(&batch, &mut sums)?;
        for sum in &mut sums {
            let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
            ensure!(
                length.is_finite() && length > 0.0,
                "the encoder computed no vector; its weights are broken"
            );
            sum.iter_mut().for_each(|x| *x /= length);
        }
        Ok(sums)
    }

    /// Adds the mean of each window's last states, times its tokens, to the sum of its text.
    fn add_means(&self, batch: &[(usize, Vec<u32>)], sums: &mut [Vec<f32>]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let windows: Vec<&[u32]> = batch.iter().map(|(_, ids)| &ids[..]).collect();
        let states = self.forward(&windows)?.flatten_all()?.to_vec1::<f32>()?;
        let mut rows = states.chunks_exact(self.n_dims());
        for (text_idx, ids) in batch {
            let mut sum = vec![0.0; self.n_dims()];
            for row in rows.by_ref().take(ids.len()) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            // The frame is part of the mean, but does not count when windows are weighed.
            let weight = (ids.len() - 2) as f32 / ids.len() as f32;
            sums[*text_idx]
                .iter_mut()
                .zip(&sum)
                .for_each(|(all, x)| *all += x * weight);
        }
        Ok(())
    }

    /// The last states of all tokens, (token, hidden), the windows one behind the other.
    fn forward(&self, windows: &[&[u32]]) -> Result<Tensor> {
        let lengths: Vec<usize> = windows.iter().map(|ids| ids.len()).collect();
        let ids = windows.concat();
        let places: Vec<u32> = lengths.iter().flat_map(|n| 0..*n as u32).collect();
        let places = self
            .places
            .index_select(&Tensor::new(places, &Device::Cpu)?, 0)?;
        let epsilon = self.sizes.epsilon;
        let mut x = self
            .first_norm
            .of_sum(&self.words.rows(&ids)?, &places, epsilon)?; // (token, hidden)
        for layer in &self.layers {
            let [query, key, value] =
                QLinear::forward_many([&layer.query, &layer.key, &layer.value], &x)?;
            let mixed = attend_both_ways(&query, &key, &value, self.sizes.n_heads, &lengths)?;
            x = layer
                .mixed_norm
                .of_sum(&x, &layer.mixed.forward(&mixed)?, epsilon)?;
            let up = gelu(&layer.up.forward(&x)?)?; // (token, feed_forward)
            x = layer.norm.of_sum(&x, &layer.down.forward(&up)?, epsilon)?;
        }
        Ok(x)
    }

    fn read(map: Arc<Mmap>, identity: Identity) -> Result<Embedder> {
        let mut reader = Reader { bytes: &map, at: 0 };
        ensure!(
            reader.take(4)? == b"E5S1" && reader.u32()? == 1,
            "it is of another format"
        );
        let mut size = |least: u32| {
            let n = reader.u32()?;
            ensure!((least..1 << 20).contains(&n), "a size is {n}");
            Ok(n as usize)
        };
        let (n_hidden, n_layers, n_heads, n_feed_forward) =
            (size(32)?, size(1)?, size(1)?, size(32)?);
        let (n_vocabulary, n_positions, n_kinds) = (size(5)?, size(16)?, size(1)?);
        let epsilon = f32::from_bits(reader.u32()?);
        ensure!(reader.u32()? == 32, "its blocks are not Q4_0");
        ensure!(
            n_hidden.is_multiple_of(n_heads),
            "{n_heads} heads do not share {n_hidden}"
        );
        let (tokens, [begin, end]) = read_vocabulary(&mut reader, &map, n_vocabulary)?;
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
        let tensors = read_directory(&mut reader)?;
        Weights { map, tensors }.embedder(identity, sizes, tokens)
    }
}

/// Reads the pieces and what characters become; returns the ids that begin and end a text.
fn read_vocabulary(
    reader: &mut Reader<'_>,
    map: &Arc<Mmap>,
    n_vocabulary: usize,
) -> Result<(Unigram, [u32; 2])> {
    let n_pieces = reader.u32()? as usize;
    let [begin, end, _padding, unknown] =
        [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
    ensure!(
        n_pieces <= n_vocabulary,
        "{n_pieces} pieces have {n_vocabulary} vectors"
    );
    ensure!(
        begin.max(end) < n_pieces as u32,
        "no piece begins or ends a text"
    );
    let n_bytes = usize::try_from(reader.u64()?)?;
    let starts = reader.take(4 * (n_pieces + 1))?.as_chunks().0;
    let scores = reader.take(4 * n_pieces)?.as_chunks().0;
    let pieces = reader.at..reader.at.saturating_add(n_bytes);
    reader.take(n_bytes)?;

    let n_normal = reader.u32()?;
    let mut entries = Reader { at: 0, bytes: &[] };
    let n_entry_bytes = reader.u32()? as usize;
    entries.bytes = reader.take(n_entry_bytes)?;
    let mut normal = HashMap::new();
    let to_char = |code| char::from_u32(code).context("what is no character is replaced");
    for _ in 0..n_normal {
        let from = entries.u32()?;
        let n_chars = entries.take(1)?[0];
        let to: String = (0..n_chars)
            .map(|_| to_char(entries.u32()?))
            .collect::<Result<_>>()?;
        normal.insert(to_char(from)?, to.into());
    }
    let starts = starts
        .iter()
        .map(|bytes| u32::from_le_bytes(*bytes))
        .collect();
    let scores = scores
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let unigram = Unigram::new(map.clone(), pieces, starts, scores, unknown, normal)?;
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
        let taken = self.bytes[self.at..]
            .get(..n)
            .context("the file ends too early")?;
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

struct Weights {
    map: Arc<Mmap>,
    tensors: HashMap<String, (bool, Range<usize>)>,
}

impl Weights {
    fn embedder(&self, identity: Identity, sizes: Sizes, tokens: Unigram) -> Result<Embedder> {
        let (n_hidden, n_wide) = (sizes.n_hidden, sizes.n_feed_forward);
        let mut places = self.vector("emb.pos", sizes.n_positions * n_hidden)?;
        // All texts are of type 0, so that its vector goes with every position.
        let kind = self.vector("emb.type", sizes.n_kinds * n_hidden)?;
        for row in places.chunks_exact_mut(n_hidden) {
            row.iter_mut().zip(&kind).for_each(|(x, kind)| *x += kind);
        }
        let layer = |number: usize| {
            let linear = |name: &str, n, k| self.linear(&format!("l{number}.{name}"), n, k);
            let norm = |name: &str| self.norm(&format!("l{number}.{name}"), n_hidden);
            Ok(Layer {
                query: linear("q", n_hidden, n_hidden)?,
                key: linear("k", n_hidden, n_hidden)?,
                value: linear("v", n_hidden, n_hidden)?,
                mixed: linear("ao", n_hidden, n_hidden)?,
                mixed_norm: norm("aln")?,
                up: linear("fi", n_wide, n_hidden)?,
                down: linear("fo", n_hidden, n_wide)?,
                norm: norm("oln")?,
            })
        };
        Ok(Embedder {
            words: self.matrix("emb.word", (sizes.n_vocabulary, n_hidden), None)?,
            places: Tensor::from_vec(places, (sizes.n_positions, n_hidden), &Device::Cpu)?,
            first_norm: self.norm("emb.ln", n_hidden)?,
            layers: (0..sizes.n_layers).map(layer).collect::<Result<_>>()?,
            identity,
            sizes,
            tokens,
            common_parts: Default::default(),
        })
    }

    fn linear(&self, name: &str, n: usize, k: usize) -> Result<QLinear> {
        let bias = Tensor::new(self.vector(&format!("{name}.b"), n)?, &Device::Cpu)?;
        self.matrix(&format!("{name}.w"), (n, k), Some(bias))
    }

    fn matrix(&self, name: &str, shape: (usize, usize), bias: Option<Tensor>) -> Result<QLinear> {
        let bytes = self.bytes(name, true)?;
        QLinear::mapped(self.map.clone(), bytes, GgmlDType::Q4_0, shape, bias)
            .with_context(|| format!("`{name}`"))
    }

    fn norm(&self, name: &str, n: usize) -> Result<Norm> {
        let vector = |part| self.vector(&format!("{name}.{part}"), n);
        Ok(Norm(vector("w")?, vector("b")?))
    }

    fn vector(&self, name: &str, n: usize) -> Result<Vec<f32>> {
        let bytes = &self.map[self.bytes(name, false)?];
        ensure!(
            bytes.len() == 4 * n,
            "`{name}` has {} bytes for {n} numbers",
            bytes.len()
        );
        Ok(bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }

    fn bytes(&self, name: &str, quantized: bool) -> Result<Range<usize>> {
        let found = self.tensors.get(name);
        let (is_quantized, bytes) = found.with_context(|| format!("there is no `{name}`"))?;
        ensure!(*is_quantized == quantized, "`{name}` is of another type");
        Ok(bytes.clone())
    }
}
