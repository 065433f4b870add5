//! `zload show`

use std::io::Write;

use super::{not_printed, print, style};
use crate::Error;
use crate::cli::ShowArgs;
use crate::environment;
use crate::files::{Destination, Inputs, load};
use zload_report::print::{self as forms, formats};
use zload_report::report;

pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let saved = load::saved(&args.result)?;
    if let Some(html) = Destination::reserve(args.html.as_deref(), &Inputs::of([&args.result]))? {
        html.save(&forms::html(&report::of(&saved)))?;
    }
    let revision = environment::revision_of_ci();
    print(
        out,
        formats::form_of_saved(&saved, args.format, style(args.verbose), &revision)
            .map_err(|why| not_printed(&why))?
            .as_bytes(),
    )
}
