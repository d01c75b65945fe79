//! Items in, an index that is up to date with them out. Reads only what changed; knows nothing of questions.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use tantivy::indexer::LogMergePolicy;
use tantivy::{IndexWriter, TantivyDocument, Term};

use super::bytes::Stamp;
use super::dense::key_of;
use super::index::{Fields, Index, Rebuilt, Stored};
use super::passage::passages;
use super::source::{Item, SourceError};
use super::table::FileRecord;
use super::terms::Terms;
use crate::text::{Article, RawArticle};

/// Bytes of postings that are held before they are written out.
const WRITER_BYTES: usize = 64 << 20;
/// A kill loses at most the work on so many files.
const FILES_PER_COMMIT: usize = 2048;
/// More threads would wait for the one that writes.
const MAX_THREADS: usize = 8;
/// A file changed this shortly before it was read may change again without a new stamp: clocks are coarse.
const SETTLED_NS: i64 = 2_000_000_000;
/// Of a file with many bad records, so many are named.
const MAX_REFUSED_NAMED: usize = 20;

/// What bringing an index up to date came to. Counts are files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Files that were not in the index.
    pub added: usize,
    /// Files whose bytes differ from those indexed.
    pub changed: usize,
    /// Files that are as they were.
    pub unchanged: usize,
    /// Files that were in the index and are no longer among the items, or can no longer be read.
    pub removed: usize,
    /// Files whose bytes were read; of the others the stamp (size, times, inode) was enough.
    pub read: usize,
    /// Articles now in the index.
    pub articles: usize,
    /// What gave no article: its name, and why.
    pub failed: Vec<(String, String)>,
    /// Set when the old index could not be used.
    pub rebuilt: Option<Rebuilt>,
    /// True when the caller stopped it. What was done is kept; the rest waits for the next call.
    pub interrupted: bool,
}

