//! A drafted sentence and the sources in, the source sentences that support it out, or what speaks against it.
//!
//! Nothing that the model says about its own sources is believed: the support is found here, by what the draft and
//! the source sentences have in common. Three things have to hold. Every figure of the draft agrees with a figure of
//! the sentences it rests on; every name of the draft stands in the sources; and those sentences cover most of what
//! the draft says, by weight, where a rare word weighs more than a common one.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Quote;
use super::names;
use crate::corpus::terms::terms;
use crate::text::figures::{Figure, figures};
use crate::text::fold::fold_str;
use crate::text::script::is_han;
use crate::text::{Cite, Lang};

/// A draft needs at least this share of its weight in the sentences that it rests on.
const MIN_COVERAGE: f64 = 0.6;
/// A further sentence is cited only when it adds at least this share.
const MIN_GAIN: f64 = 0.15;
/// Once so much is covered, no further sentence is cited.
const ENOUGH: f64 = 0.85;
/// The most sentences that one claim rests on.
const MAX_CITES: usize = 3;
/// What a hint of the drafting step is worth, as a share of the draft's weight.
const HINT_BONUS: f64 = 0.08;

/// Words of Chinese are counted by characters: so many make one.
pub const HAN_PER_WORD: usize = 2;

/// The same for each figure of the draft that a sentence states.
const FIGURE_BONUS: f64 = 0.3;

/// Whether a draft is supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// By these sentences, in the order of the source; never empty.
    Backed(Vec<Cite>),
    /// It is not, and why, for people.
    Unbacked(String),
}

/// Source sentences, made ready to be compared with drafts.
pub struct Ground {
    sentences: Vec<Grounded>,
    /// Inverse document frequency of each term over the sentences, in nats.
    weight: HashMap<String, f64>,
    /// The weight of a term that stands in no sentence.
    unseen_weight: f64,
    names: names::Known,
}

struct Grounded {
    cite: Cite,
    terms: HashSet<String>,
    figures: Vec<Figure>,
    han: bool,
    negates: bool,
}

impl Ground {
    /// Reads the source sentences once; a draft is then checked in time linear in their number.
    pub fn new(sources: &[Quote]) -> Ground {
        let sentences: Vec<Grounded> = sources.iter().map(Grounded::new).collect();
        let mut frequency: HashMap<String, usize> = HashMap::new();
        for term in sentences.iter().flat_map(|s| &s.terms) {
            *frequency.entry(term.clone()).or_default() += 1;
        }
        let n = sentences.len() as f64;
        let idf = |count: usize| (1.0 + n / (1.0 + count as f64)).ln();
        Ground {
            weight: frequency.into_iter().map(|(t, c)| (t, idf(c))).collect(),
            unseen_weight: idf(0),
            names: names::Known::new(sources.iter().map(|q| q.text.as_str())),
            sentences,
        }
    }

    /// Finds the sentences that support `draft`. `hints` are the sentences that it was drafted from: they win ties, no more.
    pub fn check(&self, draft: &str, hints: &[Cite]) -> Support {
        if let Some(name) = self.names.stranger(draft) {
            return Support::Unbacked(format!("the name “{name}” is not in the source"));
        }
        let draft_figures = figures(draft);
        if let Some(figure) = draft_figures.iter().find(|f| !self.states(f)) {
            let written = &draft[figure.start..figure.end];
            return Support::Unbacked(format!("the figure “{written}” is not in the source"));
        }
        let mut cites = if self.foreign(draft) {
            // Another script than the sources': no word can be compared, so the sentences that it was written from
            // stand for it, and figures and names alone are checked.
            hints.to_vec()
        } else {
            match self.cover(draft, &draft_figures, hints) {
                Ok(cites) => cites,
                Err(why) => return Support::Unbacked(why),
            }
        };
        for figure in &draft_figures {
            if !self.cited_states(&cites, figure) {
                match self.sentences.iter().find(|s| s.states(figure)) {
                    Some(s) if cites.len() < MAX_CITES => cites.push(s.cite),
                    _ => {
                        let written = &draft[figure.start..figure.end];
                        let why = format!("the figure “{written}” belongs to another sentence");
                        return Support::Unbacked(why);
                    }
                }
            }
        }
        cites.sort();
        cites.dedup();
        let cited = |s: &&Grounded| cites.contains(&s.cite);
        if negates(draft) && !self.sentences.iter().filter(cited).any(|s| s.negates) {
            return Support::Unbacked("it denies what the source does not deny".into());
        }
        match cites.is_empty() {
            true => Support::Unbacked("no source sentence says it".into()),
            false => Support::Backed(cites),
        }
    }

