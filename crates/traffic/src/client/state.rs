//! One client: the requests it has in flight, and what it sends next. Hot path.
//!
//! Invariant: every request sent is in the recorder's ledger, and in `outstanding` for as long as it expects a reply.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;

use super::replies::Match;
use super::world::{Body, Message};
use crate::wire::Errno;
use zload_core::message::{FILLING, Forms, FrameForm, Frames as _, Header, RequestForm, Values};
use zload_core::plan::{ClientKey, DrawKey, Plan, RequestPlan, Schedule};
use zload_core::record::{Exchange, Outstanding, Recorder};
use zload_core::scenario::Matching;

/// The number in the token of a hello: the largest that a token has, and so that of no request.
const HELLO: u64 = (1 << 56) - 1;

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
    /// How often it has connected again, each time under another identity.
    pub(super) renewals: u32,
    /// What it says before anything else on a new connection is still to be sent, or to be answered.
    pub(super) greeting: Greeting,
    token: u32,
    key: ClientKey,
    /// The longest that it waits for a reply.
    timeout_ns: u64,
    next_request: u64,
    /// The first request after warm-up: what comes for older ones is in no count.
    first_counted: Option<u64>,
    agenda: Agenda,
}

/// What has become of `request.hello` on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It was answered, or there is none.
    Done,
    ToSend,
    ToBeAnswered,
}

enum Agenda {
    Open(Schedule),
    /// A request for each slot that is free, intended at the instant at which it became so; how many are left to send after the
    /// warm-up.
    Closed(VecDeque<u64>, u64),
}

#[derive(Clone, Copy)]
pub(super) struct Departure {
    pub(super) planned: RequestPlan,
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
    /// Which operation of the mix it is, from 0.
    pub(super) operation: u16,
    /// Where its trace is followed, if it is.
    pub(super) track: Option<NonZeroU32>,
}

