//! What a verdict on a run is founded on, worked out of what was measured. Pure.

use super::notes::lost_because;
use super::stage_figures::{in_flight_within, queues, within};
use super::summary::{OfRequest, effective_size};
use super::{Environment, Kind, PERCENTILES, Throughput, shards};
use crate::verdict::{
    Arrivals, Delays, EffectiveSize, Evidence, Flow, LoadChange, OpenLoad, Percentiles, Probes,
    SecondOfLoad, ServerCounts, StageOfLoad, TimeSeries,
};
use zload_core::facts::Measured;
use zload_core::plan::{Offered, Plan, StagePlan};
use zload_core::quantity::rounded;
use zload_core::record::{Hops, LatencyHistogram, Ledger, SECOND_NS, Trace};
use zload_core::scenario::{ClientEngine, DelayBy, Matching, Request, Scenario, StageShape};

/// Plans of more requests are not counted second by second: that would take longer than a second.
const MOST_COUNTED: f64 = 1e7;

/// The evidence of one run, whose sampled requests went these `traces`, in the order of their intended instants.
pub(super) fn evidence(
    scenario: &Scenario,
    plan: &Plan,
    run: &Measured,
    (traces, hops): (&[Trace], Option<&Hops>),
    throughput: &Throughput,
    environment: &Environment,
) -> Evidence {
    let recorded = &run.recorded;
    let responses = traces.iter().map(|trace| trace.response_ns() as f64).collect();
    let lost = recorded.ledger.replies_lost > 0;
    let can_fail = scenario.request.as_ref().is_some_and(Request::can_fail);
    Evidence {
        interrupted: run.interrupted,
        stopped: run.stopped.clone(),
        failure: run.failure.clone(),
        debug_build: environment.build == "debug",
        slow_libzmq: environment.libzmq_eventfd == Some(false),
        window_ns: run.window_ns,
        fixed_requests: plan.fixed_requests(),
        ledger: recorded.ledger,
        error_ratio: recorded.ledger.error_ratio().filter(|_| can_fail),
        overlapping: (scenario.matching() == Matching::Order).then_some(recorded.overlapping),
        requests_per_s: throughput.requests_per_s,
        replies_per_s: throughput.replies_per_s,
        open: matches!(plan.offered(), Offered::Open { .. }).then(|| open_load(plan, run)),
        change: change(plan, run, traces),
        work_ns: rounded(plan.summary().work_ns_mean),
        capacity_per_s: capacity_per_s(scenario, plan),
        twin: None,
        response: percentiles(&recorded.first_reply),
        service: percentiles(&recorded.service),
        clipped: clipped(run),
        in_flight: TimeSeries { values: run.in_flight.clone(), every: 1 },
        flow: Some(in_all(run)),
        responses: TimeSeries { values: responses, every: recorded.traces.one_in() },
        effective_sizes: effective_sizes(&recorded.first_reply, traces),
        server: server_counts(scenario, run),
        delays: hops.and_then(|hops| delays(scenario, plan, hops)),
        worker_busy_share: run.workers_busy,
        lost_because: lost.then(|| lost_because(scenario, plan, run, &recorded.ledger)),
        host: run.host.clone(),
        clock_resolution_ns: run.clock_resolution_ns,
        arrivals: arrivals(plan, traces),
        arrivals_hidden: arrivals_hidden(scenario, run),
        probes: probes(plan, run, traces),
        shards: shards::evidence(plan, run),
    }
}

