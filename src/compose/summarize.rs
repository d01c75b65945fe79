//! Articles in, checked summaries out.

use anyhow::Result;

use super::{Summary, SummaryPlan};
use crate::model::LanguageModel;
use crate::text::Article;

/// Summarizes each article; the results stand in the same order.
pub fn summarize(
    articles: &[Article],
    lm: &mut dyn LanguageModel,
    plan: &SummaryPlan,
) -> Vec<Result<Summary>> {
    let _ = (articles, lm, plan);
    unimplemented!()
}
