//! The thresholds of a run: whether its figures are what the scenario says they must be.
//!
//! A limit needs a figure: one that the result does not have never meets it, and neither does one of a run that is
//! INVALID. Invariant: pure; the same result gives the same outcomes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures::{self, Figure, number};
use super::stage_threshold;
use super::{FieldUnit, RunResult, to_value};
use crate::verdict::Status;
use zload_core::quantity::counted;
use zload_core::scenario::{Amount, Relation, Scenario, Threshold, ValueError};

/// Fields of the series that count over their second: where it was cut short they are no figures of a second.
const COUNTED_OVER_THE_SECOND: [&str; 2] = ["requests", "replies"];
/// Seconds that are named in a sentence.
const MOST_NAMED: usize = 8;

/// The outcome of a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdOutcome {
    /// The threshold, as in the scenario.
    pub limit: String,
    /// The field's name in full.
    pub field: String,
    /// The value, in `unit`; of a limit for each second the worst. Null if there is none.
    pub value: Option<f64>,
    /// Unit of `value`.
    pub unit: FieldUnit,
    /// Whether it is met. Without a value it is not, nor if the run is INVALID.
    pub met: bool,
    /// Of a limit for each second: those that missed it, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed_seconds: Vec<u64>,
    /// What was found, in words; if there is no value, why not.
    pub sentence: String,
}

/// What a result objects to in the thresholds of a scenario: a field that it does not have, or a limit in another unit.
pub fn threshold_error(scenario: &Scenario) -> Option<ValueError> {
    let error = |path, item, (message, help)| {
        Some(ValueError { path, item: Some(item), message, help: Some(help) })
    };
    let limits = &scenario.thresholds.limits;
    let in_limits = limits.iter().enumerate().find_map(|(item, threshold)| {
        let field = &threshold.field;
        let wrong = if stage_threshold::is_of_stage(field) {
            stage_threshold::wrong(scenario, field, threshold.limit)
        } else {
            wrong(scenario, threshold)
                .or_else(|| stage_threshold::wrong_over_stages(scenario, field))
        };
        error("thresholds.limits", item, wrong?)
    });
    in_limits.or_else(|| {
        let mut conditions = scenario.run.stop_when.iter().enumerate();
        conditions.find_map(|(item, condition)| {
            let limit = &condition.limit;
            error("run.stop_when", item, wrong(scenario, limit).or_else(|| wrong_meanwhile(limit))?)
        })
    })
}

/// What is wrong with a condition that is looked at while the run goes on.
fn wrong_meanwhile(limit: &Threshold) -> Option<(String, String)> {
    const KNOWN_AT_THE_END: [&str; 2] = ["ledger.requests_planned", "ledger.requests_unsent"];
    let field = &*limit.field;
    let known = field.starts_with("series.") || field.starts_with("ledger.");
    if known && !KNOWN_AT_THE_END.contains(&field) && field != "series.offset" {
        return None;
    }
    let help = "write a figure of the seconds, as series.p99 or series.in_flight, or of the ledger so far, as ledger.requests_lost";
    Some((format!("`{field}` is known only when the run is over"), help.to_owned()))
}

/// The figure of a threshold, also of one on a single operation.
pub(super) fn figure_of(threshold: &Threshold) -> Option<&'static Figure> {
    match threshold.operation() {
        None => figures::named(&threshold.field),
        Some((_, name)) => {
            let name = name.strip_suffix("_ns").unwrap_or(name);
            figures::of_operation().find(|figure| figure.name == name)
        }
    }
}

/// What is wrong with a threshold on an operation, by its names alone.
fn wrong_operation(scenario: &Scenario, threshold: &Threshold) -> Option<(String, String)> {
    let (operation, name) = threshold.operation()?;
    let mix = scenario.request.as_ref().map(|request| &request.mix[..]).unwrap_or_default();
    if !mix.iter().any(|of| of.name == operation) {
        let names: Vec<String> = mix.iter().map(|of| format!("`{}`", of.name)).collect();
        let help = match &names[..] {
            [] => "the scenario has no operations (request.mix)".to_owned(),
            names => format!("the operations are {}", names.join(", ")),
        };
        return Some((format!("unknown operation `{operation}`"), help));
    }
    if figure_of(threshold).is_some() {
        return None;
    }
    let names: Vec<&str> = figures::of_operation().map(|figure| figure.name).collect();
    Some((
        format!("an operation has no figure `{name}`"),
        format!("name one of them after the operation and a dot: {}", names.join(", ")),
    ))
}

