//! `[server] command`: servers that zload starts. Good ones and bad ones; none of them may outlive it.

use std::path::Path;

use crate::support::{Ended, ForeignServer, Running, Zload, assert_ends, ledger, number};
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use zload::machine::clock::Clock;

const LOAD: &str = "load = { rate = '200/s' }\nrun = { duration = '500ms', drain = '1s' }\n";
const LONG_LOAD: &str = "load = { rate = '200/s' }\nrun = { duration = '10m', drain = '1h' }\n";

/// A folder with a shell script that is a server, and places where it notes its processes.
struct Script(TempDir);

impl Script {
    /// A server that does `before`, and then is zload's own. In it, `note NUMBER` keeps the number of a process, and
    /// `serve` is the server itself.
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("serve.toml"), "load = { rate = '1/s' }\nproxy = { engine = 'batch' }")
            .expect("writing");
        let script = format!(
            "cd {folder}\nnote() {{ echo $1 >>noted; }}\nnote $$\n\
             serve() {{ {zload} serve serve.toml -q --set proxy.frontend=$frontend \"$@\"; }}\n\
             frontend=$1\n{body}\n",
            folder = folder.path().display(),
            zload = env!("CARGO_BIN_EXE_zload"),
        );
        std::fs::write(path("server.sh"), script.replace("exec serve", &exec_serve()))
            .expect("writing");
        Self(folder)
    }

    fn scenario(&self, rest: &str) -> String {
        let script = self.0.path().join("server.sh");
        format!("{rest}\n[server]\ncommand = ['sh', '{}', '{{frontend}}']\n", script.display())
    }

    /// A run that reports in JSON and shows its progress.
    fn run(&self, rest: &str) -> Zload {
        Zload::with_scenario("run", &self.scenario(rest)).args(&["--format", "json"])
    }

    /// The processes that it noted.
    fn noted(&self) -> Vec<Pid> {
        let text = std::fs::read_to_string(self.0.path().join("noted")).expect("noted processes");
        text.lines()
            .map(|line| Pid::from_raw(line.parse().expect("a number")).expect("a process"))
            .collect()
    }

    /// Fails unless all processes that it noted come to their end.
    fn assert_gone(&self, how_many: usize) {
        let noted = self.noted();
        assert_eq!(noted.len(), how_many, "{noted:?}");
        for pid in noted {
            assert_ends(pid);
        }
    }
}

fn exec_serve() -> String {
    format!(
        "exec {} serve serve.toml -q --set proxy.frontend=$frontend",
        env!("CARGO_BIN_EXE_zload")
    )
}

fn measuring(running: Zload) -> Running {
    let mut running = running.start();
    running.await_line("measuring");
    running
}

fn text<'a>(result: &'a Value, key: &str) -> &'a str {
    result["server"][key].as_str().unwrap_or_else(|| panic!("{key} in {}", result["server"]))
}

fn refused(zload: Zload, parts: &[&str]) -> Ended {
    let ended = zload.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} is not in\n{}", ended.stderr);
    }
    ended
}

#[test]
fn a_server_is_started_measured_and_stopped() {
    let script = Script::new("exec serve");
    let result = script.run(LOAD).result(0);
    let ledger = ledger(&result);
    assert_eq!(
        (&ledger["requests_answered"], &ledger["replies_unexpected"]),
        (&100.into(), &0.into())
    );
    assert_eq!(text(&result, "exit"), "exit status 130", "of zload serve when it is stopped");
    assert!(number(&result, "server.cpu_ns") > 0 && number(&result, "server.resident_bytes") > 0);
    assert!(result["server"]["cpu_ns_per_message"].as_f64().is_some_and(|ns| ns > 0.0));
    let (frontend, command) = (&result["proxy"]["frontend"], &result["server"]["command"]);
    assert_eq!(command[2], *frontend);
    assert_eq!(result["scenario"]["proxy"]["engine"], "external");
    assert_eq!(result["scenario"]["server"]["command"][2], "{frontend}");
    assert!(result["server"].get("last_output").is_none(), "it did not die");
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    let other_load = checks.iter().find(|check| check["name"] == "other_load").expect("the check");
    assert_ne!(
        other_load["status"], "not_applicable",
        "what the server used is known: {other_load}"
    );
    script.assert_gone(1);
}

#[test]
fn the_report_and_the_check_speak_of_it() {
    let script = Script::new("exec serve");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let path = path.to_str().expect("UTF-8");
    let run = Zload::with_scenario("run", &script.scenario(LOAD)).args(&["-v", "-o", path]).end();
    let unwrapped = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["server sh ", " CPU per message", " MiB resident", "end: exit status 130"] {
        assert!(unwrapped.contains(part), "no {part:?} in\n{}", run.stdout);
    }
    assert_eq!(Zload::new(&["show", "-v", path]).end().stdout, run.stdout);
    let check = Zload::with_scenario("check", &script.scenario(LOAD)).end();
    assert!(check.stdout.contains("started by zload"), "{}", check.stdout);
}

