//! zload's workers behind proxies and brokers of somebody else: exact counts, and each protocol as its peers know it.

use crate::support::{Running, Zload, ledger, number};
use rustix::process::Signal;
use serde_json::Value;

const ANY: &str = "tcp://127.0.0.1:*";
/// The longest that a peer waits for a message, in milliseconds.
const LIMIT_MS: i32 = 30_000;

/// A socket without high-water marks that listens on a free port, or at `endpoint`; and where that is.
fn listening(
    context: &zmq::Context,
    kind: zmq::SocketType,
    endpoint: &str,
) -> (zmq::Socket, String) {
    let socket = context.socket(kind).expect("a socket");
    socket.set_linger(0).expect("linger");
    socket.set_sndhwm(0).expect("sndhwm");
    socket.set_rcvhwm(0).expect("rcvhwm");
    socket.set_rcvtimeo(LIMIT_MS).expect("rcvtimeo");
    socket.bind(endpoint).expect("binding");
    let endpoint = socket.get_last_endpoint().expect("an endpoint").expect("UTF-8");
    (socket, endpoint)
}

fn connected(context: &zmq::Context, kind: zmq::SocketType, endpoint: &str) -> zmq::Socket {
    let socket = context.socket(kind).expect("a socket");
    socket.set_linger(0).expect("linger");
    socket.set_rcvtimeo(LIMIT_MS).expect("rcvtimeo");
    socket.connect(endpoint).expect("connecting");
    socket
}

/// `zmq_proxy` between a ROUTER and a DEALER, for as long as this process lives; gives both endpoints.
fn proxy(frontend: &str, backend: &str) -> (String, String) {
    let context = zmq::Context::new();
    let (frontend, front) = listening(&context, zmq::ROUTER, frontend);
    let (backend, back) = listening(&context, zmq::DEALER, backend);
    std::thread::spawn(move || while zmq::proxy(&frontend, &backend) == Err(zmq::Error::EINTR) {});
    (front, back)
}

/// No test, but a proxy that is a program: this file's own, which a scenario's `[server] command` calls with two endpoints.
#[test]
fn as_a_proxy() {
    let endpoints: Vec<String> =
        std::env::args().filter(|argument| argument.starts_with("tcp://")).collect();
    let [frontend, backend] = &endpoints[..] else { return };
    proxy(frontend, backend);
    std::thread::park();
}

const WORK: &str = "workers = { count = 3, replies = { uniform = [0, 4] }, delay = { uniform = ['0s', '1ms'] } }\n";
const OPEN: &str = "load = { rate = '500/s', arrivals = 'poisson' }\nrun = { duration = '1s', drain = '10s', follow_one_in = 1 }\n";

/// What the plan asks for, by the ledger of a run in which nothing was lost, doubled or invented.
fn work(result: &Value) -> [u64; 4] {
    let kept = ledger(result);
    for none in ["requests_lost", "replies_duplicate", "replies_unexpected", "replies_late"] {
        assert_eq!(kept[none], 0, "{none}: {}", result["notes"]);
    }
    ["requests_sent", "requests_answered", "requests_silent", "replies_received"]
        .map(|key| number(result, &format!("ledger.{key}")))
}

fn check<'a>(result: &'a Value, name: &str) -> &'a Value {
    let checks = result["verdict"]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).expect("the check")
}

/// What is known of workers behind a proxy that is not zload's.
fn assert_half_is_known(result: &Value) {
    assert_eq!(result["proxy"]["engine"], "external");
    assert_eq!(result["proxy"]["messages_in"], Value::Null);
    for seen in ["to_worker", "in_worker", "in_worker_planned", "to_client"] {
        assert!(result["hops"][seen].is_object(), "{seen}: {}", result["hops"]);
    }
    for hidden in ["to_proxy", "in_proxy", "back_to_proxy", "back_in_proxy"] {
        assert_eq!(result["hops"][hidden], Value::Null, "{hidden}");
    }
    assert_eq!(result["hops"]["disordered"], 0);
    assert_eq!(result["ideal"]["policy"], "round-robin");
    assert_eq!(check(result, "conservation")["status"], "pass");
}

