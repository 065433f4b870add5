//! What a result says of the probe clients (`clients.probes`), which are in none of its other figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::Each;
use super::summary::{Basis, OfRequest};
use super::{LatencySummary, Ledger};
use zload_core::facts::MeasuredByProbes;
use zload_core::plan::{Offered, Plan};
use zload_core::record::{LatencyHistogram, Trace};

/// What the probe clients sent and saw, on a driver of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeFigures {
    /// How many there are.
    pub clients: u32,
    /// Requests per second of all of them together, on average, by plan.
    pub offered_per_s: f64,
    /// Where every message of theirs went.
    pub ledger: Ledger,
    /// Response time to a request's first reply.
    pub first_reply: LatencySummary,
    /// Service time (from sent) to a request's first reply.
    pub service: LatencySummary,
}

impl ProbeFigures {
    /// Those of a run of this plan, or of `each` of several as one; `None` without probes.
    pub(super) fn new(
        plan: &Plan,
        run: Option<&MeasuredByProbes>,
        each: &Each<'_>,
    ) -> Option<Self> {
        let (of_probes, recorded) = (plan.of_probes()?, &run?.recorded);
        let Offered::Open { rate, .. } = of_probes.offered() else { return None };
        let traces = recorded.traces.intended_from(plan.warmup_ns());
        let row = |latencies: &LatencyHistogram,
                   of: fn(&Self) -> &LatencySummary,
                   value: fn(&Trace) -> u64| {
            if each.runs.is_empty() {
                let requests: Vec<OfRequest> =
                    traces.iter().map(|trace| OfRequest::one(value(trace))).collect();
                return LatencySummary::new(latencies, Basis::Run(&requests));
            }
            let runs: Vec<&LatencySummary> =
                each.runs.iter().filter_map(|run| run.probes.as_ref()).map(of).collect();
            LatencySummary::new(latencies, Basis::of_runs(&runs, each.same_plan))
        };
        let summary = |latencies, of, value| {
            let row = row(latencies, of, value);
            if plan.is_unlike() { row.without_percentiles() } else { row }
        };
        Some(Self {
            clients: plan.probes(),
            offered_per_s: *rate,
            ledger: recorded.ledger,
            first_reply: summary(&recorded.first_reply, |of| &of.first_reply, Trace::response_ns),
            service: summary(&recorded.service, |of| &of.service, Trace::service_ns),
        })
    }
}
