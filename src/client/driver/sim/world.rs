//! A simulated world: connections that behave as ZeroMQ's do, a server, and all that can go wrong between them.
//!
//! A connection is modelled after libzmq's DEALER where a driver can see it. Its descriptor is signalled once when there are
//! commands, and any call may take them in and so swallow the news; a writer into a pipe signals the reader only if
//! it was seen asleep, which is when it found the pipe empty. Time moves by the cost of calls, and jumps in a wait.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::SplitMix64;

use super::faults::Faults;
use super::truth::{Kind, Truth};
use crate::client::world::{Body, Message, Possible, Taken, World};
use crate::wire::{Errno, Station, Stations, Tag};
use zload_core::message::Header;
use zload_core::plan::Plan;

/// What the stations' clock reads when the plan starts.
pub(super) const ZERO_NS: u64 = 1_000;
/// How far from now what races with a call may be.
const LONGEST_RACE_NS: u64 = 100_000;

pub(super) struct Sim {
    plan: Arc<Plan>,
    stations: Option<Arc<Stations>>,
    faults: Faults,
    random: SplitMix64,
    now_ns: Cell<u64>,
    /// What the driver read last, and first since it took messages.
    read_ns: Cell<u64>,
    stamp_ns: Cell<Option<u64>>,
    calls: Cell<u64>,
    pub(super) stop_at_ns: Option<u64>,
    /// When nothing more is to be sent.
    pub(super) sending_ends_at_ns: Option<u64>,
    /// The stop ended a wait, as it does once.
    stop_told: bool,
    connections: Vec<Connection>,
    /// What happens when, in order.
    events: BinaryHeap<Reverse<(u64, u64)>>,
    /// By the second number of `events`.
    pending: Vec<Option<Event>>,
    /// When each worker has done all that it was given.
    workers: Vec<u64>,
    next_worker: usize,
    pub(super) truth: Truth,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that ZeroMQ keeps by itself")]
struct Connection {
    /// Messages that came and were not read.
    unread: VecDeque<Mail>,
    /// The reader knows that there is something to read.
    awake: bool,
    /// Commands that wait for the next call: something can be read, something can be sent.
    commands: (bool, bool),
    /// The descriptor is readable, and has said so.
    signalled: bool,
    told: bool,
    /// Requests that were taken and have not left, and whether the socket knows of no room for another.
    queued: usize,
    refused: bool,
    /// The last request was refused.
    wants_to_send: bool,
    /// When the last message left for the server, whose order TCP keeps.
    last_ns: u64,
}

#[derive(Debug, Clone)]
struct Mail {
    /// The last one is the body.
    frames: Vec<Vec<u8>>,
    kind: Kind,
}

enum Event {
    /// A request comes to the server.
    Request(u32, Option<Tag>, Vec<u8>),
    /// A message comes to a client.
    Reply(u32, Mail),
}

impl Body for Vec<u8> {
    fn filled(size: usize, filling: u8) -> Result<Self, Errno> {
        Ok(vec![filling; size])
    }

    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        Some(self)
    }
}

