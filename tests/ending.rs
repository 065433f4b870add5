//! How runs end when they do not end by themselves: signals, deadlock, drops.

use crate::support::{ENGINES, ForeignServer, Zload, ledger, number, with_each_engine};
use rustix::process::Signal;

with_each_engine! {
    a_signal_ends_the_connect_phase_with_a_report,
    the_example_loop_deadlocks_under_small_marks_and_the_run_says_so,
    replies_that_router_drops_are_lost_with_the_likely_cause,
    nobody_listening_is_a_failure_that_names_the_endpoint,
}

const NOBODY: &str = "proxy = { engine = 'external', frontend = 'tcp://127.0.0.1:9' }\n\
                      load = { rate = '10/s' }\nrun = { duration = '1s' }";

fn a_signal_ends_the_connect_phase_with_a_report(engine: &str) {
    for signal in [Signal::INT, Signal::TERM] {
        let mut running =
            Zload::with_scenario("run", NOBODY).engine(engine).args(&["--format", "json"]).start();
        running.await_line("connecting: 0 of 3 clients");
        running.signal(signal);
        let result = running.end().result(130);
        assert_eq!(result["interrupted"], true);
        assert_eq!(ledger(&result)["requests_unsent"], 10);
    }
}

#[test]
fn a_signal_ends_the_warm_up_with_a_report() {
    let scenario = "load = { rate = '100/s' }\nrun = { warmup = '10m', duration = '10m' }";
    let mut running = Zload::with_scenario("run", scenario).args(&["--format", "json"]).start();
    running.await_line("warming up");
    running.signal(Signal::INT);
    let result = running.end().result(130);
    assert_eq!(ledger(&result)["requests_unsent"], 60_000);
    assert_eq!(result["throughput"]["window_ns"], 0);
}

#[test]
fn a_signal_ends_the_measured_part_and_the_result_is_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("result.json");
    let scenario = "load = { rate = '1k/s' }\nrun = { duration = '10m' }";
    let mut running = Zload::with_scenario("run", scenario)
        .args(&["--format", "json", "-o", path.to_str().expect("UTF-8")])
        .start();
    running.await_line("measuring");
    running.signal(Signal::INT);
    let ended = running.end();
    let result = ended.result(130);
    assert_eq!(std::fs::read_to_string(&path).expect("the saved result"), ended.stdout);
    assert_eq!(result["interrupted"], true);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_planned"], 600_000);
    assert!(number(&result, "ledger.requests_unsent") > 0);
}

#[test]
fn a_signal_ends_repeated_runs_and_is_not_taken_for_overload() {
    let scenario = "load = { rate = '1k/s' }\nrun = { duration = '1s' }";
    let mut running =
        Zload::with_scenario("run", scenario).args(&["--format", "json", "--repeat", "9"]).start();
    running.await_line("2/9 measuring");
    running.signal(Signal::INT);
    let result = running.end().result(130);
    assert_eq!((result["repeat"].as_u64(), result["interrupted"].as_bool()), (Some(2), Some(true)));
    assert!(number(&result, "ledger.requests_unsent") > 0);
    let notes = result["notes"].to_string();
    assert!(!notes.contains("could not be sent"), "{notes}");
}

#[test]
fn what_earlier_runs_found_outlives_a_later_one_that_cannot_begin() {
    let mut server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    let scenario = server.scenario(
        "load = { rate = '100/s' }\nrun = { duration = '500ms' }\nclients = { connect_timeout = '500ms' }",
    );
    let mut running = Zload::with_scenario("run", &scenario)
        .args(&["--format", "json", "--repeat", "99"])
        .start();
    running.await_line("2/99 connecting");
    server.kill();
    let ended = running.end();
    let result = ended.result(2);
    assert!(ended.stderr.contains("did not start: 0 of 3 clients connected"), "{}", ended.stderr);
    assert!(result["failure"].as_str().expect("a failure").contains("did not start"));
    assert!(number(&result, "ledger.requests_answered") >= 50);
}

#[test]
fn a_signal_ends_a_poisson_plan_that_nobody_could_count_in_time() {
    let scenario = "load = { rate = '20k/s', arrivals = 'poisson' }\nrun = { duration = '24h' }\n\
                    proxy = { engine = 'batch' }";
    let mut running = Zload::with_scenario("run", scenario).args(&["--format", "json"]).start();
    running.await_line("measuring");
    running.signal(Signal::INT);
    let result = running.end().result(130);
    let planned = number(ledger(&result), "requests_planned");
    assert!(planned < 20_000 * 3_600, "{planned} were planned up to the interruption");
    assert!(result["notes"].to_string().contains("Poisson"), "{}", result["notes"]);
}

