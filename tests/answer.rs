//! `compose::answer` with a scripted model: what it is shown, what is let through, what is refused.

use std::cell::RefCell;

use precis::compose::{Answer, AnswerPlan, Claim, Parts, Prompts, answer};
use precis::corpus::passage::passages;
use precis::corpus::{Hit, Passage};
use precis::model::{Prompt, Sampling, Scripted};
use precis::text::{Article, Format, RawArticle};

const QUAY: &str = "Ostrel will spend 4.2 million euros on a new ferry quay. Work begins in March and should last \
    eleven months. Fishermen fear that the quay will push them out of the harbour. The bakery in Mill Street sells \
    rye bread.";

fn hit(path: &str, text: &str) -> Hit {
    let raw = RawArticle { title: Some("Town news".into()), ..RawArticle::new(path, text, Format::Plain) };
    let article = Article::read(&raw).unwrap();
    let passage: Passage = passages(&article).remove(0);
    Hit { passage, score: 0.15, also: Vec::new() }
}

fn plan() -> AnswerPlan {
    AnswerPlan { lang: None, sampling: Sampling::Greedy, prompts: Prompts::default() }
}

/// Whether a prompt asks for the verdict.
fn is_verdict(prompt: &Prompt) -> bool {
    prompt.lead.ends_with("The question is")
}

/// A model that gives this verdict, and else says these words.
fn says(verdict: &'static str, words: &'static str) -> impl Fn(&Prompt) -> &'static str {
    move |prompt: &Prompt| if is_verdict(prompt) { verdict } else { words }
}

fn ask(question: &str, hits: Vec<Hit>, said: impl Fn(&Prompt) -> &'static str) -> Answer {
    let mut lm = Scripted::new(|prompt: &Prompt| said(prompt).to_owned());
    answer(question, hits, &mut lm, &plan()).unwrap()
}

