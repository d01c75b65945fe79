//! AVX2: `vpmaddubsw` multiplies unsigned bytes with signed ones and sums pairs in 16 bits, which is exact as long as
//! nothing outgrows these 16 bits.
//!
//! Few rows: the sign of each weight is moved over to the activation, straight from the compact blocks, a group at a
//! time. Many rows: weights are expanded into panels as for AVX-512, without signs; the smaller they are, the more
//! products are summed in 16 bits before the sums are widened. A tile is 4 rows by 16 columns.

use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::{self, Bundle, MAX_BUNDLE_ROWS};
use super::attention::{Lanes, Softmax};
use super::format::{Format, GROUP, Matrix};
use super::pack::{self, COLUMNS, PANEL_GROUPS, Panel};
use super::unpack::{for_format, for_rows, half, quants, read_ahead, run_scales, scales, sum};

/// Whether this processor has what the functions below are compiled for.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") && is_x86_feature_detected!("fma")
}

#[target_feature(enable = "avx2,f16c,fma")]
pub(super) fn quantize(
    x: &[f32],
    n_rows: usize,
    quants: &mut [i8],
    scales: &mut [f32],
    sums: &mut [[i32; 2]],
    scaled_sums: &mut [f32],
) {
    activations::quantize_bundle(x, n_rows, quants, scales, sums, scaled_sums);
}

/// The products of some rows of weights, from `first_row`, with each row of a bundle.
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) fn dot(weights: &Matrix<'_>, first_row: usize, x: &Bundle<'_>, products: &mut [[f32; MAX_BUNDLE_ROWS]]) {
    x.check(weights.n_groups());
    // SAFETY: the bundle was just checked to have as many groups as the rows, which are whole in any matrix.
    unsafe { for_rows!(x.n_rows, dot_format, [], (weights, first_row, x, products)) }
}

/// # Safety
/// The bundle has as many groups as the rows of weights, for `M` rows of its own.
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn dot_format<const M: usize>(
    weights: &Matrix<'_>,
    first_row: usize,
    x: &Bundle<'_>,
    products: &mut [[f32; MAX_BUNDLE_ROWS]],
) {
    for (i, products) in products.iter_mut().enumerate() {
        let (row, n_groups) = (weights.row(first_row + i), weights.n_groups());
        // SAFETY: the caller's promise is the same.
        unsafe { for_format!(weights.format, dot_row, [M], (row, n_groups, x, products)) }
    }
}

/// # Safety
/// `row` has `n_groups` groups; the slices of `x` have so many for `M` rows.
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn dot_row<const F: u8, const M: usize>(
    row: &[u8],
    n_groups: usize,
    x: &Bundle<'_>,
    products: &mut [f32; MAX_BUNDLE_ROWS],
) {
    let format = const { Format::from_u8(F) };
    let mut sums = Sums { rows: [_mm256_setzero_ps(); M], minima: [0.0; M] };
    let mut first = 0;
    // SAFETY: `first + 8 <= n_groups` in the first loop and `first < n_groups` in the second, so that every pointer
    // is inside of what the caller promised.
    unsafe {
        while first + 8 <= n_groups {
            let block = row.as_ptr().add(first / format.block_groups() * format.block_bytes());
            read_ahead::<F>(block);
            let (scales, minima) = scales::<F>(block);
            let x_quants = x.quants.as_ptr().cast::<[[i8; GROUP]; M]>().add(first);
            let x_scales = x.scales.as_ptr().cast::<[f32; M]>().add(first);
            let x_sums = x.scaled_sums.as_ptr().cast::<[f32; M]>().add(first);
            macro_rules! groups {
                ($($g:literal)*) => { $(
                    let weights = quants::<F, $g>(block);
                    let minimum = if format.has_minima() { minima[$g] } else { 0.0 };
                    let scale = &scales[$g * format.group_scales()..];
                    group(format, weights, scale, minimum, &*x_quants.add($g), &*x_scales.add($g), &*x_sums.add($g), &mut sums);
                )* };
            }
            groups!(0 1 2 3 4 5 6 7);
            first += 8;
        }
        while first < n_groups {
            let block = row.as_ptr().add(first * format.block_bytes());
            let x_quants = &*x.quants.as_ptr().cast::<[[i8; GROUP]; M]>().add(first);
            let x_scales = &*x.scales.as_ptr().cast::<[f32; M]>().add(first);
            group(format, quants::<F, 0>(block), &[half(block)], 0.0, x_quants, x_scales, &[0.0; M], &mut sums);
            first += 1;
        }
    }
    for r in 0..M {
        products[r] = sum(sums.rows[r]) - sums.minima[r];
    }
}

