//! The machine that zload runs on: its clock, its threads, its limits, and what it did meanwhile.
//!
//! Only the wait for names, limits and the stop are anything that a run waits for. Invariant: no room above this one is
//! named here, and so no client, server or ZeroMQ's socket.

pub mod cgroup;
pub mod clock;
pub mod hiccups;
pub mod host;
pub mod limits;
pub mod rehearsal;
pub mod stop;
pub mod threads;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

pub use clock::Clock;
pub use stop::Stop;
pub use threads::ThreadId;

/// A number that is unique at this time: of a run, or of an experiment.
pub fn unique_number() -> u64 {
    // The keys of `RandomState` are the system's randomness once a thread, then counted on: each call gives others.
    RandomState::new().hash_one(std::process::id())
}

/// A number that one thread of a run writes and others read while it runs: no read-modify-write, no contention, and a
/// reader sees a value that was true a moment ago.
#[derive(Debug, Default)]
pub struct Sum(AtomicU64);

impl Sum {
    /// The value a moment ago.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Publishes a value. Only the one writer calls this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to the value. Only the one writer calls this.
    #[inline]
    pub fn add(&self, more: u64) {
        self.set(self.get() + more);
    }
}
