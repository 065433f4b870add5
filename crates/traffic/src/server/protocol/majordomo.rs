//! The state of a Majordomo worker (MDP 0.2, RFC 18): what it says, what it hears, and what silence means. Pure.
//!
//! Instants are nanoseconds of the worker's clock. Invariant: whatever is said counts as a heartbeat, in both directions.

/// How long a worker says nothing at most. RFC 18 leaves it open; the implementations that there are use this.
const HEARTBEAT_NS: u64 = 2_500_000_000;
/// A broker that was silent for longer than this is gone. Brokers send heartbeats as often as workers do.
const LIVENESS_NS: u64 = 4 * HEARTBEAT_NS;

/// The header of all that passes between a worker and its broker.
pub(super) const HEADER: &[u8] = b"MDPW02";

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Command {
    Ready = 1,
    Request = 2,
    Partial = 3,
    Final = 4,
    Heartbeat = 5,
    Disconnect = 6,
}

impl Command {
    /// As a frame has it.
    pub(super) fn bytes(self) -> [u8; 1] {
        [self as u8]
    }

    /// The command of a broker whose message begins with these frames, if it is one.
    pub(super) fn heard([empty, header, command]: [&[u8]; 3]) -> Option<Self> {
        if !(empty.is_empty() && header == HEADER) {
            return None;
        }
        let of_brokers = [Self::Request, Self::Heartbeat, Self::Disconnect];
        of_brokers.into_iter().find(|known| known.bytes() == command)
    }

    /// Of the reply to a request, of which others follow or not.
    pub(super) fn of_reply(last: bool) -> Self {
        if last { Self::Final } else { Self::Partial }
    }
}

/// What a worker without a request is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Say that it is there.
    Beat,
    /// Connect again, and announce itself again.
    Reconnect,
    /// Wait for this long, or for a message.
    Wait(u64),
}

/// What a worker knows of its conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    said_ns: u64,
    heard_ns: u64,
}

impl Session {
    /// The worker has just announced itself.
    pub(super) fn begin(now_ns: u64) -> Self {
        Self { said_ns: now_ns, heard_ns: now_ns }
    }

    pub(super) fn said(&mut self, now_ns: u64) {
        self.said_ns = now_ns;
    }

    pub(super) fn heard(&mut self, now_ns: u64) {
        self.heard_ns = now_ns;
    }

    /// The request is over. Brokers need not send heartbeats to a worker that is busy, so silence counts from now.
    pub(super) fn served(&mut self, now_ns: u64) {
        (self.said_ns, self.heard_ns) = (now_ns, now_ns);
    }

    /// When it must say something next.
    pub(super) fn beat_ns(&self) -> u64 {
        self.said_ns.saturating_add(HEARTBEAT_NS)
    }

    /// What to do when no message is there.
    pub(super) fn step(&self, now_ns: u64) -> Step {
        let gone_ns = self.heard_ns.saturating_add(LIVENESS_NS);
        if now_ns >= gone_ns {
            Step::Reconnect
        } else if now_ns >= self.beat_ns() {
            Step::Beat
        } else {
            Step::Wait(self.beat_ns().min(gone_ns) - now_ns)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn only_what_a_broker_says_is_heard() {
        let heard = |command: &[u8]| Command::heard([b"", HEADER, command]);
        assert_eq!(heard(&[2]), Some(Command::Request));
        assert_eq!(heard(&[5]), Some(Command::Heartbeat));
        assert_eq!(heard(&[6]), Some(Command::Disconnect));
        for other in [&[1][..], &[3], &[4], &[7], &[0], &[], &[2, 2]] {
            assert_eq!(heard(other), None, "{other:?}");
        }
        assert_eq!(Command::heard([b"x", HEADER, &[2]]), None);
        assert_eq!(Command::heard([b"", b"MDPC02", &[2]]), None);
        assert_eq!((Command::of_reply(false).bytes(), Command::of_reply(true).bytes()), ([3], [4]));
        assert_eq!(Command::Ready.bytes(), [1]);
    }

    #[test]
    fn an_idle_worker_says_that_it_is_there() {
        let mut session = Session::begin(S);
        assert_eq!(session.step(S), Step::Wait(HEARTBEAT_NS));
        assert_eq!(session.step(2 * S), Step::Wait(HEARTBEAT_NS - S));
        assert_eq!(session.step(S + HEARTBEAT_NS), Step::Beat);
        session.said(4 * S);
        assert_eq!(session.step(4 * S), Step::Wait(HEARTBEAT_NS));
        session.said(10 * S);
        assert_eq!(session.step(10 * S), Step::Wait(S), "until the broker counts as gone");
    }

    #[test]
    fn a_silent_broker_is_gone_and_one_that_says_anything_is_not() {
        let mut session = Session::begin(0);
        session.said(9 * S);
        assert_eq!(session.step(LIVENESS_NS), Step::Reconnect);
        session.heard(9 * S);
        assert_ne!(session.step(LIVENESS_NS), Step::Reconnect);
        assert_eq!(session.step(9 * S + LIVENESS_NS), Step::Reconnect);
    }

    #[test]
    fn a_long_request_is_no_silence() {
        let mut session = Session::begin(0);
        assert_eq!(session.beat_ns(), HEARTBEAT_NS, "it beats while it is busy, too");
        session.served(3600 * S);
        assert_eq!(session.step(3600 * S), Step::Wait(HEARTBEAT_NS));
    }
}
