//! A drafted sentence and the sources in, a name that the sources do not know out.
//!
//! A name is a capitalised word of a Latin script, or a Chinese word that the segmenter tags as a person, place or
//! organisation. Small models misspell exactly these.

use std::collections::HashSet;

use crate::corpus::terms::tagged;
use crate::text::fold::{fold, fold_str};
use crate::text::script::is_han;

/// The words of the sources, against which the names of a draft are looked up.
pub struct Known {
    words: HashSet<String>,
    /// All Han text of the sources, folded; a line break between sentences.
    han: String,
    /// Chinese names of three and more characters, folded: near misses of these are misspellings.
    han_names: Vec<Vec<char>>,
    /// Initials of each run of capitalised words, so that a draft may abbreviate "Food Safety Board" to FSB.
    initials: HashSet<String>,
}

/// Capitalised words that open an English sentence without being a name.
const OPENERS: &[&str] = &[
    "a",
    "about",
    "according",
    "additionally",
    "after",
    "all",
    "almost",
    "also",
    "although",
    "amid",
    "among",
    "an",
    "analysts",
    "and",
    "another",
    "any",
    "around",
    "as",
    "at",
    "authorities",
    "because",
    "before",
    "both",
    "but",
    "by",
    "company",
    "concerns",
    "critics",
    "despite",
    "due",
    "during",
    "each",
    "earlier",
    "efforts",
    "even",
    "every",
    "experts",
    "few",
    "first",
    "following",
    "for",
    "former",
    "four",
    "from",
    "further",
    "furthermore",
    "government",
    "have",
    "he",
    "her",
    "his",
    "how",
    "however",
    "i",
    "if",
    "in",
    "including",
    "instead",
    "investigators",
    "it",
    "its",
    "last",
    "later",
    "leaders",
    "lawmakers",
    "local",
    "many",
    "meanwhile",
    "more",
    "moreover",
    "most",
    "new",
    "no",
    "not",
    "now",
    "officials",
    "on",
    "once",
    "one",
    "only",
    "opponents",
    "other",
    "others",
    "our",
    "over",
    "people",
    "police",
    "prosecutors",
    "recent",
    "recently",
    "researchers",
    "residents",
    "scientists",
    "several",
    "she",
    "since",
    "so",
    "some",
    "such",
    "supporters",
    "that",
    "the",
    "their",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "though",
    "three",
    "through",
    "to",
    "today",
    "two",
    "under",
    "until",
    "we",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "why",
    "with",
    "within",
    "without",
    "workers",
    "you",
];

/// Capitalised, and yet no subject of an article.
const DAYS: &[&str] = &[
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "Jun",
    "Jul",
    "Aug",
    "Sept",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
];

impl Known {
    /// Reads the sources' words once.
    pub fn new<'a>(sources: impl Iterator<Item = &'a str>) -> Known {
        let mut known =
            Known { words: HashSet::new(), han: String::new(), han_names: Vec::new(), initials: HashSet::new() };
        for text in sources {
            let mut run = String::new();
            for word in latin_words(text) {
                match word.text.chars().next().filter(|c| c.is_uppercase()) {
                    Some(c) => run.push(c),
                    None if word.text.len() > 3 => run.clear(),
                    None => {}
                }
                known.remember_initials(&run);
                known.words.extend(spellings(word.text));
            }
            let names = han_names(text).map(|name| fold_str(&name).chars().collect());
            known.han_names.extend(names.filter(|name: &Vec<char>| name.len() >= 3));
            known.han.push_str(&fold_str(text));
            known.han.push('\n');
        }
        known
    }

    fn remember_initials(&mut self, run: &str) {
        let starts = run.char_indices().map(|(at, _)| &run[at..]);
        let new = starts.filter(|i| (2..=6).contains(&i.chars().count()));
        self.initials.extend(new.map(str::to_lowercase));
    }

    /// The first name of `draft` that stands nowhere in the sources.
    pub fn stranger(&self, draft: &str) -> Option<String> {
        let latin = latin_words(draft).find(|word| self.is_stranger(word));
        if let Some(word) = latin {
            return Some(word.text.to_owned());
        }
        han_names(draft).find(|name| !self.knows_han(&fold_str(name))).or_else(|| self.misspelling(draft))
    }

    /// Whether the sources have the folded name, or all of it but a character at one end: the segmenter takes a verb
    /// into a name that it does not know.
    fn knows_han(&self, name: &str) -> bool {
        let starts: Vec<usize> = name.char_indices().map(|(at, _)| at).collect();
        let without_ends = match starts[..] {
            [_, second, _, .., last] => vec![&name[second..], &name[..last]],
            _ => Vec::new(),
        };
        self.han.contains(name) || without_ends.iter().any(|part| self.han.contains(part))
    }

    /// A run of `draft` that differs in one character from a Chinese name of the sources and stands nowhere in them.
    /// The segmenter need not take it for a name.
    fn misspelling(&self, draft: &str) -> Option<String> {
        let folded = fold(draft);
        let chars: Vec<(usize, char)> = folded.text.char_indices().collect();
        let near = |run: &[(usize, char)], name: &[char]| {
            let same = run.iter().zip(name).filter(|((_, a), b)| a == *b).count();
            same + 1 == name.len() && run.iter().all(|(_, c)| is_han(*c))
        };
        let runs = |name: &Vec<char>| {
            let runs = chars.windows(name.len()).filter(|run| near(run, name));
            let range = |run: &[(usize, char)]| {
                let (last, c) = run[run.len() - 1];
                run[0].0..last + c.len_utf8()
            };
            runs.map(range).collect::<Vec<_>>()
        };
        let mut near_misses = self.han_names.iter().flat_map(runs);
        let stranger = near_misses.find(|range| !self.han.contains(&folded.text[range.clone()]))?;
        Some(draft[folded.original_range(stranger)].to_owned())
    }

    fn is_stranger(&self, word: &Word) -> bool {
        if !word.text.chars().any(char::is_uppercase) || word.text.chars().count() < 2 {
            return false;
        }
        let folded = fold_str(word.text);
        if word.opens_sentence && OPENERS.contains(&folded.as_str()) {
            return false;
        }
        let known = |spelling: &String| self.words.contains(spelling) || self.initials.contains(spelling);
        !spellings(word.text).iter().any(known)
            && !folded.split('-').all(|part| self.words.contains(part) || part.chars().all(char::is_numeric))
    }
}

