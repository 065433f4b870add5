//! Loads that change, through the built program: figures of stages, thresholds on them, replays, and an early end.

use crate::support::{Zload, number};
use serde_json::Value;
use tempfile::TempDir;
use zload_core::plan::Plan;
use zload_core::scenario::Scenario;

/// 2 ms of work for each request, one worker: capacity 500/s, of which the spike asks 150 %.
const SPIKE: &str = "clients.count = 2\nworkers = { count = 1, delay = '2ms' }\nproxy.engine = 'batch'\n\
    [[load.stages]]\nname = 'base'\nfor = '1s'\nrate = '250/s'\n\
    [[load.stages]]\nname = 'spike'\nfor = '1s'\nrate = '750/s'\n\
    [[load.stages]]\nname = 'climb'\nfor = '1s'\nrate = '0/s'\nto = '100/s'\n\
    [[load.stages]]\nname = 'after'\nfor = '2s'\nrate = '100/s'\n";

fn stages(result: &Value) -> &[Value] {
    result["stages"].as_array().expect("stages")
}

/// Runs, whatever the machine makes of the verdict.
fn result_of(zload: Zload) -> Value {
    let ended = zload.args(&["--format", "json", "-q"]).end();
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|_| panic!("{}{}", ended.stdout, ended.stderr))
}

#[test]
fn each_stage_has_the_figures_of_its_own_requests() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("page.html");
    let html = path.to_str().expect("a name in UTF-8");
    let result = result_of(Zload::with_scenario("run", SPIKE).args(&["--html", html]));
    let page = std::fs::read_to_string(&path).expect("a page");
    // Three starts after the first one, in the map and beside the rates, and one in a key.
    assert_eq!(page.matches("<path class=\"bound\"").count(), 7, "{html}");
    assert!(page.contains("start of a stage"), "{html}");
    let [base, spike, climb, after] = stages(&result) else { panic!("four stages") };
    let requests = [base, spike, climb, after].map(|stage| number(stage, "requests"));
    assert_eq!(requests, [250, 750, 50, 200]);
    for field in ["sent", "answered", "lost", "unsent", "silent"] {
        let sum: u64 = stages(&result).iter().map(|stage| number(stage, field)).sum();
        assert_eq!(sum, number(&result, &format!("ledger.requests_{field}")), "{field}");
    }
    // A worker that sleeps is never faster than planned: at least 250 wait at the spike's end, and it takes at least as long as
    // the simulation to catch up.
    assert!(number(spike, "in_flight_at_end") >= 240, "{spike}");
    let ideal_ns = number(spike, "ideal.caught_up_after_ns");
    let caught_up = spike["caught_up_after_ns"].as_u64();
    assert!(
        caught_up.is_none_or(|ns| ns + 50_000_000 >= ideal_ns),
        "{caught_up:?} before {ideal_ns}"
    );
    assert!(number(spike, "latency.first_reply.max_ns") >= 450_000_000);
    assert_eq!(base["ideal"]["caught_up_after_ns"], 0);
    assert!(base["excess"]["count"].as_u64().is_some_and(|count| count > 0), "{base}");
    // No percentile where the rate changes, and none of all stages.
    assert_eq!(climb["shape"], "ramp");
    assert_eq!(
        (&climb["latency"]["first_reply"]["p50_ns"], climb["deciles"].as_array().unwrap().len()),
        (&Value::Null, 10)
    );
    assert!(spike["latency"]["first_reply"]["p50_ns"].is_u64());
    for path in [
        "/latency/first_reply/p50_ns",
        "/latency/slip/p99_ns",
        "/ideal/first_reply/p50_ns",
        "/ideal/excess/first_reply/p50_ns",
    ] {
        assert_eq!(result.pointer(path), Some(&Value::Null), "{path}");
    }
    assert!(result["latency"]["first_reply"]["max_ns"].is_u64());
    assert!(result["notes"].to_string().contains("different loads"), "{}", result["notes"]);
    let backlog = result["verdict"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "backlog")
        .unwrap();
    assert_ne!(backlog["status"], "fail", "a spike is planned: {backlog}");
}

