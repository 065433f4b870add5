//! The JSON of github-action-benchmark's two custom tools. Each knows one direction, so a result makes a file for each.

use serde_json::{Value, json};

use super::metrics::{Metric, of_comparison, of_run};
use crate::result::{
    ComparisonResult, Direction, Environment, RunResult, SearchAnswer, SearchResult, to_json,
};
use zload_core::quantity::counted;
use zload_core::search::Form;

/// The figures of a run that get better in this direction.
pub(super) fn run(result: &RunResult, better: Direction) -> String {
    let extra = format!("{}; {}", result.verdict.status, machine(&result.environment));
    to_json(&entries(&result.scenario.name, &of_run(result), better, &extra))
}

/// The metrics of the sides that are compared with `a`.
pub(super) fn comparison(result: &ComparisonResult, better: Direction) -> String {
    let all = std::iter::once(result).chain(&result.others);
    let entries: Vec<Value> = all
        .flat_map(|one| {
            let extra = format!(
                "{} against {}; {}",
                counted(u64::from(one.method.blocks), "block"),
                one.a.name,
                machine(&one.b.environment)
            );
            entries(&one.b.name, &of_comparison(one), better, &extra)
        })
        .collect();
    to_json(&entries)
}

/// What is sustained for each goal, if that is shown; the range is what is shown not to be.
pub(super) fn search(result: &SearchResult, better: Direction) -> String {
    let own = if result.more_is_easier { Direction::Lower } else { Direction::Higher };
    let unit = match result.form {
        Form::PerS => "1/s",
        Form::Ns => "ns",
        Form::Bytes => "B",
        Form::Number => result.over.as_str(),
    };
    let entry = |answer: &SearchAnswer| {
        let carried = answer.carried.filter(|_| own == better)?;
        let mut entry = json!({
            "name": format!("{}/{}/{}", result.scenario.name, answer.goal, result.over),
            "unit": unit,
            "value": carried.value,
            "extra": format!("{} of {} trials; {}", carried.met, carried.of, machine(&result.environment)),
        });
        if let Some(missed) = answer.missed {
            entry["range"] = json!(format!("not {}", missed.value));
        }
        Some(entry)
    };
    let entries: Vec<Value> = result.answers.iter().filter_map(entry).collect();
    to_json(&entries)
}

/// The name is what the action finds the figure of the last commit by.
fn entries(of: &str, metrics: &[Metric], better: Direction, extra: &str) -> Vec<Value> {
    metrics
        .iter()
        .filter(|metric| metric.better == better)
        .map(|metric| {
            let mut entry = json!({
                "name": format!("{of}/{}", metric.name),
                "unit": metric.unit,
                "value": metric.value,
                "extra": extra,
            });
            if let Some([low, high]) = metric.interval {
                // The action reads half a width only; what a difference of two floats adds beyond is no figure.
                entry["range"] = json!(format!("± {}", ((high - low) * 5e5).round() / 1e6));
            }
            entry
        })
        .collect()
}

fn machine(environment: &Environment) -> String {
    format!("{} × {}, zload {}", environment.cores, environment.cpu_model, environment.zload)
}
