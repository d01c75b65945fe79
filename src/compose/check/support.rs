//! A line in, the few sentences that say it best together out, and how much of it they say.

use super::facts::Stated;
use super::words::Word;
use super::{Fault, Ground, Read, Why};

/// The most sentences that one claim rests on.
const MAX_CITES: usize = 4;
/// A further sentence is cited only if it adds this share of the line's weight.
const MIN_GAIN: f64 = 0.12;
/// A line needs this share of its weight in the sentences that it rests on.
const MIN_COVERAGE: f64 = 0.5;
/// The same of what it says beyond the question that it answers.
const MIN_NEW_COVERAGE: f64 = 0.6;
/// What a sentence that the line was written from has ahead of others, as a share of the line's weight.
const HOME_BONUS: f64 = 0.1;
/// The same for each figure of the line that a sentence states.
const FIGURE_BONUS: f64 = 0.3;
/// So many sentences, those with the rarest words of the line, are laid beside it.
const MAX_CANDIDATES: usize = 24;

/// The sentences that a line rests on.
pub(super) struct Support {
    /// By their numbers in the ground.
    pub cites: Vec<usize>,
    /// The share of the line's weight that stands in them; 1 where words cannot be compared.
    coverage: f64,
    /// The same share of what the question does not say itself.
    new_coverage: f64,
}

impl Support {
    /// Whether enough of the line is supported.
    pub(super) fn enough(&self) -> Result<(), Why> {
        let refuse = |share: f64, what: &str| {
            let percent = 100.0 * share;
            Err(Why::new(Fault::Unsupported, format!("only {percent:.0} % of {what} stands in the source")))
        };
        match () {
            () if self.coverage < MIN_COVERAGE => refuse(self.coverage, "it"),
            () if self.new_coverage < MIN_NEW_COVERAGE => refuse(self.new_coverage, "what it adds to the question"),
            () => Ok(()),
        }
    }
}

/// Whether the line is in another language than the sentences that it was written from. Where these are not known, they are
/// taken to be of the first article, unless a sentence in the line's language says it.
pub(super) fn is_foreign(own: &Read, home: &[usize], ground: &Ground) -> bool {
    let is_first = |idx: &usize| ground.is_one_article(*idx, 0);
    let sentences: Vec<usize> = match home {
        [] => (0..ground.reads.len()).filter(is_first).collect(),
        home => home.to_vec(),
    };
    let han = sentences.iter().filter(|idx| ground.reads[**idx].parsed.han).count();
    own.parsed.han != (2 * han > sentences.len()) && (!home.is_empty() || sayers(own, ground).is_empty())
}

/// Finds the sentences that `own` rests on.
pub(super) fn find(own: &Read, home: &[usize], ground: &Ground, is_foreign: bool) -> Result<Support, Why> {
    if is_foreign {
        return foreign(own, home, ground);
    }
    let words: Vec<&Word> = own.parsed.content().map(|(_, word)| word).collect();
    let weights: Vec<f64> = words.iter().map(|word| weight(word)).collect();
    let total = weights.iter().sum::<f64>().max(0.1);
    let candidates = candidates(own, &words, home, ground);
    let likeness: Vec<Vec<f64>> = candidates.iter().map(|idx| likenesses(&words, &ground.reads[*idx])).collect();
    let mut covered = vec![0.0; words.len()];
    let mut open: Vec<usize> = (0..own.facts.len()).collect();
    let mut cites = Vec::new();
    while cites.len() < MAX_CITES {
        let gain = |at: usize| -> f64 {
            let new = likeness[at].iter().zip(&covered).map(|(new, old)| (new - old).max(0.0));
            new.zip(&weights).map(|(new, weight)| new * weight).sum::<f64>() / total
        };
        let states = |at: usize, fact: usize| states(own, fact, &ground.reads[candidates[at]]);
        let rated = (0..candidates.len()).filter(|at| !cites.contains(&candidates[*at])).map(|at| {
            let stated = open.iter().filter(|fact| states(at, **fact)).count() as f64;
            let is_home = home.contains(&candidates[at]);
            (at, gain(at), stated, gain(at) + if is_home { HOME_BONUS } else { 0.0 } + FIGURE_BONUS * stated)
        });
        let best = rated.filter(|(_, gain, stated, _)| *gain >= MIN_GAIN || *stated > 0.0);
        let Some((at, ..)) = best.max_by(|a, b| a.3.total_cmp(&b.3)) else {
            break;
        };
        covered.iter_mut().zip(&likeness[at]).for_each(|(old, new)| *old = old.max(*new));
        open.retain(|fact| !states(at, *fact));
        cites.push(candidates[at]);
    }
    if cites.is_empty() {
        return Err(Why::new(Fault::Unsupported, "no source sentence says it"));
    }
    let said = covered.iter().zip(&weights).map(|(share, weight)| share * weight).sum::<f64>();
    let (mut new, mut all_new) = (0.0, 0.0);
    for (n, _) in words.iter().enumerate().filter(|(_, word)| !ground.is_asked(word)) {
        new += covered[n] * weights[n];
        all_new += weights[n];
    }
    let new_coverage = if all_new > 0.0 && !ground.asked.is_empty() { new / all_new } else { 1.0 };
    Ok(Support { cites, coverage: said / total, new_coverage })
}

