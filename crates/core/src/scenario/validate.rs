//! What a well-formed scenario can still not mean. Pure.

use super::distribution::Quantity;
use super::messages::MAX_PAYLOAD;
use super::schema::MOST_ENDPOINTS;
use super::value_error::{
    Checked, MAX_PHASE, MAX_RATE, ValueError, refuse, refuse_with_help, within,
};
use super::{
    Bytes, Count, Distribution, LARGEST_SEED, Limits, Load, Model, Nanos, Scenario, Sockets,
    Stages, Threads,
};
use super::{client_engine, known, length, messages, probes, request, server, sources, workers};

/// The largest fan-out of one request.
pub const MAX_REPLIES: Count = Count(65_535);
/// The longest delay or think time; what is drawn beyond it is cut off.
pub const MAX_DELAY: Nanos = Nanos::from_secs(3600);

const MAX_CLIENTS: u32 = 1_000_000;
const MAX_WORKERS: u32 = 100_000;
const MAX_DRIVERS: u32 = 256;
const MAX_IO_THREADS: u32 = 64;
const MAX_IN_FLIGHT: u32 = 1_000_000;
/// Longest name of a scenario, in characters.
pub const LONGEST_NAME: usize = 100;

/// The first invalid value of `scenario`.
pub(super) fn error(scenario: &Scenario) -> Option<ValueError> {
    let check = || -> Checked {
        names(scenario)?;
        phases(scenario)?;
        load(scenario)?;
        counts(scenario)?;
        length::error(scenario)?;
        identity(scenario)?;
        endpoints(scenario)?;
        server::error(scenario)?;
        request::error(scenario)?;
        known::error(scenario)?;
        work(scenario)?;
        probes::error(scenario)?;
        workers::error(scenario)?;
        sockets(&scenario.sockets)?;
        messages::error(scenario)?;
        affinity(scenario)?;
        client_engine::error(scenario)?;
        scenario.sweep.error()?;
        limits(&scenario.verdict)
    };
    check().err()
}

fn names(scenario: &Scenario) -> Checked {
    for (path, text) in [("name", &scenario.name), ("description", &scenario.description)] {
        if text.chars().any(char::is_control) {
            return refuse(path, "must be one line without control characters");
        }
    }
    if scenario.name.chars().count() > LONGEST_NAME {
        return refuse("name", format!("must have at most {LONGEST_NAME} characters"));
    }
    if scenario.seed > LARGEST_SEED {
        return refuse("seed", format!("must be at most {LARGEST_SEED}"));
    }
    Ok(())
}

fn phases(scenario: &Scenario) -> Checked {
    within("run.warmup", scenario.run.warmup, Nanos::ZERO, MAX_PHASE)?;
    if let Some(duration) = scenario.run.duration {
        within("run.duration", duration, Nanos(1), MAX_PHASE)?;
        if let Some(stages) = scenario.load.stages.as_ref().map(Stages::length)
            && duration > stages.max(Nanos(1))
        {
            let message = format!("is longer than the stages, which take {stages}");
            let help = "leave it out: it is then their sum; less plays their beginning";
            return refuse_with_help("run.duration", message, help);
        }
    }
    if let Some(one_in) = scenario.run.follow_one_in {
        within("run.follow_one_in", one_in, Count(1), Count(1 << 20))?;
    }
    within("run.drain", scenario.run.drain, Nanos::ZERO, MAX_PHASE)?;
    within("clients.connect_timeout", scenario.clients.connect_timeout, Nanos(1), MAX_PHASE)
}

fn load(scenario: &Scenario) -> Checked {
    let load = &scenario.load;
    match load.model {
        Model::Open => open_load(load, scenario.clients.count)?,
        Model::Closed => closed_load(load)?,
    }
    if let Some(timeout) = load.timeout {
        within("load.timeout", timeout, Nanos(1), MAX_PHASE)?;
    }
    distribution("load.payload", &load.payload, scenario.least_payload(), MAX_PAYLOAD)?;
    if load.model == Model::Closed && scenario.workers.replies.greatest() == Some(Count(0)) {
        return refuse(
            "workers.replies",
            "a closed load needs replies: without them no slot is ever free again",
        );
    }
    Ok(())
}

