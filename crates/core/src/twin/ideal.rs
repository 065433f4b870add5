//! The figures of the simulation: what a run of the plan would show if proxy, network and scheduler cost nothing.
//!
//! Invariant: of constant size, however long the plan.

use super::stages::{StageIdeal, StageTally};
use super::{Course, Limits, NoIdeal, Pool, play};
use crate::plan::{Offered, Plan};
use crate::record::{Completed, Cycles, LatencyHistogram};

/// What the simulation of a plan shows. As in a measurement, requests intended before the end of the warm-up are
/// served and not counted, and rates cover the window from there to the end of the sending.
#[derive(Debug, Clone)]
pub struct Ideal {
    /// The work of its simulation, warm-up included: each request and each reply is a step.
    pub steps: u64,
    /// Requests.
    pub requests: u64,
    /// Requests with a fan-out of 0.
    pub silent: u64,
    /// Replies, up to the last expected one.
    pub replies: u64,
    /// Response time to a request's first reply, from its intended instant, as all three.
    pub first_reply: LatencyHistogram,
    /// Response time to a request's last reply.
    pub last_reply: LatencyHistogram,
    /// Response time of every reply.
    pub reply: LatencyHistogram,
    /// Length of the window; of a plan of a fixed number of requests, up to their last reply.
    pub window_ns: u64,
    /// What the rates are made of: in an open load the requests, and the replies that came in the window, also those to
    /// requests of the warm-up; in a closed one each cycle's share of the window, as in a measurement.
    pub completed: Completed,
    /// The work of the window's requests as a share of what the workers can do in the window.
    pub utilisation: f64,
    /// Whether the window offers more work than the workers can do: the queue grows as long as the plan, and so do the
    /// response times, which then say nothing about a plan of another length.
    pub queue_grows: bool,
    /// The stages of a load that has such, in order.
    pub stages: Vec<StageIdeal>,
    /// Replies in flight at the plan's looks ([`crate::plan::Plan::looks`]).
    pub in_flight_at: Vec<u64>,
}

impl Ideal {
    /// Adds that of another plan, after this one.
    pub fn merge(&mut self, other: &Self) {
        use crate::sum::Merge as _;
        let (this_ns, other_ns) = (self.window_ns as f64, other.window_ns as f64);
        let busy_ns = self.utilisation * this_ns + other.utilisation * other_ns;
        self.utilisation = busy_ns / (this_ns + other_ns);
        self.steps += other.steps;
        self.requests += other.requests;
        self.silent += other.silent;
        self.replies += other.replies;
        self.first_reply.merge(&other.first_reply);
        self.last_reply.merge(&other.last_reply);
        self.reply.merge(&other.reply);
        self.window_ns += other.window_ns;
        self.completed.merge(&other.completed);
        self.queue_grows |= other.queue_grows;
        self.stages.merge(&other.stages);
        self.in_flight_at.merge(&other.in_flight_at);
    }
}

/// Plays the plan and keeps what a measurement would keep.
pub fn ideal(plan: &Plan, pool: Pool, limits: Limits<'_>) -> Result<Ideal, NoIdeal> {
    let mut tally = Tally::new(plan);
    play(plan, pool, limits, |served| tally.add(served))?;
    Ok(tally.finish(plan, pool))
}

pub(super) struct Tally {
    warmup_ns: u64,
    send_end_ns: u64,
    /// When the last reply of the window's requests came, or the last silent one was sent.
    last_ns: u64,
    /// Whether every request has one reply, so that one histogram stands for all three.
    single_reply: bool,
    steps: u64,
    requests: u64,
    silent: u64,
    replies: u64,
    window_replies: u64,
    cycles: Cycles,
    busy_ns: u128,
    first_reply: LatencyHistogram,
    last_reply: LatencyHistogram,
    reply: LatencyHistogram,
    stages: StageTally,
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            warmup_ns: plan.warmup_ns(),
            send_end_ns: plan.send_end_ns(),
            last_ns: plan.warmup_ns(),
            single_reply: plan.constant_replies() == Some(1),
            steps: 0,
            requests: 0,
            silent: 0,
            replies: 0,
            window_replies: 0,
            cycles: Cycles::new(plan.warmup_ns()..plan.send_end_ns(), plan.slots_per_client()),
            busy_ns: 0,
            first_reply: LatencyHistogram::new(),
            last_reply: LatencyHistogram::new(),
            reply: LatencyHistogram::new(),
            stages: StageTally::new(plan),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, served: &Course<'_>) {
        self.steps += 1 + served.replies_ns.len() as u64;
        let in_window = |ns: &&u64| (self.warmup_ns..self.send_end_ns).contains(*ns);
        self.window_replies += served.replies_ns.iter().filter(in_window).count() as u64;
        if let Some(free_ns) = served.free_ns {
            let replies = u32::try_from(served.replies_ns.len()).unwrap_or(u32::MAX);
            self.cycles.ended(served.intended_ns..free_ns, served.request, replies, free_ns);
        }
        self.stages.add(served);
        if served.intended_ns < self.warmup_ns {
            return;
        }
        self.requests += 1;
        self.last_ns = self.last_ns.max(served.last_ns().unwrap_or(served.intended_ns));
        self.busy_ns += u128::from(served.ended_ns() - served.started_ns);
        let response_ns = |at_ns: u64| at_ns - served.intended_ns;
        match served.replies_ns {
            [] => self.silent += 1,
            [only_ns] if self.single_reply => {
                self.replies += 1;
                self.reply.record(response_ns(*only_ns));
            }
            [first_ns, ..] => {
                self.replies += served.replies_ns.len() as u64;
                self.first_reply.record(response_ns(*first_ns));
                self.last_reply.record(response_ns(served.ended_ns()));
                for at_ns in served.replies_ns {
                    self.reply.record(response_ns(*at_ns));
                }
            }
        }
    }

    pub(super) fn finish(self, plan: &Plan, pool: Pool) -> Ideal {
        let fixed = plan.fixed_requests().is_some();
        let end_ns = if fixed { self.last_ns } else { self.send_end_ns };
        let window_ns = end_ns - self.warmup_ns;
        // What an open load offers, it does not offer until its last reply.
        let offered_ns = plan.offered_ns().unwrap_or(window_ns).max(1);
        let utilisation = self.busy_ns as f64 / (f64::from(pool.workers) * offered_ns as f64);
        let completed = match plan.offered() {
            _ if fixed => {
                Completed { requests: self.requests as f64, replies: self.replies as f64 }
            }
            Offered::Open { .. } => {
                Completed { requests: self.requests as f64, replies: self.window_replies as f64 }
            }
            Offered::Closed { .. } => {
                let slots = plan.slots_per_client() * u64::from(plan.clients());
                let counted = (self.requests, self.replies);
                self.cycles.finish(counted, slots, std::iter::empty(), self.send_end_ns)
            }
        };
        let (first_reply, last_reply) = if self.single_reply {
            (self.reply.clone(), self.reply.clone())
        } else {
            (self.first_reply, self.last_reply)
        };
        let (stages, in_flight_at) = self.stages.finish(plan, pool.workers);
        Ideal {
            stages,
            in_flight_at,
            steps: self.steps,
            requests: self.requests,
            silent: self.silent,
            replies: self.replies,
            first_reply,
            last_reply,
            reply: self.reply,
            window_ns,
            completed,
            utilisation,
            // A closed load waits for its replies, so its queue is never longer than its slots.
            queue_grows: utilisation > 1.0 && matches!(plan.offered(), Offered::Open { .. }),
        }
    }
}
