//! What `zload ideal` writes: the simulated twin's figures, per policy, in the shapes of a run's result.
//!
//! Nothing here depends on the machine: the same scenario gives the same object everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::per_second;
use super::evidence::twin as twin_of;
use super::summary::Worth;
use super::{LatencySummary, RunResult, threshold};
use crate::measure::Way;
use crate::plan::Plan;
use crate::scenario::{Engine, Scenario};
use crate::twin::{self, Differences, Excess, Ideal, Limits, Observed, Policy, Pool};
use crate::verdict::{self, Evidence, Verdict};

/// The work of a simulation beside a run: 20 million requests and replies take half a second to two, which nobody minds after
/// a run that offered them, and are 100 s of 100,000 round trips a second.
pub const STEPS_BESIDE_A_RUN: u64 = 20_000_000;
/// The same beside a slice of a comparison, of which there are some hundred: a twentieth to a fifth of a second, and far more than a slice
/// of a second can send.
pub const STEPS_BESIDE_A_SLICE: u64 = 2_000_000;

/// Stands among the notes of a result until its twin has been played.
const NOT_YET: &str = "the ideal of this plan had not been simulated when this was saved";

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

/// The simulated twin of a run: what an ideal topology does with the same plan, and what the world cost beyond it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ReadIdeal")]
#[schemars(!from)]
pub struct RunIdeal {
    /// The twin's figures, with the dispatch of a DEALER backend.
    #[serde(flatten)]
    pub figures: IdealFigures,
    /// Measured minus ideal, request by request.
    pub excess: ExcessFigures,
}

/// [`RunIdeal`] as it is read: with `flatten`, whatever a file says besides would be kept until its end.
#[derive(Deserialize)]
struct ReadIdeal {
    policy: Policy,
    requests: u64,
    silent: u64,
    replies: u64,
    requests_per_s: f64,
    replies_per_s: f64,
    utilisation: f64,
    queue_grows: bool,
    first_reply: LatencySummary,
    last_reply: LatencySummary,
    reply: LatencySummary,
    excess: ExcessFigures,
}

impl From<ReadIdeal> for RunIdeal {
    fn from(read: ReadIdeal) -> Self {
        let figures = IdealFigures {
            policy: read.policy,
            requests: read.requests,
            silent: read.silent,
            replies: read.replies,
            requests_per_s: read.requests_per_s,
            replies_per_s: read.replies_per_s,
            utilisation: read.utilisation,
            queue_grows: read.queue_grows,
            first_reply: read.first_reply,
            last_reply: read.last_reply,
            reply: read.reply,
        };
        Self { figures, excess: read.excess }
    }
}

/// Measured minus ideal response times of the sampled requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExcessFigures {
    /// To the first reply. Where the measured time was the shorter one it counts as 0.
    pub first_reply: LatencySummary,
    /// To the last reply.
    pub last_reply: LatencySummary,
    /// Requests whose first reply came sooner than in the twin: where requests queue, another order of arrival makes
    /// some faster at the cost of others.
    pub faster_first_replies: u64,
    /// Requests whose last reply did.
    pub faster_last_replies: u64,
    /// Sampled requests that the twin of a closed load did not come to.
    pub unmatched: u64,
}

/// What a result's twin is held against: the sampled requests of the pooled run, and with `--repeat` of each run after it.
/// `None` for a run that was cut short.
#[derive(Debug)]
pub struct Sampled(pub(super) Vec<Option<Sample>>);

/// One of them, and what a verdict is made of anew when the twin has been played.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) observed: Vec<Observed>,
    pub(super) worth: Worth,
    pub(super) evidence: Evidence,
}

/// What the twin is held against in a run in which these ways were measured.
pub(super) fn observed(ways: &[Way]) -> Vec<Observed> {
    let observed = |way: &Way| Observed {
        client: way.client,
        request: way.request,
        first_response_ns: way.response_ns(),
        last_response_ns: way.last_response_ns(),
    };
    ways.iter().map(observed).collect()
}

impl RunResult {
    /// Says that the twin is still to be played.
    pub(super) fn announce_ideal(&mut self) {
        self.notes.push(NOT_YET.to_owned());
    }

    /// Plays the twin once and adds its figures; where there are none, a note says why. Thresholds are judged anew.
    pub fn add_ideal(&mut self, plan: &Plan, sampled: Sampled, limits: Limits<'_>) {
        let (places, sets): (Vec<_>, Vec<_>) = (0..)
            .zip(sampled.0)
            .filter_map(|(place, set)| Some((place, set?)))
            .map(|(place, set)| ((place, set.worth, set.evidence), set.observed))
            .unzip();
        let why_not = if self.scenario.proxy.engine == Engine::External {
            Some("the server is not zload's, and its workers are not known".to_owned())
        } else if sets.is_empty() {
            Some("the run was cut short".to_owned())
        } else {
            let pool = Pool { workers: self.scenario.workers.count.0, policy: Policy::RoundRobin };
            match twin::ideal_and_excess(plan, pool, limits, sets) {
                Ok((ideal, excess)) => {
                    let figures = IdealFigures::new(pool.policy, &ideal);
                    for ((place, worth, mut evidence), excess) in places.into_iter().zip(&excess) {
                        *self.ideal_at(place) = Some(RunIdeal::new(&figures, excess, &worth));
                        evidence.twin = Some(twin_of(&figures, excess));
                        self.judge_again(place, &evidence);
                    }
                    None
                }
                Err(reason) => Some(reason.to_string()),
            }
        };
        self.notes.retain(|note| note != NOT_YET);
        self.notes.extend(why_not.map(|why| format!("there is no ideal beside this run: {why}")));
        self.thresholds = threshold::outcomes(self);
    }

    /// The verdict, now that the twin is known. Several runs have that on each, as in [`Self::new`].
    fn judge_again(&mut self, place: usize, evidence: &Evidence) {
        let verdict = verdict::judge(evidence, &self.scenario.verdict);
        match place {
            0 => self.verdict = verdict,
            run => {
                self.runs[run - 1].verdict = verdict;
                let each: Vec<Verdict> = self.runs.iter().map(|run| run.verdict.clone()).collect();
                self.verdict = Verdict::of_all(&each).expect("there is a run");
            }
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

impl RunIdeal {
    fn new(figures: &IdealFigures, excess: &Excess, worth: &Worth) -> Self {
        let summarised =
            |differences: &Differences| LatencySummary::new(&differences.histogram, worth);
        Self {
            figures: figures.clone(),
            excess: ExcessFigures {
                first_reply: summarised(&excess.first_reply),
                last_reply: summarised(&excess.last_reply),
                faster_first_replies: excess.first_reply.faster,
                faster_last_replies: excess.last_reply.faster,
                unmatched: excess.unmatched,
            },
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
            first_reply: LatencySummary::new(&ideal.first_reply, &Worth::EXACT),
            last_reply: LatencySummary::new(&ideal.last_reply, &Worth::EXACT),
            reply: LatencySummary::new(&ideal.reply, &Worth::EXACT),
        }
    }
}
