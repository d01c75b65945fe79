//! Products of the shapes that Qwen2.5 has, in a table: our kernels against candle's.
//!
//! `cargo bench --bench kernel [-- FORMAT.. ROWS..]`. Both take turns, and the medians are printed. MAC/cycle counts the
//! cycles of one core, for all threads together. With `CANDLE_NUM_THREADS=1` the time is that of the processor, which
//! other programs on the machine disturb less than that of the clock.

// A benchmark is its own command line.
#![allow(clippy::print_stdout)]

use std::hint::black_box;

use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};
use precis::kernel::{Compute, Format, Isa, QLinear};

/// Rounds of ours and candle's; the median of each is shown.
const ROUNDS: usize = 7;

fn main() -> anyhow::Result<()> {
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let sizes: Vec<usize> = match only.iter().filter_map(|arg| arg.parse().ok()).collect::<Vec<_>>() {
        sizes if sizes.is_empty() => vec![1, 4, 32, 512],
        sizes => sizes,
    };
    let gigahertz = gigahertz();
    println!("{gigahertz:.2} GHz, {} threads", precis::kernel::n_threads());
    println!("isa      format      n     k    m |      ms  GMAC/s  MAC/cycle   GB/s | candle ms  ratio");
    for format in Format::ALL {
        let mut formats = only.iter().filter(|arg| arg.parse::<usize>().is_err()).peekable();
        if formats.peek().is_some() && !formats.any(|name| format!("{format:?}").eq_ignore_ascii_case(name)) {
            continue;
        }
        for (n, k) in [(4864, 896), (896, 4864), (8960, 1536), (1536, 8960)] {
            if k % 256 != 0 && matches!(format, Format::Q4K | Format::Q5K | Format::Q6K) {
                continue;
            }
            for m in sizes.clone() {
                measure(format, n, k, m, gigahertz)?;
            }
        }
    }
    Ok(())
}

fn measure(format: Format, n: usize, k: usize, m: usize, gigahertz: f64) -> anyhow::Result<()> {
    let values: Vec<f32> = (0..n * k).map(|i| ((i * 7919 % 10_007) as f32 - 5_000.0) / 5_000.0).collect();
    let weights = Tensor::from_vec(values, (n, k), &Device::Cpu)?;
    let quantized = || QTensor::quantize(&weights, format.dtype());
    let n_bytes = quantized()?.storage_size_in_bytes();
    // Copies in turn, so that what one token reads has left the caches before the next.
    let n_copies = if m == 1 { (400_000_000 / n_bytes).clamp(1, 40) } else { 1 };
    let x: Vec<f32> = (0..m * k).map(|i| ((i * 6_007 % 9_973) as f32 - 5_000.0) / 1_000.0).collect();
    let x = Tensor::from_vec(x, (m, k), &Device::Cpu)?;
    let time = |layers: &[QLinear]| -> anyhow::Result<f64> {
        let started = seconds();
        for layer in layers {
            black_box(layer.forward(&x)?);
        }
        Ok((seconds() - started) * 1e3 / layers.len() as f64)
    };
    let copies =
        |make: &dyn Fn() -> anyhow::Result<QLinear>| (0..n_copies).map(|_| make()).collect::<anyhow::Result<Vec<_>>>();
    let steps = Compute::Steps { device: Device::Cpu, floats: false };
    let theirs = copies(&|| QLinear::new(&steps, quantized()?, None))?;
    let ours: Vec<(Isa, Vec<QLinear>)> = Isa::available()
        .into_iter()
        .filter(|isa| *isa != Isa::Portable || m == 1)
        .map(|isa| Ok((isa, copies(&|| QLinear::new(&Compute::Kernels(isa), quantized()?, None))?)))
        .collect::<anyhow::Result<_>>()?;
    let mut times = vec![Vec::new(); ours.len() + 1];
    for _ in 0..ROUNDS {
        times[ours.len()].push(time(&theirs)?);
        for (i, (_, layers)) in ours.iter().enumerate() {
            times[i].push(time(layers)?);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let candle = medians[ours.len()];
    for ((isa, _), ms) in ours.iter().zip(&medians) {
        let gmacs = (m * n * k) as f64 / ms / 1e6;
        println!(
            "{:8} {:6} {n:6} {k:5} {m:4} | {ms:7.3} {gmacs:7.1} {:10.1} {:6.1} | {candle:9.3} {:6.2}",
            isa.name(),
            format!("{format:?}"),
            gmacs / gigahertz,
            n_bytes as f64 / ms / 1e6,
            candle / ms,
        );
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Seconds by the clock, or, with one thread, seconds that the processor worked for this process.
fn seconds() -> f64 {
    let clock = if precis::kernel::n_threads() == 1 { libc::CLOCK_PROCESS_CPUTIME_ID } else { libc::CLOCK_MONOTONIC };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place for the answer.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "every Unix has both clocks");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Cycles in a nanosecond: a chain of dependent steps takes known ones.
fn gigahertz() -> f64 {
    const N: u64 = 20_000_000;
    let rate = || {
        let started = seconds();
        let mut x = 1u64;
        for i in 0..N {
            x = (x ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15); // 1 and 3 cycles, none before the last is done
        }
        black_box(x);
        4.0 * N as f64 / (seconds() - started) / 1e9
    };
    (0..5).map(|_| rate()).fold(0.0, f64::max)
}
