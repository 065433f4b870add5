//! Scenarios that contradict themselves: each is refused, quickly, with a message that says what, where and what to do.

use std::path::Path;

use crate::support::Zload;
use crate::support::mistakes::{MISTAKES, Mistake};
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use zload_core::scenario::Scenario;

#[test]
fn a_mistake_is_shown_where_it_is_with_what_is_allowed() {
    for Mistake { text, place, underlined, said, .. } in MISTAKES {
        let problem = Scenario::parse("a.toml", text, &[]).expect_err(text);
        let shown = problem.to_string();
        assert!(shown.contains(&format!("a.toml:{place}\n")), "{place} is not in\n{shown}");
        let marks = "^".repeat(underlined.chars().count());
        let marked = shown.lines().any(|line| line.split(['|', ' ']).any(|part| part == marks));
        assert!(marked, "{underlined} is not underlined in\n{shown}");
        for part in *said {
            assert!(shown.contains(part), "{part:?} is not in\n{shown}");
        }
    }
}

/// A result contains its scenario, so a name that no scenario may have would make it unusable.
#[test]
fn a_scenario_without_a_name_is_called_as_its_file_as_far_as_that_goes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(format!("a\n{}.toml", "ä".repeat(110)));
    std::fs::write(&path, "load = { rate = '1/s' }").expect("writing");
    let scenario = zload::files::load::scenario(&path, &[]).expect("a scenario");
    assert!(scenario.name.starts_with("a\u{fffd}ä"), "{}", scenario.name);
    let again = toml::to_string(&scenario).expect("a scenario is TOML");
    assert_eq!(Scenario::parse("a.toml", &again, &[]), Ok(scenario));
}

#[test]
fn a_wrong_scenario_ends_the_program_before_anything_starts() {
    for command in ["run", "serve", "check"] {
        let ended = Zload::with_scenario(command, "[load]\nrat = '1/s'").end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{command}");
        assert!(ended.stderr.contains("did you mean `rate`?"), "{command}: {}", ended.stderr);
        assert!(ended.stderr.contains(".toml:2:1"), "{command}: {}", ended.stderr);
    }
}

#[test]
fn a_file_that_is_no_scenario_is_named_with_the_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut noise = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut ten_megabytes = vec![0; 10 << 20];
    noise.fill_bytes(&mut ten_megabytes);
    let files: [(&str, &[u8], &str); 6] = [
        ("empty.toml", b"", "needs a rate"),
        ("prose.toml", b"Dear zload, please run 3 clients.", "not valid TOML"),
        ("half.toml", b"[load]\nrate = '1/s", "not valid TOML"),
        ("latin1.toml", b"name = 'caf\xe9'", "not UTF-8"),
        ("noise.toml", &ten_megabytes, "larger than 1 MiB"),
        ("zeros.toml", &[0; 4096], "not valid TOML"),
    ];
    for (name, bytes, reason) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writing");
        let ended = Zload::new(&["check", path.to_str().expect("UTF-8")]).end();
        assert_eq!(ended.code, Some(2), "{name}");
        assert!(ended.stderr.contains(name) && ended.stderr.contains(reason), "{}", ended.stderr);
        assert!(ended.stderr.len() < 2_000, "{name}: {} bytes are no message", ended.stderr.len());
    }
    for missing in [folder.path(), &folder.path().join("missing.toml"), Path::new("/dev/null/x")] {
        let ended = Zload::new(&["check", missing.to_str().expect("UTF-8")]).end();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains("cannot read"), "{}", ended.stderr);
    }
}

