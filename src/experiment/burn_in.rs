//! Whether the machine does the same work in the same time: equal pieces of work on every processor, for a second.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

use crate::machine::{Clock, threads::processors};
use zload_report::result::Steadiness;

/// How long each processor works, in nanoseconds.
const SPAN_NS: u64 = 1_000_000_000;
/// How long a piece of work takes at least, in nanoseconds.
const PIECE_NS: u64 = 300_000;
/// A machine whose 90th percentile takes this many times the shortest piece is not fit. Measured: 1.05 on an idle machine,
/// 1.8 to 7.7 beside others' work.
const UNFIT: f64 = 2.0;

/// Burns for a second; shorter if interrupted.
pub(crate) fn burn_in(interrupted: &AtomicBool) -> Steadiness {
    let rounds = rounds_of_a_piece();
    let times: Vec<Vec<u64>> = std::thread::scope(|scope| {
        // Where threads are short, what follows says so; until then fewer of them must do.
        let start = |_| Builder::new().spawn_scoped(scope, || pieces(rounds, interrupted)).ok();
        let burners: Vec<_> = (0..processors()).filter_map(start).collect();
        burners.into_iter().filter_map(|burner| burner.join().ok()).collect()
    });
    fitness(&times)
}

/// The worst processor decides.
fn fitness(times: &[Vec<u64>]) -> Steadiness {
    let ratios = times.iter().filter_map(|times| {
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let shortest = *sorted.first().filter(|ns| **ns > 0)? as f64;
        let at = |percent: usize| {
            sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)] as f64 / shortest
        };
        Some([at(90), at(99)])
    });
    let [p90_ratio, p99_ratio] = ratios
        .fold([1.0_f64; 2], |worst, ratios| [worst[0].max(ratios[0]), worst[1].max(ratios[1])]);
    Steadiness { fit: p90_ratio <= UNFIT, p90_ratio, p99_ratio }
}

fn pieces(rounds: u64, interrupted: &AtomicBool) -> Vec<u64> {
    let clock = Clock::start();
    let mut times = Vec::new();
    let mut before_ns = 0;
    while before_ns < SPAN_NS && !interrupted.load(Ordering::Relaxed) {
        work(rounds);
        let now_ns = clock.now_ns();
        times.push(now_ns - before_ns);
        before_ns = now_ns;
    }
    times
}

fn rounds_of_a_piece() -> u64 {
    let mut rounds = 1024;
    loop {
        let clock = Clock::start();
        work(rounds);
        if clock.now_ns() >= PIECE_NS || rounds >= 1 << 40 {
            return rounds;
        }
        rounds *= 2;
    }
}

/// Work that no compiler can leave out: a chain of multiplications.
fn work(rounds: u64) {
    let mut value = black_box(1_u64);
    for round in 0..rounds {
        value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
    }
    black_box(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_processor_decides() {
        let steady = vec![100_u64; 100];
        let mut disturbed = steady.clone();
        disturbed[80..].fill(350);
        let fit = fitness(&[steady.clone(), steady.clone()]);
        assert!(fit.fit && (fit.p90_ratio - 1.0).abs() < 1e-9);
        let unfit = fitness(&[steady, disturbed]);
        assert!(!unfit.fit && (unfit.p90_ratio - 3.5).abs() < 1e-9, "{unfit:?}");
        assert!(fitness(&[]).fit);
    }
}
