//! `precis verify`: results in, whether what they rest on is still there and says it out. No model is needed.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::super::Exit;
use super::super::args::VerifyArgs;
use super::super::console::Console;
use super::super::error::{Doubt, explain_doubt};
use super::super::interrupt::Interrupt;
use super::super::render::json::to_line;
use super::super::render::record::{ClaimRecord, Record};
use super::super::render::{sanitize, text};
use super::super::results::{self, Kept};
use crate::compose::Quote;
use crate::compose::check::{Ground, stands};
use crate::compose::source::{heads, sentences};
use crate::corpus::reread::Reread;
use crate::text::Article;

pub(super) fn run(args: VerifyArgs, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    // A file that is not there is found out before the work on the others.
    let files = args.results.iter().map(|path| results::read(path)).collect::<Result<Vec<_>>>()?;
    let mut sources = Reread::new(args.corpus.as_deref());
    let (mut counts, mut n_failed) = (BTreeMap::<Verdict, usize>::new(), 0);
    if !args.json {
        console.out("verdict      sources    quotes  claims  result\n")?;
    }
    for kept in files.into_iter().flatten() {
        if interrupt.is_pressed() {
            return Ok(Exit::Interrupted);
        }
        match &kept.record {
            Ok(Record::Skipped {}) => continue,
            Ok(Record::Error(_)) => n_failed += 1,
            _ => {
                let checked = Checked::new(&kept, &mut sources);
                *counts.entry(checked.verdict).or_default() += 1;
                console.out(&if args.json { to_line(&checked) } else { checked.row() })?;
            }
        }
    }
    let count = |verdict| counts.get(&verdict).copied().unwrap_or(0);
    let (holds, fails, open) = (count(Verdict::Holds), count(Verdict::Fails), count(Verdict::Unchecked));
    let failed = if n_failed > 0 { format!("; {n_failed} articles gave no result") } else { String::new() };
    if counts.is_empty() && n_failed == 0 {
        console.error(&explain_doubt(Doubt::NoResults));
        return Ok(Exit::CouldNotRun);
    }
    console.note(&format!("{holds} hold, {fails} do not hold, {open} could not be checked{failed}"));
    Ok(if fails + open > 0 { Exit::NothingFound } else { Exit::Done })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Holds,
    Fails,
    /// A source is not there, or the line cannot be read.
    Unchecked,
}

/// `precis/verified/1`: what came of one result.
#[derive(Serialize)]
#[serde(tag = "schema", rename = "precis/verified/1")]
struct Checked {
    result: String,
    /// The articles that it cites; the question, of an answer.
    of: Vec<String>,
    verdict: Verdict,
    /// Whether the sources are what they were; nothing, where that cannot be told.
    unchanged: Option<bool>,
    quotes: usize,
    quotes_in_place: usize,
    claims: usize,
    /// Claims whose figures and names stand in their sources.
    claims_hold: usize,
    faults: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    what: String,
    way_out: Option<String>,
}

/// An article that a result rests on, by its path and the hash of its text.
type Rested<'a> = (&'a str, Option<&'a str>);

impl Checked {
    fn new(kept: &Kept, sources: &mut Reread) -> Checked {
        let mut checked = Checked {
            result: kept.place.clone(),
            of: Vec::new(),
            verdict: Verdict::Holds,
            unchanged: Some(true),
            quotes: 0,
            quotes_in_place: 0,
            claims: 0,
            claims_hold: 0,
            faults: Vec::new(),
        };
        match &kept.record {
            Err(why) => {
                checked.unchanged = None;
                checked.doubt(Verdict::Unchecked, Doubt::Unreadable(why.to_string()));
            }
            Ok(record) => checked.check(record, sources),
        }
        if let (Ok(Record::Summary(summary)), Some(folder)) = (&kept.record, &kept.folder)
            && let Some(file) = &summary.file
            && !results::is_as_kept(folder, file, summary)
        {
            checked.doubt(Verdict::Fails, Doubt::Edited(folder.join(file).display().to_string()));
        }
        checked
    }

    fn check(&mut self, record: &Record, sources: &mut Reread) {
        match record {
            Record::Summary(summary) => {
                let source = &summary.source;
                self.of = vec![source.path.clone()];
                if text::body(&summary.claims, summary.has_core()).trim_end() != summary.text {
                    self.doubt(Verdict::Fails, Doubt::Text);
                }
                let rested = [(&*source.path, Some(&*source.sha256))];
                self.claims(&summary.claims, &rested, "", &summary.fingerprint.version, sources);
            }
            Record::Answer(answer) => {
                self.of = vec![answer.question.clone()];
                let rested: Vec<Rested> = answer.passages.iter().map(|p| (&*p.path, p.sha256.as_deref())).collect();
                self.claims(&answer.claims, &rested, &answer.question, &answer.fingerprint.version, sources);
            }
            Record::Overview(overview) => {
                self.of = overview.articles.iter().map(|article| article.path.clone()).collect();
                let rested: Vec<Rested> = overview.articles.iter().map(|a| (&*a.path, a.sha256.as_deref())).collect();
                // What each of several articles says of a line has passed the check by itself.
                let claims = overview.claims.iter().chain(overview.disputes.iter().map(|dispute| &dispute.says));
                let claims: Vec<ClaimRecord> = claims.flat_map(by_article).collect();
                self.claims(&claims, &rested, "", &overview.fingerprint.version, sources);
            }
            Record::Error(_) | Record::Skipped {} => {}
        }
    }