pub(crate) fn wrong(scenario: &Scenario, threshold: &Threshold) -> Option<(String, String)> {
    if let Some(wrong) = wrong_operation(scenario, threshold) {
        return Some(wrong);
    }
    let name = &threshold.field;
    let Some(figure) = figure_of(threshold) else {
        let members = figures::within(name);
        if !members.is_empty() {
            let help = format!("name one of them after a dot: {}", members.join(", "));
            return Some((format!("`{name}` is a group of figures"), help));
        }
        let nearest = figures::nearest(name)
            .map_or_else(String::new, |nearest| format!("did you mean `{nearest}`? "));
        let help = format!(
            "{nearest}fields are named as in the result, without `_ns`: first_reply.p99, \
             throughput.replies_per_s, ledger.requests_lost, series.p99; see zload schema result"
        );
        return Some((format!("unknown field `{name}`"), help));
    };
    let share = matches!(threshold.limit, Amount::Percent(_));
    if figure.unit.takes(threshold.limit) && (!share || figure.is_share()) {
        return None;
    }
    let message = format!("`{name}` cannot be compared with {}", threshold.limit);
    Some((message, format!("it is {}", figure.unit.in_words())))
}

/// The outcome of each threshold of the scenario.
pub(super) fn outcomes(result: &RunResult) -> Vec<ThresholdOutcome> {
    let limits = &result.scenario.thresholds.limits;
    if limits.is_empty() {
        return Vec::new();
    }
    let object = to_value(result);
    let whole = result.whole_seconds();
    let stages = result.scenario.load.stages.as_ref();
    let judged = limits.iter().map(|threshold| {
        match stage_threshold::find(stages, &object, &threshold.field) {
            Some(figure) => of_stage(threshold, figure),
            None => outcome(threshold, &object, &whole),
        }
    });
    let mut outcomes: Vec<ThresholdOutcome> = judged.collect();
    if result.verdict.status == Status::Invalid {
        for outcome in &mut outcomes {
            outcome.met = false;
            outcome.sentence += " (INVALID)";
        }
    }
    outcomes
}

pub(crate) fn outcome(threshold: &Threshold, result: &Value, whole: &[bool]) -> ThresholdOutcome {
    let Some(figure) = figure_of(threshold) else {
        // Only a scenario that was not validated can have one.
        return missing(threshold, None, "a result has no such field");
    };
    if let Some(key) = figure.of_each_second() {
        return each_second(threshold, figure, &seconds(result, key, whole));
    }
    let Some(result) = part_of(threshold, result) else {
        return missing(threshold, Some(figure), "the run has no such operation");
    };
    match number(result, figure.name) {
        None => missing(threshold, Some(figure), &figure.why_null(result)),
        Some(value) => {
            let met = threshold.relation.holds(value, threshold.limit.in_base_units());
            let sentence = format!("it is {}", shown(figure.unit, value, threshold, met));
            ThresholdOutcome { value: Some(value), met, ..found(threshold, Some(figure), sentence) }
        }
    }
}

/// The outcome of a limit on a stage's figure: its name, its unit, and its value or why there is none.
fn of_stage(
    threshold: &Threshold,
    (field, unit, value): (String, FieldUnit, Result<f64, String>),
) -> ThresholdOutcome {
    let (value, met, sentence) = match value {
        Ok(value) => {
            let met = threshold.relation.holds(value, threshold.limit.in_base_units());
            (Some(value), met, format!("it is {}", shown(unit, value, threshold, met)))
        }
        Err(why) => (None, false, format!("no value: {why}")),
    };
    ThresholdOutcome { field, value, unit, met, ..found(threshold, None, sentence) }
}

/// What the names of a threshold's figures are within: the result, or one operation of it.
fn part_of<'a>(threshold: &Threshold, result: &'a Value) -> Option<&'a Value> {
    let Some((name, _)) = threshold.operation() else { return Some(result) };
    let operations = result["request"]["operations"].as_array()?;
    operations.iter().find(|operation| operation["name"] == name)
}

