//! Making a result of what was measured. Pure, given the environment.

use super::evidence::evidence;
use super::ideal::{Sample, Sampled, observed};
use super::notes::{notes, of_stalls};
use super::rows::{Each, hop_figures, latency};
use super::shards;
use super::stage_figures::stages;
use super::throughput::{crossed, per_second, throughput, traffic};
use super::{
    Environment, GeneratorFigures, ProbeFigures, ProcessFigures, ProxyFigures, RUN_SCHEMA,
    RequestFigures, RunFigures, RunResult, SERVE_SCHEMA, ServeResult, ServerFigures, WaitingClient,
    threshold,
};
use crate::verdict::{self, SampledRequest, Verdict};
use zload_core::facts::{
    Connections, DriverFigures, Measured, MeasuredByProbes, Served, ServerTotals, ServerUse,
};
use zload_core::plan::{Offered, Plan};
use zload_core::record::{HeatColumn, Hops, SECOND_NS, SeriesEntry, Trace, Traces};
use zload_core::scenario::{Endpoints, Scenario};

impl RunResult {
    /// The result of one run, or of several: counts add up, histograms merge, windows add. `plans` is the plan of all runs, or that of
    /// each, which differ in their seeds. It is complete except for the lower bound, which [`Self::add_ideal`] makes of the sample.
    ///
    /// Panics if there is no run, or no plan.
    pub fn new(
        scenario: &Scenario,
        plans: &[impl AsRef<Plan>],
        environment: Environment,
        runs: &[Measured],
    ) -> (Self, Sampled) {
        let (pooled, plan) = (pool(runs), plans[0].as_ref());
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
        let RunFigures {
            ledger,
            throughput,
            latency,
            request,
            probes,
            stages,
            hops,
            ideal,
            waiting_client,
            proxy,
            generator,
            process,
            server,
            verdict,
        } = figures;
        let verdict = Verdict::of_all(&verdicts).unwrap_or(verdict);
        let mut result = Self {
            schema: RUN_SCHEMA.to_owned(),
            plan_hash: plan.hash().to_owned(),
            seed: scenario.seed,
            seeds: if same_plan { Vec::new() } else { of_runs.collect() },
            interrupted: pooled.interrupted,
            failure: pooled.failure.clone(),
            stopped: pooled.stopped.clone(),
            verdict,
            thresholds: Vec::new(),
            notes: notes(plan, &pooled, &ledger),
            environment,
            repeat: u32::try_from(runs.len()).unwrap_or(u32::MAX),
            ledger,
            throughput,
            latency,
            request,
            probes,
            stages,
            hops,
            ideal,
            waiting_client,
            proxy,
            generator,
            process,
            server,
            shards: shards::figures(&pooled),
            series: pooled.series,
            heat_map: HeatColumn::condensed(pooled.heat_map),
            runs: each,
            scenario: scenario.clone(),
        };
        result.note_single_run(plan, runs);
        result.announce_ideal();
        result.thresholds = threshold::outcomes(&result);
        (result, Sampled(sets))
    }

