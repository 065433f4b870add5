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
pub(crate) mod tracker;
mod waiter;
mod world;
mod zmtp_world;

use std::sync::Arc;

use crate::Error;
use crate::machine::{Sum, ThreadId};
use crate::wire::Errno;
use zload_core::message::Forms;
use zload_core::plan::{Plan, Share};
use zload_core::record::{Recorded, SecondSlice};
use zload_core::scenario::{ClientEngine, Nanos, Sockets, StopCondition};

pub(crate) use side::Clients;

/// What the clients' side depends on.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) plan: Arc<Plan>,
    /// Which of its clients are played here, and what their identities are drawn from.
    pub(crate) share: Share,
    pub(crate) nonce: u64,
    /// Whether each second is kept as it was.
    pub(crate) keeps_seconds: bool,
    pub(crate) forms: Arc<Forms>,
    pub(crate) endpoint: String,
    pub(crate) engine: ClientEngine,
    pub(crate) sockets: Sockets,
    pub(crate) io_threads: u32,
    pub(crate) drivers: u32,
    pub(crate) connect_timeout: Nanos,
    pub(crate) stop_when: Vec<StopCondition>,
}

impl Settings {
    /// How many clients are played here, probes included.
    pub(crate) fn clients(&self) -> u32 {
        self.share.number_of(self.plan.clients()) + self.plan.probes()
    }
}

/// What a driver reports to the controller.
pub(crate) enum Event {
    Connected(ThreadId),
    NotConnected(Error),
    /// Not all clients' handshakes were done in time.
    TimedOut,
    Second(Box<SecondSlice>),
    Ended(Box<Result<Recorded, Errno>>),
    /// The same of the driver of the probes.
    ProbesConnected(ThreadId),
    ProbesEnded(Box<Result<Recorded, Errno>>),
}

/// What one driver has done, for those who watch it. Aligned so that two writers never share a cache line.
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
    pub(crate) in_flight: Sum,
    /// Returns from waiting.
    pub(crate) wakes: Sum,
    /// Connections of zload's own engine that ended, by their peer, by a reset, by a frame that is too long, by silence.
    pub(crate) closed: Sum,
    pub(crate) reset: Sum,
    pub(crate) too_long: Sum,
    pub(crate) silent: Sum,
    /// Those that were made again, and requests that were lost with those that ended.
    pub(crate) made: Sum,
    pub(crate) lost_with_connection: Sum,
    /// How often the kernel did not take what a client sent, as the server did not read, and the most bytes that it then had.
    pub(crate) window_closed: Sum,
    pub(crate) most_unsent: Sum,
}
