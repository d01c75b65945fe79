//! Prompt templates in, [`Prompt`]s out. The files of `prompts/` are embedded; a user may replace any of them.

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

/// The templates of one run, the user's replacements included.
#[derive(Debug, Clone)]
pub struct Prompts {
    templates: Vec<Template>,
}

#[derive(Debug, Clone)]
struct Template {
    name: &'static str,
    text: String,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../prompts/", $name, ".txt")))),*]
    };
}

/// Name and text of each template. A name is `task.language`.
const BUILT_IN: &[(&str, &str)] = built_in![];

impl Default for Prompts {
    fn default() -> Self {
        let own = |&(name, text): &(&'static str, &str)| Template {
            name,
            text: text.trim_end().to_owned(),
        };
        Prompts {
            templates: BUILT_IN.iter().map(own).collect(),
        }
    }
}

impl Prompts {
    /// The names that can be replaced.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.templates.iter().map(|t| t.name)
    }

    /// Puts the user's own text in place of a built-in template.
    ///
    /// # Errors
    /// When there is no template of that name, or `text` lacks a `{placeholder}` that the built-in one has.
    pub fn replace(&mut self, name: &str, text: &str) -> Result<()> {
        let Some(template) = self.templates.iter_mut().find(|t| t.name == name) else {
            bail!("there is no prompt named `{name}`");
        };
        if let Some(missing) = placeholders(&template.text).find(|p| !text.contains(p)) {
            bail!("the prompt `{name}` has to contain {missing}");
        }
        template.text = text.trim_end().to_owned();
        Ok(())
    }

    /// Lowercase hex SHA-256 over names and texts: part of every fingerprint.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for t in &self.templates {
            hasher.update(t.name.as_bytes());
            hasher.update([0]);
            hasher.update(t.text.as_bytes());
            hasher.update([0]);
        }
        hex(&hasher.finalize())
    }
}

fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split_inclusive('}').filter_map(|part| {
        let name = &part[part.rfind('{')?..];
        name.ends_with('}').then_some(name)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
