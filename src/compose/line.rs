//! What a model wrote in, one whole sentence in the language asked for out. Knows no source.

use super::ground::words;
use super::shorten::dangles;
use crate::text::lang::{foreign_script_chars, to_script};
use crate::text::script::is_han;
use crate::text::{BlockKind, Lang};

/// `text` in the Chinese script of `lang`; other text as it is.
pub fn in_language(text: String, lang: Lang) -> String {
    match foreign_script_chars(&text, lang) {
        0 => text,
        _ => to_script(&text, lang).into_owned(),
    }
}

/// Takes away what models put around a line: bullets, labels, quotation marks, emphasis, citation marks.
pub fn tidy(text: &str) -> String {
    let mut text = text.trim();
    loop {
        let stripped = text
            .trim_start_matches(['-', '•', '*', '#', '>', '·', ' ', '\u{3000}'])
            .trim_start_matches("Summary:")
            .trim_start_matches("Sentence:")
            .trim_start_matches("一句话:")
            .trim_start_matches("摘要:")
            .trim_start_matches("摘要：");
        if stripped == text {
            break;
        }
        text = stripped;
    }
    let mut tidy = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['[', '*', '【']) {
        tidy.push_str(&rest[..at]);
        let tail = &rest[at..];
        let mark = tail.find([']', '】']).map(|end| &tail[..end]);
        let is_citation = mark.is_some_and(|m| {
            let inside = m.chars().skip(1);
            m.chars().count() > 1 && inside.clone().all(|c| c.is_ascii_digit() || ",， -".contains(c))
        });
        rest = match (is_citation, mark) {
            (true, Some(mark)) => tail[mark.len()..].trim_start_matches([']', '】']),
            _ => {
                let c = tail.chars().next().unwrap_or_default();
                if c != '*' {
                    tidy.push(c);
                }
                &tail[c.len_utf8()..]
            }
        };
    }
    tidy.push_str(rest);
    let tidy = tidy.split_whitespace().collect::<Vec<_>>().join(" ");
    unquote(&tidy).to_owned()
}

/// Takes away quotation marks that enclose the whole line.
fn unquote(text: &str) -> &str {
    for (open, close) in [("\"", "\""), ("“", "”"), ("「", "」")] {
        if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close))
            && !inner.contains(open)
        {
            return inner;
        }
    }
    text
}

/// The first whole sentence of a line, in the language asked for.
pub fn whole_line(text: &str, lang: Lang) -> Result<String, &'static str> {
    let prose = crate::text::Prose {
        text: text.to_owned(),
        blocks: vec![crate::text::Block { kind: BlockKind::Paragraph, range: 0..text.len() }],
        ..Default::default()
    };
    let sentences = crate::text::segment::segment(&prose);
    let Some(first) = sentences.first() else {
        return Err("it is empty");
    };
    let mut line = text[first.start..first.end].trim().to_owned();
    if line.ends_with('…') {
        // Cut off by the token cap: what stands before the last clause mark may still be a sentence.
        let marks = [", ", "; ", " – ", " — ", "，", "；"];
        let cut = marks.iter().filter_map(|mark| line.rfind(mark)).max();
        let cut = cut.unwrap_or(0);
        if 3 * cut < 2 * line.len() {
            return Err("it did not come to an end");
        }
        line.truncate(cut);
    }
    if dangles(&line) {
        return Err("it did not come to an end");
    }
    let n_words = words(&line).len();
    let n_han = line.chars().filter(|c| is_han(*c)).count();
    if n_words < 4 {
        return Err("it is too short");
    }
    let chinese = matches!(lang, Lang::ZhHans | Lang::ZhHant);
    if chinese != (2 * n_han > n_words) {
        return Err("it is in another language");
    }
    if foreign_script_chars(&line, lang) > 0 {
        return Err("it mixes the Chinese scripts");
    }
    if !line.ends_with(['.', '!', '?', '。', '！', '？', '”', '」', '"']) {
        line.push(if chinese { '。' } else { '.' });
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_put_around_a_line_is_taken_away() {
        let check = |input: &str, expected: &str| assert_eq!(tidy(input), expected, "{input}");
        check("- **The quay** opens in March [3].", "The quay opens in March .");
        check("\"The quay opens.\"", "The quay opens.");
        check("“Open it,” she said, “now.”", "“Open it,” she said, “now.”");
        check("Summary: The quay  opens.", "The quay opens.");
        check("碼頭三月動工【1,2】。", "碼頭三月動工。");
        check("The [new] quay opens.", "The [new] quay opens.");
    }

    #[test]
    fn a_line_is_one_whole_sentence_in_the_language_asked_for() {
        let check = |input: &str, lang, expected: Result<&str, &str>| {
            assert_eq!(whole_line(input, lang).as_deref().map_err(|e| *e), expected, "{input}");
        };
        check("The quay opens in March. It is new.", Lang::En, Ok("The quay opens in March."));
        check("The quay opens in March", Lang::En, Ok("The quay opens in March."));
        check(
            "The quay opens in March after a long dispute, and…",
            Lang::En,
            Ok("The quay opens in March after a long dispute."),
        );
        check("The quay opens and…", Lang::En, Err("it did not come to an end"));
        check("", Lang::En, Err("it is empty"));
        check("新碼頭三月動工。", Lang::En, Err("it is in another language"));
        check("新碼頭三月動工", Lang::ZhHant, Ok("新碼頭三月動工。"));
    }
}
