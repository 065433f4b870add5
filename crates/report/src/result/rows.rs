//! The rows of a result: each distribution with what its percentiles and intervals rest on.
//!
//! Invariant: a row's intervals come from its own values and no other's.

use super::summary::{Basis, OfRequest};
use super::{HopFigures, Latency, LatencySummary, RunFigures};
use zload_core::record::{Hops, LatencyHistogram, Recorded, Trace, Traces};

/// The runs that are taken as one; none where there is but one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Each<'a> {
    pub(super) runs: &'a [RunFigures],
    /// Whether all sent the same requests.
    pub(super) same_plan: bool,
}

/// The latencies of a run, or of `each` of several as one.
pub(super) fn latency(recorded: &Recorded, traces: &[Trace], each: &Each<'_>) -> Latency {
    let summary = |latencies: &LatencyHistogram,
                   of: fn(&Latency) -> &LatencySummary,
                   value: fn(&Trace) -> Option<OfRequest>| {
        if each.runs.is_empty() {
            let requests: Vec<OfRequest> = traces.iter().filter_map(value).collect();
            return LatencySummary::new(latencies, Basis::Run(&requests));
        }
        let runs: Vec<&LatencySummary> = each.runs.iter().map(|run| of(&run.latency)).collect();
        LatencySummary::new(latencies, Basis::of_runs(&runs, each.same_plan))
    };
    Latency {
        first_reply: summary(
            &recorded.first_reply,
            |latency| &latency.first_reply,
            |trace| Some(OfRequest::one(trace.response_ns())),
        ),
        last_reply: summary(
            &recorded.last_reply,
            |latency| &latency.last_reply,
            |trace| trace.last_response_ns().map(OfRequest::one),
        ),
        reply: summary(
            &recorded.reply,
            |latency| &latency.reply,
            |trace| {
                let largest_ns = trace.last_response_ns()?;
                Some(OfRequest { least_ns: trace.response_ns(), largest_ns, values: trace.owed })
            },
        ),
        service: summary(
            &recorded.service,
            |latency| &latency.service,
            |trace| Some(OfRequest::one(trace.service_ns())),
        ),
        slip: summary(
            &recorded.slip,
            |latency| &latency.slip,
            |trace| Some(OfRequest::one(trace.sent_ns.saturating_sub(trace.intended_ns))),
        ),
    }
}

/// The hops of a run, or of `each` of several as one.
pub(super) fn hop_figures(
    hops: &Hops,
    sample: (&Traces, Option<u64>),
    each: &Each<'_>,
) -> HopFigures {
    HopFigures::new(hops, sample, |part, of| {
        if each.runs.is_empty() {
            let requests: Vec<OfRequest> = part.times.iter().copied().map(OfRequest::one).collect();
            return LatencySummary::new(&part.histogram, Basis::Run(&requests));
        }
        let runs = each.runs.iter().filter_map(|run| of(run.hops.as_ref()?).as_ref());
        LatencySummary::new(
            &part.histogram,
            Basis::of_runs(&runs.collect::<Vec<_>>(), each.same_plan),
        )
    })
}
