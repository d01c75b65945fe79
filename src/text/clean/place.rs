//! Pieces of a page in, title, byline and date out of those that stand above the body, and credits below it. The same line in
//! the midst of the body would be a sentence and is left alone.

use super::furniture::credit;
use super::shape::{body, ends_sentence, is_prose, width};
use super::{Page, Piece};
use crate::text::figures::{self, Kind};
use crate::text::fold::fold_str;
use crate::text::script::is_han;
use crate::text::{BlockKind, Reason};

/// Marks what its place gives away: title, byline and date above the body, credits below it.
pub(super) fn mark(page: &mut Page) {
    let (first, last) = body(&page.pieces);
    mark_credits(page, 0..first, true);
    mark_title(page, first);
    mark_sources(page, first);
    let below = last + 1..page.pieces.len();
    mark_credits(page, below, false);
}

fn mark_credits(page: &mut Page, range: std::ops::Range<usize>, is_above: bool) {
    for i in range {
        let piece = &page.pieces[i];
        // Web pages have their bylines dropped with the menus.
        let is_open = matches!(piece.reason, None | Some(Reason::Navigation | Reason::Metadata));
        let is_item = piece.kind == Some(BlockKind::ListItem) && piece.reason.is_none();
        if !is_open || is_item || width(&piece.text) > 160 || is_prose(piece) {
            continue;
        }
        let author = byline(&piece.text);
        let date = dateline(&piece.text).filter(|_| is_above || credit(&piece.text).is_some());
        if author.is_none() && date.is_none() && !is_credit(&piece.text) {
            continue;
        }
        page.byline = page.byline.take().or(author);
        page.date = page.date.take().or(date);
        page.pieces[i].reason = Some(Reason::Metadata);
    }
}

/// The name in a line such as `By Ann Lee, Staff Writer` or `記者 王小明`.
fn byline(text: &str) -> Option<String> {
    if width(text) > 90 || ends_sentence(text) {
        return None;
    }
    let (is_author, name) = match ["By ", "BY ", "by "].iter().find_map(|by| text.strip_prefix(by)) {
        Some(name) => {
            let words = name.split_whitespace();
            let capitals = words.clone().filter(|word| word.starts_with(char::is_uppercase)).count();
            (capitals * 2 > words.clone().count() && (2..=10).contains(&words.count()), name)
        }
        None => credit(text)?,
    };
    // A name has no figures, and ends before the next credit or the date.
    let name = name.split(['|', '｜', '丨', '\u{3000}']).next().unwrap_or_default();
    let next = name.find([':', '：']).map(|at| name[..at].rfind(' ').unwrap_or(0));
    let end = name.find(|c: char| c.is_ascii_digit()).into_iter().chain(next).min().unwrap_or(name.len());
    let name = name[..end].trim();
    (is_author && end > 0 && width(name) <= 60 && !name.is_empty()).then(|| name.to_owned())
}

fn is_credit(text: &str) -> bool {
    let inner = text.trim_start_matches(['(', '（', '[', '【', '［']);
    // `原標題：…？` ends as the title does.
    let is_sentence = ends_sentence(text) && !text.trim_end_matches(['）', ')']).ends_with(['？', '?', '！', '!']);
    width(text) <= 120
        && !is_sentence
        && (credit(text).is_some() || inner.len() < text.len() && credit(inner).is_some())
}