/// Sums on their way.
struct Sums<const M: usize> {
    rows: [__m256; M],
    minima: [f32; M],
}

/// Adds the products of one group.
#[inline]
#[allow(clippy::too_many_arguments)]
#[target_feature(enable = "avx2,f16c,fma")]
fn group<const M: usize>(
    format: Format,
    weights: __m256i,
    scales: &[f32],
    minimum: f32,
    x: &[[i8; GROUP]; M],
    x_scales: &[f32; M],
    x_sums: &[f32; M],
    sums: &mut Sums<M>,
) {
    let weights = _mm256_sub_epi8(weights, _mm256_set1_epi8(format.offset() as i8));
    let magnitudes = _mm256_abs_epi8(weights);
    let scale = match format.group_scales() {
        2 => _mm256_set_m128(_mm_set1_ps(scales[1]), _mm_set1_ps(scales[0])),
        _ => _mm256_set1_ps(scales[0]),
    };
    for r in 0..M {
        // SAFETY: an array of 32 bytes is read.
        let x = unsafe { _mm256_loadu_si256(x[r].as_ptr().cast()) };
        // At most 2 * 128 * 127 in size, which 16 bits hold.
        let pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(x, weights));
        let dots = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        let scale = _mm256_mul_ps(scale, _mm256_set1_ps(x_scales[r]));
        sums.rows[r] = _mm256_fmadd_ps(dots, scale, sums.rows[r]);
        if format.has_minima() {
            sums.minima[r] = minimum.mul_add(x_sums[r], sums.minima[r]);
        }
    }
}

/// Expands columns from `first_column`, 32 of them or as many as there are, for whole blocks of groups.
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) fn pack(weights: &Matrix<'_>, first_column: usize, groups: Range<usize>, panel: &mut Panel) {
    let first_byte = pack::first_byte(weights, &groups);
    for column in 0..COLUMNS {
        // The last panel repeats its last column; nobody looks at the products.
        let row = &weights.row((first_column + column).min(weights.n - 1))[first_byte..];
        // SAFETY: the row has the groups from its first byte on, whole blocks of them, and so many fit a panel.
        unsafe { for_format!(weights.format, pack_column, [], (row, column, groups.len(), panel)) }
    }
}

/// # Safety
/// `row` has `n_groups` groups, whole blocks of them and no more than a panel takes.
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn pack_column<const F: u8>(row: &[u8], column: usize, n_groups: usize, panel: &mut Panel) {
    let format = const { Format::from_u8(F) };
    let group_scales = format.group_scales();
    for first in (0..n_groups).step_by(8) {
        let n = 8.min(n_groups - first);
        // SAFETY: `first + n <= n_groups` for all n groups that are read.
        unsafe {
            let block = row.as_ptr().add(first / format.block_groups() * format.block_bytes());
            let (scales, minima) = run_scales::<F>(block, n);
            for (s, scale) in scales.into_iter().enumerate().take(n * group_scales) {
                panel.scales[first * group_scales + s][column] = scale;
            }
            macro_rules! groups {
                ($($g:literal)*) => { $(
                    if $g < n {
                        let mut quads = [[0; 4]; 8];
                        _mm256_storeu_si256(quads.as_mut_ptr().cast(), quants::<F, $g>(block));
                        for (target, quad) in panel.quants[first + $g].iter_mut().zip(quads) {
                            target[column] = quad;
                        }
                        panel.minima[first + $g][column] = -minima[$g];
                    }
                )* };
            }
            groups!(0 1 2 3 4 5 6 7);
        }
    }
}

