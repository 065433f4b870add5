//! The sockets of a gathering: moves messages between the network and one of the two machines, and keeps time for it.
//!
//! libzmq connects again and again, to a port that nobody binds yet and to a name that has no address yet, so a shard may
//! come in any order. Invariant: no wait is longer than a moment, an interruption is heard within it, and the memory that
//! strangers can fill is bounded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::host::{self, Host};
use super::member::{self, Member};
use super::message::{MOST_BYTES, Message, Shard};
use crate::Error;
use crate::machine::{Clock, Stop, clock, host::resident_bytes, unique_number};
use crate::wire::{Context, Errno, Frame, Socket, address};
use zload_core::facts::{Start, StartedBy};
use zload_core::scenario::Nanos;

/// How long one look waits for messages, in milliseconds.
const LOOK_MS: i64 = 20;
/// Messages that one look takes.
const MOST_AT_ONCE: u32 = 1_000;
/// Messages that wait for one shard, in either direction.
const MARK: i32 = 32;
/// How long last words may take to leave, in milliseconds: they say why the others need not wait.
const LINGER_MS: i32 = 300;
/// How soon a connection that was refused is tried again, in milliseconds, and how long one attempt may take.
const RETRY_MS: i32 = 100;
const ATTEMPT_MS: i32 = 2_000;
/// How often a silent connection is tried, and when it counts as gone, in milliseconds.
const BEAT_MS: i32 = 1_000;
const DEAD_MS: i32 = 4_000;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// The plan's clock is handed over this long before the start, in nanoseconds: until then a lost start is said again.
const EARLY_NS: u64 = 50_000_000;
/// What memory may grow by until all have come, in bytes. libzmq keeps a message until its last frame, and a stranger's may
/// have no end. Later there are clients, and a run's own watch looks after memory.
const MOST_GROWTH: u64 = 256 << 20;
/// How long everything may go on before it is said who is awaited, and how often, in nanoseconds.
const SAY_EVERY_NS: u64 = 5_000_000_000;

/// When a run begins, and how well that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreed {
    /// Reads 0 at the start.
    pub(crate) clock: Clock,
    pub(crate) start: Start,
}

/// One shard's place in a gathering. Dropped before the start, it tells the others that it has left.
pub(crate) struct Gathering<'a> {
    side: Side,
    /// Before the context, which waits for it.
    socket: Socket,
    _context: Context,
    clock: Clock,
    interrupted: &'a AtomicBool,
    resident_at_first: Option<u64>,
    say: fn(&str),
    say_at_ns: u64,
}

enum Side {
    Host(Host),
    Member(Member),
}

impl<'a> Gathering<'a> {
    /// Shard 0 listens at the port of `endpoint`, on all addresses; the others call there. All come within `timeout`.
    pub(crate) fn open(
        endpoint: &str,
        shard: &Shard,
        timeout: Nanos,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, Error> {
        if shard.index > 0 {
            return Self::call(endpoint, shard, timeout, interrupted);
        }
        let port = endpoint.rsplit_once(':').map_or("", |(_, port)| port);
        let listening = Self::listen(&format!("tcp://*:{port}"), shard, timeout, interrupted);
        listening.map(|(gathering, _)| gathering).map_err(|error| {
            let why = match &error {
                Error::Socket { why, .. } => why.split(';').next().unwrap_or_default().to_owned(),
                other => other.to_string(),
            };
            Error::Failed(format!(
                "shard 0 cannot listen at port {port} for --gather: {why}: does another run gather here? Give each run a port of its own"
            ))
        })
    }

    /// The host, and where it listens.
    pub(super) fn listen(
        endpoint: &str,
        shard: &Shard,
        timeout: Nanos,
        interrupted: &'a AtomicBool,
    ) -> Result<(Self, String), Error> {
        let context = Context::new(1, 16)?;
        let socket = context.socket(zmq::ROUTER)?;
        option("router_mandatory", socket.set_router_mandatory(true))?;
        option("backlog", socket.set_backlog(BACKLOG))?;
        // Over IPv6 a socket that listens at all addresses hears IPv4, too.
        option("ipv6", socket.set_ipv6(endpoint.contains('*') || endpoint.contains('[')))?;
        with_limits(&socket)?;
        let bound = socket.listen(endpoint)?;
        let host = Host::new(shard, unique_number(), unique_number(), timeout.0);
        Ok((Self::new(Side::Host(host), socket, context, interrupted), bound))
    }

    pub(super) fn call(
        endpoint: &str,
        shard: &Shard,
        timeout: Nanos,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let context = Context::new(1, 16)?;
        let socket = context.socket(zmq::DEALER)?;
        option("immediate", socket.set_immediate(true))?;
        option("reconnect_ivl", socket.set_reconnect_ivl(RETRY_MS))?;
        option("connect_timeout", socket.set_connect_timeout(ATTEMPT_MS))?;
        option("heartbeat_ivl", socket.set_heartbeat_ivl(BEAT_MS))?;
        option("heartbeat_timeout", socket.set_heartbeat_timeout(DEAD_MS))?;
        with_limits(&socket)?;
        let member = Member::new(shard, unique_number(), endpoint, timeout.0);
        let gathering = Self::new(Side::Member(member), socket, context, interrupted);
        gathering.dial(endpoint, timeout)?;
        Ok(gathering)
    }

    fn new(side: Side, socket: Socket, context: Context, interrupted: &'a AtomicBool) -> Self {
        Self {
            side,
            socket,
            _context: context,
            clock: Clock::start(),
            interrupted,
            resident_at_first: resident_bytes(),
            say: |_| {},
            say_at_ns: SAY_EVERY_NS,
        }
    }

    /// The same gathering, which says from time to time for whom it waits.
    pub(crate) fn saying(mut self, say: fn(&str)) -> Self {
        self.say = say;
        self
    }

    /// Connects, when the name has an address: it may get one only when shard 0 has started.
    fn dial(&self, endpoint: &str, timeout: Nanos) -> Result<(), Error> {
        let pause = Stop::new()?;
        loop {
            let left_ns = timeout.0.saturating_sub(self.clock.now_ns());
            match address::to_connect(endpoint, Nanos(left_ns), self.interrupted) {
                Ok(known) => return self.socket.dial(&known),
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) if left_ns == 0 => {
                    return Err(Error::Failed(format!("--gather: {error}")));
                }
                Err(_) => pause.sleep(Duration::from_millis(RETRY_MS.unsigned_abs().into())),
            }
        }
    }

