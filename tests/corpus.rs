//! From folders on disk to hits: what is found, what is read again, and what survives damage.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use precis::corpus::articles::{Articles, MAX_ARTICLE_BYTES};
use precis::corpus::filter::{Filter, PathPattern};
use precis::corpus::index::{Index, Rebuilt, folder_of};
use precis::corpus::source::{Found, Problem, Skipped, find};
use precis::corpus::sync::SyncReport;
use precis::corpus::{Encoder, Hit};
use precis::text::{Format, Lang, RawArticle};
use tempfile::TempDir;

/// A folder of files, and a folder for its index.
struct Corpus {
    root: TempDir,
}

impl Corpus {
    fn of(files: &[(&str, &str)]) -> Corpus {
        let corpus = Corpus { root: TempDir::new().unwrap() };
        fs::create_dir(corpus.path("in")).unwrap();
        for (name, content) in files {
            corpus.write(name, content);
        }
        corpus
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path("in").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn found(&self) -> Found {
        find(&[self.path("in")])
    }

    fn open(&self) -> Index {
        Index::open(&self.path("index")).unwrap()
    }

    /// Opens the index anew and brings it up to date, as each call of the program does.
    fn sync(&self) -> (Index, SyncReport) {
        let mut index = self.open();
        let report = index.sync(&self.found().items, &mut go_on).unwrap();
        (index, report)
    }

    /// The names in a listing, without the folder before them.
    fn names(&self, found: &Found) -> Vec<String> {
        let prefix = format!("{}/", self.path("in").display());
        found.items.iter().map(|item| item.shown.trim_start_matches(&prefix).to_owned()).collect()
    }
}

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Fails, rather than hanging the whole test run, when `work` does not come back.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_secs(30)).expect("it hangs")
}

