//! `compose` with a scripted model: what is asked, what is let through, what is dropped.

use precis::compose::{Prompts, Style, SummaryPlan, summarize, together};
use precis::model::{Prompt, Sampling, Scripted};
use precis::text::{Article, Format, Lang, RawArticle};

fn article(text: &str) -> Article {
    Article::read(&RawArticle::new("quay.txt", text, Format::Plain)).unwrap()
}

/// Every sentence is too long to be told as it is, and has no clause that could simply go.
const LONG: &str = "Ostrel to build a new ferry quay

The town of Ostrel will spend 4.2 million euros of its own money on a new ferry quay for the two large boats that cross the northern sound every morning.

Work on the eastern side of the old harbour basin begins late in the second week of March and should last for eleven months at the very most of all.

The old quay of 1931 next to the fish market will be torn down by a company from the south of the country that has done such work in nine harbours.

Fishermen of the northern basin fear that the new quay will push all their 38 boats out of the harbour and into the open sound where the winter storms come in.
";

const QUAY: &str = "Ostrel to build a new ferry quay

The town of Ostrel will spend 4.2 million euros on a new ferry quay, mayor Ilse Vandro said on Monday.

Work begins in March and should last eleven months, according to the harbour office. The old quay, built in 1931, will be torn down.

Fishermen fear that the new quay will push their boats out of the northern basin. “We were never asked,” said Tomas Brekke, who speaks for 38 boat owners.

In 2019 the council had rejected a similar plan by 14 votes to 9. Since then the number of ferry passengers has grown by 60 percent.

A public hearing will be held in the town hall on 12 January, and the council votes a week later.
";

fn plan(style: Style) -> SummaryPlan {
    SummaryPlan { style, lang: None, words: None, sampling: Sampling::Greedy, prompts: Prompts::default() }
}

/// The line that a prompt asks to be told.
fn told(prompt: &Prompt) -> String {
    let line = prompt.user.lines().find_map(|l| l.strip_prefix("Sentence: "));
    line.unwrap_or_default().to_owned()
}

