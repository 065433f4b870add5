//! When the shards of one run begin: at an instant that shard 0 tells all (`--gather`), or at one of the wall clock
//! (`--start-at`).
//!
//! Shard 0 binds a ROUTER and the others connect by DEALER. Each says who it is; if all have come, and are alike, the run
//! has an id, and each connects its clients. When all have, clocks are compared and one instant is told. After that
//! nobody says anything. `host.rs` and `member.rs` are the two sides as pure machines, `sockets.rs` is what moves their
//! messages.

mod appointment;
mod host;
mod member;
mod message;
mod pings;
mod sockets;
#[cfg(test)]
mod tests;

pub(crate) use appointment::Appointment;
pub(crate) use message::Shard;
pub(crate) use sockets::Gathering;
