//! What the recorder must hold, for any history.

use super::*;
use crate::record::{Ledger, Outstanding};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// One request of a random history: when it is intended, and which of its replies come when.
fn history() -> impl Strategy<Value = Vec<(u64, u32, Vec<u64>)>> {
    let request = (0..3_000 * MS, 0..4_u32, prop::collection::vec(0..2_000 * MS, 0..6));
    prop::collection::vec(request, 0..60)
}

proptest! {
    #[test]
    fn the_equations_hold_for_any_history(history in history(), give_up in any::<bool>()) {
        let mut recorder = Recorder::new(500 * MS, 3_000 * MS, false);
        let mut outstanding = Outstanding::default();
        for (request, (intended_ns, owed, replies)) in (0..).zip(history) {
            recorder.sent(intended_ns, intended_ns + MS, owed);
            if owed > 0 {
                outstanding.insert(Exchange {
                    request, intended_ns, sent_ns: intended_ns + MS, owed, ..Exchange::default()
                });
            }
            for reply_ns in replies {
                let Some(exchange) = outstanding.get_mut(request) else {
                    recorder.duplicate();
                    continue;
                };
                exchange.received += 1;
                recorder.received(exchange, intended_ns + MS + reply_ns, false);
                if exchange.received == owed {
                    outstanding.remove(request);
                } else if give_up {
                    recorder.given_up(exchange, intended_ns + MS + reply_ns);
                    outstanding.remove(request);
                }
            }
        }
        recorder.unsent(3, true);
        let (recorded, _) = recorder.finish(outstanding.iter(), 4_000 * MS);
        prop_assert_eq!(recorded.ledger.contradiction(), None);
        prop_assert_eq!(recorded.reply.histogram().len(), recorded.ledger.replies_received);
        prop_assert_eq!(recorded.last_reply.histogram().len(), recorded.ledger.requests_answered);
        prop_assert_eq!(recorded.slip.histogram().len(), recorded.ledger.requests_sent);
    }
}

proptest! {
    #[test]
    fn littles_law_holds_exactly(requests in prop::collection::vec((0..900 * MS, 0..300 * MS, any::<bool>()), 0..60)) {
        let mut recorder = Recorder::new(100 * MS, 1_000 * MS, true);
        let mut events = Vec::new();
        for &(sent_ns, service_ns, answered) in &requests {
            events.push((sent_ns, None));
            if answered {
                events.push((sent_ns + service_ns, Some(sent_ns)));
            }
        }
        events.sort_unstable();
        for (at_ns, answers) in events {
            match answers {
                None => recorder.sent(at_ns, at_ns, 1),
                Some(sent_ns) => recorder.received(&exchange(sent_ns, sent_ns), at_ns, false),
            }
        }
        let open: Vec<Exchange> = requests.iter()
            .filter(|(_, _, answered)| !answered)
            .map(|(sent_ns, _, _)| Exchange { received: 0, ..exchange(*sent_ns, *sent_ns) })
            .collect();
        let (recorded, _) = recorder.finish(open.iter(), 2_000 * MS);
        prop_assert_eq!(recorded.in_flight_ns, recorded.sojourn_ns);
    }
}

#[test]
fn a_request_is_late_that_leaves_a_whole_gap_after_its_instant() {
    let mut driver = Recorder::new(0, 1_000 * MS, true).late_after(5 * MS);
    for slip_ms in [0, 5, 6, 7] {
        driver.sent(10 * MS, (10 + slip_ms) * MS, 0);
    }
    driver.held_back(10 * MS, 17 * MS);
    driver.held_back(10 * MS, 12 * MS);
    let (recorded, _) = driver.finish(std::iter::empty(), 40 * MS);
    assert_eq!((recorded.late, recorded.held_back), (2, 1));
}

fn exchange(intended_ns: u64, sent_ns: u64) -> Exchange {
    Exchange { intended_ns, sent_ns, owed: 1, received: 1, ..Exchange::default() }
}

#[test]
fn response_time_starts_at_the_intended_instant_and_service_time_when_it_was_sent() {
    let mut driver = Recorder::new(0, 1_000 * MS, true);
    driver.sent(10 * MS, 30 * MS, 1);
    driver.received(&exchange(10 * MS, 30 * MS), 35 * MS, false);
    let (recorded, _) = driver.finish(std::iter::empty(), 40 * MS);
    let largest = |latencies: &LatencyHistogram| latencies.max();
    assert_eq!(largest(&recorded.first_reply), Some(25 * MS));
    assert_eq!(largest(&recorded.service), Some(5 * MS));
    assert_eq!(largest(&recorded.slip), Some(20 * MS));
    assert_eq!(recorded.last_reply.histogram(), recorded.first_reply.histogram());
}

#[test]
fn warm_up_is_in_the_rates_of_its_time_but_in_no_count() {
    let mut driver = Recorder::new(100 * MS, 1_000 * MS, true);
    driver.sent(90 * MS, 90 * MS, 1);
    driver.received(&exchange(90 * MS, 90 * MS), 110 * MS, false);
    let (recorded, _) = driver.finish(std::iter::empty(), 120 * MS);
    assert_eq!(recorded.ledger, Ledger::default());
    assert_eq!((recorded.window_requests, recorded.window_replies), (0, 1));
    assert!(recorded.first_reply.histogram().is_empty());
}

