//! Sweeps as people make them: a grid played and said, gone on with, ended early, and their wrong inputs.
//!
//! No test here asks how fast anything is: where the system is overloaded is planted, at twice what its workers can do.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Ended, Zload, assert_ends, children};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// Its worker can do 100/s.
const SCENARIO: &str = "name = 'planted'\nload = { rate = '1/s' }\nproxy = { engine = 'batch' }\n\
                        run = { drain = '100ms' }\nworkers = { count = 1, delay = '10ms' }\n\
                        thresholds = { limits = ['ledger.requests_unsent == 0', 'first_reply.max < 1ms'] }";
const SHORT: [&str; 6] = ["--over", "load.rate=20,50,200", "--duration", "500ms", "--passes", "2"];

/// A folder with the scenario as a.toml.
fn folder(scenario: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("a.toml"), scenario).expect("writing");
    folder
}

fn sweep(folder: &TempDir, args: &[&str]) -> Zload {
    Zload::new(&["sweep", "a.toml", "-o", "s.json"]).folder(folder.path()).args(args)
}

fn saved(folder: &TempDir) -> Value {
    let text = std::fs::read_to_string(folder.path().join("s.json")).expect("the saved sweep");
    serde_json::from_str(&text).expect("a JSON object")
}

fn show(folder: &TempDir, args: &[&str]) -> String {
    let ended = Zload::new(&["show", "s.json"]).folder(folder.path()).args(args).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().unwrap_or_else(|| panic!("no {key} in {of}"))
}

fn runs(result: &Value) -> Vec<&Value> {
    list(result, "points").iter().flat_map(|point| list(point, "runs")).collect()
}

/// That every run is in its place: each point once in a pass, numbered in the order that the result says.
fn assert_ordered(result: &Value, played: usize) {
    let mut numbered = Vec::new();
    for (place, point) in list(result, "points").iter().enumerate() {
        for run in list(point, "runs") {
            let number = |key: &str| run[key].as_u64().expect("a number");
            numbered.push((number("number"), number("pass"), place as u64, number("seed")));
        }
    }
    numbered.sort_unstable();
    let order: Vec<(u64, u64)> = list(result, "order")
        .iter()
        .zip(1..)
        .flat_map(|(order, pass)| {
            let points = order.as_array().expect("an order");
            points.iter().map(move |point| (pass, point.as_u64().expect("a point")))
        })
        .collect();
    let as_played: Vec<(u64, u64)> = numbered.iter().map(|run| (run.1, run.2)).collect();
    assert_eq!(as_played, order[..played], "played in the order that is recorded");
    assert!(numbered.iter().zip(1..).all(|(run, number)| run.0 == number));
    let seeds: BTreeSet<(u64, u64)> = numbered.iter().map(|run| (run.1, run.3)).collect();
    let passes: BTreeSet<u64> = numbered.iter().map(|run| run.1).collect();
    assert_eq!(seeds.len(), passes.len(), "one seed for each pass");
}

fn assert_error(ended: &Ended, part: &str) {
    assert_eq!(ended.code, Some(2), "{}\n{}", ended.stderr, ended.stdout);
    assert!(ended.stderr.contains(part), "no {part:?} in\n{}", ended.stderr);
}

