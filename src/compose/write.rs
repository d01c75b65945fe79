//! Prompts in, sentences that have passed the check out, and those that have not with the reason.

use anyhow::Result;

use super::check::{Claim, Ground, check};
use super::prose::sentences;
use super::{Dropped, Quote};
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Usage};
use crate::text::{Cite, Lang};

/// What one prompt came to.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The sentences that passed, in the order in which they were written.
    pub claims: Vec<Claim>,
    /// How many sentences were written.
    pub n_written: usize,
}

/// A writer: who writes, against what it is checked, and what it has cost.
pub struct Writing<'a> {
    /// Who writes.
    pub lm: &'a mut dyn LanguageModel,
    /// Against what lines are checked.
    pub ground: Ground,
    /// The language of the lines.
    pub lang: Lang,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// What was written and not let through.
    pub dropped: Vec<Dropped>,
    /// What it has cost.
    pub usage: Usage,
}

impl<'a> Writing<'a> {
    /// Opens a writing about `sources` and what their heads say.
    pub fn new(
        lm: &'a mut dyn LanguageModel,
        sources: &[Quote],
        heads: &[Quote],
        lang: Lang,
        sampling: Sampling,
    ) -> Writing<'a> {
        let ground = Ground::new(sources, heads);
        Writing { lm, ground, lang, sampling, dropped: Vec::new(), usage: Usage::default() }
    }

    /// Has the model write to each of `prompts`, all side by side. `homes` are the sentences that each is about; none
    /// where it is about all.
    pub fn write(&mut self, prompts: &[Prompt], homes: &[Vec<Cite>], max_tokens: usize, one_line: bool) -> Result<Vec<Draft>> {
        let limits = Limits { max_tokens, one_line, sampling: self.sampling };
        let completions = self.lm.complete(prompts, &limits)?;
        let mut drafts = Vec::with_capacity(completions.len());
        for (number, completion) in completions.into_iter().enumerate() {
            self.usage += completion.usage;
            let home = homes.get(number).map_or(&[][..], |home| home);
            let mut draft = Draft::default();
            for line in sentences(&completion, self.lang) {
                draft.n_written += 1;
                draft.claims.extend(self.admit(&line, home));
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// A line as a claim, mended once where that is certain; `None` when it is not let through.
    pub fn admit(&mut self, line: &str, home: &[Cite]) -> Option<Claim> {
        let why = match check(line, home, &self.ground, self.lang) {
            Ok(claim) => return Some(claim),
            Err(why) => why,
        };
        let mended = why.repair.and_then(|line| check(&line, home, &self.ground, self.lang).ok());
        if mended.is_none() {
            self.dropped.push(Dropped { text: line.to_owned(), why: why.text });
        }
        mended
    }
}
