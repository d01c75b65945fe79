//! The figures of a sentence in, each with its unit, its bound and what it counts; and whether a source states them.

use std::ops::Range;

use super::signs::{Bound, bound};
use super::words::{Parsed, Word};
use crate::text::figures::{Currency, Figure, Kind};

/// A figure with what stands beside it.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub figure: Figure,
    /// The word that it is.
    pub at: usize,
    unit: Option<usize>,
    /// Percentage points, where the kind is a percentage.
    points: bool,
    /// What it is the limit of, and the words that say so.
    pub bound: Option<(Bound, Range<usize>)>,
    /// The word of content behind it.
    pub counted: Option<usize>,
}

/// How far a source states a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stated {
    /// Another value or kind.
    No,
    /// The value in another unit or currency.
    Unit,
    /// The value as the limit of something else.
    Bound,
    Yes,
}

/// One unit a line, as English and Chinese write it; English without the `s` of the plural.
const UNITS: &[&[&str]] = &[
    &["square kilometre", "square kilometer", "平方公里", "平方千米"],
    &["square metre", "square meter", "平方公尺", "平方米"],
    &["square mile", "平方英里", "平方哩"],
    &["cubic metre", "cubic meter", "立方公尺", "立方米"],
    &["kilometre", "kilometer", "km", "公里", "千米"],
    &["metre", "meter", "m", "公尺", "米"],
    &["centimetre", "centimeter", "cm", "公分", "厘米", "釐米"],
    &["millimetre", "millimeter", "mm", "毫米", "公釐"],
    &["mile", "英里", "哩"],
    &["foot", "feet", "ft", "英尺", "英呎", "呎"],
    &["inch", "inche", "英寸", "英吋", "吋"],
    &["kilogram", "kilo", "kg", "公斤", "千克"],
    &["gram", "克"],
    &["tonne", "ton", "噸", "吨", "公噸", "公吨"],
    &["litre", "liter", "公升", "升"],
    &["hectare", "公頃", "公顷"],
    &["acre", "英畝", "英亩"],
    &["second", "秒"],
    &["minute", "分鐘", "分钟"],
    &["hour", "小時", "小时", "鐘頭"],
    &["day", "天", "日"],
    &["week", "週", "周", "星期"],
    &["month", "月", "个月", "個月"],
    &["year", "年", "歲", "岁"],
    &["crown", "krone", "krona", "克朗"],
    &["franc", "法郎"],
    &["degree", "度"],
];
const SECOND: usize = 17;
const DAY: usize = 20;
const YEAR: usize = 23;

/// The figures of a cut sentence.
pub(super) fn facts(parsed: &Parsed) -> Vec<Fact> {
    let with_places = parsed.words.iter().enumerate().filter_map(|(at, word)| Some((at, word.figure?)));
    let fact = |(at, idx): (usize, usize)| {
        let figure = with_rest(parsed, parsed.figures[idx]);
        let written = &parsed.text[figure.range()];
        let clause = parsed.words[at].clause;
        let behind = parsed.words.iter().enumerate().skip(at + 1).take(3);
        let counts = |word: &Word| word.content && word.clause == clause;
        Fact {
            unit: unit(&parsed.text, &figure),
            points: ["point", "百分点", "百分點", "基点", "基點"].iter().any(|sign| written.contains(sign)),
            // "Over three years" is how long.
            bound: bound(parsed, at).filter(|(_, range)| {
                let lasts = unit(&parsed.text, &figure).is_some_and(|unit| (SECOND..=YEAR).contains(&unit));
                !(lasts
                    && range.len() == 1
                    && matches!(&*parsed.words[range.start].folded, "over" | "within" | "内" | "之内"))
            }),
            counted: behind.take_while(|(_, w)| w.figure.is_none()).find(|(_, w)| counts(w)).map(|(idx, _)| idx),
            figure,
            at,
        }
    };
    with_places.map(fact).collect()
}

/// 五成八 is 58 percent.
fn with_rest(parsed: &Parsed, figure: Figure) -> Figure {
    let behind = &parsed.text[figure.end..];
    let digit = behind.chars().next().and_then(|c| "一二三四五六七八九".chars().position(|digit| digit == c));
    let tenths =
        parsed.text[..figure.end].ends_with('成').then(|| figure.value.to_string().parse::<u64>().ok()).flatten();
    match digit.zip(tenths) {
        Some((digit, tenths)) => Figure { value: (tenths + digit as u64 + 1).into(), ..figure },
        None => figure,
    }
}