#[test]
fn every_run_has_a_server_of_its_own() {
    let script = Script::new("exec serve");
    let result = script.run(LOAD).args(&["--repeat", "3"]).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 300);
    for run in result["runs"].as_array().expect("runs") {
        assert!(run["server"]["cpu_ns"].as_u64().is_some_and(|ns| ns > 0), "{run}");
    }
    script.assert_gone(3);
}

#[test]
fn a_server_that_does_not_come_up_again_does_not_cost_what_the_first_run_found() {
    let script = Script::new("[ $(wc -l <noted) -gt 1 ] && echo 'only once' && exit 7\nexec serve");
    let ended = script.run(LOAD).args(&["--repeat", "3"]).end();
    let result = ended.result(2);
    let failure = result["failure"].as_str().expect("a failure");
    assert!(failure.contains("run 2 of 3 did not start: the server ended"), "{failure}");
    assert!(failure.contains("exit status 7; its last output was \"only once\""), "{failure}");
    assert_eq!(ledger(&result)["requests_answered"], 100);
    script.assert_gone(2);
}

#[test]
fn a_server_over_ipc_is_told_the_path() {
    let script = Script::new("exec serve");
    let endpoint = format!("ipc://{}", script.0.path().join("socket").display());
    let result = script.run(&format!("{LOAD}proxy = {{ frontend = '{endpoint}' }}")).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 100);
    assert_eq!(result["server"]["command"][2], endpoint);
}

#[test]
fn an_engine_of_ours_takes_its_place_when_asked_for() {
    let script = Script::new("exit 1");
    let result = script.run(LOAD).args(&["--set", "proxy.engine=batch"]).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 100);
    assert_eq!(result["server"], Value::Null);
}

#[test]
fn a_server_that_ends_before_it_answers_is_shown_with_its_last_words() {
    let script = Script::new("echo one; echo two >&2; echo 'no such table: users'; exit 3");
    refused(
        script.run(LOAD),
        &[
            "ended before it answered a request: exit status 3\n",
            "    one\n    two\n    no such table: users",
        ],
    );
    script.assert_gone(1);
}

#[test]
fn a_server_that_puts_itself_into_the_background_does_not_stay_there() {
    let script = Script::new(
        "setsid sh -c 'echo $$ >>noted; exec sleep 1000' &\n\
                              while [ $(wc -l <noted) -lt 2 ]; do :; done; exit 0",
    );
    refused(script.run(LOAD), &["exit status 0; it printed nothing"]);
    script.assert_gone(2);
}

#[test]
fn a_server_that_cannot_be_started_is_explained() {
    let scenario = |command: &str| {
        let text = format!("{LOAD}server = {{ command = ['{command}', '{{frontend}}'] }}");
        Zload::with_scenario("run", &text)
    };
    refused(
        scenario("./no-such-server"),
        &["./no-such-server cannot be started: no such program", "PATH"],
    );
    refused(scenario("no-such-server-of-mine"), &["no such program"]);
    let script = Script::new("exec serve");
    let path = script.0.path().join("server.sh");
    refused(scenario(path.to_str().expect("UTF-8")), &["not executable", "chmod +x"]);
}

#[test]
fn a_server_that_hangs_at_its_start_is_given_up() {
    let script = Script::new("exec sleep 1000");
    let scenario = format!("{}ready_timeout = '300ms'", script.scenario(LOAD));
    refused(
        Zload::with_scenario("run", &scenario),
        &["nothing listens at tcp://127.0.0.1:", "300ms"],
    );
    script.assert_gone(1);
}

#[test]
fn a_server_that_listens_and_never_answers_is_given_up() {
    let script = Script::new("exec serve --set workers.replies=0");
    let scenario = format!("{}ready_timeout = '1s'", script.scenario(LOAD));
    refused(
        Zload::with_scenario("run", &scenario),
        &["a server listens at tcp://", "answered none of"],
    );
    script.assert_gone(1);
}

#[test]
fn an_endpoint_in_use_is_not_measured_in_place_of_the_server() {
    let other = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    let script = Script::new("exec serve");
    let scenario = format!("{LOAD}proxy = {{ frontend = '{}' }}", other.endpoint);
    refused(script.run(&scenario), &["another process already listens at", "set proxy.frontend"]);
}

