//! What a result says of requests that have a form of their own (`[request]`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::summary::Basis;
use super::{Intervals, LatencySummary};
use zload_core::record::{LatencyHistogram, OperationRecord, Recorded};
use zload_core::scenario::Request;

/// Errors, the time between replies, and the operations of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestFigures {
    /// Response time of the replies that are errors; no other distribution counts them.
    pub failed: LatencySummary,
    /// Time between two successive replies to a request.
    pub gap: LatencySummary,
    /// The operations of the mix, in the scenario's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationFigures>,
}

/// What became of the requests of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationFigures {
    /// Its name in the scenario.
    pub name: String,
    /// Requests sent.
    pub requests_sent: u64,
    /// Requests of which every expected reply came.
    pub requests_answered: u64,
    /// Those of them with an error among their replies.
    pub requests_failed: u64,
    /// Requests of which at least one expected reply never came.
    pub requests_lost: u64,
    /// Response time to the first reply, unless that is an error.
    pub first_reply: LatencySummary,
}

impl RequestFigures {
    pub(super) fn new(request: &Request, recorded: &Recorded) -> Self {
        let named = request.mix.iter().map(|operation| &operation.name);
        Self {
            failed: summary(&recorded.failed),
            gap: summary(&recorded.gap),
            operations: named.zip(&recorded.operations).map(OperationFigures::new).collect(),
        }
    }
}

impl OperationFigures {
    fn new((name, record): (&String, &OperationRecord)) -> Self {
        Self {
            name: name.clone(),
            requests_sent: record.sent,
            requests_answered: record.answered,
            requests_failed: record.failed,
            requests_lost: record.lost,
            first_reply: summary(&record.first_reply),
        }
    }
}

/// A distribution of which no request was traced, so that its percentiles have no intervals.
fn summary(latencies: &LatencyHistogram) -> LatencySummary {
    let summary = LatencySummary::new(latencies, Basis::Computed);
    LatencySummary { intervals: Intervals::default(), ..summary }
}
