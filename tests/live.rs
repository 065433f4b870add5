//! The demo topology on real sockets: engines, transports, loads, phases.

use crate::support::{Zload, ledger, number};

/// The example's fan-out without its long delays.
const FAN_OUT: &str = "load = { rate = '400/s' }\nrun = { duration = '1s' }\n\
                       workers = { replies = { uniform = [0, 4] }, delay = { uniform = ['0ms', '2ms'] } }\n";

#[test]
fn every_engine_delivers_every_message() {
    for engine in ["poll", "builtin", "batch"] {
        let result =
            Zload::run(FAN_OUT).args(&["--set", &format!("proxy.engine={engine}")]).result(0);
        let ledger = ledger(&result);
        assert_eq!(ledger["requests_sent"], 400, "{engine}");
        assert_eq!(ledger["requests_lost"], 0, "{engine}");
        assert!(number(&result, "ledger.requests_silent") > 40, "{engine}: a fifth is silent");
        assert_eq!(result["proxy"]["engine"], engine);
        assert!(
            result["throughput"]["proxy_messages_per_s"].as_f64().is_some_and(|rate| rate > 0.0),
            "{engine}"
        );
        let messages = result["proxy"]["messages_out"].as_u64();
        assert_eq!(messages.is_none(), engine == "builtin", "{engine}: zmq_proxy tells nothing");
    }
}

#[test]
fn the_same_seed_offers_the_same_work_with_any_number_of_drivers() {
    let run = |args: &[&str]| {
        let result = Zload::run(FAN_OUT).args(&["--clients", "4"]).args(args).result(0);
        let of = |key: &str| number(&result, &format!("ledger.{key}"));
        let work = (of("requests_sent"), of("replies_expected"), of("requests_silent"));
        (result["plan_hash"].clone(), work)
    };
    let one = run(&["--set", "clients.threads=1"]);
    assert_eq!(one, run(&["--set", "clients.threads=3"]));
    assert_eq!(one, run(&["--set", "proxy.engine=batch"]));
    let other = run(&["--seed", "77"]);
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
}

#[test]
fn the_same_seed_has_the_same_delays_at_any_server() {
    // One reply each, drawn from two delays far apart: how many are long is in the plan, not in the threads.
    let long = |workers: &str| {
        let scenario = "load = { rate = '200/s' }\nrun = { duration = '1s', drain = '10s' }\n\
                        workers = { delay = { choice = [[4, '0ms'], [1, '40ms']] } }";
        let result = Zload::run(scenario).args(&["--workers", workers]).result(0);
        let key = format!("{}{}", result["plan_hash"], result["ledger"]["replies_received"]);
        (key, number(&result, "latency.service.count"))
    };
    assert_eq!(long("20"), long("40"));
}

#[test]
fn a_closed_load_keeps_its_slots_full_and_counts_every_request() {
    let scenario = "load = { model = 'closed', in_flight = 8 }\nclients = { count = 4 }\n\
                    run = { warmup = '200ms', duration = '500ms' }\nproxy = { engine = 'batch' }";
    let result = Zload::run(scenario).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_lost"], 0);
    assert!(number(&result, "ledger.requests_answered") > 32, "slots were filled again: {ledger}");
    assert_eq!(result["series"][0]["in_flight"], 32);
}

#[test]
fn think_time_spaces_the_requests_of_a_slot() {
    let scenario = "load = { model = 'closed', think = '50ms' }\nclients = { count = 2 }\nrun = { duration = '1s' }";
    let result = Zload::run(scenario).result(0);
    // At 50 ms and some round trip each, a slot sends at most 20 in a second, and one when it starts.
    let sent = number(ledger(&result), "requests_sent");
    assert!((10..=42).contains(&sent), "{sent}");
}

#[test]
fn a_delay_is_never_shorter_than_planned() {
    for delay_by in ["sleep", "spin"] {
        let scenario = "load = { rate = '50/s' }\nrun = { duration = '1s' }\nworkers = { delay = '10ms', replies = 2 }";
        let result = Zload::run(scenario)
            .args(&["--set", &format!("workers.delay_by={delay_by}")])
            .result(0);
        assert!(
            number(&result, "latency.service.min_ns") >= 9_990_000,
            "{delay_by}: {}",
            result["latency"]["service"]
        );
        assert!(number(&result, "latency.last_reply.min_ns") >= 19_980_000, "{delay_by}");
    }
}

#[test]
fn warm_up_is_served_and_not_counted() {
    let scenario = "load = { rate = '500/s' }\nrun = { warmup = '600ms', duration = '400ms' }";
    let result = Zload::run(scenario).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_planned"], 200);
    assert_eq!(ledger["requests_answered"], 200);
    assert_eq!(ledger["replies_duplicate"], 0);
    assert_eq!(number(&result, "latency.slip.count"), 200);
}

#[test]
fn poisson_arrivals_are_planned_too() {
    let scenario = "load = { rate = '300/s', arrivals = 'poisson' }\nrun = { duration = '1s' }";
    let [one, two] =
        [(); 2].map(|()| number(&Zload::run(scenario).result(0), "ledger.requests_planned"));
    assert_eq!(one, two);
    // 300 with a deviation of 17.
    assert!((200..400).contains(&one) && one != 300, "{one}");
}

