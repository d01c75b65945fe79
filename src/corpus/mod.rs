//! Folders and files in, passages that may hold an answer out. Never meets a language model.

use serde::{Deserialize, Serialize};

use crate::text::Lang;

mod analyse;
pub mod articles;
mod bytes;
mod catalogue;
pub mod date;
mod dense;
pub mod filter;
mod formats;
mod fuse;
pub mod index;
pub mod passage;
pub mod reread;
mod search;
pub mod source;
pub mod sync;
mod table;
pub mod terms;
mod vectors;

pub use fuse::Print;

/// A run of whole sentences of one article: the unit that is searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The article's path as the source named it.
    pub path: String,
    /// Lowercase hex SHA-256 of the article's clean text.
    pub sha256: String,
    /// The article's title.
    pub title: Option<String>,
    /// Who wrote the article, as written.
    pub byline: Option<String>,
    /// The article's date, as written.
    pub date: Option<String>,
    /// The article's language.
    pub lang: Lang,
    /// The number of its first sentence in the article, from 0.
    pub first_sentence: usize,
    /// The sentences: byte offsets into the article's clean text, and their words.
    pub sentences: Vec<PassageSentence>,
}

/// One sentence of a passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageSentence {
    /// First byte in the article's clean text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The words of the sentence.
    pub text: String,
    /// Whether it is only a part of an over-long sentence.
    #[serde(default)]
    pub is_piece: bool,
}

/// Turns texts into vectors of length 1 whose products tell how close the meanings are. What [`crate::corpus`] knows of
/// any model.
pub trait Encoder {
    /// Lowercase hex SHA-256 of its weights: vectors of different encoders cannot be compared.
    fn sha256(&self) -> &str;

    /// Numbers in a vector.
    fn n_dims(&self) -> usize;

    /// One vector a passage, in order, whatever else is in the batch.
    fn passages(&mut self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>>;

    /// The vector that is closest to those of the passages with the answer.
    fn question(&mut self, text: &str) -> anyhow::Result<Vec<f32>>;
}

/// A passage that matched a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What matched.
    pub passage: Passage,
    /// How well it matched: comparable within one search only.
    pub score: f32,
    /// The paths of other articles that say the same, nearly word for word.
    pub also: Vec<String>,
}
