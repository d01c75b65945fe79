//! Questions in, whether the product's answers say what is expected, cite where it stands, and are withheld where
//! nothing answers them.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Corpus, Found, Lab, Outcome, Part, Set, digest_of};
use crate::compose::{self, Answer, Claim};
use crate::corpus::Hit;
use crate::lab::cases::{Case, Leg, docs_of, legs};
use crate::lab::score::text::{assertion_recall, contains, f1, holds_evidence};
use crate::model::{Limits, Prompt};
use crate::text::Lang;
use crate::text::lang::detect;

/// Passages that are looked through for those that a corpus without the expected documents would give.
const DEEP: usize = 60;
/// Tokens of an answer of the model's own.
const OWN_TOKENS: usize = 96;

/// Does `work` for each leg of a set that the lab is asked for, with the index of the leg's documents.
pub(super) fn each_leg(
    kind: &'static str,
    set: &Set,
    lab: &mut Lab<'_>,
    mut work: impl FnMut(&mut Lab<'_>, &Part<'_>, &Leg, &Corpus) -> Result<Outcome>,
) -> Result<Vec<Outcome>> {
    let legs = own_legs(set, lab)?;
    let data = digest_of(&[&set.docs, set.questions()?])?;
    let mut outcomes = Vec::new();
    for leg in legs {
        let docs = match &leg.docs_lang {
            Some(lang) => docs_of(&set.docs, lang, &lab.cache)?,
            None => set.docs.clone(),
        };
        let corpus = lab.corpus(&docs)?;
        let part = Part { kind, set: &set.name, leg: &leg.name, data: &data };
        outcomes.push(work(lab, &part, &leg, &corpus)?);
    }
    Ok(outcomes)
}

fn own_legs(set: &Set, lab: &Lab<'_>) -> Result<Vec<Leg>> {
    let mut legs = legs(set.questions()?, lab.n_sample)?;
    legs.retain(|leg| lab.all_legs || leg.is_own);
    ensure!(!legs.is_empty(), "`{}` has no question that could be searched for", set.name);
    Ok(legs)
}

/// Answers the questions that have an answer, from the whole corpus.
pub(super) fn answers(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    each_leg("answers", set, lab, |lab, part, leg, corpus| {
        let items = answered(lab, part, leg, corpus)?;
        let wanted = ["contains", "assertion_recall"];
        Ok(Outcome::of(part, Some(corpus.n_docs), items, &wanted))
    })
}

/// Refusals: of questions that have an answer, of the same with their documents left out, and of those without.
pub(super) fn abstain(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    each_leg("abstain", set, lab, |lab, part, leg, corpus| {
        // The outcomes of `answers` serve here too: nothing is asked twice.
        let mut items = answered(lab, &Part { kind: "answers", ..*part }, leg, corpus)?;
        for item in &mut items {
            item.kind = part.kind.to_owned();
            item.metrics.retain(|name, _| name == "false_refusal");
        }
        let twins = Part { kind: "abstain-twins", ..*part };
        items.extend(lab.each(
            &twins,
            &leg.cases,
            |case| &case.id,
            |lab, case| {
                refusal(lab, case, "twin_refusal", |lab, question| {
                    let hits = lab.search(corpus, question, DEEP)?;
                    Ok(without_gold(hits, case, corpus, lab.settings.passages))
                })
            },
        )?);
        let without = Part { kind: "abstain-without", ..*part };
        items.extend(lab.each(
            &without,
            &leg.unanswerable,
            |case| &case.id,
            |lab, case| {
                refusal(lab, case, "refusal", |lab, question| lab.search(corpus, question, lab.settings.passages))
            },
        )?);
        let wanted = ["refusal", "twin_refusal"];
        Ok(Outcome::of(part, Some(corpus.n_docs), items, &wanted))
    })
}

/// What the model says by itself.
pub(super) fn no_context(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let data = digest_of(&[set.questions()?])?;
    let mut outcomes = Vec::new();
    for leg in own_legs(set, lab)? {
        let part = Part { kind: "no-context", set: &set.name, leg: &leg.name, data: &data };
        let items = lab.each(
            &part,
            &leg.cases,
            |case| &case.id,
            |lab, case| {
                let limits = Limits { max_tokens: OWN_TOKENS, one_line: true, sampling: lab.plan.sampling };
                let prompt = without_reading(&case.question);
                let said = lab.lm()?.complete(&[prompt], &limits)?.remove(0).text;
                let mut found = Found::default();
                judge_text(&mut found, &said, case);
                Ok(found)
            },
        )?;
        outcomes.push(Outcome::of(&part, None, items, &["contains"]));
    }
    Ok(outcomes)
}

/// A question as it is put to a model that is to answer from memory.
fn without_reading(question: &str) -> Prompt {
    let system = match detect(question) {
        Lang::En => "Answer the question in one short sentence.",
        Lang::ZhHans => "请用一句简短的话回答问题。",
        Lang::ZhHant => "請用一句簡短的話回答問題。",
    };
    Prompt { system: system.to_owned(), user: question.to_owned(), ..Prompt::default() }
}

fn answered(lab: &mut Lab<'_>, part: &Part<'_>, leg: &Leg, corpus: &Corpus) -> Result<Vec<super::Item>> {
    lab.each(
        part,
        &leg.cases,
        |case| &case.id,
        |lab, case| {
            let began = Instant::now();
            let n_passages = lab.settings.passages;
            let answer = ask(lab, &case.question, |lab, question| lab.search(corpus, question, n_passages))?;
            let is_retrieved = answer.passages.iter().any(|hit| !corpus.gold_of(hit, &case.gold).is_empty());
            let mut found = Found::default();
            found.put("seconds", began.elapsed().as_secs_f64());
            found.put("retrieved", is_retrieved);
            judge_answer(&mut found, &answer, case);
            judge_cites(&mut found, &answer, case, corpus);
            Ok(found)
        },
    )
}

