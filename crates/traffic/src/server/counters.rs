//! What proxy and workers have done, for those who watch them. Aligned so that two writers never share a cache line.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::machine::Sum;

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
