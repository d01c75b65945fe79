//! One item in, its passages in an index out: read, analysed on the threads that are free, all of it or nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rayon::prelude::*;
use tantivy::{IndexWriter, TantivyDocument, Term};

use super::articles::Articles;
use super::bytes::Stamp;
use super::dense::key_of;
use super::filter::facts;
use super::index::{Fields, Stored};
use super::passage::passages;
use super::source::{Item, SourceError};
use super::table::FileRecord;
use super::terms::Terms;
use crate::text::{Article, RawArticle};

/// Articles of one file that are held at once, to be analysed on several threads: so many, or so many bytes.
const ARTICLES_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 8 << 20;
/// A file changed this shortly before it was read may change again without a new stamp: clocks are coarse.
const SETTLED_NS: i64 = 2_000_000_000;
/// Of a file with many bad records, so many are named.
const MAX_REFUSED_NAMED: usize = 20;

/// What became of an item.
pub(super) enum Outcome {
    /// The bytes are those indexed; the stamp is new.
    Same(Option<Stamp>),
    Indexed(FileRecord),
    /// Somebody stopped the work in the midst of it; nothing of it is kept.
    Stopped,
    Failed(SourceError),
}

/// How many passages an article has, and the language it is in when that is neither English nor Chinese.
type Added = (usize, Option<&'static str>);

/// An article as its file gave it, or what is wrong with it.
type Read = std::result::Result<RawArticle, SourceError>;

/// Where the articles of a chunk go.
pub(super) struct Sink<'a> {
    pub(super) writer: &'a IndexWriter,
    pub(super) fields: Fields,
    pub(super) stopped: &'a AtomicBool,
}

impl Sink<'_> {
    /// Indexes one item unless its bytes have the hash `old`. An error is the index's own, not the item's.
    pub(super) fn update(&self, item: &Item, old: Option<&str>) -> Result<Outcome> {
        let stamp = match item.stamp() {
            Ok(stamp) => stamp.filter(is_settled),
            Err(error) => return Ok(self.forget(item, error)),
        };
        // Standard input has no second reading: it is indexed each time.
        if old.is_some() && item.path.is_some() {
            match item.sha256() {
                Ok(sha256) if old == Some(&sha256) => return Ok(Outcome::Same(stamp)),
                Ok(_) => {}
                Err(error) => return Ok(self.forget(item, error)),
            }
        }
        let mut articles = match item.open() {
            Ok(articles) => articles,
            Err(error) => return Ok(self.forget(item, error)),
        };
        self.delete(item);
        let mut record = FileRecord {
            shown: item.shown.clone(),
            stamp,
            sha256: String::new(),
            n_articles: 0,
            n_passages: 0,
            foreign: BTreeMap::new(),
            refused: Vec::new(),
        };
        let mut n_refused = 0;
        loop {
            let batch = next_batch(&mut articles);
            if batch.is_empty() {
                break;
            }
            if self.stopped.load(Ordering::Relaxed) {
                self.delete(item);
                return Ok(Outcome::Stopped);
            }
            let add = |raw: &Read| raw.as_ref().map_or(Ok(Ok((0, None))), |raw| self.add_article(raw, item));
            let added: Vec<_> = batch.par_iter().map(add).collect();
            for (raw, added) in batch.into_iter().zip(added) {
                let (path, why) = match (raw, added?) {
                    (Ok(_), Ok((n_passages, foreign))) => {
                        record.n_articles += 1;
                        record.n_passages += n_passages;
                        foreign.into_iter().for_each(|it| *record.foreign.entry(it.to_owned()).or_default() += 1);
                        continue;
                    }
                    (Ok(raw), Err(why)) => (raw.path, why),
                    (Err(error), _) if error.is_one_record() => (error.path, error.problem.to_string()),
                    (Err(error), _) => return Ok(self.forget(item, error)),
                };
                n_refused += 1;
                if n_refused <= MAX_REFUSED_NAMED {
                    let suffix = suffix_of(&path, item).to_owned();
                    record.refused.push((suffix, why));
                }
            }
        }
        if n_refused > MAX_REFUSED_NAMED {
            let why = format!("holds {} more bad records", n_refused - MAX_REFUSED_NAMED);
            record.refused.push((String::new(), why));
        }
        record.sha256 = articles.sha256();
        Ok(Outcome::Indexed(record))
    }

    /// Takes out what the index holds of an item that cannot be read, old and half new.
    fn forget(&self, item: &Item, error: SourceError) -> Outcome {
        self.delete(item);
        Outcome::Failed(error)
    }

    fn delete(&self, item: &Item) {
        let key = Term::from_field_text(self.fields.file, &item.key());
        self.writer.delete_term(key);
    }

    /// Adds the passages of one article, counts them and names a foreign language; the inner error says why there is none.
    fn add_article(&self, raw: &RawArticle, item: &Item) -> Result<std::result::Result<Added, String>> {
        let article = match Article::read(raw) {
            Ok(article) => article,
            Err(refusal) => return Ok(Err(refusal.to_string())),
        };
        let title = Terms::of(article.title.as_deref().unwrap_or_default());
        let title = [title.words, title.pairs].concat().join(" ");
        let passages = passages(&article);
        let n_passages = passages.len();
        for mut passage in passages {
            passage.path = suffix_of(&raw.path, item).to_owned();
            let mut terms = Terms::default();
            for sentence in &passage.sentences {
                terms.append(Terms::of(&sentence.text));
            }
            let (key, facts) = (key_of(&passage), facts(&passage));
            let stored = serde_json::to_string(&Stored { file: item.key(), passage })?;
            let fields = self.fields;
            let mut document = TantivyDocument::default();
            document.add_text(fields.file, item.key());
            document.add_text(fields.title, &title);
            document.add_text(fields.words, terms.words.join(" "));
            document.add_text(fields.pairs, terms.pairs.join(" "));
            for fact in facts {
                document.add_text(fields.facts, fact);
            }
            document.add_bytes(fields.key, &key.0);
            document.add_text(fields.stored, stored);
            self.writer.add_document(document)?;
        }
        Ok(Ok((n_passages, article.foreign)))
    }
}

/// The articles that are analysed next, with what is wrong between them; none at the end.
fn next_batch(articles: &mut Articles) -> Vec<Read> {
    let (mut batch, mut n_bytes) = (Vec::new(), 0);
    while batch.len() < ARTICLES_AT_ONCE && n_bytes < BYTES_AT_ONCE {
        let Some(raw) = articles.next() else { break };
        n_bytes += raw.as_ref().map_or(0, |raw| raw.bytes.len());
        batch.push(raw);
    }
    batch
}

fn suffix_of<'a>(path: &'a str, item: &Item) -> &'a str {
    path.strip_prefix(&item.shown).unwrap_or(path)
}

fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    stamp.ctime_ns.saturating_add(SETTLED_NS) < now_ns
}
