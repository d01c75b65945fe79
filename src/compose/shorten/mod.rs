//! A source sentence in, the same sentence without what can be left out. No model and no new word: whole clauses go,
//! from the end, and only those that take nothing back and set no condition.

use super::ground::n_words;
use crate::text::Lang;

mod chinese;
mod english;

/// `text` with at most `max_words` words, if leaving out asides and late clauses gets it there, else as short as that
/// makes it. Datelines and opening connectives always go.
pub fn shorten(text: &str, lang: Lang, max_words: usize) -> String {
    let mut short = without_opening(text.trim(), lang);
    while n_words(&short, lang) > max_words {
        let shorter = without_aside(&short).or_else(|| match lang {
            Lang::En => english::without_clause(&short),
            Lang::ZhHans | Lang::ZhHant => chinese::without_last_clause(&short),
        });
        match shorter {
            Some(shorter) => short = shorter,
            None => break,
        }
    }
    short
}

/// Whether the sentence can be understood without the one before it: it does not open with a word that points back.
pub fn stands_alone(text: &str, lang: Lang) -> bool {
    const POINTERS: [&str; 22] = [
        "he",
        "she",
        "it",
        "they",
        "his",
        "her",
        "its",
        "their",
        "this",
        "that",
        "these",
        "those",
        "such",
        "both",
        "here",
        "then",
        "others",
        "another",
        "the former",
        "the latter",
        "it's",
        "he's",
    ];
    const HAN_POINTERS: [&str; 14] =
        ["他", "她", "它", "其", "该", "該", "此", "这", "這", "那", "对此", "對此", "而", "但"];
    match lang {
        Lang::En => {
            let opening = text.trim_start_matches(|c: char| !c.is_alphanumeric());
            let opening = opening.to_lowercase().replace('’', "'");
            !POINTERS.iter().any(|pointer| {
                opening.strip_prefix(pointer).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
            })
        }
        Lang::ZhHans | Lang::ZhHant => {
            !HAN_POINTERS.iter().any(|pointer| text.starts_with(pointer)) || text.starts_with("其他")
        }
    }
}

/// Whether the text ends with a word that no sentence ends with.
pub fn dangles(text: &str) -> bool {
    const DANGLING: [&str; 14] =
        ["that", "whether", "and", "or", "of", "to", "the", "a", "an", "is", "was", "by", "with", "from"];
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let last = text.rsplit(' ').next().unwrap_or_default();
    DANGLING.contains(&last)
}

/// Without a dateline (`OSTREL, Norland (NP) — `) and without a connective that ties it to the sentence before.
fn without_opening(text: &str, lang: Lang) -> String {
    const CONNECTIVES: [&str; 14] = [
        "But ",
        "And ",
        "So ",
        "Yet ",
        "However, ",
        "Meanwhile, ",
        "Still, ",
        "Also, ",
        "In addition, ",
        "Moreover, ",
        "Furthermore, ",
        "Additionally, ",
        "Instead, ",
        "Then, ",
    ];
    const HAN_CONNECTIVES: [&str; 14] = [
        "此外，",
        "此外,",
        "另外，",
        "另外,",
        "同时，",
        "同時，",
        "同时,",
        "同時,",
        "然而，",
        "然而,",
        "不过，",
        "不過，",
        "不过,",
        "不過,",
    ];
    let mut text = text;
    for dash in [" — ", " – ", " -- ", "—"] {
        if let Some((place, rest)) = text.split_once(dash)
            && n_words(place, Lang::En) <= 8
            && place.ends_with(')')
            && place.contains('(')
        {
            text = rest;
        }
    }
    let connectives: &[&str] = match lang {
        Lang::En => &CONNECTIVES,
        Lang::ZhHans | Lang::ZhHant => &HAN_CONNECTIVES,
    };
    let rest = connectives.iter().find_map(|c| text.strip_prefix(c));
    capitalised(rest.unwrap_or(text).trim())
}

/// `text` with a capital letter first.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}

/// Without the last parenthesis, or what stands between two dashes.
fn without_aside(text: &str) -> Option<String> {
    for (open, close) in [("(", ")"), ("（", "）"), (" — ", " — "), (" – ", " – ")] {
        let Some(end) = text.rfind(close) else {
            continue;
        };
        if let Some(start) = text[..end].rfind(open)
            && is_outside_quotes(text, start)
            && is_outside_quotes(text, end + close.len())
        {
            let (before, after) = (text[..start].trim_end(), &text[end + close.len()..]);
            let joint = match after.starts_with(|c: char| c.is_alphanumeric() && c.is_ascii()) {
                true => " ",
                false => "",
            };
            return Some(format!("{before}{joint}{after}"));
        }
    }
    None
}

/// Whether as many quotation marks were closed as opened before `at`, and behind it none is closed that is not opened.
fn is_outside_quotes(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let depth = |open: char, close: char| before.matches(open).count() == before.matches(close).count();
    before.matches('"').count().is_multiple_of(2)
        && depth('“', '”')
        && depth('「', '」')
        && depth('『', '』')
        && depth('(', ')')
        && depth('（', '）')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asides_and_late_clauses_are_left_out() {
        let check = |text: &str, lang, max_words, expected: &str| {
            assert_eq!(shorten(text, lang, max_words), expected, "{text}");
        };
        check(
            "OSTREL, Norland (NP) — The new ferry quay opens in March.",
            Lang::En,
            20,
            "The new ferry quay opens in March.",
        );
        check(
            "But the council (14 members), which meets on Monday, will vote on the new quay in May, as it did on the old one.",
            Lang::En,
            12,
            "The council will vote on the new quay in May.",
        );
        check(
            "The harbour office closed the old quay on Monday, saying that its piles, sunk in 1931, were rotten.",
            Lang::En,
            12,
            "The harbour office closed the old quay on Monday.",
        );
        check(
            "此外，新渡輪碼頭三月動工，工期十一個月，耗資四億元，將有三座橋。",
            Lang::ZhHant,
            9,
            "新渡輪碼頭三月動工，工期十一個月。",
        );
    }

    #[test]
    fn a_condition_or_a_denial_is_never_left_out() {
        let check = |text: &str, lang| assert_eq!(shorten(text, lang, 5), text);
        check("The quay will be torn down in March, unless the court stops it.", Lang::En);
        check("The mayor said the quay is safe, but not for heavy lorries.", Lang::En);
        check("媒體報道，新碼頭的價格震驚了全市的漁民後，市府取消了工程。", Lang::ZhHant);
        check("市長表示新碼頭三月動工並且年底完成，但前提不是增稅。", Lang::ZhHant);
        check("She said “the quay, which is old, will go” on Monday in the town hall.", Lang::En);
    }

    #[test]
    fn what_opens_with_a_pointer_does_not_stand_alone() {
        let check = |text: &str, lang, expected| assert_eq!(stands_alone(text, lang), expected, "{text}");
        check("He said so.", Lang::En, false);
        check("“It’s late,” said Vandro.", Lang::En, false);
        check("Hebrides ferries stopped.", Lang::En, true);
        check("该公司裁员。", Lang::ZhHans, false);
        check("其他公司也裁員。", Lang::ZhHant, true);
        check("奧川市裁員。", Lang::ZhHant, true);
    }
}
