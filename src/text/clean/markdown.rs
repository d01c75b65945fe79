//! A Markdown text in, a page of pieces out. Knows the marks that people write by hand; it is no renderer, and what it
//! does not know stays as it was written.

use super::Page;
use super::plain::{Line, bullet_len, lines, numbered};
use super::tags::decode_entities;
use crate::text::{BlockKind, Reason};

/// Cuts `text` into pieces: headings, list items, paragraphs with their wrapped lines joined; marks are dropped, and
/// what is no prose (front matter, rules, link definitions) is set aside.
pub(super) fn read(text: &str) -> Page {
    let mut page = Page::default();
    let lines: Vec<Line<'_>> = lines(text).collect();
    let mut i = front_matter(text, &lines, &mut page);
    let mut run: Option<(usize, usize, Option<BlockKind>)> = None; // bytes and kind of the paragraph being gathered
    let mut fence: Option<&str> = None;
    while let Some(line) = lines.get(i) {
        i += 1;
        let content = line.text.trim();
        let start = line.start + (line.text.len() - line.text.trim_start().len());
        if let Some(mark) = fence_mark(content) {
            flush(text, &mut run, &mut page);
            fence = if fence.is_some() { None } else { Some(mark) };
            continue;
        }
        if fence.is_some() {
            page.push(line.text, line.start, None, false, None);
            continue;
        }
        let (quote_len, content) = unquoted(content);
        let start = start + quote_len;
        let whole = |reason| (start, content, reason);
        let is_underline = |mark: char| content.len() >= 2 && content.chars().all(|c| c == mark);
        let aside = match () {
            () if content.is_empty() => {
                flush(text, &mut run, &mut page);
                continue;
            }
            // Setext headings.
            () if run.is_some_and(|(_, _, kind)| kind.is_none()) && (is_underline('=') || is_underline('-')) => {
                run = run.map(|(from, to, _)| (from, to, Some(BlockKind::Heading)));
                flush(text, &mut run, &mut page);
                continue;
            }
            () if is_rule(content) => whole(Reason::Media),
            () if content.starts_with("<!--") && content.ends_with("-->") => whole(Reason::Media),
            () if is_link_definition(content) => whole(Reason::Metadata),
            () if content.starts_with('|') && content.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) => {
                whole(Reason::Media)
            }
            () => (start, "", Reason::Media),
        };
        if !aside.1.is_empty() {
            flush(text, &mut run, &mut page);
            page.push(aside.1, aside.0, None, true, Some(aside.2));
            continue;
        }
        let hashes = content.bytes().take_while(|&b| b == b'#').count();
        if (1..=6).contains(&hashes) && content[hashes..].starts_with(' ') {
            flush(text, &mut run, &mut page);
            let end = start + content.trim_end_matches('#').trim_end().len();
            run = Some((start + hashes, end.max(start + hashes), Some(BlockKind::Heading)));
            flush(text, &mut run, &mut page);
            continue;
        }
        let end = start + content.len();
        if let Some(len) = bullet_len(content) {
            flush(text, &mut run, &mut page);
            run = Some((start + len, end, Some(BlockKind::ListItem)));
        } else if numbered(content).is_some() || content.starts_with('|') {
            flush(text, &mut run, &mut page);
            run = Some((start, end, Some(BlockKind::ListItem)));
        } else {
            // A wrapped line goes on with its paragraph or item; two blanks at the end break it.
            let (from, kind) = run.map_or((start, None), |(from, _, kind)| (from, kind));
            run = Some((from, end, kind));
            if line.text.ends_with("  ") {
                flush(text, &mut run, &mut page);
            }
        }
    }
    flush(text, &mut run, &mut page);
    page
}

