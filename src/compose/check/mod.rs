//! A sentence and the sources in, a claim with the sentences that support it out, or what speaks against it. The one
//! door: whoever wrote the sentence, a model, a rule or the article itself, what is shown has passed here.
//!
//! Nothing that a writer says about its own sources is believed. The sentences that say it best together are sought
//! first; then the line is laid beside them: figures, names, what is denied, planned, doubted and alleged, who does what
//! to whom, and how much of it stands there at all. Between two languages words cannot be compared; there figures, names
//! and contrasts are, and the rest is somebody else's to judge.

use std::collections::{HashMap, HashSet};

use super::Quote;
use crate::text::figures::Kind;
use crate::text::fold::fold_str;
use crate::text::lang::foreign_script_chars;
use crate::text::script::is_han;
use crate::text::{Cite, Lang};

mod bind;
mod facts;
mod names;
mod sense;
mod signs;
mod support;
mod words;

use facts::{Fact, Stated};
use signs::{Mark, Member};
use words::Parsed;

/// A sentence of the output that has passed the check, with the source sentences that support it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    text: String,
    cites: Vec<Quote>,
}

impl Claim {
    /// The sentence, without citation marks.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What supports it: one to four sentences of an article, in its order; in an overview of each article that says it.
    pub fn cites(&self) -> &[Quote] {
        &self.cites
    }

    /// A claim that nothing has checked, for tests of what shows claims.
    #[cfg(test)]
    pub(crate) fn unchecked(text: &str, cites: Vec<Quote>) -> Claim {
        Claim { text: text.to_owned(), cites }
    }

    /// Cites the sentences of another article that say it too.
    pub(super) fn said_too(&mut self, same: Claim) {
        debug_assert_eq!(self.text, same.text);
        self.cites.extend(same.cites);
    }

    /// The claim where its articles have other numbers: article `n` is now number `places[n]`.
    pub(super) fn among(mut self, places: &[usize]) -> Claim {
        self.cites.iter_mut().for_each(|quote| quote.cite.article = places[quote.cite.article]);
        self
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is in another language or script than asked for.
    Language,
    /// A figure that the source does not have.
    Figure,
    /// A figure in another unit or currency, or of something else.
    Unit,
    /// A figure that is the limit of something else.
    Bound,
    /// A name that the source does not have.
    Name,
    /// A name with somebody else's title, deed or words.
    Person,
    /// It denies, or leaves a denial out.
    Denial,
    /// It tells as done what is planned or possible, or the reverse.
    Mood,
    /// It tells as true what somebody claims, or what was taken back.
    Hearsay,
    /// It says the contrary, or another day, season or role.
    Contrast,
    /// It says who did what to whom the other way round.
    Direction,
    /// It gives a reason that the source does not give.
    Cause,
    /// It leaves out when this was, or says when the article was written instead.
    Day,
    /// Too little of it stands in the source.
    Unsupported,
}

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The kind of fault.
    pub fault: Fault,
    /// For people: "the figure 40 % is not in the source".
    pub text: String,
    /// The line as it would pass, where there is only one way to mend it.
    pub repair: Option<String>,
    /// The claim that a line in another language than its sources is if somebody who understands both says that they say this:
    /// everything that can be compared holds.
    doubted: Option<Box<Claim>>,
    /// The sentences of the sources that say most of the line.
    sayers: Vec<Quote>,
}

impl Why {
    /// The sentences of the sources that together say most of the line, if some do: what may be told in its place.
    pub fn sayers(&self) -> &[Quote] {
        &self.sayers
    }

    /// The claim, if the doubt about it is overruled; what it cites is what decides.
    pub(super) fn doubted(&self) -> Option<&Claim> {
        self.doubted.as_deref()
    }

    fn new(fault: Fault, text: impl Into<String>) -> Why {
        Why { fault, text: text.into(), repair: None, doubted: None, sayers: Vec::new() }
    }
}

/// A sentence, read: all that is compared of it.
#[derive(Debug, Clone)]
struct Read {
    parsed: Parsed,
    facts: Vec<Fact>,
    marks: Vec<Mark>,
    members: Vec<Member>,
}

