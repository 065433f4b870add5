//! What one driver recorded, or several merged.

use super::{
    Completed, LatencyHistogram, Ledger, OperationRecord, StageRecord, Strangers, Traces, Unheard,
};
use crate::sum::merge_fields;

/// What one driver recorded, or several merged.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Where every message of the measured part went.
    pub ledger: Ledger,
    /// Requests sent within the measured window, whatever they count for.
    pub window_requests: u64,
    /// Replies received within the measured window, whatever they count for.
    pub window_replies: u64,
    /// What the rates are made of: these two counts in an open load, each cycle's share of the window in a closed one.
    pub completed: Completed,
    /// Response time to each request's first reply.
    pub first_reply: LatencyHistogram,
    /// Response time to each request's last reply.
    pub last_reply: LatencyHistogram,
    /// Response time of every reply.
    pub reply: LatencyHistogram,
    /// Time from sent to each request's first reply.
    pub service: LatencyHistogram,
    /// Time between two successive replies to a request.
    pub gap: LatencyHistogram,
    /// Response time of replies that are errors, which are in none of the others.
    pub failed: LatencyHistogram,
    /// The operations of a mix, in order; none without a mix.
    pub operations: Vec<OperationRecord>,
    /// The stages of a load that has such, in order.
    pub stages: Vec<StageRecord>,
    /// Replies outstanding at the plan's looks ([`crate::plan::Plan::looks`]), added over what was merged.
    pub in_flight_at: Vec<u64>,
    /// Requests that were sent while their client waited for another one.
    pub overlapping: u64,
    /// Time from intended to sent.
    pub slip: LatencyHistogram,
    /// The traces of the sampled requests, warm-up included.
    pub traces: Traces,
    /// Counted requests that left late by more than their client's mean time between requests.
    pub late: u64,
    /// Those of them that ZeroMQ had refused when they were due.
    pub held_back: u64,
    /// Replies outstanding, summed over the time of the whole run, in replies times nanoseconds.
    pub in_flight_ns: u128,
    /// Time from sent until it came or was given up, summed over all expected replies, in nanoseconds. That this is
    /// the sum above is Little's law; it does not hold if an exchange is forgotten.
    pub sojourn_ns: u128,
    /// The rest of an interrupted plan was too long to be counted: planned and unsent go to the interruption.
    pub rest_uncounted: bool,
    /// When the measured window ended, of several drivers the last one's: at the planned end of the sending, or when the
    /// driver heard that it has to stop.
    pub window_end_ns: u64,
    /// Messages that answer no request, as far as they are kept to be shown.
    pub strangers: Strangers,
    /// Clients that sent and got nothing at all.
    pub unheard: Unheard,
}

merge_fields! {
    Recorded: ledger, window_requests, window_replies, completed, first_reply, last_reply, reply,
    service, gap, failed, operations, stages, in_flight_at, overlapping, slip, traces, late, held_back, in_flight_ns, sojourn_ns, rest_uncounted, strangers, unheard;
    max window_end_ns
}
