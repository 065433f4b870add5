//! What a result says of each stage of a load that changes: by the intended instants of its requests, whenever their replies came.
//!
//! Percentiles are those of stages that hold a rate: of others they would be of no load in particular.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LatencySummary;
use super::rows::Each;
use super::summary::{Basis, OfRequest};
use crate::verdict::certain_growth;
use zload_core::plan::{Plan, StagePlan};
use zload_core::quantity::rounded;
use zload_core::record::{LatencyHistogram, Recorded, StageRecord, Trace};
use zload_core::scenario::StageShape;
use zload_core::twin::{Ideal, StageIdeal};

/// A stage of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageFigures {
    /// Its name in the scenario, or its number from 1.
    pub name: String,
    /// What the rate does in it.
    pub shape: StageShape,
    /// The rate as the scenario says it.
    pub rate: String,
    /// When it starts, from the start of the measured window.
    pub from_ns: u64,
    /// When it ends.
    pub to_ns: u64,
    /// Requests per second that the plan has in it on average.
    pub offered_per_s: f64,
    /// Requests that the plan has in it.
    pub requests: u64,
    /// Those that were sent.
    pub sent: u64,
    /// Those of them of which every expected reply came.
    pub answered: u64,
    /// Those that expect no reply.
    pub silent: u64,
    /// Those of which at least one expected reply never came.
    pub lost: u64,
    /// Those that were not sent.
    pub unsent: u64,
    /// Response times. Percentiles are null unless the stage holds a rate.
    pub latency: StageLatency,
    /// Of a ramp: response times in ten parts of its length, from the sampled requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deciles: Vec<RampDecile>,
    /// Replies in flight when it started.
    pub in_flight_at_start: u64,
    /// Replies in flight when it ended.
    pub in_flight_at_end: u64,
    /// How long after its end no more were in flight than when it started, or than in the stage before it on average; 0 if its
    /// queue did not grow, null if that did not happen before the end of the run.
    pub caught_up_after_ns: Option<u64>,
    /// The simulation of the same requests; null without a lower bound.
    #[serde(default)]
    pub ideal: Option<IdealStage>,
    /// Measured minus simulated response time to the first reply, of the sampled requests.
    #[serde(default)]
    pub excess: Option<LatencySummary>,
}

/// Response times of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageLatency {
    /// To a request's first reply.
    pub first_reply: LatencySummary,
    /// To a request's last reply.
    pub last_reply: LatencySummary,
}

/// Replies in flight at the edges of a stage, and when its queue was gone, as in [`StageFigures`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StageQueue {
    pub(super) in_flight_at_start: u64,
    in_flight_at_end: u64,
    pub(super) caught_up_after_ns: Option<u64>,
}

/// A tenth of a ramp.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RampDecile {
    /// Requests per second in it on average.
    pub offered_per_s: f64,
    /// Sampled requests in it.
    pub sampled: u64,
    /// Median response time to their first replies; null of fewer than 11.
    pub p50_ns: Option<u64>,
    /// The longest of them.
    pub max_ns: Option<u64>,
}

/// The simulation of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdealStage {
    /// Its name.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Utilisation: the requests' work as a share of the workers' capacity in the stage.
    pub utilisation: f64,
    /// Response time to the first reply. Percentiles are null unless the stage holds a rate.
    pub first_reply: LatencySummary,
    /// Response time to the last reply.
    pub last_reply: LatencySummary,
    /// Replies in flight when the stage started.
    pub in_flight_at_start: u64,
    /// Replies in flight when it ended.
    pub in_flight_at_end: u64,
    /// How long after its end its queue was gone, as measured.
    pub caught_up_after_ns: Option<u64>,
}

/// The stages of a run, or of `each` of several as one.
pub(super) fn stages(
    plan: &Plan,
    recorded: &Recorded,
    traces: &[Trace],
    each: &Each<'_>,
) -> Vec<StageFigures> {
    let runs = each.runs.len().max(1) as u64;
    let queues = queues(plan, &recorded.in_flight_at, runs);
    let stages = plan.stages().iter().zip(&recorded.stages).zip(queues);
    stages
        .enumerate()
        .map(|(number, ((planned, record), queue))| {
            let traces = within(planned, traces);
            StageFigures::new((plan, planned), (record, queue), (traces, number, each))
        })
        .collect()
}

