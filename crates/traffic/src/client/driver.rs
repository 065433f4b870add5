//! The driver: one thread that runs many clients with an event loop. Hot path.
//!
//! One pass sends what is due, serves the clients of which there is news, and waits for the next instant or event. Its
//! cost follows what moves and not the number of idle clients. Invariant: a client's turn is bounded, whatever it has to
//! send and whatever comes for it; and before the driver waits, it has seen of each client that nothing is left to do,
//! because news of it comes only once (see [`World`]).

mod ending;
#[cfg(test)]
mod sim;
mod timeouts;
mod waiting;

use ending::share_of;
use waiting::came;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::state::{Client, Departure, Greeting, Received};
use super::tracker::Tracker;
use super::world::{Message, World};
use super::{DriverCounters, Event};
use crate::wire::{Errno, Tracer};
use zload_core::message::{Forms, Frames as _};
use zload_core::plan::{Identities, Offered, Plan};
use zload_core::record::{Recorded, Recorder};
use zload_core::scenario::Matching;

/// Requests that one client may send, and messages that it may receive, before the others have their turn.
const BURST: usize = 256;
/// Messages that are received together at most, so that the clock is read once for all of them: for the first of this many
/// that is some 400 ns later than it could be, never earlier, and a message that comes alone is stamped alone.
const INBOX: usize = 8;
/// How long after the end of the sending a late request may still leave.
const LATE_SEND_NS: u64 = 250_000_000;
/// Bodies longer than this take time to write: their request is stamped after that.
const LONG_BODY: u64 = 4 << 10;

/// What a request is written over.
#[derive(Clone, Copy)]
enum Over {
    /// A message that is empty or was refused.
    Nothing,
    /// The reply at this position of the inbox: the cheapest frame is one that exists. What came back as it was sent is kept,
    /// so no byte of the request is a server's.
    Reply(usize),
}

/// What a driver needs besides its clients and its world.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    pub(super) forms: Arc<Forms>,
    pub(super) identities: Identities,
    pub(super) counters: Arc<DriverCounters>,
    pub(super) tell: Sender<Event>,
    pub(super) tracer: Option<Arc<Tracer>>,
}

pub(super) struct Driver<W: World> {
    world: W,
    around: Surroundings,
    clients: Vec<Client>,
    recorder: Recorder,
    tracker: Tracker,
    ready: VecDeque<u32>,
    /// When which client has something to send.
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    /// When the oldest exchange of which client is given up, or one before it that has ended since.
    timeouts: BinaryHeap<Reverse<(u64, u32)>>,
    /// Clients of which the last wait brought news.
    moved: Vec<u32>,
    /// From when to when it slept last.
    asleep: Range<u64>,
    inbox: [Message<W::Body>; INBOX],
    /// What is sent next, unless it is written over a reply.
    request: Message<W::Body>,
    /// Requests that the client may still send whose turn it is.
    sends_left: usize,
    send_end_ns: u64,
    drain_end_ns: u64,
    /// Requests that the clients send after the warm-up, if their number is fixed: the last reply ends the window.
    fixed: Option<u64>,
    /// When the last long body left: what leaves after it is not stamped before it.
    long_sent_ns: u64,
    /// Nothing more is to be sent.
    stopping: bool,
    /// The end was asked for: the drain is short.
    hurrying: bool,
    /// Whether a client that gives up a request gets another connection: where replies are matched by their order, a late one
    /// would be taken for the next.
    renews: bool,
    /// Requests sent and messages received, warm-up and strays included.
    sent: u64,
    received: u64,
    bytes: u64,
}

