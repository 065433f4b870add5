//! A latency distribution in buckets that people can read.

use hdrhistogram::Histogram;

use super::document::Bar;
use crate::result::LatencySummary;
use zload_core::quantity::{count, duration};

/// At most this many bars are drawn.
const MOST_ROWS: usize = 16;

/// A bar for each bucket; nothing if there is nothing to draw.
pub(super) fn bars(latencies: &LatencySummary) -> Option<Vec<Bar>> {
    let histogram = latencies.distribution().filter(|histogram| !histogram.is_empty())?;
    let edges = edges(histogram.min(), histogram.max());
    let counts: Vec<u64> =
        edges.windows(2).map(|edge| count_between(&histogram, edge[0], edge[1])).collect();
    let largest = counts.iter().copied().max().filter(|largest| *largest > 0)?;
    let mut sum = 0;
    let bars = edges.windows(2).zip(&counts).map(|(edge, bucket)| {
        sum += bucket;
        let share = sum as f64 / histogram.len() as f64 * 100.0;
        // The last per cents are what a reader looks for: 100 % only when all are in.
        let share = if sum < histogram.len() { share.min(99.99) } else { share };
        Bar {
            ends: [duration(edge[0]), duration(edge[1])],
            share: *bucket as f64 / largest as f64,
            count: count(*bucket),
            up_to: format!("{share:.2} %"),
        }
    });
    Some(bars.collect())
}

/// Values of at least `low` and below `high`.
fn count_between(histogram: &Histogram<u64>, low: u64, high: u64) -> u64 {
    histogram
        .iter_recorded()
        .filter(|value| (low..high).contains(&value.value_iterated_to()))
        .map(|value| value.count_at_value())
        .sum()
}

/// Steps within a power of ten, in tenths of it, from fine to coarse.
const STEPS: [&[u64]; 4] =
    [&[10, 12, 15, 20, 25, 30, 40, 50, 60, 80], &[10, 15, 20, 30, 50, 70], &[10, 20, 50], &[10]];

/// Round edges that hold everything from `min` to `max`: the finest that are few enough.
fn edges(min: u64, max: u64) -> Vec<u64> {
    if max / 2 <= min {
        return even_edges(min, max);
    }
    STEPS
        .iter()
        .map(|steps| hold(&log_edges(steps), min, max))
        .find(|edges| edges.len() <= MOST_ROWS + 1)
        .expect("powers of ten hold any time of up to an hour in 14 rows")
}

/// Every step of every power of ten, in nanoseconds; below 10 ns only whole ones.
fn log_edges(steps: &[u64]) -> Vec<u64> {
    let fine = (0..17).flat_map(|power| steps.iter().map(move |step| step * 10_u64.pow(power)));
    [1, 2, 5].into_iter().chain(fine).collect()
}

/// Even steps for values that lie close together: 1, 2 or 5 times a power of ten wide, and no finer than three digits show.
fn even_edges(min: u64, max: u64) -> Vec<u64> {
    let shown = 10_u64.pow(max.max(1).ilog10().saturating_sub(2));
    let wanted = ((max - min) / 12).max(shown - 1);
    let step = (0..19)
        .flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)))
        .find(|step| *step > wanted)
        .expect("a time of up to an hour has a step");
    (min / step..=max / step + 1).map(|position| position * step).collect()
}

/// The part of `edges` that holds everything from `min` to `max`, with 0 below the first.
fn hold(edges: &[u64], min: u64, max: u64) -> Vec<u64> {
    let first = edges.iter().rposition(|edge| *edge <= min);
    let last = edges.iter().position(|edge| *edge > max).unwrap_or(edges.len() - 1);
    match first {
        Some(first) => edges[first..=last].to_vec(),
        None => std::iter::once(0).chain(edges[..=last].iter().copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn edges_hold_every_value_in_few_rows_of_different_names(
            digits in 1..4_000_u64, power in 0..9_u32, more in 0..4_000_u64, other in 0..9_u32,
        ) {
            let min = digits * 10_u64.pow(power);
            let max = min + more * 10_u64.pow(other);
            let edges = edges(min, max);
            prop_assert!(edges.len() >= 2 && edges.len() <= MOST_ROWS + 1, "{edges:?}");
            prop_assert!(edges[0] <= min && *edges.last().unwrap() > max, "{min} {max} {edges:?}");
            let shown: Vec<String> = edges.iter().map(|edge| duration(*edge)).collect();
            prop_assert!(shown.windows(2).all(|pair| pair[0] != pair[1]), "{shown:?}");
            prop_assert!(edges.is_sorted());
        }
    }

    #[test]
    fn a_constant_is_one_row() {
        // As far as a histogram tells them apart.
        assert_eq!(edges(180_000, 180_095), [180_000, 181_000]);
        assert_eq!(edges(0, 0), [0, 1]);
        assert_eq!(edges(1_000_000_000, 1_000_500_000), [1_000_000_000, 1_010_000_000]);
    }
}
