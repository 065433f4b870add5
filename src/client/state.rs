//! One client: the requests it has in flight, and what it sends next. Hot path.
//!
//! Invariant: every request sent is in the recorder's ledger, and in `outstanding` for as long as it expects a reply.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;

use super::world::{Before, Body, Message};
use crate::wire::{Errno, Header, header::HEADER_SIZE};
use zload_core::plan::{ClientKey, DrawKey, Plan, RequestPlan, Schedule};
use zload_core::record::{Exchange, Outstanding, Recorder};

/// What a body holds after its header.
const FILLING: u8 = b'.';
/// The same, to compare it with.
static FILLED: [u8; 4096] = [FILLING; 4096];

/// A client as its driver keeps it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that its driver keeps by itself")]
pub(super) struct Client {
    /// Its number among all clients of the run.
    pub(super) number: u32,
    pub(super) identity: String,
    pub(super) outstanding: Outstanding,
    /// In the driver's queue of clients to serve.
    pub(super) queued: bool,
    /// Open load: its driver has a timer for its next request.
    pub(super) has_timer: bool,
    /// Its driver knows when its oldest exchange is given up, or that none ever is.
    pub(super) watched: bool,
    /// There is no room for a request; the world tells when there is again.
    pub(super) blocked: bool,
    pub(super) messages: u64,
    /// Requests that were due until then waited because there was no room.
    pub(super) held_until_ns: u64,
    token: u32,
    key: ClientKey,
    /// The longest that it waits for a reply.
    timeout_ns: u64,
    next_request: u64,
    /// The first request after warm-up: what comes for older ones is in no count.
    first_counted: Option<u64>,
    agenda: Agenda,
}

enum Agenda {
    Open(Schedule),
    /// A request for each slot that is free, intended at the instant at which it became so.
    Closed(VecDeque<u64>),
}

#[derive(Clone, Copy)]
pub(super) struct Departure {
    pub(super) planned: RequestPlan,
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
    /// Where its trace is followed, if it is.
    pub(super) track: Option<NonZeroU32>,
}

pub(super) enum Received {
    /// An expected reply: the exchange including it.
    Reply(Exchange),
    /// A reply that was expected until its request's timeout, which has passed: to be given up before this is received again.
    Overdue,
    /// Something else, which the ledger has counted.
    Other(&'static str),
}

impl fmt::Display for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(Exchange { request, received, owed, .. }) => {
                write!(formatter, "reply {received} of {owed} to request #{}", request + 1)
            }
            Self::Overdue => formatter.write_str("a reply after the timeout"),
            Self::Other(what) => formatter.write_str(what),
        }
    }
}

impl Client {
    pub(super) fn new(number: u32, identity: String, run_token: u32, plan: &Plan) -> Self {
        Self {
            number,
            identity,
            outstanding: Outstanding::default(),
            queued: false,
            has_timer: false,
            watched: plan.timeout_ns().is_none(),
            blocked: false,
            messages: 0,
            held_until_ns: 0,
            // Any odd factor keeps the clients of one run apart.
            token: run_token ^ number.wrapping_mul(0x9e37_79b1),
            key: plan.client_key(number),
            timeout_ns: plan.timeout_ns().unwrap_or(u64::MAX),
            next_request: 0,
            first_counted: None,
            agenda: match plan.schedule(number) {
                Some(schedule) => Agenda::Open(schedule),
                None => Agenda::Closed(VecDeque::new()),
            },
        }
    }

    /// The intended instant of the next request, if it is known already.
    #[inline]
    pub(super) fn next_intended_ns(&self) -> Option<u64> {
        match &self.agenda {
            Agenda::Open(schedule) => schedule.peek().map(|(_, intended_ns)| intended_ns),
            Agenda::Closed(free) => free.front().copied(),
        }
    }

    #[inline]
    pub(super) fn next_request(&self) -> u64 {
        self.next_request
    }

    /// The key of a request's draws.
    #[inline]
    pub(super) fn key(&self, request: u64) -> DrawKey {
        self.key.request(request)
    }

    #[inline]
    pub(super) fn next_planned(&self, plan: &Plan) -> RequestPlan {
        plan.request_of(self.key(self.next_request))
    }

    /// A slot of a closed load is free for a request intended at `intended_ns`.
    #[inline]
    pub(super) fn free_slot(&mut self, intended_ns: u64) {
        if let Agenda::Closed(free) = &mut self.agenda {
            free.push_back(intended_ns);
        }
    }

    /// Writes the next request into `body`: over what it holds, if that is a body of the right size that it filled before.
    #[inline]
    pub(super) fn write<B: Body>(&self, planned: &RequestPlan, body: &mut B) -> Result<(), Errno> {
        if body.bytes().len() != planned.payload {
            *body = B::filled(planned.payload, FILLING)?;
        }
        let header = Header { token: self.token, request: self.next_request, key: planned.key };
        header.encode(body.bytes_mut().expect("a driver shares no body"));
        Ok(())
    }

