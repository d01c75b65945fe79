//! Every kind of input: a folder of files, and beside each what becomes of it. `PRECIS_EXPECT=write` writes that anew.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use precis::corpus::articles::Articles;
use precis::corpus::source::find;
use precis::text::{Article, BlockKind};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats")
}

/// What is read of a file, as people compare it: names and facts, sentences, what was set aside.
fn told(path: &Path) -> String {
    let mut out = String::new();
    let found = find(&[path]);
    for raw in found.items[0].open().expect("the file is there") {
        let article = raw
            .map_err(|error| error.to_string())
            .and_then(|raw| Article::read(&raw).map_err(|error| format!("`{}`: {error}", raw.path)));
        let folder = format!("{}/", data().display());
        match article {
            Err(error) => writeln!(out, "! {}", error.replace(&folder, "")).unwrap(),
            Ok(article) => {
                let fact = |fact: &Option<String>| fact.clone().unwrap_or("-".into());
                let language = article.foreign.map_or(format!("{:?}", article.lang), str::to_owned);
                let (path, title) = (article.path.replace(&folder, ""), fact(&article.title));
                let (byline, date) = (fact(&article.byline), fact(&article.date));
                writeln!(
                    out,
                    "# {path} | {title} | {byline} | {date} | {language} | {} | {}",
                    article.encoding, article.replaced
                )
                .unwrap();
                for (idx, sentence) in article.sentences.iter().enumerate() {
                    let mark = match sentence.kind {
                        BlockKind::Heading => "## ",
                        BlockKind::Paragraph => "",
                        BlockKind::ListItem => "- ",
                    };
                    let piece = if sentence.is_piece { " ~" } else { "" };
                    writeln!(out, "{mark}{}{piece}", article.sentence(idx)).unwrap();
                }
                for run in &article.set_aside {
                    writeln!(out, "({:?}) {}", run.reason, run.text).unwrap();
                }
            }
        }
    }
    out
}

#[test]
fn every_kind_of_input_is_read_as_expected() {
    let mut wrong = Vec::new();
    let mut n_files = 0;
    for entry in fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "expect") {
            continue;
        }
        n_files += 1;
        let expected_at = PathBuf::from(format!("{}.expect", path.display()));
        let found = told(&path);
        if std::env::var("PRECIS_EXPECT").is_ok_and(|it| it == "write") {
            fs::write(&expected_at, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_at).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_files >= 40, "the cases were not found");
}

/// What is read of bytes that are not what they seem; that it ends, and soon, is the claim.
fn read(bytes: Vec<u8>) -> String {
    let articles = Articles::from_reader("it", std::io::Cursor::new(bytes));
    let told = articles.map(|raw| match raw.map(|raw| Article::read(&raw)) {
        Ok(Ok(article)) => article.text,
        Ok(Err(refusal)) => refusal.to_string(),
        Err(error) => error.to_string(),
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn damaged_files_of_every_kind_end_in_a_word_and_not_in_a_crash() {
    let started = std::time::Instant::now();
    for entry in fs::read_dir(data()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let step = (bytes.len() / 12).max(1);
        for cut in (1..bytes.len()).step_by(step) {
            read(bytes[..cut].to_vec());
            let mut flipped = bytes.clone();
            flipped[cut] ^= 0x55;
            flipped[cut / 2] = flipped[cut / 2].wrapping_add(1);
            read(flipped);
        }
    }
    assert!(started.elapsed().as_secs() < 300, "{:?}", started.elapsed());
}

#[test]
fn an_archive_that_unpacks_to_more_than_a_document_is_refused() {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut archive = zip::ZipWriter::new(&mut bytes);
    let deflated = zip::write::SimpleFileOptions::default();
    archive.start_file("word/document.xml", deflated).unwrap();
    let zeros = vec![b' '; 1 << 20];
    (0..200).for_each(|_| std::io::Write::write_all(&mut archive, &zeros).unwrap());
    archive.finish().unwrap();
    let bytes = bytes.into_inner();
    assert!(bytes.len() < 1 << 20);
    assert!(read(bytes).contains("unpacks to more"));
    assert!(read(b"PK\x03\x04 and nothing else".to_vec()).contains("damaged"));
}

#[test]
fn sentences_end_where_readers_stop() {
    let cases = include_str!("data/sentences.txt");
    let (mut wrong, mut n_sentences) = (Vec::new(), 0);
    for case in cases.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let text = case.replace('|', "");
        let expected: Vec<&str> = case.split('|').map(str::trim).collect();
        n_sentences += expected.len();
        let found = precis::text::segment::sentences_of(&text);
        if found != expected {
            wrong.push(format!("{}\n", found.join(" | ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {n_sentences} sentences:\n{}", wrong.len(), wrong.concat());
    assert!(n_sentences >= 290);
}
