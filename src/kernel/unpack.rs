//! Compact blocks in, registers with their numbers out: what all instruction sets of x86-64 share.

use std::arch::x86_64::*;

use super::format::Format;

/// Calls the function `$f::<FORMAT, ..>` for a format that is known only now.
macro_rules! for_format {
    ($format:expr, $f:ident, [$($more:tt)*], $args:tt) => {
        match $format {
            Format::Q4_0 => $f::<{ Format::Q4_0 as u8 }, $($more)*>$args,
            Format::Q5_0 => $f::<{ Format::Q5_0 as u8 }, $($more)*>$args,
            Format::Q8_0 => $f::<{ Format::Q8_0 as u8 }, $($more)*>$args,
            Format::Q4K => $f::<{ Format::Q4K as u8 }, $($more)*>$args,
            Format::Q5K => $f::<{ Format::Q5K as u8 }, $($more)*>$args,
            Format::Q6K => $f::<{ Format::Q6K as u8 }, $($more)*>$args,
        }
    };
}
pub(super) use for_format;

/// Calls `$f::<N, ..>` for a number of rows, 1 to 6, that is known only now.
macro_rules! for_rows {
    ($n_rows:expr, $f:ident, [$($more:tt)*], $args:tt) => {
        match $n_rows {
            1 => $f::<1, $($more)*>$args,
            2 => $f::<2, $($more)*>$args,
            3 => $f::<3, $($more)*>$args,
            4 => $f::<4, $($more)*>$args,
            5 => $f::<5, $($more)*>$args,
            6 => $f::<6, $($more)*>$args,
            n => unreachable!("a bundle of {n} rows"),
        }
    };
}
pub(super) use for_rows;

/// The functions that find, for a format and a number of rows that are known only now, the `multiply_rows` of an
/// instruction set whose integer sums start at a zero of its own.
macro_rules! multiply_for {
    (#[$features:meta]) => {
        /// Adds what a panel's stretch of k gives to a tile of the product: a row of 32 numbers for each row of the bundle.
        #[$features]
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
            unsafe { for_rows!(x.n_rows, multiply_format, [], (format, panel, groups, x, tile)) }
        }

        /// # Safety
        /// As for [`multiply_rows`].
        #[$features]
        unsafe fn multiply_format<const M: usize>(
            format: Format,
            panel: &Panel,
            groups: Range<usize>,
            x: &Bundle<'_>,
            tile: &mut [[f32; COLUMNS]],
        ) {
            // SAFETY: the caller's promise is the same.
            unsafe {
                match (format.group_scales(), format.has_minima()) {
                    (2, _) => multiply_rows::<M, 2, false>(panel, groups, x, tile),
                    (_, false) => multiply_rows::<M, 1, false>(panel, groups, x, tile),
                    (_, true) => multiply_rows::<M, 1, true>(panel, groups, x, tile),
                }
            }
        }
    };
}
pub(super) use multiply_for;

/// Asks memory for what comes after this run of 8 groups, into the second cache, and the second cache for what comes next:
/// its own guess falls behind, and the first cache alone waits for too few lines at a time.
#[inline(always)]
pub(super) fn read_ahead<const F: u8>(block: *const u8) {
    const FROM_MEMORY: usize = 4096;
    const FROM_SECOND_CACHE: usize = 1024;
    const LINE_BYTES: usize = 64;
    let format = const { Format::from_u8(F) };
    for line in (0..8 / format.block_groups() * format.block_bytes()).step_by(LINE_BYTES) {
        let ahead = |n_bytes: usize| block.wrapping_add(n_bytes + line).cast();
        // SAFETY: nothing is read from the address, whether there is something or not.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(ahead(FROM_MEMORY));
            _mm_prefetch::<_MM_HINT_T0>(ahead(FROM_SECOND_CACHE));
        }
    }
}

/// The stored numbers of group `G` of a run of 8.
///
/// # Safety
/// `block` begins the run, and the run has the group.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) unsafe fn quants<const F: u8, const G: usize>(block: *const u8) -> __m256i {
    let format = const { Format::from_u8(F) };
    // SAFETY: all reads are inside the block, whose layout is the one `reference` spells out.
    unsafe {
        let block = if format.block_groups() == 1 { block.add(G * format.block_bytes()) } else { block };
        match format {
            Format::Q4_0 => small_nibbles(block.add(2)),
            Format::Q5_0 => {
                // Each byte of the result picks its own bit of the four bytes.
                let bits = _mm256_set1_epi32(block.add(2).cast::<i32>().read_unaligned());
                let byte_of =
                    _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
                let bit_of = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
                with_fifth_bits(small_nibbles(block.add(6)), _mm256_shuffle_epi8(bits, byte_of), bit_of)
            }
            Format::Q8_0 => _mm256_xor_si256(_mm256_loadu_si256(block.add(2).cast()), _mm256_set1_epi8(-128)),
            Format::Q4K => nibbles(block.add(16 + G / 2 * 32), G % 2 == 1),
            Format::Q5K => {
                let fifth = _mm256_loadu_si256(block.add(16).cast());
                let bit = _mm256_set1_epi8((1u8 << G) as i8);
                with_fifth_bits(nibbles(block.add(48 + G / 2 * 32), G % 2 == 1), fifth, bit)
            }
            Format::Q6K => {
                let low = nibbles(block.add(G / 4 * 64 + G % 2 * 32), G % 4 >= 2);
                let high = _mm256_loadu_si256(block.add(128 + G / 4 * 32).cast());
                let high = match G % 4 {
                    0 => _mm256_slli_epi16::<4>(high),
                    1 => _mm256_slli_epi16::<2>(high),
                    2 => high,
                    _ => _mm256_srli_epi16::<2>(high),
                };
                _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(0x30)))
            }
        }
    }
}

