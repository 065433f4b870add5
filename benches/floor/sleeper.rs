//! What the machine itself allows a schedule: a thread that only sleeps until each instant and notes how late it wakes.
//!
//! Absolute times, so that delays do not add up, and a timer slack of 1 ns, without which Linux adds 50 us.

use std::num::NonZero;

use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
use serde_json::{Value, json};

use crate::Outcome;
use crate::child::{now_ns, timespec};

/// Sleeps to `rate_per_s` instants a second for this many seconds; the percentiles of the wake-up delay in microseconds.
pub(crate) fn run(rate_per_s: f64, seconds: f64) -> Outcome<Value> {
    set_current_timer_slack(NonZero::new(1)).map_err(|error| format!("timer slack: {error}"))?;
    let instants = (rate_per_s * seconds).max(1.0);
    let start = now_ns() + 1_000_000;
    let mut late_ns = Vec::new();
    let mut k = 0.0;
    while k < instants {
        let intended = start + rounded(k / rate_per_s * 1e9);
        // Interrupted by a signal it wakes early; that instant then counts as not late.
        clock_nanosleep_absolute(ClockId::Monotonic, &timespec(intended)).ok();
        late_ns.push(now_ns().saturating_sub(intended));
        k += 1.0;
    }
    late_ns.sort_unstable();
    let last = late_ns.len() - 1;
    let at =
        |share: f64| late_ns[rounded(last as f64 * share).try_into().unwrap_or(last).min(last)];
    let microseconds = |share: f64| at(share) as f64 / 1e3;
    Ok(json!({ "late_p50_us": microseconds(0.5), "late_p99_us": microseconds(0.99) }))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds of a run of seconds, never negative"
)]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}
