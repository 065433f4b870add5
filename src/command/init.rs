//! `zload init`

use std::io::Write;

use super::print;
use crate::Error;
use crate::cli::InitArgs;
use crate::files::create_new;
use zload_core::text;

/// A scenario that runs as it is, with a comment at every key.
const TEMPLATE: &str = include_str!("init.toml");

pub(super) fn init(args: &InitArgs, out: &mut dyn Write) -> Result<u8, Error> {
    create_new(&args.file, TEMPLATE)?;
    let file = text::path(&args.file);
    print(out, format!("{file}: written; zload check {file} shows its load\n").as_bytes())
}
