//! The words of a sentence in, what limits them out: denials, plans, doubts, claims, conditions, retractions and bounds,
//! each with the words that it reaches. And the names of contrasts: Monday is no Tuesday, a mayor no minister.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::words::{Parsed, key_of};

/// What a sign makes of the words that it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sign {
    Deny,
    Will,
    May,
    Wish,
    Claim,
    Think,
    Say,
    Undo,
    If,
    Done,
    /// A reason is given.
    Cause,
    /// What may give one: "after", "citing".
    Ground,
}

/// What a figure is the limit of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Bound {
    Over,
    Least,
    Under,
    Most,
    About,
}

/// A sign in a sentence.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub sign: Sign,
    /// The first of its words, and one past the last.
    pub at: (usize, usize),
    /// The words of content that it reaches, the nearest first.
    pub scope: Vec<usize>,
}

/// A word of a contrast in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub set: usize,
    pub member: usize,
    pub at: (usize, usize),
}

/// A set of names of which one excludes the others.
pub(super) struct Set {
    pub name: &'static str,
    /// Whether a member has to stand in the source itself.
    pub strict: bool,
    /// Whether it has two members, and each is the other denied.
    pub pair: bool,
}

struct Table<T> {
    entries: HashMap<String, T>,
    /// The most words of an entry.
    longest: usize,
}

impl<T: Copy> Table<T> {
    fn new() -> Table<T> {
        Table { entries: HashMap::new(), longest: 1 }
    }

    fn add(&mut self, phrase: &str, value: T) {
        let exact = phrase.strip_prefix('.');
        let words: Vec<String> = match exact {
            Some(phrase) => vec![format!(".{phrase}")],
            None => phrase.split(' ').map(key_of).collect(),
        };
        self.longest = self.longest.max(exact.unwrap_or(phrase).split(' ').count());
        self.entries.entry(words.join(" ")).or_insert(value);
    }

    /// The longest entry at word `i`, and one past its last word.
    fn at(&self, parsed: &Parsed, i: usize) -> Option<(usize, T)> {
        let most = (i + self.longest.max(4)).min(parsed.words.len());
        (i + 1..=most).rev().find_map(|end| {
            let words = &parsed.words[i..end];
            if words.iter().any(|word| word.clause != words[0].clause) {
                return None;
            }
            let glue = if words[0].is_han() { "" } else { " " };
            let join = |of: fn(&super::words::Word) -> &str| words.iter().map(of).collect::<Vec<_>>().join(glue);
            let found = self.entries.get(&join(|word| &word.key));
            let found = found.or_else(|| self.entries.get(&format!(".{}", join(|word| &word.folded))));
            Some((end, *found?))
        })
    }
}

struct Tables {
    signs: Table<Sign>,
    before: Table<Bound>,
    after: Table<Bound>,
    members: Table<(usize, usize)>,
    sets: Vec<Set>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables {
        signs: Table::new(),
        before: Table::new(),
        after: Table::new(),
        members: Table::new(),
        sets: Vec::new(),
    };
    for (class, phrases) in entries(include_str!("signs.txt")) {
        for phrase in phrases.split(", ") {
            use Sign::*;
            match class {
                "deny" => tables.signs.add(phrase, Deny),
                "will" => tables.signs.add(phrase, Will),
                "may" => tables.signs.add(phrase, May),
                "wish" => tables.signs.add(phrase, Wish),
                "claim" => tables.signs.add(phrase, Claim),
                "think" => tables.signs.add(phrase, Think),
                "say" => tables.signs.add(phrase, Say),
                "undo" => tables.signs.add(phrase, Undo),
                "if" => tables.signs.add(phrase, If),
                "done" => tables.signs.add(phrase, Done),
                "cause" => tables.signs.add(phrase, Cause),
                "ground" => tables.signs.add(phrase, Ground),
                _ => {
                    let (class, place) = class.split_once(' ').unwrap_or((class, "before"));
                    let bound = match class {
                        "over" => Bound::Over,
                        "least" => Bound::Least,
                        "under" => Bound::Under,
                        "most" => Bound::Most,
                        _ => Bound::About,
                    };
                    let table = if place == "after" { &mut tables.after } else { &mut tables.before };
                    table.add(phrase, bound);
                }
            }
        }
    }
    for (name, members) in entries(include_str!("contrast.txt")) {
        let set = tables.sets.len();
        for (member, phrases) in members.split(" / ").enumerate() {
            for phrase in phrases.split(", ") {
                tables.members.add(phrase, (set, member));
            }
        }
        let (strict, pair) = (name.starts_with('!'), name.starts_with('='));
        tables.sets.push(Set { name: name.trim_start_matches(['!', '=']), strict, pair });
    }
    tables
});

