//! `[workers]`: who serves the requests, how, and behind whose proxy. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value_error::{Checked, refuse, refuse_with_help};
use super::{Count, Distribution, Engine, Nanos, Scenario, schema};

/// Where an external server binds its backend if `[workers]` does not say: any free port of the loopback.
const ANY_BACKEND: &str = "tcp://127.0.0.1:*";
/// Longest name of a service, in bytes.
const LONGEST_SERVICE: usize = 255;

/// `[workers]`: how many workers, how many replies, how fast, and behind whose proxy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    /// How many workers, each a thread that serves one request at a time.
    #[schemars(extend("minimum" = 1, "maximum" = 100_000))]
    pub count: Count,
    /// The fan-out: replies to one request.
    pub replies: Distribution<Count>,
    /// Wait before each reply; the worker is busy meanwhile.
    pub delay: Distribution<Nanos>,
    /// How a worker spends the delay.
    pub delay_by: DelayBy,
    /// Endpoint of the backend of somebody else's proxy, to which the workers connect: tcp or ipc. Implies
    /// `proxy.engine = "external"`.
    #[schemars(transform = schema::frontend)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// How workers and backend talk to each other; default: `dealer`, and `lru` behind engine `lru`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Majordomo: the service that the workers offer; default: `zload`.
    #[schemars(regex(pattern = schema::ONE_LINE), length(min = 1, max = 255))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// How a worker spends its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DelayBy {
    /// Asleep, as a worker that waits for a disk or a database.
    Sleep,
    /// Burning CPU, as real work does.
    Spin,
}

/// How workers and backend talk to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A DEALER that sends all frames back as they came, as often as planned.
    #[default]
    Dealer,
    /// A REP socket: requests need an empty frame before their body, and get one reply each.
    Rep,
    /// The worker of the guide's load-balancing broker: it says READY, and then sends each request back once.
    Lru,
    /// The worker of Majordomo 0.2 (RFC 18).
    Mdp,
}

impl Protocol {
    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dealer => "dealer",
            Self::Rep => "rep",
            Self::Lru => "lru",
            Self::Mdp => "mdp",
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: Count(5),
            replies: Distribution::Constant(Count(1)),
            delay: Distribution::Constant(Nanos::ZERO),
            delay_by: DelayBy::Sleep,
            connect: None,
            protocol: None,
            service: None,
        }
    }
}

impl Workers {
    /// The service that Majordomo workers offer.
    pub fn service_name(&self) -> &str {
        self.service.as_deref().unwrap_or("zload")
    }
}

/// Which parts of what is measured are zload's own: proxy and workers, the workers behind somebody else's proxy, or neither.
impl Scenario {
    /// Whether the proxy is zload's own; its workers are so, too, then.
    pub fn has_proxy(&self) -> bool {
        self.proxy.engine != Engine::External
    }

    /// Whether the workers are zload's own.
    pub fn has_workers(&self) -> bool {
        self.has_proxy() || self.backend_elsewhere().is_some()
    }

    /// Time that a worker is planned to be busy with one request, on average, in nanoseconds.
    pub fn work_ns_mean(&self) -> f64 {
        let delay_mean = self.workers.delay.mean();
        // No delay is no work, however many replies: infinity times zero is not a number.
        if delay_mean == 0.0 { 0.0 } else { self.workers.replies.mean() * delay_mean }
    }

    /// Requests per second that keep all of zload's workers busy; `None` if there are none, or if their work is none or
    /// without bound.
    pub fn workers_per_s(&self) -> Option<f64> {
        let work_ns = self.work_ns_mean();
        let is_known = self.has_workers() && work_ns > 0.0 && work_ns.is_finite();
        is_known.then(|| f64::from(self.workers.count.0) * 1e9 / work_ns)
    }

    /// The backend of somebody else's proxy to which zload's workers connect, if they do.
    pub fn backend_elsewhere(&self) -> Option<&str> {
        let of_server = || {
            let server = self.server.as_ref().filter(|server| server.binds_backend());
            server.map(|_| ANY_BACKEND)
        };
        self.workers.connect.as_deref().or_else(of_server)
    }

    /// How workers and backend talk to each other.
    pub fn worker_protocol(&self) -> Protocol {
        let implied =
            if self.proxy.engine == Engine::Lru { Protocol::Lru } else { Protocol::Dealer };
        self.workers.protocol.unwrap_or(implied)
    }

    /// Whether sampled requests have a frame more than others, by which zload's workers know them. Protocols of others say
    /// which frames a message has.
    pub fn follows_requests(&self) -> bool {
        let passes_all = matches!(self.worker_protocol(), Protocol::Dealer);
        self.has_proxy() || (self.has_workers() && passes_all)
    }
}

