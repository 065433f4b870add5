//! How workers and their backend talk: one file for each protocol. Hot path.
//!
//! Invariant: a request goes back frame by frame as it came, whatever the protocol puts around it.

mod dealer;
mod lru;
mod majordomo;
mod mdp;
mod rep;

use super::request::Request;
use crate::wire::{Errno, Frame, Socket};

pub(super) use dealer::Dealer;
pub(super) use lru::Lru;
pub(super) use mdp::{Mdp, Reopen};
pub(super) use rep::Rep;

/// A worker's end of the conversation.
pub(super) trait Talk {
    /// Waits for the next request and gives the size of its last frame in bytes; its body has no frame if there is nothing
    /// to send back.
    fn receive(&mut self, request: &mut Request) -> Result<u64, Errno>;

    /// Sends a reply; with the last one the request is over.
    fn send_back(&mut self, request: &mut Request, last: bool) -> Result<(), Errno>;

    /// The request is over without a reply.
    fn pass(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    /// When [`Self::keep_alive`] must be called, by the worker's clock in nanoseconds, if it is busy then.
    #[inline]
    fn due_ns(&self) -> u64 {
        u64::MAX
    }

    /// Says that the worker is there.
    fn keep_alive(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    /// The worker ends.
    fn end(&mut self) {}
}

/// A frame with this content.
fn frame(content: &[u8]) -> Result<Frame, Errno> {
    let mut frame = Frame::filled(content.len(), 0)?;
    frame.bytes_mut().expect("a new frame is shared with nobody").copy_from_slice(content);
    Ok(frame)
}

/// Sends a short message, all of it or, if the first frame is refused, nothing.
fn say(socket: &Socket, frames: &[&[u8]], flags: i32) -> Result<(), Errno> {
    let last = frames.len() - 1;
    for (position, content) in frames.iter().enumerate() {
        let more = if position < last { zmq::SNDMORE } else { 0 };
        frame(content)?.send(socket, flags | more)?;
    }
    Ok(())
}
