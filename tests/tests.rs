//! One test binary. Each module tests one subject; `support` holds what they share.

mod answer;
mod check;
mod clean;
mod cli;
mod compose;
mod corpus;
mod floors;
mod formats;
mod hostile;
#[cfg(target_arch = "x86_64")] // elsewhere candle multiplies, and nothing is shared
mod kv_store;
mod lab;
mod model;
mod real;
mod reference;
mod store;
mod support;
