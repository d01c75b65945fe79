//! Text in, prose out: the article's own words kept, everything else set aside with its reason and its place. Knows
//! layouts and the habits of web pages; knows no model and judges no content.
//!
//! `plain`, `markdown` and `html` turn a source into a [`Page`] of pieces; `furniture`, `second_hand`, `repeats` and `edges`
//! give a reason to those that are not the article; what has none becomes the clean text.

use std::ops::Range;

use super::{Block, BlockKind, Format, Prose, Reason, SetAside};

mod edges;
mod elements;
mod furniture;
mod html;
mod hygiene;
mod markdown;
mod patterns;
mod plain;
mod repeats;
mod second_hand;
mod shape;
mod tags;

pub use hygiene::{is_unprintable, tidy};

/// What a container said about the article beside its text, a JSON record for instance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// The title; it wins over one found in the text.
    pub title: Option<&'a str>,
    /// The date of publication; it wins over one found in the text.
    pub date: Option<&'a str>,
}

/// The article in `text`. Runs of blanks are one blank, blocks stand two line breaks apart, and no control,
/// zero-width or direction character is left, so that the result can be shown on a terminal.
pub fn clean(text: &str, format: Format, hints: Hints<'_>) -> Prose {
    let mut page = match format {
        Format::Plain => plain::read(text),
        Format::Markdown => markdown::read(text),
        Format::Html => html::read(text),
    };
    if let Some(title) = hints.title.map(tidy).filter(|title| !title.is_empty()) {
        page.title = Some(title);
    }
    if let Some(date) = hints.date.map(tidy).filter(|date| !date.is_empty()) {
        page.date = Some(date);
    }
    furniture::mark(&mut page);
    second_hand::mark(&mut page);
    repeats::mark(&mut page);
    // Before the edges are looked at, so that they are the edges of what is kept; and after, when furniture is gone.
    let early = second_hand::promote(&mut page);
    edges::mark(&mut page);
    let second_hand = early || second_hand::promote(&mut page);
    assemble(page, second_hand)
}

/// A source cut into pieces, before and while it is decided which of them are the article.
#[derive(Debug, Default)]
struct Page {
    pieces: Vec<Piece>,
    title: Option<String>,
    byline: Option<String>,
    date: Option<String>,
    /// Runs taken out of the midst of pieces.
    taken_out: Vec<SetAside>,
    /// Whether the lines being read belong to another tool's outline.
    in_outline: bool,
}

/// A line, paragraph, heading or list item.
#[derive(Debug)]
struct Piece {
    /// Its tidy text.
    text: String,
    /// What the markup says it is; none in plain text, where its looks decide.
    kind: Option<BlockKind>,
    /// Its bytes in the source (of a web page: in the plain rendering).
    source: Range<usize>,
    /// Whether an empty line stood before it.
    after_gap: bool,
    /// Why it is set aside; none while it is kept.
    reason: Option<Reason>,
    /// Whether it has the layout of another tool's outline.
    is_outline: bool,
    /// Whether it is a label without content, never worth keeping.
    is_label: bool,
}

/// Blocks longer than this, in bytes, are cut, so that every later step works on bounded pieces.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// More pieces than any article has; what follows is gathered into pieces of a page each, to bound the bookkeeping.
const MAX_PIECES: usize = 100_000;

impl Page {
    /// Adds the run `raw`, found at byte `offset` of the source; empty runs vanish.
    fn push(&mut self, raw: &str, offset: usize, kind: Option<BlockKind>, after_gap: bool, reason: Option<Reason>) {
        let mut from = 0;
        while raw.len() - from > MAX_PIECE_BYTES {
            let limit = raw.floor_char_boundary(from + MAX_PIECE_BYTES);
            let window = &raw[from..limit];
            let end_mark =
                window.rfind(['。', '！', '？', '\n']).or_else(|| window.rfind(". ")).or_else(|| window.rfind(' '));
            let cut = end_mark.map_or(limit, |at| from + at + window[at..].chars().next().map_or(1, char::len_utf8));
            self.push_bounded(&raw[from..cut], offset + from, kind, after_gap, reason);
            from = cut;
        }
        self.push_bounded(&raw[from..], offset + from, kind, after_gap, reason);
    }

