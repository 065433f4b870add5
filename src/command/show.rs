//! `zload show`

use std::io::Write;

use super::{print, text_of};
use crate::cli::ShowArgs;
use crate::files::{Destination, Inputs, load};
use crate::{Error, print, report};
use zload_core::result::Saved;

pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let saved = load::saved(&args.result)?;
    if let Some(html) = Destination::reserve(args.html.as_deref(), &Inputs::of([&args.result]))? {
        html.save(&page(&saved)?)?;
    }
    let text = match saved {
        Saved::Run(result) => text_of(&*result, args.format),
        Saved::Serve(result) => text_of(&*result, args.format),
        Saved::Ideal(result) => text_of(&*result, args.format),
        Saved::Selftest(result) => text_of(&*result, args.format),
        Saved::Comparison(result) => text_of(&*result, args.format),
        Saved::Calibration(result) => text_of(&*result, args.format),
    };
    print(out, text?.as_bytes())
}

/// The page of a result that has one.
fn page(saved: &Saved) -> Result<String, Error> {
    match saved {
        Saved::Run(result) => Ok(print::html(&report::of(&**result))),
        Saved::Comparison(result) => Ok(print::html(&report::of(&**result))),
        Saved::Serve(_) | Saved::Ideal(_) | Saved::Selftest(_) | Saved::Calibration(_) => Err(Error::Failed(
            "--html: there are pages of results of `zload run` and `zload compare` only; see --format".to_owned(),
        )),
    }
}