#[test]
fn a_signal_ends_a_load_that_no_driver_can_send_and_its_rate_is_possible() {
    let scenario = "load = { rate = '20M/s' }\nclients = { count = 1 }\nrun = { duration = '10m' }\n\
                    proxy = { engine = 'batch' }\nsockets = { sndhwm = 0, rcvhwm = 0 }";
    for engine in ENGINES {
        let mut running = Zload::with_scenario("run", scenario)
            .engine(engine)
            .args(&["--format", "json"])
            .start();
        running.await_line("measuring");
        running.signal(Signal::INT);
        let result = running.end().result(130);
        let window_s = number(&result, "throughput.window_ns") as f64 / 1e9;
        assert!(window_s < 5.0, "it went on for {window_s} s");
        let rate = result["throughput"]["requests_per_s"].as_f64().expect("a rate");
        let sent = number(ledger(&result), "requests_sent") as f64;
        assert!(rate * window_s <= sent + 1.0, "{rate}/s for {window_s} s, and {sent} were sent");
        assert!(number(ledger(&result), "replies_received") > 0, "replies are read, too");
    }
}

#[test]
fn a_signal_ends_a_server_whose_workers_cannot_connect() {
    // A backlog of one makes most of the connections wait for retransmissions of a second and more.
    let scenario = "load = { rate = '1/s' }\nproxy = { backend = 'tcp://127.0.0.1:*' }\nrun = { duration = '10m' }\n\
                    sockets = { backlog = 1 }\nclients = { connect_timeout = '10m' }\nworkers = { count = 400 }";
    let mut running = Zload::with_scenario("run", scenario).args(&["--format", "json"]).start();
    running.await_line("connecting");
    running.signal(Signal::INT);
    assert_eq!(running.end().code, Some(130));
}

#[test]
fn a_signal_wakes_a_thousand_workers_out_of_their_delays() {
    let scenario = "load = { rate = '2k/s' }\nrun = { duration = '10m', drain = '1h' }\n\
                    workers = { count = 1000, delay = '1h' }";
    let mut running = Zload::with_scenario("run", scenario).args(&["--format", "json"]).start();
    running.await_line("measuring");
    running.signal(Signal::TERM);
    let result = running.end().result(130);
    assert_eq!(ledger(&result)["requests_answered"], 0);
}

fn the_example_loop_deadlocks_under_small_marks_and_the_run_says_so(engine: &str) {
    let scenario = "load = { model = 'closed', in_flight = 64 }\nclients = { count = 8 }\n\
                    run = { duration = '10m' }\nproxy = { engine = 'poll' }\n\
                    workers = { count = 1, replies = 4 }\nsockets = { sndhwm = 10, rcvhwm = 10 }";
    let ended = Zload::run(scenario).engine(engine).end();
    let result = ended.result(2);
    assert!(
        ended.stderr.contains("deadlock") && ended.stderr.contains("batch"),
        "{}",
        ended.stderr
    );
    assert!(result["failure"].as_str().is_some_and(|failure| failure.contains("deadlock")));
    assert!(number(ledger(&result), "requests_sent") > 0);
}

fn replies_that_router_drops_are_lost_with_the_likely_cause(engine: &str) {
    let scenario = "load = { rate = '200/s', payload = '64KiB' }\nclients = { count = 1 }\n\
                    run = { duration = '1s', drain = '1s' }\nproxy = { engine = 'batch' }\n\
                    workers = { count = 4, replies = 400 }\nsockets = { sndhwm = 2, rcvhwm = 2, sndbuf = '4KiB' }";
    let result = Zload::run(scenario).engine(engine).result(0);
    assert!(number(ledger(&result), "replies_lost") > 0, "{}", result["ledger"]);
    let checks = result["verdict"]["checks"].to_string();
    assert!(checks.contains("ROUTER drops") && checks.contains("sockets.sndhwm = 2"), "{checks}");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let mut serving =
        Zload::with_scenario("serve", "load = { rate = '1/s' }").args(&["-q"]).start();
    let line = serving.await_line("listening on ");
    let endpoint = line.trim_start_matches("listening on ");
    let frontend = format!("proxy.frontend={endpoint}");
    let ended = Zload::run("load = { rate = '1/s' }").args(&["--set", &frontend]).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains(endpoint) && ended.stderr.contains("another port"),
        "{}",
        ended.stderr
    );
    serving.signal(Signal::INT);
    assert_eq!(serving.end().code, Some(130));
    let by_name = ["--set", "proxy.frontend=tcp://localhost:*"];
    let ended = Zload::run("load = { rate = '1/s' }").args(&by_name).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("not to a host name"), "{}", ended.stderr);
}

fn nobody_listening_is_a_failure_that_names_the_endpoint(engine: &str) {
    let ended =
        Zload::run(NOBODY).engine(engine).args(&["--set", "clients.connect_timeout=200ms"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("0 of 3 clients connected to tcp://127.0.0.1:9"),
        "{}",
        ended.stderr
    );
}

#[test]
fn more_clients_than_descriptors_are_refused_before_anything_starts() {
    let ended = Zload::run("load = { rate = '1/s' }").args(&["--clients", "1000000"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("file descriptors") && ended.stderr.contains("clients fit"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_ipc_path_that_cannot_be_is_an_error() {
    let ended = Zload::run("load = { rate = '1/s' }")
        .args(&["--set", "proxy.frontend=ipc:///dev/null/x"])
        .end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("cannot bind ipc:///dev/null/x"), "{}", ended.stderr);
}
