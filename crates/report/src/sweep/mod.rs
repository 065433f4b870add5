//! What a sweep's runs say together: of each point, of the curve, of the machine, of the keys. Pure.
//!
//! [`conclude`] works all of it out of the runs alone, after each of them and whenever a sweep is resumed. Invariant: no clock, no file; the
//! order of time is that of the runs' numbers.

mod drift;
mod effects;
mod defaults;
mod knee;
mod order;
mod points;
mod runs;
mod series;

pub use defaults::{default_figures, figure_named, rates_below};
pub use order::{order, seed_of_pass};
pub use runs::{FIGURES_OF_A_RUN, failed_run, run_of};
pub(crate) use series::{Series, series};

use crate::result::{Outcome, Required, SweepResult};

/// Works out everything that follows from the runs.
pub fn conclude(result: &mut SweepResult) {
    for point in &mut result.points {
        points::conclude(point);
    }
    result.knees = knee::knees(result);
    result.drift = drift::drift(result);
    result.effects = effects::effects(result);
    let points = &result.points;
    for required in &mut result.required {
        let point = usize::try_from(required.point).ok().and_then(|place| points.get(place));
        *required = Required {
            state: point.and_then(|point| point.state),
            missed: point.map(points::missed).unwrap_or_default(),
            ..*required
        };
    }
}

/// For each pass of a sweep the order of its points.
pub fn orders(result: &SweepResult) -> Vec<Vec<u32>> {
    (1..=result.passes).map(|pass| order(result.seed, pass, result.points.len())).collect()
}

/// How many runs are still to be played.
pub fn left(result: &SweepResult) -> usize {
    let (played, _) = played_and_void(result);
    (result.points.len() * result.order.len()).saturating_sub(played)
}

/// How many runs were played, and how many of them say nothing.
pub fn played_and_void(result: &SweepResult) -> (usize, usize) {
    let runs = || result.points.iter().flat_map(|point| &point.runs);
    (runs().count(), runs().filter(|run| run.outcome == Outcome::Void).count())
}

/// Whether over half of the runs say nothing, so that the sweep does not either.
pub fn is_void(result: &SweepResult) -> bool {
    let (played, void) = played_and_void(result);
    void * 2 > played
}
