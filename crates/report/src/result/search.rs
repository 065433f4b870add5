//! What a search found: every trial, and the answers that follow from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Environment;
use crate::verdict::Status;
use zload_core::scenario::Scenario;
use zload_core::search::{
    After, Bound, Finding, Form, Hysteresis, Outcome, Question, Role, Scale, Slow, State, Trial,
    Typical, answer,
};
use zload_core::twin::Policy;

/// Version of the format.
pub const SEARCH_SCHEMA: &str = "zload.search/1";

/// With a larger share of void trials nothing is answered.
const MOST_VOID: f64 = 1.0 / 3.0;
/// So few void trials are chance.
const FEW_VOID: usize = 3;
/// A bound on the rate is one of the long run: a trial may end with a queue, and clocks differ.
const BEYOND_BOUND: f64 = 1.02;
/// Checks that fail where the generator cannot offer the load, and not by what else the machine does.
const OF_THE_GENERATOR: [&str; 4] =
    ["slip", "delivered_rate", "generator_saturated", "delivered_each_second"];
/// More trials, and more goals, than this has no search.
pub const MOST_TRIALS: u32 = 5_000;
const MOST_GOALS: usize = 100;

/// What `zload search` found.
#[expect(clippy::struct_excessive_bools, reason = "the shape of a file, not a state")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchResult {
    /// Always [`SEARCH_SCHEMA`].
    pub schema: String,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Hash of its plan as it is written, before the key is changed.
    pub plan_hash: String,
    /// The key that was searched over.
    pub over: String,
    /// How its values are written.
    pub form: Form,
    /// Whether they are whole numbers.
    pub whole: bool,
    /// Whether a goal is easier to meet with more of it, so that the answer is the fewest.
    pub more_is_easier: bool,
    /// The least value that was to be tried.
    pub from: f64,
    /// The largest.
    pub to: f64,
    /// Where the search began, and by how much it went on, as a ratio.
    pub start: f64,
    /// The first step from there, as a ratio.
    pub step: f64,
    /// The goals.
    pub goals: Vec<SearchGoal>,
    /// Of a gate the only value that was asked for.
    pub at_least: Option<f64>,
    /// Which answer is exit code 1.
    pub fail_on: Option<SearchFailOn>,
    /// How sure the answer is: that the capacity is between both ends.
    pub confidence: f64,
    /// How far apart the two ends should be at most, as a ratio.
    pub width: f64,
    /// The measured part of a trial. The capacity is that of trials of this length.
    pub trial_ns: u64,
    /// Its warm-up.
    pub warmup_ns: u64,
    /// The time that there was.
    pub time_ns: u64,
    /// The time that it took.
    pub elapsed_ns: u64,
    /// When the external server was started again.
    pub restart: Restart,
    /// Seeds of the plans, in the order in which trials use them.
    pub seeds: Vec<u64>,
    /// How many seeds were looked at to find them.
    pub seeds_tried: u32,
    /// How they were chosen.
    pub typical: Typical,
    /// Seed of the order of roles.
    pub order: u64,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// What a proxy that costs nothing would reach; null for external servers and plans without work.
    pub ideal: Option<SearchIdeal>,
    /// What a closed load reached before the search; null where the lower bound says where to begin.
    pub probe: Option<SearchProbe>,
    /// The round trip of the idle external server before the search.
    pub idle_ns: Option<u64>,
    /// Every trial, in the order of playing.
    pub trials: Vec<SearchTrial>,
    /// Whether the search ended because the server did not recover from overload.
    pub stuck: bool,
    /// True after Ctrl-C or another signal.
    pub interrupted: bool,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Notes that help to read it, a sentence each.
    pub notes: Vec<String>,
    /// The answer for each goal; it follows from the trials.
    pub answers: Vec<SearchAnswer>,
    /// INVALID if the answers must not be used.
    pub verdict: Status,
    /// Why they must not.
    pub invalid_because: Vec<String>,
}

/// A goal of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchGoal {
    /// Its name.
    pub name: String,
    /// Its limits, all of which must hold; without any the system must keep up and lose nothing.
    pub limits: Vec<String>,
    /// The share of slow requests that the strictest of its percentiles allows.
    pub allowed_slow_ratio: Option<f64>,
}

