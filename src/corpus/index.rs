//! A folder in, an index that can be searched and brought up to date out. Knows how it lies on disk and survives;
//! what goes in is `sync.rs`, what comes out is `search.rs`.
//!
//! The folder holds tantivy's files, a table of the files that were indexed, and a lock. A commit names its table, so
//! a process killed at any time leaves the state before or the state after.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tantivy::schema::{Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy};

use super::Passage;
use super::filter::Scope;
use super::source::hex_sha256;
use super::table::{self, Table};
use super::vectors::Vectors;

/// To be raised whenever the same files would give another index: terms, passages, cleaning, fields.
const FORMAT: u32 = 4;

/// A searchable index of a set of inputs.
pub struct Index {
    pub(super) folder: PathBuf,
    pub(super) fields: Fields,
    pub(super) reader: IndexReader,
    pub(super) table: Table,
    /// The vectors of its passages, once [`Index::embed`] was called.
    pub(super) vectors: Option<Vectors>,
    /// What is searched, if not everything.
    pub(super) scope: Option<Scope>,
    pub(super) index: tantivy::Index,
    /// The bytes of the list of segments, which tell whether another process has committed since.
    segments: Vec<u8>,
    /// Why it was made anew, until a report has said so.
    pub(super) rebuilt: Option<Rebuilt>,
}

/// Why an index was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuilt {
    /// Another version of the program made it.
    OtherFormat,
    /// It could not be read. Holds the cause.
    Damaged(String),
}

/// What a passage is indexed by.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// The key of its file: what it is deleted by.
    pub(super) file: Field,
    /// Words and pairs of its article's title.
    pub(super) title: Field,
    pub(super) words: Field,
    pub(super) pairs: Field,
    /// Its [`facts`](super::filter::facts).
    pub(super) facts: Field,
    /// The [`key_of`](super::dense::key_of) of its vector.
    pub(super) key: Field,
    /// A [`Stored`] as JSON; the only field that can be read back.
    pub(super) stored: Field,
}

/// A passage as it is stored. Its path is only what follows the file's name, which may change between calls.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) file: String,
    pub(super) passage: Passage,
}

/// What a commit says about itself.
#[derive(Serialize, Deserialize)]
struct Payload {
    format: u32,
    table: String,
    table_sha256: String,
}

/// The folder of the index of `inputs` below `cache`: the same for the same inputs, however they are written.
pub fn folder_of(cache: &Path, inputs: &[impl AsRef<Path>]) -> PathBuf {
    let real = |input: &Path| input.canonicalize().or_else(|_| std::path::absolute(input)).unwrap_or(input.to_owned());
    let mut names: Vec<PathBuf> = inputs.iter().map(|input| real(input.as_ref())).collect();
    names.sort();
    names.dedup();
    let list: Vec<u8> = names.iter().flat_map(|name| [name.as_os_str().as_encoded_bytes(), b"\0"].concat()).collect();
    cache.join("index").join(&hex_sha256(&list)[..16])
}

impl Index {
    /// Opens the index in `folder`, or makes an empty one if there is none or it cannot be used.
    ///
    /// Waits while another process writes to it. Only the user may read a new folder: it holds the articles' words.
    pub fn open(folder: &Path) -> Result<Index> {
        let _lock = lock(folder, "lock")?;
        Index::open_locked(folder)
    }

    /// Takes the lock and notices what other processes wrote since this index was opened.
    pub(super) fn lock_and_refresh(&mut self) -> Result<File> {
        let lock = lock(&self.folder, "lock")?;
        if read_segments(&self.folder).ok().as_ref() != Some(&self.segments) {
            let opened = Index::open_locked(&self.folder)?;
            let old = std::mem::replace(self, opened);
            (self.vectors, self.rebuilt) = (old.vectors, self.rebuilt.take().or(old.rebuilt));
            self.narrow_again(old.scope)?;
        }
        Ok(lock)
    }

    /// Makes what was written, and the table with it, the state of the index.
    pub(super) fn commit(&self, writer: &mut IndexWriter) -> Result<()> {
        let mut prepared = writer.prepare_commit()?;
        let name = format!("files-{}.jsonl", prepared.opstamp());
        let table_sha256 = table::save(&self.table, &self.folder.join(&name))?;
        let payload = Payload { format: FORMAT, table: name.clone(), table_sha256 };
        prepared.set_payload(&serde_json::to_string(&payload)?);
        prepared.commit().with_context(|| format!("failed to write the index in `{}`", self.folder.display()))?;
        remove_tables(&self.folder, Some(&name))
    }

    /// Lets searches see the last commit.
    pub(super) fn reload(&mut self) -> Result<()> {
        self.segments = read_segments(&self.folder)?;
        self.reader.reload()?;
        let scope = self.scope.take();
        self.narrow_again(scope)
    }

