//! Pieces of a page in, reasons for those that are furniture out: menus, share buttons, tags, adverts, disclaimers, lists of
//! other articles. The phrases stand in `furniture.txt`, each with the place where it counts: a line of its own, a heading
//! of its own, or the edges of the page. Inside running text nothing is evidence.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::shape::{body_lang, ends_sentence, is_of_another_script, is_prose, width};
use super::{Page, Piece};
use crate::text::fold::fold_str;
use crate::text::{BlockKind, Reason};

/// The phrases of `furniture.txt` by the place where they count, each with its reason.
static PHRASES: LazyLock<HashMap<&'static str, Vec<(&'static str, Reason)>>> = LazyLock::new(|| {
    let mut places: HashMap<_, Vec<_>> = HashMap::new();
    for line in include_str!("furniture.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((reason, (place, phrases))) =
            line.split_once(' ').and_then(|(reason, rest)| Some((reason, rest.trim_start().split_once(' ')?)))
        else {
            continue;
        };
        if let Ok(reason) = serde_json::from_value::<Reason>(reason.into()) {
            places.entry(place).or_default().extend(phrases.split(" | ").map(|phrase| (phrase.trim(), reason)));
        }
    }
    places
});

/// The phrases of a place.
pub(super) fn phrases(place: &str) -> impl Iterator<Item = &'static str> {
    PHRASES[place].iter().map(|(phrase, _)| *phrase)
}

/// A piece's words as the table has them.
struct Folded {
    text: String,
    columns: usize,
    ends_sentence: bool,
}

impl Folded {
    fn of(text: &str) -> Folded {
        Folded { text: fold_str(text), columns: width(text), ends_sentence: ends_sentence(text) }
    }

    /// Why the line is furniture if it is one of the phrases of `place`.
    fn is(&self, place: &str) -> Option<Reason> {
        let bare = self.text.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '©' | '【' | '】'));
        PHRASES[place].iter().find(|(phrase, _)| *phrase == bare || *phrase == self.text).map(|(_, reason)| *reason)
    }

    /// Why it is furniture if it begins with one of the phrases of `place`.
    fn begins(&self, place: &str) -> Option<Reason> {
        let bare = self.text.trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '©' | '(' | '【'));
        let found = PHRASES[place].iter().find(|(phrase, _)| bare.starts_with(phrase) || self.text.starts_with(phrase));
        found.map(|(_, reason)| *reason)
    }

    /// Why it is furniture if it holds at least `n` phrases that are parts.
    fn holds(&self, n: usize) -> Option<Reason> {
        let mut found = PHRASES["part"].iter().filter(|(phrase, _)| self.text.contains(phrase));
        found.nth(n - 1).map(|(_, reason)| *reason)
    }
}

/// Whether a line is a credit (`編輯/海棠`, `Edited by Ann Lee`): whether it names the author, and what stands behind the label.
pub(super) fn credit(text: &str) -> Option<(bool, &str)> {
    // A blank around the mark is no matter: `作者 : 林小舟`.
    let folded = fold_str(text).replace(" :", ":").replace(" /", "/");
    let of = |place| phrases(place).map(move |phrase| (place == "author", phrase));
    let found = of("author").chain(of("credit")).filter(|(_, phrase)| folded.starts_with(phrase));
    let (is_author, phrase) = found.max_by_key(|(_, phrase)| phrase.len())?;
    let end = text.char_indices().nth(phrase.chars().count()).map_or(text.len(), |(at, _)| at);
    let is_joint = |c: char| matches!(c, ':' | '：' | '/' | '／' | '|' | '｜' | ' ' | '\u{3000}');
    let rest = text[end..].trim_start_matches(is_joint);
    let is_parted = rest.len() < text.len() - end || text[..end].ends_with(is_joint);
    is_parted.then_some((is_author, rest.trim()))
}

/// Marks the furniture of a page.
pub(super) fn mark(page: &mut Page) {
    let pieces = &mut page.pieces;
    let mut i = 0;
    while i < pieces.len() {
        if pieces[i].reason.is_none() {
            let folded = Folded::of(&pieces[i].text);
            let is_item = pieces[i].kind == Some(BlockKind::ListItem);
            pieces[i].reason = anywhere(&pieces[i].text, &folded).filter(|reason| !is_item || *reason == Reason::Media);
            if let Some(reason) = folded.is("list").filter(|_| !is_item) {
                i = mark_list(pieces, i, reason);
            }
        }
        i += 1;
    }
    mark_behind_end(pieces);
    mark_below(pieces);
    mark_above(pieces);
}