#[test]
fn messages_travel_over_every_transport() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ipc = |name: &str| format!("ipc://{}", folder.path().join(name).display());
    for (frontend, backend) in [
        ("tcp://127.0.0.1:*".to_owned(), "tcp://127.0.0.1:*".to_owned()),
        (ipc("front"), ipc("back")),
        (ipc("front"), "inproc://workers".to_owned()),
    ] {
        let set = [format!("proxy.frontend={frontend}"), format!("proxy.backend={backend}")];
        let result = Zload::run(FAN_OUT).args(&["--set", &set[0], "--set", &set[1]]).result(0);
        assert_eq!(ledger(&result)["requests_lost"], 0, "{frontend} {backend}");
    }
}

/// Where the machine has IPv6 at all.
#[test]
fn messages_travel_over_ipv6() {
    let frontend = "proxy.frontend=tcp://[::1]:*";
    let ended = Zload::run(FAN_OUT).args(&["--set", frontend]).end();
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(ledger(&ended.result(0))["requests_lost"], 0);
    } else {
        assert!(ended.stderr.contains("no such address"), "{}", ended.stderr);
    }
}

#[test]
fn a_plan_without_a_request_says_so() {
    let scenario =
        "load = { rate = '1/h' }\nrun = { warmup = '1ms', duration = '50ms', drain = '0s' }";
    let result = Zload::run(scenario).result(0);
    assert_eq!(ledger(&result)["requests_planned"], 0);
    assert!(result["notes"].to_string().contains("no request was due"), "{}", result["notes"]);
}

#[test]
fn payloads_of_all_sizes_come_back() {
    let scenario = "load = { rate = '100/s', payload = { choice = [[1, '24B'], [1, '33B'], [1, '64KiB'], [1, '1MiB']] } }\n\
                    run = { duration = '500ms' }\nworkers = { replies = 2 }\nproxy = { engine = 'batch' }";
    let result = Zload::run(scenario).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 50);
}

#[test]
fn hundreds_of_clients_share_a_driver() {
    let scenario = "clients = { count = 400, threads = 2 }\nload = { rate = '800/s' }\nrun = { duration = '1s' }\n\
                    proxy = { engine = 'batch' }";
    let result = Zload::run(scenario).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 800);
    assert_eq!(result["generator"]["threads"], 2);
}

#[test]
fn the_batch_engine_neither_deadlocks_nor_loses_where_engines_that_block_do() {
    // 1,280 requests in flight fill the way to the worker (600 places) and their replies the way back, so that a
    // proxy that blocks in a send waits for a worker that waits for it. A client is owed at most 128 replies at a
    // time, fewer than the 150 places that ROUTER is sure to have for it, so nothing may be dropped either.
    let scenario = "load = { model = 'closed', in_flight = 32, timeout = '30s' }\nclients = { count = 40 }\n\
                    run = { duration = '1s', drain = '30s' }\nworkers = { count = 1, replies = 4 }\n\
                    sockets = { sndhwm = 300, rcvhwm = 300 }";
    let with =
        |engine: &str| Zload::run(scenario).args(&["--set", &format!("proxy.engine={engine}")]);
    let result = with("batch").result(0);
    assert_eq!(ledger(&result)["requests_lost"], 0);
    assert!(number(&result, "ledger.requests_answered") > 1_280);
    for engine in ["poll", "builtin"] {
        let ended = with(engine).end();
        assert_eq!(ended.code, Some(2), "{engine}");
        assert!(ended.stderr.contains("deadlock"), "{engine}: {}", ended.stderr);
    }
}

#[test]
fn large_messages_on_a_slow_way_are_not_taken_for_a_deadlock() {
    // With buffers this small the first message takes longer to come than the watch has patience.
    let scenario = "load = { model = 'closed', payload = '64MiB' }\nclients = { count = 8 }\n\
                    run = { duration = '5s', drain = '0s' }\nproxy = { engine = 'batch' }\nworkers = { count = 2 }\n\
                    sockets = { sndbuf = '4KiB', rcvbuf = '4KiB' }";
    let ended = Zload::run(scenario).end();
    let result = ended.result(0);
    assert!(result["failure"].is_null(), "{}", ended.stderr);
}

#[test]
fn the_series_adds_up_to_the_window() {
    let scenario = "load = { rate = '200/s' }\nrun = { warmup = '300ms', duration = '2500ms' }";
    let result = Zload::run(scenario).result(0);
    let series = result["series"].as_array().expect("an array");
    let offsets: Vec<u64> = series.iter().map(|second| number(second, "offset_ns")).collect();
    assert_eq!(offsets, [0, 1_000_000_000, 2_000_000_000]);
    let requests: u64 = series.iter().map(|second| number(second, "requests")).sum();
    let rate = result["throughput"]["requests_per_s"].as_f64().expect("a rate");
    assert!((requests as f64 - rate * 2.5).abs() < 0.5, "{requests} {rate}");
}
