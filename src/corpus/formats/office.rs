//! An archive in that holds a document (DOCX, ODT, EPUB), HTML out: of a book an article a chapter. Unpacks no more than
//! a bounded number of bytes, whatever the archive promises; knows no layout, only what is a paragraph and what a heading.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use super::markup::escaped;
use crate::corpus::source::Problem;
use crate::text::{Format, RawArticle};

/// The most that is unpacked of one archive.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;
/// A part of a book with fewer letters is a cover or a title page.
const LEAST_CHAPTER: usize = 200;

pub(super) fn articles(bytes: &[u8]) -> Result<Vec<Result<RawArticle, String>>, Problem> {
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut parts = Parts { archive, left: MAX_UNPACKED_BYTES };
    let has = |parts: &Parts<'_>, name: &str| parts.archive.index_for_name(name).is_some();
    match () {
        () if has(&parts, "word/document.xml") => Ok(vec![Ok(docx(&mut parts)?)]),
        () if has(&parts, "META-INF/container.xml") => epub(&mut parts),
        () if has(&parts, "content.xml") => Ok(vec![Ok(odt(&mut parts)?)]),
        () => Err(Problem::OtherArchive),
    }
}

fn broken(error: ZipError) -> Problem {
    Problem::Record(format!("the archive is damaged: {error}"))
}

/// The members of an archive, and how much of them may still be unpacked.
struct Parts<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    left: u64,
}

impl Parts<'_> {
    /// A member as text; none if there is none of that name.
    fn read(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let member = match self.archive.by_name(name) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(why)) if why.contains("assword") => return Err(Problem::Encrypted),
            Err(error) => return Err(broken(error)),
        };
        let mut bytes = Vec::new();
        member.take(self.left + 1).read_to_end(&mut bytes).map_err(|error| broken(error.into()))?;
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Err(Problem::Inflated { limit: MAX_UNPACKED_BYTES });
        };
        self.left = left;
        Ok(Some(crate::text::decode::decode(&bytes, Format::Html).map(|decoded| decoded.text).unwrap_or_default()))
    }

    fn part(&mut self, name: &str) -> Result<String, Problem> {
        Ok(self.read(name)?.unwrap_or_default())
    }
}

