//! What a run found, as it is handed over to those who judge and save it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostUse, ServerTotals, ServerUse, Shard, Start};
use crate::plan::{Identities, Plan, Share, StagePlan};
use crate::record::{HeatColumn, KeptSecond, Recorded, Recorder, SeriesEntry};
use crate::scenario::Endpoints;
use crate::sum::{counter_fields, merge_fields};

/// What a run found.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The end was asked for before the plan was over.
    pub interrupted: bool,
    /// Why the run failed, if it did.
    pub failure: Option<String>,
    /// The condition of `run.stop_when` that ended the sending, and when, if one did.
    pub stopped: Option<String>,
    /// What the drivers recorded.
    pub recorded: Recorded,
    /// What happened in each second of the window.
    pub series: Vec<SeriesEntry>,
    /// Response times to the first reply over time, for a picture.
    pub heat_map: Vec<HeatColumn>,
    /// Each second as it was, of a part of a run; of others nothing.
    pub seconds: Vec<KeptSecond>,
    /// When the plan started; `None` if it did not come to that.
    pub start: Option<Start>,
    /// Length of the clients' measured window, in nanoseconds: shorter than planned if the run was cut short.
    pub window_ns: u64,
    /// Where the clients connected to.
    pub frontend: Endpoints,
    /// As whom.
    pub identities: Identities,
    /// What the server did within `server_window_ns`; `None` of an external server.
    pub server: Option<ServerTotals>,
    /// What the server did from first to last.
    pub server_in_all: Option<ServerTotals>,
    /// What an external server cost in that window, and how it ended; `None` if the scenario has none.
    pub server_process: Option<ServerUse>,
    /// Time between the two readings that `server` and `drivers` are the difference of, in nanoseconds.
    pub server_window_ns: u64,
    /// What the drivers cost.
    pub drivers: DriverFigures,
    /// Requests that clients sent from first to last.
    pub sent_in_all: u64,
    /// Messages that clients received from first to last.
    pub received_in_all: u64,
    /// What the probe clients saw, which is in nothing else here; `None` without any.
    pub probes: Option<MeasuredByProbes>,
    /// How long the plan ran, drain included, in nanoseconds.
    pub played_ns: u64,
    /// Replies outstanding, at regular instants of the window.
    pub in_flight: Vec<f64>,
    /// Share of the workers that served a request, on average over the window's instants; `None` of an external server.
    pub workers_busy: Option<f64>,
    /// What the machine and the threads did in the window.
    pub host: Option<HostUse>,
    /// CPU time of the whole process within `server_window_ns`, in nanoseconds.
    pub process_cpu_ns: Option<u64>,
    /// Connections that were closed because their peer sent an endless message.
    pub cut_off: u64,
    /// What became of the clients' connections; `None` of libzmq's to a built-in server, or if the kernel did not say.
    pub connections: Option<Connections>,
    /// Why what listens at an external server's endpoint can answer nothing, if it answered nothing and that is known.
    pub objection: Option<String>,
    /// Memory that was resident at the end.
    pub resident_bytes: Option<u64>,
    /// Memory that the kernel took on the whole machine while the clients connected; `None` of few clients, or if it does not say.
    pub kernel_bytes: Option<u64>,
    /// Smallest step of the clock, in nanoseconds.
    pub clock_resolution_ns: Option<u64>,
    /// What is known of each shard, in the order of their indices, of a whole that was merged of them.
    pub shards: Vec<Shard>,
}

/// What probe clients saw and did, apart from all others.
#[derive(Debug, Clone, Default)]
pub struct MeasuredByProbes {
    /// What their driver recorded.
    pub recorded: Recorded,
    /// What it cost, and what it sent and received, within `server_window_ns`.
    pub driver: DriverFigures,
    /// Requests that they sent from first to last.
    pub sent_in_all: u64,
    /// Messages that they received from first to last.
    pub received_in_all: u64,
}

merge_fields! { MeasuredByProbes: recorded, driver, sent_in_all, received_in_all }

