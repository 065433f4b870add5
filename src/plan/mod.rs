//! What will happen: everything a run does, as a pure function of scenario and seed.
//!
//! Request k of client c leaves at t (open load), has this size, gets n replies, after these delays. Client and worker
//! derive the same plan, so the client knows what it is owed. Invariant: never reads a clock, a socket or a
//! generator with state; two plans with the same [`Plan::hash`] offer the same work.

pub mod draw;
mod identities;
pub mod schedule;
mod summary;

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::scenario::{
    Arrivals, Count, Distribution, Engine, MAX_DELAY, MAX_PAYLOAD, MAX_REPLIES, MIN_PAYLOAD, Model,
    Nanos, Scenario,
};
pub use draw::{ClientKey, DrawKey, Purpose, Sampler};
pub use identities::Identities;
pub use schedule::Schedule;
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
    offered: Offered,
    warmup_ns: u64,
    send_end_ns: u64,
    drain_ns: u64,
    timeout_ns: Option<u64>,
    payload: Sampler,
    replies: Sampler,
    delay: Sampler,
    summary: Summary,
    follow_one_in: u64,
    hash: String,
}

/// How requests leave.
#[derive(Debug, Clone)]
pub enum Offered {
    /// On a schedule, whatever comes back.
    Open {
        /// Requests per second over all clients.
        rate: f64,
        /// How the instants are spaced.
        arrivals: Arrivals,
    },
    /// When a slot frees.
    Closed {
        /// Requests that each client keeps in the air.
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

/// All that decides the offered work, in the order in which it is hashed. Not among it: what carries the work
/// (threads, engine, sockets, workers' number) and how long replies are waited for.
#[derive(Serialize)]
struct Identity<'a> {
    version: &'a str,
    seed: u64,
    clients: u32,
    warmup_ns: u64,
    send_end_ns: u64,
    open: Option<(f64, Arrivals)>,
    closed: Option<(u32, &'a Distribution<Nanos>)>,
    payload: &'a Distribution<crate::scenario::Bytes>,
    replies: &'a Distribution<Count>,
    delay: &'a Distribution<Nanos>,
}

impl Plan {
    /// The plan of a validated scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let clients = scenario.clients.count.0;
        let no_think = Distribution::Constant(Nanos::ZERO);
        let think = scenario.load.think.as_ref().unwrap_or(&no_think);
        let offered = match scenario.load.model {
            Model::Open => Offered::Open {
                rate: open_rate(scenario),
                arrivals: scenario.load.arrivals.unwrap_or(Arrivals::Periodic),
            },
            Model::Closed => Offered::Closed {
                in_flight: scenario.load.in_flight.map_or(1, |count| count.0),
                think: Sampler::new(think, Nanos::ZERO, MAX_DELAY),
                phase: phase_of(scenario),
            },
        };
        let warmup_ns = scenario.run.warmup.0;
        let send_end_ns = warmup_ns + scenario.run.duration.0;
        let identity = Identity {
            version: match &offered {
                Offered::Open { .. } => OPEN_VERSION,
                Offered::Closed { .. } => CLOSED_VERSION,
            },
            seed: scenario.seed,
            clients,
            warmup_ns,
            send_end_ns,
            open: match &offered {
                Offered::Open { rate, arrivals } => Some((*rate, *arrivals)),
                Offered::Closed { .. } => None,
            },
            closed: match &offered {
                Offered::Closed { in_flight, .. } => Some((*in_flight, think)),
                Offered::Open { .. } => None,
            },
            payload: &scenario.load.payload,
            replies: &scenario.workers.replies,
            delay: &scenario.workers.delay,
        };
        let hash = hash_of(&identity);
        let summary = Summary::new(scenario, &offered);
        let timeout_ns = match (scenario.load.timeout, &offered) {
            (Some(timeout), _) => Some(timeout.0),
            (None, Offered::Open { .. }) => None,
            (None, Offered::Closed { .. }) => Some(automatic_timeout_ns(scenario, &summary)),
        };
        Self {
            seed: scenario.seed,
            clients,
            offered,
            warmup_ns,
            send_end_ns,
            drain_ns: scenario.run.drain.0,
            timeout_ns,
            payload: Sampler::new(&scenario.load.payload, MIN_PAYLOAD, MAX_PAYLOAD),
            replies: Sampler::new(&scenario.workers.replies, Count(0), MAX_REPLIES),
            delay: Sampler::new(&scenario.workers.delay, Nanos::ZERO, MAX_DELAY),
            summary,
            follow_one_in: follow_one_in(scenario, &summary),
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
        match self.offered {
            Offered::Open { rate, arrivals } => Some(Schedule::new(
                arrivals,
                rate,
                self.clients,
                client,
                self.seed,
                self.send_end_ns,
            )),
            Offered::Closed { .. } => None,
        }
    }

    /// Up to when the plan's requests can be counted soon after `now_ns`: to its end, unless a Poisson schedule, which
    /// must be walked request by request, still has so many that the walk would take too long.
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

    /// Requests of an open load that a run counts, those intended after the warm-up; `None` of a closed load, and where
    /// counting them would take too long.
    pub fn requests(&self) -> Option<u64> {
        let countable = self.countable_until_ns(0) == self.send_end_ns;
        let schedules = (0..self.clients).map(|client| self.schedule(client));
        let counts = schedules
            .map(|schedule| Some(schedule?.count_between(self.warmup_ns, self.send_end_ns)));
        if countable { counts.sum() } else { None }
    }

    /// The clients' identities in the run with this nonce: no part of the plan, so that two runs of it meet as strangers.
    pub fn identities(&self, nonce: u64) -> Identities {
        Identities::new(self.seed, nonce)
    }

    /// Number of clients.
    pub fn clients(&self) -> u32 {
        self.clients
    }

    /// How requests leave.
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
            Offered::Open { rate, .. } => schedule::nanos(f64::from(self.clients) / rate * 1e9),
            Offered::Closed { .. } => u64::MAX,
        }
    }

