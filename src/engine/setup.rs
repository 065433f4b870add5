//! Start-up: a scenario resolved into what each room that runs it depends on.

use std::sync::Arc;

use super::Part;
use crate::Error;
use crate::machine::{limits, limits::Needs, threads::processors};
use crate::wire::routes::{Crowd, Routes};
use crate::{client, process, server};
use zload_core::message::Forms;
use zload_core::plan::{Plan, Share};
use zload_core::scenario::{ClientEngine, Endpoints, Model, Nanos, Scenario, Threads};

/// Clients that one automatic driver handles before another thread pays off.
const CLIENTS_PER_DRIVER: u32 = 2_000;
/// libzmq's own high-water mark.
const USUAL_MARK: i32 = 1_000;

/// The clients that are played here, which connect to `endpoints`, each driver with a table of descriptors of its own or not.
pub(super) fn clients(
    part: Part<'_>,
    endpoints: Endpoints,
    own_tables: bool,
) -> Result<Arc<client::Settings>, Error> {
    let Part { scenario, plan, share, nonce, keeps_seconds } = part;
    let engine = scenario.clients.engine;
    let crowd = Crowd { clients: part.clients(), shards: share.count(), engine };
    Ok(Arc::new(client::Settings {
        plan: Arc::clone(plan),
        share,
        nonce,
        keeps_seconds,
        forms: Arc::new(Forms::new(scenario)),
        routes: Routes::new(endpoints, &scenario.clients.sources, crowd)?,
        own_tables,
        engine,
        sockets: scenario.sockets_in_use(),
        io_threads: scenario.proxy.io_threads.0,
        drivers: drivers(scenario, share),
        connect_timeout: scenario.clients.connect_timeout,
        stop_when: scenario.run.stop_when.clone(),
    }))
}

/// The built-in server, or the workers alone, which connect to `elsewhere` or, without it, where the scenario says; `None`
/// if all is external.
pub(super) fn server(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    elsewhere: Option<&str>,
) -> Option<server::Settings> {
    let proxy = scenario.has_proxy().then(|| server::ProxySettings {
        engine: scenario.proxy.engine,
        frontend: scenario.proxy.frontend.clone(),
    });
    let backend = match &proxy {
        Some(_) => &*scenario.proxy.backend,
        None => elsewhere.or_else(|| scenario.backend_elsewhere())?,
    };
    Some(server::Settings {
        plan: Arc::clone(plan),
        forms: Arc::new(Forms::new(scenario)),
        proxy,
        backend: backend.to_owned(),
        io_threads: scenario.proxy.io_threads.0,
        workers: scenario.workers.count.0,
        delay_by: scenario.workers.delay_by,
        protocol: scenario.worker_protocol(),
        service: scenario.workers.service_name().to_owned(),
        sockets: scenario.sockets_in_use(),
        connect_timeout: scenario.clients.connect_timeout,
    })
}

/// The external server that is to be started, if there is one.
pub(super) fn process(scenario: &Scenario) -> Option<process::Settings> {
    scenario.server.clone().map(|command| process::Settings {
        command,
        forms: Arc::new(Forms::new(scenario)),
        frontend: scenario.proxy.frontend.of(0).to_owned(),
        backend: scenario.backend_elsewhere().map(str::to_owned),
        sockets: scenario.sockets_in_use(),
    })
}

/// What a run of this share takes of the machine.
pub(super) fn needs(scenario: &Scenario, share: Share) -> Needs {
    let backend_ends = match (scenario.has_proxy(), &scenario.proxy.backend) {
        (false, _) => 1,
        (true, backend) if backend.starts_with("inproc:") => 0,
        (true, _) => 2,
    };
    let (clients, probes) = (share.number_of(scenario.clients.count.0), scenario.clients.probes.0);
    let drivers = drivers(scenario, share);
    Needs {
        clients: clients + probes,
        engine: scenario.clients.engine,
        drivers: drivers + u32::from(probes > 0),
        clients_of_a_driver: clients.div_ceil(drivers.max(1)).max(probes),
        proxy: scenario.has_proxy(),
        workers: if scenario.has_workers() { scenario.workers.count.0 } else { 0 },
        io_threads: scenario.proxy.io_threads.0,
        backend_ends,
        bodies_of_a_client: bodies_of_a_client(scenario),
        starts_process: false,
    }
}

/// A high-water mark as it is in force; 0 is none.
pub(super) fn mark(set: Option<i32>) -> u64 {
    u64::from(set.unwrap_or(USUAL_MARK).unsigned_abs())
}

/// How many drivers: as asked, or one for every 2,000 clients but never more than half the CPUs, which the
/// proxy and the workers need as well, unless a driver has too few descriptors for its clients.
fn drivers(scenario: &Scenario, share: Share) -> u32 {
    let clients = share.number_of(scenario.clients.count.0);
    match scenario.clients.threads {
        Threads::Fixed(threads) => threads.min(clients),
        Threads::Auto => {
            let half = u32::try_from(processors() / 2).unwrap_or(u32::MAX).max(1);
            let usual = clients.div_ceil(CLIENTS_PER_DRIVER).clamp(1, half);
            match scenario.clients.engine {
                ClientEngine::Zmtp if !scenario.has_proxy() => {
                    usual.max(clients.div_ceil(limits::room_of_a_driver().max(1)))
                }
                _ => usual,
            }
        }
    }
}

/// Bytes of the requests that a client without pauses has in flight at any time, as far as marks let it.
fn bodies_of_a_client(scenario: &Scenario) -> u64 {
    let load = &scenario.load;
    let pauses = load.think.as_ref().is_some_and(|think| think.greatest() != Some(Nanos::ZERO));
    if load.model == Model::Open || pauses {
        return 0;
    }
    let mut in_flight = load.in_flight.map_or(1, |in_flight| u64::from(in_flight.0));
    let mark = mark(scenario.sockets.sndhwm);
    if mark > 0 {
        in_flight = in_flight.min(mark);
    }
    in_flight.saturating_mul(load.payload.least().map_or(0, |least| least.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_that_are_certain_to_be_in_flight() {
        let bodies =
            |load: &str| bodies_of_a_client(&Scenario::parse("a.toml", load, &[]).unwrap());
        let closed = "load={model='closed', in_flight=5000, payload='1MiB'}";
        assert_eq!(bodies(closed), 1000 << 20, "the mark holds the rest back");
        assert_eq!(bodies(&format!("{closed}\nsockets.sndhwm=0")), 5000 << 20);
        assert_eq!(bodies("load={rate='1/s'}"), 0);
    }
}
