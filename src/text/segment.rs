//! Prose in, sentences out, each with its bytes in the clean text. Knows the marks that end a sentence in Latin and
//! Chinese writing, and the abbreviations and numbers that only look like it; knows no grammar. Text without any such mark
//! (posts, transcripts) is cut where its writer or speaker paused.

use super::abbreviations::{Abbreviation, abbreviation, is_starter, is_zone_or_day, names_by_letter};
use super::script::is_han;
use super::{Block, BlockKind, Prose, Sentence};

/// A sentence longer than this many bytes is split at a clause mark or a blank, so that none is unbounded.
pub const MAX_SENTENCE_BYTES: usize = 600;

/// A quotation shorter than this many bytes stays in one piece with the words around it.
const MAX_WHOLE_QUOTE_BYTES: usize = 240;

/// The sentences of `prose`, in order. Blocks never share a sentence; a heading is one sentence.
pub fn segment(prose: &Prose) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for (block_idx, block) in prose.blocks.iter().enumerate() {
        let ends = match block.kind {
            BlockKind::Heading => Vec::new(),
            BlockKind::Paragraph | BlockKind::ListItem => sentence_ends(&prose.text[block.range.clone()]),
        };
        let mut start = 0;
        let len = block.range.len();
        for end in ends.into_iter().chain([len]) {
            push_bounded(prose, block, block_idx, start, end, &mut sentences);
            start = end;
        }
    }
    sentences
}

/// The sentences of a text that is one paragraph.
pub fn sentences_of(text: &str) -> Vec<&str> {
    let block = Block { kind: BlockKind::Paragraph, range: 0..text.len() };
    let prose = Prose { text: text.to_owned(), blocks: vec![block], ..Prose::default() };
    segment(&prose).iter().map(|sentence| &text[sentence.start..sentence.end]).collect()
}

/// Adds the bytes `start..end` of a block as one sentence, or as several where it is too long.
fn push_bounded(prose: &Prose, block: &Block, block_idx: usize, start: usize, end: usize, out: &mut Vec<Sentence>) {
    let text = &prose.text[block.range.clone()];
    let (mut start, whole) = (start, end - start);
    while start < end {
        let rest = &text[start..end];
        let cut = if rest.trim_end().len() > MAX_SENTENCE_BYTES { cut_point(rest) } else { rest.len() };
        let piece = &rest[..cut];
        let lead = piece.len() - piece.trim_start().len();
        let trimmed = piece.trim();
        if !trimmed.is_empty() {
            let from = block.range.start + start + lead;
            let (kind, is_piece) = (block.kind, piece.len() < whole);
            out.push(Sentence { start: from, end: from + trimmed.len(), kind, block: block_idx, is_piece });
        }
        start += cut;
    }
}

/// Where to cut an overlong run: after the last clause mark of its first 600 bytes, else after the last blank, else anywhere.
fn cut_point(rest: &str) -> usize {
    let limit = rest.floor_char_boundary(MAX_SENTENCE_BYTES);
    let head = &rest[..limit];
    let after = |(at, c): (usize, char)| at + c.len_utf8();
    let is_clause_mark = |&(at, c): &(usize, char)| {
        matches!(c, '；' | '，' | '：' | '、' | '。')
            || (matches!(c, ';' | ',' | ':') && rest[at + 1..].starts_with([' ', '”', '"']))
    };
    // A cut in the first third would leave a stump.
    let late = |&(at, _): &(usize, char)| at > MAX_SENTENCE_BYTES / 3;
    let mark = head.char_indices().rev().filter(late).find(is_clause_mark);
    let blank = || head.char_indices().rev().filter(late).find(|(_, c)| c.is_whitespace());
    mark.or_else(blank).map_or(limit, after)
}

