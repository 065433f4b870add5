//! Engine `lru`: exact counts, whatever the fan-out, with few workers or few requests, and the twin that belongs to it.

use crate::support::{Zload, ledger, number};
use serde_json::Value;

const WORK: &str = "replies = { uniform = [0, 4] }, delay = { uniform = ['0s', '1ms'] }";

/// A run with this engine, load and number of workers, of which nothing may be lost, and what it did.
fn run(engine: &str, load: &str, workers: u32) -> (Value, [u64; 4]) {
    let result = Zload::run(&format!(
        "{load}\nrun = {{ duration = '1s', drain = '20s', follow_one_in = 4 }}\n\
         proxy.engine = '{engine}'\nworkers = {{ count = {workers}, {WORK} }}"
    ))
    .result(0);
    let kept = ledger(&result);
    for none in ["requests_lost", "replies_duplicate", "replies_unexpected", "replies_late"] {
        assert_eq!(kept[none], 0, "{none}: {}", result["notes"]);
    }
    let work = ["requests_sent", "requests_answered", "requests_silent", "replies_received"]
        .map(|key| number(&result, &format!("ledger.{key}")));
    (result, work)
}

#[test]
fn every_message_has_its_place_as_with_any_other_engine() {
    let load = "load = { rate = '500/s', arrivals = 'poisson' }";
    let (lru, work) = run("lru", load, 4);
    assert_eq!(work, run("batch", load, 4).1);
    assert!(work[2] > 0, "silent requests make their workers ready again, too");
    assert_eq!(lru["proxy"]["engine"], "lru");
    assert_eq!(lru["ideal"]["policy"], "shared-queue");
    for part in ["messages_in", "messages_out", "wakes"] {
        assert!(number(&lru, &format!("proxy.{part}")) > 0, "{part}");
    }
    for leg in ["to_proxy", "in_proxy", "to_worker", "in_worker", "back_in_proxy", "to_client"] {
        assert!(lru["hops"][leg].is_object(), "{leg}");
    }
    assert_eq!(lru["hops"]["disordered"], 0);
}

#[test]
fn more_workers_than_requests_and_more_requests_than_workers() {
    let closed = |in_flight: u32| {
        format!("load = {{ model = 'closed', in_flight = {in_flight} }}\nclients.count = 4")
    };
    let (_, idle) = run("lru", &closed(1), 40);
    let (_, scarce) = run("lru", &closed(20), 1);
    assert!(idle[0] > 0 && scarce[0] > 0);
}

#[test]
fn over_tcp_and_without_delays_nothing_is_lost_either() {
    let result = Zload::run(
        "load = { model = 'closed', in_flight = 32 }\nclients.count = 4\nrun.duration = '500ms'\n\
         proxy = { engine = 'lru', backend = 'tcp://127.0.0.1:*' }\nworkers.count = 2",
    )
    .result(0);
    let kept = ledger(&result);
    assert_eq!((&kept["requests_lost"], &kept["replies_unexpected"]), (&0.into(), &0.into()));
}
