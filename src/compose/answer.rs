//! A question and the passages that may hold its answer in, a checked answer or "not found" out.
//!
//! The question itself is the first check: passages that share too little with it are not read at all. What the model
//! then says counts only as far as `ground` backs it, with sentences that speak of what was asked.

use std::collections::BTreeSet;

use anyhow::Result;

use super::evidence::{Evidence, Line};
use super::faithful::with_bounds;
use super::ground::{Ground, Support};
use super::line::{in_language, tidy};
use super::{Answer, AnswerPlan, Claim, Dropped, Turn};
use crate::corpus::Hit;
use crate::corpus::terms::terms;
use crate::model::{LanguageModel, Limits, Usage};
use crate::text::lang::detect;
use crate::text::{Cite, Lang};

/// Tokens of evidence that the model reads at the most.
const EVIDENCE_TOKENS: usize = 1536;
/// Tokens of an answer at the most.
const ANSWER_TOKENS: usize = 96;
/// The passages together must hold this share of the question's terms.
const MIN_OVERLAP: f64 = 0.3;
/// What the templates tell the model to write when it finds no answer.
const REFUSALS: [&str; 4] = ["not found", "没有找到", "沒有找到", "未找到"];

/// Answers `question` from `hits` alone.
pub fn answer(
    question: &str,
    hits: Vec<Hit>,
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<Answer> {
    let lang = plan.lang.unwrap_or_else(|| detect(question));
    let evidence = within_budget(Evidence::from_hits(&hits), lm);
    let mut answer = Answer {
        claims: Vec::new(),
        lang,
        passages: hits,
        dropped: Vec::new(),
        usage: Usage::default(),
    };
    if overlap(question, &evidence.lines) < MIN_OVERLAP {
        return Ok(answer);
    }
    let prompt = plan.prompts.render(
        "answer",
        lang,
        &[
            ("text", &numbered(&evidence, &answer.passages)),
            ("question", question),
        ],
    )?;
    let limits = Limits {
        max_tokens: ANSWER_TOKENS,
        one_line: true,
        sampling: plan.sampling,
    };
    let completion = lm.complete(&[prompt], &limits)?.remove(0);
    answer.usage = completion.usage;
    let text = in_language(tidy(&completion.text), lang);
    if text.is_empty() || refuses(&text) {
        return Ok(answer);
    }
    let ground = Ground::new(&evidence.sources);
    match ground.check(&text, &best_lines(question, &evidence)) {
        Support::Backed(cites) => {
            let cites = evidence.quotes(&cites);
            let mut text = in_language(with_bounds(&text, &cites), lang);
            if text.ends_with(|c: char| c.is_alphanumeric() || c == ')' || c == '）') {
                text.push(if lang == Lang::En { '.' } else { '。' });
            }
            answer.claims.push(Claim { text, cites });
        }
        Support::Unbacked(why) => answer.dropped.push(Dropped { text, why }),
    }
    Ok(answer)
}

/// The question that stands on its own: a follow-up question with what it leaves out filled in from the turns before.
pub fn standalone(
    question: &str,
    turns: &[Turn],
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<String> {
    let Some(last) = turns.last() else {
        return Ok(question.to_owned());
    };
    let lang = detect(question);
    let values = [
        ("before", &*last.question),
        ("text", &*last.answer),
        ("question", question),
    ];
    let prompt = plan.prompts.render("standalone", lang, &values)?;
    let limits = Limits {
        max_tokens: ANSWER_TOKENS,
        one_line: true,
        sampling: plan.sampling,
    };
    let completion = lm.complete(&[prompt], &limits)?.remove(0);
    let rewritten = in_language(tidy(&completion.text), lang);
    // A rewriting may only join what was said; words from nowhere would search for something else.
    let said = [question, &last.question, &last.answer].map(terms).concat();
    let invented = terms(&rewritten).iter().any(|t| !said.contains(t));
    Ok(if rewritten.is_empty() || invented {
        question.to_owned()
    } else {
        rewritten
    })
}

/// Keeps whole passages, best first, as long as they fit.
fn within_budget(evidence: Evidence, lm: &dyn LanguageModel) -> Evidence {
    let budget = EVIDENCE_TOKENS.min(lm.room() / 2);
    let mut kept = Evidence::default();
    let mut tokens = 0;
    for (line, source) in evidence.lines.into_iter().zip(evidence.sources) {
        tokens += lm.count(&line.text) + 6;
        if tokens > budget {
            break;
        }
        kept.lines.push(line);
        kept.sources.push(source);
    }
    kept
}

/// The lines as the model reads them: numbered from 1, under the title and date of their article.
fn numbered(evidence: &Evidence, hits: &[Hit]) -> String {
    let mut text = String::new();
    let mut block = None;
    for (number, line) in evidence.lines.iter().enumerate() {
        if block.replace(line.block) != Some(line.block) {
            let passage = &hits[line.block].passage;
            let head = [passage.title.as_deref(), passage.date.as_deref()];
            let head: Vec<&str> = head.into_iter().flatten().collect();
            text.push_str(&format!("({})\n", head.join(", ")));
        }
        text.push_str(&format!("[{}] {}\n", number + 1, line.text));
    }
    text.trim_end().to_owned()
}

/// The share of the question's terms that stand somewhere in `lines`, 0 to 1.
fn overlap(question: &str, lines: &[Line]) -> f64 {
    let asked: BTreeSet<String> = terms(question).into_iter().collect();
    let held: BTreeSet<String> = lines.iter().flat_map(|l| terms(&l.text)).collect();
    asked.intersection(&held).count() as f64 / asked.len().max(1) as f64
}

/// The source sentences that share most with the question: where an answer is expected.
fn best_lines(question: &str, evidence: &Evidence) -> Vec<Cite> {
    let share = |line: &Line| overlap(question, std::slice::from_ref(line));
    let best = evidence.lines.iter().map(share).fold(0.0, f64::max);
    let near = evidence
        .lines
        .iter()
        .filter(|l| best > 0.0 && share(l) >= 0.8 * best);
    near.flat_map(|l| l.cites.clone()).take(2).collect()
}

fn refuses(text: &str) -> bool {
    let text = text.to_lowercase();
    REFUSALS.iter().any(|r| text.contains(r))
}
