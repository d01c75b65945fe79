//! Which files an index holds, and in what state they were. One JSON object a line, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::bytes::Stamp;
use super::source::hex_sha256;

/// The files of an index by their keys.
pub(super) type Table = BTreeMap<String, FileRecord>;

/// What an index knows of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    /// The name that the file was last given by.
    pub(super) shown: String,
    /// Its stamp when it was read; `None` when the stamp could not vouch for the bytes.
    pub(super) stamp: Option<Stamp>,
    /// Lowercase hex SHA-256 of its bytes.
    pub(super) sha256: String,
    pub(super) n_articles: usize,
    pub(super) n_passages: usize,
    /// How many of its articles are in each language outside English and Chinese.
    pub(super) foreign: BTreeMap<String, usize>,
    /// What in the file gave no article: the end of the name (empty for the whole file), and why.
    pub(super) refused: Vec<(String, String)>,
}

/// Writes a table so that after a crash there is all of it or none, and returns the SHA-256 of what was written.
pub(super) fn save(table: &Table, path: &Path) -> Result<String> {
    let failed = || format!("failed to write `{}`", path.display());
    let mut bytes = Vec::new();
    for entry in table {
        serde_json::to_writer(&mut bytes, &entry).with_context(failed)?;
        bytes.push(b'\n');
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    temporary.write_all(&bytes).with_context(failed)?;
    temporary.as_file().sync_all().with_context(failed)?;
    temporary.persist(path).with_context(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)?;
    Ok(hex_sha256(&bytes))
}

/// Reads a table back, refusing one that is not byte for byte what [`save`] wrote.
pub(super) fn load(path: &Path, sha256: &str) -> Result<Table> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    ensure!(hex_sha256(&bytes) == sha256, "`{}` is damaged", path.display());
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).with_context(|| format!("`{}` is damaged", path.display())))
        .collect()
}
