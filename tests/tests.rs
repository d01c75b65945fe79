//! One test binary. Each module tests one subject; `support` holds what they share.

mod answer;
mod cli;
mod compose;
mod corpus;
mod floors;
mod hostile;
mod lab;
mod model;
mod real;
mod store;
mod support;
