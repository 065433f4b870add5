//! A known slip: a server that takes nothing for a while, and a ZeroMQ that may hold next to nothing, make requests leave
//! late. Their lateness must be recorded, must be in the response time, and the server must agree on it.

use super::bench::{Bench, MS, Played};
use super::schedule::{Lateness, disagreement_ns, intended, lateness};
use super::{Found, Kind};
use crate::Error;
use crate::result::Figure;
use crate::scenario::{Bytes, Sockets};
use crate::topology::planted::{Fault, Witness};

pub(super) const KIND: Kind = Kind {
    name: "known slip",
    planted: "a server that takes nothing for 400 ms, while ZeroMQ and the kernel have room for a few of the 100 requests \
              per second: the others leave late, as soon as it takes them again",
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

/// What the trial measured.
struct Seen {
    stalled_ns: u64,
    answered: u64,
    longest_response_ns: Option<u64>,
    lateness: Vec<Lateness>,
}

fn make(bench: &Bench<'_>) -> Result<Found, Error> {
    let buffer = Some(Bytes(64 << 10));
    let options = Sockets {
        sndhwm: Some(0),
        rcvhwm: Some(1),
        sndbuf: buffer,
        rcvbuf: buffer,
        ..Sockets::default()
    };
    let fault = Fault::Stall { after: REQUESTS / 3, for_ns: STALL_NS };
    let (played, witness) = bench.play_against(fault, &options, SCENARIO)?;
    let allowance_ns = bench.allowance_ns(&played);
    let figures = judge(&Seen::of(&played, &witness), allowance_ns);
    Ok(Found { figures, allowance: Some((allowance_ns, STALL_NS / 8)) })
}

impl Seen {
    fn of(played: &Played, witness: &Witness) -> Self {
        Self {
            stalled_ns: witness.stalled_ns,
            answered: played.result.ledger.requests_answered,
            longest_response_ns: played.result.latency.first_reply.max_ns,
            lateness: lateness(&intended(played), &played.ways(), witness),
        }
    }
}

fn judge(seen: &Seen, allowance_ns: u64) -> Vec<Figure> {
    // Large messages take their time, one after the other.
    let tolerance_ns = seen.stalled_ns / 20 + allowance_ns;
    let most_ns = seen.stalled_ns + tolerance_ns;
    let least_ns = seen.stalled_ns.saturating_sub(MOST_HELD * GAP_NS + tolerance_ns);
    let late =
        |more_than_ns: u64| seen.lateness.iter().filter(move |one| one.slip_ns > more_than_ns);
    let (half, margin) = (seen.stalled_ns / 2 / GAP_NS, 1 + tolerance_ns / GAP_NS);
    let longest_ns = seen.lateness.iter().map(|one| one.slip_ns).max();
    let not_late = seen.lateness.len() as u64 - late(tolerance_ns).count() as u64;
    let due_outside = REQUESTS - (seen.stalled_ns / GAP_NS).min(REQUESTS);
    vec![
        Figure::exactly("requests answered", REQUESTS, seen.answered),
        Figure::time_from("stall by the server's clock", STALL_NS, Some(seen.stalled_ns)),
        Figure::time(
            "response time, longest",
            seen.stalled_ns.saturating_sub(tolerance_ns),
            most_ns,
            seen.longest_response_ns,
        ),
        Figure::time("lateness, longest", least_ns, most_ns, longest_ns),
        Figure::count(
            "left late by more than half the stall",
            half.saturating_sub(MOST_HELD + margin),
            half + margin,
            late(seen.stalled_ns / 2).count() as u64,
        ),
        Figure::count("left in time", due_outside.saturating_sub(margin), REQUESTS, not_late),
        Figure::time_to(
            "difference from the server's witness",
            tolerance_ns,
            disagreement_ns(late(tolerance_ns)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stall in which the first three requests found room, recorded with `record` of what the server saw.
    fn seen(record: impl Fn(u64) -> u64) -> Seen {
        let late = |number: u64| match number {
            53..90 => STALL_NS - (number - 50) * GAP_NS,
            _ => 0,
        };
        let lateness = (0..REQUESTS)
            .map(|number| Lateness { slip_ns: record(late(number)), witnessed_ns: late(number) })
            .collect();
        Seen {
            stalled_ns: STALL_NS,
            answered: REQUESTS,
            longest_response_ns: Some(STALL_NS),
            lateness,
        }
    }

    fn hold(seen: &Seen) -> bool {
        judge(seen, MS).iter().all(|figure| figure.holds)
    }

    #[test]
    fn lateness_that_is_not_recorded_is_noticed() {
        assert!(hold(&seen(|late_ns| late_ns)));
        assert!(!hold(&seen(|_| 0)), "none of it is recorded");
        assert!(!hold(&seen(|late_ns| late_ns / 2)), "half of it is recorded");
        assert!(!hold(&seen(|late_ns| late_ns + 100 * MS)), "what was in time is recorded as late");
        let response =
            |longest_response_ns| Seen { longest_response_ns, ..seen(|late_ns| late_ns) };
        assert!(!hold(&response(Some(100 * MS))), "the lateness does not count");
        assert!(!hold(&Seen { answered: REQUESTS - 1, ..response(Some(STALL_NS)) }));
        assert!(!hold(&Seen { lateness: Vec::new(), ..response(Some(STALL_NS)) }));
    }
}
