//! A summary, a summary by a person and the article in, how much they share out. Shares no code with what is measured.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::text::{overlap, words};

/// ROUGE-N: F1 over runs of `n` words, as often as each stands in both, 0 to 1. Chinese by characters, English unstemmed.
pub fn rouge_n(ours: &str, reference: &str, n: usize) -> f64 {
    let (ours, reference) = (words(ours), words(reference));
    overlap(ours.windows(n), reference.windows(n)).f1()
}

/// ROUGE-L: F1 over the longest common subsequence of the words of both texts as a whole.
pub fn rouge_l(ours: &str, reference: &str) -> f64 {
    let (ours, reference) = (words(ours), words(reference));
    let mut row = vec![0usize; reference.len() + 1];
    for word in &ours {
        let mut diagonal = 0;
        for (j, other) in reference.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = match word == other {
                true => diagonal + 1,
                false => above.max(row[j]),
            };
            diagonal = above;
        }
    }
    2.0 * row[reference.len()] as f64 / (ours.len() + reference.len()).max(1) as f64
}

/// Words of the summary for each word of the reference.
pub fn length_ratio(ours: &str, reference: &str) -> f64 {
    words(ours).len() as f64 / words(reference).len().max(1) as f64
}

/// The share of the summary's figures (words with a digit) that stand in the article. `None` without a figure.
pub fn figure_support(ours: &str, article: &str) -> Option<f64> {
    let figures = words(ours).into_iter();
    let figures = figures.filter(|word| word.contains(|c: char| c.is_ascii_digit()));
    support(figures.collect(), article)
}

/// The share of the summary's names that stand in the article: of the words with a capital letter that open no line and
/// no sentence. `None` without one, as in Chinese.
pub fn name_support(ours: &str, article: &str) -> Option<f64> {
    let names = capitalised(ours);
    support(names.iter().flat_map(|name| words(name)).collect(), article)
}

/// The share of the summary's words that stand in the article. `None` without a word.
pub fn coverage(ours: &str, article: &str) -> Option<f64> {
    support(words(ours), article)
}

fn support(said: Vec<String>, article: &str) -> Option<f64> {
    let held: HashSet<String> = words(article).into_iter().collect();
    let n_held = said.iter().filter(|word| held.contains(*word)).count();
    (!said.is_empty()).then(|| n_held as f64 / said.len() as f64)
}

/// The words with a capital letter that open no line and no sentence.
pub(super) fn capitalised(text: &str) -> Vec<String> {
    let text: String = text.nfkc().collect();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut opens = true;
        for piece in line.split_whitespace() {
            let bare = piece.trim_matches(|c: char| !c.is_alphanumeric());
            if bare.starts_with(char::is_uppercase) && !opens {
                found.push(bare.to_owned());
            }
            opens = piece.ends_with(['.', '!', '?', ':', '”', '"']);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}");
    }

    #[test]
    fn rouge_counts_what_both_say() {
        let (ours, reference) = ("The cat sat on the mat.", "the cat lay on the mat");
        near(rouge_n(ours, reference, 1), 5.0 / 6.0);
        near(rouge_n(ours, reference, 2), 3.0 / 5.0);
        near(rouge_l(ours, reference), 5.0 / 6.0);
        // In another order: all words, no pair but one, one run.
        let (ours, reference) = ("on the mat cats sat", "cats sat on the mat");
        near(rouge_n(ours, reference, 1), 1.0);
        near(rouge_n(ours, reference, 2), 3.0 / 4.0);
        near(rouge_l(ours, reference), 3.0 / 5.0);
        near(rouge_n("臺灣海峽", "台湾", 2), 2.0 / 4.0);
        near(rouge_n("", "a b", 2), 0.0);
        near(rouge_l("", ""), 0.0);
    }

    #[test]
    fn figures_and_names_are_looked_for_in_the_article() {
        let article = "Mayor Ilse Vandro said Corran will spend 3,200 crowns.";
        let ours = "Corran spends 3200 of 9 crowns.\nThe mayor, Ilse Bandro, agreed.";
        assert_eq!(figure_support(ours, article), Some(0.5));
        assert_eq!(name_support(ours, article), Some(0.5));
        assert_eq!(name_support("市长林若衡", article), None);
        assert_eq!(figure_support("None", article), None);
        assert_eq!(coverage("Corran will sing", article), Some(2.0 / 3.0));
        near(length_ratio("a b c", "a b"), 1.5);
    }
}
