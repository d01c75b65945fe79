//! An article in, its passages out: every sentence in exactly one of them, none cut. Knows no index.

use super::{Passage, PassageSentence};
use crate::text::{Article, BlockKind, Sentence};

/// A passage is full at this weight: a Latin word weighs 2, a Han character 1. So 160 words, or 320 characters.
const FULL_WEIGHT: usize = 320;
/// From this weight on, the end of a paragraph ends the passage.
const RIPE_WEIGHT: usize = 200;
/// A section shorter than this shares its passage with the next one: a heading with a line under it finds nothing.
const LEAST_WEIGHT: usize = 80;

/// Cuts an article into passages of whole sentences, without overlap.
///
/// A sentence heavier than a passage is one by itself. Passages do not run across a heading unless the section before
/// it is very short.
pub fn passages(article: &Article) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut weight = 0;
    for (sentence_idx, sentence) in article.sentences.iter().enumerate() {
        let text = article.sentence(sentence_idx);
        let own_weight = weigh(text);
        let before = sentence_idx
            .checked_sub(1)
            .map(|idx| &article.sentences[idx]);
        if before.is_none_or(|before| is_break(before, sentence, weight, own_weight)) {
            passages.push(start(article, sentence_idx));
            weight = 0;
        }
        weight += own_weight;
        if let Some(passage) = passages.last_mut() {
            let (start, end) = (sentence.start, sentence.end);
            passage.sentences.push(PassageSentence {
                start,
                end,
                text: text.to_owned(),
            });
        }
    }
    passages
}

/// How much of a passage a text fills: a Latin word weighs 2, a character of an unspaced script 1.
pub(super) fn weigh(text: &str) -> usize {
    let mut weight = 0;
    let mut in_word = false;
    for c in text.chars() {
        // Everything from the CJK symbols on is written without spaces, near enough to weigh by.
        let is_wide = c >= '\u{2e80}';
        let is_word = c.is_alphanumeric() && !is_wide;
        weight += usize::from(is_wide) + 2 * usize::from(is_word && !in_word);
        in_word = is_word || in_word && matches!(c, '\'' | '’' | '-' | '.' | ',');
    }
    weight
}

fn is_break(before: &Sentence, next: &Sentence, weight: usize, next_weight: usize) -> bool {
    let new_section = next.kind == BlockKind::Heading && before.kind != BlockKind::Heading;
    // A heading never stands at a passage's end, away from what it announces, unless it is a text in itself.
    let under_heading = before.kind == BlockKind::Heading && weight < LEAST_WEIGHT;
    match () {
        () if under_heading => false,
        () if weight + next_weight > FULL_WEIGHT => true,
        () if new_section => weight >= LEAST_WEIGHT,
        () => next.block != before.block && weight >= RIPE_WEIGHT,
    }
}

fn start(article: &Article, sentence_idx: usize) -> Passage {
    Passage {
        path: article.path.clone(),
        sha256: article.sha256.clone(),
        title: article.title.clone(),
        date: article.date.clone(),
        lang: article.lang,
        first_sentence: sentence_idx,
        sentences: Vec::new(),
    }
}
