//! Engine `poll`: the guide's own loop, one message of each side per wake.
//!
//! It sends as the example does, and so may block: with finite high-water marks and several replies to a request it
//! can wait for workers that wait for it. That is what the loop does, so that is what is measured.

use super::direction::{self, Tally};
use super::wait;
use crate::server::counters::ProxyCounters;
use crate::wire::{Errno, Socket, Stations};

pub(super) fn run(
    frontend: &Socket,
    backend: &Socket,
    counters: &ProxyCounters,
    stations: Option<&Stations>,
) -> Result<(), Errno> {
    let [mut requests, mut replies] = direction::both(frontend, backend, stations);
    let mut tally = Tally::default();
    loop {
        let [from_clients, from_workers] = wait([(frontend, zmq::POLLIN), (backend, zmq::POLLIN)])?;
        tally.wakes += 1;
        if from_clients.contains(zmq::POLLIN) {
            requests.forward(&mut tally)?;
        }
        if from_workers.contains(zmq::POLLIN) {
            replies.forward(&mut tally)?;
        }
        tally.publish(counters);
    }
}
