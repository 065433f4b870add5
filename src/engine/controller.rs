//! The controller: watches a run from outside, from the handshakes to the last driver's end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

mod edge;

use edge::Edge;

use super::absence::Absence;
use super::begin::{Begin, Beginning};
use super::watch::{Sample, Watch};
use super::{gauge::Gauge, memory::Memory};
use crate::Error;
use crate::client::{Clients, Event, Settings};
use crate::machine::host;
use crate::machine::{Clock, Stop, ThreadId};
use crate::process::ServerProcess;
use crate::server::{Server, counters::WorkerState};
use crate::wire::{greeting, peers};
use zload_core::facts::{Measured, MeasuredByProbes, Phase, Snapshot, Start, Stopping, Thread};
use zload_core::quantity::{duration, saturating};
use zload_core::record::{Recorded, SecondSlice, Seconds, Series};
use zload_core::scenario::ClientEngine;

/// How often the run is looked at from outside.
const TICK: Duration = Duration::from_millis(50);
/// Gauges are looked at no more often than this: at most ticks, and not when an event ends one early.
const GAUGE_EVERY_NS: u64 = 45_000_000;
/// Time for all drivers to learn the start before it comes.
const START_IN: Duration = Duration::from_millis(20);

pub(super) struct Controller<'a> {
    pub(super) settings: &'a Settings,
    /// The built-in server, or zload's workers behind an external proxy, and an external server that zload started, if there
    /// are such.
    pub(super) server: Option<&'a Server>,
    pub(super) process: Option<&'a ServerProcess<'a>>,
    pub(super) stop: &'a Stop,
    pub(super) interrupted: &'a AtomicBool,
    pub(super) watcher: &'a mut dyn FnMut(&Snapshot),
    pub(super) begin: &'a mut dyn Begin,
    pub(super) clients: Clients,
    /// Memory that the kernel had before the clients connected.
    pub(super) kernel_before: Option<u64>,
    pub(super) memory: Memory,
    pub(super) watch: Watch,
    pub(super) absence: Absence,
}

/// The drivers' threads.
#[derive(Default)]
struct Drivers {
    drivers: Vec<ThreadId>,
    /// That of the probes, if there are any.
    probes: Option<ThreadId>,
}

/// What has been found while the drivers run.
struct Playing {
    clock: Clock,
    start: Start,
    threads: Drivers,
    /// All threads of this process, by what they are for.
    all_threads: Vec<Thread>,
    in_flight: Gauge,
    workers_busy: Gauge,
    /// When the gauges are looked at next.
    gauge_at_ns: u64,
    /// Memory that it took meanwhile.
    kernel_bytes: Option<u64>,
    series: Series,
    recorded: Recorded,
    by_probes: Recorded,
    /// Drivers that have not ended, and how many have ended without a report.
    left: usize,
    missed: usize,
    begin: Option<Edge>,
    end: Option<Edge>,
    /// For the rates shown as progress: when they were last computed, and the counts then.
    shown: (u64, u64, u64),
    failure: Option<String>,
    stopping: Stopping,
    /// Why the sending ended before the plan did, if it did.
    stopped: Option<String>,
}

