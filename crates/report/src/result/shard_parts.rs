//! What a shard's file holds of each operation and each stage, and how that is written and read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use zload_core::record::{
    EncodedLatencies, LatencyHistogram, OperationRecord, StageRecord, decoded,
};

/// A distribution of the file; says its name if zload did not write it.
pub(super) fn read(name: &str, of: Option<&EncodedLatencies>) -> Result<LatencyHistogram, String> {
    decoded(of).ok_or_else(|| format!("`{name}` is not a latency distribution that zload wrote"))
}

/// What became of the requests of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardOperation {
    /// Requests sent.
    pub sent: u64,
    /// Those of which every expected reply came.
    pub answered: u64,
    /// Those of them with an error among their replies.
    pub failed: u64,
    /// Those of which an expected reply never came.
    pub lost: u64,
    /// Response time to the first reply, unless it is an error.
    pub first_reply: Option<EncodedLatencies>,
}

/// What became of the requests that were intended in one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardStage {
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
    pub first_reply: Option<EncodedLatencies>,
    /// Response time to the last reply, where that is not the first.
    pub last_reply: Option<EncodedLatencies>,
}

impl ShardOperation {
    pub(super) fn of(record: &OperationRecord) -> Self {
        let OperationRecord { sent, answered, failed, lost, ref first_reply } = *record;
        Self { sent, answered, failed, lost, first_reply: EncodedLatencies::of(first_reply) }
    }

    pub(super) fn record(&self) -> Result<OperationRecord, String> {
        let Self { sent, answered, failed, lost, ref first_reply } = *self;
        let first_reply = read("operations.first_reply", first_reply.as_ref())?;
        Ok(OperationRecord { sent, answered, failed, lost, first_reply })
    }
}

impl ShardStage {
    pub(super) fn of(record: &StageRecord) -> Self {
        Self {
            sent: record.sent,
            answered: record.answered,
            silent: record.silent,
            lost: record.lost,
            unsent: record.unsent,
            replies_expected: record.replies_expected,
            replies_lost: record.replies_lost,
            first_reply: EncodedLatencies::of(&record.first_reply),
            last_reply: EncodedLatencies::of(&record.last_reply),
        }
    }

    pub(super) fn record(&self) -> Result<StageRecord, String> {
        Ok(StageRecord {
            sent: self.sent,
            answered: self.answered,
            silent: self.silent,
            lost: self.lost,
            unsent: self.unsent,
            replies_expected: self.replies_expected,
            replies_lost: self.replies_lost,
            first_reply: read("stages.first_reply", self.first_reply.as_ref())?,
            last_reply: read("stages.last_reply", self.last_reply.as_ref())?,
        })
    }

    /// All of it that is added up and is no distribution.
    pub(super) fn numbers(&self) -> [u64; 7] {
        let Self { sent, answered, silent, lost, unsent, replies_expected, replies_lost, .. } =
            *self;
        [sent, answered, silent, lost, unsent, replies_expected, replies_lost]
    }
}