/// The byte after each sentence of `text`, the last one excepted when it ends with the text.
fn sentence_ends(text: &str) -> Vec<usize> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    if !chars.iter().any(|&(_, c)| is_terminator(c)) {
        return pauses(text, &chars);
    }
    let mut ends = Vec::new();
    let mut start = 0; // byte at which the current sentence begins
    let mut i = 0;
    while i < chars.len() {
        let (at, c) = chars[i];
        if let Some(closer) = closing_quote(&chars, i)
            && let Some(close_idx) = short_quote_end(&chars, i, closer)
        {
            // Marks inside a short quotation end nothing; the last one inside may end the sentence around it.
            i = close_idx;
            if is_terminator(chars[i - 1].1) && ends_after_quote(&chars, i) {
                i = push_end(&chars, i, &mut ends, &mut start);
            } else {
                i += 1;
            }
            continue;
        }
        let is_end = match c {
            '。' | '！' | '？' | '｡' => true,
            '!' | '?' => ascii_mark_ends(text, &chars, i),
            '.' => full_stop_ends(text, &chars, i, start),
            '…' => !matches!(chars.get(i + 1), Some((_, '…'))) && ellipsis_ends(&chars, i),
            _ => false,
        };
        debug_assert!(at >= start);
        if is_end && after_closers(&chars, i).is_none_or(|next| !joins_on(&chars, next)) {
            i = push_end(&chars, i, &mut ends, &mut start);
        } else {
            i += 1;
        }
    }
    ends
}

/// Closes the sentence whose end mark is character `i`; further marks and closing quotes stay with it. Returns the
/// number of the next character.
fn push_end(chars: &[(usize, char)], i: usize, ends: &mut Vec<usize>, start: &mut usize) -> usize {
    let next = after_closers(chars, i).unwrap_or(chars.len());
    if let Some(&(at, _)) = chars.get(next) {
        ends.push(at);
        *start = at;
    }
    next
}

/// The number of the first character after `i` that is neither an end mark nor a closing quote or bracket; none at the
/// end. A longer row of marks than anyone writes is cut, or a line of a million dots would be walked a million times.
fn after_closers(chars: &[(usize, char)], i: usize) -> Option<usize> {
    const LONGEST_ROW: usize = 32;
    let rest = &chars[i + 1..];
    let row = rest.iter().take(LONGEST_ROW).take_while(|&&(_, c)| is_terminator(c) || is_closer(c)).count();
    (row < rest.len()).then_some(i + 1 + row)
}

fn is_terminator(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡' | '.' | '!' | '?' | '…')
}

fn is_closer(c: char) -> bool {
    matches!(c, '」' | '』' | '”' | '’' | '）' | ')' | '】' | '》' | '〉' | '"' | '\'' | ']' | '〕' | '»' | '＂')
}

/// The mark that closes the quotation, bracket or title which the character at `i` opens, if it opens one.
fn closing_quote(chars: &[(usize, char)], i: usize) -> Option<char> {
    let before = i.checked_sub(1).map(|i| chars[i].1);
    let begins = before
        .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '[' | '—' | '–' | '，' | '：' | ',' | ':'))
        && chars.get(i + 1).is_some_and(|&(_, c)| !c.is_whitespace());
    match chars[i].1 {
        '「' => Some('」'),
        '『' => Some('』'),
        '“' => Some('”'),
        '„' => Some('“'),
        '«' => Some('»'),
        '（' => Some('）'),
        '(' => Some(')'),
        '《' => Some('》'),
        '〈' => Some('〉'),
        '【' => Some('】'),
        // These also close, and ’ stands in words.
        '"' if begins => Some('"'),
        '＂' if begins => Some('＂'),
        '‘' if begins => Some('’'),
        _ => None,
    }
}

