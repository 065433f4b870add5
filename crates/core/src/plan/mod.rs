//! What will happen: everything a run does, as a pure function of scenario and seed.
//!
//! Request k of client c leaves at t (open load), has this size, gets n replies, after these delays. Client and worker
//! derive the same plan, so the client knows what to expect. Invariant: never reads a clock, a socket or a
//! generator with state; two plans with the same [`Plan::hash`] offer the same work.

mod change;
mod curve;
mod draw;
mod hash;
mod identities;
mod probes;
mod quota;
mod schedule;
mod share;
mod summary;

use std::sync::Arc;

use crate::quantity::{rounded, saturating};
use crate::scenario::{
    Arrivals, Count, Distribution, MAX_DELAY, MAX_PAYLOAD, MAX_REPLIES, Model, Nanos, Scenario,
};
use change::Change;
pub use change::StagePlan;
pub use draw::{ClientKey, DrawKey, Purpose, Sampler};
use hash::{Forms, Identity, hash_of};
pub use identities::Identities;
use quota::Quota;
pub use schedule::Schedule;
pub use share::{MOST_SHARES, Share};
pub use summary::Summary;

/// Versions of the plan's definition, of open and of closed loads: they enter the hash, and change when the same scenario
/// would offer other work.
const OPEN_VERSION: &str = "zload.plan/1";
const CLOSED_VERSION: &str = "zload.plan/2";

/// The longest automatic timeout of a closed load, whatever the plan lets expect.
const LONGEST_TIMEOUT_NS: u64 = 3_600_000_000_000;

/// A followed request takes longer by this, and so do those behind it: 4.5 % of some 65 µs were measured where all were followed.
const FOLLOWING_NS: f64 = 4_000.0;
/// The response time of an idle system without work.
const IDLE_RESPONSE_NS: f64 = 60_000.0;
/// Following adds at most this share.
const MOST_OVERHEAD: f64 = 0.01;
/// Requests that are followed per second at most.
const FOLLOWED_PER_S: f64 = 4_096.0;

/// Requests of a Poisson schedule that are walked in a fraction of a second.
const MOST_WALKED: f64 = 2e6;

/// Everything that will happen.
#[derive(Debug, Clone)]
pub struct Plan {
    seed: u64,
    clients: u32,
    probes: u32,
    offered: Offered,
    change: Option<Change>,
    /// How many requests end the run, if no time does.
    quota: Option<Quota>,
    warmup_ns: u64,
    send_end_ns: u64,
    drain_ns: u64,
    timeout_ns: Option<u64>,
    payload: Sampler,
    /// Which operation of the mix a request is, from 0; `None` without a mix.
    operation: Option<Sampler>,
    replies: Sampler,
    delay: Sampler,
    summary: Summary,
    follow_one_in: u64,
    identity: Option<Arc<str>>,
    hash: String,
}

/// How requests leave.
#[derive(Debug, Clone)]
pub enum Offered {
    /// On a schedule, whatever comes back.
    Open {
        /// Requests per second over all clients; on average, if it changes.
        rate: f64,
        /// How the instants are spaced.
        arrivals: Arrivals,
    },
    /// When a slot frees.
    Closed {
        /// Requests that each client keeps in flight.
        in_flight: u32,
        /// Wait between the last reply and the next request, in nanoseconds.
        think: Sampler,
        /// When a slot sends its first request, in nanoseconds.
        phase: Sampler,
    },
}

/// What the plan decides about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPlan {
    /// The key of its draws.
    pub key: DrawKey,
    /// Size of its body in bytes.
    pub payload: usize,
    /// Its fan-out.
    pub replies: u32,
}

