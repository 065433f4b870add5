//! What is compared: the figures that the catalogue gives a margin, and which of them a scenario asks for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::Questions;
use crate::result::figures::{self, Figure};
use crate::result::{Direction, MetricUnit, number};
use zload_core::problem::nearest;
use zload_core::scenario::{Compare, Count, Distribution, Model, Scenario, ValueError};

/// One figure of a run by which two sides can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its path in a result, without `_ns`.
    pub name: &'static str,
    /// Unit of its values.
    pub unit: MetricUnit,
    /// Whether more or less is better.
    pub better: Direction,
    /// A smaller difference counts as none, in percent.
    pub margin_percent: f64,
}

/// A percentile of the response time to the first reply, for which blocks have enough samples where slices have not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OfFirstReply {
    pub(super) quantile: f64,
}

/// Histograms keep three digits.
pub(super) const TIME_STEP: f64 = 1e-3;

/// Every metric, in the order of reports.
pub static METRICS: LazyLock<Vec<Metric>> = LazyLock::new(|| {
    let metric = |figure: Figure| {
        Some(Metric {
            name: figure.name,
            unit: MetricUnit::of(figure.unit)?,
            better: figure.better?,
            margin_percent: figure.margin_percent?,
        })
    };
    figures::compared().filter_map(metric).collect()
});

/// A metric's name without what is clear from the rest: the form of reports, which is taken everywhere.
pub fn short(name: &str) -> &str {
    ["latency.", "generator."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name || short(metric.name) == name)
}

/// The metric with this name, or what to do about it that there is none.
pub fn metric_named(name: &str) -> Result<&'static Metric, String> {
    metric(name).ok_or_else(|| {
        let known: Vec<&str> =
            METRICS.iter().flat_map(|metric| [metric.name, short(metric.name)]).collect();
        let all = || METRICS.iter().map(|metric| short(metric.name)).collect::<Vec<_>>().join(", ");
        nearest(name, &known).map_or_else(
            || format!("the metrics are {}", all()),
            |near| format!("did you mean {near}?"),
        )
    })
}

/// What a comparison objects to in a scenario: names that are no metrics.
pub fn metric_error(scenario: &Scenario) -> Option<ValueError> {
    let Compare { primary, gates, margin: _ } = &scenario.compare;
    let complaint = |path, item, name: &str| {
        metric_named(name).err().map(|help| ValueError {
            path,
            item,
            message: format!("unknown metric {name:?}"),
            help: Some(help),
        })
    };
    let of_primary = primary.as_ref().and_then(|name| complaint("compare.primary", None, name));
    of_primary.or_else(|| {
        gates
            .iter()
            .enumerate()
            .find_map(|(item, name)| complaint("compare.gates", Some(item), name))
    })
}

/// The default primary metric: what the load leaves free to change.
pub fn default_primary(scenario: &Scenario) -> &'static Metric {
    let name = match scenario.load.model {
        Model::Closed => "throughput.replies_per_s",
        Model::Open => "latency.first_reply.p50",
    };
    metric(name).expect("both are compared")
}

/// The metrics that add information about this scenario, and those that are asked for.
pub(super) fn of(
    scenario: &Scenario,
    questions: &Questions,
) -> impl Iterator<Item = &'static Metric> {
    let single = scenario.workers.replies == Distribution::Constant(Count(1));
    let closed = scenario.load.model == Model::Closed;
    METRICS.iter().filter(move |metric| {
        // With one reply the last is the first, and in a closed load requests leave when they are intended.
        let repeats = (single && metric.name.starts_with("latency.last_reply"))
            || (closed && metric.name.starts_with("latency.service"));
        !repeats || questions.asks_for(metric)
    })
}

/// What a result says of each metric. Ratios of them are compared, so only what is above zero is taken; but where nothing
/// came in the whole window the rate is taken as one in it, because leaving a stall out would flatter it.
pub(super) fn values(result: &Value) -> BTreeMap<String, f64> {
    let least_rate = number(result, "throughput.window").map(|window_ns| 1e9 / window_ns);
    let value = |metric: &Metric| {
        let value = number(result, metric.name)?;
        match metric.unit {
            MetricUnit::PerS => Some(value.max(least_rate?)),
            MetricUnit::Ns | MetricUnit::Bytes => Some(value),
        }
    };
    METRICS
        .iter()
        .filter_map(|metric| Some((metric.name.to_owned(), value(metric)?)))
        .filter(|(_, value)| *value > 0.0 && value.is_finite())
        .collect()
}

impl Metric {
    /// By how much the least step of its values moves the logarithm of b / a. Of a rate over windows of this many seconds that
    /// is half a count of each, and one where both have as many; of times it is what a histogram tells apart.
    pub(super) fn step(&self, [a, b]: [f64; 2], [a_s, b_s]: [f64; 2]) -> f64 {
        match self.unit {
            MetricUnit::PerS => 0.5 / (a * a_s) + 0.5 / (b * b_s),
            MetricUnit::Ns => TIME_STEP,
            MetricUnit::Bytes => 0.0,
        }
    }

    /// Which percentile of the response time to the first reply it is, if it is one.
    pub(super) fn of_first_reply(&self) -> Option<OfFirstReply> {
        self.name.starts_with("latency.first_reply.").then_some(())?;
        Some(OfFirstReply { quantile: self.quantile()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_standstill_is_the_lowest_rate_and_not_left_out() {
        let result = json!({
            "throughput": { "window_ns": 200_000_000, "replies_per_s": 0.0 },
            "latency": { "first_reply": { "p50_ns": null, "p90_ns": 0 } },
        });
        let values = values(&result);
        assert_eq!(values.len(), 1, "{values:?}");
        assert!((values["throughput.replies_per_s"] - 5.0).abs() < 1e-9);
    }

    #[test]
    fn names_are_found_in_both_forms_and_nearly_so() {
        assert_eq!(metric_named("first_reply.p99").unwrap().name, "latency.first_reply.p99");
        assert_eq!(
            metric_named("latency.first_reply.p99").unwrap().name,
            "latency.first_reply.p99"
        );
        assert!(metric_named("first_replly.p99").unwrap_err().contains("first_reply.p99?"));
        assert!(metric_named("banana").unwrap_err().contains("the metrics are"));
    }
}
