//! How long, how often, how many: what an experiment needs so that its answer is worth something, and the time it takes.

use std::time::Duration;

use crate::compare::CONFIDENCE;
use crate::plan::Plan;
use crate::result::Method;
use crate::scenario::{Engine, Nanos, Scenario};

/// How thorough a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// About a minute, unless the scenario is slow.
    Quick,
    /// Some five minutes.
    Thorough,
}

/// What the user wants otherwise than the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// Blocks.
    pub blocks: Option<u32>,
    /// Slices of each side in a block.
    pub slices: Option<u32>,
    /// The measured part of a slice.
    pub slice: Option<Nanos>,
    /// Processors that everything is kept on.
    pub cpus: Option<u32>,
}

/// An experiment before it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Blocks, each a fresh start of all sides.
    pub blocks: u32,
    /// Slices of each side in a block.
    pub slices: u32,
    /// The measured part of a slice.
    pub slice: Nanos,
    /// Served before that in each slice, and not counted.
    pub warmup: Nanos,
    /// The first slice of a process, which is its warm-up.
    pub first: Nanos,
    /// Processors that everything is kept on.
    pub cpus: Option<u32>,
    /// Seed of the coin that chooses the order.
    pub seed: u64,
    /// The longest that a slice may take, drain and handshakes included.
    longest: Duration,
}

/// The shortest slice that is worth its handshakes, in seconds. Measured with a saturated proxy against itself: in the same
/// time, the sides of blocks of 13 slices of 100 ms differ by 1.6 to 6.1 %, of 8 slices of 200 ms by 1.3 to 6.5 %.
const SHORTEST_SLICE: f64 = 0.1;
/// Requests that a slice should hold, so that its median is one, and that one more or less moves its rate by less than the
/// margin of 3 %.
const REQUESTS: f64 = 40.0;
/// A slice should last so many times as long as a request is worked at.
const WORKS: f64 = 5.0;
/// What a slice takes besides its own time: handshakes, the drain, the result. Measured: 30 ms.
const SLICE_OVERHEAD: f64 = 0.03;
/// What a process takes to start, in seconds.
const START_OVERHEAD: f64 = 0.03;
/// The warm-up of a process is as long as a slice, but not longer than this.
const LONGEST_FIRST: Nanos = Nanos(500_000_000);
const MOST_SLICES: f64 = 50.0;

impl Design {
    /// A design for these scenarios, the slowest of which decides how long a slice is.
    pub fn new(scenarios: &[&Scenario], profile: Profile, wishes: Wishes) -> Self {
        let (blocks, seconds) = match profile {
            Profile::Quick => (12, 60.0),
            Profile::Thorough => (20, 300.0),
        };
        let blocks = wishes.blocks.unwrap_or(blocks);
        let slice_seconds = scenarios
            .iter()
            .map(|scenario| shortest_slice(scenario))
            .fold(SHORTEST_SLICE, f64::max);
        let slice = wishes.slice.unwrap_or_else(|| nanos(slice_seconds));
        let warmup = Nanos(slice.0 / 6);
        let each =
            (slice.as_secs_f64() + warmup.as_secs_f64() + SLICE_OVERHEAD) * scenarios.len() as f64;
        let first = slice.min(LONGEST_FIRST);
        let starts = start_overhead(first) * scenarios.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a few dozen"
        )]
        let fitting =
            ((seconds / f64::from(blocks) - starts) / each).round().clamp(1.0, MOST_SLICES) as u32;
        let patience = |scenario: &&Scenario| {
            let ready = scenario.server.as_ref().map_or(Nanos::ZERO, |server| server.ready_timeout);
            [scenario.run.drain, scenario.clients.connect_timeout, ready]
                .into_iter()
                .map(|time| Duration::from_nanos(time.0))
                .sum::<Duration>()
        };
        Self {
            blocks,
            slices: wishes.slices.unwrap_or(fitting),
            slice,
            warmup,
            first,
            cpus: wishes.cpus,
            seed: scenarios.first().map_or(1, |scenario| scenario.seed),
            longest: Duration::from_nanos(slice.0 + warmup.0)
                + scenarios.iter().map(patience).max().unwrap_or_default()
                + Duration::from_secs(30),
        }
    }

    /// All slices of all sides, without warm-ups.
    pub fn slices_in_all(&self, sides: usize) -> u32 {
        self.blocks * self.slices * u32::try_from(sides).unwrap_or(u32::MAX)
    }

    /// How long it will take with so many sides, unless a side is slow to drain.
    pub fn estimate(&self, sides: usize) -> Nanos {
        let each = self.slice.as_secs_f64() + self.warmup.as_secs_f64() + SLICE_OVERHEAD;
        let of_side = start_overhead(self.first) + each * f64::from(self.slices);
        nanos(of_side * sides as f64 * f64::from(self.blocks))
    }

    /// The longest that a slice may take.
    pub(super) fn patience(&self) -> Duration {
        self.longest
    }

    pub(super) fn method(&self) -> Method {
        Method {
            interleaved: true,
            blocks: self.blocks,
            slices_per_block: self.slices,
            slice_ns: self.slice.0,
            slice_warmup_ns: self.warmup.0,
            confidence_percent: CONFIDENCE * 100.0,
            cpus: self.cpus,
            seed: self.seed,
        }
    }
}

