//! Work in, results out, nothing twice: the loop over articles. Knows neither what is done to them nor how it looks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;

use super::{Folder, Place, Rendered};
use crate::text::Article;

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
                    folder.note_failure(&record)?;
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use anyhow::bail;

    use super::super::folder::tests::article;
    use super::*;

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
}
