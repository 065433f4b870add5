//! Both sides' response times as densities, one above the other on the same scales, and how sure their difference is.
//!
//! Invariant: the area below a curve is a share of its side's requests, so that the two can be compared whatever their numbers.

use hdrhistogram::Histogram;

use super::answer::{answer, sides};
use super::plot::{Axes, Drawing, Ink, Layer, Panel, Plot, Point};
use super::scale::{Scale, time_label};
use crate::result::{Answer, ComparisonResult, Kind, LatencySummary, MetricComparison};
use zload_core::quantity::{duration, index, percent};

/// Height of the picture of one side.
const HEIGHT: f64 = 150.0;
/// Up to this share of a side's requests is beyond either end of the axis.
const LEFT_OUT: f64 = 0.005;
/// A curve has this many points.
const PLACES: usize = 300;
/// The least and the most that a value is spread over, in places: a constant is no needle, and no peak is smoothed away.
const SPREAD: [f64; 2] = [1.0, 10.0];
/// Beyond this many standard deviations a kernel is as good as zero.
const KERNEL_ENDS: f64 = 4.0;
/// What each side is drawn with: its area, its line, the same line in the picture of the other, and its mark.
const INKS: [[Ink; 4]; 2] = [
    [Ink("area density"), Ink("first"), Ink("first thin"), Ink("dot")],
    [Ink("area density b"), Ink("b"), Ink("b thin"), Ink("dot b")],
];

/// Both densities; nothing if one of the sides got no reply.
pub(super) fn plot(result: &ComparisonResult) -> Option<Plot> {
    let [a, b] = [&result.a, &result.b].map(|side| side.latency.first_reply.distribution());
    let histograms = [a?, b?];
    if histograms.iter().any(Histogram::is_empty) {
        return None;
    }
    let ends = histograms
        .iter()
        .flat_map(|of| [LEFT_OUT, 1.0 - LEFT_OUT].map(|at| of.value_at_quantile(at)));
    let x = Scale::holding(ends.map(|ns| ns as f64));
    let curves = histograms.each_ref().map(|histogram| density(histogram, x));
    let highest = curves.iter().flatten().map(|(_, height)| *height).fold(0.0, f64::max);
    let axes = Axes {
        height: HEIGHT,
        x: (x, time_label),
        // Heights are of no unit that people know.
        y: (Scale::exact(0.0, highest), |_| String::new()),
    };
    let panels = [0, 1].map(|side| {
        let (letter, figures) = sides(result)[side];
        let latencies = &figures.latency.first_reply;
        let [area, line, _, mark] = INKS[side];
        let other = 1 - side;
        let (own, floor) = (&curves[side], [0, PLACES - 1].map(|at| (curves[side][at].0, 0.0)));
        let mut layers = vec![
            Layer::Grid,
            Layer::Band(area, floor.into(), own.clone()),
            Layer::Line(INKS[other][2], curves[other].clone()),
            Layer::Line(line, own.clone()),
        ];
        layers.extend(median(latencies, own, line).into_iter().flatten());
        let label = format!("{letter} · {} · {}", figures.name, summary(latencies));
        Panel { label, mark, axes, layers }
    });
    let description = panels.each_ref().map(|panel| panel.label.clone()).join("; ");
    Some(Plot {
        id: "densities",
        title: "Response time of both sides".to_owned(),
        words: format!(
            "{} Equal areas are equal shares of a side's requests; the thin line is the other side.",
            how_sure(result)
        ),
        description,
        keys: Vec::new(),
        drawing: Drawing::Panels(panels.into()),
    })
}

/// Places on the axis and how dense values are there: a Gaussian kernel as wide as Silverman's rule has it (B. W. Silverman,
/// Density Estimation for Statistics and Data Analysis, 1986, formula 3.31).
fn density(histogram: &Histogram<u64>, x: Scale) -> Vec<Point> {
    let all = histogram.len().max(1) as f64;
    let mut cells = vec![0.0; PLACES];
    for value in histogram.iter_recorded() {
        let ns = value.value_iterated_to() as f64;
        if x.holds(ns) {
            cells[cell(x, ns)] += value.count_at_value() as f64 / all;
        }
    }
    let reach = spread(histogram, x);
    let kernel: Vec<f64> = (0..=index((reach * KERNEL_ENDS).ceil()))
        .map(|distance| (-0.5 * (distance as f64 / reach).powi(2)).exp())
        .collect();
    let whole = kernel.iter().sum::<f64>() * 2.0 - kernel[0];
    let height = |at: usize| {
        let near = cells
            .iter()
            .enumerate()
            .filter_map(|(cell, share)| Some(share * kernel.get(cell.abs_diff(at))?));
        near.sum::<f64>() / whole
    };
    (0..PLACES).map(|at| (x.value((at as f64 + 0.5) / PLACES as f64), height(at))).collect()
}

