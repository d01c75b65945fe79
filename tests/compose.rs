//! `compose` with a scripted model: what is asked, what is let through, what is dropped.

use std::cell::RefCell;

use precis::compose::{Claim, Prompts, Style, SummaryPlan, overview, summarize, together};
use precis::model::{Prompt, Sampling, Scripted};
use precis::text::{Article, Format, Lang, RawArticle};

fn article(text: &str) -> Article {
    Article::read(&RawArticle::new("quay.txt", text, Format::Plain)).unwrap()
}

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

/// What is asked behind the article.
fn asked(prompt: &Prompt) -> &str {
    prompt.user.rsplit("\n\n").next().unwrap_or_default()
}

/// A model that tells the news, of each part its last sentence, and three points.
fn told(prompt: &Prompt) -> String {
    let asked = asked(prompt);
    match () {
        () if asked.contains("who did what") => "Ostrel will spend 4.2 million euros on a new ferry quay.".into(),
        () if asked.contains("last paragraphs") => {
            let read = prompt.user.rsplit("\n\n").nth(1).unwrap_or_default();
            let last = read.trim().rsplit(". ").next().unwrap_or_default();
            last.to_owned()
        }
        () if asked.contains("Summarize") => {
            "The quay of 1931 will be torn down.\n- The council rejected a similar plan in \
            2019 by 14 votes to 9.\n- Fishermen fear that the quay will push their boats out of the northern basin."
                .into()
        }
        () => "Northern basin".into(),
    }
}

fn lines(summary: &precis::compose::Summary) -> Vec<&str> {
    summary.claims().map(Claim::text).collect()
}

#[test]
fn each_line_of_a_summary_cites_the_sentences_that_it_rests_on() {
    let article = article(QUAY);
    let summary = summarize(&article, &mut Scripted::new(told), &plan(Style::Points)).unwrap();
    assert_eq!(summary.core.as_ref().unwrap().text(), "Ostrel will spend 4.2 million euros on a new ferry quay.");
    assert!((2..=6).contains(&summary.groups[0].points.len()), "{summary:?}");
    for claim in summary.claims() {
        assert!(!claim.cites().is_empty());
        for quote in claim.cites() {
            assert_eq!(&article.text[quote.start..quote.end], quote.text);
            assert_eq!(article.sentence(quote.cite.sentence), quote.text);
        }
    }
}

#[test]
fn what_the_article_does_not_say_is_dropped_and_counted() {
    let wrong =
        |prompt: &Prompt| told(prompt).replace("14 votes", "15 votes").replace("Fishermen", "Dragons of Lisbon");
    let summary = summarize(&article(QUAY), &mut Scripted::new(wrong), &plan(Style::Points)).unwrap();
    assert!(lines(&summary).iter().all(|line| !line.contains("15 votes") && !line.contains("Dragons")), "{summary:?}");
    assert!(summary.dropped.iter().any(|d| d.text.contains("Dragons")), "{:?}", summary.dropped);
    assert!(lines(&summary).len() >= 2, "what the model told well is kept: {summary:?}");
}

#[test]
fn a_model_that_only_invents_leaves_the_word_to_the_article() {
    let mut lm = Scripted::new(|_: &Prompt| "Queen Marabella crowned 77 dragons in Lisbon.".to_owned());
    let summary = summarize(&article(QUAY), &mut lm, &plan(Style::Points)).unwrap();
    let told = lines(&summary);
    assert!(!told.is_empty() && told.iter().all(|line| QUAY.contains(*line)), "{told:?}");
}

#[test]
fn all_prompts_about_an_article_begin_with_one_reading_of_it() {
    let prompts = RefCell::new(Vec::new());
    let mut lm = Scripted::new(|prompt: &Prompt| {
        prompts.borrow_mut().push(prompt.clone());
        told(prompt)
    });
    let chapter = |number: usize| {
        format!("In chapter {number} the council of Ostrel paid {} crowns for lock number {number}.\n\n", 700 + number)
    };
    let long: String = (1..60).map(chapter).collect();
    summarize(&article(&format!("The locks of Ostrel\n\n{long}")), &mut lm, &plan(Style::Points)).unwrap();
    let prompts = prompts.borrow();
    let whole = prompts.iter().find(|prompt| asked(prompt).contains("who did what")).unwrap();
    let read = whole.user.rsplit_once("\n\n").unwrap().0;
    let n_parts = prompts.iter().filter(|prompt| asked(prompt).contains("last paragraphs")).count();
    assert!(n_parts > 1, "{n_parts}");
    for prompt in prompts.iter().filter(|prompt| prompt.system == whole.system) {
        let own = prompt.user.rsplit_once("\n\n").unwrap().0;
        assert!(read.starts_with(own), "{own}");
    }
}

#[test]
fn a_brief_is_one_sentence() {
    let summary = summarize(&article(QUAY), &mut Scripted::new(told), &plan(Style::Brief)).unwrap();
    assert_eq!(lines(&summary), ["Ostrel will spend 4.2 million euros on a new ferry quay."]);
}

#[test]
fn a_report_groups_its_points_under_titles() {
    let summary = summarize(&article(QUAY), &mut Scripted::new(told), &plan(Style::Report)).unwrap();
    assert!((1..=4).contains(&summary.groups.len()), "{:?}", summary.groups);
    assert!(summary.groups.iter().all(|group| !group.points.is_empty()));
    let is_titled = |group: &precis::compose::Group| group.title.as_deref() == Some("Northern basin");
    assert!(summary.groups.iter().any(is_titled), "{:?}", summary.groups);
}

