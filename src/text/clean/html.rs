//! A web page in, a page of pieces out. Knows tags; leaves the choice of the main article to a readability port, and
//! falls back on the page's own structure where that finds too little or the page is too large for it.
//!
//! The parser behind readability can overflow the stack on deep nesting and is quadratic on some inputs. So the page is
//! first walked here, in one pass and without a tree, and written anew: no scripts, no inline tags, bounded depth,
//! every text run wrapped in a numbered mark. Which numbers survive readability says which blocks are the article.

use std::collections::HashSet;

use dom_smoothie::{Config, Readability};

use super::elements::{WORDLESS, element_reason, is_article, is_inline, is_void, kind_of, written_name};
use super::shape::{ends_sentence, width};
use super::tags::{Tag, Token, Tokens, decode_entities};
use super::{Page, tidy};
use crate::text::{BlockKind, Reason};

/// Elements nested deeper than this are not told to readability; their text is.
const MAX_DEPTH: usize = 64;
/// Pages with more blocks, or more bytes of what is left of them, are cut by structure alone.
const MAX_READABLE_BLOCKS: usize = 8_000;
const MAX_READABLE_BYTES: usize = 4 << 20;
/// The least share of the visible text outside menus that readability must find to be believed, in percent.
const LEAST_SHARE: usize = 35;

/// Cuts a page into pieces, in page order; those outside the main article carry a reason already.
pub(super) fn read(html: &str) -> Page {
    let walked = Walk::over(html);
    let main = walked.main_blocks();
    let mut page = Page {
        title: walked.meta.title(&walked.blocks),
        byline: walked.meta.byline.clone(),
        date: walked.meta.date.clone(),
        ..Page::default()
    };
    // The rendering that byte ranges refer to: the blocks, a line each.
    let mut offset = 0;
    for (number, block) in walked.blocks.iter().enumerate() {
        let is_kept = main.as_ref().is_none_or(|main| main.contains(&number));
        let reason = match block.reason {
            // Words in a class name are weaker evidence than readability's choice of whole sentences; captions are captions.
            Some(reason) if !is_kept || main.is_none() || reason == Reason::Media || !is_sentence(&block.text) => {
                Some(reason)
            }
            // Readability drops the odd paragraph of the article; a sentence outside all menus is kept.
            None if !(is_kept || block.is_in_article && is_sentence(&block.text)) => Some(Reason::Navigation),
            _ => None,
        };
        page.push(&block.text, offset, Some(block.kind).filter(|&kind| kind != BlockKind::Paragraph), true, reason);
        offset += block.text.len() + 1;
    }
    page
}

fn is_sentence(text: &str) -> bool {
    width(text) >= 80 && ends_sentence(text)
}

/// A run of text between two block-level tags.
#[derive(Debug)]
struct HtmlBlock {
    text: String,
    kind: BlockKind,
    /// The reason that the elements around it give, if any.
    reason: Option<Reason>,
    is_in_article: bool,
}

/// What the head of a page says about the article.
#[derive(Debug, Default)]
struct Meta {
    page_title: Option<String>,
    article_title: Option<String>,
    byline: Option<String>,
    date: Option<String>,
}

impl Meta {
    /// The article's title: stated, else the page's without the site's name, else the first heading.
    fn title(&self, blocks: &[HtmlBlock]) -> Option<String> {
        let heading =
            blocks.iter().find(|block| block.kind == BlockKind::Heading && block.reason != Some(Reason::Navigation));
        let heading = heading.map(|block| tidy(&block.text));
        if let Some(title) = &self.article_title {
            return Some(title.clone());
        }
        let Some(title) = &self.page_title else {
            return heading;
        };
        match heading {
            Some(heading) if title.contains(heading.as_str()) => Some(heading),
            _ => {
                let cut = [" | ", " - ", " – ", " — ", "_", " :: "].iter().filter_map(|mark| title.rfind(mark)).max();
                let cut = cut.filter(|&at| width(&title[..at]) > width(&title[at..]));
                Some(title[..cut.unwrap_or(title.len())].to_owned())
            }
        }
    }
}

/// An element that is open.
#[derive(Debug)]
struct Open {
    name: String,
    reason: Option<Reason>,
    /// Whether it was written to the readable copy, and so must be closed there.
    is_written: bool,
}

