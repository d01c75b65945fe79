//! An English sentence in, the sentence without one of its clauses out.

use super::super::ground::{is_denial, n_words, words};
use super::{dangles, is_outside_quotes};
use crate::text::Lang;

/// Without a clause in the middle, or else without the last one; `None` when all of them have to stay.
pub(super) fn without_clause(text: &str) -> Option<String> {
    without_inner_clause(text).or_else(|| without_last_clause(text))
}

/// Whether a clause would take something back that then stands alone: a condition, a limit, a denial.
fn binds(clause: &str) -> bool {
    const CONDITIONS: [&str; 8] = ["if", "unless", "until", "except", "only", "but", "although", "though"];
    let is_condition = |word: &String| CONDITIONS.contains(&word.as_str());
    words(clause).iter().any(|word| is_condition(word) || is_denial(word))
}

/// What opens a clause behind a comma that only adds to what stands before it.
const ADDITIONS: [&str; 31] = [
    "which",
    "who",
    "whose",
    "where",
    "when",
    "while",
    "as",
    "even as",
    "now that",
    "after",
    "before",
    "since",
    "because",
    "including",
    "such as",
    "with",
    "amid",
    "despite",
    "instead of",
    "rather than",
    "in hopes of",
    "in an effort to",
    "just",
    "along with",
    "alongside",
    "like",
    "for example",
    "or so",
    "and",
    "or",
    "following",
];
/// What opens one without a comma.
const TAILS: [&str; 9] =
    [" even as ", " after ", " when ", " while ", " because ", " since ", " amid ", " ahead of ", " in hopes of "];

fn opens_with(clause: &str, openings: &[&str]) -> bool {
    let clause = clause.trim_start().to_lowercase();
    openings.iter().any(|opening| {
        let rest = clause.strip_prefix(opening);
        rest.is_some_and(|rest| rest.starts_with([' ', ',']))
    })
}

/// Whether a clause opens with a participle: `saying that …`.
fn is_participle(clause: &str) -> bool {
    let first = clause.split_whitespace().next().unwrap_or_default();
    first.len() > 5 && first.ends_with("ing")
}

/// Without `, which …,` and the like in the middle, or what stands between a name and `said`.
fn without_inner_clause(text: &str) -> Option<String> {
    const RELATIVES: [&str; 5] = ["which", "who", "whose", "where", "including"];
    const SAYS: [&str; 7] = ["said", "says", "told", "announced", "wrote", "added", "warned"];
    let marks = clause_marks(text);
    marks.windows(2).rev().find_map(|pair| {
        let (clause, rest) = (&text[pair[0] + 1..pair[1]], &text[pair[1] + 1..]);
        // What follows is to be the sentence going on, and not the last of a series.
        let goes_on = !opens_with(rest, &ADDITIONS) && !is_participle(rest);
        let first = clause.split_whitespace().next()?;
        let describes = ["a", "an", "the"].contains(&first) || ["'s", "’s"].iter().any(|s| first.ends_with(s));
        let stands_between = opens_with(clause, &RELATIVES) && goes_on || describes && opens_with(rest, &SAYS);
        (stands_between && !binds(clause)).then(|| format!("{}{rest}", &text[..pair[0]]))
    })
}

/// Without the last clause, where it only adds something.
fn without_last_clause(text: &str) -> Option<String> {
    let marks = clause_marks(text);
    let is_series = |clause: &str| opens_with(clause, &["and", "or"]) && marks.len() > 1;
    let late = |(number, at): (usize, &usize)| {
        let clause = &text[at + 1..];
        let is_last = number + 1 == marks.len();
        // A clause with commas of its own may be one in the middle, unless it opens with a participle.
        let adds = is_participle(clause) || is_last && opens_with(clause, &ADDITIONS);
        (adds && !is_series(clause)).then_some(*at)
    };
    let late = marks.iter().enumerate().filter_map(late).collect::<Vec<_>>();
    let dash = [" — ", " – "].iter().filter_map(|dash| text.rfind(dash));
    let tail = TAILS.iter().filter_map(|tail| text.rfind(tail));
    let tail = tail.filter(|at| !text[..*at].ends_with(','));
    let open = late.into_iter().chain(dash).chain(tail);
    let fits = |at: &usize| {
        let (before, clause) = (&text[..*at], &text[*at..]);
        let whole = n_words(before, Lang::En) >= 8 && !dangles(before);
        is_outside_quotes(text, *at) && !binds(clause) && whole
    };
    let at = open.filter(fits).max()?;
    Some(format!("{}.", text[..at].trim_end()))
}

/// Where commas stand that are outside quotation marks and divide clauses.
fn clause_marks(text: &str) -> Vec<usize> {
    let marks = text.match_indices(", ").map(|(at, _)| at);
    marks.filter(|&at| is_outside_quotes(text, at)).collect()
}
