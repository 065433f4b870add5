//! The few figures that are worth a history, each with the way in which it gets better.
//!
//! Invariant: a figure that a result does not have, or that is no estimate, is left out, and never 0.

use serde::Serialize;
use serde_json::Value;

use crate::result::{ComparisonResult, Direction, MetricUnit, number};

/// One figure of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    /// Its path in a result, without `_ns`.
    pub(super) name: String,
    /// What its value is in.
    pub(super) unit: &'static str,
    /// Which way is better.
    pub(super) better: Direction,
    /// The figure.
    pub(super) value: f64,
    /// Lower and upper end of its confidence interval, if it has one.
    pub(super) interval: Option<[f64; 2]>,
}

/// What a run's figure is called, what it is in, and which way is better.
pub(super) type Kept = (&'static str, &'static str, Direction);

/// The figures of a run that are worth a history. Their names and order are a contract: columns of files that grow, and keys
/// of what others have stored. New ones go to the end.
pub(super) const OF_RUNS: [Kept; 15] = [
    ("throughput.requests_per_s", PER_S, Direction::Higher),
    ("throughput.replies_per_s", PER_S, Direction::Higher),
    ("latency.first_reply.p50", NS, Direction::Lower),
    ("latency.first_reply.p90", NS, Direction::Lower),
    ("latency.first_reply.p99", NS, Direction::Lower),
    ("latency.first_reply.p999", NS, Direction::Lower),
    ("latency.last_reply.p50", NS, Direction::Lower),
    ("latency.last_reply.p99", NS, Direction::Lower),
    ("latency.service.p50", NS, Direction::Lower),
    ("proxy.cpu_ns_per_message", NS, Direction::Lower),
    ("process.cpu_ns_per_message", NS, Direction::Lower),
    ("process.resident_bytes", BYTES, Direction::Lower),
    ("ledger.requests_lost", "requests", Direction::Lower),
    ("latency.first_reply.p75", NS, Direction::Lower),
    ("latency.first_reply.p95", NS, Direction::Lower),
];

const NS: &str = "ns";
const PER_S: &str = "1/s";
const BYTES: &str = "B";

/// A unit as other tools write it.
pub(super) fn unit(unit: MetricUnit) -> &'static str {
    match unit {
        MetricUnit::Ns => NS,
        MetricUnit::PerS => PER_S,
        MetricUnit::Bytes => BYTES,
    }
}

/// Those of the figures that a result, or one of the runs that it pools, has.
pub(super) fn of_run(result: &impl Serialize) -> Vec<Metric> {
    let result = serde_json::to_value(result).expect("results have string keys");
    OF_RUNS
        .iter()
        .filter(|(name, ..)| !is_uncertain(&result, name))
        .filter_map(|(name, unit, better)| {
            Some(Metric {
                name: (*name).to_owned(),
                unit,
                better: *better,
                value: number(&result, name)?,
                interval: interval(&result, name),
            })
        })
        .collect()
}

/// The figures of the side that is held against the other: `a` is what one has already.
///
/// What was found is how far `b` is above `a` in percent, with an interval. With `a` held fast that interval is one of `b`:
/// each end is as far from the value as it is from the effect.
pub(super) fn of_comparison(result: &ComparisonResult) -> Vec<Metric> {
    result
        .metrics
        .iter()
        .filter_map(|metric| {
            let value = metric.b?;
            let end = |percent: Option<f64>| {
                let ratio = (100.0 + percent?) / (100.0 + metric.effect_percent?);
                ratio.is_finite().then_some(value * ratio)
            };
            let ends = end(metric.ci_low_percent).zip(end(metric.ci_high_percent));
            Some(Metric {
                name: metric.name.clone(),
                unit: unit(metric.unit),
                better: metric.better,
                value,
                interval: ends.map(|(low, high)| [low, high]),
            })
        })
        .collect()
}

/// The confidence interval beside a percentile.
fn interval(result: &Value, name: &str) -> Option<[f64; 2]> {
    let (parent, percentile) = name.rsplit_once('.')?;
    let path = format!("/{}/intervals/{percentile}_ns", parent.replace('.', "/"));
    serde_json::from_value(result.pointer(&path)?.clone()).ok()
}

/// Whether it is a percentile that was seen and is no estimate: a history of those shows the luck of single requests.
fn is_uncertain(result: &Value, name: &str) -> bool {
    let Some((parent, percentile)) = name.rsplit_once('.') else { return false };
    let fields = result.pointer(&format!("/{}/uncertain", parent.replace('.', "/")));
    let mut fields = fields.and_then(Value::as_array).into_iter().flatten();
    fields.any(|field| field == percentile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_figure_that_is_null_or_no_estimate_is_left_out() {
        let result = json!({
            "throughput": { "requests_per_s": 10.0 },
            "latency": { "first_reply": {
                "p50_ns": 7, "p75_ns": 8, "p90_ns": 9, "p99_ns": null,
                "intervals": { "p50_ns": [6, 8], "p75_ns": null, "p90_ns": null },
                "uncertain": ["p75"],
            } },
        });
        let metrics = of_run(&result);
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(
            names,
            ["throughput.requests_per_s", "latency.first_reply.p50", "latency.first_reply.p90"]
        );
        assert_eq!(metrics[1].interval, Some([6.0, 8.0]));
        assert_eq!(metrics[2].interval, None);
    }
}
