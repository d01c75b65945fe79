//! What came of each item of a run in, one line of JSON an item on disk out, so that a run goes on where it was stopped
//! and two runs can be compared item by item.
//!
//! The file only grows. A line that a crash tore is passed over, and so is one that this version does not know.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What came of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What the outcome depends on beside the item, as a digest: only the same run goes on with it.
    pub run: String,
    /// What was measured.
    pub kind: String,
    /// The set's name.
    pub set: String,
    /// The part of the set.
    pub leg: String,
    /// The item's id in its set.
    pub id: String,
    /// The judgements; what does not apply to the item is absent.
    pub metrics: BTreeMap<String, f64>,
    /// What was asked, for people.
    pub asked: String,
    /// What was expected, for people.
    pub expected: String,
    /// What the product said, for people.
    pub said: String,
}

impl Item {
    /// Whether another outcome is of the same item, in whatever run.
    pub fn is_same(&self, other: &Item) -> bool {
        [&self.id, &self.leg, &self.set, &self.kind] == [&other.id, &other.leg, &other.set, &other.kind]
    }
}

/// A file of items.
#[derive(Debug)]
pub struct Items {
    path: PathBuf,
    file: File,
}

impl Items {
    /// Opens or begins a file.
    pub fn open(path: &Path) -> Result<Items> {
        let failed = || format!("failed to open `{}`", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(failed)?;
        }
        let mut options = OpenOptions::new();
        let options = options.create(true).read(true).append(true);
        let mut file = options.open(path).with_context(failed)?;
        let length = file.seek(SeekFrom::End(0)).with_context(failed)?;
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1)).with_context(failed)?;
            file.read_exact(&mut last).with_context(failed)?;
        }
        if last != [b'\n'] {
            // The torn line stays where it is, as a line of its own that nobody can read.
            file.write_all(b"\n").with_context(failed)?;
        }
        Ok(Items { path: path.to_owned(), file })
    }

    /// The items of one run.
    pub fn of_run(&self, run: &str) -> Result<Vec<Item>> {
        let mut items = read(&self.path)?;
        items.retain(|item| item.run == run);
        Ok(items)
    }

    /// Adds an item.
    pub fn append(&mut self, item: &Item) -> Result<()> {
        let line = serde_json::to_string(item)? + "\n";
        self.file.write_all(line.as_bytes()).with_context(|| format!("failed to write to `{}`", self.path.display()))
    }
}

/// The items of a file.
pub fn read(path: &Path) -> Result<Vec<Item>> {
    let failed = || format!("failed to read `{}`", path.display());
    let file = File::open(path).with_context(failed)?;
    let mut items = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.with_context(failed)?;
        items.extend(serde_json::from_slice::<Item>(&line).ok());
    }
    Ok(items)
}

/// Writes items into a file of their own, in place of what was there.
pub fn write<'a>(path: &Path, items: impl IntoIterator<Item = &'a Item>) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to replace `{}`", path.display()));
        }
        _ => {}
    }
    let mut file = Items::open(path)?;
    items.into_iter().try_for_each(|item| file.append(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(run: &str, id: &str) -> Item {
        let text = |text: &str| text.to_owned();
        Item {
            run: text(run),
            kind: text("answers"),
            set: text("own"),
            leg: text("same-script"),
            id: text(id),
            metrics: BTreeMap::from([("f1".to_owned(), 0.1)]),
            asked: text("谁？\nWho?"),
            expected: String::new(),
            said: String::new(),
        }
    }

    #[test]
    fn a_torn_line_costs_its_own_item_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/items.jsonl");
        let mut items = Items::open(&path).unwrap();
        for (run, id) in [("x", "1"), ("y", "1"), ("x", "2")] {
            items.append(&item(run, id)).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let mut items = Items::open(&path).unwrap();
        items.append(&item("x", "3")).unwrap();
        assert_eq!(items.of_run("x").unwrap(), [item("x", "1"), item("x", "3")]);
        let copy = folder.path().join("copy.jsonl");
        for _ in 0..2 {
            write(&copy, &[item("x", "1")]).unwrap();
        }
        assert_eq!(read(&copy).unwrap(), [item("x", "1")]);
    }
}
