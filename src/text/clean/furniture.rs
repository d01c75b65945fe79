//! Pieces of a page in, reasons for those that are furniture out. Knows short lines and their places: a menu is told by
//! its words, a byline also by standing above the body. A sentence lost is worse than a menu kept, so lines that read
//! like sentences are left alone unless several signs agree.

use super::patterns::*;
use super::{Page, Piece};
use crate::text::figures::{self, Kind};
use crate::text::fold::fold_str;
use crate::text::lang::detect;
use crate::text::script::is_han;
use crate::text::{BlockKind, Lang, Reason};

/// The columns that `text` takes on a page: wide characters count twice.
pub(super) fn width(text: &str) -> usize {
    text.chars()
        .map(|c| if c >= '\u{2e80}' { 2 } else { 1 })
        .sum()
}

/// Whether `text` ends as sentences end, closing quotes and brackets aside.
pub(super) fn ends_sentence(text: &str) -> bool {
    let end = text.trim_end_matches(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '”' | '’' | '」' | '』' | ')' | '）' | ']' | '】' | '»'
            )
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
    let first = pieces.iter().position(is_body).unwrap_or(0);
    let last = pieces
        .iter()
        .rposition(is_body)
        .unwrap_or(pieces.len().saturating_sub(1));
    (first, last)
}

