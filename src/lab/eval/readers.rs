//! Questions as readers put them, and what summaries have to tell, in; how much of it the product tells, what it refuses
//! and at what cost out.
//!
//! A question is `{"id", "lang", "kind", "question", "answerable", "points": [[way, …], …]}`, a rubric of a summary
//! `{"id", "lang", "points"}`, `id` being that of a document. Points measure coverage alone: `chars` stands beside it, and
//! whether what is said is true is for people to judge.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answers::{ask, shown, told};
use super::summaries::raw_article;
use super::{Found, Item, Lab, Outcome, Part, Set, digest_of};
use crate::compose::{Claim, summarize};
use crate::lab::cases::{id, records, sampled};
use crate::lab::score::points::{Point, points};
use crate::text::Article;

#[derive(Deserialize)]
struct Question {
    id: String,
    lang: String,
    kind: String,
    question: String,
    answerable: bool,
    points: Vec<Point>,
    #[serde(default)]
    reference: String,
}

#[derive(Deserialize)]
struct Rubric {
    id: String,
    lang: String,
    points: Vec<Point>,
    #[serde(default)]
    core: String,
}

/// Asks the questions of a set, and summarizes the documents of its rubrics.
pub(super) fn readers(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    if let Some(path) = &set.qa {
        outcomes.extend(questions(set, path, lab)?);
    }
    if let Some(path) = &set.summaries {
        outcomes.extend(rubrics(set, path, lab)?);
    }
    ensure!(!outcomes.is_empty(), "`{}` has neither questions nor rubrics of summaries", set.name);
    Ok(outcomes)
}

fn questions(set: &Set, path: &Path, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let cases: Vec<Question> = sampled(parsed(path)?, lab.n_sample, |case: &Question| &case.id);
    let data = digest_of(&[&set.docs, path])?;
    let part = Part { kind: "readers", set: &set.name, leg: "answers", data: &data };
    let corpus = lab.corpus(&set.docs)?;
    let n_passages = lab.settings.passages;
    let judge = |lab: &mut Lab<'_>, case: &Question| {
        let began = Instant::now();
        let answer = ask(lab, &case.question, |lab, question| lab.search(&corpus, question, n_passages))?;
        let said = told(&answer);
        let mut found = Found {
            asked: case.question.clone(),
            expected: case.reference.clone(),
            said: shown(&answer),
            ..Found::default()
        };
        found.put("seconds", began.elapsed().as_secs_f64());
        found.put("tokens", (answer.usage.prompt_tokens + answer.usage.completion_tokens) as f64);
        match case.answerable {
            true => {
                let share = points(&said, &case.points);
                found.put("false_refusal", !answer.found());
                found.put("points", share);
                found.put("complete", share == 1.0);
                found.put("chars", said.chars().count() as f64);
                found.put(&format!("points {}", case.kind), share);
                found.put(&format!("points {}", case.lang), share);
            }
            false => found.put(&format!("refused {}", case.kind), !answer.found()),
        }
        Ok(found)
    };
    let items = lab.each(&part, &cases, |case| &case.id, judge)?;
    Ok(vec![Outcome::of(&part, Some(corpus.n_docs), items, &["points"])])
}

fn rubrics(set: &Set, path: &Path, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let cases: Vec<Rubric> = sampled(parsed(path)?, lab.n_sample, |case: &Rubric| &case.id);
    let data = digest_of(&[&set.docs, path])?;
    let part = Part { kind: "readers", set: &set.name, leg: "summaries", data: &data };
    let docs = records(&set.docs)?;
    let judge = |lab: &mut Lab<'_>, case: &Rubric| {
        let doc = docs.iter().find(|doc| id(doc).is_ok_and(|id| id == case.id));
        let doc = doc.with_context(|| format!("there is no document `{}`", case.id))?;
        summary(lab, case, doc)
    };
    let items: Vec<Item> = lab.each(&part, &cases, |case| &case.id, judge)?;
    Ok(vec![Outcome::of(&part, None, items, &["points"])])
}

fn summary(lab: &mut Lab<'_>, case: &Rubric, doc: &Map<String, Value>) -> Result<Found> {
    let article = Article::read(&raw_article(doc, "text")?)?;
    let plan = lab.summary_plan();
    let began = Instant::now();
    let summary = summarize(&article, lab.lm()?, &plan)?;
    let said = summary.claims().map(Claim::text).collect::<Vec<_>>().join("\n");
    let share = points(&said, &case.points);
    let mut found = Found {
        asked: article.title.clone().unwrap_or_default(),
        expected: case.core.clone(),
        said: said.clone(),
        ..Found::default()
    };
    found.put("seconds", began.elapsed().as_secs_f64());
    found.put("tokens", (summary.usage.prompt_tokens + summary.usage.completion_tokens) as f64);
    found.put("points", share);
    found.put(&format!("points {}", case.lang), share);
    let length = match case.lang.as_str() {
        "en" => said.split_whitespace().count(),
        _ => said.chars().count(),
    };
    found.put(if case.lang == "en" { "words" } else { "characters" }, length as f64);
    found.put("dropped", summary.dropped.len() as f64);
    for dropped in &summary.dropped {
        found.said += &format!("\n(dropped: {}) {}", dropped.why, dropped.text);
    }
    Ok(found)
}

fn parsed<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    let parse = |record| serde_json::from_value(Value::Object(record));
    let malformed = || format!("failed to understand `{}`", path.display());
    records(path)?.into_iter().map(|record| parse(record).with_context(malformed)).collect()
}
