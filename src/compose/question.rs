//! A question in; out, as far as its form tells, whether some words can be an answer to it.

use std::collections::HashSet;

use crate::corpus::terms::terms;
use crate::text::Lang;
use crate::text::fold::fold_str;
use crate::text::lang::detect;
use crate::text::script::is_han;

/// The language of a question. A Chinese one may be about a Latin name that has more words than it has characters.
pub fn lang_of(question: &str) -> Lang {
    let chinese: String = question.chars().filter(|c| is_han(*c)).collect();
    let n_latin = question.split(|c: char| !c.is_alphanumeric() || is_han(c)).filter(|word| !word.is_empty()).count();
    match chinese.chars().count() {
        n_han if n_han >= 2 && n_latin <= 2 * n_han => detect(&chinese),
        _ => detect(question),
    }
}

/// Whether the answer to `question` may be words of the question itself: it asks whether something is so, or which of two
/// things.
pub fn names_its_answer(question: &str) -> bool {
    is_choice(question) || asks_whether(question)
}

/// Whether `question` asks if something is so; then the sentence with the words of the question answers it. "Can you tell
/// me who pays?" asks who, whatever it begins with.
pub fn asks_whether(question: &str) -> bool {
    const AUXILIARIES: &[&str] = &[
        "is", "are", "was", "were", "am", "do", "does", "did", "has", "have", "had", "can", "could", "will", "would",
        "should", "may", "might", "must", "isn't", "aren't", "wasn't", "weren't", "don't", "doesn't", "didn't",
        "hasn't", "haven't", "can't", "won't",
    ];
    const CHINESE: &[&str] = &["吗", "是否", "是不是", "有没有", "会不会", "能不能", "可不可以", "对不对"];
    let folded = fold_str(question);
    let first = folded.split_whitespace().next();
    !is_choice(question)
        && !asks_for_words(&folded)
        && (first.is_some_and(|first| AUXILIARIES.contains(&first)) || CHINESE.iter().any(|word| folded.contains(word)))
}

/// Whether a folded question has a word that asks for others.
pub fn asks_for_words(folded: &str) -> bool {
    const ENGLISH: &[&str] = &["who", "whom", "whose", "what", "which", "when", "where", "why", "how"];
    const CHINESE: &[&str] = &["谁", "什么", "哪", "几", "多少", "何", "怎"];
    let mut words = folded.split(|c: char| !c.is_alphanumeric());
    words.any(|word| ENGLISH.contains(&word)) || CHINESE.iter().any(|word| folded.contains(word))
}

/// Whether the form of a question asks for one thing: who, when, where, how many.
pub fn asks_for_one(question: &str) -> bool {
    const ENGLISH: [&str; 5] = ["who", "whom", "whose", "when", "where"];
    const MEASURES: [&str; 7] = ["many", "much", "old", "long", "far", "often", "big"];
    const CHINESE: [&str; 12] =
        ["谁", "多少", "几", "何时", "什么时候", "哪天", "哪年", "哪里", "在哪", "多大", "多久", "多长"];
    let folded = fold_str(question);
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let measures = |pair: &[&str]| pair[0] == "how" && MEASURES.contains(&pair[1]);
    let asking = words.iter().filter(|word| ["what", "which", "why", "how"].contains(word)).count();
    let n_ones = words.iter().filter(|word| ENGLISH.contains(word)).count();
    let is_english = n_ones == 1 && asking == 0 || n_ones == 0 && asking == 1 && words.windows(2).any(measures);
    let is_many = ["哪几", "几个方面", "几乎"].iter().any(|word| folded.contains(word));
    is_english || CHINESE.iter().any(|word| folded.contains(word)) && !is_many
}

fn is_choice(question: &str) -> bool {
    const CHINESE: &[&str] = &["还是", "抑或", "或者"];
    let folded = fold_str(question);
    folded.split_whitespace().any(|word| word == "or")
        || CHINESE.iter().any(|word| folded.contains(word))
        || names_two(&folded)
}

/// Whether a folded Chinese question is of the form "A and B, which …": a name between "and" and "which".
fn names_two(folded: &str) -> bool {
    const MOST_OF_NAME: usize = 8;
    let Some((before, _)) = folded.split_once('哪') else {
        return false;
    };
    let behind = before.rsplit_once(['和', '与', '跟', '、']);
    let name = behind.map_or("", |(_, name)| name.trim_end_matches([',', ' ']));
    let is_name = |c: char| c.is_alphanumeric() || c == '·';
    !name.is_empty() && name.chars().count() <= MOST_OF_NAME && name.chars().all(is_name)
}

/// A bare subject, "Vessin dialect", as the question that it stands for; anything else as it is.
pub fn spelled_out(question: String) -> String {
    const MOST_WORDS: usize = 3;
    let is_bare = !question.contains(['?', '？'])
        && !asks_for_words(&fold_str(&question))
        && !names_its_answer(&question)
        && (1..=MOST_WORDS).contains(&terms(&question).len());
    match lang_of(&question) {
        _ if !is_bare => question,
        Lang::En => format!("What is said about {question}?"),
        Lang::ZhHans => format!("关于{question}说了什么?"),
        Lang::ZhHant => format!("關於{question}說了什麼?"),
    }
}

