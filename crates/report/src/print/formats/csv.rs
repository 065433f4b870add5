//! CSV: a run's figures in a row each, or a comparison's metrics.

use serde_json::Value;

use super::metrics::unit;
use crate::result::figures::{self, FIGURES, Figure};
use crate::result::{
    ComparisonResult, FieldUnit, MetricComparison, MetricUnit, PERCENTILES, RunResult,
    SearchResult, SearchTrial, StageFigures, to_value,
};
use zload_core::text::shown;

/// `name,unit,value,low,high,uncertain`: the verdict, then every figure by its path without `_ns`; low and high are the ends of a
/// percentile's confidence interval, and uncertain is `true` where it is no estimate. What is null has an empty value.
pub(super) fn run(result: &RunResult) -> String {
    let object = to_value(result);
    let status = result.verdict.status.to_string();
    let rows = figures::PARTS.iter().flat_map(|part| {
        let within = FIGURES.iter().filter(|figure| figure.part() == part.name);
        within.filter_map(|figure| row(figure, &object))
    });
    let of_stages = result.stages.iter().flat_map(stage);
    written(|writer| {
        writer.write_record(["name", "unit", "value", "low", "high", "uncertain"])?;
        writer.write_record(["verdict.status", "", &status, "", "", ""])?;
        rows.into_iter().chain(of_stages).try_for_each(|row| writer.write_record(row))
    })
}

/// The rows of a stage, under the names that thresholds have for its figures.
fn stage(stage: &StageFigures) -> Vec<[String; 6]> {
    let name = |what: &str| format!("stages.{}.{what}", stage.name);
    let row = |what: &str, unit: &str, value: Option<u64>| {
        let value = value.map_or_else(String::new, |value| value.to_string());
        [name(what), unit.to_owned(), value, String::new(), String::new(), String::new()]
    };
    let mut rows = vec![
        row("requests", "", Some(stage.requests)),
        row("sent", "", Some(stage.sent)),
        row("answered", "", Some(stage.answered)),
        row("lost", "", Some(stage.lost)),
        row("unsent", "", Some(stage.unsent)),
        row("in_flight_at_start", "", Some(stage.in_flight_at_start)),
        row("in_flight_at_end", "", Some(stage.in_flight_at_end)),
        row("caught_up_after", "ns", stage.caught_up_after_ns),
    ];
    let first = &stage.latency.first_reply;
    for (kind, ends) in PERCENTILES.iter().zip(first.intervals.ends()) {
        let [.., low, high, mark] = row("", "", None);
        let ends = ends.map_or([low, high], |ends| ends.map(|end| end.to_string()));
        let mark = if first.is_uncertain(kind) { "true".to_owned() } else { mark };
        let [low, high] = ends;
        let [name, unit, value, ..] =
            row(&format!("first_reply.{}", kind.field), "ns", first.percentile(kind));
        rows.push([name, unit, value, low, high, mark]);
    }
    rows.push(row("first_reply.max", "ns", first.max_ns));
    rows
}

/// A figure's row; none if the part of the result that would hold it is not there.
fn row(figure: &Figure, result: &Value) -> Option<[String; 6]> {
    let (value, unit) = (figure.of(result)?, unit_of(figure));
    // A count that is null has never had a row.
    if value.is_null() && unit.is_empty() {
        return None;
    }
    let [low, high] = match figure.interval(result) {
        Some([low, high]) => [low, high].map(Value::to_string),
        _ => Default::default(),
    };
    let value = if value.is_null() { String::new() } else { value.to_string() };
    let mark = if figure.is_uncertain(result) { "true" } else { "" };
    Some([figure.name.to_owned(), unit.to_owned(), value, low, high, mark.to_owned()])
}

/// A figure's unit; empty for a number of things.
fn unit_of(figure: &Figure) -> &'static str {
    match figure.unit {
        FieldUnit::BytesPerS => "B/s",
        FieldUnit::Number if figure.is_share() => "ratio",
        other => MetricUnit::of(other).map_or("", unit),
    }
}

/// One row for each metric, under its names in `zload schema comparison`; `valid` is false if no figure may be used.
pub(super) fn comparison(result: &ComparisonResult) -> String {
    const SIDES: [&str; 3] = ["a_name", "b_name", "valid"];
    const OF_METRIC: [&str; 17] = [
        "name",
        "unit",
        "better",
        "gated",
        "a",
        "b",
        "effect_percent",
        "ci_low_percent",
        "ci_high_percent",
        "p_value",
        "margin_percent",
        "verdict",
        "blocks",
        "pairs",
        "smallest_visible_percent",
        "blocks_needed",
        "sentence",
    ];
    let row = |one: &ComparisonResult, metric: &MetricComparison| {
        let object = to_value(metric);
        let fields = OF_METRIC.map(|name| match &object[name] {
            Value::String(_) if name == "unit" => unit(metric.unit).to_owned(),
            Value::String(text) => cell(text),
            Value::Null => String::new(),
            other => other.to_string(),
        });
        let sides = [cell(&one.a.name), cell(&one.b.name), one.valid.to_string()];
        sides.into_iter().chain(fields)
    };
    written(|writer| {
        writer.write_record(SIDES.into_iter().chain(OF_METRIC))?;
        let all = std::iter::once(result).chain(&result.others);
        let mut rows = all.flat_map(|one| one.metrics.iter().map(move |metric| (one, metric)));
        rows.try_for_each(|(one, metric)| writer.write_record(row(one, metric)))
    })
}

/// One row for each trial of a search, under its names in `zload schema search`.
pub(super) fn search(result: &SearchResult) -> String {
    const FIELDS: [&str; 16] = [
        "number",
        "role",
        "goal",
        "value",
        "seed",
        "after",
        "outcome",
        "why",
        "slow",
        "allowed",
        "requests",
        "lost",
        "overloaded",
        "verdict",
        "achieved_per_s",
        "recovery_ns",
    ];
    const PERCENTILES: [&str; 3] = ["p50_ns", "p90_ns", "p99_ns"];
    let shown = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => cell(text),
        other => other.to_string(),
    };
    let row = |trial: &SearchTrial| {
        let object = to_value(trial);
        let fields = FIELDS.map(|name| shown(&object[name]));
        let percentiles = PERCENTILES.map(|name| shown(&object["first_reply"][name]));
        [result.over.clone()].into_iter().chain(fields).chain(percentiles)
    };
    written(|writer| {
        let head = ["over"].into_iter().chain(FIELDS).chain(PERCENTILES);
        writer.write_record(head)?;
        result.trials.iter().try_for_each(|trial| writer.write_record(row(trial)))
    })
}

/// A text that no spreadsheet takes for a formula. Numbers stay what they are.
pub(super) fn cell(text: &str) -> String {
    let formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    format!("{}{}", if formula { "'" } else { "" }, shown(text))
}

/// The text of some rows.
pub(super) fn written(
    write: impl FnOnce(&mut ::csv::Writer<Vec<u8>>) -> ::csv::Result<()>,
) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    write(&mut writer).expect("rows are of one length, and writing to memory cannot fail");
    let bytes = writer.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("all fields are UTF-8")
}
