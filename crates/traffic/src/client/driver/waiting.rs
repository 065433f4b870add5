//! A driver's waits: how long they are, and how long a reply has waited for them to end.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Driver, LATE_SEND_NS};
use crate::client::tracker::Came;
use crate::client::world::World;
use crate::wire::Errno;
use zload_core::record::Exchange;

/// The longest wait: seconds that are over are handed out this often.
const LONGEST_WAIT_NS: u64 = 100_000_000;

impl<W: World> Driver<W> {
    /// Waits until there is news of a client, the next instant of the plan comes, or the end is asked for.
    pub(super) fn wait(&mut self) -> Result<(), Errno> {
        let now_ns = self.world.now_ns();
        let edges = [self.send_end_ns, self.send_end_ns + LATE_SEND_NS, self.drain_end_ns];
        let to_come = edges.into_iter().filter(|edge_ns| *edge_ns > now_ns);
        let (roughly_ns, timeout_ns) = self.next_timeout_ns(now_ns);
        let until_ns = to_come.fold(roughly_ns.min(now_ns + LONGEST_WAIT_NS), u64::min);
        let timer = self.timers.peek().map(|Reverse((due_ns, _))| *due_ns);
        let due_ns = [timer, timeout_ns].into_iter().flatten().min();
        let wait_ns = if self.ready.is_empty() { until_ns - now_ns } else { 0 };
        let due_in_ns = due_ns.map(|due_ns| due_ns.saturating_sub(now_ns));
        let slept = self.world.wait(wait_ns, due_in_ns, &mut self.moved)?;
        self.around.counters.wakes.add(u64::from(slept));
        if slept {
            self.asleep = now_ns..u64::MAX;
        }
        for position in 0..self.moved.len() {
            self.queue(self.moved[position]);
        }
        Ok(())
    }

    /// It is awake at this instant: the first one after a sleep is its end.
    #[inline]
    pub(super) fn awake_by(&mut self, now_ns: u64) {
        self.asleep.end = self.asleep.end.min(now_ns);
    }

    /// The first reply to a request that was given up is not waited for any more.
    pub(super) fn ask_no_more(&mut self, index: u32, exchange: &Exchange) {
        let key = self.clients[index as usize].key(exchange.request);
        if exchange.track.is_some() && exchange.received == 0 && self.tracker.follows(key) {
            self.world.ask_arrivals(index, false);
        }
    }
}

/// How a reply came that a driver takes at this instant.
#[inline]
pub(super) fn came<W: World>(world: &W, asleep: &Range<u64>, received_ns: u64) -> Came {
    let arrived_ns = world.arrived_ns();
    let waking_ns = asleep.end.saturating_sub(arrived_ns.max(asleep.start));
    Came { received_ns, arrived_ns, waking_ns }
}
