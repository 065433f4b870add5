//! What a verdict is founded on. Plain data; `None`, an empty list or 0 values mean that it is not known.

use zload_core::facts::{HostUse, Start};
use zload_core::record::{Ledger, Trace};

/// All that is known of one run. [`Default`] is a run of which nothing is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The end was asked for before the plan was over.
    pub interrupted: bool,
    /// The condition that ended the sending before the plan was over, if one did.
    pub stopped: Option<String>,
    /// Why the run failed, if it did.
    pub failure: Option<String>,
    /// This is a debug build.
    pub debug_build: bool,
    /// Its libzmq was compiled without the settings that make it faster.
    pub slow_libzmq: bool,
    /// Length of the measured window, in nanoseconds.
    pub window_ns: u64,
    /// The number of requests that ended the run, if no time did.
    pub fixed_requests: Option<u64>,
    /// Where every message of the measured part went.
    pub ledger: Ledger,
    /// Requests answered by an error as a share of those answered; `None` if the scenario does not say which replies are errors.
    pub error_ratio: Option<f64>,
    /// Requests that were sent while their client waited for another one, where replies are matched by their order alone.
    pub overlapping: Option<u64>,
    /// Requests sent per second of the window.
    pub requests_per_s: f64,
    /// Replies received per second of the window.
    pub replies_per_s: f64,
    /// What an open load adds; `None` for a closed load.
    pub open: Option<OpenLoad>,
    /// How the load changes by plan, if it does.
    pub change: Option<LoadChange>,
    /// Mean time that a worker spends on a request by plan (all its delays together), in nanoseconds; 0 without delays or
    /// if unknown.
    pub work_ns: u64,
    /// Replies per second that the workers can give by plan; `None` if unknown or without work.
    pub capacity_per_s: Option<f64>,
    /// What the simulation did with the same plan; `None` until it has run, and if it cannot.
    pub twin: Option<Twin>,
    /// Response time to first replies: from intended.
    pub response: Percentiles,
    /// Service time to first replies: from sent.
    pub service: Percentiles,
    /// Recorded times that were above their histogram's range, of all histograms together.
    pub clipped: u64,
    /// Replies outstanding, at regular instants of the window; warm-up included, as these requests are served as well.
    pub in_flight: TimeSeries,
    /// All expected replies, for Little's law; `None` if their number was not measured.
    pub flow: Option<Flow>,
    /// Response times to first replies in the order in which their requests were intended, each `every`-th of them.
    pub responses: TimeSeries,
    /// Of each percentile of these that is printed, in rising order: the effective sample size.
    pub effective_sizes: Vec<EffectiveSize>,
    /// What the built-in server counted; `None` of any other.
    pub server: Option<ServerCounts>,
    /// What the workers' delays were and should have been; `None` if unknown or none was planned.
    pub delays: Option<Delays>,
    /// Share of the window that a worker was serving a request, on average: from taking it to its last reply.
    pub worker_busy_share: Option<f64>,
    /// The likely cause of lost replies, as the start of a sentence, if there is one.
    pub lost_because: Option<String>,
    /// What the machine and the threads did between the window's edges.
    pub host: Option<HostUse>,
    /// Smallest step of the clock, in nanoseconds ([`zload_core::facts::Measured::clock_resolution_ns`]).
    pub clock_resolution_ns: Option<u64>,
    /// How long first replies waited at the generator's machine; `None` if the kernel does not say.
    pub arrivals: Option<Arrivals>,
    /// Why the kernel was not asked for that, if it was not.
    pub arrivals_hidden: Option<&'static str>,
    /// What probe clients saw; `None` without any.
    pub probes: Option<Probes>,
    /// What is known of its shards, of a run that was merged of them.
    pub shards: Option<Shards>,
}

/// What the kernel says of when first replies arrived at the generator's machine, of the traced requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Their service time: from sent until it was read.
    pub service: Percentiles,
    /// The same without the time that they waited for a driver that was busy.
    pub without_queue: Percentiles,
    /// From the arrival until it was read.
    pub in_generator: Percentiles,
}

/// What probe clients saw, and what the others saw meanwhile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probes {
    /// How many probe clients there are.
    pub clients: u32,
    /// How many others.
    pub others: u32,
    /// Where every message of the probes went.
    pub ledger: Ledger,
    /// Of the probes' requests, in the order of these: the intended instant and the service time to the first reply, in nanoseconds.
    pub service: Vec<(u64, u64)>,
    /// The same of a sample of the others' requests.
    pub of_others: Vec<(u64, u64)>,
}

/// What is known of the shards of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shards {
    /// How many the run has.
    pub count: u32,
    /// Those that are here.
    pub each: Vec<OfShard>,
    /// The others, by their indices.
    pub missing: Vec<u32>,
    /// The clients of those, and of the whole run.
    pub missing_clients: (u64, u64),
    /// The planned requests of those, and of the whole run; `None` of a closed load, and where counting takes too long.
    pub missing_requests: Option<(u64, u64)>,
    /// The planned warm-up and window, in nanoseconds.
    pub warmup_ns: u64,
    /// Its planned window.
    pub window_ns: u64,
}

/// What is known of one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OfShard {
    /// Its name, with its host.
    pub name: String,
    /// The name of its host.
    pub host: String,
    /// Versions and build.
    pub build: String,
    /// When it started.
    pub start: Option<Start>,
    /// What is known of its machine.
    pub evidence: Evidence,
}

