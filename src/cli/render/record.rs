//! Results as they are kept: one JSON object on one line, written and read. The shapes are a promise to programs:
//! `precis/…/1`.
//!
//! Sentences are numbered from 1, as the marks in `text` are; `start` and `end` are bytes of the clean text.

use serde::{Deserialize, Serialize};

use super::{Fingerprint, gap, text};
use crate::compose::{Answer, Claim, Dropped, Overview, Quote, Reading, Style, Summary, Verdict};
use crate::corpus::{Hit, Passage};
use crate::model::Usage;
use crate::text::{Article, Cite, Lang, SetAside};

/// A line of a file of results, or of a ledger.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "schema")]
pub(crate) enum Record {
    #[serde(rename = "precis/summary/1")]
    Summary(SummaryRecord),
    #[serde(rename = "precis/answer/1")]
    Answer(AnswerRecord),
    #[serde(rename = "precis/overview/1")]
    Overview(OverviewRecord),
    #[serde(rename = "precis/error/1")]
    Error(ErrorRecord),
    /// Files that were passed over.
    #[serde(rename = "precis/skipped/1")]
    Skipped {},
}

impl Record {
    /// All claims, in reading order.
    pub(crate) fn claims(&self) -> Box<dyn Iterator<Item = &ClaimRecord> + '_> {
        match self {
            Record::Summary(it) => Box::new(it.claims.iter()),
            Record::Answer(it) => Box::new(it.claims.iter()),
            Record::Overview(it) => Box::new(it.claims.iter().chain(it.disputes.iter().map(|dispute| &dispute.says))),
            Record::Error(_) | Record::Skipped {} => Box::new(std::iter::empty()),
        }
    }

    /// What made it.
    pub(crate) fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Record::Summary(it) => Some(&it.fingerprint),
            Record::Answer(it) => Some(&it.fingerprint),
            Record::Overview(it) => Some(&it.fingerprint),
            Record::Error(_) | Record::Skipped {} => None,
        }
    }
}

/// `precis/summary/1`: all that is shown of a summary, whatever the form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schema", rename = "precis/summary/1")]
pub(crate) struct SummaryRecord {
    /// What was done, and how; in an output folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The file of the result there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    pub(crate) source: Source,
    pub(crate) style: Style,
    pub(crate) lang: Lang,
    pub(crate) text: String,
    pub(crate) claims: Vec<ClaimRecord>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) tags: Vec<String>,
    pub(crate) reading: Reading,
    pub(crate) usage: Usage,
    pub(crate) fingerprint: Fingerprint,
}

impl SummaryRecord {
    pub(crate) fn new(article: &Article, summary: Summary, fingerprint: &Fingerprint) -> SummaryRecord {
        let has_core = summary.core.is_some();
        let core = summary.core.iter().map(|core| ClaimRecord::of(core, None));
        let points = summary
            .groups
            .iter()
            .flat_map(|group| group.points.iter().map(|point| ClaimRecord::of(point, group.title.clone())));
        let claims: Vec<ClaimRecord> = core.chain(points).collect();
        SummaryRecord {
            key: None,
            file: None,
            source: Source::of(article),
            style: summary.style,
            lang: summary.lang,
            text: text::body(&claims, has_core).trim_end().to_owned(),
            claims,
            dropped: summary.dropped,
            tags: summary.tags,
            reading: summary.reading,
            usage: summary.usage,
            fingerprint: fingerprint.clone(),
        }
    }

    /// Whether the first claim opens the summary: it is no point of a list.
    pub(crate) fn has_core(&self) -> bool {
        self.claims.first().is_some_and(|first| first.group.is_none()) && !self.text.starts_with("- ")
    }

    /// The sentence that opens it, and the points in their groups.
    pub(crate) fn parts(&self) -> (Option<&ClaimRecord>, Vec<&[ClaimRecord]>) {
        let (core, points) = self.claims.split_at(usize::from(self.has_core()));
        (core.first(), points.chunk_by(|a, b| a.group == b.group).collect())
    }
}

/// The article of a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) sha256: String,
    pub(crate) title: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) lang: Lang,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) foreign: Option<String>,
    pub(crate) sentences: usize,
    pub(crate) second_hand: bool,
    pub(crate) undecodable: usize,
    pub(crate) set_aside: Vec<SetAside>,
}

