//! A run: connects the clients, lets the drivers play the plan, and watches from outside until all is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clock::Clock;
use super::connect::{Connecting, connect};
use super::context::Context;
use super::counters::{DriverCounters, WorkerState};
use super::driver::{Driver, Surroundings};
use super::errno::Errno;
use super::limits::{self, Sides};
use super::server::{Server, ServerTotals};
use super::stop::Stop;
use super::threads::{self, ThreadId};
use super::trace::Trace;
use super::watch::{Sample, Watch};
use super::{Phase, Snapshot};
use crate::Error;
use crate::measure::{Recorded, Recorder, SecondSlice, Series, SeriesEntry};
use crate::plan::Plan;
use crate::scenario::{Engine, Scenario, Threads};

/// How often the run is looked at from outside.
const TICK: Duration = Duration::from_millis(50);
/// Time for all drivers to be told the start before it comes.
const START_IN: Duration = Duration::from_millis(20);
/// Clients that one automatic driver carries before another is worth its thread.
const CLIENTS_PER_DRIVER: u32 = 2_000;

/// What a run found.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The end was asked for before the plan was over.
    pub interrupted: bool,
    /// Why the run could not be carried through, if it could not.
    pub failure: Option<String>,
    /// What the drivers recorded.
    pub recorded: Recorded,
    /// What happened in each second of the window.
    pub series: Vec<SeriesEntry>,
    /// Length of the clients' measured window, in nanoseconds: shorter than planned if the run was cut short.
    pub window_ns: u64,
    /// Where the clients connected to.
    pub frontend: String,
    /// What the server did within `server_window_ns`; `None` if it was not ours.
    pub server: Option<ServerTotals>,
    /// What the server did from first to last.
    pub server_in_all: Option<ServerTotals>,
    /// Time between the two looks that `server` and `drivers` are the difference of, in nanoseconds.
    pub server_window_ns: u64,
    /// What the drivers cost.
    pub drivers: DriverFigures,
    /// Messages that clients received from first to last.
    pub received_in_all: u64,
}

/// What the drivers cost between two looks.
#[derive(Debug, Clone, Default)]
pub struct DriverFigures {
    /// CPU time of each driver, in nanoseconds, where the kernel says.
    pub cpu_ns: Vec<Option<u64>>,
    /// Requests they sent.
    pub requests: u64,
    /// Messages they received.
    pub replies: u64,
    /// Bytes of the bodies of both.
    pub bytes: u64,
    /// How often they returned from waiting.
    pub wakes: u64,
}

/// What drivers tell whoever watches the run.
pub(super) enum Event {
    Connected(ThreadId),
    NotConnected(Error),
    Second(SecondSlice),
    Ended(Box<Result<Recorded, Errno>>),
}

/// Plays `plan` and shows it to `watcher` a few times a second. `interrupted` ends it early when it becomes true.
pub fn run(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    trace: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    limits::ensure_descriptors(scenario, Sides::Run)?;
    let stop = Arc::new(Stop::new()?);
    let trace = trace.then(|| Arc::new(Trace::start()));
    let server = match scenario.proxy.engine {
        Engine::External => None,
        _ => Some(Server::start(scenario, plan, &stop, trace.as_ref())?),
    };
    let clients = Clients::start(scenario, plan, server.as_ref(), &stop, trace.as_ref());
    let outcome = clients.and_then(|clients| {
        let mut controller = Controller {
            scenario,
            plan,
            server: server.as_ref(),
            stop: &stop,
            interrupted,
            watcher,
            clients,
        };
        controller.play()
    });
    stop.request();
    let ended = server.map_or(Ok(()), Server::finish);
    let mut measured = outcome?;
    if let Err(reason) = ended {
        measured.failure.get_or_insert(reason);
    }
    Ok(measured)
}

/// The clients' side: the drivers and the lines to them.
struct Clients {
    endpoint: String,
    threads: Vec<JoinHandle<()>>,
    counters: Vec<Arc<DriverCounters>>,
    start: Vec<Sender<Clock>>,
    events: Receiver<Event>,
}

