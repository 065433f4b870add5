//! A scenario and its plan in words, and the load that it offers.

use std::fmt::Display;

use super::document::{Block, Depth, Document, Mark, Section, Span, Words, words};
use super::scale::nanos;
use super::stages::planned;

use crate::result::out_of_reach;
use zload_core::plan::{Plan, Share};
use zload_core::quantity::{count, counted, percent, rate};
use zload_core::scenario::{
    Arrivals, ClientEngine, DelayBy, Distribution, Engine, MOST_FRAMES, Model, Nanos, Protocol,
    Request, Scenario, ServerCommand, Threads,
};

/// Shards of a plan with as many clients each.
#[derive(Debug, Clone)]
pub struct PlanPart {
    /// The first of them.
    pub share: Share,
    /// The index of the last one.
    pub last: u32,
    /// About how many file descriptors each needs.
    pub descriptors: u64,
    /// Why they need a server elsewhere, if the scenario has none.
    pub needs_server: Option<String>,
}

/// What `zload check` says of a valid scenario, and of its `parts` if several processes are to play it.
pub fn plan(scenario: &Scenario, plan: &Plan, parts: &[PlanPart]) -> Document {
    let mut rows = settings(scenario);
    rows.push(("offers".into(), offers(scenario, plan).into()));
    rows.extend(planned(plan));
    let utilisation = plan.summary().utilisation.filter(|utilisation| *utilisation > 0.0);
    rows.extend(
        utilisation.map(|of| ("workers".into(), format!("utilisation {}", percent(of)).into())),
    );
    rows.push(("accepts".into(), accepts(scenario).into()));
    let seed = format!(" (seed {})", scenario.seed);
    rows.push(("plan".into(), words!(Span::code(plan.hash()), seed)));
    let names = std::iter::once("limits").chain(std::iter::repeat(""));
    let limits = names.zip(&scenario.thresholds.limits);
    rows.extend(limits.map(|(name, limit)| (name.into(), limit.to_string().into())));
    rows.extend(parts.iter().map(|part| part_row(plan, part)));
    let elsewhere = parts.iter().find_map(|part| part.needs_server.clone());
    let warnings: Vec<String> = warnings(scenario, plan).into_iter().chain(elsewhere).collect();
    let warnings: Vec<String> =
        warnings.into_iter().map(|warning| format!("warning: {warning}")).collect();
    let blocks = std::iter::once(Block::Settings(rows))
        .chain(Block::remarks(Mark::Warn, &warnings))
        .collect();
    let sections = [Section::bare("plan", Depth::Answer, blocks)];
    Document::new(Span::name(&scenario.name).into(), "", sections)
}

/// What each of some shards has of the plan.
fn part_row(plan: &Plan, part: &PlanPart) -> (Words, Words) {
    let first = part.share.index();
    let (which, each) = match part.last {
        last if last == first => (first.to_string(), ""),
        last => (format!("{first} to {last}"), " each"),
    };
    let clients = part.share.number_of(plan.clients());
    let load = if let Some(per_second) = plan.summary().requests_per_s {
        rate(per_second * f64::from(clients) / f64::from(plan.clients()))
    } else {
        let in_flight = u64::from(clients) * plan.slots_per_client();
        format!("{} in flight", counted(in_flight, "request"))
    };
    let clients = counted(clients.into(), "client");
    let descriptors = count(part.descriptors);
    let text = format!("{which}: {clients}, {load}, about {descriptors} file descriptors{each}");
    ("shard".into(), text.into())
}

