//! One JSON object in, one article out; and a guess at a layout from its first bytes. Reads nothing itself.

use serde_json::{Map, Value};

use super::source::{Problem, SourceError};
use crate::text::{Format, RawArticle};

const TEXT_FIELDS: [&str; 4] = ["text", "content", "body", "article"];
const TITLE_FIELDS: [&str; 2] = ["title", "headline"];
/// Beginnings of names, for `published`, `publishedAt`, `publish_date` and the like.
const DATE_FIELDS: [&str; 3] = ["date", "publish", "pubdate"];

/// How a file holds its articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Whole(Format),
    Lines,
    Json,
    Unknown,
}

/// Makes an article of a JSON object. `number` is that of its line or element, `None` when it is alone in its file.
pub(super) fn article(record: Value, shown: &str, number: Option<usize>) -> Result<RawArticle, SourceError> {
    let numbered = |number: usize| format!("{shown}#{number}");
    let refuse = |why: String| {
        let path = number.map_or(shown.to_owned(), numbered);
        Err(SourceError::new(path, Problem::Record(why)))
    };
    let Value::Object(mut fields) = record else {
        return refuse("it is not a JSON object".to_owned());
    };
    let Some(text) = TEXT_FIELDS.iter().find_map(|&name| take_text(&mut fields, |field| field == name)) else {
        return refuse(format!("none of its fields is a text named {}", TEXT_FIELDS.join(", ")));
    };
    let title = TITLE_FIELDS.iter().find_map(|&name| take_text(&mut fields, |field| field == name));
    let date = DATE_FIELDS.iter().find_map(|&name| take_text(&mut fields, |field| field.starts_with(name)));
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
    Ok(RawArticle { path, bytes: text.into_bytes(), format, title, date })
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
pub(super) fn sniff(head: &[u8]) -> Shape {
    let head = without_mark(head).trim_ascii_start();
    let after = |n: usize| head.get(n..).unwrap_or_default().trim_ascii_start().first().copied();
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
    let starts_with =
        |opening: &str| head.get(..opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(opening.as_bytes()));
    OPENINGS.iter().any(|opening| starts_with(opening))
}

/// Drops the UTF-8 byte order mark, which JSON does not allow.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}
