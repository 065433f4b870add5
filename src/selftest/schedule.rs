//! The schedule: what left must be what the plan has, and the recorded instants those that the server witnessed.
//!
//! Server and clients have clocks that start at different instants, so what is compared is always relative to the
//! request for which the difference is least.

use std::collections::BTreeMap;

use super::bench::{Bench, MS, Played, median};
use super::{Found, Kind};
use crate::Error;
use crate::server::planted::{Fault, Witness};
use zload_core::{plan::DrawKey, record::Trace};
use zload_report::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "schedule",
    planted: "500 requests per second at random instants (Poisson); the server records when it receives each, by its own clock",
    make,
};

const RATE: u64 = 500;
const SCENARIO: &str = "load = { rate = '500/s', arrivals = 'poisson' }\nclients = { count = 3 }\n\
                        run = { duration = '3s', drain = '2s' }";

struct Seen {
    planned: u64,
    /// Requests that the server took and the plan has.
    taken: u64,
    /// The most by which the requests sent in a second differed from those planned for it.
    difference: u64,
    /// The recorded median of sent minus intended.
    slip_p50_ns: Option<u64>,
    send_delays: Vec<SendDelay>,
}

/// One request's send delay, by both witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SendDelay {
    /// As recorded: sent minus intended.
    pub(super) slip_ns: u64,
    /// When the server took it minus when the plan wanted it to leave, less the least of all requests.
    pub(super) witnessed_ns: u64,
}

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let (played, witness) = bench.play_against(Fault::None, SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let figures = judge(&Seen::of(&played, &witness), allowance_ns);
    Ok(Found { figures, allowance: Some((allowance_ns, 10 * MS)) })
}

impl Seen {
    fn of(played: &Played, witness: &Witness) -> Self {
        let second = |number: usize| number as u64 * 1_000 * MS;
        let differences = played.measured.series.iter().enumerate().map(|(number, entry)| {
            let planned = played.planned_between(second(number), second(number + 1));
            planned.abs_diff(entry.requests)
        });
        let send_delays = send_delays(&intended(played), &played.traces(), witness);
        Self {
            planned: played.planned(),
            taken: send_delays.len() as u64,
            difference: differences.max().unwrap_or(u64::MAX),
            slip_p50_ns: played.result.latency.slip.p50_ns,
            send_delays,
        }
    }
}

/// When each request is due by the plan.
pub(super) fn intended(played: &Played) -> BTreeMap<DrawKey, u64> {
    let plan = &played.plan;
    (0..plan.clients())
        .filter_map(|client| Some((client, plan.schedule(client)?)))
        .flat_map(|(client, schedule)| {
            schedule.map(move |(request, at_ns)| (plan.key(client, request), at_ns))
        })
        .collect()
}

/// The send delay of each request that the plan has, the clients recorded and the server took, by both witnesses.
pub(super) fn send_delays(
    intended: &BTreeMap<DrawKey, u64>,
    traces: &[Trace],
    witness: &Witness,
) -> Vec<SendDelay> {
    let sent: BTreeMap<DrawKey, u64> =
        traces.iter().map(|trace| (trace.key, trace.sent_ns)).collect();
    let both: Vec<(u64, i128)> = witness
        .taken
        .iter()
        .filter_map(|(key, taken_ns)| {
            let intended_ns = *intended.get(key)?;
            let slip_ns = sent.get(key)?.saturating_sub(intended_ns);
            Some((slip_ns, i128::from(*taken_ns) - i128::from(intended_ns)))
        })
        .collect();
    let least = both.iter().map(|(_, apart)| *apart).min().unwrap_or(0);
    both.into_iter()
        .map(|(slip_ns, apart)| SendDelay {
            slip_ns,
            witnessed_ns: u64::try_from(apart - least).unwrap_or(u64::MAX),
        })
        .collect()
}

/// By how much the witnesses disagree on the send delay of the middle one of these requests.
pub(super) fn disagreement_ns(send_delays: &[SendDelay]) -> Option<u64> {
    median(send_delays.iter().map(|one| one.slip_ns.abs_diff(one.witnessed_ns)).collect())
}

fn judge(seen: &Seen, allowance_ns: u64) -> Vec<Figure> {
    let witnessed_ns = median(seen.send_delays.iter().map(|one| one.witnessed_ns).collect());
    let difference_ns = disagreement_ns(&seen.send_delays);
    // Those that were due so shortly before the end of a second may have left in the next.
    let over_the_edge = 1 + 2 * RATE * allowance_ns / (1_000 * MS);
    vec![
        Figure::exactly("requests received by the server", seen.planned, seen.taken),
        Figure::count("off the plan in any second", 0, over_the_edge, seen.difference),
        Figure::time_to("send delay as recorded, median", allowance_ns, seen.slip_p50_ns),
        Figure::time_to("send delay seen by the server, median", allowance_ns, witnessed_ns),
        Figure::time_to("difference of the two, median", allowance_ns, difference_ns),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(slip_ns: u64, witnessed_ns: u64) -> Seen {
        let send_delays = vec![SendDelay { slip_ns, witnessed_ns }; 9];
        Seen { planned: 9, taken: 9, difference: 0, slip_p50_ns: Some(slip_ns), send_delays }
    }

    #[test]
    fn a_schedule_that_was_not_kept_is_noticed_in_any_report() {
        let hold = |seen: &Seen| crate::selftest::hold(&judge(seen, MS));
        assert!(hold(&seen(0, 100_000)));
        assert!(!hold(&seen(0, 5 * MS)), "late, and not recorded so");
        assert!(!hold(&seen(5 * MS, 5 * MS)), "late, and recorded so");
        assert!(!hold(&seen(5 * MS, 0)), "recorded as late, and it was not");
        assert!(!hold(&Seen { taken: 8, ..seen(0, 0) }));
        assert!(!hold(&Seen { difference: 20, ..seen(0, 0) }));
        assert!(!hold(&Seen { send_delays: Vec::new(), ..seen(0, 0) }));
    }

    #[test]
    fn clocks_that_began_at_different_instants_are_compared_all_the_same() {
        let key = DrawKey;
        let intended = BTreeMap::from([(key(1), 100), (key(2), 200), (key(3), 300)]);
        let trace = |key, sent_ns| Trace { key, sent_ns, ..Trace::default() };
        let traces = [trace(key(1), 100), trace(key(2), 230), trace(key(3), 300)];
        let witness = Witness {
            taken: vec![(key(1), 10), (key(2), 140), (key(9), 150), (key(3), 215)],
            ..Witness::default()
        };
        let both = send_delays(&intended, &traces, &witness);
        let both: Vec<_> = both.iter().map(|one| (one.slip_ns, one.witnessed_ns)).collect();
        assert_eq!(both, [(0, 0), (30, 30), (0, 5)]);
    }
}