fn entries(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "))
}

/// The set of a member.
pub(super) fn set_of(member: &Member) -> &'static Set {
    &TABLES.sets[member.set]
}

/// The signs of a sentence, in its order.
pub(super) fn marks(parsed: &Parsed) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut i = 0;
    while i < parsed.words.len() {
        // The "no" of "no more than" denies nothing.
        if let Some((end, _)) = TABLES.before.at(parsed, i).filter(|(end, _)| *end > i + 1) {
            i = end;
            continue;
        }
        match TABLES.signs.at(parsed, i).filter(|(end, sign)| !is_other(parsed, i, *end, *sign)) {
            Some((end, sign)) => {
                let scope = scope(parsed, i, end, sign);
                marks.push(Mark { sign, at: (i, end), scope });
                i = end;
            }
            None => i += 1,
        }
    }
    // What denies a denial reaches what that one reaches: "was not ruled out".
    let denials: Vec<Mark> = marks.iter().filter(|mark| mark.sign == Sign::Deny).cloned().collect();
    for mark in marks.iter_mut().filter(|mark| mark.sign == Sign::Deny) {
        let own = mark.scope.clone();
        for other in denials.iter().filter(|other| own.contains(&other.at.0)) {
            let new: Vec<usize> = other.scope.iter().copied().filter(|idx| !mark.scope.contains(idx)).collect();
            mark.scope.extend(new);
        }
    }
    marks
}

/// 类似的计划: a plan that is spoken of is no plan of the sentence's own; and 将 before a noun is 把.
fn is_other(parsed: &Parsed, start: usize, end: usize, sign: Sign) -> bool {
    if !matches!(sign, Sign::Will | Sign::May | Sign::Wish) || !parsed.words[start].is_han() {
        return false;
    }
    if parsed.words[start].folded == "将" {
        return parsed
            .words
            .get(end)
            .is_some_and(|next| next.noun || next.name || next.figure.is_some() && !is_date(parsed, end));
    }
    let before = start.checked_sub(1).map(|idx| &parsed.words[idx].folded);
    let determined = before.is_some_and(|word| ["的", "该", "此", "这", "项", "个", "这项", "该项"].contains(&&**word));
    let word = &parsed.words[start];
    let ends = parsed.words.get(end).is_none_or(|next| next.clause != word.clause);
    word.folded.chars().count() > 1 && (determined || ends)
}

fn is_date(parsed: &Parsed, at: usize) -> bool {
    let figure = parsed.words[at].figure.map(|idx| parsed.figures[idx].kind);
    matches!(figure, Some(crate::text::figures::Kind::Date { .. } | crate::text::figures::Kind::Time { .. }))
}

/// The words of content that a sign at `start..end` reaches.
fn scope(parsed: &Parsed, start: usize, end: usize, sign: Sign) -> Vec<usize> {
    let own = parsed.words[start].clause;
    let all = || parsed.content().map(|(idx, _)| idx);
    let reached = |idx: usize| idx >= end && !breaks(parsed, end, idx);
    let in_clause: Vec<usize> = all().filter(|idx| reached(*idx)).collect();
    let before = || all().filter(|idx| *idx < start && parsed.words[*idx].clause == own).rev().collect::<Vec<_>>();
    match sign {
        Sign::Undo | Sign::If => all().filter(|idx| *idx < start || *idx >= end).collect(),
        Sign::Claim | Sign::Say => {
            let short = all().filter(|idx| *idx >= end && parsed.words[*idx].clause == own).count() <= 2;
            let last = parsed.words.last().is_none_or(|word| word.clause <= own + 1);
            let trailing = own > 0 && short && last || in_clause.is_empty();
            let heads = |idx: &usize| trailing || sign == Sign::Claim && parsed.words[*idx].clause == own;
            all().filter(|idx| *idx >= end || *idx < start && heads(idx)).collect()
        }
        Sign::Deny | Sign::Will if in_clause.is_empty() || is_passive(parsed, start) => before(),
        _ => in_clause,
    }
}

