//! Pieces of a page in, the abstracts that other summarizers wrote marked out. Knows their layouts and how they stand
//! to the article below; a page that is nothing else is kept, and said to be second-hand.

use std::ops::Range;

use super::patterns::{ABSTRACT_PHRASES, SUMMARY_LABELS};
use super::shape::{body_lang, ends_sentence, is_of_another_script, is_prose, width};
use super::{Page, Piece};
use crate::text::fold::fold_str;
use crate::text::{BlockKind, Reason};

/// A part of a line in outline layout.
pub(super) struct Part {
    /// Its bytes in the line.
    pub(super) range: Range<usize>,
    /// What it is once it stands alone.
    pub(super) kind: BlockKind,
    /// Whether it is only a label of the outline.
    pub(super) is_label: bool,
}

/// The parts of a line in the layout `Core Viewpoint - … Group 1: Title - point - point Group 2: …`, which some tools
/// put in one line; none for any other line. `is_inside` says that the line before belonged to such an outline.
pub(super) fn outline(line: &str, is_inside: bool) -> Option<Vec<Part>> {
    let labels = labels(line);
    let opens = labels.iter().any(|label| !label.is_group && label.range.start == 0);
    let groups = labels.iter().filter(|label| label.is_group).count();
    let goes_on = is_inside && labels.first().is_some_and(|label| label.range.start == 0);
    if !opens && groups < 2 && !goes_on {
        return None;
    }
    let mut parts = Vec::new();
    let push = |parts: &mut Vec<Part>, range: Range<usize>, kind: BlockKind, is_label: bool| {
        if !line[range.clone()].trim().is_empty() {
            parts.push(Part { range, kind, is_label });
        }
    };
    let first = labels.first()?.range.start;
    push(&mut parts, 0..first, BlockKind::Paragraph, false);
    for (n, label) in labels.iter().enumerate() {
        let end = labels.get(n + 1).map_or(line.len(), |next| next.range.start);
        push(&mut parts, label.range.clone(), BlockKind::Heading, true);
        let points = points(line, label.range.end..end, label.is_group);
        for (m, point) in points.into_iter().enumerate() {
            let kind = match (m, label.is_group) {
                (0, true) => BlockKind::Heading,
                (0, false) => BlockKind::Paragraph,
                _ => BlockKind::ListItem,
            };
            push(&mut parts, point, kind, false);
        }
    }
    Some(parts)
}

struct Label {
    range: Range<usize>,
    is_group: bool,
}

/// `Core Viewpoint -` and `Group 3:` wherever a sentence could begin.
fn labels(line: &str) -> Vec<Label> {
    const CORE: &[&str] = &["Core Viewpoint", "Core View", "Core Insights", "Core Insight", "Core Idea"];
    let mut labels = Vec::new();
    let mut from = 0;
    while let Some(at) = line[from..].find(['C', 'G']).map(|n| from + n) {
        from = at + 1;
        let before = line[..at].trim_end();
        let may_begin = before.is_empty() || before.ends_with(['.', '!', '?', ']', '”', '"', '。']);
        if !may_begin {
            continue;
        }
        let rest = &line[at..];
        let core = CORE.iter().find_map(|core| rest.strip_prefix(core));
        let group = rest
            .strip_prefix("Group ")
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            .filter(|after| after.len() + 6 < rest.len());
        let (after, is_group, marks) = match (core, group) {
            (Some(after), _) => (after, false, ['-', '–', '—', ':', '：']),
            (None, Some(after)) => (after, true, [':', '：', ':', ':', ':']),
            (None, None) => continue,
        };
        let Some(content) = after.trim_start().strip_prefix(marks) else {
            continue;
        };
        let end = line.len() - content.trim_start().len();
        labels.push(Label { range: at..end, is_group });
        from = end.max(from);
    }
    labels
}

/// The runs between ` - ` marks that follow the end of a sentence; a group's title ends at the first mark of all.
fn points(line: &str, range: Range<usize>, is_group: bool) -> Vec<Range<usize>> {
    let mut points = Vec::new();
    let mut start = range.start;
    let mut from = start;
    while let Some(at) = line[from..range.end].find("- ").map(|n| from + n) {
        from = at + 2;
        let before = line[start..at].trim_end();
        let stands_alone = at == start || line[..at].ends_with(char::is_whitespace);
        let is_title = is_group && points.is_empty();
        if stands_alone && (is_title || before.is_empty() || before.ends_with(['.', '!', '?', ']', '”', '"', '。']))
        {
            points.push(start..at);
            start = from;
        }
    }
    points.push(start..range.end);
    points
}

