//! What `zload compare` and `zload calibrate` find, as it is saved: effects, answers, and the slices they were worked out of.
//!
//! `b` is compared with `a`: an effect of +5 % is a `b` that is 5 % above `a`, and whether that is better or worse is
//! the metric's to say. Invariant: never judges, only holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Environment, FieldUnit, HopFigures, Latency, LatencySummary, Ledger, Throughput};
use zload_core::scenario::Scenario;

/// Version of the format that `zload compare` writes.
pub const COMPARISON_SCHEMA: &str = "zload.comparison/1";

/// A comparison of `b` with `a`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonResult {
    /// Always [`COMPARISON_SCHEMA`].
    pub schema: String,
    /// True after Ctrl-C or SIGTERM: the figures cover only complete blocks.
    pub interrupted: bool,
    /// Why the comparison failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The overall answer: the worst of the gated metrics' (worse, unclear, same, better).
    pub verdict: Answer,
    /// False if too many runs were INVALID for any figure to be used.
    pub valid: bool,
    /// Notes to read before the figures, a sentence each.
    pub notes: Vec<String>,
    /// The first side, the baseline.
    pub a: SideFigures,
    /// The second side.
    pub b: SideFigures,
    /// Keys of the scenario that differ.
    pub differences: Vec<Difference>,
    /// The method.
    pub method: Method,
    /// How noisy the machine was before the comparison; null for saved results.
    pub machine: Option<Steadiness>,
    /// The primary metric.
    pub primary: String,
    /// Every metric.
    pub metrics: Vec<MetricComparison>,
    /// The difference at each quantile of the response time to the first reply.
    pub quantiles: Vec<QuantileComparison>,
    /// Every slice, in order of time, from which every figure can be computed again.
    pub slices: Vec<Slice>,
    /// With more than two sides: the comparisons of the others with the same `a`. Their `slices` are empty: all are
    /// in those above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ComparisonResult>,
}

/// Whether `b` differs from `a`. In order of a gate: the worst is the largest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// `b` is better: the interval excludes zero and the estimate reaches the margin.
    Better,
    /// The whole interval is within the margin.
    Same,
    /// Neither a difference nor equality is shown.
    Unclear,
    /// `b` is worse: the interval excludes zero and the estimate reaches the margin.
    Worse,
}

/// One side of the comparison: all of its runs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideFigures {
    /// The scenario's name, or what distinguishes it from the other side.
    pub name: String,
    /// The file it came from.
    pub source: String,
    /// The program that ran it, if it is not the one that compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Hash of everything that decides the offered work.
    pub plan_hash: String,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Runs that count.
    pub runs: u32,
    /// Runs that were INVALID and do not count.
    pub invalid: u32,
    /// Why they were INVALID, a sentence for each check.
    pub invalid_because: Vec<String>,
    /// The ledger of the runs that count.
    pub ledger: Ledger,
    /// Rates over all their windows.
    pub throughput: Throughput,
    /// How long their requests took.
    pub latency: Latency,
    /// How long each leg took, without shares; null if nothing was sampled.
    pub hops: Option<HopFigures>,
    /// Simulated response time to the first reply; null where there is no lower bound.
    pub ideal: Option<LatencySummary>,
}

/// A key of the scenario that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Its dotted name.
    pub key: String,
    /// Its value in `a`; null if absent.
    pub a: Option<String>,
    /// Its value in `b`; null if absent.
    pub b: Option<String>,
}

/// The method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Method {
    /// Whether slices of both sides were interleaved in random order. If not, what changed on the machine in between is in
    /// the difference.
    pub interleaved: bool,
    /// Blocks, each a fresh start of both sides; of saved results the runs of the side that has fewer.
    pub blocks: u32,
    /// Slices of each side in a block.
    pub slices_per_block: u32,
    /// The measured part of a slice.
    pub slice_ns: u64,
    /// The warm-up of a slice, not counted.
    pub slice_warmup_ns: u64,
    /// Confidence level of the intervals, in percent.
    pub confidence_percent: f64,
    /// CPUs that all threads were pinned to; null if not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Seed of the random order and the plans' seeds, drawn anew for each comparison.
    pub seed: u64,
}

/// How noisy the machine is, by equal pieces of work before the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steadiness {
    /// False if the machine is too noisy to compare.
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
    /// Unit of its values.
    pub unit: MetricUnit,
    /// Whether more or less is better.
    pub better: Direction,
    /// Whether it is gated: its answer counts for the overall one.
    pub gated: bool,
    /// Median over the slices of `a`; null if no slice has enough samples.
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
    /// The smallest difference that counts as one.
    pub margin_percent: f64,
    /// The answer.
    pub verdict: Answer,
    /// False if no difference, however large, could have been detected: too few samples, blocks or runs for a figure or for
    /// the number of metrics, or different machines. A gated metric then has no answer, and the exit code is 3.
    #[serde(default = "yes")]
    pub answered: bool,
    /// Blocks that count.
    pub blocks: u32,
    /// Pairs of slices that count.
    pub pairs: u32,
    /// The minimum detectable effect (80 % power).
    pub smallest_visible_percent: Option<f64>,
    /// If unclear: the number of blocks that would probably decide it, at this noise.
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
    /// Whether the medians `a` and `b` differ in the other direction than the pairs do, by more than a trifle.
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

/// Unit of a metric's values.
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

/// Whether more or less is better.
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

/// Version of the format that `zload calibrate` writes.
pub const CALIBRATION_SCHEMA: &str = "zload.calibration/1";

/// The result of `zload calibrate`: the noise of a machine, from a scenario compared with itself.
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
    /// By how much the levels of two blocks differ at most (in 98 of 100 pairs of blocks): the cost of not interleaving.
    pub level_percent: f64,
    /// Share of false alarms among random choices of blocks and sides.
    pub false_alarms: f64,
    /// The minimum detectable effect (80 % power) by the number of blocks.
    pub smallest_visible: Vec<SmallestVisible>,
    /// Blocks to detect a change of twice the margin with 80 % power; null if more than 10,000.
    pub blocks_for_twice_the_margin: Option<u32>,
}

/// The minimum detectable effect with this number of blocks.
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
    /// Which slice of the block, from 0; slices of the same number ran one after the other and have the same plan.
    pub slice: u32,
    /// `a`, `b`, `c`, … in the order of the command line.
    pub side: String,
    /// When it started, from the start of the comparison.
    pub offset_ns: u64,
    /// Seed of its plan.
    pub seed: u64,
    /// VALID, SUSPECT or INVALID.
    pub status: crate::verdict::Status,
    /// Every metric that it has, by name.
    pub values: BTreeMap<String, f64>,
}
