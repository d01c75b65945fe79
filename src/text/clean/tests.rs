//! What is kept and what is set aside, on small pages and on the sample articles.

use std::time::Instant;

use super::*;
use crate::text::{Article, Lang, RawArticle, Refusal, segment};

fn plain(text: &str) -> Prose {
    let prose = clean(text, Format::Plain, Hints::default());
    for run in &prose.set_aside {
        assert!(text.get(run.start..run.end).is_some(), "ranges are ranges of the source");
    }
    prose
}

fn reason_of(prose: &Prose, words: &str) -> Option<Reason> {
    prose.set_aside.iter().find(|run| run.text.contains(words)).map(|run| run.reason)
}

/// Two paragraphs that any line may stand above, between or below.
const FIRST: &str =
    "The ferry of Tilbrook returned to service on Monday after a repair that had lasted eleven weeks and two days.";
const SECOND: &str =
    "Its captain, Ewa Lind, said that the new boiler had cost 84,000 crowns and would serve for at least thirty years.";

#[test]
fn furniture_between_paragraphs_is_set_aside() {
    use Reason::*;
    for (line, reason) in [
        ("Advertisement", Advert),
        ("- ADVERTISEMENT -", Advert),
        ("Sign up for our newsletter to get more like this in your inbox.", Advert),
        ("Share this article", Share),
        ("分享到:微信 微博", Share),
        ("1.2k shares", Share),
        ("../../tpl/wap/detail_7.html", TemplatePath),
        ("index_v5.htm", TemplatePath),
        ("https://example.org/a/b?c=1", TemplatePath),
        ("Skip to main content", Navigation),
        ("Home > News > Harbour", Navigation),
        ("首页 | 新闻 | 财经 | 登录", Navigation),
        ("© 2024 The Courier. All rights reserved.", Navigation),
        ("In This Article", Navigation),
        ("Tags: ferry, boiler, Tilbrook", Tags),
        ("#ferry #boiler", Tags),
        ("關鍵詞：渡輪 鍋爐", Tags),
        ("Contact: desk@courier.example", Contact),
        ("聯繫郵箱 news@courier.example", Contact),
        ("电话:010-5555 1234", Contact),
        ("Read more: Harbour dues rise again", Related),
        ("延伸閱讀:港口費用再度上漲", Related),
        ("Disclaimer: the above is for informational purposes only.", Disclaimer),
        ("市场有风险,投资需谨慎。本文不构成投资建议,据此操作,责任自负。", Disclaimer),
        ("* * *", Media),
    ] {
        let prose = plain(&format!("{FIRST}\n\n{line}\n\n{SECOND}"));
        assert_eq!(prose.text, format!("{FIRST}\n\n{SECOND}"), "{line}");
        assert_eq!(prose.set_aside.len(), 1, "{line}");
        assert_eq!(prose.set_aside[0].reason, reason, "{line}");
    }
}

#[test]
fn sentences_that_mention_furniture_are_kept() {
    for line in [
        "Share prices fell by 3 percent after the announcement, and the advertisement was withdrawn.",
        "She asked readers to write to desk@courier.example with their memories of the old ferry.",
        "The bank said its report did not constitute investment advice.",
        "“Follow us,” the captain said.",
        "Related industries employ 400 people.",
        "By Monday the water had fallen.",
        "他说:“欢迎大家来坐船。”",
        "公司表示,该项目存在风险,仅供参考的数据将在下月公布。",
        "The home page, the menu and the search field were redesigned.",
        "On 30 September 2025 the harbour will close.",
        "Background to the dispute",
        "What happens next?",
        "第三次尝试",
    ] {
        let prose = plain(&format!("{FIRST}\n\n{line}\n\n{SECOND}"));
        assert_eq!(prose.text, format!("{FIRST}\n\n{line}\n\n{SECOND}"), "{:?}", prose.set_aside);
    }
}

