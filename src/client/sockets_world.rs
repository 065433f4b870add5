//! The world of a run: DEALER sockets of ZeroMQ, the monotonic clock, and an epoll instance to wait for both. Hot path.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::waiter::Waiter;
use super::world::{Before, Body, Message, Possible, Taken, World};
use crate::machine::{Clock, Stop};
use crate::wire::{Errno, Frame, Socket, Tag};
use zload_core::plan::Plan;

pub(super) struct SocketsWorld {
    sockets: Vec<Socket>,
    clock: Clock,
    stop: Arc<Stop>,
    waiter: Waiter,
}

impl SocketsWorld {
    /// A world of these connected sockets, which are registered with `epoll` by their index.
    pub(super) fn new(
        sockets: Vec<Socket>,
        epoll: OwnedFd,
        clock: Clock,
        stop: Arc<Stop>,
        plan: &Plan,
    ) -> Self {
        let waiter = Waiter::new(epoll, plan, sockets.len());
        Self { sockets, clock, stop, waiter }
    }
}

impl World for SocketsWorld {
    type Body = Frame;

    #[inline]
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn await_start(&mut self) {
        self.stop.sleep(self.clock.until(0));
    }

    #[inline]
    fn send(&mut self, client: u32, tag: Option<Tag>, body: &mut Frame) -> Result<bool, Errno> {
        let socket = &self.sockets[client as usize];
        match tag {
            None => hand_over(socket, body, 0),
            // If the body is refused, ZeroMQ takes the frame before it back as well.
            Some(tag) => {
                Ok(hand_over(socket, &mut tag.frame()?, zmq::SNDMORE)?
                    && hand_over(socket, body, 0)?)
            }
        }
    }

    #[inline]
    fn take(&mut self, client: u32, into: &mut [Message<Frame>]) -> Result<Taken, Errno> {
        let socket = &self.sockets[client as usize];
        let most = into.len();
        let mut bytes = 0;
        for (count, message) in into.iter_mut().enumerate() {
            match take_message(socket, message) {
                Ok(size) => bytes += size as u64,
                Err(Errno::AGAIN) => return Ok(Taken { count, bytes, emptied: true }),
                Err(errno) => return Err(errno),
            }
        }
        Ok(Taken { count: most, bytes, emptied: false })
    }

    fn possible(&mut self, client: u32) -> Result<Possible, Errno> {
        let events = self.sockets[client as usize].get_events().map_err(Errno::from)?;
        Ok(Possible { receive: events.contains(zmq::POLLIN), send: events.contains(zmq::POLLOUT) })
    }

    fn wait(
        &mut self,
        wait_ns: u64,
        due_in_ns: Option<u64>,
        moved: &mut Vec<u32>,
    ) -> Result<bool, Errno> {
        let slept = self.waiter.wait(wait_ns, due_in_ns)?;
        moved.clear();
        moved.extend(self.waiter.moved());
        Ok(slept)
    }

    #[inline]
    fn stop_requested(&self) -> bool {
        self.stop.requested()
    }
}

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

/// Hands a frame to ZeroMQ; false if its queue is full.
#[inline]
fn hand_over(socket: &Socket, frame: &mut Frame, flags: i32) -> Result<bool, Errno> {
    match frame.send(socket, zmq::DONTWAIT | flags) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Receives one message, whose last frame is its body, as the example takes it; gives the body's size.
#[inline]
fn take_message(socket: &Socket, message: &mut Message<Frame>) -> Result<usize, Errno> {
    message.before = Before::Nothing;
    loop {
        let size = message.body.receive(socket, zmq::DONTWAIT)?;
        if !message.body.more() {
            return Ok(size);
        }
        message.before = match (message.before, Tag::of(&message.body)) {
            (Before::Nothing, Some(_)) => Before::Tag,
            _ => Before::Other,
        };
    }
}