fn problems(found: &Found) -> Vec<String> {
    found.problems.iter().map(ToString::to_string).collect()
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What an item gives: `path: text` for an article, the message for an error.
fn read_all(found: &Found) -> Vec<String> {
    let mut all = Vec::new();
    for item in &found.items {
        match item.open() {
            Ok(articles) => all.extend(articles.map(describe)),
            Err(error) => all.push(error.to_string()),
        }
    }
    all
}

fn describe(read: Result<RawArticle, precis::corpus::source::SourceError>) -> String {
    match read {
        Ok(raw) => {
            let file = raw.path.rsplit('/').next().unwrap_or_default();
            let text = String::from_utf8_lossy(&raw.bytes).into_owned();
            let beside = [raw.title, raw.date].into_iter().flatten().map(|field| format!(" ({field})"));
            format!("{file}: {text}{}", beside.collect::<String>())
        }
        Err(error) => format!("error: {}", error.problem),
    }
}

// ---------------------------------------------------------------------------------------------------- finding

#[test]
fn folders_are_listed_in_order_without_hidden_and_unknown_files() {
    let corpus = Corpus::of(&[
        ("b.txt", "b"),
        ("a.MD", "a"),
        ("sub/c.html", "c"),
        ("sub/.d.txt", "hidden"),
        (".git/e.txt", "hidden"),
        ("photo.jpg", "not read"),
        ("noextension", "not read"),
    ]);
    let found = corpus.found();
    assert_eq!(corpus.names(&found), ["a.MD", "b.txt", "sub/c.html"]);
    let Skipped { other_types, links, outputs } = found.skipped;
    assert_eq!((other_types.count, links.count, outputs.count), (2, 0, 0));
    assert!(other_types.names.iter().any(|name| name.ends_with("photo.jpg")));
    assert!(found.problems.is_empty());
}

#[test]
fn what_is_given_twice_appears_once() {
    let corpus = Corpus::of(&[("a.txt", "a"), ("sub/b.txt", "b"), ("odd.log", "c")]);
    symlink(corpus.path("in"), corpus.path("alias")).unwrap();
    let inputs = [
        corpus.file("sub/b.txt"),
        corpus.path("in"),
        corpus.path("alias"),
        corpus.file("sub/../a.txt"),
        corpus.file("odd.log"),
        PathBuf::from("-"),
        PathBuf::from("-"),
    ];
    let found = find(&inputs);
    // A file that was named is taken whatever it is called.
    assert_eq!(corpus.names(&found), ["sub/b.txt", "a.txt", "odd.log", "-"]);
}

#[test]
fn patterns_that_no_shell_expanded_are_expanded() {
    let corpus =
        Corpus::of(&[("a.txt", ""), ("b.txt", ""), ("c.md", ""), ("x/d.txt", ""), ("x/y/e.txt", ""), (".h.txt", "")]);
    let check = |pattern: &str, expected: &[&str]| {
        let found = find(&[corpus.file(pattern)]);
        assert_eq!(corpus.names(&found), expected, "{pattern}");
        assert!(found.problems.is_empty(), "{pattern}");
    };
    check("*.txt", &["a.txt", "b.txt"]);
    check("[ab].txt", &["a.txt", "b.txt"]);
    check("{a,c}.*", &["a.txt", "c.md"]);
    check("**/*.txt", &["a.txt", "b.txt", "x/d.txt", "x/y/e.txt"]);
    check("x*", &["x/d.txt", "x/y/e.txt"]);
    check("*/d.txt", &["x/d.txt"]);

    let none = find(&[corpus.file("*.pdf")]);
    assert!(matches!(none.problems[0].problem, Problem::NoMatch));
    let bad = find(&[corpus.file("[a.txt")]);
    assert!(matches!(bad.problems[0].problem, Problem::Pattern(_)));
    let missing = find(&[corpus.file("nothing.txt")]);
    assert!(matches!(missing.problems[0].problem, Problem::Missing));
}

#[test]
fn pipes_sockets_devices_and_link_loops_never_hang() {
    let corpus = Corpus::of(&[("good.txt", "good"), ("sub/also.txt", "also")]);
    make_pipe(&corpus.file("pipe.txt"));
    let _socket = UnixListener::bind(corpus.file("socket.txt")).unwrap();
    symlink("..", corpus.file("sub/up")).unwrap();
    symlink("loop.txt", corpus.file("loop.txt")).unwrap();
    symlink("good.txt", corpus.file("link.txt")).unwrap();
    let folder = corpus.path("in");
    let (found, read) = in_time(move || {
        let found = find(&[folder]);
        let read = read_all(&found);
        (found, read)
    });
    assert_eq!(read, ["good.txt: good", "also.txt: also"]);
    assert_eq!((found.skipped.other_types.count, found.skipped.links.count), (1, 2));
    let messages = problems(&found).join("\n");
    assert!(messages.contains("pipe.txt` is a pipe"), "{messages}");
    assert!(messages.contains("socket.txt` is a socket"), "{messages}");

    let named = [corpus.file("pipe.txt"), corpus.file("loop.txt"), "/dev/zero".into(), corpus.file("link.txt")];
    let (found, read) = in_time(move || {
        let found = find(&named);
        let read = read_all(&found);
        (found, read)
    });
    let [pipe, link_loop, device] = found.problems.as_slice() else { panic!("{:?}", found.problems) };
    assert!(matches!(pipe.problem, Problem::NotAFile("a pipe")));
    assert!(matches!(link_loop.problem, Problem::Unreadable(_)));
    assert!(matches!(device.problem, Problem::NotAFile("a device")));
    // A link that somebody named is followed.
    assert_eq!(read, ["link.txt: good"]);
}

#[test]
fn a_file_that_became_a_pipe_after_it_was_listed_does_not_hang() {
    let corpus = Corpus::of(&[("a.txt", "text")]);
    let found = corpus.found();
    fs::remove_file(corpus.file("a.txt")).unwrap();
    make_pipe(&corpus.file("a.txt"));
    let read = in_time(move || read_all(&found));
    assert!(read[0].contains("is a pipe"), "{read:?}");
}

#[test]
fn names_that_are_not_text_are_shown_and_opened() {
    let corpus = Corpus::of(&[]);
    for name in [b"new\nline.txt".as_slice(), b"\x1b[31mred.txt", b"\xff\xfe.txt", b"\xff\xfd.txt"] {
        fs::write(corpus.path("in").join(OsStr::from_bytes(name)), "text").unwrap();
    }
    let found = corpus.found();
    assert_eq!(
        corpus.names(&found),
        ["\x1b[31mred.txt", "new\nline.txt", "\u{fffd}\u{fffd}.txt", "\u{fffd}\u{fffd}.txt"]
    );
    assert!(read_all(&found).iter().all(|read| read.ends_with(": text")));
    // Names that look alike are still two files.
    assert_ne!(found.items[2].key(), found.items[3].key());
}

// ---------------------------------------------------------------------------------------------------- reading

#[test]
fn oversized_files_are_refused_by_their_numbers_unread() {
    let corpus = Corpus::of(&[("good.txt", "good")]);
    for (name, size) in
        [("big.txt", 50_000_000), ("huge.html", 10 << 30), ("huge.jsonl", 10 << 30), ("huge.json", 10 << 30)]
    {
        File::create(corpus.file(name)).unwrap().set_len(size).unwrap();
    }
    let found = corpus.found();
    let read = in_time(move || read_all(&found));
    assert_eq!(read[1], "good.txt: good");
    for read in [&read[0], &read[2], &read[3], &read[4]] {
        assert!(read.contains(&format!("more than the {MAX_ARTICLE_BYTES}")), "{read}");
    }
    assert!(read[0].contains("50000000 bytes"), "{}", read[0]);
}

#[test]
fn a_bad_line_is_a_problem_of_that_line_alone() {
    let corpus = Corpus::of(&[]);
    let long = "x".repeat(MAX_ARTICLE_BYTES as usize);
    let lines = [
        r#"{"id": "n-1", "headline": "T", "text": "one", "publishedAt": "2025-01-02"}"#,
        r#"{"id": 7, "content": "two"}"#,
        r#"{"text": "torn"#,
        "",
        r#"["not", "an", "object"]"#,
        r#"{"url": "no text here", "text": "  "}"#,
        &format!(r#"{{"text": "{long}"}}"#),
        r#"{"BODY": "five", "text": 3}"#,
    ];
    corpus.write("a.jsonl", lines.join("\n"));
    let read = read_all(&corpus.found());
    let starts = [
        "a.jsonl#n-1: one (T) (2025-01-02)",
        "a.jsonl#7: two",
        "error: is not an article: the line is not valid JSON",
        "error: is not an article: it is not a JSON object",
        "error: is not an article: none of its fields is a text named",
        "error: is not an article: the line has",
        "a.jsonl#8: five",
    ];
    assert_eq!(read.len(), starts.len());
    for (read, start) in read.iter().zip(starts) {
        assert!(read.starts_with(start), "{read}");
    }
}

#[test]
fn json_files_are_objects_arrays_or_lines() {
    let check = |content: &str, expected: &[&str]| {
        let corpus = Corpus::of(&[("a.json", content)]);
        assert_eq!(read_all(&corpus.found()), expected, "{content}");
    };
    check(r#"{"id": "x", "text": "alone"}"#, &["a.json: alone"]);
    check("\u{feff}{\n \"text\": \"alone\"\n}\n", &["a.json: alone"]);
    check(
        r#"[{"text": "one"}, {"id": "b", "text": "two"}, 3]"#,
        &["a.json#1: one", "a.json#b: two", "error: is not an article: it is not a JSON object"],
    );
    check("{\"text\": \"one\"}\n{\"text\": \"two\"}\n", &["a.json#1: one", "a.json#2: two"]);
    check("[]", &["error: holds no record"]);
    check("", &["error: holds no record"]);
    check("{\"text\":\n", &["error: is not an article: EOF while parsing a value at line 2 column 0"]);
}

#[test]
fn a_stream_tells_its_layout_by_its_first_bytes() {
    let check = |content: &'static str, expected: &[(&str, Format)]| {
        let articles = Articles::from_reader("-", content.as_bytes());
        let read: Vec<RawArticle> = articles.map(Result::unwrap).collect();
        let read: Vec<_> = read.iter().map(|raw| (raw.path.as_str(), raw.format)).collect();
        assert_eq!(read, expected, "{content}");
    };
    check("Plain words.", &[("-", Format::Plain)]);
    check("[1] A note, not JSON.", &[("-", Format::Plain)]);
    check("{curly} words", &[("-", Format::Plain)]);
    check("< 5 % of all", &[("-", Format::Plain)]);
    check(" <!DOCTYPE html><p>x", &[("-", Format::Html)]);
    check("{\"text\": \"<p>x</p>\"}", &[("-", Format::Html)]);
    check("{\"text\": \"x\"}\n{\"text\": \"y\"}", &[("-#1", Format::Plain), ("-#2", Format::Plain)]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let corpus = Corpus::of(&[("a.jsonl", "{\"text\": \"one\"}\n")]);
    let found = corpus.found();
    let articles = found.items[0].open().unwrap();
    let mut file = File::options().append(true).open(corpus.file("a.jsonl")).unwrap();
    file.write_all(b"{\"text\": \"two\"}\n").unwrap();
    let last = articles.last().unwrap();
    assert!(matches!(last.unwrap_err().problem, Problem::Changed));
}

// ---------------------------------------------------------------------------------------------------- indexing

fn paths(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.passage.path.rsplit('/').next().unwrap()).collect()
}

fn words(hit: &Hit) -> String {
    hit.passage.sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ")
}

const LIGHTHOUSE: &str = "The lighthouse keeper repaired the lamp. Boats returned to Kelmar harbour on Tuesday.";
const ORCHARD: &str = "The orchard sold 1,200 crates of pears. Frost had been expected in the valley.";
const TEMPLE: &str = "廟裡的鐘已經修好了。王師傅說，明天開始對外開放。";

#[test]
fn spellings_of_one_word_find_one_another() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", ORCHARD), ("c.txt", TEMPLE)]);
    let (index, report) = corpus.sync();
    assert_eq!((report.added, report.articles), (3, 3));
    let check = |question: &str, first: &str| {
        let hits = index.search(question, None, 5).unwrap();
        assert_eq!(paths(&hits).first(), Some(&first), "{question}");
    };
    check("Who repairs lamps?", "a.txt");
    check("ＫＥＬＭＡＲ", "a.txt");
    check("how many crates: 1200", "b.txt");
    check("王师傅说了什么？", "c.txt");
    check("王師傅説了什麼？", "c.txt");
    check("庙里的钟", "c.txt");
}

#[test]
fn a_question_without_content_and_an_empty_corpus_find_nothing() {
    let corpus = Corpus::of(&[]);
    let (index, report) = corpus.sync();
    assert_eq!(report, SyncReport::default());
    assert!(index.search("lamp", None, 5).unwrap().is_empty());

    corpus.write("a.txt", LIGHTHOUSE);
    let (index, _) = corpus.sync();
    for question in ["", "?!", "what is it", "是什么", "zebra"] {
        assert!(index.search(question, None, 5).unwrap().is_empty(), "{question}");
    }
    assert!(index.search("lamp", None, 0).unwrap().is_empty());
}

#[test]
fn only_files_that_changed_are_indexed_again() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", ORCHARD), ("c.txt", TEMPLE)]);
    corpus.sync();

    corpus.write("b.txt", "The orchard was sold to a brewer.");
    corpus.write("a.txt", LIGHTHOUSE);
    fs::remove_file(corpus.file("c.txt")).unwrap();
    corpus.write("d.txt", "A violin was found in the attic.");
    let (index, report) = corpus.sync();
    assert_eq!((report.added, report.changed, report.unchanged, report.removed), (1, 1, 1, 1));
    assert_eq!(report.articles, 3);
    assert_eq!(paths(&index.search("brewer", None, 5).unwrap()), ["b.txt"]);
    assert_eq!(paths(&index.search("violin", None, 5).unwrap()), ["d.txt"]);
    for gone in ["crates of pears", "王師傅"] {
        assert!(index.search(gone, None, 5).unwrap().is_empty(), "{gone}");
    }
}

