//! A run over time: how many first replies took how long in each second, what left, what came back, and what was in flight.

use super::document::{Block, Depth, Section, Spark};
use super::plot::{Axes, Drawing, Ink, Layer, Plot, Point};
use super::scale::{Scale, count_label, nanos, rate_label, time_label};

use crate::result::{RunResult, SeriesEntry};
use zload_core::quantity::{count, counted, duration, index, rate};
use zload_core::record::HeatColumn;

/// Heights of the plots: the map, the rates, and what is in flight.
const HEIGHTS: [f64; 3] = [280.0, 190.0, 140.0];
/// Shades from few to many.
const SHADES: usize = 7;
/// Where the bucket that starts at 0 is drawn from.
const LOWEST_NS: f64 = 50.0;
/// With more seconds than this, there are no lines over the map.
const MOST_SECONDS: usize = 600;
/// A line has at most this many points; each then stands for several seconds.
const MOST_POINTS: usize = 300;

/// What the start of a stage is drawn with.
const STAGE: &str = "bound";

/// A figure of a second.
type Figure = fn(&SeriesEntry) -> Option<u64>;

/// The lines over the map, each from back to front with its halo.
const LINES: [(&str, &str, Figure); 2] =
    [("median", "p50", |entry| entry.p50_ns), ("tail", "p99", |entry| entry.p99_ns)];

/// Some seconds, as they are drawn.
struct Step {
    from: f64,
    to: f64,
    requests: f64,
    replies: f64,
    in_flight: f64,
}

/// Everything over time, each where there is something to draw.
pub(super) fn over_time(result: &RunResult) -> Option<Section> {
    let mut blocks: Vec<Block> = heat_map(result).map(Block::Plot).into_iter().collect();
    blocks.extend(timeline(result).into_iter().map(Block::Plot));
    blocks.extend(sparks(result).map(Block::Sparks));
    (!blocks.is_empty()).then(|| Section::new("over-time", "Over time", Depth::Detail, blocks))
}

/// The seconds of a series without those that their run's end cut short, which would look like a slump.
fn whole_seconds(result: &RunResult) -> impl Iterator<Item = &SeriesEntry> {
    let whole = result.whole_seconds();
    result.series.iter().zip(whole).filter(|(_, whole)| *whole).map(|(entry, _)| entry)
}

fn sparks(result: &RunResult) -> Option<Vec<Spark>> {
    let spark = |name: &str, values: Vec<f64>, show: fn(f64) -> String| {
        let (least, most) = values.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(*value), most.max(*value))
        });
        let range = format!("{} to {}", show(least), show(most));
        (!values.is_empty()).then_some(Spark { name: name.to_owned(), values, range })
    };
    let all = |part: Figure| {
        result.series.iter().filter_map(part).map(|value| value as f64).collect::<Vec<_>>()
    };
    let replies = whole_seconds(result).map(|entry| entry.replies as f64).collect();
    let sparks = [
        spark("replies", replies, rate),
        spark("p99", all(|entry| entry.p99_ns), nanos),
        spark("in flight", all(|entry| Some(entry.in_flight)), |value| format!("{value:.0}")),
    ];
    (result.series.len() >= 2).then(|| sparks.into_iter().flatten().collect())
}

