//! Numbers in a page: formatted as in the text report, with the field of the result that they are.
//!
//! Each is a `data` element whose value is the field's, so that a reader of the page, or a test, can hold it against the
//! JSON object. Invariant: what is absent in the result is a dash, and never a number.

use maud::{Markup, html};

use crate::quantity::{bytes, count, duration, percent, rate, signed_duration};
use crate::render::mark::{MARK, UNCERTAIN};
use crate::render::run::{NOTHING, nanos};
use crate::result::{Kind, LatencySummary, MetricUnit};

/// A time in nanoseconds.
pub(super) fn time(field: &str, ns: Option<u64>) -> Markup {
    ns.map_or_else(nothing, |ns| number(field, &ns.to_string(), &duration(ns)))
}

/// A percentile of the distribution at this path, with its mark where it is no estimate.
pub(super) fn percentile(path: &str, latencies: &LatencySummary, kind: &Kind) -> Markup {
    html! {
        @if latencies.is_uncertain(kind) { span title=(UNCERTAIN) { (MARK) } }
        (time(&format!("{path}.{}_ns", kind.field), latencies.percentile(kind)))
    }
}

/// A time in nanoseconds that may be negative.
pub(super) fn signed_time(field: &str, ns: Option<i64>) -> Markup {
    ns.map_or_else(nothing, |ns| number(field, &ns.to_string(), &signed_duration(ns)))
}

/// A CPU time in nanoseconds, which is a mean.
pub(super) fn mean_time(field: &str, ns: Option<f64>) -> Markup {
    ns.map_or_else(nothing, |ns| number(field, &ns.to_string(), &nanos(ns)))
}

/// How many.
pub(super) fn counted(field: &str, value: u64) -> Markup {
    number(field, &value.to_string(), &count(value))
}

/// So many per second.
pub(super) fn per_second(field: &str, value: f64) -> Markup {
    number(field, &value.to_string(), &rate(value))
}

/// A share, from 0 to 1.
pub(super) fn share(field: &str, value: Option<f64>) -> Markup {
    value.map_or_else(nothing, |value| number(field, &value.to_string(), &percent(value)))
}

/// A difference in per cent, with its sign.
pub(super) fn effect(field: &str, value: Option<f64>) -> Markup {
    value.map_or_else(nothing, |value| number(field, &value.to_string(), &signed(value)))
}

/// A value of a metric.
pub(super) fn metric(field: &str, value: Option<f64>, unit: MetricUnit) -> Markup {
    value.map_or_else(nothing, |value| number(field, &value.to_string(), &in_unit(value, unit)))
}

/// A value of a metric, as text.
pub(super) fn in_unit(value: f64, unit: MetricUnit) -> String {
    match unit {
        MetricUnit::Ns => nanos(value),
        MetricUnit::PerS => rate(value),
        MetricUnit::Bytes => bytes(value),
    }
}

/// A difference in per cent, as text.
pub(super) fn signed(percent: f64) -> String {
    format!("{percent:+.1} %")
}

/// Stands where a figure is null.
pub(super) fn nothing() -> Markup {
    html! { span.nothing title="no figure: hidden here, or the sample is too small to carry it" { (NOTHING) } }
}

fn number(field: &str, value: &str, text: &str) -> Markup {
    html! { data value=(value) data-field=(field) { (text) } }
}
