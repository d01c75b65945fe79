//! Lines of evidence in, one checked sentence out: the model drafts, `ground` decides.
//!
//! A small model that is asked for a whole summary copies the opening until it is cut off, and asked to say something
//! in its own words it says something else. So it is asked to shorten one sentence at a time, with no words but those
//! of the sentence, and only where the sentence is too long to be told as it is.

use std::collections::BTreeSet;

use anyhow::Result;

use super::evidence::{Evidence, Line};
use super::faithful::distortion;
use super::ground::{Ground, HAN_PER_WORD, Support, longest_copy, n_words, words};
use super::prompt::Prompts;
use super::shorten::{dangles, shorten, stands_alone};
use super::{Claim, Dropped};
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Stop, Usage};
use crate::text::lang::{detect, foreign_script_chars, to_script};
use crate::text::script::is_han;
use crate::text::{BlockKind, Cite, Lang};

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
    /// The source sentences that the model was shown.
    pub shown: BTreeSet<Cite>,
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
            shown: BTreeSet::new(),
            usage: Usage::default(),
        }
    }

    /// Tells each line in one checked sentence; `None` for a line that could not be told.
    ///
    /// The article's own sentence comes first, without what can be left out: it is true, and costs nothing. Where it
    /// is too long or does not stand alone, the model is asked, all such lines at once.
    pub fn lines(&mut self, tasks: &[Task]) -> Result<Vec<Option<Claim>>> {
        let own: Vec<Option<Claim>> = tasks.iter().map(|task| self.shortened(task)).collect();
        let fits =
            |claim: &&Claim, words| n_words(&claim.text, self.lang) <= words && !is_copy(claim);
        let fitting = tasks.iter().zip(&own).map(|(task, own)| {
            let fitting = own.as_ref().filter(|claim| fits(claim, task.words));
            fitting.cloned()
        });
        let mut told: Vec<Option<Claim>> = fitting.collect();
        let open: Vec<usize> = (0..tasks.len())
            .filter(|idx| told[*idx].is_none())
            .collect();
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
        self.shown.extend(&task.line.cites);
        let most = task.words.min(COPY_WORDS - 1);
        let text = in_language(shorten(&task.line.text, self.lang, most), self.lang);
        let text = whole_line(&text, self.lang).ok()?;
        let claim = Claim {
            cites: self.sources.quotes(&task.line.cites),
            text,
        };
        stands_alone(&claim.text, self.lang).then_some(claim)
    }

    /// A draft of the model's as a claim, or what is wrong with it.
    fn checked(&self, task: &Task, text: String) -> Result<Claim, Dropped> {
        let text = match whole_line(&text, self.lang) {
            Ok(text) => text,
            Err(why) => {
                let why = why.into();
                return Err(Dropped { text, why });
            }
        };
        let why = match self.ground.check(&text, &task.line.cites) {
            Support::Unbacked(why) => why,
            Support::Backed(cites) => {
                let claim = Claim {
                    cites: self.sources.quotes(&cites),
                    text,
                };
                match self.distorted(task, &claim) {
                    None => return Ok(claim),
                    Some(why) => {
                        return Err(Dropped {
                            text: claim.text,
                            why,
                        });
                    }
                }
            }
        };
        Err(Dropped { text, why })
    }

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
        self.shown
            .extend(tasks.iter().flat_map(|t| t.before).flat_map(|l| &l.cites));
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
        let values = [
            ("before", before),
            ("text", &*task.line.text),
            ("words", &*count.to_string()),
        ];
        let mut prompt = self.prompts.render("line", self.lang, &values)?;
        prompt.only = self
            .same_language(&task.line.text)
            .then(|| format!("{before}\n{}\n{glue}", task.line.text));
        Ok(prompt)
    }

    /// A heading for `points`; `None` when what the model wrote is no heading, or not made of their words.
    pub fn title(&mut self, points: &[Claim]) -> Result<Option<String>> {
        let texts: Vec<&str> = points.iter().map(|p| p.text.as_str()).collect();
        let values = [
            ("title", ""),
            ("text", &*format!("- {}", texts.join("\n- "))),
        ];
        let mut prompt = self.prompts.render("title", self.lang, &values)?;
        prompt.only = Some(texts.join("\n"));
        let limits = Limits {
            max_tokens: TITLE_TOKENS,
            one_line: true,
            sampling: self.sampling,
        };
        let completion = self.lm.complete(&[prompt], &limits)?.remove(0);
        self.usage += completion.usage;
        let text = in_language(tidy(&completion.text), self.lang);
        let text = text.trim_end_matches(['.', '。', ':', '：']);
        let n_words = n_words(text, self.lang);
        let is_whole = completion.stop != Stop::TokenCap && (1..=TITLE_WORDS).contains(&n_words);
        let stands = texts
            .iter()
            .any(|point| distortion(text, point, "").is_none());
        Ok((is_whole && stands).then(|| text.to_owned()))
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
    if dangles(&line) {
        return Err("it did not come to an end");
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
