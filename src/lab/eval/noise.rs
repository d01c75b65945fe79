//! Questions with passages that hold the answer, that do not, or that hold a false one in; how far the product's
//! answers withstand the bad ones out.
//!
//! A line is `{"id", "query", "answer", "positive", "negative"}`. `answer` lists facts that all have to be said, each a
//! text or a list of ways to put it; `positive` lists passages, or a list of them for each fact. With `positive_wrong`,
//! in which each positive passage stands with a false answer, and `fakeanswer`, false passages are planted instead.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::answers::{ask, shown, told};
use super::{Found, Lab, Outcome, Part, Set, digest_of};
use crate::corpus::{Hit, Passage, PassageSentence};
use crate::lab::cases::{id, records, sampled, text};
use crate::lab::score::text::contains_each;
use crate::text::lang::detect;
use crate::text::segment::segment;
use crate::text::{Block, BlockKind, Prose, hex};

/// The score that a search gives passages with the answer in the middle of all questions; nothing is searched here.
const SCORE: f32 = 0.13;
/// Passages that a question is answered from.
const N_PASSAGES: usize = 5;
/// The share of them that do not hold the answer.
const NOISE: [(&str, f64); 3] = [("noise 0", 0.0), ("noise 0.4", 0.4), ("noise 0.8", 0.8)];
/// The share of those with an answer that hold the false one.
const PLANTED: [(&str, f64); 3] = [("planted 0", 0.0), ("planted half", 0.5), ("planted all", 1.0)];

#[derive(Debug, Clone, PartialEq)]
struct Query {
    id: String,
    query: String,
    /// The ways to put each fact of the answer.
    facts: Vec<Vec<String>>,
    /// The same of the false answer; empty where none is planted.
    false_facts: Vec<Vec<String>>,
    /// Passages with each fact.
    positive: Vec<Vec<String>>,
    wrong: Vec<String>,
    negative: Vec<String>,
}

/// A passage and what it is.
type Given<'a> = (&'static str, &'a str);

/// Answers the questions of a file at each share of bad passages.
pub(super) fn noise(set: &Set, lab: &mut Lab<'_>) -> Result<Vec<Outcome>> {
    let queries = sampled(queries(&set.docs)?, lab.n_sample, |query| &query.id);
    let data = digest_of(&[&set.docs])?;
    let planted = queries.iter().any(|query| !query.wrong.is_empty());
    let mut outcomes = Vec::new();
    for (leg, share) in if planted { PLANTED } else { NOISE } {
        let part = Part { kind: "noise", set: &set.name, leg, data: &data };
        let items = lab.each(
            &part,
            &queries,
            |query| &query.id,
            |lab, query| {
                let given = match planted {
                    true => query.planted(share),
                    false => query.noisy(share),
                };
                judge(lab, query, given)
            },
        )?;
        outcomes.push(Outcome::of(&part, None, items, &["contains"]));
    }
    Ok(outcomes)
}

fn judge(lab: &mut Lab<'_>, query: &Query, given: Vec<Given<'_>>) -> Result<Found> {
    let began = Instant::now();
    let hits: Vec<Hit> = given.into_iter().enumerate().map(hit).collect();
    let answer = ask(lab, &query.query, |_, _| Ok(hits.clone()))?;
    let mut found = Found {
        asked: query.query.clone(),
        expected: format!("{:?}", query.facts),
        said: shown(&answer),
        ..Found::default()
    };
    let said = told(&answer);
    let holds = |facts: &[Vec<String>]| {
        let is_said = |fact: &&Vec<String>| contains_each(&said, fact, facts.len());
        facts.iter().filter(is_said).count()
    };
    let n_said = holds(&query.facts);
    found.put("contains", n_said == query.facts.len());
    if query.facts.len() > 1 {
        found.put("facts", n_said as f64 / query.facts.len() as f64);
    }
    if !query.false_facts.is_empty() {
        let is_false = holds(&query.false_facts) == query.false_facts.len();
        found.put("contains_false", is_false);
    }
    found.put("refusal", !answer.found());
    let cites = answer.claims.iter().flat_map(crate::compose::Claim::cites);
    let is_right: Vec<bool> = cites
        .map(|quote| &answer.passages[quote.cite.article].passage.path)
        .map(|path| path.starts_with("positive"))
        .collect();
    if !is_right.is_empty() {
        let n_right = is_right.iter().filter(|is_right| **is_right).count();
        found.put("citation_precision", n_right as f64 / is_right.len() as f64);
    }
    let usage = &answer.usage;
    found.put("tokens", (usage.prompt_tokens + usage.completion_tokens) as f64);
    found.put("seconds", began.elapsed().as_secs_f64());
    Ok(found)
}

