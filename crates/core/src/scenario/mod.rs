//! What the user wrote: the scenario file, its defaults and its meaning.
//!
//! [`Scenario`] is the file's own shape, with every default filled in: it is read from TOML, written into the
//! result, and described by `zload schema`, all from the one definition below. [`load`] reads it, `validate`
//! says what cannot be meant. Invariant: a `Scenario` that left this room is runnable as far as the file can tell.

mod value_error;
pub(crate) mod distribution;
pub mod load;
mod endpoint;
mod messages;
mod schema;
mod server;
mod table;
mod threshold;
mod units;
mod validate;
mod vary;
mod verdict_limits;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use distribution::Distribution;
pub use endpoint::is_beyond_loopback;
pub use messages::{MAX_PAYLOAD, MIN_PAYLOAD, MOST_FRAMES};
pub use server::{ServerCommand, in_words};
pub use threshold::{Amount, Relation, Threshold, Thresholds};
pub use units::{Bytes, Count, Nanos, Percent, Rate};
pub use validate::{LONGEST_NAME, MAX_DELAY, MAX_REPLIES};
pub use value_error::ValueError;
pub use vary::Vary;
pub use verdict_limits::Limits;

/// Version of the scenario's shape. A file does not say it: it goes up when scenarios of before are no longer taken.
pub const SCENARIO_SCHEMA: &str = "zload.scenario/1";
/// The largest seed, of as many bits as a number of TOML has.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// A scenario: who sends what to whom, for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["load"]))]
pub struct Scenario {
    /// Name in reports; the file's stem if absent.
    #[schemars(regex(pattern = schema::ONE_LINE), length(max = 100))]
    pub name: String,
    /// One line for the reader of a report.
    #[schemars(regex(pattern = schema::ONE_LINE))]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The same seed is the same plan, on every machine, at any thread count.
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub seed: u64,
    /// How long the phases last.
    #[serde(deserialize_with = "table::only")]
    pub run: Run,
    /// What the clients offer.
    #[serde(deserialize_with = "table::only")]
    pub load: Load,
    /// Who sends.
    #[serde(deserialize_with = "table::only")]
    pub clients: Clients,
    /// What carries the messages.
    #[serde(deserialize_with = "table::only")]
    pub proxy: Proxy,
    /// A server of the user's own, started and stopped by zload, in the place of a proxy and workers of ours.
    #[serde(deserialize_with = "table::only_if_given", skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerCommand>,
    /// Who answers.
    #[serde(deserialize_with = "table::only")]
    pub workers: Workers,
    /// ZeroMQ options, by their own names, for every socket.
    #[serde(deserialize_with = "table::only")]
    pub sockets: Sockets,
    /// From where on the verdict doubts a run.
    #[serde(deserialize_with = "table::only")]
    pub verdict: Limits,
    /// What `zload compare` asks.
    #[serde(deserialize_with = "table::only", skip_serializing_if = "Compare::is_empty")]
    pub compare: Compare,
    /// What the figures must be.
    #[serde(deserialize_with = "table::only", skip_serializing_if = "Thresholds::is_empty")]
    pub thresholds: Thresholds,
}

/// `[run]`: the phases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Sent and served before the measurement, never counted.
    pub warmup: Nanos,
    /// How long requests are sent and counted.
    pub duration: Nanos,
    /// The longest wait, after the last request, for replies still owed.
    pub drain: Nanos,
    /// One of this many requests, up to a power of two, is followed through proxy and workers by a frame of its own. If absent: as many
    /// as add less than 1 % to the response time of an idle system and its planned work, and at most some 4,000 a second.
    #[schemars(extend("minimum" = 1, "maximum" = 1_048_576))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_one_in: Option<Count>,
}

