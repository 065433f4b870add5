//! A load that changes by plan: its stages, or its recorded instants.

use std::sync::Arc;

use serde::Serialize;

use super::Plan;
use super::curve::Curve;
use super::schedule::{Moved, Schedule};
use crate::scenario::{
    Arrivals, Nanos, Rate, RecordedArrivals, Replay, Scenario, Stage, StageShape,
};

/// In flight is looked at this many times over a plan, and at the edges of its stages, …
const LOOKS: u64 = 8_192;
/// … but not more often than this, in nanoseconds.
const LEAST_BETWEEN_LOOKS: u64 = 500_000;

/// How the load changes.
#[derive(Debug, Clone)]
pub(super) struct Change {
    source: Source,
    arrivals: Arrivals,
    stages: Arc<[StagePlan]>,
    unlike: bool,
    /// Instants at which the number in flight is kept.
    looks: Arc<[u64]>,
    /// Requests per second, on average and at most.
    mean_per_s: f64,
    peak_per_s: f64,
}

#[derive(Debug, Clone)]
enum Source {
    Stages(Arc<Curve>, Vec<Stage>),
    Replay(Arc<RecordedArrivals>, f64),
}

/// A stage of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct StagePlan {
    /// Its name.
    pub name: String,
    /// What the rate does in it.
    pub shape: StageShape,
    /// Its rate as it is written.
    pub rate: String,
    /// When it starts, in nanoseconds from the plan's start.
    pub from_ns: u64,
    /// When it ends.
    pub to_ns: u64,
    /// Requests per second that it offers on average.
    pub offered_per_s: f64,
    /// The rates per second at its ends.
    ends_per_s: (f64, f64),
}

impl StagePlan {
    /// Of a ramp: the rates per second at its ends.
    pub fn ramp_ends(&self) -> (f64, f64) {
        self.ends_per_s
    }
}

/// What decides the offered work of a load that changes; names do not.
#[derive(Debug, Serialize)]
pub(super) struct Identity<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<StageIdentity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<(&'a str, f64)>,
}

/// Length, rate, the rate at the end, swing and period.
type StageIdentity = (Nanos, Rate, Option<Rate>, Option<Rate>, Option<Nanos>);

impl Change {
    /// How the load of a scenario changes, if it does.
    pub(super) fn of(scenario: &Scenario) -> Option<Self> {
        let load = &scenario.load;
        let warmup_ns = scenario.run.warmup.0;
        // A number of requests ends only a load that does not change.
        let length = scenario.duration()?;
        let end_ns = warmup_ns + length.0;
        let arrivals = load.arrivals.unwrap_or(Arrivals::Periodic);
        let none: Arc<[StagePlan]> = Arc::new([]);
        if let Some(Replay { arrivals: recorded, .. }) = &load.replay {
            let speed = load.replay.as_ref().map_or(1.0, Replay::speed);
            let seconds = recorded.per_second(speed, end_ns);
            let warmup =
                seconds.len().min(usize::try_from(warmup_ns / 1_000_000_000).unwrap_or(usize::MAX));
            let rows = seconds[warmup..].iter().sum::<u64>() as f64;
            return Some(Self {
                source: Source::Replay(Arc::clone(recorded), speed),
                arrivals,
                stages: none,
                unlike: false,
                looks: Arc::new([]),
                mean_per_s: rows / length.as_secs_f64().max(1e-9),
                peak_per_s: seconds.iter().max().map_or(0.0, |most| *most as f64),
            });
        }
        let written = load.stages.as_ref()?;
        let curve = Curve::of(&written.0, warmup_ns);
        let mut from_ns = warmup_ns;
        let mut stages = Vec::new();
        for (name, stage) in written.names().zip(&written.0) {
            let to_ns = from_ns.saturating_add(stage.length.0).min(end_ns);
            if from_ns < to_ns {
                stages.push(StagePlan {
                    name: name.into_owned(),
                    shape: stage.shape(),
                    rate: stage.rate_in_words(),
                    from_ns,
                    to_ns,
                    offered_per_s: per_s(&curve, from_ns, to_ns),
                    ends_per_s: ends(stage, to_ns - from_ns),
                });
            }
            from_ns = to_ns;
        }
        Some(Self {
            mean_per_s: per_s(&curve, warmup_ns, end_ns),
            peak_per_s: written.0.iter().map(Stage::peak_per_s).fold(0.0, f64::max),
            looks: looks(&stages, scenario.run.drain.0),
            source: Source::Stages(Arc::new(curve), written.0.clone()),
            arrivals,
            stages: stages.into(),
            unlike: load.is_unlike(),
        })
    }