impl AsRef<Self> for Plan {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Plan {
    /// The plan of a validated scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let clients = scenario.clients.count.0;
        let no_think = Distribution::Constant(Nanos::ZERO);
        let think = scenario.load.think.as_ref().unwrap_or(&no_think);
        let change = Change::of(scenario).filter(|_| scenario.load.model == Model::Open);
        let rates = change.as_ref().map(Change::rates);
        let offered = match scenario.load.model {
            Model::Open => Offered::Open {
                rate: rates.map_or_else(
                    || scenario.open_rate().expect("validation asks an open load for a rate"),
                    |(mean, _)| mean,
                ),
                arrivals: scenario.load.arrivals.unwrap_or(Arrivals::Periodic),
            },
            Model::Closed => Offered::Closed {
                in_flight: scenario.load.in_flight.map_or(1, |count| count.0),
                think: Sampler::new(think, Nanos::ZERO, MAX_DELAY),
                phase: phase_of(scenario),
            },
        };
        let warmup_ns = scenario.run.warmup.0;
        let quota = Quota::of(scenario, &offered);
        let lasts_ns = scenario.duration().unwrap_or(Nanos::ZERO).0;
        let send_end_ns = quota.map_or(warmup_ns + lasts_ns, |quota| quota.end_ns());
        let (version, open, closed) = match &offered {
            Offered::Open { rate, arrivals } => (OPEN_VERSION, Some((*rate, *arrivals)), None),
            Offered::Closed { in_flight, .. } => (CLOSED_VERSION, None, Some((*in_flight, think))),
        };
        let identity = Identity {
            version,
            seed: scenario.seed,
            clients,
            probes: probes::identity(scenario),
            warmup_ns,
            send_end_ns,
            open,
            closed,
            change: change.as_ref().map(Change::identity),
            requests: scenario.load.requests,
            payload: &scenario.load.payload,
            request: scenario.request.as_ref().map(Forms::of),
            replies: &scenario.workers.replies,
            delay: &scenario.workers.delay,
        };
        let hash = hash_of(&identity);
        let summary = Summary::new(scenario, &offered, rates.map(|(_, peak)| peak));
        let timeout_ns = match (scenario.load.timeout, &offered) {
            (Some(timeout), _) => Some(timeout.0),
            (None, Offered::Open { .. }) => None,
            (None, Offered::Closed { .. }) => Some(automatic_timeout_ns(scenario, &summary)),
        };
        Self {
            seed: scenario.seed,
            clients,
            probes: scenario.clients.probes.0,
            offered,
            change,
            quota,
            warmup_ns,
            send_end_ns,
            drain_ns: scenario.run.drain.0,
            timeout_ns,
            payload: Sampler::new(&scenario.load.payload, scenario.least_payload(), MAX_PAYLOAD),
            operation: operation_of(scenario),
            replies: Sampler::new(&scenario.workers.replies, Count(0), MAX_REPLIES),
            delay: Sampler::new(&scenario.workers.delay, Nanos::ZERO, MAX_DELAY),
            summary,
            follow_one_in: follow_one_in(scenario, &summary),
            identity: scenario.clients.identity.as_deref().map(Arc::from),
            hash,
        }
    }

    /// The seed of its draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The key of a client's request.
    #[inline]
    pub fn key(&self, client: u32, request: u64) -> DrawKey {
        DrawKey::new(self.seed, client, request)
    }

    /// What the keys of all of a client's requests are made of.
    pub fn client_key(&self, client: u32) -> ClientKey {
        ClientKey::new(self.seed, client)
    }

    /// What the plan decides about a client's request.
    #[inline]
    pub fn request(&self, client: u32, request: u64) -> RequestPlan {
        self.request_of(self.key(client, request))
    }

    /// What the plan decides about the request with this key.
    #[inline]
    pub fn request_of(&self, key: DrawKey) -> RequestPlan {
        RequestPlan {
            key,
            payload: usize::try_from(self.payload(key)).expect("MAX_PAYLOAD fits"),
            replies: self.replies(key),
        }
    }

    /// The size of the body of the request with this key, in bytes.
    #[inline]
    pub fn payload(&self, key: DrawKey) -> u64 {
        self.payload.draw(key, Purpose::Payload)
    }

    /// Which operation of the mix the request with this key is, from 0.
    #[inline]
    pub fn operation(&self, key: DrawKey) -> u16 {
        let Some(operation) = &self.operation else { return 0 };
        u16::try_from(operation.draw(key, Purpose::Operation)).expect("operations are few")
    }

    /// The fan-out of the request with this key.
    #[inline]
    pub fn replies(&self, key: DrawKey) -> u32 {
        u32::try_from(self.replies.draw(key, Purpose::Replies)).expect("MAX_REPLIES fits")
    }