    fn push_bounded(
        &mut self,
        raw: &str,
        offset: usize,
        kind: Option<BlockKind>,
        after_gap: bool,
        reason: Option<Reason>,
    ) {
        let lead = raw.len() - raw.trim_start().len();
        let raw = raw.trim();
        if raw.is_empty() {
            return;
        }
        let offset = offset + lead;
        if reason.is_none()
            && let Some(parts) = second_hand::outline(raw, self.in_outline)
        {
            self.in_outline = true;
            for part in parts {
                let reason = part.is_label.then_some(Reason::SecondHand);
                let start = offset + part.range.start;
                self.push_piece(&raw[part.range], start, Some(part.kind), after_gap, reason, true, part.is_label);
            }
            return;
        }
        // Points in lines of their own belong to the outline that they stand in.
        self.in_outline &= reason.is_some() || kind == Some(BlockKind::ListItem);
        let is_outline = self.in_outline && reason.is_none();
        self.push_piece(raw, offset, kind, after_gap, reason, is_outline, false);
    }

    #[allow(clippy::too_many_arguments)] // A constructor of seven fields, called twice, just above.
    fn push_piece(
        &mut self,
        raw: &str,
        offset: usize,
        kind: Option<BlockKind>,
        after_gap: bool,
        reason: Option<Reason>,
        is_outline: bool,
        is_label: bool,
    ) {
        let text = tidy(&self.without_marks(raw, offset));
        if text.is_empty() {
            return;
        }
        let source = offset..offset + raw.len();
        if self.pieces.len() >= MAX_PIECES
            && let Some(last) = self.pieces.last_mut()
            && last.text.len() + text.len() < MAX_PIECE_BYTES
            && last.reason == reason
        {
            last.text.push(' ');
            last.text.push_str(&text);
            last.source.end = source.end;
            return;
        }
        self.pieces.push(Piece { text, kind, source, after_gap, reason, is_outline, is_label });
    }

    /// `raw` without the source's own citation marks (`[12]`, `[2][3, 5]`), which are noted as taken out: left in, they
    /// could be taken for ours.
    fn without_marks(&mut self, raw: &str, offset: usize) -> String {
        let mut out = String::with_capacity(raw.len());
        let mut from = 0;
        let mut search = 0;
        while let Some(at) = raw[search..].find('[').map(|n| search + n) {
            let len = marks_len(&raw[at..]);
            if len == 0 {
                search = at + 1;
                continue;
            }
            let before = &raw[from..at];
            let next = raw[at + len..].chars().next();
            // "word [3]." loses the blank as well; "word [3] and" keeps one of its two.
            let drop_blank = next.is_none_or(|c| !c.is_alphanumeric());
            out.push_str(if drop_blank { before.trim_end_matches(' ') } else { before });
            self.taken_out.push(SetAside {
                reason: Reason::CitationMark,
                start: offset + at,
                end: offset + at + len,
                text: raw[at..at + len].to_owned(),
            });
            from = at + len;
            search = from;
        }
        out.push_str(&raw[from..]);
        out
    }
}

/// The length in bytes of the run of numeric citation marks that `text` begins with; 0 when there is none.
fn marks_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while bytes.get(end) == Some(&b'[') {
        let mut i = end + 1;
        if bytes.get(i) == Some(&b'^') {
            i += 1; // Markdown's footnotes.
        }
        let first = i;
        let mut digits = 0;
        while let Some(&b) = bytes.get(i).filter(|_| i - first < 40) {
            match b {
                b'0'..=b'9' => digits += 1,
                b',' | b'-' if digits > 0 => digits = 0,
                b' ' if bytes[i - 1] == b',' => {}
                _ => break,
            }
            if digits > 3 {
                return end; // A year in brackets is no citation.
            }
            i += 1;
        }
        if digits == 0 || bytes.get(i) != Some(&b']') {
            return end;
        }
        end = i + 1;
    }
    // A Markdown link `[12](…)` is text.
    if bytes.get(end) == Some(&b'(') { 0 } else { end }
}

fn assemble(page: Page, second_hand: bool) -> Prose {
    let kinds = shape::kinds(&page);
    let mut prose = Prose {
        title: page.title,
        byline: page.byline,
        date: page.date,
        set_aside: page.taken_out,
        second_hand,
        ..Prose::default()
    };
    for (piece, kind) in page.pieces.into_iter().zip(kinds) {
        if let Some(reason) = piece.reason {
            prose.set_aside.push(SetAside {
                reason,
                start: piece.source.start,
                end: piece.source.end,
                text: piece.text,
            });
            continue;
        }
        if !prose.text.is_empty() {
            prose.text.push_str("\n\n");
        }
        let start = prose.text.len();
        prose.text.push_str(&piece.text);
        prose.blocks.push(Block { kind, range: start..prose.text.len() });
    }
    prose.set_aside.sort_by_key(|run| (run.start, run.end));
    prose
}

#[cfg(test)]
mod tests;
