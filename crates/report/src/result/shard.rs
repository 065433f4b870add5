//! A shard's file: what one of several processes measured that play a plan together, and nothing that is concluded.
//!
//! `zload merge` adds the shards of a run up as the controller of a run adds up its drivers, and concludes then. Invariants:
//! what is read is what was measured, bit for bit; a file that contradicts itself is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Environment, Ledger};
use zload_core::facts::{Connections, DriverFigures, HostUse, Measured, Start};
use zload_core::plan::{MOST_SHARES, Plan, Share};
use zload_core::record::decoded;
use zload_core::record::{
    Completed, EncodedLatencies, KeptSecond, OperationRecord, PackedTraces, Recorded, SECOND_NS,
    StageRecord, Strangers, Trace, Unheard,
};
use zload_core::scenario::{Endpoints, Scenario};

/// Version of the format that `zload run --shard` writes.
pub const SHARD_SCHEMA: &str = "zload.shard/1";

/// No count or time that is added up over shards is larger, so that no sum of thousands of files is too large to add.
const MOST: f64 = 1e15;
/// No instant of a trace is later, in nanoseconds.
const LATEST_NS: u64 = 1 << 60;
/// No run looks at what is in flight more often.
const MOST_LOOKS: usize = 1 << 16;
/// No process has more drivers.
const MOST_DRIVERS: usize = 1 << 12;

/// What one shard of a run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardResult {
    /// Always [`SHARD_SCHEMA`].
    pub schema: String,
    /// The resolved scenario of the whole run.
    pub scenario: Scenario,
    /// Hash of everything that decides the offered work of the whole run.
    pub plan_hash: String,
    /// Which shard this is.
    pub shard: ShardOf,
    /// The number of the run, in hexadecimal digits: of a run with `--gather`, that of all shards.
    pub run: String,
    /// When the plan started; null if it did not come to that.
    pub start: Option<Start>,
    /// The name of the host.
    pub host: String,
    /// Where and with what it was measured.
    pub environment: Environment,
    /// What was measured.
    pub measured: ShardMeasured,
}

/// Which shard it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardOf {
    /// From 0: it played the clients c with c mod `count` = `index`.
    pub index: u32,
    /// How many shards the run has.
    pub count: u32,
}

/// What a shard measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardMeasured {
    /// The end was asked for before the plan was over.
    pub interrupted: bool,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the server's greeting says against these clients, if nothing was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection: Option<String>,
    /// Where its clients connected to.
    pub frontend: Endpoints,
    /// Length of the measured window: shorter than planned if it was cut short.
    pub window_ns: u64,
    /// When that ended, from the start of the plan.
    pub window_end_ns: u64,
    /// How long the plan ran, drain included.
    pub played_ns: u64,
    /// Where every message of the measured part went.
    pub ledger: Ledger,
    /// Requests sent within the measured window.
    pub window_requests: u64,
    /// Replies received within the measured window.
    pub window_replies: u64,
    /// What the rates are made of: these two counts in an open load, each cycle's share of the window in a closed one.
    pub completed: Completed,
    /// Response time to each request's first reply. As all distributions here, null if it has no values.
    pub first_reply: Option<EncodedLatencies>,
    /// Response time to each request's last reply.
    pub last_reply: Option<EncodedLatencies>,
    /// Response time of every reply.
    pub reply: Option<EncodedLatencies>,
    /// Time from sent to each request's first reply.
    pub service: Option<EncodedLatencies>,
    /// Time from intended to sent.
    pub slip: Option<EncodedLatencies>,
    /// Time between two successive replies to a request.
    pub gap: Option<EncodedLatencies>,
    /// Response time of replies that are errors.
    pub failed: Option<EncodedLatencies>,
    /// The operations of the mix, in the scenario's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationRecord>,
    /// The stages of a load that has such, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageRecord>,
    /// Replies outstanding at the instants at which a load with stages is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_flight_at: Vec<u64>,
    /// Requests that were sent while their client waited for another one.
    pub overlapping: u64,
    /// Requests that left late by more than their client's mean time between requests.
    pub late: u64,
    /// Those of them that ZeroMQ had refused when they were due.
    pub held_back: u64,
    /// Replies outstanding, summed over the time of the whole run: in replies times nanoseconds, in decimal digits.
    pub in_flight_ns: String,
    /// Time from sent until it came or was given up, summed over all expected replies, in decimal digits.
    pub sojourn_ns: String,
    /// The rest of an interrupted plan was too long to be counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rest_uncounted: bool,
    /// The beginnings of the first messages that answer no request, base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<String>,
    /// Clients that sent and got nothing at all.
    pub unheard: Unheard,
    /// The instants of the sampled requests.
    pub traces: PackedTraces,
    /// Each second of the measured window.
    pub seconds: Vec<KeptSecond>,
    /// Replies outstanding, at regular instants of the window.
    pub in_flight: Vec<f64>,
    /// What the drivers cost in the window.
    pub drivers: DriverFigures,
    /// Time between the two readings that `drivers` is the difference of.
    pub server_window_ns: u64,
    /// Requests that its clients sent from first to last.
    pub sent_in_all: u64,
    /// Messages that its clients received from first to last.
    pub received_in_all: u64,
    /// What the machine and the threads did in the window.
    pub host_use: Option<HostUse>,
    /// CPU time of the whole process in the window.
    pub process_cpu_ns: Option<u64>,
    /// Connections that were closed because their peer sent an endless message.
    pub cut_off: u64,
    /// What became of its connections; null if the kernel did not say.
    pub connections: Option<Connections>,
    /// Memory that was resident at the end.
    pub resident_bytes: Option<u64>,
    /// Memory that the kernel took on the whole machine while its clients connected.
    #[serde(default)]
    pub kernel_bytes: Option<u64>,
    /// Smallest step of the clock.
    pub clock_resolution_ns: Option<u64>,
}

