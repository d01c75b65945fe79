//! The name of a shape in, the file of a model of that shape out, with random weights: what a machine makes of a model
//! can be measured where no weights are. What such a model writes means nothing.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::Device;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use half::f16;

use crate::kernel::DeltaShape;

/// A shape, and the formats that a quantized model of it has.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The name.
    pub name: &'static str,
    architecture: &'static str,
    n_layers: usize,
    n_hidden: usize,
    n_feed_forward: usize,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    n_vocabulary: usize,
    /// Of the layers that are not attention, of which every fourth is; none where all are.
    delta: Option<DeltaShape>,
    /// Of the layers, and of the embedding and the output.
    dtypes: [GgmlDType; 2],
}

/// All that there are.
pub const SHAPES: [Shape; 7] = [
    Shape {
        name: "tiny",
        architecture: "qwen2",
        n_layers: 3,
        n_hidden: 256,
        n_feed_forward: 512,
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
        n_vocabulary: 2_048,
        delta: None,
        dtypes: [GgmlDType::Q5_0, GgmlDType::Q8_0],
    },
    Shape {
        name: "qwen2.5-0.5b",
        architecture: "qwen2",
        n_layers: 24,
        n_hidden: 896,
        n_feed_forward: 4_864,
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
        n_vocabulary: 151_936,
        delta: None,
        dtypes: [GgmlDType::Q5_0, GgmlDType::Q8_0],
    },
    Shape {
        name: "qwen3-0.6b",
        architecture: "qwen3",
        n_layers: 28,
        n_hidden: 1_024,
        n_feed_forward: 3_072,
        n_heads: 16,
        n_kv_heads: 8,
        head_dim: 128,
        n_vocabulary: 151_936,
        delta: None,
        dtypes: [GgmlDType::Q8_0, GgmlDType::Q8_0],
    },
    Shape {
        name: "qwen2.5-1.5b",
        architecture: "qwen2",
        n_layers: 28,
        n_hidden: 1_536,
        n_feed_forward: 8_960,
        n_heads: 12,
        n_kv_heads: 2,
        head_dim: 128,
        n_vocabulary: 151_936,
        delta: None,
        dtypes: [GgmlDType::Q4K, GgmlDType::Q6K],
    },
    Shape {
        name: "qwen3.5-0.8b",
        architecture: "qwen35",
        n_layers: 24,
        n_hidden: 1_024,
        n_feed_forward: 3_584,
        n_heads: 8,
        n_kv_heads: 2,
        head_dim: 256,
        n_vocabulary: 248_320,
        delta: Some(DeltaShape { n_key_heads: 16, n_heads: 16, head_dim: 128, n_taps: 4 }),
        dtypes: [GgmlDType::Q4K, GgmlDType::Q6K],
    },
    Shape {
        name: "qwen3.5-2b",
        architecture: "qwen35",
        n_layers: 24,
        n_hidden: 2_048,
        n_feed_forward: 6_144,
        n_heads: 8,
        n_kv_heads: 2,
        head_dim: 256,
        n_vocabulary: 248_320,
        delta: Some(DeltaShape { n_key_heads: 16, n_heads: 16, head_dim: 128, n_taps: 4 }),
        dtypes: [GgmlDType::Q4K, GgmlDType::Q6K],
    },
    Shape {
        name: "qwen3.5-4b",
        architecture: "qwen35",
        n_layers: 32,
        n_hidden: 2_560,
        n_feed_forward: 9_216,
        n_heads: 16,
        n_kv_heads: 4,
        head_dim: 256,
        n_vocabulary: 248_320,
        delta: Some(DeltaShape { n_key_heads: 16, n_heads: 32, head_dim: 128, n_taps: 4 }),
        dtypes: [GgmlDType::Q4K, GgmlDType::Q6K],
    },
];

/// Of the layers of a hybrid, one in so many is attention.
const INTERVAL: usize = 4;

/// What the vocabulary ends with, and unused slots behind it.
const CONTROL: [&str; 5] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"];
const N_UNUSED: usize = 290;

impl Shape {
    /// Writes a model whose weights are drawn with this seed.
    pub fn write(&self, path: &Path, seed: u64) -> Result<()> {
        let metadata = self.metadata();
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors = self.tensors(&mut Random(seed))?;
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let file = File::create(path).with_context(|| format!("failed to write `{}`", path.display()))?;
        Ok(gguf_file::write(&mut BufWriter::new(file), &metadata, &tensors)?)
    }

