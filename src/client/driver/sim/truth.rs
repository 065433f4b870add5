//! What really happened in a simulated world, and whether a driver's records agree with it.

use std::sync::Arc;

use crate::wire::header::{HEADER_SIZE, Header};
use zload_core::plan::{Offered, Plan, Schedule};
use zload_core::record::{Exchange, Ledger, Recorded};

/// The most that one client may do in its turn: a burst, and for messages one inbox more.
const MOST_SENT: u64 = 256;
const MOST_TAKEN: u64 = 256 + 8;

/// What came to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A reply to this request, or a copy of one.
    Intact(u64),
    /// Something that is no reply any more.
    Garbled,
}

/// What a world saw of its clients.
pub(super) struct Truth {
    plan: Arc<Plan>,
    clients: Vec<Client>,
    garbled: u64,
    sent_after_stop: u64,
    /// Whose turn it is, and what it sent and took in it.
    turn: (Option<u32>, u64, u64),
}

struct Client {
    number: u32,
    token: Option<u32>,
    schedule: Option<Schedule>,
    requests: Vec<Request>,
}

struct Request {
    /// Known in an open load.
    intended_ns: Option<u64>,
    sent_ns: u64,
    owed: u64,
    /// When each intact reply was taken.
    taken_ns: Vec<u64>,
}

/// What the ledger must say; from and to where only the instant of a driver's look decides.
#[derive(Debug, Default)]
struct Bounds {
    answered: (u64, u64),
    received: (u64, u64),
    beyond: (u64, u64),
}

impl Truth {
    pub(super) fn new(plan: &Arc<Plan>, numbers: &[u32]) -> Self {
        let client = |number: &u32| Client {
            number: *number,
            token: None,
            schedule: plan.schedule(*number),
            requests: Vec::new(),
        };
        Self {
            plan: Arc::clone(plan),
            clients: numbers.iter().map(client).collect(),
            garbled: 0,
            sent_after_stop: 0,
            turn: (None, 0, 0),
        }
    }

    /// A client handed over a request: the next one of the plan, whole, and not before its instant.
    pub(super) fn sent(&mut self, index: u32, body: &[u8], now_ns: u64, stopped: bool) {
        let client = &mut self.clients[index as usize];
        let header = Header::decode(body).expect("a request has a header");
        let number = client.requests.len() as u64;
        assert_eq!(header.request, number, "each request leaves once and in order");
        assert_eq!(*client.token.get_or_insert(header.token), header.token);
        let planned = self.plan.request(client.number, number);
        assert_eq!((header.key, body.len()), (planned.key, planned.payload));
        assert!(body[HEADER_SIZE..].iter().all(|byte| *byte == b'.'), "filled by nobody else");
        let intended_ns = client.schedule.as_mut().map(|schedule| {
            let (request, intended_ns) = schedule.peek().expect("what is sent is on the schedule");
            schedule.advance();
            assert!(request == number && intended_ns <= now_ns, "not before its instant");
            intended_ns
        });
        let owed = u64::from(planned.replies);
        client.requests.push(Request { intended_ns, sent_ns: now_ns, owed, taken_ns: Vec::new() });
        self.sent_after_stop += u64::from(stopped);
        assert!(self.sent_after_stop <= MOST_SENT, "sends on after a stop");
        self.take_turn(index);
        self.turn.1 += 1;
        assert!(self.turn.1 <= MOST_SENT, "sends without end while others wait");
    }

    /// A client took a message.
    pub(super) fn taken(&mut self, index: u32, kind: Kind, now_ns: u64) {
        match kind {
            Kind::Garbled => self.garbled += 1,
            Kind::Intact(request) => {
                let request = usize::try_from(request).expect("requests fit into memory");
                self.clients[index as usize].requests[request].taken_ns.push(now_ns);
            }
        }
        self.take_turn(index);
        self.turn.2 += 1;
        assert!(self.turn.2 <= MOST_TAKEN, "receives without end while others wait");
    }

    fn take_turn(&mut self, index: u32) {
        if self.turn.0 != Some(index) {
            self.turn = (Some(index), 0, 0);
        }
    }

    pub(super) fn turn_ends(&mut self) {
        self.turn = (None, 0, 0);
    }

    /// First and last response time of each request that was answered, by client and request.
    pub(super) fn responses_ns(&self) -> Vec<(u32, u64, u64, u64)> {
        let mut responses = Vec::new();
        for client in &self.clients {
            for (number, request) in (0..).zip(&client.requests) {
                if let (Some(first_ns), Some(last_ns)) =
                    (request.taken_ns.first(), request.taken_ns.last())
                {
                    responses.push((client.number, number, *first_ns, *last_ns));
                }
            }
        }
        responses
    }

