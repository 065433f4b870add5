//! `zload selftest`

use std::io::Write;

use super::{DONE, INTERRUPTED, INVALID, NO, Places, deliver, ensure_format, interruption};
use crate::cli::SelftestArgs;
use crate::environment;
use crate::files::Inputs;
use crate::progress::{Mode, Progress};
use crate::{Error, selftest};
use zload_core::scenario::ClientEngine;
use zload_report::result::SelftestResult;

pub(super) fn selftest(args: &SelftestArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<SelftestResult>(&args.output)?;
    // There is no scenario that the result could replace.
    let places = Places::reserve(&args.output, &Inputs::default())?;
    let interrupted = interruption()?;
    let progress = Progress::new(Mode::choose(args.output.quiet));
    let engine = [ClientEngine::Libzmq, ClientEngine::Zmtp]
        .into_iter()
        .find(|engine| engine.name() == args.engine)
        .expect("clap lets only these pass");
    let environment = environment::describe();
    let result = selftest::run(environment, &interrupted, engine, &mut |step, steps, name| {
        progress.step(step, steps, name);
    })?;
    progress.finish();
    deliver(&result, &args.output, places, out)?;
    Ok(match (result.interrupted, result.passed) {
        (true, _) => INTERRUPTED,
        (false, true) => DONE,
        (false, false) if result.failed() > 0 => NO,
        // What could not be judged has neither passed nor failed.
        (false, false) => INVALID,
    })
}
