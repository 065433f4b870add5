//! Which trial is next. Pure.

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_xoshiro::SplitMix64;

use super::bounds::{carried, missed, threshold};
use super::estimate::estimate;
use super::standing::{Phase, Standing};
use super::{Bound, Outcome, Question, Role, Trial};

/// Trials far below the answer, as shares of it.
const SENTINELS: [f64; 2] = [4.0, 16.0];

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// A trial.
    Play {
        /// The goal that it is for.
        goal: usize,
        /// The value of the key.
        value: f64,
        /// The seed of its plan.
        seed: u64,
        /// What it is for, for each goal.
        roles: Vec<Role>,
    },
    /// Nothing more is needed, or there is no time for more.
    End,
}

/// The next trial after these, if there is time for `left` more.
pub fn next(question: &Question, trials: &[Trial], left: u32) -> Next {
    if left == 0 || question.goals == 0 {
        return Next::End;
    }
    let trials: Vec<&Trial> = trials.iter().collect();
    let standing = Standing::of(question, &trials);
    if let Some(last) = trials.last().filter(|_| standing.voids > 0) {
        // The same once more: void is decided by its cause, so that this bends nothing.
        let roles = last.findings.iter().map(|finding| finding.role).collect();
        return Next::Play { goal: last.goal, value: last.value, seed: last.seed, roles };
    }
    let open = Open::of(question, &standing, &trials);
    let sentinels = open.sentinels(question, &trials);
    // They are always played, however little time there is.
    let reserved = u32::try_from(sentinels.len()).unwrap_or(u32::MAX);
    let choice = if left > reserved { open.choose(question, &trials) } else { None };
    let Some((goal, role, value)) = choice.or_else(|| sentinels.first().copied()) else {
        return Next::End;
    };
    let roles = (0..question.goals)
        .map(|other| if other == goal { role } else { open.role_of(question, other, value) });
    Next::Play { goal, value, seed: seed(question, &trials), roles: roles.collect() }
}

/// Each trial uses one plan up, but one that is played again because it was void.
fn seed(question: &Question, trials: &[&Trial]) -> u64 {
    let is_new = |(index, trial): &(usize, &&Trial)| {
        let before = index.checked_sub(1).map(|before| trials[before].seed);
        before != Some(trial.seed)
    };
    let used = trials.iter().enumerate().filter(is_new).count();
    match question.seeds.len() {
        0 => used as u64,
        seeds => question.seeds[used % seeds],
    }
}

/// Of both sides of a gate the one that most trials so far speak for: a role may follow from what was seen before it.
fn likelier(trials: &[&Trial], goal: usize, ends: &[(Role, f64)]) -> Option<(Role, f64)> {
    let count = |outcome: Outcome| {
        trials.iter().filter(|trial| trial.findings[goal].outcome == outcome).count()
    };
    let wanted =
        if count(Outcome::Missed) > count(Outcome::Met) { Role::Missed } else { Role::Carried };
    ends.iter().find(|(role, _)| *role == wanted).or(ends.first()).copied()
}

/// What is not shown yet.
struct Open<'a> {
    standing: &'a Standing,
    carried: Vec<Option<Bound>>,
    missed: Vec<Option<Bound>>,
}

impl<'a> Open<'a> {
    fn of(question: &Question, standing: &'a Standing, trials: &[&Trial]) -> Self {
        let by = (question.scale, threshold(question.confidence));
        Self {
            standing,
            carried: (0..question.goals).map(|goal| carried(trials, goal, by)).collect(),
            missed: (0..question.goals).map(|goal| missed(trials, goal, by)).collect(),
        }
    }

    /// Both ends that a goal still has to show, if it is so far.
    fn ends(&self, question: &Question, goal: usize) -> [Option<(Role, f64)>; 2] {
        let Phase::Confirm { carried, missed } = self.standing.phases[goal] else {
            return [None, None];
        };
        if question.gate.is_some() && (self.carried[goal].is_some() || self.missed[goal].is_some())
        {
            return [None, None];
        }
        let carried = carried.filter(|_| self.carried[goal].is_none());
        let missed = missed.filter(|_| self.missed[goal].is_none());
        [carried.map(|end| (Role::Carried, end.at)), missed.map(|end| (Role::Missed, end.at))]
    }

    /// The goal about which least is known, and a trial for it: which of its two ends is drawn, so that nothing but chance
    /// decides what comes after what.
    fn choose(&self, question: &Question, trials: &[&Trial]) -> Option<(usize, Role, f64)> {
        let played = |goal: usize| trials.iter().filter(|trial| trial.goal == goal).count();
        let openness = |goal: usize| match self.standing.phases[goal] {
            Phase::Find { .. } => 3,
            Phase::Confirm { .. } => self.ends(question, goal).iter().flatten().count(),
        };
        let goal = (0..question.goals)
            .filter(|goal| openness(*goal) > 0)
            .max_by_key(|goal| (openness(*goal), std::cmp::Reverse((played(*goal), *goal))))?;
        if let Phase::Find { at, .. } = self.standing.phases[goal] {
            let start = || estimate(trials, goal, question.scale).unwrap_or(question.start);
            return Some((goal, Role::Find, question.scale.nearest(at.unwrap_or_else(start))));
        }
        let ends: Vec<(Role, f64)> = self.ends(question, goal).into_iter().flatten().collect();
        if question.gate.is_some() {
            return likelier(trials, goal, &ends).map(|(role, value)| (goal, role, value));
        }
        let mut random = SplitMix64::seed_from_u64(question.order ^ ((trials.len() as u64) << 40));
        let (role, value) = ends[random.random_range(0..ends.len())];
        Some((goal, role, value))
    }

    /// What a trial at this value is for a goal that it is not played for.
    fn role_of(&self, question: &Question, goal: usize, value: f64) -> Role {
        let load = |value: f64| question.scale.load(value);
        match self.standing.phases[goal] {
            Phase::Confirm { carried: Some(end), .. } if load(value) <= load(end.at) => {
                Role::Carried
            }
            Phase::Confirm { missed: Some(end), .. } if load(value) >= load(end.at) => Role::Missed,
            _ => Role::Find,
        }
    }

    /// Trials that are to be played far below what is shown to be sustained.
    fn sentinels(&self, question: &Question, trials: &[&Trial]) -> Vec<(usize, Role, f64)> {
        if question.gate.is_some() {
            return Vec::new();
        }
        let mut sentinels = Vec::new();
        for (goal, bound) in self.carried.iter().enumerate() {
            let Some(bound) = bound else { continue };
            for (index, share) in SENTINELS.into_iter().enumerate() {
                let played = |trial: &&&Trial| {
                    trial.goal == goal
                        && trial.findings.get(goal).is_some_and(|it| it.role == Role::Sentinel)
                };
                // One that was void may have been played again.
                let values: BTreeSet<u64> =
                    trials.iter().filter(played).map(|trial| trial.value.to_bits()).collect();
                if values.len() > index {
                    continue;
                }
                let value = question.scale.harder(bound.value, 1.0 / share);
                // Nearer than that it is none.
                let apart = question.scale.load(bound.value) / question.scale.load(value);
                if apart > 1.5 {
                    sentinels.push((goal, Role::Sentinel, value));
                }
            }
        }
        sentinels
    }
}
