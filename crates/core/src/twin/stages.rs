//! The simulation of each stage of a load that changes, and how many replies were in flight when.

use std::sync::Arc;

use super::Course;
use crate::plan::{Plan, StagePlan};
use crate::record::LatencyHistogram;
use crate::sum::Merge;

/// What the simulation shows of the requests that are intended in one stage.
#[derive(Debug, Clone, Default)]
pub struct StageIdeal {
    /// Requests.
    pub requests: u64,
    /// Response time to the first reply.
    pub first_reply: LatencyHistogram,
    /// Response time to the last reply, where that is not the first.
    pub last_reply: LatencyHistogram,
    /// The work of its requests as a share of what the workers can do in it.
    pub utilisation: f64,
}

impl Merge for Vec<StageIdeal> {
    /// Those of another plan, with stages of the same lengths.
    fn merge(&mut self, other: &Self) {
        for (one, more) in self.iter_mut().zip(other) {
            one.requests += more.requests;
            one.first_reply.merge(&more.first_reply);
            one.last_reply.merge(&more.last_reply);
            one.utilisation = f64::midpoint(one.utilisation, more.utilisation);
        }
    }
}

pub(super) struct StageTally {
    /// Where each stage ends, and its figures with the work so far.
    stages: Vec<(u64, StageIdeal, u128)>,
    /// The stage of the request that came last: instants do not decrease.
    current: usize,
    begin_ns: u64,
    looks: Arc<[u64]>,
    /// By how many the number in flight is larger from each look on.
    more: Vec<i64>,
}

impl StageTally {
    pub(super) fn new(plan: &Plan) -> Self {
        let of_stage = |stage: &StagePlan| (stage.to_ns, StageIdeal::default(), 0);
        let looks = plan.looks();
        Self {
            stages: plan.stages().iter().map(of_stage).collect(),
            current: 0,
            begin_ns: plan.warmup_ns(),
            more: vec![0; looks.len() + 1],
            looks,
        }
    }

    #[inline]
    pub(super) fn add(&mut self, served: &Course<'_>) {
        if !self.stages.is_empty() {
            self.add_to_stage(served);
        }
    }

    fn add_to_stage(&mut self, served: &Course<'_>) {
        // What happens at a look comes after it.
        let behind = |at_ns: u64| self.looks.partition_point(|look_ns| *look_ns <= at_ns);
        let from = behind(served.intended_ns);
        for reply_ns in served.replies_ns {
            self.more[from] += 1;
            self.more[behind(*reply_ns)] -= 1;
        }
        if served.intended_ns < self.begin_ns {
            return;
        }
        while self
            .stages
            .get(self.current)
            .is_some_and(|(end_ns, ..)| *end_ns <= served.intended_ns)
        {
            self.current += 1;
        }
        let Some((_, stage, work_ns)) = self.stages.get_mut(self.current) else { return };
        stage.requests += 1;
        *work_ns += u128::from(served.ended_ns() - served.started_ns);
        if let Some(first_ns) = served.first_ns() {
            stage.first_reply.record(first_ns - served.intended_ns);
        }
        if served.replies_ns.len() > 1 {
            stage.last_reply.record(served.ended_ns() - served.intended_ns);
        }
    }

    /// The stages, and the numbers in flight.
    pub(super) fn finish(self, plan: &Plan, workers: u32) -> (Vec<StageIdeal>, Vec<u64>) {
        let of_stage = |((_, stage, work_ns), planned): ((u64, StageIdeal, u128), &StagePlan)| {
            let length_ns = (planned.to_ns - planned.from_ns) as f64;
            StageIdeal { utilisation: work_ns as f64 / (length_ns * f64::from(workers)), ..stage }
        };
        let stages = self.stages.into_iter().zip(plan.stages()).map(of_stage).collect();
        let mut in_flight = 0;
        let at_look = |more: &i64| {
            in_flight += more;
            u64::try_from(in_flight).unwrap_or(0)
        };
        (stages, self.more[..self.looks.len()].iter().map(at_look).collect())
    }
}
