//! Files of documents and questions in, questions with what is expected of their answers out. Searches nothing.
//!
//! A document is `{"id", "lang", "title", "text"}`. A question is `{"id", "question", "gold_docs", "answers"}`, where
//! `answers` are the ways to put the answer, or is asked in several languages about several editions of the documents:
//! `{"id", "en", "zh", "gold_en", "gold_zh", "answers_en", "answers_zh"}`. It may have `evidence` (sentences that hold
//! the answer), `assertions` in place of `answers`, and `"answerable": false`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::text::Lang;
use crate::text::lang::{detect, to_script};

/// A question whose article is known, or that no article answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// The question's id, which decides whether a sample holds it.
    pub id: String,
    /// The question.
    pub question: String,
    /// The ids of the documents that hold the answer.
    pub gold: Vec<String>,
    /// The ways to put the answer; between languages, in either of them.
    pub answers: Vec<String>,
    /// Sentences of the documents that hold the answer, each enough by itself.
    pub evidence: Vec<String>,
    /// What an answer has to say, in sentences about it.
    pub assertions: Vec<String>,
}

/// Cases of one kind, asked of one corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// `same-script`, `other-script`, or `en-zh` for English questions about Chinese documents.
    pub name: String,
    /// The language that the documents are restricted to; `None` for all of them.
    pub docs_lang: Option<String>,
    /// Whether questions are asked as they were written, in the language of the documents.
    pub is_own: bool,
    /// The questions that have an answer.
    pub cases: Vec<Case>,
    /// Those that have none.
    pub unanswerable: Vec<Case>,
}

/// Reads a file of questions, of each leg the `n_sample` with an answer and the `n_sample` without whose ids have the
/// smallest SHA-256: the same ones each time.
///
/// Questions with an answer that stands in no document are left out.
///
/// # Errors
/// A line that is not such a question, by its number.
pub fn legs(qa: &Path, n_sample: usize) -> Result<Vec<Leg>> {
    let mut legs: Vec<Leg> = Vec::new();
    for (number, record) in records(qa)?.into_iter().enumerate() {
        let malformed = || format!("`{}`, line {}", qa.display(), number + 1);
        for (asked, case) in questions(&record).with_context(malformed)? {
            let idx = legs.iter().position(|leg| leg.name == asked.leg);
            let idx = idx.unwrap_or_else(|| {
                legs.push(Leg {
                    name: asked.leg,
                    docs_lang: asked.docs_lang,
                    is_own: asked.is_own,
                    cases: Vec::new(),
                    unanswerable: Vec::new(),
                });
                legs.len() - 1
            });
            match record.get("answerable") {
                Some(Value::Bool(false)) => legs[idx].unanswerable.push(case),
                _ if case.gold.is_empty() => {}
                _ => legs[idx].cases.push(case),
            }
        }
    }
    for leg in &mut legs {
        leg.cases = sampled(std::mem::take(&mut leg.cases), n_sample, |case| &case.id);
        leg.unanswerable = sampled(std::mem::take(&mut leg.unanswerable), n_sample, |case| &case.id);
    }
    legs.retain(|leg| !leg.cases.is_empty());
    legs.sort_by(|a, b| b.name.cmp(&a.name));
    Ok(legs)
}

/// The `n_sample` things whose ids have the smallest SHA-256.
pub fn sampled<T>(mut things: Vec<T>, n_sample: usize, id: impl Fn(&T) -> &str) -> Vec<T> {
    things.sort_by_cached_key(|thing| Sha256::digest(id(thing)));
    things.truncate(n_sample);
    things
}

/// How a question is put to which documents.
struct Asked {
    leg: String,
    docs_lang: Option<String>,
    is_own: bool,
}

