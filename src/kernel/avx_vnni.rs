//! AVX-VNNI: `vpdpbusd` in registers of 32 bytes, which multiplies and sums in 32 bits what AVX2 needs four instructions
//! for. Many rows only: few rows wait for memory, and go the way of `avx2`.
//!
//! A tile is 6 rows by 16 columns, of the panels that `avx2` packs, with the integer sums that `avx512` has.

use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::Bundle;
use super::avx2;
use super::avx512::ZERO;
use super::format::{Format, GROUP};
use super::pack::{COLUMNS, PANEL_GROUPS, Panel};
use super::unpack::for_rows;

/// Whether this processor has what the functions below are compiled for.
pub(super) fn is_supported() -> bool {
    avx2::is_supported() && is_x86_feature_detected!("avxvnni")
}

super::unpack::multiply_for!(#[target_feature(enable = "avx2,f16c,fma,avxvnni")]);

/// # Safety
/// The bundle has `M` rows and all of `groups`, the panel has room for so many, and the tile has `M` rows.
#[target_feature(enable = "avx2,f16c,fma,avxvnni")]
unsafe fn multiply_rows<const M: usize, const SCALES: usize, const MINIMA: bool>(
    panel: &Panel,
    groups: Range<usize>,
    x: &Bundle<'_>,
    tile: &mut [[f32; COLUMNS]],
) {
    for first in (0..COLUMNS).step_by(16) {
        for g in 0..groups.len() {
            let at = (groups.start + g) * M;
            // SAFETY: all offsets are those of groups, rows and columns that the caller promised to be there.
            unsafe {
                let floats = |at: &[f32; COLUMNS]| {
                    let at = at.as_ptr().add(first);
                    [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))]
                };
                let quants = x.quants.as_ptr().add(at * GROUP);
                for part in 0..SCALES {
                    let starts = x.starts.as_ptr().add(at * SCALES + part);
                    let mut dots = [[_mm256_setzero_si256(); 2]; M];
                    for (r, dots) in dots.iter_mut().enumerate() {
                        *dots = [_mm256_set1_epi32(*starts.add(r * SCALES)); 2];
                    }
                    let n_steps = 8 / SCALES;
                    for step in part * n_steps..(part + 1) * n_steps {
                        let weights = panel.quants.get_unchecked(g).get_unchecked(step);
                        let weights = weights.as_ptr().add(first).cast::<__m256i>();
                        let weights = [_mm256_loadu_si256(weights), _mm256_loadu_si256(weights.add(1))];
                        for r in 0..M {
                            let x = quants.add(r * GROUP + 4 * step).cast::<i32>();
                            let x = _mm256_set1_epi32(x.read_unaligned());
                            dots[r][0] = _mm256_dpbusd_avx_epi32(dots[r][0], weights[0], x);
                            dots[r][1] = _mm256_dpbusd_avx_epi32(dots[r][1], weights[1], x);
                        }
                    }
                    let scales = floats(panel.scales.get_unchecked(g * SCALES + part));
                    let zeros = scales.map(|scales| _mm256_mul_ps(scales, _mm256_set1_ps(-ZERO)));
                    for r in 0..M {
                        let x_scale = _mm256_set1_ps(*x.scales.get_unchecked(at + r));
                        let mut sums = floats(tile.get_unchecked(r));
                        for c in 0..2 {
                            let dot = _mm256_castsi256_ps(dots[r][c]);
                            let scaled = _mm256_fmadd_ps(dot, scales[c], zeros[c]);
                            sums[c] = _mm256_fmadd_ps(scaled, x_scale, sums[c]);
                        }
                        if MINIMA {
                            let minima = floats(panel.minima.get_unchecked(g));
                            let x_sum = _mm256_set1_ps(*x.scaled_sums.get_unchecked(at + r));
                            sums[0] = _mm256_fmadd_ps(minima[0], x_sum, sums[0]);
                            sums[1] = _mm256_fmadd_ps(minima[1], x_sum, sums[1]);
                        }
                        let row = tile.get_unchecked_mut(r).as_mut_ptr().add(first);
                        _mm256_storeu_ps(row, sums[0]);
                        _mm256_storeu_ps(row.add(8), sums[1]);
                    }
                }
            }
        }
    }
}
