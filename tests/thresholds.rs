//! Thresholds, through the built program: what is met, missed, refused, and what the exit code makes of it.

use crate::support::{ForeignServer, Zload};
use serde_json::Value;
use zload_report::result::figures::{self, FIGURES};
use zload_report::result::number;

/// Exactly 60 requests and 120 replies.
const SHORT: &str =
    "load = { rate = '200/s' }\nrun = { duration = '300ms' }\nworkers = { replies = 2 }\n";

fn with_limits(scenario: &str, limits: &[&str]) -> String {
    format!("{scenario}[thresholds]\nlimits = {}", serde_json::json!(limits))
}

/// The outcomes of a result in which each figure may be used; nothing of one in which none may, as a busy machine can
/// make it.
fn outcomes(result: &Value) -> Option<&[Value]> {
    let outcomes = result["thresholds"].as_array().expect("thresholds");
    if result["verdict"]["status"] == "INVALID" {
        assert!(outcomes.iter().all(|outcome| outcome["met"] == false), "{outcomes:?}");
        return None;
    }
    Some(outcomes)
}

/// Runs, and gives the result with the exit code that its own figures ask for.
fn judged(zload: Zload) -> Value {
    let ended = zload.args(&["--format", "json", "-q"]).end();
    let result: Value = serde_json::from_str(&ended.stdout).expect("a result");
    let missed = result["thresholds"]
        .as_array()
        .is_some_and(|outcomes| outcomes.iter().any(|outcome| outcome["met"] == false));
    let expected = match (result["verdict"]["status"] == "INVALID", missed) {
        (true, _) => 3,
        (false, true) => 1,
        (false, false) => 0,
    };
    assert_eq!(ended.code, Some(expected), "{}", ended.stdout);
    result
}

#[test]
fn what_is_met_passes_and_is_shown_with_its_figure() {
    let limits = [
        "ledger.requests_lost == 0",
        "ledger.replies_received == 120",
        "first_reply.p50 < 30s",
        "first_reply.p75 < 30s",
        "ledger.lost_ratio < 1 %",
    ];
    let ended = Zload::with_scenario("run", &with_limits(SHORT, &limits)).args(&["-qv"]).end();
    if ended.code == Some(3) {
        assert!(ended.stdout.contains("Thresholds: not judged"), "{}", ended.stdout);
        return;
    }
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let (verdict, rest) = ended.stdout.split_once("\n\n").expect("sections");
    assert!(verdict.starts_with("VALID") || verdict.starts_with("SUSPECT"), "{verdict}");
    assert!(rest.starts_with("Thresholds: met\n"), "{rest}");
    for line in [
        "  ✓ ledger.requests_lost == 0: it is 0\n",
        "  ✓ first_reply.p50 < 30s: it is ",
        "  ✓ ledger.lost_ratio < 1%: it is 0.00 %\n",
    ] {
        assert!(rest.contains(line), "{rest}");
    }
}

