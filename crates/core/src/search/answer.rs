//! What the trials say: the two ends, and what else there is to know. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Bound, carried, counted, missed, threshold};
use super::estimate::estimate;
use super::fisher::p_value;
use super::standing::Standing;
use super::{After, Outcome, Question, Role, Trial, evidence};

/// A difference after overload counts below this.
const SIGNIFICANT: f64 = 0.05;
/// Trials on each side that are needed to look for one.
const LEAST: u32 = 3;
/// More further trials than this are not promised.
const MOST_MORE: u32 = 1_000;

/// What is known of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Both ends are shown.
    Decided,
    /// It is shown what is sustained.
    CarriedOnly,
    /// It is shown what is not.
    MissedOnly,
    /// Neither is.
    Undecided,
    /// Above what is shown to be sustained, zload itself is the limit.
    GeneratorLimited,
    /// The hardest value that was to be tried is sustained.
    AllCarried,
    /// The easiest value that was to be tried is not.
    AllMissed,
}

/// The goal is met less often after overload.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hysteresis {
    /// How likely such a difference is by chance (Fisher's exact test).
    pub p: f64,
    /// Trials for the end that should be sustained which met the goal after another such trial.
    pub met_after_carried: u32,
    /// How many such trials there were.
    pub of_after_carried: u32,
    /// The same after a trial at the end that should not be sustained.
    pub met_after_missed: u32,
    /// How many such trials there were.
    pub of_after_missed: u32,
}

/// The answer for one goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What is known.
    pub state: State,
    /// The hardest value that is shown to be sustained.
    pub carried: Option<Bound>,
    /// The easiest value that is shown not to be.
    pub missed: Option<Bound>,
    /// About where the capacity is, from all trials: no bound, and none if it contradicts one.
    pub estimate: Option<f64>,
    /// Whether trials far below met the goal, too; `None` if none was played.
    pub monotonic: Option<bool>,
    /// The value of the hardest trial far below that missed it.
    pub missed_below: Option<f64>,
    /// Whether the goal is met less often after overload; `None` if no such difference was found.
    pub hysteresis: Option<Hysteresis>,
    /// The longest that the server took to recover.
    pub recovers_ns_max: Option<u64>,
    /// About how many more trials would show what is not shown, if they come out as those so far.
    pub more_trials: Option<u32>,
    /// The easiest value at which the generator was the limit.
    pub beyond_generator: Option<f64>,
}

/// The answer of these trials, in whichever order they are given.
pub fn answer(question: &Question, trials: &[Trial], goal: usize) -> Answer {
    let mut trials: Vec<&Trial> = trials.iter().collect();
    trials.sort_by_key(|trial| trial.number);
    let by = (question.scale, threshold(question.confidence));
    let load = |value: f64| question.scale.load(value);
    let of_sentinels = |trial: &&&Trial| {
        trial.findings.get(goal).is_some_and(|finding| {
            finding.role == Role::Sentinel && finding.outcome != Outcome::Void
        })
    };
    let sentinels: Vec<&&Trial> = trials.iter().filter(of_sentinels).collect();
    let failed = |trial: &&&&Trial| trial.findings[goal].outcome == Outcome::Missed;
    let missed_below = sentinels
        .iter()
        .filter(failed)
        .max_by(|one, other| load(one.value).total_cmp(&load(other.value)));
    let missed = missed(&trials, goal, by);
    let carried = carried(&trials, goal, by)
        // What is missed for lack of capacity at an easier value is no floor of the latency.
        .filter(|_| missed_below.is_none_or(|trial| !trial.findings[goal].overloaded))
        .filter(|bound| missed.is_none_or(|missed| load(bound.value) < load(missed.value)));
    let is_between = |at: &f64| {
        carried.is_none_or(|bound| load(*at) >= load(bound.value))
            && missed.is_none_or(|bound| load(*at) <= load(bound.value))
    };
    let beyond = Standing::of(question, &trials).beyond;
    Answer {
        state: state(question, carried, missed, beyond),
        carried,
        missed,
        estimate: estimate(&trials, goal, question.scale)
            .map(|at| question.scale.nearest(at))
            .filter(is_between),
        monotonic: (!sentinels.is_empty()).then_some(missed_below.is_none()),
        missed_below: missed_below.map(|trial| trial.value),
        hysteresis: hysteresis(&trials, goal),
        recovers_ns_max: trials.iter().filter_map(|trial| trial.recovery_ns).max(),
        more_trials: more_trials(question, &trials, goal, (carried, missed)),
        beyond_generator: beyond,
    }
}

