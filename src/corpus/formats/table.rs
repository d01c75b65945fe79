//! A table of values in (what reading apps export), an article a row out: the rows of one book or page together.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::record;
use crate::corpus::source::Problem;
use crate::text::{Format, RawArticle};

pub(super) fn articles(csv: &str) -> Result<Vec<Result<RawArticle, String>>, Problem> {
    let unreadable = |error: csv::Error| Problem::Record(format!("the table cannot be parsed: {error}"));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv.as_bytes());
    let names = reader.headers().map_err(unreadable)?.clone();
    let mut articles: Vec<Result<RawArticle, String>> = Vec::new();
    let mut by_title: HashMap<String, usize> = HashMap::new();
    for (idx, row) in reader.records().enumerate() {
        let row = row.map_err(unreadable)?;
        let fields = names.iter().zip(&row).map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
        let fields: Map<String, Value> = fields.collect();
        for (name, article) in record::articles(Value::Object(fields), Some(idx + 1)) {
            let article = article.map(|article| RawArticle { path: name, ..article });
            let title = article.as_ref().ok().and_then(|article| article.title.clone());
            // Several marks in one book are one text, as they are when the app shows them.
            if let Ok(more) = &article
                && let Some(earlier) = title.as_ref().and_then(|title| by_title.get(title))
                && let Some(Ok(earlier)) = articles.get_mut(*earlier)
                && (earlier.format, more.format) == (Format::Plain, Format::Plain)
            {
                earlier.bytes.extend_from_slice(b"\n\n");
                earlier.bytes.extend_from_slice(&more.bytes);
                continue;
            }
            by_title.extend(title.map(|title| (title, articles.len())));
            articles.push(article);
        }
    }
    Ok(articles)
}
