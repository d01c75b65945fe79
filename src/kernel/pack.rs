//! The shape that weights take on their way to a product with many rows.

use std::ops::Range;

use super::format::Matrix;

/// Columns of a panel: outputs of the layer.
pub(super) const COLUMNS: usize = 32;
/// The most groups of a panel; a panel of so many lies in the first cache.
pub(super) const PANEL_GROUPS: usize = 16;

/// Some columns of weights over a stretch of k, expanded to bytes; reused from stretch to stretch.
///
/// Four neighbours in k lie together, since one instruction sums them; then the next column.
#[repr(align(64))]
pub(super) struct Panel {
    /// Stored numbers: (group, k / 4, column, 4)
    pub(super) quants: [[[[u8; 4]; COLUMNS]; 8]; PANEL_GROUPS],
    /// Scales: (group and scale of the group, column)
    pub(super) scales: [[f32; COLUMNS]; 2 * PANEL_GROUPS],
    /// Minima, negated: (group, column)
    pub(super) minima: [[f32; COLUMNS]; PANEL_GROUPS],
}

impl Panel {
    /// A panel to be filled.
    pub(super) fn empty() -> Panel {
        Panel {
            quants: [[[[0; 4]; COLUMNS]; 8]; PANEL_GROUPS],
            scales: [[0.0; COLUMNS]; 2 * PANEL_GROUPS],
            minima: [[0.0; COLUMNS]; PANEL_GROUPS],
        }
    }
}

/// Where in each row of weights the groups begin; panics unless they are whole blocks, and no more than a panel takes.
pub(super) fn first_byte(weights: &Matrix<'_>, groups: &Range<usize>) -> usize {
    let block_groups = weights.format.block_groups();
    assert!(groups.start.is_multiple_of(block_groups) && groups.len().is_multiple_of(block_groups));
    assert!(groups.end <= weights.n_groups() && groups.len() <= PANEL_GROUPS);
    groups.start / block_groups * weights.format.block_bytes()
}
