//! A question and a search in, an answer out: the whole road of a question, for the command line and for measuring alike.

use anyhow::Result;

use super::answer::{answer, standalone};
use super::question::spelled_out;
use super::{Answer, AnswerPlan, Parts, Turn};
use crate::corpus::Hit;
use crate::model::LanguageModel;

/// Answers `question`, understood in the light of the turns before it. `search` finds passages, the best first; it is
/// called for each thing that is asked, and for all of them together where one article tells them. Returns also the questions as they were understood.
pub fn ask(
    question: &str,
    turns: &[Turn],
    mut search: impl FnMut(&str) -> Result<Vec<Hit>>,
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<(Answer, Vec<String>)> {
    let full = match turns {
        [] => spelled_out(question.to_owned()),
        turns => standalone(question, turns, lm, plan)?,
    };
    let mut parts = Parts::of(&full, lm, plan)?;
    let mut found = Vec::with_capacity(parts.questions.len());
    for part in &parts.questions {
        // "And who can still be sued?" says what it is about in the other part.
        let sought = if parts.questions.len() > 1 { format!("{part} {full}") } else { part.clone() };
        found.push(search(&sought)?);
    }
    let article = |hits: &Vec<Hit>| hits.first().map(|hit| hit.passage.path.clone());
    if found.len() > 1 && found.iter().all(|hits| article(hits) == article(&found[0])) {
        // What one article tells is asked at once.
        parts.questions = vec![full.clone()];
        found = vec![search(&full)?];
    }
    let understood = parts.questions.clone();
    let mut answers = Vec::with_capacity(found.len());
    for (part, hits) in understood.iter().zip(found) {
        answers.push(answer(part, hits, lm, plan)?);
    }
    Ok((parts.join(answers), understood))
}
