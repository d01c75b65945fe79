//! Instructions kept on disk, with a tiny generated model: they save reading, change no text, and do no harm when broken.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use candle_core::Device;
use precis::kernel::{Compute, Isa};
use precis::model::engine::{Engine, EngineSettings};
use precis::model::kv_store::KvFolder;
use precis::model::{Completion, Identity, LanguageModel, Limits, Prompt, Sampling};
use tempfile::TempDir;

use crate::support::tiny::{Tiny, TinyFamily};

/// A folder with room for all that is not meant to run out of it.
struct Place {
    root: TempDir,
    folder: KvFolder,
}

impl Place {
    fn new() -> Place {
        let root = tempfile::tempdir().unwrap();
        let folder = KvFolder { path: root.path().join("made/when/needed"), max_bytes: 1 << 20 };
        Place { root, folder }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder.path).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// What an engine of its own writes, and what it has to say about the folder.
    fn complete(&self, sha256: &str, prompt: &Prompt) -> (Completion, Option<String>) {
        complete(&Compute::default(), Some(&self.folder), sha256, prompt)
    }
}

fn complete(
    compute: &Compute,
    folder: Option<&KvFolder>,
    sha256: &str,
    prompt: &Prompt,
) -> (Completion, Option<String>) {
    complete_of(TinyFamily::Qwen2, compute, folder, sha256, prompt)
}

fn complete_of(
    family: TinyFamily,
    compute: &Compute,
    folder: Option<&KvFolder>,
    sha256: &str,
    prompt: &Prompt,
) -> (Completion, Option<String>) {
    let root = tempfile::tempdir().unwrap();
    let path = Tiny::new(family, 7).write(root.path());
    let identity = Identity { name: "tiny".into(), sha256: sha256.into() };
    let settings = EngineSettings { compute: compute.clone(), kv_folder: folder.cloned(), ..EngineSettings::default() };
    let limits = Limits { max_tokens: 30, one_line: false, sampling: Sampling::Greedy };
    let mut engine = Engine::open(&path, identity, settings).unwrap();
    let mut completions = engine.complete(std::slice::from_ref(prompt), &limits).unwrap();
    let problem = engine.take_kv_problem();
    assert!(engine.take_kv_problem().is_none(), "told twice");
    let problem = problem.map(|problem| format!("{problem:#}"));
    (completions.remove(0), problem)
}

fn plain(prompt: &Prompt) -> String {
    complete(&Compute::default(), None, "a", prompt).0.text
}

fn instructed(words: &str) -> Prompt {
    Prompt { system: words.repeat(20), user: "What of the ring of the user?".into(), ..Prompt::default() }
}

#[test]
fn what_is_kept_changes_no_text_and_is_used_by_its_own_kind_alone() {
    let place = Place::new();
    let prompt = instructed("the ring");
    let check = |sha256: &str, prompt: &Prompt, is_kept: bool, what: &str| {
        let (found, problem) = place.complete(sha256, prompt);
        assert_eq!(problem, None, "{what}");
        assert_eq!(found.text, plain(prompt), "{what}");
        assert_eq!(found.usage.reused_tokens > 40, is_kept, "{what}");
    };
    check("a", &prompt, false, "empty");
    check("a", &prompt, true, "warm");
    check("a", &instructed("the user"), false, "other instructions");
    check("b", &prompt, false, "other weights");
    let check_with = |compute: &Compute, is_kept: bool| {
        let (found, problem) = complete(compute, Some(&place.folder), "a", &prompt);
        assert_eq!(problem, None, "{}", compute.name());
        assert_eq!(found.text, complete(compute, None, "a", &prompt).0.text, "{}", compute.name());
        assert_eq!(found.usage.reused_tokens > 40, is_kept, "{}", compute.name());
    };
    for compute in Isa::available().into_iter().map(Compute::Kernels) {
        check_with(&compute, compute.name() == Compute::default().name());
        check_with(&compute, true);
    }
    let n_files = place.files().len();
    assert_eq!(n_files, 2 + Isa::available().len());
    // Nothing is kept of what a user's turn says, nor where rows are not computed alike.
    let words_of_the_user = Prompt { user: prompt.system.clone(), ..Prompt::default() };
    check("c", &words_of_the_user, false, "no instructions");
    for _ in 0..2 {
        check_with(&Compute::Steps { device: Device::Cpu, floats: false }, false);
    }
    assert_eq!(place.files().len(), n_files);
}

