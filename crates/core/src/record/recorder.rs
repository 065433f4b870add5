//! The recorder: what one driver keeps of every message that passes it. Hot path.
//!
//! Invariant: the equations of the [`Ledger`](super::Ledger) hold once [`Recorder::finish`] has closed what is still open; before
//! that every sent request is either in the ledger's places or an [`Exchange`] of its client.

use std::collections::VecDeque;

use super::stages::{Looks, Stages};
use super::{
    Completed, Cycles, Exchange, LatencyHistogram, Open, OperationRecord, Recorded, SECOND_NS,
    SecondSlice, StageRecord,
};
use crate::plan::Plan;

/// Keeps what passes one driver.
#[derive(Debug)]
pub struct Recorder {
    recorded: Recorded,
    /// The measured window: requests intended in it are counted, messages seen in it make the rates.
    warmup_ns: u64,
    send_end_ns: u64,
    /// Every request expects exactly one reply: first, last and every reply are the same, recorded once.
    single_reply: bool,
    /// The time between two replies to a request is recorded.
    gaps: bool,
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
    /// When it is kept; never, unless the load has stages.
    looks: Looks,
    stages: Stages,
    /// When it last changed of what was recorded before something that had happened earlier.
    latest_ns: u64,
    /// The rates are those of all counted requests, and the window ends with their last reply.
    whole: bool,
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
            gaps: false,
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
            looks: Looks::new([].into()),
            stages: Stages::default(),
            latest_ns: 0,
            whole: false,
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

    /// Records the time between two replies to a request, too.
    #[must_use]
    pub fn with_gaps(mut self, gaps: bool) -> Self {
        self.gaps = gaps;
        self
    }

    /// The load is a mix of this many operations, each of which has a record of its own.
    #[must_use]
    pub fn mix(mut self, operations: usize) -> Self {
        self.recorded.operations = vec![OperationRecord::default(); operations];
        self
    }

    /// The load has the stages of this plan, if it has any: each has a record of its own.
    #[must_use]
    pub fn staged(mut self, plan: &Plan) -> Self {
        self.recorded.stages = vec![StageRecord::default(); plan.stages().len()];
        self.stages = Stages::new(plan.stages());
        self.looks = Looks::new(plan.looks());
        self
    }

    /// Whether the load has stages, which other loads pay nothing for but this question.
    #[inline]
    fn has_stages(&self) -> bool {
        !self.recorded.stages.is_empty()
    }

    /// Changes the record of the stage of a counted request that was intended at this instant.
    #[cold]
    #[inline(never)]
    fn in_stage(&mut self, intended_ns: u64, change: impl FnOnce(&mut StageRecord)) {
        if let Some(stage) = self.recorded.stages.get_mut(self.stages.place(intended_ns)) {
            change(stage);
        }
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
        if self.has_stages() {
            self.in_stage(intended_ns, |stage| stage.sent(owed));
        }
        match sent_ns.saturating_sub(intended_ns) {
            0 => self.punctual += 1,
            slip_ns => {
                self.recorded.slip.record(slip_ns);
                self.recorded.late += u64::from(slip_ns > self.late_after_ns);
            }
        }
    }

    /// The request that was sent last was of this operation.
    #[inline]
    pub fn sent_of(&mut self, operation: u16, intended_ns: u64) {
        if self.counts(intended_ns)
            && let Some(record) = self.recorded.operations.get_mut(usize::from(operation))
        {
            record.sent += 1;
        }
    }