impl Index {
    /// Brings the index up to date with `items`, reading only the files that changed, and forgets every other file.
    ///
    /// A file whose size, times and inode are those of the last reading is taken to be the same; of any other the
    /// bytes are hashed, and it is indexed again if the hash differs. `progress` gets files done and files to do, and
    /// may stop the work.
    pub fn sync(
        &mut self,
        items: &[Item],
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<SyncReport> {
        let _lock = self.lock_and_refresh()?;
        let mut report = SyncReport {
            rebuilt: self.rebuilt.take(),
            ..SyncReport::default()
        };

        let keys: HashSet<String> = items.iter().map(Item::key).collect();
        let gone: Vec<String> = self
            .table
            .keys()
            .filter(|key| !keys.contains(*key))
            .cloned()
            .collect();
        let mut work = Vec::new();
        for item in items {
            match self.table.get_mut(&item.key()) {
                Some(record)
                    if record.stamp.is_some()
                        && item.stamp().is_ok_and(|stamp| stamp == record.stamp) =>
                {
                    record.shown.clone_from(&item.shown);
                    report.unchanged += 1;
                }
                _ => work.push(item),
            }
        }
        if !gone.is_empty() || !work.is_empty() {
            self.update(&gone, &work, progress, &mut report)?;
        }
        for record in self.table.values() {
            report.articles += record.n_articles;
            let named = |(suffix, why): &(String, String)| {
                (format!("{}{suffix}", record.shown), why.clone())
            };
            report.failed.extend(record.refused.iter().map(named));
        }
        report.failed.sort();
        Ok(report)
    }

    fn update(
        &mut self,
        gone: &[String],
        work: &[&Item],
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        report: &mut SyncReport,
    ) -> Result<()> {
        let mut writer: IndexWriter = self.index.writer_with_num_threads(1, WRITER_BYTES)?;
        let mut policy = LogMergePolicy::default();
        // Deleted passages count in the statistics of BM25 until a merge drops them.
        policy.set_del_docs_ratio_before_merge(0.2);
        writer.set_merge_policy(Box::new(policy));
        for key in gone {
            writer.delete_term(Term::from_field_text(self.fields.file, key));
            self.table.remove(key);
            report.removed += 1;
        }
        let mut n_done = 0;
        let mut chunks = work.chunks(FILES_PER_COMMIT);
        loop {
            if let Some(chunk) = chunks.next() {
                self.update_chunk(chunk, &writer, report, &mut |n_more| {
                    progress(n_done + n_more, work.len())
                })?;
                n_done += chunk.len();
            }
            self.commit(&mut writer)?;
            if report.interrupted || n_done >= work.len() {
                break;
            }
        }
        writer.wait_merging_threads()?;
        self.reload()
    }

    /// Reads and analyses items on every core; this thread keeps the table.
    fn update_chunk(
        &mut self,
        chunk: &[&Item],
        writer: &IndexWriter,
        report: &mut SyncReport,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<()> {
        let n_threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_THREADS)
            .min(chunk.len());
        let next_item = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        let old_hashes: Vec<Option<String>> = chunk
            .iter()
            .map(|item| {
                self.table
                    .get(&item.key())
                    .map(|record| record.sha256.clone())
            })
            .collect();
        let fields = self.fields;
        std::thread::scope(|scope| {
            // Bounded, so that the workers stop soon after they are told to.
            let (sender, receiver) = mpsc::sync_channel(n_threads);
            for _ in 0..n_threads {
                let (sender, next_item, stopped, old_hashes) =
                    (sender.clone(), &next_item, &stopped, &old_hashes);
                scope.spawn(move || {
                    while !stopped.load(Ordering::Relaxed) {
                        let item_idx = next_item.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = chunk.get(item_idx) else {
                            break;
                        };
                        let outcome =
                            update_item(item, old_hashes[item_idx].as_deref(), fields, writer);
                        if sender.send((item_idx, outcome)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            for (n_received, (item_idx, outcome)) in receiver.into_iter().enumerate() {
                let outcome = outcome.inspect_err(|_| stopped.store(true, Ordering::Relaxed))?;
                self.note(chunk[item_idx], outcome, report);
                if progress(n_received + 1).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    report.interrupted = true;
                }
            }
            Ok(())
        })
    }

    fn note(&mut self, item: &Item, outcome: Outcome, report: &mut SyncReport) {
        report.read += 1;
        let key = item.key();
        match outcome {
            Outcome::Same(stamp) => {
                report.unchanged += 1;
                if let Some(record) = self.table.get_mut(&key) {
                    record.stamp = stamp;
                    record.shown.clone_from(&item.shown);
                }
            }
            Outcome::Indexed(record) => match self.table.insert(key, record) {
                Some(_) => report.changed += 1,
                None => report.added += 1,
            },
            Outcome::Failed(error) => {
                report.removed += usize::from(self.table.remove(&key).is_some());
                report.failed.push((error.path, error.problem.to_string()));
            }
        }
    }
}

enum Outcome {
    /// The bytes are those indexed; the stamp is new.
    Same(Option<Stamp>),
    Indexed(FileRecord),
    Failed(SourceError),
}

/// Indexes one item unless its bytes have the hash `old`. An error is the index's own, not the item's.
fn update_item(
    item: &Item,
    old: Option<&str>,
    fields: Fields,
    writer: &IndexWriter,
) -> Result<Outcome> {
    let stamp = match item.stamp() {
        Ok(stamp) => stamp.filter(is_settled),
        Err(error) => return Ok(forget(item, error, fields, writer)),
    };
    // Standard input has no second reading: it is indexed each time.
    if old.is_some() && item.path.is_some() {
        match item.sha256() {
            Ok(sha256) if old == Some(&sha256) => return Ok(Outcome::Same(stamp)),
            Ok(_) => {}
            Err(error) => return Ok(forget(item, error, fields, writer)),
        }
    }
    let mut articles = match item.open() {
        Ok(articles) => articles,
        Err(error) => return Ok(forget(item, error, fields, writer)),
    };
    writer.delete_term(Term::from_field_text(fields.file, &item.key()));
    let mut record = FileRecord {
        shown: item.shown.clone(),
        stamp,
        sha256: String::new(),
        n_articles: 0,
        n_passages: 0,
        refused: Vec::new(),
    };
    let mut n_refused = 0;
    for raw in &mut articles {
        let (path, why) = match raw {
            Ok(raw) => match add_article(&raw, item, fields, writer)? {
                Ok(n_passages) => {
                    record.n_articles += 1;
                    record.n_passages += n_passages;
                    continue;
                }
                Err(why) => (raw.path, why),
            },
            Err(error) if error.is_one_record() => (error.path, error.problem.to_string()),
            Err(error) => return Ok(forget(item, error, fields, writer)),
        };
        n_refused += 1;
        if n_refused <= MAX_REFUSED_NAMED {
            record
                .refused
                .push((suffix_of(&path, item).to_owned(), why));
        }
    }
    if n_refused > MAX_REFUSED_NAMED {
        record.refused.push((
            String::new(),
            format!("holds {} more bad records", n_refused - MAX_REFUSED_NAMED),
        ));
    }
    record.sha256 = articles.sha256();
    Ok(Outcome::Indexed(record))
}

/// Takes out what the index holds of an item that cannot be read, old and half new.
fn forget(item: &Item, error: SourceError, fields: Fields, writer: &IndexWriter) -> Outcome {
    writer.delete_term(Term::from_field_text(fields.file, &item.key()));
    Outcome::Failed(error)
}

/// Adds the passages of one article and counts them; the inner error says why there is none.
fn add_article(
    raw: &RawArticle,
    item: &Item,
    fields: Fields,
    writer: &IndexWriter,
) -> Result<std::result::Result<usize, String>> {
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
        let key = key_of(&passage);
        let stored = serde_json::to_string(&Stored {
            file: item.key(),
            passage,
        })?;
        let mut document = TantivyDocument::default();
        document.add_text(fields.file, item.key());
        document.add_text(fields.title, &title);
        document.add_text(fields.words, terms.words.join(" "));
        document.add_text(fields.pairs, terms.pairs.join(" "));
        document.add_bytes(fields.key, &key.0);
        document.add_text(fields.stored, stored);
        writer.add_document(document)?;
    }
    Ok(Ok(n_passages))
}

fn suffix_of<'a>(path: &'a str, item: &Item) -> &'a str {
    path.strip_prefix(&item.shown).unwrap_or(path)
}

fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    stamp.ctime_ns.saturating_add(SETTLED_NS) < now_ns
}