/// The heat map of a run; nothing if no reply came.
fn heat_map(result: &RunResult) -> Option<Plot> {
    let columns = &result.heat_map;
    let cells = || columns.iter().flat_map(|column| &column.counts).filter(|[_, count]| *count > 0);
    let lows = cells().map(|[low_ns, _]| *low_ns);
    let (low_ns, high_ns) = lows.clone().min().zip(lows.max())?;
    let most = cells().map(|[_, count]| *count).max().unwrap_or(1);
    let window_ns = result.throughput.window_ns as f64;
    let low = (low_ns as f64).max(LOWEST_NS);
    let axes = Axes {
        height: HEIGHTS[0],
        x: (Scale::exact(0.0, window_ns), time_label),
        y: (Scale::log(low, HeatColumn::bucket_end_ns(high_ns) as f64), time_label),
    };
    let entries: &[SeriesEntry] =
        if result.series.len() <= MOST_SECONDS { &result.series } else { &[] };
    let lines: Vec<_> = LINES
        .into_iter()
        .map(|(ink, name, part)| (ink, name, line(entries, part)))
        .filter(|(.., line)| line.len() > 1)
        .collect();
    let mut layers = vec![Layer::Grid];
    let shades = (1..).zip(cells_by_shade(columns, most)).filter(|(_, cells)| !cells.is_empty());
    layers.extend(shades.map(|(shade, cells)| Layer::Cells(shade, cells)));
    layers.extend(lines.iter().flat_map(|(ink, _, line)| {
        [Layer::Line(Ink("halo"), line.clone()), Layer::Line(Ink(ink), line.clone())]
    }));
    let starts = starts_of_stages(result, [low, HeatColumn::bucket_end_ns(high_ns) as f64]);
    let start = (!starts.is_empty()).then_some((STAGE, "start of a stage"));
    layers.extend(starts);
    layers.extend(columns.iter().map(|column| tip(column, entries)));
    let shades = [("area heat h1", "few"), ("area heat h7", "many")];
    let lines = lines.iter().map(|(ink, name, _)| (*ink, *name));
    let keys = shades.into_iter().chain(lines).chain(start);
    Some(Plot {
        id: "heat-map",
        title: "Response time over time".to_owned(),
        words: format!(
            "Each cell covers a span of time and of response times to the first reply; its colour is the number of replies, up to {}.",
            count(most)
        ),
        description: format!(
            "{} first replies over {}, from {} up",
            count(total(cells())),
            nanos(window_ns),
            duration(low_ns)
        ),
        keys: keys.map(|(ink, name)| (Ink(ink), name.to_owned())).collect(),
        drawing: Drawing::Axes(axes, layers),
    })
}

/// A line where each stage but the first starts, from the lowest value of a picture to the highest.
fn starts_of_stages(result: &RunResult, [low, high]: [f64; 2]) -> Vec<Layer> {
    let starts = result.stages.iter().skip(1).map(|stage| stage.from_ns as f64);
    starts.map(|at| Layer::Line(Ink(STAGE), vec![(at, low), (at, high)])).collect()
}

/// A figure of each second, at its middle.
fn line(entries: &[SeriesEntry], part: Figure) -> Vec<Point> {
    entries
        .iter()
        .filter_map(|entry| Some((entry.offset_ns as f64 + 5e8, part(entry)? as f64)))
        .collect()
}

/// The cells of each shade.
fn cells_by_shade(columns: &[HeatColumn], most: u64) -> [Vec<[Point; 2]>; SHADES] {
    let mut shades = [const { Vec::new() }; SHADES];
    for column in columns {
        let [from, to] = span(column);
        for [low_ns, count] in column.counts.iter().filter(|[_, count]| *count > 0) {
            let low = (*low_ns as f64).max(LOWEST_NS);
            let high = HeatColumn::bucket_end_ns(*low_ns) as f64;
            shades[shade(*count, most)].push([(from, low), (to, high)]);
        }
    }
    shades
}

/// How many replies there are in all, or as many as can be counted: a file may say anything.
fn total<'a>(cells: impl IntoIterator<Item = &'a [u64; 2]>) -> u64 {
    cells.into_iter().fold(0, |sum, [_, count]| sum.saturating_add(*count))
}

fn span(column: &HeatColumn) -> [f64; 2] {
    let from = column.offset_ns as f64;
    [from, from + column.length_ns as f64]
}

/// The shade for a count: equal ratios are equal steps, so that a single slow reply is still seen.
fn shade(count: u64, most: u64) -> usize {
    let share = (count as f64).ln_1p() / (most as f64).ln_1p();
    index(share * SHADES as f64).min(SHADES - 1)
}

/// The tooltip of a column.
fn tip(column: &HeatColumn, entries: &[SeriesEntry]) -> Layer {
    let [from, to] = span(column);
    let entry = entries.iter().find(|entry| entry.offset_ns == column.offset_ns);
    let figures = entry.map_or_else(String::new, |entry| {
        [("p50", entry.p50_ns), ("p99", entry.p99_ns), ("max", entry.max_ns)]
            .into_iter()
            .filter_map(|(name, ns)| Some(format!(", {name} {}", duration(ns?))))
            .collect()
    });
    let replies = count(total(&column.counts));
    Layer::Tip([from, to], format!("at {}: {replies} first replies{figures}", nanos(from)))
}

