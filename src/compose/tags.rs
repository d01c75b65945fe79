//! An article in, a few tags that stand in it out. No model: what the article keeps naming is what it is about.

use std::collections::BTreeMap;

use super::names::{capitalised_runs, han_names};
use crate::text::lang::{foreign_script_chars, to_script};
use crate::text::{Article, Lang};

/// Up to `most` tags of `article`, the heaviest first: names that are repeated or stand in the title.
pub fn tags(article: &Article, lang: Lang, most: usize) -> Vec<String> {
    let title = article.title.as_deref().unwrap_or_default();
    // Name to how often it stands there; where it first stands settles ties.
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in [title, &article.text] {
        for name in capitalised_runs(text).chain(han_names(text)) {
            *counts.entry(name).or_default() += 1;
        }
    }
    let position = |name: &str| article.text.find(name).unwrap_or(usize::MAX);
    let weigh = |(name, count): (String, usize)| {
        let titled = if title.contains(&name) { 2 } else { 1 };
        (count * titled, name)
    };
    let mut weighed: Vec<(usize, String)> = counts
        .into_iter()
        .map(weigh)
        .filter(|(w, _)| *w >= 2)
        .collect();
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
