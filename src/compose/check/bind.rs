//! A line and the sentences that it rests on in; a figure, a name or a speaker that has in the line what belongs to another
//! in the source, out. All by how near words stand to each other: nothing is parsed.

use std::collections::BTreeSet;

use super::facts::{Fact, Stated};
use super::signs::{Mark, Sign, set_of};
use super::words::Word;
use super::{Fault, Ground, Read, Why};

/// How much nearer a rival has to stand to the words of the line.
const RIVAL: f64 = 1.4;
/// And so much in any case.
const MARGIN: f64 = 0.04;
/// The same for names, whose words stand farther apart.
const NAME_RIVAL: f64 = 1.6;
const NAME_MARGIN: f64 = 0.08;
/// A clause mark between two words counts for so many words.
const CLAUSE: usize = 3;

/// How near the words of the line around `at` stand to the word `at_source` of a source.
fn nearness(own: &Read, at: usize, read: &Read, at_source: usize, counts: impl Fn(usize, &Word) -> bool) -> f64 {
    let far = |read: &Read, a: usize, b: usize| {
        let words = &read.parsed.words;
        a.abs_diff(b) + CLAUSE * words[a].clause.abs_diff(words[b].clause)
    };
    let all = || own.parsed.words.iter().enumerate().filter(|(idx, word)| *idx != at && counts(*idx, word));
    // The words of its clause, where that has others.
    let clause = own.parsed.words[at].clause;
    let alone = !all().any(|(_, word)| word.clause == clause);
    let context = all().filter(|(_, word)| alone || word.clause == clause);
    let near = context.map(|(idx, word)| {
        let same =
            read.parsed.words.iter().enumerate().filter(|(at, other)| *at != at_source && word.likeness(other) >= 0.5);
        let best = same.map(|(place, _)| 1.0 / (1.0 + far(read, place, at_source) as f64)).fold(0.0, f64::max);
        best * if word.name { 2.0 } else { 1.0 } / (1.0 + far(own, idx, at) as f64)
    });
    near.sum()
}