/// The questions of a record, one for each leg that it belongs to.
fn questions(record: &Map<String, Value>) -> Result<Vec<(Asked, Case)>> {
    let case = |question: String, gold| -> Result<Case> {
        Ok(Case {
            id: id(record)?,
            question,
            gold,
            evidence: texts(record, "evidence")?,
            assertions: texts(record, "assertions")?,
            answers: texts(record, "answers")?,
        })
    };
    let mut found = Vec::new();
    if !record.contains_key("question") {
        let names = record.keys().filter_map(|name| name.strip_prefix("gold_"));
        let languages: Vec<&str> = names.collect();
        ensure!(languages.len() > 1, "it has no question");
        for asked in &languages {
            for held in &languages {
                let gold = texts(record, &format!("gold_{held}"))?;
                let mut case = case(text(record, asked)?, gold)?;
                case.answers = texts(record, &format!("answers_{asked}"))?;
                if asked != held {
                    case.answers.extend(texts(record, &format!("answers_{held}"))?);
                }
                let asked = Asked {
                    leg: format!("{asked}-{held}"),
                    docs_lang: Some((*held).to_owned()),
                    is_own: asked == held,
                };
                found.push((asked, case));
            }
        }
        return Ok(found);
    }
    let question = text(record, "question")?;
    ensure!(record.contains_key("gold_docs"), "there is no list `gold_docs`");
    let gold = texts(record, "gold_docs")?;
    let asked = |leg: &str| Asked { leg: leg.to_owned(), docs_lang: None, is_own: leg == "same-script" };
    let other = match detect(&question) {
        Lang::ZhHant => Some(to_script(&question, Lang::ZhHans).into_owned()),
        Lang::ZhHans => Some(to_script(&question, Lang::ZhHant).into_owned()),
        Lang::En => None,
    };
    if let Some(other) = other {
        found.push((asked("other-script"), case(other, gold.clone())?));
    }
    found.push((asked("same-script"), case(question, gold)?));
    Ok(found)
}

/// A file with the documents of one language, made of `docs` in the folder `cache`. Made anew only when it differs, so
/// that an index of it stays good.
///
/// # Errors
/// No document has the language.
pub fn docs_of(docs: &Path, lang: &str, cache: &Path) -> Result<PathBuf> {
    let mut lines = String::new();
    for record in records(docs)? {
        let own = record.get("lang").and_then(Value::as_str).unwrap_or_default();
        if own.split('-').next() == Some(lang) {
            lines += &serde_json::to_string(&record)?;
            lines.push('\n');
        }
    }
    ensure!(!lines.is_empty(), "`{}` has no documents in `{lang}`", docs.display());
    let stem = docs.file_stem().unwrap_or_default().to_string_lossy();
    let path = cache.join(format!("{stem}.{lang}.jsonl"));
    if fs::read(&path).ok().as_deref() != Some(lines.as_bytes()) {
        let failed = || format!("failed to write `{}`", path.display());
        fs::create_dir_all(cache).with_context(failed)?;
        fs::write(&path, lines).with_context(failed)?;
    }
    Ok(path)
}

/// The objects of a file, one a line.
pub(super) fn records(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let file = fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let lines = file.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("`{}`, line {}: not a JSON object", path.display(), number + 1))
    };
    lines.map(parse).collect()
}

/// An id, which may be written as a number.
pub(super) fn id(record: &Map<String, Value>) -> Result<String> {
    match record.get("id") {
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => text(record, "id"),
    }
}

/// A text that has to be there.
pub(super) fn text(record: &Map<String, Value>, name: &str) -> Result<String> {
    let value = record.get(name).and_then(Value::as_str);
    Ok(value.with_context(|| format!("there is no text `{name}`"))?.to_owned())
}

