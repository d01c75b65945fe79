//! A question and the sentence that is to answer it in, how probable it is that it does out.
//!
//! The model is asked a short forced choice, whose probabilities are read off: whether the text holds an answer. A text
//! that does also makes the question itself more probable than the title of its article alone makes it; a small model
//! sees that better than it judges (the noisy channel of <https://openreview.net/forum?id=Bkx0RjA9tX>). With what the
//! search found, both make one figure; its weights are fitted for each model and language, and stand in the model's
//! manifest.

use anyhow::Result;
use serde::Serialize;

use super::prompt::Prompts;
use crate::model::store::judgement_of;
use crate::model::{LanguageModel, Usage};
use crate::text::Lang;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verdict {
    /// The log odds that the text holds an answer, by the model's own word.
    pub held: f64,
    /// The score of the best passage that the search found.
    pub search: f32,
    /// By how many nats a token the text makes the question more probable than its title does; `None`: not asked.
    pub gain: Option<f64>,
    /// How probable it is that the text answers the question, 0 to 1.
    pub confidence: f64,
    /// Whether that is enough.
    pub holds: bool,
}

/// A model that is sure gives probabilities of 0 and 1, whose log odds would outweigh everything else.
const MAX_ODDS: f64 = 7.0;

/// Whether `text`, in the language `lang` and of an article with this `title`, answers `question`. `search` is the score
/// of the best passage.
pub fn verdict(
    question: &str,
    title: &str,
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
    let judgement = judgement_of(lm.identity());
    let weights = match lang {
        Lang::En => judgement.en,
        Lang::ZhHans | Lang::ZhHant => judgement.zh,
    };
    let mut weigh = |text: &str, words: &[&str]| {
        let values = [("text", text), ("question", question)];
        let mut prompt = prompts.render("verdict", lang, &values)?;
        prompt.lead = lead.to_owned();
        lm.weigh(&prompt, words)
    };
    let weighed = weigh(&format!("({title}) {text}"), &words)?;
    let mut usage = weighed.usage;
    let [yes, no] = [0, 1].map(|i| weighed.shares[i].max(f64::MIN_POSITIVE).ln());
    let held = (yes - no).clamp(-MAX_ODDS, MAX_ODDS);
    let mut gain = None;
    if weights.gain != 0.0 {
        let title_alone = weigh(&format!("({title})"), &[])?;
        usage += title_alone.usage;
        gain = Some(weighed.last_line - title_alone.last_line);
    }
    let odds = weights.bias
        + weights.held * held
        + weights.search * f64::from(search)
        + weights.gain * gain.unwrap_or_default();
    let confidence = 1.0 / (1.0 + (-odds).exp());
    let holds = confidence >= weights.enough;
    let verdict = Verdict {
        held,
        search,
        gain,
        confidence,
        holds,
    };
    Ok((verdict, usage))
}
