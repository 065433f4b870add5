//! What a load tester with coordinated omission would have printed for this run.
//!
//! Such a tester's client sends, waits for the reply, and only then sends again, and it measures from its own send. While
//! the system stalls it sends nothing, so the one slow reply stands for all the requests that it left out. Invariant: pure.

use std::collections::BTreeMap;

use super::SampledRequest;
use zload_core::quantity::saturating;
use zload_core::stats;

/// What a client that waits would have seen of an open load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Omission {
    /// Requests that it would have sent.
    pub counted: usize,
    /// Requests that it would have left out, as an earlier one was still in flight.
    pub left_out: usize,
    /// The p99 that it would have printed, in nanoseconds; `None` if it would have sent too few.
    pub p99_ns: Option<u64>,
}

/// What a client that waits for each reply would have seen: the service time (received minus sent) of those requests that
/// were sent when no earlier counted request of the same client was still unanswered.
///
/// It is an estimate in its favour: the requests that it would have left out were in fact sent and made queues longer.
/// `requests` must hold every request of the clients in it that got a reply, in any order.
pub fn as_a_waiting_client(requests: &[SampledRequest]) -> Omission {
    let mut sorted: Vec<&SampledRequest> = requests.iter().collect();
    sorted.sort_by_key(|request| (request.sent_ns, request.intended_ns));
    let mut free_from: BTreeMap<u32, u64> = BTreeMap::new();
    let mut seen = Vec::new();
    for request in sorted {
        let free_from = free_from.entry(request.client).or_default();
        if request.sent_ns >= *free_from {
            *free_from = request.received_ns;
            seen.push(request.received_ns.saturating_sub(request.sent_ns));
        }
    }
    let service: Vec<f64> = seen.iter().map(|ns| *ns as f64).collect();
    let p99 = stats::percentile(&service, 0.99, service.len() as f64);
    Omission {
        counted: seen.len(),
        left_out: requests.len() - seen.len(),
        p99_ns: p99.map(|p99| saturating(p99.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    /// A client that sends every millisecond to a system that answers within 100 us, but for one stall of a second.
    fn with_a_stall() -> Vec<SampledRequest> {
        let stall = 2_000 * MS..3_000 * MS;
        let request = |number: u64| {
            let sent_ns = number * MS;
            let free_ns = if stall.contains(&sent_ns) { stall.end } else { sent_ns };
            SampledRequest {
                client: 7,
                intended_ns: sent_ns,
                sent_ns,
                received_ns: free_ns + MS / 10,
            }
        };
        (0..10_000).map(request).collect()
    }

    #[test]
    fn a_stall_of_a_second_is_one_slow_request_to_a_client_that_waits() {
        let requests = with_a_stall();
        let seen = as_a_waiting_client(&requests);
        assert_eq!(seen, Omission { counted: 9_000, left_out: 1_000, p99_ns: Some(MS / 10) });
        let response: Vec<f64> = requests
            .iter()
            .map(|request| (request.received_ns - request.intended_ns) as f64)
            .collect();
        let p99 = stats::percentile(&response, 0.99, 10_000.0).unwrap();
        assert!(p99.value > 800.0 * MS as f64, "a tenth of the requests met the stall: {p99:?}");
    }

    #[test]
    fn clients_wait_for_their_own_replies_only() {
        let request = |client, sent_ns, received_ns| SampledRequest {
            client,
            intended_ns: sent_ns,
            sent_ns,
            received_ns,
        };
        let seen = as_a_waiting_client(&[
            request(1, 0, 10),
            request(2, 5, 8),
            request(1, 9, 30),
            request(1, 10, 12),
        ]);
        assert_eq!((seen.counted, seen.left_out, seen.p99_ns), (3, 1, None));
    }

    proptest! {
        #[test]
        fn nothing_is_left_out_of_what_never_overlaps(gaps in prop::collection::vec((1..100_u64, 1..100_u64), 0..200)) {
            let mut now_ns = 0;
            let requests: Vec<SampledRequest> = gaps.iter().map(|(wait, service)| {
                let sent_ns = now_ns + wait;
                now_ns = sent_ns + service;
                SampledRequest { client: 1, intended_ns: sent_ns - wait, sent_ns, received_ns: now_ns }
            }).collect();
            let seen = as_a_waiting_client(&requests);
            prop_assert_eq!((seen.counted, seen.left_out), (requests.len(), 0));
        }
    }
}