/// The low or the high halves of 32 bytes.
///
/// # Safety
/// 32 bytes can be read.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) unsafe fn nibbles(at: *const u8, high: bool) -> __m256i {
    // SAFETY: the caller's promise.
    let bytes = unsafe { _mm256_loadu_si256(at.cast()) };
    _mm256_and_si256(if high { _mm256_srli_epi16::<4>(bytes) } else { bytes }, _mm256_set1_epi8(15))
}

/// The low halves of 16 bytes, then their high halves.
///
/// # Safety
/// 16 bytes can be read.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) unsafe fn small_nibbles(at: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    let both = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(at.cast()) });
    _mm256_and_si256(_mm256_srlv_epi64(both, _mm256_setr_epi64x(0, 0, 4, 4)), _mm256_set1_epi8(15))
}

/// Adds 16 where the one bit of `mask` is set in `bits`.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
fn with_fifth_bits(low: __m256i, bits: __m256i, mask: __m256i) -> __m256i {
    let is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, mask), mask);
    _mm256_or_si256(low, _mm256_and_si256(is_set, _mm256_set1_epi8(16)))
}

/// The scales and the minima of a run of 8 groups.
///
/// # Safety
/// `block` begins 8 whole groups.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) unsafe fn scales<const F: u8>(block: *const u8) -> ([f32; 16], [f32; 8]) {
    let format = const { Format::from_u8(F) };
    let (mut scales, mut minima) = ([0.0; 16], [0.0; 8]);
    // SAFETY: all reads are inside 8 groups, and the writes inside the two arrays.
    unsafe {
        match format {
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => {
                let read = |g: usize| block.add(g * format.block_bytes()).cast::<i16>().read_unaligned();
                let halves = _mm_setr_epi16(read(0), read(1), read(2), read(3), read(4), read(5), read(6), read(7));
                _mm256_storeu_ps(scales.as_mut_ptr(), _mm256_cvtph_ps(halves));
            }
            Format::Q4K | Format::Q5K => {
                let word = |at: usize| block.add(at).cast::<u32>().read_unaligned();
                let (first, second, third) = (word(4), word(8), word(12));
                let six_bits = |low: u32, rest: u32| u64::from(low & 0x3f3f_3f3f) | u64::from(rest) << 32;
                let quants = [
                    six_bits(first, third & 0x0f0f_0f0f | first >> 2 & 0x3030_3030),
                    six_bits(second, third >> 4 & 0x0f0f_0f0f | second >> 2 & 0x3030_3030),
                ];
                for (quants, at, result) in [(quants[0], 0, scales.as_mut_ptr()), (quants[1], 2, minima.as_mut_ptr())] {
                    let values = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(quants as i64)));
                    _mm256_storeu_ps(result, _mm256_mul_ps(values, _mm256_set1_ps(half(block.add(at)))));
                }
            }
            Format::Q6K => {
                let whole = _mm256_set1_ps(half(block.add(208)));
                for part in 0..2 {
                    let quants = _mm_loadl_epi64(block.add(192 + 8 * part).cast());
                    let values = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(quants));
                    _mm256_storeu_ps(scales.as_mut_ptr().add(8 * part), _mm256_mul_ps(values, whole));
                }
            }
        }
    }
    (scales, minima)
}

/// The scales and the minima of a run of `n` groups: 8, or fewer where each group is a block of its own.
///
/// # Safety
/// `block` begins `n` whole groups.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) unsafe fn run_scales<const F: u8>(block: *const u8, n: usize) -> ([f32; 16], [f32; 8]) {
    let mut few = [0.0; 16];
    // SAFETY: the caller's promise.
    unsafe {
        if n == 8 {
            return scales::<F>(block);
        }
        for (g, scale) in few.iter_mut().enumerate().take(n) {
            *scale = half(block.add(g * const { Format::from_u8(F) }.block_bytes()));
        }
    }
    (few, [0.0; 8])
}

/// The f16 at an address.
///
/// # Safety
/// Two bytes can be read.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) unsafe fn half(at: *const u8) -> f32 {
    // SAFETY: the caller's promise.
    let bits = unsafe { at.cast::<u16>().read_unaligned() };
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits.into())))
}

/// The sum of 8 lanes.
#[inline]
#[target_feature(enable = "avx2,f16c,fma")]
pub(super) fn sum(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}
