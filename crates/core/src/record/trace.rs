//! The trace of one request to its first reply: instants, and the legs between them.
//!
//! An instant that an engine or an external server hides is absent, and the leg that follows is wider by it, or the last one if that
//! is when the reply arrived at the client's machine: legs are never invented. Invariant: the legs of a trace add up to its response time exactly.

use crate::plan::DrawKey;

/// The part of a trace between two instants, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// From the intended instant until the request was handed to ZeroMQ.
    Slip,
    /// Until the proxy took it from its frontend.
    ToProxy,
    /// Until the proxy handed it to its backend.
    InProxy,
    /// Until a worker received it.
    ToWorker,
    /// Until the worker handed the first reply to ZeroMQ.
    InWorker,
    /// Until the proxy took the reply from its backend.
    BackToProxy,
    /// Until the proxy handed it to its frontend.
    BackInProxy,
    /// Until it had arrived at the client's machine, or, where that is hidden, until the client took it.
    ToClient,
    /// From then until the client took it.
    InGenerator,
}

impl Leg {
    /// How many legs there are.
    pub const COUNT: usize = 9;
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
        Self::InGenerator,
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
            Self::InGenerator => "in_generator",
        }
    }
}

/// The server's timestamps of a request; nanoseconds from the plan's start, 0 where none was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timestamps {
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

/// The trace of one request; nanoseconds from the plan's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace {
    /// The key of the request's draws.
    pub key: DrawKey,
    /// Its client's number.
    pub client: u32,
    /// Expected replies.
    pub owed: u32,
    /// Its number at the client.
    pub request: u64,
    /// When the plan wanted it to leave.
    pub intended_ns: u64,
    /// When it left.
    pub sent_ns: u64,
    /// What the server's stations saw.
    pub timestamps: Timestamps,
    /// When its first reply had arrived at the client's machine, at the latest; 0 if the kernel did not say.
    pub arrived_ns: u64,
    /// How long since then its client was asleep, and being woken, in nanoseconds.
    pub waking_ns: u64,
    /// When the client took its first reply.
    pub received_ns: u64,
    /// When the client took its last reply; 0 if not all came.
    pub last_received_ns: u64,
}

impl Trace {
    /// Response time to the first reply, in nanoseconds.
    pub fn response_ns(&self) -> u64 {
        self.received_ns.saturating_sub(self.intended_ns)
    }

    /// Service time to the first reply, in nanoseconds: from the sending.
    pub fn service_ns(&self) -> u64 {
        self.received_ns.saturating_sub(self.sent_ns)
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
        let Timestamps { proxy_out_ns, worker_free_ns, worker_start_ns, .. } = self.timestamps;
        let handed_on_ns = if proxy_out_ns > 0 { proxy_out_ns } else { self.sent_ns };
        (worker_start_ns > 0)
            .then(|| worker_free_ns.min(worker_start_ns).saturating_sub(handed_on_ns))
    }

    /// The part of [`Leg::InGenerator`] in which the client slept and was being woken.
    pub fn waking_ns(&self) -> Option<u64> {
        Some(self.waking_ns.min(self.in_generator_ns()?))
    }

    /// The rest of that leg, in which the client had something else to do.
    pub fn queued_ns(&self) -> Option<u64> {
        Some(self.in_generator_ns()? - self.waking_ns()?)
    }

    fn in_generator_ns(&self) -> Option<u64> {
        self.legs()[Leg::InGenerator as usize]
    }

    /// When each leg ended.
    fn ends(&self) -> [Option<u64>; Leg::COUNT] {
        let known = |at_ns: u64| (at_ns > 0).then_some(at_ns);
        let (timestamps, arrived) = (&self.timestamps, known(self.arrived_ns));
        [
            Some(self.sent_ns),
            known(timestamps.proxy_in_ns),
            known(timestamps.proxy_out_ns),
            known(timestamps.worker_start_ns),
            known(timestamps.worker_reply_ns),
            known(timestamps.back_in_ns),
            known(timestamps.back_out_ns),
            arrived.or(Some(self.received_ns)),
            arrived.and(Some(self.received_ns)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A trace whose instants are these, in order, without those that are hidden.
    fn trace(gaps: [u64; 10], hidden: [bool; 7]) -> Trace {
        let mut at_ns = 0;
        let instants = gaps.map(|gap| {
            at_ns += gap;
            at_ns
        });
        let seen = |index: usize| if hidden[index] { 0 } else { instants[index + 2] };
        Trace {
            intended_ns: instants[0],
            sent_ns: instants[1],
            timestamps: Timestamps {
                proxy_in_ns: seen(0),
                proxy_out_ns: seen(1),
                worker_start_ns: seen(2),
                worker_reply_ns: seen(3),
                back_in_ns: seen(4),
                back_out_ns: seen(5),
                ..Timestamps::default()
            },
            arrived_ns: seen(6),
            received_ns: instants[9],
            ..Trace::default()
        }
    }

    proptest! {
        #[test]
        fn legs_add_up_to_the_response_time_whatever_is_hidden(
            gaps in prop::array::uniform10(1..1_000_000_000_u64), hidden in prop::array::uniform7(any::<bool>()),
        ) {
            let trace = trace(gaps, hidden);
            prop_assert!(trace.is_ordered());
            prop_assert_eq!(trace.legs().iter().flatten().sum::<u64>(), trace.response_ns());
            let absent = hidden.iter().filter(|hidden| **hidden).count();
            prop_assert_eq!(trace.legs().iter().filter(|leg| leg.is_none()).count(), absent);
        }
    }

    #[test]
    fn a_hidden_proxy_makes_the_leg_to_the_worker_wider() {
        let hidden = [true, true, false, false, true, true, false];
        let trace = trace([10, 1, 2, 4, 8, 16, 32, 64, 128, 256], hidden);
        let legs = [Some(1), None, None, Some(14), Some(16), None, None, Some(224), Some(256)];
        assert_eq!(trace.legs(), legs);
    }

    #[test]
    fn what_is_not_spent_on_waking_in_the_generator_is_its_queue() {
        let mut trace = trace([10; 10], [false; 7]);
        for (waking_ns, parts) in [(0, (0, 10)), (4, (4, 6)), (99, (10, 0))] {
            trace.waking_ns = waking_ns;
            assert_eq!((trace.waking_ns(), trace.queued_ns()), (Some(parts.0), Some(parts.1)));
        }
        trace.arrived_ns = 0;
        assert_eq!((trace.waking_ns(), trace.queued_ns()), (None, None));
        assert_eq!(trace.legs()[7..], [Some(20), None], "the leg before is wider by it");
    }

    #[test]
    fn waiting_ends_when_the_worker_is_free_or_takes_the_request() {
        let mut trace = trace([0, 10, 10, 10, 100, 1, 1, 1, 1, 1], [false; 7]);
        for (free_ns, waited_ns) in [(0, 0), (30, 0), (90, 60), (130, 100), (999, 100)] {
            trace.timestamps.worker_free_ns = free_ns;
            assert_eq!(trace.waiting_ns(), Some(waited_ns), "{free_ns}");
        }
    }

    #[test]
    fn instants_out_of_order_are_noticed() {
        let mut trace = trace([1; 10], [false; 7]);
        trace.timestamps.worker_start_ns = 1;
        assert!(!trace.is_ordered());
    }
}
