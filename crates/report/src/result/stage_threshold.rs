//! Thresholds on the figures of one stage, as in `stages.peak.first_reply.p99 < 5ms`.

use serde_json::Value;

use super::FieldUnit;
use super::figures::{self, number};
use super::unlike::{NO_PERCENTILES, is_percentile};
use zload_core::problem::nearest;
use zload_core::scenario::{Amount, Scenario, StageShape, Stages};

const PREFIX: &str = "stages.";
/// What a stage has besides distributions.
const SINGLE: [(&str, FieldUnit); 10] = [
    ("requests", FieldUnit::Number),
    ("sent", FieldUnit::Number),
    ("answered", FieldUnit::Number),
    ("silent", FieldUnit::Number),
    ("lost", FieldUnit::Number),
    ("unsent", FieldUnit::Number),
    ("in_flight_at_start", FieldUnit::Number),
    ("in_flight_at_end", FieldUnit::Number),
    ("caught_up_after", FieldUnit::Ns),
    ("ideal.utilisation", FieldUnit::Number),
];
/// The distributions of a stage, and where the same of the whole run is.
const DISTRIBUTIONS: [(&str, &str); 7] = [
    ("first_reply", "latency.first_reply"),
    ("latency.first_reply", "latency.first_reply"),
    ("last_reply", "latency.last_reply"),
    ("latency.last_reply", "latency.last_reply"),
    ("ideal.first_reply", "ideal.first_reply"),
    ("ideal.last_reply", "ideal.last_reply"),
    ("excess", "ideal.excess.first_reply"),
];

/// Whether a field is one of a stage.
pub(super) fn is_of_stage(field: &str) -> bool {
    field.starts_with(PREFIX)
}

/// The unit of a figure of a stage, by its path in it; `None` if no stage has it.
fn unit(path: &str) -> Option<FieldUnit> {
    let path = path.strip_suffix("_ns").unwrap_or(path);
    if let Some((_, unit)) = SINGLE.iter().find(|(name, _)| *name == path) {
        return Some(*unit);
    }
    let (distribution, figure) = path.rsplit_once('.')?;
    let (_, whole) = DISTRIBUTIONS.iter().find(|(name, _)| *name == distribution)?;
    Some(figures::named(&format!("{whole}.{figure}"))?.unit)
}

/// The stage that a field names, and the path behind it.
fn split<'a>(stages: Option<&Stages>, field: &'a str) -> Option<(usize, &'a str)> {
    let (name, path) = field.strip_prefix(PREFIX)?.split_once('.')?;
    Some((stages?.names().position(|other| other == name)?, path))
}

/// What is wrong with a limit on a figure of a stage, and what to write instead.
pub(super) fn wrong(scenario: &Scenario, field: &str, limit: Amount) -> Option<(String, String)> {
    let stages = scenario.load.stages.as_ref();
    let names: Vec<String> =
        stages.map(|stages| stages.names().map(String::from).collect()).unwrap_or_default();
    let Some((place, path)) = split(stages, field) else {
        let known = if names.is_empty() {
            "the load has no stages".to_owned()
        } else {
            format!("the stages are {}", names.join(", "))
        };
        return Some((
            format!("`{field}` is no figure of a stage"),
            format!("{known}; as in stages.NAME.first_reply.p99"),
        ));
    };
    let Some(unit) = unit(path) else {
        let known: Vec<&str> = SINGLE
            .iter()
            .map(|(name, _)| *name)
            .chain(DISTRIBUTIONS.iter().map(|(name, _)| *name))
            .collect();
        let near = nearest(path, &known)
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        return Some((
            format!("a stage has no figure `{path}`"),
            format!("{near}it has {}", known.join(", ")),
        ));
    };
    let shape = stages.and_then(|stages| Some(stages.0.get(place)?.shape()));
    if is_percentile(path) && shape != Some(StageShape::Hold) {
        let message = format!("`{field}`: a stage whose rate changes has no percentiles");
        let help = "name its max, or series.p99, a limit for each second".to_owned();
        return Some((message, help));
    }
    if unit.takes(limit) && !matches!(limit, Amount::Percent(_)) {
        return None;
    }
    Some((
        format!("`{field}` cannot be compared with {limit}"),
        format!("it is {}", unit.in_words()),
    ))
}

/// What is wrong with a percentile of a whole run whose stages are different loads.
pub(super) fn wrong_over_stages(scenario: &Scenario, field: &str) -> Option<(String, String)> {
    let stages = scenario.load.stages.as_ref().filter(|_| scenario.load.is_unlike())?;
    if !is_percentile(field) || field.starts_with("series.") {
        return None;
    }
    let holds =
        stages.names().zip(&stages.0).filter(|(_, stage)| stage.shape() == StageShape::Hold);
    let path = field.strip_prefix("latency.").unwrap_or(field);
    let known =
        path.rsplit_once('.').filter(|(of, _)| DISTRIBUTIONS.iter().any(|(name, _)| name == of));
    let path = known.map_or("first_reply.p99", |_| path);
    let names: Vec<String> = holds.map(|(name, _)| format!("{PREFIX}{name}.{path}")).collect();
    let help = if names.is_empty() {
        "series.p99 is a limit for each second".to_owned()
    } else {
        format!("name a stage's: {}", names.join(", "))
    };
    Some((format!("`{field}`: {NO_PERCENTILES}"), help))
}

/// A figure of a stage in a result object: its full name, its unit, and its value or why there is none.
pub(super) fn find(
    stages: Option<&Stages>,
    result: &Value,
    field: &str,
) -> Option<(String, FieldUnit, Result<f64, String>)> {
    let (place, path) = split(stages, field)?;
    let unit = unit(path)?;
    // A run may end before a stage begins.
    let stage = result["stages"].get(place);
    let value = stage.and_then(|stage| number(stage, path));
    let why = || match (stage, path.strip_suffix("_ns").unwrap_or(path)) {
        (None, _) => "the run ended before this stage".to_owned(),
        (_, "caught_up_after") => "it had not caught up when the run ended".to_owned(),
        (_, path) if path.starts_with("ideal") || path.starts_with("excess") => {
            "there is no lower bound; see the notes".to_owned()
        }
        _ => "there are too few replies in this stage".to_owned(),
    };
    Some((field.to_owned(), unit, value.ok_or_else(why)))
}
