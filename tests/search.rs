//! Searches through the built program, over servers of which it is known what they sustain.
//!
//! The machine of a test is of any kind and busy, so that a trial may be void or missed by it: what holds whatever it does is that no
//! answer claims more than the server can do, and that files, exit codes and words agree.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::support::{Zload, number};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use zload::machine::clock::Clock;

const MS: u64 = 1_000_000;

/// A ROUTER that serves one request after the other, each for as long as `work` says of the time since the one before and of those
/// that wait, in nanoseconds. Replies leave when that time is over, which is worked out and not slept, so that being late once
/// delays nothing else.
struct Server {
    endpoint: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(mut work: impl FnMut(u64, usize) -> u64 + Send + 'static) -> Self {
        let context = zmq::Context::new();
        let router = context.socket(zmq::ROUTER).expect("a ROUTER");
        router.set_linger(0).expect("linger");
        router.set_sndhwm(0).expect("sndhwm");
        router.set_rcvhwm(0).expect("rcvhwm");
        router.bind("tcp://127.0.0.1:*").expect("binding");
        let endpoint = router.get_last_endpoint().expect("endpoint").expect("UTF-8");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let clock = Clock::start();
            let mut waiting: VecDeque<(u64, Vec<Vec<u8>>)> = VecDeque::new();
            let (mut free_ns, mut last_ns) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                let now_ns = clock.now_ns();
                while waiting.front().is_some_and(|(due_ns, _)| *due_ns <= now_ns) {
                    let (_, frames) = waiting.pop_front().expect("there is one");
                    router.send_multipart(frames, 0).expect("replying");
                }
                let wait = waiting.front().map_or(20 * MS, |(due_ns, _)| due_ns - now_ns);
                let wait_ms = i64::try_from(wait.min(20 * MS) / MS).expect("few");
                if router.poll(zmq::POLLIN, wait_ms).expect("polling") == 0 {
                    continue;
                }
                while let Ok(frames) = router.recv_multipart(zmq::DONTWAIT) {
                    let now_ns = clock.now_ns();
                    let work_ns = work(now_ns - last_ns, waiting.len());
                    last_ns = now_ns;
                    free_ns = u64::max(free_ns, now_ns) + work_ns;
                    waiting.push_back((free_ns, frames));
                }
            }
        });
        Self { endpoint, stop, thread: Some(thread) }
    }

    fn scenario(&self) -> String {
        format!(
            "name = 'known'\nload = {{ rate = '100/s' }}\nproxy = {{ engine = 'external', frontend = '{}' }}\n",
            self.endpoint
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// One worker that takes 10 ms: it serves 100/s.
const OWN: &str = "name = 'own'\nload = { rate = '50/s' }\nproxy.engine = 'batch'\n\
    workers = { count = 1, delay = '10ms' }\n";

/// What it prints as JSON, and its exit code, whatever the machine makes of it.
fn searched(scenario: &str, args: &[&str]) -> (Value, Option<i32>) {
    let ended =
        Zload::with_scenario("search", scenario).args(&["--format", "json", "-q"]).args(args).end();
    let result = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|_| panic!("{:?} {}{}", ended.code, ended.stdout, ended.stderr));
    (result, ended.code)
}

fn carried(result: &Value) -> Option<f64> {
    result["answers"][0]["carried"]["value"].as_f64()
}

fn missed(result: &Value) -> Option<f64> {
    result["answers"][0]["missed"]["value"].as_f64()
}

#[test]
fn no_more_is_said_to_be_sustained_than_a_hard_limit_allows() {
    let server = Server::start(|_, _| 10 * MS);
    let (result, code) = searched(
        &server.scenario(),
        &["--goal", "first_reply.p99 < 200ms", "--time", "14s", "--trial", "400ms"],
    );
    assert!([0, 3].map(Some).contains(&code), "{code:?}");
    // From the warm-up on the queue grows by what is too much; the last of the trial wait longest.
    let played = (number(&result, "trial_ns") + number(&result, "warmup_ns")) as f64 / 1e9;
    let most = 100.0 * (1.0 + 0.2 / (0.99 * played));
    assert!(carried(&result).is_none_or(|rate| rate < most * 1.05), "{result:#}");
    for trial in result["trials"].as_array().expect("trials") {
        let too_much = trial["value"].as_f64().expect("a rate") > most * 1.1;
        assert!(!too_much || trial["outcome"] != "met", "{trial}");
    }
    assert!(result["probe"]["requests_per_s"].as_f64().is_some_and(|rate| rate > 0.0));
    assert!(result["idle_ns"].as_u64().is_some_and(|ns| ns >= 10 * MS));
}

#[test]
fn the_ends_of_what_may_be_tried_are_no_bounds_of_the_system() {
    let ends = ["--from", "50/s", "--to", "90/s", "--time", "9s", "--trial", "100ms"];
    let (result, _) = searched(OWN, &[&["--goal", "first_reply.p50 < 1us"], &ends[..]].concat());
    assert_eq!(carried(&result), None, "{result:#}");
    assert!(missed(&result).is_none_or(|rate| rate >= 50.0));
    if result["answers"][0]["state"] == "all_missed" {
        assert_eq!(missed(&result), Some(50.0));
    }
    let (result, _) = searched(OWN, &[&["--goal", "first_reply.p50 < 1h"], &ends[..]].concat());
    assert_eq!(missed(&result), None, "{result:#}");
    assert!(carried(&result).is_none_or(|rate| rate <= 90.0));
}

#[test]
fn a_gate_passes_below_and_fails_above() {
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("gate.json");
    let path = path.to_str().expect("UTF-8");
    let goal = ["--goal", "first_reply.p99 < 400ms", "--time", "14s", "--trial", "500ms"];
    let (low, code) = searched(OWN, &[&goal[..], &["--at-least", "20/s", "-o", path]].concat());
    assert!([0, 3].map(Some).contains(&code), "{code:?} {low:#}");
    assert_eq!(code == Some(0), carried(&low) == Some(20.0), "{low:#}");
    let (high, code) = searched(OWN, &[&goal[..], &["--at-least", "400/s"]].concat());
    assert!([1, 3].map(Some).contains(&code), "{code:?} {high:#}");
    assert_eq!(carried(&high), None, "{high:#}");
    // What is shown later is the same, in whichever order the trials are kept.
    let shown = Zload::new(&["show", path, "-v"]).end();
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let mut kept: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
    kept["trials"].as_array_mut().expect("trials").reverse();
    std::fs::write(path, kept.to_string()).expect("writing");
    assert_eq!(Zload::new(&["show", path, "-v"]).end().stdout, shown.stdout);
    for (format, word) in [
        ("junit", "testcase"),
        ("csv", "over,number,role"),
        ("markdown", "own"),
        ("github-action-benchmark-bigger", "["),
    ] {
        let printed = Zload::new(&["show", path, "--format", format]).end();
        let invalid = printed.code == Some(2) && printed.stderr.contains("INVALID");
        assert!(printed.stdout.contains(word) || invalid, "{format}: {}", printed.stderr);
    }
}

#[test]
fn a_goal_that_is_missed_at_low_rates_is_said_to_be_so() {
    // Below 40/s it has gone to sleep, and takes 150 ms to wake.
    let server = Server::start(|gap_ns, _| if gap_ns > 25 * MS { 150 * MS } else { 0 });
    let (result, _) = searched(
        &server.scenario(),
        &[
            "--goal",
            "first_reply.p75 < 75ms",
            "--from",
            "4/s",
            "--to",
            "200/s",
            "--time",
            "16s",
            "--trial",
            "500ms",
        ],
    );
    let answer = &result["answers"][0];
    if result["verdict"] == "VALID" && answer["monotonic"].is_boolean() {
        assert_eq!(answer["monotonic"], false, "{result:#}");
        assert!(answer["missed_below"].as_f64().is_some_and(|rate| rate < 100.0));
    }
}

#[test]
fn a_server_that_does_not_recover_ends_the_search() {
    let mut broken = false;
    let server = Server::start(move |_, waiting| {
        broken |= waiting > 10;
        if broken { 120 * MS } else { 10 * MS }
    });
    let scenario = server.scenario();
    let args = ["--goal", "first_reply.p99 < 80ms", "--from", "60/s", "--to", "2k/s"];
    let times = ["--time", "20s", "--trial", "500ms"];
    let (result, code) = searched(&scenario, &[&args[..], &times].concat());
    if result["trials"]
        .as_array()
        .is_some_and(|trials| trials.iter().any(|of| of["outcome"] == "missed"))
    {
        assert_eq!((&result["stuck"], code), (&Value::Bool(true), Some(0)), "{result:#}");
        assert!(carried(&result).is_none_or(|rate| rate < 200.0));
    }
}

#[test]
fn ctrl_c_leaves_what_was_found() {
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("search.json");
    let path = path.to_str().expect("UTF-8");
    let mut running = Zload::with_scenario("search", OWN)
        .args(&[
            "--goal",
            "first_reply.p99 < 400ms",
            "--time",
            "40s",
            "--trial",
            "400ms",
            "-o",
            path,
        ])
        .start();
    running.await_line("trial 3");
    let so_far = Zload::new(&["show", path]).end();
    assert_eq!(so_far.code, Some(0), "readable while it goes on: {}", so_far.stderr);
    running.signal(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stdout.contains("[interrupted]"), "{}", ended.stdout);
    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
    assert_eq!(kept["interrupted"], true);
    assert!(kept["trials"].as_array().is_some_and(|trials| trials.len() >= 2), "{kept:#}");
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    for (args, said) in [
        (&["--goal", "first_replly.p99 < 5ms"][..], "did you mean `first_reply.p99`"),
        (&["--goal", "first_reply.p99"], "has no comparison"),
        (&["--goal", "series.p99 < 5ms"], "a goal cannot be on"),
        (&["--also", "x"], "strict=first_reply.p99 < 5ms"),
        (&["--also", "strict=first_reply.p99 < 5"], "it is a time"),
        (&["--also", "goal=first_reply.p99 < 5ms"], "what the first goal is called"),
        (&["--over", "banana"], "no number at banana"),
        (&["--over", "run.duration"], "trials set that themselves"),
        (&["--from", "5"], "write a rate above 0"),
        (&["--from", "10/s", "--to", "5/s"], "must be less than"),
        (&["--width", "90%"], "between 2% and 50%"),
        (&["--confidence", "20%"], "between 50% and 99.9%"),
        (&["--time", "1s"], "between 2s and 24h"),
        (&["--time", "5s", "--trial", "2s"], "has room for"),
        (&["--trial", "1ms"], "at least 50ms"),
        (&["--at-least", "5ms"], "write a rate above 0"),
        (&["--at-least", "5k/s", "--to", "9k/s"], "cannot be used with"),
        (&["--fail-on", "x"], "undecided, missed"),
        (&["--restart", "x"], "stuck, each, never"),
        (&["--cpus", "0"], "1..=4096"),
        (&["--duration", "5s"], "--trial sets"),
        (&["--requests", "5"], "--trial sets"),
        (&["--set", "run.warmup=5s"], "--trial sets"),
        (&["--stages", "5s@500/s", "--over", "clients.count"], "the load changes"),
        (&["--set", "load.model=closed", "--over", "load.rate"], "closed load"),
        (&["--format", "bencher"], "not available for a search"),
        (&["-o", "/nonexistent/x"], "cannot write"),
    ] {
        let ended = Zload::with_scenario("search", OWN).args(args).end();
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn the_scenario_says_goals_and_key() {
    let text = format!(
        "{OWN}[search]\ngoals = ['first_reply.p99 < 400ms']\nover = 'workers.count'\n\
        also = {{ strict = ['first_reply.p50 < 300ms'] }}\n"
    );
    let args = ["--time", "8s", "--trial", "200ms", "--from", "1", "--to", "3"];
    let (result, _) = searched(&text, &args);
    assert_eq!(
        (&result["over"], &result["more_is_easier"]),
        (&"workers.count".into(), &true.into())
    );
    let names: Vec<&Value> =
        result["goals"].as_array().expect("goals").iter().map(|goal| &goal["name"]).collect();
    assert_eq!(names, ["goal", "strict"]);
    assert_eq!(result["answers"].as_array().map(Vec::len), Some(2));
    // It changes no plan.
    let hash = |text: &str| {
        let ended = Zload::with_scenario("check", text).end();
        let line =
            |line: &str| line.trim().strip_prefix("plan ").map(|rest| rest.trim().to_owned());
        let plan = ended.stdout.lines().find_map(line);
        plan.unwrap_or_else(|| panic!("{}{}", ended.stdout, ended.stderr))
    };
    assert_eq!(hash(&text), hash(OWN));
}