/// The date in a line that is little more than a date: `Harrow Reach, 30 September 2025`, `新華社 2025-09-30 07:12`.
fn dateline(text: &str) -> Option<String> {
    if width(text) > 90 || ends_sentence(text) {
        return None;
    }
    let is_date = |kind: &Kind| matches!(kind, Kind::Date { day: Some(_), .. });
    let dates: Vec<_> = figures::figures(text)
        .into_iter()
        .filter(|figure| is_date(&figure.kind) || matches!(figure.kind, Kind::Time { .. }))
        .collect();
    let (first, last) = (dates.first()?, dates.last()?);
    if !dates.iter().any(|figure| is_date(&figure.kind)) {
        return None;
    }
    // Around it stand names and labels, parted from it; words that run on from a date are a sentence or a headline.
    let is_joint = |c: char| {
        c.is_whitespace()
            || c.is_ascii_punctuation()
            || matches!(c, '：' | '，' | '｜' | '丨' | '·' | '–' | '—' | '（' | '）')
    };
    let before = &text[..first.start];
    let after = &text[last.end..];
    let parted = (before.is_empty() || before.ends_with(is_joint)) && (after.is_empty() || after.starts_with(is_joint));
    let columns = width(before.trim()) + width(after.trim());
    let is_name = |word: &str| {
        let bare = word.trim_matches(is_joint);
        !bare.starts_with(char::is_lowercase)
            || matches!(
                bare,
                "at" | "on"
                    | "am"
                    | "pm"
                    | "a.m"
                    | "p.m"
                    | "updated"
                    | "published"
                    | "posted"
                    | "last"
                    | "by"
                    | "the"
                    | "of"
            )
    };
    let labelled = credit(text).is_some()
        || ["Published", "Updated", "Posted", "Last updated"].iter().any(|label| text.starts_with(label));
    // Without year and hour it may as well be a day that the article is about.
    let is_exact =
        dates.iter().any(|figure| matches!(figure.kind, Kind::Time { .. } | Kind::Date { year: Some(_), .. }));
    let is_dateline = parted
        && (is_exact || labelled)
        && (labelled || columns <= 40 && before.split_whitespace().chain(after.split_whitespace()).all(is_name));
    is_dateline.then(|| text[first.start..last.end].to_owned())
}

/// Takes the page's title out of the pieces; a plain clipping's first line above the body is its title.
fn mark_title(page: &mut Page, first: usize) {
    let title = match &page.title {
        Some(title) => title.clone(),
        None => {
            let is_masthead = |i: usize| {
                page.pieces.get(i + 1).is_some_and(|next| next.reason == Some(Reason::Navigation) && !next.after_gap)
            };
            let candidate = (0..first).find(|&i| page.pieces[i].reason.is_none() && !is_masthead(i));
            let Some(candidate) = candidate.filter(|&i| looks_like_title(&page.pieces[i])) else {
                return;
            };
            for masthead in page.pieces[..candidate].iter_mut().filter(|piece| piece.reason.is_none()) {
                masthead.reason = Some(Reason::Metadata);
            }
            page.pieces[candidate].text.clone()
        }
    };
    let folded_title = fold_str(&title);
    for piece in &mut page.pieces {
        if !matches!(piece.reason, None | Some(Reason::Navigation)) || width(&piece.text) > width(&title) + 30 {
            continue;
        }
        let folded = fold_str(&piece.text);
        let rest_of_piece = folded.strip_prefix(folded_title.as_str());
        let is_title = rest_of_piece.is_some_and(|rest| width(rest) <= 30 && !ends_sentence(rest))
            || (width(&folded) >= 12
                && !is_prose(piece)
                && folded_title
                    .strip_prefix(folded.as_str())
                    .is_some_and(|rest| rest.starts_with([' ', '-', '|', '_'])));
        if is_title {
            piece.reason = Some(Reason::Metadata);
        }
    }
    page.title = Some(title);
}

fn looks_like_title(piece: &Piece) -> bool {
    let is_cut_off = piece.text.ends_with([',', ';', '，', '；', '、', ':', '：', '-', '–', '—']);
    piece.kind.is_none()
        && (4..200).contains(&width(&piece.text))
        && !is_cut_off
        && (!ends_sentence(&piece.text) || piece.text.ends_with(['?', '？', '!', '！', '”', '」', '…']))
}

/// Marks what is left between title and body: names of the source beside a date or byline, lone tags.
fn mark_sources(page: &mut Page, first: usize) {
    for i in 0..first {
        let piece = &page.pieces[i];
        let is_label = width(&piece.text) <= 48 && !ends_sentence(&piece.text) && piece.kind.is_none();
        if piece.reason.is_some() || !is_label {
            continue;
        }
        let is_metadata = |n: usize| page.pieces.get(n).is_some_and(|other| other.reason == Some(Reason::Metadata));
        let beside =
            (i > 0 && !piece.after_gap && is_metadata(i - 1)) || (is_metadata(i + 1) && !page.pieces[i + 1].after_gap);
        let is_tag = piece.text.chars().any(|c| c.is_ascii_lowercase())
            && !piece.text.chars().any(|c| c.is_uppercase() || is_han(c))
            && piece.text.split_whitespace().count() <= 5;
        if is_tag || beside {
            page.pieces[i].reason = Some(if is_tag { Reason::Tags } else { Reason::Metadata });
        }
    }
}