/// Whether a figure or a name stands in the line among the words that another of its kind has in the source.
pub(super) fn rivals(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    let cited: Vec<&Read> = cites.iter().map(|idx| &ground.reads[*idx]).collect();
    let towards = |word: &Word| matches!(&*word.folded, "from" | "to" | "by" | "由" | "从" | "至" | "到" | "比");
    for fact in &own.facts {
        let kind = std::mem::discriminant(&fact.figure.kind);
        let near = |read: &Read, source: &Fact| {
            nearness(own, fact.at, read, source.at, |idx, w| {
                let other = w.figure.is_some_and(|idx| std::mem::discriminant(&own.parsed.figures[idx].kind) != kind);
                w.content || other || towards(w) && idx + 1 == fact.at
            })
        };
        let changes = fact.at > 0 && towards(&own.parsed.words[fact.at - 1]);
        let (mut best, mut rival) = (0.0, (0.0, String::new()));
        for (read, source) in cited.iter().flat_map(|read| read.facts.iter().map(move |source| (read, source))) {
            if std::mem::discriminant(&source.figure.kind) != kind {
                continue;
            }
            let near = near(read, source);
            match fact.stated(source) >= Stated::Bound {
                true => best = f64::max(best, near),
                // A figure that the line has too stands where it belongs, but for "from 5 to 3".
                false if !changes && own.facts.iter().any(|told| told.stated(source) >= Stated::Bound) => {}
                false if near > rival.0 => rival = (near, read.parsed.text[source.figure.range()].to_owned()),
                false => {}
            }
        }
        let undoes = own.marks.iter().any(|mark| mark.sign == Sign::Undo);
        if rival.0 > RIVAL * best + MARGIN && !undoes {
            let (text, range) = (&own.parsed.text, fact.figure.range());
            let repair = format!("{}{}{}", &text[..range.start], rival.1, &text[range.end..]);
            let why =
                Why::new(Fault::Figure, format!("the source has “{}” where this has “{}”", rival.1, &text[range]));
            return Err(Why { repair: Some(repair), ..why });
        }
    }
    for member in own.members.iter().filter(|member| set_of(member).name != "role") {
        let at = member.at.0;
        let near = |read: &Read, source: usize| {
            nearness(own, at, read, source, |_, w| w.content && w.sense.is_none() || w.figure.is_some())
        };
        let (mut best, mut rival, mut has) = (0.0, 0.0, false);
        for (read, other) in cited.iter().flat_map(|read| read.members.iter().map(move |other| (read, other))) {
            match (other.set == member.set, other.member == member.member) {
                (true, true) => (best, has) = (f64::max(best, near(read, other.at.0)), true),
                (true, false) => rival = f64::max(rival, near(read, other.at.0)),
                _ => {}
            }
        }
        if has && rival > RIVAL * best + MARGIN {
            let said = &own.parsed.text[own.parsed.words[at].range.clone()];
            return Err(Why::new(Fault::Contrast, format!("“{said}” is not what the source says of this")));
        }
    }
    for (at, name) in own.parsed.words.iter().enumerate().filter(|(_, word)| word.name && word.folded.len() > 1) {
        let counts = |_: usize, word: &Word| (word.content || word.figure.is_some()) && !word.name;
        let (mut best, mut rival) = (0.0, (0.0, String::new()));
        for read in &cited {
            let has = |key: &str| read.parsed.words.iter().any(|word| word.key == key);
            let others = own.parsed.words.iter().filter(|word| word.name && word.key != name.key);
            // Who stands in another sentence may be meant by a pronoun, or go with another name of the line.
            let stands_for = read.parsed.words.iter().any(|word| PRONOUNS.contains(&&*word.folded))
                || !has(&name.key) && others.into_iter().any(|other| has(&other.key));
            for (place, other) in read.parsed.words.iter().enumerate().filter(|(_, word)| word.name) {
                let of_run = &read.parsed.words[place.saturating_sub(1)..(place + 2).min(read.parsed.words.len())];
                let told =
                    |word: &Word| (word.name || word.opens) && own.parsed.words.iter().any(|own| own.key == word.key);
                let is_told = of_run.iter().any(told);
                let near = nearness(own, at, read, place, counts);
                match other.key == name.key {
                    true => best = f64::max(best, near),
                    false if !is_told && !stands_for && near > rival.0 => {
                        rival = (near, read.parsed.text[other.range.clone()].to_owned());
                    }
                    false => {}
                }
            }
        }
        if rival.0 > NAME_RIVAL * best + NAME_MARGIN {
            let name = &own.parsed.text[name.range.clone()];
            return Err(Why::new(Fault::Person, format!("the source has “{}” where this has “{name}”", rival.1)));
        }
    }
    Ok(())
}

/// Words that stand for a person named before.
const PRONOUNS: [&str; 14] =
    ["he", "she", "they", "his", "her", "their", "him", "them", "他", "她", "他们", "她们", "其", "自己"];

/// Whether those who say something in the line say it in the source.
pub(super) fn speakers(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    for mark in own.marks.iter().filter(|mark| match mark.sign {
        Sign::Say | Sign::Think => true,
        // Who promises, expects or alleges, but not "will".
        Sign::Wish | Sign::Will | Sign::Claim => {
            speaker(own, mark).iter().any(|idx| own.parsed.words[*idx].name) && own.parsed.words[mark.at.0].content
        }
        _ => false,
    }) {
        let speakers = speaker(own, mark);
        let figures = (mark.at.1..own.parsed.words.len()).filter(|idx| own.parsed.words[*idx].figure.is_some());
        let said: Vec<usize> = mark.scope.iter().copied().chain(figures).collect();
        let said: Vec<&Word> =
            said.iter().filter(|idx| !speakers.contains(idx)).map(|idx| &own.parsed.words[*idx]).collect();
        let named = speakers.iter().any(|idx| own.parsed.words[*idx].name);
        if speakers.is_empty() || said.len() < 3 - usize::from(named) {
            continue;
        }
        let share = |read: &Read| {
            let told = said.iter().filter(|word| read.parsed.words.iter().any(|other| word.likeness(other) >= 0.6));
            told.count() as f64 / said.len() as f64
        };
        let is_by = |idx: usize| {
            let speaks = |read: &Read| {
                let keys =
                    |at: &usize| read.parsed.words.iter().any(|word| word.likeness(&own.parsed.words[*at]) >= 0.8);
                speakers.iter().any(keys)
            };
            // What follows what somebody says is often still theirs.
            let before = idx.checked_sub(1).filter(|before| ground.is_one_article(idx, *before));
            let pronoun = ground.reads[idx].parsed.words.iter().any(|word| PRONOUNS.contains(&&*word.folded));
            speaks(&ground.reads[idx]) || pronoun && before.is_some_and(|before| speaks(&ground.reads[before]))
        };
        let best = cites.iter().map(|idx| share(&ground.reads[*idx])).fold(0.0, f64::max);
        let word = &own.parsed.words[mark.at.0].key;
        let does = |idx: &usize| ground.reads[*idx].parsed.words.iter().any(|other| other.key == *word);
        // Who promises "it" promises what another sentence has.
        let promises = |idx: &usize| matches!(mark.sign, Sign::Wish | Sign::Will) && does(idx);
        let by = (0..ground.n_text).filter(|idx| is_by(*idx));
        let theirs = by.map(|idx| if promises(&idx) { 1.0 } else { share(&ground.reads[idx]) }).fold(0.0, f64::max);
        if theirs < 0.34 && best > theirs + 0.3 {
            let names: Vec<&str> =
                speakers.iter().map(|idx| &own.parsed.text[own.parsed.words[*idx].range.clone()]).collect();
            return Err(Why::new(Fault::Person, format!("the source does not have “{}” say this", names.join(" "))));
        }
    }
    Ok(())
}

