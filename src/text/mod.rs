//! Bytes in, an article of numbered sentences out. Pure: opens no file, knows no model and no terminal.
//!
//! `decode -> clean -> segment`: each stage is a verb that eats the previous value. After `segment` there is one
//! coordinate system: sentence numbers, and byte offsets into the clean text.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod abbreviations;
pub mod clean;
pub mod decode;
pub mod figures;
pub mod fold;
pub mod lang;
pub mod script;
pub mod segment;
pub mod wrap;

/// An article as a source handed it over, before anything was understood.
#[derive(Debug, Clone)]
pub struct RawArticle {
    /// The name shown to people: a path, `path#3` for the third record of a JSONL file, `-` for standard input.
    pub path: String,
    /// The bytes as they were read.
    pub bytes: Vec<u8>,
    /// How the bytes are to be read.
    pub format: Format,
    /// A title that stood beside the text, in a JSON record for instance.
    pub title: Option<String>,
    /// Who wrote it, where that stood beside the text, as written there.
    pub byline: Option<String>,
    /// A date that stood beside the text, as written there.
    pub date: Option<String>,
    /// What a document held beside the text, a running head for instance; its ranges are empty, since it is not in the bytes.
    pub set_aside: Vec<SetAside>,
}

impl RawArticle {
    /// An article of which nothing is known but its bytes.
    pub fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>, format: Format) -> RawArticle {
        RawArticle {
            path: path.into(),
            bytes: bytes.into(),
            format,
            title: None,
            byline: None,
            date: None,
            set_aside: Vec::new(),
        }
    }
}

/// Why a source cannot be read as an article.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing in it, or nothing but blanks.
    #[error("the file is empty")]
    Empty,
    /// Not text.
    #[error("not a text: {what}")]
    Binary {
        /// What it is instead, as far as that can be told.
        what: &'static str,
    },
    /// Beyond the size that is read.
    #[error("{bytes} bytes are more than the {limit} that one article may have")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit, also in bytes.
        limit: usize,
    },
    /// Text, but none of it an article's.
    #[error("nothing but page furniture: all {blocks} blocks of it were set aside")]
    OnlyFurniture {
        /// How many blocks were set aside.
        blocks: usize,
    },
}

/// The layout of an article's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with line breaks: a clipping.
    Plain,
    /// Text with Markdown marks.
    Markdown,
    /// A web page.
    Html,
}

/// Text decoded from bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// The WHATWG name of the charset, `UTF-8` for instance.
    pub encoding: &'static str,
    /// How many malformed sequences became U+FFFD.
    pub replaced: usize,
}

/// An article's own words, with everything else set aside.
#[derive(Debug, Clone, Default)]
pub struct Prose {
    /// The clean text: blocks joined by a blank line.
    pub text: String,
    /// The blocks of `text`, in order; their ranges are bytes of `text`.
    pub blocks: Vec<Block>,
    /// The title, if one was found.
    pub title: Option<String>,
    /// Who wrote it, as written.
    pub byline: Option<String>,
    /// When it was published, as written.
    pub date: Option<String>,
    /// What was not kept, and why, in source order. No word disappears without an entry here; invisible characters,
    /// surplus blanks and layout marks do.
    pub set_aside: Vec<SetAside>,
    /// True when the whole article is another summarizer's output, so that it had to be kept.
    pub second_hand: bool,
}

/// A run of the clean text that stands on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the run is.
    pub kind: BlockKind,
    /// Its bytes in the clean text.
    pub range: Range<usize>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// A heading inside the article.
    Heading,
    /// A paragraph.
    Paragraph,
    /// One item of a list.
    ListItem,
}

/// A run of the source that is not part of the article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Why it was set aside.
    pub reason: Reason,
    /// First byte, in the decoded text (for HTML: in the plain rendering of the page).
    pub start: usize,
    /// One past the last byte, in the same text.
    pub end: usize,
    /// The run itself.
    pub text: String,
}

/// Why a run was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Menus, breadcrumbs, log-in links, footers, copyright lines.
    Navigation,
    /// Share and follow buttons, like counts.
    Share,
    /// Paths and names of a site's templates.
    TemplatePath,
    /// Lists of tags or keywords.
    Tags,
    /// Adverts and promotions of a site or an app.
    Advert,
    /// Risk notices and legal disclaimers.
    Disclaimer,
    /// E-mail addresses, telephone numbers and other contact lines.
    Contact,
    /// A lede or paragraph that stands again elsewhere in the article.
    Repeated,
    /// Lists of related or recommended articles.
    Related,
    /// Title, byline, date and source lines, kept as fields of the article instead.
    Metadata,
    /// A summary that another summarizer wrote and a site pasted in.
    SecondHand,
    /// Citation marks of the source's own, `[12]` for instance, which could be taken for ours.
    CitationMark,
    /// What readers wrote below the article.
    Comments,
    /// Pictures, rules and other parts without words of the article.
    Media,
    /// Code, which is no prose.
    Code,
    /// Footnotes, readings above characters, and remarks of whoever kept the page.
    Note,
    /// Struck out by the author.
    StruckOut,
}