/// An outcome without a value, yet.
fn found(threshold: &Threshold, figure: Option<&Figure>, sentence: String) -> ThresholdOutcome {
    ThresholdOutcome {
        limit: threshold.to_string(),
        field: match figure.filter(|_| threshold.operation().is_none()) {
            Some(figure) => figure.name.to_owned(),
            None => threshold.field.clone(),
        },
        value: None,
        unit: figure.map_or(FieldUnit::Number, |figure| figure.unit),
        met: false,
        missed_seconds: Vec::new(),
        sentence,
    }
}

fn missing(threshold: &Threshold, figure: Option<&Figure>, why: &str) -> ThresholdOutcome {
    found(threshold, figure, format!("no value: {why}"))
}

/// A value for people; with all its digits if those that people read would contradict the outcome.
fn shown(unit: FieldUnit, value: f64, threshold: &Threshold, met: bool) -> String {
    let share = matches!(threshold.limit, Amount::Percent(_));
    let show = |value: f64| {
        if share { format!("{:.2} %", value * 100.0) } else { unit.show(value) }
    };
    let text = show(value);
    if !met && text == show(threshold.limit.in_base_units()) {
        return format!("{text} ({})", unit.show_exactly(value));
    }
    text
}

/// The seconds that can be judged, counted from 1, each with its figure if it has one.
fn seconds(result: &Value, key: &str, whole: &[bool]) -> Vec<(u64, Option<f64>)> {
    let entries = result["series"].as_array().into_iter().flatten();
    let counted = COUNTED_OVER_THE_SECOND.contains(&key);
    (1..)
        .zip(entries.map(|entry| number(entry, key)))
        .zip(whole)
        .filter(|((_, value), whole)| **whole || (value.is_some() && !counted))
        .map(|(second, _)| second)
        .collect()
}

/// A limit that must hold in each second.
fn each_second(
    threshold: &Threshold,
    figure: &Figure,
    seconds: &[(u64, Option<f64>)],
) -> ThresholdOutcome {
    let limit = threshold.limit.in_base_units();
    let meets = |value: f64| threshold.relation.holds(value, limit);
    let missed: Vec<u64> = seconds
        .iter()
        .filter(|(_, value)| !value.is_some_and(meets))
        .map(|(second, _)| *second)
        .collect();
    let mut values: Vec<f64> = seconds.iter().filter_map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        let why = if seconds.is_empty() {
            "the run has no whole second"
        } else {
            "every second has too few replies"
        };
        return ThresholdOutcome {
            missed_seconds: missed,
            ..missing(threshold, Some(figure), why)
        };
    };
    let worst = match threshold.relation {
        Relation::Above | Relation::AtLeast => *least,
        Relation::Below | Relation::AtMost => *most,
        Relation::Equal | Relation::Unequal => {
            *values.iter().find(|value| !meets(**value)).unwrap_or(most)
        }
    };
    let met = missed.is_empty();
    let range = format!(
        "from {} to {} in {}",
        shown(figure.unit, *least, threshold, met || meets(*least)),
        shown(figure.unit, *most, threshold, met || meets(*most)),
        counted(seconds.len() as u64, "second")
    );
    let silent = seconds.len() - values.len();
    let mut sentence = if met { range } else { format!("{range}; {}", named(&missed)) };
    if silent > 0 {
        sentence += &format!(", of which {silent} had too few replies");
    }
    ThresholdOutcome {
        value: Some(worst),
        met,
        missed_seconds: missed,
        ..found(threshold, Some(figure), sentence)
    }
}

