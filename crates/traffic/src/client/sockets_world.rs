//! The world of a run: DEALER sockets of ZeroMQ, the monotonic clock, and an epoll instance to wait for both. Hot path.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::connect::Connector;
use super::messages::{send_message, take_message};
use super::waiter::Waiter;
use super::world::{Message, Possible, Taken, World};
use crate::machine::{Clock, Stop};
use crate::wire::{Errno, Frame, Socket, Tag};

pub(super) struct SocketsWorld {
    sockets: Vec<Socket>,
    /// The numbers of their clients in the plan.
    numbers: Vec<u32>,
    connector: Connector,
    clock: Clock,
    stop: Arc<Stop>,
    waiter: Waiter,
}

impl SocketsWorld {
    /// A world of these connected sockets, which are registered with `epoll` by their index.
    pub(super) fn new(
        sockets: Vec<Socket>,
        numbers: Vec<u32>,
        epoll: OwnedFd,
        connector: Connector,
        clock: Clock,
        stop: Arc<Stop>,
    ) -> Self {
        let waiter = Waiter::new(epoll, connector.plan(), sockets.len());
        Self { sockets, numbers, connector, clock, stop, waiter }
    }
}

impl World for SocketsWorld {
    type Body = Frame;

    #[inline]
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn await_start(&mut self) {
        // A signal ends a sleep early.
        while !self.stop.requested() && !self.clock.until(0).is_zero() {
            self.stop.sleep(self.clock.until(0));
        }
    }

    #[inline]
    fn send(
        &mut self,
        client: u32,
        tag: Option<Tag>,
        request: &mut Message<Frame>,
    ) -> Result<bool, Errno> {
        send_message(&self.sockets[client as usize], tag, request)
    }

    /// libzmq's own threads send, and connect again.
    #[inline]
    fn flush(&mut self, _: u32) -> Result<bool, Errno> {
        Ok(true)
    }

    #[cold]
    fn renew(&mut self, client: u32, identity: &str) -> Result<(), Errno> {
        let who = (self.numbers[client as usize], identity);
        let connected = self.connector.connected(who, u64::from(client), self.waiter.epoll());
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
