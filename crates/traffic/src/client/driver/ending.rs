//! How a driver ends: what was not sent and what is still waited for find their place in the ledger.

use super::{Driver, Event, LATE_SEND_NS};
use crate::client::state::Client;
use crate::client::world::World;
use zload_core::plan::{Offered, Plan, StagePlan};
use zload_core::record::Recorded;

/// The longest drain once the end was asked for: the report must come within a second.
const STOPPED_DRAIN_NS: u64 = 200_000_000;

/// Requests that these clients of a closed load send after the warm-up, if their number is fixed; an open load ends by its
/// schedules.
pub(super) fn share_of(plan: &Plan, clients: &[Client]) -> u64 {
    clients.iter().map(|client| plan.quota(client.number)).fold(0, u64::saturating_add)
}

impl<W: World> Driver<W> {
    /// Sends nothing more, and waits for what is outstanding as at the end of the plan, or hardly if the end of the run was asked for.
    #[cold]
    pub(super) fn end_early(&mut self) {
        let hurries = self.world.stop_requested();
        if self.hurrying || self.stopping && !hurries {
            return;
        }
        let now_ns = self.world.now_ns();
        let drain_ns = if hurries { STOPPED_DRAIN_NS } else { self.around.plan.drain_ns() };
        (self.stopping, self.hurrying) = (true, hurries);
        self.recorder.end_window(now_ns);
        self.send_end_ns = self.send_end_ns.min(now_ns);
        self.drain_end_ns = self.drain_end_ns.min(now_ns + drain_ns);
    }

    /// Whether the plan is over: nothing is to be sent any more, and nothing waited for.
    pub(super) fn is_over(&self, now_ns: u64) -> bool {
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
        let settled = match self.fixed {
            None => self.recorder.in_flight() == 0,
            // Nothing of the warm-up is waited for.
            Some(_) => self.recorder.is_settled(),
        };
        now_ns >= self.drain_end_ns || (settled && all_sent())
    }

    /// Ends the sending of a closed load with its last request, if the number of these is fixed.
    pub(super) fn notice_last(&mut self, now_ns: u64) {
        let Some(fixed) = self.fixed else { return };
        if self.recorder.counted() == fixed && now_ns < self.send_end_ns {
            self.send_end_ns = now_ns;
            self.drain_end_ns = now_ns + self.around.plan.drain_ns();
        }
    }

    /// Closes the ledger.
    pub(super) fn finish(mut self) -> (Recorded, W) {
        let now_ns = self.world.now_ns();
        self.renews = false;
        self.give_up_expired(now_ns).expect("only a connection that is renewed can fail");
        let plan = &self.around.plan;
        let until_ns = plan.countable_until_ns(now_ns);
        let due_ns = match plan.offered() {
            Offered::Open { .. } => until_ns,
            // What a slot would send after the end is not planned.
            Offered::Closed { .. } => self.send_end_ns,
        };
        let unsent = |client: &Client| match self.fixed {
            Some(_) if plan.slots_per_client() > 0 => client.left(),
            _ => client.unsent(plan.warmup_ns(), due_ns),
        };
        let unsent = self.clients.iter().map(unsent).sum();
        self.recorder.unsent(unsent, until_ns == plan.send_end_ns());
        let of_stage = |stage: &StagePlan| {
            let to_ns = stage.to_ns.min(due_ns);
            self.clients.iter().map(|client| client.unsent(stage.from_ns, to_ns)).sum()
        };
        self.recorder.unsent_in_stages(plan.stages().iter().map(of_stage));
        if self.fixed.is_some() && !self.stopping {
            self.recorder.end_whole(now_ns.min(self.drain_end_ns));
        }
        for client in &self.clients {
            for exchange in client.outstanding.iter() {
                self.tracker.given_up(client.number, client.key(exchange.request), exchange);
            }
        }
        let open = self.clients.iter().flat_map(|client| client.outstanding.iter());
        let (mut recorded, seconds) = self.recorder.finish(open, now_ns);
        recorded.traces = self.tracker.finish();
        for client in &self.clients {
            if client.next_request() > 0 && client.messages == 0 {
                recorded.unheard.add(&client.identity);
            }
        }
        for slice in seconds {
            let _gone = self.around.tell.send(Event::Second(Box::new(slice)));
        }
        (recorded, self.world)
    }
}
