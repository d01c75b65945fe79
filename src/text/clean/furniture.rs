//! Pieces of a page in, reasons for those whose own words give them away out: menus, share buttons, tags, adverts,
//! disclaimers, lists of other articles. A sentence lost is worse than a menu kept, so lines that read like sentences
//! are left alone unless several signs agree.

use super::patterns::*;
use super::shape::{ends_sentence, width};
use super::{Page, Piece};
use crate::text::Reason;
use crate::text::fold::fold_str;

/// Marks the lines that their own words give away, wherever they stand.
pub(super) fn mark(page: &mut Page) {
    let pieces = &mut page.pieces;
    let mut i = 0;
    while i < pieces.len() {
        if pieces[i].reason.is_none() && !pieces[i].is_outline {
            pieces[i].reason = line_reason(&pieces[i].text);
            match pieces[i].reason {
                Some(Reason::Related) if is_heading_of(&pieces[i].text, RELATED_HEADINGS) => {
                    i = mark_related(pieces, i)
                }
                Some(Reason::Tags) if width(&pieces[i].text) <= 16 => mark_next_tags(pieces, i),
                Some(Reason::Disclaimer) if is_heading_of(&pieces[i].text, DISCLAIMER_HEADINGS) => {
                    mark_disclaimer(pieces, i)
                }
                _ => {}
            }
        }
        i += 1;
    }
}

/// The reason that a piece's own words give; most pieces have none.
fn line_reason(text: &str) -> Option<Reason> {
    let columns = width(text);
    if columns > 1600 {
        return None;
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Some(Reason::Media);
    }
    let folded = fold_str(text);
    let line = folded.trim_matches(|c: char| !c.is_alphanumeric() && c != '©' && c != '#');
    let is_line = |table: &[&str]| table.contains(&line);
    let starts = |table: &[&str]| table.iter().any(|start| folded.starts_with(start) || line.starts_with(start));
    let count = |table: &[&str]| table.iter().filter(|part| folded.contains(*part)).count();
    let is_label = columns <= 100 && !ends_sentence(text);

    if is_path(line) || (is_label && is_url(text)) {
        return Some(Reason::TemplatePath);
    }
    if is_contact(text, &folded, columns) {
        return Some(Reason::Contact);
    }
    if columns <= 60 {
        if is_line(SHARE_LINES) || is_counter(line) {
            return Some(Reason::Share);
        }
        if is_line(ADVERT_LINES) {
            return Some(Reason::Advert);
        }
        if is_line(NAVIGATION_LINES) {
            return Some(Reason::Navigation);
        }
        if is_line(RELATED_HEADINGS) {
            return Some(Reason::Related);
        }
        if is_line(DISCLAIMER_HEADINGS) {
            return Some(Reason::Disclaimer);
        }
    }
    if is_label && starts(SHARE_STARTS) {
        return Some(Reason::Share);
    }
    if columns <= 200 && (starts(NAVIGATION_STARTS) || count(NAVIGATION_PARTS) > 0 && columns <= 120) {
        return Some(Reason::Navigation);
    }
    if is_menu(text, columns) {
        return Some(Reason::Navigation);
    }
    if columns <= 240 && starts(ADVERT_STARTS) && (is_label || count(ADVERT_PARTS) > 0) {
        return Some(Reason::Advert);
    }
    if columns <= 200 && is_tag_list(text, line) {
        return Some(Reason::Tags);
    }
    if columns <= 200 && RELATED_STARTS.iter().any(|start| folded.starts_with(start)) && !folded.ends_with('.') {
        return Some(Reason::Related);
    }
    let disclaims = count(DISCLAIMER_PARTS);
    if disclaims >= 3
        || (disclaims >= 2 && columns <= 500)
        || (disclaims >= 1 && DISCLAIMER_STARTS.iter().any(|start| folded.starts_with(start)))
    {
        return Some(Reason::Disclaimer);
    }
    None
}

fn is_heading_of(text: &str, table: &[&str]) -> bool {
    let folded = fold_str(text);
    table.contains(&folded.trim_matches(|c: char| !c.is_alphanumeric()))
}

/// A file name or path of a site's machinery: one token, with slashes or a page's extension.
fn is_path(line: &str) -> bool {
    const EXTENSIONS: &[&str] =
        &[".html", ".htm", ".php", ".jsp", ".asp", ".aspx", ".tpl", ".js", ".css", ".shtml", ".vue", ".xml", ".json"];
    !line.contains(char::is_whitespace)
        && line.is_ascii()
        && (EXTENSIONS.iter().any(|extension| line.ends_with(extension))
            || (line.matches('/').count() >= 3 && !line.contains(".com")))
        && line.len() > 5
}