impl Controller<'_> {
    pub(super) fn play(&mut self) -> Result<Measured, Error> {
        let (drivers, plan) = (self.settings.drivers, &*self.settings.plan);
        let nothing = |settings: &Settings| {
            Ok(Measured::nothing(
                plan,
                settings.share,
                settings.routes.endpoints(),
                drivers as usize,
            ))
        };
        let Some(threads) = self.await_connections()? else { return nothing(self.settings) };
        let kernel_bytes = host::kernel_growth(self.kernel_before, self.settings.clients());
        let Some(settled) = self.await_beginning()? else { return nothing(self.settings) };
        let own_proxy = self.server.is_some_and(Server::has_proxy);
        let connected = (!own_proxy).then(peers::connected);
        let workers = self.server.map_or(0, Server::workers);
        let (clock, start) = if let Beginning::At(clock, start) = settled {
            (clock, start)
        } else {
            let clock = Clock::zero_in(START_IN);
            (clock, Start::alone(clock.unix_ns_of_zero()))
        };
        for start in &self.clients.start {
            // A driver that died is noticed below, by its thread.
            let _heard = start.send(clock);
        }
        let mut playing = Playing {
            clock,
            start,
            left: self.clients.threads.len(),
            missed: 0,
            threads,
            all_threads: host::threads(),
            in_flight: Gauge::new(),
            workers_busy: Gauge::new(),
            gauge_at_ns: 0,
            kernel_bytes,
            series: Series::new(drivers).keeping(self.settings.keeps_seconds),
            recorded: Recorded::default(),
            by_probes: Recorded::default(),
            begin: None,
            end: None,
            shown: (0, 0, 0),
            failure: None,
            stopping: Stopping::new(&self.settings.stop_when),
            stopped: None,
        };
        while playing.left > 0 {
            self.tick(&mut playing);
        }
        if playing.begin.is_some() && playing.end.is_none() {
            playing.end = Some(self.edge(clock.now_ns(), &playing));
        }
        let mut measured = self.measured(playing);
        let clients = self.settings.clients();
        measured.connections = connected.and_then(|begun| peers::since(&begun, clients + workers));
        if self.settings.engine == ClientEngine::Zmtp {
            let all = measured.connections.take();
            measured.connections = Some(self.clients.connections(clients, all));
        }
        self.clients.close();
        Ok(measured)
    }

    /// Waits for every driver's handshakes; `None` if the end was asked for before.
    fn await_connections(&mut self) -> Result<Option<Drivers>, Error> {
        let clock = Clock::start();
        let mut threads = Drivers::default();
        while threads.drivers.len() + threads.probes.iter().len() < self.clients.threads.len() {
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some(error) = self.process.and_then(ServerProcess::died_before) {
                return Err(error);
            }
            if let Some(reason) = self.memory.look(clock.now_ns(), || 0) {
                return Err(Error::Failed(reason));
            }
            // What a thread reported before it ended is received below, before the end of its channel.
            let ended = self.clients.ended();
            match self.clients.events.recv_timeout(TICK) {
                Ok(Event::Connected(thread)) => threads.drivers.push(thread),
                Ok(Event::ProbesConnected(thread)) => threads.probes = Some(thread),
                Ok(Event::TimedOut) => {
                    return Err(self.not_connected());
                }
                Ok(Event::NotConnected(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) if ended == 0 => {}
                Ok(_) => {}
                Err(_) => {
                    return Err(Error::Failed(
                        "a driver panicked before it was connected; please report this bug"
                            .to_owned(),
                    ));
                }
            }
            let total_ns = self.settings.connect_timeout.0;
            let snapshot = Snapshot { total_ns, ..self.snapshot(Phase::Connect, clock.now_ns()) };
            (self.watcher)(&snapshot);
        }
        Ok(Some(threads))
    }

    /// That not all clients came through their handshakes in time, and why, if what listens there says so.
    fn not_connected(&self) -> Error {
        let endpoints = self.settings.routes.endpoints();
        let connected = self.connected();
        // Of a list, one may be another kind of server than the others, or none.
        let unlike = connected == 0 || endpoints.only().is_none();
        let engine = self.settings.engine;
        let objection = if unlike { greeting::objection(endpoints, engine) } else { None };
        Error::Connect {
            connected,
            clients: self.settings.clients(),
            timeout: self.settings.connect_timeout.to_string(),
            why: objection.unwrap_or_else(|| "is a ROUTER listening there?".to_owned()),
            endpoint: endpoints.to_string(),
        }
    }

    /// Waits until it is known when the plan begins; `None` if the end was asked for before.
    fn await_beginning(&mut self) -> Result<Option<Beginning>, Error> {
        let waiting = Clock::start();
        loop {
            match self.begin.look()? {
                Beginning::Awaited => {}
                Beginning::Now => return Ok(Some(Beginning::Now)),
                Beginning::At(clock, start) => {
                    let late_ns = clock.now_ns();
                    if late_ns > self.settings.plan.warmup_ns() {
                        return Err(Error::Failed(format!(
                            "too late by {}: the others have begun, and the warm-up is over (run.warmup); start all shards again",
                            duration(late_ns)
                        )));
                    }
                    return Ok(Some(Beginning::At(clock, start)));
                }
            }
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some(reason) = self.memory.look(waiting.now_ns(), || 0) {
                return Err(Error::Failed(reason));
            }
            if self.clients.ended() > 0 {
                return Err(Error::Failed(
                    "a driver panicked before the start; please report this bug".to_owned(),
                ));
            }
        }
    }

    /// Receives what drivers report, checks everything once, and waits a little.
    fn tick(&mut self, playing: &mut Playing) {
        let now_ns = playing.clock.now_ns();
        let (warmup_ns, send_end_ns) = self.edges_ns();
        if self.interrupted.load(Ordering::Relaxed) && !self.stop.requested() {
            self.stop.request();
        }
        if playing.begin.is_none() && now_ns >= warmup_ns {
            playing.begin = Some(self.edge(now_ns, playing));
        }
        // The window of a fixed number of requests ends with the last driver.
        let over = now_ns >= send_end_ns && !self.is_fixed() || self.stop.sending_ended();
        if playing.end.is_none() && over && playing.begin.is_some() {
            playing.end = Some(self.edge(now_ns, playing));
        }
        self.gauge(now_ns, playing);
        if playing.failure.is_none()
            && let Some(failure) = self.failure(now_ns, playing)
        {
            playing.failure = Some(failure);
            self.stop.request();
        }
        self.show(now_ns, playing);
        let wait = [warmup_ns, send_end_ns]
            .into_iter()
            .filter(|&edge_ns| edge_ns > now_ns)
            .map(|edge_ns| playing.clock.until(edge_ns))
            .fold(TICK, Duration::min);
        let ended = self.clients.ended();
        match self.clients.events.recv_timeout(wait) {
            Ok(Event::Second(slice)) => self.second(&slice, playing),
            Ok(event @ (Event::Ended(_) | Event::ProbesEnded(_))) => self.ended(event, playing),
            Ok(_) => {}
            Err(silence) => {
                // Threads that report their end wait for the controller's: one that is gone without a report has panicked.
                let missed = match silence {
                    RecvTimeoutError::Timeout => ended - playing.missed,
                    RecvTimeoutError::Disconnected => playing.left,
                };
                if missed > 0 {
                    playing.missed += missed;
                    playing.left -= missed;
                    playing
                        .failure
                        .get_or_insert("a driver panicked; please report this bug".to_owned());
                    self.stop.request();
                }
            }
        }
    }

    /// Takes in what a driver recorded.
    fn ended(&self, event: Event, playing: &mut Playing) {
        let (outcome, sum) = match event {
            Event::Ended(outcome) => (outcome, &mut playing.recorded),
            Event::ProbesEnded(outcome) => (outcome, &mut playing.by_probes),
            _ => return,
        };
        playing.left -= 1;
        match *outcome {
            Ok(recorded) => sum.merge(&recorded),
            Err(errno) => {
                playing.failure.get_or_insert(format!("a driver failed: {errno}"));
                self.stop.request();
            }
        }
    }

    /// Takes in a driver's second; ends the sending if a condition for that holds with the second that it completes.
    fn second(&self, slice: &SecondSlice, playing: &mut Playing) {
        let Some((second, ledger)) = playing.series.add(slice) else { return };
        let why = playing.stopping.look(&second, &ledger);
        if playing.stopped.is_none() && !self.stop.requested() && why.is_some() {
            playing.stopped = why;
            self.stop.end_sending();
        }
    }

    /// Why the run cannot go on, if it cannot.
    fn failure(&mut self, now_ns: u64, playing: &Playing) -> Option<String> {
        if let Some(death) = self.process.and_then(ServerProcess::died) {
            return Some(death);
        }
        if self.is_fixed()
            && let Some(gone) = self.absence.look(now_ns, self.clients.none_connected())
        {
            return Some(gone);
        }
        let Self { clients, memory, .. } = self;
        if let Some(reason) = memory.look(now_ns, || under_way(clients)) {
            return Some(reason);
        }
        let server = self.server?;
        if server.died() {
            return Some("a thread of the server ended during the run".to_owned());
        }
        if !server.has_proxy() {
            return None;
        }
        let totals = server.totals();
        let sent = self.clients.sum_of_all(|of| &of.requests);
        let received = self.clients.sum_of_all(|of| &of.replies);
        let mut sample = Sample::of(server, &totals);
        sample.moved += received;
        sample.untaken = sent.saturating_sub(totals.requests);
        self.watch.look(now_ns, &sample, || host::io_ns(&playing.all_threads))
    }

    /// Looks at what goes up and down, in the window.
    fn gauge(&self, now_ns: u64, playing: &mut Playing) {
        // While the last replies of a fixed number of requests are waited for, queues only empty.
        let over = playing.end.is_some() || now_ns >= self.edges_ns().1;
        if playing.begin.is_none() || over || now_ns < playing.gauge_at_ns {
            return;
        }
        playing.gauge_at_ns = now_ns + GAUGE_EVERY_NS;
        let in_flight = self.clients.sum(|of| &of.in_flight);
        playing.in_flight.look(in_flight as f64);
        if let Some(server) = self.server {
            let idle = server.workers_in(WorkerState::Idle);
            playing.workers_busy.look(1.0 - f64::from(idle) / f64::from(server.workers()));
        }
    }

    fn show(&mut self, now_ns: u64, playing: &mut Playing) {
        let (warmup_ns, send_end_ns) = self.edges_ns();
        let (phase, since_ns, until_ns) = if now_ns < warmup_ns {
            (Phase::Warmup, 0, warmup_ns)
        } else if now_ns < send_end_ns && !self.stop.sending_ended() {
            (Phase::Measure, warmup_ns, self.expected_end_ns(now_ns, playing))
        } else {
            (Phase::Drain, send_end_ns, send_end_ns + self.settings.plan.drain_ns())
        };
        let requests = self.clients.sum(|of| &of.requests);
        let replies = self.clients.sum(|of| &of.replies);
        let (shown_at_ns, shown_requests, shown_replies) = playing.shown;
        let passed_ns = now_ns.saturating_sub(shown_at_ns);
        if passed_ns < 100_000_000 {
            return;
        }
        playing.shown = (now_ns, requests, replies);
        let rate = |count: u64| count as f64 / passed_ns as f64 * 1e9;
        let last = playing.series.last();
        let snapshot = Snapshot {
            total_ns: until_ns.saturating_sub(since_ns),
            requests_per_s: rate(requests - shown_requests),
            replies_per_s: rate(replies - shown_replies),
            p50_ns: last.and_then(|second| second.p50_ns),
            p99_ns: last.and_then(|second| second.p99_ns),
            ..self.snapshot(phase, now_ns.saturating_sub(since_ns))
        };
        (self.watcher)(&snapshot);
    }

    /// Whether a number of requests ends the run, and no time.
    fn is_fixed(&self) -> bool {
        self.settings.plan.fixed_requests().is_some()
    }

    /// When the window of a fixed number of requests will have ended, by how many were sent so far; as planned, of others.
    fn expected_end_ns(&self, now_ns: u64, playing: &Playing) -> u64 {
        let (warmup_ns, send_end_ns) = self.edges_ns();
        let begun = playing.begin.as_ref().map(|begin| begin.drivers.requests);
        let Some((begun, requests)) = begun.zip(self.settings.plan.fixed_requests()) else {
            return send_end_ns;
        };
        let sent = self.clients.sum(|of| &of.requests).saturating_sub(begun).max(1);
        let share = requests as f64 / sent as f64;
        let length_ns = saturating(now_ns.saturating_sub(warmup_ns) as f64 * share);
        warmup_ns.saturating_add(length_ns).min(send_end_ns)
    }

    /// When the measured window starts and the sending ends by the plan.
    fn edges_ns(&self) -> (u64, u64) {
        (self.settings.plan.warmup_ns(), self.settings.plan.send_end_ns())
    }

    fn snapshot(&self, phase: Phase, elapsed_ns: u64) -> Snapshot {
        Snapshot {
            elapsed_ns,
            in_flight: self.clients.sum(|of| &of.in_flight),
            connected: self.connected(),
            ..Snapshot::begin(phase, self.settings.clients())
        }
    }

    fn connected(&self) -> u32 {
        u32::try_from(self.clients.sum_of_all(|of| &of.connected)).unwrap_or(u32::MAX)
    }

    fn measured(&self, playing: Playing) -> Measured {
        let now_ns = playing.clock.now_ns();
        let begin = playing.begin.clone().unwrap_or_else(|| self.edge(now_ns, &playing));
        let end = playing.end.clone().unwrap_or_else(|| begin.clone());
        let host = end.host.since(&begin.host, &playing.all_threads);
        let Seconds { series, heat_map, kept: seconds } = playing.series.finish();
        Measured {
            interrupted: self.interrupted.load(Ordering::Relaxed),
            failure: playing.failure,
            stopped: playing.stopped,
            window_ns: playing.recorded.window_end_ns.saturating_sub(self.edges_ns().0),
            recorded: playing.recorded,
            series,
            heat_map,
            seconds,
            start: Some(playing.start),
            frontend: self.settings.routes.endpoints().clone(),
            identities: self.clients.identities.clone(),
            server: begin.server.zip(end.server).map(|(begin, end)| end.since(&begin)),
            server_in_all: None,
            server_process: None,
            server_window_ns: end.at_ns - begin.at_ns,
            drivers: end.drivers.since(&begin.drivers),
            sent_in_all: self.clients.sum(|of| &of.requests),
            received_in_all: self.clients.sum(|of| &of.replies),
            probes: self.clients.probes.as_ref().map(|counters| MeasuredByProbes {
                recorded: playing.by_probes,
                driver: end.probes.since(&begin.probes),
                sent_in_all: counters.requests.get(),
                received_in_all: counters.replies.get(),
            }),
            played_ns: now_ns,
            in_flight: playing.in_flight.values,
            workers_busy: mean(&playing.workers_busy.values),
            process_cpu_ns: Some(host.process_cpu_ns),
            cut_off: self.memory.cut_off(),
            connections: None,
            objection: None,
            resident_bytes: host::resident_bytes(),
            kernel_bytes: playing.kernel_bytes,
            host: Some(host),
            clock_resolution_ns: host::clock_resolution_ns(),
            shards: Vec::new(),
        }
    }
}

/// Messages that clients sent and that are not answered yet, or replies outstanding, whichever are more.
fn under_way(clients: &Clients) -> u64 {
    let received = clients.sum_of_all(|of| &of.replies);
    let sent = clients.sum_of_all(|of| &of.requests);
    sent.saturating_sub(received).max(clients.sum_of_all(|of| &of.in_flight))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests;
