//! ZeroMQ and the kernel's sockets: contexts, frames, endpoints, and what our own messages look like on the wire.
//!
//! Invariant: all unsafe code is here, but for the scheduling of threads (`machine::threads`).

pub(crate) mod address;
pub mod context;
pub mod errno;
pub mod frame;
pub mod header;
pub(crate) mod ipc;
pub(crate) mod observation;
pub(crate) mod peers;
pub(crate) mod sockets;
pub mod stations;
pub(crate) mod tracer;
