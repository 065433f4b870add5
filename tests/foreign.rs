//! Peers that know nothing of zload: somebody else's server for our clients, somebody else's clients for our server.

use std::io::Read as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{ForeignServer, Zload, ledger, number, with_each_engine};
use rustix::process::Signal;

with_each_engine! {
    every_reply_of_a_server_that_answers_twice_is_counted,
    replies_beyond_the_expected_number_are_duplicates,
    a_dropped_reply_is_lost_and_nothing_else,
    a_request_that_misses_one_of_its_replies_is_lost_and_the_replies_that_came_are_not,
    a_closed_load_goes_on_when_replies_are_dropped,
    a_reply_after_its_request_was_given_up_is_late,
    what_answers_nothing_is_unexpected,
    damaged_replies_are_unexpected_and_never_taken_for_those_of_other_requests,
    a_bit_anywhere_in_a_long_body_is_damage_and_a_closed_load_does_not_send_it_on,
    a_reply_with_a_frame_that_was_not_sent_is_unexpected,
    a_reply_to_a_silent_request_is_unexpected,
    the_run_goes_on_when_the_server_dies_and_comes_back_and_says_so,
    connections_that_do_not_come_back_are_named,
    a_connection_that_is_cut_on_the_way_is_distinguished_from_those_that_are_not,
    a_stall_is_felt_by_every_request_that_was_due_in_it,
    our_clients_and_our_server_in_two_processes_derive_the_same_plan,
}

const OPEN_LOAD: &str = "load = { rate = '500/s' }\nrun = { duration = '1s', drain = '1s' }\n";

fn echo(times: usize) -> impl FnMut(u64, &[u8]) -> Vec<Vec<u8>> + Send + 'static {
    move |_, body| vec![body.to_vec(); times]
}

fn every_reply_of_a_server_that_answers_twice_is_counted(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", echo(2));
    let scenario = server.scenario(&format!("{OPEN_LOAD}workers = {{ replies = 2 }}"));
    let result = Zload::run(&scenario).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_answered"], 500);
    assert_eq!(ledger["replies_received"], 1_000);
    assert_eq!(ledger["replies_duplicate"], 0);
    assert_eq!(number(&result, "latency.first_reply.count"), 500);
    assert_eq!(number(&result, "latency.reply.count"), 1_000);
}

fn replies_beyond_the_expected_number_are_duplicates(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        vec![body.to_vec(); if number % 7 == 0 { 3 } else { 1 }]
    });
    let result = Zload::run(&server.scenario(OPEN_LOAD)).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_answered"], 500);
    // Requests 0, 7, 14 … 497 are answered three times.
    assert_eq!(ledger["replies_duplicate"], 2 * 72);
    assert_eq!(ledger["replies_lost"], 0);
}

fn a_dropped_reply_is_lost_and_nothing_else(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        if number % 10 == 9 { vec![] } else { vec![body.to_vec()] }
    });
    let result = Zload::run(&server.scenario(OPEN_LOAD)).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_lost"], 50);
    assert_eq!(ledger["replies_lost"], 50);
    assert_eq!(ledger["requests_answered"], 450);
    assert_eq!(ledger["replies_duplicate"], 0);
}

fn a_request_that_misses_one_of_its_replies_is_lost_and_the_replies_that_came_are_not(
    engine: &str,
) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        vec![body.to_vec(); if number % 10 == 9 { 1 } else { 2 }]
    });
    let scenario = server.scenario(&format!("{OPEN_LOAD}workers = {{ replies = 2 }}"));
    let result = Zload::run(&scenario).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_lost"], 50);
    assert_eq!(ledger["replies_lost"], 50);
    assert_eq!(ledger["replies_received"], 950);
}

fn a_closed_load_goes_on_when_replies_are_dropped(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        if number == 5 { vec![] } else { vec![body.to_vec()] }
    });
    let scenario = server.scenario(
        "load = { model = 'closed', timeout = '200ms' }\nclients = { count = 1 }\n\
         run = { duration = '1s', drain = '1s' }",
    );
    let result = Zload::run(&scenario).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_lost"], 1);
    assert!(number(&result, "ledger.requests_answered") > 6, "{ledger}");
}

