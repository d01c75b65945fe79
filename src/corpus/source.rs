//! Paths, folders and patterns in, a list of items to read out. Opens nothing here but folders and the ledgers that tell
//! what in them this program wrote itself; knows no text.
//!
//! Listing and reading are apart: a folder of 100,000 files is a list of names, and [`Item::open`] reads one item
//! when it is asked to.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use super::formats::EXTENSIONS;
use crate::text::hex;

/// What the inputs came to.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be opened: in the order of the inputs, a folder's files sorted by name, nothing twice.
    pub items: Vec<Item>,
    /// What cannot, each with its reason.
    pub problems: Vec<SourceError>,
    /// What a folder held beside articles.
    pub skipped: Skipped,
}

/// What was left alone on purpose, by the reason. Hidden entries are not even counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Files with an extension that no format has.
    pub other_types: PassedOver,
    /// Symbolic links: those met in a folder are not followed, so that no walk can loop or leave it.
    pub links: PassedOver,
    /// Files that this program wrote: results of earlier runs, and their ledger.
    pub outputs: PassedOver,
}

/// Files passed over for one reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// How many.
    pub count: usize,
    /// The names of the first of them.
    pub names: Vec<String>,
}

impl PassedOver {
    /// So many are named; nobody reads a longer list.
    const MAX_NAMES: usize = 20;

    fn add(&mut self, path: &Path) {
        self.count += 1;
        if self.names.len() < Self::MAX_NAMES {
            self.names.push(path.to_string_lossy().into_owned());
        }
    }
}

/// The name of the ledger in a folder of results: one JSON object a line, with the `file` of each result.
pub const LEDGER: &str = "precis.jsonl";

/// One thing that holds one article or many.
#[derive(Debug, Clone)]
pub struct Item {
    /// The name shown to people: the path as it was given, lossy where it is not UTF-8; `-` for standard input.
    pub shown: String,
    /// The path to open; `None` is standard input.
    pub(super) path: Option<PathBuf>,
    /// The same path with every link resolved: what makes two names one item.
    real: PathBuf,
}

impl Item {
    /// A name that is the same however the item was given, and differs between any two items.
    pub fn key(&self) -> String {
        match self.real.to_str() {
            Some(utf8) => utf8.to_owned(),
            // Two names that are not UTF-8 may look alike once made readable: their bytes tell them apart.
            None => format!("{}#{}", self.real.display(), hex_sha256(self.real.as_os_str().as_bytes())),
        }
    }

    fn of_path(path: PathBuf, real: PathBuf) -> Item {
        Item { shown: path.to_string_lossy().into_owned(), path: Some(path), real }
    }
}

/// An input, or one record of it, that gives no article.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` {problem}")]
pub struct SourceError {
    /// The name shown to people; `path#3` for the third line of a JSONL file.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Why there is no article. Each reads on from the name: "`a.txt` does not exist".
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// No such path.
    #[error("does not exist")]
    Missing,
    /// A pattern that no file has.
    #[error("is a pattern that matches no file")]
    NoMatch,
    /// A pattern that is not one.
    #[error("is not a valid pattern: {0}")]
    Pattern(String),
    /// The system refused.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// A pipe, a socket, a device, a folder: reading it might never end. Holds the kind, in words.
    #[error("is {0}, not a regular file; pipe its content in and give `-` instead")]
    NotAFile(&'static str),
    /// More than one article may have.
    #[error("has {size} bytes, more than the {limit} that one article may have; split it")]
    TooLarge {
        /// Bytes; of a stream, those read so far.
        size: u64,
        /// The most that it may have.
        limit: u64,
    },
    /// Its content was not the same at the end of the reading as at the start.
    #[error("changed while it was read; run again when it is complete")]
    Changed,
    /// A file meant to hold records that holds none.
    #[error("holds no record")]
    NoRecord,
    /// It cannot be opened without a password.
    #[error("is encrypted")]
    Encrypted,
    /// A book whose text only its shop's reader can show.
    #[error("is protected by its publisher (DRM)")]
    Protected,
    /// A document of pictures.
    #[error("is a scan: its pages ({pages}) are pictures without text")]
    Scan {
        /// How many pages.
        pages: usize,
    },
    /// A document in which no text is.
    #[error("holds no text")]
    NoText,
    /// An archive that unpacks to more than a document may have.
    #[error("unpacks to more than the {limit} bytes that one document may have")]
    Inflated {
        /// The limit, in bytes.
        limit: u64,
    },
    /// An archive of something else.
    #[error("is an archive, but no DOCX, ODT or EPUB document")]
    OtherArchive,
    /// One record of a file; the others are not touched by it.
    #[error("is not an article: {0}")]
    Record(String),
}

impl SourceError {
    pub(super) fn new(path: impl Into<String>, problem: Problem) -> SourceError {
        SourceError { path: path.into(), problem }
    }

