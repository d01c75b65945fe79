//! AVX-512 VNNI: one `vpdpbusd` multiplies and sums 4 bytes in each of 16 lanes, so weights are brought to unsigned
//! bytes in registers, and what that added to them is taken off by where the sums start.
//!
//! Few rows: see `avx512_dot`. Many rows: 32 columns of weights are expanded for a stretch of k into a panel that stays
//! in the first cache; all rows pass over it, 6 at a time, with 6 x 32 sums in registers.

use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::{self, Bundle};
use super::attention::{Lanes, Softmax};
pub(super) use super::avx512_dot::{dot, lanes as dot_lanes};
use super::format::{Format, GROUP, Matrix};
use super::pack::{self, COLUMNS, PANEL_GROUPS, Panel};
use super::unpack::{self, for_format, for_rows, scales};

/// Whether this processor has what the functions below are compiled for.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("fma")
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn quantize(
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

/// As `activations::quantize_group`, step by step: left to itself, the compiler makes it four times as long.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn quantize_group(x: &[f32; GROUP], quants: &mut [i8; GROUP]) -> (f32, [i32; 2]) {
    // SAFETY: 32 floats are read.
    let x = unsafe { [_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(x.as_ptr().add(16))] };
    // Compared as integers, which order positive floats alike, and a NaN above all of them.
    let magnitudes = x.map(|x| _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(i32::MAX)));
    let magnitude = _mm512_reduce_max_epi32(_mm512_max_epi32(magnitudes[0], magnitudes[1]));
    let magnitude = f32::from_bits(magnitude as u32);
    let factor = _mm512_set1_ps(activations::factor(magnitude));
    // Rounds to the nearest integer, ties to even.
    let bytes = x.map(|x| _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x, factor))));
    for (bytes, quants) in bytes.iter().zip(quants.as_chunks_mut::<16>().0) {
        // SAFETY: 16 bytes are written.
        unsafe { _mm_storeu_si128(quants.as_mut_ptr().cast(), *bytes) };
    }
    let sums = bytes.map(|bytes| _mm512_reduce_add_epi32(_mm512_cvtepi8_epi32(bytes)));
    (magnitude / 127.0, sums)
}

/// As [`unpack::quants`], with mask registers for the fifth bits.
///
/// # Safety
/// `block` begins a run of groups, and the run has group `G`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn quants<const F: u8, const G: usize>(block: *const u8) -> __m256i {
    // SAFETY: the caller's promise; the layouts are those that `reference` spells out.
    let (low, fifth) = unsafe {
        match const { Format::from_u8(F) } {
            Format::Q5_0 => {
                let block = block.add(G * Format::Q5_0.block_bytes());
                (unpack::small_nibbles(block.add(6)), block.add(2).cast::<u32>().read_unaligned())
            }
            Format::Q5K => {
                let fifth = _mm256_loadu_si256(block.add(16).cast());
                let fifth = _mm256_test_epi8_mask(fifth, _mm256_set1_epi8((1u8 << G) as i8));
                (unpack::nibbles(block.add(48 + G / 2 * 32), G % 2 == 1), fifth)
            }
            _ => return unpack::quants::<F, G>(block),
        }
    };
    _mm256_mask_add_epi8(low, fifth, low, _mm256_set1_epi8(16))
}

/// Expands columns from `first_column`, 32 of them or as many as there are, for whole blocks of groups.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn pack(weights: &Matrix<'_>, first_column: usize, groups: Range<usize>, panel: &mut Panel) {
    let first_byte = pack::first_byte(weights, &groups);
    for part in 0..COLUMNS / 16 {
        // The last panel repeats its last column; nobody looks at the products.
        let columns: [&[u8]; 16] = std::array::from_fn(|i| {
            let column = first_column + part * 16 + i;
            &weights.row(column.min(weights.n - 1))[first_byte..]
        });
        // SAFETY: each column has `n_groups` groups from its first byte, whole blocks of them.
        unsafe { for_format!(weights.format, pack_part, [], (columns, part, groups.len(), panel)) }
    }
}