impl ShardResult {
    /// What `share` measured in the run with this number, on this host.
    pub fn new(
        (scenario, plan): (&Scenario, &Plan),
        (share, run): (Share, u64),
        (host, environment): (&str, Environment),
        measured: &Measured,
    ) -> Self {
        Self {
            schema: SHARD_SCHEMA.to_owned(),
            scenario: scenario.clone(),
            plan_hash: plan.hash().to_owned(),
            shard: ShardOf { index: share.index(), count: share.count() },
            run: format!("{run:016x}"),
            start: measured.start,
            host: host.to_owned(),
            environment,
            measured: ShardMeasured::of(measured),
        }
    }

    /// Reads the shape of a file; what its texts hold is seen when [`Self::measured`] reads them.
    pub fn read(text: &str) -> Result<Self, String> {
        let shard: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match shard.contradiction() {
            Some(contradiction) => Err(contradiction),
            None => Ok(shard),
        }
    }

    /// Which clients it played.
    pub fn share(&self) -> Share {
        Share::new(self.shard.index, self.shard.count).unwrap_or(Share::WHOLE)
    }

    /// The plan of the whole run; says why if there is none.
    pub fn plan(&self) -> Result<Plan, String> {
        if let Some(error) = self.scenario.error() {
            return Err(format!("its scenario is invalid: {}: {}", error.path, error.message));
        }
        let plan = Plan::new(&self.scenario);
        // The hash is also of files that requests name, which are not here.
        let known = self.scenario.request.as_ref().is_none_or(|of| of.named_files().is_empty());
        if known && plan.hash() != self.plan_hash {
            return Err(format!(
                "its scenario gives the plan {}, and `plan_hash` is {}: another version of zload wrote it, or it was changed",
                plan.hash(),
                self.plan_hash
            ));
        }
        Ok(plan)
    }

    /// Whether everything in it can be read; says what cannot.
    pub(super) fn ensure_readable(&self) -> Result<(), String> {
        self.measured.recorded(&self.plan()?, self.share())?;
        let mut seconds = self.measured.seconds.iter();
        if seconds.all(|second| decoded(second.first_reply.as_ref()).is_some()) {
            Ok(())
        } else {
            Err("`seconds` has what is not a latency distribution".to_owned())
        }
    }