    /// The longest wait after the last request for replies still owed.
    pub fn drain_ns(&self) -> u64 {
        self.drain_ns
    }

    /// How long after it was sent a request is given up, if ever before the end of the drain.
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

    /// Hash of all that decides the offered work, and of nothing else.
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
    if scenario.proxy.engine == Engine::External {
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

/// Requests per second of an open load over all clients.
fn open_rate(scenario: &Scenario) -> f64 {
    match (scenario.load.rate, scenario.load.rate_per_client) {
        (Some(rate), _) => rate.per_second(),
        (None, Some(rate)) => rate.per_second() * f64::from(scenario.clients.count.0),
        (None, None) => unreachable!("validation asks an open load for one of the two"),
    }
}

/// When the slots of a closed load begin: anywhere in one mean cycle of a slot that waits for no worker, so that they do
/// not turn in lockstep, but within the warm-up, so that none is idle when the window begins. How many workers there are
/// is no part of the plan: where slots wait for them it is the workers' turns that are spread, and one request's work is
/// enough for that.
fn phase_of(scenario: &Scenario) -> Sampler {
    let cycle_ns =
        schedule::nanos(summary::work_ns_mean(scenario) + summary::think_ns_mean(scenario));
    let last = Nanos(cycle_ns.min(scenario.run.warmup.0).saturating_sub(1));
    Sampler::new(&Distribution::Uniform([Nanos::ZERO, last]), Nanos::ZERO, last)
}

/// 5 s plus ten times the longest time that a request of a closed load should need when all slots are taken: the
/// work of everything in the air, shared by the workers, or one request's own work.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, then is capped"
)]
fn automatic_timeout_ns(scenario: &Scenario, summary: &Summary) -> u64 {
    let in_flight = summary.in_flight.unwrap_or(0) as f64;
    let queue = (in_flight / f64::from(scenario.workers.count.0)).max(1.0);
    ((10.0 * queue * summary.work_ns_mean) as u64)
        .saturating_add(5_000_000_000)
        .min(LONGEST_TIMEOUT_NS)
}

