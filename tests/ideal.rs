//! `zload ideal`: what it prints and saves, and what it refuses.

use crate::support::{Zload, number};
use serde_json::Value;

/// Requests that sometimes take far longer than the gap between two.
const UNEVEN: &str = "name = 'uneven'\nseed = 7\nload = { rate = '500/s', arrivals = 'poisson' }\nclients = { count = 5 }\n\
                      run = { duration = '4s', warmup = '1s' }\n\
                      workers = { count = 8, delay = { choice = [[99, '2ms'], [1, '100ms']] } }";

const POLICIES: [&str; 4] = ["round-robin", "shared-queue", "least-loaded", "power-of-two"];

fn ideal(text: &str) -> Zload {
    Zload::with_scenario("ideal", text)
}

fn json(text: &str) -> Value {
    ideal(text).args(&["--format", "json"]).result(0)
}

#[test]
fn the_report_compares_the_policies_and_prices_round_robin() {
    let ended = ideal(UNEVEN).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for policy in POLICIES {
        assert!(ended.stdout.contains(&format!("  {policy}")), "no {policy} in\n{}", ended.stdout);
    }
    for part in ["p99.9", "busy", "█", "First reply with round-robin", "round-robin costs "] {
        assert!(ended.stdout.contains(part), "no {part:?} in\n{}", ended.stdout);
    }
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'));
}

#[test]
fn one_policy_can_be_asked_for() {
    let ended = ideal(UNEVEN).args(&["--policy", "shared-queue"]).end();
    assert!(ended.stdout.contains("First reply with shared-queue"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("round-robin"), "{}", ended.stdout);
    let ended = ideal(UNEVEN).args(&["--policy", "random"]).end();
    assert_eq!(ended.code, Some(2));
    for policy in POLICIES {
        assert!(ended.stderr.contains(policy), "{}", ended.stderr);
    }
}

#[test]
fn the_object_names_its_plan_and_is_the_same_every_time() {
    let one = json(UNEVEN);
    assert!(one == json(UNEVEN), "nothing of it depends on when it is made");
    assert_eq!(one["schema"], "zload.ideal/1");
    assert_eq!(one["seed"], 7);
    assert_eq!(one["scenario"]["workers"]["count"], 8);
    let policies = one["policies"].as_array().expect("an array");
    let names: Vec<&str> =
        policies.iter().filter_map(|figures| figures["policy"].as_str()).collect();
    assert_eq!(names, POLICIES);
    for figures in policies {
        assert_eq!(number(figures, "first_reply.count"), number(figures, "requests"));
        assert_eq!(number(figures, "requests"), number(&policies[0], "requests"));
        assert!(number(figures, "first_reply.p99_ns") >= 2_000_000, "no less than the work");
        assert!(!figures["last_reply"]["histogram"].as_str().expect("text").is_empty());
    }
    let p99 = |index: usize| number(&policies[index], "first_reply.p99_ns");
    assert!(p99(1) < p99(0), "a queue for all beats turns when requests are uneven");
    let checked = Zload::with_scenario("check", UNEVEN).end().stdout;
    assert!(checked.contains(one["plan_hash"].as_str().expect("text")), "{checked}");
    let schema = Zload::new(&["schema", "ideal"]).end().result(0);
    let valid = jsonschema::validator_for(&schema).expect("a JSON Schema");
    assert!(valid.is_valid(&one));
    assert!(!valid.is_valid(&serde_json::json!({ "schema": "zload.ideal/1" })));
}

#[test]
fn a_saved_ideal_shows_as_it_was_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ideal.json");
    let path = path.to_str().expect("a UTF-8 path");
    let printed = ideal(UNEVEN).args(&["-o", path]).end().stdout;
    assert_eq!(Zload::new(&["show", path]).end().stdout, printed);
    let json = Zload::new(&["show", path, "--format", "json"]).end().stdout;
    assert_eq!(json, std::fs::read_to_string(path).expect("the saved ideal"));
}

#[test]
fn overrides_change_the_plan_and_the_pool() {
    let requests = |args: &[&str]| {
        let result = ideal(UNEVEN).args(&["--format", "json"]).args(args).result(0);
        number(&result["policies"][0], "requests")
    };
    let most = requests(&["--duration", "8s"]);
    assert!(most > requests(&[]) && requests(&[]) > requests(&["--rate", "100/s"]));
    // The pool is no part of the plan, but of its ideal.
    let workers =
        |count: &str| ideal(UNEVEN).args(&["--format", "json", "--workers", count]).result(0);
    let (one, many) = (workers("2"), workers("200"));
    assert_eq!(one["plan_hash"], many["plan_hash"]);
    let mean = |result: &Value| number(&result["policies"][0], "first_reply.mean_ns");
    assert!(mean(&one) > mean(&many));
}

#[test]
fn a_load_above_capacity_is_said_to_grow() {
    let text = "load = { rate = '1k/s' }\nrun = { duration = '2s' }\nworkers = { count = 1, delay = '2ms' }";
    let ended = ideal(text).end();
    assert!(
        ended.stdout.contains("200.0 %") && ended.stdout.contains("the queue grows"),
        "{}",
        ended.stdout
    );
    assert_eq!(json(text)["policies"][0]["queue_grows"], true);
    assert_eq!(json(UNEVEN)["policies"][0]["queue_grows"], false);
}

#[test]
fn a_plan_without_work_says_so_and_an_external_server_has_an_ideal_too() {
    let ended = Zload::new(&["ideal", "configs/external.toml"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("this plan has no work"), "{text}");
    assert!(text.contains("the external server may differ"), "{text}");
}

#[test]
fn what_has_no_ideal_is_refused_with_the_reason() {
    let ended = Zload::new(&["ideal", "configs/hotpath.toml"]).end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    for part in ["configs/hotpath.toml", "its rate is infinite", "load.think"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    let wrong = ideal("load = { rate = '1k/s' }").args(&["--set", "workers.cuont=3"]).end();
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("did you mean `count`"), "{}", wrong.stderr);
    let unwritable = ideal(UNEVEN).args(&["-o", "/nowhere/ideal.json"]).end();
    assert_eq!(unwritable.code, Some(2));
    assert!(unwritable.stderr.contains("cannot write"), "{}", unwritable.stderr);
}
