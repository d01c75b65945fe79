//! `precis sum`: articles in, summaries to standard output or to a folder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::super::args::{Common, Format, LangChoice, SumArgs};
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::parts::{self, Weights};
use super::super::progress;
use super::super::render::record::{ErrorRecord, OverviewRecord, Record, SummaryRecord};
use super::super::render::text::Look;
use super::super::render::{self, Fingerprint, html, json};
use super::super::{Exit, config};
use super::{exit_of, find_articles, jobs, report, skipped_lines, tell_skipped};
use crate::batch::{self, Done, Folder, Job, Piece, Place, Rendered, Work};
use crate::compose::{Style, SummaryPlan, overview, summarize, together};
use crate::corpus::source::Found;
use crate::model::engine::Engine;
use crate::model::{LanguageModel, Usage};
use crate::text::Article;

pub(super) fn run(args: SumArgs, common: &Common, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let format = args.format.unwrap_or(Format::Text);
    let found = find_articles(&args.input)?;
    let plan = SummaryPlan {
        style: args.style.unwrap_or(Style::Points),
        lang: args.lang.and_then(LangChoice::lang),
        words: args.words.map(usize::from),
        sampling: parts::sampling(&args.model),
        prompts: config::prompts()?,
    };
    if args.together {
        return tell_together(found, plan, &args, common, console, interrupt);
    }
    // A folder that cannot be written to is found out before a gigabyte is fetched for nothing.
    let folder = args.output.as_deref().map(|path| Folder::open(path, format.extension()));
    let folder = folder.transpose()?;
    let weights = parts::weights(&args.model, common, console, interrupt)?.keeping(args.keep.cache_kv.unwrap_or(0))?;
    let prompt_sha256 = plan.prompts.sha256();
    // Not the form: it can be made of a record anew.
    let shaping = (plan.style, plan.lang, plan.words, plan.sampling, &prompt_sha256, &weights.identity.sha256);
    let settings = serde_json::to_string(&shaping)?;
    let mut folder = folder.map(|folder| folder.under(settings));
    let in_folder = folder.is_some();
    let recipe = Recipe {
        fingerprint: Fingerprint::new(&weights.identity, prompt_sha256, plan.sampling),
        look: Look { color: console.color && !in_folder, verbose: console.verbose },
        plan,
        format,
    };
    let mut summarizer = Summarizer {
        recipe: Arc::new(recipe),
        progress: progress::Articles::new(console, found.items.len() + found.problems.len()),
        interrupt: interrupt.clone(),
        engine: None,
        n_printed: 0,
        page: (Vec::new(), Vec::new()),
        weights,
        in_folder,
        console,
    };
    let (n_items, skipped) = (found.items.len(), found.skipped.clone());
    let tally = batch::run(jobs(found), folder.as_mut(), &mut summarizer)?;
    let (entries, failed) = std::mem::take(&mut summarizer.page);
    drop(summarizer);
    if format == Format::Html && !in_folder {
        console.out(&html::page(&entries, &failed))?;
    }
    if let Some(output) = &args.output {
        let (done, skipped, failed) = (tally.done, tally.skipped, tally.failed);
        let folder = output.display();
        console.note(&format!("{done} done, {skipped} done before, {failed} failed: `{folder}`"));
    }
    tell_skipped(&skipped, console);
    if format == Format::Json && !in_folder {
        console.out(&skipped_lines(&skipped))?;
    }
    if tally.interrupted {
        console.note(match in_folder {
            true => "interrupted: what is done is kept, and the same call goes on from here",
            false => "interrupted",
        });
    }
    Ok(exit_of(tally, n_items))
}

/// One overview of everything that was found.
fn tell_together(
    found: Found,
    plan: SummaryPlan,
    args: &SumArgs,
    common: &Common,
    console: Console,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let format = args.format.unwrap_or(Format::Text);
    tell_skipped(&found.skipped, console);
    let mut lines = if format == Format::Json { skipped_lines(&found.skipped) } else { String::new() };
    let (mut articles, mut n_failed) = (Vec::new(), 0);
    for Job { path, read, .. } in jobs(found) {
        if interrupt.is_pressed() {
            return Ok(Exit::Interrupted);
        }
        match batch::guarded(read) {
            Ok(article) => articles.push(article),
            Err(error) => {
                let cause = report(&path, &error, console);
                lines += &if format == Format::Json { json::error(&path, &cause) } else { String::new() };
                n_failed += 1;
            }
        }
    }
    console.out(&lines)?;
    if articles.is_empty() {
        return Ok(Exit::CouldNotRun);
    }
    let weights = parts::weights(&args.model, common, console, interrupt)?.keeping(args.keep.cache_kv.unwrap_or(0))?;
    let mut engine = weights.load(console, interrupt)?;
    let mut fingerprint = Fingerprint::new(&weights.identity, plan.prompts.sha256(), plan.sampling);
    fingerprint.compute = engine.compute().name();
    let wait = progress::Wait::new(console, "reading");
    let overview = overview(&articles, &mut engine, &plan);
    wait.pause(|| parts::warn_of_kv(&mut engine, console));
    drop(wait);
    let (overview, look) = (overview?, Look { color: console.color, verbose: console.verbose });
    console.out(&match format {
        Format::Html => {
            let entry = html::Entry::of(&Record::Overview(OverviewRecord::new(&overview, &fingerprint)), &articles);
            html::page(&Vec::from_iter(entry), &[])
        }
        format => render::overview(&overview, &fingerprint, format, look),
    })?;
    Ok(if n_failed > 0 { Exit::SomeFailed } else { Exit::Done })
}

