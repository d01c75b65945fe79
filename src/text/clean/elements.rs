//! One tag in, what its element is to an article out: furniture by name, role or class; heading, list item, part of a
//! line. A table of HTML's elements, and no more.

use super::tags::Tag;
use crate::text::{BlockKind, Reason};

/// Elements whose content is code, or drawn, or a form's choices: no text of the page.
pub(super) const WORDLESS: &[&str] =
    &["script", "style", "noscript", "template", "svg", "iframe", "math", "object", "select", "textarea", "canvas"];
/// The reason that an element's name, role or class gives for what is inside it.
pub(super) fn element_reason(tag: &Tag<'_>) -> Option<Reason> {
    match tag.name.as_str() {
        "nav" | "footer" | "aside" | "form" | "button" | "menu" | "dialog" => {
            return Some(named_reason(tag).unwrap_or(Reason::Navigation));
        }
        "figure" | "figcaption" | "video" | "audio" | "caption" => return Some(Reason::Media),
        "body" | "html" | "main" | "article" => return None,
        _ => {}
    }
    let is_hidden = tag.attribute("hidden").is_some()
        || tag.attribute("aria-hidden").is_some_and(|value| value == "true")
        || tag.attribute("style").is_some_and(|style| style.replace(' ', "").contains("display:none"));
    let role = tag.attribute("role");
    if is_hidden
        || role.is_some_and(|role| {
            matches!(role.as_ref(), "navigation" | "banner" | "contentinfo" | "search" | "complementary")
        })
    {
        return Some(named_reason(tag).unwrap_or(Reason::Navigation));
    }
    named_reason(tag)
}

/// The reason in the words of an element's class and id, compared word by word (`ad-slot` is an advert, `headline` is not).
fn named_reason(tag: &Tag<'_>) -> Option<Reason> {
    const WORDS: &[(&str, Reason)] = &[
        ("nav", Reason::Navigation),
        ("navbar", Reason::Navigation),
        ("navigation", Reason::Navigation),
        ("menu", Reason::Navigation),
        ("breadcrumb", Reason::Navigation),
        ("breadcrumbs", Reason::Navigation),
        ("footer", Reason::Navigation),
        ("sidebar", Reason::Navigation),
        ("cookie", Reason::Navigation),
        ("cookies", Reason::Navigation),
        ("consent", Reason::Navigation),
        ("pagination", Reason::Navigation),
        ("copyright", Reason::Navigation),
        ("skip", Reason::Navigation),
        ("share", Reason::Share),
        ("sharing", Reason::Share),
        ("social", Reason::Share),
        ("related", Reason::Related),
        ("recommended", Reason::Related),
        ("recommendations", Reason::Related),
        ("trending", Reason::Related),
        ("readmore", Reason::Related),
        ("popular", Reason::Related),
        ("comments", Reason::Comments),
        ("comment", Reason::Comments),
        ("disqus", Reason::Comments),
        ("ad", Reason::Advert),
        ("ads", Reason::Advert),
        ("advert", Reason::Advert),
        ("advertisement", Reason::Advert),
        ("sponsored", Reason::Advert),
        ("promo", Reason::Advert),
        ("newsletter", Reason::Advert),
        ("subscribe", Reason::Advert),
        ("paywall", Reason::Advert),
        ("tags", Reason::Tags),
        ("tag", Reason::Tags),
        ("keywords", Reason::Tags),
        ("byline", Reason::Metadata),
        ("author", Reason::Metadata),
        ("dateline", Reason::Metadata),
        ("timestamp", Reason::Metadata),
        ("pubdate", Reason::Metadata),
        ("disclaimer", Reason::Disclaimer),
        ("caption", Reason::Media),
    ];
    ["id", "class"].iter().find_map(|attribute| {
        let value = tag.attribute(attribute)?.to_ascii_lowercase();
        let reason = value
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find_map(|word| WORDS.iter().find(|(known, _)| *known == word))?;
        Some(reason.1)
    })
}

pub(super) fn kind_of(name: &str) -> Option<BlockKind> {
    match name {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Some(BlockKind::Heading),
        "li" | "dd" | "dt" => Some(BlockKind::ListItem),
        _ => None,
    }
}

pub(super) fn is_article(name: &str) -> bool {
    matches!(name, "article" | "main")
}

/// Tags inside a line of text.
pub(super) fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "code"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "ins"
            | "kbd"
            | "label"
            | "mark"
            | "q"
            | "rp"
            | "rt"
            | "ruby"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
            | "img"
            | "input"
    ) || name.contains('-')
}

pub(super) fn is_void(name: &str) -> bool {
    matches!(name, "area" | "base" | "col" | "embed" | "hr" | "link" | "param" | "source" | "track")
}

/// The name under which an element is told to readability: tables become plain boxes, because text astray in a table
/// makes the parser move it about, again and again.
pub(super) fn written_name(name: &str) -> &'static str {
    match name {
        "article" => "article",
        "section" => "section",
        "main" => "main",
        "p" => "p",
        "h1" => "h1",
        "h2" => "h2",
        "h3" | "h4" | "h5" | "h6" => "h3",
        "ul" | "ol" => "ul",
        "li" => "li",
        "blockquote" => "blockquote",
        "header" => "header",
        "footer" => "footer",
        "nav" => "nav",
        "aside" => "aside",
        _ => "div",
    }
}
