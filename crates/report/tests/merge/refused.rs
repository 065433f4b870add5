//! What is no part of the same run is refused by the names of both files; what is missing is said.

use crate::{files, merged, scenario};
use serde_json::{Value, json};
use zload_core::scenario::Scenario;
use zload_report::merge::fingerprint;
use zload_report::result::{RunResult, Saved, ShardResult};
use zload_report::verdict::{CheckStatus, Status};

const SCENARIO: &str =
    "load = { rate = '400/s' }\nclients = { count = 10 }\nrun = { duration = '2s' }";

fn check<'a>(result: &'a RunResult, name: &str) -> (CheckStatus, &'a str) {
    let check = result.verdict.checks.iter().find(|check| check.name == name).expect("a check");
    (check.status, &check.sentence)
}

/// Changes the JSON of a shard.
fn changed(text: &str, path: &str, value: Value) -> String {
    let mut shard: Value = serde_json::from_str(text).expect("JSON");
    *shard.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    shard.to_string()
}

#[test]
fn all_shards_that_started_together_are_a_valid_whole() {
    let whole = merged(files(&scenario(SCENARIO), 4)).unwrap();
    assert_eq!(check(&whole, "complete"), (CheckStatus::Pass, "all 4 shards are here"));
    assert_eq!(check(&whole, "aligned").0, CheckStatus::Pass, "{:?}", check(&whole, "aligned"));
    assert_eq!(check(&whole, "alike").0, CheckStatus::Pass);
    assert_eq!(whole.ledger.requests_planned, 800);
    assert!(check(&whole, "build").1.starts_with("shard 0 (h0): "), "{}", check(&whole, "build").1);
}

#[test]
fn a_missing_shard_is_a_result_that_must_not_be_used() {
    let mut files = files(&scenario(SCENARIO), 4);
    files.remove(2);
    let whole = merged(&files).unwrap();
    assert_eq!(whole.verdict.status, Status::Invalid);
    let (status, sentence) = check(&whole, "complete");
    assert_eq!(status, CheckStatus::Fail);
    assert!(
        sentence.starts_with(
            "shard 2 of 4 is missing: 2 of 10 clients, 160 of 800 planned requests are not accounted for: "
        ),
        "{sentence}"
    );
    files.remove(0);
    let whole = merged(&files).unwrap();
    assert!(
        check(&whole, "complete")
            .1
            .starts_with("shards 0 and 2 of 4 are missing: 5 of 10 clients, 400 of 800")
    );
}

