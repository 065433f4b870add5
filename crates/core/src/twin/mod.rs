//! What could have happened: the same plan with a proxy, a network and a scheduler that cost nothing.
//!
//! A simulation of discrete events: the plan's own requests, instants, fan-outs and delays meet the same number of
//! workers, and the only thing left to wait for is a worker. What a measurement shows beyond it is what the real topology
//! cost. Every request's course is known when it is dispatched, because each queue is first come, first served: no
//! event for its end. Nobody gives up and nothing is lost here.
//! Invariants: never reads a clock or a socket; the same plan and pool give the same course, on every machine. The work
//! is bounded by its own steps and not by a guess of what a run will send.

mod arrivals;
mod dispatch;
mod excess;
mod ideal;
mod other_seeds;
mod stages;

use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use excess::{Differences, Excess, Observed, ideal_and_excess};
pub use ideal::{Ideal, ideal};
pub use other_seeds::{LEAST_SEEDS, MOST_SEEDS, Together, other_seeds};
pub use stages::StageIdeal;

use crate::plan::{Offered, Plan};
use crate::scenario::{Protocol, Scenario};
use arrivals::ArrivalQueue;
use dispatch::Dispatch;

/// Who serves, and who decides which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Workers, each of which serves one request at a time; at least 1.
    pub workers: u32,
    /// How requests are assigned to workers.
    pub policy: Policy,
}

impl Pool {
    /// The workers of a scenario, and how its proxy assigns requests to them.
    pub fn of(scenario: &Scenario) -> Self {
        let policy = match scenario.worker_protocol() {
            Protocol::Dealer | Protocol::Rep => Policy::RoundRobin,
            // Who has been ready for longest is who became free first.
            Protocol::Lru | Protocol::Mdp => Policy::SharedQueue,
        };
        Self { workers: scenario.workers.count.0, policy }
    }
}

/// How far a plan is simulated. A step is a request or a reply, and takes 20 to 40 ns,
/// 100 where times are drawn from a distribution.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// A plan of more steps has no ideal.
    pub most_steps: u64,
    /// Ends the simulation when it becomes true.
    pub stop: &'a AtomicBool,
}

impl Limits<'_> {
    /// As far as it goes.
    pub fn none() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { most_steps: u64::MAX, stop: &NEVER }
    }
}

/// How a request finds its worker. A worker that becomes free at an instant is free for a request of that instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The next worker in turn, busy or not: what a DEALER backend does. Each worker has its own queue.
    RoundRobin,
    /// One queue for all, served by the first worker that is free: what a broker does that knows who is ready. No policy that does not know a request's work
    /// beforehand makes the waits shorter on average (Daley, "Certain optimality properties of the first-come
    /// first-served discipline for G/G/s queues", 1987).
    SharedQueue,
    /// The worker with the fewest requests queued and running; among equals, the first in turn after the one chosen
    /// last.
    LeastLoaded,
    /// The less loaded of two workers that the request's key draws; the one drawn first if they are equal.
    PowerOfTwo,
}

impl Policy {
    /// Every policy, what real backends do first.
    pub const ALL: [Self; 4] =
        [Self::RoundRobin, Self::SharedQueue, Self::LeastLoaded, Self::PowerOfTwo];

    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::SharedQueue => "shared-queue",
            Self::LeastLoaded => "least-loaded",
            Self::PowerOfTwo => "power-of-two",
        }
    }
}

/// The course of one request. Instants are nanoseconds from the plan's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course<'a> {
    /// Who sent it.
    pub client: u32,
    /// Its number at its client.
    pub request: u64,
    /// Who served it, counted from 0.
    pub worker: u32,
    /// When it left its client and reached the pool.
    pub intended_ns: u64,
    /// When its worker took it.
    pub started_ns: u64,
    /// When each of its replies came, in order; empty for a silent request.
    pub replies_ns: &'a [u64],
    /// Closed load: when its slot is free for the next request.
    pub free_ns: Option<u64>,
}

impl Course<'_> {
    /// When the first reply came; `None` for a silent request.
    pub fn first_ns(&self) -> Option<u64> {
        self.replies_ns.first().copied()
    }

    /// When the last reply came; `None` for a silent request.
    pub fn last_ns(&self) -> Option<u64> {
        self.replies_ns.last().copied()
    }

    /// When its worker was free again: with the last reply, or at once.
    pub fn ended_ns(&self) -> u64 {
        self.last_ns().unwrap_or(self.started_ns)
    }
}

