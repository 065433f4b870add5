//! Whether intervals hold the truth as often as they say: rows of models whose truth is known, again and again.
//!
//! The promise is 95 %; what is asserted is 93 to 98 %, with the room that this many tries need. Where an interval is withheld, nothing is
//! claimed and nothing counts. Pure functions of their seeds: a test passes always or never.

mod table;

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, Exp1};
use rand_xoshiro::SplitMix64;

use super::luck::{holds_luck, moved, percentiles, spread};
use super::percentiles::{OfEach, PERCENTILES};
use super::summary::{OfRequest, within};
use zload_core::quantity::rounded;
use zload_core::record::LatencyHistogram;
use zload_core::scenario::Scenario;
use zload_core::stats;
use zload_core::twin::{self, Limits, MOST_SEEDS, Policy, Pool};

/// Of a mean work, nanoseconds.
const WORK_NS: f64 = 1e6;

/// One worker, Poisson arrivals that ask for `load` of it (0: requests that never meet), exponential work in as many parts as a request
/// has replies, one after each part: the times of each request's replies, once the queue is in its steady state.
fn queue(load: f64, replies: u32, requests: usize, seed: u64) -> Vec<Vec<u64>> {
    let until_steady = if load > 0.0 { 1_000 } else { 0 };
    let mut random = SplitMix64::seed_from_u64(seed);
    let mut draw = || -> f64 { Exp1.sample(&mut random) };
    let mut wait = 0.0;
    let mut all = Vec::with_capacity(requests);
    for number in 0..until_steady + requests {
        let mut at = wait;
        let times = (0..replies).map(|_| {
            at += draw() * WORK_NS / f64::from(replies);
            rounded(at)
        });
        let times: Vec<u64> = times.collect();
        if load > 0.0 {
            wait = (at - draw() * WORK_NS / load).max(0.0);
        }
        if number >= until_steady {
            all.push(times);
        }
    }
    all
}

fn recorded(requests: &[Vec<u64>]) -> LatencyHistogram {
    requests.iter().flatten().collect()
}

/// The percentiles of a long run of the model.
fn truth(load: f64, replies: u32, quantiles: &[f64]) -> Vec<u64> {
    if replies == 1 {
        // The response time of M/M/1 is exponential (Kleinrock, "Queueing Systems", volume 1, 1975).
        let of = |quantile: &f64| rounded(-(1.0 - quantile).ln() * WORK_NS / (1.0 - load));
        return quantiles.iter().map(of).collect();
    }
    let long = recorded(&queue(load, replies, 80_000, 77));
    quantiles.iter().map(|quantile| long.percentile(*quantile).unwrap()).collect()
}

/// How many tries there were, how many showed an interval and how many of these contained the truth, for each quantile.
fn coverage(
    load: f64,
    replies: u32,
    requests: usize,
    quantiles: &[f64],
    tries: u64,
) -> Vec<(f64, f64)> {
    let truth = truth(load, replies, quantiles);
    coverage_of(&truth, (load, replies), requests, quantiles, tries)
}

/// The same where the truth is known.
fn coverage_of(
    truth: &[u64],
    (load, replies): (f64, u32),
    requests: usize,
    quantiles: &[f64],
    tries: u64,
) -> Vec<(f64, f64)> {
    let luck = luck(load, replies, requests, quantiles);
    let mut counts = vec![(0.0, 0.0); quantiles.len()];
    for seed in 0..tries {
        let all = queue(load, replies, requests, seed * 7_919 + 1);
        let latencies = recorded(&all);
        let of_request = |times: &Vec<u64>| OfRequest {
            least_ns: times[0],
            largest_ns: times[times.len() - 1],
            values: replies,
        };
        let series: Vec<OfRequest> = all.iter().map(of_request).collect();
        let known = quantiles.iter().zip(truth).zip(&luck);
        for (((quantile, truth_ns), luck), (shown, held)) in known.zip(&mut counts) {
            let Some(level_ns) = latencies.percentile(*quantile) else { continue };
            let interval = within(&latencies, &series, (*quantile, level_ns));
            if let Some([low, high]) = interval.filter(|ends| holds_luck(*ends, *luck)) {
                *shown += 1.0;
                *held += f64::from(u8::from((low..=high).contains(truth_ns)));
            }
        }
    }
    counts
}