#[test]
fn a_sweep_says_where_the_system_is_overloaded_and_draws_no_percentile_there() {
    let folder = folder(SCENARIO);
    let ended = sweep(&folder, &SHORT).args(&["--html", "s.html"]).end();
    assert!(matches!(ended.code, Some(0 | 3)), "{:?} {}", ended.code, ended.stderr);
    assert!(ended.stderr.contains("3 points in 2 passes: 6 runs of 500ms"), "{}", ended.stderr);
    let result = saved(&folder);
    assert_eq!(result["schema"], "zload.sweep/1");
    assert_ordered(&result, 6);
    let [low, _, beyond] = list(&result, "points") else { panic!("three points in {result}") };
    assert_eq!((&beyond["values"][0], &beyond["bound_per_s"]), (&"200/s".into(), &100.0.into()));
    // A busy machine may spoil a run, and never makes an overloaded one keep up.
    assert_ne!(beyond["state"], "ok");
    let figures = beyond["figures"].as_object().expect("figures");
    assert!(figures.keys().all(|name| !name.starts_with("latency.")), "{figures:?}");
    if low["state"] == "ok" && beyond["state"] == "overload" {
        assert!(ended.stdout.starts_with("planted keeps up with "), "{}", ended.stdout);
        assert!(ended.stdout.contains("is overloaded at 200/s"), "{}", ended.stdout);
        let page = std::fs::read_to_string(folder.path().join("s.html")).expect("the page");
        assert!(page.contains("200/s: overloaded") && !page.contains("200/s: p99"), "{page}");
    }
    assert_eq!(ended.stdout, show(&folder, &[]), "what is saved says the same");
    let table = show(&folder, &["--format", "csv"]);
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("load.rate,state,runs,offered_per_s"), "{table}");
    assert_eq!((rows.len(), rows[3].starts_with("200/s,")), (4, true), "{table}");
}

#[test]
fn a_sweep_goes_on_where_it_ended_and_grows_by_passes() {
    let folder = folder(SCENARIO);
    let first = sweep(&folder, &SHORT[..4]).args(&["--passes", "1", "-q"]).end();
    assert!(matches!(first.code, Some(0 | 3)), "{}", first.stderr);
    let before = saved(&folder);
    let more = sweep(&folder, &SHORT).args(&["--resume"]).end();
    assert!(matches!(more.code, Some(0 | 3)), "{}", more.stderr);
    assert!(more.stderr.contains("3 runs of 500ms"), "{}", more.stderr);
    let after = saved(&folder);
    assert_ordered(&after, 6);
    let kept = runs(&after).into_iter().filter(|run| run["pass"] == 1).collect::<Vec<_>>();
    assert_eq!(kept, runs(&before), "what was played is not played again");
    assert_eq!(after["seed"], before["seed"]);
    for (args, part) in [
        (&["--over", "load.rate=20,50", "--duration", "500ms"][..], "another grid"),
        (
            &["--over", "load.rate=20,50,200", "--duration", "400ms"],
            "leave out --time and --duration",
        ),
        (&["--over", "load.rate=20,50,200", "--clients", "2"], "another scenario"),
        (&["--over", "load.rate=20,50,200", "--y", "first_reply.p90"], "another --y"),
        (&["--over", "load.rate=20,50,200", "--cpus", "1"], "another --cpus"),
    ] {
        assert_error(&sweep(&folder, args).args(&["--resume", "-q"]).end(), part);
        assert_eq!(saved(&folder), after, "{part}: the file stays as it was");
    }
}

#[test]
fn an_interrupted_sweep_says_what_was_measured() {
    let folder = folder(SCENARIO);
    let args = ["--over", "load.rate=20,50", "--duration", "200ms", "--passes", "50"];
    let mut running = sweep(&folder, &args).start();
    running.await_line("pass 2/50");
    running.signal(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("planted (interrupted after "), "{}", ended.stdout);
    let result = saved(&folder);
    assert_eq!(result["interrupted"], true);
    let played = runs(&result).len();
    assert!(played >= 2, "a whole pass was played, not {played} runs");
    assert_ordered(&result, played);
}

#[test]
fn a_sweep_that_is_killed_leaves_its_file_and_no_process() {
    let folder = folder(SCENARIO);
    let args = ["--over", "load.rate=20,50", "--duration", "2s", "--passes", "50"];
    let mut running = sweep(&folder, &args).start();
    running.await_line("pass 2/50");
    let players = children(running.id());
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None, "killed by a signal");
    players.into_iter().for_each(assert_ends);
    let result = saved(&folder);
    assert_eq!(runs(&result).len(), 2, "all that was played by then");
    show(&folder, &[]);
}

