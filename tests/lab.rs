//! Measuring, with made-up sets: what counts as right, what is done once, and what a change changed.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use precis::compose::{AnswerPlan, Prompts, Style};
use precis::lab::eval::{Kind, Lab, Outcome, Set, Settings, eval};
use precis::model::{LanguageModel, Prompt, Sampling, Scripted};
use serde_json::{Value, json};

use crate::cli::{User, objects};

const HARBOUR: &str = "The harbour of Corran reopened on Monday after repairs that took 14 months. \
    The council spent 3.2 million crowns on a new sea wall.";
const LIBRARY: &str = "The town library of Dunmere now lends drills, saws and ladders. \
    Members may keep a tool for 7 days.";

/// What a model says to the question whether a text answers a question.
const ANSWERABLE: &str = " answerable";

/// A set of two articles in a folder, and a question a line.
fn set(folder: &Path, questions: &[Value]) -> Set {
    let lines = |records: &[Value]| -> String { records.iter().map(|record| format!("{record}\n")).collect() };
    let docs = [
        json!({"id": "harbour", "title": "Harbour", "text": HARBOUR}),
        json!({"id": "library", "title": "Library", "text": LIBRARY}),
    ];
    fs::write(folder.join("own_docs.jsonl"), lines(&docs)).unwrap();
    fs::write(folder.join("own_qa.jsonl"), lines(questions)).unwrap();
    Set::named(Kind::Answers, "own", folder).unwrap()
}

fn measure(kind: Kind, set: &Set, folder: &Path, lm: &mut dyn LanguageModel) -> Vec<Outcome> {
    let plan = AnswerPlan { lang: None, sampling: Sampling::Greedy, prompts: Prompts::default() };
    let mut lab = Lab {
        settings: Settings {
            search: Some("lexical"),
            passages: 8,
            style: Style::Points,
            words: None,
            sampling: "Greedy".into(),
            model_sha256: None,
            encoder_sha256: None,
            prompts_sha256: plan.prompts.sha256(),
            build: "this".into(),
        },
        n_sample: 10,
        all_legs: false,
        plan,
        lm: Some(lm),
        encoder: None,
        cache: folder.join("cache"),
        progress: &mut |_, _, _| Ok(()),
    };
    eval(kind, set, &mut lab).unwrap()
}

/// Says what the harbour's repairs cost where it can read it.
fn reader(prompt: &Prompt) -> String {
    let is_there = prompt.user.contains("3.2 million");
    match (prompt.lead.is_empty(), is_there) {
        (true, true) => "The council spent 3.2 million crowns on a new sea wall.".into(),
        (true, false) => "Members may keep a tool.".into(),
        (false, true) => ANSWERABLE.into(),
        (false, false) => " unanswerable".into(),
    }
}

fn cost() -> Value {
    json!({"id": "cost", "question": "How much did the council spend on the sea wall of Corran?",
        "gold_docs": ["harbour"], "answers": ["3.2 million"],
        "evidence": ["The council spent 3.2 million crowns on a new sea wall."]})
}

fn metric(outcome: &Outcome, name: &str) -> f64 {
    outcome.metrics[name]
}

#[test]
fn answers_are_judged_by_what_they_say_and_cite() {
    let folder = tempfile::tempdir().unwrap();
    let days = json!({"id": "days", "question": "How long may members of the library keep a tool?",
        "gold_docs": ["library"], "answers": ["7 days"]});
    let set = set(folder.path(), &[cost(), days]);
    let outcome = measure(Kind::Answers, &set, folder.path(), &mut Scripted::new(reader)).remove(0);
    assert_eq!((outcome.n, outcome.n_docs), (2, Some(2)));
    for (name, expected, n) in [
        ("contains", 0.5, 2),
        // Two words of eleven and of two agree.
        ("f1", 0.5 * (2.0 * 2.0 / 13.0), 2),
        ("retrieved", 1.0, 2),
        ("evidence", 1.0, 1),
    ] {
        let found = metric(&outcome, name);
        assert!((found - expected).abs() < 1e-9, "{name}: {found}");
        assert_eq!(outcome.counts[name], n, "{name}");
    }
    assert_eq!(outcome.misses, ["days"]);
    for name in ["citation_precision", "citation_recall", "seconds_p95", "tokens"] {
        assert!(outcome.ci95.contains_key(name), "{name}");
    }
}

#[test]
fn refusals_are_counted_with_the_article_and_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = json!({"id": "none", "question": "How much did the council spend on the ladders?",
        "gold_docs": ["library"], "answerable": false});
    let set = set(folder.path(), &[cost(), nobody]);
    let outcome = measure(Kind::Abstain, &set, folder.path(), &mut Scripted::new(reader)).remove(0);
    assert_eq!(metric(&outcome, "false_refusal"), 0.0);
    assert_eq!(metric(&outcome, "twin_refusal"), 1.0, "the article was read");
    assert_eq!(metric(&outcome, "twin_contains"), 0.0);
    assert_eq!(outcome.counts["refusal"], 1);
    assert_eq!(outcome.n, 3);
}

