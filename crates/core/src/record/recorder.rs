//! The recorder: what one driver keeps of every message that passes it. Hot path.
//!
//! Invariant: the equations of the [`Ledger`](super::Ledger) hold once [`Recorder::finish`] has closed what is still open; before
//! that every sent request is either in the ledger's places or an [`Exchange`] of its client.

use std::collections::VecDeque;

use super::{
    Completed, Cycles, Exchange, LatencyHistogram, Open, Recorded, SECOND_NS, SecondSlice,
};

/// Keeps what passes one driver.
#[derive(Debug)]
pub struct Recorder {
    recorded: Recorded,
    /// The measured window: requests intended in it are counted, messages seen in it make the rates.
    warmup_ns: u64,
    send_end_ns: u64,
    /// Every request expects exactly one reply: first, last and every reply are the same, recorded once.
    single_reply: bool,
    slice: SecondSlice,
    /// When the slice's second ends.
    slice_end_ns: u64,
    /// When the slice is over: with its second or with the window; never, once the window is.
    edge_ns: u64,
    /// Slices whose second has passed, in order, until they are asked for.
    finished: VecDeque<SecondSlice>,
    /// Replies outstanding (expected, not yet received or given up), warm-up included.
    in_flight: u64,
    /// When that last changed.
    changed_ns: u64,
    /// A request sent later than this after its instant is more than one inter-arrival time late.
    late_after_ns: u64,
    /// Slots of a closed load, and their cycles; no slots are an open load.
    slots: u64,
    cycles: Cycles,
    /// Counted requests that were sent at their intended instant: their slip is 0.
    punctual: u64,
    /// First replies to those: their response time is their service time, recorded once.
    punctual_first_reply: LatencyHistogram,
}

impl Recorder {
    /// A recorder for the window from `warmup_ns` to `send_end_ns` of the plan.
    pub fn new(warmup_ns: u64, send_end_ns: u64, single_reply: bool) -> Self {
        Self {
            recorded: Recorded::default(),
            warmup_ns,
            send_end_ns,
            single_reply,
            slice: SecondSlice::default(),
            slice_end_ns: warmup_ns + SECOND_NS,
            edge_ns: if warmup_ns < send_end_ns {
                send_end_ns.min(warmup_ns + SECOND_NS)
            } else {
                u64::MAX
            },
            finished: VecDeque::new(),
            in_flight: 0,
            changed_ns: 0,
            late_after_ns: u64::MAX,
            slots: 0,
            cycles: Cycles::new(warmup_ns..send_end_ns, 0),
            punctual: 0,
            punctual_first_reply: LatencyHistogram::new(),
        }
    }

    /// Counts requests as late that leave more than `ns` after their instant.
    #[must_use]
    pub fn late_after(mut self, ns: u64) -> Self {
        self.late_after_ns = ns;
        self
    }

    /// The load is a closed one with this many clients and slots, of which every cycle is shown to [`Self::cycles`].
    #[must_use]
    pub fn closed(mut self, clients: u64, slots_per_client: u64) -> Self {
        self.slots = clients * slots_per_client;
        self.cycles = Cycles::new(self.warmup_ns..self.send_end_ns, slots_per_client);
        self
    }

    /// The cycles of a closed load.
    #[inline]
    pub fn cycles(&mut self) -> &mut Cycles {
        &mut self.cycles
    }

    /// Whether what was intended at `intended_ns` counts.
    #[inline]
    pub fn counts(&self, intended_ns: u64) -> bool {
        intended_ns >= self.warmup_ns
    }

    #[inline]
    fn in_window(&self, instant_ns: u64) -> bool {
        (self.warmup_ns..self.send_end_ns).contains(&instant_ns)
    }

