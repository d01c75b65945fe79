//! A question in, the passages that share its rarest words or its meaning out. Knows the index; knows no language model.

use std::collections::HashSet;

use anyhow::{Context, Result};
use rayon::prelude::*;
use tantivy::collector::TopNComputer;
use tantivy::collector::sort_key::NaturalComparator;
use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{DocAddress, DocSet, Score, Searcher, SegmentReader, TERMINATED, TantivyDocument, Term};

use super::dense::question_of;
use super::fuse::{Ranked, fuse, select};
use super::index::{Index, Stored};
use super::terms::Terms;
use super::{Encoder, Hit, Passage};

/// What a match weighs in each field, against a word of the passage. Recall is flat around these values, and falls
/// without pairs, without titles, and with titles at 1.
const PAIR_WEIGHT: Score = 0.5;
const TITLE_WEIGHT: Score = 0.4;
/// What BM25 gives at most for a term, against the logarithm of its rarity: k1 + 1.
const BM25_CEILING: Score = 2.2;
/// What words count for against meaning, times the share of the question that a passage holds. Good hits hold a third
/// to a half, hits across languages a tenth. Recall is flat from 2 to 8.
const WORDS_TRUST: Score = 4.0;
/// Passages that are taken from each ranking.
const N_CANDIDATES: usize = 100;

/// Fewer passages are not worth a second thread.
const PASSAGES_A_THREAD: u64 = 20_000;

type Clause = (Occur, Box<dyn Query>);

impl Index {
    /// Finds at most `top_k` runs of text that match a question best, the best first: by words, and with an encoder
    /// by meaning too, as far as [`Index::embed`] made the vectors.
    ///
    /// Passages that follow one another in an article come as one hit, and the same text under two names comes once.
    pub fn search(&self, question: &str, encoder: Option<&mut dyn Encoder>, top_k: usize) -> Result<Vec<Hit>> {
        let searcher = self.reader.searcher();
        if top_k == 0 || searcher.num_docs() == 0 {
            return Ok(Vec::new());
        }
        let n_candidates = N_CANDIDATES.max(top_k.saturating_mul(3));
        let mut ranked = self.by_words(&searcher, question, n_candidates)?;
        if let Some(encoder) = encoder.filter(|_| !question.trim().is_empty()) {
            let vector = encoder.question(&question_of(question))?;
            ranked.extend(self.nearest(&searcher, &vector, n_candidates)?);
        }
        // Some of them will be joined or turn out to be the same text.
        let n_wanted = top_k.saturating_mul(3).saturating_add(10);
        let mut hits = Vec::new();
        for (score, address) in fuse(ranked).into_iter().take(n_wanted) {
            hits.push(Hit { passage: self.passage(&searcher, address)?, score, also: Vec::new() });
        }
        // Equal scores come in the order of the index, which depends on its history.
        hits.sort_by(|a, b| {
            let place = |hit: &Hit| (hit.passage.path.clone(), hit.passage.first_sentence);
            b.score.total_cmp(&a.score).then_with(|| place(a).cmp(&place(b)))
        });
        Ok(select(hits, top_k))
    }

    /// The passages that share most with the question, by BM25: each trusted as far as it holds what was asked for.
    fn by_words(&self, searcher: &Searcher, question: &str, n: usize) -> Result<Vec<Ranked<DocAddress>>> {
        let (clauses, best_score) = self.clauses(searcher, question)?;
        if clauses.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.best(searcher, BooleanQuery::new(clauses), n)?;
        let rank = |score: Score| found.iter().filter(|(other, _)| *other > score).count();
        let ranked = |&(score, what)| Ranked { what, rank: rank(score), weight: WORDS_TRUST * score / best_score };
        Ok(found.iter().map(ranked).collect())
    }

    /// The `n` searched passages that score highest, the best first. Each with any of the terms is scored: to leave out
    /// those that cannot be among the best takes longer where questions have forty terms.
    fn best(&self, searcher: &Searcher, query: BooleanQuery, n: usize) -> Result<Vec<(Score, DocAddress)>> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher))?;
        let of_segment = |(segment_ord, segment): &(usize, &SegmentReader)| {
            let mut best = TopNComputer::new_with_comparator(n, NaturalComparator);
            let mut scorer = weight.scorer(segment, 1.0)?;
            while scorer.doc() != TERMINATED {
                let (doc, score) = (scorer.doc(), scorer.score());
                let passage = DocAddress::new(*segment_ord as u32, doc);
                let is_searched = || self.scope.as_ref().is_none_or(|it| it.has(passage));
                let is_good = best.threshold.is_none_or(|least| score > least);
                if is_good && is_searched() && !segment.is_deleted(doc) {
                    best.push(score, passage);
                }
                scorer.advance();
            }
            let found = best.into_sorted_vec().into_iter();
            Ok(found.map(|found| (found.sort_key, found.doc)).collect())
        };
        let segments: Vec<_> = searcher.segment_readers().iter().enumerate().collect();
        let found: Result<Vec<Vec<_>>> = match searcher.num_docs() {
            0..PASSAGES_A_THREAD => segments.iter().map(of_segment).collect(),
            _ => segments.par_iter().map(of_segment).collect(),
        };
        let mut best = found?.concat();
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(n);
        Ok(best)
    }

    /// A passage under the name that its file has now.
    pub(super) fn passage(&self, searcher: &Searcher, address: DocAddress) -> Result<Passage> {
        let Stored { file, mut passage } = self.stored(searcher, address)?;
        let shown = self.table.get(&file).map_or(&file, |record| &record.shown);
        passage.path = format!("{shown}{}", passage.path);
        Ok(passage)
    }

    /// A passage as it was stored.
    pub(super) fn stored(&self, searcher: &Searcher, address: DocAddress) -> Result<Stored> {
        let document: TantivyDocument = searcher.doc(address)?;
        let stored = document.get_first(self.fields.stored).and_then(|value| value.as_str());
        Ok(serde_json::from_str(stored.context("a passage of the index has no text")?)?)
    }

    /// What is searched for, and the score that no passage can surpass: that of one which holds all of it, over and over.
    fn clauses(&self, searcher: &Searcher, question: &str) -> Result<(Vec<Clause>, Score)> {
        let terms = Terms::of(question);
        let weighted = |fields: [(Field, Score); 2]| move |text| fields.map(|(field, weight)| (field, text, weight));
        let words = weighted([(self.fields.words, 1.0), (self.fields.title, TITLE_WEIGHT)]);
        let pairs = weighted([(self.fields.pairs, PAIR_WEIGHT), (self.fields.title, TITLE_WEIGHT * PAIR_WEIGHT)]);
        let wanted = terms.words.iter().flat_map(words).chain(terms.pairs.iter().flat_map(pairs));
        let (mut clauses, mut best_score): (Vec<Clause>, Score) = (Vec::new(), 0.0);
        let mut seen = HashSet::new();
        for (field, text, weight) in wanted {
            if !seen.insert((field, text)) {
                continue;
            }
            let term = Term::from_field_text(field, text);
            if field != self.fields.title {
                let n_with = searcher.doc_freq(&term)? as Score;
                let n_without = (searcher.num_docs() as Score - n_with).max(0.0);
                best_score += weight * BM25_CEILING * (1.0 + (n_without + 0.5) / (n_with + 0.5)).ln();
            }
            let query = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            clauses.push((Occur::Should, Box::new(BoostQuery::new(query, weight))));
        }
        Ok((clauses, best_score))
    }
}
