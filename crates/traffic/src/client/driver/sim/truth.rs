//! What really happened in a simulated world, and whether a driver's records agree with it.

use std::sync::Arc;

use zload_core::message::{Forms, HEADER_SIZE, Header, Id};
use zload_core::plan::{Offered, Plan, Schedule};
use zload_core::record::{Completed, Exchange, Ledger, Recorded};
use zload_core::scenario::Matching;

/// The most that one client may do in its turn: a burst, and for messages one inbox more.
const MOST_SENT: u64 = 256;
const MOST_TAKEN: u64 = 256 + 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A reply to this request, or a copy of one, and what it says.
    Intact(u64, Said),
    /// Something that is no reply any more.
    Garbled,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// It is an error.
    pub(super) failed: bool,
    /// It is the last one, where replies say so.
    pub(super) last: bool,
}

/// What a world recorded of its clients.
pub(super) struct Truth {
    plan: Arc<Plan>,
    forms: Arc<Forms>,
    clients: Vec<Client>,
    /// When what was no reply any more was taken.
    garbled_ns: Vec<u64>,
    /// Replies that were taken since the driver last read the clock: it timestamps them when it does.
    unstamped: Vec<(u32, Kind)>,
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
    /// Replies that are expected from the start.
    owed: u64,
    /// When each intact reply was taken, as the driver stamped it, and what it says.
    taken: Vec<(u64, Said)>,
    /// The connection that it waited on was given up.
    cut: bool,
}

/// What became of a request.
#[derive(Default)]
struct Fate {
    owed: u64,
    /// Replies in time, and the errors among them.
    received: u64,
    failed: u64,
    /// Replies that were heard and not expected any more.
    beyond: u64,
    /// When the last one in time came.
    ended_ns: u64,
}

impl Truth {
    pub(super) fn new(plan: &Arc<Plan>, forms: &Arc<Forms>, numbers: &[u32]) -> Self {
        let client = |number: &u32| Client {
            number: *number,
            token: None,
            schedule: plan.schedule(*number),
            requests: Vec::new(),
        };
        Self {
            plan: Arc::clone(plan),
            forms: Arc::clone(forms),
            clients: numbers.iter().map(client).collect(),
            garbled_ns: Vec::new(),
            unstamped: Vec::new(),
            sent_after_stop: 0,
            turn: (None, 0, 0),
        }
    }

    /// A client handed over a request: the next one of the plan, whole, and not before its instant; gives its number. `now_ns` is
    /// what the driver last read from the clock, and so when the request counts as sent.
    pub(super) fn sent(
        &mut self,
        index: u32,
        frames: &[Vec<u8>],
        now_ns: u64,
        stopped: bool,
    ) -> u64 {
        let client = &mut self.clients[index as usize];
        let number = client.requests.len() as u64;
        let planned = self.plan.request(client.number, number);
        let token = match (self.forms.matching, frames) {
            (Matching::Body, [body]) => {
                let header = Header::decode(body).expect("a request has a header");
                assert_eq!((header.request, header.key), (number, planned.key), "once, in order");
                assert_eq!(body.len(), planned.payload);
                assert!(body[HEADER_SIZE..].iter().all(|byte| *byte == b'.'), "by nobody else");
                Some(header.token)
            }
            (Matching::Envelope, [tag, _delimiter, _body, ..]) => {
                let header = Header::decode(tag).expect("a tag is a header");
                assert_eq!((header.request, header.key), (number, planned.key), "once, in order");
                Some(header.token)
            }
            (Matching::Token, [text, ..]) => {
                let id = Id::all(text).next().expect("a request has a token");
                assert_eq!((id.client, id.request), (client.number, number), "once, in order");
                Some(id.token)
            }
            (Matching::Order, [text, ..]) => {
                assert_eq!(text, number.to_string().as_bytes(), "once, in order");
                None
            }
            (_, frames) => panic!("a request of {} frames", frames.len()),
        };
        if let Some(token) = token {
            assert_eq!(*client.token.get_or_insert(token), token);
        }
        let intended_ns = client.schedule.as_mut().map(|schedule| {
            let (request, intended_ns) = schedule.peek().expect("what is sent is on the schedule");
            schedule.advance();
            assert!(request == number && intended_ns <= now_ns, "not before its instant");
            intended_ns
        });
        let owed = u64::from(planned.replies);
        let fresh = Request { intended_ns, sent_ns: now_ns, owed, taken: Vec::new(), cut: false };
        client.requests.push(fresh);
        self.sent_after_stop += u64::from(stopped);
        assert!(self.sent_after_stop <= MOST_SENT, "sends on after a stop");
        self.take_turn(index);
        self.turn.1 += 1;
        assert!(self.turn.1 <= MOST_SENT, "sends without end while others wait");
        number
    }

