//! Requests in a server's own form, and replies that are no echoes: each way to match them, with planted losses, errors,
//! duplicates and reordering.

#![expect(
    clippy::unwrap_used,
    reason = "functions of which with_each_engine! makes tests are tests, too"
)]

use std::collections::HashSet;
use std::sync::mpsc::channel;

use crate::support::{ForeignServer, Zload, ledger, number, with_each_engine};
use serde_json::Value;

with_each_engine! {
    replies_are_found_by_the_envelope_whatever_their_body_is,
    rep_workers_behind_a_proxy_are_measured_exactly,
    a_token_is_found_in_any_text_with_losses_errors_duplicates_and_reordering,
    a_server_that_refuses_everything_is_not_fast,
    replies_in_order_are_matched_and_a_late_one_is_never_taken_for_the_next,
    order_with_several_requests_in_flight_is_doubted,
    replies_are_counted_until_the_one_that_is_marked_as_the_last,
    a_client_says_hello_before_its_first_request,
    a_hello_that_nobody_answers_ends_the_run_before_it_begins,
    bodies_of_any_size_travel_beside_an_envelope,
    zloads_own_workers_answer_every_form_as_planned,
    a_sampled_request_has_the_frames_of_any_other,
}

const OPEN: &str =
    "load = { rate = '500/s', timeout = '400ms' }\nrun = { duration = '1s', drain = '1s' }\n";
const CLOSED: &str =
    "load = { model = 'closed', timeout = '200ms' }\nrun = { duration = '500ms', drain = '1s' }\n";

/// The frames up to the empty delimiter, which a REP socket sends back, and the rest.
fn envelope(request: &[Vec<u8>]) -> Option<[&[Vec<u8>]; 2]> {
    let end = request.iter().position(Vec::is_empty)? + 1;
    Some([&request[1..end], &request[end..]])
}

/// The first token in a request.
fn token(request: &[Vec<u8>]) -> Vec<u8> {
    let text = request.concat();
    let at = text.windows(2).rposition(|pair| pair == b"zl").expect("a token");
    text[at..at + 32].to_vec()
}

fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).expect("a check of this name")
}

fn replies_are_found_by_the_envelope_whatever_their_body_is(engine: &str) {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |request| {
        let Some([envelope, body]) = envelope(request) else { return vec![] };
        assert_eq!(body, [b"hello 7".to_vec()]);
        vec![[envelope, &[b"something else".to_vec()]].concat()]
    });
    let request = "[request]\nmatch = 'envelope'\nframes = ['hello 7']";
    let result = Zload::run(&server.scenario(&format!("{OPEN}{request}"))).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!((&ledger["requests_answered"], &ledger["requests_lost"]), (&500.into(), &0.into()));
    assert_eq!(ledger["replies_unexpected"], 0);
}

fn rep_workers_behind_a_proxy_are_measured_exactly(engine: &str) {
    let context = zmq::Context::new();
    let (tell, endpoint) = channel();
    let proxy = {
        let context = context.clone();
        std::thread::spawn(move || {
            let front = context.socket(zmq::ROUTER).unwrap();
            let back = context.socket(zmq::DEALER).unwrap();
            front.bind("tcp://127.0.0.1:*").unwrap();
            back.bind("inproc://workers").unwrap();
            for worker in 0..3 {
                let rep = context.socket(zmq::REP).unwrap();
                rep.connect("inproc://workers").unwrap();
                std::thread::spawn(move || {
                    let mut number = worker;
                    // Ends with the context.
                    while let Ok(request) = rep.recv_bytes(0) {
                        number += 1;
                        let reply = if number % 2 == 0 { request } else { b"no echo".to_vec() };
                        if rep.send(reply, 0).is_err() {
                            return;
                        }
                    }
                });
            }
            tell.send(front.get_last_endpoint().unwrap().unwrap()).unwrap();
            let _ended = zmq::proxy(&front, &back);
        })
    };
    let frontend = endpoint.recv().unwrap();
    let scenario = format!(
        "proxy = {{ engine = 'external', frontend = '{frontend}' }}\n[load]\nmodel = 'closed'\nin_flight = 4\npayload = '0B'\n\
         [run]\nduration = '500ms'\n[request]\nmatch = 'envelope'"
    );
    let result = Zload::run(&scenario).engine(engine).result(0);
    let mut context = context;
    context.destroy().unwrap();
    proxy.join().unwrap();
    let ledger = ledger(&result);
    assert!(ledger["requests_answered"].as_u64() > Some(100), "{ledger}");
    assert_eq!(ledger["requests_answered"], ledger["requests_sent"]);
    assert_eq!(ledger["replies_unexpected"], 0);
}

