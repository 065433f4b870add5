//! How the connections of zload's own engine come about, again after they ended, and are kept alive.
//!
//! A few handshakes are under way at a time, since a server has a queue for a hundred connections that it has not
//! accepted, and what comes beyond waits a second. A client that is refused or cut off tries again after a pause that
//! doubles. Nothing here waits but for the kernel's news.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno as System;

use super::{End, Flags, INPUT, Line, NEWS, OUTPUT, ZmtpWorld, written};
use crate::Error;
use crate::client::connect::{STOP_EVENT, descriptor, no_hello};
use crate::client::state::Client;
use crate::client::waiter::Waiter;
use crate::client::world::{Message, World as _};
use crate::client::{DriverCounters, Settings};
use crate::machine::{Clock, Stop, clock::nanos};
use crate::wire::{Errno, arrival, dialer::Dialer, greeting, greeting::Peer};
use zload_core::message::RequestForm;
use zload_core::scenario::{Matching, Nanos, Sockets};
use zload_core::zmtp::{self, Decoder, PING, Progress, Refusal, encode_command, ready};

/// Handshakes that all drivers together have under way at a time, and the fewest of one.
const WAVE: usize = 96;
const LEAST_WAVE: usize = 8;
/// libzmq's own: the first pause before a connection is tried again, and the longest handshake.
const FIRST_PAUSE_NS: u64 = 100_000_000;
const LONGEST_HANDSHAKE_NS: u64 = 30_000_000_000;
/// How often a pause doubles where nothing is said about the longest.
const DOUBLINGS: u32 = 5;
/// After this many handshakes that ended without a word, and none that did not, it is looked for the reason.
const CUT_SHORT: u32 = 3;
/// How long a wait may be in which nothing else is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long what may take, in nanoseconds.
pub(super) struct Times {
    first_pause: u64,
    longest_pause: u64,
    handshake: u64,
    /// Between two heartbeats; none are sent if there is no such time.
    between_beats: Option<u64>,
    /// How many beats may pass in which nothing comes.
    silent_beats: u32,
    /// How many there were.
    pub(super) beat: u32,
}

/// Why no connection can be made.
pub(super) enum Why {
    /// The server says so.
    Refused(Refusal),
    /// This machine does.
    Machine(Errno),
}

impl Times {
    fn new(options: &Sockets) -> Self {
        let given = |option: Option<Nanos>| option.map(|time| time.0).filter(|ns| *ns > 0);
        let first_pause = given(options.reconnect_ivl).unwrap_or(FIRST_PAUSE_NS);
        let between_beats = given(options.heartbeat_ivl);
        let silent_beats = between_beats.map_or(0, |between| {
            given(options.heartbeat_timeout).unwrap_or(between).div_ceil(between)
        });
        Self {
            first_pause,
            longest_pause: given(options.reconnect_ivl_max)
                .unwrap_or(first_pause << DOUBLINGS)
                .max(first_pause),
            // As in libzmq, 0 is no limit.
            handshake: options.handshake_ivl.map_or(LONGEST_HANDSHAKE_NS, |time| match time.0 {
                0 => u64::MAX,
                ns => ns,
            }),
            between_beats,
            silent_beats: u32::try_from(silent_beats).unwrap_or(u32::MAX),
            beat: 0,
        }
    }

    /// The pause after this many failures in turn.
    fn pause_ns(&self, failures: u8) -> u64 {
        let doublings = u32::from(failures.saturating_sub(1)).min(20);
        self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause)
    }
}

