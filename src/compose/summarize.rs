//! An article in, its checked summary out.
//!
//! The model reads the article once, part by part, and behind each part it is asked for what that part tells: what a
//! small model has read last it tells best, and all the prompts share one reading. Then it is asked for the news of the
//! whole in one sentence, and for a summary. What passes the check is a pool of lines, of which those are told that
//! together tell most. Nothing of the article is left unread: a long one is read in windows.

use std::ops::Range;

use anyhow::Result;

use super::choose::Worth;
use super::prose::{HAN_PER_WORD, n_words, sentences as sentences_of};
use super::source::{heads, sentences};
use super::tags::tags;
use super::translate::translate;
use super::write::Writing;
use super::{Claim, Group, Reading, Style, Summary, SummaryPlan};
use crate::model::{LanguageModel, Limits, Prompt};
use crate::text::{Article, BlockKind, Cite, Lang};

/// Words of a summary when none are asked for.
const BRIEF_WORDS: usize = 28;
const POINTS_WORDS: usize = 100;
const REPORT_WORDS: usize = 220;
/// An article longer than this many tokens gets a longer summary: so many words more for each so many tokens, at most
/// twice as many.
const USUAL_TOKENS: usize = 2_500;
const TOKENS_A_WORD: usize = 50;
/// Of a line that has more words than this, a shorter form is asked for.
const SHORT_WORDS: usize = 16;
/// The core sentence may have so many words at the most.
const CORE_WORDS: usize = 36;
const MAX_TAGS: usize = 5;
/// Tokens that are read in one piece at the most, and those of a part, about.
const WINDOW_TOKENS: usize = 3_000;
const PART_TOKENS: usize = 220;
const MOST_PARTS: usize = 6;
/// Tokens of a line, and of a whole summary, at the most.
const LINE_TOKENS: usize = 96;
const SHORT_TOKENS: usize = 48;
const SUMMARY_TOKENS: usize = 240;
const TITLE_TOKENS: usize = 24;
const TITLE_WORDS: usize = 6;

/// Summarizes an article.
pub fn summarize(article: &Article, lm: &mut dyn LanguageModel, plan: &SummaryPlan) -> Result<Summary> {
    let lang = plan.lang.unwrap_or(article.lang);
    // Told in the language of the article, and translated when it has been checked; the two scripts are one language.
    let own_lang = if (lang == Lang::En) == (article.lang == Lang::En) { lang } else { article.lang };
    let article_tokens = lm.count(&article.text);
    let set_aside_tokens = article.set_aside.iter().map(|s| lm.count(&s.text)).sum();
    let words = plan.words.unwrap_or_else(|| usual_words(plan.style, article_tokens));
    let room = lm.room();
    let mut writing = Writing::new(lm, &sentences(article), &heads(article), own_lang, plan.sampling, &plan.prompts);
    let worth = Worth::new(article);
    let (mut cores, mut pool) = (Vec::new(), Vec::new());
    for (number, window) in windows(article, WINDOW_TOKENS.min(room / 2), writing.lm).iter().enumerate() {
        let (core, lines) = read(article, window, number == 0, plan, &mut writing)?;
        cores.extend(core);
        pool.extend(lines);
    }
    let core_words = if plan.style == Style::Brief { words * 6 / 5 } else { CORE_WORDS.min(words / 2).max(10) };
    let core = core_of(cores, &mut pool, core_words, own_lang);
    let told: Vec<&Claim> = core.iter().collect();
    let pool = match plan.style {
        Style::Brief => pool,
        Style::Points | Style::Report => with_short_forms(&told, pool, words, &worth, plan, &mut writing)?,
    };
    let left = words.saturating_sub(core.as_ref().map_or(0, |core| n_words(core.text(), own_lang)));
    let (most, wanted) = match plan.style {
        Style::Brief => (0, 0),
        Style::Points => (3 + words / 25, left),
        Style::Report => (4 + words / 22, left),
    };
    let mut points = worth.choose(&told, pool, wanted, most, own_lang);
    let n_told: usize = points.iter().map(|claim| n_words(claim.text(), own_lang)).sum();
    if plan.style != Style::Brief && 4 * n_told < 3 * wanted || core.is_none() && points.is_empty() {
        // What the model wrote does not fill the summary: then the article has the word.
        let told: Vec<&Claim> = told.iter().copied().chain(&points).collect();
        let own = own_sentences(article, &writing);
        let more = worth.choose(&told, own, wanted.max(words / 2) - n_told, most.max(1) - points.len(), own_lang);
        points.extend(more);
        points.sort_by_key(|claim| claim.cites()[0].cite);
    }
    let (core, points) = match own_lang == lang {
        true => (core, points),
        false => {
            let n_core = core.iter().count();
            let lines: Vec<Claim> = core.into_iter().chain(points).collect();
            let mut lines = translate(lines, lang, &mut writing)?.into_iter();
            let core = if n_core == 1 { lines.next().flatten() } else { None };
            (core, lines.flatten().collect())
        }
    };
    let groups = match plan.style {
        Style::Brief => Vec::new(),
        Style::Points if points.is_empty() => Vec::new(),
        Style::Points => vec![Group { title: None, points }],
        Style::Report => titled(points, article, lang, plan, &mut writing)?,
    };
    let tags = match plan.style {
        Style::Brief => Vec::new(),
        Style::Points | Style::Report => tags(article, lang, MAX_TAGS),
    };
    Ok(Summary {
        style: plan.style,
        lang,
        core,
        groups,
        tags,
        dropped: writing.dropped,
        reading: Reading { article_tokens, set_aside_tokens },
        usage: writing.usage,
    })
}

