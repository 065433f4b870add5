//! `zload guard`: what zload starts in order to start a server.

use std::io::Write;
use std::time::Duration;

use super::DONE;
use crate::cli::GuardArgs;
use crate::{Error, process};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every command")]
pub(super) fn guard(args: &GuardArgs, out: &mut dyn Write) -> Result<u8, Error> {
    match args.become_server_of {
        Some(guard) => process::become_server(&args.command, guard),
        None => process::guard(&args.command, Duration::from_nanos(args.stop_timeout.0), out),
    }
    Ok(DONE)
}
