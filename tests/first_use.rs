//! What somebody meets who has just installed zload: no scenario yet, a wrong name, a terminal of 24 lines.

use std::path::Path;

use crate::support::{ForeignServer, Zload};
use zload_core::scenario::{Scenario, Threshold};
use zload_report::result::threshold_error;

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

#[test]
fn an_endpoint_is_a_scenario() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    let args = ["run", &server.endpoint, "--rate", "200/s", "--duration", "300ms", "-q"];
    let result = Zload::new(&args).args(&["--format", "json"]).result(0);
    assert_eq!(result["scenario"]["proxy"]["frontend"], server.endpoint.as_str());
    assert_eq!(result["scenario"]["name"], server.endpoint.as_str(), "the whole endpoint");
    assert_eq!(result["scenario"]["load"]["rate"], "200/s");
    assert!(result["ledger"]["requests_answered"].as_u64() > Some(0), "{}", result["ledger"]);
}

#[test]
fn a_servers_command_is_a_scenario_and_takes_the_place_of_that_in_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writing");
        utf8(&path).to_owned()
    };
    let served = file("served.toml", "load = { rate = '1/s' }\nproxy.engine = 'batch'");
    let own = file(
        "own.toml",
        "load = { rate = '10/s' }\nserver.command = ['no-such-program', '{frontend}']",
    );
    let script = "exec \"$0\" serve \"$1\" -q --set proxy.frontend=\"$2\"";
    let command = ["sh", "-c", script, env!("CARGO_BIN_EXE_zload"), &served, "{frontend}"];
    for scenario in [&[][..], &[own.as_str()]] {
        let result = Zload::new(&["run"])
            .args(scenario)
            .args(&["--rate", "200/s", "--duration", "300ms", "-q", "--format", "json", "--"])
            .args(&command)
            .result(0);
        assert_eq!(result["scenario"]["server"]["command"][0], "sh");
        assert_eq!(result["ledger"]["requests_lost"], 0, "{}", result["ledger"]);
    }
    let neither = Zload::new(&["run"]).end();
    assert!(neither.code == Some(2) && neither.stderr.contains("SCENARIO"), "{}", neither.stderr);
    let nowhere = Zload::new(&["run", "--", "sh", "-c", "exit"]).end();
    assert!(nowhere.code == Some(2) && nowhere.stderr.contains("{frontend}"), "{}", nowhere.stderr);
}

#[test]
fn init_writes_a_scenario_that_runs_and_replaces_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let init = || Zload::new(&["init"]).folder(folder.path()).end();
    assert_eq!(init().code, Some(0));
    let again = init();
    assert!(again.code == Some(2) && again.stderr.contains("zload.toml"), "{}", again.stderr);
    assert!(again.stderr.contains("choose another name"), "{}", again.stderr);
    let run = Zload::new(&["run", "zload.toml", "--duration", "200ms", "-q", "--format", "json"]);
    let result = run.folder(folder.path()).end();
    assert!(matches!(result.code, Some(0 | 1 | 3)), "{}", result.stderr);
    // What it offers as other choices is meant, too.
    let text = std::fs::read_to_string(folder.path().join("zload.toml")).expect("the file");
    let (own, other) = text.split_once("# A ROUTER that").expect("two other servers");
    let (external, _) = other.split_once("# Or zload's own").expect("its own");
    let server = own.replace("# [server]\n# command", "[server]\ncommand");
    let external = external.replace("# [proxy]\n# engine", "[proxy]\nengine");
    let external = external.replace("# frontend", "frontend");
    for (name, text) in [("own.toml", server), ("external.toml", format!("{own}\n# {external}"))] {
        std::fs::write(folder.path().join(name), text).expect("writing");
        let checked = Zload::new(&["check", name]).folder(folder.path()).end();
        assert_eq!(checked.code, Some(0), "{name}: {}", checked.stderr);
    }
}

#[test]
fn a_wrong_file_name_names_what_may_be_meant() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("poisson.toml");
    std::fs::write(&path, "load = { rate = '10/s' }").expect("writing");
    for (given, part) in [
        ("poisson", "did you mean poisson.toml?"),
        ("poison.toml", "did you mean poisson.toml?"),
        (".", "it holds poisson.toml"),
    ] {
        let ended = Zload::new(&["run", given]).folder(folder.path()).end();
        assert!(ended.code == Some(2) && ended.stderr.contains(part), "{}", ended.stderr);
    }
    let unlike = Zload::new(&["run", "something-else"]).folder(folder.path()).end();
    assert!(!unlike.stderr.contains("did you mean"), "{}", unlike.stderr);
    let shown = Zload::new(&["show", "poisson.toml"]).folder(folder.path()).end();
    assert!(shown.stderr.contains("zload run"), "{}", shown.stderr);
}

#[test]
fn every_metric_that_is_listed_can_be_a_threshold() {
    let listed = Zload::new(&["metrics"]).end().stdout;
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.contains('.') && !name.starts_with('*'))
        .collect();
    for name in ["throughput.replies_per_s", "latency.slip.*", "ledger.requests_lost"] {
        assert!(names.contains(&name), "no {name} in\n{listed}");
    }
    let limits = ["0", "0ns", "0/s", "0B", "0B/s"];
    for name in names.iter().filter(|name| !name.ends_with('.')) {
        let field = name.replace(".*", ".count");
        let known = |limit: &&str| format!("{field} >= {limit}").parse().is_ok_and(is_known);
        assert!(limits.iter().any(known), "{field}");
    }
}

/// Whether a result has the figure of this threshold, in its unit.
fn is_known(threshold: Threshold) -> bool {
    let text = "load.rate = '1/s'\n[request]\nmatch = 'token'\n[[request.mix]]\nname = 'NAME'\nframes = ['{id}']\n";
    let mut scenario = Scenario::parse("mix.toml", text, &[]).expect("a valid scenario");
    scenario.thresholds.limits.push(threshold);
    threshold_error(&scenario).is_none()
}

#[test]
fn the_answer_is_on_the_screen_and_the_rest_is_asked_for() {
    let saved = "tests/fixtures/run-open.json";
    let show = |args: &[&str]| Zload::new(&["show", saved]).args(args).end().stdout;
    let (short, all) = (show(&[]), show(&["-v"]));
    assert!(short.lines().count() <= 24 && all.lines().count() > 80, "{short}");
    assert!(short.lines().next().is_some_and(|line| line.ends_with("SUSPECT")), "{short}");
    for part in ["p99", "lost", "✗ first_reply.p99 < 1us", "-v shows"] {
        assert!(short.contains(part), "no {part} in\n{short}");
    }
    assert!(!short.contains('\u{1b}') && show(&["--color", "always"]).contains("\u{1b}["));
    let plain = Zload::new(&["show", saved, "--color", "never"]).end();
    assert_eq!(plain.stdout, short);
}