fn a_reply_after_its_request_was_given_up_is_late(engine: &str) {
    let mut kept = None;
    let server = ForeignServer::start("tcp://127.0.0.1:*", move |number, body| match number {
        0 => {
            kept = Some(body.to_vec());
            vec![]
        }
        // By then the first request has been given up: the second left only when its slot was free again.
        _ => kept.take().into_iter().chain([body.to_vec()]).collect(),
    });
    let scenario = server.scenario(
        "load = { model = 'closed', timeout = '100ms' }\nclients = { count = 1 }\n\
         run = { duration = '1s', drain = '1s' }",
    );
    let result = Zload::run(&scenario).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!((&ledger["replies_late"], &ledger["replies_lost"]), (&1.into(), &1.into()));
    let checks = result["verdict"]["checks"].to_string();
    assert!(
        checks.contains("within 100ms of their requests (load.timeout); 1 of them came later"),
        "{checks}"
    );
}

fn what_answers_nothing_is_unexpected(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        let mut replies = vec![body.to_vec()];
        if number == 0 {
            let mut of_another_run = body.to_vec();
            of_another_run[5] ^= 0xff;
            let mut of_the_future = body.to_vec();
            of_the_future[15] = 0x7f;
            replies.extend([
                vec![],
                b"request #1".to_vec(),
                body[..23].to_vec(),
                vec![0xff; 100_000],
            ]);
            replies.extend([of_another_run, of_the_future]);
        }
        replies
    });
    let result = Zload::run(&server.scenario(OPEN_LOAD)).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["replies_unexpected"], 6);
    assert_eq!(ledger["requests_answered"], 500);
}

fn damaged_replies_are_unexpected_and_never_taken_for_those_of_other_requests(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        let mut reply = body.to_vec();
        match number % 10 {
            // The header is whole and the rest is missing, or something follows.
            0 => reply.truncate(24),
            1 => reply.push(b'!'),
            // The number of a request that was sent before, in a header that is another's.
            2 => reply[8] ^= 1,
            // The header is right, and one bit of what follows is not.
            3 => *reply.last_mut().expect("a body") ^= 1,
            _ => {}
        }
        vec![reply]
    });
    let ledger = &ledger(&Zload::run(&server.scenario(OPEN_LOAD)).engine(engine).result(0)).clone();
    assert_eq!(ledger["replies_unexpected"], 200);
    assert_eq!(ledger["replies_duplicate"], 0);
    assert_eq!(ledger["requests_lost"], 200);
    assert_eq!(ledger["requests_answered"], 300);
}

fn a_bit_anywhere_in_a_long_body_is_damage_and_a_closed_load_does_not_send_it_on(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        // What the client sends was written by nobody else, whatever came back before.
        assert!(body[24..].iter().all(|byte| *byte == b'.'), "request {number}");
        let mut reply = body.to_vec();
        if number % 10 == 0 {
            let place = 24 + usize::try_from(number).expect("small") * 61;
            reply[place] ^= 0x80;
        }
        vec![reply]
    });
    let scenario = server.scenario(
        "load = { model = 'closed', payload = '64KiB', timeout = '200ms' }\nclients = { count = 1 }\n\
         run = { duration = '1s', drain = '1s' }",
    );
    let result = Zload::run(&scenario).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["replies_unexpected"], ledger["requests_lost"]);
    assert!(number(&result, "ledger.requests_lost") >= 1, "{ledger}");
}

fn a_reply_with_a_frame_that_was_not_sent_is_unexpected(engine: &str) {
    let server = ForeignServer::start_multipart("tcp://127.0.0.1:*", |number, body| {
        let tag = [&b"zld\0tag1"[..], &[0; 8]].concat();
        let before = match number % 10 {
            0 => vec![vec![]],
            1 => vec![b"junk".to_vec()],
            // As our own server would return it, to a client that sent none.
            2 => vec![tag],
            3 => vec![b"junk".to_vec(); 40],
            _ => vec![],
        };
        vec![[before, vec![body.to_vec()]].concat()]
    });
    let result = Zload::run(&server.scenario(OPEN_LOAD)).engine(engine).result(0);
    assert_eq!(ledger(&result)["replies_unexpected"], 200);
    assert_eq!(ledger(&result)["requests_answered"], 300);
}

fn a_reply_to_a_silent_request_is_unexpected(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", echo(1));
    let scenario = server.scenario(&format!("{OPEN_LOAD}workers = {{ replies = 0 }}"));
    let result = Zload::run(&scenario).engine(engine).result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_silent"], 500);
    // Nobody waits for these replies, so the last may still be on their way when the run ends.
    assert!(number(&result, "ledger.replies_unexpected") >= 400, "{ledger}");
    assert_eq!(ledger["replies_duplicate"], 0);
}

