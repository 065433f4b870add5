//! The watch: notices a topology that has stopped moving.
//!
//! Silence alone proves nothing (an idle load is silent, a long delay is too): stuck is when no message moves although
//! work is there and no worker is busy with it, and the I/O threads do nothing either. Those are looked at only when all
//! else is silent: a message of many mebibytes takes seconds to come, and all the while they copy. A proxy of somebody else
//! may lose messages, or stand still: that is measured, and no failure, so only zload's own is watched. Invariant: pure;
//! instants and figures come in from outside.

use crate::server::{Server, counters::WorkerState};
use zload_core::facts::ServerTotals;
use zload_core::scenario::{Engine, Nanos, Scenario};

/// How long nothing may move before that is a failure.
const PATIENCE_NS: u64 = 3_000_000_000;
/// The I/O threads' work is judged over this long.
const WINDOW_NS: u64 = 1_000_000_000;
/// I/O threads that together run, or wait for a CPU, for at least this share of the time are moving something. Stuck ones
/// sleep: sockets that are full on both ends wake no thread. A thread that copies is at its core's limit or waits for it, far above.
const LIVELY: f64 = 0.05;
/// What a heartbeat may cost them, on both ends together, in nanoseconds: two small messages, some 10 us each.
const HEARTBEAT_NS: f64 = 50_000.0;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    /// Messages moved so far by proxy, workers and clients together: any change is life.
    pub(super) moved: u64,
    /// Requests that clients sent so far and no worker has taken.
    pub(super) untaken: u64,
    pub(super) delaying: u32,
    /// Workers that wait for ZeroMQ to take a reply.
    pub(super) sending: u32,
    pub(super) workers: u32,
}

/// Remembers when something last moved.
#[derive(Debug)]
pub(super) struct Watch {
    /// Nanoseconds of the I/O threads in a second that are work and no heartbeats.
    lively_ns: f64,
    advice: String,
    moved: u64,
    since_ns: u64,
    /// When the I/O threads were last looked at for a comparison, and what they had used.
    io: Option<(u64, u64)>,
}

impl Watch {
    /// For a server of this scenario, or a run with one.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let heartbeats_per_s = scenario.sockets.heartbeat_ivl.map_or(0.0, |Nanos(ns)| {
            // libzmq counts in milliseconds, and takes less than one for none.
            let connections = scenario.clients.count.0 + scenario.workers.count.0;
            if ns < 1_000_000 { 0.0 } else { f64::from(connections) * 1e9 / ns as f64 }
        });
        Self {
            lively_ns: LIVELY * 1e9 + heartbeats_per_s * HEARTBEAT_NS,
            advice: advice(scenario),
            moved: 0,
            since_ns: 0,
            io: None,
        }
    }

    /// Why the run is stuck, if it is. `io_ns` tells for how long the I/O threads ran, or waited for a CPU, so far.
    pub(super) fn look(
        &mut self,
        now_ns: u64,
        sample: &Sample,
        io_ns: impl FnOnce() -> u64,
    ) -> Option<String> {
        let has_work = sample.untaken > 0 || sample.sending > 0;
        if sample.moved != self.moved || sample.delaying > 0 || !has_work {
            self.moved = sample.moved;
            self.since_ns = now_ns;
            self.io = None;
            return None;
        }
        match self.io {
            None => self.io = Some((now_ns, io_ns())),
            Some((before_ns, used_before_ns)) if now_ns - before_ns >= WINDOW_NS => {
                let used_ns = io_ns();
                self.io = Some((now_ns, used_ns));
                let per_second = used_ns.saturating_sub(used_before_ns) as f64
                    / (now_ns - before_ns) as f64
                    * 1e9;
                if per_second >= self.lively_ns {
                    self.since_ns = now_ns;
                    return None;
                }
            }
            Some(_) => {}
        }
        (now_ns.saturating_sub(self.since_ns) >= PATIENCE_NS)
            .then(|| format!("{}. {}", sample.in_words(), self.advice))
    }
}

impl Sample {
    /// Of a server that has done `totals` so far. How many requests clients elsewhere have sent is not known here.
    pub(super) fn of(server: &Server, totals: &ServerTotals) -> Self {
        Self {
            moved: totals.requests + totals.replies + totals.messages_out.unwrap_or(0),
            untaken: 0,
            delaying: server.workers_in(WorkerState::Delaying),
            sending: server.workers_in(WorkerState::Sending),
            workers: server.workers(),
        }
    }

    fn in_words(&self) -> String {
        let Self { untaken, sending, workers, .. } = self;
        format!(
            "deadlock: for {} s no message moved, while {untaken} requests wait for a worker and {sending} of {workers} workers wait to send a reply",
            PATIENCE_NS / 1_000_000_000
        )
    }
}

