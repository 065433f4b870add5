//! Signals: whatever ends a process ends a command of zload in time, with what it found and without anything left behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{Running, Zload, ledger};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use zload::machine::clock::Clock;

const LONG: &str = "load = { rate = '1k/s' }\nrun = { duration = '10m', drain = '1h' }\nproxy = { engine = 'batch' }";
/// Next to no time passes in the twin of it, so that it takes many steps to play.
const LONG_TWIN: &str = "load = { model = 'closed', think = '1ns' }\nclients = { count = 100 }\n\
                         run = { duration = '300ms' }\nproxy = { engine = 'batch' }";

/// A busy machine needs its time; what is tested would otherwise take minutes, or for ever.
const SOON: Duration = Duration::from_secs(10);

fn passed(since: Clock) -> Duration {
    Duration::from_nanos(since.now_ns())
}

/// A folder with this scenario, in which commands run.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("a.toml"), text).expect("writing");
    folder
}

fn start(folder: &TempDir, args: &[&str]) -> Running {
    Zload::new(args).folder(folder.path()).args(&["-o", "r.json"]).start()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn saved(folder: &TempDir) -> Value {
    let text = fs::read_to_string(folder.path().join("r.json")).expect("the saved result");
    serde_json::from_str(&text).expect("a JSON object")
}

#[test]
fn every_signal_that_ends_a_process_ends_a_run_with_its_result() {
    let signals = [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TERM,
        Signal::ABORT,
        Signal::ALARM,
        Signal::PROF,
        Signal::USR1,
        Signal::USR2,
        Signal::VTALARM,
        Signal::XCPU,
        Signal::IO,
        Signal::POWER,
        Signal::SYS,
        Signal::TRAP,
    ];
    for signal in signals {
        let folder = folder(LONG);
        let mut running = start(&folder, &["run", "a.toml"]);
        running.await_line("measuring");
        assert_eq!(names(folder.path()), ["a.toml"], "nothing lies there before it is saved");
        running.signal(signal);
        assert_eq!(running.end().code, Some(130), "{signal:?}");
        let result = saved(&folder);
        assert_eq!(result["interrupted"], true, "{signal:?}");
        ledger(&result);
        assert_eq!(names(folder.path()), ["a.toml", "r.json"]);
    }
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let text = "load = { rate = '100/s' }\nrun = { duration = '1s' }";
    let folder = folder(text);
    let script = format!("trap '' HUP; exec {} run a.toml -o r.json", env!("CARGO_BIN_EXE_zload"));
    let mut running = Zload::program("sh", &["-c", &script]).folder(folder.path()).start();
    running.await_line("measuring");
    running.signal(Signal::HUP);
    let ended = running.end();
    assert!(matches!(ended.code, Some(0 | 3)), "{:?} {}", ended.code, ended.stderr);
    assert_eq!(saved(&folder)["interrupted"], false);
}

#[test]
fn a_file_that_may_not_grow_is_a_write_error() {
    let folder = folder("load = { rate = '100/s' }\nrun = { duration = '200ms' }");
    let script =
        format!("ulimit -f 4; exec {} run a.toml -q -o r.json", env!("CARGO_BIN_EXE_zload"));
    let ended = Zload::program("sh", &["-c", &script]).folder(folder.path()).end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("r.json: cannot write"), "{}", ended.stderr);
    assert_eq!(names(folder.path()), ["a.toml"]);
}

#[test]
fn what_was_measured_is_saved_before_the_twin_is_played_and_a_signal_ends_that() {
    for at_once in [false, true] {
        let folder = folder(LONG_TWIN);
        let mut running = start(&folder, &["run", "a.toml", "--format", "json"]);
        running.await_line("simulating");
        let before = saved(&folder);
        assert_eq!((&before["interrupted"], &before["ideal"]), (&false.into(), &Value::Null));
        assert!(
            before["notes"].to_string().contains("had not been simulated"),
            "{}",
            before["notes"]
        );
        ledger(&before);
        running.signal(Signal::INT);
        if at_once {
            running.signal(Signal::TERM);
        }
        let since = Clock::start();
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(passed(since) < SOON, "{:?}", passed(since));
        // The second signal may come too late to end it at once.
        let after = saved(&folder);
        if ended.stdout.is_empty() {
            assert!(at_once);
            assert_eq!(after, before, "what was saved first");
        } else {
            assert_eq!(serde_json::from_str::<Value>(&ended.stdout).expect("JSON"), after);
            assert_eq!((&after["interrupted"], &after["ideal"]), (&true.into(), &Value::Null));
            assert!(after["notes"].to_string().contains("was stopped"), "{}", after["notes"]);
            assert_eq!(after["ledger"], before["ledger"]);
        }
        assert_eq!(names(folder.path()), ["a.toml", "r.json"]);
    }
}

#[test]
fn a_simulation_that_is_not_ended_ends_by_itself() {
    let since = Clock::start();
    let many_replies = "load = { rate = '20k/s' }\nrun = { duration = '50ms', drain = '50ms' }\n\
                        proxy = { engine = 'batch' }\nclients = { count = 2 }\nworkers = { replies = 65535, delay = '5ms' }";
    let result = Zload::run(many_replies).result(0);
    let notes = result["notes"].to_string();
    assert!(notes.contains("more than 20000000 steps") && notes.contains("lower"), "{notes}");
    // Some 65 million draws, of which none is made.
    assert!(passed(since) < Duration::from_secs(40), "{:?}", passed(since));
}

#[test]
fn ideals_end_at_a_signal_and_leave_nothing() {
    let folder = folder(&LONG_TWIN.replace("300ms", "1h"));
    let fifo = folder.path().join("open");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    // The reading end opens when the command has got as far as to reserve it, and signals are requests from then on.
    let running = Zload::new(&["ideal", "a.toml", "-o", "open"]).folder(folder.path()).start();
    let reader = fs::File::open(&fifo).expect("a reader");
    running.await_caught(Signal::INT);
    running.signal(Signal::INT);
    let since = Clock::start();
    let ended = running.end();
    drop(reader);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(passed(since) < SOON, "{:?}", passed(since));
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
    assert_eq!(names(folder.path()), ["a.toml", "open"]);
}

#[test]
fn ideals_of_too_many_steps_say_what_to_lower() {
    let plan = "load = { rate = '1M/s' }\nclients = { count = 100 }\nrun = { duration = '24h' }";
    let ended = Zload::with_scenario("ideal", plan).end();
    assert_eq!(ended.code, Some(2));
    for part in ["200000000 steps", "run.duration", "workers.replies"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
}

#[test]
fn a_comparison_and_a_selftest_end_soon_and_save_what_they_have() {
    for args in [&["compare", "a.toml", "b.toml"][..], &["calibrate", "a.toml"], &["selftest"]] {
        let folder = folder(LONG_TWIN);
        fs::copy(folder.path().join("a.toml"), folder.path().join("b.toml")).expect("copying");
        let mut running = start(&folder, args);
        running.await_line(if args[0] == "selftest" { "1/11" } else { "block 1/" });
        running.signal(Signal::HUP);
        let since = Clock::start();
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{args:?}: {}", ended.stderr);
        assert!(passed(since) < SOON, "{args:?}: {:?}", passed(since));
        saved(&folder);
        assert_eq!(names(folder.path()), ["a.toml", "b.toml", "r.json"]);
    }
}
