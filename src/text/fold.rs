//! Text in, the same text with its spellings levelled out, and a way back. Full width, letter case, Chinese script
//! and variant characters become one; words and meaning are not touched.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::script::{plain_form, simplified};

/// Folded text that can still be traced to the text it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// The folded text.
    pub text: String,
    /// For each byte of `text`, and one past its end, the original byte at which its character begins.
    pub map: Vec<u32>,
}

impl Folded {
    /// The bytes of the original from which the folded bytes in `range` came, whole characters always.
    ///
    /// Panics when `range` ends beyond the folded text.
    pub fn original_range(&self, range: Range<usize>) -> Range<usize> {
        let start = self.map[range.start];
        if range.is_empty() {
            return start as usize..start as usize;
        }
        let last = self.map[range.end - 1];
        let end = self.map[range.end..].iter().copied().find(|&offset| offset != last).unwrap_or(last);
        start as usize..end as usize
    }
}

/// `text` folded, with the map back to it. Character by character, so it costs one pass and no dictionary.
pub fn fold(text: &str) -> Folded {
    let mut folded = String::with_capacity(text.len());
    let mut map = Vec::with_capacity(text.len() + 1);
    for (offset, c) in text.char_indices() {
        fold_char(c, &mut folded);
        map.resize(folded.len(), offset as u32);
    }
    map.push(text.len() as u32);
    Folded { text: folded, map }
}

/// `text` folded, when nobody needs the way back.
pub fn fold_str(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        fold_char(c, &mut folded);
    }
    folded
}

fn fold_char(c: char, out: &mut String) {
    match c {
        '\0'..='\x7f' => out.push(c.to_ascii_lowercase()),
        '‘' | '’' | '′' => out.push('\''),
        '“' | '”' | '″' => out.push('"'),
        '‐'..='―' | '−' => out.push('-'),
        '\u{2e80}'..='\u{2ef3}' => {
            plain_form(c).unwrap_or(c.into()).chars().for_each(|c| out.push(variant(simplified(c))))
        }
        '\u{3400}'..='\u{9fff}' => out.push(variant(simplified(c))),
        _ => {
            for n in std::iter::once(c).nfkc() {
                for l in n.to_lowercase() {
                    out.push(variant(simplified(l)));
                }
            }
        }
    }
}

/// Spellings that both scripts keep apart but readers take for one.
fn variant(c: char) -> char {
    match c {
        '著' => '着',
        '妳' => '你',
        '牠' | '祂' => '它',
        '姪' => '侄',
        '痲' => '麻',
        '籐' => '藤',
        '迺' => '乃',
        '砲' => '炮',
        '鎗' => '枪',
        '珮' => '佩',
        '谿' => '溪',
        '貍' => '狸',
        '痺' => '痹',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_become_one() {
        for (text, expected) in [
            ("ＡＢＣ１２３", "abc123"),
            ("Qwen’s “Plan”", "qwen's \"plan\""),
            ("說説说", "说说说"),
            ("臺灣台湾", "台湾台湾"),
            ("羣裏爲", "群里为"),
            ("ﬁne ½", "fine 1⁄2"),
            ("①㎏", "1kg"),
            ("", ""),
        ] {
            assert_eq!(fold_str(text), expected);
            assert_eq!(fold(text).text, expected);
        }
    }

    #[test]
    fn folded_ranges_lead_back_to_whole_characters() {
        let check = |text: &str, needle: &str, expected: &str| {
            let folded = fold(text);
            let at = folded.text.find(needle).unwrap();
            let range = folded.original_range(at..at + needle.len());
            assert_eq!(&text[range], expected);
        };
        check("他在臺灣ＡＩ學會說", "ai学会", "ＡＩ學會");
        check("a ﬁne day", "in", "ﬁn");
        check("許主洪調到哪裡", "调到哪里", "調到哪裡");
        check("x㎏y", "g", "㎏");
        check("末尾說", "说", "說");
    }

    #[test]
    fn an_empty_range_stays_empty() {
        let folded = fold("說話");
        assert_eq!(folded.original_range(3..3), 3..3);
        assert_eq!(folded.original_range(6..6), 6..6);
    }
}