/// A server that answers the first 300 requests, and tells when they are.
fn dying(endpoint: &str) -> (ForeignServer, Receiver<()>) {
    let (tell, died) = channel();
    let server = ForeignServer::start(endpoint, move |number, body| {
        if number == 300 {
            tell.send(()).expect("the test listens");
        }
        // From here on it takes requests and no longer answers them, as a server does that is about to die.
        if number >= 300 { vec![] } else { vec![body.to_vec()] }
    });
    (server, died)
}

fn the_run_goes_on_when_the_server_dies_and_comes_back_and_says_so(engine: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ipc = format!("ipc://{}", folder.path().join("server").display());
    for endpoint in ["tcp://127.0.0.1:*", &ipc] {
        let (mut server, died) = dying(endpoint);
        let scenario = server
            .scenario("load = { rate = '500/s' }\nrun = { duration = '3s', drain = '500ms' }");
        let running = Zload::run(&scenario).engine(engine).start();
        died.recv_timeout(Duration::from_secs(30)).expect("300 requests come");
        server.kill();
        let _again = ForeignServer::start(&server.endpoint, echo(1));
        let result = running.end().result(0);
        let ledger = ledger(&result);
        assert!(number(&result, "ledger.requests_lost") > 0, "{ledger}");
        assert!(
            number(&result, "ledger.requests_answered") > 400,
            "it went on after the restart: {ledger}"
        );
        assert_eq!(ledger["requests_planned"], 1_500);
        let notes = result["notes"].to_string();
        let said = "3 of 3 connections ended during the run and came back";
        assert!(notes.contains(said), "{endpoint}: {notes}");
    }
}

fn connections_that_do_not_come_back_are_named(engine: &str) {
    let (mut server, died) = dying("tcp://127.0.0.1:*");
    let scenario =
        server.scenario("load = { rate = '500/s' }\nrun = { duration = '2s', drain = '100ms' }");
    let running = Zload::run(&scenario).engine(engine).start();
    died.recv_timeout(Duration::from_secs(30)).expect("300 requests come");
    server.kill();
    let notes = running.end().result(0)["notes"].to_string();
    let said = "3 of 3 connections ended during the run, and none was back when it was over";
    assert!(notes.contains(said), "{notes}");
}

fn a_connection_that_is_cut_on_the_way_is_distinguished_from_those_that_are_not(engine: &str) {
    let server = ForeignServer::start("tcp://127.0.0.1:*", echo(1));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let relay = format!("tcp://{}", listener.local_addr().expect("its address"));
    let behind = server.endpoint.trim_start_matches("tcp://").to_owned();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let client = client.expect("a client");
            let server = TcpStream::connect(&behind).expect("the server");
            let back = [&server, &client].map(|end| end.try_clone().expect("a descriptor"));
            std::thread::spawn(move || std::io::copy(&mut &back[0], &mut &back[1]));
            // The first is cut when this many bytes have passed: some dozen requests.
            let most = if number == 0 { 5_000 } else { u64::MAX };
            std::thread::spawn(move || {
                let _passed = std::io::copy(&mut (&client).take(most), &mut &server);
                for end in [client, server] {
                    // A client may be gone already.
                    let _gone = end.shutdown(Shutdown::Both);
                }
            });
        }
    });
    let through = server.scenario(OPEN_LOAD).replace(&server.endpoint, &relay);
    let direct = server.scenario(OPEN_LOAD);
    let [cut, whole] = [through, direct]
        .map(|scenario| Zload::run(&scenario).engine(engine).result(0)["notes"].to_string());
    assert!(cut.contains("1 of 3 connections ended during the run and came back"), "{cut}");
    assert!(!whole.contains("ended during the run"), "{whole}");
}

fn a_stall_is_felt_by_every_request_that_was_due_in_it(engine: &str) {
    // The server sleeps for a second in a load of 100/s for 3 s: the 100 requests that were due meanwhile wait from
    // 1 s down to nothing. So a third of all responses are late, and the 90th percentile of 300 lies 0.7 s up the ramp.
    let server = ForeignServer::start("tcp://127.0.0.1:*", |number, body| {
        if number == 100 {
            let (_kept, nobody_sends) = channel::<()>();
            let _timeout = nobody_sends.recv_timeout(Duration::from_secs(1));
        }
        vec![body.to_vec()]
    });
    let scenario =
        server.scenario("load = { rate = '100/s' }\nrun = { duration = '3s', drain = '3s' }");
    let result = Zload::run(&scenario).engine(engine).result(0);
    assert_eq!(ledger(&result)["requests_answered"], 300);
    let p90 = number(&result, "latency.first_reply.p90_ns");
    assert!((600_000_000..=1_500_000_000).contains(&p90), "{p90}");
}