/// Marks pasted abstracts.
pub(super) fn mark(page: &mut Page) {
    let pieces = &mut page.pieces;
    mark_labelled(pieces);
    mark_foreign(pieces);
    mark_bulleted(pieces);
    for piece in pieces.iter_mut().filter(|piece| piece.is_outline && piece.reason.is_none()) {
        piece.reason = Some(Reason::SecondHand);
    }
}

/// An abstract under a label that says so: the one paragraph below it, and bullets below that.
fn mark_labelled(pieces: &mut [Piece]) {
    let mut i = 0;
    while i < pieces.len() {
        let label = if pieces[i].reason.is_none() { summary_label(&pieces[i].text) } else { None };
        i += 1;
        match label {
            None => continue,
            Some(HasContent::Yes) => pieces[i - 1].reason = Some(Reason::SecondHand),
            Some(HasContent::No) => {
                pieces[i - 1].reason = Some(Reason::SecondHand);
                pieces[i - 1].is_label = true;
                while i < pieces.len() && summary_label(&pieces[i].text) == Some(HasContent::No) {
                    pieces[i].reason = Some(Reason::SecondHand);
                    pieces[i].is_label = true;
                    i += 1;
                }
                if i < pieces.len() && pieces[i].reason.is_none() && is_prose(&pieces[i]) {
                    pieces[i].reason = Some(Reason::SecondHand);
                    i += 1;
                }
            }
        }
        while i < pieces.len() && pieces[i].reason.is_none() && is_bullet(&pieces[i]) {
            pieces[i].reason = Some(Reason::SecondHand);
            i += 1;
        }
    }
}

#[derive(PartialEq)]
enum HasContent {
    Yes,
    No,
}

/// Whether `text` is the label of a machine's summary, or such a label with the summary in the same paragraph.
fn summary_label(text: &str) -> Option<HasContent> {
    let head: String = text.chars().take(100).collect();
    let folded = fold_str(&head);
    let line = folded.trim_matches(|c: char| !c.is_alphanumeric());
    // "AI 摘要" is written with a blank and without.
    let joined = line.replace(' ', "");
    let columns = width(text);
    let presents_itself = ["i can summarize", "i can summarise", "summarize articles", "summarise articles"]
        .iter()
        .any(|words| folded.contains(words));
    if columns <= 80 && (SUMMARY_LABELS.contains(&line) || SUMMARY_LABELS.contains(&joined.as_str()) || presents_itself)
    {
        return Some(HasContent::No);
    }
    let is_labelled = SUMMARY_LABELS.iter().any(|label| {
        line.strip_prefix(label)
            .or_else(|| joined.strip_prefix(label))
            .is_some_and(|rest| rest.starts_with([':', '|', '】', ']']))
    });
    is_labelled.then_some(HasContent::Yes)
}

/// Paragraphs above the body in another script or language than the body's: nobody opens an article that way, but
/// tools that summarize in the reader's script do.
fn mark_foreign(pieces: &mut [Piece]) {
    let Some(lang) = body_lang(pieces) else {
        return;
    };
    let is_body = |piece: &Piece| {
        piece.reason.is_none() && !piece.is_outline && is_prose(piece) && !is_of_another_script(&piece.text, lang)
    };
    let Some(first) = pieces.iter().position(is_body) else {
        return;
    };
    let is_pasted = |piece: &Piece| {
        piece.reason.is_none() && !piece.is_outline && is_prose(piece) && is_of_another_script(&piece.text, lang)
    };
    let above: usize = pieces[..first].iter().filter(|piece| is_pasted(piece)).map(|piece| width(&piece.text)).sum();
    let below: usize = pieces[first..].iter().filter(|piece| is_body(piece)).map(|piece| width(&piece.text)).sum();
    if above > below {
        return;
    }
    for piece in pieces[..first].iter_mut().filter(|piece| is_pasted(piece)) {
        piece.reason = Some(Reason::SecondHand);
    }
}

