//! `compose::answer` with a scripted model: what it is shown, what is let through, what is refused.

use std::cell::RefCell;

use precis::compose::{Answer, AnswerPlan, Claim, Prompts, answer, ask};
use precis::corpus::passage::passages;
use precis::corpus::{Hit, Passage};
use precis::model::{Prompt, Sampling, Scripted};
use precis::text::{Article, Cite, Format, Lang, RawArticle};

const QUAY: &str = "Ostrel will spend 4.2 million euros on a new ferry quay. Work begins in March and should last \
    eleven months. Fishermen fear that the quay will push them out of the harbour. The bakery in Mill Street sells \
    rye bread.";

fn hit(path: &str, text: &str) -> Hit {
    let raw = RawArticle {
        title: Some("Town news".into()),
        date: Some("2026-02-03".into()),
        ..RawArticle::new(path, text, Format::Plain)
    };
    let article = Article::read(&raw).unwrap();
    let passage: Passage = passages(&article).remove(0);
    Hit { passage, score: 0.15, also: Vec::new() }
}

fn plan() -> AnswerPlan {
    AnswerPlan { lang: None, sampling: Sampling::Greedy, prompts: Prompts::default() }
}

/// Whether a prompt asks for the verdict.
fn is_verdict(prompt: &Prompt) -> bool {
    prompt.lead.ends_with("The question is") || prompt.user.ends_with('\u{a0}')
}

/// A model that gives this verdict, and else says these words.
fn says(verdict: &'static str, words: &'static str) -> impl Fn(&Prompt) -> &'static str {
    move |prompt: &Prompt| if is_verdict(prompt) { verdict } else { words }
}

fn answered(question: &str, hits: Vec<Hit>, said: impl Fn(&Prompt) -> &'static str) -> Answer {
    let mut lm = Scripted::new(|prompt: &Prompt| said(prompt).to_owned());
    answer(question, hits, &mut lm, &plan()).unwrap()
}

fn told(answer: &Answer) -> Vec<&str> {
    answer.claims.iter().map(Claim::text).collect()
}

