//! A plain clipping in, a page of pieces out. Knows lines, hand-wrapped paragraphs, hyphens at the ends of lines, bullets,
//! and the heads that printed pages carry.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::shape::{ends_sentence, width};
use super::{Page, is_unprintable};
use crate::text::{BlockKind, Reason};

/// A line of the source that is not blank.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    /// Its words, without the line break.
    text: &'a str,
    /// Its first byte in the source.
    start: usize,
    /// Whether a blank line stands before it.
    after_gap: bool,
    /// Whether the head of a printed page stands before it.
    after_head: bool,
}

impl Line<'_> {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

/// Cuts `text` into pieces: a line each, or several lines where someone wrapped a paragraph by hand.
pub(super) fn read(text: &str) -> Page {
    // A file of a million lines without a gap is handled in parts.
    const MAX_GROUP: usize = 4096;
    let mut page = Page::default();
    let mut lines = lines(text);
    let heads = page_heads(&lines);
    for n in 0..lines.len() {
        if heads.contains(&n) {
            page.push(lines[n].text, lines[n].range(), None, true, Some(Reason::Navigation));
            if let Some(next) = lines.get_mut(n + 1) {
                (next.after_gap, next.after_head) = (true, true);
            }
        }
    }
    // Words that the source writes with a hyphen where no line ends.
    let hyphened: HashSet<&str> = text
        .split(|c: char| !c.is_alphabetic() && c != '-')
        .filter(|word| word.trim_matches('-').contains('-'))
        .collect();
    let mut group: Vec<Line<'_>> = Vec::new();
    for line in (0..lines.len()).filter(|n| !heads.contains(n)).map(|n| lines[n]) {
        // A paragraph goes on behind the head of the next page.
        let goes_on = line.after_head
            && line.text.starts_with(char::is_lowercase)
            && group.last().is_some_and(|last| !ends_sentence(last.text));
        if (line.after_gap && !goes_on) || group.len() == MAX_GROUP {
            push_group(&hyphened, &group, &mut page);
            group.clear();
        }
        group.push(line);
    }
    push_group(&hyphened, &group, &mut page);
    page
}

/// The lines of `text` that are not blank, whatever breaks them.
fn lines(text: &str) -> Vec<Line<'_>> {
    let is_break = |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let (mut start, mut after_gap) = (0, false);
    while start < text.len() {
        let rest = &text[start..];
        let end = rest.find(is_break).unwrap_or(rest.len());
        let line = Line { text: &rest[..end], start, after_gap, after_head: false };
        let is_blank = line.text.chars().all(|c| c.is_whitespace() || is_unprintable(c));
        if !is_blank {
            lines.push(line);
        }
        after_gap = is_blank;
        let broken = &rest[end..];
        start += end + if broken.starts_with("\r\n") { 2 } else { broken.chars().next().map_or(0, char::len_utf8) };
    }
    lines
}

