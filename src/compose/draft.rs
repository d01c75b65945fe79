//! Lines of evidence in, one checked sentence out: the model drafts, `ground` decides.
//!
//! A small model that is asked for a whole summary copies the opening until it is cut off. So it is asked for one
//! short line at a time, about a few sentences at a time, and a line that does not hold is asked for once more, with
//! what was wrong with it, before it is dropped.

use std::collections::BTreeSet;

use anyhow::Result;

use super::evidence::{Evidence, Line};
use super::ground::{Ground, Support, longest_copy, words};
use super::prompt::Prompts;
use super::{Claim, Dropped};
use crate::model::{LanguageModel, Limits, Sampling, Stop, Usage};
use crate::text::lang::{foreign_script_chars, to_script};
use crate::text::script::is_han;
use crate::text::{BlockKind, Cite, Lang};

/// A line that repeats so many words in one piece is a copy; Han characters count one each.
const COPY_WORDS: usize = 25;
const COPY_HAN: usize = 40;
/// Tokens of a group's title at the most.
const TITLE_TOKENS: usize = 24;
/// Words of Chinese are counted by characters: so many make one.
pub const HAN_PER_WORD: usize = 2;

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
    /// The source sentences that the model was shown.
    pub shown: BTreeSet<Cite>,
    /// What it has cost.
    pub usage: Usage,
}

/// One line to be drafted.
pub struct Task<'a> {
    /// The lines to be told in one sentence.
    pub lines: &'a [&'a Line],
    /// What stands before them, so that pronouns can be understood.
    pub before: Option<&'a Line>,
    /// About how many words it should have.
    pub words: usize,
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
            shown: BTreeSet::new(),
            usage: Usage::default(),
        }
    }

    /// Drafts one sentence and checks it; `None` when neither the first draft nor the second one held.
    pub fn line(&mut self, task: &Task) -> Result<Option<Claim>> {
        let hints: Vec<Cite> = task.lines.iter().flat_map(|l| l.cites.clone()).collect();
        self.shown.extend(&hints);
        self.shown.extend(task.before.iter().flat_map(|l| &l.cites));
        let mut copied = None;
        let mut failed = None;
        for attempt in 0..2 {
            let words = if attempt == 0 {
                task.words
            } else {
                task.words * 3 / 4
            };
            let text = self.complete(task, words)?;
            let text = match whole_line(&text, self.lang) {
                Ok(text) => text,
                Err(why) => {
                    failed = Some(Dropped {
                        text,
                        why: why.into(),
                    });
                    continue;
                }
            };
            match self.ground.check(&text, &hints) {
                Support::Backed(cites) => {
                    let claim = Claim {
                        cites: self.sources.quotes(&cites),
                        text,
                    };
                    if !is_copy(&claim) {
                        return Ok(Some(claim));
                    }
                    copied.get_or_insert(claim);
                }
                Support::Unbacked(why) => failed = Some(Dropped { text, why }),
            }
        }
        // A copy is true, if not elegant; it is better than nothing.
        if copied.is_none() {
            self.dropped.extend(failed);
        }
        Ok(copied)
    }

    fn complete(&mut self, task: &Task, words: usize) -> Result<String> {
        let line_texts: Vec<&str> = task.lines.iter().map(|l| l.text.as_str()).collect();
        let before = task.before.map(|l| l.text.as_str()).unwrap_or_default();
        let count = match self.lang {
            Lang::En => words,
            Lang::ZhHans | Lang::ZhHant => words * HAN_PER_WORD,
        };
        let prompt = self.prompts.render(
            "line",
            self.lang,
            &[
                ("before", before),
                ("text", &line_texts.join(" ")),
                ("words", &count.to_string()),
            ],
        )?;
        let limits = Limits {
            // English takes about 1.4 tokens a word, Chinese about 0.7 a character; the rest is slack to end the sentence.
            max_tokens: 16 + 2 * words,
            one_line: true,
            sampling: self.sampling,
        };
        let completion = self.lm.complete(&[prompt], &limits)?.remove(0);
        self.usage += completion.usage;
        let mut text = tidy(&completion.text);
        if matches!(completion.stop, Stop::TokenCap) {
            text.push('…');
        }
        Ok(in_language(text, self.lang))
    }

    /// A heading for `points`, which were drafted from `lines`: the model's, when the sources back it, else the
    /// article's own heading above them, else none.
    pub fn title(&mut self, lines: &[&Line], points: &[Claim]) -> Result<Option<String>> {
        let texts: Vec<String> = points.iter().map(|p| format!("- {}", p.text)).collect();
        let values = [("title", ""), ("text", &*texts.join("\n"))];
        let prompt = self.prompts.render("title", self.lang, &values)?;
        let limits = Limits {
            max_tokens: TITLE_TOKENS,
            one_line: true,
            sampling: self.sampling,
        };
        let completion = self.lm.complete(&[prompt], &limits)?.remove(0);
        self.usage += completion.usage;
        let text = in_language(tidy(&completion.text), self.lang);
        let text = text.trim_end_matches(['.', '。', ':', '：']).to_owned();
        let hints: Vec<Cite> = lines.iter().flat_map(|l| l.cites.clone()).collect();
        let whole = completion.stop != Stop::TokenCap && !text.is_empty();
        let backed = matches!(self.ground.check(&text, &hints), Support::Backed(_));
        Ok((whole && backed && foreign_script_chars(&text, self.lang) == 0).then_some(text))
    }
}

