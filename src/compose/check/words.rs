//! A sentence in, its words, figures and clauses out, each with its bytes. The only cutter of the check.
//!
//! Text is folded first, so that the scripts of Chinese are one; a figure is one word, and so is a Chinese name that the
//! sources have, however the segmenter would cut it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use crate::corpus::terms::{tagged, terms};
use crate::text::figures::{Figure, figures};
use crate::text::fold::fold;
use crate::text::script::is_han;

/// One word of a sentence.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// What it is compared by: the stem, a Chinese word in Simplified characters.
    pub key: String,
    /// As it is written, folded.
    pub folded: String,
    /// Its bytes in the sentence.
    pub range: Range<usize>,
    /// The clause it stands in, from 0; every mark of punctuation begins one.
    pub clause: usize,
    /// Whether it says something: no function word, no figure.
    pub content: bool,
    /// Whether it is written as a name: by a capital, or as a Chinese name.
    pub name: bool,
    /// Whether it opens a sentence or a quotation, where every word has a capital.
    pub opens: bool,
    /// Whether it is a form of the past.
    pub past: bool,
    /// Whether it can be a verb.
    pub verb: bool,
    /// Of Chinese, whether it is a noun, a numeral or a pronoun.
    pub noun: bool,
    /// The member of a contrast that it is: mayor, Monday.
    pub sense: Option<(usize, usize)>,
    /// The figure that it is.
    pub figure: Option<usize>,
}

/// A sentence, cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed {
    pub text: String,
    /// Folded, of one length with nothing: for looking up Chinese.
    pub folded: String,
    pub words: Vec<Word>,
    pub figures: Vec<Figure>,
    /// Whether most of it is Chinese.
    pub han: bool,
}

impl Word {
    pub(super) fn is_han(&self) -> bool {
        self.folded.starts_with(is_han)
    }

    /// How far two words are the same, 0 to 1: the same stem 1, another form of it less.
    pub(super) fn likeness(&self, other: &Word) -> f64 {
        if self.key == other.key || self.sense.is_some() && self.sense == other.sense {
            return 1.0;
        }
        match (self.is_han(), other.is_han()) {
            (true, true) if !self.name && !other.name => han_likeness(&self.key, &other.key),
            (false, false) if !self.name && !other.name => {
                let shared = self.key.bytes().zip(other.key.bytes()).take_while(|(a, b)| a == b).count();
                let longest = self.key.len().max(other.key.len());
                if shared >= 4 && shared + 3 >= longest { 0.8 } else { 0.0 }
            }
            _ => 0.0,
        }
    }
}

/// Chinese words that share characters: 动工 and 开工 half, 投资 and 投资额 more.
fn han_likeness(a: &str, b: &str) -> f64 {
    let (n, m) = (a.chars().count(), b.chars().count());
    if n.min(m) < 2 {
        return 0.0;
    }
    let shared = a.chars().filter(|c| b.contains(*c)).count();
    match 2 * shared >= n.min(m).max(2) {
        true if shared >= n.min(m) => 0.8,
        true => 0.5,
        false => 0.0,
    }
}

impl Parsed {
    /// Cuts `text`; `names` are Chinese names, folded, the longest first.
    pub(super) fn new(text: &str, names: &[String]) -> Parsed {
        let figures = figures(text);
        let mut parsed = Parsed { text: text.to_owned(), han: mostly_han(text), ..Parsed::default() };
        let mut state = State { clause: 0, opens: true };
        let mut at = 0;
        for (idx, figure) in figures.iter().enumerate().filter(|(_, f)| f.end > f.start) {
            parsed.cut(at..figure.start, names, &mut state);
            let folded = fold(&text[figure.start..figure.end]).text;
            let word = Word { figure: Some(idx), ..state.word(folded, figure.start..figure.end) };
            parsed.words.push(Word { content: false, ..word });
            at = figure.end;
        }
        parsed.cut(at..text.len(), names, &mut state);
        parsed.name_openers();
        parsed.figures = figures;
        parsed.folded = fold(text).text;
        parsed
    }

