//! What a driver runs on: the time, its clients' connections, and the wait for either. Hot path.
//!
//! A run's world is ZeroMQ's sockets and the monotonic clock ([`super::sockets_world`]); that of the tests is simulated
//! (`sim`), and loses, delays and refuses at random. Clients are named by their index at the driver. The driver
//! pulls and the world answers, so that an instant is read where the message is.

use crate::wire::{Errno, Tag};
use zload_core::message::Frames;

/// A body as its world keeps it.
pub(super) trait Body: Default {
    /// `size` bytes, each `filling`. Fails only when memory is short.
    fn filled(size: usize, filling: u8) -> Result<Self, Errno>;
    /// The content.
    fn bytes(&self) -> &[u8];
    /// The content, to be written over; `None` if it is shared.
    fn bytes_mut(&mut self) -> Option<&mut [u8]>;
}

/// A message; its frames are used again for the next one.
pub(super) struct Message<B> {
    /// At least one.
    frames: Vec<B>,
    /// How many of them are its own: the others are kept for a longer one. 0 of a message with more than are kept.
    count: usize,
}

impl<B: Body> Default for Message<B> {
    fn default() -> Self {
        Self { frames: vec![B::default()], count: 1 }
    }
}

impl<B: Body> Message<B> {
    /// The place for its frame with this number, from 0.
    #[inline]
    pub(super) fn place(&mut self, number: usize) -> &mut B {
        if number == self.frames.len() {
            self.frames.push(B::default());
        }
        &mut self.frames[number]
    }

    /// It has this many frames, each of which is in its place.
    #[inline]
    pub(super) fn set_count(&mut self, count: usize) {
        self.count = count;
    }

    /// Its frames.
    #[inline]
    pub(super) fn frames(&mut self) -> &mut [B] {
        &mut self.frames[..self.count]
    }

    /// Its last frame, as the only one.
    #[inline]
    pub(super) fn only_body(&mut self) -> &mut B {
        if self.count > 1 {
            self.frames.swap(0, self.count - 1);
        }
        self.count = 1;
        &mut self.frames[0]
    }

    /// Takes out the tag of a sampled request, which is before the last frame: the rest is what a server makes of any other.
    #[inline]
    pub(super) fn take_out_tag(&mut self) {
        if self.count > 1 && Tag::decode(self.frames[self.count - 2].bytes()).is_some() {
            self.frames.swap(self.count - 2, self.count - 1);
            self.count -= 1;
        }
    }

    /// Bytes of all frames from this one on.
    pub(super) fn size(&self, from: usize) -> usize {
        self.frames[..self.count].iter().skip(from).map(|frame| frame.bytes().len()).sum()
    }
}

impl<B: Body> Frames for Message<B> {
    #[inline]
    fn count(&self) -> usize {
        self.count
    }

    #[inline]
    fn frame(&self, place: usize) -> &[u8] {
        self.frames[place].bytes()
    }
}

/// What one taking brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) count: usize,
    pub(super) emptied: bool,
}

/// What could be done at a connection now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Possible {
    pub(super) receive: bool,
    pub(super) send: bool,
}

/// The world of one driver.
///
/// News of a connection comes once, from [`World::wait`], and only says that something may have changed there; any call
/// that names the connection may swallow it. A wait must come after a look that found nothing left to do: the last
/// call for a connection is a [`World::take`] that emptied it, or [`World::possible`] that saw nothing.
pub(super) trait World {
    type Body: Body;

    /// Nanoseconds since the plan started; 0 before that.
    fn now_ns(&self) -> u64;

    /// Waits until the plan starts, or until a stop is asked for.
    fn await_start(&mut self);

    /// Hands over a request, a tag before its last frame; false if there is no room, and its first frame is then as it was.
    fn send(
        &mut self,
        client: u32,
        tag: Option<Tag>,
        request: &mut Message<Self::Body>,
    ) -> Result<bool, Errno>;

    /// Sends what was handed over in a client's turn and is not on its way yet, at the turn's end; false if the client's
    /// connection has ended, and is not made again before [`World::renew`].
    fn flush(&mut self, client: u32) -> Result<bool, Errno>;

    /// Ends a client's connection, and makes another one under this identity: nothing that was on its way comes any more.
    fn renew(&mut self, client: u32, identity: &str) -> Result<(), Errno>;

    /// Takes messages that have come, as many as there is room for in `into`.
    fn take(&mut self, client: u32, into: &mut [Message<Self::Body>]) -> Result<Taken, Errno>;

    /// Asks when what comes for this client arrives at this machine, or does so no more: each asking is taken back once.
    fn ask_arrivals(&mut self, _client: u32, _asks: bool) {}

    /// When all that the last [`World::take`] brought had arrived at this machine, in nanoseconds since the plan started; 0
    /// if it was not asked, or is not known.
    fn arrived_ns(&self) -> u64 {
        0
    }

    /// Looks what could be done: asked after a send was refused.
    fn possible(&mut self, client: u32) -> Result<Possible, Errno>;

    /// Waits at most `wait_ns` for news, and at most until `due_in_ns` from now; puts the clients that it names into
    /// `moved`, which is emptied before. Says whether it slept. A stop ends the wait.
    fn wait(
        &mut self,
        wait_ns: u64,
        due_in_ns: Option<u64>,
        moved: &mut Vec<u32>,
    ) -> Result<bool, Errno>;

    fn stop_requested(&self) -> bool;

    /// Whether nothing more is to be sent: replies are still waited for, unless a stop is requested, too.
    fn sending_ended(&self) -> bool;
}
