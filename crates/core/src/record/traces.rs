//! The sample of traces: a bounded number of requests of a run, each with all its instants.
//!
//! A request is in the sample if the low bits of its key are zero, so the same requests of a plan are, in every run, and
//! neither their time nor their latency has a say. When the sample is full, one more bit decides, and every other trace
//! leaves: what stays is still a random sample of all requests. Invariant: memory never grows after it was made.

use super::Trace;
use crate::plan::DrawKey;

/// One in this many is all that there can be.
const SPARSEST: u64 = 1 << 62;

/// The traces of the sampled requests.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    kept: Vec<Trace>,
    most: usize,
    /// One of this many requests is in the sample; a power of two.
    one_in: u64,
    skipped: u64,
}

impl Traces {
    /// Traces that the samples of all drivers and runs hold together at most: enough for a p99.9.
    pub const MOST: usize = 1 << 16;

    /// An empty sample for at most `most` traces, which starts with one of `one_in` requests (a power of two).
    pub fn new(most: usize, one_in: u64) -> Self {
        // Its pages are touched now, so that memory is the same at the beginning of a run and at its end.
        let mut kept = vec![Trace { client: 1, ..Trace::default() }; most];
        kept.clear();
        Self { kept, most, one_in: one_in.next_power_of_two(), skipped: 0 }
    }

    /// A sample that was kept elsewhere.
    pub fn restored(kept: Vec<Trace>, one_in: u64, skipped: u64) -> Self {
        Self { kept, most: Self::MOST, one_in, skipped }
    }

    /// Whether the request with this key is in the sample.
    #[inline]
    pub fn wants(&self, key: DrawKey) -> bool {
        key.0 & (self.one_in - 1) == 0
    }

    /// Keeps a trace, if its request still is in the sample. A full sample is thinned until it has room: one more bit may
    /// make none of its traces leave.
    pub fn keep(&mut self, trace: Trace) {
        while self.wants(trace.key) && self.kept.len() == self.most && self.one_in < SPARSEST {
            self.thin(self.one_in * 2);
        }
        if self.wants(trace.key) && self.kept.len() < self.most {
            self.kept.push(trace);
        }
    }

    /// A request that is in the sample could not be followed.
    #[inline]
    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    /// One of this many requests is in the sample.
    pub fn one_in(&self) -> u64 {
        self.one_in
    }

    /// Requests that should be in the sample and are not.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The traces, in no particular order.
    pub fn kept(&self) -> &[Trace] {
        &self.kept
    }

    /// The traces of requests that were intended at or after `from_ns`, in the order of their intended instants.
    pub fn intended_from(&self, from_ns: u64) -> Vec<Trace> {
        let mut traces: Vec<Trace> =
            self.kept.iter().copied().filter(|trace| trace.intended_ns >= from_ns).collect();
        traces.sort_by_key(|trace| (trace.intended_ns, trace.client, trace.request));
        traces
    }

    /// Adds the sample of another driver or run: all are thinned to the sparsest, so that they weigh the same.
    pub fn merge(&mut self, other: &Self) {
        if self.one_in == 0 {
            *self = other.clone();
            return;
        }
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.thin(self.one_in.max(other.one_in));
        let one_in = self.one_in;
        self.kept.extend(other.kept.iter().filter(|trace| trace.key.0 & (one_in - 1) == 0));
        if self.kept.len() > Self::MOST {
            self.shrink(Self::MOST);
        }
    }

    /// Thins the sample until it holds at most `most` traces, and gives back the memory of the others.
    pub fn shrink(&mut self, most: usize) {
        while self.kept.len() > most && self.one_in < SPARSEST {
            self.thin(self.one_in * 2);
        }
        self.kept.shrink_to_fit();
    }

    fn thin(&mut self, one_in: u64) {
        self.one_in = one_in;
        self.kept.retain(|trace| trace.key.0 & (one_in - 1) == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(most: usize, keys: impl IntoIterator<Item = u64>) -> Traces {
        let mut traces = Traces::new(most, 1);
        for key in keys {
            traces.keep(Trace { key: DrawKey(key), ..Trace::default() });
        }
        traces
    }

    fn keys(traces: &Traces) -> Vec<u64> {
        traces.kept().iter().map(|trace| trace.key.0).collect()
    }

    #[test]
    fn a_full_sample_is_thinned_until_it_has_room() {
        let all = [2, 4, 8, 16, 32, 6];
        let traces = filled(5, all);
        assert_eq!(traces.one_in(), 4);
        assert_eq!(keys(&traces), [4, 8, 16, 32]);
    }

    proptest! {
        #[test]
        fn what_stays_is_decided_by_the_key_alone(mut all in prop::collection::vec(any::<u64>(), 1..200), most in 4..40_usize) {
            let traces = filled(most, all.iter().copied());
            prop_assert!(traces.kept().len() <= most);
            all.retain(|key| key & (traces.one_in() - 1) == 0);
            prop_assert_eq!(keys(&traces), all);
        }

        #[test]
        fn a_sample_that_shrinks_is_still_decided_by_the_key(all in prop::collection::vec(any::<u64>(), 0..200), most in 1..40_usize) {
            let mut traces = filled(200, all.iter().copied());
            traces.shrink(most);
            prop_assert!(traces.kept().len() <= most);
            let left = all.into_iter().filter(|key| key & (traces.one_in() - 1) == 0);
            prop_assert_eq!(keys(&traces), left.collect::<Vec<_>>());
        }

        #[test]
        fn samples_of_several_drivers_are_one(
            left in prop::collection::vec(any::<u64>(), 0..100), right in prop::collection::vec(any::<u64>(), 0..100),
        ) {
            let (one, other) = (filled(20, left.iter().copied()), filled(20, right.iter().copied()));
            let mut merged = Traces::default();
            merged.merge(&one);
            merged.merge(&other);
            prop_assert_eq!(merged.one_in(), one.one_in().max(other.one_in()));
            let all = left.iter().chain(&right).copied().filter(|key| key & (merged.one_in() - 1) == 0);
            prop_assert_eq!(keys(&merged), all.collect::<Vec<_>>());
        }
    }
}
