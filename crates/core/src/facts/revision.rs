//! Which revision of the measured source this is.

/// For formats that keep a history; empty where nothing says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
}
