//! Exact decimal magnitudes: digits and a power of ten, in lowest terms, so that equality is equality.

use std::fmt;

/// `digits · 10^scale`, without trailing zeros in `digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: u128,
    scale: i16,
}

/// More digits than any figure has; a longer row is an identifier.
const MOST_DIGITS: usize = 24;

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { digits: 0, scale: 0 };

    /// Reads ASCII digits with at most one point among them; none when there are too many or other characters.
    pub(super) fn parse(literal: &str) -> Option<Decimal> {
        let (whole, fraction) = literal.split_once('.').unwrap_or((literal, ""));
        if whole.len() + fraction.len() > MOST_DIGITS {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Decimal { digits, scale: -(fraction.len() as i16) }.reduced())
    }

    /// `self · 10^power`.
    pub(super) fn shifted(self, power: i16) -> Decimal {
        Decimal { scale: self.scale + power, ..self }.reduced()
    }

    /// The sum; none when the magnitudes are too far apart to add.
    pub(super) fn plus(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.min(other.scale);
        let at_scale = |d: Decimal| 10u128.checked_pow((d.scale - scale) as u32)?.checked_mul(d.digits);
        Some(Decimal { digits: at_scale(self)?.checked_add(at_scale(other)?)?, scale }.reduced())
    }

    /// The value as a whole number below 100,000, when it is one.
    pub(super) fn small(self) -> Option<u32> {
        let power = u32::try_from(self.scale).ok()?;
        let value = 10u128.checked_pow(power)?.checked_mul(self.digits)?;
        u32::try_from(value).ok().filter(|&value| value < 100_000)
    }

    fn reduced(mut self) -> Decimal {
        if self.digits == 0 {
            return Decimal::ZERO;
        }
        while self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.scale += 1;
        }
        self
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Decimal {
        Decimal { digits: value.into(), scale: 0 }.reduced()
    }
}

impl fmt::Display for Decimal {
    /// Plain digits: `380000000000`, `0.035`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.to_string();
        if self.scale >= 0 {
            return write!(f, "{digits}{}", "0".repeat(self.scale as usize));
        }
        let places = usize::from(self.scale.unsigned_abs());
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        write!(f, "{whole}.{fraction}")
    }
}