#[test]
fn without_reading_the_model_sees_the_question_alone() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path(), &[cost()]);
    let mut lm = Scripted::new(|prompt: &Prompt| {
        assert_eq!(prompt.user, "How much did the council spend on the sea wall of Corran?");
        "It cost 3.2 million.".into()
    });
    let outcome = measure(Kind::NoContext, &set, folder.path(), &mut lm).remove(0);
    assert_eq!(metric(&outcome, "contains"), 1.0);
    assert_eq!(outcome.n_docs, None);
}

#[test]
fn nothing_is_asked_twice_and_a_changed_set_is_asked_anew() {
    let folder = tempfile::tempdir().unwrap();
    let n_asked = Cell::new(0);
    let mut lm = Scripted::new(|prompt: &Prompt| {
        n_asked.set(n_asked.get() + 1);
        reader(prompt)
    });
    let mut asked_by = |kind, questions: &[Value]| {
        let set = set(folder.path(), questions);
        n_asked.set(0);
        let outcome = measure(kind, &set, folder.path(), &mut lm).remove(0);
        (n_asked.get(), outcome.metrics)
    };
    let (first, metrics) = asked_by(Kind::Answers, &[cost()]);
    assert_eq!(asked_by(Kind::Answers, &[cost()]), (0, metrics));
    // The question itself was answered already; its twin was not, and it needs no model to be refused.
    let (twins, _) = asked_by(Kind::Abstain, &[cost()]);
    assert!(first >= 1 && twins <= first, "{first} {twins}");
    let mut other = cost();
    other["answers"] = json!(["3.2"]);
    assert_eq!(asked_by(Kind::Answers, &[other]).0, first);
}

fn user_with_sets() -> User {
    let user = User::new();
    let questions = [
        json!({"id": "a", "question": "How long did the repairs of the harbour take?", "gold_docs": ["harbour"],
            "answers": ["14 months"]}),
        json!({"id": "b", "question": "Who lends drills?", "gold_docs": ["library"], "answers": ["library"]}),
        json!({"id": "c", "question": "Where is the sea wall?", "gold_docs": ["library"], "answers": ["Corran"]}),
    ];
    fs::create_dir(user.path("sets")).unwrap();
    set(&user.path("sets"), &questions);
    user
}

fn last(ended: &crate::cli::Ended) -> Value {
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(ended.out.lines().last().unwrap()).unwrap()
}

#[test]
fn eval_counts_the_questions_whose_article_was_found() {
    let user = user_with_sets();
    let ended = user.run(&["eval", "retrieval", "own", "--data", "sets", "--lexical"]);
    let result = last(&ended);
    assert_eq!(result["schema"], "precis/eval/1");
    assert_eq!((&result["n"], &result["n_docs"]), (&3.into(), &2.into()));
    assert_eq!(result["misses"], json!(["c"]));
    let recall = result["metrics"]["recall_at_5"].as_f64().unwrap();
    assert!((recall - 2.0 / 3.0).abs() < 1e-9);
    let [low, high] = [0, 1].map(|i| result["ci95"]["recall_at_5"][i].as_f64().unwrap());
    assert!(low < recall && recall < high);

    let own = ["--docs", "sets/own_docs.jsonl", "--qa", "sets/own_qa.jsonl"];
    let args = [&["eval", "retrieval", "--json", "--sample", "2"], &own[..]].concat();
    let sampled = user.run(&args);
    assert_eq!(objects(&sampled)[0]["n"], 2);
    assert_eq!(objects(&sampled)[0]["settings"]["search"], "lexical");
    assert!(sampled.err.contains("by words alone"), "{}", sampled.err);
    assert_eq!(user.run(&["eval", "retrieval"]).code, 2);
    let absent = ["eval", "retrieval", "other", "--data", "sets"];
    assert_eq!(user.run(&absent).code, 2);
}

