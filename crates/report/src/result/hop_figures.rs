//! Legs in a result: each leg's distribution, and which leg accounts for the slow requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LatencySummary;
use zload_core::record::{Hops, Leg, Owners, Part, Traces};

/// How long each leg took, of a sample of the requests that got a reply. A leg whose end the engine or an external
/// server hides is null, and the next one includes it. With `latency.slip` before them, the legs of a request
/// add up to its response time to the first reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HopFigures {
    /// Requests in the sample.
    pub sampled: u64,
    /// One of this many requests is in the sample, chosen by the plan.
    pub one_in: u64,
    /// One of this many requests had an extra frame through proxy and workers, by which it was traced (`run.follow_one_in`); null if
    /// none did.
    #[serde(default)]
    pub followed_one_in: Option<u64>,
    /// Requests of the sample that were not traced because too many were in flight.
    pub skipped: u64,
    /// Requests of which a timestamp is before one that must come first; more than 0 means a clock that cannot be
    /// trusted.
    pub disordered: u64,
    /// From sent until the proxy received the request.
    pub to_proxy: Option<LatencySummary>,
    /// Until the proxy forwarded it.
    pub in_proxy: Option<LatencySummary>,
    /// Until a worker received it.
    pub to_worker: Option<LatencySummary>,
    /// The part of `to_worker` in which the worker was busy with planned delays of earlier requests.
    pub to_worker_waiting: Option<LatencySummary>,
    /// The rest of `to_worker`.
    pub to_worker_transport: Option<LatencySummary>,
    /// Until the worker sent the first reply.
    pub in_worker: Option<LatencySummary>,
    /// The planned part of `in_worker`.
    pub in_worker_planned: Option<LatencySummary>,
    /// The rest of `in_worker`.
    pub in_worker_overshoot: Option<LatencySummary>,
    /// Until the proxy received the reply.
    pub back_to_proxy: Option<LatencySummary>,
    /// Until the proxy forwarded it.
    pub back_in_proxy: Option<LatencySummary>,
    /// Until it arrived at the client's machine, or, of a reply of which that is not known, until the client received it.
    pub to_client: Option<LatencySummary>,
    /// From its arrival until the client received it: zload's own part. Null unless the kernel says when it arrived, which
    /// takes `clients.engine = "zmtp"` over tcp; the check `generator_lag` says why.
    #[serde(default)]
    pub in_generator: Option<LatencySummary>,
    /// The part of `in_generator` in which the driver slept and was being woken, as any client that has to be woken.
    #[serde(default)]
    pub in_generator_waking: Option<LatencySummary>,
    /// The rest of `in_generator`, in which the driver was busy with other clients, and with reading this reply.
    #[serde(default)]
    pub in_generator_queue: Option<LatencySummary>,
    /// Each leg's share of the time of all requests, of the slowest 1 % and of the slowest 0.1 %.
    pub owners: Vec<OwnerFigures>,
}

/// Each leg's share of the time of some requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerFigures {
    /// The slowest of this share of the sampled requests; 1 for all of them.
    pub slowest: f64,
    /// Their number.
    pub requests: u64,
    /// The shortest response time among them.
    pub at_least_ns: u64,
    /// Each leg's share of their response times; together 1.
    pub shares: BTreeMap<String, f64>,
}

/// Where a part is among the figures.
pub(super) type Place = fn(&HopFigures) -> &Option<LatencySummary>;

impl HopFigures {
    /// The figures of these hops, each part of which is summarised by `summary`, which gets its path.
    pub(super) fn new(
        hops: &Hops,
        (traces, followed_one_in): (&Traces, Option<u64>),
        summary: impl Fn(&Part, Place) -> LatencySummary,
    ) -> Self {
        let of = |part: &Option<Part>, place: Place| Some(summary(part.as_ref()?, place));
        let leg = |leg: Leg, place: Place| of(&hops.legs[leg as usize], place);
        Self {
            sampled: hops.requests,
            one_in: traces.one_in().max(followed_one_in.unwrap_or(1)),
            followed_one_in,
            skipped: traces.skipped(),
            disordered: hops.disordered,
            to_proxy: leg(Leg::ToProxy, |hops| &hops.to_proxy),
            in_proxy: leg(Leg::InProxy, |hops| &hops.in_proxy),
            to_worker: leg(Leg::ToWorker, |hops| &hops.to_worker),
            to_worker_waiting: of(&hops.waiting, |hops| &hops.to_worker_waiting),
            to_worker_transport: of(&hops.transport, |hops| &hops.to_worker_transport),
            in_worker: leg(Leg::InWorker, |hops| &hops.in_worker),
            in_worker_planned: of(&hops.planned, |hops| &hops.in_worker_planned),
            in_worker_overshoot: of(&hops.overshoot, |hops| &hops.in_worker_overshoot),
            back_to_proxy: leg(Leg::BackToProxy, |hops| &hops.back_to_proxy),
            back_in_proxy: leg(Leg::BackInProxy, |hops| &hops.back_in_proxy),
            to_client: leg(Leg::ToClient, |hops| &hops.to_client),
            in_generator: leg(Leg::InGenerator, |hops| &hops.in_generator),
            in_generator_waking: of(&hops.waking, |hops| &hops.in_generator_waking),
            in_generator_queue: of(&hops.queued, |hops| &hops.in_generator_queue),
            owners: hops.owners.iter().map(OwnerFigures::new).collect(),
        }
    }

    /// Whether no leg through the server is measured, as of an external one, which then is in the one that ends at the client.
    pub fn hides_the_server(&self) -> bool {
        let at_the_client = [Leg::ToClient, Leg::InGenerator];
        self.legs()
            .iter()
            .all(|(leg, latencies)| at_the_client.contains(leg) || latencies.is_none())
    }

    /// What a leg is called in reports.
    pub fn name(&self, leg: Leg) -> String {
        if leg == Leg::ToClient && self.hides_the_server() {
            "server and network".to_owned()
        } else {
            leg.name().replace('_', " ")
        }
    }

    /// Each leg's name and distribution, in order.
    pub fn legs(&self) -> [(Leg, Option<&LatencySummary>); Leg::COUNT - 1] {
        [
            (Leg::ToProxy, self.to_proxy.as_ref()),
            (Leg::InProxy, self.in_proxy.as_ref()),
            (Leg::ToWorker, self.to_worker.as_ref()),
            (Leg::InWorker, self.in_worker.as_ref()),
            (Leg::BackToProxy, self.back_to_proxy.as_ref()),
            (Leg::BackInProxy, self.back_in_proxy.as_ref()),
            (Leg::ToClient, self.to_client.as_ref()),
            (Leg::InGenerator, self.in_generator.as_ref()),
        ]
    }
}

impl OwnerFigures {
    fn new(owners: &Owners) -> Self {
        let shares = Leg::ALL.into_iter().zip(owners.shares);
        Self {
            slowest: owners.slowest,
            requests: owners.requests,
            at_least_ns: owners.at_least_ns,
            shares: shares
                .filter_map(|(leg, share)| Some((leg.name().to_owned(), share?)))
                .collect(),
        }
    }
}