/// Which answer of a search is exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchFailOn {
    /// That it is not shown.
    Undecided,
    /// That the contrary is shown.
    Missed,
}

/// When an external server is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// When it does not recover from overload.
    Stuck,
    /// Before each trial.
    Each,
    /// Never: trials go on whether or not it recovered.
    Never,
}

/// What the simulated lower bound reaches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchIdeal {
    /// Requests per second at which all workers are busy all the time; null unless the key is the rate.
    pub bound_per_s: Option<f64>,
    /// The value at which it just meets the first goal in a long plan; null if there is none.
    pub carried: Option<f64>,
    /// How it assigns requests to workers.
    pub policy: Policy,
}

/// What a closed load reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchProbe {
    /// Requests per second.
    pub requests_per_s: f64,
    /// Replies per second.
    pub replies_per_s: f64,
}

/// A trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchTrial {
    /// Its place in the order of playing, from 1.
    pub number: u32,
    /// What it was played for, as declared before.
    pub role: Role,
    /// The goal that it was played for.
    pub goal: String,
    /// The value of the key.
    pub value: f64,
    /// The seed of its plan.
    pub seed: u64,
    /// What was played before it on the same server.
    pub after: After,
    /// Whether that goal was met.
    pub outcome: Outcome,
    /// What decided it.
    pub why: String,
    /// Requests slower than the goal allows, lost and unsent ones among them; null unless it has a limit on a percentile.
    pub slow: Option<u64>,
    /// How many could be.
    pub allowed: Option<u64>,
    /// Requests of which a reply is expected.
    pub requests: u64,
    /// Requests lost.
    pub lost: u64,
    /// Whether the system did not keep up with the load.
    pub overloaded: bool,
    /// What it says of the further goals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<SearchFinding>,
    /// Of the run.
    pub verdict: Status,
    /// The checks that failed.
    pub checks_failed: Vec<String>,
    /// Replies per second.
    pub achieved_per_s: f64,
    /// Percentiles of the response time to the first reply.
    pub first_reply: SearchLatency,
    /// Share of the time that the busiest driver was on a CPU.
    pub driver_busy_ratio: f64,
    /// CPU time of the server or, if it is zload's own, of the proxy per message.
    pub cpu_ns_per_message: Option<f64>,
    /// How long an external server took to recover afterwards; null if it did not, or was not looked at.
    pub recovery_ns: Option<u64>,
}

/// What a trial says of a goal that it was not played for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchFinding {
    /// The goal.
    pub goal: String,
    /// What the trial was for it, as declared before.
    pub role: Role,
    /// Whether it was met.
    pub outcome: Outcome,
    /// What decided it.
    pub why: String,
    /// Requests slower than it allows.
    pub slow: Option<u64>,
    /// How many could be.
    pub allowed: Option<u64>,
}

/// Percentiles; null where the sample is too small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchLatency {
    /// Median.
    pub p50_ns: Option<u64>,
    /// 90th percentile.
    pub p90_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
}

/// The answer for a goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchAnswer {
    /// The goal.
    pub goal: String,
    /// What is known.
    pub state: State,
    /// The hardest value that is shown to be sustained.
    pub carried: Option<Bound>,
    /// The easiest value that is shown not to be.
    pub missed: Option<Bound>,
    /// About where the capacity is, from all trials: no bound.
    pub estimate: Option<f64>,
    /// What is sustained as a share of what a proxy that costs nothing would reach.
    pub efficiency_at_least: Option<f64>,
    /// Whether trials far below met the goal, too; null if none was played.
    pub monotonic: Option<bool>,
    /// The value of the hardest trial far below that missed it.
    pub missed_below: Option<f64>,
    /// That the goal is met less often after overload; null if no such difference was found.
    pub hysteresis: Option<Hysteresis>,
    /// The longest that the server took to recover.
    pub recovers_ns_max: Option<u64>,
    /// About how many more trials would show what is not shown.
    pub more_trials: Option<u32>,
    /// The easiest value at which zload itself was the limit.
    pub beyond_generator: Option<f64>,
}

