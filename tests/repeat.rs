//! `--repeat`: what several runs say together, of the same requests and of different ones.

use crate::support::Zload;

/// 30 requests a run: three runs have the 69 values that a p90 needs, one has not.
const SCENARIO: &str = "load = { rate = '100/s' }\nrun = { duration = '300ms' }\nworkers = { count = 8, delay = { uniform = ['1ms', '3ms'] } }";

#[test]
fn copies_of_a_request_do_not_count_for_percentiles_and_different_ones_do() {
    let copies = Zload::run(SCENARIO).args(&["--repeat", "3"]).result(0);
    let reply = &copies["latency"]["first_reply"];
    assert_eq!(reply["count"], 90);
    assert!(reply["p50_ns"].is_u64() && reply["p90_ns"].is_null(), "{reply}");
    assert!(copies.get("seeds").is_none());
    assert_eq!(copies["ideal"]["first_reply"]["count"], 30);

    let different = Zload::run(SCENARIO).args(&["--repeat", "3", "--vary-seed"]).result(0);
    let reply = &different["latency"]["first_reply"];
    assert!(reply["p90_ns"].is_u64(), "{reply}");
    assert!(reply["intervals"]["p90_ns"].is_null(), "no run has one: {reply}");
    assert_eq!(different["seeds"], serde_json::json!([1, 2, 3]));
    assert_eq!(different["plan_hash"], copies["plan_hash"], "that of the first");
    assert_eq!(different["ideal"]["first_reply"]["count"], 90);
    assert_eq!(different["ideal"]["excess"]["first_reply"]["count"], 90);
    assert_eq!(different["ideal"]["excess"]["unmatched"], 0);
    let means = |of: &serde_json::Value| of["ideal"]["first_reply"]["mean_ns"].clone();
    assert_ne!(means(&different["runs"][0]), means(&different["runs"][1]));
}

#[test]
fn three_runs_say_where_the_next_one_would_be_and_two_do_not() {
    let three = Zload::run(SCENARIO).args(&["--repeat", "3"]).result(0);
    for row in ["latency.first_reply", "ideal.excess.first_reply", "hops.in_worker"] {
        let row = row.split('.').fold(&three, |value, key| &value[key]);
        let ends = |of: &str| {
            [0, 1].map(|end| row[of]["p50_ns"][end].as_u64().unwrap_or_else(|| panic!("{row}")))
        };
        let (mean, next) = (ends("intervals"), ends("next_run"));
        assert!(next[0] <= mean[0] && mean[0] <= mean[1] && mean[1] <= next[1], "{row}");
    }
    let two = Zload::run(SCENARIO).args(&["--repeat", "2"]).result(0);
    let reply = &two["latency"]["first_reply"];
    assert!(reply["p50_ns"].is_u64() && reply["intervals"]["p50_ns"].is_null(), "{reply}");
    assert!(reply.get("next_run").is_none());
}