impl Clients {
    /// Starts the drivers, which begin to connect at once.
    fn start(
        scenario: &Scenario,
        plan: &Arc<Plan>,
        server: Option<&Server>,
        stop: &Arc<Stop>,
        trace: Option<&Arc<Trace>>,
    ) -> Result<Self, Error> {
        let endpoint = server
            .map_or_else(|| scenario.proxy.frontend.clone(), |server| server.frontend.clone());
        let context = Context::new(scenario.proxy.io_threads.0, plan.clients().saturating_add(16))?;
        let run_token = run_token();
        let drivers = driver_count(scenario);
        let mut shares: Vec<Vec<(u32, String)>> = (0..drivers).map(|_| Vec::new()).collect();
        for (number, identity) in (0..).zip(plan.identities()) {
            shares[(number % drivers) as usize].push((number, identity));
        }
        let (tell, events) = mpsc::channel();
        let mut clients =
            Self { endpoint, threads: vec![], counters: vec![], start: vec![], events };
        for (driver, share) in (0..).zip(shares) {
            let counters = Arc::new(DriverCounters::default());
            let (start, wait_for_start) = mpsc::channel();
            let body = DriverThread {
                plan: Arc::clone(plan),
                context: context.clone(),
                scenario: scenario.clone(),
                endpoint: clients.endpoint.clone(),
                share,
                run_token,
                stop: Arc::clone(stop),
                counters: Arc::clone(&counters),
                trace: trace.cloned(),
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

    fn sum(&self, part: impl Fn(&DriverCounters) -> u64) -> u64 {
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
    trace: Option<Arc<Trace>>,
    start: Receiver<Clock>,
    tell: Sender<Event>,
}

impl DriverThread {
    fn play(self) {
        let connecting = Connecting {
            plan: &self.plan,
            context: &self.context,
            options: &self.scenario.sockets,
            endpoint: &self.endpoint,
            clients: self.share,
            run_token: self.run_token,
            timeout: self.scenario.clients.connect_timeout,
        };
        // Whoever watches goes away first only if the run has failed, and then hears nothing more.
        let event = match connect(connecting, &self.stop, &self.counters) {
            Err(error) => Event::NotConnected(error),
            Ok((epoll, clients)) => {
                let _heard = self.tell.send(Event::Connected(ThreadId::current()));
                let Ok(clock) = self.start.recv() else { return };
                let around = Surroundings {
                    plan: self.plan,
                    clock,
                    stop: self.stop,
                    counters: self.counters,
                    tell: self.tell.clone(),
                    trace: self.trace,
                };
                Event::Ended(Box::new(Driver::new(around, epoll, clients).run()))
            }
        };
        let _heard = self.tell.send(event);
    }
}

/// Watches a run from outside.
struct Controller<'a> {
    scenario: &'a Scenario,
    plan: &'a Plan,
    server: Option<&'a Server>,
    stop: &'a Stop,
    interrupted: &'a AtomicBool,
    watcher: &'a mut dyn FnMut(&Snapshot),
    clients: Clients,
}

/// Everything that only grows, at one instant.
#[derive(Clone, Default)]
struct Look {
    at_ns: u64,
    server: Option<ServerTotals>,
    drivers: DriverFigures,
}

/// What has been found while the drivers play.
struct Playing {
    clock: Clock,
    threads: Vec<ThreadId>,
    series: Series,
    recorded: Recorded,
    /// Drivers that have not ended.
    left: usize,
    begin: Option<Look>,
    end: Option<Look>,
    /// For the rates that a watcher sees: the look before.
    shown: (u64, u64, u64),
    watch: Watch,
    failure: Option<String>,
}

impl Controller<'_> {
    fn play(&mut self) -> Result<Measured, Error> {
        let Some(threads) = self.await_connections()? else {
            return Ok(self.nothing_measured());
        };
        let clock = Clock::zero_in(START_IN);
        for start in &self.clients.start {
            // A driver that died is noticed below, by its thread.
            let _heard = start.send(clock);
        }
        let drivers = u32::try_from(threads.len()).unwrap_or(u32::MAX);
        let mut playing = Playing {
            clock,
            left: threads.len(),
            threads,
            series: Series::new(drivers),
            recorded: Recorded::default(),
            begin: None,
            end: None,
            shown: (0, 0, 0),
            watch: Watch::default(),
            failure: None,
        };
        while playing.left > 0 {
            self.tick(&mut playing);
        }
        Ok(self.measured(playing))
    }

    /// Waits for every driver's handshakes; `None` if the end was asked for before.
    fn await_connections(&mut self) -> Result<Option<Vec<ThreadId>>, Error> {
        let clock = Clock::start();
        let mut threads = Vec::new();
        while threads.len() < self.clients.threads.len() {
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match self.clients.events.recv_timeout(TICK) {
                Ok(Event::Connected(thread)) => threads.push(thread),
                Ok(Event::NotConnected(Error::Connect { endpoint, timeout, .. })) => {
                    return Err(Error::Connect {
                        connected: self.connected(),
                        clients: self.plan.clients(),
                        endpoint,
                        timeout,
                    });
                }
                Ok(Event::NotConnected(error)) => return Err(error),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Failed("a driver ended before it was connected".to_owned()));
                }
            }
            let total_ns = self.scenario.clients.connect_timeout.0;
            let snapshot = Snapshot { total_ns, ..self.snapshot(Phase::Connect, clock.now_ns()) };
            (self.watcher)(&snapshot);
        }
        Ok(Some(threads))
    }

