//! ZeroMQ and the kernel's sockets: contexts, frames, endpoints, and what zload's messages look like on the wire.
//!
//! Invariant: all unsafe code is here, but for the scheduling of threads (`machine::threads`).

pub mod address;
pub mod arrival;
pub mod context;
pub mod dialer;
pub mod errno;
pub mod frame;
pub mod greeting;
pub mod ipc;
pub mod peers;
pub mod routes;
pub mod sockets;
pub mod stations;
pub mod tables;
pub mod tracer;

use std::sync::Arc;

pub use context::{Context, Socket};
pub use errno::Errno;
pub use frame::Frame;
pub use stations::{Station, Stations, Tag};
pub use tracer::Tracer;

/// How messages are watched as they pass, by clients and servers alike.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observation<'a> {
    /// Shows each of them.
    pub tracer: Option<&'a Arc<Tracer>>,
    /// Timestamps those of sampled requests.
    pub stations: Option<&'a Arc<Stations>>,
}
