//! One client: its DEALER socket, the requests it has in the air, and what it sends next. Hot path.
//!
//! Invariant: every request sent is in the recorder's ledger, and in `outstanding` for as long as it is owed a reply.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use super::context::Socket;
use super::errno::Errno;
use super::frame::Frame;
use super::stations::Tag;
use super::wire::Header;
use crate::measure::{Exchange, Outstanding, Recorder};
use crate::plan::{ClientKey, DrawKey, Plan, RequestPlan, Schedule};

/// What a body holds after its header.
const FILLING: u8 = b'.';

/// A client as its driver carries it.
pub(super) struct Client {
    /// Its number among all clients of the run.
    pub(super) number: u32,
    /// What ROUTER knows it by.
    pub(super) identity: String,
    pub(super) socket: Socket,
    /// Requests that are owed a reply.
    pub(super) outstanding: Outstanding,
    /// In the driver's queue of clients to serve.
    pub(super) queued: bool,
    /// Something has come for it.
    pub(super) heard: bool,
    /// ZeroMQ took no more; the socket tells when it does again.
    pub(super) blocked: bool,
    /// Requests that were due until then waited because ZeroMQ took no more.
    pub(super) held_until_ns: u64,
    token: u32,
    key: ClientKey,
    next_request: u64,
    /// The first request after warm-up: what comes for older ones is in no count.
    first_counted: Option<u64>,
    agenda: Agenda,
}

/// What a client sends next.
enum Agenda {
    /// What the plan's schedule says.
    Open(Schedule),
    /// A request for each slot that is free, intended at the instant at which it became so.
    Closed(VecDeque<u64>),
}

/// How a request leaves.
#[derive(Clone, Copy)]
pub(super) struct Departure {
    /// What the plan decides about it.
    pub(super) planned: RequestPlan,
    /// When the plan wanted it to leave.
    pub(super) intended_ns: u64,
    /// When it leaves.
    pub(super) sent_ns: u64,
    /// Where its way is followed, if it is.
    pub(super) track: Option<NonZeroU32>,
    /// What it carries along so that the server can stamp it.
    pub(super) tag: Option<Tag>,
}

/// What became of an attempt to send.
pub(super) enum Sending {
    /// The request left.
    Sent {
        /// Its number.
        request: u64,
        /// Replies it is owed.
        owed: u32,
    },
    /// ZeroMQ takes no more for now.
    Blocked,
}

/// What a received message was.
pub(super) enum Received {
    /// A reply that was owed: the exchange as it is with it.
    Reply(Exchange),
    /// Something else, which the ledger has counted.
    Other(&'static str),
}

impl Client {
    pub(super) fn new(
        number: u32,
        identity: String,
        socket: Socket,
        run_token: u32,
        plan: &Plan,
    ) -> Self {
        Self {
            number,
            identity,
            socket,
            outstanding: Outstanding::default(),
            queued: false,
            heard: false,
            blocked: false,
            held_until_ns: 0,
            // Any odd factor keeps the clients of one run apart.
            token: run_token ^ number.wrapping_mul(0x9e37_79b1),
            key: plan.client_key(number),
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

    /// The number that the next request will have.
    #[inline]
    pub(super) fn next_request(&self) -> u64 {
        self.next_request
    }

    /// What the keys of its requests are made of.
    pub(super) fn keys(&self) -> ClientKey {
        self.key
    }

    /// The key of a request's draws.
    #[inline]
    pub(super) fn key(&self, request: u64) -> DrawKey {
        self.key.request(request)
    }

    /// What the plan decides about the next request.
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

    /// Writes the next request into `frame`: over what it holds, if that is a body of the right size that was ours.
    #[inline]
    pub(super) fn write(&self, planned: &RequestPlan, frame: &mut Frame) -> Result<(), Errno> {
        if frame.size() != planned.payload {
            *frame = Frame::filled(planned.payload, FILLING)?;
        }
        let header = Header { token: self.token, request: self.next_request, key: planned.key };
        header.encode(frame.bytes_mut().expect("a driver shares no frame"));
        Ok(())
    }

    /// Hands the next request, which is in `frame`, to ZeroMQ.
    #[inline]
    pub(super) fn send(
        &mut self,
        departure: &Departure,
        frame: &mut Frame,
        recorder: &mut Recorder,
    ) -> Result<Sending, Errno> {
        let Departure { planned, intended_ns, sent_ns, track, tag } = *departure;
        let request = self.next_request;
        let left = match tag {
            None => self.hand_over(frame, 0)?,
            // If the body is refused, ZeroMQ takes the frame before it back as well.
            Some(tag) => {
                self.hand_over(&mut tag.frame()?, zmq::SNDMORE)? && self.hand_over(frame, 0)?
            }
        };
        if !left {
            self.blocked = true;
            return Ok(Sending::Blocked);
        }
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
                given_up: false,
                track,
            });
        }
        Ok(Sending::Sent { request, owed })
    }