/// A line that is nothing but an address of the web.
fn is_url(text: &str) -> bool {
    let text = text.trim_matches(['<', '>', '(', ')']);
    (text.starts_with("http://") || text.starts_with("https://") || text.starts_with("www."))
        && !text.contains(char::is_whitespace)
}

/// A line whose point is how to reach someone: a contact label, or an e-mail address with little around it.
fn is_contact(text: &str, folded: &str, columns: usize) -> bool {
    if columns > 120 {
        return false;
    }
    let has_digits = text.bytes().filter(u8::is_ascii_digit).count() >= 5;
    let mail = text
        .split(|c: char| c.is_whitespace() || matches!(c, ':' | '：' | ',' | '(' | ')' | '<' | '>' | '，'))
        .find(|token| {
            token.split_once('@').is_some_and(|(name, host)| {
                !name.is_empty() && host.contains('.') && !host.ends_with('.') && host.is_ascii()
            })
        });
    let labelled = CONTACT_STARTS.iter().any(|start| folded.starts_with(start));
    match mail {
        Some(mail) => labelled || columns - width(mail) <= 40 && !ends_sentence(text),
        None => labelled && has_digits && !ends_sentence(text),
    }
}

/// "3 comments", "阅读 1203", "1.2k shares".
fn is_counter(line: &str) -> bool {
    const COUNTED: &[&str] = &[
        "comments",
        "comment",
        "shares",
        "share",
        "likes",
        "like",
        "views",
        "view",
        "reads",
        "min read",
        "minute read",
        "minutes read",
        "retweets",
        "阅读",
        "阅读量",
        "阅读数",
        "评论",
        "条评论",
        "点赞",
        "赞",
        "人点赞",
        "浏览",
        "浏览量",
        "次浏览",
        "次阅读",
        "分享",
        "转发",
        "收藏",
        "热度",
    ];
    let words = line.trim_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | ' ' | '(' | ')' | 'k' | '万' | '+')
    });
    words.len() < line.len() && COUNTED.contains(&words)
}

/// Breadcrumbs and rows of menu words: several short parts between separators.
fn is_menu(text: &str, columns: usize) -> bool {
    if columns > 160 || ends_sentence(text) {
        return false;
    }
    ["|", "｜", " > ", " » ", " › ", " • ", " · ", ">"].iter().any(|separator| {
        let parts: Vec<&str> = text.split(separator).map(str::trim).collect();
        let least = if matches!(*separator, "|" | "｜" | " · " | " • ") { 4 } else { 3 };
        parts.len() >= least
            && parts.iter().all(|part| (1..=24).contains(&width(part)) && !part.chars().all(|c| c.is_ascii_digit()))
    })
}

fn is_tag_list(text: &str, line: &str) -> bool {
    if ends_sentence(text) {
        return false;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() >= 2 && words.iter().all(|word| word.starts_with(['#', '＃'])) {
        return true;
    }
    TAG_LABELS.iter().any(|label| {
        line.strip_prefix(label)
            .is_some_and(|rest| label.ends_with(':') || rest.is_empty() || rest.starts_with([':', ' ', '|']))
            || label.strip_suffix(':').is_some_and(|bare| bare == line)
    })
}

/// Marks the titles below a heading of related articles; returns the number of the last one.
fn mark_related(pieces: &mut [Piece], heading: usize) -> usize {
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
    }
    // Titles with gaps between them, and then running text: the last one is that text's heading.
    let gives_back = !glued && end > heading + 1 && pieces.get(end).is_some_and(|piece| piece.reason.is_none());
    let end = end - usize::from(gives_back);
    for piece in &mut pieces[heading + 1..end] {
        piece.reason = Some(Reason::Related);
    }
    end - 1
}

fn mark_next_tags(pieces: &mut [Piece], label: usize) {
    if let Some(piece) = pieces.get_mut(label + 1)
        && piece.reason.is_none()
        && width(&piece.text) <= 200
        && !ends_sentence(&piece.text)
        && line_reason(&piece.text).is_none()
    {
        piece.reason = Some(Reason::Tags);
    }
}

/// Marks what stands below a disclaimer's heading; a heading over something else is an ordinary heading.
fn mark_disclaimer(pieces: &mut [Piece], heading: usize) {
    let mut found = false;
    for piece in &mut pieces[heading + 1..] {
        let folded = fold_str(&piece.text);
        if piece.reason.is_some() || !DISCLAIMER_PARTS.iter().any(|part| folded.contains(part)) {
            break;
        }
        piece.reason = Some(Reason::Disclaimer);
        found = true;
    }
    if !found {
        pieces[heading].reason = None;
    }
}
