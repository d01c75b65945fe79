//! The pairs that must agree, the pairs that must not, and the numbers that are no figures.

use super::*;

fn only(text: &str) -> Figure {
    let found = figures(text);
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found[0]
}

#[test]
fn equal_figures_agree() {
    for (a, b) in [
        ("3800億", "380 billion"),
        ("3800億", "3,800亿"),
        ("３８００億", "三千八百億"),
        ("380 billion", "380bn"),
        ("3,800亿元", "380 billion yuan"),
        ("3800億元人民幣", "RMB380 billion"),
        ("人民币3800亿元", "380 billion yuan"),
        ("3.8千億", "3800亿"),
        ("1.2万亿", "1.2 trillion"),
        ("3亿5000万", "350 million"),
        ("三億五千萬", "350,000,000"),
        ("12", "twelve"),
        ("十二個", "12"),
        ("兩家", "two"),
        ("a dozen", "12"),
        ("two dozen", "24"),
        ("twenty-five", "25"),
        ("two hundred and six", "206"),
        ("two hundred thousand", "200,000"),
        ("a million", "1,000,000"),
        ("half a million", "500K"),
        ("1,234.50", "1234.5"),
        ("100,000", "10万"),
        ("100,000", "十萬"),
        ("12,500人", "1.25萬"),
        ("7%", "7 percent"),
        ("7%", "7 per cent"),
        ("7％", "百分之七"),
        ("百分之7", "7%"),
        ("二成", "20%"),
        ("兩成", "20 percent"),
        ("3.5%", "百分之三點五"),
        ("0.25 percentage points", "25个基点"),
        ("1.5个百分点", "1.5 percentage points"),
        ("$53 billion", "530億美元"),
        ("US$53 billion", "53 billion dollars"),
        ("$5m", "500万美元"),
        ("HK$2.5 billion", "25億港元"),
        ("€3 million", "300万欧元"),
        ("¥100", "100元"),
        ("100元", "¥100"),
        ("2025-09-30", "September 30, 2025"),
        ("2025-09-30", "30 September 2025"),
        ("2025年9月30日", "2025/9/30"),
        ("2025.09.30", "Sept. 30, 2025"),
        ("二〇二五年九月三十日", "2025-09-30"),
        ("9月30日", "Sept. 30"),
        ("9月30日", "30th of September"),
        ("2025年", "2025"),
        ("二零二五年", "2025"),
        ("2025年9月", "September 2025"),
        ("9月", "in September"),
        ("1990s", "90年代"),
        ("Q3", "第三季度"),
        ("third quarter", "第3季"),
        ("3rd", "第三"),
        ("07:03", "7:03 a.m."),
        ("7 p.m.", "晚上7點"),
        ("下午3時30分", "15:30"),
        ("two-thirds", "三分之二"),
        ("one third of", "三分之一"),
        ("5 km", "5km"),
        ("20-year-old", "20歲"),
        ("6,300萬", "63 million"),
        ("一百零五", "105"),
        ("一万零三百", "10300"),
        ("三千八", "3800"),
        ("４０", "四十"),
        ("廿五日", "25日"),
        ("卅年", "三十年"),
        ("卅二億五千萬元", "32.5億元"),
        ("六百廿萬噸", "6.2 million tonnes"),
        ("一兆二千億元", "1.2 trillion yuan"),
        ("民國114年5月20日", "2025-05-20"),
        ("民國一百一十四年五月二十日", "2025年5月20日"),
        ("一一四年三月五日", "2025-03-05"),
        ("一一三年", "2024年"),
        ("二○二五年", "2025"),
        ("三成五", "35%"),
        ("一百九十餘萬", "1.9 million"),
        ("190多万", "1.9 million"),
        ("half of the bill", "一半"),
        ("a third of the bill", "三分之一"),
        ("1/3 of the bill", "one third of"),
        ("5 km", "5000 metres"),
        ("3 hectares", "三萬平方公尺"),
        ("十分鐘", "10 minutes"),
        ("10⁶", "a million"),
        ("1,140²", "1140"),
        ("Three Chinese companies", "3"),
        ("1.5B", "15億"),
        ("下午三点", "3 p.m."),
        ("三點鐘", "3:00"),
        ("14时", "14:00"),
    ] {
        let (first, second) = (only(a), only(b));
        assert!(first.agrees(&second), "{a} / {b}: {first:?} {second:?}");
        assert!(second.agrees(&first), "{b} / {a}: {second:?} {first:?}");
    }
}

