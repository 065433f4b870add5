//! The tracker: follows the sampled requests of one driver from their tag to their last reply.
//!
//! Kept is what the client saw of many requests, all of them where the load is light: that costs nothing that could be measured. A tag
//! goes along with fewer ([`Plan::follows`]), because it costs every station a look; how many follows from the scenario alone. Invariant: a slot belongs to one request from its
//! sending until every expected reply has come or was given up; a request for which none is free is not traced, and
//! counted as skipped.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::wire::{Stations, Tag};
use zload_core::plan::{DrawKey, Plan};
use zload_core::record::{Exchange, Trace, Traces};

/// Sampled requests that can be under way at once, over all drivers.
const SLOTS: usize = 1 << 14;
/// Requests of which the client's instants are kept per second at most, over all drivers.
const SAMPLED_PER_S: f64 = 8192.0;

/// One driver's share of the sample.
pub(super) struct Tracker {
    /// Absent of an external server: only the client's own instants are known then.
    stations: Option<Arc<Stations>>,
    /// What the stations' clock read when the plan started.
    zero_ns: u64,
    first_slot: u32,
    free: Vec<u32>,
    /// By slot: how the first reply came; at 0 as long as none has.
    first: Vec<Came>,
    serial: u32,
    /// A request is followed if these bits of its key are zero.
    unfollowed: u64,
    traces: Traces,
}

/// How a reply came, in nanoseconds from the plan's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "each is a time, and says its unit")]
pub(super) struct Came {
    /// When the driver took it.
    pub(super) received_ns: u64,
    /// When it had arrived at this machine, at the latest; 0 if that is not known.
    pub(super) arrived_ns: u64,
    /// How long since then the driver slept and was being woken.
    pub(super) waking_ns: u64,
}

/// The stations of a built-in server, for all drivers of a run.
pub fn stations() -> Stations {
    Stations::new(SLOTS)
}

impl Tracker {
    /// The share of the `driver`th of `drivers` drivers, for whom `plan` started when the stations' clock read `zero_ns`.
    pub(super) fn new(
        plan: &Plan,
        stations: Option<Arc<Stations>>,
        zero_ns: u64,
        (driver, drivers): (u32, u32),
    ) -> Self {
        let share = SLOTS / drivers as usize;
        let slots = u32::try_from(share).expect("the slots are counted in 32 bits");
        Self {
            stations,
            zero_ns,
            first_slot: driver * slots,
            free: (0..slots).rev().collect(),
            first: vec![Came::default(); share],
            serial: 0,
            unfollowed: plan.follow_one_in() - 1,
            traces: Traces::new(Traces::MOST / drivers as usize, one_in(plan)),
        }
    }

    /// Starts to watch the request with this key, if it is in the sample or followed: that one is followed does not depend on
    /// whether there is room to keep it.
    #[inline]
    pub(super) fn begin(&mut self, key: DrawKey) -> Option<Tag> {
        if self.traces.wants(key) || self.sends_tag(key) { self.begin_sampled(key) } else { None }
    }

    fn begin_sampled(&mut self, key: DrawKey) -> Option<Tag> {
        let Some(index) = self.free.pop() else {
            self.traces.skip();
            return None;
        };
        self.first[index as usize] = Came::default();
        self.serial = self.serial.wrapping_add(1).max(1);
        let tag = Tag { slot: self.first_slot + index, serial: self.serial };
        if let Some(stations) = &self.stations
            && self.follows(key)
        {
            stations.begin(tag);
        }
        Some(tag)
    }

    /// Whether it is asked when the first reply to the request with this key arrives, if that is watched.
    #[inline]
    pub(super) fn follows(&self, key: DrawKey) -> bool {
        key.0 & self.unfollowed == 0
    }

    /// Whether the request with this key has a tag.
    #[inline]
    pub(super) fn sends_tag(&self, key: DrawKey) -> bool {
        self.follows(key) && self.sends_tags()
    }

    /// Whether any request has a tag.
    #[inline]
    pub(super) fn sends_tags(&self) -> bool {
        self.stations.is_some()
    }

    /// The request did not leave after all.
    pub(super) fn cancel(&mut self, tag: Tag) {
        self.free.push(tag.slot - self.first_slot);
    }

    /// A reply came to a request that is followed; `exchange.received` already includes it.
    pub(super) fn reply(&mut self, client: u32, key: DrawKey, exchange: &Exchange, came: Came) {
        let Some(index) = index(exchange) else { return };
        if exchange.received == 1 {
            self.first[index as usize] = came;
        }
        if exchange.received == exchange.owed {
            self.keep(client, key, exchange, index, came.received_ns);
            self.free.push(index);
        }
    }

