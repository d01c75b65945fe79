//! One item in, its articles out, one at a time. Knows how files are read and how articles in them are named; what is in
//! a file is told by `formats`.
//!
//! Memory is bounded by [`MAX_ARTICLE_BYTES`] an article and [`MAX_DOCUMENT_BYTES`] a document, not by the file.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead, BufReader, Cursor, Read};

use serde_json::Value;

use super::bytes::Bytes;
use super::formats::{self, Shape, record};
use super::source::{Item, Problem, SourceError, extension};
use crate::text::{Format, RawArticle, decode};

/// The most bytes that one article may have. Also the cap of one line of JSONL, and of a JSON file that is not one
/// object a line, since such a file can only be understood whole.
pub const MAX_ARTICLE_BYTES: u64 = decode::MAX_BYTES as u64;
/// The most bytes of a document that holds more than its text: pictures and fonts, or many articles.
pub const MAX_DOCUMENT_BYTES: u64 = 128 << 20;

impl Item {
    /// Opens the item for reading. Never waits for the other end of a pipe, and refuses what is not a regular file.
    pub fn open(&self) -> Result<Articles, SourceError> {
        let bytes = self.open_bytes()?;
        Ok(Articles::new(self.shown.clone(), bytes, self.path.as_deref().and_then(extension)))
    }
}

/// The articles of one item, read as they are asked for. Ends after an error that concerns the whole file.
pub struct Articles {
    shown: String,
    extension: Option<String>,
    bytes: BufReader<Bytes>,
    /// The whole file in UTF-8, where its own charset does not keep line breaks a byte.
    decoded: Option<Cursor<Vec<u8>>>,
    stage: Stage,
    /// What was read and is not asked for yet.
    ready: VecDeque<Result<RawArticle, SourceError>>,
    /// Hashes of the names given so far.
    names: HashSet<u64>,
}

enum Stage {
    /// Nothing was read.
    Start,
    /// One object a line.
    Lines(Lines),
    Done,
}

/// How far a file of lines was read.
#[derive(Default)]
struct Lines {
    /// The first line, if it was read already to learn the layout.
    pending: Option<Vec<u8>>,
    /// Lines read, whatever they held.
    n_read: usize,
    /// Those that were not blank.
    n_records: usize,
    /// True when the file may be a single object after all, which then needs no number.
    maybe_alone: bool,
}

impl Articles {
    /// Reads articles from any stream, `shown` being its name: what standard input is to the program.
    pub fn from_reader(shown: &str, reader: impl Read + Send + 'static) -> Articles {
        Articles::new(shown.to_owned(), Bytes::of(Box::new(reader), None), None)
    }

    /// The lowercase hex SHA-256 of the bytes read so far: of the whole file, once the articles are exhausted.
    pub fn sha256(&self) -> String {
        self.bytes.get_ref().sha256()
    }

    fn new(shown: String, bytes: Bytes, extension: Option<String>) -> Articles {
        let bytes = BufReader::with_capacity(64 << 10, bytes);
        let (ready, names) = (VecDeque::new(), HashSet::new());
        Articles { shown, extension, bytes, decoded: None, stage: Stage::Start, ready, names }
    }

    fn error(&self, problem: Problem) -> SourceError {
        SourceError::new(&self.shown, problem)
    }

    fn io_error(&self, error: io::Error) -> SourceError {
        SourceError::io(&self.shown, error)
    }

