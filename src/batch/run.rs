//! Work in, results out, nothing twice: the loop over articles, and the folder that keeps what comes of them.

use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::Ledger;
use crate::text::Article;

/// Raised whenever reading or cleaning changes what becomes of the same bytes: older results are then made anew.
const CLEANER_VERSION: u32 = 1;

/// The result of one article, in the two forms that are kept.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// What goes to the article's file, or to standard output.
    pub content: String,
    /// What goes to the ledger: one JSON object on one line.
    pub record: String,
}

/// What a run asks of its caller.
pub trait Work {
    /// Makes ready for [`Work::work`]. Called before the first article that is not done yet, and again after a panic.
    ///
    /// # Errors
    /// Any ends the run.
    fn prepare(&mut self) -> Result<()>;

    /// The result of one article; `place` is where it will be kept, if anywhere.
    ///
    /// # Errors
    /// The article failed; the run goes on.
    fn work(&mut self, article: &Article, place: Option<&Place>) -> Result<Rendered>;

    /// An article is finished: with its result, or with `None` because it had been done before.
    ///
    /// # Errors
    /// Any ends the run.
    fn finished(&mut self, path: &str, rendered: Option<&Rendered>) -> Result<()>;

    /// An article failed. Tells people, and returns a record of it for the ledger.
    ///
    /// # Errors
    /// Any ends the run.
    fn failed(&mut self, path: &str, error: &anyhow::Error) -> Result<String>;

    /// Whether to end now, leaving the article in hand undone.
    fn is_interrupted(&self) -> bool;
}

/// One article to work on.
pub struct Job<'a> {
    /// The name shown to people.
    pub path: String,
    /// A name that is the same however the article was given, and that no other article has.
    pub key: String,
    /// Reads the article when its turn comes.
    pub read: Box<dyn FnOnce() -> Result<Article> + 'a>,
}

/// What became of a run's articles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Finished now.
    pub done: usize,
    /// Finished by an earlier run.
    pub skipped: usize,
    /// Given up.
    pub failed: usize,
    /// The run ended before the articles did.
    pub interrupted: bool,
}

/// Works through `jobs`, which are drawn one at a time. One that fails, or panics, does not stop the others.
pub fn run<'a>(
    mut jobs: impl Iterator<Item = Job<'a>>,
    mut folder: Option<&mut Folder>,
    work: &mut impl Work,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut prepared = false;
    loop {
        if work.is_interrupted() {
            tally.interrupted = true;
            return Ok(tally);
        }
        let Some(job) = jobs.next() else {
            return Ok(tally);
        };
        let article = guarded(job.read);
        let place = match (&folder, &article) {
            (Some(folder), Ok(article)) => Some(folder.place(&job.key, article)),
            _ => None,
        };
        if let (Some(folder), Some(place)) = (&folder, &place)
            && folder.has(place)
        {
            tally.skipped += 1;
            work.finished(&job.path, None)?;
            continue;
        }
        if article.is_ok() && !prepared {
            work.prepare()?;
            prepared = true;
        }
        let result = article.and_then(|article| guarded(|| work.work(&article, place.as_ref())));
        match result {
            Ok(rendered) => {
                if let (Some(folder), Some(place)) = (&mut folder, &place) {
                    folder.keep(place, &rendered)?;
                }
                tally.done += 1;
                work.finished(&job.path, Some(&rendered))?;
            }
            Err(_) if work.is_interrupted() => {}
            Err(error) => {
                // What a panic left half done is not to be used again.
                prepared &= !error.is::<Panicked>();
                tally.failed += 1;
                let record = work.failed(&job.path, &error)?;
                if let Some(folder) = &mut folder {
                    folder.ledger.append(&record)?;
                }
            }
        }
    }
}

/// A panic is an error like any other here: the next article is not to blame.
fn guarded<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| Err(Panicked.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("precis failed on this article, which is a bug")]
struct Panicked;

/// Where the result of one article belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Lowercase hex SHA-256 over the article and everything that shapes its result.
    pub key: String,
    /// The file's name in the folder.
    pub file: String,
}

/// A folder with one file an article and the ledger of them, held by this run alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    ledger: Ledger,
    settings: String,
    extension: &'static str,
}

