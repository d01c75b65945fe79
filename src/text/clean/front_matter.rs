//! The head of a Markdown text in, what it says of title, author and date out. YAML between `---`, TOML between `+++`; other
//! fields are set aside unread.

use saphyr_parser::{Event, Parser};

use super::{Page, tidy};
use crate::text::Reason;

/// A front matter larger than this is text.
const MAX_BYTES: usize = 64 << 10;

/// Reads the front matter into `page`; returns the byte at which the text itself begins.
pub(super) fn read(text: &str, page: &mut Page) -> usize {
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let fence = ["---", "+++"].into_iter().find(|fence| is_fence(first_line(&text[start..]), fence));
    let Some(fence) = fence else {
        return 0;
    };
    let begin = start + first_line(&text[start..]).len() + 1;
    let mut at = begin;
    loop {
        if at >= text.len() || at > MAX_BYTES {
            return 0;
        }
        let line = first_line(&text[at..]);
        if is_fence(line, fence) || (fence == "---" && is_fence(line, "...")) {
            break;
        }
        at += line.len() + 1;
    }
    let inner = &text[begin..at];
    // A rule above a paragraph is no front matter.
    if !inner.contains([':', '=']) {
        return 0;
    }
    let fields = if fence == "+++" { toml_fields(inner) } else { yaml_fields(inner) };
    let find = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| fields.iter().find(|(name, _)| name == key));
        found.map(|(_, value)| tidy(&value.replace("[[", "").replace("]]", ""))).filter(|value| !value.is_empty())
    };
    page.title = find(&["title", "headline"]);
    page.byline = find(&["author", "authors", "byline", "creator"]);
    let is_date = |value: &String| value.contains(|c: char| c.is_ascii_digit());
    page.date =
        find(&["date"]).filter(is_date).or_else(|| find(&["published", "publishdate", "pubdate"]).filter(is_date));
    let end = (at + first_line(&text[at..]).len()).min(text.len());
    page.push(&text[start..end], start..end, None, false, Some(Reason::Metadata));
    end
}

fn first_line(text: &str) -> &str {
    &text[..text.find('\n').unwrap_or(text.len())]
}

fn is_fence(line: &str, fence: &str) -> bool {
    line.trim_end() == fence
}

/// The fields of the uppermost level, in lower case; the items of a list, or the `name` of a mapping, joined by commas.
fn yaml_fields(yaml: &str) -> Vec<(String, String)> {
    let fields = events(yaml).or_else(|| {
        // What is no YAML is often still a line a field: `title: Harbour: the end`.
        let quoted = |line: &str| match line.split_once(": ") {
            Some((key, value))
                if !key.starts_with([' ', '-', '#']) && !value.starts_with(['"', '\'', '[', '{', '>', '|']) =>
            {
                format!("{key}: {:?}", value.trim())
            }
            _ => line.to_owned(),
        };
        events(&yaml.lines().map(quoted).collect::<Vec<_>>().join("\n"))
    });
    let fields = fields.unwrap_or_default().into_iter().map(|(key, values)| (key, values.join(", ")));
    fields.filter(|(_, value)| !value.is_empty()).collect()
}

/// The same with values apart; none when it is no YAML.
fn events(yaml: &str) -> Option<Vec<(String, Vec<String>)>> {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    // What is open: a mapping, with the key whose value comes next, or a sequence.
    let mut open: Vec<Option<Option<String>>> = Vec::new();
    for event in Parser::new_from_str(yaml) {
        match event.ok()?.0 {
            Event::MappingStart(..) => open.push(Some(None)),
            Event::SequenceStart(..) => open.push(None),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                end_value(&mut open);
            }
            Event::Scalar(value, ..) => {
                let depth = open.len();
                match open.last_mut() {
                    Some(Some(key @ None)) => {
                        if depth == 1 {
                            fields.push((value.to_lowercase(), Vec::new()));
                        }
                        *key = Some(value.into_owned());
                        continue;
                    }
                    // Of what is nested only names count.
                    Some(Some(Some(key))) if depth > 1 && key != "name" => {}
                    _ if depth > 3 => {}
                    _ => fields.last_mut().into_iter().for_each(|(_, values)| values.push(value.to_string())),
                }
                end_value(&mut open);
            }
            Event::Alias(_) => end_value(&mut open),
            _ => {}
        }
    }
    Some(fields)
}

/// After a value the mapping around it waits for a key again.
fn end_value(open: &mut [Option<Option<String>>]) {
    if let Some(Some(key)) = open.last_mut() {
        *key = None;
    }
}

fn toml_fields(toml: &str) -> Vec<(String, String)> {
    let Ok(table) = toml.parse::<toml::Table>() else {
        return Vec::new();
    };
    let words = |value: &toml::Value| match value {
        toml::Value::String(words) => words.clone(),
        toml::Value::Table(table) => table.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned(),
        value => value.to_string(),
    };
    let all = |value: &toml::Value| match value {
        toml::Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        value => words(value),
    };
    table.iter().map(|(key, value)| (key.to_lowercase(), all(value))).collect()
}
