//! What a comparison was worked out of: the primary metric's effect block by block, and every slice in order of time.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::plot::{Caption, Plot, figure, mark};
use super::scale::{Scale, count_label, percent_label, rate_label, time_label};
use super::value::{in_unit, signed};
use crate::quantity::counted;
use crate::result::{ComparisonResult, MetricComparison, MetricUnit, Slice};
use crate::verdict::Status;

/// Height of each plot.
const HEIGHT: f64 = 220.0;
/// The metric that is drawn over time.
const THROUGHPUT: &str = "throughput.replies_per_s";

/// Both plots, each where there is something to draw.
pub(super) fn slices(result: &ComparisonResult) -> Markup {
    let primary = result.metrics.iter().find(|metric| metric.name == result.primary);
    html! {
        @if let Some(primary) = primary { (blocks(result, primary)) }
        (over_time(result))
    }
}

/// A metric in the slices of a side that may be used.
fn values<'a>(
    result: &'a ComparisonResult,
    side: &'a str,
    metric: &'a str,
) -> impl Iterator<Item = (&'a Slice, f64)> {
    result
        .slices
        .iter()
        .filter(move |slice| slice.side == side && slice.status != Status::Invalid)
        .filter_map(move |slice| Some((slice, *slice.values.get(metric)?)))
}

/// In each block the median, over its pairs of slices, of how far `b` is above `a`, in per cent.
fn effects(result: &ComparisonResult, metric: &str) -> Vec<(u32, f64)> {
    let of_a: BTreeMap<(u32, u32), f64> = values(result, "a", metric)
        .map(|(slice, value)| ((slice.block, slice.slice), value))
        .collect();
    let mut blocks: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (slice, b) in values(result, "b", metric) {
        if let Some(a) = of_a.get(&(slice.block, slice.slice)).filter(|a| **a > 0.0) {
            blocks.entry(slice.block).or_default().push((b / a - 1.0) * 100.0);
        }
    }
    blocks.into_iter().map(|(block, effects)| (block, median(effects))).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

fn blocks(result: &ComparisonResult, primary: &MetricComparison) -> Markup {
    let effects = effects(result, &primary.name);
    let Some(last) = effects.iter().map(|(block, _)| *block).max() else { return html! {} };
    let interval = primary.ci_low_percent.zip(primary.ci_high_percent);
    let ends = interval.map_or([0.0; 2], |(low, high)| [low, high]);
    let right = f64::from(last) + 1.5;
    let plot = Plot {
        height: HEIGHT,
        x: Scale::exact(0.5, right),
        y: Scale::with_zero(effects.iter().map(|(_, effect)| *effect).chain(ends)),
    };
    let level = |percent: f64| [(0.5, percent), (right, percent)];
    let drawing = html! {
        @if let Some((low, high)) = interval { (plot.band("area band", &level(low), &level(high))) }
        (plot.axes(count_label, percent_label))
        (plot.line("zero", &level(0.0)))
        @if let Some(effect) = primary.effect_percent { (plot.line("first", &level(effect))) }
        @for (block, effect) in &effects {
            g {
                title { "block " (block + 1) ": " (signed(*effect)) }
                (mark("dot", plot.x(f64::from(*block) + 1.0), plot.y(*effect)))
            }
        }
    };
    let said: Vec<String> = effects.iter().map(|(_, effect)| signed(*effect)).collect();
    let caption = Caption {
        id: "blocks",
        title: &format!("Effect on {} by block", primary.name),
        words: "Each point is a fresh start of both sides: the median over its pairs of slices. The line is the effect over \
                all blocks, the band its interval.",
        description: &format!("block by block: {}", said.join(", ")),
    };
    figure(&caption, &[], HEIGHT, &drawing)
}

fn over_time(result: &ComparisonResult) -> Markup {
    let of = |side| values(result, side, THROUGHPUT);
    let Some(end) = of("a").chain(of("b")).map(|(slice, _)| slice.offset_ns).max() else {
        return html! {};
    };
    let plot = Plot {
        height: HEIGHT,
        x: Scale::exact(0.0, end.saturating_add(result.method.slice_ns) as f64),
        y: Scale::from_zero(of("a").chain(of("b")).map(|(_, value)| value)),
    };
    let drawing = html! {
        (plot.axes(time_label, rate_label))
        @for (side, class) in [("a", "dot"), ("b", "dot b")] {
            @for (slice, value) in of(side) {
                g {
                    title { "block " (slice.block + 1) ", slice " (slice.slice + 1) ": " (in_unit(value, MetricUnit::PerS)) }
                    (mark(class, plot.x(slice.offset_ns as f64), plot.y(value)))
                }
            }
        }
    };
    let caption = Caption {
        id: "slices-over-time",
        title: "Throughput, slice by slice",
        words: "Replies per second of every slice, where it stood in time: what changed on the machine shows in both sides.",
        description: &format!(
            "{} of {}, {} of {}",
            counted(of("a").count() as u64, "slice"),
            result.a.name,
            counted(of("b").count() as u64, "slice"),
            result.b.name
        ),
    };
    let keys = [("dot", result.a.name.as_str()), ("dot b", result.b.name.as_str())];
    figure(&caption, &keys, HEIGHT, &drawing)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < 1e-12);
    }
}
