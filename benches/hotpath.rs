//! What each part of the hot path costs: drawing the plan, writing and reading a header, recording a reply, keeping
//! the exchanges, forwarding messages with each proxy engine.
//!
//! Times on a shared machine drift by tens of per cent: compare two builds in the same minute, or not at all.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zload::measure::{Exchange, Outstanding, Recorder};
use zload::plan::{DrawKey, Plan};
use zload::scenario::{Engine, Scenario};
use zload::wire::context::{Context, Socket};
use zload::server::counters::ProxyCounters;
use zload::wire::frame::Frame;
use zload::server::proxy;
use zload::wire::header::{HEADER_SIZE, Header};

/// Messages that are on their way through a proxy together.
const MESSAGES: u64 = 64;

fn plan(workers: &str) -> Plan {
    let text = format!("load = {{ rate = '1k/s' }}\nworkers = {workers}");
    Plan::new(&Scenario::parse("bench", &text, &[]).expect("the scenario is valid"))
}

fn draws(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    let constant = plan("{ replies = 1 }");
    let drawn = plan(
        "{ replies = { uniform = [0, 4] }, delay = { lognormal = { median = '1ms', p99 = '9ms' } } }",
    );
    let mut request = 0_u64;
    let mut next = || {
        request += 1;
        request
    };
    group.bench_function("request, constant", |bencher| {
        bencher.iter(|| constant.request(black_box(7), next()));
    });
    group.bench_function("request, uniform fan-out", |bencher| {
        bencher.iter(|| drawn.request(black_box(7), next()));
    });
    group.bench_function("delay, lognormal", |bencher| {
        bencher.iter(|| drawn.delay_ns(drawn.key(7, next()), black_box(0)));
    });
    group.finish();
}

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    let mut body = [b'.'; 64];
    let header = Header { token: 7, request: 8, key: DrawKey(9) };
    group.bench_function("stamp", |bencher| {
        bencher.iter(|| black_box(header).encode(black_box(&mut body)));
    });
    group.bench_function("parse", |bencher| bencher.iter(|| Header::decode(black_box(&body[..]))));
    assert!(body.len() >= HEADER_SIZE);
    group.finish();
}

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    let mut now_ns = 0;
    for (name, owed) in [("one reply", 1), ("two replies", 2)] {
        let mut recorder = Recorder::new(0, u64::MAX / 2, owed == 1);
        group.bench_function(format!("a request and its replies, {name}"), |bencher| {
            bencher.iter(|| {
                // Within one second, so that no second of the series is ever over.
                now_ns = (now_ns + 1_000) % 800_000_000;
                let mut exchange = exchange(0, now_ns, owed);
                recorder.sent(exchange.intended_ns, exchange.sent_ns, owed);
                for _ in 0..owed {
                    exchange.received += 1;
                    recorder.received(black_box(&exchange), now_ns + 150_000);
                }
            });
        });
    }
    group.finish();
}

fn exchange(request: u64, intended_ns: u64, owed: u32) -> Exchange {
    let sent_ns = intended_ns + 10;
    Exchange { request, intended_ns, sent_ns, owed, received: 0, track: None }
}

/// The exchanges that the ledger is still open for.
fn keeping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    let mut outstanding = Outstanding::default();
    let mut request = 0;
    group.bench_function("keep an exchange among 128", |bencher| {
        bencher.iter(|| {
            outstanding.insert(exchange(request, 0, 1));
            if let Some(old) = request.checked_sub(127) {
                black_box(outstanding.get_mut(old));
                outstanding.remove(old);
            }
            request += 1;
        });
    });
    group.finish();
}

/// A proxy on its own thread, with one client and one worker in the hands of the caller.
fn with_proxy(engine: Engine, body: impl FnOnce(&Socket, &Socket)) {
    let context = Context::new(1, 16).expect("a context");
    let socket = |kind| context.socket(kind).expect("a socket");
    let (frontend, backend) = (socket(zmq::ROUTER), socket(zmq::DEALER));
    frontend.listen("inproc://frontend").expect("a free name");
    backend.listen("inproc://backend").expect("a free name");
    let (client, worker) = (socket(zmq::DEALER), socket(zmq::DEALER));
    client.dial("inproc://frontend").expect("the frontend is bound");
    worker.dial("inproc://backend").expect("the backend is bound");
    let counters = Arc::new(ProxyCounters::default());
    let thread =
        std::thread::spawn(move || proxy::run(engine, &frontend, &backend, &counters, None));
    body(&client, &worker);
    context.shut_down();
    thread.join().expect("the proxy does not panic").expect("the proxy ends with its context");
}

fn forwarding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forward over inproc");
    group.throughput(Throughput::Elements(MESSAGES));
    for (name, engine) in
        [("poll", Engine::Poll), ("builtin", Engine::Builtin), ("batch", Engine::Batch)]
    {
        with_proxy(engine, |client, worker| {
            let mut frame = Frame::new();
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    for _ in 0..MESSAGES {
                        Frame::filled(64, b'.')
                            .and_then(|mut request| request.send(client, 0))
                            .expect("there is room");
                    }
                    for _ in 0..MESSAGES {
                        frame.receive(worker, 0).expect("an address");
                        frame.receive(worker, 0).expect("a body");
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, draws, headers, recording, keeping, forwarding);
criterion_main!(benches);
