//! What is known of one shard of a run, beside what is added up over all of them.

use super::{HostUse, Start};
use crate::plan::Share;
use crate::record::{Completed, EncodedLatencies, Ledger, Strangers, Unheard};

/// One shard of a run.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Which one.
    pub share: Share,
    /// The name of its host.
    pub host: String,
    /// When it started.
    pub start: Option<Start>,
    /// Versions of zload and libzmq, and the build.
    pub build: String,
    /// It is a debug build.
    pub debug_build: bool,
    /// Its libzmq was compiled without the settings that make it faster.
    pub slow_libzmq: bool,
    /// Its end was asked for before the plan was over.
    pub interrupted: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Where every message of its measured part went.
    pub ledger: Ledger,
    /// Length of its measured window, in nanoseconds.
    pub window_ns: u64,
    /// What its rates are made of.
    pub completed: Completed,
    /// Messages that its clients sent or received within `server_window_ns`, and the bytes of their bodies.
    pub traffic: (u64, u64),
    /// Time between the two readings of that.
    pub server_window_ns: u64,
    /// Response time to each request's first reply; `None` if none came.
    pub first_reply: Option<EncodedLatencies>,
    /// Messages that answer no request, as far as they are kept to be shown.
    pub strangers: Strangers,
    /// Clients that sent and got nothing at all.
    pub unheard: Unheard,
    /// What the machine and the threads did in the window.
    pub host_use: Option<HostUse>,
    /// Smallest step of the clock, in nanoseconds.
    pub clock_resolution_ns: Option<u64>,
}

impl Shard {
    /// Its name and its host, as sentences name it.
    pub fn name(&self) -> String {
        format!("shard {} ({})", self.share.index(), self.host)
    }
}
