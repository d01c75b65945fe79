//! A question and the sentence that is to answer it in, how probable it is that it does out.
//!
//! The model is asked a short forced choice, whose probabilities are read off: whether the text holds an answer. With
//! what the search found they make one figure; its weights are fitted for each model and language, and stand in the
//! model's manifest.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::prompt::Prompts;
use crate::model::store::judgement_of;
use crate::model::{LanguageModel, Usage};
use crate::text::Lang;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The log odds that the text holds an answer, by the model's own word.
    pub held: f64,
    /// The score of the best passage that the search found.
    pub search: f32,
    /// How probable it is that the text answers the question, 0 to 1.
    pub confidence: f64,
    /// Whether that is enough.
    pub holds: bool,
}

/// A model that is sure gives probabilities of 0 and 1, whose log odds would outweigh everything else.
const MAX_ODDS: f64 = 7.0;

/// Whether `text`, in the language `lang`, answers `question`. `search` is the score of the best passage.
pub fn verdict(
    question: &str,
    text: &str,
    lang: Lang,
    search: f32,
    lm: &mut dyn LanguageModel,
    prompts: &Prompts,
) -> Result<(Verdict, Usage)> {
    // In English, a small model judges the question better than it says yes or no.
    let (lead, words) = match lang {
        Lang::En => ("The question is", [" answerable", " unanswerable"]),
        Lang::ZhHans | Lang::ZhHant => ("", ["是", "否"]),
    };
    let values = [("text", text), ("question", question)];
    let mut prompt = prompts.render("verdict", lang, &values)?;
    prompt.lead = lead.to_owned();
    let (shares, usage) = lm.weigh(&prompt, &words)?;
    let [yes, no] = [shares[0], shares[1]].map(|share| share.max(f64::MIN_POSITIVE).ln());
    let held = (yes - no).clamp(-MAX_ODDS, MAX_ODDS);
    let judgement = judgement_of(lm.identity());
    let weights = match lang {
        Lang::En => judgement.en,
        Lang::ZhHans | Lang::ZhHant => judgement.zh,
    };
    let odds = weights.bias + weights.held * held + weights.search * f64::from(search);
    let confidence = 1.0 / (1.0 + (-odds).exp());
    let holds = confidence >= weights.enough;
    let verdict = Verdict { held, search, confidence, holds };
    Ok((verdict, usage))
}
