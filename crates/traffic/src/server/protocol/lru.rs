//! Protocol `lru`: the worker of the guide's load-balancing broker, which says READY and from then on is ready again with
//! each reply.
//!
//! What the guide's worker cannot do is said to zload's own engine by two signs: the frame before a reply that others follow
//! is not empty, and a request without a reply ends with another READY.

use super::{Talk, say};
use crate::server::request::Request;
use crate::wire::{Errno, Frame, Socket};

/// What a worker says when it is ready and has no reply to send.
const READY: &[u8] = b"READY";
/// In the place of the empty frame before a reply: more replies follow.
const MORE: &[u8] = b"+";

pub(in crate::server) struct Lru {
    socket: Socket,
    delimiter: Frame,
}

impl Lru {
    /// Announces the worker.
    pub(in crate::server) fn start(socket: Socket) -> Result<Self, Errno> {
        let mut lru = Self { socket, delimiter: Frame::new() };
        lru.pass()?;
        Ok(lru)
    }
}

impl Talk for Lru {
    #[inline]
    fn receive(&mut self, request: &mut Request) -> Result<u64, Errno> {
        loop {
            self.delimiter.receive(&self.socket, 0)?;
            if self.delimiter.more() {
                return request.receive(&self.socket);
            }
        }
    }

    #[inline]
    fn send_back(&mut self, request: &mut Request, last: bool) -> Result<(), Errno> {
        let mut delimiter = if last { Frame::new() } else { super::frame(MORE)? };
        delimiter.send(&self.socket, zmq::SNDMORE)?;
        request.send_back(&self.socket, last)
    }

    fn pass(&mut self) -> Result<(), Errno> {
        say(&self.socket, &[b"", READY], 0)
    }
}
