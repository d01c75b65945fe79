//! One piece of a page in, what it looks like out: its width, whether it reads like running text, its language, its kind.
//! Knows typography, no vocabulary.

use super::{Page, Piece};
use crate::text::lang::{detect, foreign_script_chars};
use crate::text::{BlockKind, Lang};

/// The columns that `text` takes on a page: wide characters count twice.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum()
}

/// Whether `text` ends as sentences end, closing quotes and brackets aside.
pub(super) fn ends_sentence(text: &str) -> bool {
    let end = text.trim_end_matches(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '”' | '’' | '」' | '』' | ')' | '）' | ']' | '】' | '»')
    });
    end.ends_with(['.', '!', '?', '。', '！', '？', '…', '｡']) || text.ends_with("。」")
}

/// Whether a piece reads like running text rather than like a label.
pub(super) fn is_prose(piece: &Piece) -> bool {
    let columns = width(&piece.text);
    (columns >= 60 && ends_sentence(&piece.text)) || columns >= 200
}

/// The first and the last piece that is kept and reads like running text; the whole page when none does.
pub(super) fn body(pieces: &[Piece]) -> (usize, usize) {
    let is_body = |piece: &Piece| piece.reason.is_none() && is_prose(piece);
    // Lines without stops: the first is a title when it stands alone.
    let is_verse = pieces.len() > 2 && pieces[1].after_gap;
    let first = pieces.iter().position(is_body).unwrap_or(usize::from(is_verse));
    let last = pieces.iter().rposition(is_body).unwrap_or(pieces.len().saturating_sub(1));
    (first, last)
}

/// The language of most of the kept running text.
pub(super) fn body_lang(pieces: &[Piece]) -> Option<Lang> {
    let mut columns = [(Lang::En, 0), (Lang::ZhHans, 0), (Lang::ZhHant, 0)];
    for piece in pieces.iter().filter(|piece| piece.reason.is_none() && is_prose(piece)) {
        let lang = detect(&piece.text);
        if let Some((_, sum)) = columns.iter_mut().find(|(known, _)| *known == lang) {
            *sum += width(&piece.text);
        }
    }
    columns.into_iter().max_by_key(|&(_, sum)| sum).filter(|&(_, sum)| sum > 0).map(|(lang, _)| lang)
}

/// Whether `text` is plainly in another language or script than `lang`: shared characters prove nothing.
pub(super) fn is_of_another_script(text: &str, lang: Lang) -> bool {
    let other = detect(text);
    if other == lang {
        return false;
    }
    match (lang, other) {
        (Lang::ZhHans | Lang::ZhHant, Lang::ZhHans | Lang::ZhHant) => {
            let foreign = foreign_script_chars(text, lang);
            foreign >= 2 && foreign > 4 * foreign_script_chars(text, other)
        }
        _ => width(text) >= 80,
    }
}

/// What each piece is: as the markup says, else by its looks.
pub(super) fn kinds(page: &Page) -> Vec<BlockKind> {
    let kept: Vec<usize> = (0..page.pieces.len()).filter(|&n| page.pieces[n].reason.is_none()).collect();
    let mut looks = vec![false; kept.len() + 2];
    for (n, &i) in kept.iter().enumerate() {
        let piece = &page.pieces[i];
        // It stands alone above something: the lines of a verse stand together.
        let stands_alone = n == 0 || piece.after_gap;
        let next = kept.get(n + 1).map(|&next| &page.pieces[next]);
        looks[n] = piece.kind.is_none()
            && stands_alone
            && next.is_some_and(|next| next.after_gap || is_prose(next))
            && looks_like_heading(piece);
    }
    let mut kinds: Vec<BlockKind> =
        page.pieces.iter().map(|piece| piece.kind.unwrap_or(BlockKind::Paragraph)).collect();
    for (n, &i) in kept.iter().enumerate().filter(|&(n, _)| looks[n]) {
        // Three in a row are lines without stops.
        let before = looks[..n].iter().rev().take(3).take_while(|looks| **looks).count();
        let behind = looks[n..].iter().take(3).take_while(|looks| **looks).count();
        if before + behind < 3 {
            kinds[i] = BlockKind::Heading;
        }
    }
    kinds
}

fn looks_like_heading(piece: &Piece) -> bool {
    width(&piece.text) <= 110
        && (!ends_sentence(&piece.text) || is_question_heading(piece))
        && !piece.text.ends_with([':', '：', ',', '，', ';', '；', '、', '-', '–', '—'])
        // A quotation with words after it is a sentence that lost its stop.
        && (!piece.text.starts_with(['“', '"', '「']) || piece.text.ends_with(['”', '"', '」']))
        && !piece.text.starts_with(char::is_lowercase)
}

/// "What is a lock?" alone on its line, between gaps.
fn is_question_heading(piece: &Piece) -> bool {
    const MARKS: &[char] = &['.', '?', '!', ',', '。', '？', '！', '，', '"', '“', '「', ':', '：'];
    let question = piece.text.strip_suffix(['?', '？']);
    piece.after_gap && width(&piece.text) <= 60 && question.is_some_and(|text| !text.contains(MARKS))
}