/// A load of stages or of recorded instants, which has no rate besides.
fn changing_load(load: &Load) -> Checked {
    let given = [
        ("load.rate", load.rate.is_some()),
        ("load.rate_per_client", load.rate_per_client.is_some()),
        ("load.replay", load.replay.is_some()),
        ("load.arrivals", load.arrivals.is_some()),
    ];
    let (other, at_most) = match &load.stages {
        Some(stages) => {
            stages.error()?;
            ("load.stages", 3)
        }
        None => ("load.replay", 2),
    };
    if let Some((path, _)) = given.iter().take(at_most).find(|(_, given)| *given) {
        let message =
            format!("conflicts with {other}: an open load has one of rate, stages and replay");
        return refuse(path, message);
    }
    match &load.replay {
        Some(_) if load.arrivals.is_some() => {
            let why = "has no effect: a replay's requests are spaced as they were recorded";
            refuse("load.arrivals", why)
        }
        Some(replay) => replay.error(),
        None => Ok(()),
    }
}

fn open_load(load: &Load, clients: Count) -> Checked {
    let foreign =
        [("load.in_flight", load.in_flight.is_some()), ("load.think", load.think.is_some())];
    no_effect(
        &foreign,
        "in an open load requests are sent on a schedule",
        "set model = \"closed\" to use it",
    )?;
    if load.changes() { changing_load(load) } else { constant_load(load, clients) }
}

fn constant_load(load: &Load, clients: Count) -> Checked {
    let rate = match (load.rate, load.rate_per_client) {
        (Some(_), Some(_)) => {
            return refuse(
                "load.rate",
                "conflicts with load.rate_per_client: an open load needs exactly one of them",
            );
        }
        (None, None) => {
            return refuse_with_help(
                "load",
                "an open load needs a rate",
                "add rate = \"100/s\" (over all clients), rate_per_client = \"1/s\" or stages = \"5s@100/s\", or set model = \"closed\"",
            );
        }
        (Some(rate), None) => ("load.rate", rate.per_second()),
        (None, Some(rate)) => ("load.rate_per_client", rate.per_second() * f64::from(clients.0)),
    };
    let (path, per_second) = rate;
    if per_second <= 0.0 {
        return refuse(path, "must be above 0");
    }
    if per_second > MAX_RATE {
        return refuse(
            path,
            format!("is {per_second}/s over all clients; the maximum is {MAX_RATE}/s"),
        );
    }
    Ok(())
}

fn closed_load(load: &Load) -> Checked {
    let foreign = [
        ("load.rate", load.rate.is_some()),
        ("load.rate_per_client", load.rate_per_client.is_some()),
        ("load.arrivals", load.arrivals.is_some()),
        ("load.stages", load.stages.is_some()),
        ("load.replay", load.replay.is_some()),
    ];
    no_effect(
        &foreign,
        "in a closed load requests are sent when a slot is free",
        "set model = \"open\" to use it",
    )?;
    within("load.in_flight", load.in_flight.unwrap_or(Count(1)).0, 1, MAX_IN_FLIGHT)?;
    load.think
        .as_ref()
        .map_or(Ok(()), |think| distribution("load.think", think, Nanos::ZERO, MAX_DELAY))
}

