//! Comparisons as people make them: scenarios, builds and saved results compared, and their wrong inputs.
//!
//! No test here asks how fast anything is: what must be found is planted, and far larger than any noise.

use std::path::Path;

use crate::support::{Ended, Zload, assert_ends, number};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// A short comparison of 12 blocks, of which 3 may be lost to a busy machine.
const SHORT: [&str; 4] = ["--slices", "1", "--slice", "80ms"];

/// A closed load whose workers take so long that nothing else matters.
fn scenario(delay: &str) -> String {
    format!(
        "load = {{ model = 'closed' }}\nclients.count = 2\nworkers = {{ count = 2, delay = '{delay}' }}"
    )
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a UTF-8 path").to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("writing a file");
        path
    }
}

fn compare(args: &[&str]) -> Zload {
    Zload::new(&[&["compare"], args].concat())
}

/// The metric of this name.
fn metric<'a>(result: &'a Value, name: &str) -> &'a Value {
    let metrics = result["metrics"].as_array().expect("an array");
    metrics
        .iter()
        .find(|metric| metric["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {metrics:?}"))
}

fn assert_error(ended: &Ended, part: &str) {
    assert_eq!(ended.code, Some(2), "{}\n{}", ended.stderr, ended.stdout);
    assert!(ended.stderr.contains(part), "no {part:?} in\n{}", ended.stderr);
}

#[test]
fn a_scenario_that_is_slower_is_worse_and_the_other_way_round_better() {
    let files = Files::new();
    let (fast, slow) =
        (files.write("fast.toml", &scenario("2ms")), files.write("slow.toml", &scenario("6ms")));
    let (saved, page) = (files.path("comparison.json"), files.path("comparison.html"));
    let ended = compare(&[&fast, &slow, "-q", "-o", &saved, "--html", &page, "--fail-on", "worse"])
        .args(&SHORT)
        .end();
    assert_eq!(ended.code, Some(1), "{}{}", ended.stderr, ended.stdout);
    let first = ended.stdout.lines().next().expect("a line");
    assert!(first.starts_with("slow against fast ") && first.ends_with(" WORSE"), "{first}");
    assert!(ended.stdout.contains("workers.delay: 2ms → 6ms"), "{}", ended.stdout);
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{}", ended.stdout);
    assert_eq!(Zload::new(&["show", &saved]).end().stdout, ended.stdout);
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("slow against fast") && page.contains("WORSE"));

    let result = Zload::new(&["show", &saved, "--format", "json"]).result(0);
    assert_eq!(result["schema"], "zload.comparison/1");
    assert_eq!(result["primary"], "throughput.replies_per_s");
    assert_eq!(result["verdict"], "worse");
    assert_eq!(
        result["differences"],
        serde_json::json!([{ "key": "workers.delay", "a": "2ms", "b": "6ms" }])
    );
    let primary = metric(&result, "throughput.replies_per_s");
    assert!(primary["ci_high_percent"].as_f64() < Some(-3.0), "{primary}");
    assert!(primary["smallest_visible_percent"].as_f64() >= Some(3.0), "{primary}");
    assert_eq!((&result["method"]["blocks"], &primary["verdict"]), (&12.into(), &"worse".into()));
    assert_eq!(metric(&result, "latency.first_reply.p50")["better"], "lower");
    let slices = result["slices"].as_array().expect("an array");
    assert_eq!(slices.len(), 24);
    for round in slices.chunks(2) {
        assert_eq!(round[0]["seed"], round[1]["seed"], "both sides play the same plan");
        assert_ne!(round[0]["side"], round[1]["side"]);
    }
    assert_eq!(
        number(&result, "a.ledger.replies_lost") + number(&result, "b.ledger.replies_lost"),
        0
    );

    let other = compare(&[&slow, &fast, "-q", "--format", "json", "--fail-on", "unclear"])
        .args(&SHORT)
        .end();
    assert_eq!(other.result(0)["verdict"], "better", "{}", other.stdout);
}

