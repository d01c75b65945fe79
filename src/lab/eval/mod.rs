//! Sets of items in, how well the product does on them out. Drives the product's own roads; prints nothing.
//!
//! What came of an item is on disk before the next begins, under a digest of all that it depends on: the same run goes
//! on where it was stopped.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::items::{Item, Items};
use super::score::paired::{Paired, paired};
use super::score::{mean, p95};
use crate::compose::{AnswerPlan, Style, SummaryPlan};
use crate::corpus::index::{Index, folder_of};
use crate::corpus::source::find;
use crate::corpus::{Encoder, Hit};
use crate::model::LanguageModel;
use crate::text::hex;

mod answers;
mod faithful;
mod noise;
mod readers;
mod retrieval;
mod summaries;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// How often the article with the answer is among the first hits
    Retrieval,
    /// Whether answers say what is expected, and cite the right articles
    Answers,
    /// Refusals where there is no answer, also because its article was left out, and where there is one
    Abstain,
    /// What the model says to the same questions without reading anything
    NoContext,
    /// Answers from passages most of which do not hold the answer, or hold a false one
    Noise,
    /// How summaries compare with those that people wrote
    Summaries,
    /// How well the check of facts agrees with people's verdicts
    Faithful,
    /// How much of what readers ask for, and of what summaries have to tell, is told
    Readers,
}

impl Kind {
    /// Whether it needs a language model.
    pub fn asks_a_model(self) -> bool {
        !matches!(self, Kind::Retrieval | Kind::Faithful)
    }

    /// Whether it searches.
    pub fn searches(self) -> bool {
        matches!(self, Kind::Retrieval | Kind::Answers | Kind::Abstain | Kind::Readers)
    }

    /// Whether its sets have a file of questions.
    pub fn has_questions(self) -> bool {
        self.searches() || self == Kind::NoContext
    }
}

/// Documents and the questions about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// What people call it.
    pub name: String,
    /// The documents, or all that there is, one JSON object a line.
    pub docs: PathBuf,
    /// The questions, one JSON object a line, where the kind has some.
    pub qa: Option<PathBuf>,
    /// What summaries of documents have to tell, one JSON object a line, for [`Kind::Readers`].
    pub summaries: Option<PathBuf>,
}

impl Set {
    /// The set called `name` in a folder: `NAME_docs.jsonl` or `NAME_articles.jsonl`, with `NAME_qa.jsonl` for
    /// questions; for the other kinds also `NAME.jsonl`, `NAME_test.jsonl` or `NAME_valid.jsonl`.
    ///
    /// # Errors
    /// One of the files is not there.
    pub fn named(kind: Kind, name: &str, folder: &Path) -> Result<Set> {
        let file = |endings: &[&str]| {
            let paths = endings.iter().map(|end| folder.join(format!("{name}{end}.jsonl")));
            let found = paths.clone().find(|path| path.is_file());
            let place = folder.display();
            found.with_context(|| format!("there is no `{name}{}.jsonl` in `{place}`", endings[0]))
        };
        let (docs, qa) = match kind.has_questions() {
            true => (file(&["_docs", "_articles"])?, Some(file(&["_qa", "_questions"])?)),
            false => (file(&["", "_articles", "_test", "_valid"])?, None),
        };
        let name = name.to_owned();
        let summaries = (kind == Kind::Readers).then(|| file(&["_summaries"])).transpose()?;
        Ok(Set { name, docs, qa, summaries })
    }

    fn questions(&self) -> Result<&Path> {
        let missing = || format!("`{}` has no file of questions", self.name);
        self.qa.as_deref().with_context(missing)
    }
}

/// All that an outcome depends on beside the item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// `hybrid` or `lexical`; `None` where nothing is searched.
    pub search: Option<&'static str>,
    /// Passages that an answer is made of.
    pub passages: usize,
    /// The shape of summaries.
    pub style: Style,
    /// About how many words a summary has; `None`: as many as its shape wants.
    pub words: Option<usize>,
    /// How the model chooses tokens.
    pub sampling: String,
    /// The model that answers.
    pub model_sha256: Option<String>,
    /// The encoder of the search.
    pub encoder_sha256: Option<String>,
    /// The prompts.
    pub prompts_sha256: String,
    /// The program: its commit and, where that does not say all, what tells this build from others.
    pub build: String,
}

/// Hears what is done, how much of it, and out of how much; ends the work by an error.
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, usize, usize) -> Result<()>;

