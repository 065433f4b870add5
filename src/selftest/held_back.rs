//! A known send delay: a server that takes nothing for a while, and a ZeroMQ that may hold next to nothing, make requests leave
//! late. Their send delay must be recorded, must be in the response time, and the server must agree on it.

use super::bench::{Bench, MS, Played, above};
use super::schedule::{SendDelay, disagreement_ns, intended, send_delays};
use super::{Found, Kind};
use crate::Error;
use crate::server::planted::{Fault, Witness};
use zload_report::result::Figure;

pub(super) const KIND: Kind = Kind {
    name: "known send delay",
    planted: "a server that reads nothing for 400 ms, while ZeroMQ and the kernel can queue a few of the 100 requests per second: the others are sent late, as soon as it reads again",
    make,
};

const STALL_NS: u64 = 400 * MS;
const GAP_NS: u64 = 10 * MS;
const REQUESTS: u64 = 150;
/// Requests that the pipes, encoder, decoder and the kernel's buffers may hold: one each, and as many again for sure.
const MOST_HELD: u64 = 10;
/// Large enough that the buffers hold hardly one, which is what makes requests wait at the client.
const SCENARIO: &str = "load = { rate = '100/s', payload = '256KiB' }\nclients = { count = 1 }\n\
                        run = { duration = '1500ms', drain = '3s' }\n\
                        sockets = { sndhwm = 1, rcvhwm = 0, sndbuf = '64KiB', rcvbuf = '64KiB' }";

#[derive(Debug, Clone)]
struct Seen {
    stalled_ns: u64,
    answered: u64,
    /// Requests with a response time above half the stall.
    slow: u64,
    /// Requests with a recorded send delay above half the stall, and the longest.
    late: u64,
    latest_ns: Option<u64>,
    send_delays: Vec<SendDelay>,
}

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let fault = Fault::Stall { after: REQUESTS / 3, for_ns: STALL_NS };
    let (played, witness) = bench.play_against(fault, SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let figures = judge(&Seen::of(&played, &witness), allowance_ns);
    Ok(Found { figures, allowance: Some((allowance_ns, STALL_NS / 8)) })
}

impl Seen {
    fn of(played: &Played, witness: &Witness) -> Self {
        let recorded = &played.measured.recorded;
        Self {
            stalled_ns: witness.stalled_ns,
            answered: recorded.ledger.requests_answered,
            slow: above(&recorded.first_reply, witness.stalled_ns / 2),
            late: above(&recorded.slip, witness.stalled_ns / 2),
            latest_ns: played.result.latency.slip.max_ns,
            send_delays: send_delays(&intended(played), &played.traces(), witness),
        }
    }
}

fn judge(seen: &Seen, allowance_ns: u64) -> Vec<Figure> {
    // Large messages take their time, one after the other.
    let tolerance_ns = seen.stalled_ns / 10 + allowance_ns;
    let most_ns = seen.stalled_ns + tolerance_ns;
    let least_ns = seen.stalled_ns.saturating_sub(MOST_HELD * GAP_NS + tolerance_ns);
    let (half, margin) = (seen.stalled_ns / 2 / GAP_NS, 1 + tolerance_ns / GAP_NS);
    // A request due in the first half of the stall waits for more than the other half.
    let few = half.saturating_sub(margin);
    let fewest = few.saturating_sub(MOST_HELD);
    let held_back = seen.send_delays.iter().copied().filter(|one| one.witnessed_ns > tolerance_ns);
    let difference_ns = disagreement_ns(&held_back.collect::<Vec<_>>());
    vec![
        Figure::exactly("requests answered", REQUESTS, seen.answered),
        Figure::time_from("stall by the server's clock", STALL_NS, Some(seen.stalled_ns)),
        Figure::count("slower than half the stall", few, half + margin, seen.slow),
        Figure::count("sent late by more than half of it", fewest, half + margin, seen.late),
        Figure::time("send delay, maximum", least_ns, most_ns, seen.latest_ns),
        Figure::time_to("difference from the server's record", tolerance_ns, difference_ns),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stall in which the first three requests found room, and the later ones were recorded with `record` of their
    /// send delay.
    fn seen(record: impl Fn(u64) -> u64) -> Seen {
        let waited = |number: u64| STALL_NS.saturating_sub((number - 1) * GAP_NS);
        let send_delays: Vec<SendDelay> = (1..=REQUESTS)
            .map(|number| {
                let late_ns = if number > 3 { waited(number) } else { 0 };
                SendDelay { slip_ns: record(late_ns), witnessed_ns: waited(number) }
            })
            .collect();
        let slips = send_delays.iter().map(|one| one.slip_ns);
        Seen {
            stalled_ns: STALL_NS,
            answered: REQUESTS,
            slow: 20,
            late: slips.clone().filter(|ns| *ns > STALL_NS / 2).count() as u64,
            latest_ns: slips.max(),
            send_delays,
        }
    }

    #[test]
    fn a_send_delay_that_is_not_recorded_is_noticed() {
        let hold = |seen: &Seen| crate::selftest::hold(&judge(seen, MS));
        let truth = seen(|late_ns| late_ns);
        assert!(hold(&truth));
        assert!(!hold(&seen(|_| 0)), "none of it is recorded");
        assert!(!hold(&seen(|late_ns| late_ns / 2)), "half of it is recorded");
        assert!(!hold(&seen(|late_ns| late_ns + 100 * MS)), "what was in time is recorded as late");
        assert!(!hold(&Seen { slow: 3, ..truth.clone() }), "the send delay does not count");
        assert!(!hold(&Seen { slow: 40, ..truth.clone() }), "it counts twice");
        assert!(!hold(&Seen { latest_ns: None, ..truth.clone() }));
        assert!(!hold(&Seen { answered: REQUESTS - 1, ..truth.clone() }));
        assert!(!hold(&Seen { send_delays: Vec::new(), ..truth }));
    }
}
