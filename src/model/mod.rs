//! Prompts in, text out. Knows tokens and weights; knows no article and no terminal.
//!
//! [`LanguageModel`] is the waist of the house: everything above asks it and nothing else, and the [`Scripted`]
//! double stands in for it in tests.

use serde::{Deserialize, Serialize};

mod attention;
pub mod cache;
mod card;
mod delta;
mod e5;
mod e5_published;
pub mod embed;
pub mod engine;
pub mod gguf;
mod kept;
pub mod kv_store;
pub mod lookup;
pub mod qwen;
pub mod sample;
pub mod store;
pub mod tokens;
mod unigram;
pub mod write;

/// What the model is asked. The chat frame around it is made of token ids, never of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// The system turn.
    pub system: String,
    /// The user turn.
    pub user: String,
    /// The beginning of the model's own turn, which it is to continue; mostly empty.
    pub lead: String,
    /// The only text whose tokens may be written, beside the end of the turn; `None`: any token may.
    pub only: Option<String>,
}

/// Where a completion has to end, and how its tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The most tokens that may be written.
    pub max_tokens: usize,
    /// Stop before the first line break that follows some text.
    pub one_line: bool,
    /// How the next token is chosen.
    pub sampling: Sampling,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// The most probable token, always.
    #[default]
    Greedy,
    /// A seeded draw from the smallest set of tokens that holds `top_p` of the probability.
    Seeded {
        /// Divides the logits; above 0.
        temperature: f64,
        /// Between 0 and 1.
        top_p: f64,
        /// The same seed gives the same text.
        seed: u64,
    },
}

/// What the model wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text, without control tokens and without a `<think>` block.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// What it cost.
    pub usage: Usage,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The model ended its turn.
    EndOfTurn,
    /// The line was complete, and one line was asked for.
    Line,
    /// [`Limits::max_tokens`] was reached.
    TokenCap,
    /// The model repeated itself, again after a retry; the text was cut at the last whole sentence.
    Loop,
}

/// What completions cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompts, the chat frame included.
    pub prompt_tokens: usize,
    /// Those among them whose keys and values were in a cache already.
    pub reused_tokens: usize,
    /// Tokens written.
    pub completion_tokens: usize,
    /// Milliseconds of reading prompts.
    pub prefill_ms: u64,
    /// Milliseconds of writing; of time in which several texts were written, an equal share.
    pub decode_ms: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.prompt_tokens += other.prompt_tokens;
        self.reused_tokens += other.reused_tokens;
        self.completion_tokens += other.completion_tokens;
        self.prefill_ms += other.prefill_ms;
        self.decode_ms += other.decode_ms;
    }
}

/// Which weights answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The manifest's name, or the file's stem for a file of the user's own.
    pub name: String,
    /// Lowercase hex SHA-256 of the weights file.
    pub sha256: String,
}

/// Something that completes prompts.
pub trait LanguageModel {
    /// Which weights answer.
    fn identity(&self) -> &Identity;

    /// Tokens that the context holds for prompt content and answer together, the chat frame taken off.
    fn room(&self) -> usize;

    /// How many tokens of this model `text` is.
    fn count(&self, text: &str) -> usize;

    /// Whether tokens may be guessed ahead. That changes no text, only the time that writing it takes.
    fn guess_ahead(&mut self, _allowed: bool) {}

    /// How probable each of `words` is to begin the answer to a prompt, 0 to 1, by its first token; and what it cost.
    ///
    /// # Errors
    /// As for [`LanguageModel::complete`].
    fn weigh(&mut self, prompt: &Prompt, words: &[&str]) -> anyhow::Result<(Vec<f64>, Usage)>;

    /// One completion a prompt, in order. Several prompts in one call cost much less than one after the other.
    ///
    /// A prompt's text depends on the prompt and the limits alone: not on the prompts beside it, nor on those before.
    ///
    /// # Errors
    /// Before any work, when a prompt does not fit beside `limits.max_tokens`: it is refused with the numbers, never
    /// truncated. An error in one completion ends the call.
    fn complete(&mut self, prompts: &[Prompt], limits: &Limits) -> anyhow::Result<Vec<Completion>>;
}

/// A model that answers from a script: the double with which everything above this floor is tested.
///
/// The closure gets each prompt and returns the text; a token is a whitespace-separated word.
pub struct Scripted<F> {
    identity: Identity,
    answer: F,
}

impl<F: FnMut(&Prompt) -> String> Scripted<F> {
    /// A double that answers each prompt with what `answer` returns.
    pub fn new(answer: F) -> Self {
        let identity = Identity { name: "scripted".into(), sha256: "0".repeat(64) };
        Scripted { identity, answer }
    }
}

impl<F: FnMut(&Prompt) -> String> LanguageModel for Scripted<F> {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn room(&self) -> usize {
        4096
    }

    fn count(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    /// Sure of the word that the script begins with; where it begins with none, all are alike.
    fn weigh(&mut self, prompt: &Prompt, words: &[&str]) -> anyhow::Result<(Vec<f64>, Usage)> {
        let text = (self.answer)(prompt);
        let share = |word: &&str| if text.starts_with(word) { 1.0 } else { 0.0 };
        Ok((words.iter().map(share).collect(), Usage::default()))
    }

    fn complete(&mut self, prompts: &[Prompt], limits: &Limits) -> anyhow::Result<Vec<Completion>> {
        let words = |text: &str| text.split_whitespace().count();
        let complete_one = |prompt: &Prompt| {
            let mut text = (self.answer)(prompt);
            if limits.one_line {
                text.truncate(text.find('\n').unwrap_or(text.len()));
            }
            let usage = Usage {
                prompt_tokens: words(&prompt.system) + words(&prompt.user) + words(&prompt.lead),
                completion_tokens: words(&text),
                ..Usage::default()
            };
            Completion { text, stop: Stop::EndOfTurn, usage }
        };
        Ok(prompts.iter().map(complete_one).collect())
    }
}