/// Adds what a panel's stretch of k gives to a tile of the product: a row of 32 numbers for each row of the bundle.
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) fn multiply(
    format: Format,
    panel: &Panel,
    groups: Range<usize>,
    x: &Bundle<'_>,
    tile: &mut [[f32; COLUMNS]],
) {
    x.check(groups.end);
    x.check_starts(format, groups.end);
    assert!(groups.len() <= PANEL_GROUPS && tile.len() == x.n_rows);
    // SAFETY: the bundle was just checked to have the groups, the panel and the tile to have the room.
    unsafe {
        match x.n_rows {
            1 => for_format!(format, multiply_rows, [1], (panel, groups, x, tile)),
            2 => for_format!(format, multiply_rows, [2], (panel, groups, x, tile)),
            3 => for_format!(format, multiply_rows, [3], (panel, groups, x, tile)),
            4 => for_format!(format, multiply_rows, [4], (panel, groups, x, tile)),
            n => unreachable!("a bundle of {n} rows"),
        }
    }
}

/// # Safety
/// The bundle has `M` rows and all of `groups`, the panel has room for so many, and the tile has `M` rows.
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn multiply_rows<const F: u8, const M: usize>(
    panel: &Panel,
    groups: Range<usize>,
    x: &Bundle<'_>,
    tile: &mut [[f32; COLUMNS]],
) {
    let format = const { Format::from_u8(F) };
    let n_parts = format.group_scales();
    for columns in (0..COLUMNS).step_by(16) {
        for (g, at) in groups.clone().map(|group| group * M).enumerate() {
            for part in 0..n_parts {
                // SAFETY: all offsets are those of groups, rows and columns that the caller promised to be there.
                unsafe {
                    let steps = part * 8 / n_parts..(part + 1) * 8 / n_parts;
                    let quants = x.quants.as_ptr().add(at * GROUP);
                    let dots = dots::<F, M>(panel, g, columns, steps, quants);
                    for r in 0..M {
                        let x_scale = _mm256_set1_ps(*x.scales.get_unchecked(at + r));
                        let start = *x.starts.get_unchecked((at + r) * n_parts + part);
                        let start = if F == Format::Q8_0 as u8 { 0 } else { start };
                        for c in 0..2 {
                            let column = columns + 8 * c;
                            let scales = panel.scales.get_unchecked(g * n_parts + part);
                            let scales = _mm256_loadu_ps(scales.as_ptr().add(column));
                            let sums = tile.get_unchecked_mut(r).as_mut_ptr().add(column);
                            let dot = _mm256_add_epi32(dots[r][c], _mm256_set1_epi32(start));
                            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), scales);
                            let mut sum = _mm256_loadu_ps(sums);
                            sum = _mm256_fmadd_ps(scaled, x_scale, sum);
                            if format.has_minima() {
                                let minima = panel.minima.get_unchecked(g).as_ptr().add(column);
                                let x_sum = _mm256_set1_ps(*x.scaled_sums.get_unchecked(at + r));
                                sum = _mm256_fmadd_ps(_mm256_loadu_ps(minima), x_sum, sum);
                            }
                            _mm256_storeu_ps(sums, sum);
                        }
                    }
                }
            }
        }
    }
}

/// The integer products of some steps of a group, 16 columns of it; of Q8_0 with signs, of all others without.
///
/// # Safety
/// `x` begins the group's quants of `M` rows; the panel has the group and the columns.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn dots<const F: u8, const M: usize>(
    panel: &Panel,
    group: usize,
    first_column: usize,
    steps: Range<usize>,
    x: *const i8,
) -> [[__m256i; 2]; M] {
    let is_wide = F == Format::Q8_0 as u8;
    // So many sums of two products each fit 16 bits: 2 * 127 times the largest weight, and that so many times.
    let n_safe = match const { Format::from_u8(F) } {
        Format::Q4_0 | Format::Q4K => 8,
        Format::Q5_0 | Format::Q5K => 4,
        Format::Q6K => 2,
        Format::Q8_0 => 1,
    };
    let mut dots = [[_mm256_setzero_si256(); 2]; M];
    for first in steps.clone().step_by(n_safe) {
        let mut pairs = [[_mm256_setzero_si256(); 2]; M];
        for step in first..steps.end.min(first + n_safe) {
            // SAFETY: the caller's promise.
            unsafe {
                let weights = panel.quants.get_unchecked(group).get_unchecked(step);
                let weights = weights.as_ptr().add(first_column).cast::<__m256i>();
                let mut weights = [_mm256_loadu_si256(weights), _mm256_loadu_si256(weights.add(1))];
                let mut magnitudes = weights;
                if is_wide {
                    weights = weights.map(|w| _mm256_xor_si256(w, _mm256_set1_epi8(-128)));
                    magnitudes = weights.map(|w| _mm256_abs_epi8(w));
                }
                for r in 0..M {
                    let x = x.add(r * GROUP + 4 * step).cast::<i32>().read_unaligned();
                    let x = _mm256_set1_epi32(x);
                    for c in 0..2 {
                        let x = if is_wide { _mm256_sign_epi8(x, weights[c]) } else { x };
                        let products = _mm256_maddubs_epi16(magnitudes[c], x);
                        pairs[r][c] = _mm256_add_epi16(pairs[r][c], products);
                    }
                }
            }
        }
        for (dots, pairs) in dots.iter_mut().zip(pairs) {
            for c in 0..2 {
                let wide = _mm256_madd_epi16(pairs[c], _mm256_set1_epi16(1));
                dots[c] = _mm256_add_epi32(dots[c], wide);
            }
        }
    }
    dots
}

