//! What `zload ideal` writes: the simulated figures, per policy, in the format of a run's result.
//!
//! Nothing here depends on the machine: the same scenario gives the same object everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stage_figures::{IdealStage, ideal_stages};
use super::summary::{Basis, OfRequest};
use super::throughput::rate;
use super::{LatencySummary, RunResult, threshold};
use crate::verdict::{self, Evidence, Twin, Verdict};
use zload_core::plan::Plan;
use zload_core::record::Trace;
use zload_core::scenario::Scenario;
use zload_core::twin::{self, Differences, Excess, Ideal, Limits, NoIdeal, Observed, Policy, Pool};

/// The work of a simulation beside a run: 20 million requests and replies take half a second to two, which is acceptable after
/// a run that offered them, and are 100 s of 100,000 round trips a second.
pub const STEPS_BESIDE_A_RUN: u64 = 20_000_000;
/// The same beside a slice of a comparison, of which there are some hundred: a twentieth to a fifth of a second, and far more than a slice
/// of a second can send.
pub const STEPS_BESIDE_A_SLICE: u64 = 2_000_000;

/// Among the notes of a result until the lower bound has been simulated.
const NOT_YET: &str = "the lower bound had not been simulated when this result was saved";

/// Version of the format that `zload ideal` writes.
pub const IDEAL_SCHEMA: &str = "zload.ideal/1";

/// The simulated lower bound of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdealResult {
    /// Always [`IDEAL_SCHEMA`].
    pub schema: String,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Hash of everything that decides the offered work.
    pub plan_hash: String,
    /// The seed of the plan.
    pub seed: u64,
    /// Length of the window that rates and utilisation cover: after the warm-up, until the end of the sending.
    pub window_ns: u64,
    /// The figures of each policy.
    pub policies: Vec<IdealFigures>,
}

