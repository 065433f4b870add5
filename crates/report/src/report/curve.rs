//! The percentile curve: how long the fastest 90 %, 99 %, 99.9 % … of requests took, each nine equally wide.
//!
//! Invariant: where the sample is too small the curve is dashed, so that no reader takes what was observed once for an estimate.

use hdrhistogram::Histogram;

use super::plot::{Axes, Drawing, Ink, Layer, Plot, Point};
use super::scale::{Scale, quantile_label, time_label};
use crate::result::{LatencySummary, PERCENTILES};
use zload_core::quantity::duration;
use zload_core::stats;

/// Height of the plot.
const HEIGHT: f64 = 340.0;
/// A curve has this many points for each nine.
const POINTS_PER_NINE: u32 = 60;
/// The axis of times starts with those of this quantile.
const LEAST_SHOWN: f64 = 0.02;
/// The last percentile that has an interval.
const LAST_INTERVAL: f64 = PERCENTILES[PERCENTILES.len() - 1].quantile();
/// A sample too small for its median is too small for the curve below it.
const LEAST_QUANTILE: f64 = 0.5;

/// One distribution, as it is drawn.
pub(super) struct Curve<'a> {
    pub(super) ink: Ink,
    pub(super) name: String,
    pub(super) latencies: &'a LatencySummary,
    /// Whether the percentiles' intervals are drawn.
    pub(super) intervals: bool,
    pub(super) support: Support,
}

/// Up to which percentile a curve is an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It is computed and not measured: all of it is what it is.
    Throughout,
    /// As far as this many values suffice.
    ByCount,
    /// As far as there are intervals, too: autocorrelated values have a smaller effective sample size.
    ByIntervals,
}

/// The curves in one plot; nothing if there is nothing to draw.
pub(super) fn plot(id: &'static str, curves: &[Curve]) -> Option<Plot> {
    let drawn: Vec<(&Curve, Histogram<u64>)> = curves
        .iter()
        .filter_map(|curve| Some((curve, curve.latencies.distribution()?)))
        .filter(|(_, histogram)| !histogram.is_empty())
        .collect();
    let most = drawn.iter().map(|(_, histogram)| histogram.len()).max()?;
    // The very shortest times would take half of a logarithmic axis, and are of no interest.
    let ends = drawn
        .iter()
        .flat_map(|(_, histogram)| [histogram.value_at_quantile(LEAST_SHOWN), histogram.max()]);
    let axes = Axes {
        height: HEIGHT,
        x: (Scale::quantiles(most), quantile_label),
        y: (Scale::of_times(ends.map(|ns| ns as f64)), time_label),
    };
    let has_intervals = |curve: &Curve| curve.intervals && intervals(curve).next().is_some();
    let whiskers = if drawn.iter().any(|(curve, _)| has_intervals(curve)) {
        " Bars: 95 % intervals of the percentiles."
    } else {
        ""
    };
    // The first curve is the one that matters: it is on top.
    let curves = drawn.iter().rev().flat_map(|(curve, histogram)| layers(curve, histogram));
    // No curve hides the values of another.
    let values = drawn.iter().rev().flat_map(|(curve, histogram)| values(curve, histogram));
    let description: Vec<String> = drawn.iter().map(|(curve, _)| described(curve)).collect();
    Some(Plot {
        id,
        title: "Response time by percentile".to_owned(),
        words: format!(
            "The time within which a percentage of the requests was answered. Dashed: observed, not estimated, as samples are too few.{whiskers} Point at a percentile to see its value."
        ),
        description: description.join("; "),
        keys: drawn.iter().map(|(curve, _)| (curve.ink, curve.name.clone())).collect(),
        drawing: Drawing::Axes(
            axes,
            std::iter::once(Layer::Grid).chain(curves).chain(values).collect(),
        ),
    })
}

fn layers(curve: &Curve, histogram: &Histogram<u64>) -> Vec<Layer> {
    let count = histogram.len() as f64;
    let end = estimated_until(curve);
    let is_solid = |quantile: f64| {
        curve.support == Support::Throughout
            || quantile <= end && stats::suffices(count, quantile.max(LEAST_QUANTILE))
    };
    let mut points = points(histogram);
    points.retain(|(quantile, _)| *quantile >= LEAST_SHOWN);
    let split = points.iter().take_while(|(quantile, _)| is_solid(*quantile)).count();
    // The dashed part starts where the other ends.
    let rest = points[split.saturating_sub(1)..].to_vec();
    points.truncate(split);
    let mut layers = vec![Layer::Line(curve.ink, points)];
    if rest.len() > 1 {
        layers.push(Layer::Rare(curve.ink, rest));
    }
    if curve.intervals {
        let ends = intervals(curve);
        layers
            .extend(ends.map(|(at, ends)| Layer::Whisker(curve.ink, at, ends.map(|ns| ns as f64))));
    }
    layers
}

/// The last quantile of which the intervals say that it is an estimate.
fn estimated_until(curve: &Curve) -> f64 {
    match (curve.support, intervals(curve).last()) {
        (Support::ByIntervals, None) => 0.0,
        (Support::ByIntervals, Some((quantile, _))) if quantile < LAST_INTERVAL => quantile,
        // Beyond the last interval that is ever given, the count decides.
        _ => 1.0,
    }
}

/// The percentiles that the table has, and the maximum, for the pointer.
fn values(curve: &Curve, histogram: &Histogram<u64>) -> Vec<Layer> {
    let latencies = curve.latencies;
    let value = |at: f64, name: &str, mark: &str, ns: u64| {
        let label = format!("{name} {mark}{}", duration(ns));
        let what = format!("{}: {label}", curve.name);
        Layer::Value(curve.ink, (at, ns as f64), [label, what])
    };
    let percentiles = PERCENTILES.iter().filter_map(|kind| {
        let mark = if latencies.is_uncertain(kind) { "~" } else { "" };
        Some(value(kind.quantile(), kind.name, mark, latencies.percentile(kind)?))
    });
    let max = latencies.max_ns.map(|ns| value(last(histogram), "max", "", ns));
    percentiles.chain(max).collect()
}

/// Where the largest value is drawn.
fn last(histogram: &Histogram<u64>) -> f64 {
    1.0 - 10_f64.powf(-nines(histogram))
}

fn nines(histogram: &Histogram<u64>) -> f64 {
    (histogram.len() as f64).log10().max(1.0)
}

/// Quantiles and their times, evenly spaced on the axis, from the smallest to the largest value.
fn points(histogram: &Histogram<u64>) -> Vec<Point> {
    let nines = nines(histogram);
    let steps = (0_u32..)
        .map(|number| f64::from(number) / f64::from(POINTS_PER_NINE))
        .take_while(|place| *place < nines);
    let mut points: Vec<Point> = steps
        .map(|place| 1.0 - 10_f64.powf(-place))
        .map(|quantile| (quantile, histogram.value_at_quantile(quantile) as f64))
        .collect();
    points.push((last(histogram), histogram.max() as f64));
    points
}

fn intervals(curve: &Curve) -> impl Iterator<Item = (f64, [u64; 2])> + use<> {
    let ends = curve.latencies.intervals.ends();
    PERCENTILES.iter().zip(ends).filter_map(|(kind, ends)| Some((kind.quantile(), ends?)))
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
