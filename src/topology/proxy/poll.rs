//! Engine `poll`: the guide's own loop, one message of each side per wake.
//!
//! It sends as the example does, and so may block: with finite high-water marks and several replies to a request it
//! can wait for workers that wait for it. That is what the loop does, so that is what is measured.

use super::{Tally, forward_rest, uninterrupted, wait_readable};
use crate::topology::context::Socket;
use crate::topology::counters::ProxyCounters;
use crate::topology::errno::Errno;
use crate::topology::frame::Frame;

pub(super) fn run(
    frontend: &Socket,
    backend: &Socket,
    counters: &ProxyCounters,
) -> Result<(), Errno> {
    let mut frame = Frame::new();
    let mut tally = Tally::default();
    loop {
        let [from_clients, from_workers] = wait_readable(frontend, backend)?;
        tally.wakes += 1;
        if from_clients {
            forward(frontend, backend, &mut frame, &mut tally)?;
        }
        if from_workers {
            forward(backend, frontend, &mut frame, &mut tally)?;
        }
        tally.publish(counters);
    }
}

/// Moves one message, however long that takes.
fn forward(from: &Socket, to: &Socket, frame: &mut Frame, tally: &mut Tally) -> Result<(), Errno> {
    uninterrupted(|| frame.receive(from, 0))?;
    tally.messages_in += 1;
    let more = frame.more();
    uninterrupted(|| frame.send(to, if more { zmq::SNDMORE } else { 0 }))?;
    forward_rest(from, to, frame, more, tally)
}