#[test]
fn a_file_at_rest_is_known_by_its_stamp_and_any_other_by_its_bytes() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", ORCHARD)]);
    // Written a moment ago: a stamp could not tell a second write in the same tick of the clock.
    let (_, report) = corpus.sync();
    assert_eq!(report.read, 2);
    let (_, report) = corpus.sync();
    assert_eq!((report.read, report.unchanged), (2, 2));

    std::thread::sleep(Duration::from_millis(2_100));
    let (_, report) = corpus.sync();
    assert_eq!((report.read, report.unchanged), (2, 2));
    let (_, report) = corpus.sync();
    assert_eq!((report.read, report.unchanged), (0, 2));

    // The same size and the same time of change, as a careless copy would leave them.
    let file = File::options().write(true).open(corpus.file("a.txt")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    (&file).seek(SeekFrom::Start(0)).unwrap();
    (&file).write_all(b"One").unwrap();
    file.set_modified(modified).unwrap();
    let (_, report) = corpus.sync();
    assert_eq!((report.read, report.changed, report.unchanged), (1, 1, 1));
}

#[test]
fn hits_carry_the_name_that_was_given_this_time() {
    let corpus = Corpus::of(&[("a.jsonl", &format!("{{\"id\": \"k\", \"text\": \"{LIGHTHOUSE}\"}}"))]);
    corpus.sync();
    symlink(corpus.path("in"), corpus.path("other")).unwrap();
    let mut index = corpus.open();
    let report = index.sync(&find(&[corpus.path("other")]).items, &mut go_on).unwrap();
    assert_eq!((report.added, report.changed, report.unchanged), (0, 0, 1));
    let hits = index.search("lamp", None, 1).unwrap();
    assert_eq!(hits[0].passage.path, format!("{}#k", corpus.path("other/a.jsonl").display()));

    let spellings = [corpus.path("in"), corpus.path("other"), corpus.path("in/../in/.")];
    let folders = spellings.map(|input| folder_of(Path::new("/cache"), &[input]));
    assert!(folders.iter().all(|folder| *folder == folders[0]));
    assert_ne!(folders[0], folder_of(Path::new("/cache"), &[corpus.path("elsewhere")]));
}