impl Query {
    /// Passages of which about `share` do not hold the answer, each fact being in one at least.
    fn noisy(&self, share: f64) -> Vec<Given<'_>> {
        let most = self.positive.iter().map(Vec::len).max().unwrap_or_default();
        let in_turn = (0..most).flat_map(|i| self.positive.iter().filter_map(move |of| of.get(i)));
        let n_positive = N_PASSAGES - (share * N_PASSAGES as f64).round() as usize;
        let n_positive = n_positive.max(self.positive.len()).min(N_PASSAGES);
        let mut positive = in_turn.map(|text| ("positive", &**text));
        let mut given: Vec<Given<'_>> = positive.by_ref().take(n_positive).collect();
        given.extend(self.negatives(N_PASSAGES - given.len()));
        // Where there is too little noise, the rest are good ones.
        given.extend(positive.take(N_PASSAGES - given.len()));
        mixed(given)
    }

    /// Passages with an answer, `share` of them (rounded up) with the false one.
    fn planted(&self, share: f64) -> Vec<Given<'_>> {
        let positive: Vec<&String> = self.positive.iter().flatten().collect();
        let n = positive.len().min(self.wrong.len()).min(N_PASSAGES);
        let n_wrong = (share * n as f64).ceil() as usize;
        let wrong = self.wrong[..n_wrong].iter().map(|text| ("wrong", &**text));
        let right = positive[n_wrong..n].iter().map(|text| ("positive", &***text));
        let mut given: Vec<Given<'_>> = wrong.chain(right).collect();
        given.extend(self.negatives(N_PASSAGES - given.len()));
        mixed(given)
    }

    fn negatives(&self, n: usize) -> impl Iterator<Item = Given<'_>> {
        self.negative.iter().take(n).map(|text| ("negative", &**text))
    }
}