#[test]
fn a_server_that_dies_in_the_middle_ends_the_run_and_what_was_measured_is_kept() {
    let script = Script::new("sleep 1000 & note $!\necho ready; echo steady >&2; exec serve");
    let running = measuring(script.run(LONG_LOAD));
    kill_process(script.noted()[0], Signal::ILL).expect("the server is there");
    let ended = running.end();
    let result = ended.result(2);
    assert!(ended.stderr.contains("ended during the run: killed by SIGILL"), "{}", ended.stderr);
    assert_eq!(text(&result, "exit"), "killed by SIGILL");
    let said: Vec<&str> = result["server"]["last_output"]
        .as_array()
        .expect("its last output")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(said[..2], ["ready", "steady"], "of both outputs, in their order");
    assert!(
        result["failure"].as_str().is_some_and(|failure| failure.contains(said[2])),
        "{said:?}"
    );
    assert_eq!(result["verdict"]["status"], "INVALID");
    assert!(number(ledger(&result), "requests_sent") > 0, "{}", result["ledger"]);
    script.assert_gone(2);
}

#[test]
fn a_server_that_ignores_sigterm_is_killed_and_a_note_says_so() {
    let script = Script::new("trap '' TERM\nserve &\nnote $!\nwhile :; do sleep 1; done");
    let scenario = format!("{}stop_timeout = '100ms'", script.scenario(LOAD));
    let result = Zload::run(&scenario).result(0);
    assert_eq!(text(&result, "exit"), "killed by SIGKILL");
    assert!(result["notes"].to_string().contains("was killed"), "{}", result["notes"]);
    script.assert_gone(2);
}

#[test]
fn what_a_server_starts_goes_with_it() {
    let script = Script::new(
        "setsid sh -c 'echo $$ >>noted; exec sleep 1000' &\nwhile [ $(wc -l <noted) -lt 2 ]; do :; done\nexec serve",
    );
    let scenario = format!("{}stop_timeout = '500ms'", script.scenario(LOAD));
    let result = Zload::run(&scenario).result(0);
    let notes = result["notes"].to_string();
    assert!(notes.contains("before 1 of the processes"), "{notes}");
    script.assert_gone(2);
}

#[test]
fn a_server_may_say_much_or_close_its_outputs() {
    for body in ["yes 'a line' | head -c 5000000; exec serve", "exec serve >&- 2>&-"] {
        let script = Script::new(body);
        assert_eq!(ledger(&script.run(LOAD).result(0))["requests_answered"], 100, "{body}");
        script.assert_gone(1);
    }
}

#[test]
fn a_signal_ends_the_server_with_the_run() {
    let script = Script::new("exec serve");
    let running = measuring(script.run(LONG_LOAD));
    running.signal(Signal::INT);
    let result = running.end().result(130);
    assert_eq!((&result["interrupted"], text(&result, "exit")), (&true.into(), "exit status 130"));
    script.assert_gone(1);
}

#[test]
fn a_signal_ends_the_wait_for_a_server() {
    let script = Script::new("echo >started; exec sleep 1000");
    let scenario = format!("{}ready_timeout = '10m'", script.scenario(LOAD));
    let mut running = Zload::with_scenario("run", &scenario).args(&["--format", "json"]).start();
    running.await_line("connecting");
    await_file(&script.0.path().join("started"));
    running.signal(Signal::TERM);
    assert_eq!(running.end().result(130)["interrupted"], true);
    script.assert_gone(1);
}

const PYTHON: &str = "import sys, zmq
router = zmq.Context().socket(zmq.ROUTER)
router.bind(sys.argv[1])
left = int(sys.argv[2])
while left:
    router.send_multipart(router.recv_multipart())
    left -= 1
raise RuntimeError('no more')
";

#[test]
fn a_server_that_does_not_speak_zeromq_is_distinguished_from_one_that_does_not_listen() {
    let has_python = std::process::Command::new("python3").args(["-c", "import socket"]).output();
    if !has_python.is_ok_and(|python| python.status.success()) {
        return;
    }
    let script = Script::new(
        "exec python3 -c \"import socket; s = socket.create_server(('127.0.0.1', ${frontend##*:}))\nwhile 1: s.accept()\"",
    );
    let scenario = format!("{}ready_timeout = '2s'", script.scenario(LOAD));
    refused(Zload::with_scenario("run", &scenario), &["does not speak ZeroMQ", "2s"]);
    script.assert_gone(1);
}

