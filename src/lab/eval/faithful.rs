//! Summaries by several systems with people's verdicts in, how well the product's own check of facts agrees with these
//! verdicts out. Here the check is what is measured; no model is asked.
//!
//! A line is `{"hash", "dataset", "article", "system_summaries": [{"model", "summary", "factuality"}]}`, `factuality`
//! being the share, 0 to 1, of what people found no fault with.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::noise::one_block;
use super::summaries::raw_article;
use super::{Found, Item, Lab, Outcome, Part, Set, digest_of};
use crate::compose::check::{Ground, check};
use crate::compose::source::sentences;
use crate::lab::cases::{records, sampled, text};
use crate::lab::score::auc;
use crate::text::Article;
use crate::text::segment::segment;

/// A summary with more of this is one that people call true.
const TRUE_FROM: f64 = 0.5;

struct Judged {
    id: String,
    dataset: String,
    summary: String,
    factuality: f64,
    /// The number of its article.
    article: usize,
}

/// Checks each summary against its article: one outcome a source of articles, and one for all.
pub(super) fn faithful(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let mut articles = Vec::new();
    for record in records(&set.docs)? {
        articles.push((text(&record, "hash")?, record));
    }
    let articles = sampled(articles, lab.n_sample, |(hash, _)| hash);
    let mut cases = Vec::new();
    for (idx, (hash, record)) in articles.iter().enumerate() {
        cases.extend(judged(record, hash, idx).with_context(|| format!("article `{hash}`"))?);
    }
    ensure!(!cases.is_empty(), "`{}` has no summary", set.docs.display());
    let mut datasets: Vec<String> = cases.iter().map(|case| case.dataset.clone()).collect();
    datasets.sort();
    datasets.dedup();
    let data = digest_of(&[&set.docs])?;
    let part_of = |leg| Part { kind: "faithful", set: &set.name, leg, data: &data };
    let (mut outcomes, mut all) = (Vec::new(), Vec::new());
    for dataset in &datasets {
        let part = part_of(dataset);
        let own: Vec<&Judged> = cases.iter().filter(|it| it.dataset == *dataset).collect();
        let items = lab.each(&part, &own, |case| &case.id, |_, case| judge(case, &articles[case.article].1))?;
        all.extend(items.iter().cloned());
        outcomes.push(with_auc(&part, items));
    }
    if datasets.len() > 1 {
        let mut total = with_auc(&part_of("all"), all);
        // They are written and compared with their own part.
        total.items.clear();
        outcomes.push(total);
    }
    Ok(outcomes)
}

fn with_auc(part: &Part<'_>, items: Vec<Item>) -> Outcome {
    let scored = |item: &Item| Some((*item.metrics.get("support")?, item.metrics["true"] == 1.0));
    let scored: Vec<(f64, bool)> = items.iter().filter_map(scored).collect();
    let mut outcome = Outcome::of(part, None, items, &["readable"]);
    if let Some(area) = auc(&scored) {
        outcome.metrics.insert("auc".into(), area.value);
        outcome.ci95.insert("auc".into(), area.ci95);
    }
    outcome
}

fn judged(record: &Map<String, Value>, hash: &str, article: usize) -> Result<Vec<Judged>> {
    let list = record.get("system_summaries").and_then(Value::as_array);
    let list = list.context("there is no list `system_summaries`")?;
    let one = |value: &Value| {
        let entry = value.as_object().context("a summary is no object")?;
        let factuality = entry.get("factuality").and_then(Value::as_f64);
        Ok(Judged {
            id: format!("{hash} {}", text(entry, "model")?),
            dataset: text(record, "dataset").unwrap_or_else(|_| "all".into()),
            summary: text(entry, "summary")?,
            factuality: factuality.context("there is no number `factuality`")?,
            article,
        })
    };
    list.iter().map(one).collect()
}

fn judge(case: &Judged, record: &Map<String, Value>) -> Result<Found> {
    let mut found = Found { expected: format!("factuality {:.2}", case.factuality), ..Found::default() };
    found.put("true", case.factuality > TRUE_FROM);
    let Ok(article) = Article::read(&raw_article(record, "article")?) else {
        found.put("readable", false);
        return Ok(found);
    };
    found.put("readable", true);
    let ground = Ground::new(&sentences(&article), &[]);
    let (mut n, mut n_backed) = (0.0, 0.0);
    // Tokenized summaries part sentences by a full stop with a blank before it.
    for piece in case.summary.split(" . ") {
        let prose = one_block(piece);
        for sentence in segment(&prose) {
            let sentence = &prose.text[sentence.start..sentence.end];
            n += 1.0;
            match check(sentence, &[], &ground, article.lang) {
                Ok(_) => n_backed += 1.0,
                Err(why) => found.said += &format!("({}) {sentence}\n", why.text),
            }
        }
    }
    found.put("support", n_backed / f64::max(n, 1.0));
    Ok(found)
}
