//! How long, how often, how many: what an experiment needs so that its answer can be used, and the time it takes.

use std::time::Duration;

use crate::{Error, machine};
use zload_core::scenario::{Nanos, Scenario};
use zload_core::{plan::Plan, quantity};
use zload_report::compare::{CONFIDENCE, Questions, Sample};
use zload_report::result::Method;

/// How thorough a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// About a minute, unless the scenario is slow.
    Quick,
    /// Some five minutes.
    Thorough,
}

/// What the user overrides of the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct DesignOverrides {
    /// Blocks.
    pub blocks: Option<u32>,
    /// Slices of each side in a block.
    pub slices: Option<u32>,
    /// The measured part of a slice.
    pub slice: Option<Nanos>,
    /// Processors that everything is kept on.
    pub cpus: Option<u32>,
}

/// An experiment before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Blocks, each a fresh start of all sides.
    pub blocks: u32,
    /// Slices of each side in a block.
    pub slices: u32,
    /// The measured part of a slice.
    pub slice: Nanos,
    /// The warm-up of a slice, not counted.
    pub warmup: Nanos,
    /// The first slice of a process, which is its warm-up.
    pub first: Nanos,
    /// Processors that everything is kept on.
    pub cpus: Option<u32>,
    /// Seed of the random order and the plans' seeds: drawn anew, so that making a comparison again does
    /// not repeat its luck.
    pub seed: u64,
    /// The longest that a slice may take, drain and handshakes included.
    longest: Duration,
}

/// The shortest slice that justifies its handshakes, in seconds. Measured with a saturated proxy against itself: in the same
/// time, the sides of blocks of 13 slices of 100 ms differ by 1.6 to 6.1 %, of 8 slices of 200 ms by 1.3 to 6.5 %.
const SHORTEST_SLICE: f64 = 0.1;
/// Requests that a slice should hold, so that its median is one, and that one more or less moves its rate by less than the
/// margin of 3 %.
const REQUESTS: f64 = 40.0;
/// A slice should last this many times as long as the work of a request.
const WORKS: f64 = 5.0;
/// What a slice takes besides its own time: handshakes, the drain, the result. Measured: 30 ms.
const SLICE_OVERHEAD: f64 = 0.03;
/// What a process takes to start, in seconds.
const START_OVERHEAD: f64 = 0.03;
/// The warm-up of a process is as long as a slice, but not longer than this.
const LONGEST_FIRST: Nanos = Nanos(500_000_000);
const MOST_SLICES: f64 = 50.0;
/// The questions may make an experiment this many times as long as its profile; a longer one must be asked for with `--slice`.
const MOST_GROWTH: f64 = 10.0;
/// What a request of a closed load takes beside its work, in seconds, and the most per second: far more and far fewer than
/// is usual, since slices must not turn out too short.
const ROUND_TRIP: f64 = 0.2e-3;
const MOST_PER_S: f64 = 50_000.0;
/// Requests of the plan that are looked at to know how many get a reply.
const LOOKED_AT: u32 = 2_000;

/// The seconds that slices and blocks must last, so that what is asked can be estimated.
#[derive(Debug, Clone, Copy, Default)]
struct Least {
    slice: f64,
    block: f64,
}

impl Profile {
    /// What it takes about, unless the scenario is slow.
    fn seconds(self) -> f64 {
        match self {
            Self::Quick => 60.0,
            Self::Thorough => 300.0,
        }
    }
}

