//! What "95 %" says: of many short runs, how many intervals hold what is known to be true, and how wide they are.

use super::bench::{Bench, MS, Played, median};
use super::{Found, Kind};
use crate::Error;
use zload_core::scenario::Scenario;
use zload_report::result::{Figure, RunResult};

pub(super) const KIND: Kind = Kind {
    name: "intervals",
    planted: "40 runs, each with its own delays from 0 to 20 ms: nearly all intervals must contain the true median, and five runs must predict the others; intervals a third as wide would not",
    make,
};

/// How many runs there are: of 40 true intervals at 95 %, fewer than 30 contain the truth once in 100,000 times, and of 40 that are
/// a third as wide (which hold it in 49 %), 30 and more do once in 1,000.
const RUNS: usize = 40;
/// Runs in a group, which predicts where the other runs are.
const GROUP: usize = 5;

/// Every request is at its own worker, so that nothing but the draws decides what it takes: 50 workers at 2,000/s get one each 25 ms.
const SCENARIO: &str = "load = { rate = '2k/s' }\nclients = { count = 1 }\nrun = { duration = '60ms' }\n\
                        proxy.engine = 'batch'\n\
                        workers = { count = 50, replies = 1, delay = { uniform = ['0s', '20ms'] } }";
const MEDIAN_NS: u64 = 10 * MS;
/// Of a share of a half, among 120 values that are spread over 20 ms: 2 · 1.96 · √(1/4 / 120) · 20 ms.
const WIDTH_NS: u64 = 3_580_000;
/// What the machine adds moves a median of even delays by its mean, as long as it is less than this.
const MOST_ADDED_NS: u64 = MEDIAN_NS;

/// What a run says of its median, and what is known of it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    p50_ns: Option<u64>,
    /// From and to, in nanoseconds.
    interval: Option<[u64; 2]>,
    truth_ns: u64,
}

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let (mut seen, mut next, mut allowances) = (Vec::new(), Vec::new(), Vec::new());
    let scenario = Scenario::parse("selftest", SCENARIO, &[])?;
    while seen.len() < RUNS {
        let (mut plans, mut runs) = (Vec::new(), Vec::new());
        for _ in 0..GROUP {
            let played = bench.play(&format!("seed = {}\n{SCENARIO}", seen.len()))?;
            seen.push(Seen::of(&played));
            allowances.push(bench.allowance_ns(&played));
            plans.push(played.plan);
            runs.push(played.measured);
        }
        let (result, _) = RunResult::new(&scenario, &plans, bench.environment.clone(), &runs);
        next.push(result.latency.first_reply.next_run.and_then(|next| next.p50_ns));
    }
    let allowance = median(allowances).map(|ns| (ns, MOST_ADDED_NS / 2));
    Ok(Found { figures: judge(&seen, &next), allowance })
}

impl Seen {
    fn of(played: &Played) -> Self {
        let response = &played.result.latency.first_reply;
        let traces = played.traces();
        let added = traces.iter().map(|trace| {
            let delay_ns = played.plan.delay_ns(trace.key, 0);
            trace.response_ns().saturating_sub(delay_ns).min(MOST_ADDED_NS)
        });
        let truth_ns = MEDIAN_NS + added.sum::<u64>() / (traces.len() as u64).max(1);
        Self { p50_ns: response.p50_ns, interval: response.intervals.p50_ns, truth_ns }
    }
}