#[test]
fn every_second_of_the_window_is_handed_out_once() {
    let mut recorder = Recorder::new(500 * MS, 3_000 * MS, true);
    assert!(recorder.finished_second(1_499 * MS).is_none());
    assert_eq!(recorder.finished_second(2_600 * MS).map(|slice| slice.second), Some(0));
    assert_eq!(recorder.finished_second(2_600 * MS).map(|slice| slice.second), Some(1));
    assert!(recorder.finished_second(2_600 * MS).is_none());
    assert_eq!(
        recorder.finished_second(3_000 * MS).map(|slice| slice.second),
        Some(2),
        "the half second"
    );
    assert!(recorder.finished_second(9_000 * MS).is_none());
    assert!(recorder.finish(std::iter::empty(), 9_000 * MS).1.is_empty());
}

#[test]
fn a_window_that_is_cut_short_counts_nothing_that_comes_later() {
    let mut driver = Recorder::new(0, 3_000 * MS, true);
    driver.sent(MS, MS, 1);
    driver.end_window(400 * MS);
    driver.received(&exchange(MS, MS), 450 * MS, false);
    let (recorded, slices) = driver.finish(std::iter::empty(), 600 * MS);
    assert_eq!((recorded.window_requests, recorded.window_replies), (1, 0));
    assert_eq!(recorded.window_end_ns, 400 * MS);
    assert_eq!(recorded.ledger.replies_received, 1, "it is counted, and in no rate");
    let seconds: Vec<_> = slices.iter().map(|slice| (slice.requests, slice.replies)).collect();
    assert_eq!(seconds, [(1, 0)]);
}

#[test]
fn the_window_of_a_fixed_number_of_requests_ends_with_the_last_of_them() {
    let mut driver = Recorder::new(MS, 9_000 * MS, true);
    driver.sent(0, 0, 1);
    for at_ns in [2 * MS, 3 * MS] {
        driver.sent(at_ns, at_ns, 1);
    }
    assert_eq!((driver.counted(), driver.is_settled()), (2, false));
    driver.received(&exchange(3 * MS, 3 * MS), 1_400 * MS, false);
    // Its timeout was before the other's reply, and is noticed after it.
    driver.given_up(&Exchange { received: 0, ..exchange(2 * MS, 2 * MS) }, 1_200 * MS);
    assert!(driver.is_settled(), "what the warm-up still waits for does not count");
    driver.end_whole(1_500 * MS);
    let warmup = Exchange { received: 0, ..exchange(0, 0) };
    let (recorded, slices) = driver.finish(std::iter::once(&warmup), 1_500 * MS);
    assert_eq!(recorded.window_end_ns, 1_400 * MS);
    assert_eq!(recorded.completed, Completed { requests: 2.0, replies: 1.0 });
    assert_eq!(recorded.in_flight_ns, recorded.sojourn_ns);
    let seconds: Vec<_> = slices.iter().map(|slice| (slice.requests, slice.replies)).collect();
    assert_eq!(seconds, [(2, 0), (0, 1)]);
}

#[test]
fn what_comes_after_a_second_is_none_of_its() {
    let mut recorder = Recorder::new(0, 2_000 * MS, true);
    recorder.sent(900 * MS, 900 * MS, 1);
    // The second was over when this reply came, and had not been fetched yet.
    recorder.received(&exchange(900 * MS, 900 * MS), 1_001 * MS, false);
    let first = recorder.finished_second(1_500 * MS).unwrap();
    assert_eq!((first.requests, first.replies, first.in_flight), (1, 0, 1));
    let rest = recorder.finish(std::iter::empty(), 2_500 * MS).1;
    let replies: Vec<u64> = rest.iter().map(|slice| slice.replies).collect();
    assert_eq!(replies, [1], "a second that nobody asked for is handed out at the end");
}

#[test]
fn an_interrupted_second_is_handed_out_at_the_end() {
    let mut recorder = Recorder::new(0, 3_000 * MS, true);
    recorder.sent(MS, MS, 1);
    let slices = recorder.finish(std::iter::empty(), 400 * MS).1;
    assert_eq!((slices[0].second, slices[0].requests, slices.len()), (0, 1, 1));
}

#[test]
fn errors_have_a_place_of_their_own_and_are_in_no_distribution_of_the_others() {
    let mut driver = Recorder::new(0, 1_000 * MS, false).with_gaps(true).mix(2);
    let reply = |received, failed, owed| Exchange {
        sent_ns: MS,
        owed,
        received,
        failed,
        operation: 1,
        heard_ns: 3 * MS,
        ..Exchange::default()
    };
    for owed in [1, 2, 1] {
        driver.sent(0, MS, owed);
        driver.sent_of(1, 0);
    }
    driver.received(&reply(1, 1, 1), 2 * MS, true);
    driver.received(&reply(1, 0, 2), 3 * MS, false);
    driver.received(&reply(2, 1, 2), 7 * MS, true);
    driver.owes_one_more(&reply(1, 0, 2), 8 * MS);
    driver.received(&reply(1, 0, 2), 8 * MS, false);
    driver.received(&reply(2, 0, 2), 9 * MS, false);
    let (recorded, _) = driver.finish(std::iter::empty(), 1_000 * MS);
    let ledger = recorded.ledger;
    assert_eq!(ledger.contradiction(), None);
    assert_eq!((ledger.requests_answered, ledger.requests_failed), (3, 2));
    assert_eq!(
        (ledger.replies_expected, ledger.replies_received, ledger.replies_failed),
        (5, 5, 2)
    );
    let counts = [&recorded.first_reply, &recorded.reply, &recorded.failed, &recorded.gap];
    assert_eq!(counts.map(|latencies| latencies.histogram().len()), [2, 3, 2, 1]);
    assert_eq!(recorded.window_replies, 3);
    assert_eq!(recorded.in_flight_ns, recorded.sojourn_ns);
    let [unused, used] = &recorded.operations[..] else { panic!("two operations") };
    assert_eq!((unused.sent, used.sent, used.answered, used.failed, used.lost), (0, 3, 3, 2, 0));
}
