//! The head of a web page in, who wrote the article and when out: from linked data first, then from metadata, then from
//! the page itself. Knows the names that sites use for these fields.

use serde_json::Value;

use super::elements::Tag;
use super::html::Block;
use super::shape::width;
use super::tidy;
use crate::text::BlockKind;

/// What a page says about its article.
#[derive(Debug, Default)]
pub(super) struct Meta {
    /// The text of the `title` element.
    pub(super) page_title: Option<String>,
    /// The whole text, as linked data carry it.
    pub(super) article_body: Option<String>,
    linked: Fields,
    tags: Fields,
    site: Option<String>,
}

#[derive(Debug, Default)]
struct Fields {
    title: Option<String>,
    byline: Option<String>,
    date: Option<String>,
}

/// Larger linked data are not read.
const MAX_LINKED_BYTES: usize = 4 << 20;

impl Meta {
    /// Reads what a tag says in its attributes.
    pub(super) fn read_tag(&mut self, tag: &Tag) {
        let key = ["property", "name", "itemprop"].iter().find_map(|name| tag.attribute(name));
        let value = ["content", "datetime"].iter().find_map(|name| tag.attribute(name)).map(tidy);
        let Some(value) = value.filter(|value| !value.is_empty() && value.len() < 1000) else {
            return;
        };
        let key = key.map(str::to_ascii_lowercase).unwrap_or_default();
        let is_address = value.starts_with("http");
        let field = match key.as_str() {
            "og:title" | "twitter:title" | "dc.title" | "headline" => &mut self.tags.title,
            "author" | "article:author" | "dc.creator" | "byl" | "sailthru.author" | "parsely-author"
                if !is_address =>
            {
                &mut self.tags.byline
            }
            "article:published_time"
            | "date"
            | "pubdate"
            | "publishdate"
            | "publish-date"
            | "dc.date"
            | "dc.date.issued"
            | "datepublished"
            | "og:published_time"
            | "og:release_date"
            | "parsely-pub-date"
            | "sailthru.date"
            | "weibo: article:create_at"
            | "_pubtime"
            | "apub:time" => &mut self.tags.date,
            "og:site_name" | "application-name" => &mut self.site,
            _ => return,
        };
        field.get_or_insert(value);
    }

    /// Reads the linked data of a `script`.
    pub(super) fn read_linked(&mut self, text: &str) {
        if text.len() > MAX_LINKED_BYTES {
            return;
        }
        // Some sites leave line breaks in their strings, which JSON forbids.
        let text = text.trim().trim_end_matches(';').replace(['\n', '\r', '\t'], " ");
        if let Ok(data) = serde_json::from_str::<Value>(&text) {
            self.read_item(&data, 0);
        }
    }

    fn read_item(&mut self, item: &Value, depth: usize) {
        const DEEPEST: usize = 4;
        if depth > DEEPEST {
            return;
        }
        if let Value::Array(items) = item {
            items.iter().for_each(|item| self.read_item(item, depth + 1));
            return;
        }
        for part in ["@graph", "mainEntity", "mainEntityOfPage"] {
            if item[part].is_array() || item[part].is_object() {
                self.read_item(&item[part], depth + 1);
            }
        }
        let is_article = strings(&item["@type"])
            .any(|kind| ["Article", "Posting", "Report", "Review"].iter().any(|end| kind.ends_with(end)));
        if !is_article {
            return;
        }
        let fill = |field: &mut Option<String>, value: Option<&str>| {
            if let Some(value) = value.map(plain).filter(|value| !value.is_empty() && field.is_none()) {
                *field = Some(value);
            }
        };
        fill(&mut self.linked.title, item["headline"].as_str().or(item["name"].as_str()));
        fill(&mut self.linked.date, item["datePublished"].as_str());
        let names: Vec<&str> = people(&item["author"]).collect();
        fill(&mut self.linked.byline, Some(&names.join(", ")));
        if let Some(body) = item["articleBody"].as_str().filter(|_| self.article_body.is_none()) {
            self.article_body = Some(super::html::words_of(body)).filter(|body| !body.is_empty());
        }
    }

    /// The article's title, without the name of the site. Where the page shows it, as the page shows it.
    pub(super) fn title(&self, blocks: &[Block]) -> Option<String> {
        let mut headings = blocks.iter().filter(|block| block.kind == BlockKind::Heading);
        let stated = self.linked.title.as_ref().or(self.tags.title.as_ref()).or(self.page_title.as_ref());
        let Some(stated) = stated.filter(|title| !title.is_empty()) else {
            return headings.next().map(|block| tidy(&block.words.text));
        };
        let columns = width(stated);
        let shown = |block: &Block| {
            let is_near = block.words.text.len() <= 8 * stated.len() + 64;
            is_near.then(|| tidy(&block.words.text)).filter(|text| width(text) * 2 >= columns && width(text) >= 8)
        };
        // A quotation mark in it ends an attribute that is written with such marks.
        let cut_off =
            headings.filter_map(shown).find(|text| text.starts_with(stated.as_str()) && text.len() < 6 * stated.len());
        let part =
            || blocks.iter().filter_map(shown).filter(|text| stated.contains(text.as_str())).max_by_key(String::len);
        Some(cut_off.or_else(part).unwrap_or_else(|| without_site(stated, self.site.as_deref())))
    }

    /// Who wrote it.
    pub(super) fn byline(&self) -> Option<String> {
        // Some sites leave numbers of users, or the sample of their template.
        let is_name = |name: &&String| name.chars().any(char::is_alphabetic) && !name.contains('@');
        [&self.linked.byline, &self.tags.byline].into_iter().flatten().find(is_name).cloned()
    }

    /// When it was published, as written.
    pub(super) fn date(&self) -> Option<String> {
        self.linked.date.clone().or(self.tags.date.clone())
    }
}

fn plain(text: &str) -> String {
    tidy(&super::html::words_of(text))
}

/// The string that `value` is, or the strings in it.
fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter().filter_map(Value::as_str)
}

/// The names of people: strings, or objects with a `name`.
fn people(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter();
    items
        .flat_map(|item| if item.is_string() { strings(item) } else { strings(&item["name"]) }.collect::<Vec<_>>())
        .filter(|name| !name.starts_with("http"))
}

/// `title` up to the mark behind which the site names itself.
fn without_site(title: &str, site: Option<&str>) -> String {
    const MARKS: &[&str] = &[" | ", " - ", " – ", " — ", "_", " :: ", "｜", "|", "-", "—"];
    if let Some(rest) = site.and_then(|site| title.strip_suffix(site)) {
        let rest = rest.trim_end_matches([' ', '|', '-', '–', '—', '_', ':', '｜']);
        if width(rest) >= 8 {
            return rest.to_owned();
        }
    }
    let mut title = title;
    for mark in MARKS {
        // Marks without blanks stand inside English words and figures.
        let is_bare = !mark.starts_with(' ');
        while let Some(at) = title.rfind(mark).filter(|&at| width(&title[..at]) > width(&title[at..])) {
            if is_bare && title[at + mark.len()..].is_ascii() && *mark == "-" {
                break;
            }
            title = title[..at].trim_end();
        }
    }
    title.to_owned()
}
