//! One tag in, what its element is to an article out: furniture by name, role or class; heading, list item, part of a
//! line. A table of HTML's elements, and no more.

use crate::text::{BlockKind, Reason};

/// How much a tag says about what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The element is made for it, `nav` for instance, or hidden.
    Sure,
    /// Its class or id says so, or the element is often used otherwise.
    Likely,
}

/// A start tag, with those of its attributes that are read.
#[derive(Debug, Default)]
pub(super) struct Tag {
    /// Its name, lower case.
    pub(super) name: String,
    attributes: Vec<(&'static str, String)>,
}

impl Tag {
    const READ: &[&str] = &[
        "class",
        "id",
        "style",
        "role",
        "hidden",
        "aria-hidden",
        "href",
        "type",
        "property",
        "name",
        "itemprop",
        "content",
        "datetime",
        "colspan",
        "rowspan",
        "rel",
    ];
    const MAX_VALUE_BYTES: usize = 4 << 10;

    /// A tag without attributes so far.
    pub(super) fn named(name: &[u8]) -> Tag {
        Tag { name: String::from_utf8_lossy(name).into_owned(), attributes: Vec::new() }
    }

    /// The name of an attribute; a second one of the name does not count.
    pub(super) fn begin_attribute(&mut self, name: &[u8]) {
        let known = Self::READ.iter().find(|known| known.as_bytes() == name).copied();
        // Of one that is not read, the value goes to a place of its own.
        let name = known.filter(|known| self.attribute(known).is_none()).unwrap_or_default();
        self.attributes.retain(|(name, _)| !name.is_empty());
        self.attributes.push((name, String::new()));
    }

    /// The value of the attribute that began last.
    pub(super) fn end_attribute(&mut self, value: &[u8]) {
        if let Some((_, last)) = self.attributes.last_mut() {
            *last = String::from_utf8_lossy(&value[..value.len().min(Self::MAX_VALUE_BYTES)]).into_owned();
        }
    }

    /// The value of an attribute; empty for one without a value.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// Why the content of an element may be no part of the article, as far as its own tag tells.
pub(super) fn evidence(tag: &Tag) -> Option<(Reason, Evidence)> {
    use Evidence::{Likely, Sure};
    let named = named_reason(tag);
    let by_name = |reason: Reason, evidence: Evidence| Some((named.unwrap_or(reason), evidence));
    match tag.name.as_str() {
        "nav" | "menu" | "dialog" | "button" | "select" | "option" | "textarea" => {
            return by_name(Reason::Navigation, Sure);
        }
        "svg" | "object" | "canvas" | "video" | "audio" | "figcaption" | "template" => {
            return Some((Reason::Media, Sure));
        }
        "footer" | "aside" | "form" => return by_name(Reason::Navigation, Likely),
        // Quoted posts are content, whatever network their class names.
        "body" | "html" | "main" | "article" | "h1" | "blockquote" => return None,
        _ => {}
    }
    let style = tag.attribute("style").unwrap_or_default().replace(' ', "");
    let role = tag.attribute("role").unwrap_or_default();
    if tag.attribute("hidden").is_some()
        || tag.attribute("aria-hidden") == Some("true")
        || style.contains("display:none")
        || matches!(role, "navigation" | "banner" | "contentinfo" | "search" | "complementary" | "dialog" | "menu")
    {
        return by_name(Reason::Navigation, Likely);
    }
    named.map(|reason| (reason, Likely))
}

/// The words of class names and ids that name furniture, each with its reason.
const NAMES: &[(&str, Reason)] = &[
    (
        "nav navbar navigation menu breadcrumb breadcrumbs crumbs footer foot sidebar aside cookie cookies consent gdpr pagination pager copyright skip masthead topbar toolbar modal popup login header_nav legal",
        Reason::Navigation,
    ),
    ("share sharing sharebar sharedaddy social socials follow addthis", Reason::Share),
    (
        "related recommended recommend recommendations recirc trending readmore popular mostread hot rank ranking teaser teasers outbrain taboola more_news latest",
        Reason::Related,
    ),
    ("comment comments commentlist disqus respond replies gentie tie pinglun", Reason::Comments),
    (
        "ad ads advert adverts advertisement adbox adsense sponsored sponsor promo promotion newsletter subscribe subscription signup paywall banner donate",
        Reason::Advert,
    ),
    ("tags tag keywords taglist", Reason::Tags),
    ("byline author authors dateline timestamp pubdate meta postmeta published credits", Reason::Metadata),
    ("disclaimer statement", Reason::Disclaimer),
    ("caption wp-caption-text credit gallery slideshow", Reason::Media),
];

/// The reason in the words of an element's class and id, compared word by word (`ad-slot` is an advert, `headline` is not).
fn named_reason(tag: &Tag) -> Option<Reason> {
    ["id", "class"].iter().find_map(|name| {
        let value = tag.attribute(name)?;
        words(value).find_map(|word| {
            NAMES.iter().find(|(names, _)| names.split(' ').any(|name| name == word)).map(|(_, reason)| *reason)
        })
    })
}

/// The words of a class name in lower case, cut at marks and at `camelCase`.
fn words(value: &str) -> impl Iterator<Item = String> {
    const MAX_BYTES: usize = 300;
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in value[..value.floor_char_boundary(MAX_BYTES)].chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_ascii_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// What the text of an element is to the article.
pub(super) fn kind_of(name: &str) -> Option<BlockKind> {
    match name {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Some(BlockKind::Heading),
        "li" | "dd" | "dt" => Some(BlockKind::ListItem),
        _ => None,
    }
}

/// Whether a tag stands inside a line of text; custom elements do.
pub(super) fn is_inline(name: &str) -> bool {
    const INLINE: &[&str] = &[
        "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "dfn", "em", "font", "i", "img", "input",
        "ins", "kbd", "label", "mark", "nobr", "o:p", "output", "picture", "ruby", "rb", "samp", "small", "span",
        "strong", "time", "tt", "u", "var", "wbr",
    ];
    INLINE.contains(&name) || name.contains('-')
}

/// Whether an element has no content.
pub(super) fn is_void(name: &str) -> bool {
    matches!(name, "area" | "base" | "col" | "embed" | "hr" | "link" | "meta" | "param" | "source" | "track")
}
