//! The names of articles that were read before in, the articles as they are now out: where they were, or in a folder that
//! they were moved to. Knows no result; what has changed since is for the caller to say.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use anyhow::Result;

use super::articles::Articles;
use super::source::{self, Item, Problem, SourceError};
use crate::text::{Article, RawArticle};

/// So many articles of an open file are kept when another of its articles is looked for: results are nearly in the order
/// of the articles.
const N_PASSED: usize = 64;

/// Reads articles again, one at a time.
#[derive(Default)]
pub struct Reread {
    /// What the folder holds, by file name; `None` to look where the articles were.
    folder: Option<HashMap<String, Vec<Item>>>,
    /// The names in the folder of all its articles, by the hash of their text; made when a name is not found.
    by_hash: Option<HashMap<String, (Item, String)>>,
    open: Option<Open>,
}

/// A file that is being read.
struct Open {
    shown: String,
    articles: Articles,
    /// The articles read last.
    passed: VecDeque<RawArticle>,
}

impl Reread {
    /// To look for articles in this folder, wherever they were; without one, where they were.
    pub fn new(folder: Option<&Path>) -> Reread {
        let mut by_name: HashMap<String, Vec<Item>> = HashMap::new();
        for item in folder.into_iter().flat_map(|folder| source::find(&[folder]).items) {
            by_name.entry(file_name(&item.shown).to_owned()).or_default().push(item);
        }
        Reread { folder: folder.map(|_| by_name), ..Reread::default() }
    }

    /// The article of this name. Of several files that may be meant, the one whose text has this hash; in a folder, any
    /// article that has it.
    ///
    /// # Errors
    /// [`SourceError`] or [`Refusal`](crate::text::Refusal).
    pub fn article(&mut self, name: &str, sha256: Option<&str>) -> Result<Article> {
        let mut best: Option<Result<Article>> = None;
        for (item, record) in self.candidates(name) {
            let article = self.read(&item, &record);
            if article.as_ref().is_ok_and(|article| sha256.is_none_or(|sha256| article.sha256 == sha256)) {
                return article;
            }
            if best.as_ref().is_none_or(|best| best.is_err() && article.is_ok()) {
                best = Some(article);
            }
        }
        if let Some((item, record)) = sha256.and_then(|sha256| self.of_hash(sha256)) {
            return self.read(&item, &record);
        }
        best.unwrap_or_else(|| Err(SourceError::new(name, Problem::Missing).into()))
    }

    /// The files that may hold the article, the likeliest first, each with what stands behind its name.
    fn candidates(&self, name: &str) -> Vec<(Item, String)> {
        // `all.jsonl#3` is a record of a file, if no file has this name.
        let cuts = std::iter::once(name.len()).chain(name.rmatch_indices('#').map(|(at, _)| at));
        let files = cuts.map(|at| name.split_at(at)).filter(|(file, _)| !file.is_empty() && *file != "-");
        let mut found = Vec::new();
        for (file, record) in files {
            match &self.folder {
                Some(folder) => {
                    let items = folder.get(file_name(file)).into_iter().flatten();
                    found.extend(items.map(|item| (item.clone(), record.to_owned())));
                }
                None if Path::new(file).is_file() => {
                    found.extend(source::find(&[file]).items.into_iter().map(|item| (item, record.to_owned())));
                }
                None => {}
            }
        }
        let n_alike = |item: &Item| {
            let file = &name[..name.rfind(file_name(&item.shown)).map_or(0, |at| at + file_name(&item.shown).len())];
            file.rsplit('/').zip(item.shown.rsplit('/')).take_while(|(a, b)| a == b).count()
        };
        found.sort_by_key(|(item, _)| std::cmp::Reverse(n_alike(item)));
        found
    }