/// Asks as `precis ask` does, with what `search` finds.
pub(super) fn ask<'l>(
    lab: &mut Lab<'l>,
    question: &str,
    mut search: impl FnMut(&mut Lab<'l>, &str) -> Result<Vec<Hit>>,
) -> Result<Answer> {
    let plan = lab.plan.clone();
    let lm = lab.lm.take().context("there is no model to ask")?;
    let answered = compose::ask(question, &[], |part| search(lab, part), &mut *lm, &plan);
    lab.lm = Some(lm);
    Ok(answered?.0)
}

fn refusal<'l>(
    lab: &mut Lab<'l>,
    case: &Case,
    name: &str,
    search: impl FnMut(&mut Lab<'l>, &str) -> Result<Vec<Hit>>,
) -> Result<Found> {
    let answer = ask(lab, &case.question, search)?;
    let mut found = Found::default();
    if name == "twin_refusal" && !case.answers.is_empty() {
        // Other documents may say the same: a twin that is answered rightly is no invention.
        found.put("twin_contains", contains(&told(&answer), &case.answers));
    }
    found.put(name, !answer.found());
    found.asked = case.question.clone();
    found.expected = case.answers.join(" | ");
    found.said = shown(&answer);
    Ok(found)
}

/// The first `n` hits without those whose text stands in an expected document.
///
/// An index without these documents would give the same hits in the same order, but for two things: the rarity of words
/// is counted over the whole corpus, which a document more or less hardly moves, and vectors and ranks of the other
/// passages do not depend on it at all. As in a search of `n`, no article has more than half of the places while there
/// are others. A copy under another name is left out too: with it, there would still be an answer.
fn without_gold(hits: Vec<Hit>, case: &Case, corpus: &Corpus, n: usize) -> Vec<Hit> {
    let others = hits.into_iter().filter(|hit| corpus.gold_of(hit, &case.gold).is_empty());
    let (mut kept, mut crowd): (Vec<Hit>, Vec<Hit>) = (Vec::new(), Vec::new());
    for hit in others {
        let same = |other: &&Hit| other.passage.path == hit.passage.path;
        match kept.iter().filter(same).count() < n.div_ceil(2) {
            true => kept.push(hit),
            false => crowd.push(hit),
        }
    }
    kept.extend(crowd);
    kept.truncate(n);
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    kept
}

/// What holds for every answer: whether there is one, what it says, what it cost.
fn judge_answer(found: &mut Found, answer: &Answer, case: &Case) {
    judge_text(found, &told(answer), case);
    found.said = shown(answer);
    found.put("false_refusal", !answer.found());
    let usage = &answer.usage;
    found.put("tokens", (usage.prompt_tokens + usage.completion_tokens) as f64);
}

/// Judges what was `said`.
fn judge_text(found: &mut Found, said: &str, case: &Case) {
    found.asked = case.question.clone();
    found.expected = [&case.answers[..], &case.assertions].concat().join(" | ");
    found.said = said.to_owned();
    if !case.answers.is_empty() {
        found.put("contains", contains(said, &case.answers));
        found.put("f1", f1(said, &case.answers));
    }
    if let Some(recall) = assertion_recall(said, &case.question, &case.assertions) {
        found.put("assertion_recall", recall);
    }
}

/// Judges what an answer cites; a refusal cites nothing, neither right nor wrong.
fn judge_cites(found: &mut Found, answer: &Answer, case: &Case, corpus: &Corpus) {
    let cites: Vec<_> = answer.claims.iter().flat_map(Claim::cites).collect();
    if cites.is_empty() {
        return;
    }
    let gold_of = |hit: usize| corpus.gold_of(&answer.passages[hit], &case.gold);
    let golds: Vec<Vec<usize>> = cites.iter().map(|quote| gold_of(quote.cite.article)).collect();
    let n_right = golds.iter().filter(|golds| !golds.is_empty()).count();
    found.put("citation_precision", n_right as f64 / golds.len() as f64);
    let mut cited = golds.concat();
    cited.sort_unstable();
    cited.dedup();
    found.put("citation_recall", cited.len() as f64 / case.gold.len().max(1) as f64);
    if !case.evidence.is_empty() {
        let cited: Vec<&str> = cites.iter().map(|quote| &*quote.text).collect();
        found.put("evidence", holds_evidence(&cited.join(" "), &case.evidence));
    }
}

/// The words of an answer.
pub(super) fn told(answer: &Answer) -> String {
    let claims: Vec<&str> = answer.claims.iter().map(Claim::text).collect();
    claims.join(" ")
}

/// An answer with its sources, or why there is none.
pub(super) fn shown(answer: &Answer) -> String {
    let mut text = String::new();
    for claim in &answer.claims {
        text += claim.text();
        for quote in claim.cites() {
            let path = &answer.passages[quote.cite.article].passage.path;
            text += &format!("\n[{path}] {}", quote.text);
        }
    }
    for dropped in &answer.dropped {
        text += &format!("(dropped: {}) {}", dropped.why, dropped.text);
    }
    if let Some(verdict) = answer.verdict {
        text += &format!("\n(held {:.3}, search {:.4}, sure {:.3})", verdict.held, verdict.search, verdict.confidence);
    }
    text
}
