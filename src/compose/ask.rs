//! A question and a search in, an answer out: the whole road of a question, for the command line and for measuring alike.

use anyhow::Result;

use super::answer::{answer, standalone};
use super::{Answer, AnswerPlan, Parts, Turn};
use crate::corpus::Hit;
use crate::model::LanguageModel;

/// Answers `question`, understood in the light of the turns before it. `search` finds passages, the best first; it is
/// called once for each thing that is asked. Returns also the questions as they were understood.
pub fn ask(
    question: &str,
    turns: &[Turn],
    mut search: impl FnMut(&str) -> Result<Vec<Hit>>,
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<(Answer, Vec<String>)> {
    let full = standalone(question, turns, lm, plan)?;
    let parts = Parts::of(&full, lm, plan)?;
    let understood = parts.questions.clone();
    let mut answers = Vec::with_capacity(understood.len());
    for part in &understood {
        answers.push(answer(part, search(part)?, lm, plan)?);
    }
    Ok((parts.join(answers), understood))
}
