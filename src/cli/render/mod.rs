//! Results in, strings out: one file a format. Every word of the result passes `sanitize`, or is escaped.

pub(crate) mod catalogue;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod record;
pub(crate) mod sanitize;
pub(crate) mod text;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::args::Format;
use crate::compose::{Answer, Claim, Overview, Quote};
use crate::model::{Identity, Sampling};
use crate::text::{Cite, Lang};
use record::{AnswerRecord, CiteRecord, OverviewRecord, SummaryRecord};

/// What made a result: enough to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) version: String,
    pub(crate) model: String,
    pub(crate) model_sha256: String,
    pub(crate) prompt_sha256: String,
    /// An instruction set, or a card; nothing, where no model was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) compute: String,
    /// `None` when nothing was drawn.
    pub(crate) seed: Option<u64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
}

impl Fingerprint {
    /// The fingerprint of a run.
    pub(crate) fn new(identity: &Identity, prompt_sha256: String, sampling: Sampling) -> Self {
        let drawn = match sampling {
            Sampling::Greedy => None,
            Sampling::Seeded { temperature, top_p, seed } => Some((temperature, top_p, seed)),
        };
        Fingerprint {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: identity.name.clone(),
            model_sha256: identity.sha256.clone(),
            prompt_sha256,
            compute: String::new(),
            seed: drawn.map(|d| d.2),
            temperature: drawn.map(|d| d.0),
            top_p: drawn.map(|d| d.1),
        }
    }
}

/// A summary in the form asked for, ending in a line break. A page is made of all of them, by `html`.
pub(crate) fn summary(summary: &SummaryRecord, format: Format, look: text::Look) -> String {
    match format {
        Format::Text => text::summary(summary, look),
        Format::Md => markdown::summary(summary),
        Format::Json | Format::Html => json::to_line(summary),
    }
}

/// An answer in the form asked for, ending in a line break.
pub(crate) fn answer(
    question: &str,
    answer: &Answer,
    fingerprint: &Fingerprint,
    format: Format,
    look: text::Look,
) -> String {
    match format {
        Format::Text => text::answer(answer, look),
        Format::Md => markdown::answer(question, answer),
        Format::Json | Format::Html => json::to_line(&AnswerRecord::new(question, answer, fingerprint)),
    }
}

/// An overview in the form asked for, ending in a line break.
pub(crate) fn overview(overview: &Overview, fingerprint: &Fingerprint, format: Format, look: text::Look) -> String {
    match format {
        Format::Text => text::overview(overview, look),
        Format::Md => markdown::overview(overview),
        Format::Json | Format::Html => json::to_line(&OverviewRecord::new(overview, fingerprint)),
    }
}

/// The name of an enum's value as JSON has it: `zh-hant`, `second-hand`.
pub(crate) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("only plain enums are named: {other:?}"),
    }
}

/// `[3,7]`: the sentences of one article that support a claim, counted from 1; `[head]` is its title, author and date.
fn marks(cites: &[CiteRecord]) -> String {
    let number = |cite: &CiteRecord| match cite.sentence {
        0 => "head".to_owned(),
        sentence => sentence.to_string(),
    };
    let numbers: Vec<String> = cites.iter().map(number).collect();
    format!("[{}]", numbers.join(","))
}

/// The claims of an overview, then those of its disputes.
fn all_claims(overview: &Overview) -> impl Iterator<Item = &Claim> {
    overview.claims.iter().chain(overview.disputes.iter().map(|(_, other)| other))
}

/// The sources of an answer in the order of first use, each quote once; and the number of each quote from 1.
struct Sources<'a> {
    quotes: Vec<&'a Quote>,
    numbers: HashMap<Cite, usize>,
}

impl<'a> Sources<'a> {
    fn of(claims: impl IntoIterator<Item = &'a Claim>) -> Self {
        let mut sources = Sources { quotes: Vec::new(), numbers: HashMap::new() };
        for quote in claims.into_iter().flat_map(Claim::cites) {
            sources.numbers.entry(quote.cite).or_insert_with(|| {
                sources.quotes.push(quote);
                sources.quotes.len()
            });
        }
        sources
    }

    fn marks(&self, cites: &[Quote]) -> String {
        let mut numbers: Vec<usize> = cites.iter().map(|quote| self.numbers[&quote.cite]).collect();
        numbers.dedup();
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        format!("[{}]", numbers.join(","))
    }
}