/// See `Isa::tile`: up to 6 rows of 16 sums in registers.
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) fn tile<const N: usize>(
    a: &[f32],
    strides: (usize, usize),
    b: &[Lanes<N>],
    beta: Option<&Lanes<N>>,
    sums: &mut [Lanes<N>],
) {
    let (n_rows, n_k) = (sums.len(), b.len());
    assert!(n_rows > 0 && n_k > 0 && a.len() > (n_rows - 1) * strides.0 + (n_k - 1) * strides.1);
    for (i, sums) in sums.chunks_mut(6).enumerate() {
        let a = &a[6 * i * strides.0..];
        for first in (0..N).step_by(16) {
            // SAFETY: the last number of `a` that is read was just checked to be there, and `N` is a multiple of 16.
            unsafe {
                match sums.len() {
                    6 => tile_rows::<6, N>(a, strides, b, beta, sums, first),
                    5 => tile_rows::<5, N>(a, strides, b, beta, sums, first),
                    4 => tile_rows::<4, N>(a, strides, b, beta, sums, first),
                    3 => tile_rows::<3, N>(a, strides, b, beta, sums, first),
                    2 => tile_rows::<2, N>(a, strides, b, beta, sums, first),
                    _ => tile_rows::<1, N>(a, strides, b, beta, sums, first),
                }
            }
        }
    }
}

/// # Safety
/// `a` has a number for each of `R` rows and each k of `b`; there are `R` rows of sums, and 16 lanes from `first` on.
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn tile_rows<const R: usize, const N: usize>(
    a: &[f32],
    (row_stride, k_stride): (usize, usize),
    b: &[Lanes<N>],
    beta: Option<&Lanes<N>>,
    sums: &mut [Lanes<N>],
    first: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let load = |lanes: &Lanes<N>| {
            [_mm256_loadu_ps(lanes.0.as_ptr().add(first)), _mm256_loadu_ps(lanes.0.as_ptr().add(first + 8))]
        };
        let mut lanes = [[_mm256_setzero_ps(); 2]; R];
        if let Some(beta) = beta {
            let beta = load(beta);
            for r in 0..R {
                let sums = load(sums.get_unchecked(r));
                lanes[r] = [_mm256_mul_ps(beta[0], sums[0]), _mm256_mul_ps(beta[1], sums[1])];
            }
        }
        let rows: [*const f32; R] = std::array::from_fn(|r| a.as_ptr().wrapping_add(r.wrapping_mul(row_stride)));
        for (k, b) in b.iter().enumerate() {
            let b = load(b);
            for r in 0..R {
                let a = _mm256_set1_ps(*rows[r].add(k.wrapping_mul(k_stride)));
                lanes[r] = [_mm256_fmadd_ps(a, b[0], lanes[r][0]), _mm256_fmadd_ps(a, b[1], lanes[r][1])];
            }
        }
        for r in 0..R {
            let sums = sums.get_unchecked_mut(r).0.as_mut_ptr().add(first);
            _mm256_storeu_ps(sums, lanes[r][0]);
            _mm256_storeu_ps(sums.add(8), lanes[r][1]);
        }
    }
}

super::isa::compiled_for!(#[target_feature(enable = "avx2,f16c,fma")] fma: true);
