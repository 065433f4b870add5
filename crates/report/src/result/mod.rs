//! What is saved: the result of a run, as one JSON object.
//!
//! The shape is the contract with every reader of the file; `schema` names its version. All times are integers in
//! nanoseconds and their keys end in `_ns`; rates are per second. [`Saved::parse`] refuses a file whose ledger
//! does not add up, so whatever reads a result can rely on it. Invariant: never measures, only holds.

mod build;
mod comparison;
#[cfg(test)]
mod coverage;
mod evidence;
pub mod figures;
mod hop_figures;
mod ideal;
mod json;
mod luck;
mod notes;
mod outcome;
mod percentiles;
mod pool;
mod probe_figures;
mod reach;
mod request_figures;
mod rows;
mod saved;
mod search;
mod selftest;
mod shard;
mod shards;
mod summary;
mod sweep;
mod stage_figures;
mod stage_threshold;
mod threshold;
mod throughput;
mod unit;
mod unlike;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use comparison::{
    Answer, CALIBRATION_SCHEMA, COMPARISON_SCHEMA, CalibrationResult, ComparisonResult, Difference,
    Direction, Method, MetricComparison, MetricNoise, MetricUnit, QuantileComparison, SideFigures,
    Slice, SmallestVisible, Steadiness,
};
pub use figures::number;
pub use hop_figures::{HopFigures, OwnerFigures};
pub use ideal::{
    ExcessFigures, IDEAL_SCHEMA, IdealFigures, IdealResult, RunIdeal, STEPS_BESIDE_A_RUN,
    STEPS_BESIDE_A_SLICE, Sampled,
};
pub use json::{to_json, to_line, to_value};
pub use outcome::Outcome;
pub use percentiles::{Intervals, Kind, PERCENTILES};
pub use pool::{PooledHops, PooledLatencies, PooledLatency};
pub use probe_figures::ProbeFigures;
pub use reach::out_of_reach;
pub use request_figures::{OperationFigures, RequestFigures};
pub use saved::{KINDS, Saved, SavedKind, schema_of};
pub use search::{
    Gate, MOST_TRIALS, Restart, SEARCH_SCHEMA, SearchAnswer, SearchFailOn, SearchFinding,
    SearchGoal, SearchIdeal, SearchLatency, SearchProbe, SearchResult, SearchTrial,
};
pub use selftest::{Figure, Floor, SELFTEST_SCHEMA, SelftestResult, Trial, Unit};
pub use shard::{SHARD_SCHEMA, ShardMeasured, ShardOf, ShardResult};
pub use shards::ShardFigures;
pub use stage_figures::{IdealStage, RampDecile, StageFigures, StageLatency};
pub use summary::LatencySummary;
pub use sweep::{
    Drift, KeyEffect, Knee, PointFigure, Required, SWEEP_SCHEMA, SweepKey, SweepPoint, SweepResult,
    SweepRun,
};
pub use threshold::{ThresholdOutcome, threshold_error};
pub(crate) use threshold::{outcome as outcome_of, wrong as wrong_limit};
pub use unit::FieldUnit;

use crate::verdict::Verdict;
pub use zload_core::record::{HeatColumn, Ledger, SeriesEntry};
use zload_core::scenario::Scenario;

/// Version of the result format.
pub const RUN_SCHEMA: &str = "zload.result/1";
/// Version of the format that `zload serve` writes.
pub const SERVE_SCHEMA: &str = "zload.serve/1";

