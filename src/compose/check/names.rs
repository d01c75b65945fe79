//! The names of a line in, one that the sources do not have, or that has another's title there, out.
//!
//! A name is a capitalised word of a Latin script, or a Chinese word that the segmenter takes for a person, or that stands
//! beside a name in Latin letters. Small models misspell exactly these.

use std::collections::{BTreeSet, HashSet};

use super::signs::{self, set_of};
use super::words::{Parsed, Word};
use super::{Fault, Ground, Quote, Read, Why};
use crate::corpus::terms::tagged;
use crate::text::fold::{fold, fold_str};
use crate::text::script::is_han;

/// The names of the sources.
pub(super) struct Known {
    /// Chinese ones, folded, the longest first.
    pub han: Vec<String>,
    /// Every Latin word, folded.
    words: HashSet<String>,
    /// The capitalised ones, as they are written.
    capitals: BTreeSet<String>,
    /// Initials of each run of capitalised words: a line may abbreviate "Food Safety Board" to FSB.
    initials: HashSet<String>,
    /// All Chinese text, folded; a line break between sentences.
    text: String,
}

impl Known {
    pub(super) fn new(quotes: &[Quote]) -> Known {
        let mut known = Known {
            han: Vec::new(),
            words: HashSet::new(),
            capitals: BTreeSet::new(),
            initials: HashSet::new(),
            text: String::new(),
        };
        let mut han = BTreeSet::new();
        for quote in quotes {
            let parsed = Parsed::new(&quote.text, &[]);
            let mut run = String::new();
            for word in parsed.words.iter().filter(|word| !word.is_han() && word.figure.is_none()) {
                let written = &quote.text[word.range.clone()];
                match written.chars().next().filter(|c| c.is_uppercase()) {
                    Some(c) => run.push(c),
                    None if written.len() > 3 => run.clear(),
                    None => {}
                }
                let starts = run.char_indices().map(|(at, _)| &run[at..]);
                known.initials.extend(starts.filter(|i| (2..=6).contains(&i.len())).map(str::to_lowercase));
                known.words.insert(word.folded.clone());
                if word.name {
                    known.capitals.insert(written.to_owned());
                }
            }
            han.extend(han_names(&parsed.folded));
            known.text.push_str(&parsed.folded);
            known.text.push('\n');
        }
        known.han = han.into_iter().collect();
        known.han.sort_by_key(|name| std::cmp::Reverse(name.len()));
        known
    }

    /// Whether a word as it is written is a name in the sources.
    pub(super) fn is_name(&self, written: &str) -> bool {
        self.capitals.contains(written)
    }

    fn has_latin(&self, word: &Word) -> bool {
        let singular = word.folded.strip_suffix('s').unwrap_or(&word.folded);
        // Brazil and Brazilian, China and Chinese.
        let stemmed = |known: &str| {
            let own = &*word.folded;
            let shortest = known.len().min(own.len());
            let tail = |rest: &str| {
                matches!(rest, "" | "n" | "a" | "an" | "ian" | "ese" | "ish" | "i" | "s" | "is" | "e" | "es")
            };
            known.len() != own.len()
                && [shortest, shortest.saturating_sub(1)].into_iter().filter(|root| *root >= 4).any(|root| {
                    let parts = known.split_at_checked(root).zip(own.split_at_checked(root));
                    parts.is_some_and(|(known, own)| {
                        let is_more = root > 4 || known.1.len() + own.1.len() > 1;
                        known.0 == own.0 && is_more && tail(known.1) && tail(own.1)
                    })
                })
        };
        self.words.contains(&word.folded)
            || self.words.contains(singular)
            || self.initials.contains(&word.folded)
            || self.capitals.iter().any(|known| stemmed(&fold_str(known)))
    }
}

/// Surnames of one character that most Chinese names begin with.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟\
    谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温庄洪关蓝柯游詹翁施简饶骆童颜倪葛尤石章鲁韦岳庞殷祝纪舒屈项祁翟安常康贺华瞿涂\
    甘凌霍阮焦柴牛娄解佟邢裴滕卫耿丛岑";

