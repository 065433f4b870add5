//! How far a search is: a fold over its trials. Pure.

use super::{Outcome, Question, Role, Trial, estimate::estimate};

/// From what is beyond the generator this many steps lead down at most.
const MOST_STEPS_DOWN: u32 = 50;
/// The largest step, as a logarithm: a factor of 4.
const LARGEST_STEP: f64 = 1.386;
/// The search turns round this often before it confirms.
const TURNS: u32 = 3;
/// A contrary end moves away by this share of the width.
const MOVE: f64 = 0.4;
/// This many trials against an end move it.
const CONTRARY: u32 = 2;
/// This many void trials of one plan at a value are a limit of the generator, or a plan to leave.
const VOIDS: u32 = 2;

/// Where a goal is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// Looking for the capacity.
    Find {
        /// The next value; `None` before the first.
        at: Option<f64>,
        /// The next step, as a logarithm.
        step: f64,
        /// How often it turned round.
        turns: u32,
        /// Whether the last step was to a harder value.
        went_harder: Option<bool>,
        /// How many steps it went that way.
        ran: u32,
    },
    /// Showing both ends.
    Confirm {
        /// The end that should be sustained, if there is one.
        carried: Option<End>,
        /// The end that should not be.
        missed: Option<End>,
    },
}

/// An end that is to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct End {
    pub(super) at: f64,
    contrary: u32,
}

/// Where a search is.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Of each goal.
    pub(super) phases: Vec<Phase>,
    /// The easiest value at which the generator is the limit.
    pub(super) beyond: Option<f64>,
    /// How often the last plan was played, if each time it was void.
    pub(super) voids: u32,
}

impl Standing {
    pub(super) fn of(question: &Question, trials: &[&Trial]) -> Self {
        let phase = match question.gate {
            Some(at) => Phase::Confirm { carried: Some(End { at, contrary: 0 }), missed: None },
            None => Phase::Find {
                at: None,
                step: libm::log(1.0 + question.step),
                turns: 0,
                went_harder: None,
                ran: 0,
            },
        };
        let mut standing = Self { phases: vec![phase; question.goals], beyond: None, voids: 0 };
        for (index, trial) in trials.iter().enumerate() {
            standing.add(question, trial, &trials[..=index]);
        }
        standing
    }

    /// Whether the generator cannot offer as much as this.
    pub(super) fn is_beyond(&self, question: &Question, value: f64) -> bool {
        let load = |value: f64| question.scale.load(value);
        self.beyond.is_some_and(|beyond| load(value) >= load(beyond))
    }

    fn add(&mut self, question: &Question, trial: &Trial, so_far: &[&Trial]) {
        let goal = trial.goal;
        let Some(finding) = trial.findings.get(goal).copied() else { return };
        if finding.outcome == Outcome::Void {
            self.voids += 1;
            if self.voids < VOIDS {
                return;
            }
            if !finding.by_generator || finding.role == Role::Sentinel {
                // Something else disturbed the measurement: the next plan.
                self.voids = 0;
                return;
            }
            if !self.is_beyond(question, trial.value) {
                self.beyond = Some(trial.value);
            }
        }
        self.voids = 0;
        let met = finding.outcome == Outcome::Met;
        let phase = match self.phases[goal] {
            find @ Phase::Find { .. } if finding.role == Role::Find => {
                self.found(question, find, (trial.value, met), so_far)
            }
            Phase::Confirm { carried, missed } if question.gate.is_some() => {
                gate(question, carried, missed, (finding.role, finding.outcome))
            }
            Phase::Confirm { carried, missed } => {
                let void = finding.outcome == Outcome::Void;
                let away = 1.0 + MOVE * question.width;
                let (carried, missed) = match (finding.role, carried, missed) {
                    (Role::Carried, Some(end), missed) => {
                        let end = end.after(met, void, |at| question.scale.harder(at, 1.0 / away));
                        (Some(end), missed)
                    }
                    // What is beyond the generator cannot be shown to be missed.
                    (Role::Missed, carried, Some(_)) if void => (carried, None),
                    (Role::Missed, carried, Some(end)) => {
                        let end = end.after(!met, false, |at| question.scale.harder(at, away));
                        (carried, Some(end))
                    }
                    (_, carried, missed) => (carried, missed),
                };
                let missed = missed.filter(|end| !self.is_beyond(question, end.at));
                Phase::Confirm { carried, missed }
            }
            phase @ Phase::Find { .. } => phase,
        };
        self.phases[goal] = phase;
    }

