//! Hops: how long each leg of a request took, and which leg accounts for the slow requests. Pure.
//!
//! Made of the sample of traces once a run is over. Invariant: for any set of requests, the shares of the legs add up to 1.

use super::{LatencyHistogram, Leg, Trace};
use crate::plan::Plan;
use crate::quantity::index;

/// A share of the slowest requests is stated only if it has at least this many requests of the sample in it.
const FEWEST: usize = 5;

/// What the traces of the sampled requests say.
#[derive(Debug, Clone)]
pub struct Hops {
    /// Requests of which something is known.
    pub requests: u64,
    /// By leg; `None` where its end is hidden.
    pub legs: [Option<Part>; Leg::COUNT],
    /// The part of the leg to the worker in which it was busy with planned delays of earlier requests.
    pub waiting: Option<Part>,
    /// The rest of that leg.
    pub transport: Option<Part>,
    /// The part of the leg in the worker that the plan asked for.
    pub planned: Option<Part>,
    /// The rest of that leg.
    pub overshoot: Option<Part>,
    /// The part of the leg in the generator in which it slept and was being woken.
    pub waking: Option<Part>,
    /// The rest of that leg.
    pub queued: Option<Part>,
    /// Which leg accounts for the time of all requests, and of the slowest.
    pub owners: Vec<Owners>,
    /// Traces of which some instant is before the one that must have come first; there should be none.
    pub disordered: u64,
}

/// The times of one part of the traces, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Their distribution.
    pub histogram: LatencyHistogram,
    /// In the order of the traces.
    pub times: Vec<u64>,
}

/// Which legs own the time of some requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Owners {
    /// The slowest of this share of all requests: 1 for all of them.
    pub slowest: f64,
    /// How many requests of the sample that are.
    pub requests: u64,
    /// The shortest response time among them, in nanoseconds.
    pub at_least_ns: u64,
    /// The share of each leg in their response times; `None` where its end is hidden.
    pub shares: [Option<f64>; Leg::COUNT],
}

impl Hops {
    /// What those of the `traces` say that `plan` follows; `None` if there are none.
    pub fn of(traces: &[Trace], plan: &Plan) -> Option<Self> {
        let traces: Vec<Trace> =
            traces.iter().copied().filter(|trace| plan.follows(trace.key)).collect();
        if traces.is_empty() {
            return None;
        }
        let leg = |leg: Leg| part(traces.iter().map(|trace| trace.legs()[leg as usize]));
        let to_worker = |trace: &Trace| trace.legs()[Leg::ToWorker as usize];
        let in_worker = |trace: &Trace| trace.legs()[Leg::InWorker as usize];
        let planned_ns = |trace: &Trace| plan.delay_ns(trace.key, 0);
        Some(Self {
            requests: traces.len() as u64,
            legs: Leg::ALL.map(leg),
            waiting: part(traces.iter().map(Trace::waiting_ns)),
            transport: part(
                traces
                    .iter()
                    .map(|trace| Some(to_worker(trace)?.saturating_sub(trace.waiting_ns()?))),
            ),
            planned: part(
                traces.iter().map(|trace| Some(in_worker(trace)?.min(planned_ns(trace)))),
            ),
            overshoot: part(
                traces
                    .iter()
                    .map(|trace| Some(in_worker(trace)?.saturating_sub(planned_ns(trace)))),
            ),
            waking: part(traces.iter().map(Trace::waking_ns)),
            queued: part(traces.iter().map(Trace::queued_ns)),
            owners: owners(&traces),
            disordered: traces.iter().filter(|trace| !trace.is_ordered()).count() as u64,
        })
    }
}

/// Times in nanoseconds; `None` if all of them are absent.
fn part(times: impl Iterator<Item = Option<u64>>) -> Option<Part> {
    let mut all: Option<Part> = None;
    for ns in times.flatten() {
        let part = all.get_or_insert_default();
        part.histogram.record(ns);
        part.times.push(ns);
    }
    all
}