#[test]
fn the_words_that_answer_are_told_with_the_sentence_that_they_stand_in() {
    let said = says(" answerable", "eleven months");
    let found = ask("How long should the work on the quay last?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(found.claims.len(), 1);
    let told = "Work begins in March and should last eleven months.";
    assert_eq!(found.claims[0].text, told);
    assert_eq!(found.claims[0].focus.as_deref(), Some("eleven months"));
    let cited: Vec<&str> = found.claims[0].cites.iter().map(|q| &*q.text).collect();
    assert_eq!(cited, [told]);
}

#[test]
fn what_the_sentence_does_not_answer_is_refused_with_the_reason() {
    let said = says(" unanswerable", "eleven months");
    let found = ask("How long did the mayor of Ostrel hold office?", vec![hit("a.txt", QUAY)], said);
    assert!(!found.found());
    assert!(found.dropped[0].why.contains("hardly answers"), "{:?}", found.dropped);
    assert_eq!(found.passages.len(), 1, "the nearest passages stay");
}

#[test]
fn words_that_nothing_supports_give_way_to_the_sentence_itself() {
    let said = says(" answerable", "5.6 million euros");
    let found = ask("How much will Ostrel spend on the quay?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(found.claims[0].text, "Ostrel will spend 4.2 million euros on a new ferry quay.");
    assert!(found.dropped[0].why.contains("5.6"), "{:?}", found.dropped);
}

#[test]
fn words_of_the_question_are_no_answer_to_it() {
    let said = |prompt: &Prompt| match (is_verdict(prompt), prompt.barred.is_some()) {
        (true, _) => " answerable",
        (false, true) => "eleven months",
        (false, false) => "the work on the quay",
    };
    let hits = || vec![hit("a.txt", QUAY)];
    let found = ask("How long should the work on the quay last?", hits(), said);
    assert_eq!(found.claims[0].focus.as_deref(), Some("eleven months"));
}

#[test]
fn whether_something_is_so_says_the_sentence_that_is_nearest_to_the_question() {
    let said = says(" answerable", "the bakery");
    let question = "Will the quay push the fishermen out of the harbour?";
    let found = ask(question, vec![hit("a.txt", QUAY)], said);
    assert_eq!(found.claims[0].text, "Fishermen fear that the quay will push them out of the harbour.");
    assert_eq!(found.claims[0].focus, None);
}

#[test]
fn articles_that_answer_differently_are_both_heard() {
    let other = "Ostrel will spend 6.5 million euros on a new ferry quay, the harbour master said.";
    let words = |prompt: &Prompt| match prompt.user.contains("4.2") {
        true => "4.2 million euros",
        false => "6.5 million euros",
    };
    let said = |prompt: &Prompt| match is_verdict(prompt) {
        true => " answerable",
        false => words(prompt),
    };
    let question = "How many euros will Ostrel spend on the ferry quay?";
    let between = ["c.txt", "d.txt", "e.txt"].map(|path| hit(path, "Rye bread is sold in Mill Street."));
    let mut hits = vec![hit("a.txt", QUAY)];
    hits.extend(between);
    hits.push(hit("b.txt", other));
    let told = |found: Answer| -> Vec<(String, String)> {
        let told = |claim: &Claim| {
            let path = &found.passages[claim.cites[0].cite.article].passage.path;
            (claim.focus.clone().unwrap(), path.clone())
        };
        found.claims.iter().map(told).collect()
    };
    let [first, second] =
        [("4.2 million euros".to_owned(), "a.txt".to_owned()), ("6.5 million euros".to_owned(), "b.txt".to_owned())];
    let both = [first.clone(), second.clone()];
    assert_eq!(told(ask(question, hits.clone(), said)), both);

    // The one that is more to be trusted comes first.
    let unsure = |prompt: &Prompt| match is_verdict(prompt) {
        true if prompt.user.contains("4.2") => " perhaps",
        _ => said(prompt),
    };
    assert_eq!(told(ask(question, hits, unsure)), [second, first]);

    let same = "The council decided that Ostrel will spend 4,200,000 euros on a new ferry quay.";
    let hits = vec![hit("a.txt", QUAY), hit("b.txt", same)];
    assert_eq!(
        ask(question, hits, |prompt| match is_verdict(prompt) {
            true => " answerable",
            false => "4.2 million euros",
        })
        .claims
        .len(),
        1
    );
}

#[test]
fn an_answer_is_in_the_language_of_the_question_beside_the_words_of_the_article() {
    let said = |prompt: &Prompt| match prompt.user.contains("译成") {
        true => "十一个月",
        false if is_verdict(prompt) => " answerable",
        false => "eleven months",
    };
    let found = ask("工程要多久?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(found.claims[0].text, "十一个月（eleven months）");
}

#[test]
fn only_sentences_that_bear_on_the_question_are_read_and_only_their_words_may_be_written() {
    let long: String = (0..60)
        .map(|i| format!("The bakery number {i} in Mill Street sells rye bread and cake to {i} people. "))
        .collect();
    let prompts = RefCell::new(Vec::new());
    let mut lm = Scripted::new(|prompt: &Prompt| {
        prompts.borrow_mut().push(prompt.clone());
        "eleven months".to_owned()
    });
    let hits = vec![hit("b.txt", &long), hit("a.txt", QUAY)];
    answer("How long should the work on the quay last?", hits, &mut lm, &plan()).unwrap();
    let prompts = prompts.borrow();
    let only = prompts[0].only.as_deref().unwrap();
    assert!(only.contains("eleven months") && prompts[0].user.contains("eleven months"));
    let n_bakeries = prompts[0].user.matches("bakery number").count();
    assert!(n_bakeries < 40, "{n_bakeries}");
}

#[test]
fn no_passage_is_no_answer_and_asks_no_model() {
    let mut lm = Scripted::new(|_: &Prompt| unreachable!("there is nothing to read"));
    assert!(!answer("Who?", Vec::new(), &mut lm, &plan()).unwrap().found());
}

/// The answer to a question that the model takes apart as `division`; each part has the same passages.
fn ask_in_parts(question: &str, division: &'static str, pointed: [&'static str; 2]) -> Answer {
    let bridge = "The bridge at Halden was built in 1911 by Otto Rask. It has two lanes.";
    let hits = [vec![hit("a.txt", QUAY)], vec![hit("b.txt", bridge), hit("a.txt", QUAY)]];
    let mut lm = Scripted::new(move |prompt: &Prompt| {
        match prompt {
            prompt if prompt.user.contains("Text: ") && prompt.user.contains("rye") => " unanswerable",
            prompt if is_verdict(prompt) => " answerable",
            prompt if prompt.system.contains("apart") => division,
            prompt if prompt.user.contains("quay last?") => pointed[0],
            _ => pointed[1],
        }
        .to_owned()
    });
    let parts = Parts::of(question, &mut lm, &plan()).unwrap();
    let questions = parts.questions.iter().zip(hits);
    let answers = questions.map(|(part, hits)| answer(part, hits, &mut lm, &plan()).unwrap());
    let answers = answers.collect();
    parts.join(answers)
}

#[test]
fn facts_of_two_articles_are_told_together_and_both_are_cited() {
    let question = "How long should the work on the quay last, and who built the bridge at Halden?";
    let division = "How long should the work on the quay last?|Who built the bridge at Halden?";
    let found = ask_in_parts(question, division, ["eleven months", "Otto Rask"]);
    let told: Vec<&str> = found.claims.iter().map(|claim| &*claim.text).collect();
    assert_eq!(
        told,
        ["Work begins in March and should last eleven months.", "The bridge at Halden was built in 1911 by Otto Rask.",]
    );
    let cited = |claim: &Claim| found.passages[claim.cites[0].cite.article].passage.path.clone();
    assert_eq!(found.claims.iter().map(cited).collect::<Vec<_>>(), ["a.txt", "b.txt"]);
    assert_eq!(found.passages.len(), 2, "a passage that both parts read stands there once");
    assert!(found.missing.is_empty());
}

#[test]
fn what_one_part_of_a_question_asks_may_be_missing() {
    let question = "How long should the work on the quay last, and who eats the rye bread at Halden?";
    let division = "How long should the work on the quay last?|Who eats the rye bread at Halden?";
    let found = ask_in_parts(question, division, ["eleven months", "Fishermen"]);
    assert_eq!(found.claims.len(), 1, "{found:?}");
    assert_eq!(found.missing, ["Who eats the rye bread at Halden?"]);
    let found = ask_in_parts(question, division, ["rye bread", "Fishermen"]);
    assert!(!found.found() && found.missing.is_empty(), "{found:?}");
}

#[test]
fn a_question_that_the_model_answers_or_changes_is_asked_as_it_is() {
    let question = "How long should the work on the quay and the bridge last?";
    let pointed = ["eleven months", "eleven months"];
    for division in [question, "Work lasts eleven months.|It was Rask.", ""] {
        let found = ask_in_parts(question, division, pointed);
        assert_eq!(found.claims.len(), 1, "{division}");
    }
    let long = format!("How long should the work on the {} and the quay last?", "old ".repeat(90));
    let found = ask_in_parts(&long, "a prompt that may not fit is not written", pointed);
    assert_eq!(found.claims.len(), 1);
}