#[test]
fn more_files_are_each_compared_with_the_first() {
    let files = Files::new();
    let (a, b, c) = (
        files.write("a.toml", &scenario("2ms")),
        files.write("b.toml", &scenario("6ms")),
        files.write("c.toml", &scenario("500us")),
    );
    let args = [a.as_str(), &b, &c, "-q", "--format", "json", "--primary", "first_reply.mean"];
    assert_error(&compare(&args).end(), "did you mean first_reply.");
    let args = [a.as_str(), &b, &c, "-q", "--format", "json"];
    let result = compare(&args).args(&SHORT).result(0);
    assert_eq!((&result["verdict"], &result["b"]["name"]), (&"worse".into(), &"b".into()));
    let other = &result["others"][0];
    assert_eq!(
        (&other["verdict"], &other["a"]["name"], &other["b"]["name"]),
        (&"better".into(), &"a".into(), &"c".into())
    );
}

#[test]
fn values_of_a_key_are_compared_with_one_scenario() {
    let files = Files::new();
    let file = files.write("a.toml", &scenario("2ms"));
    let args = [&file, "--vary", "workers.delay=2ms,6ms, 500us", "-q", "--format", "json"];
    let result = compare(&args).args(&["--set", "clients.count=3"]).args(&SHORT).result(0);
    let other = &result["others"][0];
    let names = [&result["a"]["name"], &result["b"]["name"], &other["b"]["name"]];
    assert_eq!(names, ["workers.delay=2ms", "workers.delay=6ms", "workers.delay=500us"]);
    assert_eq!((&result["verdict"], &other["verdict"]), (&"worse".into(), &"better".into()));
    assert_eq!(result["b"]["scenario"]["clients"]["count"], 3);
}

#[test]
fn what_is_asked_for_is_answered_even_if_it_says_what_others_say() {
    let files = Files::new();
    let file = files.write("one.toml", &scenario("1ms"));
    let args = [
        file.as_str(),
        &file,
        "-q",
        "--format",
        "json",
        "--primary",
        "service.p50",
        "--gate",
        "service.p99",
    ];
    assert_error(&compare(&args).args(&SHORT).end(), "service.p99 cannot be estimated");
    let more = ["first_reply.p90", "--slices", "1", "--slice", "300ms"];
    let args = [&args[..8], &more].concat();
    let result = compare(&args).result(0);
    for name in ["latency.service.p50", "latency.first_reply.p90"] {
        let metric = metric(&result, name);
        assert_eq!(
            (&metric["gated"], &metric["answered"]),
            (&true.into(), &true.into()),
            "{metric}"
        );
    }
}

#[test]
fn builds_are_compared_by_the_programs_that_are_given() {
    let files = Files::new();
    let file = files.write("one.toml", &scenario("1ms"));
    let own = env!("CARGO_BIN_EXE_zload");
    let args = ["--exe", own, "--exe", own, &file, "-q", "--format", "json"];
    let result = compare(&args).args(&SHORT).result(0);
    assert_eq!(result["a"]["exe"], own);
    assert_eq!(result["b"]["name"], format!("{own} #2"));

    // What played the slices says by what they were played.
    let script = format!(
        "#!/bin/sh\n{own} \"$@\" | sed -u 's/\"libzmq\":\"[^\"]*\"/\"libzmq\":\"9.9.9\"/'\n"
    );
    let other = executable(&files, "other", &script);
    let args = ["--exe", own, "--exe", &other, &file, "-q", "--format", "json"];
    let result = compare(&args).args(&SHORT).result(0);
    assert_eq!(result["b"]["environment"]["libzmq"], "9.9.9");
    assert_ne!(result["a"]["environment"]["libzmq"], "9.9.9");
    assert!(result["notes"].to_string().contains("9.9.9"), "{}", result["notes"]);

    let silent = executable(&files, "silent", "#!/bin/sh\nexit 0\n");
    assert_error(
        &compare(&["--exe", own, "--exe", &silent, &file, "-q"]).args(&SHORT).end(),
        "ended during the comparison",
    );
    let old = executable(
        &files,
        "old",
        "#!/bin/sh\necho \"error: unrecognized subcommand 'slices'\" >&2\nexit 2\n",
    );
    assert_error(
        &compare(&["--exe", &old, "--exe", own, &file, "-q"]).args(&SHORT).end(),
        "older than `zload compare`",
    );
    assert_error(
        &compare(&["--exe", own, "--exe", "/nowhere/zload", &file, "-q"]).end(),
        "/nowhere/zload cannot be started",
    );
    let babbler = executable(&files, "babbler", "#!/bin/sh\nread line\necho hello\nread line\n");
    assert_error(
        &compare(&["--exe", own, "--exe", &babbler, &file, "-q"]).args(&SHORT).end(),
        "did not write a result",
    );
}