/// "Was rejected by the council": what is denied stands before.
fn is_passive(parsed: &Parsed, at: usize) -> bool {
    const BE: [&str; 8] = ["is", "are", "was", "were", "be", "been", "being", "got"];
    parsed.words.get(at + 1).is_none_or(|next| next.folded != "to")
        && parsed.words[at].past
        && parsed.words[at.saturating_sub(2)..at].iter().any(|word| BE.contains(&&*word.folded))
}

/// Whether something between a sign that ends at `end` and the word `idx` ends what the sign reaches.
fn breaks(parsed: &Parsed, end: usize, idx: usize) -> bool {
    const TURNS: [&str; 12] =
        ["but", "while", "although", "though", "whereas", "because", "which", "who", "where", "when", "但", "而"];
    let words = &parsed.words[end..=idx];
    let first = parsed.words[end - 1].clause;
    let turned = words.iter().any(|word| TURNS.contains(&&*word.folded));
    // "Bakes without sugar and refuses to …".
    let is_verb = |word: &super::words::Word| word.past || word.verb || !word.is_han() && word.folded.ends_with('s');
    let verbs = words.windows(2).any(|pair| matches!(&*pair[0].folded, "and" | "并" | "且") && is_verb(&pair[1]));
    turned || verbs || words.last().is_some_and(|word| word.clause != first) || words.len() > 16
}

/// The Chinese titles of persons.
pub(super) fn han_titles() -> impl Iterator<Item = &'static str> {
    let role = TABLES.sets.iter().position(|set| set.name == "role");
    let titles = TABLES.members.entries.iter().filter(move |(_, member)| Some(member.0) == role);
    titles.map(|(title, _)| title.as_str()).filter(|title| title.starts_with(crate::text::script::is_han))
}

/// The members of contrasts in a sentence; their words are marked with them.
pub(super) fn members(parsed: &mut Parsed) -> Vec<Member> {
    let mut members = Vec::new();
    let mut i = 0;
    while i < parsed.words.len() {
        match TABLES.members.at(parsed, i) {
            Some((end, (set, member))) => {
                members.push(Member { set, member, at: (i, end) });
                for word in &mut parsed.words[i..end] {
                    word.sense = (end == i + 1).then_some((set, member));
                    // A day has a capital, and is nobody's name.
                    word.name &= !matches!(TABLES.sets[set].name, "weekday" | "role");
                    word.verb |= TABLES.sets[set].pair && word.is_han();
                }
                i = end;
            }
            None => {
                // 农业部长 is a 部长.
                let word = &parsed.words[i];
                let titles = word.is_han().then(han_titles).into_iter().flatten();
                let title = titles.filter(|title| word.folded.ends_with(title)).max_by_key(|title| title.len());
                if let Some((set, member)) = title.and_then(|title| TABLES.members.entries.get(title)) {
                    members.push(Member { set: *set, member: *member, at: (i, i + 1) });
                }
                i += 1;
            }
        }
    }
    members
}

/// The bound that stands beside the figure at word `at`, with the words that set it.
pub(super) fn bound(parsed: &Parsed, at: usize) -> Option<(Bound, std::ops::Range<usize>)> {
    let words = &parsed.words;
    let clause = words[at].clause;
    let gaps = if parsed.han { 3 } else { 2 };
    for gap in 0..gaps.min(at + 1) {
        let end = at - gap;
        let between = &words[end..at];
        if between.iter().any(|word| word.clause != clause || word.figure.is_some()) {
            break;
        }
        let starts = end.saturating_sub(4)..end;
        let found = starts.filter_map(|start| match TABLES.before.at(parsed, start) {
            Some((stop, bound)) if stop == end && words[start].clause == clause => Some((bound, start..end)),
            _ => None,
        });
        // "Some" and "over" mean a bound only beside the figure.
        let found = found.min_by_key(|(_, range)| range.start);
        if let Some(found) =
            found.filter(|(_, range)| gap == 0 || range.len() > 1 || words[range.start].folded.len() > 4)
        {
            return Some(found);
        }
    }
    let most = (at + 4).min(words.len());
    (at + 1..most).find_map(|start| {
        let (end, bound) = TABLES.after.at(parsed, start)?;
        (words[start].clause == clause).then_some((bound, start..end))
    })
}
