//! Prompt templates in, [`Prompt`]s out. The files of `prompts/` are embedded; a user may replace any of them.
//!
//! A template is the system turn, a line `---`, and the user turn, in which `{name}` stands for what is put in. A line
//! whose only placeholder stands for nothing is left out. Some templates are the end of another, its `{ask}`: they have no
//! system turn, and what stands before them is read once for all of them.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::model::Prompt;
use crate::text::Lang;
use crate::text::lang::to_script;

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
    ($($task:literal),* $(,)?) => {
        &[$(
            (concat!($task, ".en"), include_str!(concat!("../../prompts/", $task, ".en.txt"))),
            (concat!($task, ".zh"), include_str!(concat!("../../prompts/", $task, ".zh.txt"))),
        )*]
    };
}

/// Name and text of each template. A name is `task.language`.
const BUILT_IN: &[(&str, &str)] = built_in![
    "summary",
    "core",
    "part",
    "shorten",
    "points",
    "title",
    "answer",
    "answer-plain",
    "answer-full",
    "answer-each",
    "verdict",
    "faithful",
    "translation",
    "standalone",
    "parts",
];

impl Default for Prompts {
    fn default() -> Self {
        let own = |&(name, text): &(&'static str, &str)| Template { name, text: text.trim_end().to_owned() };
        Prompts { templates: BUILT_IN.iter().map(own).collect() }
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
    /// When there is no template of that name, or `text` lacks the dividing line or a `{placeholder}` of the built-in one.
    pub fn replace(&mut self, name: &str, text: &str) -> Result<()> {
        let Some(template) = self.templates.iter_mut().find(|t| t.name == name) else {
            bail!("there is no prompt named `{name}`");
        };
        ensure!(
            text.starts_with("---\n") || text.contains("\n---\n"),
            "the prompt `{name}` needs a line `---` between the system turn and the user turn"
        );
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
        crate::text::hex(&hasher.finalize())
    }

    /// Fills in the template of `task` in the language of `lang`; its own words are put into the script of `lang`.
    pub fn render(&self, task: &str, lang: Lang, values: &[(&str, &str)]) -> Result<Prompt> {
        let suffix = match lang {
            Lang::En => "en",
            Lang::ZhHans | Lang::ZhHant => "zh",
        };
        let named = |t: &&Template| t.name.strip_suffix(suffix).and_then(|n| n.strip_suffix('.')) == Some(task);
        let template = self.templates.iter().find(named);
        let template = template.with_context(|| format!("there is no prompt `{task}.{suffix}`"))?;
        let text = to_script(&template.text, lang);
        let (system, user) = text.split_once("---\n").unwrap_or(("", &text));
        Ok(Prompt { system: fill(system.trim_end(), values), user: fill(user, values), ..Prompt::default() })
    }
}

/// Puts the values in, in one pass: what looks like a placeholder inside a value is left alone.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let lines = template.split('\n').filter_map(|line| {
        let mut filled = String::with_capacity(line.len());
        let mut rest = line;
        let mut put_in = None;
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
        {
            let value = values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
            filled.push_str(before);
            filled.push_str(value.unwrap_or_default());
            put_in = Some(put_in.unwrap_or(false) || value.is_some_and(|v| !v.is_empty()));
            rest = after;
        }
        filled.push_str(rest);
        (put_in != Some(false)).then_some(filled)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split_inclusive('}').filter_map(|part| {
        let name = &part[part.rfind('{')?..];
        name.ends_with('}').then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_complete_in_both_languages() {
        let prompts = Prompts::default();
        for task in Prompts::default().names().filter_map(|name| name.strip_suffix(".en")) {
            for lang in [Lang::En, Lang::ZhHans, Lang::ZhHant] {
                let values = [
                    ("title", "T"),
                    ("before", "B"),
                    ("words", "9"),
                    ("text", "X"),
                    ("ask", "A"),
                    ("question", "Q"),
                    ("nearest", "N"),
                    ("opening", "O"),
                    ("line", "L"),
                    ("before", "B"),
                ];
                let prompt = prompts.render(task, lang, &values).unwrap();
                let is_ask = ["core", "part", "points", "answer-plain", "answer-full", "answer-each"].contains(&task);
                assert_eq!(prompt.system.is_empty(), is_ask, "{task}");
                assert!(is_ask || prompt.user.contains(['X', 'Q']), "{task}");
                assert!(!prompt.user.contains(['{', '}']), "{task}: {}", prompt.user);
                assert_eq!(crate::text::lang::foreign_script_chars(&prompt.user, lang), 0, "{task}");
            }
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_template_and_an_empty_line_is_left_out() {
        let filled = fill("Title: {title}\nText: {text}\nend", &[("title", ""), ("text", "{title} and {")]);
        assert_eq!(filled, "Text: {title} and {\nend");
    }

    #[test]
    fn a_replacement_needs_the_placeholders_of_the_built_in_prompt() {
        let mut prompts = Prompts::default();
        let before = prompts.sha256();
        let replace = |prompts: &mut Prompts, name, text| prompts.replace(name, text).map_err(|e| e.to_string());
        assert!(replace(&mut prompts, "core.fr", "a\n---\nb").unwrap_err().contains("core.fr"));
        assert!(replace(&mut prompts, "answer.en", "a\n---\n{text}").unwrap_err().contains("{question}"));
        assert!(replace(&mut prompts, "answer.en", "{text} {question} {ask}").unwrap_err().contains("---"));
        assert_eq!(replace(&mut prompts, "answer.en", "a\n---\n{text} {question} {ask}"), Ok(()));
        assert_ne!(prompts.sha256(), before);
    }
}
