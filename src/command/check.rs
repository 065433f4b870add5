//! `zload check`

use std::fmt::Write as _;
use std::io::Write;

use super::{load, shard};
use crate::Error;
use crate::cli::CheckArgs;
use crate::engine;
use crate::files::input;
use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;
use zload_core::text;
use zload_report::print::{self, Style};
use zload_report::report::{self, PlanPart};

/// Prints the plan of every valid file; a wrong one is an error once all have been looked at.
pub(super) fn check(args: &CheckArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let overrides = args.overrides.with(&args.load);
    let mut plans = String::new();
    let mut wrong = Vec::new();
    for path in &args.scenarios {
        let plan = load(path, &overrides).and_then(|scenario| {
            let parts = parts(&scenario, args.shards)?;
            Ok(print::text(
                &report::plan(&scenario, &Plan::new(&scenario), &parts),
                Style::new(false),
            ))
        });
        match plan {
            Ok(plan) => writeln!(plans, "{}: ok\n{plan}", input::name(path))
                .expect("writing to a string cannot fail"),
            Err(error) => wrong.push(error),
        }
    }
    super::print(out, text::lines(&plans).as_bytes())?;
    match wrong.len() {
        0 => Ok(super::DONE),
        1 => Err(wrong.remove(0)),
        _ => Err(Error::Several(wrong)),
    }
}

/// The parts of this number of shards, those with as many clients as one; none if no number is given.
fn parts(scenario: &Scenario, shards: Option<u32>) -> Result<Vec<PlanPart>, Error> {
    let Some(count) = shards else { return Ok(Vec::new()) };
    if let Some(reason) = shard::objection(scenario, count) {
        return Err(Error::Failed(reason));
    }
    // The first shards have one client more.
    let longer = scenario.clients.count.0 % count;
    let groups = [(0, longer), (longer, count)];
    let groups = groups.into_iter().filter(|(from, to)| from < to);
    groups
        .map(|(from, to)| {
            let share = Share::new(from, count).map_err(Error::Failed)?;
            let descriptors = engine::descriptors(scenario, share)?;
            let needs_server = shard::needs_server(scenario);
            Ok(PlanPart { share, last: to - 1, descriptors, needs_server })
        })
        .collect()
}
