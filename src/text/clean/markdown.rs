//! A Markdown text in, a page of pieces out. Knows CommonMark, its tables and footnotes, and the marks of note keepers
//! (Obsidian, Logseq); it is no renderer, and what it does not know stays as it was written.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::inline::{Inline, is_mark};
use super::shape::{ends_sentence, is_prose};
use super::{Page, front_matter, html, plain, table};
use crate::text::{BlockKind, Reason};

/// Larger texts are read as plain ones: the parser keeps a node for each mark.
const MAX_BYTES: usize = 4 << 20;

/// Cuts `text` into pieces: headings, list items, paragraphs; marks are dropped, and what is no prose is set aside.
pub(super) fn read(text: &str) -> Page {
    if text.len() > MAX_BYTES {
        return plain::read(text);
    }
    let mut page = Page::default();
    let body = front_matter::read(text, &mut page);
    let text = without_remarks(text, body, &mut page);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_WIKILINKS;
    let mut reader = Reader { text: &text, page, ..Reader::default() };
    for (event, range) in Parser::new_ext(&text[body..], options).into_offset_iter() {
        reader.event(event, range.start + body..range.end + body);
    }
    reader.flush(text.len());
    reader.page
}

/// `text` with blanks for a note keeper's own remarks (`%%…%%`), which are noted as taken out; offsets stay.
fn without_remarks<'a>(text: &'a str, from: usize, page: &mut Page) -> Cow<'a, str> {
    let mut out = Cow::Borrowed(text);
    let mut at = from;
    while let Some(open) = text[at..].find("%%").map(|n| at + n) {
        let Some(close) = text[open + 2..].find("%%").map(|n| open + 2 + n + 2) else {
            break;
        };
        page.take_out(Reason::Note, open..close, &text[open + 2..close - 2]);
        let blank = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
        out.to_mut().replace_range(open..close, &text[open..close].chars().map(blank).collect::<String>());
        at = close;
    }
    out
}

