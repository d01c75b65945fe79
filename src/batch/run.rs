//! Work in, results out, nothing twice: the loop over articles. Knows neither what is done to them nor how it looks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;

use super::{Folder, Known, Place, Rendered};
use crate::text::Article;

/// What a run asks of its caller.
pub trait Work: Sized {
    /// Makes ready for [`Work::work`]. Called before the first article that is not done yet, and again after a panic.
    ///
    /// # Errors
    /// Any ends the run.
    fn prepare(&mut self) -> Result<()>;

    /// The results of several articles: `done` gets each with its number, as soon as it is there. After a panic, those
    /// without a result are worked on once more, one by one.
    ///
    /// # Errors
    /// Those of `done`, which end the run. An article that fails is a result.
    fn work(&mut self, pieces: &[&Piece], done: Done<'_, Self>) -> Result<()>;

    /// What belongs into the file of a result that was made before, from its record; `None` where that cannot be told.
    fn again(&self, record: &str, article: &Article) -> Option<String>;

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

/// Takes the result of the article with this number.
pub type Done<'a, W> = &'a mut dyn FnMut(&mut W, usize, Result<Rendered>) -> Result<()>;

/// One article that is to be worked on.
pub struct Piece {
    /// Which of the drawn jobs it is.
    slot: usize,
    /// The article.
    pub article: Article,
    /// Where its result will be kept, if anywhere.
    pub place: Option<Place>,
}

/// One article to read and work on.
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

/// So many articles are worked on in one call: enough that a model always has texts to write beside each other, and few
/// enough to hold in memory.
const AT_ONCE: usize = 16;

/// What became of one job.
enum Outcome {
    Skipped,
    Done(Rendered),
    Failed(anyhow::Error),
}

/// Works through `jobs`, which are drawn a few at a time. One that fails, or panics, does not stop the others. A result
/// is kept as soon as it is there; what happened is told in the order of the jobs.
pub fn run<'a>(
    mut jobs: impl Iterator<Item = Job<'a>>,
    mut folder: Option<&mut Folder>,
    work: &mut impl Work,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut is_prepared = false;
    while !work.is_interrupted() {
        let mut drawn = Drawn::draw(&mut jobs, folder.as_deref(), work)?;
        if drawn.paths.is_empty() {
            return Ok(tally);
        }
        drawn.tell(work, folder.as_deref_mut(), &mut tally)?;
        if drawn.pieces.is_empty() {
            continue;
        }
        let pieces = std::mem::take(&mut drawn.pieces);
        let all: Vec<&Piece> = pieces.iter().collect();
        let is_whole = attempt(&all, &mut is_prepared, work, &mut drawn, folder.as_deref_mut(), &mut tally)?;
        // A panic in what they share says nothing about which of them is to blame.
        let open = |drawn: &Drawn, piece: &Piece| drawn.outcomes[piece.slot].is_none();
        for piece in pieces.iter().filter(|_| !is_whole) {
            if open(&drawn, piece) && !work.is_interrupted() {
                attempt(&[piece], &mut is_prepared, work, &mut drawn, folder.as_deref_mut(), &mut tally)?;
                if open(&drawn, piece) && !work.is_interrupted() {
                    drawn.outcomes[piece.slot] = Some(Outcome::Failed(Panicked.into()));
                    drawn.tell(work, folder.as_deref_mut(), &mut tally)?;
                }
            }
        }
        if work.is_interrupted() {
            drawn.give_up_open();
            drawn.tell(work, folder.as_deref_mut(), &mut tally)?;
        }
    }
    tally.interrupted = true;
    Ok(tally)
}

/// Has pieces worked on in one call. Returns whether that came to its end without a panic.
fn attempt<W: Work>(
    pieces: &[&Piece],
    is_prepared: &mut bool,
    work: &mut W,
    drawn: &mut Drawn,
    mut folder: Option<&mut Folder>,
    tally: &mut Tally,
) -> Result<bool> {
    if !*is_prepared {
        work.prepare()?;
        *is_prepared = true;
    }
    let worked = guarded(|| {
        work.work(pieces, &mut |work, number, result| {
            // What a panic left half done is not to be used again.
            *is_prepared &= !result.as_ref().is_err_and(|error| error.is::<Panicked>());
            let piece = pieces[number];
            let outcome = match (result, &mut folder, &piece.place) {
                (Err(_), ..) if work.is_interrupted() => return Ok(()),
                (Err(error), ..) => Outcome::Failed(error),
                (Ok(rendered), Some(folder), Some(place)) => {
                    folder.keep(place, &rendered)?;
                    Outcome::Done(rendered)
                }
                (Ok(rendered), ..) => Outcome::Done(rendered),
            };
            drawn.outcomes[piece.slot] = Some(outcome);
            drawn.tell(work, folder.as_deref_mut(), tally)
        })
    });
    match worked {
        Err(error) if error.is::<Panicked>() => {
            *is_prepared = false;
            Ok(false)
        }
        worked => worked.map(|()| true),
    }
}

/// Some jobs, and what became of each so far.
struct Drawn {
    paths: Vec<String>,
    outcomes: Vec<Option<Outcome>>,
    /// Those that have to be worked on.
    pieces: Vec<Piece>,
    n_told: usize,
}

impl Drawn {
    /// Reads the next articles, and finds out which of them are done already.
    fn draw<'a>(jobs: &mut impl Iterator<Item = Job<'a>>, folder: Option<&Folder>, work: &impl Work) -> Result<Drawn> {
        let mut drawn = Drawn { paths: Vec::new(), outcomes: Vec::new(), pieces: Vec::new(), n_told: 0 };
        // What needs no work is told now and then, too.
        while drawn.pieces.len() < AT_ONCE && drawn.paths.len() < 4 * AT_ONCE {
            let Some(job) = jobs.next() else { break };
            let outcome = match guarded(job.read) {
                Err(error) => Some(Outcome::Failed(error)),
                Ok(article) => {
                    let place = folder.map(|folder| folder.place(&job.key, &article));
                    let is_done = match (folder, &place) {
                        (Some(folder), Some(place)) => match folder.known(place) {
                            Known::Done => true,
                            Known::Recorded(record) => match work.again(&record, &article) {
                                Some(content) => folder.write(&place.file, &content).map(|()| true)?,
                                None => false,
                            },
                            Known::No => false,
                        },
                        _ => false,
                    };
                    if !is_done {
                        drawn.pieces.push(Piece { slot: drawn.paths.len(), article, place });
                    }
                    is_done.then_some(Outcome::Skipped)
                }
            };
            drawn.paths.push(job.path);
            drawn.outcomes.push(outcome);
        }
        Ok(drawn)
    }

