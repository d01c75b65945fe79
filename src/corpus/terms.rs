//! Text in, search terms out: the words that a question and an article are compared by. Knows no index.
//!
//! Both sides are folded first (width, case, Traditional to Simplified), so 說, 説 and 说 are one term. Latin words are
//! stemmed; Chinese is cut into words, and into pairs of neighbouring characters beside them, because a name that the
//! dictionary lacks is cut differently in a question and in an article.

use std::collections::HashSet;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use jieba_rs::Jieba;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::text::fold::fold_str;
use crate::text::script::is_han;

/// The terms of a text, in the order of the text, with repetitions and without stop words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Stems of Latin words, numbers, and Chinese words.
    pub words: Vec<String>,
    /// Pairs of neighbouring characters of Chinese, Japanese and Korean runs.
    pub pairs: Vec<String>,
}

/// The content words of a text: stems, numbers and Chinese words, folded, without stop words.
pub fn terms(text: &str) -> Vec<String> {
    Terms::of(text).words
}

/// The words of folded Chinese text with their part of speech, in order and without a gap: `ns` a place, `nr` a person,
/// `x` a word that the dictionary lacks. The tags are those of ICTCLAS, which jieba's dictionary uses.
pub fn tagged(folded: &str) -> Vec<(String, String)> {
    if !folded.contains(is_han) {
        return vec![(folded.to_owned(), "eng".to_owned())];
    }
    let tags = JIEBA.tag(folded, true);
    let tag = |t: &jieba_rs::Tag| (t.word.to_owned(), t.tag.to_owned());
    tags.iter().map(tag).collect()
}

impl Terms {
    /// Cuts a text into its terms.
    pub fn of(text: &str) -> Terms {
        let folded = fold_str(text);
        let mut terms = Terms::default();
        for run in runs(&folded) {
            match run {
                Run::Word(word) => add_word(word, &mut terms.words),
                Run::Ideographs(run) => {
                    add_ideographs(run, &mut terms);
                }
            }
        }
        terms
    }

    /// Adds the terms of the text that follows.
    pub fn append(&mut self, mut next: Terms) {
        self.words.append(&mut next.words);
        self.pairs.append(&mut next.pairs);
    }

    /// True when the text had no content: nothing, or stop words only.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.pairs.is_empty()
    }
}

/// Longer words are data rather than language; their first characters are enough to find them by.
const MAX_WORD_CHARS: usize = 40;

/// The dictionary takes a noticeable time to load, so it is loaded by the first text that has Chinese in it.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

thread_local! {
    static STEMMER: Stemmer = Stemmer::new(Algorithm::English);
}

enum Run<'a> {
    /// Letters and digits, with the dots, commas, hyphens and apostrophes that join them.
    Word(&'a str),
    /// Characters of a script written without spaces.
    Ideographs(&'a str),
}

/// Cuts folded text into runs of one kind; the rest, punctuation and symbols, is dropped.
fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|c| is_unspaced(c) || c.is_alphanumeric())?;
        rest = &rest[start..];
        let first = rest.chars().next()?;
        let end =
            if is_unspaced(first) { rest.find(|c| !is_unspaced(c)).unwrap_or(rest.len()) } else { word_end(rest) };
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(if is_unspaced(first) { Run::Ideographs(run) } else { Run::Word(run) })
    })
}

/// Where the word that opens `text` ends: a joiner belongs to it when it stands between the right neighbours.
fn word_end(text: &str) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if is_word_char(c) {
            end = at + c.len_utf8();
        } else if !joins(&text[..at], c, &text[at + c.len_utf8()..]) {
            break;
        }
    }
    end
}

fn joins(before: &str, joiner: char, after: &str) -> bool {
    let (Some(last), Some(next)) = (before.chars().next_back(), after.chars().next()) else {
        return false;
    };
    match joiner {
        '\'' | '-' | '_' => is_word_char(last) && is_word_char(next),
        '.' => last.is_ascii_digit() && next.is_ascii_digit() || is_letter(last) && is_letter(next),
        // Thousands only: a Chinese list such as `2024，2025` is folded to the same comma.
        ',' => {
            let n_before = before.bytes().rev().take_while(u8::is_ascii_digit).count();
            let n_after = after.bytes().take_while(u8::is_ascii_digit).count();
            (1..=3).contains(&n_before) && n_after == 3
        }
        _ => false,
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() && is_word_char(c)
}

fn is_word_char(c: char) -> bool {
    !is_unspaced(c) && (c.is_alphanumeric() || is_combining_mark(c))
}

/// Han, kana and hangul: scripts whose words have no spaces between them, or whose spaces are no guide.
fn is_unspaced(c: char) -> bool {
    is_han(c) || matches!(c, '々' | 'ぁ'..='ヿ' | 'ㇰ'..='ㇿ' | '가'..='힣')
}

/// Adds the terms of one Latin word or number, which may be compound: `gpt-4o`, `o'brien's`, `1,000`, `u.s`.
fn add_word(word: &str, words: &mut Vec<String>) {
    let word = word.strip_suffix("'s").unwrap_or(word).replace(['\'', ','], "");
    if word.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return push_stem(&word, words);
    }
    let parts: Vec<&str> = word.split(['-', '.', '_']).collect();
    // `u.s` and `u.s.a` are said `us` and `usa`.
    if parts.len() > 1 && parts.iter().all(|part| part.chars().count() == 1) {
        return push_stem(&parts.concat(), words);
    }
    for part in &parts {
        // `gpt4o` is found by `gpt` and by `gpt-4o`; `4o`, `20th` and `q3` stay whole.
        match part.find(|c: char| c.is_ascii_digit()) {
            Some(at) if at >= 2 && part[..at].bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                push_stem(&part[..at], words);
                push_stem(&part[at..], words);
                push_stem(part, words);
            }
            _ => push_stem(part, words),
        }
    }
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() > 1 && word.contains('-') && !parts.iter().all(is_number) {
        push_stem(&parts.concat(), words);
    }
}

