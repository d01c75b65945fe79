//! What was written and what was expected in, how far they agree out. Shares no code with what is measured.
//!
//! Texts are compared by words: NFKC, lower case, Traditional characters as Simplified ones, punctuation dropped. A Han
//! character is a word of its own.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;
use unicode_normalization::UnicodeNormalization;

use super::summary::capitalised;

/// An answer is judged by so many words: one that quotes a whole passage does not win by its length.
const ANSWER_WORDS: usize = 64;

static TO_SIMPLIFIED: LazyLock<OpenCC> =
    LazyLock::new(|| OpenCC::from_config(BuiltinConfig::T2s).expect("the dictionary is compiled into the program"));

/// Traditional characters as Simplified ones, phrase by phrase.
pub(super) fn simplified(text: &str) -> String {
    TO_SIMPLIFIED.convert(text)
}

/// The words of a text. Between two digits a comma is dropped (`3,000` is `3000`) and a point kept; other marks part words.
pub fn words(text: &str) -> Vec<String> {
    let text: Vec<char> = text.nfkc().flat_map(char::to_lowercase).collect();
    let digit = |idx: usize| text.get(idx).is_some_and(char::is_ascii_digit);
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for (idx, &c) in text.iter().enumerate() {
        if is_han(c) {
            // Each character alone: what it becomes must not depend on its neighbours.
            words.push(TO_SIMPLIFIED.convert(&c.to_string()));
            open = false;
        } else if c.is_alphanumeric() {
            match words.last_mut().filter(|_| open) {
                Some(word) => word.push(c),
                None => words.push(c.to_string()),
            }
            open = true;
        } else {
            open &= matches!(c, '.' | ',') && idx > 0 && digit(idx - 1) && digit(idx + 1);
            if let Some(word) = words.last_mut().filter(|_| open && c == '.') {
                word.push(c);
            }
        }
    }
    words
}

