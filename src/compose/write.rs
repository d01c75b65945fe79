//! Prompts in, sentences that have passed the check out, and those that have not with the reason.

use anyhow::Result;

use super::check::{Claim, Ground, check};
use super::prose::sentences;
use super::{Dropped, Prompts, Quote};
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Usage};
use crate::text::{Cite, Lang};

/// Log odds of the model's word from which it overrules a doubt: about the median of true lines, which few lines reach
/// that deny, or say of another who did it.
const SURE: f64 = 1.5;
const SURE_ZH: f64 = 2.5;

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
    /// The templates.
    pub prompts: &'a Prompts,
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
        prompts: &'a Prompts,
    ) -> Writing<'a> {
        Writing {
            lm,
            ground: Ground::new(sources, heads),
            lang,
            sampling,
            prompts,
            dropped: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// Has the model write to each of `prompts`, all side by side. `homes` are the sentences that each is about; none
    /// where it is about all.
    pub fn write(
        &mut self,
        prompts: &[Prompt],
        homes: &[Vec<Cite>],
        max_tokens: usize,
        one_line: bool,
    ) -> Result<Vec<Draft>> {
        let limits = Limits { max_tokens, one_line, sampling: self.sampling };
        let completions = self.lm.complete(prompts, &limits)?;
        let mut drafts = Vec::with_capacity(completions.len());
        for (number, completion) in completions.into_iter().enumerate() {
            self.usage += completion.usage;
            let home = homes.get(number).map_or(&[][..], |home| home);
            let mut draft = Draft::default();
            for line in sentences(&completion, self.lang) {
                draft.n_written += 1;
                draft.claims.extend(self.admit(&line, home)?);
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// A line as a claim, mended once where that is certain, or where the model overrules a doubt of the check; `None` when
    /// it is not let through.
    pub fn admit(&mut self, line: &str, home: &[Cite]) -> Result<Option<Claim>> {
        let why = match check(line, home, &self.ground, self.lang) {
            Ok(claim) => return Ok(Some(claim)),
            Err(why) => why,
        };
        let mended = why.repair.as_ref().and_then(|line| check(line, home, &self.ground, self.lang).ok());
        if mended.is_some() {
            return Ok(mended);
        }
        let text = why.text.clone();
        if let Some(claim) = why.doubted()
            && self.is_faithful(claim)?
        {
            return Ok(why.overruled());
        }
        self.dropped.push(Dropped { text: line.to_owned(), why: text });
        Ok(None)
    }

    /// Whether the model is sure that the cited sentences say what the claim says.
    fn is_faithful(&mut self, claim: &Claim) -> Result<bool> {
        let quoted: Vec<&str> = claim.cites().iter().map(|quote| &*quote.text).collect();
        let values = [("text", &*quoted.join(" ")), ("line", claim.text())];
        let prompt = self.prompts.render("faithful", self.lang, &values)?;
        let (words, sure) = match self.lang {
            Lang::En => (["Yes", "No"], SURE),
            Lang::ZhHans | Lang::ZhHant => (["是", "否"], SURE_ZH),
        };
        let (shares, usage) = self.lm.weigh(&prompt, &words)?;
        self.usage += usage;
        let [yes, no] = [shares[0], shares[1]].map(|share| share.max(f64::MIN_POSITIVE).ln());
        Ok(yes - no > sure)
    }
}
