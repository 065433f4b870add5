//! Shards that begin together: over real processes, what they agree on and what ends their wait.

use std::net::TcpListener;
use std::path::Path;

use crate::support::{ForeignServer, Running, Zload};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const LOAD: &str = "name = 'shards'\nload = { rate = '100/s' }\nclients = { count = 4 }\nrun = { duration = '200ms' }\n";

/// A port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn echo() -> ForeignServer {
    ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()])
}

/// A shard that is not started yet.
fn shard(share: &str, server: &ForeignServer, folder: &Path) -> Zload {
    let place = folder.join("{shard}.json");
    Zload::with_scenario("run", LOAD).args(&[
        "--shard",
        share,
        "--connect",
        &server.endpoint,
        "-o",
        place.to_str().expect("UTF-8"),
    ])
}

fn gathering(share: &str, server: &ForeignServer, folder: &Path, port: u16) -> Zload {
    let endpoint = format!("tcp://127.0.0.1:{port}");
    shard(share, server, folder).args(&["--gather", &endpoint, "--gather-timeout", "30s"])
}

fn saved(folder: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(name)).expect("a shard's file");
    serde_json::from_str(&text).expect("JSON")
}

fn assert_none_saved(folder: &Path) {
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0, "no run, no file");
}

/// All end with this code, and what each says on stderr.
fn end(shards: Vec<Running>, code: i32) -> Vec<String> {
    let end = |shard: Running| {
        let ended = shard.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        ended.stderr
    };
    shards.into_iter().map(end).collect()
}

#[test]
fn shards_of_one_run_begin_at_one_instant() {
    let (server, folder, port) = (echo(), TempDir::new().unwrap(), free_port());
    let shards = ["2/3", "1/3", "0/3"];
    let shards = shards.map(|share| gathering(share, &server, folder.path(), port).start());
    end(shards.into(), 0);
    let files = [0, 1, 2].map(|index| saved(folder.path(), &format!("{index}-of-3.json")));
    for file in &files {
        assert_eq!(file["start"]["by"], "gather");
        assert_eq!(file["start"]["unix_ns"], files[0]["start"]["unix_ns"]);
        assert_eq!(file["run"], files[0]["run"]);
        let ahead = file["start"]["clock_ahead_ns"].as_i64().expect("known").unsigned_abs();
        assert!(ahead < 1_000_000_000, "all have one clock: {ahead}");
    }
    assert_eq!(files[0]["start"]["bound_ns"], 0);
    assert!(files[1]["start"]["bound_ns"].as_u64() > Some(0));
}

#[test]
fn a_shard_that_does_not_come_ends_the_others_before_a_request() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, _| panic!("a request was sent"));
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let soon = ["--gather-timeout", "1s"];
    let shards = ["0/4", "2/4"].map(|share| {
        let endpoint = format!("tcp://127.0.0.1:{port}");
        shard(share, &server, folder.path()).args(&["--gather", &endpoint]).args(&soon).start()
    });
    for said in end(shards.into(), 2) {
        assert!(said.contains("shards 1 and 3 of 4 did not come within 1 s"), "{said}");
    }
    assert_none_saved(folder.path());
}

#[test]
fn shards_that_are_twice_or_unlike_are_refused_by_one_sentence() {
    let server = echo();
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let twice = ["0/3", "1/3", "1/3"];
    let twice = twice.map(|share| gathering(share, &server, folder.path(), port).start());
    for said in end(twice.into(), 2) {
        assert!(said.contains("shard 1 of 3 runs twice: on "), "{said}");
    }
    let port = free_port();
    let unlike = [("0/2", "1"), ("1/2", "2")].map(|(share, seed)| {
        gathering(share, &server, folder.path(), port).args(&["--seed", seed]).start()
    });
    for said in end(unlike.into(), 2) {
        assert!(said.contains("give every shard the same scenario, seed and overrides"), "{said}");
    }
    let port = free_port();
    let mut first = gathering("0/2", &server, folder.path(), port).start();
    first.await_line("gather: shard 0 of 2");
    // Whichever of the two binds first has the port.
    let mut second = gathering("0/2", &server, folder.path(), port).start();
    second.await_line("gather: shard 0 of 2");
    first.signal(Signal::INT);
    second.signal(Signal::INT);
    let ended = [first.end(), second.end()];
    assert!(ended.iter().all(|one| [Some(2), Some(130)].contains(&one.code)));
    assert_none_saved(folder.path());
}