/// Marks the lines that their own words give away, wherever they stand.
pub(super) fn mark_lines(page: &mut Page) {
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
    let starts = |table: &[&str]| {
        table
            .iter()
            .any(|start| folded.starts_with(start) || line.starts_with(start))
    };
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
    if columns <= 200
        && (starts(NAVIGATION_STARTS) || count(NAVIGATION_PARTS) > 0 && columns <= 120)
    {
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
    if columns <= 200
        && RELATED_STARTS.iter().any(|start| folded.starts_with(start))
        && !folded.ends_with('.')
    {
        return Some(Reason::Related);
    }
    let disclaims = count(DISCLAIMER_PARTS);
    if disclaims >= 3
        || (disclaims >= 2 && columns <= 500)
        || (disclaims >= 1
            && DISCLAIMER_STARTS
                .iter()
                .any(|start| folded.starts_with(start)))
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
    const EXTENSIONS: &[&str] = &[
        ".html", ".htm", ".php", ".jsp", ".asp", ".aspx", ".tpl", ".js", ".css", ".shtml", ".vue",
        ".xml", ".json",
    ];
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
        .split(|c: char| {
            c.is_whitespace() || matches!(c, ':' | '：' | ',' | '(' | ')' | '<' | '>' | '，')
        })
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
    ["|", "｜", " > ", " » ", " › ", " • ", " · ", ">"]
        .iter()
        .any(|separator| {
            let parts: Vec<&str> = text.split(separator).map(str::trim).collect();
            let least = if matches!(*separator, "|" | "｜" | " · " | " • ") {
                4
            } else {
                3
            };
            parts.len() >= least
                && parts.iter().all(|part| {
                    (1..=24).contains(&width(part)) && !part.chars().all(|c| c.is_ascii_digit())
                })
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
        line.strip_prefix(label).is_some_and(|rest| {
            label.ends_with(':') || rest.is_empty() || rest.starts_with([':', ' ', '|'])
        }) || label.strip_suffix(':').is_some_and(|bare| bare == line)
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
    let gives_back =
        !glued && end > heading + 1 && pieces.get(end).is_some_and(|piece| piece.reason.is_none());
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

/// Marks what its place gives away: title, byline and date above the body, credits and adverts below it.
pub(super) fn mark_edges(page: &mut Page) {
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
        let is_open = matches!(
            piece.reason,
            None | Some(Reason::Navigation | Reason::Metadata)
        );
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
    if let Some(name) = text
        .strip_prefix("By ")
        .or_else(|| text.strip_prefix("BY "))
        .or_else(|| text.strip_prefix("by "))
    {
        let capitals = name
            .split_whitespace()
            .filter(|word| word.starts_with(char::is_uppercase))
            .count();
        let words = name.split_whitespace().count();
        return (capitals * 2 > words && words <= 10 && words >= 2).then(|| name.to_owned());
    }
    let (label, name) = credit(text)?;
    AUTHOR_LABELS
        .contains(&label.as_str())
        .then(|| name.to_owned())
        .filter(|name| !name.is_empty())
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
        let is_short = rest.split_whitespace().count() <= 6
            && width(rest) <= if rest.is_ascii() { 60 } else { 24 };
        (rest.starts_with(' ') && is_short).then(|| {
            let skip = label.chars().count();
            let at = text
                .char_indices()
                .nth(skip)
                .map_or(text.len(), |(at, _)| at);
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
    let has_time = dates
        .iter()
        .any(|figure| matches!(figure.kind, Kind::Time { .. }));
    let has_year = dates
        .iter()
        .any(|figure| matches!(figure.kind, Kind::Date { year: Some(_), .. }));
    if !dates
        .iter()
        .any(|figure| matches!(figure.kind, Kind::Date { .. }))
    {
        return None;
    }
    let rest = columns
        - dates
            .iter()
            .map(|figure| width(&text[figure.start..figure.end]))
            .sum::<usize>();
    let labelled = credit(text).is_some()
        || ["Published", "Updated", "Posted", "Last updated"]
            .iter()
            .any(|label| text.starts_with(label));
    let at_edge = first.start == 0 || last.end == text.len();
    let is_dateline =
        labelled || (has_time && rest <= 40) || (has_year && at_edge && rest <= 24) || rest <= 6;
    is_dateline.then(|| text[first.start..last.end].to_owned())
}

/// Takes the page's title out of the pieces; a plain clipping's first line above the body is its title.
fn mark_title(page: &mut Page, first: usize) {
    let title = match &page.title {
        Some(title) => title.clone(),
        None => {
            let is_masthead = |i: usize| {
                page.pieces
                    .get(i + 1)
                    .is_some_and(|next| next.reason == Some(Reason::Navigation) && !next.after_gap)
            };
            let candidate =
                (0..first).find(|&i| page.pieces[i].reason.is_none() && !is_masthead(i));
            let Some(candidate) = candidate.filter(|&i| looks_like_title(&page.pieces[i])) else {
                return;
            };
            for masthead in page.pieces[..candidate]
                .iter_mut()
                .filter(|piece| piece.reason.is_none())
            {
                masthead.reason = Some(Reason::Metadata);
            }
            page.pieces[candidate].text.clone()
        }
    };
    let folded_title = fold_str(&title);
    for piece in &mut page.pieces {
        if !matches!(piece.reason, None | Some(Reason::Navigation))
            || width(&piece.text) > width(&title) + 30
        {
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
    let is_cut_off = piece
        .text
        .ends_with([',', ';', '，', '；', '、', ':', '：', '-', '–', '—']);
    piece.kind != Some(BlockKind::ListItem)
        && !piece.is_outline
        && (4..200).contains(&columns)
        && !is_cut_off
        && (!ends_sentence(&piece.text)
            || piece.text.ends_with(['?', '？', '!', '！', '”', '」', '…']))
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
        let is_metadata = |n: usize| {
            page.pieces
                .get(n)
                .is_some_and(|other| other.reason == Some(Reason::Metadata))
        };
        let beside = (i > 0 && !piece.after_gap && is_metadata(i - 1))
            || (is_metadata(i + 1) && !page.pieces[i + 1].after_gap);
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
        ADVERT_PARTS
            .iter()
            .filter(|part| folded.contains(*part))
            .count()
    };
    let is_foreign =
        |piece: &Piece| body_lang.is_some_and(|lang| is_of_another_script(&piece.text, lang));
    let is_suspect =
        |piece: &Piece| width(&piece.text) <= 400 && (is_foreign(piece) || sells(piece) >= 2);
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
        let same = |n: Option<usize>| {
            n.and_then(|n| page.pieces.get(n))
                .is_some_and(|other| other.text == piece.text)
        };
        let reason = if byline(&piece.text).is_some()
            || is_credit(&piece.text)
            || dateline(&piece.text).is_some()
        {
            Some(Reason::Metadata)
        } else if is_short && (same(i.checked_sub(1)) || same(Some(i + 1))) {
            Some(Reason::Advert)
        } else if below_end && (is_suspect(piece) || (columns <= 80 && sells(piece) >= 1)) {
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

/// The language of most of the kept running text.
pub(super) fn body_lang(pieces: &[Piece]) -> Option<Lang> {
    let mut columns = [(Lang::En, 0), (Lang::ZhHans, 0), (Lang::ZhHant, 0)];
    for piece in pieces
        .iter()
        .filter(|piece| piece.reason.is_none() && !piece.is_outline && is_prose(piece))
    {
        let lang = detect(&piece.text);
        if let Some((_, sum)) = columns.iter_mut().find(|(known, _)| *known == lang) {
            *sum += width(&piece.text);
        }
    }
    columns
        .into_iter()
        .max_by_key(|&(_, sum)| sum)
        .filter(|&(_, sum)| sum > 0)
        .map(|(lang, _)| lang)
}

/// Whether `text` is plainly in another language or script than `lang`: shared characters prove nothing.
pub(super) fn is_of_another_script(text: &str, lang: Lang) -> bool {
    use crate::text::lang::foreign_script_chars;
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
    let mut kinds = Vec::with_capacity(page.pieces.len());
    let mut followed = false;
    for piece in page.pieces.iter().rev() {
        let looks_like_heading = || {
            followed
                && width(&piece.text) <= 110
                && (!ends_sentence(&piece.text) || is_question_heading(piece))
                && !piece.text.ends_with([':', '：', ',', '，', ';', '；', '、', '-', '–', '—'])
                // A quotation with words after it is a sentence that lost its stop.
                && (!piece.text.starts_with(['“', '"', '「']) || piece.text.ends_with(['”', '"', '」']))
                && !piece.text.starts_with(char::is_lowercase)
        };
        kinds.push(match piece.kind {
            Some(kind) => kind,
            None if looks_like_heading() => BlockKind::Heading,
            None => BlockKind::Paragraph,
        });
        followed |= piece.reason.is_none();
    }
    kinds.reverse();
    kinds
}

/// "What is a lock?" alone on its line, between gaps.
fn is_question_heading(piece: &Piece) -> bool {
    let question = piece.text.strip_suffix(['?', '？']);
    piece.after_gap
        && width(&piece.text) <= 60
        && question.is_some_and(|text| {
            !text.contains([
                '.', '?', '!', ',', '。', '？', '！', '，', '"', '“', '「', ':', '：',
            ])
        })
}
