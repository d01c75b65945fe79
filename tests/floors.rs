//! The rules of the house, read off the sources: which way imports go, who prints, who opens files and sockets.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their floors. Rooms of one floor do not know each other.
const FLOORS: &[(&str, usize)] =
    &[("text", 0), ("kernel", 0), ("model", 1), ("corpus", 1), ("compose", 2), ("batch", 3), ("lab", 3), ("cli", 4)];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

struct Source {
    path: PathBuf,
    /// The room, or `main.rs`, `lib.rs`.
    room: String,
    /// The code, without comments.
    code: String,
    first_line: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let inside = path.strip_prefix(&root).unwrap();
                found.push(Source {
                    room: inside.iter().next().unwrap().to_string_lossy().into_owned(),
                    code: text.lines().map(without_comment).collect::<Vec<_>>().join("\n"),
                    first_line: text.lines().next().unwrap_or_default().to_owned(),
                    path,
                });
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn without_comment(line: &str) -> &str {
    match line.find("//") {
        // An address is no comment.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    }
}

/// Fails with every place where `word` stands outside the files that `allowed` accepts.
fn only_in(words: &[&str], allowed: impl Fn(&Source) -> bool, rule: &str) {
    let all = sources();
    let outside = all.iter().filter(|s| !allowed(s));
    let breaches: Vec<String> = outside
        .flat_map(|s| {
            let lines = s.code.lines().enumerate();
            let hits = lines.filter(|(_, line)| words.iter().any(|w| line.contains(w)));
            hits.map(|(i, line)| format!("{}:{}: {}", s.path.display(), i + 1, line.trim())).collect::<Vec<_>>()
        })
        .collect();
    assert!(breaches.is_empty(), "{rule}\n{}", breaches.join("\n"));
}

fn is_in(source: &Source, folder: &str) -> bool {
    let path = source.path.to_string_lossy().replace('\\', "/");
    path.contains(&format!("/src/{folder}/")) || path.ends_with(&format!("/src/{folder}.rs"))
}

#[test]
fn imports_go_down_a_floor_or_stay_in_the_room() {
    let mut breaches = Vec::new();
    for source in sources() {
        let Some(own_floor) = floor(&source.room) else {
            continue;
        };
        for part in source.code.split("crate::").skip(1) {
            let other: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let goes_up = floor(&other).is_some_and(|f| f >= own_floor);
            if other != source.room && goes_up {
                breaches.push(format!("{}: crate::{other}", source.path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_grouped_import_names_one_room() {
    // `use crate::{a, b}` would slip past the check above.
    only_in(&["use crate::{"], |_| false, "import each room on a line of its own");
}

#[test]
fn only_the_store_reaches_a_network_or_runs_a_downloader() {
    only_in(
        &["hf_hub", "ureq", "std::net", "TcpStream"],
        |s| is_in(s, "model/store"),
        "only model/store opens a socket",
    );
    only_in(
        &["process::Command", "Command::new"],
        |s| is_in(s, "model/store") || is_in(s, "cli/run/bench"),
        "only model/store starts a process, and `bench` the peer that the user names",
    );
}

#[test]
fn only_cli_prints() {
    only_in(
        &["println!", "print!(", "eprint!(", "stdout()", "stderr()", "indicatif"],
        |s| is_in(s, "cli") || s.room == "main.rs",
        "only cli writes to the terminal",
    );
}

#[test]
fn text_and_compose_open_no_file() {
    let pure = ["text", "compose"];
    only_in(
        &["std::fs", "File::open", "fs::read", "fs::write"],
        |s| !pure.contains(&s.room.as_str()),
        "text and compose never touch the file system",
    );
}

#[test]
fn features_are_decided_in_one_file() {
    only_in(
        &["cfg(feature", "cfg!(feature", "cfg_attr(feature"],
        |s| s.path.ends_with("kernel/cuda/mod.rs"),
        "cfg(feature) lives in kernel/cuda/mod.rs alone",
    );
}

#[test]
fn the_judge_is_never_the_defendant() {
    only_in(&["crate::"], |s| !is_in(s, "lab/score"), "lab/score shares no code with what it judges");
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent: Vec<String> =
        sources().iter().filter(|s| !s.first_line.starts_with("//! ")).map(|s| s.path.display().to_string()).collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
