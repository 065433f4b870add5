//! A simulated world: connections that behave as ZeroMQ's do, a server, and all that can go wrong between them.
//!
//! Time moves by the cost of calls, and jumps in a wait.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::SplitMix64;

use super::connection::{Connection, Mail};
use super::faults::Faults;
use super::server::Server;
use super::truth::{Kind, Said, Truth};
use crate::client::world::{Message, Possible, Taken, World};
use crate::wire::{Errno, Station, Stations, Tag};
use zload_core::plan::Plan;
use zload_core::scenario::Matching;

/// What the stations' clock reads when the plan starts.
pub(super) const ZERO_NS: u64 = 1_000;
/// How far from now what races with a call may be.
const LONGEST_RACE_NS: u64 = 100_000;

pub(super) struct Sim {
    plan: Arc<Plan>,
    server: Server,
    /// The clients' numbers.
    numbers: Vec<u32>,
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
    /// The connection of the client that had its turn last has ended.
    ended: bool,
    /// Of each client, of how many replies it is asked when they come; and when what was taken last came.
    asked: Vec<u32>,
    arrived_ns: u64,
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

/// A request on its way: whose, over which connection, its number, and its frames.
#[derive(Clone)]
struct Request {
    client: u32,
    connection: u32,
    number: u64,
    tag: Option<Tag>,
    frames: Vec<Vec<u8>>,
}

enum Event {
    /// A request comes to the server.
    Request(Request),
    /// A message comes to a client, over this connection.
    Reply(u32, u32, Mail),
    /// A connection is made.
    Made(u32, u32),
}

impl Sim {
    pub(super) fn new(
        (plan, server): (&Arc<Plan>, Server),
        stations: Option<Arc<Stations>>,
        faults: Faults,
        workers: usize,
        numbers: &[u32],
        seed: u64,
    ) -> Self {
        Self {
            plan: Arc::clone(plan),
            truth: Truth::new(plan, &server.forms, numbers),
            server,
            numbers: numbers.to_vec(),
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
            ended: false,
            asked: vec![0; numbers.len()],
            arrived_ns: 0,
            connections: numbers.iter().map(|_| Connection::default()).collect(),
            events: BinaryHeap::new(),
            pending: Vec::new(),
            workers: vec![0; workers],
            next_worker: 0,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now_ns.get()
    }

    /// Of how many replies it is asked when they come.
    pub(super) fn asked(&self) -> usize {
        self.asked.iter().sum::<u32>() as usize
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
                Event::Request(request) => {
                    let connection = &mut self.connections[request.client as usize];
                    if connection.number == request.connection {
                        connection.drained(self.faults.room);
                    }
                    self.serve(at_ns, &request);
                }
                Event::Reply(client, number, mail) => {
                    let connection = &mut self.connections[client as usize];
                    if connection.number == number {
                        connection.arrived(Mail { arrived_ns: at_ns, ..mail });
                    }
                }
                Event::Made(client, number) => {
                    let connection = &mut self.connections[client as usize];
                    if connection.number == number {
                        connection.commands.1 = true;
                        connection.signal();
                    }
                }
            }
        }
    }

