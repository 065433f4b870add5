//! A request as a worker has it: who sent it, and every frame after that, so that it can go back as it came. Hot path.

use crate::wire::{Errno, Frame, Socket};
use zload_core::message::Frames;
use zload_core::scenario::MOST_FRAMES;

/// A request as it came.
#[derive(Default)]
pub(super) struct Request {
    /// Empty where the socket keeps it.
    pub(super) address: Frame,
    /// One frame from most clients; an empty one before it from those that speak as REQ does.
    pub(super) body: Vec<Frame>,
}

impl Frames for Request {
    fn count(&self) -> usize {
        self.body.len()
    }

    fn frame(&self, place: usize) -> &[u8] {
        self.body[place].bytes()
    }
}

impl Request {
    /// Receives a request, and gives the size of its last frame in bytes. Of one with too many frames none is kept but the
    /// address: nothing of it is sent back.
    #[inline]
    pub(super) fn receive(&mut self, socket: &Socket) -> Result<u64, Errno> {
        let size = self.address.receive(socket, 0)?;
        let more = self.address.more();
        self.receive_body(socket, size, more)
    }

    /// The same without an address, of which `size` bytes came and `more` frames are to come.
    #[inline]
    pub(super) fn receive_body(
        &mut self,
        socket: &Socket,
        mut size: usize,
        mut more: bool,
    ) -> Result<u64, Errno> {
        let mut frames = 0;
        while more {
            if self.body.len() == frames {
                self.body.push(Frame::new());
            }
            size = self.body[frames].receive(socket, 0)?;
            more = self.body[frames].more();
            // The last place is overwritten by all that have none.
            frames += usize::from(frames < MOST_FRAMES);
        }
        self.body.truncate(if frames < MOST_FRAMES { frames } else { 0 });
        Ok(size as u64)
    }

    /// Sends a copy back; the last copy is the request itself.
    #[inline]
    pub(super) fn send_back(&mut self, socket: &Socket, last: bool) -> Result<(), Errno> {
        if last {
            self.address.send(socket, zmq::SNDMORE)?;
        } else {
            self.address.share().send(socket, zmq::SNDMORE)?;
        }
        self.send_body(socket, last)
    }

    /// The same without the address.
    #[inline]
    pub(super) fn send_body(&mut self, socket: &Socket, last: bool) -> Result<(), Errno> {
        let end = self.body.len().saturating_sub(1);
        for (position, frame) in self.body.iter_mut().enumerate() {
            let flags = if position < end { zmq::SNDMORE } else { 0 };
            if last {
                frame.send(socket, flags)?;
            } else {
                frame.share().send(socket, flags)?;
            }
        }
        Ok(())
    }
}
