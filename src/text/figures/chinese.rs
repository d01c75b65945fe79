//! Figures written in Chinese: numerals in characters, 百分之七, 三分之一, 第三, 九月三十日, 上午七時.

use super::Kind;
use super::decimal::Decimal;
use super::scan::Scanner;

impl Scanner {
    /// A figure that begins with the Han character at `i`.
    pub(super) fn han_at(&mut self, i: usize) -> Option<usize> {
        if self.is(i, "百分之") {
            let (end, value) = self.any_number(i + 3)?;
            return self.found(i, end, Kind::Percent, value);
        }
        if self.at(i) == '第' {
            let (end, value) = self.any_number(i + 1)?;
            return match value.small() {
                Some(quarter @ 1..=4) if self.is(end, "季") => {
                    let end = end + 1 + usize::from(self.at(end + 1) == '度');
                    self.found(i, end, Kind::Quarter(quarter as u8), Decimal::ZERO)
                }
                _ => self.found(i, end, Kind::Ordinal, value),
            };
        }
        if let Some(era) = ["民国", "公元", "西元"].iter().find(|era| self.is(i, era)) {
            let (end, year) = self.any_number(i + 2)?;
            let year = year.small()? + if *era == "民国" { ROC_ERA } else { 0 };
            let month_and_day = self.month_and_day(end + 1);
            return match (self.at(end), month_and_day) {
                ('年', Some((end, month, day))) => self.date(i, end, Some(year), Some(month), day),
                ('年', None) => self.date(i, end + 1, Some(year), None, None),
                _ => Some(end),
            };
        }
        if self.is(i, "一半") || self.is(i, "半数") {
            return self.found(i, i + 2, reduced(1, 2), Decimal::ZERO);
        }
        // 几十, 数百: no figure is stated.
        let (end, value) = self.han_number(i)?;
        if matches!(self.before(i), '几' | '数') {
            return Some(end);
        }
        if let Some(fraction_end) = self.fraction(i, end, value) {
            return Some(fraction_end);
        }
        if let Some(date_end) = self.chinese_date(i, end, value) {
            return Some(date_end);
        }
        if end - i == 1 && !self.is_counted(i, end) {
            return None;
        }
        self.quantity(i, end, value, 0)
    }

    /// 三分之二, 三分之2.
    fn fraction(&mut self, start: usize, end: usize, denominator: Decimal) -> Option<usize> {
        if !self.is(end, "分之") {
            return None;
        }
        let (end, numerator) = self.any_number(end + 2)?;
        let (numerator, denominator) = (numerator.small()?, denominator.small().filter(|&n| n > 0)?);
        self.found(start, end, reduced(numerator, denominator), Decimal::ZERO)
    }

    /// Whether a single numeral counts something: a measure word follows, and it is not the 一 of 一個.
    fn is_counted(&self, i: usize, end: usize) -> bool {
        const MEASURES: &str =
            "成年月日号倍元个名家位次天岁周座条项种人间艘辆米吨里亩届轮期层台部份件口户万亿千百点时廿顷";
        const MEASURES_OF_ONE: &str = "成倍元";
        let measures = if self.at(i) == '一' { MEASURES_OF_ONE } else { MEASURES };
        // 十分鐘情 is "very fond".
        let is_fond = self.is(end, "分钟") && matches!(self.at(end + 2), '情' | '爱' | '意');
        let is_unit = "百千万亿兆".contains(self.at(i));
        !is_unit
            && !is_fond
            && (matches!(self.at(i), '廿' | '卅' | '卌')
                || measures.contains(self.at(end))
                || (self.at(i) != '一'
                    && ["小时", "分钟", "公里", "公斤", "公顷", "公尺", "美元"].iter().any(|unit| self.is(end, unit))))
    }

    /// A number in digits or in characters, its Chinese units included.
    fn any_number(&self, i: usize) -> Option<(usize, Decimal)> {
        if let Some(found) = self.han_number(i) {
            return Some(found);
        }
        let end =
            (i..).find(|&n| !(self.at(n).is_ascii_digit() || self.at(n) == '.' && self.at(n + 1).is_ascii_digit()))?;
        let literal: String = self.chars.get(i..end)?.iter().collect();
        Some((end, Decimal::parse(&literal)?))
    }