/// What it takes until a process has played its first slice, in seconds.
fn start_overhead(first: Nanos) -> f64 {
    START_OVERHEAD + first.as_secs_f64() + SLICE_OVERHEAD
}

/// The slice that holds requests enough, and is long enough for what it takes to serve one; in seconds.
fn shortest_slice(scenario: &Scenario) -> f64 {
    let summary = Plan::new(scenario).summary();
    let served = match scenario.proxy.engine {
        Engine::External => f64::INFINITY,
        _ => f64::from(scenario.workers.count.0) * 1e9 / summary.work_ns_mean,
    };
    let answered = summary.most_requests_per_s().min(served) * summary.replies_mean.min(1.0);
    let requests = if answered > 0.0 { REQUESTS / answered } else { 0.0 };
    let work = (summary.work_ns_mean + summary.think_ns_mean) / 1e9;
    requests.max(work * WORKS).min(60.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a slice or an experiment"
)]
fn nanos(seconds: f64) -> Nanos {
    // To the millisecond: the figure is shown, and written into a scenario.
    Nanos((seconds * 1e3).ceil() as u64 * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse("test", text, &[]).unwrap()
    }

    #[test]
    fn a_quick_comparison_takes_a_minute_and_a_slow_scenario_longer() {
        let hot = scenario("load.model = \"closed\"");
        let quick = Design::new(&[&hot, &hot], Profile::Quick, Wishes::default());
        assert_eq!((quick.blocks, quick.slice), (12, Nanos(100_000_000)));
        let seconds = quick.estimate(2).as_secs_f64();
        assert!((55.0..70.0).contains(&seconds), "{seconds}");
        let slow = scenario("load.rate = \"3/s\"\nworkers.delay = \"1s\"");
        let design = Design::new(&[&hot, &slow], Profile::Quick, Wishes::default());
        assert!(design.slice.as_secs_f64() > 13.0, "40 requests at 3 per second: {design:?}");
        assert_eq!(design.slices, 1);
    }

    #[test]
    fn wishes_go_before_the_profile() {
        let hot = scenario("load.model = \"closed\"");
        let wishes = Wishes {
            blocks: Some(9),
            slices: Some(3),
            slice: Some(Nanos(100_000_000)),
            cpus: Some(1),
        };
        let design = Design::new(&[&hot, &hot], Profile::Thorough, wishes);
        assert_eq!(
            (design.blocks, design.slices, design.slice.0, design.seed),
            (9, 3, 100_000_000, 1)
        );
        assert_eq!(design.slices_in_all(2), 54);
    }
}
