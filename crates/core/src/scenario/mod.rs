//! What the user wrote: the scenario file, its defaults and its meaning.
//!
//! [`Scenario`] is the file's own shape, with every default filled in: it is read from TOML, written into the
//! result, and described by `zload schema`, all from the one definition below. [`load`] reads it, `validate`
//! says what is invalid. Invariant: a `Scenario` that left this room is runnable as far as the file can tell.

mod value_error;
mod client_engine;
pub(crate) mod distribution;
pub mod load;
mod endpoint;
mod frame_text;
mod known;
mod length;
mod messages;
pub mod over;
mod placeholders;
mod probes;
mod replay;
mod request;
mod schema;
mod search;
mod server;
mod sources;
mod stages;
mod stop_when;
mod sweep;
mod table;
mod threshold;
mod units;
mod validate;
mod vary;
mod verdict_limits;
mod workers;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use client_engine::ClientEngine;
pub use distribution::Distribution;
pub use endpoint::{Endpoints, is_beyond_loopback};
pub use frame_text::{FramePart, FrameText, Placeholder, bytes_of};
pub use messages::{MAX_PAYLOAD, MIN_PAYLOAD, MOST_FRAMES};
pub use probes::PROBE_RATE;
pub use replay::{RecordedArrivals, Replay};
pub use request::{Condition, Files, Matching, NamedFile, Operation, Request};
pub use search::Search;
pub use server::{ServerCommand, in_words};
pub use stages::{Stage, StageShape, Stages};
pub use stop_when::StopCondition;
pub use sweep::{Sweep, SweepOver, SweepValue};
pub use threshold::{Amount, Relation, Threshold, Thresholds};
pub use units::{Bytes, Count, Nanos, Percent, Rate};
pub use validate::{LONGEST_NAME, MAX_DELAY, MAX_REPLIES};
pub use value_error::ValueError;
pub use vary::Vary;
pub use verdict_limits::Limits;
pub use workers::{DelayBy, Protocol, Workers};

/// Version of the scenario format. A file does not state it: it goes up when older scenarios are no longer accepted.
pub const SCENARIO_SCHEMA: &str = "zload.scenario/1";
/// The largest seed, of as many bits as a number of TOML has.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// A scenario: clients, load, proxy, workers, and phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["load"]))]
pub struct Scenario {
    /// Name in reports; by default the file's stem.
    #[schemars(regex(pattern = schema::ONE_LINE), length(max = 100))]
    pub name: String,
    /// One line of description for reports.
    #[schemars(regex(pattern = schema::ONE_LINE))]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The same seed is the same plan, on every machine, at any thread count.
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub seed: u64,
    /// Lengths of the phases.
    #[serde(deserialize_with = "table::only")]
    pub run: Run,
    /// The load that the clients offer.
    #[serde(deserialize_with = "table::only")]
    pub load: Load,
    /// The form of requests, and how replies are recognised, for servers that do not echo.
    #[serde(deserialize_with = "table::only_if_given", skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// The clients.
    #[serde(deserialize_with = "table::only")]
    pub clients: Clients,
    /// The proxy between clients and workers.
    #[serde(deserialize_with = "table::only")]
    pub proxy: Proxy,
    /// An external server that zload starts and stops, in place of the built-in proxy.
    #[serde(deserialize_with = "table::only_if_given", skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerCommand>,
    /// The workers.
    #[serde(deserialize_with = "table::only")]
    pub workers: Workers,
    /// ZeroMQ options for every socket, by their ZeroMQ names.
    #[serde(deserialize_with = "table::only")]
    pub sockets: Sockets,
    /// Limits of the verdict's checks.
    #[serde(deserialize_with = "table::only")]
    pub verdict: Limits,
    /// Questions of `zload compare`.
    #[serde(deserialize_with = "table::only", skip_serializing_if = "Compare::is_empty")]
    pub compare: Compare,
    /// Questions of `zload search`.
    #[serde(deserialize_with = "table::only", skip_serializing_if = "Search::is_empty")]
    pub search: Search,
    /// Limits on the figures.
    #[serde(deserialize_with = "table::only", skip_serializing_if = "Thresholds::is_empty")]
    pub thresholds: Thresholds,
    /// What `zload sweep` sweeps.
    #[serde(deserialize_with = "table::only", skip_serializing_if = "Sweep::is_empty")]
    pub sweep: Sweep,
}

