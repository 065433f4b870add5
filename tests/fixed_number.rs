//! Runs that end after a number of requests (`load.requests`): exactly that number, whatever happens to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{ForeignServer, Zload, ledger, number};
use rustix::process::Signal;
use serde_json::Value;

const CLOSED: &str = "[load]\nmodel = 'closed'\nin_flight = 3\n";
const OPEN: &str = "[load]\nrate = '5k/s'\narrivals = 'poisson'\n";

/// An echo server, and how many requests it got.
fn echo() -> (ForeignServer, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let server = ForeignServer::start("tcp://127.0.0.1:*", move |_, body| {
        counted.fetch_add(1, Ordering::Relaxed);
        vec![body.to_vec()]
    });
    (server, count)
}

fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).expect("a check of this name")
}

/// The rates are all requests and replies over the window.
fn assert_whole(result: &Value, requests: u64) {
    let ledger = ledger(result);
    assert_eq!(ledger["requests_planned"], requests);
    assert_eq!(ledger["requests_sent"], requests);
    let throughput = &result["throughput"];
    let seconds = number(result, "throughput.window_ns") as f64 / 1e9;
    for (rate, count) in
        [("requests_per_s", "requests_sent"), ("replies_per_s", "replies_received")]
    {
        let expected = ledger[count].as_f64().expect("a number") / seconds;
        let found = throughput[rate].as_f64().expect("a number");
        assert!((found / expected - 1.0).abs() < 1e-9, "{rate}: {found}, not {expected}");
    }
    for name in ["conservation", "littles_law", "delivered_rate"] {
        let status = &check(result, name)["status"];
        assert!(
            ["pass", "not_applicable"].contains(&status.as_str().expect("a status")),
            "{name}: {status}"
        );
    }
}

#[test]
fn so_many_are_sent_and_the_plan_is_the_same_with_any_number_of_threads() {
    for load in [CLOSED, OPEN] {
        let of = |threads: u32| {
            let (mut server, count) = echo();
            let rest = format!("{load}requests = 1000\n[clients]\ncount = 7\nthreads = {threads}");
            let result = Zload::run(&server.scenario(&rest)).result(0);
            assert_whole(&result, 1000);
            server.kill();
            assert_eq!(count.load(Ordering::Relaxed), 1000);
            result["plan_hash"].clone()
        };
        assert_eq!(of(1), of(3));
    }
}

#[test]
fn requests_of_the_warm_up_are_not_among_them_and_repeats_add_up() {
    for load in [CLOSED, OPEN] {
        let text = format!(
            "{load}[run]\nwarmup = '100ms'\n[proxy]\nengine = 'batch'\n[workers]\ndelay = '200us'"
        );
        let args = ["--requests", "300", "--repeat", "2"];
        let result = Zload::run(&text).args(&args).result(0);
        let ledger = ledger(&result);
        assert_eq!(ledger["requests_answered"], 600);
        for run in result["runs"].as_array().expect("runs") {
            assert_eq!(run["ledger"]["requests_sent"], 300);
            assert!(run["ideal"]["requests"] == 300, "{}", run["ideal"]);
        }
    }
}

#[test]
fn the_window_ends_with_the_timeout_of_a_request_that_is_lost() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        if number == 29 { vec![] } else { vec![body.to_vec()] }
    });
    let text = "[load]\nmodel = 'closed'\nrequests = 30\ntimeout = '300ms'\n[clients]\ncount = 1";
    let result = Zload::run(&server.scenario(text)).result(0);
    assert_whole(&result, 30);
    assert_eq!(number(&result, "ledger.requests_lost"), 1);
    assert!(number(&result, "throughput.window_ns") >= 300_000_000);
}

#[test]
fn what_an_interruption_leaves_is_unsent() {
    let text = format!("{CLOSED}requests = 1000000000\n[workers]\ndelay = '1ms'");
    let mut running = Zload::with_scenario("run", &text).args(&["--format", "json"]).start();
    running.await_line("measuring");
    running.signal(Signal::INT);
    let result = running.end().result(130);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_planned"], 1_000_000_000);
    assert!(number(&result, "ledger.requests_unsent") > 0);
}

#[test]
fn it_is_said_beforehand_and_a_result_says_it_again() {
    let checked = Zload::with_scenario("check", &format!("{OPEN}requests = 12345")).end();
    assert!(checked.stdout.contains("12345 requests at 5.00 k/s"), "{}", checked.stdout);
    assert!(checked.stdout.contains("12,345 requests measured"), "{}", checked.stdout);
    let both = format!("{OPEN}requests = 5\n[run]\nduration = '1s'");
    let refused = Zload::with_scenario("check", &both).end();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("conflicts with run.duration"), "{}", refused.stderr);
    let (server, _) = echo();
    let result = Zload::run(&server.scenario(&format!("{CLOSED}requests = 40"))).result(0);
    let scenario = &result["scenario"];
    assert_eq!(
        (&scenario["load"]["requests"], &scenario["run"]["duration"]),
        (&40.into(), &Value::Null)
    );
    assert!(check(&result, "window")["sentence"].to_string().contains("raise load.requests"));
}

#[test]
fn the_simulation_alone_plays_so_many() {
    let text = format!("{CLOSED}requests = 100\n[workers]\ndelay = '1ms'");
    let args = ["--format", "json", "-q", "--policy", "round-robin"];
    let result = Zload::with_scenario("ideal", &text).args(&args).result(0);
    let [of] = &result["policies"].as_array().expect("policies")[..] else { panic!("one") };
    assert_eq!((&of["requests"], &of["replies"]), (&100.into(), &100.into()));
}

#[test]
fn a_comparison_plays_slices_of_its_own_length_and_says_so() {
    let text = format!("{CLOSED}requests = 100000\n[proxy]\nengine = 'batch'");
    let design = ["--blocks", "9", "--slices", "1", "--slice", "20ms", "--format", "json"];
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    std::fs::write(file.path(), &text).expect("writing");
    let path = file.path().to_str().expect("UTF-8");
    let args = [&["compare", path, path], &design[..]].concat();
    let ended = Zload::new(&args).end();
    assert!(ended.stderr.contains("load.requests is not used"), "{}", ended.stderr);
    assert!(ended.stdout.contains("zload.comparison/1"), "{}", ended.stderr);
    let refused = Zload::new(&["compare", path, path, "--requests", "7"]).end();
    assert!(refused.stderr.contains("slices have their own lengths"), "{}", refused.stderr);
}
