//! A run as it looks at one moment, for those who watch it.

/// Which part of a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients shake hands.
    Connect,
    /// Requests are served and not counted.
    Warmup,
    /// Requests are counted.
    Measure,
    /// Outstanding replies are waited for.
    Drain,
    /// A server alone serves.
    Serve,
}

/// A run as it looks at one moment, for those who watch it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    /// The part under way.
    pub phase: Phase,
    /// How long this part has lasted, in nanoseconds.
    pub elapsed_ns: u64,
    /// How long this part will last at most, in nanoseconds; 0 if unknown.
    pub total_ns: u64,
    /// Requests per second, lately.
    pub requests_per_s: f64,
    /// Replies per second, lately.
    pub replies_per_s: f64,
    /// Median response time to first replies in the last full second.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the same.
    pub p99_ns: Option<u64>,
    /// Replies outstanding.
    pub in_flight: u64,
    /// Clients whose handshake is done.
    pub connected: u32,
    /// All clients.
    pub clients: u32,
}

impl Snapshot {
    /// The start of a phase: nothing has happened in it.
    pub fn begin(phase: Phase, clients: u32) -> Self {
        Self {
            phase,
            elapsed_ns: 0,
            total_ns: 0,
            requests_per_s: 0.0,
            replies_per_s: 0.0,
            p50_ns: None,
            p99_ns: None,
            in_flight: 0,
            connected: 0,
            clients,
        }
    }
}
