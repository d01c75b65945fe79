//! Text of anybody's in, text that cannot drive a terminal out. Every string that comes from an article, a path, a
//! model or an error passes here before it is shown; JSON escapes the same characters instead of replacing them.

use std::fmt::Write as _;

/// One line of safe text, for titles, paths and claims: line breaks and other controls show as escapes, invisible
/// characters are gone.
pub(crate) fn line(text: &str) -> String {
    clean(text, false)
}

/// Several lines of safe text, for errors and quoted blocks: line breaks stay.
pub(crate) fn block(text: &str) -> String {
    clean(text, true)
}

/// Whether `c` may act on a terminal or hide in it: controls, bidirectional overrides, zero-width and tag characters.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

fn clean(text: &str, keep_breaks: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if keep_breaks => safe.push('\n'),
            '\n' | '\u{2028}' | '\u{2029}' => safe.push_str("\\n"),
            '\t' => safe.push(' '),
            '\r' if keep_breaks => {}
            '\r' => safe.push_str("\\r"),
            // An escape keeps two hostile names apart, which a replacement character would not.
            c if c.is_control() => write!(safe, "\\x{:02x}", c as u32).expect("a string takes it"),
            c if is_invisible(c) => {}
            c => safe.push(c),
        }
    }
    safe
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}' // zero-width, and left-to-right marks
        | '\u{2028}'..='\u{202e}' // line separators, bidirectional embeddings and overrides
        | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, isolates
        | '\u{fff9}'..='\u{fffb}' // interlinear annotation
        | '\u{e0000}'..='\u{e007f}' // tags
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_survives() {
        let check = |input: &str, expected: &str| assert_eq!(line(input), expected, "{input:?}");
        check("plain 中文 é", "plain 中文 é");
        check("\u{1b}[31mred", "\\x1b[31mred");
        check("bell\u{7} del\u{7f} csi\u{9b}0m", "bell\\x07 del\\x7f csi\\x9b0m");
        check("a\nb\r\nc\td", "a\\nb\\r\\nc d");
        check("cod\u{202e}txt.exe", "codtxt.exe");
        check("ze\u{200b}ro\u{feff} ta\u{e0041}g", "zero tag");
        check("\u{2028}next", "\\nnext");
    }

    #[test]
    fn blocks_keep_their_lines() {
        assert_eq!(block("a\r\nb\u{1b}c\u{200f}"), "a\nb\\x1bc");
    }

    #[test]
    fn what_is_cleaned_holds_no_unsafe_character() {
        let all: String = (0..=0x10ffff).filter_map(char::from_u32).collect();
        assert!(!line(&all).chars().any(is_unsafe));
        assert!(!block(&all).chars().any(|c| c != '\n' && is_unsafe(c)));
    }
}