/// What an element of a document does to the page.
enum Mark {
    Paragraph,
    Heading,
    Item,
    /// Written to the page as the element of this name.
    Kept(&'static str),
    /// Its text is the document's.
    Text,
    /// Stands for this text.
    Sign(&'static str),
    /// Changes the paragraph that it stands in: a style, a list, a run that is raised or struck out.
    Style,
    Skipped,
    Passed,
}

fn docx(parts: &mut Parts<'_>) -> Result<RawArticle, Problem> {
    let mut styles = HashMap::new();
    let mut style = String::new();
    each_start(&parts.part("word/styles.xml")?, |name, element| match name {
        "style" => style = attribute(element, "styleId").unwrap_or_default(),
        "name" => drop(styles.insert(style.clone(), attribute(element, "val").unwrap_or_default().to_lowercase())),
        _ => {}
    });
    let mark = |name: &str| match name {
        "p" => Mark::Paragraph,
        "t" => Mark::Text,
        "tbl" => Mark::Kept("table"),
        "tr" => Mark::Kept("tr"),
        "tc" => Mark::Kept("td"),
        "tab" => Mark::Sign(" "),
        "br" | "cr" => Mark::Sign("<br>"),
        "noBreakHyphen" => Mark::Sign("-"),
        "pStyle" | "numPr" | "vertAlign" | "strike" | "dstrike" | "r" => Mark::Style,
        // What was deleted under revision, and the second form of a drawing.
        "del" | "moveFrom" | "Fallback" | "instrText" => Mark::Skipped,
        _ => Mark::Passed,
    };
    let body = page(&parts.part("word/document.xml")?, &mark, &styles);
    document(body, &parts.part("docProps/core.xml")?)
}

fn odt(parts: &mut Parts<'_>) -> Result<RawArticle, Problem> {
    if parts.part("META-INF/manifest.xml")?.contains("encryption-data") {
        return Err(Problem::Encrypted);
    }
    let mark = |name: &str| match name {
        "p" => Mark::Paragraph,
        "h" => Mark::Heading,
        "list-item" => Mark::Item,
        "table" => Mark::Kept("table"),
        "table-row" => Mark::Kept("tr"),
        "table-cell" => Mark::Kept("td"),
        "s" | "tab" => Mark::Sign(" "),
        "line-break" => Mark::Sign("<br>"),
        "note" | "annotation" | "tracked-changes" | "desc" | "forms" | "table-of-content" => Mark::Skipped,
        _ => Mark::Passed,
    };
    let body = page(&parts.part("content.xml")?, &mark, &HashMap::new());
    document(body, &parts.part("meta.xml")?)
}

/// An article of a page and of what the document says about itself, which people seldom keep true: only the author and
/// the title are taken.
fn document(body: String, properties: &str) -> Result<RawArticle, Problem> {
    let facts = texts(properties, &["title", "creator"]);
    let fact = |name: &str| facts.iter().find(|(found, _)| found == name).map(|(_, text)| text.clone());
    let html = format!("<html><body><article>{body}</article></body></html>");
    Ok(RawArticle { title: fact("title"), byline: fact("creator"), ..RawArticle::new("", html, Format::Html) })
}

fn epub(parts: &mut Parts<'_>) -> Result<Vec<Result<RawArticle, String>>, Problem> {
    let encrypted = parts.part("META-INF/encryption.xml")?.to_lowercase();
    if [".xhtml", ".html", ".htm"].iter().any(|name| encrypted.contains(name)) {
        return Err(Problem::Protected);
    }
    let mut package = None;
    each_start(&parts.part("META-INF/container.xml")?, |name, element| {
        if name == "rootfile" && package.is_none() {
            package = attribute(element, "full-path");
        }
    });
    let package = package.ok_or(Problem::OtherArchive)?;
    let opf = parts.part(&package)?;
    let folder = package.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let (mut files, mut order) = (HashMap::new(), Vec::new());
    each_start(&opf, |name, element| match name {
        "item" if attribute(element, "properties").is_none_or(|it| !it.contains("nav")) => {
            files.extend(attribute(element, "id").zip(attribute(element, "href")));
        }
        "itemref" if attribute(element, "linear").as_deref() != Some("no") => order.extend(attribute(element, "idref")),
        _ => {}
    });
    let facts = texts(&opf, &["creator", "date"]);
    let fact = |name: &str| facts.iter().find(|(found, _)| found == name).map(|(_, text)| text.clone());
    let mut chapters = Vec::new();
    for id in order {
        let Some(href) = files.get(&id) else { continue };
        let html = parts.part(&format!("{folder}{}", percent_decoded(href)))?;
        let n_letters =
            html.split(['<', '>']).skip(2).step_by(2).map(|text| text.trim().chars().count()).sum::<usize>();
        if n_letters >= LEAST_CHAPTER {
            let name = (chapters.len() + 1).to_string();
            chapters.push(Ok(RawArticle {
                byline: fact("creator"),
                date: fact("date"),
                ..RawArticle::new(name, html, Format::Html)
            }));
        }
    }
    if chapters.is_empty() {
        return Err(Problem::NoText);
    }
    Ok(chapters)
}

fn percent_decoded(href: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = href.split('#').next().unwrap_or_default().as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The paragraphs, headings, items and tables of a document as HTML.
fn page(xml: &str, mark: &dyn Fn(&str) -> Mark, styles: &HashMap<String, String>) -> String {
    let mut html = String::new();
    // A text box stands inside a paragraph, with paragraphs of its own.
    let mut open: Vec<(&str, String)> = Vec::new();
    let (mut in_item, mut is_text, mut skipped) = (0usize, false, 0usize);
    let (mut is_raised, mut is_struck) = (false, false);
    let has_texts = matches!(mark("t"), Mark::Text);
    each_event(xml, |event| match event {
        XmlEvent::Start(name, element) => {
            let what = mark(name);
            if skipped > 0 || matches!(what, Mark::Skipped) {
                skipped += 1;
                return;
            }
            match what {
                Mark::Paragraph | Mark::Heading => {
                    let tag = if matches!(what, Mark::Heading) {
                        "h2"
                    } else if in_item > 0 {
                        "li"
                    } else {
                        "p"
                    };
                    open.push((tag, String::new()));
                    is_text = !has_texts;
                }
                Mark::Item => in_item += 1,
                Mark::Kept(name) => html.push_str(&format!("<{name}>")),
                Mark::Text => is_text = true,
                Mark::Sign(text) => {
                    open.iter_mut().last().into_iter().for_each(|(_, paragraph)| paragraph.push_str(text))
                }
                Mark::Style => {
                    let Some((tag, _)) = open.last_mut() else { return };
                    let value = attribute(element, "val").unwrap_or_default();
                    let style = styles.get(&value).map_or("", String::as_str);
                    match name {
                        "r" => (is_raised, is_struck) = (false, false),
                        "vertAlign" => is_raised = value == "superscript",
                        "strike" | "dstrike" => is_struck = !matches!(value.as_str(), "0" | "false"),
                        "numPr" if *tag == "p" => *tag = "li",
                        _ if style == "title" => *tag = "h1",
                        _ if style.starts_with("heading") || style.starts_with("标题") => *tag = "h2",
                        _ => {}
                    }
                }
                Mark::Skipped | Mark::Passed => {}
            }
        }
        XmlEvent::End(name) => {
            if skipped > 0 {
                skipped -= 1;
                return;
            }
            match mark(name) {
                Mark::Paragraph | Mark::Heading => {
                    let (tag, paragraph) = open.pop().unwrap_or_default();
                    html.push_str(&format!("<{tag}>{}</{tag}>\n", paragraph.trim()));
                    is_text = !has_texts && !open.is_empty();
                }
                Mark::Item => in_item = in_item.saturating_sub(1),
                Mark::Kept(name) => html.push_str(&format!("</{name}>")),
                Mark::Text => is_text = false,
                _ => {}
            }
        }
        XmlEvent::Text(text) if is_text && skipped == 0 && !is_struck => {
            let (text, Some((_, paragraph))) = (escaped(text), open.last_mut()) else { return };
            paragraph.push_str(&if is_raised { format!("<sup>{text}</sup>") } else { text });
        }
        XmlEvent::Text(_) => {}
    });
    html
}

/// The texts of the elements of these names, in order.
fn texts(xml: &str, names: &[&str]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    each_event(xml, |event| match event {
        XmlEvent::Start(name, _) if names.contains(&name) => {
            is_open = true;
            found.push((name.to_owned(), String::new()));
        }
        XmlEvent::End(_) => is_open = false,
        XmlEvent::Text(text) if is_open => found.iter_mut().last().into_iter().for_each(|(_, all)| all.push_str(text)),
        _ => {}
    });
    found.retain(|(_, text)| !text.trim().is_empty());
    found
}

fn each_start(xml: &str, mut seen: impl FnMut(&str, &BytesStart<'_>)) {
    each_event(xml, |event| {
        if let XmlEvent::Start(name, element) = event {
            seen(name, element);
        }
    });
}

enum XmlEvent<'a> {
    /// An element's name without its prefix.
    Start(&'a str, &'a BytesStart<'a>),
    End(&'a str),
    Text(&'a str),
}

/// Reads XML as far as it is well formed: a damaged end loses the end.
fn each_event(xml: &str, mut seen: impl FnMut(XmlEvent<'_>)) {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                let name = element.local_name();
                seen(XmlEvent::Start(name.as_ref(), &element));
            }
            Ok(Event::End(element)) => seen(XmlEvent::End(element.local_name().as_ref())),
            Ok(Event::Text(text)) => seen(XmlEvent::Text(&text.xml10_content())),
            Ok(Event::CData(text)) => seen(XmlEvent::Text(&text.xml10_content())),
            Ok(Event::GeneralRef(reference)) => {
                let text = html_escape::decode_html_entities(&format!("&{};", &*reference)).into_owned();
                seen(XmlEvent::Text(&text));
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// An attribute's value, whatever the prefix of its name.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.attributes().flatten().find(|it| it.key.local_name().as_ref() == name)?;
    Some(html_escape::decode_html_entities(&*found.value).into_owned())
}
