//! `run.stop_when`: when a run ends before its plan does, as in `series.p99 > 1s for 3s`.
//!
//! Here is its form alone, as of thresholds. Invariant: a condition prints in a form that reads back as the same condition.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::threshold::{Threshold, pattern};

const SECOND_NS: u64 = 1_000_000_000;
const FORM: &str =
    "a condition is written as in \"series.p99 > 1s for 3s\" or \"ledger.requests_lost > 1000\"";

/// Ends the sending once it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StopCondition {
    /// What must hold at the end of a second.
    pub limit: Threshold,
    /// In how many seconds in a row.
    pub seconds: u64,
}

impl FromStr for StopCondition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (limit, span) = match text.split_once(" for ") {
            Some((limit, span)) => (limit, span.trim()),
            None => (text, "1s"),
        };
        let span: super::Nanos = span.parse().map_err(|why| format!("{why}; {FORM}"))?;
        if span.0 == 0 || !span.0.is_multiple_of(SECOND_NS) {
            return Err(format!("`for {span}` must be whole seconds; {FORM}"));
        }
        let limit = limit.trim().parse().map_err(|why| format!("{why}; {FORM}"))?;
        Ok(Self { limit, seconds: span.0 / SECOND_NS })
    }
}

impl fmt::Display for StopCondition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limit.fmt(formatter)?;
        match self.seconds {
            1 => Ok(()),
            seconds => write!(formatter, " for {}", super::Nanos::from_secs(seconds)),
        }
    }
}

impl Serialize for StopCondition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StopCondition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for StopCondition {
    fn schema_name() -> Cow<'static, str> {
        "StopCondition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A figure of the seconds or of the ledger, a comparison and a value, and for how many seconds in a row.",
            "pattern": format!(r"^{}(\s+for\s+[0-9.a-zµ]+)?$", pattern()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_reads_as_people_write_it() {
        for (text, seconds) in [
            ("series.p99 > 1s for 3s", 3),
            ("ledger.requests_lost > 1000", 1),
            ("series.in_flight >= 5000 for 1m30s", 90),
        ] {
            let condition: StopCondition = text.parse().unwrap();
            assert_eq!((condition.seconds, condition.to_string().as_str()), (seconds, text));
        }
        for (text, said) in [
            ("series.p99 > 1s for 0s", "whole seconds"),
            ("series.p99 > 1s for 1500ms", "whole seconds"),
            ("series.p99 > 1s for ever", "a duration needs a unit"),
            ("series.p99", "no comparison"),
        ] {
            let problem = text.parse::<StopCondition>().unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }
}
