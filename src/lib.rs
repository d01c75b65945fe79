//! Precis summarizes articles and answers questions about them, offline, with citations that were checked.
//!
//! The modules below are the floors of the house, in reading order. An import goes down a floor or stays in its
//! folder; `tests/floors.rs` checks it. `ARCHITECTURE.md` is the map.

pub mod text;

pub mod kernel;

pub mod corpus;
pub mod model;

pub mod compose;

pub mod batch;
pub mod lab;

pub mod cli;