/// Marks all that stands below a line which ends articles, if that is little beside what stands above.
fn mark_behind_end(pieces: &mut [Piece]) {
    let columns = |piece: &Piece| if piece.reason.is_none() { width(&piece.text) } else { 0 };
    let all: usize = pieces.iter().map(columns).sum();
    let is_end = |piece: &Piece| width(&piece.text) <= 60 && Folded::of(&piece.text).begins("end").is_some();
    let mut above = 0;
    for i in 0..pieces.len() {
        above += columns(&pieces[i]);
        if above * 10 >= all * 7 && above < all && is_end(&pieces[i]) {
            for piece in pieces[i + 1..].iter_mut().filter(|piece| piece.reason.is_none()) {
                let folded = Folded::of(&piece.text);
                piece.reason = folded.begins("closing").or_else(|| folded.holds(2)).or(Some(Reason::Related));
            }
            return;
        }
    }
}

/// Why a line is furniture wherever it stands.
fn anywhere(text: &str, folded: &Folded) -> Option<Reason> {
    if !text.chars().any(char::is_alphanumeric) {
        return Some(Reason::Media);
    }
    if folded.columns > 200 {
        return None;
    }
    if is_path(text) {
        return Some(Reason::TemplatePath);
    }
    if is_counter(&folded.text) {
        return Some(Reason::Share);
    }
    let mut words = text.split_whitespace();
    if text.contains(' ') && words.all(|word| word.starts_with(['#', '＃'])) {
        return Some(Reason::Tags);
    }
    // A headline may ask or exclaim.
    let is_label = !folded.ends_sentence || folded.text.trim_end_matches(')').ends_with(['?', '!']);
    let label = || folded.begins("label").filter(|_| is_label);
    folded.is("line").or_else(label)
}

/// A file name, path or address and nothing else: one token.
fn is_path(text: &str) -> bool {
    const ENDS: &[&str] =
        &[".html", ".htm", ".php", ".jsp", ".asp", ".aspx", ".tpl", ".js", ".css", ".shtml", ".vue", ".xml", ".json"];
    let text = text.trim_matches(['<', '>', '(', ')']);
    let is_address = ["http://", "https://", "www."].iter().any(|start| text.starts_with(start));
    text.is_ascii()
        && text.len() > 5
        && !text.contains(' ')
        && (is_address || ENDS.iter().any(|end| text.ends_with(end)) || text.matches('/').count() >= 3)
}

/// `3 comments`, `阅读 1203`, `1.2k shares`.
fn is_counter(folded: &str) -> bool {
    const COUNTED: &str = "comments comment shares share likes like views view reads retweets 阅读 阅读量 阅读数 评论 条评论 点赞 赞 \
        人点赞 浏览 浏览量 次浏览 次阅读 分享 转发 收藏 热度 人参与 跟贴 minread minuteread minutesread";
    let is_figure = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | ' ' | '(' | ')' | 'k' | '万' | '+');
    let words = folded.trim_matches(is_figure).replace(' ', "");
    folded.len() < 60
        && folded.contains(|c: char| c.is_ascii_digit())
        && !words.is_empty()
        && COUNTED.split(' ').any(|known| known == words)
}

/// Breadcrumbs and rows of menu words: several short parts between separators.
fn is_menu(text: &str) -> bool {
    width(text) <= 160
        && !ends_sentence(text)
        && [("|", 4), ("｜", 4), (" · ", 4), (" • ", 4), (">", 3), ("»", 3), ("›", 3)].iter().any(
            |(separator, least)| {
                let parts: Vec<&str> = text.split(separator).map(str::trim).collect();
                let is_word = |part: &&str| width(part) <= 24 && !part.chars().all(|c| c.is_ascii_digit());
                parts.len() >= *least && parts.iter().all(is_word)
            },
        )
}

/// A line whose point is how to reach someone.
fn is_contact(text: &str) -> bool {
    let is_mark = |c: char| c.is_whitespace() || matches!(c, ':' | '：' | ',' | '(' | ')' | '<' | '>' | '，');
    let is_mail = |word: &&str| {
        word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.is_ascii() && host.contains('.'))
    };
    text.split(is_mark).find(is_mail).is_some_and(|mail| width(text) - width(mail) <= 40 && !ends_sentence(text))
}

/// Why a line above or below the body is furniture.
fn at_edge(piece: &Piece, folded: &Folded) -> Option<Reason> {
    let line = folded.is("line").or_else(|| folded.is("edge"));
    line.or_else(|| folded.begins("start").filter(|_| folded.columns <= 160 && !folded.ends_sentence))
        .or_else(|| is_menu(&piece.text).then_some(Reason::Navigation))
        .or_else(|| is_contact(&piece.text).then_some(Reason::Contact))
}