/// What is wrong with where the workers are and with how they talk, but for the form of the endpoint.
pub(super) fn error(scenario: &Scenario) -> Checked {
    connects(scenario)?;
    protocol(scenario)?;
    fan_out(scenario)?;
    service(scenario)
}

fn connects(scenario: &Scenario) -> Checked {
    const PATH: &str = "workers.connect";
    let Some(connect) = &scenario.workers.connect else { return Ok(()) };
    if connect.starts_with("inproc:") {
        let help = "give the endpoint of its backend, as in \"tcp://127.0.0.1:5560\" or \"ipc:///tmp/backend\"";
        return refuse_with_help(PATH, "cannot be inproc: the proxy is another process", help);
    }
    if scenario.has_proxy() {
        return refuse_with_help(
            "proxy.engine",
            "has no effect: workers.connect is for workers behind somebody else's proxy",
            "leave it out (or \"external\"), or leave out workers.connect",
        );
    }
    let binds = scenario.server.as_ref().is_some_and(super::ServerCommand::binds_backend);
    if connect.ends_with(":*") && !binds {
        let help = "name the port of the proxy's backend; with {backend} in server.command zload chooses one";
        return refuse_with_help(PATH, "a worker cannot connect to port *", help);
    }
    if connect.starts_with("tcp://*:") || connect == "ipc://*" {
        let message = format!("a worker cannot connect to {connect}");
        return refuse_with_help(PATH, message, "name an address, such as 127.0.0.1, or a path");
    }
    // A Majordomo broker has one socket for both.
    let one_socket = scenario.worker_protocol() == Protocol::Mdp;
    if scenario.proxy.frontend.all().contains(connect) && !connect.ends_with(":*") && !one_socket {
        return refuse(PATH, "must differ from proxy.frontend");
    }
    Ok(())
}

fn protocol(scenario: &Scenario) -> Checked {
    const PATH: &str = "workers.protocol";
    let Some(protocol) = scenario.workers.protocol else { return Ok(()) };
    if !scenario.has_workers() {
        return refuse_with_help(
            PATH,
            "has no effect: the server is external, and its workers are its own",
            "set workers.connect to have zload's workers behind its proxy",
        );
    }
    let engine = scenario.proxy.engine;
    match protocol {
        Protocol::Lru if scenario.has_proxy() && engine != Engine::Lru => refuse_with_help(
            PATH,
            "\"lru\" needs a broker that hands requests to workers that are ready",
            "set proxy.engine = \"lru\", or workers.connect to the backend of a broker that does",
        ),
        Protocol::Mdp if scenario.has_proxy() => refuse_with_help(
            PATH,
            "\"mdp\" needs a Majordomo broker, and zload has none of its own",
            "set workers.connect to the endpoint of one",
        ),
        Protocol::Dealer | Protocol::Rep if engine == Engine::Lru => refuse_with_help(
            PATH,
            format!("\"{}\" does not go with proxy.engine = \"lru\"", protocol.name()),
            "leave it out: workers behind engine lru say when they are ready",
        ),
        _ => Ok(()),
    }
}

/// What a protocol can say of how many replies come.
fn fan_out(scenario: &Scenario) -> Checked {
    const PATH: &str = "workers.replies";
    if !scenario.has_workers() {
        return Ok(());
    }
    let replies = &scenario.workers.replies;
    let (least, greatest) = (replies.least(), replies.greatest());
    let always_one = least == Some(Count(1)) && greatest == Some(Count(1));
    match scenario.worker_protocol() {
        Protocol::Rep if !always_one => refuse_with_help(
            PATH,
            "must be 1: a REP socket sends exactly one reply to each request",
            "set workers.replies = 1, or workers.protocol = \"dealer\"",
        ),
        Protocol::Lru if !scenario.has_proxy() && !always_one => refuse_with_help(
            PATH,
            "must be 1: to the broker a reply says that its worker is ready again",
            "set workers.replies = 1, or use zload's own proxy.engine = \"lru\"",
        ),
        Protocol::Mdp if least.is_none_or(|least| least.0 == 0) => refuse_with_help(
            PATH,
            "must be at least 1: a Majordomo worker is busy until it has replied",
            "use a distribution without 0, such as { uniform = [1, 4] }",
        ),
        _ => Ok(()),
    }
}

