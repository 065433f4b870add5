//! Probe clients (`clients.probes`), as users see them: they are beside the load and in none of its figures, and every message
//! is counted once.

use serde_json::Value;

use crate::support::{ENGINES, Zload, ledger, number};

const OPEN: &str = "run = { warmup = '200ms', duration = '1s' }\nload.rate = '500/s'\n\
                    workers = { count = 3, replies = { uniform = [0, 3] } }\n";

fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The object that a result has of probes, with a ledger whose equations hold.
fn probes(result: &Value) -> &Value {
    ledger(&result["probes"]);
    &result["probes"]
}

#[test]
fn probes_are_counted_apart_and_together_they_are_what_the_server_had() {
    let without = Zload::run(OPEN).result(0);
    assert!(without.get("probes").is_none());
    for engine in ENGINES {
        let sets = ["--set", "clients.probes=2", "--set", &format!("clients.engine={engine}")];
        let result = Zload::run(OPEN).args(&sets).result(0);
        // The load is the same as without them.
        for field in ["requests_planned", "requests_silent", "replies_expected"] {
            assert_eq!(ledger(&result)[field], ledger(&without)[field], "{field}");
        }
        assert_ne!(result["plan_hash"], without["plan_hash"]);
        let probes = probes(&result);
        assert_eq!((&probes["clients"], &probes["offered_per_s"]), (&2.into(), &40.0.into()));
        // By plan: the same in each run.
        let sent = number(probes, "ledger.requests_sent");
        assert!((15..75).contains(&sent), "{sent} of 40 on average");
        assert_eq!(number(probes, "ledger.requests_lost"), 0);
        let answered = number(probes, "ledger.requests_answered");
        assert_eq!(number(probes, "service.count"), answered);
        // It holds only if the server had the requests of both, and no other.
        let conserved = check(&result, "conservation");
        assert_eq!((&conserved["status"], &conserved["value"]), (&"pass".into(), &0.0.into()));
        assert_eq!(check(&result, "littles_law")["status"], "pass");
    }
}

#[test]
fn probes_are_beside_every_kind_of_load_that_a_time_ends() {
    for load in [
        "load = { model = 'closed', in_flight = 4 }\nrun.duration = '500ms'",
        "load.stages = '300ms@1k/s, 300ms@4k/s'",
        "load = { model = 'closed', think = '2ms' }\nrun.duration = '500ms'\nworkers.delay = '100us'",
    ] {
        let text = format!("{load}\nclients.probes = 3");
        let result = Zload::run(&text).args(&["--repeat", "2"]).result(0);
        let sent: u64 = [0, 1]
            .map(|run| number(probes(&result["runs"][run]), "ledger.requests_sent"))
            .iter()
            .sum();
        assert_eq!(number(probes(&result), "ledger.requests_sent"), sent, "{load}");
        assert_eq!(check(&result, "conservation")["value"], 0.0, "{load}");
    }
}

#[test]
fn a_report_shows_probes_and_a_result_whose_probes_contradict_themselves_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.json");
    let path = path.to_str().expect("a UTF-8 path");
    let text = format!("{OPEN}thresholds.limits = ['probes.first_reply.p50 < 10s']");
    let told = Zload::with_scenario("run", &text)
        .args(&["--set", "clients.probes=2", "-o", path, "-v", "-q"])
        .end();
    assert!(told.stdout.contains("probes.first_reply.p50 < 10s"), "{}", told.stdout);
    assert!(
        told.stdout.contains("2 probe clients on a driver of their own, 40"),
        "{}",
        told.stdout
    );
    assert!(told.stdout.contains("2 probe clients, 40"), "{}", told.stdout);
    let saved = std::fs::read_to_string(path).expect("the result");
    let mut result: Value = serde_json::from_str(&saved).expect("an object");
    let sent = number(&result, "probes.ledger.requests_sent");
    result["probes"]["ledger"]["requests_sent"] = (sent + 1).into();
    std::fs::write(path, result.to_string()).expect("writing");
    let refused = Zload::new(&["show", path]).end();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("requests_planned = requests_sent"), "{}", refused.stderr);
}

#[test]
fn what_probes_cannot_be_beside_is_an_error_that_says_why() {
    for (set, said) in [
        ("clients.probes=-1", "-1 is out of range"),
        ("clients.probes=101", "must be from 0 to 100"),
        ("clients.probes=3", "use at most 2"),
        ("load.requests=500", "conflicts with load.requests"),
    ] {
        let text = OPEN.replace("duration = '1s'", "drain = '1s'") + "clients.probes = 1";
        let refused = Zload::with_scenario("check", &text).args(&["--set", set]).end();
        assert_eq!(refused.code, Some(2), "{set}");
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let shard = ["--shard", "0/2", "-o", "x", "--set", "clients.probes=1"];
    let refused = Zload::with_scenario("run", OPEN).args(&shard).end();
    assert!(refused.stderr.contains("clients.probes are of a whole run"), "{}", refused.stderr);
}
