//! The shape that weights take on their way to a product with many rows.

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
