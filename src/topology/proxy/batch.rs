//! Engine `batch`: drains both sides per wake and never blocks in a send.
//!
//! While anything moves it does not wait at all, and each side gets a burst before the other, so neither starves. A
//! request that the workers have no room for is held back, its side is not read further, and replies go on: that is
//! what keeps it from the deadlock of loops that block. Towards the clients no send is ever refused: ROUTER drops what
//! a client has no room for.

use super::{Tally, forward_rest, uninterrupted, wait};
use crate::topology::context::Socket;
use crate::topology::counters::ProxyCounters;
use crate::topology::errno::Errno;
use crate::topology::frame::Frame;

/// Messages that one side may move before the other has its turn.
const BURST: u32 = 256;

/// One direction, and the frame it was not allowed to send.
struct Direction<'a> {
    from: &'a Socket,
    to: &'a Socket,
    frame: Frame,
    /// `frame` holds the beginning of a message that the other side had no room for.
    held: bool,
}

pub(super) fn run(
    frontend: &Socket,
    backend: &Socket,
    counters: &ProxyCounters,
) -> Result<(), Errno> {
    let mut requests = Direction { from: frontend, to: backend, frame: Frame::new(), held: false };
    let mut replies = Direction { from: backend, to: frontend, frame: Frame::new(), held: false };
    let mut tally = Tally::default();
    loop {
        let moved = requests.drain(&mut tally)? + replies.drain(&mut tally)?;
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
            wait([(frontend, events[0]), (backend, events[1])], -1)?;
            tally.wakes += 1;
        }
    }
}

impl Direction<'_> {
    /// Moves messages until there are none, there is no room, or the burst is over; says how many.
    #[inline]
    fn drain(&mut self, tally: &mut Tally) -> Result<u32, Errno> {
        for moved in 0..BURST {
            if !self.held {
                match uninterrupted(|| self.frame.receive(self.from, zmq::DONTWAIT)) {
                    Ok(()) => tally.messages_in += 1,
                    Err(Errno::AGAIN) => return Ok(moved),
                    Err(errno) => return Err(errno),
                }
            }
            // The sign that more frames follow stays with a frame that was refused.
            let more = self.frame.more();
            let flags = if more { zmq::DONTWAIT | zmq::SNDMORE } else { zmq::DONTWAIT };
            match uninterrupted(|| self.frame.send(self.to, flags)) {
                Ok(()) => self.held = false,
                Err(Errno::AGAIN) => {
                    self.held = true;
                    return Ok(moved);
                }
                Err(errno) => return Err(errno),
            }
            forward_rest(self.from, self.to, &mut self.frame, more, tally)?;
        }
        Ok(BURST)
    }
}
