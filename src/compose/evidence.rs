//! Articles and passages in, numbered lines that a draft may rest on out.

use super::Quote;
use crate::corpus::Hit;
use crate::text::{Article, BlockKind, Cite};

/// Lines of source text, in reading order: all that the model is ever shown.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The lines.
    pub lines: Vec<Line>,
    /// The original sentences that `Line::cites` point at. A draft is always checked against these.
    pub sources: Vec<Quote>,
}

/// One line of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What the model reads: a source sentence.
    pub text: String,
    /// The source sentences that the line stands for, in order.
    pub cites: Vec<Cite>,
    /// What the sentence is.
    pub kind: BlockKind,
    /// The number of the block that it stands in, counted over all articles of the evidence.
    pub block: usize,
}

impl Line {
    /// Whether `next` begins with the source sentence behind those of this line.
    pub fn is_followed_by(&self, next: &Line) -> bool {
        match (self.cites.last(), next.cites.first()) {
            (Some(a), Some(b)) => a.article == b.article && a.sentence + 1 == b.sentence,
            _ => false,
        }
    }
}

impl Evidence {
    /// A line a sentence of `article`, which becomes article 0 of the evidence.
    pub fn from_article(article: &Article) -> Evidence {
        let quotes = article.sentences.iter().enumerate().map(|(sentence, s)| Quote {
            cite: Cite { article: 0, sentence },
            start: s.start,
            end: s.end,
            text: article.text[s.start..s.end].to_owned(),
        });
        let sources: Vec<Quote> = quotes.collect();
        let lines = sources.iter().zip(&article.sentences).map(|(quote, s)| Line {
            text: quote.text.clone(),
            cites: vec![quote.cite],
            kind: s.kind,
            block: s.block,
        });
        Evidence { lines: lines.collect(), sources }
    }

    /// A line a sentence of each hit; hit number `i` becomes article `i` and block `i` of the evidence.
    pub fn from_hits(hits: &[Hit]) -> Evidence {
        let mut evidence = Evidence::default();
        for (article, hit) in hits.iter().enumerate() {
            for (offset, s) in hit.passage.sentences.iter().enumerate() {
                let cite = Cite { article, sentence: hit.passage.first_sentence + offset };
                evidence.lines.push(Line {
                    text: s.text.clone(),
                    cites: vec![cite],
                    kind: BlockKind::Paragraph,
                    block: article,
                });
                evidence.sources.push(Quote { cite, start: s.start, end: s.end, text: s.text.clone() });
            }
        }
        evidence
    }

    /// The source sentences that `cites` name, in the order of the source and each once.
    pub fn quotes(&self, cites: &[Cite]) -> Vec<Quote> {
        let cited = self.sources.iter().filter(|q| cites.contains(&q.cite));
        cited.cloned().collect()
    }
}
