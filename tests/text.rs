//! Foreign text in all that zload says: nothing of it acts on a terminal, a spreadsheet, a page or the log of a workflow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Ended, Zload};
use rustix::process::Signal;
use serde_json::{Value, json};
use zload_core::text::acts;

/// Sequences of a terminal, signs that turn text around or hide, and commands of a workflow.
const HOSTILE: &str =
    "\u{1b}[2J\u{9b}31m\u{7}\u{202e}\u{2066}\u{200b}\u{2028}\n::error::x ##[error]";

fn assert_safe(text: &str) {
    let acting: Vec<char> = text.chars().filter(|c| *c != '\n' && acts(*c)).collect();
    assert_eq!(acting, [], "in {text:?}");
    for line in text.lines() {
        assert!(
            !line.trim_start().starts_with("::") && !line.contains("##["),
            "{line:?} is a command"
        );
    }
}

fn run() -> &'static Value {
    static RUN: OnceLock<Value> = OnceLock::new();
    RUN.get_or_init(|| {
        let scenario = "description = 'x'\nload = { rate = '2k/s' }\nrun = { duration = '300ms' }";
        Zload::run(scenario).result(0)
    })
}

fn comparison() -> Value {
    serde_json::from_str(include_str!("fixtures/comparison.json")).expect("JSON")
}

/// `zload show` of a result in each form that there is of it.
fn shown(result: &Value, formats: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    std::fs::write(&path, result.to_string()).expect("writing");
    let shown = |format: &&str| {
        let ended = Zload::new(&["show", "-v", utf8(&path), "--format", format]).end();
        assert_eq!(ended.code, Some(0), "{format}: {}", ended.stderr);
        ended.stdout
    };
    formats.iter().map(shown).collect()
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_result_with_hostile_texts_is_safe_in_every_form() {
    let mut result = run().clone();
    result["verdict"]["status"] = "SUSPECT".into();
    for pointer in [
        "/scenario/name",
        "/scenario/description",
        "/scenario/proxy/frontend",
        "/environment/cpu_model",
        "/environment/kernel",
        "/environment/time",
        "/environment/zload",
        "/plan_hash",
        "/proxy/engine",
        "/proxy/frontend",
        "/verdict/checks/0/sentence",
        "/verdict/checks/0/name",
    ] {
        *result.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = HOSTILE.into();
    }
    result["notes"] = json!([HOSTILE]);
    result["failure"] = HOSTILE.into();
    result["server"] = json!({
        "command": [HOSTILE], "exit": HOSTILE, "cpu_ns": null, "cpu_ns_per_message": null, "busy_ratio": null,
        "resident_bytes": null, "last_output": [HOSTILE],
    });
    let forms = [
        "text",
        "markdown",
        "csv",
        "junit",
        "go-bench",
        "otava",
        "hgrm",
        "hlog",
        "bencher",
        "json",
        "github-action-benchmark-smaller",
    ];
    let texts = shown(&result, &forms);
    for text in &texts {
        assert_safe(text);
    }
    let same: Value = serde_json::from_str(&texts[9]).expect("JSON");
    assert_eq!(same["scenario"]["name"], HOSTILE, "JSON says what there was");

    let mut result = comparison();
    for pointer in [
        "/a/name",
        "/b/name",
        "/a/source",
        "/metrics/0/sentence",
        "/metrics/0/name",
        "/b/environment/cpu_model",
    ] {
        *result.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = HOSTILE.into();
    }
    result["notes"] = json!([HOSTILE]);
    let forms = ["text", "markdown", "csv", "junit", "go-bench", "bencher", "json"];
    for text in &shown(&result, &forms) {
        assert_safe(text);
    }
}

#[test]
fn a_page_shows_what_would_turn_it_around() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [json, html] = ["a.json", "a.html"].map(|name| folder.path().join(name));
    let mut result = run().clone();
    result["scenario"]["name"] = "a\u{202e}b".into();
    std::fs::write(&json, result.to_string()).expect("writing");
    assert_eq!(Zload::new(&["show", utf8(&json), "--html", utf8(&html)]).end().code, Some(0));
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(page.contains(r"<h1>a\u{202e}b</h1>") && !page.contains('\u{202e}'));
}

#[test]
fn names_are_no_formulas_of_a_spreadsheet_and_nobody_is_called_by_them() {
    let mut result = comparison();
    for name in ["=1+2", "+1", "-1", "@SUM(1)", "=cmd|' /C calc'!A0"] {
        result["b"]["name"] = name.into();
        let [csv, markdown] = &shown(&result, &["csv", "markdown"])[..] else {
            panic!("two forms")
        };
        let mut rows = csv::Reader::from_reader(csv.as_bytes());
        let row = rows.records().next().expect("a row").expect("CSV");
        assert_eq!(row[1], format!("'{name}"));
        assert!(
            row.iter().skip(7).all(|cell| !cell.starts_with('\'') || cell.len() > 20),
            "{row:?}"
        );
        assert!(
            markdown.contains("<code>") || markdown.contains(&format!("`{name}`")),
            "{markdown}"
        );
    }
    result["notes"] = json!(["@octocat see #1 and https://a.b/c"]);
    let markdown = &shown(&result, &["markdown"])[0];
    assert!(markdown.contains("- ! `@octocat` see `#1` and `https://a.b/c`\n"), "{markdown}");
}

