//! One run of text in, the same run fit to be stored and shown out: composed, without invisible characters, with
//! single blanks. Knows Unicode classes only.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Whether `c` must never reach a terminal or a clean text: controls, zero-width and direction marks, tag characters,
/// private use and noncharacters. Line breaks and tabs count too; who wants them keeps them beforehand.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
        || (c as u32 & 0xfffe) == 0xfffe
}

/// `text` in NFC, its blanks single and none at its ends, without unprintable characters and without terminal escape
/// sequences. A line break is a blank, but between two Chinese characters it is nothing.
pub fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let (mut blank, mut broken) = (false, false);
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' | '\u{9b}' => skip_escape(c, &mut chars),
            _ if c.is_whitespace() => {
                blank = true;
                broken |= matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
            }
            _ if is_unprintable(c) => {}
            _ => {
                let last = out.chars().next_back();
                if blank && last.is_some_and(|last| !(broken && is_unspaced(last, c))) {
                    out.push(' ');
                }
                (blank, broken) = (false, false);
                out.push(c);
            }
        }
    }
    match is_nfc_quick(out.chars()) {
        IsNormalized::Yes => out,
        _ => out.nfc().collect(),
    }
}

/// Whether two characters stand side by side in a script that is written without blanks. Curly quotation marks and dashes
/// belong to either kind of writing, so the other character decides.
pub(super) fn is_unspaced(before: char, after: char) -> bool {
    let is_wide = |c: char| matches!(c, '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}');
    let is_either = |c: char| matches!(c, '“' | '”' | '‘' | '’' | '—' | '…' | '·');
    is_wide(before) && (is_wide(after) || is_either(after)) || is_either(before) && is_wide(after)
}

/// Passes over the rest of an escape sequence, so that `ESC [31m` does not leave `[31m` behind. Bounded: a lone
/// escape cannot swallow the words after it.
fn skip_escape(introducer: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    const LONGEST: usize = 24;
    if introducer == '\u{1b}' && chars.next_if_eq(&'[').is_none() {
        // Two-character sequences; window titles and hyperlinks (`ESC ]`) leave their text, which is harmless.
        chars.next_if(|c| matches!(c, ']' | '(' | ')' | 'P' | '^' | '_' | '\\' | 'c' | '7' | '8'));
        return;
    }
    for _ in 0..LONGEST {
        match chars.next_if(|c| matches!(c, '0'..='?')) {
            Some(_) => {}
            None => {
                chars.next_if(|c| matches!(c, '@'..='~'));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_invisible_remains() {
        let check = |text: &str, expected: &str| {
            assert_eq!(tidy(text), expected);
        };
        check("a\u{200b}b\u{202e}c\u{e0041}\u{feff}", "abc");
        check("  a \t\u{3000}\u{a0} b\r\nc  ", "a b c");
        check("cafe\u{301}", "café");
        check("\u{1b}[31mred\u{1b}[0m and \u{1b}]0;title\u{7} plain", "red and 0;title plain");
        check("\u{9b}2Jx \u{85}y\u{7f}", "x y");
        check("台\u{e001}灣", "台灣");
        check("第一\n批学生，\r\n“学\n员”\n毕业 后 2\n人，\n한국\n어", "第一批学生，“学员”毕业 后 2 人， 한국 어");
        check("👍\u{fe0f} fine", "👍 fine");
        check("\u{1b}", "");
        check("\u{1b}[;;;;;;;;;;", "");
    }

    #[test]
    fn tidy_text_stays_as_it_is() {
        for text in ["Plain words, 3.5 %.", "「說」—— ok…", "é ü ß"] {
            assert_eq!(tidy(text), text);
            assert!(!text.chars().any(is_unprintable));
        }
    }
}
