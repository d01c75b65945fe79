//! Questions in, how near the top their articles were found out.

use std::time::Instant;

use anyhow::Result;

use super::answers::each_leg;
use super::{Found, Lab, Outcome, Set};

/// Hits of a search.
const TOP_K: usize = 10;

/// Searches for the questions of `set`, with vectors if there is an encoder.
pub(super) fn retrieval(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    each_leg("retrieval", set, lab, |lab, part, leg, corpus| {
        let items = lab.each(
            part,
            &leg.cases,
            |case| &case.id,
            |lab, case| {
                let began = Instant::now();
                let hits = lab.search(corpus, &case.question, TOP_K)?;
                let mut found =
                    Found { asked: case.question.clone(), expected: case.gold.join(" "), ..Found::default() };
                found.put("search_ms", began.elapsed().as_secs_f64() * 1e3);
                let is_gold = |path: &str| corpus.gold_idx(path, &case.gold).is_some();
                let rank = hits.iter().position(|hit| is_gold(&hit.passage.path));
                for (k, name) in [(1, "recall_at_1"), (5, "recall_at_5"), (10, "recall_at_10")] {
                    found.put(name, rank.is_some_and(|rank| rank < k));
                }
                found.put("mrr", rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64));
                let paths: Vec<&str> = hits.iter().map(|hit| &*hit.passage.path).collect();
                found.said = paths.join("\n");
                Ok(found)
            },
        )?;
        Ok(Outcome::of(part, Some(corpus.n_docs), items, &["recall_at_5"]))
    })
}