/// In an order that has nothing to do with what the passages are, the same each time.
fn mixed(given: Vec<Given<'_>>) -> Vec<Given<'_>> {
    let n = given.len();
    sampled(given, n, |(_, text)| text)
}

/// A passage as a search would hand it over.
fn hit((rank, (what, text)): (usize, Given<'_>)) -> Hit {
    let prose = one_block(text);
    let sentences = segment(&prose).into_iter().map(|s| PassageSentence {
        start: s.start,
        end: s.end,
        text: prose.text[s.start..s.end].to_owned(),
        is_piece: s.is_piece,
    });
    Hit {
        passage: Passage {
            path: format!("{what} {rank}"),
            sha256: hex(&Sha256::digest(&prose.text)),
            title: None,
            byline: None,
            date: None,
            lang: detect(&prose.text),
            first_sentence: 0,
            sentences: sentences.collect(),
        },
        score: SCORE - rank as f32 * 1e-3,
        also: Vec::new(),
    }
}

/// A text as one paragraph, blanks and line breaks being one blank.
pub(super) fn one_block(text: &str) -> Prose {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    Prose { blocks: vec![Block { kind: BlockKind::Paragraph, range: 0..text.len() }], text, ..Prose::default() }
}

fn queries(path: &Path) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for (number, record) in records(path)?.iter().enumerate() {
        let malformed = || format!("`{}`, line {}", path.display(), number + 1);
        queries.push(query(record).with_context(malformed)?);
    }
    ensure!(!queries.is_empty(), "`{}` has no question", path.display());
    Ok(queries)
}

fn query(record: &Map<String, Value>) -> Result<Query> {
    let lists = |name: &str| -> Result<Vec<Vec<String>>> {
        match record.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(texts).collect(),
            Some(one) => Ok(vec![texts(one)?]),
        }
    };
    let of_any = |name: &str| lists(name).with_context(|| format!("`{name}` is not as expected"));
    let mut positive = of_any("positive")?;
    if let Some(Value::Array(list)) = record.get("positive")
        && list.iter().all(Value::is_string)
    {
        positive = vec![positive.concat()];
    }
    let facts = of_any("answer")?;
    ensure!(!facts.is_empty(), "there is no `answer`");
    ensure!(!positive.is_empty(), "there is no `positive` passage");
    Ok(Query {
        id: id(record)?,
        query: text(record, "query")?,
        facts,
        false_facts: of_any("fakeanswer")?,
        positive,
        wrong: of_any("positive_wrong")?.concat(),
        negative: of_any("negative")?.concat(),
    })
}

/// A text, or a list of them.
fn texts(value: &Value) -> Result<Vec<String>> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(list) => Ok(list.iter().map(texts).collect::<Result<Vec<Vec<String>>>>()?.concat()),
        _ => bail!("{value} is no text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query_of(json: Value) -> Query {
        query(json.as_object().unwrap()).unwrap()
    }

    fn kinds(given: &[Given<'_>]) -> [usize; 3] {
        ["positive", "negative", "wrong"].map(|kind| given.iter().filter(|it| it.0 == kind).count())
    }

    #[test]
    fn passages_are_mixed_in_the_share_that_is_asked_for() {
        let texts = |what: &str| -> Vec<String> { (0..9).map(|i| format!("{what}{i}")).collect() };
        let one = query_of(serde_json::json!({"id": 1, "query": "Q", "answer": ["a"],
            "positive": texts("p"), "negative": texts("n")}));
        for (share, expected) in [(0.0, [5, 0, 0]), (0.4, [3, 2, 0]), (0.8, [1, 4, 0])] {
            assert_eq!(kinds(&one.noisy(share)), expected, "{share}");
        }
        let two = query_of(serde_json::json!({"id": "2", "query": "Q", "answer": ["a", ["b", "c"]],
            "positive": [["a1", "a2"], ["b1", "b2"]], "negative": texts("n")}));
        assert_eq!(two.facts, [vec!["a".to_owned()], vec!["b".into(), "c".into()]]);
        let given = two.noisy(0.8);
        assert_eq!(kinds(&given), [2, 3, 0]);
        assert!(given.contains(&("positive", "a1")) && given.contains(&("positive", "b1")));
        // Four good ones are all there are.
        assert_eq!(kinds(&two.noisy(0.0)), [4, 1, 0]);

        let planted = query_of(serde_json::json!({"id": "3", "query": "Q", "answer": "a",
            "fakeanswer": "x", "positive": ["p0", "p1", "p2"], "positive_wrong": ["w0", "w1", "w2"],
            "negative": texts("n")}));
        for (share, expected) in [(0.0, [3, 2, 0]), (0.5, [1, 2, 2]), (1.0, [0, 2, 3])] {
            assert_eq!(kinds(&planted.planted(share)), expected, "{share}");
        }
    }

    #[test]
    fn a_passage_comes_as_sentences() {
        let hit = hit((1, ("negative", "It rained.\n\n The wall held. ")));
        let texts: Vec<&str> = hit.passage.sentences.iter().map(|s| &*s.text).collect();
        assert_eq!(texts, ["It rained.", "The wall held."]);
    }
}
