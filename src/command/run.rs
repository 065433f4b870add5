//! `zload run`

use std::io::Write;
use std::sync::Arc;

use super::{DONE, INVALID, deliver, exit_code, interruption};
use crate::cli::RunArgs;
use crate::measure::Ways;
use crate::plan::Plan;
use crate::progress::{Mode, Progress};
use crate::result::{Destination, RunResult};
use crate::scenario::Scenario;
use crate::topology::{self, Measured};
use crate::verdict::Status;
use crate::{Error, environment, render};

/// Of each of many runs, at least so many ways are kept.
const LEAST_WAYS: usize = 4096;

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let scenario = Scenario::load(&args.scenario, &args.overrides.with(&args.load))?;
    let destination = Destination::reserve(args.output.output.as_deref(), &args.scenario)?;
    let trace_out = Destination::reserve(args.trace_out.as_deref(), &args.scenario)?;
    let html = Destination::reserve(args.html.as_deref(), &args.scenario)?;
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
    let delivered = deliver(&result, &args.output, destination, render::run_report, out);
    let shown = html.map_or(Ok(()), |html| html.save(&render::run_page(&result)));
    if let (Some(trace_out), Some(last)) = (trace_out, runs.last()) {
        let ways = last.recorded.ways.intended_from(0);
        trace_out.save(&render::chrome_trace(&ways, &plan))?;
    }
    delivered.and(shown)?;
    match exit_code(result.interrupted, result.failure.as_deref())? {
        DONE if result.verdict.status == Status::Invalid => Ok(INVALID),
        code => Ok(code),
    }
}
