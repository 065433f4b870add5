//! The world of a run whose clients speak ZMTP themselves: a connection each, read and written by the driver's own thread. Hot path.
//!
//! A driver has one buffer to read into, where messages are taken from in place, and one to write from, so that all
//! that a client sends in a turn is one write. A connection keeps what is exceptional: part of a message, bytes that
//! the kernel did not take. Its descriptor tells of news once; what is read until the kernel has no more needs no
//! further look. Invariants: a connection that ends is told once, by [`World::flush`], and nothing that it was sent
//! is sent again; memory follows what is accepted, `sockets.maxmsgsize` a frame, and not what a peer announces.

mod arrivals;
mod connecting;
mod reading;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno as System;
use rustix::net::{SendFlags, send};

use super::DriverCounters;
use super::waiter::Waiter;
use super::world::{Body, Message, Possible, Taken, World};
use crate::machine::{Clock, Stop};
use crate::wire::{Errno, Tag, dialer::Dialer, peers::unsent_bytes};
use connecting::Times;
use reading::Partial;
use zload_core::zmtp::{Decoder, Handshake, MORE, encode};

/// Bytes that are read at once; libzmq writes 8 KiB at once.
const INPUT: usize = 64 << 10;
/// A turn that has more than this to write writes it in parts.
const OUTPUT: usize = 64 << 10;
/// What a connection may tell of.
const NEWS: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);
/// What says that it ends.
const ENDING: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

pub(super) struct ZmtpWorld {
    lines: Vec<Line>,
    input: Box<[u8]>,
    /// Which bytes of the input are not taken yet, and whose they are.
    unread: Range<usize>,
    reader: u32,
    /// When all that was read last had arrived at this machine; 0 if that is not known.
    arrived_ns: u64,
    /// What is to be written, and for whom.
    output: Vec<u8>,
    writer: u32,
    /// A command that comes in parts.
    command: Vec<u8>,
    spare: Option<Box<Partial>>,
    /// Clients with something left to do of which the kernel says nothing.
    overlooked: Vec<u32>,
    dialer: Dialer,
    /// A message of one empty frame answers no request.
    knows_probes: bool,
    limit: u64,
    times: Times,
    /// How many handshakes may be under way.
    wave: usize,
    /// Clients that are connected.
    up: usize,
    /// When which client is to be connected.
    down: BinaryHeap<Reverse<(u64, u32)>>,
    /// Who is being connected, and until when that may take.
    dialling: Vec<(u64, u32)>,
    next_beat_ns: u64,
    /// Why what listens where a client connects to is no server for it, if that is known before the run.
    refusal: Option<(u32, connecting::Why)>,
    /// Handshakes that ended without a word before all clients were connected.
    cut_short: u32,
    /// There was no free port for a connection.
    short_of_ports: bool,
    clock: Clock,
    /// What it counts until the plan begins.
    own_clock: Clock,
    stop: Arc<Stop>,
    counters: Arc<DriverCounters>,
    waiter: Waiter,
}

/// A client's connection.
struct Line {
    /// None while there is no connection.
    descriptor: Option<OwnedFd>,
    /// What has been heard of the handshake, as long as it is not done.
    handshake: Option<Box<Handshake>>,
    decoder: Decoder,
    flags: Flags,
    /// How often in turn no connection came about, or one that brought nothing.
    failures: u8,
    /// When something came last, by the count of heartbeats.
    heard_at_beat: u32,
    identity: Box<str>,
    /// The client's number in the plan.
    number: u32,
    /// What has come of a message that is not whole.
    partial: Option<Box<Partial>>,
    /// What was read and not taken when another client's turn came.
    stash: Vec<u8>,
    /// When that had arrived.
    stash_arrived_ns: u64,
    /// Replies of which it is asked when they arrive.
    asked: u32,
    /// What the kernel did not take.
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Flags {
    /// It is connected, and all that it was given is written.
    clear: bool,
    /// The kernel may have something to read.
    readable: bool,
    /// The peer has ended its side, or the connection has failed: there is an end to read.
    ending: bool,
    /// The client has greeted.
    greeted: bool,
    /// The client has sent something.
    spoken: bool,
    /// The server has.
    heard: bool,
    /// It has since the client did.
    settled: bool,
    /// A connection that was made has ended, and nobody was told.
    lost: bool,
    /// It has been connected before.
    again: bool,
    /// The kernel stamps what comes.
    stamped: bool,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its peer closed it.
    Closed,
    /// It was reset, or its peer cannot be reached any more.
    Reset,
    /// A frame came that is larger than what is accepted.
    TooLong,
    /// Nothing came within `sockets.heartbeat_timeout`.
    Silent,
}

impl Body for Vec<u8> {
    #[inline]
    fn filled(size: usize, filling: u8) -> Result<Self, Errno> {
        let mut body = Self::new();
        body.try_reserve_exact(size).map_err(|_| Errno(libc::ENOMEM))?;
        body.resize(size, filling);
        Ok(body)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline]
    fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        Some(self)
    }
}