fn usual_words(style: Style, article_tokens: usize) -> usize {
    let words = match style {
        Style::Brief => return BRIEF_WORDS,
        Style::Points => POINTS_WORDS,
        Style::Report => REPORT_WORDS,
    };
    words + (article_tokens.saturating_sub(USUAL_TOKENS) / TOKENS_A_WORD).min(words)
}

/// A stretch of an article that is read at once: its parts, each a range of sentences.
type Window = Vec<Range<usize>>;

/// Cuts an article into windows of at most about `most` tokens, and these into parts, between blocks where that can be.
fn windows(article: &Article, most: usize, lm: &dyn LanguageModel) -> Vec<Window> {
    let tokens: Vec<usize> = (0..article.sentences.len()).map(|idx| lm.count(article.sentence(idx))).collect();
    let total: usize = tokens.iter().sum();
    let n_windows = total.div_ceil(most).max(1);
    cut(article, &tokens, 0..tokens.len(), n_windows)
        .into_iter()
        .map(|window| {
            let n_tokens: usize = tokens[window.clone()].iter().sum();
            let n_parts = n_tokens.div_ceil(PART_TOKENS).clamp(1, MOST_PARTS);
            cut(article, &tokens, window, n_parts)
        })
        .collect()
}

/// Cuts a range of sentences into at most `n` ranges of about as many tokens; a cut within a block is moved to its end
/// where that is near.
fn cut(article: &Article, tokens: &[usize], range: Range<usize>, n: usize) -> Vec<Range<usize>> {
    let total: usize = tokens[range.clone()].iter().sum();
    let mut cuts = Vec::new();
    let (mut start, mut seen) = (range.start, 0);
    for idx in range.clone() {
        seen += tokens[idx];
        let is_full = seen * n >= total * (cuts.len() + 1);
        let is_far = seen * n >= total * (cuts.len() + 1) + total / 3;
        let ends_block = article.sentences.get(idx + 1).is_none_or(|next| next.block != article.sentences[idx].block);
        let opens = article.sentences[idx].kind == BlockKind::Heading;
        if is_full && (ends_block && !opens || is_far) && idx + 1 < range.end {
            cuts.push(start..idx + 1);
            start = idx + 1;
        }
    }
    cuts.push(start..range.end);
    cuts
}

/// Reads a window: what can open the summary, and lines about its parts.
fn read(
    article: &Article,
    window: &Window,
    is_first: bool,
    plan: &SummaryPlan,
    writing: &mut Writing,
) -> Result<(Vec<Claim>, Vec<Claim>)> {
    let lang = article.lang;
    let title = article.title.as_deref().unwrap_or_default();
    let start = article.sentences[window[0].start].start;
    let text = |end: usize| &article.text[start..article.sentences[end - 1].end];
    let last = window.last().map_or(0, |part| part.end);
    let ask = |task: &str, end: usize, opening: &str| -> Result<Prompt> {
        let ask = plan.prompts.render(task, lang, &[("opening", opening)])?.user;
        plan.prompts.render("summary", lang, &[("title", title), ("text", text(end)), ("ask", &ask)])
    };
    let (mut prompts, mut homes) = (Vec::new(), Vec::new());
    let cites = |range: &Range<usize>| range.clone().map(|sentence| Cite { article: 0, sentence }).collect::<Vec<_>>();
    if window.len() > 1 && plan.style != Style::Brief {
        for part in window {
            prompts.push(ask("part", part.end, &opening(article.sentence(part.start), lang))?);
            homes.push(cites(part));
        }
    }
    let n_parts = prompts.len();
    if is_first {
        prompts.push(ask("core", last, "")?);
        homes.push(Vec::new());
    }
    let mut drafts = writing.write(&prompts, &homes, LINE_TOKENS, true)?;
    let core: Vec<Claim> = drafts.split_off(n_parts).into_iter().flat_map(|draft| draft.lines).flatten().collect();
    let mut lines: Vec<Claim> = drafts.into_iter().flat_map(|draft| draft.lines).flatten().collect();
    if plan.style != Style::Brief {
        let whole = [ask("points", last, "")?];
        lines.extend(
            writing.write(&whole, &[], SUMMARY_TOKENS, false)?.into_iter().flat_map(|draft| draft.lines).flatten(),
        );
    }
    Ok((core, lines))
}

