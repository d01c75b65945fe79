//! Text in, token ids out: the unigram tokenizer of XLM-R (<https://arxiv.org/abs/1804.10959>), the segmentation of
//! each word whose pieces are the most probable. Knows no model.
//!
//! `tokenizers` has the same, but builds a tree of 250,000 allocations for it, which takes a second and 100 MB; this
//! looks pieces up in a table. Control tokens are not pieces here, so no text becomes one.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

/// What a space becomes: the first character of a word's first piece.
const SPACE: char = '\u{2581}';
/// How much less probable than the least probable piece a character is that no piece has.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A vocabulary with the probability of each piece.
pub(super) struct Unigram {
    /// The texts of all pieces, one behind the other.
    pieces: Vec<u8>,
    /// Where each piece begins in `pieces`, and where the last one ends.
    starts: Vec<u32>,
    /// Natural logarithms.
    scores: Vec<f32>,
    /// Ids by the hash of their text: open addressing; 0, which is a control token, is an empty place.
    table: Vec<u32>,
    longest_piece: usize,
    unknown: u32,
    unknown_score: f32,
    /// What characters become before anything else.
    normal: HashMap<char, Box<str>>,
}

impl Unigram {
    /// `starts` has one number more than there are pieces; those of score 0 are control tokens.
    pub(super) fn new(
        pieces: Vec<u8>,
        starts: Vec<u32>,
        scores: Vec<f32>,
        unknown: u32,
        normal: HashMap<char, Box<str>>,
    ) -> Result<Unigram> {
        ensure!(
            starts.len() == scores.len() + 1 && (unknown as usize) < scores.len(),
            "the vocabulary has {} scores for {} places",
            scores.len(),
            starts.len()
        );
        ensure!(
            starts.is_sorted() && starts.last().is_some_and(|end| *end as usize <= pieces.len()),
            "the pieces of the vocabulary overlap"
        );
        let least = scores.iter().copied().fold(0.0, f32::min);
        ensure!(least.is_finite(), "a piece of the vocabulary has no probability");
        let mut unigram = Unigram {
            table: vec![0; (scores.len() * 2).next_power_of_two()],
            longest_piece: starts.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0),
            unknown_score: least - UNKNOWN_PENALTY,
            pieces,
            starts,
            scores,
            unknown,
            normal,
        };
        for id in 1..unigram.scores.len() as u32 {
            if unigram.scores[id as usize] < 0.0 {
                let hash = unigram.piece(id).iter().fold(HASH, hash);
                let place = unigram.places(hash).find(|place| unigram.table[*place] == 0);
                unigram.table[place.context("the table is twice as large")?] = id;
            }
        }
        Ok(unigram)
    }

    /// The tokens of a text, without a beginning and an end.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let mut normal = String::with_capacity(text.len());
        for c in text.chars() {
            match self.normal.get(&c) {
                Some(replacement) => normal.push_str(replacement),
                None => normal.push(c),
            }
        }
        let mut ids = Vec::new();
        // No piece reaches over a space, so each word is a problem of its own.
        for word in normal.split(' ').filter(|word| !word.is_empty()) {
            self.encode_word(&format!("{SPACE}{word}"), &mut ids);
        }
        ids
    }

    /// Adds the most probable pieces of one word (Viterbi).
    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        /// The best way to reach a byte: its score, the last piece, and where that piece begins.
        #[derive(Clone, Copy)]
        struct Way {
            score: f32,
            id: u32,
            start: u32,
        }
        let unreached = Way { score: f32::NEG_INFINITY, id: self.unknown, start: 0 };
        let mut ways = vec![unreached; word.len() + 1];
        ways[0].score = 0.0;
        let bytes = word.as_bytes();
        for (start, first) in word.char_indices() {
            let score = ways[start].score;
            let mut reach = |end: usize, id, score| {
                if score > ways[end].score {
                    ways[end] = Way { score, id, start: start as u32 };
                }
            };
            let mut running = HASH;
            for end in start + 1..=word.len().min(start + self.longest_piece) {
                running = hash(running, &bytes[end - 1]);
                if word.is_char_boundary(end)
                    && let Some(id) = self.find(&bytes[start..end], running)
                {
                    reach(end, id, score + self.scores[id as usize]);
                }
            }
            reach(start + first.len_utf8(), self.unknown, score + self.unknown_score);
        }
        let first_id = ids.len();
        let mut end = word.len();
        while end > 0 {
            let way = ways[end];
            // Neighbouring unknown characters are one unknown token.
            if way.id != self.unknown || ids[first_id..].last() != Some(&self.unknown) {
                ids.push(way.id);
            }
            end = way.start as usize;
        }
        ids[first_id..].reverse();
    }

    fn find(&self, text: &[u8], hash: u64) -> Option<u32> {
        let ids = self.places(hash).map(|place| self.table[place]);
        ids.take_while(|id| *id != 0).find(|id| self.piece(*id) == text)
    }

    fn piece(&self, id: u32) -> &[u8] {
        let [start, end] = [0, 1].map(|next| self.starts[id as usize + next] as usize);
        &self.pieces[start..end]
    }

    /// The places of the table where a text of this hash may be, the likeliest first.
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let n_places = self.table.len();
        let first = (hash ^ (hash >> 32)) as usize;
        (0..n_places).map(move |step| (first.wrapping_add(step)) & (n_places - 1))
    }
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): it grows byte by byte, as the ends of a piece do.
const HASH: u64 = 0xcbf2_9ce4_8422_2325;

