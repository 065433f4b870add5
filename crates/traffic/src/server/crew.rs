//! The workers' sockets and threads: how they come to their backend, and who runs them.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::counters::WorkerCounters;
use super::protocol::{Dealer, Lru, Mdp, Reopen, Rep, Talk};
use super::worker::{Shared, Worker};
use super::{Ready, Settings};
use crate::Error;
use crate::machine::{Clock, Stop, threads};
use crate::wire::{Context, Errno, Socket, sockets};
use zload_core::scenario::Protocol;

/// How often a worker that waits for its connection is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The thread of a worker.
pub(super) type Thread = JoinHandle<Result<(), Errno>>;

/// Waits until a condition holds, or fails when that takes too long.
type WaitFor<'a> = &'a dyn Fn(&dyn Fn() -> bool) -> Result<(), Error>;

/// Opens a socket for each worker and waits until all are connected, so that the backend deals to all from the start.
pub(super) fn connect(
    settings: &Settings,
    context: &Context,
    backend: &str,
    stop: &Stop,
    ready: Ready<'_>,
) -> Result<Vec<Socket>, Error> {
    let clock = Clock::start();
    let wait_for = |connected: &dyn Fn() -> bool| {
        while !connected() {
            ready()?;
            let timeout = settings.connect_timeout;
            if clock.now_ns() > timeout.0 {
                let message = format!("the workers did not connect to {backend} within {timeout}");
                return Err(Error::Limit(message));
            }
            stop.sleep(LOOK_EVERY);
        }
        Ok(())
    };
    let mut connected = Vec::new();
    for number in 0..settings.workers {
        if settings.protocol == Protocol::Rep {
            connected.push(connect_rep(settings, context, backend, number, &wait_for)?);
        } else {
            let socket = sockets::open_connecting(context, &settings.sockets)?;
            socket.dial(backend)?;
            connected.push(socket);
        }
    }
    if settings.protocol != Protocol::Rep {
        for socket in &connected {
            wait_for(&|| socket.is_writable())?;
        }
    }
    Ok(connected)
}

/// A REP socket does not say by itself when its handshake is done, so its monitor is asked. Over inproc there is none.
fn connect_rep(
    settings: &Settings,
    context: &Context,
    backend: &str,
    number: u32,
    wait_for: WaitFor<'_>,
) -> Result<Socket, Error> {
    let socket = sockets::open(context, zmq::REP, &settings.sockets)?;
    if backend.starts_with("inproc:") {
        socket.dial(backend)?;
        return Ok(socket);
    }
    let endpoint = format!("inproc://zload-monitor-{number}");
    let event = zmq::SocketEvent::HANDSHAKE_SUCCEEDED as i32;
    let failed = |error: zmq::Error| Errno::from(error).failed("watching a worker's handshake");
    socket.monitor(&endpoint, event).map_err(failed)?;
    let monitor = context.socket(zmq::PAIR)?;
    monitor.dial(&endpoint)?;
    socket.dial(backend)?;
    let connected = wait_for(&|| monitor.poll(zmq::POLLIN, 0).is_ok_and(|events| events > 0));
    socket.end_monitor();
    connected.map(|()| socket)
}

/// Starts a worker on each of these sockets, which are connected to `backend`, and hands each to `started` at once, so that
/// none is forgotten if a later one fails.
pub(super) fn start(
    settings: &Settings,
    context: &Context,
    backend: &str,
    connected: Vec<Socket>,
    shared: &Arc<Shared>,
    started: &mut dyn FnMut((Thread, Arc<WorkerCounters>)),
) -> Result<(), Error> {
    let said = |errno: Errno| errno.failed("a worker's first word to its broker");
    let start = |(number, socket)| match settings.protocol {
        Protocol::Dealer => thread(number, Dealer(socket), shared),
        Protocol::Rep => thread(number, Rep(socket), shared),
        Protocol::Lru => thread(number, Lru::start(socket).map_err(said)?, shared),
        Protocol::Mdp => {
            let reopen = reopen(settings, context, backend, Arc::clone(&shared.stop));
            let time = (shared.clock, Arc::clone(&shared.stop));
            let mdp = Mdp::start(socket, settings.service.clone(), reopen, time).map_err(said)?;
            thread(number, mdp, shared)
        }
    };
    (1..).zip(connected).map(start).try_for_each(|worker| worker.map(&mut *started))
}

fn thread<T: Talk + Send + 'static>(
    number: u32,
    talk: T,
    shared: &Arc<Shared>,
) -> Result<(Thread, Arc<WorkerCounters>), Error> {
    let counters = Arc::new(WorkerCounters::default());
    let mut worker = Worker::new(number, talk, Arc::clone(shared), Arc::clone(&counters));
    let thread = threads::start("zload/worker", number - 1, move || worker.serve())?;
    Ok((thread, counters))
}

/// How a Majordomo worker gets another socket. What it says on it waits for the connection.
fn reopen(settings: &Settings, context: &Context, backend: &str, stop: Arc<Stop>) -> Reopen {
    let (context, options) = (context.clone(), settings.sockets.clone());
    let backend = backend.to_owned();
    Box::new(move || {
        let open = || -> Result<Socket, Error> {
            let socket = sockets::open(&context, zmq::DEALER, &options)?;
            socket.dial(&backend)?;
            Ok(socket)
        };
        // It has connected there before, so nothing but the end or a lack of descriptors is in its way.
        let why = if stop.requested() { Errno::TERM } else { Errno::MFILE };
        open().map_err(|_error| why)
    })
}