/// [`RunResult`] and [`RunFigures`] with the parts that both have. serde's `flatten` would need one list, too, but it keeps
/// every other field of a file until its end.
macro_rules! results_with {
    ($($(#[$about:meta])* pub $part:ident: $shape:ty,)*) => {
        /// The result of `zload run`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct RunResult {
            /// Always [`RUN_SCHEMA`].
            pub schema: String,
            /// The resolved scenario, with which the run can be repeated.
            pub scenario: Scenario,
            /// Hash of everything that decides the offered work.
            pub plan_hash: String,
            /// The seed of the plan.
            pub seed: u64,
            /// Of runs that each had their own plan (`--vary-seed`), their seeds; the hash and the scenario are those of the first.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub seeds: Vec<u64>,
            /// Where and with what it was measured.
            pub environment: Environment,
            /// True after Ctrl-C or another signal: the figures cover the time until then, which is the whole run if it
            /// came while the lower bound was simulated.
            pub interrupted: bool,
            /// Why the run failed, if it did.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub failure: Option<String>,
            /// The condition of `run.stop_when` that ended the sending, and when, if one did: the figures cover the time until then.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stopped: Option<String>,
            /// Whether the figures can be used, and why.
            pub verdict: Verdict,
            /// The scenario's thresholds, in order; with `--repeat` they are compared with the pooled figures.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub thresholds: Vec<ThresholdOutcome>,
            /// Notes that help to read the figures, a sentence each.
            pub notes: Vec<String>,
            /// How many runs of the same plan the figures pool (`--repeat`).
            pub repeat: u32,
            $($(#[$about])* pub $part: $shape,)*
            /// One entry per second of the measured window.
            pub series: Vec<SeriesEntry>,
            /// Response times to the first reply over the measured window, in at most 600 columns of whole seconds.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub heat_map: Vec<HeatColumn>,
            /// Of a run that `zload merge` made of shards: each of them, in the order of their indices.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub shards: Vec<ShardFigures>,
            /// With `--repeat`: the figures of each run, in order.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub runs: Vec<RunFigures>,
        }

        /// The figures of one run among the several that a result pools.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct RunFigures {
            $($(#[$about])* pub $part: $shape,)*
            /// Whether the figures can be used, and why.
            pub verdict: Verdict,
        }
    };
}

results_with! {
    /// Where every message went.
    pub ledger: Ledger,
    /// Rates over the measured window.
    pub throughput: Throughput,
    /// How long requests took.
    pub latency: Latency,
    /// Errors, gaps between replies and operations; null unless the scenario has `[request]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFigures>,
    /// What the probe clients saw, who are in no other figure of requests and replies; null without any (`clients.probes`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbeFigures>,
    /// The stages of a load that has such, as far as they were played.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageFigures>,
    /// How long each leg took; null if no request of the sample got a reply.
    pub hops: Option<HopFigures>,
    /// The simulated lower bound of the same plan; null where there is none (an external server, a closed
    /// load without work or think time, a run that was cut short), where its simulation was interrupted, and for plans of
    /// more than 20 million requests and replies; `notes` says which.
    pub ideal: Option<RunIdeal>,
    /// What a client that waits would have reported; null unless the load is open and every request is in the sample.
    pub waiting_client: Option<WaitingClient>,
    /// What the proxy did.
    pub proxy: ProxyFigures,
    /// What the generator cost.
    pub generator: GeneratorFigures,
    /// What the zload process cost: clients and, unless it is external, the server.
    #[serde(default)]
    pub process: ProcessFigures,
    /// The cost of an external server that zload started, and how it ended; null without `[server]`.
    #[serde(default)]
    pub server: Option<ServerFigures>,
}

/// With coordinated omission: what a client that waits for each reply before it sends again would have measured: service times,
/// without the requests that it would not have sent in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingClient {
    /// Requests that it would have counted.
    pub counted: u64,
    /// Requests that it would have left out.
    pub left_out: u64,
    /// The 99th percentile that it would have reported.
    pub p99_ns: Option<u64>,
}

/// Where and with what it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Version of zload.
    pub zload: String,
    /// `release` or `debug`; a debug build is slower.
    pub build: String,
    /// Version of libzmq.
    pub libzmq: String,
    /// Whether this libzmq wakes the owners of its sockets by eventfd, as it does when it was compiled with the settings of
    /// zload's repository; without them it is slower. Null if no socket was opened to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libzmq_eventfd: Option<bool>,
    /// Kernel name and release.
    pub kernel: String,
    /// Model name of the CPU.
    pub cpu_model: String,
    /// CPUs that this process may use.
    pub cores: usize,
    /// CPU quota of this process's control group, in CPUs; null without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// Load average of the last minute, at start.
    pub load_average: f64,
    /// Start of the run, RFC 3339, UTC.
    pub time: String,
    /// The command line, quoted as a shell reads it; null in results of older versions and in the runs of a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Rates over the measured window. Of an open load they count what was sent and received in it; of a closed one each
/// request counts with the share of its cycle, from its intended instant to the next one of its slot, that is in the
/// window, so that they do not depend on how the window cuts the rounds. Counts (`ledger`, `series`) are whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Length of the window.
    pub window_ns: u64,
    /// Requests sent per second.
    pub requests_per_s: f64,
    /// Replies received per second.
    pub replies_per_s: f64,
    /// Messages that crossed the proxy per second, both directions; cycles at the window's edges count as above.
    pub proxy_messages_per_s: f64,
    /// Bytes of message bodies that crossed the proxy per second, both directions.
    pub proxy_bytes_per_s: f64,
}

/// How long requests took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Response time to a request's first reply.
    pub first_reply: LatencySummary,
    /// Response time to a request's last reply.
    pub last_reply: LatencySummary,
    /// Response time of every reply.
    pub reply: LatencySummary,
    /// Service time (from sent) to a request's first reply.
    pub service: LatencySummary,
    /// Send delay: sent minus intended.
    pub slip: LatencySummary,
}

/// What the proxy did. A figure that cannot be measured with the engine is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyFigures {
    /// The engine, by its name in the scenario.
    pub engine: String,
    /// Endpoint of the frontend, with the port that `*` became.
    pub frontend: String,
    /// Messages received from both sides in the window.
    pub messages_in: Option<u64>,
    /// Messages forwarded in the window.
    pub messages_out: Option<u64>,
    /// How often the loop woke from waiting in the window.
    pub wakes: Option<u64>,
    /// Messages forwarded per wake.
    pub messages_per_wake: Option<f64>,
    /// CPU time of the proxy thread per message.
    pub cpu_ns_per_message: Option<f64>,
    /// Share of the window that the proxy thread was on a CPU.
    pub busy_ratio: Option<f64>,
}

