//! Waiting for many sockets and for the next instant of the plan, to the microsecond and without burning a core.
//!
//! Its cost follows the sockets that moved and not those that are idle. Invariant: it never waits longer than asked.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, epoll, poll};

use crate::machine::stop::timespec;
use crate::wire::Errno;
use zload_core::{plan::Plan, quantity::saturating};

/// The longest time before a send that is spent awake: about what a sleeping thread is woken late on a virtual machine.
const LONGEST_SPIN_NS: u64 = 100_000;

pub(super) struct Waiter {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    /// How long before a send the driver is awake.
    spin_ns: u64,
}

impl Waiter {
    /// Waits on `epoll` for a driver of this many of the plan's clients.
    pub(super) fn new(epoll: OwnedFd, plan: &Plan, clients: usize) -> Self {
        let spin_ns = spin_before_send_ns(plan, clients);
        Self { epoll, events: Vec::with_capacity(256), spin_ns }
    }

    /// Where sockets are registered.
    pub(super) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Waits at most `wait_ns` for sockets to move, and at most until `due_in_ns` from now; says whether it slept.
    ///
    /// Close to what is due it only looks and returns, so that the caller goes on taking replies as they come.
    pub(super) fn wait(&mut self, mut wait_ns: u64, due_in_ns: Option<u64>) -> Result<bool, Errno> {
        let mut slept = false;
        if let Some(due_in_ns) = due_in_ns
            && wait_ns > 0
        {
            let asleep_ns = wait_ns.min(due_in_ns.saturating_sub(self.spin_ns));
            if asleep_ns > 0 {
                // epoll_wait counts in milliseconds; polling its descriptor counts in nanoseconds.
                let asleep = timespec(Duration::from_nanos(asleep_ns));
                let mut epoll = [PollFd::new(&self.epoll, PollFlags::IN)];
                unless_interrupted(poll(&mut epoll, Some(&asleep)))?;
                slept = true;
            }
            wait_ns = 0;
        }
        let rest = timespec(Duration::from_nanos(wait_ns));
        self.events.clear();
        let moved = epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&rest));
        unless_interrupted(moved)?;
        Ok(slept || wait_ns > 0)
    }

    /// How many events the last wait brought.
    #[inline]
    pub(super) fn told(&self) -> usize {
        self.events.len()
    }

    /// One of them: which client's, and what it tells; `None` for the stop.
    #[inline]
    pub(super) fn event(&self, place: usize) -> Option<(u32, epoll::EventFlags)> {
        let event = &self.events[place];
        u32::try_from(event.data.u64()).ok().map(|client| (client, event.flags))
    }

    /// The clients whose descriptors moved in the last wait.
    pub(super) fn moved(&self) -> impl Iterator<Item = u32> {
        (0..self.told()).filter_map(|place| Some(self.event(place)?.0))
    }
}

/// How long before each send a driver of this many clients stays awake: at most a seventh of the time between its
/// sends, so that punctuality never takes more than that share of a processor.
fn spin_before_send_ns(plan: &Plan, clients: usize) -> u64 {
    let Some(requests_per_s) = plan.summary().requests_per_s else { return 0 };
    let own_share = requests_per_s * clients as f64 / f64::from(plan.clients());
    saturating(1e9 / own_share / 7.0).min(LONGEST_SPIN_NS)
}

/// A wait that a signal cut short is only a shorter wait.
fn unless_interrupted(waited: rustix::io::Result<usize>) -> Result<(), Errno> {
    match waited {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Errno(error.raw_os_error())),
    }
}
