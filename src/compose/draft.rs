//! Lines of evidence in, one checked sentence out: the model drafts, `ground` decides.
//!
//! A small model that is asked for a whole summary copies the opening until it is cut off, and asked to say something
//! in its own words it says something else. So it is asked to shorten one sentence at a time, with no words but those
//! of the sentence, and only where the sentence is too long to be told as it is.

use std::collections::BTreeSet;

use anyhow::Result;

use super::evidence::{Evidence, Line};
use super::faithful::{distortion, with_articles};
use super::ground::{Ground, HAN_PER_WORD, Support, longest_copy, n_words, words};
use super::line::{in_language, tidy, whole_line};
use super::prompt::Prompts;
use super::shorten::{shorten, stands_alone};
use super::{Claim, Dropped};
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Stop, Usage};
use crate::text::lang::detect;
use crate::text::script::is_han;
use crate::text::{Cite, Lang};

/// A line that repeats so many words in one piece is a copy; Han characters count one each.
const COPY_WORDS: usize = 25;
const COPY_HAN: usize = 40;
/// Tokens of a line at the most, but for very long ones: the same for all, so that lines of several articles may be
/// written in one call.
const LINE_TOKENS: usize = 80;
/// Words of a group's title at the most, and tokens.
const TITLE_WORDS: usize = 6;
const TITLE_TOKENS: usize = 24;
/// Words that hold a shortened sentence together, and that a draft may use beside those of its sources.
const GLUE: &str = "a an the of to in on at for from by with and that which who is are was were be been has have had as \
    after before its their his her it they he she . , ’s 's";
const HAN_GLUE: &str = "的了在是和與与等對对為为，。、";

/// The drafting of one summary or answer: what it may use, and what it has cost so far.
pub struct Drafting<'a> {
    /// Who drafts.
    pub lm: &'a mut dyn LanguageModel,
    /// Against what drafts are checked.
    pub ground: Ground,
    /// The original sentences.
    pub sources: Evidence,
    /// The language to write in.
    pub lang: Lang,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The templates.
    pub prompts: &'a Prompts,
    /// What was written and not let through.
    pub dropped: Vec<Dropped>,
    /// The source sentences that lines were to be made of.
    pub used: BTreeSet<Cite>,
    /// What it has cost.
    pub usage: Usage,
}

/// One line to be drafted.
pub struct Task<'a> {
    /// The line to be told in one sentence.
    pub line: &'a Line,
    /// What stands before it, so that pronouns can be understood.
    pub before: Option<&'a Line>,
    /// The most words that it should have.
    pub words: usize,
    /// Whether a copy of the sentence is better than nothing.
    pub may_copy: bool,
}

impl<'a> Drafting<'a> {
    /// Opens the drafting over `sources`.
    pub fn new(
        lm: &'a mut dyn LanguageModel,
        sources: Evidence,
        lang: Lang,
        sampling: Sampling,
        prompts: &'a Prompts,
    ) -> Self {
        Drafting {
            ground: Ground::new(&sources.sources),
            lm,
            sources,
            lang,
            sampling,
            prompts,
            dropped: Vec::new(),
            used: BTreeSet::new(),
            usage: Usage::default(),
        }
    }

    /// Tells each line in one checked sentence; `None` for a line that could not be told.
    ///
    /// The article's own sentence comes first, without what can be left out: it is true, and costs nothing. Where it
    /// is too long or does not stand alone, the model is asked, all such lines at once.
    pub fn lines(&mut self, tasks: &[Task]) -> Result<Vec<Option<Claim>>> {
        let own: Vec<Option<Claim>> = tasks.iter().map(|task| self.shortened(task)).collect();
        let fits = |claim: &&Claim, words| n_words(&claim.text, self.lang) <= words && !is_copy(claim);
        let fitting = tasks.iter().zip(&own).map(|(task, own)| {
            let fitting = own.as_ref().filter(|claim| fits(claim, task.words));
            fitting.cloned()
        });
        let mut told: Vec<Option<Claim>> = fitting.collect();
        let open: Vec<usize> = (0..tasks.len()).filter(|idx| told[*idx].is_none()).collect();
        let drafts = self.complete(&open.iter().map(|idx| &tasks[*idx]).collect::<Vec<_>>())?;
        for (idx, draft) in open.into_iter().zip(drafts) {
            told[idx] = match self.checked(&tasks[idx], draft) {
                Ok(claim) => Some(claim),
                Err(dropped) => {
                    self.dropped.push(dropped);
                    let may_copy = tasks[idx].may_copy;
                    own[idx].clone().filter(|claim| may_copy || !is_copy(claim))
                }
            };
        }
        Ok(told)
    }

    /// The source sentence itself without what can be left out, in the language asked for; `None` where it needs the
    /// sentence before it.
    fn shortened(&mut self, task: &Task) -> Option<Claim> {
        self.used.extend(&task.line.cites);
        let most = task.words.min(COPY_WORDS - 1);
        let text = in_language(shorten(&task.line.text, self.lang, most), self.lang);
        let text = whole_line(&text, self.lang).ok()?;
        let claim = Claim { cites: self.sources.quotes(&task.line.cites), text, focus: None };
        stands_alone(&claim.text, self.lang).then_some(claim)
    }