fn a_token_is_found_in_any_text_with_losses_errors_duplicates_and_reordering(engine: &str) {
    let (mut count, mut held) = (0_u64, None);
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", move |request| {
        let id = String::from_utf8(token(request)).unwrap();
        count += 1;
        let status = if count % 5 == 0 { "error" } else { "ok" };
        let reply = vec![
            b"a frame before".to_vec(),
            format!("{{\"status\": \"{status}\", \"re\": \"{id}\"}}").into_bytes(),
        ];
        match count % 50 {
            1 => vec![],
            2 => vec![reply.clone(), reply],
            // Answered after the next one.
            3 => {
                held = Some(reply);
                vec![]
            }
            4 => vec![reply, held.take().expect("one is held")],
            _ => vec![reply],
        }
    });
    let request = "[clients]\ncount = 1\n[request]\nmatch = 'token'\nframes = ['{\"id\":\"{id}\",\"n\":{number}}']\n\
                   ok = { contains = '\"status\": \"ok\"' }";
    let result = Zload::run(&server.scenario(&format!("{OPEN}{request}"))).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!((&ledger["requests_sent"], &ledger["requests_lost"]), (&500.into(), &10.into()));
    assert_eq!(
        (&ledger["requests_answered"], &ledger["requests_failed"]),
        (&490.into(), &100.into())
    );
    assert_eq!(
        (&ledger["replies_duplicate"], &ledger["replies_unexpected"]),
        (&10.into(), &0.into())
    );
    assert_eq!(ledger["error_ratio"].as_f64(), Some(100.0 / 490.0));
    assert_eq!(number(&result, "latency.first_reply.count"), 390);
    assert_eq!(number(&result, "request.failed.count"), 100);
    assert_eq!(check(&result, "errors")["status"], "warn");
}

fn a_server_that_refuses_everything_is_not_fast(engine: &str) {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |request| {
        vec![vec![token(request), b"busy".to_vec()]]
    });
    let request = "[request]\nmatch = 'token'\nframes = ['{id}{pad}']\nerror = { frame = -1, equals = 'busy' }";
    let result =
        Zload::run(&server.scenario(&format!("{CLOSED}{request}"))).engine(engine).result(0);
    assert_eq!(ledger(&result)["requests_failed"], ledger(&result)["requests_answered"]);
    assert_eq!(result["throughput"]["replies_per_s"], 0.0);
    assert_eq!(result["latency"]["first_reply"]["p50_ns"], Value::Null);
    assert!(number(&result, "request.failed.count") > 100);
}

fn replies_in_order_are_matched_and_a_late_one_is_never_taken_for_the_next(engine: &str) {
    let (tell, identities) = channel();
    let (mut count, mut held): (u64, Option<Vec<u8>>) = (0, None);
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", move |request| {
        count += 1;
        tell.send(request[0].clone()).unwrap();
        // Every 50th is not answered in time: its reply would come with the next one's.
        if count % 50 == 0 {
            held = Some(request[1].clone());
            return vec![];
        }
        held.take().into_iter().map(|late| vec![late]).chain([vec![b"reply".to_vec()]]).collect()
    });
    let request = "[clients]\ncount = 1\n[request]\nmatch = 'order'\nframes = ['request {number}']\n\
                   error = { contains = 'request' }";
    let closed =
        "load = { model = 'closed', timeout = '50ms' }\nrun = { duration = '1s', drain = '1s' }\n";
    let result =
        Zload::run(&server.scenario(&format!("{closed}{request}"))).engine(engine).result(0);
    drop(server);
    let ledger = ledger(&result);
    let lost = ledger["requests_lost"].as_u64().unwrap();
    assert!(lost > 0, "{ledger}");
    // What the server sends to the identity that is gone reaches nobody.
    assert_eq!((&ledger["replies_late"], &ledger["replies_duplicate"]), (&0.into(), &0.into()));
    let different: HashSet<Vec<u8>> = identities.iter().collect();
    assert!(different.len() as u64 >= lost, "{} identities, {lost} lost", different.len());
    assert_eq!(check(&result, "matching")["status"], "pass");
}

