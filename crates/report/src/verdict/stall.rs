//! Times in which no reply came while requests waited: they leave the figures right, but explain a maximum.

use super::SampledRequest;
use zload_core::stats;

/// Shorter ones are what timers and schedulers do, in nanoseconds.
const LEAST_NS: u64 = 20_000_000;
/// A stall is this many times as long as 99 of 100 times between replies, …
const TIMES_THE_GAPS: u64 = 5;
/// … and as the median response time, so that what comes in rounds has no stalls.
const TIMES_THE_MEDIAN: u64 = 3;
/// At least this many sampled requests waited in it.
const LEAST_FELT: usize = 3;
/// Fewer replies do not say how far apart they usually are.
const LEAST_REPLIES: usize = 100;

/// A time in which no reply came while requests waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// When it started: with the last reply before it, or the first request that waited. From the start of the plan.
    pub from_ns: u64,
    /// How long it was.
    pub length_ns: u64,
    /// Sampled requests that should have left before its end and answered after it.
    pub felt: usize,
}

/// The stalls, the longest first.
pub fn stalls(requests: &[SampledRequest]) -> Vec<Stall> {
    if requests.len() < LEAST_REPLIES {
        return Vec::new();
    }
    let mut received: Vec<u64> = requests.iter().map(|request| request.received_ns).collect();
    received.sort_unstable();
    let gaps = || received.windows(2).map(|pair| (pair[0], pair[1]));
    let mut lengths: Vec<u64> = gaps().map(|(from, to)| to - from).collect();
    lengths.sort_unstable();
    let usual_ns = lengths[lengths.len() * 99 / 100];
    let responses = requests
        .iter()
        .map(|request| request.received_ns.saturating_sub(request.intended_ns) as f64);
    let median_ns = stats::median(&responses.collect::<Vec<_>>()).unwrap_or(0.0);
    let is_long = |length_ns: u64| {
        length_ns >= LEAST_NS.max(TIMES_THE_GAPS * usual_ns)
            && length_ns as f64 >= TIMES_THE_MEDIAN as f64 * median_ns
    };
    let mut stalls: Vec<Stall> = gaps()
        .filter(|(from, to)| is_long(to - from))
        .filter_map(|(from, to)| {
            let felt = || {
                requests
                    .iter()
                    .filter(|request| request.intended_ns < to && request.received_ns >= to)
            };
            let since = from.max(felt().map(|request| request.intended_ns).min()?);
            let stall = Stall { from_ns: since, length_ns: to - since, felt: felt().count() };
            (stall.felt >= LEAST_FELT && is_long(stall.length_ns)).then_some(stall)
        })
        .collect();
    stalls.sort_by_key(|stall| std::cmp::Reverse(stall.length_ns));
    stalls
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// 200 requests a second, answered after 2 ms unless `held` says until when that is not done.
    fn run(held: impl Fn(u64) -> Option<u64>) -> Vec<SampledRequest> {
        let request = |number: u64| {
            let sent_ns = number * 5 * MS;
            let received_ns = held(sent_ns).unwrap_or(sent_ns) + 2 * MS;
            SampledRequest { client: 0, intended_ns: sent_ns, sent_ns, received_ns }
        };
        (0..2_000).map(request).collect()
    }

    #[test]
    fn a_stall_is_found_with_its_begin_its_length_and_who_felt_it() {
        let stalled = |at: u64| (5_000 * MS..5_300 * MS).contains(&at).then_some(5_300 * MS);
        let [stall] = *stalls(&run(stalled)) else { panic!("one stall") };
        // The last of them came when it was nearly over.
        assert_eq!((stall.from_ns, stall.felt), (5_000 * MS, 61));
        assert_eq!(stall.length_ns, 302 * MS);
    }

    #[test]
    fn neither_a_pause_of_the_load_nor_rounds_are_stalls() {
        assert_eq!(stalls(&run(|_| None)), []);
        let mut paused = run(|_| None);
        for request in paused.iter_mut().skip(1_000) {
            request.intended_ns += 500 * MS;
            request.sent_ns += 500 * MS;
            request.received_ns += 500 * MS;
        }
        assert_eq!(stalls(&paused), [], "nobody waited");
        // All 40 of each round come together, 200 ms after they were sent.
        let rounds = run(|at| Some((at / (200 * MS) + 1) * 200 * MS));
        let of_a_round = |request: SampledRequest| {
            let sent_ns = request.received_ns - 200 * MS;
            SampledRequest { sent_ns, intended_ns: sent_ns, ..request }
        };
        assert_eq!(stalls(&rounds.into_iter().map(of_a_round).collect::<Vec<_>>()), []);
        assert_eq!(stalls(&[]), []);
    }
}