    /// Chooses sentences greedily by the weight of the draft's terms that they add.
    fn cover(&self, draft: &str, draft_figures: &[Figure], hints: &[Cite]) -> Result<Vec<Cite>, String> {
        // Ordered, so that sums come out the same on every run.
        let mut open: BTreeSet<String> = terms(draft).into_iter().collect();
        let total: f64 = open.iter().map(|t| self.weight(t)).sum();
        if total == 0.0 {
            return Err("it says nothing that could be checked".into());
        }
        let mut covered = 0.0;
        let mut cites = Vec::new();
        while cites.len() < MAX_CITES && covered < ENOUGH {
            let gain = |s: &Grounded| -> f64 {
                let new = open.iter().filter(|t| s.terms.contains(*t));
                new.map(|t| self.weight(t)).sum::<f64>() / total
            };
            let rated = self.sentences.iter().map(|s| {
                let hinted = if hints.contains(&s.cite) { HINT_BONUS } else { 0.0 };
                let stated = draft_figures.iter().filter(|figure| s.states(figure)).count();
                (s, gain(s), hinted + FIGURE_BONUS * stated as f64)
            });
            let best = rated.max_by(|a, b| (a.1 + a.2).total_cmp(&(b.1 + b.2)));
            let Some((s, gain, _)) = best.filter(|(_, gain, _)| *gain >= MIN_GAIN) else {
                break;
            };
            covered += gain;
            open.retain(|t| !s.terms.contains(t));
            cites.push(s.cite);
        }
        if covered < MIN_COVERAGE {
            return Err(format!("only {:.0} % of it stands in the source", 100.0 * covered));
        }
        Ok(cites)
    }

    fn weight(&self, term: &str) -> f64 {
        *self.weight.get(term).unwrap_or(&self.unseen_weight)
    }

    fn states(&self, figure: &Figure) -> bool {
        self.sentences.iter().any(|s| s.states(figure))
    }

    fn cited_states(&self, cites: &[Cite], figure: &Figure) -> bool {
        let cited = |s: &&Grounded| cites.contains(&s.cite);
        self.sentences.iter().filter(cited).any(|s| s.states(figure))
    }

    /// Whether the draft is in another script than most sources are.
    fn foreign(&self, draft: &str) -> bool {
        let han = self.sentences.iter().filter(|s| s.han).count();
        mostly_han(draft) != (2 * han > self.sentences.len())
    }
}

impl Grounded {
    fn new(quote: &Quote) -> Grounded {
        Grounded {
            cite: quote.cite,
            terms: terms(&quote.text).into_iter().collect(),
            figures: figures(&quote.text),
            han: mostly_han(&quote.text),
            negates: negates(&quote.text),
        }
    }

    fn states(&self, figure: &Figure) -> bool {
        self.figures.iter().any(|own| figure.agrees(own))
    }
}

/// Whether a sentence denies something.
fn negates(text: &str) -> bool {
    words(text).iter().any(|word| is_denial(word))
}

/// Whether one of [`words`] denies: a word of negation, or one that carries it.
pub fn is_denial(word: &str) -> bool {
    const WORDS: [&str; 36] = [
        "not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot", "fail", "failed",
        "fails", "deny", "denied", "denies", "refuse", "refused", "refuses", "reject", "rejected", "lack", "isnt",
        "arent", "wasnt", "werent", "dont", "doesnt", "didnt", "wont", "wouldnt", "cant", "couldnt", "shouldnt",
        "hasnt", "havent",
    ];
    const HAN: [char; 7] = ['不', '没', '未', '无', '非', '否', '拒'];
    WORDS.contains(&word) || word.contains(HAN)
}

fn mostly_han(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (han, other) = letters.fold((0, 0), |(h, o), c| match is_han(c) {
        true => (h + 1, o),
        false => (h, o + 1),
    });
    // A Latin word has about five letters where a Chinese one has two.
    5 * han > 2 * other
}

/// How much of `draft` is copied: the longest run of words (of Han characters) that stands in one piece in `source`.
pub fn longest_copy(draft: &str, source: &str) -> usize {
    let draft = words(draft);
    let source = words(source);
    let mut longest = 0;
    let mut previous = vec![0usize; source.len() + 1];
    for word in &draft {
        let mut row = vec![0usize; source.len() + 1];
        for (j, other) in source.iter().enumerate() {
            if word == other {
                row[j + 1] = previous[j] + 1;
                longest = longest.max(row[j + 1]);
            }
        }
        previous = row;
    }
    longest
}

