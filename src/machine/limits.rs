//! Limits of the machine and of a container: raised where that is allowed, else said before anything starts.
//!
//! Running out of descriptors inside libzmq is silent: connections are just never made. Running out of threads or memory
//! inside it is the end of the process. So the need is worked out first, descriptors from what a socket really takes on
//! this build, and threads are started once beforehand.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::rehearsal::{Threads, rehearse};
use super::{cgroup, threads};
use crate::Error;
use zload_core::scenario::{Engine, Model, Nanos, Scenario};

/// Descriptors that are open anyway or will be for a short time.
const MARGIN: u64 = 64;

/// Memory that is used whatever the scenario: histograms, the sample, the result, in bytes.
const FIXED_MEMORY: u64 = 32 << 20;
/// Memory that any command takes before its own limits are looked at, in bytes; a generous guess.
const MEMORY_TO_BEGIN: usize = 8 << 20;
/// Memory of a connected client, of its connection in a server, and of a worker, in bytes. Measured.
const CLIENT_MEMORY: u64 = 31 << 10;
const CONNECTION_MEMORY: u64 = 27 << 10;
const WORKER_MEMORY: u64 = 27 << 10;
/// libzmq's own high-water mark.
const USUAL_MARK: u64 = 1000;

/// Which sides of the topology this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sides {
    /// Clients, and the server unless the engine is external.
    Run,
    /// Clients, and a server of the user's own that has not been started yet.
    RunAndStart,
    /// The server alone.
    Serve,
}

/// Descriptors that a run needs: so many whatever the number of clients, and so many for each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Need {
    fixed: u64,
    per_client: u64,
}

/// Whether there is memory for a command line, a scenario and an error message.
pub fn has_memory_to_begin() -> bool {
    Vec::<u8>::new().try_reserve_exact(MEMORY_TO_BEGIN).is_ok()
}

/// Makes sure that all that the run needs is to be had. Must come before the first context of libzmq.
///
/// Only then a socket may be opened to see how many descriptors one takes, which `per_socket` does.
pub(crate) fn ensure(
    scenario: &Scenario,
    sides: Sides,
    per_socket: impl FnOnce() -> Result<u64, Error>,
) -> Result<(), Error> {
    let memory = memory_needed(scenario, sides);
    if let Some(limit) = cgroup::memory().filter(|limit| limit.most < memory) {
        return Err(Error::Limit(format!(
            "this needs about {} MiB of memory, and the control group that it runs in may have {} MiB (memory.max): raise that, or \
             lower clients.count, load.in_flight or load.payload",
            memory.div_ceil(1 << 20),
            limit.most >> 20
        )));
    }
    ensure_threads(threads_needed(scenario, sides), memory)?;
    ensure_descriptors(scenario, sides, per_socket()?)
}

/// Makes sure that so many threads can be started, and that `memory` bytes are left beside them.
pub(crate) fn ensure_threads(threads: Threads, memory: u64) -> Result<(), Error> {
    let all = u64::from(threads.of_libzmq) + u64::from(threads.of_ours);
    if let Some(limit) = cgroup::pids().filter(|limit| limit.used.saturating_add(all) > limit.most)
    {
        return Err(Error::Limit(format!(
            "a thread cannot be started beyond the limit of the control group that this runs in: it may have {} threads and \
             processes (pids.max; of a container: --pids-limit) and has {}, and {all} more are needed. Raise the limit, or \
             lower workers.count, clients.threads or proxy.io_threads",
            limit.most, limit.used
        )));
    }
    rehearse(threads, memory)
}

/// The threads that will live at once, and one to spare.
fn threads_needed(scenario: &Scenario, sides: Sides) -> Threads {
    let context = 1 + scenario.proxy.io_threads.0;
    let (clients, server) =
        (u32::from(sides != Sides::Serve), u32::from(has_server(scenario, sides)));
    // The guard, the server and a thread for each of the two pipes from them.
    let process = if sides == Sides::RunAndStart { 4 } else { 0 };
    Threads {
        of_libzmq: (clients + server) * context,
        of_ours: clients * threads::drivers(scenario)
            + server * (scenario.workers.count.0 + 1)
            + process
            + 1,
    }
}

