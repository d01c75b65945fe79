//! A seed in, a small random model out, as the bytes of a GGUF file: the same shape as the real ones, with all of
//! their token kinds, in a fraction of a megabyte.

use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

/// The family that the file claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TinyFamily {
    /// Biases on query, key and value.
    Qwen2,
    /// Norms on the heads.
    Qwen3,
    /// Gates on the attention, and a Gated DeltaNet before it.
    Qwen35,
}

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiny {
    /// The family.
    pub family: TinyFamily,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// The format of the matrices; the K formats get a width of 256, all others one of 64.
    pub dtype: GgmlDType,
    /// Whether the embedding serves as the output projection.
    pub tied: bool,
}

/// Transformer blocks of the tiny models.
pub(crate) const N_LAYERS: usize = 2;
const N_HEADS: usize = 4;
const N_KV_HEADS: usize = 2;
/// Heads of a Gated DeltaNet with a key, and with a memory.
const N_DELTA_HEADS: [usize; 2] = [2, 4];
const N_TAPS: usize = 4;
const N_CONTEXT: u32 = 4_096;

/// Plain tokens beside the 256 bytes, as the texts that they are; each is merged from the left.
const WORDS: [&str; 12] = [" t", " the", "in", "ing", "er", " of", "\n\n", "  ", "的", "中国", "。", "user"];

/// The other tokens of the real vocabularies, with their GGUF types: 3 control, 4 user defined, 5 unused.
const SPECIAL: [(&str, i32); 14] = [
    ("<|endoftext|>", 3),
    ("<|im_start|>", 3),
    ("<|im_end|>", 3),
    ("<|object_ref_start|>", 3),
    ("<|vision_pad|>", 3),
    ("<tool_call>", 4),
    ("</tool_call>", 4),
    ("<|fim_prefix|>", 4),
    ("<|fim_suffix|>", 4),
    ("<|repo_name|>", 4),
    ("<|file_sep|>", 4),
    ("<think>", 4),
    ("</think>", 4),
    ("[PAD]", 5),
];

impl Tiny {
    /// An untied model with matrices in Q8_0.
    pub(crate) fn new(family: TinyFamily, seed: u64) -> Tiny {
        Tiny { family, seed, dtype: GgmlDType::Q8_0, tied: false }
    }

    /// Width of the residual stream.
    pub(crate) fn n_hidden(&self) -> usize {
        match self.dtype {
            GgmlDType::Q4K | GgmlDType::Q5K | GgmlDType::Q6K => 256,
            _ => 64,
        }
    }

    /// The bytes of the file.
    pub(crate) fn gguf(&self) -> Vec<u8> {
        self.write_gguf(self.metadata())
    }

    /// The same with a text under one more key.
    pub(crate) fn gguf_with(&self, key: &str, text: &str) -> Vec<u8> {
        let mut metadata = self.metadata();
        metadata.push((key.into(), Value::String(text.into())));
        self.write_gguf(metadata)
    }

    fn write_gguf(&self, metadata: Vec<(String, Value)>) -> Vec<u8> {
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors = self.tensors();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut file = std::io::Cursor::new(Vec::new());
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
        file.into_inner()
    }