/// Judges what the runs say of themselves, and what each group says of the next run.
fn judge(seen: &[Seen], next: &[Option<[u64; 2]>]) -> Vec<Figure> {
    let runs = seen.len() as u64;
    let shown: Vec<([u64; 2], u64)> =
        seen.iter().filter_map(|run| Some((run.interval?, run.truth_ns))).collect();
    let number = shown.len() as u64;
    let held = shown.iter().filter(|(interval, truth_ns)| holds(*interval, *truth_ns)).count();
    let width = median(shown.iter().map(|([low, high], _)| high - low).collect());
    let others = next.iter().enumerate().flat_map(|(group, interval)| {
        let others = seen.iter().enumerate().filter(move |(run, _)| run / GROUP != group);
        others.map(move |(_, run)| Some(holds((*interval)?, run.p50_ns?)))
    });
    let (within, all) = others
        .fold((0, 0), |(within, all), held| (within + u64::from(held == Some(true)), all + 1));
    vec![
        Figure::count("medians with an interval", runs / 2, runs, number),
        Figure::count("of these contain the true median", number * 3 / 4, number, held as u64),
        Figure::time("their width, median", WIDTH_NS * 2 / 3, WIDTH_NS * 3 / 2, width),
        Figure::count("of 100 other runs as predicted", 80, 100, within * 100 / all.max(1)),
    ]
}

fn holds([low, high]: [u64; 2], ns: u64) -> bool {
    (low..=high).contains(&ns)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, StandardNormal};
    use rand_xoshiro::SplitMix64;

    use super::*;
    use zload_core::quantity::rounded;

    /// Which figures hold of runs whose medians err by chance, with intervals this many times as wide as they should be, and
    /// of groups that foretell with such intervals.
    fn hold(wide: f64, next_wide: f64, luck: u64) -> [bool; 4] {
        let mut random = SplitMix64::seed_from_u64(luck);
        let half = WIDTH_NS as f64 / 2.0;
        let around = |ns: f64, half: f64| [rounded(ns - half), rounded(ns + half)];
        let truth_ns = MEDIAN_NS + 300_000;
        let seen: Vec<Seen> = (0..RUNS)
            .map(|_| {
                let error: f64 = StandardNormal.sample(&mut random);
                let p50 = truth_ns as f64 + error * half / 1.96;
                let interval = Some(around(p50, half * wide));
                Seen { p50_ns: Some(rounded(p50)), interval, truth_ns }
            })
            .collect();
        let next = [Some(around(truth_ns as f64, half * next_wide)); RUNS / GROUP];
        let figures = judge(&seen, &next);
        std::array::from_fn(|index| figures[index].holds)
    }

    #[test]
    fn intervals_that_are_not_what_they_say_are_noticed() {
        for seed in 0..100 {
            assert_eq!(hold(1.0, 1.0, seed), [true; 4], "{seed}");
            let narrow = hold(1.0 / 3.0, 1.0 / 3.0, seed);
            assert!(!narrow[2] && !narrow[3], "{seed}");
            assert!(!hold(2.0, 1.0, seed)[2], "{seed}: so wide that they hold anything");
        }
        let caught = (0..100).filter(|seed| !hold(1.0 / 3.0, 1.0, *seed)[1]).count();
        assert!(caught >= 98, "by the truth alone: {caught} of 100");
    }

    #[test]
    fn what_is_withheld_proves_nothing() {
        let nothing = Seen { p50_ns: None, interval: None, truth_ns: MEDIAN_NS };
        let figures = judge(&[nothing; RUNS], &[None; RUNS / GROUP]);
        let held: Vec<bool> = figures.iter().map(|figure| figure.holds).collect();
        assert_eq!(held, [false, true, false, false]);
    }

    #[test]
    fn a_group_foretells_runs_that_are_not_in_it() {
        let run = |p50_ns| Seen { p50_ns: Some(p50_ns), interval: None, truth_ns: p50_ns };
        // Each of two groups holds its own runs and no other.
        let seen: Vec<Seen> =
            (0..2 * GROUP).map(|at| run(if at < GROUP { 10 } else { 50 })).collect();
        let within = |next: [Option<[u64; 2]>; 2]| judge(&seen, &next)[3].seen;
        assert_eq!(within([Some([0, 20]), Some([40, 60])]), Some(0));
        assert_eq!(within([Some([40, 60]), Some([0, 20])]), Some(100));
        assert_eq!(within([Some([40, 60]), None]), Some(50));
    }
}