/// About how much memory is certain to be used, in bytes.
fn memory_needed(scenario: &Scenario, sides: Sides) -> u64 {
    let here = |is_here: bool, of_each: u64| if is_here { of_each } else { 0 };
    let clients = match sides {
        Sides::Serve => 0,
        Sides::Run | Sides::RunAndStart => u64::from(scenario.clients.count.0),
    };
    let server = has_server(scenario, sides);
    let each = CLIENT_MEMORY + here(server, CONNECTION_MEMORY) + bodies_of_a_client(scenario);
    let workers = here(server, u64::from(scenario.workers.count.0) * WORKER_MEMORY);
    FIXED_MEMORY.saturating_add(clients.saturating_mul(each)).saturating_add(workers)
}

/// Bytes of the requests that a client without pauses has in flight at any time, as far as marks let it.
fn bodies_of_a_client(scenario: &Scenario) -> u64 {
    let load = &scenario.load;
    let pauses = load.think.as_ref().is_some_and(|think| think.greatest() != Some(Nanos::ZERO));
    if load.model == Model::Open || pauses {
        return 0;
    }
    let mark = match scenario.sockets.sndhwm {
        None => USUAL_MARK,
        Some(0) => u64::MAX,
        Some(mark) => u64::from(mark.unsigned_abs()),
    };
    let in_flight = load.in_flight.map_or(1, |in_flight| u64::from(in_flight.0)).min(mark);
    in_flight.saturating_mul(load.payload.least().map_or(0, |least| least.0))
}

fn has_server(scenario: &Scenario, sides: Sides) -> bool {
    sides == Sides::Serve || scenario.proxy.engine != Engine::External
}

/// Makes sure that the run's descriptors fit under the limit.
fn ensure_descriptors(scenario: &Scenario, sides: Sides, per_socket: u64) -> Result<(), Error> {
    let need = Need::of(scenario, sides, per_socket, open_descriptors());
    let clients = match sides {
        Sides::Run | Sides::RunAndStart => u64::from(scenario.clients.count.0),
        // Nobody knows how many clients will come: take all there is.
        Sides::Serve => 0,
    };
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let total = need.total(clients);
    if total > hard {
        return Err(Error::Limit(need.refusal(clients, hard)));
    }
    if soft < hard && (total > soft || sides == Sides::Serve) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: limit.maximum })
            .map_err(|error| {
                Error::Limit(format!(
                    "the limit of {soft} descriptors cannot be raised to {hard}: {error}"
                ))
            })?;
    }
    Ok(())
}

impl Need {
    fn of(scenario: &Scenario, sides: Sides, per_socket: u64, open: u64) -> Self {
        let connection = |endpoint: &str| u64::from(!endpoint.starts_with("inproc:"));
        let clients_here = u64::from(sides != Sides::Serve);
        let server_here = u64::from(has_server(scenario, sides));
        let (frontend, backend) =
            (connection(&scenario.proxy.frontend), connection(&scenario.proxy.backend));
        let contexts = 2 * (4 + 2 * u64::from(scenario.proxy.io_threads.0));
        let workers =
            server_here * u64::from(scenario.workers.count.0) * (per_socket + 2 * backend);
        Self {
            fixed: open + MARGIN + contexts + workers,
            per_client: clients_here * (per_socket + frontend) + server_here * frontend,
        }
    }

    fn total(self, clients: u64) -> u64 {
        self.fixed + clients * self.per_client
    }