impl Source {
    fn of(article: &Article) -> Self {
        Source {
            path: article.path.clone(),
            sha256: article.sha256.clone(),
            title: article.title.clone(),
            date: article.date.clone(),
            lang: article.lang,
            foreign: article.foreign.map(str::to_owned),
            sentences: article.sentences.len(),
            second_hand: article.second_hand,
            undecodable: article.replaced,
            set_aside: article.set_aside.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClaimRecord {
    pub(crate) text: String,
    /// The title of the group, in a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// The file of the first citation, in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    pub(crate) cites: Vec<CiteRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CiteRecord {
    /// Only in answers: summaries have one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Counted from 1; 0 is the head of the article, which has no place in its text.
    pub(crate) sentence: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quote: String,
}

impl CiteRecord {
    /// The citation among articles, of which it is number `article`.
    pub(crate) fn cite(&self, article: usize) -> Cite {
        Cite { article, sentence: self.sentence.wrapping_sub(1) }
    }
}

impl ClaimRecord {
    pub(super) fn of(claim: &Claim, group: Option<String>) -> Self {
        let cite = |quote: &Quote| CiteRecord {
            path: None,
            sentence: quote.cite.sentence.wrapping_add(1),
            start: quote.start,
            end: quote.end,
            quote: quote.text.clone(),
        };
        ClaimRecord {
            text: claim.text().to_owned(),
            group,
            path: None,
            cites: claim.cites().iter().map(cite).collect(),
        }
    }

    fn with_paths(claim: &Claim, hits: &[Hit]) -> Self {
        let mut record = ClaimRecord::of(claim, None);
        for (cite, quote) in record.cites.iter_mut().zip(claim.cites()) {
            cite.path = Some(hits[quote.cite.article].passage.path.clone());
        }
        record.path = record.cites.first().and_then(|cite| cite.path.clone());
        record
    }
}

/// `precis/answer/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schema", rename = "precis/answer/1")]
pub(crate) struct AnswerRecord {
    pub(crate) question: String,
    pub(crate) status: String,
    pub(crate) lang: Lang,
    pub(crate) text: String,
    pub(crate) claims: Vec<ClaimRecord>,
    /// Of a question that asks several things, what was not found while something was.
    pub(crate) missing: Vec<String>,
    pub(crate) passages: Vec<PassageRecord>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) usage: Usage,
    pub(crate) fingerprint: Fingerprint,
}

impl AnswerRecord {
    pub(crate) fn new(question: &str, answer: &Answer, fingerprint: &Fingerprint) -> AnswerRecord {
        let passage = |hit: &Hit| {
            let passage = &hit.passage;
            let words: Vec<&str> = passage.sentences.iter().map(|s| s.text.as_str()).collect();
            PassageRecord {
                path: passage.path.clone(),
                sha256: Some(passage.sha256.clone()),
                also: hit.also.clone(),
                start: passage.sentences.first().map_or(0, |s| s.start),
                end: passage.sentences.last().map_or(0, |s| s.end),
                score: hit.score,
                text: words.join(gap(passage.lang)),
            }
        };
        let n_shown = if answer.found() { answer.passages.len() } else { text::N_NEAREST };
        AnswerRecord {
            question: question.to_owned(),
            status: if answer.found() { "answered" } else { "not_found" }.to_owned(),
            lang: answer.lang,
            text: text::answer_body(answer),
            claims: answer.claims.iter().map(|claim| ClaimRecord::with_paths(claim, &answer.passages)).collect(),
            missing: answer.missing.clone(),
            passages: answer.passages.iter().take(n_shown).map(passage).collect(),
            dropped: answer.dropped.clone(),
            verdict: answer.verdict,
            usage: answer.usage,
            fingerprint: fingerprint.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PassageRecord {
    pub(crate) path: String,
    /// Of the clean text of its article; older results have none.
    pub(crate) sha256: Option<String>,
    /// The paths of other articles with nearly the same text.
    also: Vec<String>,
    start: usize,
    end: usize,
    score: f32,
    text: String,
}

/// `precis/overview/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schema", rename = "precis/overview/1")]
pub(crate) struct OverviewRecord {
    pub(crate) lang: Lang,
    pub(crate) text: String,
    pub(crate) claims: Vec<ClaimRecord>,
    pub(crate) disputes: Vec<DisputeRecord>,
    pub(crate) articles: Vec<ArticleRecord>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) usage: Usage,
    pub(crate) fingerprint: Fingerprint,
}

/// What another article says instead of a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DisputeRecord {
    /// Its place among the claims, counted from 1.
    pub(crate) claim: usize,
    pub(crate) says: ClaimRecord,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ArticleRecord {
    pub(crate) path: String,
    /// Of its clean text; older results have none.
    pub(crate) sha256: Option<String>,
    /// The paths of other articles with nearly the same text.
    pub(crate) also: Vec<String>,
    pub(crate) title: Option<String>,
    pub(crate) date: Option<String>,
}

impl OverviewRecord {
    pub(crate) fn new(overview: &Overview, fingerprint: &Fingerprint) -> OverviewRecord {
        let claim = |claim: &Claim| ClaimRecord::with_paths(claim, &overview.articles);
        let article = |hit: &Hit| {
            let Passage { path, sha256, title, date, .. } = hit.passage.clone();
            ArticleRecord { path, sha256: Some(sha256), also: hit.also.clone(), title, date }
        };
        let dispute = |(idx, other): &(usize, Claim)| DisputeRecord { claim: idx + 1, says: claim(other) };
        OverviewRecord {
            lang: overview.lang,
            text: text::overview_body(overview).trim().to_owned(),
            claims: overview.claims.iter().map(claim).collect(),
            disputes: overview.disputes.iter().map(dispute).collect(),
            articles: overview.articles.iter().map(article).collect(),
            dropped: overview.dropped.clone(),
            usage: overview.usage,
            fingerprint: fingerprint.clone(),
        }
    }
}

/// `precis/error/1`: an article that gave no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schema", rename = "precis/error/1")]
pub(crate) struct ErrorRecord {
    pub(crate) path: String,
    pub(crate) error: String,
}