/// # Safety
/// Each column has `n_groups` groups, whole blocks of them and no more than a panel takes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn pack_part<const F: u8>(columns: [&[u8]; 16], part: usize, n_groups: usize, panel: &mut Panel) {
    let format = const { Format::from_u8(F) };
    let group_scales = const { Format::from_u8(F).group_scales() };
    let mut first = 0;
    // SAFETY: `first + n <= n_groups` for all n groups that are read and written here.
    unsafe {
        while first < n_groups {
            let n = 8.min(n_groups - first);
            let blocks =
                columns.map(|column| column.as_ptr().add(first / format.block_groups() * format.block_bytes()));
            if format.block_groups() == 1 {
                // A scale begins each block: those of all columns become floats together.
                for g in 0..n {
                    let scales: [u16; 16] = blocks.map(|block| {
                        let block = block.add(g * format.block_bytes());
                        block.cast::<u16>().read_unaligned()
                    });
                    let scales = _mm512_cvtph_ps(_mm256_loadu_si256(scales.as_ptr().cast()));
                    let target = &mut panel.scales[first + g][part * 16..part * 16 + 16];
                    _mm512_storeu_ps(target.as_mut_ptr(), scales);
                }
            } else {
                for (i, block) in blocks.into_iter().enumerate() {
                    let column = part * 16 + i;
                    let (scales, minima) = scales::<F>(block);
                    for (s, scale) in scales.into_iter().enumerate().take(n * group_scales) {
                        panel.scales[first * group_scales + s][column] = scale;
                    }
                    if format.has_minima() {
                        for (g, minimum) in minima.into_iter().enumerate() {
                            panel.minima[first + g][column] = -minimum;
                        }
                    }
                }
            }
            macro_rules! pack_group {
                ($($g:literal)*) => { $(
                    if $g < n {
                        let mut columns = [_mm256_setzero_si256(); 16];
                        for (column, block) in columns.iter_mut().zip(blocks) {
                            *column = quants::<F, $g>(block);
                        }
                        store_transposed(columns, part, &mut panel.quants[first + $g]);
                    }
                )* };
            }
            pack_group!(0 1 2 3 4 5 6 7);
            first += n;
        }
    }
}

/// Turns 16 columns of 8 times 4 bytes into 8 registers of 16 times 4 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
fn store_transposed(columns: [__m256i; 16], part: usize, quants: &mut [[[u8; 4]; COLUMNS]; 8]) {
    // Columns i and i + 8 share a register; within each half of it, 8 x 8 are turned in three steps.
    let a: [__m512i; 8] =
        std::array::from_fn(|i| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(columns[i]), columns[i + 8]));
    let mut b = a;
    for i in (0..8).step_by(2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    let mut c = b;
    for i in (0..8).step_by(4) {
        c[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        c[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        c[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        c[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    let low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    let mut store = |step: usize, value: __m512i| {
        let target = &mut quants[step][part * 16..part * 16 + 16];
        // SAFETY: the slice has 16 times 4 bytes.
        unsafe { _mm512_storeu_si512(target.as_mut_ptr().cast(), value) };
    };
    for i in 0..4 {
        store(i, _mm512_permutex2var_epi64(c[i], low, c[i + 4]));
        store(i + 4, _mm512_permutex2var_epi64(c[i], high, c[i + 4]));
    }
}

/// 1.5 * 2^23: in whose neighbourhood floats are the whole numbers. An integer sum that starts at its bits is, read as a
/// float, this and the sum, for sums below 2^22. The scale takes it off again, in the multiplication, where converting
/// would take an instruction more; and exactly, since a scale has 18 bits at the most and this has 2.
pub(super) const ZERO: f32 = 12_582_912.0;

super::unpack::multiply_for!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]);

/// # Safety
/// The bundle has `M` rows and all of `groups`, the panel has room for so many, and the tile has `M` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn multiply_rows<const M: usize, const SCALES: usize, const MINIMA: bool>(
    panel: &Panel,
    groups: Range<usize>,
    x: &Bundle<'_>,
    tile: &mut [[f32; COLUMNS]],
) {
    // SAFETY: all offsets are those of groups and rows that the caller promised to be there.
    unsafe {
        let floats = |at: &[f32; COLUMNS]| [_mm512_loadu_ps(at.as_ptr()), _mm512_loadu_ps(at.as_ptr().add(16))];
        let mut sums = [[_mm512_setzero_ps(); 2]; M];
        for r in 0..M {
            sums[r] = floats(tile.get_unchecked(r));
        }
        for g in 0..groups.len() {
            let at = (groups.start + g) * M;
            let quants = x.quants.as_ptr().add(at * GROUP);
            let x_scales = x.scales.as_ptr().add(at);
            for part in 0..SCALES {
                let starts = x.starts.as_ptr().add(at * SCALES + part);
                let mut dots = [[_mm512_setzero_si512(); 2]; M];
                for (r, dots) in dots.iter_mut().enumerate() {
                    *dots = [_mm512_set1_epi32(*starts.add(r * SCALES)); 2];
                }
                let n_steps = 8 / SCALES;
                for step in part * n_steps..(part + 1) * n_steps {
                    let weights = panel.quants.get_unchecked(g).get_unchecked(step).as_ptr();
                    let weights = [_mm512_loadu_si512(weights.cast()), _mm512_loadu_si512(weights.add(16).cast())];
                    for r in 0..M {
                        let x = _mm512_set1_epi32(quants.add(r * GROUP + 4 * step).cast::<i32>().read_unaligned());
                        dots[r][0] = _mm512_dpbusd_epi32(dots[r][0], weights[0], x);
                        dots[r][1] = _mm512_dpbusd_epi32(dots[r][1], weights[1], x);
                    }
                }
                let scales = floats(panel.scales.get_unchecked(g * SCALES + part));
                let zeros = scales.map(|scales| _mm512_mul_ps(scales, _mm512_set1_ps(-ZERO)));
                for r in 0..M {
                    let x_scale = _mm512_set1_ps(*x_scales.add(r));
                    for c in 0..2 {
                        let dot = _mm512_castsi512_ps(dots[r][c]);
                        let scaled = _mm512_fmadd_ps(dot, scales[c], zeros[c]);
                        sums[r][c] = _mm512_fmadd_ps(scaled, x_scale, sums[r][c]);
                    }
                }
            }
            if MINIMA {
                let minima = floats(panel.minima.get_unchecked(g));
                for r in 0..M {
                    let x = _mm512_set1_ps(*x.scaled_sums.get_unchecked(at + r));
                    sums[r][0] = _mm512_fmadd_ps(minima[0], x, sums[r][0]);
                    sums[r][1] = _mm512_fmadd_ps(minima[1], x, sums[r][1]);
                }
            }
        }
        for r in 0..M {
            let row = tile.get_unchecked_mut(r).as_mut_ptr();
            _mm512_storeu_ps(row, sums[r][0]);
            _mm512_storeu_ps(row.add(16), sums[r][1]);
        }
    }
}

/// See `Isa::tile`: 16 vectors of sums in registers, 16 rows of one or 8 of two. A number of `a` is taken from memory by
/// the instruction that multiplies it, so that with two vectors a row there are half as many loads as products.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn tile<const N: usize>(
    a: &[f32],
    strides: (usize, usize),
    b: &[Lanes<N>],
    beta: Option<&Lanes<N>>,
    sums: &mut [Lanes<N>],
) {
    let (n_rows, n_k) = (sums.len(), b.len());
    assert!(n_rows > 0 && n_k > 0 && a.len() > (n_rows - 1) * strides.0 + (n_k - 1) * strides.1);
    // Rows at distances that the compiler knows share one address; of 16 addresses, most would not be in registers.
    // SAFETY: the last number of `a` that is read was just checked to be there.
    unsafe {
        match strides.0 {
            1 => tile_rows::<N, 1>(a.as_ptr(), strides, b, beta, sums),
            32 => tile_rows::<N, 32>(a.as_ptr(), strides, b, beta, sums),
            64 => tile_rows::<N, 64>(a.as_ptr(), strides, b, beta, sums),
            128 => tile_rows::<N, 128>(a.as_ptr(), strides, b, beta, sums),
            _ => tile_rows::<N, 0>(a.as_ptr(), strides, b, beta, sums),
        }
    }
}

/// # Safety
/// `a` has a number for each row of the sums and each k of `b`. `ROW` is the stride of the rows, or 0.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn tile_rows<const N: usize, const ROW: usize>(
    mut a: *const f32,
    strides: (usize, usize),
    b: &[Lanes<N>],
    beta: Option<&Lanes<N>>,
    sums: &mut [Lanes<N>],
) {
    let at_once = 256 / N;
    for sums in sums.chunks_mut(at_once) {
        // SAFETY: the caller's promise, of the rows that are left.
        unsafe {
            match (N, sums.len()) {
                (16, 16) => tile_of::<N, 16, ROW>(a, strides, b, beta, sums),
                (32, 8) => tile_of::<N, 8, ROW>(a, strides, b, beta, sums),
                _ => {
                    for (row, sums) in sums.chunks_mut(1).enumerate() {
                        tile_of::<N, 1, ROW>(a.add(row * strides.0), strides, b, beta, sums);
                    }
                }
            }
        }
        a = a.wrapping_add(at_once * strides.0);
    }
}

