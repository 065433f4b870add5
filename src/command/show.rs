//! `zload show`

use std::io::Write;

use super::{print, stdout_style};
use crate::cli::{Format, ShowArgs};
use crate::result::{Destination, Saved, to_json};
use crate::{Error, render};

pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let saved = Saved::load(&args.result)?;
    if let Some(html) = Destination::reserve(args.html.as_deref(), &args.result)? {
        html.save(&page(&saved)?)?;
    }
    let text = match (saved, args.format) {
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
    };
    print(out, text.as_bytes())
}

/// The page of a result that has one.
fn page(saved: &Saved) -> Result<String, Error> {
    match saved {
        Saved::Run(result) => Ok(render::run_page(result)),
        Saved::Comparison(result) => Ok(render::comparison_page(result)),
        Saved::Serve(_) | Saved::Ideal(_) | Saved::Selftest(_) => Err(Error::Failed(
            "--html: there are pages of results of `zload run` and `zload compare` only; see --format".to_owned(),
        )),
    }
}
