//! The words and signs that stand beside a number, and what each makes of it. A table, in lower case where letters may be
//! either, in Simplified characters.

use super::{Currency, Unit};

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

/// The measure of days, which dates are told by too.
pub(super) const DAYS: &str = "day";

/// Units that can be turned into one another by powers of ten are of one measure, any other is one by itself. The names
/// are those of both languages and both scripts; English without the `s` of the plural.
const MEASURES: &[(&str, i16, &[&str])] = &[
    ("length", 3, &["kilometre", "kilometer", "km", "公里", "千米"]),
    ("length", 0, &["metre", "meter", "m", "公尺", "米"]),
    ("length", -2, &["centimetre", "centimeter", "cm", "公分", "厘米", "釐米"]),
    ("length", -3, &["millimetre", "millimeter", "mm", "毫米", "公釐"]),
    ("mile", 0, &["mile", "英里", "哩"]),
    ("foot", 0, &["foot", "feet", "ft", "英尺", "英呎", "呎"]),
    ("inch", 0, &["inch", "inche", "英寸", "英吋", "吋"]),
    ("area", 6, &["square kilometre", "square kilometer", "km²", "平方公里", "平方千米"]),
    ("area", 4, &["hectare", "ha", "公頃", "公顷"]),
    ("area", 0, &["square metre", "square meter", "m²", "平方公尺", "平方米"]),
    ("square mile", 0, &["square mile", "平方英里", "平方哩"]),
    ("acre", 0, &["acre", "英畝", "英亩"]),
    ("volume", 0, &["cubic metre", "cubic meter", "m³", "立方公尺", "立方米"]),
    ("volume", -3, &["litre", "liter", "公升", "升"]),
    ("mass", 3, &["tonne", "ton", "噸", "吨", "公噸", "公吨"]),
    ("mass", 0, &["kilogram", "kg", "公斤", "千克"]),
    ("mass", -3, &["gram", "克"]),
    ("second", 0, &["second", "秒"]),
    ("minute", 0, &["minute", "分鐘", "分钟"]),
    ("hour", 0, &["hour", "小時", "小时", "鐘頭"]),
    (DAYS, 0, &["day", "天", "日"]),
    ("week", 0, &["week", "週", "周", "星期"]),
    ("month", 0, &["month", "個月", "个月"]),
    ("year", 0, &["year", "年", "歲", "岁"]),
];

/// The unit that the text behind a number begins with: the longest name that fits.
pub(super) fn unit_at(behind: &str) -> Option<Unit> {
    let behind = behind.trim_start_matches([' ', '\u{a0}', '-', '多', '餘', '余']);
    let fits = |name: &&&str| {
        let Some(start) = behind.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)) else {
            return false;
        };
        let rest = &behind[start.len()..];
        let rest = rest.strip_prefix('s').filter(|_| name.len() > 2).unwrap_or(rest);
        !name.ends_with(|c: char| c.is_ascii_alphabetic())
            || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '²' || c == '³')
    };
    let longest = |names: &[&str]| names.iter().filter(fits).map(|name| name.len()).max();
    let found = MEASURES.iter().filter_map(|(measures, power, names)| Some((longest(names)?, measures, *power)));
    found.max_by_key(|(length, ..)| *length).map(|(_, measures, power)| Unit { measures, power })
}