#[test]
fn what_is_missed_is_the_answer_no() {
    let limits = ["ledger.requests_lost == 0", "ledger.replies_received > 1000"];
    let ended = Zload::with_scenario("run", &with_limits(SHORT, &limits)).args(&["-qv"]).end();
    if ended.code == Some(3) {
        return;
    }
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    assert!(ended.stdout.contains("\nThresholds: 1 of 2 missed\n"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("  ✗ ledger.replies_received > 1000: it is 120\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_threshold_of_the_command_line_is_one_more() {
    let zload = Zload::with_scenario("run", &with_limits(SHORT, &["ledger.requests_lost == 0"]));
    let added = ["--threshold", "ledger.requests_sent<60", "--threshold", "generator.threads >= 1"];
    let result = judged(zload.args(&added));
    let limits =
        ["ledger.requests_lost == 0", "ledger.requests_sent < 60", "generator.threads >= 1"];
    assert_eq!(result["scenario"]["thresholds"]["limits"], serde_json::json!(limits));
    let Some(outcomes) = outcomes(&result) else { return };
    for ((outcome, limit), met) in outcomes.iter().zip(limits).zip([true, false, true]) {
        assert_eq!((&outcome["limit"], &outcome["met"]), (&limit.into(), &met.into()));
    }
    assert_eq!(outcomes[1]["value"], 60.0);
    assert_eq!(outcomes[1]["unit"], "number");
}

#[test]
fn what_no_result_has_is_refused_where_it_stands_before_anything_starts() {
    // Were a run made, this test would take ten minutes.
    let scenario = "load = { rate = '1/s' }\nrun = { duration = '10m' }\n";
    for (limit, message, help) in [
        ("first_replly.p99 < 5ms", "unknown field `first_replly.p99`", "`first_reply.p99`?"),
        ("first_reply.p99 < 5", "`first_reply.p99` cannot be compared with 5", "it is a time"),
        ("ledger.requests_lost == 0s", "cannot be compared with 0s", "without a unit"),
        ("ledger < 5", "`ledger` is a group of figures", "requests_lost"),
    ] {
        let text = with_limits(scenario, &["slip.p99 < 1ms", limit]);
        for command in ["run", "check"] {
            let ended = Zload::with_scenario(command, &text).end();
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{command} {limit}");
            for part in [message, help, ".toml:4:28", &"^".repeat(limit.len() + 2)] {
                assert!(ended.stderr.contains(part), "{part:?} is not in\n{}", ended.stderr);
            }
        }
        let ended = Zload::with_scenario("run", scenario).args(&["--threshold", limit]).end();
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.stderr.contains(message) && ended.stderr.contains("--threshold:1:22"),
            "{}",
            ended.stderr
        );
    }
    let zload = Zload::with_scenario("run", scenario).args(&["--threshold", "slip.p99 = 1ms"]);
    let ended = zload.end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("use < <="), "{}", ended.stderr);
}

#[test]
fn a_figure_that_is_not_there_meets_nothing_and_says_why() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    let scenario = "load = { rate = '200/s' }\nrun = { duration = '300ms' }\n";
    let limits = [
        "first_reply.p9999 != 0s",
        "ideal.excess.first_reply.p99 < 1h",
        "proxy.busy_ratio <= 1",
        "hops.in_proxy.p50 < 1h",
    ];
    let result =
        judged(Zload::with_scenario("run", &server.scenario(&with_limits(scenario, &limits))));
    let reasons = [
        "60 values are too few",
        "no lower bound",
        "cannot be measured",
        "this leg cannot be measured",
    ];
    for (outcome, reason) in
        result["thresholds"].as_array().expect("thresholds").iter().zip(reasons)
    {
        assert_eq!((&outcome["met"], &outcome["value"]), (&false.into(), &Value::Null));
        let sentence = outcome["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains(reason), "{sentence}");
    }
}

#[test]
fn a_limit_on_the_series_is_one_for_each_second() {
    // The server falls silent for the requests of the second second, and of no other.
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        if (100..200).contains(&number) { Vec::new() } else { vec![body.to_vec()] }
    });
    let scenario = "load = { rate = '100/s' }\nclients = { count = 1 }\n\
                    run = { duration = '3100ms', drain = '0s' }\n";
    let limits = ["series.requests > 20", "series.replies > 0", "series.in_flight < 50"];
    let text = server.scenario(&with_limits(scenario, &limits));
    let result = judged(Zload::with_scenario("run", &text));
    let missed = |index: usize| &result["thresholds"][index]["missed_seconds"];
    assert_eq!(missed(0), &Value::Null, "only whole seconds are judged by what they count");
    // A reply may come in the second after its request's.
    let silent = missed(1).as_array().map_or(0, Vec::len);
    assert!(silent <= 1, "{result}");
    let owed: Vec<u64> = result["series"]
        .as_array()
        .expect("a series")
        .iter()
        .map(|entry| entry["in_flight"].as_u64().expect("a number"))
        .collect();
    let expected: Vec<usize> = (1..=owed.len()).filter(|second| owed[second - 1] >= 50).collect();
    assert!(!expected.is_empty(), "{owed:?}");
    assert_eq!(missed(2), &serde_json::json!(expected), "{owed:?}");
    let sentence = result["thresholds"][2]["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("missed in second"), "{sentence}");
}

#[test]
fn repeated_runs_are_judged_by_their_pooled_figures() {
    let limits = ["ledger.requests_sent == 120", "repeat == 2"];
    let zload = Zload::with_scenario("run", &with_limits(SHORT, &limits));
    let result = judged(zload.args(&["--repeat", "2"]));
    let Some(outcomes) = outcomes(&result) else { return };
    assert!(outcomes.iter().all(|outcome| outcome["met"] == true), "{outcomes:?}");
}

#[test]
fn an_interrupted_run_is_judged_and_stays_interrupted() {
    let scenario = "load = { rate = '100/s' }\nrun = { duration = '10m' }\n";
    let limits = ["ledger.requests_unsent == 0", "ideal.first_reply.p50 < 1h"];
    let mut running = Zload::with_scenario("run", &with_limits(scenario, &limits)).start();
    running.await_line("measuring");
    running.signal(rustix::process::Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130));
    assert!(ended.stdout.contains("ledger.requests_unsent == 0: it is "), "{}", ended.stdout);
    assert!(ended.stdout.contains("a run that was cut short"), "{}", ended.stdout);
}

