//! The seconds of several parts of a run, added up.
//!
//! Each part hands in all of its seconds at once, so every second is open until the last part has come. Of each only the
//! values that there are take memory. Invariant: what is said of a second is what one series would say of all values.

use std::collections::BTreeMap;

use super::encoded::decoded;
use super::{KeptSecond, LatencyHistogram, Ledger, SecondSlice, Seconds, Series};

/// The seconds of the parts so far.
#[derive(Debug, Default)]
pub struct Union(BTreeMap<u64, Sum>);

/// A second of the parts so far.
#[derive(Debug, Default)]
struct Sum {
    requests: u64,
    replies: u64,
    in_flight: u64,
    /// Values of a histogram and how many there are of each, in rising order.
    counts: Vec<(u64, u64)>,
    /// What a histogram rounds; `None` as long as there are no values.
    exact: Option<Box<Exact>>,
}

/// What a histogram rounds, of all values.
#[derive(Debug, Clone, Copy)]
struct Exact {
    clipped: u64,
    min_ns: u64,
    max_ns: u64,
    sum_ns: i128,
}

impl Union {
    /// Adds a second of a part; `None` if its response times contradict themselves.
    pub fn add(&mut self, kept: &KeptSecond) -> Option<()> {
        let latencies = decoded(kept.first_reply.as_ref())?;
        let sum = self.0.entry(kept.second).or_default();
        sum.requests = sum.requests.saturating_add(kept.requests);
        sum.replies = sum.replies.saturating_add(kept.replies);
        sum.in_flight = sum.in_flight.saturating_add(kept.in_flight);
        let Some((min_ns, max_ns)) = latencies.min().zip(latencies.max()) else { return Some(()) };
        let counts = latencies.histogram().iter_recorded();
        let counts = counts.map(|value| (value.value_iterated_to(), value.count_at_value()));
        sum.counts = merged(&sum.counts, counts);
        let (clipped, sum_ns) = (latencies.clipped(), latencies.sum_ns());
        match &mut sum.exact {
            None => sum.exact = Some(Box::new(Exact { clipped, min_ns, max_ns, sum_ns })),
            Some(exact) => {
                exact.clipped += clipped;
                exact.min_ns = exact.min_ns.min(min_ns);
                exact.max_ns = exact.max_ns.max(max_ns);
                exact.sum_ns += sum_ns;
            }
        }
        Some(())
    }

    /// All seconds.
    pub fn finish(self) -> Seconds {
        let mut series = Series::new(1);
        for (second, sum) in self.0 {
            let Sum { requests, replies, in_flight, counts, exact } = sum;
            let first_reply = exact.map_or_else(LatencyHistogram::new, |exact| {
                let Exact { clipped, min_ns, max_ns, sum_ns } = *exact;
                LatencyHistogram::of_counts(&counts, clipped, (min_ns, max_ns), sum_ns)
            });
            // What went where until then is not kept of a shard, and nobody asks.
            let ledger = Ledger::default();
            let slice = SecondSlice { second, requests, replies, in_flight, first_reply, ledger };
            let _complete = series.add(&slice);
        }
        series.finish()
    }
}

/// Both lists of values and their counts, as one.
fn merged(one: &[(u64, u64)], other: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut all = Vec::with_capacity(one.len() + 8);
    let mut one = one.iter().copied().peekable();
    for (value, count) in other {
        while let Some(before) = one.next_if(|(before, _)| *before < value) {
            all.push(before);
        }
        let same = one.next_if(|(at, _)| *at == value).map_or(0, |(_, count)| count);
        all.push((value, count.saturating_add(same)));
    }
    all.extend(one);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn seconds_of_parts_are_those_of_one_series(
            parts in prop::collection::vec(
                prop::collection::vec((0..4_u64, 0..20_000_000_u64), 0..120), 1..6,
            ),
        ) {
            let slices = |values: &[(u64, u64)]| -> Vec<SecondSlice> {
                (0..4).map(|second| {
                    let of = values.iter().filter(|(at, _)| *at == second).map(|(_, ns)| ns);
                    let first_reply: LatencyHistogram = of.collect();
                    SecondSlice { second, requests: 3, replies: 2, in_flight: 1, first_reply, ledger: Ledger::default() }
                }).collect()
            };
            let played = |drivers: u32, slices: &[SecondSlice]| {
                let mut series = Series::new(drivers).keeping(true);
                for slice in slices {
                    series.add(slice);
                }
                series.finish()
            };
            let each: Vec<Vec<SecondSlice>> = parts.iter().map(|values| slices(values)).collect();
            let whole = played(u32::try_from(parts.len()).unwrap(), &each.concat());
            let mut union = Union::default();
            for part in each.iter().rev() {
                for kept in played(1, part).kept {
                    union.add(&kept).unwrap();
                }
            }
            let union = union.finish();
            prop_assert_eq!(union.series, whole.series);
            prop_assert_eq!(union.heat_map, whole.heat_map);
        }
    }
}