impl Sim {
    pub(super) fn new(
        plan: &Arc<Plan>,
        stations: Option<Arc<Stations>>,
        faults: Faults,
        workers: usize,
        numbers: &[u32],
        seed: u64,
    ) -> Self {
        Self {
            plan: Arc::clone(plan),
            stations,
            faults,
            random: SplitMix64::seed_from_u64(seed),
            now_ns: Cell::new(0),
            read_ns: Cell::new(0),
            stamp_ns: Cell::new(None),
            calls: Cell::new(seed),
            stop_at_ns: None,
            sending_ends_at_ns: None,
            stop_told: false,
            connections: numbers.iter().map(|_| Connection::default()).collect(),
            events: BinaryHeap::new(),
            pending: Vec::new(),
            workers: vec![0; workers],
            next_worker: 0,
            truth: Truth::new(plan, numbers),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now_ns.get()
    }

    fn plan_event(&mut self, at_ns: u64, event: Event) {
        self.events.push(Reverse((at_ns, self.pending.len() as u64)));
        self.pending.push(Some(event));
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below.max(1)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        one_in > 0 && self.draw(one_in) == 0
    }

    /// A call starts: time passes, up to what comes next if the call has a race with it.
    fn call(&mut self) {
        self.settle();
        self.cost();
        let next_ns = self.events.peek().map_or(u64::MAX, |Reverse((at_ns, _))| *at_ns);
        let now_ns = self.now_ns.get();
        if next_ns.saturating_sub(now_ns) < LONGEST_RACE_NS && self.chance(self.faults.raced) {
            self.now_ns.set(next_ns.max(now_ns));
        }
        self.catch_up();
    }

    /// Tells the truth when the driver took what it took.
    pub(super) fn settle(&mut self) {
        if let Some(now_ns) = self.stamp_ns.take() {
            self.truth.stamped(now_ns);
        }
    }

    /// Lets happen what should have happened by now.
    fn catch_up(&mut self) {
        while let Some(&Reverse((at_ns, number))) = self.events.peek()
            && at_ns <= self.now_ns.get()
        {
            self.events.pop();
            let number = usize::try_from(number).expect("events fit into memory");
            match self.pending[number].take().expect("an event happens once") {
                Event::Request(client, tag, body) => {
                    self.connections[client as usize].drained(self.faults.room);
                    self.serve(at_ns, client, tag, &body);
                }
                Event::Reply(client, mail) => self.connections[client as usize].arrived(mail),
            }
        }
    }

    /// The server: workers in turn, each with its own queue, as a DEALER backend deals.
    fn serve(&mut self, now_ns: u64, client: u32, tag: Option<Tag>, body: &[u8]) {
        if self.chance(self.faults.request_lost) {
            return;
        }
        let header = Header::decode(body).expect("requests have a header");
        let worker = self.next_worker;
        self.next_worker = (worker + 1) % self.workers.len();
        let start_ns = self.workers[worker].max(now_ns);
        self.stamp(tag, &[Station::ProxyIn, Station::ProxyOut], now_ns);
        self.stamp(tag, &[Station::WorkerStart], start_ns);
        let mut at_ns = start_ns;
        for reply in 0..self.plan.replies(header.key) {
            at_ns += self.plan.delay_ns(header.key, reply);
            self.stamp(tag, &[Station::WorkerReply, Station::BackIn, Station::BackOut], at_ns);
            self.reply(at_ns, client, tag, body, header.request);
        }
        self.workers[worker] = at_ns;
    }

    fn stamp(&self, tag: Option<Tag>, at: &[Station], now_ns: u64) {
        if let (Some(stations), Some(tag)) = (&self.stations, tag) {
            for station in at {
                stations.stamp(tag, *station, now_ns + ZERO_NS);
            }
        }
    }

    /// A reply leaves the server, if nothing happens to it.
    fn reply(&mut self, now_ns: u64, client: u32, tag: Option<Tag>, body: &[u8], request: u64) {
        let tag = tag.map(|tag| tag.bytes().to_vec());
        let frames = tag.into_iter().chain([body.to_vec()]).collect();
        let mut mail = Mail { frames, kind: Kind::Intact(request) };
        if self.chance(self.faults.reply_lost) {
            return;
        }
        if self.chance(self.faults.garbled) {
            self.garble(&mut mail);
        }
        let copies = if self.chance(self.faults.duplicated) { 2 } else { 1 };
        for _ in 0..copies {
            let mut at_ns = now_ns + self.draw(self.faults.transit_ns);
            if self.chance(self.faults.delayed) {
                at_ns += self.draw(self.faults.longest_delay_ns);
            }
            if let Some(timeout_ns) = self.plan.timeout_ns()
                && self.chance(self.faults.at_timeout)
            {
                let off_ns = [2, 50_000][usize::from(self.chance(2))];
                let around_ns = self.draw(2 * off_ns + 1);
                let expires_ns = self.truth.sent_ns(client, request) + timeout_ns;
                at_ns = now_ns.max((expires_ns + around_ns).saturating_sub(off_ns));
            }
            self.plan_event(at_ns, Event::Reply(client, mail.clone()));
        }
    }

    fn garble(&mut self, mail: &mut Mail) {
        mail.kind = Kind::Garbled;
        let body = mail.frames.last_mut().expect("a reply has a body");
        match self.draw(5) {
            0 => mail.frames.insert(0, b"a frame more".to_vec()),
            1 => body.push(b'.'),
            2 => {
                body.pop();
            }
            3 => body.clear(),
            _ => {
                let place = usize::try_from(self.draw(body.len() as u64)).expect("a position");
                let sign = 1 << self.draw(8);
                let body = mail.frames.last_mut().expect("a reply has a body");
                body[place] ^= sign;
            }
        }
    }

    /// Time passes by what calls cost, and now and then the thread is put off its processor.
    fn cost(&self) {
        let call = self.calls.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.calls.set(call);
        let mut cost_ns = (call >> 33) % self.faults.call_ns.max(1);
        if self.faults.starved > 0 && (call >> 20).is_multiple_of(self.faults.starved) {
            cost_ns += self.faults.starved_ns;
        }
        self.now_ns.set(self.now_ns.get() + cost_ns);
    }
}

impl Connection {
    fn signal(&mut self) {
        if !self.signalled {
            (self.signalled, self.told) = (true, false);
        }
    }

