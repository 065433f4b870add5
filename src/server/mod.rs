//! The built-in server: frontend, proxy, backend and workers, in a context of their own. Beside it, servers with known
//! faults for the selftest.
//!
//! Invariant: workers are connected before the frontend is bound, because `zmq_proxy` spins without them; and every
//! thread ends as soon as the context is shut down and the stop is requested.

pub mod counters;
pub(crate) mod planted;
pub mod proxy;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Error;
use crate::machine::{Clock, Stop, Sum, ThreadId, host::SERVER_THREADS, threads};
use crate::wire::{Context, Errno, Observation, Socket, Stations, sockets};
use counters::{ProxyCounters, WorkerCounters, WorkerState};
use worker::{Shared, Worker};
use zload_core::scenario::{DelayBy, Engine, Nanos, Sockets};
use zload_core::{facts::ServerTotals, message::Forms, plan::Plan};

/// Sockets besides the workers', with room to spare.
const SPARE_SOCKETS: u32 = 16;

/// What a server depends on.
pub(crate) struct Settings {
    pub(crate) plan: Arc<Plan>,
    pub(crate) forms: Arc<Forms>,
    pub(crate) engine: Engine,
    pub(crate) frontend: String,
    pub(crate) backend: String,
    pub(crate) io_threads: u32,
    pub(crate) workers: u32,
    pub(crate) delay_by: DelayBy,
    pub(crate) sockets: Sockets,
    /// The longest that workers may take to connect.
    pub(crate) connect_timeout: Nanos,
}

/// A server that is running, or on its way to. Dropped, it ends.
pub(crate) struct Server {
    context: Context,
    /// Where clients connect to, with the port that `*` became.
    pub(crate) frontend: String,
    engine: Engine,
    /// `None` before it was started and when it was joined.
    proxy: Option<JoinHandle<Result<(), Errno>>>,
    proxy_thread: Option<ThreadId>,
    proxy_counters: Arc<ProxyCounters>,
    workers: Vec<JoinHandle<Result<(), Errno>>>,
    worker_counters: Vec<Arc<WorkerCounters>>,
    stop: Arc<Stop>,
}

impl Server {
    /// Starts everything and returns when clients can connect, or [`Error::Interrupted`] if that comes first.
    ///
    /// Under a closed load without delays, where only throughput counts and no thread must wake in time, the threads of
    /// engine `batch` are scheduled by the batch, too.
    pub(crate) fn start(
        settings: &Settings,
        stop: &Arc<Stop>,
        interrupted: &AtomicBool,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let start = || Self::start_threads(settings, stop, interrupted, observed);
        if settings.engine == Engine::Batch && settings.plan.is_all_throughput() {
            threads::batch_scheduled(start)
        } else {
            start()
        }
    }

