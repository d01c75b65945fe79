//! Quantized weights in; their values, and the obvious matrix product, out. Slow on purpose: every other kernel is
//! held against what stands here.

use half::f16;

#[cfg(test)]
use super::activations::Activations;
#[cfg(test)]
use super::format::Matrix;
use super::format::{Format, GROUP};

/// Some weights with one scale: as many as the format has them, 16 or 32.
pub(super) struct Group {
    /// Stored numbers less the offset.
    pub(super) quants: [i32; GROUP],
    /// Of the first and of the second 16 weights.
    pub(super) scales: [f32; 2],
    /// What is subtracted from each weight.
    pub(super) minimum: f32,
}

/// Reads one group of a row.
pub(super) fn group(format: Format, row: &[u8], group: usize) -> Group {
    let n_bytes = format.block_bytes();
    let block = &row[group / format.block_groups() * n_bytes..][..n_bytes];
    let g = group % format.block_groups();
    let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
    let (scales, minimum) = match format {
        Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => ([half(0); 2], 0.0),
        Format::Q4K | Format::Q5K => {
            let (scale, minimum) = scale_and_minimum(&block[4..16], g);
            ([half(0) * scale; 2], half(2) * minimum)
        }
        Format::Q6K => ([0, 1].map(|part| half(208) * f32::from(block[192 + 2 * g + part] as i8)), 0.0),
    };
    let stored = |i: usize| match format {
        Format::Q4_0 => nibble(block[2 + i % 16], i / 16),
        Format::Q5_0 => nibble(block[6 + i % 16], i / 16) | bit(block[2 + i / 8], i % 8) << 4,
        Format::Q8_0 => i32::from(block[2 + i] as i8) + format.offset(),
        Format::Q4K => nibble(block[16 + g / 2 * 32 + i], g % 2),
        Format::Q5K => nibble(block[48 + g / 2 * 32 + i], g % 2) | bit(block[16 + i], g) << 4,
        Format::Q6K => {
            let (half, quarter) = (g / 4, g % 4);
            let low = nibble(block[64 * half + quarter % 2 * 32 + i], quarter / 2);
            let high = i32::from(block[128 + 32 * half + i] >> (2 * quarter)) & 3;
            low | high << 4
        }
    };
    Group { quants: std::array::from_fn(|i| stored(i) - format.offset()), scales, minimum }
}

/// The low (0) or the high (1) four bits.
fn nibble(byte: u8, which: usize) -> i32 {
    i32::from(byte >> (4 * which)) & 15
}

fn bit(byte: u8, which: usize) -> i32 {
    i32::from(byte >> which) & 1
}

/// The 6-bit scale and minimum of one of eight groups, as Q4_K and Q5_K pack them into 12 bytes.
fn scale_and_minimum(packed: &[u8], g: usize) -> (f32, f32) {
    let (scale, minimum) = match g {
        0..4 => (packed[g] & 63, packed[g + 4] & 63),
        _ => (packed[g + 4] & 15 | packed[g - 4] >> 6 << 4, packed[g + 4] >> 4 | packed[g] >> 6 << 4),
    };
    (f32::from(scale), f32::from(minimum))
}

/// Writes the values of one row of weights.
pub(super) fn dequantize_row(format: Format, row: &[u8], values: &mut [f32]) {
    for (g, values) in values.chunks_exact_mut(GROUP).enumerate() {
        let Group { quants, scales, minimum } = group(format, row, g);
        for (i, (value, quant)) in values.iter_mut().zip(quants).enumerate() {
            *value = scales[i / 16] * quant as f32 - minimum;
        }
    }
}

/// `x Wᵀ` from the integers of both: (m, n), the sums over halves of groups exact, those over k in f64.
#[cfg(test)]
pub(super) fn matmul(weights: &Matrix<'_>, x: &Activations) -> Vec<f64> {
    let (m, n) = (x.m(), weights.n);
    let mut y = vec![0.0; m * n];
    for col in 0..n {
        for g in 0..weights.n_groups() {
            let weights = group(weights.format, weights.row(col), g);
            for row in 0..m {
                let (quants, scale) = x.group(row, g);
                for (part, weight_scale) in weights.scales.into_iter().enumerate() {
                    let half = 16 * part..16 * part + 16;
                    let pairs = || weights.quants[half.clone()].iter().zip(&quants[half.clone()]);
                    let dot: i32 = pairs().map(|(w, x)| w * i32::from(*x)).sum();
                    let sum: i32 = pairs().map(|(_, x)| i32::from(*x)).sum();
                    let scaled = f64::from(weight_scale) * f64::from(dot) - f64::from(weights.minimum) * f64::from(sum);
                    y[row * n + col] += scaled * f64::from(scale);
                }
            }
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::QTensor;
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn values_are_those_that_candle_reads() {
        let x: Vec<f32> = (0..512).map(|i| ((i * 7919 % 1013) as f32 - 500.0) / 97.0).collect();
        let x = Tensor::from_vec(x, (2, 256), &Device::Cpu).unwrap();
        for format in Format::ALL {
            let quantized = QTensor::quantize(&x, format.dtype()).unwrap();
            let expected: Vec<Vec<f32>> = quantized.dequantize(&Device::Cpu).unwrap().to_vec2().unwrap();
            let bytes = quantized.data().unwrap();
            let weights = Matrix::new(format, (2, 256), &bytes).unwrap();
            for (row, expected) in expected.iter().enumerate() {
                let mut values = vec![0.0; 256];
                dequantize_row(format, weights.row(row), &mut values);
                assert_eq!(&values, expected, "{format:?}");
            }
        }
    }
}