#[test]
fn titles_bylines_and_dates_become_fields() {
    for (head, title, byline, date) in [
        ("Ferry returns\nBy Ewa Lind\n3 May 2025", "Ferry returns", Some("Ewa Lind"), Some("3 May 2025")),
        ("渡輪復航\n記者 林小舟\n2025-05-03 07:12", "渡輪復航", Some("林小舟"), Some("2025-05-03 07:12")),
        ("海风网 05月03日 07:12\n渡轮复航", "渡轮复航", None, Some("05月03日 07:12")),
        ("Ferry returns!\nPublished: May 3, 2025", "Ferry returns!", None, Some("May 3, 2025")),
        ("渡輪復航\n作者｜林小舟\n來源：海風網", "渡輪復航", Some("林小舟"), None),
    ] {
        let prose = plain(&format!("{head}\n\n{FIRST}\n\n{SECOND}"));
        assert_eq!(prose.text, format!("{FIRST}\n\n{SECOND}"), "{head}");
        assert_eq!(
            (prose.title.as_deref(), prose.byline.as_deref(), prose.date.as_deref()),
            (Some(title), byline, date)
        );
        assert!(prose.set_aside.iter().all(|run| run.reason == Reason::Metadata));
    }
}

#[test]
fn hints_win_over_what_the_text_says() {
    let hints = Hints { title: Some("Ferry  returns"), date: Some("2025-05-03") };
    let prose = clean(&format!("Ferry returns\n\n{FIRST}"), Format::Plain, hints);
    assert_eq!(
        (prose.title.as_deref(), prose.date.as_deref(), prose.text.as_str()),
        (Some("Ferry returns"), Some("2025-05-03"), FIRST)
    );
}

#[test]
fn a_disclaimers_heading_over_something_else_stays() {
    let prose = plain(&format!("{FIRST}\n\nDisclosures\n\n{SECOND}"));
    assert_eq!(prose.blocks[1].kind, BlockKind::Heading);
    assert_eq!(prose.set_aside, []);
}

#[test]
fn related_lists_end_where_the_article_goes_on() {
    let glued = plain(&format!("{FIRST}\n\nRelated articles\nOne old boat\nTwo new boats\n\nA heading\n\n{SECOND}"));
    assert_eq!(glued.text, format!("{FIRST}\n\nA heading\n\n{SECOND}"));
    let spaced =
        plain(&format!("{FIRST}\n\nRelated articles\n\nOne old boat\n\nTwo new boats\n\nA heading\n\n{SECOND}"));
    assert_eq!(spaced.text, format!("{FIRST}\n\nA heading\n\n{SECOND}"));
}

#[test]
fn the_sources_citation_marks_leave_the_text() {
    for (text, expected) in [
        ("It rained [1]. It stopped[2][3, 5] early.", "It rained. It stopped early."),
        ("Zero [12-14] and more [3] follow", "Zero and more follow"),
        ("In [2019] a[i] [x] [] [1234] stay", "In [2019] a[i] [x] [] [1234] stay"),
        ("下雨了[3]。", "下雨了。"),
    ] {
        let prose = plain(&format!("{FIRST} {text} {SECOND}"));
        assert_eq!(prose.text, format!("{FIRST} {expected} {SECOND}"));
    }
    let prose = plain("It stopped[2][3, 5] early.");
    assert_eq!(prose.set_aside[0].text, "[2][3, 5]");
    assert_eq!(prose.set_aside[0].start..prose.set_aside[0].end, 10..19);
}

#[test]
fn repeated_paragraphs_are_kept_once() {
    let third = "A crowd of about two hundred people watched from the quay while a brass band played the same march eleven times.";
    let doubled = plain(&format!("{FIRST}\n\n{SECOND}\n\n{third}\n\n{FIRST}"));
    assert_eq!(doubled.text, format!("{FIRST}\n\n{SECOND}\n\n{third}"));
    // A lede in fewer words than the body's: the fuller one stays.
    let lede =
        "The ferry of Tilbrook returned to service on Monday after a repair that lasted eleven weeks and two days.";
    let prose = plain(&format!("{lede}\n\n{FIRST}\n\n{SECOND}\n\n{third}"));
    assert_eq!(prose.text, format!("{FIRST}\n\n{SECOND}\n\n{third}"));
    assert_eq!(reason_of(&prose, "that lasted"), Some(Reason::Repeated));
    // A figure of its own saves it.
    let lede = lede.replace("eleven weeks", "12 weeks");
    let prose = plain(&format!("{lede}\n\n{FIRST}\n\n{SECOND}\n\n{third}"));
    assert_eq!(prose.set_aside, []);
}

