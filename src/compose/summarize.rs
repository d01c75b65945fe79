//! An article in, its checked summary out.
//!
//! The model never chooses what to tell: `salience` does, whatever the length of the article. Each chosen sentence is
//! told in one short line, and only lines that hold against their source are kept.

use std::collections::BTreeSet;

use anyhow::Result;

use super::condense::condense;
use super::draft::{Drafting, Task};
use super::evidence::Evidence;
use super::ground::n_words;
use super::salience::Salience;
use super::tags::tags;
use super::{Claim, Group, Reading, Style, Summary, SummaryPlan};
use crate::corpus::terms::terms;
use crate::model::LanguageModel;
use crate::text::{Article, BlockKind};

/// Words of a summary when none are asked for.
const BRIEF_WORDS: usize = 28;
const POINTS_WORDS: usize = 100;
const REPORT_WORDS: usize = 200;
/// The core sentence may have so many words at the most, a point so many.
const CORE_WORDS: usize = 28;
const POINT_WORDS: usize = 20;
const MAX_TAGS: usize = 5;
/// Rounds of telling lines before a summary is content with fewer points.
const PATIENCE: usize = 4;

/// Summarizes an article.
pub fn summarize(article: &Article, lm: &mut dyn LanguageModel, plan: &SummaryPlan) -> Result<Summary> {
    let lang = plan.lang.unwrap_or(article.lang);
    let title = article.title.as_deref().unwrap_or_default();
    let article_tokens = lm.count(&article.text);
    let set_aside_tokens = article.set_aside.iter().map(|s| lm.count(&s.text)).sum();
    let sources = Evidence::from_article(article);
    let mut drafting = Drafting::new(lm, sources.clone(), lang, plan.sampling, &plan.prompts);
    let evidence = condense(sources, title, article_tokens, &*drafting.lm);
    let mut picker = Picker::new(&evidence, title);
    let budget = plan.words.unwrap_or(match plan.style {
        Style::Brief => BRIEF_WORDS,
        Style::Points => POINTS_WORDS,
        Style::Report => REPORT_WORDS,
    });
    let core_words = match plan.style {
        Style::Brief => budget,
        Style::Points | Style::Report => (budget * 3 / 10).clamp(8, CORE_WORDS),
    };
    let core = picker.core(&mut drafting, core_words)?;
    let left = budget.saturating_sub(core.as_ref().map_or(0, |c| n_words(&c.text, lang)));
    let groups = match plan.style {
        Style::Brief => Vec::new(),
        Style::Points => {
            let points = picker.points(&mut drafting, left, 3..=6)?;
            vec![Group { title: None, points: points.into_iter().map(|(_, claim)| claim).collect() }]
        }
        Style::Report => {
            let points = picker.points(&mut drafting, left, 4..=12)?;
            titled_groups(points, &evidence, article, &mut drafting)?
        }
    };
    let tags = match plan.style {
        Style::Brief => Vec::new(),
        Style::Points | Style::Report => tags(article, lang, MAX_TAGS),
    };
    let Drafting { lm, sources, dropped, used, usage, .. } = drafting;
    let read = sources.sources.iter().filter(|q| used.contains(&q.cite));
    let read_tokens = read.map(|q| lm.count(&q.text)).sum::<usize>();
    Ok(Summary {
        style: plan.style,
        lang,
        core,
        groups,
        tags,
        dropped,
        reading: Reading {
            article_tokens,
            read_tokens,
            condensed_tokens: article_tokens.saturating_sub(read_tokens),
            set_aside_tokens,
        },
        usage,
    })
}

/// Takes the most salient lines that are left, again and again.
struct Picker<'a> {
    evidence: &'a Evidence,
    salience: Salience,
    taken: Vec<usize>,
    /// The terms of each claim so far.
    said: Vec<BTreeSet<String>>,
}

impl<'a> Picker<'a> {
    fn new(evidence: &'a Evidence, title: &str) -> Self {
        let salience = Salience::new(evidence, Some(title).filter(|t| !t.is_empty()));
        Picker { evidence, salience, taken: Vec::new(), said: Vec::new() }
    }