/// Chinese persons in a folded text: a surname behind a title, or where the segmenter sees a name, and what follows of its
/// word or the next, three characters at most; and what stands before a name in brackets.
fn han_names(folded: &str) -> Vec<String> {
    if !folded.contains(is_han) {
        return Vec::new();
    }
    let chars: Vec<char> = folded.chars().collect();
    let (mut starts, mut ends, mut at) = (Vec::new(), HashSet::new(), 0);
    for (word, tag) in tagged(folded) {
        if tag.starts_with("nr") {
            starts.push(at);
        }
        let n = word.chars().count();
        at += n;
        // 孔德 明说: who says it is 孔德明.
        ends.insert(if n == 2 && word.ends_with(['说', '称']) { at - 1 } else { at });
    }
    for title in signs::han_titles() {
        starts.extend(folded.match_indices(title).map(|(at, _)| folded[..at].chars().count() + title.chars().count()));
    }
    let mut names = Vec::new();
    for start in starts {
        let end = (start + 2..=start + 3).rev().find(|end| ends.contains(end));
        let name = end.and_then(|end| chars.get(start..end));
        let name = name.map(|name| match name {
            [.., '说' | '称' | '认' | '指' | '表' | '将' | '已' | '向' | '对' | '在'] => {
                &name[..name.len() - 1]
            }
            _ => name,
        });
        if let Some(name) = name.filter(|name| name.len() > 1)
            && SURNAMES.contains(name[0])
            && name.iter().all(|c| is_han(*c))
        {
            names.push(name.iter().collect());
        }
    }
    for (at, _) in folded.match_indices('(') {
        let inside = folded[at + 1..].chars().take_while(|c| *c != ')');
        if inside.clone().count() > 3 && inside.clone().all(|c| c.is_ascii_alphabetic() || " .-'".contains(c)) {
            let before: Vec<char> = folded[..at].chars().rev().take_while(|c| is_han(*c)).take(3).collect();
            names.extend((before.len() == 3).then(|| before.into_iter().rev().collect()));
        }
    }
    names
}

/// Whether the sources have every name of the line.
pub(super) fn known(own: &Read, ground: &Ground, is_foreign: bool) -> Result<(), Why> {
    let known = &ground.names;
    let text = &own.parsed.text;
    let words = &own.parsed.words;
    for (idx, word) in words.iter().enumerate() {
        let written = &text[word.range.clone()];
        let capital = written.starts_with(|c: char| c.is_uppercase());
        let is_known = known.has_latin(word) || ground.is_asked(word);
        if word.figure.is_some() || word.is_han() || !capital || is_known || written.chars().count() < 2 {
            continue;
        }
        if own.members.iter().any(|member| member.at.0 <= idx && idx < member.at.1) {
            continue;
        }
        let near = near_latin(written, &known.capitals);
        let next = words.get(idx + 1).filter(|next| next.clause == word.clause && next.name);
        let is_run = next.is_some() || idx > 0 && words[idx - 1].name;
        // In a translation a single name may be one that people translate: Africa.
        let is_name = if is_foreign {
            is_run && !in_brackets(own, idx, known)
        } else {
            word.name || next.is_some() && word.content
        };
        if near.is_empty() && (!is_name || word.opens && !word.name && next.is_none()) {
            continue;
        }
        return Err(stranger(own, word.range.clone(), &near));
    }
    let folded = fold(text);
    for name in han_names(&folded.text)
        .into_iter()
        .filter(|name| !known.text.contains(&**name) && !ground.asked_text.contains(&**name))
    {
        let chars: Vec<char> = name.chars().collect();
        let parts = [&chars[1..], &chars[..chars.len() - 1]].map(|part| part.iter().collect::<String>());
        let is_cut = chars.len() > 2 && parts.iter().any(|part| known.text.contains(&**part));
        if !is_foreign && !is_cut {
            let at = folded.text.find(&name).unwrap_or(0);
            return Err(stranger(own, folded.original_range(at..at + name.len()), &[]));
        }
    }
    match misspelt(&folded.text, known, &ground.asked_text) {
        Some((range, name)) => Err(stranger(own, folded.original_range(range), &[name])),
        None => Ok(()),
    }
}

/// Whether a name of a translation is followed by its original in brackets, or is the original in brackets.
fn in_brackets(own: &Read, idx: usize, known: &Known) -> bool {
    let text = &own.parsed.text;
    let behind = &text[own.parsed.words[idx].range.end..];
    let original = behind.split_once(['(', '（']).and_then(|(before, rest)| {
        let is_name = before.split_whitespace().all(|word| word.starts_with(char::is_uppercase));
        is_name.then(|| rest.split([')', '）']).next().unwrap_or_default())
    });
    original.is_some_and(|name| !name.is_empty() && known.text.contains(&fold_str(name)))
}

fn stranger(own: &Read, range: std::ops::Range<usize>, near: &[String]) -> Why {
    let text = &own.parsed.text;
    let repair = match near {
        [one] => {
            // A Chinese name comes folded; written out it takes the script of the line.
            let one = crate::text::lang::to_script(one, crate::text::lang::detect(text));
            Some(format!("{}{one}{}", &text[..range.start], &text[range.end..]))
        }
        _ => None,
    };
    Why { repair, ..Why::new(Fault::Name, format!("the name “{}” is not in the source", &text[range])) }
}