/// `[run]`: the phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Time in which requests are sent and served before the measurement, and not counted.
    pub warmup: Nanos,
    /// How long requests are sent and counted; none where `load.requests` says how many; of a load with
    /// stages their sum, or less.
    #[schemars(with = "Nanos", extend("default" = "5s"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Nanos>,
    /// The longest wait for outstanding replies after the last request.
    pub drain: Nanos,
    /// One of this many requests, up to a power of two, is traced through proxy and workers by an extra frame. By default as many
    /// as add less than 1 % to the response time of an idle system and its planned work, and at most about 4,000 a second.
    #[schemars(extend("minimum" = 1, "maximum" = 1_048_576))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_one_in: Option<Count>,
    /// The sending ends early once one of these holds, as in `series.p99 > 1s for 3s`: a figure of the seconds, or of the ledger so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_when: Vec<StopCondition>,
}

/// `[load]`: when requests are sent, and how large they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = schema::load_models)]
pub struct Load {
    /// Whether requests are sent on a schedule or when a slot is free.
    pub model: Model,
    /// Open load: requests per second over all clients. Exactly one of `rate` and `rate_per_client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Open load: requests per second of each client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_client: Option<Rate>,
    /// Open load: how requests are spaced, also where stages change the rate; default: `periodic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// Closed load: requests that each client keeps in flight; default: 1.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<Count>,
    /// Closed load: wait between the last reply and the next request; default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Distribution<Nanos>>,
    /// A request that waited this long after it was sent is given up: it counts as lost, and in a closed load its
    /// slot is free again. By default an open load waits until the end of the drain; a closed load waits 5 s plus
    /// ten times the expected response time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Nanos>,
    /// The measured window ends with the last reply to this number of requests, counted after the warm-up, in place of
    /// `run.duration`. A closed load shares them out evenly among its clients.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Count>,
    /// Size of the request's body.
    pub payload: Distribution<Bytes>,
    /// Open load, in place of a rate: stages, each with a length and a rate. `run.duration` is their sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages: Option<Stages>,
    /// Open load, in place of a rate: recorded instants. `run.duration` is their length.
    #[serde(deserialize_with = "table::only_if_given", skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// Whether requests are sent on schedule or when replies come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Requests are sent on the plan's schedule, whatever comes back.
    Open,
    /// The next request is sent when a slot is free.
    Closed,
}

/// How the requests of an open load are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Even spacing; the clients' phases are spread over one period.
    Periodic,
    /// Exponential inter-arrival times, each client for itself.
    Poisson,
}

/// `[clients]`: the DEALER sockets that send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clients {
    /// How many clients.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    pub count: Count,
    /// What speaks ZMTP for them.
    pub engine: ClientEngine,
    /// How many driver threads run them.
    pub threads: Threads,
    /// How long all handshakes together may take before the run fails.
    pub connect_timeout: Nanos,
    /// The form of the clients' identities, for servers that want one: `{client}` is the client's number, from 0. By default
    /// each run draws its own, so that no two runs are taken for each other.
    #[schemars(length(min = 8, max = 245), regex(pattern = r"\{client\}"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Addresses of this machine that clients come from over tcp, each client from the next one in turn: an address has some
    /// 28,000 ports for connections to one endpoint. By default the kernel chooses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<IpAddr>,
    /// Clients besides these, each of which sends 20 requests a second at random instants, on a driver of their own. What they
    /// see is reported apart: if the others wait longer, the generator's own queue is in the figures.
    #[schemars(extend("maximum" = 100))]
    #[serde(skip_serializing_if = "is_default")]
    pub probes: Count,
}

/// Whether a value says no more than none would.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A thread count, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ThreadsForm", into = "ThreadsForm")]
#[schemars(with = "ThreadsForm")]
pub enum Threads {
    /// zload chooses; the report says how many.
    Auto,
    /// Exactly this many.
    Fixed(u32),
}

/// [`Threads`] as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of threads or \"auto\"")]
enum ThreadsForm {
    Fixed(#[schemars(extend("minimum" = 1, "maximum" = 256))] Count),
    Auto(Auto),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Auto {
    Auto,
}

impl From<ThreadsForm> for Threads {
    fn from(form: ThreadsForm) -> Self {
        match form {
            ThreadsForm::Fixed(count) => Self::Fixed(count.0),
            ThreadsForm::Auto(Auto::Auto) => Self::Auto,
        }
    }
}

impl From<Threads> for ThreadsForm {
    fn from(threads: Threads) -> Self {
        match threads {
            Threads::Fixed(threads) => Self::Fixed(Count(threads)),
            Threads::Auto => Self::Auto(Auto::Auto),
        }
    }
}

/// `[proxy]`: the proxy under test and its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// The loop that moves messages between frontend and backend.
    pub engine: Engine,
    /// Endpoint of the ROUTER towards the clients: tcp (port `*` is any free one) or ipc. With a list of them, a built-in
    /// proxy listens at each, and each client connects to the next one in turn.
    pub frontend: Endpoints,
    /// Endpoint of the socket towards the workers: inproc, ipc or tcp.
    #[schemars(transform = schema::backend)]
    pub backend: String,
    /// ZeroMQ I/O threads of each context.
    #[schemars(extend("minimum" = 1, "maximum" = 64))]
    pub io_threads: Count,
}

/// The loop that moves messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The loop of the ZeroMQ guide: one message of each side per wake.
    Poll,
    /// libzmq's `zmq_proxy`.
    Builtin,
    /// Drains both sides per wake and never blocks in a send.
    Batch,
    /// The guide's load-balancing broker: each request goes to the worker that has been ready for longest.
    Lru,
    /// Somebody else's proxy: clients connect to `frontend`. Implied by `[server]` and `workers.connect`.
    External,
}

