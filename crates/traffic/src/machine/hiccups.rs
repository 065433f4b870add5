//! The delays of the machine's own clock and timers: the floor under every measurement.
//!
//! A thread asks to be woken every millisecond and notes how late it was, while something else is measured: the same
//! seconds and the same neighbours. Gil Tene's jHiccup does so for the JVM.
//! Invariant: takes no lock and less than 1 % of a CPU.

use std::sync::Arc;
use std::time::Duration;

use super::{clock::Clock, stop::Stop, threads};
use crate::Error;
use zload_core::record::LatencyHistogram;

/// The sleep whose end is watched.
const SLEEP_NS: u64 = 1_000_000;

/// Does `work`, and says by how much each sleep meanwhile was too long, in nanoseconds.
pub fn during<T>(work: impl FnOnce() -> T) -> Result<(T, LatencyHistogram), Error> {
    let stop = Arc::new(Stop::new()?);
    let stopped = Arc::clone(&stop);
    let thread = threads::start("zload/hiccups", 0, move || watch(&stopped))?;
    let done = work();
    stop.request();
    Ok((done, thread.join().unwrap_or_default()))
}

fn watch(stop: &Stop) -> LatencyHistogram {
    let clock = Clock::start();
    let mut late = LatencyHistogram::new();
    while !stop.requested() {
        if let Some(late_ns) = overshoot_ns(clock, stop) {
            late.record(late_ns);
        }
    }
    late
}

/// By how much one sleep is too long; `None` of one that was cut short, by a signal or the end of the watch.
fn overshoot_ns(clock: Clock, stop: &Stop) -> Option<u64> {
    let due_ns = clock.now_ns() + SLEEP_NS;
    stop.sleep(Duration::from_nanos(SLEEP_NS));
    clock.now_ns().checked_sub(due_ns)
}

/// What one reading of the clock costs, in nanoseconds: the least of some rounds, which the fewest interruptions met.
pub fn clock_read_ns() -> f64 {
    const READS: u32 = 1_000;
    let clock = Clock::start();
    let round = |_| {
        let begin_ns = clock.now_ns();
        for _ in 0..READS {
            std::hint::black_box(clock.now_ns());
        }
        clock.now_ns() - begin_ns
    };
    (0..100).map(round).min().unwrap_or(0) as f64 / f64::from(READS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_that_is_cut_short_says_nothing() {
        let (clock, stop) = (Clock::start(), Stop::new().unwrap());
        assert!((0..100).any(|_| overshoot_ns(clock, &stop).is_some()));
        stop.request();
        // Asleep for no time at all, unless the machine made it a millisecond each time.
        assert!((0..100).any(|_| overshoot_ns(clock, &stop).is_none()));
        let (done, late) = during(|| stop.requested()).unwrap();
        assert!(done && late.histogram().len() < 1_000);
    }

    #[test]
    fn reading_the_clock_takes_time() {
        assert!(clock_read_ns() > 0.0);
    }
}
