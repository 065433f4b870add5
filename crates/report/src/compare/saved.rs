//! Two saved results compared. Their runs were not interleaved, so what the machine did in between is in
//! the difference: the intervals are wider by what it may have done.

use serde_json::Value;

use super::answers::{Found, answers, whole};
use super::effect::{CONFIDENCE, Effect, logarithm};
use super::metrics::{self, Metric};
use super::quantiles::quantiles;
use super::side::Pool;
use super::{Questions, Run, Side, differences, other_conditions};
use crate::result::{
    Answer, COMPARISON_SCHEMA, CalibrationResult, ComparisonResult, Environment, Method,
    PooledLatency,
};
use crate::verdict::Status;
use zload_core::stats;

/// By how much the level of a metric may drift between two moments of a machine that was not calibrated, in percent. Measured
/// on two shared cores, the throughput of 98 of 100 pairs of blocks within a minute: 9 to 19 % pinned to one core, 17 to 32 %
/// on both.
const DRIFT_PERCENT: f64 = 30.0;

/// The runs of one result.
struct Runs {
    usable: Vec<Run>,
    pool: Pool,
    first_replies: Vec<PooledLatency>,
}

/// Compares the runs of `b` with those of `a`: each is a side and the object that `zload run` saved.
pub fn compare_saved(
    a: (&Side, &Value),
    b: (&Side, &Value),
    questions: &Questions,
    calibration: Option<&CalibrationResult>,
) -> Result<ComparisonResult, String> {
    let (side_a, side_b) = (a.0, b.0);
    let (runs_a, runs_b) = (Runs::of(a.1)?, Runs::of(b.1)?);
    let elsewhere = other_machine(&side_a.environment, &side_b.environment);
    let found: Vec<Found> = metrics::of(&side_a.scenario, questions)
        .map(|metric| found(metric, &runs_a, &runs_b, drift_percent(metric, calibration)))
        .filter(|found| {
            (found.a.is_some() && found.b.is_some()) || questions.asks_for(found.metric)
        })
        .collect();
    let mut metrics = answers(&found, questions);
    if elsewhere.is_some() {
        for metric in &mut metrics {
            metric.verdict = Answer::Unclear;
            metric.answered = false;
            metric.blocks_needed = None;
            "unclear: measured on different machines".clone_into(&mut metric.sentence);
        }
    }
    let usable = |runs: &Runs, all: &Value| runs.usable.len() * 2 >= all_runs(all).len();
    let valid = usable(&runs_a, a.1) && usable(&runs_b, b.1);
    let drift = logarithm(drift_percent(questions.primary, calibration));
    Ok(ComparisonResult {
        schema: COMPARISON_SCHEMA.to_owned(),
        interrupted: false,
        failure: None,
        verdict: whole(&metrics, valid),
        valid,
        notes: notes(side_a, side_b, calibration, elsewhere),
        a: runs_a.pool.figures(side_a),
        b: runs_b.pool.figures(side_b),
        differences: differences(&side_a.scenario, &side_b.scenario),
        method: Method {
            interleaved: false,
            blocks: u32::try_from(runs_a.usable.len().min(runs_b.usable.len())).unwrap_or(u32::MAX),
            slices_per_block: 1,
            slice_ns: match (side_a.scenario.duration(), runs_a.usable.first()) {
                (Some(duration), _) => duration.0,
                (None, run) => run.map_or(0, |run| run.throughput.window_ns),
            },
            slice_warmup_ns: side_a.scenario.run.warmup.0,
            confidence_percent: CONFIDENCE * 100.0,
            cpus: None,
            seed: side_a.scenario.seed,
        },
        machine: None,
        primary: questions.primary.name.to_owned(),
        metrics,
        quantiles: quantiles(&runs_a.first_replies, &runs_b.first_replies, |a, b| {
            let carried = |side: &[Option<f64>]| side.iter().flatten().copied().collect::<Vec<_>>();
            Effect::unpaired(&carried(a), &carried(b), drift)
        }),
        slices: Vec::new(),
        others: Vec::new(),
    })
}

