//! The driver: one thread that carries many clients with an event loop. Hot path.
//!
//! One pass sends what is due, serves the clients whose sockets moved, and waits for the next instant or event. Its
//! cost follows what moves and not the number of idle clients. Invariant: before the driver waits, the last thing done
//! with each client's socket was a receive that found nothing, because ZeroMQ signals a socket only once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::client::{Client, Departure, Received, Sending};
use super::clients::Event;
use super::clock::Clock;
use super::counters::DriverCounters;
use super::errno::Errno;
use super::frame::Frame;
use super::inbox::Inbox;
use super::stations::Stations;
use super::stop::Stop;
use super::trace::Trace;
use super::tracker::Tracker;
use super::waiter::Waiter;
use crate::measure::{Exchange, Recorded, Recorder};
use crate::plan::{Offered, Plan};

/// Messages that one client may receive before the others have their turn.
const BURST: usize = 256;
/// The longest wait: requests are looked at for their timeout this often.
const LONGEST_WAIT_NS: u64 = 100_000_000;
/// How long after the end of the sending a late request may still leave.
const LATE_SEND_NS: u64 = 250_000_000;
/// The longest drain once the end was asked for: the report is owed within a second.
const STOPPED_DRAIN_NS: u64 = 200_000_000;

/// Bodies longer than this take time to write: their request is stamped after that.
const LONG_BODY: usize = 4 << 10;

/// What a request is written over.
#[derive(Clone, Copy)]
enum Over {
    /// A frame that is empty or was refused.
    Nothing,
    /// The reply at this position of the inbox, if it is as long: the cheapest frame is one that exists.
    Reply(usize),
}

/// What a driver needs besides its clients.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    pub(super) clock: Clock,
    pub(super) stop: Arc<Stop>,
    pub(super) counters: Arc<DriverCounters>,
    pub(super) tell: Sender<Event>,
    pub(super) trace: Option<Arc<Trace>>,
    /// Where the server stamps sampled requests, if it is ours.
    pub(super) stations: Option<Arc<Stations>>,
    /// Which driver of how many.
    pub(super) driver: (u32, u32),
}

/// The event loop and what it carries.
pub(super) struct Driver {
    around: Surroundings,
    waiter: Waiter,
    clients: Vec<Client>,
    recorder: Recorder,
    tracker: Tracker,
    /// Clients to serve in this pass, by index.
    ready: VecDeque<u32>,
    /// When which client has something to send.
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    /// What was received last.
    inbox: Inbox,
    /// What is sent next, unless it is written over a reply.
    request_frame: Frame,
    send_end_ns: u64,
    drain_end_ns: u64,
    timeouts_at_ns: u64,
    stopping: bool,
    /// Requests sent and messages received, warm-up and strays included.
    sent: u64,
    received: u64,
    bytes: u64,
}

impl Driver {
    pub(super) fn new(around: Surroundings, epoll: OwnedFd, clients: Vec<Client>) -> Self {
        let plan = &around.plan;
        let single_reply = plan.constant_replies() == Some(1);
        let recorder = Recorder::new(plan.warmup_ns(), plan.send_end_ns(), single_reply)
            .late_after(plan.mean_gap_ns());
        let (send_end_ns, drain_end_ns) =
            (plan.send_end_ns(), plan.send_end_ns() + plan.drain_ns());
        let tracker = Tracker::new(plan, around.stations.clone(), around.clock, around.driver);
        let waiter = Waiter::new(epoll, plan, clients.len());
        Self {
            around,
            waiter,
            clients,
            recorder,
            tracker,
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            inbox: Inbox::new(),
            request_frame: Frame::new(),
            send_end_ns,
            drain_end_ns,
            timeouts_at_ns: LONGEST_WAIT_NS,
            stopping: false,
            sent: 0,
            received: 0,
            bytes: 0,
        }
    }

    /// Plays the clients' part of the plan, from the clock's zero to the end of the drain.
    pub(super) fn run(mut self) -> Result<Recorded, Errno> {
        self.around.stop.sleep(self.around.clock.until(0));
        self.begin();
        loop {
            let now_ns = self.around.clock.now_ns();
            self.hand_out_seconds(now_ns);
            self.notice_stop(now_ns);
            self.queue_due(now_ns);
            self.serve_ready()?;
            if now_ns >= self.timeouts_at_ns {
                self.give_up_waiting(now_ns);
            }
            self.publish();
            if self.is_over(now_ns) {
                return Ok(self.finish());
            }
            self.wait()?;
        }
    }

