//! What is printed and saved: reports, results, schemas, completions; and outputs that cannot be written.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::support::{Zload, ledger, number};
use serde_json::Value;

const SHORT: &str =
    "load = { rate = '200/s' }\nrun = { duration = '300ms' }\nworkers = { replies = 2 }";

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

#[test]
fn a_saved_result_shows_as_the_run_did() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let run = Zload::with_scenario("run", SHORT).args(&["-q", "-o", utf8(&path)]).end();
    // On a busy machine figures may be INVALID.
    assert!(matches!(run.code, Some(0 | 3)), "{}", run.stderr);
    assert_eq!(run.stderr, "", "-q keeps stderr silent");
    let shown = Zload::new(&["show", utf8(&path)]).end();
    assert_eq!(shown.stdout, run.stdout);
    let json = Zload::new(&["show", utf8(&path), "--format", "json"]).end();
    assert_eq!(json.stdout, std::fs::read_to_string(&path).expect("the saved result"));
    assert_eq!(json.result(0)["schema"], "zload.result/1");
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 1, "no temporary file is left");
}

#[test]
fn a_result_keeps_its_command_line_and_its_page_shows_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("result.html");
    let set = "name='two words'";
    let args = ["-q", "--format", "json", "--set", set, "--html", utf8(&page)];
    let result = Zload::with_scenario("run", SHORT).args(&args).end().result(0);
    let command = result["environment"]["command"].as_str().expect("a command line");
    assert!(command.starts_with("zload run "), "{command}");
    // As a shell reads it.
    assert!(command.contains(r"--set 'name='\''two words'\'''"), "{command}");
    let page = std::fs::read_to_string(page).expect("the page");
    let header = page.split("</header>").next().expect("a header");
    for word in [env!("CARGO_PKG_VERSION"), " UTC", "<span>--format</span> <span>json</span>"] {
        assert!(header.contains(word), "no {word} in {header}");
    }
}

#[test]
fn a_run_of_a_comparison_keeps_no_command_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [scenario, input] = ["a.toml", "input"].map(|name| folder.path().join(name));
    std::fs::write(&scenario, SHORT).expect("writing the scenario");
    std::fs::write(&input, "[\"seed=1\"]\n").expect("writing the input");
    let input = File::open(input).expect("the input");
    let ended = Zload::new(&["slices", utf8(&scenario)]).stdin(input).end();
    let result: Value = serde_json::from_str(&ended.stdout).expect("a result");
    assert_eq!(result["environment"].get("command"), None);
    assert!(result["environment"]["time"].is_string());
}

/// A reader of numbers that rounds twice makes 197931.3013426156 of it.
#[test]
fn a_number_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let mut result = Zload::run(SHORT).result(0);
    result["throughput"]["proxy_bytes_per_s"] = 197_931.301_342_615_62.into();
    std::fs::write(&path, result.to_string()).expect("writing the result");
    let shown = Zload::new(&["show", utf8(&path), "--format", "json"]).end();
    assert!(shown.stdout.contains("197931.30134261562"), "{}", shown.stdout);
}

#[test]
fn a_saved_server_result_shows_as_the_server_did() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("served.json");
    let served = Zload::with_scenario("serve", SHORT)
        .args(&["-q", "--duration", "100ms", "-o", utf8(&path)])
        .end();
    assert_eq!(served.code, Some(0), "{}", served.stderr);
    let shown = Zload::new(&["show", utf8(&path)]).end();
    assert_eq!(shown.stdout, served.stdout);
}