/// `text` in the Chinese script of `lang`; other text as it is.
pub fn in_language(text: String, lang: Lang) -> String {
    match foreign_script_chars(&text, lang) {
        0 => text,
        _ => to_script(&text, lang).into_owned(),
    }
}

/// Takes away what models put around a line: bullets, labels, quotation marks, emphasis, citation marks.
pub fn tidy(text: &str) -> String {
    let mut text = text.trim();
    loop {
        let stripped = text
            .trim_start_matches(['-', '•', '*', '#', '>', '·', ' ', '\u{3000}'])
            .trim_start_matches("Summary:")
            .trim_start_matches("Sentence:")
            .trim_start_matches("一句话:")
            .trim_start_matches("摘要:")
            .trim_start_matches("摘要：");
        if stripped == text {
            break;
        }
        text = stripped;
    }
    let mut tidy = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['[', '*', '【']) {
        tidy.push_str(&rest[..at]);
        let tail = &rest[at..];
        let mark = tail.find([']', '】']).map(|end| &tail[..end]);
        let is_citation = mark.is_some_and(|m| {
            let inside = m.chars().skip(1);
            m.chars().count() > 1
                && inside
                    .clone()
                    .all(|c| c.is_ascii_digit() || ",， -".contains(c))
        });
        rest = match (is_citation, mark) {
            (true, Some(mark)) => tail[mark.len()..].trim_start_matches([']', '】']),
            _ => {
                let c = tail.chars().next().unwrap_or_default();
                if c != '*' {
                    tidy.push(c);
                }
                &tail[c.len_utf8()..]
            }
        };
    }
    tidy.push_str(rest);
    let tidy = tidy.split_whitespace().collect::<Vec<_>>().join(" ");
    unquote(&tidy).to_owned()
}

/// Takes away quotation marks that enclose the whole line.
fn unquote(text: &str) -> &str {
    for (open, close) in [("\"", "\""), ("“", "”"), ("「", "」")] {
        if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close))
            && !inner.contains(open)
        {
            return inner;
        }
    }
    text
}

/// The first whole sentence of a line, in the language asked for.
fn whole_line(text: &str, lang: Lang) -> Result<String, &'static str> {
    let prose = crate::text::Prose {
        text: text.to_owned(),
        blocks: vec![crate::text::Block {
            kind: BlockKind::Paragraph,
            range: 0..text.len(),
        }],
        ..Default::default()
    };
    let sentences = crate::text::segment::segment(&prose);
    let Some(first) = sentences.first() else {
        return Err("it is empty");
    };
    let mut line = text[first.start..first.end].trim().to_owned();
    if line.ends_with('…') {
        // Cut off by the token cap: what stands before the last clause mark may still be a sentence.
        let marks = [", ", "; ", " – ", " — ", "，", "；"];
        let cut = marks.iter().filter_map(|mark| line.rfind(mark)).max();
        let cut = cut.unwrap_or(0);
        if 3 * cut < 2 * line.len() {
            return Err("it did not come to an end");
        }
        line.truncate(cut);
    }
    let n_words = words(&line).len();
    let n_han = line.chars().filter(|c| is_han(*c)).count();
    if n_words < 4 {
        return Err("it is too short");
    }
    let chinese = matches!(lang, Lang::ZhHans | Lang::ZhHant);
    if chinese != (2 * n_han > n_words) {
        return Err("it is in another language");
    }
    if foreign_script_chars(&line, lang) > 0 {
        return Err("it mixes the Chinese scripts");
    }
    if !line.ends_with(['.', '!', '?', '。', '！', '？', '”', '」', '"']) {
        line.push(if chinese { '。' } else { '.' });
    }
    Ok(line)
}

fn is_copy(claim: &Claim) -> bool {
    let n_han = claim.text.chars().filter(|c| is_han(*c)).count();
    let limit = if 2 * n_han > words(&claim.text).len() {
        COPY_HAN
    } else {
        COPY_WORDS
    };
    let copied = claim
        .cites
        .iter()
        .map(|q| longest_copy(&claim.text, &q.text));
    copied.max().unwrap_or(0) >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_put_around_a_line_is_taken_away() {
        let check = |input: &str, expected: &str| assert_eq!(tidy(input), expected, "{input}");
        check(
            "- **The quay** opens in March [3].",
            "The quay opens in March .",
        );
        check("\"The quay opens.\"", "The quay opens.");
        check("“Open it,” she said, “now.”", "“Open it,” she said, “now.”");
        check("Summary: The quay  opens.", "The quay opens.");
        check("碼頭三月動工【1,2】。", "碼頭三月動工。");
        check("The [new] quay opens.", "The [new] quay opens.");
    }

    #[test]
    fn a_line_is_one_whole_sentence_in_the_language_asked_for() {
        let check = |input: &str, lang, expected: Result<&str, &str>| {
            assert_eq!(
                whole_line(input, lang).as_deref().map_err(|e| *e),
                expected,
                "{input}"
            );
        };
        check(
            "The quay opens in March. It is new.",
            Lang::En,
            Ok("The quay opens in March."),
        );
        check(
            "The quay opens in March",
            Lang::En,
            Ok("The quay opens in March."),
        );
        check(
            "The quay opens in March after a long dispute, and…",
            Lang::En,
            Ok("The quay opens in March after a long dispute."),
        );
        check(
            "The quay opens and…",
            Lang::En,
            Err("it did not come to an end"),
        );
        check("", Lang::En, Err("it is empty"));
        check(
            "新碼頭三月動工。",
            Lang::En,
            Err("it is in another language"),
        );
        check("新碼頭三月動工", Lang::ZhHant, Ok("新碼頭三月動工。"));
    }
}
