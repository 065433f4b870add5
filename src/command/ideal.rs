//! `zload ideal`

use std::io::Write;

use super::{DONE, deliver, load};
use crate::cli::IdealArgs;
use crate::plan::Plan;
use crate::result::{Destination, IdealResult};
use crate::twin::{self, Pool};
use crate::{Error, render};

pub(super) fn ideal(args: &IdealArgs, out: &mut dyn Write) -> Result<u8, Error> {
    render::writer::<IdealResult>(args.output.format)?;
    let scenario = load(&args.scenario, &args.overrides.with(&args.load))?;
    let destination = Destination::reserve(args.output.output.as_deref(), &args.scenario)?;
    let plan = Plan::new(&scenario);
    let workers = scenario.workers.count.0;
    let ideals = args
        .policy
        .chosen()
        .into_iter()
        .map(|policy| Ok((policy, twin::ideal(&plan, Pool { workers, policy })?)))
        .collect::<Result<Vec<_>, twin::NoIdeal>>()
        .map_err(|reason| Error::Failed(format!("{}: {reason}", args.scenario.display())))?;
    let result = IdealResult::new(&scenario, &plan, &ideals);
    deliver(&result, &args.output, destination, out)?;
    Ok(DONE)
}
