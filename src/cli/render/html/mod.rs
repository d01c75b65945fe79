//! Results and the articles that they rest on in, one page out that needs no network: what was told on one side, the
//! article on the other. The words of a page are in `page.html`, which escapes all that it is given; before that, every
//! string passes `sanitize`.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, escape_formatter};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::record::{ClaimRecord, ErrorRecord, Record};
use super::{Fingerprint, name, sanitize, text};
use crate::compose::Dropped;
use crate::compose::source::heads;
use crate::corpus::date::Date;
use crate::text::{Article, BlockKind, Lang, SetAside};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The width of the picture of an article.
const STRIP: usize = 1000;
/// More months than this are shown as years.
const MOST_BARS: usize = 60;

/// An article that a result rests on, as it is now; or why only its quotes are shown.
pub(crate) type Rested = (String, Result<Article, String>);

/// One result, ready to be shown.
#[derive(Serialize)]
pub(crate) struct Entry {
    id: String,
    title: String,
    paths: Vec<String>,
    lang: Option<String>,
    /// Of its articles.
    langs: Vec<String>,
    first_day: Option<String>,
    last_day: Option<String>,
    tags: Vec<String>,
    groups: Vec<Group>,
    empty: &'static str,
    missing: Vec<String>,
    dropped: Vec<Dropped>,
    receipt: Option<String>,
    made: String,
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Group {
    title: Option<String>,
    is_list: bool,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    text: String,
    marks: Vec<Mark>,
    /// The sentences that it rests on, as far as they are shown.
    to: Vec<String>,
}

#[derive(Serialize)]
struct Mark {
    label: String,
    target: Option<String>,
}

#[derive(Serialize, Default)]
struct Source {
    path: String,
    title: Option<String>,
    date: Option<String>,
    lang: Option<String>,
    language: Option<String>,
    note: Option<String>,
    blocks: Vec<Block>,
    set_aside: Vec<SetAside>,
    reasons: String,
    strip: Vec<Part>,
    strip_label: String,
}

#[derive(Serialize)]
struct Block {
    tag: &'static str,
    kind: String,
    runs: Vec<Run>,
}

/// A cited sentence, or all that stands between two of them.
#[derive(Serialize, Default)]
struct Run {
    id: Option<String>,
    label: String,
    text: String,
    gap: String,
    claims: Vec<String>,
}

/// A stretch of the picture of an article.
#[derive(Serialize)]
struct Part {
    kind: &'static str,
    x: usize,
    width: usize,
}

#[derive(Serialize)]
struct Page<'a, E> {
    entries: &'a [E],
    failed: &'a [ErrorRecord],
    bars: Vec<Bar>,
    bars_of: &'static str,
    version: &'static str,
    style: &'static str,
    style_hash: String,
    script: &'static str,
    script_hash: String,
}

#[derive(Serialize)]
struct Bar {
    label: String,
    count: usize,
    height: usize,
}

/// The paths of the articles that are shown beside a result, each with the hash of its text, where that is known.
pub(crate) fn rests_on(record: &Record) -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = match record {
        Record::Summary(it) => vec![(it.source.path.clone(), Some(it.source.sha256.clone()))],
        Record::Answer(it) => it.passages.iter().map(|p| (p.path.clone(), p.sha256.clone())).collect(),
        Record::Overview(it) => it.articles.iter().map(|a| (a.path.clone(), a.sha256.clone())).collect(),
        Record::Error(_) | Record::Skipped {} => Vec::new(),
    };
    if let Record::Answer(it) = record {
        let cites = || it.claims.iter().flat_map(|claim| &claim.cites);
        all.retain(|(path, _)| cites().any(|cite| cite.path.as_ref() == Some(path)));
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|(path, _)| seen.insert(path.clone()));
    all
}