    /// One more reply is expected to a request, beyond those known when it was sent.
    #[inline]
    pub fn owes_one_more(&mut self, exchange: &Exchange, now_ns: u64) {
        self.pass_time(now_ns);
        self.in_flight += 1;
        // It was outstanding all the time.
        let since_ns = u128::from(now_ns.saturating_sub(exchange.sent_ns));
        self.recorded.in_flight_ns = self.recorded.in_flight_ns.wrapping_add(since_ns);
        if self.counts(exchange.intended_ns) {
            self.recorded.ledger.replies_expected += 1;
            if self.has_stages() {
                self.in_stage(exchange.intended_ns, |stage| stage.replies_expected += 1);
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
        if now_ns >= self.looks.next_ns {
            self.looks.pass(now_ns, self.in_flight);
        }
        let passed_ns = i128::from(now_ns.wrapping_sub(self.changed_ns).cast_signed());
        let sum_ns = &mut self.recorded.in_flight_ns;
        *sum_ns = sum_ns.wrapping_add_signed(passed_ns * i128::from(self.in_flight.cast_signed()));
        self.changed_ns = now_ns;
    }

    /// An expected reply of `exchange` came, as an error or not; `exchange` already includes it, but for `heard_ns`, which is
    /// that of the one before.
    #[inline]
    pub fn received(&mut self, exchange: &Exchange, received_ns: u64, failed: bool) {
        self.pass_seconds(received_ns);
        self.pass_time(received_ns);
        self.recorded.sojourn_ns += u128::from(received_ns.saturating_sub(exchange.sent_ns));
        self.in_flight -= 1;
        let response_ns = received_ns.saturating_sub(exchange.intended_ns);
        let (first, last) = (exchange.received == 1, exchange.received == exchange.owed);
        if self.in_window(received_ns) && !failed {
            self.recorded.window_replies += 1;
            self.slice.replies += 1;
            if first {
                self.slice.first_reply.record(response_ns);
            }
        }
        if !self.counts(exchange.intended_ns) {
            return;
        }
        if self.has_stages() {
            let received = |stage: &mut StageRecord| stage.received(exchange, response_ns, failed);
            self.in_stage(exchange.intended_ns, received);
        }
        let recorded = &mut self.recorded;
        recorded.ledger.replies_received += 1;
        if last {
            recorded.ledger.requests_answered += 1;
        }
        if let Some(operation) = recorded.operations.get_mut(usize::from(exchange.operation)) {
            operation.received(exchange, response_ns, failed);
        }
        if failed {
            return self.failed(exchange, response_ns);
        }
        if first {
            if exchange.sent_ns == exchange.intended_ns {
                self.punctual_first_reply.record(response_ns);
            } else {
                recorded.first_reply.record(response_ns);
                recorded.service.record(received_ns.saturating_sub(exchange.sent_ns));
            }
        }
        if !self.single_reply {
            recorded.reply.record(response_ns);
            if self.gaps && !first {
                recorded.gap.record(received_ns.saturating_sub(exchange.heard_ns));
            }
            if last {
                recorded.last_reply.record(response_ns);
            }
        }
        if last && exchange.failed > 0 {
            recorded.ledger.requests_failed += 1;
        }
    }

    /// A reply to a counted request was an error: it is in no distribution of the others.
    #[cold]
    fn failed(&mut self, exchange: &Exchange, response_ns: u64) {
        let recorded = &mut self.recorded;
        recorded.ledger.replies_failed += 1;
        recorded.failed.record(response_ns);
        if exchange.received == exchange.owed {
            recorded.ledger.requests_failed += 1;
        }
    }

    /// The client stopped waiting for the outstanding replies of `exchange`, at an instant that may be before others already recorded.
    pub fn given_up(&mut self, exchange: &Exchange, now_ns: u64) {
        let missing = u64::from(exchange.owed - exchange.received);
        self.latest_ns = self.latest_ns.max(self.changed_ns);
        self.pass_time(now_ns);
        self.recorded.sojourn_ns +=
            u128::from(missing) * u128::from(now_ns.saturating_sub(exchange.sent_ns));
        self.in_flight -= missing;
        if self.counts(exchange.intended_ns) {
            self.recorded.ledger.requests_lost += 1;
            self.recorded.ledger.replies_lost += missing;
            let operation = usize::from(exchange.operation);
            if let Some(record) = self.recorded.operations.get_mut(operation) {
                record.lost += 1;
            }
            if self.has_stages() {
                self.in_stage(exchange.intended_ns, |stage| {
                    stage.lost += 1;
                    stage.replies_lost += missing;
                });
            }
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

    /// A message came that answers nothing; this is its last frame.
    #[cold]
    pub fn unexpected(&mut self, frame: &[u8]) {
        self.recorded.ledger.replies_unexpected += 1;
        self.recorded.strangers.add(frame);
    }

    /// A request is to be sent while its client waits for another one.
    pub fn overlaps(&mut self) {
        self.recorded.overlapping += 1;
    }

    /// Requests that should have left and did not; `all` unless the rest of the plan is not among them.
    pub fn unsent(&mut self, requests: u64, all: bool) {
        self.recorded.rest_uncounted |= !all;
        self.recorded.ledger.requests_planned += requests;
        self.recorded.ledger.requests_unsent += requests;
    }

    /// This many of those were intended in each of the stages.
    pub fn unsent_in_stages(&mut self, requests: impl Iterator<Item = u64>) {
        for (stage, requests) in self.recorded.stages.iter_mut().zip(requests) {
            stage.unsent += requests;
        }
    }

    /// Ends the measured window at `now_ns`, if it goes on until then: what is sent or received later is in no rate.
    pub fn end_window(&mut self, now_ns: u64) {
        self.pass_seconds(now_ns);
        self.send_end_ns = self.send_end_ns.min(now_ns);
        self.cycles.end_window(self.send_end_ns);
        let is_open = self.edge_ns < u64::MAX && self.send_end_ns > self.warmup_ns;
        self.edge_ns = if is_open { self.edge_ns.min(self.send_end_ns) } else { u64::MAX };
    }

    /// Counted requests that were sent so far.
    #[inline]
    pub fn counted(&self) -> u64 {
        self.recorded.ledger.requests_sent
    }

    /// Whether every counted request that was sent has its replies or is given up.
    pub fn is_settled(&self) -> bool {
        let ledger = &self.recorded.ledger;
        ledger.replies_expected == ledger.replies_received + ledger.replies_lost
    }

    /// Ends the measured window with the last thing that happened, or at `waited_ns` if requests waited until then and still do:
    /// a plan of a fixed number of requests is over, whose rates are those of all of them over this window.
    pub fn end_whole(&mut self, waited_ns: u64) {
        let last_ns = self.latest_ns.max(self.changed_ns);
        self.end_window(if self.is_settled() { last_ns } else { waited_ns });
        self.whole = true;
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
        finished.ledger = self.recorded.ledger;
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
        self.looks.pass(now_ns, self.in_flight);
        let left = self.in_flight;
        let mut cut = Vec::new();
        for exchange in open {
            self.given_up(exchange, now_ns);
            let received = exchange.received - exchange.failed;
            cut.push(Open { intended_ns: exchange.intended_ns, received });
        }
        let Recorded { window_requests, window_replies, ledger, .. } = &self.recorded;
        let counted = (ledger.requests_sent, ledger.replies_received - ledger.replies_failed);
        self.recorded.completed = if self.whole {
            Completed { requests: counted.0 as f64, replies: counted.1 as f64 }
        } else if self.slots == 0 {
            Completed { requests: *window_requests as f64, replies: *window_replies as f64 }
        } else {
            self.cycles.finish(counted, self.slots, cut.into_iter(), now_ns)
        };
        self.recorded.window_end_ns = self.send_end_ns;
        self.recorded.in_flight_at = self.looks.finish(left);
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
mod tests;
