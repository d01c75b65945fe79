//! A question and the passages that may hold its answer in, a checked answer or "not found" out.
//!
//! The model reads the passages and writes a few drafts side by side, none of which may refuse; a small model that may
//! say "not found" says it too often where there is an answer, and too seldom where there is none. What of the drafts
//! passes the check is judged: a verdict on what the lines cite decides whether the question is answered at all.

use std::collections::BTreeSet;

use anyhow::Result;

use super::choose::points_back;
use super::prose::{in_script, n_words, sentences};
use super::question::{is_echo, lang_of};
use super::source::{Bearing, Evidence};
use super::verdict::{Verdict, verdict};
use super::write::{Draft, Writing};
use super::{Answer, AnswerPlan, Claim, Dropped, Turn};
use crate::corpus::Hit;
use crate::corpus::terms::terms;
use crate::model::{LanguageModel, Limits};
use crate::text::{Cite, Lang};

/// Tokens of passages that are read.
const EVIDENCE_TOKENS: usize = 1_000;
/// Tokens of a draft at the most.
const DRAFT_TOKENS: usize = 180;
/// Tokens of a rewritten question at the most.
const QUESTION_TOKENS: usize = 64;
/// Sentences that are shown once more, nearest to the question.
const N_NEAREST: usize = 3;
/// Lines of an answer at the most, and its words; a list may have more lines.
const MOST_LINES: usize = 5;
const MOST_WORDS: usize = 130;
/// A line of another draft is added if so much of it is new.
const LEAST_NEW: f64 = 0.5;
/// And if it bears on the question so much, of what the best line does.
const LEAST_BEARING: f64 = 0.7;
/// Log odds from which the verdict is sure.
const SURE: f64 = 1.0;
/// Sentences that the verdict reads at the most.
const JUDGED: usize = 4;
/// The drafts, in the order in which they are trusted.
const DRAFTS: [&str; 2] = ["answer-plain", "answer-full"];

/// Answers `question`, or one of its [`Parts`](super::Parts), from `hits` alone.
pub fn answer(question: &str, hits: Vec<Hit>, lm: &mut dyn LanguageModel, plan: &AnswerPlan) -> Result<Answer> {
    let lang = plan.lang.unwrap_or_else(|| lang_of(question));
    let evidence = Evidence::new(&hits, EVIDENCE_TOKENS.min(lm.room() / 2), lm);
    let mut answer = Answer {
        claims: Vec::new(),
        missing: Vec::new(),
        lang,
        passages: hits,
        dropped: Vec::new(),
        verdict: None,
        usage: Default::default(),
    };
    if evidence.quotes.is_empty() {
        return Ok(answer);
    }
    let bearing = Bearing::new(question, &evidence);
    let nearest = evidence.nearest(&bearing, N_NEAREST);
    let shown: Vec<&str> = nearest.iter().map(|quote| &*quote.text).collect();
    let values = [("nearest", &*shown.join("\n")), ("question", question)];
    let prompts = DRAFTS.iter().map(|ask| {
        let ask = plan.prompts.render(ask, lang, &values)?.user;
        plan.prompts.render("answer", lang, &[("text", &*evidence.text), ("question", question), ("ask", &ask)])
    });
    let prompts = prompts.collect::<Result<Vec<_>>>()?;
    let mut writing = Writing::new(lm, &evidence.quotes, &evidence.heads, lang, plan.sampling, &plan.prompts);
    writing.ground = writing.ground.asked(question);
    let drafts = writing.write(&prompts, &[], DRAFT_TOKENS, false)?;
    let mut claims = join(drafts, question, &bearing, lang);
    let is_written = !claims.is_empty();
    if !is_written {
        // Nothing that was written holds: then what stands nearest is weighed itself.
        let text = in_script(&nearest[0].text, lang);
        claims.extend(writing.admit(&text, &[nearest[0].cite])?);
    }
    let Writing { lm, dropped, usage, .. } = writing;
    (answer.dropped, answer.usage) = (dropped, usage);
    if claims.is_empty() {
        return Ok(answer);
    }
    let (verdict, cost) = judge(question, &claims, &answer.passages, lm, plan)?;
    answer.usage += cost;
    answer.verdict = Some(verdict);
    // A sentence that the model did not think of has to be surer.
    if verdict.holds && (is_written || verdict.held > SURE) {
        answer.claims = claims;
    } else {
        let percent = 100.0 * verdict.confidence;
        let why = format!("its sources hardly answer the question ({percent:.0} % sure)");
        answer.dropped.extend(claims.iter().map(|claim| Dropped { text: claim.text().to_owned(), why: why.clone() }));
    }
    Ok(answer)
}

