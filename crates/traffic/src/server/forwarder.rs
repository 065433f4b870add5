//! The proxy's thread: what it runs, what it has moved, and how it ended.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use super::counters::ProxyCounters;
use super::{ended, proxy};
use crate::Error;
use crate::machine::{ThreadId, threads};
use crate::wire::{Errno, Socket, Stations};
use zload_core::facts::ServerTotals;
use zload_core::scenario::Engine;

/// A proxy that is running.
pub(super) struct Forwarder {
    engine: Engine,
    counters: Arc<ProxyCounters>,
    /// `None` when it was joined.
    thread: Option<JoinHandle<Result<(), Errno>>>,
    id: ThreadId,
}

impl Forwarder {
    /// Starts the engine between these sockets; `number` tells its thread from others.
    pub(super) fn start(
        engine: Engine,
        [frontend, backend]: [Socket; 2],
        stations: Option<Arc<Stations>>,
        number: u32,
    ) -> Result<Self, Error> {
        let counters = Arc::new(ProxyCounters::default());
        let counted = Arc::clone(&counters);
        let (tell_thread, thread) = mpsc::channel();
        let body = move || {
            // The receiver waits for exactly this.
            let _told = tell_thread.send(ThreadId::current());
            proxy::run(engine, &frontend, &backend, &counted, stations.as_deref())
        };
        let joins = threads::start("zload/proxy", number, body)?;
        let id = thread.recv().expect("the proxy thread tells its id first of all");
        Ok(Self { engine, counters, thread: Some(joins), id })
    }

    /// Whether its thread is over.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What it has moved, as far as its engine counts, into the totals of a server.
    pub(super) fn add_to(&self, totals: ServerTotals) -> ServerTotals {
        let totals = ServerTotals { proxy_cpu_ns: self.cpu_ns(), ..totals };
        if self.engine == Engine::Builtin {
            return totals;
        }
        ServerTotals {
            messages_in: Some(self.counters.messages_in.get()),
            messages_out: Some(self.counters.messages_out.get()),
            wakes: Some(self.counters.wakes.get()),
            bytes: self.counters.bytes.get(),
            ..totals
        }
    }

    /// CPU time of its thread, in nanoseconds, as long as that lives.
    pub(super) fn cpu_ns(&self) -> Option<u64> {
        self.id.cpu_ns()
    }

    /// Waits for its end, which somebody else has asked for.
    pub(super) fn join(&mut self) -> Result<(), String> {
        self.thread.take().map_or(Ok(()), |thread| ended("the proxy", thread))
    }
}
