//! The glue: one file for each command. Commands write to what they are given, and say which exit code they mean.

mod calibrate;
mod check;
mod compare;
mod experiment;
mod guard;
mod ideal;
mod init;
mod interruption;
mod merge;
mod probe;
mod run;
mod schema;
mod search;
mod search_start;
mod selftest;
mod serve;
mod shard;
mod show;
mod slices;
mod sweep;
mod when;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::CommandFactory as _;
use colorchoice::ColorChoice;
use serde::Serialize;

use interruption::interruption;

use crate::Error;
use crate::cli::{Cli, Color, Command, OutputArgs};
use crate::environment;
use crate::files::{Destination, Input, Inputs, load as files};
use crate::progress;
use zload_core::scenario::Scenario;
use zload_core::scenario::load::Override;
use zload_core::text;
use zload_report::print::formats::{self, NotPrinted, Printable};
use zload_report::print::{self as forms, Style};
use zload_report::report;
use zload_report::result::{RunResult, to_json};
use zload_report::verdict::Status;

/// Exit code of a command that did what it should.
const DONE: u8 = 0;
/// Exit code of a command whose answer is no.
const NO: u8 = 1;
/// Exit code of a run whose figures must not be used.
const INVALID: u8 = 3;
/// Exit code of a run that was ended by Ctrl-C or another signal.
const INTERRUPTED: u8 = 130;

/// Runs what the command line asks for; gives the exit code.
pub fn execute(cli: &Cli, out: &mut dyn Write) -> Result<u8, Error> {
    match cli.color {
        Color::Auto => {}
        Color::Always => ColorChoice::Always.write_global(),
        Color::Never => ColorChoice::Never.write_global(),
    }
    match &cli.command {
        Command::Run(args) => run::run(args, out),
        Command::Init(args) => init::init(args, out),
        Command::Serve(args) => serve::serve(args, out),
        Command::Probe(args) => probe::probe(args, out),
        Command::Check(args) => check::check(args, out),
        Command::Ideal(args) => ideal::ideal(args, out),
        Command::Selftest(args) => selftest::selftest(args, out),
        Command::Guard(args) => guard::guard(args, out),
        Command::Merge(args) => merge::merge(args, out),
        Command::Show(args) => show::show(args, out),
        Command::Compare(args) => compare::compare(args, out),
        Command::Calibrate(args) => calibrate::calibrate(args, out),
        Command::Search(args) => search::search(args, out),
        Command::Sweep(args) => sweep::sweep(args, out),
        Command::Slices(args) => slices::slices(args, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "zload", &mut script);
            print(out, &script)
        }
        Command::Man { command } => print(out, &man_page(command.as_deref())?),
        Command::Metrics => {
            // A figure a line, however wide, for those who search.
            print(out, forms::text(&report::metrics(), style(true).wide(200)).as_bytes())
        }
        Command::Schema { of } => schema::schema(*of, out),
    }
}

/// What is wrong with a command line, safe to show and of a length that people read, whatever is written in it.
pub fn usage(error: &clap::Error) -> String {
    let error = error.render().to_string();
    let lines: Vec<String> = error.lines().map(text::short).collect();
    text::lines(&lines.join("\n")).into_owned() + "\n"
}

/// The page of zload or, with all its options, of one command.
fn man_page(command: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut zload = Cli::command();
    zload.build();
    let of = match command {
        None => zload,
        Some(name) => zload
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Error::Failed(format!("unknown command {name:?}; see zload help")))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(of).render(&mut page).expect("writing to memory cannot fail");
    Ok(page)
}

/// The scenario at `path`, unless some room knows a reason against it: a field or a metric that there is not.
fn load(path: &Path, overrides: &[Override]) -> Result<Scenario, Error> {
    load_from(&files::read_scenario(path)?, overrides)
}

