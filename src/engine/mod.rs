//! What makes a plan happen: a run, or a server alone, watched from outside.
//!
//! [`run()`] runs a plan with clients against the built-in server, an external one, or zload's workers behind an external
//! proxy; [`serve()`] is the built-in server alone, or such workers. Both end when the plan does, when the caller asks for it, or when nothing moves any more, and both say what was
//! measured until then.

mod absence;
mod begin;
mod controller;
mod external;
mod gauge;
mod memory;
mod serve;
mod setup;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use crate::client::Clients;
use crate::machine::{self, Stop, host, limits};
use crate::server::{self, Server};
use crate::wire::{address, context, greeting};
use absence::Absence;
use controller::Controller;
use external::Watched;
use memory::Memory;
use watch::Watch;
use zload_core::facts::{Measured, Phase, Snapshot};
use zload_core::plan::{Plan, Share};
use zload_core::scenario::{ClientEngine, Endpoints, Engine, Scenario};

pub(crate) use begin::{AtOnce, Begin, Beginning};
pub(crate) use external::External;
pub(crate) use serve::serve;

/// What is played here: a scenario's plan, or a share of it.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) plan: &'a Arc<Plan>,
    pub(crate) share: Share,
    /// What the clients' identities are drawn from: shares that are played together have the same, so that no two of their
    /// clients are alike.
    pub(crate) nonce: u64,
    /// Whether each second is kept as it was, for a merge.
    pub(crate) keeps_seconds: bool,
}

impl<'a> Part<'a> {
    /// All of it.
    pub(crate) fn whole(scenario: &'a Scenario, plan: &'a Arc<Plan>) -> Self {
        Self {
            scenario,
            plan,
            share: Share::WHOLE,
            nonce: machine::unique_number(),
            keeps_seconds: false,
        }
    }

    /// How many clients are played here, probes included.
    fn clients(&self) -> u32 {
        self.share.number_of(self.plan.clients()) + self.plan.probes()
    }

    fn nothing(&self) -> Measured {
        Measured::nothing(self.plan, self.share, &self.scenario.proxy.frontend, 0)
    }
}

/// Plays `part` and shows it to `watcher` a few times a second. `interrupted` ends it early when it becomes true.
///
/// An external server is started for it, and still runs when it is over: what was measured can be brought into
/// safety before that is stopped, which takes its time. See [`note_end`].
pub(crate) fn run<'a>(
    part: Part<'_>,
    tracer: bool,
    interrupted: &'a AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<(Measured, Option<External<'a>>), Error> {
    watcher(&Snapshot::begin(Phase::Connect, part.clients()));
    let external = match External::start(part.scenario, part.plan, tracer, interrupted) {
        Err(Error::Interrupted) => return Ok((part.nothing(), None)),
        started => started?,
    };
    let measured = run_against(external.as_ref(), part, tracer, interrupted, watcher)?;
    Ok((measured, external))
}

/// The same as [`run()`] against an external server that runs already, and goes on running; `None` if the scenario has none.
pub(crate) fn run_against(
    external: Option<&External<'_>>,
    part: Part<'_>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    match play(external, part, tracer, interrupted, watcher, &mut AtOnce) {
        Err(Error::Interrupted) => Ok(part.nothing()),
        played => played,
    }
}

/// The same against a server that runs elsewhere; the plan begins when `begin` says so.
pub(crate) fn run_when(
    begin: &mut dyn Begin,
    part: Part<'_>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    watcher(&Snapshot::begin(Phase::Connect, part.clients()));
    match play(None, part, tracer, interrupted, watcher, begin) {
        Err(Error::Interrupted) => Ok(part.nothing()),
        played => played,
    }
}