/// What in the scenario may be the cause, and what to do that it does not do already.
fn advice(scenario: &Scenario) -> String {
    let lift: Vec<String> = scenario.sockets.marks().map(|name| format!("{name} = 0")).collect();
    if matches!(scenario.proxy.engine, Engine::Batch | Engine::Lru) || lift.is_empty() {
        return "Neither a blocking proxy nor a high-water mark explains it: check for a stopped process or a stalled connection"
            .to_owned();
    }
    format!(
        "With finite high-water marks a proxy that blocks in a send and its workers wait for each other: set {}, or use proxy.engine = \"batch\"",
        lift.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn watch(text: &str) -> Watch {
        let text = format!("load = {{ rate = '1/s' }}\n{text}");
        Watch::new(&Scenario::parse("test.toml", &text, &[]).unwrap())
    }

    /// What each of these seconds says, in each of which the I/O threads work for `io_ns`.
    fn verdicts(watch: &mut Watch, sample: Sample, io_ns: u64) -> Vec<bool> {
        (0..6).map(|second| watch.look(second * S, &sample, || second * io_ns).is_some()).collect()
    }

    const STUCK: Sample = Sample { moved: 7, untaken: 12, delaying: 0, sending: 2, workers: 2 };

    #[test]
    fn stuck_is_work_that_does_not_move() {
        let stuck = [false, false, false, true, true, true];
        assert_eq!(verdicts(&mut watch(""), STUCK, 0), stuck);
        assert_eq!(verdicts(&mut watch(""), STUCK, S / 100), stuck, "idle threads wake at times");
        assert!(STUCK.in_words().contains("12 requests wait for a worker and 2 of 2 workers wait"));
    }

    #[test]
    fn threads_that_copy_are_alive_and_those_that_only_beat_are_not() {
        assert!(!verdicts(&mut watch(""), STUCK, S / 10).contains(&true));
        // 305 connections beat ten times a second: that may take a tenth of a second of each second.
        let beating = "sockets = { heartbeat_ivl = '100ms' }\nclients = { count = 300 }";
        assert!(verdicts(&mut watch(beating), STUCK, S / 10).contains(&true));
        assert!(!verdicts(&mut watch(beating), STUCK, S).contains(&true));
    }

    proptest! {
        // A history of looks, some tenths of a second apart: how much moved, how many delay, whether work is there, and
        // which share of the time the I/O threads were at work.
        #[test]
        fn stuck_is_said_after_three_silent_seconds_and_of_no_others(
            looks in prop::collection::vec((50..500_u64, 0..40_u64, 0..40_u32, 0..20_u8, 0..20_u8), 1..300),
        ) {
            let mut watch = watch("");
            let (mut now_ns, mut moved, mut io_ns) = (0, 0, 0);
            let (mut silent_since_ns, mut idle_since_ns) = (0, 0);
            for (ms, moves, delaying, idle, copying) in looks {
                let passed_ns = ms * 1_000_000;
                now_ns += passed_ns;
                // Mostly nothing moves, no worker delays, work waits, and no thread copies.
                let (moves, delaying) = (moves.saturating_sub(38), delaying.saturating_sub(38));
                let (has_work, copies) = (idle > 0, copying == 0);
                moved += moves;
                io_ns += if copies { passed_ns } else { 0 };
                if moves > 0 || delaying > 0 || !has_work {
                    silent_since_ns = now_ns;
                }
                if now_ns == silent_since_ns || copies {
                    idle_since_ns = now_ns;
                }
                let sample = Sample {
                    moved, untaken: u64::from(has_work), delaying, workers: 2, ..Sample::default()
                };
                let stuck = watch.look(now_ns, &sample, || io_ns).is_some();
                prop_assert!(!stuck || now_ns - silent_since_ns >= PATIENCE_NS);
                // The I/O threads' last work counts until a whole window without any has passed, twice.
                let long_idle = now_ns - idle_since_ns >= PATIENCE_NS + 3 * WINDOW_NS;
                prop_assert!(stuck || !long_idle);
            }
        }
    }

    #[test]
    fn nothing_is_advised_that_the_scenario_has() {
        let advice = |text: &str| watch(text).advice;
        let poll = advice("proxy = { engine = 'poll' }");
        assert!(poll.contains("set sockets.sndhwm = 0 and sockets.rcvhwm = 0, or use"), "{poll}");
        let half = advice("sockets = { sndhwm = 0 }");
        assert!(!half.contains("sndhwm") && half.contains("set sockets.rcvhwm = 0"), "{half}");
        for text in ["proxy = { engine = 'batch' }", "sockets = { sndhwm = 0, rcvhwm = 0 }"] {
            let advice = advice(text);
            assert!(!advice.contains("batch") && !advice.contains("hwm"), "{advice}");
        }
    }
}
