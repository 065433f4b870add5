//! The shipped scenarios: each is explained, checked, and runs.

use std::path::{Path, PathBuf};

use crate::support::{Zload, ledger, number};
use rustix::process::Signal;
use serde_json::Value;

/// Shorter than a user's run, and on a free port.
const SHORT: [&str; 6] = [
    "--duration",
    "500ms",
    "--set",
    "run.warmup=100ms",
    "--set",
    "proxy.frontend=tcp://127.0.0.1:*",
];

fn shipped() -> Vec<PathBuf> {
    scenarios("configs")
}

/// Scenarios for servers that exist, which `scripts/servers` runs.
fn for_servers() -> Vec<PathBuf> {
    scenarios("configs/servers")
}

fn scenarios(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of scenarios");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension() == Some("toml".as_ref())).collect();
    paths.sort();
    paths
}

fn is_external(path: &Path) -> bool {
    path.ends_with("external.toml")
}

#[test]
fn each_says_which_question_it_answers() {
    for path in shipped().into_iter().chain(for_servers()) {
        let text = std::fs::read_to_string(&path).expect("a text file");
        let explanation: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(explanation.contains("Question:"), "{}", path.display());
    }
}

#[test]
fn each_is_valid_as_it_stands() {
    let paths: Vec<PathBuf> = shipped().into_iter().chain(for_servers()).collect();
    let mut args = vec!["check"];
    args.extend(paths.iter().map(|path| path.to_str().expect("UTF-8")));
    let ended = Zload::new(&args).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.matches(": ok\n").count(), paths.len());
}

#[test]
fn each_runs_and_loses_nothing() {
    for path in shipped().into_iter().filter(|path| !is_external(path)) {
        let path = path.to_str().expect("UTF-8");
        let result = Zload::new(&["run", path, "--format", "json", "-q"]).args(&SHORT).result(0);
        let ledger = ledger(&result);
        assert!(number(&result, "ledger.requests_sent") > 0, "{path}");
        assert_eq!(ledger["replies_duplicate"], 0, "{path}");
        // With delays of up to a second, a short drain ends before the last replies of the example and of queues.
        if !["asyncsrv", "poisson", "uneven-workers", "lru"].iter().any(|slow| path.contains(slow))
        {
            assert_eq!(ledger["requests_lost"], 0, "{path}: {}", result["notes"]);
        }
    }
}

#[test]
fn the_hot_path_recipe_works_for_every_engine() {
    for engine in ["poll", "builtin", "batch", "lru"] {
        let engine_is = format!("proxy.engine={engine}");
        let result = Zload::new(&[
            "run",
            "configs/hotpath.toml",
            "--format",
            "json",
            "-q",
            "--set",
            &engine_is,
        ])
        .args(&SHORT)
        .result(0);
        assert_eq!(ledger(&result)["requests_lost"], 0, "{engine}");
        assert_eq!(result["proxy"]["engine"], engine);
    }
}

#[test]
fn the_external_one_works_against_a_server_of_our_own() {
    let config = "configs/external.toml";
    let mut serving = Zload::new(&["serve", config, "-q", "--set", "proxy.engine=batch"])
        .args(&SHORT[4..])
        .start();
    let line = serving.await_line("listening on ");
    let frontend = format!("proxy.frontend={}", line.trim_start_matches("listening on "));
    let result = Zload::new(&["run", config, "--format", "json", "-q", "--set", &frontend])
        .args(&SHORT[..4])
        .result(0);
    assert_eq!(ledger(&result)["requests_answered"], 500);
    assert_eq!(result["proxy"]["messages_in"], Value::Null, "what is inside is not known");
    serving.signal(Signal::INT);
    assert_eq!(serving.end().code, Some(130));
}

#[test]
fn the_example_is_the_same_work_for_the_same_seed_and_other_work_for_another() {
    let start = |seed: &str| {
        Zload::new(&["run", "configs/asyncsrv.toml", "--format", "json", "-q", "--seed", seed])
            .args(&SHORT[4..])
            .start()
    };
    let running = ["5570", "5570", "5571"].map(start);
    let [one, again, other] = running.map(|running| {
        let result = running.end().result(0);
        let ledger = ledger(&result);
        let work =
            ["requests_sent", "replies_expected", "requests_silent"].map(|key| ledger[key].clone());
        (result["plan_hash"].clone(), work)
    });
    assert_eq!(one, again);
    assert_eq!(one.1[0], 15, "3 clients, once a second, 5 seconds");
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
}
