//! A row of the CSV file in which Apache Otava looks for changes: when, what, and the figures that are worth a history.

use super::csv::{cell, written};
use super::metrics::{Kept, OF_RUNS, of_run};
use crate::facts::Revision;
use crate::result::RunResult;

/// The names of the columns.
pub(super) fn header() -> String {
    let names = ["time", "branch", "commit", "verdict"].map(str::to_owned);
    written(|writer| writer.write_record(names.into_iter().chain(OF_RUNS.iter().map(column))))
}

/// A row without its header. What the run does not have is `nan`: Otava reads every cell of a column as a number.
pub(super) fn run(result: &RunResult, revision: &Revision) -> String {
    let metrics = of_run(result);
    let figure = |(name, _, _): &Kept| {
        let metric = metrics.iter().find(|metric| metric.name == *name);
        metric.map_or_else(|| "nan".to_owned(), |metric| metric.value.to_string())
    };
    let about = [
        cell(&result.environment.time),
        cell(&revision.branch),
        cell(&revision.commit),
        result.verdict.status.to_string(),
    ];
    written(|writer| writer.write_record(about.into_iter().chain(OF_RUNS.iter().map(figure))))
}

/// A column's name: the figure's path with its unit, as a variable may be called.
fn column((name, unit, _): &Kept) -> String {
    let column = name.replace('.', "_");
    if *unit == "ns" && !column.contains("_ns_per_") { column + "_ns" } else { column }
}