/// What stands between two sentences of a language.
fn gap(lang: Lang) -> &'static str {
    match lang {
        Lang::En => " ",
        Lang::ZhHans | Lang::ZhHant => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::compose::{Claim, Dropped, Group, Reading, Style, Summary};
    use crate::corpus::{Hit, Passage, PassageSentence};
    use crate::model::Usage;
    use crate::text::{Article, BlockKind, Cite, Reason, Sentence, SetAside};
    use record::ClaimRecord;

    const TEXT: &str = "It opened. It cost 3.";

    fn quote(article: usize, sentence: usize) -> Quote {
        let (start, end) = [(0, 10), (11, 21)][sentence];
        let cite = Cite { article, sentence };
        Quote { cite, start, end, text: TEXT[start..end].to_owned() }
    }

    fn fingerprint() -> Fingerprint {
        let identity = Identity { name: "m".into(), sha256: "0".repeat(64) };
        Fingerprint::new(&identity, "1".repeat(64), Sampling::Greedy)
    }

    fn a_summary() -> SummaryRecord {
        let sentence = |(start, end)| Sentence { start, end, kind: BlockKind::Paragraph, block: 0, is_piece: false };
        let aside = SetAside { reason: Reason::Share, start: 30, end: 35, text: "Tweet".into() };
        let article = Article {
            path: "a\n.txt".into(),
            sha256: "2".repeat(64),
            title: Some("A *title*".into()),
            byline: None,
            date: None,
            lang: Lang::En,
            foreign: None,
            text: TEXT.into(),
            sentences: [(0, 10), (11, 21)].map(sentence).to_vec(),
            set_aside: vec![aside],
            second_hand: true,
            encoding: "UTF-8",
            replaced: 0,
        };
        let points = vec![Claim::unchecked("It cost 3.", vec![quote(0, 1)])];
        let summary = Summary {
            style: Style::Report,
            lang: Lang::En,
            core: Some(Claim::unchecked("It opened for 3.", vec![quote(0, 0), quote(0, 1)])),
            groups: vec![Group { title: Some("Cost".into()), points }],
            tags: vec!["sea".into()],
            dropped: vec![Dropped { text: "It sank.".into(), why: "nothing says so".into() }],
            reading: Reading { article_tokens: 9, ..Reading::default() },
            usage: Usage::default(),
        };
        SummaryRecord::new(&article, summary, &fingerprint())
    }

    fn an_answer(claims: Vec<Claim>) -> Answer {
        let sentences = [(0, 10), (11, 21)].map(|(start, end)| PassageSentence {
            start,
            end,
            text: TEXT[start..end].to_owned(),
            is_piece: false,
        });
        let passage = |path: &str| Passage {
            path: path.into(),
            sha256: "3".repeat(64),
            title: None,
            byline: None,
            date: None,
            lang: Lang::En,
            first_sentence: 0,
            sentences: sentences.to_vec(),
        };
        let hits = ["x.txt", "y.txt", "z.txt", "far.txt"];
        let also = ["copy.txt", "a\n.txt", "b.txt", "c.txt", "d.txt"];
        Answer {
            claims,
            lang: Lang::En,
            passages: hits
                .map(|path| Hit {
                    passage: passage(path),
                    score: 1.5,
                    also: match path {
                        "y.txt" => also[..1].iter().map(|name| (*name).to_owned()).collect(),
                        "z.txt" => also[1..].iter().map(|name| (*name).to_owned()).collect(),
                        _ => Vec::new(),
                    },
                })
                .to_vec(),
            dropped: Vec::new(),
            missing: Vec::new(),
            verdict: None,
            usage: Usage::default(),
        }
    }

    #[test]
    fn a_summary_reads_the_same_in_each_format() {
        let summary = a_summary();
        let render = |format| super::summary(&summary, format, text::Look::default());
        let expected = "A *title*\na\\n.txt\n\nIt opened for 3. [1,2]\n\nCost\n- It cost 3. [2]\n\nTags: sea\n\n\
            Read 2 sentences, 9 tokens; set aside 1 (share 1); dropped 1 unsupported; \
            the article is itself another tool's summary.\n";
        assert_eq!(render(Format::Text), expected);
        let md = render(Format::Md);
        assert!(
            md.starts_with("# A \\*title\\*\n\nIt opened for 3. \\[1,2\\]\n\n## Cost\n\n- It cost 3. \\[2\\]\n"),
            "{md}"
        );
        let json: Value = serde_json::from_str(&render(Format::Json)).unwrap();
        assert_eq!(json["text"], "It opened for 3. [1,2]\n\nCost\n- It cost 3. [2]");
        assert_eq!(json["claims"][1]["group"], "Cost");
        let cite = serde_json::json!({"sentence": 2, "start": 11, "end": 21, "quote": "It cost 3."});
        assert_eq!(json["claims"][0]["cites"][1], cite);
        assert_eq!(json["dropped"][0]["why"], "nothing says so");
        assert_eq!(json["source"]["set_aside"][0]["reason"], "share");
        assert_eq!(json["fingerprint"]["seed"], Value::Null);
    }

    #[test]
    fn an_answer_names_each_source_once_in_the_order_of_use_and_says_nothing_twice() {
        let claims = vec![
            Claim::unchecked("It cost 3.", vec![quote(1, 1)]),
            Claim::unchecked("So it opened.", vec![quote(0, 0), quote(1, 1)]),
        ];
        let mut answer = an_answer(claims);
        answer.missing = vec!["Who?".into()];
        let look = text::Look::default();
        let render = |format| super::answer("Why?", &answer, &fingerprint(), format, look);
        let expected = "It cost 3. [1]\nSo it opened. [2,1]\nNot found: Who?\n\n\
            [1] y.txt, sentence 2 (also in copy.txt)\n[2] x.txt, sentence 1\n    It opened.\n";
        assert_eq!(render(Format::Text), expected);
        let md = render(Format::Md);
        assert!(md.contains("\n1. y.txt, sentence 2 (also in copy.txt)\n"), "{md}");
        assert!(md.contains("\n2. x.txt, sentence 1: It opened."), "{md}");
        let json: Value = serde_json::from_str(&render(Format::Json)).unwrap();
        assert_eq!((&json["status"], &json["claims"][0]["path"]), (&"answered".into(), &"y.txt".into()));
        assert_eq!(json["claims"][0]["cites"][0]["sentence"], 2);
        assert_eq!(json["claims"][1]["cites"][0]["path"], "x.txt");
        assert_eq!(json["passages"][1]["also"], serde_json::json!(["copy.txt"]));
        assert_eq!(json["passages"][0]["also"], serde_json::json!([]));
        assert_eq!(json["text"], "It cost 3. [1] So it opened. [2,1]");
        assert!(md.contains("\n\nNot found: Who?\n\n1. "), "{md}");
        assert_eq!(json["missing"][0], "Who?");
    }

    #[test]
    fn the_head_of_an_article_is_cited_as_that() {
        let head = crate::compose::source::head_quote(1, "Town news · Ann Rask".into());
        let answer = an_answer(vec![Claim::unchecked("Ann Rask wrote it.", vec![head.clone()])]);
        let render = |format| super::answer("Who?", &answer, &fingerprint(), format, text::Look::default());
        assert!(render(Format::Text).contains("[1] y.txt, head (also in copy.txt)\n    Town news · Ann Rask\n"));
        let json: Value = serde_json::from_str(&render(Format::Json)).unwrap();
        assert_eq!(json["claims"][0]["cites"][0]["sentence"], 0);
        let claim = Claim::unchecked("x", vec![head, quote(1, 0)]);
        assert_eq!(marks(&ClaimRecord::of(&claim, None).cites), "[head,1]");
    }

    #[test]
    fn what_was_not_found_comes_with_the_three_nearest_passages() {
        let answer = an_answer(Vec::new());
        let render = |format| super::answer("Why?", &answer, &fingerprint(), format, text::Look::default());
        for format in [Format::Text, Format::Md] {
            let shown = render(format);
            assert!(shown.contains("Not found.") && shown.contains("z.txt"), "{shown}");
            assert!(shown.contains(".txt, b.txt, c.txt and 1 more)"), "{shown}");
            assert!(!shown.contains("a\n.txt"), "{shown}");
            assert!(!shown.contains("far.txt"), "{shown}");
        }
        let json: Value = serde_json::from_str(&render(Format::Json)).unwrap();
        assert_eq!((&json["status"], &json["text"]), (&"not_found".into(), &"".into()));
        assert_eq!(json["passages"].as_array().unwrap().len(), 3);
    }
}