    /// A request was sent that expects this many replies.
    #[inline]
    pub fn sent(&mut self, intended_ns: u64, sent_ns: u64, owed: u32) {
        self.pass_seconds(sent_ns);
        self.pass_time(sent_ns);
        self.in_flight += u64::from(owed);
        if self.in_window(sent_ns) {
            self.recorded.window_requests += 1;
            self.slice.requests += 1;
        }
        if !self.counts(intended_ns) {
            return;
        }
        let ledger = &mut self.recorded.ledger;
        ledger.requests_planned += 1;
        ledger.requests_sent += 1;
        ledger.replies_expected += u64::from(owed);
        if owed == 0 {
            ledger.requests_silent += 1;
        }
        match sent_ns.saturating_sub(intended_ns) {
            0 => self.punctual += 1,
            slip_ns => {
                self.recorded.slip.record(slip_ns);
                self.recorded.late += u64::from(slip_ns > self.late_after_ns);
            }
        }
    }

    /// The request that was sent last had been refused by ZeroMQ when it was due.
    #[inline]
    pub fn held_back(&mut self, intended_ns: u64, sent_ns: u64) {
        let late = sent_ns.saturating_sub(intended_ns) > self.late_after_ns;
        self.recorded.held_back += u64::from(late && self.counts(intended_ns));
    }

    /// What is recorded later than it happened takes back what has been added since.
    #[inline]
    fn pass_time(&mut self, now_ns: u64) {
        let passed_ns = i128::from(now_ns.wrapping_sub(self.changed_ns).cast_signed());
        let sum_ns = &mut self.recorded.in_flight_ns;
        *sum_ns = sum_ns.wrapping_add_signed(passed_ns * i128::from(self.in_flight.cast_signed()));
        self.changed_ns = now_ns;
    }

    /// An expected reply of `exchange` came; `exchange.received` already includes it.
    #[inline]
    pub fn received(&mut self, exchange: &Exchange, received_ns: u64) {
        self.pass_seconds(received_ns);
        self.pass_time(received_ns);
        self.recorded.sojourn_ns += u128::from(received_ns.saturating_sub(exchange.sent_ns));
        self.in_flight -= 1;
        let response_ns = received_ns.saturating_sub(exchange.intended_ns);
        let (first, last) = (exchange.received == 1, exchange.received == exchange.owed);
        if self.in_window(received_ns) {
            self.recorded.window_replies += 1;
            self.slice.replies += 1;
            if first {
                self.slice.first_reply.record(response_ns);
            }
        }
        if !self.counts(exchange.intended_ns) {
            return;
        }
        let recorded = &mut self.recorded;
        recorded.ledger.replies_received += 1;
        if first {
            if exchange.sent_ns == exchange.intended_ns {
                self.punctual_first_reply.record(response_ns);
            } else {
                recorded.first_reply.record(response_ns);
                recorded.service.record(received_ns.saturating_sub(exchange.sent_ns));
            }
        }
        if last {
            recorded.ledger.requests_answered += 1;
        }
        if !self.single_reply {
            recorded.reply.record(response_ns);
            if last {
                recorded.last_reply.record(response_ns);
            }
        }
    }

    /// The client stopped waiting for the outstanding replies of `exchange`, at an instant that may be before others already recorded.
    pub fn given_up(&mut self, exchange: &Exchange, now_ns: u64) {
        let missing = u64::from(exchange.owed - exchange.received);
        self.pass_time(now_ns);
        self.recorded.sojourn_ns +=
            u128::from(missing) * u128::from(now_ns.saturating_sub(exchange.sent_ns));
        self.in_flight -= missing;
        if self.counts(exchange.intended_ns) {
            self.recorded.ledger.requests_lost += 1;
            self.recorded.ledger.replies_lost += missing;
        }
    }

    /// A reply came to a counted request that had been given up.
    pub fn late(&mut self) {
        self.recorded.ledger.replies_late += 1;
    }

    /// A reply beyond the expected number came.
    pub fn duplicate(&mut self) {
        self.recorded.ledger.replies_duplicate += 1;
    }

    /// A message came that answers nothing.
    pub fn unexpected(&mut self) {
        self.recorded.ledger.replies_unexpected += 1;
    }

