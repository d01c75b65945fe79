//! Rows of numbers in, as many rows out: what a layer does between its products. Knows no weights that are quantized.
//!
//! candle computes some of this on one thread, and waits for all threads in the rest. A row comes out the same whatever
//! rows stand beside it, and in every instruction set.

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};

use super::{Isa, SharedSlice, in_parallel, with_floats};

/// See [`Compute::rms_norm`](super::Compute::rms_norm).
pub(super) fn rms_norm(isa: Isa, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    ensure!(x.dims().last() == Some(&weight.dims1()?), "a norm of {:?} for rows of {:?}", weight.shape(), x.shape());
    let y = with_floats(x, |x| {
        with_floats(weight, |weight| by_row(x, weight.len(), |_, x, y| isa.norm(x, weight, eps, y)))
    })??;
    Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?)
}

/// The sum of two contiguous tensors of one shape.
pub(super) fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    ensure!(a.dims() == b.dims(), "{:?} and {:?} have no sum", a.shape(), b.shape());
    let n = a.dims().last().copied().unwrap_or(1).max(1);
    let sum = with_floats(a, |a| {
        with_floats(b, |b| {
            by_row(a, n, |row, a, sum| {
                for (i, sum) in sum.iter_mut().enumerate() {
                    *sum = a[i] + b[row * n + i];
                }
            })
        })
    })??;
    Ok(Tensor::from_vec(sum, a.shape(), &Device::Cpu)?)
}

/// See [`Compute::rotate`](super::Compute::rotate).
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (n, n_heads, head_dim) = x.dims3()?;
    let half = cos.dim(1)?;
    ensure!(
        cos.dims() == [n, half] && sin.dims() == cos.dims() && 2 * half <= head_dim,
        "angles of {:?} and {:?} for heads of {:?}",
        cos.shape(),
        sin.shape(),
        x.shape()
    );
    let turned = with_floats(x, |x| {
        with_floats(cos, |cos| {
            with_floats(sin, |sin| {
                by_row(x, n_heads * head_dim, |row, x, turned| {
                    let angles = row * half..(row + 1) * half;
                    let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
                    for head in (0..n_heads).map(|head| head * head_dim) {
                        for i in 0..half {
                            let (a, b) = (x[head + i], x[head + half + i]);
                            turned[head + i] = a * cos[i] - b * sin[i];
                            turned[head + half + i] = a * sin[i] + b * cos[i];
                        }
                        let rest = head + 2 * half..head + head_dim;
                        turned[rest.clone()].copy_from_slice(&x[rest]);
                    }
                })
            })
        })
    })???;
    Ok(Tensor::from_vec(turned, x.shape(), &Device::Cpu)?)
}

/// Calls `f` with the number of each row of `x`, the row, and where its result belongs.
fn by_row(x: &[f32], n: usize, f: impl Fn(usize, &[f32], &mut [f32]) + Sync) -> Vec<f32> {
    /// Numbers that make it worth while to call other threads.
    const MANY: usize = 32_768;
    let mut y = vec![0.0; x.len()];
    let shared = SharedSlice::new(&mut y);
    let n_rows = x.len() / n;
    let work = |rows: std::ops::Range<usize>| {
        for row in rows {
            let range = row * n..(row + 1) * n;
            // SAFETY: each row is handed to one thread.
            f(row, &x[range.clone()], unsafe { shared.range(range) });
        }
    };
    match x.len() < MANY {
        true => work(0..n_rows),
        false => in_parallel(n_rows, work),
    }
    y
}

/// One row of [`rms_norm`]. Written to become vector code in each instruction set.
#[inline(always)]
pub(super) fn norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    const LANES: usize = 16;
    let (lanes, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for x in lanes {
        for lane in 0..LANES {
            sums[lane] += x[lane] * x[lane];
        }
    }
    let sum = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
    let factor = 1.0 / (sum / x.len() as f32 + eps).sqrt();
    for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
        *y = x * factor * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps;
    use super::*;

    fn random(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 3f32, shape, &Device::Cpu).unwrap()
    }

    fn check(found: Tensor, expected: Tensor) {
        assert_eq!(found.dims(), expected.dims());
        let to_vec = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, expected) in to_vec(found).into_iter().zip(to_vec(expected)) {
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0));
        }
    }

    #[test]
    fn rows_are_those_of_candle() {
        for (n, n_heads, head_dim) in [(1, 1, 2), (3, 2, 10), (70, 14, 64)] {
            let x = random(&[n, n_heads, head_dim]);
            let weight = random(&[head_dim]);
            let expected = steps::rms_norm(&x, &weight, 1e-6).unwrap();
            for isa in Isa::available() {
                check(rms_norm(isa, &x, &weight, 1e-6).unwrap(), expected.clone());
            }
            let y = random(&[n, n_heads, head_dim]);
            check(add(&x, &y).unwrap(), (&x + &y).unwrap());
            for half in [head_dim / 2, 1] {
                let angles = random(&[n, half]);
                let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
                check(rotate(&x, &cos, &sin).unwrap(), steps::rotate(&x, &cos, &sin).unwrap());
            }
        }
        let (x, other) = (random(&[2, 3, 4]), random(&[3, 2]));
        assert!(rotate(&x, &other, &other).is_err());
        assert!(rms_norm(Isa::Portable, &x, &random(&[3]), 1e-6).is_err());
        assert!(add(&x, &other).is_err());
    }
}
