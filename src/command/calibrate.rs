//! `zload calibrate`

use std::io::Write;

use super::experiment::{contender, play, questions};
use super::{DONE, INTERRUPTED, INVALID, Places, deliver, ensure_format, interruption};
use crate::Error;
use crate::cli::CalibrateArgs;
use crate::experiment::Design;
use crate::files::{Inputs, load};
use crate::machine::threads::keep_on;
use crate::progress::{Mode, Progress};
use zload_report::compare::calibrate as noise;
use zload_report::result::CalibrationResult;

pub(super) fn calibrate(args: &CalibrateArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<CalibrationResult>(&args.output)?;
    if let Some(cpus) = args.design.cpus {
        keep_on(cpus)?;
    }
    let input = load::read_scenario(&args.scenario)?;
    let one = contender(&input, &args.overrides.with(&args.load), None)?;
    let inputs = Inputs::of([&args.scenario]).and_server(&one.side.scenario);
    let places = Places::reserve(&args.output, &inputs)?;
    let mut other = one.clone();
    other.side.name = format!("{} again", one.side.name);
    let scenario = one.side.scenario.clone();
    let questions = questions(&args.questions, &scenario)?;
    let (profile, overrides) = args.design.overrides();
    let mut design = Design::new(&[&scenario, &scenario], profile, overrides, &questions)?;
    let compared = design.blocks;
    if overrides.blocks.is_none() {
        // Twice as many as a comparison has, so that there is something to choose from.
        design.blocks *= 2;
    }
    let interrupted = interruption()?;
    let mut progress = Progress::new(Mode::choose(args.output.quiet));
    let (ended, notes) = play(&[one, other], &design, &mut progress, &interrupted)?;
    progress.finish();
    let comparison =
        ended.experiment.compare(&questions, &notes, ended.interrupted, ended.failure.as_deref());
    let result = noise(&ended.experiment, comparison, &questions, compared);
    deliver(&result, &args.output, places, out)?;
    match &result.comparison.failure {
        Some(failure) => Err(Error::Failed(failure.clone())),
        None if ended.interrupted => Ok(INTERRUPTED),
        None if !result.comparison.valid || !result.comparison.unanswered().is_empty() => {
            Ok(INVALID)
        }
        None => Ok(DONE),
    }
}
