//! What an engine has moved.

use crate::server::counters::ProxyCounters;

/// What one engine has moved, summed without atomics and published after each wake.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    pub(super) bytes: u64,
    pub(super) wakes: u64,
}

impl Tally {
    #[inline]
    pub(super) fn publish(&self, counters: &ProxyCounters) {
        counters.messages_in.set(self.messages_in);
        counters.messages_out.set(self.messages_out);
        counters.bytes.set(self.bytes);
        counters.wakes.set(self.wakes);
    }
}
