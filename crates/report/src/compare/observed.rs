//! One run in a comparison: read from the object that `zload run` writes, whichever version wrote it.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::metrics;
use crate::result::{Environment, HopFigures, Latency, LatencySummary, Ledger, Throughput};
use crate::verdict::{CheckStatus, Status, Verdict};

/// What a comparison keeps of a run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where and with what it was made, as the program says that made it.
    pub(super) environment: Option<Environment>,
    pub(super) status: Status,
    /// The checks that failed it, a sentence each.
    pub(super) failed: Vec<String>,
    /// Every metric that it has, by name.
    pub(super) values: BTreeMap<String, f64>,
    pub(super) ledger: Ledger,
    pub(super) throughput: Throughput,
    pub(super) latency: Latency,
    pub(super) hops: Option<HopFigures>,
    pub(super) ideal: Option<LatencySummary>,
}

impl Run {
    /// From the object of a run, or one of the `runs` in it.
    pub fn of(result: &Value) -> Result<Self, String> {
        let verdict: Verdict = part(result, "verdict")?;
        let ideal = result.get("ideal").and_then(|ideal| ideal.get("first_reply"));
        Ok(Self {
            environment: part(result, "environment").ok(),
            status: verdict.status,
            failed: verdict
                .checks
                .into_iter()
                .filter(|check| check.status == CheckStatus::Fail)
                .map(|check| format!("{}: {}", check.name, check.sentence))
                .collect(),
            values: metrics::values(result),
            ledger: part(result, "ledger")?,
            throughput: part(result, "throughput")?,
            latency: part(result, "latency")?,
            hops: part(result, "hops")?,
            ideal: ideal.and_then(|ideal| serde_json::from_value(ideal.clone()).ok()),
        })
    }
}

fn part<T: DeserializeOwned>(result: &Value, key: &str) -> Result<T, String> {
    serde_json::from_value(result.get(key).cloned().unwrap_or(Value::Null))
        .map_err(|error| format!("its `{key}` cannot be read: {error}"))
}