impl Runs {
    fn of(result: &Value) -> Result<Self, String> {
        let mut of = Self { usable: Vec::new(), pool: Pool::default(), first_replies: Vec::new() };
        for run in all_runs(result) {
            let run = Run::of(run)?;
            if run.status == Status::Invalid {
                of.pool.leave_out(&run);
                continue;
            }
            of.pool.add(&run);
            let mut first_reply = PooledLatency::default();
            first_reply.add(&run.latency.first_reply);
            of.first_replies.push(first_reply);
            of.usable.push(run);
        }
        Ok(of)
    }

    /// Length of the windows, in the middle, in seconds.
    fn window_s(&self) -> f64 {
        let windows = self.usable.iter().map(|run| run.throughput.window_ns as f64 / 1e9);
        stats::median(&windows.collect::<Vec<_>>()).unwrap_or(0.0)
    }

    fn values(&self, metric: &Metric) -> Vec<f64> {
        self.usable.iter().filter_map(|run| run.values.get(metric.name).copied()).collect()
    }
}

/// By how much a metric may have drifted in between, in percent.
fn drift_percent(metric: &Metric, calibration: Option<&CalibrationResult>) -> f64 {
    calibration
        .and_then(|calibration| calibration.noise.iter().find(|noise| noise.name == metric.name))
        .map_or(DRIFT_PERCENT, |noise| noise.level_percent)
}

/// The runs that a result pools, or the one that it is.
fn all_runs(result: &Value) -> Vec<&Value> {
    match result.get("runs").and_then(Value::as_array) {
        Some(runs) if !runs.is_empty() => runs.iter().collect(),
        _ => vec![result],
    }
}

/// The most runs of a side that are ranked; more are taken in groups, each as its median.
const MOST_RANKED: usize = 40;

fn found(metric: &'static Metric, a: &Runs, b: &Runs, drift_percent: f64) -> Found {
    let windows_s = [a, b].map(Runs::window_s);
    let [a, b] = [a, b].map(|runs| runs.values(metric));
    let levels = stats::median(&a).zip(stats::median(&b));
    let step = levels.map_or(0.0, |(a, b)| metric.step([a, b], windows_s));
    let logarithms = |values: &[f64]| -> Vec<f64> {
        stats::block_medians(values, MOST_RANKED).iter().map(|value| value.ln()).collect()
    };
    Found {
        metric,
        a: stats::median(&a),
        b: stats::median(&b),
        pairs: u32::try_from(a.len().min(b.len())).unwrap_or(u32::MAX),
        effect: Effect::unpaired(&logarithms(&a), &logarithms(&b), logarithm(drift_percent))
            .in_steps_of(step),
    }
}

/// What shows that two environments are not the same machine.
fn other_machine(a: &Environment, b: &Environment) -> Option<String> {
    let differs = |what: &str, a: &str, b: &str| (a != b).then(|| format!("{what} {a} and {b}"));
    differs("CPUs", &a.cpu_model, &b.cpu_model)
        .or_else(|| differs("core counts", &a.cores.to_string(), &b.cores.to_string()))
}

fn notes(
    a: &Side,
    b: &Side,
    calibration: Option<&CalibrationResult>,
    elsewhere: Option<String>,
) -> Vec<String> {
    let drift_from = match calibration {
        Some(_) => "by the calibration".to_owned(),
        None => format!("by {DRIFT_PERCENT} %; `zload calibrate` measures it"),
    };
    let mut notes = vec![format!(
        "the runs were not interleaved, so changes of the machine are part of the difference. Every interval is wider for that ({}). `zload compare A.toml B.toml` interleaves and detects smaller changes",
        drift_from
    )];
    if let Some(what) = elsewhere {
        notes.push(format!(
            "they were measured on different machines ({what}), so no difference can be attributed"
        ));
    }
    notes.extend(other_conditions(&a.environment, &b.environment));
    if a.plan_hash != b.plan_hash {
        notes.push("their plans differ, so a difference may come from the load".to_owned());
    }
    notes
}
