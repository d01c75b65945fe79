//! Pieces of a page in, reasons for those that their place gives away out: title, byline and date above the body, credits
//! and adverts below it. The same line in the midst of the body would be a sentence and is left alone.

use super::patterns::{ADVERT_PARTS, AUTHOR_LABELS, CREDIT_LABELS};
use super::shape::{body, body_lang, ends_sentence, is_of_another_script, is_prose, width};
use super::{Page, Piece};
use crate::text::figures::{self, Kind};
use crate::text::fold::fold_str;
use crate::text::script::is_han;
use crate::text::{BlockKind, Reason};

/// Marks what its place gives away: title, byline and date above the body, credits and adverts below it.
pub(super) fn mark(page: &mut Page) {
    let (first, last) = body(&page.pieces);
    mark_credits(page, 0..first);
    mark_title(page, first);
    mark_sources(page, first);
    mark_tail(page, last);
}

fn mark_credits(page: &mut Page, range: std::ops::Range<usize>) {
    for i in range {
        let piece = &page.pieces[i];
        // Web pages have their bylines dropped with the menus.
        let is_open = matches!(piece.reason, None | Some(Reason::Navigation | Reason::Metadata));
        if !is_open || piece.is_outline || piece.kind == Some(BlockKind::ListItem) {
            continue;
        }
        let text = piece.text.clone();
        let author = byline(&text);
        let date = dateline(&text);
        if author.is_none() && date.is_none() && !is_credit(&text) {
            continue;
        }
        page.pieces[i].reason = Some(Reason::Metadata);
        page.byline = page.byline.take().or(author);
        page.date = page.date.take().or(date);
    }
}

/// The name in a line such as `By Ann Lee, Staff Writer` or `記者 王小明`.
fn byline(text: &str) -> Option<String> {
    if width(text) > 90 || ends_sentence(text) {
        return None;
    }
    if let Some(name) =
        text.strip_prefix("By ").or_else(|| text.strip_prefix("BY ")).or_else(|| text.strip_prefix("by "))
    {
        let capitals = name.split_whitespace().filter(|word| word.starts_with(char::is_uppercase)).count();
        let words = name.split_whitespace().count();
        return (capitals * 2 > words && (2..=10).contains(&words)).then(|| name.to_owned());
    }
    let (label, name) = credit(text)?;
    AUTHOR_LABELS.contains(&label.as_str()).then(|| name.to_owned()).filter(|name| !name.is_empty())
}

fn is_credit(text: &str) -> bool {
    width(text) <= 100 && !ends_sentence(text) && credit(text).is_some()
}

/// A credit line's folded label and what follows it.
fn credit(text: &str) -> Option<(String, &str)> {
    let is_separator = |c: char| matches!(c, ':' | '：' | '|' | '｜' | '/' | '／' | '丨');
    let mut parts = text.splitn(2, is_separator);
    let label = fold_str(parts.next()?.trim());
    if let Some(rest) = parts.next()
        && CREDIT_LABELS.contains(&label.as_str())
    {
        return Some((label, rest.trim()));
    }
    // "記者 王小明", "Written by Ann Lee": a blank is separator enough for labels that cannot be anything else.
    const PLAIN: &[&str] = &[
        "作者",
        "记者",
        "本报记者",
        "编辑",
        "责任编辑",
        "撰文",
        "摄影",
        "来源",
        "written by",
        "reporting by",
        "edited by",
        "editing by",
        "photo by",
    ];
    let folded = fold_str(text);
    PLAIN.iter().find_map(|label| {
        let rest = folded.strip_prefix(label)?;
        let is_short = rest.split_whitespace().count() <= 6 && width(rest) <= if rest.is_ascii() { 60 } else { 24 };
        (rest.starts_with(' ') && is_short).then(|| {
            let skip = label.chars().count();
            let at = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
            ((*label).to_owned(), text[at..].trim())
        })
    })
}

