//! Making a result of what was measured. Pure, except that it is told about the environment.

use super::evidence::evidence;
use super::ideal::{Sample, Sampled, observed};
use super::rows::{Each, hop_figures, latency};
use super::{
    Environment, GeneratorFigures, ProcessFigures, ProxyFigures, RUN_SCHEMA, RunFigures, RunResult,
    SERVE_SCHEMA, ServeResult, ServerFigures, Throughput, WaitingClient, threshold,
};
use crate::measure::{
    HeatColumn, Hops, Ledger, Recorded, SECOND_NS, SeriesEntry, Unheard, Way, Ways,
};
use crate::plan::{Offered, Plan};
use crate::quantity;
use crate::scenario::{Engine, MOST_FRAMES, Nanos, Scenario};
use crate::topology::{DriverFigures, Measured, Served, ServerTotals, ServerUse};
use crate::verdict::{self, SampledRequest, Verdict};

/// libzmq's own high-water mark.
const DEFAULT_HWM: i32 = 1000;
/// With fewer requests than this from each client it says little that one got no reply.
const FEW_REQUESTS: u64 = 4;

impl RunResult {
    /// The result of one run, or of several: counts add up, histograms merge, windows add. `plans` is the plan of all runs, or that of
    /// each, which differ in their seeds. It is whole but for the ideal, which [`Self::add_ideal`] makes of the sample.
    ///
    /// Panics if there is no run, or no plan.
    pub fn new(
        scenario: &Scenario,
        plans: &[impl AsRef<Plan>],
        environment: Environment,
        runs: &[Measured],
    ) -> (Self, Sampled) {
        let pooled = pool(runs);
        let plan = plans[0].as_ref();
        let same_plan = plans.len() == 1;
        let of = |plan: &Plan, run, runs: &[RunFigures]| {
            RunFigures::new(scenario, plan, &environment, run, &Each { runs, same_plan })
        };
        let (each, of_each): (Vec<RunFigures>, Vec<_>) = match runs {
            [_] => (Vec::new(), Vec::new()),
            several => several
                .iter()
                .zip(plans.iter().cycle())
                .map(|(run, plan)| of(plan.as_ref(), run, &[]))
                .unzip(),
        };
        let (figures, of_all) = of(plan, &pooled, &each);
        let of_runs = plans.iter().take(runs.len()).map(|plan| plan.as_ref().seed());
        let sets = std::iter::once(of_all).chain(of_each).collect();
        // Several runs have no common flow of time: their verdict is that on each.
        let verdicts: Vec<Verdict> = each.iter().map(|run| run.verdict.clone()).collect();
        let verdict = Verdict::of_all(&verdicts).unwrap_or(figures.verdict);
        let mut result = Self {
            schema: RUN_SCHEMA.to_owned(),
            plan_hash: plan.hash().to_owned(),
            seed: scenario.seed,
            seeds: if same_plan { Vec::new() } else { of_runs.collect() },
            interrupted: pooled.interrupted,
            failure: pooled.failure.clone(),
            verdict,
            thresholds: Vec::new(),
            notes: notes(plan, &pooled, &figures.ledger),
            environment,
            repeat: u32::try_from(runs.len()).unwrap_or(u32::MAX),
            ledger: figures.ledger,
            throughput: figures.throughput,
            latency: figures.latency,
            hops: figures.hops,
            ideal: None,
            waiting_client: figures.waiting_client,
            proxy: figures.proxy,
            generator: figures.generator,
            process: figures.process,
            server: figures.server,
            series: pooled.series,
            heat_map: HeatColumn::condensed(pooled.heat_map),
            runs: each,
            scenario: scenario.clone(),
        };
        // Several runs have no common flow of time.
        if let [run] = runs {
            result.notes.extend(of_stalls(plan, run));
        }
        result.announce_ideal();
        result.thresholds = threshold::outcomes(&result);
        (result, Sampled(sets))
    }

    /// Of each entry of the series, whether it covers its whole second: the end of a run may cut the last one short.
    pub fn whole_seconds(&self) -> Vec<bool> {
        let begins = self.series.iter().map(|entry| entry.offset_ns);
        let ends = begins.clone().skip(1).chain([self.throughput.window_ns]);
        begins.zip(ends).map(|(begin, end)| end.saturating_sub(begin) >= SECOND_NS).collect()
    }
}

