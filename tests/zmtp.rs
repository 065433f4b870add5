//! Clients of zload's own engine (`clients.engine = "zmtp"`), as users see them: the same plan and the same counts as with
//! libzmq, and what becomes of requests whose connection ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use crate::support::{ENGINES, ForeignServer, Zload, ledger, number, with_each_engine};

#[test]
fn both_engines_play_the_same_plan_with_the_same_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let ipc = format!("proxy.frontend=ipc://{}", folder.path().join("socket").display());
    let scenario = "run = { warmup = '100ms', duration = '1s' }\nload = { rate = '500/s', payload = { uniform = ['24B', '9KiB'] } }\n\
                    clients = { count = 9, threads = 2 }\nworkers = { replies = { uniform = [0, 4] }, delay = '200us' }\nproxy.engine = 'batch'";
    for frontend in ["proxy.frontend=tcp://127.0.0.1:*", &ipc] {
        let [libzmq, zmtp] = ENGINES.map(|engine| {
            let result = Zload::run(scenario).engine(engine).args(&["--set", frontend]).result(0);
            assert_eq!(result["scenario"]["clients"]["engine"], *engine);
            assert_eq!(number(&result, "hops.disordered"), 0);
            (result["plan_hash"].clone(), ledger(&result).clone())
        });
        assert_eq!(libzmq, zmtp, "{frontend}");
        assert_eq!(libzmq.1["requests_lost"], 0);
    }
    let shown = Zload::with_scenario("check", &format!("{scenario}\nclients.engine = 'zmtp'"));
    let error = shown.end();
    assert_eq!(error.code, Some(2), "clients is a table already");
    let shown =
        Zload::with_scenario("check", scenario).args(&["--set", "clients.engine=zmtp"]).end();
    assert!(shown.stdout.contains("by zload's own engine (zmtp)"), "{}", shown.stdout);
}

#[test]
fn a_saturated_server_loses_nothing_and_its_requests_are_held_back() {
    for engine in ENGINES {
        let text = "run = { duration = '500ms' }\nload = { model = 'closed', in_flight = 64, payload = '1KiB' }\n\
                    clients.count = 40\nproxy.engine = 'batch'";
        let result = Zload::run(text).engine(engine).result(0);
        let ledger = ledger(&result);
        assert_eq!(
            (&ledger["requests_lost"], &ledger["replies_unexpected"]),
            (&0.into(), &0.into())
        );
        assert!(number(&result, "ledger.requests_answered") > 2560, "{engine}: more than a round");
    }
}

/// What the check of the generator's queue says where it has no data.
fn why_no_lag(result: &Value) -> String {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == "generator_lag").expect("it is there");
    assert_eq!((&check["status"], &check["value"]), (&"not_applicable".into(), &Value::Null));
    check["sentence"].as_str().expect("a sentence").to_owned()
}

#[test]
fn what_waits_in_the_generator_is_known_over_tcp_whoever_the_server_is() {
    let load = "load = { rate = '500/s' }\nrun = { warmup = '100ms', duration = '1s' }";
    let own = "load = { rate = '500/s' }\nproxy = { engine = 'batch' }\n\
               run = { warmup = '100ms', duration = '1s', follow_one_in = 1 }";
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    for scenario in [own.to_owned(), server.scenario(load)] {
        let result = Zload::run(&scenario).args(&["--set", "clients.engine=zmtp"]).result(0);
        let hops = &result["hops"];
        assert_eq!((&hops["sampled"], &hops["disordered"]), (&500.into(), &0.into()));
        assert_eq!(hops["in_generator"]["count"], 500, "each first reply has a stamp");
        let [whole, waking, queue] = ["in_generator", "in_generator_waking", "in_generator_queue"]
            .map(|part| number(&result, &format!("hops.{part}.mean_ns")));
        assert!(whole > 0 && whole.abs_diff(waking + queue) <= 2, "{whole} {waking} {queue}");
        let service = number(&result, "latency.service.mean_ns");
        assert!(whole < service, "{whole} of {service}");
        let shares = hops["owners"][0]["shares"].as_object().expect("shares");
        let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
        assert!(shares.contains_key("in_generator") && (sum - 1.0).abs() < 1e-9, "{shares:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let ipc = format!("proxy.frontend=ipc://{}", folder.path().join("socket").display());
    for (sets, why) in [
        (["clients.engine=libzmq", "proxy.frontend=tcp://127.0.0.1:*"], "libzmq does not tell"),
        (["clients.engine=zmtp", &*ipc], "not over ipc"),
    ] {
        let result = Zload::run(own).args(&["--set", sets[0], "--set", sets[1]]).result(0);
        for part in ["in_generator", "in_generator_waking", "in_generator_queue"] {
            assert!(result["hops"][part].is_null(), "{part}");
        }
        assert!(!result["hops"]["to_client"].is_null());
        assert!(why_no_lag(&result).contains(why), "{result}");
    }
}

fn a_reply_that_comes_after_the_last_request_is_waited_for(engine: &str) {
    // Nothing is answered before all was asked for, and the sending is over.
    let (_kept, nobody_tells) = channel::<()>();
    let mut held = Vec::new();
    let server = ForeignServer::start("tcp://127.0.0.1:*", move |number, body| {
        held.push(body.to_vec());
        if number < 99 {
            return vec![];
        }
        let _timeout = nobody_tells.recv_timeout(Duration::from_millis(300));
        std::mem::take(&mut held)
    });
    let text = server.scenario(
        "load = { rate = '500/s', payload = '8KiB' }\nclients.count = 1\nrun = { warmup = '0s', duration = '200ms', drain = '20s' }",
    );
    let result = Zload::run(&text).engine(engine).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 100);
    assert_eq!(about_connections(&result), "");
}

with_each_engine! { a_reply_that_comes_after_the_last_request_is_waited_for }

/// The sentence about connections that ended.
fn about_connections(result: &Value) -> String {
    let notes = result["notes"].as_array().expect("notes");
    let texts = notes.iter().filter_map(Value::as_str);
    texts.filter(|note| note.contains("ended during the run")).collect()
}

#[test]
fn requests_in_flight_are_lost_with_their_connection_and_the_client_comes_back_as_another() {
    // It answers every request of a connection but the tenth, at which it ends the connection.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve_nine(stream));
        }
    });
    let text = format!(
        "proxy = {{ engine = 'external', frontend = '{endpoint}' }}\nload.rate = '300/s'\nclients = {{ count = 3, engine = 'zmtp' }}\n\
         sockets.reconnect_ivl = '1ms'\nrun = {{ duration = '1s', drain = '1s' }}"
    );
    let result = Zload::run(&text).result(0);
    let note = about_connections(&result);
    let lost = number(ledger(&result), "requests_lost");
    assert!(lost >= 20 && number(&result, "ledger.requests_answered") >= 150, "{result:#}");
    assert!(note.contains("closed by the server") || note.contains("reset"), "{note}");
    assert!(
        note.contains(&format!("{lost} requests in flight then lost, and not sent again")),
        "{note}"
    );
    assert_eq!(ledger(&result)["replies_unexpected"], 0);
}

