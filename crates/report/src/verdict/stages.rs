//! Checks that judge a level, of a load that changes: in each stage that holds a rate, and of none where it does not.
//!
//! A run is not doubted for changing as planned. Invariant: a stage that begins with the queue of another one is named, and not
//! judged for what that does.

use std::fmt::Write as _;

use super::{Check, CheckStatus, Evidence, LoadChange, StageOfLoad, TimeSeries, Twin};
use zload_core::quantity::{count, counted, duration, percent};

impl Evidence {
    /// The stages, if the load has such.
    fn stages(&self) -> &[StageOfLoad] {
        match &self.change {
            Some(LoadChange::Stages(stages)) => stages,
            Some(LoadChange::Recorded) | None => &[],
        }
    }

    /// Measured and simulated response times of the sampled requests of a stage, where both are known.
    pub fn measured_and_ideal(
        &self,
        stage: usize,
        ideal_ns: &[Option<u64>],
    ) -> impl Iterator<Item = (u64, u64)> {
        let values = &self.responses.values;
        let (from, to) = self.stages().get(stage).map_or((0, 0), |stage| stage.responses);
        let places = if ideal_ns.len() == values.len() { from..to } else { 0..0 };
        let pair = |place: usize| {
            Some((zload_core::quantity::rounded(*values.get(place)?), (*ideal_ns.get(place)?)?))
        };
        places.filter_map(pair).collect::<Vec<_>>().into_iter()
    }

    /// The same of one stage alone, as far as checks of a level look at it.
    fn of_stage(&self, number: usize, stage: &StageOfLoad) -> Self {
        let (from, to) = stage.responses;
        let part = |values: &[f64]| values.get(from..to).unwrap_or_default().to_vec();
        let twin = self.twin.as_ref().map(|twin| {
            let utilisation = twin.of_stages.get(number).copied().unwrap_or(0.0);
            Twin {
                utilisation,
                queue_grows: utilisation > 1.0,
                of_stages: Vec::new(),
                responses: part(&twin.responses),
            }
        });
        let seconds = stage.length_ns.max(1) as f64 / 1e9;
        let ends = stage.in_flight.first().zip(stage.in_flight.last());
        let grown = ends.map_or(0.0, |(start, end)| end - start);
        let ledger = stage.ledger;
        let came = ledger.replies_expected as f64 - ledger.replies_lost as f64 - grown;
        Self {
            window_ns: stage.length_ns,
            ledger,
            requests_per_s: ledger.requests_sent as f64 / seconds,
            replies_per_s: came.max(0.0) / seconds,
            open: self.open.clone(),
            work_ns: self.work_ns,
            twin,
            response: stage.response,
            in_flight: TimeSeries { values: stage.in_flight.clone(), every: 1 },
            responses: TimeSeries {
                values: part(&self.responses.values),
                every: self.responses.every,
            },
            effective_sizes: stage.effective_sizes.clone(),
            ..Self::default()
        }
    }
}

/// A check of a level: of the run, or of each of its stages that holds one.
pub(super) fn of_level(evidence: &Evidence, check: impl Fn(&Evidence) -> Check) -> Check {
    let judge = |number: usize, stage: &StageOfLoad| check(&evidence.of_stage(number, stage));
    match &evidence.change {
        None => check(evidence),
        Some(LoadChange::Recorded) => Check::not_applicable(RECORDED),
        Some(LoadChange::Stages(stages)) => {
            worst(
                stages,
                |number, stage| {
                    if queue_grew(stage) { None } else { Some(judge(number, stage)) }
                },
            )
        }
    }
}

/// A check of the figures of each stage that has percentiles; a recorded load has those of the whole.
pub(super) fn of_each(evidence: &Evidence, check: impl Fn(&Evidence) -> Check) -> Check {
    let stages = evidence.stages();
    if stages.is_empty() {
        return check(evidence);
    }
    let all: Vec<StageOfLoad> =
        stages.iter().map(|stage| StageOfLoad { begins_with: None, ..stage.clone() }).collect();
    worst(&all, |number, stage| Some(check(&evidence.of_stage(number, stage))))
}

/// A check of the start of the window, which is that of its first stage.
pub(super) fn of_start(evidence: &Evidence, check: impl Fn(&Evidence) -> Check) -> Check {
    let first = match &evidence.change {
        None => return check(evidence),
        Some(LoadChange::Recorded) => return Check::not_applicable(RECORDED),
        Some(LoadChange::Stages(stages)) => stages.first(),
    };
    match first {
        Some(stage) if stage.holds => named(stage, check(&evidence.of_stage(0, stage))),
        _ => Check::not_applicable("the load changes from the start, as planned"),
    }
}