impl ZmtpWorld {
    /// A world of these clients, none of which is connected.
    pub(in crate::client) fn new(
        settings: &Settings,
        clients: &[Client],
        stop: &Arc<Stop>,
        counters: &Arc<DriverCounters>,
    ) -> Result<Self, Error> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(descriptor)?;
        let once = EventFlags::IN.union(EventFlags::ET);
        epoll::add(&epoll, stop.wake_fd(), EventData::new_u64(STOP_EVENT), once)
            .map_err(descriptor)?;
        let limit = settings.sockets.maxmsgsize.map_or(u64::MAX, |most| most.0);
        let line = |client: &Client| Line {
            descriptor: None,
            handshake: None,
            decoder: Decoder::new(limit),
            flags: Flags::default(),
            failures: 0,
            heard_at_beat: 0,
            identity: (&*client.identity).into(),
            number: client.number,
            partial: None,
            stash: Vec::new(),
            stash_arrived_ns: 0,
            asked: 0,
            unsent: Vec::new(),
        };
        let lines: Vec<Line> = clients.iter().map(line).collect();
        let clients = u32::try_from(lines.len()).expect("clients are counted in 32 bits");
        let times = Times::new(&settings.sockets);
        let own_clock = Clock::start();
        Ok(Self {
            waiter: Waiter::new(epoll, &settings.plan, lines.len()),
            lines,
            input: vec![0; INPUT].into_boxed_slice(),
            unread: 0..0,
            reader: 0,
            arrived_ns: 0,
            output: Vec::with_capacity(OUTPUT),
            writer: 0,
            command: Vec::new(),
            spare: None,
            overlooked: Vec::new(),
            dialer: Dialer::new(&settings.routes, &settings.sockets)?,
            wave: (WAVE / settings.drivers.max(1) as usize).max(LEAST_WAVE),
            knows_probes: settings.forms.matching != Matching::Order,
            limit,
            next_beat_ns: times.between_beats.unwrap_or(u64::MAX),
            times,
            up: 0,
            down: (0..clients).map(|client| Reverse((0, client))).collect(),
            dialling: Vec::new(),
            refusal: None,
            short_of_ports: false,
            cut_short: 0,
            clock: own_clock,
            own_clock,
            stop: Arc::clone(stop),
            counters: Arc::clone(counters),
        })
    }

    /// The plan begins when this clock reads 0.
    pub(in crate::client) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Connects all clients, and waits until each has been answered if it says hello; false if that takes too long.
    pub(in crate::client) fn connect(
        &mut self,
        settings: &Settings,
        clients: &[Client],
    ) -> Result<bool, Error> {
        let clock = Clock::start();
        let is_late = || clock.now_ns() >= settings.connect_timeout.0;
        let mut looked = false;
        while self.up < self.lines.len() {
            if self.stop.requested() {
                return Err(Error::Interrupted);
            }
            if is_late() {
                return if self.short_of_ports { Err(no_port(settings)) } else { Ok(false) };
            }
            let moved = self.attend(LOOK_EVERY).map_err(|errno| errno.failed("waiting"))?;
            for client in moved {
                // Nothing was asked yet, so nothing is lost.
                if self.lines[client as usize].flags.lost {
                    self.connect_again(client, true);
                }
            }
            self.counters.connected.set(self.up as u64);
            if self.up == 0 && self.cut_short >= CUT_SHORT && !std::mem::replace(&mut looked, true)
            {
                self.look(settings)?;
            }
            match self.refusal.take() {
                None => {}
                Some((client, why)) => {
                    let endpoint = settings.routes.endpoint_of(self.lines[client as usize].number);
                    return Err(match why {
                        Why::Machine(errno) => {
                            errno.failed(format!("cannot connect to {endpoint}"))
                        }
                        Why::Refused(refusal) => refused(refusal, endpoint),
                    });
                }
            }
        }
        // Connections that ended before all clients were connected do not count for the run.
        let DriverCounters { closed, reset, too_long, silent, made, .. } = &*self.counters;
        for count in [closed, reset, too_long, silent, made] {
            count.set(0);
        }
        match settings.forms.hello() {
            Some(hello) => self.greet(hello, clients, is_late),
            None => Ok(true),
        }
    }

    /// Looks at what ends handshakes without a word; an error if it says there that it will end all.
    #[cold]
    fn look(&self, settings: &Settings) -> Result<(), Error> {
        let endpoint = settings.routes.endpoint_of(self.lines[0].number);
        let peer = greeting::look(endpoint);
        let why = peer.objection_to_zmtp(endpoint).filter(|_| peer.refuses_zmtp());
        why.map_or(Ok(()), |why| Err(Error::Failed(why)))
    }

    /// Has all clients say hello, and waits until all are answered.
    fn greet(
        &mut self,
        hello: &RequestForm,
        clients: &[Client],
        is_late: impl Fn() -> bool,
    ) -> Result<bool, Error> {
        let failed = |errno: Errno| errno.failed("saying hello (request.hello)");
        let mut message = Message::default();
        for (index, client) in (0..).zip(clients) {
            client.hello(hello, &mut message).map_err(failed)?;
            self.send(index, None, &mut message).and_then(|_| self.flush(index)).map_err(failed)?;
        }
        let mut silent = vec![true; clients.len()];
        let mut moved = Vec::new();
        let mut left = clients.len();
        while left > 0 {
            if self.stop.requested() {
                return Err(Error::Interrupted);
            }
            if is_late() {
                return Err(no_hello(left));
            }
            self.wait(nanos(LOOK_EVERY), None, &mut moved).map_err(failed)?;
            for client in moved.drain(..) {
                let one = std::slice::from_mut(&mut message);
                let taken = self.take(client, one).map_err(failed)?;
                self.flush(client).map_err(failed)?;
                if !taken.emptied {
                    self.overlooked.push(client);
                }
                if taken.count > 0 && std::mem::take(&mut silent[client as usize]) {
                    left -= 1;
                }
            }
        }
        Ok(true)
    }

    /// Takes in what comes before the run, as servers want answers to their heartbeats; waits at most this long. Gives
    /// the clients of which there was news.
    pub(in crate::client) fn attend(&mut self, most: Duration) -> Result<Vec<u32>, Errno> {
        let (mut moved, mut heard) = (Vec::new(), [Message::default()]);
        let most_ns = nanos(most.min(LOOK_EVERY));
        self.wait(most_ns, Some(most_ns), &mut moved)?;
        for client in &moved {
            let taken = self.take(*client, &mut heard)?;
            self.flush(*client)?;
            if !taken.emptied {
                self.overlooked.push(*client);
            }
        }
        Ok(moved)
    }

    /// Connects a client that has no connection: after a pause, if it had one that ended.
    pub(super) fn connect_again(&mut self, client: u32, was_lost: bool) {
        let line = &mut self.lines[client as usize];
        line.flags.lost = false;
        let mut at_ns = 0;
        if was_lost {
            line.failures = line.failures.saturating_add(1);
            at_ns = self.own_clock.now_ns() + self.times.pause_ns(line.failures);
        }
        self.down.push(Reverse((at_ns, client)));
    }

    fn has_chores(&self) -> bool {
        !self.down.is_empty() || !self.dialling.is_empty() || self.times.between_beats.is_some()
    }

    /// How long until something is due that no news tells of, in nanoseconds.
    #[inline]
    pub(super) fn chores_in_ns(&self) -> u64 {
        if self.has_chores() { self.next_chore_in_ns() } else { u64::MAX }
    }

    /// Does what is due of that.
    #[inline]
    pub(super) fn do_chores(&mut self, moved: &mut Vec<u32>) {
        if self.has_chores() {
            self.do_due(moved);
        }
    }

    #[cold]
    fn next_chore_in_ns(&self) -> u64 {
        let next_dial = self.down.peek().filter(|_| self.dialling.len() < self.wave);
        let next_dial_ns = next_dial.map(|Reverse((at_ns, _))| *at_ns);
        let given_up_ns = self.dialling.iter().map(|(at_ns, _)| *at_ns).min();
        let due = next_dial_ns.into_iter().chain(given_up_ns).chain([self.next_beat_ns]);
        let due_ns = due.min().expect("there is the next beat");
        due_ns.saturating_sub(self.own_clock.now_ns())
    }

    #[cold]
    fn do_due(&mut self, moved: &mut Vec<u32>) {
        let now_ns = self.own_clock.now_ns();
        let overdue: Vec<u32> =
            self.dialling.iter().filter(|(at_ns, _)| *at_ns <= now_ns).map(|(_, of)| *of).collect();
        for client in overdue {
            self.retry(client);
        }
        while self.dialling.len() < self.wave
            && let Some(&Reverse((at_ns, client))) = self.down.peek()
            && at_ns <= now_ns
        {
            self.down.pop();
            self.dial(client, now_ns);
        }
        if now_ns >= self.next_beat_ns {
            self.beat(now_ns, moved);
        }
    }

    fn dial(&mut self, client: u32, now_ns: u64) {
        let dialled = self.dialer.dial(self.lines[client as usize].number).and_then(|socket| {
            let data = EventData::new_u64(client.into());
            epoll::add(self.waiter.epoll(), &socket, data, NEWS.union(EventFlags::OUT))
                .map_err(|error| Errno(error.raw_os_error()))?;
            Ok(socket)
        });
        match dialled {
            Ok(socket) => {
                let line = &mut self.lines[client as usize];
                line.descriptor = Some(socket);
                line.handshake = Some(Box::default());
                let until_ns = now_ns.saturating_add(self.times.handshake);
                self.dialling.push((until_ns, client));
            }
            Err(errno) => {
                if errno == Errno::MFILE || errno == Errno(libc::ENFILE) {
                    self.refusal.get_or_insert((client, Why::Machine(errno)));
                }
                self.short_of_ports |= errno == Errno(libc::EADDRNOTAVAIL);
                self.retry(client);
            }
        }
    }

    /// Goes on with a handshake, as far as the kernel has news of it.
    #[cold]
    pub(super) fn advance(&mut self, client: u32, moved: &mut Vec<u32>) {
        match self.go_on(client) {
            Ok(false) => {}
            Ok(true) => {
                self.dialling.retain(|(_, of)| *of != client);
                self.up += 1;
                let line = &mut self.lines[client as usize];
                // What came behind the handshake is there, and more may be.
                (line.flags.clear, line.flags.readable) = (true, true);
                line.heard_at_beat = self.times.beat;
                line.flags.stamped = line.descriptor.as_ref().is_some_and(arrival::stamp);
                if std::mem::replace(&mut line.flags.again, true) {
                    self.counters.made.add(1);
                }
                moved.push(client);
            }
            Err(refusal) => {
                self.cut_short += u32::from(self.lines[client as usize].flags.greeted);
                if let Some(refusal) = refusal {
                    self.refusal.get_or_insert((client, Why::Refused(refusal)));
                }
                self.retry(client);
            }
        }
    }

    /// Whether a handshake is done now; an error if it never will be, with the server's reason if it has said one.
    fn go_on(&mut self, client: u32) -> Result<bool, Option<Refusal>> {
        let line = &mut self.lines[client as usize];
        let (Some(socket), Some(handshake)) = (&line.descriptor, &mut line.handshake) else {
            return Ok(false);
        };
        if !line.flags.greeted {
            Dialer::outcome(socket).map_err(|_| None)?;
            let mut words = zmtp::greeting().to_vec();
            ready(line.identity.as_bytes(), &mut words);
            // A buffer that is empty has room for them.
            if written(socket, &words).ok() != Some(words.len()) {
                return Err(None);
            }
            line.flags.greeted = true;
            let data = EventData::new_u64(client.into());
            epoll::modify(self.waiter.epoll(), socket, data, NEWS).map_err(|_| None)?;
        }
        let mut heard = [0; 1024];
        loop {
            match rustix::io::read(socket, &mut heard) {
                Ok(0) => return Err(None),
                Ok(count) => match handshake.feed(&heard[..count], line.identity.as_bytes()) {
                    Progress::Waits => {}
                    Progress::Refused(refusal) => return Err(Some(refusal)),
                    Progress::Done(used) => {
                        line.stash = heard[used..count].to_vec();
                        line.handshake = None;
                        return Ok(true);
                    }
                },
                Err(System::INTR) => {}
                Err(System::AGAIN) => return Ok(false),
                Err(_) => return Err(None),
            }
        }
    }

    /// A connection did not come about: it is tried again after a pause.
    fn retry(&mut self, client: u32) {
        self.forget(client);
        self.connect_again(client, true);
    }

    /// Sends a heartbeat to all peers, and ends the connections of those that were silent for too long.
    fn beat(&mut self, now_ns: u64, moved: &mut Vec<u32>) {
        self.times.beat = self.times.beat.wrapping_add(1);
        self.next_beat_ns = now_ns + self.times.between_beats.expect("there are beats");
        for client in 0..u32::try_from(self.lines.len()).expect("clients are counted in 32 bits") {
            let line = &self.lines[client as usize];
            if !line.is_up() {
                continue;
            }
            if self.times.beat.wrapping_sub(line.heard_at_beat) > self.times.silent_beats {
                self.end(client, End::Silent);
                moved.push(client);
            } else if line.unsent.is_empty() {
                encode_command(PING, &mut self.output);
                self.writer = client;
                self.write_out();
            }
        }
    }
}

/// That not all clients are connected in time, as ports are missing here.
fn no_port(settings: &Settings) -> Error {
    Error::Limit(format!(
        "not all clients are connected within {} (clients.connect_timeout): this machine has no free port for more connections to {}, as others have them, or a run that has just ended; wait a minute, or name addresses in clients.sources",
        settings.connect_timeout,
        settings.routes.endpoints()
    ))
}

/// That a server is none for these clients, as it says itself.
fn refused(refusal: Refusal, endpoint: &str) -> Error {
    let why = Peer::from(refusal).objection_to_zmtp(endpoint);
    Error::Failed(why.unwrap_or_else(|| format!("{endpoint} refuses zload's clients")))
}