fn order_with_several_requests_in_flight_is_doubted(engine: &str) {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |_| vec![vec![b"x".to_vec()]]);
    let request = "[request]\nmatch = 'order'\nframes = ['', 'x']\n[load]\nmodel = 'closed'\nin_flight = 2\n\
                   [run]\nduration = '300ms'";
    let result = Zload::run(&server.scenario(request)).engine(engine).result(0);
    assert_eq!(check(&result, "matching")["status"], "warn");
    assert_ne!(result["verdict"]["status"], "VALID");
}

#[test]
fn each_operation_of_a_mix_has_its_own_figures() {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |request| {
        let reply = if request[1] == b"write" { b"no".to_vec() } else { b"yes".to_vec() };
        vec![vec![reply, token(request)]]
    });
    let mix = "[request]\nmatch = 'token'\nok = { frame = 0, equals = 'yes' }\n\
               [[request.mix]]\nname = 'read'\nweight = 9\nframes = ['read', '{id}']\n\
               [[request.mix]]\nname = 'write'\nframes = ['write', '{id}']";
    let result = Zload::run(&server.scenario(&format!("{OPEN}{mix}"))).result(0);
    let operations = result["request"]["operations"].as_array().unwrap();
    let [read, write] = &operations[..] else { panic!("two operations") };
    let sum = |name: &str| read[name].as_u64().unwrap() + write[name].as_u64().unwrap();
    assert_eq!((sum("requests_sent"), sum("requests_answered")), (500, 500));
    assert_eq!(
        (&read["requests_failed"], &write["requests_failed"]),
        (&0.into(), &write["requests_sent"])
    );
    assert!((20..90).contains(&write["requests_sent"].as_u64().unwrap()), "{write}");
    assert_eq!(read["first_reply"]["count"], read["requests_answered"]);
    assert_eq!(write["first_reply"]["count"], 0);
    let limits = [
        ("request.operations.write.requests_failed == 0", false),
        ("request.operations.read.requests_failed == 0", true),
        ("request.operations.read.first_reply.p50 < 30s", true),
    ];
    let args: Vec<&str> = limits.iter().flat_map(|(limit, _)| ["--threshold", *limit]).collect();
    let judged = Zload::run(&server.scenario(&format!("{OPEN}{mix}"))).args(&args).end();
    // On a busy machine the figures may be such that none may be used.
    if judged.code != Some(3) {
        let judged = judged.result(1);
        let outcomes = judged["thresholds"].as_array().unwrap();
        let met: Vec<bool> = outcomes.iter().map(|outcome| outcome["met"] == true).collect();
        assert_eq!(met, limits.map(|(_, met)| met), "{outcomes:?}");
    }
    let text = Zload::with_scenario("run", &server.scenario(&format!("{OPEN}{mix}")))
        .args(&["-q", "-v"])
        .end();
    assert!(text.stdout.contains("operation") && text.stdout.contains("write"), "{}", text.stdout);
}

fn replies_are_counted_until_the_one_that_is_marked_as_the_last(engine: &str) {
    let mut count = 0_usize;
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", move |request| {
        count += 1;
        let part = |mark: &str| vec![mark.as_bytes().to_vec(), token(request)];
        let parts = std::iter::repeat_n(part("part"), count % 4);
        // Of every 100th the last one never comes.
        let last = (!count.is_multiple_of(100)).then(|| part("final"));
        parts.chain(last).collect()
    });
    let request =
        "[request]\nmatch = 'token'\nframes = ['{id}']\nlast = { frame = 0, equals = 'final' }";
    let result = Zload::run(&server.scenario(&format!("{OPEN}{request}"))).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!((&ledger["requests_answered"], &ledger["requests_lost"]), (&495.into(), &5.into()));
    assert_eq!(ledger["replies_received"], 495 + 125 * 6);
    assert_eq!(ledger["replies_lost"], 5);
    // The 100th, 200th … had no reply at all: 100 is a multiple of 4.
    assert_eq!(number(&result, "latency.first_reply.count"), 495);
    assert_eq!(number(&result, "latency.last_reply.count"), 495);
    assert_eq!(number(&result, "request.gap.count"), 125 * 6);
}

