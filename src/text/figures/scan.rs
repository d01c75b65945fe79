//! The walk over a text: numerals in digits, with their separators, units, currencies, dates and times.

use super::chinese::reduced;
use super::decimal::Decimal;
use super::units::{CODES, CURRENCY_WORDS, ENGLISH_SCALES, HAN_SCALES, PERCENTS, SIGNS, UNITS};
use super::{Currency, Figure, Kind};
use crate::text::script::{is_han, simplified};

/// A text as levelled characters: half width, Simplified, with the byte that each came from.
pub(super) struct Scanner {
    pub(super) chars: Vec<char>,
    offsets: Vec<usize>,
    figures: Vec<Figure>,
}

impl Scanner {
    pub(super) fn new(text: &str) -> Scanner {
        let chars = text.chars().map(level).collect();
        let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        Scanner { chars, offsets, figures: Vec::new() }
    }

    pub(super) fn figures(mut self) -> Vec<Figure> {
        let mut i = 0;
        while i < self.chars.len() {
            let next = match self.chars[i] {
                '0'..='9' => self.digits_at(i),
                c if c.is_ascii_alphabetic() => self.word_at(i),
                c if is_han(c) => self.han_at(i),
                _ => None,
            };
            i = next.unwrap_or(i + 1);
        }
        self.figures
    }

    /// Notes a figure of the characters `start..end`; returns `end`.
    pub(super) fn found(&mut self, start: usize, end: usize, kind: Kind, value: Decimal) -> Option<usize> {
        let (start, end_byte) = (self.offsets[start], self.offsets[end]);
        self.figures.push(Figure { start, end: end_byte, kind, value, unit: None });
        Some(end)
    }

    pub(super) fn at(&self, i: usize) -> char {
        self.chars.get(i).copied().unwrap_or('\0')
    }

    pub(super) fn before(&self, i: usize) -> char {
        i.checked_sub(1).map_or('\0', |i| self.at(i))
    }

    /// Whether the characters at `i` are `word`, letter case aside.
    pub(super) fn is(&self, i: usize, word: &str) -> bool {
        let mut n = i;
        word.chars().all(|c| {
            n += 1;
            self.at(n - 1).to_ascii_lowercase() == c
        })
    }

    /// The longest of the words in `list`, with blanks between them, that is a whole word at `i`: its end and its place.
    pub(super) fn word_of(&self, i: usize, list: &str) -> Option<(usize, u32)> {
        if !self.at(i).is_ascii_alphabetic() {
            return None;
        }
        let end = (i..).find(|&n| !self.at(n).is_ascii_alphabetic())?;
        let place = list.split_whitespace().position(|word| word.len() == end - i && self.is(i, word))?;
        Some((end, place as u32))
    }

    /// The longest entry of `table` at `i` that is a whole word there, with the character after it.
    pub(super) fn entry<T: Copy>(&self, i: usize, table: &[(&str, T)]) -> Option<(usize, T)> {
        let ends = |word: &str| {
            let end = i + word.chars().count();
            let is_latin = word.ends_with(|c: char| c.is_ascii_alphabetic());
            (!(is_latin && self.at(end).is_ascii_alphanumeric())).then_some(end)
        };
        let matching = table.iter().filter(|(word, _)| self.is(i, word));
        matching.filter_map(|&(word, value)| Some((ends(word)?, value))).max_by_key(|&(end, _)| end)
    }

    pub(super) fn skip_blanks(&self, i: usize) -> usize {
        // More than two blanks do not stand between a number and its unit.
        (i..i + 3).find(|&n| !matches!(self.at(n), ' ' | '\u{a0}' | '\u{202f}')).unwrap_or(i)
    }

