//! Sets of questions in, how well the product does on them out. Drives the product's own roads; prints nothing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::cases::{Leg, docs_of, legs};
use super::score::{mrr, recall_at};
use crate::corpus::Encoder;
use crate::corpus::index::{Index, folder_of};
use crate::corpus::source::find;

/// Documents and the questions about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// What people call it.
    pub name: String,
    /// The documents, one JSON object a line.
    pub docs: PathBuf,
    /// The questions, one JSON object a line.
    pub qa: PathBuf,
}

impl Set {
    /// The set called `name` in a folder: `NAME_qa.jsonl`, with `NAME_docs.jsonl` or `NAME_articles.jsonl`.
    ///
    /// # Errors
    /// One of the files is not there.
    pub fn named(name: &str, folder: &Path) -> Result<Set> {
        let file = |ending: &str| {
            Some(folder.join(format!("{name}_{ending}.jsonl"))).filter(|path| path.is_file())
        };
        let place = || format!("in `{}`", folder.display());
        Ok(Set {
            docs: file("docs")
                .or_else(|| file("articles"))
                .with_context(|| format!("there is no `{name}_docs.jsonl` {}", place()))?,
            qa: file("qa").with_context(|| format!("there is no `{name}_qa.jsonl` {}", place()))?,
            name: name.to_owned(),
        })
    }
}

/// How well articles were found for the questions of one leg.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retrieval {
    /// Who asks whom: see [`Leg::name`].
    pub leg: String,
    /// Questions.
    pub n: usize,
    /// Documents that were searched.
    pub n_docs: usize,
    /// `recall_at_1`, `_5`, `_10`, `mrr`: by the place of the first passage of an expected article.
    pub metrics: BTreeMap<&'static str, f64>,
    /// The 95 % interval of each metric.
    pub ci95: BTreeMap<&'static str, [f64; 2]>,
    /// Milliseconds of a search that 95 of 100 searches stay below, the question's embedding included.
    pub search_p95_ms: f64,
    /// The ids of questions whose article was not among the first five; at most 20 of them, for people to look at.
    pub misses: Vec<String>,
}

/// Hits of a search.
const TOP_K: usize = 10;
const MAX_MISSES: usize = 20;

/// Searches for the questions of `set`, with vectors if there is an encoder. Indexes stay in `cache`.
///
/// `progress` hears what is done, how much of it, and out of how much; it ends the work by an error.
pub fn retrieval(
    set: &Set,
    n_sample: usize,
    cache: &Path,
    mut encoder: Option<&mut dyn Encoder>,
    progress: &mut dyn FnMut(&'static str, usize, usize) -> Result<()>,
) -> Result<Vec<Retrieval>> {
    let legs = legs(&set.qa, n_sample)?;
    ensure!(
        !legs.is_empty(),
        "`{}` has no question that could be searched for",
        set.qa.display()
    );
    let mut outcomes = Vec::new();
    for leg in legs {
        let docs = match &leg.docs_lang {
            Some(lang) => docs_of(&set.docs, lang, cache)?,
            None => set.docs.clone(),
        };
        outcomes.push(search_all(leg, &docs, cache, &mut encoder, progress)?);
    }
    Ok(outcomes)
}

fn search_all(
    leg: Leg,
    docs: &Path,
    cache: &Path,
    encoder: &mut Option<&mut dyn Encoder>,
    progress: &mut dyn FnMut(&'static str, usize, usize) -> Result<()>,
) -> Result<Retrieval> {
    let found = find(&[docs]);
    let shown = format!("{}#", docs.display());
    let mut index = Index::open(&folder_of(cache, &[docs]))?;
    let n_docs = index
        .sync(&found.items, &mut |_, _| ControlFlow::Continue(()))?
        .articles;
    if let Some(encoder) = encoder {
        let mut stopped = Ok(());
        index.embed(*encoder, &mut |done, total| {
            stopped = progress("passages embedded", done, total);
            match stopped {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        stopped?;
    }
    let (mut ranks, mut took_ms, mut misses) = (Vec::new(), Vec::new(), Vec::new());
    for (n_done, case) in leg.cases.iter().enumerate() {
        progress("questions", n_done, leg.cases.len())?;
        let began = Instant::now();
        let encoder = encoder
            .as_mut()
            .map(|encoder| &mut **encoder as &mut dyn Encoder);
        let hits = index.search(&case.question, encoder, TOP_K)?;
        took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let is_gold = |path: &str| {
            path.strip_prefix(&shown)
                .is_some_and(|id| case.gold.iter().any(|gold| gold == id))
        };
        let rank = hits.iter().position(|hit| is_gold(&hit.passage.path));
        if rank.is_none_or(|rank| rank >= 5) && misses.len() < MAX_MISSES {
            misses.push(case.id.clone());
        }
        ranks.push(rank);
    }
    took_ms.sort_by(f64::total_cmp);
    let metrics = [
        ("recall_at_1", recall_at(1, &ranks)),
        ("recall_at_5", recall_at(5, &ranks)),
        ("recall_at_10", recall_at(10, &ranks)),
        ("mrr", mrr(&ranks)),
    ];
    Ok(Retrieval {
        leg: leg.name,
        n: ranks.len(),
        n_docs,
        metrics: metrics
            .iter()
            .map(|(name, metric)| (*name, metric.value))
            .collect(),
        ci95: metrics
            .iter()
            .map(|(name, metric)| (*name, metric.ci95))
            .collect(),
        search_p95_ms: took_ms[took_ms.len() * 95 / 100],
        misses,
    })
}
