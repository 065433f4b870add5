//! What the engine hands over to the rooms that judge, save and show it: plain data.
//!
//! Invariant: nothing here touches the world, and every figure says when it is not known.

mod host;
mod measured;
mod revision;
mod server;
mod shard;
mod snapshot;
mod start;
mod stopping;

pub use host::{HostUse, MachineUse, QuotaUse, Role, Thread, ThreadCost};
pub use measured::{Connections, DriverFigures, Measured, MeasuredByProbes};
pub use revision::Revision;
pub use server::{Served, ServerEnd, ServerTotals, ServerUse};
pub use shard::Shard;
pub use snapshot::{Phase, Snapshot};
pub use start::{Start, StartedBy};
pub use stopping::Stopping;
