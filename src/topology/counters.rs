//! Counters that one thread of a run writes and others read while it runs.
//!
//! Each has a single writer, which stores sums it keeps itself: no read-modify-write, no contention, and a reader sees
//! a value that was true a moment ago. Aligned so that two writers never share a cache line.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the proxy has moved.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ProxyCounters {
    /// Messages taken from either side.
    pub messages_in: Sum,
    /// Messages handed to the other side.
    pub messages_out: Sum,
    /// Bytes of their bodies.
    pub bytes: Sum,
    /// Returns from waiting.
    pub wakes: Sum,
}

/// What one worker has done.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    /// Requests taken.
    pub requests: Sum,
    /// Messages that had no body, or too many frames: nothing is sent back for them.
    pub refused: Sum,
    /// Replies sent.
    pub replies: Sum,
    /// Bytes of the bodies of both.
    pub bytes: Sum,
    /// What it is doing, a [`WorkerState`].
    state: AtomicU64,
}

/// What a worker is doing, for the watch that tells waiting from being stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum WorkerState {
    /// Waiting for a request.
    Idle,
    /// In a planned delay.
    Delaying,
    /// Handing a reply to ZeroMQ, which may make it wait.
    Sending,
}

/// What one driver has done.
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
    /// Replies owed.
    pub in_flight: Sum,
    /// Returns from waiting.
    pub wakes: Sum,
}

/// A number with one writer and any readers.
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

impl WorkerCounters {
    /// Publishes what the worker does now.
    #[inline]
    pub fn enter(&self, state: WorkerState) {
        self.state.store(state as u64, Ordering::Relaxed);
    }

    /// Whether the worker is in `state`.
    pub fn is(&self, state: WorkerState) -> bool {
        self.state.load(Ordering::Relaxed) == state as u64
    }
}
