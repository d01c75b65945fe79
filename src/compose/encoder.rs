//! Where the search meets the model that turns texts into vectors. Neither knows the other.

use anyhow::Result;

use crate::corpus::Encoder;
use crate::model::embed::Embedder;

impl Encoder for Embedder {
    fn sha256(&self) -> &str {
        &self.identity().sha256
    }

    fn n_dims(&self) -> usize {
        Embedder::n_dims(self)
    }

    fn passages(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        Embedder::passages(self, texts)
    }

    fn question(&mut self, text: &str) -> Result<Vec<f32>> {
        Embedder::question(self, text)
    }
}
