//! `precis eval`: sets of questions in, a table for people and a line of JSON a result out.

use anyhow::{Result, bail};
use serde::Serialize;

use super::super::args::{Common, EvalArgs, EvalKind};
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::render::{json, sanitize};
use super::super::{Exit, parts, progress};
use crate::corpus::Encoder;
use crate::lab::eval::{Retrieval, Set, retrieval};

#[derive(Serialize)]
struct EvalLine<'a> {
    schema: &'static str,
    kind: &'static str,
    set: &'a str,
    #[serde(flatten)]
    result: &'a Retrieval,
    settings: Settings,
    model_sha256: Option<&'a str>,
    version: &'static str,
    commit: &'static str,
    seconds: f64,
}

#[derive(Serialize, Clone, Copy)]
struct Settings {
    sample: u32,
    search: &'static str,
}

pub(super) fn run(
    args: EvalArgs,
    common: &Common,
    console: Console,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let EvalKind::Retrieval = args.kind;
    let sets = match (&args.docs, &args.qa, &args.data) {
        (Some(docs), Some(qa), _) => vec![Set {
            name: qa
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            docs: docs.clone(),
            qa: qa.clone(),
        }],
        (_, _, Some(data)) => args
            .set
            .iter()
            .map(|name| Set::named(name, data))
            .collect::<Result<_>>()?,
        _ => bail!("name sets with --data, or files with --docs and --qa"),
    };
    let mut encoder = match args.lexical {
        true => None,
        false => parts::encoder(common, console, interrupt)?,
    };
    let settings = Settings {
        sample: args.sample,
        search: if encoder.is_some() {
            "hybrid"
        } else {
            "lexical"
        },
    };
    let model_sha256 = encoder.as_ref().map(|encoder| encoder.sha256().to_owned());
    let cache = parts::cache_folder()?.join("eval");
    let (mut table, mut lines) = (String::new(), String::new());
    for set in &sets {
        let began = std::time::Instant::now();
        let mut counts = progress::Counts::new(console);
        let results = retrieval(
            set,
            args.sample as usize,
            &cache,
            encoder.as_mut().map(|encoder| encoder as &mut dyn Encoder),
            &mut |what, done, total| {
                counts.at(what, done, total);
                match interrupt.is_pressed() {
                    true => bail!("interrupted"),
                    false => Ok(()),
                }
            },
        )?;
        drop(counts);
        for result in &results {
            table += &row(&set.name, result);
            lines += &json::to_line(&EvalLine {
                schema: "precis/eval/1",
                kind: "retrieval",
                set: &set.name,
                result,
                settings,
                model_sha256: model_sha256.as_deref(),
                version: env!("CARGO_PKG_VERSION"),
                commit: env!("PRECIS_COMMIT"),
                seconds: began.elapsed().as_secs_f64(),
            });
        }
    }
    if !args.json {
        console.out(&format!(
            "{:<28}{:>8}{:>7}{:>22}{:>10}{:>10}{:>7}{:>10}\n{table}\n",
            "set", "articles", "n", "recall@5 (95 %)", "recall@1", "@10", "MRR", "p95"
        ))?;
    }
    console.out(&lines)?;
    Ok(Exit::Done)
}

fn row(set: &str, result: &Retrieval) -> String {
    let metric = |name| result.metrics[name];
    let [low, high] = result.ci95["recall_at_5"];
    format!(
        "{:<28}{:>8}{:>7}{:>22}{:>10.3}{:>10.3}{:>7.3}{:>7.1} ms\n",
        sanitize::line(&format!("{set} {}", result.leg)),
        result.n_docs,
        result.n,
        format!("{:.3} ({low:.3}–{high:.3})", metric("recall_at_5")),
        metric("recall_at_1"),
        metric("recall_at_10"),
        metric("mrr"),
        result.search_p95_ms,
    )
}