/// The words that name who speaks: the names beside a word of saying, or else the words of content there.
fn speaker(own: &Read, mark: &Mark) -> Vec<usize> {
    let words = &own.parsed.words;
    let clause = words[mark.at.0].clause;
    let content = |range: std::ops::Range<usize>| -> Vec<usize> {
        range.filter(|idx| words[*idx].content && words[*idx].clause.abs_diff(clause) <= 1).collect()
    };
    let is_source = words[mark.at.0].folded == "according" || words[mark.at.0].folded == "据";
    let before = content(mark.at.0.saturating_sub(4)..mark.at.0);
    let after = content(mark.at.1..(mark.at.1 + 4).min(words.len()));
    // "…, said the mayor."
    let opens = clause > 0 && words[mark.at.0 - 1].clause != clause;
    let ends = words[words.len().min(mark.at.1 + 6) - 1].clause == clause && words.len() <= mark.at.1 + 6;
    let beside = if is_source || opens && ends { after } else { before };
    let names: Vec<usize> = beside.iter().copied().filter(|idx| words[*idx].name).collect();
    if names.is_empty() { beside } else { names }
}

/// Whether each part of the line is told by one article alone.
pub(super) fn articles(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    let all: BTreeSet<usize> = ground.quotes.iter().map(|quote| quote.cite.article).collect();
    if all.len() < 2 {
        return Ok(());
    }
    let cited: BTreeSet<usize> = cites.iter().map(|idx| ground.quotes[*idx].cite.article).collect();
    let parts = parts(own);
    if cited.len() > parts.len() + 1 {
        return Err(Why::new(Fault::Unsupported, format!("it is put together of {} articles", cited.len())));
    }
    for part in parts {
        let is_sign = |idx: &usize| {
            let at = |mark: &Mark| mark.at.0 <= *idx && *idx < mark.at.1;
            own.marks.iter().any(|mark| mark.sign != Sign::Ground && at(mark))
        };
        let words: Vec<&Word> = part.iter().filter(|idx| !is_sign(idx)).map(|idx| &own.parsed.words[*idx]).collect();
        let of = |article: usize| -> Vec<f64> {
            let reads = (0..ground.reads.len()).filter(|idx| ground.quotes[*idx].cite.article == article);
            let reads: Vec<&Read> = reads.map(|idx| &ground.reads[idx]).collect();
            words.iter().map(|word| says(own, word, &reads)).collect()
        };
        let told: Vec<Vec<f64>> = all.iter().map(|article| of(*article)).collect();
        let weight = |word: &Word| if word.name || word.figure.is_some() { 2.0 } else { 1.0 };
        let sum = |told: &[f64]| told.iter().zip(&words).map(|(t, w)| t * weight(w)).sum::<f64>();
        let together: Vec<f64> =
            (0..words.len()).map(|n| told.iter().map(|told| told[n]).fold(0.0, f64::max)).collect();
        let best = told.iter().max_by(|a, b| sum(a).total_cmp(&sum(b))).cloned().unwrap_or_default();
        let is_lost = |n: &usize| together[*n] - best[*n] >= 0.8 && super::support::weight(words[*n]) >= 0.5;
        let lost = (0..words.len()).find(|n| is_lost(n) && !ground.is_asked(words[*n]));
        let total: f64 = words.iter().map(|word| weight(word)).sum();
        if 2.0 * sum(&best) < total {
            return Err(Why::new(Fault::Unsupported, "no one article says this"));
        }
        if let Some(lost) = lost.filter(|_| sum(&together) - sum(&best) >= 0.12 * total) {
            let word = &own.parsed.text[words[lost].range.clone()];
            return Err(Why::new(Fault::Person, format!("“{word}” is of another article than the rest of it")));
        }
    }
    Ok(())
}

