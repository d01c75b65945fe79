//! Results in, one JSON object on one line out. The shapes are a promise to programs: `precis/…/1`.
//!
//! Sentences are numbered from 1, as the marks in `text` are; `start` and `end` are bytes of the clean text.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::{Fingerprint, Sources, gap, sanitize, text};
use crate::batch::Place;
use crate::compose::{Answer, Claim, Dropped, Overview, Reading, Style, Summary, Verdict};
use crate::corpus::{Hit, Passage};
use crate::model::Usage;
use crate::text::{Article, Lang, SetAside};

/// `precis/summary/1`; in an output folder with the key and the file that the ledger needs.
pub(crate) fn summary(
    article: &Article,
    summary: &Summary,
    fingerprint: &Fingerprint,
    place: Option<&Place>,
) -> String {
    let claims = summary.core.iter().map(|core| (None, core));
    let points =
        summary.groups.iter().flat_map(|group| group.points.iter().map(|point| (group.title.as_deref(), point)));
    to_line(&SummaryLine {
        schema: "precis/summary/1",
        key: place.map(|place| place.key.as_str()),
        file: place.map(|place| place.file.as_str()),
        source: Source::of(article),
        style: summary.style,
        lang: summary.lang,
        text: text::body(summary).trim_end().to_owned(),
        claims: claims.chain(points).map(|(group, claim)| ClaimObject::of(claim, group)).collect(),
        dropped: &summary.dropped,
        tags: &summary.tags,
        reading: summary.reading,
        usage: summary.usage,
        fingerprint,
    })
}

/// `precis/answer/1`.
pub(crate) fn answer(question: &str, answer: &Answer, fingerprint: &Fingerprint) -> String {
    let claim = |claim| ClaimObject::with_paths(claim, &answer.passages);
    let sources = Sources::of(&answer.claims);
    let passage = |hit: &Hit| {
        let passage = &hit.passage;
        let words: Vec<&str> = passage.sentences.iter().map(|s| s.text.as_str()).collect();
        PassageObject {
            path: passage.path.clone(),
            also: hit.also.clone(),
            start: passage.sentences.first().map_or(0, |s| s.start),
            end: passage.sentences.last().map_or(0, |s| s.end),
            score: hit.score,
            text: words.join(gap(passage.lang)),
        }
    };
    let n_shown = if answer.found() { answer.passages.len() } else { text::N_NEAREST };
    debug_assert!(answer.found() || sources.quotes.is_empty());
    to_line(&AnswerLine {
        schema: "precis/answer/1",
        question,
        status: if answer.found() { "answered" } else { "not_found" },
        lang: answer.lang,
        text: text::answer_body(answer),
        claims: answer.claims.iter().map(claim).collect(),
        missing: &answer.missing,
        passages: answer.passages.iter().take(n_shown).map(passage).collect(),
        dropped: &answer.dropped,
        verdict: answer.verdict,
        usage: answer.usage,
        fingerprint,
    })
}

/// `precis/overview/1`.
pub(crate) fn overview(overview: &Overview, fingerprint: &Fingerprint) -> String {
    let claim = |claim| ClaimObject::with_paths(claim, &overview.articles);
    let article = |hit: &Hit| {
        let Passage { path, title, date, .. } = &hit.passage;
        ArticleObject { path: path.clone(), also: hit.also.clone(), title: title.clone(), date: date.clone() }
    };
    to_line(&OverviewLine {
        schema: "precis/overview/1",
        lang: overview.lang,
        text: text::overview_body(overview).trim().to_owned(),
        claims: overview.claims.iter().map(claim).collect(),
        disputes: overview
            .disputes
            .iter()
            .map(|(idx, other)| DisputeObject { claim: idx + 1, says: claim(other) })
            .collect(),
        articles: overview.articles.iter().map(article).collect(),
        dropped: &overview.dropped,
        usage: overview.usage,
        fingerprint,
    })
}

/// `precis/error/1`.
pub(crate) fn error(path: &str, error: &str) -> String {
    to_line(&ErrorLine { schema: "precis/error/1", path, error })
}

/// `precis/skipped/1`: files passed over for one reason; the first of them are named.
pub(crate) fn skipped(why: &str, files: usize, names: &[String]) -> String {
    to_line(&SkippedLine { schema: "precis/skipped/1", why, files, names })
}

/// `precis/article/1`: what `precis show` shows.
pub(crate) fn article(article: &Article) -> String {
    let kept = |(idx, s): (usize, &crate::text::Sentence)| SentenceObject {
        sentence: idx + 1,
        start: s.start,
        end: s.end,
        kind: s.kind,
        text: article.sentence(idx),
    };
    to_line(&ArticleLine {
        schema: "precis/article/1",
        path: &article.path,
        sha256: &article.sha256,
        title: article.title.as_deref(),
        byline: article.byline.as_deref(),
        date: article.date.as_deref(),
        lang: article.lang,
        foreign: article.foreign,
        encoding: article.encoding,
        undecodable: article.replaced,
        second_hand: article.second_hand,
        sentences: article.sentences.iter().enumerate().map(kept).collect(),
        set_aside: &article.set_aside,
    })
}

/// Any value as one line of JSON that cannot drive a terminal when somebody looks at it.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Inert);
    value.serialize(&mut serializer).expect("no value of ours has keys that JSON lacks");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

