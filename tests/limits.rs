//! Where the machine has too little of something: a sentence and exit code 2, and never an abort.

use std::io::Write as _;
use std::process::Command;

use tempfile::NamedTempFile;

/// Runs `zload run` for a moment in a shell that has limited itself before; gives exit code and stderr.
fn run_limited(limit: &str) -> (Option<i32>, String) {
    let mut scenario = NamedTempFile::with_suffix(".toml").expect("a temporary file");
    let text = "load = { rate = '100/s' }\nrun = { duration = '50ms', drain = '50ms' }\nworkers = { count = 2 }";
    scenario.write_all(text.as_bytes()).expect("writing the scenario");
    let script = format!("ulimit -c 0; {limit}; exec \"$0\" run \"$1\" -q");
    let output = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_zload")])
        .arg(scenario.path())
        .output()
        .expect("a shell");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn too_little_address_space_is_a_sentence_at_every_size() {
    let mut refused = 0;
    for kib in (50_000..900_000).step_by(50_000) {
        let (code, stderr) = run_limited(&format!("ulimit -v {kib}"));
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

#[test]
fn descriptors_that_do_not_suffice_for_the_server_alone_are_not_blamed_on_clients() {
    let (code, stderr) = run_limited("ulimit -n 60");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("whatever the number of clients"), "{stderr}");
    assert!(!stderr.contains("clients fit"), "{stderr}");
}
