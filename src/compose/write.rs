//! Prompts in, sentences that have passed the check out, and those that have not with the reason.

use anyhow::Result;

use super::check::{Claim, Ground, Why, check};
use super::prose::{as_told, sentences};
use super::{Dropped, Prompts, Quote};
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Usage};
use crate::text::{Cite, Lang};

/// Log odds of the model's word from which a line in another language than its sources is told: about the median of true
/// lines, which few lines reach that deny, or say of another who did it. In one language its word is not asked for: of lines
/// that it let pass against the check, seven of ten were wrong.
const SURE: f64 = 1.5;
const SURE_ZH: f64 = 2.5;

/// What one prompt came to.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What was written, in its order; `None` for a sentence that did not pass.
    pub lines: Vec<Option<Claim>>,
    /// For those, the source sentences that say most of them.
    pub instead: Vec<Quote>,
}

impl Draft {
    /// The sentences that passed.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.lines.iter().flatten()
    }
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
                let judged = self.admit(&line, home)?;
                if let Err(why) = &judged {
                    draft.instead.extend_from_slice(why.sayers());
                }
                draft.lines.push(judged.ok());
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// A sentence of the sources as a claim; `None` where it cannot be told, being in another language.
    pub fn quote(&self, quote: &Quote) -> Option<Claim> {
        check(&as_told(&quote.text, self.lang)?, &[quote.cite], &self.ground, self.lang).ok()
    }

    /// A line as a claim, mended once where that is certain, or where only the model can compare it with its sources; or why it
    /// is not let through.
    pub fn admit(&mut self, line: &str, home: &[Cite]) -> Result<Result<Claim, Why>> {
        let why = match check(line, home, &self.ground, self.lang) {
            Ok(claim) => return Ok(Ok(claim)),
            Err(why) => why,
        };
        if let Some(mended) = why.repair.as_ref().and_then(|line| check(line, home, &self.ground, self.lang).ok()) {
            return Ok(Ok(mended));
        }
        if let Some(claim) = why.doubted()
            && self.is_faithful(claim)?
        {
            return Ok(Ok(claim.clone()));
        }
        self.dropped.push(Dropped { text: line.to_owned(), why: why.text.clone() });
        Ok(Err(why))
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
