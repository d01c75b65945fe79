//! Long runs: articles in, one kept result an article out, nothing done twice and nothing lost.
//!
//! Knows files and order; knows no model, no format and no terminal: the caller summarizes, renders and reports.

pub mod ledger;
pub mod run;

pub use ledger::Ledger;
pub use run::{Folder, Job, Place, Rendered, Tally, Work, run};