    fn refusal(self, clients: u64, hard: u64) -> String {
        let (needed, fixed) = (self.total(clients), self.fixed);
        let Some(fitting) = hard.checked_sub(fixed).map(|left| left / self.per_client.max(1))
        else {
            return format!(
                "this needs about {needed} file descriptors, {fixed} of them whatever the number of clients, more than the \
                 hard limit of {hard}: raise the limit (ulimit -Hn) or lower workers.count or proxy.io_threads"
            );
        };
        format!(
            "clients.count = {clients} needs about {needed} file descriptors ({} for each client, {fixed} besides), {} more \
             than the hard limit of {hard}: about {fitting} clients fit. Raise the limit (ulimit -Hn), lower clients.count \
             or workers.count, or run the server in a process of its own (zload serve) with proxy.engine = \"external\"",
            self.per_client,
            needed - hard,
        )
    }
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(MARGIN, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(overrides: &[(&str, &str)]) -> Scenario {
        let overrides: Vec<_> = overrides
            .iter()
            .map(|(key, value)| zload_core::scenario::load::Override::new(key, value))
            .collect();
        Scenario::parse("test.toml", "load = { rate = '1/s' }", &overrides).unwrap()
    }

    #[test]
    fn a_client_needs_its_socket_and_both_ends_of_its_connection() {
        let need = Need::of(&scenario(&[("workers.count", "10")]), Sides::Run, 1, 20);
        assert_eq!(need, Need { fixed: 20 + 64 + 12 + 10, per_client: 3 });
        let external = Need::of(
            &scenario(&[("proxy.engine", "external"), ("proxy.frontend", "tcp://127.0.0.1:5")]),
            Sides::Run,
            2,
            20,
        );
        assert_eq!(external.per_client, 3, "the other end is in another process");
        let serve = Need::of(&scenario(&[]), Sides::Serve, 1, 20);
        assert_eq!(serve.per_client, 1);
    }

    #[test]
    fn a_refusal_says_by_how_much_and_what_would_fit() {
        let need = Need { fixed: 100, per_client: 3 };
        let text = need.refusal(10_000, 20_000);
        assert!(text.contains("needs about 30100 file descriptors"), "{text}");
        assert!(
            text.contains("10100 more than the hard limit of 20000: about 6633 clients fit"),
            "{text}"
        );
    }

    #[test]
    fn without_clients_the_limit_may_be_too_low_already() {
        let text = Need { fixed: 87, per_client: 3 }.refusal(2, 60);
        assert!(text.contains("87 of them whatever the number of clients"), "{text}");
        assert!(!text.contains("clients fit"), "{text}");
        let text = Need { fixed: 87, per_client: 3 }.refusal(2, 87);
        assert!(text.contains("about 0 clients fit"), "{text}");
    }

    #[test]
    fn threads_are_those_of_both_contexts_and_of_ours() {
        let own =
            scenario(&[("workers.count", "10"), ("clients.threads", "3"), ("clients.count", "9")]);
        assert_eq!(threads_needed(&own, Sides::Run), Threads { of_libzmq: 4, of_ours: 15 });
        assert_eq!(threads_needed(&own, Sides::Serve), Threads { of_libzmq: 2, of_ours: 12 });
        let external = scenario(&[
            ("proxy.engine", "external"),
            ("proxy.frontend", "tcp://127.0.0.1:5"),
            ("proxy.io_threads", "2"),
        ]);
        assert_eq!(threads_needed(&external, Sides::Run), Threads { of_libzmq: 3, of_ours: 2 });
        assert_eq!(threads_needed(&external, Sides::RunAndStart).of_ours, 6);
    }

    #[test]
    fn memory_is_that_of_clients_and_of_bodies_that_are_certain_to_be_in_the_air() {
        let of = |overrides: &[(&str, &str)]| memory_needed(&scenario(overrides), Sides::Run);
        let more = of(&[("clients.count", "1001")]) - of(&[("clients.count", "1")]);
        assert_eq!(more, 1000 * (CLIENT_MEMORY + CONNECTION_MEMORY));
        let closed = "load={model='closed', in_flight=5000, payload='1MiB'}";
        let closed = Scenario::parse("a.toml", closed, &[]).unwrap();
        assert_eq!(bodies_of_a_client(&closed), 1000 << 20, "the mark holds the rest back");
        assert_eq!(bodies_of_a_client(&scenario(&[])), 0);
    }
}