/// The state of one walk over a page.
#[derive(Default)]
struct Walk {
    blocks: Vec<HtmlBlock>,
    meta: Meta,
    /// The page written anew for readability.
    readable: String,
    open: Vec<Open>,
    written_depth: usize,
    article_depth: usize,
    link_depth: usize,
    /// The block being gathered.
    text: String,
    /// How much of `text` is in the readable copy already.
    copied: usize,
}

impl Walk {
    fn over(html: &str) -> Walk {
        let mut walk = Walk::default();
        let mut tokens = Tokens::new(html);
        while let Some(token) = tokens.next() {
            match token {
                Token::Text(text) => walk.text.push_str(&decode_entities(text)),
                Token::Open(tag) => walk.open(&tag, &mut tokens),
                Token::Close(name) => walk.close(&name),
            }
        }
        walk.flush();
        while let Some(open) = walk.open.pop() {
            walk.write_close(&open);
        }
        walk
    }

    fn open(&mut self, tag: &Tag<'_>, tokens: &mut Tokens<'_>) {
        let name = tag.name.as_str();
        if let Some(wordless) = WORDLESS.iter().find(|wordless| **wordless == name) {
            let text = tokens.raw_text(wordless);
            if name == "script" && tag.attribute("type").is_some_and(|kind| kind.contains("ld+json")) {
                self.read_json_ld(text.unwrap_or_default());
            }
            return;
        }
        match name {
            "title" if self.meta.page_title.is_none() => {
                let title = tidy(&decode_entities(tokens.raw_text("title").unwrap_or_default()));
                self.meta.page_title = Some(title).filter(|title| !title.is_empty());
            }
            "meta" => self.read_meta(tag),
            "br" if self.text.ends_with('\n') || ends_sentence(&self.text) => self.flush(),
            "br" => self.text.push('\n'),
            "a" => {
                self.copy_text();
                self.link_depth += 1;
            }
            "time" if self.meta.date.is_none() => self.meta.date = tag.attribute("datetime").map(|date| tidy(&date)),
            _ if is_inline(name) => {}
            _ => self.open_block(tag),
        }
    }

    fn open_block(&mut self, tag: &Tag<'_>) {
        self.flush();
        let name = tag.name.as_str();
        if is_void(name) {
            return;
        }
        // Paragraphs and items end where the next begins, or unclosed ones would nest without end.
        if let Some(last) = self.open.last()
            && (last.name == "p" || (last.name == name && matches!(name, "li" | "dt" | "dd" | "td" | "tr" | "option")))
        {
            let name = last.name.clone();
            self.close(&name);
        }
        let reason = self.open.last().and_then(|open| open.reason).or_else(|| element_reason(tag));
        let is_written = self.written_depth < MAX_DEPTH && self.readable.len() < MAX_READABLE_BYTES;
        if is_written {
            self.written_depth += 1;
            let name = written_name(name);
            self.readable.push('<');
            self.readable.push_str(name);
            for attribute in ["class", "id", "role", "itemprop"] {
                if let Some(value) = tag.attribute(attribute).filter(|value| value.len() < 200) {
                    self.readable.push_str(&format!(" {attribute}=\""));
                    push_escaped(&value, &mut self.readable);
                    self.readable.push('"');
                }
            }
            self.readable.push('>');
        }
        self.article_depth += usize::from(is_article(name));
        self.open.push(Open { name: name.to_owned(), reason, is_written });
    }

    fn close(&mut self, name: &str) {
        if name == "a" {
            self.copy_text();
            self.link_depth = self.link_depth.saturating_sub(1);
            return;
        }
        if is_inline(name) {
            return;
        }
        self.flush();
        // A stray end tag must not walk the whole stack each time.
        const REACH: usize = 32;
        let Some(back) = self.open.iter().rev().take(REACH).position(|open| open.name == name) else {
            return;
        };
        for _ in 0..=back {
            if let Some(open) = self.open.pop() {
                self.article_depth -= usize::from(is_article(&open.name));
                self.write_close(&open);
            }
        }
    }

    fn write_close(&mut self, open: &Open) {
        if open.is_written {
            self.written_depth -= 1;
            self.readable.push_str(&format!("</{}>", written_name(&open.name)));
        }
    }

