//! `zload show`

use std::io::Write;

use super::{print, text_of};
use crate::Error;
use crate::cli::ShowArgs;
use crate::result::Saved;

pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let text = match Saved::load(&args.result)? {
        Saved::Run(result) => text_of(&*result, args.format),
        Saved::Serve(result) => text_of(&*result, args.format),
        Saved::Ideal(result) => text_of(&*result, args.format),
        Saved::Selftest(result) => text_of(&*result, args.format),
        Saved::Comparison(result) => text_of(&*result, args.format),
        Saved::Calibration(result) => text_of(&*result, args.format),
    };
    print(out, text?.as_bytes())
}