    /// After a trial that looked for the capacity.
    fn found(
        &self,
        question: &Question,
        phase: Phase,
        (value, harder): (f64, bool),
        so_far: &[&Trial],
    ) -> Phase {
        let Phase::Find { step, turns, went_harder, ran, .. } = phase else { return phase };
        let scale = question.scale;
        let turned = went_harder.is_some_and(|went| went != harder);
        let ran = if turned { 1 } else { ran + 1 };
        let (step, turns) = match went_harder {
            Some(_) if turned => (step / 2.0, turns + 1),
            // Far from where it began, or where it last turned: longer strides.
            Some(_) if turns == 0 || ran > 2 => ((step * 2.0).min(LARGEST_STEP), turns),
            _ => (step, turns),
        };
        let end = |at: f64| Some(End { at, contrary: 0 });
        let is = |limit: f64| value.to_bits() == limit.to_bits();
        if harder && is(scale.hardest()) {
            return Phase::Confirm { carried: end(value), missed: None };
        }
        if !harder && is(scale.easiest()) {
            let missed = end(value).filter(|end| !self.is_beyond(question, end.at));
            return Phase::Confirm { carried: None, missed };
        }
        let next = scale.harder(value, libm::exp(if harder { step } else { -step }));
        let neighbours = scale.whole && turned && (next - value).abs() <= 1.0;
        let narrow = turns >= TURNS && step <= libm::log(1.0 + question.width / 2.0) * 1.01;
        if narrow || neighbours {
            return self.confirm(question, value, so_far);
        }
        Phase::Find { at: Some(next), step, turns, went_harder: Some(harder), ran }
    }

    /// Both ends around what was found.
    fn confirm(&self, question: &Question, last: f64, so_far: &[&Trial]) -> Phase {
        let (scale, half) = (question.scale, 1.0 + question.width / 2.0);
        let goal = so_far.last().map_or(0, |trial| trial.goal);
        let (carried, missed) = match estimate(so_far, goal, scale) {
            // Neighbours, where a share of the value is less than one.
            Some(found) if scale.whole && found * (half - 1.0) < 1.0 => {
                let carried = scale.at_most(found, 1.0);
                (carried, Some(scale.harder(carried, half)))
            }
            Some(found) => (scale.at_most(found, 1.0 / half), Some(scale.at_least(found, half))),
            // Nothing was missed below what the generator can do, or nothing was met.
            None => (scale.harder(last, 1.0 / half), None),
        };
        let mut carried = carried;
        for _ in 0..MOST_STEPS_DOWN {
            if !self.is_beyond(question, carried) {
                break;
            }
            carried = scale.harder(carried, 1.0 / half);
        }
        let missed = missed
            .filter(|at| scale.load(*at) > scale.load(carried) && !self.is_beyond(question, *at));
        let end = |at: f64| End { at, contrary: 0 };
        Phase::Confirm { carried: Some(end(carried)), missed: missed.map(end) }
    }
}

impl End {
    /// After a trial there, which spoke for it or not; `moved` is where it goes once it is contradicted.
    fn after(self, shown: bool, at_once: bool, moved: impl Fn(f64) -> f64) -> Self {
        let contrary = self.contrary + u32::from(!shown);
        if contrary >= CONTRARY || at_once {
            return Self { at: moved(self.at), contrary: 0 };
        }
        Self { contrary, ..self }
    }
}

/// One value is asked for, and first whether it is sustained; once two trials say no, also whether it is missed.
fn gate(
    question: &Question,
    carried: Option<End>,
    missed: Option<End>,
    (role, outcome): (Role, Outcome),
) -> Phase {
    let contrary = |end: End| match (role, outcome) {
        (Role::Carried, Outcome::Missed) => End { contrary: end.contrary + 1, ..end },
        _ => end,
    };
    let carried = carried.map(contrary).filter(|_| outcome != Outcome::Void);
    let both = carried.is_some_and(|end| end.contrary >= CONTRARY);
    let at = question.gate.filter(|_| both).map(|at| End { at, contrary: 0 });
    Phase::Confirm { carried, missed: missed.or(at) }
}
