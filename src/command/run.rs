//! `zload run`

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{DONE, NO, Places, code_of, deliver, exit_code, interruption, load_from, shard, when};
use crate::Error;
use crate::cli::RunArgs;
use crate::engine::{self, Part};
use crate::environment;
use crate::files::{Destination, Input, Inputs, load::read_scenario, quick};
use crate::machine::threads;
use crate::machine::threads::keep_on;
use crate::progress::{Mode, Progress};
use zload_core::facts::Measured;
use zload_core::plan::Plan;
use zload_core::record::Traces;
use zload_core::scenario::Scenario;
use zload_core::twin::Limits;
use zload_report::print::formats;
use zload_report::result::{RunResult, STEPS_BESIDE_A_RUN, out_of_reach, to_json};

/// Traces that are kept of each of many runs, at least.
const LEAST_WAYS: usize = 4096;

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let input = match &args.scenario {
        Some(path) => read_scenario(path)?,
        None => quick::for_command(args.server.first().map_or("", String::as_str)),
    };
    let scenario = scenario_of(args, &input)?;
    let inputs = Inputs::of([&input.path]).and_server(&scenario);
    if let Some(share) = when::share(&args.part)? {
        return shard::run(args, share, &scenario, &inputs);
    }
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
        Err(Error::NotPrinted { .. }) if result.interrupted || result.failure.is_some() => {}
        delivered => delivered?,
    }
    match exit_code(result.interrupted, result.failure.as_deref())? {
        // It was asked to end by what it found.
        DONE if result.stopped.is_some() => Ok(NO),
        DONE => Ok(code_of(&result)),
        code => Ok(code),
    }
}

/// The scenario, with a server elsewhere if the command line names one.
fn scenario_of(args: &RunArgs, input: &Input) -> Result<Scenario, Error> {
    let mut scenario = load_from(input, &args.overrides())?;
    if args.part.connect.is_some() {
        if scenario.server.is_some() {
            return Err(Error::Failed(
                "--connect names a server that runs, and [server] starts one: leave one of them out"
                    .to_owned(),
            ));
        }
        // Its workers are its own affair.
        scenario.workers.connect = None;
    }
    Ok(scenario)
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
        let outcome =
            engine::run(Part::whole(scenario, plan), args.trace, interrupted, &mut |snapshot| {
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