/// Why a plan has no ideal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIdeal {
    /// A closed load in which nothing takes time.
    #[error(
        "a closed load without work and think time has no lower bound: with a proxy that costs nothing its rate is infinite; set workers.delay or load.think above 0, or use an open load"
    )]
    InfiniteRate,
    /// A closed load in which next to nothing takes time.
    #[error(
        "this closed load has no lower bound: {requests} requests were sent at one instant ({at_ns} ns), as nearly all are silent or without work, and without think time; set load.think above 0, or give more requests replies and work"
    )]
    StandsStill {
        /// The instant that does not pass.
        at_ns: u64,
        /// Requests that left at it.
        requests: u64,
    },
    /// A closed load that keeps more in flight than fits into memory.
    #[error("{in_flight} requests in flight are too many to simulate (at most {MOST_IN_FLIGHT})")]
    TooManyInFlight {
        /// Requests in flight, over all clients.
        in_flight: u64,
    },
    /// More work than the limits allow.
    #[error(
        "its simulation takes more than {most_steps} steps (one for each request and reply): lower run.duration or load.requests, the rate, clients.count or workers.replies, or raise load.think or workers.delay in a closed load"
    )]
    TooLong {
        /// The limit.
        most_steps: u64,
    },
    /// The end was asked for.
    #[error("its simulation was stopped")]
    Stopped,
}

/// The most slots of a closed load, 16 bytes each.
const MOST_IN_FLIGHT: u64 = 100_000_000;

/// Plays the plan, and shows each request to `each` in the order in which they arrive: by intended instant, and of one
/// instant by client. Requests of the warm-up are shown, too; those of probes are served and not shown. Memory follows the clients, the workers and the requests
/// in flight, and not the length of the run.
pub fn play(
    plan: &Plan,
    pool: Pool,
    limits: Limits<'_>,
    mut each: impl FnMut(&Course<'_>),
) -> Result<(), NoIdeal> {
    let mut steps = Steps::new(plan, limits)?;
    let mut arrivals = ArrivalQueue::new(plan)?;
    let mut dispatch = Dispatch::new(pool);
    let mut replies_ns = Vec::new();
    while let Some(arrival) = arrivals.next()? {
        let key = plan.key(arrival.client, arrival.request);
        let turn = dispatch.assign(key, arrival.intended_ns);
        let mut now_ns = turn.started_ns;
        let replies = plan.replies(key);
        steps.take(1 + u64::from(replies))?;
        replies_ns.clear();
        replies_ns.extend((0..replies).map(|reply| {
            // A queue of hours of work, in a plan of a day, could pass the end of 64 bits.
            now_ns = now_ns.saturating_add(plan.delay_ns(key, reply));
            now_ns
        }));
        dispatch.occupy(turn.worker, now_ns);
        // A client does not learn when a worker takes a silent request: its slot is free at once.
        let over_ns = if replies_ns.is_empty() { arrival.intended_ns } else { now_ns };
        let free_ns = plan.think_ns(key).map(|think_ns| over_ns.saturating_add(think_ns));
        if arrival.client < plan.clients() {
            each(&Course {
                client: arrival.client,
                request: arrival.request,
                worker: turn.worker,
                intended_ns: arrival.intended_ns,
                started_ns: turn.started_ns,
                replies_ns: &replies_ns,
                free_ns,
            });
        }
        arrivals.ended(&arrival, free_ns);
    }
    Ok(())
}

/// The work done so far, and its limits.
struct Steps<'a> {
    limits: Limits<'a>,
    taken: u64,
    /// When the flag is looked at next.
    look_at: u64,
}

impl<'a> Steps<'a> {
    /// Steps between two looks at the flag: well under a millisecond. One request has at most 65,536.
    const BETWEEN_LOOKS: u64 = 4096;

    /// Refuses at once what is known beforehand to be too long.
    fn new(plan: &Plan, limits: Limits<'a>) -> Result<Self, NoIdeal> {
        let least = match plan.offered() {
            Offered::Closed { .. } if plan.fixed_requests().is_some() => {
                plan.fixed_requests().unwrap_or(0) as f64
            }
            Offered::Open { rate, .. } => {
                let requests = rate * plan.send_end_ns() as f64 / 1e9;
                // What a plan draws is near its mean and not the mean.
                requests * (1.0 + plan.summary().replies_mean) * 0.9
            }
            Offered::Closed { in_flight, .. } => f64::from(*in_flight) * f64::from(plan.clients()),
        };
        if least > limits.most_steps as f64 {
            return Err(NoIdeal::TooLong { most_steps: limits.most_steps });
        }
        Ok(Self { limits, taken: 0, look_at: 0 })
    }

    #[inline]
    fn take(&mut self, steps: u64) -> Result<(), NoIdeal> {
        self.taken += steps;
        if self.taken < self.look_at {
            return Ok(());
        }
        self.look_at = self.taken + Self::BETWEEN_LOOKS;
        if self.limits.stop.load(Ordering::Relaxed) {
            return Err(NoIdeal::Stopped);
        }
        if self.taken > self.limits.most_steps {
            return Err(NoIdeal::TooLong { most_steps: self.limits.most_steps });
        }
        Ok(())
    }
}
