//! A source sentence in, the same sentence without what can be left out. No model and no new word: whole clauses go,
//! from the end, and only those that take nothing back and set no condition.

use super::ground::n_words;
use crate::text::Lang;

/// `text` with at most `max_words` words, if leaving out asides and late clauses gets it there, else as short as that
/// makes it. Datelines and opening connectives always go.
pub fn shorten(text: &str, lang: Lang, max_words: usize) -> String {
    let mut short = without_opening(text.trim(), lang);
    while n_words(&short, lang) > max_words {
        let shorter = without_aside(&short).or_else(|| match lang {
            Lang::En => without_inner_clause(&short).or_else(|| without_last_clause(&short)),
            Lang::ZhHans | Lang::ZhHant => without_last_han_clause(&short),
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
    const HAN_POINTERS: [&str; 14] = [
        "他", "她", "它", "其", "该", "該", "此", "这", "這", "那", "对此", "對此", "而", "但",
    ];
    match lang {
        Lang::En => {
            let opening = text.trim_start_matches(|c: char| !c.is_alphanumeric());
            let opening = opening.to_lowercase().replace('’', "'");
            !POINTERS.iter().any(|pointer| {
                opening
                    .strip_prefix(pointer)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
            })
        }
        Lang::ZhHans | Lang::ZhHant => {
            !HAN_POINTERS.iter().any(|pointer| text.starts_with(pointer))
                || text.starts_with("其他")
        }
    }
}

/// Whether the text ends with a word that no sentence ends with.
pub fn dangles(text: &str) -> bool {
    const DANGLING: [&str; 14] = [
        "that", "whether", "and", "or", "of", "to", "the", "a", "an", "is", "was", "by", "with",
        "from",
    ];
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

fn capitalised(text: &str) -> String {
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

/// What a clause may not hold if it is to go: it would take something back that then stands alone.
const BINDING: [&str; 12] = [
    "if", "unless", "until", "except", "only", "not", "no", "never", "but", "without", "although",
    "though",
];

fn binds(clause: &str) -> bool {
    let words = super::ground::words(clause);
    let denies = ["n't", "n’t"].iter().any(|not| clause.contains(not));
    denies || words.iter().any(|word| BINDING.contains(&word.as_str()))
}

/// What opens a clause behind a comma that only adds to what stands before it.
const ADDITIONS: [&str; 31] = [
    "which",
    "who",
    "whose",
    "where",
    "when",
    "while",
    "as",
    "even as",
    "now that",
    "after",
    "before",
    "since",
    "because",
    "including",
    "such as",
    "with",
    "amid",
    "despite",
    "instead of",
    "rather than",
    "in hopes of",
    "in an effort to",
    "just",
    "along with",
    "alongside",
    "like",
    "for example",
    "or so",
    "and",
    "or",
    "following",
];
/// What opens one without a comma.
const TAILS: [&str; 9] = [
    " even as ",
    " after ",
    " when ",
    " while ",
    " because ",
    " since ",
    " amid ",
    " ahead of ",
    " in hopes of ",
];

fn opens_with(clause: &str, openings: &[&str]) -> bool {
    let clause = clause.trim_start().to_lowercase();
    openings.iter().any(|opening| {
        let rest = clause.strip_prefix(opening);
        rest.is_some_and(|rest| rest.starts_with([' ', ',']))
    })
}

/// Whether a clause opens with a participle: `saying that …`.
fn is_participle(clause: &str) -> bool {
    let first = clause.split_whitespace().next().unwrap_or_default();
    first.len() > 5 && first.ends_with("ing")
}

/// Without `, which …,` and the like in the middle, or what stands between a name and `said`.
fn without_inner_clause(text: &str) -> Option<String> {
    const RELATIVES: [&str; 5] = ["which", "who", "whose", "where", "including"];
    const SAYS: [&str; 7] = [
        "said",
        "says",
        "told",
        "announced",
        "wrote",
        "added",
        "warned",
    ];
    let marks = clause_marks(text);
    marks.windows(2).rev().find_map(|pair| {
        let (clause, rest) = (&text[pair[0] + 1..pair[1]], &text[pair[1] + 1..]);
        // What follows is to be the sentence going on, and not the last of a series.
        let goes_on = !opens_with(rest, &ADDITIONS) && !is_participle(rest);
        let first = clause.split_whitespace().next()?;
        let describes =
            ["a", "an", "the"].contains(&first) || ["'s", "’s"].iter().any(|s| first.ends_with(s));
        let stands_between =
            opens_with(clause, &RELATIVES) && goes_on || describes && opens_with(rest, &SAYS);
        (stands_between && !binds(clause)).then(|| format!("{}{rest}", &text[..pair[0]]))
    })
}

/// Without the last clause, where it only adds something.
fn without_last_clause(text: &str) -> Option<String> {
    let marks = clause_marks(text);
    let is_series = |clause: &str| opens_with(clause, &["and", "or"]) && marks.len() > 1;
    let late = |(number, at): (usize, &usize)| {
        let clause = &text[at + 1..];
        let is_last = number + 1 == marks.len();
        // A clause with commas of its own may be one in the middle, unless it opens with a participle.
        let adds = is_participle(clause) || is_last && opens_with(clause, &ADDITIONS);
        (adds && !is_series(clause)).then_some(*at)
    };
    let late = marks
        .iter()
        .enumerate()
        .filter_map(late)
        .collect::<Vec<_>>();
    let dash = [" — ", " – "].iter().filter_map(|dash| text.rfind(dash));
    let tail = TAILS.iter().filter_map(|tail| text.rfind(tail));
    let tail = tail.filter(|at| !text[..*at].ends_with(','));
    let open = late.into_iter().chain(dash).chain(tail);
    let fits = |at: &usize| {
        let (before, clause) = (&text[..*at], &text[*at..]);
        let whole = n_words(before, Lang::En) >= 8 && !dangles(before);
        is_outside_quotes(text, *at) && !binds(clause) && whole
    };
    let at = open.filter(fits).max()?;
    Some(format!("{}.", text[..at].trim_end()))
}

/// Where commas stand that are outside quotation marks and divide clauses.
fn clause_marks(text: &str) -> Vec<usize> {
    let marks = text.match_indices(", ").map(|(at, _)| at);
    marks.filter(|&at| is_outside_quotes(text, at)).collect()
}

/// Whether as many quotation marks were closed as opened before `at`, and behind it none is closed that is not opened.
fn is_outside_quotes(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let depth =
        |open: char, close: char| before.matches(open).count() == before.matches(close).count();
    before.matches('"').count().is_multiple_of(2)
        && depth('“', '”')
        && depth('「', '」')
        && depth('『', '』')
        && depth('(', ')')
        && depth('（', '）')
}

/// Without the last clause of a Chinese sentence, where that leaves a sentence.
fn without_last_han_clause(text: &str) -> Option<String> {
    const BINDING: [&str; 18] = [
        "但", "不", "没", "沒", "未", "無", "无", "非", "如果", "若", "除", "否", "却", "卻", "只",
        "才", "仅", "僅",
    ];
    const OPEN: [&str; 20] = [
        "虽", "雖", "如果", "若", "由于", "由於", "因", "当", "當", "尽管", "儘管", "除", "随着",
        "隨著", "为了", "為了", "根据", "根據", "对于", "對於",
    ];
    const HANGING: [&str; 29] = [
        "表示", "指出", "认为", "認為", "称", "稱", "说", "說", "指", "悉", "道", "到", "息", "示",
        "露", "布", "佈", "看来", "看來", "是", "：", ":", "时", "時", "后", "後", "前", "中",
        "下",
    ];
    const TIMES: [&str; 3] = ["日", "月", "年"];
    let mut marks = text
        .char_indices()
        .filter(|(_, c)| matches!(c, '，' | ',' | '；' | ';'));
    let (at, mark) = marks.rfind(|(at, _)| is_outside_quotes(text, *at))?;
    let (before, clause) = (&text[..at], &text[at + mark.len_utf8()..]);
    let first = before.split(['，', ',', '；', ';']).count() == 1;
    let ends_with = |endings: &[&str]| endings.iter().any(|end| before.ends_with(end));
    let opens = OPEN.iter().any(|open| before.starts_with(open));
    let is_open = first && (opens || ends_with(&TIMES)) || ends_with(&HANGING);
    let binds = BINDING.iter().any(|word| clause.contains(word));
    let long_enough = before.chars().count() >= 14;
    (long_enough && !is_open && !binds).then(|| format!("{before}。"))
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
        check(
            "The quay will be torn down in March, unless the court stops it.",
            Lang::En,
        );
        check(
            "The mayor said the quay is safe, but not for heavy lorries.",
            Lang::En,
        );
        check(
            "媒體報道，新碼頭的價格震驚了全市的漁民後，市府取消了工程。",
            Lang::ZhHant,
        );
        check(
            "市長表示新碼頭三月動工並且年底完成，但前提不是增稅。",
            Lang::ZhHant,
        );
        check(
            "She said “the quay, which is old, will go” on Monday in the town hall.",
            Lang::En,
        );
    }

    #[test]
    fn what_opens_with_a_pointer_does_not_stand_alone() {
        let check =
            |text: &str, lang, expected| assert_eq!(stands_alone(text, lang), expected, "{text}");
        check("He said so.", Lang::En, false);
        check("“It’s late,” said Vandro.", Lang::En, false);
        check("Hebrides ferries stopped.", Lang::En, true);
        check("该公司裁员。", Lang::ZhHans, false);
        check("其他公司也裁員。", Lang::ZhHant, true);
        check("奧川市裁員。", Lang::ZhHant, true);
    }
}
