//! What makes a plan happen: a run, or a server alone, watched from outside.
//!
//! [`run()`] runs a plan with clients against the built-in server, an external one, or zload's workers behind an external
//! proxy; [`serve()`] is the built-in server alone, or such workers. Both end when the plan does, when the caller asks for it, or when nothing moves any more, and both say what was
//! measured until then.

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
use crate::machine::Stop;
use crate::machine::limits;
use crate::process::ServerProcess;
use crate::server::{self, Server};
use crate::wire::{address, context, greeting};
use controller::Controller;
use external::Watched;
use memory::Memory;
use watch::Watch;
use zload_core::facts::{Measured, Phase, Snapshot};
use zload_core::{plan::Plan, scenario::Scenario};

pub(crate) use external::External;
pub(crate) use serve::serve;

/// Plays `plan` and shows it to `watcher` a few times a second. `interrupted` ends it early when it becomes true.
///
/// An external server is started for it, and still runs when it is over: what was measured can be brought into
/// safety before that is stopped, which takes its time. See [`note_end`].
pub(crate) fn run<'a>(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &'a AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<(Measured, Option<External<'a>>), Error> {
    watcher(&Snapshot::begin(Phase::Connect, plan.clients()));
    let external = match External::start(scenario, plan, tracer, interrupted) {
        Err(Error::Interrupted) => {
            return Ok((Measured::nothing(plan, &scenario.proxy.frontend, 0), None));
        }
        started => started?,
    };
    let measured = run_against(external.as_ref(), scenario, plan, tracer, interrupted, watcher)?;
    Ok((measured, external))
}

/// The same as [`run()`] against an external server that runs already, and goes on running; `None` if the scenario has none.
pub(crate) fn run_against(
    external: Option<&External<'_>>,
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    match play(external, scenario, plan, tracer, interrupted, watcher) {
        Err(Error::Interrupted) => Ok(Measured::nothing(plan, &scenario.proxy.frontend, 0)),
        played => played,
    }
}

fn play(
    external: Option<&External<'_>>,
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    limits::ensure(setup::needs(scenario), context::descriptors_per_socket)?;
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
    let endpoint = if let Some(frontend) = frontend {
        frontend
    } else {
        let given = process.map_or(&*scenario.proxy.frontend, ServerProcess::frontend);
        address::to_connect(given, scenario.clients.connect_timeout, interrupted)?
    };
    let clients = setup::clients(scenario, plan, endpoint);
    let outcome = Clients::start(&clients, &stop, observed).and_then(|running| {
        let mut controller = Controller {
            settings: &clients,
            server,
            process,
            stop: &stop,
            interrupted,
            watcher,
            memory: Memory::of_run(scenario, running.threads.len()),
            watch: Watch::new(scenario),
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
        measured.objection = greeting::look(&clients.endpoint).objection(&clients.endpoint);
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