/// Where text without any end mark is cut. Chinese: at the blanks that its writer left in place of stops, else at commas;
/// other text, as machines write down what is said: before the words that speakers go on with.
fn pauses(text: &str, chars: &[(usize, char)]) -> Vec<usize> {
    /// Shorter runs are joined with the next one: no sentence is a word alone.
    const LEAST_HAN: usize = 8;
    const LEAST_WORDS: usize = 8;
    /// A text as short as this is one sentence.
    const SHORT_HAN: usize = 40;
    const SHORT_WORDS: usize = 40;
    let n_han = chars.iter().filter(|&&(_, c)| is_han(c)).count();
    let mut ends = Vec::new();
    if n_han * 2 > chars.len() {
        let is_gap = |i: usize| chars[i].1 == ' ' && chars[..i].last().is_some_and(|&(_, c)| c > '\u{2e80}');
        let has_gaps = (0..chars.len()).any(is_gap);
        if n_han <= SHORT_HAN && !has_gaps {
            return ends;
        }
        let mut since = 0;
        for (i, &(at, c)) in chars.iter().enumerate() {
            since += usize::from(is_han(c) || c.is_ascii_alphanumeric());
            let is_cut = if has_gaps { is_gap(i) } else { matches!(c, '，' | ',' | '；' | ';') };
            if is_cut && since >= LEAST_HAN {
                ends.push(at + c.len_utf8());
                since = 0;
            }
        }
        return ends;
    }
    const GOING_ON: [&str; 10] = ["so", "but", "now", "then", "because", "well", "okay", "also", "finally", "next"];
    const AND: [&str; 9] = ["the", "it", "we", "they", "he", "she", "you", "i", "then"];
    let mut at = 0;
    let words: Vec<(usize, &str)> = text
        .split_whitespace()
        .map(|word| {
            let start = at + text[at..].find(word).unwrap_or(0);
            at = start + word.len();
            (start, word)
        })
        .collect();
    let mut since = 0;
    for (n, (at, word)) in words.iter().enumerate() {
        let is = |list: &[&str], word: &str| list.iter().any(|it| word.eq_ignore_ascii_case(it));
        let follows = words.get(n + 1).map_or("", |(_, word)| word);
        let is_cut = is(&GOING_ON, word) || word.eq_ignore_ascii_case("and") && is(&AND, follows);
        if words.len() > SHORT_WORDS && is_cut && since >= LEAST_WORDS {
            ends.push(*at);
            since = 0;
        }
        since += 1;
    }
    ends
}

/// The number of the character that closes the quotation opened at `i`, when it is short and closes at all.
fn short_quote_end(chars: &[(usize, char)], i: usize, closer: char) -> Option<usize> {
    let opener = chars[i].1;
    let mut depth = 0usize;
    for (n, &(at, c)) in chars[i..].iter().enumerate() {
        if at - chars[i].0 > MAX_WHOLE_QUOTE_BYTES {
            return None;
        }
        if n > 0 && c == closer && opener == closer {
            return Some(i + n);
        } else if c == opener {
            depth += 1;
        } else if c == closer {
            depth -= 1;
            if depth == 0 {
                return Some(i + n);
            }
        }
    }
    None
}

/// Whether a sentence ends with the quotation that closes at `i`, its last mark being inside.
fn ends_after_quote(chars: &[(usize, char)], i: usize) -> bool {
    let Some(next) = after_closers(chars, i) else {
        return true;
    };
    let inner = chars[i - 1].1;
    let is_latin = matches!(inner, '.' | '!' | '?') || (inner == '…' && chars[next].1 == ' ');
    // In brackets and titles a mark is part of the name: 《你好吗？》.
    if matches!(chars[i].1, '》' | ')' | '）') {
        return chars[i].1 == ')' && is_latin && starts_sentence(chars, next);
    }
    if is_latin { starts_sentence(chars, next) } else { !joins_on(chars, next) }
}

/// Whether the Chinese words at `next` go on with a sentence that a quotation began: 「…。」他說, 「…？」的疑問.
fn joins_on(chars: &[(usize, char)], next: usize) -> bool {
    const SAID: &str = "说說道問问称稱示";
    match chars[next].1 {
        '，' | '、' | '；' | '：' | ',' | ';' | ':' | '的' | '地' | '—' | '－' => true,
        // Who said it, and nothing else before the next mark.
        _ if is_closer(chars[next - 1].1) => {
            const LONGEST_NAME: usize = 24;
            let is_mark = |c: char| is_terminator(c) || matches!(c, '，' | ',' | '：' | ':' | '“' | '「');
            let words = chars[next..].iter().take(LONGEST_NAME).position(|&(_, c)| is_mark(c));
            words.is_some_and(|n| n > 0 && SAID.contains(chars[next + n - 1].1))
        }
        _ => false,
    }
}

