//! `zload run`

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{DONE, INVALID, NO, Places, deliver, exit_code, interruption, load_from};
use crate::Error;
use crate::cli::RunArgs;
use crate::engine;
use crate::files::{Destination, Inputs, load::read_scenario, quick};
use crate::machine::threads::keep_on;
use crate::machine::{environment, threads};
use crate::progress::{Mode, Progress};
use zload_core::facts::Measured;
use zload_core::plan::Plan;
use zload_core::record::Traces;
use zload_core::scenario::Scenario;
use zload_core::twin::Limits;
use zload_report::print::formats;
use zload_report::result::{RunResult, STEPS_BESIDE_A_RUN, out_of_reach, to_json};
use zload_report::verdict::Status;

/// Traces that are kept of each of many runs, at least.
const LEAST_WAYS: usize = 4096;

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let input = match &args.scenario {
        Some(path) => read_scenario(path)?,
        None => quick::for_command(args.server.first().map_or("", String::as_str)),
    };
    let scenario = load_from(&input, &args.overrides())?;
    let inputs = Inputs::of([&input.path]).and_server(&scenario);
    let places = Places::reserve(&args.output, &inputs)?;
    let trace_out = Destination::reserve(args.trace_out.as_deref(), &inputs)?;
    Destination::ensure_distinct(&[&places.result, &trace_out, &places.page])?;
    if let Some(cpus) = args.cpus {
        keep_on(cpus)?;
    }
    let interrupted = interruption()?;
    let plans = plans(args, &scenario);
    let environment = environment::describe();
    let mode = if args.trace { Mode::Quiet } else { Mode::choose(args.output.quiet) };
    let mut progress = Progress::new(mode);
    for warning in out_of_reach(&scenario, &plans[0], args.repeat) {
        progress.announce(&format!("warning: {warning}"));
    }
    let (mut runs, server) = measure(args, &scenario, &plans, &interrupted, &mut progress)?;
    let environment = environment::with_libzmq(environment);
    let of = |runs: &[Measured]| RunResult::new(&scenario, &plans, environment.clone(), runs);
    let (mut result, mut sampled) = of(&runs);
    // What was measured is safe before anything else is waited for.
    if let Some(destination) = &places.result {
        destination.save_so_far(|| to_json(&result));
    }
    if let (Some(server), Some(last)) = (server, runs.last_mut()) {
        engine::note_end(last, server);
        (result, sampled) = of(&runs);
    }
    progress.simulate();
    let limits = Limits { most_steps: STEPS_BESIDE_A_RUN, stop: &interrupted };
    result.add_ideal(&plans, sampled, limits);
    result.add_other_seeds(limits, &threads::together);
    result.interrupted |= interrupted.load(Ordering::Relaxed);
    progress.finish();
    let delivered = deliver(&result, &args.output, places, out);
    if let (Some(trace_out), Some(last)) = (trace_out, runs.last()) {
        let plan = plan_of(&plans, runs.len());
        let mut traces = last.recorded.traces.intended_from(0);
        traces.retain(|trace| plan.follows(trace.key));
        trace_out.save(&formats::chrome_trace(&traces, plan, &last.identities))?;
    }
    match delivered {
        // How the run ended says more, and decides the exit code.
        Err(Error::NotPrinted(_)) if result.interrupted || result.failure.is_some() => {}
        delivered => delivered?,
    }
    let missed = result.thresholds.iter().any(|threshold| !threshold.met);
    let nothing_came = result.ledger.replies_expected > 0 && result.ledger.replies_received == 0;
    let stopped = result.stopped.is_some();
    match exit_code(result.interrupted, result.failure.as_deref())? {
        // That there is no answer is certain, whatever the verdict on the figures.
        // It was asked to end by what it found.
        DONE if stopped => Ok(NO),
        DONE if missed && (result.verdict.status < Status::Invalid || nothing_came) => Ok(NO),
        DONE if result.verdict.status == Status::Invalid => Ok(INVALID),
        code => Ok(code),
    }
}

/// The plan of all runs, or that of each.
fn plans(args: &RunArgs, scenario: &Scenario) -> Vec<Arc<Plan>> {
    let number = if args.vary_seed { args.repeat } else { 1 };
    let of = |index: u32| Arc::new(Plan::new(&scenario.with_seed_after(index.into())));
    (0..number).map(of).collect()
}

/// The plan of the run with this number, counted from 1.
fn plan_of(plans: &[Arc<Plan>], run: usize) -> &Arc<Plan> {
    &plans[(run - 1) % plans.len()]
}

/// Runs the plan as often as asked, unless it is interrupted or fails. An external server still runs after the
/// last time.
fn measure<'a>(
    args: &RunArgs,
    scenario: &Scenario,
    plans: &[Arc<Plan>],
    interrupted: &'a AtomicBool,
    progress: &mut Progress,
) -> Result<(Vec<Measured>, Option<engine::External<'a>>), Error> {
    let mut runs: Vec<Measured> = Vec::new();
    let mut running: Option<engine::External<'_>> = None;
    // Many runs share the memory that one may have, as far as a p99 of each allows.
    let most_traces = (Traces::MOST / args.repeat as usize).max(LEAST_WAYS);
    for index in 1..=args.repeat {
        if let (Some(server), Some(last)) = (running.take(), runs.last_mut()) {
            engine::note_end(last, server);
        }
        progress.begin_run(index, args.repeat);
        let plan = plan_of(plans, index as usize);
        let outcome = engine::run(scenario, plan, args.trace, interrupted, &mut |snapshot| {
            progress.update(snapshot);
        });
        let measured = match (outcome, runs.last_mut()) {
            (Ok((mut measured, server)), _) => {
                measured.recorded.traces.shrink(most_traces);
                running = server;
                measured
            }
            (Err(error), None) => return Err(error),
            // What the runs before this one found must not be lost with it.
            (Err(error), Some(last)) => {
                last.failure =
                    Some(format!("run {index} of {} did not start: {error}", args.repeat));
                break;
            }
        };
        let whole = measured.is_whole();
        runs.push(measured);
        if !whole {
            break;
        }
    }
    Ok((runs, running))
}