    /// Takes the first step, when the layout becomes known.
    fn start(&mut self) -> Result<(), SourceError> {
        let extension = self.extension.take();
        let shape = Shape::of(extension.as_deref(), self.peek()?);
        let is_wide = matches!(self.peek()?, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, ..] | [1..=255, 0, ..]);
        if let Some(size) = self.bytes.get_ref().size()
            && !matches!(shape, Shape::Lines | Shape::Json)
            && size > limit_of(shape)
        {
            return Err(self.error(Problem::TooLarge { size, limit: limit_of(shape) }));
        }
        if is_wide && matches!(shape, Shape::Lines | Shape::Json) {
            let bytes = self.rest(Vec::new(), MAX_DOCUMENT_BYTES)?;
            // The halves of a line feed are no line's end in UTF-16.
            let decoded = decode::decode_large(&bytes, Format::Plain)
                .map_err(|refusal| self.error(Problem::Record(refusal.to_string())))?;
            self.decoded = Some(Cursor::new(decoded.text.into_bytes()));
        }
        match shape {
            Shape::Lines => self.stage = Stage::Lines(Lines::default()),
            Shape::Json => self.json()?,
            _ => {
                let bytes = self.rest(Vec::new(), limit_of(shape))?;
                let articles = formats::articles(shape, &bytes).map_err(|problem| self.error(problem))?;
                if let [Err(why), _, ..] = &articles[..]
                    && articles.iter().all(Result::is_err)
                {
                    return Err(self.error(Problem::Record(format!("{why}, and so it is with all {}", articles.len()))));
                }
                if articles.is_empty() {
                    return Err(self.error(Problem::NoRecord));
                }
                for article in articles {
                    let name = article.as_ref().map_or(String::new(), |article| article.path.clone());
                    self.add(name, article);
                }
            }
        }
        Ok(())
    }

    /// Gives an article its name: that of the file, and behind it its own there, made unlike all before.
    fn add(&mut self, name: String, article: Result<RawArticle, String>) {
        let mut is_new = |name: &str| self.names.insert(BuildHasherDefault::<DefaultHasher>::default().hash_one(name));
        let twins = (2..).map(|n| format!("{name}~{n}"));
        let name = std::iter::once(name.clone()).chain(twins).find(|name| is_new(name)).unwrap_or_default();
        let path = if name.is_empty() { self.shown.clone() } else { format!("{}#{name}", self.shown) };
        self.ready.push_back(match article {
            Ok(article) => Ok(RawArticle { path, ..article }),
            Err(why) => Err(SourceError::new(path, Problem::Record(why))),
        });
    }

    fn peek(&mut self) -> Result<&[u8], SourceError> {
        let peeked = match &mut self.decoded {
            Some(decoded) => decoded.fill_buf(),
            None => self.bytes.fill_buf(),
        };
        peeked.map_err(|error| SourceError::io(&self.shown, error))
    }

    fn consume(&mut self, n_bytes: usize) {
        match &mut self.decoded {
            Some(decoded) => decoded.consume(n_bytes),
            None => self.bytes.consume(n_bytes),
        }
    }

    /// Tells one object a line, which can be streamed, from a document that must be read whole.
    fn json(&mut self) -> Result<(), SourceError> {
        let first = match self.line()? {
            Line::End => return Err(self.error(Problem::NoRecord)),
            Line::Whole(line) => line,
            // A document without line breaks: it is whole once it fits.
            Line::TooLong { size, .. } => return Err(self.error(Problem::TooLarge { size, limit: MAX_ARTICLE_BYTES })),
        };
        if matches!(record::parse(&first), Ok(Value::Object(_))) {
            self.stage = Stage::Lines(Lines { pending: Some(first), maybe_alone: true, ..Lines::default() });
            return Ok(());
        }
        let mut document = first;
        document.push(b'\n');
        let document = self.rest(document, MAX_ARTICLE_BYTES)?;
        match record::parse(&document) {
            Ok(Value::Array(elements)) if elements.is_empty() => Err(self.error(Problem::NoRecord)),
            Ok(value) => {
                record::articles(value, None).into_iter().for_each(|(name, article)| self.add(name, article));
                Ok(())
            }
            Err(error) => Err(self.error(Problem::Record(error))),
        }
    }

    /// Reads all that is left, refusing more than `limit` bytes.
    fn rest(&mut self, mut bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, SourceError> {
        let room = (limit + 1).saturating_sub(bytes.len() as u64);
        let read = match &mut self.decoded {
            Some(decoded) => decoded.take(room).read_to_end(&mut bytes),
            None => self.bytes.by_ref().take(room).read_to_end(&mut bytes),
        };
        read.map_err(|error| self.io_error(error))?;
        match bytes.len() as u64 {
            size if size > limit => Err(self.error(Problem::TooLarge { size, limit })),
            _ if self.bytes.get_ref().changed() => Err(self.error(Problem::Changed)),
            _ => Ok(bytes),
        }
    }

    /// Reads a line without its end; of one that is too long, counts the bytes.
    fn line(&mut self) -> Result<Line, SourceError> {
        let mut line = Vec::new();
        let mut size = 0_u64;
        let mut binary = false;
        loop {
            let buffer = self.peek()?;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let at_end_of_file = buffer.is_empty();
            size += part.len() as u64;
            if size <= MAX_ARTICLE_BYTES {
                line.extend_from_slice(part);
            } else {
                line = Vec::new();
            }
            // JSON has hardly a NUL: a file of them, sparse perhaps, need not be read to its far end.
            binary |= part.contains(&0);
            let n_used = part.len() + usize::from(end.is_some());
            self.consume(n_used);
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
    fn next_line(&mut self, mut lines: Lines) -> Result<(), SourceError> {
        loop {
            let line = match lines.pending.take() {
                Some(line) => Line::Whole(line),
                None => self.line()?,
            };
            lines.n_read += 1;
            let record: Result<Value, String> = match line {
                Line::End if self.bytes.get_ref().changed() => {
                    return Err(self.error(Problem::Changed));
                }
                Line::End if lines.n_records == 0 => return Err(self.error(Problem::NoRecord)),
                Line::End => return Ok(()),
                Line::TooLong { size, binary: true } => {
                    return Err(self.error(Problem::TooLarge { size, limit: MAX_ARTICLE_BYTES }));
                }
                Line::TooLong { size, binary: false } => {
                    Err(format!("the line has {size} bytes, more than {MAX_ARTICLE_BYTES}"))
                }
                Line::Whole(line) => match line.trim_ascii() {
                    [] => continue,
                    line => record::parse(line).map_err(|error| format!("the line is not valid JSON: {error}")),
                },
            };
            lines.n_records += 1;
            let number = lines.n_read;
            let is_alone = lines.maybe_alone && lines.n_records == 1 && self.peek()?.is_empty();
            self.stage = Stage::Lines(lines);
            match record {
                Ok(record) => record::articles(record, (!is_alone).then_some(number))
                    .into_iter()
                    .for_each(|(name, article)| self.add(name, article)),
                Err(why) => self.add(number.to_string(), Err(why)),
            }
            return Ok(());
        }
    }
}

fn limit_of(shape: Shape) -> u64 {
    if shape.may_be_large() { MAX_DOCUMENT_BYTES } else { MAX_ARTICLE_BYTES }
}

enum Line {
    Whole(Vec<u8>),
    TooLong { size: u64, binary: bool },
    End,
}

impl Iterator for Articles {
    type Item = Result<RawArticle, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(article) = self.ready.pop_front() {
                return Some(article);
            }
            let step = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Done => return None,
                Stage::Start => self.start(),
                Stage::Lines(lines) => self.next_line(lines),
            };
            if let Err(error) = step {
                self.stage = Stage::Done;
                return Some(Err(error));
            }
        }
    }
}
