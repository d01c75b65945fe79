//! Prompts in, completions out: reads the prompt, writes tokens, knows when to stop. Knows no article.
//!
//! The keys and values of the last prompt stay in the cache; what the next prompt shares with it from the beginning
//! is not read again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};

use super::cache::Cache;
use super::gguf::Gguf;
use super::qwen::Qwen;
use super::sample::{Sampler, loop_start};
use super::tokens::{Stream, Tokens};
use super::{Completion, Identity, LanguageModel, Limits, Prompt, Stop, Usage};

/// How an engine is to run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where the model is computed.
    pub device: Device,
    /// The most tokens of context to use, where the model has more; the cache grows to it only when a prompt needs it.
    pub max_context: usize,
    /// Set from elsewhere, ends the work at the next layer with
    /// [`Interrupted`](super::qwen::Interrupted).
    pub stop: Arc<AtomicBool>,
}

/// Qwen's small models read no better beyond this, and the cache of a longer prompt would outgrow the weights.
const DEFAULT_CONTEXT: usize = 8_192;

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            device: Device::Cpu,
            max_context: DEFAULT_CONTEXT,
            stop: Arc::default(),
        }
    }
}

/// The prompt is too long for the model's context; it was not cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prompt has {prompt_tokens} tokens and the answer may take {max_tokens}, \
     but the context has room for {room} together"
)]
pub struct DoesNotFit {
    /// Tokens of the prompt, the chat frame taken off.
    pub prompt_tokens: usize,
    /// Tokens that the answer may take.
    pub max_tokens: usize,
    /// What [`LanguageModel::room`] says.
    pub room: usize,
}

/// A loaded model that completes prompts.
pub struct Engine {
    identity: Identity,
    model: Qwen,
    tokens: Tokens,
    stop: Arc<AtomicBool>,
    cache: Cache,
    /// The ids whose keys and values the cache holds.
    cached: Vec<u32>,
}

/// One try at a completion.
struct Attempt {
    ids: Vec<u32>,
    text: String,
    stop: Stop,
}

/// What the second try divides the logits of written tokens by, when the first went in circles.
const RETRY_PENALTY: f32 = 1.3;

impl Engine {
    /// Checks and loads the weights file; `identity` is what the store knows about it.
    pub fn open(path: &Path, identity: Identity, settings: EngineSettings) -> Result<Engine> {
        let mut gguf = Gguf::open(path)?;
        let tokens = Tokens::new(&gguf)
            .with_context(|| format!("failed to read the vocabulary of `{}`", path.display()))?;
        let model = Qwen::load(&mut gguf, &settings.device, settings.max_context)
            .with_context(|| format!("failed to load `{}`", path.display()))?;
        anyhow::ensure!(
            tokens.n_frame() < model.max_len(),
            "a context of {} tokens holds nothing beside the chat frame",
            model.max_len()
        );
        let cache = model.cache();
        Ok(Engine {
            identity,
            model,
            tokens,
            stop: settings.stop,
            cache,
            cached: Vec::new(),
        })
    }

    /// The vocabulary.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    fn complete_one(&mut self, prompt: &Prompt, limits: &Limits) -> Result<Completion> {
        let prompt_ids = self.tokens.frame(prompt)?;
        let only = prompt
            .only
            .as_deref()
            .map(|text| self.tokens.vocabulary(text))
            .transpose()?;
        self.check_fit(prompt, prompt_ids.len(), limits.max_tokens)?;
        let started = Instant::now();
        let (logits, reused_tokens) = self.read_prompt(&prompt_ids, limits.max_tokens)?;
        let prefill_ms = elapsed_ms(started);

        let started = Instant::now();
        let mut attempt = self.write(&logits, limits, only.as_deref(), 1.0)?;
        let mut completion_tokens = attempt.ids.len();
        if attempt.stop == Stop::Loop {
            self.rewind(prompt_ids.len());
            attempt = self.write(&logits, limits, only.as_deref(), RETRY_PENALTY)?;
            completion_tokens += attempt.ids.len();
        }
        if attempt.stop == Stop::Loop {
            let n_before = loop_start(&attempt.ids).unwrap_or(attempt.ids.len());
            let text = self.tokens.decode(&attempt.ids[..n_before]);
            attempt.text = whole_sentences(&finished(&text, limits.one_line)).to_owned();
        }
        let usage = Usage {
            prompt_tokens: prompt_ids.len(),
            reused_tokens,
            completion_tokens,
            prefill_ms,
            decode_ms: elapsed_ms(started),
        };
        Ok(Completion {
            text: attempt.text,
            stop: attempt.stop,
            usage,
        })
    }

    fn check_fit(
        &self,
        prompt: &Prompt,
        n_prompt: usize,
        max_tokens: usize,
    ) -> Result<(), DoesNotFit> {
        if n_prompt.saturating_add(max_tokens) <= self.model.max_len() {
            return Ok(());
        }
        let content = [&prompt.system, &prompt.user, &prompt.lead];
        let prompt_tokens = content.iter().map(|text| self.tokens.count(text)).sum();
        Err(DoesNotFit {
            prompt_tokens,
            max_tokens,
            room: self.room(),
        })
    }

    /// Brings the prompt into the cache, reading only what is not there yet. Returns the logits after its last token
    /// and how many tokens were there.
    fn read_prompt(&mut self, prompt_ids: &[u32], max_tokens: usize) -> Result<(Vec<f32>, usize)> {
        let n_shared = self
            .cached
            .iter()
            .zip(prompt_ids)
            .take_while(|(a, b)| a == b)
            .count();
        // The last token is always read, since its logits are what the answer begins with.
        let n_reused = n_shared.min(prompt_ids.len() - 1);
        self.rewind(n_reused);
        self.cache
            .reserve(prompt_ids.len() - n_reused + max_tokens)?;
        let logits = self.read(&prompt_ids[n_reused..])?;
        Ok((logits, n_reused))
    }

    /// Reads ids behind those in the cache; an error leaves the cache with what it surely holds.
    fn read(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let logits = self.model.forward(ids, &mut self.cache, &self.stop);
        self.cached.extend_from_slice(ids);
        self.cached.truncate(self.cache.len());
        to_vec(&logits?)
    }

    fn rewind(&mut self, len: usize) {
        self.cache.truncate(len);
        self.cached.truncate(len);
    }

    /// Writes an answer behind the prompt that the cache ends with and whose last logits are given.
    fn write(
        &mut self,
        prompt_logits: &[f32],
        limits: &Limits,
        only: Option<&[u32]>,
        penalty: f32,
    ) -> Result<Attempt> {
        let mut sampler = Sampler::new(limits.sampling, penalty);
        let mut stream = Stream::default();
        let mut ids = Vec::new();
        let mut logits = Vec::new();
        let stop = loop {
            if ids.len() == limits.max_tokens {
                break Stop::TokenCap;
            }
            let current = if ids.is_empty() {
                prompt_logits
            } else {
                &logits
            };
            let id = sampler.choose(
                current,
                self.tokens.n_plain(),
                only,
                self.tokens.ends(),
                &ids,
            )?;
            if self.tokens.is_end(id) {
                break Stop::EndOfTurn;
            }
            ids.push(id);
            stream.push(self.tokens.bytes(id));
            if limits.one_line && first_line(without_thought(stream.text())).is_some() {
                break Stop::Line;
            }
            if loop_start(&ids).is_some() {
                break Stop::Loop;
            }
            if ids.len() < limits.max_tokens {
                logits = self.read(&[id])?;
            }
        };
        let text = finished(&stream.into_text(), limits.one_line);
        Ok(Attempt { ids, text, stop })
    }
}

