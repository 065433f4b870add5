//! Engine `batch`: drains both sides per wake and never blocks in a send.
//!
//! While anything moves it does not wait at all, and each side gets a burst before the other, so neither starves. A
//! request that the workers have no room for is held back, its side is not read further, and replies go on: that is
//! what keeps it from the deadlock of loops that block. Towards the clients no send is ever refused: ROUTER drops what
//! a client has no room for.

use super::direction::{self, Tally};
use super::wait;
use crate::server::counters::ProxyCounters;
use crate::wire::{Errno, Socket, Stations};

/// Messages that one side may move before the other has its turn.
const BURST: u32 = 256;

pub(super) fn run(
    frontend: &Socket,
    backend: &Socket,
    counters: &ProxyCounters,
    stations: Option<&Stations>,
) -> Result<(), Errno> {
    let [mut requests, mut replies] = direction::both(frontend, backend, stations);
    let mut tally = Tally::default();
    loop {
        let moved = requests.drain(BURST, &mut tally)? + replies.drain(BURST, &mut tally)?;
        tally.publish(counters);
        if moved == 0 {
            let mut events = [zmq::PollEvents::empty(); 2];
            for (direction, from, to) in [(&requests, 0, 1), (&replies, 1, 0)] {
                if direction.held {
                    events[to] |= zmq::POLLOUT;
                } else {
                    events[from] |= zmq::POLLIN;
                }
            }
            wait([(frontend, events[0]), (backend, events[1])])?;
            tally.wakes += 1;
        }
    }
}
