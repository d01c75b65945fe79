//! Files of documents and questions in, questions with their expected articles out. Searches nothing.
//!
//! A document is `{"id", "lang", "title", "text"}`. A question is `{"id", "question", "gold_docs"}`, or is asked in
//! several languages about several editions of the documents: `{"id", "en", "zh", "gold_en", "gold_zh"}`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::text::Lang;
use crate::text::lang::{detect, to_script};

/// A question whose article is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The question's id, which decides whether a sample holds it.
    pub id: String,
    /// The question.
    pub question: String,
    /// The ids of the documents that hold the answer.
    pub gold: Vec<String>,
}

/// Cases of one kind, asked of one corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// `same-script`, `other-script`, or `en-zh` for English questions about Chinese documents.
    pub name: String,
    /// The language that the documents are restricted to; `None` for all of them.
    pub docs_lang: Option<String>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// Reads a file of questions, of each leg the `n_sample` whose ids have the smallest SHA-256: the same ones each time.
///
/// Questions that no document answers are left out.
///
/// # Errors
/// A line that is not such a question, by its number.
pub fn legs(qa: &Path, n_sample: usize) -> Result<Vec<Leg>> {
    let mut legs: Vec<Leg> = Vec::new();
    let mut add = |name: String, docs_lang: Option<&str>, case: Case| {
        let idx = legs.iter().position(|leg| leg.name == name);
        let idx = idx.unwrap_or_else(|| {
            legs.push(Leg {
                name,
                docs_lang: docs_lang.map(str::to_owned),
                cases: Vec::new(),
            });
            legs.len() - 1
        });
        legs[idx].cases.push(case);
    };
    for (number, record) in records(qa)?.into_iter().enumerate() {
        let malformed = || format!("`{}`, line {}", qa.display(), number + 1);
        let id = text(&record, "id").with_context(malformed)?;
        let case = |question: String, gold| Case {
            id: id.clone(),
            question,
            gold,
        };
        if !record.contains_key("question") {
            let languages: Vec<&str> = record
                .keys()
                .filter_map(|name| name.strip_prefix("gold_"))
                .collect();
            ensure!(languages.len() > 1, "{}: it has no question", malformed());
            for asked in &languages {
                for held in &languages {
                    let question = text(&record, asked).with_context(malformed)?;
                    let gold = texts(&record, &format!("gold_{held}")).with_context(malformed)?;
                    add(format!("{asked}-{held}"), Some(held), case(question, gold));
                }
            }
            continue;
        }
        let question = text(&record, "question").with_context(malformed)?;
        let gold = texts(&record, "gold_docs").with_context(malformed)?;
        if gold.is_empty() || record.get("answerable") == Some(&Value::Bool(false)) {
            continue;
        }
        let other = match detect(&question) {
            Lang::ZhHant => Some(to_script(&question, Lang::ZhHans).into_owned()),
            Lang::ZhHans => Some(to_script(&question, Lang::ZhHant).into_owned()),
            Lang::En => None,
        };
        if let Some(other) = other {
            add("other-script".into(), None, case(other, gold.clone()));
        }
        add("same-script".into(), None, case(question, gold));
    }
    for leg in &mut legs {
        leg.cases.sort_by_key(|case| Sha256::digest(&case.id));
        leg.cases.truncate(n_sample);
    }
    legs.sort_by(|a, b| b.name.cmp(&a.name));
    Ok(legs)
}

/// A file with the documents of one language, made of `docs` in the folder `cache`. Made anew only when it differs, so
/// that an index of it stays good.
///
/// # Errors
/// No document has the language.
pub fn docs_of(docs: &Path, lang: &str, cache: &Path) -> Result<PathBuf> {
    let mut lines = String::new();
    for record in records(docs)? {
        let own = record
            .get("lang")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if own.split('-').next() == Some(lang) {
            lines += &serde_json::to_string(&record)?;
            lines.push('\n');
        }
    }
    ensure!(
        !lines.is_empty(),
        "`{}` has no documents in `{lang}`",
        docs.display()
    );
    let stem = docs.file_stem().unwrap_or_default().to_string_lossy();
    let path = cache.join(format!("{stem}.{lang}.jsonl"));
    if fs::read(&path).ok().as_deref() != Some(lines.as_bytes()) {
        let failed = || format!("failed to write `{}`", path.display());
        fs::create_dir_all(cache).with_context(failed)?;
        fs::write(&path, lines).with_context(failed)?;
    }
    Ok(path)
}

fn records(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let file =
        fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let lines = file
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| {
            format!(
                "`{}`, line {}: not a JSON object",
                path.display(),
                number + 1
            )
        })
    };
    lines.map(parse).collect()
}

fn text(record: &Map<String, Value>, name: &str) -> Result<String> {
    let value = record.get(name).and_then(Value::as_str);
    Ok(value
        .with_context(|| format!("there is no text `{name}`"))?
        .to_owned())
}

fn texts(record: &Map<String, Value>, name: &str) -> Result<Vec<String>> {
    let list = record.get(name).and_then(Value::as_array);
    let list = list.with_context(|| format!("there is no list `{name}`"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    list.iter()
        .map(|value| text(value).with_context(|| format!("`{name}` is not a list of texts")))
        .collect()
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
            legs.into_iter()
                .map(|leg| (leg.name, leg.cases[0].question.clone()))
                .collect()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            names(&[r#"{"id":"1","question":"誰說的？","gold_docs":["a"],"answerable":true}"#]),
            [
                pair("same-script", "誰說的？"),
                pair("other-script", "谁说的？")
            ]
        );
        assert_eq!(
            names(&[r#"{"id":"1","en":"Who?","zh":"谁？","gold_en":["e"],"gold_zh":["z"]}"#]),
            [
                pair("zh-zh", "谁？"),
                pair("zh-en", "谁？"),
                pair("en-zh", "Who?"),
                pair("en-en", "Who?")
            ]
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
        assert!(
            ids(&lines)
                .iter()
                .all(|id| id.parse::<usize>().unwrap() % 2 == 0)
        );
    }

    #[test]
    fn a_malformed_question_is_named_by_its_line() {
        for line in [
            "{}",
            "[]",
            r#"{"id":"1"}"#,
            r#"{"id":"1","question":"Who?"}"#,
        ] {
            let good = r#"{"id":"1","question":"Who?","gold_docs":["a"]}"#;
            let error = format!("{:#}", legs_of(&[good, line], 10).unwrap_err());
            assert!(error.contains("line 2"), "{error}");
        }
    }
}