pub(super) enum Received {
    /// An expected reply: the exchange including it, and whether it is an error.
    Reply(Exchange, bool),
    /// A reply that was expected until its request's timeout, which has passed: to be given up before this is received again.
    Overdue,
    /// Something else, which the ledger has counted.
    Other(&'static str),
}

impl fmt::Display for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(Exchange { request, received, owed, .. }, failed) => {
                let what = if *failed { "error" } else { "reply" };
                write!(formatter, "{what} {received} of {owed} to request #{}", request + 1)
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
            renewals: 0,
            greeting: Greeting::Done,
            // Any odd factor keeps the clients of one run apart.
            token: run_token ^ number.wrapping_mul(0x9e37_79b1),
            key: plan.client_key(number),
            timeout_ns: plan.timeout_ns().unwrap_or(u64::MAX),
            next_request: 0,
            first_counted: None,
            agenda: match plan.schedule(number) {
                Some(schedule) => Agenda::Open(schedule),
                None => Agenda::Closed(VecDeque::new(), plan.quota(number)),
            },
        }
    }

    /// The intended instant of the next request, if it is known already.
    #[inline]
    pub(super) fn next_intended_ns(&self) -> Option<u64> {
        match &self.agenda {
            Agenda::Open(schedule) => schedule.peek().map(|(_, intended_ns)| intended_ns),
            Agenda::Closed(free, _) => free.front().copied(),
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
        match &mut self.agenda {
            // It has sent all that it has to.
            Agenda::Closed(_, 0) | Agenda::Open(_) => {}
            Agenda::Closed(free, _) => free.push_back(intended_ns),
        }
    }

    /// Writes the next request over what `message` holds, which costs least if that is a request or a reply of the same
    /// size; gives its bytes.
    #[inline]
    pub(super) fn write<B: Body>(
        &self,
        forms: &Forms,
        (planned, operation): (&RequestPlan, u16),
        message: &mut Message<B>,
    ) -> Result<u64, Errno> {
        let header = Header { token: self.token, request: self.next_request, key: planned.key };
        if !forms.plain {
            return self.write_frames(forms, (planned, operation), header, message);
        }
        // A body that came back as it was sent is filled already.
        let body = message.only_body();
        if body.bytes().len() != planned.payload {
            *body = B::filled(planned.payload, FILLING)?;
        }
        header.encode(body.bytes_mut().expect("a driver shares no body"));
        Ok(planned.payload as u64)
    }

    #[inline(never)]
    fn write_frames<B: Body>(
        &self,
        forms: &Forms,
        (planned, operation): (&RequestPlan, u16),
        header: Header,
        message: &mut Message<B>,
    ) -> Result<u64, Errno> {
        let values = Values { header, client: self.number, payload: planned.payload };
        write_form(forms.request(operation), &values, message)
    }

    /// The next request left; gives its number.
    #[inline]
    pub(super) fn sent(&mut self, departure: &Departure, recorder: &mut Recorder) -> u64 {
        let Departure { planned, intended_ns, sent_ns, operation, track } = *departure;
        let request = self.next_request;
        self.next_request += 1;
        match &mut self.agenda {
            Agenda::Open(schedule) => schedule.advance(),
            Agenda::Closed(free, left) => {
                free.pop_front();
                *left -= u64::from(recorder.counts(intended_ns));
                if *left == 0 {
                    free.clear();
                }
            }
        }
        if self.first_counted.is_none() && recorder.counts(intended_ns) {
            self.first_counted = Some(request);
        }
        let owed = planned.replies;
        recorder.sent(intended_ns, sent_ns, owed);
        recorder.sent_of(operation, intended_ns);
        if intended_ns < self.held_until_ns {
            recorder.held_back(intended_ns, sent_ns);
        }
        if owed > 0 {
            self.outstanding.insert(Exchange {
                request,
                intended_ns,
                sent_ns,
                owed,
                operation,
                track,
                ..Exchange::default()
            });
        }
        request
    }

    /// Finds out what a received message answers, and records it.
    #[inline]
    pub(super) fn receive<B: Body>(
        &mut self,
        (plan, forms): (&Plan, &Forms),
        message: &Message<B>,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Received {
        let Some(request) = self.request_of(plan, forms, message) else {
            let last = message.count().checked_sub(1).map_or(&[][..], |last| message.frame(last));
            recorder.unexpected(last);
            return Received::Other("a message that answers no request");
        };
        let Some(exchange) = self.outstanding.get_mut(request) else {
            return self.beyond_owed(plan, request, recorder);
        };
        if now_ns.saturating_sub(exchange.sent_ns) > self.timeout_ns {
            return Received::Overdue;
        }
        let failed = forms.failed(message);
        exchange.received += 1;
        exchange.failed += u32::from(failed);
        if forms.marks_last() && !failed && !forms.is_last(message) {
            exchange.owed += 1;
            recorder.owes_one_more(exchange, now_ns);
        }
        recorder.received(exchange, now_ns, failed);
        exchange.heard_ns = now_ns;
        let exchange = *exchange;
        if exchange.received == exchange.owed {
            self.outstanding.remove(request);
        }
        Received::Reply(exchange, failed)
    }

    /// The number of the request that a message answers.
    #[inline]
    fn request_of<B: Body>(
        &mut self,
        plan: &Plan,
        forms: &Forms,
        message: &Message<B>,
    ) -> Option<u64> {
        if forms.matching == Matching::Order {
            return Some(self.outstanding.oldest(self.next_request)?.request);
        }
        let Self { number: client, token, next_request, key, .. } = *self;
        Match { forms, plan, client, token, next_request, key }.request_of(message)
    }

    /// A reply to a request that expects none, or none any more.
    #[cold]
    fn beyond_owed(&mut self, plan: &Plan, request: u64, recorder: &mut Recorder) -> Received {
        if self.first_counted.is_none_or(|first| request < first) {
            return Received::Other("a reply from the warm-up");
        }
        if plan.replies(self.key(request)) == 0 {
            recorder.unexpected(b"a reply to a request that expects none");
            return Received::Other("a reply to a silent request");
        }
        if self.outstanding.late(request) {
            recorder.late();
            return Received::Other("a late reply");
        }
        recorder.duplicate();
        Received::Other("a duplicate")
    }

    /// A request is followed no longer.
    #[cold]
    pub(super) fn forget_track(&mut self, request: u64) {
        if let Some(exchange) = self.outstanding.get_mut(request) {
            exchange.track = None;
        }
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

    /// What it says on a new connection before anything else.
    pub(super) fn hello<B: Body>(
        &self,
        hello: &RequestForm,
        message: &mut Message<B>,
    ) -> Result<u64, Errno> {
        let header = Header { token: self.token, request: HELLO, key: DrawKey(0) };
        write_form(hello, &Values { header, client: self.number, payload: 0 }, message)
    }

    /// Gives up all that it waits for, at `now_ns`, as its connection ends.
    pub(super) fn give_up_all(&mut self, now_ns: u64, recorder: &mut Recorder) -> Option<Exchange> {
        let exchange = self.outstanding.give_up(u64::MAX, self.next_request)?;
        recorder.given_up(&exchange, now_ns);
        Some(exchange)
    }

    /// Counted requests that should have left before `until_ns` and did not.
    pub(super) fn unsent(&self, warmup_ns: u64, until_ns: u64) -> u64 {
        match &self.agenda {
            Agenda::Open(schedule) => schedule.count_between(warmup_ns, until_ns),
            Agenda::Closed(free, _) => {
                free.iter().filter(|at_ns| (warmup_ns..until_ns).contains(at_ns)).count() as u64
            }
        }
    }

    /// Requests that it has left to send after the warm-up, in a closed load of a fixed number of them.
    pub(super) fn left(&self) -> u64 {
        match self.agenda {
            Agenda::Closed(_, left) => left,
            Agenda::Open(_) => 0,
        }
    }
}

/// Writes a request over what `message` holds; gives its bytes.
pub(super) fn write_form<B: Body>(
    form: &RequestForm,
    values: &Values,
    message: &mut Message<B>,
) -> Result<u64, Errno> {
    let pad = form.pad(values);
    let mut bytes = 0;
    for (number, frame) in form.frames().iter().enumerate() {
        bytes += write_frame(frame, values, pad, message.place(number))?;
    }
    message.set_count(form.frames().len());
    Ok(bytes)
}

#[inline]
fn write_frame<B: Body>(
    form: &FrameForm,
    values: &Values,
    pad: usize,
    into: &mut B,
) -> Result<u64, Errno> {
    // What never changes is often there already.
    if form.constant().is_some_and(|constant| constant == into.bytes()) {
        return Ok(into.bytes().len() as u64);
    }
    let size = form.size(values, pad);
    if into.bytes().len() != size || into.bytes_mut().is_none() {
        *into = B::filled(size, FILLING)?;
    }
    form.write(values, pad, into.bytes_mut().expect("a new frame is shared with nobody"));
    Ok(size as u64)
}
