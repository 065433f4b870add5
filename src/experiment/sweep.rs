//! A sweep as it is played: pass by pass in a fresh random order, each run in a process of its own.
//!
//! What was played is in the result after every run, so that whatever ends a sweep leaves all of it, and a sweep that goes on plays only
//! what is missing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Contender, Trials};
use crate::Error;
use crate::machine::Clock;
use zload_core::scenario::Scenario;
use zload_core::scenario::load::Override;
use zload_report::result::{SweepResult, SweepRun};
use zload_report::sweep::{conclude, failed_run, run_of, seed_of_pass};

/// This number of runs in a row without a result ends a sweep: the fault is not that of a point.
const MOST_FAILURES: u32 = 3;

/// A point, as it is played.
#[derive(Debug, Clone)]
pub struct Point {
    /// What it sets.
    pub settings: Vec<String>,
    /// The scenario with that.
    pub scenario: Scenario,
}

/// How far a sweep is.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The current pass, from 1.
    pub pass: u32,
    /// Runs that were played, also before a sweep was resumed.
    pub done: u32,
    /// Those of them that were played now.
    pub now: u32,
    /// Runs that will have been.
    pub of: u32,
    /// How long those of now took, in nanoseconds.
    pub elapsed_ns: u64,
}

/// Plays what `result` lacks, and shows it to `watch` before each run.
pub fn play_sweep(
    contender: Contender,
    points: &[Point],
    result: &mut SweepResult,
    interrupted: &AtomicBool,
    watch: &mut dyn FnMut(&SweepResult, Standing),
) -> Result<(), Error> {
    let mut trials = Trials::new(contender, interrupted);
    let clock = Clock::start();
    let played: usize = result.points.iter().map(|point| point.runs.len()).sum();
    let all = points.len() * result.order.len();
    let mut standing =
        Standing { pass: 0, done: number(played), now: 0, of: number(all), elapsed_ns: 0 };
    let mut failures = 0;
    for (pass, order) in (1..).zip(result.order.clone()) {
        standing.pass = pass;
        for place in order.into_iter().map(|point| point as usize) {
            if result.points[place].runs.iter().any(|run| run.pass == pass) {
                continue;
            }
            standing.elapsed_ns = clock.now_ns();
            watch(result, standing);
            let seed = seed_of_pass(result.seed, pass);
            let mut settings = vec![format!("seed={seed}")];
            settings.extend_from_slice(&points[place].settings);
            let run = match trials.play(&settings, &points[place].scenario) {
                Ok(Some(run)) => {
                    failures = 0;
                    run_of(&run, &result.y)
                }
                Ok(None) => return Ok(()),
                // The first one shows what is wrong with all of them.
                Err(error) if standing.done == 0 => return Err(error),
                Err(error) => {
                    failures += 1;
                    failed_run(seed, error.to_string())
                }
            };
            // The next one gets a process, and the server that it starts, of its own.
            trials.afresh(interrupted.load(Ordering::Relaxed));
            standing.done += 1;
            standing.now += 1;
            let why = run.why.clone();
            result.points[place].runs.push(SweepRun { number: standing.done, pass, ..run });
            conclude(result);
            if failures == MOST_FAILURES {
                result.failure = why;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Plays the scenario once with these settings; `None` if the end was asked for.
pub fn play_once(
    contender: Contender,
    point: &Point,
    interrupted: &AtomicBool,
) -> Result<Option<zload_report::result::RunResult>, Error> {
    let mut trials = Trials::new(contender, interrupted);
    let played = trials.play(&point.settings, &point.scenario);
    trials.afresh(!matches!(played, Ok(Some(_))));
    played
}

/// Settings as they are given to a process that plays.
pub fn settings(overrides: &[Override]) -> Vec<String> {
    overrides.iter().map(Override::setting).collect()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