/// Marks the titles below a heading of related articles, or the tags below theirs; returns the number of the last one.
fn mark_list(pieces: &mut [Piece], heading: usize, reason: Reason) -> usize {
    let is_title = |piece: &Piece| {
        piece.reason.is_none()
            && width(&piece.text) <= 160
            && (!ends_sentence(&piece.text) || piece.text.ends_with(['?', '？', '!', '！']))
    };
    let mut end = heading + 1;
    let glued = pieces.get(end).is_some_and(|piece| !piece.after_gap);
    while let Some(piece) = pieces.get(end) {
        let past_list = glued && piece.after_gap && end > heading + 1;
        if past_list || !is_title(piece) {
            break;
        }
        end += 1;
        if reason == Reason::Tags {
            break;
        }
    }
    // Titles with gaps between them, and then running text: the last one is that text's heading.
    let gives_back = !glued
        && reason != Reason::Tags
        && end > heading + 1
        && pieces.get(end).is_some_and(|piece| piece.reason.is_none());
    let end = end - usize::from(gives_back);
    // A heading over running text is an ordinary heading.
    let is_over_text =
        end == heading + 1 && pieces.get(end).is_some_and(|piece| piece.reason.is_none() && is_prose(piece));
    if is_over_text {
        return heading;
    }
    pieces[heading..end].iter_mut().for_each(|piece| piece.reason = Some(reason));
    end - 1
}

/// Marks furniture below the body, from the end of the page up to the last paragraph that is none.
fn mark_below(pieces: &mut [Piece]) {
    const LONGEST: usize = 800;
    let lang = body_lang(pieces);
    let n_prose = pieces.iter().filter(|piece| piece.reason.is_none() && is_prose(piece)).count();
    let (mut taken, mut end) = (0, 0);
    for i in (0..pieces.len()).rev().filter(|&i| pieces[i].reason.is_none()).collect::<Vec<_>>() {
        if pieces[i].reason.is_some() {
            continue;
        }
        let folded = Folded::of(&pieces[i].text);
        let above = (0..i).rev().find(|&n| pieces[n].reason.is_none());
        let heading = above.filter(|&n| Folded::of(&pieces[n].text).is("heading").is_some());
        let is_foreign = lang.is_some_and(|lang| is_of_another_script(&pieces[i].text, lang));
        let reason = if heading.is_some() && folded.columns <= LONGEST && folded.holds(1).is_some() {
            Some(Reason::Disclaimer)
        } else if folded.columns <= LONGEST {
            let closing = || folded.begins("closing").filter(|_| folded.columns <= 300 || folded.holds(2).is_some());
            let foreign = || is_foreign.then_some(Reason::Advert);
            at_edge(&pieces[i], &folded).or_else(closing).or_else(|| folded.holds(2)).or_else(foreign)
        } else {
            None
        };
        let is_text = is_prose(&pieces[i]);
        // A page that is nothing but its notices is about them.
        if is_text && (reason.is_none() || taken + 1 >= n_prose) {
            end = i + 1;
            break;
        }
        taken += usize::from(is_text && reason.is_some());
        pieces[i].reason = reason;
        if let (Some(heading), Some(reason)) = (heading, reason) {
            pieces[heading].reason = Some(reason);
        }
    }
    // Below what ends a page, labels are labels: names of the site, of its pictures, of its sections.
    let mut below_end = false;
    for i in end..pieces.len() {
        let piece = &pieces[i];
        let is_label = width(&piece.text) <= 60 && !ends_sentence(&piece.text) && piece.kind.is_none();
        let same = |n: Option<usize>| n.and_then(|n| pieces.get(n)).is_some_and(|other| other.text == piece.text);
        let is_doubled = same(i.checked_sub(1)) || same(Some(i + 1));
        match piece.reason {
            Some(Reason::Media | Reason::Metadata | Reason::CitationMark) => {}
            Some(_) => below_end = true,
            None if is_label && end > 0 && (below_end || is_doubled) => pieces[i].reason = Some(Reason::Navigation),
            None => {}
        }
    }
}

/// Marks furniture above the body.
fn mark_above(pieces: &mut [Piece]) {
    let first = pieces.iter().position(|piece| {
        let is_notice = || {
            let folded = Folded::of(&piece.text);
            folded.columns <= 300 && folded.holds(2).is_some()
        };
        piece.reason.is_none() && is_prose(piece) && !is_notice()
    });
    for piece in pieces[..first.unwrap_or(0)].iter_mut().filter(|piece| piece.reason.is_none()) {
        let folded = Folded::of(&piece.text);
        let is_item = piece.kind == Some(BlockKind::ListItem);
        piece.reason = at_edge(piece, &folded)
            .or_else(|| folded.begins("closing").filter(|_| !is_prose(piece) && folded.ends_sentence))
            .or_else(|| folded.holds(2).filter(|_| folded.columns <= 300))
            .filter(|_| !is_item || !is_prose(piece));
    }
}
