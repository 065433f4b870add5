//! `zload show`

use std::io::Write;

use super::{print, stdout_style};
use crate::cli::{Format, ShowArgs};
use crate::result::{Saved, to_json};
use crate::{Error, render};

pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let text = match (Saved::load(&args.result)?, args.format) {
        (Saved::Run(result), Format::Text) => render::run_report(&result, stdout_style()),
        (Saved::Run(result), Format::Json) => to_json(&result),
        (Saved::Serve(result), Format::Text) => render::serve_report(&result, stdout_style()),
        (Saved::Serve(result), Format::Json) => to_json(&result),
        (Saved::Ideal(result), Format::Text) => render::ideal_report(&result, stdout_style()),
        (Saved::Ideal(result), Format::Json) => to_json(&result),
        (Saved::Selftest(result), Format::Text) => render::selftest_report(&result, stdout_style()),
        (Saved::Selftest(result), Format::Json) => to_json(&result),
        (Saved::Comparison(result), Format::Text) => {
            render::comparison_report(&result, stdout_style())
        }
        (Saved::Comparison(result), Format::Json) => to_json(&result),
        (Saved::Calibration(result), Format::Text) => {
            render::calibration_report(&result, stdout_style())
        }
        (Saved::Calibration(result), Format::Json) => to_json(&result),
    };
    print(out, text.as_bytes())
}