impl Engine {
    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Builtin => "builtin",
            Self::Batch => "batch",
            Self::Lru => "lru",
            Self::External => "external",
        }
    }
}

/// `[sockets]`: ZeroMQ options for every socket of the run. Absent options keep libzmq's default, except
/// `backlog`, which is 4096 so that many clients can connect at once, and `maxmsgsize`, which follows from the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sockets {
    /// `ZMQ_AFFINITY`: bit mask of the I/O threads that serve new connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<u32>,
    /// `ZMQ_BACKLOG`: length of the queue of connections not yet accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub backlog: Option<i32>,
    /// `ZMQ_HANDSHAKE_IVL`: the longest ZMTP handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_ivl: Option<Nanos>,
    /// `ZMQ_HEARTBEAT_IVL`: time between ZMTP heartbeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_ivl: Option<Nanos>,
    /// `ZMQ_HEARTBEAT_TIMEOUT`: how long a silent peer stays connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Nanos>,
    /// `ZMQ_MAXMSGSIZE`: the largest frame that is accepted; by default the largest body of `load.payload`, at least 1MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxmsgsize: Option<Bytes>,
    /// `ZMQ_RCVBUF`: the kernel's receive buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcvbuf: Option<Bytes>,
    /// `ZMQ_RCVHWM`: messages queued on the receiving side; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rcvhwm: Option<i32>,
    /// `ZMQ_RECONNECT_IVL`: first wait before a lost connection is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_ivl: Option<Nanos>,
    /// `ZMQ_RECONNECT_IVL_MAX`: the longest such wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_ivl_max: Option<Nanos>,
    /// `ZMQ_SNDBUF`: the kernel's send buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sndbuf: Option<Bytes>,
    /// `ZMQ_SNDHWM`: messages queued on the sending side; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sndhwm: Option<i32>,
    /// `ZMQ_TOS`: type of service of the IP packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub tos: Option<i32>,
}

/// `[compare]`: the questions of `zload compare` for this scenario. All optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Compare {
    /// The primary metric, by its path in the result, as in `latency.first_reply.p50`. By default the
    /// throughput of a closed load, the median response time of an open one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Gates, further metrics that count: one that is worse makes the overall answer worse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// The margin: the smallest difference of the primary metric that counts as one. By default the metric's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Percent>,
}

impl Scenario {
    /// The first value of it that is invalid, of a scenario that was read in another way than [`Self::parse`].
    pub fn error(&self) -> Option<ValueError> {
        validate::error(self)
    }

    /// The same scenario with the seed increased by this number; after the largest comes 0.
    #[must_use]
    pub fn with_seed_after(&self, further: u64) -> Self {
        Self { seed: self.seed.wrapping_add(further) & LARGEST_SEED, ..self.clone() }
    }
}

impl Compare {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            seed: 1,
            run: Run::default(),
            load: Load::default(),
            request: None,
            clients: Clients::default(),
            proxy: Proxy::default(),
            server: None,
            workers: Workers::default(),
            sockets: Sockets::default(),
            verdict: Limits::default(),
            compare: Compare::default(),
            search: Search::default(),
            thresholds: Thresholds::default(),
            sweep: Sweep::default(),
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Self {
            warmup: Nanos::ZERO,
            duration: None,
            drain: Nanos::from_secs(3),
            follow_one_in: None,
            stop_when: Vec::new(),
        }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self {
            model: Model::Open,
            rate: None,
            rate_per_client: None,
            arrivals: None,
            in_flight: None,
            think: None,
            timeout: None,
            requests: None,
            payload: Distribution::Constant(Bytes(64)),
            stages: None,
            replay: None,
        }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            count: Count(3),
            engine: ClientEngine::Libzmq,
            threads: Threads::Auto,
            connect_timeout: Nanos::from_secs(10),
            identity: None,
            sources: Vec::new(),
            probes: Count(0),
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            engine: Engine::Poll,
            frontend: "tcp://127.0.0.1:*".into(),
            backend: "inproc://backend".to_owned(),
            io_threads: Count(1),
        }
    }
}
