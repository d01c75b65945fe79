//! Text in, its figures out, each with its place and one normal form: 3800億, 380 billion and 3,800亿 are one value.
//! Knows numerals, units, currencies and dates in English and Chinese; knows nothing of what is counted.
//!
//! A number inside a name (GPT-4o, Qwen2.5, COVID-19, F-16, 09988.HK) belongs to the name and is no figure. Lone "one"
//! and 一 are articles more often than numbers and are not figures either. Signs are ignored, because sources say
//! "fell 5%" where others write −5%.

use std::ops::Range;

mod chinese;
mod decimal;
mod english;
mod scan;
mod units;

pub use decimal::Decimal;

/// A figure in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// First byte in the text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What the figure measures.
    pub kind: Kind,
    /// The magnitude with its unit multiplied in; of a percentage its number before the sign; of dates and times 0.
    pub value: Decimal,
    /// What a number is measured in, as far as a unit that is known stands behind it.
    pub unit: Option<Unit>,
}

/// A unit of measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What it measures, by one of its names: units of one measure can be turned into one another.
    pub measures: &'static str,
    /// The power of ten that turns it into the first of that measure.
    pub power: i16,
}

/// What a figure measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A count or measure.
    Number,
    /// A percentage or a difference of percentages; 兩成 is 20.
    Percent,
    /// An amount of money.
    Money(Currency),
    /// A place in an order: 3rd, 第三.
    Ordinal,
    /// A fraction in words, reduced: two-thirds, 三分之二.
    Fraction {
        /// Above the line.
        numerator: u32,
        /// Below the line.
        denominator: u32,
    },
    /// A date, as far as it is stated.
    Date {
        /// The year of our era.
        year: Option<u16>,
        /// The month, from 1.
        month: Option<u8>,
        /// The day of the month, from 1.
        day: Option<u8>,
    },
    /// A decade: the 1990s are 1990, the 90s and 90年代 are 90.
    Decade(u16),
    /// A quarter of a year, from 1: Q3, 第三季度, the third quarter.
    Quarter(u8),
    /// A time of day.
    Time {
        /// The hour, 0-24.
        hour: u8,
        /// The minute.
        minute: u8,
    },
}

/// A currency, as far as it is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Currency {
    /// Stated in full: its ISO 4217 code.
    Code(&'static str),
    /// Some dollar: `$`, "dollars".
    Dollar,
    /// Some yuan: 元, which mainland China, Taiwan and Hong Kong write alike.
    Yuan,
    /// `¥`: yuan or yen.
    YuanOrYen,
}

impl Currency {
    /// Whether both can be the same currency.
    fn is_compatible(self, other: Currency) -> bool {
        use Currency::*;
        const DOLLARS: &[&str] = &["USD", "HKD", "TWD", "AUD", "CAD", "SGD", "NZD"];
        const YUANS: &[&str] = &["CNY", "HKD", "TWD"];
        match (self, other) {
            (Code(a), Code(b)) => a == b,
            (Dollar, Code(code)) | (Code(code), Dollar) => DOLLARS.contains(&code),
            (Yuan, Code(code)) | (Code(code), Yuan) => YUANS.contains(&code),
            (YuanOrYen, Code(code)) | (Code(code), YuanOrYen) => matches!(code, "CNY" | "JPY"),
            (Dollar, Dollar) | (Yuan | YuanOrYen, Yuan | YuanOrYen) => true,
            (Dollar, Yuan | YuanOrYen) | (Yuan | YuanOrYen, Dollar) => false,
        }
    }
}

impl Figure {
    /// Whether `evidence` states all that `self` states: an equal value of a kind that can be meant by it, or a date with
    /// every part that `self` names. An amount of money backs a plain number, which says less, and not the reverse; units
    /// must be the same where both name one (5 km and 5,000 m are).
    pub fn agrees(&self, evidence: &Figure) -> bool {
        use Kind::*;
        match (self.kind, evidence.kind) {
            (Number | Ordinal, Number | Ordinal) => match (self.unit, evidence.unit) {
                (Some(own), Some(other)) => {
                    own.measures == other.measures
                        && self.value.shifted(own.power) == evidence.value.shifted(other.power)
                }
                _ => self.value == evidence.value,
            },
            (Percent, Percent) | (Number, Money(_)) => self.value == evidence.value,
            (Money(a), Money(b)) => a.is_compatible(b) && self.value == evidence.value,
            (Date { year: Some(year), month: None, day: None }, Number) => {
                evidence.value == Decimal::from(u64::from(year))
            }
            (Number, Date { year: Some(year), month: None, day: None }) => self.value == Decimal::from(u64::from(year)),
            (Date { year: a, month: b, day: c }, Date { year: d, month: e, day: f }) => {
                (a.is_none() || a == d) && (b.is_none() || b == e) && (c.is_none() || c == f)
            }
            // "The 30th" for 30日; and 三日 may be three days.
            (Ordinal, Date { day: Some(day), .. }) => self.value == Decimal::from(u64::from(day)),
            (Number, Date { year: None, month: None, day: Some(day) }) => {
                self.is_days() && self.value == Decimal::from(u64::from(day))
            }
            (Date { year: None, month: None, day: Some(day) }, Number) => {
                evidence.is_days() && evidence.value == Decimal::from(u64::from(day))
            }
            (Date { year: None, month: None, day: Some(day) }, Ordinal) => {
                evidence.value == Decimal::from(u64::from(day))
            }
            (Decade(a), Decade(b)) => a == b || (a < 100 || b < 100) && a % 100 == b % 100,
            (Fraction { .. } | Quarter(_) | Time { .. }, _) => self.kind == evidence.kind,
            _ => false,
        }
    }

    /// Whether the figures of a source state all that `self` states. Unlike [`Figure::agrees`] it lets the parts of a date
    /// come from two places: the year from a dateline, the day from a sentence.
    pub fn is_stated(&self, evidence: &[Figure]) -> bool {
        if evidence.iter().any(|other| self.agrees(other)) {
            return true;
        }
        let Kind::Date { year: year @ Some(_), month: Some(month), day } = self.kind else {
            return false;
        };
        let of = |year, month, day| Figure { kind: Kind::Date { year, month, day }, ..*self };
        of(year, None, None).is_stated(evidence) && of(None, Some(month), day).is_stated(evidence)
    }

    fn is_days(&self) -> bool {
        self.unit.is_none_or(|unit| unit.measures == units::DAYS)
    }

    /// The figure's bytes in its text.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// The figures of `text`, in order, none overlapping another.
pub fn figures(text: &str) -> Vec<Figure> {
    let mut figures = scan::Scanner::new(text).figures();
    for figure in figures.iter_mut().filter(|figure| figure.kind == Kind::Number) {
        figure.unit = units::unit_at(&text[figure.end..]);
    }
    figures
}

/// Whether the `I` at byte `at` of `text` is a numeral: it stands right behind a name (World War I, Phase I, Elizabeth I).
pub fn is_numeral_i(text: &str, at: usize) -> bool {
    let before = text[..at].strip_suffix(' ').unwrap_or("");
    let word = &before[before
        .rfind(|c: char| !c.is_alphabetic())
        .map_or(0, |n| n + before[n..].chars().next().map_or(1, char::len_utf8))..];
    let is_alone = !text[at + 1..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '\'' | '’'));
    is_alone && word.len() > 1 && word.starts_with(char::is_uppercase) && !super::abbreviations::is_starter(word)
}

#[cfg(test)]
mod tests;
