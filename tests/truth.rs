//! Where the time went, what was possible, and whether to believe it: seen on real sockets.

use crate::support::{ForeignServer, Zload, ledger, number, with_each_engine};
use serde_json::Value;

with_each_engine! {
    a_delay_is_in_the_worker_and_nowhere_else,
    waiting_for_a_busy_worker_is_apart_from_transport,
    excess_is_what_the_world_added_and_not_what_was_planned,
    a_load_beyond_the_workers_capacity_is_invalid_and_says_so_first,
    lost_replies_are_no_backlog,
    a_stall_shows_in_the_percentiles_and_a_tool_that_waits_would_hide_it,
    littles_law_and_conservation_hold_for_every_run,
}

const LEGS: [&str; 7] = [
    "to_proxy",
    "in_proxy",
    "to_worker",
    "in_worker",
    "back_to_proxy",
    "back_in_proxy",
    "to_client",
];

/// The status of a check of a result's verdict.
fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}"))
}

/// Runs a scenario with a trace; gives the result and the trace's events.
fn traced(scenario: &str, args: &[&str]) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trace.json");
    let path = path.to_str().expect("a UTF-8 path");
    let result = Zload::run(scenario).args(&["--trace-out", path]).args(args).result(0);
    let text = std::fs::read_to_string(path).expect("the trace was written");
    let trace: Value = serde_json::from_str(&text).expect("one JSON object");
    (result, trace["traceEvents"].as_array().expect("an array").clone())
}

#[test]
fn the_legs_of_every_request_add_up_to_its_response_time_with_every_engine() {
    let scenario =
        "load = { rate = '200/s' }\nrun = { duration = '1s' }\nworkers = { delay = '2ms' }";
    for (engine, hidden, clients) in [
        ("poll", 0, "libzmq"),
        ("batch", 0, "libzmq"),
        ("builtin", 4, "libzmq"),
        ("batch", 0, "zmtp"),
        ("builtin", 4, "zmtp"),
    ] {
        let sets = [format!("proxy.engine={engine}"), format!("clients.engine={clients}")];
        let (result, events) = traced(scenario, &["--set", &sets[0], "--set", &sets[1]]);
        let hops = &result["hops"];
        assert_eq!((&hops["sampled"], &hops["disordered"]), (&200.into(), &0.into()), "{engine}");
        assert_eq!(hops["in_generator"].is_null(), clients == "libzmq", "{engine}");
        let null = LEGS.iter().filter(|leg| hops[*leg].is_null()).count();
        assert_eq!(null, hidden, "{engine}: legs that it hides");
        let requests = events.iter().filter(|event| event["args"]["response_ns"].is_u64());
        let mut count = 0;
        for request in requests {
            let args = request["args"].as_object().expect("arguments");
            let legs = args.iter().filter(|(name, _)| *name != "response_ns");
            let sum: u64 = legs.map(|(_, ns)| ns.as_u64().expect("a time")).sum();
            assert_eq!(Some(sum), args["response_ns"].as_u64(), "{engine}");
            count += 1;
        }
        assert_eq!(count, 200, "{engine}: requests in the trace");
    }
}

fn a_delay_is_in_the_worker_and_nowhere_else(engine: &str) {
    let scenario = "load = { rate = '50/s' }\nrun = { duration = '1s' }\nproxy = { engine = 'batch' }\n\
                    workers = { count = 5, delay = '20ms' }";
    let result = Zload::run(scenario).engine(engine).result(0);
    assert!(number(&result, "hops.in_worker.min_ns") >= 20_000_000);
    assert_eq!(number(&result, "hops.in_worker_planned.max_ns"), 20_000_000);
    for leg in LEGS.into_iter().filter(|leg| *leg != "in_worker") {
        let p50_ns = number(&result, &format!("hops.{leg}.p50_ns"));
        assert!(p50_ns < 10_000_000, "{leg}: {p50_ns}");
    }
    let shares = &result["hops"]["owners"][0]["shares"];
    assert!(shares["in_worker"].as_f64().is_some_and(|share| share > 0.5), "{shares}");
}

fn waiting_for_a_busy_worker_is_apart_from_transport(engine: &str) {
    // Two requests at a time for one worker: the second waits for the first's 10 ms.
    let scenario = "load = { rate = '40/s' }\nclients = { count = 1 }\nrun = { duration = '1s' }\n\
                    proxy = { engine = 'batch' }\nworkers = { count = 1, delay = '40ms' }";
    let result = Zload::run(scenario).engine(engine).result(0);
    let waiting = number(&result, "hops.to_worker_waiting.max_ns");
    let transport = number(&result, "hops.to_worker_transport.p50_ns");
    assert!(waiting > 100_000_000 && transport < waiting / 4, "{waiting} {transport}");
}

