//! What `zload ideal` writes: the simulated twin's figures, per policy, in the shapes of a run's result.
//!
//! Nothing here depends on the machine: the same scenario gives the same object everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LatencySummary;
use super::build::{per_second, summary};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::twin::{Ideal, Policy};

/// Version of the shape that `zload ideal` writes.
pub const IDEAL_SCHEMA: &str = "zload.ideal/1";

/// What an ideal topology would do with a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdealResult {
    /// Always [`IDEAL_SCHEMA`].
    pub schema: String,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Hash of all that decides the offered work.
    pub plan_hash: String,
    /// The seed of the plan.
    pub seed: u64,
    /// Length of the window that rates and utilisation cover: after the warm-up, until the end of the sending.
    pub window_ns: u64,
    /// The figures of each policy.
    pub policies: Vec<IdealFigures>,
}

/// What an ideal topology with one policy of dispatch would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdealFigures {
    /// How requests find a worker.
    pub policy: Policy,
    /// Requests, after the warm-up.
    pub requests: u64,
    /// Requests that nobody owes a reply.
    pub silent: u64,
    /// Replies to the requests.
    pub replies: u64,
    /// Requests that left per second of the window.
    pub requests_per_s: f64,
    /// Replies that came per second of the window.
    pub replies_per_s: f64,
    /// The requests' work as a share of what the workers can do in the window.
    pub utilisation: f64,
    /// More is offered than the workers can do: response times are those of a plan of this length and of no other.
    pub queue_grows: bool,
    /// Response time to a request's first reply.
    pub first_reply: LatencySummary,
    /// Response time to a request's last reply.
    pub last_reply: LatencySummary,
    /// Response time of every reply.
    pub reply: LatencySummary,
}

impl IdealResult {
    /// The result of the policies simulated.
    pub fn new(scenario: &Scenario, plan: &Plan, ideals: &[(Policy, Ideal)]) -> Self {
        Self {
            schema: IDEAL_SCHEMA.to_owned(),
            scenario: scenario.clone(),
            plan_hash: plan.hash().to_owned(),
            seed: scenario.seed,
            window_ns: plan.send_end_ns() - plan.warmup_ns(),
            policies: ideals
                .iter()
                .map(|(policy, ideal)| IdealFigures::new(*policy, ideal))
                .collect(),
        }
    }
}

impl IdealFigures {
    fn new(policy: Policy, ideal: &Ideal) -> Self {
        Self {
            policy,
            requests: ideal.requests,
            silent: ideal.silent,
            replies: ideal.replies,
            requests_per_s: per_second(ideal.requests, ideal.window_ns),
            replies_per_s: per_second(ideal.window_replies, ideal.window_ns),
            utilisation: ideal.utilisation,
            queue_grows: ideal.queue_grows,
            first_reply: summary(&ideal.first_reply),
            last_reply: summary(&ideal.last_reply),
            reply: summary(&ideal.reply),
        }
    }
}