/// Whether what each part of a line says of the first whom it names is said of them: no other whom the line names stands in
/// their place in the sentence that says most of it, or nearer before it.
pub(super) fn owners(own: &Read, ground: &Ground) -> Result<(), Why> {
    /// How many sentences back a name is looked for.
    const BACK: usize = 3;
    let words = &own.parsed.words;
    let written = |word: &Word| own.parsed.text[word.range.clone()].to_owned();
    for part in parts(own) {
        // The first word of a line has a capital in any case.
        let is_name = |word: &&Word| word.name || word.opens && ground.names.is_name(&written(word));
        let Some(owner) = part.iter().map(|idx| &words[*idx]).find(is_name) else { continue };
        let rivals: Vec<&Word> = words.iter().filter(|word| word.name && word.key != owner.key).collect();
        let said: Vec<&Word> = part.iter().map(|idx| &words[*idx]).filter(|word| !word.name).collect();
        if rivals.is_empty() || said.len() < 3 {
            continue;
        }
        let n_told = |idx: &usize| {
            let others = &ground.reads[*idx].parsed.words;
            said.iter().filter(|word| others.iter().any(|other| word.likeness(other) >= 0.8)).count()
        };
        let best = (0..ground.n_text).max_by_key(|idx| (n_told(idx), std::cmp::Reverse(*idx)));
        let Some(best) = best.filter(|best| 2 * n_told(best) >= said.len()) else { continue };
        let before = (best.saturating_sub(BACK)..=best).rev().filter(|idx| ground.is_one_article(*idx, best));
        for read in before.map(|idx| &ground.reads[idx]) {
            let names = |name: &Word| read.parsed.words.iter().any(|word| word.key == name.key);
            if names(owner) {
                break;
            }
            // "She opposed it" is about somebody named before.
            let is_open = std::ptr::eq(read, &ground.reads[best])
                && read.parsed.words.iter().any(|word| PRONOUNS.contains(&&*word.folded));
            if let Some(rival) = rivals.iter().find(|rival| names(rival)).filter(|_| !is_open) {
                let (rival, owner) = (written(rival), written(owner));
                return Err(Why::new(
                    Fault::Person,
                    format!("the source says of “{rival}” what this says of “{owner}”"),
                ));
            }
        }
    }
    Ok(())
}

fn says(own: &Read, word: &Word, reads: &[&Read]) -> f64 {
    if let Some(fact) =
        word.figure.and_then(|_| own.facts.iter().find(|fact| own.parsed.words[fact.at].range == word.range))
    {
        let states = |read: &&Read| read.facts.iter().any(|source| fact.stated(source) >= Stated::Unit);
        return f64::from(u8::from(reads.iter().any(states)));
    }
    let within = |read: &&Read| word.is_han() && read.parsed.folded.contains(&word.key);
    let alike = reads.iter().flat_map(|read| read.parsed.content().map(|(_, other)| word.likeness(other)));
    if reads.iter().any(within) { 1.0 } else { alike.fold(0.0, f64::max) }
}

/// The line parted at its clauses and at "and", the words of content and the figures of each; short parts go with the one
/// before, so that each has somebody to speak of.
fn parts(own: &Read) -> Vec<Vec<usize>> {
    const JOINTS: [&str; 8] = ["and", "while", "but", "whereas", "而", "但", "并", "则"];
    let mut parts: Vec<Vec<usize>> = vec![Vec::new()];
    let mut last = None;
    for (idx, word) in own.parsed.words.iter().enumerate() {
        let breaks = last.is_some_and(|clause| clause != word.clause) || JOINTS.contains(&&*word.folded);
        last = Some(word.clause);
        if breaks && parts.last().is_some_and(|part| part.len() >= 3) {
            parts.push(Vec::new());
        }
        if word.content || word.figure.is_some() {
            parts.last_mut().expect("there is a part").push(idx);
        }
    }
    parts
}
