//! A row of the CSV file in which Apache Otava looks for changes: when, what, and the figures that are kept as a history.

use super::csv::{cell, written};
use super::metrics::of_run;
use crate::result::RunResult;
use crate::result::figures::{self, Figure};
use zload_core::facts::Revision;

/// The names of the columns: each figure's path as a variable may be called.
pub(super) fn header() -> String {
    let names = ["time", "branch", "commit", "verdict"].map(str::to_owned);
    let column = |figure: Figure| figure.path().replace('.', "_");
    let columns = figures::kept().into_iter().map(column);
    written(|writer| writer.write_record(names.into_iter().chain(columns)))
}

/// A row without its header. What the run does not have is `nan`: Otava reads every cell of a column as a number.
pub(super) fn run(result: &RunResult, revision: &Revision) -> String {
    let metrics = of_run(result);
    let cell_of = |figure: Figure| {
        let metric = metrics.iter().find(|metric| metric.name == figure.name);
        metric.map_or_else(|| "nan".to_owned(), |metric| metric.value.to_string())
    };
    let about = [
        cell(&result.environment.time),
        cell(&revision.branch),
        cell(&revision.commit),
        result.verdict.status.to_string(),
    ];
    let cells = figures::kept().into_iter().map(cell_of);
    written(|writer| writer.write_record(about.into_iter().chain(cells)))
}