    /// The outstanding replies of a request are given up.
    pub(super) fn given_up(&mut self, client: u32, key: DrawKey, exchange: &Exchange) {
        let Some(index) = index(exchange) else { return };
        if self.first[index as usize].received_ns > 0 {
            self.keep(client, key, exchange, index, 0);
        }
        // What still comes is stamped under the serial number that the slot had.
        self.free.push(index);
    }

    /// A request that got an error is in no distribution, and so in no sample of one.
    #[cold]
    pub(super) fn leave_out(&mut self, exchange: &Exchange) {
        self.free.extend(index(exchange));
    }

    #[cfg(test)]
    pub(super) fn following(&self) -> usize {
        self.first.len() - self.free.len()
    }

    pub(super) fn finish(self) -> Traces {
        self.traces
    }

    fn keep(
        &mut self,
        client: u32,
        key: DrawKey,
        exchange: &Exchange,
        index: u32,
        last_received_ns: u64,
    ) {
        let slot = self.first_slot + index;
        let stations = self.stations.as_ref().filter(|_| self.follows(key));
        let timestamps = stations.map(|stations| stations.read(slot, self.zero_ns));
        let timestamps = timestamps.unwrap_or_default();
        let first = self.first[index as usize];
        // Else the wall clock, by which arrivals are stamped, was set meanwhile.
        let left_ns = timestamps.worker_reply_ns.max(timestamps.back_out_ns).max(exchange.sent_ns);
        let is_possible = (left_ns..=first.received_ns).contains(&first.arrived_ns);
        self.traces.keep(Trace {
            key,
            client,
            owed: exchange.owed,
            request: exchange.request,
            intended_ns: exchange.intended_ns,
            sent_ns: exchange.sent_ns,
            timestamps,
            arrived_ns: if is_possible { first.arrived_ns } else { 0 },
            waking_ns: first.waking_ns,
            received_ns: first.received_ns,
            last_received_ns,
        });
    }

    /// What an exchange keeps of its tag.
    pub(super) fn track(&self, tag: Tag) -> Option<NonZeroU32> {
        NonZeroU32::new(tag.slot - self.first_slot + 1)
    }
}

/// Which of its driver's slots an exchange has.
fn index(exchange: &Exchange) -> Option<u32> {
    Some(exchange.track?.get() - 1)
}