    pub(super) fn taken(&mut self, index: u32, kind: Kind) {
        self.unstamped.push((index, kind));
        self.take_turn(index);
        self.turn.2 += 1;
        assert!(self.turn.2 <= MOST_TAKEN, "receives without end while others wait");
    }

    /// The driver read the clock after it had taken messages: they came then. What comes after the drain is not heard.
    pub(super) fn stamped(&mut self, now_ns: u64) {
        for (index, kind) in self.unstamped.drain(..) {
            let Kind::Intact(request, said) = kind else {
                self.garbled_ns.push(now_ns);
                continue;
            };
            let request = usize::try_from(request).expect("requests fit into memory");
            self.clients[index as usize].requests[request].taken.push((now_ns, said));
        }
    }

    /// A client gave up its connection, since a request was given up: what had not been answered in time by then never will be.
    pub(super) fn renewed(&mut self, index: u32) {
        let timeout_ns = self.plan.timeout_ns().expect("a request was given up");
        let requests = &mut self.clients[index as usize].requests;
        let waits = |of: &Request| {
            let first = of.taken.first();
            !of.cut && first.is_none_or(|(at_ns, _)| at_ns - of.sent_ns > timeout_ns)
        };
        // Replies come in the order of the requests, so all behind the first that waits do so as well.
        let first = requests.iter().position(waits).unwrap_or(requests.len());
        for request in &mut requests[first..] {
            request.cut = true;
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
                if let (Some((first_ns, _)), Some((last_ns, _))) =
                    (request.taken.first(), request.taken.last())
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
        let replies = ledger.replies_received - ledger.replies_failed;
        assert_eq!(recorded.reply.histogram().len(), replies);
        assert_eq!(recorded.failed.histogram().len(), ledger.replies_failed);
        // A request may end with an error after other replies.
        let last_replies = recorded.last_reply.histogram().len();
        assert!((0..=ledger.requests_failed).contains(&(ledger.requests_answered - last_replies)));
        check_operations(recorded);
        let window = self.plan.warmup_ns()..recorded.window_end_ns;
        assert!(window.end <= self.plan.window_end_ns().max(self.plan.send_end_ns()));
        let known = stop_ns.is_none() && self.plan.fixed_requests().is_none();
        assert!(known || window.end <= ended_ns);
        let sent: u64 = self.clients.iter().map(|client| client.requests.len() as u64).sum();
        assert!(recorded.window_requests <= sent);
        match self.plan.fixed_requests().filter(|_| stop_ns.is_none()) {
            None => self.check_completed(recorded),
            Some(_) => self.check_whole(recorded),
        }
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

    /// The rates of a fixed number of requests are of all of them, and the window ends with the last reply.
    fn check_whole(&self, recorded: &Recorded) {
        let ledger = &recorded.ledger;
        let replies = ledger.replies_received - ledger.replies_failed;
        let (requests, replies) = (ledger.requests_sent as f64, replies as f64);
        assert_eq!(recorded.completed, Completed { requests, replies });
        if self.plan.warmup_ns() > 0 || ledger.requests_lost + ledger.requests_unsent > 0 {
            return;
        }
        let ended_ns = |request: &Request| match request.owed {
            0 => request.sent_ns,
            _ => self.fate(request, u64::MAX).ended_ns,
        };
        let all = self.clients.iter().flat_map(|client| &client.requests).map(ended_ns);
        assert_eq!(recorded.window_end_ns, all.max().expect("there are requests"));
    }

    /// The rates are of the window's counts, to which a closed load adds or takes at most two for each slot: what crosses
    /// the edges, and its first.
    fn check_completed(&self, recorded: &Recorded) {
        let slots = 2 * self.plan.slots_per_client() * self.clients.len() as u64;
        let (counted, replies) = match self.plan.offered() {
            Offered::Open { .. } => (recorded.window_requests, recorded.window_replies),
            Offered::Closed { .. } => {
                let ledger = &recorded.ledger;
                (ledger.requests_sent, ledger.replies_received - ledger.replies_failed)
            }
        };
        let completed = recorded.completed;
        let requests_off = (completed.requests - counted as f64).abs();
        let replies_off = (completed.replies - replies as f64).abs();
        let requests = self.clients.iter().flat_map(|client| &client.requests);
        let most_owed = requests.map(|of| of.owed.max(of.taken.len() as u64));
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
        let silent = all().filter(|request| request.owed == 0).count() as u64;
        assert_eq!(ledger.requests_silent, silent);
        let garbled = self.garbled_ns.iter().filter(|at_ns| **at_ns <= drain_end_ns).count() as u64;
        if self.plan.fixed_requests().is_some() && self.plan.slots_per_client() > 0 {
            let planned: u64 = self.clients.iter().map(|of| self.plan.quota(of.number)).sum();
            assert_eq!(ledger.requests_planned, planned);
        } else if matches!(self.plan.offered(), Offered::Open { .. }) && stop_ns.is_none() {
            let (from_ns, to_ns) = (self.plan.warmup_ns(), self.plan.send_end_ns());
            let schedules = self.clients.iter().filter_map(|of| self.plan.schedule(of.number));
            let planned: u64 = schedules.map(|of| of.count_between(from_ns, to_ns)).sum();
            assert_eq!(ledger.requests_planned, planned);
        }
        let fates: Vec<Fate> = all().map(|request| self.fate(request, drain_end_ns)).collect();
        let sum = |of: fn(&Fate) -> u64| fates.iter().map(of).sum::<u64>();
        let is_answered = |fate: &Fate| fate.owed > 0 && fate.received == fate.owed;
        let answered = fates.iter().filter(|fate| is_answered(fate)).count() as u64;
        let failed =
            fates.iter().filter(|fate| is_answered(fate) && fate.failed > 0).count() as u64;
        assert_eq!(ledger.replies_expected, sum(|fate| fate.owed));
        assert_eq!(ledger.requests_answered, answered, "answered in time and not otherwise");
        assert_eq!(ledger.requests_failed, failed);
        assert_eq!(ledger.replies_received, sum(|fate| fate.received));
        assert_eq!(ledger.replies_failed, sum(|fate| fate.failed));
        if self.forms.matching == Matching::Order {
            // Nothing says that it is late, nor that it is a reply to the warm-up.
            let every = self.clients.iter().flat_map(|client| &client.requests);
            let beyond: u64 = every.map(|request| self.fate(request, drain_end_ns).beyond).sum();
            assert_eq!(ledger.replies_unexpected, garbled + beyond);
            assert_eq!((ledger.replies_late, ledger.replies_duplicate), (0, 0));
            return;
        }
        assert_eq!(ledger.replies_unexpected, garbled);
        let beyond = sum(|fate| fate.beyond);
        assert_eq!(ledger.replies_late + ledger.replies_duplicate, beyond, "all are in one place");
        let late = sum(|fate| fate.beyond.min(fate.owed - fate.received));
        // Of very many that were given up, a client forgets which they were.
        assert!(ledger.replies_late == late || ledger.requests_lost > 4_096, "{ledger:?}, {late}");
    }

    /// What became of a request, by what was heard until the drain's end.
    fn fate(&self, request: &Request, drain_end_ns: u64) -> Fate {
        let timeout_ns = self.plan.timeout_ns().unwrap_or(u64::MAX);
        let mut fate = Fate { owed: request.owed, ..Fate::default() };
        for (at_ns, said) in request.taken.iter().filter(|(at_ns, _)| *at_ns <= drain_end_ns) {
            let waits = !request.cut && at_ns - request.sent_ns <= timeout_ns;
            if !waits || fate.received == fate.owed {
                fate.beyond += 1;
                continue;
            }
            fate.received += 1;
            fate.failed += u64::from(said.failed);
            fate.owed += u64::from(!said.failed && !said.last);
            fate.ended_ns = *at_ns;
        }
        fate
    }
}

/// Whether the operations of a mix add up to the whole.
fn check_operations(recorded: &Recorded) {
    let ledger = &recorded.ledger;
    let sum = |of: fn(&zload_core::record::OperationRecord) -> u64| {
        recorded.operations.iter().map(of).sum::<u64>()
    };
    if !recorded.operations.is_empty() {
        let found =
            [sum(|of| of.sent), sum(|of| of.answered), sum(|of| of.failed), sum(|of| of.lost)];
        let whole = [
            ledger.requests_sent,
            ledger.requests_answered,
            ledger.requests_failed,
            ledger.requests_lost,
        ];
        assert_eq!(found, whole);
    }
}
