//! Shards of one run as the whole that they are parts of: added up one by one, as the controller of a run adds up its drivers.
//!
//! Files of different runs, plans or scenarios are refused, by both of their names: what is added up without looking is wrong
//! without a sign of it. A shard that is missing is no reason to refuse, as the verdict says so. Invariants: the order of the
//! files changes nothing; memory is that of a run and a little for each shard.

mod gauge;

use std::collections::BTreeMap;

use crate::compare::differences;
use crate::result::{Environment, RunResult, Sampled, ServeResult, ShardMeasured, ShardResult};
use gauge::Gauges;
use zload_core::facts::{
    Connections, DriverFigures, Measured, ServerTotals, Shard, Start, StartedBy,
};
use zload_core::plan::{Plan, Share};
use zload_core::quantity::{duration, rounded};
use zload_core::record::{Completed, Recorded, Strangers, Unheard, Union};
use zload_core::scenario::{Endpoints, Proxy, Scenario, Threads};

/// The shards so far.
#[derive(Default)]
pub struct Shards {
    run: Option<Run>,
    here: BTreeMap<u32, Here>,
    sum: Sum,
    server: Option<(String, Box<ServeResult>)>,
}

/// What all shards have in common.
struct Run {
    /// The file that said it first.
    file: String,
    plan: Plan,
    plan_hash: String,
    scenario: Scenario,
    count: u32,
    /// The number of the run, if the shards gathered for it.
    number: Option<String>,
    /// The file of the shard that started first and the one that started last.
    first: Option<(u64, String)>,
    last: Option<(u64, String)>,
}

/// A shard that was added.
struct Here {
    file: String,
    shard: Shard,
    environment: Environment,
    frontend: Endpoints,
}

/// What is added up and does not depend on the order.
#[derive(Default)]
struct Sum {
    recorded: Recorded,
    seconds: Union,
    in_flight: Gauges,
    drivers: BTreeMap<u32, DriverFigures>,
    window_ns: u64,
    sent_in_all: u64,
    received_in_all: u64,
    played_ns: u64,
    process_cpu_ns: Option<u64>,
    cut_off: u64,
    connections: Option<Connections>,
    resident_bytes: Option<u64>,
    kernel_bytes: Option<u64>,
    clock_resolution_ns: Option<u64>,
    /// What the server's greeting says against the clients of a shard.
    objection: Option<String>,
}

/// All shards as one run.
pub struct Whole {
    plan: Plan,
    plan_hash: String,
    scenario: Scenario,
    environment: Environment,
    measured: Measured,
}

impl Shards {
    /// Adds the shard of this file; says why if it is none of the same run, or contradicts itself.
    pub fn add(&mut self, file: &str, shard: &ShardResult) -> Result<(), String> {
        let run = match &mut self.run {
            Some(run) => run,
            none => none.insert(Run::of(file, shard)?),
        };
        run.ensure_has(file, shard)?;
        let part = shard.share();
        if let Some(twin) = self.here.get(&part.index()) {
            return Err(format!(
                "{} and {file} are both {part} (on {} and on {}): each shard is played once, so leave one of them out",
                twin.file, twin.shard.host, shard.host
            ));
        }
        run.ensure_same_time(file, shard)?;
        let in_file = |reason: String| format!("{file}: {reason}");
        let recorded = shard.measured.recorded(&run.plan, part).map_err(in_file)?;
        let here = Here {
            file: file.to_owned(),
            shard: facts_of(shard, &recorded),
            environment: shard.environment.clone(),
            frontend: shard.measured.frontend.clone(),
        };
        self.here.insert(part.index(), here);
        self.sum.add(part, &shard.measured, &recorded).map_err(in_file)
    }

    /// Adds what the server counted that all shards used; says why if it is another one's.
    pub fn add_server(&mut self, file: &str, served: ServeResult) -> Result<(), String> {
        if let Some((other, _)) = &self.server {
            return Err(format!("{other} and {file} are both of a server: a run has one"));
        }
        self.server = Some((file.to_owned(), Box::new(served)));
        Ok(())
    }