impl ZmtpWorld {
    /// Writes what is to be written for the client whose turn it is.
    fn write_out(&mut self) {
        let client = self.writer;
        let line = &mut self.lines[client as usize];
        if let Some(descriptor) = &line.descriptor {
            let written =
                if line.unsent.is_empty() { written(descriptor, &self.output) } else { Ok(0) };
            match written {
                Ok(count) if count == self.output.len() => {}
                Ok(count) => {
                    line.flags.clear = false;
                    let is_first = line.unsent.is_empty();
                    line.unsent.extend_from_slice(&self.output[count..]);
                    if is_first {
                        self.window_closed(client);
                    }
                }
                Err(_) => self.failed(client),
            }
        }
        self.output.clear();
    }

    /// The server does not read as fast as its client sends: what the kernel does not take waits until it does.
    #[cold]
    fn window_closed(&mut self, client: u32) {
        let line = &self.lines[client as usize];
        let unsent = line.descriptor.as_ref().and_then(unsent_bytes).unwrap_or(0);
        let most = self.counters.most_unsent.get().max(unsent);
        self.counters.most_unsent.set(most);
        self.counters.window_closed.add(1);
        self.listen(client, NEWS.union(EventFlags::OUT));
    }

    /// Writes what the kernel did not take before.
    #[cold]
    fn write_unsent(&mut self, client: u32) {
        let line = &mut self.lines[client as usize];
        let Some(descriptor) = &line.descriptor else { return };
        match written(descriptor, &line.unsent) {
            Ok(count) if count == line.unsent.len() => {
                line.unsent = Vec::new();
                line.flags.clear = line.handshake.is_none();
                self.listen(client, NEWS);
            }
            Ok(count) => {
                line.unsent.drain(..count);
            }
            Err(_) => self.failed(client),
        }
    }

    /// Nothing can be written any more; what has come can still be read, and the end of it says why.
    #[cold]
    fn failed(&mut self, client: u32) {
        let line = &mut self.lines[client as usize];
        line.unsent = Vec::new();
        line.flags = Flags { clear: false, readable: true, ending: true, ..line.flags };
        self.overlooked.push(client);
    }

    fn listen(&mut self, client: u32, to: EventFlags) {
        let line = &self.lines[client as usize];
        if let Some(descriptor) = &line.descriptor {
            let data = EventData::new_u64(client.into());
            if epoll::modify(self.waiter.epoll(), descriptor, data, to).is_err() {
                self.failed(client);
            }
        }
    }

    /// A connection has ended.
    #[cold]
    fn end(&mut self, client: u32, why: End) {
        if self.lines[client as usize].flags.lost {
            return;
        }
        let count = match why {
            End::Closed => &self.counters.closed,
            End::Reset => &self.counters.reset,
            End::TooLong => &self.counters.too_long,
            End::Silent => &self.counters.silent,
        };
        count.add(1);
        self.forget(client);
        self.lines[client as usize].flags.lost = true;
    }

    /// Forgets a client's connection and all that is of it.
    #[cold]
    fn forget(&mut self, client: u32) {
        let line = &mut self.lines[client as usize];
        self.up -= usize::from(line.is_up());
        (line.descriptor, line.handshake, line.partial) = (None, None, None);
        (line.stash, line.unsent, line.stash_arrived_ns) = (Vec::new(), Vec::new(), 0);
        line.decoder = Decoder::new(self.limit);
        line.flags = Flags { again: line.flags.again, ..Flags::default() };
        self.command.clear();
        if self.reader == client {
            self.unread = 0..0;
        }
        if self.writer == client {
            self.output.clear();
        }
        self.dialling.retain(|(_, of)| *of != client);
    }