#[test]
fn states_are_kept_with_the_keys_and_values() {
    let place = Place::new();
    let prompt = instructed("the ring of the user ");
    let complete = |folder| complete_of(TinyFamily::Qwen35, &Compute::default(), folder, "a", &prompt);
    let (expected, _) = complete(None);
    for is_kept in [false, true] {
        let (found, problem) = complete(Some(&place.folder));
        assert_eq!(problem, None);
        assert_eq!(found.text, expected.text);
        assert_eq!(found.usage.reused_tokens > 40, is_kept);
    }
    assert_eq!(place.files().len(), 1);
}

#[test]
fn a_damaged_file_is_told_of_and_made_anew() {
    let place = Place::new();
    let prompt = instructed("the ring");
    let expected = place.complete("a", &prompt).0.text;
    let file = place.files().remove(0);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cases = [
        ("empty", vec![]),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("a byte short", whole[..whole.len() - 1].to_vec()),
        ("a byte too many", [&whole[..], &[0]].concat()),
        ("another bit", flipped),
    ];
    for (what, bytes) in cases {
        fs::write(&file, bytes).unwrap();
        let (found, problem) = place.complete("a", &prompt);
        let problem = problem.unwrap_or_else(|| panic!("{what}: nothing was said"));
        assert!(problem.contains(&file.display().to_string()), "{problem}");
        assert_eq!(found.text, expected, "{what}");
        assert_eq!(found.usage.reused_tokens, 0, "{what}");
        assert_eq!(fs::read(&file).unwrap(), whole, "{what}");
    }
    assert_eq!(place.files(), [file]);
}

#[test]
fn what_was_used_least_recently_makes_room() {
    let mut place = Place::new();
    let prompts = ["the ring", "the user", "in the"].map(instructed);
    let mut files: Vec<PathBuf> = Vec::new();
    for (prompt, age_s) in prompts.iter().zip([300, 200, 100]) {
        place.complete("a", prompt);
        let mut all = place.files().into_iter();
        let new = all.find(|file| !files.contains(file)).unwrap();
        let then = SystemTime::now() - Duration::from_secs(age_s);
        fs::File::open(&new).unwrap().set_modified(then).unwrap();
        files.push(new);
    }
    // The first is used again, so that the second is the oldest.
    place.complete("a", &prompts[0]);
    let size = |file: &PathBuf| fs::metadata(file).unwrap().len();
    place.folder.max_bytes = files.iter().map(size).sum();
    place.complete("b", &prompts[1]);
    let is_left = [0, 1, 2].map(|idx| files[idx].exists());
    assert_eq!(is_left, [true, false, true]);
    assert_eq!(place.files().len(), 3);
    // What is too large by itself removes nothing, and that is said.
    place.folder.max_bytes = 1000;
    let (_, problem) = place.complete("c", &prompts[1]);
    assert!(problem.unwrap().contains("1000"));
    assert_eq!(place.files().len(), 3);
}

#[test]
fn a_folder_that_cannot_be_used_costs_time_alone() {
    let mut place = Place::new();
    let prompt = instructed("the ring");
    place.folder.path = place.root.path().join("file");
    fs::write(&place.folder.path, "x").unwrap();
    let (found, problem) = place.complete("a", &prompt);
    assert!(problem.unwrap().contains("file"));
    assert_eq!(found.text, plain(&prompt));
}

#[test]
fn engines_side_by_side_may_share_a_folder_too_small_for_both() {
    let mut place = Place::new();
    let prompts = ["the ring", "the user", "in the"].map(instructed);
    place.complete("a", &prompts[1]);
    place.folder.max_bytes = fs::metadata(&place.files()[0]).unwrap().len() * 3 / 2;
    let place = &place;
    std::thread::scope(|scope| {
        for prompt in &prompts {
            scope.spawn(move || {
                let expected = plain(prompt);
                for _ in 0..10 {
                    let (found, problem) = place.complete("a", prompt);
                    assert_eq!((found.text, problem), (expected.clone(), None));
                }
            });
        }
    });
}