impl Folder {
    /// Opens or makes `path`; its files will have this extension.
    ///
    /// # Errors
    /// When another run holds the folder, or nothing can be written to it: found out before any work is done.
    pub fn open(path: &Path, extension: &'static str) -> Result<Folder> {
        let failed = || format!("failed to use `{}` as output folder", path.display());
        fs::create_dir_all(path).with_context(failed)?;
        let ledger = Ledger::open(path)?;
        let folder = Folder {
            path: path.to_owned(),
            ledger,
            settings: String::new(),
            extension,
        };
        // A block of zeros takes room on the disk; an empty file would be made on a full one too.
        folder
            .write_temporary(&[0; 4096])
            .and_then(|()| Ok(fs::remove_file(folder.temporary())?))
            .with_context(failed)?;
        Ok(folder)
    }

    /// The same folder for results made under `settings`: all that shapes a result beside the article, such as prompts,
    /// weights and parameters. What was made under other settings is done anew.
    pub fn under(self, settings: String) -> Folder {
        Folder { settings, ..self }
    }

    /// Where the result of `article` belongs; `job_key` as in [`Job::key`].
    pub fn place(&self, job_key: &str, article: &Article) -> Place {
        // Standard input has no name of its own: two articles that came through it differ by content.
        let identity = if job_key == "-" {
            &article.sha256
        } else {
            job_key
        };
        let file = format!(
            "{}-{}.{}",
            slug(&article.path),
            &hash(&[identity])[..8],
            self.extension
        );
        let key = hash(&[
            &article.sha256,
            article.title.as_deref().unwrap_or_default(),
            &CLEANER_VERSION.to_string(),
            &self.settings,
        ]);
        Place { key, file }
    }

    /// Whether that very result is there already.
    pub fn has(&self, place: &Place) -> bool {
        self.ledger.key_of(&place.file) == Some(&place.key) && self.path.join(&place.file).is_file()
    }

    /// Keeps a result: after this returns, a crash does not lose it.
    ///
    /// # Errors
    /// When the disk refuses; then the folder is as it was before.
    pub fn keep(&mut self, place: &Place, rendered: &Rendered) -> Result<()> {
        let path = self.path.join(&place.file);
        let kept = self
            .write_temporary(rendered.content.as_bytes())
            .and_then(|()| {
                fs::rename(self.temporary(), &path)?;
                Ok(File::open(&self.path)?.sync_all()?)
            });
        if kept.is_err() {
            let _ = fs::remove_file(self.temporary());
        }
        kept.with_context(|| format!("failed to write `{}`", path.display()))?;
        // Last, so that the ledger never names a file that is not there.
        self.ledger.append(&rendered.record)
    }

    fn write_temporary(&self, content: &[u8]) -> Result<()> {
        let mut file = File::create(self.temporary())?;
        file.write_all(content)?;
        Ok(file.sync_all()?)
    }

    /// One name is enough: the ledger's lock keeps other runs away.
    fn temporary(&self) -> PathBuf {
        self.path.join(".precis.tmp")
    }
}

/// `news/Große Zahlen.html` -> `Große-Zahlen`, `all.jsonl#3` -> `all-3`: fit for any file system, at most 60 bytes.
fn slug(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (name, record) = match name.rsplit_once('#') {
        Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => (name, number),
        _ => (name, ""),
    };
    let stem = Path::new(name)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let words: Vec<&str> = stem
        .split(|c: char| !c.is_alphanumeric())
        .chain([record])
        .filter(|w| !w.is_empty())
        .collect();
    let slug = words.join("-");
    let end = (0..=slug.len().min(60))
        .rev()
        .find(|at| slug.is_char_boundary(*at));
    match end.unwrap_or(0) {
        0 => "article".to_owned(),
        end => slug[..end].to_owned(),
    }
}