fn push_stem(word: &str, words: &mut Vec<String>) {
    if STOP_WORDS.contains(word) {
        return;
    }
    if word.is_ascii() && word.len() <= MAX_WORD_CHARS {
        return words.push(STEMMER.with(|stemmer| stemmer.stem(word).into_owned()));
    }
    let plain: String = word.nfd().filter(|&c| !is_combining_mark(c)).take(MAX_WORD_CHARS).collect();
    words.push(STEMMER.with(|stemmer| stemmer.stem(&plain).into_owned()));
}

fn add_ideographs(run: &str, terms: &mut Terms) {
    for token in JIEBA.cut(run, false) {
        if !STOP_WORDS.contains(token.word) {
            terms.words.push(token.word.to_owned());
        }
    }
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
    for pair in starts.windows(3) {
        terms.pairs.push(run[pair[0]..pair[2]].to_owned());
    }
}

static STOP_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| ENGLISH_STOP_WORDS.split_whitespace().chain(CHINESE_STOP_WORDS.split_whitespace()).collect());

/// Function words and question words, without apostrophes. `us` and `may` are missing: a country and a month.
const ENGLISH_STOP_WORDS: &str = "
    a about after again all also am an and any are aren as at be because been before being both but by can cannot cant
    could couldnt did didnt do does doesnt doing dont each either else ever every for from further had hadnt has hasnt
    have havent having he her here hers herself him himself his how however i if in into is isnt it its itself just ll
    me might mine more most much must my myself neither no nor not of off on once only or other our ours out over
    own please rather re s same shall she should shouldnt so some such t than that the their theirs them themselves
    then there these they this those though through to too under until up upon ve very was wasnt we were werent what
    whats when where whereas whether which while who whom whose why will with within without wont would wouldnt yet you
    your yours yourself";

/// The same for Chinese, in Simplified characters: particles, pronouns, and what makes a question.
const CHINESE_STOP_WORDS: &str = "
    的 了 着 过 地 得 是 在 和 与 及 或 而 且 但 也 都 就 又 还 并 之 其 于 以 为 被 把 将 从 对 向 由 到 给 让 使 所 等 这 那
    此 该 各 每 个 们 我 你 您 他 她 它 我们 你们 他们 她们 它们 自己 这个 那个 这些 那些 这里 那里 这样 那样 因为 所以 如果
    虽然 但是 然而 并且 而且 以及 或者 还是 不过 关于 对于 由于 因此 有 没有 会 能 可以 可 要 很 更 最 吗 呢 吧 啊 呀 嘛 么
    什么 甚么 谁 哪 哪里 哪儿 哪些 哪个 哪一 哪位 哪种 哪年 何 何时 何处 何地 何人 为何 如何 怎么 怎样 怎么样 为什么 多少 几 几个
    多 多久 多大 多长 是否 是不是 有没有 请问 请 一个 一种";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, words: &str) {
        assert_eq!(terms(text).join(" "), words, "{text}");
    }

    #[test]
    fn latin_words_are_stemmed_and_compounds_are_found_by_their_parts() {
        check("The companies' investments were rising", "compani invest rise");
        check("Alibaba’s cloud isn't O'Brien's", "alibaba cloud obrien");
        check("GPT-4o and GPT4o", "gpt 4o gpt4o gpt 4o gpt4o");
        check("the U.S. and the US", "us us");
        check("a café in São Paulo", "cafe sao paulo");
        check("e-mail", "e mail email");
        check("node.js and the end.Then", "node js end");
    }

    #[test]
    fn numbers_are_one_term_however_they_are_grouped() {
        check("$1,000.50 or 1000.50, 3.5% in 2025.", "1000.50 1000.50 3.5 2025");
        check("Ｑ３　２０２５", "q3 2025");
        check("2024，2025，100元", "2024 2025 100 元");
        check("2019–2020", "2019 2020");
    }

    #[test]
    fn the_scripts_of_chinese_and_its_latin_words_meet() {
        check("許主洪調到哪裡", "许 主 洪 调");
        check("说 說 説", "说 说 说");
        check("硬AI發布GPT-4o，2025年", "硬 ai 发布 gpt 4o gpt4o 2025 年");
        check("阿里巴巴的雲計算", "阿里巴巴 云 计算");
    }

    #[test]
    fn pairs_stay_inside_a_run() {
        assert_eq!(Terms::of("云计算，AI云").pairs, ["云计", "计算"]);
        assert!(Terms::of("plain words").pairs.is_empty());
    }

    #[test]
    fn a_text_of_stop_words_is_empty() {
        assert!(Terms::of("What is it, and who are they?").is_empty());
        assert!(Terms::of(" …！ ").is_empty());
    }
}