impl Design {
    /// A design for these scenarios, the slowest of which decides how long a slice is: long enough that every percentile
    /// that is asked for can be estimated.
    ///
    /// Fails if that cannot be, with what would do and the time it takes.
    pub fn new(
        scenarios: &[&Scenario],
        profile: Profile,
        overrides: DesignOverrides,
        questions: &Questions,
    ) -> Result<Self, Error> {
        if let Some(why) = scenarios.iter().find_map(|scenario| questions.unanswerable(scenario)) {
            return Err(Error::Failed(why));
        }
        let samples = questions.samples();
        let per_s =
            scenarios.iter().map(|scenario| answered_per_s(scenario)).fold(f64::INFINITY, f64::min);
        if let Some(sample) = samples.first().filter(|_| per_s <= 0.0) {
            let why =
                format!("{} cannot be measured: no request of the plan gets a reply", sample.name);
            return Err(Error::Failed(why));
        }
        let of = |of_block: bool| {
            let replies = samples.iter().filter(|sample| sample.of_block == of_block);
            replies.map(|sample| sample.replies / per_s).fold(0.0, f64::max)
        };
        let least = Least { slice: of(false), block: of(true) };
        let design = Self::draft(scenarios, profile, overrides, least);
        let fewest = scenarios.iter().map(|scenario| questions.fewest_blocks(scenario)).max();
        match fewest.filter(|fewest| design.blocks < *fewest) {
            Some(fewest) => Err(Error::Failed(format!(
                "{} are too few to correct each gate for the number of metrics: use at least --blocks {fewest}",
                quantity::counted(u64::from(design.blocks), "block")
            ))),
            None => design.answers(scenarios, profile, overrides, (&samples, per_s, least)),
        }
    }

    /// The design, if it answers the questions within an acceptable time.
    fn answers(
        self,
        scenarios: &[&Scenario],
        profile: Profile,
        overrides: DesignOverrides,
        (samples, per_s, least): (&[Sample], f64, Least),
    ) -> Result<Self, Error> {
        let slice = self.slice.as_secs_f64();
        let held = |sample: &Sample| {
            let slices = if sample.of_block { self.slices } else { 1 };
            per_s * slice * f64::from(slices)
        };
        // As much as rounding may take away.
        let short = samples.iter().find(|sample| held(sample) < sample.replies * (1.0 - 1e-9));
        let too_long = overrides.slice.is_none()
            && self.estimate(scenarios.len()).as_secs_f64() > profile.seconds() * MOST_GROWTH
            && self.slice > Self::draft(scenarios, profile, overrides, Least::default()).slice;
        let sample = short.or_else(|| {
            let longest = |one: &&Sample, other: &&Sample| one.replies.total_cmp(&other.replies);
            samples.iter().max_by(longest).filter(|_| too_long)
        });
        let Some(sample) = sample else { return Ok(self) };
        let (each, slices) = match (sample.of_block, self.slices) {
            (false, _) => ("slice", String::new()),
            (true, slices) => {
                ("block", format!(" of {}", quantity::counted(u64::from(slices), "slice")))
            }
        };
        let needs = format!(
            "{} cannot be estimated: it needs {} replies in each {each}{slices}, and",
            sample.name, sample.replies
        );
        let other =
            Self::draft(scenarios, profile, DesignOverrides { slice: None, ..overrides }, least);
        let time = in_minutes(other.estimate(scenarios.len()));
        let so_many = if short.is_some() {
            format!("the plan has {:.0}", held(sample))
        } else {
            format!("at {} that takes long", quantity::rate(per_s))
        };
        Err(Error::Failed(format!(
            "{needs} {so_many}; use --slice {} (about {time} in all)",
            other.slice
        )))
    }

    /// What profile and overrides make of it, with slices and blocks at least of the minimum length unless an override prevents it.
    fn draft(
        scenarios: &[&Scenario],
        profile: Profile,
        overrides: DesignOverrides,
        least: Least,
    ) -> Self {
        let blocks = overrides.blocks.unwrap_or(match profile {
            Profile::Quick => 12,
            Profile::Thorough => 20,
        });
        let usual = scenarios
            .iter()
            .map(|scenario| shortest_slice(scenario))
            .fold(SHORTEST_SLICE.max(least.slice), f64::max);
        let usual = overrides.slice.unwrap_or_else(|| nanos(usual));
        let sides = scenarios.len() as f64;
        let each = (usual.as_secs_f64() * (1.0 + 1.0 / 6.0) + SLICE_OVERHEAD) * sides;
        let starts = start_overhead(usual.min(LONGEST_FIRST)) * sides;
        let fitting = ((profile.seconds() / f64::from(blocks) - starts) / each).round();
        let mut slices = overrides.slices.unwrap_or(whole(fitting.clamp(1.0, MOST_SLICES)));
        let slice = match overrides.slice {
            None => usual.max(nanos(least.block / f64::from(slices))),
            Some(slice) => {
                if overrides.slices.is_none() {
                    slices = slices.max(whole((least.block / slice.as_secs_f64()).ceil()));
                }
                slice
            }
        };
        let warmup = Nanos(slice.0 / 6);
        let patience = |scenario: &&Scenario| {
            let ready = scenario.server.as_ref().map_or(Nanos::ZERO, |server| server.ready_timeout);
            [scenario.run.drain, scenario.clients.connect_timeout, ready]
                .into_iter()
                .map(|time| Duration::from_nanos(time.0))
                .fold(Duration::ZERO, Duration::saturating_add)
        };
        Self {
            blocks,
            slices,
            slice,
            warmup,
            first: slice.min(LONGEST_FIRST),
            cpus: overrides.cpus,
            // Exact in every reader of JSON.
            seed: machine::unique_number() >> 11,
            longest: Duration::from_nanos(slice.0.saturating_add(warmup.0))
                + scenarios.iter().map(patience).max().unwrap_or_default()
                + Duration::from_secs(30),
        }
    }

