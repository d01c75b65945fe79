//! `precis bench`: figures in, a table for people and one line of JSON out.

use anyhow::Result;
use serde::Serialize;

use super::super::args::{BenchArgs, Common};
use super::super::console::Console;
use super::super::interrupt::Interrupt;
use super::super::render::json;
use super::super::{Exit, config, parts};
use crate::kernel;
use crate::lab::bench::{Figures, bench};

#[derive(Serialize)]
struct BenchLine<'a> {
    schema: &'static str,
    #[serde(flatten)]
    figures: &'a Figures,
    version: &'static str,
    commit: &'static str,
    model: &'a str,
    model_sha256: &'a str,
    prompt_sha256: String,
    threads: usize,
}

pub(super) fn run(
    args: BenchArgs,
    common: &Common,
    console: Console,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let prompts = config::prompts()?;
    let weights = parts::weights(&args.model, common, console, interrupt)?;
    let load = || weights.load(interrupt);
    let mut progress = |step: &str| console.note(&format!("{step} …"));
    let figures = bench(load, args.repeat.into(), &prompts, &mut progress)?;
    let threads = kernel::n_threads();
    let identity = &weights.identity;
    console.out(&table(&figures, &identity.name, threads))?;
    console.out(&json::to_line(&BenchLine {
        schema: "precis/bench/1",
        figures: &figures,
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("PRECIS_COMMIT"),
        model: &identity.name,
        model_sha256: &identity.sha256,
        prompt_sha256: prompts.sha256(),
        threads,
    }))?;
    Ok(Exit::Done)
}

fn table(figures: &Figures, model: &str, threads: usize) -> String {
    let rows = [
        (
            "prefill of 512".to_owned(),
            format!("{:.1} tokens/s", figures.prefill_512_tok_s),
        ),
        (
            "prefill of 2048".to_owned(),
            format!("{:.1} tokens/s", figures.prefill_2048_tok_s),
        ),
        (
            format!("decode of {} after 512", figures.decode_tokens),
            format!("{:.1} tokens/s", figures.decode_128_tok_s),
        ),
        (
            format!("article of {} tokens", figures.article_tokens),
            format!("{:.2} s", figures.article_s),
        ),
        ("load".to_owned(), format!("{:.2} s", figures.load_s)),
        (
            "peak memory".to_owned(),
            format!("{:.0} MB", figures.peak_rss_mb),
        ),
    ];
    let model = super::super::render::sanitize::line(model);
    let repeat = figures.repeat;
    let mut out = format!("{model}, {threads} threads, median of {repeat}\n\n");
    for (what, figure) in rows {
        out += &format!("{what:<28}{figure:>18}\n");
    }
    out + "\n"
}
