//! Measuring the product, through its own roads. Returns figures; prints nothing.

pub mod bench;
pub mod cases;
pub mod eval;
pub mod fidelity;
pub mod items;
pub mod random;
pub mod score;
pub mod throughput;
