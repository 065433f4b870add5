//! Whole messages over a ZeroMQ socket, frame by frame, without a wait. Hot path.

use super::world::{Body, Message};
use crate::wire::{Errno, Frame, Socket, Tag};
use zload_core::scenario::MOST_FRAMES;

impl Body for Frame {
    #[inline]
    fn filled(size: usize, filling: u8) -> Result<Self, Errno> {
        Self::filled(size, filling)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }

    #[inline]
    fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        self.bytes_mut()
    }
}

/// Hands a message to ZeroMQ, a tag before its last frame; false if its queue is full, and the first frame is then as it was.
#[inline]
pub(super) fn send_message(
    socket: &Socket,
    tag: Option<Tag>,
    message: &mut Message<Frame>,
) -> Result<bool, Errno> {
    // If a frame is refused, ZeroMQ takes those before it back as well.
    let (last, before) = message.frames().split_last_mut().expect("a request has a frame");
    for frame in before {
        if !hand_over(socket, frame, zmq::SNDMORE)? {
            return Ok(false);
        }
    }
    if let Some(tag) = tag
        && !hand_over(socket, &mut tag.frame()?, zmq::SNDMORE)?
    {
        return Ok(false);
    }
    hand_over(socket, last, 0)
}

/// Hands a frame to ZeroMQ; false if its queue is full.
#[inline]
fn hand_over(socket: &Socket, frame: &mut Frame, flags: i32) -> Result<bool, Errno> {
    match frame.send(socket, zmq::DONTWAIT | flags) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Receives one message. Of one with too many frames none is kept.
#[inline]
pub(super) fn take_message(socket: &Socket, message: &mut Message<Frame>) -> Result<(), Errno> {
    let mut count = 0;
    loop {
        let frame = message.place(count);
        frame.receive(socket, zmq::DONTWAIT)?;
        let more = frame.more();
        count += 1;
        if !more {
            message.set_count(if count <= MOST_FRAMES { count } else { 0 });
            return Ok(());
        }
        // The last place is overwritten by all that have none.
        count = count.min(MOST_FRAMES);
    }
}