/// Where other draws have these percentiles.
fn luck(load: f64, replies: u32, requests: usize, quantiles: &[f64]) -> Vec<[u64; 2]> {
    let draw = |seed: usize| recorded(&queue(load, replies, requests, seed as u64 * 104_729 + 2));
    let draws: Vec<LatencyHistogram> = (0..MOST_SEEDS).map(draw).collect();
    let of = |quantile: &f64| {
        let values = draws.iter().map(|draw| draw.histogram().value_at_quantile(*quantile) as f64);
        stats::next_value(&values.collect::<Vec<_>>()).unwrap().map(rounded)
    };
    quantiles.iter().map(of).collect()
}

/// Asserts that at least `least_shown` of the intervals are shown, and that these hold what they promise.
fn assert_kept(load: f64, replies: u32, requests: usize, quantiles: &[(f64, f64)]) {
    const TRIES: u64 = 150;
    let asked: Vec<f64> = quantiles.iter().map(|(quantile, _)| *quantile).collect();
    let found = coverage(load, replies, requests, &asked, TRIES);
    for ((quantile, least_shown), (shown, held)) in quantiles.iter().zip(found) {
        let what = format!("load {load}, {replies} replies, {requests} requests, {quantile}");
        assert!(shown >= least_shown * TRIES as f64, "{what}: {shown} of {TRIES} shown");
        assert!(is_kept(held / shown, shown), "{what}: {held} of {shown}");
    }
}

/// Whether a share of this many tries is 93 to 98 %, within two standard errors.
fn is_kept(share: f64, tries: f64) -> bool {
    let room = 2.0 * (0.05 * 0.95 / tries).sqrt();
    (0.93 - room..=0.98 + room).contains(&share)
}

#[test]
fn of_independent_requests() {
    assert_kept(0.0, 1, 1_800, &[(0.5, 0.9), (0.9, 0.9), (0.99, 0.9)]);
}

#[test]
fn of_a_queue_that_is_busy_60_percent() {
    assert_kept(0.6, 1, 2_000, &[(0.5, 0.85), (0.9, 0.8)]);
}

#[test]
fn of_a_queue_that_is_busy_80_percent() {
    assert_kept(0.8, 1, 2_400, &[(0.5, 0.6)]);
    assert_kept(0.8, 1, 6_000, &[(0.5, 0.85), (0.9, 0.6)]);
}

#[test]
fn of_replies_that_share_the_wait_of_their_request() {
    for replies in [2, 9] {
        assert_kept(0.6, replies, 2_000, &[(0.5, 0.85), (0.9, 0.8)]);
    }
    assert_kept(0.0, 6, 1_000, &[(0.5, 0.9), (0.9, 0.9)]);
}

#[test]
fn a_queue_that_is_hardly_ever_empty_is_seldom_spoken_of_and_seldom_wrong() {
    let tries = 200;
    let [(shown, held)] = coverage(0.95, 1, 1_800, &[0.5], tries)[..] else { unreachable!() };
    assert!(shown <= 0.1 * tries as f64, "{shown} of {tries} shown");
    assert!(shown - held <= 0.02 * tries as f64, "{} of {tries} wrong", shown - held);
}

/// Loads, lengths and fan-outs all over the place: whether a cell shows few intervals or many, those hold what they promise.
fn assert_grid(loads: &[f64], lengths: &[usize], fan_outs: &[u32], quantiles: &[f64]) {
    const TRIES: u64 = 60;
    let models =
        loads.iter().flat_map(|load| fan_outs.iter().map(move |replies| (*load, *replies)));
    for (load, replies) in models {
        let truth = truth(load, replies, quantiles);
        for requests in lengths {
            let found = coverage_of(&truth, (load, replies), *requests, quantiles, TRIES);
            for (quantile, (shown, held)) in quantiles.iter().zip(found) {
                let what =
                    format!("load {load}, {replies} replies, {requests} requests, {quantile}");
                let room = 2.0 * (0.05 * 0.95 / shown.max(1.0)).sqrt();
                assert!(held >= (0.93 - room) * shown, "{what}: {held} of {shown}");
            }
        }
    }
}

