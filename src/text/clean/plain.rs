//! A plain clipping in, a page of pieces out. Knows lines, hand-wrapped paragraphs and bullets.

use super::Page;
use super::shape::{ends_sentence, width};
use crate::text::BlockKind;

/// A line of the source.
pub(super) struct Line<'a> {
    /// Its words, without the line break.
    pub(super) text: &'a str,
    /// Its first byte in the source.
    pub(super) start: usize,
}

/// Cuts `text` into pieces: a line each, or several lines where someone wrapped a paragraph by hand.
pub(super) fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut group: Vec<Line<'_>> = Vec::new();
    let mut after_gap = false;
    for line in lines(text) {
        let is_blank = line.text.chars().all(|c| c.is_whitespace() || super::is_unprintable(c));
        if !is_blank {
            group.push(line);
        }
        // A file of a million lines without a gap is handled in parts.
        if !group.is_empty() && (is_blank || group.len() == 4096) {
            push_group(text, &group, after_gap, &mut page);
            group.clear();
            after_gap = false;
        }
        after_gap |= is_blank;
    }
    push_group(text, &group, after_gap, &mut page);
    page
}

/// The lines of `text`, whatever breaks them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let line = Line { text: rest, start };
        let is_break = |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let Some(end) = rest.find(is_break) else {
            start = text.len();
            return Some(line);
        };
        let broken = &rest[end..];
        start += end + if broken.starts_with("\r\n") { 2 } else { broken.chars().next().map_or(1, char::len_utf8) };
        Some(Line { text: &rest[..end], ..line })
    })
}

/// Adds lines that stand together: joined to paragraphs if they were wrapped, one by one if not.
fn push_group(text: &str, group: &[Line<'_>], after_gap: bool, page: &mut Page) {
    let mut gap = after_gap;
    let mut i = 0;
    let wrapped = is_wrapped(group);
    while i < group.len() {
        let first = &group[i];
        let mut last = first;
        i += 1;
        while wrapped && i < group.len() && bullet_len(group[i].text).is_none() {
            last = &group[i];
            i += 1;
        }
        let run = &text[first.start..last.start + last.text.len()];
        match bullet_len(run) {
            Some(len) => page.push(&run[len..], first.start + len, Some(BlockKind::ListItem), gap, None),
            None => page.push(run, first.start, numbered(run), gap, None),
        }
        gap = false;
    }
}

/// Whether these lines are one paragraph broken to fit a page: alike in width, and mostly broken in mid-sentence.
fn is_wrapped(group: &[Line<'_>]) -> bool {
    let [full @ .., last] = group else {
        return false;
    };
    if full.is_empty() {
        return false;
    }
    let widths = || full.iter().map(|line| width(line.text.trim_end()));
    let widest = widths().max().unwrap_or(0);
    let narrowest = widths().min().unwrap_or(0);
    let broken = full.iter().filter(|line| !ends_sentence(line.text)).count();
    (40..=110).contains(&widest)
        && narrowest + 18 >= widest
        && width(last.text) <= widest + 4
        && broken * 5 >= full.len() * 3
        // Two lines alone are more often a title above its deck.
        && (full.len() >= 2 || (ends_sentence(last.text) && starts_lower(last.text)))
}

fn starts_lower(text: &str) -> bool {
    text.trim_start().starts_with(char::is_lowercase)
}

/// The length of the bullet and the blanks around it that a line begins with.
pub(super) fn bullet_len(line: &str) -> Option<usize> {
    let trimmed = line.trim_start();
    let bullet = trimmed.chars().next()?;
    let rest = &trimmed[bullet.len_utf8()..];
    let is_bullet = match bullet {
        '•' | '●' | '▪' | '■' | '◆' | '○' | '◦' | '‣' | '∙' | '➤' | '►' | '▶' | '✓' | '✔' => {
            !rest.is_empty()
        }
        '-' | '*' | '+' | '–' | '—' | '·' | '・' => {
            rest.starts_with(char::is_whitespace) && !rest.trim().is_empty()
        }
        _ => false,
    };
    is_bullet.then(|| line.len() - rest.trim_start().len())
}

/// A list item when the line begins with a number and a stop, as in `3. Dig` or `（三）`.
pub(super) fn numbered(line: &str) -> Option<BlockKind> {
    let trimmed = line.trim_start();
    let bracketed = trimmed.starts_with(['(', '（']);
    let rest = trimmed.trim_start_matches(['(', '（']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 2 {
        return None;
    }
    let after = &rest[digits..];
    let is_item = match after.chars().next()? {
        ')' | '）' => true,
        '.' | '．' => !bracketed && after[1..].starts_with(' '),
        '、' => !bracketed,
        _ => false,
    };
    is_item.then_some(BlockKind::ListItem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(String, bool)> {
        let page = read(text);
        for piece in &page.pieces {
            assert!(text.get(piece.source.clone()).is_some(), "ranges are ranges of the source");
        }
        page.pieces.into_iter().map(|piece| (piece.text, piece.after_gap)).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        pieces(text).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn lines_are_paragraphs() {
        assert_eq!(texts("One.\r\nTwo.\rThree.\u{2028}Four."), ["One.", "Two.", "Three.", "Four."]);
        assert_eq!(pieces("A\n\n\u{200b}\nB\nC"), [("A".into(), false), ("B".into(), true), ("C".into(), false)]);
    }

    #[test]
    fn hand_wrapped_paragraphs_are_joined() {
        let text = "The harbour master of Tilbrook said on Monday that the\nold ferry would not return before the middle of next\nmonth, because its boiler is still with the makers in\nthe north.\n\nNobody was surprised.";
        let found = texts(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("that the old ferry"));
    }

    #[test]
    fn one_line_paragraphs_are_not_joined() {
        let text = "The harbour master spoke on Monday about the ferry.\nThe ferry will not return before the end of May.\nNobody in the town was surprised to hear the news.";
        assert_eq!(texts(text).len(), 3);
    }

    #[test]
    fn bullets_mark_list_items() {
        let page =
            read("  • First point.\n- Second point.\n3. Third point.\n-5 degrees were measured.\n2025 was cold.");
        let kinds: Vec<_> = page.pieces.iter().map(|piece| piece.kind).collect();
        let item = Some(BlockKind::ListItem);
        assert_eq!(kinds, [item, item, item, None, None]);
        assert_eq!(page.pieces[0].text, "First point.");
    }
}
