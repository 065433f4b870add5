//! What every trial uses: playing a scenario, with a planted server or a built-in one, and what the machine allowed meanwhile.
//!
//! Invariant: a run that was interrupted or failed is an error, so that no trial judges an incomplete run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::Error;
use crate::engine::{self, Part};
use crate::machine::hiccups::{self, clock_read_ns};
use crate::machine::host::clock_resolution_ns;
use crate::server::planted::{Fault, Planted, Witness};
use zload_core::record::{LatencyHistogram, Trace};
use zload_core::scenario::{ClientEngine, Scenario, Sockets};
use zload_core::{facts::Measured, plan::Plan};
use zload_report::result::{Environment, Floor, RunResult};

pub(super) const MS: u64 = 1_000_000;

/// One client, one request at a time back to back, through the built-in proxy and a worker that answers at once.
const IDLE: &str = "load = { model = 'closed', in_flight = 1 }\nclients.count = 1\n\
                    run = { duration = '1s', warmup = '200ms' }\nproxy.engine = 'batch'\n\
                    workers = { count = 1, replies = 1 }";

/// The same, with a rest of 10 ms before each request, in which CPUs fall asleep.
const RESTED: &str = "load = { model = 'closed', in_flight = 1, think = '10ms' }\nclients.count = 1\n\
                      run = { duration = '2s' }\nproxy.engine = 'batch'\nworkers = { count = 1, replies = 1 }";

pub(super) struct Bench<'a> {
    pub(super) environment: &'a Environment,
    pub(super) interrupted: &'a AtomicBool,
    /// What the clients speak with.
    pub(super) engine: ClientEngine,
    pub(super) floor: Floor,
}

pub(super) struct Played {
    pub(super) plan: Arc<Plan>,
    pub(super) measured: Measured,
    pub(super) result: RunResult,
    /// By how much sleeps of 1 ms were too long meanwhile.
    sleep_overshoot: LatencyHistogram,
}

impl Bench<'_> {
    pub(super) fn measure_floor(&mut self) -> Result<(), Error> {
        let (rested, idle) = (self.play(RESTED)?, self.play(IDLE)?);
        let late = &rested.sleep_overshoot;
        let [rested, idle] = [&rested, &idle].map(|played| &played.measured.recorded.first_reply);
        self.floor = Floor {
            clock_read_ns: clock_read_ns(),
            clock_resolution_ns: clock_resolution_ns(),
            sleep_overshoot_p50_ns: percentile(late, 0.5),
            sleep_overshoot_p99_ns: percentile(late, 0.99),
            idle_round_trip_p50_ns: percentile(idle, 0.5),
            idle_round_trip_p90_ns: percentile(idle, 0.9),
            rested_round_trip_p50_ns: percentile(rested, 0.5),
            rested_round_trip_p90_ns: percentile(rested, 0.9),
        };
        Ok(())
    }

    pub(super) fn play(&self, text: &str) -> Result<Played, Error> {
        let mut scenario = Scenario::parse("selftest", text, &[])?;
        scenario.clients.engine = self.engine;
        let plan = Arc::new(Plan::new(&scenario));
        let (played, sleep_overshoot) = hiccups::during(|| {
            engine::run(Part::whole(&scenario, &plan), false, self.interrupted, &mut |_| {})
        })?;
        let (measured, _) = played?;
        if measured.interrupted {
            return Err(Error::Interrupted);
        }
        if let Some(failure) = measured.failure {
            return Err(Error::Failed(failure));
        }
        let runs = [measured];
        let (result, _) = RunResult::new(&scenario, &[&plan], self.environment.clone(), &runs);
        let [measured] = runs;
        Ok(Played { plan, measured, result, sleep_overshoot })
    }

    /// Plays a scenario, whose text must leave out `proxy`, against a server with this fault. The server's socket has the
    /// same options: as many messages may wait at either end of a direction as the scenario says.
    pub(super) fn play_against(
        &self,
        fault: Fault,
        text: &str,
    ) -> Result<(Played, Witness), Error> {
        let sockets = Scenario::parse("selftest", text, &[])?.sockets;
        let (sndhwm, rcvhwm) = (sockets.rcvhwm, sockets.sndhwm);
        let planted = Planted::start(fault, &Sockets { sndhwm, rcvhwm, ..sockets })?;
        let proxy = format!("proxy = {{ engine = 'external', frontend = '{}' }}", planted.endpoint);
        let played = self.play(&format!("{proxy}\n{text}"))?;
        Ok((played, planted.finish()?))
    }

    /// By how much the machine may have made a time longer in the seconds of `played`.
    ///
    /// By what a thread that only sleeps was late then (the 99th percentile), and by twice the 90th percentile of a round
    /// trip of the floor: trials look at medians and at times far longer, so that is more than enough on a machine that
    /// does as it did.
    pub(super) fn allowance_ns(&self, played: &Played) -> u64 {
        let Floor { idle_round_trip_p90_ns, rested_round_trip_p90_ns, .. } = self.floor;
        percentile(&played.sleep_overshoot, 0.99)
            + 2 * idle_round_trip_p90_ns.max(rested_round_trip_p90_ns)
    }
}

impl Played {
    /// The traces of the sampled requests, in the order in which they were intended.
    pub(super) fn traces(&self) -> Vec<Trace> {
        self.measured.recorded.traces.intended_from(self.plan.warmup_ns())
    }

    pub(super) fn planned(&self) -> u64 {
        self.planned_between(self.plan.warmup_ns(), self.plan.send_end_ns())
    }

    /// Requests that the plan has from one instant to before another.
    pub(super) fn planned_between(&self, from_ns: u64, to_ns: u64) -> u64 {
        let schedules = (0..self.plan.clients()).filter_map(|client| self.plan.schedule(client));
        schedules.map(|schedule| schedule.count_between(from_ns, to_ns)).sum()
    }
}

/// The percentile, or the maximum if the sample is too small for it.
fn percentile(latencies: &LatencyHistogram, quantile: f64) -> u64 {
    latencies.percentile(quantile).or(latencies.max()).unwrap_or(0)
}

pub(super) fn above(latencies: &LatencyHistogram, ns: u64) -> u64 {
    let histogram = latencies.histogram();
    histogram.len() - histogram.count_between(0, ns)
}

/// The value in the middle; the upper of two; `None` of nothing.
pub(super) fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_sample_gives_its_largest_value() {
        let mut few = LatencyHistogram::new();
        assert_eq!(percentile(&few, 0.99), 0);
        few.record(5);
        few.record(900);
        assert_eq!(percentile(&few, 0.99), 900);
        assert_eq!([4, 5, 6, 900].map(|ns| above(&few, ns)), [2, 1, 1, 0]);
        assert_eq!((median(vec![3, 1, 2]), median(Vec::new())), (Some(2), None));
    }
}
