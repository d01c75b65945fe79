//! Rows of numbers in, the same rows as bytes with a scale for every 32 of them out: what the byte products multiply.

use std::ops::Range;

use super::format::{Format, GROUP};
use super::{Isa, SharedSlice, in_parallel};

/// Rows of numbers, each group of 32 quantized to -127..=127 with a scale of its own.
///
/// So many rows as a kernel takes at once form a *bundle* and lie interleaved group by group, so that the kernel
/// reads one stream: `quants` is (bundle, group, row, 32), `scales` and `sums` accordingly. Where `interleaved` is 1,
/// rows lie one behind another: (row, group, 32).
#[derive(Debug)]
pub(super) struct Activations {
    m: usize,
    k: usize,
    bundle_rows: usize,
    interleaved: usize,
    quants: Vec<i8>,       // (bundle, group, row, 32)
    scales: Vec<f32>,      // (bundle, group, row)
    sums: Vec<[i32; 2]>,   // (bundle, group, row), of the first and of the second 16 quants
    scaled_sums: Vec<f32>, // (bundle, group, row), of all 32, times the scale
}

/// The most rows that any kernel takes at once.
pub(super) const MAX_BUNDLE_ROWS: usize = 6;

/// The rows that a kernel takes at once; all slices begin with the bundle's first group. Of rows that are not interleaved,
/// `row` comes before `group` in each of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bundle<'a> {
    /// The first of the rows.
    pub(super) first_row: usize,
    /// How many rows.
    pub(super) n_rows: usize,
    /// (group, row, 32)
    pub(super) quants: &'a [i8],
    /// (group, row)
    pub(super) scales: &'a [f32],
    /// Sum of the quants, scaled: (group, row)
    pub(super) scaled_sums: &'a [f32],
    /// Where integer sums start: (group, row, scale of the group); empty for kernels without starts
    pub(super) starts: &'a [i32],
}

impl Bundle<'_> {
    /// Panics unless the slices have at least `n_groups` groups each.
    pub(super) fn check(&self, n_groups: usize) {
        let n = n_groups * self.n_rows;
        assert!(self.n_rows <= MAX_BUNDLE_ROWS && self.quants.len() >= n * GROUP);
        assert!(self.scales.len() >= n && self.scaled_sums.len() >= n);
    }

    /// Panics unless the starts are as many as weights of this format have scales in `n_groups` groups.
    pub(super) fn check_starts(&self, format: Format, n_groups: usize) {
        assert!(self.starts.len() >= n_groups * self.n_rows * format.group_scales());
    }
}

impl Activations {
    /// Quantizes `x`, (m, k), for kernels of this instruction set.
    pub(super) fn quantize(x: &[f32], k: usize, isa: Isa) -> Activations {
        assert!(k > 0 && x.len().is_multiple_of(k));
        let m = x.len() / k;
        Activations::filled(m, k, isa, |room| {
            let interleaved = isa.interleaved(m);
            in_parallel(m.div_ceil(interleaved), |parts| {
                let rows = parts.start * interleaved..m.min(parts.end * interleaved);
                let x = &x[rows.start * k..rows.end * k];
                // SAFETY: rows that are interleaved are handed to one thread.
                unsafe { room.quantize(x, rows, 0..k / GROUP) };
            })
        })
    }

