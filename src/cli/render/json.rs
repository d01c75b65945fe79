//! Values in, one JSON object on one line out, in which nothing can drive a terminal. What results hold is in `record`.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::record::ErrorRecord;
use super::sanitize;
use crate::text::{Article, Lang, SetAside};

/// `precis/error/1`.
pub(crate) fn error(path: &str, error: &str) -> String {
    to_line(&ErrorRecord { path: path.to_owned(), error: error.to_owned() })
}

/// `precis/skipped/1`: files passed over for one reason; the first of them are named.
pub(crate) fn skipped(why: &str, files: usize, names: &[String]) -> String {
    to_line(&SkippedLine { schema: "precis/skipped/1", why, files, names })
}

/// `precis/article/1`: what `precis show` shows.
pub(crate) fn article(article: &Article) -> String {
    let kept = |(idx, s): (usize, &crate::text::Sentence)| SentenceObject {
        sentence: idx + 1,
        start: s.start,
        end: s.end,
        kind: s.kind,
        text: article.sentence(idx),
    };
    to_line(&ArticleLine {
        schema: "precis/article/1",
        path: &article.path,
        sha256: &article.sha256,
        title: article.title.as_deref(),
        byline: article.byline.as_deref(),
        date: article.date.as_deref(),
        lang: article.lang,
        foreign: article.foreign,
        encoding: article.encoding,
        undecodable: article.replaced,
        second_hand: article.second_hand,
        sentences: article.sentences.iter().enumerate().map(kept).collect(),
        set_aside: &article.set_aside,
    })
}

/// Any value as one line of JSON that cannot drive a terminal when somebody looks at it.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Inert);
    value.serialize(&mut serializer).expect("no value of ours has keys that JSON lacks");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

#[derive(Serialize)]
struct SkippedLine<'a> {
    schema: &'static str,
    why: &'a str,
    files: usize,
    names: &'a [String],
}

#[derive(Serialize)]
struct ArticleLine<'a> {
    schema: &'static str,
    path: &'a str,
    sha256: &'a str,
    title: Option<&'a str>,
    byline: Option<&'a str>,
    date: Option<&'a str>,
    lang: Lang,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign: Option<&'a str>,
    encoding: &'static str,
    undecodable: usize,
    second_hand: bool,
    sentences: Vec<SentenceObject<'a>>,
    set_aside: &'a [SetAside],
}

#[derive(Serialize)]
struct SentenceObject<'a> {
    sentence: usize,
    start: usize,
    end: usize,
    kind: crate::text::BlockKind,
    text: &'a str,
}

/// JSON that escapes all that `sanitize` would take out; a program reads it back unchanged.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| sanitize::is_unsafe(*c)) {
            writer.write_all(&fragment.as_bytes()[plain_from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_escaped_and_read_back_unchanged() {
        let all: String = (0..=0x10ffff).filter_map(char::from_u32).collect();
        let line = error("p\u{1b}[31m\n", &all);
        assert!(line.ends_with("}\n"));
        assert!(!line.trim_end().chars().any(sanitize::is_unsafe));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["error"], all);
        assert_eq!(read["path"], "p\u{1b}[31m\n");
    }
}
