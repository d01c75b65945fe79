//! What a model wrote in, its sentences out, one by one, in the script asked for. Knows no source.

use crate::model::{Completion, Stop};
use crate::text::fold::fold_str;
use crate::text::lang::{foreign_script_chars, to_script};
use crate::text::script::is_han;
use crate::text::segment::segment;
use crate::text::{Block, BlockKind, Lang, Prose};

/// Two Han characters take the room of one word.
pub const HAN_PER_WORD: usize = 2;

/// `text` in the Chinese script of `lang`; other text as it is.
pub fn in_script(text: &str, lang: Lang) -> String {
    match foreign_script_chars(text, lang) {
        0 => text.to_owned(),
        _ => to_script(text, lang).into_owned(),
    }
}

/// The length of a text in words; two Han characters count as one.
pub fn n_words(text: &str, lang: Lang) -> usize {
    let (mut n_han, mut n_words, mut open) = (0, 0, false);
    for c in fold_str(text).chars() {
        n_han += usize::from(is_han(c));
        let in_word = !is_han(c) && c.is_alphanumeric();
        n_words += usize::from(in_word && !open);
        open = in_word;
    }
    match lang {
        Lang::En => n_words + n_han,
        Lang::ZhHans | Lang::ZhHant => n_words + n_han.div_ceil(HAN_PER_WORD),
    }
}

/// The whole sentences of a completion, without what models put around them: bullets, numbers, labels, emphasis,
/// citation marks. What was cut off by a limit, and the words that announce a list, are left out.
pub fn sentences(completion: &Completion, lang: Lang) -> Vec<String> {
    let is_cut = matches!(completion.stop, Stop::TokenCap);
    let lines: Vec<&str> = completion.text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut sentences = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let tidy = tidy(line);
        let line = without_dateline(&tidy);
        let said = without_opening(line);
        let line = in_script(&if said == line { line.to_owned() } else { capitalised(said) }, lang);
        let prose = Prose {
            blocks: vec![Block { kind: BlockKind::Paragraph, range: 0..line.len() }],
            text: line.clone(),
            ..Prose::default()
        };
        let own = segment(&prose);
        for (idx, s) in own.iter().enumerate() {
            let is_last = number + 1 == lines.len() && idx + 1 == own.len();
            let text = line[s.start..s.end].trim();
            let announces = text.ends_with([':', '：']);
            let is_whole = is_ended(text) || !(is_last && is_cut);
            if is_whole && !announces {
                sentences.extend(ended(text, lang));
            }
        }
    }
    sentences
}

/// A sentence with the mark that ends it; `None` for what has no words.
pub fn ended(text: &str, lang: Lang) -> Option<String> {
    if !text.contains(char::is_alphanumeric) {
        return None;
    }
    if is_ended(text) {
        return Some(text.to_owned());
    }
    let text = text.trim_end_matches([',', '，', ';', '；', '、', ' ']);
    Some(format!("{text}{}", if lang == Lang::En { '.' } else { '。' }))
}

fn is_ended(text: &str) -> bool {
    let text = text.trim_end_matches(['”', '」', '』', '"', '’', '\'', ')', '）']);
    text.ends_with(['.', '!', '?', '。', '！', '？', '…'])
}

/// Takes away what models put around a line.
fn tidy(line: &str) -> String {
    let mut text = line.trim().trim_start_matches(['-', '•', '*', '#', '>', '·', ' ', '\u{3000}']);
    // "1. ", "2)", "（3）"
    let n_digits = text.trim_start_matches(['(', '（']).chars().take_while(char::is_ascii_digit).count();
    let behind = text.trim_start_matches(['(', '（']).get(n_digits..).unwrap_or_default();
    if (1..=2).contains(&n_digits)
        && let Some(rest) = behind.strip_prefix(['.', ')', '）', '、', '．'])
        && !rest.starts_with(|c: char| c.is_ascii_digit())
    {
        text = rest.trim_start();
    }
    let mut tidy = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['[', '*', '【']) {
        tidy.push_str(&rest[..at]);
        let tail = &rest[at..];
        let mark = tail.find([']', '】']).map(|end| &tail[..end]);
        let is_citation = mark.is_some_and(|mark| {
            let mut inside = mark.chars().skip(1).peekable();
            inside.peek().is_some() && inside.all(|c| c.is_ascii_digit() || ",， -".contains(c))
        });
        rest = match (is_citation, mark) {
            (true, Some(mark)) => tail[mark.len()..].trim_start_matches([']', '】']),
            _ => {
                let c = tail.chars().next().unwrap_or_default();
                let is_emphasis = c == '*' && !(tidy.ends_with(char::is_alphanumeric) && is_operand(&tail[1..]));
                if !is_emphasis {
                    tidy.push(c);
                }
                &tail[c.len_utf8()..]
            }
        };
    }
    tidy.push_str(rest);
    tidy.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A sentence of a source as it can be told: in the script of `lang`, without a dateline; `None` for what has no words.
pub fn as_told(text: &str, lang: Lang) -> Option<String> {
    ended(without_dateline(&in_script(text, lang)).trim_start_matches(['-', '–', '—', '•', '·', ' ']), lang)
}