    /// Activations of `m` rows of `k` numbers, all groups of which `fill` is to quantize.
    pub(super) fn filled(m: usize, k: usize, isa: Isa, fill: impl FnOnce(&Room<'_>)) -> Activations {
        assert!(k > 0 && k.is_multiple_of(GROUP));
        let n_groups = k / GROUP;
        let mut quants = vec![0; m * k];
        let mut scales = vec![0.0; m * n_groups];
        let mut sums = vec![[0; 2]; m * n_groups];
        let mut scaled_sums = vec![0.0; m * n_groups];
        fill(&Room {
            m,
            n_groups,
            isa,
            quants: SharedSlice::new(&mut quants),
            scales: SharedSlice::new(&mut scales),
            sums: SharedSlice::new(&mut sums),
            scaled_sums: SharedSlice::new(&mut scaled_sums),
        });
        Activations {
            m,
            k,
            bundle_rows: isa.bundle_rows(),
            interleaved: isa.interleaved(m),
            quants,
            scales,
            sums,
            scaled_sums,
        }
    }

    /// Rows.
    pub(super) fn m(&self) -> usize {
        self.m
    }

    /// Numbers in a row.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// Whether the rows of a bundle lie interleaved, as panels are multiplied with.
    pub(super) fn are_interleaved(&self) -> bool {
        self.interleaved == self.bundle_rows
    }

    /// What an integer sum of stored weights must start from, in order to end as `zero` and the sum of the weights less
    /// their offset: minus the offset times the sum of the activations, divided among `n_lanes` partial sums.
    pub(super) fn starts(&self, format: Format, n_lanes: i32, zero: i32) -> Vec<i32> {
        let factor = -(format.offset() / n_lanes);
        match format.group_scales() {
            2 => self.sums.iter().flat_map(|parts| parts.map(|sum| zero + factor * sum)).collect(),
            _ => self.sums.iter().map(|parts| zero + factor * (parts[0] + parts[1])).collect(),
        }
    }

    /// The rows bundle by bundle, with what [`Activations::starts`] gave for the format.
    pub(super) fn bundles<'a>(&'a self, starts: &'a [i32]) -> impl Iterator<Item = Bundle<'a>> {
        let n_groups = self.k / GROUP;
        let group_scales = starts.len() / self.scales.len().max(1);
        (0..self.m).step_by(self.bundle_rows).map(move |first_row| {
            let n_rows = self.bundle_rows.min(self.m - first_row);
            let groups = first_row * n_groups..(first_row + n_rows) * n_groups;
            Bundle {
                first_row,
                n_rows,
                quants: &self.quants[groups.start * GROUP..groups.end * GROUP],
                scales: &self.scales[groups.clone()],
                scaled_sums: &self.scaled_sums[groups.clone()],
                starts: &starts[groups.start * group_scales..groups.end * group_scales],
            }
        })
    }

    /// One group of one row, and its scale.
    #[cfg(test)]
    pub(super) fn group(&self, row: usize, group: usize) -> (&[i8], f32) {
        let first_row = row / self.interleaved * self.interleaved;
        let n_rows = self.interleaved.min(self.m - first_row);
        let at = first_row * (self.k / GROUP) + group * n_rows + row - first_row;
        (&self.quants[at * GROUP..(at + 1) * GROUP], self.scales[at])
    }
}

/// Activations on their way, which several threads write.
pub(super) struct Room<'a> {
    m: usize,
    n_groups: usize,
    isa: Isa,
    quants: SharedSlice<'a, i8>,
    scales: SharedSlice<'a, f32>,
    sums: SharedSlice<'a, [i32; 2]>,
    scaled_sums: SharedSlice<'a, f32>,
}

impl Room<'_> {
    /// Quantizes `x`, the numbers (row, k) of these groups of these rows, with all that they are interleaved with.
    ///
    /// # Safety
    /// No other thread writes these groups of these rows.
    pub(super) unsafe fn quantize(&self, x: &[f32], rows: Range<usize>, groups: Range<usize>) {
        let interleaved = self.isa.interleaved(self.m);
        let k = groups.len() * GROUP;
        assert!(rows.start.is_multiple_of(interleaved) && rows.end <= self.m);
        assert!(groups.end <= self.n_groups && x.len() == rows.len() * k);
        for (i, x) in x.chunks(interleaved * k).enumerate() {
            let n_rows = x.len() / k;
            let first = (rows.start + i * interleaved) * self.n_groups + groups.start * n_rows;
            let at = first..first + groups.len() * n_rows;
            // SAFETY: the groups of interleaved rows lie behind one another, and the caller has them alone.
            let (quants, scales, sums, scaled_sums) = unsafe {
                (
                    self.quants.range(at.start * GROUP..at.end * GROUP),
                    self.scales.range(at.clone()),
                    self.sums.range(at.clone()),
                    self.scaled_sums.range(at),
                )
            };
            self.isa.quantize(x, n_rows, quants, scales, sums, scaled_sums);
        }
    }
}