impl Read {
    fn new(text: &str, names: &[String]) -> Read {
        let mut parsed = Parsed::new(text, names);
        let members = signs::members(&mut parsed);
        Read { facts: facts::facts(&parsed), marks: signs::marks(&parsed), members, parsed }
    }

    /// Whether it is another sentence word for word.
    fn is_whole(&self, other: &Read) -> bool {
        let [own, other] = [self, other].map(|read| read.parsed.folded.trim_end_matches(['.', '。']));
        own == other
    }
}

/// Source sentences, made ready to be compared with lines.
pub struct Ground {
    quotes: Vec<Quote>,
    reads: Vec<Read>,
    /// The sentences that have a word, by its key.
    index: HashMap<String, Vec<usize>>,
    names: names::Known,
    /// How many of the sentences, at the front, are of the text; the rest are titles, bylines and dates.
    n_text: usize,
    /// The words of the question, folded, and all of it: who asked has said how things are called, and which day is meant.
    asked: HashSet<String>,
    asked_text: String,
}

impl Ground {
    /// The ground of an answer to `question`.
    pub fn asked(mut self, question: &str) -> Ground {
        let words = Parsed::new(question, &self.names.han).words;
        self.asked = words.into_iter().map(|word| word.folded).collect();
        self.asked_text = fold_str(question);
        self
    }

    /// Whether a word of a line is the question's.
    fn is_asked(&self, word: &words::Word) -> bool {
        self.asked.contains(&word.folded) || word.is_han() && self.asked_text.contains(&word.folded)
    }

    /// Whether a figure of a line is the question's.
    fn is_asked_figure(&self, line: &Read, fact: &Fact) -> bool {
        self.asked_text.contains(&fold_str(&line.parsed.text[fact.figure.range()]))
    }

    /// Reads the sentences of the articles once; `facts` are what stands beside their text, a title or a byline each, with
    /// the cite to be given for it.
    pub fn new(sources: &[Quote], facts: &[Quote]) -> Ground {
        let quotes: Vec<Quote> = sources.iter().chain(facts).cloned().collect();
        let names = names::Known::new(&quotes);
        let reads: Vec<Read> = quotes.iter().map(|quote| Read::new(&quote.text, &names.han)).collect();
        let mut index: HashMap<String, Vec<usize>> = HashMap::new();
        for (idx, read) in reads.iter().enumerate() {
            let keys: HashSet<&String> = read.parsed.content().map(|(_, word)| &word.key).collect();
            for key in keys {
                index.entry(key.clone()).or_default().push(idx);
            }
        }
        Ground { quotes, reads, index, names, n_text: sources.len(), asked: HashSet::new(), asked_text: String::new() }
    }

    /// How rare a word is, in nats.
    fn weight(&self, key: &str) -> f64 {
        let n = self.index.get(key).map_or(0, Vec::len);
        (1.0 + self.reads.len() as f64 / (1.0 + n as f64)).ln()
    }

    /// Whether two sentences stand in one article.
    fn is_one_article(&self, a: usize, b: usize) -> bool {
        self.quotes[a].cite.article == self.quotes[b].cite.article
    }
}

/// Whether the sources say what `line` says: the claim, or why not. `home` are the sentences that it was written from, as
/// far as that is known; they win ties, and stand for the line where it is in another language. `lang` is the language
/// that the line has to be in.
pub fn check(line: &str, home: &[Cite], ground: &Ground, lang: Lang) -> Result<Claim, Why> {
    let claim = judge(line, home, ground, lang);
    claim.map_err(|mut why| {
        // A repair is certain only if the line passes with it, and is still in one language.
        let n_han = |text: &str| text.chars().filter(|c| is_han(*c)).count();
        let is_pure = |mended: &String| lang != Lang::En || n_han(mended) <= n_han(line);
        why.repair = why.repair.filter(|mended| is_pure(mended) && judge(mended, home, ground, lang).is_ok());
        let sayers = support::sayers(&Read::new(line, &ground.names.han), ground);
        why.sayers = sayers.into_iter().map(|idx| ground.quotes[idx].clone()).collect();
        why
    })
}