/// The lines that stand at the head or foot of every printed page: the same but for a number that grows, and what stands
/// beside them as often. A heading such as `Chapter 3` looks alike, but interrupts no sentence.
fn page_heads(lines: &[Line<'_>]) -> HashSet<usize> {
    const WIDEST: usize = 110;
    const MOST: usize = 5000;
    const MAX_LINES: usize = 100_000;
    let mut alike: HashMap<String, Vec<usize>> = HashMap::new();
    for (n, line) in lines.iter().enumerate().take(MAX_LINES).filter(|(_, line)| line.text.len() <= 3 * WIDEST) {
        let form: Vec<String> =
            line.text.split_whitespace().map(|word| word.replace(|c: char| c.is_ascii_digit(), "#")).collect();
        alike.entry(form.join(" ")).or_default().push(n);
    }
    let mut heads = HashSet::new();
    alike.retain(|_, places| (2..MOST).contains(&places.len()) && places.windows(2).all(|two| two[1] > two[0] + 1));
    for (form, places) in alike.iter().filter(|(form, _)| form.contains('#')) {
        let number = |n: usize| lines[n].text.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
        let numbers: Vec<u64> = places.iter().filter_map(|&n| number(n)?.parse().ok()).collect();
        let grows =
            numbers.len() == places.len() && numbers.windows(2).all(|two| two[0] < two[1] && two[1] < two[0] + 4);
        let folded = form.to_lowercase();
        let names_page = ["page #", "p. #", "第# 页", "第#页", "第##页"].iter().any(|name| folded.contains(name));
        let is_bare = form.trim_matches(|c: char| matches!(c, '#' | '-' | '–' | '—' | ' ' | '/' | '·')).is_empty();
        let breaks_sentence = |&n: &usize| {
            let before = n.checked_sub(1).map(|before| lines[before].text);
            let next = lines.get(n + 1).map(|next| next.text);
            before.is_some_and(|text| !ends_sentence(text))
                && next.is_some_and(|text| text.starts_with(char::is_lowercase))
        };
        if grows
            && (names_page || is_bare && places.len() >= 3 || places.len() >= 3 && places.iter().any(breaks_sentence))
        {
            heads.extend(places);
        }
    }
    // Lines without a number beside them: the name of the journal above the number of the page.
    let is_head = |n: usize| heads.contains(&n);
    let beside = |n: usize| is_head(n + 1) || n.checked_sub(1).is_some_and(is_head);
    let companions: Vec<usize> =
        alike.values().filter(|places| places.iter().all(|&n| beside(n))).flatten().copied().collect();
    heads.extend(companions);
    heads
}

/// Adds lines that stand together: joined to paragraphs if they were wrapped, one by one if not.
fn push_group(hyphened: &HashSet<&str>, group: &[Line<'_>], page: &mut Page) {
    // What goes on behind the head of a page was broken there, and so elsewhere.
    let wrapped = is_wrapped(group) || group.iter().skip(1).any(|line| line.after_head);
    let mut rest = group;
    while let [first, others @ ..] = rest {
        let goes_on = others.iter().take_while(|line| wrapped && bullet_len(line.text).is_none()).count();
        let (taken, left) = rest.split_at(1 + goes_on);
        rest = left;
        let (text, last) = (joined(hyphened, taken), taken[taken.len() - 1]);
        let skip = bullet_len(&text);
        let kind = if skip.is_some() { Some(BlockKind::ListItem) } else { numbered(&text) };
        let start = first.start + skip.unwrap_or(0);
        page.push(&text[skip.unwrap_or(0)..], start..last.range().end, kind, first.after_gap, None);
    }
}

/// The words of lines that are one paragraph. A hyphen at the end of a line goes, unless the source has the word with one.
fn joined(hyphened: &HashSet<&str>, lines: &[Line<'_>]) -> String {
    let mut out = String::new();
    for line in lines {
        let next = line.text.trim();
        let head = out.strip_suffix('-').filter(|head| head.ends_with(char::is_alphabetic));
        match head {
            Some(head) if next.starts_with(char::is_lowercase) => {
                let end: String = next.chars().take_while(|c| c.is_alphabetic()).collect();
                let begin = head.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
                let len = head.len();
                if !hyphened.contains(format!("{begin}-{end}").as_str()) {
                    out.truncate(len);
                }
            }
            _ if out.is_empty() => {}
            _ => out.push('\n'),
        }
        out.push_str(next);
    }
    out
}

/// Whether these lines are one paragraph broken to fit a page: alike in width, and mostly broken in mid-sentence.
fn is_wrapped(group: &[Line<'_>]) -> bool {
    let [full @ .., last] = group else {
        return false;
    };
    if full.is_empty() {
        return false;
    }
    let widths = || full.iter().map(|line| width(line.text.trim_end()));
    let widest = widths().max().unwrap_or(0);
    let narrowest = widths().min().unwrap_or(0);
    let broken = full.iter().filter(|line| !ends_sentence(line.text)).count();
    (40..=110).contains(&widest)
        && narrowest + 18 >= widest
        && width(last.text) <= widest + 4
        && broken * 5 >= full.len() * 3
        // Two lines alone are more often a title above its deck.
        && (full.len() >= 2 || ends_sentence(last.text) && (last.text.trim_start().starts_with(char::is_lowercase)
            || full[0].text.ends_with('-') || is_of_han(full[0].text) && widest >= 56))
}

fn is_of_han(text: &str) -> bool {
    text.chars().next_back().is_some_and(crate::text::script::is_han)
}

/// The length of the bullet and the blanks around it that a line begins with.
fn bullet_len(line: &str) -> Option<usize> {
    let trimmed = line.trim_start();
    let bullet = trimmed.chars().next()?;
    let rest = &trimmed[bullet.len_utf8()..];
    let is_bullet = match bullet {
        '•' | '●' | '▪' | '■' | '◆' | '○' | '◦' | '‣' | '∙' | '➤' | '►' | '▶' | '✓' | '✔' => {
            !rest.is_empty()
        }
        '-' | '*' | '+' | '–' | '—' | '·' | '・' => {
            // `- 3 -` stands between marks.
            rest.starts_with(char::is_whitespace) && !rest.trim().is_empty() && !rest.trim_end().ends_with(bullet)
        }
        _ => false,
    };
    is_bullet.then(|| line.len() - rest.trim_start().len())
}

/// A list item when the line begins with a number and a stop, as in `3. Dig` or `（三）`.
fn numbered(line: &str) -> Option<BlockKind> {
    let trimmed = line.trim_start();
    let bracketed = trimmed.starts_with(['(', '（']);
    let rest = trimmed.trim_start_matches(['(', '（']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 2 {
        return None;
    }
    let after = &rest[digits..];
    let is_item = match after.chars().next()? {
        ')' | '）' => true,
        '.' => !bracketed && after[1..].starts_with(' '),
        '．' | '、' => !bracketed,
        _ => false,
    };
    is_item.then_some(BlockKind::ListItem)
}