    /// Copies what was gathered since the last copy, wrapped in the number of its block.
    fn copy_text(&mut self) {
        let fresh = &self.text[self.copied..];
        if !fresh.trim().is_empty() && self.readable.len() < MAX_READABLE_BYTES {
            let (before, after) = if self.link_depth > 0 { ("<a href=\"#\">", "</a>") } else { ("", "") };
            self.readable.push_str(&format!("{before}<span data-block=\"{}\">", self.blocks.len()));
            push_escaped(fresh, &mut self.readable);
            self.readable.push_str(&format!("</span>{after}"));
        }
        self.copied = self.text.len();
    }

    /// Ends the block being gathered.
    fn flush(&mut self) {
        self.copy_text();
        self.copied = 0;
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        let kind = match self.open.iter().rev().take(4).find_map(|open| kind_of(&open.name)) {
            Some(kind) => kind,
            None => BlockKind::Paragraph,
        };
        self.blocks.push(HtmlBlock {
            text: text.trim().to_owned(),
            kind,
            reason: self.open.last().and_then(|open| open.reason),
            is_in_article: self.article_depth > 0,
        });
    }

    fn read_meta(&mut self, tag: &Tag<'_>) {
        let key = tag.attribute("property").or_else(|| tag.attribute("name")).or_else(|| tag.attribute("itemprop"));
        let (Some(key), Some(content)) = (key, tag.attribute("content")) else {
            return;
        };
        let content = tidy(&content);
        if content.is_empty() || content.len() > 1000 {
            return;
        }
        let field = match key.to_ascii_lowercase().as_str() {
            "og:title" | "twitter:title" | "dc.title" | "headline" => &mut self.meta.article_title,
            "author" | "article:author" | "dc.creator" | "byl" if !content.starts_with("http") => &mut self.meta.byline,
            "article:published_time"
            | "date"
            | "pubdate"
            | "publishdate"
            | "dc.date"
            | "datepublished"
            | "og:published_time" => &mut self.meta.date,
            _ => return,
        };
        field.get_or_insert(content);
    }

    /// Headline, date and author from a page's linked data.
    fn read_json_ld(&mut self, text: &str) {
        const LARGEST: usize = 256 << 10;
        let Some(data) = Some(text)
            .filter(|text| text.len() < LARGEST)
            .and_then(|text| serde_json::from_str::<serde_json::Value>(text.trim()).ok())
        else {
            return;
        };
        let graph = data.get("@graph").unwrap_or(&data);
        let items = graph.as_array().map_or(std::slice::from_ref(graph), Vec::as_slice);
        for item in items {
            let is_article =
                item["@type"].as_str().is_some_and(|kind| kind.contains("Article") || kind.contains("Posting"));
            if !is_article {
                continue;
            }
            let text = |value: &serde_json::Value| value.as_str().map(tidy).filter(|text| !text.is_empty());
            self.meta.article_title = self.meta.article_title.take().or_else(|| text(&item["headline"]));
            self.meta.date = self.meta.date.take().or_else(|| text(&item["datePublished"]));
            let author = item["author"].as_array().and_then(|authors| authors.first()).unwrap_or(&item["author"]);
            self.meta.byline = self.meta.byline.take().or_else(|| text(author).or_else(|| text(&author["name"])));
        }
    }

    /// The numbers of the blocks that readability takes for the article; none when it cannot be asked or believed.
    fn main_blocks(&self) -> Option<HashSet<usize>> {
        if self.blocks.len() > MAX_READABLE_BLOCKS || self.readable.len() >= MAX_READABLE_BYTES {
            return None;
        }
        let page = format!("<html><head><title></title></head><body>{}</body></html>", self.readable);
        let config = Config { disable_json_ld: true, ..Config::default() };
        let article = Readability::new(page, None, Some(config)).ok()?.parse().ok()?;
        let main: HashSet<usize> = article
            .content
            .split("data-block=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.parse().ok())
            .collect();
        let columns = |kept: &dyn Fn(usize) -> bool| -> usize {
            let blocks = self.blocks.iter().enumerate().filter(|&(n, block)| block.reason.is_none() && kept(n));
            blocks.map(|(_, block)| width(&block.text)).sum()
        };
        (columns(&|n| main.contains(&n)) * 100 >= columns(&|_| true) * LEAST_SHARE).then_some(main)
    }
}

fn push_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
}
