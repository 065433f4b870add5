//! The built-in server: frontend, proxy, backend and workers, in a context of their own; or the workers alone, behind
//! somebody else's proxy. Beside it, servers with known faults for the selftest.
//!
//! Invariant: workers are connected before the frontend is bound, because `zmq_proxy` spins without them; and every
//! thread ends as soon as the context is shut down and the stop is requested.

pub mod counters;
mod crew;
mod forwarder;
pub mod planted;
mod protocol;
pub mod proxy;
mod request;
mod worker;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Error;
use crate::machine::{Clock, Stop, Sum, host::SERVER_THREADS, threads};
use crate::wire::{Context, Errno, Observation, sockets};
use counters::{WorkerCounters, WorkerState};
use forwarder::Forwarder;
use worker::Shared;
use zload_core::scenario::{DelayBy, Endpoints, Engine, Nanos, Protocol, Sockets};
use zload_core::{facts::ServerTotals, message::Forms, plan::Plan};

/// Sockets besides the workers', with room to spare.
const SPARE_SOCKETS: u32 = 16;
/// How long workers may take for their last word.
const LEAVE: Duration = Duration::from_millis(500);

/// Asked while a start waits: why it is to end, if it is.
pub type Ready<'a> = &'a dyn Fn() -> Result<(), Error>;

/// What a server depends on.
pub struct Settings {
    /// What workers do with each request.
    pub plan: Arc<Plan>,
    /// How requests look.
    pub forms: Arc<Forms>,
    /// Without it the workers are behind somebody else's proxy.
    pub proxy: Option<ProxySettings>,
    /// Where the backend is: bound here, or by somebody else.
    pub backend: String,
    /// Threads of its ZeroMQ context.
    pub io_threads: u32,
    /// How many workers there are.
    pub workers: u32,
    /// How they spend a delay.
    pub delay_by: DelayBy,
    /// How they talk to the backend.
    pub protocol: Protocol,
    /// What Majordomo workers offer.
    pub service: String,
    /// The options of its sockets.
    pub sockets: Sockets,
    /// The longest that workers may take to connect.
    pub connect_timeout: Nanos,
}

/// What a proxy depends on.
pub struct ProxySettings {
    /// The loop that forwards.
    pub engine: Engine,
    /// Where clients connect to.
    pub frontend: Endpoints,
}

/// A server that is running, or on its way to. Dropped, it ends.
pub struct Server {
    context: Context,
    /// Where clients connect to, with the port that `*` became; `None` of workers alone.
    pub frontend: Option<Endpoints>,
    /// `None` before it was started, and of workers alone.
    proxy: Option<Forwarder>,
    has_proxy: bool,
    /// Workers say that they end, and are given time for it: this closes when all have.
    leave: Option<mpsc::Receiver<()>>,
    workers: Vec<JoinHandle<Result<(), Errno>>>,
    worker_counters: Vec<Arc<WorkerCounters>>,
    stop: Arc<Stop>,
}

impl Server {
    /// Starts everything and returns when clients can connect, or the error of `ready` if that has one first.
    ///
    /// Under a closed load without delays, where only throughput counts and no thread must wake in time, the threads of
    /// engine `batch` are scheduled by the batch, too.
    pub fn start(
        settings: &Settings,
        stop: &Arc<Stop>,
        ready: Ready<'_>,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let start = || Self::start_threads(settings, stop, ready, observed);
        let batch = settings.proxy.as_ref().is_some_and(|proxy| proxy.engine == Engine::Batch);
        if batch && settings.plan.is_all_throughput() {
            threads::batch_scheduled(start)
        } else {
            start()
        }
    }

