//! Figures written in English words: twenty-five, a dozen, two-thirds, the third quarter, September 30, Q3.

use super::Kind;
use super::chinese::reduced;
use super::decimal::Decimal;
use super::scan::Scanner;

/// Words by their place, which is their value: from one; tens from twenty; parts from half; months from January.
const ONES: &str = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
    seventeen eighteen nineteen";
const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
const PART: &str = "half third quarter fifth sixth seventh eighth ninth tenth";
const PARTS: &str = "halves thirds quarters fifths sixths sevenths eighths ninths tenths";
const ORDERS: &str = "first second third fourth";
const MONTHS: &str = "january february march april may june july august september october november december";
const SHORT_MONTHS: &str = "jan feb mar apr may jun jul aug sep oct nov dec";
const SCALES: &[(&str, i16)] = &[("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12)];

impl Scanner {
    /// A figure that begins with the word at `i`, or the end of that word.
    pub(super) fn word_at(&mut self, i: usize) -> Option<usize> {
        let word_end = (i..).find(|&n| !self.at(n).is_ascii_alphabetic())?;
        // Currency codes and names with numbers are looked at from their digits.
        if self.before(i).is_ascii_alphanumeric() || self.at(word_end).is_ascii_digit() && !self.is_quarter(i) {
            return Some(word_end);
        }
        if self.is_quarter(i) {
            let quarter = self.at(i + 1) as u8 - b'0';
            return self.found(i, i + 2, Kind::Quarter(quarter), Decimal::ZERO);
        }
        if let Some((after, quarter)) = self.word_of(i, ORDERS)
            && matches!(self.at(after), ' ' | '-')
            && self.is(after + 1, "quarter")
        {
            return self.found(i, after + 8, Kind::Quarter(quarter as u8 + 1), Decimal::ZERO);
        }
        if let Some(end) = self.part_of(i).or_else(|| self.month_first(i)) {
            return Some(end);
        }
        if let Some(end) = self.number_words(i) {
            return Some(end);
        }
        Some(word_end)
    }

    fn is_quarter(&self, i: usize) -> bool {
        self.at(i) == 'Q' && matches!(self.at(i + 1), '1'..='4') && !self.at(i + 2).is_ascii_alphanumeric()
    }

    /// The end and the number of the month whose name stands at `i`.
    fn month(&self, i: usize) -> Option<(usize, u32)> {
        let whole = self.word_of(i, MONTHS).or_else(|| self.word_of(i, SHORT_MONTHS));
        whole.map(|(end, place)| (end, place + 1)).or_else(|| self.word_of(i, "sept").map(|(end, _)| (end, 9)))
    }

    /// `half of the bill`, `a third of it`: a fraction without a number.
    fn part_of(&mut self, i: usize) -> Option<usize> {
        let at = if self.is(i, "a ") { i + 2 } else { i };
        let (end, place) = self.word_of(at, PART)?;
        let is_half = place == 0;
        let says_so =
            self.is(end, " of ") || is_half && [" the ", " its ", " their ", " all "].iter().any(|it| self.is(end, it));
        if says_so && (is_half || at > i) { self.found(i, end, reduced(1, place + 2), Decimal::ZERO) } else { None }
    }

    /// `September 30, 2025`, `Sept. 30`, `September 2025`, `in September`.
    fn month_first(&mut self, i: usize) -> Option<usize> {
        if !self.at(i).is_ascii_uppercase() {
            return None;
        }
        let (name_end, month) = self.month(i)?;
        let is_short = name_end - i <= 4 && !matches!(month, 5..=7) || name_end - i == 3 && month != 5;
        let dotted = name_end + usize::from(self.at(name_end) == '.');
        let after = self.skip_blanks(dotted);
        let Some((day_or_year, end)) = self.whole(after) else {
            let is_verb = matches!(month, 3 | 5) && !self.follows_preposition(i);
            return if is_short || is_verb { None } else { self.date(i, name_end, None, Some(month), None) };
        };
        if end - after == 4 && (1000..2200).contains(&day_or_year) {
            return self.date(i, end, Some(day_or_year), Some(month), None);
        }
        if !(1..=31).contains(&day_or_year) || end - after > 2 {
            return None;
        }
        let end = if ["st", "nd", "rd", "th"].iter().any(|suffix| self.is(end, suffix)) { end + 2 } else { end };
        let comma = self.skip_blanks(end + usize::from(self.at(end) == ','));
        match self.year(comma).filter(|_| comma > end) {
            Some((year, end)) => self.date(i, end, Some(year), Some(month), Some(day_or_year)),
            None => self.date(i, end, None, Some(month), Some(day_or_year)),
        }
    }

    /// `30 September 2025`, `30th of September`, where the number stands at `start..end`.
    pub(super) fn english_date(&mut self, start: usize, end: usize, value: Decimal) -> Option<usize> {
        let day = value.small().filter(|day| (1..=31).contains(day))?;
        let mut at = self.skip_blanks(end);
        if self.is(at, "of ") {
            at += 3;
        }
        if at == end || !self.at(at).is_ascii_uppercase() {
            return None;
        }
        let (name_end, month) = self.month(at)?;
        let dotted = name_end
            + usize::from(
                self.at(name_end) == '.' && self.at(name_end + 1) == ' ' && self.at(name_end + 2).is_ascii_digit(),
            );
        let comma = dotted + usize::from(self.at(dotted) == ',');
        let year_at = self.skip_blanks(comma);
        match self.year(year_at).filter(|_| year_at > comma) {
            Some((year, end)) => self.date(start, end, Some(year), Some(month), Some(day)),
            None => self.date(start, name_end, None, Some(month), Some(day)),
        }
    }

    fn year(&self, i: usize) -> Option<(u32, usize)> {
        self.whole(i).filter(|&(year, end)| end - i == 4 && (1000..2200).contains(&year))
    }

    fn whole(&self, i: usize) -> Option<(u32, usize)> {
        let end = (i..i + 6).find(|&n| !self.at(n).is_ascii_digit()).filter(|&end| end > i)?;
        let digits: String = self.chars[i..end].iter().collect();
        Some((digits.parse().ok()?, end))
    }

    /// Whether the word before `i` makes a month of "May" and "March".
    fn follows_preposition(&self, i: usize) -> bool {
        const WORDS: &[&str] = &[
            "in", "since", "until", "till", "by", "last", "this", "next", "early", "late", "mid", "of", "from", "to",
            "through", "between", "during", "before", "after",
        ];
        let Some(end) = i.checked_sub(1) else {
            return false;
        };
        let start =
            (end.saturating_sub(8)..end).rev().take_while(|&n| self.at(n).is_ascii_alphabetic()).last().unwrap_or(end);
        let word: String = self.chars[start..end].iter().collect::<String>().to_ascii_lowercase();
        WORDS.contains(&word.as_str())
    }

    /// `twenty-five`, `two hundred and six thousand`, `a dozen`, `half a million`, `two-thirds`.
    fn number_words(&mut self, i: usize) -> Option<usize> {
        let after_article = match () {
            () if self.is(i, "half a ") => Some((i + 7, true)),
            () if self.is(i, "a ") => Some((i + 2, false)),
            () => None,
        };
        if let Some((at, is_half)) = after_article {
            let (end, power) = self
                .entry(at, &[("hundred", 2), ("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12)])
                .or_else(|| self.entry(at, &[("dozen", 0)]))?;
            let one = if power == 0 { 12 } else { 1 };
            let value = Decimal::from(one).shifted(power);
            let value = if is_half { Decimal::from(one * 5).shifted(power - 1) } else { value };
            return self.quantity(i, end, value, 0);
        }
        let (mut end, small) = self.below_hundred(i)?;
        if small == 0 {
            return None;
        }
        let mut is_lone_one = small == 1;
        if let Some(next) = self.joined(end)
            && let Some((part_end, place)) = self.word_of(next, PARTS).or_else(|| self.word_of(next, PART))
            && (self.at(end) == '-' || self.is(part_end, " of"))
        {
            return self.found(i, part_end, reduced(small, place + 2), Decimal::ZERO);
        }
        // Three Gorges, Seven Sisters: a capital on both words is a name. Three Chinese companies only begin a sentence.
        let next_end = (end + 1..end + 30).find(|&n| !self.at(n).is_ascii_alphabetic()).unwrap_or(end + 1);
        let is_plural = self.before(next_end) == 's';
        let is_name = self.at(i).is_ascii_uppercase()
            && self.at(end) == ' '
            && self.at(end + 1).is_ascii_uppercase()
            && (is_plural || !self.at(self.skip_blanks(next_end)).is_ascii_lowercase());
        if is_name {
            return None;
        }
        let mut section = u64::from(small);
        let mut total = Decimal::ZERO;
        loop {
            if let Some((next, ())) = self.joined(end).and_then(|at| self.entry(at, &[("hundred", ())])) {
                section *= 100;
                end = next;
                is_lone_one = false;
                let and = self.joined(end).map(|at| if self.is(at, "and ") { at + 4 } else { at });
                if let Some((next, rest)) = and.and_then(|at| self.below_hundred(at)) {
                    section += u64::from(rest);
                    end = next;
                }
            }
            if let Some((next, ())) = self.joined(end).and_then(|at| self.entry(at, &[("dozen", ())])) {
                section *= 12;
                end = next;
                is_lone_one = false;
            }
            let Some((next, power)) = self.joined(end).and_then(|at| self.entry(at, SCALES)) else {
                total = total.plus(Decimal::from(section))?;
                break;
            };
            total = total.plus(Decimal::from(section).shifted(power))?;
            end = next;
            is_lone_one = false;
            // "two million three hundred thousand"
            match self.joined(end).and_then(|at| self.below_hundred(at)) {
                Some((next, rest)) => (end, section) = (next, u64::from(rest)),
                None => break,
            }
        }
        let is_percent = self.is(end, " percent") || self.is(end, " per cent");
        if is_lone_one && !is_percent {
            return Some(end);
        }
        self.quantity(i, end, total, 0)
    }

    fn below_hundred(&self, i: usize) -> Option<(usize, u32)> {
        if let Some((end, place)) = self.word_of(i, TENS) {
            let tens = 10 * (place + 2);
            let ones = self.joined(end).and_then(|at| self.word_of(at, ONES)).filter(|(_, ones)| *ones < 9);
            return Some(ones.map_or((end, tens), |(end, ones)| (end, tens + ones + 1)));
        }
        self.word_of(i, ONES).map(|(end, place)| (end, place + 1))
    }

    /// The character after a single blank or hyphen at `end`.
    fn joined(&self, end: usize) -> Option<usize> {
        matches!(self.at(end), ' ' | '-').then_some(end + 1)
    }
}