impl ServeResult {
    /// The result of a server that ran alone.
    pub fn new(scenario: &Scenario, environment: Environment, served: &Served) -> Self {
        let totals = &served.totals;
        Self {
            schema: SERVE_SCHEMA.to_owned(),
            scenario: scenario.clone(),
            environment,
            interrupted: served.interrupted,
            failure: served.failure.clone(),
            window_ns: served.window_ns,
            proxy: proxy_figures(scenario, &served.frontend, Some(totals), served.window_ns),
            requests_served: totals.requests,
            replies_sent: totals.replies,
            requests_refused: totals.refused,
            connections_cut_off: served.cut_off,
            proxy_messages_per_s: per_second(crossed(totals), served.window_ns),
            proxy_bytes_per_s: per_second(totals.bytes, served.window_ns),
        }
    }
}

impl RunFigures {
    /// The figures of a run, or of `each` of several as one, but for its ideal, and what that is held against.
    fn new(
        scenario: &Scenario,
        plan: &Plan,
        environment: &Environment,
        run: &Measured,
        each: &Each<'_>,
    ) -> (Self, Option<Sample>) {
        let recorded = &run.recorded;
        let ways = recorded.ways.intended_from(plan.warmup_ns());
        let hops = Hops::of(&ways, plan);
        let throughput = throughput(run);
        let evidence =
            evidence(scenario, plan, run, (&ways, hops.as_ref()), &throughput, environment);
        let whole = !run.interrupted && run.failure.is_none();
        let ours = scenario.proxy.engine != Engine::External;
        let followed_one_in = ours.then(|| plan.follow_one_in());
        let (window_ns, server) = (run.server_window_ns, run.server.as_ref());
        let figures = Self {
            ledger: recorded.ledger,
            throughput,
            latency: latency(recorded, &ways, each),
            ideal: None,
            // Runs overlap in their plan's time, and a client waits in one of them only.
            waiting_client: if each.runs.is_empty() {
                waiting_client(plan, &recorded.ways, &ways)
            } else {
                None
            },
            hops: hops.map(|hops| hop_figures(&hops, (&recorded.ways, followed_one_in), each)),
            proxy: proxy_figures(scenario, &run.frontend, server, window_ns),
            generator: generator_figures(&run.drivers, window_ns),
            process: process_figures(run),
            server: run.server_process.as_ref().map(|used| server_figures(run, used)),
            verdict: verdict::judge(&evidence, &scenario.verdict),
        };
        (figures, whole.then(|| Sample { observed: observed(&ways), evidence }))
    }
}

fn throughput(run: &Measured) -> Throughput {
    let Recorded { window_requests, window_replies, carried, .. } = run.recorded;
    let (crossed, bytes) = traffic(run);
    // What the proxy counted holds as many whole rounds of a closed load as the clients' counts do.
    let whole = (window_requests + window_replies) as f64;
    let messages = (crossed as f64 + carried.requests + carried.replies - whole).max(0.0);
    let share = if crossed == 0 { 1.0 } else { messages / crossed as f64 };
    Throughput {
        window_ns: run.window_ns,
        requests_per_s: rate(carried.requests, run.window_ns),
        replies_per_s: rate(carried.replies, run.window_ns),
        proxy_messages_per_s: rate(messages, run.server_window_ns),
        proxy_bytes_per_s: rate(bytes as f64 * share, run.server_window_ns),
    }
}

/// Messages that crossed the proxy in the window, and their bytes. An external server's are known only as the clients saw
/// them.
fn traffic(run: &Measured) -> (u64, u64) {
    match &run.server {
        Some(totals) => (crossed(totals), totals.bytes),
        None => (run.drivers.requests + run.drivers.replies, run.drivers.bytes),
    }
}