fn no_effect(foreign: &[(&'static str, bool)], why: &str, help: &str) -> Checked {
    match foreign.iter().find(|(_, given)| *given) {
        Some((path, _)) => refuse_with_help(path, format!("has no effect: {why}"), help),
        None => Ok(()),
    }
}

fn counts(scenario: &Scenario) -> Checked {
    within("clients.count", scenario.clients.count.0, 1, MAX_CLIENTS)?;
    if let Threads::Fixed(threads) = scenario.clients.threads {
        within("clients.threads", threads, 1, MAX_DRIVERS)?;
        if threads > scenario.clients.count.0 {
            let clients = scenario.clients.count;
            return refuse(
                "clients.threads",
                format!("is {threads}, more than the {clients} clients to run"),
            );
        }
    }
    within("workers.count", scenario.workers.count.0, 1, MAX_WORKERS)?;
    within("proxy.io_threads", scenario.proxy.io_threads.0, 1, MAX_IO_THREADS)
}

fn endpoints(scenario: &Scenario) -> Checked {
    const FRONTEND: &str = "proxy.frontend";
    let frontends = scenario.proxy.frontend.all();
    if !(1..=MOST_ENDPOINTS).contains(&frontends.len()) {
        let message = format!("has {} endpoints: use 1 to {MOST_ENDPOINTS}", frontends.len());
        return refuse(FRONTEND, message);
    }
    for frontend in frontends {
        endpoint(FRONTEND, frontend)?;
    }
    endpoint("proxy.backend", &scenario.proxy.backend)?;
    if let Some(connect) = &scenario.workers.connect {
        endpoint("workers.connect", connect)?;
    }
    let backend = &scenario.proxy.backend;
    if frontends.contains(backend) && !backend.ends_with(":*") {
        return refuse("proxy.backend", "must differ from proxy.frontend");
    }
    if frontends.iter().any(|frontend| frontend.starts_with("inproc:")) {
        return refuse(
            FRONTEND,
            "cannot be inproc: clients and server have separate contexts, as separate processes would",
        );
    }
    sources::error(scenario)?;
    if scenario.has_proxy() {
        return Ok(());
    }
    if scenario.server.is_some() && frontends.len() > 1 {
        let help = "name one endpoint, or start the servers yourself and leave [server] out";
        return refuse_with_help(FRONTEND, "is a list, and [server] starts one server", help);
    }
    frontends.iter().try_for_each(|frontend| reachable(scenario, frontend))
}

/// Clients of an external server have only the endpoint that is written down, and of their own server its port in addition.
fn reachable(scenario: &Scenario, frontend: &str) -> Checked {
    const PATH: &str = "proxy.frontend";
    if frontend.ends_with(":*") && scenario.server.is_none() {
        let help = "name the port of the external server";
        return refuse_with_help(PATH, "a client cannot connect to port *", help);
    }
    if frontend.starts_with("tcp://*:") || frontend == "ipc://*" {
        let message = format!("a client cannot connect to {frontend}");
        return refuse_with_help(PATH, message, "name an address, such as 127.0.0.1, or a path");
    }
    Ok(())
}

fn endpoint(path: &'static str, endpoint: &str) -> Checked {
    const FORMS: &str = "endpoints look like tcp://127.0.0.1:5570 (port * is any free one), ipc:///tmp/name or \
                         inproc://name (backend only)";
    let malformed = |why: &str| {
        refuse_with_help(path, format!("\"{endpoint}\" is not an endpoint: {why}"), FORMS)
    };
    if endpoint.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return malformed("it contains spaces");
    }
    let Some((transport, address)) = endpoint.split_once("://") else {
        return malformed("it has no ://");
    };
    match transport {
        "tcp" => {
            let Some((host, port)) = address.rsplit_once(':') else {
                return malformed("it has no port");
            };
            if host.is_empty() {
                return malformed("it has no host");
            }
            if host.parse::<std::net::Ipv6Addr>().is_ok() {
                return malformed("an IPv6 address needs brackets, as in tcp://[::1]:5570");
            }
            let digits = port.chars().all(|c| c.is_ascii_digit());
            if port != "*" && !(digits && port.parse::<u16>().is_ok_and(|port| port > 0)) {
                return malformed("the port must be 1 to 65535, or *");
            }
            Ok(())
        }
        // The kernel's limit for the path of a Unix socket, with its closing zero.
        "ipc" if address.is_empty() || address.len() > 107 => {
            malformed("its path must have 1 to 107 bytes")
        }
        "inproc" if address.is_empty() || address.len() > 255 => {
            malformed("its name must have 1 to 255 bytes")
        }
        "ipc" | "inproc" => Ok(()),
        _ => malformed("the transports are tcp, ipc and inproc"),
    }
}

fn work(scenario: &Scenario) -> Checked {
    distribution("workers.replies", &scenario.workers.replies, Count(0), MAX_REPLIES)?;
    distribution("workers.delay", &scenario.workers.delay, Nanos::ZERO, MAX_DELAY)
}

/// Checks parameters and, where they bound what is drawn, the bounds.
fn distribution<T: Quantity + std::fmt::Display>(
    path: &'static str,
    distribution: &Distribution<T>,
    least: T,
    greatest: T,
) -> Checked {
    let positive = |name: &str, value: T| {
        if value.to_f64() > 0.0 { Ok(()) } else { refuse(path, format!("{name} must be above 0")) }
    };
    match distribution {
        Distribution::Uniform([low, high]) if low > high => {
            return refuse(
                path,
                format!("uniform needs the lower bound first, not {low} to {high}"),
            );
        }
        Distribution::Constant(_) | Distribution::Uniform(_) | Distribution::Normal { .. } => {}
        Distribution::Exponential(mean) => positive("the mean", *mean)?,
        Distribution::Lognormal { median, p99 } => {
            positive("the median", *median)?;
            if p99 <= median {
                return refuse(path, format!("p99 ({p99}) must be above the median ({median})"));
            }
        }
        Distribution::Pareto { min, shape } => {
            positive("min", *min)?;
            if !(shape.is_finite() && *shape > 0.0) {
                return refuse(path, format!("shape must be above 0, not {shape}"));
            }
        }
        Distribution::Choice(choices) => {
            let weights = choices.iter().map(|(weight, _)| *weight);
            let sum: f64 = weights.clone().sum();
            if weights.clone().any(|weight| weight < 0.0) || !(sum.is_finite() && sum > 0.0) {
                return refuse(
                    path,
                    "choice needs pairs of weight and value, with weights of at least 0 that do not add up to 0",
                );
            }
        }
    }
    if let Some(value) = distribution.least().filter(|value| *value < least) {
        return refuse(path, format!("{value} is below the minimum, {least}{}", because(path)));
    }
    if let Some(value) = distribution.greatest().filter(|value| *value > greatest) {
        return refuse(path, format!("{value} is above the maximum, {greatest}"));
    }
    Ok(())
}

fn because(path: &str) -> &'static str {
    if path == "load.payload" {
        ": the body contains the header that identifies its replies (see request.match)"
    } else {
        ""
    }
}

