//! Pieces of a page in; where they are the turns of a conversation, who speaks and at what time told apart from what is said.
//! A question becomes the heading of its answer, the name of a speaker a heading of its own, a time code is set aside.

use std::collections::HashMap;

use super::shape::width;
use super::{Page, Piece};
use crate::text::{BlockKind, Reason};

/// Labels that name no one.
const NAMELESS: &[&str] = &["q", "a", "question", "answer", "问", "答", "問"];

/// A line of a conversation, in bytes of its text.
struct Turn {
    /// The end of the time code, brackets included.
    time: usize,
    /// The speaker's label.
    label: std::ops::Range<usize>,
    /// Where the words begin.
    words: usize,
}

/// Parts the turns of a page, if it is a conversation.
pub(super) fn part(page: &mut Page) {
    const LEAST_TURNS: usize = 3;
    let turns: Vec<Option<Turn>> =
        page.pieces.iter().map(|piece| if piece.reason.is_none() { turn(&piece.text) } else { None }).collect();
    let mut said: HashMap<&str, usize> = HashMap::new();
    for (piece, turn) in page.pieces.iter().zip(&turns) {
        let label = turn.as_ref().map_or("", |turn| &piece.text[turn.label.clone()]);
        *said.entry(label).or_default() += usize::from(!label.is_empty());
    }
    // Speakers take turns: one label again and again is a list, and many that come once are a glossary.
    let speakers = said.values().filter(|&&n| n >= 2).count();
    let by_speakers: usize = said.values().filter(|&&n| n >= 2).sum();
    let timed = turns.iter().flatten().filter(|turn| turn.time > 0).count();
    let open = page.pieces.iter().filter(|piece| piece.reason.is_none()).count();
    let is_conversation = speakers >= 2 && by_speakers > LEAST_TURNS && by_speakers * 3 >= open;
    if !is_conversation && (timed < LEAST_TURNS || timed * 2 < open) {
        return;
    }
    let is_speaker = |label: &str| !label.is_empty() && (is_conversation && said[label] >= 2 || timed * 2 >= open);
    let marks: Vec<Option<(Turn, String)>> = turns
        .into_iter()
        .zip(&page.pieces)
        .map(|(turn, piece)| {
            let turn = turn?;
            let label = Some(&piece.text[turn.label.clone()]).filter(|label| is_speaker(label)).unwrap_or_default();
            (turn.time > 0 || !label.is_empty()).then(|| (label.to_owned(), turn)).map(|(label, turn)| (turn, label))
        })
        .collect();
    let mut last_speaker = String::new();
    let pieces = std::mem::take(&mut page.pieces);
    for (mut piece, mark) in pieces.into_iter().zip(marks) {
        let Some((turn, label)) = mark else {
            page.pieces.push(piece);
            continue;
        };
        page.take_out(Reason::Metadata, piece.source.clone(), &piece.text[..turn.time]);
        let words = if label.is_empty() { turn.time } else { turn.words };
        let text = piece.text.split_off(words).trim().to_owned();
        let is_question = text.ends_with(['?', '？']) && width(&text) <= 160;
        let is_nameless = NAMELESS.contains(&label.to_lowercase().as_str());
        if is_nameless || is_question || label == last_speaker {
            page.take_out(Reason::Metadata, piece.source.clone(), &label);
        } else if !label.is_empty() {
            let heading =
                Piece { text: label.clone(), kind: Some(BlockKind::Heading), source: piece.source.clone(), ..piece };
            page.pieces.push(heading);
        }
        last_speaker = label;
        let kind = if is_question { Some(BlockKind::Heading) } else { piece.kind };
        page.pieces.push(Piece { text, kind, ..piece });
    }
}

/// The turn that a piece is, if it looks like one: `[00:12] ANN LEE: Welcome.`
fn turn(text: &str) -> Option<Turn> {
    let time = time_code(text);
    let rest = &text[time..];
    let start = time + rest.len() - rest.trim_start().len();
    let mark =
        text[start..].char_indices().take(48).find(|(_, c)| matches!(c, ':' | '：')).map(|(at, c)| (start + at, c));
    let label = mark.map(|(at, _)| start..at).filter(|range| is_name(text[range.clone()].trim_end()));
    match (label, mark) {
        (Some(label), Some((at, c))) if !text[at + c.len_utf8()..].trim().is_empty() => {
            let label = label.start..label.start + text[label].trim_end().len();
            Some(Turn { time, label, words: at + c.len_utf8() })
        }
        _ => (time > 0 && start < text.len()).then_some(Turn { time, label: start..start, words: start }),
    }
}

fn is_name(label: &str) -> bool {
    let is_mark = |c: char| {
        matches!(c, '.' | ',' | ';' | '?' | '!' | '。' | '，' | '；' | '？' | '！' | '、' | '“' | '"' | '「' | '《')
            || c.is_ascii_digit()
    };
    let begins = label.chars().next().is_some_and(|c| c.is_uppercase() || c as u32 >= 0x2e80);
    let is_initial = label.contains(". ") && label.split_whitespace().all(|word| word.starts_with(char::is_uppercase));
    begins && width(label) <= 40 && label.split_whitespace().count() <= 6 && (is_initial || !label.contains(is_mark))
}

/// The length of the time code that `text` begins with: `[00:00:12]`, `(1:02)`, `00:12.300`; 0 when there is none.
fn time_code(text: &str) -> usize {
    let open = text.starts_with(['[', '(', '（', '【']);
    let inner = text.trim_start_matches(['[', '(', '（', '【']);
    let end = inner.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.')).unwrap_or(inner.len());
    let parts: Vec<&str> = inner[..end].split(':').collect();
    let is_time = (2..=3).contains(&parts.len())
        && parts[0].len() <= 2
        && parts.iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        && parts[1..].iter().all(|part| part.split('.').next().is_some_and(|whole| whole.len() == 2));
    if !is_time {
        return 0;
    }
    let close = inner[end..].chars().next().filter(|c| matches!(c, ']' | ')' | '）' | '】'));
    match (open, close) {
        (true, Some(close)) => text.len() - inner.len() + end + close.len_utf8(),
        // Without brackets a time may begin a sentence: only a line of its own length of code counts.
        (false, _) if parts.len() == 3 => end,
        _ => 0,
    }
}