fn is_han(c: char) -> bool {
    matches!(c, '〇' | '々' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether one of `golds` stands in the answer, whole words in their order.
pub fn contains(answer: &str, golds: &[String]) -> bool {
    contains_each(answer, golds, 1)
}

/// The same of one fact of `n_facts` that were asked for; an answer may have its length for each of them.
pub fn contains_each(answer: &str, golds: &[String], n_facts: usize) -> bool {
    let answer = clipped(answer, n_facts);
    golds.iter().any(|gold| stands_in(&words(gold), &answer))
}

/// F1 over the words of the answer and those of the gold that it agrees with most, 0 to 1.
pub fn f1(answer: &str, golds: &[String]) -> f64 {
    let answer = clipped(answer, 1);
    let of = |gold: &String| overlap(&answer, &words(gold)).f1();
    golds.iter().map(of).fold(0.0, f64::max)
}

/// Whether sentences that were cited hold one of the `golds`, or more than half of its words.
pub fn holds_evidence(cited: &str, golds: &[String]) -> bool {
    let cited = words(cited);
    golds.iter().any(|gold| {
        let gold = words(gold);
        stands_in(&gold, &cited) || overlap(&cited, &gold).recall() > 0.5
    })
}

/// The share of what `assertions` name that the answer names too: figures, and words with a capital letter that open no
/// sentence. What the question says already does not count. `None` when nothing is left to look for.
pub fn assertion_recall(answer: &str, question: &str, assertions: &[String]) -> Option<f64> {
    let asked: HashSet<String> = words(question).into_iter().collect();
    let has_digit = |word: &String| word.contains(|c: char| c.is_ascii_digit());
    let named_in = |assertion: &String| -> Vec<String> {
        let figures = words(assertion).into_iter().filter(has_digit);
        let names = capitalised(assertion);
        figures.chain(names.iter().flat_map(|name| words(name))).collect()
    };
    let wanted: HashSet<String> = assertions.iter().flat_map(named_in).filter(|word| !asked.contains(word)).collect();
    let said: HashSet<String> = clipped(answer, 1).into_iter().collect();
    (!wanted.is_empty()).then(|| wanted.intersection(&said).count() as f64 / wanted.len() as f64)
}

fn clipped(answer: &str, n_facts: usize) -> Vec<String> {
    let mut words = words(answer);
    words.truncate(n_facts * ANSWER_WORDS);
    words
}

fn stands_in(part: &[String], whole: &[String]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|run| run == part)
}

/// What two lists have in common.
pub(super) struct Overlap {
    common: f64,
    n_ours: f64,
    n_theirs: f64,
}

impl Overlap {
    pub(super) fn recall(&self) -> f64 {
        self.common / self.n_theirs.max(1.0)
    }

    pub(super) fn f1(&self) -> f64 {
        2.0 * self.common / (self.n_ours + self.n_theirs).max(1.0)
    }
}

/// Things in common, each as often as it stands in both.
pub(super) fn overlap<T: std::hash::Hash + Eq>(
    ours: impl IntoIterator<Item = T>,
    theirs: impl IntoIterator<Item = T>,
) -> Overlap {
    let mut counts: HashMap<T, usize> = HashMap::new();
    let (mut common, mut n_ours, mut n_theirs) = (0.0, 0.0, 0.0);
    for thing in ours {
        *counts.entry(thing).or_default() += 1;
        n_ours += 1.0;
    }
    for thing in theirs {
        n_theirs += 1.0;
        if let Some(count) = counts.get_mut(&thing).filter(|count| **count > 0) {
            *count -= 1;
            common += 1.0;
        }
    }
    Overlap { common, n_ours, n_theirs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn words_are_the_same_in_every_script_width_and_case() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text), expected, "{text}");
        check("Melbourne’s 3,000 trams", &["melbourne", "s", "3000", "trams"]);
        check("２６.7%, 12-year.", &["26.7", "12", "year"]);
        check("臺灣iPhone手機", &["台", "湾", "iphone", "手", "机"]);
        check("1月17日", &["1", "月", "17", "日"]);
        check("…", &[]);
    }

    #[test]
    fn an_answer_contains_whole_words_within_its_length() {
        let check = |answer: &str, golds: &[&str], expected| {
            assert_eq!(contains(answer, &owned(golds)), expected, "{answer}");
        };
        check("It was on 1 May 1973.", &["October", "May 1973"], true);
        check("It was in 11 towns.", &["1"], false);
        check("陸特和漢斯雷頓在歐洲開創。", &["欧洲"], true);
        check("于11月17日", &["1月17日"], false);
        check("Anything", &[""], false);
        let late = format!("{} Corran", "word ".repeat(ANSWER_WORDS));
        check(&late, &["Corran"], false);
    }

    #[test]
    fn f1_is_of_the_best_gold() {
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        // Two of four words said, two of two expected.
        near(f1("in the year 1973", &owned(&["October", "year 1973"])), 2.0 / 3.0);
        // A word said twice agrees once with one that is expected once.
        near(f1("May May", &owned(&["may"])), 2.0 / 3.0);
        near(f1("", &owned(&["may"])), 0.0);
    }

    #[test]
    fn evidence_is_held_whole_or_by_more_than_half() {
        let gold = owned(&["the tower was built in 1930"]);
        assert!(holds_evidence("Indeed: The tower was built in 1930, they say.", &gold));
        assert!(holds_evidence("The tower was built later.", &gold));
        assert!(!holds_evidence("The tower was tall.", &gold));
    }

    #[test]
    fn assertions_are_looked_for_by_what_the_question_does_not_say() {
        let recall =
            |answer: &str, assertion: &str| assertion_recall(answer, "When did Corran ban cars?", &owned(&[assertion]));
        let assertion = "The response should say that Corran banned them on May 3, 2,024.";
        assert_eq!(recall("On 3 May of 2024.", assertion), Some(1.0));
        assert_eq!(recall("Corran did so in May.", assertion), Some(1.0 / 3.0));
        assert_eq!(recall("Never.", "The response names no date."), None);
    }
}
