//! What a comparison was worked out of: the primary metric's effect block by block, and every slice in order of time.

use std::collections::BTreeMap;

use super::document::{Block, Depth, Section};
use super::plot::{Axes, Drawing, Ink, Layer, Plot};
use super::scale::{Scale, count_label, percent_label, rate_label, time_label};
use super::value::in_unit;
use crate::result::{ComparisonResult, MetricComparison, MetricUnit, Slice};
use crate::verdict::Status;
use zload_core::quantity::{change, counted};
use zload_core::stats;

/// Height of each plot.
const HEIGHT: f64 = 220.0;
/// The metric that is drawn over time.
const THROUGHPUT: &str = "throughput.replies_per_s";

/// Both plots, each where there is something to draw.
pub(super) fn slices(result: &ComparisonResult) -> Option<Section> {
    let primary = result.metrics.iter().find(|metric| metric.name == result.primary);
    let plots = [primary.and_then(|primary| blocks(result, primary)), over_time(result)];
    let plots: Vec<Block> = plots.into_iter().flatten().map(Block::Plot).collect();
    (!plots.is_empty()).then(|| Section::new("slices", "Block by block", Depth::Appendix, plots))
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
    blocks
        .into_iter()
        .filter_map(|(block, effects)| Some((block, stats::median(&effects)?)))
        .collect()
}

fn blocks(result: &ComparisonResult, primary: &MetricComparison) -> Option<Plot> {
    let effects = effects(result, &primary.name);
    let last = effects.iter().map(|(block, _)| *block).max()?;
    let interval = primary.ci_low_percent.zip(primary.ci_high_percent);
    let ends = interval.map_or([0.0; 2], |(low, high)| [low, high]);
    let right = f64::from(last) + 1.5;
    let axes = Axes {
        height: HEIGHT,
        x: (Scale::exact(0.5, right), count_label),
        y: (Scale::with_zero(effects.iter().map(|(_, effect)| *effect).chain(ends)), percent_label),
    };
    let level = |percent: f64| vec![(0.5, percent), (right, percent)];
    let band = interval.map(|(low, high)| Layer::Band(Ink("area band"), level(low), level(high)));
    let mut layers: Vec<Layer> = band.into_iter().collect();
    layers.extend([Layer::Grid, Layer::Line(Ink("zero"), level(0.0))]);
    layers.extend(primary.effect_percent.map(|effect| Layer::Line(Ink("first"), level(effect))));
    layers.extend(effects.iter().map(|(block, effect)| {
        let what = format!("block {}: {}", block + 1, change(*effect));
        Layer::Dot(Ink("dot"), (f64::from(*block) + 1.0, *effect), Some(what))
    }));
    let said: Vec<String> = effects.iter().map(|(_, effect)| change(*effect)).collect();
    Some(Plot {
        id: "blocks",
        title: format!("Effect on {} by block", primary.name),
        words: "Each point is a fresh start of both sides: the median over its pairs of slices. The line is the effect over \
                all blocks, the band its interval."
            .to_owned(),
        description: format!("block by block: {}", said.join(", ")),
        keys: Vec::new(),
        drawing: Drawing::Axes(axes, layers),
    })
}

fn over_time(result: &ComparisonResult) -> Option<Plot> {
    let of = |side| values(result, side, THROUGHPUT);
    let end = of("a").chain(of("b")).map(|(slice, _)| slice.offset_ns).max()?;
    let axes = Axes {
        height: HEIGHT,
        x: (Scale::exact(0.0, end.saturating_add(result.method.slice_ns) as f64), time_label),
        y: (Scale::from_zero(of("a").chain(of("b")).map(|(_, value)| value)), rate_label),
    };
    let dots = [("a", Ink("dot")), ("b", Ink("dot b"))].into_iter().flat_map(|(side, ink)| {
        of(side).map(move |(slice, value)| {
            let (block, number) = (slice.block + 1, slice.slice + 1);
            let what =
                format!("block {block}, slice {number}: {}", in_unit(value, MetricUnit::PerS));
            Layer::Dot(ink, (slice.offset_ns as f64, value), Some(what))
        })
    });
    Some(Plot {
        id: "slices-over-time",
        title: "Throughput by slice".to_owned(),
        words: "Replies per second of every slice, by its time: changes of the machine show in both sides."
            .to_owned(),
        description: format!(
            "{} of {}, {} of {}",
            counted(of("a").count() as u64, "slice"),
            result.a.name,
            counted(of("b").count() as u64, "slice"),
            result.b.name
        ),
        keys: vec![(Ink("dot"), result.a.name.clone()), (Ink("dot b"), result.b.name.clone())],
        drawing: Drawing::Axes(axes, std::iter::once(Layer::Grid).chain(dots).collect()),
    })
}