#[test]
fn the_report_says_what_matters_in_eighty_columns_and_without_colours() {
    let ended = Zload::with_scenario("run", SHORT).args(&["-v"]).end();
    for part in [
        "Throughput",
        "intended send time",
        "every ",
        "p99.9",
        "planned 60 = sent 60 + unsent 0",
        "CPU per message",
        "█",
    ] {
        assert!(ended.stdout.contains(part), "no {part:?} in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\u{1b}'));
    let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{}", ended.stdout);
    assert!(ended.stderr.contains("measuring"), "{}", ended.stderr);
}

#[test]
fn a_result_alone_can_be_run_again() {
    let result = Zload::run(SHORT).result(0);
    let text = toml::to_string(&result["scenario"]).expect("a scenario is TOML");
    let again = Zload::run(&text).result(0);
    assert_eq!(again["plan_hash"], result["plan_hash"]);
    assert_eq!(again["scenario"], result["scenario"]);
}

#[test]
fn repeated_runs_are_pooled_and_kept() {
    let result = Zload::run(SHORT).args(&["--repeat", "3"]).result(0);
    assert_eq!(ledger(&result)["requests_sent"], 180);
    assert_eq!(result["repeat"], 3);
    let runs = result["runs"].as_array().expect("an array");
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!(ledger(run)["requests_sent"], 60);
    }
    assert_eq!(number(&result, "throughput.window_ns"), 900_000_000);
    assert_eq!(number(&result, "latency.reply.count"), 360);
}

/// Half a second of replies is no rate per second, wherever in the series it is.
#[test]
fn seconds_that_were_cut_short_are_not_drawn() {
    let scenario = "load = { rate = '100/s' }\nrun = { duration = '1500ms' }";
    let ended = Zload::with_scenario("run", scenario).args(&["-qv", "--repeat", "2"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = ended.stdout.lines().skip_while(|line| *line != "Over time").nth(1);
    let bars = line.and_then(|line| line.split_whitespace().nth(1)).expect("a row of bars");
    assert_eq!(bars.chars().count(), 2, "{line:?}");
}

#[test]
fn trace_shows_each_message_as_it_passes() {
    let scenario = "load = { rate = '10/s' }\nclients = { count = 1 }\nrun = { duration = '100ms' }\n\
                    workers = { count = 1, replies = 2 }";
    let stderr = Zload::with_scenario("run", scenario).args(&["--trace"]).end().stderr;
    let identity = stderr
        .split("client ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("an identity");
    assert_eq!(identity.len(), 9, "{stderr}");
    for event in [
        format!("client {identity} sends request #1, 64 bytes"),
        format!("worker 1 receives request #1 of client {identity}, 2 replies planned"),
        "worker 1 sends reply 2 of 2".to_owned(),
        format!("client {identity} receives reply 2 of 2 to request #1"),
    ] {
        assert!(stderr.contains(&event), "no {event:?} in\n{stderr}");
    }
}

#[test]
fn check_prints_the_plan_of_every_file_and_names_the_wrong_ones() {
    let ended = Zload::with_scenario("check", SHORT).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("200/s for 300ms: 60 requests, 2.00 replies each"),
        "{}",
        ended.stdout
    );
    let ended =
        Zload::with_scenario("check", SHORT).args(&["/nowhere.toml", "/nothing.toml"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.contains(": ok"), "the right one is shown all the same");
    assert!(
        ended.stderr.contains("/nowhere.toml") && ended.stderr.contains("2 scenarios are invalid"),
        "{}",
        ended.stderr
    );
}

#[test]
fn schemas_describe_scenarios_and_results() {
    let scenario: Value = Zload::new(&["schema"]).end().result(0);
    let valid = jsonschema::validator_for(&scenario).expect("a JSON Schema");
    assert!(valid.is_valid(&serde_json::json!({ "load": { "rate": "1/s" } })));
    let of_results = Zload::new(&["schema", "result"]).end().result(0);
    let valid = jsonschema::validator_for(&of_results).expect("a JSON Schema");
    let result = Zload::run(SHORT).result(0);
    let errors: Vec<String> = valid.iter_errors(&result).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!valid.is_valid(&serde_json::json!({ "schema": "zload.result/1" })));
    let of_servers = Zload::new(&["schema", "serve"]).end().result(0);
    let valid = jsonschema::validator_for(&of_servers).expect("a JSON Schema");
    let serving = Zload::with_scenario("serve", SHORT).args(&["--format", "json"]);
    let result = serving.args(&["--duration", "50ms", "-q"]).result(0);
    let errors: Vec<String> = valid.iter_errors(&result).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn completions_and_the_man_page_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            Zload::new(&["completions", shell]).end().stdout.contains("completions"),
            "{shell}"
        );
    }
    let page = Zload::new(&["man"]).end().stdout;
    assert!(page.contains("zload\\-run(1)"), "{page}");
    let page = Zload::new(&["man", "run"]).end().stdout;
    assert!(page.contains("\\-\\-repeat") && page.contains("zload\\-run"), "{page}");
    assert!(Zload::new(&["man", "dance"]).end().stderr.contains("unknown command \"dance\""));
    assert_eq!(Zload::new(&["--help"]).end().code, Some(0));
    assert_eq!(
        Zload::new(&["--version"]).end().stdout,
        format!("zload {}\n", env!("CARGO_PKG_VERSION"))
    );
    for wrong in [
        &[][..],
        &["dance"],
        &["run"],
        &["run", "x", "--format", "yaml"],
        &["run", "x", "--repeat", "0"],
    ] {
        assert_eq!(Zload::new(wrong).end().code, Some(2), "{wrong:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let no_folder = folder.path().join("result.json/");
    let paths = [
        "/nowhere/result.json",
        "/proc/result.json",
        "/dev/null/result.json",
        "-",
        utf8(folder.path()),
        utf8(&no_folder),
    ];
    for path in paths {
        // Were the run made first, this test would take ten minutes.
        let scenario = "load = { rate = '1/s' }\nrun = { duration = '10m' }";
        let ended = Zload::run(scenario).args(&["-o", path]).end();
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.stderr.contains(path)
                && ended.stderr.contains("cannot write")
                && !ended.stderr.contains(".zload-"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let ended = Zload::with_scenario("run", SHORT).args(&["-q"]).stdout(full).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("standard output"), "{}", ended.stderr);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = Zload::with_scenario("run", SHORT).args(&["-q"]).stdout(writer).end();
    assert!(matches!(ended.code, Some(0 | 3)) && ended.stderr.is_empty(), "{}", ended.stderr);
}

#[test]
fn what_is_no_result_is_refused_by_show() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let good = Zload::run(SHORT).result(0);
    let mut wrong_ledger = good.clone();
    wrong_ledger["ledger"]["requests_sent"] = 61.into();
    let mut wrong_run = Zload::run(SHORT).args(&["--repeat", "2"]).result(0);
    wrong_run["runs"][1]["ledger"]["replies_lost"] = 1.into();
    let mut other_schema = good;
    other_schema["schema"] = "zload.result/2".into();
    for (text, reason) in [
        (String::new(), "not a JSON object"),
        ("[1]".to_owned(), "not a JSON object"),
        ("{}".to_owned(), "no `schema`"),
        ("{\"schema\": \"zload.result/1\"}".to_owned(), "missing field"),
        (wrong_ledger.to_string(), "does not hold"),
        (wrong_run.to_string(), "does not hold"),
        (other_schema.to_string(), "zload.result/2"),
    ] {
        std::fs::write(&path, text).expect("writing");
        let ended = Zload::new(&["show", utf8(&path)]).end();
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.stderr.contains(reason) && ended.stderr.contains("result.json"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_terminal_gets_colours_unless_it_cannot_or_will_not_show_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.toml");
    std::fs::write(&path, SHORT).expect("writing");
    // `script` runs a command in its own terminal.
    let shown = |term: &str, no_color: &str, quiet: &str| {
        let run = format!("{} run {} {quiet}", env!("CARGO_BIN_EXE_zload"), utf8(&path));
        let output = Command::new("script")
            .args(["-qec", &run, "/dev/null"])
            .env("TERM", term)
            .env("NO_COLOR", no_color)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("script runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(shown("xterm", "", "-q").contains("\u{1b}[1m"));
    assert!(!shown("xterm", "1", "-q").contains('\u{1b}'));
    let dumb = shown("dumb", "", "");
    assert!(dumb.contains("measuring: ") && !dumb.contains('\u{1b}'), "{dumb}");
}

#[test]
fn an_endless_file_is_refused_by_show() {
    let ended = Zload::new(&["show", "/dev/zero"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("larger than 64 MiB"), "{}", ended.stderr);
}

#[test]
fn a_shell_pipe_that_closes_early_ends_quietly() {
    let zload = env!("CARGO_BIN_EXE_zload");
    let status = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {zload} schema | head -c 10 > /dev/null")])
        .status()
        .expect("bash runs");
    assert_eq!(status.code(), Some(0));
}

/// Devices, pipes and links are what people put behind `-o` when they want no file, or not here.
#[test]
fn saving_never_takes_the_place_of_a_device_a_pipe_or_a_link() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| utf8(&folder.path().join(name)).to_owned();
    let made = Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    let pipe = at("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).expect("reading"));
    let printed = Zload::run(SHORT).args(&["-o", &at("pipe")]).end();
    printed.result(0);
    assert_eq!(reader.join().expect("the reader ends"), printed.stdout);
    std::fs::write(at("target.json"), "old").expect("writing");
    std::os::unix::fs::symlink("target.json", at("link.json")).expect("a link");
    let printed = Zload::run(SHORT).args(&["-o", &at("link.json")]).end();
    printed.result(0);
    assert!(std::fs::symlink_metadata(at("link.json")).expect("the link").is_symlink());
    assert_eq!(std::fs::read_to_string(at("target.json")).expect("reading"), printed.stdout);
    std::os::unix::fs::symlink("/dev/full", at("full.json")).expect("a link");
    let ended = Zload::run(SHORT).args(&["-o", &at("full.json")]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("No space left"), "{}", ended.stderr);
}

#[test]
fn the_result_never_takes_the_place_of_the_scenario() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.toml");
    std::fs::write(&path, "load = { rate = '1/s' }\nrun = { duration = '10m' }").expect("writing");
    for command in ["run", "serve"] {
        let ended = Zload::new(&[command, utf8(&path), "-o", utf8(&path)]).end();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains("would replace an input"), "{}", ended.stderr);
    }
}

#[test]
fn one_file_is_not_given_to_two_things() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("all");
    let same = folder.path().join(".").join("all");
    for option in ["--html", "--trace-out"] {
        let run = Zload::with_scenario("run", SHORT)
            .args(&["-o", utf8(&path), option, utf8(&same)])
            .end();
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
        assert!(run.stderr.contains("given twice"), "{}", run.stderr);
    }
}

#[test]
fn a_closed_pipe_does_not_turn_a_failure_into_a_success() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let good = Zload::with_scenario("check", "load = { rate = '1/s' }");
    let ended = good.args(&["/nowhere.toml"]).stdout(writer).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("/nowhere.toml"), "{}", ended.stderr);
}
