//! One item in, its articles out, one at a time. Knows files and JSON; does not look inside the text of an article.
//!
//! A text or HTML file is one article. A JSON file is an object or an array of objects, a JSONL file one object a
//! line; each object is an article if it has a text field. Memory is bounded by [`MAX_ARTICLE_BYTES`], not by the file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::source::{Item, Problem, SourceError, extension, kind_if_not_regular};
use crate::text::{Format, RawArticle};

/// The most bytes that one article may have: 32 MiB, a shelf of novels. Also the cap of one line of JSONL, and of a
/// JSON file that is not one object a line, since such a file can only be understood whole.
pub const MAX_ARTICLE_BYTES: u64 = 32 << 20;

const TEXT_FIELDS: [&str; 4] = ["text", "content", "body", "article"];
const TITLE_FIELDS: [&str; 2] = ["title", "headline"];
/// Beginnings of names, for `published`, `publishedAt`, `publish_date` and the like.
const DATE_FIELDS: [&str; 3] = ["date", "publish", "pubdate"];

/// What the system says about a file without its being read. Equal stamps mean equal bytes, but for a file that was
/// written within the clock's grain of being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its content was last changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When its content or its names were last changed; unlike `mtime_ns`, no program can set it.
    pub ctime_ns: i64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Item {
    /// The item's stamp; `None` for standard input, which has none.
    pub fn stamp(&self) -> Result<Option<Stamp>, SourceError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let metadata = path
            .metadata()
            .map_err(|error| SourceError::io(&self.shown, error))?;
        Ok(Some(Stamp::of(&metadata)))
    }

    /// The lowercase hex SHA-256 of a file's bytes. Not for standard input, which can be read only once.
    pub fn sha256(&self) -> Result<String, SourceError> {
        let mut bytes = self.open_bytes()?;
        io::copy(&mut bytes, &mut io::sink())
            .map_err(|error| SourceError::io(&self.shown, error))?;
        if bytes.changed() {
            return Err(SourceError::new(&self.shown, Problem::Changed));
        }
        Ok(bytes.sha256())
    }

    /// Opens the item for reading. Never waits for the other end of a pipe, and refuses what is not a regular file.
    pub fn open(&self) -> Result<Articles, SourceError> {
        let bytes = self.open_bytes()?;
        let shape = match self.path.as_deref().and_then(extension).as_deref() {
            Some("txt") => Shape::Whole(Format::Plain),
            Some("md" | "markdown") => Shape::Whole(Format::Markdown),
            Some("html" | "htm") => Shape::Whole(Format::Html),
            Some("jsonl" | "ndjson") => Shape::Lines,
            Some("json") => Shape::Json,
            _ => Shape::Unknown,
        };
        Ok(Articles::new(self.shown.clone(), bytes, shape))
    }

    fn open_bytes(&self) -> Result<Bytes, SourceError> {
        let Some(path) = &self.path else {
            return Ok(Bytes::of(Box::new(io::stdin()), None));
        };
        let unreadable = |error| SourceError::io(&self.shown, error);
        let regular = |metadata: &Metadata| match kind_if_not_regular(metadata.file_type()) {
            Some(kind) => Err(SourceError::new(&self.shown, Problem::NotAFile(kind))),
            None => Ok(()),
        };
        // Opening alone has effects on a device or a pipe, so ask first; and ask what was opened, since the name
        // may have been given to something else meanwhile.
        regular(&path.metadata().map_err(unreadable)?)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        regular(&metadata)?;
        let twin = file.try_clone().map_err(unreadable)?;
        Ok(Bytes::of(
            Box::new(file),
            Some((twin, Stamp::of(&metadata))),
        ))
    }
}

/// How a file holds its articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole(Format),
    Lines,
    Json,
    Unknown,
}

/// The articles of one item, read as they are asked for. Ends after an error that concerns the whole file.
pub struct Articles {
    shown: String,
    bytes: BufReader<Bytes>,
    stage: Stage,
}

enum Stage {
    /// Nothing was read.
    Start(Shape),
    /// One object a line.
    Lines {
        /// The line that comes next, from 1, if it was read already.
        pending: Option<Vec<u8>>,
        n_read: usize,
        n_records: usize,
        /// False when the file may also be one object, which then needs no number.
        numbered: bool,
    },
    /// The elements of an array.
    Elements(std::iter::Enumerate<std::vec::IntoIter<Value>>),
    Done,
}