#[test]
fn what_cannot_be_read_is_named_each_time_and_stops_nothing() {
    let corpus = Corpus::of(&[
        ("a.txt", LIGHTHOUSE),
        ("empty.txt", ""),
        ("some.jsonl", "{\"text\": \"A violin was found.\"}\n{\"text\": \n"),
    ]);
    corpus.write("binary.txt", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0");
    File::create(corpus.file("big.txt")).unwrap().set_len(MAX_ARTICLE_BYTES + 1).unwrap();
    for _ in 0..2 {
        let (index, report) = corpus.sync();
        let names: Vec<&str> = report.failed.iter().map(|(path, _)| path.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["big.txt", "binary.txt", "empty.txt", "some.jsonl#2"]);
        assert_eq!(report.articles, 2);
        assert_eq!(paths(&index.search("lamp violin", None, 5).unwrap()).len(), 2);
    }
}

#[test]
fn a_file_that_can_no_longer_be_read_leaves_the_index() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE)]);
    corpus.sync();
    let found = corpus.found();
    fs::remove_file(corpus.file("a.txt")).unwrap();
    let mut index = corpus.open();
    let report = index.sync(&found.items, &mut go_on).unwrap();
    assert_eq!((report.removed, report.failed.len(), report.articles), (1, 1, 0));
    assert!(index.search("lamp", None, 5).unwrap().is_empty());
}

#[test]
fn the_same_text_under_two_names_is_one_hit() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", LIGHTHOUSE), ("c.txt", "The lamp went out.")]);
    let (index, _) = corpus.sync();
    let hits = index.search("the lamp of the lighthouse", None, 5).unwrap();
    assert_eq!(paths(&hits), ["a.txt", "c.txt"]);
}

