//! An index in, the list of the articles that are searched out. Reads what is stored; ranks nothing.

use anyhow::Result;
use tantivy::Term;
use tantivy::collector::DocSetCollector;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;

use super::Passage;
use super::date::Date;
use super::filter::FIRST;
use super::index::Index;

impl Index {
    /// The first passage of each article that is searched: the latest first, then by path, those without a date last.
    ///
    /// One would want it to answer what the articles themselves cannot: how many there are, and of when.
    pub fn catalogue(&self) -> Result<Vec<Passage>> {
        let searcher = self.reader.searcher();
        let first = TermQuery::new(Term::from_field_text(self.fields.facts, FIRST), IndexRecordOption::Basic);
        let mut articles = Vec::new();
        for address in searcher.search(&first, &DocSetCollector)? {
            if self.scope.as_ref().is_none_or(|scope| scope.has(address)) {
                articles.push(self.passage(&searcher, address)?);
            }
        }
        let day = |passage: &Passage| passage.date.as_deref().and_then(Date::written).map(Date::digits);
        articles.sort_by_cached_key(|passage| (std::cmp::Reverse(day(passage)), passage.path.clone()));
        Ok(articles)
    }
}