    pub(super) fn io(path: impl Into<String>, error: io::Error) -> SourceError {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => Problem::Missing,
            _ => Problem::Unreadable(error),
        };
        SourceError::new(path, problem)
    }

    /// True when the rest of the same file is good.
    pub fn is_one_record(&self) -> bool {
        matches!(self.problem, Problem::Record(_))
    }
}

/// Lists what `inputs` name: files, folders (with everything beneath), patterns such as `news/**/*.txt`, and `-`.
pub fn find<S: AsRef<OsStr>>(inputs: &[S]) -> Found {
    let mut listing = Listing::default();
    for input in inputs {
        listing.add_input(input.as_ref());
    }
    listing.found
}

/// Says what a file is in words, when it is not a regular one.
pub(super) fn kind_if_not_regular(file_type: std::fs::FileType) -> Option<&'static str> {
    match () {
        () if file_type.is_file() => None,
        () if file_type.is_dir() => Some("a folder"),
        () if file_type.is_fifo() => Some("a pipe"),
        () if file_type.is_socket() => Some("a socket"),
        () => Some("a device"),
    }
}

pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[derive(Default)]
struct Listing {
    found: Found,
    seen: HashSet<PathBuf>,
    /// The names of the results in each folder, as its ledger has them; none without a ledger.
    outputs: HashMap<PathBuf, Option<HashSet<String>>>,
}