/// The load that the plan offers.
fn offers(scenario: &Scenario, plan: &Plan) -> String {
    let summary = plan.summary();
    let mut offers = match (summary.requests_per_s, summary.in_flight) {
        (Some(per_second), _) => {
            let requests = plan.requests().map_or_else(
                || format!("about {:.0}", summary.requests.unwrap_or(0.0)),
                |requests| requests.to_string(),
            );
            match scenario.duration() {
                Some(duration) => {
                    format!("{} for {duration}: {requests} requests", rate(per_second))
                }
                None => format!("{requests} requests at {}", rate(per_second)),
            }
        }
        (None, in_flight) => {
            let so_many = match plan.fixed_requests() {
                Some(requests) => format!("{} requests, ", count(requests)),
                None => String::new(),
            };
            let in_flight = count(in_flight.unwrap_or(0));
            let together = if so_many.is_empty() { "requests in flight" } else { "in flight" };
            format!("{so_many}{in_flight} {together} at any time")
        }
    };
    offers += &format!(", {:.2} replies each on average", summary.replies_mean);
    if summary.work_ns_mean > 0.0 && summary.work_ns_mean.is_finite() {
        offers += &format!(", {} of a worker's time for each", nanos(summary.work_ns_mean));
    }
    offers
}

/// What is valid and hardly intended.
fn warnings(scenario: &Scenario, plan: &Plan) -> Vec<String> {
    let utilisation = plan.summary().utilisation.filter(|utilisation| *utilisation > 1.0);
    let overload = utilisation.map(|utilisation| {
        format!(
            "the load is {} of the workers' capacity, so the queue grows without end: lower the load, or use more workers or shorter delays",
            percent(utilisation)
        )
    });
    overload.into_iter().chain(out_of_reach(scenario, plan, 1)).collect()
}

/// What a peer may send.
fn accepts(scenario: &Scenario) -> String {
    let why = match (scenario.sockets.maxmsgsize, &scenario.request) {
        (Some(_), _) => "",
        (None, Some(_)) => ", as sockets.maxmsgsize is not set and replies may have any size",
        (None, None) => ", from load.payload as sockets.maxmsgsize is not set",
    };
    let frames = if scenario.has_workers() {
        format!(", {MOST_FRAMES} frames a request")
    } else {
        String::new()
    };
    format!(
        "at most {} a frame{why}{frames}; a peer whose message has no end is cut off",
        scenario.message_limit()
    )
}

/// The parts of a scenario by name, each in a few words.
pub(super) fn settings(scenario: &Scenario) -> Vec<(Words, Words)> {
    let workers = if scenario.has_workers() {
        format!("{}{}", workers(scenario), backend(scenario))
    } else {
        format!("external; expected replies {}", spread(&scenario.workers.replies))
    };
    let parts = [
        Some(("load", load(scenario))),
        scenario.request.as_ref().map(|of| ("request", request(of))),
        Some(("clients", clients(scenario))),
        Some(("proxy", proxy(scenario))),
        scenario.server.as_ref().map(|own| ("server", server(own))),
        Some(("workers", workers)),
        Some(("phases", phases(scenario))),
    ];
    parts.into_iter().flatten().map(|(name, text)| (name.into(), text.into())).collect()
}

/// The settings that a simulation knows: no generator, proxy or socket settings, and no drain, as nothing is given up.
pub(super) fn settings_of_the_plan(scenario: &Scenario) -> Vec<(Words, Words)> {
    let mut workers = workers(scenario);
    if !scenario.has_workers() {
        workers += " (of the scenario; the external server may differ)";
    }
    let phases = format!("{}, {} counted", warmup(scenario), scenario.length());
    [
        ("load", load(scenario)),
        ("clients", count(u64::from(scenario.clients.count.0)) + &probes(scenario)),
        ("workers", workers),
        ("phases", phases),
    ]
    .map(|(name, text)| (name.into(), text.into()))
    .into()
}

/// What is run, in one line.
pub(super) fn in_a_line(scenario: &Scenario) -> String {
    let load = &scenario.load;
    let in_flight = load.in_flight.map_or(1, |in_flight| in_flight.0);
    let load = match (load.model, load.rate, load.rate_per_client) {
        (Model::Closed, ..) => format!("closed, {in_flight} in flight each,"),
        (Model::Open, ..) if load.changes() => format!("open, {},", changing(scenario)),
        (Model::Open, Some(rate), _) => format!("open, {}, {rate}", arrivals(scenario)),
        (Model::Open, None, Some(each)) => format!("open, {}, {each} each,", arrivals(scenario)),
        (Model::Open, None, None) => format!("open, {},", arrivals(scenario)),
    };
    let clients = counted(u64::from(scenario.clients.count.0), "client");
    let workers = counted(u64::from(scenario.workers.count.0), "worker");
    let frontend = &scenario.proxy.frontend;
    let server = match (scenario.proxy.engine, &scenario.server) {
        (Engine::External, Some(_)) if scenario.has_workers() => {
            format!("external proxy · {workers}")
        }
        (Engine::External, None) if scenario.has_workers() => {
            format!("proxy at {frontend} · {workers}")
        }
        (Engine::External, Some(_)) => "external server".to_owned(),
        (Engine::External, None) => format!("server at {frontend}"),
        (engine, _) => format!("{} proxy · {workers}", engine.name()),
    };
    format!("{load} for {} · {clients} · {server}", scenario.length())
}