    /// Requests that should have left and did not; `all` unless the rest of the plan is not among them.
    pub fn unsent(&mut self, requests: u64, all: bool) {
        self.recorded.rest_uncounted |= !all;
        self.recorded.ledger.requests_planned += requests;
        self.recorded.ledger.requests_unsent += requests;
    }

    /// Ends the measured window at `now_ns`, if it goes on until then: what is sent or received later is in no rate.
    pub fn end_window(&mut self, now_ns: u64) {
        self.pass_seconds(now_ns);
        self.send_end_ns = self.send_end_ns.min(now_ns);
        self.cycles.end_window(self.send_end_ns);
        let is_open = self.edge_ns < u64::MAX && self.send_end_ns > self.warmup_ns;
        self.edge_ns = if is_open { self.edge_ns.min(self.send_end_ns) } else { u64::MAX };
    }

    /// Replies outstanding now, warm-up included.
    #[inline]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The slice of a second that is over at `now_ns`, if there is one; call until there is none.
    #[inline]
    pub fn finished_second(&mut self, now_ns: u64) -> Option<SecondSlice> {
        self.pass_seconds(now_ns);
        self.finished.pop_front()
    }

    /// Puts the slices away whose second is over at `now_ns`: what happens then is none of theirs.
    #[inline]
    fn pass_seconds(&mut self, now_ns: u64) {
        while now_ns >= self.edge_ns {
            self.pass_second();
        }
    }

    #[cold]
    fn pass_second(&mut self) {
        self.slice_end_ns += SECOND_NS;
        let over = self.slice_start_ns() >= self.send_end_ns;
        self.edge_ns = if over { u64::MAX } else { self.slice_end_ns.min(self.send_end_ns) };
        let next = SecondSlice { second: self.slice.second + 1, ..SecondSlice::default() };
        let mut finished = std::mem::replace(&mut self.slice, next);
        finished.in_flight = self.in_flight;
        self.finished.push_back(finished);
    }

    fn slice_start_ns(&self) -> u64 {
        self.slice_end_ns - SECOND_NS
    }