/// The sentences of the text that together say `own`, if they say [`MIN_COVERAGE`] of it.
pub(super) fn sayers(own: &Read, ground: &Ground) -> Vec<usize> {
    match find(own, &[], ground, false) {
        Ok(support) if support.coverage >= MIN_COVERAGE => {
            support.cites.into_iter().filter(|idx| *idx < ground.n_text).collect()
        }
        _ => Vec::new(),
    }
}

/// The sentences that stand for a line of another language: those it was written from, or those with its figures and names.
fn foreign(own: &Read, home: &[usize], ground: &Ground) -> Result<Support, Why> {
    let names: Vec<&Word> = own.parsed.words.iter().filter(|word| word.name).collect();
    let rate = |idx: usize| {
        let read = &ground.reads[idx];
        let stated = (0..own.facts.len()).filter(|fact| states(own, *fact, read)).count();
        let named = names.iter().filter(|name| read.parsed.words.iter().any(|word| word.key == name.key)).count();
        2 * stated + named
    };
    let pool: Vec<usize> = if home.is_empty() { (0..ground.reads.len()).collect() } else { home.to_vec() };
    let mut rated: Vec<(usize, usize)> = pool.into_iter().map(|idx| (rate(idx), idx)).collect();
    rated.retain(|(rate, _)| *rate > 0 || !home.is_empty());
    rated.sort_by_key(|(rate, idx)| (std::cmp::Reverse(*rate), *idx));
    let cites: Vec<usize> = rated.into_iter().take(MAX_CITES).map(|(_, idx)| idx).collect();
    match cites.is_empty() {
        true => Err(Why::new(Fault::Unsupported, "no source sentence can be held against it")),
        false => Ok(Support { cites, coverage: 1.0, new_coverage: 1.0 }),
    }
}

fn states(own: &Read, fact: usize, read: &Read) -> bool {
    read.facts.iter().any(|source| own.facts[fact].stated(source) >= Stated::Bound)
}

/// Sentences worth laying beside a line: where it was written from, and where its rarest words stand.
fn candidates(own: &Read, words: &[&Word], home: &[usize], ground: &Ground) -> Vec<usize> {
    let mut rates = vec![0.0; ground.reads.len()];
    for word in words {
        let weight = ground.weight(&word.key);
        for idx in ground.index.get(&word.key).into_iter().flatten() {
            rates[*idx] += weight;
        }
    }
    for (rate, read) in rates.iter_mut().zip(&ground.reads) {
        *rate += 2.0 * (0..own.facts.len()).filter(|fact| states(own, *fact, read)).count() as f64;
    }
    for idx in home {
        rates[*idx] += 1e6;
    }
    let mut order: Vec<usize> = (0..rates.len()).filter(|idx| rates[*idx] > 0.0).collect();
    order.sort_by(|a, b| rates[*b].total_cmp(&rates[*a]).then(a.cmp(b)));
    order.truncate(MAX_CANDIDATES + home.len());
    order
}

/// How well a sentence says each of `words`.
fn likenesses(words: &[&Word], read: &Read) -> Vec<f64> {
    words.iter().map(|word| says(word, read)).collect()
}

/// How well a sentence says a word, 0 to 1.
pub(super) fn says(word: &Word, read: &Read) -> f64 {
    let within = word.is_han() && word.key.chars().count() > 1 && read.parsed.folded.contains(&word.key);
    let alike = read.parsed.content().map(|(_, other)| word.likeness(other));
    alike.fold(if within { 1.0 } else { 0.0 }, f64::max)
}

/// What a word counts for: a name more, what can be said of anything less.
pub(super) fn weight(word: &Word) -> f64 {
    const LIGHT: &str = "make take give get go come say tell have do become see show keep put new year time way people compani \
        also one day two announc report accord call use need want plan part work includ 表示 宣布 进行 公司 目前 已经 方面 情况 问题 \
        相关 当地 一 据 称 说 指出 认为 成为 造成 作为 开始 需要 导致 得到 给予 时 年 月 日 人 名 位 个 家";
    match () {
        () if word.name => 1.5,
        () if LIGHT.split_whitespace().any(|light| light == word.key) => 0.3,
        () if word.is_han() && word.key.chars().count() == 1 => 0.5,
        () => 1.0,
    }
}