/// [`IdealFigures`], and [`RunIdeal`] as it is read: with serde's `flatten`, any other field of a file would be kept until
/// its end.
macro_rules! ideals_with {
    ($($(#[$about:meta])* pub $part:ident: $shape:ty,)*) => {
        /// The simulated figures of one dispatch policy.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct IdealFigures {
            $($(#[$about])* pub $part: $shape,)*
        }

        #[derive(Deserialize)]
        struct ReadIdeal {
            $($(#[$about])* $part: $shape,)*
            #[serde(default)]
            other_seeds: Option<u32>,
            excess: ExcessFigures,
        }

        impl From<ReadIdeal> for RunIdeal {
            fn from(read: ReadIdeal) -> Self {
                let figures = IdealFigures { $($part: read.$part,)* };
                Self { figures, other_seeds: read.other_seeds, excess: read.excess }
            }
        }
    };
}

ideals_with! {
    /// How requests are assigned to workers.
    pub policy: Policy,
    /// Requests, after the warm-up.
    pub requests: u64,
    /// Requests that expect no reply.
    pub silent: u64,
    /// Replies to the requests.
    pub replies: u64,
    /// Requests sent per second of the window.
    pub requests_per_s: f64,
    /// Replies received per second of the window.
    pub replies_per_s: f64,
    /// Utilisation: the requests' work as a share of the workers' capacity in the window.
    pub utilisation: f64,
    /// The load exceeds the workers' capacity: response times hold for a plan of this length only.
    pub queue_grows: bool,
    /// Response time to a request's first reply.
    pub first_reply: LatencySummary,
    /// Response time to a request's last reply.
    pub last_reply: LatencySummary,
    /// Response time of every reply.
    pub reply: LatencySummary,
    /// The stages of a load that has such; in the result of a run they are among its `stages`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<IdealStage>,
}

/// The simulated lower bound of a run: the same plan with no cost for proxy, network and scheduler, and the overhead beyond it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ReadIdeal")]
#[schemars(!from)]
pub struct RunIdeal {
    /// The simulated figures, with the dispatch of a DEALER backend.
    #[serde(flatten)]
    pub figures: IdealFigures,
    /// How many other seeds were simulated for `other_seeds` of the response times; absent if the plan is too long for 39
    /// of them, leaves nothing to chance, or the runs have their own seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_seeds: Option<u32>,
    /// The overhead: measured minus simulated, request by request.
    pub excess: ExcessFigures,
}

/// Measured minus simulated response times of the sampled requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExcessFigures {
    /// To the first reply. Its mean is the mean measured time minus the mean simulated one, and may be negative; in the histogram, and
    /// so in percentiles and standard deviation, a measured time that was the shorter one counts as 0.
    pub first_reply: LatencySummary,
    /// To the last reply.
    pub last_reply: LatencySummary,
    /// Requests whose first reply came sooner than in the simulation: where requests queue, another order of arrival makes
    /// some faster at the cost of others.
    pub faster_first_replies: u64,
    /// Requests whose last reply did.
    pub faster_last_replies: u64,
    /// Sampled requests that the simulation of a closed load did not reach.
    pub unmatched: u64,
}

/// What the simulation is compared with: the sampled requests of the pooled run, and with `--repeat` of each run after it.
/// `None` for a run that was cut short.
#[derive(Debug)]
pub struct Sampled(pub(super) Vec<Option<Sample>>);

/// One of them, and what the verdict is made from again after the simulation.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) observed: Vec<Observed>,
    pub(super) evidence: Evidence,
}

/// What the simulation is compared with in a run with these traces.
pub(super) fn observed(traces: &[Trace]) -> Vec<Observed> {
    let observed = |trace: &Trace| Observed {
        client: trace.client,
        request: trace.request,
        first_response_ns: trace.response_ns(),
        last_response_ns: trace.last_response_ns(),
    };
    traces.iter().map(observed).collect()
}

impl RunResult {
    /// Says that the lower bound is still to be simulated.
    pub(super) fn announce_ideal(&mut self) {
        self.notes.push(NOT_YET.to_owned());
    }

    /// Simulates each plan once and adds its figures; where there are none, a note says why. Thresholds and
    /// the verdict are judged anew.
    /// `plans` are those of [`Self::new`].
    pub fn add_ideal(&mut self, plans: &[impl AsRef<Plan>], sampled: Sampled, limits: Limits<'_>) {
        let why_not = if !self.scenario.has_workers() {
            Some("the server is external, and its workers are unknown".to_owned())
        } else if sampled.0.iter().all(Option::is_none) {
            Some("the run was cut short".to_owned())
        } else {
            let added = match plans {
                [plan] => self.add_ideal_of(plan.as_ref(), sampled, limits),
                several => self.add_ideals_of(several, sampled, limits),
            };
            added.err().map(|reason| reason.to_string())
        };
        self.notes.retain(|note| note != NOT_YET);
        self.notes.extend(why_not.map(|why| format!("no lower bound: {why}")));
        self.thresholds = threshold::outcomes(self);
    }

    /// One plan for all runs.
    fn add_ideal_of(
        &mut self,
        plan: &Plan,
        sampled: Sampled,
        limits: Limits<'_>,
    ) -> Result<(), NoIdeal> {
        let (places, sets): (Vec<_>, Vec<_>) = (0..)
            .zip(sampled.0)
            .filter_map(|(place, sample)| Some((place, sample?)))
            .map(|(place, Sample { observed, evidence })| ((place, evidence), observed))
            .unzip();
        let (ideal, excess) = twin::ideal_and_excess(plan, self.pool(), limits, sets)?;
        // The single runs before the pooled ones, whose intervals are over them.
        let figures = IdealFigures::new(self.pool().policy, plan, &ideal, 1);
        for ((place, evidence), excess) in places.into_iter().zip(&excess).rev() {
            self.add_ideal_at(place, figures.clone(), excess, evidence);
        }
        Ok(())
    }

    /// Each run has its own plan; the whole is all of them, one after the other.
    fn add_ideals_of(
        &mut self,
        plans: &[impl AsRef<Plan>],
        sampled: Sampled,
        limits: Limits<'_>,
    ) -> Result<(), NoIdeal> {
        let mut sets = sampled.0.into_iter();
        let mut whole: Option<(Ideal, Excess)> = None;
        let of_whole = sets.next().flatten();
        for (place, (plan, set)) in (1..).zip(plans.iter().zip(sets)) {
            let Some(Sample { observed, evidence }) = set else { continue };
            let (ideal, excess) =
                twin::ideal_and_excess(plan.as_ref(), self.pool(), limits, vec![observed])?;
            let excess = excess.into_iter().next().unwrap_or_default();
            let figures = IdealFigures::new(self.pool().policy, plan.as_ref(), &ideal, 1);
            self.add_ideal_at(place, figures, &excess, evidence);
            match &mut whole {
                None => whole = Some((ideal, excess)),
                Some((sum, sum_of_excess)) => {
                    sum.merge(&ideal);
                    sum_of_excess.merge(&excess);
                }
            }
        }
        if let (Some((ideal, excess)), Some(sample)) = (whole, of_whole) {
            let (plan, number) = (plans[0].as_ref(), plans.len() as u64);
            let figures = IdealFigures::new(self.pool().policy, plan, &ideal, number);
            self.add_ideal_at(0, figures, &excess, sample.evidence);
        }
        Ok(())
    }

    pub(super) fn pool(&self) -> Pool {
        Pool::of(&self.scenario)
    }

    fn add_ideal_at(
        &mut self,
        place: usize,
        mut figures: IdealFigures,
        excess: &Excess,
        mut evidence: Evidence,
    ) {
        evidence.twin = Some(twin_of(&figures, excess));
        let stages = match place {
            0 => &mut self.stages,
            run => &mut self.runs[run - 1].stages,
        };
        let ideals = std::mem::take(&mut figures.stages);
        for (number, (stage, ideal)) in stages.iter_mut().zip(ideals).enumerate() {
            stage.add_ideal(ideal, evidence.measured_and_ideal(number, &excess.ideal_first_ns));
        }
        let mut excess = self.excess_figures(place, excess);
        if self.scenario.load.is_unlike() {
            excess.first_reply = excess.first_reply.without_percentiles();
            excess.last_reply = excess.last_reply.without_percentiles();
        }
        *self.ideal_at(place) = Some(RunIdeal { figures, other_seeds: None, excess });
        self.judge_again(place, &evidence);
    }

    /// The figures of the excess of the pooled run (0) or of one of the runs.
    fn excess_figures(&self, place: usize, excess: &Excess) -> ExcessFigures {
        let ideals = self.runs.iter().filter_map(|run| run.ideal.as_ref());
        let runs: Vec<&ExcessFigures> = ideals.map(|ideal| &ideal.excess).collect();
        let summary = |differences: &Differences, of: fn(&ExcessFigures) -> &LatencySummary| {
            let requests: Vec<OfRequest> =
                differences.times.iter().copied().map(OfRequest::one).collect();
            let of_runs: Vec<&LatencySummary> = runs.iter().copied().map(of).collect();
            let basis = if place == 0 && !self.runs.is_empty() {
                Basis::of_runs(&of_runs, self.seeds.is_empty())
            } else {
                Basis::Run(&requests)
            };
            let mean_ns = differences.mean_ns();
            LatencySummary { mean_ns, ..LatencySummary::new(&differences.histogram, basis) }
        };
        ExcessFigures {
            first_reply: summary(&excess.first_reply, |excess| &excess.first_reply),
            last_reply: summary(&excess.last_reply, |excess| &excess.last_reply),
            faster_first_replies: excess.first_reply.faster,
            faster_last_replies: excess.last_reply.faster,
            unmatched: excess.unmatched,
        }
    }

    /// The verdict, now that the lower bound is known. Several runs have that on each, as in [`Self::new`].
    fn judge_again(&mut self, place: usize, evidence: &Evidence) {
        let verdict = verdict::judge(evidence, &self.scenario.verdict);
        match place {
            0 if self.runs.is_empty() => self.verdict = verdict,
            0 => {}
            run => self.runs[run - 1].verdict = verdict,
        }
        let each: Vec<Verdict> = self.runs.iter().map(|run| run.verdict.clone()).collect();
        if let Some(verdict) = Verdict::of_all(&each) {
            self.verdict = verdict;
        }
    }

    /// Where the ideal of the pooled run (0) or of one of the runs goes.
    fn ideal_at(&mut self, place: usize) -> &mut Option<RunIdeal> {
        match place {
            0 => &mut self.ideal,
            run => &mut self.runs[run - 1].ideal,
        }
    }
}

impl IdealResult {
    /// The result of the policies simulated.
    pub fn new(scenario: &Scenario, plan: &Plan, ideals: &[(Policy, Ideal)]) -> Self {
        Self {
            schema: IDEAL_SCHEMA.to_owned(),
            scenario: scenario.clone(),
            plan_hash: plan.hash().to_owned(),
            seed: scenario.seed,
            window_ns: ideals.iter().map(|(_, ideal)| ideal.window_ns).max().unwrap_or(0),
            policies: ideals
                .iter()
                .map(|(policy, ideal)| IdealFigures::new(*policy, plan, ideal, 1))
                .collect(),
        }
    }
}

impl IdealFigures {
    /// The figures of a simulation of a number of plans, of which this is the first.
    fn new(policy: Policy, plan: &Plan, ideal: &Ideal, plans: u64) -> Self {
        let summary = |latencies| {
            let summary = LatencySummary::new(latencies, Basis::Computed);
            if plan.is_unlike() { summary.without_percentiles() } else { summary }
        };
        Self {
            policy,
            requests: ideal.requests,
            silent: ideal.silent,
            replies: ideal.replies,
            requests_per_s: rate(ideal.completed.requests, ideal.window_ns),
            replies_per_s: rate(ideal.completed.replies, ideal.window_ns),
            utilisation: ideal.utilisation,
            queue_grows: ideal.queue_grows,
            first_reply: summary(&ideal.first_reply),
            last_reply: summary(&ideal.last_reply),
            reply: summary(&ideal.reply),
            stages: ideal_stages(plan, ideal, plans),
        }
    }
}

/// What the simulation did, for the verdict on its run.
fn twin_of(ideal: &IdealFigures, excess: &Excess) -> Twin {
    let responses: Option<Vec<f64>> =
        excess.ideal_first_ns.iter().map(|ns| ns.map(|ns| ns as f64)).collect();
    Twin {
        utilisation: ideal.utilisation,
        queue_grows: ideal.queue_grows,
        of_stages: ideal.stages.iter().map(|stage| stage.utilisation).collect(),
        responses: responses.unwrap_or_default(),
    }
}
