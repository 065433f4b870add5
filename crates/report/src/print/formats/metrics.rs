//! The figures that are kept as a history, with their values.
//!
//! Invariant: a figure that a result does not have, or that is no estimate, is left out, and never 0.

use serde::Serialize;

use crate::result::figures::{self, Figure};
use crate::result::{ComparisonResult, Direction, MetricUnit, to_value};

/// One figure of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    /// Its path in a result, without `_ns`.
    pub(super) name: String,
    /// What its value is in.
    pub(super) unit: &'static str,
    /// Whether more or less is better.
    pub(super) better: Direction,
    /// The figure.
    pub(super) value: f64,
    /// Lower and upper end of its confidence interval, if it has one.
    pub(super) interval: Option<[f64; 2]>,
}

impl Metric {
    /// Its path in a result, which says its unit.
    pub(super) fn path(&self) -> String {
        figures::path(&self.name, self.unit == "ns")
    }
}

/// A unit as other tools write it.
pub(super) fn unit(unit: MetricUnit) -> &'static str {
    match unit {
        MetricUnit::Ns => "ns",
        MetricUnit::PerS => "1/s",
        MetricUnit::Bytes => "B",
    }
}

/// A figure's unit as other tools write it; that of a count are the things: `requests` of `ledger.requests_lost`.
fn unit_of(figure: &Figure) -> &'static str {
    let last = figure.name.rsplit('.').next().unwrap_or(figure.name);
    let things = last.split('_').next().unwrap_or(last);
    MetricUnit::of(figure.unit).map_or(things, unit)
}

/// The figures of the history that a result, or one of the runs that it pools, has.
pub(super) fn of_run(result: &impl Serialize) -> Vec<Metric> {
    let result = to_value(result);
    let metric = |figure: &Figure| {
        let interval = figure.interval(&result).and_then(|ends| match ends {
            [low, high] => Some([low.as_f64()?, high.as_f64()?]),
            _ => None,
        });
        Some(Metric {
            name: figure.name.to_owned(),
            unit: unit_of(figure),
            better: figure.better?,
            value: figure.of(&result)?.as_f64()?,
            interval,
        })
    };
    let kept = figures::kept();
    kept.iter().filter(|figure| !figure.is_uncertain(&result)).filter_map(metric).collect()
}

/// The figures of the side that is compared with the other: `a` is what one has already.
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
