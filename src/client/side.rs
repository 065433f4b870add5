//! The clients' side of a run: starts the drivers' threads and holds the lines to them.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::driver::{Driver, Surroundings};
use super::{DriverCounters, Event, Settings};
use super::{connect::Connector, sockets_world::SocketsWorld, state::Client, tracker::Tracker};
use crate::Error;
use crate::machine::{self, Clock, Stop, Sum, ThreadId, host::CLIENT_THREADS, threads};
use crate::wire::{Context, Observation, Stations};
use zload_core::plan::{Identities, Plan};

pub(crate) struct Clients {
    pub(crate) identities: Identities,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) counters: Vec<Arc<DriverCounters>>,
    /// Those of the driver of the probes, if there are any.
    pub(crate) probes: Option<Arc<DriverCounters>>,
    pub(crate) start: Vec<Sender<Clock>>,
    pub(crate) events: Receiver<Event>,
}

impl Clients {
    /// Starts the drivers, which connect at once.
    pub(crate) fn start(
        settings: &Arc<Settings>,
        stop: &Arc<Stop>,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let Settings { plan, share, nonce, io_threads, drivers, .. } = &**settings;
        let sockets = settings.clients().saturating_add(16);
        let context = Context::new(*io_threads, sockets)?.named(CLIENT_THREADS)?;
        // What comes late for a run is not taken for another's.
        let run_token = u32::try_from(machine::unique_number() >> 32).expect("half of 64 bits");
        let identities = plan.identities(*nonce);
        let mut shares: Vec<(Arc<Plan>, Vec<(u32, String)>)> =
            (0..*drivers).map(|_| (Arc::clone(plan), Vec::new())).collect();
        // By their place and not by their number: of every fourth client, one of two drivers would get all.
        for (place, number) in share.clients(plan.clients()).enumerate() {
            shares[place % *drivers as usize].1.push((number, identities.of(number)));
        }
        if let Some(of_probes) = plan.of_probes() {
            let probes = plan.probe_numbers().map(|number| (number, identities.of(number)));
            shares.push((Arc::new(of_probes), probes.collect()));
        }
        let (tell, events) = mpsc::channel();
        let mut clients = Self {
            identities: identities.clone(),
            threads: vec![],
            counters: vec![],
            probes: None,
            start: vec![],
            events,
        };
        for (number, (plan, share)) in (0..).zip(shares) {
            let of_probes = number == *drivers;
            let (start, wait_for_start) = mpsc::channel();
            // Nobody hears of the seconds of probes, which are in no figure of seconds.
            let seconds = if of_probes { mpsc::channel().0 } else { tell.clone() };
            let around = Surroundings {
                plan,
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
                settings: Arc::clone(settings),
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
    pub(crate) fn close(&mut self) {
        self.start.clear();
        for thread in self.threads.drain(..) {
            // One that panicked has been missed before.
            let _panicked = thread.join();
        }
    }

    pub(crate) fn ended(&self) -> usize {
        self.threads.iter().filter(|thread| thread.is_finished()).count()
    }

    pub(crate) fn sum(&self, part: fn(&DriverCounters) -> &Sum) -> u64 {
        self.counters.iter().map(|counters| part(counters).get()).sum()
    }

    /// The same with the probes.
    pub(crate) fn sum_of_all(&self, part: fn(&DriverCounters) -> &Sum) -> u64 {
        self.sum(part) + self.probes.as_ref().map_or(0, |counters| part(counters).get())
    }
}

struct DriverThread {
    settings: Arc<Settings>,
    context: Context,
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

impl DriverThread {
    fn play(self) {
        let (tell, settings, of_probes) = (self.tell.clone(), &self.settings, self.of_probes);
        let connector = Connector::new(Arc::clone(settings), self.context.clone());
        let plan = &self.around.plan;
        let client = |(number, identity): &(u32, String)| {
            Client::new(*number, identity.clone(), self.run_token, plan)
        };
        let clients: Vec<Client> = self.share.iter().map(client).collect();
        // The receiver goes away first only if the run has failed, and then hears nothing more.
        match connector.connect(&clients, &self.stop, &self.around.counters) {
            Err(error) => {
                let _heard = tell.send(Event::NotConnected(error));
            }
            Ok(None) => {
                let _heard = tell.send(Event::TimedOut);
            }
            Ok(Some((epoll, sockets))) => {
                let connected =
                    if of_probes { Event::ProbesConnected } else { Event::Connected };
                let _heard = tell.send(connected(ThreadId::current()));
                let Ok(clock) = self.start.recv() else { return };
                let stop = Arc::clone(&self.stop);
                let world = SocketsWorld::new(sockets, epoll, connector, clock, stop);
                let zero_ns = self.stations.as_ref().map_or(0, |of| clock.origin_in(of.clock()));
                let (driver, close) = self.driver(world, clients, zero_ns);
                let (recorded, world) = match driver.run() {
                    Ok((recorded, world)) => (Ok(recorded), Some(world)),
                    Err(errno) => (Err(errno), None),
                };
                let ended = if of_probes { Event::ProbesEnded } else { Event::Ended };
                let _heard = tell.send(ended(Box::new(recorded)));
                // Nothing more comes on this line: it ends when all connections have been looked at.
                let _ended = close.recv();
                drop(world);
            }
        }
    }

    /// The driver of these connections, and the line that says when to close them; the stations' clock read `zero_ns` when
    /// the plan started.
    fn driver(
        self,
        world: SocketsWorld,
        clients: Vec<Client>,
        zero_ns: u64,
    ) -> (Driver<SocketsWorld>, Receiver<Clock>) {
        let plan = &self.around.plan;
        let driver = if self.of_probes { (0, 1) } else { (self.number, self.settings.drivers) };
        let tracker = Tracker::new(plan, self.stations, zero_ns, driver);
        (Driver::new(world, self.around, tracker, clients), self.start)
    }
}
