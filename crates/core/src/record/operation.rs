//! One operation of a mix: what became of its requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Exchange, LatencyHistogram};
use crate::sum::{Merge, merge_fields};

/// What became of the counted requests of one operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationRecord {
    /// Requests sent.
    pub sent: u64,
    /// Those of which every expected reply came.
    pub answered: u64,
    /// Those of them with an error among their replies.
    pub failed: u64,
    /// Those of which an expected reply never came.
    pub lost: u64,
    /// Response time to the first reply, unless it is an error.
    #[serde(with = "super::encoded::whole")]
    #[schemars(with = "Option<super::EncodedLatencies>")]
    pub first_reply: LatencyHistogram,
}

impl OperationRecord {
    /// A reply came; `exchange` includes it.
    #[inline]
    pub(super) fn received(&mut self, exchange: &Exchange, response_ns: u64, failed: bool) {
        if exchange.received == 1 && !failed {
            self.first_reply.record(response_ns);
        }
        if exchange.received == exchange.owed {
            self.answered += 1;
            self.failed += u64::from(exchange.failed > 0);
        }
    }
}

merge_fields! {
    OperationRecord: sent, answered, failed, lost, first_reply
}

/// The operations of a mix, in order; parts of a run have the same.
impl Merge for Vec<OperationRecord> {
    fn merge(&mut self, other: &Self) {
        self.resize(self.len().max(other.len()), OperationRecord::default());
        self.iter_mut().zip(other).for_each(|(one, more)| one.merge(more));
    }
}