    /// Writes the file into a folder, and returns its path.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let Tiny { family, seed, dtype, tied } = self;
        let path = folder.join(format!("tiny-{family:?}-{dtype:?}-{tied}-{seed}.gguf").to_lowercase());
        std::fs::write(&path, self.gguf()).unwrap();
        path
    }

    fn metadata(&self) -> Vec<(String, Value)> {
        let (tokens, types, merges) = vocabulary();
        let end = tokens.iter().position(|token| token == "<|im_end|>").unwrap();
        let name = match self.family {
            TinyFamily::Qwen2 => "qwen2",
            TinyFamily::Qwen3 => "qwen3",
            TinyFamily::Qwen35 => "qwen35",
        };
        let words = if self.family == TinyFamily::Qwen35 { "qwen35" } else { "qwen2" };
        let n_hidden = self.n_hidden() as u32;
        let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let mut metadata = vec![
            ("general.architecture".into(), Value::String(name.into())),
            // Keeps the oracle's rotary tables of Qwen3 in f32.
            ("general.dtype".into(), Value::U32(0)),
            (format!("{name}.block_count"), Value::U32(N_LAYERS as u32)),
            (format!("{name}.context_length"), Value::U32(N_CONTEXT)),
            (format!("{name}.embedding_length"), Value::U32(n_hidden)),
            (format!("{name}.feed_forward_length"), Value::U32(2 * n_hidden)),
            (format!("{name}.attention.head_count"), Value::U32(N_HEADS as u32)),
            (format!("{name}.attention.head_count_kv"), Value::U32(N_KV_HEADS as u32)),
            (format!("{name}.attention.layer_norm_rms_epsilon"), Value::F32(1e-6)),
            (format!("{name}.rope.freq_base"), Value::F32(1e6)),
            ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
            ("tokenizer.ggml.pre".into(), Value::String(words.into())),
            ("tokenizer.ggml.tokens".into(), texts(tokens)),
            ("tokenizer.ggml.token_type".into(), Value::Array(types.into_iter().map(Value::I32).collect())),
            ("tokenizer.ggml.merges".into(), texts(merges)),
            ("tokenizer.ggml.eos_token_id".into(), Value::U32(end as u32)),
        ];
        let mut number = |key: &str, n: usize| metadata.push((format!("{name}.{key}"), Value::U32(n as u32)));
        if self.family != TinyFamily::Qwen2 {
            number("attention.key_length", self.head_dim());
        }
        if self.family == TinyFamily::Qwen35 {
            let [n_key_heads, n_heads] = N_DELTA_HEADS;
            number("full_attention_interval", N_LAYERS);
            number("rope.dimension_count", self.head_dim() / 4);
            number("ssm.group_count", n_key_heads);
            number("ssm.time_step_rank", n_heads);
            number("ssm.state_size", self.delta_dim());
            number("ssm.inner_size", n_heads * self.delta_dim());
            number("ssm.conv_kernel", N_TAPS);
        }
        metadata
    }

    /// Qwen3's heads are together wider than its residual stream.
    fn head_dim(&self) -> usize {
        match self.family {
            TinyFamily::Qwen2 => self.n_hidden() / N_HEADS,
            TinyFamily::Qwen3 | TinyFamily::Qwen35 => self.n_hidden() / 2,
        }
    }

    /// Width of a head of a Gated DeltaNet.
    fn delta_dim(&self) -> usize {
        self.n_hidden() / N_DELTA_HEADS[1]
    }

    /// Of Qwen3.5, all layers but the last are a Gated DeltaNet.
    fn is_delta(&self, layer_idx: usize) -> bool {
        self.family == TinyFamily::Qwen35 && layer_idx + 1 < N_LAYERS
    }

    fn tensors(&self) -> Vec<(String, QTensor)> {
        let mut random = Random(self.seed);
        let n_vocabulary = vocabulary().0.len();
        let (n_hidden, head_dim) = (self.n_hidden(), self.head_dim());
        let (n_query, n_key) = (N_HEADS * head_dim, N_KV_HEADS * head_dim);
        let n_asked = if self.family == TinyFamily::Qwen35 { 2 * n_query } else { n_query };
        let n_value = N_DELTA_HEADS[1] * self.delta_dim();
        let n_delta = 2 * N_DELTA_HEADS[0] * self.delta_dim() + n_value;
        let mut tensors = Vec::new();
        let mut matrix = |random: &mut Random, name: String, n: usize, k: usize| {
            let scale = (3.0 / k as f32).sqrt();
            let values: Vec<f32> = (0..n * k).map(|_| scale * random.next()).collect();
            let values = Tensor::from_vec(values, (n, k), &Device::Cpu).unwrap();
            tensors.push((name, QTensor::quantize(&values, self.dtype).unwrap()));
        };
        matrix(&mut random, "token_embd.weight".into(), n_vocabulary, n_hidden);
        if !self.tied {
            matrix(&mut random, "output.weight".into(), n_vocabulary, n_hidden);
        }
        for layer_idx in 0..N_LAYERS {
            let mixer = match self.is_delta(layer_idx) {
                true => vec![
                    ("attn_qkv", n_delta, n_hidden),
                    ("attn_gate", n_value, n_hidden),
                    ("ssm_alpha", N_DELTA_HEADS[1], n_hidden),
                    ("ssm_beta", N_DELTA_HEADS[1], n_hidden),
                    ("ssm_out", n_hidden, n_value),
                ],
                false => vec![
                    ("attn_q", n_asked, n_hidden),
                    ("attn_k", n_key, n_hidden),
                    ("attn_v", n_key, n_hidden),
                    ("attn_output", n_hidden, n_query),
                ],
            };
            let feed_forward = [
                ("ffn_gate", 2 * n_hidden, n_hidden),
                ("ffn_up", 2 * n_hidden, n_hidden),
                ("ffn_down", n_hidden, 2 * n_hidden),
            ];
            for (name, n, k) in mixer.into_iter().chain(feed_forward) {
                matrix(&mut random, format!("blk.{layer_idx}.{name}.weight"), n, k);
            }
        }
        let mut vector = |name: String, shape: &[usize], center: f32| {
            let n = shape.iter().product::<usize>();
            let values: Vec<f32> = (0..n).map(|_| center + 0.2 * random.next()).collect();
            let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            tensors.push((name, QTensor::quantize(&values, GgmlDType::F32).unwrap()));
        };
        vector("output_norm.weight".into(), &[n_hidden], 1.0);
        for layer_idx in 0..N_LAYERS {
            vector(format!("blk.{layer_idx}.attn_norm.weight"), &[n_hidden], 1.0);
            let feed_forward_norm = match self.family {
                TinyFamily::Qwen35 => "post_attention_norm",
                TinyFamily::Qwen2 | TinyFamily::Qwen3 => "ffn_norm",
            };
            vector(format!("blk.{layer_idx}.{feed_forward_norm}.weight"), &[n_hidden], 1.0);
            match self.family {
                TinyFamily::Qwen2 => {
                    vector(format!("blk.{layer_idx}.attn_q.bias"), &[n_query], 0.0);
                    vector(format!("blk.{layer_idx}.attn_k.bias"), &[n_key], 0.0);
                    vector(format!("blk.{layer_idx}.attn_v.bias"), &[n_key], 0.0);
                }
                TinyFamily::Qwen35 if self.is_delta(layer_idx) => {
                    vector(format!("blk.{layer_idx}.ssm_a"), &[N_DELTA_HEADS[1]], -0.3);
                    vector(format!("blk.{layer_idx}.ssm_dt.bias"), &[N_DELTA_HEADS[1]], -1.0);
                    vector(format!("blk.{layer_idx}.ssm_norm.weight"), &[self.delta_dim()], 1.0);
                    vector(format!("blk.{layer_idx}.ssm_conv1d.weight"), &[n_delta, N_TAPS], 0.3);
                }
                TinyFamily::Qwen3 | TinyFamily::Qwen35 => {
                    vector(format!("blk.{layer_idx}.attn_q_norm.weight"), &[head_dim], 1.0);
                    vector(format!("blk.{layer_idx}.attn_k_norm.weight"), &[head_dim], 1.0);
                }
            }
        }
        tensors
    }
}

