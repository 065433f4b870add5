//! A scenario and its plan in words: what was meant, and the load that it offers.

use std::fmt::Display;

use super::quantity::{count, counted, duration, percent, rate};
use super::{setting, wrapped};
use crate::plan::Plan;
use crate::result::out_of_reach;
use crate::scenario::{
    Arrivals, DelayBy, Distribution, Engine, MOST_FRAMES, Model, Nanos, Scenario, ServerCommand,
    Threads,
};

/// What `zload check` says of a valid scenario.
pub fn plan_report(scenario: &Scenario, plan: &Plan) -> String {
    let summary = plan.summary();
    let mut text = settings(scenario);
    let mut offers = match (summary.requests_per_s, summary.in_flight) {
        (Some(per_second), _) => {
            let requests = plan.requests().map_or_else(
                || format!("about {:.0}", summary.requests.unwrap_or(0.0)),
                |requests| requests.to_string(),
            );
            format!("{} for {}: {requests} requests", rate(per_second), scenario.run.duration)
        }
        (None, in_flight) => {
            format!("{} requests in the air at any time", count(in_flight.unwrap_or(0)))
        }
    };
    offers += &format!(", {:.2} replies each on average", summary.replies_mean);
    if summary.work_ns_mean > 0.0 && summary.work_ns_mean.is_finite() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean duration of at most hours"
        )]
        let work = duration(summary.work_ns_mean as u64);
        offers += &format!(", {work} of a worker's time for each");
    }
    text += &setting("offers", &offers);
    if let Some(utilisation) = summary.utilisation.filter(|utilisation| *utilisation > 0.0) {
        text += &setting("busy", &format!("{} of the workers", percent(utilisation)));
    }
    text += &setting("accepts", &accepts(scenario));
    text += &setting("plan", &format!("{} (seed {})", plan.hash(), scenario.seed));
    for (index, threshold) in scenario.thresholds.limits.iter().enumerate() {
        text += &setting(if index == 0 { "limits" } else { "" }, &threshold.to_string());
    }
    for warning in warnings(scenario, plan) {
        text += &format!("! {}\n", wrapped(&format!("warning: {warning}"), 2));
    }
    text
}

/// What is valid and can hardly be meant.
fn warnings(scenario: &Scenario, plan: &Plan) -> Vec<String> {
    let utilisation = plan.summary().utilisation.filter(|utilisation| *utilisation > 1.0);
    let overload = utilisation.map(|utilisation| {
        format!(
            "the plan asks for {} of what the workers can do, so the queue grows without end: offer less, or have \
             more workers or shorter delays",
            percent(utilisation)
        )
    });
    overload.into_iter().chain(out_of_reach(scenario, plan, 1)).collect()
}

/// What a peer may send.
fn accepts(scenario: &Scenario) -> String {
    let why = match scenario.sockets.maxmsgsize {
        Some(_) => "",
        None => ", from load.payload as sockets.maxmsgsize is not set",
    };
    let frames = match scenario.proxy.engine {
        Engine::External => String::new(),
        _ => format!(", {MOST_FRAMES} frames a request"),
    };
    format!(
        "at most {} a frame{why}{frames}; a peer whose message has no end is cut off",
        scenario.message_limit()
    )
}

/// The settings of a run, a line for each part.
pub(super) fn settings(scenario: &Scenario) -> String {
    parts(scenario).iter().map(|(name, text)| setting(name, text)).collect()
}

/// The parts of a scenario by name, each in a few words.
pub(super) fn parts(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let workers = if scenario.proxy.engine == Engine::External {
        format!("not ours; expected replies {}", spread(&scenario.workers.replies))
    } else {
        workers(scenario)
    };
    [
        Some(("load", load(scenario))),
        Some(("clients", clients(scenario))),
        Some(("proxy", proxy(scenario))),
        scenario.server.as_ref().map(|own| ("server", server(own))),
        Some(("workers", workers)),
        Some(("phases", phases(scenario))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The settings that a simulation knows: nothing that only carries the work, and no drain, for nothing is given up.
pub(super) fn settings_of_the_plan(scenario: &Scenario) -> String {
    let mut workers = workers(scenario);
    if scenario.proxy.engine == Engine::External {
        workers += " (as the scenario says: the external server may have others)";
    }
    [
        setting("load", &load(scenario)),
        setting("clients", &count(u64::from(scenario.clients.count.0))),
        setting("workers", &workers),
        setting("phases", &format!("{}, {} counted", warmup(scenario), scenario.run.duration)),
    ]
    .concat()
}

fn load(scenario: &Scenario) -> String {
    let load = &scenario.load;
    let model = match load.model {
        Model::Open => {
            let arrivals = match load.arrivals {
                Some(Arrivals::Poisson) => "Poisson",
                Some(Arrivals::Periodic) | None => "periodic",
            };
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
    };
    let timeout =
        load.timeout.map_or_else(String::new, |timeout| format!(", given up after {timeout}"));
    format!("{model}; payload {}{timeout}", spread(&load.payload))
}

fn clients(scenario: &Scenario) -> String {
    let drivers = match scenario.clients.threads {
        Threads::Auto => String::new(),
        Threads::Fixed(threads) => format!(" on {}", counted(u64::from(threads), "driver")),
    };
    format!("{}{drivers}", count(u64::from(scenario.clients.count.0)))
}

fn proxy(scenario: &Scenario) -> String {
    let proxy = &scenario.proxy;
    let engine = match proxy.engine {
        Engine::Poll => "poll",
        Engine::Builtin => "builtin (zmq_proxy)",
        Engine::Batch => "batch",
        Engine::External if scenario.server.is_some() => {
            return format!("your own server's (external), at {}", proxy.frontend);
        }
        Engine::External => return format!("external, at {}", proxy.frontend),
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

/// A server of the user's own.
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

fn phases(scenario: &Scenario) -> String {
    let run = &scenario.run;
    format!("{}, {} measured, at most {} drain", warmup(scenario), run.duration, run.drain)
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