/// Whether a claim, made once before, still stands: its figures in the sentences that it cites, its names in the sources.
/// That is all of the check that needs neither the prompt that the line was written to nor a model's word.
pub fn stands(line: &str, cites: &[Cite], ground: &Ground) -> Result<(), Why> {
    let own = Read::new(line, &ground.names.han);
    let cites: Vec<usize> = (0..ground.quotes.len()).filter(|idx| cites.contains(&ground.quotes[*idx].cite)).collect();
    if cites.iter().any(|idx| own.is_whole(&ground.reads[*idx])) {
        return Ok(());
    }
    let is_foreign = support::is_foreign(&own, &cites, ground);
    names::known(&own, ground, is_foreign)?;
    stated(&own, &cites, ground, is_foreign)
}

fn judge(line: &str, home: &[Cite], ground: &Ground, lang: Lang) -> Result<Claim, Why> {
    let own = Read::new(line, &ground.names.han);
    in_language(&own.parsed, lang)?;
    in_one_language(&own.parsed, ground)?;
    let claim = |mut cites: Vec<usize>| {
        cites.sort_by_key(|idx| ground.quotes[*idx].cite);
        Claim { text: line.to_owned(), cites: cites.into_iter().map(|idx| ground.quotes[idx].clone()).collect() }
    };
    if let Some(idx) = ground.reads[..ground.n_text].iter().position(|read| own.is_whole(read)) {
        return Ok(claim(vec![idx]));
    }
    let home: Vec<usize> = (0..ground.quotes.len()).filter(|idx| home.contains(&ground.quotes[*idx].cite)).collect();
    let is_foreign = support::is_foreign(&own, &home, ground);
    names::known(&own, ground, is_foreign)?;
    let support = support::find(&own, &home, ground, is_foreign)?;
    of_the_matter(&own.parsed, &support.cites, ground)?;
    stated(&own, &support.cites, ground, is_foreign)?;
    sense::contrasts(&own, &support.cites, ground, is_foreign)?;
    if !is_foreign {
        names::roles(&own, &support.cites, ground)?;
        bind::speakers(&own, &support.cites, ground)?;
        bind::rivals(&own, &support.cites, ground)?;
        bind::articles(&own, &support.cites, ground)?;
    }
    support.enough()?;
    let sense = || {
        sense::signs(&own, &support.cites, ground)?;
        sense::directions(&own, &support.cites, ground)?;
        bind::owners(&own, ground)?;
        spoken_of(&own, &support.cites, ground)?;
        dated(&own, &support.cites, ground)
    };
    let doubt = match is_foreign {
        false => sense(),
        // What was translated has been checked in its own language; a figure is held against the sources.
        true if !home.is_empty() || own.facts.iter().any(|fact| !ground.is_asked_figure(&own, fact)) => Ok(()),
        true => Err(Why::new(Fault::Unsupported, "it is in another language than its sources")),
    };
    let claim = claim(support.cites.clone());
    match doubt {
        Ok(()) => Ok(claim),
        Err(why) if is_foreign => Err(Why { doubted: Some(Box::new(claim)), ..why }),
        Err(why) => Err(why),
    }
}

/// Whether the line is in the language and script asked for.
fn in_language(line: &Parsed, lang: Lang) -> Result<(), Why> {
    if line.words.iter().all(|word| !word.content && word.figure.is_none()) {
        return Err(Why::new(Fault::Unsupported, "it says nothing that could be checked"));
    }
    if line.han != (lang != Lang::En) {
        return Err(Why::new(Fault::Language, "it is in another language"));
    }
    match foreign_script_chars(&line.text, lang) {
        0 => Ok(()),
        _ => Err(Why::new(Fault::Language, "it mixes the Chinese scripts")),
    }
}

/// Whether a Chinese line has no English word that is not a name, unless Chinese sources have it.
fn in_one_language(line: &Parsed, ground: &Ground) -> Result<(), Why> {
    const SHORTEST: usize = 4;
    if !line.han {
        return Ok(());
    }
    let is_english = |word: &&words::Word| {
        word.folded.len() >= SHORTEST && line.text[word.range.clone()].bytes().all(|b| b.is_ascii_lowercase())
    };
    let has = |word: &words::Word| {
        let chinese = ground.reads.iter().filter(|read| read.parsed.han);
        chinese.flat_map(|read| &read.parsed.words).any(|other| other.folded == word.folded)
    };
    match line.words.iter().filter(is_english).find(|word| !has(word)) {
        Some(word) => Err(Why::new(Fault::Language, format!("“{}” is in another language", word.folded))),
        None => Ok(()),
    }
}

