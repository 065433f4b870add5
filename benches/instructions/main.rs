//! How many instructions the single-threaded parts of the hot path take, counted by Callgrind through Gungraun.
//!
//! `scripts/instructions` runs these and compares them with the counts it keeps. Counts do not depend on what else the
//! machine does, so they can gate where times cannot. They are those of the release profile, as users get it; when it
//! was tried, a second caller of every part elsewhere in the crate moved none of them.
//! Invariant: every benchmark does its work [`OPERATIONS`] times; what a setup or teardown does is not counted.

#![expect(
    clippy::exit,
    missing_docs,
    unused_qualifications,
    reason = "Gungraun's macros make undocumented items and long paths, and end the process their way"
)]

use std::hint::black_box;

use gungraun::prelude::*;
use zload::server::counters::ProxyCounters;
use zload::server::proxy;
use zload::wire::context::{Context, Socket};
use zload::wire::errno::Errno;
use zload::wire::frame::Frame;
use zload_core::message::Header;
use zload_core::plan::{DrawKey, Plan};
use zload_core::record::{Exchange, Outstanding, Recorder};
use zload_core::scenario::{Engine, Scenario};

/// What one benchmark repeats; the kept figures are instructions per this many.
const OPERATIONS: u64 = 1_000;

/// Exchanges that a client holds at once.
const HELD: u64 = 128;

/// The client's address at the frontend.
const CLIENT: &[u8] = b"0001-0001";

fn plan(workers: &str) -> Plan {
    let text = format!("load = {{ rate = '1k/s' }}\nworkers = {workers}");
    Plan::new(&Scenario::parse("bench", &text, &[]).expect("the scenario is valid"))
}

fn exchange(request: u64, received: u32) -> Exchange {
    let intended_ns = request * 1_000;
    let sent_ns = intended_ns + 10;
    Exchange { request, intended_ns, sent_ns, owed: 2, received, ..Exchange::default() }
}

#[library_benchmark]
#[bench::constant(args = ("{ replies = 1 }"), setup = plan)]
#[bench::uniform_fan_out(args = ("{ replies = { uniform = [0, 4] } }"), setup = plan)]
fn draw_request(plan: Plan) -> Plan {
    for request in 0..OPERATIONS {
        black_box(plan.request(black_box(7), request));
    }
    plan
}

#[library_benchmark]
#[bench::lognormal(args = ("{ delay = { lognormal = { median = '1ms', p99 = '9ms' } } }"), setup = plan)]
fn draw_delay(plan: Plan) -> Plan {
    for request in 0..OPERATIONS {
        black_box(plan.delay_ns(DrawKey(request), black_box(0)));
    }
    plan
}

#[library_benchmark]
#[bench::of_64_bytes([b'.'; 64])]
fn stamp_header(mut body: [u8; 64]) -> [u8; 64] {
    for request in 0..OPERATIONS {
        Header { token: 7, request, key: DrawKey(request) }.encode(black_box(&mut body));
    }
    body
}

fn stamped(mut body: [u8; 64]) -> [u8; 64] {
    Header { token: 7, request: 8, key: DrawKey(9) }.encode(&mut body);
    body
}

#[library_benchmark]
#[bench::of_64_bytes(args = ([b'.'; 64]), setup = stamped)]
fn parse_header(body: [u8; 64]) -> [u8; 64] {
    for _ in 0..OPERATIONS {
        black_box(Header::decode(black_box(&body)));
    }
    body
}

fn recorder(single_reply: bool) -> Recorder {
    Recorder::new(0, u64::MAX / 2, single_reply)
}

#[library_benchmark]
#[bench::one_reply(args = (true), setup = recorder)]
fn record_request(mut recorder: Recorder) -> Recorder {
    for request in 0..OPERATIONS {
        let exchange = Exchange { owed: 1, ..exchange(request, 1) };
        recorder.sent(exchange.intended_ns, exchange.sent_ns, 1);
        recorder.received(black_box(&exchange), exchange.intended_ns + 150_000, false);
    }
    recorder
}

#[library_benchmark]
#[bench::two_replies(args = (false), setup = recorder)]
fn record_replies(mut recorder: Recorder) -> Recorder {
    for request in 0..OPERATIONS {
        let (first, last) = (exchange(request, 1), exchange(request, 2));
        recorder.sent(first.intended_ns, first.sent_ns, 2);
        recorder.received(black_box(&first), first.intended_ns + 150_000, false);
        recorder.received(black_box(&last), first.intended_ns + 250_000, false);
    }
    recorder
}