/// # Safety
/// As for [`tile_rows`], with `R` rows of sums.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn tile_of<const N: usize, const R: usize, const ROW: usize>(
    a: *const f32,
    (row_stride, k_stride): (usize, usize),
    b: &[Lanes<N>],
    beta: Option<&Lanes<N>>,
    sums: &mut [Lanes<N>],
) {
    const { assert!(N == 16 || N == 32) };
    let row_stride = if ROW == 0 { row_stride } else { ROW };
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [[_mm512_setzero_ps(); 2]; R]; // a second vector that is not used is not there
        if let Some(beta) = beta {
            for v in 0..N / 16 {
                let beta = _mm512_loadu_ps(beta.0.as_ptr().add(16 * v));
                for r in 0..R {
                    let sums = _mm512_loadu_ps(sums.get_unchecked(r).0.as_ptr().add(16 * v));
                    lanes[r][v] = _mm512_mul_ps(beta, sums);
                }
            }
        }
        let mut a = a;
        for b in b {
            let mut factors = [_mm512_setzero_ps(); 2];
            for v in 0..N / 16 {
                factors[v] = _mm512_loadu_ps(b.0.as_ptr().add(16 * v));
            }
            for r in 0..R {
                let a = _mm512_set1_ps(*a.add(r * row_stride));
                for v in 0..N / 16 {
                    lanes[r][v] = _mm512_fmadd_ps(a, factors[v], lanes[r][v]);
                }
            }
            a = a.wrapping_add(k_stride);
        }
        for r in 0..R {
            for v in 0..N / 16 {
                _mm512_storeu_ps(sums.get_unchecked_mut(r).0.as_mut_ptr().add(16 * v), lanes[r][v]);
            }
        }
    }
}

super::isa::compiled_for!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")] fma: true);
