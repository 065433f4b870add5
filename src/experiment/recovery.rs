//! How long an external server takes to recover from overload: requests every 50 ms until they are answered as when it was idle.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Trials;
use crate::Error;
use crate::machine::Clock;
use zload_core::record::decode;
use zload_core::scenario::Model;
use zload_core::search::Template;
use zload_report::result::RunResult;

/// The longest wait for it, in nanoseconds.
const LONGEST_NS: u64 = 5_000_000_000;
/// It has recovered when the round trip is within this many times that of the idle server, …
const TIMES: u64 = 2;
/// … and what a machine is late by now and then, in nanoseconds.
const SLACK_NS: u64 = 500_000;

/// Looks at a server with few requests.
pub struct Recovery {
    settings: Vec<String>,
    template: Template,
    idle_ns: Option<u64>,
}

impl Recovery {
    /// Of a server whose median round trip is this long when it is idle, if that is known.
    pub fn new(template: &Template, idle_ns: Option<u64>) -> Self {
        let is_closed = template.with(&[]).is_ok_and(|of| of.load.model == Model::Closed);
        let load: &[&str] = if is_closed {
            &["load.in_flight=1", "load.think=50ms"]
        } else {
            &["load.rate=20/s", "load.arrivals=periodic"]
        };
        let rest = ["clients.count=1", "run.warmup=0s", "run.duration=300ms", "run.drain=1s"];
        let settings = load.iter().chain(&rest).map(|setting| (*setting).to_owned()).collect();
        Self { settings, template: template.clone(), idle_ns }
    }

    /// The median round trip of the server as it is now, in nanoseconds; `None` if a request is lost or the end was asked for.
    pub fn round_trip(&self, trials: &mut Trials<'_>) -> Result<Option<u64>, Error> {
        // A scenario that cannot be played with so little load is not looked at.
        let Ok(played) = self.template.with(&self.settings) else { return Ok(None) };
        Ok(trials.play(&self.settings, &played)?.and_then(|run| median_ns(&run)))
    }

    /// How long it takes from now on until it was seen to have recovered, in nanoseconds; `None` if it does not.
    pub fn look(
        &mut self,
        trials: &mut Trials<'_>,
        interrupted: &AtomicBool,
    ) -> Result<Option<u64>, Error> {
        let clock = Clock::start();
        // Without a figure to compare with it is not looked at, and taken to have recovered.
        let Some(idle_ns) = self.idle_ns else { return Ok(Some(0)) };
        while clock.now_ns() < LONGEST_NS && !interrupted.load(Ordering::Relaxed) {
            let round_trip_ns = self.round_trip(trials)?;
            if round_trip_ns.is_some_and(|ns| ns <= TIMES * idle_ns + SLACK_NS) {
                return Ok(Some(clock.now_ns()));
            }
        }
        Ok(None)
    }
}

/// The median response, if every request was answered.
fn median_ns(run: &RunResult) -> Option<u64> {
    let whole = run.ledger.requests_lost == 0 && run.failure.is_none();
    let histogram = decode(&run.latency.first_reply.histogram)?;
    (whole && !histogram.is_empty()).then(|| histogram.value_at_quantile(0.5))
}