/// All the places but one are taken, so the ring has its size.
fn almost_full(held: u64) -> Outstanding {
    let mut outstanding = Outstanding::default();
    (1..held).for_each(|request| outstanding.insert(exchange(request, 0)));
    outstanding
}

#[library_benchmark]
#[bench::among_128(args = (HELD), setup = almost_full)]
fn keep_exchange(mut outstanding: Outstanding) -> Outstanding {
    for oldest in 1..=OPERATIONS {
        outstanding.insert(exchange(black_box(oldest + HELD - 1), 0));
        black_box(outstanding.get_mut(black_box(oldest)));
        outstanding.remove(oldest);
    }
    outstanding
}

/// The sockets around a proxy, with [`OPERATIONS`] requests and as many replies waiting to be forwarded.
struct Waiting {
    frontend: Socket,
    backend: Socket,
    client: Socket,
    worker: Socket,
    counters: ProxyCounters,
}

impl Waiting {
    fn receive_all(socket: &Socket, frames: usize) -> u64 {
        let mut frame = Frame::new();
        let mut messages = 0;
        while frame.receive(socket, zmq::DONTWAIT).is_ok() {
            for _ in 1..frames {
                frame.receive(socket, 0).expect("the rest of a message");
            }
            messages += 1;
        }
        messages
    }
}

/// The last reply goes to a client that does not exist, which the frontend refuses: so the engine, which would wait
/// for more, ends once all is forwarded, and needs no second thread to end it.
fn waiting(engine: Engine) -> (Engine, Waiting) {
    let context = Context::new(1, 16).expect("a context");
    let socket = |kind| context.socket(kind).expect("a socket");
    let (frontend, backend) = (socket(zmq::ROUTER), socket(zmq::DEALER));
    frontend.set_router_mandatory(true).expect("an option of ROUTER");
    frontend.listen("inproc://frontend").expect("a free name");
    backend.listen("inproc://backend").expect("a free name");
    let (client, worker) = (socket(zmq::DEALER), socket(zmq::DEALER));
    client.set_identity(CLIENT).expect("a valid identity");
    client.dial("inproc://frontend").expect("the frontend is bound");
    worker.dial("inproc://backend").expect("the backend is bound");
    for _ in 0..OPERATIONS {
        client.send([b'.'; 64].as_slice(), zmq::DONTWAIT).expect("there is room");
        worker.send_multipart([CLIENT, &[b'.'; 64]], zmq::DONTWAIT).expect("there is room");
    }
    worker.send_multipart([b"nobody", &[b'.'; 64][..]], zmq::DONTWAIT).expect("there is room");
    for side in [&frontend, &backend] {
        let events = side.get_events().expect("what has come is taken in");
        assert!(events.contains(zmq::POLLIN));
    }
    (engine, Waiting { frontend, backend, client, worker, counters: ProxyCounters::default() })
}

fn all_forwarded((ended, waiting): (Result<(), Errno>, Waiting)) {
    assert_eq!(ended, Err(Errno(zmq_sys::errno::EHOSTUNREACH)));
    assert_eq!(Waiting::receive_all(&waiting.worker, 2), OPERATIONS, "requests");
    assert_eq!(Waiting::receive_all(&waiting.client, 1), OPERATIONS, "replies");
}

// A request and a reply each time; nine tenths of it are libzmq's. The other engines' loops end at the same refusal,
// but what they do beside calling libzmq is next to nothing.
#[library_benchmark]
#[bench::batch(args = (Engine::Batch), setup = waiting, teardown = all_forwarded)]
fn forward_pair((engine, waiting): (Engine, Waiting)) -> (Result<(), Errno>, Waiting) {
    let Waiting { frontend, backend, counters, .. } = &waiting;
    (proxy::run(engine, frontend, backend, counters, None), waiting)
}

library_benchmark_group!(
    name = hotpath,
    benchmarks = [
        draw_request,
        draw_delay,
        stamp_header,
        parse_header,
        record_request,
        record_replies,
        keep_exchange,
        forward_pair,
    ]
);

main!(library_benchmark_groups = hotpath);
