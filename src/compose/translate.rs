//! Checked claims in, the same in another language out, checked once more.

use anyhow::Result;

use super::prose::sentences;
use super::write::Writing;
use super::{Claim, Dropped};
use crate::model::{Limits, Prompt};
use crate::text::{Cite, Lang};

/// Tokens of a translation at the most.
const TOKENS: usize = 120;

/// Translates claims into `lang`, all side by side; `None` for one whose translation does not hold.
pub(super) fn translate(claims: Vec<Claim>, lang: Lang, writing: &mut Writing) -> Result<Vec<Option<Claim>>> {
    let render = |claim: &Claim| writing.prompts.render("translation", lang, &[("text", claim.text())]);
    let asked = claims.iter().map(render).collect::<Result<Vec<Prompt>>>()?;
    let limits = Limits { max_tokens: TOKENS, one_line: true, sampling: writing.sampling };
    let completions = writing.lm.complete(&asked, &limits)?;
    let before = std::mem::replace(&mut writing.lang, lang);
    let mut told = Vec::with_capacity(claims.len());
    for (claim, completion) in claims.iter().zip(completions) {
        writing.usage += completion.usage;
        let home: Vec<Cite> = claim.cites().iter().map(|quote| quote.cite).collect();
        let text = sentences(&completion, lang).join(if lang == Lang::En { " " } else { "" });
        if text.is_empty() {
            writing.dropped.push(Dropped { text: claim.text().to_owned(), why: "it could not be translated".into() });
        }
        told.push(if text.is_empty() { None } else { writing.admit(&text, &home)?.ok() });
    }
    writing.lang = before;
    Ok(told)
}
