//! The server alone, or workers alone, for clients elsewhere.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::memory::{Memory, queued_in_server};
use super::watch::{Sample, Watch};
use super::{not_interrupted, server_settings, setup};
use crate::Error;
use crate::machine::limits::{self, Needs};
use crate::machine::{Clock, Stop, host};
use crate::server::Server;
use crate::wire::{Observation, Tracer, context};
use zload_core::facts::{Phase, Served, ServerTotals, Snapshot};
use zload_core::plan::{Plan, Share};
use zload_core::scenario::{Endpoints, Scenario};

/// How often the server is looked at from outside.
const TICK: Duration = Duration::from_millis(50);

/// Serves for `duration_ns`, or until `interrupted` if that is `None`. Says where it listens, or where its workers connected,
/// through `listening`, and shows
/// itself to `watcher`; each message too, if `tracer`.
pub(crate) fn serve(
    scenario: &Scenario,
    duration_ns: Option<u64>,
    tracer: bool,
    interrupted: &AtomicBool,
    listening: impl FnOnce(&Endpoints),
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Served, Error> {
    // Nobody knows how many clients come.
    let needs = Needs { clients: 0, drivers: 0, ..setup::needs(scenario, Share::WHOLE) };
    limits::ensure(needs, context::descriptors_per_socket)?;
    let stop = Arc::new(Stop::new()?);
    let plan = Arc::new(Plan::new(scenario));
    let tracer = tracer.then(|| Arc::new(Tracer::start()));
    let observed = Observation { tracer: tracer.as_ref(), stations: None };
    let settings = server_settings(scenario, &plan, interrupted)?
        .expect("zload cannot serve an external server");
    let ready = || not_interrupted(interrupted);
    let server = match Server::start(&settings, &stop, &ready, observed) {
        Err(Error::Interrupted) => {
            return Ok(Served {
                interrupted: true,
                failure: None,
                frontend: scenario.proxy.frontend.clone(),
                window_ns: 0,
                cut_off: 0,
                totals: ServerTotals::default(),
            });
        }
        started => started?,
    };
    let frontend = server.frontend.clone().unwrap_or_else(|| scenario.proxy.frontend.clone());
    let backend = Endpoints::from(&*settings.backend);
    listening(if server.has_proxy() { &frontend } else { &backend });
    let clock = Clock::start();
    let mut watch = Watch::new(scenario);
    let mut memory = Memory::of_server(scenario);
    let mut shown = (0, ServerTotals::default());
    let mut failure = None;
    while !interrupted.load(Ordering::Relaxed) && failure.is_none() {
        let now_ns = clock.now_ns();
        let left = duration_ns.map_or(TICK, |end_ns| clock.until(end_ns));
        if left == Duration::ZERO {
            break;
        }
        let totals = server.totals();
        failure = if server.died() {
            Some("a thread of the server ended".to_owned())
        } else {
            watch_memory(&mut memory, now_ns, || queued_in_server(scenario, &totals)).or_else(
                || {
                    // What a proxy of somebody else does is its own affair.
                    let sample = server.has_proxy().then(|| Sample::of(&server, &totals))?;
                    watch.look(now_ns, &sample, || host::io_ns(&host::threads()))
                },
            )
        };
        if now_ns - shown.0 >= 100_000_000 {
            watcher(&snapshot(now_ns, duration_ns, &shown, &totals));
            shown = (now_ns, totals);
        }
        stop.sleep(left.min(TICK));
    }
    let window_ns = clock.now_ns();
    let (totals, ended) = server.finish();
    Ok(Served {
        interrupted: interrupted.load(Ordering::Relaxed),
        failure: failure.or(ended.err()),
        frontend,
        window_ns,
        cut_off: memory.cut_off(),
        totals,
    })
}

/// Looks at the memory once, and says so if it cuts a peer off.
fn watch_memory(memory: &mut Memory, now_ns: u64, queued: impl FnOnce() -> u64) -> Option<String> {
    let cut_off = memory.cut_off();
    let failure = memory.look(now_ns, queued);
    if failure.is_none() && memory.cut_off() > cut_off {
        // Nothing else says so before the end; a closed stream is no reason to end.
        let _closed = writeln!(
            std::io::stderr(),
            "a peer sent an endless message, or messages far larger than planned: its connection was closed"
        );
    }
    failure
}

fn snapshot(
    now_ns: u64,
    duration_ns: Option<u64>,
    (shown_at_ns, shown): &(u64, ServerTotals),
    totals: &ServerTotals,
) -> Snapshot {
    let rate = |count: u64| count as f64 / (now_ns - shown_at_ns) as f64 * 1e9;
    Snapshot {
        elapsed_ns: now_ns,
        total_ns: duration_ns.unwrap_or(0),
        requests_per_s: rate(totals.requests - shown.requests),
        replies_per_s: rate(totals.replies - shown.replies),
        ..Snapshot::begin(Phase::Serve, 0)
    }
}
