//! An answer and the sentence that it stands in, nearly, in; the words of the sentence themselves out.
//!
//! A model that is asked for the words of a text leaves out articles, units and "and"; and of two figures in a sentence
//! it takes the wrong one. So what is told is what the sentence says, whole or by its clauses.

use std::ops::Range;

use super::faithful::align;
use super::ground::n_words;
use crate::text::Lang;
use crate::text::figures::figures;
use crate::text::fold::fold_str;
use crate::text::script::is_han;

/// The run of `sentence` may have so many more words than the answer: half as many again and two.
fn most_words(n_words: usize) -> usize {
    n_words + n_words / 2 + 2
}

/// The run of `sentence` that `answer` stands for, with its article and whole figures; `None` where the answer's words
/// do not stand in it, in their order and near one another.
pub fn verbatim(answer: &str, sentence: &str) -> Option<Range<usize>> {
    let (wanted, held) = (words(answer), words(sentence));
    let names =
        |words: &[(String, Range<usize>)]| -> Vec<String> { words.iter().map(|(word, _)| word.clone()).collect() };
    let aligned: Option<Vec<usize>> = align(&names(&wanted), &names(&held)).into_iter().collect();
    let aligned = aligned.filter(|aligned| {
        let n_words = aligned.last().zip(aligned.first()).map(|(b, a)| b - a + 1);
        n_words.is_some_and(|n| n <= most_words(wanted.len()))
    });
    let mut run = match aligned {
        Some(aligned) => {
            let first = aligned[0];
            let before = first.checked_sub(1).map(|idx| &held[idx]);
            let article = before.filter(|(word, _)| matches!(&**word, "a" | "an" | "the"));
            let start = article.map_or(held[first].1.start, |(_, range)| range.start);
            start..held[aligned[aligned.len() - 1]].1.end
        }
        None => same_figure(answer, sentence)?,
    };
    for figure in figures(sentence) {
        if figure.start < run.end && run.start < figure.end {
            run = run.start.min(figure.start)..run.end.max(figure.end);
        }
    }
    Some(run)
}

/// What `sentence` says around `run`: all of it, or, of a longer one, as many of its clauses as make `most_words`, with
/// an ellipsis where others were left out. The clause of the run is always among them.
pub fn around(run: Range<usize>, sentence: &str, lang: Lang, most_words: usize) -> String {
    let bounds = clause_bounds(sentence);
    let mut first = bounds.iter().rposition(|at| *at <= run.start).unwrap_or(0);
    let ends = bounds.iter().position(|at| *at >= run.end);
    let mut last = ends.unwrap_or(bounds.len() - 1).max(first + 1);
    let fits = |first: usize, last: usize| n_words(&sentence[bounds[first]..bounds[last]], lang) <= most_words;
    // What comes before says who and what; so it comes first.
    while first > 0 && fits(first - 1, last) {
        first -= 1;
    }
    while last + 1 < bounds.len() && fits(first, last + 1) {
        last += 1;
    }
    let text = sentence[bounds[first]..bounds[last]].trim();
    let before = if first > 0 { "… " } else { "" };
    match last + 1 < bounds.len() {
        true => format!("{before}{} …", text.trim_end_matches(is_clause_mark)),
        false => format!("{before}{text}"),
    }
}

/// Where the clauses of a sentence begin, and its end: at least two places.
fn clause_bounds(sentence: &str) -> Vec<usize> {
    let mut bounds = vec![0];
    let mut characters = sentence.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        // "1,200" and "12:30" go on.
        let ends = !c.is_ascii() || characters.peek().is_some_and(|(_, next)| *next == ' ');
        if is_clause_mark(c) && ends {
            bounds.push(at + c.len_utf8());
        }
    }
    bounds.retain(|at| *at < sentence.len());
    bounds.push(sentence.len());
    bounds
}

fn is_clause_mark(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | '—' | '，' | '；' | '：')
}

/// Where the sentence states the figure that the whole answer is.
fn same_figure(answer: &str, sentence: &str) -> Option<Range<usize>> {
    let whole = answer.trim_matches(|c: char| !c.is_alphanumeric());
    let own = figures(whole);
    let [own] = &own[..] else {
        return None;
    };
    let held = figures(sentence);
    let held = held.iter().find(|figure| own.agrees(figure))?;
    (own.start == 0 && own.end == whole.len()).then_some(held.start..held.end)
}

/// The folded words of a text with their places; a Han character is a word of its own.
fn words(text: &str) -> Vec<(String, Range<usize>)> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut goes_on = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match words.last_mut() {
            Some(word) if goes_on && c.is_alphanumeric() && !is_han(c) => word.end = end,
            _ if c.is_alphanumeric() => words.push(at..end),
            _ => {}
        }
        goes_on = c.is_alphanumeric() && !is_han(c) || goes_on && matches!(c, '\'' | '’' | '.' | ',');
    }
    words.into_iter().map(|range| (fold_str(&text[range.clone()]), range)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_as_the_sentence_says_it() {
        let check = |answer: &str, sentence: &str, expected: Option<&str>| {
            let found = verbatim(answer, sentence).map(|run| &sentence[run]);
            assert_eq!(found, expected, "`{answer}`");
        };
        let quay = "The council backs commercial, scientific, and cultural growth, and will spend 4.2 million euros on a \
            new quay for eight boats by the west shore.";
        check("Commercial, scientific, cultural growth", quay, Some("commercial, scientific, and cultural growth"));
        check("4.2 million", quay, Some("4.2 million euros"));
        check("West shore", quay, Some("the west shore"));
        check("8", quay, Some("eight"));
        check("9", quay, None);
        check("The mayor", quay, None);
        check("The council will spend on boats", quay, None);
        let zh = "溜馬隊創下61勝的紀錄,該隊成立於1973年,有800多年歷史的老街在旁邊。";
        check("1973", zh, Some("1973年"));
        check("溜马队", zh, Some("溜馬隊"));
        check("800年歷史", zh, Some("800多年歷史"));
    }

    #[test]
    fn an_answer_is_told_with_what_stands_around_it() {
        let check = |words: &str, sentence: &str, lang: Lang, most: usize, expected: &str| {
            let at = sentence.find(words).unwrap();
            let told = around(at..at + words.len(), sentence, lang, most);
            assert_eq!(told, expected, "`{words}`");
        };
        let plain = "The plain, which lies low, is 300 km long and 40 km wide, and holds 1,200 ponds.";
        check("40 km", plain, Lang::En, 40, plain);
        check("40 km", plain, Lang::En, 13, "The plain, which lies low, is 300 km long and 40 km wide …");
        check("1,200 ponds", plain, Lang::En, 5, "… and holds 1,200 ponds.");
        check("The plain", plain, Lang::En, 1, "The plain …");
        let zh = "谷地全長三百公里，寬四十公里，有一千二百個池塘。";
        check("四十", zh, Lang::ZhHant, 8, "谷地全長三百公里，寬四十公里 …");
        check("池塘", zh, Lang::ZhHant, 6, "… 有一千二百個池塘。");
    }
}