impl LanguageModel for Engine {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn room(&self) -> usize {
        self.model.max_len() - self.tokens.n_frame()
    }

    fn count(&self, text: &str) -> usize {
        self.tokens.count(text)
    }

    fn forget(&mut self) {
        self.rewind(0);
    }

    fn complete(&mut self, prompts: &[Prompt], limits: &Limits) -> Result<Vec<Completion>> {
        prompts
            .iter()
            .map(|prompt| self.complete_one(prompt, limits))
            .collect()
    }
}

fn elapsed_ms(started: Instant) -> u64 {
    started.elapsed().as_millis() as u64
}

fn to_vec(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.to_vec1::<f32>()?)
}

/// The text without a thought before it, and of one line its first alone.
fn finished(text: &str, one_line: bool) -> String {
    let text = without_thought(text);
    match one_line {
        true => first_line(text)
            .unwrap_or(behind_blank_lines(text))
            .to_owned(),
        false => text.to_owned(),
    }
}

/// The text behind a `<think>` block that it begins with. The tokens of that name are never drawn, but a model may
/// still spell the block with plain ones.
fn without_thought(text: &str) -> &str {
    match text.trim_start().strip_prefix("<think>") {
        None => text,
        Some(thought) => thought
            .split_once("</think>")
            .map_or("", |(_, after)| after.trim_start()),
    }
}

/// The first line that has any text, without the breaks around it, once a break has followed it.
fn first_line(text: &str) -> Option<&str> {
    let text = behind_blank_lines(text);
    let (line, _) = text.split_once('\n')?;
    Some(line.trim_end_matches('\r'))
}

/// The text from the first line on that has any.
fn behind_blank_lines(text: &str) -> &str {
    let blank = &text[..text.len() - text.trim_start().len()];
    &text[blank.rfind(['\r', '\n']).map_or(0, |idx| idx + 1)..]
}

/// The text up to its last sentence end; nothing, when no sentence came to its end.
fn whole_sentences(text: &str) -> &str {
    const ENDS: [char; 8] = ['.', '!', '?', '…', '。', '！', '？', '\n'];
    // A full stop with more of the word behind it, as in a decimal, ends nothing.
    let is_end = |after: &str, end: char| {
        !end.is_ascii_punctuation() || !after.starts_with(|next: char| next.is_alphanumeric())
    };
    let end = text
        .char_indices()
        .rev()
        .map(|(start, character)| (start + character.len_utf8(), character))
        .find(|(end, character)| ENDS.contains(character) && is_end(&text[*end..], *character))
        .map_or(0, |(end, _)| end);
    text[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_the_first_with_text() {
        let check =
            |text: &str, expected: &str| assert_eq!(finished(text, true), expected, "{text:?}");
        check("one\ntwo", "one");
        check("\n\r\n one \r\ntwo", " one ");
        check("  \n two\n", " two");
        check("no break", "no break");
        check("\n\n", "");
    }

    #[test]
    fn a_spelled_thought_is_dropped() {
        let check =
            |text: &str, expected: &str| assert_eq!(finished(text, false), expected, "{text:?}");
        check("<think>hm\n\nso</think>\n\nYes.", "Yes.");
        check("\n<think>never ends", "");
        check("Tags such as <think> stay.", "Tags such as <think> stay.");
    }

    #[test]
    fn a_broken_text_is_cut_at_its_last_whole_sentence() {
        let check =
            |text: &str, expected: &str| assert_eq!(whole_sentences(text), expected, "{text:?}");
        check("It sank. Nobody was", "It sank.");
        check("船沉了。沒有人", "船沉了。");
        check("It cost 1.4 million. It cost 1.4 m", "It cost 1.4 million.");
        check("no end", "");
        check("- one\n- tw", "- one");
    }
}