    /// The sentence that tells what the article is about; a line that cannot be told makes room for the next one.
    fn core(&mut self, drafting: &mut Drafting, words: usize) -> Result<Option<Claim>> {
        for _ in 0..PATIENCE {
            let next = self.next(1);
            if next.is_empty() {
                break;
            }
            if let Some((_, claim)) = self.tell(&next, drafting, words, true)?.pop() {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Points of together about `budget` words, each with the number of its line, in the order of the article.
    ///
    /// As many lines as are missing are told at once, and then, in place of those that could not be told, the next.
    fn points(
        &mut self,
        drafting: &mut Drafting,
        budget: usize,
        number: std::ops::RangeInclusive<usize>,
    ) -> Result<Vec<(usize, Claim)>> {
        let mut points: Vec<(usize, Claim)> = Vec::new();
        let mut left = budget;
        for _ in 0..PATIENCE {
            let planned = (budget / POINT_WORDS).clamp(*number.start(), *number.end());
            let missing = match points.len() < planned {
                true => planned - points.len(),
                // Short points leave room for another.
                false => (left / POINT_WORDS).min(number.end() - points.len()),
            };
            let next = self.next(missing);
            if next.is_empty() {
                break;
            }
            let words = (left / missing).clamp(POINT_WORDS * 3 / 4, POINT_WORDS * 6 / 5);
            let told = self.tell(&next, drafting, words, false)?;
            let n_told: usize = told.iter().map(|(_, c)| n_words(&c.text, drafting.lang)).sum();
            left = left.saturating_sub(n_told);
            points.extend(told);
        }
        points.sort_by_key(|(line, _)| *line);
        Ok(points)
    }

    /// The most salient lines that are left, at most `n`.
    fn next(&mut self, n: usize) -> Vec<usize> {
        let before = self.taken.len();
        while self.taken.len() < before + n
            && let Some(line) = self.salience.next(&self.taken)
        {
            self.taken.push(line);
        }
        self.taken[before..].to_vec()
    }

    /// Tells lines in at most `words` words each; those that cannot be told are not among the claims.
    fn tell(
        &mut self,
        lines: &[usize],
        drafting: &mut Drafting,
        words: usize,
        may_copy: bool,
    ) -> Result<Vec<(usize, Claim)>> {
        let task = |&idx: &usize| {
            let line = &self.evidence.lines[idx];
            let before = idx.checked_sub(1).map(|i| &self.evidence.lines[i]);
            Task {
                line,
                before: before.filter(|l| l.kind != BlockKind::Heading && l.is_followed_by(line)),
                words,
                may_copy,
            }
        };
        let tasks: Vec<Task> = lines.iter().map(task).collect();
        let told = lines.iter().copied().zip(drafting.lines(&tasks)?);
        let told = told.filter_map(|(line, claim)| Some((line, claim?)));
        Ok(told.filter(|(_, claim)| self.is_new(&claim.text)).collect())
    }

    /// Whether no claim so far says the same: two sentences may come out alike once they are shortened.
    fn is_new(&mut self, text: &str) -> bool {
        /// Share of the shorter one's terms.
        const SAME: f64 = 0.8;
        let terms: BTreeSet<String> = terms(text).into_iter().collect();
        let is_said = |said: &BTreeSet<String>| {
            let n_shorter = said.len().min(terms.len()).max(1);
            said.intersection(&terms).count() as f64 >= SAME * n_shorter as f64
        };
        let is_new = !self.said.iter().any(is_said);
        if is_new {
            self.said.push(terms);
        }
        is_new
    }
}

/// Two to four groups of neighbouring points, cut where the article makes its largest steps.
fn titled_groups(
    points: Vec<(usize, Claim)>,
    evidence: &Evidence,
    article: &Article,
    drafting: &mut Drafting,
) -> Result<Vec<Group>> {
    let n_groups = (points.len() / 2).clamp(1, 4);
    let mut steps: Vec<usize> = (1..points.len()).collect();
    steps.sort_by_key(|&i| std::cmp::Reverse(distance(points[i - 1].0, points[i].0, evidence)));
    let mut cuts: Vec<usize> = Vec::new();
    for step in steps {
        // No group of one point, where it can be helped.
        let apart = |cut: &usize| cut.abs_diff(step) >= 2;
        if cuts.len() + 1 < n_groups && step >= 2 && points.len() - step >= 2 && cuts.iter().all(apart) {
            cuts.push(step);
        }
    }
    let mut groups = Vec::new();
    let mut open = Vec::new();
    for (i, (line, claim)) in points.into_iter().enumerate() {
        if cuts.contains(&i) {
            groups.push(std::mem::take(&mut open));
        }
        open.push((line, claim));
    }
    groups.push(open);
    // A group that gets no heading from the model is headed by the name that it speaks of most.
    let mut names = tags(article, drafting.lang, MAX_TAGS * 2);
    let titled = groups.into_iter().filter(|g| !g.is_empty()).map(|points| {
        let points: Vec<Claim> = points.into_iter().map(|(_, claim)| claim).collect();
        let n_said = |name: &String| points.iter().filter(|p| p.text.contains(name)).count();
        let said = (0..names.len()).filter(|idx| n_said(&names[*idx]) > 0);
        let most = said.max_by_key(|idx| (n_said(&names[*idx]), std::cmp::Reverse(*idx)));
        let name = most.map(|idx| names.remove(idx));
        Ok(Group { title: drafting.title(&points)?.or(name), points })
    });
    titled.collect()
}

/// How far apart two lines are; a heading between them counts as much as a page.
fn distance(a: usize, b: usize, evidence: &Evidence) -> usize {
    let between = &evidence.lines[a..=b];
    let headings = between.iter().filter(|l| l.kind == BlockKind::Heading);
    b - a + 100 * headings.count()
}