/// The same of what has been read.
fn load_from(input: &Input, overrides: &[Override]) -> Result<Scenario, Error> {
    files::scenario_of(input, overrides, |scenario| {
        zload_report::result::threshold_error(scenario)
            .or_else(|| zload_report::compare::metric_error(scenario))
            .or_else(|| zload_report::search::goal_error(scenario))
    })
}

/// Writes a command's output to its end, so that a full disk is an error and not a loss.
fn print(out: &mut dyn Write, bytes: &[u8]) -> Result<u8, Error> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // A broken pipe is not an error: the command's own result still decides the exit code.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(DONE),
        Err(error) => Err(Error::Output(error)),
        Ok(()) => Ok(DONE),
    }
}

/// Where a result and its page go.
struct Places {
    result: Option<Destination>,
    page: Option<Destination>,
}

impl Places {
    /// Proves that both can be written, before anything is measured.
    fn reserve(output: &OutputArgs, inputs: &Inputs) -> Result<Self, Error> {
        let result = Destination::reserve(output.output.as_deref(), inputs)?;
        let page = Destination::reserve(output.html.as_deref(), inputs)?;
        Destination::ensure_distinct(&[&result, &page])?;
        Ok(Self { result, page })
    }
}

/// Saves and prints a result. The files come first: a closed pipe must not cost the figures.
fn deliver<T: Serialize + Printable>(
    result: &T,
    output: &OutputArgs,
    places: Places,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let saved = places.result.map_or(Ok(()), |place| place.save(&to_json(result)));
    let page = places.page.map_or(Ok(()), |place| place.save(&forms::html(&report::of(result))));
    let printed = text_of(result, output).and_then(|text| print(out, text.as_bytes()));
    saved?;
    page?;
    printed.map(|_| ())
}

/// A result in the form that was asked for.
fn text_of<T: Printable>(result: &T, output: &OutputArgs) -> Result<String, Error> {
    let style = style(output.verbose);
    formats::form(result, output.format, style, &environment::revision_of_ci())
        .map_err(|why| not_printed(&why))
}

/// Fails unless there is the format that was asked for of this kind of result.
fn ensure_format<T: Printable>(output: &OutputArgs) -> Result<(), Error> {
    formats::ensure::<T>(output.format).map_err(|why| not_printed(&why))
}

fn not_printed(why: &NotPrinted) -> Error {
    let must_not_be_used = matches!(why, NotPrinted::MustNotBeUsed { .. });
    Error::NotPrinted { why: why.to_string(), must_not_be_used }
}

/// How a report on standard output may look: as wide as the terminal is, within what can be read.
fn style(verbose: bool) -> Style {
    let style = Style::new(wants_color(&io::stdout())).verbose(verbose);
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((terminal_size::Width(columns), _)) => style.wide(usize::from(columns).clamp(60, 200)),
        None => style,
    }
}

/// Colours only for a terminal that knows them and has not asked for none, unless the command line says otherwise.
pub fn wants_color(stream: &impl IsTerminal) -> bool {
    match ColorChoice::global() {
        ColorChoice::Always | ColorChoice::AlwaysAnsi => return true,
        ColorChoice::Never => return false,
        ColorChoice::Auto => {}
    }
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !no_color && !progress::is_dumb()
}

/// The exit code that the figures of a run have.
fn code_of(result: &RunResult) -> u8 {
    let missed = result.thresholds.iter().any(|threshold| !threshold.met);
    let nothing_came = result.ledger.replies_expected > 0 && result.ledger.replies_received == 0;
    match result.verdict.status {
        // That there is no answer is certain, whatever the verdict on the figures.
        Status::Invalid if missed && nothing_came => NO,
        Status::Invalid => INVALID,
        _ if missed => NO,
        _ => DONE,
    }
}

/// The exit code of a run that ended this way.
fn exit_code(interrupted: bool, failure: Option<&str>) -> Result<u8, Error> {
    match (failure, interrupted) {
        (Some(failure), _) => Err(Error::Failed(failure.to_owned())),
        (None, true) => Ok(INTERRUPTED),
        (None, false) => Ok(DONE),
    }
}