#[test]
fn what_is_no_part_of_the_run_is_refused_by_name() {
    let all = files(&scenario(SCENARIO), 4);
    let refused = |second: &str| merged([all[0].as_str(), second]).unwrap_err();
    let other = |text: &str, count| files(&scenario(text), count).swap_remove(1);
    for (second, parts) in [
        (all[0].clone(), &["0.json and 1.json are both shard 0 of 4 (on h0 and on h0)"][..]),
        (
            other(&format!("seed = 2\n{SCENARIO}"), 4),
            &["0.json and 1.json", "seed is 1 in the one and 2 in the other"],
        ),
        (
            other(&SCENARIO.replace("400/s", "500/s"), 4),
            &["load.rate is 400/s in the one and 500/s"],
        ),
        (other(&format!("name = 'other'\n{SCENARIO}"), 4), &["name, thresholds or limits"]),
        (other(SCENARIO, 5), &["the number of shards is 4 in the one and 5 in the other"]),
        (
            changed(&all[1], "/run", json!("00000000000000aa")),
            &[
                "the number of the run is 0000000000005ead in the one and 00000000000000aa in the other",
            ],
        ),
        (changed(&all[1], "/start/by", json!("none")), &["none, as nobody gathered for it"]),
        (changed(&all[1], "/plan_hash", json!("00")), &["the plan is"]),
    ] {
        let error = refused(&second);
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn a_file_of_another_time_is_refused_and_clocks_that_nobody_compared_are_doubted() {
    let alone = |text: &String, later_ns: u64| {
        let text = changed(text, "/start/by", json!("none"));
        let text = changed(&text, "/start/bound_ns", json!(null));
        changed(&text, "/start/unix_ns", json!(crate::simulated::START_NS + later_ns))
    };
    let files = files(&scenario(SCENARIO), 2);
    let error = merged([alone(&files[0], 1_260_000_000_000), alone(&files[1], 0)]).unwrap_err();
    assert!(
        error.starts_with("1.json is of a run that began 1260 s earlier than that of 0.json"),
        "{error}"
    );
    let whole = merged([alone(&files[0], 0), alone(&files[1], 9_000_000)]).unwrap();
    let (status, sentence) = check(&whole, "aligned");
    assert_eq!(status, CheckStatus::Warn);
    assert!(sentence.contains("by clocks that nobody compared"), "{sentence}");
    // Half of the window.
    let late =
        changed(&files[1], "/start/unix_ns", json!(crate::simulated::START_NS + 1_000_000_000));
    let whole = merged([&files[0], &late]).unwrap();
    assert_eq!(
        (check(&whole, "aligned").0, whole.verdict.status),
        (CheckStatus::Fail, Status::Invalid)
    );
}

#[test]
fn other_versions_are_doubted_and_the_slowest_machine_is_named() {
    let mut files = files(&scenario(SCENARIO), 3);
    files[1] = changed(&files[1], "/environment/zload", json!("0.2.0"));
    files[2] = changed(&files[2], "/environment/build", json!("debug"));
    let whole = merged(&files).unwrap();
    let (status, sentence) = check(&whole, "alike");
    assert_eq!(status, CheckStatus::Warn);
    assert!(sentence.contains("shard 1 (h1) by zload 0.2.0"), "{sentence}");
    let (status, sentence) = check(&whole, "build");
    assert_eq!(status, CheckStatus::Warn);
    assert!(sentence.starts_with("shard 2 (h2): this is a debug build"), "{sentence}");
}

#[test]
fn rates_are_the_sums_of_the_shards_own() {
    let mut files = files(&scenario(SCENARIO), 2);
    let whole = merged(&files).unwrap();
    // A shard that was cut short half-way had the same rate.
    for (path, half) in [
        ("/measured/window_ns", json!(1_000_000_000)),
        ("/measured/completed", json!({"requests": 200.0, "replies": 0.0})),
    ] {
        files[1] = changed(&files[1], path, half);
    }
    files[1] = changed(&files[1], "/measured/interrupted", json!(true));
    let cut = merged(&files).unwrap();
    assert!((cut.throughput.requests_per_s - whole.throughput.requests_per_s).abs() < 1e-9);
    assert!(cut.interrupted && check(&cut, "ending").0 == CheckStatus::Warn);
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let text = files(&scenario(SCENARIO), 2).swap_remove(1);
    assert!(Saved::parse(&text).is_ok());
    let truncated = &text[..text.len() / 2];
    assert!(ShardResult::read(truncated).is_err());
    for (path, value) in [
        ("/shard/index", json!(2)),
        ("/shard/count", json!(4_000_000_000_u32)),
        ("/shard/count", json!(0)),
        ("/shard/index", json!(0)),
        ("/run", json!("x")),
        ("/plan_hash", json!("0123456789abcdef")),
        ("/scenario/load/rate", json!(null)),
        ("/scenario/run/duration", json!("0s")),
        ("/measured/ledger/requests_sent", json!(u64::MAX)),
        ("/measured/in_flight", json!([-1.0])),
        ("/measured/late", json!(u64::MAX)),
        ("/measured/drivers/cpu_ns", json!([u64::MAX])),
        ("/measured/window_ns", json!(3_000_000_000_u64)),
        ("/measured/completed/requests", json!(1e300)),
        ("/measured/in_flight_ns", json!("-1")),
        ("/measured/sojourn_ns", json!("9".repeat(90))),
        ("/measured/first_reply/histogram", json!("AAAA")),
        ("/measured/slip/sum_ns", json!("x")),
        ("/measured/seconds/0/first_reply/min_ns", json!(u64::MAX)),
        ("/measured/seconds/1/second", json!(77)),
        ("/measured/traces/one_in", json!(3)),
        ("/measured/traces/packed", json!("eJw=")),
        ("/measured/strangers", json!(["%"])),
    ] {
        let text = match path {
            // It is left out where there is none.
            "/measured/strangers" => {
                let mut shard: Value = serde_json::from_str(&text).unwrap();
                shard["measured"]["strangers"] = value;
                shard.to_string()
            }
            path => changed(&text, path, value),
        };
        assert!(!Saved::parse(&text).expect_err(path).is_empty());
    }
}

#[test]
fn shards_may_differ_in_where_they_connect_to_and_from_and_in_their_drivers() {
    let of = |more: &str| {
        let text = format!("load.rate = '1/s'\n{more}");
        fingerprint(&Scenario::parse("a.toml", &text, &[]).unwrap())
    };
    for alike in [
        "proxy.frontend = ['tcp://127.0.0.1:5', 'tcp://127.0.0.1:6']",
        "clients.sources = ['127.0.0.2']",
        "clients.threads = 2",
    ] {
        assert_eq!(of(alike), of(""), "{alike}");
    }
    assert_ne!(of("workers.count = 9"), of(""));
}