/// A load that changes, in a few words.
fn changing(scenario: &Scenario) -> String {
    match (&scenario.load.stages, &scenario.load.replay) {
        (Some(stages), _) => {
            format!("{}, {}", arrivals(scenario), counted(stages.0.len() as u64, "stage"))
        }
        (None, Some(replay)) if replay.speed.is_none() => format!("replay of {}", replay.file),
        (None, Some(replay)) => {
            format!("replay of {} at {} times its speed", replay.file, replay.speed())
        }
        (None, None) => arrivals(scenario).to_owned(),
    }
}

fn arrivals(scenario: &Scenario) -> &'static str {
    match scenario.load.arrivals {
        Some(Arrivals::Poisson) => "Poisson",
        Some(Arrivals::Periodic) | None => "periodic",
    }
}

fn load(scenario: &Scenario) -> String {
    let load = &scenario.load;
    let timeout =
        load.timeout.map_or_else(String::new, |timeout| format!(", given up after {timeout}"));
    let sized = scenario.request.as_ref().is_none_or(Request::has_generated_part);
    let payload =
        if sized { format!("; payload {}", spread(&load.payload)) } else { String::new() };
    format!("{}{payload}{timeout}", model(scenario))
}

/// When requests leave.
fn model(scenario: &Scenario) -> String {
    let load = &scenario.load;
    match load.model {
        Model::Open if load.changes() => {
            let stages = load.stages.as_ref().map(|stages| format!(": {stages}"));
            format!("open, {}{}", changing(scenario), stages.unwrap_or_default())
        }
        Model::Open => {
            let arrivals = arrivals(scenario);
            match (load.rate, load.rate_per_client) {
                (Some(total), _) => format!("open, {arrivals}, {total} over all clients"),
                (None, Some(each)) => format!("open, {arrivals}, {each} from each client"),
                (None, None) => format!("open, {arrivals}"),
            }
        }
        Model::Closed => {
            let in_flight = load.in_flight.map_or(1, |in_flight| in_flight.0);
            let think = load
                .think
                .as_ref()
                .map_or_else(String::new, |think| format!(", think {}", spread(think)));
            format!("closed, {in_flight} in flight from each client{think}")
        }
    }
}

fn clients(scenario: &Scenario) -> String {
    let drivers = match scenario.clients.threads {
        Threads::Auto => String::new(),
        Threads::Fixed(threads) => format!(" on {}", counted(u64::from(threads), "driver")),
    };
    let engine = match scenario.clients.engine {
        ClientEngine::Libzmq if scenario.has_proxy() => "",
        ClientEngine::Libzmq => ", by libzmq",
        ClientEngine::Zmtp => ", by zload's own engine (zmtp)",
    };
    let probes = probes(scenario);
    format!("{}{drivers}{engine}{probes}", count(u64::from(scenario.clients.count.0)))
}

/// The clients that are there besides, if any.
fn probes(scenario: &Scenario) -> String {
    match scenario.clients.probes.0 {
        0 => String::new(),
        probes => format!(
            ", and {} on a driver of their own, {} in all",
            counted(probes.into(), "probe client"),
            rate(scenario.probes_per_s())
        ),
    }
}

