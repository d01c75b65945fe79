//! What can go wrong in the store in a way that a caller answers differently; everything else is plain `anyhow`.

use std::path::PathBuf;

use super::Source;

/// An error that a caller branches on. Find it with `error.downcast_ref::<StoreError>()`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The model is not on this machine, and was only looked for.
    #[error("model `{name}` is not on this machine")]
    Absent {
        /// The model.
        name: String,
    },
    /// The model is not on this machine, and nothing may be fetched.
    #[error("model `{name}` is not on this machine, and offline nothing is fetched")]
    AbsentOffline {
        /// The model.
        name: String,
    },
    /// A file is not what its manifest says.
    #[error(
        "`{}` has sha256 {got}, expected {expected}{}",
        file.display(),
        if *deleted { "; it was deleted" } else { "" }
    )]
    Digest {
        /// The file.
        file: PathBuf,
        /// The digest that the manifest, or the record made when the file was added, states.
        expected: String,
        /// The file's own digest.
        got: String,
        /// Whether the file was removed: what was just fetched is, what was found in the store is not.
        deleted: bool,
    },
    /// Each source was tried, and none gave the file.
    #[error("model `{name}` could not be fetched{}", reasons_listed(reasons))]
    AllSourcesFailed {
        /// The model.
        name: String,
        /// The sources in the order tried, each with why it failed.
        reasons: Vec<(Source, String)>,
    },
    /// The disk has no room. What was fetched so far is kept.
    #[error("no room for {needed_bytes} more bytes in `{}`", folder.display())]
    DiskFull {
        /// Where the file was to grow.
        folder: PathBuf,
        /// How many bytes were still to come.
        needed_bytes: u64,
    },
    /// [`Progress::cancelled`](super::Progress::cancelled) said so. What was fetched so far is kept.
    #[error("cancelled")]
    Cancelled,
}

fn reasons_listed(reasons: &[(Source, String)]) -> String {
    let line = |(source, reason): &(Source, String)| format!("\n  {source}: {reason}");
    reasons.iter().map(line).collect()
}
