//! A number that one thread of a run writes and others read while it runs.
//!
//! It has a single writer: no read-modify-write, no contention, and a reader sees a value that was true a moment ago.

use std::sync::atomic::{AtomicU64, Ordering};

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