/// Whether the character at `next`, blanks skipped, can begin a sentence in Latin letters; a blank is required.
fn starts_sentence(chars: &[(usize, char)], next: usize) -> bool {
    let blanks = chars[next..].iter().take_while(|(_, c)| c.is_whitespace()).count();
    match chars.get(next + blanks).map(|&(_, c)| c) {
        None => true,
        Some(c) if super::script::is_han(c) => true,
        Some(c) => {
            // iPhone, eBay: a small letter that a name begins with.
            let is_name = c.is_lowercase() && chars.get(next + blanks + 1).is_some_and(|&(_, c)| c.is_uppercase());
            blanks > 0
                && (!c.is_lowercase() || is_name)
                && !matches!(c, ',' | ';' | ':' | ')' | '-' | '–' | '—' | '&' | '/' | '…' | '.')
        }
    }
}

fn ascii_mark_ends(text: &str, chars: &[(usize, char)], i: usize) -> bool {
    let Some(next) = after_closers(chars, i) else {
        return true;
    };
    // Yahoo! Finance, Jeopardy! host: a mark that belongs to a name does not end the sentence before another.
    let word = word_before(text, chars[i].0, 0);
    let (at, mark) = chars[i];
    let is_name =
        next == i + 1 && word.starts_with(char::is_uppercase) && is_marked_name(text, at, &format!("{word}{mark}"));
    starts_sentence(chars, next) && (!is_name || is_starter(&word_at(chars, next)))
}

/// How far around a word the text is asked how else it writes it, in bytes.
const NEARBY: usize = 8 << 10;

fn nearby(text: &str, at: usize) -> &str {
    &text[text.floor_char_boundary(at.saturating_sub(NEARBY))..text.floor_char_boundary(at + NEARBY)]
}

/// Whether the mark at byte `at` belongs to the name before it: the text goes on behind both elsewhere, as in `Yahoo! said`.
fn is_marked_name(text: &str, at: usize, name: &str) -> bool {
    let nearby = nearby(text, at);
    let goes_on =
        |behind: &str| behind.trim_start().starts_with(char::is_lowercase) || behind.starts_with(['’', '\'', ',']);
    matches!(name, "Yahoo!" | "Jeopardy!" | "Yum!")
        || nearby.match_indices(name).any(|(at, _)| goes_on(&nearby[at + name.len()..]))
}

/// The word that ends at byte `at`, no longer than any abbreviation.
fn word_before(text: &str, at: usize, start: usize) -> &str {
    // Looking farther back at each stop would be quadratic.
    let from = text.floor_char_boundary(at.saturating_sub(48)).max(start);
    let word_start = text[from..at]
        .rfind(|c: char| c.is_whitespace() || matches!(c, '(' | '“' | '"' | '‘' | '[' | '—' | '–' | '/'))
        .map_or(from, |n| from + n + text[from + n..].chars().next().map_or(1, char::len_utf8));
    &text[word_start..at]
}

/// The word that stands at character `next`, marks before it passed over.
fn word_at(chars: &[(usize, char)], next: usize) -> String {
    let chars = chars[next..].iter().take(64).map(|&(_, c)| c);
    let word =
        chars.skip_while(|c| !c.is_alphanumeric()).take_while(|c| c.is_alphanumeric() || matches!(c, '\'' | '’'));
    word.collect()
}

/// An ellipsis ends a sentence before a capital after a blank; before Chinese words it does so only at the block's end
/// or after a closing quote.
fn ellipsis_ends(chars: &[(usize, char)], i: usize) -> bool {
    match after_closers(chars, i) {
        None => true,
        Some(next) if next > i + 1 && is_closer(chars[next - 1].1) => !joins_on(chars, next),
        Some(next) => chars[next].1 == ' ' && starts_sentence(chars, next),
    }
}