#[test]
fn eval_compares_with_an_earlier_run_item_by_item() {
    let user = user_with_sets();
    let args = ["eval", "answers", "own", "--data", "sets", "--lexical", "--json"];
    let first = user.run_tiny(&[&args[..], &["--items", "first.jsonl"]].concat());
    let first = last(&first);
    assert_eq!(first["model_sha256"].as_str().unwrap().len(), 64);
    let items = fs::read_to_string(user.path("first.jsonl")).unwrap();
    assert_eq!(items.lines().count(), 3);
    // As if it had been right about one of them.
    let better = items.replacen("\"contains\":0.0", "\"contains\":1.0", 1);
    assert_ne!(better, items);
    user.write("better.jsonl", better);
    let again = user.run_tiny(&[&args[..], &["--versus", "better.jsonl"]].concat());
    let again = last(&again);
    assert_eq!(again["metrics"], first["metrics"]);
    let change = &again["versus"]["contains"];
    assert_eq!((&change["n"], &change["n_lower"]), (&3.into(), &1.into()));
    assert!((change["difference"].as_f64().unwrap() + 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(again["versus"]["seconds"]["difference"], 0.0, "it was measured again");
}

#[test]
fn several_sets_share_the_last_line() {
    let user = user_with_sets();
    let args = ["eval", "retrieval", "own", "own", "--data", "sets", "--lexical"];
    let ended = user.run(&args);
    assert_eq!(last(&ended)["results"].as_array().unwrap().len(), 2);
    assert!(ended.out.contains("own same-script: 3 items, 2 articles searched"));
}

fn one_line(folder: &Path, kind: Kind, name: &str, record: &Value) -> Set {
    fs::write(folder.join(format!("{name}.jsonl")), format!("{record}\n")).unwrap();
    Set::named(kind, name, folder).unwrap()
}

#[test]
fn planted_passages_are_told_from_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let record = json!({"id": 7, "query": "How much did the council spend on the sea wall?",
        "answer": "3.2 million", "fakeanswer": "9.7 million",
        "positive": ["The council spent 3.2 million crowns on a new sea wall."],
        "positive_wrong": ["The council spent 9.7 million crowns on a new sea wall."],
        "negative": ["Ferries sail twice a day again, and the council is glad of the new sea wall."]});
    let set = one_line(folder.path(), Kind::Noise, "planted", &record);
    // Believes what it reads.
    let mut lm = Scripted::new(|prompt: &Prompt| {
        let mut lines = prompt.user.lines();
        let line = lines.find(|line| line.contains("crowns on a new"));
        match prompt.lead.is_empty() {
            true => line.unwrap_or_default().to_owned(),
            false => ANSWERABLE.to_owned(),
        }
    });
    let outcomes = measure(Kind::Noise, &set, folder.path(), &mut lm);
    let legs: Vec<(&str, f64, f64, f64)> = outcomes
        .iter()
        .map(|it| {
            let [right, wrong, cited] =
                ["contains", "contains_false", "citation_precision"].map(|name| metric(it, name));
            (&*it.leg, right, wrong, cited)
        })
        .collect();
    assert_eq!(legs, [("planted 0", 1.0, 0.0, 1.0), ("planted half", 0.0, 1.0, 0.0), ("planted all", 0.0, 1.0, 0.0)]);
}

#[test]
fn summaries_are_compared_with_those_of_people() {
    let folder = tempfile::tempdir().unwrap();
    let record = json!({"id": 1, "title": "Harbour", "text": format!("{HARBOUR} {LIBRARY}"),
        "summary": "The harbour of Corran reopened on Monday."});
    let set = one_line(folder.path(), Kind::Summaries, "own", &record);
    let mut lm = Scripted::new(|_: &Prompt| "The harbour of Corran reopened on Monday.".into());
    let outcome = measure(Kind::Summaries, &set, folder.path(), &mut lm).remove(0);
    let item = &outcome.items[0];
    assert!(!item.said.is_empty());
    assert_eq!(metric(&outcome, "readable"), 1.0);
    // All 7 words of the reference, in their order, in the 13, 11 and 11 of the lead.
    for (name, expected) in
        [("lead_rouge_1", 14.0 / 42.0), ("lead_rouge_2", 12.0 / 40.0), ("lead_rouge_l", 14.0 / 42.0)]
    {
        let found = metric(&outcome, name);
        assert!((found - expected).abs() < 1e-9, "{name}: {found}");
    }
    for name in ["rouge_1", "rouge_2", "rouge_l", "length_ratio", "coverage", "name_support"] {
        assert!(metric(&outcome, name) > 0.0, "{name}: {}", item.said);
    }
    assert_eq!(metric(&outcome, "figure_support"), 1.0, "{}", item.said);
}

#[test]
fn the_check_of_facts_is_laid_beside_peoples_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let summary = |model: &str, summary: &str, factuality: f64| json!({"model": model, "summary": summary, "factuality": factuality});
    let record = json!({"hash": "x", "dataset": "town", "article": HARBOUR, "system_summaries": [
        summary("a", "The harbour of Corran reopened . The council spent 3.2 million crowns .", 1.0),
        summary("b", "The council spent 9.7 million crowns on a new sea wall.", 0.0),
        summary("c", "The harbour of Corran reopened . The sea wall costs 14 million .", 0.5),
    ]});
    let set = one_line(folder.path(), Kind::Faithful, "own", &record);
    let mut lm = Scripted::new(|_: &Prompt| panic!("no model is needed"));
    let outcome = measure(Kind::Faithful, &set, folder.path(), &mut lm).remove(0);
    let support: Vec<f64> = outcome.items.iter().map(|it| it.metrics["support"]).collect();
    assert_eq!(support, [1.0, 0.0, 0.5]);
    assert_eq!(metric(&outcome, "auc"), 1.0);
    assert_eq!((outcome.n, &*outcome.leg), (3, "town"));
}
