//! Rates of the measured window.

use super::Throughput;
use zload_core::facts::{Measured, ServerTotals};
use zload_core::record::Recorded;

/// What crossed a run's proxy and what its clients sent and received, per second.
pub(super) fn throughput(run: &Measured) -> Throughput {
    let Recorded { window_requests, window_replies, completed, .. } = run.recorded;
    let (crossed, bytes) = traffic(run);
    // What the proxy counted holds as many whole rounds of a closed load as the clients' counts do.
    let whole = (window_requests + window_replies) as f64;
    let messages = (crossed as f64 + completed.requests + completed.replies - whole).max(0.0);
    let share = if crossed == 0 { 1.0 } else { messages / crossed as f64 };
    Throughput {
        window_ns: run.window_ns,
        requests_per_s: rate(completed.requests, run.window_ns),
        replies_per_s: rate(completed.replies, run.window_ns),
        proxy_messages_per_s: rate(messages, run.server_window_ns),
        proxy_bytes_per_s: rate(bytes as f64 * share, run.server_window_ns),
    }
}

/// Messages that crossed the proxy in the window, and their bytes. An external server's are known only as the clients saw
/// them.
pub(super) fn traffic(run: &Measured) -> (u64, u64) {
    if let Some(totals) = &run.server {
        return (crossed(totals), totals.bytes);
    }
    let drivers = std::iter::once(&run.drivers).chain(run.probes.as_ref().map(|of| &of.driver));
    drivers.fold((0, 0), |(messages, bytes), of| {
        (messages + of.requests + of.replies, bytes + of.bytes)
    })
}

/// Messages that crossed the proxy, by its own count or, where the engine hides it, by the workers'.
pub(super) fn crossed(totals: &ServerTotals) -> u64 {
    totals.messages_out.unwrap_or(totals.requests + totals.replies)
}

/// Of a count.
pub(super) fn per_second(count: u64, window_ns: u64) -> f64 {
    rate(count as f64, window_ns)
}

pub(super) fn rate(amount: f64, window_ns: u64) -> f64 {
    if window_ns == 0 { 0.0 } else { amount / window_ns as f64 * 1e9 }
}