/// Whether the system kept up. A stage may ask for more than the system can do, if it catches up: a spike is planned to.
pub(super) fn backlog(evidence: &Evidence, check: impl Fn(&Evidence) -> Check) -> Check {
    let stages = match &evidence.change {
        None => return check(evidence),
        Some(LoadChange::Recorded) => return Check::not_applicable(RECORDED),
        Some(LoadChange::Stages(stages)) => stages,
    };
    worst(stages, |number, stage| {
        let part = evidence.of_stage(number, stage);
        let found = check(&part);
        if found.status < CheckStatus::Warn {
            return Some(found);
        }
        let end = part.in_flight.values.last().copied().unwrap_or(0.0);
        let asked =
            part.twin.filter(|twin| twin.utilisation > 1.0).map_or_else(String::new, |twin| {
                format!(", as its load is {} of the workers' capacity", percent(twin.utilisation))
            });
        let queue =
            format!("{} in flight at its end{asked}", count(zload_core::quantity::rounded(end)));
        if let Some(ns) = stage.caught_up_after_ns {
            let sentence = format!("{queue}; caught up {} after it", duration(ns));
            return Some(Check { status: CheckStatus::Pass, sentence, noted: true, ..found });
        }
        let sentence = format!(
            "{queue}, and the system had not caught up when the run ended: {NOT_CAUGHT_UP}"
        );
        Some(Check { status: CheckStatus::Warn, sentence, ..found })
    })
}

const NOT_CAUGHT_UP: &str = "its response times grow with its length. Follow it by a stage in which the system can catch up, or lower its rate";

const RECORDED: &str = "the load changes as it was recorded";

/// Whether a stage's own queue grew, so that nothing in it stays at a level.
fn queue_grew(stage: &StageOfLoad) -> bool {
    stage.caught_up_after_ns != Some(0)
}

fn named(stage: &StageOfLoad, check: Check) -> Check {
    Check { sentence: format!("stage {}: {}", stage.name, check.sentence), ..check }
}

/// The worst that is found in a stage that holds a rate, and which of them are not judged; `None` is a queue of its own.
fn worst(stages: &[StageOfLoad], judge: impl Fn(usize, &StageOfLoad) -> Option<Check>) -> Check {
    let (mut found, mut left_out): (Option<Check>, Vec<String>) = (None, Vec::new());
    // A check that has data says more than one without.
    let weight = |check: &Check| match check.status {
        CheckStatus::NotApplicable => 0,
        CheckStatus::Pass => 1 + u8::from(check.noted),
        CheckStatus::Warn => 3,
        CheckStatus::Fail => 4,
    };
    for (number, stage) in stages.iter().enumerate().filter(|(_, stage)| stage.holds) {
        if let Some((from, replies)) = &stage.begins_with {
            let replies = counted(*replies, "reply").replace("replys", "replies");
            left_out.push(format!("{} begins with {replies} in flight from {from}", stage.name));
            continue;
        }
        let Some(check) = judge(number, stage) else {
            left_out.push(format!("the queue of {} grew (see backlog)", stage.name));
            continue;
        };
        if found.as_ref().is_none_or(|worst| weight(&check) > weight(worst)) {
            found = Some(named(stage, check));
        }
    }
    let Some(mut check) = found else {
        let why = if left_out.is_empty() {
            "no stage holds a rate".to_owned()
        } else {
            format!("no stage stays at a level: {}", left_out.join(", "))
        };
        return Check::not_applicable(&why);
    };
    if !left_out.is_empty() {
        write!(check.sentence, "; not judged: {}", left_out.join(", "))
            .expect("writing to a string cannot fail");
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, holds: bool) -> StageOfLoad {
        StageOfLoad {
            name: name.to_owned(),
            holds,
            caught_up_after_ns: Some(0),
            ..StageOfLoad::default()
        }
    }

    fn with(stages: Vec<StageOfLoad>) -> Evidence {
        Evidence { change: Some(LoadChange::Stages(stages)), ..Evidence::default() }
    }

    fn passed() -> Check {
        Check {
            status: CheckStatus::Pass,
            sentence: "fine".to_owned(),
            ..Check::not_applicable("")
        }
    }

    #[test]
    fn only_stages_that_hold_a_rate_and_stay_at_it_are_judged() {
        let after =
            StageOfLoad { begins_with: Some(("peak".to_owned(), 1_000)), ..stage("rest", true) };
        let peak = StageOfLoad { caught_up_after_ns: Some(2_000_000_000), ..stage("peak", true) };
        let evidence = with(vec![stage("base", true), stage("climb", false), peak, after]);
        let check = of_level(&evidence, |_| passed());
        assert_eq!(
            check.sentence,
            "stage base: fine; not judged: the queue of peak grew (see backlog), rest begins with 1,000 replies in flight from peak"
        );
        let ramp = with(vec![stage("climb", false)]);
        for check in [
            of_level(&ramp, |_| passed()),
            backlog(&ramp, |_| passed()),
            of_start(&ramp, |_| passed()),
        ] {
            assert_eq!(check.status, CheckStatus::NotApplicable);
        }
        let replay = Evidence { change: Some(LoadChange::Recorded), ..Evidence::default() };
        assert_eq!(of_level(&replay, |_| passed()).sentence, RECORDED);
    }

    #[test]
    fn a_queue_is_a_doubt_only_if_it_is_not_caught_up() {
        let grown = || Check { status: CheckStatus::Fail, ..passed() };
        let queue = |caught_up_after_ns| {
            let peak = StageOfLoad {
                caught_up_after_ns,
                in_flight: vec![0.0, 1_000.0],
                ..stage("peak", true)
            };
            backlog(&with(vec![peak]), |_| grown())
        };
        let back = queue(Some(2_000_000_000));
        assert!(back.status == CheckStatus::Pass && back.noted);
        assert_eq!(
            back.sentence,
            "stage peak: 1,000 in flight at its end; caught up 2.00 s after it"
        );
        let never = queue(None);
        assert!(never.status == CheckStatus::Warn && never.sentence.contains("had not caught up"));
    }
}