    /// A well-formed number in characters at `i`: 三千八百億, 十二, 三點五, 二〇二五. Sequences that are no number (七八,
    /// 萬一, 千萬) give none.
    fn han_number(&self, i: usize) -> Option<(usize, Decimal)> {
        let is_numeral = |c: char| digit(c).is_some() || power(c).is_some() || tens(c).is_some();
        let run = (i..i + 40).take_while(|&n| is_numeral(self.at(n))).count();
        if run == 0 || (i > 0 && is_numeral(self.before(i))) {
            return None;
        }
        let mut end = i + run;
        // 廿 is 二十 in one character.
        let whole = self.chars[i..end].iter().flat_map(|&c| match tens(c) {
            Some(digit) => vec![digit, '十'],
            None => vec![c],
        });
        let whole = &whole.collect::<Vec<_>>()[..];
        let mut value = match whole.iter().map(|&c| digit(c)).collect::<Option<Vec<_>>>() {
            Some(digits) if digits.len() == 1 => Decimal::from(digits[0]),
            // A row of digits is a year or a telephone number; 七八 and 三三 are "seven or eight" and a name.
            Some(digits) if digits.len() >= 3 => {
                Decimal::parse(&digits.iter().map(u64::to_string).collect::<String>())?
            }
            Some(_) => return None,
            None => composed(whole)?,
        };
        if self.at(end) == '点' {
            let places = (end + 1..end + 20)
                .take_while(|&n| digit(self.at(n)).is_some_and(|d| d < 10) && self.at(n) != '两')
                .count();
            let unit = if places > 0 { power(self.at(end + 1 + places)) } else { None };
            // 三點五 is 3.5; 三點 and 十二點二十分 are times.
            if places > 0 && self.at(end + 1 + places) != '分' && self.at(end + 1 + places) != '十' {
                let fraction: String = self.chars[end + 1..=end + places]
                    .iter()
                    .filter_map(|&c| digit(c))
                    .map(|d| d.to_string())
                    .collect();
                value = value.plus(Decimal::parse(&format!("0.{fraction}"))?)?;
                end += 1 + places;
                if let Some(power) = unit {
                    value = value.shifted(power);
                    end += 1;
                }
            }
        }
        // 一百九十餘萬: a little more, but told as this.
        if matches!(self.at(end), '余' | '多')
            && let Some(power @ (2..)) = power(self.at(end + 1))
        {
            return Some((end + 2, value.shifted(power)));
        }
        Some((end, value))
    }

    /// A date or time whose first number is `value` at `start..end`: 2025年9月30日, 9月30日, 30日, 90年代, 7點30分.
    pub(super) fn chinese_date(&mut self, start: usize, end: usize, value: Decimal) -> Option<usize> {
        let number = value.small()?;
        match self.at(end) {
            '年' if self.at(end + 1) == '代' => {
                self.found(start, end + 2, Kind::Decade(number as u16), Decimal::ZERO)
            }
            // 一一四年 is a year of the Republic: nobody writes a number of years so. 114年3月 is one too.
            '年' if (60..200).contains(&number)
                && (end - start == 3 && self.chars[start..end].iter().all(|&c| digit(c).is_some())
                    || self.month_and_day(end + 1).is_some()) =>
            {
                match self.month_and_day(end + 1) {
                    Some((end, month, day)) => self.date(start, end, Some(number + ROC_ERA), Some(month), day),
                    None => self.date(start, end + 1, Some(number + ROC_ERA), None, None),
                }
            }
            '年' if (1000..2200).contains(&number) && end - start == 4 => {
                let after = end + 1;
                match self.month_and_day(after) {
                    Some((end, month, day)) => self.date(start, end, Some(number), Some(month), day),
                    None => self.date(start, after, Some(number), None, None),
                }
            }
            '月' => {
                let (end, month, day) = self.month_and_day(start)?;
                self.date(start, end, None, Some(month), day)
            }
            '日' if (1..=31).contains(&number) && !matches!(self.at(end + 1), '元' | '本' | '圆') => {
                self.date(start, end + 1, None, None, Some(number))
            }
            '点' | '时' if number <= 24 && end - start <= 3 && self.is_time(start, end) => {
                self.chinese_time(start, end, number)
            }
            _ => None,
        }
    }

    /// The digit behind 三成 in 三成五, which nothing is counted by.
    pub(super) fn tenth_after(&self, end: usize) -> Option<u64> {
        let tenth = digit(self.at(end)).filter(|tenth| (1..10).contains(tenth))?;
        let next = self.at(end + 1);
        (digit(next).is_none() && power(next).is_none() && !"个名家位次天岁周座条项种人间艘".contains(next))
            .then_some(tenth)
    }

    fn month_and_day(&self, i: usize) -> Option<(usize, u32, Option<u32>)> {
        let (end, month) = self.any_number(i)?;
        let month = month.small().filter(|month| (1..=12).contains(month))?;
        if self.at(end) != '月' {
            return None;
        }
        let end = end + 1;
        let day =
            self.any_number(end).and_then(|(end, day)| Some((end, day.small().filter(|day| (1..=31).contains(day))?)));
        match day {
            Some((day_end, day)) if matches!(self.at(day_end), '日' | '号') => Some((day_end + 1, month, Some(day))),
            _ => Some((end, month, None)),
        }
    }

