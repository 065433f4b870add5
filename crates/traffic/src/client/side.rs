//! The clients' side of a run: starts the drivers' threads and holds the lines to them.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::driver::{Driver, Surroundings};
use super::{DriverCounters, Event, Settings};
use super::{connect::Connector, sockets_world::SocketsWorld, state::Client, tracker::Tracker};
use super::{world::World, zmtp_world::ZmtpWorld};
use crate::Error;
use crate::machine::{self, Clock, Stop, Sum, ThreadId, host::CLIENT_THREADS, threads};
use crate::wire::{Context, Observation, Stations, tables};
use zload_core::facts::Connections;
use zload_core::plan::Identities;
use zload_core::scenario::ClientEngine;

/// The clients of a run: their drivers' threads, and the lines to them.
pub struct Clients {
    /// What the clients are called.
    pub identities: Identities,
    /// The drivers.
    pub threads: Vec<JoinHandle<()>>,
    /// What each has done.
    pub counters: Vec<Arc<DriverCounters>>,
    /// Those of the driver of the probes, if there are any.
    pub probes: Option<Arc<DriverCounters>>,
    /// Tells each when the plan begins.
    pub start: Vec<Sender<Clock>>,
    /// What they report.
    pub events: Receiver<Event>,
}

impl Clients {
    /// Starts the drivers, which connect at once.
    pub fn start(
        settings: &Arc<Settings>,
        stop: &Arc<Stop>,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let Settings { plan, nonce, engine, io_threads, drivers, .. } = &**settings;
        let sockets = settings.clients().saturating_add(16);
        let context = match engine {
            ClientEngine::Libzmq => {
                Some(Context::new(*io_threads, sockets)?.named(CLIENT_THREADS)?)
            }
            ClientEngine::Zmtp => None,
        };
        // What comes late for a run is not taken for another's.
        let run_token = u32::try_from(machine::unique_number() >> 32).expect("half of 64 bits");
        let identities = plan.identities(*nonce);
        let (tell, events) = mpsc::channel();
        let mut clients = Self {
            identities: identities.clone(),
            threads: vec![],
            counters: vec![],
            probes: None,
            start: vec![],
            events,
        };
        for (number, (settings, share)) in (0..).zip(shares(settings, &identities)) {
            let of_probes = number == *drivers;
            let (start, wait_for_start) = mpsc::channel();
            // Nobody hears of the seconds of probes, which are in no figure of seconds.
            let seconds = if of_probes { mpsc::channel().0 } else { tell.clone() };
            let around = Surroundings {
                plan: Arc::clone(&settings.plan),
                forms: Arc::clone(&settings.forms),
                identities: identities.clone(),
                counters: Arc::new(DriverCounters::default()),
                tell: seconds,
                tracer: observed.tracer.cloned(),
            };
            if of_probes {
                clients.probes = Some(Arc::clone(&around.counters));
            } else {
                clients.counters.push(Arc::clone(&around.counters));
            }
            let body = DriverThread {
                settings,
                context: context.clone(),
                share,
                run_token,
                stop: Arc::clone(stop),
                // The stations have room for the sample of the others.
                stations: observed.stations.filter(|_| !of_probes).cloned(),
                number,
                of_probes,
                tell: tell.clone(),
                start: wait_for_start,
                around,
            };
            let thread = threads::start("zload/driver", number, move || body.play())
                .inspect_err(|_| stop.request())?;
            clients.threads.push(thread);
            clients.start.push(start);
        }
        Ok(clients)
    }

    /// Lets the drivers that have ended close their connections, and waits until they have.
    pub fn close(&mut self) {
        self.start.clear();
        for thread in self.threads.drain(..) {
            // One that panicked has been missed before.
            let _panicked = thread.join();
        }
    }

    /// What became of connections that zload's own engine made, with what the kernel says of all.
    pub fn connections(&self, clients: u32, all: Option<Connections>) -> Connections {
        let endings = self.endings();
        let [closed, reset, too_long, silent] = endings;
        let all = all.unwrap_or(Connections { begun: clients.into(), ..Connections::default() });
        Connections {
            begun: all.begun,
            ended: all.ended.max(endings.iter().sum()),
            made: all.made.max(self.sum_of_all(|of| &of.made)),
            closed,
            reset,
            too_long,
            silent,
            requests_lost: self.sum_of_all(|of| &of.lost_with_connection),
            window_closed: self.sum_of_all(|of| &of.window_closed),
            most_unsent: self
                .counters
                .iter()
                .chain(&self.probes)
                .map(|of| of.most_unsent.get())
                .max()
                .unwrap_or(0),
        }
    }

    /// Whether all connections that zload's own engine made have ended, and none was made again.
    pub fn none_connected(&self) -> bool {
        let ended: u64 = self.endings().iter().sum();
        let all = self.sum_of_all(|of| &of.connected);
        ended.saturating_sub(self.sum_of_all(|of| &of.made)) >= all.max(1)
    }

    /// How many of those connections have ended: closed by their peer, reset, by a frame that is too long, by silence.
    fn endings(&self) -> [u64; 4] {
        [
            self.sum_of_all(|of| &of.closed),
            self.sum_of_all(|of| &of.reset),
            self.sum_of_all(|of| &of.too_long),
            self.sum_of_all(|of| &of.silent),
        ]
    }

    /// How many drivers have ended.
    pub fn ended(&self) -> usize {
        self.threads.iter().filter(|thread| thread.is_finished()).count()
    }

    /// A counter, over all drivers.
    pub fn sum(&self, part: fn(&DriverCounters) -> &Sum) -> u64 {
        self.counters.iter().map(|counters| part(counters).get()).sum()
    }