#[test]
fn neighbouring_passages_come_as_one_hit_in_reading_order() {
    let filler = "Nothing else of note took place along the quiet river that afternoon. ".repeat(10);
    let text = format!(
        "{filler}\n\nThe bellfounder arrived. {filler}\n\nA bellfounder needs bronze, the bellfounder said. {filler}"
    );
    let corpus = Corpus::of(&[("a.txt", &text)]);
    let (index, _) = corpus.sync();
    let hits = index.search("bellfounder", None, 5).unwrap();
    assert_eq!(hits.len(), 1);
    let sentences = &hits[0].passage.sentences;
    assert!(sentences.windows(2).all(|pair| pair[0].end <= pair[1].start));
    let text = words(&hits[0]);
    assert!(text.find("arrived") < text.find("bronze"), "{text}");
}

#[test]
fn a_damaged_index_is_made_anew() {
    type Break = fn(&Path);
    let damages: [(&str, Break); 4] = [
        ("a flipped byte", |folder| {
            let store = files_in(&folder.join("passages"), "store");
            let mut bytes = fs::read(&store[0]).unwrap();
            bytes[10] ^= 1;
            fs::write(&store[0], bytes).unwrap();
        }),
        ("a cut list of segments", |folder| fs::write(folder.join("passages/meta.json"), "{\"segm").unwrap()),
        ("a lost segment", |folder| fs::remove_file(&files_in(&folder.join("passages"), "store")[0]).unwrap()),
        ("a lost table", |folder| fs::remove_file(&files_in(folder, "jsonl")[0]).unwrap()),
    ];
    for (damage, break_in) in damages {
        let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE)]);
        corpus.sync();
        break_in(&corpus.path("index"));
        let (index, report) = corpus.sync();
        assert!(matches!(report.rebuilt, Some(Rebuilt::Damaged(_))), "{damage}: {report:?}");
        assert_eq!(report.added, 1, "{damage}");
        assert_eq!(paths(&index.search("lamp", None, 5).unwrap()), ["a.txt"], "{damage}");
        assert_eq!(corpus.sync().1.rebuilt, None, "{damage}");
    }
}

#[test]
fn damage_to_any_file_of_an_index_is_noticed_or_does_no_harm() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", ORCHARD)]);
    corpus.sync();
    let listed = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let whole: Vec<(PathBuf, Vec<u8>)> = listed(corpus.path("index"))
        .chain(listed(corpus.path("index/passages")))
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(whole.len() > 6);
    for (damaged, bytes) in &whole {
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x11);
            bytes
        };
        let middle = bytes.len() / 2;
        for damage in [flipped(0), flipped(middle), bytes[..middle].to_vec(), Vec::new()] {
            fs::remove_dir_all(corpus.path("index")).unwrap();
            fs::create_dir_all(corpus.path("index/passages")).unwrap();
            for (path, bytes) in &whole {
                fs::write(path, if path == damaged { &damage } else { bytes }).unwrap();
            }
            let (index, report) = corpus.sync();
            let name = damaged.file_name().unwrap().to_string_lossy();
            assert_eq!(paths(&index.search("lamp", None, 5).unwrap()), ["a.txt"], "{name}");
            assert_eq!(report.articles, 2, "{name}");
            let is_data = !name.starts_with("lock") && !name.starts_with('.') && !bytes.is_empty();
            if is_data && damage != *bytes && name != "meta.json" {
                let is_noticed = matches!(report.rebuilt, Some(Rebuilt::Damaged(_)));
                assert!(is_noticed, "{name}: {} of {} bytes", damage.len(), bytes.len());
            }
        }
    }
}

#[test]
fn files_that_change_and_vanish_while_others_are_indexed_are_caught_up_with() {
    let corpus = Corpus::of(&[]);
    let name = |i| format!("{i:03}.txt");
    for i in 0..300 {
        corpus.write(&name(i), format!("Lamp number {i} was repaired."));
    }
    let found = corpus.found();
    let mut is_done = false;
    let mut meddle = |_: usize, _: usize| {
        if !std::mem::replace(&mut is_done, true) {
            for i in 100..200 {
                fs::remove_file(corpus.file(&name(i))).unwrap();
            }
            for i in 200..300 {
                corpus.write(&name(i), format!("The organ, pipe {i}, was tuned."));
            }
        }
        ControlFlow::Continue(())
    };
    let report = corpus.open().sync(&found.items, &mut meddle).unwrap();
    assert_eq!(report.articles + report.failed.len(), 300);
    let (index, report) = corpus.sync();
    assert_eq!((report.articles, report.failed.len()), (200, 0));
    assert_eq!(index.search("lamp", None, 300).unwrap().len(), 100);
    assert_eq!(index.search("organ", None, 300).unwrap().len(), 100);
}

// -------------------------------------------------------------------------------------------------- filters