/// Its first words.
fn shorter(prompt: &Prompt) -> String {
    let line = told(prompt);
    line.split(' ').take(17).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_line_of_a_summary_cites_the_sentence_that_it_tells() {
    let article = article(QUAY);
    let mut lm = Scripted::new(told);
    let summary = summarize(&article, &mut lm, &plan(Style::Points)).unwrap();
    assert!(summary.core.is_some());
    assert!((3..=6).contains(&summary.groups[0].points.len()), "{summary:?}");
    for claim in summary.claims() {
        assert!(!claim.cites.is_empty());
        for quote in &claim.cites {
            assert_eq!(&article.text[quote.start..quote.end], quote.text);
            assert_eq!(article.sentence(quote.cite.sentence), quote.text);
        }
    }
    assert_eq!(summary.dropped, []);
}

#[test]
fn unsupported_lines_are_dropped_and_counted() {
    let mut lm =
        Scripted::new(|prompt: &Prompt| shorter(prompt).replace("4.2 million", "7.5 million").replace("1931", "1913"));
    let summary = summarize(&article(LONG), &mut lm, &plan(Style::Points)).unwrap();
    let whys: Vec<&str> = summary.dropped.iter().map(|d| d.why.as_str()).collect();
    assert!(whys.iter().any(|w| w.contains("7.5 million")), "{whys:?}");
    assert!(summary.claims().all(|c| !c.text.contains("7.5") && !c.text.contains("1913")));
    assert!(summary.claims().count() == 2, "what the model told well is kept: {summary:?}");
}

#[test]
fn the_articles_own_sentence_is_told_where_it_is_short_enough() {
    let mut lm = Scripted::new(|_: &Prompt| unreachable!("no sentence is too long"));
    let summary = summarize(&article(QUAY), &mut lm, &plan(Style::Points)).unwrap();
    assert_eq!(
        summary.core.unwrap().text,
        "The town of Ostrel will spend 4.2 million euros on a new ferry quay, mayor Ilse Vandro said on Monday."
    );
}

#[test]
fn a_model_that_only_invents_is_not_let_through() {
    let mut lm = Scripted::new(|_: &Prompt| "Queen Marabella crowned 77 dragons in Lisbon.".to_owned());
    let summary = summarize(&article(LONG), &mut lm, &plan(Style::Points)).unwrap();
    let told: Vec<&str> = summary.claims().map(|c| c.text.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(LONG.contains(told[0]), "the core is the article's own sentence: {told:?}");
    assert_eq!(summary.dropped.len(), 4, "{:?}", summary.dropped);
}

#[test]
fn a_plan_does_not_become_a_fact() {
    let mut lm =
        Scripted::new(|prompt: &Prompt| shorter(prompt).replace("fear that the new quay will push", "were pushed"));
    let summary = summarize(&article(LONG), &mut lm, &plan(Style::Points)).unwrap();
    assert!(summary.claims().all(|c| !c.text.contains("Fishermen")), "{summary:?}");
}

#[test]
fn a_report_groups_its_points_under_titles_from_the_article() {
    let mut lm = Scripted::new(|prompt: &Prompt| match prompt.user.contains("heading") {
        true => "Northern basin".to_owned(),
        false => told(prompt),
    });
    let summary = summarize(&article(QUAY), &mut lm, &plan(Style::Report)).unwrap();
    assert!((2..=4).contains(&summary.groups.len()), "{:?}", summary.groups);
    assert!(summary.groups.iter().all(|group| !group.points.is_empty()));
    let n_so_titled = |title: &str| {
        let titles = summary.groups.iter().filter_map(|g| g.title.as_deref());
        titles.filter(|t| *t == title).count()
    };
    assert!(n_so_titled("Northern basin") >= 1, "{:?}", summary.groups);
}

#[test]
fn a_heading_that_the_points_do_not_hold_gives_way_to_a_name() {
    let mut lm = Scripted::new(|prompt: &Prompt| match prompt.user.contains("heading") {
        true => "Dragons of Lisbon".to_owned(),
        false => told(prompt),
    });
    let summary = summarize(&article(QUAY), &mut lm, &plan(Style::Report)).unwrap();
    let titles: Vec<&str> = summary.groups.iter().filter_map(|g| g.title.as_deref()).collect();
    assert!(titles.iter().all(|title| QUAY.contains(title)), "{titles:?}");
}

#[test]
fn company_changes_no_summary_and_one_failure_is_its_own() {
    let texts: Vec<String> = (0..9).map(|i| LONG.replace("38", &format!("{}", 40 + i))).collect();
    let articles: Vec<Article> = texts.iter().map(|text| article(text)).collect();
    let alone = |article: &Article| {
        format!("{:?}", summarize(article, &mut Scripted::new(shorter), &plan(Style::Points)).unwrap())
    };
    let mut results: Vec<Option<String>> = vec![None; articles.len()];
    together(
        articles.len(),
        4,
        &mut Scripted::new(shorter),
        |number, lm| match number {
            3 => Err("refused".to_owned()),
            _ => Ok(format!("{:?}", summarize(&articles[number], lm, &plan(Style::Points)).unwrap())),
        },
        &mut |number, result: Result<String, String>| {
            assert!(results[number].replace(result.unwrap_or_else(|error| error)).is_none());
        },
    );
    for (number, (article, result)) in articles.iter().zip(&results).enumerate() {
        let expected = if number == 3 { "refused".to_owned() } else { alone(article) };
        assert_eq!(result.as_ref(), Some(&expected), "{number}");
    }
}

#[test]
fn an_article_beyond_the_budget_is_condensed_with_citations_to_its_own_sentences() {
    let mut text = String::from("The long history of the Ostrel canal\n");
    for chapter in 1..=60 {
        text.push_str(&format!(
            "\nIn chapter {chapter} the canal company paid {} crowns for lock number {chapter}. {}\n",
            1000 + 7 * chapter,
            "The keepers wrote down the weather, the boats and the price of coal in long ledgers. ".repeat(9),
        ));
    }
    let article = article(&text);
    let mut lm = Scripted::new(told);
    let summary = summarize(&article, &mut lm, &plan(Style::Points)).unwrap();
    assert!(summary.reading.article_tokens > 4096, "{:?}", summary.reading);
    assert!(summary.reading.condensed_tokens > 0);
    assert!(summary.claims().count() >= 4);
    for quote in summary.claims().flat_map(|c| &c.cites) {
        assert_eq!(&article.text[quote.start..quote.end], quote.text);
    }
}

#[test]
fn the_language_asked_for_is_the_language_written() {
    let mut lm = Scripted::new(told);
    let text = "奥川市兴建新渡轮码头\n\n奥川市将投入4.2亿元兴建新渡轮码头。工程预计三月动工,工期十一个月。\n";
    let mut plan = plan(Style::Brief);
    plan.lang = Some(Lang::ZhHant);
    let summary = summarize(&article(text), &mut lm, &plan).unwrap();
    assert_eq!(summary.core.unwrap().text, "奧川市將投入4.2億元興建新渡輪碼頭。");
}