/// The first words of a sentence.
fn opening(sentence: &str, lang: Lang) -> String {
    const WORDS: usize = 6;
    match lang {
        Lang::En => sentence.split_whitespace().take(WORDS).collect::<Vec<_>>().join(" "),
        Lang::ZhHans | Lang::ZhHant => sentence.chars().take(WORDS * HAN_PER_WORD).collect(),
    }
}

/// The sentence that opens the summary: what the model tells as the news, else the line that rests on the earliest
/// sentence; it leaves the pool.
fn core_of(mut cores: Vec<Claim>, pool: &mut Vec<Claim>, words: usize, lang: Lang) -> Option<Claim> {
    let fits = |claim: &Claim| n_words(claim.text(), lang) <= words;
    let core = cores.iter().position(fits).map(|first| cores.remove(first));
    pool.extend(cores);
    core.or_else(|| {
        let fitting = pool.iter().enumerate().filter(|(_, claim)| fits(claim));
        let first = fitting.min_by_key(|(_, claim)| claim.cites()[0].cite).map(|(idx, _)| idx);
        first.map(|idx| pool.remove(idx))
    })
}

/// The lines of the pool, and beside the long ones among those that might be told a shorter form.
fn with_short_forms(
    told: &[&Claim],
    pool: Vec<Claim>,
    words: usize,
    worth: &Worth,
    plan: &SummaryPlan,
    writing: &mut Writing,
) -> Result<Vec<Claim>> {
    let lang = writing.lang;
    let mut likely = worth.choose(told, pool.clone(), 2 * words, 2 * MOST_PARTS, lang);
    likely.retain(|claim| n_words(claim.text(), lang) > SHORT_WORDS);
    let unit = if lang == Lang::En { 1 } else { HAN_PER_WORD };
    let ask = |claim: &Claim| {
        let values = [("text", claim.text()), ("words", &*(unit * SHORT_WORDS).to_string())];
        plan.prompts.render("shorten", lang, &values)
    };
    let prompts = likely.iter().map(ask).collect::<Result<Vec<Prompt>>>()?;
    let homes = likely.iter().map(|claim| claim.cites().iter().map(|quote| quote.cite).collect());
    let homes: Vec<Vec<Cite>> = homes.collect();
    let short = writing.write(&prompts, &homes, SHORT_TOKENS, true)?;
    Ok(short.into_iter().flat_map(|draft| draft.lines).flatten().chain(pool).collect())
}

/// The sentences of the article itself.
fn own_sentences(article: &Article, writing: &Writing) -> Vec<Claim> {
    let told = sentences(article).into_iter().zip(&article.sentences).filter(|(_, s)| s.kind != BlockKind::Heading);
    told.filter_map(|(quote, _)| writing.quote(&quote)).collect()
}

/// Two to four groups of neighbouring points, each with a heading.
fn titled(
    points: Vec<Claim>,
    article: &Article,
    lang: Lang,
    plan: &SummaryPlan,
    writing: &mut Writing,
) -> Result<Vec<Group>> {
    let n_groups = (points.len() / 2).clamp(1, 4);
    let size = points.len().div_ceil(n_groups).max(1);
    let mut names = tags(article, lang, MAX_TAGS * 2);
    let mut groups = Vec::new();
    let mut points = points.into_iter().peekable();
    while points.peek().is_some() {
        let points: Vec<Claim> = points.by_ref().take(size).collect();
        let texts: Vec<&str> = points.iter().map(Claim::text).collect();
        let mut prompt =
            plan.prompts.render("title", lang, &[("title", ""), ("text", &format!("- {}", texts.join("\n- ")))])?;
        prompt.only = Some(texts.join("\n"));
        let limits = Limits { max_tokens: TITLE_TOKENS, one_line: true, sampling: plan.sampling };
        let completion = writing.lm.complete(&[prompt], &limits)?.remove(0);
        writing.usage += completion.usage;
        let title = sentences_of(&completion, lang).into_iter().next();
        let title = title.map(|title| title.trim_end_matches(['.', '。']).to_owned());
        let title = title.filter(|title| (1..=TITLE_WORDS).contains(&n_words(title, lang)));
        // A group that gets no heading from the model is headed by the name that it speaks of most.
        let n_said = |name: &String| texts.iter().filter(|text| text.contains(name.as_str())).count();
        let most = (0..names.len()).filter(|idx| n_said(&names[*idx]) > 0).max_by_key(|idx| n_said(&names[*idx]));
        let title = title.or_else(|| most.map(|idx| names.remove(idx)));
        groups.push(Group { title, points });
    }
    Ok(groups)
}