fn a_client_says_hello_before_its_first_request(engine: &str) {
    let mut known = HashSet::new();
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", move |request| {
        let [identity, body] = request else { return vec![] };
        match &body[..] {
            b"hello" => {
                known.insert(identity.clone());
                vec![vec![b"welcome".to_vec()]]
            }
            body if known.contains(identity) => vec![vec![body.to_vec()]],
            _ => vec![],
        }
    });
    let request = "[request]\nhello = ['hello']\n";
    let result = Zload::run(&server.scenario(&format!("{OPEN}{request}"))).engine(engine).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 500);
    assert_eq!(ledger(&result)["replies_unexpected"], 0);
}

fn a_hello_that_nobody_answers_ends_the_run_before_it_begins(engine: &str) {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |_| vec![]);
    let text = format!("{OPEN}clients.connect_timeout = '300ms'\n[request]\nhello = ['hello']\n");
    let ended = Zload::run(&server.scenario(&text)).engine(engine).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("3 clients sent request.hello and got no answer"),
        "{}",
        ended.stderr
    );
}

fn bodies_of_any_size_travel_beside_an_envelope(engine: &str) {
    for payload in ["0B", "1B", "8MiB"] {
        let server =
            ForeignServer::start_framed("tcp://127.0.0.1:*", |request| vec![request[1..].to_vec()]);
        let request = format!(
            "[load]\nmodel = 'closed'\npayload = '{payload}'\n[run]\nduration = '300ms'\n[request]\nmatch = 'envelope'"
        );
        let result = Zload::run(&server.scenario(&request)).engine(engine).result(0);
        assert_eq!(
            ledger(&result)["requests_answered"],
            ledger(&result)["requests_sent"],
            "{payload}"
        );
        assert!(ledger(&result)["requests_sent"].as_u64() > Some(0));
    }
}

#[test]
fn messages_that_answer_nothing_are_shown_safely() {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |_| {
        vec![vec![b"\x1b[2Jgo away".to_vec()]]
    });
    let ended = Zload::with_scenario("run", &server.scenario(OPEN)).args(&["-q", "-v"]).end();
    let shown = ended.stdout.replace('\n', " ");
    assert!(shown.contains("go away") && !shown.contains('\x1b'), "{}", ended.stdout);
}

fn zloads_own_workers_answer_every_form_as_planned(engine: &str) {
    for request in [
        "match = 'envelope'",
        "frames = ['', '{body}']",
        "match = 'envelope'\nframes = ['{tag}', '<IDS|MSG>', 'x']",
        "match = 'token'\nframes = ['{\"id\":\"{id}\"}']",
    ] {
        let text = format!(
            "[load]\nrate = '300/s'\n[run]\nduration = '1s'\nfollow_one_in = 1\n[workers]\nreplies = {{ uniform = [0, 4] }}\n\
             delay = {{ uniform = ['0ms', '1ms'] }}\n[request]\n{request}"
        );
        let result = Zload::run(&text).engine(engine).end();
        let result: Value = serde_json::from_str(&result.stdout).expect("a result");
        let ledger = ledger(&result);
        assert_eq!(ledger["requests_sent"], 300, "{request}");
        for name in ["requests_lost", "replies_duplicate", "replies_unexpected"] {
            assert_eq!(ledger[name], 0, "{request}: {name}");
        }
        assert!(ledger["requests_silent"].as_u64() > Some(30), "{request}");
        assert!(number(&result, "hops.in_worker.count") > 100, "{request}");
    }
}

