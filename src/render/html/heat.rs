//! Latency over time as a heat map: how many first replies took how long, in each second.
//!
//! Invariant: cells of the same shade are one path, so that a page stays small whatever the run.

use maud::{Markup, html};

use super::plot::{Caption, Key, Plot, at, figure};
use super::scale::{Scale, time_label};
use crate::quantity::{count, duration};
use crate::record::HeatColumn;
use crate::render::run::nanos;
use crate::result::{RunResult, SeriesEntry};

/// Height of the plot.
const HEIGHT: f64 = 280.0;
/// Shades from few to many.
const SHADES: usize = 7;
/// Where the bucket that begins at 0 is drawn from.
const LOWEST_NS: f64 = 50.0;
/// With more seconds than this, there are no lines over the map.
const MOST_SECONDS: usize = 600;

/// A line over the map: its class, its name, and the figure of each second that it follows.
type Line = (&'static str, &'static str, fn(&SeriesEntry) -> Option<u64>);

const LINES: [Line; 2] =
    [("median", "p50", |entry| entry.p50_ns), ("tail", "p99", |entry| entry.p99_ns)];

/// The heat map of a run; nothing if no reply came.
pub(super) fn heat_map(result: &RunResult) -> Markup {
    let columns = &result.heat_map;
    let cells = || columns.iter().flat_map(|column| &column.counts).filter(|[_, count]| *count > 0);
    let lows = cells().map(|[low_ns, _]| *low_ns);
    let Some((low_ns, high_ns)) = lows.clone().min().zip(lows.max()) else { return html! {} };
    let most = cells().map(|[_, count]| *count).max().unwrap_or(1);
    let window_ns = result.throughput.window_ns as f64;
    let plot = Plot {
        height: HEIGHT,
        x: Scale::exact(0.0, window_ns),
        y: Scale::log((low_ns as f64).max(LOWEST_NS), HeatColumn::bucket_end_ns(high_ns) as f64),
    };
    let entries: &[SeriesEntry] =
        if result.series.len() <= MOST_SECONDS { &result.series } else { &[] };
    let lines: Vec<_> = LINES
        .into_iter()
        .map(|(class, name, part)| (class, name, over_time(entries, part)))
        .filter(|(.., line)| line.len() > 1)
        .collect();
    let drawing = html! {
        (plot.axes(time_label, time_label))
        @for (shade, path) in (1..).zip(cells_by_shade(&plot, columns, most)) {
            @if !path.is_empty() { path class=(format!("heat h{shade}")) d=(path) {} }
        }
        @for (class, _, line) in &lines {
            (plot.line("halo", line))
            (plot.line(class, line))
        }
        @for column in columns { (tip(&plot, column, entries)) }
    };
    let words = format!(
        "Each cell is a span of time and of response times to the first reply; the stronger its shade, the more replies, up \
         to {}.",
        count(most)
    );
    let description = format!(
        "{} first replies over {}, from {} up",
        count(total(cells())),
        nanos(window_ns),
        duration(low_ns)
    );
    let caption = Caption {
        id: "heat-map",
        title: "Response time over time",
        words: &words,
        description: &description,
    };
    let shades = [("area heat h1", "few"), ("area heat h7", "many")];
    let keys: Vec<Key> =
        shades.into_iter().chain(lines.iter().map(|(class, name, _)| (*class, *name))).collect();
    figure(&caption, &keys, HEIGHT, &drawing)
}

/// A figure of each second, at its middle.
fn over_time(entries: &[SeriesEntry], part: fn(&SeriesEntry) -> Option<u64>) -> Vec<(f64, f64)> {
    entries
        .iter()
        .filter_map(|entry| Some((entry.offset_ns as f64 + 5e8, part(entry)? as f64)))
        .collect()
}

/// The cells of each shade as one path.
fn cells_by_shade(plot: &Plot, columns: &[HeatColumn], most: u64) -> [String; SHADES] {
    let mut paths = [const { String::new() }; SHADES];
    for column in columns {
        let (from, to) = span(column);
        for [low_ns, count] in column.counts.iter().filter(|[_, count]| *count > 0) {
            let low = (*low_ns as f64).max(LOWEST_NS);
            let high = HeatColumn::bucket_end_ns(*low_ns) as f64;
            paths[shade(*count, most)] += &plot.rectangle((from, low), (to, high));
        }
    }
    paths
}

/// How many replies there are in all, or as many as can be counted: a file may say anything.
fn total<'a>(cells: impl IntoIterator<Item = &'a [u64; 2]>) -> u64 {
    cells.into_iter().fold(0, |sum, [_, count]| sum.saturating_add(*count))
}

fn span(column: &HeatColumn) -> (f64, f64) {
    let from = column.offset_ns as f64;
    (from, from + column.length_ns as f64)
}

/// Which shade stands for so many: equal ratios are equal steps, so that a single slow reply is still seen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is from 0 to 1"
)]
fn shade(count: u64, most: u64) -> usize {
    let share = (count as f64).ln_1p() / (most as f64).ln_1p();
    ((share * SHADES as f64) as usize).min(SHADES - 1)
}

/// What a pointer over a column is told.
fn tip(plot: &Plot, column: &HeatColumn, entries: &[SeriesEntry]) -> Markup {
    let (from, to) = span(column);
    let (left, right) = (plot.x(from), plot.x(to));
    let replies = total(&column.counts);
    let entry = entries.iter().find(|entry| entry.offset_ns == column.offset_ns);
    let figures = entry.map_or_else(String::new, |entry| {
        [("p50", entry.p50_ns), ("p99", entry.p99_ns), ("max", entry.max_ns)]
            .into_iter()
            .filter_map(|(name, ns)| Some(format!(", {name} {}", duration(ns?))))
            .collect()
    });
    html! {
        rect.tip x=(at(left)) y="10" width=(at(right - left)) height=(at(HEIGHT - 38.0)) {
            title { "at " (nanos(from)) ": " (count(replies)) " first replies" (figures) }
        }
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