/// The state of one pass over a Markdown text.
#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    page: Page,
    words: Inline,
    /// First byte of the block being gathered.
    start: Option<usize>,
    kind: Option<BlockKind>,
    /// Nested lists that are open.
    lists: usize,
    /// Why all that is read now is set aside.
    aside: Option<Reason>,
    /// Whether the block is a task of a list.
    is_task: bool,
    /// Pictures that are open, and what their descriptions say, which is no sentence of the article.
    pictures: usize,
    description: String,
    /// Emphasis that is open: whether its marks are literal asterisks.
    literal: Vec<bool>,
    /// The rows of the open table.
    rows: Vec<Vec<String>>,
    /// Whether the next words open a block quotation, where a callout names itself.
    opens_quote: bool,
    /// HTML being gathered.
    html: String,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.open(&tag, range),
            Event::End(tag) => self.close(tag, range),
            Event::Text(words) if self.aside == Some(Reason::Code) => self.push(&words, range),
            Event::Text(words) => self.push(&words, range),
            // An index in code is no citation mark; the joiner parts bracket and number, and is tidied away.
            Event::Code(words) => self.push(&words.replace('[', "[\u{2060}"), range),
            Event::InlineMath(words) | Event::DisplayMath(words) => self.push(&words, range),
            Event::InlineHtml(tag) => self.inline_html(&tag, range),
            Event::Html(html) => self.html.push_str(&html),
            Event::FootnoteReference(name) => self.page.take_out(Reason::CitationMark, range, &format!("[^{name}]")),
            Event::SoftBreak => self.push("\n", range),
            Event::HardBreak => self.flush(range.start),
            Event::Rule => {
                self.flush(range.start);
                self.page.push(&self.text[range.clone()], range, None, true, Some(Reason::Media));
            }
            Event::TaskListMarker(_) => self.is_task = true,
        }
    }

    fn push(&mut self, words: &str, range: Range<usize>) {
        if self.pictures > 0 {
            self.description.push_str(words);
        } else {
            self.start.get_or_insert(range.start);
            self.words.text.push_str(words);
        }
    }

    fn open(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Emphasis => self.emphasis(range, 1),
            Tag::Strong => self.emphasis(range, 2),
            Tag::Strikethrough if self.text[range.clone()].starts_with("~~") => {
                self.start.get_or_insert(range.start);
                self.words.open("del");
            }
            Tag::Strikethrough => self.push("~", range),
            Tag::Image { .. } => self.pictures += 1,
            Tag::Link { .. } => {}
            Tag::TableHead | Tag::TableRow => self.rows.push(Vec::new()),
            Tag::TableCell => {}
            _ => {
                self.flush(range.start);
                match tag {
                    Tag::Heading { .. } => self.kind = Some(BlockKind::Heading),
                    Tag::List(_) => self.lists += 1,
                    Tag::BlockQuote(_) => self.opens_quote = true,
                    Tag::FootnoteDefinition(_) => self.aside = Some(Reason::Note),
                    Tag::CodeBlock(CodeBlockKind::Fenced(_)) => self.aside = Some(Reason::Code),
                    // Indented paragraphs are code to Markdown; people indent prose as well.
                    Tag::CodeBlock(CodeBlockKind::Indented) => {
                        let block = &self.text[range];
                        let is_prose = ends_sentence(block)
                            && !block.contains(['{', '}', '=', ';', '<', '>', '_'])
                            && !block.contains("(\"");
                        self.aside = (!is_prose).then_some(Reason::Code);
                    }
                    _ => {}
                }
            }
        }
    }

    fn close(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong => {
                if self.literal.pop() == Some(true) {
                    self.push(if tag == TagEnd::Strong { "**" } else { "*" }, range);
                }
            }
            TagEnd::Strikethrough if self.text[range.clone()].starts_with("~~") => self.words.close("del"),
            TagEnd::Strikethrough => self.push("~", range),
            TagEnd::Image => {
                self.pictures -= 1;
                let description = std::mem::take(&mut self.description);
                self.page.take_out(Reason::Media, range, &description);
            }
            TagEnd::Link | TagEnd::TableHead | TagEnd::TableRow => {}
            TagEnd::TableCell => {
                let words = self.words.end();
                self.note(&words, range);
                self.rows.last_mut().into_iter().for_each(|row| row.push(super::tidy(&words.text)));
                self.start = None;
            }
            TagEnd::Table => {
                for row in table::rows(&std::mem::take(&mut self.rows), true) {
                    self.page.push(&row, range.clone(), Some(BlockKind::ListItem), true, None);
                }
            }
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html);
                let words = html::words_of(&html);
                let (words, reason) =
                    if words.is_empty() { (html.as_str(), Some(Reason::Media)) } else { (words.as_str(), None) };
                self.page.push(words, range, None, true, reason);
            }
            _ => {
                self.flush(range.end);
                match tag {
                    TagEnd::List(_) => self.lists -= 1,
                    TagEnd::BlockQuote(_) => self.opens_quote = false,
                    TagEnd::FootnoteDefinition | TagEnd::CodeBlock => self.aside = None,
                    _ => {}
                }
            }
        }
    }

    /// Opens emphasis, unless an asterisk that makes it stands between two figures: `4*100` is a product.
    fn emphasis(&mut self, range: Range<usize>, n_marks: usize) {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let between = |at: usize, len: usize| {
            is_digit(self.text[..at].chars().next_back()) && is_digit(self.text[at + len..].chars().next())
        };
        let (first, last) = (range.start, range.end.saturating_sub(n_marks));
        let is_literal = self.text[first..].starts_with('*') && (between(first, n_marks) || between(last, n_marks));
        self.literal.push(is_literal);
        if is_literal {
            self.push(&"*".repeat(n_marks), range);
        }
    }

    fn inline_html(&mut self, tag: &str, range: Range<usize>) {
        let name: String = tag.trim_start_matches(['<', '/']).chars().take_while(char::is_ascii_alphanumeric).collect();
        match name.to_ascii_lowercase().as_str() {
            "br" => self.flush(range.start),
            "" => self.page.take_out(Reason::Media, range, tag.trim_matches(['<', '!', '-', '>'])),
            name if !is_mark(name) => {}
            name if tag.starts_with("</") => self.words.close(name),
            name => {
                self.start.get_or_insert(range.start);
                self.words.open(name);
            }
        }
    }

    /// Notes what was taken out of a block.
    fn note(&mut self, words: &Inline, range: Range<usize>) {
        for (_, reason, run) in &words.taken_out {
            self.page.take_out(*reason, range.clone(), run);
        }
    }

    /// Ends the block being gathered, which reaches to byte `end`.
    fn flush(&mut self, end: usize) {
        let words = self.words.end();
        let in_list = if self.lists > 0 { BlockKind::ListItem } else { BlockKind::Paragraph };
        let kind = Some(self.kind.take().unwrap_or(in_list));
        let is_task = std::mem::take(&mut self.is_task);
        let Some(start) = self.start.take() else {
            return;
        };
        let range = start..start + self.text[start..end.max(start)].trim_end().len();
        self.note(&words, range.clone());
        let reason = self.aside.or(is_task.then_some(Reason::Note));
        if reason.is_some() {
            self.page.push(&words.text, range, kind, true, reason);
            return;
        }
        let mut text = words.text.as_str();
        // `[!quote] Title`: the marker goes, the title is a heading above the callout.
        if std::mem::take(&mut self.opens_quote)
            && let Some((marker, rest)) = text.strip_prefix("[!").and_then(|rest| rest.split_once(']'))
        {
            self.page.take_out(Reason::Metadata, range.clone(), marker);
            let (title, rest) = rest
                .trim_start_matches(['-', '+'])
                .split_once('\n')
                .unwrap_or((rest.trim_start_matches(['-', '+']), ""));
            self.page.push(title, range.clone(), Some(BlockKind::Heading), true, None);
            text = rest;
        }
        let mut kept = Vec::new();
        for line in text.split('\n') {
            // `status:: reading` is a property, `^first` the name of a block.
            let is_property = line.split_once("::").is_some_and(|(key, value)| {
                value.starts_with([' ', '\t'])
                    && !key.trim().is_empty()
                    && key.trim().chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            });
            let (line, name) = match line.rsplit_once(" ^") {
                Some((line, name))
                    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') =>
                {
                    (line, name)
                }
                _ => (line, ""),
            };
            self.page.take_out(Reason::Metadata, range.clone(), if is_property { line } else { name });
            if !is_property {
                kept.push(without_highlight(line));
            }
        }
        let text = kept.join("\n");
        // The first heading, where no text stands above it, is the title; what does stand there was put there by a clipper.
        if kind == Some(BlockKind::Heading) && self.page.title.is_none() && !self.page.pieces.iter().any(is_prose) {
            self.page.title = Some(super::tidy(&text)).filter(|title| !title.is_empty());
            let above = self.page.pieces.iter_mut().filter(|piece| piece.reason.is_none());
            above.for_each(|piece| piece.reason = Some(Reason::Metadata));
        }
        self.page.push(&text, range, kind, true, None);
    }
}

/// `line` without the marks of a highlight, `==…==`.
fn without_highlight(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, inner, after)) = rest
        .split_once("==")
        .and_then(|(before, rest)| rest.split_once("==").map(|(inner, after)| (before, inner, after)))
    {
        out.push_str(before);
        // A comparison has blanks around its mark.
        let is_highlight = !inner.starts_with([' ', '=']) && !inner.ends_with(' ') && !inner.is_empty();
        out.push_str(&if is_highlight { inner.to_owned() } else { format!("=={inner}==") });
        rest = after;
    }
    out + rest
}
