//! The block formats of GGUF that there are kernels for: sizes, and what a stored number means.
//!
//! A *group* is 32 weights in a row of the matrix. In every format a weight is `scale * (stored - offset) - minimum`,
//! with one scale for a group, or two where the format is split, and mostly no minimum. The layouts are those of
//! <https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h>.

use anyhow::{Result, ensure};
use candle_core::quantized::GgmlDType;

/// Weights in a group.
pub(super) const GROUP: usize = 32;

/// A format that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// 4 bits, a scale a group.
    Q4_0,
    /// 5 bits, a scale a group.
    Q5_0,
    /// 8 bits, a scale a group.
    Q8_0,
    /// 4 bits; 8 groups share what their 6-bit scales and minima are multiples of.
    Q4K,
    /// 5 bits, otherwise as [`Format::Q4K`].
    Q5K,
    /// 6 bits; 16 halves of groups share what their 8-bit scales are multiples of.
    Q6K,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 6] = [Format::Q4_0, Format::Q5_0, Format::Q8_0, Format::Q4K, Format::Q5K, Format::Q6K];

    /// The format of a candle type, if there are kernels for it.
    pub fn of(dtype: GgmlDType) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.dtype() == dtype)
    }

    /// What candle calls it.
    pub fn dtype(self) -> GgmlDType {
        match self {
            Format::Q4_0 => GgmlDType::Q4_0,
            Format::Q5_0 => GgmlDType::Q5_0,
            Format::Q8_0 => GgmlDType::Q8_0,
            Format::Q4K => GgmlDType::Q4K,
            Format::Q5K => GgmlDType::Q5K,
            Format::Q6K => GgmlDType::Q6K,
        }
    }

    /// The format of this number, as `format as u8` gives it: kernels are compiled once a number.
    pub(super) const fn from_u8(format: u8) -> Format {
        Format::ALL[format as usize]
    }

    /// Groups in a block.
    pub(super) const fn block_groups(self) -> usize {
        match self {
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => 1,
            Format::Q4K | Format::Q5K | Format::Q6K => 8,
        }
    }

    /// Bytes of a block.
    pub(super) const fn block_bytes(self) -> usize {
        match self {
            Format::Q4_0 => 2 + 16,
            Format::Q5_0 => 2 + 4 + 16,
            Format::Q8_0 => 2 + 32,
            Format::Q4K => 2 + 2 + 12 + 128,
            Format::Q5K => 2 + 2 + 12 + 32 + 128,
            Format::Q6K => 128 + 64 + 16 + 2,
        }
    }

    /// What a stored number exceeds the number by that the scale multiplies. The kernels store without a sign, as
    /// the byte products of x86 want one side to be; Q8_0 is brought into that form when it is read.
    pub(super) const fn offset(self) -> i32 {
        match self {
            Format::Q4_0 => 8,
            Format::Q5_0 => 16,
            Format::Q8_0 => 128,
            Format::Q4K | Format::Q5K => 0,
            Format::Q6K => 32,
        }
    }

    /// Scales in a group: 2 where the format is split.
    pub(super) const fn group_scales(self) -> usize {
        if matches!(self, Format::Q6K) { 2 } else { 1 }
    }

    /// Whether a minimum is subtracted.
    pub(super) const fn has_minima(self) -> bool {
        matches!(self, Format::Q4K | Format::Q5K)
    }

    /// Bytes of a row of `k` weights.
    pub(super) const fn row_bytes(self, k: usize) -> usize {
        k / (self.block_groups() * GROUP) * self.block_bytes()
    }
}

/// A matrix of quantized weights, (n, k), whose bytes are as many as that takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) format: Format,
    pub(super) n: usize,
    pub(super) k: usize,
    bytes: &'a [u8],
}

impl<'a> Matrix<'a> {
    /// Checks that whole blocks make up the rows and the rows make up the bytes.
    pub(super) fn new(format: Format, (n, k): (usize, usize), bytes: &'a [u8]) -> Result<Self> {
        ensure!(
            k.is_multiple_of(format.block_groups() * GROUP),
            "rows of {k} weights are not made of whole blocks of {format:?}"
        );
        ensure!(
            n.checked_mul(format.row_bytes(k)) == Some(bytes.len()),
            "{} bytes are not {n} rows of {k} weights in {format:?}",
            bytes.len()
        );
        Ok(Matrix { format, n, k, bytes })
    }

    /// The blocks of one row.
    pub(super) fn row(&self, row: usize) -> &'a [u8] {
        let n_bytes = self.format.row_bytes(self.k);
        &self.bytes[row * n_bytes..(row + 1) * n_bytes]
    }

    /// Groups in a row.
    pub(super) fn n_groups(&self) -> usize {
        self.k / GROUP
    }
}