impl SearchResult {
    /// What is asked.
    pub fn question(&self) -> Question {
        Question {
            goals: self.goals.len(),
            scale: self.scale(),
            start: self.start,
            step: self.step,
            width: self.width,
            confidence: self.confidence,
            gate: self.at_least,
            seeds: self.seeds.clone(),
            order: self.order,
        }
    }

    /// The values of the key.
    pub fn scale(&self) -> Scale {
        let (more_is_easier, whole) = (self.more_is_easier, self.whole);
        Scale { more_is_easier, whole, least: self.from, most: self.to }
    }

    /// The trials as evidence.
    pub fn evidence(&self) -> Vec<Trial> {
        self.trials.iter().map(|trial| self.trial(trial)).collect()
    }

    fn trial(&self, trial: &SearchTrial) -> Trial {
        let own = |goal: &SearchGoal| goal.name == trial.goal;
        let counts = |slow: Option<u64>, allowed: Option<u64>| {
            let (slow, allowed) = slow.zip(allowed)?;
            Some(Slow { slow, allowed, of: trial.requests })
        };
        let failed = |name: &&str| trial.checks_failed.iter().any(|failed| failed == name);
        let by_generator = OF_THE_GENERATOR.iter().any(failed);
        let finding = |goal: &SearchGoal| {
            if own(goal) {
                let slow = counts(trial.slow, trial.allowed);
                let SearchTrial { role, outcome, overloaded, .. } = *trial;
                return Finding { role, outcome, slow, overloaded, by_generator };
            }
            let other = trial.others.iter().find(|other| other.goal == goal.name);
            match other {
                Some(other) => Finding {
                    role: other.role,
                    outcome: other.outcome,
                    slow: counts(other.slow, other.allowed),
                    overloaded: trial.overloaded,
                    by_generator,
                },
                None => Finding {
                    role: Role::Find,
                    outcome: Outcome::Void,
                    slow: None,
                    overloaded: false,
                    by_generator: false,
                },
            }
        };
        Trial {
            number: trial.number,
            goal: self.goals.iter().position(own).unwrap_or(0),
            value: trial.value,
            seed: trial.seed,
            after: trial.after,
            recovery_ns: trial.recovery_ns,
            findings: self.goals.iter().map(finding).collect(),
        }
    }

    /// Works the answers out of the trials, which it puts in their order.
    pub fn conclude(&mut self) {
        self.trials.sort_by_key(|trial| trial.number);
        let (question, trials) = (self.question(), self.evidence());
        let answers = self.goals.iter().enumerate().map(|(number, goal)| {
            let found = answer(&question, &trials, number);
            let ideal = self.ideal.and_then(|ideal| ideal.carried).filter(|_| number == 0);
            let share = |ideal: f64, bound: Bound| {
                question.scale.load(bound.value) / question.scale.load(ideal)
            };
            SearchAnswer {
                goal: goal.name.clone(),
                state: found.state,
                carried: found.carried,
                missed: found.missed,
                estimate: found.estimate,
                efficiency_at_least: ideal.zip(found.carried).map(|(ideal, of)| share(ideal, of)),
                monotonic: found.monotonic,
                missed_below: found.missed_below,
                hysteresis: found.hysteresis,
                recovers_ns_max: found.recovers_ns_max,
                more_trials: found.more_trials,
                beyond_generator: found.beyond_generator,
            }
        });
        self.answers = answers.collect();
        self.invalid_because = self.why_invalid(&question);
        self.verdict =
            if self.invalid_because.is_empty() { Status::Valid } else { Status::Invalid };
    }

