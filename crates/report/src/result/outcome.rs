//! What one run of many says of the system: that it kept up, that it was overloaded, or nothing.
//!
//! Searches and sweeps decide by it. Overload is an answer and no fault of the measurement; a run that is INVALID for any other
//! reason says nothing of the system. Invariant: decided by the cause of a failed check, never by how a figure came out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RunResult;
use crate::verdict::{Check, CheckStatus, HELD_BACK, Verdict};

/// What one run says of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It kept up: the figures may be used, with the doubts that the verdict names.
    Ok,
    /// The load was more than it serves: percentiles say how long the run was.
    Overload,
    /// The measurement failed, as by a generator that was late: nothing is known.
    Void,
}

/// Checks that fail by what the system did with the load, and not by how it was measured.
const OF_THE_SYSTEM: [&str; 2] = ["backlog", "lost"];

impl Outcome {
    /// Of a run that was made for this.
    pub fn of(result: &RunResult) -> Self {
        if result.interrupted || result.failure.is_some() {
            return Self::Void;
        }
        let more_than_planned = result.ideal.as_ref().is_some_and(|of| of.figures.queue_grows);
        Self::of_verdict(&result.verdict, more_than_planned)
    }

    /// The same by the verdict: `queue_grows` if the plan alone asks for more than its workers can do, so that the shortest
    /// queue is a beginning.
    fn of_verdict(verdict: &Verdict, queue_grows: bool) -> Self {
        let failed = |check: &&Check| check.status == CheckStatus::Fail;
        let voids = |check: &Check| !is_of_the_system(check, verdict);
        if verdict.checks.iter().filter(failed).any(voids) {
            return Self::Void;
        }
        let found = |status| {
            let mut checks = verdict.checks.iter();
            checks
                .any(|check| OF_THE_SYSTEM.contains(&check.name.as_str()) && check.status >= status)
        };
        let overloaded = found(CheckStatus::Fail)
            || verdict.checks.iter().any(|check| failed(&check))
            || queue_grows && found(CheckStatus::Warn);
        if overloaded { Self::Overload } else { Self::Ok }
    }

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Overload => "overload",
            Self::Void => "void",
        }
    }
}

/// Whether a failed check is the system's doing.
fn is_of_the_system(check: &Check, verdict: &Verdict) -> bool {
    let is = |name: &str| OF_THE_SYSTEM.contains(&name);
    // The system accepted no further request, so not all could be sent.
    let refused_requests = || {
        check.name == "delivered_rate"
            && verdict.checks.iter().any(|of| of.name == "slip" && of.sentence == HELD_BACK)
    };
    is(&check.name) || check.symptom_of.as_deref().is_some_and(is) || refused_requests()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Status;

    fn check(name: &str, status: CheckStatus) -> Check {
        Check {
            name: name.to_owned(),
            status,
            value: None,
            limit: None,
            unit: "ratio".to_owned(),
            sentence: String::new(),
            noted: false,
            symptom_of: None,
        }
    }

    fn outcome(checks: Vec<Check>, queue_grows: bool) -> Outcome {
        let verdict = Verdict { status: Status::Invalid, checks, ceiling: None };
        Outcome::of_verdict(&verdict, queue_grows)
    }

    #[test]
    fn overload_is_an_answer_and_a_late_generator_is_none() {
        use CheckStatus::{Fail, NotApplicable, Pass, Warn};
        for (checks, expected) in [
            (vec![], Outcome::Ok),
            (vec![check("backlog", Pass), check("slip", Warn)], Outcome::Ok),
            (vec![check("sample_size", Warn), check("steal", Warn)], Outcome::Ok),
            (vec![check("backlog", NotApplicable)], Outcome::Ok),
            (vec![check("backlog", Warn)], Outcome::Ok),
            (vec![check("backlog", Fail)], Outcome::Overload),
            (vec![check("backlog", Fail), check("lost", Warn)], Outcome::Overload),
            (vec![check("lost", Fail)], Outcome::Overload),
            (vec![check("backlog", Fail), check("slip", Fail)], Outcome::Void),
            (vec![check("delivered_rate", Fail)], Outcome::Void),
        ] {
            assert_eq!(outcome(checks.clone(), false), expected, "{checks:?}");
        }
        for name in
            ["slip", "generator_saturated", "clock", "conservation", "littles_law", "ending"]
        {
            assert_eq!(outcome(vec![check(name, Fail)], false), Outcome::Void, "{name}");
        }
    }

    #[test]
    fn a_plan_beyond_its_workers_is_overload_however_short_the_queue_still_is() {
        let warned = || vec![check("backlog", CheckStatus::Warn)];
        assert_eq!(outcome(warned(), true), Outcome::Overload);
        assert_eq!(outcome(vec![check("backlog", CheckStatus::Pass)], true), Outcome::Ok);
    }

    #[test]
    fn what_the_system_did_not_take_is_its_own_overload() {
        let held_back =
            Check { sentence: HELD_BACK.to_owned(), ..check("slip", CheckStatus::NotApplicable) };
        let unsent = check("delivered_rate", CheckStatus::Fail);
        assert_eq!(outcome(vec![held_back, unsent.clone()], false), Outcome::Overload);
        let explained = Check { symptom_of: Some("backlog".to_owned()), ..unsent };
        let checks = vec![explained, check("backlog", CheckStatus::Fail)];
        assert_eq!(outcome(checks, false), Outcome::Overload);
    }
}
