//! The worker: serves one request at a time, sends it back 0..n times, with a delay before each. Hot path.
//!
//! How it talks to its backend is the protocol's.
//! Invariant: fan-out and delays of a request from zload come from the request itself, so any worker of any process
//! with the same scenario answers it the same way.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::counters::{WorkerCounters, WorkerState};
use super::protocol::Talk;
use super::request::Request;
use crate::machine::{Clock, Stop};
use crate::wire::{Errno, Frame, Station, Stations, Tag, Tracer};
use zload_core::message::{Forms, Header};
use zload_core::plan::{DrawKey, Plan};
use zload_core::scenario::DelayBy;
use zload_core::text;

pub(super) struct Shared {
    /// Closes with the last worker.
    pub(super) _alive: mpsc::Sender<()>,
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

pub(super) struct Worker<T> {
    number: u32,
    talk: T,
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

impl<T: Talk> Worker<T> {
    pub(super) fn new(
        number: u32,
        talk: T,
        shared: Arc<Shared>,
        counters: Arc<WorkerCounters>,
    ) -> Self {
        Self { number, talk, shared, counters, lead_ns: 0, free_ns: 0 }
    }

    /// Serves until the context is shut down.
    pub(super) fn serve(&mut self) -> Result<(), Errno> {
        let mut request = Request::default();
        loop {
            self.counters.enter(WorkerState::Idle);
            match self.serve_one(&mut request) {
                Ok(()) => {}
                Err(errno) => {
                    self.talk.end();
                    return if errno == Errno::TERM { Ok(()) } else { Err(errno) };
                }
            }
        }
    }

    #[inline]
    fn serve_one(&mut self, request: &mut Request) -> Result<(), Errno> {
        let size = self.talk.receive(request)?;
        if request.body.is_empty() {
            // Only an address, or too much to keep: nothing to answer with.
            self.counters.refused.add(1);
            return self.talk.pass();
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
            self.delay(self.shared.plan.delay_ns(key, reply))?;
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
            self.talk.send_back(request, reply + 1 == replies)?;
            self.counters.replies.add(1);
            self.counters.bytes.add(size);
        }
        if replies == 0 { self.talk.pass() } else { Ok(()) }
    }

    /// Timestamps a request that is sampled, which has one frame more than others, before its body.
    #[inline]
    fn stamp_start(&self, request: &Request) -> Option<Tag> {
        let [.., frame, _body] = &request.body[..] else { return None };
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
    fn delay(&mut self, delay_ns: u64) -> Result<(), Errno> {
        if delay_ns == 0 {
            return Ok(());
        }
        self.counters.enter(WorkerState::Delaying);
        let clock = self.shared.clock;
        let end_ns = clock.now_ns() + delay_ns;
        match self.shared.delay_by {
            DelayBy::Sleep => {
                let mut late = true;
                while clock.now_ns() < end_ns && !self.shared.stop.requested() {
                    self.keep_alive()?;
                    let awake_ns = end_ns.saturating_sub(self.lead_ns);
                    let asleep = clock.until(awake_ns.min(self.talk.due_ns()));
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
                    self.keep_alive()?;
                    std::hint::spin_loop();
                }
            }
        }
        self.free_ns = clock.now_ns();
        Ok(())
    }

    /// Says that the worker is there, if it is time to.
    #[inline]
    fn keep_alive(&mut self) -> Result<(), Errno> {
        let due_ns = self.talk.due_ns();
        if due_ns < u64::MAX && self.shared.clock.now_ns() >= due_ns {
            return self.talk.keep_alive();
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