/// Twelve articles about lamps that rank above the two of them that a filter lets pass.
fn lamps() -> Corpus {
    let corpus = Corpus::of(&[]);
    for i in 0..12 {
        let text = format!("The lamp boat lamp boat lamp {i}.");
        let record = format!(r#"{{"id": "{i}", "date": "2020-01-0{}", "text": "{text}"}}"#, i % 9 + 1);
        corpus.write(&format!("old/{i}.json"), record);
    }
    let dated = [
        ("a", "2024-05-17", "Far in the north a lamp and a boat were seen by many people on that day."),
        ("b", "17 May 2024, 9:00", "Nobody knows who left the boat at the bridge, or why its lamp still burned."),
        ("c", "May 2024", "For the feast each boat of the village carries one lamp and a wreath of leaves."),
    ];
    let lines = dated.map(|(id, date, text)| format!(r#"{{"id": "{id}", "date": "{date}", "text": "{text}"}}"#));
    corpus.write("new/2024.jsonl", lines.join("\n"));
    corpus.write("new/notes.txt", "The committee could not say whether the lamp or the boat should be paid for first.");
    corpus.write("new/zh.md", "山上的一盞燈和一條船，很多人都看見了。");
    corpus.write("new/hans.md", "山下的一盏灯和一条船，几个孩子说没看见。");
    corpus
}

#[test]
fn filters_come_before_ranking_by_words_and_by_meaning() {
    let corpus = lamps();
    let (mut index, report) = corpus.sync();
    assert_eq!(report.articles, 18);
    embed(&mut index, "ab");
    let mut check = |filter: Filter, counts: (usize, usize), question: &str, expected: &[&str]| {
        let label = format!("{:?} {:?} {:?}", filter.langs, filter.since, filter.until);
        let narrowed = index.narrow(filter).unwrap();
        assert_eq!((narrowed.articles, narrowed.undated), counts, "{label}");
        for by_meaning in [false, true] {
            let mut topics = Topics::default();
            let encoder = by_meaning.then_some(&mut topics as &mut dyn Encoder);
            let hits = index.search(question, encoder, 3).unwrap();
            let mut found = paths(&hits);
            found.sort();
            assert_eq!(found, expected, "{label}, by meaning: {by_meaning}");
        }
    };
    let date = |word: &str| Some(word.parse().unwrap());
    let path = |pattern: &str| Filter { paths: vec![pattern.parse().unwrap()], ..Filter::default() };
    let jsonl = ["2024.jsonl#a", "2024.jsonl#b", "2024.jsonl#c"];
    let since = |since, until| Filter { since, until, ..Filter::default() };
    check(path("new/*.jsonl"), (3, 0), "lamp boat", &jsonl);
    check(since(date("2024"), None), (3, 3), "lamp boat", &jsonl);
    check(since(date("2024-05-18"), None), (1, 3), "lamp boat", &jsonl[2..]);
    check(since(date("2023-12"), date("2024-05-17")), (3, 3), "lamp boat", &jsonl);
    check(since(date("2025"), None), (0, 3), "lamp boat", &[]);
    let zh = Filter { langs: vec![Lang::ZhHans, Lang::ZhHant], ..Filter::default() };
    check(zh, (2, 0), "一条船", &["hans.md", "zh.md"]);
    let hant = Filter { langs: vec![Lang::ZhHant], since: None, ..path("new") };
    check(hant.clone(), (1, 0), "一条船", &["zh.md"]);
    check(Filter { until: date("2024"), ..hant }, (0, 1), "一条船", &[]);
    check(path("nowhere"), (0, 0), "lamp boat", &[]);
    assert_eq!(index.narrow(Filter::default()).unwrap().articles, 18);
    assert_eq!(index.search("lamp", None, 5).unwrap().len(), 5);
}

#[test]
fn a_filter_holds_when_the_index_changes() {
    let corpus = lamps();
    let (mut index, _) = corpus.sync();
    let until = Filter { until: Some("2020-01-03".parse().unwrap()), ..Filter::default() };
    assert_eq!(index.narrow(until).unwrap().articles, 6);
    corpus.write("old/0.json", r#"{"date": "2019", "text": "Only the oldest lamp was kept."}"#);
    fs::remove_file(corpus.file("old/1.json")).unwrap();
    corpus.sync();
    for _ in 0..2 {
        index.sync(&corpus.found().items, &mut go_on).unwrap();
        let hits = index.search("lamp", None, 10).unwrap();
        let mut found = paths(&hits);
        found.sort();
        assert_eq!(found, ["0.json", "10.json", "11.json", "2.json", "9.json"]);
        corpus.write("old/12.json", r#"{"date": "2021", "text": "A new lamp."}"#);
    }
}

#[test]
fn a_pattern_fits_the_end_of_a_path_and_what_is_in_a_folder() {
    let corpus = Corpus::of(&[]);
    for name in ["a.md", "b.txt", "news/a.md", "news/2024/c.txt", "old news/d.txt"] {
        corpus.write(name, format!("A lamp in {name}."));
    }
    let (mut index, _) = corpus.sync();
    let mut check = |patterns: &[&str], expected: &[&str]| {
        let paths = patterns.iter().map(|it| it.parse().unwrap()).collect();
        index.narrow(Filter { paths, ..Filter::default() }).unwrap();
        let prefix = format!("{}/", corpus.path("in").display());
        let hits = index.search("lamp", None, 10).unwrap();
        let mut found: Vec<_> = hits.iter().map(|hit| hit.passage.path.trim_start_matches(&prefix)).collect();
        found.sort();
        assert_eq!(found, expected, "{patterns:?}");
    };
    check(&["*.md"], &["a.md", "news/a.md"]);
    check(&["a.md"], &["a.md", "news/a.md"]);
    check(&["news/*.md"], &["news/a.md"]);
    check(&["news"], &["news/2024/c.txt", "news/a.md"]);
    check(&["./news/"], &["news/2024/c.txt", "news/a.md"]);
    check(&["*news"], &["news/2024/c.txt", "news/a.md", "old news/d.txt"]);
    check(&["b.txt", "2024"], &["b.txt", "news/2024/c.txt"]);
    check(&["in/*.txt"], &["b.txt"]);
    check(&["ews"], &[]);
    for bad in ["", "./", "[a", "{a", "a**["] {
        assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
    }
}

fn files_in(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = paths.filter(|path| path.extension() == Some(OsStr::new(extension))).collect();
    assert!(!found.is_empty());
    found
}

#[test]
fn an_index_of_another_format_is_made_anew() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE)]);
    corpus.sync();
    let meta = corpus.path("index/passages/meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    let older = text.replacen(r#"{\"format\":"#, r#"{\"format\":9990"#, 1);
    assert_ne!(text, older);
    fs::write(&meta, older).unwrap();
    let (index, report) = corpus.sync();
    assert_eq!((report.rebuilt, report.added), (Some(Rebuilt::OtherFormat), 1));
    assert_eq!(paths(&index.search("lamp", None, 5).unwrap()), ["a.txt"]);
}

#[test]
fn an_interrupted_sync_keeps_what_it_did_and_goes_on_later() {
    let texts: Vec<(String, String)> =
        (0..40).map(|i| (format!("{i:02}.txt"), format!("Lamp number {i} was repaired."))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let corpus = Corpus::of(&files);
    let mut index = corpus.open();
    let report = index
        .sync(&corpus.found().items, &mut |n_done, n_all| {
            assert_eq!(n_all, 40);
            if n_done >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert!(report.interrupted);
    assert!((3..=40).contains(&report.added), "{report:?}");
    let (index, rest) = corpus.sync();
    assert_eq!((rest.added, rest.articles), (40 - report.added, 40));
    assert_eq!(index.search("lamp", None, 100).unwrap().len(), 40);
}

#[test]
fn a_file_is_indexed_whole_or_not_at_all() {
    let n_articles = 5_000;
    let line = |i| format!("{{\"text\": \"Lamp number {i} was repaired by the keeper.\"}}\n");
    let corpus = Corpus::of(&[("a.jsonl", &(0..n_articles).map(line).collect::<String>())]);
    let mut stop = |_: usize, _: usize| ControlFlow::Break(());
    let report = corpus.open().sync(&corpus.found().items, &mut stop).unwrap();
    assert!(report.interrupted);
    let (index, rest) = corpus.sync();
    assert_eq!((report.added + rest.added, rest.articles), (1, n_articles));
    let question = format!("lamp {}", n_articles - 7);
    let first = &index.search(&question, None, 1).unwrap()[0].passage;
    assert!(first.path.ends_with(&format!("#{}", n_articles - 6)), "{}", first.path);
}

#[test]
fn an_uncommitted_write_leaves_the_old_state() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE)]);
    corpus.sync();
    // What a killed process leaves: a table that no commit names, and a half-written one.
    for name in ["files-999.jsonl", ".tmpAbCdEf"] {
        fs::write(corpus.path("index").join(name), "{").unwrap();
    }
    corpus.write("b.txt", ORCHARD);
    let (_, report) = corpus.sync();
    assert_eq!((report.rebuilt, report.added, report.unchanged), (None, 1, 1));
    assert!(!corpus.path("index/files-999.jsonl").exists());
    assert!(!corpus.path("index/.tmpAbCdEf").exists());
}

#[test]
fn two_at_once_wait_for_each_other() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", ORCHARD)]);
    let reports: Vec<SyncReport> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..4).map(|_| scope.spawn(|| corpus.sync().1)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert_eq!(reports.iter().map(|report| report.added).sum::<usize>(), 2);
    assert!(reports.iter().all(|report| report.articles == 2 && report.rebuilt.is_none()));
}

#[test]
fn an_open_index_follows_what_others_wrote() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE)]);
    let (mut index, _) = corpus.sync();
    corpus.write("b.txt", ORCHARD);
    corpus.sync();
    let report = index.sync(&corpus.found().items, &mut go_on).unwrap();
    assert_eq!((report.added, report.unchanged), (0, 2));
    assert_eq!(paths(&index.search("pears", None, 5).unwrap()), ["b.txt"]);
}

