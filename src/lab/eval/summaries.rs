//! Articles with a person's summary in, how the product's summaries compare with them out.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Map, Value};

use super::{Found, Lab, Outcome, Part, Set, digest_of};
use crate::compose::{Claim, Style, summarize};
use crate::lab::cases::{id, records, sampled, text};
use crate::lab::score::summary::{coverage, figure_support, length_ratio, name_support, rouge_l, rouge_n};
use crate::text::{Article, Format, RawArticle};

/// Sentences of an article's beginning that serve as its summary, for comparison.
const LEAD: usize = 3;

/// Summarizes the articles of a file that have a `summary` beside their `text`.
pub(super) fn summaries(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let mut cases = Vec::new();
    for record in records(&set.docs)? {
        let given = text(&record, "summary").unwrap_or_default();
        if !given.trim().is_empty() {
            cases.push((id(&record)?, given, record));
        }
    }
    ensure!(!cases.is_empty(), "`{}` has no article with a `summary`", set.docs.display());
    let cases = sampled(cases, lab.n_sample, |(id, _, _)| id);
    let data = digest_of(&[&set.docs])?;
    let part = Part { kind: "summaries", set: &set.name, leg: "all", data: &data };
    let judge_one = |lab: &mut Lab<'_>, case: &(String, String, _)| judge(lab, &case.1, &case.2);
    let items = lab.each(&part, &cases, |(id, _, _)| id, judge_one)?;
    Ok(vec![Outcome::of(&part, None, items, &["readable"])])
}

fn judge(lab: &mut Lab<'_>, reference: &str, record: &Map<String, Value>) -> Result<Found> {
    let mut found =
        Found { asked: text(record, "title").unwrap_or_default(), expected: reference.to_owned(), ..Found::default() };
    let raw = raw_article(record, "text")?;
    let article = match Article::read(&raw) {
        Ok(article) => article,
        Err(refusal) => {
            found.said = refusal.to_string();
            found.put("readable", false);
            return Ok(found);
        }
    };
    found.put("readable", true);
    let plan = lab.summary_plan();
    let began = Instant::now();
    let summary = summarize(&article, lab.lm()?, &plan)?;
    found.put("seconds", began.elapsed().as_secs_f64());
    let usage = &summary.usage;
    found.put("tokens", (usage.prompt_tokens + usage.completion_tokens) as f64);
    let claims: Vec<&str> = summary.claims().map(Claim::text).collect();
    found.put("claims", claims.len() as f64);
    let ours = claims.join("\n");
    let n_lead = match plan.style {
        Style::Brief => 1,
        Style::Points | Style::Report => LEAD,
    };
    let n_lead = n_lead.min(article.sentences.len());
    let lead: Vec<&str> = (0..n_lead).map(|idx| article.sentence(idx)).collect();
    let lead = lead.join("\n");
    for (name, text) in [("rouge", &ours), ("lead_rouge", &lead)] {
        found.put(&format!("{name}_1"), rouge_n(text, reference, 1));
        found.put(&format!("{name}_2"), rouge_n(text, reference, 2));
        found.put(&format!("{name}_l"), rouge_l(text, reference));
    }
    found.put("length_ratio", length_ratio(&ours, reference));
    let source = format!("{}\n{}", found.asked, article.text);
    for (name, value) in [
        ("figure_support", figure_support(&ours, &source)),
        ("name_support", name_support(&ours, &source)),
        ("coverage", coverage(&ours, &source)),
    ] {
        if let Some(value) = value {
            found.put(name, value);
        }
    }
    found.said = ours;
    Ok(found)
}

/// The article in a field of a record, with the title and the date beside it.
pub(super) fn raw_article(record: &Map<String, Value>, field: &str) -> Result<RawArticle> {
    Ok(RawArticle {
        title: text(record, "title").ok(),
        date: text(record, "date").ok(),
        ..RawArticle::new(field, text(record, field)?, Format::Plain)
    })
}