    /// A figure that begins with the digit at `i`; the number of the character to go on with.
    fn digits_at(&mut self, i: usize) -> Option<usize> {
        if self.is_in_name(i) {
            return Some(self.token_end(i));
        }
        if let Some(end) = self.numeric_date(i).or_else(|| self.clock(i)) {
            return Some(end);
        }
        let (literal_end, value) = self.literal(i)?;
        // 10⁶ is a million; a raised digit behind any other number is the mark of a note.
        let n_raised = (literal_end..literal_end + 2).take_while(|&n| raised(self.at(n)).is_some()).count();
        if n_raised > 0 && value == Some(Decimal::from(10)) {
            let digits = (literal_end..literal_end + n_raised).filter_map(|n| raised(self.at(n)));
            let power = digits.fold(0, |power, digit| 10 * power + digit as i16);
            return self.quantity(i, literal_end + n_raised, Decimal::from(1).shifted(power), 0);
        }
        if let Some(end) = self.ratio(i, literal_end, value) {
            return Some(end);
        }
        // 2.0.1 and 09988.HK.
        let is_dotted = self.at(literal_end) == '.'
            && (self.at(literal_end + 1).is_ascii_digit() || self.is_market_code(literal_end + 1));
        if is_dotted || value.is_none() {
            return Some(self.token_end(i));
        }
        let value = value?;
        if let Some(end) = self.chinese_date(i, literal_end, value).or_else(|| self.english_date(i, literal_end, value))
        {
            return Some(end);
        }
        self.quantity(i, literal_end, value, literal_end - i)
    }

    /// `1/3 of`, 1/3的: a fraction, where words say so. A day and a month look the same.
    fn ratio(&mut self, start: usize, end: usize, value: Option<Decimal>) -> Option<usize> {
        if self.at(end) != '/' {
            return None;
        }
        let (below, after) = self.short_number(end + 1)?;
        let above = value?.small().filter(|&above| 0 < above && above < below && below <= 20)?;
        let says_so = self.is(after, " of ") || matches!(self.at(after), '的' | '以');
        if says_so { self.found(start, after, reduced(above, below), Decimal::ZERO) } else { None }
    }