fn dealer(endpoint: &str, kind: zmq::SocketType) -> zmq::Socket {
    let socket = zmq::Context::new().socket(kind).expect("a socket");
    socket.set_linger(0).expect("linger");
    socket.set_rcvhwm(0).expect("rcvhwm");
    socket.set_rcvtimeo(30_000).expect("rcvtimeo");
    socket.connect(endpoint).expect("connecting");
    socket
}

#[test]
fn a_plain_dealer_gets_its_echoes_from_our_server() {
    for engine in ["poll", "builtin", "batch"] {
        let scenario = format!(
            "load = {{ rate = '1/s' }}\nproxy = {{ engine = '{engine}' }}\nworkers = {{ replies = 3 }}"
        );
        let mut serving =
            Zload::with_scenario("serve", &scenario).args(&["-q", "--format", "json"]).start();
        let line = serving.await_line("listening on ");
        let client = dealer(line.trim_start_matches("listening on "), zmq::DEALER);
        for request in ["request #1", "request #2"] {
            client.send(request, 0).expect("sending");
            for _ in 0..3 {
                let reply = client.recv_msg(0).expect("an echo");
                assert_eq!(&*reply, request.as_bytes(), "{engine}");
                assert!(!reply.get_more(), "a reply has the frames of its request");
            }
        }
        serving.signal(Signal::TERM);
        let result = serving.end().result(130);
        assert_eq!(result["requests_served"], 2, "{engine}");
        assert_eq!(result["replies_sent"], 6, "{engine}");
        assert_eq!(result["interrupted"], true);
        if engine != "builtin" {
            assert_eq!(result["proxy"]["messages_out"], 8, "{engine}");
        }
    }
}

#[test]
fn a_req_client_with_its_empty_frame_is_answered_too() {
    let mut serving =
        Zload::with_scenario("serve", "load = { rate = '1/s' }").args(&["-q"]).start();
    let line = serving.await_line("listening on ");
    let client = dealer(line.trim_start_matches("listening on "), zmq::REQ);
    for _ in 0..3 {
        client.send("hello", 0).expect("sending");
        assert_eq!(&*client.recv_msg(0).expect("an echo"), b"hello");
    }
    serving.signal(Signal::INT);
    assert_eq!(serving.end().code, Some(130));
}

#[test]
fn foreign_requests_get_the_scenarios_distribution() {
    // Two thousand replies at once are more than ROUTER and DEALER hold by themselves.
    let scenario = "load = { rate = '1/s' }\nworkers = { replies = { uniform = [0, 4] } }\n\
                    sockets = { sndhwm = 0, rcvhwm = 0 }";
    let mut serving =
        Zload::with_scenario("serve", scenario).args(&["-q", "--format", "json"]).start();
    let line = serving.await_line("listening on ");
    let client = dealer(line.trim_start_matches("listening on "), zmq::DEALER);
    for request in 0..1_000 {
        client.send(&format!("request #{request}"), 0).expect("sending");
    }
    // A mean of 2 with a deviation of 1.41: the sum of 1,000 is 2,000 ± 45, so 1,700 come for sure.
    for _ in 0..1_700 {
        client.recv_msg(0).expect("an echo");
    }
    serving.signal(Signal::INT);
    let result = serving.end().result(130);
    assert!(result["replies_sent"].as_u64().is_some_and(|sent| sent <= 2_300), "{result}");
}

fn our_clients_and_our_server_in_two_processes_derive_the_same_plan(engine: &str) {
    let scenario = "seed = 9\nload = { rate = '300/s' }\nrun = { duration = '1s' }\n\
                    workers = { replies = { uniform = [0, 4] } }\nproxy = { engine = 'batch' }";
    let mut serving = Zload::with_scenario("serve", scenario).args(&["-q"]).start();
    let line = serving.await_line("listening on ");
    let frontend = format!("proxy.frontend={}", line.trim_start_matches("listening on "));
    let result = Zload::run(scenario)
        .engine(engine)
        .args(&["--set", "proxy.engine=external", "--set", &frontend])
        .result(0);
    let ledger = ledger(&result);
    assert_eq!(ledger["requests_lost"], 0);
    assert_eq!(ledger["replies_duplicate"], 0);
    assert_eq!(ledger["replies_unexpected"], 0);
    serving.signal(Signal::INT);
    assert_eq!(serving.end().code, Some(130));
}