#[test]
fn what_holds_is_told_with_the_sentences_that_it_rests_on() {
    let said = says(" answerable", "The work on the quay begins in March and should last eleven months.");
    let found = answered("How long should the work on the quay last?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(told(&found), ["The work on the quay begins in March and should last eleven months."]);
    let cited: Vec<&str> = found.claims[0].cites().iter().map(|q| &*q.text).collect();
    assert!(cited.contains(&"Work begins in March and should last eleven months."), "{cited:?}");
}

#[test]
fn of_a_draft_only_the_sentences_that_hold_are_told_and_the_others_counted() {
    let said =
        says(" answerable", "Ostrel will spend 4.2 million euros on a ferry quay. It will open in Lisbon in 1913.");
    let found = answered("What will Ostrel spend on the ferry quay?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(told(&found), ["Ostrel will spend 4.2 million euros on a ferry quay."]);
    assert!(found.dropped.iter().any(|dropped| dropped.text.contains("1913")), "{:?}", found.dropped);
}

#[test]
fn drafts_add_to_one_another_what_is_new() {
    let said = |prompt: &Prompt| match prompt {
        prompt if is_verdict(prompt) => " answerable",
        prompt if prompt.user.contains("Nearest") => "The quay will cost 4.2 million euros.",
        _ => "Ostrel will spend 4.2 million euros on the quay. Work on the quay begins in March.",
    };
    let found =
        answered("When does work on the quay begin and what will Ostrel spend?", vec![hit("a.txt", QUAY)], said);
    let text = told(&found).join(" ");
    assert!(text.contains("March") && text.matches("4.2").count() == 1, "{text}");
}

#[test]
fn what_its_sources_do_not_answer_is_refused_with_the_reason() {
    let said = says(" unanswerable", "The work should last eleven months.");
    let found = answered("How long did the mayor of Ostrel hold office?", vec![hit("a.txt", QUAY)], said);
    assert!(!found.found());
    assert!(found.dropped.iter().any(|dropped| dropped.why.contains("hardly answer")), "{:?}", found.dropped);
    assert_eq!(found.passages.len(), 1, "the nearest passages stay");
}

#[test]
fn inventions_give_way_to_the_sentence_that_is_nearest_to_the_question() {
    let said = says(" answerable", "Ostrel will spend 5.6 million euros.");
    let found = answered("How much will Ostrel spend on the quay?", vec![hit("a.txt", QUAY)], said);
    // A figure that has one candidate is mended; one that has none is refused.
    assert!(told(&found).iter().all(|text| !text.contains("5.6")), "{found:?}");
    let said = says(" answerable", "Queen Marabella crowned dragons.");
    let found = answered("How much will Ostrel spend on the quay?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(told(&found), ["Ostrel will spend 4.2 million euros on a new ferry quay."]);
}

#[test]
fn where_a_line_does_not_hold_its_sources_are_told_themselves() {
    let said = says(
        " answerable",
        "The mayor of Ostrel fears that the quay will push the fishermen out of the harbour because work begins in March.",
    );
    let found = answered("What do the fishermen of Ostrel fear?", vec![hit("a.txt", QUAY)], said);
    assert!(told(&found).contains(&"Fishermen fear that the quay will push them out of the harbour."), "{found:?}");
    assert_eq!(found.dropped.len(), 3, "{found:?}");
}

#[test]
fn words_of_the_question_are_no_answer_to_it() {
    let said = |prompt: &Prompt| match prompt {
        prompt if is_verdict(prompt) => " answerable",
        prompt if prompt.user.contains("Nearest") => "The work on the quay should last.",
        _ => "The work on the quay should last eleven months.",
    };
    let found = answered("How long should the work on the quay last?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(told(&found), ["The work on the quay should last eleven months."]);
}

#[test]
fn the_date_and_the_title_of_an_article_are_evidence_too() {
    let said = says(" answerable", "The town news are of 2026-02-03.");
    let found = answered("Of which day are the town news?", vec![hit("a.txt", QUAY)], said);
    assert_eq!(found.claims[0].cites()[0].cite.sentence, Cite::HEAD, "{found:?}");
}

#[test]
fn an_answer_is_in_the_script_of_the_question() {
    let text = "奥川市将投入4.2亿元兴建新渡轮码头。工程预计三月动工,工期十一个月。";
    let found =
        answered("奧川市要花多少錢蓋渡輪碼頭?", vec![hit("a.txt", text)], |prompt: &Prompt| match prompt
            .system
            .contains("判断")
        {
            true => "是",
            false => "奥川市将投入4.2亿元兴建新渡轮码头。",
        });
    assert_eq!(found.lang, Lang::ZhHant);
    assert_eq!(told(&found), ["奧川市將投入4.2億元興建新渡輪碼頭。"]);
}

#[test]
fn passages_are_read_whole_under_their_heads_as_long_as_there_is_room() {
    let long = |number: usize| format!("Bakery number {number} in Mill Street sells rye bread and cake. ").repeat(40);
    let prompts = RefCell::new(Vec::new());
    let mut lm = Scripted::new(|prompt: &Prompt| {
        prompts.borrow_mut().push(prompt.clone());
        "The work should last eleven months.".to_owned()
    });
    let mut hits = vec![hit("a.txt", QUAY)];
    hits.extend((0..9).map(|number| hit(&format!("{number}.txt"), &long(number))));
    answer("How long should the work on the quay last?", hits, &mut lm, &plan()).unwrap();
    let prompts = prompts.borrow();
    assert!(prompts[0].user.contains("# Town news · 2026-02-03\nOstrel will spend"), "{}", prompts[0].user);
    assert!(prompts[0].user.contains("number 1 ") && !prompts[0].user.contains("number 8 "));
    let ask = |prompt: &Prompt| prompt.user.split("Nearest").next().map(str::len);
    assert!(ask(&prompts[0]) > Some(1000) && prompts[0].system == prompts[1].system, "drafts share what they read");
}

#[test]
fn no_passage_is_no_answer_and_asks_no_model() {
    let mut lm = Scripted::new(|_: &Prompt| unreachable!("there is nothing to read"));
    assert!(!answer("Who?", Vec::new(), &mut lm, &plan()).unwrap().found());
}

/// The answer to a question that the model takes apart as `division`; each part has passages of its own.
fn ask_in_parts(question: &str, division: &'static str, said: [&'static str; 2]) -> Answer {
    let bridge = "The bridge at Halden was built in 1911 by Otto Rask. It has two lanes.";
    let mut lm = Scripted::new(move |prompt: &Prompt| {
        match prompt {
            prompt if is_verdict(prompt) && prompt.user.contains("Text: ") && prompt.user.contains("rye") => {
                " unanswerable"
            }
            prompt if is_verdict(prompt) => " answerable",
            prompt if prompt.system.contains("apart") => division,
            prompt if prompt.user.contains("Question: How long") => said[0],
            _ => said[1],
        }
        .to_owned()
    });
    // What is asked stands before the whole question.
    let search = |part: &str| {
        Ok(match part.starts_with("How long") {
            true => vec![hit("a.txt", QUAY)],
            false => vec![hit("b.txt", bridge), hit("a.txt", QUAY)],
        })
    };
    ask(question, &[], search, &mut lm, &plan()).unwrap().0
}

#[test]
fn facts_of_two_articles_are_told_together_and_both_are_cited() {
    let question = "How long should the work on the quay last, and who built the bridge at Halden?";
    let division = "How long should the work on the quay last?|Who built the bridge at Halden?";
    let said = ["The work should last eleven months.", "The bridge was built by Otto Rask in 1911."];
    let found = ask_in_parts(question, division, said);
    assert_eq!(told(&found), said);
    let cited = |claim: &Claim| found.passages[claim.cites()[0].cite.article].passage.path.clone();
    assert_eq!(found.claims.iter().map(cited).collect::<Vec<_>>(), ["a.txt", "b.txt"]);
    assert_eq!(found.passages.len(), 2, "a passage that both parts read stands there once");
    assert!(found.missing.is_empty());
}

#[test]
fn what_one_part_of_a_question_asks_may_be_missing() {
    let question = "How long should the work on the quay last, and who eats the rye bread at Halden?";
    let division = "How long should the work on the quay last?|Who eats the rye bread at Halden?";
    let found =
        ask_in_parts(question, division, ["The work should last eleven months.", "The bakery sells rye bread."]);
    assert_eq!(found.claims.len(), 1, "{found:?}");
    assert_eq!(found.missing, ["Who eats the rye bread at Halden?"]);
}

#[test]
fn a_question_that_the_model_answers_or_changes_is_asked_as_it_is() {
    let question = "How long should the work on the quay and the bridge last?";
    let said = ["The work should last eleven months."; 2];
    for division in [question, "Work lasts eleven months.|It was Rask.", ""] {
        let found = ask_in_parts(question, division, said);
        assert_eq!(found.claims.len(), 1, "{division}");
    }
}
