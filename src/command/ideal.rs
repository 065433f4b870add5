//! `zload ideal`

use std::io::Write;

use super::{DONE, Places, deliver, ensure_format, interruption, load};
use crate::Error;
use crate::cli::IdealArgs;
use crate::files::{Inputs, input};
use zload_core::plan::Plan;
use zload_core::twin::{self, Limits, NoIdeal, Pool};
use zload_report::result::IdealResult;

/// The work of one policy: 5 to 20 s, for 1,000 round trips a second over a day.
const MOST_STEPS: u64 = 200_000_000;

pub(super) fn ideal(args: &IdealArgs, out: &mut dyn Write) -> Result<u8, Error> {
    ensure_format::<IdealResult>(&args.output)?;
    let scenario = load(&args.scenario, &args.overrides.with(&args.load))?;
    let inputs = Inputs::of([&args.scenario]).and_server(&scenario);
    let places = Places::reserve(&args.output, &inputs)?;
    let interrupted = interruption()?;
    let limits = Limits { most_steps: MOST_STEPS, stop: &interrupted };
    let plan = Plan::new(&scenario);
    let workers = scenario.workers.count.0;
    let ideals = args
        .policy
        .chosen()
        .into_iter()
        .map(|policy| Ok((policy, twin::ideal(&plan, Pool { workers, policy }, limits)?)))
        .collect::<Result<Vec<_>, NoIdeal>>()
        .map_err(|reason| match reason {
            NoIdeal::Stopped => Error::Interrupted,
            reason => Error::Failed(format!("{}: {reason}", input::name(&args.scenario))),
        })?;
    let result = IdealResult::new(&scenario, &plan, &ideals);
    deliver(&result, &args.output, places, out)?;
    Ok(DONE)
}
