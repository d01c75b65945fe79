//! One item in, its articles out, one at a time. Knows files and JSON; does not look inside the text of an article.
//!
//! A text or HTML file is one article. A JSON file is an object or an array of objects, a JSONL file one object a
//! line; each object is an article if it has a text field. Memory is bounded by [`MAX_ARTICLE_BYTES`], not by the file.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Map, Value};

use super::bytes::Bytes;
use super::layout::{Shape, article, sniff, without_mark};
use super::source::{Item, Problem, SourceError, extension};
use crate::text::{Format, RawArticle, decode};

/// The most bytes that one article may have. Also the cap of one line of JSONL, and of a JSON file that is not one
/// object a line, since such a file can only be understood whole.
pub const MAX_ARTICLE_BYTES: u64 = decode::MAX_BYTES as u64;

impl Item {
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
    Lines(Lines),
    /// The elements of an array.
    Elements(std::iter::Enumerate<std::vec::IntoIter<Value>>),
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
        Articles::new(shown.to_owned(), Bytes::of(Box::new(reader), None), Shape::Unknown)
    }

    /// The lowercase hex SHA-256 of the bytes read so far: of the whole file, once the articles are exhausted.
    pub fn sha256(&self) -> String {
        self.bytes.get_ref().sha256()
    }

    fn new(shown: String, bytes: Bytes, shape: Shape) -> Articles {
        Articles { shown, bytes: BufReader::with_capacity(64 << 10, bytes), stage: Stage::Start(shape) }
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
                self.stage = Stage::Lines(Lines::default());
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
        self.bytes.fill_buf().map_err(|error| SourceError::io(&self.shown, error))
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
            self.stage = Stage::Lines(Lines { pending: Some(first), maybe_alone: true, ..Lines::default() });
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
        Ok(RawArticle { path: self.shown.clone(), bytes, format, title: None, date: None })
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
            let buffer = self.bytes.fill_buf().map_err(|error| SourceError::io(&self.shown, error))?;
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
    fn next_line(&mut self, mut lines: Lines) -> Result<Option<RawArticle>, SourceError> {
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
                Line::End => return Ok(None),
                Line::TooLong { size, binary: true } => {
                    return Err(self.error(Problem::TooLarge { size }));
                }
                Line::TooLong { size, binary: false } => {
                    Err(format!("the line has {size} bytes, more than {MAX_ARTICLE_BYTES}"))
                }
                Line::Whole(line) => match without_mark(&line).trim_ascii() {
                    [] => continue,
                    line => {
                        serde_json::from_slice(line).map_err(|error| format!("the line is not valid JSON: {error}"))
                    }
                },
            };
            lines.n_records += 1;
            let number = lines.n_read;
            let is_alone = lines.maybe_alone && lines.n_records == 1 && self.peek()?.is_empty();
            self.stage = Stage::Lines(lines);
            return match record {
                Ok(record) => article(record, &self.shown, (!is_alone).then_some(number)).map(Some),
                Err(why) => Err(SourceError::new(format!("{}#{number}", self.shown), Problem::Record(why))),
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
            Stage::Lines(lines) => self.next_line(lines),
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
