//! The clients' side of a run: starts the drivers' threads and holds the lines to them.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::connect::{Connecting, connect};
use super::counters::DriverCounters;
use super::driver::{Driver, Surroundings};
use super::event::Event;
use super::sockets_world::SocketsWorld;
use super::state::Client;
use super::tracker::Tracker;
use crate::Error;
use crate::machine::clock::Clock;
use crate::machine::host::CLIENT_THREADS;
use crate::machine::stop::Stop;
use crate::machine::threads::{self, ThreadId};
use crate::wire::context::Context;
use crate::wire::observation::Observation;
use crate::wire::stations::Stations;
use crate::wire::tracer::Tracer;
use zload_core::plan::{Identities, Plan};
use zload_core::scenario::Scenario;

/// The clients' side: the drivers and the lines to them.
pub(crate) struct Clients {
    pub(crate) endpoint: String,
    pub(crate) identities: Identities,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) counters: Vec<Arc<DriverCounters>>,
    pub(crate) start: Vec<Sender<Clock>>,
    pub(crate) events: Receiver<Event>,
}

impl Clients {
    /// Starts the drivers, which begin at once to connect to `endpoint`.
    pub(crate) fn start(
        scenario: &Scenario,
        plan: &Arc<Plan>,
        endpoint: &str,
        stop: &Arc<Stop>,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let context = Context::new(scenario.proxy.io_threads.0, plan.clients().saturating_add(16))?
            .named(CLIENT_THREADS)?;
        let nonce = run_nonce();
        let run_token = u32::try_from(nonce >> 32).expect("the upper half of 64 bits");
        let identities = plan.identities(nonce);
        let drivers = threads::drivers(scenario);
        let mut shares: Vec<Vec<(u32, String)>> = (0..drivers).map(|_| Vec::new()).collect();
        for number in 0..plan.clients() {
            shares[(number % drivers) as usize].push((number, identities.of(number)));
        }
        let (tell, events) = mpsc::channel();
        let endpoint = endpoint.to_owned();
        let mut clients =
            Self { endpoint, identities, threads: vec![], counters: vec![], start: vec![], events };
        for (driver, share) in (0..).zip(shares) {
            let counters = Arc::new(DriverCounters::default());
            let (start, wait_for_start) = mpsc::channel();
            let body = DriverThread {
                plan: Arc::clone(plan),
                context: context.clone(),
                scenario: Scenario { sockets: scenario.sockets_in_use(), ..scenario.clone() },
                endpoint: clients.endpoint.clone(),
                share,
                run_token,
                stop: Arc::clone(stop),
                counters: Arc::clone(&counters),
                tracer: observed.tracer.cloned(),
                stations: observed.stations.cloned(),
                driver: (driver, drivers),
                start: wait_for_start,
                tell: tell.clone(),
            };
            let thread = threads::start("zload/driver", driver, move || body.play())
                .inspect_err(|_| stop.request())?;
            clients.threads.push(thread);
            clients.counters.push(counters);
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

    /// How many drivers' threads have ended.
    pub(crate) fn ended(&self) -> usize {
        self.threads.iter().filter(|thread| thread.is_finished()).count()
    }

    pub(crate) fn sum(&self, part: impl Fn(&DriverCounters) -> u64) -> u64 {
        self.counters.iter().map(|counters| part(counters)).sum()
    }
}

/// All that a driver's thread begins with.
struct DriverThread {
    plan: Arc<Plan>,
    context: Context,
    scenario: Scenario,
    endpoint: String,
    share: Vec<(u32, String)>,
    run_token: u32,
    stop: Arc<Stop>,
    counters: Arc<DriverCounters>,
    tracer: Option<Arc<Tracer>>,
    stations: Option<Arc<Stations>>,
    driver: (u32, u32),
    start: Receiver<Clock>,
    tell: Sender<Event>,
}

impl DriverThread {
    fn play(self) {
        let connecting = Connecting {
            context: &self.context,
            options: &self.scenario.sockets,
            endpoint: &self.endpoint,
            clients: &self.share,
            timeout: self.scenario.clients.connect_timeout,
        };
        let tell = self.tell.clone();
        // Whoever watches goes away first only if the run has failed, and then hears nothing more.
        match connect(&connecting, &self.stop, &self.counters) {
            Err(error) => {
                let _heard = tell.send(Event::NotConnected(error));
            }
            Ok((epoll, sockets)) => {
                let _heard = tell.send(Event::Connected(ThreadId::current()));
                let Ok(clock) = self.start.recv() else { return };
                let world =
                    SocketsWorld::new(sockets, epoll, clock, Arc::clone(&self.stop), &self.plan);
                let zero_ns = self.stations.as_ref().map_or(0, |of| clock.origin_in(of.clock()));
                let (driver, close) = self.driver(world, zero_ns);
                let (recorded, world) = match driver.run() {
                    Ok((recorded, world)) => (Ok(recorded), Some(world)),
                    Err(errno) => (Err(errno), None),
                };
                let _heard = tell.send(Event::Ended(Box::new(recorded)));
                // Nothing more comes on this line: it ends when all connections have been looked at.
                let _ended = close.recv();
                drop(world);
            }
        }
    }

    /// The driver of these connections, and the line that says when to close them; the stations' clock read `zero_ns` when
    /// the plan began.
    fn driver(self, world: SocketsWorld, zero_ns: u64) -> (Driver<SocketsWorld>, Receiver<Clock>) {
        let plan = &self.plan;
        let clients = self
            .share
            .into_iter()
            .map(|(number, identity)| Client::new(number, identity, self.run_token, plan));
        let clients = clients.collect();
        let tracker = Tracker::new(plan, self.stations, zero_ns, self.driver);
        let around = Surroundings {
            plan: self.plan,
            counters: self.counters,
            tell: self.tell,
            tracer: self.tracer,
        };
        (Driver::new(world, around, tracker, clients), self.start)
    }
}

/// A number that no other run has at this time, so that what comes late for one is not taken for another's, and
/// its clients are not taken for another's by a server that serves both.
fn run_nonce() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    // The keys of `RandomState` are the system's randomness once a thread, then counted on: each call gives others.
    RandomState::new().hash_one(std::process::id())
}