#[test]
fn thresholds_name_a_stage() {
    let limits =
        |limits: &[&str]| format!("{SPIKE}[thresholds]\nlimits = {}", serde_json::json!(limits));
    let result = result_of(Zload::with_scenario(
        "run",
        &limits(&[
            "stages.spike.first_reply.p50 > 1ns",
            "stages.after.lost == 0",
            "stages.base.caught_up_after < 1h",
            "stages.spike.sent < 9",
        ]),
    ));
    let met: Vec<bool> =
        result["thresholds"].as_array().unwrap().iter().map(|of| of["met"] == true).collect();
    if result["verdict"]["status"] != "INVALID" {
        assert_eq!(met, [true, true, true, false], "{}", result["thresholds"]);
    }
    for (limit, said) in [
        (
            "first_reply.p99 < 1s",
            "stages.base.first_reply.p99, stages.spike.first_reply.p99, stages.after.first_reply.p99",
        ),
        ("ideal.excess.first_reply.p50 < 1s", "different loads"),
        ("stages.climb.first_reply.p99 < 1s", "has no percentiles"),
        ("stages.bsae.first_reply.p99 < 1s", "the stages are base, spike, climb, after"),
        ("stages.base.first_replly.p99 < 1s", "no figure"),
        ("stages.base.first_reply.p99 < 1", "a time"),
    ] {
        let ended = Zload::with_scenario("check", &limits(&[limit])).end();
        assert_eq!(ended.code, Some(2), "{limit}");
        assert!(ended.stderr.contains(said), "{limit}: {}", ended.stderr);
    }
}

