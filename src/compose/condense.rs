//! Evidence beyond the budget in, a smaller evidence of the same kind out: the sentences that carry each section, as
//! they stand, so that citations still point at the original. No model writes here: what would be told twice would be
//! told wrong more often.

use super::evidence::Evidence;
use super::salience::Salience;
use crate::model::LanguageModel;
use crate::text::BlockKind;

/// Articles up to so many tokens are weighed as a whole.
const BUDGET_TOKENS: usize = 4096;
/// The tokens of a section, about.
const SECTION_TOKENS: usize = 1024;
/// Sentences that stand for a section.
const LINES_PER_SECTION: usize = 4;

/// Returns `evidence` as it is when its `n_tokens` are within the budget, else the salient lines of each section.
pub fn condense(evidence: Evidence, title: &str, n_tokens: usize, lm: &dyn LanguageModel) -> Evidence {
    if n_tokens <= BUDGET_TOKENS.min(lm.room() / 2) {
        return evidence;
    }
    let mut condensed = Evidence { lines: Vec::new(), sources: evidence.sources.clone() };
    for section in sections(&evidence, lm) {
        let salience = Salience::new(&section, Some(title).filter(|t| !t.is_empty()));
        let mut taken = Vec::new();
        while taken.len() < LINES_PER_SECTION
            && let Some(line) = salience.next(&taken)
        {
            taken.push(line);
        }
        taken.sort_unstable();
        let kept = taken.into_iter().map(|line| section.lines[line].clone());
        condensed.lines.extend(kept);
    }
    condensed
}

/// Cuts at headings and between blocks, into sections of about [`SECTION_TOKENS`].
fn sections(evidence: &Evidence, lm: &dyn LanguageModel) -> Vec<Evidence> {
    let mut sections = vec![Evidence::default()];
    let mut tokens = 0;
    let mut block = None;
    for line in &evidence.lines {
        let n = lm.count(&line.text);
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
