//! Passages of an index in, their vectors beside it out; a question's vector in, the passages nearest to it out.
//! Knows of the encoder only that it turns texts into vectors.

use std::collections::HashSet;
use std::ops::ControlFlow;

use anyhow::Result;
use sha2::{Digest, Sha256};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, Term};

use super::fuse::Ranked;
use super::index::{Index, lock};
use super::vectors::{Key, Vectors};
use super::{Encoder, Passage};
use crate::text::Lang;
use crate::text::lang::to_script;

/// A kill loses at most the work on so many passages.
const PASSAGES_PER_APPEND: usize = 32;

/// What is embedded of a passage: its title and its sentences, in Simplified characters, so that a script is no
/// difference of meaning.
pub(super) fn text_of(passage: &Passage) -> String {
    let mut text = passage.title.clone().unwrap_or_default();
    text.push('\n');
    for sentence in &passage.sentences {
        // Chinese sentences follow one another without a space.
        if !text.ends_with(|c| c == '\n' || c >= '\u{2e80}') {
            text.push(' ');
        }
        text.push_str(&sentence.text);
    }
    to_script(&text, Lang::ZhHans).into_owned()
}

/// The same for a question.
pub(super) fn question_of(question: &str) -> String {
    to_script(question, Lang::ZhHans).into_owned()
}

/// What the vector of a passage is kept by.
pub(super) fn key_of(passage: &Passage) -> Key {
    let mut key = Key(*Sha256::digest(text_of(passage)).first_chunk().expect("a digest has 32 bytes"));
    key.0[15] = u8::from(passage.lang != Lang::En);
    key
}

impl Index {
    /// Embeds the passages that have no vector yet, and lets searches see the vectors of all.
    ///
    /// `progress` gets passages done and passages to do, and may stop the work: what was done is kept, and found by
    /// the next call. Waits while another process embeds the same.
    pub fn embed(
        &mut self,
        encoder: &mut dyn Encoder,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<()> {
        let _lock = lock(&self.folder, "lock-vectors")?;
        let name = format!("vectors-{:.16}", encoder.sha256());
        let mut vectors = Vectors::open(&self.folder.join(name), encoder.sha256(), encoder.n_dims())?;
        let searcher = self.reader.searcher();
        let known = vectors.keys();
        let keys = self.keys(&searcher)?;
        let mut missing = Vec::new();
        for key in keys.iter().filter(|key| !known.contains(key)) {
            // The passage may be deleted; of several with the same text any will do.
            missing.extend(self.passages_of(&searcher, *key)?.first().map(|address| (*key, *address)));
        }
        // What is searched now is embedded first.
        let is_searched = |passage| self.scope.as_ref().is_none_or(|scope| scope.has(passage));
        missing.sort_by_key(|(_, address)| (!is_searched(*address), *address));
        let mut n_done = 0;
        for chunk in missing.chunks(PASSAGES_PER_APPEND) {
            if progress(n_done, missing.len()).is_break() {
                break;
            }
            let texts: Result<Vec<String>> =
                chunk.iter().map(|(_, address)| Ok(text_of(&self.stored(&searcher, *address)?.passage))).collect();
            let embedded = encoder.passages(&texts?)?;
            let keyed: Vec<_> = chunk.iter().map(|(key, _)| *key).zip(embedded).collect();
            vectors.append(&keyed)?;
            n_done += chunk.len();
        }
        let n_live = known.intersection(&keys).count() + n_done;
        if vectors.len() > 2 * n_live {
            vectors.retain(&keys)?;
        }
        self.vectors = Some(vectors);
        Ok(())
    }

    /// The passages whose vectors are nearest to `question`, at most `n` of each group of languages.
    pub(super) fn nearest(&self, searcher: &Searcher, question: &[f32], n: usize) -> Result<Vec<Ranked<DocAddress>>> {
        let mut found = Vec::new();
        let vectors = self.vectors.as_ref();
        if let Some(vectors) = vectors.filter(|vectors| vectors.n_dims() == question.len()) {
            let scope = self.scope.as_ref();
            let is_searched = |key| scope.is_none_or(|scope| scope.has_key(key));
            let nearest = vectors.nearest(question, n, &is_searched);
            for (rank, (key, _)) in nearest.into_iter().enumerate() {
                let mut passages = self.passages_of(searcher, key)?;
                passages.retain(|passage| scope.is_none_or(|scope| scope.has(*passage)));
                found.extend(passages.into_iter().map(|what| Ranked { what, rank, weight: 1.0 }));
            }
        }
        Ok(found)
    }

    /// The keys of all passages, and perhaps of some that were deleted lately.
    fn keys(&self, searcher: &Searcher) -> Result<HashSet<Key>> {
        let mut keys = HashSet::new();
        for segment in searcher.segment_readers() {
            let index = segment.inverted_index(self.fields.key)?;
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                keys.extend(terms.key().first_chunk().map(|key| Key(*key)));
            }
        }
        Ok(keys)
    }

    /// The passages with a key: one, or several with the same text.
    fn passages_of(&self, searcher: &Searcher, key: Key) -> Result<Vec<DocAddress>> {
        let term = Term::from_field_bytes(self.fields.key, &key.0);
        let mut found = Vec::new();
        for (segment_ord, segment) in searcher.segment_readers().iter().enumerate() {
            let index = segment.inverted_index(self.fields.key)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if !segment.is_deleted(doc) {
                    found.push(DocAddress::new(segment_ord as u32, doc));
                }
                doc = postings.advance();
            }
        }
        Ok(found)
    }
}
