//! An article in, a few tags that stand in it out. No model: what the article keeps naming is what it is about.

use std::collections::BTreeMap;

use super::prose::in_script;
use crate::corpus::terms::tagged;
use crate::text::fold::fold;
use crate::text::script::is_han;
use crate::text::{Article, Lang};

/// Capitalised, and yet no subject of an article.
const DAYS: &str = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August \
    September October November December Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov Dec";

/// Up to `most` tags of `article`, the heaviest first: names that are repeated or stand in the title.
pub fn tags(article: &Article, lang: Lang, most: usize) -> Vec<String> {
    let title = article.title.as_deref().unwrap_or_default();
    // Name to how often it stands there; where it first stands settles ties.
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in [title, &article.text] {
        let han = han_names(text).map(|name| grown(&name, &article.text));
        for name in capitalised_runs(text).chain(han) {
            *counts.entry(name).or_default() += 1;
        }
    }
    let position = |name: &str| article.text.find(name).unwrap_or(usize::MAX);
    let weigh = |(name, count): (String, usize)| {
        let titled = if title.contains(&name) { 2 } else { 1 };
        (count * titled, name)
    };
    let mut weighed: Vec<(usize, String)> = counts.into_iter().map(weigh).filter(|(w, _)| *w >= 2).collect();
    weighed.sort_by_key(|(weight, name)| (std::cmp::Reverse(*weight), position(name)));
    let mut tags: Vec<String> = Vec::new();
    for (_, name) in weighed {
        let said = |tag: &String| tag.contains(&name) || name.contains(tag.as_str());
        if tags.len() < most && article.text.contains(&name) && !tags.iter().any(said) {
            tags.push(name);
        }
    }
    tags.iter().map(|tag| in_script(tag, lang)).collect()
}

/// A name with the characters that always stand before it: the segmenter may cut a family name off. Only what stands
/// in the text three times can tell.
fn grown(name: &str, text: &str) -> String {
    let mut name = name.to_owned();
    while name.chars().count() < 4 {
        let places: Vec<usize> = text.match_indices(&name).map(|(at, _)| at).collect();
        let before = |at: &usize| text[..*at].chars().next_back().filter(|c| is_han(*c));
        match places.first().and_then(before) {
            Some(c) if places.len() >= 3 && places.iter().all(|at| before(at) == Some(c)) => name.insert(0, c),
            _ => break,
        }
    }
    name
}

/// Chinese names of `text` as it writes them: words that the segmenter tags as a person, place, organisation or title,
/// and words of two to four characters that it does not know.
fn han_names(text: &str) -> impl Iterator<Item = String> {
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
fn capitalised_runs(text: &str) -> impl Iterator<Item = String> {
    let mut runs: Vec<String> = Vec::new();
    let mut end = None;
    for word in latin_words(text) {
        // Every sentence opens with a capital; a name shows itself inside one, or by a second capital.
        let mut capitals = word.text.chars().filter(|c| c.is_uppercase());
        let named = if word.opens_sentence { capitals.count() > 1 } else { capitals.next().is_some() };
        let capital = word.text.starts_with(char::is_uppercase);
        if !named || !capital || word.text.chars().count() < 2 || DAYS.split(' ').any(|day| day == word.text) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_name_that_was_cut_off_is_put_back() {
        let text = "林若衡說,碼頭將動工。林若衡又說。記者問林若衡。";
        assert_eq!(grown("若衡", text), "林若衡");
        assert_eq!(grown("碼頭", text), "碼頭");
    }
}
