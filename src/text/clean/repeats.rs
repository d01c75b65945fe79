//! Pieces of a page in, those that stand again elsewhere marked. Knows words and their order: a lede above the body
//! that the body repeats, pull quotes, doubled paragraphs. The fuller text is the one kept.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::shape::{is_prose, width};
use super::{Page, Piece};
use crate::text::Reason;
use crate::text::fold::fold_str;
use crate::text::script::is_han;

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
    mark_doubles(&mut page.pieces);
    mark_contained(&mut page.pieces);
    mark_ledes(&mut page.pieces);
}

fn is_candidate(piece: &Piece) -> bool {
    piece.reason.is_none() && width(&piece.text) >= LEAST_COLUMNS
}

/// The second of two equal paragraphs.
fn mark_doubles(pieces: &mut [Piece]) {
    let mut seen = HashSet::new();
    for piece in pieces.iter_mut().filter(|piece| is_candidate(piece)) {
        let folded = fold_str(&piece.text);
        let letters: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
        if !seen.insert(hash(&letters)) {
            piece.reason = Some(Reason::Repeated);
        }
    }
}

/// A pull quote: a short piece that stands word for word in a longer one near by.
fn mark_contained(pieces: &mut [Piece]) {
    const NEAR: usize = 6;
    let keys: Vec<Option<String>> = pieces
        .iter()
        .map(|piece| {
            is_candidate(piece).then(|| {
                fold_str(&piece.text)
                    .chars()
                    .filter(|c| c.is_alphanumeric())
                    .collect()
            })
        })
        .collect();
    for i in 0..pieces.len() {
        let Some(key) = keys[i].as_ref().filter(|_| width(&pieces[i].text) <= 400) else {
            continue;
        };
        let near = i.saturating_sub(NEAR)..(i + NEAR + 1).min(pieces.len());
        let is_contained = near
            .filter(|&n| n != i && pieces[n].reason.is_none())
            .any(|n| {
                keys[n].as_ref().is_some_and(|other| {
                    other.len() > key.len()
                        && other.len() < 8 * 1024
                        && other.contains(key.as_str())
                })
            });
        if is_contained {
            pieces[i].reason = Some(Reason::Repeated);
        }
    }
}

/// A lede above the body whose words the body has in the same order.
fn mark_ledes(pieces: &mut [Piece]) {
    let tops: Vec<usize> = (0..pieces.len())
        .filter(|&i| is_candidate(&pieces[i]) && is_prose(&pieces[i]))
        .take(LEDES)
        .collect();
    for i in tops {
        let lede = tokens(&pieces[i].text);
        let wanted: HashSet<u64> = shingles(&lede).collect();
        if wanted.len() < 6 {
            continue;
        }
        let numbers: HashSet<&String> = lede
            .iter()
            .filter(|token| token.contains(|c: char| c.is_ascii_digit()))
            .collect();
        let mut found = HashSet::new();
        let mut numbers_found = HashSet::new();
        let mut read = 0;
        for other in pieces[i + 1..]
            .iter()
            .filter(|piece| piece.reason.is_none())
        {
            read += other.text.len();
            if read > REACH {
                break;
            }
            let other = tokens(&other.text);
            found.extend(shingles(&other).filter(|shingle| wanted.contains(shingle)));
            numbers_found.extend(other.into_iter().filter(|token| numbers.contains(token)));
        }
        let share = found.len() as f64 / wanted.len() as f64;
        if share >= SHARE && numbers_found.len() == numbers.len() && read > 2 * pieces[i].text.len()
        {
            pieces[i].reason = Some(Reason::Repeated);
        }
    }
}

/// Words in Latin letters, and Han characters one by one, folded.
fn tokens(text: &str) -> Vec<String> {
    let folded = fold_str(text);
    let mut tokens = Vec::new();
    let mut word = String::new();
    for c in folded.chars() {
        if c.is_alphanumeric() && !is_han(c) {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if is_han(c) {
            tokens.push(c.to_string());
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

fn shingles(tokens: &[String]) -> impl Iterator<Item = u64> {
    tokens.windows(3).map(hash)
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
