//! Evidence in, the lines that a summary should be made of out. No model: where a sentence stands, and how much of
//! what the article keeps saying it says.
//!
//! The score follows the two oldest findings on news: the opening carries the story (the lead baseline of the
//! DUC/TREC evaluations), and central sentences share words with many others (LexRank, Erkan and Radev 2004). Lines
//! are then taken one by one by maximal marginal relevance (Carbonell and Goldstein 1998), so that none says again
//! what a chosen one said.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Evidence, Line};
use crate::corpus::terms::terms;
use crate::text::BlockKind;
use crate::text::figures::figures;

/// Weights of terms. Ordered, so that sums come out the same to the last bit on every run.
type Vector = BTreeMap<String, f64>;

/// What one line of evidence is worth.
pub struct Salience {
    /// The score of each line; 0 for what can not carry a point, a heading for instance.
    pub score: Vec<f64>,
    vectors: Vec<Vector>,
}

/// How much similarity to what was chosen counts against a line.
const REDUNDANCY: f64 = 0.7;
/// A line of which more stands in quotation marks is what somebody said, not what happened.
const MOSTLY: f64 = 0.8;
/// Above this similarity two lines say the same.
const SAME: f64 = 0.75;

impl Salience {
    /// Scores each line of `evidence`; `title` pulls up the lines that share its words.
    pub fn new(evidence: &Evidence, title: Option<&str>) -> Salience {
        let vectors = tf_idf(&evidence.lines);
        let centroid = centroid(&vectors);
        let title: BTreeSet<String> = title.map(terms).unwrap_or_default().into_iter().collect();
        let quoted = quoted_shares(&evidence.lines);
        let mut position = 0;
        let mut score = Vec::with_capacity(vectors.len());
        for ((line, vector), quoted) in evidence.lines.iter().zip(&vectors).zip(quoted) {
            if !can_carry_a_point(line) || quoted > MOSTLY {
                score.push(0.0);
                continue;
            }
            let lead = 1.0 / (1.0 + 0.12 * position as f64);
            position += 1;
            let in_title = title.iter().filter(|t| vector.contains_key(*t)).count() as f64;
            let titled = in_title / title.len().max(1) as f64;
            let figured = if figures(&line.text).is_empty() { 0.0 } else { 0.05 };
            let worth = lead + 0.5 * cosine(vector, &centroid) + 0.2 * titled + figured - 0.4 * quoted;
            score.push(worth.max(0.01));
        }
        Salience { score, vectors }
    }

    /// The best line that is not among `taken` and says something that they do not; `None` when nothing is left.
    pub fn next(&self, taken: &[usize]) -> Option<usize> {
        let open = (0..self.score.len()).filter(|i| self.score[*i] > 0.0 && !taken.contains(i));
        let rated = open.filter_map(|i| {
            let closest = taken.iter().map(|&t| self.similarity(i, t)).fold(0.0, f64::max);
            (closest < SAME).then(|| (i, self.score[i] - REDUNDANCY * closest))
        });
        rated.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
    }

    /// Cosine of the tf-idf vectors of two lines, 0 to 1.
    pub fn similarity(&self, a: usize, b: usize) -> f64 {
        cosine(&self.vectors[a], &self.vectors[b])
    }
}

/// Headings, questions, fragments, endless lines and what somebody says of himself make no good point.
fn can_carry_a_point(line: &Line) -> bool {
    const SELF: [&str; 9] = ["I", "We", "we", "My", "my", "Our", "our", "us", "me"];
    let n_words = super::ground::words(&line.text).len();
    let asks = line.text.trim_end().ends_with(['?', '？']);
    let mut written = line.text.split(|c: char| !c.is_alphanumeric());
    let speaks = written.any(|word| SELF.contains(&word)) || line.text.contains('我');
    line.kind != BlockKind::Heading && !asks && !speaks && (7..=160).contains(&n_words)
}

/// The share of each line that stands in quotation marks, 0 to 1. A quotation may go on through the lines of a block.
fn quoted_shares(lines: &[Line]) -> Vec<f64> {
    let mut inside = false;
    let mut block = None;
    let share = |line: &Line| {
        inside &= block.replace(line.block) == Some(line.block);
        let mut quoted = 0;
        let mut total = 0;
        for c in line.text.chars() {
            match c {
                '“' | '「' | '『' => inside = true,
                '”' | '」' | '』' => inside = false,
                '"' => inside = !inside,
                _ => {}
            }
            total += 1;
            quoted += usize::from(inside);
        }
        quoted as f64 / total.max(1) as f64
    };
    lines.iter().map(share).collect()
}

/// Unit tf-idf vectors of the lines.
fn tf_idf(lines: &[Line]) -> Vec<Vector> {
    let counts: Vec<Vector> = lines
        .iter()
        .map(|line| {
            let mut count = Vector::new();
            for term in terms(&line.text) {
                *count.entry(term).or_insert(0.0) += 1.0;
            }
            count
        })
        .collect();
    let mut frequency: BTreeMap<&str, f64> = BTreeMap::new();
    for term in counts.iter().flat_map(|c| c.keys()) {
        *frequency.entry(term).or_insert(0.0) += 1.0;
    }
    let n = lines.len() as f64;
    let weigh = |count: &Vector| {
        let weighed = count.iter().map(|(term, tf)| {
            let idf = (1.0 + n / frequency[term.as_str()]).ln();
            (term.clone(), tf * idf)
        });
        unit(weighed.collect())
    };
    counts.iter().map(weigh).collect()
}

fn centroid(vectors: &[Vector]) -> Vector {
    let mut sum = Vector::new();
    for (term, weight) in vectors.iter().flatten() {
        *sum.entry(term.clone()).or_insert(0.0) += weight;
    }
    unit(sum)
}

fn unit(mut vector: Vector) -> Vector {
    let length = vector.values().map(|w| w * w).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.values_mut().for_each(|w| *w /= length);
    }
    vector
}

fn cosine(a: &Vector, b: &Vector) -> f64 {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let shared = small.iter().filter_map(|(t, w)| Some(w * large.get(t)?));
    shared.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(block: usize, text: &str) -> Line {
        Line { text: text.to_owned(), cites: Vec::new(), kind: BlockKind::Paragraph, block }
    }

    #[test]
    fn speech_counts_as_speech_until_its_quotation_mark_closes() {
        let lines = [
            line(0, "The mayor said: “We were late."),
            line(0, "We had no plan.”"),
            line(0, "The quay opens in March."),
            line(1, "“Nobody asked us."),
            line(2, "The council votes in May."),
        ];
        let quoted: Vec<bool> = quoted_shares(&lines).iter().map(|q| *q > MOSTLY).collect();
        assert_eq!(quoted, [false, true, false, true, false]);
    }

    #[test]
    fn lines_are_taken_once_and_none_says_again_what_another_said() {
        let evidence = Evidence {
            lines: vec![
                line(0, "The town of Ostrel will build a new ferry quay for 4.2 million euros."),
                line(1, "Ostrel, the town, will build a new quay for ferries for 4.2 million euros."),
                line(2, "Fishermen fear that they will lose the northern basin of the harbour."),
                line(3, "Who will pay for it, the council did not say, did it?"),
            ],
            sources: Vec::new(),
        };
        let salience = Salience::new(&evidence, Some("New ferry quay in Ostrel"));
        let mut taken = Vec::new();
        while let Some(next) = salience.next(&taken) {
            taken.push(next);
        }
        assert_eq!(taken, [0, 2]);
    }
}