    fn start_threads(
        settings: &Settings,
        stop: &Arc<Stop>,
        ready: Ready<'_>,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let takes_leave = settings.protocol == Protocol::Mdp;
        // A Majordomo worker that connects again has two for a moment.
        let each = if takes_leave { 2 } else { 1 };
        let sockets = settings.workers.saturating_mul(each).saturating_add(SPARE_SOCKETS);
        let context = Context::new(settings.io_threads, sockets)?.named(SERVER_THREADS)?;
        let open = |kind| sockets::open(&context, kind, &settings.sockets);
        let mut backend_endpoint = settings.backend.clone();
        let own = settings.proxy.as_ref().map(|proxy| -> Result<_, Error> {
            let kind = if proxy.engine == Engine::Lru { zmq::ROUTER } else { zmq::DEALER };
            let (backend, frontend) = (open(kind)?, open(zmq::ROUTER)?);
            backend_endpoint = backend.listen(&settings.backend)?;
            Ok((proxy, frontend, backend))
        });
        let own = own.transpose()?;
        let connected = crew::connect(settings, &context, &backend_endpoint, stop, ready)?;
        let (alive, leave) = mpsc::channel();
        let shared = Arc::new(Shared {
            _alive: alive,
            plan: Arc::clone(&settings.plan),
            forms: Arc::clone(&settings.forms),
            stop: Arc::clone(stop),
            delay_by: settings.delay_by,
            foreign: AtomicU64::new(0),
            tracer: observed.tracer.cloned(),
            clock: observed.stations.map_or_else(Clock::start, |stations| stations.clock()),
            stations: observed.stations.cloned(),
        });
        let mut server = Self {
            context: context.clone(),
            frontend: None,
            proxy: None,
            has_proxy: own.is_some(),
            leave: takes_leave.then_some(leave),
            workers: Vec::with_capacity(connected.len()),
            worker_counters: Vec::with_capacity(connected.len()),
            stop: Arc::clone(stop),
        };
        crew::start(settings, &context, &backend_endpoint, connected, &shared, &mut |worker| {
            server.workers.push(worker.0);
            server.worker_counters.push(worker.1);
        })?;
        if let Some((proxy, frontend, backend)) = own {
            let listen = |endpoint: &String| frontend.listen(endpoint);
            server.frontend = Some(proxy.frontend.try_map(listen)?);
            let stations = observed.stations.cloned();
            let sockets = [frontend, backend];
            let number = server.workers();
            server.proxy = Some(Forwarder::start(proxy.engine, sockets, stations, number)?);
        }
        Ok(server)
    }

    /// What it has done until now.
    pub fn totals(&self) -> ServerTotals {
        let sum = |part: fn(&WorkerCounters) -> &Sum| {
            self.worker_counters.iter().map(|worker| part(worker).get()).sum()
        };
        let totals = ServerTotals {
            bytes: sum(|worker| &worker.bytes),
            requests: sum(|worker| &worker.requests),
            replies: sum(|worker| &worker.replies),
            refused: sum(|worker| &worker.refused),
            ..ServerTotals::default()
        };
        match &self.proxy {
            Some(proxy) => proxy.add_to(totals),
            None => totals,
        }
    }

    /// Whether the proxy is its own, too.
    pub fn has_proxy(&self) -> bool {
        self.has_proxy
    }

    /// How many workers are doing this now.
    pub fn workers_in(&self, state: WorkerState) -> u32 {
        let count = self.worker_counters.iter().filter(|worker| worker.is(state)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many workers there are.
    pub fn workers(&self) -> u32 {
        u32::try_from(self.worker_counters.len()).unwrap_or(u32::MAX)
    }

    /// Whether a thread of it has ended by itself.
    pub fn died(&self) -> bool {
        let proxy_is_over = self.has_proxy && self.proxy.as_ref().is_none_or(Forwarder::is_over);
        !self.stop.requested()
            && (proxy_is_over || self.workers.iter().any(JoinHandle::is_finished))
    }

    /// Ends every thread; gives all that was done, and says why the first of those that failed did.
    ///
    /// A worker counts a reply when it has sent it, so only when its thread has ended is every reply counted that a client
    /// may have received.
    pub fn finish(mut self) -> (ServerTotals, Result<(), String>) {
        // The thread's CPU clock ends with it.
        let proxy_cpu_ns = self.proxy.as_ref().and_then(Forwarder::cpu_ns);
        let outcome = self.end();
        (ServerTotals { proxy_cpu_ns, ..self.totals() }, outcome)
    }

    fn end(&mut self) -> Result<(), String> {
        self.stop.request();
        if let Some(leave) = &self.leave {
            // Before their sockets say nothing any more. Nothing is ever sent.
            let _closed = leave.recv_timeout(LEAVE);
        }
        self.context.shut_down();
        let mut outcome = self.proxy.as_mut().map_or(Ok(()), Forwarder::join);
        for worker in std::mem::take(&mut self.workers) {
            outcome = outcome.and(ended("a worker", worker));
        }
        outcome
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Who drops it without finishing it reports its own error.
        let _ended = self.end();
    }
}

/// Joins a thread, and says how it ended if not well.
fn ended<T>(who: &str, thread: JoinHandle<Result<T, Errno>>) -> Result<T, String> {
    match thread.join() {
        Ok(Ok(kept)) => Ok(kept),
        Ok(Err(errno)) => Err(format!("{who} failed: {errno}")),
        Err(_panic) => Err(format!("{who} panicked; please report this bug")),
    }
}
