//! Runs and shards without a world: what a plan's clients would measure if a server answered after times that follow from
//! each request's key alone.

use std::collections::BTreeMap;

use zload_core::facts::{DriverFigures, Measured, Start, StartedBy};
use zload_core::plan::{Plan, Share};
use zload_core::record::{Exchange, Recorder, Seconds, Series, Trace, Traces};
use zload_core::scenario::Scenario;
use zload_report::result::{Environment, ShardResult};

/// When the shards start.
pub(crate) const START_NS: u64 = 1_764_000_000_000_000_000;
/// The run that they gather for.
pub(crate) const RUN: u64 = 0x5ead;

/// Something that happens to a request: it is sent, or the reply with this number comes.
type Event = (u64, u32, u64, Option<u32>);

/// What the clients of this share measure.
pub(crate) fn measured(plan: &Plan, share: Share) -> Measured {
    let mut recorder =
        Recorder::new(plan.warmup_ns(), plan.send_end_ns(), false).late_after(plan.mean_gap_ns());
    let mut series = Series::new(1).keeping(true);
    let mut traces = Traces::new(Traces::MOST, 1);
    let mut open: BTreeMap<(u32, u64), Exchange> = BTreeMap::new();
    let (mut sent_in_all, mut received_in_all, mut bytes) = (0, 0, 0);
    for (at_ns, client, request, reply) in events(plan, share) {
        let key = plan.key(client, request);
        if reply.is_none() {
            let intended_ns = at_ns - slip_ns(key.0);
            let owed = plan.replies(key);
            recorder.sent(intended_ns, at_ns, owed);
            sent_in_all += 1;
            bytes += plan.payload(key);
            let exchange =
                Exchange { request, intended_ns, sent_ns: at_ns, owed, ..Exchange::default() };
            if owed > 0 {
                open.insert((client, request), exchange);
            }
            continue;
        }
        let exchange = open.get_mut(&(client, request)).expect("only what is open is answered");
        exchange.received += 1;
        recorder.received(exchange, at_ns, false);
        exchange.heard_ns = at_ns;
        received_in_all += 1;
        let all = exchange.received == exchange.owed;
        if exchange.received == 1 && traces.wants(key) {
            let Exchange { intended_ns, sent_ns, owed, .. } = *exchange;
            let last_received_ns = last_ns(plan, client, request, sent_ns).unwrap_or(0);
            let trace =
                Trace { key, client, owed, request, intended_ns, sent_ns, ..Trace::default() };
            traces.keep(Trace { received_ns: at_ns, last_received_ns, ..trace });
        }
        if all {
            open.remove(&(client, request));
        }
        while let Some(second) = recorder.finished_second(at_ns) {
            series.add(&second);
        }
    }
    let played_ns = plan.send_end_ns() + plan.drain_ns();
    let (mut found, seconds) = recorder.finish(open.values(), played_ns);
    for second in &seconds {
        series.add(second);
    }
    found.traces = traces;
    let Seconds { series, heat_map, kept } = series.finish();
    let window_ns = plan.send_end_ns() - plan.warmup_ns();
    let mut measured = Measured::nothing(plan, share, &"tcp://h0:5570".into(), 1);
    measured.interrupted = false;
    (measured.recorded, measured.series, measured.heat_map) = (found, series, heat_map);
    (measured.seconds, measured.window_ns, measured.server_window_ns) =
        (kept, window_ns, window_ns);
    measured.start =
        Some(Start { by: StartedBy::Gather, bound_ns: Some(20_000), ..Start::alone(START_NS) });
    (measured.sent_in_all, measured.received_in_all) = (sent_in_all, received_in_all);
    measured.played_ns = played_ns;
    measured.in_flight = (0..40).map(|_| f64::from(share.number_of(plan.clients()))).collect();
    measured.drivers = DriverFigures {
        cpu_ns: vec![Some(1_000_000)],
        requests: measured.recorded.window_requests,
        replies: measured.recorded.window_replies,
        bytes,
        wakes: 7,
    };
    measured.clock_resolution_ns = Some(1);
    measured
}

/// The file of this shard, as text.
pub(crate) fn file(scenario: &Scenario, plan: &Plan, share: Share) -> String {
    let host = format!("h{}", share.index() % 4);
    let measured = measured(plan, share);
    let result =
        ShardResult::new((scenario, plan), (share, RUN), (&host, environment()), &measured);
    zload_report::result::to_line(&result)
}

pub(crate) fn environment() -> Environment {
    Environment {
        zload: "0.1.0".to_owned(),
        build: "release".to_owned(),
        libzmq: "4.3.4".to_owned(),
        libzmq_eventfd: Some(true),
        kernel: "Linux".to_owned(),
        cpu_model: "simulated".to_owned(),
        cores: 2,
        cpu_quota: None,
        load_average: 0.0,
        time: "2026-11-26T00:00:00Z".to_owned(),
        command: None,
    }
}

/// What happens, in order.
fn events(plan: &Plan, share: Share) -> Vec<Event> {
    let mut events = Vec::new();
    for client in share.clients(plan.clients()) {
        for (request, intended_ns) in plan.schedule(client).expect("an open load") {
            let key = plan.key(client, request);
            let sent_ns = intended_ns + slip_ns(key.0);
            events.push((sent_ns, client, request, None));
            let came = came(plan, client, request);
            events.extend(
                (0..came).map(|reply| {
                    (sent_ns + service_ns(key.0, reply), client, request, Some(reply))
                }),
            );
        }
    }
    events.sort_unstable();
    events
}

/// How many replies come: of one request in 31 one too few.
fn came(plan: &Plan, client: u32, request: u64) -> u32 {
    let key = plan.key(client, request);
    plan.replies(key).saturating_sub(u32::from(key.0.is_multiple_of(31)))
}

fn last_ns(plan: &Plan, client: u32, request: u64, sent_ns: u64) -> Option<u64> {
    let key = plan.key(client, request);
    let (came, owed) = (came(plan, client, request), plan.replies(key));
    (came == owed && owed > 0).then(|| sent_ns + service_ns(key.0, owed - 1))
}

/// Most requests are punctual.
fn slip_ns(key: u64) -> u64 {
    if key.is_multiple_of(5) { key % 90_000 } else { 0 }
}

/// From 0.1 ms to 3 ms, and of a few far more; later replies come later.
fn service_ns(key: u64, reply: u32) -> u64 {
    let slow = if key.is_multiple_of(53) { 200_000_000 } else { 0 };
    100_000 + key / 7 % 2_900_000 + slow + u64::from(reply) * 40_000
}
