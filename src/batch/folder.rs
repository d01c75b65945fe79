//! Results in, files on disk out: one an article, under a name that is the same on every run, and the ledger of them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::Ledger;
use crate::text::Article;

/// Raised whenever reading, cleaning or telling changes what becomes of the same bytes: older results are then made anew.
const CLEANER_VERSION: u32 = 3;

/// The result of one article, in the two forms that are kept.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// What goes to the article's file, or to standard output.
    pub content: String,
    /// What goes to the ledger: one JSON object on one line.
    pub record: String,
}

/// Where the result of one article belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Lowercase hex SHA-256 over the article and everything that shapes its result.
    pub key: String,
    /// The file's name in the folder.
    pub file: String,
}

/// What a folder has of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing, or what was made otherwise.
    No,
    /// Its record, but not its file in this form.
    Recorded(String),
    /// All of it.
    Done,
}

/// A folder with one file an article and the ledger of them, held by this run alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    ledger: Ledger,
    settings: String,
    extension: &'static str,
}

impl Folder {
    /// Opens or makes `path`; its files will have this extension.
    ///
    /// # Errors
    /// When another run holds the folder, or nothing can be written to it: found out before any work is done.
    pub fn open(path: &Path, extension: &'static str) -> Result<Folder> {
        let failed = || format!("failed to use `{}` as output folder", path.display());
        fs::create_dir_all(path).with_context(failed)?;
        let ledger = Ledger::open(path)?;
        let folder = Folder { path: path.to_owned(), ledger, settings: String::new(), extension };
        // A block of zeros takes room on the disk; an empty file would be made on a full one too.
        folder
            .write_temporary(&[0; 4096])
            .and_then(|()| Ok(fs::remove_file(folder.temporary())?))
            .with_context(failed)?;
        Ok(folder)
    }

    /// The same folder for results made under `settings`: all that shapes a result beside the article, such as prompts,
    /// weights and parameters. What was made under other settings is done anew.
    pub fn under(self, settings: String) -> Folder {
        Folder { settings, ..self }
    }

    /// Where the result of `article` belongs; `job_key` as in [`Job::key`](super::Job::key).
    pub fn place(&self, job_key: &str, article: &Article) -> Place {
        // Standard input has no name of its own: two articles that came through it differ by content.
        let identity = if job_key == "-" { &article.sha256 } else { job_key };
        let file = format!("{}-{}.{}", slug(&article.path), &hash(&[identity])[..8], self.extension);
        let key = hash(&[
            &article.sha256,
            article.title.as_deref().unwrap_or_default(),
            &CLEANER_VERSION.to_string(),
            &self.settings,
        ]);
        Place { key, file }
    }

    /// How far that very result is there already.
    pub fn known(&self, place: &Place) -> Known {
        match self.ledger.key_of(&place.file) == Some(&place.key) {
            false => Known::No,
            true if self.path.join(&place.file).is_file() => Known::Done,
            true => self.ledger.record(&place.file).map_or(Known::No, Known::Recorded),
        }
    }

    /// Keeps a result: after this returns, a crash does not lose it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep(&mut self, place: &Place, rendered: &Rendered) -> Result<()> {
        // First, since the file can be made from it again, and it not from the file.
        self.ledger.append(&rendered.record)?;
        self.write(&place.file, &rendered.content)
    }

    /// Writes the file of a result, whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, file: &str, content: &str) -> Result<()> {
        let path = self.path.join(file);
        let kept = self.write_temporary(content.as_bytes()).and_then(|()| {
            fs::rename(self.temporary(), &path)?;
            Ok(File::open(&self.path)?.sync_all()?)
        });
        if kept.is_err() {
            let _ = fs::remove_file(self.temporary());
        }
        kept.with_context(|| format!("failed to write `{}`", path.display()))
    }

    /// Notes in the ledger that an article failed; a later run tries it again.
    pub fn note_failure(&mut self, record: &str) -> Result<()> {
        self.ledger.append(record)
    }

    fn write_temporary(&self, content: &[u8]) -> Result<()> {
        let mut file = File::create(self.temporary())?;
        file.write_all(content)?;
        Ok(file.sync_all()?)
    }

    /// One name is enough: the ledger's lock keeps other runs away.
    fn temporary(&self) -> PathBuf {
        self.path.join(".precis.tmp")
    }
}

/// `news/Große Zahlen.html` -> `Große-Zahlen`, `all.jsonl#3` -> `all-3`: fit for any file system, at most 60 bytes.
fn slug(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (name, record) = match name.rsplit_once('#') {
        Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => (name, number),
        _ => (name, ""),
    };
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    let words: Vec<&str> =
        stem.split(|c: char| !c.is_alphanumeric()).chain([record]).filter(|w| !w.is_empty()).collect();
    let slug = words.join("-");
    let end = (0..=slug.len().min(60)).rev().find(|at| slug.is_char_boundary(*at));
    match end.unwrap_or(0) {
        0 => "article".to_owned(),
        end => slug[..end].to_owned(),
    }
}

/// Lowercase hex SHA-256 over the parts, each with its length, so that no two lists of parts look alike.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::text::Lang;

    /// An article of nothing but its text.
    pub(in crate::batch) fn article(path: &str, text: &str) -> Article {
        Article {
            path: path.into(),
            sha256: hash(&[text]),
            title: None,
            byline: None,
            date: None,
            lang: Lang::En,
            foreign: None,
            text: text.into(),
            sentences: Vec::new(),
            set_aside: Vec::new(),
            second_hand: false,
            encoding: "UTF-8",
            replaced: 0,
        }
    }

    #[test]
    fn names_are_safe_and_tell_articles_apart() {
        let check = |path: &str, expected: &str| assert_eq!(slug(path), expected, "{path:?}");
        check("news/Große Zahlen.html", "Große-Zahlen");
        check("all.jsonl#3", "all-3");
        check("../../etc/passwd", "passwd");
        check("新聞\u{1b}[31m\n.txt", "新聞-31m");
        check("-", "article");
        check(&"長".repeat(100), &"長".repeat(20));

        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(folder.path(), "txt").unwrap();
        let file = |key: &str, text: &str| folder.place(key, &article("x/a.txt", text)).file;
        assert_ne!(file("/1/a.txt", "same"), file("/2/a.txt", "same"));
        assert_eq!(file("/1/a.txt", "one"), file("/1/a.txt", "two"));
        assert_ne!(file("-", "one"), file("-", "two"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        let error = format!("{:#}", Folder::open(&in_the_way, "txt").unwrap_err());
        assert!(error.contains("file"), "{error}");
    }
}
