//! Days as people type them and as articles state them in, days that can be compared out. Knows nothing of time zones.

use std::str::FromStr;

use crate::text::figures::{Kind, figures};

/// A day, a month or a year of our era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    year: u32,
    month: Option<u32>,
    day: Option<u32>,
}

/// Why a word is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDate {
    /// Another form.
    #[error("not a date such as 2024-05-17, 2024-05 or 2024")]
    Form,
    /// A day or a month that no calendar has.
    #[error("there is no such day")]
    NoSuchDay,
}

impl FromStr for Date {
    type Err = BadDate;

    /// `2024`, `2024-05` or `2024-05-17`.
    fn from_str(word: &str) -> Result<Date, BadDate> {
        let number = |part: &str, n_digits| match part.bytes().all(|b| b.is_ascii_digit()) {
            true if part.len() == n_digits => part.parse().map_err(|_| BadDate::Form),
            _ => Err(BadDate::Form),
        };
        let mut parts = word.split('-');
        let year = number(parts.next().unwrap_or_default(), 4)?;
        let month = parts.next().map(|part| number(part, 2)).transpose()?;
        let day = parts.next().map(|part| number(part, 2)).transpose()?;
        match parts.next() {
            Some(_) => Err(BadDate::Form),
            None => Date::of(year, month, day).ok_or(BadDate::NoSuchDay),
        }
    }
}

impl Date {
    /// The first date with a year in what an article says of its day: `2024-05-17T08:00Z`, `May 17, 2024`, 2024年5月17日.
    pub fn written(text: &str) -> Option<Date> {
        let date = |kind| match kind {
            Kind::Date { year, month, day } => {
                let month = month.map(u32::from);
                Date::of(year?.into(), month, month.and(day.map(u32::from)))
            }
            _ => None,
        };
        figures(text).into_iter().find_map(|figure| date(figure.kind))
    }

    /// Eight digits that are in the order of time, 0 standing for what is open; [`Date::from_digits`] reads them.
    pub fn digits(self) -> String {
        let number = self.number(self.month.unwrap_or(0), self.day.unwrap_or(0));
        format!("{number:08}")
    }

    pub(super) fn from_digits(digits: &str) -> Option<Date> {
        let number: u32 = digits.parse().ok()?;
        let part = |number: u32| Some(number % 100).filter(|part| *part > 0);
        Date::of(number / 10_000, part(number / 100), part(number))
    }

    /// Whether it may be this day or a later one.
    pub fn may_be_since(self, other: Date) -> bool {
        self.last() >= other.first()
    }

    fn of(year: u32, month: Option<u32>, day: Option<u32>) -> Option<Date> {
        let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let n_days = match month {
            Some(2) => 28 + u32::from(is_leap),
            Some(4 | 6 | 9 | 11) => 30,
            _ => 31,
        };
        let exists = (1..=9999).contains(&year)
            && month.is_none_or(|month| (1..=12).contains(&month))
            && day.is_none_or(|day| (1..=n_days).contains(&day));
        exists.then_some(Date { year, month, day })
    }

    fn first(self) -> u32 {
        self.number(self.month.unwrap_or(1), self.day.unwrap_or(1))
    }

    /// The last day that it may be, or a number between that and the next day's.
    fn last(self) -> u32 {
        self.number(self.month.unwrap_or(12), self.day.unwrap_or(31))
    }

    fn number(self, month: u32, day: u32) -> u32 {
        self.year * 10_000 + month * 100 + day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_dates_are_days_months_and_years_of_the_calendar() {
        for good in ["2024", "2024-05", "2024-05-17", "2024-02-29", "2000-02-29", "1999-12-31"] {
            let date: Date = good.parse().unwrap();
            assert_eq!(Date::from_digits(&date.digits()), Some(date), "{good}");
        }
        for bad in ["", "24", "2024-5", "2024-05-17-01", "2024/05/17", "last week", "+024", "２０２４"] {
            assert_eq!(bad.parse::<Date>(), Err(BadDate::Form), "{bad}");
        }
        for bad in ["2024-13", "2024-00", "2024-04-31", "2023-02-29", "1900-02-29", "2024-01-00", "0000"] {
            assert_eq!(bad.parse::<Date>(), Err(BadDate::NoSuchDay), "{bad}");
        }
    }

    #[test]
    fn dates_are_read_as_articles_write_them() {
        let check = |text: &str, digits: &str| {
            let found = Date::written(text).map(Date::digits);
            assert_eq!(found.as_deref().unwrap_or("none"), digits, "{text}");
        };
        check("2024-05-17", "20240517");
        check("2024-05-17T08:00:00+08:00", "20240517");
        check("2024-05-17 08:00", "20240517");
        check("2024/05/17", "20240517");
        check("Fri, 17 May 2024 08:00:00 GMT", "20240517");
        check("Published 9:04 AM EDT, May 17, 2024", "20240517");
        check("2024年5月17日", "20240517");
        check("May 2024", "20240500");
        check("2024", "20240000");
        check("May 17", "none");
        check("yesterday", "none");
    }

    #[test]
    fn an_open_date_may_be_any_of_its_days() {
        let check = |article: &str, other: &str, expected: bool| {
            let [article, other]: [Date; 2] = [article, other].map(|it| it.parse().unwrap());
            assert_eq!(article.may_be_since(other), expected, "{article:?} {other:?}");
        };
        check("2024-05-17", "2024-05-17", true);
        check("2024-05-16", "2024-05-17", false);
        check("2024-05", "2024-05-17", true);
        check("2024-04", "2024-05-17", false);
        check("2024-05-17", "2024-05", true);
        check("2024-05-17", "2024", true);
        check("2023", "2024", false);
    }
}