fn service(scenario: &Scenario) -> Checked {
    const PATH: &str = "workers.service";
    let Some(service) = &scenario.workers.service else { return Ok(()) };
    if scenario.worker_protocol() != Protocol::Mdp {
        return refuse_with_help(
            PATH,
            "has no effect: only Majordomo workers offer a service",
            "set workers.protocol = \"mdp\", or leave it out",
        );
    }
    if service.is_empty()
        || service.len() > LONGEST_SERVICE
        || service.chars().any(char::is_control)
    {
        let message = format!("must be 1 to {LONGEST_SERVICE} bytes without control characters");
        return refuse(PATH, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Scenario, String> {
        let text = format!("load = {{ rate = '1/s' }}\n{text}");
        Scenario::parse("a.toml", &text, &[]).map_err(|problem| problem.to_string())
    }

    #[test]
    fn who_is_here_is_one_of_three() {
        let here = |text: &str| {
            let scenario = parsed(text).unwrap();
            let follows = scenario.follows_requests();
            (scenario.has_proxy(), scenario.has_workers(), follows)
        };
        let frontend = "proxy.frontend = 'tcp://127.0.0.1:5'";
        assert_eq!(here(""), (true, true, true));
        assert_eq!(here("proxy.engine = 'lru'"), (true, true, true));
        assert_eq!(here(&format!("{frontend}\nproxy.engine = 'external'")), (false, false, false));
        let connect = format!("{frontend}\nworkers.connect = 'tcp://127.0.0.1:6'");
        assert_eq!(here(&connect), (false, true, true));
        assert_eq!(here(&format!("{connect}\nworkers.protocol = 'rep'")), (false, true, false));
        let command = |arguments: &str| format!("server.command = ['x', {arguments}]");
        assert_eq!(here(&command("'{frontend}'")), (false, false, false));
        let both = parsed(&command("'{frontend}', '{backend}'")).unwrap();
        assert_eq!(both.backend_elsewhere(), Some("tcp://127.0.0.1:*"));
        assert!(both.has_workers() && !both.has_proxy());
    }

    #[test]
    fn workers_can_do_what_their_work_allows() {
        let of = |text: &str| parsed(text).unwrap().workers_per_s();
        assert_eq!(of("workers = { count = 2, delay = '10ms' }"), Some(200.0));
        assert_eq!(of("workers = { count = 2, delay = '10ms', replies = 2 }"), Some(100.0));
        assert_eq!(of("workers = { count = 2 }"), None, "no work, no bound");
        assert_eq!(of("proxy = { engine = 'external', frontend = 'tcp://127.0.0.1:1' }"), None);
    }

    #[test]
    fn what_a_protocol_cannot_do_is_refused() {
        let connect = "proxy.frontend = 'tcp://127.0.0.1:5'\nworkers.connect = 'tcp://127.0.0.1:6'";
        let with = |text: &str| parsed(&format!("{connect}\n{text}"));
        for (text, part) in [
            ("workers.protocol = 'rep'\nworkers.replies = 2", "exactly one reply"),
            ("workers.protocol = 'rep'\nworkers.replies = { uniform = [0, 1] }", "exactly one"),
            ("workers.protocol = 'lru'\nworkers.replies = 0", "ready again"),
            ("workers.protocol = 'mdp'\nworkers.replies = { uniform = [0, 4] }", "at least 1"),
            ("workers.service = 'a'", "only Majordomo workers"),
            ("workers.protocol = 'mdp'\nworkers.service = ''", "1 to 255 bytes"),
        ] {
            let error = with(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(with("workers.protocol = 'mdp'\nworkers.replies = { uniform = [1, 4] }").is_ok());
        assert!(with("workers.replies = { uniform = [0, 4] }").is_ok());
        for (text, part) in [
            ("workers.protocol = 'lru'", "proxy.engine = \"lru\""),
            ("workers.protocol = 'mdp'", "zload has none of its own"),
            ("proxy.engine = 'lru'\nworkers.protocol = 'rep'", "leave it out"),
            ("proxy.engine = 'batch'\nworkers.connect = 'tcp://127.0.0.1:6'", "no effect"),
            ("proxy.frontend = 'tcp://h:5'\nworkers.connect = 'inproc://x'", "another process"),
            ("proxy.frontend = 'tcp://h:5'\nworkers.connect = 'tcp://h:*'", "port *"),
            ("proxy.frontend = 'tcp://h:5'\nworkers.connect = 'tcp://h:5'", "differ"),
            (
                "proxy = { engine = 'external', frontend = 'tcp://h:5' }\nworkers.protocol = 'rep'",
                "set workers.connect",
            ),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parsed("proxy.engine = 'lru'\nworkers.replies = { uniform = [0, 4] }").is_ok());
    }
}