#[test]
fn over_a_grid_of_loads_and_lengths() {
    let quantiles = [0.5, 0.9, 0.99];
    assert_grid(&[0.0, 0.6], &[600, 1_800], &[1], &quantiles);
    assert_grid(&[0.8, 0.9, 0.95], &[600, 1_800, 3_600], &[1], &quantiles);
}

#[test]
fn over_a_grid_of_fan_outs() {
    assert_grid(&[0.0, 0.8], &[600], &[18], &[0.5, 0.9]);
    assert_grid(&[0.8], &[1_800], &[6], &[0.5, 0.9]);
}

#[test]
fn the_effective_size_of_a_row_is_its_own() {
    // Bursts of send delay among replies that know nothing of each other.
    let bursts: Vec<OfRequest> =
        (0..2_000).map(|at| OfRequest::one(if at / 100 % 2 == 0 { 10 } else { 10_000 })).collect();
    let replies: Vec<OfRequest> =
        queue(0.0, 1, 2_000, 3).iter().map(|times| OfRequest::one(times[0])).collect();
    let size_of = |requests: &[OfRequest], level_ns| {
        let clusters: Vec<_> = requests.iter().map(|one| one.cluster(level_ns)).collect();
        stats::effective_sample_size(&clusters)
    };
    assert!(size_of(&replies, 700_000).unwrap() > 1_000.0);
    assert!(size_of(&bursts, 5_000).is_none_or(|size| size < 200.0));
}

/// The percentiles of three times 150 draws of 3 s of M/M/1, 300 requests a second, whose work asks for `load` of one worker.
fn draws(load: f64) -> Vec<OfEach<Option<u64>>> {
    let text = format!(
        "load = {{ rate = '300/s', arrivals = 'poisson' }}\nrun = {{ duration = '3s' }}\n\
         workers = {{ count = 1, delay = {{ exponential = '{:.0}ns' }} }}",
        load / 300.0 * 1e9
    );
    let scenario = Scenario::parse("test", &text, &[]).unwrap();
    let pool = Pool { workers: 1, policy: Policy::RoundRobin };
    let of_part = |part: usize| {
        let scenario = scenario.with_seed_after((part * MOST_SEEDS) as u64);
        let found = twin::other_seeds(&scenario, pool, Limits::none(), &|work| work(), |ideal| {
            percentiles(&ideal.first_reply)
        });
        found.unwrap()
    };
    (0..3).flat_map(of_part).collect()
}

/// Each draw says of the next one, by 150 others, where its ideal and where its measured percentiles will be. Measured are those of a
/// system that needs more time for the work, and as much for everything else.
#[test]
fn of_other_seeds() {
    const OVERHEAD_NS: u64 = 300_000;
    for (load, longer) in [(0.8, Some(1.01)), (0.95, None)] {
        let ideals = draws(load);
        let slower = longer.map_or_else(|| ideals.clone(), |longer| draws(load * longer));
        let measured: Vec<OfEach<Option<u64>>> =
            slower.into_iter().map(|draw| draw.map(|ns| ns.map(|ns| ns + OVERHEAD_NS))).collect();
        let tries = ideals.len() - MOST_SEEDS - 1;
        // p50, p90 and p99.
        for index in [0, 2, 4] {
            let (mut ideal_held, mut measured_held) = (0, 0);
            for own in 0..tries {
                let next = own + MOST_SEEDS + 1;
                let spread = spread(&ideals[own + 1..next], &ideals[own]).unwrap();
                let moved = moved(&measured[own], &ideals[own], spread);
                let holds = |[low, high]: [u64; 2], ns: Option<u64>| {
                    u32::from((low..=high).contains(&ns.unwrap()))
                };
                ideal_held += holds(spread.ends()[index].unwrap(), ideals[next][index]);
                measured_held += holds(moved.ends()[index].unwrap(), measured[next][index]);
            }
            for (what, held) in [("ideal", ideal_held), ("measured", measured_held)] {
                let share = f64::from(held) / tries as f64;
                let name = PERCENTILES[index].name;
                assert!(
                    is_kept(share, tries as f64),
                    "load {load}, {name} {what}: {held} of {tries}"
                );
            }
        }
    }
}
