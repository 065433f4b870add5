//! Limits of the machine and of a container: raised where that is allowed, else said before anything starts.
//!
//! Running out of descriptors inside libzmq is silent: connections are just never made. Running out of threads or memory
//! inside it is the end of the process. So the need is worked out first, descriptors from what a socket really takes on
//! this build, and threads are started once beforehand.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::cgroup;
use super::rehearsal::{Threads, rehearse};
use crate::Error;
use zload_core::scenario::ClientEngine;

/// Descriptors that are open anyway or will be for a short time.
const MARGIN: u64 = 64;

/// Memory that is used whatever the scenario: histograms, the sample, the result, in bytes.
const FIXED_MEMORY: u64 = 32 << 20;
/// Memory that any command takes before its own limits are looked at, in bytes; a generous guess.
const MEMORY_TO_BEGIN: usize = 8 << 20;
/// Memory of a connected client, of its connection in a server, and of a worker, in bytes. Measured.
const CLIENT_MEMORY: u64 = 31 << 10;
/// The same of a client of zload's own engine, whose connection's memory is the kernel's.
const OWN_CLIENT_MEMORY: u64 = 1 << 10;
const CONNECTION_MEMORY: u64 = 27 << 10;
const WORKER_MEMORY: u64 = 27 << 10;

/// Descriptors that a socket was seen to take.
static PER_SOCKET: OnceLock<u64> = OnceLock::new();

/// What is to be here at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    /// Clients and their drivers: none beside a server alone, whose clients are elsewhere and of an unknown number.
    pub clients: u32,
    /// Who speaks ZMTP for the clients.
    pub engine: ClientEngine,
    /// Threads that play them.
    pub drivers: u32,
    /// The most clients that one of these plays.
    pub clients_of_a_driver: u32,
    /// A built-in proxy.
    pub proxy: bool,
    /// Workers, behind that or behind somebody else's proxy.
    pub workers: u32,
    /// Threads of each ZeroMQ context.
    pub io_threads: u32,
    /// Ends of a worker's connection that have descriptors here: none over inproc, and one if the other end is elsewhere.
    pub backend_ends: u32,
    /// Bytes of the requests that a client is certain to have in flight.
    pub bodies_of_a_client: u64,
    /// An external server is still to be started.
    pub starts_process: bool,
}

/// Descriptors: for any number of clients, and for each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Descriptors {
    fixed: u64,
    per_client: u64,
}

/// Whether there is memory for a command line, a scenario and an error message.
pub fn has_memory_to_begin() -> bool {
    Vec::<u8>::new().try_reserve_exact(MEMORY_TO_BEGIN).is_ok()
}

/// Makes sure that all that is needed is to be had. Must come before the first context of libzmq.
///
/// Only then a socket may be opened to see how many descriptors one takes, which `per_socket` does. Says whether drivers need
/// tables of descriptors of their own.
pub fn ensure(
    needs: Needs,
    per_socket: impl FnOnce() -> Result<u64, Error>,
) -> Result<bool, Error> {
    let memory = needs.memory();
    if let Some(limit) = cgroup::memory().filter(|limit| limit.most < memory) {
        return Err(Error::Limit(format!(
            "this needs about {} MiB of memory, and its control group is limited to {} MiB (memory.max): raise that, or lower clients.count, load.in_flight or load.payload",
            memory.div_ceil(1 << 20),
            limit.most >> 20
        )));
    }
    ensure_threads(needs.threads(), memory)?;
    let per_socket = per_socket()?;
    let open = open_descriptors();
    let own_tables = needs.own_tables(open, limits().1);
    if own_tables {
        needs.ensure_tables(open)?;
    } else {
        ensure_descriptors(needs.clients, needs.descriptors(per_socket, open))?;
    }
    PER_SOCKET.get_or_init(|| per_socket);
    Ok(own_tables)
}

/// Whether libzmq has eventfd, of which a socket needs one, and not the two ends of a pair; `None` before [`ensure`].
pub fn libzmq_has_eventfd() -> Option<bool> {
    PER_SOCKET.get().map(|&descriptors| descriptors == 1)
}

/// Makes sure that this many threads can be started, and that `memory` bytes are left beside them.
pub fn ensure_threads(threads: Threads, memory: u64) -> Result<(), Error> {
    let all = u64::from(threads.of_libzmq) + u64::from(threads.own);
    if let Some(limit) = cgroup::pids().filter(|limit| limit.used.saturating_add(all) > limit.most)
    {
        return Err(Error::Limit(format!(
            "too few threads: the control group may have {} threads and processes (pids.max; of a container: --pids-limit) and has {}, and {all} more are needed. Raise the limit, or lower workers.count, clients.threads or proxy.io_threads",
            limit.most, limit.used
        )));
    }
    rehearse(threads, memory)
}