/// The length of a text in words; two Han characters count as one.
pub fn n_words(text: &str, lang: Lang) -> usize {
    let words = words(text);
    match lang {
        Lang::En => words.len(),
        Lang::ZhHans | Lang::ZhHant => {
            let han = words.iter().filter(|w| w.chars().all(is_han)).count();
            words.len() - han + han.div_ceil(HAN_PER_WORD)
        }
    }
}

/// Folded words; a Han character is a word of its own.
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for c in fold_str(text).chars() {
        if is_han(c) {
            words.push(c.to_string());
            open = false;
        } else if c.is_alphanumeric() {
            match words.last_mut().filter(|_| open) {
                Some(word) => word.push(c),
                None => words.push(c.to_string()),
            }
            open = true;
        } else if !matches!(c, '\'' | '’') {
            open = false;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(sentences: &[&str]) -> Ground {
        let quote = |(sentence, text): (usize, &&str)| Quote {
            cite: Cite { article: 0, sentence },
            start: 0,
            end: text.len(),
            text: (*text).to_owned(),
        };
        Ground::new(&sentences.iter().enumerate().map(quote).collect::<Vec<_>>())
    }

    const EN: &[&str] = &[
        "The town of Ostrel will spend 4.2 million euros on a new ferry quay, mayor Ilse Vandro said on Monday.",
        "Work begins in March and should last eleven months.",
        "Fishermen fear that the quay will push them out of the harbour.",
        "In 2019 the council had rejected a similar plan by 14 votes to 9.",
    ];
    const ZH: &[&str] = &[
        "奧川市市長林若衡週一表示,市府將投入四億兩千萬元興建新渡輪碼頭。",
        "工程預計三月動工,工期十一個月。",
        "當地漁民擔心碼頭會擠壓他們的作業空間。",
    ];

    #[test]
    fn a_draft_rests_on_the_sentences_that_say_it() {
        let check = |sources: &[&str], draft: &str, expected: &[usize]| {
            let Support::Backed(cites) = ground(sources).check(draft, &[]) else {
                panic!("`{draft}`: {:?}", ground(sources).check(draft, &[]));
            };
            let found: Vec<usize> = cites.iter().map(|c| c.sentence).collect();
            assert_eq!(found, expected, "`{draft}`");
        };
        check(EN, "Ostrel will spend 4.2 million euros on a ferry quay.", &[0]);
        check(EN, "Fishermen fear the quay will push them out.", &[2]);
        check(EN, "Work on the 4.2 million euro ferry quay begins in March and lasts eleven months.", &[0, 1]);
        check(EN, "A similar plan was rejected by the council in 2019.", &[3]);
        check(ZH, "奥川市将投入4.2亿元兴建新渡轮码头。", &[0]);
        check(ZH, "漁民擔心碼頭擠壓作業空間。", &[2]);
    }

    #[test]
    fn a_draft_that_the_sources_do_not_support_is_refused_with_the_reason() {
        let check = |sources: &[&str], draft: &str, reason: &str| match ground(sources).check(draft, &[]) {
            Support::Unbacked(why) => assert!(why.contains(reason), "`{draft}`: {why}"),
            Support::Backed(cites) => panic!("`{draft}` rests on {cites:?}"),
        };
        check(EN, "Ostrel will spend 4.8 million euros on a ferry quay.", "4.8");
        check(EN, "Mayor Ilse Bandro said Ostrel will build a ferry quay.", "Bandro");
        check(EN, "The council rejected a similar plan by 15 votes to 9.", "15");
        check(EN, "The minister of transport resigned over corruption charges.", "stands in the source");
        check(EN, "Work does not begin in March.", "denies");
        check(ZH, "市長林若橫表示市府將興建新渡輪碼頭。", "林若橫");
        check(ZH, "市府將投入五億元興建新渡輪碼頭。", "五億元");
    }

    #[test]
    fn copies_are_measured_in_words_and_han_characters() {
        let check = |draft: &str, source: &str, expected: usize| {
            assert_eq!(longest_copy(draft, source), expected, "`{draft}`");
        };
        check("the new quay opens", "It is said that the new quay closes.", 3);
        check("市府興建新碼頭", "市府將興建新碼頭", 5);
        check("", "anything", 0);
    }
}
