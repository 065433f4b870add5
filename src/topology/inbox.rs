//! The inbox: messages taken from a socket together, so that the clock is read once for all of them. Hot path.
//!
//! Messages that already wait are taken up to [`Inbox::MOST`] at a time, and count as received when the last of them has
//! been taken: for the first of a full inbox that is some 400 ns later than it could be, never earlier, and a message that
//! comes alone is stamped alone. Invariant: each frame holds the last frame of its message, where the body is.

use super::context::Socket;
use super::errno::Errno;
use super::frame::Frame;

/// Frames that are reused from one taking to the next.
pub(super) struct Inbox {
    frames: [Frame; Self::MOST],
}

/// What one taking brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Messages taken.
    pub(super) count: usize,
    /// Bytes of their bodies.
    pub(super) bytes: u64,
    /// The socket had no more.
    pub(super) emptied: bool,
}

impl Inbox {
    /// Messages that are taken together at most.
    pub(super) const MOST: usize = 8;

    /// An empty inbox.
    pub(super) fn new() -> Self {
        Self { frames: std::array::from_fn(|_| Frame::new()) }
    }

    /// Takes up to `most` messages that wait in the socket.
    #[inline]
    pub(super) fn take(&mut self, socket: &Socket, most: usize) -> Result<Taken, Errno> {
        let mut bytes = 0;
        for (count, frame) in self.frames.iter_mut().take(most).enumerate() {
            match take_message(socket, frame) {
                Ok(size) => bytes += size as u64,
                Err(Errno::AGAIN) => return Ok(Taken { count, bytes, emptied: true }),
                Err(errno) => return Err(errno),
            }
        }
        Ok(Taken { count: most.min(Self::MOST), bytes, emptied: false })
    }

    /// The body of the message taken at `position`, which may be written over.
    #[inline]
    pub(super) fn frame(&mut self, position: usize) -> &mut Frame {
        &mut self.frames[position]
    }
}

/// Receives one message into `frame`, which is left with its last frame, as the example takes it.
#[inline]
fn take_message(socket: &Socket, frame: &mut Frame) -> Result<usize, Errno> {
    loop {
        match frame.receive(socket, zmq::DONTWAIT) {
            Ok(_) if frame.more() => {}
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}
