//! An article in, a few tags that stand in it out. No model: what the article keeps naming is what it is about.

use std::collections::BTreeMap;

use super::names::{capitalised_runs, han_names};
use crate::text::lang::{foreign_script_chars, to_script};
use crate::text::script::is_han;
use crate::text::{Article, Lang};

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
    let convert = |tag: String| match foreign_script_chars(&tag, lang) {
        0 => tag,
        _ => to_script(&tag, lang).into_owned(),
    };
    tags.into_iter().map(convert).collect()
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