fn excess_is_what_the_world_added_and_not_what_was_planned(engine: &str) {
    let scenario = "load = { rate = '100/s' }\nrun = { duration = '2s' }\nproxy = { engine = 'batch' }\n\
                    workers = { count = 40, delay = { uniform = ['1ms', '100ms'] } }";
    let result = Zload::run(scenario).engine(engine).result(0);
    let (ideal, excess) = (
        number(&result, "ideal.first_reply.p50_ns"),
        number(&result, "ideal.excess.first_reply.p50_ns"),
    );
    let measured = number(&result, "latency.first_reply.p50_ns");
    assert!(ideal > 30_000_000 && measured >= ideal, "{ideal} {measured}");
    assert!(excess < ideal / 3, "{excess} of {measured}");
    assert_eq!(result["ideal"]["excess"]["first_reply"]["count"], 200);
    assert_eq!(result["ideal"]["excess"]["unmatched"], 0);
}

#[test]
fn what_has_no_ideal_has_none() {
    let closed = "load = { model = 'closed' }\nrun = { duration = '300ms' }";
    assert!(Zload::run(closed).result(0)["ideal"].is_null());
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    let external = server.scenario("load = { rate = '200/s' }\nrun = { duration = '300ms' }");
    let result = Zload::run(&external).result(0);
    assert!(result["ideal"].is_null());
    assert!(result["hops"]["to_proxy"].is_null() && !result["hops"]["to_client"].is_null());
}

fn a_load_beyond_the_workers_capacity_is_invalid_and_says_so_first(engine: &str) {
    let scenario = "load = { rate = '400/s' }\nrun = { duration = '3s', drain = '100ms' }\n\
                    proxy = { engine = 'batch' }\nworkers = { count = 1, delay = '10ms' }";
    let ended = Zload::with_scenario("run", scenario).engine(engine).args(&["-q"]).end();
    assert_eq!(ended.code, Some(3), "{}", ended.stdout);
    let first = ended.stdout.lines().next();
    assert!(first.is_some_and(|line| line.ends_with(" INVALID")), "{}", ended.stdout);
    let words = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("backlog: unstable: the plan asks for 400.0 % of the workers' capacity"),
        "{words}"
    );
}

fn lost_replies_are_no_backlog(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        if number % 5 == 0 { vec![] } else { vec![body.to_vec()] }
    });
    let load = "load = { rate = '500/s' }\nrun = { duration = '3s', drain = '100ms' }";
    let result = Zload::run(&server.scenario(load)).engine(engine).result(0);
    assert_eq!(ledger(&result)["requests_lost"], 300);
    assert_eq!(check(&result, "lost")["status"], "warn");
    assert_eq!(check(&result, "backlog")["status"], "pass", "{}", check(&result, "backlog"));
}

fn a_stall_shows_in_the_percentiles_and_a_tool_that_waits_would_hide_it(engine: &str) {
    let mut stalled = false;
    let (tell, wait) = std::sync::mpsc::channel::<()>();
    let server = ForeignServer::start("tcp://127.0.0.1:*", move |number, body| {
        if number == 500 && !stalled {
            stalled = true;
            // Nobody tells anything: this ends with its time limit, which is the stall.
            let _stall = wait.recv_timeout(std::time::Duration::from_millis(800));
        }
        vec![body.to_vec()]
    });
    let load = "load = { rate = '500/s' }\nclients = { count = 1 }\nrun = { duration = '4s' }";
    let result = Zload::run(&server.scenario(load)).engine(engine).result(0);
    drop(tell);
    // 400 of 2,000 requests were due in the stall: every twentieth of them waited for more than 95 % of it.
    let p90 = number(&result, "latency.first_reply.p90_ns");
    assert!(p90 > 350_000_000, "{p90}");
    let waiting = &result["waiting_client"];
    assert!(number(waiting, "left_out") >= 300, "{waiting}");
    assert!(number(waiting, "p99_ns") < p90 / 2, "{waiting}");
}

fn littles_law_and_conservation_hold_for_every_run(engine: &str) {
    for scenario in [
        "load = { rate = '300/s' }\nrun = { duration = '1s', warmup = '200ms' }\nworkers = { replies = { uniform = [0, 4] } }",
        "load = { model = 'closed', in_flight = 8 }\nrun = { duration = '500ms' }",
    ] {
        let result = Zload::run(scenario).engine(engine).result(0);
        for name in ["littles_law", "conservation"] {
            let check = check(&result, name);
            assert_eq!(check["status"], "pass", "{check}");
            assert!(check["value"].as_f64().is_some_and(|off| off < 1e-9), "{check}");
        }
    }
}