/// Whether the line speaks of the matter, and not of the article that tells it.
fn of_the_matter(line: &Parsed, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    const PAPERS: [&str; 8] = ["article", "articles", "passage", "passages", "文章", "原文", "句子", "段落"];
    let has = |parsed: &Parsed, paper: &str| parsed.words.iter().any(|word| word.folded == paper);
    let speaks = |paper: &&&str| has(line, paper) && !cites.iter().any(|idx| has(&ground.reads[*idx].parsed, paper));
    match PAPERS.iter().find(speaks) {
        Some(paper) => Err(Why::new(Fault::Unsupported, format!("it speaks of the “{paper}”, not of the matter"))),
        None => Ok(()),
    }
}

/// Whether the cited sentences state the figures of the line.
fn stated(own: &Read, cites: &[usize], ground: &Ground, is_foreign: bool) -> Result<(), Why> {
    for fact in &own.facts {
        // "One third" is a word of a contrast, and "two goals" are what somebody scored twice.
        let is_member = own.members.iter().any(|member| member.at.0 <= fact.at && fact.at < member.at.1);
        let twice =
            || cites.iter().any(|idx| ground.reads[*idx].parsed.words.iter().any(|word| word.folded == "twice"));

        let written = &own.parsed.text[fact.figure.range()];
        let of = |idx: usize| ground.reads[idx].facts.iter().map(move |source| (idx, source));
        let best = cites.iter().copied().flat_map(of).map(|(idx, source)| (fact.stated(source), idx, source));
        let best = best.max_by_key(|(stated, ..)| *stated);
        match best {
            Some((Stated::Yes, idx, source)) => {
                let theirs = &ground.reads[idx].parsed;
                let known = |word: &words::Word| ground.index.contains_key(&word.key);
                if !is_foreign && fact.counts_other(&own.parsed, source, theirs, known) {
                    return Err(Why::new(
                        Fault::Unit,
                        format!("the figure “{written}” counts something else in the source"),
                    ));
                }
            }
            Some((Stated::Bound, idx, source)) => {
                let repair = (!is_foreign).then(|| rebound(own, fact, &ground.reads[idx], source)).flatten();
                let why = Why::new(Fault::Bound, format!("the figure “{written}” is another limit in the source"));
                return Err(Why { repair, ..why });
            }
            Some((Stated::Unit, idx, source)) => {
                let why = Why::new(Fault::Unit, format!("the figure “{written}” is of another unit in the source"));
                // As the source writes it, if that is whole: "530億美元".
                let (text, range) = (&own.parsed.text, fact.figure.range());
                let other = &ground.quotes[idx].text[source.figure.range()];
                let repair = (!is_foreign).then(|| format!("{}{other}{}", &text[..range.start], &text[range.end..]));
                return Err(Why { repair, ..why });
            }
            _ if is_member || fact.figure.kind == Kind::Number && fact.figure.value == 2.into() && twice() => {}
            _ if is_stated_apart(fact, cites, ground) => {}
            _ if ground.is_asked_figure(own, fact) => {}
            _ => return Err(no_figure(own, fact, cites, ground)),
        }
    }
    Ok(())
}

/// Whether the parts of a date are stated in two places, one of which may be the head of the article.
fn is_stated_apart(fact: &Fact, cites: &[usize], ground: &Ground) -> bool {
    let heads =
        (ground.n_text..ground.quotes.len()).filter(|head| cites.iter().any(|idx| ground.is_one_article(*idx, *head)));
    let all = cites.iter().copied().chain(heads).flat_map(|idx| ground.reads[idx].parsed.figures.clone());
    fact.figure.is_stated(&all.collect::<Vec<_>>())
}