    /// Passes over the jobs that nothing became of, so that what was finished behind them can be told.
    fn give_up_open(&mut self) {
        let mut is_open = self.outcomes.iter().map(Option::is_none);
        self.paths.retain(|_| is_open.next() != Some(true));
        self.outcomes.retain(Option::is_some);
    }

    /// Tells what has not been told, up to the first job that is still open.
    fn tell(&mut self, work: &mut impl Work, mut folder: Option<&mut Folder>, tally: &mut Tally) -> Result<()> {
        while let Some(Some(outcome)) = self.outcomes.get(self.n_told) {
            let path = &self.paths[self.n_told];
            match outcome {
                Outcome::Skipped => {
                    tally.skipped += 1;
                    work.finished(path, None)?;
                }
                Outcome::Done(rendered) => {
                    tally.done += 1;
                    work.finished(path, Some(rendered))?;
                }
                Outcome::Failed(error) => {
                    tally.failed += 1;
                    let record = work.failed(path, error)?;
                    if let Some(folder) = &mut folder {
                        folder.note_failure(&record)?;
                    }
                }
            }
            self.n_told += 1;
        }
        Ok(())
    }
}

/// Turns a panic into an error: the next article is not to blame.
pub fn guarded<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
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
        Job { path: path.into(), key: format!("/real/{path}"), read }
    }

    /// Shouts each article; fails on "bad", panics on "panic", is interrupted after `stop_after` articles.
    #[derive(Default)]
    struct Shout {
        n_prepared: usize,
        worked: Vec<String>,
        failed: Vec<String>,
        stop_after: Option<usize>,
    }

    impl Shout {
        fn shout(&mut self, piece: &Piece) -> Result<Rendered> {
            match piece.article.text.as_str() {
                "bad" => bail!("cannot shout that"),
                "panic" => panic!("on purpose"),
                _ => self.worked.push(piece.article.path.clone()),
            }
            let record = piece
                .place
                .as_ref()
                .map_or_else(String::new, |p| format!(r#"{{"key":"{}","file":"{}"}}"#, p.key, p.file));
            Ok(Rendered { content: piece.article.text.to_uppercase(), record })
        }
    }

    impl Work for Shout {
        fn prepare(&mut self) -> Result<()> {
            self.n_prepared += 1;
            Ok(())
        }

        fn work(&mut self, pieces: &[&Piece], done: Done<'_, Self>) -> Result<()> {
            for (number, piece) in pieces.iter().enumerate() {
                if !self.is_interrupted() {
                    let result = guarded(|| self.shout(piece));
                    done(self, number, result)?;
                }
            }
            Ok(())
        }

        fn again(&self, _record: &str, article: &Article) -> Option<String> {
            Some(article.text.to_uppercase())
        }

        fn finished(&mut self, _path: &str, _rendered: Option<&Rendered>) -> Result<()> {
            Ok(())
        }

        fn failed(&mut self, path: &str, _error: &anyhow::Error) -> Result<String> {
            self.failed.push(path.to_owned());
            Ok("{}".into())
        }

        fn is_interrupted(&self) -> bool {
            self.stop_after.is_some_and(|most| self.worked.len() >= most)
        }
    }

    fn results(folder: &Path) -> Vec<String> {
        let is_result = |path: &PathBuf| path.extension().is_some_and(|e| e == "txt");
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut contents: Vec<_> = paths.filter(is_result).map(|path| fs::read_to_string(path).unwrap()).collect();
        contents.sort();
        contents
    }

    #[test]
    fn one_bad_article_stops_nothing() {
        let mut work = Shout::default();
        let jobs = [job("gone", "gone"), job("a", "bad"), job("b", "panic"), job("c", "fine")];
        let tally = run(jobs.into_iter(), None, &mut work).unwrap();
        assert_eq!(tally, Tally { done: 1, failed: 3, ..Tally::default() });
        assert_eq!((work.worked.join(" "), work.failed.join(" ")), ("c".into(), "gone a b".into()));
        assert_eq!(work.n_prepared, 1, "nothing came behind the panic");
    }

    /// Finishes the last article first, and is interrupted then.
    #[derive(Default)]
    struct Backwards {
        told: Vec<String>,
        is_interrupted: bool,
    }

    impl Work for Backwards {
        fn prepare(&mut self) -> Result<()> {
            Ok(())
        }

        fn work(&mut self, pieces: &[&Piece], done: Done<'_, Self>) -> Result<()> {
            let rendered = Rendered { content: "done".into(), record: String::new() };
            done(self, pieces.len() - 1, Ok(rendered))?;
            self.is_interrupted = true;
            done(self, 0, Err(anyhow::anyhow!("stopped")))
        }

        fn again(&self, _record: &str, _article: &Article) -> Option<String> {
            None
        }

        fn finished(&mut self, path: &str, _rendered: Option<&Rendered>) -> Result<()> {
            self.told.push(path.to_owned());
            Ok(())
        }

        fn failed(&mut self, _path: &str, _error: &anyhow::Error) -> Result<String> {
            unreachable!("an interruption is no failure")
        }

        fn is_interrupted(&self) -> bool {
            self.is_interrupted
        }
    }

    /// Works on all articles in one step, which a poisoned one makes panic.
    #[derive(Default)]
    struct Shared(Shout);

    impl Work for Shared {
        fn prepare(&mut self) -> Result<()> {
            self.0.prepare()
        }

        fn work(&mut self, pieces: &[&Piece], done: Done<'_, Self>) -> Result<()> {
            for (number, piece) in pieces.iter().enumerate() {
                let result = self.0.shout(piece);
                done(self, number, result)?;
            }
            Ok(())
        }

        fn again(&self, _record: &str, _article: &Article) -> Option<String> {
            None
        }

        fn finished(&mut self, path: &str, rendered: Option<&Rendered>) -> Result<()> {
            self.0.finished(path, rendered)
        }

        fn failed(&mut self, path: &str, error: &anyhow::Error) -> Result<String> {
            self.0.failed(path, error)
        }

        fn is_interrupted(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_poisoned_article_fails_alone() {
        let mut work = Shared::default();
        let jobs = [job("a", "one"), job("b", "panic"), job("c", "three"), job("d", "bad"), job("e", "five")];
        let tally = run(jobs.into_iter(), None, &mut work).unwrap();
        assert_eq!(tally, Tally { done: 3, failed: 2, ..Tally::default() });
        assert_eq!((work.0.worked.join(" "), work.0.failed.join(" ")), ("a c e".into(), "b d".into()));
        assert_eq!(work.0.n_prepared, 3, "at first, for the second try, and behind its panic");
    }

    #[test]
    fn what_was_finished_before_an_interruption_is_told() {
        let mut work = Backwards::default();
        let jobs = [job("a", "one"), job("b", "two"), job("c", "three")];
        let tally = run(jobs.into_iter(), None, &mut work).unwrap();
        assert_eq!((work.told.join(" "), tally.done), ("c".to_owned(), 1));
        assert!(tally.interrupted);
    }

    #[test]
    fn a_second_run_does_only_what_is_missing_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let go = |settings: &str, b: &str, stop_after| {
            let mut out = Folder::open(folder.path(), "txt").unwrap().under(settings.into());
            let mut work = Shout { stop_after, ..Shout::default() };
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
        let lost = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let lost = lost.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("a-"));
        lost.for_each(|path| fs::remove_file(path).unwrap());
        assert_eq!(go("other", "new", None), (String::new(), 3, false), "a lost file is made from its record");
        assert_eq!(results(folder.path()), ["NEW", "ONE", "THREE"]);
    }
}