#[test]
fn every_message_has_its_place_behind_a_proxy_of_somebody_else() {
    let (frontend, backend) = proxy(ANY, ANY);
    let to = format!("proxy.frontend = '{frontend}'\n{OPEN}{WORK}")
        .replace("workers = {", &format!("workers = {{ connect = '{backend}',"));
    let result = Zload::run(&to).result(0);
    assert_half_is_known(&result);
    let own = Zload::run(&format!("{OPEN}{WORK}")).result(0);
    assert_eq!(result["plan_hash"], own["plan_hash"]);
    assert_eq!(work(&result), work(&own));
    // The next run finds the same proxy, with workers of its own.
    let again = Zload::run(&to).args(&["--repeat", "2"]).result(0);
    assert_eq!(work(&again).map(|count| count / 2), work(&own));
}

#[test]
fn a_proxy_that_zload_starts_is_told_where_its_workers_connect() {
    let program = std::env::current_exe().expect("this test");
    let program = program.to_str().expect("UTF-8");
    let server = format!(
        "[server]\ncommand = ['{program}', '--exact', 'foreign_proxy::as_a_proxy', '--nocapture', '{{frontend}}', '{{backend}}']\n"
    );
    let result = Zload::run(&format!("{OPEN}{WORK}{server}")).result(0);
    assert_half_is_known(&result);
    let own = Zload::run(&format!("{OPEN}{WORK}")).result(0);
    assert_eq!(work(&result), work(&own));
    assert!(result["server"]["command"][5].as_str().expect("text").starts_with("tcp://127.0.0.1:"));
    let checked = Zload::with_scenario("check", &format!("{OPEN}{WORK}{server}")).end();
    assert!(checked.stdout.contains("connect to the server"), "{}", checked.stdout);
}

#[test]
fn workers_that_find_no_proxy_say_where_they_looked() {
    let (socket, endpoint) = listening(&zmq::Context::new(), zmq::ROUTER, ANY);
    drop(socket);
    let text = format!(
        "load = {{ rate = '1/s' }}\nclients.connect_timeout = '100ms'\nproxy.frontend = 'tcp://127.0.0.1:9'\nworkers.connect = '{endpoint}'"
    );
    let ended = Zload::run(&text).end();
    let expected = format!("the workers did not connect to {endpoint} within 100ms");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}

