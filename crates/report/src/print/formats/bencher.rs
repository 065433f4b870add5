//! Bencher Metric Format: benchmark → measure → value with bounds (<https://bencher.dev/docs/reference/bencher-metric-format/>).

use serde_json::{Map, Value, json};

use super::metrics::{Metric, of_comparison, of_run};
use crate::result::{ComparisonResult, RunResult, to_json};

pub(super) fn run(result: &RunResult) -> String {
    let measures = measures(&of_run(result));
    to_json(&json!({ benchmark(&result.scenario.name): measures }))
}

/// The sides that are compared with `a`.
pub(super) fn comparison(result: &ComparisonResult) -> String {
    let benchmarks: Map<String, Value> = std::iter::once(result)
        .chain(&result.others)
        .map(|one| (benchmark(&one.b.name), measures(&of_comparison(one))))
        .collect();
    to_json(&benchmarks)
}

/// A benchmark's name, which may not be longer than this.
fn benchmark(name: &str) -> String {
    const LONGEST: usize = 1024;
    name.chars().take(LONGEST).collect()
}

fn measures(metrics: &[Metric]) -> Value {
    metrics
        .iter()
        .map(|metric| {
            let mut measure = json!({ "value": metric.value });
            if let Some([low, high]) = metric.interval {
                measure["lower_value"] = json!(low);
                measure["upper_value"] = json!(high);
            }
            // A measure has no unit of its own, so its name says it, as keys of a result do.
            (metric.path(), measure)
        })
        .collect()
}