/// Two or more points behind pictograms above the body, and a paragraph above them that speaks of "the article".
fn mark_bulleted(pieces: &mut [Piece]) {
    let is_kept_prose = |piece: &Piece| piece.reason.is_none() && is_prose(piece);
    let speaks_of_article = |piece: &Piece| {
        let folded = fold_str(&piece.text);
        ABSTRACT_PHRASES.iter().filter(|phrase| folded.contains(*phrase)).count()
    };
    let Some(first) = pieces.iter().position(is_kept_prose) else {
        return;
    };
    let opens_with_abstract = !is_bullet(&pieces[first]) && speaks_of_article(&pieces[first]) > 0;
    let start = first + usize::from(opens_with_abstract);
    let bullets =
        pieces[start..].iter().take_while(|piece| piece.reason.is_some() || is_pictogram_point(piece)).count();
    let points = pieces[start..start + bullets].iter().filter(|piece| piece.reason.is_none()).count();
    let end = if points >= 2 { start + bullets } else { start };
    let is_abstract = points >= 2 || (opens_with_abstract && speaks_of_article(&pieces[first]) >= 2);
    let below: usize = pieces[end..].iter().filter(|piece| is_kept_prose(piece)).map(|piece| width(&piece.text)).sum();
    let above: usize = pieces[first..end].iter().map(|piece| width(&piece.text)).sum();
    if !is_abstract || below < 2 * above {
        return;
    }
    for piece in pieces[first..end].iter_mut().filter(|piece| piece.reason.is_none()) {
        piece.reason = Some(Reason::SecondHand);
    }
}

fn is_bullet(piece: &Piece) -> bool {
    piece.kind == Some(BlockKind::ListItem) || is_pictogram_point(piece)
}

/// Whether a piece begins with an emoji, as the points of chat models do.
fn is_pictogram_point(piece: &Piece) -> bool {
    let is_pictogram =
        |c: char| matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}');
    piece.text.starts_with(is_pictogram)
        && width(&piece.text) >= 30
        && (ends_sentence(&piece.text) || width(&piece.text) >= 60)
}

/// When hardly anything but second-hand text is there, that is the article: its content is kept after all. Returns
/// whether this happened.
pub(super) fn promote(page: &mut Page) -> bool {
    let is_pasted = |piece: &Piece| piece.reason == Some(Reason::SecondHand) && !piece.is_label;
    let pasted: usize = page.pieces.iter().filter(|piece| is_pasted(piece)).map(|piece| width(&piece.text)).sum();
    let kept: usize = page.pieces.iter().filter(|piece| piece.reason.is_none()).map(|piece| width(&piece.text)).sum();
    if pasted == 0 || kept * 2 >= pasted {
        return false;
    }
    for piece in page.pieces.iter_mut().filter(|piece| is_pasted(piece)) {
        piece.reason = None;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Vec<(&str, BlockKind, bool)> {
        let parts = outline(line, false).unwrap_or_default();
        parts.into_iter().map(|part| (line[part.range].trim(), part.kind, part.is_label)).collect()
    }

    #[test]
    fn one_line_outlines_become_blocks() {
        use BlockKind::*;
        let line = "Core Viewpoint - The mill re-opens - at last. [1] Group 1: Jobs - It hires 40 people [2]. - Pay is low-ish. Group 2: Risks - Floods.";
        assert_eq!(
            parts(line),
            [
                ("Core Viewpoint -", Heading, true),
                ("The mill re-opens - at last. [1]", Paragraph, false),
                ("Group 1:", Heading, true),
                ("Jobs", Heading, false),
                ("It hires 40 people [2].", ListItem, false),
                ("Pay is low-ish.", ListItem, false),
                ("Group 2:", Heading, true),
                ("Risks", Heading, false),
                ("Floods.", ListItem, false),
            ]
        );
    }

    #[test]
    fn ordinary_lines_are_no_outline() {
        for line in [
            "Group 1: Denmark, France and Peru meet in Doha.",
            "The Core Viewpoint - a lookout above the valley - is closed.",
            "Group photographs",
            "C",
            "",
        ] {
            assert!(outline(line, false).is_none(), "{line}");
        }
    }
}
