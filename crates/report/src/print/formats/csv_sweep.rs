//! CSV of a sweep: a row for each point.

use super::csv::{cell, written};
use crate::result::SweepResult;

/// The keys, then state and rates, then each figure with its bar; what there is not is empty. Times are in nanoseconds.
pub(super) fn points(result: &SweepResult) -> String {
    const OF_POINT: [&str; 5] = ["state", "runs", "offered_per_s", "bound_per_s", "achieved_per_s"];
    let mut names: Vec<&String> = result.points.iter().flat_map(|of| of.figures.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let keys = result.over.iter().map(|of| cell(&of.key));
    let bars =
        |name: &&String| [cell(name), cell(&format!("{name}.from")), cell(&format!("{name}.to"))];
    let header = keys
        .chain(OF_POINT.map(str::to_owned))
        .chain(names.iter().flat_map(bars))
        .collect::<Vec<_>>();
    let shown = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    let rows = result.points.iter().map(|point| {
        let figure = |name: &&String| {
            let figure = point.figures.get(*name);
            [figure.map(|of| of.value), figure.and_then(|of| of.from), figure.and_then(|of| of.to)]
                .map(shown)
        };
        let rates = [point.offered_per_s, point.bound_per_s, point.achieved_per_s].map(shown);
        let state = point.state.map_or("", |state| state.name()).to_owned();
        point
            .values
            .iter()
            .map(|value| cell(value))
            .chain([state, point.runs.len().to_string()])
            .chain(rates)
            .chain(names.iter().flat_map(figure))
            .collect::<Vec<_>>()
    });
    written(|writer| {
        writer.write_record(&header)?;
        rows.into_iter().try_for_each(|row| writer.write_record(row))
    })
}