fn a_sampled_request_has_the_frames_of_any_other(engine: &str) {
    let text = "[load]\nrate = '300/s'\n[run]\nduration = '500ms'\nfollow_one_in = 1\n\
                [request]\nframes = ['a', '{body}']\nok = { frame = 1, contains = 'zld1' }";
    let ended = Zload::run(text).engine(engine).end();
    let result: Value = serde_json::from_str(&ended.stdout).expect("a result");
    assert_eq!(
        (&ledger(&result)["requests_answered"], &ledger(&result)["requests_failed"]),
        (&150.into(), &0.into())
    );
    assert_eq!(number(&result, "hops.in_worker.count"), 150);
}

#[test]
fn frames_come_from_files_which_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("frame.bin"), [0, 1, 255]).unwrap();
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |request| {
        assert_eq!(request[1], [0, 1, 255]);
        vec![vec![b"reply".to_vec()]]
    });
    let text = |path: &str| {
        server.scenario(&format!("{CLOSED}[request]\nmatch = 'order'\nframes = ['file:{path}']"))
    };
    let result = Zload::run(&text("frame.bin")).folder(folder.path()).result(0);
    assert_eq!(ledger(&result)["requests_answered"], ledger(&result)["requests_sent"]);
    let ended = Zload::run(&text("fram.bin")).folder(folder.path()).end();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("fram.bin") && ended.stderr.contains("frame.bin"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_probe_prints_the_form_that_a_server_answers() {
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", |request| {
        let Some([envelope, _]) = envelope(request) else { return vec![] };
        vec![[envelope, &[b"pong".to_vec()]].concat()]
    });
    let ended = Zload::new(&["probe", &server.endpoint, "--timeout", "300ms"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("match = \"envelope\""), "{}", ended.stdout);
    assert!(!ended.stdout.contains("match = \"body\""), "{}", ended.stdout);
    let deaf = ForeignServer::start_framed("tcp://127.0.0.1:*", |_| vec![]);
    let ended = Zload::new(&["probe", &deaf.endpoint, "--timeout", "50ms"]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("--frame"), "{}", ended.stdout);
}

#[test]
fn identities_have_the_form_that_the_scenario_gives_them() {
    let (tell, identities) = channel();
    let server = ForeignServer::start_framed("tcp://127.0.0.1:*", move |request| {
        tell.send(request[0].clone()).unwrap();
        vec![request[1..].to_vec()]
    });
    let text = server.scenario(&format!("{OPEN}clients.identity = 'worker-{{client}}'\n"));
    let result = Zload::run(&text).result(0);
    drop(server);
    assert_eq!(ledger(&result)["requests_answered"], 500);
    let mut different: Vec<Vec<u8>> =
        identities.iter().collect::<HashSet<_>>().into_iter().collect();
    different.sort();
    assert_eq!(different, [b"worker-0", b"worker-1", b"worker-2"].map(|name| name.to_vec()));
    let ended = Zload::run("load = { rate = '1/s' }\nclients.identity = 'same'").end();
    assert!(ended.stderr.contains("needs {client}"), "{}", ended.stderr);
}

#[test]
fn a_file_that_is_missing_or_huge_is_named_with_its_frame() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let huge = folder.path().join("huge.bin");
    std::fs::File::create(&huge).unwrap().set_len((64 << 20) + 1).unwrap();
    let huge = huge.display();
    let said = |request: &str| {
        let text = format!("load.rate = '1/s'\n[request]\nmatch = 'order'\n{request}");
        let ended = Zload::with_scenario("check", &text).end();
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        ended.stderr
    };
    let missing = said("frames = ['a', 'file:/nowhere/frame.bin']");
    assert!(missing.contains("request.frames[1]: /nowhere/frame.bin: cannot read"), "{missing}");
    assert!(missing.contains(":4:16"), "its place in the file: {missing}");
    let too_long = said(&format!("hello = ['file:{huge}']"));
    assert!(too_long.contains("request.hello[0]: ") && too_long.contains("larger than 64 MiB"));
    let mix = "[[request.mix]]\nname = 'read'\nframes = ['x', 'file:/nowhere/frame.bin']";
    let of_mix = said(mix);
    assert!(of_mix.contains("request.mix[0]: operation read, frame 1: /nowhere"), "{of_mix}");
}
