//! ZeroMQ and the kernel's sockets: contexts, frames, endpoints, and what zload's messages look like on the wire.
//!
//! Invariant: all unsafe code is here, but for the scheduling of threads (`machine::threads`).

pub(crate) mod address;
pub mod context;
pub(crate) mod dialer;
pub mod errno;
pub mod frame;
pub(crate) mod greeting;
pub(crate) mod ipc;
pub(crate) mod peers;
pub(crate) mod sockets;
pub mod stations;
pub(crate) mod tracer;

use std::sync::Arc;

pub(crate) use context::{Context, Socket};
pub(crate) use errno::Errno;
pub(crate) use frame::Frame;
pub(crate) use stations::{Station, Stations, Tag};
pub(crate) use tracer::Tracer;

/// How messages are watched as they pass, by clients and servers alike.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation<'a> {
    /// Shows each of them.
    pub(crate) tracer: Option<&'a Arc<Tracer>>,
    /// Timestamps those of sampled requests.
    pub(crate) stations: Option<&'a Arc<Stations>>,
}
