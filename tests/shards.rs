//! One plan, played by several processes against one server: what they save, what a merge makes of it, and what it refuses.

use std::path::{Path, PathBuf};

use crate::support::{Ended, Running, Zload, ledger, number};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use zload_core::record::{EncodedLatencies, LatencyHistogram};

const SCENARIO: &str = "seed = 7\nload = { rate = '400/s', arrivals = 'poisson' }\n\
    clients = { count = 11 }\nworkers = { count = 3, replies = { uniform = [0, 3] } }\n\
    run = { warmup = '100ms', duration = '1s' }\nproxy = { frontend = 'tcp://127.0.0.1:*' }";

/// A server for clients elsewhere, and a folder for what they write.
struct Bench {
    server: Running,
    endpoint: String,
    folder: TempDir,
    scenario: PathBuf,
}

impl Bench {
    fn start(text: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let scenario = folder.path().join("a.toml");
        std::fs::write(&scenario, text).expect("writing");
        let saved = folder.path().join("serve.json");
        let args = ["serve", path(&scenario), "-q", "-o", path(&saved)];
        let mut server = Zload::new(&args).start();
        let line = server.await_line("listening on ");
        let endpoint = line.trim_start_matches("listening on ").to_owned();
        Self { server, endpoint, folder, scenario }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `zload run` of this shard, or of the whole.
    fn run(&self, shard: Option<&str>, output: &str) -> Zload {
        let output = self.file(output);
        let run = Zload::new(&["run", path(&self.scenario), "--connect", &self.endpoint, "-q"]);
        let run = run.args(&["-o", path(&output)]);
        match shard {
            Some(shard) => run.args(&["--shard", shard]),
            None => run,
        }
    }

    /// Plays all shards at once.
    fn shards(&self, count: u32) -> Vec<PathBuf> {
        let start = |index: u32| {
            let shard = format!("{index}/{count}");
            self.run(Some(&shard), "{shard}.json").start()
        };
        let all: Vec<Running> = (0..count).map(start).collect();
        for running in all {
            let ended = running.end();
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
            assert!(ended.stderr.contains(&format!(" of {count} on ")), "{}", ended.stderr);
        }
        (0..count).map(|index| self.file(&format!("{index}-of-{count}.json"))).collect()
    }

    fn ends(self) -> TempDir {
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.end().code, Some(130));
        self.folder
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

fn merge(files: &[PathBuf]) -> Zload {
    let files: Vec<&str> = files.iter().map(|file| path(file)).collect();
    Zload::new(&["merge", "--format", "json"]).args(&files)
}

fn refused(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("reading")).expect("JSON")
}

fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).expect("there is such a check")
}

#[test]
fn any_number_of_shards_is_the_plan_of_one_process() {
    let bench = Bench::start(SCENARIO);
    let ended = bench.run(None, "one.json").end();
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    let one = json(&bench.file("one.json"));
    for count in [1, 2, 3, 8] {
        let files = bench.shards(count);
        let whole = merge(&files).result(0);
        ledger(&whole);
        for counted in ["requests_planned", "requests_sent", "requests_silent", "replies_expected"]
        {
            let counted = format!("ledger.{counted}");
            assert_eq!(number(&whole, &counted), number(&one, &counted), "{counted} of {count}");
        }
        assert_eq!((&whole["plan_hash"], &whole["seed"]), (&one["plan_hash"], &one["seed"]));
        assert_eq!(whole["shards"].as_array().map(Vec::len), Some(count as usize));
        assert_eq!(check(&whole, "complete")["status"], "pass");
        assert_eq!(number(&whole, "ledger.requests_lost"), 0, "two clients had one identity");
        // The percentiles are those of all values together.
        let mut union = LatencyHistogram::new();
        for file in &files {
            let first_reply = json(file)["measured"]["first_reply"].take();
            let encoded: EncodedLatencies =
                serde_json::from_value(first_reply).expect("a distribution");
            union.merge(&encoded.decoded().expect("one of zload's"));
        }
        let of_whole = &whole["latency"]["first_reply"];
        assert_eq!(of_whole["count"].as_u64(), Some(union.histogram().len()));
        assert_eq!(of_whole["p50_ns"].as_u64(), union.percentile(0.5));
        assert_eq!(of_whole["max_ns"].as_u64(), union.max());
        assert_eq!(of_whole["mean_ns"].as_i64(), union.mean());
    }
    bench.ends();
}

#[test]
fn the_books_of_both_hosts_balance() {
    let bench = Bench::start(SCENARIO);
    let mut files = bench.shards(2);
    let folder = bench.ends();
    files.push(folder.path().join("serve.json"));
    let whole = merge(&files).result(0);
    let balanced = check(&whole, "conservation");
    assert_eq!(balanced["status"], "pass", "{balanced}");
    assert!(whole["ideal"].is_object(), "the workers are known: {}", whole["notes"]);
    // A server that another client used, too.
    let mut served = json(&files[2]);
    served["requests_served"] = (number(&served, "requests_served") + 5).into();
    std::fs::write(&files[2], served.to_string()).expect("writing");
    let whole = merge(&files).result(0);
    let found = check(&whole, "conservation");
    assert_eq!(found["status"], "warn", "{found}");
    assert!(
        found["sentence"].as_str().is_some_and(|text| text.starts_with("5 requests were served"))
    );
}

