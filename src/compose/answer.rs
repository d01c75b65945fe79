//! A question and the passages that may hold its answer in, a checked answer or "not found" out.
//!
//! The model is never asked whether it knows: it points at the shortest words of the sentences that bear on the
//! question, whatever they are. Whether these words are an answer is decided afterwards, by a verdict on the sentence
//! that they stand in and by `ground`. So a model that likes to refuse, and one that never does, are judged alike.

use std::collections::HashSet;
use std::slice::from_ref;

use anyhow::Result;

use super::evidence::Line;
use super::faithful::with_bounds;
use super::ground::{Ground, Support, n_words, words};
use super::line::{in_language, tidy};
use super::question::{asks_whether, is_echo, names_its_answer};
use super::relevant::{Relevant, is_foreign};
use super::shorten::{capitalised, shorten};
use super::unit::same_figures;
use super::verbatim::{around, verbatim};
use super::verdict::{Verdict, verdict};
use super::{Answer, AnswerPlan, Claim, Dropped, Quote, Turn};
use crate::corpus::Hit;
use crate::corpus::terms::terms;
use crate::model::{LanguageModel, Limits, Prompt, Usage};
use crate::text::Lang;
use crate::text::figures::figures;
use crate::text::lang::detect;
use crate::text::script::is_han;

/// Tokens of an answer at the most.
const ANSWER_TOKENS: usize = 64;
/// Words of a source sentence that is told instead of an answer that is not in its words.
const SENTENCE_WORDS: usize = 40;
/// Across languages nothing is found by words, so that the score says nothing: it is taken for one of the lower third.
const FOREIGN_SCORE: f32 = 0.1;
/// Words of a sentence that is told around its answer; of a longer one only some clauses are.
const TOLD_WORDS: usize = 30;
/// So many words may be a sentence, and get its full stop.
const WORDS_OF_SENTENCE: usize = 5;
/// Another article is asked for a different answer when a sentence of it bears on the question this much, of what the
/// sentence with the first answer does.
const SAME_SUBJECT: f64 = 0.9;

/// Answers `question`, or one of its [`Parts`](super::Parts), from `hits` alone. Where two articles answer it differently, both answers are given.
pub fn answer(question: &str, hits: Vec<Hit>, lm: &mut dyn LanguageModel, plan: &AnswerPlan) -> Result<Answer> {
    let lang = plan.lang.unwrap_or_else(|| detect(question));
    let relevant = Relevant::choose(question, &hits, lm);
    let mut asked =
        Asked { question, lang, plan, lm, ground: Ground::new(&relevant.evidence.sources), usage: Usage::default() };
    let (mut claims, mut dropped) = (Vec::new(), Vec::new());
    let finding = asked.find(&relevant, &hits)?;
    if let Some(finding) = &finding
        && let Some(claim) = asked.claim(finding, &relevant, &hits, &mut dropped)?
    {
        claims.push(claim);
        if let Some(other) = finding.another_view(&relevant, &hits)
            && let Some(opposed) = asked.find(&other, &hits)?
            && finding.contradicts(&opposed)
        {
            claims.extend(asked.claim(&opposed, &other, &hits, &mut dropped)?);
            // Of two views, the one that the model trusts more comes first.
            if opposed.verdict.held > finding.verdict.held {
                claims.reverse();
            }
        }
    }
    Ok(Answer {
        claims,
        missing: Vec::new(),
        lang,
        usage: asked.usage,
        passages: hits,
        dropped,
        verdict: finding.map(|finding| finding.verdict),
    })
}

/// A question that is being answered.
struct Asked<'a> {
    question: &'a str,
    lang: Lang,
    plan: &'a AnswerPlan,
    lm: &'a mut dyn LanguageModel,
    ground: Ground,
    usage: Usage,
}

/// What the model points at.
struct Finding {
    /// The words, in the language of the article.
    text: String,
    /// The line that they stand in.
    home: Line,
    /// How far the line bears on the question.
    share: f64,
    verdict: Verdict,
}

