//! Several articles in, one overview of them out: what they tell, in the order of their days, each line with every article
//! that says it, and where one tells it otherwise.
//!
//! Each article is summarized by itself; of all those lines the ones are told that together tell most of what the articles
//! have in common. Whether another article says a line too, or contradicts it, the check decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};

use super::check::{Claim, Fault, Ground, Why, check};
use super::choose::Worth;
use super::prose::as_told;
use super::source::{heads, sentences};
use super::{Dropped, Style, SummaryPlan, summarize, together};
use crate::corpus::date::Date;
use crate::corpus::passage::passages;
use crate::corpus::terms::terms;
use crate::corpus::{Hit, Print};
use crate::model::{LanguageModel, Usage};
use crate::text::{Article, Lang};

/// Words of an overview when none are asked for: so many, and so many more an article, up to a limit.
const WORDS: usize = 80;
const WORDS_AN_ARTICLE: usize = 20;
const MOST_WORDS: usize = 400;
/// Fewer articles than this are read for all their points; of more, each is told in a line.
const FEW: usize = 5;
/// A sentence is about the same as a line if it has so much of its words.
const SAME: f64 = 0.6;
/// Articles that are summarized side by side.
const AT_ONCE: usize = 4;

/// What several articles tell.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The language that it is written in.
    pub lang: Lang,
    /// The lines, in the order of the days of their articles.
    pub claims: Vec<Claim>,
    /// Of lines, by their place among the claims, what another article says instead.
    pub disputes: Vec<(usize, Claim)>,
    /// The articles in the order of their days, those without one last; `Cite::article` counts these. Copies of an article
    /// stand in its `also`.
    pub articles: Vec<Hit>,
    /// What was written and not let through.
    pub dropped: Vec<Dropped>,
    /// What it cost.
    pub usage: Usage,
}

