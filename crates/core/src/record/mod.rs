//! What happened: recorded by each driver for itself while it runs, merged when it has ended.
//!
//! Everything here is of constant size however long the run, except for requests that expect a reply.
//! Invariant: nothing here reads a clock or a socket; instants come in as nanoseconds from the plan's start.

mod cycles;
mod encoded;
mod heat_map;
mod hops;
mod latency;
mod ledger;
mod operation;
mod outstanding;
mod packed;
mod recorded;
mod recorder;
mod seconds;
mod series;
mod stages;
mod strangers;
mod unheard;
mod trace;
mod traces;

pub use cycles::{Completed, Cycles, Open};
pub use encoded::{EncodedLatencies, MOST_VALUES, decode, decoded, encode};
pub use heat_map::{HeatColumn, HeatMap, MOST_BUCKETS, MOST_COLUMNS};
pub use hops::{Hops, Owners, Part};
pub use latency::{LatencyHistogram, rounded};
pub use ledger::Ledger;
pub use operation::OperationRecord;
pub use outstanding::{Exchange, Outstanding};
pub use packed::PackedTraces;
pub use recorded::Recorded;
pub use recorder::Recorder;
pub use seconds::Union;
pub use series::{KeptSecond, SecondSlice, Seconds, Series, SeriesEntry};
pub use stages::StageRecord;
pub use strangers::Strangers;
pub use trace::{Leg, Timestamps, Trace};
pub use traces::Traces;
pub use unheard::Unheard;

/// One second, in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;
