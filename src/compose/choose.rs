//! Claims in, those that together tell most of an article in a given length out. No model: what an article keeps saying,
//! and says early, is what has to be told.
//!
//! Greedy choice by what a line adds for its length: the budgeted maximum coverage of Lin and Bilmes (2011).

use std::collections::{BTreeMap, BTreeSet};

use super::Claim;
use super::prose::n_words;
use super::source::is_order;
use crate::corpus::terms::terms;
use crate::text::fold::fold_str;
use crate::text::{Article, Lang};

/// What the words of an article are worth to a reader who sees only some of them.
pub struct Worth {
    weights: BTreeMap<String, f64>,
}

/// A word of the title counts so many times as much.
const TITLED: f64 = 1.5;
/// How fast a word is worth less, the later it first stands: half after so many sentences.
const HALF: f64 = 12.0;
/// The power of a line's length that its gain is divided by: 1 would choose headlines, 0 the longest lines.
const LENGTH_POWER: f64 = 0.8;
/// A line of which less is new says again what was said.
const LEAST_NEW: f64 = 0.5;
/// The same of all that was said together.
const LEAST_NEW_OF_ALL: f64 = 0.35;

impl Worth {
    /// Weighs the words of `article`.
    pub fn new(article: &Article) -> Worth {
        let mut first: BTreeMap<String, (f64, usize)> = BTreeMap::new();
        for idx in 0..article.sentences.len() {
            for term in terms(article.sentence(idx)) {
                first.entry(term).or_insert((0.0, idx)).0 += 1.0;
            }
        }
        let title: BTreeSet<String> = article.title.as_deref().map(terms).unwrap_or_default().into_iter().collect();
        let weigh = |(term, (count, idx)): (String, (f64, usize))| {
            let early = 1.0 / (1.0 + idx as f64 / HALF);
            let titled = if title.contains(&term) { TITLED } else { 1.0 };
            let weight = (1.0 + count.ln()) * (0.4 + 0.6 * early) * titled;
            (term, weight)
        };
        Worth { weights: first.into_iter().map(weigh).collect() }
    }

    /// Weighs the words of lines about several articles: what many of them have counts most.
    pub fn of_lines(lines: &[&str]) -> Worth {
        let mut n_lines: BTreeMap<String, f64> = BTreeMap::new();
        for term in lines.iter().flat_map(|line| terms(line).into_iter().collect::<BTreeSet<String>>()) {
            *n_lines.entry(term).or_default() += 1.0;
        }
        Worth { weights: n_lines.into_iter().map(|(term, n)| (term, n.ln() + 0.5)).collect() }
    }

    fn of(&self, terms: &BTreeSet<String>, said: &BTreeSet<String>) -> f64 {
        terms.difference(said).filter_map(|term| self.weights.get(term)).sum()
    }

    /// The claims of `pool` that tell most in about `words` words beside what `told` says, at most `most` of them, in the
    /// order of the article.
    pub fn choose(&self, told: &[&Claim], pool: Vec<Claim>, words: usize, most: usize, lang: Lang) -> Vec<Claim> {
        let mut said: BTreeSet<String> = told.iter().flat_map(|claim| terms(claim.text())).collect();
        let mut lines: Vec<BTreeSet<String>> =
            told.iter().map(|claim| terms(claim.text()).into_iter().collect()).collect();
        let mut left = words as f64;
        let mut pool: Vec<(Claim, BTreeSet<String>, usize)> = pool
            .into_iter()
            .map(|claim| {
                let (own, n) = (terms(claim.text()).into_iter().collect(), n_words(claim.text(), lang));
                (claim, own, n)
            })
            .collect();
        let mut chosen = Vec::new();
        while chosen.len() < most {
            let gain = |(_, own, n): &(Claim, BTreeSet<String>, usize)| {
                self.of(own, &said) / (*n.max(&4) as f64).powf(LENGTH_POWER)
            };
            let fits = |(claim, own, n): &(Claim, BTreeSet<String>, usize)| {
                stands_alone(claim.text(), *n)
                    && *n as f64 <= left * 1.2
                    && lines.iter().all(|line| share_new(own, line) >= LEAST_NEW)
                    && share_new(own, &said) >= LEAST_NEW_OF_ALL
            };
            let open = pool.iter().enumerate().filter(|(_, line)| fits(line));
            // Of equals the first.
            let best = open.map(|(idx, line)| (idx, gain(line))).filter(|(_, gain)| *gain > 0.0);
            let Some((best, _)) = best.reduce(|a, b| if b.1 > a.1 { b } else { a }) else {
                break;
            };
            let (claim, own, n) = pool.remove(best);
            left -= n as f64;
            said.extend(own.iter().cloned());
            lines.push(own);
            chosen.push(claim);
        }
        chosen.sort_by_key(|claim| claim.cites()[0].cite);
        chosen
    }
}

/// Whether a line can be understood by itself: a statement of some length, in nobody's own words, that does not begin by
/// pointing back and orders nobody about.
fn stands_alone(text: &str, n_words: usize) -> bool {
    const LEAST_WORDS: usize = 6;
    let quotes = ['“', '"', '「', '『', '‘'];
    n_words >= LEAST_WORDS
        && !text.ends_with(['?', '？'])
        && !text.starts_with(quotes)
        && !points_back(text)
        && !is_anyones(text)
        && !is_order(text)
}

/// Whether a line is words of somebody, and does not say whose: a quotation that is cut, or "we" and "I" outside of one.
pub(super) fn is_anyones(text: &str) -> bool {
    const FIRST: [&str; 7] = ["I", "We", "we", "my", "My", "our", "Our"];
    let pairs = [('“', '”'), ('「', '」'), ('『', '』')];
    let is_cut = pairs.iter().any(|(open, end)| text.matches(*open).count() != text.matches(*end).count())
        || text.matches('"').count() % 2 == 1;
    // What stands outside of quotation marks.
    let outside = text.split(['“', '”', '"']).step_by(2);
    let words = outside.flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    is_cut || words.into_iter().any(|word| FIRST.contains(&word))
}

/// Whether a line begins by pointing back at one before it.
pub(super) fn points_back(text: &str) -> bool {
    const POINTERS: &str = "it this that these those he she they his her their its there here such but and or so, also yes, no, \
        也 其 他 她 它 这 此 但 而 另外 不过 然而 因此 所以 同时 于是 随后 对此";
    let folded = fold_str(text);
    POINTERS.split_whitespace().any(|word| match word.is_ascii() {
        true => folded.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)),
        false => folded.starts_with(word),
    })
}

/// How much of a line with the terms `own` is not in `said`.
fn share_new(own: &BTreeSet<String>, said: &BTreeSet<String>) -> f64 {
    own.difference(said).count() as f64 / own.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_words_need_somebody() {
        for text in [
            "The piles we studied did not hold.",
            "I do not understand it, the mayor said.",
            "He never saw it, \" the mayor said.",
            "他说:“码头关闭了。",
        ] {
            assert!(is_anyones(text), "{text}");
        }
        for text in [
            "“We were never asked,” said Tomas Brekke.",
            "The mayor said \"I am glad\" on Monday.",
            "Tom Weber told the US council of the quay.",
            "他说:“码头关闭了。”",
        ] {
            assert!(!is_anyones(text), "{text}");
        }
    }
}
