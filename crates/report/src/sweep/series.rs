//! The points of a grid as series: along one key, for each combination of the others.

use crate::result::{SweepPoint, SweepResult};
use zload_core::scenario::over;

/// Points that differ in one key.
#[derive(Debug, Clone)]
pub(crate) struct Series<'a> {
    /// What the other keys are, as `key=value`.
    pub(crate) others: Vec<String>,
    /// The points in the order of the key's values, lowest first.
    pub(crate) points: Vec<&'a SweepPoint>,
}

impl Series<'_> {
    /// What the other keys are, in a word for people.
    pub(crate) fn name(&self) -> String {
        self.others.join(", ")
    }
}

/// The series along the key with this index, in the order of the grid.
pub(crate) fn series(result: &SweepResult, key: usize) -> Vec<Series<'_>> {
    let mut all: Vec<Series> = Vec::new();
    for point in &result.points {
        let others: Vec<String> = result
            .over
            .iter()
            .zip(&point.values)
            .enumerate()
            .filter(|(place, _)| *place != key)
            .map(|(_, (of, value))| format!("{}={value}", of.key))
            .collect();
        match all.iter_mut().find(|series| series.others == others) {
            Some(series) => series.points.push(point),
            None => all.push(Series { others, points: vec![point] }),
        }
    }
    let place = |point: &SweepPoint| {
        let value = point.values.get(key).map(String::as_str).unwrap_or_default();
        over::number(value).map_or(0.0, |(_, number)| number)
    };
    for series in &mut all {
        // Words have no order but that in which they were written.
        series.points.sort_by(|one, other| place(one).total_cmp(&place(other)));
    }
    all
}
