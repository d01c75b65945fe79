//! `precis ask`: a corpus and questions in, answers with their sources out, or that there is none.

use std::io::{self, BufRead, IsTerminal, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::args::{AskArgs, CACHE_KV, Common, FilterArgs, Format, LangChoice, LangGroup};
use super::super::console::Console;
use super::super::error::{CallError, explain};
use super::super::interrupt::Interrupt;
use super::super::render::text::Look;
use super::super::render::{self, Fingerprint, catalogue, json, sanitize};
use super::super::{Exit, config, parts, progress, repl};
use super::{find_articles, tell_skipped};
use crate::compose::question::{is_about_collection, lang_of};
use crate::compose::{self, Answer, AnswerPlan, Turn};
use crate::corpus::Encoder;
use crate::corpus::filter::{Filter, Narrowed};
use crate::corpus::index::{Index, Rebuilt, folder_of};
use crate::model::embed::Embedder;
use crate::model::engine::Engine;

/// A longer line is no question.
const MAX_QUESTION_BYTES: u64 = 64 << 10;

pub(super) fn run(args: AskArgs, common: &Common, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    if args.question.as_ref().is_some_and(|question| question.trim().is_empty()) {
        return Err(CallError::EmptyQuestion.into());
    }
    if args.format == Some(Format::Html) {
        return Err(CallError::NoPage.into());
    }
    let filter = filter(args.filter)?;
    let Some(mut index) = synced(&args.corpus, console, interrupt)? else {
        return Ok(Exit::Interrupted);
    };
    narrow(&mut index, filter, console)?;
    let format = args.format.unwrap_or(Format::Text);
    let look = Look { color: console.color, verbose: console.verbose };
    if let Some(question) = &args.question
        && let Some(told) = of_collection(question, &index, format, look)?
    {
        console.out(&told)?;
        return Ok(Exit::Done);
    }
    let mut encoder = parts::encoder(common, console, interrupt)?;
    if let Some(encoder) = &mut encoder {
        embed(&mut index, encoder, console, interrupt)?;
        if interrupt.is_pressed() {
            return Ok(Exit::Interrupted);
        }
    }
    let plan = AnswerPlan {
        lang: args.answer_lang.and_then(LangChoice::lang),
        sampling: parts::sampling(&args.model),
        prompts: config::prompts()?,
    };
    let weights =
        parts::weights(&args.model, common, console, interrupt)?.keeping(args.keep.cache_kv.unwrap_or(CACHE_KV))?;
    let engine = weights.load(console, interrupt)?;
    let mut fingerprint = Fingerprint::new(&weights.identity, plan.prompts.sha256(), plan.sampling);
    fingerprint.compute = engine.compute().name();
    let mut session =
        Session { fingerprint, engine, index, encoder, plan, n_passages: args.passages.into(), format, look, console };
    match args.question {
        Some(question) => {
            let answer = session.ask(question.trim(), &[])?;
            session.print(question.trim(), &answer)?;
            Ok(if answer.found() { Exit::Done } else { Exit::NothingFound })
        }
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => repl::run(&mut session, interrupt),
        None => ask_each_line(&mut session, interrupt),
    }
}

/// All that stays the same from question to question.
pub(in crate::cli) struct Session {
    engine: Engine,
    index: Index,
    encoder: Option<Embedder>,
    plan: AnswerPlan,
    fingerprint: Fingerprint,
    n_passages: usize,
    format: Format,
    look: Look,
    pub(in crate::cli) console: Console,
}

impl Session {
    /// Answers one question, understood in the light of what was said before.
    pub(in crate::cli) fn ask(&mut self, question: &str, turns: &[Turn]) -> Result<Answer> {
        let wait = progress::Wait::new(self.console, "reading");
        let (index, encoder, n_passages) = (&self.index, &mut self.encoder, self.n_passages);
        let search = |question: &str| {
            let encoder = encoder.as_mut().map(|it| it as &mut dyn Encoder);
            index.search(question, encoder, n_passages)
        };
        let answered = compose::ask(question, turns, search, &mut self.engine, &self.plan);
        wait.pause(|| parts::warn_of_kv(&mut self.engine, self.console));
        let (answer, understood) = answered?;
        if self.console.verbose && understood != [question] {
            wait.pause(|| self.console.note(&format!("understood as: {}", understood.join(" | "))));
        }
        Ok(answer)
    }

    /// The answer to a question about the collection itself; `None` where the articles have to answer.
    pub(in crate::cli) fn of_collection(&self, question: &str) -> Result<Option<String>> {
        of_collection(question, &self.index, self.format, self.look)
    }

    /// Prints an answer.
    pub(in crate::cli) fn print(&self, question: &str, answer: &Answer) -> Result<()> {
        let rendered = render::answer(question, answer, &self.fingerprint, self.format, self.look);
        self.console.out(&rendered)
    }
}

/// The index of the corpus, up to date; `None` when somebody did not want to wait for it.
fn synced(corpus: &Path, console: Console, interrupt: &Interrupt) -> Result<Option<Index>> {
    if corpus == Path::new("-") {
        return Err(CallError::CorpusIsStdin.into());
    }
    let mut found = find_articles(&[corpus.to_owned()])?;
    if found.items.is_empty() {
        return Err(found.problems.swap_remove(0).into());
    }
    tell_skipped(&found.skipped, console);
    for problem in found.problems {
        console.warn(&sanitize::line(&problem.to_string()));
    }
    let mut index = Index::open(&folder_of(&parts::cache_folder()?, &[corpus])).context("failed to open the index")?;
    let mut counts = progress::Counts::new(console);
    let report = index
        .sync(&found.items, &mut |done, total| {
            counts.at("files indexed", done, total);
            match interrupt.is_pressed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
        .context("failed to bring the index up to date")?;
    drop(counts);
    match &report.rebuilt {
        Some(Rebuilt::OtherFormat) => {
            console.note("the index was of another version of the program and is made anew");
        }
        Some(Rebuilt::Damaged(cause)) => {
            console.warn(&sanitize::line(&format!("the index was damaged and is made anew: {cause}")))
        }
        None => {}
    }
    for (path, why) in &report.failed {
        console.warn(&sanitize::line(&format!("not searched: `{path}`: {why}")));
    }
    for (language, n) in &report.foreign {
        let articles = if *n == 1 { "1 article is".to_owned() } else { format!("{n} articles are") };
        console.note(&format!("{articles} in {language}, outside what was measured"));
    }
    if report.interrupted {
        console.note("interrupted: the index goes on from here at the next call");
        return Ok(None);
    }
    if report.articles == 0 {
        return Err(CallError::NoArticles { inputs: format!("`{}`", corpus.display()), others: 0, own: 0 }.into());
    }
    Ok(Some(index))
}

/// What the index itself answers: how many articles there are, of when, under which titles. Of one article it knows less
/// than that says itself.
fn of_collection(question: &str, index: &Index, format: Format, look: Look) -> Result<Option<String>> {
    if !is_about_collection(question) {
        return Ok(None);
    }
    let articles = index.catalogue()?;
    Ok((articles.len() > 1).then(|| match format {
        Format::Json => catalogue::json(question, &articles),
        Format::Text | Format::Md | Format::Html => catalogue::text(&articles, lang_of(question), look),
    }))
}

fn filter(args: FilterArgs) -> Result<Filter> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && !until.may_be_since(since)
    {
        return Err(CallError::NoDayLeft.into());
    }
    Ok(Filter {
        paths: args.path,
        langs: args.lang.map_or(Vec::new(), LangGroup::langs),
        since: args.since,
        until: args.until,
    })
}

/// Lets searches see only what was asked for, and says what is left out for having no date.
fn narrow(index: &mut Index, filter: Filter, console: Console) -> Result<()> {
    if filter.is_empty() {
        return Ok(());
    }
    let Narrowed { articles, undated } = index.narrow(filter)?;
    match (articles, undated) {
        (0, undated) => return Err(CallError::NothingToSearch { undated }.into()),
        (_, 0) => {}
        (_, 1) => console.note("1 article is not searched, because it has no date"),
        (_, n) => console.note(&format!("{n} articles are not searched, because they have no date")),
    }
    Ok(())
}

/// The longest that a question waits for passages to be embedded.
const EMBEDDING_TIME: Duration = Duration::from_secs(60);

/// Embeds what is new in the corpus, for as long as somebody may be expected to wait. What is left is found by words
/// until a later call has embedded it.
fn embed(index: &mut Index, encoder: &mut Embedder, console: Console, interrupt: &Interrupt) -> Result<()> {
    let began = Instant::now();
    let mut counts = progress::Counts::new(console);
    let mut left = None;
    index
        .embed(encoder, &mut |done, total| {
            counts.at("passages embedded", done, total);
            if interrupt.is_pressed() {
                return ControlFlow::Break(());
            }
            if began.elapsed() < EMBEDDING_TIME {
                return ControlFlow::Continue(());
            }
            left = Some(total - done);
            ControlFlow::Break(())
        })
        .context("failed to embed the passages")?;
    drop(counts);
    if let Some(left) = left {
        console.note(&format!(
            "{left} passages are found by words alone for now; later calls embed them, a minute's worth each"
        ));
    }
    Ok(())
}

/// One question a line, each on its own; one that fails does not stop the others.
fn ask_each_line(session: &mut Session, interrupt: &Interrupt) -> Result<Exit> {
    let mut stdin = io::stdin().lock();
    let (mut n_asked, mut n_found, mut n_failed) = (0, 0, 0);
    while !interrupt.is_pressed() {
        let Some(line) = next_line(&mut stdin)? else {
            break;
        };
        let question = line.trim();
        if question.is_empty() {
            continue;
        }
        if n_asked > 0 && session.format != Format::Json {
            session.console.out("\n")?;
        }
        n_asked += 1;
        if let Some(told) = session.of_collection(question)? {
            n_found += 1;
            session.console.out(&told)?;
            continue;
        }
        match session.ask(question, &[]) {
            Ok(answer) => {
                n_found += usize::from(answer.found());
                session.print(question, &answer)?;
            }
            Err(_) if interrupt.is_pressed() => break,
            Err(error) => {
                n_failed += 1;
                session.console.error(&explain(&error));
                if session.format == Format::Json {
                    session.console.out(&json::error(question, &format!("{error:#}")))?;
                }
            }
        }
    }
    Ok(match () {
        () if interrupt.is_pressed() => Exit::Interrupted,
        () if n_asked == 0 => return Err(CallError::EmptyQuestion.into()),
        () if n_failed > 0 => Exit::SomeFailed,
        () if n_found == 0 => Exit::NothingFound,
        () => Exit::Done,
    })
}

fn next_line(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = Vec::new();
    let n_bytes = input.take(MAX_QUESTION_BYTES).read_until(b'\n', &mut line);
    match n_bytes.context("failed to read questions from standard input")? {
        0 => Ok(None),
        n if n as u64 == MAX_QUESTION_BYTES && !line.ends_with(b"\n") => {
            bail!("a question has more than {MAX_QUESTION_BYTES} bytes")
        }
        _ => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
    }
}