    /// Requests per second, on average and at most.
    pub(super) fn rates(&self) -> (f64, f64) {
        (self.mean_per_s, self.peak_per_s)
    }

    pub(super) fn identity(&self) -> Identity<'_> {
        match &self.source {
            Source::Stages(_, stages) => Identity {
                stages: stages
                    .iter()
                    .map(|of| (of.length, of.rate, of.to, of.swing, of.period))
                    .collect(),
                replay: None,
            },
            Source::Replay(recorded, speed) => {
                Identity { stages: Vec::new(), replay: Some((recorded.digest(), *speed)) }
            }
        }
    }

    /// The instants of one client.
    pub(super) fn schedule(&self, plan: &Plan, client: u32) -> Schedule {
        let (seed, clients) = (plan.seed(), plan.clients());
        let moved = match &self.source {
            Source::Stages(curve, _) => {
                Moved::by(Arc::clone(curve), self.arrivals, (client, clients), seed)
            }
            Source::Replay(recorded, times) => {
                Moved::recorded(Arc::clone(recorded), (client, clients), *times)
            }
        };
        Schedule::moved(moved, plan.send_end_ns())
    }
}

/// The rates at both ends of a stage, of which so much is played.
fn ends(stage: &Stage, played_ns: u64) -> (f64, f64) {
    let [from, to] = [stage.rate, stage.to.unwrap_or(stage.rate)].map(Rate::per_second);
    (from, from + (to - from) * played_ns as f64 / stage.length.0.max(1) as f64)
}

fn per_s(curve: &Curve, from_ns: u64, to_ns: u64) -> f64 {
    curve.requests(from_ns, to_ns) / ((to_ns - from_ns).max(1) as f64 / 1e9)
}

/// Even instants over the stages and as long after them as the drain may take, and the stages' edges, in order.
fn looks(stages: &[StagePlan], drain_ns: u64) -> Arc<[u64]> {
    let (Some(first), Some(last)) = (stages.first(), stages.last()) else { return Arc::new([]) };
    let length_ns = last.to_ns - first.from_ns;
    // A long drain is no reason to look less closely.
    let end_ns = last.to_ns + drain_ns.min(length_ns);
    let step_ns = ((end_ns - first.from_ns) / LOOKS).max(LEAST_BETWEEN_LOOKS);
    let even =
        (0..).map(|step| first.from_ns + step * step_ns).take_while(|at_ns| *at_ns <= end_ns);
    let edges = stages.iter().flat_map(|stage| [stage.from_ns, stage.to_ns]);
    let mut looks: Vec<u64> = even.chain(edges).collect();
    looks.sort_unstable();
    looks.dedup();
    looks.into()
}

impl Plan {
    /// The stages of a load that has such, in order; from the end of the warm-up each begins where the one before it ends.
    pub fn stages(&self) -> &[StagePlan] {
        self.change.as_ref().map_or(&[], |change| &change.stages)
    }

    /// How many requests each stage has; `None` where counting them would take too long.
    pub fn requests_of_stages(&self) -> Vec<Option<u64>> {
        let countable = self.countable_until_ns(0) == self.send_end_ns;
        let schedules: Vec<Schedule> =
            (0..self.clients).filter_map(|client| self.schedule(client)).collect();
        let of_stage = |stage: &StagePlan| {
            let counts = schedules.iter().map(|of| of.count_between(stage.from_ns, stage.to_ns));
            countable.then(|| counts.sum())
        };
        self.stages().iter().map(of_stage).collect()
    }

    /// Whether the load is several loads, one after the other, which have no percentiles in common.
    pub fn is_unlike(&self) -> bool {
        self.change.as_ref().is_some_and(|change| change.unlike)
    }

    /// Whether the load changes as it was recorded.
    pub fn is_replay(&self) -> bool {
        self.replay().is_some()
    }

    /// The instants at which a run with stages keeps the number of replies in flight; none of other runs.
    pub fn looks(&self) -> Arc<[u64]> {
        self.change.as_ref().map_or_else(Default::default, |change| Arc::clone(&change.looks))
    }

    /// Requests that each second of a replay has, from the end of the warm-up on; `None` of other loads.
    pub fn replayed_per_second(&self) -> Option<Vec<u64>> {
        let (recorded, speed) = self.replay()?;
        let warmup = usize::try_from(self.warmup_ns / 1_000_000_000).unwrap_or(usize::MAX);
        Some(recorded.per_second(speed, self.send_end_ns).into_iter().skip(warmup).collect())
    }

    fn replay(&self) -> Option<(&RecordedArrivals, f64)> {
        match &self.change.as_ref()?.source {
            Source::Replay(recorded, speed) => Some((recorded, *speed)),
            Source::Stages(..) => None,
        }
    }
}
