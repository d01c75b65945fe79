//! AVX-512 VNNI for few rows: each row of weights is read once from its compact blocks, 64 weights a register. What can
//! be is done for 8 groups at once: their scales meet those of the activations in one multiplication, and a permutation
//! spreads the products over the lanes of each pair of groups.

use std::arch::x86_64::*;

use super::activations::{Bundle, MAX_BUNDLE_ROWS};
use super::format::{Format, GROUP, Matrix};
use super::unpack::{for_format, for_rows, read_ahead, run_scales, sum};

/// Partial sums in which a start is counted: 8 lanes, or 4 for each half of a group.
pub(super) const fn lanes(format: Format) -> i32 {
    8 / format.group_scales() as i32
}

/// The products of some rows of weights, from `first_row`, with each row of a bundle whose rows lie one behind another.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn dot(weights: &Matrix<'_>, first_row: usize, x: &Bundle<'_>, products: &mut [[f32; MAX_BUNDLE_ROWS]]) {
    x.check(weights.n_groups());
    x.check_starts(weights.format, weights.n_groups());
    // SAFETY: the bundle was just checked to have as many groups as the rows, which are whole in any matrix.
    unsafe { for_rows!(x.n_rows, dot_format, [], (weights, first_row, x, products)) }
}

/// # Safety
/// The bundle has as many groups as the rows of weights, for `M` rows of its own.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_format<const M: usize>(
    weights: &Matrix<'_>,
    first_row: usize,
    x: &Bundle<'_>,
    products: &mut [[f32; MAX_BUNDLE_ROWS]],
) {
    for (i, products) in products.iter_mut().enumerate() {
        let row = weights.row(first_row + i);
        // SAFETY: the caller's promise is the same.
        let sums = unsafe { for_format!(weights.format, dot_row, [M], (row, weights.n_groups(), x)) };
        products[..M].copy_from_slice(&sums);
    }
}

/// Sums on their way: two of each row, so that one does not wait for the other.
struct Sums<const M: usize> {
    rows: [[__m512; 2]; M],
    minima: [__m256; M],
}

/// # Safety
/// `row` has `n_groups` groups; the slices of `x` have so many for each of `M` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn dot_row<const F: u8, const M: usize>(row: &[u8], n_groups: usize, x: &Bundle<'_>) -> [f32; M] {
    let mut sums = Sums { rows: [[_mm512_setzero_ps(); 2]; M], minima: [_mm256_setzero_ps(); M] };
    let format = const { Format::from_u8(F) };
    let whole_runs = n_groups / 8 * 8;
    for first in (0..whole_runs).step_by(8) {
        // SAFETY: `first + 8 <= n_groups`, so that every pointer is inside of what the caller promised.
        unsafe {
            let at = first / format.block_groups() * format.block_bytes();
            let block = row.as_ptr().add(at);
            read_ahead::<F>(block);
            run::<F, M, 8>(block, x, first, n_groups, &mut sums);
        }
    }
    let mut first = whole_runs;
    while first < n_groups {
        // SAFETY: `first + n <= n_groups`; groups that are no whole run are blocks of their own.
        unsafe {
            let block = row.as_ptr().add(first * format.block_bytes());
            match n_groups - first {
                1 => run::<F, M, 1>(block, x, first, n_groups, &mut sums),
                2 | 3 => run::<F, M, 2>(block, x, first, n_groups, &mut sums),
                _ => run::<F, M, 4>(block, x, first, n_groups, &mut sums),
            }
        }
        first += match n_groups - first {
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
    }
    std::array::from_fn(|r| {
        let both = _mm512_add_ps(sums.rows[r][0], sums.rows[r][1]);
        let halves = [_mm512_castps512_ps256(both), _mm512_extractf32x8_ps::<1>(both)];
        sum(_mm256_add_ps(halves[0], halves[1])) - sum(sums.minima[r])
    })
}

/// Adds a run of `N` groups, 8, 4, 2 or 1, to the sums.
///
/// # Safety
/// `block` begins the run, which is there from group `first` in each of the `M` rows of `n_groups` groups of `x` too.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn run<const F: u8, const M: usize, const N: usize>(
    block: *const u8,
    x: &Bundle<'_>,
    first: usize,
    n_groups: usize,
    sums: &mut Sums<M>,
) {
    let format = const { Format::from_u8(F) };
    let there = const { ((1u16 << N) - 1) as u8 };
    // SAFETY: all reads are of `N` groups from `first`, which the caller promised to be there.
    unsafe {
        let (scales, minima) = run_scales::<F>(block, N);
        let mut weights = [_mm512_setzero_si512(); 4];
        macro_rules! unpack_pairs {
            ($($pair:literal)*) => { $(
                if 2 * $pair < N {
                    weights[$pair] = pair::<F, $pair>(block, 2 * $pair + 1 < N);
                }
            )* };
        }
        unpack_pairs!(0 1 2 3);
        for r in 0..M {
            let at = r * n_groups + first;
            let x_scales = _mm256_maskz_loadu_ps(there, x.scales.as_ptr().add(at));
            let (scales, starts) = if format.group_scales() == 2 {
                let twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
                let x_scales = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(x_scales));
                (
                    _mm512_mul_ps(_mm512_loadu_ps(scales.as_ptr()), x_scales),
                    _mm512_loadu_si512(x.starts.as_ptr().add(2 * at).cast()),
                )
            } else {
                let scales = _mm256_mul_ps(_mm256_loadu_ps(scales.as_ptr()), x_scales);
                let starts = match format.offset() {
                    0 => _mm256_setzero_si256(),
                    _ => _mm256_maskz_loadu_epi32(there, x.starts.as_ptr().add(at)),
                };
                (_mm512_castps256_ps512(scales), _mm512_castsi256_si512(starts))
            };
            for pair in 0..N.div_ceil(2) {
                let quants = x.quants.as_ptr().add((at + 2 * pair) * GROUP);
                let quants = match N {
                    1 => _mm512_zextsi256_si512(_mm256_loadu_si256(quants.cast())),
                    _ => _mm512_loadu_si512(quants.cast()),
                };
                let lanes = lanes_of(format, pair as i32);
                let start = match format.offset() {
                    0 => _mm512_setzero_si512(),
                    _ => _mm512_permutexvar_epi32(lanes, starts),
                };
                let dot = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(start, weights[pair], quants));
                let scale = _mm512_permutexvar_ps(lanes, scales);
                let sum = &mut sums.rows[r][pair % 2];
                *sum = _mm512_fmadd_ps(dot, scale, *sum);
            }
            if format.has_minima() {
                let x = _mm256_maskz_loadu_ps(there, x.scaled_sums.as_ptr().add(at));
                let minima = _mm256_loadu_ps(minima.as_ptr());
                sums.minima[r] = _mm256_fmadd_ps(minima, x, sums.minima[r]);
            }
        }
    }
}

