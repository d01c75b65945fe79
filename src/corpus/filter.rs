//! What is to be searched in, the passages of an index that belong to it out. Applied before anything is ranked, so
//! that there are as many hits as without it; ranks nothing itself.

use std::collections::HashSet;
use std::str::FromStr;

use anyhow::Result;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocId, DocSet, SegmentReader, TERMINATED};

use super::Passage;
use super::date::Date;
use super::index::Index;
use super::vectors::Key;
use crate::text::Lang;

/// Which articles are searched: those that every part lets pass.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of files that one of the patterns fits; without patterns, all.
    pub paths: Vec<PathPattern>,
    /// Those in one of these languages; without languages, all.
    pub langs: Vec<Lang>,
    /// Those that may be of this day or later. An article of an open date, such as a month, may be of any of its days.
    pub since: Option<Date>,
    /// Those that may be of this day or earlier.
    pub until: Option<Date>,
}

/// A pattern of paths: `*.md` or `news/2024` fits files whose path ends so, and all that is in such a folder.
#[derive(Debug, Clone)]
pub struct PathPattern(GlobSet);

/// What a filter let pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Articles that are searched.
    pub articles: usize,
    /// Articles that were left out for nothing but having no date.
    pub undated: usize,
}

/// The passages that are searched, of one state of the index.
pub(super) struct Scope {
    pub(super) filter: Filter,
    /// For each passage of each segment, whether it is searched.
    passages: Vec<Vec<bool>>,
    keys: HashSet<Key>,
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(pattern: &str) -> Result<PathPattern, String> {
        let end = pattern.trim_start_matches("./").trim_end_matches('/');
        if end.is_empty() {
            return Err("it names no path".to_owned());
        }
        let mut set = GlobSetBuilder::new();
        for glob in [end, &format!("**/{end}"), &format!("{end}/**"), &format!("**/{end}/**")] {
            let glob = GlobBuilder::new(glob).literal_separator(true).build();
            set.add(glob.map_err(|error| error.kind().to_string())?);
        }
        set.build().map(PathPattern).map_err(|error| error.kind().to_string())
    }
}

impl Filter {
    /// Whether all articles pass.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.langs.is_empty() && !self.has_dates()
    }

    fn has_dates(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    fn fits_path(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.0.is_match(path))
    }

    fn fits_lang(&self, name: &str) -> bool {
        let is_named = |lang: &Lang| format!("{lang:?}") == name;
        self.langs.is_empty() || self.langs.iter().any(is_named)
    }

    fn fits_date(&self, date: Date) -> bool {
        self.since.is_none_or(|since| date.may_be_since(since))
            && self.until.is_none_or(|until| until.may_be_since(date))
    }
}

impl Scope {
    pub(super) fn has(&self, passage: DocAddress) -> bool {
        self.passages[passage.segment_ord as usize][passage.doc_id as usize]
    }

    pub(super) fn has_key(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }
}

const LANG: &str = "lang";
const DATE: &str = "date";
/// The fact of the first passage of an article.
pub(super) const FIRST: &str = "first";

/// The terms that a passage is filtered by: its language, its date, and whether it is the first of its article.
pub(super) fn facts(passage: &Passage) -> Vec<String> {
    let date = passage.date.as_deref().and_then(Date::written);
    let mut facts = vec![format!("{LANG}{:?}", passage.lang)];
    facts.extend(date.map(|date| format!("{DATE}{}", date.digits())));
    facts.extend((passage.first_sentence == 0).then(|| FIRST.to_owned()));
    facts
}

impl Index {
    /// Lets searches see only what `filter` lets pass, from now on, and says how much that is.
    pub fn narrow(&mut self, filter: Filter) -> Result<Narrowed> {
        let mut narrowed = Narrowed::default();
        let (mut passages, mut keys) = (Vec::new(), HashSet::new());
        for segment in self.reader.searcher().segment_readers() {
            let n = segment.max_doc() as usize;
            let [mut of_path, mut of_lang, mut of_date, mut dated, mut first] = [(); 5].map(|()| vec![false; n]);
            each_term(segment, self.fields.file, |key, docs| {
                let record = self.table.get(&*String::from_utf8_lossy(key));
                if record.is_some_and(|record| filter.fits_path(&record.shown)) {
                    mark(&mut of_path, docs);
                }
            })?;
            each_term(segment, self.fields.facts, |fact, docs| {
                let fact = String::from_utf8_lossy(fact);
                if let Some(lang) = fact.strip_prefix(LANG) {
                    if filter.fits_lang(lang) {
                        mark(&mut of_lang, docs);
                    }
                } else if let Some(date) = fact.strip_prefix(DATE).and_then(Date::from_digits) {
                    mark(&mut dated, docs);
                    if filter.fits_date(date) {
                        mark(&mut of_date, docs);
                    }
                } else if fact == FIRST {
                    mark(&mut first, docs);
                }
            })?;
            let mut searched = vec![false; n];
            for doc in segment.doc_ids_alive().map(|doc| doc as usize) {
                let fits = of_path[doc] && of_lang[doc];
                searched[doc] = fits && (of_date[doc] || !filter.has_dates());
                narrowed.articles += usize::from(searched[doc] && first[doc]);
                let is_undated = fits && !searched[doc] && !dated[doc];
                narrowed.undated += usize::from(is_undated && first[doc]);
            }
            each_term(segment, self.fields.key, |key, docs| {
                if docs.iter().any(|doc| searched[*doc as usize]) {
                    keys.extend(key.first_chunk().map(|key| Key(*key)));
                }
            })?;
            passages.push(searched);
        }
        self.scope = (!filter.is_empty()).then_some(Scope { filter, passages, keys });
        Ok(narrowed)
    }

    /// Does the same to another state of the index.
    pub(super) fn narrow_again(&mut self, scope: Option<Scope>) -> Result<()> {
        scope.map_or(Ok(()), |scope| self.narrow(scope.filter).map(drop))
    }
}

/// Calls `seen` with each term of a field and the passages that have it, deleted ones among them.
fn each_term(segment: &SegmentReader, field: Field, mut seen: impl FnMut(&[u8], &[DocId])) -> Result<()> {
    let index = segment.inverted_index(field)?;
    let mut terms = index.terms().stream()?;
    let mut docs = Vec::new();
    while terms.advance() {
        let mut postings = index.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
        docs.clear();
        while postings.doc() != TERMINATED {
            docs.push(postings.doc());
            postings.advance();
        }
        seen(terms.key(), &docs);
    }
    Ok(())
}

fn mark(marks: &mut [bool], docs: &[DocId]) {
    docs.iter().for_each(|doc| marks[*doc as usize] = true);
}
