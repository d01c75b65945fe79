//! HTML source in, its tags and text runs out, in one pass that never looks back. Knows the syntax of tags and of
//! character references; knows no element's meaning.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A run of HTML source.
pub(super) enum Token<'a> {
    /// Text, character references undecoded.
    Text(&'a str),
    /// A start tag.
    Open(Tag<'a>),
    /// An end tag: its name.
    Close(String),
}

/// A start tag.
pub(super) struct Tag<'a> {
    /// Its name, lower case.
    pub(super) name: String,
    /// What stands between name and `>`.
    attributes: &'a str,
}

impl Tag<'_> {
    /// The decoded value of an attribute; empty for one without a value.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            let name_len = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '/').unwrap_or(rest.len()).max(1);
            let key = &rest[..name_len];
            rest = rest[name_len..].trim_start();
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                let after = after.trim_start();
                let (found, end) = match after.chars().next() {
                    Some(quote @ ('"' | '\'')) => {
                        let len = after[1..].find(quote).unwrap_or(after.len() - 1);
                        (&after[1..1 + len], (len + 2).min(after.len()))
                    }
                    _ => {
                        let len = after.find(char::is_whitespace).unwrap_or(after.len());
                        (&after[..len], len)
                    }
                };
                value = found;
                rest = &after[end..];
            }
            if key.eq_ignore_ascii_case(name) {
                return Some(decode_entities(value));
            }
        }
    }
}

/// The tokens of a page. Comments, declarations and processing instructions are passed over.
pub(super) struct Tokens<'a> {
    html: &'a str,
    at: usize,
    /// Elements whose end tag was looked for and does not stand in the rest of the page.
    unclosed: Vec<&'static str>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(html: &'a str) -> Tokens<'a> {
        Tokens { html, at: 0, unclosed: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.html[self.at..];
            if rest.is_empty() {
                return None;
            }
            if !begins_markup(rest) {
                // A lone `<` is text.
                let skip = usize::from(rest.starts_with('<'));
                let end = rest[skip..].find('<').map_or(rest.len(), |n| n + skip);
                self.at += end;
                return Some(Token::Text(&rest[..end]));
            }
            if let Some(comment) = rest.strip_prefix("<!--") {
                // An unclosed comment ends the page, as in a browser.
                let end = comment.find("-->").map_or(comment.len(), |n| n + 3);
                self.at = self.html.len() - comment.len() + end;
                continue;
            }
            if rest.starts_with("<!") || rest.starts_with("<?") {
                self.at = rest.find('>').map_or(self.html.len(), |n| self.at + n + 1);
                continue;
            }
            return Some(self.tag(rest));
        }
    }

    fn tag(&mut self, rest: &'a str) -> Token<'a> {
        let is_close = rest.starts_with("</");
        let body = &rest[1 + usize::from(is_close)..];
        let Some(end) = tag_end(body) else {
            // No end in the whole page: what is left is text.
            self.at = self.html.len();
            return Token::Text(rest);
        };
        self.at = self.html.len() - body.len() + end + 1;
        let body = &body[..end];
        let name_len = body.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(body.len());
        let name = body[..body.floor_char_boundary(name_len.min(64))].to_ascii_lowercase();
        match is_close {
            true => Token::Close(name),
            false => Token::Open(Tag { name, attributes: &body[name_len..] }),
        }
    }

    /// The text up to the end tag of `name`, as of a script, which is passed over too; none, and nothing passed over, when
    /// no end tag follows.
    pub(super) fn raw_text(&mut self, name: &'static str) -> Option<&'a str> {
        if self.unclosed.contains(&name) {
            return None;
        }
        let rest = &self.html[self.at..];
        let mut from = 0;
        while let Some(at) = rest[from..].find("</").map(|n| from + n) {
            let after = &rest.as_bytes()[at + 2..];
            if after.len() >= name.len() && after[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
                self.at += rest[at..].find('>').map_or(rest.len(), |n| at + n + 1);
                return Some(&rest[..at]);
            }
            from = at + 2;
        }
        self.unclosed.push(name);
        None
    }
}

fn begins_markup(rest: &str) -> bool {
    let mut bytes = rest.bytes();
    bytes.next() == Some(b'<')
        && match bytes.next() {
            Some(b'!' | b'?') => true,
            Some(b'/') => bytes.next().is_some_and(|b| b.is_ascii_alphabetic()),
            Some(b) => b.is_ascii_alphabetic(),
            None => false,
        }
}

/// Where the `>` of a tag is, quoted values passed over.
fn tag_end(body: &str) -> Option<usize> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, b) in body.bytes().enumerate() {
        match (quote, b) {
            (Some(q), _) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if after_equals => quote = Some(b),
            _ => {}
        }
        if !b.is_ascii_whitespace() {
            after_equals = quote.is_none() && b == b'=';
        }
    }
    // A quote that never closes: take the first `>` there is.
    quote.and_then(|_| body.find('>'))
}