fn state(
    question: &Question,
    carried: Option<Bound>,
    missed: Option<Bound>,
    beyond: Option<f64>,
) -> State {
    let is = |bound: Bound, limit: f64| bound.value.to_bits() == limit.to_bits();
    let asked_one = question.gate.is_some();
    match (carried, missed) {
        (Some(_), Some(_)) => State::Decided,
        (Some(_), None) if beyond.is_some() => State::GeneratorLimited,
        (Some(bound), None) if is(bound, question.scale.hardest()) && !asked_one => {
            State::AllCarried
        }
        (Some(_), None) => State::CarriedOnly,
        (None, Some(bound)) if is(bound, question.scale.easiest()) && !asked_one => {
            State::AllMissed
        }
        (None, Some(_)) => State::MissedOnly,
        (None, None) if beyond.is_some() && asked_one => State::GeneratorLimited,
        (None, None) => State::Undecided,
    }
}

/// The roles are drawn, so that what was before a trial is chance, and a difference is the system's.
fn hysteresis(trials: &[&Trial], goal: usize) -> Option<Hysteresis> {
    let after = |after: After| {
        let there: Vec<&Trial> =
            trials.iter().copied().filter(|trial| trial.after == after).collect();
        let outcomes = counted(&there, goal, Role::Carried);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (count(outcomes.iter().filter(|(_, met)| *met).count()), count(outcomes.len()))
    };
    let (fresh, loaded) = (after(After::Carried), after(After::Missed));
    if fresh.1 < LEAST || loaded.1 < LEAST {
        return None;
    }
    let p = p_value([fresh, loaded]);
    let worse = f64::from(loaded.0) * f64::from(fresh.1) < f64::from(fresh.0) * f64::from(loaded.1);
    (p < SIGNIFICANT && worse).then_some(Hysteresis {
        p,
        met_after_carried: fresh.0,
        of_after_carried: fresh.1,
        met_after_missed: loaded.0,
        of_after_missed: loaded.1,
    })
}

/// How many more trials both ends need that are not shown.
fn more_trials(
    question: &Question,
    trials: &[&Trial],
    goal: usize,
    (carried, missed): (Option<Bound>, Option<Bound>),
) -> Option<u32> {
    let needed = threshold(question.confidence);
    let of = |role: Role, success: bool| {
        let outcomes = counted(trials, goal, role);
        let hits = outcomes.iter().filter(|(_, met)| *met == success).count();
        let (hits, against) = (hits as f64, (outcomes.len() - hits) as f64);
        let rate = (hits + 1.0) / (hits + against + 2.0);
        let enough = |more: &u32| {
            let more = f64::from(*more);
            let whole = |number: f64| u32::try_from(crate::quantity::rounded(number)).unwrap_or(0);
            evidence(whole(hits + more * rate), whole(against + more * (1.0 - rate))) >= needed
        };
        (1..=MOST_MORE).find(enough)
    };
    let one_side = question.gate.is_some();
    match (carried, missed) {
        (Some(_), Some(_)) => None,
        (Some(_), None) | (None, Some(_)) if one_side => None,
        (None, None) if one_side => of(Role::Carried, true),
        (Some(_), None) => of(Role::Missed, false),
        (None, Some(_)) => of(Role::Carried, true),
        (None, None) => Some(of(Role::Carried, true)? + of(Role::Missed, false)?),
    }
}