    /// Waits until all shards have come and are alike; gives the id of the run.
    pub(crate) fn meet(&mut self) -> Result<u64, Error> {
        loop {
            let met = match &self.side {
                Side::Host(host) => (*host.stage() == host::Stage::Met).then(|| host.run()),
                Side::Member(member) => {
                    (*member.stage() == member::Stage::Met).then(|| member.run())
                }
            };
            if let Some(run) = met {
                return Ok(run);
            }
            let grown = resident_bytes().zip(self.resident_at_first);
            if grown.is_some_and(|(now, first)| now.saturating_sub(first) > MOST_GROWTH) {
                return Err(Error::Failed(
                    "a message without an end comes to the port of --gather: let only this run's hosts connect there".to_owned(),
                ));
            }
            self.turn()?;
        }
    }

    /// This shard's clients are connected: waits a moment for the others; gives the run's clock shortly before its start.
    pub(crate) fn look(&mut self) -> Result<Option<Agreed>, Error> {
        let now_ns = self.clock.now_ns();
        let mut out = host::Out::new();
        let (at_ns, unix_ns, bound_ns) = match &mut self.side {
            Side::Host(host) => {
                host.ready(now_ns, &mut out);
                match *host.stage() {
                    host::Stage::Started { at_ns, unix_ns } if now_ns + EARLY_NS >= at_ns => {
                        (at_ns, unix_ns, 0)
                    }
                    _ => {
                        self.send(out);
                        return self.turn().map(|()| None);
                    }
                }
            }
            Side::Member(member) => {
                member.ready(now_ns);
                match *member.stage() {
                    member::Stage::Agreed(agreed) => {
                        (agreed.at_ns, agreed.unix_ns, agreed.bound_ns)
                    }
                    _ => return self.turn().map(|()| None),
                }
            }
        };
        // All is said, and nothing may be waited for.
        option("linger", self.socket.set_linger(0))?;
        let clock = self.clock.zero_at(at_ns);
        let ahead = i128::from(clock.unix_ns_of_zero()) - i128::from(unix_ns);
        let start = Start {
            unix_ns,
            by: StartedBy::Gather,
            bound_ns: Some(bound_ns),
            clock_ahead_ns: i64::try_from(ahead).ok(),
        };
        Ok(Some(Agreed { clock, start }))
    }

    /// Those that have not come, or are not connected, in words; empty if there are none, and where that is not known.
    #[cfg(test)]
    pub(super) fn awaited(&self) -> String {
        match &self.side {
            Side::Host(host) => host.awaited(),
            Side::Member(_) => String::new(),
        }
    }

