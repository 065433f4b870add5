//! The overhead: measured minus simulated, request by request.
//!
//! Each observed request is compared with the same request of the same plan, so the plan's own luck cancels out, which
//! the difference of two percentiles does not offer. Invariant: memory follows the requests observed, and not the plan.

use super::ideal::Tally;
use super::{Course, Ideal, Limits, NoIdeal, Pool, play};
use crate::plan::Plan;
use crate::record::{LatencyHistogram, rounded};

/// What was measured of one request. Times count from its intended instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Who sent it.
    pub client: u32,
    /// Its number at its client.
    pub request: u64,
    /// Response time to its first reply, in nanoseconds.
    pub first_response_ns: u64,
    /// Response time to its last reply, in nanoseconds, if all came.
    pub last_response_ns: Option<u64>,
}

/// Measured minus ideal response times.
#[derive(Debug, Clone, Default)]
pub struct Excess {
    /// To the first reply.
    pub first_reply: Differences,
    /// To the last reply.
    pub last_reply: Differences,
    /// Observed requests that the simulation does not answer: of another plan, or of a closed load that sent more in the
    /// world than in the simulation.
    pub unmatched: u64,
    /// The simulated response time to the first reply of each observed request, in nanoseconds, in the order in which they
    /// were given; `None` of the unmatched.
    pub ideal_first_ns: Vec<Option<u64>>,
}

/// Differences of response times in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Differences {
    /// Measured minus ideal; 0 where the measured time was the shorter one.
    pub histogram: LatencyHistogram,
    /// The same, in the order in which the simulation serves the requests.
    pub times: Vec<u64>,
    /// The sum of measured minus ideal, with its sign.
    sum_ns: i128,
    /// How many measured times were the shorter ones: where requests queue, another order of arrival makes some of them
    /// faster than in the simulation, at the cost of others.
    pub faster: u64,
}

impl Excess {
    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        self.first_reply.merge(&other.first_reply);
        self.last_reply.merge(&other.last_reply);
        self.unmatched += other.unmatched;
    }
}

impl Differences {
    #[inline]
    fn record(&mut self, measured_ns: u64, ideal_ns: u64) {
        self.faster += u64::from(measured_ns < ideal_ns);
        self.sum_ns += i128::from(measured_ns) - i128::from(ideal_ns);
        let ns = measured_ns.saturating_sub(ideal_ns);
        self.histogram.record(ns);
        self.times.push(ns);
    }

    fn merge(&mut self, other: &Self) {
        self.histogram.merge(&other.histogram);
        self.times.extend(&other.times);
        self.sum_ns += other.sum_ns;
        self.faster += other.faster;
    }

    /// The mean of measured minus ideal, with its sign: the mean measured time minus the mean ideal one.
    pub fn mean_ns(&self) -> Option<i64> {
        let count = i128::from(self.histogram.histogram().len());
        (count > 0).then(|| rounded(self.sum_ns, count))
    }
}

/// Plays the plan once, keeps what a measurement would keep, and compares every observed request, in whatever order they
/// come, with its twin: an excess for each set of observations, as of several runs of the plan. In a closed load, too,
/// the twin of a request is the one with its number at its client, which has the same work.
pub fn ideal_and_excess(
    plan: &Plan,
    pool: Pool,
    limits: Limits<'_>,
    sets: Vec<Vec<Observed>>,
) -> Result<(Ideal, Vec<Excess>), NoIdeal> {
    let mut tally = Tally::new(plan);
    let mut matching = Matching::new(plan, sets);
    play(plan, pool, limits, |served| {
        tally.add(served);
        matching.add(served);
    })?;
    Ok((tally.finish(plan, pool), matching.excess))
}

struct Matching {
    /// By client and request, each with the number of its set and its place there.
    observed: Vec<(Observed, usize, usize)>,
    /// Of each client, the first of `observed` that has not been matched: a client's requests come in order.
    next: Vec<usize>,
    /// Of each set.
    excess: Vec<Excess>,
}

impl Matching {
    fn new(plan: &Plan, sets: Vec<Vec<Observed>>) -> Self {
        let unmatched = |set: &Vec<Observed>| Excess {
            unmatched: set.len() as u64,
            ideal_first_ns: vec![None; set.len()],
            ..Excess::default()
        };
        let excess = sets.iter().map(unmatched).collect();
        let numbered = (0..).zip(sets).flat_map(|(set, all)| {
            all.into_iter().zip(0..).map(move |(one, place)| (one, set, place))
        });
        let mut observed: Vec<(Observed, usize, usize)> = numbered.collect();
        observed
            .sort_unstable_by_key(|(observed, set, _)| (observed.client, observed.request, *set));
        let next = (0..plan.clients())
            .map(|client| observed.partition_point(|(observed, ..)| observed.client < client))
            .collect();
        Self { observed, next, excess }
    }

    #[inline]
    fn add(&mut self, served: &Course<'_>) {
        let next = &mut self.next[served.client as usize];
        while let Some((observed, set, place)) = self.observed.get(*next)
            && (observed.client, observed.request) == (served.client, served.request)
        {
            *next += 1;
            let (Some(first_ns), Some(last_ns)) = (served.first_ns(), served.last_ns()) else {
                continue;
            };
            let Excess { first_reply, last_reply, unmatched, ideal_first_ns } =
                &mut self.excess[*set];
            *unmatched -= 1;
            ideal_first_ns[*place] = Some(first_ns - served.intended_ns);
            first_reply.record(observed.first_response_ns, first_ns - served.intended_ns);
            if let Some(measured_ns) = observed.last_response_ns {
                last_reply.record(measured_ns, last_ns - served.intended_ns);
            }
        }
    }
}
