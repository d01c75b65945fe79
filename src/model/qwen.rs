//! Token ids in, logits out: the forward pass of Qwen2, Qwen2.5, Qwen3 and Qwen3.5 (dense). Knows no text and picks no
//! token.
//!
//! Papers: Qwen2 <https://arxiv.org/abs/2407.10671>, Qwen3 <https://arxiv.org/abs/2505.09388>; Qwen3.5 is a hybrid of
//! attention and Gated DeltaNet <https://arxiv.org/abs/2412.06464>, the two kinds of layer in files of their own. No tensor carries a batch
//! dimension: the tokens of several sequences stand behind one another as rows, and part in the mixers alone.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};

use super::attention::Attention;
use super::cache::{Cache, CacheShape};
use super::card::OnCard;
use super::delta::Delta;
use super::gguf::{Config, Family, Gguf, Rows};
use crate::kernel::{Card, Company, Compute, DELTA_CHUNK, DeltaState, Memory, QLinear};

/// The most tokens that go through the layers at once on a CPU: what bounds the memory of a long prompt.
pub const CHUNK: usize = 512;

/// The same on a card, whose cores are many and whose launches cost time.
const CARD_CHUNK: usize = 8_192;

/// Tokens that are few where no kernel says how many are: as many as are read at once to verify a guess.
pub(super) const LOOSE_FEW: usize = 8;

/// The reader was told to stop; the cache holds what it held before the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The model computed something that is not a number: no token may be drawn from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model computed a value that is not a number; its weights are broken")]
pub struct NotFinite;

/// A loaded model.
pub struct Qwen {
    config: Config,
    max_len: usize,
    compute: Compute,
    /// What recurrent layers begin with; none in a model of attention alone.
    beginning: Vec<DeltaState>,
    body: Body,
}

/// What one sequence has to be read next.
pub struct Part<'a> {
    /// The new tokens; at least one.
    pub ids: &'a [u32],
    /// What was read before them.
    pub cache: &'a mut Cache,
}

enum Body {
    Plain(Box<Plain>),
    Card(Box<OnCard>),
}

/// The forward pass in the order of the papers, on whatever computes.
struct Plain {
    config: Config,
    compute: Compute,
    /// Exact only where all products are.
    company: Company,
    embedding: Embedding,
    layers: Vec<Layer>,
    final_norm: Tensor, // (hidden)
    rope: Rope,
}

/// The token embedding and the output projection, (vocabulary, hidden) each.
enum Embedding {
    /// Two tables; of the first only single rows are ever needed, so it stays in the file.
    Apart { input: Rows, output: QLinear },
    /// One table that serves as both.
    Tied(QLinear),
}

struct Layer {
    mixer_norm: Tensor, // (hidden)
    mixer: Mixer,
    feed_forward_norm: Tensor, // (hidden)
    gate: QLinear,
    up: QLinear,
    down: QLinear,
}

/// Where the tokens of a sequence hear of one another.
enum Mixer {
    Attention(Attention),
    Delta(Delta),
}

/// What the layers of one pass have in common.
pub(super) struct Pass<'a> {
    pub(super) config: &'a Config,
    pub(super) compute: &'a Compute,
    /// Tokens of a sequence up to which each is computed as if it were alone.
    pub(super) few: usize,
    /// Of the new tokens.
    rope: Rope,
}

/// Cosines and sines of the rotary angles, (max_len, n_rotated / 2) each.
pub(super) struct Rope {
    pub(super) cos: Tensor,
    pub(super) sin: Tensor,
}