/// The cell of a value that is on the axis.
fn cell(x: Scale, ns: f64) -> usize {
    index(x.share(ns) * PLACES as f64).min(PLACES - 1)
}

/// Standard deviation of the kernel, in places.
fn spread(histogram: &Histogram<u64>, x: Scale) -> f64 {
    let at = |quantile: f64| x.share(histogram.value_at_quantile(quantile) as f64) * PLACES as f64;
    // Of a normal distribution the quartiles are 1.34 standard deviations apart; tails do not count in this.
    let deviation = (at(0.75) - at(0.25)) / 1.34;
    (0.9 * deviation * (histogram.len().max(1) as f64).powf(-0.2)).clamp(SPREAD[0], SPREAD[1])
}

/// A line up to the curve at the median, with its value.
fn median(latencies: &LatencySummary, curve: &[Point], ink: Ink) -> Option<[Layer; 2]> {
    let ns = latencies.p50_ns?;
    let (_, height) = curve.iter().rfind(|(place, _)| *place <= ns as f64).or(curve.first())?;
    let point = (ns as f64, *height);
    let words = [format!("p50 {}", duration(ns)), format!("median {}", duration(ns))];
    Some([Layer::Line(ink, vec![(ns as f64, 0.0), point]), Layer::Value(ink, point, words)])
}

fn summary(latencies: &LatencySummary) -> String {
    let percentile = |kind: Kind| {
        let mark = if latencies.is_uncertain(&kind) { "~" } else { "" };
        Some(format!("{} {mark}{}", kind.name, duration(latencies.percentile(&kind)?)))
    };
    let figures = [Kind::P50, Kind::P99].into_iter().filter_map(percentile);
    figures.collect::<Vec<_>>().join(", ")
}

/// How sure the answer on the response time is, after that answer where no other sentence has it.
fn how_sure(result: &ComparisonResult) -> String {
    const PART: &str = "latency.first_reply.";
    let is_primary = |of: &&MetricComparison| of.name == result.primary;
    let primary = result.metrics.iter().find(is_primary).filter(|of| of.name.starts_with(PART));
    let median = || result.metrics.iter().find(|of| of.name == format!("{PART}p50"));
    let Some(metric) = primary.or_else(median).filter(|_| result.valid && result.failure.is_none())
    else {
        return "These figures do not decide anything: see above.".to_owned();
    };
    let confidence = result.method.confidence_percent;
    let sure = format!("How sure: {}.", sureness(metric, confidence));
    if primary.is_some() { sure } else { format!("{} {sure}", answer(metric, confidence)) }
}

fn sureness(metric: &MetricComparison, confidence: f64) -> String {
    match (metric.verdict, metric.p_value) {
        (Answer::Better | Answer::Worse, Some(p)) => by_chance(p),
        (Answer::Same, _) => format!(
            "the whole {confidence} % interval is within ±{} %, which counts as no difference",
            metric.margin_percent
        ),
        _ => metric.sentence.clone(),
    }
}

/// How often equal sides would differ this clearly.
fn by_chance(p_value: f64) -> String {
    // Blocks are few: smaller numbers would only look exact.
    let share = if p_value < 0.001 { "fewer than 0.1 %".to_owned() } else { percent(p_value) };
    format!(
        "if both sides were equal, {share} of such comparisons would find a difference this clear"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn the_area_is_the_share_of_the_values_on_the_axis(values in prop::collection::vec(1..1_000_000_000_u64, 1..200)) {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            for ns in values {
                histogram.record(ns).unwrap();
            }
            let x = Scale::holding([histogram.min() as f64, histogram.max() as f64]);
            let curve = density(&histogram, x);
            let area: f64 = curve.iter().map(|(_, height)| height).sum();
            // A kernel at an end has a part beyond it.
            prop_assert!(area > 0.49 && area < 1.0 + 1e-9, "{area}");
            prop_assert!(curve.is_sorted_by(|one, other| one.0 < other.0), "{curve:?}");
        }
    }

    #[test]
    fn equal_shares_are_equally_high_whatever_the_number_of_requests() {
        let of = |count: u64| {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            histogram.record_n(1_000_000, count).unwrap();
            histogram.record_n(3_000_000, count).unwrap();
            histogram
        };
        let x = Scale::holding([5e5, 4e6]);
        let highest = |histogram: &Histogram<u64>| {
            density(histogram, x).into_iter().map(|(_, height)| height).fold(0.0, f64::max)
        };
        let few = [highest(&of(1_000_000)), highest(&of(2_000_000))];
        assert!((few[0] / few[1] - 1.0).abs() < 0.2, "{few:?}");
    }
}
