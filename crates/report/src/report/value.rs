//! Figures in a report: how people read each, and the field of the result that it is.
//!
//! Invariant: what is absent in the result is a dash, and never a number.

use serde_json::Value;

use super::document::{Mark, Span, Words, words};
use super::scale::nanos;
use crate::result::{Kind, LatencySummary, MetricUnit, figures};
use zload_core::quantity::{self, bytes, count, duration, percent, rate, signed_duration};

/// A time in nanoseconds.
pub(super) fn time(field: impl Into<String>, ns: Option<u64>) -> Words {
    value(field, ns, duration)
}

/// What the mark of a percentile means.
pub(super) const UNCERTAIN: &str =
    "~ observed, not estimated: too few independent samples for this percentile";

/// A percentile of the distribution at this path, with its mark where it is no estimate.
pub(super) fn percentile(path: &str, latencies: &LatencySummary, kind: &Kind) -> Words {
    let time = time(format!("{path}.{}_ns", kind.field), latencies.percentile(kind));
    if latencies.is_uncertain(kind) { words!(Span::Mark(Mark::Uncertain), time) } else { time }
}

/// A time in nanoseconds that may be negative.
pub(super) fn signed_time(field: impl Into<String>, ns: Option<i64>) -> Words {
    value(field, ns, signed_duration)
}

/// A time in nanoseconds that is a mean.
pub(super) fn mean_time(field: impl Into<String>, ns: Option<f64>) -> Words {
    value(field, ns, nanos)
}

/// A figure of a result as the catalogue has it: what people call it, and its value. `place` is where that result is in
/// the one that is shown.
pub(super) fn figure(result: &Value, place: &str, name: &str) -> (&'static str, Words) {
    let figure = figures::named(name).expect("the catalogue has what reports show");
    let number = figure.of(result).and_then(Value::as_f64);
    let words =
        value(format!("{place}{}", figure.path()), number, |number| figure.unit.show(number));
    let is_uncertain = number.is_some() && figure.is_uncertain(result);
    let words = if is_uncertain { words!(Span::Mark(Mark::Uncertain), words) } else { words };
    (figure.label, words)
}

/// How many.
pub(super) fn counted(field: impl Into<String>, number: u64) -> Words {
    value(field, Some(number), count)
}

/// A rate per second.
pub(super) fn per_second(field: impl Into<String>, number: f64) -> Words {
    value(field, Some(number), rate)
}

/// A share, from 0 to 1.
pub(super) fn share(field: impl Into<String>, ratio: Option<f64>) -> Words {
    value(field, ratio, percent)
}

/// A difference in per cent, with its sign.
pub(super) fn change(field: impl Into<String>, percent: Option<f64>) -> Words {
    value(field, percent, quantity::change)
}

/// A value of a metric.
pub(super) fn metric(field: impl Into<String>, number: Option<f64>, unit: MetricUnit) -> Words {
    value(field, number, |number| in_unit(number, unit))
}

fn value<T: ToString + Copy>(
    field: impl Into<String>,
    number: Option<T>,
    shown: impl Fn(T) -> String,
) -> Words {
    Words(vec![number.map_or(Span::Nothing, |number| {
        Span::Value(field.into(), number.to_string(), shown(number))
    })])
}

/// A value of a metric, as text.
pub(super) fn in_unit(value: f64, unit: MetricUnit) -> String {
    match unit {
        MetricUnit::Ns if value < 1000.0 && value.fract() != 0.0 => format!("{value:.1} ns"),
        MetricUnit::Ns => nanos(value),
        MetricUnit::PerS => rate(value),
        MetricUnit::Bytes => bytes(value),
    }
}

/// A difference in per cent without its unit, for columns that name it.
pub(super) fn bare(percent: f64) -> String {
    quantity::change(percent).trim_end_matches(" %").to_owned()
}

/// The size of a difference in per cent, without a sign.
pub(super) fn size(percent: f64) -> String {
    quantity::change(percent.abs()).trim_start_matches('+').to_owned()
}