    /// Whether 三点 is a time of day, and not three points of a list: a part of the day stands before it, or it goes on as
    /// times do.
    fn is_time(&self, start: usize, end: usize) -> bool {
        const BEFORE: &str = "午晚早晨夜在于至到约近日天从自";
        const BEHIND: &str = "钟半整许前后左起开至到前正一二三四五六七八九零两";
        let after = self.at(end + 1);
        let is_part_of_day = start >= 2 && ["晚上", "早上"].iter().any(|word| self.is(start - 2, word));
        is_part_of_day
            || BEFORE.contains(self.before(start))
            || BEHIND.contains(after)
            || after.is_ascii_digit()
            || self.at(end) == '时' && !matches!(after, '代' | '间' | '候' | '期' | '光' | '段' | '辰')
    }

    fn chinese_time(&mut self, start: usize, end: usize, hour: u32) -> Option<usize> {
        let is_afternoon = start >= 2
            && (["下午", "晚上", "傍晚", "今晚", "昨晚", "当晚"].iter().any(|word| self.is(start - 2, word)));
        let hour = if is_afternoon && hour < 12 { hour + 12 } else { hour };
        let after = end + 1 + usize::from(self.at(end) == '点' && self.at(end + 1) == '钟');
        let minutes = self
            .any_number(after)
            .filter(|&(end, _)| self.at(end) == '分')
            .and_then(|(end, n)| Some((end + 1, n.small().filter(|&n| n < 60)?)));
        let (end, minute) = match minutes {
            Some((end, minute)) => (end, minute),
            None if self.at(after) == '半' => (after + 1, 30),
            None => (after, 0),
        };
        self.found(start, end, Kind::Time { hour: hour as u8, minute: minute as u8 }, Decimal::ZERO)
    }
}

/// `numerator / denominator` in lowest terms; `denominator` is not 0.
pub(super) fn reduced(numerator: u32, denominator: u32) -> Kind {
    let (mut a, mut b) = (numerator, denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let divisor = a.max(1);
    Kind::Fraction { numerator: numerator / divisor, denominator: denominator / divisor }
}

/// The first year of the Republic of China is 1912.
const ROC_ERA: u32 = 1911;

/// The digit before 十 in a character that stands for both.
fn tens(c: char) -> Option<char> {
    match c {
        '廿' => Some('二'),
        '卅' => Some('三'),
        '卌' => Some('四'),
        _ => None,
    }
}

fn digit(c: char) -> Option<u64> {
    Some(match c {
        '零' => 0,
        '一' | '壹' => 1,
        '二' | '两' | '贰' => 2,
        '三' | '叁' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' => 6,
        '七' | '柒' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

fn power(c: char) -> Option<i16> {
    Some(match c {
        '十' | '拾' => 1,
        '百' | '佰' => 2,
        '千' | '仟' => 3,
        '万' => 4,
        '亿' => 8,
        '兆' => 12,
        _ => return None,
    })
}

/// The value of numerals with units. Sections below 万 and below 亿 are added up in falling order; what breaks that
/// order, or lacks a digit before its unit, is no number.
fn composed(numerals: &[char]) -> Option<Decimal> {
    let (mut total, mut section, mut last) = (0u64, 0u64, None::<u64>);
    let mut least_unit = u64::MAX;
    let mut after_zero = false;
    for (i, &c) in numerals.iter().enumerate() {
        if let Some(d) = digit(c) {
            if last.is_some() {
                return None;
            }
            if d == 0 {
                after_zero = true;
                continue;
            }
            last = Some(d);
            continue;
        }
        let unit = 10u64.checked_pow(power(c)? as u32)?;
        if unit < 10_000 {
            // 十二 needs no 一 in front, 百 and 千 do.
            let count = match last.take() {
                Some(d) => d,
                None if unit == 10 && (i == 0 || after_zero) => 1,
                None => return None,
            };
            if unit >= least_unit {
                return None;
            }
            least_unit = unit;
            section += count * unit;
        } else {
            let below = section + last.take().unwrap_or(0);
            if below == 0 && (total == 0 || total >= unit) {
                return None;
            }
            // 三萬億 multiplies all that stands before, 一兆二千億 only what is smaller than the unit.
            total = match total < unit {
                true => (total + below).checked_mul(unit)?,
                false => total.checked_add(below.checked_mul(unit)?)?,
            };
            section = 0;
            least_unit = u64::MAX;
        }
        after_zero = false;
    }
    // 三千八 is 3,800: a last digit takes the next lower unit, unless a 零 says otherwise.
    let rest = match last {
        Some(d) if !after_zero && numerals.len() >= 3 => {
            let unit = numerals.iter().rev().find_map(|&c| power(c))?;
            if unit > 1 { d * 10u64.pow(unit as u32 - 1) } else { d }
        }
        Some(d) => d,
        None => 0,
    };
    Some(Decimal::from(total.checked_add(section)?.checked_add(rest)?))
}
