//! stub
use super::{Encoder, index::Index};
use std::ops::ControlFlow;
impl Index {
    /// stub
    pub fn embed(
        &mut self,
        _: &mut dyn Encoder,
        _: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        Ok(())
    }
}