    fn why_invalid(&self, question: &Question) -> Vec<String> {
        let mut why = Vec::new();
        let beyond = self.answers.first().and_then(|answer| answer.beyond_generator);
        let load = |value: f64| question.scale.load(value);
        // What is more than the generator can do is an answer.
        let counts = |trial: &&SearchTrial| {
            trial.outcome == Outcome::Void
                && beyond.is_none_or(|beyond| load(trial.value) < load(beyond))
        };
        let void = self.trials.iter().filter(counts).count();
        if void >= FEW_VOID && void as f64 > MOST_VOID * self.trials.len() as f64 {
            why.push(format!(
                "{void} of {} trials are void: the measurement failed, and says nothing of the system",
                self.trials.len()
            ));
        }
        let bound = self.ideal.and_then(|ideal| ideal.bound_per_s);
        let carried = self.answers.iter().filter_map(|answer| answer.carried);
        let most = carried.map(|bound| bound.value).fold(0.0, f64::max);
        // A trial may end with a queue as long as its limits allow.
        let played_s = self.trial_ns.saturating_add(self.warmup_ns).max(1) as f64 / 1e9;
        if let Some(bound) = bound
            && most > bound * BEYOND_BOUND * (1.0 + self.longest_limit_s() / played_s)
        {
            why.push(format!(
                "{} is more than the workers can do ({}): policy, seeds or a clock are wrong",
                self.form.shown(most),
                self.form.shown(bound)
            ));
        }
        why
    }

    /// The longest response that a goal allows, in seconds; without a limit the drain.
    fn longest_limit_s(&self) -> f64 {
        let limits = self.goals.iter().flat_map(|goal| &goal.limits);
        let times = limits.filter_map(|limit| {
            let limit: zload_core::scenario::Threshold = limit.parse().ok()?;
            Some(zload_core::search::Counted::of(&limit)?.limit_ns as f64 / 1e9)
        });
        times.reduce(f64::max).unwrap_or(self.scenario.run.drain.as_secs_f64())
    }

    /// The goal that decides the exit code, its answer, and whether it is met as asked.
    pub fn gate(&self) -> Gate {
        if self.verdict == Status::Invalid {
            return Gate::Invalid;
        }
        let asked = self.at_least.is_some();
        let fail_on = match (self.fail_on, asked) {
            (None, true) => SearchFailOn::Undecided,
            (None, false) => return Gate::Passed,
            (Some(fail_on), _) => fail_on,
        };
        let of = |answer: &SearchAnswer| match (answer.state, asked) {
            (State::GeneratorLimited, true) if answer.carried.is_none() => Gate::Invalid,
            (State::MissedOnly | State::AllMissed, true) | (State::AllMissed, false) => {
                Gate::Failed
            }
            (State::Undecided | State::MissedOnly, _) if fail_on == SearchFailOn::Undecided => {
                Gate::Failed
            }
            _ => Gate::Passed,
        };
        let mut gates: Vec<Gate> = self.answers.iter().map(of).collect();
        gates.sort_unstable();
        gates.pop().unwrap_or(Gate::Passed)
    }

    /// Why a text is no search that was made.
    pub(super) fn contradiction(&self) -> Option<String> {
        let known = |name: &str| self.goals.iter().any(|goal| goal.name == name);
        let is_value = |value: f64| value.is_finite() && value > 0.0;
        let lists = [
            ("trials", self.trials.len(), MOST_TRIALS as usize),
            ("goals", self.goals.len(), MOST_GOALS),
        ];
        if let Some((name, _, most)) = lists.into_iter().find(|(_, length, most)| length > most) {
            return Some(format!("`{name}` has more than {most} entries"));
        }
        let is_share = |share: f64| share > 0.0 && share < 1.0;
        if !is_share(self.confidence) || !is_share(self.width) || !is_value(self.step) {
            return Some("`confidence`, `width` or `step` is out of range".to_owned());
        }
        if self.from > self.to {
            return Some("`from` is more than `to`".to_owned());
        }
        if ![self.from, self.to, self.start].into_iter().all(is_value) {
            return Some("`from`, `to` or `start` is no value".to_owned());
        }
        let wrong = self.trials.iter().find(|trial| !known(&trial.goal) || !is_value(trial.value));
        wrong.map(|trial| format!("trial {} has no goal of this search or no value", trial.number))
    }
}

/// What a search is to those who asked for a gate, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// It is met, or none was asked for.
    Passed,
    /// It is missed, or not shown.
    Failed,
    /// The answers must not be used, or zload cannot offer as much.
    Invalid,
}
