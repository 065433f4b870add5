//! What a driver has done, for those who watch it. Aligned so that two writers never share a cache line.

use crate::machine::counter::Sum;

/// What one driver has done.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct DriverCounters {
    /// Clients whose handshake is done.
    pub(crate) connected: Sum,
    /// Requests sent, warm-up included.
    pub(crate) requests: Sum,
    /// Messages received, whatever they are.
    pub(crate) replies: Sum,
    /// Bytes of the bodies of both.
    pub(crate) bytes: Sum,
    /// Replies owed.
    pub(crate) in_flight: Sum,
    /// Returns from waiting.
    pub(crate) wakes: Sum,
}
