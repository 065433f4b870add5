//! The world of a run: DEALER sockets of ZeroMQ, the monotonic clock, and an epoll instance to wait for both. Hot path.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::connect::Connector;
use super::waiter::Waiter;
use super::world::{Body, Message, Possible, Taken, World};
use crate::machine::{Clock, Stop};
use crate::wire::{Errno, Frame, Socket, Tag};
use zload_core::scenario::MOST_FRAMES;

pub(super) struct SocketsWorld {
    sockets: Vec<Socket>,
    connector: Connector,
    clock: Clock,
    stop: Arc<Stop>,
    waiter: Waiter,
}

impl SocketsWorld {
    /// A world of these connected sockets, which are registered with `epoll` by their index.
    pub(super) fn new(
        sockets: Vec<Socket>,
        epoll: OwnedFd,
        connector: Connector,
        clock: Clock,
        stop: Arc<Stop>,
    ) -> Self {
        let waiter = Waiter::new(epoll, connector.plan(), sockets.len());
        Self { sockets, connector, clock, stop, waiter }
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
    fn send(
        &mut self,
        client: u32,
        tag: Option<Tag>,
        request: &mut Message<Frame>,
    ) -> Result<bool, Errno> {
        let socket = &self.sockets[client as usize];
        // If a frame is refused, ZeroMQ takes those before it back as well.
        let (last, before) = request.frames().split_last_mut().expect("a request has a frame");
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

    #[cold]
    fn renew(&mut self, client: u32, identity: &str) -> Result<(), Errno> {
        let connected = self.connector.connected(identity, u64::from(client), self.waiter.epoll());
        // All was well with the first one; what can be missing now is a descriptor.
        let socket = connected.map_err(|_| Errno(libc::EMFILE))?;
        // The old one goes at once, with all that it still had to send.
        self.sockets[client as usize] = socket;
        Ok(())
    }

    #[inline]
    fn take(&mut self, client: u32, into: &mut [Message<Frame>]) -> Result<Taken, Errno> {
        let socket = &self.sockets[client as usize];
        let most = into.len();
        for (count, message) in into.iter_mut().enumerate() {
            match take_message(socket, message) {
                Ok(()) => {}
                Err(Errno::AGAIN) => return Ok(Taken { count, emptied: true }),
                Err(errno) => return Err(errno),
            }
        }
        Ok(Taken { count: most, emptied: false })
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
    fn sending_ended(&self) -> bool {
        self.stop.sending_ended()
    }

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

/// Receives one message. Of one with too many frames none is kept.
#[inline]
fn take_message(socket: &Socket, message: &mut Message<Frame>) -> Result<(), Errno> {
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
