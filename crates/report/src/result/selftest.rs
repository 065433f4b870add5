//! What `zload selftest` writes: trials of what is known beforehand, each with what was expected and what was seen.
//!
//! Invariant: a trial has failed only if it was judged, it has passed only if all its figures hold, and the selftest only if all trials have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Environment;

/// Version of the format that `zload selftest` writes.
pub const SELFTEST_SCHEMA: &str = "zload.selftest/1";

/// Whether zload measures correctly on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelftestResult {
    /// Always [`SELFTEST_SCHEMA`].
    pub schema: String,
    /// Where and with what it ran.
    pub environment: Environment,
    /// True after Ctrl-C or SIGTERM: the trials are those that had ended.
    pub interrupted: bool,
    /// Every trial ran and passed.
    pub passed: bool,
    /// The baseline of the machine, as last measured: at the start, and before a trial is repeated.
    /// Null if the end came before it was known.
    pub floor: Option<Floor>,
    /// The trials, in order.
    pub trials: Vec<Trial>,
}

/// The baseline of the machine, which is part of every measurement; not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Floor {
    /// What reading the clock once costs.
    pub clock_read_ns: f64,
    /// The smallest step of the clock; null if it did not move.
    pub clock_resolution_ns: Option<u64>,
    /// By how much sleeps of 1 ms are too long: the median.
    pub sleep_overshoot_p50_ns: u64,
    /// The 99th percentile of the same.
    pub sleep_overshoot_p99_ns: u64,
    /// From a client through proxy and worker and back, one request at a time, without work: the median.
    pub idle_round_trip_p50_ns: u64,
    /// The 90th percentile of the same.
    pub idle_round_trip_p90_ns: u64,
    /// The same after a rest of 10 ms before each request: the median.
    pub rested_round_trip_p50_ns: u64,
    /// The 90th percentile of the same.
    pub rested_round_trip_p90_ns: u64,
}

/// One known effect, and what zload reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Its name.
    pub name: String,
    /// The known effect, in a sentence.
    pub planted: String,
    /// Every figure is as expected, and the machine was quiet enough to judge.
    pub passed: bool,
    /// False if the machine was too busy for the trial to prove anything, so that it has neither passed nor failed.
    #[serde(default = "yes")]
    pub judged: bool,
    /// Attempts: a second one if the first failed.
    pub attempts: u32,
    /// The tolerance for the machine's own delays during the trial; null where time does not matter.
    pub allowance_ns: Option<u64>,
    /// The largest tolerance with which the trial still proves something.
    pub allowance_most_ns: Option<u64>,
    /// Why it failed or could not be judged, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Expected and measured figures of the last attempt.
    pub figures: Vec<Figure>,
}

/// One figure, with its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Lower limit; null if there is none.
    pub at_least: Option<u64>,
    /// Upper limit; null if there is none.
    pub at_most: Option<u64>,
    /// Measured value; null if there was none, which fails.
    pub seen: Option<u64>,
    /// Whether it is within the limits.
    pub holds: bool,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Things.
    Count,
    /// 1 for yes, 0 for no.
    Truth,
}

/// Results of older versions do not say.
fn yes() -> bool {
    true
}

impl SelftestResult {
    /// The trials that were judged and failed.
    pub fn failed(&self) -> usize {
        self.trials.iter().filter(|trial| trial.judged && !trial.passed).count()
    }

    /// The overall result of the trials. `all` says whether none is missing.
    pub fn new(
        environment: Environment,
        floor: Option<Floor>,
        trials: Vec<Trial>,
        all: bool,
    ) -> Self {
        Self {
            schema: SELFTEST_SCHEMA.to_owned(),
            environment,
            interrupted: !all,
            passed: all && trials.iter().all(|trial| trial.passed),
            floor,
            trials,
        }
    }
}

impl Figure {
    fn new(name: &str, unit: Unit, limits: (Option<u64>, Option<u64>), seen: Option<u64>) -> Self {
        let (at_least, at_most) = limits;
        let holds = seen.is_some_and(|seen| {
            at_least.is_none_or(|least| seen >= least) && at_most.is_none_or(|most| seen <= most)
        });
        Self { name: name.to_owned(), unit, at_least, at_most, seen, holds }
    }

    /// A time in nanoseconds that may be from `at_least` to `at_most`.
    pub fn time(name: &str, at_least: u64, at_most: u64, seen: Option<u64>) -> Self {
        Self::new(name, Unit::Ns, (Some(at_least), Some(at_most)), seen)
    }

    /// A time in nanoseconds that may be anything from `at_least`.
    pub fn time_from(name: &str, at_least: u64, seen: Option<u64>) -> Self {
        Self::new(name, Unit::Ns, (Some(at_least), None), seen)
    }

    /// A time in nanoseconds that may be anything up to `at_most`.
    pub fn time_to(name: &str, at_most: u64, seen: Option<u64>) -> Self {
        Self::new(name, Unit::Ns, (None, Some(at_most)), seen)
    }

    /// A count that is known exactly.
    pub fn exactly(name: &str, expected: u64, seen: u64) -> Self {
        Self::new(name, Unit::Count, (Some(expected), Some(expected)), Some(seen))
    }

    /// A count that may be from `at_least` to `at_most`.
    pub fn count(name: &str, at_least: u64, at_most: u64, seen: u64) -> Self {
        Self::new(name, Unit::Count, (Some(at_least), Some(at_most)), Some(seen))
    }

    /// Something that must be so, or must not.
    pub fn truth(name: &str, expected: bool, seen: bool) -> Self {
        let expected = Some(u64::from(expected));
        Self::new(name, Unit::Truth, (expected, expected), Some(u64::from(seen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_holds_within_its_limits_and_never_unseen() {
        let holds = |seen| Figure::time("x", 10, 20, seen).holds;
        assert_eq!(
            [Some(9), Some(10), Some(20), Some(21), None].map(holds),
            [false, true, true, false, false]
        );
        assert!(Figure::time_from("x", 10, Some(u64::MAX)).holds);
        assert!(!Figure::time_from("x", 10, Some(9)).holds);
        assert!(!Figure::time_to("x", 10, Some(11)).holds && !Figure::time_to("x", 10, None).holds);
        assert!(Figure::exactly("x", 3, 3).holds && !Figure::exactly("x", 3, 4).holds);
        assert!(Figure::truth("x", true, true).holds && !Figure::truth("x", false, true).holds);
    }
}