    /// The same with the probes.
    pub fn sum_of_all(&self, part: fn(&DriverCounters) -> &Sum) -> u64 {
        self.sum(part) + self.probes.as_ref().map_or(0, |counters| part(counters).get())
    }
}

/// What a driver depends on, and its clients: numbers and identities.
type ShareOf = (Arc<Settings>, Vec<(u32, String)>);

/// The share of each driver; the last one has the probes, if there are any.
fn shares(settings: &Arc<Settings>, identities: &Identities) -> Vec<ShareOf> {
    let Settings { plan, share, drivers, .. } = &**settings;
    let client = |number| (number, identities.of(number));
    let mut shares: Vec<ShareOf> =
        (0..*drivers).map(|_| (Arc::clone(settings), Vec::new())).collect();
    // By their place and not by their number: of every fourth client, one of two drivers would get all.
    for (place, number) in share.clients(plan.clients()).enumerate() {
        shares[place % *drivers as usize].1.push(client(number));
    }
    if let Some(of_probes) = plan.of_probes() {
        let own = Settings { plan: Arc::new(of_probes), ..Settings::clone(settings) };
        shares.push((Arc::new(own), plan.probe_numbers().map(client).collect()));
    }
    shares
}

struct DriverThread {
    settings: Arc<Settings>,
    /// None where clients need no ZeroMQ.
    context: Option<Context>,
    share: Vec<(u32, String)>,
    run_token: u32,
    stop: Arc<Stop>,
    stations: Option<Arc<Stations>>,
    number: u32,
    of_probes: bool,
    tell: Sender<Event>,
    start: Receiver<Clock>,
    around: Surroundings,
}

/// How often a driver that waits for the start looks after its connections.
const ATTENDED_EVERY: Duration = Duration::from_millis(20);

impl DriverThread {
    fn play(mut self) {
        let plan = &self.around.plan;
        let client = |(number, identity): &(u32, String)| {
            Client::new(*number, identity.clone(), self.run_token, plan)
        };
        let clients: Vec<Client> = self.share.iter().map(client).collect();
        match self.context.take() {
            Some(context) => self.play_sockets(clients, context),
            None => self.play_zmtp(clients),
        }
    }

    fn play_sockets(self, clients: Vec<Client>, context: Context) {
        let connector = Connector::new(Arc::clone(&self.settings), context);
        let connected = connector.connect(&clients, &self.stop, &self.around.counters);
        let Some((epoll, sockets)) = self.told(connected) else { return };
        let Ok(clock) = self.start.recv() else { return };
        let stop = Arc::clone(&self.stop);
        let numbers = clients.iter().map(|client| client.number).collect();
        let world = SocketsWorld::new(sockets, numbers, epoll, connector, clock, stop);
        self.run(world, clients, clock);
    }

    fn play_zmtp(self, clients: Vec<Client>) {
        let connected = self.connected_zmtp(&clients);
        let Some(mut world) = self.told(connected) else { return };
        let clock = loop {
            match self.start.recv_timeout(ATTENDED_EVERY) {
                Ok(clock) => break clock,
                Err(RecvTimeoutError::Disconnected) => return,
                // What fails here fails in the run, and is told there.
                Err(RecvTimeoutError::Timeout) => {
                    let _failed = world.attend(Duration::ZERO);
                }
            }
        };
        world.set_clock(clock);
        self.run(world, clients, clock);
    }

    /// A world of these clients with zload's own engine; `None` if connecting took too long.
    fn connected_zmtp(&self, clients: &[Client]) -> Result<Option<ZmtpWorld>, Error> {
        if self.settings.own_tables {
            tables::own_table(self.stop.wake_fd().as_fd()).map_err(|error| {
                Error::Limit(format!(
                    "this kernel gives a thread no descriptors of its own (close_range: {error}), and the limit is too low for all clients: raise it (ulimit -Hn), or lower clients.count"
                ))
            })?;
        }
        let mut world = ZmtpWorld::new(&self.settings, clients, &self.stop, &self.around.counters)?;
        Ok(world.connect(&self.settings, clients)?.then_some(world))
    }

    /// Reports how the connecting ended; gives what is connected.
    fn told<T>(&self, connected: Result<Option<T>, Error>) -> Option<T> {
        let (event, connected) = match connected {
            Err(error) => (Event::NotConnected(error), None),
            Ok(None) => (Event::TimedOut, None),
            Ok(connected) if self.of_probes => {
                (Event::ProbesConnected(ThreadId::current()), connected)
            }
            Ok(connected) => (Event::Connected(ThreadId::current()), connected),
        };
        // The receiver goes away first only if the run has failed, and then hears nothing more.
        let _heard = self.tell.send(event);
        connected
    }

    /// Runs a driver of these connections, and closes them when all have been looked at.
    fn run(self, world: impl World, clients: Vec<Client>, clock: Clock) {
        // What the stations' clock read when the plan started.
        let zero_ns = self.stations.as_ref().map_or(0, |of| clock.origin_in(of.clock()));
        let driver = if self.of_probes { (0, 1) } else { (self.number, self.settings.drivers) };
        let tracker = Tracker::new(&self.around.plan, self.stations, zero_ns, driver);
        let ended = if self.of_probes { Event::ProbesEnded } else { Event::Ended };
        let (recorded, world) = match Driver::new(world, self.around, tracker, clients).run() {
            Ok((recorded, world)) => (Ok(recorded), Some(world)),
            Err(errno) => (Err(errno), None),
        };
        let _heard = self.tell.send(ended(Box::new(recorded)));
        // Nothing more comes on this line: it ends when all connections have been looked at.
        let _ended = self.start.recv();
        drop(world);
    }
}