/// What a client that waits would have said, if every request of an open load was followed.
fn waiting_client(plan: &Plan, sample: &Ways, ways: &[Way]) -> Option<WaitingClient> {
    let whole = sample.one_in() == 1 && sample.skipped() == 0;
    if ways.is_empty() || !whole || matches!(plan.offered(), Offered::Closed { .. }) {
        return None;
    }
    let requests: Vec<SampledRequest> = ways.iter().map(SampledRequest::from).collect();
    let seen = verdict::as_a_waiting_client(&requests);
    Some(WaitingClient {
        counted: seen.counted as u64,
        left_out: seen.left_out as u64,
        p99_ns: seen.p99_ns,
    })
}

/// Messages that crossed the proxy, by its own count or, where the engine hides it, by the workers'.
fn crossed(totals: &ServerTotals) -> u64 {
    totals.messages_out.unwrap_or(totals.requests + totals.replies)
}

/// Of a count.
fn per_second(count: u64, window_ns: u64) -> f64 {
    rate(count as f64, window_ns)
}

pub(super) fn rate(amount: f64, window_ns: u64) -> f64 {
    if window_ns == 0 { 0.0 } else { amount / window_ns as f64 * 1e9 }
}

fn ratio(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

fn proxy_figures(
    scenario: &Scenario,
    frontend: &str,
    totals: Option<&ServerTotals>,
    window_ns: u64,
) -> ProxyFigures {
    let engine = match scenario.proxy.engine {
        Engine::Poll => "poll",
        Engine::Builtin => "builtin",
        Engine::Batch => "batch",
        Engine::External => "external",
    };
    let cpu_ns = totals.and_then(|totals| totals.proxy_cpu_ns);
    let (messages_in, messages_out) =
        totals.map_or((None, None), |totals| (totals.messages_in, totals.messages_out));
    let wakes = totals.and_then(|totals| totals.wakes);
    ProxyFigures {
        engine: engine.to_owned(),
        frontend: frontend.to_owned(),
        messages_in,
        messages_out,
        wakes,
        messages_per_wake: messages_out
            .zip(wakes)
            .and_then(|(messages, wakes)| ratio(messages, wakes)),
        cpu_ns_per_message: totals
            .zip(cpu_ns)
            .and_then(|(totals, cpu_ns)| ratio(cpu_ns, crossed(totals))),
        busy_ratio: cpu_ns.and_then(|cpu_ns| ratio(cpu_ns, window_ns)),
    }
}

fn generator_figures(drivers: &DriverFigures, window_ns: u64) -> GeneratorFigures {
    let known: Option<Vec<u64>> = drivers.cpu_ns.iter().copied().collect();
    let busiest = drivers.cpu_ns.iter().flatten().max().copied().unwrap_or(0);
    GeneratorFigures {
        driver_cpu_ns_per_request: known
            .and_then(|cpu_ns| ratio(cpu_ns.iter().sum(), drivers.requests)),
        driver_busy_ratio: ratio(busiest, window_ns).unwrap_or(0.0),
        threads: u32::try_from(drivers.cpu_ns.len()).unwrap_or(u32::MAX),
        wakes: drivers.wakes,
    }
}

fn process_figures(run: &Measured) -> ProcessFigures {
    ProcessFigures {
        cpu_ns_per_message: run.process_cpu_ns.and_then(|cpu_ns| ratio(cpu_ns, traffic(run).0)),
        resident_bytes: run.resident_bytes,
    }
}

fn server_figures(run: &Measured, used: &ServerUse) -> ServerFigures {
    let end = used.end.as_ref();
    let died = end.filter(|end| end.by_itself);
    ServerFigures {
        command: used.command.clone(),
        exit: end.map(|end| end.exit.clone()),
        cpu_ns: used.cpu_ns,
        cpu_ns_per_message: used.cpu_ns.and_then(|cpu_ns| ratio(cpu_ns, traffic(run).0)),
        busy_ratio: used.cpu_ns.and_then(|cpu_ns| ratio(cpu_ns, run.server_window_ns)),
        resident_bytes: used.resident_bytes,
        last_output: died.map_or_else(Vec::new, |end| end.last_output.clone()),
    }
}

/// Several runs as one.
fn pool(runs: &[Measured]) -> Measured {
    let (first, rest) = runs.split_first().expect("at least one run was made");
    let mut pooled = first.clone();
    for run in rest {
        pooled.interrupted |= run.interrupted;
        pooled.failure = pooled.failure.or_else(|| run.failure.clone());
        pooled.recorded.merge(&run.recorded);
        let offset_ns = pooled.window_ns;
        pooled.series.extend(
            run.series
                .iter()
                .map(|entry| SeriesEntry { offset_ns: entry.offset_ns + offset_ns, ..*entry }),
        );
        pooled.heat_map.extend(run.heat_map.iter().map(|column| HeatColumn {
            offset_ns: column.offset_ns + offset_ns,
            ..column.clone()
        }));
        pooled.window_ns += run.window_ns;
        pooled.server_window_ns += run.server_window_ns;
        pooled.process_cpu_ns =
            pooled.process_cpu_ns.zip(run.process_cpu_ns).map(|(sum, ns)| sum + ns);
        pooled.resident_bytes = pooled.resident_bytes.max(run.resident_bytes);
        pooled.server = both(pooled.server, run.server);
        pooled.server_in_all = both(pooled.server_in_all, run.server_in_all);
        pooled.server_process = match (pooled.server_process, &run.server_process) {
            (Some(sum), Some(more)) => Some(sum.plus(more)),
            (one, other) => one.or_else(|| other.clone()),
        };
        pooled.cut_off += run.cut_off;
        pooled.sent_in_all += run.sent_in_all;
        pooled.received_in_all += run.received_in_all;
        pooled.played_ns += run.played_ns;
        pooled.in_flight.extend(&run.in_flight);
        pooled.drivers = pooled.drivers.plus(&run.drivers);
    }
    pooled
}

/// What the server did in two parts of a whole; a part that was interrupted before it began adds nothing.
fn both(sum: Option<ServerTotals>, more: Option<ServerTotals>) -> Option<ServerTotals> {
    match (sum, more) {
        (Some(sum), Some(more)) => Some(sum.plus(&more)),
        (one, other) => one.or(other),
    }
}

/// What a reader must know to read the figures rightly, and no check of the verdict says.
fn notes(plan: &Plan, run: &Measured, ledger: &Ledger) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(utilisation) = plan.summary().utilisation.filter(|utilisation| *utilisation > 1.0) {
        notes.push(format!(
            "the offered load asks for {:.0} % of what the workers can do: the queue grows as long as the run lasts, and so do the latencies",
            utilisation * 100.0
        ));
    }
    notes.extend(of_ledger(run, ledger));
    if run.cut_off > 0 {
        notes.push(format!(
            "{} connections were closed: the peer sent a message without end, or far larger ones than the plan's, and \
             memory had grown by more than the plan explains",
            run.cut_off
        ));
    }
    if let Some(refused) = run.server_in_all.map(|totals| totals.refused).filter(|count| *count > 0)
    {
        notes.push(format!(
            "workers dropped {refused} messages that had no body, or more than {MOST_FRAMES} frames"
        ));
    }
    notes.extend(run.server_process.as_ref().and_then(of_end));
    if run.recorded.rest_uncounted {
        notes.push(
            "the rest of this Poisson plan is too long to be counted within the second that an interrupted run has: \
             requests planned and unsent are those up to the interruption"
                .to_owned(),
        );
    }
    notes
}

