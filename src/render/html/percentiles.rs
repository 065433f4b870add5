//! The percentile curve: how long the fastest 90 %, 99 %, 99.9 % … of requests took, each nine equally wide.
//!
//! Invariant: what the sample is too small to carry is dashed, so that nobody takes what was seen once for an estimate.

use hdrhistogram::Histogram;
use maud::{Markup, html};

use super::plot::{Caption, Key, Plot, figure};
use super::scale::{Scale, quantile_label, time_label};
use crate::quantity::duration;
use crate::result::LatencySummary;
use crate::stats;

/// Height of the plot.
const HEIGHT: f64 = 340.0;
/// A curve has this many points for each nine.
const POINTS_PER_NINE: u32 = 60;
/// The axis of times begins with those of this quantile.
const LEAST_SHOWN: f64 = 0.02;
/// The last of the percentiles that have intervals.
const LAST_INTERVAL: f64 = 0.9999;
/// A sample that does not carry its median carries no part of the curve below it.
const LEAST_QUANTILE: f64 = 0.5;

/// One distribution, as it is drawn.
pub(super) struct Curve<'a> {
    pub(super) class: &'a str,
    pub(super) name: &'a str,
    pub(super) latencies: &'a LatencySummary,
    /// Whether the percentiles' intervals are drawn.
    pub(super) intervals: bool,
    pub(super) carried: Carried,
}

/// Up to which percentile a curve is an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// It is computed and not measured: all of it is what it is.
    Throughout,
    /// As far as so many values carry it.
    ByCount,
    /// As far as there are intervals, too: values that resemble each other are worth fewer independent ones.
    ByIntervals,
}

/// The curves in one plot; nothing if there is nothing to draw.
pub(super) fn percentiles(id: &str, curves: &[Curve]) -> Markup {
    let drawn: Vec<(&Curve, Histogram<u64>)> = curves
        .iter()
        .filter_map(|curve| Some((curve, curve.latencies.distribution()?)))
        .filter(|(_, histogram)| !histogram.is_empty())
        .collect();
    let Some(most) = drawn.iter().map(|(_, histogram)| histogram.len()).max() else {
        return html! {};
    };
    // The very shortest times would take half of a logarithmic axis, and nobody looks for them.
    let ends = drawn
        .iter()
        .flat_map(|(_, histogram)| [histogram.value_at_quantile(LEAST_SHOWN), histogram.max()]);
    let plot = Plot {
        height: HEIGHT,
        x: Scale::quantiles(most),
        y: Scale::of_times(ends.map(|ns| ns as f64)),
    };
    let drawing = html! {
        (plot.axes(quantile_label, time_label))
        // The first curve is the one that matters: it lies on top.
        @for (curve, histogram) in drawn.iter().rev() { (one(&plot, curve, histogram)) }
    };
    let keys: Vec<Key> = drawn.iter().map(|(curve, _)| (curve.class, curve.name)).collect();
    let description: Vec<String> = drawn.iter().map(|(curve, _)| described(curve)).collect();
    let whiskers = if drawn.iter().any(|(curve, _)| curve.intervals && has_intervals(curve)) {
        " Bars: 95 % intervals of the percentiles."
    } else {
        ""
    };
    let words = format!(
        "The time within which so many per cent of the requests were answered. Dashed: seen, but too rare to be an \
         estimate.{whiskers}"
    );
    let caption = Caption {
        id,
        title: "Response time by percentile",
        words: &words,
        description: &description.join("; "),
    };
    figure(&caption, &keys, HEIGHT, &drawing)
}

fn one(plot: &Plot, curve: &Curve, histogram: &Histogram<u64>) -> Markup {
    let count = histogram.len() as f64;
    let end = estimated_until(curve);
    let carried = |quantile: f64| {
        curve.carried == Carried::Throughout
            || quantile <= end && stats::carries(count, quantile.max(LEAST_QUANTILE))
    };
    let mut points = points(histogram);
    points.retain(|(quantile, _)| *quantile >= LEAST_SHOWN);
    let split = points.iter().take_while(|(quantile, _)| carried(*quantile)).count();
    // The dashed part begins where the other ends.
    let rest = &points[split.saturating_sub(1)..];
    html! {
        (plot.line(curve.class, &points[..split]))
        @if rest.len() > 1 { (plot.line(&format!("{} rare", curve.class), rest)) }
        @if curve.intervals {
            @for (quantile, ends) in intervals(curve) {
                (plot.bar(&format!("whisker {}", curve.class), quantile, ends.map(|ns| ns as f64)))
            }
        }
    }
}

/// The last quantile of which the intervals say that it is an estimate.
fn estimated_until(curve: &Curve) -> f64 {
    match (curve.carried, intervals(curve).last()) {
        (Carried::ByIntervals, None) => 0.0,
        (Carried::ByIntervals, Some((quantile, _))) if quantile < LAST_INTERVAL => quantile,
        // Beyond the last interval that is ever given, the count decides.
        _ => 1.0,
    }
}

/// Quantiles and their times, evenly spaced on the axis, from the smallest to the largest value.
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let nines = (histogram.len() as f64).log10().max(1.0);
    let steps = (0_u32..)
        .map(|number| f64::from(number) / f64::from(POINTS_PER_NINE))
        .take_while(|place| *place < nines);
    let mut points: Vec<(f64, f64)> = steps
        .map(|place| 1.0 - 10_f64.powf(-place))
        .map(|quantile| (quantile, histogram.value_at_quantile(quantile) as f64))
        .collect();
    points.push((1.0 - 10_f64.powf(-nines), histogram.max() as f64));
    points
}

fn intervals(curve: &Curve) -> impl Iterator<Item = (f64, [u64; 2])> + use<> {
    let ends = &curve.latencies.intervals;
    [
        (0.5, ends.p50_ns),
        (0.75, ends.p75_ns),
        (0.9, ends.p90_ns),
        (0.95, ends.p95_ns),
        (0.99, ends.p99_ns),
        (0.999, ends.p999_ns),
        (LAST_INTERVAL, ends.p9999_ns),
    ]
    .into_iter()
    .filter_map(|(quantile, ends)| Some((quantile, ends?)))
}

fn has_intervals(curve: &Curve) -> bool {
    intervals(curve).next().is_some()
}

fn described(curve: &Curve) -> String {
    let latencies = curve.latencies;
    let figures =
        [("median", latencies.p50_ns), ("99 %", latencies.p99_ns), ("longest", latencies.max_ns)];
    let figures: Vec<String> = figures
        .into_iter()
        .filter_map(|(name, ns)| Some(format!("{name} {}", duration(ns?))))
        .collect();
    format!("{}: {}", curve.name, figures.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn a_curve_rises_to_the_longest_time(values in prop::collection::vec(1..1_000_000_u64, 1..200)) {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            for ns in values {
                histogram.record(ns).unwrap();
            }
            let points = points(&histogram);
            prop_assert!(points.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1), "{points:?}");
            prop_assert!((points.last().unwrap().1 - histogram.max() as f64).abs() < 1e-9);
        }
    }
}
