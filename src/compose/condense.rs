//! Evidence beyond the budget in, a smaller evidence of the same kind out: section by section, each told in a few
//! checked lines whose citations still point at the original sentences.

use anyhow::Result;

use super::draft::{Drafting, Task};
use super::evidence::{Evidence, Line};
use super::salience::Salience;
use crate::text::BlockKind;

/// Articles up to so many tokens are read as they are.
const BUDGET_TOKENS: usize = 4096;
/// The tokens of a section, about.
const SECTION_TOKENS: usize = 1024;
/// Lines that each section is told in, and their words.
const LINES_PER_SECTION: usize = 2;
const LINE_WORDS: usize = 24;

/// Returns `evidence` as it is when its `n_tokens` are within the budget, else condensed section by section.
pub fn condense(
    evidence: Evidence,
    title: &str,
    n_tokens: usize,
    drafting: &mut Drafting,
) -> Result<Evidence> {
    if n_tokens <= BUDGET_TOKENS.min(drafting.lm.room() / 2) {
        return Ok(evidence);
    }
    let mut condensed = Evidence {
        lines: Vec::new(),
        sources: evidence.sources.clone(),
    };
    for (block, section) in sections(&evidence, drafting).into_iter().enumerate() {
        let salience = Salience::new(&section, Some(title).filter(|t| !t.is_empty()));
        let mut taken = Vec::new();
        let mut told: Vec<(usize, Line)> = Vec::new();
        while told.len() < LINES_PER_SECTION && taken.len() < 2 * LINES_PER_SECTION {
            let Some(index) = salience.next(&taken) else {
                break;
            };
            taken.push(index);
            let before = index.checked_sub(1).map(|i| &section.lines[i]);
            let claim = drafting.line(&Task {
                lines: &[&section.lines[index]],
                before: before.filter(|l| l.kind != BlockKind::Heading),
                words: LINE_WORDS,
            })?;
            told.extend(claim.map(|claim| {
                let line = Line {
                    cites: claim.cites.iter().map(|q| q.cite).collect(),
                    text: claim.text,
                    kind: BlockKind::Paragraph,
                    block,
                };
                (index, line)
            }));
        }
        told.sort_by_key(|(index, _)| *index);
        condensed
            .lines
            .extend(told.into_iter().map(|(_, line)| line));
    }
    Ok(condensed)
}

/// Cuts at headings and between blocks, into sections of about [`SECTION_TOKENS`].
fn sections(evidence: &Evidence, drafting: &Drafting) -> Vec<Evidence> {
    let mut sections = vec![Evidence::default()];
    let mut tokens = 0;
    let mut block = None;
    for line in &evidence.lines {
        let n = drafting.lm.count(&line.text);
        let heading = line.kind == BlockKind::Heading && tokens > SECTION_TOKENS / 2;
        let full = tokens + n > SECTION_TOKENS && block != Some(line.block);
        // A block without an end must not make a section without one.
        let overfull = tokens > 2 * SECTION_TOKENS;
        if heading || full || overfull {
            sections.push(Evidence::default());
            tokens = 0;
        }
        tokens += n;
        block = Some(line.block);
        if let Some(section) = sections.last_mut() {
            section.lines.push(line.clone());
        }
    }
    sections
}