impl<W: World> Driver<W> {
    pub(super) fn new(
        world: W,
        around: Surroundings,
        tracker: Tracker,
        clients: Vec<Client>,
    ) -> Self {
        let plan = &around.plan;
        let forms = &around.forms;
        let single_reply = plan.constant_replies() == Some(1) && !forms.marks_last();
        let recorder = Recorder::new(plan.warmup_ns(), plan.window_end_ns(), single_reply)
            .with_gaps(!forms.plain)
            .mix(forms.operations().len())
            .late_after(plan.mean_gap_ns())
            .staged(plan)
            .closed(clients.len() as u64, plan.slots_per_client());
        let fixed = plan.fixed_requests().map(|_| share_of(plan, &clients));
        let renews = forms.matching == Matching::Order;
        let send_end_ns = plan.send_end_ns();
        let drain_end_ns = send_end_ns + plan.drain_ns();
        Self {
            world,
            around,
            clients,
            recorder,
            tracker,
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            timeouts: BinaryHeap::new(),
            moved: Vec::new(),
            asleep: 0..0,
            inbox: std::array::from_fn(|_| Message::default()),
            request: Message::default(),
            sends_left: 0,
            send_end_ns,
            drain_end_ns,
            fixed,
            long_sent_ns: 0,
            stopping: false,
            hurrying: false,
            renews,
            sent: 0,
            received: 0,
            bytes: 0,
        }
    }

    /// Runs the clients' part of the plan, from the clock's zero to the end of the drain; gives the world back.
    pub(super) fn run(mut self) -> Result<(Recorded, W), Errno> {
        self.world.await_start();
        self.begin();
        while !self.pass()? {
            self.wait()?;
        }
        Ok(self.finish())
    }

    /// Does all that can be done now; true if the plan is over.
    fn pass(&mut self) -> Result<bool, Errno> {
        let now_ns = self.world.now_ns();
        self.awake_by(now_ns);
        self.hand_out_seconds(now_ns);
        self.notice_stop();
        self.queue_due(now_ns);
        self.give_up_expired(now_ns)?;
        self.serve_ready()?;
        self.notice_last(now_ns);
        Ok(self.is_over(now_ns))
    }

