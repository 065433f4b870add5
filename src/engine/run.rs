//! A run: the server, if it is ours, the clients, and a controller that watches both from outside.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::controller::Controller;
use super::memory::Memory;
use crate::Error;
use crate::client::Clients;
use crate::client::tracker;
use crate::machine::limits::{self, Sides};
use crate::machine::stop::Stop;
use crate::process::ServerProcess;
use crate::server::Server;
use crate::wire::observation::Observation;
use crate::wire::tracer::Tracer;
use crate::wire::{address, context};
use zload_core::facts::{Measured, Phase, Snapshot};
use zload_core::plan::Plan;
use zload_core::scenario::{Engine, Scenario};

/// Plays `plan` and shows it to `watcher` a few times a second. `interrupted` ends it early when it becomes true.
///
/// A server of the user's own is started for it, and still runs when it is over: what was measured can be brought into
/// safety before that is stopped, which takes its time. See [`note_end`].
pub(crate) fn run<'a>(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &'a AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<(Measured, Option<ServerProcess<'a>>), Error> {
    watcher(&Snapshot::begin(Phase::Connect, plan.clients()));
    let process = match ServerProcess::start(scenario, plan, interrupted) {
        Err(Error::Interrupted) => {
            return Ok((Measured::nothing(plan, &scenario.proxy.frontend, 0), None));
        }
        started => started?,
    };
    let measured = run_against(process.as_ref(), scenario, plan, tracer, interrupted, watcher)?;
    Ok((measured, process))
}

/// The same against a server of the user's own that runs already, and goes on running; `None` if the scenario has none.
pub(crate) fn run_against(
    process: Option<&ServerProcess<'_>>,
    scenario: &Scenario,
    plan: &Arc<Plan>,
    tracer: bool,
    interrupted: &AtomicBool,
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Measured, Error> {
    limits::ensure(scenario, Sides::Run, context::descriptors_per_socket)?;
    let stop = Arc::new(Stop::new()?);
    let tracer = tracer.then(|| Arc::new(Tracer::start()));
    let stations =
        (scenario.proxy.engine != Engine::External).then(|| Arc::new(tracker::stations()));
    let observed = Observation { tracer: tracer.as_ref(), stations: stations.as_ref() };
    let server = match scenario.proxy.engine {
        Engine::External => None,
        _ => match Server::start(scenario, plan, &stop, interrupted, observed) {
            Err(Error::Interrupted) => {
                return Ok(Measured::nothing(plan, &scenario.proxy.frontend, 0));
            }
            started => Some(started?),
        },
    };
    let endpoint = match (&server, process) {
        (Some(server), _) => Ok(server.frontend.clone()),
        (None, process) => {
            let given = process.map_or(&*scenario.proxy.frontend, ServerProcess::frontend);
            address::to_connect(given, scenario.clients.connect_timeout, interrupted)
        }
    };
    if let Err(Error::Interrupted) = endpoint {
        return Ok(Measured::nothing(plan, &scenario.proxy.frontend, 0));
    }
    let clients = Clients::start(scenario, plan, &endpoint?, &stop, observed);
    let outcome = clients.and_then(|clients| {
        let mut controller = Controller {
            scenario,
            plan,
            server: server.as_ref(),
            process,
            stop: &stop,
            interrupted,
            watcher,
            memory: Memory::of_run(scenario, clients.threads.len()),
            clients,
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
