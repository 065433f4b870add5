//! CSV: a run's figures in a row each, or a comparison's metrics.

use serde::Serialize;
use serde_json::Value;

use super::metrics::unit;
use crate::result::{Answer, ComparisonResult, Direction, RunResult};
use crate::text::shown;

/// The parts of a result that hold figures, in the order in which they are read.
const PARTS: [&str; 10] = [
    "throughput",
    "latency",
    "ledger",
    "hops",
    "ideal",
    "waiting_client",
    "proxy",
    "generator",
    "process",
    "server",
];

/// `name,unit,value,low,high,uncertain`: the verdict, then every figure by its path without `_ns`; low and high are the ends of a
/// percentile's confidence interval, and uncertain is `true` where it is no estimate. What is null has an empty value.
pub(super) fn run(result: &RunResult) -> String {
    let object = serde_json::to_value(result).expect("results have string keys");
    let mut rows = vec![
        ["name", "unit", "value", "low", "high", "uncertain"].map(str::to_owned),
        ["verdict.status", "", text(&object["verdict"]["status"]).as_str(), "", "", ""]
            .map(str::to_owned),
    ];
    for part in PARTS {
        figures(&object[part], part, &mut rows);
    }
    written(|writer| rows.iter().try_for_each(|row| writer.write_record(row)))
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

/// Adds a row for each figure below a value. Texts and lists are none.
fn figures(value: &Value, path: &str, rows: &mut Vec<[String; 6]>) {
    let Value::Object(fields) = value else { return };
    let mut fields_by_name: Vec<(&str, &String, &Value)> = fields
        .iter()
        .map(|(key, value)| (key.strip_suffix("_ns").unwrap_or(key), key, value))
        .collect();
    // By their keys, p999_ns would stand before p99_ns.
    fields_by_name.sort_by_key(|(name, _, _)| *name);
    for (name, key, value) in fields_by_name {
        let name = format!("{path}.{name}");
        let unit = unit_of(key);
        match value {
            Value::Object(_)
                if matches!(key.as_str(), "intervals" | "next_run" | "other_seeds") => {}
            Value::Object(_) => figures(value, &name, rows),
            Value::Number(_) => {
                let ends = &fields.get("intervals").unwrap_or(&Value::Null)[key];
                let [value, low, high] = [value, &ends[0], &ends[1]].map(text);
                let field = key.strip_suffix("_ns").unwrap_or(key);
                let mut uncertain =
                    fields.get("uncertain").and_then(Value::as_array).into_iter().flatten();
                let mark = if uncertain.any(|one| one == field) { "true" } else { "" };
                rows.push([name, unit.to_owned(), value, low, high, mark.to_owned()]);
            }
            // A null without a unit may as well be a part of the result that is not there.
            Value::Null if !unit.is_empty() => {
                let [value, low, high, mark] = [const { String::new() }; 4];
                rows.push([name, unit.to_owned(), value, low, high, mark]);
            }
            _ => {}
        }
    }
}

/// A figure's unit, which its key says; empty for a number of things.
fn unit_of(key: &str) -> &'static str {
    match key {
        _ if key.ends_with("bytes_per_s") => "B/s",
        _ if key.ends_with("_per_s") => "1/s",
        _ if key.ends_with("_ns") || key.contains("_ns_per_") => "ns",
        _ if key.ends_with("_bytes") => "B",
        _ if key.ends_with("_ratio") => "ratio",
        _ => "",
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
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