    fn metadata(&self) -> Vec<(String, Value)> {
        let of = |key: &str| format!("{}.{key}", self.architecture);
        let number = |n: usize| Value::U32(n as u32);
        let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let n_plain = self.n_vocabulary - CONTROL.len() - N_UNUSED;
        // Bytes as themselves or, where they do not print, as characters from U+0100 on; then words that no text has.
        let prints = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let mut unprinted = '\u{100}'..='\u{143}';
        let spell = |byte: u8| if prints(&byte) { Some(char::from(byte)) } else { unprinted.next() };
        let mut tokens: Vec<String> = (0..=u8::MAX).filter_map(spell).map(String::from).collect();
        tokens.push("Ġw".into());
        tokens.extend((tokens.len()..n_plain).map(|id| format!("Ġword{id}")));
        tokens.extend(CONTROL.map(String::from));
        tokens.extend((0..N_UNUSED).map(|number| format!("[PAD{number}]")));
        let kinds = [(n_plain, 1), (CONTROL.len(), 3), (N_UNUSED, 5)];
        let kinds = kinds.into_iter().flat_map(|(n, kind)| std::iter::repeat_n(Value::I32(kind), n));
        let mut metadata = vec![
            ("general.architecture".into(), Value::String(self.architecture.into())),
            (of("block_count"), number(self.n_layers)),
            (of("context_length"), number(32_768)),
            (of("embedding_length"), number(self.n_hidden)),
            (of("feed_forward_length"), number(self.n_feed_forward)),
            (of("attention.head_count"), number(self.n_heads)),
            (of("attention.head_count_kv"), number(self.n_kv_heads)),
            (of("attention.key_length"), number(self.head_dim)),
            (of("attention.layer_norm_rms_epsilon"), Value::F32(1e-6)),
            (of("rope.freq_base"), Value::F32(1e6)),
            ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
            ("tokenizer.ggml.pre".into(), Value::String("qwen2".into())),
            ("tokenizer.ggml.tokens".into(), texts(tokens)),
            ("tokenizer.ggml.token_type".into(), Value::Array(kinds.collect())),
            ("tokenizer.ggml.merges".into(), texts(vec!["Ġ w".into()])),
        ];
        if let Some(DeltaShape { n_key_heads, n_heads, head_dim, n_taps }) = self.delta {
            metadata.extend([
                (of("full_attention_interval"), number(INTERVAL)),
                (of("rope.dimension_count"), number(self.head_dim / 4)),
                (of("ssm.group_count"), number(n_key_heads)),
                (of("ssm.time_step_rank"), number(n_heads)),
                (of("ssm.state_size"), number(head_dim)),
                (of("ssm.inner_size"), number(n_heads * head_dim)),
                (of("ssm.conv_kernel"), number(n_taps)),
            ]);
        }
        metadata
    }