/// What measuring works with.
pub struct Lab<'a> {
    /// What outcomes depend on.
    pub settings: Settings,
    /// Items of a part of a set at the most.
    pub n_sample: usize,
    /// Whether questions are also asked in other scripts and languages than they were written for.
    pub all_legs: bool,
    /// What answers are to be.
    pub plan: AnswerPlan,
    /// The model.
    pub lm: Option<&'a mut dyn LanguageModel>,
    /// The encoder of the search.
    pub encoder: Option<&'a mut dyn Encoder>,
    /// Where indexes and outcomes stay.
    pub cache: PathBuf,
    /// Who hears of the progress.
    pub progress: Progress<'a>,
}

/// How well the product did on a part of a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The set.
    pub set: String,
    /// The part of it; of questions who asks whom: see [`super::cases::Leg`].
    pub leg: String,
    /// Items.
    pub n: usize,
    /// Documents that were searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_docs: Option<usize>,
    /// The mean of each judgement; `…_p95` is what 95 of 100 stay below.
    pub metrics: BTreeMap<String, f64>,
    /// The 95 % interval of each.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// The items that each applies to.
    pub counts: BTreeMap<String, usize>,
    /// The ids of items that went wrong; at most 20 of them, for people to look at.
    pub misses: Vec<String>,
    /// What changed against an earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<BTreeMap<String, Paired>>,
    /// The items.
    #[serde(skip)]
    pub items: Vec<Item>,
}

const MAX_MISSES: usize = 20;
/// Judgements whose slow end counts beside the mean.
const TIMES: [&str; 2] = ["seconds", "search_ms"];

impl Outcome {
    /// Sums up items. Those that have 0 for one of the metrics in `wanted` are misses.
    fn of(part: &Part<'_>, n_docs: Option<usize>, items: Vec<Item>, wanted: &[&str]) -> Outcome {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, value) in items.iter().flat_map(|item| &item.metrics) {
            values.entry(name.clone()).or_default().push(*value);
        }
        let (mut metrics, mut ci95) = (BTreeMap::new(), BTreeMap::new());
        let mut put = |name: String, metric: super::score::Metric| {
            metrics.insert(name.clone(), metric.value);
            ci95.insert(name, metric.ci95);
        };
        for (name, values) in &values {
            put(name.clone(), mean(values));
            if TIMES.contains(&&**name) {
                put(format!("{name}_p95"), p95(values));
            }
        }
        let is_miss = |item: &&Item| wanted.iter().any(|name| item.metrics.get(*name) == Some(&0.0));
        let misses = items.iter().filter(is_miss).take(MAX_MISSES);
        Outcome {
            set: part.set.to_owned(),
            leg: part.leg.to_owned(),
            n: items.len(),
            n_docs,
            metrics,
            ci95,
            counts: values.into_iter().map(|(k, v)| (k, v.len())).collect(),
            misses: misses.map(|item| item.id.clone()).collect(),
            versus: None,
            items,
        }
    }

    /// Compares with an earlier run, item by item.
    pub fn compare(&mut self, earlier: &[Item]) {
        let mut pairs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for item in &self.items {
            let Some(before) = earlier.iter().rev().find(|other| other.is_same(item)) else {
                continue;
            };
            for (name, after) in &item.metrics {
                if let Some(before) = before.metrics.get(name) {
                    pairs.entry(name.clone()).or_default().push((*before, *after));
                }
            }
        }
        let paired = pairs.into_iter().filter_map(|(name, pairs)| Some((name, paired(&pairs)?)));
        self.versus = Some(paired.collect());
    }
}

/// Measures `kind` on a set, one outcome a part of it.
pub fn eval(kind: Kind, set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    match kind {
        Kind::Retrieval => retrieval::retrieval(set, lab),
        Kind::Answers => answers::answers(set, lab),
        Kind::Abstain => answers::abstain(set, lab),
        Kind::NoContext => answers::no_context(set, lab),
        Kind::Noise => noise::noise(set, lab),
        Kind::Summaries => summaries::summaries(set, lab),
        Kind::Faithful => faithful::faithful(set, lab),
        Kind::Readers => readers::readers(set, lab),
    }
}

/// Which items are meant.
#[derive(Debug, Clone, Copy, Serialize)]
struct Part<'a> {
    kind: &'a str,
    set: &'a str,
    leg: &'a str,
    /// The digest of the files.
    data: &'a str,
}