    /// The delay before the reply with this index, in nanoseconds.
    #[inline]
    pub fn delay_ns(&self, key: DrawKey, reply: u32) -> u64 {
        self.delay.draw(key, Purpose::Delay(reply))
    }

    /// Whether this is a closed load without delays.
    pub fn is_all_throughput(&self) -> bool {
        matches!(self.offered, Offered::Closed { .. }) && self.delay.constant() == Some(0)
    }

    /// Whether every request gets the same fan-out and the same delays.
    #[inline]
    pub fn serves_all_alike(&self) -> bool {
        self.replies.constant().is_some() && self.delay.constant().is_some()
    }

    /// Closed load: how long after this request is over its slot is free for the next one, in nanoseconds.
    #[inline]
    pub fn think_ns(&self, key: DrawKey) -> Option<u64> {
        match &self.offered {
            Offered::Closed { think, .. } => Some(think.draw(key, Purpose::Think)),
            Offered::Open { .. } => None,
        }
    }

    /// Slots of each client of a closed load; none in an open one.
    pub fn slots_per_client(&self) -> u64 {
        match self.offered {
            Offered::Closed { in_flight, .. } => u64::from(in_flight),
            Offered::Open { .. } => 0,
        }
    }

    /// Closed load: when this slot of this client sends its first request; 0 in an open load.
    pub fn slot_begins_ns(&self, client: u32, slot: u32) -> u64 {
        match &self.offered {
            Offered::Closed { phase, .. } => {
                phase.draw(self.key(client, u64::from(slot)), Purpose::Phase)
            }
            Offered::Open { .. } => 0,
        }
    }

    /// The fan-out, if every request has the same.
    pub fn constant_replies(&self) -> Option<u64> {
        self.replies.constant()
    }

    /// One client's instants in an open load.
    pub fn schedule(&self, client: u32) -> Option<Schedule> {
        if let Some(change) = &self.change {
            return Some(change.schedule(self, client));
        }
        match self.offered {
            Offered::Open { rate, arrivals } => {
                let (end_ns, seed) = (self.send_end_ns, self.seed);
                let schedule = Schedule::new(arrivals, rate, self.clients, client, seed, end_ns);
                Some(match self.quota {
                    None => schedule,
                    Some(quota) => quota.cut(schedule, client),
                })
            }
            Offered::Closed { .. } => None,
        }
    }

    /// Up to when the plan's requests can be counted soon after `now_ns`: to its end, unless a Poisson schedule, which
    /// must be walked request by request, still has too many for that.
    pub fn countable_until_ns(&self, now_ns: u64) -> u64 {
        let rest_ns = self.send_end_ns.saturating_sub(now_ns) as f64;
        match self.offered {
            Offered::Open { rate, arrivals: Arrivals::Poisson }
                if rate * rest_ns / 1e9 > MOST_WALKED =>
            {
                now_ns
            }
            _ => self.send_end_ns,
        }
    }

    /// Requests of an open load that a run counts, those intended after the warm-up; `None` of a closed load without a fixed number,
    /// and where counting them would take too long.
    pub fn requests(&self) -> Option<u64> {
        if let Some(requests) = self.fixed_requests() {
            return Some(requests);
        }
        let countable = self.countable_until_ns(0) == self.send_end_ns;
        let schedules = (0..self.clients).map(|client| self.schedule(client));
        let counts = schedules
            .map(|schedule| Some(schedule?.count_between(self.warmup_ns, self.send_end_ns)));
        if countable { counts.sum() } else { None }
    }

    /// The clients' identities in the run with this nonce: no part of the plan, so that two runs of it meet as strangers, unless
    /// the scenario has a form for them.
    pub fn identities(&self, nonce: u64) -> Identities {
        Identities::new(self.seed, nonce).in_form(self.identity.clone())
    }

    /// Number of clients, without probes ([`Self::of_probes`]).
    pub fn clients(&self) -> u32 {
        self.clients
    }

    /// How requests leave.
    #[inline]
    pub fn offered(&self) -> &Offered {
        &self.offered
    }