impl Entry {
    /// `place` tells results apart that are of the same article; `None` of what is no result.
    pub(crate) fn new(place: &str, record: &Record, rested: Vec<Rested>) -> Option<Entry> {
        let first = rested.first().map_or("", |(path, _)| path);
        let id = format!("r{}", &crate::text::hex(&Sha256::digest(format!("{place}\n{first}")))[..10]);
        let made = |by: &Fingerprint| format!("Made by precis {} with {}.", by.version, by.model);
        let mut entry = Entry {
            id,
            title: String::new(),
            paths: rested.iter().map(|(path, _)| path.clone()).collect(),
            lang: None,
            langs: Vec::new(),
            first_day: None,
            last_day: None,
            tags: Vec::new(),
            groups: Vec::new(),
            empty: "Nothing that the article supports was written.",
            missing: Vec::new(),
            dropped: Vec::new(),
            receipt: None,
            made: String::new(),
            sources: Vec::new(),
        };
        let mut dates: Vec<Option<String>> = Vec::new();
        match record {
            Record::Summary(it) => {
                entry.title = it.source.title.clone().unwrap_or_else(|| it.source.path.clone());
                entry.lang = Some(name(it.lang));
                entry.langs = vec![it.source.foreign.clone().unwrap_or_else(|| name(it.source.lang))];
                entry.tags = it.tags.clone();
                entry.receipt = Some(text::receipt(it));
                (entry.dropped, entry.made) = (it.dropped.clone(), made(&it.fingerprint));
                dates.push(it.source.date.clone());
                let (core, groups) = it.parts();
                entry.add_claims(None, false, core.into_iter(), &rested);
                for group in groups {
                    entry.add_claims(group[0].group.clone(), true, group.iter(), &rested);
                }
            }
            Record::Answer(it) => {
                entry.title = it.question.clone();
                entry.lang = Some(name(it.lang));
                entry.empty = "Not found.";
                entry.missing = it.missing.clone();
                (entry.dropped, entry.made) = (it.dropped.clone(), made(&it.fingerprint));
                entry.add_claims(None, false, it.claims.iter(), &rested);
            }
            Record::Overview(it) => {
                entry.title = format!("{} articles together", it.articles.len());
                entry.lang = Some(name(it.lang));
                (entry.dropped, entry.made) = (it.dropped.clone(), made(&it.fingerprint));
                dates.extend(it.articles.iter().map(|article| article.date.clone()));
                entry.add_claims(None, true, it.claims.iter(), &rested);
                let says = it.disputes.iter().map(|dispute| &dispute.says);
                entry.add_claims((!it.disputes.is_empty()).then(|| "The articles differ".into()), true, says, &rested);
            }
            Record::Error(_) | Record::Skipped {} => return None,
        }
        let articles = rested.iter().filter_map(|(_, article)| article.as_ref().ok());
        if entry.langs.is_empty() {
            entry.langs = articles.clone().map(|it| it.foreign.map_or_else(|| name(it.lang), str::to_owned)).collect();
            dates.extend(articles.map(|article| article.date.clone()));
        }
        entry.langs.sort();
        entry.langs.dedup();
        let dates = || dates.iter().flatten().filter_map(|date| Date::written(date));
        entry.first_day = dates().map(|date| iso(date, '0')).min();
        entry.last_day = dates().map(|date| iso(date, '9')).max();
        entry.sources = rested.into_iter().enumerate().map(|(n, rested)| entry.source(n, rested, record)).collect();
        Some(entry)
    }

    /// The same where the articles are at hand.
    pub(crate) fn of(record: &Record, articles: &[Article]) -> Option<Entry> {
        let find = |path: &str| articles.iter().find(|article| article.path == path).cloned();
        let rested = rests_on(record).into_iter().map(|(path, _)| {
            let article = find(&path).ok_or_else(|| "It is not at hand".to_owned());
            (path, article)
        });
        Entry::new("", record, rested.collect())
    }