fn hash(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unigram(pieces: &[(&str, f32)]) -> Unigram {
        let mut starts = vec![0];
        let text: String = pieces.iter().map(|(piece, _)| *piece).collect();
        for (piece, _) in pieces {
            starts.push(starts.last().unwrap() + piece.len() as u32);
        }
        let scores = pieces.iter().map(|(_, score)| *score).collect();
        let normal = [('\n', " ".into()), ('Ａ', "a".into())].into_iter().collect();
        Unigram::new(text.into(), starts, scores, 1, normal).unwrap()
    }

    #[test]
    fn the_most_probable_pieces_are_taken() {
        let pieces = [
            ("<s>", 0.0),
            ("<unk>", 0.0),
            ("▁", -3.0),
            ("a", -2.0),
            ("b", -2.0),
            ("ab", -3.0),
            ("▁a", -2.5),
            ("ba", -5.0),
            ("云", -4.0),
        ];
        let unigram = unigram(&pieces);
        let check = |text: &str, expected: &[&str]| {
            let ids = unigram.encode(text);
            let found: Vec<&str> = ids.iter().map(|id| pieces[*id as usize].0).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("a", &["▁a"]);
        check("ab", &["▁a", "b"]);
        check("bab", &["▁", "b", "ab"]);
        check("  a\n\nＡ ", &["▁a", "▁a"]);
        check("a云a", &["▁a", "云", "a"]);
        check("axyb", &["▁a", "<unk>", "b"]);
        check("<s>", &["▁", "<unk>"]);
        check("", &[]);
    }

    #[test]
    fn broken_vocabularies_are_refused() {
        let new = |starts: &[u32], scores: &[f32], unknown| {
            let (starts, scores) = (starts.to_vec(), scores.to_vec());
            Unigram::new(b"abc".into(), starts, scores, unknown, HashMap::new()).is_ok()
        };
        assert!(new(&[0, 1, 3], &[0.0, -1.0], 0));
        assert!(!new(&[0, 2, 1], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, 4], &[0.0, -1.0], 0));
        assert!(!new(&[0, 1, 3], &[0.0], 0));
        assert!(!new(&[0, 1, 3], &[0.0, -1.0], 2));
        assert!(!new(&[0, 1, 3], &[0.0, f32::NEG_INFINITY], 0));
    }
}
