//! Percentiles that a run does not have, since its stages are different loads.

use serde_json::Value;

use super::PERCENTILES;
use zload_core::scenario::Stages;

/// Why a run has no percentiles.
pub(super) const NO_PERCENTILES: &str =
    "the stages are different loads, and so have no percentiles in common";

/// Whether a figure with this name, or path, is a percentile.
pub(super) fn is_percentile(path: &str) -> bool {
    let path = path.strip_suffix("_ns").unwrap_or(path);
    let last = path.rsplit('.').next().unwrap_or(path);
    PERCENTILES.iter().any(|kind| kind.field == last)
}

/// Why a result has no such percentile of the whole run, if it is for its stages.
pub(super) fn why_none(result: &Value, percentile: &str) -> Option<String> {
    let stages = result["scenario"]["load"].get("stages")?;
    let stages: Stages = serde_json::from_value(stages.clone()).ok()?;
    (is_percentile(percentile) && !stages.are_alike()).then(|| NO_PERCENTILES.to_owned())
}