/// The longest time in which no reply came while requests waited.
fn of_stalls(plan: &Plan, run: &Measured) -> Option<String> {
    let ways = run.recorded.ways.intended_from(plan.warmup_ns());
    let requests: Vec<SampledRequest> = ways.iter().map(SampledRequest::from).collect();
    let stalls = verdict::stalls(&requests);
    let longest = stalls.first()?;
    let felt = longest.felt as u64 * run.recorded.ways.one_in();
    let more = match stalls.len() - 1 {
        0 => String::new(),
        more => format!(", and {} besides", quantity::counted(more as u64, "shorter stall")),
    };
    Some(format!(
        "a stall of {} at {}, felt by {}{}{more}: no reply came while they waited",
        quantity::duration(longest.length_ns),
        quantity::duration(longest.from_ns.saturating_sub(plan.warmup_ns())),
        if run.recorded.ways.one_in() > 1 { "about " } else { "" },
        quantity::counted(felt, "request")
    ))
}

/// What is odd about the end of a server of the user's own, if anything is.
fn of_end(used: &ServerUse) -> Option<String> {
    let end = used.end.as_ref()?;
    if end.had_to_be_killed {
        return Some(
            "the server did not end when it was told to (SIGTERM) and had to be killed: give it more time \
             (server.stop_timeout), or have it end on SIGTERM"
                .to_owned(),
        );
    }
    (end.left_behind > 0).then(|| {
        format!(
            "the server left {} of the processes that it had started behind when it ended; they were killed",
            end.left_behind
        )
    })
}