#[test]
fn different_figures_disagree() {
    for (a, b) in [
        ("3800億", "380億"),
        ("3800億", "3.8 billion"),
        ("380 billion", "38 billion"),
        ("380 billion", "380 million"),
        ("7%", "7"),
        ("7%", "8%"),
        ("兩成", "2%"),
        ("三成", "20%"),
        ("$53 billion", "53億美元"),
        ("$53", "€53"),
        ("530億美元", "530億元"),
        ("530億港元", "530億美元"),
        ("2025-09-30", "2025-09-03"),
        ("2025-09-30", "2024-09-30"),
        ("9月30日", "10月30日"),
        ("2025年", "2024"),
        ("Sept. 30", "Sept. 29"),
        ("1990s", "80年代"),
        ("Q3", "Q4"),
        ("第三季度", "second quarter"),
        ("07:03", "7:03 p.m."),
        ("two-thirds", "三分之一"),
        ("12", "twenty"),
        ("十二個", "二十"),
        ("1.2万", "1.2万亿"),
        ("3.5", "35"),
        ("1,000", "1.000"),
        ("$100", "100元"),
        ("$53 billion", "530億元"),
        ("$100", "¥100"),
        ("€100", "100元"),
        ("5 km", "5 kg"),
        ("5 km", "5 m"),
        ("300 miles", "300公里"),
        ("三點建議", "3:00"),
        ("3天", "3公里"),
        ("half of the bill", "a third of the bill"),
        ("民國114年", "114年"),
        ("廿五", "二十"),
    ] {
        let (first, second) = (only(a), only(b));
        // 1.000 and 1,000 differ by a factor of a thousand.
        assert!(!first.agrees(&second), "{a} / {b}: {first:?} {second:?}");
        assert!(!second.agrees(&first), "{b} / {a}: {second:?} {first:?}");
    }
}

#[test]
fn a_claim_states_no_more_of_an_amount_than_its_evidence() {
    assert!(only("100").agrees(&only("$100")));
    assert!(!only("$100").agrees(&only("100")));
    assert!(only("300").agrees(&only("300 km")));
    assert!(only("三日").agrees(&only("3天")) && only("3 days").agrees(&only("三日")));
    assert!(only("2025").agrees(&only("03/04/2025")));
    assert!(!only("4 March 2025").agrees(&only("03/04/2025")));
}

#[test]
fn the_numeral_i_is_not_the_pronoun() {
    let check = |text: &str, expected: &[bool]| {
        let is = |(at, _): (usize, &str)| is_numeral_i(text, at);
        let alone = text.match_indices('I').filter(|(at, _)| text[..*at].chars().next_back().is_none_or(|c| c == ' '));
        assert_eq!(alone.map(is).collect::<Vec<_>>(), expected, "{text}");
    };
    check("After World War I the mill closed, and I left.", &[true, false]);
    check("The Phase I trial began. But I stayed.", &[true, false]);
    check("Elizabeth I never saw it, I think.", &[true, false]);
    check("I'm here", &[false]);
}

#[test]
fn a_claim_states_no_more_of_a_date_than_its_evidence() {
    assert!(only("Sept. 30").agrees(&only("2025-09-30")));
    assert!(only("2025").agrees(&only("2025-09-30")));
    assert!(!only("2025-09-30").agrees(&only("Sept. 30")));
    assert!(!only("30 September 2025").agrees(&only("2025")));
}