fn sockets(sockets: &Sockets) -> Checked {
    for (path, value, least) in [
        ("sockets.sndhwm", sockets.sndhwm, 0),
        ("sockets.rcvhwm", sockets.rcvhwm, 0),
        ("sockets.backlog", sockets.backlog, 1),
        ("sockets.tos", sockets.tos, 0),
    ] {
        if value.is_some_and(|value| value < least) {
            return refuse(path, format!("must be at least {least}"));
        }
    }
    for (path, value) in [
        ("sockets.handshake_ivl", sockets.handshake_ivl),
        ("sockets.heartbeat_ivl", sockets.heartbeat_ivl),
        ("sockets.heartbeat_timeout", sockets.heartbeat_timeout),
        ("sockets.reconnect_ivl", sockets.reconnect_ivl),
        ("sockets.reconnect_ivl_max", sockets.reconnect_ivl_max),
    ] {
        if value.is_some_and(|value| !value.0.is_multiple_of(1_000_000) || value > MAX_PHASE) {
            return refuse(path, format!("must be whole milliseconds, at most {MAX_PHASE}"));
        }
    }
    for (path, value) in [
        ("sockets.rcvbuf", sockets.rcvbuf),
        ("sockets.sndbuf", sockets.sndbuf),
        ("sockets.maxmsgsize", sockets.maxmsgsize),
    ] {
        if value.is_some_and(|value| i32::try_from(value.0).is_err()) {
            return refuse(path, format!("must be below {}", Bytes(1 << 31)));
        }
    }
    if sockets.tos.is_some_and(|tos| tos > 255) {
        return refuse("sockets.tos", "must be at most 255");
    }
    Ok(())
}

/// Each client needs an identity of its own.
fn identity(scenario: &Scenario) -> Checked {
    const PATH: &str = "clients.identity";
    let Some(form) = &scenario.clients.identity else { return Ok(()) };
    if !form.contains("{client}") {
        let help = "as in \"worker-{client}\"";
        return refuse_with_help(PATH, "needs {client}: a ROUTER knows each identity once", help);
    }
    // ZeroMQ's limit of 255, less the digits of the client's number.
    if form.len() > 245 || form.contains('\0') {
        return refuse(PATH, "must have at most 245 bytes, none of them zero");
    }
    Ok(())
}

/// A socket needs one I/O thread that may serve it.
fn affinity(scenario: &Scenario) -> Checked {
    let threads = scenario.proxy.io_threads.0;
    match scenario.sockets.affinity {
        Some(mask) if mask != 0 && mask.trailing_zeros() >= threads => refuse_with_help(
            "sockets.affinity",
            format!("selects no I/O thread: there are {threads} (proxy.io_threads)"),
            "its lowest bit is the first I/O thread; 0 means all",
        ),
        _ => Ok(()),
    }
}

fn limits(limits: &Limits) -> Checked {
    for (path, share) in limits.shares() {
        within(path, share, 0.0, 1.0)?;
        if share.is_nan() {
            return refuse(path, "must be from 0 to 1");
        }
    }
    if let Some(max_slip) = limits.max_slip {
        within("verdict.max_slip", max_slip, Nanos::ZERO, MAX_PHASE)?;
    }
    within("verdict.min_window", limits.min_window, Nanos::ZERO, MAX_PHASE)
}
