//! A value that a record holds in, its text and how that is to be read out: fields say nothing of whether they are HTML.

use html_escape::decode_html_entities;

use crate::text::Format;

/// Elements that end a line of text.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "br",
    "li",
    "ul",
    "ol",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "table",
    "tr",
    "td",
    "section",
    "article",
    "figure",
    "pre",
    "hr",
];
/// Elements inside a line of text, and what has no text.
const INLINES: &[&str] =
    &["a", "b", "i", "em", "strong", "span", "code", "sup", "sub", "u", "small", "mark", "script", "style", "iframe"];

/// A value as the text of an article. HTML is known by its elements, once or twice encoded; entities alone are decoded.
pub(super) fn body(value: String) -> (String, Format) {
    if is_html(&value) {
        return (with_breaks(value), Format::Html);
    }
    let decoded = decode_html_entities(&value).into_owned();
    match is_html(&decoded) {
        true => (with_breaks(decoded), Format::Html),
        false => (decoded, Format::Plain),
    }
}

/// A value as one line of text: what titles and names are.
pub(super) fn line(value: &str) -> String {
    let decoded = decode_html_entities(value);
    let mut decoded = if decoded.contains('&') { decode_html_entities(&*decoded).into_owned() } else { decoded.into() };
    if is_html(&decoded) {
        let (mut bare, mut end) = (String::new(), 0);
        for tag in tags(&decoded) {
            if tag.range.start >= end {
                bare.push_str(&decoded[end..tag.range.start]);
                end = tag.range.end;
            }
        }
        bare.push_str(&decoded[end..]);
        decoded = bare;
    }
    decoded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text between HTML tags.
pub(super) fn escaped(text: &str) -> String {
    html_escape::encode_text(text).into_owned()
}

/// A longer one is text.
const MAX_TAG_BYTES: usize = 4 << 10;

struct Tag<'a> {
    name: &'a str,
    is_closing: bool,
    range: std::ops::Range<usize>,
}

/// The tags of elements known to HTML, in order.
fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    text.match_indices('<').filter_map(|(start, _)| {
        let inner = &text[start + 1..];
        let is_closing = inner.starts_with('/');
        let inner = inner.trim_start_matches('/');
        let name = &inner[..inner.find(|c: char| !c.is_ascii_alphanumeric())?];
        let end = start + text[start..text.floor_char_boundary(start + MAX_TAG_BYTES)].find('>')? + 1;
        let is_known =
            [BLOCKS, INLINES, &["img"]].iter().any(|list| list.iter().any(|it| name.eq_ignore_ascii_case(it)));
        is_known.then_some(Tag { name, is_closing, range: start..end })
    })
}

/// Whether a text has an element of HTML: opened and closed, or one that is never closed. `a <b and c> d` is none.
fn is_html(text: &str) -> bool {
    let mut opened: Vec<&str> = Vec::new();
    tags(text).take(200).any(|tag| {
        let is_void = ["br", "img", "hr"].iter().any(|void| tag.name.eq_ignore_ascii_case(void));
        let closes = tag.is_closing && opened.iter().any(|name| name.eq_ignore_ascii_case(tag.name));
        opened.push(tag.name);
        is_void || closes
    })
}

/// Lets line breaks end lines in HTML whose only elements are those inside lines.
fn with_breaks(html: String) -> String {
    let has_block = tags(&html).any(|tag| BLOCKS.iter().any(|it| tag.name.eq_ignore_ascii_case(it)));
    match has_block {
        true => html,
        false => html.replace("\r\n", "\n").replace("\n\n", "<p>").replace('\n', "<br>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_known_by_its_elements() {
        let check = |value: &str, expected: &str, format: Format| {
            assert_eq!(body(value.to_owned()), (expected.to_owned(), format));
        };
        check("A <b>bold</b> word", "A <b>bold</b> word", Format::Html);
        check("One<br>two", "One<br>two", Format::Html);
        check("&lt;p&gt;Twice&lt;/p&gt;", "<p>Twice</p>", Format::Html);
        check("One <i>a</i>\n\nTwo", "One <i>a</i><p>Two", Format::Html);
        check("if a <b and c> d then", "if a <b and c> d then", Format::Plain);
        check("The <p> tag opens a paragraph", "The <p> tag opens a paragraph", Format::Plain);
        check("Fish &amp; chips &#8211; &euro;9&nbsp;each", "Fish & chips – €9\u{a0}each", Format::Plain);
        check("AT&T paid 5 & 6", "AT&T paid 5 & 6", Format::Plain);
        check("一句話。", "一句話。", Format::Plain);
    }

    #[test]
    fn titles_are_one_line_of_text() {
        for (value, expected) in [
            ("Baker&#8217;s <em>guild</em>\n&amp;amp; council", "Baker’s guild & council"),
            ("I <3 you", "I <3 you"),
            ("  Plain  ", "Plain"),
        ] {
            assert_eq!(line(value), expected);
        }
    }
}