/// Tokens, their types, and the merges that make [`WORDS`].
fn vocabulary() -> (Vec<String>, Vec<i32>, Vec<String>) {
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| spelled(&[byte])).collect();
    let mut merges = Vec::new();
    for word in WORDS {
        let characters: Vec<char> = spelled(word.as_bytes()).chars().collect();
        for end in 2..=characters.len() {
            let (left, right) = characters[..end].split_at(end - 1);
            let whole: String = characters[..end].iter().collect();
            if !tokens.contains(&whole) {
                merges.push(format!("{} {}", left.iter().collect::<String>(), right[0]));
                tokens.push(whole);
            }
        }
    }
    let mut types = vec![1; tokens.len()];
    for (token, kind) in SPECIAL {
        tokens.push(token.into());
        types.push(kind);
    }
    (tokens, types, merges)
}

/// Bytes as byte-level BPE spells them: the printable ones of Latin-1 as themselves, the others from U+0100 on.
fn spelled(bytes: &[u8]) -> String {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let spell = |byte: u8| match prints(byte) {
        true => char::from(byte),
        false => {
            let n_before = (0..byte).filter(|other| !prints(*other)).count() as u32;
            char::from_u32(0x100 + n_before).unwrap()
        }
    };
    bytes.iter().map(|byte| spell(*byte)).collect()
}

/// A small generator of numbers from -1 to 1, the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number, from -1 to 1.
    pub(crate) fn next(&mut self) -> f32 {
        self.bits() as f32 / (1u64 << 31) as f32 - 1.0
    }

    /// The next number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.bits() as usize % n
    }

    /// The next 32 bits of a linear congruential generator with Knuth's constants.
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}
