//! Results in, text for people in a terminal out.

use super::record::{ClaimRecord, SummaryRecord};
use super::sanitize::{block, line};
use super::{Sources, gap, marks, name};
use crate::compose::{Answer, Claim, Dropped, Overview};
use crate::corpus::{Hit, Passage};
use crate::text::{Article, Cite, Reason, SetAside};

/// How text is to look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    /// With colour.
    pub(crate) color: bool,
    /// With what was dropped, and what it cost.
    pub(crate) verbose: bool,
}

impl Look {
    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Title, source, summary, tags, receipt.
pub(crate) fn summary(summary: &SummaryRecord, look: Look) -> String {
    let mut out = String::new();
    if let Some(title) = &summary.source.title {
        out += &format!("{}\n", look.bold(&line(title)));
    }
    out += &format!("{}\n\n", look.dim(&line(&summary.source.path)));
    out += &format!("{}\n", block(&summary.text));
    if !summary.tags.is_empty() {
        out += &format!("\nTags: {}\n", line(&summary.tags.join(", ")));
    }
    out += &format!("\n{}\n", look.dim(&receipt(summary)));
    if look.verbose {
        out += &dropped(&summary.dropped, look);
        let usage = &summary.usage;
        let cost = format!(
            "{} tokens read in {:.1} s, {} reused, {} written in {:.1} s",
            usage.prompt_tokens - usage.reused_tokens.min(usage.prompt_tokens),
            usage.prefill_ms as f64 / 1e3,
            usage.reused_tokens,
            usage.completion_tokens,
            usage.decode_ms as f64 / 1e3,
        );
        out += &format!("{}\n", look.dim(&cost));
    }
    out
}

/// The summary itself: the core sentence, if the first claim is one, then the points, each with its marks.
pub(crate) fn body(claims: &[ClaimRecord], has_core: bool) -> String {
    let mut out = String::new();
    let marked = |claim: &ClaimRecord| format!("{} {}\n", line(&claim.text), marks(&claim.cites));
    let (core, points) = claims.split_at(usize::from(has_core));
    match core {
        [core, ..] => out += &marked(core),
        [] if claims.is_empty() => out += "(nothing that the article supports was written)\n",
        [] => {}
    }
    for group in points.chunk_by(|a, b| a.group == b.group) {
        if !out.is_empty() {
            out.push('\n');
        }
        if let Some(title) = &group[0].group {
            out += &format!("{}\n", line(title));
        }
        for point in group {
            out += &format!("- {}", marked(point));
        }
    }
    out
}

/// How much was read, set aside and dropped, in one line.
pub(crate) fn receipt(summary: &SummaryRecord) -> String {
    let source = &summary.source;
    let mut parts = vec![format!(
        "Read {} {}, {} tokens",
        source.sentences,
        if source.sentences == 1 { "sentence" } else { "sentences" },
        summary.reading.article_tokens,
    )];
    if !source.set_aside.is_empty() {
        parts.push(format!("set aside {} ({})", source.set_aside.len(), reasons(&source.set_aside)));
    }
    if !summary.dropped.is_empty() {
        parts.push(format!("dropped {} unsupported", summary.dropped.len()));
    }
    if source.second_hand {
        parts.push("the article is itself another tool's summary".to_owned());
    }
    if let Some(language) = &source.foreign {
        parts.push(line(&format!("the article is in {language}, outside what was measured")));
    }
    if source.undecodable > 0 {
        parts.push(format!("{} undecodable characters", source.undecodable));
    }
    format!("{}.", parts.join("; "))
}

/// Sentences kept, counted from 1, then what was set aside.
pub(crate) fn article(article: &Article, look: Look) -> String {
    let mut out = format!("{}\n", look.bold(&line(article.title.as_deref().unwrap_or("(no title)"))));
    let language = article.foreign.map_or_else(|| name(article.lang), |name| format!("{name} (not measured)"));
    let mut facts = vec![line(&article.path), language, article.encoding.to_owned()];
    facts.extend([&article.date, &article.byline].into_iter().flatten().map(|fact| line(fact)));
    facts.push(format!("{} sentences", article.sentences.len()));
    if article.second_hand {
        facts.push("another tool's summary".to_owned());
    }
    if article.replaced > 0 {
        facts.push(format!("{} undecodable characters", article.replaced));
    }
    out += &format!("{}\n", look.dim(&facts.join(" · ")));
    let mut block = None;
    for (idx, sentence) in article.sentences.iter().enumerate() {
        if block.replace(sentence.block) != Some(sentence.block) {
            out.push('\n');
        }
        out += &format!("[{}] {}\n", idx + 1, line(article.sentence(idx)));
    }
    if !article.set_aside.is_empty() {
        out += &format!("\n{}\n", look.bold("Set aside"));
    }
    for aside in &article.set_aside {
        let label = format!("{} {}..{}", name(aside.reason), aside.start, aside.end);
        out += &format!("{}  {}\n", look.dim(&label), line(aside.text.trim()));
    }
    out
}

/// Sentences of an article, counted from 1, each between its neighbours.
pub(crate) fn in_context(article: &Article, numbers: &[usize], look: Look) -> String {
    let mut out = format!("{}\n\n", look.dim(&line(&article.path)));
    let mut last = 0;
    for number in 1..=article.sentences.len() {
        if !numbers.iter().any(|asked| asked.abs_diff(number) <= 1) {
            continue;
        }
        let text = format!("[{number}] {}", line(article.sentence(number - 1)));
        out += &match numbers.contains(&number) {
            true => format!("> {}\n", look.bold(&text)),
            false if last + 1 < number => format!("… {text}\n"),
            false => format!("  {text}\n"),
        };
        last = number;
    }
    out
}

/// The answer with numbered sources and their quotes; or that it was not found, with the nearest passages.
pub(crate) fn answer(answer: &Answer, look: Look) -> String {
    if !answer.found() {
        return not_found(answer, look);
    }
    let sources = Sources::of(&answer.claims);
    let mut out = String::new();
    for claim in &answer.claims {
        out += &format!("{} {}\n", line(claim.text()), sources.marks(claim.cites()));
    }
    for question in &answer.missing {
        out += &format!("Not found: {}\n", line(question));
    }
    out.push('\n');
    out += &quoted(&sources, &answer.passages, &answer.claims, look);
    if look.verbose {
        out += &dropped(&answer.dropped, look);
    }
    out
}

/// The quotes by their numbers, each with its place; the words are left out where a claim has them.
fn quoted(sources: &Sources, hits: &[Hit], claims: &[Claim], look: Look) -> String {
    let mut out = String::new();
    for (idx, quote) in sources.quotes.iter().enumerate() {
        let place = place(&hits[quote.cite.article], quote.cite.sentence);
        out += &format!("[{}] {}\n", idx + 1, look.dim(&line(&place)));
        if claims.iter().all(|claim| claim.text() != quote.text) {
            out += &format!("    {}\n", line(&quote.text));
        }
    }
    out
}

/// What articles tell together, in the order of their days; where they differ; the sources.
pub(crate) fn overview(overview: &Overview, look: Look) -> String {
    let n_copies: usize = overview.articles.iter().map(|hit| hit.also.len()).sum();
    let copies = if n_copies > 0 { format!(", and {n_copies} with nearly the same text") } else { String::new() };
    let mut out = look.bold(&format!("Articles: {}{copies}\n", overview.articles.len()));
    out += &overview_body(overview);
    out.push('\n');
    out += &quoted(&Sources::of(super::all_claims(overview)), &overview.articles, &[], look);
    if look.verbose {
        out += &dropped(&overview.dropped, look);
    }
    out
}

/// The lines of an overview with their days and marks.
pub(crate) fn overview_body(overview: &Overview) -> String {
    let sources = Sources::of(super::all_claims(overview));
    let marked = |claim: &Claim| format!("{} {}", line(claim.text()), sources.marks(claim.cites()));
    if overview.claims.is_empty() {
        return "\n(nothing that the articles support was written)\n".to_owned();
    }
    let (mut out, mut day) = (String::new(), None);
    for claim in &overview.claims {
        let passage = &overview.articles[claim.cites()[0].cite.article].passage;
        if day.replace(passage.date.as_deref()) != Some(passage.date.as_deref()) {
            out += &format!("\n{}\n", line(passage.date.as_deref().unwrap_or("without a date")));
        }
        out += &format!("- {}\n", marked(claim));
    }
    if !overview.disputes.is_empty() {
        out += "\nThe articles differ\n";
    }
    for (idx, other) in &overview.disputes {
        out += &format!("- {}\n  {}\n", marked(&overview.claims[*idx]), marked(other));
    }
    out
}

/// An answer as words alone, with marks: the `text` of JSON, and a turn of a conversation.
pub(crate) fn answer_body(answer: &Answer) -> String {
    let sources = Sources::of(&answer.claims);
    let sentence = |claim: &Claim| format!("{} {}", line(claim.text()), sources.marks(claim.cites()));
    answer.claims.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

/// How many passages are shown when the answer was not found.
pub(super) const N_NEAREST: usize = 3;

fn not_found(answer: &Answer, look: Look) -> String {
    let mut out = "Not found.".to_owned();
    if answer.passages.is_empty() {
        return out + " No passage has the words of the question.\n";
    }
    out += " The nearest passages:\n";
    for hit in answer.passages.iter().take(N_NEAREST) {
        let place = place(hit, hit.passage.first_sentence);
        let opening = opening(&hit.passage);
        out += &format!("\n{}\n    {opening}\n", look.dim(&line(&place)));
    }
    if look.verbose {
        out += &dropped(&answer.dropped, look);
    }
    out
}

/// Where a sentence of a hit stands, and a few of the other places where the same text does; not sanitized yet.
pub(super) fn place(hit: &Hit, sentence: usize) -> String {
    const N_NAMED: usize = 3;
    let (named, rest) = hit.also.split_at(hit.also.len().min(N_NAMED));
    let also = match (named, rest.len()) {
        ([], _) => String::new(),
        (named, 0) => format!(" (also in {})", named.join(", ")),
        (named, more) => format!(" (also in {} and {more} more)", named.join(", ")),
    };
    match sentence {
        Cite::HEAD => format!("{}, head{also}", hit.passage.path),
        sentence => format!("{}, sentence {}{also}", hit.passage.path, sentence + 1),
    }
}

/// The first whole sentences of a passage, about three lines of a terminal, and how many more there are.
fn opening(passage: &Passage) -> String {
    const BYTES: usize = 240;
    let mut words: Vec<&str> = Vec::new();
    for sentence in &passage.sentences {
        if words.iter().map(|w| w.len()).sum::<usize>() + sentence.text.len() > BYTES && !words.is_empty() {
            break;
        }
        words.push(&sentence.text);
    }
    let more = match passage.sentences.len() - words.len() {
        0 => String::new(),
        1 => " (and 1 more sentence)".to_owned(),
        more => format!(" (and {more} more sentences)"),
    };
    line(&words.join(gap(passage.lang))) + &more
}

fn dropped(dropped: &[Dropped], look: Look) -> String {
    let entry = |d: &Dropped| format!("dropped: {} ({})", line(&d.text), line(&d.why));
    dropped.iter().map(|d| look.dim(&entry(d)) + "\n").collect()
}

/// `navigation 3, share 1`, in the order of first appearance.
pub(super) fn reasons(set_aside: &[SetAside]) -> String {
    let mut counts: Vec<(Reason, usize)> = Vec::new();
    for aside in set_aside {
        match counts.iter_mut().find(|(reason, _)| *reason == aside.reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((aside.reason, 1)),
        }
    }
    let counted = |(reason, count): &(Reason, usize)| format!("{} {count}", name(reason));
    counts.iter().map(counted).collect::<Vec<_>>().join(", ")
}
