//! `[verdict]`: from where on a check of the verdict doubts a run.
//!
//! Each limit is the line between VALID and SUSPECT; docs/verdict.md argues the defaults. Shares are from 0 to 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nanos;

/// `[verdict]`: above which values a check warns. All optional; shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The 99th percentile of the send delay. By default the send delay may make up a tenth of the
    /// response time's median and 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_slip: Option<Nanos>,
    /// Share of the requests that were sent late by more than their client's mean inter-arrival time.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_late: f64,
    /// Share of the planned requests that were not sent.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_unsent: f64,
    /// Share by which the requests sent in a second may differ from those planned for it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_rate_error: f64,
    /// Share of the window that the busiest driver or I/O thread of the clients was on a CPU.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_generator_cpu: f64,
    /// Share of the window that a driver or I/O thread of the clients was ready and waited for a CPU.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_cpu_wait: f64,
    /// Share of the machine's CPU time that the hypervisor gave to others.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_steal: f64,
    /// Share of the machine's CPU time that other processes used.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_other_load: f64,
    /// Share of the response time in which zload's threads waited for CPUs that others used.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_machine_share: f64,
    /// Share of the periods in which a CPU quota was used up.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_throttled: f64,
    /// Growth of the number of replies outstanding, as a share of the expected replies.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_backlog: f64,
    /// Relative difference between the mean in flight and rate times mean time.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_little_error: f64,
    /// Drift of the response time over the window, or its difference between the start and the rest, relative to its median.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_drift: f64,
    /// Jump of the response time from one level to another, relative to its median.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_shift: f64,
    /// Share by which the workers' delays may typically be longer than planned.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_delay_overshoot: f64,
    /// Share of the expected replies that were lost.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_lost: f64,
    /// Share of the answered requests that were answered by an error (`request.ok`, `request.error`).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_errors: f64,
    /// Share of the messages that came and were not expected.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_unexpected: f64,
    /// The shortest window whose seconds can be compared with each other.
    pub min_window: Nanos,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_slip: None,
            max_late: 0.01,
            max_unsent: 0.001,
            max_rate_error: 0.01,
            max_generator_cpu: 0.8,
            max_cpu_wait: 0.1,
            max_steal: 0.02,
            max_other_load: 0.1,
            max_machine_share: 0.1,
            max_throttled: 0.01,
            max_backlog: 0.01,
            max_little_error: 0.02,
            max_drift: 0.25,
            max_shift: 0.25,
            max_delay_overshoot: 0.1,
            max_lost: 0.0,
            max_errors: 0.0,
            max_unexpected: 0.0,
            min_window: Nanos::from_secs(3),
        }
    }
}

impl Limits {
    /// Every share with its key.
    pub(super) fn shares(&self) -> [(&'static str, f64); 17] {
        [
            ("verdict.max_late", self.max_late),
            ("verdict.max_unsent", self.max_unsent),
            ("verdict.max_rate_error", self.max_rate_error),
            ("verdict.max_generator_cpu", self.max_generator_cpu),
            ("verdict.max_cpu_wait", self.max_cpu_wait),
            ("verdict.max_steal", self.max_steal),
            ("verdict.max_other_load", self.max_other_load),
            ("verdict.max_machine_share", self.max_machine_share),
            ("verdict.max_throttled", self.max_throttled),
            ("verdict.max_backlog", self.max_backlog),
            ("verdict.max_little_error", self.max_little_error),
            ("verdict.max_drift", self.max_drift),
            ("verdict.max_shift", self.max_shift),
            ("verdict.max_delay_overshoot", self.max_delay_overshoot),
            ("verdict.max_lost", self.max_lost),
            ("verdict.max_errors", self.max_errors),
            ("verdict.max_unexpected", self.max_unexpected),
        ]
    }
}