    fn contradiction(&self) -> Option<String> {
        let measured = &self.measured;
        let ShardOf { index, count } = self.shard;
        if count > MOST_SHARES || index >= count {
            return Some(format!("there is no shard {index} of {count}"));
        }
        if u64::from_str_radix(&self.run, 16).is_err() || self.run.len() != 16 {
            return Some("`run` is not a number of 16 hexadecimal digits".to_owned());
        }
        let operations = self.scenario.request.as_ref().map_or(0, |request| request.mix.len());
        // A window that a number of requests ends has no length by plan.
        let seconds =
            self.scenario.duration().map_or(u64::MAX, |lasts| lasts.0.div_ceil(SECOND_NS));
        let lists = [
            ("operations", measured.operations.len(), operations),
            ("in_flight", measured.in_flight.len(), MOST_LOOKS),
            ("drivers.cpu_ns", measured.drivers.cpu_ns.len(), MOST_DRIVERS),
            ("seconds", measured.seconds.len(), usize::try_from(seconds).unwrap_or(usize::MAX)),
        ];
        if let Some((name, length, most)) = lists.iter().find(|(_, length, most)| length > most) {
            return Some(format!("`{name}` has {length} entries; it can have {most}"));
        }
        if !is_countable(&measured.numbers()) {
            return Some("a number is larger than any that is measured, or negative".to_owned());
        }
        if self.scenario.duration().is_some_and(|lasts| measured.window_ns > lasts.0) {
            return Some("`window_ns` is longer than the scenario's `run.duration`".to_owned());
        }
        if measured.seconds.iter().any(|second| second.second >= seconds) {
            return Some("`seconds` has one that is not in the window".to_owned());
        }
        measured.ledger.contradiction()
    }
}

/// Whether each number in this can be added to thousands of its like.
fn is_countable(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_f64().is_some_and(|number| (0.0..=MOST).contains(&number))
        }
        Value::Array(values) => values.iter().all(is_countable),
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| key == "realtime_step_ns" || is_countable(value))
        }
        _ => true,
    }
}

impl ShardMeasured {
    /// All that is added up and is no distribution.
    fn numbers(&self) -> Value {
        let seconds: Vec<[u64; 3]> = self
            .seconds
            .iter()
            .map(|second| [second.requests, second.replies, second.in_flight])
            .collect();
        let operations: Vec<[u64; 4]> =
            self.operations.iter().map(|of| [of.sent, of.answered, of.failed, of.lost]).collect();
        let stages: Vec<[u64; 7]> = self
            .stages
            .iter()
            .map(|of| {
                let StageRecord { sent, answered, silent, lost, unsent, .. } = *of;
                [sent, answered, silent, lost, unsent, of.replies_expected, of.replies_lost]
            })
            .collect();
        json!([
            [self.window_ns, self.window_end_ns, self.played_ns, self.server_window_ns],
            [self.window_requests, self.window_replies, self.sent_in_all, self.received_in_all],
            [self.overlapping, self.late, self.held_back, self.cut_off, self.traces.skipped],
            [self.ledger, self.completed, self.unheard, self.drivers, self.host_use],
            [self.connections, seconds, operations, self.in_flight],
            [stages, self.in_flight_at],
        ])
    }

    /// A field of what was measured that is not named here does not compile.
    fn of(measured: &Measured) -> Self {
        let Measured {
            interrupted,
            failure,
            // Conditions that stop a run are looked at where all of it is seen.
            stopped: _,
            objection,
            recorded,
            // Both are made of the seconds.
            series: _,
            heat_map: _,
            seconds,
            start: _,
            window_ns,
            frontend,
            // They are drawn from the plan and the run.
            identities: _,
            // A shard has its server elsewhere.
            server: _,
            server_in_all: _,
            server_process: _,
            server_window_ns,
            drivers,
            sent_in_all,
            received_in_all,
            // A scenario with probes is not played in shards.
            probes: _,
            played_ns,
            in_flight,
            workers_busy: _,
            host,
            process_cpu_ns,
            cut_off,
            connections,
            resident_bytes,
            kernel_bytes,
            clock_resolution_ns,
            shards: _,
        } = measured;
        let recorded = Self::of_recorded(recorded);
        Self {
            interrupted: *interrupted,
            failure: failure.clone(),
            objection: objection.clone(),
            frontend: frontend.clone(),
            window_ns: *window_ns,
            played_ns: *played_ns,
            seconds: seconds.clone(),
            in_flight: in_flight.clone(),
            drivers: drivers.clone(),
            server_window_ns: *server_window_ns,
            sent_in_all: *sent_in_all,
            received_in_all: *received_in_all,
            host_use: host.clone(),
            process_cpu_ns: *process_cpu_ns,
            cut_off: *cut_off,
            connections: *connections,
            resident_bytes: *resident_bytes,
            kernel_bytes: *kernel_bytes,
            clock_resolution_ns: *clock_resolution_ns,
            ..recorded
        }
    }