// ------------------------------------------------------------------------------------------- searching by meaning

/// An encoder of three dimensions, for which a text is about ferries, fruit or temples.
#[derive(Default)]
struct Topics {
    n_embedded: usize,
    sha256: &'static str,
}

impl Topics {
    fn vector(text: &str) -> Vec<f32> {
        let topics = [["ferry", "boat", "港"], ["pear", "fruit", "果"], ["temple", "shrine", "寺"]];
        let text = text.to_lowercase();
        let about = |words: &[&str; 3]| f32::from(u8::from(words.iter().any(|w| text.contains(w))));
        let vector: Vec<f32> = topics.iter().map(|words| 0.01 + about(words)).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect()
    }
}

impl Encoder for Topics {
    fn sha256(&self) -> &str {
        self.sha256
    }

    fn n_dims(&self) -> usize {
        3
    }

    fn passages(&mut self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        self.n_embedded += texts.len();
        Ok(texts.iter().map(|text| Topics::vector(text)).collect())
    }

    fn question(&mut self, text: &str) -> anyhow::Result<Vec<f32>> {
        Ok(Topics::vector(text))
    }
}

/// Brings the index and its vectors up to date; returns how many passages were embedded for it.
fn embed(index: &mut Index, sha256: &'static str) -> usize {
    let mut topics = Topics { n_embedded: 0, sha256 };
    index.embed(&mut topics, &mut go_on).unwrap();
    topics.n_embedded
}

