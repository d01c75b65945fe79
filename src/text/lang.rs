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