    /// The next request left; gives its number.
    #[inline]
    pub(super) fn sent(&mut self, departure: &Departure, recorder: &mut Recorder) -> u64 {
        let Departure { planned, intended_ns, sent_ns, track } = *departure;
        let request = self.next_request;
        self.next_request += 1;
        match &mut self.agenda {
            Agenda::Open(schedule) => schedule.advance(),
            Agenda::Closed(free) => {
                free.pop_front();
            }
        }
        if self.first_counted.is_none() && recorder.counts(intended_ns) {
            self.first_counted = Some(request);
        }
        let owed = planned.replies;
        recorder.sent(intended_ns, sent_ns, owed);
        if intended_ns < self.held_until_ns {
            recorder.held_back(intended_ns, sent_ns);
        }
        if owed > 0 {
            self.outstanding.insert(Exchange {
                request,
                intended_ns,
                sent_ns,
                owed,
                received: 0,
                track,
            });
        }
        request
    }

    /// Finds out what a received message answers, and records it. `tagged` is whether sampled requests have a tag.
    #[inline]
    pub(super) fn receive<B: Body>(
        &mut self,
        plan: &Plan,
        message: &Message<B>,
        tagged: bool,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Received {
        let Some(Header { request, .. }) = self.own_header(plan, message, tagged) else {
            recorder.unexpected();
            return Received::Other("a message that answers no request");
        };
        let Some(exchange) = self.outstanding.get_mut(request) else {
            return self.beyond_owed(plan, request, recorder);
        };
        if now_ns.saturating_sub(exchange.sent_ns) > self.timeout_ns {
            return Received::Overdue;
        }
        exchange.received += 1;
        recorder.received(exchange, now_ns);
        let exchange = *exchange;
        if exchange.received == exchange.owed {
            self.outstanding.remove(request);
        }
        Received::Reply(exchange)
    }

    /// The header of a message that this client sent, and that came back as it was: another key, size or filling is
    /// damage, and a frame more was added on the way.
    #[inline]
    fn own_header<B: Body>(
        &self,
        plan: &Plan,
        message: &Message<B>,
        tagged: bool,
    ) -> Option<Header> {
        let body = message.body.bytes();
        let header = Header::decode(body)?;
        (header.token == self.token
            && header.request < self.next_request
            && header.key == self.key(header.request)
            && body.len() as u64 == plan.payload(header.key)
            && is_filling(&body[HEADER_SIZE..])
            && (message.before == Before::Nothing || message.before == Before::Tag && tagged))
            .then_some(header)
    }

    /// A reply to a request that expects none, or none any more.
    #[cold]
    fn beyond_owed(&mut self, plan: &Plan, request: u64, recorder: &mut Recorder) -> Received {
        if self.first_counted.is_none_or(|first| request < first) {
            return Received::Other("a reply from the warm-up");
        }
        if plan.replies(self.key(request)) == 0 {
            recorder.unexpected();
            return Received::Other("a reply to a silent request");
        }
        if self.outstanding.late(request) {
            recorder.late();
            return Received::Other("a late reply");
        }
        recorder.duplicate();
        Received::Other("a duplicate")
    }

    /// When the exchange that it has longest is given up, if it has one that ever is.
    pub(super) fn expires_ns(&mut self) -> Option<u64> {
        self.outstanding.oldest(self.next_request)?.sent_ns.checked_add(self.timeout_ns)
    }

    /// Gives up the exchange that it has longest, if its timeout was over before `now_ns`; gives it and the instant at
    /// which it was. Call until there is none.
    pub(super) fn give_up(
        &mut self,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Option<(Exchange, u64)> {
        let sent_before_ns = now_ns.checked_sub(self.timeout_ns)?;
        let exchange = self.outstanding.give_up(sent_before_ns, self.next_request)?;
        let expired_ns = exchange.sent_ns + self.timeout_ns;
        recorder.given_up(&exchange, expired_ns);
        Some((exchange, expired_ns))
    }

    /// Counted requests that should have left before `until_ns` and did not.
    pub(super) fn unsent(&self, warmup_ns: u64, until_ns: u64) -> u64 {
        match &self.agenda {
            Agenda::Open(schedule) => schedule.count_between(warmup_ns, until_ns),
            Agenda::Closed(free) => {
                free.iter().filter(|at_ns| (warmup_ns..until_ns).contains(at_ns)).count() as u64
            }
        }
    }
}

/// Whether these bytes are the filling of a body, as memory is compared fastest: by the block, of which most
/// bodies have one.
#[inline]
fn is_filling(bytes: &[u8]) -> bool {
    match FILLED.get(..bytes.len()) {
        Some(filled) => bytes == filled,
        None => bytes.chunks(FILLED.len()).all(|block| *block == FILLED[..block.len()]),
    }
}
