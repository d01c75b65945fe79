//! Items in, an index that is up to date with them out. Reads only what changed; knows nothing of questions.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Result;
use rayon::prelude::*;
use tantivy::indexer::LogMergePolicy;
use tantivy::{IndexWriter, Term};

use super::analyse::{Outcome, Sink};
use super::index::{Index, Rebuilt};
use super::source::Item;

/// Bytes of postings that are held before they are written out.
const WRITER_BYTES: usize = 64 << 20;
/// A kill loses at most the work on so many files.
const FILES_PER_COMMIT: usize = 8192;
/// How often somebody is asked whether to go on while one file takes long.
const PATIENCE: Duration = Duration::from_millis(200);

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
    /// How many articles are in each language outside English and Chinese.
    pub foreign: BTreeMap<String, usize>,
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
        let mut report = SyncReport { rebuilt: self.rebuilt.take(), ..SyncReport::default() };

        let keys: HashSet<String> = items.iter().map(Item::key).collect();
        let gone: Vec<String> = self.table.keys().filter(|key| !keys.contains(*key)).cloned().collect();
        let mut work = Vec::new();
        for item in items {
            match self.table.get_mut(&item.key()) {
                Some(record) if record.stamp.is_some() && item.stamp().is_ok_and(|stamp| stamp == record.stamp) => {
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
            record.foreign.iter().for_each(|(name, n)| *report.foreign.entry(name.clone()).or_default() += n);
            let named = |(suffix, why): &(String, String)| (format!("{}{suffix}", record.shown), why.clone());
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
                self.update_chunk(chunk, &writer, report, &mut |n_more| progress(n_done + n_more, work.len()))?;
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
        let stopped = AtomicBool::new(false);
        let old_hashes: Vec<Option<String>> =
            chunk.iter().map(|item| self.table.get(&item.key()).map(|record| record.sha256.clone())).collect();
        let sink = &Sink { writer, fields: self.fields, stopped: &stopped };
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let old_hashes = &old_hashes;
            scope.spawn(move || {
                let work = (0..chunk.len()).into_par_iter().with_max_len(1);
                let _ = work.try_for_each_with(sender, |sender, item_idx| match sink.stopped.load(Ordering::Relaxed) {
                    true => Err(()),
                    false => {
                        let outcome = sink.update(chunk[item_idx], old_hashes[item_idx].as_deref());
                        sender.send((item_idx, outcome)).map_err(drop)
                    }
                });
            });
            let mut n_received = 0;
            loop {
                match receiver.recv_timeout(PATIENCE) {
                    Ok((item_idx, outcome)) => {
                        let outcome = outcome.inspect_err(|_| stopped.store(true, Ordering::Relaxed))?;
                        self.note(chunk[item_idx], outcome, report);
                        n_received += 1;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                if progress(n_received).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    report.interrupted = true;
                }
            }
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
            Outcome::Stopped => drop(self.table.remove(&key)),
            Outcome::Failed(error) => {
                report.removed += usize::from(self.table.remove(&key).is_some());
                report.failed.push((error.path, error.problem.to_string()));
            }
        }
    }
}
