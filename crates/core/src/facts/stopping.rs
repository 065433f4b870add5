//! Whether a run must end before its plan does: `run.stop_when`, looked at when a second is over.

use serde_json::Value;

use crate::quantity::counted;
use crate::record::{Ledger, SeriesEntry};
use crate::scenario::StopCondition;

/// What a condition can be about, by the first word of its field.
const SERIES: &str = "series.";
const LEDGER: &str = "ledger.";

/// The conditions of a run, and in how many seconds in a row each has held.
#[derive(Debug, Default)]
pub struct Stopping {
    conditions: Vec<(StopCondition, u64)>,
}

impl Stopping {
    /// Those of a scenario.
    pub fn new(conditions: &[StopCondition]) -> Self {
        Self { conditions: conditions.iter().map(|condition| (condition.clone(), 0)).collect() }
    }

    /// A second is over: why the sending ends with it, if it does. A second without the figure breaks a row.
    pub fn look(&mut self, second: &SeriesEntry, ledger: &Ledger) -> Option<String> {
        if self.conditions.is_empty() {
            return None;
        }
        let [series, ledger] = [serde_json::to_value(second), serde_json::to_value(ledger)]
            .map(Result::unwrap_or_default);
        let mut found = None;
        for (condition, held) in &mut self.conditions {
            let limit = &condition.limit;
            let value = number(&limit.field, &series, &ledger);
            let holds =
                value.is_some_and(|it| limit.relation.holds(it, limit.limit.in_base_units()));
            *held = if holds { *held + 1 } else { 0 };
            if *held == condition.seconds && found.is_none() {
                let second = second.offset_ns / 1_000_000_000 + 1;
                found = Some(format!("{condition}, after {}", counted(second, "second")));
            }
        }
        found
    }
}

fn number(field: &str, series: &Value, ledger: &Value) -> Option<f64> {
    let (object, key) = match (field.strip_prefix(SERIES), field.strip_prefix(LEDGER)) {
        (Some(key), _) => (series, key),
        (None, Some(key)) => (ledger, key),
        (None, None) => return None,
    };
    object.get(key).or_else(|| object.get(format!("{key}_ns")))?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_must_hold_in_so_many_seconds_in_a_row() {
        let conditions = ["series.p99 > 1s for 2s", "ledger.requests_lost > 10"];
        let conditions = conditions.map(|text| text.parse().unwrap());
        let mut stopping = Stopping::new(&conditions);
        let mut look = |second: u64, p99_ns, requests_lost| {
            let entry =
                SeriesEntry { offset_ns: second * 1_000_000_000, p99_ns, ..SeriesEntry::default() };
            stopping.look(&entry, &Ledger { requests_lost, ..Ledger::default() })
        };
        let slow = Some(1_000_000_001);
        assert_eq!(look(0, slow, 0), None);
        assert_eq!(look(1, None, 0), None, "no figure, no row");
        assert_eq!(look(2, slow, 10), None);
        assert_eq!(look(3, slow, 10), Some("series.p99 > 1s for 2s, after 4 seconds".to_owned()));
        assert_eq!(
            look(4, None, 11),
            Some("ledger.requests_lost > 10, after 5 seconds".to_owned())
        );
        assert_eq!(Stopping::new(&[]).look(&SeriesEntry::default(), &Ledger::default()), None);
    }
}