impl Qwen {
    /// Reads all weights. Sequences may grow to `max_len` tokens, or to the model's own context if that is shorter.
    ///
    /// A card takes what has heads that its kernels know, and fits twice into its free memory as bf16; of any other
    /// model it takes the steps of candle, on weights that stay quantized.
    pub fn load(gguf: &mut Gguf, compute: &Compute, max_len: usize) -> Result<Qwen> {
        let config = gguf.config().clone();
        let max_len = max_len.min(config.n_context);
        let (compute, body) = match compute {
            Compute::Card(card) if OnCard::takes(card, &config)? => {
                (compute.clone(), Body::Card(Box::new(OnCard::load(gguf, card.clone(), max_len)?)))
            }
            Compute::Card(card) => {
                let steps = Compute::Steps { device: card.device().clone(), floats: false };
                (steps.clone(), Body::Plain(Box::new(Plain::load(gguf, steps, max_len)?)))
            }
            _ => (compute.clone(), Body::Plain(Box::new(Plain::load(gguf, compute.clone(), max_len)?))),
        };
        let beginning = match &config.recurrent {
            Some(recurrent) => {
                let n_layers = config.n_layers - config.n_attention_layers();
                vec![Delta::beginning(recurrent.shape, &compute)?; n_layers]
            }
            None => Vec::new(),
        };
        Ok(Qwen { config, max_len, compute, beginning, body })
    }

    /// The model's settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it is computed with, which need not be what was asked for.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The longest sequence, in tokens.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// The most tokens that the sequences alive should hold together: as many as one sequence, or as a card has memory
    /// for, less a share for what lies between the layers.
    pub fn max_held(&self) -> Result<usize> {
        const BETWEEN: u64 = 1 << 30;
        let Body::Card(body) = &self.body else { return Ok(self.max_len) };
        let Memory { free, .. } = body.card().memory()?;
        let Config { n_layers, n_kv_heads, head_dim, .. } = self.config;
        let of_token = (2 * n_layers * n_kv_heads * head_dim * DType::F16.size_in_bytes()) as u64;
        let for_caches = free.saturating_sub(BETWEEN).min(free / 10 * 9);
        Ok(self.max_len.max((for_caches / of_token) as usize))
    }

    /// The card, where the whole model is on one.
    pub fn card(&self) -> Option<&Card> {
        match &self.body {
            Body::Plain(_) => None,
            Body::Card(body) => Some(body.card()),
        }
    }

    /// An empty cache for this model.
    pub fn cache(&self) -> Cache {
        let Config { n_kv_heads, head_dim, .. } = self.config;
        let n_layers = self.config.n_attention_layers();
        let shape = CacheShape { n_layers, n_kv_heads, head_dim, max_len: self.max_len };
        Cache::new(shape, &self.beginning, self.compute.device())
    }

    /// What the logits of a token depend on beside the tokens before it.
    pub fn company(&self) -> Company {
        match &self.body {
            Body::Plain(body) => body.company,
            Body::Card(_) => Company::Loose,
        }
    }

    /// Reads `ids` behind what the cache holds, and returns the logits (vocabulary) after the last of them.
    ///
    /// They are read in chunks of about the same size: more than a few are never followed by a chunk of few, so that
    /// what the cache comes to hold does not depend on how much of a prompt was there before. With recurrent layers a
    /// chunk ends where another sequence could begin, and at each mark of the cache.
    ///
    /// # Errors
    /// [`Interrupted`], soon after `stop` became true; an id or a length that is out of range.
    pub fn forward(&self, ids: &[u32], cache: &mut Cache, stop: &AtomicBool) -> Result<Tensor> {
        ensure!(!ids.is_empty(), "no token to read");
        let (mut hidden, mut rest) = (None, ids);
        while !rest.is_empty() {
            hidden = None; // frees the last chunk's states before the next ones are made
            let (ids, behind) = rest.split_at(self.n_at_once(rest.len(), cache));
            rest = behind;
            let mut part = [Part { ids, cache }];
            hidden.replace(match &self.body {
                Body::Plain(body) => body.read(&mut part, body.n_last(), stop)?,
                Body::Card(body) => body.read(&mut part, stop)?,
            });
        }
        let hidden = hidden.expect("at least one chunk was read"); // (n_last at most, hidden)
        let last = hidden.narrow(0, hidden.dim(0)? - 1, 1)?;
        Ok(self.logits(&last)?.squeeze(0)?)
    }

    /// The last place, up to the first `n` tokens, from where on sequences that differ may go on.
    pub fn seam(&self, n: usize) -> usize {
        if self.beginning.is_empty() { n } else { n - n % DELTA_CHUNK }
    }

