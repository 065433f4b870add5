//! The offset of another clock, from pings: the one with the least round trip says most, and is wrong by half of it at most.
//!
//! The other clock was read at some instant between a ping's sending and its answer, wherever that was: so the middle is
//! wrong by at most half of the round trip, whatever the network and both machines did. Invariant: pure.

/// How many answers are waited for.
const ENOUGH: u32 = 16;
/// How far two clocks may drift apart meanwhile: parts in a million. Crystals are within 20 to 50.
const DRIFT_PPM: u64 = 50;
/// A ping that is not answered within this is given up, in nanoseconds, and another one sent.
const GIVEN_UP_NS: u64 = 500_000_000;

/// What is known of another clock.
#[expect(clippy::struct_field_names, reason = "suffixes give units")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// Its reading minus one's own, in nanoseconds.
    pub(super) ahead_ns: i128,
    /// What that is wrong by at most when it was measured, in nanoseconds.
    bound_ns: u64,
    /// When that was, by one's own clock.
    at_ns: u64,
}

/// Pings, one at a time.
#[derive(Debug, Default)]
pub(super) struct Pings {
    number: u32,
    sent_ns: Option<u64>,
    answers: u32,
    least_ns: Option<u64>,
    worst_ns: u64,
    offset: Option<Offset>,
}

impl Offset {
    /// What the other clock's instant is on one's own; 0 if that is before this clock began.
    pub(super) fn own_ns(&self, other_ns: u64) -> u64 {
        let own = i128::from(other_ns) - self.ahead_ns;
        u64::try_from(own.max(0)).unwrap_or(u64::MAX)
    }

    /// What it is wrong by at most at an instant of one's own clock.
    pub(super) fn bound_at(&self, own_ns: u64) -> u64 {
        let drift_ns = own_ns.saturating_sub(self.at_ns) / 1_000_000 * DRIFT_PPM;
        self.bound_ns.saturating_add(drift_ns)
    }
}

impl Pings {
    /// The number of the ping that is to be sent now, if one is.
    pub(super) fn due(&mut self, now_ns: u64) -> Option<u32> {
        let waits =
            self.sent_ns.is_some_and(|sent_ns| now_ns < sent_ns.saturating_add(GIVEN_UP_NS));
        if waits || self.answers >= ENOUGH {
            return None;
        }
        self.number += 1;
        self.sent_ns = Some(now_ns);
        Some(self.number)
    }

    /// Takes an answer; one that is late, or comes twice, is of no use.
    pub(super) fn answered(&mut self, now_ns: u64, number: u32, host_ns: u64) {
        let Some(sent_ns) = self.sent_ns.filter(|_| number == self.number) else { return };
        self.sent_ns = None;
        self.answers += 1;
        let trip_ns = now_ns.saturating_sub(sent_ns);
        self.worst_ns = self.worst_ns.max(trip_ns);
        if self.least_ns.is_none_or(|least_ns| trip_ns < least_ns) {
            self.least_ns = Some(trip_ns);
            let middle_ns = i128::from(sent_ns) + i128::from(trip_ns / 2);
            self.offset = Some(Offset {
                ahead_ns: i128::from(host_ns) - middle_ns,
                bound_ns: trip_ns.div_ceil(2),
                at_ns: now_ns,
            });
        }
    }

    /// The offset and the longest round trip, when there are answers enough.
    pub(super) fn done(&self) -> Option<(Offset, u64)> {
        self.offset.filter(|_| self.answers >= ENOUGH).map(|offset| (offset, self.worst_ns))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_bound_holds_whatever_the_ways_take(
            ways in prop::collection::vec((0..50_000_000_u64, 0..50_000_000_u64), 16),
            ahead_ns in 0..u64::MAX / 4,
        ) {
            let mut pings = Pings::default();
            let mut now_ns = 1_000;
            for (there_ns, back_ns) in ways {
                let number = pings.due(now_ns).unwrap();
                prop_assert!(pings.done().is_none());
                let host_ns = now_ns + there_ns + ahead_ns;
                now_ns += there_ns + back_ns;
                pings.answered(now_ns, number, host_ns);
                // A second copy, and one of an older ping, change nothing.
                pings.answered(now_ns + 1, number, 0);
                pings.answered(now_ns + 1, number.wrapping_sub(1), 0);
            }
            let (offset, worst_ns) = pings.done().unwrap();
            let error = (offset.ahead_ns - i128::from(ahead_ns)).unsigned_abs();
            prop_assert!(error <= u128::from(offset.bound_at(now_ns)));
            prop_assert!(u64::try_from(error).unwrap() <= worst_ns);
            prop_assert!(pings.due(now_ns).is_none());
        }
    }

    #[test]
    fn a_lost_ping_is_sent_again_under_another_number() {
        let mut pings = Pings::default();
        assert_eq!(pings.due(0), Some(1));
        assert_eq!(pings.due(1), None);
        assert_eq!(pings.due(GIVEN_UP_NS), Some(2));
        pings.answered(GIVEN_UP_NS + 1, 1, 7);
        assert_eq!(pings.due(GIVEN_UP_NS + 1), None, "that was of the first one");
    }
}