    /// Whether what a driver holds at `now_ns` is what it must: nothing that it should have given up `slack_ns` ago.
    pub(super) fn check_held<'a>(
        &self,
        held: impl Iterator<Item = &'a Exchange>,
        following: usize,
        (now_ns, slack_ns): (u64, u64),
    ) {
        let mut followed = 0;
        for exchange in held {
            followed += usize::from(exchange.track.is_some());
            if let Some(timeout_ns) = self.plan.timeout_ns() {
                let waited_ns = now_ns.saturating_sub(exchange.sent_ns);
                assert!(waited_ns <= timeout_ns + slack_ns, "holds what it has given up");
            }
        }
        assert_eq!(following, followed, "a slot of the sample for each request that is followed");
    }

    /// Whether the records say what happened.
    pub(super) fn check(&self, recorded: &Recorded, ended_ns: u64, stop_ns: Option<u64>) {
        let ledger = &recorded.ledger;
        assert_eq!(ledger.contradiction(), None);
        assert_eq!(recorded.in_flight_ns, recorded.sojourn_ns, "Little's law");
        assert_eq!(recorded.first_reply.histogram().len(), recorded.service.histogram().len());
        assert_eq!(recorded.reply.histogram().len(), ledger.replies_received);
        assert_eq!(recorded.last_reply.histogram().len(), ledger.requests_answered);
        let window = self.plan.warmup_ns()..recorded.window_end_ns;
        assert!(window.end <= self.plan.send_end_ns().min(stop_ns.map_or(u64::MAX, |_| ended_ns)));
        let sent: u64 = self.clients.iter().map(|client| client.requests.len() as u64).sum();
        assert!(recorded.window_requests <= sent);
        self.check_carried(recorded);
        // In a closed load only the driver knows when a slot was free, and so what the warm-up's requests are.
        if matches!(self.plan.offered(), Offered::Open { .. }) || self.plan.warmup_ns() == 0 {
            self.check_counts(ledger, stop_ns);
        }
        for way in recorded.ways.kept() {
            let legs = way.legs();
            if way.is_ordered() && legs.iter().all(Option::is_some) {
                assert_eq!(legs.into_iter().flatten().sum::<u64>(), way.response_ns(), "{way:?}");
            }
        }
    }

    /// The rates are of the window's counts, to which a closed load adds or takes at most two for each slot: what crosses
    /// the edges, and its first.
    fn check_carried(&self, recorded: &Recorded) {
        let slots = 2 * self.plan.slots_per_client() * self.clients.len() as u64;
        let (counted, replies) = match self.plan.offered() {
            Offered::Open { .. } => (recorded.window_requests, recorded.window_replies),
            Offered::Closed { .. } => {
                (recorded.ledger.requests_sent, recorded.ledger.replies_received)
            }
        };
        let (requests_off, replies_off) = (
            (recorded.carried.requests - counted as f64).abs(),
            (recorded.carried.replies - replies as f64).abs(),
        );
        let most_owed = self.clients.iter().flat_map(|client| &client.requests).map(|of| of.owed);
        let most_owed = most_owed.max().unwrap_or(0);
        assert!(requests_off <= slots as f64 + 1e-6, "{:?} of {counted}", recorded.carried);
        assert!(
            replies_off <= (slots * most_owed) as f64 + 1e-6,
            "{:?} of {replies}",
            recorded.carried
        );
    }

    fn check_counts(&self, ledger: &Ledger, stop_ns: Option<u64>) {
        let counted = |request: &&Request| {
            request.intended_ns.is_none_or(|intended_ns| intended_ns >= self.plan.warmup_ns())
        };
        let all = || self.clients.iter().flat_map(|client| client.requests.iter()).filter(counted);
        assert_eq!(ledger.requests_sent, all().count() as u64);
        assert_eq!(ledger.replies_expected, all().map(|request| request.owed).sum::<u64>());
        assert_eq!(
            ledger.requests_silent,
            all().filter(|request| request.owed == 0).count() as u64
        );
        assert_eq!(ledger.replies_unexpected, self.garbled);
        if matches!(self.plan.offered(), Offered::Open { .. }) && stop_ns.is_none() {
            let (from_ns, to_ns) = (self.plan.warmup_ns(), self.plan.send_end_ns());
            let schedules = self.clients.iter().filter_map(|of| self.plan.schedule(of.number));
            let planned: u64 = schedules.map(|of| of.count_between(from_ns, to_ns)).sum();
            assert_eq!(ledger.requests_planned, planned);
        }
        let mut bounds = Bounds::default();
        let timeout_ns = self.plan.timeout_ns().unwrap_or(u64::MAX);
        for request in all() {
            let taken = request.taken_ns.len() as u64;
            let in_time = |at_ns: &&u64| **at_ns - request.sent_ns < timeout_ns;
            let in_time = request.taken_ns.iter().filter(in_time).count() as u64;
            for (bound, taken) in [(0, in_time), (1, taken)] {
                let (received, answered) =
                    (taken.min(request.owed), request.owed > 0 && taken >= request.owed);
                if bound == 0 {
                    bounds.received.0 += received;
                    bounds.answered.0 += u64::from(answered);
                    bounds.beyond.1 += request.taken_ns.len() as u64 - received;
                } else {
                    bounds.received.1 += received;
                    bounds.answered.1 += u64::from(answered);
                    bounds.beyond.0 += request.taken_ns.len() as u64 - received;
                }
            }
        }
        let within = |(least, most): (u64, u64), is: u64| (least..=most).contains(&is);
        assert!(
            within(bounds.answered, ledger.requests_answered)
                && within(bounds.received, ledger.replies_received)
                && within(bounds.beyond, ledger.replies_late + ledger.replies_duplicate),
            "{ledger:?} against {bounds:?}"
        );
        assert!(timeout_ns < u64::MAX || ledger.replies_late == 0, "nothing is given up");
        let messages = all().map(|request| request.taken_ns.len() as u64).sum::<u64>();
        assert_eq!(
            messages,
            ledger.replies_received + ledger.replies_late + ledger.replies_duplicate,
            "every message is in one place"
        );
    }
}
