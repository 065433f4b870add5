//! CSV: a run's figures in a row each, or a comparison's metrics.

use serde::Serialize;
use serde_json::Value;

use super::metrics::unit;
use crate::result::figures::{self, FIGURES, Figure};
use crate::result::{Answer, ComparisonResult, Direction, FieldUnit, RunResult, to_value};
use crate::text::shown;

/// `name,unit,value,low,high,uncertain`: the verdict, then every figure by its path without `_ns`; low and high are the ends of a
/// percentile's confidence interval, and uncertain is `true` where it is no estimate. What is null has an empty value.
pub(super) fn run(result: &RunResult) -> String {
    let object = to_value(result);
    let status = result.verdict.status.to_string();
    let rows = figures::PARTS.iter().flat_map(|part| {
        let within = FIGURES.iter().filter(|figure| figure.part() == part.name);
        within.filter_map(|figure| row(figure, &object))
    });
    written(|writer| {
        writer.write_record(["name", "unit", "value", "low", "high", "uncertain"])?;
        writer.write_record(["verdict.status", "", &status, "", "", ""])?;
        rows.into_iter().try_for_each(|row| writer.write_record(row))
    })
}

/// A figure's row; none if the part of the result that it would stand in is not there.
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
        FieldUnit::Ns => "ns",
        FieldUnit::PerS => "1/s",
        FieldUnit::Bytes => "B",
        FieldUnit::BytesPerS => "B/s",
        FieldUnit::Number if figure.is_share() => "ratio",
        FieldUnit::Number => "",
    }
}

/// One row for each metric, under its names in `zload schema comparison`; `valid` is false if no figure may be used.
pub(super) fn comparison(result: &ComparisonResult) -> String {
    let all = std::iter::once(result).chain(&result.others);
    let rows: Vec<MetricRow> = all
        .flat_map(|one| {
            one.metrics.iter().map(|metric| MetricRow {
                a_name: cell(&one.a.name),
                b_name: cell(&one.b.name),
                valid: one.valid,
                name: cell(&metric.name),
                unit: unit(metric.unit),
                better: metric.better,
                gated: metric.gated,
                a: metric.a,
                b: metric.b,
                effect_percent: metric.effect_percent,
                ci_low_percent: metric.ci_low_percent,
                ci_high_percent: metric.ci_high_percent,
                p_value: metric.p_value,
                margin_percent: metric.margin_percent,
                verdict: metric.verdict,
                blocks: metric.blocks,
                pairs: metric.pairs,
                smallest_visible_percent: metric.smallest_visible_percent,
                blocks_needed: metric.blocks_needed,
                sentence: cell(&metric.sentence),
            })
        })
        .collect();
    written(|writer| rows.iter().try_for_each(|row| writer.serialize(row)))
}

#[derive(Serialize)]
struct MetricRow {
    a_name: String,
    b_name: String,
    valid: bool,
    name: String,
    unit: &'static str,
    better: Direction,
    gated: bool,
    a: Option<f64>,
    b: Option<f64>,
    effect_percent: Option<f64>,
    ci_low_percent: Option<f64>,
    ci_high_percent: Option<f64>,
    p_value: Option<f64>,
    margin_percent: f64,
    verdict: Answer,
    blocks: u32,
    pairs: u32,
    smallest_visible_percent: Option<f64>,
    blocks_needed: Option<u32>,
    sentence: String,
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
