//! Lines that were broken to fit a page in, words that are whole again out. Knows no layout; what is a paragraph is
//! decided elsewhere.

use std::collections::HashSet;

use super::script::is_han;

/// The words of a document, which tell whether a hyphen at the end of a line belongs to the word.
#[derive(Debug, Default)]
pub struct Words(HashSet<String>);

impl Words {
    /// The words of these lines, compounds with hyphens among them.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Words {
        let mut words = HashSet::new();
        let mut is_rest = false;
        for line in lines {
            for word in line.split_whitespace() {
                // The two parts of a divided word are no words of the document.
                let is_part = std::mem::replace(&mut is_rest, false);
                let is_head = word.ends_with(['-', '‐', '\u{ad}']) && line.trim_end().ends_with(word);
                is_rest = is_head;
                if !is_part && !is_head {
                    words.insert(word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase());
                }
            }
        }
        Words(words)
    }

    /// Adds a line to the text before it, with the blank that belongs between them, and without the hyphen that only
    /// divides a word.
    pub fn join(&self, text: &mut String, line: &str) {
        match self.division(text, line) {
            Some(hyphen) => text.truncate(text.len() - hyphen.len_utf8()),
            None if text.ends_with(['-', '‐']) && line.starts_with(char::is_alphanumeric) => {}
            None if text.ends_with(is_unspaced) && line.starts_with(is_unspaced) => {}
            None => text.push(' '),
        }
        text.push_str(line);
    }

    /// The hyphen at the end of `text` that only divides a word whose rest begins `line`: not that of a compound.
    fn division(&self, text: &str, line: &str) -> Option<char> {
        let hyphen = text.chars().next_back().filter(|c| matches!(c, '-' | '‐' | '\u{ad}'))?;
        let head = &text[..text.len() - hyphen.len_utf8()];
        let start = head
            .rfind(|c: char| !c.is_alphabetic())
            .map_or(0, |at| at + head[at..].chars().next().map_or(1, char::len_utf8));
        let head = &head[start..];
        let rest = &line[..line.find(|c: char| !c.is_alphabetic()).unwrap_or(line.len())];
        if head.is_empty() || !rest.starts_with(char::is_lowercase) {
            return None;
        }
        let (head, rest) = (head.to_lowercase(), rest.to_lowercase());
        let has = |word: String| self.0.contains(&word);
        // The document itself shows how the word is written; where it does not, most hyphens at line ends divide.
        let is_compound =
            has(format!("{head}-{rest}")) || !has(format!("{head}{rest}")) && has(head.clone()) && has(rest.clone());
        (hyphen == '\u{ad}' || !is_compound).then_some(hyphen)
    }
}

fn is_unspaced(c: char) -> bool {
    is_han(c)
        || matches!(
            c,
            '、' | '。'
                | '，'
                | '；'
                | '：'
                | '！'
                | '？'
                | '「'
                | '」'
                | '『'
                | '』'
                | '（'
                | '）'
                | '《'
                | '》'
                | '“'
                | '”'
                | 'ぁ'..='ヿ'
        )
}

/// A text with the words whole that line ends divide (`re-` / `construction`). Lines that divide words were broken to fit a
/// page, so the full lines of such a paragraph become one. The text keeps its length, and what stands elsewhere its place.
pub fn undivided(text: &mut String) {
    if !text.contains("-\n") && !text.contains("-\r\n") {
        return;
    }
    let words = Words::of(text.lines());
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let divides = |a: &str, b: &str| words.division(a.trim_end(), b.trim_start()) == Some('-');
    let mut out = String::with_capacity(text.len());
    for paragraph in lines.chunk_by(|a, b| !a.trim().is_empty() && !b.trim().is_empty()) {
        if !paragraph.windows(2).any(|pair| divides(pair[0], pair[1])) {
            out.extend(paragraph.iter().copied());
            continue;
        }
        let width = |line: &str| line.trim_end().chars().count();
        let widest = paragraph.iter().map(|line| width(line)).max().unwrap_or(0);
        // Blanks in place of what is left out, which stand behind the word that it divided.
        let mut n_blanks = 0;
        for (idx, line) in paragraph.iter().enumerate() {
            let body = line.trim_end();
            let (indent, ending) = (body.len() - body.trim_start().len(), line.len() - body.len());
            let body = body.trim_start();
            if n_blanks > 0 {
                let end = body.find(char::is_whitespace).unwrap_or(body.len());
                out.push_str(&body[..end]);
                out.extend(std::iter::repeat_n(' ', n_blanks + indent));
                out.push_str(&body[end..]);
            } else {
                out.push_str(&line[..indent]);
                out.push_str(body);
            }
            n_blanks = 0;
            match paragraph.get(idx + 1) {
                Some(next) if divides(line, next) => {
                    out.pop();
                    n_blanks = ending + 1;
                }
                Some(_) if width(line) * 10 >= widest * 7 => out.extend(std::iter::repeat_n(' ', ending)),
                _ => out.push_str(&line[line.len() - ending..]),
            }
        }
    }
    debug_assert_eq!(out.len(), text.len());
    *text = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_divided_at_line_ends_are_whole_again_and_nothing_else_moves() {
        let check = |text: &str, expected: &str| {
            let mut found = text.to_owned();
            undivided(&mut found);
            assert_eq!(found, expected);
            assert_eq!(found.len(), text.len());
        };
        check("The re-\nconstruction takes", "The reconstruction   takes");
        check("few-\r\ner. Then", "fewer.    Then");
        check("moor-\ning\nfees\n\nNext\nline", "mooring  \nfees\n\nNext\nline");
        check("Title\nThe long line is di-\n  vided here", "Title\nThe long line is divided     here");
        check("a self-\nservice pump, and self-service again", "a self-\nservice pump, and self-service again");
        check("the harbour-\nmaster", "the harbourmaster  ");
        check("in 1998-\n1999", "in 1998-\n1999");
        check("He said -\nand left", "He said -\nand left");
        check("North-\nSouth", "North-\nSouth");
        check("no hyphen\nat all", "no hyphen\nat all");
    }

    #[test]
    fn lines_are_joined_as_their_script_is_written() {
        let words = Words::of(["a well-known dog"]);
        let check = |lines: &[&str], expected: &str| {
            let mut text = lines[0].to_owned();
            lines[1..].iter().for_each(|line| words.join(&mut text, line));
            assert_eq!(text, expected);
        };
        check(&["one", "two"], "one two");
        check(&["a well-", "known dog"], "a well-known dog");
        check(&["the moor-", "ing fees"], "the mooring fees");
        check(&["学", "员毕业后，", "留在本县"], "学员毕业后，留在本县");
        check(&["用", "AI"], "用 AI");
    }
}
