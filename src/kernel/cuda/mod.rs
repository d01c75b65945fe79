//! A device number in, a CUDA device out. The only place that asks which features the build has.

use anyhow::Result;
use candle_core::Device;

/// Opens the CUDA device of this number.
#[cfg(feature = "cuda")]
pub(super) fn open(index: usize) -> Result<Device> {
    Ok(Device::new_cuda(index)?)
}

/// Refuses: this build has no CUDA in it.
#[cfg(not(feature = "cuda"))]
pub(super) fn open(_index: usize) -> Result<Device> {
    anyhow::bail!("this build has no CUDA support; it was compiled without the feature `cuda`")
}
