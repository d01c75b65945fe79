//! `precis show`: articles in, what was kept and what was set aside out. No model is needed.

use anyhow::{Result, anyhow};

use super::super::Exit;
use super::super::args::ShowArgs;
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::render::json;
use super::super::render::text::{self, Look};
use super::{exit_of, find_articles, jobs, report, skipped_lines, tell_skipped};
use crate::batch::{self, Done, Piece, Rendered, Work};
use crate::text::Article;

pub(super) fn run(mut args: ShowArgs, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let sentences = match &args.input[..] {
        [_, .., last] if !last.exists() => numbers(&last.to_string_lossy()),
        _ => None,
    };
    args.input.truncate(args.input.len() - usize::from(sentences.is_some()));
    let found = find_articles(&args.input)?;
    let (n_items, skipped) = (found.items.len(), found.skipped.clone());
    let mut shower = Shower { json: args.json, sentences, n_printed: 0, console, interrupt };
    let tally = batch::run(jobs(found), None, &mut shower)?;
    tell_skipped(&skipped, console);
    if args.json {
        console.out(&skipped_lines(&skipped))?;
    }
    Ok(exit_of(tally, n_items))
}

/// `3,7`.
fn numbers(word: &str) -> Option<Vec<usize>> {
    word.split(',').map(|number| number.parse().ok()).collect()
}

struct Shower<'a> {
    json: bool,
    /// Those to be shown, counted from 1.
    sentences: Option<Vec<usize>>,
    n_printed: usize,
    console: Console,
    interrupt: &'a Interrupt,
}

impl Work for Shower<'_> {
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    fn work(&mut self, pieces: &[&Piece], done: Done<'_, Self>) -> Result<()> {
        let look = Look { color: self.console.color, verbose: self.console.verbose };
        for (number, piece) in pieces.iter().enumerate() {
            let n_sentences = piece.article.sentences.len();
            let asked = self.sentences.iter().flatten();
            let absent = asked.copied().find(|number| !(1..=n_sentences).contains(number));
            let content = match (self.json, &self.sentences) {
                _ if absent.is_some() => String::new(),
                (true, _) => json::article(&piece.article),
                (false, None) => text::article(&piece.article, look),
                (false, Some(sentences)) => text::in_context(&piece.article, sentences, look),
            };
            let rendered = match absent {
                Some(absent) => Err(anyhow!("it has no sentence {absent}, but {n_sentences}")),
                None => Ok(Rendered { content, record: String::new() }),
            };
            done(self, number, rendered)?;
        }
        Ok(())
    }

    fn again(&self, _record: &str, _article: &Article) -> Option<String> {
        None
    }

    fn finished(&mut self, _path: &str, rendered: Option<&Rendered>) -> Result<()> {
        let Some(rendered) = rendered else {
            return Ok(());
        };
        let gap = if self.n_printed > 0 && !self.json { "\n" } else { "" };
        self.n_printed += 1;
        self.console.out(&format!("{gap}{}", rendered.content))
    }

    fn failed(&mut self, path: &str, error: &anyhow::Error) -> Result<String> {
        let cause = report(path, error, self.console);
        let line = json::error(path, &cause);
        if self.json {
            self.console.out(&line)?;
        }
        Ok(line)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_pressed()
    }
}
