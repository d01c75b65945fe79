//! A draft and the sentence that it shortens in, what is wrong with the shortening out. No model.
//!
//! `ground` asks whether the words of a draft stand in the source. A small model that shortens a sentence with the
//! sentence's own words can still say something else with them: put them together anew, or leave out the word that
//! made a plan of a fact. Both show when the two are laid side by side, word by word and in order.

use super::Quote;
use super::ground::{is_denial, words};
use crate::text::figures::figures;
use crate::text::script::is_han;

/// The words of a draft have to stand in the source in runs of this mean length; Han characters count one each.
const MIN_RUN: f64 = 2.8;
const MIN_HAN_RUN: f64 = 3.0;
/// This share of the draft's words has to stand there, in the same order.
const MIN_IN_ORDER: f64 = 0.9;
/// A word that limits what follows reaches this far.
const REACH: usize = 6;

/// Words that, beside denials, make less of what follows: a plan, a doubt, an accusation, a bound.
const LIMITING: &str = "may might could would should can if unless until except \
    only almost nearly about roughly approximately least most more less fewer than over under up \
    plan plans planned planning hope hopes hoped aim aims aimed seek seeks sought look looks looking want wants wanted \
    expect expects expected propose proposes proposed consider considers considering intend intends \
    allege alleges alleged allegedly claim claims claimed accuse accused accuses argue argues argued suspect suspected \
    reportedly likely unlikely possible possibly potential potentially believe believes believed fear fears feared \
    try tries tried trying attempt attempts attempted";
/// In the folded form of [`words`].
const HAN_LIMITING: &str = "可能 或许 也许 恐 若 如果 除非 将 拟 欲 计划 预计 预期 有望 约 近 逾 超过 至少 最多 \
    据传 疑 试图 希望 打算 考虑 建议";

/// What is wrong with `draft` as a shortening of `source`; `None`: nothing that can be seen. `context` is the sentence
/// before, which a name may be taken from where the source opens with a pronoun; else it is empty.
pub fn distortion(draft: &str, source: &str, context: &str) -> Option<String> {
    let draft = words(draft);
    let n_context = words(context).len();
    let source: Vec<String> = words(context).into_iter().chain(words(source)).collect();
    let aligned = align(&draft, &source);
    let n_matched = aligned.iter().flatten().count();
    if (n_matched as f64) < MIN_IN_ORDER * draft.len() as f64 {
        return Some("it puts the words of the source in another order".into());
    }
    let is_chinese = 2 * draft.iter().filter(|w| w.chars().all(is_han)).count() > draft.len();
    let min_run = if is_chinese { MIN_HAN_RUN } else { MIN_RUN };
    let n_runs = n_runs(&aligned);
    if n_runs > 1 && (n_matched as f64) < min_run * n_runs as f64 {
        return Some("it is put together from scraps of the source".into());
    }
    let kept: Vec<bool> = (0..source.len()).map(|idx| aligned.contains(&Some(idx))).collect();
    limiting_words(&source).into_iter().find_map(|(first, last)| {
        let lost = first >= n_context && !kept[first..=last].iter().any(|kept| *kept);
        let reached = (last + 1..source.len().min(last + 1 + REACH)).filter(|idx| kept[*idx]);
        let counts = reached.clone().any(|idx| source[idx].chars().count() > 3 || has_weight(&source[idx]));
        (lost && counts).then(|| format!("it leaves out “{}”", source[first..=last].concat()))
    })
}

/// `draft` with the bound before each figure that one of `sources` sets and the draft left out: a source that says
/// “more than 380” is not told as 380.
pub fn with_bounds(draft: &str, sources: &[Quote]) -> String {
    const BOUNDS: [&str; 26] = [
        "more than ",
        "less than ",
        "fewer than ",
        "at least ",
        "at most ",
        "up to ",
        "nearly ",
        "almost ",
        "about ",
        "around ",
        "roughly ",
        "approximately ",
        "over ",
        "under ",
        "超过",
        "超過",
        "逾",
        "不到",
        "近",
        "约",
        "約",
        "至少",
        "最多",
        "将近",
        "將近",
        "大约",
    ];
    let bound_before = |text: &str| {
        let text = text.trim_end_matches(['$', '€', '£', '¥', '第']);
        BOUNDS.into_iter().find(|bound| text.ends_with(bound)).map(|bound| (bound, text.len()))
    };
    let mut bounded = draft.to_owned();
    // From the end, so that what was put in moves no figure that is still to come.
    for figure in figures(draft).iter().rev() {
        let set = sources.iter().find_map(|source| {
            let own = figures(&source.text);
            let own = own.iter().find(|own| figure.agrees(own))?;
            Some(bound_before(&source.text[..own.start])?.0)
        });
        let before = &draft[..figure.start];
        if let Some(bound) = set
            && bound_before(before).is_none()
        {
            let at = before.trim_end_matches(['$', '€', '£', '¥']).len();
            bounded.insert_str(at, bound);
        }
    }
    bounded
}