fn executable(files: &Files, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = files.write(name, text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .expect("making it executable");
    path
}

#[test]
fn saved_results_are_compared_with_their_doubts() {
    let files = Files::new();
    let run = |name: &str, delay: &str| {
        let path = files.path(name);
        let ended = Zload::with_scenario("run", &scenario(delay))
            .args(&["-q", "--repeat", "10", "--duration", "100ms", "-o", &path])
            .end();
        assert!(ended.code == Some(0) || ended.code == Some(3), "{}", ended.stderr);
        path
    };
    let (base, same, slow) =
        (run("base.json", "2ms"), run("same.json", "2ms"), run("slow.json", "8ms"));
    let result = compare(&[&base, &same, "--format", "json"]).result(0);
    assert_eq!(result["method"]["interleaved"], false);
    assert_ne!(result["verdict"], "same", "a drift in between can hide a change");
    let primary = metric(&result, "throughput.replies_per_s");
    assert_eq!(primary["blocks_needed"], Value::Null, "{primary}");
    assert!(
        result["notes"][0].as_str().is_some_and(|note| note.contains("not interleaved")),
        "{}",
        result["notes"]
    );
    assert_error(&compare(&[&base, &slow]).end(), "--allow-different-load");
    assert_error(&compare(&[&base, &slow, "--profile", "quick"]).end(), "are for scenario files");
    let result = compare(&[&base, &slow, "--allow-different-load", "--format", "json"]).result(0);
    assert_eq!(
        (&result["verdict"], &result["differences"][0]["key"]),
        (&"worse".into(), &"workers.delay".into())
    );

    // What comes from elsewhere can be shown, and proves nothing.
    let text = std::fs::read_to_string(&slow).expect("the saved result");
    let mut elsewhere: Value = serde_json::from_str(&text).expect("JSON");
    elsewhere["environment"]["cpu_model"] = "another".into();
    elsewhere["environment"]["libzmq"] = "9.9.9".into();
    let elsewhere = files.write("elsewhere.json", &elsewhere.to_string());
    let ended = compare(&[&base, &elsewhere, "--allow-different-load"]).end();
    assert!(
        ended.stdout.contains("different machines") && ended.stdout.contains("9.9.9"),
        "{}",
        ended.stdout
    );
    let first = ended.stdout.lines().next();
    assert!(
        first.is_some_and(|line| line.ends_with("NO ANSWER for throughput.replies_per_s")),
        "{first:?}"
    );
    assert_eq!(ended.code, Some(3));
}

#[test]
fn one_run_against_one_run_is_no_result() {
    let files = Files::new();
    let path = files.path("one.json");
    Zload::with_scenario("run", &scenario("1ms"))
        .args(&["-q", "--duration", "50ms", "-o", &path])
        .end();
    for fail_on in [&[][..], &["--fail-on", "worse"], &["--fail-on", "unclear"]] {
        let ended = compare(&[&path, &path, "--format", "junit"]).args(fail_on).end();
        assert_eq!(ended.code, Some(3), "a gate that cannot fire is not passed: {}", ended.stdout);
        assert!(ended.stdout.contains("type=\"no answer\""), "{}", ended.stdout);
    }
    let text = compare(&[&path, &path]).end().stdout;
    assert!(text.lines().next().is_some_and(|line| line.contains("NO ANSWER")), "{text}");
    let gate = ["--gate", "service.p99", "--format", "json"];
    let gated = compare(&[&path, &path]).args(&gate).result(3);
    assert_eq!(metric(&gated, "latency.service.p99")["answered"], false, "no gate vanishes");
    let result = compare(&[&path, &path, "--format", "json"]).result(3);
    let primary = metric(&result, "throughput.replies_per_s");
    assert_eq!(
        (&primary["verdict"], &primary["effect_percent"]),
        (&"unclear".into(), &Value::Null)
    );
    assert!(
        primary["sentence"].as_str().is_some_and(|sentence| sentence.contains("at least 6")),
        "{primary}"
    );
}

#[test]
fn wrong_input_is_refused_before_anything_runs() {
    let files = Files::new();
    let file = files.write("one.toml", &scenario("1ms"));
    let json = files.write("one.json", "{ \"schema\": \"zload.other/1\" }");
    for (args, part) in [
        (&[file.as_str()][..], "one file cannot be compared"),
        (&[&file, "/nowhere.toml"], "/nowhere.toml: cannot read"),
        (&[&file, &json], "two of a kind"),
        (&[&json, &json], "its schema is \"zload.other/1\""),
        (&[&file, &file, "--exe", "zload"], "give it twice"),
        (&[&file, &file, "--exe", "zload", "--exe", "zload"], "2 files were given"),
        (&[&file, &file, "--gate", "proxy.cpu"], "unknown metric"),
        (&[&file, &file, "--cpus", "4096"], "this process may use"),
        (&[&file, &file, "--calibration", &file], "not a usable result"),
        (&[&file, &file, "--margin", "3"], "ends in %"),
        (&[&file, &file, "--blocks", "8"], "9.."),
        (&[&file, &file, "--set", "clients.count=0"], "clients.count"),
        (&[&file, &file, "--duration", "1s"], "--slice sets the measured part"),
        (&[&file, &file, "--vary", "clients.count=1,2"], "2 files were given"),
        (&[&file, "--vary", "clients.count=2"], "one value is nothing to compare"),
        (&[&file, "--vary", "clients=1,2", "--exe", "zload"], "cannot be used with"),
        (&[&file, "--vary", "clients.count=1,0"], "clients.count"),
        (&[&file, "--vary", "workers.count=1,2", "--workers", "3"], "both set and varied"),
        (&["tests/fixtures/run-open.json", "--vary", "seed=1,2"], "compared as they are"),
    ] {
        assert_error(&compare(args).end(), part);
    }
    let wrong =
        files.write("wrong.toml", &format!("{}\ncompare.primary = 'throughput'", scenario("1ms")));
    assert_error(&compare(&[&wrong, &wrong]).end(), "unknown metric");
}

/// The processes that a process started and that still are.
fn children(of: i32) -> Vec<Pid> {
    let tasks = Path::new("/proc").join(of.to_string()).join("task");
    let entries = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    entries
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|id| Pid::from_raw(id.parse().ok()?))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_comparison_that_is_killed_leaves_no_process() {
    let files = Files::new();
    let file = files.write("one.toml", &scenario("1ms"));
    let mut running = compare(&[&file, &file, "--slice", "10m", "--slices", "1"]).start();
    running.await_line("block 1/12");
    let players = children(running.id());
    assert!(!players.is_empty());
    running.signal(Signal::KILL);
    for player in players {
        assert_ends(player);
    }
}

#[test]
fn an_interrupted_comparison_reports_its_whole_blocks_and_leaves_no_process() {
    let files = Files::new();
    let file = files.write("one.toml", &scenario("1ms"));
    let mut running = compare(&[
        &file, &file, "--format", "json", "--blocks", "900", "--slices", "1", "--slice", "50ms",
    ])
    .start();
    running.await_line("block 3/900");
    let players = children(running.id());
    running.signal(Signal::INT);
    let ended = running.end();
    let result = ended.result(130);
    assert_eq!(result["interrupted"], true);
    assert!(number(&result, "method.blocks") >= 2, "{}", result["method"]);
    for player in players {
        assert_ends(player);
    }
}

#[test]
fn a_calibration_tells_the_noise_and_chooses_the_blocks() {
    let files = Files::new();
    let file = files.write("one.toml", &scenario("1ms"));
    let saved = files.path("calibration.json");
    let calibrated = Zload::new(&["calibrate", &file, "-q", "-o", &saved]).args(&SHORT).end();
    assert!(calibrated.code == Some(0) || calibrated.code == Some(3), "{}", calibrated.stderr);
    assert_eq!(Zload::new(&["show", &saved]).end().stdout, calibrated.stdout);
    let result = Zload::new(&["show", &saved, "--format", "json"]).result(0);
    assert_eq!(result["schema"], "zload.calibration/1");
    let primary =
        result["noise"].as_array().and_then(|noise| noise.first()).expect("the first metric");
    assert_eq!(primary["name"], "throughput.replies_per_s");
    let visible = primary["smallest_visible"].as_array().expect("an array");
    assert_eq!(visible.len(), 4);

    // The blocks that it asks for are played.
    let mut wished = result.clone();
    wished["noise"][0]["blocks_for_twice_the_margin"] = 8.into();
    let wished = files.write("wished.json", &wished.to_string());
    let args = [file.as_str(), &file, "-q", "--format", "json", "--calibration", &wished];
    let compared = compare(&args).args(&SHORT).result(0);
    assert_eq!(compared["method"]["blocks"], 9, "fewer cannot answer");
    for (of, object) in [("comparison", &compared), ("calibration", &result)] {
        let schema = Zload::new(&["schema", of]).end().result(0);
        let valid = jsonschema::validator_for(&schema).expect("a JSON Schema");
        let errors: Vec<String> =
            valid.iter_errors(object).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{of}: {errors:?}");
    }
}

#[test]
fn no_run_is_invalid_for_replies_that_came_before_they_were_counted() {
    let files = Files::new();
    let file = files.write(
        "one.toml",
        // On one processor a worker that has sent the last reply is often put off until the client has it.
        "load = { model = 'closed', in_flight = 4 }\nclients.count = 4\nproxy.engine = 'batch'\n\
         workers = { count = 8, delay = '2ms' }",
    );
    let args = [
        file.as_str(),
        &file,
        "-q",
        "--format",
        "json",
        "--cpus",
        "1",
        "--blocks",
        "9",
        "--slices",
        "5",
        "--slice",
        "20ms",
    ];
    let ended = compare(&args).end();
    let result: Value = serde_json::from_str(&ended.stdout).expect("a JSON object");
    for side in ["a", "b"] {
        let because = result[side]["invalid_because"].to_string();
        assert!(!because.contains("conservation"), "{because}");
    }
}

#[test]
fn servers_of_the_users_own_are_started_for_each_block_and_compared() {
    let files = Files::new();
    let server = |name: &str, delay: &str| {
        let serve = files.write(
            &format!("{name}-serve.toml"),
            &format!("{}\nproxy.engine = 'batch'", scenario(delay)),
        );
        let started = files.path("started");
        let script = format!(
            "echo $$ >>{started}; exec {} serve {serve} -q --set proxy.frontend=$1",
            env!("CARGO_BIN_EXE_zload")
        );
        let script = files.write(&format!("{name}.sh"), &script);
        // What the server draws is the server's own affair; the scenario says what it is expected to do.
        let own =
            format!("{}\n[server]\ncommand = ['sh', '{script}', '{{frontend}}']\n", scenario("0s"));
        files.write(&format!("{name}.toml"), &own)
    };
    let (old, new) = (server("old", "2ms"), server("new", "8ms"));
    let result = compare(&[&old, &new, "-q", "--format", "json"]).args(&SHORT).result(0);
    assert_eq!(result["verdict"], "worse");
    assert_eq!(result["differences"][0]["key"], "server.command");
    assert_eq!(metric(&result, "server.cpu_ns_per_message")["unit"], "ns");
    let started = std::fs::read_to_string(files.path("started")).expect("the servers' numbers");
    assert_eq!(started.lines().count(), 24, "once for each side of each block");
    for pid in started.lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} is left behind");
    }
    let broken = files.write(
        "broken.toml",
        &format!(
            "{}\n[server]\ncommand = ['sh', '-c', 'echo no luck; exit 7', '{{frontend}}']",
            scenario("0s")
        ),
    );
    let ended = compare(&[&old, &broken, "-q"]).args(&SHORT).end();
    assert_error(&ended, "exit status 7");
    assert!(ended.stderr.contains("no luck"), "{}", ended.stderr);
}
