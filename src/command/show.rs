//! `zload show`

use std::io::Write;

use super::{print, stdout_style};
use crate::cli::{Format, ShowArgs};
use crate::result::{RunResult, to_json};
use crate::{Error, render};

pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let result = RunResult::load(&args.result)?;
    let text = match args.format {
        Format::Text => render::run_report(&result, stdout_style()),
        Format::Json => to_json(&result),
    };
    print(out, text.as_bytes())
}
