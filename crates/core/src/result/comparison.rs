//! What `zload compare` and `zload calibrate` find, as it is saved: effects, answers, and the slices they were worked out of.
//!
//! `a` is what `b` is held against: an effect of +5 % is a `b` that is 5 % above `a`, and whether that is better or worse is
//! the metric's to say. Invariant: never judges, only holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Environment, FieldUnit, HopFigures, Latency, LatencySummary, Ledger, Throughput};
use crate::scenario::Scenario;

/// Version of the shape that `zload compare` writes.
pub const COMPARISON_SCHEMA: &str = "zload.comparison/1";

/// A comparison of `b` with `a`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonResult {
    /// Always [`COMPARISON_SCHEMA`].
    pub schema: String,
    /// True after Ctrl-C or SIGTERM: only the blocks that were whole by then are in the figures.
    pub interrupted: bool,
    /// Why the comparison could not be carried through, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The answer of the whole: the worst of the gated metrics' (worse, unclear, same, better).
    pub verdict: Answer,
    /// False if too many runs were INVALID for any figure to be used.
    pub valid: bool,
    /// What a reader must know before the figures, a sentence each.
    pub notes: Vec<String>,
    /// What is held against.
    pub a: SideFigures,
    /// What is held against it.
    pub b: SideFigures,
    /// Keys of the scenario that differ.
    pub differences: Vec<Difference>,
    /// How it was found out.
    pub method: Method,
    /// Whether the machine was fit to compare anything; null for saved results.
    pub machine: Option<Steadiness>,
    /// The metric that was declared to be the one that matters.
    pub primary: String,
    /// Every metric.
    pub metrics: Vec<MetricComparison>,
    /// Where in the distribution of the response time to the first reply the two differ.
    pub quantiles: Vec<QuantileComparison>,
    /// All that was measured, in order of time, so that every figure can be worked out again.
    pub slices: Vec<Slice>,
    /// With more than two sides: what is held against the same `a`, one after the other. Their `slices` are empty: all are
    /// in those above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ComparisonResult>,
}

/// The answer to the question whether `b` differs from `a`. Ordered as a gate reads it: the worst is the largest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// `b` is shown to be better, by at least the margin as far as can be told.
    Better,
    /// The difference is shown to lie within the margin.
    Same,
    /// None of the others is shown.
    Unclear,
    /// `b` is shown to be worse, by at least the margin as far as can be told.
    Worse,
}

/// One of the things that are compared: all of its runs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideFigures {
    /// The scenario's name, or what tells it from the other side.
    pub name: String,
    /// The file it came from.
    pub source: String,
    /// The program that ran it, if it is another than the one that compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Hash of all that decides the offered work.
    pub plan_hash: String,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Runs that entered.
    pub runs: u32,
    /// Runs that were INVALID and did not enter.
    pub invalid: u32,
    /// The checks that failed them, a sentence each.
    pub invalid_because: Vec<String>,
    /// Where every message of the runs that entered went.
    pub ledger: Ledger,
    /// Rates over all their windows.
    pub throughput: Throughput,
    /// How long their requests took.
    pub latency: Latency,
    /// How long each leg took, without owners; null if nothing was sampled.
    pub hops: Option<HopFigures>,
    /// Response time to the first reply in the simulated twin; null where there is none.
    pub ideal: Option<LatencySummary>,
}

/// A key of the scenario that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Its dotted name.
    pub key: String,
    /// What `a` says; null if it says nothing.
    pub a: Option<String>,
    /// What `b` says; null if it says nothing.
    pub b: Option<String>,
}

/// How it was found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Method {
    /// Whether slices of both sides took turns at random. If not, what changed on the machine between the two stands in
    /// the difference.
    pub interleaved: bool,
    /// Blocks, each a fresh start of both sides; of saved results the runs of the side that has fewer.
    pub blocks: u32,
    /// Slices of each side in a block.
    pub slices_per_block: u32,
    /// The measured part of a slice.
    pub slice_ns: u64,
    /// Served before that in each slice, and not counted.
    pub slice_warmup_ns: u64,
    /// How often the intervals hold the true effect, in percent.
    pub confidence_percent: f64,
    /// Processors that everything was kept on; null if on all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Seed of the random order and the plans' seeds, drawn anew for each comparison.
    pub seed: u64,
}

/// Whether the machine does the same work in the same time, by equal pieces of work before the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steadiness {
    /// False if no comparison should be made here.
    pub fit: bool,
    /// The 90th percentile of the pieces' times as a multiple of the shortest.
    pub p90_ratio: f64,
    /// The 99th percentile of the same.
    pub p99_ratio: f64,
}