/// One of how many requests is sampled at first, so that neither the rate nor the whole run asks for too many.
fn one_in(plan: &Plan) -> u64 {
    let summary = plan.summary();
    let per_s = summary.most_requests_per_s();
    let seconds = match plan.fixed_requests() {
        None => plan.send_end_ns().max(1) as f64 / 1e9,
        Some(requests) => plan.warmup_ns() as f64 / 1e9 + requests as f64 / per_s,
    };
    let most = SAMPLED_PER_S.min(Traces::MOST as f64 / seconds);
    let mut one_in = 1;
    while per_s / one_in as f64 > most && one_in < 1 << 40 {
        one_in *= 2;
    }
    one_in
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_core::scenario::Scenario;

    fn plan(text: &str) -> Plan {
        Plan::new(&Scenario::parse("test.toml", text, &[]).unwrap())
    }

    fn at(received_ns: u64) -> Came {
        Came { received_ns, ..Came::default() }
    }

    /// An exchange that is traced and expects two replies.
    fn begun(tracker: &mut Tracker, key: DrawKey) -> Exchange {
        let tag = tracker.begin(key).unwrap();
        let track = tracker.track(tag);
        Exchange { intended_ns: 10, sent_ns: 20, owed: 2, track, ..Exchange::default() }
    }

    #[test]
    fn a_light_load_is_sampled_whole_and_a_heavy_one_in_part() {
        assert_eq!(one_in(&plan("load = { rate = '2k/s' }")), 1);
        assert_eq!(one_in(&plan("load = { rate = '2k/s' }\nrun = { duration = '100s' }")), 4);
        assert_eq!(one_in(&plan("load = { rate = '50k/s' }\nrun = { duration = '1s' }")), 8);
        let so_many = "load = { model = 'closed', in_flight = 128, requests = 60000 }";
        let saturated = plan("load = { model = 'closed', in_flight = 128 }");
        assert!((64..=256).contains(&one_in(&saturated)), "{}", one_in(&saturated));
        assert_eq!(one_in(&plan(so_many)), one_in(&saturated));
    }

    #[test]
    fn who_is_followed_depends_neither_on_the_length_of_the_run_nor_on_who_is_kept() {
        let load = "load = { rate = '2k/s' }";
        let short = plan(load);
        let long = plan(&format!("{load}\nrun = {{ duration = '1h' }}"));
        assert!(one_in(&long) > short.follow_one_in(), "most are not kept");
        assert_eq!((short.follow_one_in(), long.follow_one_in()), (8, 8));
        for (plan, kept_in_64) in [(&short, 64), (&long, 0)] {
            let stations = Some(Arc::new(stations()));
            let mut tracker = Tracker::new(plan, stations, 0, (0, 1));
            let key = |low: u64| DrawKey(1 << 60 | low);
            let begun = (1..=64).filter(|low| tracker.begin(key(*low)).is_some()).count();
            let followed = (1..=64).filter(|low| tracker.sends_tag(key(*low))).count();
            assert_eq!((begun, followed), (kept_in_64.max(8), 8));
        }
        let slow = plan(&format!("{load}\nworkers = {{ delay = '2ms' }}"));
        assert_eq!(slow.follow_one_in(), 1, "next to work it does not count");
        let fast = plan("load = { rate = '200k/s' }");
        assert_eq!(fast.follow_one_in(), 64);
        let asked = plan(&format!("{load}\nrun = {{ follow_one_in = 100 }}"));
        assert_eq!(asked.follow_one_in(), 128);
        assert_eq!(asked.hash(), short.hash(), "it is no part of the work");
    }

    #[test]
    fn a_request_is_followed_until_its_last_reply() {
        let plan = plan("load = { rate = '1/s' }\nworkers = { replies = 2 }");
        let mut tracker = Tracker::new(&plan, None, 0, (1, 2));
        let key = plan.key(3, 0);
        let mut exchange = begun(&mut tracker, key);
        assert_eq!(exchange.track, NonZeroU32::new(1));
        exchange.received = 1;
        tracker.reply(3, key, &exchange, at(100));
        exchange.received = 2;
        tracker.reply(3, key, &exchange, at(300));
        let free = tracker.free.len();
        let traces = tracker.finish();
        let [trace] = traces.kept() else { panic!("one trace") };
        assert_eq!((trace.response_ns(), trace.last_response_ns()), (90, Some(290)));
        assert_eq!(free, SLOTS / 2, "its slot is free again");
    }

    #[test]
    fn an_arrival_before_the_request_left_or_after_it_was_taken_is_none() {
        let plan = plan("load = { rate = '1/s' }");
        let mut tracker = Tracker::new(&plan, None, 0, (0, 1));
        for (request, arrived_ns) in (0..).zip([0, 19, 20, 90, 100, 101]) {
            let key = plan.key(0, request);
            let begun = begun(&mut tracker, key);
            let exchange = Exchange { received: 1, owed: 1, request, ..begun };
            tracker.reply(0, key, &exchange, Came { arrived_ns, waking_ns: 5, ..at(100) });
        }
        let traces = tracker.finish();
        let arrived: Vec<u64> = traces.kept().iter().map(|trace| trace.arrived_ns).collect();
        assert_eq!(arrived, [0, 0, 20, 90, 100, 0]);
    }

    #[test]
    fn the_slot_of_a_request_that_is_given_up_is_free_again() {
        let plan = plan("load = { rate = '1/s' }\nworkers = { replies = 2 }");
        let mut tracker = Tracker::new(&plan, None, 0, (0, 1));
        for request in 0..20_000 {
            let key = plan.key(0, request);
            let mut exchange = begun(&mut tracker, key);
            if request % 2 == 0 {
                exchange.received = 1;
                tracker.reply(0, key, &exchange, at(100));
            }
            tracker.given_up(0, key, &exchange);
        }
        assert_eq!(tracker.following(), 0);
        let traces = tracker.finish();
        assert_eq!(
            (traces.kept().len(), traces.skipped()),
            (10_000, 0),
            "one for each first reply"
        );
    }

    #[test]
    fn requests_beyond_the_slots_are_counted() {
        let plan = plan("load = { rate = '1/s' }");
        let mut tracker = Tracker::new(&plan, None, 0, (0, 1));
        let begun = (0..20_000).filter(|&request| tracker.begin(plan.key(0, request)).is_some());
        assert_eq!(begun.count(), SLOTS);
        assert_eq!(tracker.finish().skipped(), 20_000 - SLOTS as u64);
    }
}