/// Whether the full stop at `i` ends a sentence, rather than an abbreviation, a number, a name or an address.
fn full_stop_ends(text: &str, chars: &[(usize, char)], i: usize, start: usize) -> bool {
    let at = chars[i].0;
    let Some(next) = after_closers(chars, i) else {
        return true;
    };
    let word = word_before(text, at, start);
    let word_start = at - word.len();
    if !starts_sentence(chars, next) {
        return glued_sentence(word, text, chars, i);
    }
    let following = word_at(chars, next);
    let is_quoted = next > i + 1 && is_closer(chars[next - 1].1);
    let before = text[start..word_start].trim_end();
    // Of a word before an abbreviation its end is enough.
    let before = word_before(before, before.len(), 0);
    match abbreviation(word, before) {
        // "3." or "B." at a sentence's very beginning is a list mark.
        _ if text[start..word_start].trim().is_empty() && is_list_mark(word) => false,
        Abbreviation::No => true,
        // Brackets and quotes close with the sentence: "(the bank is based in the U.S.) The …"
        _ if is_quoted => true,
        // Vitamin C. The study, Group B. Norland: a class, and not the initial of a name.
        Abbreviation::Initial => is_starter(&following) && !is_initial(chars, next) || names_by_letter(before),
        Abbreviation::BeforeName => false,
        Abbreviation::BeforeNumber => !following.starts_with(|c: char| c.is_ascii_digit()),
        Abbreviation::Time => !is_zone_or_day(&following),
        Abbreviation::Anywhere => is_starter(&following) || is_written_small(text, at, &following),
    }
}

/// Whether another initial stands at `next`: the A of J. A. Holt.
fn is_initial(chars: &[(usize, char)], next: usize) -> bool {
    let mut letters = chars[next..].iter().map(|&(_, c)| c).skip_while(|c| c.is_whitespace()).skip(1);
    letters.next() == Some('.')
}

/// Whether the text writes a word with a small letter elsewhere: then a capital begins a sentence (the U.S. Officials), and
/// no name (the U.S. Navy).
fn is_written_small(text: &str, at: usize, word: &str) -> bool {
    let lower = word.to_lowercase();
    let nearby = nearby(text, at);
    let is_whole = |at: usize| {
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        is_edge(nearby[..at].chars().next_back()) && is_edge(nearby[at + lower.len()..].chars().next())
    };
    !lower.is_empty() && lower != word && nearby.match_indices(&lower).any(|(at, _)| is_whole(at))
}

/// "…the company.The next…": a lost blank, told from `Booking.Com` by the words on both sides.
fn glued_sentence(word: &str, text: &str, chars: &[(usize, char)], i: usize) -> bool {
    let Some(&(at, _)) = chars.get(i + 1) else {
        return false;
    };
    let following: String = text[at..].chars().take_while(|c| c.is_alphanumeric()).collect();
    word.len() >= 3 && !word.contains(['/', '@', '.']) && word.ends_with(char::is_lowercase) && is_starter(&following)
}

