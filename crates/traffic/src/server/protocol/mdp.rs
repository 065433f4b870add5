//! Protocol `mdp`: the worker of Majordomo 0.2 on its socket. What to say when is in `majordomo.rs`.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use super::majordomo::{Command, HEADER, Session, Step};
use super::{Talk, say};
use crate::machine::{Clock, Stop};
use crate::server::request::Request;
use crate::wire::{Errno, Frame, Socket};

/// How long its last word may take to leave when the worker ends, in milliseconds.
const LAST_WORD_MS: i32 = 100;

/// Opens another socket that connects to the broker.
pub(in crate::server) type Reopen = Box<dyn Fn() -> Result<Socket, Errno> + Send>;

pub(in crate::server) struct Mdp {
    socket: Socket,
    service: String,
    reopen: Reopen,
    session: Session,
    clock: Clock,
    stop: Arc<Stop>,
    /// The frames before the client's address.
    head: [Frame; 3],
}

/// What has come.
enum Taken {
    Nothing,
    /// Something that is no request.
    Word,
    /// A request, of whose last frame this is the size in bytes.
    Request(u64),
}

impl Mdp {
    /// Announces the worker.
    pub(in crate::server) fn start(
        socket: Socket,
        service: String,
        reopen: Reopen,
        (clock, stop): (Clock, Arc<Stop>),
    ) -> Result<Self, Errno> {
        let session = Session::begin(clock.now_ns());
        let head = [Frame::new(), Frame::new(), Frame::new()];
        let mut mdp = Self { socket, service, reopen, session, clock, stop, head };
        mdp.announce()?;
        Ok(mdp)
    }

    fn announce(&mut self) -> Result<(), Errno> {
        let ready = Command::Ready.bytes();
        say(&self.socket, &[b"", HEADER, &ready, self.service.as_bytes()], 0)?;
        self.session = Session::begin(self.clock.now_ns());
        Ok(())
    }

    fn reconnect(&mut self) -> Result<(), Errno> {
        self.socket = (self.reopen)()?;
        self.announce()
    }

    /// Takes what is there, without waiting.
    fn take(&mut self, request: &mut Request) -> Result<Taken, Errno> {
        match self.head[0].receive(&self.socket, zmq::DONTWAIT) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(Taken::Nothing),
            Err(errno) => return Err(errno),
        }
        let mut last = 0;
        while last < 2 && self.head[last].more() {
            last += 1;
            self.head[last].receive(&self.socket, 0)?;
        }
        let more = self.head[last].more();
        let command =
            if last == 2 { Command::heard(self.head.each_ref().map(Frame::bytes)) } else { None };
        self.session.heard(self.clock.now_ns());
        if command == Some(Command::Request) && more {
            return request.receive(&self.socket).map(Taken::Request);
        }
        if more {
            request.receive_body(&self.socket, 0, true)?;
        }
        if command == Some(Command::Disconnect) {
            self.reconnect()?;
        }
        Ok(Taken::Word)
    }

    /// Waits for a message, or the end, at most for `longest_ns`.
    fn wait(&self, longest_ns: u64) -> Result<(), Errno> {
        let stop = self.stop.wake_fd().as_raw_fd();
        let mut items =
            [self.socket.as_poll_item(zmq::POLLIN), zmq::PollItem::from_fd(stop, zmq::POLLIN)];
        let most_ms = i64::try_from(longest_ns.div_ceil(1_000_000)).unwrap_or(i64::MAX);
        match zmq::poll(&mut items, most_ms) {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Talk for Mdp {
    fn receive(&mut self, request: &mut Request) -> Result<u64, Errno> {
        while !self.stop.requested() {
            match self.take(request)? {
                Taken::Request(size) => return Ok(size),
                Taken::Word => continue,
                Taken::Nothing => {}
            }
            match self.session.step(self.clock.now_ns()) {
                Step::Beat => self.keep_alive()?,
                Step::Reconnect => self.reconnect()?,
                Step::Wait(wait_ns) => self.wait(wait_ns)?,
            }
        }
        Err(Errno::TERM)
    }

    fn send_back(&mut self, request: &mut Request, last: bool) -> Result<(), Errno> {
        let command = Command::of_reply(last).bytes();
        for content in [&b""[..], HEADER, &command] {
            super::frame(content)?.send(&self.socket, zmq::SNDMORE)?;
        }
        request.send_back(&self.socket, last)?;
        let now_ns = self.clock.now_ns();
        if last {
            self.session.served(now_ns);
        } else {
            self.session.said(now_ns);
        }
        Ok(())
    }

    #[inline]
    fn due_ns(&self) -> u64 {
        self.session.beat_ns()
    }

    /// A full send queue holds heartbeats enough.
    fn keep_alive(&mut self) -> Result<(), Errno> {
        let beat = Command::Heartbeat.bytes();
        match say(&self.socket, &[b"", HEADER, &beat], zmq::DONTWAIT) {
            Ok(()) | Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
        }
        self.session.said(self.clock.now_ns());
        Ok(())
    }

    /// A broker that is not told sends requests to a worker that is gone.
    fn end(&mut self) {
        let goodbye = Command::Disconnect.bytes();
        // A context that is shut down takes nothing.
        let _said = say(&self.socket, &[b"", HEADER, &goodbye], zmq::DONTWAIT);
        let _bounded = self.socket.set_linger(LAST_WORD_MS);
    }
}
