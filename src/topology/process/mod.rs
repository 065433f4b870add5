//! A server of the user's own: a process that zload starts, waits for, watches and stops.
//!
//! The server is the child of a guard, which is zload's own program once more (`guard`): the guard has one end of a pipe
//! to zload, and when that closes, however zload ended, it kills the server and whatever that has started. So no server
//! outlives its zload, also not a killed one; and if the guard is killed with it, the server goes by its parent-death
//! signal (`launch`). Invariant: whatever the server does, its output is read and nothing waits
//! for it without a limit.

mod endpoint;
mod guard;
mod launch;
mod link;
mod probe;
mod tail;
mod tree;

use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use link::Link;
use tree::Usage;

pub use guard::guard;
pub use launch::become_server;

use super::address;
use super::limits::{self, Sides};
use crate::Error;
use crate::plan::Plan;
use crate::scenario::{Scenario, in_words};

/// This program, also when its file was replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// A server of the user's own that answers. Dropping it stops it.
pub struct ServerProcess<'a> {
    command: Vec<String>,
    frontend: String,
    link: Link<'a>,
    /// The most memory that a look has seen.
    peak_bytes: Cell<Option<u64>>,
}

/// How a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEnd {
    /// In words: `exit status 0`, `killed by SIGTERM`.
    pub exit: String,
    /// It ended before it was told to.
    pub by_itself: bool,
    /// It did not end within `server.stop_timeout` of SIGTERM.
    pub had_to_be_killed: bool,
    /// Processes that it had started and that were still there when it was gone; they were killed.
    pub left_behind: u32,
    /// The last lines of its output, printable and cut to a length that people read.
    pub last_output: Vec<String>,
}

/// What a server cost, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUse {
    /// Program and arguments, with the endpoint in its place.
    pub command: Vec<String>,
    /// CPU time of all its processes in the window, in nanoseconds; `None` if the kernel does not say or it died.
    pub cpu_ns: Option<u64>,
    /// The most memory that was resident, in bytes, each of its processes at its own peak.
    pub resident_bytes: Option<u64>,
    /// How it ended; `None` while it runs.
    pub end: Option<ServerEnd>,
}

impl<'a> ServerProcess<'a> {
    /// Starts the server of the scenario, if it has one, and returns when it has answered a request.
    ///
    /// The caller must be zload's program, which is started once more as the guard.
    ///
    /// Fails with [`Error::Server`] if it cannot be started, ends, or does not answer within `server.ready_timeout`, and
    /// with [`Error::Interrupted`] if `interrupted` becomes true first; the server is gone then. Once that is true, nothing
    /// waits long for the server's end either.
    pub fn start(
        scenario: &Scenario,
        plan: &Plan,
        interrupted: &'a AtomicBool,
    ) -> Result<Option<Self>, Error> {
        let Some(server) = &scenario.server else { return Ok(None) };
        // Before the start, so that the server has the same limits in the first run and in all that follow.
        limits::ensure(scenario, Sides::RunAndStart)?;
        let frontend = endpoint::concrete(&scenario.proxy.frontend)?;
        address::to_connect(&frontend, server.ready_timeout, interrupted)?;
        if endpoint::is_taken(&frontend) {
            return Err(Error::Limit(format!(
                "somebody listens at {frontend} already, and would answer in the place of the server that is to be \
                 started: end that process, or set proxy.frontend to another endpoint (port * is any free one)"
            )));
        }
        let command = server.resolve(&frontend);
        let mut link = Link::start(&command, server.stop_timeout, interrupted)?;
        probe::await_answer(scenario, plan, &frontend, &mut link)?;
        Ok(Some(Self { command, frontend, link, peak_bytes: Cell::new(None) }))
    }

    /// Where clients connect to, with the port that `*` became.
    pub fn frontend(&self) -> &str {
        &self.frontend
    }

    /// How it ended, if it did before it was told to.
    pub fn ended(&self) -> Option<&ServerEnd> {
        self.link.ended()
    }

    /// Why a run against it cannot go on, if it cannot: the server ended.
    pub(super) fn died(&self) -> Option<String> {
        self.ended().map(|end| failed("the server ended in the middle of the run", end).to_string())
    }

    /// The same for a run that has not begun.
    pub(super) fn died_before(&self) -> Option<Error> {
        self.ended().map(|end| failed("the server ended before the run began", end))
    }

    /// CPU time that its processes have used so far, in nanoseconds, if the kernel says.
    pub(super) fn cpu_ns(&self) -> Option<u64> {
        let usage = self.look()?;
        Some(usage.cpu_ns)
    }

    /// What it cost: `cpu_ns` within a window, and memory so far.
    pub(super) fn used(&self, cpu_ns: Option<u64>) -> ServerUse {
        self.look();
        ServerUse {
            command: self.command.clone(),
            cpu_ns,
            resident_bytes: self.peak_bytes.get(),
            end: self.ended().cloned(),
        }
    }

    /// Stops it: SIGTERM, and SIGKILL when `server.stop_timeout` has passed or, after an interruption, a moment.
    pub fn stop(mut self) -> ServerEnd {
        self.link.stop().clone()
    }

    fn look(&self) -> Option<Usage> {
        let usage = Usage::of_children_of(self.link.guard_id())?;
        self.peak_bytes.set(self.peak_bytes.get().max(Some(usage.peak_bytes)));
        Some(usage)
    }
}

impl ServerUse {
    /// Both together: what was used adds up, memory is the larger, and an end that is worth a word goes before one that
    /// is not.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let is_plain =
            |end: &ServerEnd| !(end.by_itself || end.had_to_be_killed || end.left_behind > 0);
        let keep_own = self.end.as_ref().is_some_and(|end| !is_plain(end));
        let last = if keep_own { self } else { other };
        Self {
            command: last.command.clone(),
            cpu_ns: self.cpu_ns.zip(other.cpu_ns).map(|(one, more)| one + more),
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            end: last.end.clone(),
        }
    }
}

/// A server of which nothing can be measured.
fn failed(what: &str, end: &ServerEnd) -> Error {
    Error::Server { what: format!("{what}: {}", end.exit), output: end.last_output.clone() }
}

/// The program of a command as it is shown in an error.
fn program(command: &[String]) -> String {
    in_words(&command[..1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(cpu_ns: Option<u64>, resident_bytes: u64, end: ServerEnd) -> ServerUse {
        let command = vec![end.exit.clone()];
        ServerUse { command, cpu_ns, resident_bytes: Some(resident_bytes), end: Some(end) }
    }

    #[test]
    fn several_runs_add_up_and_keep_the_end_that_is_worth_a_word() {
        let plain = ServerEnd {
            exit: "exit status 0".to_owned(),
            by_itself: false,
            had_to_be_killed: false,
            left_behind: 0,
            last_output: Vec::new(),
        };
        let odd = ServerEnd {
            exit: "killed by SIGKILL".to_owned(),
            had_to_be_killed: true,
            ..plain.clone()
        };
        let (one, two) = (used(Some(3), 7, odd.clone()), used(Some(4), 5, plain));
        let sum = used(Some(7), 7, odd);
        assert_eq!((one.plus(&two), two.plus(&one)), (sum.clone(), sum));
        let unknown = ServerUse { cpu_ns: None, ..one };
        assert_eq!(two.plus(&unknown).cpu_ns, None, "a sum of which a part is not known");
    }
}
