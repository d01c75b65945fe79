//! The bytes of one file in, its articles out, as text, Markdown or HTML that `text` can read. Knows what containers look
//! like from outside; opens no file and judges no content.
//!
//! A name says what a file should be, its first bytes what it is: an `.html` may be a PDF, a `.txt` may hold subtitles.

use super::source::Problem;
use crate::text::decode::decode;
use crate::text::{Format, RawArticle};

mod feed;
mod mail;
mod markup;
mod office;
mod pdf;
mod reading_order;
pub(super) mod record;
mod subtitles;
mod table;

/// The extensions that are read in a folder, and what files so named should be.
pub(super) const EXTENSIONS: &[(&str, Shape)] = &[
    ("txt", Shape::Text(Format::Plain)),
    ("text", Shape::Text(Format::Plain)),
    ("md", Shape::Text(Format::Markdown)),
    ("markdown", Shape::Text(Format::Markdown)),
    ("html", Shape::Text(Format::Html)),
    ("htm", Shape::Text(Format::Html)),
    ("xhtml", Shape::Text(Format::Html)),
    ("json", Shape::Json),
    ("jsonl", Shape::Lines),
    ("ndjson", Shape::Lines),
    ("csv", Shape::Table),
    ("xml", Shape::Unknown),
    ("rss", Shape::Unknown),
    ("atom", Shape::Unknown),
    ("eml", Shape::Mail),
    ("mht", Shape::Mail),
    ("mhtml", Shape::Mail),
    ("mbox", Shape::Mailbox),
    ("srt", Shape::Subtitles),
    ("vtt", Shape::Subtitles),
    ("pdf", Shape::Pdf),
    ("docx", Shape::Zip),
    ("odt", Shape::Zip),
    ("epub", Shape::Zip),
];

/// How a file holds its articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The file is the article.
    Text(Format),
    /// One JSON object a line.
    Lines,
    /// A JSON document, or one object a line after all.
    Json,
    /// Rows of values under a row of names.
    Table,
    /// RSS, Atom.
    Feed,
    /// One message.
    Mail,
    /// Messages one after another, each under a line that begins with `From `.
    Mailbox,
    /// SubRip or WebVTT.
    Subtitles,
    /// A page description.
    Pdf,
    /// An archive with a document in it: DOCX, ODT, EPUB.
    Zip,
    /// Whatever its first bytes say.
    Unknown,
}

impl Shape {
    /// What a file is that has this extension, in lower case, and begins with these bytes.
    pub(super) fn of(extension: Option<&str>, head: &[u8]) -> Shape {
        let named = EXTENSIONS.iter().find(|(known, _)| Some(*known) == extension).map_or(Shape::Unknown, |it| it.1);
        match (sniff(head), named) {
            // What opens so is no text, whatever its name.
            (found @ (Shape::Pdf | Shape::Zip), _) => found,
            (found @ Shape::Subtitles, Shape::Text(Format::Plain)) => found,
            (found @ (Shape::Mail | Shape::Feed), Shape::Text(Format::Plain | Format::Html)) => found,
            (found, Shape::Unknown) => found,
            (_, named) => named,
        }
    }

    /// Whether one file of it may be larger than one article: pictures take room, and records are read one by one.
    pub(super) fn may_be_large(self) -> bool {
        matches!(self, Shape::Pdf | Shape::Zip | Shape::Mail | Shape::Mailbox | Shape::Feed | Shape::Table)
    }
}

/// The articles of a whole file that is neither a text nor JSON. The path of each is its name in the file: empty where
/// there is only one.
pub(super) fn articles(shape: Shape, bytes: &[u8]) -> Result<Vec<Result<RawArticle, String>>, Problem> {
    let text = || match decode(bytes, Format::Html) {
        Ok(decoded) => Ok(decoded.text),
        Err(refusal) => Err(Problem::Record(refusal.to_string())),
    };
    match shape {
        Shape::Table => table::articles(&text()?),
        Shape::Feed => feed::articles(&text()?),
        Shape::Mail => Ok(vec![mail::article(bytes, "")]),
        Shape::Mailbox => mail::articles(bytes),
        Shape::Subtitles => subtitles::article(&text()?).map(|article| vec![Ok(article)]),
        Shape::Pdf => pdf::article(bytes).map(|article| vec![Ok(article)]),
        Shape::Zip => office::articles(bytes),
        Shape::Text(format) => Ok(vec![Ok(RawArticle::new("", bytes, format))]),
        Shape::Lines | Shape::Json | Shape::Unknown => Ok(vec![Ok(RawArticle::new("", bytes, Format::Plain))]),
    }
}

/// What a file is by its first bytes alone.
pub(super) fn sniff(head: &[u8]) -> Shape {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let after = |n: usize| head.get(n..).unwrap_or_default().trim_ascii_start().first().copied();
    match head.first() {
        // A text may open with a bracket, but hardly with a bracket and then one of these.
        Some(b'{') if matches!(after(1), Some(b'"')) => Shape::Json,
        Some(b'[') if matches!(after(1), Some(b'{')) => Shape::Json,
        Some(b'<') if is_feed(head) => Shape::Feed,
        Some(b'<') if is_markup(head) => Shape::Text(Format::Html),
        Some(b'%') if head.starts_with(b"%PDF-") => Shape::Pdf,
        Some(b'P') if head.starts_with(b"PK\x03\x04") => Shape::Zip,
        Some(b'W' | b'0'..=b'9') if subtitles::is_head(head) => Shape::Subtitles,
        Some(first) if first.is_ascii_alphabetic() && mail::is_head(head) => Shape::Mail,
        _ => Shape::Text(Format::Plain),
    }
}

/// The elements that feeds are made of, within the first kilobyte or two.
fn is_feed(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&head[..head.len().min(2048)]).to_ascii_lowercase();
    ["<rss", "<feed", "<rdf:rdf"].iter().any(|root| head.contains(root)) && !head.contains("<html")
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
    let starts_with =
        |opening: &str| head.get(..opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(opening.as_bytes()));
    OPENINGS.iter().any(|opening| starts_with(opening))
}