    /// Waits a moment, and moves what there is to move.
    pub(super) fn turn(&mut self) -> Result<(), Error> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        // An interrupted wait is one that found nothing.
        let _found = self.socket.poll(zmq::POLLIN, LOOK_MS);
        let mut out = host::Out::new();
        for _ in 0..MOST_AT_ONCE {
            let Some((route, bytes)) = self.receive()? else { break };
            let now_ns = self.clock.now_ns();
            match &mut self.side {
                Side::Host(host) => host.heard(now_ns, &route, &bytes, &mut out),
                Side::Member(member) => {
                    member.heard(now_ns, &bytes);
                    self.tick_member();
                }
            }
            self.send(std::mem::take(&mut out));
        }
        self.tick()
    }

    fn tick(&mut self) -> Result<(), Error> {
        let now_ns = self.clock.now_ns();
        let Side::Host(host) = &mut self.side else {
            self.tick_member();
            return self.member_failed();
        };
        let mut out = host::Out::new();
        host.tick(now_ns, clock::unix_ns(), &mut out);
        if now_ns >= self.say_at_ns {
            self.say_at_ns = now_ns + SAY_EVERY_NS;
            let awaited = host.awaited();
            if !awaited.is_empty() {
                (self.say)(&format!("gather: waiting for {awaited}"));
            }
        }
        let over = match host.stage() {
            host::Stage::Refusing { why, .. } if host.all_told(now_ns) => {
                Err(Error::Failed(why.clone()))
            }
            _ => Ok(()),
        };
        self.send(out);
        over
    }

    fn tick_member(&mut self) {
        let Side::Member(member) = &mut self.side else { return };
        let now_ns = self.clock.now_ns();
        let writable = self.socket.is_writable();
        member.reachable(now_ns, writable);
        let mut said = Vec::new();
        member.tick(now_ns, &mut said);
        if writable {
            self.send(said.into_iter().map(|message| (host::Route::new(), message)).collect());
        }
    }

    fn member_failed(&self) -> Result<(), Error> {
        match &self.side {
            Side::Member(member) => match member.stage() {
                member::Stage::Failed(why) => Err(Error::Failed(why.clone())),
                _ => Ok(()),
            },
            Side::Host(_) => Ok(()),
        }
    }

    /// The next message that is here, and where it comes from; a stranger's may have any number of frames.
    fn receive(&self) -> Result<Option<(host::Route, Vec<u8>)>, Error> {
        let mut frame = Frame::new();
        let mut frames = [Vec::new(), Vec::new()];
        let places = match self.side {
            Side::Host(_) => 0..2,
            Side::Member(_) => 1..2,
        };
        let mut place = places.start;
        loop {
            match frame.receive(&self.socket, zmq::DONTWAIT) {
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => {
                    return Err(errno.failed("receiving from the other shards (--gather)"));
                }
            }
            if place < places.end && frame.size() <= MOST_BYTES {
                frames[place] = frame.bytes().to_vec();
            }
            place += 1;
            if !frame.more() {
                break;
            }
        }
        if place != places.end {
            // No shard sends such a message: it is read as an empty one, which is a stranger's.
            frames[1].clear();
        }
        let [route, bytes] = frames;
        Ok(Some((route, bytes)))
    }

    /// Sends what can be sent; the rest is asked for again.
    fn send(&mut self, out: host::Out) {
        for (route, message) in out {
            let sent = send_frames(&self.socket, &route, &message.write());
            if let (Err(Errno(libc::EHOSTUNREACH)), Side::Host(host)) = (sent, &mut self.side) {
                host.unreachable(self.clock.now_ns(), &route);
            }
        }
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        let mut out = host::Out::new();
        match &mut self.side {
            Side::Host(host) => host.leave(&mut out),
            Side::Member(member) => {
                out.extend(member.leave().map(|message: Message| (host::Route::new(), message)));
            }
        }
        self.send(out);
    }
}

/// Sends one message, to `route` if that is not empty.
fn send_frames(socket: &Socket, route: &[u8], bytes: &[u8]) -> Result<(), Errno> {
    let frame = |bytes: &[u8]| {
        let mut frame = Frame::filled(bytes.len(), 0)?;
        frame.bytes_mut().expect("nobody shares a new frame").copy_from_slice(bytes);
        Ok::<Frame, Errno>(frame)
    };
    if !route.is_empty() {
        frame(route)?.send(socket, zmq::SNDMORE | zmq::DONTWAIT)?;
    }
    frame(bytes)?.send(socket, zmq::DONTWAIT)
}

fn with_limits(socket: &Socket) -> Result<(), Error> {
    option("maxmsgsize", socket.set_maxmsgsize(i64::try_from(MOST_BYTES).unwrap_or(i64::MAX)))?;
    option("rcvhwm", socket.set_rcvhwm(MARK))?;
    option("sndhwm", socket.set_sndhwm(MARK))?;
    option("linger", socket.set_linger(LINGER_MS))
}

fn option(name: &str, set: zmq::Result<()>) -> Result<(), Error> {
    set.map_err(|error| Errno::from(error).failed(format!("{name} of the socket for --gather")))
}
