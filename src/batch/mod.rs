//! Long runs: articles in, one kept result an article out, nothing done twice and nothing lost.
//!
//! Knows files and order; knows no model, no format and no terminal: the caller summarizes, renders and reports.

pub mod folder;
pub mod ledger;
pub mod run;

pub use folder::{Folder, Known, Place, Rendered};
pub use ledger::Ledger;
pub use run::{Done, Job, Piece, Tally, Work, guarded, run};