/// Chinese names of `text` as it writes them: words that the segmenter tags as a person, place, organisation or title,
/// and words of two to four characters that it does not know.
pub fn han_names(text: &str) -> impl Iterator<Item = String> {
    // The segmenter's dictionary is Simplified; what it finds is mapped back.
    let folded = fold(text);
    let mut names = Vec::new();
    let mut at = 0;
    for (word, tag) in tagged(&folded.text) {
        let range = at..at + word.len();
        at = range.end;
        let n_chars = word.chars().count();
        let named = ["nr", "ns", "nt", "nz"].iter().any(|t| tag.starts_with(t)) || tag == "x";
        if named && (2..=8).contains(&n_chars) && word.chars().all(is_han) {
            names.push(text[folded.original_range(range)].to_owned());
        }
    }
    names.into_iter()
}

/// Runs of capitalised words that are not just the opening of a sentence, days and months left out: `Food Safety Board`.
pub fn capitalised_runs(text: &str) -> impl Iterator<Item = String> {
    let mut runs: Vec<String> = Vec::new();
    let mut end = None;
    for word in latin_words(text) {
        // Every sentence opens with a capital; a name shows itself inside one, or by a second capital.
        let mut capitals = word.text.chars().filter(|c| c.is_uppercase());
        let named = if word.opens_sentence { capitals.count() > 1 } else { capitals.next().is_some() };
        let capital = word.text.starts_with(char::is_uppercase);
        if !named || !capital || word.text.chars().count() < 2 || DAYS.contains(&word.text) {
            end = None;
            continue;
        }
        let name = word.text.trim_end_matches("'s").trim_end_matches("’s");
        let start = word.text.as_ptr() as usize - text.as_ptr() as usize;
        match (end, runs.last_mut()) {
            (Some(end), Some(run)) if !word.opens_sentence && &text[end..start] == " " => {
                run.push(' ');
                run.push_str(name);
            }
            _ => runs.push(name.to_owned()),
        }
        end = (name.len() == word.text.len()).then_some(start + word.text.len());
    }
    runs.into_iter()
}

struct Word<'a> {
    text: &'a str,
    opens_sentence: bool,
}

/// Runs of Latin letters with what holds them together: inner dots, hyphens, apostrophes and digits.
fn latin_words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let inner = |c: char| matches!(c, '.' | '-' | '\'' | '’' | '&');
    let mut opens_sentence = true;
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c.is_alphanumeric() && c.len_utf8() < 3)?;
            if rest[..start].contains(['.', '!', '?', ':', '“', '"', '。', '\n']) {
                opens_sentence = true;
            }
            let tail = &rest[start..];
            let end = tail.find(|c: char| !(c.is_alphanumeric() && c.len_utf8() < 3 || inner(c)));
            let run = &tail[..end.unwrap_or(tail.len())];
            let word = run.trim_end_matches(inner);
            rest = &tail[word.len()..];
            if word.chars().any(char::is_alphabetic) {
                let opens = std::mem::replace(&mut opens_sentence, false);
                return Some(Word { text: word, opens_sentence: opens });
            }
        }
    })
}

/// The forms under which a word may stand in a source: folded, without a possessive, without dots, in the singular.
fn spellings(word: &str) -> Vec<String> {
    let folded = fold_str(word).replace('’', "'");
    let bare = folded.strip_suffix("'s").unwrap_or(&folded).trim_end_matches('\'').to_owned();
    let mut forms = vec![bare.replace('.', "")];
    if let Some(singular) = bare.strip_suffix('s').filter(|s| s.len() > 2) {
        forms.push(singular.to_owned());
    }
    forms.extend(bare.split('-').filter(|p| p.len() > 2).map(str::to_owned));
    forms.push(bare);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_sources_do_not_know_is_found() {
        let check = |source: &str, draft: &str, expected: Option<&str>| {
            let known = Known::new([source].into_iter());
            assert_eq!(known.stranger(draft).as_deref(), expected, "`{draft}`");
        };
        let source = "Mayor Ilse Vandro of Ostrel met the Food Safety Board on Monday. “We agreed,” she told Radio-Nord's reporter about the U.K. plan.";
        check(source, "Vandro met the board.", None);
        check(source, "The FSB met Vandro's team.", None);
        check(source, "Officials of the UK met Vandro.", None);
        check(source, "Mayor Elsa Vandro met the board.", Some("Elsa"));
        check(source, "They met on Tuesday.", Some("Tuesday"));
        check(source, "Macron met Vandro.", Some("Macron"));
        check("市長林若衡週一表示,渡輪碼頭將動工。", "林若横表示碼頭將動工。", Some("林若横"));
        check("市長林若衡週一表示,渡輪碼頭將動工。", "林若衡表示碼頭將動工。", None);
        check("林若衡已轉崗至實驗室。", "林若衡调到实验室", None);
    }
}