    /// Any article of the folder with this text.
    fn of_hash(&mut self, sha256: &str) -> Option<(Item, String)> {
        let folder = self.folder.as_ref()?;
        let by_hash = self.by_hash.get_or_insert_with(|| {
            let mut by_hash = HashMap::new();
            for item in folder.values().flatten() {
                for raw in item.open().into_iter().flatten().flatten() {
                    if let Ok(article) = Article::read(&raw) {
                        let record = raw.path.strip_prefix(&item.shown).unwrap_or_default().to_owned();
                        by_hash.insert(article.sha256, (item.clone(), record));
                    }
                }
            }
            by_hash
        });
        by_hash.get(sha256).cloned()
    }

    fn read(&mut self, item: &Item, record: &str) -> Result<Article> {
        let path = format!("{}{record}", item.shown);
        if let Some(open) = self.open.as_mut().filter(|open| open.shown == item.shown)
            && let Ok(raw) = open.find(&path)
        {
            return Ok(Article::read(&raw)?);
        }
        let articles = item.open()?;
        let open = self.open.insert(Open { shown: item.shown.clone(), articles, passed: VecDeque::new() });
        Ok(Article::read(&open.find(&path)?)?)
    }
}

impl Open {
    /// The article of this name among those read last and those that follow.
    fn find(&mut self, path: &str) -> Result<RawArticle, SourceError> {
        if let Some(raw) = self.passed.iter().find(|raw| raw.path == path) {
            return Ok(raw.clone());
        }
        let mut why = None;
        for raw in self.articles.by_ref() {
            match raw {
                Ok(raw) => {
                    self.passed.truncate(N_PASSED - 1);
                    self.passed.push_front(raw);
                    if self.passed[0].path == path {
                        return Ok(self.passed[0].clone());
                    }
                }
                Err(error) if error.path == path => why = Some(error),
                Err(_) => {}
            }
        }
        Err(why.unwrap_or_else(|| SourceError::new(path, Problem::Missing)))
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const QUAY: &str = "The quay at Halden was closed on Monday. Two boats had been damaged in the storm.";
    const MILL: &str = "The mill at Orre was sold on Friday. It had stood empty for nine years.";

    #[test]
    fn an_article_is_found_where_it_was_where_it_was_moved_and_under_another_name() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        for (name, text) in [("a/x.txt", QUAY), ("b/x.txt", MILL), ("c/one#2.txt", QUAY)] {
            fs::create_dir_all(Path::new(&path(name)).parent().unwrap()).unwrap();
            fs::write(path(name), text).unwrap();
        }
        let mut there = Reread::new(None);
        let hash = |article: Result<Article>| article.map(|article| article.sha256).ok();
        let quay = hash(there.article(&path("a/x.txt"), None));
        assert!(quay.is_some());
        assert_eq!(hash(there.article(&path("c/one#2.txt"), None)), quay);
        assert_eq!(hash(there.article(&path("no.txt"), quay.as_deref())), None);
        let mut moved = Reread::new(Some(home.path()));
        let mill = hash(moved.article("old/b/x.txt", None));
        assert_ne!(mill, quay);
        assert!(mill.is_some());
        assert_eq!(hash(moved.article("old/b/x.txt", quay.as_deref())), quay, "the hash decides");
        for name in ["-", "renamed.txt"] {
            assert_eq!(hash(moved.article(name, mill.as_deref())), mill, "{name}");
            assert_eq!(hash(moved.article(name, Some("0"))), None, "{name}");
        }
    }

    #[test]
    fn records_of_a_file_are_found_in_any_order() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("all.jsonl");
        let lines: Vec<String> = (1..=200).map(|n| format!(r#"{{"text": "{QUAY} It was day {n}."}}"#)).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let mut there = Reread::new(None);
        for number in [3, 2, 150, 1, 200, 40] {
            let article = there.article(&format!("{}#{number}", path.display()), None).unwrap();
            assert!(article.text.ends_with(&format!("day {number}.")), "{number}: {}", article.text);
        }
        assert!(there.article(&format!("{}#201", path.display()), None).is_err());
    }
}