    /// How many of `n` tokens go through the layers next.
    fn n_at_once(&self, n: usize, cache: &Cache) -> usize {
        let most = match self.body {
            Body::Plain(_) => CHUNK,
            Body::Card(_) => CARD_CHUNK,
        };
        let even = n.div_ceil(n.div_ceil(most));
        if self.beginning.is_empty() || n <= most {
            return cache.n_to_mark(even);
        }
        // No more than `most`, which the size of a chunk divides, if the cache ends where a chunk does.
        cache.n_to_mark((cache.len() + even).next_multiple_of(DELTA_CHUNK) - cache.len())
    }

    /// How many new tokens of several sequences [`Qwen::prefill`] takes at once; none, where one prompt after the other
    /// is as fast.
    pub fn prefill_room(&self) -> usize {
        match self.body {
            Body::Plain(_) => 0,
            Body::Card(_) => CARD_CHUNK,
        }
    }

    /// As [`Qwen::forward`] for several sequences: the logits after the last token of each, (sequences, vocabulary).
    pub fn prefill(&self, parts: &mut [Part<'_>], stop: &AtomicBool) -> Result<Tensor> {
        match (&self.body, parts) {
            (_, [part]) => Ok(self.forward(part.ids, part.cache, stop)?.unsqueeze(0)?),
            (Body::Plain(_), parts) => {
                let alone = parts.iter_mut().map(|part| self.forward(part.ids, part.cache, stop));
                Ok(Tensor::stack(&alone.collect::<Result<Vec<_>>>()?, 0)?)
            }
            (Body::Card(body), parts) => {
                let hidden = body.read(parts, stop)?;
                let ends = parts.iter().scan(0, |end, part| {
                    *end += part.ids.len() as u32;
                    Some(*end - 1)
                });
                let last = Tensor::from_vec(ends.collect::<Vec<u32>>(), parts.len(), hidden.device())?;
                self.logits(&hidden.index_select(&last, 0)?)
            }
        }
    }

    /// As [`Qwen::forward`], with the logits after every one of `ids`, (ids, vocabulary): to verify, not to write.
    pub fn forward_all(&self, ids: &[u32], cache: &mut Cache, stop: &AtomicBool) -> Result<Tensor> {
        ensure!(!ids.is_empty(), "no token to read");
        let chunks = ids.chunks(CHUNK).map(|ids| self.step(&mut [Part { ids, cache }], stop));
        Ok(Tensor::cat(&chunks.collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// Reads the parts of several sequences at once, and returns the logits after every one of their tokens, (tokens,
    /// vocabulary). When it fails, no cache has changed.
    pub fn step(&self, parts: &mut [Part<'_>], stop: &AtomicBool) -> Result<Tensor> {
        let hidden = match &self.body {
            Body::Plain(body) => body.read(parts, usize::MAX, stop)?,
            Body::Card(body) => body.read(parts, stop)?,
        };
        self.logits(&hidden)
    }

    /// (n, hidden) -> (n, vocabulary).
    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        match &self.body {
            Body::Plain(body) => body.logits(hidden),
            Body::Card(body) => body.logits(hidden),
        }
    }
}

impl Plain {
    fn load(gguf: &mut Gguf, compute: Compute, max_len: usize) -> Result<Plain> {
        let config = gguf.config().clone();
        let (n_vocabulary, n_hidden) = (config.n_vocabulary, config.n_hidden);
        let mut weights = Weights { gguf, compute: &compute };
        let embedding = match weights.gguf.has("output.weight") {
            true => Embedding::Apart {
                input: weights.gguf.rows("token_embd.weight", &[n_vocabulary, n_hidden])?,
                output: weights.linear("output", n_vocabulary, n_hidden, false)?,
            },
            false => Embedding::Tied(weights.linear("token_embd", n_vocabulary, n_hidden, false)?),
        };
        let final_norm = weights.vector("output_norm.weight", n_hidden)?;
        let layers = (0..config.n_layers).map(|idx| Layer::load(&mut weights, &config, idx));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let (Embedding::Apart { output, .. } | Embedding::Tied(output)) = &embedding;
        let linears = layers.iter().flat_map(Layer::linears);
        let company = linears.map(QLinear::company).fold(output.company(), Company::and);
        let rope = Rope::new(&config, max_len, compute.device())?;
        Ok(Plain { config, compute, company, embedding, layers, final_norm, rope })
    }

    /// How many tokens of a sequence are few: each of them is computed as if it were alone.
    fn few(&self) -> usize {
        match self.company {
            Company::Exact { few } => few,
            Company::Loose => LOOSE_FEW,
        }
    }

    /// How many of the last tokens of a prompt go through all of the last layer: as many as are computed alike beside all
    /// the others.
    fn n_last(&self) -> usize {
        match self.company {
            Company::Exact { few } => few + 1,
            Company::Loose => 1,
        }
    }

    /// Takes the tokens of all parts through all layers: (tokens, hidden). Of a part that is alone only the last `n_last`
    /// tokens come out; of the others nothing but the keys and values of the last layer is needed.
    fn read(&self, parts: &mut [Part<'_>], n_last: usize, stop: &AtomicBool) -> Result<Tensor> {
        for part in parts.iter_mut() {
            part.cache.reserve(part.ids.len())?;
        }
        let rope = self.rope.of(parts)?;
        let pass = Pass { config: &self.config, compute: &self.compute, few: self.few(), rope };
        let ids: Vec<u32> = parts.iter().flat_map(|part| part.ids).copied().collect();
        let (compute, eps) = (&self.compute, self.config.rms_eps as f32);
        let mut x = self.embedding.rows(&ids)?.to_device(compute.device())?; // (tokens, hidden)
        for (idx, layer) in self.layers.iter().enumerate() {
            check(stop)?;
            let normed = compute.rms_norm(&x, &layer.mixer_norm, eps)?;
            let is_last = idx + 1 == self.layers.len() && parts.len() == 1;
            let n_out = if is_last { n_last } else { usize::MAX };
            let mixed = layer.mixer.forward(&normed, n_out, parts, &pass)?;
            let n_out = mixed.dim(0)?;
            x = compute.add(&x.narrow(0, x.dim(0)? - n_out, n_out)?, &mixed)?;
            check(stop)?;
            let normed = compute.rms_norm(&x, &layer.feed_forward_norm, eps)?;
            x = compute.add(&x, &compute.feed_forward([&layer.gate, &layer.up, &layer.down], &normed)?)?;
        }
        for part in parts {
            part.cache.advance(part.ids.len());
        }
        Ok(x)
    }

    /// (n, hidden) -> (n, vocabulary).
    ///
    /// # Errors
    /// [`NotFinite`]: a product with quantized weights rounds what is not a number to some number, so that the logits
    /// alone would not show it.
    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let normed = self.compute.rms_norm(&hidden.contiguous()?, &self.final_norm, self.config.rms_eps as f32)?;
        if !normed.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Err(NotFinite.into());
        }
        match &self.embedding {
            Embedding::Apart { output, .. } | Embedding::Tied(output) => output.forward(&normed),
        }
    }
}

impl Embedding {
    /// (ids, hidden).
    fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        match self {
            Embedding::Apart { input, .. } => input.read(ids),
            Embedding::Tied(table) => table.rows(ids),
        }
    }
}

impl Layer {
    fn load(weights: &mut Weights<'_>, config: &Config, layer_idx: usize) -> Result<Layer> {
        let Config { n_hidden, n_feed_forward, .. } = *config;
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let feed_forward_norm = match config.family {
            Family::Qwen2 | Family::Qwen3 => "ffn_norm.weight",
            Family::Qwen35 => "post_attention_norm.weight",
        };
        let mixer = match &config.recurrent {
            Some(recurrent) if recurrent.layers[layer_idx] => {
                Mixer::Delta(Delta::load(weights, config, recurrent.shape, layer_idx)?)
            }
            _ => Mixer::Attention(Attention::load(weights, config, layer_idx)?),
        };
        Ok(Layer {
            mixer_norm: weights.vector(&name("attn_norm.weight"), n_hidden)?,
            mixer,
            feed_forward_norm: weights.vector(&name(feed_forward_norm), n_hidden)?,
            gate: weights.linear(&name("ffn_gate"), n_feed_forward, n_hidden, false)?,
            up: weights.linear(&name("ffn_up"), n_feed_forward, n_hidden, false)?,
            down: weights.linear(&name("ffn_down"), n_hidden, n_feed_forward, false)?,
        })
    }

    fn linears(&self) -> Vec<&QLinear> {
        let mixer = match &self.mixer {
            Mixer::Attention(attention) => attention.linears(),
            Mixer::Delta(delta) => delta.linears(),
        };
        [mixer, vec![&self.gate, &self.up, &self.down]].concat()
    }
}

impl Mixer {
    /// (tokens, hidden) -> (the last `n_out` tokens of each part, hidden).
    fn forward(&self, x: &Tensor, n_out: usize, parts: &mut [Part<'_>], pass: &Pass<'_>) -> Result<Tensor> {
        match self {
            Mixer::Attention(attention) => attention.forward(x, n_out, parts, pass),
            Mixer::Delta(delta) => delta.forward(x, n_out, parts, pass),
        }
    }
}

impl Pass<'_> {
    /// Turns the heads of all tokens, (tokens, head, head_dim), by their positions.
    pub(super) fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        self.compute.rotate(x, &self.rope.cos, &self.rope.sin)
    }
}

impl Rope {
    pub(super) fn new(config: &Config, max_len: usize, device: &Device) -> Result<Rope> {
        let half = config.n_rotated / 2;
        let frequency = |pair: usize| config.rope_base.powf(-(pair as f64) / half as f64);
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let table = |function: fn(f64) -> f64| {
            let angles = (0..max_len).flat_map(|position| frequencies.iter().map(move |f| position as f64 * f));
            Tensor::from_iter(angles.map(|angle| function(angle) as f32), device)?.reshape((max_len, half))
        };
        Ok(Rope { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }

    /// The rows of the positions of all new tokens.
    fn of(&self, parts: &[Part<'_>]) -> Result<Rope> {
        let rows = |table: &Tensor| {
            let rows = |part: &Part<'_>| table.narrow(0, part.cache.len(), part.ids.len());
            Tensor::cat(&parts.iter().map(rows).collect::<Result<Vec<_>, _>>()?, 0)
        };
        Ok(Rope { cos: rows(&self.cos)?, sin: rows(&self.sin)? })
    }
}

/// Twice a layer: on a small machine a layer takes a second for a whole chunk.
pub(super) fn check(stop: &AtomicBool) -> Result<(), Interrupted> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Interrupted),
        false => Ok(()),
    }
}

/// Tensors of a file on their way to what computes with them.
pub(super) struct Weights<'a> {
    pub(super) gguf: &'a mut Gguf,
    pub(super) compute: &'a Compute,
}

impl Weights<'_> {
    /// `NAME.weight`, (n_outputs, n_inputs), with `NAME.bias`, (n_outputs), if there is to be one.
    pub(super) fn linear(&mut self, name: &str, n_outputs: usize, n_inputs: usize, has_bias: bool) -> Result<QLinear> {
        let bias = match has_bias {
            true => Some(self.vector(&format!("{name}.bias"), n_outputs)?),
            false => None,
        };
        let shape = [n_outputs, n_inputs];
        let (file, bytes, dtype) = self.gguf.mapped(&format!("{name}.weight"), &shape)?;
        QLinear::mapped(self.compute, file, bytes, dtype, shape.into(), bias)
    }

    /// A small tensor, dequantized: (n), f32.
    pub(super) fn vector(&mut self, name: &str, n: usize) -> Result<Tensor> {
        self.floats(name, &[n])
    }

    /// The same of any shape.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let device = self.compute.device();
        Ok(self.gguf.tensor(name, shape, device)?.dequantize(device)?.to_dtype(DType::F32)?)
    }
}