/// `draft` with the articles back that a shortening of `source` lost: “council paid bill” of “the council paid the bill”.
/// English only, and not before a title: “Mayor Vandro” of “the mayor, Ilse Vandro”.
pub fn with_articles(draft: &str, source: &str) -> String {
    const DETERMINERS: [&str; 16] = [
        "the", "a", "an", "its", "his", "her", "their", "our", "this", "that", "these", "those", "no", "every", "each",
        "any",
    ];
    let tokens: Vec<&str> = draft.split_whitespace().collect();
    let source: Vec<&str> = source.split_whitespace().collect();
    let folded = |tokens: &[&str]| -> Vec<String> {
        let word = |token: &&str| words(token).concat();
        tokens.iter().map(word).collect()
    };
    let (draft_words, source_words) = (folded(&tokens), folded(&source));
    let aligned = align(&draft_words, &source_words);
    let is_article = |word: &str| matches!(word, "the" | "a" | "an");
    let is_name = |token: &str| token.starts_with(char::is_uppercase);
    let lost = |idx: usize| -> Option<&str> {
        let at = aligned[idx]?;
        let article = source[at.checked_sub(1)?];
        let has_one = idx > 0 && DETERMINERS.contains(&&*draft_words[idx - 1]);
        let is_title = tokens.get(idx + 1).is_some_and(|next| is_name(next));
        let fits = is_article(&article.to_lowercase()) && !has_one && !is_title;
        (fits && !is_name(source[at])).then_some(article)
    };
    let mut told: Vec<String> = Vec::with_capacity(tokens.len());
    for (idx, token) in tokens.iter().enumerate() {
        match lost(idx) {
            Some(article) if idx == 0 => {
                let mut letters = article.to_lowercase();
                letters[..1].make_ascii_uppercase();
                told.push(letters);
                told.push(source_case(token));
            }
            Some(article) => {
                told.push(article.to_lowercase());
                told.push((*token).to_owned());
            }
            None => told.push((*token).to_owned()),
        }
    }
    told.join(" ")
}

/// A word that opened a sentence and does so no longer.
fn source_case(token: &str) -> String {
    let mut rest = token.chars();
    let first = rest.next().map(|c| c.to_lowercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

/// Short words that still carry meaning: figures and Han characters.
fn has_weight(word: &str) -> bool {
    word.chars().any(|c| c.is_numeric() || is_han(c))
}

/// For each word of the draft the word of the source that it is, so that both stand in order, as many as possible are
/// matched, and in as few runs as possible.
pub(super) fn align(draft: &[String], source: &[String]) -> Vec<Option<usize>> {
    /// A new run has to bring in more than one word.
    const RUN_COST: i32 = 6;
    const MATCH: i32 = 10;
    let (n, m) = (draft.len(), source.len());
    // best[i][j][in_run]: the score of draft[i..] against source[j..], where a run may be going on.
    let mut best = vec![vec![[0i32; 2]; m + 1]; n + 1];
    let step = |best: &Vec<Vec<[i32; 2]>>, i: usize, j: usize, in_run: usize| {
        let cost = if in_run == 1 { 0 } else { RUN_COST };
        same(&draft[i], &source[j]).then(|| MATCH - cost + best[i + 1][j + 1][1])
    };
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            for in_run in 0..2 {
                let skip = best[i + 1][j][0].max(best[i][j + 1][0]);
                best[i][j][in_run] = step(&best, i, j, in_run).map_or(skip, |score| score.max(skip));
            }
        }
    }
    let mut aligned = vec![None; n];
    let (mut i, mut j, mut in_run) = (0, 0, 0);
    while i < n && j < m {
        if step(&best, i, j, in_run) == Some(best[i][j][in_run]) {
            aligned[i] = Some(j);
            (i, j, in_run) = (i + 1, j + 1, 1);
        } else if best[i][j][in_run] == best[i][j + 1][0] {
            (j, in_run) = (j + 1, 0);
        } else {
            (i, in_run) = (i + 1, 0);
        }
    }
    aligned
}

