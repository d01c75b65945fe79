//! Subtitles in (SubRip, WebVTT), what is said in paragraphs out: numbers, times and marks gone, lines that captions
//! repeat while they roll said once, speakers kept.

use crate::corpus::source::Problem;
use crate::text::script::is_han;
use crate::text::{Format, RawArticle, Reason, SetAside};

/// A silence as long as this, in milliseconds, begins a paragraph; so does an end mark behind so many characters.
const PAUSE_MS: u64 = 2_500;
const FULL_CHARS: usize = 500;

/// Whether a text begins as subtitles do: with their name, or with a number and a line of times.
pub(super) fn is_head(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&head[..head.len().min(512)]);
    let mut lines = head.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    first.split(' ').next() == Some("WEBVTT")
        || !first.is_empty()
            && first.bytes().all(|b| b.is_ascii_digit())
            && lines.next().is_some_and(|it| times(it).is_some())
}

pub(super) fn article(text: &str) -> Result<RawArticle, Problem> {
    let mut said = Said::default();
    let mut is_cue = false;
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if let Some((start, end)) = times(line) {
            is_cue = true;
            said.begin(start, end);
        } else if line.is_empty() {
            is_cue = false;
        } else if is_cue
            && !(line.bytes().all(|b| b.is_ascii_digit()) && lines.peek().is_some_and(|it| times(it).is_some()))
        {
            said.line(line);
        }
    }
    said.end_paragraph();
    if said.text.is_empty() {
        return Err(Problem::NoRecord);
    }
    Ok(RawArticle { set_aside: said.set_aside, ..RawArticle::new("", said.text, Format::Plain) })
}

/// The two times of a line such as `00:01:02,500 --> 00:01:04.000 align:start`, in milliseconds.
fn times(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_once("-->")?;
    let ms = |time: &str| {
        let parts = time.trim().split([':', ',', '.']);
        let numbers: Option<Vec<u64>> = parts.map(|part| part.parse().ok()).collect();
        let [seconds @ .., ms] = &numbers?[..] else { return None };
        let seconds = seconds.iter().try_fold(0u64, |sum, part| sum.checked_mul(60)?.checked_add(*part))?;
        seconds.checked_mul(1000)?.checked_add(*ms)
    };
    Some((ms(start)?, ms(end.split_whitespace().next()?)?))
}

/// What was said so far.
#[derive(Default)]
struct Said {
    text: String,
    set_aside: Vec<SetAside>,
    paragraph: String,
    speaker: String,
    end_ms: u64,
    /// The lines of the cue before and of this one.
    shown: [Vec<String>; 2],
}

impl Said {
    fn begin(&mut self, start_ms: u64, end_ms: u64) {
        let is_full = self.paragraph.chars().count() > FULL_CHARS
            && self.paragraph.ends_with(['.', '!', '?', '。', '！', '？', '”', '"', '」']);
        if is_full || start_ms > self.end_ms + PAUSE_MS {
            self.end_paragraph();
        }
        self.end_ms = end_ms;
        self.shown.swap(0, 1);
        self.shown[1].clear();
    }

    fn line(&mut self, line: &str) {
        let (line, voice) = without_tags(line);
        let (line, changes) = match line.trim_start().strip_prefix(">>") {
            Some(rest) => (rest.trim().to_owned(), true),
            None => (line.trim().to_owned(), false),
        };
        if let Some(voice) = voice.filter(|voice| *voice != self.speaker) {
            self.end_paragraph();
            self.paragraph = format!("{voice}: ");
            self.speaker = voice;
        } else if changes || line.starts_with("- ") {
            self.end_paragraph();
        }
        let line = line.strip_prefix("- ").unwrap_or(&line).to_owned();
        // What is heard but not said: [Music], (applause), ♪.
        let bare = line.trim_matches('♪').trim();
        let is_sound = bare.is_empty()
            || [('[', ']'), ('(', ')'), ('（', '）'), ('【', '】')]
                .iter()
                .any(|&(open, close)| bare.starts_with(open) && bare.ends_with(close));
        let is_again = self.shown.iter().flatten().any(|before| *before == line);
        if is_sound && !is_again && !line.is_empty() {
            self.set_aside.push(SetAside { reason: Reason::Media, start: 0, end: 0, text: line.clone() });
        } else if !is_again {
            // A line may grow word by word: then the longer one takes its place.
            let grown =
                self.shown.iter().flatten().find(|before| !before.is_empty() && line.starts_with(before.as_str()));
            let new = grown.map_or(line.as_str(), |before| &line[before.len()..]).trim();
            let glue = match (self.paragraph.chars().next_back(), new.chars().next()) {
                (None | Some(' '), _) | (_, None) => "",
                (Some(last), Some(next)) if last > '\u{2e80}' && (is_han(next) || next > '\u{2e80}') => "",
                _ => " ",
            };
            self.paragraph.push_str(glue);
            self.paragraph.push_str(new);
        }
        self.shown[1].push(line);
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if !paragraph.trim().is_empty() {
            let gap = if self.text.is_empty() { "" } else { "\n\n" };
            self.text.push_str(gap);
            self.text.push_str(paragraph.trim());
        }
    }
}

/// A line without `<i>`, `<00:01.500>` and `{\an8}`, and the voice of a `<v Name>`.
fn without_tags(line: &str) -> (String, Option<String>) {
    let (mut out, mut voice) = (String::new(), None);
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        let close = if rest[at..].starts_with('<') { '>' } else { '}' };
        let Some(end) = rest[at..].find(close).map(|n| at + n) else { break };
        let tag = &rest[at + 1..end];
        let is_mark = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '\\'));
        if let Some((name, speaker)) = tag.split_once(' ')
            && name.split('.').next() == Some("v")
        {
            voice = Some(html_escape::decode_html_entities(speaker.trim()).into_owned());
        }
        out.push_str(&rest[..if is_mark { at } else { end + 1 }]);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    (html_escape::decode_html_entities(&out).into_owned(), voice)
}
