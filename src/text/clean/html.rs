//! A web page in, a page of pieces out. Walks the tags once, in page order, and notes which block of text stands in which
//! element; `body` says which blocks are the article, `meta` who wrote it and when.

use std::collections::HashSet;
use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::elements::{Evidence, Tag, evidence, is_inline, is_void, kind_of};
use super::inline::{Inline, is_mark};
use super::meta::Meta;
use super::shape::{ends_sentence, width};
use super::{Page, body, table, tidy};
use crate::text::{BlockKind, Reason};

/// Elements nested deeper than this count as the one at this depth.
const MAX_DEPTH: usize = 200;
/// Tags behind so many elements part nothing any more: no article has them, and each costs memory.
const MAX_ELEMENTS: usize = 200_000;

/// A run of text between two block-level tags.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) words: Inline,
    pub(super) kind: BlockKind,
    /// The number of the element it stands in.
    pub(super) element: usize,
    /// How many of its columns are links.
    pub(super) link_columns: usize,
}

/// A block-level element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    /// The number of the element around it; its own for the first of all.
    pub(super) parent: usize,
    /// Why it may not be part of the article, as far as its own tag tells.
    pub(super) evidence: Option<(Reason, Evidence)>,
    id: Option<String>,
}

/// Cuts a page into pieces, in page order; those outside the article carry a reason.
pub(super) fn read(html: &str) -> Page {
    let mut walk = Walk::over(html);
    let title = walk.meta.title(&walk.blocks);
    let mut reasons = body::reasons(&walk.blocks, &walk.elements, title.as_deref());
    walk.set_notes_aside(&mut reasons);
    let is_kept = |reason: &Option<Reason>| reason.is_none();
    let kept = || walk.blocks.iter().zip(&reasons).filter(|(_, reason)| is_kept(reason));
    let columns: usize = kept().map(|(block, _)| width(&block.words.text)).sum();
    // Pages that build their text by script hold it in their linked data alone.
    let linked = walk.meta.article_body.take().filter(|body| columns * 3 < width(body));
    let mut page = Page { title, byline: walk.meta.byline(), date: walk.meta.date(), ..Page::default() };
    // The rendering that byte ranges refer to: the blocks, a line each.
    let mut offset = 0;
    for (block, reason) in walk.blocks.into_iter().zip(reasons) {
        let Inline { text, taken_out, .. } = block.words;
        for (at, reason, run) in taken_out {
            page.take_out(reason, offset + at..offset + at + run.len(), &run);
        }
        let reason = reason.or(linked.as_ref().map(|_| Reason::Navigation));
        let kind = Some(block.kind).filter(|&kind| kind != BlockKind::Paragraph);
        page.push(&text, offset..offset + text.len(), kind, true, reason);
        offset += text.len() + 1;
    }
    for paragraph in linked.iter().flat_map(|body| body.lines()) {
        page.push(paragraph, offset..offset + paragraph.len(), None, true, None);
        offset += paragraph.len() + 1;
    }
    page
}

/// The words of a piece of HTML, without its tags.
pub(super) fn words_of(html: &str) -> String {
    let blocks = Walk::over(html).blocks;
    blocks.iter().map(|block| block.words.text.trim()).collect::<Vec<_>>().join("\n")
}

/// A table that is open.
#[derive(Debug, Default)]
struct Table {
    first_block: usize,
    /// The blocks of each cell, row by row.
    rows: Vec<Vec<std::ops::Range<usize>>>,
    /// Cells of the first row that are heads.
    heads: usize,
    /// Whether it holds another table, or cells over several rows or columns.
    is_irregular: bool,
}

/// The state of one walk over a page.
#[derive(Default)]
struct Walk {
    blocks: Vec<Block>,
    elements: Vec<Element>,
    meta: Meta,
    /// The elements that are open, by number, and how many more are beyond the depth that is followed.
    open: Vec<usize>,
    too_deep: usize,
    tables: Vec<Table>,
    words: Inline,
    /// How many elements were open when the open link began.
    link: Option<usize>,
    link_columns: usize,
    /// The raw element, if its text is being read: `script`, `style`, `title`.
    raw: Option<Raw>,
    raw_text: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Raw {
    Linked,
    Title,
    Ignored,
}

impl Walk {
    fn over(html: &str) -> Walk {
        let mut walk = Walk::default();
        walk.elements.push(Element { name: String::new(), parent: 0, evidence: None, id: None });
        walk.open.push(0);
        let mut tag = Tag::default();
        let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| -> Option<Infallible> {
            match event {
                CallbackEvent::String { value } => walk.text(&String::from_utf8_lossy(value)),
                CallbackEvent::OpenStartTag { name } => tag = Tag::named(name),
                CallbackEvent::AttributeName { name } => tag.begin_attribute(name),
                CallbackEvent::AttributeValue { value } => tag.end_attribute(value),
                CallbackEvent::CloseStartTag { .. } => walk.open_tag(&tag),
                CallbackEvent::EndTag { name } => walk.close_tag(&String::from_utf8_lossy(name)),
                _ => {}
            }
            None
        });
        emitter.naively_switch_states(true);
        // Reading from memory cannot fail.
        let _ = Tokenizer::new_with_emitter(html, emitter).finish();
        walk.flush();
        walk
    }