impl Articles {
    /// Reads articles from any stream, `shown` being its name: what standard input is to the program.
    pub fn from_reader(shown: &str, reader: impl Read + Send + 'static) -> Articles {
        Articles::new(
            shown.to_owned(),
            Bytes::of(Box::new(reader), None),
            Shape::Unknown,
        )
    }

    /// The lowercase hex SHA-256 of the bytes read so far: of the whole file, once the articles are exhausted.
    pub fn sha256(&self) -> String {
        self.bytes.get_ref().sha256()
    }

    fn new(shown: String, bytes: Bytes, shape: Shape) -> Articles {
        Articles {
            shown,
            bytes: BufReader::with_capacity(64 << 10, bytes),
            stage: Stage::Start(shape),
        }
    }

    fn error(&self, problem: Problem) -> SourceError {
        SourceError::new(&self.shown, problem)
    }

    /// Takes the first step, when the layout becomes known.
    fn start(&mut self, shape: Shape) -> Result<Option<RawArticle>, SourceError> {
        if let Some(size) = self.bytes.get_ref().size()
            && shape != Shape::Lines
            && size > MAX_ARTICLE_BYTES
            && !self.looks_like_lines(shape)?
        {
            return Err(self.error(Problem::TooLarge { size }));
        }
        match shape {
            Shape::Whole(format) => self.whole(format).map(Some),
            Shape::Lines => {
                self.stage = Stage::Lines {
                    pending: None,
                    n_read: 0,
                    n_records: 0,
                    numbered: true,
                };
                Ok(None)
            }
            Shape::Json => self.json(),
            Shape::Unknown => match sniff(self.peek()?) {
                Shape::Json => self.json(),
                Shape::Whole(format) => self.whole(format).map(Some),
                Shape::Lines | Shape::Unknown => self.whole(Format::Plain).map(Some),
            },
        }
    }

    fn peek(&mut self) -> Result<&[u8], SourceError> {
        self.bytes
            .fill_buf()
            .map_err(|error| SourceError::io(&self.shown, error))
    }

    fn looks_like_lines(&mut self, shape: Shape) -> Result<bool, SourceError> {
        let head = self.peek()?;
        Ok(shape == Shape::Json || shape == Shape::Unknown && sniff(head) == Shape::Json)
    }

    /// Tells one object a line, which can be streamed, from a document that must be read whole.
    fn json(&mut self) -> Result<Option<RawArticle>, SourceError> {
        let first = match self.line()? {
            Line::End => return Err(self.error(Problem::NoRecord)),
            Line::Whole(line) => line,
            // A document without line breaks: it is whole once it fits.
            Line::TooLong { size, .. } => return Err(self.error(Problem::TooLarge { size })),
        };
        if serde_json::from_slice::<Map<String, Value>>(without_mark(&first)).is_ok() {
            self.stage = Stage::Lines {
                pending: Some(first),
                n_read: 0,
                n_records: 0,
                numbered: false,
            };
            return Ok(None);
        }
        let mut document = first;
        document.push(b'\n');
        self.rest(&mut document)?;
        match serde_json::from_slice(without_mark(&document)) {
            Ok(Value::Array(elements)) if elements.is_empty() => Err(self.error(Problem::NoRecord)),
            Ok(Value::Array(elements)) => {
                self.stage = Stage::Elements(elements.into_iter().enumerate());
                Ok(None)
            }
            Ok(record) => article(record, &self.shown, None).map(Some),
            Err(error) => Err(self.error(Problem::Record(error.to_string()))),
        }
    }

    fn whole(&mut self, format: Format) -> Result<RawArticle, SourceError> {
        let mut bytes = Vec::new();
        self.rest(&mut bytes)?;
        Ok(RawArticle {
            path: self.shown.clone(),
            bytes,
            format,
            title: None,
            date: None,
        })
    }

    /// Reads all that is left, refusing more than one article may have.
    fn rest(&mut self, bytes: &mut Vec<u8>) -> Result<(), SourceError> {
        let room = (MAX_ARTICLE_BYTES + 1).saturating_sub(bytes.len() as u64);
        let read = self.bytes.by_ref().take(room).read_to_end(bytes);
        read.map_err(|error| SourceError::io(&self.shown, error))?;
        match bytes.len() as u64 {
            size if size > MAX_ARTICLE_BYTES => Err(self.error(Problem::TooLarge { size })),
            _ if self.bytes.get_ref().changed() => Err(self.error(Problem::Changed)),
            _ => Ok(()),
        }
    }

