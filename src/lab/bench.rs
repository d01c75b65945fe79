//! A model in, its speed and memory out, measured where users wait: prompts through `LanguageModel`, an article through
//! `summarize`. Prints nothing and keeps nothing.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::compose::{Prompts, Style, SummaryPlan, summarize};
use crate::model::gguf::{Family, Gguf, Recurrent};
use crate::model::{LanguageModel, Limits, Prompt, Sampling, Usage};
use crate::text::{Article, Format, RawArticle};

/// The figures; each is the median of [`Figures::repeat`] rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Tokens read a second, in prompts of 512 tokens.
    pub prefill_512_tok_s: f64,
    /// Tokens read a second, in prompts of 2,048 tokens.
    pub prefill_2048_tok_s: f64,
    /// Tokens read a second, in prompts of 8,192 tokens or as many as fit; none where that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_8192_tok_s: Option<f64>,
    /// Tokens written a second, up to 128 of them after 512.
    pub decode_128_tok_s: f64,
    /// How many tokens were written for that: fewer than 128 when the model ended early.
    pub decode_tokens: usize,
    /// Seconds for an article of about 2,000 tokens, to a summary of about 150.
    pub article_s: f64,
    /// Tokens of that article.
    pub article_tokens: usize,
    /// Seconds to load the weights, which the system has probably read before.
    pub load_s: f64,
    /// The most memory that the process ever held, in MB (10⁶ bytes); 0 where the system does not tell.
    pub peak_rss_mb: f64,
    /// How often each figure was measured.
    pub repeat: usize,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Rounds.
    pub repeat: usize,
    /// Whether prompts of 8,192 tokens are read, too.
    pub long: bool,
}

/// What a model computes and reads for one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Products of two numbers in the layers' matrices; the output matrix is left out, which a prompt needs once.
    pub macs: u64,
    /// Products in the attention, for each token that is looked back at.
    pub attention_macs: u64,
    /// Bytes of the file, less those of an embedding table of which one row is read.
    pub bytes: u64,
}

impl Work {
    /// Reads it off the header of the weights.
    pub fn of(weights: &Path) -> Result<Work> {
        let mut gguf = Gguf::open(weights)?;
        let config = gguf.config().clone();
        let table = match gguf.has("output.weight") {
            true => gguf.mapped("token_embd.weight", &[config.n_vocabulary, config.n_hidden])?.1.len(),
            false => 0,
        };
        let [n_query, n_key] = [config.n_heads, config.n_kv_heads].map(|n| n * config.head_dim);
        let n_attention = config.n_attention_layers();
        let n_gate = if config.family == Family::Qwen35 { n_query } else { 0 };
        let of_attention = config.n_hidden * (2 * n_query + n_gate + 2 * n_key);
        // Beside its matrices, a Gated DeltaNet reads its memory twice and writes it once.
        let of_delta = config.recurrent.as_ref().map_or(0, |Recurrent { shape, .. }| {
            let n_value = shape.n_heads * shape.head_dim;
            config.n_hidden * (shape.width() + 2 * n_value + 2 * shape.n_heads) + 3 * n_value * shape.head_dim
        });
        let macs = n_attention * of_attention
            + (config.n_layers - n_attention) * of_delta
            + config.n_layers * 3 * config.n_hidden * config.n_feed_forward;
        Ok(Work {
            macs: macs as u64,
            attention_macs: (n_attention * 2 * n_query) as u64,
            bytes: std::fs::metadata(weights)?.len() - table as u64,
        })
    }

    /// 10⁹ products a second, when prompts of `n_tokens` are read at this rate.
    pub fn prefill_gmac_s(&self, n_tokens: usize, tok_s: f64) -> f64 {
        tok_s * (self.macs as f64 + self.attention_macs as f64 * n_tokens as f64 / 2.0) / 1e9
    }

    /// 10⁹ bytes of weights a second, when tokens are written at this rate.
    pub fn decode_gb_s(&self, tok_s: f64) -> f64 {
        tok_s * self.bytes as f64 / 1e9
    }
}

