//! One frame of a message, reused from message to message. Hot path.
//!
//! The zmq crate's `Message` is consumed by a send, even by one that ZeroMQ refuses: a proxy that must not block could
//! not keep what it could not send. This frame stays with its owner when a send is refused, and needs no new
//! allocation after one that was taken. A call that a signal interrupted is made again.
//! Invariant: the wrapped message is always initialized.

#![expect(
    unsafe_code,
    reason = "zmq_msg_* on an owned, always initialized message; each call below says why it is sound"
)]

use super::context::{Socket, last_errno};
use super::errno::Errno;

/// `ZMQ_SHARED`: the property that says whether others hold the same content.
const SHARED: std::ffi::c_int = 3;

/// A frame, empty or with content.
pub struct Frame {
    message: zmq_sys::zmq_msg_t,
}

// SAFETY: a zmq_msg_t is plain memory plus, for large content, an atomically counted share of a heap block; libzmq
// itself passes messages between threads this way.
unsafe impl Send for Frame {}

impl Frame {
    /// An empty frame.
    pub fn new() -> Self {
        let mut message = zmq_sys::zmq_msg_t::default();
        // SAFETY: initializes the memory given; cannot fail.
        unsafe { zmq_sys::zmq_msg_init(&raw mut message) };
        Self { message }
    }

    /// A frame of `size` bytes, each `filling`. Fails only when memory is short.
    #[inline]
    pub fn filled(size: usize, filling: u8) -> Result<Self, Errno> {
        let mut message = zmq_sys::zmq_msg_t::default();
        // SAFETY: on success the message is initialized with room for exactly `size` bytes, which are written before
        // anyone can read them; on failure nothing was initialized and nothing is kept.
        unsafe {
            if zmq_sys::zmq_msg_init_size(&raw mut message, size) != 0 {
                return Err(last_errno());
            }
            zmq_sys::zmq_msg_data(&raw mut message).cast::<u8>().write_bytes(filling, size);
        }
        Ok(Self { message })
    }

    /// Another frame with the same content; large content is shared, not copied.
    #[inline]
    #[must_use]
    pub fn share(&mut self) -> Self {
        let mut copy = Self::new();
        // SAFETY: both messages are initialized. Shared content is never written: `bytes_mut` refuses it.
        unsafe { zmq_sys::zmq_msg_copy(&raw mut copy.message, &raw mut self.message) };
        copy
    }

    /// The content.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let message = (&raw const self.message).cast_mut();
        // SAFETY: the message is initialized, so data and size describe readable memory that lives as long as it;
        // neither call writes to the message, though C declares one of them with a mutable pointer.
        unsafe {
            let data = zmq_sys::zmq_msg_data(message).cast::<u8>();
            match zmq_sys::zmq_msg_size(message) {
                0 => &[],
                size => std::slice::from_raw_parts(data, size),
            }
        }
    }

    /// The content, to be written over; `None` if another frame shares it.
    #[inline]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        // SAFETY: the message is initialized. Content that is not shared belongs to this message alone, and the
        // exclusive borrow keeps it so for as long as the slice lives.
        unsafe {
            if zmq_sys::zmq_msg_get(&raw const self.message, SHARED) != 0 {
                return None;
            }
            let data = zmq_sys::zmq_msg_data(&raw mut self.message).cast::<u8>();
            match zmq_sys::zmq_msg_size(&raw const self.message) {
                0 => Some(&mut []),
                size => Some(std::slice::from_raw_parts_mut(data, size)),
            }
        }
    }

    /// Number of bytes.
    #[inline]
    pub fn size(&self) -> usize {
        // SAFETY: the message is initialized.
        unsafe { zmq_sys::zmq_msg_size(&raw const self.message) }
    }

    /// Whether more frames of the same message follow the one received.
    #[inline]
    pub fn more(&self) -> bool {
        // SAFETY: the message is initialized.
        unsafe { zmq_sys::zmq_msg_more(&raw const self.message) != 0 }
    }

    /// Receives into this frame, which loses what it held; gives the number of bytes.
    #[inline]
    pub fn receive(&mut self, from: &Socket, flags: i32) -> Result<usize, Errno> {
        loop {
            // SAFETY: message and socket are valid; libzmq releases the old content.
            let received =
                unsafe { zmq_sys::zmq_msg_recv(&raw mut self.message, from.raw(), flags) };
            match usize::try_from(received).map_err(|_| last_errno()) {
                Err(Errno::INTR) => {}
                outcome => return outcome,
            }
        }
    }

    /// Sends the content. Taken: the frame is empty. Refused: it is as it was.
    #[inline]
    pub fn send(&mut self, to: &Socket, flags: i32) -> Result<(), Errno> {
        loop {
            // SAFETY: message and socket are valid; on success libzmq leaves an empty, initialized message.
            match unsafe { zmq_sys::zmq_msg_send(&raw mut self.message, to.raw(), flags) } {
                -1 => match last_errno() {
                    Errno::INTR => {}
                    errno => return Err(errno),
                },
                _ => return Ok(()),
            }
        }
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: the message is initialized and not used again.
        unsafe { zmq_sys::zmq_msg_close(&raw mut self.message) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unshared_content_can_be_written_over() {
        for size in [0, 33, 34, 100_000] {
            let mut frame = Frame::filled(size, b'a').unwrap();
            frame.bytes_mut().unwrap().fill(b'b');
            let copy = frame.share();
            // Small content is copied and so never shared.
            assert_eq!(frame.bytes_mut().is_some(), size <= 33, "{size}");
            assert!(copy.bytes() == vec![b'b'; size] && copy.bytes() == frame.bytes(), "{size}");
        }
    }
}
