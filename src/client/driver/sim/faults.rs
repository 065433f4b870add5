//! What goes wrong in a simulated world, drawn from a seed: some of it in each, all of it in some, nothing in others.

use rand::Rng as _;
use rand_xoshiro::SplitMix64;

/// How often and by how much. A share is "one in n", and 0 is never.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) request_lost: u64,
    pub(super) reply_lost: u64,
    pub(super) duplicated: u64,
    pub(super) garbled: u64,
    pub(super) delayed: u64,
    pub(super) longest_delay_ns: u64,
    /// A reply comes within some nanoseconds, or some microseconds, of its request's timeout.
    pub(super) at_timeout: u64,
    /// The longest way between client and server, in each direction; what differs reorders replies.
    pub(super) transit_ns: u64,
    /// Requests that a connection takes before it refuses one.
    pub(super) room: usize,
    /// Something comes in the very moment of a call.
    pub(super) raced: u64,
    /// News of a connection of which there is none.
    pub(super) spurious: u64,
    /// The dearest call.
    pub(super) call_ns: u64,
    /// The latest a sleeping driver is woken.
    pub(super) woken_late_ns: u64,
    /// One call in n loses its CPU, for this long.
    pub(super) starved: u64,
    pub(super) starved_ns: u64,
    /// A connection has ended by the end of a turn of its client.
    pub(super) ended: u64,
}

impl Faults {
    /// A world in which nothing goes wrong and nothing costs anything.
    pub(super) fn none() -> Self {
        Self { room: usize::MAX, ..Self::default() }
    }

    /// The same where connections end in one world of three, so that what was drawn of the others stays as it is.
    pub(super) fn with_ends(self, seed: u64) -> Self {
        Self { ended: if seed.is_multiple_of(3) { 5 + seed % 400 } else { 0 }, ..self }
    }

    /// Each fault is in every other world.
    pub(super) fn drawn(random: &mut SplitMix64) -> Self {
        let mut maybe = |least: u64, most: u64| {
            let bits = random.next_u64();
            if bits.is_multiple_of(2) { 0 } else { least + (bits >> 8) % (most - least + 1) }
        };
        Self {
            request_lost: maybe(2, 50),
            reply_lost: maybe(2, 50),
            duplicated: maybe(3, 50),
            garbled: maybe(3, 50),
            delayed: maybe(3, 50),
            longest_delay_ns: maybe(1_000_000, 2_000_000_000),
            at_timeout: maybe(1, 20),
            transit_ns: maybe(1_000, 5_000_000),
            room: match maybe(1, 64) {
                0 => usize::MAX,
                room => usize::try_from(room).expect("a small number"),
            },
            raced: maybe(2, 20),
            spurious: maybe(2, 20),
            call_ns: maybe(100, 20_000),
            woken_late_ns: maybe(1_000, 2_000_000),
            starved: maybe(200, 5_000),
            starved_ns: maybe(1_000_000, 60_000_000),
            ended: 0,
        }
    }
}
