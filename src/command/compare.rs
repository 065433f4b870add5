//! `zload compare`

use std::io::Write;
use std::path::Path;

use super::experiment::{contender, play, questions, saved_side, tell_apart};
use super::{DONE, INTERRUPTED, INVALID, NO, Places, deliver, ensure_format, interruption};
use crate::Error;
use crate::cli::{CompareArgs, FailOn};
use crate::experiment::{Contender, Design};
use crate::files::{Input, Inputs, input, load};
use crate::machine::threads::keep_on;
use crate::progress::{Mode, Progress};
use zload_core::scenario::load::Override;
use zload_core::scenario::{Scenario, Vary};
use zload_report::compare::{Questions, Side, blocks_for, compare_saved};
use zload_report::result::{
    Answer, CalibrationResult, ComparisonResult, RunResult, Saved, to_value,
};

/// A calibration asks for no more blocks than this; more are the user's to ask for.
const MOST_BLOCKS: u32 = 60;

pub(super) fn compare(args: &CompareArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<ComparisonResult>(&args.output)?;
    let calibration = args.calibration.as_deref().map(load_calibration).transpose()?;
    let files =
        args.files.iter().map(|path| load::read_saved(path)).collect::<Result<Vec<_>, _>>()?;
    let saved = files.iter().filter(|file| load::is_saved(file)).count();
    if saved > 0 && saved < files.len() {
        return Err(Error::Failed(
            "some files are saved results and some are scenarios: compare two of a kind".to_owned(),
        ));
    }
    let contenders = if saved > 0 { Vec::new() } else { contenders(args, &files)? };
    let inputs = Inputs::of(args.files.iter().chain(&args.calibration)).and_programs(&args.exe);
    let sides = contenders.iter().map(|contender| &contender.side.scenario);
    let inputs = sides.fold(inputs, Inputs::and_server);
    let places = Places::reserve(&args.output, &inputs)?;
    let result = if saved > 0 {
        of_saved(args, &files, calibration.as_ref())?
    } else {
        of_scenarios(args, contenders, calibration.as_ref())?
    };
    let delivered = deliver(&result, &args.output, places, out);
    match delivered {
        // How the comparison ended says more, and decides the exit code.
        Err(Error::NotPrinted { .. }) if result.interrupted || result.failure.is_some() => {}
        delivered => delivered?,
    }
    exit_code(&result, args.fail_on)
}

fn exit_code(result: &ComparisonResult, fail_on: Option<FailOn>) -> Result<u8, Error> {
    let bad = |result: &ComparisonResult| match (fail_on, result.verdict) {
        // What is shown to be worse is so whatever else has no answer.
        (Some(_), Answer::Worse) => true,
        (Some(FailOn::Unclear), Answer::Unclear) => result.unanswered().is_empty(),
        _ => false,
    };
    let all = || std::iter::once(result).chain(&result.others);
    match &result.failure {
        Some(failure) => Err(Error::Failed(failure.clone())),
        None if result.interrupted => Ok(INTERRUPTED),
        None if all().any(|result| !result.valid) => Ok(INVALID),
        None if all().any(bad) => Ok(NO),
        None if all().any(|result| !result.unanswered().is_empty()) => Ok(INVALID),
        None => Ok(DONE),
    }
}

/// Runs the scenarios, or one scenario with several programs, alternately.
fn of_scenarios(
    args: &CompareArgs,
    mut contenders: Vec<Contender>,
    calibration: Option<&CalibrationResult>,
) -> Result<ComparisonResult, Error> {
    tell_apart(&mut contenders.iter_mut().map(|contender| &mut contender.side).collect::<Vec<_>>());
    let scenarios: Vec<&Scenario> =
        contenders.iter().map(|contender| &contender.side.scenario).collect();
    let questions = questions(&args.questions, scenarios[0])?;
    let (profile, mut overrides) = args.design.overrides();
    let mut told = Vec::new();
    if let Some(calibration) = calibration {
        let needed = blocks_for(calibration, questions.primary);
        overrides.blocks =
            overrides.blocks.or(needed
                .map(|blocks| blocks.min(MOST_BLOCKS).max(questions.fewest_blocks(scenarios[0]))));
        told.extend(beside(calibration, &contenders[0].side, needed));
    }
    let design = Design::new(&scenarios, profile, overrides, &questions)?;
    let interrupted = interruption()?;
    let mut progress = Progress::new(Mode::choose(args.output.quiet));
    let (ended, mut notes) = play(&contenders, &design, &mut progress, &interrupted)?;
    progress.finish();
    notes.extend(told);
    Ok(ended.experiment.compare(&questions, &notes, ended.interrupted, ended.failure.as_deref()))
}

fn contenders(args: &CompareArgs, files: &[Input]) -> Result<Vec<Contender>, Error> {
    // First, since the environment that a side has is that of its CPUs.
    if let Some(cpus) = args.design.cpus {
        keep_on(cpus)?;
    }
    let overrides = args.overrides.with(&args.load);
    if let Some(vary) = &args.vary {
        return values(vary, &overrides, files);
    }
    match (args.exe.as_slice(), files) {
        ([], [_]) => Err(Error::Failed(
            "one file cannot be compared: give two scenarios, two saved results, one scenario and --vary, or one scenario \
             and --exe twice (zload calibrate compares a scenario with itself)"
                .to_owned(),
        )),
        ([], files) => files.iter().map(|input| contender(input, &overrides, None)).collect(),
        ([_], _) => Err(Error::Failed("one --exe cannot be compared: give it twice".to_owned())),
        (exes, [scenario]) => {
            exes.iter().map(|exe| contender(scenario, &overrides, Some(exe))).collect()
        }
        (_, files) => Err(Error::Failed(format!(
            "--exe compares programs with one scenario, and {} files were given",
            files.len()
        ))),
    }
}

