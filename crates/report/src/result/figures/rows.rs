//! The rows of the catalogue.

use super::Figure;
use crate::result::Direction::{self, Higher, Lower};
use crate::result::FieldUnit::{self, Bytes, BytesPerS, Ns, Number, PerS};

const fn figure(name: &'static str, label: &'static str, unit: FieldUnit) -> Figure {
    Figure { name, label, unit, better: None, margin_percent: None, column: None }
}

impl Figure {
    const fn better(self, better: Direction) -> Self {
        Self { better: Some(better), ..self }
    }

    /// Comparisons compare it, and this many percent is the smallest difference that counts.
    const fn compared(self, better: Direction, margin_percent: f64) -> Self {
        Self { margin_percent: Some(margin_percent), ..self.better(better) }
    }

    /// Histories keep it.
    const fn kept(self, column: u8) -> Self {
        Self { column: Some(column), ..self }
    }
}

/// Figures with a row of their own. Those that are compared are in the order of reports; what varies more from run to run has the
/// wider margin. Columns of histories are a contract, as files grow by them: a new one gets the next number.
pub(super) const ROWS: &[Figure] = &[
    figure("throughput.replies_per_s", "replies", PerS).compared(Higher, 3.0).kept(1),
    figure("proxy.cpu_ns_per_message", "CPU per message", Ns).compared(Lower, 3.0).kept(9),
    figure("server.cpu_ns_per_message", "CPU per message", Ns).compared(Lower, 3.0),
    figure("process.cpu_ns_per_message", "CPU per message", Ns).compared(Lower, 3.0).kept(10),
    figure("latency.first_reply.p50", "p50", Ns).compared(Lower, 3.0).kept(2),
    figure("latency.first_reply.p75", "p75", Ns).compared(Lower, 5.0).kept(13),
    figure("latency.first_reply.p90", "p90", Ns).compared(Lower, 5.0).kept(3),
    figure("latency.first_reply.p95", "p95", Ns).compared(Lower, 5.0).kept(14),
    figure("latency.first_reply.p99", "p99", Ns).compared(Lower, 10.0).kept(4),
    figure("latency.first_reply.p999", "p99.9", Ns).compared(Lower, 10.0).kept(5),
    figure("latency.last_reply.p50", "p50", Ns).compared(Lower, 3.0).kept(6),
    figure("latency.last_reply.p99", "p99", Ns).compared(Lower, 10.0).kept(7),
    figure("latency.service.p50", "p50", Ns).compared(Lower, 3.0).kept(8),
    figure("latency.service.p99", "p99", Ns).compared(Lower, 10.0),
    figure("ideal.excess.first_reply.p50", "p50", Ns).compared(Lower, 5.0),
    figure("ideal.excess.first_reply.p99", "p99", Ns).compared(Lower, 10.0),
    figure("generator.driver_cpu_ns_per_request", "CPU per request", Ns).compared(Lower, 3.0),
    figure("hops.to_proxy.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.in_proxy.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.to_worker.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.in_worker.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.back_to_proxy.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.back_in_proxy.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.to_client.p50", "p50", Ns).compared(Lower, 5.0),
    figure("hops.to_proxy.p99", "p99", Ns).compared(Lower, 10.0),
    figure("hops.to_worker.p99", "p99", Ns).compared(Lower, 10.0),
    figure("hops.back_to_proxy.p99", "p99", Ns).compared(Lower, 10.0),
    figure("hops.to_client.p99", "p99", Ns).compared(Lower, 10.0),
    figure("process.resident_bytes", "resident", Bytes).compared(Lower, 3.0).kept(11),
    figure("server.resident_bytes", "resident", Bytes).compared(Lower, 3.0),
    figure("process.kernel_bytes", "what the kernel took as clients connected", Bytes),
    figure("throughput.requests_per_s", "requests", PerS).better(Higher).kept(0),
    figure("throughput.proxy_messages_per_s", "proxy", PerS),
    figure("throughput.proxy_bytes_per_s", "bytes through the proxy, both directions", BytesPerS),
    figure("throughput.window", "length of the measured window", Ns),
    figure("ledger.requests_planned", "requests that the plan has in the window", Number),
    figure("ledger.requests_sent", "requests sent", Number),
    figure("ledger.requests_unsent", "requests planned and not sent", Number),
    figure("ledger.requests_answered", "requests of which every expected reply came", Number),
    figure("ledger.requests_failed", "requests answered by an error", Number),
    figure("ledger.requests_silent", "requests with no planned reply", Number),
    figure("ledger.requests_lost", "lost", Number).better(Lower).kept(12),
    figure("ledger.replies_expected", "replies planned for the requests sent", Number),
    figure("ledger.replies_received", "replies received in time", Number),
    figure("ledger.replies_failed", "replies that are errors", Number),
    figure("ledger.replies_late", "replies after the timeout or the drain", Number),
    figure("ledger.replies_lost", "replies expected and not received", Number),
    figure("ledger.replies_duplicate", "replies beyond the planned number", Number),
    figure("ledger.replies_unexpected", "messages that answer no request", Number),
    figure("ledger.lost_ratio", "requests lost as a share of those sent", Number),
    figure(
        "ledger.error_ratio",
        "requests answered by an error as a share of those answered",
        Number,
    ),
    figure("probes.clients", "probe clients", Number),
    figure("probes.offered_per_s", "requests that probes send by plan", PerS),
    figure("probes.ledger.requests_planned", "requests that the plan has in the window", Number),
    figure("probes.ledger.requests_sent", "requests sent", Number),
    figure("probes.ledger.requests_unsent", "requests planned and not sent", Number),
    figure(
        "probes.ledger.requests_answered",
        "requests of which every expected reply came",
        Number,
    ),
    figure("probes.ledger.requests_failed", "requests answered by an error", Number),
    figure("probes.ledger.requests_silent", "requests with no planned reply", Number),
    figure("probes.ledger.requests_lost", "lost", Number),
    figure("probes.ledger.replies_expected", "replies planned for the requests sent", Number),
    figure("probes.ledger.replies_received", "replies received in time", Number),
    figure("probes.ledger.replies_failed", "replies that are errors", Number),
    figure("probes.ledger.replies_late", "replies after the timeout or the drain", Number),
    figure("probes.ledger.replies_lost", "replies expected and not received", Number),
    figure("probes.ledger.replies_duplicate", "replies beyond the planned number", Number),
    figure("probes.ledger.replies_unexpected", "messages that answer no request", Number),
    figure("probes.ledger.lost_ratio", "requests lost as a share of those sent", Number),
    figure(
        "probes.ledger.error_ratio",
        "requests answered by an error as a share of those answered",
        Number,
    ),
    figure("hops.sampled", "requests traced", Number),
    figure("hops.one_in", "one in this many requests is in the sample", Number),
    figure(
        "hops.followed_one_in",
        "one in this many requests is traced through the server",
        Number,
    ),
    figure("hops.skipped", "requests of the sample that could not be traced", Number),
    figure("hops.disordered", "traces whose timestamps were out of order", Number),
    figure("ideal.requests", "requests in the simulation", Number),
    figure("ideal.silent", "requests with no planned reply in the simulation", Number),
    figure("ideal.replies", "replies in the simulation", Number),
    figure("ideal.requests_per_s", "requests sent in the simulation", PerS),
    figure("ideal.replies_per_s", "replies received in the simulation", PerS),
    figure("ideal.first_reply.p99", "p99, ideal", Ns),
    figure("ideal.utilisation", "worker utilisation in the simulation", Number),
    figure("ideal.other_seeds", "other seeds simulated", Number),
    figure(
        "ideal.excess.faster_first_replies",
        "first replies faster than in the simulation",
        Number,
    ),
    figure(
        "ideal.excess.faster_last_replies",
        "last replies faster than in the simulation",
        Number,
    ),
    figure("ideal.excess.unmatched", "measured requests that the simulation did not have", Number),
    figure(
        "waiting_client.counted",
        "requests that a client with coordinated omission would have sent",
        Number,
    ),
    figure("waiting_client.left_out", "requests that it would not have sent", Number),
    figure("waiting_client.p99", "p99", Ns),
    figure("proxy.messages_in", "messages that the proxy received", Number),
    figure("proxy.messages_out", "messages that the proxy sent", Number),
    figure("proxy.wakes", "returns of the proxy's poll", Number),
    figure("proxy.messages_per_wake", "messages for each of them", Number),
    figure("proxy.busy_ratio", "share of the window that the proxy was on a CPU", Number),
    figure(
        "generator.driver_busy_ratio",
        "share of the window that the busiest driver was on a CPU",
        Number,
    ),
    figure("generator.threads", "driver threads", Number),
    figure("generator.wakes", "returns of the drivers' poll", Number),
    figure("server.cpu", "CPU time of the external server's processes", Ns),
    figure("server.busy_ratio", "CPUs that the external server used on average", Number),
    figure("series.offset", "start of the second within the window", Ns),
    figure("series.requests", "requests sent in each second", Number),
    figure("series.replies", "replies received in each second", Number),
    figure("series.p50", "p50 of the first replies in each second", Ns),
    figure("series.p99", "p99 of the first replies in each second", Ns),
    figure("series.max", "slowest first reply in each second", Ns),
    figure("series.in_flight", "replies outstanding at the end of each second", Number),
    figure("environment.cores", "CPUs of the machine", Number),
    figure("environment.cpu_quota", "CPUs that the control group allows", Number),
    figure("environment.load_average", "load average before the run", Number),
    figure("repeat", "runs in the result", Number),
    figure("seed", "seed of the plan", Number),
];

