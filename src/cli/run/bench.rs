//! `precis bench`: figures in, a table for people and one line of JSON out.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::super::args::{BenchArgs, Common};
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::render::json;
use super::super::{Exit, config, parts};
use crate::kernel;
use crate::lab::bench::{Extent, Figures, Work, bench, median};
use crate::lab::fidelity::{Fidelity, fidelity};
use crate::lab::throughput::{Agreement, Throughput, agreement, throughput};

#[derive(Serialize)]
struct BenchLine<'a> {
    schema: &'static str,
    #[serde(flatten)]
    figures: &'a Figures,
    prefill_512_gmac_s: f64,
    prefill_2048_gmac_s: f64,
    decode_gb_s: f64,
    /// Medians of what `--compare` ran, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    peer: &'a BTreeMap<String, f64>,
    version: &'static str,
    commit: &'static str,
    model: &'a str,
    model_sha256: &'a str,
    prompt_sha256: String,
    threads: usize,
    compute: &'a str,
}

#[derive(Serialize)]
struct FidelityLine<'a> {
    schema: &'static str,
    rows: &'a [Fidelity],
    commit: &'static str,
    model: &'a str,
    model_sha256: &'a str,
}

#[derive(Serialize)]
struct ThroughputLine<'a> {
    schema: &'static str,
    #[serde(flatten)]
    figures: &'a Throughput,
    /// How alike the texts of the two engines are.
    #[serde(skip_serializing_if = "Option::is_none")]
    with_cpu: Option<Agreement>,
    load_s: f64,
    commit: &'static str,
    model: &'a str,
    compute: &'a str,
}

pub(super) fn run(args: BenchArgs, common: &Common, console: Console, interrupt: &Interrupt) -> Result<Exit> {
    let prompts = config::prompts()?;
    let folder = tempfile::tempdir()?;
    let weights = match args.random {
        None => parts::weights(&args.model, common, console, interrupt)?,
        Some(shape) => {
            console.note("making up weights …");
            parts::random(shape, &args.model, folder.path())?
        }
    };
    if let Some(group) = args.group {
        return run_throughput(&weights, (group.into(), args.articles.into(), args.against_cpu), console, interrupt);
    }
    if let Some(text) = &args.fidelity {
        return run_fidelity(&weights, text, console);
    }
    let mut compute = None;
    let load = || {
        let engine = weights.load(console, interrupt)?;
        compute = Some(engine.compute().clone());
        Ok(engine)
    };
    let mut progress = |step: &str| console.note(&format!("{step} …"));
    let mut rounds = BTreeMap::new();
    let mut compare = || {
        args.compare.iter().try_for_each(|command| {
            console.note(&format!("{command} …"));
            compare(command, &mut rounds)
        })
    };
    let extent = Extent { repeat: args.repeat.into(), long: args.long };
    let figures = bench(load, extent, &prompts, &mut progress, &mut compare)?;
    let peer: BTreeMap<String, f64> = rounds.into_iter().map(|(name, values)| (name, median(values))).collect();
    let work = Work::of(&weights.path)?;
    let identity = &weights.identity;
    let line = BenchLine {
        schema: "precis/bench/1",
        figures: &figures,
        prefill_512_gmac_s: work.prefill_gmac_s(512, figures.prefill_512_tok_s),
        prefill_2048_gmac_s: work.prefill_gmac_s(2048, figures.prefill_2048_tok_s),
        decode_gb_s: work.decode_gb_s(figures.decode_128_tok_s),
        peer: &peer,
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("PRECIS_COMMIT"),
        model: &identity.name,
        model_sha256: &identity.sha256,
        prompt_sha256: prompts.sha256(),
        threads: kernel::n_threads(),
        compute: &compute.context("a model was loaded")?.name(),
    };
    console.out(&table(&line, &work))?;
    console.out(&json::to_line(&line))?;
    Ok(Exit::Done)
}

/// Runs a command, and adds the numbers of its last line to those of its earlier runs.
fn compare(command: &str, rounds: &mut BTreeMap<String, Vec<f64>>) -> Result<()> {
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run `{command}`"))?;
    ensure!(output.status.success(), "`{command}` failed: {}", output.status);
    let output = String::from_utf8_lossy(&output.stdout);
    let last = output.trim_end().lines().last().unwrap_or_default();
    let figures: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(last).with_context(|| format!("`{command}` did not end with a line of JSON"))?;
    for (name, value) in figures {
        if let Some(value) = value.as_f64() {
            rounds.entry(name).or_default().push(value);
        }
    }
    Ok(())
}