#[test]
fn check_counts_each_stage_and_options_write_them() {
    let ended = Zload::with_scenario(
        "check",
        "load.rate = '5/s'\nrun.duration = '9s'\nworkers.delay = '1ms'",
    )
    .args(&["--stages", "2s@500/s, 1s@0/s, 2s@0/s..100/s"])
    .end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in [
        "1: 500/s for 2.00 s, 1000 requests, 10.0 %",
        "2: 0/s for 1.00 s, 0 requests",
        "3: 0/s to 100/s for 2.00 s, 100 requests",
        "5s measured",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    let report =
        Zload::with_scenario("run", "load.stages = '200ms@100/s, 200ms@200/s'").args(&["-q"]).end();
    assert!(
        report.stdout.contains("caught up") && report.stdout.contains("100/s for 200 ms"),
        "{}",
        report.stdout
    );
    let compared = Zload::with_scenario("calibrate", "load.stages = '2s@100/s'").end();
    assert!(
        compared.code == Some(2) && compared.stderr.contains("its load changes"),
        "{}",
        compared.stderr
    );
}

#[test]
fn a_replay_sends_what_was_recorded() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("arrivals.csv");
    let load = format!("[load.replay]\nfile = {:?}\n", file.to_str().expect("UTF-8"));
    std::fs::write(&file, "at_us,client\n5000,1\n6000,0\n6000,1\n405000,2\n").expect("a file");
    let result = result_of(Zload::with_scenario("run", &load));
    assert_eq!(number(&result, "ledger.requests_planned"), 4);
    assert_eq!(result["scenario"]["run"]["duration"], "401ms");
    let checked = Zload::with_scenario("check", &format!("{load}speed = 2")).end();
    assert!(
        checked.stdout.contains("4 requests") && checked.stdout.contains("index of dispersion"),
        "{}",
        checked.stdout
    );
    for (content, said) in [
        ("at_us\n5\n4\n", "line 3: it is earlier"),
        ("at_us\n-1\n", "line 2: \"-1\" is negative"),
        ("at_us\nNaN\n", "line 2: \"NaN\" is no number"),
        ("at_us\n", "no row"),
        ("", "line 1"),
        ("at_us,client\n1,3\n", "none of the 3 clients"),
    ] {
        std::fs::write(&file, content).expect("a file");
        let refused = Zload::with_scenario("check", &load).end();
        assert_eq!(refused.code, Some(2), "{content:?}");
        assert!(
            refused.stderr.contains(said) && refused.stderr.contains("arrivals.csv"),
            "{content:?}: {}",
            refused.stderr
        );
    }
    std::fs::remove_file(&file).expect("it is there");
    let missing = Zload::with_scenario("check", &load).end();
    assert!(
        missing.code == Some(2) && missing.stderr.contains("arrivals.csv"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_condition_ends_the_sending_and_the_rest_is_unsent() {
    let text =
        "run = { duration = '60s', stop_when = ['series.requests > 1'] }\nload.rate = '100/s'";
    let ended = Zload::with_scenario("run", text).args(&["--format", "json", "-q"]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let result: Value = serde_json::from_str(&ended.stdout).expect("a result");
    assert_eq!(result["stopped"], "series.requests > 1, after 1 second");
    assert_eq!(number(&result, "ledger.requests_planned"), 6_000);
    let (sent, unsent) =
        (number(&result, "ledger.requests_sent"), number(&result, "ledger.requests_unsent"));
    assert!(sent >= 100 && unsent > 0, "{sent} sent, {unsent} unsent");
    assert_eq!(number(&result, "ledger.requests_lost"), 0, "it was drained");
    let delivered = result["verdict"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "delivered_rate")
        .unwrap();
    assert_eq!(delivered["status"], "not_applicable");
    let shown = Zload::with_scenario("run", &text.replace("60s", "2s")).args(&["-q"]).end();
    assert!(shown.stdout.contains("STOPPED by run.stop_when"), "{}", shown.stdout);
    for (condition, said) in [
        ("first_reply.p99 > 1s", "known only when the run is over"),
        ("ledger.requests_unsent > 1", "known only when the run is over"),
        ("series.p98 > 1s", "unknown field"),
        ("series.p99 > 5", "cannot be compared"),
        ("series.p99 > 1s for 1ms", "whole seconds"),
    ] {
        let refused =
            Zload::with_scenario("check", &text.replace("series.requests > 1", condition)).end();
        assert_eq!(refused.code, Some(2), "{condition}");
        assert!(refused.stderr.contains(said), "{condition}: {}", refused.stderr);
    }
}

// Hashes of what offers the same work as ever may never change.
#[test]
fn plans_without_stages_have_the_hashes_that_they_always_had() {
    for (path, hash) in HASHES {
        let text = std::fs::read_to_string(path).expect("a scenario");
        let scenario = Scenario::parse(path, &text, &[]).expect("a valid one");
        assert_eq!(Plan::new(&scenario).hash(), *hash, "{path}");
    }
}

const HASHES: &[(&str, &str)] = &[
    ("configs/asyncsrv.toml", "32dc7eb0bc2ae8a8"),
    ("configs/cpu-bound.toml", "b229e14204c179a6"),
    ("configs/external.toml", "d9e1dace286f85dc"),
    ("configs/fan-out.toml", "ee8c24f4c537a167"),
    ("configs/first.toml", "ca87e7a5d2e950c9"),
    ("configs/hotpath-poll.toml", "b0328937b102e130"),
    ("configs/hotpath.toml", "b0328937b102e130"),
    ("configs/lru.toml", "2865f50ccea9da71"),
    ("configs/many-clients.toml", "3880dacab7789db0"),
    ("configs/poisson.toml", "77d739674daadee2"),
    ("configs/servers/circus.toml", "1fd0708f9d44ee40"),
    ("configs/servers/ipykernel.toml", "c539c01a7e7cb65c"),
    ("configs/servers/majordomo.toml", "d9a363a0000f5034"),
    ("configs/servers/rep-workers.toml", "c6353cb28d7e5ab6"),
    ("configs/servers/thread-device.toml", "d3243eec29270acf"),
    ("configs/think-time.toml", "1abb5795e8335d73"),
    ("configs/uneven-workers.toml", "2865f50ccea9da71"),
];
