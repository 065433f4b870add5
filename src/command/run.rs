//! `zload run`

use std::io::Write;
use std::sync::Arc;

use super::{DONE, INVALID, NO, deliver, exit_code, interruption, load};
use crate::cli::RunArgs;
use crate::experiment::keep_on;
use crate::measure::Ways;
use crate::plan::Plan;
use crate::progress::{Mode, Progress};
use crate::result::{Destination, RunResult};
use crate::topology::{self, Measured};
use crate::verdict::Status;
use crate::{Error, environment, render};

/// Of each of many runs, at least so many ways are kept.
const LEAST_WAYS: usize = 4096;

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let scenario = load(&args.scenario, &args.overrides())?;
    let destination = Destination::reserve(args.output.output.as_deref(), &args.scenario)?;
    let trace_out = Destination::reserve(args.trace_out.as_deref(), &args.scenario)?;
    let html = Destination::reserve(args.html.as_deref(), &args.scenario)?;
    Destination::ensure_distinct(&[&destination, &trace_out, &html])?;
    if let Some(cpus) = args.cpus {
        keep_on(cpus)?;
    }
    let interrupted = interruption()?;
    let plan = Arc::new(Plan::new(&scenario));
    let environment = environment::describe();
    let mode = if args.trace { Mode::Quiet } else { Mode::choose(args.output.quiet) };
    let mut progress = Progress::new(mode);
    let mut runs: Vec<Measured> = Vec::new();
    // Many runs share the memory that one may have, as far as a p99 of each allows.
    let most_ways = (Ways::MOST / args.repeat as usize).max(LEAST_WAYS);
    for index in 1..=args.repeat {
        progress.begin_run(index, args.repeat);
        let outcome = topology::run(&scenario, &plan, args.trace, &interrupted, &mut |snapshot| {
            progress.update(snapshot);
        });
        let measured = match (outcome, runs.last_mut()) {
            (Ok(mut measured), _) => {
                measured.recorded.ways.shrink(most_ways);
                measured
            }
            (Err(error), None) => return Err(error),
            // What the runs before this one found must not be lost with it.
            (Err(error), Some(last)) => {
                last.failure =
                    Some(format!("run {index} of {} did not begin: {error}", args.repeat));
                break;
            }
        };
        let whole = !measured.interrupted && measured.failure.is_none();
        runs.push(measured);
        if !whole {
            break;
        }
    }
    progress.finish();
    let result = RunResult::new(&scenario, &plan, environment, &runs);
    let delivered = deliver(&result, &args.output, destination, out);
    let shown = html.map_or(Ok(()), |html| html.save(&render::run_page(&result)));
    if let (Some(trace_out), Some(last)) = (trace_out, runs.last()) {
        let ways = last.recorded.ways.intended_from(0);
        trace_out.save(&render::chrome_trace(&ways, &plan, last.identities))?;
    }
    match delivered {
        // How the run ended says more, and decides the exit code.
        Err(Error::Invalid(_)) if result.interrupted || result.failure.is_some() => {}
        delivered => delivered?,
    }
    shown?;
    match exit_code(result.interrupted, result.failure.as_deref())? {
        DONE if result.verdict.status == Status::Invalid => Ok(INVALID),
        DONE if result.thresholds.iter().any(|threshold| !threshold.met) => Ok(NO),
        code => Ok(code),
    }
}