/// How the load changes, and what is known of each of its stages.
fn change(plan: &Plan, run: &Measured, traces: &[Trace]) -> Option<LoadChange> {
    if plan.is_replay() {
        return Some(LoadChange::Recorded);
    }
    let recorded = &run.recorded;
    let queues = queues(plan, &recorded.in_flight_at, 1);
    let in_flight = in_flight_within(plan, &recorded.in_flight_at);
    let parts = plan.stages().iter().zip(&recorded.stages).zip(queues.into_iter().zip(in_flight));
    let mut stages: Vec<StageOfLoad> = Vec::new();
    // The latest instant at which the queue of an earlier stage is gone, and whose it is.
    let mut queue: Option<(u64, &StagePlan)> = None;
    for ((planned, record), (of_queue, in_flight)) in parts {
        let before = |at_ns: u64| traces.partition_point(|trace| trace.intended_ns < at_ns);
        let carried = queue.filter(|(gone_ns, _)| *gone_ns > planned.from_ns);
        let begins_with = carried.map(|(_, from)| (from.name.clone(), of_queue.in_flight_at_start));
        let after_ns = of_queue.caught_up_after_ns;
        let gone_ns = after_ns.map_or(u64::MAX, |ns| planned.to_ns.saturating_add(ns));
        if after_ns != Some(0) && queue.is_none_or(|(latest_ns, _)| gone_ns > latest_ns) {
            queue = Some((gone_ns, planned));
        }
        stages.push(StageOfLoad {
            name: planned.name.clone(),
            holds: planned.shape == StageShape::Hold,
            length_ns: planned.to_ns - planned.from_ns,
            ledger: Ledger {
                requests_planned: record.sent + record.unsent,
                requests_sent: record.sent,
                requests_unsent: record.unsent,
                requests_answered: record.answered,
                requests_silent: record.silent,
                requests_lost: record.lost,
                replies_expected: record.replies_expected,
                replies_received: record.replies_expected - record.replies_lost,
                replies_lost: record.replies_lost,
                ..Ledger::default()
            },
            responses: (before(planned.from_ns), before(planned.to_ns)),
            in_flight,
            response: percentiles(&record.first_reply),
            effective_sizes: effective_sizes(&record.first_reply, within(planned, traces)),
            caught_up_after_ns: after_ns,
            begins_with,
        });
    }
    (!stages.is_empty()).then_some(LoadChange::Stages(stages))
}

/// The workers' capacity by plan in replies per second, if they are zload's own and have work.
fn capacity_per_s(scenario: &Scenario, plan: &Plan) -> Option<f64> {
    scenario.workers_per_s().map(|per_s| per_s * plan.summary().replies_mean)
}

fn percentiles(latencies: &LatencyHistogram) -> Percentiles {
    Percentiles {
        count: latencies.histogram().len(),
        p50_ns: latencies.percentile(0.50),
        p99_ns: latencies.percentile(0.99),
    }
}

/// The effective sample size of the first replies for each of their percentiles, as in their row.
fn effective_sizes(latencies: &LatencyHistogram, traces: &[Trace]) -> Vec<EffectiveSize> {
    let requests: Vec<OfRequest> =
        traces.iter().map(|trace| OfRequest::one(trace.response_ns())).collect();
    let of = |kind: Kind| {
        let level_ns = latencies.percentile(kind.quantile)?;
        let size = effective_size(latencies, &requests, level_ns);
        Some(EffectiveSize { name: kind.name, quantile: kind.quantile, size })
    };
    PERCENTILES.into_iter().filter_map(of).collect()
}

fn clipped(run: &Measured) -> u64 {
    let recorded = &run.recorded;
    [
        &recorded.first_reply,
        &recorded.last_reply,
        &recorded.reply,
        &recorded.service,
        &recorded.slip,
    ]
    .into_iter()
    .map(LatencyHistogram::clipped)
    .sum()
}

/// All expected replies, over the whole run: both sides of the equation are of the same events, so it holds
/// exactly, and one forgotten exchange or one step of a clock breaks it.
fn in_all(run: &Measured) -> Flow {
    let (played_ns, owed) = (run.played_ns.max(1) as f64, run.received_in_all.max(1) as f64);
    Flow {
        mean_in_flight: run.recorded.in_flight_ns as f64 / played_ns,
        rate_per_s: owed / played_ns * 1e9,
        mean_ns: run.recorded.sojourn_ns as f64 / owed,
    }
}

fn open_load(plan: &Plan, run: &Measured) -> OpenLoad {
    OpenLoad {
        slip: percentiles(&run.recorded.slip),
        late: Some(run.recorded.late),
        held_back: run.recorded.held_back,
        seconds: seconds(plan, run),
    }
}