/// A list of texts; none where there is no such list.
fn texts(record: &Map<String, Value>, name: &str) -> Result<Vec<String>> {
    let Some(list) = record.get(name) else {
        return Ok(Vec::new());
    };
    let list = list.as_array().with_context(|| format!("`{name}` is not a list"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    list.iter().map(|value| text(value).with_context(|| format!("`{name}` is not a list of texts"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legs_of(lines: &[&str], n_sample: usize) -> Result<Vec<Leg>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), lines.join("\n")).unwrap();
        legs(file.path(), n_sample)
    }

    #[test]
    fn chinese_questions_are_asked_in_both_scripts_and_pairs_in_every_direction() {
        let names = |lines: &[&str]| -> Vec<(String, String)> {
            let legs = legs_of(lines, 10).unwrap();
            legs.into_iter().map(|leg| (leg.name, leg.cases[0].question.clone())).collect()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            names(&[r#"{"id":"1","question":"誰說的？","gold_docs":["a"],"answerable":true}"#]),
            [pair("same-script", "誰說的？"), pair("other-script", "谁说的？")]
        );
        assert_eq!(
            names(&[r#"{"id":"1","en":"Who?","zh":"谁？","gold_en":["e"],"gold_zh":["z"]}"#]),
            [pair("zh-zh", "谁？"), pair("zh-en", "谁？"), pair("en-zh", "Who?"), pair("en-en", "Who?")]
        );
    }

    #[test]
    fn a_sample_is_the_same_each_time_and_holds_no_question_without_an_answer() {
        let lines: Vec<String> = (0..50)
            .map(|i| {
                let answerable = i % 2 == 0;
                format!(r#"{{"id":"{i}","question":"Who?","gold_docs":["a"],"answerable":{answerable}}}"#)
            })
            .collect();
        let ids = |lines: &[&str]| -> Vec<String> {
            let leg = legs_of(lines, 10).unwrap().remove(0);
            leg.cases.into_iter().map(|case| case.id).collect()
        };
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let reversed: Vec<&str> = lines.iter().rev().copied().collect();
        assert_eq!(ids(&lines), ids(&reversed));
        assert_eq!(ids(&lines).len(), 10);
        assert!(ids(&lines).iter().all(|id| id.parse::<usize>().unwrap() % 2 == 0));
    }

    #[test]
    fn questions_bring_what_is_expected_of_their_answers() {
        let legs = legs_of(
            &[
                r#"{"id":1,"question":"Who?","gold_docs":["a"],"answers":["Ada"],"evidence":["Ada did."]}"#,
                r#"{"id":2,"question":"Why?","gold_docs":["a"],"answerable":false}"#,
                r#"{"id":3,"question":"What?","gold_docs":[],"answers":["That"]}"#,
            ],
            10,
        )
        .unwrap();
        let [leg] = &legs[..] else { panic!("{legs:?}") };
        assert_eq!((leg.cases.len(), &*leg.cases[0].id), (1, "1"));
        assert_eq!(leg.cases[0].answers, ["Ada"]);
        assert_eq!(leg.cases[0].evidence, ["Ada did."]);
        assert_eq!(leg.unanswerable[0].id, "2");

        let pair = r#"{"id":"1","en":"Who?","zh":"谁？","gold_en":["e"],"gold_zh":["z"],"answers_en":["Ada"],"answers_zh":["艾达"]}"#;
        let answers: Vec<(String, bool, Vec<String>)> = legs_of(&[pair], 10)
            .unwrap()
            .into_iter()
            .map(|mut leg| (leg.name, leg.is_own, leg.cases.remove(0).answers))
            .collect();
        assert_eq!(answers[0], ("zh-zh".into(), true, vec!["艾达".into()]));
        let either = vec!["艾达".to_owned(), "Ada".to_owned()];
        assert_eq!(answers[1], ("zh-en".into(), false, either));
    }

    #[test]
    fn a_malformed_question_is_named_by_its_line() {
        for line in [
            "{}",
            "[]",
            r#"{"id":"1"}"#,
            r#"{"id":"1","question":"Who?"}"#,
            r#"{"id":"1","question":"Who?","gold_docs":["a"],"answers":"Ada"}"#,
        ] {
            let good = r#"{"id":"1","question":"Who?","gold_docs":["a"]}"#;
            let error = format!("{:#}", legs_of(&[good, line], 10).unwrap_err());
            assert!(error.contains("line 2"), "{error}");
        }
    }
}
