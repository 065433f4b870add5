//! Whether the tool measures truly on the machine at hand: trials with faults that are known beforehand.
//!
//! A trial runs a scenario against something known and compares the result with arithmetic. Times
//! are compared with an allowance, `Bench::allowance_ns`: what the machine did in the very seconds of the trial to a
//! thread that only sleeps, and what a round trip without work takes. So a busy machine widens what may be seen and does
//! not fail a trial wrongly; where it widens it so far that nothing would be proven, the trial is made once more, and
//! then could not be judged. Invariant: what judges is a pure function of figures, and has tests with wrong ones.

mod bench;
mod conservation;
mod delay;
mod held_back;
mod intervals;
mod lockstep;
mod losses;
mod schedule;
mod stall;
mod starved;
mod twin;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use bench::Bench;
use zload_core::quantity::duration;
use zload_core::scenario::ClientEngine;
use zload_report::result::{Environment, Figure, Floor, SelftestResult, Trial};

/// A trial: its name, what is planted, and how it is made.
struct Kind {
    name: &'static str,
    planted: &'static str,
    make: fn(&Bench<'_>) -> Result<Found, Error>,
}

#[derive(Debug, Clone, PartialEq)]
struct Found {
    figures: Vec<Figure>,
    /// Where time plays a part: what was allowed, and the most with which the trial proves something, in nanoseconds.
    allowance: Option<(u64, u64)>,
}

/// All trials, those that need no machine last.
const KINDS: [Kind; 10] = [
    delay::KIND,
    lockstep::KIND,
    intervals::KIND,
    stall::KIND,
    losses::KIND,
    schedule::KIND,
    held_back::KIND,
    starved::KIND,
    conservation::KIND,
    twin::KIND,
];

const WRONG: &str = "the measurement differs from the known truth: do not trust measurements on this machine until the cause is known";

const ATTEMPTS: u32 = 2;

/// Makes all trials with clients that speak with `engine`; says before each which of how many it is, and its name. Ends early when `interrupted` becomes true.
pub(crate) fn run(
    environment: Environment,
    interrupted: &AtomicBool,
    engine: ClientEngine,
    begins: &mut dyn FnMut(usize, usize, &str),
) -> Result<SelftestResult, Error> {
    let steps = KINDS.len() + 1;
    begins(1, steps, "baseline of the machine");
    let floor = Floor::default();
    let mut bench = Bench { environment: &environment, interrupted, engine, floor };
    match bench.measure_floor() {
        Err(Error::Interrupted) => {
            return Ok(SelftestResult::new(environment, None, Vec::new(), false));
        }
        measured => measured?,
    }
    let mut trials = Vec::new();
    for (step, kind) in (2..).zip(&KINDS) {
        begins(step, steps, kind.name);
        let trial = kind.try_twice(&mut bench);
        // What was cut short says nothing.
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        trials.push(trial);
    }
    let (floor, all) = (bench.floor, trials.len() == KINDS.len());
    Ok(SelftestResult::new(environment, Some(floor), trials, all))
}

impl Kind {
    fn try_twice(&self, bench: &mut Bench<'_>) -> Trial {
        let mut trial = self.judged(1, (self.make)(bench));
        for attempt in 2..=ATTEMPTS {
            if trial.passed || bench.interrupted.load(Ordering::Relaxed) {
                break;
            }
            // The machine may have been busy then, or be so now.
            let again = bench.measure_floor().and_then(|()| (self.make)(bench));
            let again = self.judged(attempt, again);
            // What was seen to be wrong is not made good by a machine that is too busy to see.
            if again.judged || !trial.judged {
                trial = again;
            }
        }
        trial
    }

    fn judged(&self, attempts: u32, found: Result<Found, Error>) -> Trial {
        let (found, error) = match found {
            Ok(found) => (found, None),
            Err(error) => (Found { figures: Vec::new(), allowance: None }, Some(error.to_string())),
        };
        let too_busy = found.too_busy();
        let judged = too_busy.is_none();
        let reason =
            error.or(too_busy).or_else(|| (!hold(&found.figures)).then(|| WRONG.to_owned()));
        Trial {
            name: self.name.to_owned(),
            planted: self.planted.to_owned(),
            passed: reason.is_none(),
            judged,
            attempts,
            allowance_ns: found.allowance.map(|(ns, _)| ns),
            allowance_most_ns: found.allowance.map(|(_, most_ns)| most_ns),
            reason,
            figures: found.figures,
        }
    }
}

impl Found {
    /// Why the trial cannot be judged, if it cannot.
    fn too_busy(&self) -> Option<String> {
        let (ns, most_ns) = self.allowance.filter(|(ns, most_ns)| ns > most_ns)?;
        Some(format!(
            "this machine was too busy: sleeping threads woke so late that the tolerance was {}, and above {} this trial proves nothing. Try again when nothing else runs",
            duration(ns),
            duration(most_ns)
        ))
    }
}

fn hold(figures: &[Figure]) -> bool {
    figures.iter().all(|figure| figure.holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(figures: Vec<Figure>, allowance: Option<(u64, u64)>) -> Trial {
        delay::KIND.judged(2, Ok(Found { figures, allowance }))
    }

    fn result(trials: Vec<Trial>, all: bool) -> SelftestResult {
        SelftestResult::new(crate::environment::describe(), None, trials, all)
    }

    #[test]
    fn a_trial_passes_only_if_every_figure_holds() {
        let (right, wrong) = (Figure::exactly("x", 1, 1), Figure::exactly("x", 1, 2));
        assert!(judged(vec![right.clone()], Some((5, 10))).passed);
        let lie = judged(vec![right, wrong], Some((5, 10)));
        assert!(!lie.passed && lie.reason.unwrap().contains("differs from the known truth"));
    }

    #[test]
    fn a_machine_too_busy_to_prove_anything_is_said_to_be() {
        let busy = judged(vec![Figure::exactly("x", 1, 1)], Some((11, 10)));
        assert!(!busy.passed && !busy.judged);
        assert!(busy.reason.clone().unwrap().starts_with("this machine was too busy"));
        let of_busy = result(vec![busy.clone()], true);
        assert!(!of_busy.passed && of_busy.failed() == 0, "what was not judged has not failed");
        let wrong = judged(vec![Figure::exactly("x", 1, 2)], None);
        assert_eq!(result(vec![busy, wrong], true).failed(), 1);
    }

    #[test]
    fn a_trial_that_cannot_be_made_has_failed_with_the_reason() {
        let trial = delay::KIND.judged(1, Err(Error::Failed("no more ports".to_owned())));
        assert_eq!((trial.passed, trial.reason.as_deref()), (false, Some("no more ports")));
    }

    #[test]
    fn a_selftest_with_a_trial_missing_has_not_passed() {
        let trial = judged(vec![Figure::exactly("x", 1, 1)], None);
        assert!(result(vec![trial.clone()], true).passed);
        assert!(!result(vec![trial], false).passed);
    }
}