#[test]
fn paths_and_arguments_are_shown_and_do_not_act() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = |name: &str| -> PathBuf { folder.path().join(name) };
    let good = name("a\u{1b}[2J\u{202e}\n::error::b.toml");
    std::fs::write(&good, "load = { rate = '1/s' }").expect("writing");
    let bad = name("b\u{1b}[2J\u{202e}.toml");
    std::fs::write(&bad, "load = { rate\u{202e} = '1/s\u{1b}' }").expect("writing");
    let missing = name("c\u{1b}\u{9b}.toml");
    let all = [utf8(&good), utf8(&bad), utf8(&missing)];
    for args in [
        &["check", all[0]][..],
        &["check", all[1]],
        &["check", all[0], all[1], all[2]],
        &["run", all[2]],
        &["show", all[2]],
        &["show", all[0]],
        &["check", all[0], "--set", "na\u{1b}me\u{202e}=x"],
        &["check", all[0], "--set", "load.rate=\u{1b}[2J\u{202e}\n::error::"],
        &["check", all[0], "--threshold", "\u{202e}<\u{1b}[2J"],
        &["\u{1b}[2J\u{202e}"],
    ] {
        let Ended { code, stdout, stderr } = Zload::new(args).end();
        assert!(code == Some(0) || code == Some(2), "{args:?}: {code:?}");
        assert_safe(&stdout);
        assert_safe(&stderr);
    }
}

/// A peer chooses its identity, and may know what our clients send.
#[test]
fn a_trace_shows_who_sent_what_and_passes_nothing_on() {
    let scenario = "load = { rate = '1/s' }\nproxy = { frontend = 'tcp://127.0.0.1:*' }";
    let mut server = Zload::with_scenario("serve", scenario).args(&["--trace"]).start();
    let line = server.await_line("listening on ");
    let endpoint = line.rsplit(' ').next().expect("an endpoint");
    let context = zmq::Context::new();
    let mut header = b"zld1".to_vec();
    for part in [&1_u32.to_le_bytes()[..], &0_u64.to_le_bytes(), &1_u64.to_le_bytes()] {
        header.extend(part);
    }
    for (number, body) in [(b'1', &header[..]), (b'2', b"\x1b[2J\xff\xe2\x80\xae")] {
        let dealer = context.socket(zmq::DEALER).expect("a DEALER");
        dealer.set_linger(0).expect("linger");
        dealer.set_rcvtimeo(20_000).expect("rcvtimeo");
        let identity = [b"\x1b]0;x\x07\xff\xe2\x80\xae\n::error::", &[number][..]].concat();
        dealer.set_identity(&identity).expect("identity");
        dealer.connect(endpoint).expect("connecting");
        dealer.send(body, 0).expect("sending");
        assert_eq!(dealer.recv_bytes(0).as_deref(), Ok(body));
    }
    server.signal(Signal::TERM);
    let ended = server.end();
    assert_safe(&ended.stderr);
    assert!(
        ended.stderr.contains(r"client \u{1b}]0;x\u{7}\xff\u{202e}\u{a}::error::1"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains(r#""\u{1b}[2J\xff\u{202e}" of foreign client"#),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_scenario_as_large_as_they_may_be_takes_overrides() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("large.toml");
    let begin = "run = { duration = '50ms' }\nload = { rate = '100/s' }\n";
    let comment = format!("# {}\n", "x".repeat(997));
    let mut text = begin.to_owned();
    text += &comment.repeat(((1 << 20) - begin.len()) / comment.len());
    text += &"#".repeat((1 << 20) - text.len());
    std::fs::write(&path, &text).expect("writing");
    for command in ["check", "run", "ideal"] {
        for option in [
            &["--set", "seed=2"][..],
            &["--seed", "3"],
            &["--rate", "50/s"],
            &["--threshold", "ledger.requests_lost == 0"],
        ] {
            if command != "run" && option[0] == "--threshold" {
                continue;
            }
            let ended = Zload::new(&[command, utf8(&path)]).args(option).end();
            assert!(matches!(ended.code, Some(0 | 3)), "{command} {option:?}: {}", ended.stderr);
        }
    }
    let ended =
        Zload::new(&["check", utf8(&path), "--seed", "2", "--set", "clients.cuont=7"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("--set:1:9") && ended.stderr.contains("^^^^^"),
        "{}",
        ended.stderr
    );
}

/// What a file says decides how large it is, and not how much memory it takes.
#[test]
fn a_file_gets_no_more_memory_than_it_has_text_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.json");
    let good = run().to_string();
    let many = |item: &str| item.repeat((8 << 20) / item.len());
    let put = |key: &str, items: &str| {
        assert!(good.contains(key), "{key}");
        good.replacen(key, &format!("{key}{}", many(items)), 1)
    };
    for (text, code) in [
        (format!("[{}0]", many("0,")), 2),
        (format!("{{\"a\":[{}0],{}", many("0,"), &good[1..]), 0),
        (good.replacen("\"ideal\":{", &format!("\"ideal\":{{\"a\":[{}0],", many("0,")), 1), 0),
        (put("\"notes\":[", "\"\",").replacen("\"\",]", "\"\"]", 1), 2),
        (put("\"heat_map\":[", "{\"offset_ns\":0,\"length_ns\":1,\"counts\":[]},"), 2),
        (put("\"counts\":[", "[1,1],"), 2),
        ("[".repeat(8 << 20), 2),
        (format!("{{\"schema\":{}", "{\"a\":".repeat(1 << 20)), 2),
        (" ".repeat(65 << 20), 2),
    ] {
        std::fs::write(&path, &text).expect("writing");
        let show =
            format!("ulimit -v 400000; exec {} show {}", env!("CARGO_BIN_EXE_zload"), utf8(&path));
        let ended = Command::new("sh").args(["-c", &show]).output().expect("a shell");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{}: {said}", &text[..60]);
        assert!(said.len() < 2_000, "{} bytes", said.len());
    }
}
