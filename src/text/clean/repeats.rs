//! Pieces of a page in, those that stand again elsewhere marked. Knows words and their order: a lede above the body
//! that the body repeats, pull quotes, doubled paragraphs. The fuller text is the one kept.

use std::collections::HashSet;

use super::shape::{is_prose, width};
use super::{Page, Piece};
use crate::text::fold::fold_str;
use crate::text::script::is_han;
use crate::text::{BlockKind, Reason};

/// How many pieces at the top may be a lede.
const LEDES: usize = 8;
/// Narrower pieces are labels, which may well stand twice.
const LEAST_COLUMNS: usize = 40;
/// How far from a lede its repetition is looked for, in bytes, so that the cost stays linear in the article.
const REACH: usize = 256 << 10;
/// The share of a lede's word triples that must stand in the body. Ledes are reworded a little; two sentences that
/// merely tell of the same thing share less than half.
const SHARE: f64 = 0.75;

/// Marks pieces that repeat others.
pub(super) fn mark(page: &mut Page) {
    let pieces = &mut page.pieces;
    let letters: Vec<Option<String>> =
        pieces.iter().map(|piece| is_candidate(piece).then(|| letters(&piece.text))).collect();
    mark_doubles(pieces, &letters);
    mark_contained(pieces, &letters);
    mark_ledes(pieces);
}

fn is_candidate(piece: &Piece) -> bool {
    // Lists and tables repeat themselves.
    piece.reason.is_none() && piece.kind != Some(BlockKind::ListItem) && width(&piece.text) >= LEAST_COLUMNS
}

fn letters(text: &str) -> String {
    let mut folded = fold_str(text);
    folded.retain(is_letter);
    folded
}

/// The second of two equal paragraphs.
fn mark_doubles(pieces: &mut [Piece], letters: &[Option<String>]) {
    let mut seen = HashSet::new();
    // A question put to several people stands above each answer.
    let is_question = |piece: &Piece| piece.text.ends_with(['?', '？']);
    for (piece, letters) in pieces.iter_mut().zip(letters).filter(|(piece, _)| !is_question(piece)) {
        if letters.as_ref().is_some_and(|letters| !seen.insert(letters)) {
            piece.reason = Some(Reason::Repeated);
        }
    }
}

/// A pull quote: a short piece that stands word for word in a longer one near by.
fn mark_contained(pieces: &mut [Piece], letters: &[Option<String>]) {
    const NEAR: usize = 6;
    for i in 0..pieces.len() {
        let is_short = |_: &&String| pieces[i].reason.is_none() && width(&pieces[i].text) <= 400;
        let Some(key) = letters[i].as_ref().filter(is_short) else {
            continue;
        };
        let near = i.saturating_sub(NEAR)..(i + NEAR + 1).min(pieces.len());
        let is_contained = near.filter(|&n| n != i && pieces[n].reason.is_none()).any(|n| {
            letters[n]
                .as_ref()
                .is_some_and(|other| other.len() > key.len() && other.len() < 8 * 1024 && other.contains(key.as_str()))
        });
        if is_contained {
            pieces[i].reason = Some(Reason::Repeated);
        }
    }
}

/// A lede above the body whose words the body has in the same order.
fn mark_ledes(pieces: &mut [Piece]) {
    let tops: Vec<usize> =
        (0..pieces.len()).filter(|&i| is_candidate(&pieces[i]) && is_prose(&pieces[i])).take(LEDES).collect();
    // Each piece is compared with several ledes, but cut into words once.
    let mut words: Vec<Option<Words>> = pieces.iter().map(|_| None).collect();
    for i in tops {
        let (before, behind) = words.split_at_mut(i + 1);
        let lede = before[i].get_or_insert_with(|| Words::of(&pieces[i].text));
        if lede.triples.len() < 6 {
            continue;
        }
        let mut triples_found = vec![false; lede.triples.len()];
        let mut numbers_found = vec![false; lede.numbers.len()];
        let mut read = 0;
        let others = pieces[i + 1..].iter().zip(behind);
        for (piece, words) in others.filter(|(piece, _)| piece.reason.is_none()) {
            read += piece.text.len();
            if read > REACH {
                break;
            }
            let other = words.get_or_insert_with(|| Words::of(&piece.text));
            note(&mut triples_found, &lede.triples, &other.triples);
            note(&mut numbers_found, &lede.numbers, &other.numbers);
        }
        let n_found = triples_found.iter().filter(|is_found| **is_found).count();
        let share = n_found as f64 / lede.triples.len() as f64;
        let has_numbers = numbers_found.iter().all(|is_found| *is_found);
        if share >= SHARE && has_numbers && read > 2 * pieces[i].text.len() {
            pieces[i].reason = Some(Reason::Repeated);
        }
    }
}

/// Notes which of `wanted` are among `others`, which are sorted.
fn note(found: &mut [bool], wanted: &[u64], others: &[u64]) {
    for (found, wanted) in found.iter_mut().zip(wanted) {
        *found = *found || others.binary_search(wanted).is_ok();
    }
}

/// What a text says, in hashes, sorted and each once. Its words are those in Latin letters, and Han characters one by
/// one, folded.
struct Words {
    /// Of three words that follow one another.
    triples: Vec<u64>,
    /// Of the words with a digit.
    numbers: Vec<u64>,
}

impl Words {
    fn of(text: &str) -> Words {
        const EMPTY: u64 = 1;
        let (mut words, mut numbers) = (Vec::new(), Vec::new());
        let (mut word, mut has_digit) = (EMPTY, false);
        for c in fold_str(text).chars().chain([' ']) {
            let is_han = is_han(c);
            if !is_han && is_letter(c) {
                word = mix(word, u64::from(c));
                has_digit |= c.is_ascii_digit();
                continue;
            }
            if word != EMPTY {
                words.push(word);
                numbers.extend(has_digit.then_some(word));
                (word, has_digit) = (EMPTY, false);
            }
            if is_han {
                words.push(mix(EMPTY, u64::from(c)));
            }
        }
        let triple = |words: &[u64]| words.iter().fold(EMPTY, |hash, word| mix(hash, *word));
        let mut triples: Vec<u64> = words.windows(3).map(triple).collect();
        for hashes in [&mut triples, &mut numbers] {
            hashes.sort_unstable();
            hashes.dedup();
        }
        Words { triples, numbers }
    }
}

fn mix(hash: u64, next: u64) -> u64 {
    (hash.rotate_left(5) ^ next).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// Alphanumeric; Han characters are told by a comparison rather than by a search in a table.
fn is_letter(c: char) -> bool {
    is_han(c) || c.is_alphanumeric()
}