#[test]
fn an_article_is_found_by_meaning_across_languages_and_scripts() {
    let corpus = Corpus::of(&[
        ("a.txt", "The boats stay in the harbour. Nobody can say for how long."),
        ("b.txt", "果園今年豐收。"),
        ("c.txt", "山上的寺廟修好了。"),
    ]);
    let (mut index, _) = corpus.sync();
    assert_eq!(embed(&mut index, "ab"), 3);
    let mut topics = Topics::default();
    for (question, expected) in
        [("Is there a ferry?", "a.txt"), ("fruit", "b.txt"), ("港", "a.txt"), ("Who repaired the shrine?", "c.txt")]
    {
        let hits = index.search(question, Some(&mut topics), 1).unwrap();
        assert_eq!(paths(&hits), [expected], "{question}");
    }
    assert!(index.search("fruit", None, 1).unwrap().is_empty());
    assert!(index.search(" ", Some(&mut topics), 1).unwrap().is_empty());
}

#[test]
fn only_what_is_new_is_embedded_and_what_is_gone_is_not_found() {
    let corpus = Corpus::of(&[("a.txt", "The boats stay in the harbour."), ("b.txt", "Pears are cheap.")]);
    let (mut index, _) = corpus.sync();
    assert_eq!(embed(&mut index, "ab"), 2);
    assert_eq!(embed(&mut index, "ab"), 0);
    corpus.write("c.txt", "The temple is open again.");
    fs::rename(corpus.file("a.txt"), corpus.file("d.txt")).unwrap();
    fs::remove_file(corpus.file("b.txt")).unwrap();
    let (mut index, _) = corpus.sync();
    assert_eq!(embed(&mut index, "ab"), 1, "a renamed file has its vector");
    let found = |question| {
        let hits = index.search(question, Some(&mut Topics::default()), 1).unwrap();
        paths(&hits).concat()
    };
    assert_eq!(found("ferry"), "d.txt");
    assert_ne!(found("fruit"), "b.txt");
    assert_eq!(embed(&mut index, "cd"), 2, "another encoder has other vectors");
}

#[test]
fn an_interrupted_embedding_goes_on_and_a_damaged_one_is_mended() {
    let texts: Vec<(String, String)> =
        (0..100).map(|i| (format!("{i}.txt"), format!("Boat number {i} came in."))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(a, b)| (&**a, &**b)).collect();
    let corpus = Corpus::of(&files);
    let (mut index, _) = corpus.sync();
    let mut topics = Topics { n_embedded: 0, sha256: "ab" };
    let mut n_calls = 0;
    let stop = &mut |_: usize, n_all: usize| {
        assert_eq!(n_all, 100);
        n_calls += 1;
        if n_calls == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    index.embed(&mut topics, stop).unwrap();
    assert!((1..100).contains(&topics.n_embedded));
    assert_eq!(index.search("ferry", Some(&mut topics), 5).unwrap().len(), 5);
    assert_eq!(topics.n_embedded + embed(&mut corpus.open(), "ab"), 100);

    let path = corpus.path("index/vectors-ab");
    let whole = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(whole - 1).unwrap();
    assert_eq!(embed(&mut corpus.open(), "ab"), 1);
    let mut flipped = fs::read(&path).unwrap();
    flipped[whole as usize / 2] ^= 1;
    fs::write(&path, flipped).unwrap();
    assert!((40..60).contains(&embed(&mut corpus.open(), "ab")), "what stands behind it is made again");
    fs::write(&path, "nothing").unwrap();
    assert_eq!(embed(&mut corpus.open(), "ab"), 100);
}

#[test]
fn two_that_embed_at_once_do_the_work_once() {
    let corpus = Corpus::of(&[("a.txt", LIGHTHOUSE), ("b.txt", ORCHARD), ("c.txt", TEMPLE)]);
    corpus.sync();
    let n_embedded: usize = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..4).map(|_| scope.spawn(|| embed(&mut corpus.open(), "ab"))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    assert_eq!(n_embedded, 3);
}

#[test]
fn an_index_is_for_its_owner_only() {
    let corpus = Corpus::of(&[]);
    corpus.open();
    let mode = fs::metadata(corpus.path("index")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