#[test]
fn what_is_missing_makes_the_whole_invalid_and_what_does_not_belong_is_refused() {
    let bench = Bench::start(SCENARIO);
    let files = bench.shards(3);
    let missing = merge(&[files[0].clone(), files[2].clone()]).end();
    assert_eq!(missing.code, Some(3), "{}", missing.stderr);
    let whole: Value = serde_json::from_str(&missing.stdout).expect("a result");
    let sentence = check(&whole, "complete")["sentence"].as_str().unwrap_or_default();
    assert!(sentence.starts_with("shard 1 of 3 is missing: 4 of 11 clients, "), "{sentence}");

    refused(
        &merge(&[files[0].clone(), files[1].clone(), files[0].clone()]).end(),
        &["0-of-3.json and ", "are both shard 0 of 3"],
    );
    let ended = bench.run(None, "one.json").end();
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    let one = bench.file("one.json");
    refused(
        &merge(&[files[0].clone(), one.clone()]).end(),
        &["one.json", "the result of a whole run"],
    );
    let other = bench.run(Some("1/3"), "other.json").args(&["--seed", "8"]).end();
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    refused(
        &merge(&[files[0].clone(), bench.file("other.json")]).end(),
        &["0-of-3.json and ", "other.json are not parts of one run: seed is 7 in the one and 8"],
    );
    let whole = bench.file("whole.json");
    let saved = merge(&files).args(&["-o", path(&whole)]).end();
    assert!(matches!(saved.code, Some(0 | 3)), "{}", saved.stderr);
    refused(&merge(&[files[0].clone(), whole.clone()]).end(), &["merges are not merged"]);
    let text = std::fs::read_to_string(&files[1]).expect("reading");
    std::fs::write(&files[1], &text[..text.len() / 2]).expect("writing");
    refused(&merge(&files).end(), &["1-of-3.json: not a usable result"]);

    let compared = Zload::new(&["compare", path(&files[0]), path(&one)]).end();
    refused(&compared, &["it is a shard, a part of a run: zload merge"]);
    let shown = Zload::new(&["show", path(&files[0])]).end();
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("shard 0 of 3") && shown.stdout.contains("A part of a run"));
    let shown = Zload::new(&["show", "-v", path(&whole)]).end();
    assert!(shown.stdout.contains("Shards: 3 on 1 host"), "{}", shown.stdout);
    bench.ends();
}

#[test]
fn an_interrupted_shard_is_saved_and_says_so() {
    let bench = Bench::start(&SCENARIO.replace("'1s'", "'20s'"));
    let mut shard = bench.run(Some("0/1"), "{shard}.json").args(&["--set", "run.drain=1s"]).start();
    shard.await_caught(Signal::TERM);
    shard.signal(Signal::TERM);
    shard.await_line("interrupted, saved ");
    assert_eq!(shard.end().code, Some(130));
    let saved = json(&bench.file("0-of-1.json"));
    assert_eq!(saved["measured"]["interrupted"], true);
    let whole = merge(&[bench.file("0-of-1.json")]).end();
    assert!(matches!(whole.code, Some(0 | 3)), "the merge itself was not: {}", whole.stderr);
    bench.ends();
}

#[test]
fn a_shard_that_cannot_be_is_refused_before_anything_starts() {
    let run = |args: &[&str]| Zload::with_scenario("run", SCENARIO).args(args).end();
    let to = ["--connect", "tcp://127.0.0.1:9", "-o", "/dev/null"];
    refused(&run(&["--shard", "8/8"]), &["shards count from 0, so the last of 8 is 7/8"]);
    refused(&run(&["--shard", "two"]), &["INDEX/COUNT, as in 2/8"]);
    for (args, part) in [
        (&["--shard", "0/2", "--connect", "tcp://127.0.0.1:9"][..], "--shard needs -o FILE"),
        (&["--shard", "0/2", "-o", "/dev/null"], "every shard would run a proxy of its own"),
        (&[&["--shard", "0/12"], &to[..]].concat(), "use at most 11 shards"),
        (&[&["--shard", "0/2", "--repeat", "2"], &to[..]].concat(), "--repeat is of a whole run"),
        (&[&["--shard", "0/2", "--html", "/dev/null"], &to[..]].concat(), "zload merge"),
        (
            &["--connect", "tcp://127.0.0.1:9", "--set", "server.command=['x','{frontend}']"],
            "leave one of them out",
        ),
        (
            &["--shard", "0/2", "--set", "server.command=['x','{frontend}']"],
            "every shard would start one of its own",
        ),
    ] {
        refused(&run(args), &[part]);
    }
}

#[test]
fn check_says_what_each_shard_has() {
    let ended = Zload::with_scenario("check", SCENARIO).args(&["--shards", "3"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in ["shard     0 to 1: 4 clients, 145/s, ", "2: 3 clients, 109/s", "--connect"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    refused(
        &Zload::with_scenario("check", SCENARIO).args(&["--shards", "12"]).end(),
        &["at most 11 shards"],
    );
}