/// `text` with its character references replaced.
pub(super) fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let body = &rest[1..];
        let len = body.bytes().take(12).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
        match reference(&body[..len]) {
            Some(c) => {
                out.push(c);
                let end = 1 + len;
                rest = rest[end..].strip_prefix(';').unwrap_or(&rest[end..]);
            }
            None => {
                out.push('&');
                rest = body;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        // Old pages number the characters of Windows.
        let windows = u8::try_from(code).ok().filter(|code| (0x80..0xa0).contains(code));
        return match windows {
            Some(code) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[code]).0.chars().next(),
            None => char::from_u32(code),
        };
    }
    NAMES.get(name).copied()
}

const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("hellip", '…'),
    ("bull", '•'),
    ("euro", '€'),
    ("trade", '™'),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("prime", '′'),
    ("Prime", '″'),
    ("minus", '−'),
    ("larr", '←'),
    ("rarr", '→'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Yuml", 'Ÿ'),
    ("fnof", 'ƒ'),
    ("permil", '‰'),
    ("dagger", '†'),
    ("Dagger", '‡'),
    ("le", '≤'),
    ("ge", '≥'),
    ("ne", '≠'),
    ("asymp", '≈'),
    ("infin", '∞'),
    ("check", '✓'),
];

/// The names of U+00A0 to U+00FF, in order.
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot \
cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml \
ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil \
egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

static NAMES: LazyLock<HashMap<&str, char>> = LazyLock::new(|| {
    let latin_1 = LATIN_1.split(' ').zip('\u{a0}'..='\u{ff}');
    NAMED.iter().copied().chain(latin_1).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(html: &str) -> Vec<String> {
        let mut tokens = Tokens::new(html);
        std::iter::from_fn(|| tokens.next())
            .map(|token| match token {
                Token::Text(text) => text.to_owned(),
                Token::Open(tag) => format!("<{}>", tag.name),
                Token::Close(name) => format!("</{name}>"),
            })
            .collect()
    }

    #[test]
    fn tags_and_text_are_told_apart() {
        assert_eq!(
            shape("<P class='a>b'>x < y</p ><!-- <b> --><!doctype html>z<"),
            ["<p>", "x ", "< y", "</p>", "z", "<"]
        );
        assert_eq!(shape("a<b c=\"never closed>d</b>"), ["a", "<b>", "d", "</b>"]);
        assert_eq!(shape("a<b never closed"), ["a", "<b never closed"]);
        assert_eq!(shape("a<!-- open"), ["a"]);
        assert_eq!(shape("字<br/>字"), ["字", "<br>", "字"]);
    }

    #[test]
    fn attributes_are_found_by_name() {
        let mut tokens =
            Tokens::new("<meta name=author content = 'A &amp; B' data-x hidden é=1 property=\"og:title\">");
        let Some(Token::Open(tag)) = tokens.next() else { panic!("a tag") };
        let check = |name: &str, expected: Option<&str>| assert_eq!(tag.attribute(name).as_deref(), expected, "{name}");
        check("name", Some("author"));
        check("CONTENT", Some("A & B"));
        check("hidden", Some(""));
        check("property", Some("og:title"));
        check("title", None);
    }

    #[test]
    fn references_are_decoded() {
        for (text, expected) in [
            ("Tom &amp; Ann&#39;s &#x4e2d;&eacute;&nbsp;&yuml;", "Tom & Ann's 中é\u{a0}ÿ"),
            ("AT&T &unknown; &#xD800; & &", "AT&T &unknown; &#xD800; & &"),
            ("&#150;&copy 2025", "–© 2025"),
        ] {
            assert_eq!(decode_entities(text), expected);
        }
    }
}