    /// Puts the first request of every client on the agenda.
    fn begin(&mut self) {
        for index in 0..u32::try_from(self.clients.len()).expect("clients are counted in 32 bits") {
            let client = &mut self.clients[index as usize];
            match self.around.plan.offered() {
                Offered::Open { .. } => {
                    if let Some(intended_ns) = client.next_intended_ns() {
                        self.timers.push(Reverse((intended_ns, index)));
                    }
                }
                Offered::Closed { in_flight, .. } => {
                    (0..*in_flight).for_each(|_| client.free_slot(0));
                    self.queue(index);
                }
            }
        }
    }

    fn queue(&mut self, index: u32) {
        let client = &mut self.clients[index as usize];
        if !client.queued {
            client.queued = true;
            self.ready.push_back(index);
        }
    }

    /// Queues the clients that have something to send now.
    fn queue_due(&mut self, now_ns: u64) {
        while let Some(&Reverse((due_ns, index))) = self.timers.peek()
            && due_ns <= now_ns
        {
            self.timers.pop();
            // In a closed load each timer is one slot's think time; an open load's schedule knows by itself.
            self.clients[index as usize].free_slot(due_ns);
            self.queue(index);
        }
    }

    fn serve_ready(&mut self) -> Result<(), Errno> {
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else { break };
            self.clients[index as usize].queued = false;
            self.serve(index)?;
        }
        Ok(())
    }

    /// Sends what a client has due and receives what has come for it, until neither is left or others have waited
    /// long enough.
    fn serve(&mut self, index: u32) -> Result<(), Errno> {
        loop {
            self.send_due(index)?;
            if !self.receive(index)? {
                self.queue(index);
                return Ok(());
            }
            // A refused send may have become possible while receiving, and the signal for it is then gone.
            let client = &mut self.clients[index as usize];
            if !client.blocked {
                return Ok(());
            }
            let writable = client.socket.get_events().map_err(Errno::from)?.contains(zmq::POLLOUT);
            if !writable || self.stopping {
                return Ok(());
            }
        }
    }

    /// Sends all requests of a client that are due, and sets a timer for the first that is not.
    fn send_due(&mut self, index: u32) -> Result<(), Errno> {
        let client = &mut self.clients[index as usize];
        if client.blocked {
            client.blocked = false;
            client.held_until_ns = self.around.clock.now_ns();
        }
        let mut sent_any = false;
        while let Some(intended_ns) = self.clients[index as usize].next_intended_ns() {
            let now_ns = self.around.clock.now_ns();
            if intended_ns > now_ns {
                // Without a request sent, the timer that is set for this one is still there.
                if sent_any {
                    self.timers.push(Reverse((intended_ns, index)));
                }
                break;
            }
            if self.stopping
                || now_ns >= self.send_end_ns + LATE_SEND_NS
                || intended_ns >= self.send_end_ns
            {
                break;
            }
            if !self.send(index, intended_ns, now_ns, Over::Nothing)? {
                break;
            }
            sent_any = true;
        }
        Ok(())
    }

    /// Sends a client's next request; false if ZeroMQ takes no more.
    ///
    /// `now_ns` is when the request counts as sent, unless its body takes long to write. It was read just before or, in a
    /// closed load, with the inbox whose reply freed the slot: never later than ZeroMQ had the request, and earlier by no
    /// more than what handling a full inbox takes, so that a service time is never too short.
    #[inline]
    fn send(
        &mut self,
        index: u32,
        intended_ns: u64,
        now_ns: u64,
        over: Over,
    ) -> Result<bool, Errno> {
        let Self { around, clients, recorder, tracker, .. } = self;
        let client = &mut clients[index as usize];
        let planned = client.next_planned(&around.plan);
        let frame = match over {
            Over::Nothing => &mut self.request_frame,
            Over::Reply(position) => self.inbox.frame(position),
        };
        client.write(&planned, frame)?;
        if let Some(trace) = &around.trace {
            trace.show(format_args!(
                "client {} sends request #{}, {} bytes",
                client.identity,
                client.next_request() + 1,
                planned.payload
            ));
        }
        let sent_ns = if planned.payload > LONG_BODY { around.clock.now_ns() } else { now_ns };
        let tag = if planned.replies > 0 { tracker.begin(planned.key) } else { None };
        let departure = Departure {
            planned,
            intended_ns,
            sent_ns,
            track: tag.and_then(|tag| tracker.track(tag)),
            tag: tag.filter(|_| tracker.sends_tags()),
        };
        let Sending::Sent { request, owed } = client.send(&departure, frame, recorder)? else {
            if let Some(tag) = tag {
                tracker.cancel(tag);
            }
            if let Some(trace) = &around.trace {
                trace.show(format_args!("client {} finds no room for it", client.identity));
            }
            return Ok(false);
        };
        self.sent += 1;
        self.bytes += planned.payload as u64;
        if owed == 0 {
            self.slot_freed(index, request, sent_ns);
        }
        Ok(true)
    }

    /// A request of a closed load is over: the next one leaves after the think time, or at once.
    #[inline]
    fn slot_freed(&mut self, index: u32, request: u64, now_ns: u64) {
        if self.stopping || now_ns >= self.send_end_ns {
            return;
        }
        let client = &mut self.clients[index as usize];
        match self.around.plan.think_ns(client.key(request)) {
            None => {}
            Some(0) => client.free_slot(now_ns),
            Some(think_ns) => self.timers.push(Reverse((now_ns + think_ns, index))),
        }
    }

    /// Receives what has come for a client; true if nothing is left. A slot that frees is filled at once.
    ///
    /// It begins with one message and takes twice as many each time, up to a full inbox: what comes alone waits for
    /// nothing. The last receive must have found nothing after the last send (see [`super::connect::connect`]).
    fn receive(&mut self, index: u32) -> Result<bool, Errno> {
        let (mut most, mut left) = (1, BURST);
        while left > 0 {
            let taken = self.inbox.take(&self.clients[index as usize].socket, most)?;
            let sent = self.sent;
            if taken.count > 0 {
                let now_ns = self.around.clock.now_ns();
                self.received += taken.count as u64;
                self.clients[index as usize].heard = true;
                self.bytes += taken.bytes;
                for position in 0..taken.count {
                    self.received(index, position, now_ns)?;
                }
            }
            if taken.emptied && self.sent == sent {
                return Ok(true);
            }
            left = left.saturating_sub(most);
            most = (most * 2).min(Inbox::MOST);
        }
        Ok(false)
    }

    /// Takes in the message at `position` of the inbox, and fills the slot that it may free.
    #[inline]
    fn received(&mut self, index: u32, position: usize, now_ns: u64) -> Result<(), Errno> {
        let Self { around, clients, recorder, tracker, inbox, .. } = self;
        let client = &mut clients[index as usize];
        let body = inbox.frame(position).bytes();
        let received = client.receive(&around.plan, body, now_ns, recorder);
        if let Some(trace) = &around.trace {
            show_received(trace, client, &received);
        }
        let Received::Reply(exchange) = received else { return Ok(()) };
        if exchange.track.is_some() {
            tracker.reply(client.number, client.key(exchange.request), &exchange, now_ns);
        }
        if exchange.received == exchange.owed {
            self.slot_freed(index, exchange.request, now_ns);
            self.fill_slots(index, position, now_ns)?;
        }
        Ok(())
    }

    /// Sends for the free slots of a closed load, the first time over the reply that freed one at `now_ns`.
    #[inline]
    fn fill_slots(&mut self, index: u32, position: usize, now_ns: u64) -> Result<(), Errno> {
        if matches!(self.around.plan.offered(), Offered::Open { .. })
            || self.clients[index as usize].blocked
        {
            return Ok(());
        }
        while let Some(intended_ns) = self.clients[index as usize].next_intended_ns() {
            if !self.send(index, intended_ns, now_ns, Over::Reply(position))? {
                break;
            }
        }
        Ok(())
    }

    /// Gives up requests that have waited beyond the timeout, and fills their slots.
    fn give_up_waiting(&mut self, now_ns: u64) {
        self.timeouts_at_ns = now_ns + LONGEST_WAIT_NS;
        let Some(sent_before_ns) =
            self.around.plan.timeout_ns().and_then(|timeout| now_ns.checked_sub(timeout))
        else {
            return;
        };
        for index in 0..u32::try_from(self.clients.len()).unwrap_or(u32::MAX) {
            let client = &mut self.clients[index as usize];
            let freed = client.give_up(sent_before_ns, now_ns, &mut self.recorder);
            let request = client.next_request();
            for slot in 0..u64::from(freed) {
                self.slot_freed(index, request + slot, now_ns);
            }
            if freed > 0 {
                self.queue(index);
            }
        }
    }

    fn hand_out_seconds(&mut self, now_ns: u64) {
        while let Some(slice) = self.recorder.finished_second(now_ns) {
            // The receiver goes first only when the run has failed, and then nobody wants the slice.
            let _gone = self.around.tell.send(Event::Second(slice));
        }
    }

    fn notice_stop(&mut self, now_ns: u64) {
        if !self.stopping && self.around.stop.requested() {
            self.stopping = true;
            self.send_end_ns = self.send_end_ns.min(now_ns);
            self.drain_end_ns = self.drain_end_ns.min(now_ns + STOPPED_DRAIN_NS);
        }
    }

    fn publish(&self) {
        let counters = &self.around.counters;
        counters.in_flight.set(self.recorder.in_flight());
        counters.requests.set(self.sent);
        counters.replies.set(self.received);
        counters.bytes.set(self.bytes);
    }

    fn is_over(&self, now_ns: u64) -> bool {
        if now_ns < self.send_end_ns {
            return false;
        }
        let all_sent = || {
            self.stopping
                || now_ns >= self.send_end_ns + LATE_SEND_NS
                || self.clients.iter().all(|client| {
                    client
                        .next_intended_ns()
                        .is_none_or(|intended_ns| intended_ns >= self.send_end_ns)
                })
        };
        now_ns >= self.drain_end_ns || (self.recorder.in_flight() == 0 && all_sent())
    }

    /// Waits until a client's socket moves, the next instant of the plan comes, or the end is asked for.
    fn wait(&mut self) -> Result<(), Errno> {
        let now_ns = self.around.clock.now_ns();
        let mut until_ns = now_ns + LONGEST_WAIT_NS;
        for edge_ns in [self.send_end_ns, self.send_end_ns + LATE_SEND_NS, self.drain_end_ns] {
            if edge_ns > now_ns {
                until_ns = until_ns.min(edge_ns);
            }
        }
        let wait_ns = if self.ready.is_empty() { until_ns - now_ns } else { 0 };
        let due_in_ns =
            self.timers.peek().map(|Reverse((due_ns, _))| due_ns.saturating_sub(now_ns));
        let slept = self.waiter.wait(wait_ns, due_in_ns)?;
        self.around.counters.wakes.add(u64::from(slept));
        for position in 0..self.waiter.moved() {
            if let Some(index) = self.waiter.client(position) {
                self.queue(index);
            }
        }
        Ok(())
    }

    /// Closes the ledger.
    fn finish(mut self) -> Recorded {
        let plan = &self.around.plan;
        let now_ns = self.around.clock.now_ns();
        let until_ns = plan.countable_until_ns(now_ns);
        let unsent =
            self.clients.iter().map(|client| client.unsent(plan.warmup_ns(), until_ns)).sum();
        self.recorder.unsent(unsent, until_ns == plan.send_end_ns());
        for client in &mut self.clients {
            let (number, keys) = (client.number, client.keys());
            for exchange in client.outstanding.iter_mut() {
                self.tracker.unanswered(number, keys.request(exchange.request), exchange);
            }
        }
        let open = self.clients.iter_mut().flat_map(|client| client.outstanding.iter_mut());
        let (mut recorded, seconds) = self.recorder.finish(open, now_ns);
        recorded.ways = self.tracker.finish();
        for client in &self.clients {
            if client.next_request() > 0 && !client.heard {
                recorded.unheard.add(&client.identity);
            }
        }
        for slice in seconds {
            let _gone = self.around.tell.send(Event::Second(slice));
        }
        recorded
    }
}

fn show_received(trace: &Trace, client: &Client, received: &Received) {
    match received {
        Received::Reply(Exchange { request, received, owed, .. }) => trace.show(format_args!(
            "client {} receives reply {received} of {owed} to request #{}",
            client.identity,
            request + 1
        )),
        Received::Other(what) => {
            trace.show(format_args!("client {} receives {what}", client.identity));
        }
    }
}
