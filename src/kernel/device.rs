//! What the user asked to compute on in, the device opened and the threads counted out. Knows no numbers.

use anyhow::{Context, Result, ensure};
use candle_core::Device;

use super::cuda;

/// What the user asked to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first CUDA device when this build and this machine have one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

/// Opens the device; a CUDA device that this build or this machine lacks is an error that says which of the two.
pub fn device(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(cuda::open(0).unwrap_or(Device::Cpu)),
        DeviceChoice::Cuda(index) => cuda::open(index).with_context(|| format!("failed to open CUDA device {index}")),
    }
}

/// How many threads the products run on, counting the caller's.
pub fn n_threads() -> usize {
    candle_core::utils::get_num_threads()
}

/// Fixes how many threads the products run on. To be called once, at the very start of the program.
///
/// # Errors
/// Both thread pools of candle read the number from the environment when they start, and the environment may only be
/// changed while no second thread can read it: with one running, the call is refused.
pub fn set_threads(n: usize) -> Result<()> {
    ensure!(n > 0, "at least one thread is needed");
    ensure!(is_alone(), "the number of threads must be set before any thread is started");
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: `is_alone` found no other thread in this process, so none reads the environment meanwhile.
        unsafe { std::env::set_var(name, n.to_string()) };
    }
    Ok(())
}

/// Whether the caller's thread is the only one; where the system does not list threads, the caller is believed.
fn is_alone() -> bool {
    match std::fs::read_dir("/proc/self/task") {
        Ok(threads) => threads.count() == 1,
        Err(_) => true,
    }
}