/// About three lines of an article come together; so many articles have theirs written beside each other that the
/// weights are read once for as many lines as the engine writes at once.
fn articles_at_once(engine: &Engine) -> usize {
    engine.group().div_ceil(3).max(4)
}

/// What is made of an article.
struct Recipe {
    plan: SummaryPlan,
    fingerprint: Fingerprint,
    format: Format,
    look: Look,
}

impl Recipe {
    fn tell(&self, article: &Article, place: Option<&Place>, lm: &mut dyn LanguageModel) -> Result<(Rendered, Usage)> {
        let mut summary = SummaryRecord::new(article, summarize(article, lm, &self.plan)?, &self.fingerprint);
        let content = self.content(&summary, article, place.is_some());
        let mut record = String::new();
        if let Some(Place { key, file }) = place {
            (summary.key, summary.file) = (Some(key.clone()), Some(file.clone()));
            record = json::to_line(&summary).trim_end().to_owned();
        }
        Ok((Rendered { content, record }, summary.usage))
    }

    /// The summary in the form asked for. Of a page on standard output it is the part that tells of this article, as JSON,
    /// until all are done.
    fn content(&self, summary: &SummaryRecord, article: &Article, in_folder: bool) -> String {
        match self.format {
            Format::Html => {
                let entry = html::Entry::of(&Record::Summary(summary.clone()), std::slice::from_ref(article));
                if in_folder { html::page(&Vec::from_iter(entry), &[]) } else { json::to_line(&entry) }
            }
            format => render::summary(summary, format, self.look),
        }
    }
}

struct Summarizer {
    weights: Weights,
    engine: Option<Engine>,
    recipe: Arc<Recipe>,
    in_folder: bool,
    console: Console,
    progress: progress::Articles,
    interrupt: Interrupt,
    n_printed: usize,
    /// What a page on standard output will hold: results, and the articles that gave none.
    page: (Vec<serde_json::Value>, Vec<ErrorRecord>),
}

impl Summarizer {
    /// Results of people's formats are told apart by a blank line.
    fn print(&mut self, content: &str) -> Result<()> {
        let gap = if self.n_printed > 0 && self.recipe.format != Format::Json { "\n" } else { "" };
        self.n_printed += 1;
        self.progress.pause(|| self.console.out(&format!("{gap}{content}")))
    }
}

impl Work for Summarizer {
    fn prepare(&mut self) -> Result<()> {
        self.engine = None; // frees the old one before a new one takes its place
        let engine = self.weights.load(self.console, &self.interrupt)?;
        if let Some(recipe) = Arc::get_mut(&mut self.recipe) {
            recipe.fingerprint.compute = engine.compute().name();
        }
        self.engine = Some(engine);
        Ok(())
    }

    fn work(&mut self, pieces: &[&Piece], done: Done<'_, Self>) -> Result<()> {
        let mut engine = self.engine.take().expect("`prepare` comes first");
        let recipe = self.recipe.clone();
        let mut outcome = Ok(());
        let is_over = AtomicBool::new(false);
        let tell = |number: usize, lm: &mut dyn LanguageModel| {
            let piece = pieces[number];
            anyhow::ensure!(!is_over.load(Ordering::Relaxed), "the run is over");
            batch::guarded(|| recipe.tell(&piece.article, piece.place.as_ref(), lm))
        };
        let n_workers = articles_at_once(&engine);
        together(pieces.len(), n_workers, &mut engine, tell, &mut |number, told| {
            if outcome.is_ok() {
                let rendered = told.map(|(rendered, usage)| {
                    self.progress.spent(&usage);
                    rendered
                });
                outcome = done(self, number, rendered);
                is_over.store(outcome.is_err(), Ordering::Relaxed);
            }
        });
        self.progress.pause(|| parts::warn_of_kv(&mut engine, self.console));
        self.engine = Some(engine);
        outcome
    }

    fn again(&self, record: &str, article: &Article) -> Option<String> {
        match serde_json::from_str(record) {
            Ok(Record::Summary(summary)) => Some(self.recipe.content(&summary, article, true)),
            _ => None,
        }
    }

    fn finished(&mut self, path: &str, rendered: Option<&Rendered>) -> Result<()> {
        self.progress.advance();
        match rendered {
            Some(rendered) if !self.in_folder && self.recipe.format == Format::Html => {
                self.page.0.push(serde_json::from_str(&rendered.content)?);
            }
            Some(rendered) if !self.in_folder => self.print(&rendered.content)?,
            None if self.console.verbose => {
                let path = render::sanitize::line(path);
                self.progress.pause(|| self.console.note(&format!("done before: {path}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn failed(&mut self, path: &str, error: &anyhow::Error) -> Result<String> {
        let cause = self.progress.pause(|| report(path, error, self.console));
        self.progress.advance();
        let line = json::error(path, &cause);
        self.page.1.push(ErrorRecord { path: path.to_owned(), error: cause });
        if self.recipe.format == Format::Json && !self.in_folder {
            self.print(&line)?;
        }
        Ok(line.trim_end().to_owned())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_pressed()
    }
}