fn owners(traces: &[Trace]) -> Vec<Owners> {
    let mut slowest_first: Vec<&Trace> = traces.iter().collect();
    slowest_first.sort_by_key(|trace| std::cmp::Reverse(trace.response_ns()));
    [1.0, 0.01, 0.001]
        .into_iter()
        .filter_map(|slowest| {
            let count = index((traces.len() as f64 * slowest).round());
            let slow = &slowest_first[..count];
            (slowest >= 1.0 || count >= FEWEST).then(|| Owners::of(slow, slowest))
        })
        .collect()
}

impl Owners {
    fn of(slow: &[&Trace], slowest: f64) -> Self {
        let mut sums = [None::<u64>; Leg::COUNT];
        for trace in slow {
            for (sum, leg_ns) in sums.iter_mut().zip(trace.legs()) {
                if let Some(leg_ns) = leg_ns {
                    *sum = Some(sum.unwrap_or(0) + leg_ns);
                }
            }
        }
        let whole = sums.iter().flatten().sum::<u64>().max(1) as f64;
        Self {
            slowest,
            requests: slow.len() as u64,
            at_least_ns: slow.last().map_or(0, |trace| trace.response_ns()),
            shares: sums.map(|sum| Some(sum? as f64 / whole)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Timestamps;
    use crate::scenario::Scenario;

    fn plan() -> Plan {
        let text = "load = { rate = '1/s' }\nworkers = { delay = '1us' }";
        Plan::new(&Scenario::parse("test.toml", text, &[]).unwrap())
    }

    /// A trace that spends `to_worker_ns` on the leg to the worker, 1,500 ns in it, and 10 ns on each other leg.
    fn trace(to_worker_ns: u64) -> Trace {
        let start = 40 + to_worker_ns;
        Trace {
            intended_ns: 10,
            sent_ns: 20,
            timestamps: Timestamps {
                proxy_in_ns: 30,
                proxy_out_ns: 40,
                worker_free_ns: 50,
                worker_start_ns: start,
                worker_reply_ns: start + 1_500,
                back_in_ns: start + 1_510,
                back_out_ns: start + 1_520,
                worker: 1,
            },
            received_ns: start + 1_530,
            ..Trace::default()
        }
    }

    #[test]
    fn what_was_planned_and_what_came_on_top_are_apart() {
        let hops = Hops::of(&[trace(100)], &plan()).unwrap();
        let only = |part: &Option<Part>| part.as_ref().unwrap().histogram.max();
        assert_eq!(only(&hops.legs[Leg::InWorker as usize]), Some(1_500));
        assert_eq!((only(&hops.planned), only(&hops.overshoot)), (Some(1_000), Some(500)));
        assert_eq!((only(&hops.waiting), only(&hops.transport)), (Some(10), Some(90)));
        assert_eq!(hops.disordered, 0);
    }

    #[test]
    fn the_slowest_requests_belong_to_the_leg_that_made_them_slow() {
        let traces: Vec<Trace> =
            (0..1_000).map(|number| trace(if number < 10 { 1_000_000 } else { 10 })).collect();
        let hops = Hops::of(&traces, &plan()).unwrap();
        let [all, slow] = &hops.owners[..] else { panic!("0.1 % is one request: too few") };
        assert_eq!((slow.requests, slow.at_least_ns), (10, 1_001_560));
        let to_worker = |owners: &Owners| owners.shares[Leg::ToWorker as usize].unwrap();
        assert!(to_worker(slow) > 0.99 && to_worker(all) < 0.9, "{hops:?}");
        for owners in &hops.owners {
            let sum: f64 = owners.shares.iter().flatten().sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
    }

    #[test]
    fn hidden_legs_stay_hidden() {
        let hidden = Trace { timestamps: Timestamps::default(), ..trace(10) };
        let hops = Hops::of(&[hidden], &plan()).unwrap();
        let seen: Vec<bool> = hops.legs.iter().map(Option::is_some).collect();
        assert_eq!(seen, [true, false, false, false, false, false, false, true, false]);
        assert!(hops.waking.is_none() && hops.queued.is_none());
        assert!(hops.waiting.is_none() && hops.overshoot.is_none());
        assert!(Hops::of(&[], &plan()).is_none());
    }
}