/// A line without the place and the agency that news begins with, which models copy: "HALDEN (NN) — The", "新华社电：".
pub fn without_dateline(line: &str) -> &str {
    /// Bytes of a dateline at the most.
    const LONGEST: usize = 100;
    const AGENCY: [&str; 8] = ["消息", "电", "電", "讯", "訊", "报道", "報導", "报导"];
    let head = &line[..line.floor_char_boundary(LONGEST)];
    let latin = head.split_once(" — ").or_else(|| head.split_once(" – ")).or_else(|| head.split_once(" -- "));
    if let Some((before, _)) = latin
        && before.contains(char::is_uppercase)
        && (before.ends_with(')') || !before.contains(char::is_lowercase))
    {
        return line[before.len()..].trim_start_matches([' ', '—', '–', '-']);
    }
    let mark = head.find(['：', ':', '】', '〕']);
    match mark {
        Some(at)
            if AGENCY.iter().any(|word| head[..at].contains(word)) && !head[..at].contains(['，', ',', '说', '說']) =>
        {
            line[at..].trim_start_matches(['：', ':', '】', '〕', ' '])
        }
        _ => line,
    }
}

/// A line without the words that only say that an article says it: "According to the articles, …", "文章指出,…".
fn without_opening(line: &str) -> &str {
    const SOURCES: [&str; 6] = ["article", "articles", "text", "passage", "passages", "information"];
    const SAYING: [&str; 6] = ["state", "say", "mention", "note", "report", "explain"];
    const CHINESE: [&str; 6] = ["文章", "原文", "上文", "报道", "報導", "报导"];
    let is_source = |words: &str| SOURCES.contains(&words.trim_end_matches(" provided"));
    let says = |words: &str| {
        let said = words.split_once(' ').filter(|(source, _)| is_source(source));
        said.is_some_and(|(_, word)| SAYING.contains(&word.trim_end_matches('s')))
    };
    let according = line.strip_prefix("According to the ").and_then(|line| line.split_once(", "));
    let stated = line.strip_prefix("The ").and_then(|line| line.split_once(" that "));
    if let Some((_, rest)) = according.filter(|(words, _)| is_source(words)).or(stated.filter(|(words, _)| says(words)))
    {
        return rest;
    }
    let by = line.trim_start_matches(['根', '据', '據', '依', '这', '這', '篇', '该', '該', '以', '上']);
    let named = CHINESE.iter().find_map(|name| by.strip_prefix(name));
    let is_saying = |words: &str| words.is_empty() || words.ends_with(['称', '稱', '说', '說', '出', '到', '示']);
    match named.and_then(|named| named.split_once([',', '\u{ff0c}', ':', '\u{ff1a}'])) {
        Some((words, rest)) if words.chars().count() <= 3 && is_saying(words) => rest.trim_start(),
        _ => line,
    }
}

fn capitalised(line: &str) -> String {
    let mut rest = line.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// Whether what stands behind an asterisk is a number, as in `4*100`.
fn is_operand(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Usage;

    fn of(text: &str, stop: Stop, lang: Lang) -> Vec<String> {
        sentences(&Completion { text: text.to_owned(), stop, usage: Usage::default() }, lang)
    }

    #[test]
    fn what_models_put_around_their_sentences_is_taken_away() {
        let check = |input: &str, lang, expected: &[&str]| {
            assert_eq!(of(input, Stop::EndOfTurn, lang), expected, "{input}");
        };
        check("The quay closed. [1, 2] It *reopens* in May", Lang::En, &["The quay closed.", "It reopens in May."]);
        check("It has:\n1. Two piles are rotten.\n2. Rask left", Lang::En, &["Two piles are rotten.", "Rask left."]);
        check("- **碼頭关闭**。【3】\n- 明年重开;", Lang::ZhHans, &["码头关闭。", "明年重开。"]);
        check("The 4*100 metre race began.\n---", Lang::En, &["The 4*100 metre race began."]);
    }

    #[test]
    fn a_dateline_is_no_part_of_the_sentence() {
        let check = |line: &str, expected: &str| assert_eq!(without_dateline(line), expected, "{line}");
        check("HALDEN, Norland (NN) — The quay closed.", "The quay closed.");
        check("VESSIN – Two boats sank.", "Two boats sank.");
        check("The quay — an old one — closed.", "The quay — an old one — closed.");
        check("韦辛通讯社消息（晚间新闻）：码头关闭了。", "码头关闭了。");
        check("他说：电力恢复了。", "他说：电力恢复了。");
    }

    #[test]
    fn that_an_article_says_it_is_no_part_of_the_sentence() {
        let check = |line: &str, expected: &str| assert_eq!(without_opening(line), expected, "{line}");
        check("According to the articles, the quay closed.", "the quay closed.");
        check("The article states that two piles are rotten.", "two piles are rotten.");
        check("According to the harbour master, the quay closed.", "According to the harbour master, the quay closed.");
        check("The passage that they took is closed.", "The passage that they took is closed.");
        check("根据文章,码头关闭了。", "码头关闭了。");
        check("文章指出,碼頭關閉了。", "碼頭關閉了。");
        check("报道写得很长,没有人读完。", "报道写得很长,没有人读完。");
        check("这篇文章很长,没有人读完。", "这篇文章很长,没有人读完。");
    }

    #[test]
    fn what_a_limit_cut_off_is_no_sentence() {
        assert_eq!(of("The quay closed. It will", Stop::TokenCap, Lang::En), ["The quay closed."]);
        assert_eq!(of("码头关闭了。明年", Stop::TokenCap, Lang::ZhHans), ["码头关闭了。"]);
    }

    #[test]
    fn a_text_has_as_many_words_as_people_would_count() {
        assert_eq!(n_words("Two boats, 4.2 million.", Lang::En), 5);
        assert_eq!(n_words("码头关闭了", Lang::ZhHans), 3);
    }
}
