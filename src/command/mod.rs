//! The glue: one file for each command. Commands write to what they are given, and say which exit code they mean.

mod check;
mod guard;
mod ideal;
mod run;
mod selftest;
mod serve;
mod show;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::CommandFactory as _;
use schemars::schema_for;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Error;
use crate::cli::{Cli, Command, Format, OutputArgs, SchemaOf};
use crate::progress;
use crate::render::Style;
use crate::result::{
    ComparisonResult, Destination, IdealResult, RunResult, SelftestResult, ServeResult, to_json,
};
use crate::scenario::Scenario;

/// Exit code of a command that did what it should.
const DONE: u8 = 0;
/// Exit code of a run whose figures must not be used.
const INVALID: u8 = 3;
/// Exit code of a run that was ended by Ctrl-C or SIGTERM.
const INTERRUPTED: u8 = 130;

/// Carries out what the command line asks for; gives the exit code.
pub fn execute(cli: &Cli, out: &mut dyn Write) -> Result<u8, Error> {
    match &cli.command {
        Command::Run(args) => run::run(args, out),
        Command::Serve(args) => serve::serve(args, out),
        Command::Check(args) => check::check(args, out),
        Command::Ideal(args) => ideal::ideal(args, out),
        Command::Selftest(args) => selftest::selftest(args, out),
        Command::Guard(args) => guard::guard(args, out),
        Command::Show(args) => show::show(args, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "zload", &mut script);
            print(out, &script)
        }
        Command::Man { command } => print(out, &man_page(command.as_deref())?),
        Command::Schema { of } => {
            let schema = match of {
                SchemaOf::Scenario => schema_for!(Scenario),
                SchemaOf::Result => schema_for!(RunResult),
                SchemaOf::Ideal => schema_for!(IdealResult),
                SchemaOf::Serve => schema_for!(ServeResult),
                SchemaOf::Selftest => schema_for!(SelftestResult),
                SchemaOf::Comparison => schema_for!(ComparisonResult),
            };
            print(out, to_json(&schema).as_bytes())
        }
    }
}

/// The page of zload or, with all its options, of one command.
fn man_page(command: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut zload = Cli::command();
    zload.build();
    let of = match command {
        None => zload,
        Some(name) => zload.find_subcommand(name).cloned().ok_or_else(|| {
            Error::Failed(format!("there is no command {name:?}; see zload help"))
        })?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(of).render(&mut page).expect("writing to memory cannot fail");
    Ok(page)
}

/// Writes a command's output to its end, so that a full disk is an error and not a loss.
fn print(out: &mut dyn Write, bytes: &[u8]) -> Result<u8, Error> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever closed the pipe has read enough; what the command found out still decides the exit code.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(DONE),
        Err(error) => Err(Error::Output(error)),
        Ok(()) => Ok(DONE),
    }
}

/// Saves and prints a result. The file comes first: a closed pipe must not cost the figures.
fn deliver<T: Serialize>(
    result: &T,
    output: &OutputArgs,
    destination: Option<Destination>,
    report: impl FnOnce(&T, Style) -> String,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let saved = destination.map_or(Ok(()), |destination| destination.save(&to_json(result)));
    let text = match output.format {
        Format::Text => report(result, stdout_style()),
        Format::Json => to_json(result),
    };
    let printed = print(out, text.as_bytes());
    saved?;
    printed.map(|_| ())
}

fn stdout_style() -> Style {
    Style::new(wants_color(&io::stdout()))
}

/// Colours only for a terminal that knows them and has not asked for none.
pub fn wants_color(stream: &impl IsTerminal) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !no_color && !progress::is_dumb()
}

/// A flag that Ctrl-C and SIGTERM set; the second of them ends the process at once.
fn interruption() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(INTERRUPTED),
            Arc::clone(&flag),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
        .map_err(|error| Error::Limit(format!("Ctrl-C cannot be caught: {error}")))?;
    }
    Ok(flag)
}

/// The exit code of a run that ended this way.
fn exit_code(interrupted: bool, failure: Option<&str>) -> Result<u8, Error> {
    match (failure, interrupted) {
        (Some(failure), _) => Err(Error::Failed(failure.to_owned())),
        (None, true) => Ok(INTERRUPTED),
        (None, false) => Ok(DONE),
    }
}
