//! When requests are given up: at the instant of their timeout, whenever the driver comes to it.
//!
//! The exchanges of a client expire in the order in which they were sent, so its oldest decides, and the driver keeps one
//! instant for each client that has any. Invariant: that instant is never later than the oldest exchange's, and a reply is
//! compared with its own exchange, so that a late or skipped check changes no count.

use std::cmp::Reverse;

use super::Driver;
use crate::client::state::Greeting;
use crate::client::world::World;
use crate::wire::Errno;
use zload_core::record::Exchange;

/// A wait for news alone is cheaper than one for an instant, and may be this much longer than asked.
const ROUGHLY_NS: u64 = 1_000_000;

impl<W: World> Driver<W> {
    /// Looks after the oldest exchange of a client from now on.
    #[cold]
    pub(super) fn watch(&mut self, index: u32) {
        let client = &mut self.clients[index as usize];
        let expires_ns = client.expires_ns();
        client.watched = expires_ns.is_some();
        self.timeouts.extend(expires_ns.map(|at_ns| Reverse((at_ns, index))));
    }

    /// Until when a wait for news may go on as far as timeouts are concerned, and what is due then: the next request is given
    /// up. If that is far away, it may be answered before.
    pub(super) fn next_timeout_ns(&mut self, now_ns: u64) -> (u64, Option<u64>) {
        while let Some(&Reverse((at_ns, index))) = self.timeouts.peek() {
            if at_ns > now_ns + ROUGHLY_NS {
                return (at_ns - ROUGHLY_NS, None);
            }
            if self.clients[index as usize].expires_ns() == Some(at_ns) {
                return (u64::MAX, Some(at_ns + 1));
            }
            self.timeouts.pop();
            self.watch(index);
        }
        (u64::MAX, None)
    }

    /// Gives up all requests whose timeout was over before `now_ns`.
    pub(super) fn give_up_expired(&mut self, now_ns: u64) -> Result<(), Errno> {
        while let Some(&Reverse((at_ns, index))) = self.timeouts.peek()
            && at_ns < now_ns
        {
            self.timeouts.pop();
            self.give_up(index, now_ns)?;
            self.watch(index);
            self.publish();
        }
        Ok(())
    }

    /// Gives up those of one client, and frees their slots.
    #[cold]
    pub(super) fn give_up(&mut self, index: u32, now_ns: u64) -> Result<(), Errno> {
        let mut any = false;
        while let Some((exchange, at_ns)) =
            self.clients[index as usize].give_up(now_ns, &mut self.recorder)
        {
            any = true;
            self.gave_up(index, &exchange, at_ns);
        }
        if any && self.renews {
            self.renew(index, now_ns)?;
        }
        Ok(())
    }

    fn gave_up(&mut self, index: u32, exchange: &Exchange, at_ns: u64) {
        self.ask_no_more(index, exchange);
        let client = &self.clients[index as usize];
        self.tracker.given_up(client.number, client.key(exchange.request), exchange);
        let cycle = (exchange.intended_ns, exchange.received - exchange.failed);
        self.slot_freed(index, exchange.request, cycle, at_ns);
        self.queue(index);
    }

    /// A client's connection has ended: what it waited for is lost, and sent by nobody again.
    #[cold]
    pub(super) fn disconnected(&mut self, index: u32) -> Result<(), Errno> {
        let now_ns = self.world.now_ns();
        let lost = self.clients[index as usize].outstanding.iter().count();
        self.around.counters.lost_with_connection.add(lost as u64);
        self.renew(index, now_ns)
    }

    /// Gives a client another connection, under another identity; what it still waited for is lost with the old one.
    fn renew(&mut self, index: u32, now_ns: u64) -> Result<(), Errno> {
        while let Some(exchange) =
            self.clients[index as usize].give_up_all(now_ns, &mut self.recorder)
        {
            self.gave_up(index, &exchange, now_ns);
        }
        let client = &mut self.clients[index as usize];
        client.renewals += 1;
        // Numbers that no client has.
        let number = self.around.plan.clients().wrapping_mul(client.renewals);
        client.identity = self.around.identities.of(client.number.wrapping_add(number));
        client.blocked = true;
        if self.around.forms.hello().is_some() {
            client.greeting = Greeting::ToSend;
        }
        self.world.renew(index, &client.identity)
    }

    /// Says hello on a connection that is new; false if there is no room yet.
    #[cold]
    pub(super) fn greet(&mut self, index: u32) -> Result<bool, Errno> {
        let client = &mut self.clients[index as usize];
        let hello = self.around.forms.hello().expect("a client that is to greet has a hello");
        client.hello(hello, &mut self.request)?;
        let sent = self.world.send(index, None, &mut self.request)?;
        if sent {
            client.greeting = Greeting::ToBeAnswered;
        } else {
            client.blocked = true;
        }
        Ok(sent)
    }
}