#[test]
fn serving_for_a_given_time_ends_well() {
    let ended = Zload::with_scenario("serve", "load = { rate = '1/s' }")
        .args(&["-q", "--duration", "200ms"])
        .end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("0 requests served"), "{}", ended.stdout);
}

#[test]
fn serving_for_no_time_is_refused() {
    let ended =
        Zload::with_scenario("serve", "load = { rate = '1/s' }").args(&["--duration", "0s"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("must be above 0"), "{}", ended.stderr);
}

#[test]
fn a_note_says_what_unexpected_messages_are_and_none_speaks_of_workers_that_are_not_ours() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| vec![body[1..].to_vec()]);
    let scenario = "load = { rate = '100/s' }\nrun = { duration = '200ms', drain = '100ms' }\n\
                    workers = { delay = '10s' }";
    let result = Zload::run(&server.scenario(scenario)).result(0);
    assert_eq!(number(&result, "ledger.replies_unexpected"), 20);
    let notes = result["notes"].to_string();
    assert!(notes.contains("20 messages answer no request"), "{notes}");
    assert!(!notes.contains("the workers' capacity"), "{notes}");
}

#[test]
fn two_runs_of_one_scenario_at_one_server_take_nothing_from_each_other() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", echo(1));
    // The same seed, so it is only their identities that keep them apart.
    let scenario = server.scenario(OPEN_LOAD);
    let runs = [(); 2].map(|()| Zload::run(&scenario).start());
    for run in runs {
        assert_eq!(ledger(&run.end().result(0))["requests_answered"], 500);
    }
}

#[test]
fn a_client_that_is_ignored_is_named_with_the_likely_cause() {
    // A ROUTER does so where another connection has the identity; here it is the client whose token comes first.
    let mut ignored = None;
    let server = ForeignServer::start("tcp://127.0.0.1:*", move |_, body| {
        let token = body[..8].to_vec();
        let ignored = ignored.get_or_insert_with(|| token.clone());
        if *ignored == token { vec![] } else { vec![body.to_vec()] }
    });
    let result = Zload::run(&server.scenario(OPEN_LOAD)).result(0);
    assert!(number(ledger(&result), "replies_lost") >= 166, "{}", result["ledger"]);
    let checks = result["verdict"]["checks"].to_string();
    assert!(checks.contains("1 of 3 clients") && checks.contains("identity is taken"), "{checks}");
}

#[test]
fn what_an_external_server_hides_is_one_leg_and_no_table() {
    let server = ForeignServer::start("tcp://127.0.0.1:*", echo(1));
    let load = "load = { rate = '1500/s' }\nrun = { duration = '1s', drain = '1s' }\n";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("page.html");
    let page = page.to_str().expect("a UTF-8 path");
    let ended = Zload::with_scenario("run", &server.scenario(load))
        .args(&["-qv", "--html", page, "--set", "clients.engine=libzmq"])
        .end();
    let page = std::fs::read_to_string(page).expect("the page");
    for (form, text) in [("text", &ended.stdout), ("page", &page)] {
        assert!(!text.contains("to client"), "{form}: {text}");
    }
    assert!(ended.stdout.contains("of the time in the slowest 1 %"), "{}", ended.stdout);
    assert!(page.contains("server and network"), "{page}");
    assert!(!ended.stdout.contains("  slip          "), "no table of two legs: {}", ended.stdout);
}

#[test]
fn a_reply_counts_if_it_came_within_the_timeout_and_not_otherwise() {
    // What comes after 30 ms is ten times too late, and a poll now and then would be far away.
    for load in ["rate = '10/s'", "model = 'closed'\nin_flight = 2"] {
        let server = ForeignServer::start("tcp://127.0.0.1:*", |_, body| {
            let (_kept, nobody_sends) = channel::<()>();
            let _timeout = nobody_sends.recv_timeout(Duration::from_millis(30));
            vec![body.to_vec()]
        });
        let scenario = server.scenario(&format!(
            "clients = {{ count = 1 }}\nrun = {{ duration = '1s', drain = '1s' }}\n[load]\ntimeout = '3ms'\n{load}"
        ));
        let result = Zload::run(&scenario).result(3);
        let ledger = ledger(&result);
        assert_eq!(ledger["requests_answered"], 0, "{load}: {ledger}");
        assert!(number(ledger, "replies_late") > 5, "{load}: {ledger}");
    }
}
