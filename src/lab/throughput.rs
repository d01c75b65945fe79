//! A model in, how much of it a machine gets through out: prompts read, tokens written beside one another, and whole
//! articles of 2,000 tokens in and 150 out. Prints nothing and keeps nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::kernel::Compute;
use crate::model::engine::Engine;
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Usage};

/// The figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Throughput {
    /// Tokens read a second, by the length of the prompts, which come one after the other.
    pub prefill_tok_s: BTreeMap<usize, f64>,
    /// Tokens written a second behind prompts of 512 tokens, by how many texts are written at once.
    pub decode_tok_s: BTreeMap<usize, f64>,
    /// Milliseconds in which each of these texts gets a token.
    pub decode_step_ms: BTreeMap<usize, f64>,
    /// Seconds for one article alone.
    pub article_s: f64,
    /// Articles in all, and how many of them a second.
    pub articles: usize,
    /// As `articles`.
    pub articles_s: f64,
    /// Tokens written for them: fewer than 150 each, where texts ended early.
    pub articles_tokens: usize,
    /// The most memory of the card that was taken, in MB (10⁶ bytes); none on a CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_mb: Option<f64>,
}

/// How alike the most probable texts of two engines are.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Agreement {
    /// Texts of 24 tokens at most that were compared.
    pub texts: usize,
    /// Those of them that are the same.
    pub texts_alike: usize,
    /// Share of the letters up to the first that differs: a near tie early in a text costs all of the rest.
    pub share_alike: f64,
}

const TOKENS_IN: usize = 2_000;
const TOKENS_OUT: usize = 150;
const N_STEPS: usize = 128;

/// Measures an engine that writes at most `sizes` texts at once. `progress` hears what comes next.
pub fn throughput(
    engine: &mut Engine,
    sizes: &[usize],
    n_articles: usize,
    progress: &mut dyn FnMut(&str),
) -> Result<Throughput> {
    let mut figures = Throughput { articles: n_articles, ..Throughput::default() };
    let mut number = 0;
    let mut texts = |engine: &Engine, n: usize, n_tokens: usize| -> Vec<Prompt> {
        let texts = (0..n).map(|_| {
            number += 1;
            Prompt { user: text(engine, n_tokens, number), ..Prompt::default() }
        });
        texts.collect()
    };
    engine.guess_ahead(false);
    progress("warming up");
    for n in [1, 4] {
        let prompts = texts(engine, n, TOKENS_IN);
        complete(engine, &prompts, 4)?;
    }
    for n_tokens in [512, 2_048] {
        progress(&format!("reading {n_tokens} tokens"));
        let prompts = texts(engine, 8, n_tokens);
        let started = Instant::now();
        let mut n_read = 0;
        for prompt in &prompts {
            let usage = complete(engine, std::slice::from_ref(prompt), 1)?;
            n_read += usage.prompt_tokens - usage.reused_tokens;
        }
        figures.prefill_tok_s.insert(n_tokens, n_read as f64 / started.elapsed().as_secs_f64());
    }
    for n in sizes {
        progress(&format!("writing {n} texts at once"));
        let [short, long] = [texts(engine, *n, 512), texts(engine, *n, 512)];
        let started = Instant::now();
        let first = complete(engine, &short, 1)?;
        let read_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let all = complete(engine, &long, 1 + N_STEPS)?;
        let written_s = started.elapsed().as_secs_f64() - read_s;
        let n_written = all.completion_tokens - first.completion_tokens;
        figures.decode_tok_s.insert(*n, n_written as f64 / written_s);
        figures.decode_step_ms.insert(*n, written_s * 1e3 / n_written as f64 * *n as f64);
    }
    progress("one article");
    let prompts = texts(engine, 1, TOKENS_IN);
    let started = Instant::now();
    complete(engine, &prompts, TOKENS_OUT)?;
    figures.article_s = started.elapsed().as_secs_f64();
    progress(&format!("{n_articles} articles"));
    let prompts = texts(engine, n_articles, TOKENS_IN);
    let started = Instant::now();
    figures.articles_tokens = complete(engine, &prompts, TOKENS_OUT)?.completion_tokens;
    figures.articles_s = n_articles as f64 / started.elapsed().as_secs_f64();
    if let Compute::Card(card) = engine.compute() {
        let memory = card.memory()?;
        figures.card_mb = Some((memory.total - memory.free) as f64 / 1e6);
    }
    Ok(figures)
}

/// Has both engines write behind the same prompts of 128 tokens, the first a few at a time, the second all at once.
pub fn agreement(first: &mut Engine, second: &mut Engine) -> Result<Agreement> {
    const N: usize = 12;
    let prompts: Vec<Prompt> =
        (0..N).map(|number| Prompt { user: text(first, 128, 9_000 + number), ..Prompt::default() }).collect();
    let limits = Limits { max_tokens: 24, one_line: false, sampling: Sampling::Greedy };
    let mut expected = Vec::new();
    for few in prompts.chunks(3) {
        expected.extend(first.complete(few, &limits)?);
    }
    let (mut n_alike, mut n_same, mut n_all) = (0, 0, 0);
    for (a, b) in expected.iter().zip(second.complete(&prompts, &limits)?) {
        n_alike += usize::from(a.text == b.text);
        n_same += a.text.chars().zip(b.text.chars()).take_while(|(a, b)| a == b).count();
        n_all += a.text.chars().count().max(b.text.chars().count());
    }
    Ok(Agreement { texts: N, texts_alike: n_alike, share_alike: n_same as f64 / n_all.max(1) as f64 })
}

fn complete(engine: &mut Engine, prompts: &[Prompt], max_tokens: usize) -> Result<Usage> {
    let limits = Limits { max_tokens, one_line: false, sampling: Sampling::Greedy };
    let mut sum = Usage::default();
    for completion in engine.complete(prompts, &limits)? {
        sum += completion.usage;
    }
    Ok(sum)
}

/// A text of about `n_tokens` tokens, that begins as no other.
fn text(engine: &Engine, n_tokens: usize, number: usize) -> String {
    const WORDS: [&str; 8] = ["harbour", "council", "ferry", "budget", "winter", "school", "bridge", "museum"];
    const SAMPLE: usize = 1_000;
    let mut state = number;
    let mut text = format!("Article {number}:");
    let mut n_bytes = SAMPLE;
    while text.len() < n_bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text = text + " " + WORDS[(state >> 33) % WORDS.len()];
        if n_bytes == SAMPLE && text.len() >= SAMPLE {
            n_bytes = n_tokens * text.len() / engine.count(&text).max(1);
        }
    }
    text.truncate(n_bytes);
    text
}