#[test]
fn the_parts_of_a_date_may_come_from_two_places() {
    let evidence = [figures("Tilbrook, 2 May 2025"), figures("It opens on September 30.")].concat();
    assert!(only("30 September 2025").is_stated(&evidence));
    assert!(!only("30 September 2024").is_stated(&evidence));
    assert!(!only("29 September 2025").is_stated(&evidence));
}

#[test]
fn numbers_inside_names_and_idioms_are_no_figures() {
    for text in [
        "GPT-4o",
        "Qwen2.5",
        "COVID-19",
        "F-16",
        "iPhone15",
        "5G",
        "3D",
        "B2B",
        "09988.HK",
        "version 2.0.1",
        "A380",
        "Room B-12",
        "ABC-1234-X",
        "one of them",
        "一個",
        "一些",
        "十分",
        "千萬不要",
        "萬一",
        "三星",
        "四川",
        "統一",
        "百度",
        "七八",
        "幾十",
        "數百",
        "兩岸",
        "Three Gorges",
        "May the best win",
        "March on",
        "dozens",
        "hundreds of",
        "五四",
        "成功",
        "1234567890123456789012345678",
        "a 4K television",
        "2B pencils",
        "the 3M company",
        "seat 12B",
        "十分鍾情",
        "十分钟爱",
    ] {
        assert_eq!(figures(text), [], "{text}");
    }
}

#[test]
fn figures_are_found_where_they_stand() {
    let check = |text: &str, expected: &[&str]| {
        let found: Vec<&str> = figures(text).iter().map(|figure| &text[figure.range()]).collect();
        assert_eq!(found, expected, "{text}");
    };
    check("公司承諾三年內投入超過3800億元人民幣(約合530億美元)。", &["三", "3800億元人民幣", "530億美元"]);
    check(
        "In 2024, sales rose 7% to $3.5 billion; 40 people in two towns saw GPT-4o.",
        &["2024", "7%", "$3.5 billion", "40", "two"],
    );
    check(
        "It won 3-2 on Sept. 30, at 7:30 p.m., before 12,345 people.",
        &["3", "2", "Sept. 30", "7:30 p.m.", "12,345"],
    );
    check("2024年第一季度的銷售額僅同比增長7%。", &["2024年", "第一季度", "7%"]);
    check("Between 3 and 5 million; 30%-40%; $3-5 billion.", &["3", "5 million", "30%", "40%", "$3", "5 billion"]);
    check("时间是06月12日 07:12。", &["06月12日", "07:12"]);
    check("12月三十一日晚上八點半", &["12月三十一日", "八點半"]);
    check("A mid-2024 plan of 1990s style for the 21st century", &["2024", "1990s", "21st"]);
    check("", &[]);
}

#[test]
fn ranges_share_their_unit() {
    let found = figures("$3-5 billion");
    assert!(
        found[0].agrees(&only("$3 billion"))
            && found[1].agrees(&only("$5 billion"))
            && only("5 billion").agrees(&found[1])
    );
    let found = figures("3至5億");
    assert!(found[0].agrees(&only("300 million")));
}

#[test]
fn values_print_in_plain_digits() {
    for (text, expected) in [("3800億", "380000000000"), ("0.035", "0.035"), ("7%", "7"), ("1.50", "1.5"), ("0", "0")]
    {
        assert_eq!(only(text).value.to_string(), expected);
    }
}

#[test]
fn hostile_numbers_cost_little() {
    for text in [
        "1".repeat(1 << 20),
        "1,".repeat(1 << 19),
        "1-".repeat(1 << 19),
        "a-".repeat(1 << 19) + "1",
        "一".repeat(1 << 18),
        "$".repeat(1 << 20) + "1",
        "1.1.".repeat(1 << 18),
    ] {
        let start = std::time::Instant::now();
        figures(&text);
        assert!(start.elapsed().as_secs() < 5, "{}…", &text[..6]);
    }
}
