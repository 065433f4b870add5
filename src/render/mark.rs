//! Percentiles in reports, with a mark where they are no estimate.

use super::quantity::duration;
use super::run::NOTHING;
use crate::result::{Kind, LatencySummary};

/// Stands before a percentile that is no estimate.
pub(super) const MARK: char = '~';
/// What the mark means.
pub(super) const UNCERTAIN: &str =
    "~ seen, and no estimate: too few of these values are independent of each other";

/// A percentile as a figure of a report: a dash where it is null, with its mark where it is no estimate.
pub(super) fn percentile(latencies: &LatencySummary, kind: &Kind) -> String {
    let ns = latencies.percentile(kind);
    ns.map_or_else(|| NOTHING.to_owned(), |ns| marked(latencies, kind, duration(ns)))
}

/// The text of a percentile, with its mark where it is no estimate.
pub(super) fn marked(latencies: &LatencySummary, kind: &Kind, text: String) -> String {
    if latencies.is_uncertain(kind) { format!("{MARK}{text}") } else { text }
}