    fn add_claims<'a>(
        &mut self,
        title: Option<String>,
        is_list: bool,
        claims: impl Iterator<Item = &'a ClaimRecord>,
        rested: &[Rested],
    ) {
        let mut lines: Vec<Line> = Vec::new();
        for claim in claims {
            let n_before = self.groups.iter().map(|group| group.lines.len()).sum::<usize>() + lines.len();
            let target = |cite: &super::record::CiteRecord| {
                let number = rested.iter().position(|(path, _)| cite.path.as_ref().is_none_or(|own| own == path))?;
                Some(format!("{}a{number}s{}", self.id, cite.sentence))
            };
            let label = |cite: &super::record::CiteRecord| match cite.sentence {
                0 => "head".to_owned(),
                sentence => sentence.to_string(),
            };
            let marks = claim.cites.iter().map(|cite| Mark { label: label(cite), target: target(cite) });
            let marks: Vec<Mark> = marks.collect();
            lines.push(Line {
                id: format!("{}c{}", self.id, n_before + 1),
                text: claim.text.clone(),
                to: marks.iter().filter_map(|mark| mark.target.clone()).collect(),
                marks,
            });
        }
        if !lines.is_empty() {
            self.groups.push(Group { title, is_list, lines });
        }
    }

    /// The other side: the article with its cited sentences, or the quotes alone.
    fn source(&self, number: usize, (path, article): Rested, record: &Record) -> Source {
        let mut citing: HashMap<String, Vec<String>> = HashMap::new();
        for line in self.groups.iter().flat_map(|group| &group.lines) {
            for target in &line.to {
                citing.entry(target.clone()).or_default().push(line.id.clone());
            }
        }
        let run = |sentence: usize, text: &str| -> Option<Run> {
            let id = format!("{}a{number}s{sentence}", self.id);
            let claims = citing.get(&id)?.clone();
            let label = if sentence == 0 { "head".to_owned() } else { sentence.to_string() };
            Some(Run { id: Some(id), label, text: text.to_owned(), gap: " ".into(), claims })
        };
        let plain = |kind: &str, runs| Block { tag: "p", kind: kind.to_owned(), runs };
        match article {
            Ok(article) => {
                let head = heads(&article).first().and_then(|head| run(0, &head.text));
                let mut blocks: Vec<Block> = head.map(|run| plain("head", vec![run])).into_iter().collect();
                let mut last = None;
                for (idx, sentence) in article.sentences.iter().enumerate() {
                    if last.replace(sentence.block) != Some(sentence.block) {
                        let tag = if sentence.kind == BlockKind::Heading { "h3" } else { "p" };
                        blocks.push(Block { tag, kind: name(sentence.kind), runs: Vec::new() });
                    }
                    let next = article.sentences.get(idx + 1).map_or(sentence.end, |next| next.start);
                    let gap = if next > sentence.end { " " } else { "" };
                    let text = article.sentence(idx);
                    let runs = &mut blocks.last_mut().expect("there is a block").runs;
                    match (run(idx + 1, text), runs.last_mut()) {
                        (Some(run), _) => runs.push(Run { gap: gap.to_owned(), ..run }),
                        (None, Some(before)) if before.id.is_none() => {
                            before.text = format!("{}{}{text}", before.text, before.gap);
                            before.gap = gap.to_owned();
                        }
                        (None, _) => {
                            runs.push(Run { text: text.to_owned(), gap: gap.to_owned(), ..Run::default() });
                        }
                    }
                }
                let is_cited = |idx: usize| citing.contains_key(&format!("{}a{number}s{}", self.id, idx + 1));
                let n_cited = (0..article.sentences.len()).filter(|idx| is_cited(*idx)).count();
                Source {
                    path,
                    strip: strip(&article, is_cited),
                    strip_label: format!(
                        "{} sentences read, {n_cited} cited, {} parts set aside",
                        article.sentences.len(),
                        article.set_aside.len()
                    ),
                    title: article.title.clone(),
                    date: article.date.clone(),
                    lang: article.foreign.is_none().then(|| name(article.lang)),
                    language: Some(article.foreign.map_or_else(|| language(article.lang).to_owned(), str::to_owned)),
                    note: None,
                    blocks,
                    reasons: text::reasons(&article.set_aside),
                    set_aside: article.set_aside,
                }
            }
            Err(why) => {
                let cites = record.claims().flat_map(|claim| &claim.cites);
                let own = cites.filter(|cite| cite.path.as_ref().is_none_or(|own| *own == path));
                let quotes: BTreeMap<usize, &str> = own.map(|cite| (cite.sentence, &*cite.quote)).collect();
                let runs = quotes.into_iter().filter_map(|(sentence, quote)| run(sentence, quote));
                let blocks = runs.map(|run| plain("paragraph", vec![run])).collect();
                let note = Some(format!("{why}: only what was cited is shown."));
                let mut source = Source { path, note, blocks, ..Source::default() };
                if let Record::Summary(it) = record {
                    (source.title, source.date) = (it.source.title.clone(), it.source.date.clone());
                    source.lang = it.source.foreign.is_none().then(|| name(it.source.lang));
                    source.reasons = text::reasons(&it.source.set_aside);
                    source.set_aside = it.source.set_aside.clone();
                }
                source
            }
        }
    }
}