    /// Takes in what drivers tell, looks at everything once, and waits a little.
    fn tick(&mut self, playing: &mut Playing) {
        let now_ns = playing.clock.now_ns();
        if self.interrupted.load(Ordering::Relaxed) && !self.stop.requested() {
            self.stop.request();
        }
        if playing.begin.is_none() && now_ns >= self.plan.warmup_ns() {
            playing.begin = Some(self.look(now_ns, &playing.threads));
        }
        let over = now_ns >= self.plan.send_end_ns() || self.stop.requested();
        if playing.end.is_none() && over && playing.begin.is_some() {
            playing.end = Some(self.look(now_ns, &playing.threads));
        }
        if playing.failure.is_none()
            && let Some(failure) = self.trouble(now_ns, playing)
        {
            playing.failure = Some(failure);
            self.stop.request();
        }
        self.show(now_ns, playing);
        let next_edge_ns = [self.plan.warmup_ns(), self.plan.send_end_ns()];
        let wait = next_edge_ns
            .into_iter()
            .filter(|&edge_ns| edge_ns > now_ns)
            .map(|edge_ns| playing.clock.until(edge_ns))
            .fold(TICK, Duration::min);
        match self.clients.events.recv_timeout(wait) {
            Ok(Event::Second(slice)) => playing.series.add(&slice),
            Ok(Event::Ended(outcome)) => {
                playing.left -= 1;
                match *outcome {
                    Ok(recorded) => playing.recorded.merge(&recorded),
                    Err(errno) => {
                        playing.failure.get_or_insert(format!("a driver failed: {errno}"));
                        self.stop.request();
                    }
                }
            }
            Ok(Event::Connected(_) | Event::NotConnected(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                playing
                    .failure
                    .get_or_insert("a driver panicked, which is a defect of zload".to_owned());
                playing.left = 0;
            }
        }
    }

    /// Why the run cannot go on, if it cannot.
    fn trouble(&self, now_ns: u64, playing: &mut Playing) -> Option<String> {
        let server = self.server?;
        if server.died() {
            return Some("a thread of the server ended in the middle of the run".to_owned());
        }
        let totals = server.totals();
        let sent = self.clients.sum(|counters| counters.requests.get());
        let received = self.clients.sum(|counters| counters.replies.get());
        let sample = Sample {
            moved: totals.requests + totals.replies + totals.messages_out.unwrap_or(0) + received,
            untaken: sent.saturating_sub(totals.requests),
            delaying: server.workers_in(WorkerState::Delaying),
            sending: server.workers_in(WorkerState::Sending),
            workers: server.workers(),
        };
        playing.watch.look(now_ns, &sample)
    }

    fn look(&self, at_ns: u64, threads: &[ThreadId]) -> Look {
        Look {
            at_ns,
            server: self.server.map(Server::totals),
            drivers: DriverFigures {
                cpu_ns: threads.iter().map(|thread| thread.cpu_ns()).collect(),
                requests: self.clients.sum(|counters| counters.requests.get()),
                replies: self.clients.sum(|counters| counters.replies.get()),
                bytes: self.clients.sum(|counters| counters.bytes.get()),
                wakes: self.clients.sum(|counters| counters.wakes.get()),
            },
        }
    }

    /// Shows the watcher where the run is.
    fn show(&mut self, now_ns: u64, playing: &mut Playing) {
        let (warmup_ns, send_end_ns) = (self.plan.warmup_ns(), self.plan.send_end_ns());
        let (phase, since_ns, until_ns) = if now_ns < warmup_ns {
            (Phase::Warmup, 0, warmup_ns)
        } else if now_ns < send_end_ns && !self.stop.requested() {
            (Phase::Measure, warmup_ns, send_end_ns)
        } else {
            (Phase::Drain, send_end_ns, send_end_ns + self.plan.drain_ns())
        };
        let requests = self.clients.sum(|counters| counters.requests.get());
        let replies = self.clients.sum(|counters| counters.replies.get());
        let (shown_at_ns, shown_requests, shown_replies) = playing.shown;
        let passed_ns = now_ns.saturating_sub(shown_at_ns);
        if passed_ns < 100_000_000 {
            return;
        }
        playing.shown = (now_ns, requests, replies);
        let rate = |count: u64| count as f64 / passed_ns as f64 * 1e9;
        let last = playing.series.last();
        let snapshot = Snapshot {
            total_ns: until_ns - since_ns,
            requests_per_s: rate(requests - shown_requests),
            replies_per_s: rate(replies - shown_replies),
            p50_ns: last.and_then(|second| second.p50_ns),
            p99_ns: last.and_then(|second| second.p99_ns),
            ..self.snapshot(phase, now_ns.saturating_sub(since_ns))
        };
        (self.watcher)(&snapshot);
    }

    fn snapshot(&self, phase: Phase, elapsed_ns: u64) -> Snapshot {
        Snapshot {
            phase,
            elapsed_ns,
            total_ns: 0,
            requests_per_s: 0.0,
            replies_per_s: 0.0,
            p50_ns: None,
            p99_ns: None,
            in_flight: self.clients.sum(|counters| counters.in_flight.get()),
            connected: self.connected(),
            clients: self.plan.clients(),
        }
    }

    fn connected(&self) -> u32 {
        u32::try_from(self.clients.sum(|counters| counters.connected.get())).unwrap_or(u32::MAX)
    }

    fn measured(&self, playing: Playing) -> Measured {
        let now_ns = playing.clock.now_ns();
        let begin = playing.begin.unwrap_or_else(|| self.look(now_ns, &playing.threads));
        let end = playing.end.unwrap_or_else(|| begin.clone());
        let cut_short = self.stop.requested();
        let window_end_ns = if cut_short {
            end.at_ns.min(self.plan.send_end_ns())
        } else {
            self.plan.send_end_ns()
        };
        Measured {
            interrupted: self.interrupted.load(Ordering::Relaxed),
            failure: playing.failure,
            recorded: playing.recorded,
            series: playing.series.finish(),
            window_ns: window_end_ns.saturating_sub(self.plan.warmup_ns()),
            frontend: self.clients.endpoint.clone(),
            server: begin.server.zip(end.server).map(|(begin, end)| end.since(&begin)),
            server_in_all: self.server.map(Server::totals),
            server_window_ns: end.at_ns - begin.at_ns,
            drivers: end.drivers.since(&begin.drivers),
            received_in_all: self.clients.sum(|counters| counters.replies.get()),
        }
    }

    /// The result of a run that was interrupted while clients connected: the whole plan is unsent.
    fn nothing_measured(&self) -> Measured {
        let mut recorder = Recorder::new(self.plan.warmup_ns(), self.plan.send_end_ns(), false);
        let unsent = (0..self.plan.clients()).filter_map(|client| self.plan.schedule(client));
        recorder.unsent(unsent.map(|schedule| schedule.count_from(self.plan.warmup_ns())).sum());
        Measured {
            interrupted: true,
            failure: None,
            recorded: recorder.finish(std::iter::empty(), 0).0,
            series: Vec::new(),
            window_ns: 0,
            frontend: self.clients.endpoint.clone(),
            server: None,
            server_in_all: None,
            server_window_ns: 0,
            drivers: DriverFigures {
                cpu_ns: vec![None; self.clients.threads.len()],
                ..DriverFigures::default()
            },
            received_in_all: 0,
        }
    }
}

impl DriverFigures {
    fn since(&self, begin: &Self) -> Self {
        let cpu_ns = self.cpu_ns.iter().zip(&begin.cpu_ns);
        Self {
            cpu_ns: cpu_ns.map(|(end, begin)| Some((*end)?.saturating_sub((*begin)?))).collect(),
            requests: self.requests - begin.requests,
            replies: self.replies - begin.replies,
            bytes: self.bytes - begin.bytes,
            wakes: self.wakes - begin.wakes,
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        let cpu_ns = self.cpu_ns.iter().zip(&other.cpu_ns);
        Self {
            cpu_ns: cpu_ns.map(|(one, more)| Some((*one)? + (*more)?)).collect(),
            requests: self.requests + other.requests,
            replies: self.replies + other.replies,
            bytes: self.bytes + other.bytes,
            wakes: self.wakes + other.wakes,
        }
    }
}

/// How many drivers: as asked, or one for every 2,000 clients but never more than half the processors, which the
/// proxy and the workers need as well.
fn driver_count(scenario: &Scenario) -> u32 {
    let clients = scenario.clients.count.0;
    match scenario.clients.threads {
        Threads::Fixed(threads) => threads.min(clients),
        Threads::Auto => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let half = u32::try_from(cores / 2).unwrap_or(u32::MAX).max(1);
            clients.div_ceil(CLIENTS_PER_DRIVER).clamp(1, half)
        }
    }
}

/// A number that no other run has at this time, so that what comes late for one is not taken for another's.
fn run_token() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    u32::try_from(RandomState::new().hash_one(std::process::id()) >> 32)
        .expect("the upper half of 64 bits")
}