    fn tensors(&self, random: &mut Random) -> Result<Vec<(String, QTensor)>> {
        let [of_layer, of_table] = self.dtypes;
        let (n_query, n_key) = (self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim);
        let is_qwen2 = self.architecture == "qwen2";
        let mut tensors = Vec::new();
        // The large tables of Qwen3.5 are one.
        let tables: &[&str] = if self.delta.is_some() { &["token_embd"] } else { &["token_embd", "output"] };
        for name in tables {
            tensors.push((format!("{name}.weight"), random.matrix(of_table, self.n_vocabulary, self.n_hidden)?));
        }
        let ones = |n: usize| vector(vec![1.0; n]);
        tensors.push(("output_norm.weight".into(), ones(self.n_hidden)?));
        for idx in 0..self.n_layers {
            let mut put = |name: &str, tensor: QTensor| tensors.push((format!("blk.{idx}.{name}"), tensor));
            for (name, n, k) in [
                ("ffn_gate", self.n_feed_forward, self.n_hidden),
                ("ffn_up", self.n_feed_forward, self.n_hidden),
                ("ffn_down", self.n_hidden, self.n_feed_forward),
            ] {
                put(&format!("{name}.weight"), random.matrix(of_layer, n, k)?);
            }
            put("attn_norm.weight", ones(self.n_hidden)?);
            let feed_forward_norm = if self.delta.is_some() { "post_attention_norm" } else { "ffn_norm" };
            put(&format!("{feed_forward_norm}.weight"), ones(self.n_hidden)?);
            match self.delta {
                Some(delta) if !(idx + 1).is_multiple_of(INTERVAL) => {
                    let n_value = delta.n_heads * delta.head_dim;
                    put("attn_qkv.weight", random.matrix(of_layer, delta.width(), self.n_hidden)?);
                    put("attn_gate.weight", random.matrix(of_layer, n_value, self.n_hidden)?);
                    put("ssm_alpha.weight", random.matrix(GgmlDType::Q8_0, delta.n_heads, self.n_hidden)?);
                    put("ssm_beta.weight", random.matrix(GgmlDType::Q8_0, delta.n_heads, self.n_hidden)?);
                    put("ssm_out.weight", random.matrix(of_layer, self.n_hidden, n_value)?);
                    let taps = (0..delta.width() * delta.n_taps).map(|_| f32::from(random.byte()) / 256.0).collect();
                    put("ssm_conv1d.weight", floats(taps, &[delta.width(), delta.n_taps])?);
                    put("ssm_dt.bias", vector(vec![-1.0; delta.n_heads])?);
                    put("ssm_a", vector(vec![-0.3; delta.n_heads])?);
                    put("ssm_norm.weight", ones(delta.head_dim)?);
                }
                _ => {
                    let n_asked = if self.delta.is_some() { 2 * n_query } else { n_query };
                    for (name, n) in [("attn_q", n_asked), ("attn_k", n_key), ("attn_v", n_key)] {
                        put(&format!("{name}.weight"), random.matrix(of_layer, n, self.n_hidden)?);
                        if is_qwen2 {
                            let biases = (0..n).map(|_| random.byte() as i8 as f32 / 256.0).collect();
                            put(&format!("{name}.bias"), vector(biases)?);
                        }
                    }
                    put("attn_output.weight", random.matrix(of_layer, self.n_hidden, n_query)?);
                    if !is_qwen2 {
                        put("attn_q_norm.weight", ones(self.head_dim)?);
                        put("attn_k_norm.weight", ones(self.head_dim)?);
                    }
                }
            }
        }
        Ok(tensors)
    }
}

fn vector(values: Vec<f32>) -> Result<QTensor> {
    let n = values.len();
    floats(values, &[n])
}

fn floats(values: Vec<f32>, shape: &[usize]) -> Result<QTensor> {
    let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(QTensor::new(QStorage::from_data(bytes.into(), &Device::Cpu, GgmlDType::F32)?, shape)?)
}

/// SplitMix64, <https://doi.org/10.1145/2714064.2660195>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// Random blocks, whose scales make the products of rows of size 1 about 1 in size.
    fn matrix(&mut self, dtype: GgmlDType, n: usize, k: usize) -> Result<QTensor> {
        // Where the f16 scales of a block stand, and what the block's values are in size where the scale is 1.
        let (scales, size): (&[(usize, f32)], f32) = match dtype {
            GgmlDType::Q5_0 => (&[(0, 1.0)], 9.2),
            GgmlDType::Q8_0 => (&[(0, 1.0)], 73.9),
            // The minima are about as large as the mean of what they are taken from.
            GgmlDType::Q4K => (&[(0, 1.0), (2, 7.5)], 258.0),
            GgmlDType::Q6K => (&[(208, 1.0)], 1_369.0),
            other => anyhow::bail!("no random weights in {other:?}"),
        };
        let mut bytes = vec![0; n * k / dtype.block_size() * dtype.type_size()];
        for bytes in bytes.chunks_mut(8) {
            bytes.copy_from_slice(&self.next().to_le_bytes()[..bytes.len()]);
        }
        for block in bytes.chunks_exact_mut(dtype.type_size()) {
            for (at, factor) in scales {
                let scale = f16::from_f32(factor / size / (k as f32).sqrt());
                block[*at..at + 2].copy_from_slice(&scale.to_le_bytes());
            }
        }
        Ok(QTensor::new(QStorage::from_data(bytes.into(), &Device::Cpu, dtype)?, (n, k))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_weights_are_of_one_size_in_every_format() {
        for dtype in [GgmlDType::Q5_0, GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K] {
            let weights = Random(1).matrix(dtype, 64, 1_024).unwrap().dequantize(&Device::Cpu).unwrap();
            let mean = |x: candle_core::Tensor| x.mean_all().unwrap().to_scalar::<f32>().unwrap() * 1_024.0;
            let size = mean(weights.sqr().unwrap()).sqrt();
            assert!((0.9..1.1).contains(&size), "{dtype:?}: {size}");
            // A signed number of 5 bits has a mean of -1/2.
            assert!(mean(weights).abs() / 32.0 < 0.1, "{dtype:?}");
        }
    }
}