impl Asked<'_> {
    /// Has the model point at the answer, and weighs it; `None` where there is nothing to point at.
    fn find(&mut self, relevant: &Relevant, hits: &[Hit]) -> Result<Option<Finding>> {
        let Some(first) = relevant.evidence.lines.first() else {
            return Ok(None);
        };
        if asks_whether(self.question) && !is_foreign(&hits[first.block], self.question) {
            let text = relevant.nearest().text.clone();
            return self.judged(text, relevant, hits).map(Some);
        }
        let source_lang = hits[first.block].passage.lang;
        let shown = shown(&relevant.evidence.lines, hits);
        let values = [("text", &*shown), ("question", self.question)];
        let mut prompt = self.plan.prompts.render("answer", source_lang, &values)?;
        // What stands in a text can be said in its own words; the mask keeps the model from saying it in others.
        prompt.only = Some(shown);
        let mut text = self.said(&prompt)?;
        // What the question says itself is no answer to it, however near it stands to the answer.
        if !names_its_answer(self.question) && is_echo(&text, self.question) {
            prompt.barred = Some(text.clone());
            let other = self.said(&prompt)?;
            if !is_echo(&other, self.question) {
                text = other;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        self.judged(text, relevant, hits).map(Some)
    }

    /// The finding that some words make, with the verdict on the line that they stand in.
    fn judged(&mut self, text: String, relevant: &Relevant, hits: &[Hit]) -> Result<Finding> {
        let (home, share) = home(&text, relevant);
        let score = match is_foreign(&hits[home.block], self.question) {
            true => hits[0].score.max(FOREIGN_SCORE),
            false => hits[0].score,
        };
        let (verdict, cost) = verdict(
            self.question,
            &focus(home, hits),
            hits[home.block].passage.lang,
            score,
            self.lm,
            &self.plan.prompts,
        )?;
        self.usage += cost;
        Ok(Finding { text, home: home.clone(), share, verdict })
    }

    /// The claim that a finding is good for; `None` when it is not good enough, and then it is among the dropped.
    fn claim(
        &mut self,
        finding: &Finding,
        relevant: &Relevant,
        hits: &[Hit],
        dropped: &mut Vec<Dropped>,
    ) -> Result<Option<Claim>> {
        let passage = &hits[finding.home.block].passage;
        let mut drop = |text: &str, why: String| {
            let text = text.to_owned();
            dropped.push(Dropped { text, why });
        };
        if !finding.verdict.holds {
            let percent = 100.0 * finding.verdict.confidence;
            drop(&finding.text, format!("its sentence hardly answers the question ({percent:.0} % sure)"));
            return Ok(None);
        }
        let home = &finding.home;
        let translates = (passage.lang == Lang::En) != (self.lang == Lang::En);
        let mut focus = None;
        let whole = |quotes: &[Quote]| -> String {
            let short = |quote: &Quote| shorten(&quote.text, passage.lang, SENTENCE_WORDS);
            let sentences: Vec<String> = quotes.iter().map(short).collect();
            sentences.join(if passage.lang == Lang::En { " " } else { "" })
        };
        // What a sentence says in these words needs no other support.
        let (text, cites) = match verbatim(&finding.text, &home.text) {
            // A sentence would be translated less truly than a few words.
            Some(run) if translates => (home.text[run].to_owned(), home.cites.clone()),
            Some(run) => {
                focus = Some(in_language(home.text[run.clone()].to_owned(), self.lang));
                let told = around(run, &home.text, passage.lang, TOLD_WORDS);
                (told, home.cites.clone())
            }
            None => match self.ground.check(&finding.text, &home.cites) {
                Support::Backed(cites) if translates => (finding.text.clone(), cites),
                // Words of several sentences, or put together anew: then the sentences say it more truly.
                Support::Backed(cites) => (whole(&relevant.evidence.quotes(&cites)), cites),
                Support::Unbacked(why) => {
                    drop(&finding.text, why);
                    (whole(&relevant.evidence.quotes(&home.cites)), home.cites.clone())
                }
            },
        };
        let cites = relevant.evidence.quotes(&cites);
        let mut text = with_bounds(&text, &cites);
        if translates || self.is_other_language(&text) {
            text = self.translated(text)?;
        }
        let mut text = in_language(capitalised(&text), self.lang);
        if n_words(&text, self.lang) >= WORDS_OF_SENTENCE && text.ends_with(char::is_alphanumeric) {
            text.push(if self.lang == Lang::En { '.' } else { '。' });
        }
        let focus = focus
            .map(|focus| [capitalised(&focus), focus])
            .and_then(|forms| forms.into_iter().find(|form| text.contains(form)))
            .filter(|focus| focus.len() < text.trim_end_matches(['.', '。', '!', '！']).len());
        Ok(Some(Claim { text, cites, focus }))
    }

    /// Whether `text` is in a language that was not asked for.
    fn is_other_language(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
        let n_han = letters.iter().filter(|c| is_han(**c)).count();
        match self.lang {
            Lang::En => 2 * n_han > letters.len(),
            Lang::ZhHans | Lang::ZhHant => n_han == 0 && words(text).len() > 3,
        }
    }

    /// `text` in the language of the answer, with its own words behind; as it is, where it has no words to be
    /// translated or the translation does not keep its figures.
    fn translated(&mut self, text: String) -> Result<String> {
        let prompts = &self.plan.prompts;
        let prompt = prompts.render("translation", self.lang, &[("text", &text)])?;
        let translated = self.said(&prompt)?;
        let translated = translated.trim_end_matches(['.', '。']);
        let original = text.trim_end_matches(['.', '。']);
        Ok(match () {
            () if translated.is_empty() || !same_figures(original, translated) => text,
            () if self.is_other_language(translated) || words(translated) == words(original) => text,
            () if self.lang == Lang::En => format!("{translated} ({original})"),
            () => format!("{translated}（{original}）"),
        })
    }

    /// One line of the model's.
    fn said(&mut self, prompt: &Prompt) -> Result<String> {
        let limits = Limits { max_tokens: ANSWER_TOKENS, one_line: true, sampling: self.plan.sampling };
        let completion = self.lm.complete(from_ref(prompt), &limits)?.remove(0);
        self.usage += completion.usage;
        Ok(tidy(&completion.text))
    }
}

impl Finding {
    /// The lines of another article that speak of the same as this finding's, but hold other words; the best of them
    /// decides which article. `None`: no article does.
    fn another_view(&self, relevant: &Relevant, hits: &[Hit]) -> Option<Relevant> {
        let article = |line: &Line| &hits[line.block].passage.path;
        let own = words(&self.text).concat();
        let lines = relevant.evidence.lines.iter().zip(&relevant.shares);
        let others = lines.filter(|(line, share)| {
            article(line) != article(&self.home)
                && **share >= SAME_SUBJECT * self.share
                && !words(&line.text).concat().contains(&own)
        });
        let (best, _) = others.max_by(|a, b| a.1.total_cmp(b.1))?;
        Some(relevant.of_block(best.block))
    }

    /// Whether two answers exclude each other, as far as words and figures can tell.
    fn contradicts(&self, other: &Finding) -> bool {
        let (own, theirs) = (figures(&self.text), figures(&other.text));
        if !own.is_empty() && !theirs.is_empty() {
            return !own.iter().any(|a| theirs.iter().any(|b| a.agrees(b)));
        }
        let own: HashSet<String> = terms(&self.text).into_iter().collect();
        !terms(&other.text).iter().any(|term| own.contains(term))
    }
}

/// The line that an answer stands in, of several the one that bears most on the question; and how far it does.
fn home<'a>(text: &str, relevant: &'a Relevant) -> (&'a Line, f64) {
    let whole = words(text).concat();
    let wanted: HashSet<String> = terms(text).into_iter().collect();
    let held = |line: &Line| {
        let own: HashSet<String> = terms(&line.text).into_iter().collect();
        let n_held = wanted.intersection(&own).count() as f64;
        let in_one_piece = words(&line.text).concat().contains(&whole);
        n_held / wanted.len().max(1) as f64 + f64::from(u8::from(in_one_piece))
    };
    let lines = relevant.evidence.lines.iter().zip(&relevant.shares);
    let rated = lines.map(|(line, share)| (line, *share, held(line) + share));
    // Of equals the first.
    let best = rated.reduce(|best, next| if next.2 > best.2 { next } else { best });
    let (line, share, _) = best.expect("there is a line");
    (line, share)
}