/// One scenario with each value of a key, which are what the sides are called.
fn values(vary: &Vary, overrides: &[Override], files: &[Input]) -> Result<Vec<Contender>, Error> {
    let [scenario] = files else {
        return Err(Error::Failed(format!(
            "--vary compares values with one scenario, and {} files were given",
            files.len()
        )));
    };
    let key = vary.sides[0].key();
    if overrides.iter().any(|other| other.key() == key) {
        return Err(Error::Failed(format!("{key} is both set and varied: leave out one of them")));
    }
    let side = |value: &Override| {
        let settings = [overrides, std::slice::from_ref(value)].concat();
        let mut contender = contender(scenario, &settings, None)?;
        contender.side.name = value.setting();
        Ok(contender)
    };
    vary.sides.iter().map(side).collect()
}

/// What a calibration says about this comparison.
fn beside(calibration: &CalibrationResult, side: &Side, needed: Option<u32>) -> Vec<String> {
    let mut notes = Vec::new();
    let calibrated = &calibration.comparison.a;
    if calibrated.plan_hash != side.plan_hash {
        notes.push(format!(
            "the calibration was made with another plan ({}), whose noise may differ",
            calibrated.name
        ));
    }
    if calibrated.environment.cpu_model != side.environment.cpu_model
        || calibrated.environment.cores != side.environment.cores
    {
        notes.push("the calibration was made on another machine".to_owned());
    }
    match needed {
        None => notes.push(
            "by the calibration no number of blocks detects a change of twice the margin here".to_owned(),
        ),
        Some(blocks) if blocks > MOST_BLOCKS => notes.push(format!(
            "by the calibration a change of twice the margin takes {blocks} blocks to detect: use --blocks {blocks}"
        )),
        Some(_) => {}
    }
    notes
}

fn of_saved(
    args: &CompareArgs,
    files: &[Input],
    calibration: Option<&CalibrationResult>,
) -> Result<ComparisonResult, Error> {
    if args.files.len() < 2 && args.vary.is_none() {
        return Err(Error::Failed("one result cannot be compared: give two".to_owned()));
    }
    let design = &args.design;
    let plays = !args.exe.is_empty()
        || args.vary.is_some()
        || !args.overrides.with(&args.load).is_empty()
        || design.profile.is_some()
        || design.blocks.is_some()
        || design.slices.is_some()
        || design.slice.is_some()
        || design.cpus.is_some();
    if plays {
        return Err(Error::Failed(
            "saved results are compared as they are: --exe, --vary, --set and its short forms, --profile, --blocks, \
             --slices, --slice and --cpus are for scenario files"
                .to_owned(),
        ));
    }
    let results = files.iter().map(load_run).collect::<Result<Vec<_>, _>>()?;
    let mut sides: Vec<Side> =
        results.iter().zip(&args.files).map(|(result, path)| saved_side(result, path)).collect();
    tell_apart(&mut sides.iter_mut().collect::<Vec<_>>());
    let questions = questions(&args.questions, &results[0].scenario)?;
    let mut all = Vec::new();
    for (other, side) in results.iter().zip(&sides).skip(1) {
        if other.plan_hash != results[0].plan_hash && !args.allow_different_load {
            return Err(Error::Failed(format!(
                "{} and {} have different plans ({} and {}), so a difference would come from the load; to compare the plans themselves, add --allow-different-load",
                sides[0].source, side.source, results[0].plan_hash, other.plan_hash
            )));
        }
        all.push(one_saved((&results[0], &sides[0]), (other, side), &questions, calibration)?);
    }
    let mut result = all.remove(0);
    result.others = all;
    Ok(result)
}

fn one_saved(
    (a, side_a): (&RunResult, &Side),
    (b, side_b): (&RunResult, &Side),
    questions: &Questions,
    calibration: Option<&CalibrationResult>,
) -> Result<ComparisonResult, Error> {
    let (value_a, value_b) = (to_value(a), to_value(b));
    let mut result = compare_saved((side_a, &value_a), (side_b, &value_b), questions, calibration)
        .map_err(Error::Failed)?;
    for (run, side) in [(a, side_a), (b, side_b)] {
        if run.interrupted || run.failure.is_some() {
            result
                .notes
                .push(format!("{} was cut short, so its last run is incomplete", side.source));
        }
    }
    Ok(result)
}

fn load_run(input: &Input) -> Result<RunResult, Error> {
    match load::saved_of(input)? {
        Saved::Run(result) => Ok(*result),
        Saved::Shard(_) => Err(Error::Result {
            path: input::name(&input.path).into(),
            reason: "it is a shard, a part of a run: zload merge makes a result of all of them"
                .to_owned(),
        }),
        _ => Err(Error::Result {
            path: input::name(&input.path).into(),
            reason: "only results of `zload run` can be compared".to_owned(),
        }),
    }
}

fn load_calibration(path: &Path) -> Result<CalibrationResult, Error> {
    match load::saved(path)? {
        Saved::Calibration(result) => Ok(*result),
        _ => Err(Error::Result {
            path: path.to_owned(),
            reason: "it is not a result of `zload calibrate -o FILE`".to_owned(),
        }),
    }
}
