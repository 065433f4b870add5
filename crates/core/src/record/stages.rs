//! The stages of a load that changes: what became of the requests that were intended in each, and how many replies were in flight
//! when. Hot path of such loads.
//!
//! Invariant: memory follows the stages and not the requests.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Exchange, LatencyHistogram};
use crate::plan::StagePlan;
use crate::sum::{Merge, merge_fields};

/// What became of the requests that were intended in one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageRecord {
    /// Requests sent.
    pub sent: u64,
    /// Those of which every expected reply came.
    pub answered: u64,
    /// Those that expect none.
    pub silent: u64,
    /// Those of which an expected reply never came.
    pub lost: u64,
    /// Requests planned and not sent.
    pub unsent: u64,
    /// Replies planned for the requests sent.
    pub replies_expected: u64,
    /// Replies lost.
    pub replies_lost: u64,
    /// Response time to the first reply, unless it is an error.
    #[serde(with = "super::encoded::whole")]
    #[schemars(with = "Option<super::EncodedLatencies>")]
    pub first_reply: LatencyHistogram,
    /// Response time to the last reply, where that is not the first.
    #[serde(with = "super::encoded::whole")]
    #[schemars(with = "Option<super::EncodedLatencies>")]
    pub last_reply: LatencyHistogram,
}

merge_fields! {
    StageRecord: sent, answered, silent, lost, unsent, replies_expected, replies_lost, first_reply, last_reply
}

/// The stages of a plan, in order; parts of a run have the same.
impl Merge for Vec<StageRecord> {
    fn merge(&mut self, other: &Self) {
        self.resize(self.len().max(other.len()), StageRecord::default());
        self.iter_mut().zip(other).for_each(|(one, more)| one.merge(more));
    }
}

impl StageRecord {
    /// A request was sent that expects this many replies.
    #[inline]
    pub(super) fn sent(&mut self, owed: u32) {
        self.sent += 1;
        self.silent += u64::from(owed == 0);
        self.replies_expected += u64::from(owed);
    }

    /// A reply came; `exchange` includes it.
    #[inline]
    pub(super) fn received(&mut self, exchange: &Exchange, response_ns: u64, failed: bool) {
        let last = exchange.received == exchange.owed;
        if exchange.received == 1 && !failed {
            self.first_reply.record(response_ns);
        }
        self.answered += u64::from(last);
        if last && exchange.owed > 1 && !failed {
            self.last_reply.record(response_ns);
        }
    }
}

/// Finds the stage of an instant: nearly always that of the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct Stages {
    /// When each ends, from the plan's start.
    ends_ns: Vec<u64>,
    /// The one that was found last, and from when to when it lasts.
    last: usize,
    from_ns: u64,
    to_ns: u64,
}

impl Stages {
    pub(super) fn new(stages: &[StagePlan]) -> Self {
        let ends_ns = stages.iter().map(|stage| stage.to_ns).collect();
        Self { ends_ns, ..Self::default() }
    }

    #[inline]
    pub(super) fn place(&mut self, at_ns: u64) -> usize {
        if !(self.from_ns..self.to_ns).contains(&at_ns) {
            self.find(at_ns);
        }
        self.last
    }

    #[cold]
    fn find(&mut self, at_ns: u64) {
        let place = self.ends_ns.partition_point(|end_ns| *end_ns <= at_ns);
        self.last = place;
        self.from_ns = place.checked_sub(1).map_or(0, |before| self.ends_ns[before]);
        self.to_ns = self.ends_ns.get(place).copied().unwrap_or(u64::MAX);
    }
}

/// How many replies are in flight, kept at instants that are known beforehand: what happens at one of them comes after it.
#[derive(Debug, Clone)]
pub(super) struct Looks {
    at_ns: Arc<[u64]>,
    /// The next of them; never, once there is none.
    pub(super) next_ns: u64,
    found: Vec<u64>,
}

impl Looks {
    pub(super) fn new(at_ns: Arc<[u64]>) -> Self {
        let next_ns = at_ns.first().copied().unwrap_or(u64::MAX);
        Self { at_ns, next_ns, found: Vec::new() }
    }

    /// Until `now_ns` this many were in flight.
    #[cold]
    pub(super) fn pass(&mut self, now_ns: u64, in_flight: u64) {
        while now_ns >= self.next_ns {
            self.found.push(in_flight);
            self.next_ns = self.at_ns.get(self.found.len()).copied().unwrap_or(u64::MAX);
        }
    }

    /// What was found, and what there is at its end at the instants that did not come.
    pub(super) fn finish(mut self, in_flight: u64) -> Vec<u64> {
        self.found.resize(self.at_ns.len(), in_flight);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_in_the_stage_that_it_begins() {
        let mut stages = Stages { ends_ns: vec![10, 30, 40], ..Stages::default() };
        let places: Vec<usize> =
            [0, 9, 10, 29, 30, 9, 39, 40].map(|at_ns| stages.place(at_ns)).into();
        assert_eq!(places, [0, 0, 1, 1, 2, 0, 2, 3]);
    }

    #[test]
    fn what_is_in_flight_is_kept_at_the_instants_and_no_others() {
        let mut looks = Looks::new(Arc::new([10, 20, 30, 40]));
        for (now_ns, in_flight) in [(5, 1), (10, 2), (25, 3), (26, 4)] {
            if now_ns >= looks.next_ns {
                looks.pass(now_ns, in_flight);
            }
        }
        assert_eq!(looks.finish(7), [2, 3, 7, 7]);
    }
}
