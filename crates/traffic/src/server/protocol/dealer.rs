//! Protocol `dealer`: all frames go back as they came, as often as planned. Hot path.

use super::Talk;
use crate::server::request::Request;
use crate::wire::{Errno, Socket};

pub(in crate::server) struct Dealer(pub(in crate::server) Socket);

impl Talk for Dealer {
    #[inline]
    fn receive(&mut self, request: &mut Request) -> Result<u64, Errno> {
        request.receive(&self.0)
    }

    #[inline]
    fn send_back(&mut self, request: &mut Request, last: bool) -> Result<(), Errno> {
        request.send_back(&self.0, last)
    }
}