    /// Reads a line without its end; of one that is too long, counts the bytes.
    fn line(&mut self) -> Result<Line, SourceError> {
        let mut line = Vec::new();
        let mut size = 0_u64;
        let mut binary = false;
        loop {
            let buffer = self
                .bytes
                .fill_buf()
                .map_err(|error| SourceError::io(&self.shown, error))?;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let at_end_of_file = buffer.is_empty();
            size += part.len() as u64;
            if size <= MAX_ARTICLE_BYTES {
                line.extend_from_slice(part);
            } else {
                line = Vec::new();
            }
            // JSON has no NUL: a file of them, sparse perhaps, need not be read to its far end.
            binary |= part.contains(&0);
            let n_used = part.len() + usize::from(end.is_some());
            self.bytes.consume(n_used);
            let over = size > MAX_ARTICLE_BYTES;
            match () {
                () if at_end_of_file && size == 0 => return Ok(Line::End),
                () if over && (binary || at_end_of_file || end.is_some()) => {
                    return Ok(Line::TooLong { size, binary });
                }
                () if at_end_of_file || end.is_some() => return Ok(Line::Whole(line)),
                () => {}
            }
        }
    }

    /// The next record of a file of lines.
    fn next_line_record(&mut self) -> Result<Option<RawArticle>, SourceError> {
        loop {
            let Stage::Lines { pending, .. } = &mut self.stage else {
                return Ok(None);
            };
            let line = match pending.take() {
                Some(line) => Line::Whole(line),
                None => self.line()?,
            };
            let at_end_of_file = self.peek()?.is_empty();
            let Stage::Lines {
                n_read,
                n_records,
                numbered,
                ..
            } = &mut self.stage
            else {
                return Ok(None);
            };
            *n_read += 1;
            let line_number = *n_read;
            let line = match line {
                Line::Whole(line) => line,
                Line::TooLong { size, binary: true } => {
                    return Err(self.error(Problem::TooLarge { size }));
                }
                Line::TooLong {
                    size,
                    binary: false,
                } => {
                    *n_records += 1;
                    let why = format!("the line has {size} bytes, more than {MAX_ARTICLE_BYTES}");
                    return Err(SourceError::new(
                        format!("{}#{line_number}", self.shown),
                        Problem::Record(why),
                    ));
                }
                Line::End if self.bytes.get_ref().changed() => {
                    return Err(self.error(Problem::Changed));
                }
                Line::End if *n_records == 0 => return Err(self.error(Problem::NoRecord)),
                Line::End => {
                    self.stage = Stage::Done;
                    return Ok(None);
                }
            };
            let line = if line_number == 1 {
                without_mark(&line)
            } else {
                &line
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let alone = !*numbered && *n_records == 0 && at_end_of_file;
            *n_records += 1;
            let number = (!alone).then_some(line_number);
            return match serde_json::from_slice(line) {
                Ok(record) => article(record, &self.shown, number).map(Some),
                Err(error) => {
                    let path = format!("{}#{line_number}", self.shown);
                    Err(SourceError::new(
                        path,
                        Problem::Record(format!("the line is not valid JSON: {error}")),
                    ))
                }
            };
        }
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong { size: u64, binary: bool },
    End,
}

impl Iterator for Articles {
    type Item = Result<RawArticle, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Done => return None,
            Stage::Start(shape) => match self.start(shape) {
                // Only the layout became known: now the first record.
                Ok(None) => return self.next(),
                step => step,
            },
            stage @ Stage::Lines { .. } => {
                self.stage = stage;
                self.next_line_record()
            }
            Stage::Elements(mut elements) => {
                let (element_idx, record) = elements.next()?;
                self.stage = Stage::Elements(elements);
                article(record, &self.shown, Some(element_idx + 1)).map(Some)
            }
        };
        if step.as_ref().is_err_and(|error| !error.is_one_record()) {
            self.stage = Stage::Done;
        }
        step.transpose()
    }
}

