//! zload side by side with a bare C program of the same topology that measures nothing, and with itself.
//!
//! `scripts/floor` runs this. A machine's speed drifts by tens of per cent within minutes, so nothing here is a time or
//! a rate: programs run in turn, each figure is a ratio within one round, and the table holds the median of those.

mod arm;
mod child;
mod cores;
mod programs;
mod report;
mod rounds;
mod rows;
mod sleeper;
mod statistics;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::cores::{Affinity, Cores};
use crate::programs::Programs;
use crate::report::Line;
use crate::rounds::{Limits, Session};

/// An error is a sentence for the user.
type Outcome<T> = Result<T, String>;

/// Where `--write` puts what was found.
const DOCUMENT: &str = "docs/performance.md";
/// Instants a second of the loop that only sleeps; as the load of its row.
const SLEEP_RATE: f64 = 2_000.0;

/// Compare zload side by side with a bare C program of the same topology, and with itself
#[derive(Debug, Parser)]
#[command(name = "scripts/floor")]
struct Options {
    /// Only this row of the table; repeatable
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=13))]
    row: Vec<u8>,
    /// Play at least this many rounds
    #[arg(long, value_name = "N", default_value_t = 8)]
    pairs: usize,
    /// Play at most this many rounds, however wide the intervals are
    #[arg(long, value_name = "N", default_value_t = 40)]
    max_pairs: usize,
    /// Start no further round of a load after this many minutes
    #[arg(long, value_name = "M", default_value_t = 8.0)]
    minutes: f64,
    /// Length of each run; 2, or 1 with --quick
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Pinned to one core, on all cores, or one after the other
    #[arg(long, value_enum, default_value_t = CoresOption::Both)]
    cores: CoresOption,
    /// Six rounds of 1 s each, and the minute's row once: a first impression
    #[arg(long)]
    quick: bool,
    /// Link the C program to the system's libzmq and not to the one that zload's build made
    #[arg(long)]
    system: bool,
    /// Write every single run to this file, as JSON, one a line
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put the result into docs/performance.md, too
    #[arg(long)]
    write: bool,
    /// Used by the command itself: sleep to 2,000 instants a second for this many seconds, and print how late that was
    #[arg(long, hide = true)]
    sleep_loop: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CoresOption {
    #[value(name = "1")]
    One,
    #[value(name = "2", alias = "all")]
    All,
    Both,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(text) => {
            // A closed output is not an error.
            std::io::stdout().write_all(text.as_bytes()).ok();
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Tells the user who waits; the result alone goes to the output.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn run(options: &Options) -> Outcome<String> {
    if let Some(seconds) = options.sleep_loop {
        return sleeper::run(SLEEP_RATE, seconds).map(|json| json.to_string());
    }
    let mut session = session(options)?;
    say(&session.programs.libraries);
    let text = compare(options, &mut session)?;
    if options.write {
        report::put(Path::new(DOCUMENT), "floor", &text)?;
    }
    Ok(text)
}

fn session(options: &Options) -> Outcome<Session> {
    let limits = if options.quick {
        Limits { least: 6, most: 6, minutes: options.minutes }
    } else {
        Limits {
            least: options.pairs,
            most: options.max_pairs.max(options.pairs),
            minutes: options.minutes,
        }
    };
    let open =
        |path: &PathBuf| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(Session {
        log: options.output.as_ref().map(open).transpose()?,
        programs: Programs::build(options.system)?,
        seconds: options.seconds.unwrap_or(if options.quick { 1.0 } else { 2.0 }),
        limits,
        environment: None,
        others: Vec::new(),
    })
}

/// Plays all that was asked for, and makes the table.
fn compare(options: &Options, session: &mut Session) -> Outcome<String> {
    let affinity = Affinity::at_start()?;
    let groups = rows::groups(&options.row);
    let lines = groups.iter().flat_map(|group| &group.comparisons).cloned();
    let mut lines: Vec<Line> =
        lines.map(|comparison| Line { comparison, one: None, all: None }).collect();
    let limits = session.limits;
    for cores in options.cores.list() {
        affinity.choose(*cores)?;
        let mut cells = Vec::new();
        for group in &groups {
            session.limits = limits;
            if options.quick && group.fixed_seconds.is_some() {
                session.limits = Limits { least: 1, most: 1, ..limits };
            }
            cells.extend(session.play(group, *cores)?);
        }
        for (line, cell) in lines.iter_mut().zip(cells) {
            match cores {
                Cores::One => line.one = Some(cell),
                Cores::All => line.all = Some(cell),
            }
        }
    }
    Ok(format!("{}\n{}", session.origin(), report::table(lines, affinity.count())))
}

impl CoresOption {
    fn list(self) -> &'static [Cores] {
        match self {
            Self::One => &[Cores::One],
            Self::All => &[Cores::All],
            Self::Both => &[Cores::One, Cores::All],
        }
    }
}
