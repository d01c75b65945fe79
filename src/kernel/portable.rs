//! Any processor: a group of weights is taken apart once and multiplied with every row of a bundle, in plain Rust.

pub(super) use super::activations::quantize_bundle as quantize;
use super::activations::{Bundle, MAX_BUNDLE_ROWS};
use super::attention::{Lanes, Softmax};
use super::format::{GROUP, Matrix};
use super::reference;

/// The products of some rows of weights, from `first_row`, with each row of a bundle.
pub(super) fn dot(weights: &Matrix<'_>, first_row: usize, x: &Bundle<'_>, products: &mut [[f32; MAX_BUNDLE_ROWS]]) {
    for (i, products) in products.iter_mut().enumerate() {
        let row = weights.row(first_row + i);
        *products = [0.0; MAX_BUNDLE_ROWS];
        for g in 0..weights.n_groups() {
            let group = reference::group(weights.format, row, g);
            let weights = group.quants.map(|w| w as i16); // vectors of any age multiply these
            for (r, product) in products.iter_mut().enumerate().take(x.n_rows) {
                let at = g * x.n_rows + r;
                let quants = &x.quants[at * GROUP..(at + 1) * GROUP];
                let dot = |part: usize| -> i32 {
                    let half = 16 * part..16 * part + 16;
                    weights[half.clone()].iter().zip(&quants[half]).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum()
                };
                let scaled = dot(0) as f32 * group.scales[0] + dot(1) as f32 * group.scales[1];
                *product += scaled * x.scales[at] - group.minimum * x.scaled_sums[at];
            }
        }
    }
}

/// See `Isa::tile`.
pub(super) fn tile<const N: usize>(
    a: &[f32],
    strides: (usize, usize),
    b: &[Lanes<N>],
    beta: Option<&Lanes<N>>,
    sums: &mut [Lanes<N>],
) {
    for (row, sums) in sums.iter_mut().enumerate() {
        for lane in 0..N {
            sums.0[lane] = beta.map_or(0.0, |beta| beta.0[lane] * sums.0[lane]);
        }
        for (k, b) in b.iter().enumerate() {
            let a = a[row * strides.0 + k * strides.1];
            for lane in 0..N {
                sums.0[lane] += a * b.0[lane];
            }
        }
    }
}

super::isa::compiled_for!(fma: false);
