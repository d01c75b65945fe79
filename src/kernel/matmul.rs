//! A matrix of quantized weights and quantized rows in, their product out: who does which part of it, and in what
//! order. Knows no instruction set.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::activations::{Activations, MAX_BUNDLE_ROWS};
use super::format::{GROUP, Matrix};
use super::pack::{COLUMNS, PANEL_GROUPS, Panel};
use super::{Isa, SharedSlice, in_parallel, n_threads};

/// Rows of weights between two looks at which kernel to call.
const RUN: usize = 8;

/// `y = x Wᵀ + b`: y is (m, n).
pub(super) fn matmul(weights: &Matrix<'_>, bias: Option<&[f32]>, x: &Activations, isa: Isa) -> Vec<f32> {
    assert!(x.k() == weights.k && bias.is_none_or(|bias| bias.len() == weights.n));
    let mut y = Vec::with_capacity(x.m() * weights.n);
    let room = &mut y.spare_capacity_mut()[..x.m() * weights.n];
    if x.m() <= isa.few_rows() || !isa.has_panels() {
        few_rows(weights, bias, x, isa, &SharedSlice::new(room));
    } else {
        many_rows(weights, bias, x, isa, &SharedSlice::new(room));
    }
    // SAFETY: both functions write every product, or panic.
    unsafe { y.set_len(x.m() * weights.n) };
    y
}

/// Each row of weights is read once, straight from its blocks: as fast as memory gives them.
fn few_rows(
    weights: &Matrix<'_>,
    bias: Option<&[f32]>,
    x: &Activations,
    isa: Isa,
    y: &SharedSlice<'_, MaybeUninit<f32>>,
) {
    let n = weights.n;
    let starts = isa.dot_lanes(weights.format).map_or_else(Vec::new, |n_lanes| x.starts(weights.format, n_lanes, 0));
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
                        y.write(products[r] + bias.map_or(0.0, |bias| bias[column]));
                    }
                }
            }
        }
    });
}

/// Bytes of activations that the second cache of a core holds beside products.
const CACHED: usize = 1 << 20;
/// Of more activations, what all rows have in a stretch of k stays there while so many panels take turns at it.
const PANELS: usize = 4;

/// Some columns of weights are expanded for a stretch of k, and all rows pass over them before the next columns and the
/// next stretch.
fn many_rows(
    weights: &Matrix<'_>,
    bias: Option<&[f32]>,
    x: &Activations,
    isa: Isa,
    y: &SharedSlice<'_, MaybeUninit<f32>>,
) {
    let n = weights.n;
    let starts = x.starts(weights.format, 1, isa.zero());
    let n_panels = n.div_ceil(COLUMNS);
    let n_together = match x.m() * x.k() {
        ..CACHED => 1,
        _ => PANELS.min(n_panels.div_ceil(8 * n_threads())), // parts enough to share out evenly
    };
    in_parallel(n_panels.div_ceil(n_together), |parts| {
        let mut panel = Panel::empty();
        let mut products = Vec::new();
        for part in parts.map(|i| i * n_together..n_panels.min((i + 1) * n_together)) {
            let columns = part.start * COLUMNS..n.min(part.end * COLUMNS);
            products.resize(part.len() * x.m(), [0.0; COLUMNS]);
            multiply(weights, bias, columns.clone(), x, &starts, isa, &mut panel, &mut products);
            let firsts = columns.clone().step_by(COLUMNS);
            for (first, products) in firsts.zip(products.chunks_exact(x.m())) {
                let n_columns = COLUMNS.min(columns.end - first);
                for (row, products) in products.iter().enumerate() {
                    // SAFETY: no other thread has these columns.
                    let y = unsafe { y.range(row * n + first..row * n + first + n_columns) };
                    match y.as_mut_array::<COLUMNS>() {
                        // A length that the compiler knows spares a call for each row.
                        Some(y) => _ = y.write_copy_of_slice(products),
                        None => _ = y.write_copy_of_slice(&products[..n_columns]),
                    }
                }
            }
        }
    });
}