#[test]
fn a_point_that_must_meet_the_thresholds_decides_the_exit_code() {
    let folder = folder(SCENARIO);
    let args = ["--over", "load.rate=20,50", "--duration", "300ms", "--passes", "1", "-q"];
    let free = sweep(&folder, &args).end();
    assert!(matches!(free.code, Some(0 | 3)), "{}", free.stderr);
    let held = sweep(&folder, &args).args(&["--require", "load.rate=50"]).end();
    assert!(matches!(held.code, Some(1 | 3)), "{:?} {}", held.code, held.stderr);
    if held.code == Some(1) {
        let said = "load.rate=50/s misses first_reply.max < 1ms";
        assert!(held.stdout.contains(said), "{}", held.stdout);
    }
}

#[test]
fn a_scenario_may_say_what_is_swept_and_values_need_not_be_rates() {
    let text = "load = { model = 'closed' }\nworkers = { count = 1, delay = '5ms' }\n\
                [[sweep.over]]\nkey = 'clients.count'\nvalues = [1, 2]\n\
                [[sweep.over]]\nkey = 'workers.count'\nvalues = ['1..2/2']";
    let folder = folder(text);
    let ended = sweep(&folder, &["--duration", "200ms", "--passes", "1", "-q"]).end();
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    let result = saved(&folder);
    assert_ordered(&result, 4);
    let values: Vec<String> =
        list(&result, "points").iter().map(|point| point["values"].to_string()).collect();
    assert_eq!(values, [r#"["1","1"]"#, r#"["1","2"]"#, r#"["2","1"]"#, r#"["2","2"]"#]);
    assert!(
        ended.stdout.contains("throughput.replies_per_s by clients.count and workers.count"),
        "{}",
        ended.stdout
    );
}

#[test]
fn wrong_inputs_are_refused_before_anything_is_played() {
    let folder = folder(SCENARIO);
    let rates = ["--over", "load.rate=20,50"];
    for (args, part) in [
        (&["--over", "load.rate=20"][..], "one point is nothing to sweep"),
        (&["--over", "load.rate=50..20/3"], "must end above its begin"),
        (&["--over", "workers.count"], "has no values"),
        (&["--over", "run.duration=1s,2s"], "cannot be swept"),
        (&["--over", "load.stages=1s@1/s"], "cannot be swept"),
        (&["--over", "workers.cuont=1,2"], "did you mean `count`?"),
        (&["--over", "workers.count=1,x"], "--over:1"),
        (&["--over", "load.rate=1..500/401"], "give --time"),
        (&["--over", "load.rate=20,50", "--rate", "9/s"], "is both set and swept"),
        (&["--over", "load.rate=20,50", "--requests", "9"], "load.requests has no effect"),
        (&["--over", "load.rate=20,50", "--time", "1s"], "do not fit into 1s"),
        (&["--over", "load.rate=20,50", "--time", "9s", "--duration", "1s"], "cannot be used with"),
        (&["--over", "load.rate=20,50", "--y", "first_reply.p98"], "did you mean"),
        (&["--over", "load.rate=20,50", "--require", "load.rate=30"], "it gets 20/s, 50/s"),
        (&["--over", "load.rate=20,50", "--require", "workers.count=1"], "is not swept"),
        (&["--over", "load.rate=20,50", "--require", "load.rate"], "write it as KEY=VALUE"),
        (&["--over", "load.rate=20,50", "--format", "otava"], "is not available for a sweep"),
        (&["--over", "load.rate=20,50", "--passes", "0"], "0 is not in 1..=1000"),
        (&["--set", "load.model=closed"], "a closed load has no rate"),
    ] {
        assert_error(&sweep(&folder, args).end(), part);
        assert!(!folder.path().join("s.json").exists(), "{part}");
    }
    let bare = Zload::new(&["sweep", "a.toml", "--resume"]).folder(folder.path()).args(&rates);
    assert_error(&bare.end(), "--output");
    std::fs::write(folder.path().join("s.json"), "{}").expect("writing");
    assert_error(&sweep(&folder, &rates).args(&["--resume"]).end(), "not a usable result");
    let scenario = folder.path().join("a.toml");
    let over_input =
        Zload::new(&["sweep", "a.toml", "-o", "a.toml"]).folder(folder.path()).args(&rates);
    assert_error(&over_input.end(), "it would replace an input");
    assert_eq!(std::fs::read_to_string(Path::new(&scenario)).expect("the scenario"), SCENARIO);
}
