//! Exponentials of many numbers at once, and what is made of them. Plain Rust that becomes vector code in each
//! instruction set.

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};

use super::{Isa, SharedSlice, in_parallel, with_floats};

/// e to the power of `x`, for `x` up to 88; 0 below -87. The relative error is below 2^-21.
///
/// `x` is split into a power of 2 and a rest between ±ln(2) / 2, of which a polynomial is taken (its Taylor series).
/// `FMA`: where the processor has no such instruction, `mul_add` would be a call.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4; // few bits, so that the product with a whole number is exact
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let mul_add = |a: f32, b: f32, c: f32| if FMA { a.mul_add(b, c) } else { a * b + c };
    // Written so that NaN stays NaN.
    let clamped = if x < -87.0 { -87.0 } else { x };
    let rounded = mul_add(clamped, std::f32::consts::LOG2_E, ROUND);
    let power = rounded - ROUND;
    let rest = mul_add(power, -LN_2_LOW, mul_add(power, -LN_2_HIGH, clamped));
    let mut sum = 1.0 / 720.0;
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = mul_add(sum, rest, coefficient);
    }
    let power_of_two = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { sum * power_of_two }
}

/// `silu(gate) * up` of two contiguous tensors of one shape, where `silu(x) = x / (1 + e^-x)`.
pub(super) fn gated(isa: Isa, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    by_run(gate, up, |gate, up| isa.gate(gate, up))
}

/// `x * sigmoid(gate)` of two contiguous tensors of one shape, where `sigmoid(x) = 1 / (1 + e^-x)`.
pub(super) fn opened(isa: Isa, x: &Tensor, gate: &Tensor) -> Result<Tensor> {
    by_run(x, gate, |x, gate| isa.open(x, gate))
}

/// What `mix` makes of the numbers of two tensors, in the place of those of the first.
fn by_run(x: &Tensor, other: &Tensor, mix: impl Fn(&mut [f32], &[f32]) + Sync) -> Result<Tensor> {
    ensure!(x.dims() == other.dims(), "a gate of {:?} and {:?}", x.shape(), other.shape());
    let mixed = with_floats(x, |x| with_floats(other, |other| floats_by_run(x, other, mix)))??;
    Ok(Tensor::from_vec(mixed, x.shape(), &Device::Cpu)?)
}

fn floats_by_run(x: &[f32], other: &[f32], mix: impl Fn(&mut [f32], &[f32]) + Sync) -> Vec<f32> {
    const RUN: usize = 4096;
    let mut mixed = Vec::with_capacity(x.len());
    let shared = SharedSlice::new(&mut mixed.spare_capacity_mut()[..x.len()]);
    in_parallel(x.len().div_ceil(RUN), |runs| {
        let range = runs.start * RUN..x.len().min(runs.end * RUN);
        // SAFETY: each run is handed to one thread.
        let target = unsafe { shared.range(range.clone()) };
        target.write_copy_of_slice(&x[range.clone()]);
        // SAFETY: all of it was just written.
        mix(unsafe { target.assume_init_mut() }, &other[range]);
    });
    // SAFETY: the runs make up the whole, and each was written.
    unsafe { mixed.set_len(x.len()) };
    mixed
}

/// Makes each `x` into `silu(x) * up`.
#[inline(always)]
pub(super) fn gate<const FMA: bool>(x: &mut [f32], up: &[f32]) {
    for (x, up) in x.iter_mut().zip(up) {
        // Beyond 80 the quotient no longer differs from 0, and the exponential would leave its range.
        let magnitude = if *x < -80.0 { 80.0 } else { -*x };
        *x = *x / (1.0 + exp::<FMA>(magnitude)) * up;
    }
}

/// Makes each `x` into `x * sigmoid(gate)`.
#[inline(always)]
pub(super) fn open<const FMA: bool>(x: &mut [f32], gate: &[f32]) {
    for (x, gate) in x.iter_mut().zip(gate) {
        let magnitude = if *gate < -80.0 { 80.0 } else { -*gate };
        *x /= 1.0 + exp::<FMA>(magnitude);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        check_exponentials(exp::<false>);
        check_exponentials(exp::<true>);
    }

    fn check_exponentials(exp: fn(f32) -> f32) {
        for i in -87_000..=88_000 {
            let x = i as f32 / 1_000.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 2f64.powi(-21), "exp({x}) = {found} for {expected}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn gates_are_those_of_candle() {
        let x: Vec<f32> = (0..10_007).map(|i| (i as f32 - 5_000.0) / 41.0).collect();
        let gates = Tensor::new(x.as_slice(), &Device::Cpu).unwrap();
        let up = Tensor::ones(x.len(), candle_core::DType::F32, &Device::Cpu).unwrap();
        let expected: Vec<f32> = candle_nn::ops::silu(&gates).unwrap().to_vec1().unwrap();
        let ones = up.to_vec1::<f32>().unwrap();
        for isa in Isa::available() {
            let found = floats_by_run(&x, &ones, |x, up| isa.gate(x, up));
            let opened = floats_by_run(&x, &x, |x, gate| isa.open(x, gate));
            for (x, ((found, opened), expected)) in x.iter().zip(found.iter().zip(&opened).zip(&expected)) {
                assert!((found - expected).abs() <= 1e-6 * x.abs().max(1.0), "{isa:?}: {found} for {expected} at {x}");
                assert!((opened - expected).abs() <= 1e-6 * x.abs().max(1.0), "{isa:?}: {opened}, {expected} at {x}");
            }
        }
        assert!(gated(Isa::Portable, &gates, &up.narrow(0, 0, 3).unwrap()).is_err());
    }
}