/// Runs where Python has pyzmq; elsewhere the servers above must do.
#[test]
fn a_server_in_another_language_is_measured_and_its_traceback_is_shown() {
    let has_pyzmq = std::process::Command::new("python3").args(["-c", "import zmq"]).output();
    if !has_pyzmq.is_ok_and(|python| python.status.success()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("server.py");
    std::fs::write(&path, PYTHON).expect("writing");
    let run = |requests: u32| {
        let command = format!("['python3', '{}', '{{frontend}}', '{requests}']", path.display());
        Zload::run(&format!("{LOAD}server = {{ command = {command} }}"))
    };
    let result = run(1_000_000).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 100);
    assert_eq!(text(&result, "exit"), "killed by SIGTERM");
    let ended = run(50).end();
    let result = ended.result(2);
    assert_eq!(text(&result, "exit"), "exit status 1");
    assert!(ended.stderr.contains("RuntimeError: no more"), "{}", ended.stderr);
    assert!(result["server"]["last_output"].to_string().contains("Traceback"), "{result}");
}

/// Looks for a file until it is there.
fn await_file(path: &Path) {
    for _ in 0..3_000 {
        if path.exists() {
            return;
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        poll(&mut [], Some(&pause)).expect("a pause");
    }
    panic!("{} did not come", path.display());
}

#[test]
fn no_server_outlives_a_zload_that_was_killed() {
    let script = Script::new(
        "setsid sh -c 'echo $$ >>noted; exec sleep 1000' &\ntrap '' TERM INT HUP\nserve &\nnote $!\n\
         while :; do sleep 1; done",
    );
    let running = measuring(script.run(LONG_LOAD));
    running.signal(Signal::KILL);
    script.assert_gone(3);
    assert_eq!(running.end().code, None, "killed by a signal");
}

fn parent_of(process: Pid) -> Pid {
    let id = process.as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent");
    Pid::from_raw(parent.trim().parse().expect("a number")).expect("a process")
}

#[test]
fn no_server_outlives_its_guard_either() {
    let script = Script::new("exec serve");
    let running = measuring(script.run(LONG_LOAD));
    kill_process(parent_of(script.noted()[0]), Signal::KILL).expect("the guard is there");
    let result = running.end().result(2);
    assert_eq!(text(&result, "exit"), "status unknown");
    script.assert_gone(1);
}

#[test]
fn no_server_outlives_a_zload_that_ends_at_once_at_the_second_signal() {
    let script = Script::new("trap '' TERM INT HUP\nserve &\nnote $!\nwhile :; do sleep 1; done");
    let scenario = format!("{}stop_timeout = '10m'", script.scenario(LONG_LOAD));
    let running = measuring(Zload::with_scenario("run", &scenario));
    running.signal(Signal::INT);
    // The server's own process ends at SIGTERM, which tells that the first signal has come to something.
    assert_ends(script.noted()[1]);
    running.signal(Signal::INT);
    assert_eq!(running.end().code, Some(130));
    script.assert_gone(2);
}

#[test]
fn no_server_outlives_zload_and_its_guard_when_both_are_killed_at_once() {
    for phase in ["connecting", "measuring"] {
        let script = Script::new("echo >started; trap '' TERM INT HUP; exec serve");
        let mut running = script.run(LONG_LOAD).start();
        running.await_line(phase);
        await_file(&script.0.path().join("started"));
        let guard = parent_of(script.noted()[0]);
        // Neither can do anything between the two.
        running.signal(Signal::STOP);
        kill_process(guard, Signal::STOP).expect("the guard is there");
        kill_process(guard, Signal::KILL).expect("the guard is there");
        running.signal(Signal::KILL);
        script.assert_gone(1);
        assert_eq!(running.end().code, None, "killed by a signal");
    }
}

#[test]
fn a_result_does_not_wait_for_a_stopped_server_or_guard_nor_long_for_a_stubborn_one() {
    let stubborn = "trap '' TERM\nserve &\nnote $!\nwhile :; do sleep 1; done";
    for (body, processes, stopped) in
        [("exec serve", 1, Some("server")), ("exec serve", 1, Some("guard")), (stubborn, 2, None)]
    {
        let script = Script::new(body);
        let saved = script.0.path().join("r.json");
        let scenario = format!("{}stop_timeout = '10m'", script.scenario(LONG_LOAD));
        let running = measuring(
            Zload::with_scenario("run", &scenario).args(&["-o", saved.to_str().expect("UTF-8")]),
        );
        let server = script.noted()[0];
        let pid = if stopped == Some("server") { server } else { parent_of(server) };
        if stopped.is_some() {
            kill_process(pid, Signal::STOP).expect("it is there");
        }
        running.signal(Signal::INT);
        let since = Clock::start();
        assert_eq!(running.end().code, Some(130), "{stopped:?}");
        let passed_ns = since.now_ns();
        assert!(passed_ns < 5_000_000_000, "{stopped:?}: {passed_ns} ns");
        let text = std::fs::read_to_string(saved).expect("the result");
        let result: Value = serde_json::from_str(&text).expect("a JSON object");
        assert!(result["server"]["exit"].is_string(), "how it ended: {}", result["server"]);
        script.assert_gone(processes);
    }
}