#[test]
fn hostile_text_is_refused_quickly_with_a_short_message() {
    let long = "x".repeat(900_000);
    let hostile = [
        format!("{long} = 1"),
        format!("[{long}]"),
        format!("load = {{ {long} = 1 }}"),
        format!("load = {{ rate = '{long}' }}"),
        format!("load = {{ rate = '{}/s' }}", "9".repeat(900_000)),
        format!("load = {{ payload = '0.{}B' }}", "1".repeat(900_000)),
        format!("workers = {{ replies = {} }}", "[".repeat(400_000)),
        format!("workers = {{ replies = {} }}", "{ a = ".repeat(100_000)),
        format!("{} = 1", vec!["a"; 400_000].join(".")),
        "[load]\n".repeat(100_000),
        (0..60_000).map(|key| format!("k{key} = 1\n")).collect(),
        "\"sed`, expected `x\" = 1".to_owned(),
        "\"a\\nb\\u001b[31m\" = 1".to_owned(),
    ];
    for text in hostile {
        let shown = Scenario::parse("a.toml", &text, &[]).expect_err("refused").to_string();
        assert!(shown.len() < 4_000, "{} bytes", shown.len());
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
}

/// A good scenario with each of its kinds of value, for mangling.
const WHOLE: &str = include_str!("../configs/asyncsrv.toml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_scenario_is_read_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, ".{0,4}"), 1..5),
    ) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (place, length, new) in cuts {
            let from = place.index(text.len().max(1)).min(text.len());
            let to = (from + length).min(text.len());
            text.splice(from..to, new.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(problem) = Scenario::parse("a.toml", &text, &[]) {
            let shown = problem.to_string();
            prop_assert!(shown.contains("a.toml:") && shown.starts_with("error"), "{}", shown);
        }
    }
}

fn schema() -> Validator {
    let schema: Value = Zload::new(&["schema"]).end().result(0);
    jsonschema::validator_for(&schema).expect("a JSON Schema")
}

#[test]
fn the_schema_refuses_what_the_tool_refuses() {
    let schema = schema();
    for Mistake { text, in_schema, .. } in MISTAKES {
        let json: Value = toml::from_str(text).expect(text);
        assert_eq!(schema.is_valid(&json), !in_schema, "{text}");
    }
}

#[test]
fn the_schema_accepts_what_the_tool_accepts() {
    let schema = schema();
    for text in [
        "load = { rate = '1/s' }",
        "load = { rate = '.5M/s', arrivals = 'poisson', payload = { uniform = ['64B', '1.5KiB'] } }",
        "load = { rate_per_client = '30/m', timeout = '1m30s' }\nclients = { threads = 'auto' }",
        "load = { rate = '1/s' }\nclients = { count = 8, threads = 2, connect_timeout = '1.5s' }",
        "load = { model = 'closed' }",
        "load = { model = 'closed', in_flight = 9, think = { exponential = '2.5ms' } }",
        "load = { rate = '1/s' }\nrun = { warmup = '0s', duration = '1h2m3s4ms5us6ns', drain = '.5us' }",
        "load = { rate = '1/s' }\nworkers = { replies = { choice = [[1, 2], [0.5, 3]] }, delay_by = 'spin' }",
        "load = { rate = '1/s' }\nworkers = { delay = { lognormal = { median = '1ms', p99 = '1s' } } }",
        "load = { rate = '1/s' }\nworkers = { delay = { pareto = { min = '1ms', shape = 1.5 } } }",
        "load = { rate = '1/s' }\nworkers = { delay = { normal = { mean = '1ms', sd = '10µs' } } }",
        "load = { rate = '1/s' }\nproxy = { engine = 'external', frontend = 'tcp://[::1]:5570', io_threads = 2 }",
        "load = { rate = '1/s' }\nproxy = { frontend = 'ipc:///tmp/x', backend = 'tcp://127.0.0.1:*' }",
        "load = { rate = '1/s' }\nsockets = { sndhwm = 0, sndbuf = '1MiB', heartbeat_ivl = '1s', tos = 8 }",
        "load = { rate = '1/s' }\nverdict = { max_slip = '1ms', max_lost = 0, max_drift = 0.2, min_window = '1s' }",
        "load = { rate = '1/s' }\nthresholds = { limits = ['first_reply.p99<5ms', ' ledger.requests_lost == 0 ', 'a.b_c >= 1.5MiB/s'] }",
    ] {
        Scenario::parse("a.toml", text, &[]).unwrap_or_else(|problem| panic!("{problem}"));
        let json: Value = toml::from_str(text).expect(text);
        let errors: Vec<String> =
            schema.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{text}: {errors:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Durations as people might write them, right and wrong: schema and tool must say the same.
    #[test]
    fn schema_and_tool_agree_on_units(text in r"([0-9]{1,2}(\.[0-9]{0,2})?|\.[0-9])?(ns|us|ms|s|m|h|B|KiB|/s|/m| )?([1-9](ns|us|ms|s))?") {
        static PATTERNS: std::sync::OnceLock<Validator> = std::sync::OnceLock::new();
        let schema = PATTERNS.get_or_init(|| {
            let schema = serde_json::to_value(schemars::schema_for!(zload_core::scenario::Nanos)).expect("JSON");
            jsonschema::validator_for(&schema).expect("a JSON Schema")
        });
        let read = text.parse::<zload_core::scenario::Nanos>();
        prop_assert_eq!(schema.is_valid(&Value::String(text.clone())), read.is_ok(), "{}: {:?}", text, read);
    }
}

#[test]
fn every_shipped_scenario_is_accepted_by_schema_and_tool() {
    let schema = schema();
    let mut count = 0;
    let folders = ["configs", "configs/servers"].map(std::fs::read_dir);
    for entry in folders.into_iter().flat_map(|folder| folder.expect("a folder of scenarios")) {
        let path = entry.expect("an entry").path();
        if path.extension() != Some("toml".as_ref()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text file");
        let json: Value = toml::from_str(&text).expect("TOML");
        let errors: Vec<String> =
            schema.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        Scenario::parse("a.toml", &text, &[])
            .unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        count += 1;
    }
    assert!(count >= 16, "{count} scenarios are shipped");
}

/// Five hundred mangled files, by a fixed seed, each through the program as a user would.
#[test]
fn the_program_refuses_mangled_files_without_a_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut runner = TestRunner::deterministic();
    let bytes: Vec<u8> = WHOLE.bytes().collect();
    let mut paths = Vec::new();
    for number in 0..500 {
        let mut mangled = bytes.clone();
        for _ in 0..=number % 4 {
            let at = runner.rng().next_u32() as usize % mangled.len();
            match number % 3 {
                0 => mangled[at] = runner.rng().next_u32().to_le_bytes()[0],
                1 => drop(mangled.drain(at..(at + 7).min(mangled.len()))),
                _ => mangled.insert(at, b"{}[]='\".,#"[at % 10]),
            }
        }
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, &mangled).expect("writing");
        paths.push(path.to_str().expect("UTF-8").to_owned());
    }
    let mut args = vec!["check"];
    args.extend(paths.iter().map(String::as_str));
    let ended = Zload::new(&args).end();
    assert_eq!(ended.code, Some(2));
    let accepted = ended.stdout.matches(": ok\n").count();
    // One line for each, and one that says how many.
    let refused = ended.stderr.lines().filter(|line| line.starts_with("error")).count() - 1;
    assert_eq!(accepted + refused, 500, "every file is accepted or refused");
    assert!(refused > 100, "{refused} were refused: the mangling is too gentle to test anything");
}
