//! An external server: a process that zload starts, waits for, watches and stops.
//!
//! The server is the child of a guard, which is zload's own program once more (`guard`): the guard has one end of a pipe
//! to zload, and when that closes, however zload ended, it kills the server and whatever that has started. So no server
//! outlives its zload, also not a killed one; and if the guard is killed with it, the server goes by its parent-death
//! signal (`launch`). Invariant: whatever the server does, its output is read and nothing waits for it without a limit.

mod guard;
mod launch;
mod link;
mod probe;
mod tail;
mod tree;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::Error;
use crate::wire::address;
use link::{Link, failed};
use tree::Usage;
use zload_core::facts::{ServerEnd, ServerUse};
use zload_core::message::Forms;
use zload_core::plan::Plan;
use zload_core::scenario::{ServerCommand, Sockets};

pub(crate) use guard::guard;
pub(crate) use launch::become_server;

/// What an external server depends on: how it is started, where it is to listen, and how a client of it is connected.
pub(crate) struct Settings {
    pub(crate) command: ServerCommand,
    pub(crate) forms: Arc<Forms>,
    pub(crate) frontend: String,
    /// Where zload's workers will connect, if they do.
    pub(crate) backend: Option<String>,
    pub(crate) sockets: Sockets,
}

/// An external server that was started. Dropping it stops it.
pub(crate) struct ServerProcess<'a> {
    command: Vec<String>,
    frontend: String,
    backend: Option<String>,
    link: Link<'a>,
    peak_bytes: Cell<Option<u64>>,
}

impl<'a> ServerProcess<'a> {
    /// Starts the server. Whether it answers is asked with [`Self::await_answer`].
    ///
    /// The caller must be zload's program, which is started once more as the guard.
    ///
    /// Fails with [`Error::Server`] if it cannot be started, and with [`Error::Interrupted`] if `interrupted` becomes true
    /// first; the server is gone then. Once that is true, nothing waits long for the server's end either.
    pub(crate) fn start(settings: &Settings, interrupted: &'a AtomicBool) -> Result<Self, Error> {
        let Settings { command: server, frontend, backend, .. } = settings;
        let free = |endpoint: &str, who: &str, path: &str| {
            let endpoint = address::to_listen(endpoint)?;
            address::to_connect(&endpoint, server.ready_timeout, interrupted)?;
            if address::is_taken(&endpoint) {
                return Err(Error::Limit(format!(
                    "another process already listens at {endpoint} and would {who} instead of the server: end that process, or set {path} to another endpoint (port * is any free one)"
                )));
            }
            Ok(endpoint)
        };
        let frontend = free(frontend, "answer", "proxy.frontend")?;
        let mut resolved = None;
        if let Some(given) = backend {
            let backend = loop {
                let backend = free(given, "have the workers", "workers.connect")?;
                // Both may be the same free port.
                if backend != frontend || !given.ends_with(":*") {
                    break backend;
                }
            };
            resolved = Some(backend);
        }
        let command = server.resolve(&frontend, resolved.as_deref().unwrap_or_default());
        let link = Link::start(&command, server.stop_timeout, interrupted)?;
        let peak_bytes = Cell::new(None);
        Ok(Self { command, frontend, backend: resolved, link, peak_bytes })
    }

    /// Returns when it has answered a request.
    ///
    /// Fails with [`Error::Server`] if it ends, or does not answer within `server.ready_timeout`, and with
    /// [`Error::Interrupted`] if that comes first.
    pub(crate) fn await_answer(&mut self, settings: &Settings, plan: &Plan) -> Result<(), Error> {
        let (frontend, timeout) = (&self.frontend, settings.command.ready_timeout);
        let forms = (plan, &*settings.forms);
        probe::await_answer(frontend, &settings.sockets, forms, timeout, &mut self.link)
    }

    /// Where clients connect to, with the port that `*` became.
    pub(crate) fn frontend(&self) -> &str {
        &self.frontend
    }

    /// Where zload's workers are to connect, if they are.
    pub(crate) fn backend(&self) -> Option<&str> {
        self.backend.as_deref()
    }

    /// How it ended, if it did so unasked.
    pub(crate) fn ended(&self) -> Option<&ServerEnd> {
        self.link.ended()
    }

    /// Why a run against it cannot go on, if it cannot: the server ended.
    pub(crate) fn died(&self) -> Option<String> {
        self.ended().map(|end| failed("the server ended during the run", end).to_string())
    }

    /// The same for a run that has not begun.
    pub(crate) fn died_before(&self) -> Option<Error> {
        self.ended().map(|end| failed("the server ended before the run started", end))
    }

    /// CPU time that its processes have used so far, in nanoseconds, if the kernel says.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        self.look().map(|usage| usage.cpu_ns)
    }

    /// What it cost: `cpu_ns` within a window, and memory so far.
    pub(crate) fn used(&self, cpu_ns: Option<u64>) -> ServerUse {
        self.look();
        ServerUse {
            command: self.command.clone(),
            cpu_ns,
            resident_bytes: self.peak_bytes.get(),
            end: self.ended().cloned(),
        }
    }

    /// Stops it: SIGTERM, and SIGKILL when `server.stop_timeout` has passed or, after an interruption, a moment.
    pub(crate) fn stop(mut self) -> ServerEnd {
        self.link.stop().clone()
    }

    fn look(&self) -> Option<Usage> {
        let usage = Usage::of_children_of(self.link.guard_id())?;
        self.peak_bytes.set(self.peak_bytes.get().max(Some(usage.peak_bytes)));
        Some(usage)
    }
}
