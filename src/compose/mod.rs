//! Articles and questions in, checked summaries and answers out. The product; knows no terminal and no file.
//!
//! A sentence, whoever wrote it, becomes a [`Claim`] only by passing [`check`](check::check), which finds the sentences that
//! support it.

use serde::{Deserialize, Serialize};

use crate::corpus::Hit;
use crate::model::{Sampling, Usage};
use crate::text::{Cite, Lang};

pub mod answer;
pub mod ask;
pub mod check;
pub mod choose;
mod encoder;
pub mod overview;
pub mod parts;
pub mod prompt;
pub mod prose;
pub mod question;
pub mod source;
pub mod summarize;
pub mod tags;
pub mod together;
mod translate;
pub mod verdict;
pub mod write;

pub use answer::answer;
pub use ask::ask;
pub use check::Claim;
pub use overview::{Overview, overview};
pub use parts::Parts;
pub use prompt::Prompts;
pub use summarize::summarize;
pub use together::together;
pub use verdict::Verdict;

/// A source sentence, quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Which sentence.
    pub cite: Cite,
    /// Its first byte in the article's clean text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// Its words.
    pub text: String,
}

/// A sentence that the model wrote and that was not let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The sentence.
    pub text: String,
    /// What was wrong with it, for people: "the figure 40% is not in the source".
    pub why: String,
}

/// The shape of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// One sentence.
    Brief,
    /// One core sentence, three to six points, up to five tags.
    Points,
    /// A core viewpoint, then two to four titled groups of points.
    Report,
}

/// What a summary is to be.
#[derive(Debug, Clone)]
pub struct SummaryPlan {
    /// Its shape.
    pub style: Style,
    /// The language to write in; `None`: the article's own.
    pub lang: Option<Lang>,
    /// About how many words (Chinese: two characters count as one word); `None`: the style's own length.
    pub words: Option<usize>,
    /// How the model chooses tokens.
    pub sampling: Sampling,
    /// The prompts.
    pub prompts: Prompts,
}

/// The checked summary of one article.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its shape.
    pub style: Style,
    /// The language that it is written in.
    pub lang: Lang,
    /// The core sentence: all of a brief, the head of the other styles.
    pub core: Option<Claim>,
    /// The points: one group without a title, or the titled groups of a report.
    pub groups: Vec<Group>,
    /// Up to five tags, each of which stands in the article.
    pub tags: Vec<String>,
    /// What was written and not let through.
    pub dropped: Vec<Dropped>,
    /// How much of the article was read.
    pub reading: Reading,
    /// What it cost.
    pub usage: Usage,
}

/// Points under one title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The title, in a report; its words stand in the sources of its points.
    pub title: Option<String>,
    /// The points.
    pub points: Vec<Claim>,
}

/// How much of an article's source was read, and how much set aside. Tokens of the model's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Tokens of the clean text.
    pub article_tokens: usize,
    /// Tokens of what was set aside as not part of the article.
    pub set_aside_tokens: usize,
}

impl Summary {
    /// Every claim, in reading order.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.core.iter().chain(self.groups.iter().flat_map(|g| &g.points))
    }
}

/// What an answer is to be.
#[derive(Debug, Clone)]
pub struct AnswerPlan {
    /// The language to answer in; `None`: the question's own.
    pub lang: Option<Lang>,
    /// How the model chooses tokens.
    pub sampling: Sampling,
    /// The prompts.
    pub prompts: Prompts,
}

/// What came of a question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The claims that answer it; empty when the passages do not hold the answer.
    pub claims: Vec<Claim>,
    /// Of a question that asks several things, what was not found while something was.
    pub missing: Vec<String>,
    /// The language of the answer.
    pub lang: Lang,
    /// The passages that were found, best first. `Cite::article` of a claim is the position in this list of the best
    /// passage of its article, and `Cite::sentence` the sentence's number in that article.
    pub passages: Vec<Hit>,
    /// What was written and not let through.
    pub dropped: Vec<Dropped>,
    /// Whether the best sentence answers the question, or its first part; `None` where there was nothing to read.
    pub verdict: Option<Verdict>,
    /// What it cost.
    pub usage: Usage,
}

impl Answer {
    /// Whether the passages held the answer.
    pub fn found(&self) -> bool {
        !self.claims.is_empty()
    }
}

/// One turn of a conversation, for follow-up questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
}