#[test]
fn figures_that_must_not_be_used_meet_and_miss_nothing() {
    // Four times what the worker can do.
    let scenario = "load = { rate = '400/s' }\nrun = { duration = '3s', drain = '100ms' }\n\
                    proxy = { engine = 'batch' }\nworkers = { count = 1, delay = '10ms' }\n";
    let text =
        with_limits(scenario, &["ledger.requests_planned > 0", "ledger.requests_planned == 0"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let path = path.to_str().expect("UTF-8");
    let ended = Zload::with_scenario("run", &text).args(&["-qv", "-o", path]).end();
    assert_eq!(ended.code, Some(3), "{}", ended.stdout);
    assert!(ended.stdout.contains("Thresholds: not judged"), "{}", ended.stdout);
    let saved = std::fs::read_to_string(path).expect("the saved result");
    let result: Value = serde_json::from_str(&saved).expect("a result");
    assert_eq!(result["thresholds"].as_array().map(Vec::len), Some(2));
    assert_eq!(outcomes(&result), None);
}

#[test]
fn check_lists_the_thresholds_and_show_prints_what_the_run_did() {
    let text = with_limits(SHORT, &["slip.p50<90s", "ledger.requests_lost == 0"]);
    let checked = Zload::with_scenario("check", &text).end();
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(
        checked
            .stdout
            .contains("  limits    slip.p50 < 1m30s\n            ledger.requests_lost == 0\n"),
        "{}",
        checked.stdout
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let path = path.to_str().expect("UTF-8");
    let run = Zload::with_scenario("run", &text).args(&["-q", "-o", path]).end();
    let shown = Zload::new(&["show", path]).end();
    assert!(shown.stdout.contains("slip.p50 < 1m30s: "), "{}", shown.stdout);
    assert_eq!(shown.stdout, run.stdout);
}

/// The names come from the catalogue, which a test compares with the schema; here they meet what a run really writes.
#[test]
fn every_number_of_a_result_has_a_name_and_every_name_a_place() {
    // Without a form of their own, requests have no figures of it, and neither has a run without probes.
    let probes = ["--set", "load.rate=400/s", "--set", "clients.probes=2"];
    let text = format!("{SHORT}\n[request]\nok = {{ contains = '.' }}");
    let result = Zload::run(&text).args(&probes).result(0);
    let mut found = 0;
    numbers(&result, "", &mut |path, value| {
        assert!(figures::named(path).is_some(), "{path} has no name");
        assert_eq!(number(&result, path), Some(value), "{path}");
        found += 1;
    });
    assert!(found > 100, "{found}");
    for field in FIGURES.iter() {
        let value = field.name.split('.').try_fold(&result, |value, key| match value {
            Value::Null => Some(value),
            Value::Array(items) => items[0].get(key).or_else(|| items[0].get(format!("{key}_ns"))),
            value => value.get(key).or_else(|| value.get(format!("{key}_ns"))),
        });
        // What is left out where there is none: a quota, and seeds that make a difference.
        let optional =
            ["environment.cpu_quota", "ideal.other_seeds"].contains(&field.name) && value.is_none();
        let there = optional || value.is_some_and(|value| value.is_number() || value.is_null());
        assert!(there, "{} is not in a result", field.name);
    }
}

/// Shows `each` the numbers below `value` that are in no list, with their paths.
fn numbers(value: &Value, path: &str, each: &mut dyn FnMut(&str, f64)) {
    match value {
        Value::Number(number) => each(path, number.as_f64().expect("a number")),
        Value::Object(parts) => {
            for (key, part) in parts.iter().filter(|(key, _)| *key != "scenario") {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                numbers(part, &path, each);
            }
        }
        _ => {}
    }
}

#[test]
fn what_cannot_be_met_and_what_cannot_be_served_is_said_before_the_run() {
    let limited = with_limits(SHORT, &["first_reply.p99 < 5ms", "first_reply.p75 < 30s"]);
    let checked = Zload::with_scenario("check", &limited).end();
    assert_eq!(checked.code, Some(0), "it is a warning and no refusal");
    for said in [
        "! warning: first_reply.p99 < 5ms cannot be met: p99 needs 726 samples",
        "at most 60 replies",
    ] {
        assert!(checked.stdout.contains(said), "{}", checked.stdout);
    }
    assert_eq!(checked.stdout.matches("warning").count(), 1, "{}", checked.stdout);
    let ran = Zload::with_scenario("run", &limited).end();
    assert!(ran.stderr.contains("warning: first_reply.p99 < 5ms cannot be met"), "{}", ran.stderr);
    let often = Zload::with_scenario("run", &limited).args(&["--repeat", "13"]).end();
    assert!(!often.stderr.contains("cannot be met"), "{}", often.stderr);

    let overload = "load.rate = '200/s'\nworkers = { count = 2, delay = '20ms' }";
    let checked = Zload::with_scenario("check", overload).end();
    let said = "! warning: the load is 200.0 % of the workers' capacity, so the queue grows\n    without end";
    assert!(checked.code == Some(0) && checked.stdout.contains(said), "{}", checked.stdout);
}
