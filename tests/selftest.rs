//! `zload selftest`: it passes where nothing is wrong, and what it prints and saves is the same.

use crate::support::{Ended, Zload};
use rustix::process::Signal;
use serde_json::Value;

/// That every trial passed, or could not be judged for the one reason that is the machine's; and that the exit code
/// says the same.
fn assert_true(result: &Value, ended: &Ended) {
    let trials = result["trials"].as_array().expect("trials");
    for trial in trials.iter().filter(|trial| trial["passed"] != true) {
        let reason = trial["reason"].as_str().expect("a failed trial says why");
        assert!(reason.starts_with("this machine was too busy"), "{trial:#}");
        assert_eq!(trial["judged"], false, "{trial:#}");
        assert!(trial["allowance_ns"].as_u64() > trial["allowance_most_ns"].as_u64(), "{trial:#}");
        assert_eq!(trial["attempts"], 2, "{trial:#}");
    }
    let all = trials.iter().all(|trial| trial["passed"] == true);
    assert_eq!(result["passed"], all);
    // Nobody is blamed for what could not be judged.
    assert_eq!(ended.code, Some(if all { 0 } else { 3 }), "{}", ended.stderr);
    assert_eq!(ended.stdout.contains("could not be judged"), !all);
}

#[test]
fn what_is_planted_is_measured() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("selftest.json");
    let path = path.to_str().expect("a UTF-8 path");
    let ended = Zload::new(&["selftest", "-o", path]).end();
    let json = std::fs::read_to_string(path).expect("the saved selftest");
    let result: Value = serde_json::from_str(&json).expect("a JSON object");
    assert_true(&result, &ended);
    assert_eq!(result["schema"], "zload.selftest/1");
    let names: Vec<&str> = result["trials"]
        .as_array()
        .expect("trials")
        .iter()
        .filter_map(|trial| trial["name"].as_str())
        .collect();
    let expected = [
        "known delay",
        "lockstep rate",
        "intervals",
        "known stall",
        "known losses",
        "schedule",
        "known send delay",
        "starved generator",
        "conservation",
        "lower bound",
    ];
    assert_eq!(names, expected);
    assert!(result["floor"]["idle_round_trip_p50_ns"].as_u64() > Some(0));

    let schema = Zload::new(&["schema", "selftest"]).end().result(0);
    let valid = jsonschema::validator_for(&schema).expect("a JSON Schema");
    assert!(valid.is_valid(&result));
    assert!(!valid.is_valid(&serde_json::json!({ "schema": "zload.selftest/1" })));

    for name in expected {
        assert!(ended.stdout.contains(&format!(" {name}")), "{}", ended.stdout);
        assert!(ended.stderr.contains(&format!("/11: {name}\n")), "{}", ended.stderr);
    }
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{}", ended.stdout);
    assert_eq!(Zload::new(&["show", path]).end().stdout, ended.stdout);
    assert_eq!(Zload::new(&["show", path, "--format", "json"]).end().stdout, json);
}

#[test]
fn an_interrupted_selftest_has_proven_nothing() {
    let mut running = Zload::new(&["selftest", "--format", "json"]).start();
    running.await_line("2/11: ");
    running.signal(Signal::INT);
    let result = running.end().result(130);
    assert_eq!((&result["interrupted"], &result["passed"]), (&true.into(), &false.into()));
    assert_eq!(result["trials"].as_array().map(Vec::len), Some(0));
}

#[test]
fn an_unwritable_place_is_found_before_anything_is_tried() {
    let ended = Zload::new(&["selftest", "-o", "/nowhere/selftest.json"]).end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("cannot write"), "{}", ended.stderr);
}
