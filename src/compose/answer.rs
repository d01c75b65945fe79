//! A question and the passages that may hold its answer in, a checked answer or "not found" out.

use anyhow::Result;

use super::{Answer, AnswerPlan, Turn};
use crate::corpus::Hit;
use crate::model::LanguageModel;

/// Answers `question` from `hits` alone.
pub fn answer(
    question: &str,
    hits: Vec<Hit>,
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<Answer> {
    let _ = (question, hits, lm, plan);
    unimplemented!()
}

/// The question that stands on its own: a follow-up question with what it leaves out filled in from the turns before.
pub fn standalone(
    question: &str,
    turns: &[Turn],
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<String> {
    let _ = (question, turns, lm, plan);
    unimplemented!()
}
