//! The table that `scripts/audit coverage` prints, of as many tries as `ZLOAD_AUDIT` says: what is promised beside what was seen.

use super::{WORK_NS, coverage, queue, recorded};
use crate::result::summary::{Basis, LatencySummary};
use zload_core::quantity::rounded;
use zload_core::stats::examples::ar1;

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

#[test]
#[expect(clippy::print_stdout, reason = "it is a table")]
fn table() {
    let Some(tries) = std::env::var("ZLOAD_AUDIT").ok().and_then(|tries| tries.parse().ok()) else {
        return;
    };
    println!(
        "| model | replies of each request | requests | p50 | p90 | p99 |\n|---|--:|--:|--:|--:|--:|"
    );
    for (load, replies, requests) in [
        (0.0, 1, 600),
        (0.0, 1, 1_800),
        (0.0, 1, 6_000),
        (0.6, 1, 1_800),
        (0.6, 1, 6_000),
        (0.8, 1, 1_800),
        (0.8, 1, 6_000),
        (0.8, 1, 30_000),
        (0.9, 1, 6_000),
        (0.9, 1, 30_000),
        (0.95, 1, 6_000),
        (0.95, 1, 30_000),
        (0.6, 2, 3_000),
        (0.6, 6, 3_000),
        (0.6, 18, 3_000),
    ] {
        let found = coverage(load, replies, requests, &QUANTILES, tries);
        let cells = found.iter().map(|(shown, held)| cell(*held, *shown, tries));
        let cells: Vec<String> = cells.collect();
        let model =
            if load > 0.0 { format!("M/M/1, {load:.2} busy") } else { "independent".to_owned() };
        println!("| {model} | {replies} | {requests} | {} |", cells.join(" | "));
    }
    println!(
        "\n| runs with a level of their own | runs | mean of their p50 | next run's p50 |\n|---|--:|--:|--:|"
    );
    for (spread, runs) in [(0.05, 3), (0.05, 6), (0.05, 10), (0.2, 3), (0.2, 6), (0.2, 10)] {
        let [mean, next] =
            of_runs(spread, runs, tries).map(|(shown, held)| cell(held, shown, tries));
        println!("| levels vary by {:.0} % | {runs} | {mean} | {next} |", spread * 100.0);
    }
}

/// The share that held the truth, and of how many if not all were shown.
fn cell(held: f64, shown: f64, tries: u64) -> String {
    if shown == 0.0 {
        return "withheld".to_owned();
    }
    let share = held / shown;
    let percent = format!("{:.1} %", share * 100.0);
    if shown < tries as f64 { format!("{percent} of {shown}") } else { percent }
}

/// How many intervals of the runs were shown and how many of these contained the truth: of the runs' mean, and of the next run. The
/// levels vary by `spread` (the standard deviation of their logarithm), and each run has requests that never meet.
fn of_runs(spread: f64, runs: usize, tries: u64) -> [(f64, f64); 2] {
    const REQUESTS: usize = 500;
    let truth = WORK_NS * 2.0_f64.ln();
    let mut counts = [(0.0, 0.0); 2];
    for try_ in 0..tries {
        let levels = ar1(0.0, runs + 1, try_);
        let of_run = |(run, level): (u64, &f64)| {
            let times = queue(0.0, 1, REQUESTS, try_ * 101 + run);
            let scaled = |ns: &u64| rounded(*ns as f64 * (spread * level).exp());
            let times: Vec<Vec<u64>> =
                times.iter().map(|one| one.iter().map(scaled).collect()).collect();
            recorded(&times)
        };
        let latencies: Vec<_> = (0..).zip(&levels).map(of_run).collect();
        let of_each = latencies.iter().map(|one| LatencySummary::new(one, Basis::Computed));
        let mut of_each: Vec<LatencySummary> = of_each.collect();
        let after = of_each.pop().and_then(|run| run.p50_ns);
        let mut pooled = latencies[0].clone();
        latencies[1..runs].iter().for_each(|one| pooled.merge(one));
        let of_each: Vec<&LatencySummary> = of_each.iter().collect();
        let summary = LatencySummary::new(&pooled, Basis::of_runs(&of_each, false));
        let next = summary.next_run.and_then(|next| next.p50_ns);
        let found = [(summary.intervals.p50_ns, Some(rounded(truth))), (next, after)];
        for ((interval, truth_ns), (shown, held)) in found.into_iter().zip(&mut counts) {
            let Some(([low, high], truth_ns)) = interval.zip(truth_ns) else { continue };
            *shown += 1.0;
            *held += f64::from(u8::from((low..=high).contains(&truth_ns)));
        }
    }
    counts
}