    /// Ends the recording at `now_ns`: gives up the exchanges still open, returns the seconds that were not fetched,
    /// and the one that was cut short.
    pub fn finish<'a>(
        mut self,
        open: impl Iterator<Item = &'a Exchange>,
        now_ns: u64,
    ) -> (Recorded, Vec<SecondSlice>) {
        self.pass_seconds(now_ns);
        let cut_short = (now_ns > self.slice_start_ns()
            && self.slice_start_ns() < self.send_end_ns)
            .then(|| SecondSlice { in_flight: self.in_flight, ..std::mem::take(&mut self.slice) });
        let mut cut = Vec::new();
        for exchange in open {
            self.given_up(exchange, now_ns);
            cut.push(Open { intended_ns: exchange.intended_ns, received: exchange.received });
        }
        let Recorded { window_requests, window_replies, ledger, .. } = &self.recorded;
        self.recorded.completed = if self.slots == 0 {
            Completed { requests: *window_requests as f64, replies: *window_replies as f64 }
        } else {
            let counted = (ledger.requests_sent, ledger.replies_received);
            self.cycles.finish(counted, self.slots, cut.into_iter(), now_ns)
        };
        self.recorded.window_end_ns = self.send_end_ns;
        self.recorded.slip.record_n(0, self.punctual);
        self.recorded.first_reply.merge(&self.punctual_first_reply);
        self.recorded.service.merge(&self.punctual_first_reply);
        if self.single_reply {
            self.recorded.last_reply = self.recorded.first_reply.clone();
            self.recorded.reply = self.recorded.first_reply.clone();
        }
        (self.recorded, self.finished.into_iter().chain(cut_short).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Ledger, Outstanding};
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    /// One request of a random history: when it is intended, and which of its replies come when.
    fn history() -> impl Strategy<Value = Vec<(u64, u32, Vec<u64>)>> {
        let request = (0..3_000 * MS, 0..4_u32, prop::collection::vec(0..2_000 * MS, 0..6));
        prop::collection::vec(request, 0..60)
    }

    proptest! {
        #[test]
        fn the_equations_hold_for_any_history(history in history(), give_up in any::<bool>()) {
            let mut recorder = Recorder::new(500 * MS, 3_000 * MS, false);
            let mut outstanding = Outstanding::default();
            for (request, (intended_ns, owed, replies)) in (0..).zip(history) {
                recorder.sent(intended_ns, intended_ns + MS, owed);
                if owed > 0 {
                    outstanding.insert(Exchange {
                        request, intended_ns, sent_ns: intended_ns + MS, owed, received: 0, track: None,
                    });
                }
                for reply_ns in replies {
                    let Some(exchange) = outstanding.get_mut(request) else {
                        recorder.duplicate();
                        continue;
                    };
                    exchange.received += 1;
                    recorder.received(exchange, intended_ns + MS + reply_ns);
                    if exchange.received == owed {
                        outstanding.remove(request);
                    } else if give_up {
                        recorder.given_up(exchange, intended_ns + MS + reply_ns);
                        outstanding.remove(request);
                    }
                }
            }
            recorder.unsent(3, true);
            let (recorded, _) = recorder.finish(outstanding.iter(), 4_000 * MS);
            prop_assert_eq!(recorded.ledger.contradiction(), None);
            prop_assert_eq!(recorded.reply.histogram().len(), recorded.ledger.replies_received);
            prop_assert_eq!(recorded.last_reply.histogram().len(), recorded.ledger.requests_answered);
            prop_assert_eq!(recorded.slip.histogram().len(), recorded.ledger.requests_sent);
        }
    }

    proptest! {
        #[test]
        fn littles_law_holds_exactly(requests in prop::collection::vec((0..900 * MS, 0..300 * MS, any::<bool>()), 0..60)) {
            let mut recorder = Recorder::new(100 * MS, 1_000 * MS, true);
            let mut events = Vec::new();
            for &(sent_ns, service_ns, answered) in &requests {
                events.push((sent_ns, None));
                if answered {
                    events.push((sent_ns + service_ns, Some(sent_ns)));
                }
            }
            events.sort_unstable();
            for (at_ns, answers) in events {
                match answers {
                    None => recorder.sent(at_ns, at_ns, 1),
                    Some(sent_ns) => recorder.received(&exchange(sent_ns, sent_ns), at_ns),
                }
            }
            let open: Vec<Exchange> = requests.iter()
                .filter(|(_, _, answered)| !answered)
                .map(|(sent_ns, _, _)| Exchange { received: 0, ..exchange(*sent_ns, *sent_ns) })
                .collect();
            let (recorded, _) = recorder.finish(open.iter(), 2_000 * MS);
            prop_assert_eq!(recorded.in_flight_ns, recorded.sojourn_ns);
        }
    }

    #[test]
    fn a_request_is_late_that_leaves_a_whole_gap_after_its_instant() {
        let mut driver = Recorder::new(0, 1_000 * MS, true).late_after(5 * MS);
        for slip_ms in [0, 5, 6, 7] {
            driver.sent(10 * MS, (10 + slip_ms) * MS, 0);
        }
        driver.held_back(10 * MS, 17 * MS);
        driver.held_back(10 * MS, 12 * MS);
        let (recorded, _) = driver.finish(std::iter::empty(), 40 * MS);
        assert_eq!((recorded.late, recorded.held_back), (2, 1));
    }

    fn exchange(intended_ns: u64, sent_ns: u64) -> Exchange {
        Exchange { request: 0, intended_ns, sent_ns, owed: 1, received: 1, track: None }
    }

    #[test]
    fn response_time_starts_at_the_intended_instant_and_service_time_when_it_was_sent() {
        let mut driver = Recorder::new(0, 1_000 * MS, true);
        driver.sent(10 * MS, 30 * MS, 1);
        driver.received(&exchange(10 * MS, 30 * MS), 35 * MS);
        let (recorded, _) = driver.finish(std::iter::empty(), 40 * MS);
        let largest = |latencies: &LatencyHistogram| latencies.max();
        assert_eq!(largest(&recorded.first_reply), Some(25 * MS));
        assert_eq!(largest(&recorded.service), Some(5 * MS));
        assert_eq!(largest(&recorded.slip), Some(20 * MS));
        assert_eq!(recorded.last_reply.histogram(), recorded.first_reply.histogram());
    }

    #[test]
    fn warm_up_is_in_the_rates_of_its_time_but_in_no_count() {
        let mut driver = Recorder::new(100 * MS, 1_000 * MS, true);
        driver.sent(90 * MS, 90 * MS, 1);
        driver.received(&exchange(90 * MS, 90 * MS), 110 * MS);
        let (recorded, _) = driver.finish(std::iter::empty(), 120 * MS);
        assert_eq!(recorded.ledger, Ledger::default());
        assert_eq!((recorded.window_requests, recorded.window_replies), (0, 1));
        assert!(recorded.first_reply.histogram().is_empty());
    }

    #[test]
    fn every_second_of_the_window_is_handed_out_once() {
        let mut recorder = Recorder::new(500 * MS, 3_000 * MS, true);
        assert!(recorder.finished_second(1_499 * MS).is_none());
        assert_eq!(recorder.finished_second(2_600 * MS).map(|slice| slice.second), Some(0));
        assert_eq!(recorder.finished_second(2_600 * MS).map(|slice| slice.second), Some(1));
        assert!(recorder.finished_second(2_600 * MS).is_none());
        assert_eq!(
            recorder.finished_second(3_000 * MS).map(|slice| slice.second),
            Some(2),
            "the half second"
        );
        assert!(recorder.finished_second(9_000 * MS).is_none());
        assert!(recorder.finish(std::iter::empty(), 9_000 * MS).1.is_empty());
    }

    #[test]
    fn a_window_that_is_cut_short_counts_nothing_that_comes_later() {
        let mut driver = Recorder::new(0, 3_000 * MS, true);
        driver.sent(MS, MS, 1);
        driver.end_window(400 * MS);
        driver.received(&exchange(MS, MS), 450 * MS);
        let (recorded, slices) = driver.finish(std::iter::empty(), 600 * MS);
        assert_eq!((recorded.window_requests, recorded.window_replies), (1, 0));
        assert_eq!(recorded.window_end_ns, 400 * MS);
        assert_eq!(recorded.ledger.replies_received, 1, "it is counted, and in no rate");
        let seconds: Vec<_> = slices.iter().map(|slice| (slice.requests, slice.replies)).collect();
        assert_eq!(seconds, [(1, 0)]);
    }

    #[test]
    fn what_comes_after_a_second_is_none_of_its() {
        let mut recorder = Recorder::new(0, 2_000 * MS, true);
        recorder.sent(900 * MS, 900 * MS, 1);
        // The second was over when this reply came, and had not been fetched yet.
        recorder.received(&exchange(900 * MS, 900 * MS), 1_001 * MS);
        let first = recorder.finished_second(1_500 * MS).unwrap();
        assert_eq!((first.requests, first.replies, first.in_flight), (1, 0, 1));
        let rest = recorder.finish(std::iter::empty(), 2_500 * MS).1;
        let replies: Vec<u64> = rest.iter().map(|slice| slice.replies).collect();
        assert_eq!(replies, [1], "a second that nobody asked for is handed out at the end");
    }

    #[test]
    fn an_interrupted_second_is_handed_out_at_the_end() {
        let mut recorder = Recorder::new(0, 3_000 * MS, true);
        recorder.sent(MS, MS, 1);
        let slices = recorder.finish(std::iter::empty(), 400 * MS).1;
        assert_eq!((slices[0].second, slices[0].requests, slices.len()), (0, 1, 1));
    }
}