    fn arrived(&mut self, mail: Mail) {
        self.unread.push_back(mail);
        if !self.awake && !self.commands.0 {
            self.commands.0 = true;
            self.signal();
        }
    }

    /// A request left; ZeroMQ says that there is room when half of the places are free again.
    fn drained(&mut self, room: usize) {
        self.queued -= 1;
        if self.queued.is_multiple_of((room / 2).max(1)) {
            self.commands.1 = true;
            self.signal();
        }
    }

    /// Takes in what the commands say, and with it the news of them.
    fn take_commands(&mut self) {
        self.awake |= self.commands.0;
        self.refused &= !self.commands.1;
        self.commands = (false, false);
        self.signalled = false;
    }

    /// Whether something can be read; the reader is asleep from when it finds nothing.
    fn readable(&mut self) -> bool {
        self.awake &= !self.unread.is_empty();
        self.awake
    }

    /// Whether something could be done here of which no event will ever come.
    fn is_forgotten(&self, room: usize, sending: bool) -> bool {
        let news_to_come = self.signalled && !self.told;
        let unread = self.awake && !self.unread.is_empty();
        let sendable = sending && self.wants_to_send && !self.refused && self.queued < room;
        !news_to_come && (unread || sendable || self.signalled)
    }
}

impl World for Sim {
    type Body = Vec<u8>;

    fn now_ns(&self) -> u64 {
        self.cost();
        let now_ns = self.now_ns.get();
        self.read_ns.set(now_ns);
        self.stamp_ns.set(Some(self.stamp_ns.get().unwrap_or(now_ns)));
        now_ns
    }

    fn await_start(&mut self) {}

    fn renew(&mut self, _: u32, _: &str) -> Result<(), Errno> {
        unreachable!("no client of a simulation matches replies by their order")
    }

    fn send(
        &mut self,
        client: u32,
        tag: Option<Tag>,
        request: &mut Message<Vec<u8>>,
    ) -> Result<bool, Errno> {
        self.call();
        // ZeroMQ looks for commands only when some time has passed since it last did.
        let looks = self.chance(2);
        let connection = &mut self.connections[client as usize];
        if looks {
            connection.take_commands();
        }
        if connection.refused || connection.queued >= self.faults.room {
            (connection.refused, connection.wants_to_send) = (true, true);
            return Ok(false);
        }
        connection.wants_to_send = false;
        connection.queued += 1;
        let last_ns = connection.last_ns;
        let at_ns = last_ns.max(self.now_ns.get() + self.draw(self.faults.transit_ns));
        self.connections[client as usize].last_ns = at_ns;
        let sent = std::mem::take(request.only_body());
        self.truth.sent(client, &sent, self.read_ns.get(), self.stop_requested());
        self.plan_event(at_ns, Event::Request(client, tag, sent));
        Ok(true)
    }