/// `[load]`: when requests leave, and how large they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = schema::load_models)]
pub struct Load {
    /// Whether requests leave on a schedule or when a slot frees.
    pub model: Model,
    /// Open load: requests per second over all clients. Exactly one of `rate` and `rate_per_client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Open load: requests per second of each client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_client: Option<Rate>,
    /// Open load: how the instants are spaced; `periodic` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// Closed load: requests that each client keeps in flight; 1 if absent.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<Count>,
    /// Closed load: wait between the last reply and the next request; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Distribution<Nanos>>,
    /// A request that waited this long after it was sent is given up: it counts as lost, and in a closed load its
    /// slot is free again. If absent: an open load waits until the end of the drain; a closed load waits 5 s plus
    /// ten times what the plan lets it expect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Nanos>,
    /// Size of the request's body.
    pub payload: Distribution<Bytes>,
}

/// Whether requests leave whatever comes back, or only when something does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Requests leave on the plan's schedule, whatever comes back.
    Open,
    /// The next request leaves when a slot frees.
    Closed,
}

/// How the instants of an open load are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Even spacing; the clients' phases are spread over one period.
    Periodic,
    /// Exponential gaps, each client for itself.
    Poisson,
}

/// `[clients]`: the DEALER sockets that send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clients {
    /// How many clients.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    pub count: Count,
    /// How many driver threads carry them.
    pub threads: Threads,
    /// How long all handshakes together may take before the run is given up.
    pub connect_timeout: Nanos,
}

/// A thread count, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ThreadsForm", into = "ThreadsForm")]
#[schemars(with = "ThreadsForm")]
pub enum Threads {
    /// zload chooses, and the report says what it chose.
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

/// `[proxy]`: the loop under test and where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// The loop that moves messages between frontend and backend.
    pub engine: Engine,
    /// Endpoint of the ROUTER towards the clients: tcp (port `*` is any free one) or ipc.
    #[schemars(transform = schema::frontend)]
    pub frontend: String,
    /// Endpoint of the DEALER towards the workers: inproc, ipc or tcp.
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
    /// The guide's own loop: one message of each side per wake.
    Poll,
    /// libzmq's `zmq_proxy`.
    Builtin,
    /// Drains both sides per wake and never blocks in a send.
    Batch,
    /// No server of ours: clients connect to `frontend`. What `[server]` implies.
    External,
}

/// `[workers]`: who answers, how often and how fast.
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

/// `[sockets]`: ZeroMQ options for every socket of the run. What is absent keeps libzmq's default, except
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
    /// `ZMQ_HEARTBEAT_TIMEOUT`: how long a silent peer lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Nanos>,
    /// `ZMQ_MAXMSGSIZE`: the largest frame that is accepted; if absent, the largest body of `load.payload`, at least 1MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxmsgsize: Option<Bytes>,
    /// `ZMQ_RCVBUF`: the kernel's receive buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcvbuf: Option<Bytes>,
    /// `ZMQ_RCVHWM`: messages that wait on the receiving side; 0 is no limit.
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
    /// `ZMQ_SNDHWM`: messages that wait on the sending side; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sndhwm: Option<i32>,
    /// `ZMQ_TOS`: type of service of the IP packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub tos: Option<i32>,
}

/// `[compare]`: what `zload compare` asks of two runs of this scenario. All optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Compare {
    /// The one metric that matters most, by its path in the result, as in `latency.first_reply.p50`. If absent: the
    /// throughput of a closed load, the median response time of an open one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Metrics whose answers count, too: one that is worse makes the whole worse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// A smaller difference of the primary metric counts as none. If absent: what the metric has by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Percent>,
}

impl Scenario {
    /// The same scenario with the seed that is so many further; after the largest comes 0.
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
            clients: Clients::default(),
            proxy: Proxy::default(),
            server: None,
            workers: Workers::default(),
            sockets: Sockets::default(),
            verdict: Limits::default(),
            compare: Compare::default(),
            thresholds: Thresholds::default(),
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Self {
            warmup: Nanos::ZERO,
            duration: Nanos::from_secs(5),
            drain: Nanos::from_secs(3),
            follow_one_in: None,
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
            payload: Distribution::Constant(Bytes(64)),
        }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self { count: Count(3), threads: Threads::Auto, connect_timeout: Nanos::from_secs(10) }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            engine: Engine::Poll,
            frontend: "tcp://127.0.0.1:*".to_owned(),
            backend: "inproc://backend".to_owned(),
            io_threads: Count(1),
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
        }
    }
}
