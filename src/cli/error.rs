//! Errors of every floor in; the cause and the way out, in words for people, out. The only place that gives hints.

use std::error::Error as StdError;
use std::io;

use crate::batch::ledger::Busy;
use crate::corpus::source::{Problem, SourceError};
use crate::kernel::DeviceChoice;
use crate::model::cache::NoMemory;
use crate::model::engine::DoesNotFit;
use crate::model::gguf::GgufError;
use crate::model::store::{StoreError, UnknownModel};
use crate::text::Refusal;

/// What to tell people about an error.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) cause: String,
    pub(crate) hint: Option<String>,
}

/// What can be wrong with a call before any other floor is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("nothing to read: no input was given")]
    NoInput,
    #[error("no articles in {inputs}{}{}", besides(*others), written_here(*own))]
    NoArticles {
        /// The inputs, quoted.
        inputs: String,
        /// Files of other types that were passed over.
        others: usize,
        /// Files that an earlier run wrote.
        own: usize,
    },
    #[error("the question is empty")]
    EmptyQuestion,
    #[error("`{0}` has no ledger")]
    NoLedger(String),
    #[error("answers are not written as a page")]
    NoPage,
    #[error("standard input cannot be searched")]
    CorpusIsStdin,
    #[error("--since is later than --until: no day is left")]
    NoDayLeft,
    #[error("no article of the corpus is among those to be searched{}", without_date(*undated))]
    NothingToSearch {
        /// Articles left out because they have no date.
        undated: usize,
    },
    #[error("model file `{0}` does not exist")]
    NoModelFile(String),
    #[error("failed to use the device")]
    Device(DeviceChoice),
    #[error("no model is on this machine, and offline nothing is fetched")]
    NoModelOffline,
    #[error("the system has no folder for {0}")]
    NoFolder(&'static str),
}

/// What can be wrong with a result that was kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Doubt {
    #[error("there is no result to verify")]
    NoResults,
    #[error("the line {0}")]
    Unreadable(String),
    #[error("{error}")]
    Gone { error: String },
    #[error("`{path}` is not what it was{}", read_by(version))]
    Changed {
        path: String,
        /// Of the program that read it then.
        version: String,
    },
    #[error("its text is not what its claims say")]
    Text,
    #[error("`{0}` is not there, or not what the ledger has")]
    Edited(String),
    #[error("claim {claim}: the quote is not sentence {sentence} of its source, at these bytes")]
    Quote { claim: usize, sentence: usize },
    #[error("claim {claim} cites nothing")]
    NoCites { claim: usize },
    #[error("claim {claim}: {why}")]
    Claim { claim: usize, why: String },
}

/// Whoever read standard output has stopped: no error, but an end.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub(crate) struct PipeClosed;

/// The cause with everything that led to it, and the way out where there is one.
pub(crate) fn explain(error: &anyhow::Error) -> Explained {
    Explained { cause: format!("{error:#}"), hint: hint(error) }
}

/// The same of a result that was kept, whose way out depends on nothing else.
pub(crate) fn explain_doubt(doubt: Doubt) -> Explained {
    let hint = match &doubt {
        Doubt::NoResults => "give what `sum --json`, `ask --json` or `sum -o` wrote",
        Doubt::Unreadable(_) => "make it anew: what cannot be read holds nothing",
        Doubt::Gone { .. } => "give the folder where the articles are now with --corpus",
        Doubt::Changed { .. } => {
            "make the result anew, or give the folder that has the article as it was with --corpus"
        }
        Doubt::Edited(_) => "make it again with `precis render`",
        Doubt::Text | Doubt::Quote { .. } | Doubt::NoCites { .. } | Doubt::Claim { .. } => {
            "it was edited, or made by another version: make it anew"
        }
    };
    Explained { cause: doubt.to_string(), hint: Some(hint.to_owned()) }
}

/// The first error of type `E` in the chain.
pub(crate) fn find<E: StdError + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    // A context is found by anyhow alone, the source of a source by the chain alone.
    error.downcast_ref().or_else(|| error.chain().find_map(|cause| cause.downcast_ref()))
}

fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(error) = find::<CallError>(error) {
        return of_call(error);
    }
    if let Some(UnknownModel { nearest, .. }) = find(error) {
        return Some(match nearest {
            Some(nearest) => {
                format!("did you mean `{nearest}`? `precis model list` shows them all")
            }
            None => "`precis model list` shows the names; the path of a GGUF file will do too".into(),
        });
    }
    if let Some(error) = find::<StoreError>(error) {
        return of_store(error);
    }
    if let Some(SourceError { problem, .. }) = find(error)
        && let Some(hint) = of_source(problem)
    {
        return Some(hint.into());
    }
    if let Some(Refusal::Binary { .. }) = find(error) {
        return Some("export it as text, HTML, PDF or DOCX from the program that made it".into());
    }
    if let Some(Refusal::OnlyFurniture { .. }) = find(error) {
        return Some("if the page builds its text with a script, save it from the browser first".into());
    }
    if let Some(Busy { .. }) = find(error) {
        return Some("wait until it is done, or give another folder".into());
    }
    match find(error) {
        Some(GgufError::Architecture { .. }) => {
            return Some(
                "the text part of a dense Qwen2.5, Qwen3 or Qwen3.5 will do; `precis model list` names some".into(),
            );
        }
        Some(GgufError::Names { .. }) => {
            return Some("convert the publisher's files with llama.cpp's `convert_hf_to_gguf.py`".into());
        }
        Some(GgufError::Field { .. }) => {
            return Some("another conversion of it may do, or a model that `precis model list` names".into());
        }
        Some(GgufError::Read { .. }) | None => (),
    }
    if find::<DoesNotFit>(error).is_some() {
        return Some("ask for fewer words, or use a model with a longer context".into());
    }
    if find::<NoMemory>(error).is_some() {
        return Some("close other programs, or use a smaller model".into());
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Some("free some room and run the same again: what is done is kept".into())
        }
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Some("check who may read and write there".into())
        }
        _ => None,
    }
}

