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
    pub(crate) sockets: Sockets,
}

/// An external server that answers. Dropping it stops it.
pub(crate) struct ServerProcess<'a> {
    command: Vec<String>,
    frontend: String,
    link: Link<'a>,
    peak_bytes: Cell<Option<u64>>,
}

impl<'a> ServerProcess<'a> {
    /// Starts the server and returns when it has answered a request.
    ///
    /// The caller must be zload's program, which is started once more as the guard.
    ///
    /// Fails with [`Error::Server`] if it cannot be started, ends, or does not answer within `server.ready_timeout`, and
    /// with [`Error::Interrupted`] if `interrupted` becomes true first; the server is gone then. Once that is true, nothing
    /// waits long for the server's end either.
    pub(crate) fn start(
        settings: &Settings,
        plan: &Plan,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let Settings { command: server, forms, frontend, sockets } = settings;
        let frontend = address::to_listen(frontend)?;
        address::to_connect(&frontend, server.ready_timeout, interrupted)?;
        if address::is_taken(&frontend) {
            return Err(Error::Limit(format!(
                "another process already listens at {frontend} and would answer instead of the server: end that process, or set proxy.frontend to another endpoint (port * is any free one)"
            )));
        }
        let command = server.resolve(&frontend);
        let mut link = Link::start(&command, server.stop_timeout, interrupted)?;
        probe::await_answer(&frontend, sockets, (plan, forms), server.ready_timeout, &mut link)?;
        Ok(Self { command, frontend, link, peak_bytes: Cell::new(None) })
    }

    /// Where clients connect to, with the port that `*` became.
    pub(crate) fn frontend(&self) -> &str {
        &self.frontend
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