    /// The server: workers in turn, each with its own queue, as a DEALER backend deals.
    fn serve(&mut self, now_ns: u64, request: &Request) {
        if self.chance(self.faults.request_lost) {
            return;
        }
        let key = self.plan.key(self.numbers[request.client as usize], request.number);
        let worker = self.next_worker;
        self.next_worker = (worker + 1) % self.workers.len();
        let start_ns = self.workers[worker].max(now_ns);
        self.stamp(request.tag, &[Station::ProxyIn, Station::ProxyOut], now_ns);
        self.stamp(request.tag, &[Station::WorkerStart], start_ns);
        let mut at_ns = start_ns;
        let replies = if self.server.forms.marks_last() {
            1 + u32::try_from(self.draw(4)).expect("small")
        } else {
            self.plan.replies(key)
        };
        for reply in 0..replies {
            at_ns += self.plan.delay_ns(key, reply);
            let stations = [Station::WorkerReply, Station::BackIn, Station::BackOut];
            self.stamp(request.tag, &stations, at_ns);
            let said = self.random.next_u64();
            let said = self.server.says(said, reply + 1 == replies);
            self.reply(at_ns, request, said);
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
    fn reply(&mut self, now_ns: u64, request: &Request, said: Said) {
        let &Request { client, connection, number, tag, .. } = request;
        let tag = tag.map(|tag| tag.bytes().to_vec());
        let frames = tag.into_iter().chain(self.server.reply(&request.frames, said)).collect();
        let mut mail = Mail { frames, kind: Kind::Intact(number, said), arrived_ns: 0 };
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
                let expires_ns = self.truth.sent_ns(client, number) + timeout_ns;
                at_ns = now_ns.max((expires_ns + around_ns).saturating_sub(off_ns));
            }
            if self.server.forms.matching == Matching::Order {
                // Nothing overtakes what came before it.
                let last_ns = &mut self.connections[client as usize].reply_ns;
                at_ns = at_ns.max(*last_ns);
                *last_ns = at_ns;
            }
            self.plan_event(at_ns, Event::Reply(client, connection, mail.clone()));
        }
    }

    fn garble(&mut self, mail: &mut Mail) {
        mail.kind = Kind::Garbled;
        let known_by = self.server.known_by(&mail.frames);
        let how = if self.server.notices_any() { self.draw(5) } else { 3 };
        let frame = &mut mail.frames[known_by];
        match how {
            0 => mail.frames.insert(0, b"a frame more".to_vec()),
            1 => frame.push(b'.'),
            2 => {
                frame.pop();
            }
            3 => frame.clear(),
            _ => {
                let place = usize::try_from(self.draw(frame.len() as u64)).expect("a position");
                let sign = 1 << self.draw(8);
                mail.frames[known_by][place] ^= sign;
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

    fn flush(&mut self, client: u32) -> Result<bool, Errno> {
        let connection = &self.connections[client as usize];
        let is_made = connection.number == 0 || !connection.refused;
        self.ended = is_made && self.chance(self.faults.ended);
        Ok(!self.ended)
    }

    fn renew(&mut self, client: u32, _: &str) -> Result<(), Errno> {
        self.settle();
        self.cost();
        if !std::mem::take(&mut self.ended) {
            self.truth.renewed(client);
        }
        // As a socket that waits for its handshake: what was on its way is gone, and nothing can be sent yet.
        let connection = &mut self.connections[client as usize];
        let number = connection.number + 1;
        *connection = Connection { number, refused: true, ..Connection::default() };
        let made_ns = self.now_ns.get() + self.draw(self.faults.transit_ns);
        self.plan_event(made_ns, Event::Made(client, number));
        Ok(())
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
        let frames: Vec<Vec<u8>> = request.frames().iter_mut().map(std::mem::take).collect();
        let number = self.truth.sent(client, &frames, self.read_ns.get(), self.stop_requested());
        let connection = self.connections[client as usize].number;
        let request = Request { client, connection, number, tag, frames };
        self.plan_event(at_ns, Event::Request(request));
        Ok(true)
    }

    fn take(&mut self, client: u32, into: &mut [Message<Vec<u8>>]) -> Result<Taken, Errno> {
        let most = into.len();
        let asked = self.asked[client as usize] > 0;
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
            let earlier_ns = if count == 0 { 0 } else { self.arrived_ns };
            self.arrived_ns = if asked { mail.arrived_ns.max(earlier_ns) } else { 0 };
            message.set_count(mail.frames.len());
            for (place, frame) in mail.frames.into_iter().enumerate() {
                *message.place(place) = frame;
            }
        }
        Ok(Taken { count: most, emptied: false })
    }

    fn ask_arrivals(&mut self, client: u32, asks: bool) {
        let asked = &mut self.asked[client as usize];
        let more = asked.checked_add_signed(if asks { 1 } else { -1 });
        *asked = more.expect("what is taken back was asked");
    }

    fn arrived_ns(&self) -> u64 {
        self.arrived_ns
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
