//! A simulated connection, after libzmq's DEALER where a driver can see it.
//!
//! Its descriptor is signalled once when there are commands, and any call may take them in and so swallow the news; a writer
//! into a pipe signals the reader only if it was seen asleep, which is when it found the pipe empty.

use std::collections::VecDeque;

use super::truth::Kind;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that ZeroMQ keeps by itself")]
pub(super) struct Connection {
    /// Messages that came and were not read.
    pub(super) unread: VecDeque<Mail>,
    /// The reader knows that there is something to read.
    pub(super) awake: bool,
    /// Commands that wait for the next call: something can be read, something can be sent.
    pub(super) commands: (bool, bool),
    /// The descriptor is readable, and has said so.
    pub(super) signalled: bool,
    pub(super) told: bool,
    /// Requests that were taken and have not left, and whether the socket knows of no room for another.
    pub(super) queued: usize,
    pub(super) refused: bool,
    /// The last request was refused.
    pub(super) wants_to_send: bool,
    /// When the last message left for the server, whose order TCP keeps, and when the last one comes to the client.
    pub(super) last_ns: u64,
    pub(super) reply_ns: u64,
    /// How many connections the client had before.
    pub(super) number: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Mail {
    /// The last one is the body.
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) kind: Kind,
    /// When it came; 0 while it is on its way.
    pub(super) arrived_ns: u64,
}

impl Connection {
    pub(super) fn signal(&mut self) {
        if !self.signalled {
            (self.signalled, self.told) = (true, false);
        }
    }

    pub(super) fn arrived(&mut self, mail: Mail) {
        self.unread.push_back(mail);
        if !self.awake && !self.commands.0 {
            self.commands.0 = true;
            self.signal();
        }
    }

    /// A request left; ZeroMQ says that there is room when half of the places are free again.
    pub(super) fn drained(&mut self, room: usize) {
        self.queued -= 1;
        if self.queued.is_multiple_of((room / 2).max(1)) {
            self.commands.1 = true;
            self.signal();
        }
    }

    /// Takes in what the commands say, and with it the news of them.
    pub(super) fn take_commands(&mut self) {
        self.awake |= self.commands.0;
        self.refused &= !self.commands.1;
        self.commands = (false, false);
        self.signalled = false;
    }

    /// Whether something can be read; the reader is asleep from when it finds nothing.
    pub(super) fn readable(&mut self) -> bool {
        self.awake &= !self.unread.is_empty();
        self.awake
    }

    /// Whether something could be done here of which no event will ever come.
    pub(super) fn is_forgotten(&self, room: usize, sending: bool) -> bool {
        let news_to_come = self.signalled && !self.told;
        let unread = self.awake && !self.unread.is_empty();
        let sendable = sending && self.wants_to_send && !self.refused && self.queued < room;
        !news_to_come && (unread || sendable || self.signalled)
    }
}