    fn take(&mut self, client: u32, into: &mut [Message<Vec<u8>>]) -> Result<Taken, Errno> {
        let most = into.len();
        for (count, message) in into.iter_mut().enumerate() {
            self.call();
            let connection = &mut self.connections[client as usize];
            if !connection.readable() {
                connection.take_commands();
            }
            if !connection.readable() {
                return Ok(Taken { count, emptied: true });
            }
            let mail = connection.unread.pop_front().expect("it is readable");
            self.truth.taken(client, mail.kind);
            message.set_count(mail.frames.len());
            for (place, frame) in mail.frames.into_iter().enumerate() {
                *message.place(place) = frame;
            }
        }
        Ok(Taken { count: most, emptied: false })
    }

    fn possible(&mut self, client: u32) -> Result<Possible, Errno> {
        self.call();
        let room = self.faults.room;
        let connection = &mut self.connections[client as usize];
        connection.take_commands();
        connection.refused |= connection.queued >= room;
        Ok(Possible { receive: connection.readable(), send: !connection.refused })
    }

    fn wait(
        &mut self,
        wait_ns: u64,
        due_in_ns: Option<u64>,
        moved: &mut Vec<u32>,
    ) -> Result<bool, Errno> {
        moved.clear();
        self.settle();
        self.truth.turn_ends();
        if wait_ns > 0 {
            let sending = !self.stop_requested() && self.now_ns.get() < self.plan.send_end_ns();
            let room = self.faults.room;
            let forgotten = self.connections.iter().position(|of| of.is_forgotten(room, sending));
            assert_eq!(forgotten, None, "waits, and nobody will tell it of what it left undone");
        }
        let until_ns = self.now_ns.get() + wait_ns.min(due_in_ns.unwrap_or(u64::MAX));
        let mut slept = false;
        loop {
            self.catch_up();
            let news = |connection: &&mut Connection| connection.signalled && !connection.told;
            for (index, connection) in (0..).zip(&mut self.connections) {
                if news(&connection) {
                    connection.told = true;
                    moved.push(index);
                }
            }
            let now_ns = self.now_ns.get();
            let stops = self.stop_requested() && !self.stop_told;
            self.stop_told |= stops;
            if !moved.is_empty() || now_ns >= until_ns || stops {
                break;
            }
            slept = true;
            let next_ns = self.events.peek().map_or(u64::MAX, |Reverse((at_ns, _))| *at_ns);
            let stop_ns = self.stop_at_ns.filter(|_| !self.stop_told).unwrap_or(u64::MAX);
            self.now_ns.set(until_ns.min(next_ns).min(stop_ns).max(now_ns));
        }
        if slept {
            let late_ns = self.draw(self.faults.woken_late_ns);
            self.now_ns.set(self.now_ns.get() + late_ns);
        }
        if self.chance(self.faults.spurious) {
            let anybody = self.draw(self.connections.len() as u64);
            moved.push(u32::try_from(anybody).expect("clients are counted in 32 bits"));
        }
        Ok(slept)
    }

    fn sending_ended(&self) -> bool {
        let ended = |end_ns: Option<u64>| end_ns.is_some_and(|end_ns| self.now_ns.get() >= end_ns);
        ended(self.sending_ends_at_ns) || ended(self.stop_at_ns)
    }

    fn stop_requested(&self) -> bool {
        self.stop_at_ns.is_some_and(|stop_ns| self.now_ns.get() >= stop_ns)
    }
}
