//! A question and the passages that may hold its answer in, a checked answer or "not found" out.
//!
//! The model reads the passages and writes a few drafts side by side, none of which may refuse; a small model that may
//! say "not found" says it too often where there is an answer, and too seldom where there is none. What of the drafts
//! passes the check is judged: a verdict on what the lines cite decides whether the question is answered at all.

use std::collections::BTreeSet;

use anyhow::Result;

use super::choose::{is_anyones, points_back};
use super::prose::{n_words, sentences};
use super::question::{asks_for_one, is_echo, lang_of, names_its_answer};
use super::source::{Bearing, Evidence};
use super::verdict::{Verdict, verdict};
use super::write::{Draft, Writing};
use super::{Answer, AnswerPlan, Claim, Dropped, Quote, Turn};
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
/// A line of the best draft that bears on it less than this share of what the best line does is padding.
const LEAST_OF_ALL: f64 = 0.05;
/// The same of a line about another article than the first one.
const LEAST_ASTRAY: f64 = 0.9;
/// Log odds from which the verdict is sure.
const SURE: f64 = 1.0;
/// Sentences that the verdict reads at the most.
const JUDGED: usize = 4;
/// The drafts, in the order in which they are trusted.
const DRAFTS: [&str; 3] = ["answer-plain", "answer-full", "answer-each"];

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
    // To tell of each thing by itself helps where there may be several.
    let drafts = if asks_for_one(question) { &DRAFTS[..DRAFTS.len() - 1] } else { &DRAFTS };
    let prompts = drafts.iter().map(|ask| {
        let ask = plan.prompts.render(ask, lang, &values)?.user;
        plan.prompts.render("answer", lang, &[("text", &*evidence.text), ("question", question), ("ask", &ask)])
    });
    let prompts = prompts.collect::<Result<Vec<_>>>()?;
    let mut writing = Writing::new(lm, &evidence.quotes, &evidence.heads, lang, plan.sampling, &plan.prompts);
    writing.ground = writing.ground.asked(question);
    let drafts = writing.write(&prompts, &[], DRAFT_TOKENS, false)?;
    let mut instead: Vec<&Quote> = Vec::new();
    for quote in drafts.iter().flat_map(|draft| &draft.instead) {
        if !instead.contains(&quote) {
            instead.push(quote);
        }
    }
    let instead: Vec<Claim> = instead.into_iter().filter_map(|quote| writing.quote(quote)).collect();
    let told = join(drafts, instead, question, &bearing, lang);
    let is_written = told.iter().any(|(from, _)| *from != From::Sources);
    let mut claims: Vec<Claim> = told.into_iter().map(|(_, claim)| claim).collect();
    if claims.is_empty() {
        // Nothing that was written holds: then what stands nearest is weighed itself.
        claims.extend(writing.quote(nearest[0]));
    }
    let Writing { lm, dropped, usage, .. } = writing;
    (answer.dropped, answer.usage) = (dropped, usage);
    if claims.is_empty() {
        return Ok(answer);
    }
    let (verdict, cost) = judge(question, &claims, lang, &answer.passages, lm, plan)?;
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

/// Where a line of an answer comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The draft that bears most on the question; with whether the line before it was let through.
    Best {
        follows: bool,
    },
    Another,
    /// The sources, in place of a line that did not hold.
    Sources,
}

