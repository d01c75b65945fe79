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

/// `text` in NFC, its blanks (line breaks included) single and none at its ends, without unprintable characters and
/// without terminal escape sequences.
pub fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut blank = false;
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' | '\u{9b}' => skip_escape(c, &mut chars),
            _ if c.is_whitespace() => blank = true,
            _ if is_unprintable(c) => {}
            _ => {
                if blank && !out.is_empty() {
                    out.push(' ');
                }
                blank = false;
                out.push(c);
            }
        }
    }
    match is_nfc_quick(out.chars()) {
        IsNormalized::Yes => out,
        _ => out.nfc().collect(),
    }
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