/// The products of the columns of some panels with each row: (panel, row).
#[allow(clippy::too_many_arguments)]
fn multiply(
    weights: &Matrix<'_>,
    bias: Option<&[f32]>,
    columns: Range<usize>,
    x: &Activations,
    starts: &[i32],
    isa: Isa,
    panel: &mut Panel,
    products: &mut [[f32; COLUMNS]],
) {
    assert!(x.are_interleaved());
    let firsts = columns.clone().step_by(COLUMNS);
    for (first, products) in firsts.clone().zip(products.chunks_exact_mut(x.m())) {
        let mut start = [0.0; COLUMNS];
        if let Some(bias) = bias {
            let bias = &bias[first..columns.end.min(first + COLUMNS)];
            start[..bias.len()].copy_from_slice(bias);
        }
        products.fill(start);
    }
    for group in (0..weights.n_groups()).step_by(PANEL_GROUPS) {
        let groups = group..weights.n_groups().min(group + PANEL_GROUPS);
        for (first, products) in firsts.clone().zip(products.chunks_exact_mut(x.m())) {
            isa.pack(weights, first, groups.clone(), panel);
            for bundle in x.bundles(starts) {
                let tile = &mut products[bundle.first_row..][..bundle.n_rows];
                isa.multiply(weights.format, panel, groups.clone(), &bundle, tile);
            }
        }
    }
}

