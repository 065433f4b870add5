//! `zload check`

use std::fmt::Write as _;
use std::io::Write;

use super::load;
use crate::Error;
use crate::cli::CheckArgs;
use crate::files::input;
use zload_core::plan::Plan;
use zload_core::text;
use zload_report::print::{self, Style};
use zload_report::report;

/// Prints the plan of every valid file; a wrong one is an error once all have been looked at.
pub(super) fn check(args: &CheckArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let overrides = args.overrides.with(&args.load);
    let mut plans = String::new();
    let mut wrong = Vec::new();
    for path in &args.scenarios {
        match load(path, &overrides) {
            Ok(scenario) => {
                let plan = report::plan(&scenario, &Plan::new(&scenario));
                let plan = print::text(&plan, Style::new(false));
                writeln!(plans, "{}: ok\n{plan}", input::name(path))
                    .expect("writing to a string cannot fail");
            }
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