    /// Takes in what the kernel told of a client.
    #[inline]
    fn notice(&mut self, client: u32, told: EventFlags, moved: &mut Vec<u32>) {
        let Some(line) = self.lines.get_mut(client as usize) else { return };
        if !line.is_up() {
            self.advance(client, moved);
            return;
        }
        line.flags.readable |= told.intersects(EventFlags::IN.union(ENDING));
        line.flags.ending |= told.intersects(ENDING);
        if told.contains(EventFlags::OUT) && !line.unsent.is_empty() {
            self.write_unsent(client);
        }
        moved.push(client);
    }
}

impl World for ZmtpWorld {
    type Body = Vec<u8>;

    #[inline]
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn await_start(&mut self) {
        while !self.stop.requested() && !self.clock.until(0).is_zero() {
            let left = self.clock.until(0);
            if self.attend(left).is_err() {
                // The first wait of the run says what it is.
                self.stop.sleep(left);
            }
        }
    }

    #[inline]
    fn send(
        &mut self,
        client: u32,
        tag: Option<Tag>,
        request: &mut Message<Vec<u8>>,
    ) -> Result<bool, Errno> {
        let flags = &mut self.lines[client as usize].flags;
        if !flags.clear {
            return Ok(false);
        }
        flags.spoken = true;
        self.writer = client;
        let (last, before) = request.frames().split_last_mut().expect("a request has a frame");
        for frame in before {
            encode(MORE, frame, &mut self.output);
        }
        if let Some(tag) = tag {
            encode(MORE, &tag.bytes(), &mut self.output);
        }
        encode(0, last, &mut self.output);
        if self.output.len() >= OUTPUT {
            self.write_out();
        }
        Ok(true)
    }

    #[inline]
    fn flush(&mut self, client: u32) -> Result<bool, Errno> {
        if !self.output.is_empty() {
            self.write_out();
        }
        Ok(!self.lines[client as usize].flags.lost)
    }

    #[cold]
    fn renew(&mut self, client: u32, identity: &str) -> Result<(), Errno> {
        let was_lost = self.lines[client as usize].flags.lost;
        self.forget(client);
        self.lines[client as usize].identity = identity.into();
        self.connect_again(client, was_lost);
        Ok(())
    }

    #[inline]
    fn take(&mut self, client: u32, into: &mut [Message<Vec<u8>>]) -> Result<Taken, Errno> {
        let mut count = 0;
        while count < into.len() {
            let is_there = self.reader == client && !self.unread.is_empty();
            if !is_there && !self.read(client) {
                return Ok(Taken { count, emptied: true });
            }
            if !self.message(client, &mut into[count]) {
                // Commands and frames without end may come faster than they are read: the others have their turn, too.
                if self.output.len() >= OUTPUT {
                    self.write_out();
                }
                break;
            }
            count += 1;
        }
        Ok(Taken { count, emptied: false })
    }

    fn ask_arrivals(&mut self, client: u32, asks: bool) {
        let line = &mut self.lines[client as usize];
        let more = line.asked + u32::from(line.flags.stamped);
        line.asked = if asks { more } else { line.asked.saturating_sub(1) };
    }

    #[inline]
    fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }

    fn possible(&mut self, client: u32) -> Result<Possible, Errno> {
        let Line { flags, stash, .. } = &self.lines[client as usize];
        let receive = flags.readable || !stash.is_empty();
        Ok(Possible { receive, send: flags.clear })
    }

    fn wait(
        &mut self,
        wait_ns: u64,
        due_in_ns: Option<u64>,
        moved: &mut Vec<u32>,
    ) -> Result<bool, Errno> {
        let wait_ns = if self.overlooked.is_empty() { wait_ns } else { 0 };
        let wait_ns = wait_ns.min(self.chores_in_ns());
        let slept = self.waiter.wait(wait_ns, due_in_ns)?;
        moved.clear();
        moved.append(&mut self.overlooked);
        for place in 0..self.waiter.told() {
            if let Some((client, told)) = self.waiter.event(place) {
                self.notice(client, told, moved);
            }
        }
        self.do_chores(moved);
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

impl Line {
    /// Its handshake is done.
    fn is_up(&self) -> bool {
        self.descriptor.is_some() && self.handshake.is_none()
    }
}

/// Writes what the kernel takes of these bytes; says how many that are.
#[inline]
fn written(descriptor: &OwnedFd, bytes: &[u8]) -> Result<usize, System> {
    loop {
        match send(descriptor, bytes, SendFlags::NOSIGNAL) {
            Err(System::INTR) => {}
            Err(System::AGAIN | System::NOBUFS | System::NOMEM) => return Ok(0),
            outcome => return outcome,
        }
    }
}