/// The first 16 hexadecimal digits of the SHA-256 of the identity's JSON.
fn hash_of(identity: &Identity<'_>) -> String {
    let json = serde_json::to_vec(identity).expect("plain data serializes");
    Sha256::digest(&json).iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse("test.toml", text, &[]).unwrap()
    }

    const EXAMPLE: &str = r#"
        seed = 5570
        load = { rate_per_client = "1/s" }
        workers = { replies = { uniform = [0, 4] }, delay = { uniform = ["1ms", "1s"] } }
    "#;

    #[test]
    fn the_hash_covers_what_decides_the_offered_work_and_nothing_else() {
        let base = Plan::new(&scenario(EXAMPLE));
        let with = |key: &str, value: &str| {
            let overrides = [crate::scenario::load::Override::new(key, value)];
            Plan::new(&Scenario::parse("test.toml", EXAMPLE, &overrides).unwrap()).hash().to_owned()
        };
        let same = [
            ("name", "other"),
            ("clients.threads", "2"),
            ("proxy.engine", "batch"),
            ("workers.count", "9"),
            ("sockets.sndhwm", "7"),
            ("run.drain", "9s"),
            ("load.rate", "3/s"),
            ("workers.delay_by", "spin"),
            ("clients.connect_timeout", "1s"),
            ("proxy.io_threads", "2"),
            ("proxy.frontend", "ipc:///x"),
        ];
        for (key, value) in same {
            assert_eq!(with(key, value), base.hash(), "{key} = {value} must not change the plan");
        }
        let others = [
            ("seed", "5571"),
            ("clients.count", "4"),
            ("load.rate_per_client", "2/s"),
            ("run.duration", "6s"),
            ("run.warmup", "1s"),
            ("load.payload", "65B"),
            ("workers.replies", "2"),
            ("workers.delay", "1ms"),
            ("load.arrivals", "poisson"),
            ("load.model", "closed"),
        ];
        for (key, value) in others {
            assert_ne!(with(key, value), base.hash(), "{key} = {value} must change the plan");
        }
        assert_eq!(base.hash().len(), 16);
    }

    const CLOSED: &str = "load = { model = 'closed', in_flight = 50, think = '5ms' }\nclients = { count = 4 }\n\
                          run = { warmup = '2s' }\nworkers = { replies = 2, delay = '10ms' }";

    #[test]
    fn the_slots_of_a_closed_load_begin_anywhere_in_one_cycle_of_the_warm_up() {
        let begins = |text: &str| -> Vec<u64> {
            let plan = Plan::new(&scenario(text));
            (0..200).map(|slot| plan.slot_begins_ns(slot / 50, slot % 50)).collect()
        };
        let spread = begins(CLOSED);
        assert!(spread.iter().all(|ns| *ns < 25_000_000), "{spread:?}");
        let before = |limit_ns| spread.iter().filter(|ns| **ns < limit_ns).count();
        assert!((80..120).contains(&before(12_500_000)) && (10..32).contains(&before(2_500_000)));
        let short = begins(&CLOSED.replace("'2s'", "'3ms'"));
        assert!(short.iter().all(|ns| *ns < 3_000_000) && short.iter().any(|ns| *ns > 2_000_000));
        let none =
            [CLOSED.replace("'2s'", "'0s'"), "load.model = 'closed'\nrun.warmup = '1s'".to_owned()];
        assert!(none.iter().all(|text| begins(text).iter().all(|ns| *ns == 0)));
        let of_any_workers = CLOSED.replace("delay", "count = 2, delay");
        assert_eq!(begins(&of_any_workers), spread, "they carry the work and do not decide it");
    }

    // Hashes of what offers the same work as ever may never change.
    #[test]
    fn open_loads_have_the_hashes_that_they_always_had() {
        assert_eq!(Plan::new(&scenario(EXAMPLE)).hash(), "32dc7eb0bc2ae8a8");
        assert_eq!(Plan::new(&scenario(CLOSED)).hash(), "5921c4659bfc2c9d", "since version 2");
    }

    #[test]
    fn the_same_seed_is_the_same_plan() {
        let [one, two] = [(); 2].map(|()| Plan::new(&scenario(EXAMPLE)));
        assert_eq!(one.hash(), two.hash());
        assert_eq!(one.identities(9), two.identities(9));
        for client in 0..3 {
            for request in 0..50 {
                assert_eq!(one.request(client, request), two.request(client, request));
                let key = one.key(client, request);
                assert_eq!(one.delay_ns(key, 3), two.delay_ns(key, 3));
                assert!(one.request(client, request).replies <= 4);
                assert!((1_000_000..=1_000_000_000).contains(&one.delay_ns(key, 0)));
            }
        }
    }

    #[test]
    fn the_summary_says_when_workers_cannot_keep_up() {
        let summary = Plan::new(&scenario(EXAMPLE)).summary();
        // 3 requests a second, 2 replies each, 500.5 ms before each, 5 workers.
        assert!((summary.utilisation.unwrap() - 3.0 * 2.0 * 0.5005 / 5.0).abs() < 1e-9);
        assert_eq!(summary.requests, Some(15.0));
    }

    #[test]
    fn requests_are_counted_as_a_run_counts_them() {
        for (load, expected) in [
            ("load.rate = '0.1/s'\nrun.duration = '1s'", 1),
            ("load.rate = '1/m'\nrun.duration = '2h'", 120),
            ("load.rate = '1/h'\nrun.duration = '2h'", 2),
            ("load.rate = '2.5/s'\nrun.duration = '1s'", 3),
            ("load.rate = '333/s'\nrun.duration = '500ms'\nclients.count = 7", 167),
            ("load.rate = '10/s'\nrun.duration = '1s'\nclients.count = 1000", 10),
            ("load.rate = '2/s'\nrun.duration = '2s'\nrun.warmup = '250ms'", 4),
        ] {
            let plan = Plan::new(&scenario(load));
            let walked = (0..plan.clients()).filter_map(|client| plan.schedule(client)).flatten();
            let counted = walked.filter(|(_, at_ns)| *at_ns >= plan.warmup_ns()).count() as u64;
            assert_eq!((plan.requests(), counted), (Some(expected), expected), "{load}");
        }
        let poisson = Plan::new(&scenario("load = { rate = '300/s', arrivals = 'poisson' }"));
        assert!(poisson.requests() > Some(1_000));
        let many = "load = { rate = '1M/s', arrivals = 'poisson' }\nrun.duration = '1h'";
        assert_eq!(Plan::new(&scenario(many)).requests(), None);
        assert_eq!(Plan::new(&scenario("load.model = 'closed'")).requests(), None);
    }

    #[test]
    fn an_automatic_timeout_leaves_room_for_the_queue() {
        let closed = scenario(
            "load = { model = 'closed', in_flight = 10 }\nclients = { count = 4 }\n\
             workers = { count = 2, delay = '100ms' }",
        );
        // 40 in the air, 2 workers: a request may wait for 20 others of 100 ms each.
        assert_eq!(Plan::new(&closed).timeout_ns(), Some(5_000_000_000 + 10 * 20 * 100_000_000));
    }
}
