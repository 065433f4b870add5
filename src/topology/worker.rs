//! The worker: serves one request at a time, sends it back 0..n times, with a delay before each. Hot path.
//!
//! Invariant: fan-out and delays of a request from zload come from the request itself, so any worker of any process
//! with the same scenario answers it the same way.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::Clock;
use super::context::Socket;
use super::counters::{WorkerCounters, WorkerState};
use super::errno::Errno;
use super::frame::Frame;
use super::stop::Stop;
use super::trace::Trace;
use super::wire::Header;
use crate::plan::{DrawKey, Plan};
use crate::scenario::DelayBy;

/// What all workers of a server share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) stop: Arc<Stop>,
    pub(super) delay_by: DelayBy,
    /// Requests of foreign clients so far: they carry no key, so each gets the draws of its place in this order.
    pub(super) foreign: AtomicU64,
    pub(super) trace: Option<Arc<Trace>>,
}

pub(super) struct Worker {
    number: u32,
    shared: Arc<Shared>,
    counters: Arc<WorkerCounters>,
    /// How much earlier than it should be awake it asks to be woken, learnt from how late it is woken.
    lead_ns: u64,
}

/// What the lead grows by when the worker was woken too late, and half of which it shrinks by when it was not: it
/// settles where a third of the sleeps end too late, by little, and the rest wait a little awake.
const LEAD_STEP_NS: u64 = 2_000;
/// The longest lead: no delay spends more than this awake.
const LONGEST_LEAD_NS: u64 = 100_000;

/// A request as it came: who sent it, and everything after that.
#[derive(Default)]
struct Request {
    address: Frame,
    /// One frame from most clients; an empty one before it from those that speak as REQ does.
    body: Vec<Frame>,
}

impl Worker {
    pub(super) fn new(number: u32, shared: Arc<Shared>, counters: Arc<WorkerCounters>) -> Self {
        Self { number, shared, counters, lead_ns: 0 }
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
        request.receive(socket)?;
        let Some(content) = request.body.last() else {
            // Only an address: nothing to answer with.
            return Ok(());
        };
        let (header, size) = (Header::decode(content.bytes()), content.size() as u64);
        let key = header.map_or_else(|| self.foreign_key(&request.address), |header| header.key);
        let replies = self.shared.plan.replies(key);
        self.counters.requests.add(1);
        self.counters.bytes.add(size);
        if let Some(trace) = &self.shared.trace {
            trace.show(format_args!(
                "worker {} takes {}, {replies} replies planned",
                self.number,
                describe(request, header)
            ));
        }
        for reply in 0..replies {
            self.delay(self.shared.plan.delay_ns(key, reply));
            if self.shared.stop.requested() {
                return Err(Errno::TERM);
            }
            self.counters.enter(WorkerState::Sending);
            if let Some(trace) = &self.shared.trace {
                let number = reply + 1;
                trace
                    .show(format_args!("worker {} sends reply {number} of {replies}", self.number));
            }
            request.send_back(socket, reply + 1 == replies)?;
            self.counters.replies.add(1);
            self.counters.bytes.add(size);
        }
        Ok(())
    }

    /// The key for a request that carries none: no two alike, and different clients' apart.
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
        let clock = Clock::start();
        match self.shared.delay_by {
            DelayBy::Sleep => {
                let mut late = true;
                while clock.now_ns() < delay_ns && !self.shared.stop.requested() {
                    let asleep = clock.until(delay_ns.saturating_sub(self.lead_ns));
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
                while clock.now_ns() < delay_ns && !self.shared.stop.requested() {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

impl Request {
    #[inline]
    fn receive(&mut self, socket: &Socket) -> Result<(), Errno> {
        receive_frame(&mut self.address, socket)?;
        let mut frames = 0;
        let mut more = self.address.more();
        while more {
            if self.body.len() == frames {
                self.body.push(Frame::new());
            }
            receive_frame(&mut self.body[frames], socket)?;
            more = self.body[frames].more();
            frames += 1;
        }
        self.body.truncate(frames);
        Ok(())
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
                send_frame(frame, socket, flags)?;
            } else {
                send_frame(&mut frame.share(), socket, flags)?;
            }
        }
        Ok(())
    }
}

#[inline]
fn receive_frame(frame: &mut Frame, socket: &Socket) -> Result<(), Errno> {
    loop {
        match frame.receive(socket, 0) {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

#[inline]
fn send_frame(frame: &mut Frame, socket: &Socket, flags: i32) -> Result<(), Errno> {
    loop {
        match frame.send(socket, flags) {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

fn describe(request: &Request, header: Option<Header>) -> String {
    let address = String::from_utf8_lossy(request.address.bytes());
    if let Some(header) = header {
        return format!("request #{} of client {address}", header.request + 1);
    }
    let content = request.body.last().map(|frame| String::from_utf8_lossy(frame.bytes()));
    format!("{:?} of foreign client {address:?}", content.unwrap_or_default())
}