impl Needs {
    /// Whether clients are sockets of ZeroMQ's.
    fn has_sockets(self) -> bool {
        self.clients > 0 && self.engine == ClientEngine::Libzmq
    }

    /// The threads that will live at once, and one to spare.
    fn threads(self) -> Threads {
        let contexts = u32::from(self.has_sockets()) + u32::from(self.workers > 0);
        // The guard, the server and a thread for each of the two pipes from them.
        let process = if self.starts_process { 4 } else { 0 };
        let server = self.workers + u32::from(self.proxy);
        Threads {
            of_libzmq: contexts * (1 + self.io_threads),
            own: self.drivers + server + process + 1,
        }
    }

    /// About how much memory is certain to be used, in bytes.
    fn memory(self) -> u64 {
        let connection = if self.proxy { CONNECTION_MEMORY } else { 0 };
        let client = if self.has_sockets() { CLIENT_MEMORY } else { OWN_CLIENT_MEMORY };
        let each = client + connection + self.bodies_of_a_client;
        let workers = u64::from(self.workers) * WORKER_MEMORY;
        FIXED_MEMORY
            .saturating_add(u64::from(self.clients).saturating_mul(each))
            .saturating_add(workers)
    }

    /// About how many descriptors are needed in all.
    pub fn all_descriptors(self, per_socket: u64) -> u64 {
        self.descriptors(per_socket, open_descriptors()).total(self.clients.into())
    }

    /// Whether drivers have tables of descriptors of their own, each with the limit of a process: their clients do not fit
    /// into that of the process, and nothing of these but connections has descriptors, which no other thread needs.
    fn own_tables(self, open: u64, hard: u64) -> bool {
        let total = || self.descriptors(1, open).total(self.clients.into());
        self.engine == ClientEngine::Zmtp && !self.proxy && total() > hard
    }

    /// Makes sure that each driver's clients fit into a table of its own, and all else into that of the process.
    fn ensure_tables(self, open: u64) -> Result<(), Error> {
        let (_, hard) = limits();
        if self.clients_of_a_driver > room_of_a_driver() {
            let (clients, drivers) = (self.clients, self.drivers);
            let least = clients.div_ceil(room_of_a_driver().max(1));
            return Err(Error::Limit(format!(
                "clients.count = {clients} needs at least {least} drivers, as each may have {hard} file descriptors (the hard limit), and there are {drivers}: set clients.threads to {least} or \"auto\", or raise the limit (ulimit -Hn)"
            )));
        }
        ensure_descriptors(0, Self { clients: 0, ..self }.descriptors(1, open))
    }

    fn descriptors(self, per_socket: u64, open: u64) -> Descriptors {
        let contexts = 2 * (4 + 2 * u64::from(self.io_threads));
        let each = per_socket + u64::from(self.backend_ends);
        let workers = u64::from(self.workers) * each;
        let client = if self.has_sockets() { per_socket + 1 } else { u64::from(self.clients > 0) };
        Descriptors {
            fixed: open + MARGIN + contexts + workers,
            per_client: client + u64::from(self.proxy),
        }
    }
}

/// Makes sure that the descriptors of this many clients fit under the limit.
fn ensure_descriptors(clients: u32, needed: Descriptors) -> Result<(), Error> {
    let (soft, hard) = limits();
    let total = needed.total(clients.into());
    if total > hard {
        return Err(Error::Limit(needed.refusal(clients.into(), hard)));
    }
    // Nobody knows how many clients from elsewhere will come: take all there is.
    if soft < hard && (total > soft || clients == 0) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum }).map_err(|error| {
            Error::Limit(format!(
                "the limit of {soft} descriptors cannot be raised to {hard}: {error}"
            ))
        })?;
    }
    Ok(())
}

/// How many descriptors a process may have, or a thread with a table of its own: now, and at most.
fn limits() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

/// How many clients of zload's own engine fit into a driver's own table of descriptors.
pub fn room_of_a_driver() -> u32 {
    u32::try_from(limits().1.saturating_sub(MARGIN)).unwrap_or(u32::MAX)
}

impl Descriptors {
    fn total(self, clients: u64) -> u64 {
        self.fixed + clients * self.per_client
    }