    /// Whether the digit at `i` goes on with a name: `Qwen2.5`, `GPT-4`, `COVID-19`.
    fn is_in_name(&self, i: usize) -> bool {
        let mut start = i;
        while start > 0
            && i - start < 24
            && (self.at(start - 1).is_ascii_alphanumeric() || matches!(self.at(start - 1), '-' | '_'))
        {
            start -= 1;
        }
        let head: String = self.chars[start..i].iter().collect();
        let letters = head.trim_end_matches(['-', '_']);
        if letters.is_empty() || !letters.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return letters.len() < head.len() && letters.bytes().any(|b| b.is_ascii_uppercase());
        }
        if CODES.iter().any(|(code, _)| letters.eq_ignore_ascii_case(code)) {
            return false;
        }
        // Joined directly it is a name; behind a hyphen only a capital makes one (mid-2024 is a figure).
        letters.len() == head.len() || letters.bytes().any(|b| b.is_ascii_uppercase())
    }

    /// The end of the run of letters, digits and joints at `i`.
    fn token_end(&self, i: usize) -> usize {
        let mut end = i + 1;
        loop {
            let c = self.at(end);
            let joins = matches!(c, '.' | '-' | '_' | ',') && self.at(end + 1).is_ascii_alphanumeric();
            if !c.is_ascii_alphanumeric() && !joins {
                return end;
            }
            end += 1;
        }
    }

    fn is_market_code(&self, i: usize) -> bool {
        let letters = (i..i + 4).take_while(|&n| self.at(n).is_ascii_uppercase()).count();
        (1..=3).contains(&letters) && !self.at(i + letters).is_ascii_alphanumeric()
    }

    /// Digits at `i` with separators and a point: the end, and the value unless there are too many digits for one.
    fn literal(&self, i: usize) -> Option<(usize, Option<Decimal>)> {
        let mut literal = String::new();
        let mut end = i;
        while self.at(end).is_ascii_digit() {
            literal.push(self.at(end));
            end += 1;
        }
        let is_group = |at: usize| {
            self.at(at) == ',' && (1..=3).all(|n| self.at(at + n).is_ascii_digit()) && !self.at(at + 4).is_ascii_digit()
        };
        if literal.len() <= 3 {
            while is_group(end) {
                literal.extend(&self.chars[end + 1..end + 4]);
                end += 4;
            }
        }
        if self.at(end) == '.' && self.at(end + 1).is_ascii_digit() {
            literal.push('.');
            end += 1;
            while self.at(end).is_ascii_digit() {
                literal.push(self.at(end));
                end += 1;
            }
        }
        (end > i).then(|| (end, Decimal::parse(&literal)))
    }

    /// What a number at `start..end` measures, from the words around it. `plain_digits` is the length of a number that was
    /// written in digits alone, which may be a year.
    pub(super) fn quantity(&mut self, start: usize, end: usize, value: Decimal, plain_digits: usize) -> Option<usize> {
        let literal_end = end;
        let (mut end, mut value) = self.multiplied(end, value)?;
        let leading = self.currency_before(start);
        let (start, leading) = leading.map_or((start, None), |(start, currency)| (start, Some(currency)));

        let leading = leading.or_else(|| self.currency_of_range(start));
        // Letters that touch the number are a unit, or make it a name.
        if end == literal_end && self.at(end).is_ascii_alphabetic() {
            let suffix_end = (end..).find(|&n| !self.at(n).is_ascii_alphanumeric()).unwrap_or(end);
            let suffix: String = self.chars[end..suffix_end].iter().collect();
            match suffix.as_str() {
                "st" | "nd" | "rd" | "th" => {
                    if let Some(date_end) = self.english_date(start, suffix_end, value) {
                        return Some(date_end);
                    }
                    let quarter = self.at(suffix_end) != '\0' && self.is(suffix_end + 1, "quarter");
                    return match value.small().filter(|quarter_no| quarter && (1..=4).contains(quarter_no)) {
                        Some(quarter_no) => {
                            self.found(start, suffix_end + 8, Kind::Quarter(quarter_no as u8), Decimal::ZERO)
                        }
                        None => self.found(start, suffix_end, Kind::Ordinal, value),
                    };
                }
                "s" if matches!(plain_digits, 2 | 4) && value.small().is_some_and(|n| n % 10 == 0) => {
                    let decade = value.small().unwrap_or(0) as u16;
                    return self.found(start, suffix_end, Kind::Decade(decade), Decimal::ZERO);
                }
                "am" | "pm" => return self.time(start, suffix_end, value, suffix == "pm"),
                // 4K, 3M and 2B are names, 1.5B and 500K are numbers.
                "K" | "M" | "B" | "T" if leading.is_none() && plain_digits == 1 => return Some(suffix_end),
                "B" | "T" if leading.is_none() && plain_digits == 2 => return Some(suffix_end),
                "k" | "K" => (end, value) = (suffix_end, value.shifted(3)),
                "M" | "mn" | "mln" | "Mn" => (end, value) = (suffix_end, value.shifted(6)),
                "m" if leading.is_some() => (end, value) = (suffix_end, value.shifted(6)),
                "b" | "B" | "bn" | "Bn" => (end, value) = (suffix_end, value.shifted(9)),
                "tn" | "trn" | "T" => (end, value) = (suffix_end, value.shifted(12)),
                "yuan" | "RMB" | "CNY" | "USD" | "HKD" => {}
                _ if UNITS.contains(&suffix.as_str()) => {
                    return self.found(start, end, Kind::Number, value);
                }
                _ => return Some(self.token_end(start)),
            }
        }
        if let Some((percent_end, shift)) = self.percent_after(end) {
            let value = value.shifted(shift);
            // 三成五 is 35 %.
            return match self.tenth_after(percent_end).filter(|_| shift == 1) {
                Some(tenth) => self.found(start, percent_end + 1, Kind::Percent, value.plus(Decimal::from(tenth))?),
                None => self.found(start, percent_end, Kind::Percent, value),
            };
        }
        if let Some((time_end, is_afternoon)) = self.meridiem(end) {
            return self.time(start, time_end, value, is_afternoon);
        }
        let trailing = self.currency_after(end);
        if let Some(currency) = trailing.map(|(_, currency)| currency).or(leading) {
            let currency = match (leading, currency) {
                // "RMB 100元", "$100 US dollars": the more exact of the two.
                (Some(Currency::Code(code)), Currency::Yuan | Currency::Dollar) => Currency::Code(code),
                _ => currency,
            };
            let end = trailing.map_or(end, |(end, _)| end);
            return self.found(start, end, Kind::Money(currency), value);
        }
        let is_year =
            plain_digits == 4 && end == literal_end && value.small().is_some_and(|year| (1500..2100).contains(&year));
        if is_year {
            let year = value.small().map(|year| year as u16);
            return self.found(start, end, Kind::Date { year, month: None, day: None }, Decimal::ZERO);
        }
        self.found(start, end, Kind::Number, value)
    }

    /// The number with the units behind it multiplied in: `million`, 万, 亿5000万. A range shares its unit: 3-5 million.
    fn multiplied(&self, end: usize, value: Decimal) -> Option<(usize, Decimal)> {
        let unit = |at: usize| {
            let more = at + usize::from(matches!(self.at(at), '余' | '多')); // 190多万
            self.entry(more, HAN_SCALES).or_else(|| {
                let word = self.skip_blanks(at);
                let word = if self.at(word) == '-' { word + 1 } else { word };
                self.entry(word, ENGLISH_SCALES)
            })
        };
        if let Some((mut end, power)) = unit(end) {
            let mut value = value.shifted(power);
            let mut power = power;
            // 3万亿: scales multiply. 3亿5000万: smaller parts add.
            while let Some((next, more)) = self.entry(end, HAN_SCALES) {
                (end, value, power) = (next, value.shifted(more), power + more);
            }
            while is_han(self.at(end - 1))
                && let Some((part_end, Some(part))) = self.literal(end)
                && let Some((next, smaller)) = self.entry(part_end, HAN_SCALES)
                && smaller < power
            {
                value = value.plus(part.shifted(smaller))?;
                (end, power) = (next, smaller);
            }
            return Some((end, value));
        }
        // "3 to 5 million", "3-5亿": the number keeps its own end but takes the unit of the second.
        let joint = self.skip_blanks(end);
        let joints: &[(&str, ())] =
            &[("-", ()), ("–", ()), ("—", ()), ("~", ()), ("～", ()), ("至", ()), ("到", ()), ("to", ())];
        if let Some((after, ())) = self.entry(joint, joints) {
            let second = self.skip_blanks(after);
            let second = if matches!(self.at(second), '$' | '€' | '£' | '¥') { second + 1 } else { second };
            if let Some((second_end, Some(_))) = self.literal(second)
                && let Some((_, power)) = unit(second_end)
            {
                return Some((end, value.shifted(power)));
            }
        }
        Some((end, value))
    }

    fn percent_after(&self, end: usize) -> Option<(usize, i16)> {
        let at = self.skip_blanks(end);
        let at = if self.at(at) == '-' && self.is(at + 1, "percent") { at + 1 } else { at };
        let (after, shift) = self.entry(at, PERCENTS)?;
        // 成 also begins verbs: 3成为, 成功, 成立.
        if shift == 1
            && matches!(self.at(after), '为' | '功' | '立' | '员' | '本' | '果' | '年' | '长' | '绩' | '了' | '就')
        {
            return None;
        }
        // 30%-40% and 3 to 5 percent are read number by number; the first borrows nothing here.
        Some((after, shift))
    }

    /// The currency that stands before a number, and where it begins.
    fn currency_before(&self, start: usize) -> Option<(usize, Currency)> {
        let at = if self.before(start) == ' ' { start - 1 } else { start };
        let is_sign = at == start;
        let signs: &[(&str, Currency)] = if is_sign { SIGNS } else { &[] };
        signs
            .iter()
            .chain(CODES)
            .filter_map(|&(sign, currency)| {
                let begin = at.checked_sub(sign.chars().count())?;
                let is_whole =
                    !sign.starts_with(|c: char| c.is_ascii_alphabetic()) || !self.before(begin).is_ascii_alphabetic();
                (self.is(begin, &sign.to_ascii_lowercase()) && is_whole).then_some((begin, currency))
            })
            .min_by_key(|&(begin, _)| begin)
    }

    /// The currency of the second number in `$3-5 billion`: that of the first.
    fn currency_of_range(&self, start: usize) -> Option<Currency> {
        let first = self.figures.last()?;
        let Kind::Money(currency) = first.kind else { return None };
        const WIDEST_JOINT: usize = 6;
        let end = self.offsets.binary_search(&first.end).ok()?;
        let between: String = self.chars.get(end..start.min(end + WIDEST_JOINT))?.iter().collect();
        matches!(between.trim(), "-" | "–" | "—" | "~" | "to" | "至" | "到").then_some(currency)
    }

    fn currency_after(&self, end: usize) -> Option<(usize, Currency)> {
        let at = self.skip_blanks(end);
        let (after, currency) = self.entry(at, CURRENCY_WORDS)?;
        if currency == Currency::Yuan && self.is(after, "人民币") {
            return Some((after + 3, Currency::Code("CNY")));
        }
        // 元 also begins words: 3元素.
        let is_word = currency == Currency::Yuan && matches!(self.at(after), '素' | '旦' | '宇' | '件' | '老' | '首');
        (!is_word).then_some((after, currency))
    }

    /// 2025-09-30, 2025/9/30, 2025.09.30, 30/09/2025.
    fn numeric_date(&mut self, i: usize) -> Option<usize> {
        let (a, first_end) = self.short_number(i)?;
        let separator = self.at(first_end);
        if !matches!(separator, '-' | '/' | '.') {
            return None;
        }
        let (b, second_end) = self.short_number(first_end + 1)?;
        if self.at(second_end) != separator {
            return None;
        }
        let (c, end) = self.short_number(second_end + 1)?;
        if self.at(end).is_ascii_digit() || (self.at(end) == separator && self.at(end + 1).is_ascii_digit()) {
            return None;
        }
        let (year, month, day) = match (first_end - i, end - second_end - 1) {
            (4, 1 | 2) => (a, b, c),
            // 03/04/2025 is in March or in April, as the writer's country has it: only the year is stated. Points stand
            // between day and month alone.
            (1 | 2, 4) if a <= 12 && b <= 12 && a != b && separator != '.' && a > 0 && b > 0 => {
                return self.date(i, end, Some(c), None, None);
            }
            (1 | 2, 4) if b <= 12 => (c, b, a),
            (1 | 2, 4) => (c, a, b),
            _ => return None,
        };
        if !(1000..2200).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        self.date(i, end, Some(year), Some(month), Some(day))
    }

    fn short_number(&self, i: usize) -> Option<(u32, usize)> {
        let end = (i..i + 5).find(|&n| !self.at(n).is_ascii_digit())?;
        let digits: String = self.chars.get(i..end)?.iter().collect();
        Some((digits.parse().ok()?, end))
    }

    pub(super) fn date(
        &mut self,
        start: usize,
        end: usize,
        year: Option<u32>,
        month: Option<u32>,
        day: Option<u32>,
    ) -> Option<usize> {
        let kind =
            Kind::Date { year: year.map(|n| n as u16), month: month.map(|n| n as u8), day: day.map(|n| n as u8) };
        self.found(start, end, kind, Decimal::ZERO)
    }

    /// 07:03, 7:03 p.m.
    fn clock(&mut self, i: usize) -> Option<usize> {
        let (hour, colon) = self.short_number(i)?;
        if self.at(colon) != ':' || colon - i > 2 || hour > 24 || matches!(self.before(i), ':' | '.') {
            return None;
        }
        let (minute, mut end) = self.short_number(colon + 1)?;
        if end - colon != 3 || minute > 59 {
            return None;
        }
        // Seconds add nothing that anyone reports.
        if self.at(end) == ':' && self.short_number(end + 1).is_some_and(|(_, seconds_end)| seconds_end == end + 3) {
            end += 3;
        }
        let (end, hour) = match self.meridiem(end) {
            Some((end, is_afternoon)) => (end, to_24_hours(hour, is_afternoon)),
            None => (end, hour),
        };
        self.found(i, end, Kind::Time { hour: hour as u8, minute: minute as u8 }, Decimal::ZERO)
    }

    /// The end of `a.m.` or `p.m.` behind a number, and whether it is the latter.
    fn meridiem(&self, end: usize) -> Option<(usize, bool)> {
        const MARKS: &[(&str, bool)] = &[("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)];
        self.entry(self.skip_blanks(end), MARKS)
    }

    fn time(&mut self, start: usize, end: usize, value: Decimal, is_afternoon: bool) -> Option<usize> {
        match value.small().filter(|&hour| hour <= 12) {
            Some(hour) => self.found(
                start,
                end,
                Kind::Time { hour: to_24_hours(hour, is_afternoon) as u8, minute: 0 },
                Decimal::ZERO,
            ),
            None => self.found(start, end, Kind::Number, value),
        }
    }
}

/// The value of a superscript digit.
fn raised(c: char) -> Option<u32> {
    "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|raised| raised == c).map(|digit| digit as u32)
}

fn to_24_hours(hour: u32, is_afternoon: bool) -> u32 {
    match (hour, is_afternoon) {
        (12, false) => 0,
        (1..=11, true) => hour + 12,
        _ => hour,
    }
}

/// Half width and Simplified, one character for one.
fn level(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        '〇' | '○' => '零',
        '￥' => '¥',
        '﹣' | '−' | '‐' | '‑' => '-',
        _ => simplified(c),
    }
}
