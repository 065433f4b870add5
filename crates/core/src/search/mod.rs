//! How much a system sustains: from the trials so far to the next one, and to the answer. Pure.
//!
//! A trial is a short run at one value of a key. It either meets a goal or misses it, or is void and says nothing. The
//! capacity is the value at which a trial meets the goal in half of all cases. A search answers with an interval around it,
//! and its confidence holds whatever values were tried and whenever it ended ([`evidence()`]).
//! Invariants: the trials alone decide the answers; the trials and the question alone decide the next trial.

mod answer;
mod bounds;
mod estimate;
mod evidence;
mod fisher;
mod goal;
mod key;
mod next;
mod scale;
mod seeds;
mod standing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use answer::{Answer, Hysteresis, State, answer};
pub use bounds::{Bound, threshold};
pub use evidence::evidence;
pub use goal::{Counted, Goal, Values};
pub use key::{Form, Key};
pub use next::{Next, next};
pub use scale::Scale;
pub use seeds::{Ideal, Plans, Template, Twin, TwinLimits, Typical, are_alike};

/// What a trial was played for. It is declared before the trial, or its outcome could decide where it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To find where to look: it proves nothing.
    Find,
    /// To show that the goal is met at this value and at easier ones.
    #[serde(rename = "carry")]
    Carried,
    /// To show that it is missed at this value and at harder ones.
    #[serde(rename = "miss")]
    Missed,
    /// To see whether the goal is met far below the answer, too.
    Sentinel,
}

/// What was played before a trial on the same server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Nothing: the server is a new one.
    Start,
    /// A trial with role `find`.
    Find,
    /// One that was to show what is sustained.
    #[serde(rename = "carry")]
    Carried,
    /// One that was to show what is not.
    #[serde(rename = "miss")]
    Missed,
    /// A trial with role `sentinel`.
    Sentinel,
}

impl From<Role> for After {
    fn from(role: Role) -> Self {
        match role {
            Role::Find => Self::Find,
            Role::Carried => Self::Carried,
            Role::Missed => Self::Missed,
            Role::Sentinel => Self::Sentinel,
        }
    }
}

/// What a trial says of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every limit held.
    Met,
    /// A limit did not, or the system did not keep up.
    Missed,
    /// The measurement itself failed, so it says nothing of the system.
    Void,
}

/// Requests slower than a goal's limit; lost and unsent ones are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// How many.
    pub slow: u64,
    /// How many may be.
    pub allowed: u64,
    /// How many requests there are.
    pub of: u64,
}

/// What a trial says of one goal, and what it was played for there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The role for this goal, which was declared before the trial.
    pub role: Role,
    /// What came out.
    pub outcome: Outcome,
    /// The counts of its limit on response times that was nearest to being missed, if it has one.
    pub slow: Option<Slow>,
    /// Whether the system did not keep up with the load.
    pub overloaded: bool,
    /// Of a void one, whether it is so because the generator could not offer the load.
    pub by_generator: bool,
}

/// A trial that was played.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its place in the order of playing, from 1.
    pub number: u32,
    /// The goal that it was played for.
    pub goal: usize,
    /// The value of the key.
    pub value: f64,
    /// The seed of its plan.
    pub seed: u64,
    /// What was played before it.
    pub after: After,
    /// How long the server took to recover afterwards, where that was measured.
    pub recovery_ns: Option<u64>,
    /// What it says of each goal, in their order.
    pub findings: Vec<Finding>,
}

/// What is asked, and how it is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// How many goals there are.
    pub goals: usize,
    /// The values of the key.
    pub scale: Scale,
    /// Where to begin.
    pub start: f64,
    /// The first step from there, as a ratio: 0.1 is 10 %.
    pub step: f64,
    /// How far apart the two ends may be, as a ratio.
    pub width: f64,
    /// How sure the answer must be, from 0 to 1.
    pub confidence: f64,
    /// Only this value is asked for.
    pub gate: Option<f64>,
    /// Seeds of plans, used in turn.
    pub seeds: Vec<u64>,
    /// Seed of the order of roles.
    pub order: u64,
}
