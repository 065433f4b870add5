//! `zload run --shard`: the share of a plan that this process plays, and its file.
//!
//! A shard ends well when its file is saved, whatever it found: judging is for `zload merge`, and engines that start many
//! processes end the others for one exit code.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{exit_code, interruption, when::When};
use crate::Error;
use crate::cli::RunArgs;
use crate::engine::{self, Part};
use crate::environment;
use crate::files::{Destination, Inputs};
use crate::machine::threads::keep_on;
use crate::progress::{Mode, Progress};
use zload_core::facts::{Measured, Snapshot};
use zload_core::plan::{Plan, Share};
use zload_core::quantity::{count, counted};
use zload_core::record::Traces;
use zload_core::scenario::Scenario;
use zload_core::text;
use zload_report::print::formats::Format;
use zload_report::result::{ShardResult, to_line};

/// What to do with a server that all shards need.
const ONCE: &str =
    "start the server once (zload serve) and give every shard its endpoint (--connect)";
/// Traces that are kept of each of many shards, at least.
const LEAST_TRACES: usize = 1024;

pub(super) fn run(
    args: &RunArgs,
    share: Share,
    scenario: &Scenario,
    inputs: &Inputs,
) -> Result<u8, Error> {
    if let Some(reason) = refusal(args)
        .or_else(|| objection(scenario, share.count()))
        .or_else(|| needs_server(scenario))
    {
        return Err(Error::Failed(reason));
    }
    let Some((path, place)) = destination(args, share, inputs)? else {
        return Err(Error::Failed(
            "--shard needs -o FILE for what it measured, as in -o out/{shard}.json".to_owned(),
        ));
    };
    if let Some(cpus) = args.cpus {
        keep_on(cpus)?;
    }
    let interrupted = interruption()?;
    let plan = Arc::new(Plan::new(scenario));
    let environment = environment::describe();
    let mode = if args.trace { Mode::Quiet } else { Mode::choose(args.output.quiet) };
    let mut progress = Progress::new(mode);
    let nonce = common_nonce(&plan);
    let part = Part { scenario, plan: &plan, share, nonce, keeps_seconds: true };
    let (mut when, run) = When::agree(&args.part, share, (scenario, &plan), &interrupted)?;
    let mut watcher = |snapshot: &Snapshot| progress.update(snapshot);
    let mut measured = engine::run_when(&mut when, part, args.trace, &interrupted, &mut watcher)?;
    drop(when);
    progress.finish();
    measured.recorded.traces.shrink((Traces::MOST / share.count() as usize).max(LEAST_TRACES));
    let (host, environment) = (environment::host(), environment::with_libzmq(environment));
    let result = ShardResult::new((scenario, &plan), (share, run), (&host, environment), &measured);
    place.save(&to_line(&result))?;
    let said = format!("{share} on {host}: {}, saved {}", sentence(&measured), text::path(&path));
    // It is no progress, so `-q` keeps it.
    let _closed = writeln!(std::io::stderr(), "{}", text::lines(&said));
    exit_code(measured.interrupted, measured.failure.as_deref())
}

/// What the identities of all shards are drawn from where none has told the others a number: the plan, which all have.
fn common_nonce(plan: &Plan) -> u64 {
    u64::from_str_radix(plan.hash(), 16).expect("a hash has 16 hexadecimal digits")
}

/// The file of this shard, and the place that it has; `None` if none was asked for.
fn destination(
    args: &RunArgs,
    share: Share,
    inputs: &Inputs,
) -> Result<Option<(PathBuf, Destination)>, Error> {
    let Some(given) = &args.output.output else { return Ok(None) };
    let named = given.to_str().map(|path| path.replace("{shard}", &share.file_name()).into());
    let path: PathBuf = named.unwrap_or_else(|| given.clone());
    let place = Destination::reserve(Some(&path), inputs)?;
    Ok(place.map(|place| (path, place)))
}

/// Why what is asked for cannot be had of a shard.
fn refusal(args: &RunArgs) -> Option<String> {
    let output = &args.output;
    let asked = [
        (output.html.is_some(), "--html"),
        (output.format != Format::Text, "--format"),
        (output.verbose, "--verbose"),
        (args.trace_out.is_some(), "--trace-out"),
    ];
    let asked = asked.into_iter().find(|(asked, _)| *asked).map(|(_, option)| {
        format!(
            "{option} is of a whole run, and a shard is a part: zload merge FILE… reports on all shards"
        )
    });
    asked.or_else(|| {
        (args.repeat > 1).then(|| {
            "--repeat is of a whole run: start all shards again, and merge the shards of each run"
                .to_owned()
        })
    })
}

/// Why this scenario cannot be played by this number of processes, whatever the command line says.
pub(super) fn objection(scenario: &Scenario, shards: u32) -> Option<String> {
    let clients = scenario.clients.count.0;
    if clients < shards {
        return Some(format!(
            "clients.count is {clients}, and a shard without a client has nothing to send: use at most {}",
            counted(clients.into(), "shard")
        ));
    }
    if !scenario.run.stop_when.is_empty() {
        let reason =
            "run.stop_when looks at a whole run, and a shard sees a part of it: leave it out";
        return Some(reason.to_owned());
    }
    if scenario.clients.probes.0 > 0 {
        let reason =
            "clients.probes are of a whole run, and a shard is a part of one: leave them out";
        return Some(reason.to_owned());
    }
    scenario.server.as_ref().map(|_| {
        format!("[server] starts a server, and every shard would start one of its own: {ONCE}")
    })
}

/// Why a shard of this scenario needs a server elsewhere, if it does.
pub(super) fn needs_server(scenario: &Scenario) -> Option<String> {
    if scenario.has_proxy() {
        return Some(format!(
            "proxy.engine is \"{}\", and every shard would run a proxy of its own: {ONCE}",
            scenario.proxy.engine.name()
        ));
    }
    scenario.has_workers().then(|| {
        format!("workers.connect starts workers, and every shard would start them: {ONCE}")
    })
}

/// What was measured, in a few words.
fn sentence(measured: &Measured) -> String {
    let ledger = &measured.recorded.ledger;
    let requests = counted(ledger.requests_sent, "request");
    match (&measured.failure, ledger.requests_lost, measured.interrupted) {
        (Some(failure), ..) => format!("{requests}, failed ({failure})"),
        (None, lost, true) => format!("{requests}, {} lost, interrupted", count(lost)),
        (None, 0, false) => format!("{requests}, none lost"),
        (None, lost, false) => format!("{requests}, {} lost", count(lost)),
    }
}
