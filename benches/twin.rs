//! How fast the twin plays a plan: 40,000 requests a second for a second, by policy.
//!
//! Times on a shared machine drift by tens of per cent: compare two builds in the same minute, or not at all.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zload::plan::Plan;
use zload::scenario::Scenario;
use zload::twin::{Limits, Policy, Pool, ideal, play};

const WORKERS: u32 = 500;

fn playing(criterion: &mut Criterion) {
    let text = format!(
        "load = {{ rate = '40k/s', arrivals = 'poisson' }}\nclients = {{ count = 100 }}\n\
         run = {{ duration = '1s' }}\nworkers = {{ count = {WORKERS}, delay = {{ exponential = '10ms' }} }}"
    );
    let scenario = Scenario::parse("bench.toml", &text, &[]).expect("a valid scenario");
    let plan = Plan::new(&scenario);
    let mut group = criterion.benchmark_group("twin");
    group.throughput(Throughput::Elements(40_000));
    for policy in Policy::ALL {
        let pool = Pool { workers: WORKERS, policy };
        group.bench_function(format!("play, {}", policy.name()), |bencher| {
            bencher.iter(|| play(&plan, pool, Limits::none(), |served| _ = black_box(served)));
        });
    }
    let pool = Pool { workers: WORKERS, policy: Policy::RoundRobin };
    group.bench_function("ideal, round-robin", |bencher| {
        bencher.iter(|| ideal(&plan, pool, Limits::none()));
    });
    group.finish();
}

criterion_group!(benches, playing);
criterion_main!(benches);
