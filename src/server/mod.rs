//! The server side of a run: frontend, proxy, backend and workers; and servers with known faults for the selftest.

pub mod counters;
pub(crate) mod planted;
pub mod proxy;
mod side;
mod worker;

pub(crate) use side::{Server, Settings};
