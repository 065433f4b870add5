//! What makes a plan happen: a run, or a server alone, watched from outside.
//!
//! [`run()`] runs a plan with clients against the built-in server or an external one; [`serve()`] is the built-in server
//! alone. Both end when the plan does, when the caller asks for it, or when nothing moves any more, and both say what was
//! measured until then.

mod controller;
mod gauge;
mod memory;
mod serve;
mod setup;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::Error;
use crate::client::{Clients, tracker};
use crate::machine::Stop;
use crate::machine::limits::{self, Needs};
use crate::process::ServerProcess;
use crate::server::Server;
use crate::wire::{Observation, Tracer, address, context};
use controller::Controller;
use memory::Memory;
use watch::Watch;
use zload_core::facts::{Measured, Phase, Snapshot};
use zload_core::{plan::Plan, scenario::Scenario};

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
) -> Result<(Measured, Option<ServerProcess<'a>>), Error> {
    watcher(&Snapshot::begin(Phase::Connect, plan.clients()));
    let process = match start_process(scenario, plan, interrupted) {
        Err(Error::Interrupted) => {
            return Ok((Measured::nothing(plan, &scenario.proxy.frontend, 0), None));
        }
        started => started?,
    };
    let measured = run_against(process.as_ref(), scenario, plan, tracer, interrupted, watcher)?;
    Ok((measured, process))
}

/// Starts the external server of the scenario, if it has one.
pub(crate) fn start_process<'a>(
    scenario: &Scenario,
    plan: &Plan,
    interrupted: &'a AtomicBool,
) -> Result<Option<ServerProcess<'a>>, Error> {
    let Some(settings) = setup::process(scenario) else { return Ok(None) };
    // Before the start, so that the server has the same limits in the first run and in all that follow.
    let needs = Needs { starts_process: true, ..setup::needs(scenario) };
    limits::ensure(needs, context::descriptors_per_socket)?;
    ServerProcess::start(&settings, plan, interrupted).map(Some)
}

/// The same as [`run()`] against an external server that runs already, and goes on running; `None` if the scenario has none.
pub(crate) fn run_against(
    process: Option<&ServerProcess<'_>>,
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    match play(process, scenario, plan, tracer, interrupted, watcher) {
        Err(Error::Interrupted) => Ok(Measured::nothing(plan, &scenario.proxy.frontend, 0)),
        played => played,
    }
}

fn play(
    process: Option<&ServerProcess<'_>>,
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    limits::ensure(setup::needs(scenario), context::descriptors_per_socket)?;
    let stop = Arc::new(Stop::new()?);
    let tracer = tracer.then(|| Arc::new(Tracer::start()));
    let settings = setup::server(scenario, plan);
    let stations = settings.as_ref().map(|_| Arc::new(tracker::stations()));
    let observed = Observation { tracer: tracer.as_ref(), stations: stations.as_ref() };
    let server = settings
        .map(|settings| Server::start(&settings, &stop, interrupted, observed))
        .transpose()?;
    let endpoint = if let Some(server) = &server {
        server.frontend.clone()
    } else {
        let given = process.map_or(&*scenario.proxy.frontend, ServerProcess::frontend);
        address::to_connect(given, scenario.clients.connect_timeout, interrupted)?
    };
    let clients = setup::clients(scenario, plan, endpoint);
    let outcome = Clients::start(&clients, &stop, observed).and_then(|running| {
        let mut controller = Controller {
            settings: &clients,
            server: server.as_ref(),
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
    let ended = server.map(Server::finish);
    let mut measured = outcome?;
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

/// Stops the server of this run and notes how it ended.
pub(crate) fn note_end(measured: &mut Measured, process: ServerProcess<'_>) {
    let end = process.stop();
    if let Some(used) = &mut measured.server_process {
        used.end = Some(end);
    }
}
