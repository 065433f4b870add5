//! The machine that zload runs on: its clock, its threads, its limits, and what it did meanwhile.
//!
//! Only the wait for names, limits and the stop are anything that a run waits for. Invariant: no room above this one is
//! named here, and so no client, server or ZeroMQ's socket.

pub mod burn_in;
mod cgroup;
pub mod clock;
pub mod counter;
pub mod environment;
pub mod hiccups;
pub mod host;
pub mod limits;
pub mod processors;
pub(crate) mod rehearsal;
pub mod stop;
pub(crate) mod threads;