/// Makes an article of a JSON object. `number` is that of its line or element, `None` when it is alone in its file.
fn article(record: Value, shown: &str, number: Option<usize>) -> Result<RawArticle, SourceError> {
    let numbered = |number: usize| format!("{shown}#{number}");
    let refuse = |why: String| {
        let path = number.map_or(shown.to_owned(), numbered);
        Err(SourceError::new(path, Problem::Record(why)))
    };
    let Value::Object(mut fields) = record else {
        return refuse("it is not a JSON object".to_owned());
    };
    let Some(text) = TEXT_FIELDS
        .iter()
        .find_map(|&name| take_text(&mut fields, |field| field == name))
    else {
        return refuse(format!(
            "none of its fields is a text named {}",
            TEXT_FIELDS.join(", ")
        ));
    };
    let title = TITLE_FIELDS
        .iter()
        .find_map(|&name| take_text(&mut fields, |field| field == name));
    let date = DATE_FIELDS
        .iter()
        .find_map(|&name| take_text(&mut fields, |field| field.starts_with(name)));
    let path = match (number, fields.get("id")) {
        (None, _) => shown.to_owned(),
        (Some(_), Some(Value::String(id))) if !id.is_empty() => format!("{shown}#{id}"),
        (Some(_), Some(Value::Number(id))) => format!("{shown}#{id}"),
        (Some(number), _) => numbered(number),
    };
    let format = match sniff(text.as_bytes()) {
        Shape::Whole(format) => format,
        _ => Format::Plain,
    };
    Ok(RawArticle {
        path,
        bytes: text.into_bytes(),
        format,
        title,
        date,
    })
}

/// Takes the first field that is a text with something in it and whose name, in lower case, is wanted.
fn take_text(fields: &mut Map<String, Value>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    fields.iter_mut().find_map(|(name, value)| match value {
        Value::String(text) if !text.trim().is_empty() && wanted(&name.to_ascii_lowercase()) => {
            Some(std::mem::take(text))
        }
        _ => None,
    })
}

/// Guesses a layout from the first bytes.
fn sniff(head: &[u8]) -> Shape {
    let head = without_mark(head).trim_ascii_start();
    let after = |n: usize| {
        head.get(n..)
            .unwrap_or_default()
            .trim_ascii_start()
            .first()
            .copied()
    };
    match head.first() {
        // A text may open with a bracket, but hardly with a bracket and then one of these.
        Some(b'{') if matches!(after(1), Some(b'"')) => Shape::Json,
        Some(b'[') if matches!(after(1), Some(b'{')) => Shape::Json,
        Some(b'<') if is_markup(head) => Shape::Whole(Format::Html),
        _ => Shape::Whole(Format::Plain),
    }
}

fn is_markup(head: &[u8]) -> bool {
    const OPENINGS: [&str; 14] = [
        "<!doctype",
        "<html",
        "<head",
        "<body",
        "<?xml",
        "<!--",
        "<article",
        "<div",
        "<p>",
        "<p ",
        "<h1",
        "<section",
        "<main",
        "<meta",
    ];
    let starts_with = |opening: &&str| {
        head.get(..opening.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(opening.as_bytes()))
    };
    OPENINGS.iter().any(|opening| starts_with(&opening))
}

/// Drops the UTF-8 byte order mark, which JSON does not allow.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// A stream that hashes what passes through and, when it is a file, notices that it was changed.
struct Bytes {
    inner: Box<dyn Read + Send>,
    hash: Sha256,
    file: Option<(File, Stamp)>,
}

impl Bytes {
    fn of(inner: Box<dyn Read + Send>, file: Option<(File, Stamp)>) -> Bytes {
        Bytes {
            inner,
            hash: Sha256::new(),
            file,
        }
    }

    fn size(&self) -> Option<u64> {
        self.file.as_ref().map(|(_, stamp)| stamp.size)
    }

    fn changed(&self) -> bool {
        let Some((file, before)) = &self.file else {
            return false;
        };
        // The times of a file that somebody else renames or links meanwhile change too, but not its bytes.
        let same = |after: Stamp| after.size == before.size && after.mtime_ns == before.mtime_ns;
        !file
            .metadata()
            .is_ok_and(|metadata| same(Stamp::of(&metadata)))
    }

    fn sha256(&self) -> String {
        self.hash
            .clone()
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n_read]);
        Ok(n_read)
    }
}