    /// The whole; says why if there is none.
    pub fn finish(self) -> Result<Whole, String> {
        let Some(run) = self.run else {
            return Err(
                "there is no shard among the files: zload run --shard I/N -o FILE writes one"
                    .to_owned(),
            );
        };
        let mut scenario = run.scenario.clone();
        let lowest = self.here.values().next().expect("a run has the shard that said it");
        scenario.proxy.frontend.clone_from(&lowest.frontend);
        let environment = lowest.environment.clone();
        let mut measured = self.sum.finish(&run.plan, self.here.into_values());
        measured.frontend.clone_from(&scenario.proxy.frontend);
        if let Some((file, served)) = self.server {
            run.ensure_served(&file, &served)?;
            let proxy = served.scenario.proxy.clone();
            scenario.proxy = Proxy { frontend: scenario.proxy.frontend, ..proxy };
            scenario.workers = served.scenario.workers.clone();
            add_served(&mut measured, &served);
        }
        let Run { plan, plan_hash, .. } = run;
        Ok(Whole { plan, plan_hash, scenario, environment, measured })
    }
}

impl Whole {
    /// The result, as that of a run by one process would be, but for its lower bound.
    pub fn result(&self) -> (RunResult, Sampled) {
        let Self { plan, scenario, environment, measured, .. } = self;
        let runs = std::slice::from_ref(measured);
        let (mut result, sampled) = RunResult::new(scenario, &[plan], environment.clone(), runs);
        result.plan_hash.clone_from(&self.plan_hash);
        (result, sampled)
    }

    /// The plan of all of them.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Run {
    fn of(file: &str, shard: &ShardResult) -> Result<Self, String> {
        Ok(Self {
            file: file.to_owned(),
            plan: shard.plan().map_err(|reason| format!("{file}: {reason}"))?,
            plan_hash: shard.plan_hash.clone(),
            scenario: shard.scenario.clone(),
            count: shard.shard.count,
            number: number_of(shard),
            first: None,
            last: None,
        })
    }

    /// Whether this shard is one of this run.
    fn ensure_has(&self, file: &str, shard: &ShardResult) -> Result<(), String> {
        let first = &self.file;
        let differ = |what: &str, here: &str, there: &str| {
            Err(format!(
                "{first} and {file} are not parts of one run: {what} is {here} in the one and {there} in the other"
            ))
        };
        let (here, there) = (shared(&self.scenario), shared(&shard.scenario));
        if here != there {
            let absent = || "not set".to_owned();
            return match differences(&here, &there).into_iter().next() {
                Some(key) => {
                    let [a, b] = [key.a, key.b].map(|value| value.unwrap_or_else(absent));
                    differ(&key.key, &a, &b)
                }
                None => Err(format!(
                    "{first} and {file} are not parts of one run: the scenario's name, thresholds or limits of the verdict differ"
                )),
            };
        }
        if self.count != shard.shard.count {
            let counts = [self.count, shard.shard.count].map(|count| count.to_string());
            return differ("the number of shards", &counts[0], &counts[1]);
        }
        if self.plan_hash != shard.plan_hash {
            return differ("the plan", &self.plan_hash, &shard.plan_hash);
        }
        let number = number_of(shard);
        if shard.start.is_some() && self.number != number {
            let alone = || "none, as nobody gathered for it,".to_owned();
            let [here, there] =
                [self.number.clone(), number].map(|number| number.unwrap_or_else(alone));
            return differ("the number of the run", &here, &there);
        }
        Ok(())
    }

    /// Whether it ran while the others did: files of yesterday have the same names.
    fn ensure_same_time(&mut self, file: &str, shard: &ShardResult) -> Result<(), String> {
        let Some(Start { unix_ns, .. }) = shard.start else { return Ok(()) };
        let longest_ns = self.plan.send_end_ns();
        for (other_ns, other) in [&self.first, &self.last].into_iter().flatten() {
            let apart_ns = other_ns.abs_diff(unix_ns);
            if apart_ns > longest_ns {
                let (early, late) =
                    if unix_ns < *other_ns { (file, &**other) } else { (&**other, file) };
                return Err(format!(
                    "{early} is of a run that began {} earlier than that of {late}, which is longer than the run took: give the files of one run",
                    duration(apart_ns)
                ));
            }
        }
        if self.first.as_ref().is_none_or(|(first_ns, _)| unix_ns < *first_ns) {
            self.first = Some((unix_ns, file.to_owned()));
        }
        if self.last.as_ref().is_none_or(|(last_ns, _)| unix_ns > *last_ns) {
            self.last = Some((unix_ns, file.to_owned()));
        }
        Ok(())
    }

