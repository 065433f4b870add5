//! The server alone, for clients elsewhere.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::memory::{Memory, queued_in_server};
use super::watch::{Sample, Watch};
use crate::Error;
use crate::machine::clock::Clock;
use crate::machine::host;
use crate::machine::limits::{self, Sides};
use crate::machine::stop::Stop;
use crate::server::Server;
use crate::server::counters::WorkerState;
use crate::wire::context;
use crate::wire::observation::Observation;
use crate::wire::tracer::Tracer;
use zload_core::facts::{Phase, Served, ServerTotals, Snapshot};
use zload_core::plan::Plan;
use zload_core::scenario::Scenario;

/// How often the server is looked at from outside.
const TICK: Duration = Duration::from_millis(50);

/// How a server is to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving<'a> {
    /// What to run.
    pub(crate) scenario: &'a Scenario,
    /// How long, in nanoseconds; until interrupted if absent.
    pub(crate) duration_ns: Option<u64>,
    /// Show each message.
    pub(crate) tracer: bool,
    /// Ends it when it becomes true.
    pub(crate) interrupted: &'a AtomicBool,
}

/// Serves until told to end. Says where it listens through `listening`, and shows itself to `watcher`.
pub(crate) fn serve(
    serving: &Serving<'_>,
    listening: impl FnOnce(&str),
    watcher: &mut dyn FnMut(&Snapshot),
) -> Result<Served, Error> {
    let Serving { scenario, duration_ns, tracer, interrupted } = *serving;
    limits::ensure(scenario, Sides::Serve, context::descriptors_per_socket)?;
    let stop = Arc::new(Stop::new()?);
    let plan = Arc::new(Plan::new(scenario));
    let tracer = tracer.then(|| Arc::new(Tracer::start()));
    let observed = Observation { tracer: tracer.as_ref(), stations: None };
    let server = match Server::start(scenario, &plan, &stop, interrupted, observed) {
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
    listening(&server.frontend);
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
        failure = trouble(&server, scenario, now_ns, &mut watch, &mut memory);
        if now_ns - shown.0 >= 100_000_000 {
            let totals = server.totals();
            watcher(&snapshot(now_ns, duration_ns, &shown, &totals));
            shown = (now_ns, totals);
        }
        stop.sleep(left.min(TICK));
    }
    let (window_ns, frontend) = (clock.now_ns(), server.frontend.clone());
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

fn trouble(
    server: &Server,
    scenario: &Scenario,
    now_ns: u64,
    watch: &mut Watch,
    memory: &mut Memory,
) -> Option<String> {
    if server.died() {
        return Some("a thread of the server ended while it served".to_owned());
    }
    let totals = server.totals();
    let cut_off = memory.cut_off();
    if let Some(reason) = memory.look(now_ns, || queued_in_server(scenario, &totals)) {
        return Some(reason);
    }
    if memory.cut_off() > cut_off {
        // Nobody else says so before the end, and somebody may wonder; a closed stream is no reason to end.
        let _closed = writeln!(
            std::io::stderr(),
            "a peer sent a message without end, or far larger ones than the plan's: its connection was closed"
        );
    }
    let sample = Sample {
        moved: totals.requests + totals.replies + totals.messages_out.unwrap_or(0),
        // How many requests clients elsewhere have sent is not known here.
        untaken: 0,
        delaying: server.workers_in(WorkerState::Delaying),
        sending: server.workers_in(WorkerState::Sending),
        workers: server.workers(),
    };
    watch.look(now_ns, &sample, || host::io_ns(&host::threads()))
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
