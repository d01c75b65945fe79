//! Results in, Markdown out, in which the result's own words are only words: no markup, no links, no images.

use super::record::{ClaimRecord, SummaryRecord};
use super::text::{N_NEAREST, place, receipt};
use super::{Sources, gap, marks, sanitize};
use crate::compose::{Answer, Claim, Overview};
use crate::corpus::Hit;

/// One article as a section.
pub(crate) fn summary(summary: &SummaryRecord) -> String {
    let source = &summary.source;
    let mut out = format!("# {}\n\n", words(source.title.as_deref().unwrap_or(&source.path)));
    let marked = |claim: &ClaimRecord| format!("{} {}\n", words(&claim.text), escaped(&marks(&claim.cites)));
    let (core, groups) = summary.parts();
    if let Some(core) = core {
        out += &format!("{}\n", marked(core));
    }
    for group in groups {
        if let Some(title) = &group[0].group {
            out += &format!("## {}\n\n", words(title));
        }
        for point in group {
            out += &format!("- {}", marked(point));
        }
        out.push('\n');
    }
    if !summary.tags.is_empty() {
        out += &format!("Tags: {}\n\n", words(&summary.tags.join(", ")));
    }
    out + &format!("*Source: {}. {}*\n", words(&source.path), words(&receipt(summary)))
}

/// A question with its answer and the sources of it, or with the nearest passages.
pub(crate) fn answer(question: &str, answer: &Answer) -> String {
    let mut out = format!("# {}\n\n", words(question));
    if !answer.found() {
        out += "Not found.\n";
        for hit in answer.passages.iter().take(N_NEAREST) {
            let passage = &hit.passage;
            let text: Vec<&str> = passage.sentences.iter().map(|s| s.text.as_str()).collect();
            let text = words(&text.join(gap(passage.lang)));
            let place = place(hit, passage.first_sentence);
            out += &format!("\n> {text}\n>\n> {}\n", words(&place));
        }
        return out;
    }
    let sources = Sources::of(&answer.claims);
    for claim in &answer.claims {
        out += &format!("{} {}\n", words(claim.text()), escaped(&sources.marks(claim.cites())));
    }
    for question in &answer.missing {
        out += &format!("\nNot found: {}\n", words(question));
    }
    out + &quoted(&sources, &answer.passages, &answer.claims) + "\n"
}

/// The quotes by their numbers, each with its place; the words are left out where a claim has them.
fn quoted(sources: &Sources, hits: &[Hit], claims: &[Claim]) -> String {
    let mut out = String::new();
    for (idx, quote) in sources.quotes.iter().enumerate() {
        let place = place(&hits[quote.cite.article], quote.cite.sentence);
        out += &format!("\n{}. {}", idx + 1, words(&place));
        if claims.iter().all(|claim| claim.text() != quote.text) {
            out += &format!(": {}", words(&quote.text));
        }
    }
    out
}

/// What articles tell together, and its sources.
pub(crate) fn overview(overview: &Overview) -> String {
    let mut out = format!("# Articles: {}\n", overview.articles.len());
    for line in super::text::overview_body(overview).lines() {
        out += &match (line.strip_prefix("- "), line.strip_prefix("  ")) {
            (Some(point), _) => format!("- {}\n", words(point)),
            (_, Some(other)) => format!("  {}\n", words(other)),
            _ if line.is_empty() => "\n".to_owned(),
            _ => format!("## {}\n\n", words(line)),
        };
    }
    out + &quoted(&Sources::of(super::all_claims(overview)), &overview.articles, &[]) + "\n"
}

/// Safe words on one line, whatever they look like.
fn words(text: &str) -> String {
    let text = escaped(&sanitize::line(text));
    // A line that begins so would be a list, a heading or a quote.
    let is_number = text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['.', ')']);
    match text.chars().next() {
        Some('#' | '+' | '-' | '=') => format!("\\{text}"),
        Some('0'..='9') if is_number => text.replacen(['.', ')'], "\\.", 1),
        _ => text,
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        let check = |input: &str, expected: &str| assert_eq!(words(input), expected);
        check("![x](http://e.com/p.png)", "!\\[x\\](http://e.com/p.png)");
        check("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>");
        check("# not a title", "\\# not a title");
        check("3. not a list", "3\\. not a list");
        check("3.5 % more", "3\\.5 % more");
        check("1990 was", "1990 was");
        check("a\nb", "a\\\\nb");
    }
}