    /// All slices of all sides, without warm-ups.
    pub fn slices_in_all(&self, sides: usize) -> u32 {
        self.blocks * self.slices * u32::try_from(sides).unwrap_or(u32::MAX)
    }

    /// How long it will take with this many sides, unless a side is slow to drain.
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

/// The time until a process has run its first slice, in seconds.
fn start_overhead(first: Nanos) -> f64 {
    START_OVERHEAD + first.as_secs_f64() + SLICE_OVERHEAD
}

/// The slice that holds requests enough, and is long enough for what it takes to serve one; in seconds.
fn shortest_slice(scenario: &Scenario) -> f64 {
    let summary = Plan::new(scenario).summary();
    let served =
        summary.most_requests_per_s().min(scenario.workers_per_s().unwrap_or(f64::INFINITY));
    let answered = served * summary.replies_mean.min(1.0);
    let requests = if answered > 0.0 { REQUESTS / answered } else { 0.0 };
    let work = (summary.work_ns_mean + summary.think_ns_mean) / 1e9;
    requests.max(work * WORKS).min(60.0)
}

/// Requests per second that get a reply, by the plan: rather fewer than more.
fn answered_per_s(scenario: &Scenario) -> f64 {
    let plan = Plan::new(scenario);
    let summary = plan.summary();
    let offered = summary.requests_per_s.unwrap_or_else(|| {
        let turn = (summary.work_ns_mean + summary.think_ns_mean) / 1e9 + ROUND_TRIP;
        (summary.in_flight.unwrap_or(0) as f64 / turn).min(MOST_PER_S)
    });
    let capacity = scenario.workers_per_s().unwrap_or(f64::INFINITY);
    let answered =
        (0..u64::from(LOOKED_AT)).filter(|request| plan.request(0, *request).replies > 0);
    offered.min(capacity) * answered.count() as f64 / f64::from(LOOKED_AT)
}

/// An estimate, which is not known to the millisecond.
pub fn in_minutes(time: Nanos) -> String {
    match time.as_secs_f64().round() {
        seconds if seconds < 100.0 => format!("{seconds} s"),
        seconds if seconds < 6000.0 => format!("{:.1} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

fn whole(number: f64) -> u32 {
    u32::try_from(quantity::saturating(number)).unwrap_or(u32::MAX)
}

fn nanos(seconds: f64) -> Nanos {
    // To the millisecond: the figure is shown, and written into a scenario.
    Nanos(quantity::saturating((seconds * 1e3).ceil()).saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_report::compare::metric_named;

    const OPEN: &str = "load.rate = \"300/s\"";
    const CLOSED: &str = "load.model = \"closed\"";
    const NONE: DesignOverrides =
        DesignOverrides { blocks: None, slices: None, slice: None, cpus: None };
    const SLICE: Option<Nanos> = Some(Nanos(100_000_000));

    fn asked(primary: &str, gates: &[&str]) -> Questions {
        Questions {
            primary: metric_named(primary).unwrap(),
            gates: gates.iter().map(|gate| metric_named(gate).unwrap()).collect(),
            margin_percent: None,
        }
    }

    /// A quick comparison of these two scenarios.
    fn quick(
        texts: [&str; 2],
        overrides: DesignOverrides,
        questions: &Questions,
    ) -> Result<Design, String> {
        let [one, other] = texts.map(|text| Scenario::parse("test", text, &[]).unwrap());
        Design::new(&[&one, &other], Profile::Quick, overrides, questions)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn slices_are_long_enough_for_what_is_asked() {
        let half = format!("{OPEN}\nworkers.replies = {{ choice = [[1, 0], [1, 2]] }}");
        let (p99, each) = (asked("first_reply.p99", &[]), asked("service.p99", &[]));
        let gate = asked("first_reply.p50", &["first_reply.p99"]);
        let slices = DesignOverrides { slices: Some(30), ..NONE };
        // Every slice for itself has to hold enough where service times are asked for, and else a block of them.
        for (text, overrides, questions, of_block, answered_per_s) in [
            (OPEN, NONE, &p99, true, 300.0),
            (OPEN, slices, &gate, true, 300.0),
            (OPEN, DesignOverrides { slice: SLICE, ..NONE }, &p99, true, 300.0),
            (OPEN, NONE, &each, false, 300.0),
            (&half, NONE, &p99, true, 150.0),
        ] {
            let design = quick([text; 2], overrides, questions).unwrap();
            let slices = if of_block { f64::from(design.slices) } else { 1.0 };
            assert!(design.slice.as_secs_f64() * slices * answered_per_s > 726.0, "{design:?}");
            assert!(overrides.slices.is_none_or(|slices| slices == design.slices), "{design:?}");
            assert!(overrides.slice.is_none_or(|slice| slice == design.slice), "{design:?}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_what_can() {
        let short = DesignOverrides { slice: SLICE, ..NONE };
        let few = DesignOverrides { slices: Some(2), ..short };
        let blocks = DesignOverrides { blocks: Some(9), ..NONE };
        let silent = "load.rate = \"9/s\"\nworkers.replies = 0";
        let excess = "ideal.excess.first_reply.p50";
        for (text, overrides, primary, gates, said) in [
            (OPEN, few, "first_reply.p99", &[][..], "--slice 1344ms"),
            (OPEN, short, "service.p99", &[], "in each slice, and the plan has 30"),
            ("load.rate = \"1/s\"", NONE, "first_reply.p99", &[], "that takes long"),
            (silent, NONE, "first_reply.p50", &[], "no request of the plan"),
            (OPEN, blocks, "first_reply.p50", &["service.p50"], "--blocks 1"),
            (OPEN, NONE, "server.cpu_ns_per_message", &[], "no [server]"),
            (CLOSED, NONE, excess, &[], "has no lower bound"),
        ] {
            let error = quick([text; 2], overrides, &asked(primary, gates)).unwrap_err();
            assert!(error.contains(said), "{said}: {error}");
        }
        assert!(quick([OPEN; 2], NONE, &asked("first_reply.p50", &["service.p50"])).is_ok());
    }

    #[test]
    fn a_quick_comparison_takes_a_minute_and_a_slow_scenario_longer() {
        let throughput = asked("throughput.replies_per_s", &[]);
        let design = quick([CLOSED; 2], NONE, &throughput).unwrap();
        assert_eq!((design.blocks, design.slice), (12, Nanos(100_000_000)));
        let seconds = design.estimate(2).as_secs_f64();
        assert!((55.0..70.0).contains(&seconds), "{seconds}");
        let slow = "load.rate = \"3/s\"\nworkers.delay = \"1s\"";
        let design = quick([CLOSED, slow], NONE, &throughput).unwrap();
        assert!(design.slice.as_secs_f64() > 13.0, "40 requests at 3 per second: {design:?}");
        assert_eq!(design.slices, 1);
    }

    #[test]
    fn wishes_go_before_the_profile() {
        let overrides =
            DesignOverrides { blocks: Some(9), slices: Some(3), slice: SLICE, cpus: Some(1) };
        let throughput = asked("throughput.replies_per_s", &[]);
        let design = || quick([CLOSED; 2], overrides, &throughput).unwrap();
        let (one, other) = (design(), design());
        assert_eq!((one.blocks, one.slices, one.slice.0), (9, 3, 100_000_000));
        assert_ne!(one.seed, other.seed, "no comparison repeats another's luck");
        assert_eq!(one.slices_in_all(2), 54);
    }
}