/// What the verdict is about: the line with the sentence before it, under the title of its article.
fn focus(line: &Line, hits: &[Hit]) -> String {
    let passage = &hits[line.block].passage;
    let number = line.cites.first().map_or(0, |cite| cite.sentence);
    let before = (number - passage.first_sentence).checked_sub(1);
    let before = before.map_or("", |idx| &*passage.sentences[idx].text);
    let title = passage.title.as_deref().unwrap_or_default();
    let focus = format!("({title}) {before} {}", line.text);
    focus.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines as the model reads them, under the title and date of their article.
fn shown(lines: &[Line], hits: &[Hit]) -> String {
    let mut text = String::new();
    let mut block = None;
    for line in lines {
        if block.replace(line.block) != Some(line.block) {
            let passage = &hits[line.block].passage;
            let head = [passage.title.as_deref(), passage.date.as_deref()];
            let head: Vec<&str> = head.into_iter().flatten().collect();
            text.push_str(&format!("({})\n", head.join(", ")));
        }
        text.push_str(&format!("{}\n", line.text));
    }
    text
}

/// The question that stands on its own: a follow-up question with what it leaves out filled in from the turns before.
pub fn standalone(question: &str, turns: &[Turn], lm: &mut dyn LanguageModel, plan: &AnswerPlan) -> Result<String> {
    let Some(last) = turns.last() else {
        return Ok(question.to_owned());
    };
    let lang = detect(question);
    let values = [("before", &*last.question), ("text", &*last.answer), ("question", question)];
    let prompt = plan.prompts.render("standalone", lang, &values)?;
    let limits = Limits { max_tokens: ANSWER_TOKENS, one_line: true, sampling: plan.sampling };
    let completion = lm.complete(&[prompt], &limits)?.remove(0);
    let rewritten = in_language(tidy(&completion.text), lang);
    // A rewriting may only join what was said; words from nowhere would search for something else.
    let said = [question, &last.question, &last.answer].map(terms).concat();
    let invented = terms(&rewritten).iter().any(|t| !said.contains(t));
    Ok(if rewritten.is_empty() || invented { question.to_owned() } else { rewritten })
}