/// A ROUTER for one client that ends at its tenth request.
fn serve_nine(mut stream: TcpStream) -> Option<()> {
    let mut greeting = vec![0; 64];
    greeting[..12].copy_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]);
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).ok()?;
    stream.write_all(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER").ok()?;
    stream.read_exact(&mut greeting).ok()?;
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    stream.read_exact(&mut vec![0; usize::from(head[1])]).ok()?;
    for _ in 0..9 {
        stream.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::from(head[1])];
        stream.read_exact(&mut body).ok()?;
        stream.write_all(&[&head[..], &body].concat()).ok()?;
    }
    stream.read_exact(&mut head).ok()
}

#[test]
fn a_server_that_dies_and_comes_back_is_found_again() {
    for engine in ENGINES {
        let mut server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
        let text = server.scenario(&format!(
            "load.rate = '200/s'\nclients = {{ engine = '{engine}' }}\nsockets.reconnect_ivl = '10ms'\nrun = {{ duration = '2s', drain = '1s' }}"
        ));
        let running = {
            let mut running =
                Zload::with_scenario("run", &text).args(&["--format", "json"]).start();
            running.await_line("measuring");
            running
        };
        server.kill();
        let again = ForeignServer::start(&server.endpoint, |_, body| vec![body.to_vec()]);
        let result = running.end().result(0);
        let planned = number(ledger(&result), "requests_planned");
        assert_eq!(planned, 400, "{engine}");
        assert!(
            number(&result, "ledger.requests_answered") > 100,
            "{engine}: {}",
            result["ledger"]
        );
        assert!(about_connections(&result).starts_with("3 of 3 connections ended"), "{engine}");
        drop(again);
    }
}

#[test]
fn a_number_of_requests_ends_when_the_server_has_gone_for_good() {
    let mut server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body.to_vec()]);
    let text = server.scenario(
        "load = { model = 'closed', requests = 1_000_000_000 }\nclients = { engine = 'zmtp', connect_timeout = '2s' }\n\
         sockets.reconnect_ivl = '10ms'",
    );
    let mut running = Zload::with_scenario("run", &text).args(&["--format", "json"]).start();
    running.await_line("measuring");
    server.kill();
    let ended = running.end();
    assert!(
        ended.stderr.contains("the server has gone: no client was connected"),
        "{}",
        ended.stderr
    );
    let result = ended.result(2);
    let [sent, answered, lost] = ["sent", "answered", "lost"]
        .map(|what| number(&result, &format!("ledger.requests_{what}")));
    assert!(answered > 0 && sent == answered + lost, "{}", result["ledger"]);
}

#[test]
fn what_has_no_meaning_for_it_is_refused_with_its_reason() {
    let external = "proxy = { engine = 'external', frontend = 'tcp://127.0.0.1:5555' }\nload.rate = '1/s'\nclients.engine = 'zmtp'";
    for (key, why) in [
        ("sockets.sndhwm=5", "has no queue"),
        ("sockets.affinity=1", "has no I/O threads"),
        ("proxy.frontend=inproc://x", "cannot be inproc"),
        ("clients.engine=zmq", "allowed here: `libzmq`, `zmtp`"),
    ] {
        let ended = Zload::with_scenario("check", external).args(&["--set", key]).end();
        assert_eq!(ended.code, Some(2), "{key}");
        assert!(ended.stderr.contains(why), "{key}: {}", ended.stderr);
    }
}
