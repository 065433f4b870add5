//! What `zload sweep` writes: one scenario over a grid of values, with every run that was played.
//!
//! The runs are all evidence; what is said of points, knees, drift and effects follows from them (`crate::sweep`). Invariant: never
//! measures, only holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Environment, Outcome};
use crate::verdict::Status;
use zload_core::scenario::Scenario;

/// Version of the format that `zload sweep` writes.
pub const SWEEP_SCHEMA: &str = "zload.sweep/1";

/// The result of `zload sweep`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepResult {
    /// Always [`SWEEP_SCHEMA`].
    pub schema: String,
    /// The resolved scenario of the first point.
    pub scenario: Scenario,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// True after Ctrl-C or another signal: what was played until then is here.
    pub interrupted: bool,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The keys that were swept, each with its values.
    pub over: Vec<SweepKey>,
    /// How often the whole grid is played.
    pub passes: u32,
    /// What the order and the seeds of the passes are drawn from.
    pub seed: u64,
    /// Length of the measured window of each run.
    pub window_ns: u64,
    /// Warm-up of each run, not counted.
    pub warmup_ns: u64,
    /// Processors that all threads are pinned to; null if to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// The figures that are asked for, by their names in the catalogue: the first one decides drift and effects.
    pub y: Vec<String>,
    /// For each pass the points, by their index, in the order in which they are played.
    pub order: Vec<Vec<u32>>,
    /// Every point of the grid, the last key changing first.
    pub points: Vec<SweepPoint>,
    /// For each series of rates where rate over mean response time is largest.
    pub knees: Vec<Knee>,
    /// Whether the machine changed meanwhile; null if there are too few runs to tell.
    pub drift: Option<Drift>,
    /// What each step of a key changed, over all values of the other keys; only of two keys and 6 passes at least.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<KeyEffect>,
    /// The thresholds at the points that `--require` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<Required>,
    /// Notes that help to read the figures, a sentence each.
    pub notes: Vec<String>,
}

impl SweepResult {
    /// What no sweep has: another number of points than its keys have combinations, a point without a value for each key.
    pub(super) fn contradiction(&self) -> Option<String> {
        let combinations =
            self.over.iter().try_fold(1_usize, |all, of| all.checked_mul(of.values.len()));
        if combinations != Some(self.points.len()) {
            return Some(format!(
                "it has {} points, which is not the number of combinations of its keys' values",
                self.points.len()
            ));
        }
        let unlike = self.points.iter().position(|point| point.values.len() != self.over.len());
        unlike.map(|point| format!("point {point} has not one value for each key"))
    }
}

/// A key and the values that it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SweepKey {
    /// The dotted name of the key.
    pub key: String,
    /// Its values, as they are written in a scenario.
    pub values: Vec<String>,
}

/// A point of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepPoint {
    /// The values of the keys, in their order.
    pub values: Vec<String>,
    /// Requests per second that the plan offers; null of a closed load.
    pub offered_per_s: Option<f64>,
    /// Requests per second that keep all workers busy; null if it is not known.
    pub bound_per_s: Option<f64>,
    /// What most of its runs say; null if none was played.
    pub state: Option<Outcome>,
    /// Requests per second that were served, in the middle of the runs that tell.
    pub achieved_per_s: Option<f64>,
    /// Figures by their names in the catalogue, from the runs of the point's own state: none of a void point.
    pub figures: BTreeMap<String, PointFigure>,
    /// Its runs, in the order of time.
    pub runs: Vec<SweepRun>,
}

/// A figure of a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointFigure {
    /// The median over the runs; times in nanoseconds.
    pub value: f64,
    /// The least of 3 to 5 runs; of more the lower end of the 95 % Hodges-Lehmann interval. Null of fewer.
    pub from: Option<f64>,
    /// The same at the upper end.
    pub to: Option<f64>,
    /// Runs that have the figure.
    pub n: u32,
    /// In most of these runs it was observed and is no estimate: too few independent samples.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
}

/// A run of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepRun {
    /// Which run of the sweep it was, from 1.
    pub number: u32,
    /// In which pass, from 1.
    pub pass: u32,
    /// The seed of its plan: the same at all points of a pass.
    pub seed: u64,
    /// What it says.
    pub outcome: Outcome,
    /// Why, unless all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its verdict; null if it failed.
    pub verdict: Option<Status>,
    /// The checks that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks_failed: Vec<String>,
    /// Thresholds of the scenario that it missed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
    /// Requests per second that were served.
    pub achieved_per_s: Option<f64>,
    /// Its figures by their names in the catalogue; times in nanoseconds.
    pub figures: BTreeMap<String, f64>,
    /// Percentiles among them that were observed and are no estimates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<String>,
}

/// Where a system gives the most for its response time: the largest rate / mean response time (Kleinrock's power), with no
/// threshold to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Knee {
    /// The values of the other keys, as `key=value`.
    pub series: Vec<String>,
    /// The rate, per second.
    pub rate_per_s: f64,
    /// The next lower rate of the grid; null if there is none, so that the knee may be below.
    pub from_per_s: Option<f64>,
    /// The next higher rate of the grid; null if there is none, so that the knee may be above.
    pub to_per_s: Option<f64>,
}

/// Whether figures went up or down with time, whatever the point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Probability of such a correlation between time and figure by chance.
    pub p_value: f64,
    /// How much higher the figure was in the second half of the time, in percent.
    pub change_percent: f64,
    /// Whether it is taken for a drift: p below 0.01.
    pub drifted: bool,
}

/// What a step of a key from one value to the next changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyEffect {
    /// The key.
    pub key: String,
    /// The value before the step.
    pub from: String,
    /// The value after it.
    pub to: String,
    /// The figure, by its name in the catalogue.
    pub figure: String,
    /// Its change in percent, over all values of the other keys.
    pub percent: f64,
    /// The 95 % interval of it.
    pub ci_low_percent: f64,
    /// Its upper end.
    pub ci_high_percent: f64,
    /// Probability of such a change by chance, corrected for the number of steps.
    pub p_value: f64,
    /// Passes that it rests on.
    pub passes: u32,
}

/// Thresholds at a point that must meet them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Required {
    /// The point, by its index.
    pub point: u32,
    /// Its state; without one, or void, nothing is shown.
    pub state: Option<Outcome>,
    /// Thresholds that more than half of its runs missed.
    pub missed: Vec<String>,
}