/// What became of connections, which ZeroMQ silently makes again when they end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Connections when the plan started.
    pub begun: u64,
    /// Those of them that were not there any more when it was over.
    pub ended: u64,
    /// Those that were made since, and were there.
    pub made: u64,
    /// Of those that ended, as far as zload's own engine made them: closed by the server.
    #[serde(default)]
    pub closed: u64,
    /// Reset, or out of reach.
    #[serde(default)]
    pub reset: u64,
    /// Ended by zload, as a frame came that is longer than `sockets.maxmsgsize`.
    #[serde(default)]
    pub too_long: u64,
    /// Ended by zload, as nothing came within `sockets.heartbeat_timeout`.
    #[serde(default)]
    pub silent: u64,
    /// Requests that were lost with them, warm-up included.
    #[serde(default)]
    pub requests_lost: u64,
    /// How often the kernel did not take what a client of zload's own engine sent: the server did not read.
    #[serde(default)]
    pub window_closed: u64,
    /// The most bytes of one connection that the server's kernel had not taken then.
    #[serde(default)]
    pub most_unsent: u64,
}

merge_fields! {
    Connections: begun, ended, made, closed, reset, too_long, silent, requests_lost, window_closed;
    max most_unsent
}

/// What the drivers cost between two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriverFigures {
    /// CPU time of each driver, in nanoseconds, where the kernel says.
    pub cpu_ns: Vec<Option<u64>>,
    /// Requests they sent.
    pub requests: u64,
    /// Messages they received.
    pub replies: u64,
    /// Bytes of the bodies of both.
    pub bytes: u64,
    /// How often they returned from waiting.
    pub wakes: u64,
}

impl Measured {
    /// Whether the plan was played to its end.
    pub fn is_whole(&self) -> bool {
        !self.interrupted && self.failure.is_none() && self.stopped.is_none()
    }

    /// Requests that all sent from first to last, probes included.
    pub fn sent_by_all(&self) -> u64 {
        self.sent_in_all + self.probes.as_ref().map_or(0, |probes| probes.sent_in_all)
    }

    /// Messages that all received from first to last, probes included.
    pub fn received_by_all(&self) -> u64 {
        self.received_in_all + self.probes.as_ref().map_or(0, |probes| probes.received_in_all)
    }

    /// What a run of this share found that was interrupted before it started: all of it is unsent.
    pub fn nothing(plan: &Plan, share: Share, frontend: &Endpoints, drivers: usize) -> Self {
        let (warmup_ns, until_ns) = (plan.warmup_ns(), plan.countable_until_ns(0));
        let mut recorder = Recorder::new(warmup_ns, plan.send_end_ns(), false).staged(plan);
        let unsent = |from_ns, to_ns| -> u64 {
            let schedules =
                share.clients(plan.clients()).filter_map(|client| plan.schedule(client));
            schedules.map(|schedule| schedule.count_between(from_ns, to_ns)).sum()
        };
        let fixed = plan.fixed_requests().is_some();
        let by_number = fixed && plan.slots_per_client() > 0;
        let numbers = || share.clients(plan.clients()).map(|client| plan.quota(client)).sum();
        let planned = if by_number { numbers() } else { unsent(warmup_ns, until_ns) };
        recorder.unsent(planned, fixed || until_ns == plan.send_end_ns());
        let of_stage = |stage: &StagePlan| unsent(stage.from_ns, stage.to_ns.min(until_ns));
        recorder.unsent_in_stages(plan.stages().iter().map(of_stage));
        Self {
            interrupted: true,
            failure: None,
            stopped: None,
            recorded: recorder.finish(std::iter::empty(), 0).0,
            series: Vec::new(),
            heat_map: Vec::new(),
            seconds: Vec::new(),
            start: None,
            window_ns: 0,
            frontend: frontend.clone(),
            identities: plan.identities(0),
            server: None,
            server_in_all: None,
            server_process: None,
            server_window_ns: 0,
            drivers: DriverFigures { cpu_ns: vec![Some(0); drivers], ..DriverFigures::default() },
            sent_in_all: 0,
            received_in_all: 0,
            probes: plan.of_probes().map(|of_probes| nothing_of(plan, &of_probes)),
            played_ns: 0,
            in_flight: Vec::new(),
            workers_busy: None,
            host: None,
            process_cpu_ns: Some(0),
            cut_off: 0,
            connections: None,
            objection: None,
            resident_bytes: None,
            kernel_bytes: None,
            clock_resolution_ns: None,
            shards: Vec::new(),
        }
    }
}

/// What the probes of a plan found in a run that did not start.
fn nothing_of(plan: &Plan, of_probes: &Plan) -> MeasuredByProbes {
    let mut unsent = Recorder::new(plan.warmup_ns(), of_probes.send_end_ns(), false);
    unsent.unsent(plan.requests_of_probes(), true);
    let recorded = unsent.finish(std::iter::empty(), 0).0;
    MeasuredByProbes { recorded, ..MeasuredByProbes::default() }
}

counter_fields! { DriverFigures: cpu_ns, requests, replies, bytes, wakes }
