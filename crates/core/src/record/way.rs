//! The way of one request to its first reply: instants, and the legs between them.
//!
//! An instant that an engine or an external server hides is absent, and the leg that follows is wider by it: legs are
//! never invented. Invariant: the legs of a way add up to its response time exactly.

use crate::plan::DrawKey;

/// The part of a way between two instants, in the order in which they are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// From the intended instant until the request was handed to ZeroMQ.
    Slip,
    /// Until the proxy took it from its frontend.
    ToProxy,
    /// Until the proxy handed it to its backend.
    InProxy,
    /// Until a worker took it.
    ToWorker,
    /// Until the worker handed the first reply to ZeroMQ.
    InWorker,
    /// Until the proxy took the reply from its backend.
    BackToProxy,
    /// Until the proxy handed it to its frontend.
    BackInProxy,
    /// Until the client took it.
    ToClient,
}

impl Leg {
    /// How many legs there are.
    pub const COUNT: usize = 8;
    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Slip,
        Self::ToProxy,
        Self::InProxy,
        Self::ToWorker,
        Self::InWorker,
        Self::BackToProxy,
        Self::BackInProxy,
        Self::ToClient,
    ];

    /// Its name in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slip => "slip",
            Self::ToProxy => "to_proxy",
            Self::InProxy => "in_proxy",
            Self::ToWorker => "to_worker",
            Self::InWorker => "in_worker",
            Self::BackToProxy => "back_to_proxy",
            Self::BackInProxy => "back_in_proxy",
            Self::ToClient => "to_client",
        }
    }
}

/// What the server's stations saw of a request; nanoseconds from the plan's start, 0 where nobody looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The proxy took the request.
    pub proxy_in_ns: u64,
    /// The proxy was about to hand it on.
    pub proxy_out_ns: u64,
    /// The worker that took it had ended its last planned delay before.
    pub worker_free_ns: u64,
    /// A worker took it.
    pub worker_start_ns: u64,
    /// The worker was about to hand on the first reply.
    pub worker_reply_ns: u64,
    /// The proxy took the first reply.
    pub back_in_ns: u64,
    /// The proxy was about to hand it on.
    pub back_out_ns: u64,
    /// Which worker, counted from 1.
    pub worker: u64,
}

/// The way of one request; nanoseconds from the plan's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// The key of the request's draws.
    pub key: DrawKey,
    /// Its client's number.
    pub client: u32,
    /// Replies it was owed.
    pub owed: u32,
    /// Its number at the client.
    pub request: u64,
    /// When the plan wanted it to leave.
    pub intended_ns: u64,
    /// When it left.
    pub sent_ns: u64,
    /// What the server's stations saw.
    pub stamps: Stamps,
    /// When the client took its first reply.
    pub received_ns: u64,
    /// When the client took its last reply; 0 if not all came.
    pub last_received_ns: u64,
}

impl Way {
    /// Response time to the first reply, in nanoseconds.
    pub fn response_ns(&self) -> u64 {
        self.received_ns.saturating_sub(self.intended_ns)
    }

    /// Response time to the last reply, in nanoseconds, if all came.
    pub fn last_response_ns(&self) -> Option<u64> {
        (self.last_received_ns > 0).then(|| self.last_received_ns.saturating_sub(self.intended_ns))
    }

    /// Each leg in nanoseconds; `None` where its end is hidden.
    pub fn legs(&self) -> [Option<u64>; Leg::COUNT] {
        let mut since_ns = self.intended_ns;
        self.ends().map(|end_ns| {
            let leg_ns = end_ns?.saturating_sub(since_ns);
            since_ns += leg_ns;
            Some(leg_ns)
        })
    }

    /// Whether no instant is before the one that must have come first: the legs then add up.
    pub fn is_ordered(&self) -> bool {
        let mut since_ns = self.intended_ns;
        self.ends().into_iter().flatten().all(|end_ns| {
            let ordered = end_ns >= since_ns;
            since_ns = end_ns;
            ordered
        })
    }

    /// The part of [`Leg::ToWorker`] in which the worker was still busy with planned delays of earlier requests.
    pub fn waiting_ns(&self) -> Option<u64> {
        let Stamps { proxy_out_ns, worker_free_ns, worker_start_ns, .. } = self.stamps;
        let handed_on_ns = if proxy_out_ns > 0 { proxy_out_ns } else { self.sent_ns };
        (worker_start_ns > 0)
            .then(|| worker_free_ns.min(worker_start_ns).saturating_sub(handed_on_ns))
    }

    /// When each leg ended.
    fn ends(&self) -> [Option<u64>; Leg::COUNT] {
        let known = |at_ns: u64| (at_ns > 0).then_some(at_ns);
        let stamps = &self.stamps;
        [
            Some(self.sent_ns),
            known(stamps.proxy_in_ns),
            known(stamps.proxy_out_ns),
            known(stamps.worker_start_ns),
            known(stamps.worker_reply_ns),
            known(stamps.back_in_ns),
            known(stamps.back_out_ns),
            Some(self.received_ns),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A way whose instants are these, in order, without those that are hidden.
    fn way(gaps: [u64; 9], hidden: [bool; 6]) -> Way {
        let mut at_ns = 0;
        let instants = gaps.map(|gap| {
            at_ns += gap;
            at_ns
        });
        let seen = |index: usize| if hidden[index] { 0 } else { instants[index + 2] };
        Way {
            intended_ns: instants[0],
            sent_ns: instants[1],
            stamps: Stamps {
                proxy_in_ns: seen(0),
                proxy_out_ns: seen(1),
                worker_start_ns: seen(2),
                worker_reply_ns: seen(3),
                back_in_ns: seen(4),
                back_out_ns: seen(5),
                ..Stamps::default()
            },
            received_ns: instants[8],
            ..Way::default()
        }
    }

    proptest! {
        #[test]
        fn legs_add_up_to_the_response_time_whatever_is_hidden(
            gaps in prop::array::uniform9(1..1_000_000_000_u64), hidden in prop::array::uniform6(any::<bool>()),
        ) {
            let way = way(gaps, hidden);
            prop_assert!(way.is_ordered());
            prop_assert_eq!(way.legs().iter().flatten().sum::<u64>(), way.response_ns());
            let absent = hidden.iter().filter(|hidden| **hidden).count();
            prop_assert_eq!(way.legs().iter().filter(|leg| leg.is_none()).count(), absent);
        }
    }

    #[test]
    fn a_hidden_proxy_makes_the_leg_to_the_worker_wider() {
        let way = way([10, 1, 2, 4, 8, 16, 32, 64, 128], [true, true, false, false, true, true]);
        let legs = [Some(1), None, None, Some(14), Some(16), None, None, Some(224)];
        assert_eq!(way.legs(), legs);
    }

    #[test]
    fn waiting_ends_when_the_worker_is_free_or_takes_the_request() {
        let mut way = way([0, 10, 10, 10, 100, 1, 1, 1, 1], [false; 6]);
        for (free_ns, waited_ns) in [(0, 0), (30, 0), (90, 60), (130, 100), (999, 100)] {
            way.stamps.worker_free_ns = free_ns;
            assert_eq!(way.waiting_ns(), Some(waited_ns), "{free_ns}");
        }
    }

    #[test]
    fn instants_out_of_order_are_noticed() {
        let mut way = way([1; 9], [false; 6]);
        way.stamps.worker_start_ns = 1;
        assert!(!way.is_ordered());
    }
}
