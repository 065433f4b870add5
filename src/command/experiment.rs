//! What `zload compare` and `zload calibrate` share: from scenario files to a finished experiment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::load_from;
use crate::Error;
use crate::cli::QuestionArgs;
use crate::experiment::{self, Contender, Design, Ended};
use crate::files::{Input, input};
use crate::machine::burn_in::burn_in;
use crate::machine::environment;
use crate::progress::Progress;
use zload_core::plan::Plan;
use zload_core::quantity;
use zload_core::scenario::load::Override;
use zload_core::scenario::{Percent, Scenario};
use zload_report::compare::{Metric, Questions, Side, default_primary, metric_named};
use zload_report::result::{RunResult, Steadiness};

/// Settings that slices take the place of.
const NOT_USED: [&str; 3] = ["run.duration=", "run.warmup=", "load.requests="];

/// The scenario that was read, as a contender for `exe`.
pub(super) fn contender(
    input: &Input,
    overrides: &[Override],
    exe: Option<&PathBuf>,
) -> Result<Contender, Error> {
    let settings: Vec<String> = overrides.iter().map(Override::setting).collect();
    if let Some(setting) =
        settings.iter().find(|setting| NOT_USED.iter().any(|key| setting.starts_with(key)))
    {
        return Err(Error::Failed(format!(
            "{setting} has no effect: slices have their own lengths; --slice sets the measured part, and warm-up adds a sixth"
        )));
    }
    let scenario = load_from(input, overrides)?;
    if scenario.load.changes() {
        return Err(Error::Failed(format!(
            "{}: its load changes (load.stages, load.replay), so slices of it are not alike: run it whole, with thresholds on its stages, or set load.rate",
            input::name(&input.path)
        )));
    }
    as_contender(input, scenario, settings, exe)
}

/// The scenario that was read, with what plays it.
pub(super) fn as_contender(
    input: &Input,
    scenario: Scenario,
    settings: Vec<String>,
    exe: Option<&PathBuf>,
) -> Result<Contender, Error> {
    let (path, kept) = input.for_others()?;
    let own = std::env::current_exe().map_err(|source| {
        Error::Failed(format!("zload cannot find its own program file: {source}"))
    })?;
    let side = Side {
        name: exe.map_or_else(|| scenario.name.clone(), |exe| exe.display().to_string()),
        source: input::name(&input.path),
        exe: exe.map(|exe| exe.display().to_string()),
        plan_hash: Plan::new(&scenario).hash().to_owned(),
        environment: environment::describe(),
        scenario,
    };
    Ok(Contender {
        side,
        exe: exe.cloned().unwrap_or(own),
        scenario: path,
        kept: kept.map(|file| Arc::new(file.into())),
        settings,
    })
}

/// A side that was saved.
pub(super) fn saved_side(result: &RunResult, path: &Path) -> Side {
    Side {
        name: result.scenario.name.clone(),
        source: input::name(path),
        exe: None,
        scenario: result.scenario.clone(),
        plan_hash: result.plan_hash.clone(),
        environment: result.environment.clone(),
    }
}

/// Sides of the same name are distinguished by their files, or by a number.
pub(super) fn tell_apart(sides: &mut [&mut Side]) {
    let names: Vec<String> = sides.iter().map(|side| side.name.clone()).collect();
    let sources: Vec<String> = sides.iter().map(|side| side.source.clone()).collect();
    let twice = |of: &[String], text: &String| of.iter().filter(|other| *other == text).count() > 1;
    for (index, side) in sides.iter_mut().enumerate() {
        if !twice(&names, &names[index]) {
            continue;
        }
        side.name = if twice(&sources, &sources[index]) {
            format!("{} #{}", names[index], index + 1)
        } else {
            sources[index].clone()
        };
    }
}

/// What is asked: by the command line, else by the scenario, else by what its load leaves free.
pub(super) fn questions(args: &QuestionArgs, scenario: &Scenario) -> Result<Questions, Error> {
    let own = &scenario.compare;
    let primary = match args.primary.as_ref().or(own.primary.as_ref()) {
        Some(name) => named(name)?,
        None => default_primary(scenario),
    };
    let gates: Result<Vec<&'static Metric>, Error> =
        own.gates.iter().chain(&args.gate).map(|name| named(name)).collect();
    Ok(Questions {
        primary,
        gates: gates?,
        // The scenario's margin is that of its own primary metric.
        margin_percent: args
            .margin
            .or(own.margin.filter(|_| args.primary.is_none()))
            .map(Percent::value),
    })
}

fn named(name: &str) -> Result<&'static Metric, Error> {
    metric_named(name).map_err(|help| Error::Failed(format!("unknown metric {name:?}; {help}")))
}

/// Checks the machine and runs the design; returns it with notes.
pub(super) fn play(
    contenders: &[Contender],
    design: &Design,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Result<(Ended, Vec<String>), Error> {
    let machine = burn_in(interrupted);
    let mut notes = notes(machine, design);
    if contenders.iter().any(|one| one.side.scenario.load.requests.is_some()) {
        notes.push(
            "load.requests is not used: slices end by time, so that all sides are measured for as long"
                .to_owned(),
        );
    }
    for note in &notes {
        progress.announce(note);
    }
    let estimate = design.estimate(contenders.len());
    progress.announce(&format!(
        "{} of {} of {} for each of {}: about {}",
        quantity::counted(u64::from(design.blocks), "block"),
        quantity::counted(u64::from(design.slices), "slice"),
        design.slice,
        quantity::counted(contenders.len() as u64, "side"),
        experiment::in_minutes(estimate)
    ));
    let ended = experiment::play(contenders, design, machine, interrupted, &mut |standing| {
        // The estimate, until the slices so far give a better one.
        let left_ns = match standing.slices {
            0 => estimate.0,
            played => standing.elapsed_ns / u64::from(played) * u64::from(standing.of - played),
        };
        let name = format!("block {}/{}", standing.block, design.blocks);
        progress.toward((standing.slices, standing.of), &name, left_ns);
    })?;
    Ok((ended, notes))
}

fn notes(machine: Steadiness, design: &Design) -> Vec<String> {
    let mut notes = Vec::new();
    if !machine.fit {
        notes.push(format!(
            "this machine is too noisy to compare right now: one in ten equal pieces of work took at least {:.1} times as long as the shortest. Stop other programs, or expect unclear answers",
            machine.p90_ratio
        ));
    }
    if let Some(cpus) = design.cpus {
        notes.push(format!(
            "all threads are pinned to {}: this compares the work itself, not how it scales over more CPUs",
            quantity::counted(u64::from(cpus), "processor")
        ));
    }
    notes
}