/// Adds the paragraph that was gathered.
fn flush(text: &str, run: &mut Option<(usize, usize, Option<BlockKind>)>, page: &mut Page) {
    let Some((from, to, kind)) = run.take() else {
        return;
    };
    let raw = &text[from..to];
    let words = match raw.strip_prefix('|') {
        Some(row) => inline(&row.trim_end_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("; ")),
        None => inline(raw),
    };
    let first = page.pieces.len();
    page.push(&words, from, kind, true, None);
    // Without its marks the text is shorter than its source; the whole run is what it stands for.
    if let [piece] = &mut page.pieces[first..] {
        piece.source = from..to;
    }
    if words.trim().is_empty() && !raw.trim().is_empty() {
        page.push(raw, from, None, true, Some(Reason::Media));
    }
}

/// Reads `title`, `date` and `author` between two lines of `---` at the very beginning; returns the first line after.
fn front_matter(text: &str, lines: &[Line<'_>], page: &mut Page) -> usize {
    const LONGEST: usize = 200;
    if lines.first().is_none_or(|line| line.text.trim_end() != "---") {
        return 0;
    }
    let Some(end) = lines.iter().take(LONGEST).skip(1).position(|line| matches!(line.text.trim_end(), "---" | "..."))
    else {
        return 0;
    };
    let end = end + 1;
    for line in &lines[1..end] {
        let Some((key, value)) = line.text.split_once(':') else {
            continue;
        };
        let value = super::tidy(value.trim().trim_matches(['"', '\'']));
        let field = match key.trim().to_ascii_lowercase().as_str() {
            "title" => &mut page.title,
            "date" | "published" => &mut page.date,
            "author" | "byline" => &mut page.byline,
            _ => continue,
        };
        *field = Some(value).filter(|value| !value.is_empty());
    }
    let to = lines[end].start + lines[end].text.len();
    page.push(&text[..to], 0, None, false, Some(Reason::Metadata));
    end + 1
}

fn fence_mark(content: &str) -> Option<&'static str> {
    ["```", "~~~"].into_iter().find(|mark| content.starts_with(mark))
}

/// A line without the marks of a block quotation, and their length.
fn unquoted(content: &str) -> (usize, &str) {
    let rest = content.trim_start_matches(['>', ' ']);
    if content.starts_with('>') { (content.len() - rest.len(), rest) } else { (0, content) }
}

fn is_rule(content: &str) -> bool {
    ['-', '*', '_']
        .iter()
        .any(|&mark| content.matches(mark).count() >= 3 && content.chars().all(|c| c == mark || c == ' '))
}

fn is_link_definition(content: &str) -> bool {
    content.starts_with('[')
        && content
            .find("]: ")
            .is_some_and(|at| content[at + 3..].split_whitespace().count() <= 2 && content[at..].contains(['/', '.']))
}

/// A run without its inline marks: emphasis, code ticks, links and images (their words stay), tags, escapes.
fn inline(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let len = c.len_utf8();
        let before = out.chars().next_back();
        match c {
            '\\' if rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) => {
                out.push_str(&rest[1..2]);
                rest = &rest[2..];
                continue;
            }
            '`' => {}
            '\n' => {
                // The next line of a block quotation carries its mark again.
                out.push(' ');
                rest = rest[1..].trim_start_matches(|c: char| c.is_whitespace() || c == '>');
                continue;
            }
            '*' if rest[1..].starts_with(|c: char| c == '*' || !c.is_whitespace())
                || before.is_some_and(|c| !c.is_whitespace()) => {}
            // Inside a word an underscore is part of it.
            '_' if !(before.is_some_and(char::is_alphanumeric) && rest[1..].starts_with(char::is_alphanumeric)) => {}
            '~' if rest.starts_with("~~") => {
                rest = &rest[2..];
                continue;
            }
            '!' | '[' => {
                if let Some((words, end)) = link(rest) {
                    // A picture's description is no sentence of the article.
                    if c == '[' {
                        out.push_str(&inline_words(words));
                    }
                    rest = &rest[end..];
                    continue;
                }
                out.push(c);
            }
            '<' => {
                if let Some(end) = tag(rest) {
                    let inner = &rest[1..end - 1];
                    if inner.starts_with("http") || inner.contains('@') {
                        out.push_str(inner);
                    }
                    rest = &rest[end..];
                    continue;
                }
                out.push(c);
            }
            _ => out.push(c),
        }
        rest = &rest[len..];
    }
    decode_entities(&out).into_owned()
}