    /// Whether this server served the plan.
    fn ensure_served(&self, file: &str, served: &ServeResult) -> Result<(), String> {
        let scenario = &served.scenario;
        if let Some(error) = scenario.error() {
            return Err(format!(
                "{file}: its scenario is invalid: {}: {}",
                error.path, error.message
            ));
        }
        // The hash is also of files that requests name, which are not here.
        let known =
            scenario.request.as_ref().is_none_or(|request| request.named_files().is_empty());
        let plan = Plan::new(scenario);
        if known && plan.hash() != self.plan_hash {
            return Err(format!(
                "{file} is of a server with the plan {}, and the shards have the plan {}: start both with the same scenario",
                plan.hash(),
                self.plan_hash
            ));
        }
        Ok(())
    }
}

/// A hash of all of a scenario that the shards of a run must have in common: FNV-1a, which is the same everywhere.
pub fn fingerprint(scenario: &Scenario) -> String {
    let text = serde_json::to_string(&shared(scenario)).expect("a scenario is JSON");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The scenario without what may differ between shards.
fn shared(scenario: &Scenario) -> Scenario {
    let mut shared = scenario.clone();
    shared.proxy.frontend = "".into();
    shared.clients.sources.clear();
    shared.clients.threads = Threads::Auto;
    shared
}

fn number_of(shard: &ShardResult) -> Option<String> {
    let gathered = shard.start.is_some_and(|start| start.by == StartedBy::Gather);
    gathered.then(|| shard.run.clone())
}

/// What is kept of a shard beside the sums.
fn facts_of(shard: &ShardResult, recorded: &Recorded) -> Shard {
    let ShardResult { environment, measured, host, start, .. } = shard;
    let Environment { zload, build, libzmq, libzmq_eventfd, .. } = environment;
    let slow_libzmq = *libzmq_eventfd == Some(false);
    let slow = if slow_libzmq { " without eventfd" } else { "" };
    let DriverFigures { requests, replies, bytes, .. } = measured.drivers;
    Shard {
        share: shard.share(),
        host: host.clone(),
        start: *start,
        build: format!("zload {zload} ({build} build) with libzmq {libzmq}{slow}"),
        debug_build: build == "debug",
        slow_libzmq,
        interrupted: measured.interrupted,
        failure: measured.failure.clone(),
        ledger: recorded.ledger,
        window_ns: measured.window_ns,
        completed: recorded.completed,
        traffic: (requests.saturating_add(replies), bytes),
        server_window_ns: measured.server_window_ns,
        first_reply: measured.first_reply.clone(),
        strangers: recorded.strangers.clone(),
        unheard: recorded.unheard.clone(),
        host_use: measured.host_use.clone(),
        clock_resolution_ns: measured.clock_resolution_ns,
    }
}

impl Sum {
    fn add(
        &mut self,
        share: Share,
        measured: &ShardMeasured,
        recorded: &Recorded,
    ) -> Result<(), String> {
        for second in &measured.seconds {
            self.seconds.add(second).ok_or("`seconds` has what is not a latency distribution")?;
        }
        self.in_flight.add(&measured.in_flight);
        let first = self.drivers.is_empty();
        self.drivers.insert(share.index(), measured.drivers.clone());
        self.recorded.merge(recorded);
        self.window_ns = self.window_ns.max(measured.window_ns);
        self.sent_in_all = self.sent_in_all.saturating_add(measured.sent_in_all);
        self.received_in_all = self.received_in_all.saturating_add(measured.received_in_all);
        self.played_ns = self.played_ns.max(measured.played_ns);
        self.cut_off = self.cut_off.saturating_add(measured.cut_off);
        self.resident_bytes = self.resident_bytes.max(measured.resident_bytes);
        self.kernel_bytes = self.kernel_bytes.max(measured.kernel_bytes);
        self.clock_resolution_ns = self.clock_resolution_ns.max(measured.clock_resolution_ns);
        let objections = [self.objection.take(), measured.objection.clone()];
        self.objection = objections.into_iter().flatten().min();
        if first {
            self.process_cpu_ns = measured.process_cpu_ns;
            self.connections = measured.connections;
        } else {
            self.process_cpu_ns = self
                .process_cpu_ns
                .zip(measured.process_cpu_ns)
                .map(|(sum, more)| sum.saturating_add(more));
            self.connections = self.connections.zip(measured.connections).map(|(mut sum, more)| {
                sum.merge(&more);
                sum
            });
        }
        Ok(())
    }

    /// The whole of these shards, in the order of their indices.
    fn finish(self, plan: &Plan, here: impl Iterator<Item = Here>) -> Measured {
        let shards: Vec<Shard> = here.map(|here| here.shard).collect();
        let mut recorded = self.recorded;
        recorded.completed = completed(&shards, self.window_ns);
        (recorded.strangers, recorded.unheard) = (Strangers::default(), Unheard::default());
        for shard in &shards {
            recorded.strangers.merge(&shard.strangers);
            recorded.unheard.merge(&shard.unheard);
        }
        let failure = shards.iter().find_map(|shard| {
            shard.failure.as_ref().map(|failure| format!("{}: {failure}", shard.name()))
        });
        let mut drivers = DriverFigures::default();
        for of in self.drivers.into_values() {
            let all = [drivers.cpu_ns.clone(), of.cpu_ns.clone()].concat();
            drivers.merge(&of);
            drivers.cpu_ns = all;
        }
        let seconds = self.seconds.finish();
        Measured {
            interrupted: shards.iter().any(|shard| shard.interrupted),
            failure,
            stopped: None,
            objection: self.objection,
            recorded,
            series: seconds.series,
            heat_map: seconds.heat_map,
            seconds: Vec::new(),
            start: shards.iter().filter_map(|shard| shard.start).min_by_key(|start| start.unix_ns),
            window_ns: self.window_ns,
            frontend: "".into(),
            identities: plan.identities(0),
            server: None,
            server_in_all: None,
            server_process: None,
            server_window_ns: common_window_ns(&shards),
            drivers,
            sent_in_all: self.sent_in_all,
            received_in_all: self.received_in_all,
            // A scenario with probes is not played in shards.
            probes: None,
            played_ns: self.played_ns,
            in_flight: self.in_flight.finish(),
            workers_busy: None,
            host: None,
            process_cpu_ns: self.process_cpu_ns,
            cut_off: self.cut_off,
            connections: self.connections,
            resident_bytes: self.resident_bytes,
            kernel_bytes: self.kernel_bytes,
            clock_resolution_ns: self.clock_resolution_ns,
            shards,
        }
    }
}

/// What the rates are made of: the rates of the shards, each over its own window, in a window of this length.
fn completed(shards: &[Shard], window_ns: u64) -> Completed {
    let mut all = Completed::default();
    for shard in shards.iter().filter(|shard| shard.window_ns > 0) {
        let share = window_ns as f64 / shard.window_ns as f64;
        all.requests += shard.completed.requests * share;
        all.replies += shard.completed.replies * share;
    }
    all
}

/// The time in which all messages would have passed at the rates of the shards together.
fn common_window_ns(shards: &[Shard]) -> u64 {
    let moved = shards.iter().filter(|shard| shard.server_window_ns > 0 && shard.traffic.0 > 0);
    let (mut messages, mut per_ns) = (0.0, 0.0);
    for shard in moved {
        messages += shard.traffic.0 as f64;
        per_ns += shard.traffic.0 as f64 / shard.server_window_ns as f64;
    }
    let longest_ns = shards.iter().map(|shard| shard.server_window_ns).max().unwrap_or(0);
    if per_ns > 0.0 { rounded(messages / per_ns) } else { longest_ns }
}

/// What the server counted from first to last.
fn add_served(measured: &mut Measured, served: &ServeResult) {
    measured.server_in_all = Some(ServerTotals {
        messages_in: served.proxy.messages_in,
        messages_out: served.proxy.messages_out,
        wakes: served.proxy.wakes,
        proxy_cpu_ns: None,
        bytes: 0,
        requests: served.requests_served,
        replies: served.replies_sent,
        refused: served.requests_refused,
    });
    measured.cut_off = measured.cut_off.saturating_add(served.connections_cut_off);
    if let (None, Some(failure)) = (&measured.failure, &served.failure) {
        measured.failure = Some(format!("the server failed: {failure}"));
    }
}