#[test]
fn a_server_that_does_not_bind_its_backend_is_told_so() {
    // A server of clients alone, to which the backend is one word more that it ignores.
    let text = "load = { rate = '1/s' }\n[server]\nready_timeout = '300ms'\n\
                command = ['sh', '-c', 'exec sleep 60', '{frontend}', '{backend}']";
    let ended = Zload::run(text).end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for part in ["within 300ms (server.ready_timeout)", "does it bind {backend}"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
}

/// `zload serve` with workers that connect to `backend`, once they have.
fn serving(backend: &str, workers: &str) -> Running {
    let text = format!(
        "load = {{ rate = '1/s' }}\nproxy.frontend = 'tcp://127.0.0.1:9'\nworkers = {{ connect = '{backend}', {workers} }}"
    );
    let mut serving =
        Zload::with_scenario("serve", &text).args(&["--format", "json", "-q"]).start();
    serving.await_line(&format!("workers connected to {backend}"));
    serving
}

fn end(serving: Running) -> Value {
    serving.signal(Signal::INT);
    serving.end().result(130)
}

#[test]
fn rep_workers_answer_what_has_a_delimiter_and_nothing_else() {
    let (frontend, backend) = proxy(ANY, ANY);
    let serving = serving(&backend, "count = 1, protocol = 'rep'");
    let context = zmq::Context::new();
    let req = connected(&context, zmq::REQ, &frontend);
    req.send_multipart(["one", "two"], 0).expect("sending");
    assert_eq!(req.recv_multipart(0), Ok(vec![b"one".to_vec(), b"two".to_vec()]));
    let dealer = connected(&context, zmq::DEALER, &frontend);
    dealer.send("dropped", 0).expect("sending");
    dealer.send_multipart(["kept", "", "body"], 0).expect("sending");
    let reply = dealer.recv_multipart(0).expect("a reply");
    assert_eq!(reply, [&b"kept"[..], b"", b"body"], "what is before the delimiter comes back");
    let result = end(serving);
    assert_eq!((number(&result, "requests_served"), number(&result, "replies_sent")), (2, 2));
}

/// The guide's load-balancing broker, word for word, until `requests` have been answered.
fn lbbroker(frontend: &zmq::Socket, backend: &zmq::Socket, requests: usize) {
    let mut ready = Vec::new();
    let mut answered = 0;
    while answered < requests {
        let mut items = [backend.as_poll_item(zmq::POLLIN), frontend.as_poll_item(zmq::POLLIN)];
        let watched = if ready.is_empty() { 1 } else { 2 };
        zmq::poll(&mut items[..watched], i64::from(LIMIT_MS)).expect("polling");
        let (worker, client) = (items[0].is_readable(), watched == 2 && items[1].is_readable());
        if worker {
            let message = backend.recv_multipart(0).expect("of a worker");
            let [address, empty, first, rest @ ..] = &message[..] else { panic!("{message:?}") };
            assert!(empty.is_empty());
            ready.push(address.clone());
            if first != b"READY" {
                let [empty, reply] = rest else { panic!("{message:?}") };
                assert!(empty.is_empty());
                frontend.send_multipart([&first[..], b"", reply], 0).expect("replying");
                answered += 1;
            }
        }
        if client {
            let message = frontend.recv_multipart(0).expect("of a client");
            let [client, _empty, request] = &message[..] else { panic!("{message:?}") };
            let worker = ready.remove(0);
            let parts = [&worker[..], b"", client, b"", request];
            backend.send_multipart(parts, 0).expect("forwarding");
        }
    }
}

#[test]
fn lru_workers_serve_the_guides_broker() {
    let context = zmq::Context::new();
    let (frontend, front) = listening(&context, zmq::ROUTER, ANY);
    let (backend, back) = listening(&context, zmq::ROUTER, ANY);
    let broker = std::thread::spawn(move || lbbroker(&frontend, &backend, 6));
    let serving = serving(&back, "count = 2, protocol = 'lru'");
    let clients = [(); 3].map(|()| connected(&context, zmq::REQ, &front));
    for round in ["one", "two"] {
        for client in &clients {
            client.send(round, 0).expect("sending");
        }
        for client in &clients {
            assert_eq!(client.recv_bytes(0), Ok(round.as_bytes().to_vec()));
        }
    }
    broker.join().expect("the broker ends well");
    assert_eq!(number(&end(serving), "replies_sent"), 6);
}

/// What the one worker of a Majordomo broker says next, but for heartbeats, of which it counts those before.
fn word(broker: &zmq::Socket, heartbeats: &mut u32) -> (Vec<u8>, u8, Vec<Vec<u8>>) {
    loop {
        let message = broker.recv_multipart(0).expect("of a worker");
        let [worker, empty, header, command, rest @ ..] = &message[..] else {
            panic!("{message:?}")
        };
        assert_eq!((&empty[..], &header[..]), (&b""[..], &b"MDPW02"[..]));
        let [command] = command[..] else { panic!("{message:?}") };
        if command != 5 {
            return (worker.clone(), command, rest.to_vec());
        }
        *heartbeats += 1;
    }
}

#[test]
fn mdp_workers_register_beat_reply_in_parts_and_take_their_leave() {
    let context = zmq::Context::new();
    let (broker, endpoint) = listening(&context, zmq::ROUTER, ANY);
    let workers = "count = 1, protocol = 'mdp', service = 'echo', replies = 3, delay = '1s'";
    let serving = serving(&endpoint, workers);
    let mut beats = 0;
    let (worker, command, rest) = word(&broker, &mut beats);
    assert_eq!((command, rest), (1, vec![b"echo".to_vec()]), "READY");
    let say = |worker: &[u8], command: u8, rest: &[&[u8]]| {
        let command = [command];
        let head = [worker, b"", b"MDPW02", &command];
        broker.send_multipart(head.iter().chain(rest), 0).expect("sending");
    };
    // Nonsense is no request.
    say(&worker, 9, &[b"what"]);
    broker.send_multipart([&worker[..], b"?"], 0).expect("sending");
    say(&worker, 5, &[]);
    say(&worker, 2, &[b"client", b"", b"one", b"two"]);
    for expected in [3, 3, 4] {
        let (of, command, rest) = word(&broker, &mut beats);
        assert_eq!((&of, command), (&worker, expected));
        assert_eq!(rest, [&b"client"[..], b"", b"one", b"two"]);
    }
    // A broker that has forgotten the worker says so, and has it back as another.
    say(&worker, 6, &[]);
    let (another, command, _) = word(&broker, &mut beats);
    assert_eq!(command, 1);
    assert_ne!(another, worker);
    // Heartbeats come while it is idle, too.
    let before = beats;
    while beats == before {
        let message = broker.recv_multipart(0).expect("a heartbeat");
        assert_eq!(message[3], [5], "{message:?}");
        beats += 1;
    }
    let result = end(serving);
    let (_, command, _) = word(&broker, &mut beats);
    assert_eq!(command, 6, "DISCONNECT");
    assert_eq!((number(&result, "requests_served"), number(&result, "replies_sent")), (1, 3));
}