    fn refusal(self, clients: u64, hard: u64) -> String {
        let (needed, fixed) = (self.total(clients), self.fixed);
        let Some(fitting) = hard.checked_sub(fixed).map(|left| left / self.per_client.max(1))
        else {
            return format!(
                "this needs about {needed} file descriptors, {fixed} of them for any number of clients, and the hard limit is {hard}: raise the limit (ulimit -Hn) or lower workers.count or proxy.io_threads"
            );
        };
        format!(
            "clients.count = {clients} needs about {needed} file descriptors ({} for each client plus {fixed}), {} more than the hard limit of {hard}: about {fitting} clients fit. Raise the limit (ulimit -Hn), lower clients.count or workers.count, or run the server in its own process (zload serve) with proxy.engine = \"external\"",
            self.per_client,
            needed - hard,
        )
    }
}

/// Descriptors that this process has open.
pub fn open_descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(MARGIN, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Needs = Needs {
        clients: 9,
        engine: ClientEngine::Libzmq,
        drivers: 3,
        clients_of_a_driver: 3,
        proxy: true,
        workers: 10,
        io_threads: 1,
        backend_ends: 0,
        bodies_of_a_client: 0,
        starts_process: false,
    };
    const SERVE: Needs = Needs { clients: 0, drivers: 0, ..RUN };
    const EXTERNAL: Needs = Needs { drivers: 1, proxy: false, workers: 0, io_threads: 2, ..RUN };
    /// Behind somebody else's proxy.
    const WORKERS: Needs = Needs { proxy: false, backend_ends: 1, ..RUN };

    #[test]
    fn a_client_needs_its_socket_and_both_ends_of_its_connection() {
        let own = Descriptors { fixed: 20 + 64 + 12 + 10, per_client: 3 };
        assert_eq!(RUN.descriptors(1, 20), own);
        assert_eq!(EXTERNAL.descriptors(2, 20).per_client, 3, "one end is in another process");
        assert_eq!(SERVE.descriptors(1, 20).per_client, 1);
        let own_engine = Needs { engine: ClientEngine::Zmtp, ..EXTERNAL };
        assert_eq!(own_engine.descriptors(1, 20).per_client, 1, "the connection and nothing else");
        assert_eq!(own_engine.threads().of_libzmq, 0);
        // 20 open ones, the margin of 64, and 12 of contexts leave room for 4 of 9 clients.
        assert!(own_engine.own_tables(20, 104) && !own_engine.own_tables(20, 20 + 64 + 16 + 9));
        assert!(!Needs { proxy: true, ..own_engine }.own_tables(20, 100), "both ends are here");
        assert!(!EXTERNAL.own_tables(20, 100), "libzmq's threads share sockets");
        let workers = Descriptors { fixed: 20 + 64 + 12 + 2 * 10, per_client: 2 };
        assert_eq!(WORKERS.descriptors(1, 20), workers, "one end of each is in another process");
    }

    #[test]
    fn a_refusal_says_by_how_much_and_what_would_fit() {
        let refusal =
            |fixed, clients, hard| Descriptors { fixed, per_client: 3 }.refusal(clients, hard);
        let text = refusal(100, 10_000, 20_000);
        assert!(text.contains("needs about 30100 file descriptors"), "{text}");
        assert!(text.contains("10100 more than the hard limit of 20000: about 6633 clients fit"));
        let text = refusal(87, 2, 60);
        assert!(text.contains("87 of them for any number of clients"), "{text}");
        assert!(
            !text.contains("clients fit") && refusal(87, 2, 87).contains("about 0 clients fit")
        );
    }

    #[test]
    fn threads_are_those_of_both_contexts_and_our_own() {
        assert_eq!(RUN.threads(), Threads { of_libzmq: 4, own: 15 });
        assert_eq!(SERVE.threads(), Threads { of_libzmq: 2, own: 12 });
        assert_eq!(WORKERS.threads(), Threads { of_libzmq: 4, own: 14 });
        assert_eq!(EXTERNAL.threads(), Threads { of_libzmq: 3, own: 2 });
        assert_eq!(Needs { starts_process: true, ..EXTERNAL }.threads().own, 6);
    }

    #[test]
    fn memory_is_that_of_clients_and_of_what_they_have_in_flight() {
        let more = Needs { clients: 1_009, bodies_of_a_client: 7, ..RUN }.memory()
            - Needs { bodies_of_a_client: 7, ..RUN }.memory();
        assert_eq!(more, 1000 * (CLIENT_MEMORY + CONNECTION_MEMORY + 7));
    }
}
