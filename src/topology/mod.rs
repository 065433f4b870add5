//! What makes it happen: the only room that starts threads or names ZeroMQ.
//!
//! [`run()`] plays a plan with clients and, unless the engine is external, a server; [`serve()`] is the server alone;
//! [`ServerProcess`] is a server of the user's own.
//! Both end when the plan does, when the caller asks for it, or when nothing moves any more, and both say what was
//! measured until then.

mod address;
mod cgroup;
pub mod clock;
pub mod errno;
pub mod stop;
mod client;
mod clients;
mod connect;
mod controller;
pub mod context;
pub mod counters;
mod driver;
pub mod frame;
mod gauge;
pub mod hiccups;
pub mod host;
mod ipc;
pub mod leftovers;
mod limits;
mod memory;
mod peers;
pub mod planted;
mod process;
pub mod proxy;
mod rehearsal;
mod run;
mod serve;
mod server;
mod sockets;
mod sockets_world;
pub mod stations;
mod threads;
mod trace;
mod tracker;
mod waiter;
mod watch;
pub mod wire;
mod worker;
mod world;

pub use address::is_beyond_loopback;
pub use limits::has_memory_to_begin;
pub use process::{ServerEnd, ServerProcess, ServerUse, become_server, guard};
pub use run::{DriverFigures, Measured, run, run_against};
pub use serve::{Served, Serving, serve};
pub use server::ServerTotals;

/// Version of the libzmq that is linked.
pub fn libzmq_version() -> String {
    let (major, minor, patch) = zmq::version();
    format!("{major}.{minor}.{patch}")
}

/// Which part of a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients shake hands.
    Connect,
    /// Requests are served and not counted.
    Warmup,
    /// Requests are counted.
    Measure,
    /// Replies still owed are waited for.
    Drain,
    /// A server alone serves.
    Serve,
}

/// A run as it looks at one moment, for whoever watches it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    /// The part under way.
    pub phase: Phase,
    /// How long this part has lasted, in nanoseconds.
    pub elapsed_ns: u64,
    /// How long this part will last at most, in nanoseconds; 0 if nobody knows.
    pub total_ns: u64,
    /// Requests per second, lately.
    pub requests_per_s: f64,
    /// Replies per second, lately.
    pub replies_per_s: f64,
    /// Median response time to first replies in the last full second.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the same.
    pub p99_ns: Option<u64>,
    /// Replies owed.
    pub in_flight: u64,
    /// Clients whose handshake is done.
    pub connected: u32,
    /// All clients.
    pub clients: u32,
}

impl Snapshot {
    /// The beginning of a phase: nothing has happened in it.
    fn begin(phase: Phase, clients: u32) -> Self {
        Self {
            phase,
            elapsed_ns: 0,
            total_ns: 0,
            requests_per_s: 0.0,
            replies_per_s: 0.0,
            p50_ns: None,
            p99_ns: None,
            in_flight: 0,
            connected: 0,
            clients,
        }
    }
}
