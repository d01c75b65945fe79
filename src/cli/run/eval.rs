//! `precis eval`: sets in, a table for people and one line of JSON out.

use std::collections::BTreeMap;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::super::args::{Common, EvalArgs, LegsChoice};
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::render::{json, sanitize};
use super::super::{Exit, config, parts, progress};
use crate::compose::{AnswerPlan, Style};
use crate::corpus::Encoder;
use crate::lab::eval::{Kind, Lab, Outcome, Set, Settings, eval};
use crate::lab::items;
use crate::model::LanguageModel;

#[derive(Serialize)]
struct EvalLine<'a> {
    schema: &'static str,
    kind: Kind,
    /// What was measured, if it is one thing.
    #[serde(flatten)]
    only: Option<&'a Outcome>,
    /// What was measured, if it is several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    results: &'a [Outcome],
    sample: u32,
    settings: &'a Settings,
    model: Option<&'a str>,
    model_sha256: Option<&'a str>,
    version: &'static str,
    commit: &'static str,
    seconds: f64,
}

pub(super) fn run(args: EvalArgs, common: &Common, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let kind = args.kind;
    let sets = sets(&args)?;
    let earlier = args.versus.as_deref().map(items::read).transpose()?;
    let plan = AnswerPlan { lang: None, sampling: parts::sampling(&args.model), prompts: config::prompts()? };
    let mut encoder = match kind.searches() && !args.lexical {
        true => parts::encoder(common, console, interrupt)?,
        false => None,
    };
    let weights = match kind.asks_a_model() {
        true => Some(parts::weights(&args.model, common, console, interrupt)?),
        false => None,
    };
    let mut engine = weights.as_ref().map(|weights| weights.load(console, interrupt)).transpose()?;
    let identity = weights.as_ref().map(|weights| &weights.identity);
    let search = match &encoder {
        _ if !kind.searches() => None,
        Some(_) => Some("hybrid"),
        None => Some("lexical"),
    };
    let settings = Settings {
        search,
        passages: args.passages.into(),
        style: args.style.unwrap_or(Style::Points),
        words: args.words.map(usize::from),
        sampling: format!("{:?}", plan.sampling),
        model_sha256: identity.map(|identity| identity.sha256.clone()),
        encoder_sha256: encoder.as_ref().map(|encoder| encoder.sha256().to_owned()),
        prompts_sha256: plan.prompts.sha256(),
        build: build(),
    };
    let began = Instant::now();
    let mut counts = progress::Counts::new(console);
    let mut lab = Lab {
        settings: settings.clone(),
        n_sample: args.sample as usize,
        all_legs: args.legs.map_or(kind == Kind::Retrieval, |it| it == LegsChoice::All),
        plan,
        lm: engine.as_mut().map(|it| it as &mut dyn LanguageModel),
        encoder: encoder.as_mut().map(|it| it as &mut dyn Encoder),
        cache: parts::cache_folder()?.join("eval"),
        progress: &mut |what, done, total| {
            counts.at(what, done, total);
            match interrupt.is_pressed() {
                true => bail!("interrupted"),
                false => Ok(()),
            }
        },
    };
    let mut outcomes = Vec::new();
    for set in &sets {
        outcomes.extend(eval(kind, set, &mut lab)?);
    }
    drop(lab);
    drop(counts);
    if let Some(earlier) = &earlier {
        outcomes.iter_mut().for_each(|it| it.compare(earlier));
        if outcomes.iter().all(|it| it.versus.iter().all(BTreeMap::is_empty)) {
            console.warn("nothing to compare: the earlier run judged none of these items");
        }
    }
    if let Some(path) = &args.items {
        items::write(path, outcomes.iter().flat_map(|outcome| &outcome.items))?;
    }
    if !args.json {
        let tables: Vec<String> = outcomes.iter().map(table).collect();
        console.out(&tables.concat())?;
    }
    let (only, results) = match &outcomes[..] {
        [only] => (Some(only), &[][..]),
        several => (None, several),
    };
    console.out(&json::to_line(&EvalLine {
        schema: "precis/eval/1",
        kind,
        only,
        results,
        sample: args.sample,
        settings: &settings,
        model: identity.map(|identity| &*identity.name),
        model_sha256: identity.map(|identity| &*identity.sha256),
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("PRECIS_COMMIT"),
        seconds: began.elapsed().as_secs_f64(),
    }))?;
    Ok(Exit::Done)
}

fn sets(args: &EvalArgs) -> Result<Vec<Set>> {
    let kind = args.kind;
    let Some(docs) = &args.docs else {
        let Some(data) = &args.data else {
            bail!("name sets with --data, or files with --docs and --qa");
        };
        let names = args.set.iter();
        return names.map(|name| Set::named(kind, name, data)).collect();
    };
    ensure!(
        kind == Kind::Readers || args.summaries.is_none(),
        "no summaries are asked for: --summaries has no meaning here"
    );
    ensure!(
        kind == Kind::Readers && args.summaries.is_some() || kind.has_questions() == args.qa.is_some(),
        match &args.qa {
            None => "questions about the documents are needed too: --qa",
            Some(_) => "no questions are asked: --qa has no meaning here",
        }
    );
    let name = args.qa.as_ref().unwrap_or(docs).file_stem();
    Ok(vec![Set {
        name: name.unwrap_or_default().to_string_lossy().into_owned(),
        docs: docs.clone(),
        qa: args.qa.clone(),
        summaries: args.summaries.clone(),
    }])
}

/// The commit and, where the sources differ from it, when the program was built: outcomes of another program are not
/// gone on with.
fn build() -> String {
    let commit = env!("PRECIS_COMMIT");
    if commit != "unknown" && !commit.ends_with("-dirty") {
        return commit.to_owned();
    }
    let built = std::env::current_exe()
        .and_then(|path| path.metadata()?.modified())
        .context("failed to tell when the program was built");
    let nanos = built.map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());
    format!("{commit} {}", nanos.unwrap_or_default())
}

/// One line a metric, under the name of what was measured.
fn table(outcome: &Outcome) -> String {
    let Outcome { set, leg, n, .. } = outcome;
    let searched = outcome.n_docs.map(|n| format!(", {n} articles searched"));
    let head = format!("{set} {leg}: {n} items{}", searched.unwrap_or_default());
    let mut out = sanitize::line(&head) + "\n";
    for (name, value) in &outcome.metrics {
        let [low, high] = outcome.ci95[name];
        out += &format!("  {name:<22}{:>9}  ({}–{})", short(*value), short(low), short(high));
        if let Some(n_of) = outcome.counts.get(name).filter(|n_of| *n_of != n) {
            out += &format!("  of {n_of}");
        }
        if let Some(change) = outcome.versus.as_ref().and_then(|all| all.get(name)) {
            let [low, high] = change.ci95;
            out += &format!(
                "  {:+.3} ({low:+.3} to {high:+.3}), {} higher, {} lower of {}",
                change.difference, change.n_higher, change.n_lower, change.n
            );
        }
        out.push('\n');
    }
    out + "\n"
}

/// Three figures behind the point of a share, one of anything that is larger.
fn short(value: f64) -> String {
    match value.abs() < 10.0 {
        true => format!("{value:.3}"),
        false => format!("{value:.1}"),
    }
}