    fn text(&mut self, text: &str) {
        if self.raw.is_some() {
            self.raw_text.push_str(text);
            return;
        }
        self.words.text.push_str(text);
        if self.link.is_some() {
            self.link_columns += width(text.trim());
        }
    }

    fn open_tag(&mut self, tag: &Tag) {
        let name = tag.name.as_str();
        match name {
            "script" => {
                let is_linked = tag.attribute("type").is_some_and(|kind| kind.contains("ld+json"));
                self.raw = Some(if is_linked { Raw::Linked } else { Raw::Ignored });
            }
            "style" | "noscript" | "iframe" | "noembed" | "noframe" | "xmp" => self.raw = Some(Raw::Ignored),
            "title" => self.raw = Some(Raw::Title),
            "meta" => self.meta.read_tag(tag),
            "br" if self.words.text.ends_with('\u{2028}') || ends_sentence(&self.words.text) => self.flush(),
            // No mere line break of the source: between Chinese characters it parts words.
            "br" => self.words.text.push_str(" \u{2028}"),
            "a" => {
                self.words.link(tag.attribute("href"));
                self.link = Some(self.open.len());
            }
            _ if is_mark(name) => self.words.open(name),
            _ if is_inline(name) => {
                self.meta.read_tag(tag);
                let innermost = &mut self.elements[self.open[self.open.len() - 1]];
                if name == "code" && innermost.name == "pre" {
                    innermost.evidence = Some((Reason::Code, Evidence::Sure));
                }
            }
            _ => self.open_block(tag),
        }
    }

    fn open_block(&mut self, tag: &Tag) {
        if self.elements.len() >= MAX_ELEMENTS {
            self.words.text.push('\n');
            return;
        }
        self.flush();
        let name = tag.name.as_str();
        if is_void(name) {
            return;
        }
        // Paragraphs and items end where the next begins, or unclosed ones would nest without end.
        let last = &self.elements[self.open[self.open.len() - 1]].name;
        if last == "p" || (last == name && matches!(name, "li" | "dt" | "dd" | "td" | "th" | "tr" | "option")) {
            self.close_tag(&last.clone());
        }
        // A drawing ends where text of the page begins.
        if matches!(name, "p" | "div" | "ul" | "h1" | "h2" | "h3" | "table") {
            self.close_tag("svg");
        }
        match name {
            "table" => {
                if let Some(outer) = self.tables.last_mut() {
                    outer.is_irregular = true;
                }
                self.tables.push(Table { first_block: self.blocks.len(), ..Table::default() });
            }
            "tr" => self.tables.iter_mut().last().into_iter().for_each(|table| table.rows.push(Vec::new())),
            "td" | "th" => self.open_cell(tag),
            _ => {}
        }
        self.meta.read_tag(tag);
        let parent = self.open[self.open.len() - 1];
        let mut evidence = evidence(tag);
        if name == "pre" && tag.attribute("class").is_some() {
            evidence = Some((Reason::Code, Evidence::Likely));
        }
        self.elements.push(Element {
            name: name.to_owned(),
            parent,
            evidence,
            id: tag.attribute("id").map(str::to_owned),
        });
        if self.open.len() < MAX_DEPTH {
            self.open.push(self.elements.len() - 1);
        } else {
            self.too_deep += 1;
        }
    }

    fn open_cell(&mut self, tag: &Tag) {
        let first = self.blocks.len();
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let spans = ["colspan", "rowspan"].iter().any(|name| tag.attribute(name).is_some_and(|n| n.trim() != "1"));
        table.is_irregular |= spans;
        table.heads += usize::from(table.rows.len() == 1 && tag.name == "th");
        if let Some(row) = table.rows.last_mut() {
            row.push(first..first);
        }
    }