/// What was planned for each whole second of the window, and what was sent in it.
fn seconds(plan: &Plan, run: &Measured) -> Vec<SecondOfLoad> {
    let whole_seconds =
        run.series.iter().filter(|entry| entry.offset_ns + SECOND_NS <= run.window_ns);
    let mut seconds: Vec<SecondOfLoad> =
        whole_seconds.map(|entry| SecondOfLoad { planned: 0, sent: entry.requests }).collect();
    if plan.summary().requests.is_none_or(|requests| requests > MOST_COUNTED) {
        return Vec::new();
    }
    let schedules = (0..plan.clients()).filter_map(|client| plan.schedule(client));
    for (_, intended_ns) in schedules.flatten() {
        let Some(since_ns) = intended_ns.checked_sub(plan.warmup_ns()) else { continue };
        let second = usize::try_from(since_ns / SECOND_NS).unwrap_or(usize::MAX);
        if let Some(second) = seconds.get_mut(second) {
            second.planned += 1;
        }
    }
    seconds
}

/// How long first replies waited at the clients' machine, of those traced requests of which that is known.
fn arrivals(plan: &Plan, traces: &[Trace]) -> Option<Arrivals> {
    let [mut service, mut without_queue, mut in_generator] =
        [(); 3].map(|()| LatencyHistogram::new());
    for trace in traces.iter().filter(|trace| plan.follows(trace.key)) {
        let Some((waking_ns, queued_ns)) = trace.waking_ns().zip(trace.queued_ns()) else {
            continue;
        };
        service.record(trace.service_ns());
        without_queue.record(trace.service_ns().saturating_sub(queued_ns));
        in_generator.record(waking_ns + queued_ns);
    }
    (!service.histogram().is_empty()).then(|| Arrivals {
        service: percentiles(&service),
        without_queue: percentiles(&without_queue),
        in_generator: percentiles(&in_generator),
    })
}

/// Why it is not known when replies arrived, where the kernel is not asked.
fn arrivals_hidden(scenario: &Scenario, run: &Measured) -> Option<&'static str> {
    if scenario.clients.engine == ClientEngine::Libzmq {
        Some("libzmq does not tell when a reply arrived (clients.engine = \"zmtp\" does, over tcp)")
    } else if !run.frontend.all().iter().any(|endpoint| endpoint.starts_with("tcp")) {
        Some("the kernel stamps what comes over tcp, and not over ipc")
    } else {
        None
    }
}

/// What probe clients saw beside the others, of whose requests these are a sample.
fn probes(plan: &Plan, run: &Measured, traces: &[Trace]) -> Option<Probes> {
    let recorded = &run.probes.as_ref()?.recorded;
    let service =
        |traces: &[Trace]| traces.iter().map(|of| (of.intended_ns, of.service_ns())).collect();
    Some(Probes {
        clients: plan.probes(),
        others: plan.clients(),
        ledger: recorded.ledger,
        service: service(&recorded.traces.intended_from(plan.warmup_ns())),
        of_others: service(traces),
    })
}

fn server_counts(scenario: &Scenario, run: &Measured) -> Option<ServerCounts> {
    let totals = run.server_in_all?;
    let mut ledger = run.recorded.ledger;
    if let Some(probes) = &run.probes {
        ledger.merge(&probes.recorded.ledger);
    }
    Some(ServerCounts {
        requests_taken: totals.requests,
        replies_sent: totals.replies,
        requests_sent: run.sent_by_all(),
        // Which requests of the warm-up were silent or lost is not kept.
        may_be_missing: ledger.requests_silent
            + ledger.requests_lost
            + run.sent_by_all().saturating_sub(ledger.requests_sent),
        replies_received: run.received_by_all(),
        proxy_is_foreign: !scenario.has_proxy(),
    })
}

fn delays(scenario: &Scenario, plan: &Plan, hops: &Hops) -> Option<Delays> {
    let summary = plan.summary();
    let planned_mean_ns =
        rounded(summary.work_ns_mean / summary.replies_mean.max(f64::MIN_POSITIVE));
    let asleep = scenario.workers.delay_by == DelayBy::Sleep;
    Some(Delays {
        asleep,
        planned_mean_ns,
        overshoot: percentiles(&hops.overshoot.as_ref()?.histogram),
    })
}
