//! JSON in, as programs really write it; articles out. Knows the names that feeds, sites and reading apps give to the
//! fields of an article; reads nothing itself.

use serde_json::{Map, Value};

use super::markup;
use crate::corpus::date::Date;
use crate::text::decode::decode;
use crate::text::{Format, RawArticle};

/// Names of fields, in lower case and without `_` and `-`; the first that has a text wins.
const TEXTS: &[&str] = &[
    "text",
    "content",
    "body",
    "article",
    "contenthtml",
    "htmlcontent",
    "bodyhtml",
    "html",
    "contenttext",
    "articlebody",
    "fulltext",
    "highlight",
    "selection",
    "description",
];
const TITLES: &[&str] = &["title", "headline", "booktitle", "name"];
const AUTHORS: &[&str] = &["author", "authors", "byline", "bookauthor", "creator"];
/// Beginnings of such names; a field of publication goes before any other.
const DATES: &[&str] = &["datepub", "pub", "date", "created", "savedat", "highlightedat"];

/// One JSON value. What strict readers refuse is mended where its meaning is plain: other charsets, NUL bytes, half
/// surrogates, `NaN`.
pub(in crate::corpus) fn parse(json: &[u8]) -> Result<Value, String> {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let decoded = decode(json, Format::Plain).map_err(|_| error.to_string())?;
    serde_json::from_str(&mended(&decoded.text)).map_err(|error| error.to_string())
}

/// JSON without what strict readers refuse and others write.
fn mended(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        let escape = |at: usize| {
            let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let (written, n_bytes) = match c {
            '"' => {
                in_string = !in_string;
                ("\"", 1)
            }
            '\\' if in_string => match (escape(0), escape(6)) {
                (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (&rest[..12], 12),
                (Some(0xd800..0xe000), _) => ("\u{fffd}", 6),
                _ => {
                    let n_bytes = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                    (&rest[..n_bytes], n_bytes)
                }
            },
            _ if in_string && c.is_ascii_control() => (" ", 1),
            _ if !in_string && rest.starts_with("NaN") => ("null", 3),
            _ if !in_string && rest.starts_with("-Infinity") => ("null", 9),
            _ if !in_string && rest.starts_with("Infinity") => ("null", 8),
            _ => (&rest[..c.len_utf8()], c.len_utf8()),
        };
        out.push_str(written);
        rest = &rest[n_bytes..];
    }
    out
}

/// The articles of a JSON value: of an object with a text, of each element of an array, or of the array of objects in an
/// object (`items`, `results`, `posts`). The path of each is its name in the file; `number` is that of the line.
pub(in crate::corpus) fn articles(value: Value, number: Option<usize>) -> Vec<(String, Result<RawArticle, String>)> {
    let number_name = || number.map(|number| number.to_string()).unwrap_or_default();
    match value {
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            let numbered = elements.into_iter().enumerate();
            numbered.flat_map(|(idx, element)| articles(element, Some(idx + 1))).collect()
        }
        Value::Object(mut fields) => {
            let name = match fields.get("id") {
                Some(Value::String(id)) if is_name(id) => id.clone(),
                Some(Value::Number(id)) => id.to_string(),
                _ => number_name(),
            };
            let name = if number.is_none() { String::new() } else { name };
            let title = first_text(&mut fields, TITLES);
            if let Some(article) = article(&mut fields, title) {
                return vec![(name, Ok(article))];
            }
            let list = fields
                .values_mut()
                .find(|value| value.as_array().is_some_and(|list| list.iter().any(Value::is_object)));
            match list.map(Value::take) {
                Some(list) => articles(list, number),
                None => vec![(name, Err(format!("none of its fields is a text named {}", TEXTS[..4].join(", "))))],
            }
        }
        _ => vec![(number_name(), Err("it is not a JSON object".to_owned()))],
    }
}

/// Whether an id can stand behind a file's name: the address of a page is no name for people.
fn is_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= 40 && !id.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
}

fn article(fields: &mut Map<String, Value>, title: Option<String>) -> Option<RawArticle> {
    let text = first_text(fields, TEXTS).or_else(|| highlights(fields))?;
    let date = dates(fields);
    let byline = first_text(fields, AUTHORS).map(|author| markup::line(&author)).filter(|author| !author.is_empty());
    let (text, format) = markup::body(text);
    let title = title.map(|title| markup::line(&title));
    Some(RawArticle { title, byline, date, ..RawArticle::new("", text, format) })
}

/// What a reader marked in a book or an article, one mark a paragraph.
fn highlights(fields: &Map<String, Value>) -> Option<String> {
    let marks = fields.get("highlights")?.as_array()?;
    let texts: Vec<String> =
        marks.iter().filter_map(|mark| first_text(&mut mark.as_object()?.clone(), TEXTS)).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// The first of the fields named so that has a text in it.
fn first_text(fields: &mut Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let named = fields.iter_mut().filter(|(field, _)| plain_name(field) == *name);
        named.filter_map(|(_, value)| text_of(value)).find(|text| !text.trim().is_empty())
    })
}

/// The text of a value: a string, or where sites wrap it (`{"rendered": …}`), or the names of several authors.
fn text_of(value: &mut Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            ["rendered", "value", "text", "name", "html"].iter().find_map(|name| match fields.get(*name) {
                Some(Value::String(text)) => Some(text.clone()),
                _ => None,
            })
        }
        Value::Array(values) => {
            let texts: Vec<String> = values.iter_mut().filter_map(text_of).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        }
        _ => None,
    }
}

/// The field that tells when it was published, or else made: one that holds a date, whatever its name promises.
fn dates(fields: &Map<String, Value>) -> Option<String> {
    let rank = |name: &str| DATES.iter().position(|start| name.starts_with(start));
    let dated = fields.iter().filter_map(|(field, value)| {
        let (name, text) = (plain_name(field), value.as_str()?);
        let rank = rank(&name).filter(|_| !name.contains("modif") && !name.contains("updat"))?;
        Date::written(text).map(|_| (rank, text.to_owned()))
    });
    dated.min_by_key(|(rank, _)| *rank).map(|(_, text)| text)
}

fn plain_name(field: &str) -> String {
    field.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}