#[derive(Serialize)]
struct SkippedLine<'a> {
    schema: &'static str,
    why: &'a str,
    files: usize,
    names: &'a [String],
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    source: Source<'a>,
    style: Style,
    lang: Lang,
    text: String,
    claims: Vec<ClaimObject<'a>>,
    dropped: &'a [Dropped],
    tags: &'a [String],
    reading: Reading,
    usage: Usage,
    fingerprint: &'a Fingerprint,
}

#[derive(Serialize)]
struct Source<'a> {
    path: &'a str,
    sha256: &'a str,
    title: Option<&'a str>,
    date: Option<&'a str>,
    lang: Lang,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign: Option<&'a str>,
    sentences: usize,
    second_hand: bool,
    undecodable: usize,
    set_aside: &'a [SetAside],
}

impl<'a> Source<'a> {
    fn of(article: &'a Article) -> Self {
        Source {
            path: &article.path,
            sha256: &article.sha256,
            title: article.title.as_deref(),
            date: article.date.as_deref(),
            lang: article.lang,
            foreign: article.foreign,
            sentences: article.sentences.len(),
            second_hand: article.second_hand,
            undecodable: article.replaced,
            set_aside: &article.set_aside,
        }
    }
}

#[derive(Serialize)]
struct ClaimObject<'a> {
    text: &'a str,
    /// The title of the group, in a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    /// The file of the first citation, in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    cites: Vec<CiteObject<'a>>,
}

#[derive(Serialize)]
struct CiteObject<'a> {
    /// Only in answers: summaries have one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    /// Counted from 1; 0 is the head of the article, which has no place in its text.
    sentence: usize,
    start: usize,
    end: usize,
    quote: &'a str,
}

impl<'a> ClaimObject<'a> {
    fn of(claim: &'a Claim, group: Option<&'a str>) -> Self {
        let cite = |quote: &'a crate::compose::Quote| CiteObject {
            path: None,
            sentence: quote.cite.sentence.wrapping_add(1),
            start: quote.start,
            end: quote.end,
            quote: &quote.text,
        };
        ClaimObject { text: claim.text(), group, path: None, cites: claim.cites().iter().map(cite).collect() }
    }

    fn with_paths(claim: &'a Claim, hits: &'a [Hit]) -> Self {
        let mut object = ClaimObject::of(claim, None);
        for (cite, quote) in object.cites.iter_mut().zip(claim.cites()) {
            cite.path = Some(&hits[quote.cite.article].passage.path);
        }
        object.path = object.cites.first().and_then(|cite| cite.path);
        object
    }
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    schema: &'static str,
    question: &'a str,
    status: &'static str,
    lang: Lang,
    text: String,
    claims: Vec<ClaimObject<'a>>,
    /// Of a question that asks several things, what was not found while something was.
    missing: &'a [String],
    passages: Vec<PassageObject>,
    dropped: &'a [Dropped],
    verdict: Option<Verdict>,
    usage: Usage,
    fingerprint: &'a Fingerprint,
}

#[derive(Serialize)]
struct OverviewLine<'a> {
    schema: &'static str,
    lang: Lang,
    text: String,
    claims: Vec<ClaimObject<'a>>,
    disputes: Vec<DisputeObject<'a>>,
    articles: Vec<ArticleObject>,
    dropped: &'a [Dropped],
    usage: Usage,
    fingerprint: &'a Fingerprint,
}

/// What another article says instead of a claim.
#[derive(Serialize)]
struct DisputeObject<'a> {
    /// Its place among the claims, counted from 1.
    claim: usize,
    says: ClaimObject<'a>,
}

#[derive(Serialize)]
struct ArticleObject {
    path: String,
    /// The paths of other articles with nearly the same text.
    also: Vec<String>,
    title: Option<String>,
    date: Option<String>,
}

#[derive(Serialize)]
struct PassageObject {
    path: String,
    /// The paths of other articles with nearly the same text.
    also: Vec<String>,
    start: usize,
    end: usize,
    score: f32,
    text: String,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    schema: &'static str,
    path: &'a str,
    error: &'a str,
}

#[derive(Serialize)]
struct ArticleLine<'a> {
    schema: &'static str,
    path: &'a str,
    sha256: &'a str,
    title: Option<&'a str>,
    byline: Option<&'a str>,
    date: Option<&'a str>,
    lang: Lang,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign: Option<&'a str>,
    encoding: &'static str,
    undecodable: usize,
    second_hand: bool,
    sentences: Vec<SentenceObject<'a>>,
    set_aside: &'a [SetAside],
}

#[derive(Serialize)]
struct SentenceObject<'a> {
    sentence: usize,
    start: usize,
    end: usize,
    kind: crate::text::BlockKind,
    text: &'a str,
}

/// JSON that escapes all that `sanitize` would take out; a program reads it back unchanged.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| sanitize::is_unsafe(*c)) {
            writer.write_all(&fragment.as_bytes()[plain_from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_escaped_and_read_back_unchanged() {
        let all: String = (0..=0x10ffff).filter_map(char::from_u32).collect();
        let line = error("p\u{1b}[31m\n", &all);
        assert!(line.ends_with("}\n"));
        assert!(!line.trim_end().chars().any(sanitize::is_unsafe));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["error"], all);
        assert_eq!(read["path"], "p\u{1b}[31m\n");
    }
}
