//! The series: what happened in each second of the measured window, over all drivers.
//!
//! A driver fills a [`SecondSlice`] and hands it over when its second has passed; [`Series`] merges the slices of all
//! drivers and keeps only the figures, and of a part of a run the second itself, encoded: percentiles of parts cannot be
//! added. Invariant: memory grows by one small entry per second, never by a message.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EncodedLatencies, HeatColumn, HeatMap, LatencyHistogram, Ledger, SECOND_NS};

/// One second of the measured window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesEntry {
    /// Start of the second, from the start of the window.
    pub offset_ns: u64,
    /// Requests sent in it.
    pub requests: u64,
    /// Replies received in it.
    pub replies: u64,
    /// Median response time to the first replies received in it.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the same.
    pub p99_ns: Option<u64>,
    /// Largest of the same.
    pub max_ns: Option<u64>,
    /// Replies outstanding at its end.
    pub in_flight: u64,
}

/// What one driver recorded in one second.
#[derive(Debug, Clone, Default)]
pub struct SecondSlice {
    /// Which second of the measured window.
    pub second: u64,
    /// Requests sent.
    pub requests: u64,
    /// Replies received.
    pub replies: u64,
    /// Replies outstanding at its end.
    pub in_flight: u64,
    /// Response times to the first replies received.
    pub first_reply: LatencyHistogram,
    /// Where everything went until its end: not of this second alone.
    pub ledger: Ledger,
}

/// A second as a part of a run keeps it, to be added to those of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptSecond {
    /// Which second of the measured window, from 0.
    pub second: u64,
    /// Requests sent in it.
    pub requests: u64,
    /// Replies received in it.
    pub replies: u64,
    /// Replies outstanding at its end.
    pub in_flight: u64,
    /// Response times to the first replies received in it; null if none was.
    pub first_reply: Option<EncodedLatencies>,
}

/// What became of all seconds.
#[derive(Debug, Clone, Default)]
pub struct Seconds {
    /// The figures of each, in order.
    pub series: Vec<SeriesEntry>,
    /// Their response times, for a picture.
    pub heat_map: Vec<HeatColumn>,
    /// Each as it was, if they were to be kept.
    pub kept: Vec<KeptSecond>,
}

/// The seconds so far.
#[derive(Debug)]
pub struct Series {
    drivers: u32,
    keeps: bool,
    done: Vec<SeriesEntry>,
    heat_map: HeatMap,
    kept: Vec<KeptSecond>,
    /// Seconds of which not every driver has handed in its slice, with the number of those that have.
    open: BTreeMap<u64, (u32, SecondSlice)>,
}

impl Series {
    /// An empty series that waits for slices of this many drivers.
    pub fn new(drivers: u32) -> Self {
        Self {
            drivers,
            keeps: false,
            done: Vec::new(),
            heat_map: HeatMap::default(),
            kept: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// The same, which keeps each second that is complete, if this is so.
    #[must_use]
    pub fn keeping(self, keeps: bool) -> Self {
        Self { keeps, ..self }
    }

    /// Takes in one driver's slice; gives the second that it completes, with the ledger at its end.
    pub fn add(&mut self, slice: &SecondSlice) -> Option<(SeriesEntry, Ledger)> {
        let second = slice.second;
        let (handed_in, sum) = self
            .open
            .entry(second)
            .or_insert_with(|| (0, SecondSlice { second, ..SecondSlice::default() }));
        *handed_in += 1;
        sum.requests += slice.requests;
        sum.replies += slice.replies;
        sum.in_flight += slice.in_flight;
        sum.first_reply.merge(&slice.first_reply);
        sum.ledger.merge(&slice.ledger);
        if *handed_in < self.drivers {
            return None;
        }
        let (_, whole) = self.open.remove(&second)?;
        self.close(&whole);
        Some((*self.done.last()?, whole.ledger))
    }

    /// The last second that is complete.
    pub fn last(&self) -> Option<&SeriesEntry> {
        self.done.last()
    }

    /// All seconds; those that some driver has not finished (the run was interrupted) are among them.
    pub fn finish(mut self) -> Seconds {
        for (_, slice) in std::mem::take(&mut self.open).into_values() {
            self.close(&slice);
        }
        self.done.sort_by_key(|entry| entry.offset_ns);
        self.kept.sort_by_key(|kept| kept.second);
        Seconds { series: self.done, heat_map: self.heat_map.finish(), kept: self.kept }
    }

    fn close(&mut self, slice: &SecondSlice) {
        self.done.push(entry_of(slice));
        self.heat_map.add(slice.second, &slice.first_reply);
        if self.keeps {
            let SecondSlice { second, requests, replies, in_flight, first_reply, .. } = slice;
            self.kept.push(KeptSecond {
                second: *second,
                requests: *requests,
                replies: *replies,
                in_flight: *in_flight,
                first_reply: EncodedLatencies::of(first_reply),
            });
        }
    }
}

fn entry_of(slice: &SecondSlice) -> SeriesEntry {
    let latencies = &slice.first_reply;
    SeriesEntry {
        offset_ns: slice.second * SECOND_NS,
        requests: slice.requests,
        replies: slice.replies,
        p50_ns: latencies.percentile(0.50),
        p99_ns: latencies.percentile(0.99),
        max_ns: latencies.max(),
        in_flight: slice.in_flight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(second: u64, response_ns: u64) -> SecondSlice {
        let mut slice = SecondSlice {
            second,
            requests: 20,
            replies: 20,
            in_flight: 1,
            ..SecondSlice::default()
        };
        (0..20).for_each(|_| slice.first_reply.record(response_ns));
        slice
    }

    #[test]
    fn a_second_is_complete_when_every_driver_has_handed_it_in() {
        let mut series = Series::new(2);
        series.add(&slice(0, 1_000));
        assert!(series.last().is_none());
        series.add(&slice(1, 3_000));
        series.add(&slice(0, 2_000));
        let last = *series.last().unwrap();
        assert_eq!((last.requests, last.replies, last.in_flight, last.offset_ns), (40, 40, 2, 0));
        assert_eq!(last.p50_ns, Some(1_000));
        let Seconds { series: all, heat_map, .. } = series.finish();
        assert_eq!(all.len(), 2, "the interrupted second is kept");
        assert_eq!(all[1].requests, 20);
        assert_eq!(heat_map.len(), 2);
        assert_eq!(heat_map[0].counts, [[1_000, 20], [1_780, 20]]);
    }
}
