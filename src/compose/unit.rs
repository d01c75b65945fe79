//! A figure and the text behind it in, what it is measured in out: 公尺 and "metres" are one unit. For translations,
//! which a small model likes to finish with a unit that it knows better.

use crate::text::figures::{Figure, figures};

/// One unit a line, as English and Chinese write it; English without the `s` of the plural, so that inches are "inche".
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
    &["kilogram", "kg", "公斤", "千克"],
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
    &["month", "月"],
    &["year", "年", "歲", "岁"],
];

/// Whether a translation has the figures of its original, each in the unit that it has there.
pub(super) fn same_figures(original: &str, translated: &str) -> bool {
    let (own, theirs) = (figures(original), figures(translated));
    let is_own = |figure: &Figure| {
        let unit = unit(translated, figure);
        own.iter().any(|own| figure.agrees(own) && (unit.is_none() || unit == self::unit(original, own)))
    };
    own.len() == theirs.len() && theirs.iter().all(is_own)
}

/// Which unit a figure is followed by: its place among [`UNITS`], by the longest name that fits.
fn unit(text: &str, figure: &Figure) -> Option<usize> {
    let behind = text[figure.end..].trim_start_matches([' ', '-', '多', '餘', '余', '個', '个']).to_lowercase();
    let fits = |name: &&&str| match behind.strip_prefix(**name) {
        Some(rest) if name.is_ascii() => {
            let rest = rest.strip_prefix('s').unwrap_or(rest);
            !rest.starts_with(char::is_alphanumeric)
        }
        rest => rest.is_some(),
    };
    let longest = |names: &[&str]| names.iter().filter(fits).map(|name| name.len()).max();
    let lengths = UNITS.iter().enumerate().map(|(idx, names)| (longest(names), idx));
    lengths.filter(|(length, _)| length.is_some()).max().map(|(_, idx)| idx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_translation_keeps_figures_and_their_units() {
        for (original, translated) in [
            ("寬四十公尺", "Forty metres"),
            ("寬四十公尺", "40 meters wide"),
            ("面積三百多平方公里", "300 square kilometres"),
            ("八十个池塘", "eighty ponds"),
            ("300 km long and 40 km wide", "長300公里，寬40公里"),
            ("5 feet 11 inches", "5英尺11英寸"),
            ("花了4.2万元，用了3个月", "42,000 yuan and 3 months"),
            ("3个小时", "3 hours"),
            ("4個星期", "4 weeks"),
            ("in 1991", "1991年"),
            ("1991年5月3日", "May 3, 1991"),
            ("40歲", "40 years old"),
            ("three days later", "三天后"),
        ] {
            assert!(same_figures(original, translated), "{original} / {translated}");
        }
        for (original, translated) in [
            ("寬四十公尺", "Forty feet"),
            ("面積三百平方公里", "300 kilometres"),
            ("四十", "forty miles"),
            ("12 miles", "12公里"),
            ("3 weeks", "3個月"),
            ("四十公尺", "fourteen metres"),
        ] {
            assert!(!same_figures(original, translated), "{original} / {translated}");
        }
    }
}