    /// Hands a frame to ZeroMQ; false if it takes no more.
    #[inline]
    fn hand_over(&self, frame: &mut Frame, flags: i32) -> Result<bool, Errno> {
        loop {
            match frame.send(&self.socket, zmq::DONTWAIT | flags) {
                Ok(()) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Finds out what a received body answers, and records it.
    #[inline]
    pub(super) fn receive(
        &mut self,
        plan: &Plan,
        body: &[u8],
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> Received {
        let Some(Header { request, .. }) = self.own_header(plan, body) else {
            recorder.unexpected();
            return Received::Other("something that answers nothing");
        };
        let Some(exchange) = self.outstanding.get_mut(request) else {
            return self.beyond_owed(plan, request, recorder);
        };
        exchange.received += 1;
        let over = exchange.received == exchange.owed;
        let received = if exchange.given_up {
            recorder.late(exchange);
            Received::Other("a late reply")
        } else {
            recorder.received(exchange, now_ns);
            Received::Reply(*exchange)
        };
        if over {
            self.outstanding.remove(request);
        }
        received
    }

    /// The header of a body that this client may have sent. One whose key is not that of its request, or whose size is
    /// not the planned one, came back damaged, and could be taken for a reply to another request.
    #[inline]
    fn own_header(&self, plan: &Plan, body: &[u8]) -> Option<Header> {
        let header = Header::decode(body)?;
        (header.token == self.token
            && header.request < self.next_request
            && header.key == self.key(header.request)
            && body.len() as u64 == plan.payload(header.key))
        .then_some(header)
    }

    /// A reply to a request that is owed none, or none any more.
    #[cold]
    fn beyond_owed(&self, plan: &Plan, request: u64, recorder: &mut Recorder) -> Received {
        if self.first_counted.is_none_or(|first| request < first) {
            return Received::Other("a reply from the warm-up");
        }
        if plan.replies(self.key(request)) == 0 {
            recorder.unexpected();
            return Received::Other("a reply to a silent request");
        }
        recorder.duplicate();
        Received::Other("a duplicate")
    }

    /// Gives up every request that has waited since `sent_before_ns`; says how many slots that freed.
    pub(super) fn give_up(
        &mut self,
        sent_before_ns: u64,
        now_ns: u64,
        recorder: &mut Recorder,
    ) -> u32 {
        let mut freed = 0;
        for exchange in self.outstanding.iter_mut() {
            if !exchange.given_up && exchange.sent_ns < sent_before_ns {
                exchange.given_up = true;
                recorder.given_up(exchange, now_ns);
                freed += 1;
            }
        }
        freed
    }

    /// Counted requests that should have left before `until_ns` and did not.
    pub(super) fn unsent(&self, warmup_ns: u64, until_ns: u64) -> u64 {
        match &self.agenda {
            Agenda::Open(schedule) => schedule.count_between(warmup_ns, until_ns),
            Agenda::Closed(free) => {
                free.iter().filter(|&&intended_ns| intended_ns >= warmup_ns).count() as u64
            }
        }
    }
}
