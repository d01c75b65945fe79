//! What an encoder of the BERT family needs beside products: the activation GELU and layer normalization, and what its
//! vectors are compared by. Plain Rust that becomes vector code in each instruction set.

use std::sync::OnceLock;

use anyhow::Result;
use candle_core::{Device, Tensor};

use super::exp::exp;
use super::{Compute, Isa, SharedSlice, in_parallel, with_floats};

/// `x Φ(x)`, Φ being the normal distribution, of a contiguous f32 tensor on the CPU.
pub(super) fn gelu(isa: Isa, x: &Tensor) -> Result<Tensor> {
    const RUN: usize = 4096;
    let y = with_floats(x, |x| in_runs(x, RUN, |_, run| isa.activate(run)))?;
    Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?)
}

/// See [`Compute::add_norm`](super::Compute::add_norm), which checks the shapes.
pub(super) fn add_norm(
    isa: Isa,
    x: &Tensor,
    y: &Tensor,
    (weight, bias): (&[f32], &[f32]),
    epsilon: f32,
) -> Result<Tensor> {
    let n = x.dims2()?.1;
    let normal = with_floats(x, |x| {
        with_floats(y, |y| {
            in_runs(x, 16 * n, |first, run| {
                for (row, y) in run.chunks_exact_mut(n).zip(y[first..].chunks_exact(n)) {
                    row.iter_mut().zip(y).for_each(|(x, y)| *x += y);
                    isa.normalize(row, weight, bias, epsilon);
                }
            })
        })
    })??;
    Ok(Tensor::from_vec(normal, x.shape(), &Device::Cpu)?)
}

/// The products of `vector` with those that stand at the end of each record of `n_bytes`, as signed bytes.
///
/// Panics when a record is shorter than the vector, which may have at most 2^17 numbers.
pub fn byte_products(vector: &[i16], records: &[u8], n_bytes: usize, products: &mut Vec<i32>) {
    static ISA: OnceLock<Isa> = OnceLock::new();
    let isa = *ISA.get_or_init(|| match Compute::default() {
        Compute::Kernels(isa) => isa,
        _ => Isa::Portable,
    });
    products.resize(records.len() / n_bytes, 0);
    isa.multiply_bytes(vector, records, n_bytes, products);
}

/// A copy of `x`, made run by run on all threads, each changed by `work` once it is there: what is copied is still
/// in the cache then. `work` gets the place of the run's first number.
fn in_runs(x: &[f32], run: usize, work: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    let shared = SharedSlice::new(&mut y.spare_capacity_mut()[..x.len()]);
    in_parallel(x.len().div_ceil(run), |runs| {
        for first in runs.map(|i| i * run) {
            let range = first..x.len().min(first + run);
            // SAFETY: each run is handed to one thread.
            let target = unsafe { shared.range(range.clone()) };
            work(first, target.write_copy_of_slice(&x[range]));
        }
    });
    // SAFETY: the runs make up the whole, and each was written.
    unsafe { y.set_len(x.len()) };
    y
}

/// GELU with the error function of Abramowitz and Stegun, formula 7.1.26, which errs by less than 2e-7.
#[inline(always)]
pub(super) fn activate<const FMA: bool>(x: &mut [f32]) {
    for x in x {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let mut sum = 1.061_405_4;
        for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            sum = sum * t + coefficient;
        }
        let rest = sum * t * exp::<FMA>(-z * z); // 1 - erf(z)
        let erf = if *x < 0.0 { rest - 1.0 } else { 1.0 - rest };
        *x = 0.5 * *x * (1.0 + erf);
    }
}

/// See [`byte_products`]. Pairs of 16-bit products are summed by one instruction.
#[inline(always)]
pub(super) fn multiply_bytes(vector: &[i16], records: &[u8], n_bytes: usize, products: &mut [i32]) {
    for (product, record) in products.iter_mut().zip(records.chunks_exact(n_bytes)) {
        let other = &record[n_bytes - vector.len()..];
        // Wrapping, as a checked sum would not become vector code.
        *product =
            vector.iter().zip(other).fold(0, |sum: i32, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b as i8)));
    }
}

/// Brings a row to mean 0 and variance 1, then scales and shifts it.
#[inline(always)]
pub(super) fn normalize(x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let n = x.len() as f32;
    let mean = total(x, |x| x) / n;
    let variance = total(x, |x| (x - mean) * (x - mean)) / n;
    let scale = 1.0 / (variance + epsilon).sqrt();
    for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * scale * weight + bias;
    }
}

/// The sum of `f` over a row, in sixteen parts that a vector holds.
#[inline(always)]
fn total(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; 16];
    let (chunks, rest) = x.as_chunks::<16>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f(*x);
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_that_of_candle_in_every_instruction_set() {
        let x: Vec<f32> = (0..20_001).map(|i| (i as f32 - 10_000.0) / 500.0).collect();
        let expected = Tensor::new(x.as_slice(), &Device::Cpu).and_then(|x| x.gelu_erf()?.to_vec1::<f32>()).unwrap();
        for isa in Isa::available() {
            let mut found = x.clone();
            isa.activate(&mut found);
            for (found, expected) in found.iter().zip(&expected) {
                let allowed = 1e-6 * expected.abs().max(1.0);
                assert!((found - expected).abs() < allowed, "{isa:?}: {found} for {expected}");
            }
        }
        let mut bad = [f32::NAN];
        activate::<false>(&mut bad);
        assert!(bad[0].is_nan());
    }

    #[test]
    fn bytes_are_multiplied_alike_in_every_instruction_set() {
        for n in [1, 31, 384, 1024] {
            let vector: Vec<i16> = (0..n).map(|i| (i * 89 % 255) as i16 - 127).collect();
            let records: Vec<u8> = (0..9 * (n + 24)).map(|i| (i * i % 251) as u8).collect();
            let expected: Vec<i32> = records
                .chunks(n + 24)
                .map(|record| (0..n).map(|i| i32::from(vector[i]) * i32::from(record[24 + i] as i8)).sum())
                .collect();
            for isa in Isa::available() {
                let mut found = vec![0; 9];
                isa.multiply_bytes(&vector, &records, n + 24, &mut found);
                assert_eq!(found, expected, "{isa:?}");
            }
        }
    }

    #[test]
    fn rows_are_brought_to_mean_zero_and_variance_one() {
        let n = 37;
        let (weight, bias): (Vec<f32>, Vec<f32>) = (0..n).map(|i| (1.0 + i as f32 / 10.0, i as f32)).unzip();
        let x = Tensor::randn(3f32, 5f32, (21, n), &Device::Cpu).unwrap();
        let y = Tensor::randn(0f32, 1f32, (21, n), &Device::Cpu).unwrap();
        let sum = (&x + &y).unwrap();
        let vector = |v: &[f32]| Tensor::new(v, &Device::Cpu).unwrap();
        let expected = candle_nn::ops::layer_norm(&sum, &vector(&weight), &vector(&bias), 1e-5).unwrap();
        for isa in Isa::available() {
            let found = Compute::Kernels(isa).add_norm(&x, &y, (&weight, &bias), 1e-5).unwrap();
            let error = (found - &expected).unwrap().abs().unwrap();
            let error = error.flatten_all().unwrap().max(0).unwrap();
            assert!(error.to_scalar::<f32>().unwrap() < 1e-4);
        }
        assert!(Compute::default().add_norm(&x, &y, (&weight, &bias[1..]), 1e-5).is_err());
    }
}