/// A language that Precis reads and writes; Chinese is told apart by script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lang {
    /// English, and any other language in Latin letters.
    En,
    /// Chinese in Simplified characters.
    ZhHans,
    /// Chinese in Traditional characters.
    ZhHant,
}

/// One sentence of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// First byte in the clean text.
    pub start: usize,
    /// One past the last byte in the clean text.
    pub end: usize,
    /// The kind of block that it stands in.
    pub kind: BlockKind,
    /// The number of that block, from 0.
    pub block: usize,
    /// Whether it is only a part of an over-long sentence: what it says may hang on words that stand outside it.
    #[serde(default)]
    pub is_piece: bool,
}

/// A sentence of an article among several: what a citation points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cite {
    /// The article's number in the evidence, from 0.
    pub article: usize,
    /// The sentence's number in that article, from 0. People see it counted from 1.
    pub sentence: usize,
}

impl Cite {
    /// The number that stands for the head of an article: its title, author and date.
    pub const HEAD: usize = usize::MAX;
}

/// An article ready to be read: clean text, its sentences, and a receipt of what was set aside.
#[derive(Debug, Clone)]
pub struct Article {
    /// The name shown to people, from [`RawArticle::path`].
    pub path: String,
    /// Lowercase hex SHA-256 of `text`.
    pub sha256: String,
    /// The title, if one was found.
    pub title: Option<String>,
    /// Who wrote it, as written.
    pub byline: Option<String>,
    /// When it was published, as written.
    pub date: Option<String>,
    /// The language of most of the text, as far as it is one that is read: of any other, the nearest of them.
    pub lang: Lang,
    /// The English name of the language of most of the text when it is another one: it is outside what was measured.
    pub foreign: Option<&'static str>,
    /// The clean text; every offset in the product points into it.
    pub text: String,
    /// The sentences of `text`, in order.
    pub sentences: Vec<Sentence>,
    /// What was not kept, and why.
    pub set_aside: Vec<SetAside>,
    /// True when the article is itself another summarizer's output.
    pub second_hand: bool,
    /// The charset that the source was in.
    pub encoding: &'static str,
    /// How many malformed sequences became U+FFFD.
    pub replaced: usize,
}

impl Article {
    /// Reads an article: its bytes decoded, its own words kept, the rest set aside, the sentences numbered.
    pub fn read(raw: &RawArticle) -> Result<Article, Refusal> {
        let mut decoded = decode::decode(&raw.bytes, raw.format)?;
        if raw.format == Format::Plain {
            wrap::undivided(&mut decoded.text);
        }
        let hints = clean::Hints { title: raw.title.as_deref(), date: raw.date.as_deref() };
        let mut prose = clean::clean(&decoded.text, raw.format, hints);
        prose.set_aside.extend(raw.set_aside.iter().cloned());
        let len = |block: &Block| block.range.len();
        let headings = prose.blocks.iter().filter(|block| block.kind == BlockKind::Heading).map(len).sum::<usize>();
        if headings * 2 > prose.blocks.iter().map(len).sum() {
            // Lines without stops look like headings; where all do, they are the text: posts, verse.
            prose.blocks.iter_mut().for_each(|block| block.kind = BlockKind::Paragraph);
        }
        let sentences = segment::segment(&prose);
        if sentences.is_empty() {
            return Err(match prose.set_aside.len() {
                0 => Refusal::Empty,
                blocks => Refusal::OnlyFurniture { blocks },
            });
        }
        Ok(Article {
            path: raw.path.clone(),
            sha256: hex(&Sha256::digest(&prose.text)),
            title: prose.title,
            byline: raw.byline.clone().or(prose.byline),
            date: prose.date,
            lang: lang::detect(&prose.text),
            foreign: lang::foreign(&prose.text),
            text: prose.text,
            sentences,
            set_aside: prose.set_aside,
            second_hand: prose.second_hand,
            encoding: decoded.encoding,
            replaced: decoded.replaced,
        })
    }

    /// The text of one sentence. Panics when `sentence_idx` is out of range.
    pub fn sentence(&self, sentence_idx: usize) -> &str {
        let s = &self.sentences[sentence_idx];
        &self.text[s.start..s.end]
    }
}

/// A digest in lowercase hex.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