/// What the generator cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorFigures {
    /// CPU time of the driver threads per request sent.
    pub driver_cpu_ns_per_request: Option<f64>,
    /// Share of the window that the busiest driver was on a CPU.
    pub driver_busy_ratio: f64,
    /// Driver threads.
    pub threads: u32,
    /// How often a driver woke from waiting in the window.
    pub wakes: u64,
}

/// What the zload process cost: clients and, unless it is external, the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessFigures {
    /// CPU time of the whole process per message that crossed the proxy.
    pub cpu_ns_per_message: Option<f64>,
    /// Resident memory at the end of the run; of several runs the largest.
    pub resident_bytes: Option<u64>,
    /// What is in no resident memory: what the kernel took for connections while 1,000 clients or more connected, on the
    /// whole machine, other processes included (`Slab` of /proc/meminfo and `mem` of /proc/net/sockstat); of several runs the
    /// largest. Null of fewer clients, beside whom the rest of the machine changes more.
    #[serde(default)]
    pub kernel_bytes: Option<u64>,
}

/// The cost of an external server, all its processes together, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerFigures {
    /// Program and arguments, with the endpoint filled in.
    pub command: Vec<String>,
    /// How it ended: `exit status 0`, `killed by SIGTERM` (which is how zload asks); null if it was still running.
    pub exit: Option<String>,
    /// CPU time in the window; null if the kernel does not report it or it died. Processes that ended in the window count if
    /// their parent waited for them.
    pub cpu_ns: Option<u64>,
    /// The same per message that the clients sent or received.
    pub cpu_ns_per_message: Option<f64>,
    /// CPUs that it used on average: above 1 if it has several threads.
    pub busy_ratio: Option<f64>,
    /// Peak resident memory, summed over its processes at their own peaks; of several runs the largest.
    pub resident_bytes: Option<u64>,
    /// The last lines of its output, if it ended unasked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_output: Vec<String>,
}

/// What `zload serve` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServeResult {
    /// Always [`SERVE_SCHEMA`].
    pub schema: String,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Where and with what it ran.
    pub environment: Environment,
    /// True after Ctrl-C or SIGTERM.
    pub interrupted: bool,
    /// Why the server failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How long it served.
    pub window_ns: u64,
    /// What the proxy did.
    pub proxy: ProxyFigures,
    /// Requests that workers received.
    pub requests_served: u64,
    /// Replies that workers sent.
    pub replies_sent: u64,
    /// Messages that workers dropped: without a body or with too many frames.
    #[serde(default)]
    pub requests_refused: u64,
    /// Connections that were closed because their peer sent an endless message.
    #[serde(default)]
    pub connections_cut_off: u64,
    /// Messages that crossed the proxy per second, both directions.
    pub proxy_messages_per_s: f64,
    /// Bytes of message bodies that crossed the proxy per second, both directions.
    pub proxy_bytes_per_s: f64,
}