/// The traces of the requests that are intended in a stage.
pub(super) fn within<'a>(stage: &StagePlan, traces: &'a [Trace]) -> &'a [Trace] {
    between(stage.from_ns, stage.to_ns, traces)
}

/// The same from one instant to another.
fn between(from_ns: u64, to_ns: u64, traces: &[Trace]) -> &[Trace] {
    let before = |at_ns: u64| traces.partition_point(|trace| trace.intended_ns < at_ns);
    &traces[before(from_ns)..before(to_ns)]
}

impl StageFigures {
    fn new(
        (plan, planned): (&Plan, &StagePlan),
        (record, queue): (&StageRecord, StageQueue),
        (traces, number, each): (&[Trace], usize, &Each<'_>),
    ) -> Self {
        type Part = fn(&StageLatency) -> &LatencySummary;
        let summary = |latencies: &LatencyHistogram, of: Part, value: fn(&Trace) -> Option<u64>| {
            if each.runs.is_empty() {
                let values = traces.iter().filter_map(value).map(OfRequest::one);
                let requests: Vec<OfRequest> = values.collect();
                return of_shape(planned, LatencySummary::new(latencies, Basis::Run(&requests)));
            }
            let stages = each.runs.iter().filter_map(|run| run.stages.get(number));
            let runs: Vec<&LatencySummary> = stages.map(|stage| of(&stage.latency)).collect();
            let basis = Basis::of_runs(&runs, each.same_plan);
            of_shape(planned, LatencySummary::new(latencies, basis))
        };
        let first: fn(&Trace) -> Option<u64> = |trace| Some(trace.response_ns());
        let last = last_reply(&record.first_reply, &record.last_reply);
        Self {
            name: planned.name.clone(),
            shape: planned.shape,
            rate: planned.rate.clone(),
            from_ns: planned.from_ns - plan.warmup_ns(),
            to_ns: planned.to_ns - plan.warmup_ns(),
            offered_per_s: planned.offered_per_s,
            requests: record.sent + record.unsent,
            sent: record.sent,
            answered: record.answered,
            silent: record.silent,
            lost: record.lost,
            unsent: record.unsent,
            latency: StageLatency {
                first_reply: summary(&record.first_reply, |of| &of.first_reply, first),
                last_reply: summary(&last, |of| &of.last_reply, Trace::last_response_ns),
            },
            deciles: if planned.shape == StageShape::Ramp {
                deciles(planned, traces)
            } else {
                Vec::new()
            },
            in_flight_at_start: queue.in_flight_at_start,
            in_flight_at_end: queue.in_flight_at_end,
            caught_up_after_ns: queue.caught_up_after_ns,
            ideal: None,
            excess: None,
        }
    }

    /// Adds the simulation, and what was measured beyond it: pairs of measured and simulated times.
    pub(super) fn add_ideal(&mut self, ideal: IdealStage, pairs: impl Iterator<Item = (u64, u64)>) {
        let (mut excess, mut sum_ns, mut requests) = (LatencyHistogram::new(), 0_i128, Vec::new());
        for (measured_ns, ideal_ns) in pairs {
            let ns = measured_ns.saturating_sub(ideal_ns);
            excess.record(ns);
            requests.push(OfRequest::one(ns));
            sum_ns += i128::from(measured_ns) - i128::from(ideal_ns);
        }
        let count = requests.len() as i128;
        let mean_ns = (count > 0).then(|| zload_core::record::rounded(sum_ns, count));
        let summary = LatencySummary::new(&excess, Basis::Run(&requests));
        let summary =
            if self.shape == StageShape::Hold { summary } else { summary.without_percentiles() };
        self.excess = (count > 0).then_some(LatencySummary { mean_ns, ..summary });
        self.ideal = Some(ideal);
    }
}

/// Where no request has more than one reply, none is kept twice.
fn last_reply(first: &LatencyHistogram, several: &LatencyHistogram) -> LatencyHistogram {
    if several.histogram().is_empty() { first.clone() } else { several.clone() }
}

fn of_shape(stage: &StagePlan, summary: LatencySummary) -> LatencySummary {
    if stage.shape == StageShape::Hold { summary } else { summary.without_percentiles() }
}

/// A ramp in tenths of its length, and so of its rates.
fn deciles(stage: &StagePlan, traces: &[Trace]) -> Vec<RampDecile> {
    let length_ns = stage.to_ns - stage.from_ns;
    let ends = stage.ramp_ends();
    let of_part = |part: u64| {
        let edge = |part: u64| stage.from_ns + rounded(length_ns as f64 * part as f64 / 10.0);
        let times = between(edge(part), edge(part + 1), traces);
        let latencies: LatencyHistogram =
            times.iter().map(Trace::response_ns).collect::<Vec<u64>>().iter().collect();
        let middle = (part as f64 + 0.5) / 10.0;
        RampDecile {
            offered_per_s: ends.0 + (ends.1 - ends.0) * middle,
            sampled: times.len() as u64,
            p50_ns: latencies.percentile(0.5),
            max_ns: latencies.max(),
        }
    };
    (0..10).map(of_part).collect()
}

/// The stages of a simulation of `plans` plans, one after the other.
pub(super) fn ideal_stages(plan: &Plan, ideal: &Ideal, plans: u64) -> Vec<IdealStage> {
    let queues = queues(plan, &ideal.in_flight_at, plans);
    let stages = plan.stages().iter().zip(&ideal.stages).zip(queues);
    let of_stage = |((planned, of), queue): ((&StagePlan, &StageIdeal), StageQueue)| {
        let summary = |times| of_shape(planned, LatencySummary::new(times, Basis::Computed));
        IdealStage {
            name: planned.name.clone(),
            requests: of.requests,
            utilisation: of.utilisation,
            first_reply: summary(&of.first_reply),
            last_reply: summary(&last_reply(&of.first_reply, &of.last_reply)),
            in_flight_at_start: queue.in_flight_at_start,
            in_flight_at_end: queue.in_flight_at_end,
            caught_up_after_ns: queue.caught_up_after_ns,
        }
    };
    stages.map(of_stage).collect()
}

/// What was in flight at the edges of each stage, and when its queue was gone: of several runs the mean.
pub(super) fn queues(plan: &Plan, in_flight: &[u64], runs: u64) -> Vec<StageQueue> {
    let looks = plan.looks();
    let values: Vec<f64> = in_flight.iter().map(|sum| *sum as f64 / runs as f64).collect();
    let at = |at_ns: u64| looks.partition_point(|look_ns| *look_ns < at_ns).min(values.len());
    let value = |at_ns: u64| values.get(at(at_ns)).copied().unwrap_or(0.0);
    let mean = |stage: &StagePlan| {
        let within = &values[at(stage.from_ns)..at(stage.to_ns)];
        within.iter().sum::<f64>() / within.len().max(1) as f64
    };
    let mut usual = 0.0;
    let of_stage = |stage: &StagePlan| {
        let (start, end) = (value(stage.from_ns), value(stage.to_ns));
        let level = f64::max(start, usual);
        usual = mean(stage);
        let within = &values[at(stage.from_ns)..(at(stage.to_ns) + 1).min(values.len())];
        let grew = end > level && certain_growth(within).is_none_or(|growth| growth > 0.0);
        let back = || {
            let first = at(stage.to_ns);
            let place = values.get(first..)?.iter().position(|value| *value <= level)?;
            Some(looks[first + place] - stage.to_ns)
        };
        StageQueue {
            in_flight_at_start: rounded(start),
            in_flight_at_end: rounded(end),
            caught_up_after_ns: if grew { back() } else { Some(0) },
        }
    };
    plan.stages().iter().map(of_stage).collect()
}

/// The numbers in flight within each stage.
pub(super) fn in_flight_within(plan: &Plan, in_flight: &[u64]) -> Vec<Vec<f64>> {
    let looks = plan.looks();
    let at = |at_ns: u64| looks.partition_point(|look_ns| *look_ns < at_ns).min(in_flight.len());
    let of_stage = |stage: &StagePlan| {
        let within = &in_flight[at(stage.from_ns)..(at(stage.to_ns) + 1).min(in_flight.len())];
        within.iter().map(|value| *value as f64).collect()
    };
    plan.stages().iter().map(of_stage).collect()
}