/// Requests sent, replies received and requests in flight; nothing of a run shorter than two whole seconds.
fn timeline(result: &RunResult) -> Vec<Plot> {
    let seconds: Vec<&SeriesEntry> = whole_seconds(result).collect();
    if seconds.len() < 2 {
        return Vec::new();
    }
    let group = seconds.len().div_ceil(MOST_POINTS);
    let steps: Vec<Step> = seconds.chunks(group).map(step).collect();
    let each = if group == 1 {
        String::new()
    } else {
        let seconds = counted(group as u64, "second");
        format!(" Each point is {seconds}: the mean of rates, the most in flight.")
    };
    vec![throughput(result, &steps, &each), in_flight(result, &steps)]
}

fn step(seconds: &[&SeriesEntry]) -> Step {
    let mean = |part: fn(&SeriesEntry) -> u64| {
        seconds.iter().map(|entry| part(entry) as f64).sum::<f64>() / seconds.len() as f64
    };
    let last = seconds.last().map_or(0, |entry| entry.offset_ns);
    Step {
        from: seconds[0].offset_ns as f64,
        to: last as f64 + 1e9,
        requests: mean(|entry| entry.requests),
        replies: mean(|entry| entry.replies),
        in_flight: seconds.iter().map(|entry| entry.in_flight).max().unwrap_or(0) as f64,
    }
}

fn throughput(result: &RunResult, steps: &[Step], each: &str) -> Plot {
    // A figure holds for all of its seconds.
    let line = |part: fn(&Step) -> f64| -> Vec<Point> {
        steps.iter().flat_map(|step| [step.from, step.to].map(|at| (at, part(step)))).collect()
    };
    let axes = Axes {
        height: HEIGHTS[1],
        x: (Scale::exact(0.0, result.throughput.window_ns as f64), time_label),
        y: (Scale::from_zero(steps.iter().map(|step| step.requests.max(step.replies))), rate_label),
    };
    let most = steps.iter().map(|step| step.requests.max(step.replies)).fold(0.0, f64::max);
    let mut layers = vec![Layer::Grid];
    layers.extend(starts_of_stages(result, [0.0, most]));
    layers.push(Layer::Line(Ink("second"), line(|step| step.replies)));
    layers.push(Layer::Line(Ink("first"), line(|step| step.requests)));
    Plot {
        id: "throughput-over-time",
        title: "Throughput over time".to_owned(),
        words: format!("Requests sent and replies received in each whole second.{each}"),
        description: format!(
            "{} requests and {} replies on average",
            rate(result.throughput.requests_per_s),
            rate(result.throughput.replies_per_s)
        ),
        keys: [("first", "requests"), ("second", "replies")]
            .map(|(ink, name)| (Ink(ink), name.to_owned()))
            .into(),
        drawing: Drawing::Axes(axes, layers),
    }
}

fn in_flight(result: &RunResult, steps: &[Step]) -> Plot {
    let axes = Axes {
        height: HEIGHTS[2],
        x: (Scale::exact(0.0, result.throughput.window_ns as f64), time_label),
        y: (Scale::from_zero(steps.iter().map(|step| step.in_flight)), count_label),
    };
    let line: Vec<Point> = steps.iter().map(|step| (step.to, step.in_flight)).collect();
    let ends = [line.first(), line.last()].into_iter().flatten();
    let floor = ends.map(|(x, _)| (*x, 0.0)).collect();
    let most = steps.iter().map(|step| step.in_flight).fold(0.0, f64::max);
    let layers = vec![
        Layer::Grid,
        Layer::Band(Ink("area third"), floor, line.clone()),
        Layer::Line(Ink("third"), line),
    ];
    Plot {
        id: "in-flight-over-time",
        title: "In flight over time".to_owned(),
        words: "Requests in flight at the end of each second. A growing queue shows as a slope."
            .to_owned(),
        description: format!("at most {most} replies in flight"),
        keys: Vec::new(),
        drawing: Drawing::Axes(axes, layers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_reply_is_seen_and_the_most_are_darkest() {
        assert_eq!(shade(1, 1), SHADES - 1);
        assert_eq!(shade(1, 1_000_000), 0);
        assert_eq!(shade(1_000_000, 1_000_000), SHADES - 1);
        assert!(shade(1_000, 1_000_000) > shade(100, 1_000_000));
    }
}