/// Names of the sources of which `written` is a misspelling.
fn near_latin(written: &str, capitals: &BTreeSet<String>) -> Vec<String> {
    let most = if written.chars().count() > 5 { 2 } else { 1 };
    let is_near = |known: &&String| {
        known.chars().count() > 3
            && known.chars().next() == written.chars().next()
            && strsim::osa_distance(known, written) <= most
    };
    if written.chars().count() < 4 { Vec::new() } else { capitals.iter().filter(is_near).cloned().collect() }
}

/// A run of the folded line that differs in one character from a Chinese name of the sources and stands nowhere there, nor in
/// the question.
fn misspelt(folded: &str, known: &Known, asked: &str) -> Option<(std::ops::Range<usize>, String)> {
    let chars: Vec<(usize, char)> = folded.char_indices().collect();
    for name in known.han.iter().filter(|name| name.chars().count() >= 3) {
        let name_chars: Vec<char> = name.chars().collect();
        for run in chars.windows(name_chars.len()) {
            let same = run.iter().zip(&name_chars).filter(|((_, a), b)| a == *b).count();
            if same + 1 == name_chars.len() && run.iter().all(|(_, c)| is_han(*c)) {
                let (last, c) = run[run.len() - 1];
                let range = run[0].0..last + c.len_utf8();
                let written = &folded[range.clone()];
                if !known.text.contains(written) && !asked.contains(written) {
                    return Some((range, name.clone()));
                }
            }
        }
    }
    None
}

/// How far a title may stand from its name in the source, in words.
const MAX_APART: usize = 5;

/// Whether the titles that stand beside names in the line stand beside them in the source: the known ones on either side,
/// and any noun right before a name that the source has elsewhere.
pub(super) fn roles(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    let articles: HashSet<usize> = cites.iter().map(|idx| ground.quotes[*idx].cite.article).collect();
    let is_there = |idx: &usize| articles.contains(&ground.quotes[*idx].cite.article);
    let words = &own.parsed.words;
    let places = |read: &Read, word: &Word| -> Vec<usize> {
        let all = read.parsed.words.iter().enumerate();
        all.filter(|(_, other)| other.likeness(word) >= 0.8).map(|(idx, _)| idx).collect()
    };
    // Only where the name stands can its title stand beside it.
    let with = |word: &Word| -> Vec<&Read> {
        let found = ground.index.get(&word.key).into_iter().flatten();
        found.filter(|idx| is_there(idx)).map(|idx| &ground.reads[*idx]).collect()
    };
    let refuse = |name: &Word, title: std::ops::Range<usize>| {
        let (name, title) = (&own.parsed.text[name.range.clone()], &own.parsed.text[title]);
        Err(Why::new(Fault::Person, format!("the source does not call “{name}” “{title}”")))
    };
    for role in own.members.iter().filter(|member| set_of(member).name == "role") {
        let clause = words[role.at.0].clause;
        let beside = |idx: usize| words.get(idx).filter(|word| word.name);
        if role.at.0 > 0 && matches!(&*words[role.at.0 - 1].folded, "to" | "by" | "from" | "of" | "with") {
            continue;
        }
        // A title before its name, or behind it and a comma.
        let after = beside(role.at.1).filter(|word| word.clause <= clause + 1);
        let before = role.at.0.checked_sub(1).and_then(beside).filter(|word| word.clause <= clause);
        let apposed = role.at.0.checked_sub(2).and_then(beside).filter(|word| word.clause + 1 == clause);
        for name in [after, before, apposed].into_iter().flatten() {
            let fits = |read: &&Read| {
                let mut titles = read.members.iter().filter(|m| (m.set, m.member) == (role.set, role.member));
                titles.any(|title| places(read, name).iter().any(|at| at.abs_diff(title.at.0) <= MAX_APART))
            };
            let is_asked = ground.is_asked(name) && ground.is_asked(&words[role.at.0]);
            if !is_asked && !with(name).is_empty() && !with(name).iter().any(fits) {
                return refuse(name, words[role.at.0].range.start..words[role.at.1 - 1].range.end);
            }
        }
    }
    for pair in words.windows(2) {
        let [title, name] = pair else { continue };
        let is_title = title.content && !title.name && !title.past && title.sense.is_none() && title.figure.is_none();
        if !is_title || !name.name || title.clause != name.clause || title.is_han() && !title.noun {
            continue;
        }
        let beside = |read: &&Read| {
            let (titles, names) = (places(read, title), places(read, name));
            titles.iter().any(|at| names.iter().any(|name| name.abs_diff(*at) <= MAX_APART + 2))
        };
        let is_asked = ground.is_asked(name) && ground.is_asked(title);
        if !is_asked && !with(title).is_empty() && !with(name).is_empty() && !with(name).iter().any(beside) {
            return refuse(name, title.range.clone());
        }
    }
    Ok(())
}