#[test]
fn pages_that_are_all_abstract_are_second_hand_articles() {
    let outline = "Core Viewpoint - The ferry is back, and the town is glad of it [1]. Group 1: Costs - The boiler cost 84,000 crowns [2]. - The council paid half of that sum [3].";
    let prose = plain(&format!("渡轮复航\n\n{outline}"));
    assert!(prose.second_hand);
    assert_eq!(
        prose.text,
        "The ferry is back, and the town is glad of it.\n\nCosts\n\nThe boiler cost 84,000 crowns.\n\nThe council paid half of that sum."
    );
    let kinds: Vec<_> = prose.blocks.iter().map(|block| block.kind).collect();
    use BlockKind::*;
    assert_eq!(kinds, [Paragraph, Heading, ListItem, ListItem]);

    let labelled = plain(&format!("AI Summary\n\n{FIRST}"));
    assert!(labelled.second_hand);
    assert_eq!(labelled.text, FIRST);
    assert_eq!(reason_of(&labelled, "AI Summary"), Some(Reason::SecondHand));
}

#[test]
fn abstracts_in_lines_of_their_own_are_recognized() {
    let text = format!(
        "Core Viewpoint - The ferry is back.\n\nGroup 1: Costs\n- The boiler cost 84,000 crowns.\n- The council paid half.\n\n{FIRST}\n\n{SECOND}"
    );
    let prose = plain(&text);
    assert_eq!(prose.text, format!("{FIRST}\n\n{SECOND}"));
    assert!(prose.set_aside.iter().all(|run| run.reason == Reason::SecondHand));
}

#[test]
fn nothing_that_could_drive_a_terminal_stays() {
    let prose = plain(&format!("{FIRST}\u{1b}[2J\u{202e} \u{e0041}\u{200b}{SECOND}\u{7}"));
    assert_eq!(prose.text, format!("{FIRST} {SECOND}"));
    let aside = plain(&format!("{FIRST}\n\nShare\u{1b}[31m\u{200b}\n\n{SECOND}"));
    assert_eq!(aside.set_aside[0].text, "Share");
}

#[test]
fn the_visible_text_of_small_pages_is_found() {
    let check =
        |html: &str, expected: &str| assert_eq!(clean(html, Format::Html, Hints::default()).text, expected, "{html}");
    check("<p>One &amp; two.<p>Three<br>four.", "One & two.\n\nThree four.");
    check("Bare text, no tags.", "Bare text, no tags.");
    check("<script>var x = '<p>no</p>';</script><p>Yes.</p><!-- no --><style>p{}</style>", "Yes.");
    check("<nav>Home</nav><p>Body <b>bold</b>er.</p><footer>Foot</footer>", "Body bolder.");
    check(
        "<div hidden>no</div><div style='display: none'>no</div><ul><li>Item one<li>Item two</ul>",
        "Item one\n\nItem two",
    );
    check("<svg><text>an unclosed drawing", "an unclosed drawing");
}

fn sample(bytes: &[u8], format: Format) -> Article {
    let raw = RawArticle::new("sample", bytes, format);
    Article::read(&raw).unwrap()
}

macro_rules! article {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/articles/", $name))
    };
}

