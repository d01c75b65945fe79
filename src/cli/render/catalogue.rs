//! The articles of a corpus in, how many they are, of when and about what out, for people or as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sanitize::line;
use super::text::Look;
use super::{json, name};
use crate::corpus::Passage;
use crate::corpus::date::Date;
use crate::text::Lang;

/// Titles that people are shown.
const N_SHOWN: usize = 20;

#[derive(Serialize)]
struct CatalogueLine<'a> {
    schema: &'static str,
    question: &'a str,
    n_articles: usize,
    articles: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    path: &'a str,
    title: Option<&'a str>,
    date: Option<&'a str>,
    lang: Lang,
}

impl<'a> Entry<'a> {
    fn of(Passage { path, title, date, lang, .. }: &'a Passage) -> Self {
        Entry { path, title: title.as_deref(), date: date.as_deref(), lang: *lang }
    }
}

/// How many articles there are, in which languages, of which days, and the titles of the latest.
pub(crate) fn text(articles: &[Passage], lang: Lang, look: Look) -> String {
    let mut n_by_lang: BTreeMap<String, usize> = BTreeMap::new();
    for article in articles {
        *n_by_lang.entry(name(article.lang)).or_default() += 1;
    }
    let langs: Vec<String> = n_by_lang.iter().map(|(lang, n)| format!("{lang} {n}")).collect();
    let langs = langs.join(", ");
    // Sorted by day, the latest first.
    let mut dated =
        articles.iter().filter_map(|article| article.date.as_deref().filter(|it| Date::written(it).is_some()));
    let latest = dated.next();
    let days = latest.map(|latest| format!("{} – {}", line(dated.next_back().unwrap_or(latest)), line(latest)));
    let n = articles.len();
    let days = days.map_or(String::new(), |days| format!("; {days}"));
    let mut out = match lang {
        Lang::En => format!("Articles: {n} ({langs}){days}\n"),
        Lang::ZhHans | Lang::ZhHant => format!("共{n}篇文章（{langs}）{days}\n"),
    };
    for article in articles.iter().take(N_SHOWN) {
        let title = article.title.as_deref().unwrap_or("–");
        let place = [article.date.as_deref(), Some(&*article.path)].into_iter().flatten().map(line);
        out += &format!("- {}  {}\n", line(title), look.dim(&place.collect::<Vec<_>>().join(" · ")));
    }
    if n > N_SHOWN {
        out += &match lang {
            Lang::En => format!("… and {} more\n", n - N_SHOWN),
            Lang::ZhHans | Lang::ZhHant => format!("……另有{}篇\n", n - N_SHOWN),
        };
    }
    out
}

/// `precis/catalogue/1`.
pub(crate) fn json(question: &str, articles: &[Passage]) -> String {
    json::to_line(&CatalogueLine {
        schema: "precis/catalogue/1",
        question,
        n_articles: articles.len(),
        articles: articles.iter().map(Entry::of).collect(),
    })
}
