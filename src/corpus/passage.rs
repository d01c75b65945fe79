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
        let before = sentence_idx.checked_sub(1).map(|idx| &article.sentences[idx]);
        if before.is_none_or(|before| is_break(before, sentence, weight, own_weight)) {
            passages.push(start(article, sentence_idx));
            weight = 0;
        }
        weight += own_weight;
        if let Some(passage) = passages.last_mut() {
            let &Sentence { start, end, is_piece, .. } = sentence;
            passage.sentences.push(PassageSentence { start, end, text: text.to_owned(), is_piece });
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
        byline: article.byline.clone(),
        date: article.date.clone(),
        lang: article.lang,
        first_sentence: sentence_idx,
        sentences: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    /// Builds an article from `(block, kind, text)`, one entry a sentence.
    fn article(sentences: &[(usize, BlockKind, String)]) -> Article {
        let mut text = String::new();
        let mut numbered = Vec::new();
        for (block, kind, sentence) in sentences {
            let start = text.len();
            text.push_str(sentence);
            let (end, kind, block) = (text.len(), *kind, *block);
            numbered.push(Sentence { start, end, kind, block, is_piece: false });
            text.push('\n');
        }
        Article {
            path: "a.txt".to_owned(),
            sha256: String::new(),
            title: None,
            byline: None,
            date: None,
            lang: Lang::En,
            foreign: None,
            text,
            sentences: numbered,
            set_aside: Vec::new(),
            second_hand: false,
            encoding: "UTF-8",
            replaced: 0,
        }
    }

    fn words(n: usize) -> String {
        vec!["word"; n].join(" ")
    }

    #[test]
    fn a_word_weighs_two_and_a_han_character_one() {
        for (text, weight) in [("", 0), ("Two words.", 4), ("don't", 2), ("1,000.5", 2), ("云计算", 3), ("用AI算", 4)]
        {
            assert_eq!(weigh(text), weight, "{text}");
        }
    }

    #[test]
    fn every_sentence_is_in_exactly_one_passage_and_whole() {
        for n_words in [1, 7, 20, 60, 159, 161, 900] {
            let sentences: Vec<_> =
                (0..97).map(|i| (i / 4, BlockKind::Paragraph, format!("{i} {}", words(n_words)))).collect();
            let article = article(&sentences);
            let mut next = 0;
            for passage in passages(&article) {
                assert_eq!(passage.first_sentence, next);
                assert!(!passage.sentences.is_empty());
                for sentence in &passage.sentences {
                    assert_eq!(sentence.text, article.sentence(next));
                    assert_eq!(sentence.text, article.text[sentence.start..sentence.end]);
                    next += 1;
                }
                let weight: usize = passage.sentences.iter().map(|s| weigh(&s.text)).sum();
                assert!(weight <= FULL_WEIGHT || passage.sentences.len() == 1);
            }
            assert_eq!(next, article.sentences.len());
        }
    }

    #[test]
    fn passages_end_where_sections_and_paragraphs_end() {
        let check = |sentences: &[(usize, BlockKind, usize)], starts: &[usize]| {
            let sentences: Vec<_> =
                sentences.iter().map(|&(block, kind, n_words)| (block, kind, words(n_words))).collect();
            let found: Vec<usize> =
                passages(&article(&sentences)).iter().map(|passage| passage.first_sentence).collect();
            assert_eq!(found, starts);
        };
        use BlockKind::{Heading, Paragraph};
        // A section ends its passage, unless it is very short.
        check(&[(0, Paragraph, 50), (1, Heading, 3), (2, Paragraph, 50)], &[0, 1]);
        check(&[(0, Paragraph, 20), (1, Heading, 3), (2, Paragraph, 50)], &[0]);
        // A heading stays with what it announces, however long.
        check(&[(0, Paragraph, 150), (1, Heading, 3), (2, Paragraph, 170)], &[0, 1]);
        // A paragraph ends a passage that is long enough.
        check(&[(0, Paragraph, 110), (1, Paragraph, 20)], &[0, 1]);
        check(&[(0, Paragraph, 90), (1, Paragraph, 20)], &[0]);
        check(&[(0, Paragraph, 110), (0, Paragraph, 20)], &[0]);
    }
}