#[test]
fn sample_articles_are_read_as_their_readers_would() {
    struct Expected {
        lang: Lang,
        encoding: &'static str,
        title: &'static str,
        byline: Option<&'static str>,
        date: &'static str,
        first: &'static str,
        last: &'static str,
    }
    let check = |bytes: &[u8], format: Format, expected: Expected| {
        let article = sample(bytes, format);
        assert_eq!((article.lang, article.encoding, article.replaced), (expected.lang, expected.encoding, 0));
        assert_eq!(article.title.as_deref(), Some(expected.title));
        assert_eq!((article.byline.as_deref(), article.date.as_deref()), (expected.byline, Some(expected.date)));
        assert!(article.sentence(0).starts_with(expected.first), "{}", article.sentence(0));
        let last = article.sentence(article.sentences.len() - 1);
        assert!(last.ends_with(expected.last), "{last}");
        assert!(!article.second_hand);
    };
    check(
        article!("01-harbour-school.txt"),
        Format::Plain,
        Expected {
            lang: Lang::En,
            encoding: "UTF-8",
            title: "Floating classroom returns to Marrow Sound after a winter of repairs",
            byline: Some("Ilse Tarrant"),
            date: "14 April 2025",
            first: "The school ship Patience sailed back",
            last: "lesson of the term.\"",
        },
    );
    check(
        article!("02-tidal-mill-clipping.txt"),
        Format::Plain,
        Expected {
            lang: Lang::En,
            encoding: "UTF-8",
            title: "Tidal mill at Corran Bridge to power 9,000 homes after 40-year wait",
            byline: Some("Rowan Pell, Energy Correspondent"),
            date: "3 September 2025 08:15",
            first: "A tidal mill first proposed in 1985",
            last: "in the second half of November.",
        },
    );
    check(
        article!("03-night-train.html"),
        Format::Html,
        Expected {
            lang: Lang::En,
            encoding: "UTF-8",
            title: "Night train to Orlavik resumes with bunks for 220",
            byline: Some("Joan Abelard"),
            date: "2025-01-22T06:30:00Z",
            first: "The night train between Stensund and Orlavik will run again from 2 March",
            last: "Nobody asks why a bed is not faster.”",
        },
    );
    check(
        article!("04-seed-library.md"),
        Format::Markdown,
        Expected {
            lang: Lang::En,
            encoding: "UTF-8",
            title: "The village that lends out seeds",
            byline: Some("Petra Wanjiru"),
            date: "2025-05-09",
            first: "In the back room of the post office in Low Kestrel",
            last: "\"That is what it is for.\"",
        },
    );
    check(
        article!("05-stone-bridge.txt"),
        Format::Plain,
        Expected {
            lang: Lang::ZhHans,
            encoding: "UTF-8",
            title: "青石镇修复百年石桥 三千居民捐款一百二十万元",
            byline: Some("林晓河"),
            date: "2025年9月30日",
            first: "历时十四个月的修复工程",
            last: "预计5月开馆。",
        },
    );
    check(
        article!("06-tea-station.html"),
        Format::Html,
        Expected {
            lang: Lang::ZhHans,
            encoding: "GBK",
            title: "云岭茶站停用四十年后恢复收茶",
            byline: None,
            date: "2025-04-18 09:20",
            first: "云岭村的老茶站本周恢复收茶。",
            last: "冬天本来就没有茶可收。",
        },
    );
    check(
        article!("07-lighthouse-clipping.txt"),
        Format::Plain,
        Expected {
            lang: Lang::ZhHant,
            encoding: "UTF-8",
            title: "守了一百三十年的燈塔熄燈三日,漁船自發排成光帶",
            byline: None,
            date: "10月02日 18:45",
            first: "鶴鳴島燈塔上週因更換海底電纜",
            last: "「我們聽到了十四聲。」",
        },
    );
    check(
        article!("08-glass-street.txt"),
        Format::Plain,
        Expected {
            lang: Lang::ZhHant,
            encoding: "Big5",
            title: "玻璃街最後一座窯爐熄火 老師傅帶走三百個模具",
            byline: Some("簡若水"),
            date: "2024年11月16日",
            first: "舊城玻璃街的最後一座窯爐",
            last: "有人開始鼓掌。",
        },
    );
    check(
        article!("09-canal-town.txt"),
        Format::Plain,
        Expected {
            lang: Lang::En,
            encoding: "UTF-8",
            title: "Twenty-four steps of water: how the canal town of Averne learned to live on a slope",
            byline: Some("Lucan Ferrow"),
            date: "21 June 2025",
            first: "Every morning at ten minutes to six",
            last: "the bell began to ring.",
        },
    );
    check(
        article!("10-letter-box.txt"),
        Format::Plain,
        Expected {
            lang: Lang::En,
            encoding: "UTF-8",
            title: "Museum of unsent messages installs a machine that reads its mail",
            byline: Some("Calla Drummond"),
            date: "7 August 2025",
            first: "The Museum of Unsent Messages in Pellow",
            last: "nobody reads what is in it.",
        },
    );
}

#[test]
fn the_samples_furniture_is_set_aside_for_the_right_reasons() {
    let check = |bytes: &[u8], format: Format, expected: &[(Reason, &str)]| {
        let article = sample(bytes, format);
        for (reason, words) in expected {
            let run = article.set_aside.iter().find(|run| run.text.contains(words));
            assert_eq!(run.map(|run| run.reason), Some(*reason), "{words}");
        }
    };
    use Reason::*;
    check(
        article!("02-tidal-mill-clipping.txt"),
        Format::Plain,
        &[
            (Metadata, "The Estuary Courier"),
            (Navigation, "Home > Business"),
            (Share, "Tweet"),
            (SecondHand, "turning point for small-scale"),
            (SecondHand, "eel migration and have demanded"),
            (CitationMark, "[7][8]"),
            (Repeated, "its operator said on Tuesday."),
            (Advert, "Advertisement"),
            (Related, "Ferry fares"),
            (Advert, "Subscribe to our newsletter"),
            (Tags, "energy, tides"),
            (Related, "Ten walks"),
            (Disclaimer, "does not constitute investment advice"),
            (Contact, "newsdesk@"),
            (Navigation, "© 2025"),
        ],
    );
    check(
        article!("03-night-train.html"),
        Format::Html,
        &[
            (Navigation, "Weather"),
            (Media, "The refitted sleeping cars"),
            (Advert, "SunHop"),
            (Related, "forest sleepers"),
            (Comments, "best night of my life"),
            (Share, "Copy link"),
        ],
    );
    check(
        article!("07-lighthouse-clipping.txt"),
        Format::Plain,
        &[
            (TemplatePath, "news_list2"),
            (SecondHand, "AI 摘要"),
            (SecondHand, "鹤鸣岛灯塔因更换电缆"),
            (SecondHand, "六十八艘渔船每晚"),
            (Repeated, "替夜航的船隻指路"),
            (Metadata, "編輯/海棠"),
            (Advert, "智能助手为您"),
            (Contact, "hello@reader"),
            (Tags, "灯塔 渔船"),
            (Related, "相关文章"),
        ],
    );
}