/// What the ledger's exceptions mean.
fn of_ledger(run: &Measured, ledger: &Ledger) -> Vec<String> {
    let whole = !run.interrupted && run.failure.is_none();
    let mut notes = Vec::new();
    if ledger.requests_planned == 0 && whole {
        notes.push(
            "no request was due in the measured window, so there is nothing to read here: raise load.rate or run.duration"
                .to_owned(),
        );
    }
    if ledger.replies_duplicate > 0 {
        notes.push(format!(
            "{} replies came beyond the number owed by `workers.replies`: the server answered more often than planned",
            ledger.replies_duplicate
        ));
    }
    if ledger.requests_unsent > 0 && whole {
        notes.push(format!(
            "{} requests could not be sent: ZeroMQ took no more (high-water mark, or no connection) or the drivers \
             were too late",
            ledger.requests_unsent
        ));
    }
    if ledger.replies_unexpected > 0 {
        notes.push(format!(
            "{} messages answer nothing that was asked: a reply to a request that is owed none, or no reply of zload's \
             (a server must send each request's body back unchanged, as the last frame)",
            ledger.replies_unexpected
        ));
    }
    notes
}

/// The likely cause of lost replies.
pub(super) fn lost_because(
    scenario: &Scenario,
    plan: &Plan,
    run: &Measured,
    ledger: &Ledger,
) -> String {
    let lost = ledger.replies_lost;
    // Replies that workers of ours sent and no client got; a few may still be on their way.
    let missing =
        run.server_in_all.map_or(0, |totals| totals.replies.saturating_sub(run.received_in_all));
    let sndhwm = scenario.sockets.sndhwm.unwrap_or(DEFAULT_HWM);
    let timeout_ns =
        plan.timeout_ns().filter(|ns| *ns < plan.drain_ns() || ledger.replies_late > 0);
    if run.interrupted || run.failure.is_some() {
        format!("{lost} replies were still owed when the run was cut short, and count as lost")
    } else if sndhwm > 0 && missing * 2 > lost {
        format!(
            "workers sent {missing} replies that no client got: ROUTER drops what a client's pipe has no room for (sockets.sndhwm = {sndhwm}); raise {}, where 0 is no limit",
            scenario.sockets.marks().collect::<Vec<_>>().join(" and ")
        )
    } else if let Some(ignored) = ignored(plan, run) {
        ignored
    } else if let Some(timeout_ns) = timeout_ns {
        format!(
            "{lost} replies had not come when their requests were given up, {} after they were sent (load.timeout); {} of them came later",
            Nanos(timeout_ns),
            ledger.replies_late
        )
    } else if run.server_in_all.is_none() {
        format!("{lost} replies owed by the external server did not come in time")
    } else {
        format!(
            "{lost} replies were still on their way when the drain ended: give run.drain more time, or offer less load"
        )
    }
}

/// What explains lost replies if some clients got none at all while others did: their identities are taken. Where each
/// client sent but a few, that may as well be chance.
fn ignored(plan: &Plan, run: &Measured) -> Option<String> {
    let Unheard { clients, first } = &run.recorded.unheard;
    let ignored = run.server_in_all.is_none()
        && run.received_in_all > 0
        && run.sent_in_all >= FEW_REQUESTS * u64::from(plan.clients());
    first.as_ref().filter(|_| ignored).map(|first| {
        format!(
            "{clients} of {} clients ({first}{}) sent and got no reply at all while others did: a ROUTER ignores a client whose \
             identity another connection already has, of another run or of one that has just ended; run again, which \
             gives other identities",
            plan.clients(),
            if *clients > 1 { " and others" } else { "" }
        )
    })
}