fn run_throughput(
    weights: &parts::Weights,
    (group, n_articles, against_cpu): (usize, usize, bool),
    console: Console,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let started = Instant::now();
    let mut engine = weights.load_for(Some(group), console, interrupt)?;
    let load_s = started.elapsed().as_secs_f64();
    let sizes: Vec<usize> = [1, 8, 32, 64, 128].into_iter().filter(|n| *n <= group).collect();
    let mut progress = |step: &str| console.note(&format!("{step} …"));
    let figures = throughput(&mut engine, &sizes, n_articles, &mut progress)?;
    let with_cpu = match against_cpu {
        true => {
            console.note("the same texts on the CPU …");
            let mut cpu = weights.on_cpu().load(console, interrupt)?;
            Some(agreement(&mut cpu, &mut engine)?)
        }
        false => None,
    };
    console.out(&json::to_line(&ThroughputLine {
        schema: "precis/throughput/1",
        figures: &figures,
        with_cpu,
        load_s,
        commit: env!("PRECIS_COMMIT"),
        model: &weights.identity.name,
        compute: &engine.compute().name(),
    }))?;
    Ok(Exit::Done)
}

fn run_fidelity(weights: &parts::Weights, text: &Path, console: Console) -> Result<Exit> {
    const TOKENS: usize = 2000;
    let text = std::fs::read_to_string(text).with_context(|| format!("failed to read `{}`", text.display()))?;
    let mut progress = |step: &str| console.note(&format!("{step} …"));
    console.out(&format!(
        "{:<10}{:<10}{:>12}{:>14}{:>12}{:>12}\n",
        "found", "oracle", "KL, nats", "same argmax", "perplexity", "oracle's"
    ))?;
    let mut report = |row: &Fidelity| {
        console.out(&format!(
            "{:<10}{:<10}{:>12.2e}{:>12.2} %{:>12.4}{:>12.4}\n",
            row.found,
            row.oracle,
            row.kl_nats,
            100.0 * row.same_argmax,
            row.perplexity,
            row.oracle_perplexity
        ))
    };
    let rows = fidelity(&weights.path, &weights.compute()?, &text, TOKENS, &mut progress, &mut report)?;
    console.out(&json::to_line(&FidelityLine {
        schema: "precis/fidelity/1",
        rows: &rows,
        commit: env!("PRECIS_COMMIT"),
        model: &weights.identity.name,
        model_sha256: &weights.identity.sha256,
    }))?;
    Ok(Exit::Done)
}

fn table(line: &BenchLine<'_>, work: &Work) -> String {
    let figures = line.figures;
    let prefill = |n_tokens, tok_s| {
        let gmac_s = work.prefill_gmac_s(n_tokens, tok_s);
        format!("{tok_s:.1} tokens/s, {gmac_s:.0} GMAC/s")
    };
    let mut rows = vec![
        ("prefill of 512".to_owned(), prefill(512, figures.prefill_512_tok_s)),
        ("prefill of 2048".to_owned(), prefill(2048, figures.prefill_2048_tok_s)),
    ];
    if let Some(tok_s) = figures.prefill_8192_tok_s {
        rows.push(("prefill of 8192".to_owned(), prefill(8192, tok_s)));
    }
    rows.extend([
        (
            format!("decode of {} after 512", figures.decode_tokens),
            format!("{:.1} tokens/s, {:.1} GB/s", figures.decode_128_tok_s, line.decode_gb_s),
        ),
        (format!("article of {} tokens", figures.article_tokens), format!("{:.2} s", figures.article_s)),
        ("load".to_owned(), format!("{:.2} s", figures.load_s)),
        ("peak memory".to_owned(), format!("{:.0} MB", figures.peak_rss_mb)),
    ]);
    let ours = serde_json::to_value(figures).expect("figures are numbers");
    for (name, theirs) in line.peer {
        if let Some(ours) = ours[name].as_f64() {
            rows.push((name.clone(), format!("{ours:.1} for the peer's {theirs:.1}: {:.2}", ours / theirs)));
        }
    }
    let model = super::super::render::sanitize::line(line.model);
    let (threads, repeat, compute) = (line.threads, figures.repeat, line.compute);
    let mut out = format!("{model}, {threads} threads, {compute}, median of {repeat}\n\n");
    for (what, figure) in rows {
        out += &format!("{what:<24}{figure:>34}\n");
    }
    out + "\n"
}
