//! Limits of the machine: raised where that is allowed, else said before anything starts.
//!
//! Running out of descriptors inside libzmq is silent: connections are just never made. So the need is worked out
//! first, from what a socket really takes on this build.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::context::{Context, Socket};
use crate::Error;
use crate::scenario::{Engine, Scenario};

/// Descriptors that are open anyway or will be for a short time.
const MARGIN: u64 = 64;
/// Sockets that are opened to see how many descriptors one takes.
const PROBED: u64 = 4;

/// Which sides of the topology this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sides {
    /// Clients, and the server unless the engine is external.
    Run,
    /// The server alone.
    Serve,
}

/// Descriptors that a run needs: so many whatever the number of clients, and so many for each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Need {
    fixed: u64,
    per_client: u64,
}

/// Makes sure that the run's descriptors fit under the limit.
pub(super) fn ensure_descriptors(scenario: &Scenario, sides: Sides) -> Result<(), Error> {
    let need = Need::of(scenario, sides, descriptors_per_socket()?, open_descriptors());
    let clients = match sides {
        Sides::Run => u64::from(scenario.clients.count.0),
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
        let clients_here = u64::from(sides == Sides::Run);
        let server_here =
            u64::from(sides == Sides::Serve || scenario.proxy.engine != Engine::External);
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
        let fitting = hard.saturating_sub(self.fixed) / self.per_client.max(1);
        format!(
            "clients.count = {clients} needs about {} file descriptors ({} for each client, {} besides), {} more than \
             the hard limit of {hard}: about {fitting} clients fit. Raise the limit (ulimit -Hn), lower clients.count \
             or workers.count, or run the server in a process of its own (zload serve) with proxy.engine = \"external\"",
            self.total(clients),
            self.per_client,
            self.fixed,
            self.total(clients) - hard,
        )
    }
}

fn open_descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(MARGIN, |entries| entries.count() as u64)
}

/// How many descriptors a socket takes: one where libzmq has eventfd, else two.
fn descriptors_per_socket() -> Result<u64, Error> {
    let context = Context::new(1, 16)?;
    // The first socket also starts the context's threads, which have descriptors of their own.
    let _first = context.socket(zmq::DEALER)?;
    let before = open_descriptors();
    let _probes: Vec<Socket> =
        (0..PROBED).map(|_| context.socket(zmq::DEALER)).collect::<Result<_, _>>()?;
    Ok(open_descriptors().saturating_sub(before).div_ceil(PROBED).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(overrides: &[(&str, &str)]) -> Scenario {
        let overrides: Vec<_> = overrides
            .iter()
            .map(|(key, value)| crate::scenario::load::Override::new(key, value))
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
    fn this_build_of_libzmq_takes_one_descriptor_per_socket() {
        assert_eq!(descriptors_per_socket().unwrap(), 1, "is .cargo/config.toml in force?");
    }
}
