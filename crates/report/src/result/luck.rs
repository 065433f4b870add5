//! The plan's own luck in a result: where other seeds would have its percentiles.

use super::percentiles::{Intervals, OfEach, PERCENTILES};
use super::{LatencySummary, RunResult};
use zload_core::quantity::rounded;
use zload_core::record::LatencyHistogram;
use zload_core::stats;
use zload_core::twin::{self, Limits, Together};

/// Measured percentiles are assumed to move at most this many times as far as simulated ones.
const MOST_WIDENED: f64 = 2.0;

/// Intervals that are narrower than so much of the plan's luck are withdrawn: from few batches they come out a third too narrow by chance.
const LEAST_OF_LUCK: f64 = 0.6;

impl RunResult {
    /// Simulates other seeds and says of each response time, simulated and measured, where other draws of the plan would have
    /// its percentiles. Nothing where there is no ideal, where the plan is too long for that many draws or leaves nothing to chance,
    /// where stages have no percentiles in common, and where runs have their own seeds: what these say of the next run holds the plan's luck already.
    pub fn add_other_seeds(&mut self, limits: Limits<'_>, together: Together<'_>) {
        let pool = self.pool();
        let Some(ideal) = self
            .ideal
            .as_mut()
            .filter(|_| self.seeds.is_empty() && !self.scenario.load.is_unlike())
        else {
            return;
        };
        let draws = twin::other_seeds(&self.scenario, pool, limits, together, |ideal| {
            [&ideal.first_reply, &ideal.last_reply, &ideal.reply].map(percentiles)
        });
        // What is too long or was stopped is left out.
        let draws = draws.unwrap_or_default();
        let figures = &mut ideal.figures;
        let ideals = [&mut figures.first_reply, &mut figures.last_reply, &mut figures.reply];
        let latency = &mut self.latency;
        let measured = [&mut latency.first_reply, &mut latency.last_reply, &mut latency.reply];
        for (row, (ideal, measured)) in ideals.into_iter().zip(measured).enumerate() {
            let of_row: Vec<_> = draws.iter().map(|draw| draw[row]).collect();
            let own = ideal.percentiles();
            ideal.other_seeds = spread(&of_row, &own);
            measured.other_seeds =
                ideal.other_seeds.map(|spread| moved(&measured.percentiles(), &own, spread));
            measured.withdraw_what_luck_denies();
        }
        let any = self.latency.reply.other_seeds.is_some();
        ideal.other_seeds = u32::try_from(draws.len()).ok().filter(|_| any);
    }
}

/// The percentiles, however few values there are.
pub(super) fn percentiles(latencies: &LatencyHistogram) -> OfEach<Option<u64>> {
    let histogram = latencies.histogram();
    PERCENTILES
        .map(|kind| (!histogram.is_empty()).then(|| histogram.value_at_quantile(kind.quantile)))
}

/// Where other draws have the percentiles for which this one has enough samples; `None` if all have the same.
pub(super) fn spread(
    draws: &[OfEach<Option<u64>>],
    own: &OfEach<Option<u64>>,
) -> Option<Intervals> {
    let mut ends = own.map(|carried| carried.map(|_| [0; 2]));
    for (index, ends) in ends.iter_mut().enumerate() {
        let values: Option<Vec<f64>> = draws.iter().map(|draw| Some(draw[index]? as f64)).collect();
        let found = values.and_then(|values| stats::next_value(&values));
        *ends = ends.and(found).map(|found| found.map(rounded));
    }
    let differ = ends.iter().flatten().any(|[low, high]| low < high);
    differ.then(|| Intervals::from(ends))
}

impl LatencySummary {
    /// Withdraws the intervals from within this run that are too narrow for the plan's luck alone.
    fn withdraw_what_luck_denies(&mut self) {
        let Some(spread) = self.other_seeds.filter(|_| self.next_run.is_none()) else { return };
        let mut ends = self.intervals.ends();
        for ((ends, spread), kind) in ends.iter_mut().zip(spread.ends()).zip(PERCENTILES) {
            let denied = ends.zip(spread).is_some_and(|(ends, spread)| !holds_luck(ends, spread));
            if denied {
                *ends = None;
                self.uncertain.push(kind.field.to_owned());
            }
        }
        self.intervals = Intervals::from(ends);
    }
}

/// Whether an interval from within one run is as wide as the plan's luck makes it. A run that is short for its memory now and then takes
/// its values for independent ones, and cannot know; the simulation does. In a long run both have the same width.
pub(super) fn holds_luck(interval: [u64; 2], spread: [u64; 2]) -> bool {
    let width = |[low, high]: [u64; 2]| (high - low) as f64;
    width(interval) >= LEAST_OF_LUCK * width(spread)
}

/// Where other draws would have been measured: away from this one as their ideals are from its own, in proportion to what was measured.
///
/// Where the real world only adds to each time, as far as in nanoseconds would do; where it makes work longer, queues grow by more than
/// that, and so does the luck in them. In proportion both are held, as `coverage.rs` shows; at most twice as far, where most of
/// what was measured is none of the plan's.
pub(super) fn moved(
    measured: &OfEach<Option<u64>>,
    ideal: &OfEach<Option<u64>>,
    spread: Intervals,
) -> Intervals {
    let mut ends = spread.ends();
    for (ends, own) in ends.iter_mut().zip(measured.iter().zip(ideal)) {
        *ends = match (*ends, own) {
            (Some(ends), (Some(measured_ns), Some(ideal_ns))) => {
                let (measured, ideal) = (*measured_ns as f64, *ideal_ns as f64);
                let in_proportion = (measured / ideal.max(1.0)).min(MOST_WIDENED);
                let moved = |end_ns| measured + (end_ns as f64 - ideal) * in_proportion;
                Some(ends.map(|end_ns: u64| rounded(moved(end_ns).max(0.0))))
            }
            _ => None,
        };
    }
    Intervals::from(ends)
}
