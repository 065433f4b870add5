//! The clients' side of a run: drivers, each a thread with many clients, over a world that tests can replace.
//!
//! Invariant: a driver, its clients and its tracker touch nothing but a `World`.

mod connect;
mod messages;
mod driver;
mod replies;
mod side;
mod sockets_world;
mod state;
pub mod tracker;
mod waiter;
mod world;
mod zmtp_world;

use std::sync::Arc;

use crate::Error;
use crate::machine::{Sum, ThreadId};
use crate::wire::{Errno, routes::Routes};
use zload_core::message::Forms;
use zload_core::plan::{Plan, Share};
use zload_core::record::{Recorded, SecondSlice};
use zload_core::scenario::{ClientEngine, Nanos, Sockets, StopCondition};

pub use side::Clients;

/// What the clients' side depends on.
#[derive(Clone)]
pub struct Settings {
    /// What is played.
    pub plan: Arc<Plan>,
    /// Which of its clients are played here.
    pub share: Share,
    /// What their identities are drawn from.
    pub nonce: u64,
    /// Whether each second is kept as it was.
    pub keeps_seconds: bool,
    /// How requests look and replies are matched.
    pub forms: Arc<Forms>,
    /// Where each of them connects to, and from where.
    pub routes: Routes,
    /// Each driver has a table of descriptors of its own.
    pub own_tables: bool,
    /// Who speaks ZMTP for them.
    pub engine: ClientEngine,
    /// The options of their sockets.
    pub sockets: Sockets,
    /// Threads of their ZeroMQ context.
    pub io_threads: u32,
    /// Threads that play them.
    pub drivers: u32,
    /// How long connecting may take.
    pub connect_timeout: Nanos,
    /// What ends the sending early.
    pub stop_when: Vec<StopCondition>,
}

impl Settings {
    /// How many clients are played here, probes included.
    pub fn clients(&self) -> u32 {
        self.share.number_of(self.plan.clients()) + self.plan.probes()
    }
}

/// What a driver reports to the controller.
pub enum Event {
    /// All its clients are connected.
    Connected(ThreadId),
    /// They cannot be.
    NotConnected(Error),
    /// Not all clients' handshakes were done in time.
    TimedOut,
    /// A second is over.
    Second(Box<SecondSlice>),
    /// The plan is, or its sockets failed.
    Ended(Box<Result<Recorded, Errno>>),
    /// The probes are connected.
    ProbesConnected(ThreadId),
    /// Their plan is over, or their sockets failed.
    ProbesEnded(Box<Result<Recorded, Errno>>),
}

/// What one driver has done, for those who watch it. Aligned so that two writers never share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct DriverCounters {
    /// Clients whose handshake is done.
    pub connected: Sum,
    /// Requests sent, warm-up included.
    pub requests: Sum,
    /// Messages received, whatever they are.
    pub replies: Sum,
    /// Bytes of the bodies of both.
    pub bytes: Sum,
    /// Replies outstanding.
    pub in_flight: Sum,
    /// Returns from waiting.
    pub wakes: Sum,
    /// Connections of zload's own engine that their peer ended.
    pub closed: Sum,
    /// By a reset.
    pub reset: Sum,
    /// By a frame that is too long.
    pub too_long: Sum,
    /// By silence.
    pub silent: Sum,
    /// Those that were made again.
    pub made: Sum,
    /// Requests that were lost with those that ended.
    pub lost_with_connection: Sum,
    /// How often the kernel did not take what a client sent, as the server did not read.
    pub window_closed: Sum,
    /// The most bytes that it then had.
    pub most_unsent: Sum,
}