    fn begin(&mut self) {
        for index in 0..u32::try_from(self.clients.len()).expect("clients are counted in 32 bits") {
            let client = &mut self.clients[index as usize];
            match self.around.plan.offered() {
                Offered::Open { .. } => {
                    if let Some(intended_ns) = client.next_intended_ns() {
                        client.has_timer = true;
                        self.timers.push(Reverse((intended_ns, index)));
                    }
                }
                Offered::Closed { in_flight, .. } => {
                    let begins_ns = |slot| self.around.plan.slot_begins_ns(client.number, slot);
                    let begin = (0..*in_flight).map(|slot| Reverse((begins_ns(slot), index)));
                    self.timers.extend(begin);
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
            let client = &mut self.clients[index as usize];
            client.has_timer = false;
            // Each timer of a closed load is one slot's think time; an open load's schedule knows.
            client.free_slot(due_ns);
            self.queue(index);
        }
    }

    /// Gives each client that is ready its turn. A stop is noticed between two turns, for a pass over many clients that
    /// all have much to do may take long.
    fn serve_ready(&mut self) -> Result<(), Errno> {
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else { break };
            self.clients[index as usize].queued = false;
            self.notice_stop();
            self.serve(index)?;
        }
        Ok(())
    }

    /// One client's turn: sends what it has due and receives what has come for it. What is left has its turn after the
    /// others.
    fn serve(&mut self, index: u32) -> Result<(), Errno> {
        self.sends_left = BURST;
        self.send_due(index)?;
        let emptied = self.receive(index)?;
        if !self.world.flush(index)? {
            self.disconnected(index)?;
        }
        if !emptied || self.sends_left == 0 {
            self.queue(index);
        } else if self.clients[index as usize].blocked {
            // What was not possible may have become so meanwhile, and this look takes the news of it away.
            let possible = self.world.possible(index)?;
            if possible.receive || possible.send && !self.stopping {
                self.queue(index);
            }
        }
        self.publish();
        Ok(())
    }

    /// Sends the requests of a client that are due, and sets a timer for the first that is not.
    fn send_due(&mut self, index: u32) -> Result<(), Errno> {
        let client = &mut self.clients[index as usize];
        if client.blocked {
            client.blocked = false;
            client.held_until_ns = self.world.now_ns();
        }
        while let Some(intended_ns) = self.clients[index as usize].next_intended_ns() {
            let now_ns = self.world.now_ns();
            if intended_ns > now_ns {
                let client = &mut self.clients[index as usize];
                if !client.has_timer {
                    client.has_timer = true;
                    self.timers.push(Reverse((intended_ns, index)));
                }
                break;
            }
            if self.stopping
                || now_ns >= self.send_end_ns + LATE_SEND_NS
                || intended_ns >= self.send_end_ns
                || !self.send(index, intended_ns, now_ns, Over::Nothing)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Sends a client's next request; false if its turn is over or the send queue is full.
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
        if self.sends_left == 0 {
            return Ok(false);
        }
        self.sends_left -= 1;
        if self.clients[index as usize].greeting == Greeting::ToSend && !self.greet(index)? {
            return Ok(false);
        }
        let Self { world, around, clients, recorder, tracker, .. } = self;
        let client = &mut clients[index as usize];
        let planned = client.next_planned(&around.plan);
        let request = match over {
            Over::Nothing => &mut self.request,
            Over::Reply(position) => &mut self.inbox[position],
        };
        let forms = &around.forms;
        let operation = if forms.plain { 0 } else { around.plan.operation(planned.key) };
        let bytes = client.write(forms, (&planned, operation), request)?;
        if let Some(tracer) = &around.tracer {
            tracer.show(format_args!(
                "client {} sends request #{}, {} bytes",
                client.identity,
                client.next_request() + 1,
                bytes
            ));
        }
        let sent_ns = if bytes > LONG_BODY {
            self.long_sent_ns = world.now_ns();
            self.long_sent_ns
        } else {
            now_ns.max(self.long_sent_ns)
        };
        let tag = if planned.replies > 0 { tracker.begin(planned.key) } else { None };
        if !world.send(index, tag.filter(|_| tracker.sends_tag(planned.key)), request)? {
            client.blocked = true;
            if let Some(tag) = tag {
                tracker.cancel(tag);
            }
            if let Some(tracer) = &around.tracer {
                tracer.show(format_args!(
                    "client {} cannot send it yet: the send queue is full",
                    client.identity
                ));
            }
            return Ok(false);
        }
        let track = tag.and_then(|tag| tracker.track(tag));
        if track.is_some() && tracker.follows(planned.key) {
            world.ask_arrivals(index, true);
        }
        if around.forms.matching == Matching::Order && !client.outstanding.is_empty() {
            recorder.overlaps();
        }
        let request =
            client.sent(&Departure { planned, intended_ns, sent_ns, operation, track }, recorder);
        self.sent += 1;
        self.bytes += bytes;
        if planned.replies == 0 {
            self.slot_freed(index, request, (intended_ns, 0), sent_ns);
        } else if !client.watched {
            self.watch(index);
        }
        Ok(true)
    }

    /// A request of a closed load is over, with what it is in its cycle: when it was intended, and its replies. The next one
    /// leaves after the think time, or at once.
    #[inline]
    fn slot_freed(&mut self, index: u32, request: u64, cycle: (u64, u32), now_ns: u64) {
        let client = &mut self.clients[index as usize];
        let Some(think_ns) = self.around.plan.think_ns(client.key(request)) else { return };
        self.recorder.cycles().ended(cycle.0..now_ns + think_ns, request, cycle.1, now_ns);
        if self.stopping || now_ns >= self.send_end_ns {
            return;
        }
        match think_ns {
            0 => client.free_slot(now_ns),
            _ => self.timers.push(Reverse((now_ns + think_ns, index))),
        }
    }

    /// Receives what has come for a client; true if nothing is left. A slot that frees is filled at once.
    ///
    /// It starts with one message and takes twice as many each time, up to a full inbox: what comes alone waits for
    /// nothing. The last receive must have found nothing after the last send (see [`World`]).
    fn receive(&mut self, index: u32) -> Result<bool, Errno> {
        let (mut most, mut left) = (1, BURST);
        while left > 0 {
            let taken = self.world.take(index, &mut self.inbox[..most])?;
            let sent = self.sent;
            if taken.count > 0 {
                let now_ns = self.world.now_ns();
                self.received += taken.count as u64;
                self.clients[index as usize].messages += taken.count as u64;
                // Nobody waits for what comes after the drain.
                let heard = if now_ns <= self.drain_end_ns { taken.count } else { 0 };
                for position in 0..taken.count {
                    if self.tracker.sends_tags() {
                        self.inbox[position].take_out_tag();
                    }
                    self.bytes += self.size(position);
                    if position < heard {
                        self.received(index, position, now_ns)?;
                    }
                }
            }
            if taken.emptied && self.sent == sent {
                return Ok(true);
            }
            left = left.saturating_sub(most);
            most = (most * 2).min(INBOX);
        }
        Ok(false)
    }

    /// Bytes of the message at `position` of the inbox: of its body, where that is all of it.
    #[inline]
    fn size(&self, position: usize) -> u64 {
        let message = &self.inbox[position];
        let from = if self.around.forms.plain { message.count().saturating_sub(1) } else { 0 };
        message.size(from) as u64
    }

    /// Takes in the message at `position` of the inbox, and fills the slot that it may free.
    #[inline]
    fn received(&mut self, index: u32, position: usize, now_ns: u64) -> Result<(), Errno> {
        let Self { world, around, clients, recorder, tracker, inbox, asleep, .. } = self;
        let client = &mut clients[index as usize];
        let message = &inbox[position];
        if client.greeting == Greeting::ToBeAnswered {
            client.greeting = Greeting::Done;
            return Ok(());
        }
        let forms = (&*around.plan, &*around.forms);
        let received = client.receive(forms, message, now_ns, recorder);
        if let Some(tracer) = &around.tracer {
            tracer.show(format_args!("client {} receives {received}", client.identity));
        }
        let (exchange, failed) = match received {
            Received::Reply(exchange, failed) => (exchange, failed),
            Received::Overdue => {
                self.give_up(index, now_ns)?;
                return self.received(index, position, now_ns);
            }
            Received::Other(_) => return Ok(()),
        };
        if exchange.track.is_some() {
            let key = client.key(exchange.request);
            if exchange.received == 1 && tracker.follows(key) {
                world.ask_arrivals(index, false);
            }
            if failed {
                tracker.leave_out(&exchange);
                client.forget_track(exchange.request);
            } else {
                tracker.reply(client.number, key, &exchange, came(world, asleep, now_ns));
            }
        }
        if exchange.received == exchange.owed {
            let cycle = (exchange.intended_ns, exchange.received - exchange.failed);
            self.slot_freed(index, exchange.request, cycle, now_ns);
            self.fill_slots(index, position, now_ns)?;
        }
        Ok(())
    }

    /// Sends for the free slots of a closed load, the first time over the reply that freed one at `now_ns`.
    #[inline]
    fn fill_slots(&mut self, index: u32, position: usize, now_ns: u64) -> Result<(), Errno> {
        if matches!(self.around.plan.offered(), Offered::Open { .. })
            || self.clients[index as usize].blocked
            || now_ns >= self.send_end_ns
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

    fn hand_out_seconds(&mut self, now_ns: u64) {
        while let Some(slice) = self.recorder.finished_second(now_ns) {
            // The receiver is gone first only when the run has failed: the slice is not needed.
            let _gone = self.around.tell.send(Event::Second(Box::new(slice)));
        }
    }

    #[inline]
    fn notice_stop(&mut self) {
        if self.world.sending_ended() {
            self.end_early();
        }
    }

    fn publish(&self) {
        let counters = &self.around.counters;
        counters.in_flight.set(self.recorder.in_flight());
        counters.requests.set(self.sent);
        counters.replies.set(self.received);
        counters.bytes.set(self.bytes);
    }
}