    /// What the drivers recorded, and nothing else.
    fn of_recorded(recorded: &Recorded) -> Self {
        let encode = EncodedLatencies::of;
        Self {
            interrupted: false,
            failure: None,
            objection: None,
            frontend: "".into(),
            window_ns: 0,
            window_end_ns: recorded.window_end_ns,
            played_ns: 0,
            ledger: recorded.ledger,
            window_requests: recorded.window_requests,
            window_replies: recorded.window_replies,
            completed: recorded.completed,
            first_reply: encode(&recorded.first_reply),
            last_reply: encode(&recorded.last_reply),
            reply: encode(&recorded.reply),
            service: encode(&recorded.service),
            slip: encode(&recorded.slip),
            gap: encode(&recorded.gap),
            failed: encode(&recorded.failed),
            operations: recorded.operations.clone(),
            stages: recorded.stages.clone(),
            in_flight_at: recorded.in_flight_at.clone(),
            overlapping: recorded.overlapping,
            late: recorded.late,
            held_back: recorded.held_back,
            in_flight_ns: recorded.in_flight_ns.to_string(),
            sojourn_ns: recorded.sojourn_ns.to_string(),
            rest_uncounted: recorded.rest_uncounted,
            strangers: recorded.strangers.frames().map(|frame| STANDARD.encode(frame)).collect(),
            unheard: recorded.unheard.clone(),
            traces: PackedTraces::of(&recorded.traces),
            seconds: Vec::new(),
            in_flight: Vec::new(),
            drivers: DriverFigures::default(),
            server_window_ns: 0,
            sent_in_all: 0,
            received_in_all: 0,
            host_use: None,
            process_cpu_ns: None,
            cut_off: 0,
            connections: None,
            resident_bytes: None,
            kernel_bytes: None,
            clock_resolution_ns: None,
        }
    }

    /// What the drivers recorded, of a shard that played `share` of `plan`; says what contradicts itself.
    pub fn recorded(&self, plan: &Plan, share: Share) -> Result<Recorded, String> {
        let read = |name: &str, of: Option<&EncodedLatencies>| {
            decoded(of)
                .ok_or_else(|| format!("`{name}` is not a latency distribution that zload wrote"))
        };
        let sum = |name: &str, digits: &str| {
            digits.parse::<u128>().map_err(|_| format!("`{name}` is not a sum in decimal digits"))
        };
        let others = |length, planned| length != 0 && length != planned;
        let looks = self.in_flight_at.len();
        if others(self.stages.len(), plan.stages().len()) || others(looks, plan.looks().len()) {
            return Err("`stages` or `in_flight_at` are not those of the plan".to_owned());
        }
        let mut strangers = Strangers::default();
        for frame in &self.strangers {
            let frame = STANDARD.decode(frame).map_err(|_| "`strangers` is not base64")?;
            strangers.add(&frame);
        }
        let traces = self.traces.unpacked(|client, request| plan.key(client, request));
        let is_own = |trace: &Trace| {
            let Trace { client, sent_ns, received_ns, last_received_ns, .. } = *trace;
            client < plan.clients()
                && client % share.count() == share.index()
                && sent_ns.max(received_ns).max(last_received_ns) < LATEST_NS
        };
        let traces = traces
            .filter(|traces| traces.kept().iter().all(is_own))
            .ok_or("`traces` is not a sample of this shard's requests")?;
        Ok(Recorded {
            ledger: self.ledger,
            window_requests: self.window_requests,
            window_replies: self.window_replies,
            completed: self.completed,
            first_reply: read("first_reply", self.first_reply.as_ref())?,
            last_reply: read("last_reply", self.last_reply.as_ref())?,
            reply: read("reply", self.reply.as_ref())?,
            service: read("service", self.service.as_ref())?,
            gap: read("gap", self.gap.as_ref())?,
            failed: read("failed", self.failed.as_ref())?,
            operations: self.operations.clone(),
            stages: self.stages.clone(),
            in_flight_at: self.in_flight_at.clone(),
            overlapping: self.overlapping,
            slip: read("slip", self.slip.as_ref())?,
            traces,
            late: self.late,
            held_back: self.held_back,
            in_flight_ns: sum("in_flight_ns", &self.in_flight_ns)?,
            sojourn_ns: sum("sojourn_ns", &self.sojourn_ns)?,
            rest_uncounted: self.rest_uncounted,
            window_end_ns: self.window_end_ns,
            strangers,
            unheard: self.unheard.clone(),
        })
    }
}