/// Whether what the line repeats of the question is spoken of where it rests: who asks about a thing has not said that it is,
/// and what an article says of all such things is not said of the one that was asked about. Names have to stand in a cited
/// sentence, shortly before one, at the beginning of the article or at its head, most other words somewhere in it.
fn spoken_of(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    /// Sentences before a cited one that may name what it speaks of; and at the beginning of the article.
    const BEFORE: usize = 3;
    let asked: Vec<&words::Word> =
        own.parsed.content().map(|(_, word)| word).filter(|word| ground.is_asked(word)).collect();
    let of_article = |idx: &usize| cites.iter().any(|cited| ground.is_one_article(*idx, *cited));
    let of_article: Vec<usize> = (0..ground.reads.len()).filter(of_article).collect();
    let is_near = |idx: &&usize| {
        let cite = ground.quotes[**idx].cite;
        let leads = |cited: &usize| {
            let cited = ground.quotes[*cited].cite;
            cited.article == cite.article && (cite.sentence..=cite.sentence + BEFORE).contains(&cited.sentence)
        };
        **idx >= ground.n_text || cite.sentence < BEFORE || cites.iter().any(leads)
    };
    let near: Vec<usize> = of_article.iter().filter(is_near).copied().collect();
    let says =
        |places: &[usize], word: &words::Word| places.iter().any(|idx| support::says(word, &ground.reads[*idx]) >= 0.5);
    let refuse = |said: &str| Err(Why::new(Fault::Unsupported, format!("“{said}” is not spoken of there")));
    if let Some(name) = asked.iter().find(|word| word.name && !says(&near, word)) {
        return refuse(&name.folded);
    }
    let strange: Vec<&str> =
        asked.iter().filter(|word| !word.name && !says(&of_article, word)).map(|word| &*word.folded).collect();
    match strange.len() >= 2 && 3 * strange.len() >= asked.len() {
        true => refuse(&strange.join(", ")),
        false => Ok(()),
    }
}

/// Whether the days of a line about the text stand in the text, and not only at the head of its article.
fn dated(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    let (heads, text): (Vec<usize>, Vec<usize>) = cites.iter().copied().partition(|idx| *idx >= ground.n_text);
    let states = |idx: &usize, fact: &Fact| ground.reads[*idx].facts.iter().any(|it| fact.stated(it) == Stated::Yes);
    let day = own.facts.iter().find(|fact| {
        matches!(fact.figure.kind, Kind::Date { day: Some(_), .. })
            && heads.iter().any(|idx| states(idx, fact))
            && !text.iter().any(|idx| states(idx, fact))
    });
    match day.filter(|_| !text.is_empty()) {
        Some(fact) => {
            let day = &own.parsed.text[fact.figure.range()];
            Err(Why::new(Fault::Day, format!("“{day}” is the day of the article, not of this")))
        }
        None => Ok(()),
    }
}

/// That a figure is not there; with the one that is, if the cited sentences have only one of its kind.
fn no_figure(own: &Read, fact: &Fact, cites: &[usize], ground: &Ground) -> Why {
    let range = fact.figure.range();
    let kind = std::mem::discriminant(&fact.figure.kind);
    let mut candidates: Vec<String> = Vec::new();
    for read in cites.iter().map(|idx| &ground.reads[*idx]) {
        let taken = |source: &Fact| own.facts.iter().any(|own| own.stated(source) == Stated::Yes);
        let alike = read.facts.iter().filter(|source| std::mem::discriminant(&source.figure.kind) == kind);
        let free = alike.filter(|source| !taken(source));
        candidates.extend(free.map(|source| read.parsed.text[source.figure.range()].to_owned()));
    }
    candidates.dedup();
    let repair = match &candidates[..] {
        [one] => Some(format!("{}{one}{}", &own.parsed.text[..range.start], &own.parsed.text[range.end..])),
        _ => None,
    };
    Why {
        repair, ..Why::new(Fault::Figure, format!("the figure “{}” is not in the source", &own.parsed.text[range]))
    }
}

/// The line with the bound that the source sets, where that stands right before the figure in both.
fn rebound(own: &Read, fact: &Fact, theirs: &Read, source: &Fact) -> Option<String> {
    let words = |read: &Read, fact: &Fact| -> Option<std::ops::Range<usize>> {
        let start = read.parsed.words[fact.at].range.start;
        match &fact.bound {
            None => Some(start..start),
            Some((_, range)) if range.end <= fact.at => Some(read.parsed.words[range.start].range.start..start),
            _ => None,
        }
    };
    let (mine, other) = (words(own, fact)?, words(theirs, source)?);
    Some(format!("{}{}{}", &own.parsed.text[..mine.start], &theirs.parsed.text[other], &own.parsed.text[mine.end..]))
}
