//! The user's configuration in, the options that the command line left open filled in.
//!
//! Flags win over `PRECIS_*` variables, which clap reads, and those over `config.toml`, which is read here.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Deserializer};

use super::args::{self, Args, AskArgs, Command, Format, LangChoice, ModelArgs, When};
use crate::compose::{Prompts, Style};
use crate::kernel::DeviceChoice;

/// What `config.toml` may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    model: Option<String>,
    #[serde(deserialize_with = "device")]
    device: Option<DeviceChoice>,
    threads: Option<u16>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    seed: Option<u64>,
    offline: Option<bool>,
    color: Option<When>,
    format: Option<Format>,
    style: Option<Style>,
    #[serde(deserialize_with = "lang")]
    lang: Option<LangChoice>,
    words: Option<u16>,
    cache_kv: Option<u32>,
}

/// The user's folder for `config.toml` and `prompts/`; `None` where the system has no such place.
pub(crate) fn folder() -> Option<PathBuf> {
    Some(dirs::config_dir()?.join("precis"))
}

/// Fills what flags and environment left open from the user's file, if there is one.
pub(crate) fn fill(args: &mut Args) -> Result<()> {
    let file = match folder() {
        Some(folder) => read(&folder.join("config.toml"))?,
        None => File::default(),
    };
    args.common.offline = args.common.offline.or(file.offline);
    args.common.color = args.common.color.or(file.color);
    match &mut args.command {
        Command::Sum(sum) => {
            sum.style = sum.style.or(file.style);
            sum.lang = sum.lang.or(file.lang);
            sum.words = sum.words.or(file.words);
            sum.format = if sum.json { Some(Format::Json) } else { sum.format.or(file.format) };
            sum.keep.cache_kv = sum.keep.cache_kv.or(file.cache_kv);
            fill_model(&mut sum.model, &file);
        }
        Command::Ask(AskArgs { answer_lang, format, json, model, keep, .. }) => {
            *answer_lang = answer_lang.or(file.lang);
            let of_file = file.format.filter(|format| *format != Format::Html);
            *format = if *json { Some(Format::Json) } else { format.or(of_file) };
            keep.cache_kv = keep.cache_kv.or(file.cache_kv);
            fill_model(model, &file);
        }
        Command::Bench(bench) => fill_model(&mut bench.model, &file),
        Command::Eval(eval) => fill_model(&mut eval.model, &file),
        _ => {}
    }
    Ok(())
}

/// The built-in prompts, with the user's own `prompts/NAME.txt` in place of those that they replace.
pub(crate) fn prompts() -> Result<Prompts> {
    let mut prompts = Prompts::default();
    let Some(folder) = folder().map(|folder| folder.join("prompts")) else {
        return Ok(prompts);
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(prompts),
        Err(e) => return Err(anyhow!(e).context(format!("failed to read `{}`", folder.display()))),
    };
    for entry in entries {
        let path = entry.with_context(|| format!("failed to read `{}`", folder.display()))?.path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path).map_err(anyhow::Error::from);
        text.and_then(|text| prompts.replace(&name, &text))
            .with_context(|| format!("failed to use the prompt `{}`", path.display()))?;
    }
    Ok(prompts)
}

fn read(path: &Path) -> Result<File> {
    let failed = || format!("failed to read the configuration `{}`", path.display());
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(anyhow::Error::from).and_then(in_range).with_context(failed),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(File::default()),
        Err(e) => Err(e).with_context(failed),
    }
}

/// The same bounds as on the command line, where clap keeps them.
fn in_range(file: File) -> Result<File> {
    let within = |value: Option<f64>, least: f64, most: f64| value.is_none_or(|value| (least..=most).contains(&value));
    ensure!(file.threads != Some(0), "`threads` is 0");
    ensure!(within(file.temperature, 0.0, 5.0), "`temperature` is not between 0 and 5");
    ensure!(within(file.top_p, f64::MIN_POSITIVE, 1.0), "`top-p` is not above 0 and up to 1");
    let words = file.words.map(f64::from);
    ensure!(within(words, 5.0, 2000.0), "`words` is not between 5 and 2000");
    Ok(file)
}

fn fill_model(model: &mut ModelArgs, file: &File) {
    if !model.fast {
        let environment = std::env::var("PRECIS_MODEL").ok().filter(|name| !name.is_empty());
        model.model = model.model.take().or(environment).or_else(|| file.model.clone());
    }
    model.device = model.device.or(file.device);
    model.threads = model.threads.or(file.threads);
    model.temperature = model.temperature.or(file.temperature);
    model.top_p = model.top_p.or(file.top_p);
    model.seed = model.seed.or(file.seed);
}

// The words of the file are those of the command line, so the command line's own parsers read them.

fn device<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DeviceChoice>, D::Error> {
    let word = String::deserialize(from)?;
    args::device(&word).map(Some).map_err(serde::de::Error::custom)
}

fn lang<'de, D: Deserializer<'de>>(from: D) -> Result<Option<LangChoice>, D::Error> {
    let word = String::deserialize(from)?;
    LangChoice::from_str(&word, true)
        .map(Some)
        .map_err(|_| serde::de::Error::custom(format!("`{word}` is not one of auto, en, zh-hans, zh-hant")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("config.toml");
        fs::write(&path, text)?;
        read(&path)
    }

    #[test]
    fn the_file_takes_the_words_of_the_command_line() {
        let file = parse("device = 'cuda:1'\nlang = 'zh-TW'\nstyle = 'brief'\ntop-p = 0.5").unwrap();
        assert_eq!(file.device, Some(DeviceChoice::Cuda(1)));
        assert_eq!(file.lang, Some(LangChoice::ZhHant));
        assert_eq!((file.style, file.top_p), (Some(Style::Brief), Some(0.5)));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_key_and_file() {
        let error = format!("{:#}", parse("modell = 'x'").unwrap_err());
        assert!(error.contains("modell") && error.contains("config.toml"), "{error}");
    }

    #[test]
    fn numbers_of_the_file_have_the_bounds_of_the_command_line() {
        for text in ["threads = 0", "temperature = -1", "temperature = nan", "top-p = 0", "words = 3"] {
            let error = format!("{:#}", parse(text).unwrap_err());
            let key = text.split(' ').next().unwrap();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
        assert!(parse("temperature = 0\nwords = 80").is_ok());
    }

    #[test]
    fn no_file_is_an_empty_file() {
        assert!(read(Path::new("/nonexistent/config.toml")).unwrap().model.is_none());
    }
}