/// The form of requests, and how replies are recognised.
fn request(request: &Request) -> String {
    let forms = match &request.mix[..] {
        [] => {
            let frames = counted(request.operations()[0].len() as u64, "frame");
            format!("{frames} each")
        }
        mix => {
            let names: Vec<String> =
                mix.iter().map(|of| format!("{} (weight {})", of.name, of.weight())).collect();
            names.join(", ")
        }
    };
    let told = [("ok", &request.ok), ("error", &request.error), ("last", &request.last)];
    let told = told.into_iter().filter(|(_, condition)| condition.is_some());
    let told: String = told.map(|(name, _)| format!(", request.{name} is set")).collect();
    format!("{forms}; replies matched by {}{told}", request.matching.name())
}

fn proxy(scenario: &Scenario) -> String {
    let proxy = &scenario.proxy;
    if proxy.engine == Engine::External {
        let whose = if scenario.server.is_some() {
            "external server, started by zload"
        } else {
            "external"
        };
        return format!("{whose}, at {}", proxy.frontend);
    }
    let engine = match proxy.engine {
        Engine::Builtin => "builtin (zmq_proxy)",
        engine => engine.name(),
    };
    let sockets = serde_json::to_value(&scenario.sockets).unwrap_or_default();
    let options: Vec<String> = sockets
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!(", {name} {}", value.to_string().trim_matches('"')))
        .collect();
    format!("{engine}, {} to {}{}", proxy.frontend, proxy.backend, options.concat())
}

/// An external server.
fn server(server: &ServerCommand) -> String {
    format!(
        "{}; started by zload, at most {} until it answers, at most {} to stop",
        server.in_words(),
        server.ready_timeout,
        server.stop_timeout
    )
}

fn workers(scenario: &Scenario) -> String {
    let workers = &scenario.workers;
    let delay = match (&workers.delay, workers.delay_by) {
        (Distribution::Constant(Nanos::ZERO), _) => "no delay".to_owned(),
        (delay, DelayBy::Sleep) => format!("delay {} before each, asleep", spread(delay)),
        (delay, DelayBy::Spin) => format!("delay {} before each, burning CPU", spread(delay)),
    };
    format!("{}; replies {}; {delay}", workers.count, spread(&workers.replies))
}

/// Behind whose proxy the workers are, and how they talk to it, where that is not as usual.
fn backend(scenario: &Scenario) -> String {
    let elsewhere = match (scenario.backend_elsewhere(), &scenario.server) {
        (None, _) => String::new(),
        (Some(_), Some(server)) if server.binds_backend() => "; connect to the server".to_owned(),
        (Some(endpoint), _) => format!("; connect to {endpoint}"),
    };
    let protocol = scenario.worker_protocol();
    let talk = match protocol {
        Protocol::Dealer => String::new(),
        Protocol::Mdp => {
            format!("; protocol mdp, service {}", scenario.workers.service_name())
        }
        Protocol::Rep | Protocol::Lru => format!("; protocol {}", protocol.name()),
    };
    format!("{elsewhere}{talk}")
}

fn phases(scenario: &Scenario) -> String {
    let drain = scenario.run.drain;
    format!("{}, {} measured, at most {drain} drain", warmup(scenario), scenario.length())
}

fn warmup(scenario: &Scenario) -> String {
    match scenario.run.warmup {
        Nanos::ZERO => "no warm-up".to_owned(),
        warmup => format!("{warmup} warm-up"),
    }
}

/// A distribution in words.
fn spread<T: Display>(distribution: &Distribution<T>) -> String {
    match distribution {
        Distribution::Constant(value) => value.to_string(),
        Distribution::Uniform([low, high]) => format!("uniform {low} to {high}"),
        Distribution::Exponential(mean) => format!("exponential with mean {mean}"),
        Distribution::Normal { mean, sd } => format!("normal with mean {mean}, sd {sd}"),
        Distribution::Lognormal { median, p99 } => {
            format!("lognormal with median {median}, p99 {p99}")
        }
        Distribution::Pareto { min, shape } => format!("Pareto from {min} with shape {shape}"),
        Distribution::Choice(choices) => {
            let values: Vec<String> = choices
                .iter()
                .map(|(weight, value)| format!("{value} (weight {weight})"))
                .collect();
            format!("one of {}", values.join(", "))
        }
    }
}