/// `missed in seconds 3, 4, 9`.
fn named(missed: &[u64]) -> String {
    let first: Vec<String> = missed.iter().take(MOST_NAMED).map(u64::to_string).collect();
    let plural = if missed.len() == 1 { "" } else { "s" };
    let rest = match missed.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("missed in second{plural} {}{rest}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A result as far as these tests look at it: three seconds, of which the last is cut short.
    fn result() -> Value {
        json!({
            "ledger": { "requests_lost": 0, "lost_ratio": null },
            "throughput": { "replies_per_s": 9999.6 },
            "latency": { "first_reply": { "count": 90, "p99_ns": null, "p50_ns": 1_500_000 },
                         "reply": { "count": 0, "max_ns": null } },
            "ideal": null,
            "hops": { "in_proxy": null },
            "request": { "operations": [
                { "name": "write", "requests_lost": 7 },
                { "name": "read it", "requests_lost": 2, "first_reply": { "count": 90, "p50_ns": 4, "p99_ns": null } },
            ] },
            "process": { "resident_bytes": null },
            "series": [
                { "requests": 800, "p99_ns": 3_000_000, "in_flight": 4 },
                { "requests": 700, "p99_ns": 9_000_000, "in_flight": 6 },
                { "requests": 90, "p99_ns": null, "in_flight": 0 },
            ],
        })
    }

    fn of(limit: &str) -> ThresholdOutcome {
        let threshold = limit.parse().unwrap();
        outcome(&threshold, &result(), &[true, true, false])
    }

    #[test]
    fn a_figure_is_compared_with_its_limit() {
        let met = of("first_reply.p50 <= 1.5ms");
        assert_eq!(met.sentence, "it is 1.50 ms");
        assert_eq!((met.met, met.value, met.unit), (true, Some(1.5e6), FieldUnit::Ns));
        assert_eq!(met.field, "latency.first_reply.p50");
        assert!(of("ledger.requests_lost == 0").met);
        assert!(!of("ledger.requests_lost != 0").met);
        let missed = of("throughput.replies_per_s >= 10k/s");
        assert!(!missed.met);
        assert_eq!(missed.sentence, "it is 10.0 k/s (9999.6/s)", "no figure contradicts its mark");
    }

    #[test]
    fn an_operation_has_limits_of_its_own() {
        let met = of("request.operations.\"read it\".first_reply.p50 < 5ns");
        assert_eq!((met.met, met.value, met.unit), (true, Some(4.0), FieldUnit::Ns));
        assert_eq!(met.field, "request.operations.\"read it\".first_reply.p50");
        let missed = of("request.operations.write.requests_lost == 0");
        assert_eq!((missed.met, missed.value), (false, Some(7.0)));
        let objection_to = |request: &str, limit: &str| {
            let text = format!("load.rate = '1/s'\n{request}\nthresholds.limits = ['{limit}']");
            let complaint = threshold_error(&Scenario::parse("a.toml", &text, &[]).unwrap());
            complaint.map(|complaint| complaint.message + ": " + &complaint.help.unwrap())
        };
        let mix = "request.mix = [{ name = \"read it\", frames = [\"{body}\"] }, \
                   { name = \"write\", frames = [\"{body}\"] }]";
        for (request, limit, said) in [
            (
                mix,
                "request.operations.wrote.requests_lost < 1",
                "the operations are `read it`, `write`",
            ),
            ("", "request.operations.wrote.requests_lost < 1", "no operations (request.mix)"),
            (mix, "request.operations.write.lost < 1", "no figure `lost`: name one of them"),
            (mix, "request.operations.write < 1", "requests_lost, first_reply.count"),
            (mix, "request.operations.write.first_reply.p99 < 1", "cannot be compared with 1"),
        ] {
            let complaint =
                objection_to(request, limit).unwrap_or_else(|| panic!("{limit} passed"));
            assert!(complaint.contains(said), "{limit}: {complaint}");
        }
        for limit in [
            "request.operations.write.first_reply.p99_ns < 1ms",
            "request.operations.\"read it\".requests_failed == 0",
        ] {
            assert_eq!(objection_to(mix, limit), None);
        }
    }

    #[test]
    fn what_has_no_figure_is_not_met_and_says_why() {
        for (limit, why) in [
            ("first_reply.p99 < 1h", "90 values are too few for p99"),
            ("reply.max < 1h", "nothing was counted"),
            ("ideal.first_reply.p50 < 1h", "no lower bound"),
            ("ideal.excess.first_reply.p99 < 1h", "no lower bound"),
            ("hops.in_proxy.p50 != 0s", "this leg cannot be measured"),
            ("process.resident_bytes < 1GiB", "could not be measured"),
            ("waiting_client.p99 < 1h", "needs an open load"),
            ("proxy.busy_ratio < 1", "cannot be measured with this engine"),
            ("ledger.lost_ratio < 1%", "nothing was sent"),
            ("banana != 1", "no such field"),
            ("request.operations.\"read it\".first_reply.p99 < 1h", "90 values are too few"),
            ("request.operations.gone.requests_lost < 1", "no such operation"),
        ] {
            let outcome = of(limit);
            assert_eq!((outcome.met, outcome.value), (false, None), "{limit}");
            assert!(outcome.sentence.contains(why), "{limit}: {}", outcome.sentence);
        }
    }

    #[test]
    fn a_limit_on_the_series_holds_for_each_second() {
        let met = of("series.p99 <= 9ms");
        assert_eq!((met.met, met.value), (true, Some(9e6)));
        assert_eq!(met.sentence, "from 3.00 ms to 9.00 ms in 2 seconds");
        let missed = of("series.p99 < 9ms");
        assert_eq!((missed.met, &missed.missed_seconds[..]), (false, &[2][..]));
        assert!(missed.sentence.ends_with("missed in second 2"), "{}", missed.sentence);
        // A second that was cut short has a queue, but no rate.
        assert_eq!(of("series.in_flight == 0").missed_seconds, [1, 2]);
        assert_eq!(of("series.requests > 700").missed_seconds, [2]);
        assert_eq!(of("series.requests >= 700").value, Some(700.0));
        assert_eq!(of("series.in_flight != 4").value, Some(4.0));
        let threshold = "series.p99 < 1h".parse().unwrap();
        let silent = seconds(&result(), "p99", &[true; 3]);
        let outcome = each_second(&threshold, figure("series.p99"), &silent);
        assert_eq!((outcome.met, &outcome.missed_seconds[..]), (false, &[3][..]));
        assert!(outcome.sentence.contains("1 had too few replies"), "{}", outcome.sentence);
        let outcome = each_second(&threshold, figure("series.p99"), &[]);
        assert!(!outcome.met && outcome.sentence.contains("no whole second"));
    }

    fn figure(name: &str) -> &'static Figure {
        figures::named(name).unwrap()
    }

    #[test]
    fn what_no_result_can_meet_is_objected_to() {
        let objection_to = |limit: &str| {
            let mut scenario = Scenario::default();
            scenario.thresholds.limits =
                vec!["slip.p50 < 1ms".parse().unwrap(), limit.parse().unwrap()];
            threshold_error(&scenario)
        };
        for (limit, message, help) in [
            ("first_replly.p99 < 5ms", "unknown field", "did you mean `first_reply.p99`?"),
            ("first_reply < 5ms", "a group", "p99"),
            ("first_reply.p99 < 5", "cannot be compared with 5", "a time, written as in 5ms"),
            ("ledger.requests_lost < 5ms", "cannot be compared with 5ms", "without a unit"),
            ("ledger.requests_lost < 5%", "cannot be compared with 5%", "without a unit"),
            ("throughput.replies_per_s > 5", "cannot be compared with 5", "a rate"),
            ("throughput.replies_per_s > 5kB/s", "cannot be compared with 5000B/s", "a rate"),
            ("process.resident_bytes < 5/s", "cannot be compared with 5/s", "a size"),
        ] {
            let complaint = objection_to(limit).unwrap_or_else(|| panic!("{limit} passed"));
            assert_eq!(complaint.item, Some(1), "{limit}");
            assert!(complaint.message.contains(message), "{limit}: {}", complaint.message);
            let said = complaint.help.unwrap();
            assert!(said.contains(help), "{limit}: {said}");
        }
        for limit in
            ["throughput.proxy_bytes_per_s > 1k/s", "throughput.proxy_bytes_per_s > 1MiB/s"]
        {
            assert_eq!(objection_to(limit), None);
        }
        assert_eq!(threshold_error(&Scenario::default()), None);
    }

    proptest! {
        #[test]
        fn a_series_is_met_exactly_if_no_second_misses(
            values in prop::collection::vec(prop::option::of(0_u32..10), 0..30),
            relation in prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]),
            limit in 0_u32..10,
        ) {
            let threshold: Threshold = format!("series.in_flight {relation} {limit}").parse().unwrap();
            let seconds: Vec<(u64, Option<f64>)> = (1..).zip(values.iter().map(|value| value.map(f64::from))).collect();
            let outcome = each_second(&threshold, figure("series.in_flight"), &seconds);
            let meets = |value: Option<f64>| value.is_some_and(|value| threshold.relation.holds(value, f64::from(limit)));
            let missed: Vec<u64> = seconds.iter().filter(|(_, value)| !meets(*value)).map(|(second, _)| *second).collect();
            prop_assert_eq!(outcome.met, missed.is_empty() && !seconds.is_empty());
            // The value is one that was found, and misses if any does.
            let some_value_misses = seconds.iter().any(|(_, value)| value.is_some() && !meets(*value));
            prop_assert_eq!(outcome.value.is_some(), values.iter().any(Option::is_some));
            prop_assert_eq!(outcome.value.is_some() && !meets(outcome.value), some_value_misses);
            prop_assert_eq!(outcome.missed_seconds, missed);
        }
    }
}