/// One answer of several drafts: the one that bears most on the question and holds, what others add to it, and what the
/// sources say `instead` of lines that did not hold.
fn join(drafts: Vec<Draft>, instead: Vec<Claim>, question: &str, bearing: &Bearing, lang: Lang) -> Vec<(From, Claim)> {
    let bears = |claim: &Claim| {
        let cited: Vec<&str> = claim.cites().iter().map(|quote| &*quote.text).collect();
        bearing.of(&format!("{} {}", claim.text(), cited.join(" ")))
    };
    let holds = |draft: &Draft| {
        let all: f64 = draft.claims().map(bears).sum();
        all / draft.lines.len().max(1) as f64
    };
    let mut drafts: Vec<(f64, Draft)> = drafts.into_iter().map(|draft| (holds(&draft), draft)).collect();
    // Stable: of equals the draft that is trusted more comes first.
    drafts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut lines: Vec<(From, Claim)> = Vec::new();
    for (number, (_, draft)) in drafts.into_iter().enumerate() {
        let mut follows = false;
        for line in draft.lines {
            let from = if number == 0 { From::Best { follows } } else { From::Another };
            follows = line.is_some();
            lines.extend(line.map(|claim| (from, claim)));
        }
    }
    let most = lines.iter().map(|(_, claim)| bears(claim)).fold(0.0, f64::max);
    // Of a draft that is too long those that bear most; what hardly bears on the question is padding.
    let mut of_best: Vec<f64> =
        lines.iter().filter(|(from, _)| matches!(from, From::Best { .. })).map(|(_, claim)| bears(claim)).collect();
    of_best.sort_by(|a, b| b.total_cmp(a));
    let least = of_best.get(MOST_LINES - 1).copied().unwrap_or(0.0).max(LEAST_OF_ALL * most);
    lines.extend(instead.into_iter().map(|claim| (From::Sources, claim)));
    // "Is it closed?" is answered in its own words, but not by itself.
    let answers = |text: &str| !text.ends_with(['?', '？']) && (names_its_answer(question) || !is_echo(text, question));
    lines.retain(|(_, claim)| answers(claim.text()));
    let mut told: Vec<(From, Claim)> = Vec::new();
    let mut said: Vec<BTreeSet<String>> = Vec::new();
    let mut words = 0;
    for (from, claim) in lines {
        // What the question says itself is new to nobody.
        let terms: BTreeSet<String> = terms(claim.text()).into_iter().filter(|term| !bearing.asks(term)).collect();
        let n = n_words(claim.text(), lang);
        let fits = told.len() < MOST_LINES && (told.is_empty() || words + n <= MOST_WORDS);
        // What was told already in fewer words gives way.
        let tells_all =
            |line: &BTreeSet<String>| !line.is_empty() && line.difference(&terms).count() * 10 <= line.len();
        let dangles = is_all_quoted(claim.text())
            || is_anyones(claim.text())
            || points_back(claim.text()) && (from != From::Best { follows: true } || told.is_empty());
        let replaces = !dangles && (fits && matches!(from, From::Best { .. }) || bears(&claim) >= most);
        if let Some(idx) = said.iter().position(tells_all).filter(|_| replaces) {
            if terms.len() > said[idx].len() {
                words = words + n - n_words(told[idx].1.text(), lang);
                (said[idx], told[idx]) = (terms, (from, claim));
            }
            continue;
        }
        let is_new =
            |line: &BTreeSet<String>| terms.difference(line).count() as f64 >= LEAST_NEW * terms.len().max(1) as f64;
        // Small models take from other articles what was not asked.
        let is_astray = told.first().is_some_and(|(_, first)| article_of(first) != article_of(&claim));
        let bears_enough = match from {
            _ if is_astray => bears(&claim) >= LEAST_ASTRAY * most,
            From::Another => bears(&claim) >= LEAST_BEARING * most,
            From::Best { .. } => bears(&claim) >= least,
            From::Sources => true,
        };
        // A sentence that stands in for a line adds nothing where one thing was asked and is told, or where a line rests on it.
        let is_told = from == From::Sources
            && (!told.is_empty() && asks_for_one(question)
                || told.iter().any(|(_, told)| told.cites().contains(&claim.cites()[0])));
        if fits && !dangles && !is_told && bears_enough && said.iter().all(is_new) {
            words += n;
            said.push(terms);
            told.push((from, claim));
        }
    }
    told
}

fn article_of(claim: &Claim) -> usize {
    claim.cites()[0].cite.article
}

/// Whether a line is a quotation and does not say whose.
fn is_all_quoted(text: &str) -> bool {
    let marks = ['“', '”', '"', '「', '」', '『', '』'];
    text.starts_with(marks) && text.ends_with(marks) && text.matches(marks).count() == 2
}

/// Whether the sentences that an answer cites answer the question; where these are in another language, whether the answer
/// itself does.
fn judge(
    question: &str,
    claims: &[Claim],
    lang: Lang,
    hits: &[Hit],
    lm: &mut dyn LanguageModel,
    plan: &AnswerPlan,
) -> Result<(Verdict, crate::model::Usage)> {
    let passage = &hits[article_of(&claims[0])].passage;
    let mut cites: Vec<(Cite, &str)> = Vec::new();
    for quote in claims.iter().flat_map(Claim::cites) {
        if cites.len() < JUDGED && cites.iter().all(|(cite, _)| *cite != quote.cite) {
            cites.push((quote.cite, &quote.text));
        }
    }
    let is_foreign = (passage.lang == Lang::En) != (lang == Lang::En);
    let text: Vec<&str> = match is_foreign {
        true => claims.iter().map(Claim::text).collect(),
        false => cites.iter().map(|(_, text)| *text).collect(),
    };
    let title = passage.title.as_deref().unwrap_or_default();
    let text = format!("({title}) {}", text.join(" "));
    verdict(question, &text, if is_foreign { lang } else { passage.lang }, hits[0].score, lm, &plan.prompts)
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
