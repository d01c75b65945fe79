//! Pieces of a page in, the abstracts that machines wrote and sites pasted above the article marked out. Knows the label of
//! such an abstract, and that nobody else opens an article in another script; a page that is nothing else is kept, and said
//! to be second-hand.

use super::furniture::phrases;
use super::shape::{body_lang, ends_sentence, is_of_another_script, is_prose, width};
use super::{Page, Piece};
use crate::text::fold::fold_str;
use crate::text::{BlockKind, Reason};

/// Marks pasted abstracts.
pub(super) fn mark(page: &mut Page) {
    mark_cited(page);
    mark_labelled(&mut page.pieces);
    mark_foreign(&mut page.pieces);
}

/// What a label says of an abstract.
#[derive(PartialEq)]
enum Label {
    /// The abstract stands in the same paragraph.
    Inside,
    /// It stands below.
    Below,
}

/// Whether `text` labels a machine's summary: a machine and a summary in few words, `AI Overview`, `本文摘要由AI生成`.
fn label(text: &str) -> Option<Label> {
    const WIDEST: usize = 40;
    let folded = fold_str(&text.chars().take(120).collect::<String>());
    let head = folded.split([':', '|', '】', ']']).next().unwrap_or_default();
    // Latin words are whole words, `ai` is no part of `said`.
    let spaced = format!(" {} ", head.replace(|c: char| !c.is_alphanumeric() && c != '-', " "));
    let names = |place| {
        phrases(place).any(|word| {
            if word.is_ascii() && head.is_ascii() { spaced.contains(&format!(" {word} ")) } else { head.contains(word) }
        })
    };
    if width(head) > WIDEST || ends_sentence(head) || !names("machine") || !names("abstract") {
        return None;
    }
    let is_inside = width(text) > 2 * WIDEST;
    (!is_inside || head.len() < folded.len()).then_some(if is_inside { Label::Inside } else { Label::Below })
}

/// An abstract under a label that says so: the paragraph below it, and the points below that.
fn mark_labelled(pieces: &mut [Piece]) {
    let mut i = 0;
    while i < pieces.len() {
        let found = if pieces[i].reason.is_none() { label(&pieces[i].text) } else { None };
        i += 1;
        let Some(found) = found else {
            continue;
        };
        pieces[i - 1].reason = Some(Reason::SecondHand);
        while i < pieces.len() && pieces[i].reason.is_none() && label(&pieces[i].text) == Some(Label::Below) {
            pieces[i].reason = Some(Reason::SecondHand);
            i += 1;
        }
        if found == Label::Below && i < pieces.len() && pieces[i].reason.is_none() && is_prose(&pieces[i]) {
            pieces[i].reason = Some(Reason::SecondHand);
            i += 1;
        }
        while i < pieces.len() && pieces[i].reason.is_none() && is_point(&pieces[i]) {
            pieces[i].reason = Some(Reason::SecondHand);
            i += 1;
        }
    }
}

/// A first paragraph full of citation marks above an article that has none: no author writes so.
fn mark_cited(page: &mut Page) {
    const LEAST_MARKS: usize = 3;
    let marks: Vec<usize> =
        page.taken_out.iter().filter(|run| run.reason == Reason::CitationMark).map(|run| run.start).collect();
    let Some(first) = page.pieces.iter().position(|piece| piece.reason.is_none() && is_prose(piece)) else {
        return;
    };
    let source = page.pieces[first].source.clone();
    let below: usize =
        page.pieces[first + 1..].iter().filter(|piece| is_prose(piece)).map(|piece| width(&piece.text)).sum();
    if marks.len() >= LEAST_MARKS
        && marks.iter().all(|at| source.contains(at))
        && below > 2 * width(&page.pieces[first].text)
    {
        page.pieces[first].reason = Some(Reason::SecondHand);
    }
}

/// Paragraphs above the body in another script or language than the body's.
fn mark_foreign(pieces: &mut [Piece]) {
    let Some(lang) = body_lang(pieces) else {
        return;
    };
    let is_open = |piece: &Piece| piece.reason.is_none() && is_prose(piece);
    let is_foreign = |piece: &Piece| is_of_another_script(&piece.text, lang);
    let Some(first) = pieces.iter().position(|piece| is_open(piece) && !is_foreign(piece)) else {
        return;
    };
    let columns = |pieces: &[Piece]| pieces.iter().filter(|p| is_open(p)).map(|p| width(&p.text)).sum::<usize>();
    if columns(&pieces[..first]) <= columns(&pieces[first..]) {
        pieces[..first]
            .iter_mut()
            .filter(|piece| is_open(piece))
            .for_each(|piece| piece.reason = Some(Reason::SecondHand));
    }
}

fn is_point(piece: &Piece) -> bool {
    piece.kind == Some(BlockKind::ListItem) || is_pictogram_point(piece)
}

fn is_pictogram_point(piece: &Piece) -> bool {
    let is_pictogram =
        |c: char| matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}');
    piece.text.starts_with(is_pictogram) && width(&piece.text) >= 30
}

/// When hardly anything but second-hand text is there, that is the article: its content is kept after all. Returns
/// whether this happened.
pub(super) fn promote(page: &mut Page) -> bool {
    let is_pasted =
        |piece: &Piece| piece.reason == Some(Reason::SecondHand) && label(&piece.text) != Some(Label::Below);
    let columns = |chosen: &dyn Fn(&Piece) -> bool| -> usize {
        page.pieces.iter().filter(|piece| chosen(piece)).map(|piece| width(&piece.text)).sum()
    };
    let (pasted, kept) = (columns(&is_pasted), columns(&|piece| piece.reason.is_none()));
    if pasted == 0 || kept * 2 >= pasted {
        return false;
    }
    page.pieces.iter_mut().filter(|piece| is_pasted(piece)).for_each(|piece| piece.reason = None);
    true
}