/// The unit behind a figure: its place among [`UNITS`], by the longest name that fits.
fn unit(text: &str, figure: &Figure) -> Option<usize> {
    let behind = text[figure.end..].trim_start_matches([' ', '-', '多', '餘', '余', '個', '个']).to_lowercase();
    let fits = |name: &&&str| match behind.strip_prefix(**name) {
        Some(rest) if name.is_ascii() => !rest.strip_prefix('s').unwrap_or(rest).starts_with(char::is_alphanumeric),
        rest => rest.is_some(),
    };
    let longest = |names: &[&str]| names.iter().filter(fits).map(|name| name.len()).max();
    let lengths = UNITS.iter().enumerate().map(|(idx, names)| (longest(names), idx));
    lengths.filter(|(length, _)| length.is_some()).max().map(|(_, idx)| idx)
}

impl Fact {
    /// How far `source` states what the fact states.
    pub(super) fn stated(&self, source: &Fact) -> Stated {
        use Kind::*;
        let day = |date: &Fact, number: &Fact| match date.figure.kind {
            Date { year: None, month: None, day: Some(day) } if number.unit == Some(DAY) => {
                number.figure.value == u64::from(day).into()
            }
            _ => false,
        };
        if day(self, source) || day(source, self) {
            return Stated::Yes;
        }
        let same_value = self.figure.value == source.figure.value;
        let same_unit = self.unit == source.unit || self.unit.is_none() || source.unit.is_none();
        match (self.figure.kind, source.figure.kind) {
            (Money(a), Money(b)) if same_value && !is_same(a, b) => return Stated::Unit,
            (Money(_), Number) | (Number, Money(_)) if same_value && (self.unit.or(source.unit)).is_some() => {
                return Stated::Unit;
            }
            (Money(_), Number) if same_value && source.counted.is_some() => return Stated::Unit,
            (Percent, Number) | (Number, Percent) if same_value => return Stated::Unit,
            (Percent, Percent) if same_value && self.points != source.points => return Stated::Unit,
            _ if !self.figure.agrees(&source.figure) => return Stated::No,
            (Number, Number) if !same_unit => return Stated::Unit,
            _ => {}
        }
        match is_same_bound(self.direction(), source.direction()) {
            true => Stated::Yes,
            false => Stated::Bound,
        }
    }

    /// 1: the least, -1: the most, 0: neither.
    fn direction(&self) -> i8 {
        match self.bound.as_ref().map(|(bound, _)| bound) {
            Some(Bound::Over | Bound::Least) => 1,
            Some(Bound::Under | Bound::Most) => -1,
            Some(Bound::About) | None => 0,
        }
    }

    /// Whether it counts what `source` does not, while both say what they count.
    pub(super) fn counts_other(
        &self,
        own: &Parsed,
        source: &Fact,
        theirs: &Parsed,
        known: impl Fn(&Word) -> bool,
    ) -> bool {
        // 3-1 counts nothing.
        let joins = |at: usize| own.words.get(at).is_some_and(|word| word.figure.is_some());
        if !matches!(self.figure.kind, Kind::Number) || joins(self.at + 1) || self.at > 0 && joins(self.at - 1) {
            return false;
        }
        let (Some(counted), Some(_)) = (self.counted, source.counted) else {
            return false;
        };
        let behind = |parsed: &Parsed, at: usize| -> Vec<Word> {
            let clause = parsed.words[at].clause;
            let words = parsed.words.iter().skip(at + 1).take(6);
            words.take_while(|w| w.clause == clause && w.figure.is_none()).filter(|w| w.content).cloned().collect()
        };
        let (mine, other) = (behind(own, self.at), behind(theirs, source.at));
        let before = theirs.words[source.at.saturating_sub(4)..source.at].iter();
        let shares = mine.iter().any(|a| other.iter().chain(before.clone()).any(|b| a.likeness(b) > 0.0));
        !shares && known(&own.words[counted])
    }
}

/// Whether two currencies are one: as [`Figure::agrees`] has it, but a dollar is no yuan.
fn is_same(a: Currency, b: Currency) -> bool {
    use Currency::*;
    let figure = |currency| Figure { start: 0, end: 0, kind: Kind::Money(currency), value: 1.into(), unit: None };
    !matches!((a, b), (Dollar, Yuan) | (Yuan, Dollar)) && figure(a).agrees(&figure(b))
}

fn is_same_bound(line: i8, source: i8) -> bool {
    line == source
}