impl Listing {
    fn add_input(&mut self, input: &OsStr) {
        let path = Path::new(input);
        if input == "-" {
            if self.seen.insert(PathBuf::from("-")) {
                self.found.items.push(Item { shown: "-".to_owned(), path: None, real: PathBuf::from("-") });
            }
            return;
        }
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(path) => self.add_pattern(path),
            Err(error) => self.problem(path, error),
            Ok(_) => self.add_path(path),
        }
    }

    /// A path that somebody named: its links are followed, and its extension does not matter.
    fn add_path(&mut self, path: &Path) {
        let real_and_type = path.canonicalize().and_then(|real| Ok((real, path.metadata()?.file_type())));
        match real_and_type {
            Err(error) => self.problem(path, error),
            Ok((real, file_type)) if file_type.is_dir() => self.add_folder(path, &real),
            Ok((real, file_type)) => match kind_if_not_regular(file_type) {
                Some(kind) => self.not_a_file(path, kind),
                None => self.add_file(path.to_owned(), real),
            },
        }
    }

    fn add_folder(&mut self, folder: &Path, real_folder: &Path) {
        for entry in walk(folder).into_iter().filter_entry(is_visible) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    self.problem(&path, error.into());
                    continue;
                }
            };
            let file_type = entry.file_type();
            if file_type.is_dir() || entry.depth() == 0 {
                continue;
            }
            if !has_known_extension(entry.path()) {
                self.found.skipped.other_types.add(entry.path());
            } else if file_type.is_symlink() {
                self.found.skipped.links.add(entry.path());
            } else if let Some(kind) = kind_if_not_regular(file_type) {
                self.not_a_file(entry.path(), kind);
            } else {
                // No link was followed below the folder, so its real path is known without asking the system.
                let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                let real = real_folder.join(below);
                self.add_file(entry.into_path(), real);
            }
        }
    }

    /// Does what a shell does with a pattern, for those who quoted it or have no such shell.
    fn add_pattern(&mut self, pattern: &Path) {
        let Some(text) = pattern.to_str() else {
            return self.found.problems.push(SourceError::new(pattern.to_string_lossy(), Problem::Missing));
        };
        let matcher = match GlobBuilder::new(text).literal_separator(true).build() {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => {
                let problem = Problem::Pattern(error.kind().to_string());
                return self.found.problems.push(SourceError::new(text, problem));
            }
        };
        let fixed: PathBuf = pattern.components().take_while(|part| !is_pattern(part.as_ref())).collect();
        let n_varying = pattern.components().count() - fixed.components().count();
        let max_depth = if text.contains("**") { usize::MAX } else { n_varying };
        let base = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };

        let mut matched = Vec::new();
        for entry in walk(base).max_depth(max_depth).into_iter().filter_entry(is_visible) {
            match entry {
                // The walk of `.` says `./a.txt` where the pattern says `*.txt`.
                Ok(entry) => {
                    let path = entry.path().strip_prefix(".").unwrap_or(entry.path());
                    if matcher.is_match(path) {
                        matched.push(path.to_owned());
                    }
                }
                Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(base).to_owned();
                    self.problem(&path, error.into());
                }
            }
        }
        if matched.is_empty() {
            self.found.problems.push(SourceError::new(text, Problem::NoMatch));
        }
        for path in matched {
            self.add_path(&path);
        }
    }

    fn add_file(&mut self, path: PathBuf, real: PathBuf) {
        if self.is_output(&real) {
            self.found.skipped.outputs.add(&path);
        } else if self.seen.insert(real.clone()) {
            self.found.items.push(Item::of_path(path, real));
        }
    }

    /// Whether a file is a result of an earlier run or the ledger of one: read as an article it would be told again.
    fn is_output(&mut self, real: &Path) -> bool {
        let (Some(folder), Some(name)) = (real.parent(), real.file_name().and_then(OsStr::to_str)) else {
            return false;
        };
        let outputs = self.outputs.entry(folder.to_owned()).or_insert_with(|| results_in(folder));
        outputs.as_ref().is_some_and(|names| name == LEDGER || names.contains(name) || is_result_name(name))
    }

    fn problem(&mut self, path: &Path, error: io::Error) {
        self.found.problems.push(SourceError::io(path.to_string_lossy(), error));
    }

    fn not_a_file(&mut self, path: &Path, kind: &'static str) {
        self.found.problems.push(SourceError::new(path.to_string_lossy(), Problem::NotAFile(kind)));
    }
}

/// The results that the ledger of a folder names; none if it has no ledger of ours.
fn results_in(folder: &Path) -> Option<HashSet<String>> {
    #[derive(serde::Deserialize)]
    struct Line {
        schema: String,
        file: Option<String>,
    }
    let path = folder.join(LEDGER);
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let lines = BufReader::new(File::open(path).ok()?).split(b'\n').map_while(Result::ok);
    // A line that a crash tore is no line.
    let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(&line).ok());
    let mut ours = lines.filter(|line| line.schema.starts_with("precis/")).peekable();
    ours.peek()?;
    Some(ours.filter_map(|line| line.file).collect())
}

/// `harbour-school-1a2b3c4d.md`: a crash may leave a result that the ledger does not name yet.
fn is_result_name(name: &str) -> bool {
    let stem = name
        .strip_suffix(".txt")
        .or(name.strip_suffix(".md"))
        .or(name.strip_suffix(".json"))
        .or(name.strip_suffix(".html"));
    let hash = stem.and_then(|stem| stem.rsplit_once('-')).map_or("", |(_, hash)| hash);
    hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn walk(base: &Path) -> WalkDir {
    WalkDir::new(base).follow_links(false).sort_by_file_name()
}

fn is_visible(entry: &DirEntry) -> bool {
    entry.depth() == 0 || !entry.file_name().as_bytes().starts_with(b".")
}

fn is_pattern(path: &Path) -> bool {
    let is_meta = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'{');
    path.components().any(|part| match part {
        Component::Normal(name) => name.as_bytes().iter().any(is_meta),
        _ => false,
    })
}

fn has_known_extension(path: &Path) -> bool {
    extension(path).is_some_and(|found| EXTENSIONS.iter().any(|(known, _)| *known == found))
}

/// The extension in lower case.
pub(super) fn extension(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}
