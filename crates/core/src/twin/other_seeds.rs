//! Seed luck: the simulation of the same scenario with other seeds.
//!
//! The luck of this draw of requests and work is how far its percentiles differ from those of other draws; no measurement
//! can tell, for it has one draw. Invariant: the answer does not depend on how many threads look for it, and none is started
//! here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Ideal, Limits, NoIdeal, Pool, ideal};
use crate::plan::Plan;
use crate::scenario::Scenario;

/// More draws tell little more of where 95 of 100 are.
pub const MOST_SEEDS: usize = 150;
/// Fewer do not hold the next one in 95 of 100 cases, even from the least to the largest of them: that is 38 of 40.
pub const LEAST_SEEDS: usize = 39;

/// Calls a piece of work on any number of threads, at least once, and returns when all are done.
pub type Together<'a> = &'a dyn Fn(&(dyn Fn() + Sync));

/// What `of` makes of the ideal of each of the seeds that follow the scenario's, in their order.
///
/// As many as fit into the steps of the limits, at most [`MOST_SEEDS`]; an error if that is less than [`LEAST_SEEDS`]. One that has
/// no ideal leaves none at all: the others would be a choice.
///
/// `together` calls the work it is given, on any number of threads, and returns when all of them are done; each does
/// what is left.
pub fn other_seeds<T: Send>(
    scenario: &Scenario,
    pool: Pool,
    limits: Limits<'_>,
    together: Together<'_>,
    of: impl Fn(&Ideal) -> T + Sync,
) -> Result<Vec<T>, NoIdeal> {
    let of_seed = |index: usize, most_steps: u64| {
        let plan = Plan::new(&scenario.with_seed_after(index as u64 + 1));
        ideal(&plan, pool, Limits { most_steps, ..limits })
    };
    let first = of_seed(0, limits.most_steps / LEAST_SEEDS as u64)?;
    let within = usize::try_from(limits.most_steps / first.steps.max(1)).unwrap_or(MOST_SEEDS);
    let seeds = within.clamp(LEAST_SEEDS, MOST_SEEDS);
    // Draws differ in their steps; together they take at most twice what is allowed.
    let most_steps = limits.most_steps / seeds as u64 * 2;
    let next = AtomicUsize::new(1);
    let found = Mutex::new(Ok(vec![(0, of(&first))]));
    let keep = |draw: Result<(usize, T), NoIdeal>| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        match draw {
            Err(none) => *found = Err(none),
            Ok(draw) => {
                if let Ok(draws) = &mut *found {
                    draws.push(draw);
                }
            }
        }
        found.is_ok()
    };
    together(&|| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let goes_on =
                index < seeds && keep(of_seed(index, most_steps).map(|ideal| (index, of(&ideal))));
            if !goes_on {
                return;
            }
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    found.sort_unstable_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, of_one)| of_one).collect())
}
