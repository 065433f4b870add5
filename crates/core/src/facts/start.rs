//! When a part of a run started, and how well that is known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the plan started: the instant from which its own instants count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Start {
    /// Nanoseconds since 1970 (UTC): by the clock of the shard that gathered the others (`gather`), or by this host's.
    pub unix_ns: u64,
    /// What the start was agreed by.
    pub by: StartedBy,
    /// How far the instant may be off, in nanoseconds, to either side; null if nobody compared the clocks.
    #[serde(default)]
    pub bound_ns: Option<u64>,
}

/// How the parts of a run agreed on their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartedBy {
    /// Not at all: as soon as it was ready.
    None,
    /// An instant that all were told (`--start-at`), each by its own clock.
    Appointment,
    /// Shard 0 compared the clocks and told the instant (`--gather`).
    Gather,
}

impl Start {
    /// A start that was agreed with nobody, at this instant by the clock of this host.
    pub fn alone(unix_ns: u64) -> Self {
        Self { unix_ns, by: StartedBy::None, bound_ns: None }
    }
}
