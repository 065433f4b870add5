//! What really happened in a simulated world, and whether a driver's records agree with it.

use std::sync::Arc;

use zload_core::message::{HEADER_SIZE, Header};
use zload_core::plan::{Offered, Plan, Schedule};
use zload_core::record::{Exchange, Ledger, Recorded};

/// The most that one client may do in its turn: a burst, and for messages one inbox more.
const MOST_SENT: u64 = 256;
const MOST_TAKEN: u64 = 256 + 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A reply to this request, or a copy of one.
    Intact(u64),
    /// Something that is no reply any more.
    Garbled,
}

/// What a world recorded of its clients.
pub(super) struct Truth {
    plan: Arc<Plan>,
    clients: Vec<Client>,
    /// When what was no reply any more was taken.
    garbled_ns: Vec<u64>,
    /// Replies that were taken since the driver last read the clock: it timestamps them when it does.
    unstamped: Vec<(u32, usize)>,
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
    /// When each intact reply was taken, as the driver stamped it.
    taken_ns: Vec<u64>,
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
            garbled_ns: Vec::new(),
            unstamped: Vec::new(),
            sent_after_stop: 0,
            turn: (None, 0, 0),
        }
    }

    /// A client handed over a request: the next one of the plan, whole, and not before its instant. `now_ns` is what the
    /// driver last read from the clock, and so when the request counts as sent.
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

    pub(super) fn taken(&mut self, index: u32, kind: Kind) {
        let request = match kind {
            Kind::Garbled => usize::MAX,
            Kind::Intact(request) => usize::try_from(request).expect("requests fit into memory"),
        };
        self.unstamped.push((index, request));
        self.take_turn(index);
        self.turn.2 += 1;
        assert!(self.turn.2 <= MOST_TAKEN, "receives without end while others wait");
    }

    /// The driver read the clock after it had taken messages: they came then. What comes after the drain is not heard.
    pub(super) fn stamped(&mut self, now_ns: u64) {
        for (index, request) in self.unstamped.drain(..) {
            match self.clients[index as usize].requests.get_mut(request) {
                None => self.garbled_ns.push(now_ns),
                Some(request) => request.taken_ns.push(now_ns),
            }
        }
    }

    pub(super) fn sent_ns(&self, index: u32, request: u64) -> u64 {
        let request = usize::try_from(request).expect("requests fit into memory");
        self.clients[index as usize].requests[request].sent_ns
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
            let of = |client: &Client| {
                client.requests.get(usize::try_from(exchange.request).ok()?).map(|of| of.sent_ns)
            };
            assert!(self.clients.iter().any(|client| of(client) == Some(exchange.sent_ns)));
            if let Some(timeout_ns) = self.plan.timeout_ns() {
                let waited_ns = now_ns.saturating_sub(exchange.sent_ns);
                assert!(waited_ns <= timeout_ns + slack_ns, "holds what it has given up");
            }
        }
        assert_eq!(following, followed, "a slot of the sample for each request that is followed");
    }

    /// Whether the records say what happened.
    ///
    /// It ended at `ended_ns`, and what came after `drain_end_ns` it did not hear.
    pub(super) fn check(
        &self,
        recorded: &Recorded,
        (drain_end_ns, ended_ns): (u64, u64),
        stop_ns: Option<u64>,
    ) {
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
        self.check_completed(recorded);
        // In a closed load only the driver knows when a slot was free, and so what the warm-up's requests are.
        if matches!(self.plan.offered(), Offered::Open { .. }) || self.plan.warmup_ns() == 0 {
            self.check_counts(ledger, drain_end_ns, stop_ns);
        }
        for trace in recorded.traces.kept() {
            let legs = trace.legs();
            if trace.is_ordered() && legs.iter().all(Option::is_some) {
                let sum: u64 = legs.into_iter().flatten().sum();
                assert_eq!(sum, trace.response_ns(), "{trace:?}");
            }
        }
    }

    /// The rates are of the window's counts, to which a closed load adds or takes at most two for each slot: what crosses
    /// the edges, and its first.
    fn check_completed(&self, recorded: &Recorded) {
        let slots = 2 * self.plan.slots_per_client() * self.clients.len() as u64;
        let (counted, replies) = match self.plan.offered() {
            Offered::Open { .. } => (recorded.window_requests, recorded.window_replies),
            Offered::Closed { .. } => {
                (recorded.ledger.requests_sent, recorded.ledger.replies_received)
            }
        };
        let completed = recorded.completed;
        let requests_off = (completed.requests - counted as f64).abs();
        let replies_off = (completed.replies - replies as f64).abs();
        let most_owed = self.clients.iter().flat_map(|client| &client.requests).map(|of| of.owed);
        let most_owed = most_owed.max().unwrap_or(0);
        assert!(requests_off <= slots as f64 + 1e-6, "{completed:?} of {counted}");
        assert!(replies_off <= (slots * most_owed) as f64 + 1e-6, "{completed:?} of {replies}");
    }

    fn check_counts(&self, ledger: &Ledger, drain_end_ns: u64, stop_ns: Option<u64>) {
        let counted = |request: &&Request| {
            request.intended_ns.is_none_or(|intended_ns| intended_ns >= self.plan.warmup_ns())
        };
        let all = || self.clients.iter().flat_map(|client| client.requests.iter()).filter(counted);
        assert_eq!(ledger.requests_sent, all().count() as u64);
        assert_eq!(ledger.replies_expected, all().map(|request| request.owed).sum::<u64>());
        let silent = all().filter(|request| request.owed == 0).count() as u64;
        assert_eq!(ledger.requests_silent, silent);
        let heard = |at_ns: &&u64| **at_ns <= drain_end_ns;
        let garbled = self.garbled_ns.iter().filter(heard).count() as u64;
        assert_eq!(ledger.replies_unexpected, garbled);
        if matches!(self.plan.offered(), Offered::Open { .. }) && stop_ns.is_none() {
            let (from_ns, to_ns) = (self.plan.warmup_ns(), self.plan.send_end_ns());
            let schedules = self.clients.iter().filter_map(|of| self.plan.schedule(of.number));
            let planned: u64 = schedules.map(|of| of.count_between(from_ns, to_ns)).sum();
            assert_eq!(ledger.requests_planned, planned);
        }
        let timeout_ns = self.plan.timeout_ns().unwrap_or(u64::MAX);
        let (mut answered, mut received, mut late, mut beyond) = (0, 0, 0, 0);
        for request in all() {
            let heard: Vec<u64> = request.taken_ns.iter().filter(heard).copied().collect();
            let in_time = |at_ns: &&u64| **at_ns - request.sent_ns <= timeout_ns;
            let in_time = (heard.iter().filter(in_time).count() as u64).min(request.owed);
            let after = heard.len() as u64 - in_time;
            received += in_time;
            answered += u64::from(request.owed > 0 && in_time == request.owed);
            late += after.min(request.owed - in_time);
            beyond += after;
        }
        assert_eq!(ledger.requests_answered, answered, "answered in time and not otherwise");
        assert_eq!(ledger.replies_received, received);
        assert_eq!(ledger.replies_late + ledger.replies_duplicate, beyond, "all are in one place");
        // Of very many that were given up, a client forgets which they were.
        assert!(ledger.replies_late == late || ledger.requests_lost > 4_096, "{ledger:?}, {late}");
    }
}