/// One answer of several drafts: the one that bears most on the question and holds, and what others add to it.
fn join(drafts: Vec<Draft>, question: &str, bearing: &Bearing, lang: Lang) -> Vec<Claim> {
    let bears = |claim: &Claim| {
        let cited: Vec<&str> = claim.cites().iter().map(|quote| &*quote.text).collect();
        bearing.of(&format!("{} {}", claim.text(), cited.join(" ")))
    };
    let rated = |draft: Draft| {
        let claims = draft.claims.into_iter().filter(|claim| !is_echo(claim.text(), question));
        let claims: Vec<(f64, Claim)> = claims.map(|claim| (bears(&claim), claim)).collect();
        (claims.iter().map(|(bears, _)| bears).sum::<f64>() / draft.n_written.max(1) as f64, claims)
    };
    let mut drafts: Vec<(f64, Vec<(f64, Claim)>)> = drafts.into_iter().map(rated).collect();
    // Stable: of equals the draft that is trusted more comes first.
    drafts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = drafts.iter().flat_map(|(_, claims)| claims).map(|(bears, _)| *bears).fold(0.0, f64::max);
    let mut told: Vec<Claim> = Vec::new();
    let mut said: Vec<BTreeSet<String>> = Vec::new();
    let mut words = 0;
    for (number, (_, claims)) in drafts.into_iter().enumerate() {
        for (bears, claim) in claims {
            let terms: BTreeSet<String> = terms(claim.text()).into_iter().collect();
            let is_new = |line: &BTreeSet<String>| {
                terms.difference(line).count() as f64 >= LEAST_NEW * terms.len().max(1) as f64
            };
            let n = n_words(claim.text(), lang);
            let fits = told.len() < MOST_LINES && (told.is_empty() || words + n <= MOST_WORDS);
            // What was told already in fewer words gives way.
            let tells_all = |line: &BTreeSet<String>| line.difference(&terms).count() * 10 <= line.len();
            if let Some(idx) = said.iter().position(tells_all).filter(|_| fits && number == 0 || bears >= most) {
                if terms.len() > said[idx].len() {
                    (said[idx], told[idx]) = (terms, claim);
                }
                continue;
            }
            let dangles = points_back(claim.text()) && (number > 0 || told.is_empty());
            if fits && !dangles && said.iter().all(is_new) && (number == 0 || bears >= LEAST_BEARING * most) {
                words += n;
                said.push(terms);
                told.push(claim);
            }
        }
    }
    told
}

/// Whether the sentences that an answer cites answer the question.
fn judge(
    question: &str,
    claims: &[Claim],
    hits: &[Hit],
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<(Verdict, crate::model::Usage)> {
    let passage = &hits[claims[0].cites()[0].cite.article].passage;
    let mut cites: Vec<(Cite, &str)> = Vec::new();
    for quote in claims.iter().flat_map(Claim::cites) {
        if cites.len() < JUDGED && cites.iter().all(|(cite, _)| *cite != quote.cite) {
            cites.push((quote.cite, &quote.text));
        }
    }
    let quoted: Vec<&str> = cites.iter().map(|(_, text)| *text).collect();
    let title = passage.title.as_deref().unwrap_or_default();
    let text = format!("({title}) {}", quoted.join(" "));
    verdict(question, &text, passage.lang, hits[0].score, lm, &plan.prompts)
}

/// The question that stands on its own: a follow-up question with what it leaves out filled in from the turns before.
pub fn standalone(question: &str, turns: &[Turn], lm: &mut dyn LanguageModel, plan: &AnswerPlan) -> Result<String> {
    let Some(last) = turns.last() else {
        return Ok(question.to_owned());
    };
    let lang = lang_of(question);
    let values = [("before", &*last.question), ("text", &*last.answer), ("question", question)];
    let prompt = plan.prompts.render("standalone", lang, &values)?;
    let limits = Limits { max_tokens: QUESTION_TOKENS, one_line: true, sampling: plan.sampling };
    let completion = lm.complete(&[prompt], &limits)?.remove(0);
    let rewritten = sentences(&completion, lang).join(if lang == Lang::En { " " } else { "" });
    // A rewriting may only join what was said; words from nowhere would search for something else.
    let said = [question, &last.question, &last.answer].map(terms).concat();
    let invented = terms(&rewritten).iter().any(|t| !said.contains(t));
    Ok(if rewritten.is_empty() || invented { question.to_owned() } else { rewritten })
}
