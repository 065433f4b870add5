//! Protocol `rep`: a real REP socket, which drops what has no empty frame before its body, and keeps the envelope itself.

use super::Talk;
use crate::server::request::Request;
use crate::wire::{Errno, Frame, Socket};

pub(in crate::server) struct Rep(pub(in crate::server) Socket);

impl Talk for Rep {
    #[inline]
    fn receive(&mut self, request: &mut Request) -> Result<u64, Errno> {
        request.receive_body(&self.0, 0, true)
    }

    #[inline]
    fn send_back(&mut self, request: &mut Request, last: bool) -> Result<(), Errno> {
        request.send_body(&self.0, last)
    }

    /// A REP socket takes no request before it has answered the last one.
    fn pass(&mut self) -> Result<(), Errno> {
        Frame::new().send(&self.0, 0)
    }
}