    /// Takes the first word of a sentence for a name where the next is one: "Emil Strand scored".
    fn name_openers(&mut self) {
        for idx in 1..self.words.len() {
            let (before, word) = (&self.words[idx - 1], &self.words[idx]);
            let beside = word.range.start == before.range.end + 1 && word.name && !word.is_han();
            let capital = self.text[before.range.clone()].starts_with(char::is_uppercase);
            if before.opens && before.content && capital && beside && before.figure.is_none() {
                self.words[idx - 1].name = true;
            }
        }
    }

    /// The words of a stretch without figures.
    fn cut(&mut self, range: Range<usize>, names: &[String], state: &mut State) {
        let text = self.text[range.clone()].to_owned();
        let folded = fold(&text);
        let original = |from: usize, to: usize| {
            let own = folded.original_range(from..to);
            range.start + own.start..range.start + own.end
        };
        let chars: Vec<(usize, char)> = folded.text.char_indices().collect();
        let mut i = 0;
        while i < chars.len() {
            let (at, c) = chars[i];
            let run = |more: &dyn Fn(usize, char) -> bool| {
                (i..chars.len()).find(|&n| !more(n, chars[n].1)).unwrap_or(chars.len())
            };
            let byte = |n: usize| chars.get(n).map_or(folded.text.len(), |(at, _)| *at);
            if is_han(c) {
                let end = run(&|_, c| is_han(c));
                self.cut_han(&folded.text[at..byte(end)], names, state, |from, to| original(at + from, at + to));
                i = end;
            } else if c.is_alphanumeric() {
                let joins = |n: usize, c: char| {
                    matches!(c, '\'' | '.' | '&' | '-')
                        && chars.get(n + 1).is_some_and(|(_, c)| c.is_alphanumeric() && !is_han(*c))
                        && (c != '.' || chars[n - 1].1.is_alphabetic())
                };
                let end = run(&|n, c| c.is_alphanumeric() && !is_han(c) || joins(n, c));
                self.push_latin(&folded.text[at..byte(end)], original(at, byte(end)), state);
                i = end;
            } else {
                state.mark(c, chars.get(i + 1).map(|(_, c)| *c));
                i += 1;
            }
        }
    }

    /// A Latin word, or the parts of a compound: "7.5-billion-euro", "co-founder".
    fn push_latin(&mut self, folded: &str, range: Range<usize>, state: &mut State) {
        let whole = &self.text[range.clone()];
        let is_split = whole.contains('-') && whole.len() == folded.len();
        let mut at = 0;
        for part in if is_split { folded.split('-').collect::<Vec<_>>() } else { vec![folded] } {
            let own = if is_split { range.start + at..range.start + at + part.len() } else { range.clone() };
            at += part.len() + 1;
            let bare = part.strip_suffix("'s").unwrap_or(part).replace('\'', "");
            let dotless = bare.replace('.', "");
            if dotless.is_empty() {
                continue;
            }
            let written = &self.text[own.clone()];
            let n_capitals = written.chars().filter(|c| c.is_uppercase()).count();
            let opens = state.opens;
            let base = VERBS.get(dotless.as_str());
            let stems = terms(base.map_or(&*dotless, |base| base));
            let past = base.is_some_and(|base| *base != dotless) || dotless.len() > 4 && dotless.ends_with("ed");
            let follows = self
                .words
                .last()
                .is_some_and(|last| ["to", "will", "would", "may", "could", "not"].contains(&&*last.folded));
            let verb = past || follows || base.is_some();
            let capital = written.chars().next().is_some_and(char::is_uppercase) || n_capitals > 0;
            let word = Word {
                content: !stems.is_empty(),
                key: stems.into_iter().next().unwrap_or(dotless.clone()),
                name: capital && (!opens || n_capitals > 1) && dotless != "i",
                past: past && !capital,
                verb,
                ..state.word(dotless, own)
            };
            self.words.push(word);
        }
    }