/// One metric of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricComparison {
    /// Its path in a result, without `_ns`.
    pub name: String,
    /// What its values are in.
    pub unit: MetricUnit,
    /// Which way is better.
    pub better: Direction,
    /// Whether its answer counts for that of the whole.
    pub gated: bool,
    /// Median over the slices of `a`; null if no slice carries it.
    pub a: Option<f64>,
    /// The same of `b`.
    pub b: Option<f64>,
    /// By how much `b` is above `a`, in percent of `a`: the Hodges-Lehmann estimate over the blocks.
    pub effect_percent: Option<f64>,
    /// Lower end of its confidence interval.
    pub ci_low_percent: Option<f64>,
    /// Upper end of its confidence interval.
    pub ci_high_percent: Option<f64>,
    /// Probability of blocks as extreme as these if there is no difference, corrected for the number of metrics (Holm)
    /// unless it is the primary one.
    pub p_value: Option<f64>,
    /// A smaller difference counts as none.
    pub margin_percent: f64,
    /// What is shown.
    pub verdict: Answer,
    /// False if no difference, however large, could have been told: too few samples, blocks or runs for a figure or for
    /// the number of metrics, or different machines. Of a gated metric that is no answer, and exit code 3.
    #[serde(default = "yes")]
    pub answered: bool,
    /// Blocks that entered.
    pub blocks: u32,
    /// Pairs of slices that entered.
    pub pairs: u32,
    /// The smallest change that would have been found four times of five.
    pub smallest_visible_percent: Option<f64>,
    /// If unclear: the blocks that would probably settle it, at this noise.
    pub blocks_needed: Option<u32>,
    /// The answer in words.
    pub sentence: String,
}

impl ComparisonResult {
    /// The gated metrics that have no answer, not even that it is unclear.
    pub fn unanswered(&self) -> Vec<&MetricComparison> {
        self.metrics.iter().filter(|metric| metric.gated && !metric.answered).collect()
    }
}

impl MetricComparison {
    /// Whether `a` and `b`, medians over all slices, differ the other way than the pairs do, and not only by a trifle.
    pub fn medians_differ_the_other_way(&self) -> bool {
        let (Some(a), Some(b), Some(effect)) = (self.a, self.b, self.effect_percent) else {
            return false;
        };
        let medians = (b / a - 1.0) * 100.0;
        medians * effect < 0.0 && medians.abs().max(effect.abs()) >= self.margin_percent
    }
}

/// Results of older versions do not say.
fn yes() -> bool {
    true
}

/// What a metric's values are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricUnit {
    /// Nanoseconds.
    Ns,
    /// Per second.
    PerS,
    /// Bytes.
    Bytes,
}

impl MetricUnit {
    /// Of a figure in this unit; `None` if comparisons have none like it.
    pub fn of(unit: FieldUnit) -> Option<Self> {
        match unit {
            FieldUnit::Ns => Some(Self::Ns),
            FieldUnit::PerS => Some(Self::PerS),
            FieldUnit::Bytes => Some(Self::Bytes),
            FieldUnit::BytesPerS | FieldUnit::Number => None,
        }
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// One quantile of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuantileComparison {
    /// From 0 to 1.
    pub quantile: f64,
    /// Of all slices of `a` together.
    pub a_ns: u64,
    /// Of all slices of `b` together.
    pub b_ns: u64,
    /// By how much `b` is above `a`, in percent: the Hodges-Lehmann estimate over the blocks, each taken as a whole.
    pub effect_percent: f64,
    /// Lower end of its confidence interval, for this quantile alone; null if there are too few blocks for one.
    pub ci_low_percent: Option<f64>,
    /// Upper end of its confidence interval.
    pub ci_high_percent: Option<f64>,
}

/// Version of the shape that `zload calibrate` writes.
pub const CALIBRATION_SCHEMA: &str = "zload.calibration/1";

/// What `zload calibrate` finds: the noise of a machine, by a scenario that was compared with itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationResult {
    /// Always [`CALIBRATION_SCHEMA`].
    pub schema: String,
    /// The noise of each metric.
    pub noise: Vec<MetricNoise>,
    /// The comparison with itself: every better or worse in it is a false alarm.
    pub comparison: ComparisonResult,
}

/// The noise of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricNoise {
    /// Its path in a result, without `_ns`.
    pub name: String,
    /// By how much the two sides of a block typically differ (standard deviation), although they are the same.
    pub block_percent: f64,
    /// By how much the levels of two blocks differ at most (in 98 of 100 pairs of blocks): what not to take turns would cost.
    pub level_percent: f64,
    /// Share of false alarms among so many random choices of blocks and sides.
    pub false_alarms: f64,
    /// The smallest change that would be found four times of five, by the number of blocks.
    pub smallest_visible: Vec<SmallestVisible>,
    /// Blocks after which a change of twice the margin is found four times of five; null if more than 10,000.
    pub blocks_for_twice_the_margin: Option<u32>,
}

/// The smallest change that so many blocks find.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SmallestVisible {
    /// Blocks.
    pub blocks: u32,
    /// The change.
    pub percent: f64,
}

/// One slice of one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// Which block, from 0.
    pub block: u32,
    /// Which slice of the block, from 0; slices of the same number were played one after the other and have the same plan.
    pub slice: u32,
    /// `a`, `b`, `c`, … in the order of the command line.
    pub side: String,
    /// When it began, from the beginning of the comparison.
    pub offset_ns: u64,
    /// Seed of its plan.
    pub seed: u64,
    /// VALID, SUSPECT or INVALID.
    pub status: crate::verdict::Status,
    /// Every metric that it carries, by name.
    pub values: BTreeMap<String, f64>,
}