/// Whether `question` asks about the collection itself, "how many articles are there?", and about nothing that one of them
/// tells: all its words name a collection or ask about one.
pub fn is_about_collection(question: &str) -> bool {
    const HOLDERS: &str = "articl document file folder directori collect clip corpus archiv \
        文章 篇 几篇 篇文章 文件 文件夹 资料 资料夹 文档 目录 档案";
    const ASKING: &str = "mani total number count topic subject theme cover contain includ deal list languag date name title tell give \
        show there here overal general present kind sort 一共 总共 共 共有 总 里 里面 中 主题 题目 标题 内容 讲 讲述 说 谈 主要 \
        涉及 介绍 列出 语言 日期 数量 数 方面 包含 包括 大致 大概 哪些 什么 多少 几 列 请 告诉 种 类";
    let named = |list: &str, term: &str| list.split_whitespace().any(|word| word == term);
    let terms = terms(question);
    terms.iter().any(|term| named(HOLDERS, term))
        && terms.iter().all(|term| named(HOLDERS, term) || named(ASKING, term))
}

/// Whether an answer says nothing that the question does not say itself.
pub fn is_echo(answer: &str, question: &str) -> bool {
    let letters = |text: &str| -> String {
        let folded = fold_str(text);
        folded.chars().filter(|c| c.is_alphanumeric()).collect()
    };
    let asked: HashSet<String> = terms(question).into_iter().collect();
    let said = terms(answer);
    letters(question).contains(&letters(answer)) || !said.is_empty() && said.iter().all(|term| asked.contains(term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_question_may_be_about_a_latin_name() {
        assert_eq!(lang_of("Ann Rask 是誰?"), Lang::ZhHant);
        assert_eq!(lang_of("Who is 林若衡 of the town council of Ostrel?"), Lang::En);
    }

    #[test]
    fn who_when_and_how_many_ask_for_one_thing() {
        for question in ["Who built it?", "How many boats sank?", "大桥是谁建造的?", "一張多少錢?"] {
            assert!(asks_for_one(question), "{question}");
        }
        for question in
            ["Why was it built?", "How did they build it, and who paid?", "碼頭為什麼關閉?", "提了哪几点要求?"]
        {
            assert!(!asks_for_one(question), "{question}");
        }
    }

    #[test]
    fn whether_and_which_of_two_are_answered_in_the_words_of_the_question() {
        for question in [
            "Did the council pay the bill?",
            "Isn't the bridge older?",
            "大桥是否已经修复?",
            "這座橋修好了嗎?",
            "Was it Rask or Holm who built the bridge?",
            "大橋是拉斯克還是霍爾姆建造的?",
            "哈登和韋辛哪個更大?",
        ] {
            assert!(names_its_answer(question), "{question}");
        }
        assert!(asks_whether("Did the council pay the bill?"));
        assert!(!asks_whether("Was it Rask or Holm who built it?"));
        for question in [
            "Who did the council pay?",
            "What is the bill?",
            "Can you tell me who pays?",
            "你知道谁建造了大桥吗?",
            "誰建造了大橋?",
            "哈登與哪個城市結盟?",
        ] {
            assert!(!names_its_answer(question), "{question}");
        }
    }

    #[test]
    fn a_bare_subject_asks_what_is_said_about_it() {
        for (subject, question) in [
            ("Vessin dialect", "What is said about Vessin dialect?"),
            ("韋辛方言", "關於韋辛方言說了什麼?"),
            ("Who built it", "Who built it"),
            ("Vessin?", "Vessin?"),
            ("number of boats lost in the storm", "number of boats lost in the storm"),
        ] {
            assert_eq!(spelled_out(subject.to_owned()), question);
        }
    }

    #[test]
    fn the_collection_is_asked_about_in_words_for_collections_alone() {
        for question in [
            "How many articles are there?",
            "What is this folder about?",
            "what topics do these documents cover",
            "List the articles.",
            "这个文件夹里有多少篇文章?",
            "這些文章主要講什麼?",
            "一共有几篇文章?",
        ] {
            assert!(is_about_collection(question), "{question}: {:?}", terms(question));
        }
        for question in [
            "How many articles did the ministry publish?",
            "Which article is about the otters?",
            "How many are there?",
            "Who wrote the articles?",
            "What is Vessin about?",
            "这篇文章的作者是谁?",
            "大桥用了多少资料?",
        ] {
            assert!(!is_about_collection(question), "{question}");
        }
    }

    #[test]
    fn an_answer_in_the_words_of_the_question_is_an_echo() {
        for (answer, question) in [
            ("The bridge at Halden", "Who built the bridge at Halden?"),
            ("Rebuilding the bridge", "Why did they rebuild the bridge?"),
            ("車公廟", "一間是车公庙,另一間是?"),
            ("1.0", "視力在幾歲時才會到1.0?"),
        ] {
            assert!(is_echo(answer, question), "{answer}");
        }
        for (answer, question) in [
            ("Otto Rask", "Who built the bridge at Halden?"),
            ("The flood at Halden", "Why was the bridge at Halden repaired?"),
            ("黃大仙祠", "一間是車公廟,另一間是?"),
            ("2歲", "視力在幾歲時才會到1.0?"),
        ] {
            assert!(!is_echo(answer, question), "{answer}");
        }
    }
}