/// About 150 tokens of English.
const SUMMARY_WORDS: usize = 110;
const ARTICLE_TOKENS: usize = 2000;
/// Left to itself, a model ends before it has written 128 tokens.
const COPY: &str = "Write down this text again, word for word, to its end:\n\n";

/// Measures the model that `load` loads. `progress` hears what comes next; `between` is called after each round, for
/// whatever is to be measured in turn.
pub fn bench<L: LanguageModel>(
    mut load: impl FnMut() -> Result<L>,
    extent: Extent,
    prompts: &Prompts,
    progress: &mut dyn FnMut(&str),
    between: &mut dyn FnMut() -> Result<()>,
) -> Result<Figures> {
    let Extent { repeat, long } = extent;
    ensure!(repeat > 0, "nothing can be measured 0 times");
    progress("loading");
    let mut load_s = Vec::new();
    let mut lm = None;
    for _ in 0..repeat {
        drop(lm.take()); // two models at once would double the peak of memory
        let started = Instant::now();
        lm = Some(load()?);
        load_s.push(started.elapsed().as_secs_f64());
    }
    let mut lm = lm.expect("loaded at least once");
    // The first prompt pays for things that later ones find done; it also tells how long the chat frame is.
    let n_frame = complete(&mut lm, "Word", 1)?.prompt_tokens.saturating_sub(lm.count("Word"));
    let content = |n_tokens: usize| n_tokens - n_frame.min(n_tokens / 2);
    let plan = SummaryPlan {
        style: Style::Points,
        lang: None,
        words: Some(SUMMARY_WORDS),
        sampling: Sampling::Greedy,
        prompts: prompts.clone(),
    };

    let mut prefill_tok_s = [const { Vec::new() }; 3];
    let mut sizes = vec![512, 2048];
    if long {
        sizes.push(8192.min(lm.room() + n_frame - 1));
    }
    let (mut decode_tok_s, mut decode_tokens) = (Vec::new(), usize::MAX);
    let (mut article_s, mut article_tokens) = (Vec::new(), 0);
    for number in 0..repeat {
        for (n_tokens, tok_s) in sizes.iter().zip(&mut prefill_tok_s) {
            progress(&format!("reading {n_tokens} tokens"));
            let text = prose(&lm, content(*n_tokens), number);
            let usage = complete(&mut lm, &text, 1)?;
            let n_read = usage.prompt_tokens.saturating_sub(usage.reused_tokens);
            tok_s.push(per_second(n_read, usage.prefill_ms));
        }

        progress("writing 128 tokens");
        let n_content = content(512) - lm.count(COPY);
        let text = format!("{COPY}{}", prose(&lm, n_content, number));
        // A text to be copied is guessed too easily: what is measured is writing token by token.
        lm.guess_ahead(false);
        let usage = complete(&mut lm, &text, 128)?;
        lm.guess_ahead(true);
        decode_tokens = decode_tokens.min(usage.completion_tokens);
        decode_tok_s.push(per_second(usage.completion_tokens, usage.decode_ms));

        progress("summarizing an article of 2000 tokens");
        let article = article(prose(&lm, ARTICLE_TOKENS, number))?;
        article_tokens = lm.count(&article.text);
        let started = Instant::now();
        summarize(&article, &mut lm, &plan)?;
        article_s.push(started.elapsed().as_secs_f64());
        between()?;
    }
    let [prefill_512, prefill_2048, prefill_8192] = prefill_tok_s;
    Ok(Figures {
        prefill_512_tok_s: median(prefill_512),
        prefill_2048_tok_s: median(prefill_2048),
        prefill_8192_tok_s: long.then(|| median(prefill_8192)),
        decode_128_tok_s: median(decode_tok_s),
        decode_tokens,
        article_s: median(article_s),
        article_tokens,
        load_s: median(load_s),
        peak_rss_mb: peak_rss_bytes() as f64 / 1e6,
        repeat,
    })
}

fn complete(lm: &mut impl LanguageModel, user: &str, max_tokens: usize) -> Result<Usage> {
    let prompt = Prompt { user: user.to_owned(), ..Prompt::default() };
    let limits = Limits { max_tokens, one_line: false, sampling: Sampling::Greedy };
    Ok(lm.complete(&[prompt], &limits)?.remove(0).usage)
}