/// What came of one item.
#[derive(Debug, Default)]
struct Found {
    metrics: BTreeMap<String, f64>,
    asked: String,
    expected: String,
    said: String,
}

impl Found {
    fn put(&mut self, name: &str, value: impl Into<f64>) {
        self.metrics.insert(name.to_owned(), value.into());
    }
}

impl Lab<'_> {
    /// What summaries are to be: in the language of their articles.
    fn summary_plan(&self) -> SummaryPlan {
        SummaryPlan {
            style: self.settings.style,
            lang: None,
            words: self.settings.words,
            sampling: self.plan.sampling,
            prompts: self.plan.prompts.clone(),
        }
    }

    /// Judges each case that this run has not judged yet. All outcomes come back, in the order of the cases.
    fn each<C>(
        &mut self,
        part: &Part<'_>,
        cases: &[C],
        id: impl Fn(&C) -> &str,
        mut judge: impl FnMut(&mut Self, &C) -> Result<Found>,
    ) -> Result<Vec<Item>> {
        let key = serde_json::to_vec(&(part, &self.settings))?;
        let run = hex(&Sha256::digest(&key)[..8]);
        let mut file = Items::open(&self.cache.join("items.jsonl"))?;
        let done = file.of_run(&run)?.into_iter();
        let mut done: HashMap<String, Item> = done.map(|item| (item.id.clone(), item)).collect();
        let mut items = Vec::with_capacity(cases.len());
        for (n_done, case) in cases.iter().enumerate() {
            (self.progress)("items judged", n_done, cases.len())?;
            if let Some(item) = done.remove(id(case)) {
                items.push(item);
                continue;
            }
            let found = judge(self, case).with_context(|| format!("failed at `{}` of `{}`", id(case), part.set))?;
            let item = Item {
                run: run.clone(),
                kind: part.kind.to_owned(),
                set: part.set.to_owned(),
                leg: part.leg.to_owned(),
                id: id(case).to_owned(),
                metrics: found.metrics,
                asked: found.asked,
                expected: found.expected,
                said: found.said,
            };
            file.append(&item)?;
            items.push(item);
        }
        Ok(items)
    }

    /// The index of a file of documents, brought up to date.
    fn corpus(&mut self, docs: &Path) -> Result<Corpus> {
        let found = find(&[docs]);
        let mut index = Index::open(&folder_of(&self.cache, &[docs]))?;
        let mut stopped = Ok(());
        let progress = &mut self.progress;
        let mut go_on = |what, done, total| {
            stopped = progress(what, done, total);
            match stopped {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let synced = index.sync(&found.items, &mut |done, total| go_on("files indexed", done, total))?;
        if let Some(encoder) = self.encoder.as_mut().filter(|_| !synced.interrupted) {
            index.embed(*encoder, &mut |done, total| go_on("passages embedded", done, total))?;
        }
        stopped?;
        Ok(Corpus { n_docs: synced.articles, prefix: format!("{}#", docs.display()), index })
    }

    /// At most `top_k` hits for a question.
    fn search(&mut self, corpus: &Corpus, question: &str, top_k: usize) -> Result<Vec<Hit>> {
        let encoder = self.encoder.as_mut();
        let encoder = encoder.map(|encoder| &mut **encoder as &mut dyn Encoder);
        corpus.index.search(question, encoder, top_k)
    }

    fn lm(&mut self) -> Result<&mut dyn LanguageModel> {
        match &mut self.lm {
            Some(lm) => Ok(&mut **lm),
            None => anyhow::bail!("there is no model to ask"),
        }
    }
}

/// Documents that can be searched.
struct Corpus {
    index: Index,
    n_docs: usize,
    /// What stands before a document's id in the paths of hits.
    prefix: String,
}

impl Corpus {
    /// The number, in `gold`, of the document that a path names.
    fn gold_idx(&self, path: &str, gold: &[String]) -> Option<usize> {
        let id = path.strip_prefix(&self.prefix)?;
        gold.iter().position(|gold| gold == id)
    }

    /// The numbers, in `gold`, of the documents that a hit's text stands in.
    fn gold_of(&self, hit: &Hit, gold: &[String]) -> Vec<usize> {
        let paths = std::iter::once(&hit.passage.path).chain(&hit.also);
        paths.filter_map(|path| self.gold_idx(path, gold)).collect()
    }
}

/// A digest of files.
fn digest_of(files: &[&Path]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))?;
        hasher.update(Sha256::digest(bytes));
    }
    Ok(hex(&hasher.finalize()))
}