fn of_source(problem: &Problem) -> Option<&'static str> {
    Some(match problem {
        Problem::Missing => "check the spelling; a pattern in quotes is expanded by precis itself",
        Problem::Encrypted => "open it with its password and save it without one",
        Problem::Protected => "get the text from its shop in a form without DRM; precis cannot read this one",
        Problem::Scan { .. } => "run text recognition over it, with `ocrmypdf` for instance, and give the result",
        Problem::OtherArchive => "unpack it and give the folder",
        Problem::TooLarge { .. } | Problem::Inflated { .. } => "split it into parts",
        _ => return None,
    })
}

fn of_call(error: &CallError) -> Option<String> {
    Some(match error {
        CallError::NoInput => "name files or folders, or pipe an article in: `precis sum article.txt`".into(),
        CallError::NoArticles { .. } => {
            "folders are searched for texts, web pages, Markdown, JSON, CSV, feeds, mail, subtitles, PDF, DOCX, ODT and \
             EPUB; name a file to read it whatever its type"
                .into()
        }
        CallError::EmptyQuestion => "put it in quotes: `precis ask FOLDER \"What happened?\"`".into(),
        CallError::NoLedger(_) => "give a folder that `precis sum -o` wrote".into(),
        CallError::NoPage => "write them with --json into a file, and make the page of it: `precis report FILE`".into(),
        CallError::CorpusIsStdin => "give a folder, a file or a pattern; standard input holds the questions".into(),
        CallError::NothingToSearch { .. } => {
            "leave out one of --path, --lang, --since and --until; a path is compared from its end".into()
        }
        CallError::NoModelFile(_) => "`precis model list` shows the models that have a name".into(),
        CallError::Device(DeviceChoice::Cuda(_)) => "use `--device cpu`, or build with `--features cuda`".into(),
        CallError::NoModelOffline => {
            "run `precis model pull` while online, or bring a GGUF file and run `precis model add FILE`".into()
        }
        CallError::Device(_) | CallError::NoDayLeft | CallError::NoFolder(_) => return None,
    })
}

fn of_store(error: &StoreError) -> Option<String> {
    Some(match error {
        StoreError::Absent { name } | StoreError::AbsentOffline { name } => {
            format!("run `precis model pull {name}` while online")
        }
        StoreError::Digest { .. } => "delete the file, or run `precis model rm`, and fetch it again".into(),
        StoreError::AllSourcesFailed { .. } => {
            "check the network, HF_ENDPOINT and pip's configuration; what was fetched is kept. \
             A file brought by other means is taken by `precis model add FILE`"
                .into()
        }
        StoreError::DiskFull { .. } => {
            "free some room, or set PRECIS_MODELS to a folder on another disk; then run the same again".into()
        }
        StoreError::Cancelled => "run the same again: it goes on where it stopped".into(),
    })
}

fn read_by(version: &str) -> String {
    match version == env!("CARGO_PKG_VERSION") {
        true => String::new(),
        false => format!(", or is read otherwise now than by precis {version}"),
    }
}

fn without_date(articles: usize) -> String {
    match articles {
        0 => String::new(),
        n => format!("; {n} would be, but have no date"),
    }
}

fn written_here(own: usize) -> String {
    match own {
        0 => String::new(),
        n => format!(", but {n} results and ledgers of earlier runs"),
    }
}

fn besides(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", only 1 file of another type".into(),
        n => format!(", only {n} files of other types"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn the_cause_comes_first_and_the_way_out_is_found_under_any_context() {
        let check = |error: anyhow::Error, cause: &str, hint: Option<&str>| {
            let error = Err::<(), _>(error).context("failed to start").unwrap_err();
            let explained = explain(&error);
            assert!(explained.cause.starts_with("failed to start: "), "{explained:?}");
            assert!(explained.cause.contains(cause), "{explained:?}");
            match hint {
                Some(hint) => assert!(explained.hint.as_ref().unwrap().contains(hint), "{explained:?}"),
                None => assert!(explained.hint.is_none(), "{explained:?}"),
            }
        };
        check(anyhow!("no idea"), "no idea", None);
        check(CallError::EmptyQuestion.into(), "empty", Some("in quotes"));
        let absent = StoreError::AbsentOffline { name: "m".into() };
        check(absent.into(), "`m`", Some("precis model pull m"));
        let unknown = UnknownModel { name: "qwen".into(), nearest: Some("qwen3".into()) };
        check(unknown.into(), "`qwen`", Some("`qwen3`"));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        check(full.into(), "", Some("free some room"));
    }
}
