//! Results in, strings out: one file a format. Every word of the result passes `sanitize`, or is escaped.

pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod sanitize;
pub(crate) mod text;

use std::collections::HashMap;

use serde::Serialize;

use super::args::Format;
use crate::compose::{Answer, Quote, Summary};
use crate::model::{Identity, Sampling};
use crate::text::{Article, Lang};

/// What made a result: enough to make it again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Fingerprint {
    pub(crate) version: &'static str,
    pub(crate) model: String,
    pub(crate) model_sha256: String,
    pub(crate) prompt_sha256: String,
    /// `None` when nothing was drawn.
    pub(crate) seed: Option<u64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
}

impl Fingerprint {
    /// The fingerprint of a run.
    pub(crate) fn new(identity: &Identity, prompt_sha256: String, sampling: Sampling) -> Self {
        let drawn = match sampling {
            Sampling::Greedy => None,
            Sampling::Seeded {
                temperature,
                top_p,
                seed,
            } => Some((temperature, top_p, seed)),
        };
        Fingerprint {
            version: env!("CARGO_PKG_VERSION"),
            model: identity.name.clone(),
            model_sha256: identity.sha256.clone(),
            prompt_sha256,
            seed: drawn.map(|d| d.2),
            temperature: drawn.map(|d| d.0),
            top_p: drawn.map(|d| d.1),
        }
    }
}

/// A summary in the form asked for, ending in a line break.
pub(crate) fn summary(
    article: &Article,
    summary: &Summary,
    fingerprint: &Fingerprint,
    format: Format,
    look: text::Look,
) -> String {
    match format {
        Format::Text => text::summary(article, summary, look),
        Format::Md => markdown::summary(article, summary),
        Format::Json => json::summary(article, summary, fingerprint, None),
    }
}

/// An answer in the form asked for, ending in a line break.
pub(crate) fn answer(
    question: &str,
    answer: &Answer,
    fingerprint: &Fingerprint,
    format: Format,
    look: text::Look,
) -> String {
    match format {
        Format::Text => text::answer(answer, look),
        Format::Md => markdown::answer(question, answer),
        Format::Json => json::answer(question, answer, fingerprint),
    }
}

/// The name of an enum's value as JSON has it: `zh-hant`, `second-hand`.
pub(crate) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("only plain enums are named: {other:?}"),
    }
}

/// `[3,7]`: the sentences of one article that support a claim, counted from 1.
fn marks(cites: &[Quote]) -> String {
    let numbers: Vec<String> = cites
        .iter()
        .map(|quote| (quote.cite.sentence + 1).to_string())
        .collect();
    format!("[{}]", numbers.join(","))
}

/// The sources of an answer in the order of first use, each quote once; and the number of each quote from 1.
struct Sources<'a> {
    quotes: Vec<&'a Quote>,
    numbers: HashMap<crate::text::Cite, usize>,
}

impl<'a> Sources<'a> {
    fn of(answer: &'a Answer) -> Self {
        let mut sources = Sources {
            quotes: Vec::new(),
            numbers: HashMap::new(),
        };
        for quote in answer.claims.iter().flat_map(|claim| &claim.cites) {
            sources.numbers.entry(quote.cite).or_insert_with(|| {
                sources.quotes.push(quote);
                sources.quotes.len()
            });
        }
        sources
    }

    fn marks(&self, cites: &[Quote]) -> String {
        let mut numbers: Vec<usize> = cites
            .iter()
            .map(|quote| self.numbers[&quote.cite])
            .collect();
        numbers.dedup();
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        format!("[{}]", numbers.join(","))
    }
}

/// What stands between two sentences of a language.
fn gap(lang: Lang) -> &'static str {
    match lang {
        Lang::En => " ",
        Lang::ZhHans | Lang::ZhHant => "",
    }
}