    fn claims(
        &mut self,
        claims: &[ClaimRecord],
        rested: &[Rested],
        question: &str,
        version: &str,
        sources: &mut Reread,
    ) {
        self.claims = claims.len();
        self.quotes = claims.iter().map(|claim| claim.cites.len()).sum();
        let cited = |path: &str| {
            let cites = claims.iter().flat_map(|claim| &claim.cites);
            rested.len() == 1 || cites.clone().any(|cite| cite.path.as_deref() == Some(path))
        };
        let mut articles: Vec<(&str, Article)> = Vec::new();
        for (path, sha256) in rested {
            if articles.iter().any(|(known, _)| known == path) {
                continue;
            }
            match sources.article(path, *sha256) {
                // What is not cited may only have lent a name.
                Err(_) if !cited(path) => {}
                Err(error) => {
                    self.unchanged = None;
                    self.doubt(Verdict::Unchecked, Doubt::Gone { error: format!("{error:#}") });
                }
                Ok(article) => {
                    match sha256 {
                        Some(sha256) if article.sha256 != *sha256 && cited(path) => {
                            self.unchanged = self.unchanged.and(Some(false));
                            let (path, version) = ((*path).to_owned(), version.to_owned());
                            self.doubt(Verdict::Fails, Doubt::Changed { path, version });
                        }
                        None if cited(path) => self.unchanged = self.unchanged.filter(|same| !same),
                        _ => {}
                    }
                    articles.push((path, article));
                }
            }
        }
        let number = |path: Option<&str>| match path {
            None => (rested.len() == 1 && articles.len() == 1).then_some(0),
            Some(path) => articles.iter().position(|(known, _)| *known == path),
        };
        let of_article = |(number, quotes): (usize, Vec<Quote>)| {
            quotes.into_iter().map(move |mut quote| {
                quote.cite.article = number;
                quote
            })
        };
        let all = |quotes: fn(&Article) -> Vec<Quote>| -> Vec<Quote> {
            articles.iter().map(|(_, article)| quotes(article)).enumerate().flat_map(of_article).collect()
        };
        let (text, head) = (all(sentences), all(heads));
        let ground = Ground::new(&text, &head).asked(question);
        let is_there = |quote: &Quote| text.iter().chain(&head).any(|other| other == quote);
        for (idx, claim) in claims.iter().enumerate() {
            let mut quotes = Vec::new();
            for cite in &claim.cites {
                let Some(article) = number(cite.path.as_deref()) else { continue };
                let quote =
                    Quote { cite: cite.cite(article), start: cite.start, end: cite.end, text: cite.quote.clone() };
                match is_there(&quote) {
                    true => self.quotes_in_place += 1,
                    // One line says of a changed source that it has changed.
                    false if self.unchanged == Some(false) => {}
                    false => self.doubt(Verdict::Fails, Doubt::Quote { claim: idx + 1, sentence: cite.sentence }),
                }
                quotes.push(quote);
            }
            if claim.cites.is_empty() {
                self.doubt(Verdict::Fails, Doubt::NoCites { claim: idx + 1 });
            } else if quotes.len() == claim.cites.len() && quotes.iter().all(is_there) {
                let cites: Vec<_> = quotes.iter().map(|quote| quote.cite).collect();
                match stands(&claim.text, &cites, &ground) {
                    Ok(()) => self.claims_hold += 1,
                    Err(why) => self.doubt(Verdict::Fails, Doubt::Claim { claim: idx + 1, why: why.text }),
                }
            }
        }
    }

    fn doubt(&mut self, verdict: Verdict, doubt: Doubt) {
        if self.verdict != Verdict::Fails {
            self.verdict = verdict;
        }
        let explained = explain_doubt(doubt);
        self.faults.push(Found { what: explained.cause, way_out: explained.hint });
    }

    fn row(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "FAILS",
            Verdict::Unchecked => "not checked",
        };
        let sources = match self.unchanged {
            Some(true) => "unchanged",
            Some(false) => "changed",
            None => "unknown",
        };
        let of = |part: usize, all: usize| format!("{part}/{all}");
        let mut row = format!(
            "{verdict:<11}  {sources:<9}  {:>6}  {:>6}  {}\n",
            of(self.quotes_in_place, self.quotes),
            of(self.claims_hold, self.claims),
            sanitize::line(&format!("{} {}", self.result, self.of.join(", "))),
        );
        for Found { what, way_out } in &self.faults {
            let way_out = way_out.as_ref().map_or(String::new(), |way_out| format!(" ({way_out})"));
            row += &format!("             {}\n", sanitize::line(&format!("{what}{way_out}")));
        }
        row
    }
}

/// The claim as each article that it cites says it.
fn by_article(claim: &ClaimRecord) -> Vec<ClaimRecord> {
    let of_one = |cites: &[_]| ClaimRecord { cites: cites.to_vec(), ..claim.clone() };
    claim.cites.chunk_by(|a: &_, b: &_| a.path == b.path).map(of_one).collect()
}