/// The date in a line that is little more than a date: `Harrow Reach, 30 September 2025`, `新華社 2025-09-30 07:12`.
fn dateline(text: &str) -> Option<String> {
    let columns = width(text);
    if columns > 90 || ends_sentence(text) && columns > 40 {
        return None;
    }
    let dates: Vec<_> = figures::figures(text)
        .into_iter()
        .filter(|figure| match figure.kind {
            Kind::Date { day, .. } => day.is_some(),
            Kind::Time { .. } => true,
            _ => false,
        })
        .collect();
    let first = dates.first()?;
    let last = dates.last()?;
    let has_time = dates.iter().any(|figure| matches!(figure.kind, Kind::Time { .. }));
    let has_year = dates.iter().any(|figure| matches!(figure.kind, Kind::Date { year: Some(_), .. }));
    if !dates.iter().any(|figure| matches!(figure.kind, Kind::Date { .. })) {
        return None;
    }
    let rest = columns - dates.iter().map(|figure| width(&text[figure.start..figure.end])).sum::<usize>();
    let labelled = credit(text).is_some()
        || ["Published", "Updated", "Posted", "Last updated"].iter().any(|label| text.starts_with(label));
    let at_edge = first.start == 0 || last.end == text.len();
    let is_dateline = labelled || (has_time && rest <= 40) || (has_year && at_edge && rest <= 24) || rest <= 6;
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
    let columns = width(&piece.text);
    let is_cut_off = piece.text.ends_with([',', ';', '，', '；', '、', ':', '：', '-', '–', '—']);
    piece.kind != Some(BlockKind::ListItem)
        && !piece.is_outline
        && (4..200).contains(&columns)
        && !is_cut_off
        && (!ends_sentence(&piece.text) || piece.text.ends_with(['?', '？', '!', '！', '”', '」', '…']))
}

/// Marks what is left between title and body: names of the source beside a date or byline, lone tags.
fn mark_sources(page: &mut Page, first: usize) {
    for i in 0..first {
        let piece = &page.pieces[i];
        let columns = width(&piece.text);
        if piece.reason.is_some()
            || piece.is_outline
            || piece.kind.is_some()
            || ends_sentence(&piece.text)
            || columns > 48
        {
            continue;
        }
        let is_metadata = |n: usize| page.pieces.get(n).is_some_and(|other| other.reason == Some(Reason::Metadata));
        let beside =
            (i > 0 && !piece.after_gap && is_metadata(i - 1)) || (is_metadata(i + 1) && !page.pieces[i + 1].after_gap);
        let has_capital = piece.text.chars().any(char::is_uppercase);
        let has_letters = piece.text.chars().any(|c| c.is_ascii_lowercase());
        let is_tag = has_letters
            && !has_capital
            && !piece.text.chars().any(is_han)
            && piece.text.split_whitespace().count() <= 5;
        if is_tag {
            page.pieces[i].reason = Some(Reason::Tags);
        } else if beside {
            page.pieces[i].reason = Some(Reason::Metadata);
        }
    }
}

/// Marks credits, brand names and adverts below the last paragraph that surely belongs to the article.
fn mark_tail(page: &mut Page, last: usize) {
    let body_lang = body_lang(&page.pieces);
    let sells = |piece: &Piece| {
        let folded = fold_str(&piece.text);
        ADVERT_PARTS.iter().filter(|part| folded.contains(*part)).count()
    };
    let is_foreign = |piece: &Piece| body_lang.is_some_and(|lang| is_of_another_script(&piece.text, lang));
    let is_suspect = |piece: &Piece| width(&piece.text) <= 400 && (is_foreign(piece) || sells(piece) >= 2);
    let sure = page
        .pieces
        .iter()
        .take(last + 1)
        .rposition(|piece| piece.reason.is_none() && is_prose(piece) && !is_suspect(piece));
    let Some(sure) = sure else {
        return;
    };
    let mut below_end = false;
    for i in sure + 1..page.pieces.len() {
        let piece = &page.pieces[i];
        if let Some(reason) = piece.reason {
            // A row of dashes often parts a note by the authors from the article.
            below_end |= reason != Reason::Media;
            continue;
        }
        let columns = width(&piece.text);
        let is_short = columns <= 60 && !ends_sentence(&piece.text);
        let same = |n: Option<usize>| n.and_then(|n| page.pieces.get(n)).is_some_and(|other| other.text == piece.text);
        // A brand name stands twice where its picture was.
        let is_doubled = |i: usize| is_short && (same(i.checked_sub(1)) || same(Some(i + 1)));
        let sells_something = is_suspect(piece) || (columns <= 80 && sells(piece) >= 1);
        let reason = if byline(&piece.text).is_some() || is_credit(&piece.text) || dateline(&piece.text).is_some() {
            Some(Reason::Metadata)
        } else if is_doubled(i) || (below_end && sells_something) {
            Some(Reason::Advert)
        } else if below_end && is_short && piece.kind.is_none() {
            Some(Reason::Navigation)
        } else {
            None
        };
        if let Some(reason) = reason {
            if reason == Reason::Metadata && page.byline.is_none() {
                page.byline = byline(&page.pieces[i].text);
            }
            page.pieces[i].reason = Some(reason);
            below_end = true;
        }
    }
}