    /// End of the warm-up; requests intended from here on are counted. From the plan's start, as all instants here.
    pub fn warmup_ns(&self) -> u64 {
        self.warmup_ns
    }

    /// End of the sending.
    pub fn send_end_ns(&self) -> u64 {
        self.send_end_ns
    }

    /// Mean time between two requests of one client of an open load, in nanoseconds; without end for a closed load.
    pub fn mean_gap_ns(&self) -> u64 {
        match self.offered {
            Offered::Open { rate, .. } => rounded(f64::from(self.clients) / rate * 1e9),
            Offered::Closed { .. } => u64::MAX,
        }
    }

    /// The longest wait after the last request for outstanding replies.
    pub fn drain_ns(&self) -> u64 {
        self.drain_ns
    }

    /// How long after it was sent a request is given up, if ever before the end of the drain.
    #[inline]
    pub fn timeout_ns(&self) -> Option<u64> {
        self.timeout_ns
    }

    /// Whether the request with this key is followed through proxy and workers.
    #[inline]
    pub fn follows(&self, key: DrawKey) -> bool {
        key.0 & (self.follow_one_in - 1) == 0
    }

    /// One of this many requests is followed; a power of two. It follows from the scenario, and not from the length of a run.
    pub fn follow_one_in(&self) -> u64 {
        self.follow_one_in
    }

    /// The load in figures.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Hash of everything that decides the offered work, and of nothing else.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// One of how many requests is followed, if the scenario does not say: few enough that following costs them less than 1 % of the
/// shortest time that they can take on average, and no core 1 %.
fn follow_one_in(scenario: &Scenario, summary: &Summary) -> u64 {
    if let Some(one_in) = scenario.run.follow_one_in {
        return u64::from(one_in.0).next_power_of_two();
    }
    if !scenario.follows_requests() {
        // Nothing travels along.
        return 1;
    }
    let share = MOST_OVERHEAD * (IDLE_RESPONSE_NS + summary.work_ns_mean) / FOLLOWING_NS;
    let per_s = summary.most_requests_per_s();
    let mut one_in = 1;
    while one_in < 1 << 20
        && (1.0 / one_in as f64 > share || per_s / one_in as f64 > FOLLOWED_PER_S)
    {
        one_in *= 2;
    }
    one_in
}

/// When the slots of a closed load start: anywhere in one mean cycle of a slot that waits for no worker, so that they do
/// not turn in lockstep, but within the warm-up, so that none is idle when the window starts. How many workers there are
/// is no part of the plan: where slots wait for them it is the workers' turns that are spread, and one request's work is
/// enough for that.
fn phase_of(scenario: &Scenario) -> Sampler {
    let cycle_ns = rounded(scenario.work_ns_mean() + summary::think_ns_mean(scenario));
    let last = Nanos(cycle_ns.min(scenario.run.warmup.0).saturating_sub(1));
    Sampler::new(&Distribution::Uniform([Nanos::ZERO, last]), Nanos::ZERO, last)
}

/// 5 s plus ten times the longest time that a request of a closed load should need when all slots are taken: the
/// work of everything in flight, shared by the workers, or one request's own work.
fn automatic_timeout_ns(scenario: &Scenario, summary: &Summary) -> u64 {
    let in_flight = summary.in_flight.unwrap_or(0) as f64;
    let queue = (in_flight / f64::from(scenario.workers.count.0)).max(1.0);
    saturating(10.0 * queue * summary.work_ns_mean)
        .saturating_add(5_000_000_000)
        .min(LONGEST_TIMEOUT_NS)
}

/// How operations of the mix are drawn: by weight; `None` if there is nothing to draw.
fn operation_of(scenario: &Scenario) -> Option<Sampler> {
    let mix = scenario.request.as_ref().map(|request| &request.mix[..]).unwrap_or_default();
    let choices: Vec<(f64, Count)> =
        (0..).zip(mix).map(|(place, of)| (of.weight(), Count(place))).collect();
    let most = Count(u32::from(u16::MAX));
    (mix.len() > 1).then(|| Sampler::new(&Distribution::Choice(choices), Count(0), most))
}

#[cfg(test)]
mod tests;