fn play(
    external: Option<&External<'_>>,
    part: Part<'_>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
    begin: &mut dyn Begin,
) -> Result<Measured, Error> {
    let Part { scenario, plan, share, .. } = part;
    let needs = setup::needs(scenario, share);
    let own_tables = limits::ensure(needs, context::descriptors_per_socket)?;
    let stop = Arc::new(Stop::new()?);
    let process = external.map(External::process);
    let observing = match external.and_then(External::watched) {
        Some(of_workers) => of_workers.clone(),
        None => Watched::new(scenario, tracer),
    };
    let observed = observing.observation();
    // Workers behind a server that zload started are there already.
    let kept = external.and_then(External::workers);
    let own = if kept.is_some() {
        None
    } else {
        let ready = || not_interrupted(interrupted);
        server_settings(scenario, plan, interrupted)?
            .map(|settings| Server::start(&settings, &stop, &ready, observed))
            .transpose()?
    };
    let server = kept.or(own.as_ref());
    let before = kept.map(Server::totals);
    let frontend = server.and_then(|server| server.frontend.clone());
    let endpoints = if let Some(frontend) = frontend {
        frontend
    } else {
        let started = process.map(|process| Endpoints::from(process.frontend()));
        let timeout = scenario.clients.connect_timeout;
        let connect = |endpoint: &String| address::to_connect(endpoint, timeout, interrupted);
        started.as_ref().unwrap_or(&scenario.proxy.frontend).try_map(connect)?
    };
    let clients = setup::clients(part, endpoints, own_tables)?;
    let kernel_before = host::kernel_bytes();
    let outcome = Clients::start(&clients, &stop, observed).and_then(|running| {
        let mut controller = Controller {
            settings: &clients,
            server,
            process,
            stop: &stop,
            interrupted,
            watcher,
            begin,
            kernel_before,
            memory: Memory::of_run(scenario, part.clients(), running.threads.len()),
            watch: Watch::new(scenario),
            absence: Absence::new(scenario),
            clients: running,
        };
        controller.play()
    });
    stop.request();
    let kept = kept.zip(before).map(|(server, before)| server.totals().since(&before));
    let ended = own.map(Server::finish);
    let mut measured = outcome?;
    measured.server_in_all = kept;
    if !scenario.has_proxy() && measured.sent_in_all > 0 && measured.received_in_all == 0 {
        // All are connected: what only zload's own engine cannot do is not the reason.
        let endpoints = clients.routes.endpoints();
        measured.objection = greeting::objection(endpoints, ClientEngine::Libzmq);
    }
    if let Some((totals, outcome)) = ended {
        measured.server_in_all = Some(totals);
        if let Err(reason) = outcome {
            measured.failure.get_or_insert(reason);
        }
    }
    let server_cpu_ns = measured.host.as_ref().and_then(|host| host.server_cpu_ns);
    measured.server_process = process.map(|process| process.used(server_cpu_ns));
    Ok(measured)
}

/// The built-in server, or zload's workers behind a proxy that runs somewhere; `None` if all is external.
fn server_settings(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    interrupted: &AtomicBool,
) -> Result<Option<server::Settings>, Error> {
    let elsewhere = scenario.backend_elsewhere().filter(|_| !scenario.has_proxy());
    let timeout = scenario.clients.connect_timeout;
    let connect = |endpoint| address::to_connect(endpoint, timeout, interrupted);
    let elsewhere = elsewhere.map(connect).transpose()?;
    Ok(setup::server(scenario, plan, elsewhere.as_deref()))
}

/// About how many file descriptors a shard needs whose server is elsewhere.
pub(crate) fn descriptors(scenario: &Scenario, share: Share) -> Result<u64, Error> {
    let mut elsewhere = scenario.clone();
    elsewhere.proxy.engine = Engine::External;
    elsewhere.workers.connect = None;
    let per_socket = context::descriptors_per_socket()?;
    Ok(setup::needs(&elsewhere, share).all_descriptors(per_socket))
}

fn not_interrupted(interrupted: &AtomicBool) -> Result<(), Error> {
    if interrupted.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

/// Stops the server of this run and notes how it ended.
pub(crate) fn note_end(measured: &mut Measured, external: External<'_>) {
    let end = external.stop();
    if let Some(used) = &mut measured.server_process {
        used.end = Some(end);
    }
}