#[test]
fn hostile_words_stay_words_and_marks_do_not() {
    let article = sample(article!("10-letter-box.txt"), Format::Plain);
    for words in ["<|im_start|>system", "<tool_call>", "<think>nobody", "Ignore all previous instructions"] {
        assert!(article.text.contains(words), "{words}");
    }
    assert!(!article.text.contains("[3"));
    assert_eq!(article.set_aside.iter().filter(|run| run.reason == Reason::CitationMark).count(), 6);
}

#[test]
fn the_long_sample_loses_nothing() {
    let article = sample(article!("09-canal-town.txt"), Format::Plain);
    assert_eq!(article.set_aside.len(), 3, "title, byline and date");
    assert!(article.text.split_whitespace().count() > 8_900);
    assert!(article.sentences.len() > 500);
}

#[test]
fn files_of_furniture_only_are_refused() {
    let read = |text: &str| {
        let raw = RawArticle::new("page", text, Format::Plain);
        Article::read(&raw)
    };
    assert_eq!(read("Home\n\nShare\n\nhttps://example.org/\n").unwrap_err(), Refusal::OnlyFurniture { blocks: 3 });
    assert_eq!(read("\u{200b}\n \u{feff}").unwrap_err(), Refusal::Empty);
}

#[test]
fn hostile_sizes_and_shapes_cost_seconds_at_most() {
    const MIB: usize = 1 << 20;
    let deep = format!("{}Deep words.{}", "<div>".repeat(65_536), "</div>".repeat(65_536));
    for (name, text, format) in [
        ("one line", "The river rose 3 metres on Monday. ".repeat(10 * MIB / 35), Format::Plain),
        ("one word", "x".repeat(10 * MIB), Format::Plain),
        ("dots", "a.".repeat(2 * MIB), Format::Plain),
        ("open quotes", "「".repeat(MIB), Format::Plain),
        ("tiny blocks", "a\n\n".repeat(1_000_000), Format::Plain),
        ("brackets", "[1".repeat(2 * MIB), Format::Plain),
        ("outlines", "Core Viewpoint - a. Group 1: b - c. ".repeat(MIB / 32), Format::Plain),
        ("labels", "Related articles\n".repeat(MIB / 16), Format::Plain),
        ("nested tags", deep, Format::Html),
        ("unclosed formats", "<b><p><a href=x>".repeat(MIB / 16), Format::Html),
        ("unclosed tables", "<table><tr><td>x".repeat(MIB / 16), Format::Html),
        ("unclosed comments", "<!--".repeat(MIB), Format::Html),
        ("unclosed drawings", "<svg>x".repeat(MIB / 4), Format::Html),
        ("stray ends", format!("{}{}", "<div>".repeat(1000), "</x>".repeat(MIB / 2)), Format::Html),
        ("ampersands", "&".repeat(4 * MIB), Format::Html),
        ("Markdown marks", "*_[`<!".repeat(MIB / 4), Format::Markdown),
        ("quotations", "> ".repeat(MIB), Format::Markdown),
    ] {
        let start = Instant::now();
        let prose = clean(&text, format, Hints::default());
        let sentences = segment::segment(&prose);
        assert!(
            sentences.iter().all(|sentence| sentence.end - sentence.start <= segment::MAX_SENTENCE_BYTES),
            "{name}"
        );
        assert!(start.elapsed().as_secs() < 20, "{name} took {:?}", start.elapsed());
    }
}