    fn close_tag(&mut self, name: &str) {
        if let Some(raw) = self.raw.take() {
            let text = std::mem::take(&mut self.raw_text);
            match raw {
                Raw::Linked => self.meta.read_linked(&text),
                Raw::Title => self.meta.page_title = self.meta.page_title.take().or(Some(tidy(&text))),
                Raw::Ignored => {}
            }
            return;
        }
        if name == "a" {
            self.words.link(None);
            self.link = None;
        } else if is_mark(name) {
            self.words.close(name);
        } else if !is_inline(name) && self.elements.len() < MAX_ELEMENTS {
            self.flush();
            if self.too_deep > 0 {
                self.too_deep -= 1;
                return;
            }
            // A stray end tag must not walk the whole stack each time.
            const REACH: usize = 32;
            let is_it = |&&n: &&usize| self.elements[n].name == name;
            let Some(at) = self.open.iter().rev().take(REACH).position(|n| is_it(&n)) else {
                return;
            };
            let keep = (self.open.len() - 1 - at).max(1);
            self.open.truncate(keep);
            if self.link.is_some_and(|depth| depth > keep) {
                self.words.link(None);
                self.link = None;
            }
            match name {
                "td" | "th" => self.end_cell(),
                "table" => self.end_table(),
                _ => {}
            }
        }
    }

    fn end_cell(&mut self) {
        let end = self.blocks.len();
        if let Some(cell) =
            self.tables.last_mut().and_then(|table| table.rows.last_mut()).and_then(|row| row.last_mut())
        {
            cell.end = end;
        }
    }

    /// Makes each row of a table of facts one block; the cells of any other stay as they are.
    fn end_table(&mut self) {
        self.end_cell();
        let Some(mut table) = self.tables.pop() else {
            return;
        };
        table.rows.retain(|row| !row.is_empty());
        let one_block = table.rows.iter().flatten().all(|cell| cell.len() <= 1);
        let words = |cell: &std::ops::Range<usize>| {
            self.blocks[cell.clone()].first().map_or(String::new(), |b| tidy(&b.words.text))
        };
        if !one_block || table.first_block == self.blocks.len() {
            return;
        }
        let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(words).collect()).collect();
        if table.is_irregular || !table::is_data(&rows) {
            return;
        }
        let has_heads = table.heads > 0 && table.heads + 1 >= rows[0].len();
        let cells = self.blocks.split_off(table.first_block);
        let (element, columns) = (cells[0].element, cells.iter().map(|cell| width(&cell.words.text)).sum::<usize>());
        let links: usize = cells.iter().map(|cell| cell.link_columns).sum();
        for text in table::rows(&rows, has_heads) {
            let link_columns = width(&text) * links / columns.max(1);
            let words = Inline::plain(text);
            self.blocks.push(Block { words, kind: BlockKind::ListItem, element, link_columns });
        }
        // What was taken out of cells stands with the last row.
        if let Some(last) = self.blocks.last_mut() {
            last.words.taken_out = cells.into_iter().flat_map(|cell| cell.words.taken_out).collect();
        }
    }

    /// Ends the block being gathered.
    fn flush(&mut self) {
        if self.words.text.is_empty() && self.words.taken_out.is_empty() {
            return;
        }
        let words = self.words.end();
        let link_columns = std::mem::take(&mut self.link_columns);
        if words.is_blank() {
            return;
        }
        let kind = self.open.iter().rev().take(4).find_map(|&n| kind_of(&self.elements[n].name));
        self.blocks.push(Block {
            words,
            kind: kind.unwrap_or(BlockKind::Paragraph),
            element: self.open[self.open.len() - 1],
            link_columns,
        });
    }

    /// Gives a reason to the notes that citation marks of the kept text lead to.
    fn set_notes_aside(&self, reasons: &mut [Option<Reason>]) {
        let targets: HashSet<&str> =
            self.blocks.iter().flat_map(|block| &block.words.targets).map(String::as_str).collect();
        if targets.is_empty() {
            return;
        }
        for (block, reason) in self.blocks.iter().zip(reasons) {
            let mut element = block.element;
            for _ in 0..3 {
                let found = self.elements[element].id.as_deref().is_some_and(|id| targets.contains(id));
                if found && !matches!(self.elements[element].name.as_str(), "body" | "article" | "main") {
                    *reason = Some(Reason::Note);
                }
                element = self.elements[element].parent;
            }
        }
    }
}