#[test]
fn a_wait_for_others_can_be_interrupted() {
    let (server, folder, port) = (echo(), TempDir::new().unwrap(), free_port());
    for share in ["0/2", "1/2"] {
        let mut waiting = gathering(share, &server, folder.path(), port).start();
        waiting.await_line("gather: shard");
        waiting.signal(Signal::INT);
        let ended = waiting.end();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    }
    assert_none_saved(folder.path());
}

#[test]
fn an_appointment_is_kept_and_one_in_the_past_refused() {
    let (server, folder) = (echo(), TempDir::new().unwrap());
    let past = shard("0/2", &server, folder.path()).args(&["--start-at", "2020-01-01T00:00:00Z"]);
    let ended = past.end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("--start-at is ") && ended.stderr.contains(" ago"),
        "{}",
        ended.stderr
    );
    assert_none_saved(folder.path());
    let soon = jiff::Timestamp::now().as_second() + 3;
    let shards = ["0/2", "1/2"].map(|share| {
        shard(share, &server, folder.path()).args(&["--start-at", &format!("@{soon}")]).start()
    });
    end(shards.into(), 0);
    for name in ["0-of-2.json", "1-of-2.json"] {
        let start = &saved(folder.path(), name)["start"];
        assert_eq!(start["by"], "appointment");
        assert_eq!(start["unix_ns"].as_i64(), Some(soon * 1_000_000_000));
        assert_eq!(start["bound_ns"], Value::Null);
    }
}

#[test]
fn instants_endpoints_and_shares_that_cannot_be_are_usage_errors() {
    for (args, part) in [
        (&["--start-at", "tomorrow"][..], "2026-11-25T21:30:00Z"),
        (&["--start-at", "@x"], "seconds since 1970"),
        (&["--gather", "h1:5571"], "tcp://HOST:PORT"),
        (&["--gather", "tcp://h1:0"], "tcp://HOST:PORT"),
        (&["--gather", "tcp://:5571"], "tcp://HOST:PORT"),
        (&["--gather", "tcp://h1:5571", "--start-at", "@9999999999"], "cannot be used with"),
    ] {
        let args = [&["run", "a.toml", "--shard", "0/2"], args].concat();
        let ended = Zload::new(&args).end();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn auto_takes_the_share_that_an_engine_tells_and_says_which() {
    let (server, folder) = (echo(), TempDir::new().unwrap());
    let ended = shard("auto", &server, folder.path())
        .env("SLURM_PROCID", "1")
        .env("SLURM_STEP_NUM_TASKS", "2")
        .end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("shard 1 of 2 by Slurm (SLURM_PROCID=1"), "{}", ended.stderr);
    assert_eq!(saved(folder.path(), "1-of-2.json")["shard"]["index"], 1);
    let alone = shard("auto", &server, folder.path()).end();
    assert_eq!(alone.code, Some(2));
    assert!(alone.stderr.contains("no engine says which copy"), "{}", alone.stderr);
    let unasked = Zload::with_scenario("run", LOAD)
        .args(&["--connect", &server.endpoint])
        .env("PMI_RANK", "0")
        .env("PMI_SIZE", "4")
        .end();
    assert!(
        unasked.stderr.contains("4 copies of this run were started by PMI"),
        "{}",
        unasked.stderr
    );
}
