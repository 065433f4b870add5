//! The worker: serves one request at a time, sends it back 0..n times, with a delay before each. Hot path.
//!
//! Invariant: fan-out and delays of a request from zload come from the request itself, so any worker of any process
//! with the same scenario answers it the same way.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counters::{WorkerCounters, WorkerState};
use crate::machine::{Clock, Stop};
use crate::wire::{Errno, Frame, Socket, Station, Stations, Tag, Tracer};
use zload_core::message::{Forms, Frames, Header};
use zload_core::plan::{DrawKey, Plan};
use zload_core::scenario::{DelayBy, MOST_FRAMES};
use zload_core::text;

pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) forms: Arc<Forms>,
    pub(super) stop: Arc<Stop>,
    pub(super) delay_by: DelayBy,
    /// The clock that delays are kept by; that of the stations, if there are any.
    pub(super) clock: Clock,
    pub(super) stations: Option<Arc<Stations>>,
    /// Requests of foreign clients so far: they have no key, so each gets the draws of its place in this order.
    pub(super) foreign: AtomicU64,
    pub(super) tracer: Option<Arc<Tracer>>,
}

pub(super) struct Worker {
    number: u32,
    shared: Arc<Shared>,
    counters: Arc<WorkerCounters>,
    /// How much earlier than it should be awake it asks to be woken, learnt from how late it is woken.
    lead_ns: u64,
    /// When its last planned delay ended.
    free_ns: u64,
}

/// What the lead grows by when the worker was woken too late, and half of which it shrinks by when it was not: it
/// settles where a third of the sleeps end too late, by little, and the rest wait a little awake.
const LEAD_STEP_NS: u64 = 2_000;
/// The longest lead: no delay spends more than this awake.
const LONGEST_LEAD_NS: u64 = 100_000;
/// A tracer shows this many bytes of a foreign body.
const LONGEST_SHOWN: usize = 200;

/// A request as it came: who sent it, and everything after that.
#[derive(Default)]
struct Request {
    address: Frame,
    /// One frame from most clients; an empty one before it from those that speak as REQ does.
    body: Vec<Frame>,
}

impl Worker {
    pub(super) fn new(number: u32, shared: Arc<Shared>, counters: Arc<WorkerCounters>) -> Self {
        Self { number, shared, counters, lead_ns: 0, free_ns: 0 }
    }