    /// Notes of a flow of time, which several runs do not have in common.
    fn note_single_run(&mut self, plan: &Plan, runs: &[Measured]) {
        if let [run] = runs {
            self.notes.extend(of_stalls(plan, run));
            self.notes.extend(shards::notes(plan, run, &self.shards));
        }
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
    /// The figures of a run, or of `each` of several as one, except its lower bound, and what that is compared with.
    fn new(
        scenario: &Scenario,
        plan: &Plan,
        environment: &Environment,
        run: &Measured,
        each: &Each<'_>,
    ) -> (Self, Option<Sample>) {
        let recorded = &run.recorded;
        let traces = recorded.traces.intended_from(plan.warmup_ns());
        let hops = Hops::of(&traces, plan);
        let throughput = throughput(run);
        let evidence =
            evidence(scenario, plan, run, (&traces, hops.as_ref()), &throughput, environment);
        let whole = run.is_whole();
        let followed_one_in = scenario.follows_requests().then(|| plan.follow_one_in());
        let (window_ns, server) = (run.server_window_ns, run.server.as_ref());
        let figures = Self {
            ledger: recorded.ledger,
            throughput,
            latency: if plan.is_unlike() {
                latency(recorded, &traces, each).without_percentiles()
            } else {
                latency(recorded, &traces, each)
            },
            stages: stages(plan, recorded, &traces, each),
            request: scenario.request.as_ref().map(|of| RequestFigures::new(of, recorded)),
            probes: ProbeFigures::new(plan, run.probes.as_ref(), each),
            ideal: None,
            // Runs overlap in their plan's time, and a client waits in one of them only.
            waiting_client: if each.runs.is_empty() && !plan.is_unlike() {
                waiting_client(plan, &recorded.traces, &traces)
            } else {
                None
            },
            hops: hops.map(|hops| {
                let figures = hop_figures(&hops, (&recorded.traces, followed_one_in), each);
                if plan.is_unlike() { figures.without_percentiles() } else { figures }
            }),
            proxy: proxy_figures(scenario, &run.frontend, server, window_ns),
            generator: generator_figures(&run.drivers, window_ns),
            process: process_figures(run),
            server: run.server_process.as_ref().map(|used| server_figures(run, used)),
            verdict: verdict::judge(&evidence, &scenario.verdict),
        };
        (figures, whole.then(|| Sample { observed: observed(&traces), evidence }))
    }
}

/// What a client that waits would have said, if every request of an open load was followed.
fn waiting_client(plan: &Plan, sample: &Traces, traces: &[Trace]) -> Option<WaitingClient> {
    let whole = sample.one_in() == 1 && sample.skipped() == 0;
    if traces.is_empty() || !whole || matches!(plan.offered(), Offered::Closed { .. }) {
        return None;
    }
    let requests: Vec<SampledRequest> = traces.iter().map(SampledRequest::from).collect();
    let seen = verdict::as_a_waiting_client(&requests);
    Some(WaitingClient {
        counted: seen.counted as u64,
        left_out: seen.left_out as u64,
        p99_ns: seen.p99_ns,
    })
}

fn ratio(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

fn proxy_figures(
    scenario: &Scenario,
    frontend: &Endpoints,
    totals: Option<&ServerTotals>,
    window_ns: u64,
) -> ProxyFigures {
    let cpu_ns = totals.and_then(|totals| totals.proxy_cpu_ns);
    let (messages_in, messages_out) =
        totals.map_or((None, None), |totals| (totals.messages_in, totals.messages_out));
    let wakes = totals.and_then(|totals| totals.wakes);
    ProxyFigures {
        engine: scenario.proxy.engine.name().to_owned(),
        frontend: frontend.to_string(),
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
        kernel_bytes: run.kernel_bytes,
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

/// Several runs as one. A field that is not named here does not compile.
fn pool(runs: &[Measured]) -> Measured {
    let (first, rest) = runs.split_first().expect("at least one run was made");
    let mut pooled = first.clone();
    for run in rest {
        let Measured {
            interrupted,
            failure,
            stopped,
            recorded,
            series,
            heat_map,
            // Only shards have them, and shards are no runs to be pooled.
            seconds: _,
            start: _,
            shards: _,
            window_ns,
            // Each run has its own; where the first one's clients were is shown.
            frontend: _,
            identities: _,
            objection: _,
            server,
            server_in_all,
            server_process,
            server_window_ns,
            drivers,
            sent_in_all,
            received_in_all,
            probes,
            played_ns,
            in_flight,
            // Only the verdict looks at them, and that is on each run.
            workers_busy: _,
            host: _,
            process_cpu_ns,
            cut_off,
            connections,
            resident_bytes,
            kernel_bytes,
            clock_resolution_ns,
        } = run;
        let offset_ns = pooled.window_ns;
        let later =
            |entry: &SeriesEntry| SeriesEntry { offset_ns: entry.offset_ns + offset_ns, ..*entry };
        pooled.series.extend(series.iter().map(later));
        pooled.heat_map.extend(heat_map.iter().map(|column| HeatColumn {
            offset_ns: column.offset_ns + offset_ns,
            ..column.clone()
        }));
        pooled.interrupted |= interrupted;
        pooled.failure = pooled.failure.or_else(|| failure.clone());
        pooled.stopped = pooled.stopped.or_else(|| stopped.clone());
        pooled.recorded.merge(recorded);
        pooled.window_ns += window_ns;
        both(&mut pooled.server, server.as_ref(), ServerTotals::merge);
        both(&mut pooled.server_in_all, server_in_all.as_ref(), ServerTotals::merge);
        both(&mut pooled.server_process, server_process.as_ref(), ServerUse::merge);
        pooled.server_window_ns += server_window_ns;
        pooled.drivers.merge(drivers);
        pooled.sent_in_all += sent_in_all;
        pooled.received_in_all += received_in_all;
        both(&mut pooled.probes, probes.as_ref(), MeasuredByProbes::merge);
        pooled.played_ns += played_ns;
        pooled.in_flight.extend(in_flight);
        (pooled.workers_busy, pooled.host) = (None, None);
        let cpu_ns = pooled.process_cpu_ns.zip(*process_cpu_ns);
        pooled.process_cpu_ns = cpu_ns.map(|(sum, ns)| sum + ns);
        pooled.cut_off += cut_off;
        both(&mut pooled.connections, connections.as_ref(), Connections::merge);
        pooled.resident_bytes = pooled.resident_bytes.max(*resident_bytes);
        pooled.kernel_bytes = pooled.kernel_bytes.max(*kernel_bytes);
        pooled.clock_resolution_ns = pooled.clock_resolution_ns.max(*clock_resolution_ns);
    }
    pooled
}

/// What both parts of a whole have; one that was interrupted before it started adds nothing.
fn both<T: Clone>(sum: &mut Option<T>, more: Option<&T>, merge: fn(&mut T, &T)) {
    match (sum, more) {
        (Some(sum), Some(more)) => merge(sum, more),
        (sum, more) => *sum = sum.take().or_else(|| more.cloned()),
    }
}
