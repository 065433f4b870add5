//! What a server did: the built-in server by its counters, an external one by its cost and its end.

use crate::scenario::Endpoints;
use crate::sum::{Merge as _, counter_fields};

/// What a server has done up to an instant.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerTotals {
    /// Messages the proxy took from either side; `None` if its engine hides it, as all that follow.
    pub messages_in: Option<u64>,
    /// Messages the proxy handed to the other side.
    pub messages_out: Option<u64>,
    /// Returns from waiting.
    pub wakes: Option<u64>,
    /// CPU time of the proxy thread, in nanoseconds.
    pub proxy_cpu_ns: Option<u64>,
    /// Bytes of the bodies that crossed the proxy, counted by the workers if the engine hides it.
    pub bytes: u64,
    /// Requests that workers received.
    pub requests: u64,
    /// Replies that workers sent.
    pub replies: u64,
    /// Messages that workers dropped: without a body, or with too many frames.
    pub refused: u64,
}

counter_fields! {
    ServerTotals: messages_in, messages_out, wakes, proxy_cpu_ns, bytes, requests, replies, refused
}

/// What a server did.
#[derive(Debug, Clone)]
pub struct Served {
    /// The end was asked for.
    pub interrupted: bool,
    /// Why the server failed, if it did.
    pub failure: Option<String>,
    /// Where it listened.
    pub frontend: Endpoints,
    /// How long it served, in nanoseconds.
    pub window_ns: u64,
    /// Connections that were closed because their peer sent an endless message.
    pub cut_off: u64,
    /// What it did.
    pub totals: ServerTotals,
}

/// How a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEnd {
    /// In words: `exit status 0`, `killed by SIGTERM`.
    pub exit: String,
    /// It ended unasked.
    pub by_itself: bool,
    /// It did not end within `server.stop_timeout` of SIGTERM.
    pub had_to_be_killed: bool,
    /// Processes that it had started and that were still there when it was gone; they were killed.
    pub left_behind: u32,
    /// The last lines of its output, printable and cut to a length that people read.
    pub last_output: Vec<String>,
}

/// What a server cost, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUse {
    /// Program and arguments, with the endpoint filled in.
    pub command: Vec<String>,
    /// CPU time of all its processes in the window, in nanoseconds; `None` if the kernel does not say or it died.
    pub cpu_ns: Option<u64>,
    /// The most memory that was resident, in bytes, each of its processes at its own peak.
    pub resident_bytes: Option<u64>,
    /// How it ended; `None` while it runs.
    pub end: Option<ServerEnd>,
}

impl ServerUse {
    /// Adds what another run's cost: CPU time adds up, memory is the larger, and an unusual end goes before one
    /// that is not.
    pub fn merge(&mut self, other: &Self) {
        let Self { command, cpu_ns, resident_bytes, end } = self;
        let is_plain =
            |end: &ServerEnd| !(end.by_itself || end.had_to_be_killed || end.left_behind > 0);
        if end.as_ref().is_none_or(is_plain) {
            command.clone_from(&other.command);
            end.clone_from(&other.end);
        }
        cpu_ns.merge(&other.cpu_ns);
        *resident_bytes = (*resident_bytes).max(other.resident_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(cpu_ns: Option<u64>, resident_bytes: u64, end: ServerEnd) -> ServerUse {
        let command = vec![end.exit.clone()];
        ServerUse { command, cpu_ns, resident_bytes: Some(resident_bytes), end: Some(end) }
    }

    #[test]
    fn several_runs_add_up_and_keep_the_unusual_end() {
        let plain = ServerEnd {
            exit: "exit status 0".to_owned(),
            by_itself: false,
            had_to_be_killed: false,
            left_behind: 0,
            last_output: Vec::new(),
        };
        let odd = ServerEnd {
            exit: "killed by SIGKILL".to_owned(),
            had_to_be_killed: true,
            ..plain.clone()
        };
        let (one, two) = (used(Some(3), 7, odd.clone()), used(Some(4), 5, plain));
        let sum = used(Some(7), 7, odd);
        let both = |one: &ServerUse, two: &ServerUse| {
            let mut both = one.clone();
            both.merge(two);
            both
        };
        assert_eq!((both(&one, &two), both(&two, &one)), (sum.clone(), sum));
        let unknown = ServerUse { cpu_ns: None, ..one };
        assert_eq!(both(&two, &unknown).cpu_ns, None, "a sum of which a part is not known");
    }
}