fn is_list_mark(word: &str) -> bool {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    (digits && word.len() <= 2 && !word.is_empty())
        || (word.len() == 1 && word.bytes().all(|b| b.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(kind: BlockKind, text: &str) -> Vec<String> {
        let prose =
            Prose { text: text.to_owned(), blocks: vec![Block { kind, range: 0..text.len() }], ..Prose::default() };
        segment(&prose).iter().map(|s| text[s.start..s.end].to_owned()).collect()
    }

    /// `expected` holds the same text with `|` between the sentences.
    fn check(expected: &str) {
        let text = expected.replace('|', "");
        let expected: Vec<&str> = expected.split('|').map(str::trim).collect();
        assert_eq!(sentences(BlockKind::Paragraph, &text), expected);
    }

    #[test]
    fn latin_sentences_end_where_readers_stop() {
        check("The lock opened in 1821. |It cost $3.5 million. |Nobody complained!");
        check("Mr. Hale met Dr. J. K. Oyelaran on Jan. 4 in St. Bram. |They talked.");
        check("The firm, Oakbarge Inc., moved to the U.S. in 2019. |It hired 40 people.");
        check("It moved to the U.S. |The move took a year.");
        check("Exports to the U.S. Navy rose, e.g. of rope. |Sales fell at 5 p.m. |On Friday they rose.");
        check("“We will stay. We always do,” she said. |“Really?” he asked. |“Yes.” |Then they left.");
        check("She said: “No.” |Nobody moved.");
        check("Wait... |What happened next? |Nothing happened... at all.");
        check("Read https://example.org/a.b?c=d&e. |Then write to desk@example.org. |Version 2.0.1 is out.");
        check("It ended with no fee (as agreed in 1998.) |The town paid.");
        check("See No. 5 and No. 7. |The answer was no. |Ask again.");
    }

    #[test]
    fn lost_blanks_are_noticed() {
        check("They closed the mill.|The owners left.");
        check("They use Node.js and Booking.Com daily.");
    }

    #[test]
    fn chinese_sentences_end_where_readers_stop() {
        check("运河今天开放。|有三千人来了!|谁付钱?|没人知道。");
        check("他說:「我們看了,心想:『怎麼會?』然後走了。」|大家都笑了。");
        check("「修橋需要三年。」他說。|資金已到位。");
        check("“真的吗？”她问道。|“当然。”|两人沉默了。");
        check("产值增长3.5%,达到1.2亿元。|他读了《你好吗？》一书。|后来……没有后来。");
        check("许多人（包括老人。）都来了。");
        check("「為什麼？」的疑問仍在。");
        check("“我们只想凑钱。”负责募捐的何老师说，“没想到。”|大家都笑了。");
        check("“够了。”|他站起来，看了看天。");
        check("他在U.S.工作。|她在OpenAI Inc.工作。");
    }

    #[test]
    fn a_long_quotation_is_cut_into_its_sentences() {
        let inner = "我們把每一座橋都量過一遍,發現其中有十二座必須在明年春天之前加固,否則汛期會很危險。".repeat(3);
        let found = sentences(BlockKind::Paragraph, &format!("他說:「{inner}」"));
        assert_eq!(found.len(), 3);
        assert!(found[2].ends_with("。」"));
    }

    #[test]
    fn headings_are_one_sentence() {
        assert_eq!(sentences(BlockKind::Heading, "What now? Nobody knows. Yet"), ["What now? Nobody knows. Yet"]);
    }

    #[test]
    fn list_marks_do_not_stand_alone() {
        assert_eq!(sentences(BlockKind::ListItem, "1. Dig the basin. Fill it."), ["1. Dig the basin.", "Fill it."]);
    }

    #[test]
    fn no_sentence_is_unbounded() {
        for text in ["word ".repeat(2000), "字".repeat(3000), "一段,没有句号的话,".repeat(200), "x".repeat(5000)]
        {
            let found = sentences(BlockKind::Paragraph, &text);
            assert!(found.iter().all(|s| s.len() <= MAX_SENTENCE_BYTES && !s.is_empty()));
            let kept: usize = found.iter().map(|s| s.split_whitespace().map(str::len).sum::<usize>()).sum();
            assert_eq!(kept, text.split_whitespace().map(str::len).sum::<usize>(), "no word is lost");
        }
    }

    #[test]
    fn sentences_point_into_the_clean_text() {
        let text = "First one. Second one.\n\nThird 一句。四句。";
        let prose = Prose {
            text: text.to_owned(),
            blocks: vec![
                Block { kind: BlockKind::Paragraph, range: 0..22 },
                Block { kind: BlockKind::ListItem, range: 24..text.len() },
            ],
            ..Prose::default()
        };
        let found: Vec<(&str, usize)> = segment(&prose).iter().map(|s| (&text[s.start..s.end], s.block)).collect();
        assert_eq!(found, [("First one.", 0), ("Second one.", 0), ("Third 一句。", 1), ("四句。", 1)]);
    }
}