/// Every distribution has these. One that is compared or kept has its own row above.
macro_rules! distributions {
    ($($path:literal: $meaning:literal),* $(,)?) => {
        &[$(($path, $meaning, &[
            figure(concat!($path, ".count"), "values", Number),
            figure(concat!($path, ".clipped"), "clipped", Number),
            figure(concat!($path, ".min"), "min", Ns),
            figure(concat!($path, ".mean"), "mean", Ns),
            figure(concat!($path, ".stddev"), "standard deviation", Ns),
            figure(concat!($path, ".p50"), "p50", Ns),
            figure(concat!($path, ".p75"), "p75", Ns),
            figure(concat!($path, ".p90"), "p90", Ns),
            figure(concat!($path, ".p95"), "p95", Ns),
            figure(concat!($path, ".p99"), "p99", Ns),
            figure(concat!($path, ".p999"), "p99.9", Ns),
            figure(concat!($path, ".p9999"), "p99.99", Ns),
            figure(concat!($path, ".max"), "max", Ns),
        ])),*]
    };
}

/// The distributions of a result: where each is, what it is of, and its figures.
pub const DISTRIBUTIONS: &[(&str, &str, &[Figure])] = distributions![
    "latency.first_reply": "response time to the first reply, from the intended send time",
    "latency.last_reply": "response time to the last reply",
    "latency.reply": "response time of every reply",
    "latency.service": "service time: from the actual send time to the first reply",
    "latency.slip": "send delay: from the intended to the actual send time",
    "request.failed": "response time of replies that are errors",
    "request.gap": "time between two replies to the same request",
    "probes.first_reply": "response time to the first reply to a probe",
    "probes.service": "service time of probes",
    "hops.to_proxy": "from the client's send to the proxy",
    "hops.in_proxy": "request inside the proxy",
    "hops.to_worker": "from the proxy to the worker, its queue included",
    "hops.to_worker_waiting": "part of it in which all workers were busy",
    "hops.to_worker_transport": "the rest of it",
    "hops.in_worker": "inside the worker until the first reply",
    "hops.in_worker_planned": "part of it that the plan asked for",
    "hops.in_worker_overshoot": "the rest of it",
    "hops.back_to_proxy": "from the worker back to the proxy",
    "hops.back_in_proxy": "reply inside the proxy",
    "hops.to_client": "from the proxy to the client",
    "hops.in_generator": "from its arrival at the client's machine until the client took it",
    "hops.in_generator_waking": "part of it in which the driver was being woken",
    "hops.in_generator_queue": "the rest of it, in which the driver was busy with others",
    "ideal.first_reply": "simulated lower bound of latency.first_reply",
    "ideal.last_reply": "simulated lower bound of latency.last_reply",
    "ideal.reply": "simulated lower bound of latency.reply",
    "ideal.excess.first_reply": "overhead: measured minus simulated, request by request",
    "ideal.excess.last_reply": "the same for the last reply",
];

/// The figures of each operation of a mix, by their names within it.
pub(super) const OF_OPERATION: &[Figure] = &[
    figure("requests_sent", "requests sent", Number),
    figure("requests_answered", "requests of which every expected reply came", Number),
    figure("requests_failed", "requests answered by an error", Number),
    figure("requests_lost", "requests lost", Number),
];

/// Its distributions.
pub(super) const DISTRIBUTIONS_OF_OPERATION: &[(&str, &str, &[Figure])] =
    distributions!["first_reply": "response time to the first reply of one operation"];
