//! Text in, its language out, and Chinese text from one script into the other. Knows characters and phrases of both
//! scripts; translates nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use ferrous_opencc::{OpenCC, config::BuiltinConfig};

use super::Lang;
use super::script::{Script, is_han, script_of, simplified};

/// The language of most of `text`: Chinese when it holds more Han characters than words in Latin letters, and then
/// the script with more characters of its own. Chinese text that fits both scripts is called Simplified.
pub fn detect(text: &str) -> Lang {
    let mut han = 0usize;
    let mut latin_words = 0usize;
    let mut simplified = 0usize;
    let mut traditional = 0usize;
    let mut in_word = false;
    for c in text.chars() {
        let is_han = is_han(c);
        let in_word_before = std::mem::replace(&mut in_word, !is_han && c.is_alphabetic());
        latin_words += usize::from(in_word && !in_word_before);
        if is_han {
            han += 1;
            match script_of(c) {
                Script::Simplified => simplified += 1,
                Script::Traditional => traditional += 1,
                Script::Both => {}
            }
        }
    }
    match (han > latin_words, traditional > simplified) {
        (false, _) => Lang::En,
        (true, true) => Lang::ZhHant,
        (true, false) => Lang::ZhHans,
    }
}

/// How much of a text its language is told from, in bytes; and the fewest letters that tell it.
const SAMPLE_BYTES: usize = 8 << 10;
const LEAST_LETTERS: usize = 60;

/// The English name of the language of most of `text` when that is neither English nor Chinese. None too where the text
/// is too short or too mixed to tell.
pub fn foreign(text: &str) -> Option<&'static str> {
    // From the middle, where articles are in one language even if their headings are not.
    let start = text.floor_char_boundary(text.len().saturating_sub(SAMPLE_BYTES) / 2);
    let sample = &text[start..text.floor_char_boundary(start + SAMPLE_BYTES)];
    let count = |is: fn(char) -> bool| sample.chars().filter(|&c| is(c)).count();
    let (letters, han) = (count(char::is_alphabetic), count(is_han));
    // Han characters alone are Chinese; with kana among them, as in every Japanese sentence, they are not.
    if count(|c| matches!(c, 'ぁ'..='ヺ')) * 5 > letters && letters >= 20 {
        return Some(whatlang::Lang::Jpn.eng_name());
    }
    if letters < LEAST_LETTERS || han * 3 > letters {
        return None;
    }
    let found = whatlang::detect(sample).filter(whatlang::Info::is_reliable)?.lang();
    (!matches!(found, whatlang::Lang::Eng | whatlang::Lang::Cmn)).then(|| found.eng_name())
}

/// How many characters of `text` the Chinese script of `lang` does not write. Always 0 for English.
pub fn foreign_script_chars(text: &str, lang: Lang) -> usize {
    text.chars().filter(|&c| is_foreign(c, lang)).count()
}

/// `text` in the Chinese script of `lang`; text without foreign characters, and any text for English, comes back as it is.
///
/// Traditional is written in the standard forms of Taiwan (為, 裡, 著) with the words left alone: only characters are
/// changed, never vocabulary. Mixed text that is mostly right already is converted clause by clause, so that a good
/// 后 or 里 elsewhere is not touched.
pub fn to_script(text: &str, lang: Lang) -> Cow<'_, str> {
    if lang == Lang::En || foreign_script_chars(text, lang) == 0 {
        return Cow::Borrowed(text);
    }
    let converter = match lang {
        Lang::ZhHant => &*TO_TRADITIONAL,
        _ => &*TO_SIMPLIFIED,
    };
    let convert = |text: &str| {
        let converted = converter.convert(text);
        match lang {
            // Phrases keep a few characters (於 in old names) that no reader of Simplified expects.
            Lang::ZhHans => converted.chars().map(|c| if is_foreign(c, lang) { simplified(c) } else { c }).collect(),
            _ => converted,
        }
    };
    if detect(text) != lang {
        return Cow::Owned(convert(text));
    }
    let mut out = String::with_capacity(text.len());
    for clause in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        if foreign_script_chars(clause, lang) == 0 {
            out.push_str(clause);
        } else {
            out.push_str(&convert(clause));
        }
    }
    Cow::Owned(out)
}