/// Which of the scales of a run belongs to each lane of a pair of groups.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes_of(format: Format, pair: i32) -> __m512i {
    match format.group_scales() {
        2 => {
            let [a, b, c, d] = std::array::from_fn(|i| 4 * pair + i as i32);
            _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d)
        }
        _ => {
            let [a, b] = [2 * pair, 2 * pair + 1];
            _mm512_setr_epi32(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b)
        }
    }
}

/// The stored numbers of groups `2 * P` and `2 * P + 1` of a run; zeros for the second, where it is not there.
///
/// # Safety
/// `block` begins the run, and the run has the groups.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
unsafe fn pair<const F: u8, const P: usize>(block: *const u8, has_second: bool) -> __m512i {
    let format = const { Format::from_u8(F) };
    // SAFETY: all reads are inside the blocks of the two groups, whose layouts are those that `reference` spells out.
    unsafe {
        // Both halves of what is returned begin as these 32 bytes.
        let twice = |at: usize| _mm512_broadcast_i64x4(_mm256_loadu_si256(block.add(at).cast()));
        let low_bits = _mm512_set1_epi8(15);
        let first = block.add(2 * P * format.block_bytes());
        let second = first.add(format.block_bytes());
        match format {
            Format::Q4_0 => small_nibbles(first.add(2), second.add(2), has_second),
            Format::Q5_0 => {
                let fifth = |block: *const u8| u64::from(block.add(2).cast::<u32>().read_unaligned());
                let fifths = fifth(first) | if has_second { fifth(second) << 32 } else { 0 };
                let low = small_nibbles(first.add(6), second.add(6), has_second);
                with_fifth_bits(low, fifths)
            }
            Format::Q8_0 => {
                let first = _mm256_loadu_si256(first.add(2).cast());
                let second = match has_second {
                    true => _mm256_loadu_si256(second.add(2).cast()),
                    false => _mm256_set1_epi8(-128),
                };
                let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second);
                _mm512_xor_si512(both, _mm512_set1_epi8(-128))
            }
            Format::Q4K | Format::Q5K => {
                let high = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
                let at = if format == Format::Q4K { 16 } else { 48 };
                let nibbles = _mm512_srlv_epi64(twice(at + P * 32), high);
                let nibbles = _mm512_and_si512(nibbles, low_bits);
                if format == Format::Q4K {
                    return nibbles;
                }
                let bit = |group: usize| _mm256_set1_epi8((1u8 << group) as i8);
                let bits = _mm512_castsi256_si512(bit(2 * P));
                let bits = _mm512_inserti64x4::<1>(bits, bit(2 * P + 1));
                with_fifth_bits(nibbles, _mm512_test_epi8_mask(twice(16), bits))
            }
            Format::Q6K => {
                let low = _mm512_loadu_si512(block.add(P / 2 * 64).cast());
                let high = twice(128 + P / 2 * 32);
                let (low, high) = if P.is_multiple_of(2) {
                    let shifts = _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2);
                    (low, _mm512_sllv_epi64(high, shifts))
                } else {
                    let shifts = _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2);
                    (_mm512_srli_epi64::<4>(low), _mm512_srlv_epi64(high, shifts))
                };
                _mm512_or_si512(_mm512_and_si512(low, low_bits), _mm512_and_si512(high, _mm512_set1_epi8(0x30)))
            }
        }
    }
}

/// The low halves of 16 bytes, then their high halves; behind them, the same of 16 others if they are there.
///
/// # Safety
/// 16 bytes can be read of each that is there.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn small_nibbles(first: *const u8, second: *const u8, has_second: bool) -> __m512i {
    // SAFETY: the caller's promise.
    let (first, second) = unsafe {
        let first = _mm256_castsi128_si256(_mm_loadu_si128(first.cast()));
        let second = match has_second {
            true => _mm_loadu_si128(second.cast()),
            false => _mm_setzero_si128(),
        };
        (first, second)
    };
    let both = _mm512_castsi256_si512(_mm256_inserti128_si256::<1>(first, second));
    let twice = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3), both);
    let shifted = _mm512_srlv_epi64(twice, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4));
    _mm512_and_si512(shifted, _mm512_set1_epi8(15))
}

/// Adds 16 to the bytes whose bit is set.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn with_fifth_bits(low: __m512i, bits: u64) -> __m512i {
    _mm512_mask_add_epi8(low, bits, low, _mm512_set1_epi8(16))
}
