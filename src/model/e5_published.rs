//! An encoder as its authors publish it, `model.safetensors` and `tokenizer.json`, in; its sizes, tensors and vocabulary
//! out. Knows no forward pass.
//!
//! Tensors have the names here that `e5` gives them. The names in the file are those of BERT in
//! <https://github.com/huggingface/transformers>, and the numbers are f32.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use tokenizers::normalizers::Precompiled;

use super::e5::{Sizes, floats};
use super::unigram::Unigram;

/// What the file of weights does not say, from the `config.json` in <https://huggingface.co/intfloat/multilingual-e5-small>.
const HEAD_DIM: usize = 32;
const EPSILON: f32 = 1e-12;
/// `<s>` and `</s>`.
const FRAME: [&str; 2] = ["<s>", "</s>"];
const FRAME_IDS: [u32; 2] = [0, 2];

/// Tensors of f32 in a file.
pub(super) struct Published {
    map: Arc<Mmap>,
    metadata: Metadata,
    /// Where the bytes begin that the metadata counts from.
    start: usize,
}

impl Published {
    /// Reads the names and places of the tensors.
    pub(super) fn read(map: Arc<Mmap>) -> Result<Published> {
        let (n_header, metadata) = SafeTensors::read_metadata(&map)?;
        // Eight bytes before the header say how long it is.
        let start = 8 + n_header;
        ensure!(start + metadata.data_len() == map.len(), "it is not as long as its header says");
        Ok(Published { map, metadata, start })
    }

    /// The sizes, as the shapes of the tensors give them.
    pub(super) fn sizes(&self) -> Result<Sizes> {
        let rows_and_columns = |name: &str| -> Result<[usize; 2]> {
            let shape = &self.info(name)?.shape;
            let shape = shape.as_slice().try_into();
            shape.with_context(|| format!("`{name}` is no matrix"))
        };
        let [n_vocabulary, n_hidden] = rows_and_columns("emb.word")?;
        ensure!(n_hidden > 0 && n_hidden.is_multiple_of(HEAD_DIM), "heads of {HEAD_DIM} do not share {n_hidden}");
        let has_layer = |number: &usize| self.info(&format!("l{number}.q.w")).is_ok();
        let [n_positions, _] = rows_and_columns("emb.pos")?;
        ensure!(n_positions > 2, "there are {n_positions} positions");
        Ok(Sizes {
            n_hidden,
            n_layers: (0..).take_while(has_layer).count(),
            n_heads: n_hidden / HEAD_DIM,
            n_feed_forward: rows_and_columns("l0.fi.w")?[0],
            n_vocabulary,
            n_positions,
            n_kinds: rows_and_columns("emb.type")?[0],
            epsilon: EPSILON,
            begin: FRAME_IDS[0],
            end: FRAME_IDS[1],
        })
    }

    /// All numbers of a tensor.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f32>> {
        let (map, bytes) = self.place(name)?;
        Ok(floats(&map[bytes]))
    }

    /// The file, and where in it a tensor lies.
    pub(super) fn place(&self, name: &str) -> Result<(Arc<Mmap>, Range<usize>)> {
        let (start, end) = self.info(name)?.data_offsets;
        Ok((self.map.clone(), self.start + start..self.start + end))
    }

    fn info(&self, name: &str) -> Result<&safetensors::tensor::TensorInfo> {
        let published = published_name(name).with_context(|| format!("`{name}` has no name"))?;
        let info = self.metadata.info(&published);
        let info = info.with_context(|| format!("there is no `{published}`"))?;
        ensure!(info.dtype == Dtype::F32, "`{published}` is of another type");
        Ok(info)
    }
}

/// What a tensor is called by those who publish it.
pub(super) fn published_name(name: &str) -> Option<String> {
    let part = |short: &str| match short {
        "w" => Some("weight"),
        "b" => Some("bias"),
        _ => None,
    };
    if let Some(embedding) = name.strip_prefix("emb.") {
        let table = |what: &str| Some(format!("embeddings.{what}_embeddings.weight"));
        return match embedding.split_once('.') {
            None if embedding == "word" => table("word"),
            None if embedding == "pos" => table("position"),
            None if embedding == "type" => table("token_type"),
            Some(("ln", short)) => Some(format!("embeddings.LayerNorm.{}", part(short)?)),
            _ => None,
        };
    }
    let mut pieces = name.strip_prefix('l')?.split('.');
    let number: usize = pieces.next()?.parse().ok()?;
    let module = match pieces.next()? {
        "q" => "attention.self.query",
        "k" => "attention.self.key",
        "v" => "attention.self.value",
        "ao" => "attention.output.dense",
        "aln" => "attention.output.LayerNorm",
        "fi" => "intermediate.dense",
        "fo" => "output.dense",
        "oln" => "output.LayerNorm",
        _ => return None,
    };
    let part = part(pieces.next()?)?;
    Some(format!("encoder.layer.{number}.{module}.{part}"))
}

/// The vocabulary in a `tokenizer.json`, and what its normalizer makes of each character.
pub(super) fn vocabulary(json: &[u8]) -> Result<Unigram> {
    #[derive(Deserialize)]
    struct File {
        normalizer: Normalizer,
        model: Model,
    }
    #[derive(Deserialize)]
    #[serde(tag = "type")]
    enum Normalizer {
        Precompiled(Precompiled),
        Sequence {
            normalizers: Vec<Normalizer>,
        },
        #[serde(other)]
        Other,
    }
    #[derive(Deserialize)]
    struct Model {
        unk_id: u32,
        vocab: Vec<(String, f32)>,
    }
    fn characters(normalizer: Normalizer) -> Option<Precompiled> {
        match normalizer {
            Normalizer::Precompiled(characters) => Some(characters),
            Normalizer::Sequence { normalizers } => normalizers.into_iter().find_map(characters),
            Normalizer::Other => None,
        }
    }
    let File { normalizer, model } = serde_json::from_slice(json).context("its tokenizer is of another kind")?;
    let characters = characters(normalizer).context("its tokenizer levels out no characters")?;
    for (id, control) in FRAME_IDS.into_iter().zip(FRAME) {
        let found = model.vocab.get(id as usize);
        ensure!(found.is_some_and(|(piece, _)| piece == control), "piece {id} is not `{control}`");
    }
    let mut normal = HashMap::new();
    for c in (1..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let mut buffer = [0; 4];
        let text = c.encode_utf8(&mut buffer);
        if let Some(replacement) = characters.transform(text).filter(|it| *it != &*text) {
            normal.insert(c, replacement.into());
        }
    }
    let mut starts = vec![0];
    let mut pieces = Vec::new();
    let mut scores = Vec::new();
    for (piece, score) in model.vocab {
        pieces.extend(piece.bytes());
        starts.push(u32::try_from(pieces.len())?);
        scores.push(score);
    }
    Unigram::new(pieces, starts, scores, model.unk_id, normal)
}
