//! What is kept of a page and what is set aside: the cases of `tests/data/clean`, lines in their places, the sample
//! articles, hostile sizes.

use std::path::Path;
use std::time::Instant;

use precis::text::clean::{Hints, clean};
use precis::text::{Article, BlockKind, Format, Prose, RawArticle, Reason, Refusal, segment};

fn plain(text: &str) -> Prose {
    let prose = clean(text, Format::Plain, Hints::default());
    for run in &prose.set_aside {
        assert!(text.get(run.start..run.end).is_some(), "ranges are ranges of the source");
    }
    prose
}

/// What was made of a page, as the cases write it: fields, blocks, and what was set aside.
fn written(prose: &Prose) -> String {
    let mut out = String::new();
    for (name, field) in [("title", &prose.title), ("byline", &prose.byline), ("date", &prose.date)] {
        if let Some(value) = field {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    out.push('\n');
    for block in &prose.blocks {
        let mark = match block.kind {
            BlockKind::Heading => "# ",
            BlockKind::Paragraph => "",
            BlockKind::ListItem => "- ",
        };
        out.push_str(&format!("{mark}{}\n", &prose.text[block.range.clone()]));
    }
    out.push('\n');
    for run in &prose.set_aside {
        out.push_str(&format!("{:?}: {}\n", run.reason, run.text));
    }
    out
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "txt" => Some(Format::Plain),
        "md" => Some(Format::Markdown),
        "html" => Some(Format::Html),
        _ => None,
    }
}

#[test]
fn each_case_is_cleaned_as_its_readers_would() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clean");
    let (mut wrong, mut n_cases) = (Vec::new(), 0);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let Some(format) = format_of(&path) else {
            continue;
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let found = written(&clean(&source, format, Hints::default()));
        let expected = std::fs::read_to_string(folder.join(format!("{name}.out"))).unwrap_or_default();
        if found != expected {
            wrong.push(format!("== {name}, found:\n{found}\n== expected:\n{expected}"));
        }
        n_cases += 1;
    }
    assert!(wrong.is_empty() && n_cases > 30, "{}", wrong.join("\n"));
}

/// Two paragraphs that any line may stand above, between or below.
const FIRST: &str =
    "The ferry of Tilbrook returned to service on Monday after a repair that had lasted eleven weeks and two days.";
const SECOND: &str =
    "Its captain, Ewa Lind, said that the new boiler had cost 84,000 crowns and would serve for at least thirty years.";

#[test]
fn furniture_is_set_aside_where_it_counts() {
    use Reason::*;
    for (line, reason, counts_inside) in [
        ("Advertisement", Advert, true),
        ("- ADVERTISEMENT -", Advert, true),
        ("Share this article", Share, true),
        ("分享到:微信 微博", Share, true),
        ("1.2k shares", Share, true),
        ("../../tpl/wap/detail_7.html", TemplatePath, true),
        ("index_v5.htm", TemplatePath, true),
        ("https://example.org/a/b?c=1", TemplatePath, true),
        ("Skip to main content", Navigation, true),
        ("In This Article", Navigation, true),
        ("Tags: ferry, boiler, Tilbrook", Tags, true),
        ("#ferry #boiler", Tags, true),
        ("關鍵詞：渡輪 鍋爐", Tags, true),
        ("Read more: Harbour dues rise again", Related, true),
        ("延伸閱讀:港口費用再度上漲", Related, true),
        ("* * *", Media, true),
        ("Home > News > Harbour", Navigation, false),
        ("首页 | 新闻 | 财经 | 登录", Navigation, false),
        ("© 2024 The Courier. All rights reserved.", Navigation, false),
        ("Contact: desk@courier.example", Contact, false),
        ("聯繫郵箱 news@courier.example", Contact, false),
        ("电话:010-5555 1234", Contact, false),
        ("Sign up for our newsletter to get more like this in your inbox.", Advert, false),
        ("Disclaimer: the above is for informational purposes only.", Disclaimer, false),
        ("市场有风险,投资需谨慎。本文不构成投资建议,据此操作,责任自负。", Disclaimer, false),
    ] {
        let below = plain(&format!("{FIRST}\n\n{SECOND}\n\n{line}"));
        assert_eq!(below.text, format!("{FIRST}\n\n{SECOND}"), "{line}");
        assert_eq!(below.set_aside[0].reason, reason, "{line}");
        let inside = plain(&format!("{FIRST}\n\n{line}\n\n{SECOND}"));
        assert_eq!(inside.set_aside.is_empty(), !counts_inside, "{line}");
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
        "Disclosures",
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
        let found = (prose.title.as_deref(), prose.byline.as_deref(), prose.date.as_deref());
        assert_eq!(found, (Some(title), byline, date));
        assert!(prose.set_aside.iter().all(|run| run.reason == Reason::Metadata));
    }
}

#[test]
fn hints_win_over_what_the_text_says() {
    let hints = Hints { title: Some("Ferry  returns"), date: Some("2025-05-03") };
    let prose = clean(&format!("Ferry returns\n\n{FIRST}"), Format::Plain, hints);
    let found = (prose.title.as_deref(), prose.date.as_deref(), prose.text.as_str());
    assert_eq!(found, (Some("Ferry returns"), Some("2025-05-03"), FIRST));
}

