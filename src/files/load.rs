//! From a file, a pipe or standard input to a scenario or a saved result.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::input::{self, Input};
use super::quick;
use crate::Error;
use zload_core::scenario::{
    Files, LONGEST_NAME, MAX_PAYLOAD, Nanos, Request, Scenario, ValueError,
};
use zload_core::{scenario::load::Override, text::short};
use zload_report::result::Saved;

/// A scenario file is a page of text; anything much larger is a mistake.
const LARGEST_SCENARIO: u64 = 1 << 20;
/// Recorded instants, at most 50 million rows of some 20 bytes.
const LARGEST_REPLAY: u64 = 2 << 30;
/// A run of a day, the longest there is, is saved in some 15 MiB; anything that is four times as large is no result.
const LARGEST_RESULT: u64 = 64 << 20;

/// Reads the scenario file at `path`, or standard input as `-`, with `overrides` in place of what it says.
pub fn scenario(path: &Path, overrides: &[Override]) -> Result<Scenario, Error> {
    scenario_of(&read_scenario(path)?, overrides, |_| None)
}

/// Reads what may be a scenario, and no more of it than one may have. An endpoint is a scenario, too: a load on the ROUTER
/// that listens there.
pub(crate) fn read_scenario(path: &Path) -> Result<Input, Error> {
    match quick::against(path) {
        Some(input) => Ok(input),
        None => Input::read(path, LARGEST_SCENARIO, "scenario"),
    }
}

/// The scenario that was read, unless the reader has an `objection` that only it can know of.
pub(crate) fn scenario_of(
    input: &Input,
    overrides: &[Override],
    objection: impl Fn(&Scenario) -> Option<ValueError>,
) -> Result<Scenario, Error> {
    let source_name = input::name(&input.path);
    let not_a_scenario = |reason: &str| Error::Read {
        path: PathBuf::from(&source_name),
        help: String::new(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason.to_owned()),
    };
    if input.bytes.len() as u64 > LARGEST_SCENARIO {
        return Err(not_a_scenario("it is larger than 1 MiB, so it is not a scenario"));
    }
    let text = std::str::from_utf8(&input.bytes)
        .map_err(|_| not_a_scenario("it is not UTF-8 text, so it is not a scenario"))?;
    let files = RefCell::new(Files::new());
    let objection =
        |scenario: &Scenario| objection(scenario).or_else(|| read_files(scenario, &files));
    let mut scenario = Scenario::parse_with(&source_name, text, overrides, &objection)?;
    if let Some(request) = &mut scenario.request {
        request.files = files.take();
    }
    if scenario.name.is_empty() {
        let named = if input::is_stdin(&input.path) { Path::new("stdin") } else { &input.path };
        // An endpoint is no path, whose end could be left out.
        let stem = named.file_stem().filter(|_| !quick::is_endpoint(named));
        let stem = stem.map_or_else(|| source_name.into(), OsStr::to_string_lossy);
        // A file may be called what no name may be.
        let printable = stem.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
        scenario.name = printable.take(LONGEST_NAME).collect();
    }
    supply_replay(&mut scenario)?;
    Ok(scenario)
}

/// Reads the recorded instants of a replay, which say how long the run is; a relative path starts at the current directory.
fn supply_replay(scenario: &mut Scenario) -> Result<(), Error> {
    let clients = scenario.clients.count.0;
    let Some(replay) = &mut scenario.load.replay else { return Ok(()) };
    let path = PathBuf::from(&replay.file);
    let wrong = |reason: &str| Error::Read {
        path: input::name(&path).into(),
        help: String::new(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason.to_owned()),
    };
    let content = input::Stream::open(&path, LARGEST_REPLAY)?;
    let length_ns = replay.supply(content, clients).map_err(|reason| wrong(&reason))?;
    let run = &mut scenario.run;
    let left_ns = length_ns.saturating_sub(run.warmup.0);
    if left_ns == 0 {
        let reason =
            format!("run.warmup ({}) is all of it: it is the beginning of a replay", run.warmup);
        return Err(wrong(&reason));
    }
    // What the scenario says may cut it short.
    run.duration = Some(Nanos(run.duration.map_or(left_ns, |written| written.0.min(left_ns))));
    Ok(())
}

/// Reads the files that the frames of requests name; relative paths start at the current directory. What cannot be read is
/// objected to.
fn read_files(scenario: &Scenario, files: &RefCell<Files>) -> Option<ValueError> {
    let named = scenario.request.as_ref().map(Request::named_files).unwrap_or_default();
    named.into_iter().find_map(|file| {
        let read = Input::read(Path::new(&file.path), MAX_PAYLOAD.0, "frame of a request");
        match read {
            Err(error) => Some(file.refused(&error.to_string())),
            Ok(content) => {
                files.borrow_mut().insert(file.path, content.bytes.into());
                None
            }
        }
    })
}

/// Reads a saved result from a file or, as `-`, from standard input; see [`saved_of`].
pub(crate) fn saved(path: &Path) -> Result<Saved, Error> {
    saved_of(&read_saved(path)?)
}

/// Reads what may be a saved result, and no more of it than one may have.
pub(crate) fn read_saved(path: &Path) -> Result<Input, Error> {
    Input::read(path, LARGEST_RESULT, "result")
}

/// The saved result that was read; refuses other schemas, and ledgers and distributions that contradict themselves.
pub(crate) fn saved_of(input: &Input) -> Result<Saved, Error> {
    std::str::from_utf8(&input.bytes)
        .map_err(|error| format!("not a JSON object: {error}"))
        .and_then(Saved::parse)
        .map_err(
            |reason| {
                if is_scenario(input) { reason + "; zload run runs a scenario" } else { reason }
            },
        )
        .map_err(|reason| Error::Result {
            path: input::name(&input.path).into(),
            reason: short(&reason),
        })
}

/// Whether what was read is a scenario.
fn is_scenario(input: &Input) -> bool {
    !is_saved(input) && scenario_of(input, &[], |_| None).is_ok()
}

/// Whether what was read looks like a saved result: those are JSON objects, which start like no scenario.
pub(crate) fn is_saved(input: &Input) -> bool {
    input.bytes.trim_ascii_start().first() == Some(&b'{')
}