    /// Serves until the context is shut down.
    pub(super) fn serve(&mut self, socket: &Socket) -> Result<(), Errno> {
        let mut request = Request::default();
        loop {
            self.counters.enter(WorkerState::Idle);
            match self.serve_one(socket, &mut request) {
                Ok(()) => {}
                Err(Errno::TERM) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }

    #[inline]
    fn serve_one(&mut self, socket: &Socket, request: &mut Request) -> Result<(), Errno> {
        let size = request.receive(socket)?;
        if request.body.is_empty() {
            // Only an address, or too much to keep: nothing to answer with.
            self.counters.refused.add(1);
            return Ok(());
        }
        let tag = self.stamp_start(request);
        let key = self.key(request);
        let replies = self.shared.plan.replies(key);
        self.counters.requests.add(1);
        self.counters.bytes.add(size);
        if let Some(tracer) = &self.shared.tracer {
            tracer.show(format_args!(
                "worker {} receives {}, {replies} replies planned",
                self.number,
                describe(request)
            ));
        }
        for reply in 0..replies {
            self.delay(self.shared.plan.delay_ns(key, reply));
            if self.shared.stop.requested() {
                return Err(Errno::TERM);
            }
            self.counters.enter(WorkerState::Sending);
            if let (Some(tag), Some(stations), 0) = (tag, &self.shared.stations, reply) {
                stations.stamp(tag, Station::WorkerReply, stations.clock().now_ns());
            }
            if let Some(tracer) = &self.shared.tracer {
                let number = reply + 1;
                tracer
                    .show(format_args!("worker {} sends reply {number} of {replies}", self.number));
            }
            request.send_back(socket, reply + 1 == replies)?;
            self.counters.replies.add(1);
            self.counters.bytes.add(size);
        }
        Ok(())
    }

    /// Timestamps a request that is sampled, which has one frame more than others, before its own.
    #[inline]
    fn stamp_start(&self, request: &Request) -> Option<Tag> {
        let [frame, _, ..] = &request.body[..] else { return None };
        let stations = self.shared.stations.as_ref()?;
        let tag = Tag::of(frame)?;
        stations.stamp(tag, Station::WorkerStart, stations.clock().now_ns());
        stations.stamp(tag, Station::WorkerFree, self.free_ns);
        stations.stamp(tag, Station::Worker, u64::from(self.number));
        Some(tag)
    }

    /// The key of the request's draws. Where all requests get the same, its body is not even looked at: another
    /// thread has written it, so that takes time.
    #[inline]
    fn key(&self, request: &Request) -> DrawKey {
        if self.shared.plan.serves_all_alike() {
            return DrawKey(0);
        }
        let key = self.shared.forms.key(request, &self.shared.plan);
        key.unwrap_or_else(|| self.foreign_key(&request.address))
    }

    /// The key for a request without one: no two alike, and different clients' apart.
    #[cold]
    fn foreign_key(&self, address: &Frame) -> DrawKey {
        let mut hasher = DefaultHasher::new();
        address.bytes().hash(&mut hasher);
        let client = u32::try_from(hasher.finish() >> 32).expect("the upper half of 64 bits");
        self.shared.plan.key(client, self.shared.foreign.fetch_add(1, Ordering::Relaxed))
    }

    /// Is busy for `delay_ns`, or until the end is asked for.
    #[inline]
    fn delay(&mut self, delay_ns: u64) {
        if delay_ns == 0 {
            return;
        }
        self.counters.enter(WorkerState::Delaying);
        let clock = self.shared.clock;
        let end_ns = clock.now_ns() + delay_ns;
        match self.shared.delay_by {
            DelayBy::Sleep => {
                let mut late = true;
                while clock.now_ns() < end_ns && !self.shared.stop.requested() {
                    let asleep = clock.until(end_ns.saturating_sub(self.lead_ns));
                    if asleep == Duration::ZERO {
                        late = false;
                        std::hint::spin_loop();
                    } else {
                        self.shared.stop.sleep(asleep);
                    }
                }
                self.lead_ns = if late {
                    (self.lead_ns + LEAD_STEP_NS).min(LONGEST_LEAD_NS)
                } else {
                    self.lead_ns.saturating_sub(LEAD_STEP_NS / 2)
                };
            }
            DelayBy::Spin => {
                while clock.now_ns() < end_ns && !self.shared.stop.requested() {
                    std::hint::spin_loop();
                }
            }
        }
        self.free_ns = clock.now_ns();
    }
}

impl Frames for Request {
    fn count(&self) -> usize {
        self.body.len()
    }

    fn frame(&self, place: usize) -> &[u8] {
        self.body[place].bytes()
    }
}

impl Request {
    /// Receives a request, and gives the size of its last frame in bytes. Of one with too many frames none is kept but the
    /// address: nothing of it is sent back.
    #[inline]
    fn receive(&mut self, socket: &Socket) -> Result<u64, Errno> {
        let mut size = self.address.receive(socket, 0)?;
        let mut frames = 0;
        let mut more = self.address.more();
        while more {
            if self.body.len() == frames {
                self.body.push(Frame::new());
            }
            size = self.body[frames].receive(socket, 0)?;
            more = self.body[frames].more();
            // The last place is overwritten by all that have none.
            frames += usize::from(frames < MOST_FRAMES);
        }
        self.body.truncate(if frames < MOST_FRAMES { frames } else { 0 });
        Ok(size as u64)
    }

    /// Sends a copy back; the last copy is the request itself.
    #[inline]
    fn send_back(&mut self, socket: &Socket, last: bool) -> Result<(), Errno> {
        let count = self.body.len();
        for (position, frame) in
            std::iter::once(&mut self.address).chain(&mut self.body).enumerate()
        {
            let flags = if position < count { zmq::SNDMORE } else { 0 };
            if last {
                frame.send(socket, flags)?;
            } else {
                frame.share().send(socket, flags)?;
            }
        }
        Ok(())
    }
}

fn describe(request: &Request) -> String {
    let address = text::bytes(request.address.bytes());
    let body = request.body.last().map_or(&[][..], Frame::bytes);
    if let Some(header) = Header::decode(body) {
        return format!("request #{} of client {address}", header.request + 1);
    }
    let begin = text::bytes(&body[..body.len().min(LONGEST_SHOWN)]);
    let rest = if body.len() > LONGEST_SHOWN { "…" } else { "" };
    format!("\"{begin}{rest}\" of foreign client \"{address}\"")
}