/// The words of a link, which may be emphasized.
fn inline_words(words: &str) -> String {
    words.chars().filter(|c| !matches!(c, '*' | '`')).collect()
}

/// The words and the length of the link or picture that `rest` begins with: `[words](address)`, `[words][label]`.
fn link(rest: &str) -> Option<(&str, usize)> {
    // Longer ones are no links; looking farther at every bracket would be quadratic.
    const LONGEST: usize = 2000;
    let rest = &rest[..rest.floor_char_boundary(LONGEST)];
    let open = rest.find('[').filter(|&at| at <= 1 && rest[..at].chars().all(|c| c == '!'))?;
    let close = open + rest[open..].find(']')?;
    let words = &rest[open + 1..close];
    let after = &rest[close + 1..];
    let end = match after.chars().next()? {
        '(' => after.find(')')?,
        '[' if !words.bytes().all(|b| b.is_ascii_digit()) => after.find(']')?,
        _ => return None,
    };
    Some((words, close + 1 + end + 1))
}

/// The length of the HTML tag or address in angle brackets that `rest` begins with.
fn tag(rest: &str) -> Option<usize> {
    const LONGEST: usize = 500;
    let rest = &rest[..rest.floor_char_boundary(LONGEST)];
    let second = rest[1..].chars().next()?;
    let end = rest.find('>')?;
    // `<|im_start|>` and `a < b` are words.
    (second.is_ascii_alphabetic() || second == '/' || second == '!').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Format;
    use crate::text::clean::{Hints, clean};

    #[test]
    fn marks_are_dropped_and_words_kept() {
        for (raw, expected) in [
            ("A **bold** and *soft* `word`", "A bold and soft word"),
            ("see [the *map*](https://example.org/a_b) now", "see the map now"),
            ("![A bridge](b.png) stands", " stands"),
            ("snake_case and _soft_ 2 * 3 \\*", "snake_case and soft 2 * 3 *"),
            ("a <br> b <b>c</b> <|im_start|> 1 < 2 &amp; 3", "a  b c <|im_start|> 1 < 2 & 3"),
            ("[ref][1] and [3]", "ref and [3]"),
            ("~~old~~ new", "old new"),
            ("[not closed", "[not closed"),
        ] {
            assert_eq!(inline(raw), expected);
        }
    }

    #[test]
    fn blocks_are_told_apart() {
        let text = "---\ntitle: \"The Locks\"\ndate: 2025-03-01\nauthor: Ann Lee\n---\n\n# The Locks\n\nA paragraph that\nwas wrapped.\n\nSecond\n------\n\n- one item\n  goes on\n- two\n\n> A quotation.\n\n***\n\n[map]: https://example.org/map\n";
        let prose = clean(text, Format::Markdown, Hints::default());
        assert_eq!(prose.text, "A paragraph that was wrapped.\n\nSecond\n\none item goes on\n\ntwo\n\nA quotation.");
        let kinds: Vec<_> = prose.blocks.iter().map(|block| block.kind).collect();
        use BlockKind::*;
        assert_eq!(kinds, [Paragraph, Heading, ListItem, ListItem, Paragraph]);
        assert_eq!(
            (prose.title.as_deref(), prose.date.as_deref(), prose.byline.as_deref()),
            (Some("The Locks"), Some("2025-03-01"), Some("Ann Lee"))
        );
        assert_eq!(prose.set_aside.iter().filter(|run| run.reason == Reason::Metadata).count(), 3);
    }
}
