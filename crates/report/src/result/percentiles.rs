//! Which percentiles a distribution has, with what is known of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A percentile of every summary: its field without `_ns`, what people call it, and its quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// Its field without `_ns`: `p999`.
    pub field: &'static str,
    /// What people call it: `p99.9`.
    pub name: &'static str,
    pub(super) quantile: f64,
}

impl Kind {
    /// The median.
    pub const P50: Self = Self { field: "p50", name: "p50", quantile: 0.5 };
    /// The 99th percentile.
    pub const P99: Self = Self { field: "p99", name: "p99", quantile: 0.99 };

    /// Which one it is, from 0 to 1.
    pub const fn quantile(&self) -> f64 {
        self.quantile
    }
}

/// All of them, in rising order.
pub const PERCENTILES: [Kind; 7] = [
    Kind::P50,
    Kind { field: "p75", name: "p75", quantile: 0.75 },
    Kind { field: "p90", name: "p90", quantile: 0.9 },
    Kind { field: "p95", name: "p95", quantile: 0.95 },
    Kind::P99,
    Kind { field: "p999", name: "p99.9", quantile: 0.999 },
    Kind { field: "p9999", name: "p99.99", quantile: 0.9999 },
];

/// A value of each percentile, in their order.
pub(super) type OfEach<T> = [T; PERCENTILES.len()];

/// 95 % intervals, lower and upper end. Their field says which. Within one run, from the effective sample size in
/// the order in which their requests were intended: consecutive values are autocorrelated, and replies of one request share its
/// luck. Of three runs and more, from Student's t over the runs. Null where that does not suffice for the percentile, while neighbouring parts of
/// the run are still correlated, and where nothing was left to chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intervals {
    /// Of the median.
    pub p50_ns: Option<[u64; 2]>,
    /// Of the 75th percentile.
    #[serde(default)]
    pub p75_ns: Option<[u64; 2]>,
    /// Of the 90th percentile.
    pub p90_ns: Option<[u64; 2]>,
    /// Of the 95th percentile.
    #[serde(default)]
    pub p95_ns: Option<[u64; 2]>,
    /// Of the 99th percentile.
    pub p99_ns: Option<[u64; 2]>,
    /// Of the 99.9th percentile.
    pub p999_ns: Option<[u64; 2]>,
    /// Of the 99.99th percentile.
    pub p9999_ns: Option<[u64; 2]>,
}

impl From<OfEach<Option<[u64; 2]>>> for Intervals {
    fn from(ends: OfEach<Option<[u64; 2]>>) -> Self {
        Self {
            p50_ns: ends[0],
            p75_ns: ends[1],
            p90_ns: ends[2],
            p95_ns: ends[3],
            p99_ns: ends[4],
            p999_ns: ends[5],
            p9999_ns: ends[6],
        }
    }
}

impl Intervals {
    /// Of each percentile, in the order of [`PERCENTILES`].
    pub fn ends(&self) -> OfEach<Option<[u64; 2]>> {
        let Self { p50_ns, p75_ns, p90_ns, p95_ns, p99_ns, p999_ns, p9999_ns } = *self;
        [p50_ns, p75_ns, p90_ns, p95_ns, p99_ns, p999_ns, p9999_ns]
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.ends().iter().any(Option::is_some)
    }
}