/// Percentiles of a time; `None` where the sample is too small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Number of values.
    pub count: u64,
    /// Median, in nanoseconds.
    pub p50_ns: Option<u64>,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: Option<u64>,
}

/// The effective sample size of a percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectiveSize {
    /// What people call the percentile.
    pub name: &'static str,
    /// Its quantile.
    pub quantile: f64,
    /// `None` if unknown.
    pub size: Option<f64>,
}

/// What an open load adds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenLoad {
    /// Send delay: sent minus intended.
    pub slip: Percentiles,
    /// Requests that were sent late by more than their client's mean inter-arrival time; `None` if not counted.
    pub late: Option<u64>,
    /// Requests that left late because the send queue was full when they were due: the system's doing, not the generator's.
    pub held_back: u64,
    /// Each whole second of the window.
    pub seconds: Vec<SecondOfLoad>,
}

/// One second of an open load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecondOfLoad {
    /// Requests that the plan has in it.
    pub planned: u64,
    /// Requests that were sent in it.
    pub sent: u64,
}

/// How a load changes by plan.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadChange {
    /// As it was recorded.
    Recorded,
    /// In stages.
    Stages(Vec<StageOfLoad>),
}

/// What is known of a stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageOfLoad {
    /// Its name.
    pub name: String,
    /// Whether it holds a rate.
    pub holds: bool,
    /// Its length, in nanoseconds.
    pub length_ns: u64,
    /// What became of its requests.
    pub ledger: Ledger,
    /// Which of [`Evidence::responses`] are its requests', from and to.
    pub responses: (usize, usize),
    /// Replies in flight, at regular instants of it.
    pub in_flight: Vec<f64>,
    /// Response time to first replies.
    pub response: Percentiles,
    /// As [`Evidence::effective_sizes`].
    pub effective_sizes: Vec<EffectiveSize>,
    /// How long after its end its queue was gone, in nanoseconds; `None` if it was not.
    pub caught_up_after_ns: Option<u64>,
    /// The stage before it whose queue it begins with, and how many replies that is.
    pub begins_with: Option<(String, u64)>,
}

/// What the simulation did with the same plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Twin {
    /// Utilisation: the requests' work as a share of the workers' capacity in the window.
    pub utilisation: f64,
    /// An open load asks for more than the workers can do.
    pub queue_grows: bool,
    /// The utilisation in each stage of a load that has such.
    pub of_stages: Vec<f64>,
    /// Its response times to the same requests as [`Evidence::responses`], in the same order, in nanoseconds; empty
    /// unless it answered every one of them.
    pub responses: Vec<f64>,
}

/// Values at regular distances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimeSeries {
    /// The values, in order of time; times in nanoseconds.
    pub values: Vec<f64>,
    /// How many values of the whole each one stands for; 1 (or 0) if none was left out.
    pub every: u64,
}

/// What Little's law holds for: its mean number, rate and time, measured independently.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    /// Messages in it, averaged over the window's time.
    pub mean_in_flight: f64,
    /// Messages that entered it per second of the window.
    pub rate_per_s: f64,
    /// Mean time in it, in nanoseconds.
    pub mean_ns: f64,
}

/// What zload's own workers counted and its clients did, from first to last: warm-up and drain included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Requests that workers received.
    pub requests_taken: u64,
    /// Replies that workers sent.
    pub replies_sent: u64,
    /// Requests that the clients sent.
    pub requests_sent: u64,
    /// Requests that may legitimately not have reached a worker: silent ones still in a queue at the end, and lost ones.
    pub may_be_missing: u64,
    /// Messages that the clients received.
    pub replies_received: u64,
    /// The proxy between them is somebody else's, and may lose and double messages.
    pub proxy_is_foreign: bool,
}

/// What the workers' delays were and should have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    /// Workers sleep through them, and do not spend them awake.
    pub asleep: bool,
    /// Mean of the planned delays, in nanoseconds.
    pub planned_mean_ns: u64,
    /// By how much delays were longer than planned.
    pub overshoot: Percentiles,
}

/// A request of which a sample kept all three instants, in nanoseconds from the start of the plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampledRequest {
    /// Its client.
    pub client: u32,
    /// When it should have left.
    pub intended_ns: u64,
    /// When it left.
    pub sent_ns: u64,
    /// When its first reply came.
    pub received_ns: u64,
}

impl Evidence {
    /// The key that makes the run longer.
    pub(super) fn length_key(&self) -> &'static str {
        if self.fixed_requests.is_some() { "load.requests" } else { "run.duration" }
    }

    /// Whether proxy and workers are zload's own, so that no other process belongs to what is measured.
    pub(super) fn server_is_own(&self) -> bool {
        self.server.is_some_and(|server| !server.proxy_is_foreign)
    }

    /// The twin's response times to the same requests as [`Self::responses`].
    pub(super) fn twin_of_responses(&self) -> Option<&[f64]> {
        let twin = self.twin.as_ref()?;
        let same =
            !twin.responses.is_empty() && twin.responses.len() == self.responses.values.len();
        same.then_some(twin.responses.as_slice())
    }
}

impl From<&Trace> for SampledRequest {
    fn from(trace: &Trace) -> Self {
        Self {
            client: trace.client,
            intended_ns: trace.intended_ns,
            sent_ns: trace.sent_ns,
            received_ns: trace.received_ns,
        }
    }
}