fn article(text: String) -> Result<Article> {
    let raw = RawArticle::new("bench", text, Format::Plain);
    Ok(Article::read(&raw)?)
}

const TOWNS: [&str; 8] = ["Alder Bay", "Brackwater", "Corran", "Dunmere", "Eastling", "Farrow", "Glenside", "Holmby"];

/// Each of these is said of a town, with two figures.
const SENTENCES: [&str; 9] = [
    "The council of {town} voted {a} to {b} to rebuild the ferry terminal that last winter's storms had damaged.",
    "Engineers expect the work to take {a} months, and they have asked shops along the quay to close for {b} days.",
    "Residents of {town} told a hearing that the old pier carried {a},000 passengers in its best year and only {b},000 since.",
    "The regional bank will lend {a} million crowns at a rate of {b} percent, on the condition that fares stay as they are.",
    "A smaller group wants a footbridge instead; it gathered {a} signatures in {town} and raised {b} thousand crowns.",
    "The harbour master warned that every week of delay costs fishermen {a} landings and about {b} tonnes of ice.",
    "Schools in {town} plan to move {a} classes to the library while {b} drilling rigs stand on the shore.",
    "Surveyors found {a} cracks in the sea wall, most of them less than {b} centimetres deep, and called it safe for now.",
    "Next spring the ministry is to decide whether {town} may charge visitors {a} crowns, with {b} exemptions for islanders.",
];

/// English prose of just under `n_tokens` tokens. Another `number` makes it differ from the first word on, so that no
/// part of it is still in the model's cache.
fn prose(lm: &impl LanguageModel, n_tokens: usize, number: usize) -> String {
    let mut text = String::new();
    for idx in 0.. {
        let of_town = idx / SENTENCES.len();
        let town = TOWNS[(number + of_town) % TOWNS.len()];
        let sentence = SENTENCES[(idx + number) % SENTENCES.len()]
            .replace("{town}", town)
            .replace("{a}", &(11 + (idx * 7 + number * 13) % 83).to_string())
            .replace("{b}", &(3 + (idx * 5 + number * 3) % 37).to_string());
        let gap = match idx % SENTENCES.len() {
            _ if idx == 0 => "",
            0 => "\n\n",
            _ => " ",
        };
        let longer = format!("{text}{gap}{sentence}");
        if lm.count(&longer) > n_tokens {
            break;
        }
        text = longer;
    }
    // Whole sentences leave a remainder, which single words fill.
    loop {
        let longer = format!("{text} pier");
        if lm.count(&longer) > n_tokens {
            return text;
        }
        text = longer;
    }
}

fn per_second(n_tokens: usize, elapsed_ms: u64) -> f64 {
    n_tokens as f64 * 1e3 / elapsed_ms.max(1) as f64
}

/// The middle value; of an even number, the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// `VmHWM` of this process.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scripted;

    #[test]
    fn prompts_have_the_length_asked_for_and_share_no_beginning() {
        let lm = Scripted::new(|_| String::new());
        for n_tokens in [40, 500, 2000] {
            let texts: Vec<String> = (0..8).map(|number| prose(&lm, n_tokens, number)).collect();
            for text in &texts {
                assert_eq!(lm.count(text), n_tokens);
            }
            for pair in texts.windows(2) {
                assert_ne!(pair[0].split(' ').nth(1), pair[1].split(' ').nth(1));
            }
        }
    }

    #[test]
    fn every_figure_is_measured() {
        let load = || Ok(Scripted::new(|_| "The council voted to rebuild the ferry terminal.".into()));
        let mut steps = Vec::new();
        let mut n_rounds = 0;
        let extent = Extent { repeat: 2, long: true };
        let figures = bench(load, extent, &Prompts::default(), &mut |step| steps.push(step.to_owned()), &mut || {
            n_rounds += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!((figures.repeat, steps.len(), n_rounds), (2, 11, 2));
        assert!(figures.prefill_8192_tok_s.unwrap() > 0.0);
        assert_eq!((figures.article_tokens, figures.decode_tokens), (2000, 8));
        assert!(figures.prefill_512_tok_s > 0.0 && figures.peak_rss_mb > 1.0);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