/// What was read of an article and what of it was cited, in the order of its text; behind it what was set aside.
fn strip(article: &Article, is_cited: impl Fn(usize) -> bool) -> Vec<Part> {
    let n_aside: usize = article.set_aside.iter().map(|aside| aside.text.len()).sum();
    let all = (article.text.len() + n_aside).max(1);
    let part = |kind, start: usize, end: usize| {
        let (x, end) = (start * STRIP / all, (end * STRIP).div_ceil(all));
        Part { kind, x, width: end - x }
    };
    let mut parts = vec![part("read", 0, article.text.len()), part("aside", article.text.len(), all)];
    let cited = article.sentences.iter().enumerate().filter(|(idx, _)| is_cited(*idx));
    parts.extend(cited.map(|(_, sentence)| part("cited", sentence.start, sentence.end)));
    parts.retain(|part| part.width > 0);
    parts
}

/// One page of all the results, and of the articles that gave none.
pub(crate) fn page(entries: &[impl Serialize + Dated], failed: &[ErrorRecord]) -> String {
    let mut env = Environment::new();
    // Every string of a result: no control, nothing invisible, and then, as the template's name asks for it, no markup.
    env.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(sanitize::line(text))),
        _ => escape_formatter(out, state, value),
    });
    let digest = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let (bars, bars_of) = bars(entries.iter().filter_map(Dated::day));
    env.add_template("page.html", PAGE).expect("a test renders it");
    let page = env.get_template("page.html").and_then(|template| {
        template.render(Serde(Page {
            entries,
            failed,
            bars,
            bars_of,
            version: env!("CARGO_PKG_VERSION"),
            style: STYLE,
            style_hash: digest(STYLE),
            script: SCRIPT,
            script_hash: digest(SCRIPT),
        }))
    });
    page.expect("a test renders it")
}

/// What has a day, as `2024-05-17`.
pub(crate) trait Dated {
    /// The day, a part of it, or nothing.
    fn day(&self) -> Option<&str>;
}

impl Dated for Entry {
    fn day(&self) -> Option<&str> {
        self.first_day.as_deref()
    }
}

/// An entry that was written as JSON.
impl Dated for serde_json::Value {
    fn day(&self) -> Option<&str> {
        self["first_day"].as_str()
    }
}

/// How many results are of each month between the first and the last, or of each year.
fn bars<'a>(days: impl Iterator<Item = &'a str>) -> (Vec<Bar>, &'static str) {
    let months: Vec<usize> = days
        .filter_map(|day| {
            Some(day.get(..4)?.parse::<usize>().ok()? * 12 + day.get(5..7)?.parse::<usize>().ok()?.max(1) - 1)
        })
        .collect();
    let (Some(first), Some(last)) = (months.iter().min(), months.iter().max()) else { return (Vec::new(), "") };
    let by_year = last - first >= MOST_BARS;
    let unit = if by_year { 12 } else { 1 };
    let count = |at: usize| months.iter().filter(|month| **month / unit == at).count();
    let counts: Vec<(usize, usize)> = (first / unit..=last / unit).map(|at| (at, count(at))).collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let label = |at: usize| if by_year { at.to_string() } else { format!("{}-{:02}", at / 12, at % 12 + 1) };
    let bars: Vec<Bar> = counts
        .into_iter()
        .map(|(at, count)| Bar { label: label(at), count, height: (count * 40).div_ceil(most) })
        .collect();
    (if bars.len() > 1 { bars } else { Vec::new() }, if by_year { "year" } else { "month" })
}

/// `2024-05-17`; what is open of a date is the first or the last that it may be, by this digit.
fn iso(date: Date, open: char) -> String {
    let digits = date.digits();
    let part = |range: std::ops::Range<usize>| match &digits[range] {
        "00" => format!("{open}{open}"),
        part => part.to_owned(),
    };
    format!("{}-{}-{}", &digits[..4], part(4..6), part(6..8))
}

fn language(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "English",
        Lang::ZhHans => "Simplified Chinese",
        Lang::ZhHant => "Traditional Chinese",
    }
}