/// Runs of neighbours among the matched words.
fn n_runs(aligned: &[Option<usize>]) -> usize {
    let starts = |idx: usize| match (aligned[idx], idx.checked_sub(1).and_then(|i| aligned[i])) {
        (Some(here), Some(before)) => here != before + 1,
        (here, None) => here.is_some(),
        (None, Some(_)) => false,
    };
    (0..aligned.len()).filter(|idx| starts(*idx)).count()
}

/// The same word, or another form of it.
fn same(a: &str, b: &str) -> bool {
    let shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a == b || shared >= 4 && shared + 3 >= a.len().max(b.len()) && !has_weight(a)
}

/// First and last position of each limiting word of `source`.
fn limiting_words(source: &[String]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for first in 0..source.len() {
        let word = source[first].as_str();
        if is_denial(word) || LIMITING.split_whitespace().any(|limiting| limiting == word) {
            found.push((first, first));
        }
        let ends = |limiting: &str| {
            let n = limiting.chars().count();
            let run = source.get(first..first + n)?;
            (run.concat() == limiting).then(|| first + n - 1)
        };
        found.extend(HAN_LIMITING.split_whitespace().filter_map(|l| Some((first, ends(l)?))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: &str = "Ostrel looks to stop charging the owners of small boats, of whom there are more than 300, a \
        fee for the new quay, which could open in March.";

    #[test]
    fn a_shortening_keeps_order_and_limits() {
        let check = |draft: &str, source: &str, expected: Option<&str>| {
            let found = distortion(draft, source, "");
            let fits = match (&found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() == expected.is_none(),
            };
            assert!(fits, "`{draft}`: {found:?}");
        };
        check("Ostrel looks to stop charging the owners of small boats a fee.", LOOKS, None);
        check("The new quay could open in March.", LOOKS, None);
        check("Ostrel stops charging the owners of small boats a fee.", LOOKS, Some("looks"));
        check("There are 300 owners of small boats.", LOOKS, Some("order"));
        check("To stop charging the owners of small boats, of whom there are 300.", LOOKS, Some("“looks”"));
        check("Looks to stop charging the owners of small boats, of whom there are 300.", LOOKS, Some("“more”"));
        check("Ostrel owners there a quay open March.", LOOKS, Some("scraps"));
        check("The owners of small boats charge Ostrel a fee for the new quay.", LOOKS, Some("order"));
        check("市府将投入四亿元兴建码头。", "市府預計將投入四億元,在北岸興建渡輪碼頭。", Some("预计"));
        check("市府預計投入四億元,在北岸興建碼頭。", "市府預計將投入四億元,在北岸興建渡輪碼頭。", Some("将"));
        check("市府預計將投入四億元興建渡輪碼頭。", "市府預計將投入四億元,在北岸興建渡輪碼頭。", None);
    }

    #[test]
    fn articles_that_a_shortening_lost_come_back() {
        let check = |draft: &str, source: &str, expected: &str| {
            assert_eq!(with_articles(draft, source), expected);
        };
        let paid = "The regional council paid 60 percent of the bill, an insurance pool of fishing towns 25.";
        check("Regional council paid 60 percent of bill.", paid, "The regional council paid 60 percent of the bill.");
        check(
            "The regional council paid 60 percent of the bill.",
            paid,
            "The regional council paid 60 percent of the bill.",
        );
        check("Insurance pool of towns paid 25.", paid, "An insurance pool of towns paid 25.");
        let mayor = "On Monday the mayor, Ilse Vandro, opened a quay.";
        check("Mayor Ilse Vandro opened a quay.", mayor, "Mayor Ilse Vandro opened a quay.");
    }

    #[test]
    fn a_figure_keeps_its_bound() {
        let check = |draft: &str, source: &str, expected: &str| {
            let quote = Quote {
                cite: crate::text::Cite { article: 0, sentence: 0 },
                start: 0,
                end: source.len(),
                text: source.to_owned(),
            };
            assert_eq!(with_bounds(draft, &[quote]), expected);
        };
        let source = "Ostrel will spend more than $4.2 million on about 30 boats in 2027.";
        check(
            "It spends $4.2 million on 30 boats in 2027.",
            source,
            "It spends more than $4.2 million on about 30 boats in 2027.",
        );
        check("It spends over $4.2 million.", source, "It spends over $4.2 million.");
        check("市府投入4.2億元。", "市府將投入超過4.2億元建碼頭。", "市府投入超過4.2億元。");
    }

    #[test]
    fn a_pronoun_may_be_filled_in_from_the_sentence_before() {
        let source = "She will ask the council for a new quay in March.";
        let draft = "Vandro will ask the council for a new quay in March.";
        assert_eq!(distortion(draft, source, "Mayor Ilse Vandro spoke on Monday."), None);
    }
}
