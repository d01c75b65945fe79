//! A feed in (RSS, Atom, what WordPress exports), an article an entry out.

use super::markup;
use crate::corpus::source::Problem;
use crate::text::RawArticle;

pub(super) fn articles(xml: &str) -> Result<Vec<Result<RawArticle, String>>, Problem> {
    let feed = feed_rs::parser::parse(xml.as_bytes())
        .map_err(|error| Problem::Record(format!("the feed cannot be parsed: {error}")))?;
    let numbered = feed.entries.into_iter().enumerate();
    Ok(numbered
        .map(|(idx, entry)| {
            let body = entry.content.and_then(|content| content.body).filter(|body| !body.trim().is_empty());
            let text = body.or(entry.summary.map(|summary| summary.content)).unwrap_or_default();
            if text.trim().is_empty() {
                return Err(format!("entry {} has no text, only a link", idx + 1));
            }
            let (text, format) = markup::body(text);
            let names: Vec<String> =
                entry.authors.into_iter().filter_map(|person| person.name.or(person.email)).collect();
            Ok(RawArticle {
                title: entry.title.map(|title| markup::line(&title.content)).filter(|title| !title.is_empty()),
                byline: Some(names.join(", ")).filter(|names| !names.is_empty()),
                date: entry.published.or(entry.updated).map(|date| date.format("%Y-%m-%d").to_string()),
                ..RawArticle::new((idx + 1).to_string(), text, format)
            })
        })
        .collect())
}
