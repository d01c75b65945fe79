//! The logits after each token of one sequence in, its text out: draws the tokens and knows when to stop. Knows no
//! weights and no cache.

use anyhow::Result;

use super::sample::{Row, Sampler, loop_start};
use super::tokens::{Stream, Tokens};
use super::{Limits, Stop};

/// A completion in the making.
pub struct Writer {
    limits: Limits,
    sampler: Sampler,
    stream: Stream,
    ids: Vec<u32>,
    /// Tokens of a first try that went in circles; none before the second.
    n_given_up: Option<usize>,
    /// The plain tokens that may be written, if not all.
    only: Option<Vec<u32>>,
}

/// What a writer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The logits after this token, which it has just written.
    Read(u32),
    /// The logits after the prompt once more: all that it has written is to be forgotten.
    Again,
    /// Nothing: the text has ended.
    End(Stop),
}

/// What the second try divides the logits of written tokens by, when the first went in circles.
const RETRY_PENALTY: f32 = 1.3;

impl Writer {
    /// A writer that has the logits after the prompt coming. Of the plain tokens it writes none but those in `only`.
    pub fn new(limits: &Limits, only: Option<Vec<u32>>) -> Writer {
        Writer {
            limits: limits.clone(),
            sampler: Sampler::new(limits.sampling, 1.0),
            stream: Stream::default(),
            ids: Vec::new(),
            n_given_up: None,
            only,
        }
    }

    /// What the logits of the tokens that it has written are divided by, where the most probable token is to come next.
    pub fn greedy_penalty(&self) -> Option<f32> {
        self.sampler.greedy_penalty()
    }

    /// Of the plain tokens, those that may come next, if not all.
    pub fn candidates(&self) -> Option<&[u32]> {
        self.only.as_deref()
    }

    /// Takes the logits after the last token that was read, and writes one more.
    ///
    /// # Errors
    /// [`NotFinite`](super::qwen::NotFinite) when a logit that counts is not a finite number.
    pub fn write(&mut self, row: &Row, tokens: &Tokens) -> Result<Next> {
        if self.limits.max_tokens == 0 {
            return Ok(Next::End(Stop::TokenCap));
        }
        let id = match row.best {
            Some(best) => best?,
            None => {
                let logits = row.logits.to_vec1()?;
                self.sampler.choose(&logits, tokens.n_plain(), self.only.as_deref(), tokens.ends(), &self.ids)?
            }
        };
        if tokens.is_end(id) {
            return Ok(Next::End(Stop::EndOfTurn));
        }
        self.ids.push(id);
        self.stream.push(tokens.bytes(id));
        if self.limits.one_line && first_line(without_thought(self.stream.text())).is_some() {
            return Ok(Next::End(Stop::Line));
        }
        if loop_start(&self.ids).is_some() {
            if self.n_given_up.is_some() {
                return Ok(Next::End(Stop::Loop));
            }
            self.n_given_up = Some(self.ids.len());
            self.ids.clear();
            self.stream = Stream::default();
            self.sampler = Sampler::new(self.limits.sampling, RETRY_PENALTY);
            return Ok(Next::Again);
        }
        Ok(match self.ids.len() == self.limits.max_tokens {
            true => Next::End(Stop::TokenCap),
            false => Next::Read(id),
        })
    }

    /// What it has written.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Tokens written, those of a try that was given up included.
    pub fn n_written(&self) -> usize {
        self.ids.len() + self.n_given_up.unwrap_or(0)
    }

    /// The text, once it has ended for this reason.
    pub fn into_text(self, stop: Stop, tokens: &Tokens) -> String {
        let one_line = self.limits.one_line;
        match stop {
            Stop::Loop => {
                let n_before = loop_start(&self.ids).unwrap_or(self.ids.len());
                let text = finished(&tokens.decode(&self.ids[..n_before]), one_line);
                whole_sentences(&text).to_owned()
            }
            _ => finished(&self.stream.into_text(), one_line),
        }
    }
}

/// The text without a thought before it, and of one line its first alone.
fn finished(text: &str, one_line: bool) -> String {
    let text = without_thought(text);
    match one_line {
        true => first_line(text).unwrap_or(behind_blank_lines(text)).to_owned(),
        false => text.to_owned(),
    }
}

/// The text behind a `<think>` block that it begins with. The tokens of that name are never drawn, but a model may
/// still spell the block with plain ones.
fn without_thought(text: &str) -> &str {
    match text.trim_start().strip_prefix("<think>") {
        None => text,
        Some(thought) => thought.split_once("</think>").map_or("", |(_, after)| after.trim_start()),
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
    let is_end =
        |after: &str, end: char| !end.is_ascii_punctuation() || !after.starts_with(|next: char| next.is_alphanumeric());
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
        let check = |text: &str, expected: &str| assert_eq!(finished(text, true), expected, "{text:?}");
        check("one\ntwo", "one");
        check("\n\r\n one \r\ntwo", " one ");
        check("  \n two\n", " two");
        check("no break", "no break");
        check("\n\n", "");
    }

    #[test]
    fn a_spelled_thought_is_dropped() {
        let check = |text: &str, expected: &str| assert_eq!(finished(text, false), expected, "{text:?}");
        check("<think>hm\n\nso</think>\n\nYes.", "Yes.");
        check("\n<think>never ends", "");
        check("Tags such as <think> stay.", "Tags such as <think> stay.");
    }

    #[test]
    fn a_broken_text_is_cut_at_its_last_whole_sentence() {
        let check = |text: &str, expected: &str| assert_eq!(whole_sentences(text), expected, "{text:?}");
        check("It sank. Nobody was", "It sank.");
        check("船沉了。沒有人", "船沉了。");
        check("It cost 1.4 million. It cost 1.4 m", "It cost 1.4 million.");
        check("no end", "");
        check("- one\n- tw", "- one");
    }
}