/// What `mix` makes of the products of many rows with some matrices of one shape, left in the first of them: quantized
/// while it is in the cache, since a panel is as wide as a group.
pub(super) fn mixed<const N: usize>(
    layers: [(&Matrix<'_>, Option<&[f32]>); N],
    x: &Activations,
    isa: Isa,
    mix: impl Fn(&mut [Vec<[f32; COLUMNS]>; N]) + Sync,
) -> Activations {
    const { assert!(COLUMNS == GROUP) };
    let n = layers[0].0.n;
    for (weights, bias) in layers {
        assert!((weights.n, weights.k) == (n, x.k()) && bias.is_none_or(|bias| bias.len() == n));
    }
    let starts = layers.map(|(weights, _)| x.starts(weights.format, 1, isa.zero()));
    Activations::filled(x.m(), n, isa, |room| {
        in_parallel(n / GROUP, |groups| {
            let mut panel = Panel::empty();
            let mut products = [const { Vec::new() }; N];
            for group in groups {
                let columns = group * GROUP..(group + 1) * GROUP;
                for (i, (weights, bias)) in layers.into_iter().enumerate() {
                    products[i].resize(x.m(), [0.0; COLUMNS]);
                    multiply(weights, bias, columns.clone(), x, &starts[i], isa, &mut panel, &mut products[i]);
                }
                mix(&mut products);
                // SAFETY: each group is handed to one thread.
                unsafe { room.quantize(products[0].as_flattened(), 0..x.m(), group..group + 1) };
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::super::reference;
    use super::*;

    /// A small generator, so that each case is the same in every run.
    pub(crate) struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            mixed ^ (mixed >> 33)
        }

        fn below(&mut self, n: usize) -> usize {
            (self.next() % n as u64) as usize
        }

        fn normal(&mut self) -> f32 {
            (0..12).map(|_| (self.next() % 4096) as f32 / 4096.0).sum::<f32>() - 6.0
        }
    }

    /// Random blocks whose scales are small numbers, or all 1 with minima of 0, so that products are whole numbers.
    fn blocks(format: Format, n: usize, k: usize, whole: bool, random: &mut Random) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..n * format.row_bytes(k)).map(|_| random.next() as u8).collect();
        let scale = |random: &mut Random| match whole {
            true => half::f16::ONE,
            false => half::f16::from_f32(random.normal() * 0.01),
        };
        for block in bytes.chunks_exact_mut(format.block_bytes()) {
            let at = if format == Format::Q6K { 208 } else { 0 };
            block[at..at + 2].copy_from_slice(&scale(random).to_le_bytes());
            match format {
                Format::Q4K | Format::Q5K => {
                    block[2..4].copy_from_slice(&scale(random).to_le_bytes());
                    if whole {
                        block[4..16].copy_from_slice(&[1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
                    }
                }
                Format::Q6K if whole => block[192..208].fill(1),
                _ => (),
            }
        }
        bytes
    }

    /// Numbers; or whole ones, of which each group has one of size 127, so that they are their own quants.
    fn numbers(m: usize, k: usize, whole: bool, random: &mut Random) -> Vec<f32> {
        let mut x: Vec<f32> =
            (0..m * k).map(|_| if whole { random.below(255) as f32 - 127.0 } else { random.normal() }).collect();
        if whole {
            x.iter_mut().step_by(GROUP).for_each(|x| *x = 127.0);
        }
        x
    }

    /// A multiple of what pages are anywhere.
    const PAGE: usize = 64 << 10;

    /// Bytes before a page that nobody may read, and so at an odd address: a kernel that reads one too many ends the test.
    struct Fenced {
        map: memmap2::MmapRaw,
        start: usize,
    }

    impl Fenced {
        fn new(bytes: &[u8]) -> Fenced {
            let fence = bytes.len().next_multiple_of(PAGE);
            let mut map = memmap2::MmapMut::map_anon(fence + PAGE).unwrap();
            let start = fence - bytes.len();
            map[start..fence].copy_from_slice(bytes);
            let map = memmap2::MmapRaw::from(map);
            #[cfg(unix)]
            {
                let page = map.as_mut_ptr().wrapping_add(fence).cast();
                // SAFETY: the page is of this map alone, and no reference to it is left.
                let done = unsafe { libc::mprotect(page, PAGE, libc::PROT_NONE) };
                assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
            }
            Fenced { map, start }
        }
    }

    impl std::ops::Deref for Fenced {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            let n_bytes = self.map.len() - PAGE - self.start;
            // SAFETY: these bytes were written, and nobody writes them again.
            unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(self.start), n_bytes) }
        }
    }

    fn check(format: Format, m: usize, n: usize, k: usize) {
        let mut random = Random((m * 1_000_003 + n * 1_009 + k) as u64);
        for isa in Isa::available() {
            for whole in [true, false] {
                let bytes = blocks(format, n, k, whole, &mut random);
                let fenced = Fenced::new(&bytes);
                let weights = Matrix::new(format, (n, k), &fenced).unwrap();
                let x = Activations::quantize(&numbers(m, k, whole, &mut random), k, isa);
                let expected = reference::matmul(&weights, &x);
                let bias: Option<Vec<f32>> = (!whole).then(|| (0..n).map(|_| random.normal()).collect());
                let y = matmul(&weights, bias.as_deref(), &x, isa);
                assert_eq!(y.len(), m * n);
                for (i, (y, expected)) in y.iter().zip(expected).enumerate() {
                    let bias = bias.as_ref().map_or(0.0, |bias| f64::from(bias[i % n]));
                    let error = (f64::from(*y) - expected - bias).abs();
                    // Sums of whole numbers below 2^24 are exact in f32. Otherwise each of the k / 16 additions may
                    // err by half a unit of 2^-24 of the sum of magnitudes, which is below 4 k for these numbers.
                    let allowed = if whole { 0.0 } else { 4.0 * k as f64 * (k as f64 / 16.0) * 2f64.powi(-24) };
                    assert!(error <= allowed, "{format:?} {isa:?} {m}x{n}x{k} at {i}: {y} for {expected}");
                }
            }
        }
    }

    #[test]
    fn products_equal_the_oracle_in_every_shape() {
        for format in Format::ALL {
            let unit = format.block_groups() * GROUP;
            for (m, n, units) in [
                (1, 1, 1),
                (1, 7, 3),
                (2, 33, 2),
                (5, 16, 1),
                (6, 9, 3),
                (7, 40, 1),
                (12, 8, 2),
                (13, 32, 1),
                (14, 31, 2),
                (19, 65, 3),
                (25, 3, 1),
            ] {
                check(format, m, n, units * unit);
            }
            if unit == GROUP {
                for units in [8, 9, 16, 17, 28, 37] {
                    check(format, 1, 5, units * unit);
                    check(format, 3, 11, units * unit);
                    check(format, 13, 34, units * unit);
                }
            }
        }
    }

    #[test]
    fn a_product_with_nothing_is_nothing() {
        for isa in Isa::available() {
            let bytes = blocks(Format::Q8_0, 3, 32, true, &mut Random(1));
            let weights = Matrix::new(Format::Q8_0, (3, 32), &bytes).unwrap();
            assert!(matmul(&weights, None, &Activations::quantize(&[], 32, isa), isa).is_empty());
            let weights = Matrix::new(Format::Q8_0, (0, 32), &[]).unwrap();
            assert!(matmul(&weights, None, &Activations::quantize(&[1.0; 64], 32, isa), isa).is_empty());
        }
    }

    #[test]
    fn a_row_does_not_feel_its_neighbours() {
        let mut random = Random(5);
        for isa in Isa::available() {
            for format in Format::ALL {
                let (n, k) = (9, 512);
                let bytes = blocks(format, n, k, false, &mut random);
                let weights = Matrix::new(format, (n, k), &bytes).unwrap();
                let n_few = isa.few_rows();
                let x = numbers(4 * n_few, k, false, &mut random);
                let multiply = |rows: Range<usize>| {
                    let x = Activations::quantize(&x[rows.start * k..rows.end * k], k, isa);
                    matmul(&weights, None, &x, isa)
                };
                let check = |rows: Range<usize>, all: &[f32]| {
                    assert_eq!(
                        multiply(rows.clone()),
                        all[rows.start * n..rows.end * n],
                        "{format:?} {isa:?} rows {rows:?}"
                    );
                };
                let few = multiply(0..n_few);
                (0..n_few).for_each(|row| check(row..row + 1, &few));
                check(1..n_few - 2, &few);
                let many = multiply(0..4 * n_few);
                check(0..n_few + 1, &many);
                check(n_few - 3..3 * n_few, &many);
                check(3 * n_few - 1..4 * n_few, &many);
            }
        }
    }

    #[test]
    fn mixed_rows_are_those_of_three_steps() {
        let mut random = Random(8);
        for isa in Isa::available().into_iter().filter(|isa| isa.has_panels()) {
            let (n, k, m) = (96, 512, isa.few_rows() + 5);
            let bytes = [Format::Q4K, Format::Q5_0].map(|format| blocks(format, n, k, false, &mut random));
            let gate = Matrix::new(Format::Q4K, (n, k), &bytes[0]).unwrap();
            let up = Matrix::new(Format::Q5_0, (n, k), &bytes[1]).unwrap();
            let bias: Vec<f32> = (0..n).map(|_| random.normal()).collect();
            let x = Activations::quantize(&numbers(m, k, false, &mut random), k, isa);
            let check = |found: Activations, expected: &[f32]| {
                let expected = Activations::quantize(expected, n, isa);
                for (row, g) in (0..m).flat_map(|row| (0..n / GROUP).map(move |g| (row, g))) {
                    let (found, expected) = (found.group(row, g), expected.group(row, g));
                    assert_eq!(found, expected, "{isa:?} {row} {g}");
                }
            };
            let layers = [(&gate, None), (&up, Some(&bias[..]))];
            let [mut gates, mut ups] = layers.map(|(layer, bias)| matmul(layer, bias, &x, isa));
            let found = mixed(layers, &x, isa, |[gate, up]| {
                isa.gate(gate.as_flattened_mut(), up.as_flattened());
            });
            isa.gate(&mut gates, &ups);
            check(found, &gates);
            let found = mixed([layers[1]], &x, isa, |[up]| {
                isa.activate(up.as_flattened_mut());
            });
            isa.activate(&mut ups);
            check(found, &ups);
        }
    }

    #[test]
    fn what_is_not_finite_is_not_lost() {
        for isa in Isa::available() {
            let bytes = blocks(Format::Q8_0, 2, 64, true, &mut Random(1));
            let weights = Matrix::new(Format::Q8_0, (2, 64), &bytes).unwrap();
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = vec![1.0; 64];
                x[40] = bad;
                let y = matmul(&weights, None, &Activations::quantize(&x, 64, isa), isa);
                assert!(y.iter().all(|y| !y.is_finite()), "{bad} became {y:?}");
            }
        }
    }
}