// Loading costs a few milliseconds and, for Traditional, the phrase dictionary's megabyte: once, on first use.
static TO_TRADITIONAL: LazyLock<OpenCC> = LazyLock::new(|| load(BuiltinConfig::S2tw));
// From the Taiwan standard, because it also turns 著 back into 着 where Simplified text wants it.
static TO_SIMPLIFIED: LazyLock<OpenCC> = LazyLock::new(|| load(BuiltinConfig::Tw2s));

fn load(config: BuiltinConfig) -> OpenCC {
    OpenCC::from_config(config).expect("the dictionary is compiled into the program")
}

fn is_foreign(c: char, lang: Lang) -> bool {
    match lang {
        Lang::En => false,
        Lang::ZhHans => script_of(c) == Script::Traditional,
        Lang::ZhHant => script_of(c) == Script::Simplified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        for (text, expected) in [
            ("The canal froze in January.", Lang::En),
            ("", Lang::En),
            ("运河在一月结冰,船只停航。", Lang::ZhHans),
            ("運河在一月結冰,船隻停航。", Lang::ZhHant),
            ("用户温度説明羣組", Lang::ZhHant),
            ("Cloud AI 平台 Qwen 已经发布新模型", Lang::ZhHans),
            ("The poet 王維 wrote about Wheel River and 輞川 in the Tang dynasty.", Lang::En),
            ("中文", Lang::ZhHans),
        ] {
            assert_eq!(detect(text), expected, "{text}");
        }
    }

    #[test]
    fn other_languages_are_named() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(foreign(&text.repeat(2)), expected, "{text}");
        check("港の新しい桟橋は来年の春に完成する予定で、漁師たちは魚が戻ることを期待している。", Some("Japanese"));
        check("항구의 새 부두는 내년 봄에 완공될 예정이며 어부들은 물고기가 돌아오기를 바라고 있다.", Some("Korean"));
        check("Новый причал в порту будет готов весной, и рыбаки надеются, что рыба вернётся.", Some("Russian"));
        check(
            "Die neue Anlegestelle im Hafen wird im Frühjahr fertig, und die Fischer hoffen auf mehr Fische.",
            Some("German"),
        );
        check(
            "Le nouveau quai du port sera prêt au printemps et les pêcheurs espèrent que le poisson reviendra.",
            Some("French"),
        );
        check("The new quay of the harbour will be ready in spring, and the fishermen hope for more fish.", None);
        check("港口的新码头将于明年春天完工，渔民希望鱼群能够回来。港口的新码头将于明年春天完工。", None);
        check("漁港「さくら」的新碼頭將於明年春天完工，漁民希望魚群能夠回來，鎮長說費用不高。", None);
        check("Brot", None);
    }

    #[test]
    fn conversion_leaves_no_foreign_character() {
        let check = |text: &str, lang: Lang, expected: &str| {
            let converted = to_script(text, lang);
            assert_eq!(converted, expected);
            assert_eq!(foreign_script_chars(&converted, lang), 0);
        };
        check("头发发展皇后以后", Lang::ZhHant, "頭髮發展皇后以後");
        check("為了羣衆説話,裏面看著", Lang::ZhHans, "为了群众说话,里面看着");
        check("樊於期與淳于髡", Lang::ZhHans, "樊于期与淳于髡");
        check("著名的著作", Lang::ZhHans, "著名的著作");
        check("大運河旁的皇后,说得好", Lang::ZhHant, "大運河旁的皇后,說得好");
        check("no Chinese at all", Lang::ZhHant, "no Chinese at all");
        check("說", Lang::En, "說");
    }

    #[test]
    fn conversion_borrows_what_is_right_already() {
        assert!(matches!(to_script("皇后與羣衆", Lang::ZhHant), Cow::Borrowed(_)));
    }
}
