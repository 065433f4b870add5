//! The heat map: how many first replies took how long, over time, coarse enough for a picture.
//!
//! Times fall into buckets of an eighth of a factor of ten, seconds into columns that grow twice as wide whenever there
//! would be too many. Invariant: memory does not grow with the run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LatencyHistogram, SECOND_NS};

/// A heat map has at most this many columns.
pub const MOST_COLUMNS: usize = 600;

/// A column has at most this many buckets: eight for each of twelve factors of ten, and the one at 0.
pub const MOST_BUCKETS: usize = 12 * STEPS.len() + 1;

/// Where the buckets of a factor of ten start, in hundredths of its lower end.
const STEPS: [u64; 8] = [100, 133, 178, 237, 316, 422, 562, 750];

/// Times below this are in one bucket that starts at 0.
const LOWEST_NS: u64 = 100;

/// Some seconds of the measured window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeatColumn {
    /// Its start, from the start of the window.
    pub offset_ns: u64,
    /// How long it is.
    pub length_ns: u64,
    /// Lower end of each bucket of response times that has any, and how many first replies received in it took at least
    /// this long and less than the next bucket's. Buckets start at 1, 1.33, 1.78, 2.37, 3.16, 4.22, 5.62 and 7.5 times each
    /// power of ten from 100 ns on, and at 0.
    pub counts: Vec<[u64; 2]>,
}

/// The columns so far.
#[derive(Debug)]
pub struct HeatMap {
    seconds_per_column: u64,
    columns: BTreeMap<u64, BTreeMap<u64, u64>>,
}

impl HeatMap {
    /// Adds what `latencies` holds to the column of a second of the measured window.
    pub fn add(&mut self, second: u64, latencies: &LatencyHistogram) {
        while second / self.seconds_per_column >= MOST_COLUMNS as u64 {
            self.seconds_per_column *= 2;
            for (column, counts) in std::mem::take(&mut self.columns) {
                merge(self.columns.entry(column / 2).or_default(), counts);
            }
        }
        let counts = latencies
            .histogram()
            .iter_recorded()
            .map(|value| (bucket_of(value.value_iterated_to()), value.count_at_value()));
        merge(self.columns.entry(second / self.seconds_per_column).or_default(), counts);
    }

    /// All columns, in order.
    pub fn finish(self) -> Vec<HeatColumn> {
        let length_ns = self.seconds_per_column * SECOND_NS;
        let column = |(index, counts): (u64, BTreeMap<u64, u64>)| HeatColumn {
            offset_ns: index * length_ns,
            length_ns,
            counts: listed(counts),
        };
        self.columns.into_iter().map(column).collect()
    }
}

impl Default for HeatMap {
    fn default() -> Self {
        Self { seconds_per_column: 1, columns: BTreeMap::new() }
    }
}

impl HeatColumn {
    /// The columns of several runs, one after the other, in at most `MOST_COLUMNS`.
    pub fn condensed(mut columns: Vec<Self>) -> Vec<Self> {
        while columns.len() > MOST_COLUMNS {
            columns = columns.chunks(2).map(Self::both).collect();
        }
        columns
    }

    fn both(pair: &[Self]) -> Self {
        let mut counts = BTreeMap::new();
        for column in pair {
            merge(&mut counts, column.counts.iter().map(|[low_ns, count]| (*low_ns, *count)));
        }
        Self {
            offset_ns: pair[0].offset_ns,
            length_ns: pair.iter().map(|column| column.length_ns).sum(),
            counts: listed(counts),
        }
    }

    /// Where the bucket that starts at `low_ns` ends.
    pub fn bucket_end_ns(low_ns: u64) -> u64 {
        // Far beyond the longest time: a file may say anything.
        let edges = bucket_starts();
        edges.into_iter().find(|start| *start > low_ns).unwrap_or(u64::MAX)
    }
}

/// Where the buckets start, up to about 28 hours.
fn bucket_starts() -> impl IntoIterator<Item = u64> {
    (0..12).flat_map(|power| STEPS.map(|step| step * LOWEST_NS / 100 * 10_u64.pow(power)))
}

fn bucket_of(ns: u64) -> u64 {
    bucket_starts().into_iter().take_while(|start| *start <= ns).last().unwrap_or(0)
}

fn merge(into: &mut BTreeMap<u64, u64>, counts: impl IntoIterator<Item = (u64, u64)>) {
    for (low_ns, count) in counts {
        *into.entry(low_ns).or_default() += count;
    }
}

fn listed(counts: BTreeMap<u64, u64>) -> Vec<[u64; 2]> {
    counts.into_iter().map(|(low_ns, count)| [low_ns, count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(columns: &[HeatColumn]) -> u64 {
        columns.iter().flat_map(|column| &column.counts).map(|[_, count]| count).sum()
    }

    #[test]
    fn times_fall_into_eighths_of_a_factor_of_ten() {
        let buckets = [0, 99, 100, 132, 133, 999, 1_000, 7_600_000].map(bucket_of);
        assert_eq!(buckets, [0, 0, 100, 100, 133, 750, 1_000, 7_500_000]);
        assert_eq!([0, 100, 750].map(HeatColumn::bucket_end_ns), [100, 133, 1_000]);
    }

    #[test]
    fn a_long_run_has_wider_columns_and_no_more_of_them() {
        let mut map = HeatMap::default();
        let one = [5_000].iter().collect();
        (0..5_000).for_each(|second| map.add(second, &one));
        let columns = map.finish();
        assert_eq!((columns.len(), columns[1].length_ns), (313, 16 * SECOND_NS));
        assert_eq!(columns[1].counts, [[4_220, 16]]);
        assert_eq!(total(&columns), 5_000);
    }

    #[test]
    fn the_columns_of_many_runs_are_condensed() {
        let column = |index| HeatColumn {
            offset_ns: index * SECOND_NS,
            length_ns: SECOND_NS,
            counts: vec![[100, 1], [1_000 * (index % 2 + 1), 2]],
        };
        let columns = HeatColumn::condensed((0..901).map(column).collect());
        assert_eq!(columns.len(), 451);
        assert_eq!(columns[1].offset_ns, 2 * SECOND_NS);
        assert_eq!(columns[1].counts, [[100, 2], [1_000, 2], [2_000, 2]]);
        assert_eq!(columns[450].length_ns, SECOND_NS);
    }

    proptest! {
        #[test]
        fn every_value_is_in_the_bucket_that_holds_it(
            values in prop::collection::vec(0..3_600_000_000_000_u64, 1..50), second in 0..5_000_u64,
        ) {
            let mut map = HeatMap::default();
            map.add(second, &values.iter().collect());
            let columns = map.finish();
            prop_assert_eq!(total(&columns), values.len() as u64);
            let column = &columns[0];
            prop_assert!((column.offset_ns..column.offset_ns + column.length_ns).contains(&(second * SECOND_NS)));
            for ns in values {
                let low_ns = bucket_of(ns);
                prop_assert!((low_ns..HeatColumn::bucket_end_ns(low_ns)).contains(&ns));
            }
        }
    }
}
