//! When a shard begins: as soon as it is ready (no option), at an instant of the wall clock (`--start-at`), or with the others
//! (`--gather`).

use std::io::Write as _;
use std::sync::atomic::AtomicBool;

use crate::Error;
use crate::cli::{GatherAt, ShardArgs, WhichShard};
use crate::engine::{Begin, Beginning};
use crate::environment;
use crate::gather::{Appointment, Gathering, Shard};
use crate::launcher;
use crate::machine::unique_number;
use zload_core::facts::{Start, StartedBy};
use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;
use zload_core::text;
use zload_report::merge::fingerprint;

/// What a shard waits for when its clients are connected.
pub(super) enum When<'a> {
    Ready,
    At(Appointment),
    With(Box<Gathering<'a>>),
}

impl<'a> When<'a> {
    /// Meets the other shards, if that is asked for; gives the id of the run, which is the same for all that met.
    pub(super) fn agree(
        args: &ShardArgs,
        share: Share,
        (scenario, plan): (&Scenario, &Plan),
        interrupted: &'a AtomicBool,
    ) -> Result<(Self, u64), Error> {
        if let Some(start_at) = args.start_at {
            return Ok((Self::At(Appointment::at(start_at.unix_ns)?), unique_number()));
        }
        let endpoint = match &args.gather {
            None => return Ok((Self::Ready, unique_number())),
            Some(GatherAt::Endpoint(endpoint)) => endpoint.clone(),
            Some(GatherAt::Auto) => launcher::gather_endpoint(&variable).map_err(Error::Failed)?,
        };
        let me = Shard {
            index: share.index(),
            count: share.count(),
            plan: plan.hash().to_owned(),
            scenario: fingerprint(scenario),
            zload: env!("CARGO_PKG_VERSION").to_owned(),
            host: environment::host(),
            pid: std::process::id(),
        };
        say(&format!("gather: {share} meets the others at {endpoint}"));
        let gathering = Gathering::open(&endpoint, &me, args.gather_timeout, interrupted)?;
        let mut gathering = gathering.saying(say);
        let run = gathering.meet()?;
        Ok((Self::With(Box::new(gathering)), run))
    }
}

impl Begin for When<'_> {
    fn look(&mut self) -> Result<Beginning, Error> {
        match self {
            Self::Ready => Ok(Beginning::Now),
            Self::At(appointment) => {
                let start =
                    Start { by: StartedBy::Appointment, ..Start::alone(appointment.unix_ns()) };
                let clock = appointment.look();
                Ok(clock.map_or(Beginning::Awaited, |clock| Beginning::At(clock, start)))
            }
            Self::With(gathering) => match gathering.look()? {
                None => Ok(Beginning::Awaited),
                Some(agreed) => {
                    // Nothing is said any more, and no connection is left that the run could take for one of its own.
                    *self = Self::Ready;
                    Ok(Beginning::At(agreed.clock, agreed.start))
                }
            },
        }
    }
}

/// A variable of this process's environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The share that was asked for; what `auto` means is said on stderr.
pub(super) fn share(args: &ShardArgs) -> Result<Option<Share>, Error> {
    match args.shard {
        Some(WhichShard::Given(share)) => Ok(Some(share)),
        Some(WhichShard::Auto) => {
            let told = launcher::share(&variable).map_err(Error::Failed)?;
            say(&format!("{} by {}", told.share, told.source));
            if let Some(hint) = told.hint.filter(|_| args.gather.is_none()) {
                say(&format!("note: {hint}"));
            }
            Ok(Some(told.share))
        }
        None => {
            if let Some(warning) = launcher::warning(&variable) {
                say(&format!("warning: {warning}"));
            }
            Ok(None)
        }
    }
}

/// Writes a line. A closed log is not an error.
fn say(line: &str) {
    let _closed = writeln!(std::io::stderr(), "{}", text::lines(line));
}
