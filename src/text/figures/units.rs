//! The words and signs that stand beside a number, and what each makes of it. A table, in lower case where letters may be
//! either, in Simplified characters.

use super::Currency;

/// Chinese units and their powers of ten.
pub(super) const HAN_SCALES: &[(&str, i16)] = &[("十", 1), ("百", 2), ("千", 3), ("万", 4), ("亿", 8), ("兆", 12)];

/// English units and their powers of ten.
pub(super) const ENGLISH_SCALES: &[(&str, i16)] = &[
    ("hundred", 2),
    ("thousand", 3),
    ("million", 6),
    ("billion", 9),
    ("trillion", 12),
    ("bn", 9),
    ("mn", 6),
    ("tn", 12),
    ("mln", 6),
    ("lakh", 5),
    ("crore", 7),
];

/// Units that may touch a number; they are not part of its value.
pub(super) const UNITS: &[&str] = &[
    "km", "m", "cm", "mm", "nm", "kg", "g", "mg", "t", "ha", "km2", "m2", "km/h", "kmh", "mph", "kph", "kW", "MW",
    "GW", "TW", "kWh", "MWh", "GWh", "TWh", "kV", "V", "W", "Hz", "kHz", "MHz", "GHz", "KB", "MB", "GB", "TB", "PB",
    "C", "F", "ft", "in", "lb", "lbs", "oz", "hr", "hrs", "h", "min", "x", "p", "l", "L", "ml", "dpi", "bps", "Mbps",
    "Gbps", "mAh", "rpm",
];

/// Signs that touch the number.
pub(super) const SIGNS: &[(&str, Currency)] = &[
    ("$", Currency::Dollar),
    ("US$", Currency::Code("USD")),
    ("HK$", Currency::Code("HKD")),
    ("NT$", Currency::Code("TWD")),
    ("A$", Currency::Code("AUD")),
    ("C$", Currency::Code("CAD")),
    ("S$", Currency::Code("SGD")),
    ("NZ$", Currency::Code("NZD")),
    ("¥", Currency::YuanOrYen),
    ("€", Currency::Code("EUR")),
    ("£", Currency::Code("GBP")),
    ("₩", Currency::Code("KRW")),
    ("₹", Currency::Code("INR")),
];

/// Codes and names that may stand before a number, with a blank or without.
pub(super) const CODES: &[(&str, Currency)] = &[
    ("RMB", Currency::Code("CNY")),
    ("CNY", Currency::Code("CNY")),
    ("USD", Currency::Code("USD")),
    ("HKD", Currency::Code("HKD")),
    ("TWD", Currency::Code("TWD")),
    ("NTD", Currency::Code("TWD")),
    ("EUR", Currency::Code("EUR")),
    ("GBP", Currency::Code("GBP")),
    ("JPY", Currency::Code("JPY")),
    ("人民币", Currency::Code("CNY")),
    ("新台币", Currency::Code("TWD")),
    ("港币", Currency::Code("HKD")),
    ("美金", Currency::Code("USD")),
    ("美元", Currency::Code("USD")),
];

/// Words that stand behind a number.
pub(super) const CURRENCY_WORDS: &[(&str, Currency)] = &[
    ("元", Currency::Yuan),
    ("块钱", Currency::Yuan),
    ("美元", Currency::Code("USD")),
    ("美金", Currency::Code("USD")),
    ("港元", Currency::Code("HKD")),
    ("港币", Currency::Code("HKD")),
    ("日元", Currency::Code("JPY")),
    ("欧元", Currency::Code("EUR")),
    ("英镑", Currency::Code("GBP")),
    ("韩元", Currency::Code("KRW")),
    ("台币", Currency::Code("TWD")),
    ("新台币", Currency::Code("TWD")),
    ("卢比", Currency::Code("INR")),
    ("卢布", Currency::Code("RUB")),
    ("澳元", Currency::Code("AUD")),
    ("加元", Currency::Code("CAD")),
    ("人民币", Currency::Code("CNY")),
    ("yuan", Currency::Code("CNY")),
    ("rmb", Currency::Code("CNY")),
    ("renminbi", Currency::Code("CNY")),
    ("cny", Currency::Code("CNY")),
    ("usd", Currency::Code("USD")),
    ("hkd", Currency::Code("HKD")),
    ("dollars", Currency::Dollar),
    ("dollar", Currency::Dollar),
    ("us dollars", Currency::Code("USD")),
    ("u.s. dollars", Currency::Code("USD")),
    ("hong kong dollars", Currency::Code("HKD")),
    ("euros", Currency::Code("EUR")),
    ("euro", Currency::Code("EUR")),
    ("yen", Currency::Code("JPY")),
    ("rupees", Currency::Code("INR")),
    ("rubles", Currency::Code("RUB")),
];

/// Marks of percentages, with the power of ten that turns the number before them into percent.
pub(super) const PERCENTS: &[(&str, i16)] = &[
    ("%", 0),
    ("percent", 0),
    ("per cent", 0),
    ("pct", 0),
    ("percentage points", 0),
    ("percentage point", 0),
    ("个百分点", 0),
    ("百分点", 0),
    ("‰", -1),
    ("成", 1),
    ("basis points", -2),
    ("个基点", -2),
    ("基点", -2),
];
