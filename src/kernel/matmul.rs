//! A matrix of quantized weights and quantized rows in, their product out: who does which part of it, and in what
//! order. Knows no instruction set.

use super::activations::{Activations, MAX_BUNDLE_ROWS};
use super::format::Matrix;
use super::pack::{COLUMNS, PANEL_GROUPS, Panel};
use super::{Isa, SharedSlice, in_parallel};

/// Rows of weights between two looks at which kernel to call.
const RUN: usize = 8;

/// `y = x Wᵀ + b`: y is (m, n).
pub(super) fn matmul(weights: &Matrix<'_>, bias: Option<&[f32]>, x: &Activations, isa: Isa) -> Vec<f32> {
    assert!(x.k() == weights.k && bias.is_none_or(|bias| bias.len() == weights.n));
    let mut y = vec![0.0; x.m() * weights.n];
    if x.m() <= 2 * isa.bundle_rows() || !isa.has_panels() {
        few_rows(weights, bias, x, isa, &SharedSlice::new(&mut y));
    } else {
        many_rows(weights, bias, x, isa, &SharedSlice::new(&mut y));
    }
    y
}

/// Each row of weights is read once, straight from its blocks: as fast as memory gives them.
fn few_rows(weights: &Matrix<'_>, bias: Option<&[f32]>, x: &Activations, isa: Isa, y: &SharedSlice<'_, f32>) {
    let n = weights.n;
    let starts = x.starts(weights.format, isa.dot_lanes(weights.format));
    in_parallel(n.div_ceil(RUN), |runs| {
        for run in runs {
            let columns = run * RUN..n.min((run + 1) * RUN);
            for bundle in x.bundles(&starts) {
                let mut products = [[0.0; MAX_BUNDLE_ROWS]; RUN];
                isa.dot(weights, columns.start, &bundle, &mut products[..columns.len()]);
                for r in 0..bundle.n_rows {
                    let row = (bundle.first_row + r) * n;
                    // SAFETY: no other thread has these columns.
                    let y = unsafe { y.range(row + columns.start..row + columns.end) };
                    for ((y, products), column) in y.iter_mut().zip(&products).zip(columns.clone()) {
                        *y = products[r] + bias.map_or(0.0, |bias| bias[column]);
                    }
                }
            }
        }
    });
}

/// Some columns of weights are expanded for a stretch of k, and all rows pass over them before the next stretch.
fn many_rows(weights: &Matrix<'_>, bias: Option<&[f32]>, x: &Activations, isa: Isa, y: &SharedSlice<'_, f32>) {
    let n = weights.n;
    let starts = x.starts(weights.format, 1);
    in_parallel(n.div_ceil(COLUMNS), |panels| {
        let mut panel = Panel::empty();
        let mut products = vec![[0.0; COLUMNS]; x.m()];
        for columns in panels.map(|i| i * COLUMNS..n.min((i + 1) * COLUMNS)) {
            let mut start = [0.0; COLUMNS];
            if let Some(bias) = bias {
                start[..columns.len()].copy_from_slice(&bias[columns.clone()]);
            }
            products.fill(start);
            for first in (0..weights.n_groups()).step_by(PANEL_GROUPS) {
                let groups = first..weights.n_groups().min(first + PANEL_GROUPS);
                isa.pack(weights, columns.start, groups.clone(), &mut panel);
                for bundle in x.bundles(&starts) {
                    let tile = &mut products[bundle.first_row..][..bundle.n_rows];
                    isa.multiply(weights.format, &panel, groups.clone(), &bundle, tile);
                }
            }
            for (row, products) in products.iter().enumerate() {
                // SAFETY: no other thread has these columns.
                let y = unsafe { y.range(row * n + columns.start..row * n + columns.end) };
                y.copy_from_slice(&products[..columns.len()]);
            }
        }
    });
}