    fn open_locked(folder: &Path) -> Result<Index> {
        let (index, table, rebuilt) = match open_existing(folder) {
            Ok(Some((index, table))) => (index, table, None),
            Ok(None) => (create(folder)?, Table::new(), None),
            Err(why) => (create(folder)?, Table::new(), Some(why)),
        };
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let (folder, segments) = (folder.to_owned(), read_segments(folder)?);
        Ok(Index { folder, fields: schema().1, reader, table, vectors: None, scope: None, index, segments, rebuilt })
    }
}

/// Waits until no other process holds this lock of `folder`. It is the system's: it ends with the process.
pub(super) fn lock(folder: &Path, name: &str) -> Result<File> {
    let failed = || format!("failed to use the index folder `{}`", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(failed)?;
    let file = File::options().create(true).append(true).open(folder.join(name)).with_context(failed)?;
    file.lock().with_context(failed)?;
    Ok(file)
}

/// Opens what a folder holds: `None` if nothing was ever committed, an error if it is of no use.
fn open_existing(folder: &Path) -> std::result::Result<Option<(tantivy::Index, Table)>, Rebuilt> {
    let damaged = |cause: anyhow::Error| Rebuilt::Damaged(format!("{cause:#}"));
    let data = data_folder(folder);
    if !data.exists() {
        return Ok(None);
    }
    let (index, payload) = open_data(&data).map_err(damaged)?;
    match payload {
        None => Ok(None),
        Some(payload) if payload["format"] != FORMAT => Err(Rebuilt::OtherFormat),
        Some(payload) => {
            let table = check(&index, payload, folder).map_err(damaged)?;
            Ok(Some((index, table)))
        }
    }
}

/// Opens tantivy's part, and what its last commit said: loosely read, since another version may have said other things.
fn open_data(data: &Path) -> Result<(tantivy::Index, Option<serde_json::Value>)> {
    let index = tantivy::Index::open_in_dir(data)?;
    let payload = index.load_metas()?.payload;
    let payload = payload.map(|payload| serde_json::from_str(&payload)).transpose()?;
    Ok((index, payload))
}

/// Verifies every byte of an index, which takes a tenth of a second a gigabyte, and reads its table.
fn check(index: &tantivy::Index, payload: serde_json::Value, folder: &Path) -> Result<Table> {
    let payload: Payload = serde_json::from_value(payload)?;
    if index.schema() != schema().0 {
        bail!("its fields are not those of its format");
    }
    if let Some(file) = index.validate_checksum()?.iter().next() {
        bail!("`{}` is damaged", file.display());
    }
    table::load(&folder.join(&payload.table), &payload.table_sha256)
}

/// Empties a folder and makes an empty index in it.
fn create(folder: &Path) -> Result<tantivy::Index> {
    let data = data_folder(folder);
    let failed = || format!("failed to make an index in `{}`", folder.display());
    if data.exists() {
        fs::remove_dir_all(&data).with_context(failed)?;
    }
    remove_tables(folder, None)?;
    fs::create_dir(&data).with_context(failed)?;
    tantivy::Index::create_in_dir(&data, schema().0).with_context(failed)
}

fn read_segments(folder: &Path) -> Result<Vec<u8>> {
    let path = data_folder(folder).join("meta.json");
    fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("passages")
}

/// Removes the tables of earlier commits, and of those that never came to be.
fn remove_tables(folder: &Path, keep: Option<&str>) -> Result<()> {
    let failed = || format!("failed to clean `{}`", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name();
        let is_table = name.to_str().is_some_and(|name| name.starts_with("files-") || name.starts_with(".tmp"));
        if is_table && name.to_str() != keep {
            fs::remove_file(entry.path()).with_context(failed)?;
        }
    }
    Ok(())
}

fn schema() -> (Schema, Fields) {
    // Terms arrive cut and folded, so tantivy only has to split them at the spaces.
    let indexing =
        TextFieldIndexing::default().set_tokenizer("whitespace").set_index_option(IndexRecordOption::WithFreqs);
    let terms = TextOptions::default().set_indexing_options(indexing);
    let mut builder = Schema::builder();
    let fields = Fields {
        file: builder.add_text_field("file", STRING),
        title: builder.add_text_field("title", terms.clone()),
        words: builder.add_text_field("words", terms.clone()),
        pairs: builder.add_text_field("pairs", terms),
        facts: builder.add_text_field("facts", STRING),
        key: builder.add_bytes_field("key", INDEXED),
        stored: builder.add_text_field("stored", STORED),
    };
    (builder.build(), fields)
}
