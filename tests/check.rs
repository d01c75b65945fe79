//! The check against sentences that are false on purpose and true ones in other words, both written for it.
//!
//! `tests/data/check/*.txt`: `#` begins a text of its own, `=` is a sentence of a source and `==` one that begins another
//! article, `+` a line that is true by them, `-` one that is not, after the kind of its fault.

use std::collections::BTreeMap;

use precis::compose::Quote;
use precis::compose::check::{Ground, Why, check};
use precis::text::Cite;
use precis::text::lang::detect;

const FILES: [(&str, &str); 4] = [
    ("English", include_str!("data/check/en.txt")),
    ("Simplified", include_str!("data/check/hans.txt")),
    ("Traditional", include_str!("data/check/hant.txt")),
    ("across", include_str!("data/check/cross.txt")),
];

/// How many of the lines were judged rightly, and how many there are.
#[derive(Default, Clone, Copy)]
struct Rate {
    right: usize,
    all: usize,
}

impl Rate {
    fn share(self) -> f64 {
        self.right as f64 / self.all as f64
    }
}

fn quotes(block: &str) -> Vec<Quote> {
    let mut sources: Vec<Quote> = Vec::new();
    let mut article = 0;
    for line in block.lines() {
        article += usize::from(line.starts_with("== "));
        if let Some(text) = line.strip_prefix("== ").or(line.strip_prefix("= ")) {
            let sentence = sources.iter().filter(|quote| quote.cite.article == article).count();
            let cite = Cite { article, sentence };
            sources.push(Quote { cite, start: 0, end: text.len(), text: text.to_owned() });
        }
    }
    sources
}

/// A line without the sentences that it was written from; across languages they are all of the text.
fn judged(line: &str, sources: &[Quote], ground: &Ground) -> Result<(), Why> {
    let is_han = |text: &str| detect(text) != precis::text::Lang::En;
    let across = is_han(line) != is_han(&sources[0].text);
    let home: Vec<Cite> = sources.iter().filter(|_| across).map(|quote| quote.cite).collect();
    let claim = check(line, &home, ground, detect(line))?;
    assert_eq!(claim.text(), line);
    assert!((1..=4).contains(&claim.cites().len()), "`{line}` rests on {} sentences", claim.cites().len());
    Ok(())
}

#[test]
fn false_lines_are_caught_and_true_ones_pass() {
    let mut rates: BTreeMap<String, Rate> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (language, file) in FILES {
        for block in file.split("\n# ") {
            let sources = quotes(block);
            let ground = Ground::new(&sources, &[]);
            for line in block.lines() {
                let (is_true, kind, text) = match (line.strip_prefix("+ "), line.strip_prefix("- ")) {
                    (Some(text), _) => (true, "true", text),
                    (_, Some(rest)) => {
                        let (kind, text) = rest.split_once(": ").expect("a false line has a kind");
                        (false, kind, text)
                    }
                    _ => continue,
                };
                let found = judged(text, &sources, &ground);
                let right = found.is_ok() == is_true;
                let side = if is_true { "true" } else { "false" };
                for key in [side.to_owned(), format!("{side} {language}"), format!("kind {kind}")] {
                    let rate = rates.entry(key).or_default();
                    *rate = Rate { right: rate.right + usize::from(right), all: rate.all + 1 };
                }
                if !right {
                    wrong.push(format!("{kind}: {text} {:?}", found.err()));
                }
            }
        }
    }
    let table: Vec<String> = rates.iter().map(|(key, rate)| format!("{key}: {} of {}", rate.right, rate.all)).collect();
    let table = table.join("\n");
    assert!(rates["true"].all >= 400 && rates["false"].all >= 400, "{table}");
    let (passed, caught) = (rates["true"].share(), rates["false"].share());
    assert!(passed >= 0.95 && caught >= 0.95, "{table}\n{}", wrong.join("\n"));
}
