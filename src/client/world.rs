//! What a driver runs on: the time, its clients' connections, and the wait for either. Hot path.
//!
//! A run's world is ZeroMQ's sockets and the monotonic clock ([`super::sockets_world`]); that of the tests is simulated
//! (`sim`), and loses, delays and refuses at random. Clients are named by their index at the driver. The driver
//! pulls and the world answers, so that an instant is read where the message is.

use crate::wire::{Errno, Tag};

/// A body as its world keeps it.
pub(super) trait Body: Default {
    /// `size` bytes, each `filling`. Fails only when memory is short.
    fn filled(size: usize, filling: u8) -> Result<Self, Errno>;
    /// The content.
    fn bytes(&self) -> &[u8];
    /// The content, to be written over; `None` if it is shared.
    fn bytes_mut(&mut self) -> Option<&mut [u8]>;
}

#[derive(Default)]
pub(super) struct Message<B> {
    /// Its last frame.
    pub(super) body: B,
    /// What came before the body.
    pub(super) before: Before,
}

/// The frames of a message that came before its body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Before {
    #[default]
    Nothing,
    Tag,
    /// Something that is not in any request.
    Other,
}

/// What one taking brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) count: usize,
    pub(super) bytes: u64,
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
/// that names the connection may swallow it. Whoever waits must have seen before that nothing is left to do: the last
/// call for a connection is a [`World::take`] that emptied it, or [`World::possible`] that saw nothing.
pub(super) trait World {
    type Body: Body;

    /// Nanoseconds since the plan started; 0 before that.
    fn now_ns(&self) -> u64;

    /// Waits until the plan starts, or until a stop is asked for.
    fn await_start(&mut self);

    /// Hands over a request, its tag before it; false if there is no room, and the body is then as it was.
    fn send(&mut self, client: u32, tag: Option<Tag>, body: &mut Self::Body)
    -> Result<bool, Errno>;

    /// Takes messages that have come, as many as there is room for in `into`.
    fn take(&mut self, client: u32, into: &mut [Message<Self::Body>]) -> Result<Taken, Errno>;

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
}