    fn start_threads(
        settings: &Settings,
        stop: &Arc<Stop>,
        interrupted: &AtomicBool,
        observed: Observation<'_>,
    ) -> Result<Self, Error> {
        let sockets = settings.workers.saturating_add(SPARE_SOCKETS);
        let context = Context::new(settings.io_threads, sockets)?.named(SERVER_THREADS)?;
        let backend = sockets::open(&context, zmq::DEALER, &settings.sockets)?;
        let frontend = sockets::open(&context, zmq::ROUTER, &settings.sockets)?;
        let backend_endpoint = backend.listen(&settings.backend)?;
        let connected = connect_workers(settings, &context, &backend_endpoint, stop, interrupted)?;
        let shared = Arc::new(Shared {
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
            context,
            frontend: String::new(),
            engine: settings.engine,
            proxy: None,
            proxy_thread: None,
            proxy_counters: Arc::new(ProxyCounters::default()),
            workers: Vec::with_capacity(connected.len()),
            worker_counters: Vec::with_capacity(connected.len()),
            stop: Arc::clone(stop),
        };
        for (number, socket) in (1..).zip(connected) {
            let counters = Arc::new(WorkerCounters::default());
            server.worker_counters.push(Arc::clone(&counters));
            let mut worker = Worker::new(number, Arc::clone(&shared), counters);
            let serve = move || worker.serve(&socket);
            server.workers.push(threads::start("zload/worker", number - 1, serve)?);
        }
        server.frontend = frontend.listen(&settings.frontend)?;
        server.start_proxy([frontend, backend], observed.stations.cloned())?;
        Ok(server)
    }

    fn start_proxy(
        &mut self,
        [frontend, backend]: [Socket; 2],
        stations: Option<Arc<Stations>>,
    ) -> Result<(), Error> {
        let (engine, counters) = (self.engine, Arc::clone(&self.proxy_counters));
        let (tell_thread, thread) = mpsc::channel();
        let body = move || {
            // The receiver waits for exactly this.
            let _told = tell_thread.send(ThreadId::current());
            proxy::run(engine, &frontend, &backend, &counters, stations.as_deref())
        };
        self.proxy = Some(threads::start("zload/proxy", self.workers(), body)?);
        self.proxy_thread =
            Some(thread.recv().expect("the proxy thread tells its id first of all"));
        Ok(())
    }

    pub(crate) fn totals(&self) -> ServerTotals {
        let sum = |part: fn(&WorkerCounters) -> &Sum| {
            self.worker_counters.iter().map(|worker| part(worker).get()).sum()
        };
        let counts = self.engine != Engine::Builtin;
        let proxy = &self.proxy_counters;
        ServerTotals {
            messages_in: counts.then(|| proxy.messages_in.get()),
            messages_out: counts.then(|| proxy.messages_out.get()),
            wakes: counts.then(|| proxy.wakes.get()),
            proxy_cpu_ns: self.proxy_thread.and_then(ThreadId::cpu_ns),
            bytes: if counts { proxy.bytes.get() } else { sum(|worker| &worker.bytes) },
            requests: sum(|worker| &worker.requests),
            replies: sum(|worker| &worker.replies),
            refused: sum(|worker| &worker.refused),
        }
    }

    pub(crate) fn workers_in(&self, state: WorkerState) -> u32 {
        let count = self.worker_counters.iter().filter(|worker| worker.is(state)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(crate) fn workers(&self) -> u32 {
        u32::try_from(self.worker_counters.len()).unwrap_or(u32::MAX)
    }

    /// Whether a thread of it has ended by itself.
    pub(crate) fn died(&self) -> bool {
        !self.stop.requested()
            && (self.proxy.as_ref().is_none_or(JoinHandle::is_finished)
                || self.workers.iter().any(JoinHandle::is_finished))
    }

    /// Ends every thread; gives all that was done, and says why the first of those that failed did.
    ///
    /// A worker counts a reply when it has sent it, so only when its thread has ended is every reply counted that a client
    /// may have received.
    pub(crate) fn finish(mut self) -> (ServerTotals, Result<(), String>) {
        // The thread's CPU clock ends with it.
        let proxy_cpu_ns = self.proxy_thread.and_then(ThreadId::cpu_ns);
        let outcome = self.end();
        (ServerTotals { proxy_cpu_ns, ..self.totals() }, outcome)
    }

    fn end(&mut self) -> Result<(), String> {
        self.stop.request();
        self.context.shut_down();
        let mut outcome = self.proxy.take().map_or(Ok(()), |proxy| ended("the proxy", proxy));
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

/// Opens a socket for each worker and waits until all are connected, so that the backend deals to all from the start.
fn connect_workers(
    settings: &Settings,
    context: &Context,
    endpoint: &str,
    stop: &Stop,
    interrupted: &AtomicBool,
) -> Result<Vec<Socket>, Error> {
    let mut connected = Vec::new();
    for _ in 0..settings.workers {
        let socket = sockets::open_connecting(context, &settings.sockets)?;
        socket.dial(endpoint)?;
        connected.push(socket);
    }
    let (clock, timeout) = (Clock::start(), settings.connect_timeout);
    for socket in &connected {
        while !socket.is_writable() {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if clock.now_ns() > timeout.0 {
                return Err(Error::Limit(format!(
                    "the workers did not connect to {endpoint} within {timeout}"
                )));
            }
            stop.sleep(Duration::from_millis(1));
        }
    }
    Ok(connected)
}

/// Joins a thread, and says how it ended if not well.
fn ended<T>(who: &str, thread: JoinHandle<Result<T, Errno>>) -> Result<T, String> {
    match thread.join() {
        Ok(Ok(kept)) => Ok(kept),
        Ok(Err(errno)) => Err(format!("{who} failed: {errno}")),
        Err(_panic) => Err(format!("{who} panicked; please report this bug")),
    }
}
