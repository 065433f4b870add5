//! What a well-formed scenario may be refused for.

use super::Nanos;

/// The longest phase of a run.
pub(super) const MAX_PHASE: Nanos = Nanos::from_secs(24 * 3600);
/// The highest rate, per second over all clients.
pub(super) const MAX_RATE: f64 = 1e8;

/// What is wrong with the value of a key.
#[derive(Debug, PartialEq, Eq)]
pub struct ValueError {
    /// The dotted key.
    pub path: &'static str,
    /// If the value is a list: which of its items, from 0.
    pub item: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What is allowed, or nearest.
    pub help: Option<String>,
}

/// Fails with the first invalid value.
pub(super) type Checked = Result<(), ValueError>;

pub(super) fn refuse(path: &'static str, message: impl Into<String>) -> Checked {
    Err(ValueError { path, item: None, message: message.into(), help: None })
}

pub(super) fn refuse_with_help(
    path: &'static str,
    message: impl Into<String>,
    help: &str,
) -> Checked {
    Err(ValueError { path, item: None, message: message.into(), help: Some(help.to_owned()) })
}

/// Fails with a value that is not in a range.
pub(super) fn within<T: PartialOrd + Copy + std::fmt::Display>(
    path: &'static str,
    value: T,
    least: T,
    greatest: T,
) -> Checked {
    if value < least || value > greatest {
        return refuse(path, format!("must be from {least} to {greatest}, not {value}"));
    }
    Ok(())
}
