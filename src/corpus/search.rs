//! A question in, the passages that share its rarest words out. Knows the index; knows no language model.

use std::collections::HashSet;

use anyhow::{Context, Result};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{Score, TantivyDocument, Term};

use super::index::{Index, Stored};
use super::passage::weigh;
use super::terms::Terms;
use super::{Hit, Passage};

/// What a match weighs in each field, against a word of the passage. Recall is flat around these values, and falls
/// without pairs, without titles, and with titles at 1.
const PAIR_WEIGHT: Score = 0.5;
const TITLE_WEIGHT: Score = 0.4;
/// Neighbouring passages are joined up to this weight, as [`weigh`] counts.
const MAX_JOINED_WEIGHT: usize = 700;

impl Index {
    /// Finds at most `top_k` runs of text that match a question best, the best first.
    ///
    /// Passages that follow one another in an article come as one hit, and the same text under two names comes once.
    pub fn search(&self, question: &str, vector: Option<&[f32]>, top_k: usize) -> Result<Vec<Hit>> {
        let searcher = self.reader.searcher();
        let Some(query) = self.query(question) else {
            return Ok(Vec::new());
        };
        if top_k == 0 || searcher.num_docs() == 0 {
            return Ok(Vec::new());
        }
        // Some of them will be joined or turn out to be the same text.
        let n_wanted = top_k.saturating_mul(3).saturating_add(10);
        let found = searcher.search(&query, &TopDocs::with_limit(n_wanted).order_by_score())?;
        let mut hits = Vec::with_capacity(found.len());
        for (score, address) in found {
            let document: TantivyDocument = searcher.doc(address)?;
            let stored = document
                .get_first(self.fields.stored)
                .and_then(|value| value.as_str());
            let stored: Stored =
                serde_json::from_str(stored.context("a passage of the index has no text")?)?;
            let mut passage = stored.passage;
            let shown = self
                .table
                .get(&stored.file)
                .map_or(&stored.file, |record| &record.shown);
            passage.path = format!("{shown}{}", passage.path);
            hits.push(Hit { passage, score });
        }
        // Equal scores come in the order of the index, which depends on its history.
        hits.sort_by(|a, b| {
            let place = |hit: &Hit| (hit.passage.path.clone(), hit.passage.first_sentence);
            b.score
                .total_cmp(&a.score)
                .then_with(|| place(a).cmp(&place(b)))
        });
        Ok(join(hits, top_k))
    }

    /// `None` when the question has no word that could be searched.
    fn query(&self, question: &str) -> Option<BooleanQuery> {
        let terms = Terms::of(question);
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |field: Field, text: &String, weight: Score| {
            if seen.insert((field, text.clone())) {
                let term = TermQuery::new(
                    Term::from_field_text(field, text),
                    IndexRecordOption::WithFreqs,
                );
                clauses.push((
                    Occur::Should,
                    Box::new(BoostQuery::new(Box::new(term), weight)),
                ));
            }
        };
        for word in &terms.words {
            add(self.fields.words, word, 1.0);
            add(self.fields.title, word, TITLE_WEIGHT);
        }
        for pair in &terms.pairs {
            add(self.fields.pairs, pair, PAIR_WEIGHT);
            add(self.fields.title, pair, TITLE_WEIGHT * PAIR_WEIGHT);
        }
        (!clauses.is_empty()).then(|| BooleanQuery::new(clauses))
    }
}

/// Takes the best hits, each joined with those of its neighbours that are also good, until there are `top_k`.
fn join(hits: Vec<Hit>, top_k: usize) -> Vec<Hit> {
    let mut joined: Vec<Hit> = Vec::new();
    let mut seen = HashSet::new();
    for hit in hits {
        if !seen.insert((hit.passage.sha256.clone(), hit.passage.first_sentence)) {
            continue;
        }
        let neighbour = joined
            .iter()
            .position(|earlier| can_join(&earlier.passage, &hit.passage));
        match neighbour {
            Some(earlier_idx) => extend(&mut joined[earlier_idx].passage, hit.passage),
            None if joined.len() == top_k => break,
            None => joined.push(hit),
        }
    }
    joined
}

fn can_join(a: &Passage, b: &Passage) -> bool {
    let end = |passage: &Passage| passage.first_sentence + passage.sentences.len();
    let weight = |passage: &Passage| {
        passage
            .sentences
            .iter()
            .map(|sentence| weigh(&sentence.text))
            .sum::<usize>()
    };
    a.path == b.path
        && a.sha256 == b.sha256
        && (end(a) == b.first_sentence || end(b) == a.first_sentence)
        && weight(a) + weight(b) <= MAX_JOINED_WEIGHT
}

fn extend(passage: &mut Passage, neighbour: Passage) {
    if neighbour.first_sentence < passage.first_sentence {
        passage.first_sentence = neighbour.first_sentence;
        passage.sentences.splice(0..0, neighbour.sentences);
    } else {
        passage.sentences.extend(neighbour.sentences);
    }
}