    /// A draft of the model's as a claim, or what is wrong with it.
    fn checked(&self, task: &Task, draft: String) -> Result<Claim, Dropped> {
        let refused = |why| Dropped { text: draft.clone(), why };
        let text = whole_line(&draft, self.lang).map_err(|why| refused(why.to_owned()))?;
        match self.ground.check(&text, &task.line.cites) {
            Support::Unbacked(why) => Err(refused(why)),
            Support::Backed(cites) => {
                let cites = self.sources.quotes(&cites);
                let claim = Claim { text, cites, focus: None };
                match self.distorted(task, &claim) {
                    Some(why) => Err(refused(why)),
                    None if self.lang == Lang::En => {
                        Ok(Claim { text: with_articles(&claim.text, &task.line.text), ..claim })
                    }
                    None => Ok(claim),
                }
            }
        }
    }

    /// What `ground` does not see: copies, pointers, and what a shortening did to the sense.
    fn distorted(&self, task: &Task, claim: &Claim) -> Option<String> {
        if is_copy(claim) {
            return Some("it is a copy of the source".into());
        }
        if !stands_alone(&claim.text, self.lang) {
            return Some("it points back at a sentence that is not there".into());
        }
        if !self.same_language(&task.line.text) {
            return None;
        }
        let context = task.before.map(|line| line.text.as_str());
        let context = context.filter(|_| !stands_alone(&task.line.text, self.lang));
        distortion(&claim.text, &task.line.text, context.unwrap_or_default())
    }

    /// Whether `source` is in the language that is written, in either script.
    fn same_language(&self, source: &str) -> bool {
        (detect(source) == Lang::En) == (self.lang == Lang::En)
    }

    /// A draft a task.
    fn complete(&mut self, tasks: &[&Task]) -> Result<Vec<String>> {
        let Some(most_words) = tasks.iter().map(|task| task.words).max() else {
            return Ok(Vec::new());
        };
        let prompts = tasks.iter().map(|task| self.prompt(task));
        let prompts = prompts.collect::<Result<Vec<Prompt>>>()?;
        let limits = Limits {
            // English takes about 1.4 tokens a word, Chinese about 0.7 a character; the rest is slack to end the sentence.
            max_tokens: (16 + 2 * most_words).max(LINE_TOKENS),
            one_line: true,
            sampling: self.sampling,
        };
        self.used.extend(tasks.iter().flat_map(|t| t.before).flat_map(|l| &l.cites));
        let completions = self.lm.complete(&prompts, &limits)?;
        let drafts = completions.into_iter().map(|completion| {
            self.usage += completion.usage;
            let mut text = tidy(&completion.text);
            if matches!(completion.stop, Stop::TokenCap) {
                text.push('…');
            }
            in_language(text, self.lang)
        });
        Ok(drafts.collect())
    }

    fn prompt(&self, task: &Task) -> Result<Prompt> {
        let before = task.before.map(|l| l.text.as_str()).unwrap_or_default();
        let (count, glue) = match self.lang {
            Lang::En => (task.words, GLUE),
            Lang::ZhHans | Lang::ZhHant => (task.words * HAN_PER_WORD, HAN_GLUE),
        };
        let values = [("before", before), ("text", &*task.line.text), ("words", &*count.to_string())];
        let mut prompt = self.prompts.render("line", self.lang, &values)?;
        prompt.only = self.same_language(&task.line.text).then(|| format!("{before}\n{}\n{glue}", task.line.text));
        Ok(prompt)
    }

    /// A heading for `points`; `None` when what the model wrote is no heading, or not made of their words.
    pub fn title(&mut self, points: &[Claim]) -> Result<Option<String>> {
        let texts: Vec<&str> = points.iter().map(|p| p.text.as_str()).collect();
        let values = [("title", ""), ("text", &*format!("- {}", texts.join("\n- ")))];
        let mut prompt = self.prompts.render("title", self.lang, &values)?;
        prompt.only = Some(texts.join("\n"));
        let limits = Limits { max_tokens: TITLE_TOKENS, one_line: true, sampling: self.sampling };
        let completion = self.lm.complete(&[prompt], &limits)?.remove(0);
        self.usage += completion.usage;
        let text = in_language(tidy(&completion.text), self.lang);
        let text = text.trim_end_matches(['.', '。', ':', '：']);
        let n_words = n_words(text, self.lang);
        let is_whole = completion.stop != Stop::TokenCap && (1..=TITLE_WORDS).contains(&n_words);
        let stands = texts.iter().any(|point| distortion(text, point, "").is_none());
        Ok((is_whole && stands).then(|| text.to_owned()))
    }
}

fn is_copy(claim: &Claim) -> bool {
    let n_han = claim.text.chars().filter(|c| is_han(*c)).count();
    let limit = if 2 * n_han > words(&claim.text).len() { COPY_HAN } else { COPY_WORDS };
    let copied = claim.cites.iter().map(|q| longest_copy(&claim.text, &q.text));
    copied.max().unwrap_or(0) >= limit
}
