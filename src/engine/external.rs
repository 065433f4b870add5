//! An external server that zload starts, and zload's workers behind it, which live as long as it does.
//!
//! They are there before it is asked for an answer, since only they can give one. They stay from run to run: there are
//! brokers that never forget a worker, and would send requests to one that has gone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{not_interrupted, setup};
use crate::Error;
use crate::client::tracker;
use crate::machine::Stop;
use crate::machine::limits::{self, Needs};
use crate::process::ServerProcess;
use crate::server::{self, Server};
use crate::wire::{Observation, Stations, Tracer, context};
use zload_core::facts::ServerEnd;
use zload_core::plan::{Plan, Share};
use zload_core::scenario::Scenario;

/// How messages are watched as they pass, for as long as a server lives.
#[derive(Clone)]
pub(super) struct Watched {
    tracer: Option<Arc<Tracer>>,
    stations: Option<Arc<Stations>>,
}

/// A server that answers, and zload's workers behind it, if it has any. Dropped, it ends.
pub(crate) struct External<'a> {
    /// They go after the server: a server that has lost its workers may misbehave.
    process: ServerProcess<'a>,
    workers: Option<(Server, Watched)>,
}

impl Watched {
    pub(super) fn new(scenario: &Scenario, tracer: bool) -> Self {
        let stations = scenario.follows_requests().then(|| Arc::new(tracker::stations()));
        Self { tracer: tracer.then(|| Arc::new(Tracer::start())), stations }
    }

    pub(super) fn observation(&self) -> Observation<'_> {
        Observation { tracer: self.tracer.as_ref(), stations: self.stations.as_ref() }
    }
}

impl<'a> External<'a> {
    /// Starts the external server of the scenario, if it has one, and returns when it has answered a request.
    pub(crate) fn start(
        scenario: &Scenario,
        plan: &Arc<Plan>,
        tracer: bool,
        interrupted: &'a AtomicBool,
    ) -> Result<Option<Self>, Error> {
        let Some(settings) = setup::process(scenario) else { return Ok(None) };
        // Before the start, so that the server has the same limits in the first run and in all that follow.
        let needs = Needs { starts_process: true, ..setup::needs(scenario, Share::WHOLE) };
        limits::ensure(needs, context::descriptors_per_socket)?;
        let mut process = ServerProcess::start(&settings, interrupted)?;
        let backend = process.backend().map(str::to_owned);
        let workers = backend.and_then(|backend| setup::server(scenario, plan, Some(&backend)));
        let workers = workers.map(|workers| {
            let connect_timeout = settings.command.ready_timeout;
            let workers = server::Settings { connect_timeout, ..workers };
            let watched = Watched::new(scenario, tracer);
            let ready = || {
                not_interrupted(interrupted)?;
                process.died_before().map_or(Ok(()), Err)
            };
            let stop = Arc::new(Stop::new()?);
            let server = Server::start(&workers, &stop, &ready, watched.observation())?;
            Ok::<_, Error>((server, watched))
        });
        let workers = match workers.transpose() {
            Err(Error::Limit(why)) => {
                let what = format!(
                    "{why} (server.ready_timeout), though the server runs: does it bind {{backend}}, with a socket for workers?"
                );
                return Err(Error::Server { what, output: process.stop().last_output });
            }
            workers => workers?,
        };
        process.await_answer(&settings, plan)?;
        Ok(Some(Self { process, workers }))
    }

    /// The server.
    pub(super) fn process(&self) -> &ServerProcess<'a> {
        &self.process
    }

    /// zload's workers behind it.
    pub(super) fn workers(&self) -> Option<&Server> {
        self.workers.as_ref().map(|(server, _)| server)
    }

    /// How its workers watch messages.
    pub(super) fn watched(&self) -> Option<&Watched> {
        self.workers.as_ref().map(|(_, watched)| watched)
    }

    /// Stops the server, and says how it ended.
    pub(super) fn stop(self) -> ServerEnd {
        self.process.stop()
    }
}