/// Quantizes a bundle, (row, k). Written so that a compiler turns it into vector code; each instruction set compiles
/// it for itself.
#[inline(always)]
pub(super) fn quantize_bundle(
    x: &[f32],
    n_rows: usize,
    quants: &mut [i8],
    scales: &mut [f32],
    sums: &mut [[i32; 2]],
    scaled_sums: &mut [f32],
) {
    let k = x.len() / n_rows;
    for (row, x) in x.chunks_exact(k).enumerate() {
        for (g, x) in x.as_chunks::<GROUP>().0.iter().enumerate() {
            let at = g * n_rows + row;
            let quants = quants[at * GROUP..].first_chunk_mut().expect("as many quants as numbers");
            (scales[at], sums[at]) = quantize_group(x, quants);
            scaled_sums[at] = scales[at] * (sums[at][0] + sums[at][1]) as f32;
        }
    }
}

/// What brings numbers up to this magnitude into -127..=127.
#[inline(always)]
pub(super) fn factor(magnitude: f32) -> f32 {
    if (1e-30..=f32::MAX).contains(&magnitude) { 127.0 / magnitude } else { 0.0 }
}

/// Quantizes one group; returns its scale and the sums of both halves of its quants. A number that is not finite
/// makes the scale not finite, so that it is not lost in what comes out of a product.
#[inline(always)]
fn quantize_group(x: &[f32; GROUP], quants: &mut [i8; GROUP]) -> (f32, [i32; 2]) {
    // Compared as integers, which order positive floats alike, and a NaN above all of them.
    let mut magnitude = 0;
    for x in x {
        magnitude = magnitude.max(x.to_bits() & 0x7fff_ffff);
    }
    let magnitude = f32::from_bits(magnitude);
    let factor = factor(magnitude);
    // Adding 1.5 * 2^23 leaves the nearest integer, ties to even, in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let mut rounded = [0i32; GROUP];
    for (rounded, x) in rounded.iter_mut().zip(x) {
        let low_bits = (x * factor + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i8;
        *rounded = i32::from(low_bits);
    }
    for (quant, rounded) in quants.iter_mut().zip(rounded) {
        *quant = rounded as i8;
    }
    // Wrapping, as a checked sum would not become vector code.
    let sum = |half: &[i32]| half.iter().fold(0i32, |sum, quant| sum.wrapping_add(*quant));
    let sums = [sum(&rounded[..16]), sum(&rounded[16..])];
    (magnitude / 127.0, sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_rounds_alike() {
        let (m, k) = (7, 96);
        let x: Vec<f32> = (0..m * k).map(|i| ((i * 7_919 % 1_013) as f32 - 500.0) / 4.0 * (1 + i / k) as f32).collect();
        let quantized = |isa| {
            let x = Activations::quantize(&x, k, isa);
            let groups = (0..m).flat_map(|row| (0..k / GROUP).map(move |g| (row, g)));
            let groups = groups.map(|(row, g)| (x.group(row, g).0.to_vec(), x.group(row, g).1));
            groups.collect::<Vec<_>>()
        };
        let expected = quantized(Isa::Portable);
        for ((quants, scale), x) in expected.iter().zip(x.chunks(GROUP)) {
            assert!(quants.iter().any(|quant| quant.abs() == 127));
            for (quant, x) in quants.iter().zip(x) {
                assert!((f32::from(*quant) * scale - x).abs() <= 0.5001 * scale);
            }
        }
        for isa in Isa::available() {
            assert_eq!(quantized(isa), expected, "{isa:?}");
        }
    }
}
