//! Where the machine has too little of something: a sentence and exit code 2, and never an abort.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::{ForeignServer, with_each_engine};

with_each_engine! {
    too_little_address_space_is_a_sentence_at_every_size,
    descriptors_that_do_not_suffice_for_the_server_alone_are_not_blamed_on_clients,
}

/// Runs `zload run` for a moment in a shell that has limited itself before; gives exit code and stderr.
fn run_limited(limit: &str, engine: &str) -> (Option<i32>, String) {
    let text = "load = { rate = '100/s' }\nrun = { duration = '50ms', drain = '50ms' }\nworkers = { count = 2 }";
    let script =
        format!("ulimit -c 0; {limit}; exec \"$0\" run \"$1\" -q --set clients.engine={engine}");
    let output = shell(&script, text);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs this script with zload as `$0` and the scenario as `$1`.
fn shell(script: &str, scenario: &str) -> Output {
    let mut file = NamedTempFile::with_suffix(".toml").expect("a temporary file");
    file.write_all(scenario.as_bytes()).expect("writing the scenario");
    Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_zload")])
        .arg(file.path())
        .output()
        .expect("a shell")
}

fn too_little_address_space_is_a_sentence_at_every_size(engine: &str) {
    let mut refused = 0;
    for kib in (50_000..900_000).step_by(50_000) {
        let (code, stderr) = run_limited(&format!("ulimit -v {kib}"), engine);
        match code {
            Some(0 | 3) => {}
            Some(2) => {
                assert!(stderr.contains("too little memory"), "{kib}: {stderr}");
                refused += 1;
            }
            _ => panic!("{kib} KiB: {code:?}: {stderr}"),
        }
    }
    assert!(refused > 0);
}

fn descriptors_that_do_not_suffice_for_the_server_alone_are_not_blamed_on_clients(engine: &str) {
    let (code, stderr) = run_limited("ulimit -n 60", engine);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("for any number of clients"), "{stderr}");
    assert!(!stderr.contains("clients fit"), "{stderr}");
}

#[test]
fn each_driver_of_zloads_own_engine_may_have_as_many_descriptors_as_a_process() {
    let servers: Vec<ForeignServer> = (0..3)
        .map(|_| ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]))
        .collect();
    let endpoints: Vec<String> =
        servers.iter().map(|server| format!("'{}'", server.endpoint)).collect();
    let text = |clients: u32, threads: &str| {
        format!(
            "run = {{ duration = '500ms', drain = '2s' }}\nload.rate = '1k/s'\nclients = {{ count = {clients}, engine = 'zmtp', threads = {threads} }}\n\
             proxy = {{ engine = 'external', frontend = [{}] }}",
            endpoints.join(", ")
        )
    };
    let run = |clients, threads| {
        shell("ulimit -n 200; exec \"$0\" run \"$1\" -q --format json", &text(clients, threads))
    };
    // 200 less the margin are 136; 130 fit in a table, but not beside what the process has open.
    for (clients, drivers) in [(500, 4), (130, 1)] {
        let ended = run(clients, "'auto'");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(matches!(ended.status.code(), Some(0 | 3)), "{clients}: {stderr}");
        let result: Value = serde_json::from_slice(&ended.stdout).expect("a result");
        let ledger = &result["ledger"];
        assert_eq!(ledger["requests_answered"], 500, "{clients}: {ledger}");
        assert_eq!(result["generator"]["threads"], drivers);
    }
    let ended = run(500, "3");
    assert_eq!(ended.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(stderr.contains("needs at least 4 drivers"), "{stderr}");
}

/// A control group with half a CPU; `None` where this user may make none.
fn half_a_cpu() -> Option<PathBuf> {
    let name = format!("zload-test-{}", std::process::id());
    let version1 = [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")];
    let version2 = [("cpu.max", "50000 100000")];
    [("/sys/fs/cgroup/cpu", &version1[..]), ("/sys/fs/cgroup", &version2[..])].into_iter().find_map(
        |(root, settings)| {
            let folder = Path::new(root).join(&name);
            std::fs::create_dir(&folder).ok()?;
            let set = |(file, text): &(&str, &str)| {
                let path = folder.join(file);
                // A folder in which anybody may make files is no control group.
                path.exists() && std::fs::write(path, text).is_ok()
            };
            if settings.iter().all(set) {
                return Some(folder);
            }
            std::fs::remove_dir(&folder).ok();
            None
        },
    )
}

#[test]
fn a_cpu_quota_that_is_used_up_is_seen() {
    let Some(group) = half_a_cpu() else {
        let told = writeln!(
            std::io::stderr(),
            "skipped: no CPU control group can be made here (this needs root)"
        );
        return told.expect("stderr");
    };
    let text = "load = { model = 'closed', in_flight = 8 }\nclients = { count = 4 }\n\
                run = { warmup = '0s', duration = '3s', drain = '1s' }";
    let script = format!(
        "echo $$ > {}/cgroup.procs || exit 99; exec \"$0\" run \"$1\" -q --format json",
        group.display()
    );
    let output = shell(&script, text);
    std::fs::remove_dir(&group).expect("the group is empty again");
    let result: Value = serde_json::from_slice(&output.stdout).expect("a result");
    assert_eq!(result["environment"]["cpu_quota"], 0.5);
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    let throttled = checks.iter().find(|check| check["name"] == "throttled").expect("the check");
    // How often depends on what else the machine does; that it happened at all does not.
    assert!(throttled["value"].as_f64().is_some_and(|share| share > 0.0), "{throttled}");
}