    fn cut_han(
        &mut self,
        run: &str,
        names: &[String],
        state: &mut State,
        original: impl Fn(usize, usize) -> Range<usize>,
    ) {
        let mut rest = 0;
        while rest < run.len() {
            let found = names.iter().filter_map(|name| Some((run[rest..].find(&**name)? + rest, name)));
            let found = found.min_by_key(|(at, name)| (*at, std::cmp::Reverse(name.len())));
            let (until, name) = found.map_or((run.len(), ""), |(at, name)| (at, &**name));
            let mut at = rest;
            if until > rest {
                for (token, tag) in tagged(&run[rest..until]) {
                    // 拟向, 将于: the segmenter takes two for one.
                    let first = token.chars().next().map_or(0, char::len_utf8);
                    let is_two = token.chars().count() == 2
                        && token.starts_with(['将', '拟', '已', '未', '或', '仍', '疑'])
                        && token.ends_with(['向', '于', '从', '在', '与', '由', '对', '把', '被', '到']);
                    for part in if is_two { vec![&token[..first], &token[first..]] } else { vec![&*token] } {
                        let range = at..at + part.len();
                        at = range.end;
                        let word = state.word(part.to_owned(), original(range.start, range.end));
                        let content = !terms(&word.folded).is_empty();
                        let noun = tag.starts_with(['n', 'm', 'r', 'q']);
                        self.words.push(Word { content, verb: tag.starts_with('v'), noun, ..word });
                    }
                }
            }
            if !name.is_empty() {
                let word = state.word(name.to_owned(), original(until, until + name.len()));
                self.words.push(Word { content: true, name: true, ..word });
            }
            rest = until + name.len();
        }
    }

    /// The words of content, with their places.
    pub(super) fn content(&self) -> impl DoubleEndedIterator<Item = (usize, &Word)> {
        self.words.iter().enumerate().filter(|(_, word)| word.content)
    }
}

/// Where the cutter is in the sentence.
struct State {
    clause: usize,
    opens: bool,
}

impl State {
    fn word(&mut self, folded: String, range: Range<usize>) -> Word {
        let opens = std::mem::take(&mut self.opens);
        let (key, clause) = (folded.clone(), self.clause);
        Word {
            key,
            folded,
            range,
            clause,
            opens,
            content: true,
            name: false,
            past: false,
            verb: false,
            noun: false,
            sense: None,
            figure: None,
        }
    }

    /// Takes a mark of punctuation.
    fn mark(&mut self, c: char, next: Option<char>) {
        let ends = next.is_none_or(|next| !next.is_alphanumeric() || is_han(next));
        if matches!(c, ',' | ';' | ':' | '。' | '!' | '?' | '"' | '「' | '」' | '\n')
            || c == '.' && ends
            || c == '-' && next == Some(' ')
        {
            self.clause += 1;
        }
        self.opens |= matches!(c, ':' | '.' | '!' | '?' | '"' | '「' | '。' | '\n');
    }
}

/// Whether most of `text` is Chinese.
pub(super) fn mostly_han(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (han, other) = letters.fold((0, 0), |(h, o), c| if is_han(c) { (h + 1, o) } else { (h, o + 1) });
    // A Latin word has about five letters where a Chinese one has two.
    5 * han > 2 * other
}

/// Irregular forms, each with its base.
static VERBS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let mut forms = HashMap::new();
    for verb in include_str!("verbs.txt").trim().split(" / ") {
        let mut words = verb.split(' ');
        let base = words.next().unwrap_or_default();
        forms.insert(base, base);
        forms.extend(words.map(|form| (form, base)));
    }
    forms
});

/// The key under which a word of a table is found.
pub(super) fn key_of(word: &str) -> String {
    if word.contains(is_han) {
        return word.to_owned();
    }
    let base = VERBS.get(word).copied().unwrap_or(word);
    terms(base).into_iter().next().unwrap_or_else(|| word.to_owned())
}