/// Lowercase hex SHA-256 over the parts, each with its length, so that no two lists of parts look alike.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use anyhow::bail;

    fn article(path: &str, text: &str) -> Article {
        Article {
            path: path.into(),
            sha256: hash(&[text]),
            title: None,
            byline: None,
            date: None,
            lang: Lang::En,
            text: text.into(),
            sentences: Vec::new(),
            set_aside: Vec::new(),
            second_hand: false,
            encoding: "UTF-8",
            replaced: 0,
        }
    }

    fn job<'a>(path: &'a str, text: &'a str) -> Job<'a> {
        let read = Box::new(move || match text {
            "gone" => bail!("gone"),
            _ => Ok(article(path, text)),
        });
        Job {
            path: path.into(),
            key: format!("/real/{path}"),
            read,
        }
    }

    /// Shouts each article; fails on "bad", panics on "panic", is interrupted after `stop_after` articles.
    #[derive(Default)]
    struct Shout {
        n_prepared: usize,
        worked: Vec<String>,
        failed: Vec<String>,
        stop_after: Option<usize>,
    }

    impl Work for Shout {
        fn prepare(&mut self) -> Result<()> {
            self.n_prepared += 1;
            Ok(())
        }

        fn work(&mut self, article: &Article, place: Option<&Place>) -> Result<Rendered> {
            match article.text.as_str() {
                "bad" => bail!("cannot shout that"),
                "panic" => panic!("on purpose"),
                _ => self.worked.push(article.path.clone()),
            }
            let record = place.map_or_else(String::new, |p| {
                format!(r#"{{"key":"{}","file":"{}"}}"#, p.key, p.file)
            });
            Ok(Rendered {
                content: article.text.to_uppercase(),
                record,
            })
        }

        fn finished(&mut self, _path: &str, _rendered: Option<&Rendered>) -> Result<()> {
            Ok(())
        }

        fn failed(&mut self, path: &str, _error: &anyhow::Error) -> Result<String> {
            self.failed.push(path.to_owned());
            Ok("{}".into())
        }

        fn is_interrupted(&self) -> bool {
            self.stop_after
                .is_some_and(|most| self.worked.len() >= most)
        }
    }

    fn results(folder: &Path) -> Vec<String> {
        let is_result = |path: &PathBuf| path.extension().is_some_and(|e| e == "txt");
        let paths = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut contents: Vec<_> = paths
            .filter(is_result)
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        contents.sort();
        contents
    }

    #[test]
    fn one_bad_article_stops_nothing() {
        let mut work = Shout::default();
        let jobs = [
            job("gone", "gone"),
            job("a", "bad"),
            job("b", "panic"),
            job("c", "fine"),
        ];
        let tally = run(jobs.into_iter(), None, &mut work).unwrap();
        assert_eq!(
            tally,
            Tally {
                done: 1,
                failed: 3,
                ..Tally::default()
            }
        );
        assert_eq!(
            (work.worked.join(" "), work.failed.join(" ")),
            ("c".into(), "gone a b".into())
        );
        assert_eq!(work.n_prepared, 2, "once at first, once after the panic");
    }

    #[test]
    fn a_second_run_does_only_what_is_missing_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let go = |settings: &str, b: &str, stop_after| {
            let mut out = Folder::open(folder.path(), "txt")
                .unwrap()
                .under(settings.into());
            let mut work = Shout {
                stop_after,
                ..Shout::default()
            };
            let jobs = [job("a", "one"), job("b", b), job("c", "three")];
            let tally = run(jobs.into_iter(), Some(&mut out), &mut work).unwrap();
            (work.worked.join(" "), tally.skipped, tally.interrupted)
        };
        assert_eq!(go("s", "two", Some(1)), ("a".into(), 0, true));
        assert_eq!(go("s", "two", None), ("b c".into(), 1, false));
        assert_eq!(go("s", "two", None), (String::new(), 3, false));
        assert_eq!(results(folder.path()), ["ONE", "THREE", "TWO"]);
        assert_eq!(go("s", "new", None), ("b".into(), 2, false));
        assert_eq!(results(folder.path()), ["NEW", "ONE", "THREE"]);
        assert_eq!(go("other", "new", None), ("a b c".into(), 0, false));
        let lost = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let lost = lost.filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("a-")
        });
        lost.for_each(|path| fs::remove_file(path).unwrap());
        assert_eq!(go("other", "new", None), ("a".into(), 2, false));
    }

    #[test]
    fn names_are_safe_and_tell_articles_apart() {
        let check = |path: &str, expected: &str| assert_eq!(slug(path), expected, "{path:?}");
        check("news/Große Zahlen.html", "Große-Zahlen");
        check("all.jsonl#3", "all-3");
        check("../../etc/passwd", "passwd");
        check("新聞\u{1b}[31m\n.txt", "新聞-31m");
        check("-", "article");
        check(&"長".repeat(100), &"長".repeat(20));

        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(folder.path(), "txt").unwrap();
        let file = |key: &str, text: &str| folder.place(key, &article("x/a.txt", text)).file;
        assert_ne!(file("/1/a.txt", "same"), file("/2/a.txt", "same"));
        assert_eq!(file("/1/a.txt", "one"), file("/1/a.txt", "two"));
        assert_ne!(file("-", "one"), file("-", "two"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        let error = format!("{:#}", Folder::open(&in_the_way, "txt").unwrap_err());
        assert!(error.contains("file"), "{error}");
    }
}
