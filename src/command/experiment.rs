//! What `zload compare` and `zload calibrate` share: from scenario files to an experiment that was played.

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
use zload_core::compare::{Metric, Questions, Side, default_primary, metric_named};
use zload_core::plan::Plan;
use zload_core::quantity;
use zload_core::result::{RunResult, Steadiness};
use zload_core::scenario::load::Override;
use zload_core::scenario::{Percent, Scenario};

/// Settings that slices take the place of.
const NOT_USED: [&str; 2] = ["run.duration=", "run.warmup="];

/// The scenario that was read as a contender that `exe` plays.
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
            "{setting} has no effect: slices have lengths of their own; --slice sets the measured part, of which a sixth more \
             is warm-up"
        )));
    }
    let scenario = load_from(input, overrides)?;
    let (path, kept) = input.for_others()?;
    let own = std::env::current_exe()
        .map_err(|source| Error::Failed(format!("the program does not find itself: {source}")))?;
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

/// Sides of the same name are told apart by their files, or by a number.
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
    metric_named(name)
        .map_err(|help| Error::Failed(format!("{name:?} is no metric of a comparison; {help}")))
}

/// Looks at the machine and plays the design; what a reader must know first comes with it.
pub(super) fn play(
    contenders: &[Contender],
    design: &Design,
    progress: &mut Progress,
    interrupted: &Arc<AtomicBool>,
) -> Result<(Ended, Vec<String>), Error> {
    let machine = burn_in(interrupted);
    let notes = notes(machine, design);
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
        // The estimate, until what was played says better.
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
            "this machine is not fit to compare now: one in ten equal pieces of work took {:.1} times as long as the \
             shortest, or longer; wait until others are done, or expect answers to be unclear",
            machine.p90_ratio
        ));
    }
    if let Some(cpus) = design.cpus {
        notes.push(format!(
            "everything was kept on {}: what is compared is the work that is done, not how it spreads over more",
            quantity::counted(u64::from(cpus), "processor")
        ));
    }
    notes
}
