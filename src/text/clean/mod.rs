//! Text in, prose out: the article's own words kept, everything else set aside with its reason and its place. Knows
//! layouts and the habits of web pages; knows no model and judges no content.
//!
//! `plain`, `markdown` and `html` turn a source into a [`Page`] of pieces; `furniture`, `pasted`, `repeats` and `place` give a
//! reason to those that are not the article; what has none becomes the clean text.

use std::ops::Range;

use super::{Block, BlockKind, Format, Prose, Reason, SetAside};

mod body;
mod elements;
mod front_matter;
mod furniture;
mod html;
mod hygiene;
mod inline;
mod markdown;
mod meta;
mod pasted;
mod place;
mod plain;
mod repeats;
mod shape;
mod table;
mod turns;

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
    let given = |hint: Option<&str>| hint.map(tidy).filter(|hint| !hint.is_empty());
    page.title = given(hints.title).or(page.title);
    page.date = given(hints.date).or(page.date);
    turns::part(&mut page);
    furniture::mark(&mut page);
    pasted::mark(&mut page);
    repeats::mark(&mut page);
    // Before the edges are looked at, so that they are the edges of what is kept; and after, when furniture is gone.
    let early = pasted::promote(&mut page);
    place::mark(&mut page);
    let second_hand = early || pasted::promote(&mut page);
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
}

/// Blocks longer than this, in bytes, are cut, so that every later step works on bounded pieces.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// More pieces than any article has; what follows is gathered into pieces of a page each, to bound the bookkeeping.
const MAX_PIECES: usize = 100_000;

impl Page {
    /// Adds the run `raw`, which stands for the bytes `source`; empty runs vanish.
    fn push(
        &mut self,
        raw: &str,
        source: Range<usize>,
        kind: Option<BlockKind>,
        after_gap: bool,
        reason: Option<Reason>,
    ) {
        let is_exact = raw.len() == source.len();
        let mut from = 0;
        while from < raw.len() {
            let window = &raw[from..raw.floor_char_boundary(from + MAX_PIECE_BYTES)];
            let is_last = from + window.len() == raw.len();
            let end_mark =
                || window.rfind(['。', '！', '？', '\n']).or_else(|| window.rfind(". ")).or_else(|| window.rfind(' '));
            let cut = if is_last { None } else { end_mark() };
            let len = cut.map_or(window.len(), |at| at + window[at..].chars().next().map_or(1, char::len_utf8));
            let part = if is_exact { source.start + from..source.start + from + len } else { source.clone() };
            self.push_bounded(&window[..len], part, kind, after_gap, reason);
            from += len;
        }
    }

    fn push_bounded(
        &mut self,
        raw: &str,
        source: Range<usize>,
        kind: Option<BlockKind>,
        after_gap: bool,
        reason: Option<Reason>,
    ) {
        let text = if reason.is_none() { tidy(&self.without_marks(raw, &source)) } else { tidy(raw) };
        if text.is_empty() {
            return;
        }
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
        self.pieces.push(Piece { text, kind, source, after_gap, reason });
    }

    /// Notes that `run` was taken out of a piece, and why.
    fn take_out(&mut self, reason: Reason, source: Range<usize>, run: &str) {
        let text = tidy(run);
        if !text.is_empty() {
            self.taken_out.push(SetAside { reason, start: source.start, end: source.end, text });
        }
    }

    /// `raw` without the source's own citation marks (`[12]`, `[2][3, 5]`, `[^note]`), which are noted as taken out: left in,
    /// they could be taken for ours.
    fn without_marks(&mut self, raw: &str, source: &Range<usize>) -> String {
        // Code counts from nought, notes do not.
        let has_indices = ["[0]", "[i]", "[n]"].iter().any(|index| raw.contains(index));
        let mut out = String::with_capacity(raw.len());
        let mut from = 0;
        let mut search = 0;
        while let Some(at) = raw[search..].find('[').map(|n| search + n) {
            let len = marks_len(&raw[at..]);
            let is_glued = raw[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if len == 0 || is_glued && has_indices || raw[at..].starts_with("[0]") {
                search = at + len.max(1);
                continue;
            }
            let before = &raw[from..at];
            let next = raw[at + len..].chars().next();
            // "word [3]." loses the blank as well; "word [3] and" keeps one of its two.
            let drop_blank = next.is_none_or(|c| !c.is_alphanumeric());
            out.push_str(if drop_blank { before.trim_end_matches(' ') } else { before });
            let place =
                if raw.len() == source.len() { source.start + at..source.start + at + len } else { source.clone() };
            self.take_out(Reason::CitationMark, place, &raw[at..at + len]);
            from = at + len;
            search = from;
        }
        out.push_str(&raw[from..]);
        out
    }
}

/// The length in bytes of the run of citation marks that `text` begins with; 0 when there is none.
fn marks_len(text: &str) -> usize {
    const LONGEST: usize = 40;
    let mut end = 0;
    while let Some(inner) = text[end..].strip_prefix('[') {
        let inner = &inner[..inner.floor_char_boundary(LONGEST)];
        let Some(close) = inner.find(']') else {
            break;
        };
        let mark = &inner[..close];
        let is_note =
            mark.strip_prefix('^').is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace));
        // A year in brackets is no citation.
        let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !is_note && !mark.split([',', '-', '–']).all(|part| is_number(part.trim())) {
            break;
        }
        end += close + 2;
    }
    // A Markdown link `[12](…)` is text.
    if text[end..].starts_with('(') { 0 } else { end }
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
    for (Piece { text, source, reason, .. }, kind) in page.pieces.into_iter().zip(kinds) {
        if let Some(reason) = reason {
            prose.set_aside.push(SetAside { reason, start: source.start, end: source.end, text });
            continue;
        }
        if !prose.text.is_empty() {
            prose.text.push_str("\n\n");
        }
        let start = prose.text.len();
        prose.text.push_str(&text);
        prose.blocks.push(Block { kind, range: start..prose.text.len() });
    }
    prose.set_aside.sort_by_key(|run| (run.start, run.end));
    prose
}