#[test]
fn company_changes_no_summary_and_one_failure_is_its_own() {
    let texts: Vec<String> = (0..9).map(|i| QUAY.replace("38", &format!("{}", 40 + i))).collect();
    let articles: Vec<Article> = texts.iter().map(|text| article(text)).collect();
    let alone = |article: &Article| {
        format!("{:?}", summarize(article, &mut Scripted::new(told), &plan(Style::Points)).unwrap())
    };
    let mut results: Vec<Option<String>> = vec![None; articles.len()];
    together(
        articles.len(),
        4,
        &mut Scripted::new(told),
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
fn a_long_article_is_read_to_its_end_in_windows() {
    let mut text = String::from("The long history of the Ostrel canal\n");
    for chapter in 1..=60 {
        text.push_str(&format!(
            "\nIn chapter {chapter} the canal company paid {} crowns for lock number {chapter}. {}\n",
            1000 + 7 * chapter,
            "The keepers wrote down the weather, the boats and the price of coal in long ledgers. ".repeat(9),
        ));
    }
    let article = article(&text);
    let read = RefCell::new(String::new());
    let mut lm = Scripted::new(|prompt: &Prompt| {
        read.borrow_mut().push_str(&prompt.user);
        "The keepers wrote down the weather, the boats and the price of coal in long ledgers.".to_owned()
    });
    let summary = summarize(&article, &mut lm, &plan(Style::Points)).unwrap();
    assert!(summary.reading.article_tokens > 4096, "{:?}", summary.reading);
    assert!((1..=60).all(|chapter| read.borrow().contains(&format!("lock number {chapter}."))));
    for quote in summary.claims().flat_map(Claim::cites) {
        assert_eq!(&article.text[quote.start..quote.end], quote.text);
    }
}

#[test]
fn the_language_asked_for_is_the_language_written() {
    let text = "奥川市兴建新渡轮码头\n\n奥川市将投入4.2亿元兴建新渡轮码头。工程预计三月动工,工期十一个月。\n";
    let mut brief = plan(Style::Brief);
    brief.lang = Some(Lang::ZhHant);
    let mut lm = Scripted::new(|_: &Prompt| "奥川市将投入4.2亿元兴建新渡轮码头。".to_owned());
    let summary = summarize(&article(text), &mut lm, &brief).unwrap();
    assert_eq!(lines(&summary), ["奧川市將投入4.2億元興建新渡輪碼頭。"]);

    brief.lang = Some(Lang::En);
    let mut lm = Scripted::new(|prompt: &Prompt| match prompt.user.contains("In English") {
        true => "The city will invest 420 million yuan in a new ferry quay.".to_owned(),
        false => "奥川市将投入4.2亿元兴建新渡轮码头。".to_owned(),
    });
    let summary = summarize(&article(text), &mut lm, &brief).unwrap();
    assert_eq!(lines(&summary), ["The city will invest 420 million yuan in a new ferry quay."]);
    let mut lm = Scripted::new(|prompt: &Prompt| match prompt.user.contains("In English") {
        true => "The city will invest 42 million dollars in a new ferry quay.".to_owned(),
        false => "奥川市将投入4.2亿元兴建新渡轮码头。".to_owned(),
    });
    let summary = summarize(&article(text), &mut lm, &brief).unwrap();
    assert!(lines(&summary).is_empty() && !summary.dropped.is_empty(), "{summary:?}");
}

#[test]
fn several_articles_are_told_in_the_order_of_their_days_with_all_that_say_a_line_and_where_they_differ() {
    let dated = |path: &str, date: &str, text: &str| {
        let raw = RawArticle { date: Some(date.into()), ..RawArticle::new(path, text, Format::Plain) };
        Article::read(&raw).unwrap()
    };
    let articles = [
        dated(
            "later.txt",
            "2021-03-09",
            "The storm at Halden sank 3 boats on Monday. The quay opened again on Friday.",
        ),
        dated("first.txt", "2021-03-02", "The storm at Halden sank 2 boats on Monday. The quay at Halden was closed."),
        dated("same.txt", "2021-03-03", "Harbour master Otto Rask was glad. The quay at Halden was closed."),
    ];
    // Of each article its first sentence is the news.
    let mut lm = Scripted::new(|prompt: &Prompt| match asked(prompt) {
        asked if asked.contains("who did what") => {
            let text = prompt.user.split("\n\n").find(|part| part.contains(". ")).unwrap_or_default();
            format!("{}.", text.trim().split(". ").next().unwrap_or_default())
        }
        _ => String::new(),
    });
    let overview = overview(&articles, &mut lm, &plan(Style::Points)).unwrap();
    let days: Vec<&str> = overview.articles.iter().filter_map(|hit| hit.passage.date.as_deref()).collect();
    assert_eq!(days, ["2021-03-02", "2021-03-03", "2021-03-09"]);
    let of = |claim: &Claim| claim.cites().iter().map(|quote| quote.cite.article).collect::<Vec<_>>();
    let closed = overview.claims.iter().find(|claim| claim.text().contains("closed"));
    assert!(closed.is_none_or(|claim| of(claim) == [0, 1]), "{overview:?}");
    let (one, other) = &overview.disputes[0];
    let one = &overview.claims[*one];
    assert!(one.text().contains("boats") && other.text().contains("boats"), "{overview:?}");
    assert_ne!(of(one), of(other));
}