#[test]
fn nothing_that_could_drive_a_terminal_stays() {
    let prose = plain(&format!("{FIRST}\u{1b}[2J\u{202e} \u{e0041}\u{200b}{SECOND}\u{7}"));
    assert_eq!(prose.text, format!("{FIRST} {SECOND}"));
    let aside = plain(&format!("{FIRST}\n\nShare\u{1b}[31m\u{200b}\n\n{SECOND}"));
    assert_eq!(aside.set_aside[0].text, "Share");
}

fn sample(name: &str) -> Article {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/articles").join(name);
    let bytes = std::fs::read(&path).unwrap();
    Article::read(&RawArticle::new(name, bytes, format_of(&path).unwrap())).unwrap()
}

#[test]
fn sample_articles_are_read_as_their_readers_would() {
    let described = include_str!("data/samples.txt").split("\n\n").filter(|sample| !sample.starts_with('#'));
    let mut n_samples = 0;
    for sample_lines in described {
        let mut lines = sample_lines.lines();
        let name = lines.next().unwrap();
        let article = sample(name);
        let last = article.sentence(article.sentences.len() - 1);
        assert_eq!((article.replaced, article.second_hand), (0, false), "{name}");
        assert_eq!(article.byline.is_some(), sample_lines.contains("\nbyline: "), "{name}");
        for (field, value) in lines.map(|line| line.split_once(": ").unwrap()) {
            let is_right = match field {
                "lang" => format!("{:?}", article.lang) == value,
                "encoding" => article.encoding == value,
                "title" => article.title.as_deref() == Some(value),
                "byline" => article.byline.as_deref() == Some(value),
                "date" => article.date.as_deref() == Some(value),
                "first" => article.sentence(0).starts_with(value),
                "last" => last.ends_with(value),
                _ => {
                    let (reason, words) = value.split_once(' ').unwrap();
                    let run = article.set_aside.iter().find(|run| run.text.contains(words));
                    run.is_some_and(|run| format!("{:?}", run.reason) == reason)
                }
            };
            assert!(
                is_right,
                "{name}: {field}: {value}\n{:?} {:?} {:?}",
                article.title, article.byline, article.set_aside
            );
        }
        n_samples += 1;
    }
    assert_eq!(n_samples, 10);
}

#[test]
fn hostile_words_stay_words_and_marks_do_not() {
    let article = sample("10-letter-box.txt");
    for words in ["<|im_start|>system", "<tool_call>", "<think>nobody", "Ignore all previous instructions"] {
        assert!(article.text.contains(words), "{words}");
    }
    assert!(!article.text.contains("[3"));
    assert_eq!(article.set_aside.iter().filter(|run| run.reason == Reason::CitationMark).count(), 6);
}

#[test]
fn the_long_sample_loses_nothing() {
    let article = sample("09-canal-town.txt");
    assert_eq!(article.set_aside.len(), 3, "title, byline and date");
    assert!(article.text.split_whitespace().count() > 8_900);
    assert!(article.sentences.len() > 500);
}

#[test]
fn files_of_furniture_only_are_refused() {
    let read = |text: &str| Article::read(&RawArticle::new("page", text, Format::Plain));
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
        ("turns", "[00:00:01] A: b?\n\n[00:00:02] C: d.\n\n".repeat(MIB / 40), Format::Plain),
        ("hyphens", "some words are bro-\nken at the end of the-\n".repeat(MIB / 40), Format::Plain),
        ("pages", (0..MIB / 20).map(|n| format!("Head Page {n}\n\nb.\n\n")).collect(), Format::Plain),
        ("labels", "Related articles\n".repeat(MIB / 16), Format::Plain),
        ("nested tags", deep, Format::Html),
        ("unclosed formats", "<b><p><a href=x>".repeat(MIB / 16), Format::Html),
        ("unclosed tables", "<table><tr><td>x".repeat(MIB / 16), Format::Html),
        ("unclosed comments", "<!--".repeat(MIB), Format::Html),
        ("unclosed drawings", "<svg>x".repeat(MIB / 4), Format::Html),
        ("attributes", format!("<p {}>x", (0..MIB).map(|n| format!("a{n}=1 ")).collect::<String>()), Format::Html),
        ("quoted ends of tags", format!("<p {}>x", "a='>' b=\"<\" ".repeat(MIB / 4)), Format::Html),
        ("cells", format!("<table><tr>{}</table>", "<td>x".repeat(MIB / 4)), Format::Html),
        ("marks", "<sup><q><math><mfrac>1".repeat(MIB / 16), Format::Html),
        ("front matter", format!("---\na: &a [{}]\n---\nb", "*a, ".repeat(10_000)), Format::Markdown),
        ("remarks", "%%a%% ".repeat(MIB / 4), Format::Markdown),
        ("brackets of Markdown", "[[a|![".repeat(MIB / 4), Format::Markdown),
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