/// Tells what `articles` tell together, in the language of most of them if none is asked for.
///
/// # Errors
/// When there is no article, or the model fails.
pub fn overview(articles: &[Article], lm: &mut dyn LanguageModel, plan: &SummaryPlan) -> Result<Overview> {
    ensure!(!articles.is_empty(), "there is no article to tell of");
    let (articles, copies) = apart(articles);
    let lang = plan.lang.unwrap_or_else(|| most_common(articles.iter().map(|article| article.lang)));
    let words = plan.words.unwrap_or((WORDS + WORDS_AN_ARTICLE * articles.len()).min(MOST_WORDS));
    let style = if articles.len() < FEW { Style::Points } else { Style::Brief };
    let own = SummaryPlan { style, lang: Some(lang), words: None, ..plan.clone() };
    let mut summaries = BTreeMap::new();
    let (mut failed, is_over) = (None, AtomicBool::new(false));
    let tell = |number: usize, lm: &mut dyn LanguageModel| {
        ensure!(!is_over.load(Ordering::Relaxed), "the overview is over");
        summarize(articles[number], lm, &own)
    };
    together(articles.len(), AT_ONCE, lm, tell, &mut |number, summary| match summary {
        Ok(summary) => drop(summaries.insert(number, summary)),
        Err(error) => {
            is_over.store(true, Ordering::Relaxed);
            failed.get_or_insert(error);
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let (mut pool, mut dropped, mut usage) = (Vec::new(), Vec::new(), Usage::default());
    for (number, summary) in summaries {
        pool.extend(summary.claims().map(|claim| claim.clone().among(&[number])));
        dropped.extend(summary.dropped);
        usage += summary.usage;
    }
    let lines: Vec<&str> = pool.iter().map(Claim::text).collect();
    let mut claims = Worth::of_lines(&lines).choose(&[], pool, words, usize::MAX, lang);
    let mut disputes: Vec<(usize, Claim)> = Vec::new();
    for (number, article) in articles.iter().enumerate() {
        if (article.lang == Lang::En) != (lang == Lang::En) {
            continue;
        }
        let ground = Ground::new(&sentences(article), &heads(article));
        for (idx, claim) in claims.iter_mut().enumerate().filter(|(_, claim)| claim.cites()[0].cite.article != number) {
            match check(claim.text(), &[], &ground, lang) {
                Ok(same) => claim.said_too(same.among(&[number])),
                Err(why) if contradicts(&why) => {
                    let about = why.sayers().iter().find(|quote| is_about_the_same(claim.text(), &quote.text));
                    let told =
                        about.and_then(|quote| check(&as_told(&quote.text, lang)?, &[quote.cite], &ground, lang).ok());
                    disputes.extend(told.map(|told| (idx, told.among(&[number]))));
                }
                Err(_) => {}
            }
        }
    }
    disputes.sort_by_key(|(idx, _)| *idx);
    let hit =
        |(article, also): (&&Article, Vec<String>)| Hit { passage: passages(article).remove(0), score: 0.0, also };
    let articles = articles.iter().zip(copies).map(hit).collect();
    Ok(Overview { lang, claims, disputes, articles, dropped, usage })
}

/// The articles in the order of their days, without copies; and the paths of the copies of each.
fn apart(articles: &[Article]) -> (Vec<&Article>, Vec<Vec<String>>) {
    let mut ordered: Vec<&Article> = articles.iter().collect();
    let day = |article: &&Article| article.date.as_deref().and_then(Date::written).map(Date::digits);
    ordered.sort_by_key(|article| (day(article).is_none(), day(article)));
    let mut kept: Vec<(&Article, Print, Vec<String>)> = Vec::new();
    for article in ordered {
        let own = Print::of(&article.text);
        match kept.iter_mut().find(|(_, other, _)| own.is_like(other)) {
            Some((_, _, copies)) => copies.push(article.path.clone()),
            None => kept.push((article, own, Vec::new())),
        }
    }
    kept.into_iter().map(|(article, _, copies)| (article, copies)).unzip()
}

fn most_common(langs: impl Iterator<Item = Lang> + Clone) -> Lang {
    let count = |lang: &Lang| langs.clone().filter(|other| other == lang).count();
    [Lang::ZhHant, Lang::ZhHans, Lang::En].into_iter().max_by_key(count).unwrap_or(Lang::En)
}

/// Whether a text of which this is wrong with a line says the contrary: another figure in its place, a denial, another day.
fn contradicts(why: &Why) -> bool {
    match why.fault {
        Fault::Figure | Fault::Unit | Fault::Bound => why.repair.is_some(),
        Fault::Denial | Fault::Contrast => true,
        _ => false,
    }
}

fn is_about_the_same(line: &str, sentence: &str) -> bool {
    let [line, sentence] = [line, sentence].map(|text| terms(text).into_iter().collect::<BTreeSet<String>>());
    line.intersection(&sentence).count() as f64 >= SAME * line.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Format, RawArticle};

    fn article(path: &str, date: &str, text: &str) -> Article {
        let raw = RawArticle { date: Some(date.to_owned()), ..RawArticle::new(path, text, Format::Plain) };
        Article::read(&raw).unwrap()
    }

    #[test]
    fn copies_are_one_article_and_days_give_the_order() {
        let quay = "The quay at Halden was closed on Monday. Two boats had been damaged there in the storm of the night \
            before. Repairs begin in May and cost 2 million crowns, the harbour master said.";
        let articles = [
            article("late.txt", "May 3, 2021", "The quay at Halden was opened again. Ferries left at noon."),
            article("first.txt", "2021-03-04", quay),
            article("copy.txt", "2021-03-05", &quay.replace("harbour master", "Harbour Master")),
        ];
        let (kept, copies) = apart(&articles);
        assert_eq!(kept.iter().map(|article| &*article.path).collect::<Vec<_>>(), ["first.txt", "late.txt"]);
        assert_eq!(copies, [vec!["copy.txt".to_owned()], Vec::new()]);
    }
}
